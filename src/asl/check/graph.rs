//! Names, StartAt and transitions: what is reached, and whether it ends.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::Checker;
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::model::{MachineLevel, State, Transition, Why};
use crate::asl::text::short;
use crate::asl::walk::{Level, Pointer, StateRef};

/// The longest name of a state, in characters. CreateStateMachine: "INVALID_STATE_NAME … exceeds the 80-character limit
/// allowed by the service" (asl-validator issue 69), although the specification says 128 in places.
const MAX_NAME: usize = 80;

impl<'d> Checker<'d> {
    /// DUPLICATE_STATE_NAME (ValidateStateMachineDefinition) holds for the whole machine, across its levels.
    pub(super) fn name(&mut self, state: &StateRef<'d>) {
        let length = state.name.chars().count();
        if length > MAX_NAME {
            self.findings.report(
                &codes::STATE_NAME_TOO_LONG,
                At::Key(&state.pointer),
                format!(
                    "The state name `{}…` has {length} characters; AWS takes at most {MAX_NAME}",
                    short(state.name)
                ),
                None,
            );
        }
        if let Some(owner) = self.names.get(state.name) {
            let other = match owner {
                None => "at the top".to_owned(),
                Some(owner) => format!("inside of `{}`", short(owner)),
            };
            self.findings.report(
                &codes::DUPLICATE_STATE_NAME,
                At::Key(&state.pointer),
                format!("State `{}` has the same name as one {other}", short(state.name)),
                Some("give it another name; names are unique in the whole machine".to_owned()),
            );
        } else {
            self.names.insert(state.name, state.owner);
        }
    }

    /// A level's StartAt and States.
    pub(super) fn level(&mut self, level: &MachineLevel<'d>) {
        let (whose, level) = (whose(&level.level), &level.level);
        if !level.value.is_object() {
            self.findings.report(
                &codes::NOT_AN_OBJECT,
                At::Value(&level.pointer),
                format!("{whose} is not an object with StartAt and States"),
                None,
            );
            return;
        }
        match level.value.get("States") {
            Some(Value::Object(states)) if !states.is_empty() => {}
            Some(Value::Object(_)) => self.findings.report(
                &codes::STATES_EMPTY,
                At::Key(&level.pointer.key("States")),
                format!("{whose} has no state in its States"),
                None,
            ),
            Some(_) => self.findings.report(
                &codes::STATES_MISSING,
                At::Value(&level.pointer.key("States")),
                format!("{whose} has a States that is not an object of states by their names"),
                None,
            ),
            None => self.findings.report(
                &codes::STATES_MISSING,
                At::Key(&level.pointer),
                format!("{whose} has no States"),
                Some("add States, an object of states by their names".to_owned()),
            ),
        }
    }

