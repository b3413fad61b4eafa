//! Text to [`Definition`]: which syntax it is, the limits both share, and the builder both feed.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::fmt;

use serde_json::{Map, Value};

use super::text::{Children, Definition, MAX_SIZE, Place, Position, one_line, short};
use super::{json, yaml};

/// How deep objects and arrays may nest, all of them counted.
///
/// It bounds the stack of whatever walks a definition recursively: without optimization, cloning or comparing a
/// [`serde_json::Value`] takes about 4 KB a level, and a thread of tokio has 2 MB.
pub const MAX_DEPTH: usize = 256;

/// Why a text is not a definition, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParseError {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
    /// What is wrong there, in one sentence.
    pub message: String,
}

impl ParseError {
    pub(super) fn at(position: Position, message: impl Into<String>) -> Self {
        Self { line: position.line, column: position.column, message: one_line(message.into()) }
    }
}

impl fmt::Display for ParseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}: {}", self.line, self.column, self.message)
    }
}

impl std::error::Error for ParseError {}

/// Reads a definition: strict JSON where the first character that is not white space is `{`, else one document of
/// YAML 1.2 in its core schema (`yes` is a string, `true` is not).
///
/// Whether the States Language likes it is for [`check`](super::check); here it must be one object without duplicate
/// keys, of at most [`MAX_SIZE`] bytes and [`MAX_DEPTH`] levels.
///
/// # Errors
/// The first thing that is wrong, with its position. YAML aliases and tags outside the core schema are refused.
pub fn parse(text: &str) -> Result<Definition, ParseError> {
    let start = Position { line: 1, column: 1 };
    if text.len() > MAX_SIZE {
        return Err(ParseError::at(
            start,
            format!("the definition has {} bytes; AWS takes at most {MAX_SIZE}", text.len()),
        ));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let first = text.trim_start();
    if first.is_empty() {
        return Err(ParseError::at(start, "the definition is empty"));
    }
    let mut builder = Builder::default();
    if first.starts_with('{') {
        json::read(text, &mut builder)?;
    } else {
        yaml::read(text, &mut builder)?;
    }
    match builder.root {
        Some((value @ Value::Object(_), place)) => Ok(Definition::new(value, place)),
        Some((_, place)) => Err(ParseError::at(place.value, "a definition is an object with StartAt and States")),
        None => Err(ParseError::at(start, "the definition is empty")),
    }
}

/// Puts values together from what a reader meets, in order, on a stack of its own.
#[derive(Default)]
pub(super) struct Builder {
    open: Vec<Open>,
    root: Option<(Value, Place)>,
}

/// A container that has begun and not ended.
struct Open {
    at: Position,
    kind: Kind,
}

enum Kind {
    Object {
        map: Map<String, Value>,
        places: HashMap<String, Place>,
        /// The key that waits for its value.
        key: Option<(String, Position)>,
    },
    Array {
        items: Vec<Value>,
        places: Vec<Place>,
    },
}

/// What the reader is inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Inside {
    Nothing,
    /// An object, before a key.
    Object,
    /// An object, between a key and its value.
    Field,
    Array,
}

impl Builder {
    pub fn inside(&self) -> Inside {
        match self.open.last().map(|open| &open.kind) {
            None => Inside::Nothing,
            Some(Kind::Object { key: None, .. }) => Inside::Object,
            Some(Kind::Object { .. }) => Inside::Field,
            Some(Kind::Array { .. }) => Inside::Array,
        }
    }

    pub fn open_object(&mut self, at: Position) -> Result<(), ParseError> {
        self.begin(at, Kind::Object { map: Map::new(), places: HashMap::new(), key: None })
    }

    pub fn open_array(&mut self, at: Position) -> Result<(), ParseError> {
        self.begin(at, Kind::Array { items: Vec::new(), places: Vec::new() })
    }

    fn begin(&mut self, at: Position, kind: Kind) -> Result<(), ParseError> {
        if self.open.len() == MAX_DEPTH {
            return Err(ParseError::at(at, format!("objects and arrays nest deeper than {MAX_DEPTH} levels")));
        }
        self.open.push(Open { at, kind });
        Ok(())
    }

    pub fn key(&mut self, at: Position, name: String) -> Result<(), ParseError> {
        if let Some(Open { kind: Kind::Object { places, key, .. }, .. }) = self.open.last_mut() {
            if let Some(first) = places.get(&name).and_then(|place| place.key) {
                return Err(ParseError::at(
                    at,
                    format!("the key `{}` is already in this object, at {first}", short(&name)),
                ));
            }
            *key = Some((name, at));
        }
        Ok(())
    }

    pub fn scalar(&mut self, at: Position, value: Value) {
        self.add(value, at, Children::None);
    }

    /// Ends the innermost container.
    pub fn close(&mut self) {
        if let Some(Open { at, kind }) = self.open.pop() {
            match kind {
                Kind::Object { map, places, .. } => {
                    self.add(Value::Object(map), at, Children::Fields(places));
                }
                Kind::Array { items, places } => {
                    self.add(Value::Array(items), at, Children::Items(places));
                }
            }
        }
    }

    fn add(&mut self, value: Value, at: Position, children: Children) {
        let mut place = Place { key: None, value: at, children };
        match self.open.last_mut().map(|open| &mut open.kind) {
            None => self.root = Some((value, place)),
            Some(Kind::Array { items, places }) => {
                items.push(value);
                places.push(place);
            }
            Some(Kind::Object { map, places, key }) => {
                if let Some((name, at)) = key.take() {
                    place.key = Some(at);
                    if let Entry::Vacant(entry) = places.entry(name.clone()) {
                        entry.insert(place);
                        map.insert(name, value);
                    }
                }
            }
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
