//! Variables: what Assign gives to whom, and whether what is used was assigned before.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use super::Checker;
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::model::{Machine, MachineLevel, QueryLanguage, State, StateType, Why};
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// A state: its level and its place there.
type Place = (usize, usize);

/// The uses of variables, as the checks meet them.
#[derive(Default)]
pub(super) struct Collected<'d> {
    current: Place,
    uses: Vec<(Place, String, Pointer<'d>)>,
}

impl<'d> Collected<'d> {
    /// From here on, uses are of this state.
    pub fn begin(&mut self, state: Place) {
        self.current = state;
    }

    /// A variable is used.
    pub fn used(&mut self, name: impl Into<String>, at: &Pointer<'d>) {
        self.uses.push((self.current, name.into(), at.clone()));
    }
}

/// How many words of sets the analysis may touch: beyond, it says nothing more about the order of assignments.
const BUDGET: usize = 4_000_000;

/// A set of variables.
type Set = Vec<u64>;

/// What is assigned where a state begins.
#[derive(Clone)]
struct Known {
    /// On every way.
    always: Set,
    /// On some way.
    perhaps: Set,
}

impl<'d> Checker<'d> {
    /// Checks the variables of the whole machine.
    ///
    /// AWS documentation, "Passing data between states with variables": a level sees those of the levels around it and
    /// can't assign them; what it assigns ends with it; a Map state in DISTRIBUTED mode sees none. That a variable may be
    /// unassigned is no error: AWS accepts it (floci's tests), and so it does where a catcher of a Parallel state assigns what
    /// a branch assigns (LocalStack's recorded tests).
    pub(super) fn variables(&mut self, machine: &Machine<'d>) {
        let mut numbers: HashMap<&str, usize> = HashMap::new();
        let mut names: Vec<&str> = Vec::new();
        for level in &machine.levels {
            for (name, _) in assignments(level) {
                numbers.entry(name).or_insert_with(|| {
                    names.push(name);
                    names.len() - 1
                });
            }
        }
        self.shadows(machine);
        let uses = std::mem::take(&mut self.variables.uses);
        if uses.is_empty() {
            return;
        }
        let known = flow(machine, &numbers);
        for ((level, state), name, pointer) in uses {
            let perhaps = match (numbers.get(name.as_str()), known.get(level).and_then(Option::as_ref)) {
                (None, _) => false,
                // Not known.
                (Some(_), None) => continue,
                (Some(number), Some(states)) => match &states[state] {
                    // Never reached.
                    None => continue,
                    Some(known) if has(&known.always, *number) => continue,
                    Some(known) => has(&known.perhaps, *number),
                },
            };
            let (owner, shown) = (short(machine.levels[level].states[state].at.name), short(&name));
            if perhaps {
                self.findings.report(
                    &codes::VARIABLE_PERHAPS_UNASSIGNED,
                    At::Value(&pointer),
                    format!("State `{owner}` uses `${shown}`, which is not assigned on every way to it"),
                    Some("assign it on every way, at the latest with null".to_owned()),
                );
                continue;
            }
            let help = match self.speller.near(&name, names.iter().copied()) {
                Some(near) if near != name => format!("did you mean ${near}?"),
                Some(_) => {
                    "an assignment counts from the next state on, and not outside of the branch or processor it is in"
                        .to_owned()
                }
                None => "assign it in a state before, with Assign".to_owned(),
            };
            self.findings.report(
                &codes::VARIABLE_UNASSIGNED,
                At::Value(&pointer),
                format!("State `{owner}` uses `${shown}`, which no state before it assigns"),
                Some(help),
            );
        }
    }

    fn shadows(&mut self, machine: &Machine<'d>) {
        let mut assigned: Vec<HashSet<&str>> = Vec::with_capacity(machine.levels.len());
        for level in &machine.levels {
            let mut own: HashSet<&str> = HashSet::new();
            for (name, pointer) in assignments(level) {
                let mut around = level.owner.filter(|_| !level.distributed);
                while let Some((outer, owner)) = around {
                    if assigned[outer].contains(name) {
                        let owner = short(machine.levels[outer].states[owner].at.name);
                        self.findings.report(
                            &codes::VARIABLE_SHADOWS,
                            At::Key(&pointer),
                            format!("`{}` is assigned inside of `{owner}`, and also outside of it", short(name)),
                            Some("give the variable another name".to_owned()),
                        );
                        break;
                    }
                    let outer = &machine.levels[outer];
                    around = outer.owner.filter(|_| !outer.distributed);
                }
                own.insert(name);
            }
            assigned.push(own);
        }
    }
}

