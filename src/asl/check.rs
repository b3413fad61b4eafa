//! What CreateStateMachine surely refuses, found before it is asked.
//!
//! A false error is worse than a missed one: what AWS may accept is a warning. Where no other source is named, the rule is
//! the States Language specification's (<https://states-language.net/spec.html>) and AWS is known to hold it.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use serde_json::Value;

use super::finding::{At, Finding, Findings};
use super::near::Speller;
use super::text::{Definition, MAX_SIZE, short};
use super::walk::{Level, Pointer, StateRef, levels};

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

/// Checks a definition after its substitutions, and reports everything at once in the order of the text.
///
/// No error finding does not promise that AWS accepts it: only what it surely refuses is an error.
pub fn check(definition: &Definition, machine_type: MachineType) -> Vec<Finding> {
    let mut checker =
        Checker { findings: Findings::new(definition), speller: Speller::new(), machine_type, names: HashMap::new() };
    let levels: Vec<Level<'_>> = levels(definition.value()).collect();
    for state in levels.iter().flat_map(Level::states) {
        checker.name(&state);
    }
    for level in &levels {
        checker.level(level);
    }
    let size = definition.to_json().len();
    if size > MAX_SIZE {
        checker.findings.error(
            "definition-too-large",
            At::Value(&Pointer::root()),
            format!("the definition has {size} bytes as JSON; AWS takes at most {MAX_SIZE}"),
            None,
        );
    }
    checker.findings.finish()
}

const TYPES: [&str; 8] = ["Task", "Pass", "Choice", "Wait", "Succeed", "Fail", "Parallel", "Map"];

/// The longest name of a state, in characters. CreateStateMachine: "INVALID_STATE_NAME … exceeds the 80-character limit
/// allowed by the service" (asl-validator issue 69), although the specification says 128 in places.
const MAX_NAME: usize = 80;

struct Checker<'d> {
    findings: Findings<'d>,
    speller: Speller,
    machine_type: MachineType,
    /// Every state's name, and the Map or Parallel state it is in first.
    names: HashMap<&'d str, Option<&'d str>>,
}

/// A way from one state to another.
struct Transition<'d> {
    /// How a message calls the field.
    field: &'static str,
    /// Whether the state's Type has this field: where it has not, AWS has other words for it, or none.
    belongs: bool,
    to: &'d Value,
    pointer: Pointer<'d>,
}

