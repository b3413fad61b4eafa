//! `${Name}` in a definition's strings: DESIGN §1, `substitutions`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value as Json;

use super::codes;
use super::expression::{Context, Part, contexts, is_jsonata, parts};
use super::finding::{At, Finding, Findings};
use super::near::Speller;
use super::parse::MAX_DEPTH;
use super::text::{Definition, MAX_SIZE, short};
use super::walk::Pointer;

/// What a placeholder stands for.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A text.
    Text(String),
    /// Any JSON: it replaces a string that is nothing but the placeholder. In a longer string only a string, number or
    /// boolean can stand.
    Json(Json),
}

/// Replaces `${Name}` in the string values of a definition, never in its keys, by the values of the map, which holds the
/// built-ins `AWS::AccountId`, `AWS::Region` and `AWS::Partition` too. `${!Name}` becomes `${Name}`. Substituted text is
/// not looked at again.
///
/// A value stays a value: it can neither begin an expression (JSONata, JSONPath, intrinsic function) nor stand in one,
/// except in a quoted string, where it is escaped. So whoever may set a value can't change what the definition does.
///
/// Returns the new definition, with the positions of the old one, and what is wrong: errors for unknown names and for
/// values that can't stand where they should, whose strings are left as they were; warnings for unused names.
pub fn substitute(definition: &Definition, values: &BTreeMap<String, Value>) -> (Definition, Vec<Finding>) {
    let mut value = definition.value().clone();
    let mut run = Run {
        values,
        used: BTreeSet::new(),
        findings: Findings::new(definition),
        speller: Speller::new(),
        room: MAX_SIZE,
    };
    let mut pending = vec![(&mut value, Pointer::root(), Site::DEFINITION)];
    while let Some((value, pointer, site)) = pending.pop() {
        if let Json::String(text) = &*value {
            if let Some(new) = run.string(text, &pointer, site) {
                *value = new;
            }
            continue;
        }
        match value {
            Json::Object(map) => {
                for (key, value) in map {
                    let pointer = pointer.key(key);
                    run.key(key, &pointer);
                    pending.push((value, pointer, site.field(key)));
                }
            }
            Json::Array(items) => {
                for (index, value) in items.iter_mut().enumerate() {
                    pending.push((value, pointer.index(index), site.element()));
                }
            }
            _ => {}
        }
    }
    run.report_unused();
    (definition.with_value(value), run.findings.finish())
}

/// The placeholders that stand in a raw file, of which nobody says what they stand for: a warning for each name, where it
/// stands first.
pub fn unresolved(definition: &Definition) -> Vec<Finding> {
    let mut findings = Findings::new(definition);
    let mut seen = BTreeSet::new();
    let mut pending = vec![(definition.value(), Pointer::root())];
    while let Some((value, pointer)) = pending.pop() {
        match value {
            Json::String(text) => {
                for part in parts(text) {
                    if let Part::Placeholder(name) = part
                        && seen.insert(name)
                    {
                        findings.report(
                            &codes::UNRESOLVED_PLACEHOLDER,
                            At::Value(&pointer),
                            format!("`${{{}}}` stands for something that is not known here", short(name)),
                            None,
                        );
                    }
                }
            }
            Json::Object(map) => {
                let fields = map.iter().map(|(key, value)| (value, pointer.key(key)));
                pending.extend(fields.collect::<Vec<_>>().into_iter().rev());
            }
            Json::Array(items) => {
                let items = items.iter().enumerate().map(|(index, item)| (item, pointer.index(index)));
                pending.extend(items.collect::<Vec<_>>().into_iter().rev());
            }
            _ => {}
        }
    }
    findings.finish()
}

struct Run<'a> {
    values: &'a BTreeMap<String, Value>,
    used: BTreeSet<&'a str>,
    findings: Findings<'a>,
    speller: Speller,
    /// How many more bytes may be put in: placeholders are short and values may be long.
    room: usize,
}