/// Every variable that a level's states assign, and where.
fn assignments<'d>(level: &MachineLevel<'d>) -> Vec<(&'d str, Pointer<'d>)> {
    let mut found = Vec::new();
    for state in &level.states {
        let pointer = &state.at.pointer;
        let mut add = |assign: Option<&'d Value>, pointer: Pointer<'d>| {
            if let Some(Value::Object(assign)) = assign {
                found.extend(names(assign, state.language).map(|(key, name)| (name, pointer.key(key))));
            }
        };
        add(state.field("Assign"), pointer.key("Assign"));
        for field in ["Choices", "Catch"] {
            let list = state.field(field).and_then(Value::as_array);
            for (index, element) in list.into_iter().flatten().enumerate() {
                add(element.get("Assign"), pointer.key(field).index(index).key("Assign"));
            }
        }
    }
    found
}

fn names(assign: &Map<String, Value>, language: QueryLanguage) -> impl Iterator<Item = (&str, &str)> {
    assign.keys().map(move |key| match language {
        QueryLanguage::JsonPath => (key.as_str(), key.strip_suffix(".$").unwrap_or(key)),
        QueryLanguage::Jsonata => (key.as_str(), key.as_str()),
    })
}

/// What is assigned at the beginning of every state, for each level; `None` where it is not known.
fn flow(machine: &Machine<'_>, numbers: &HashMap<&str, usize>) -> Vec<Option<Vec<Option<Known>>>> {
    let words = numbers.len().div_ceil(64);
    let mut budget = BUDGET;
    let mut levels: Vec<Option<Vec<Option<Known>>>> = Vec::with_capacity(machine.levels.len());
    for level in &machine.levels {
        let nothing = || Known { always: vec![0; words], perhaps: vec![0; words] };
        let entry = match level.owner {
            // Where nothing reaches the state, nothing reaches what is inside of it.
            Some((outer, owner)) if !level.distributed => levels[outer].as_ref().map(|states| states[owner].clone()),
            _ => Some(Some(nothing())),
        };
        levels.push(match entry {
            None => None,
            Some(None) => Some(vec![None; level.states.len()]),
            Some(Some(entry)) => level_flow(level, entry, numbers, &mut budget),
        });
    }
    levels
}

fn level_flow(
    level: &MachineLevel<'_>,
    entry: Known,
    numbers: &HashMap<&str, usize>,
    budget: &mut usize,
) -> Option<Vec<Option<Known>>> {
    let words = entry.always.len();
    *budget = budget.checked_sub(level.states.len().saturating_mul(words + 1))?;
    let places: HashMap<&str, usize> =
        level.states.iter().enumerate().map(|(index, state)| (state.at.name, index)).collect();
    let mut states: Vec<Option<Known>> = vec![None; level.states.len()];
    let start = level.level.value.get("StartAt").and_then(Value::as_str).and_then(|name| places.get(name));
    let Some(&start) = start else { return Some(states) };
    states[start] = Some(entry);
    let mut pending = vec![start];
    while let Some(index) = pending.pop() {
        let state = &level.states[index];
        let Some(known) = states[index].clone() else { continue };
        for transition in state.transitions() {
            *budget = budget.checked_sub(words + 1)?;
            let Some(&to) = transition.to.as_str().and_then(|name| places.get(name)) else { continue };
            let mut after = known.clone();
            if let Some(assign) = assigned_on(state, transition.why) {
                for (_, name) in names(assign, state.language) {
                    if let Some(number) = numbers.get(name) {
                        after.always[number / 64] |= 1 << (number % 64);
                        after.perhaps[number / 64] |= 1 << (number % 64);
                    }
                }
            }
            if merge(&mut states[to], after) {
                pending.push(to);
            }
        }
    }
    Some(states)
}

/// The Assign that takes effect on a way out of a state.
fn assigned_on<'d>(state: &State<'d>, why: Why) -> Option<&'d Map<String, Value>> {
    let element = |field: &str, index: usize| state.field(field).and_then(|list| list.get(index)?.get("Assign"));
    let assign = match why {
        Why::Next if state.kind == Some(StateType::Choice) => None,
        Why::Next | Why::Default => state.field("Assign"),
        Why::Choice(index) => element("Choices", index),
        Why::Catch(index) => element("Catch", index),
    };
    assign?.as_object()
}

/// Joins what is known on another way; whether that changes anything.
fn merge(into: &mut Option<Known>, other: Known) -> bool {
    let Some(known) = into else {
        *into = Some(other);
        return true;
    };
    let mut changed = false;
    for (mine, other) in known.always.iter_mut().zip(other.always) {
        changed |= *mine & other != *mine;
        *mine &= other;
    }
    for (mine, other) in known.perhaps.iter_mut().zip(other.perhaps) {
        changed |= *mine | other != *mine;
        *mine |= other;
    }
    changed
}

fn has(set: &Set, number: usize) -> bool {
    set[number / 64] >> (number % 64) & 1 == 1
}
