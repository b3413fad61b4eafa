//! What an execution role must be allowed so that its definition can run: AWS.md §5, and for `aws-sdk:` tasks the service
//! authorization reference (`src/policy/data/`).
//!
//! Inference errs to the narrow side only where the definition's own literals say so. A value that only an execution knows becomes
//! the pattern of its type in the machine's account and Region; where even that would hand over what nobody named (a function,
//! a topic, a state machine, a role), nothing is granted: it is [`Unknown`], with the statement to write by hand.
//!
//! ```text
//! definition ─ walk ─▶ states ─ integration ─▶ needs (one action, one resource, its state) ─ merge ─▶ statements
//!                                  └──────────▶ unknown
//! ```

mod arguments;
mod arn;
mod athena;
mod callers;
mod catalog;
mod compute;
mod data;
mod expression;
mod map;
mod merge;
mod optimized;
mod pass_role;
mod placeholder;
mod rds;
mod sdk;
mod ssm;
mod tags;
mod task;
#[cfg(test)]
mod tests;
mod text;

use std::collections::BTreeSet;

use serde_json::Value;

use super::glob;
use super::statement::{Effect, Statement};
use crate::asl::{StateRef, walk};
use arguments::{Scope, Variables, uses_jsonata};
use task::Task;

/// Whose execution role it is.
#[derive(Clone, Copy, Debug)]
pub struct Machine<'a> {
    /// The state machine's name in AWS.
    pub name: &'a str,
    /// The 12-digit account id.
    pub account: &'a str,
    /// The Region.
    pub region: &'a str,
    /// The Region's partition.
    pub partition: &'a str,
}

impl Machine<'_> {
    /// Its ARN, known before it exists, since the name is ours.
    pub fn arn(&self) -> String {
        let Machine { name, account, region, partition } = self;
        format!("arn:{partition}:states:{region}:{account}:stateMachine:{name}")
    }
}

/// What bounds a need (DESIGN §1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// The definition's own doing: the tenant's ceiling.
    Task,
    /// Starting another state machine: its `allowedCallers`, or `targets`, or the ceiling.
    Invoke,
    /// What follows from a task that is bounded itself: the managed rule of a `.sync`, a connection's secret, a distributed Map's
    /// own executions.
    Plumbing,
}

/// A state of a definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct State {
    /// Its name.
    pub name: String,
    /// JSON pointer into the definition.
    pub path: String,
}

/// One permission and the states that need it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Need {
    /// What bounds it.
    pub class: Class,
    /// One action on one resource, perhaps under conditions.
    pub statement: Statement,
    /// The states.
    pub states: BTreeSet<State>,
}

/// A permission that can't be known from the definition.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unknown {
    /// The state that needs it.
    pub state: State,
    /// What is not known, to end a sentence that begins with the state.
    pub reason: String,
    /// What a statement by hand has to meet: its resources are patterns to be narrowed, and its actions are where they aren't known.
    pub statement: Statement,
}

impl Unknown {
    /// The statement to write, its resources to be narrowed; `None` where not even its actions are known.
    pub fn to_write(&self) -> Option<&Statement> {
        let known = !self.statement.actions.iter().any(|action| glob::has_wildcard(action));
        known.then_some(&self.statement)
    }

    /// Whether a written statement takes care of it: it allows the same actions on something of that kind.
    pub fn is_settled_by(&self, written: &[Statement]) -> bool {
        let meets = |resource: &String| {
            let ours = &self.statement.resources;
            ours.is_empty() || ours.iter().any(|own| own == "*" || resource == "*" || glob::intersects(own, resource))
        };
        let allows = |action: &String, statement: &Statement| {
            statement.effect == Effect::Allow
                && statement.actions.iter().any(|written| glob::intersects_ignore_case(written, action))
                && statement.resources.iter().any(meets)
        };
        self.statement.actions.iter().all(|action| written.iter().any(|statement| allows(action, statement)))
    }
}

