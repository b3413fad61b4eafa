//! What the templates of structured mappings make of a call, without API Gateway: the same meaning, written a second time.
//!
//! `tests/velocity` holds every form of it to what the real templates print on Apache Velocity. Strictness differs in one place: a body
//! that is read and is no JSON is refused here as a whole, where an engine may take the beginning of it.

mod java;
mod request;
mod response;

use std::collections::BTreeMap;

use serde_json::{Map, Value};

pub use request::request;
pub use response::{Answered, response};

use super::tree::Tree;
use super::{Source, pointer_keys};

/// One call: what a client sends, and what API Gateway knows of it. For a response, `body` is Step Functions' answer.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// The body as it came.
    pub body: String,
    /// Path parameters, decoded.
    pub path: BTreeMap<String, String>,
    /// Query parameters, each with all its values.
    pub query: BTreeMap<String, Vec<String>>,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// `$context`.
    pub context: Value,
    /// The stage's variables.
    pub stage_variables: BTreeMap<String, String>,
}

/// Why a call can't be evaluated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EvaluateError {
    /// API Gateway would answer with an error of its own.
    #[error("the body is read as a JSON document and is none: {0}")]
    NotJson(String),
    /// What the template would print is a form of Java's own.
    #[error(
        "`{0}` in the body is an object or an array where a text is wanted: take a part of it that is a text or a number"
    )]
    NotText(String),
    /// Step Functions' answer lacks what it always has.
    #[error("the answer is not one of Step Functions': {0}")]
    Answer(&'static str),
}

/// A part of the call as the templates read it.
enum Found {
    /// It is not there, or null.
    Absent,
    /// A text.
    Text(String),
    /// What is not a text.
    Other(Value),
}

impl Call {
    /// The body as JSON; an empty one is an empty object. Templates can't read null.
    fn document(&self) -> Result<Value, EvaluateError> {
        if self.body.is_empty() {
            return Ok(Value::Object(Map::new()));
        }
        match serde_json::from_str(&self.body) {
            Ok(Value::Null) => Err(EvaluateError::NotJson("it is null".to_owned())),
            Ok(document) => Ok(document),
            Err(error) => Err(EvaluateError::NotJson(error.to_string())),
        }
    }

    /// A value of the body: through objects only; null where there is none.
    fn in_body(&self, pointer: &str) -> Result<Value, EvaluateError> {
        let document = self.document()?;
        let keys = pointer_keys(pointer);
        let found = keys.iter().try_fold(&document, |value, key| value.as_object()?.get(key));
        Ok(found.cloned().unwrap_or_default())
    }

    /// The header that the templates find: of several spellings the last.
    fn header(&self, name: &str) -> Option<&String> {
        let spelt = self.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name));
        spelt.map(|(_, value)| value).next_back()
    }

    fn in_context(&self, property: &str) -> &Value {
        property.split('.').fold(&self.context, |value, step| &value[step])
    }

    fn find(&self, source: &Source) -> Result<Found, EvaluateError> {
        let text = |text: Option<&String>| text.map_or(Found::Absent, |text| Found::Text(text.clone()));
        // What can't be told apart from absent when it is empty.
        let unless_empty = |text: &str| if text.is_empty() { Found::Absent } else { Found::Text(text.to_owned()) };
        Ok(match source {
            Source::Path(name) => text(self.path.get(name)),
            Source::Query(name) | Source::QueryList(name) => text(self.query.get(name).and_then(|all| all.last())),
            Source::Header(name) | Source::HeaderList(name) => text(self.header(name)),
            Source::Context(property) => match self.in_context(property) {
                Value::Null => Found::Absent,
                Value::String(value) => unless_empty(value),
                other => Found::Text(java::text(other).ok_or_else(|| EvaluateError::NotText(property.clone()))?),
            },
            Source::StageVariable(name) => {
                self.stage_variables.get(name).map_or(Found::Absent, |text| unless_empty(text))
            }
            Source::Body(None) => unless_empty(&self.body),
            Source::Body(Some(pointer)) => found(self.in_body(pointer)?),
            Source::Output(_) => found(self.in_body("/output")?),
            Source::Value(value) => found(value.clone()),
        })
    }

    /// The source's text; empty where it is absent.
    fn text(&self, source: &Source) -> Result<String, EvaluateError> {
        Ok(match self.find(source)? {
            Found::Absent => String::new(),
            Found::Text(text) => text,
            Found::Other(value) => match (java::text(&value), source) {
                (Some(text), _) => text,
                (None, Source::Value(value)) => value.to_string(),
                (None, Source::Body(Some(pointer))) => return Err(EvaluateError::NotText(pointer.clone())),
                (None, _) => return Err(EvaluateError::NotText("/output".to_owned())),
            },
        })
    }

    /// The source's value as JSON; null where it is absent.
    fn value(&self, source: &Source) -> Result<Value, EvaluateError> {
        match source {
            Source::Value(value) => return Ok(value.clone()),
            Source::Body(None) if !self.body.is_empty() => return self.document(),
            Source::QueryList(name) => {
                return Ok(self.query.get(name).map_or(Value::Null, |all| Value::from(all.clone())));
            }
            Source::HeaderList(name) => {
                return Ok(self.header(name).map_or(Value::Null, |one| Value::from(vec![one.clone()])));
            }
            Source::Output(pointer) => return self.output(pointer.as_deref()),
            _ => {}
        }
        Ok(match self.find(source)? {
            Found::Absent => Value::Null,
            Found::Text(text) => Value::String(text),
            Found::Other(value) => value,
        })
    }

    /// The execution's output, which Step Functions hands over as JSON in a string. A part of it is a text, a number or a truth value:
    /// templates can't write an object or an array of it.
    fn output(&self, pointer: Option<&str>) -> Result<Value, EvaluateError> {
        let text = self.text(&Source::Body(Some("/output".to_owned())))?;
        let Some(pointer) = pointer else { return json(&text) };
        if !text.starts_with('{') {
            return Ok(Value::Null);
        }
        let output = json(&text)?;
        let keys = pointer_keys(pointer);
        let part = keys.iter().try_fold(&output, |value, key| value.as_object()?.get(key));
        Ok(part.filter(|part| !part.is_object() && !part.is_array()).cloned().unwrap_or_default())
    }

    /// The document that inputs, or parts of an answer, make together.
    fn tree(&self, tree: &Tree<'_>) -> Result<Value, EvaluateError> {
        match tree {
            Tree::Leaf(source) => self.value(source),
            Tree::Object(members) => {
                let members = members.iter().map(|(key, part)| Ok((key.clone(), self.tree(part)?)));
                members.collect::<Result<Map<_, _>, _>>().map(Value::Object)
            }
        }
    }
}

fn found(value: Value) -> Found {
    match value {
        Value::Null => Found::Absent,
        Value::String(text) => Found::Text(text),
        other => Found::Other(other),
    }
}

/// A JSON text that an answer holds; nothing is null.
fn json(text: &str) -> Result<Value, EvaluateError> {
    if text.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_str(text).map_err(|error| EvaluateError::NotJson(error.to_string()))
}