impl<'a> Run<'a> {
    /// The value that a string becomes, or `None` where it stays.
    fn string(&mut self, text: &str, pointer: &Pointer<'_>, site: Site) -> Option<Json> {
        let parts = parts(text);
        if let [] | [Part::Text(_)] = parts[..] {
            return None;
        }
        if let [Part::Placeholder(name)] = parts[..]
            && let Value::Json(json) = self.look_up(name, pointer)?
            && !json.is_string()
        {
            return self.whole(name, json, pointer, site);
        }
        let mut contexts = contexts(&parts, site.evaluated).into_iter();
        let mut new = Some(String::new());
        let mut add = |text: Option<String>| match (&mut new, text) {
            (Some(new), Some(text)) => new.push_str(&text),
            _ => new = None,
        };
        for part in &parts {
            match part {
                Part::Text(text) => add(Some((*text).to_owned())),
                Part::Escaped(name) => add(Some(format!("${{{name}}}"))),
                Part::Placeholder(name) => {
                    let context = contexts.next().unwrap_or(Context::Code);
                    add(self.placeholder(name, context, pointer));
                }
            }
        }
        let new = new?;
        if is_jsonata(&new) && !is_jsonata(text) {
            self.starts_expression(text, pointer);
            return None;
        }
        Some(Json::String(new))
    }

    fn look_up(&mut self, name: &str, pointer: &Pointer<'_>) -> Option<&'a Value> {
        let values = self.values;
        if let Some((name, value)) = values.get_key_value(name) {
            self.used.insert(name);
            return Some(value);
        }
        let name = short(name);
        let known = values.keys().take(20).map(|name| format!("`{}`", short(name)));
        let known = match (known.collect::<Vec<_>>().join(", "), values.len()) {
            (_, 0) => "none is declared".to_owned(),
            (known, ..=20) => format!("known are {known}"),
            (known, _) => format!("known are {known} and others"),
        };
        let names = values.keys().map(String::as_str);
        self.findings.report(
            &codes::UNKNOWN_SUBSTITUTION,
            At::Value(pointer),
            format!("`${{{name}}}` names no substitution; {known}"),
            Some(match self.speller.near(name, names) {
                Some(near) => format!("did you mean `${{{near}}}`?"),
                None => format!("declare `{name}`, or write `${{!{name}}}` where the text itself is meant"),
            }),
        );
        None
    }

    /// JSON in the place of a whole string.
    fn whole(&mut self, name: &str, json: &Json, pointer: &Pointer<'_>, site: Site) -> Option<Json> {
        match inspect(json, site) {
            Inspected::Expression => {
                self.starts_expression(&format!("${{{name}}}"), pointer);
                return None;
            }
            Inspected::Depth(depth) if depth + pointer.depth() > MAX_DEPTH => {
                self.findings.report(
                    &codes::SUBSTITUTION_TOO_DEEP,
                    At::Value(pointer),
                    format!("the value of `{name}` nests deeper than {MAX_DEPTH} levels here"),
                    None,
                );
                return None;
            }
            Inspected::Depth(_) => {}
        }
        let size = if json.is_object() || json.is_array() { json.to_string().len() } else { 0 };
        self.take_room(size, pointer)?;
        Some(json.clone())
    }

    /// The text of a placeholder in a longer string.
    fn placeholder(&mut self, name: &str, context: Context, pointer: &Pointer<'_>) -> Option<String> {
        let text = match self.look_up(name, pointer)? {
            Value::Text(text) | Value::Json(Json::String(text)) => text.clone(),
            Value::Json(json @ (Json::Number(_) | Json::Bool(_))) => json.to_string(),
            Value::Json(json) => {
                let what = match json {
                    Json::Null => "null",
                    Json::Array(_) => "an array",
                    _ => "an object",
                };
                self.findings.report(
                    &codes::SUBSTITUTION_NOT_TEXT,
                    At::Value(pointer),
                    format!("the value of `{name}` is {what}, which can't be written inside a longer string"),
                    Some(format!("make the whole string \"${{{name}}}\", or use a text value")),
                );
                return None;
            }
        };
        self.take_room(text.len(), pointer)?;
        let written = context.write(&text);
        if written.is_none() {
            self.findings.report(
                &codes::SUBSTITUTION_IN_EXPRESSION,
                At::Value(pointer),
                format!("`${{{name}}}` stands where AWS reads an expression, and a substituted value can't be code"),
                Some(format!(
                    "put it in a quoted string of the expression, as '${{{name}}}' (where a regular expression comes \
                     before it, move it ahead of that), or write the value into the definition"
                )),
            );
        }
        written
    }

    fn take_room(&mut self, bytes: usize, pointer: &Pointer<'_>) -> Option<()> {
        match self.room.checked_sub(bytes) {
            Some(room) => {
                self.room = room;
                Some(())
            }
            None => {
                self.room = 0;
                self.findings.report(
                    &codes::SUBSTITUTION_TOO_LARGE,
                    At::Value(pointer),
                    format!("the substituted values take the definition over the {MAX_SIZE} bytes that AWS accepts"),
                    None,
                );
                None
            }
        }
    }

    fn starts_expression(&mut self, text: &str, pointer: &Pointer<'_>) {
        let text = short(text);
        self.findings.report(
            &codes::SUBSTITUTION_STARTS_EXPRESSION,
            At::Value(pointer),
            format!(
                "the substituted value of `{text}` would begin an expression, and a substituted value can't be code"
            ),
            Some("write the expression into the definition, with the placeholder in a quoted string of it".to_owned()),
        );
    }

    fn key(&mut self, key: &str, pointer: &Pointer<'_>) {
        for part in parts(key) {
            if let Part::Placeholder(name) = part
                && self.values.contains_key(name)
            {
                self.findings.report(
                    &codes::SUBSTITUTION_IN_KEY,
                    At::Key(pointer),
                    format!("`${{{name}}}` stands in a key, and only string values are substituted"),
                    None,
                );
            }
        }
    }

    fn report_unused(&mut self) {
        for name in self.values.keys() {
            if !name.starts_with("AWS::") && !self.used.contains(name.as_str()) {
                self.findings.report(
                    &codes::UNUSED_SUBSTITUTION,
                    At::Value(&Pointer::root()),
                    format!(
                        "the substitution `{name}` is declared, and nowhere in the definition stands `${{{name}}}`"
                    ),
                    None,
                );
            }
        }
    }
}

/// What kind of place in a definition a value stands at, as far as it decides what AWS evaluates.
#[derive(Clone, Copy)]
struct Site {
    role: Role,
    /// AWS reads a string here as a JSONPath or an intrinsic function.
    evaluated: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    /// An object with StartAt and States.
    Level,
    /// The States object.
    States,
    State,
    /// The Branches of a Parallel state.
    Branches,
    /// A field of a level or a state that is no payload, and what is in it: Retry, Choices, ItemReader …
    Field,
    /// What the user's own data is built from: there only `.$` at the end of a key marks a path.
    Payload,
}

impl Site {
    const DEFINITION: Self = Self { role: Role::Level, evaluated: false };