impl<'d> Checker<'d> {
    /// DUPLICATE_STATE_NAME (ValidateStateMachineDefinition) holds for the whole machine, across its levels.
    fn name(&mut self, state: &StateRef<'d>) {
        let length = state.name.chars().count();
        if length > MAX_NAME {
            self.findings.error(
                "state-name-too-long",
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
            self.findings.error(
                "duplicate-state-name",
                At::Key(&state.pointer),
                format!("State `{}` has the same name as one {other}", short(state.name)),
                Some("give it another name; names are unique in the whole machine".to_owned()),
            );
        } else {
            self.names.insert(state.name, state.owner);
        }
    }

    fn level(&mut self, level: &Level<'d>) {
        let whose = match level.owner {
            None => "The definition".to_owned(),
            Some(owner) => format!("A branch or processor of state `{}`", short(owner)),
        };
        if !level.value.is_object() {
            self.findings.error(
                "not-an-object",
                At::Value(&level.pointer),
                format!("{whose} is not an object with StartAt and States"),
                None,
            );
            return;
        }
        match level.value.get("States") {
            Some(Value::Object(states)) if !states.is_empty() => {}
            Some(Value::Object(_)) => self.findings.error(
                "states-empty",
                At::Key(&level.pointer.key("States")),
                format!("{whose} has no state in its States"),
                None,
            ),
            Some(_) => self.findings.error(
                "states-missing",
                At::Value(&level.pointer.key("States")),
                format!("{whose} has a States that is not an object of states by their names"),
                None,
            ),
            None => self.findings.error(
                "states-missing",
                At::Key(&level.pointer),
                format!("{whose} has no States"),
                Some("add States, an object of states by their names".to_owned()),
            ),
        }
        let start = self.start(level, &whose);
        for state in level.states() {
            self.state(&state);
        }
        self.graph(level, start, &whose);
    }

    /// The state at which a level starts: the one named, or the one that was probably meant.
    fn start(&mut self, level: &Level<'d>, whose: &str) -> Option<&'d str> {
        let pointer = level.pointer.key("StartAt");
        let states = level.state_map();
        match level.value.get("StartAt") {
            Some(Value::String(name)) => {
                let states = states.filter(|states| !states.is_empty())?;
                if states.contains_key(name) {
                    return Some(name);
                }
                let near = self.speller.near(name, states.keys().map(String::as_str));
                self.findings.error(
                    "unknown-start",
                    At::Value(&pointer),
                    format!("{whose} starts at `{}`, which none of its states is named", short(name)),
                    Some(self.suggest(name, near, level)),
                );
                near
            }
            Some(_) => {
                self.findings.error(
                    "start-missing",
                    At::Value(&pointer),
                    format!("{whose} has a StartAt that is not the name of a state"),
                    None,
                );
                None
            }
            None => {
                let first = states.and_then(|states| states.keys().next());
                self.findings.error(
                    "start-missing",
                    At::Key(&level.pointer),
                    format!("{whose} has no StartAt"),
                    first.map(|first| format!("add the name of its first state, as StartAt: {}", short(first))),
                );
                first.map(String::as_str)
            }
        }
    }

    fn suggest(&self, name: &str, near: Option<&str>, level: &Level<'_>) -> String {
        if let Some(near) = near {
            return format!("did you mean `{near}`?");
        }
        if self.names.contains_key(name) {
            return "there is one at another level, but states go only to states of their own level".to_owned();
        }
        let names = level.states().take(10).map(|state| format!("`{}`", short(state.name)));
        format!("the states there are {}", names.collect::<Vec<_>>().join(", "))
    }

    fn state(&mut self, state: &StateRef<'d>) {
        let name = short(state.name);
        let at = At::Key(&state.pointer);
        if !state.value.is_object() {
            self.findings.error("not-an-object", at, format!("State `{name}` is not an object"), None);
            return;
        }
        let kind = match state.field("Type") {
            Some(Value::String(kind)) => kind.as_str(),
            Some(_) => {
                let pointer = state.pointer.key("Type");
                let message = format!("State `{name}` has a Type that is not a string");
                self.findings.error("type-unknown", At::Value(&pointer), message, types_help());
                return;
            }
            None => {
                let message = format!("State `{name}` has no Type");
                self.findings.error("type-missing", at, message, types_help());
                return;
            }
        };
        match kind {
            "Task" => self.task(state),
            "Choice" => self.choice(state),
            "Parallel" if !matches!(state.field("Branches"), Some(Value::Array(_))) => {
                self.findings.error(
                    "branches-missing",
                    at,
                    format!("Parallel state `{name}` has no Branches"),
                    Some("add Branches, an array of objects with StartAt and States".to_owned()),
                );
            }
            "Map" if state.levels().next().is_none() => self.findings.error(
                "item-processor-missing",
                at,
                format!("Map state `{name}` has no ItemProcessor"),
                Some("add ItemProcessor, an object with StartAt and States".to_owned()),
            ),
            _ if !TYPES.contains(&kind) => {
                let help = match self.speller.near(kind, TYPES) {
                    Some(near) => Some(format!("did you mean `{near}`?")),
                    None => types_help(),
                };
                let message = format!("State `{name}` has the Type `{}`, which does not exist", short(kind));
                let pointer = state.pointer.key("Type");
                self.findings.error("type-unknown", At::Value(&pointer), message, help);
                return;
            }
            _ => {}
        }
        if matches!(kind, "Task" | "Pass" | "Wait" | "Parallel" | "Map") {
            self.next_or_end(state);
        }
        if matches!(kind, "Task" | "Parallel" | "Map")
            && let Some(Value::Array(catchers)) = state.field("Catch")
        {
            let pointer = state.pointer.key("Catch");
            for (index, catcher) in catchers.iter().enumerate() {
                self.needs_next(name, "catcher", catcher, &pointer.index(index));
            }
        }
    }

    /// Specification, "Transitions": a state has Next or `"End": true`, not both.
    fn next_or_end(&mut self, state: &StateRef<'d>) {
        let name = short(state.name);
        let next = state.field("Next").filter(|next| !next.is_null());
        let help = || Some("give it Next, or End: true if the machine or branch ends here".to_owned());
        match (next, state.field("End")) {
            (_, Some(Value::String(_) | Value::Number(_))) => {
                let message = format!("State `{name}` has an End that is not true or false");
                let pointer = state.pointer.key("End");
                self.findings.error("end-not-boolean", At::Value(&pointer), message, None);
            }
            (Some(_), Some(Value::Bool(true))) => self.findings.error(
                "next-and-end",
                At::Key(&state.pointer),
                format!("State `{name}` has both Next and End: true"),
                Some("keep one of them".to_owned()),
            ),
            (None, Some(Value::Bool(false))) => self.findings.warning(
                "next-missing",
                At::Key(&state.pointer),
                format!("State `{name}` has End: false and no Next"),
                help(),
            ),
            (None, None | Some(Value::Null)) => self.findings.error(
                "next-missing",
                At::Key(&state.pointer),
                format!("State `{name}` has neither Next nor End"),
                help(),
            ),
            _ => {}
        }
    }

    /// "SCHEMA_VALIDATION_FAILED: These fields are required: [Next]" (cfn-lint issue 4077, for a choice rule).
    fn needs_next(&mut self, name: &str, what: &str, value: &Value, pointer: &Pointer<'_>) {
        let name = short(name);
        if value.as_object().is_some_and(|rule| !rule.contains_key("Next")) {
            let message = format!("A {what} of state `{name}` has no Next");
            self.findings.error("next-missing", At::Value(pointer), message, None);
        }
    }

    fn choice(&mut self, state: &StateRef<'d>) {
        let pointer = state.pointer.key("Choices");
        match state.field("Choices") {
            Some(Value::Array(rules)) if !rules.is_empty() => {
                for (index, rule) in rules.iter().enumerate() {
                    self.needs_next(state.name, "choice rule", rule, &pointer.index(index));
                }
            }
            _ => self.findings.error(
                "choices-missing",
                At::Key(&state.pointer),
                format!("Choice state `{}` has no Choices", short(state.name)),
                Some("add Choices, an array with at least one rule".to_owned()),
            ),
        }
    }

    /// EXPRESS "does not support '.sync' service integration", "'.waitForTaskToken'", "Activity ARN": recorded from AWS
    /// (corpora/aws-recorded, AWS.md §4).
    fn task(&mut self, state: &StateRef<'d>) {
        let name = short(state.name);
        let pointer = state.pointer.key("Resource");
        let resource = match state.field("Resource") {
            Some(Value::String(resource)) => resource,
            // `Ref`, `Fn::GetAtt` …: a definition that lives in a CloudFormation template.
            Some(Value::Object(_)) => {
                self.findings.warning(
                    "resource-missing",
                    At::Value(&pointer),
                    format!("Task state `{name}` has an object as its Resource, which only CloudFormation resolves"),
                    Some("write the ARN as a string, with a placeholder such as ${Name} in it".to_owned()),
                );
                return;
            }
            Some(_) => {
                let message = format!("Task state `{name}` has a Resource that is not a string");
                self.findings.error("resource-missing", At::Value(&pointer), message, None);
                return;
            }
            None => {
                let message = format!("Task state `{name}` has no Resource");
                let help = Some("add the ARN of a function, an activity or a service integration".to_owned());
                self.findings.error("resource-missing", At::Key(&state.pointer), message, help);
                return;
            }
        };
        if self.machine_type != MachineType::Express || !resource.contains(":states:") {
            return;
        }
        let refused = [".sync", ".sync:2", ".waitForTaskToken"]
            .into_iter()
            .find(|pattern| resource.ends_with(pattern))
            .or_else(|| resource.contains(":activity:").then_some("activity"));
        if let Some(refused) = refused {
            let (code, what) = match refused {
                "activity" => ("express-activity", "an activity"),
                pattern => ("express-pattern", pattern),
            };
            self.findings.error(
                code,
                At::Value(&pointer),
                format!("Task state `{name}` uses {what}, which a machine of type EXPRESS can't"),
                Some("make the machine STANDARD, or call the integration without waiting for its result".to_owned()),
            );
        }
    }

    /// The ways between the states of a level.
    ///
    /// "MISSING_TRANSITION_TARGET: Missing 'Next' target: pass3 at /States/pass1/Next, … State \"pass2\" is not reachable."
    /// (localstack issue 11978, cfn-lint issues 4073, 4074) and "MISSING_END_STATE: Workflow has no terminal state" (floci
    /// issue 2735). AWS calls a state unreachable when no other state names it; a circle of states that is cut off is
    /// only known to be wrong, so it is a warning.
    fn graph(&mut self, level: &Level<'d>, start: Option<&'d str>, whose: &str) {
        let Some(states) = level.state_map() else {
            return;
        };
        let mut ways: HashMap<&str, Vec<&str>> = HashMap::new();
        let mut named: HashSet<&str> = start.into_iter().collect();
        let mut ends = false;
        let mut unclear = false;
        for state in level.states() {
            let transitions = transitions(&state);
            ends |= state.field("End") == Some(&Value::Bool(true)) || matches!(state.kind(), Some("Succeed" | "Fail"));
            unclear |= transitions.is_empty() || state.kind().is_none_or(|kind| !TYPES.contains(&kind));
            for transition in transitions {
                if let Some(to) = self.target(&state, &transition, level) {
                    if to != state.name {
                        named.insert(to);
                    }
                    ways.entry(state.name).or_default().push(to);
                } else {
                    unclear = true;
                }
            }
        }
        let reached = reach(start, &ways);
        for state in level.states() {
            let (name, shown) = (state.name, short(state.name));
            if !named.contains(name) {
                self.findings.error(
                    "unreachable-state",
                    At::Key(&state.pointer),
                    format!("State `{shown}` can't be reached: neither StartAt nor another state names it"),
                    Some("let a state go to it, or remove it".to_owned()),
                );
            } else if start.is_some() && !reached.contains(name) {
                self.findings.warning(
                    "unreachable-state",
                    At::Key(&state.pointer),
                    format!("State `{shown}` can't be reached from StartAt"),
                    Some("let a state that is reached go to it, or remove it".to_owned()),
                );
            }
        }
        if !states.is_empty() && !ends && !unclear {
            let message = format!("{whose} never ends: no state has End: true, or is of Type Succeed or Fail");
            if level.owner.is_none() {
                self.findings.error("no-end", At::Key(&level.pointer), message, None);
            } else {
                self.findings.warning("no-end", At::Key(&level.pointer), message, None);
            }
        }
    }

    /// The state a transition goes to: the one it names, or the one that was probably meant.
    fn target(&mut self, state: &StateRef<'d>, transition: &Transition<'d>, level: &Level<'d>) -> Option<&'d str> {
        let Transition { field, to, pointer, .. } = transition;
        let states = level.state_map()?;
        let to = match to {
            Value::String(to) => to,
            Value::Null => return None,
            _ if !transition.belongs => return None,
            _ => {
                let message =
                    format!("State `{}` has {field} with a value that is not the name of a state", short(state.name));
                self.findings.error("unknown-next", At::Value(pointer), message, None);
                return None;
            }
        };
        if let Some((to, _)) = states.get_key_value(to) {
            return Some(to);
        }
        if !transition.belongs {
            return None;
        }
        let near = self.speller.near(to, states.keys().map(String::as_str));
        self.findings.error(
            "unknown-next",
            At::Value(pointer),
            format!("State `{}` has {field} `{}`, which no state of this level has", short(state.name), short(to)),
            Some(self.suggest(to, near, level)),
        );
        near
    }
}

fn types_help() -> Option<String> {
    Some(format!("the types are {}", TYPES.join(", ")))
}

/// Every way out of a state, those included that its Type does not have.
fn transitions<'d>(state: &StateRef<'d>) -> Vec<Transition<'d>> {
    let (next, choices, catch) = match state.kind() {
        Some("Choice") => (false, true, false),
        Some("Succeed" | "Fail") => (false, false, false),
        Some("Pass" | "Wait") => (true, false, false),
        _ => (true, false, true),
    };
    let mut transitions = Vec::new();
    for (field, belongs) in [("Next", next), ("Default", choices)] {
        if let Some(to) = state.field(field) {
            let pointer = state.pointer.key(field);
            transitions.push(Transition { field, belongs, to, pointer });
        }
    }
    for (list, field, belongs) in
        [("Choices", "a choice rule with Next", choices), ("Catch", "a catcher with Next", catch)]
    {
        let rules = state.field(list).and_then(Value::as_array);
        for (index, rule) in rules.into_iter().flatten().enumerate() {
            if let Some(to) = rule.get("Next") {
                let pointer = state.pointer.key(list).index(index).key("Next");
                transitions.push(Transition { field, belongs, to, pointer });
            }
        }
    }
    transitions
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

#[cfg(test)]
#[path = "check_tests.rs"]
mod tests;
