//! What CreateStateMachine refuses, found before it is asked; and what it accepts and is wrong all the same.
//!
//! A false error is worse than a missed one: what AWS may accept is a warning. How each rule is known to hold stands in
//! [`codes`](super::codes).

mod choice;
mod credentials;
mod fields;
mod functions;
mod graph;
mod integrations;
mod intrinsics;
mod jsonata;
mod map;
mod object;
mod path;
mod retry;
mod sdk_operations;
mod sdk_services;
mod task;
mod template;
mod variables;
mod wait;

use std::collections::HashMap;
use std::str::FromStr;

use serde_json::Value;

use super::codes;
use super::finding::{At, Finding, Findings};
use super::model::{Machine, QueryLanguage, State, StateType};
use super::near::Speller;
use super::text::{Definition, MAX_SIZE, short};
use super::walk::Pointer;

/// The two types of state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MachineType {
    /// Durable, up to a year.
    Standard,
    /// Up to five minutes, also synchronous.
    Express,
}

impl FromStr for MachineType {
    type Err = String;

    /// Reads `STANDARD` or `EXPRESS`, as the AWS API writes them.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "STANDARD" => Ok(Self::Standard),
            "EXPRESS" => Ok(Self::Express),
            _ => Err(format!("`{text}` is not a type of state machine; there are STANDARD and EXPRESS")),
        }
    }
}

/// How a machine is used, as far as the checks depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Usage {
    /// Its type.
    pub machine_type: MachineType,
    /// Whether a route waits for its answer (StartSyncExecution).
    pub answers_route: bool,
}

/// Checks a definition after its substitutions, and reports everything at once in the order of the text.
///
/// No error finding does not promise that AWS accepts it: only what it surely refuses is an error.
pub fn check(definition: &Definition, machine_type: MachineType) -> Vec<Finding> {
    check_used(definition, Usage { machine_type, answers_route: false })
}

/// As [`check`], for a machine that is used in a known way.
pub fn check_used(definition: &Definition, usage: Usage) -> Vec<Finding> {
    let machine = Machine::read(definition.value());
    let mut checker = Checker {
        findings: Findings::new(definition),
        speller: Speller::new(),
        usage,
        machine_language: machine.language,
        names: HashMap::new(),
        labels: HashMap::new(),
        variables: variables::Collected::default(),
    };
    for level in &machine.levels {
        for state in &level.states {
            checker.name(&state.at);
        }
    }
    for (index, level) in machine.levels.iter().enumerate() {
        checker.level(level);
        let owner_is_map =
            level.owner.is_some_and(|(level, state)| machine.levels[level].states[state].kind == Some(StateType::Map));
        checker.level_fields(level, owner_is_map);
        for (position, state) in level.states.iter().enumerate() {
            checker.variables.begin((index, position));
            checker.state(state, level.express_child);
        }
        checker.graph(level);
    }
    checker.variables(&machine);
    let size = definition.to_json().len();
    if size > MAX_SIZE {
        checker.findings.report(
            &codes::DEFINITION_TOO_LARGE,
            At::Value(&Pointer::root()),
            format!("the definition has {size} bytes as JSON; AWS takes at most {MAX_SIZE}"),
            None,
        );
    }
    checker.findings.finish()
}

struct Checker<'d> {
    findings: Findings<'d>,
    speller: Speller,
    usage: Usage,
    machine_language: QueryLanguage,
    /// Every state's name, and the Map or Parallel state it is in first.
    names: HashMap<&'d str, Option<&'d str>>,
    /// Every Label of a Map state, and the state that has it first.
    labels: HashMap<&'d str, &'d str>,
    variables: variables::Collected<'d>,
}

/// Where a value stands, as far as it decides what it means and how a message names it.
#[derive(Clone, Copy)]
struct Site<'s> {
    /// The state's name.
    state: &'s str,
    language: QueryLanguage,
    /// `$states.errorOutput` exists.
    in_catch: bool,
    /// `$states.result` exists.
    has_result: bool,
}