/// One sentence: the state, what is not known, and what to do.
impl std::fmt::Display for Unknown {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let State { name, path } = &self.state;
        write!(f, "state `{name}` ({path}) {}; write by hand ", self.reason)?;
        let Statement { actions, resources, conditions, .. } = &self.statement;
        if self.to_write().is_none() {
            let service = actions.iter().find_map(|action| action.strip_suffix(":*"));
            return match service {
                Some(service) => write!(f, "a statement with the actions of {service} that it needs"),
                None => f.write_str("the statements for what it calls"),
            };
        }
        let resources = resources.iter().map(|resource| format!("`{resource}`")).collect::<Vec<_>>();
        write!(f, "a statement with {} on what of {} it means", actions.join(", "), resources.join(", "))?;
        for (key, values) in conditions.values().flatten() {
            write!(f, ", with the condition that {key} is {}", values.join(" or "))?;
        }
        Ok(())
    }
}

/// A statement of the policy and the states that need it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// The statement.
    pub statement: Statement,
    /// The states, in the order of their paths.
    pub states: BTreeSet<State>,
}

/// What a definition needs. The same definition for the same machine always gives the same.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Inferred {
    /// The permissions, each once, sorted.
    pub needs: Vec<Need>,
    /// What can't be known, sorted.
    pub unknown: Vec<Unknown>,
}

impl Inferred {
    /// The needs as the fewest statements, merged without loss.
    pub fn statements(&self) -> Vec<Explained> {
        merge::merge(&self.needs)
    }

    /// In a few words.
    pub fn summary(&self) -> String {
        let statements: Vec<Statement> = self.statements().into_iter().map(|explained| explained.statement).collect();
        summary(&statements, self.unknown.len())
    }
}

/// Statements that say the same as these, as few as can be; those that deny stay as they are.
pub fn folded(statements: &[Statement]) -> Vec<Statement> {
    let (allowing, denying): (Vec<_>, Vec<_>) =
        statements.iter().cloned().partition(|statement| statement.effect == Effect::Allow);
    let need = |statement| Need { class: Class::Task, statement, states: BTreeSet::new() };
    let needs: Vec<Need> = allowing.into_iter().map(need).collect();
    let merged = merge::merge(&needs).into_iter().map(|explained| explained.statement);
    merged.chain(denying).collect()
}

/// `5 statements, 2 services; 1 unknown`.
pub fn summary(statements: &[Statement], unknown: usize) -> String {
    let actions = statements.iter().flat_map(|statement| &statement.actions);
    let services: BTreeSet<&str> = actions.filter_map(|action| action.split(':').next()).collect();
    let count = |n: usize, what: &str| format!("{n} {what}{}", if n == 1 { "" } else { "s" });
    let text = match statements.len() {
        0 => "no permissions".to_owned(),
        n => format!("{}, {}", count(n, "statement"), count(services.len(), "service")),
    };
    if unknown == 0 { text } else { format!("{text}; {unknown} unknown") }
}

/// Infers what the execution role of `machine` must be allowed for a definition, after substitution. What of `${Name}` is left
/// is taken for a value that is not known.
pub fn infer(definition: &Value, machine: &Machine<'_>) -> Inferred {
    let states: Vec<StateRef<'_>> = walk(definition).collect();
    let variables = Variables::read(machine, definition, &states);
    let mut needs: Vec<Need> = Vec::new();
    let mut unknown: Vec<Unknown> = Vec::new();
    for state in &states {
        let scope = Scope { machine, variables: &variables, jsonata: uses_jsonata(definition, state) };
        let mut task = Task::new(state, scope);
        match state.kind() {
            Some("Task") => task.infer(&states),
            Some("Map") => map::infer(&mut task),
            _ => {}
        }
        needs.append(&mut task.needs);
        unknown.append(&mut task.unknown);
    }
    unknown.sort();
    unknown.dedup();
    Inferred { needs: merge::distinct(needs), unknown }
}
