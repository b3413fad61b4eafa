//! Whether a document fits a JSON schema of draft 4 (draft-fge-json-schema-validation-00). The schema has passed
//! [`validate::schema`](crate::validate::schema), so its keywords have their forms. `format` is not looked at: which formats API Gateway
//! knows is not documented.
//!
//! There are libraries for it; each would bring some twenty crates into the operator, for one command.

use std::collections::BTreeSet;

use regex::Regex;
use serde_json::{Map, Value};

use crate::resources::model::{BUILT_IN, Models, REFERENCE};

/// So deep may references lead: one that leads to itself fits nothing.
const DEEPEST: usize = 128;

/// Why a document does not fit a model: at most `most` reasons.
pub(super) fn misfits(model: &str, models: &Models, document: &Value, most: usize) -> Vec<String> {
    let Some(root) = models.get(model) else { return Vec::new() };
    let mut check = Check { models, misfits: Vec::new() };
    check.of(root, root, document, "", 0);
    check.misfits.truncate(most);
    check.misfits
}

struct Check<'m> {
    models: &'m Models,
    misfits: Vec<String>,
}

impl Check<'_> {
    /// Whether it fits, whatever else is wrong.
    fn fits(&self, root: &Value, schema: &Value, value: &Value, deep: usize) -> bool {
        let mut check = Check { models: self.models, misfits: Vec::new() };
        check.of(root, schema, value, "", deep);
        check.misfits.is_empty()
    }

    fn say(&mut self, at: &str, what: impl AsRef<str>) {
        let place = if at.is_empty() { "the body" } else { at };
        self.misfits.push(format!("{place}: {}", what.as_ref()));
    }

    /// `root` is the schema that `#` means.
    fn of(&mut self, root: &Value, schema: &Value, value: &Value, at: &str, deep: usize) {
        if deep > DEEPEST {
            return self.say(at, "the schema leads back to itself");
        }
        let deep = deep + 1;
        // Beside a reference nothing else counts.
        if let Some(reference) = schema["$ref"].as_str() {
            if let Some(name) = reference.strip_prefix(REFERENCE) {
                let models = self.models;
                return match models.get(name) {
                    Some(model) => self.of(model, model, value, at, deep),
                    None if BUILT_IN.contains(&name) && !value.is_object() => self.say(at, "it must be an object"),
                    None => {}
                };
            }
            let found = root.pointer(reference.trim_start_matches('#'));
            return found.into_iter().for_each(|schema| self.of(root, schema, value, at, deep));
        }
        self.any_value(root, schema, value, at, deep);
        match value {
            Value::Number(_) => self.number(schema, value, at),
            Value::String(text) => self.text(schema, text, at),
            Value::Array(items) => self.array(root, schema, items, at, deep),
            Value::Object(members) => self.object(root, schema, members, at, deep),
            Value::Null | Value::Bool(_) => {}
        }
    }

    fn any_value(&mut self, root: &Value, schema: &Value, value: &Value, at: &str, deep: usize) {
        let types: Vec<&str> = match &schema["type"] {
            Value::Array(names) => names.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !types.is_empty() && !types.iter().any(|name| is_of(value, name)) {
            self.say(at, format!("{} is not of type {}", shown(value), types.join(" or ")));
        }
        if let Some(known) = schema["enum"].as_array()
            && !known.iter().any(|known| same(known, value))
        {
            let known: Vec<String> = known.iter().map(shown).collect();
            self.say(at, format!("{} is not one of {}", shown(value), known.join(", ")));
        }
        for schema in list(&schema["allOf"]) {
            self.of(root, schema, value, at, deep);
        }
        let any = list(&schema["anyOf"]);
        if !any.is_empty() && !any.iter().any(|schema| self.fits(root, schema, value, deep)) {
            self.say(at, "it fits none of `anyOf`");
        }
        let one = list(&schema["oneOf"]);
        let fitting = one.iter().filter(|schema| self.fits(root, schema, value, deep)).count();
        if !one.is_empty() && fitting != 1 {
            self.say(at, format!("it fits {fitting} of `oneOf`, not one"));
        }
        if schema["not"].is_object() && self.fits(root, &schema["not"], value, deep) {
            self.say(at, "it fits what `not` forbids");
        }
    }

    fn number(&mut self, schema: &Value, value: &Value, at: &str) {
        let Some(number) = value.as_f64() else { return };
        let exclusive = |key: &str| schema[key] == true;
        if let Some(least) = schema["minimum"].as_f64()
            && (number < least || (number <= least && exclusive("exclusiveMinimum")))
        {
            self.say(at, format!("{value} is less than `minimum` admits, {}", schema["minimum"]));
        }
        if let Some(most) = schema["maximum"].as_f64()
            && (number > most || (number >= most && exclusive("exclusiveMaximum")))
        {
            self.say(at, format!("{value} is more than `maximum` admits, {}", schema["maximum"]));
        }
        if let Some(step) = schema["multipleOf"].as_f64().filter(|step| *step > 0.0) {
            let times = number / step;
            if (times - times.round()).abs() > 1e-9 * times.abs().max(1.0) {
                self.say(at, format!("{value} is no multiple of {}", schema["multipleOf"]));
            }
        }
    }

    fn text(&mut self, schema: &Value, text: &str, at: &str) {
        self.count(schema, ["minLength", "maxLength"], text.chars().count(), "character", at);
        if let Some(pattern) = schema["pattern"].as_str() {
            match Regex::new(pattern) {
                Ok(regex) if regex.is_match(text) => {}
                Ok(_) => self.say(at, format!("{} does not match {pattern}", shown(&text.into()))),
                Err(_) => self.say(at, format!("the pattern {pattern} can't be evaluated here")),
            }
        }
    }

    fn array(&mut self, root: &Value, schema: &Value, items: &[Value], at: &str, deep: usize) {
        self.count(schema, ["minItems", "maxItems"], items.len(), "item", at);
        if schema["uniqueItems"] == true
            && items.iter().enumerate().any(|(index, item)| items[..index].iter().any(|other| same(item, other)))
        {
            self.say(at, "its items are not all different");
        }
        let each = list(&schema["items"]);
        for (index, item) in items.iter().enumerate() {
            let here = format!("{at}/{index}");
            match (&schema["items"], each.get(index), &schema["additionalItems"]) {
                (one @ Value::Object(_), ..) => self.of(root, one, item, &here, deep),
                (Value::Array(_), Some(own), _) => self.of(root, own, item, &here, deep),
                (Value::Array(_), None, Value::Bool(false)) => self.say(&here, "there may be no such item"),
                (Value::Array(_), None, more @ Value::Object(_)) => self.of(root, more, item, &here, deep),
                _ => {}
            }
        }
    }

    fn object(&mut self, root: &Value, schema: &Value, members: &Map<String, Value>, at: &str, deep: usize) {
        self.count(schema, ["minProperties", "maxProperties"], members.len(), "member", at);
        for name in list(&schema["required"]).iter().filter_map(Value::as_str) {
            if !members.contains_key(name) {
                self.say(at, format!("`{name}` is missing"));
            }
        }
        let patterns: Vec<(Option<Regex>, &Value)> = schema["patternProperties"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(pattern, schema)| (Regex::new(pattern).ok(), schema))
            .collect();
        for (name, value) in members {
            let here = format!("{at}/{}", name.replace('~', "~0").replace('/', "~1"));
            let own = schema["properties"].get(name);
            let by_pattern = patterns.iter().filter(|(regex, _)| regex.as_ref().is_some_and(|it| it.is_match(name)));
            let known: Vec<&Value> = own.into_iter().chain(by_pattern.map(|(_, schema)| *schema)).collect();
            match (known.is_empty(), &schema["additionalProperties"]) {
                (true, Value::Bool(false)) => self.say(&here, "there may be no such member"),
                (true, more @ Value::Object(_)) => self.of(root, more, value, &here, deep),
                _ => known.into_iter().for_each(|schema| self.of(root, schema, value, &here, deep)),
            }
        }
        for (name, needs) in schema["dependencies"].as_object().into_iter().flatten() {
            match needs {
                _ if !members.contains_key(name) => {}
                Value::Array(names) => {
                    let missing = names.iter().filter_map(Value::as_str).filter(|need| !members.contains_key(*need));
                    let missing: BTreeSet<&str> = missing.collect();
                    missing.into_iter().for_each(|need| self.say(at, format!("with `{name}`, `{need}` is missing")));
                }
                schema => self.of(root, schema, &Value::Object(members.clone()), at, deep),
            }
        }
    }

    fn count(&mut self, schema: &Value, [least, most]: [&str; 2], count: usize, what: &str, at: &str) {
        let bound = |key: &str| schema[key].as_u64().and_then(|bound| usize::try_from(bound).ok());
        let many = |count: usize| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        if let Some(least) = bound(least).filter(|least| count < *least) {
            self.say(at, format!("it has {}, and needs at least {least}", many(count)));
        }
        if let Some(most) = bound(most).filter(|most| count > *most) {
            self.say(at, format!("it has {}, and may have {most}", many(count)));
        }
    }
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

fn is_of(value: &Value, name: &str) -> bool {
    match name {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        // Draft 4: a number without a fraction part, as it is written.
        "integer" => value.is_i64() || value.is_u64(),
        "null" => value.is_null(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        _ => value.is_string(),
    }
}

/// Numbers are the same by their value.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(_), Value::Number(_)) => left.as_f64() == right.as_f64(),
        (Value::Array(left), Value::Array(right)) => {
            left.len() == right.len() && left.iter().zip(right).all(|(left, right)| same(left, right))
        }
        (Value::Object(left), Value::Object(right)) => {
            let has = |(key, value): (&String, &Value)| right.get(key).is_some_and(|other| same(value, other));
            left.len() == right.len() && left.iter().all(has)
        }
        _ => left == right,
    }
}