    fn field(self, key: &str) -> Self {
        let role = match self.role {
            Role::Level if key == "States" => Role::States,
            Role::Level => Role::Field,
            Role::States => Role::State,
            Role::Branches => Role::Level,
            Role::Payload => Role::Payload,
            Role::State | Role::Field => match key {
                "Branches" if self.role == Role::State => Role::Branches,
                "ItemProcessor" | "Iterator" if self.role == Role::State => Role::Level,
                "Parameters" | "Arguments" | "ItemSelector" | "ResultSelector" | "Result" | "Output" | "Assign"
                | "Items" | "Credentials" | "BatchInput" => Role::Payload,
                _ => Role::Field,
            },
        };
        let is_path = key.ends_with("Path") || key == "Variable";
        Self { role, evaluated: key.ends_with(".$") || (role == Role::Field && is_path) }
    }

    fn element(self) -> Self {
        let role = match self.role {
            Role::Branches => Role::Level,
            role => role,
        };
        Self { role, ..self }
    }
}

enum Inspected {
    /// It holds an expression, or a key that makes one of its value.
    Expression,
    /// How deep it nests.
    Depth(usize),
}

fn inspect(json: &Json, site: Site) -> Inspected {
    let mut deepest = 0;
    let mut pending = vec![(json, site, 1)];
    while let Some((json, site, depth)) = pending.pop() {
        match json {
            Json::String(text) if site.evaluated || is_jsonata(text) => {
                return Inspected::Expression;
            }
            Json::Object(map) => {
                deepest = deepest.max(depth);
                for (key, json) in map {
                    if key.ends_with(".$") {
                        return Inspected::Expression;
                    }
                    pending.push((json, site.field(key), depth + 1));
                }
            }
            Json::Array(items) => {
                deepest = deepest.max(depth);
                pending.extend(items.iter().map(|json| (json, site.element(), depth + 1)));
            }
            _ => {}
        }
    }
    Inspected::Depth(deepest)
}

#[cfg(test)]
#[path = "substitute_tests.rs"]
mod tests;
