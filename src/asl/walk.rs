//! The states of a definition, at every level.

use std::fmt;
use std::rc::Rc;

use serde_json::{Map, Value};

/// A JSON pointer (RFC 6901) that shares its beginning with those of its neighbours; `Display` writes it out.
#[derive(Clone, Debug, Default)]
pub struct Pointer<'a>(Option<Rc<Step<'a>>>);

#[derive(Debug)]
struct Step<'a> {
    parent: Pointer<'a>,
    segment: Segment<'a>,
    depth: usize,
}

#[derive(Clone, Copy, Debug)]
enum Segment<'a> {
    Key(&'a str),
    Index(usize),
}

impl<'a> Pointer<'a> {
    /// The pointer to the whole.
    pub fn root() -> Self {
        Self(None)
    }

    /// The pointer to a field of the object pointed at.
    #[must_use]
    pub fn key(&self, name: &'a str) -> Self {
        self.step(Segment::Key(name))
    }

    /// The pointer to an element of the array pointed at.
    #[must_use]
    pub fn index(&self, index: usize) -> Self {
        self.step(Segment::Index(index))
    }

    /// The number of segments.
    pub fn depth(&self) -> usize {
        self.0.as_ref().map_or(0, |step| step.depth)
    }

    fn step(&self, segment: Segment<'a>) -> Self {
        Self(Some(Rc::new(Step { parent: self.clone(), segment, depth: self.depth() + 1 })))
    }
}

impl fmt::Display for Pointer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut segments = Vec::with_capacity(self.depth());
        let mut pointer = self;
        while let Some(step) = &pointer.0 {
            segments.push(step.segment);
            pointer = &step.parent;
        }
        for segment in segments.into_iter().rev() {
            match segment {
                Segment::Key(name) => {
                    write!(f, "/{}", name.replace('~', "~0").replace('/', "~1"))?;
                }
                Segment::Index(index) => write!(f, "/{index}")?,
            }
        }
        Ok(())
    }
}

/// A set of states that can go to each other: the whole machine, a branch of a Parallel state, or the processor of a
/// Map state.
#[derive(Clone, Debug)]
pub struct Level<'a> {
    /// Where the level's object is.
    pub pointer: Pointer<'a>,
    /// The level's object, which should have StartAt and States; whatever the definition holds there.
    pub value: &'a Value,
    /// The name of the Map or Parallel state it belongs to; `None` for the whole machine.
    pub owner: Option<&'a str>,
    /// How many Map and Parallel states it is inside of.
    pub depth: usize,
}

impl<'a> Level<'a> {
    /// The states, in the order they are written; none where States is missing or no object.
    pub fn states(&self) -> impl Iterator<Item = StateRef<'a>> + use<'a> {
        let pointer = self.pointer.key("States");
        let (owner, depth) = (self.owner, self.depth);
        self.state_map().into_iter().flatten().map(move |(name, value)| StateRef {
            name,
            value,
            pointer: pointer.key(name),
            owner,
            depth,
        })
    }

    /// The States object.
    pub fn state_map(&self) -> Option<&'a Map<String, Value>> {
        self.value.get("States")?.as_object()
    }
}

/// A state and where it is.
#[derive(Clone, Debug)]
pub struct StateRef<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its object; whatever the definition holds there.
    pub value: &'a Value,
    /// Where it is.
    pub pointer: Pointer<'a>,
    /// The name of the Map or Parallel state around it; `None` at the top.
    pub owner: Option<&'a str>,
    /// How many Map and Parallel states it is inside of.
    pub depth: usize,
}

impl<'a> StateRef<'a> {
    /// A field of the state.
    pub fn field(&self, name: &str) -> Option<&'a Value> {
        self.value.get(name)
    }

    /// Its Type, where that is a string.
    pub fn kind(&self) -> Option<&'a str> {
        self.field("Type")?.as_str()
    }

    /// The levels directly inside of it: a Parallel state's Branches, a Map state's ItemProcessor or Iterator.
    pub fn levels(&self) -> impl Iterator<Item = Level<'a>> + use<'a> {
        let inner = |pointer, value| Level { pointer, value, owner: Some(self.name), depth: self.depth + 1 };
        let mut levels = Vec::new();
        match self.kind() {
            Some("Parallel") => {
                let branches = self.pointer.key("Branches");
                let elements = self.field("Branches").and_then(Value::as_array);
                for (index, branch) in elements.into_iter().flatten().enumerate() {
                    levels.push(inner(branches.index(index), branch));
                }
            }
            Some("Map") => {
                for name in ["ItemProcessor", "Iterator"] {
                    if let Some(processor) = self.field(name) {
                        levels.push(inner(self.pointer.key(name), processor));
                    }
                }
            }
            _ => {}
        }
        levels.into_iter()
    }
}

/// Every level of a definition, an outer one before those inside of it, without recursion.
pub fn levels(definition: &Value) -> impl Iterator<Item = Level<'_>> {
    let mut pending = vec![Level { pointer: Pointer::root(), value: definition, owner: None, depth: 0 }];
    std::iter::from_fn(move || {
        let level = pending.pop()?;
        let begin = pending.len();
        pending.extend(level.states().flat_map(|state| state.levels()));
        pending[begin..].reverse();
        Some(level)
    })
}

/// Every state at every level.
pub fn walk(definition: &Value) -> impl Iterator<Item = StateRef<'_>> {
    levels(definition).flat_map(|level| level.states())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Pointer, levels, walk};

    #[test]
    fn finds_the_states_of_every_level_with_pointers_that_resolve() {
        let definition = json!({"StartAt": "P", "States": {
            "P": {"Type": "Parallel", "Next": "M", "Branches": [
                {"StartAt": "a/b", "States": {"a/b": {"Type": "Pass", "End": true}}},
                {"StartAt": "I", "States": {"I": {"Type": "Map", "End": true, "Iterator": {
                    "StartAt": "~", "States": {"~": {"Type": "Succeed"}}}}}},
            ]},
            "M": {"Type": "Map", "End": true, "ItemProcessor": {"StartAt": "W", "States": {"W": {"Type": "Wait"}}}},
        }});
        let found: Vec<_> =
            walk(&definition).map(|state| (state.name, state.owner, state.depth, state.pointer.to_string())).collect();
        let at = |pointer: &str| pointer.to_owned();
        assert_eq!(
            found,
            [
                ("P", None, 0, at("/States/P")),
                ("M", None, 0, at("/States/M")),
                ("a/b", Some("P"), 1, at("/States/P/Branches/0/States/a~1b")),
                ("I", Some("P"), 1, at("/States/P/Branches/1/States/I")),
                ("~", Some("I"), 2, at("/States/P/Branches/1/States/I/Iterator/States/~0")),
                ("W", Some("M"), 1, at("/States/M/ItemProcessor/States/W")),
            ]
        );
        for state in walk(&definition) {
            assert_eq!(definition.pointer(&state.pointer.to_string()), Some(state.value));
        }
        assert_eq!(levels(&definition).count(), 5);
        assert_eq!(Pointer::root().to_string(), "");
    }

    #[test]
    fn takes_whatever_stands_where_states_should() {
        for definition in [
            json!(null),
            json!({"States": []}),
            json!({"States": {"A": 1, "B": {"Type": "Map", "Iterator": "x"}, "C": {"Type": "Parallel", "Branches": [3]}}}),
        ] {
            for state in walk(&definition) {
                assert!(definition.pointer(&state.pointer.to_string()).is_some());
            }
        }
    }
}
