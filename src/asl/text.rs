//! A definition and where each of its parts stands in the text it was read from.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

/// The largest definition text, in bytes, that is read or sent: AWS.md §1, "definition 1 MB".
pub const MAX_SIZE: usize = 1_048_576;

/// A place in a text. Both numbers are 1-based; columns count characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The column in characters, from 1.
    pub column: usize,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// A parsed definition: its value, keys in the order they were written and explicit nulls kept, with positions.
///
/// [`parse`](super::parse) makes it; [`substitute`](super::substitute) makes another one with the same positions.
#[derive(Clone, Debug)]
pub struct Definition {
    value: Value,
    places: Arc<Place>,
}

impl Definition {
    pub(super) fn new(value: Value, places: Place) -> Self {
        Self { value, places: Arc::new(places) }
    }

    /// The same text's positions for a changed value.
    pub(super) fn with_value(&self, value: Value) -> Self {
        Self { value, places: Arc::clone(&self.places) }
    }

    /// The definition as JSON; always an object.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// Where the value at this JSON pointer (RFC 6901) begins, or `None` where the text has no such value.
    ///
    /// Below a string that a substitution replaced by an object or array, it is the position of that string.
    pub fn position(&self, pointer: &str) -> Option<Position> {
        self.place(pointer).map(|place| place.value)
    }

    /// Where the key that holds the value at this JSON pointer begins; `None` for the whole, for array elements, and
    /// where the text has no such value.
    pub fn key_position(&self, pointer: &str) -> Option<Position> {
        self.place(pointer).and_then(|place| place.key)
    }

    fn place(&self, pointer: &str) -> Option<&Place> {
        if pointer.is_empty() {
            return Some(&self.places);
        }
        pointer.strip_prefix('/')?.split('/').try_fold(&*self.places, |place, token| match &place.children {
            Children::None => Some(place),
            Children::Items(items) => items.get(token.parse::<usize>().ok()?),
            Children::Fields(fields) => fields.get(&token.replace("~1", "/").replace("~0", "~")),
        })
    }

    /// The text that AWS is given: indented JSON, or compact JSON where the indentation would take it over
    /// [`MAX_SIZE`]. The same definition always gives the same text.
    pub fn to_json(&self) -> String {
        let pretty = format!("{:#}", self.value);
        if pretty.len() <= MAX_SIZE { pretty } else { self.value.to_string() }
    }
}

/// At most 80 characters of a text of the user's, for a message: a name can be as long as the whole definition.
pub(super) fn short(text: &str) -> &str {
    text.char_indices().nth(80).map_or(text, |(end, _)| &text[..end])
}

/// A message with what the user's names bring into it made harmless: line breaks and terminal controls.
pub(super) fn one_line(message: String) -> String {
    if message.contains(char::is_control) { message.replace(char::is_control, "\u{fffd}") } else { message }
}

/// Where a value and its parts stand. It mirrors the value's shape, so it takes memory linear in the text, which a map
/// from whole pointers would not.
#[derive(Debug)]
pub(super) struct Place {
    pub key: Option<Position>,
    pub value: Position,
    pub children: Children,
}

#[derive(Debug)]
pub(super) enum Children {
    None,
    Items(Vec<Place>),
    Fields(HashMap<String, Place>),
}
