//! What a state passes to an API: Parameters or Arguments, literal where the definition says so.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Machine;
use super::expression::{self, Names};
use super::text::Text;
use crate::asl::StateRef;

/// The texts of every variable that `Assign` sets somewhere in the machine, all assignments together.
#[derive(Default)]
pub(super) struct Variables(BTreeMap<String, Vec<Text>>);

/// Which query language a state uses, and what its expressions can name.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub machine: &'a Machine<'a>,
    pub variables: &'a Variables,
    pub jsonata: bool,
}

impl Names for Scope<'_> {
    fn variable(&self, name: &str) -> Option<Vec<Text>> {
        self.variables.0.get(name).cloned()
    }

    fn context(&self, path: &str) -> Option<Text> {
        match path {
            "StateMachine.Id" => Some(Text::literal(&self.machine.arn())),
            "StateMachine.Name" => Some(Text::literal(self.machine.name)),
            _ => None,
        }
    }
}

impl Variables {
    /// Reads every `Assign`. One variable's value in another's is not followed.
    pub fn read<'a>(machine: &'a Machine<'a>, definition: &'a Value, states: &[StateRef<'a>]) -> Self {
        let none = Variables::default();
        let mut variables = Variables::default();
        for state in states {
            let scope = Scope { machine, variables: &none, jsonata: uses_jsonata(definition, state) };
            let rules = ["Catch", "Choices"].into_iter().filter_map(|list| state.field(list)?.as_array()).flatten();
            let assigns = rules.filter_map(|rule| rule.get("Assign")).chain(state.field("Assign"));
            for (key, value) in assigns.filter_map(Value::as_object).flatten() {
                let (name, node) = match key.strip_suffix(".$") {
                    Some(name) if !scope.jsonata => (name, Node::path(value, scope)),
                    _ => (key.as_str(), Node::Written(value, scope)),
                };
                variables.0.entry(name.to_owned()).or_default().extend(node.texts());
            }
        }
        variables
    }
}

/// The query language of a state: its own, or the machine's, or JSONPath.
pub(super) fn uses_jsonata(definition: &Value, state: &StateRef<'_>) -> bool {
    let language = state.field("QueryLanguage").or_else(|| definition.get("QueryLanguage"));
    language.and_then(Value::as_str) == Some("JSONata")
}

/// A part of what a state passes.
#[derive(Clone)]
pub(super) enum Node<'a> {
    /// Written out.
    Written(&'a Value, Scope<'a>),
    /// Made by an expression: the texts that it, or the elements of its list, can be.
    Computed(Vec<Text>),
}

impl<'a> Node<'a> {
    /// What only an execution knows.
    pub fn unknown() -> Self {
        Node::Computed(vec![Text::unknown()])
    }

    /// What a Task, an ItemReader or a ResultWriter passes.
    pub fn of(holder: &'a Value, scope: Scope<'a>) -> Self {
        let field = if scope.jsonata { "Arguments" } else { "Parameters" };
        holder.get(field).map_or_else(Node::unknown, |value| Node::Written(value, scope))
    }

    /// What stands in the definition; at a key ending in `.$` use [`Node::member`].
    pub fn written(value: &'a Value, scope: Scope<'a>) -> Self {
        Node::Written(value, scope)
    }

    fn path(value: &'a Value, scope: Scope<'a>) -> Self {
        match value.as_str() {
            Some(text) => Node::Computed(expression::path(text, &scope)),
            None => Node::unknown(),
        }
    }

    /// The object, where it is written out.
    fn object(&self) -> Option<(&'a serde_json::Map<String, Value>, Scope<'a>)> {
        match self {
            Node::Written(Value::Object(map), scope) => Some((map, *scope)),
            _ => None,
        }
    }

    /// Whether its members are not written out, so that any may be there.
    pub fn is_open(&self) -> bool {
        self.object().is_none()
    }

    /// The texts of what stands at a path of names, through the elements of lists; something unknown for each part of the way that
    /// is not written out, nothing where it is left out.
    pub fn through(&self, path: &[&str]) -> Vec<Text> {
        let [name, rest @ ..] = path else { return self.texts() };
        let below = |element: &Node<'a>| match element.is_open() {
            true => vec![Text::unknown()],
            false => element.member(name).map(|member| member.through(rest)).unwrap_or_default(),
        };
        self.elements().iter().flat_map(below).collect()
    }

    /// A member; `None` where it is surely left out. Step Functions writes SDK members in Pascal case.
    pub fn member(&self, name: &str) -> Option<Node<'a>> {
        let Some((map, scope)) = self.object() else { return Some(Node::unknown()) };
        map.iter().find_map(|(key, value)| match key.strip_suffix(".$") {
            Some(key) if !scope.jsonata && key.eq_ignore_ascii_case(name) => Some(Node::path(value, scope)),
            _ => key.eq_ignore_ascii_case(name).then_some(Node::Written(value, scope)),
        })
    }

    /// The member at a path of names.
    pub fn at(&self, path: &[&str]) -> Option<Node<'a>> {
        path.iter().try_fold(self.clone(), |node, name| node.member(name))
    }

    /// The elements of a list, or the one value.
    pub fn elements(&self) -> Vec<Node<'a>> {
        match self {
            Node::Written(Value::Array(items), scope) => items.iter().map(|item| Node::Written(item, *scope)).collect(),
            one => vec![one.clone()],
        }
    }

    /// The keys of a map as texts, with their values; `None` where the map is not written out.
    pub fn entries(&self) -> Option<Vec<(Text, Node<'a>)>> {
        let (map, scope) = self.object()?;
        let entry = |(key, value): (&'a String, &'a Value)| match key.strip_suffix(".$") {
            Some(key) if !scope.jsonata => (Text::template(key), Node::path(value, scope)),
            _ => (Text::template(key), Node::Written(value, scope)),
        };
        Some(map.iter().map(entry).collect())
    }

    /// What it can be as a text; of a list, what its elements can be. Empty for null.
    pub fn texts(&self) -> Vec<Text> {
        match self {
            Node::Computed(texts) => texts.clone(),
            Node::Written(value, scope) => match value {
                Value::String(text) => match scope.jsonata.then(|| code(text)).flatten() {
                    Some(code) => expression::jsonata(code, scope),
                    None => vec![Text::template(text)],
                },
                Value::Number(_) | Value::Bool(_) => vec![Text::literal(&value.to_string())],
                Value::Array(items) => items.iter().flat_map(|item| Node::Written(item, *scope).texts()).collect(),
                Value::Object(_) => vec![Text::unknown()],
                Value::Null => Vec::new(),
            },
        }
    }
}

/// What stands between `{%` and `%}`.
fn code(text: &str) -> Option<&str> {
    text.trim().strip_prefix("{%")?.strip_suffix("%}")
}
