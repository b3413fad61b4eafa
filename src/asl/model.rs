//! A definition as the States Language understands it: levels, states, their types, query languages and transitions.
//!
//! It borrows from the definition and adds meaning to it, so whatever it does not know is still there to be seen.

use serde_json::Value;

use super::walk::{Level, Pointer, StateRef};

/// The eight types of state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StateType {
    /// Does one unit of work.
    Task,
    /// Passes its input on, transformed.
    Pass,
    /// Chooses the next state.
    Choice,
    /// Waits.
    Wait,
    /// Ends its level successfully.
    Succeed,
    /// Fails the execution.
    Fail,
    /// Runs branches side by side.
    Parallel,
    /// Runs a processor for each item.
    Map,
}

impl StateType {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Task, Self::Pass, Self::Choice, Self::Wait, Self::Succeed, Self::Fail, Self::Parallel, Self::Map];

    /// The name, as `Type` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Task => "Task",
            Self::Pass => "Pass",
            Self::Choice => "Choice",
            Self::Wait => "Wait",
            Self::Succeed => "Succeed",
            Self::Fail => "Fail",
            Self::Parallel => "Parallel",
            Self::Map => "Map",
        }
    }

    /// The type with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Whether its states have Next or End.
    pub fn goes_on(self) -> bool {
        !matches!(self, Self::Choice | Self::Succeed | Self::Fail)
    }

    /// Whether its states have Retry and Catch.
    pub fn catches(self) -> bool {
        matches!(self, Self::Task | Self::Parallel | Self::Map)
    }
}

/// The languages that select and transform data.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum QueryLanguage {
    /// Paths, payload templates and intrinsic functions.
    #[default]
    JsonPath,
    /// `{% … %}`.
    Jsonata,
}

impl QueryLanguage {
    /// The name, as `QueryLanguage` writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::JsonPath => "JSONPath",
            Self::Jsonata => "JSONata",
        }
    }

    /// Anything but exactly `JSONPath` counts as JSONata (floci issue 2968, measured).
    fn read(value: Option<&Value>) -> Option<Self> {
        match value? {
            Value::String(name) if name == "JSONPath" => Some(Self::JsonPath),
            Value::String(_) => Some(Self::Jsonata),
            _ => None,
        }
    }
}

/// A whole definition.
#[derive(Debug)]
pub struct Machine<'a> {
    /// The query language of states that do not say otherwise.
    pub language: QueryLanguage,
    /// Every level, an outer one before those inside of it.
    pub levels: Vec<MachineLevel<'a>>,
}

/// A level and its states.
#[derive(Debug)]
pub struct MachineLevel<'a> {
    /// Where it is.
    pub level: Level<'a>,
    /// The level around it and the position of its Map or Parallel state there; `None` for the whole machine.
    pub owner: Option<(usize, usize)>,
    /// Whether it is the processor of a Map state in DISTRIBUTED mode, which runs as executions of their own.
    pub distributed: bool,
    /// Whether it runs as EXPRESS executions because of a Map state around it.
    pub express_child: bool,
    /// Its states, in the order they are written.
    pub states: Vec<State<'a>>,
}

/// A state with its type and query language.
#[derive(Clone, Debug)]
pub struct State<'a> {
    /// Where it is, and its object.
    pub at: StateRef<'a>,
    /// Its type; `None` where the definition names none that exists.
    pub kind: Option<StateType>,
    /// Its query language: the state's own, else the machine's. A Map or Parallel state hands its own to nobody (floci
    /// issue 2968, measured).
    pub language: QueryLanguage,
}

/// A way from one state to another of its level.
#[derive(Clone, Debug)]
pub struct Transition<'a> {
    /// What makes it be taken.
    pub why: Why,
    /// Whether the state's type has this field: where it has not, AWS has other words for it.
    pub belongs: bool,
    /// What stands where the name of a state should.
    pub to: &'a Value,
    /// Where that stands.
    pub pointer: Pointer<'a>,
}

/// What makes a transition be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// The state is done.
    Next,
    /// No choice rule applies.
    Default,
    /// The choice rule with this index applies.
    Choice(usize),
    /// The catcher with this index catches an error.
    Catch(usize),
}

impl<'a> Machine<'a> {
    /// Reads it, whatever it holds, without recursion.
    pub fn read(definition: &'a Value) -> Self {
        let language = QueryLanguage::read(definition.get("QueryLanguage")).unwrap_or_default();
        let mut levels: Vec<MachineLevel<'a>> = Vec::new();
        let top = Level { pointer: Pointer::root(), value: definition, owner: None, depth: 0 };
        let mut pending = vec![(top, None)];
        while let Some((level, owner)) = pending.pop() {
            let config = level.value.get("ProcessorConfig").filter(|_| owner.is_some());
            let mode = |name: &str| config.and_then(|config| config.get(name)).and_then(Value::as_str);
            let distributed = mode("Mode") == Some("DISTRIBUTED");
            let around = owner.is_some_and(|(level, _): (usize, usize)| levels[level].express_child);
            let express_child = if distributed { mode("ExecutionType") == Some("EXPRESS") } else { around };
            let states: Vec<State<'a>> = level
                .states()
                .map(|at| State {
                    kind: at.kind().and_then(StateType::from_name),
                    language: QueryLanguage::read(at.field("QueryLanguage")).unwrap_or(language),
                    at,
                })
                .collect();
            let (begin, index) = (pending.len(), levels.len());
            for (position, state) in states.iter().enumerate() {
                pending.extend(state.at.levels().map(|level| (level, Some((index, position)))));
            }
            pending[begin..].reverse();
            levels.push(MachineLevel { level, owner, distributed, express_child, states });
        }
        Self { language, levels }
    }
}

impl<'a> State<'a> {
    /// A field of the state.
    pub fn field(&self, name: &str) -> Option<&'a Value> {
        self.at.field(name)
    }

    /// Whether it ends its level.
    pub fn ends(&self) -> bool {
        self.field("End") == Some(&Value::Bool(true)) || matches!(self.kind, Some(StateType::Succeed | StateType::Fail))
    }

    /// Every way out of it, those included that its type does not have.
    pub fn transitions(&self) -> Vec<Transition<'a>> {
        let (next, choices, catch) = match self.kind {
            Some(kind) => (kind.goes_on(), kind == StateType::Choice, kind.catches()),
            None => (true, false, true),
        };
        let mut transitions = Vec::new();
        for (field, why, belongs) in [("Next", Why::Next, next), ("Default", Why::Default, choices)] {
            if let Some(to) = self.field(field) {
                transitions.push(Transition { why, belongs, to, pointer: self.at.pointer.key(field) });
            }
        }
        for (field, belongs) in [("Choices", choices), ("Catch", catch)] {
            let list = self.field(field).and_then(Value::as_array);
            for (index, rule) in list.into_iter().flatten().enumerate() {
                if let Some(to) = rule.get("Next") {
                    let why = if field == "Catch" { Why::Catch(index) } else { Why::Choice(index) };
                    let pointer = self.at.pointer.key(field).index(index).key("Next");
                    transitions.push(Transition { why, belongs, to, pointer });
                }
            }
        }
        transitions
    }
}