    /// The state at which a level starts: the one named, or the one that was probably meant.
    fn start(&mut self, level: &Level<'d>) -> Option<&'d str> {
        let whose = whose(level);
        let pointer = level.pointer.key("StartAt");
        let states = level.state_map();
        match level.value.get("StartAt") {
            Some(Value::String(name)) => {
                let states = states.filter(|states| !states.is_empty())?;
                if states.contains_key(name) {
                    return Some(name);
                }
                let near = self.speller.near(name, states.keys().map(String::as_str));
                self.findings.report(
                    &codes::UNKNOWN_START,
                    At::Value(&pointer),
                    format!("{whose} starts at `{}`, which none of its states is named", short(name)),
                    Some(self.suggest(name, near, level)),
                );
                near
            }
            Some(_) => {
                self.findings.report(
                    &codes::START_MISSING,
                    At::Value(&pointer),
                    format!("{whose} has a StartAt that is not the name of a state"),
                    None,
                );
                None
            }
            None => {
                let first = states.and_then(|states| states.keys().next());
                self.findings.report(
                    &codes::START_MISSING,
                    At::Key(&level.pointer),
                    format!("{whose} has no StartAt"),
                    first.map(|first| format!("add the name of its first state, as StartAt: {}", short(first))),
                );
                first.map(String::as_str)
            }
        }
    }

    fn suggest(&self, name: &str, near: Option<&str>, level: &Level<'_>) -> String {
        if self.names.contains_key(name) {
            return "there is one at another level, but states go only to states of their own level".to_owned();
        }
        if let Some(near) = near {
            return format!("did you mean `{near}`?");
        }
        let names = level.states().take(10).map(|state| format!("`{}`", short(state.name)));
        format!("the states there are {}", names.collect::<Vec<_>>().join(", "))
    }

    /// Specification, "Transitions": a state has Next or `"End": true`, not both.
    pub(super) fn next_or_end(&mut self, state: &State<'d>) {
        let name = short(state.at.name);
        let next = state.field("Next").filter(|next| !next.is_null());
        let help = || Some("give it Next, or End: true if the machine or branch ends here".to_owned());
        match (next, state.field("End")) {
            (_, Some(Value::String(_) | Value::Number(_))) => {
                let message = format!("State `{name}` has an End that is not true or false");
                let pointer = state.at.pointer.key("End");
                self.findings.report(&codes::END_NOT_BOOLEAN, At::Value(&pointer), message, None);
            }
            (Some(_), Some(Value::Bool(true))) => self.findings.report(
                &codes::NEXT_AND_END,
                At::Key(&state.at.pointer),
                format!("State `{name}` has both Next and End: true"),
                Some("keep one of them".to_owned()),
            ),
            (None, Some(Value::Bool(false))) => self.findings.report(
                &codes::END_FALSE,
                At::Key(&state.at.pointer),
                format!("State `{name}` has End: false and no Next"),
                help(),
            ),
            (None, None | Some(Value::Null)) => self.findings.report(
                &codes::NEXT_MISSING,
                At::Key(&state.at.pointer),
                format!("State `{name}` has neither Next nor End"),
                help(),
            ),
            _ => {}
        }
    }

    /// "SCHEMA_VALIDATION_FAILED: These fields are required: [Next]" (cfn-lint issue 4077, for a choice rule).
    pub(super) fn needs_next(&mut self, name: &str, what: &str, value: &Value, pointer: &Pointer<'_>) {
        let name = short(name);
        if value.as_object().is_some_and(|rule| !rule.contains_key("Next")) {
            let message = format!("A {what} of state `{name}` has no Next");
            self.findings.report(&codes::NEXT_MISSING, At::Value(pointer), message, None);
        }
    }

    /// The ways between the states of a level.
    ///
    /// "MISSING_TRANSITION_TARGET: Missing 'Next' target: pass3 at /States/pass1/Next, … State \"pass2\" is not reachable."
    /// (localstack issue 11978, cfn-lint issues 4073, 4074) and "MISSING_END_STATE: Workflow has no terminal state" (floci
    /// issue 2735). AWS calls a state unreachable when no other state names it; a circle of states that is cut off is
    /// only known to be wrong, so it is a warning.
    pub(super) fn graph(&mut self, level: &MachineLevel<'d>) {
        if !level.level.value.is_object() {
            return;
        }
        let start = self.start(&level.level);
        let Some(states) = level.level.state_map() else { return };
        let mut ways: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut named: HashSet<&str> = start.into_iter().collect();
        let mut ends = false;
        let mut unclear = false;
        for state in &level.states {
            let transitions = state.transitions();
            ends |= state.ends();
            unclear |= state.kind.is_none() || transitions.is_empty();
            for transition in transitions {
                if let Some(to) = self.target(state, &transition, &level.level) {
                    if to != state.at.name {
                        named.insert(to);
                    }
                    ways.entry(state.at.name).or_default().push(to);
                } else {
                    unclear = true;
                }
            }
        }
        let reached = reach(start, &ways);
        for state in &level.states {
            let (name, shown) = (state.at.name, short(state.at.name));
            if !named.contains(name) {
                self.findings.report(
                    &codes::UNREACHABLE_STATE,
                    At::Key(&state.at.pointer),
                    format!("State `{shown}` can't be reached: neither StartAt nor another state names it"),
                    Some("let a state go to it, or remove it".to_owned()),
                );
            } else if start.is_some() && !reached.contains(name) {
                self.findings.report(
                    &codes::CUT_OFF_STATE,
                    At::Key(&state.at.pointer),
                    format!("State `{shown}` can't be reached from StartAt"),
                    Some("let a state that is reached go to it, or remove it".to_owned()),
                );
            }
        }
        if !states.is_empty() && !ends && !unclear {
            let whose = whose(&level.level);
            let message = format!("{whose} never ends: no state has End: true, or is of Type Succeed or Fail");
            let help = "give a state End: true, or let one go to a state of Type Succeed or Fail".to_owned();
            self.findings.report(&codes::NO_END, At::Key(&level.level.pointer), message, Some(help));
        }
    }

    /// The state a transition goes to: the one it names, or the one that was probably meant.
    fn target(&mut self, state: &State<'d>, transition: &Transition<'d>, level: &Level<'d>) -> Option<&'d str> {
        let Transition { why, to, pointer, .. } = transition;
        let field = match why {
            Why::Next => "Next",
            Why::Default => "Default",
            Why::Choice(_) => "a choice rule with Next",
            Why::Catch(_) => "a catcher with Next",
        };
        let states = level.state_map()?;
        let to = match to {
            Value::String(to) => to,
            Value::Null => return None,
            _ if !transition.belongs => return None,
            _ => {
                let message = format!(
                    "State `{}` has {field} with a value that is not the name of a state",
                    short(state.at.name)
                );
                self.findings.report(&codes::UNKNOWN_NEXT, At::Value(pointer), message, None);
                return None;
            }
        };
        if let Some((to, _)) = states.get_key_value(to) {
            return Some(to);
        }
        if !transition.belongs || super::unresolved(to) {
            return None;
        }
        let near = self.speller.near(to, states.keys().map(String::as_str));
        self.findings.report(
            &codes::UNKNOWN_NEXT,
            At::Value(pointer),
            format!("State `{}` has {field} `{}`, which no state of this level has", short(state.at.name), short(to)),
            Some(self.suggest(to, near, level)),
        );
        near
    }
}

/// How a message calls a level.
pub(super) fn whose(level: &Level<'_>) -> String {
    match level.owner {
        None => "The definition".to_owned(),
        Some(owner) => format!("A branch or processor of state `{}`", short(owner)),
    }
}

fn reach<'d>(start: Option<&'d str>, ways: &HashMap<&'d str, Vec<&'d str>>) -> HashSet<&'d str> {
    let mut reached: HashSet<&str> = start.into_iter().collect();
    let mut pending: Vec<&str> = start.into_iter().collect();
    while let Some(name) = pending.pop() {
        for to in ways.get(name).into_iter().flatten() {
            if reached.insert(to) {
                pending.push(to);
            }
        }
    }
    reached
}
