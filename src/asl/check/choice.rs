//! Choice states: rules, comparators and their operands.

use serde_json::{Map, Value};

use super::fields::{self, Only};
use super::{Checker, Site, path, unresolved, wait};
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::model::{QueryLanguage, State};
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// What a comparator compares with.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Operand {
    Text,
    Number,
    Boolean,
    Timestamp,
    Path,
}

/// The comparator with this name.
fn comparator(name: &str) -> Option<Operand> {
    if matches!(name, "IsNull" | "IsPresent" | "IsNumeric" | "IsString" | "IsBoolean" | "IsTimestamp") {
        return Some(Operand::Boolean);
    }
    if name == "StringMatches" {
        return Some(Operand::Text);
    }
    let (plain, is_path) = match name.strip_suffix("Path") {
        Some(plain) => (plain, true),
        None => (name, false),
    };
    let ordered =
        |rest: &str| matches!(rest, "Equals" | "LessThan" | "GreaterThan" | "LessThanEquals" | "GreaterThanEquals");
    let operand = if plain.strip_prefix("String").is_some_and(ordered) {
        Operand::Text
    } else if plain.strip_prefix("Numeric").is_some_and(ordered) {
        Operand::Number
    } else if plain.strip_prefix("Timestamp").is_some_and(ordered) {
        Operand::Timestamp
    } else if plain == "BooleanEquals" {
        Operand::Boolean
    } else {
        return None;
    };
    Some(if is_path { Operand::Path } else { operand })
}

/// What may be meant by a comparator that does not exist.
const NAMES: [&str; 24] = [
    "StringEquals",
    "StringLessThan",
    "StringGreaterThan",
    "StringLessThanEquals",
    "StringGreaterThanEquals",
    "StringMatches",
    "NumericEquals",
    "NumericLessThan",
    "NumericGreaterThan",
    "NumericLessThanEquals",
    "NumericGreaterThanEquals",
    "BooleanEquals",
    "TimestampEquals",
    "TimestampLessThan",
    "TimestampGreaterThan",
    "TimestampLessThanEquals",
    "TimestampGreaterThanEquals",
    "IsNull",
    "IsPresent",
    "IsNumeric",
    "IsString",
    "IsBoolean",
    "IsTimestamp",
    "Variable",
];

impl<'d> Checker<'d> {
    /// The rules of a Choice state.
    pub(super) fn choice(&mut self, state: &State<'d>) {
        let name = short(state.at.name);
        let pointer = state.at.pointer.key("Choices");
        let rules = match state.field("Choices") {
            Some(Value::Array(rules)) if !rules.is_empty() => rules,
            _ => {
                self.findings.report(
                    &codes::CHOICES_MISSING,
                    At::Key(&state.at.pointer),
                    format!("Choice state `{name}` has no Choices"),
                    Some("add Choices, an array with at least one rule".to_owned()),
                );
                return;
            }
        };
        let site = Site { state: state.at.name, language: state.language, in_catch: false, has_result: false };
        for (index, rule) in rules.iter().enumerate() {
            let pointer = pointer.index(index);
            self.needs_next(state.at.name, "choice rule", rule, &pointer);
            self.rule(site, rule, &pointer);
        }
        if state.field("Default").is_none() {
            self.findings.report(
                &codes::CHOICE_WITHOUT_DEFAULT,
                At::Key(&state.at.pointer),
                format!("Choice state `{name}` has no Default, so the execution fails where no rule applies"),
                Some("name the state for everything else in Default".to_owned()),
            );
        }
    }

    /// A rule and those inside of it.
    fn rule(&mut self, site: Site<'_>, rule: &'d Value, pointer: &Pointer<'d>) {
        let whose = format!("A choice rule of state `{}`", short(site.state));
        let mut pending = vec![(rule, pointer.clone(), false)];
        while let Some((rule, pointer, nested)) = pending.pop() {
            let Value::Object(object) = rule else {
                let message = format!("{whose} is not an object");
                self.findings.report(&codes::NOT_AN_OBJECT, At::Value(&pointer), message, None);
                continue;
            };
            let table = if nested { &fields::NESTED_RULE } else { &fields::CHOICE_RULE };
            let comparators = self.comparators(site, &whose, object, &pointer);
            let known = object.iter().filter(|(name, _)| comparator(name).is_none());
            for (name, value) in known {
                let at = pointer.key(name);
                match table.fields.iter().find(|field| field.name == name) {
                    Some(field) => {
                        let wrong_language = match field.only {
                            Only::Both => false,
                            Only::JsonPath => site.language == QueryLanguage::Jsonata,
                            Only::Jsonata => site.language == QueryLanguage::JsonPath,
                        };
                        if wrong_language {
                            self.wrong_language(site, &whose, name, &at);
                        } else {
                            self.shape(site, &whose, field, value, &at);
                        }
                    }
                    None => {
                        let help = self.speller.near(name, NAMES).map(|near| format!("did you mean {near}?"));
                        let message = format!("{whose} has the unknown field `{}`", short(name));
                        self.findings.report(&codes::FIELD_UNKNOWN, At::Key(&at), message, help);
                    }
                }
            }
            if nested && object.contains_key("Next") {
                self.findings.report(
                    &codes::NESTED_NEXT,
                    At::Key(&pointer.key("Next")),
                    format!("{whose} has Next inside of And, Or or Not"),
                    Some("only the outermost rule has Next".to_owned()),
                );
            }
            self.operators(site, &whose, object, comparators, &pointer);
            for name in ["And", "Or"] {
                let at = pointer.key(name);
                match object.get(name) {
                    Some(Value::Array(rules)) if !rules.is_empty() => {
                        pending.extend(rules.iter().enumerate().map(|(index, rule)| (rule, at.index(index), true)));
                    }
                    Some(Value::Array(_)) => {
                        let message = format!("{whose} has an empty {name}");
                        self.findings.report(&codes::VALUE_EMPTY, At::Value(&at), message, None);
                    }
                    Some(value) => self.wrong_type(&whose, name, "an array of rules", value, &at),
                    None => {}
                }
            }
            if let Some(rule) = object.get("Not") {
                pending.push((rule, pointer.key("Not"), true));
            }
            if let Some(condition) = object.get("Condition").filter(|_| site.language == QueryLanguage::Jsonata) {
                self.condition(site, &whose, condition, &pointer.key("Condition"));
            }
        }
    }