impl<'d> Checker<'d> {
    fn state(&mut self, state: &State<'d>, express_child: bool) {
        let name = short(state.at.name);
        let at = At::Key(&state.at.pointer);
        let Value::Object(fields) = state.at.value else {
            self.findings.report(&codes::NOT_AN_OBJECT, at, format!("State `{name}` is not an object"), None);
            return;
        };
        let Some(kind) = self.kind(state) else { return };
        let site = Site {
            state: state.at.name,
            language: state.language,
            in_catch: false,
            has_result: matches!(kind, StateType::Task | StateType::Parallel | StateType::Map),
        };
        self.language(state);
        self.fields(site, &format!("State `{name}`"), fields, &state.at.pointer, fields::of_state(kind));
        match kind {
            StateType::Task => self.task(state, express_child),
            StateType::Choice => self.choice(state),
            StateType::Wait => self.wait(state),
            StateType::Map => self.map(state),
            StateType::Parallel => match state.field("Branches") {
                Some(Value::Array(branches)) if branches.is_empty() => {
                    let pointer = state.at.pointer.key("Branches");
                    let message = format!("Parallel state `{name}` has no branch in its Branches");
                    self.findings.report(&codes::BRANCHES_MISSING, At::Key(&pointer), message, None);
                }
                Some(Value::Array(_)) => {}
                _ => self.findings.report(
                    &codes::BRANCHES_MISSING,
                    at,
                    format!("Parallel state `{name}` has no Branches"),
                    Some("add Branches, an array of objects with StartAt and States".to_owned()),
                ),
            },
            StateType::Pass => self.static_result(state),
            StateType::Succeed | StateType::Fail => {}
        }
        if kind.goes_on() {
            self.next_or_end(state);
        }
        if kind.catches() {
            self.retriers(state);
            self.catchers(state);
        }
    }

    fn kind(&mut self, state: &State<'d>) -> Option<StateType> {
        let name = short(state.at.name);
        let pointer = state.at.pointer.key("Type");
        match state.field("Type") {
            Some(Value::String(kind)) => {
                if state.kind.is_none() {
                    let names = StateType::ALL.map(StateType::name);
                    let help = match self.speller.near(kind, names) {
                        Some(near) => format!("did you mean `{near}`?"),
                        None => types_help(),
                    };
                    let message = format!("State `{name}` has the Type `{}`, which does not exist", short(kind));
                    self.findings.report(&codes::TYPE_UNKNOWN, At::Value(&pointer), message, Some(help));
                }
                state.kind
            }
            Some(_) => {
                let message = format!("State `{name}` has a Type that is not a string");
                self.findings.report(&codes::TYPE_UNKNOWN, At::Value(&pointer), message, Some(types_help()));
                None
            }
            None => {
                let message = format!("State `{name}` has no Type");
                self.findings.report(&codes::TYPE_MISSING, At::Key(&state.at.pointer), message, Some(types_help()));
                None
            }
        }
    }

    /// "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine": recorded from AWS.
    fn language(&mut self, state: &State<'d>) {
        if self.machine_language == QueryLanguage::Jsonata
            && state.field("QueryLanguage").and_then(Value::as_str) == Some(QueryLanguage::JsonPath.name())
        {
            self.findings.report(
                &codes::QUERY_LANGUAGE,
                At::Value(&state.at.pointer.key("QueryLanguage")),
                format!("State `{}` says JSONPath, and the whole machine says JSONata", short(state.at.name)),
                Some("write the state in JSONata, or give JSONata to single states and not to the machine".to_owned()),
            );
        }
    }
}

fn types_help() -> String {
    format!("the types are {}", StateType::ALL.map(StateType::name).join(", "))
}

/// Whether a string holds a placeholder: then nobody knows here what it will be.
fn unresolved(text: &str) -> bool {
    use super::expression::{Part, parts};
    text.contains("${") && parts(text).iter().any(|part| matches!(part, Part::Placeholder(_)))
}

/// What a JSON value is called in a message.
fn what(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests;