/// A value in a message: not more of it than fits.
fn shown(value: &Value) -> String {
    const MOST: usize = 60;
    let text = value.to_string();
    match text.char_indices().nth(MOST) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    fn told(schema: Value, document: &Value) -> Vec<String> {
        let item = json!({"type": "object", "required": ["sku"], "properties": {"sku": {"$ref": "#/definitions/Sku"}},
            "definitions": {"Sku": {"type": "string", "minLength": 1}}});
        let models = Models::from([("It".to_owned(), schema), ("Item".to_owned(), item)]);
        misfits("It", &models, document, 8)
    }

    /// The suite of the specification's own rules: a schema, what fits it, and what does not, with the reason.
    #[rstest]
    #[case::type_(json!({"type": ["string", "null"]}), json!(null), json!(1), "the body: 1 is not of type string or null")]
    #[case::integer(json!({"type": "integer"}), json!(1), json!(1.5), "the body: 1.5 is not of type integer")]
    #[case::enum_(json!({"enum": [1, "a"]}), json!(1.0), json!("b"), "the body: \"b\" is not one of 1, \"a\"")]
    #[case::minimum(json!({"minimum": 3}), json!(3), json!(2), "the body: 2 is less than `minimum` admits, 3")]
    #[case::exclusive(json!({"minimum": 3, "exclusiveMinimum": true}), json!(4), json!(3), "the body: 3 is less than `minimum` admits, 3")]
    #[case::maximum(json!({"maximum": 3, "exclusiveMaximum": true}), json!(2.9), json!(3), "the body: 3 is more than `maximum` admits, 3")]
    #[case::multiple(json!({"multipleOf": 0.01}), json!(4.35), json!(4.355), "the body: 4.355 is no multiple of 0.01")]
    #[case::length(json!({"minLength": 1, "maxLength": 2}), json!("\u{1F600}\u{1F600}"), json!(""), "the body: it has 0 characters, and needs at least 1")]
    #[case::pattern(json!({"pattern": "^a+$"}), json!("aa"), json!("ab"), "the body: \"ab\" does not match ^a+$")]
    #[case::items(json!({"items": {"type": "string"}, "maxItems": 2}), json!(["a"]), json!(["a", 1]), "/1: 1 is not of type string")]
    #[case::tuple(json!({"items": [{"type": "string"}], "additionalItems": false}), json!(["a"]), json!(["a", 1]), "/1: there may be no such item")]
    #[case::unique(json!({"uniqueItems": true}), json!([1, "1"]), json!([{"a": 1}, {"a": 1.0}]), "the body: its items are not all different")]
    #[case::required(json!({"required": ["a"]}), json!({"a": null}), json!({}), "the body: `a` is missing")]
    #[case::additional(json!({"properties": {"a": {}}, "patternProperties": {"^x-": {"type": "integer"}}, "additionalProperties": false}), json!({"a": 1, "x-b": 1}), json!({"a/b": 1}), "/a~1b: there may be no such member")]
    #[case::by_pattern(json!({"patternProperties": {"^x-": {"type": "integer"}}}), json!({"y": "a"}), json!({"x-a": "b"}), "/x-a: \"b\" is not of type integer")]
    #[case::dependencies(json!({"dependencies": {"a": ["b"], "c": {"required": ["d"]}}}), json!({"b": 1}), json!({"a": 1}), "the body: with `a`, `b` is missing")]
    #[case::members(json!({"minProperties": 1}), json!({"a": 1}), json!({}), "the body: it has 0 members, and needs at least 1")]
    #[case::all(json!({"allOf": [{"type": "object"}, {"required": ["a"]}]}), json!({"a": 1}), json!({}), "the body: `a` is missing")]
    #[case::any(json!({"anyOf": [{"type": "string"}, {"minimum": 5}]}), json!(6), json!(4), "the body: it fits none of `anyOf`")]
    #[case::one(json!({"oneOf": [{"minimum": 1}, {"minimum": 5}]}), json!(4), json!(6), "the body: it fits 2 of `oneOf`, not one")]
    #[case::not(json!({"not": {"type": "string"}}), json!(1), json!("a"), "the body: it fits what `not` forbids")]
    #[case::model(json!({"items": {"$ref": "#/models/Item"}}), json!([{"sku": "a"}]), json!([{"sku": ""}]), "/0/sku: it has 0 characters, and needs at least 1")]
    #[case::built_in(json!({"$ref": "#/models/Empty"}), json!({}), json!([]), "the body: it must be an object")]
    #[case::whole(json!({"properties": {"next": {"$ref": "#"}}, "required": ["id"]}), json!({"id": 1, "next": {"id": 2}}), json!({"id": 1, "next": {}}), "/next: `id` is missing")]
    #[case::other_types_are_left_alone(json!({"minLength": 3, "minimum": 3, "required": ["a"]}), json!([]), json!("a"), "the body: it has 1 character, and needs at least 3")]
    fn draft_4(#[case] schema: Value, #[case] fits: Value, #[case] not: Value, #[case] why: &str) {
        assert_eq!(told(schema.clone(), &fits), Vec::<String>::new());
        assert_eq!(told(schema, &not), [why]);
    }

    #[test]
    fn a_schema_that_is_itself_ends() {
        let said = told(json!({"$ref": "#"}), &json!(1));
        assert_eq!(said, ["the body: the schema leads back to itself"]);
    }
}