    fn wrong_language(&mut self, site: Site<'_>, whose: &str, name: &str, at: &Pointer<'_>) {
        let (mine, help) = match site.language {
            QueryLanguage::Jsonata => ("JSONata", "write it as Condition: \"{% … %}\""),
            QueryLanguage::JsonPath => {
                ("JSONPath", "write Variable and a comparator, or give the state QueryLanguage: JSONata")
            }
        };
        let message = format!("{whose} has {name}, and the state's query language is {mine}, which does not have it");
        self.findings.report(&codes::LANGUAGE_FIELD, At::Key(at), message, Some(help.to_owned()));
    }

    /// Checks the operands of a rule's comparators and counts them.
    fn comparators(
        &mut self,
        site: Site<'_>,
        whose: &str,
        object: &'d Map<String, Value>,
        pointer: &Pointer<'d>,
    ) -> usize {
        let mut count = 0;
        for (name, value) in object {
            let Some(operand) = comparator(name) else { continue };
            count += 1;
            let at = pointer.key(name);
            if site.language == QueryLanguage::Jsonata {
                self.wrong_language(site, whose, name, &at);
                continue;
            }
            if value.as_str().is_some_and(unresolved) {
                continue;
            }
            match (operand, value) {
                (Operand::Text, Value::String(_))
                | (Operand::Number, Value::Number(_))
                | (Operand::Boolean, Value::Bool(_)) => {}
                (Operand::Timestamp, Value::String(text)) if wait::is_timestamp(text) => {}
                (Operand::Timestamp, Value::String(text)) => self.timestamp(whose, name, text, &at),
                (Operand::Path, Value::String(text)) => {
                    self.path(whose, name, text, path::Use::Reference { context: true }, &at);
                }
                (Operand::Text, _) => self.wrong_type(whose, name, "a string", value, &at),
                (Operand::Number, _) => self.wrong_type(whose, name, "a number", value, &at),
                (Operand::Boolean, _) => self.wrong_type(whose, name, "true or false", value, &at),
                (Operand::Timestamp, _) => self.wrong_type(whose, name, "a timestamp", value, &at),
                (Operand::Path, _) => self.wrong_type(whose, name, "a path", value, &at),
            }
        }
        count
    }

    /// "The object must have only one of the following fields, [And, Or, Not, Variable, Condition]", and with Variable
    /// exactly one comparator: measured (cdk-preflight).
    fn operators(
        &mut self,
        site: Site<'_>,
        whose: &str,
        object: &Map<String, Value>,
        comparators: usize,
        pointer: &Pointer<'_>,
    ) {
        let operators = ["And", "Or", "Not", "Variable", "Condition"];
        let there: Vec<&str> = operators.into_iter().filter(|name| object.contains_key(*name)).collect();
        let (message, help) = match (&there[..], comparators) {
            ([], 0) => match site.language {
                QueryLanguage::Jsonata => (format!("{whose} has no Condition"), "add Condition: \"{% … %}\""),
                QueryLanguage::JsonPath => {
                    (format!("{whose} compares nothing"), "add Variable and a comparator, or And, Or, Not")
                }
            },
            ([], _) => {
                (format!("{whose} has a comparator and no Variable"), "add Variable, the path to what is compared")
            }
            (["Variable"], 0) => (format!("{whose} has a Variable and no comparator"), "add one, as StringEquals"),
            (["Variable"], 1) | (["And" | "Or" | "Not" | "Condition"], 0) => return,
            (["Variable"], _) => {
                (format!("{whose} has {comparators} comparators"), "join one rule for each with And or Or")
            }
            _ => (format!("{whose} has several of And, Or, Not, Variable and comparators"), "keep one of them"),
        };
        self.findings.report(&codes::CHOICE_OPERATOR, At::Value(pointer), message, Some(help.to_owned()));
    }

    fn condition(&mut self, site: Site<'_>, whose: &str, condition: &'d Value, at: &Pointer<'d>) {
        match condition {
            Value::Bool(_) => {}
            Value::String(text) if text.starts_with("{%") || text.ends_with("%}") => self.jsonata(site, text, at),
            Value::String(text) if unresolved(text) => {}
            _ => self.wrong_type(whose, "Condition", "true, false or {% … %}", condition, at),
        }
    }
}
