//! An object against its table of fields.

use serde_json::{Map, Number, Value};

use super::fields::{self, Field, Only, Shape, Table};
use super::{Checker, Site, path, unresolved, what};
use crate::asl::codes;
use crate::asl::expression::is_jsonata;
use crate::asl::finding::At;
use crate::asl::model::{MachineLevel, QueryLanguage};
use crate::asl::text::short;
use crate::asl::walk::Pointer;

impl<'d> Checker<'d> {
    /// The fields of a level besides StartAt and States.
    pub(super) fn level_fields(&mut self, level: &MachineLevel<'d>, owner_is_map: bool) {
        let Value::Object(object) = level.level.value else { return };
        let table = match (level.owner, owner_is_map) {
            (None, _) => &fields::MACHINE,
            (_, true) => &fields::PROCESSOR,
            (_, false) => &fields::BRANCH,
        };
        let site = Site {
            state: level.level.owner.unwrap_or_default(),
            language: self.machine_language,
            in_catch: false,
            has_result: false,
        };
        self.fields(site, &super::graph::whose(&level.level), object, &level.level.pointer, table);
    }

    /// Checks every field of an object; `whose` begins the messages, as "State `X`".
    pub(super) fn fields(
        &mut self,
        site: Site<'_>,
        whose: &str,
        object: &'d Map<String, Value>,
        pointer: &Pointer<'d>,
        table: &'static Table,
    ) {
        for (name, value) in object {
            let at = pointer.key(name);
            match table.fields.iter().find(|field| field.name == name) {
                Some(field) => {
                    if self.has_language(site, whose, field, &at) {
                        self.shape(site, whose, field, value, &at);
                    }
                }
                None => self.unknown_field(whose, name, &at, table),
            }
        }
        for group in table.one_of {
            let there: Vec<&str> = group.iter().copied().filter(|name| object.contains_key(*name)).collect();
            if let [first, .., last] = there[..] {
                self.findings.report(
                    &codes::FIELD_CONFLICT,
                    At::Key(&pointer.key(last)),
                    format!("{whose} has both {first} and {last}"),
                    Some("keep one of them".to_owned()),
                );
            }
        }
        for name in table.required {
            if !object.contains_key(*name) {
                let message = format!("{whose} has no {name}");
                self.findings.report(&codes::FIELD_MISSING, At::Value(pointer), message, None);
            }
        }
    }

    fn has_language(&mut self, site: Site<'_>, whose: &str, field: &Field, at: &Pointer<'_>) -> bool {
        let (other, instead) = match (field.only, site.language) {
            (Only::JsonPath, QueryLanguage::Jsonata) => (QueryLanguage::JsonPath, jsonata_instead(field.name)),
            (Only::Jsonata, QueryLanguage::JsonPath) => (QueryLanguage::Jsonata, path_instead(field.name)),
            _ => return true,
        };
        let (mine, other) = (site.language.name(), other.name());
        self.findings.report(
            &codes::LANGUAGE_FIELD,
            At::Key(at),
            format!("{whose} has {}, which only {other} has, and its query language is {mine}", field.name),
            Some(match instead {
                Some(instead) => format!("use {instead}, or give the state QueryLanguage: {other}"),
                None => format!("leave it out, or give the state QueryLanguage: {other}"),
            }),
        );
        false
    }

    pub(super) fn unknown_field(&mut self, whose: &str, name: &str, at: &Pointer<'_>, table: &Table) {
        let types = fields::types_with(name);
        if !types.is_empty() && std::ptr::eq(table.unknown, &codes::FIELD_UNKNOWN) && whose.starts_with("State ") {
            let types: Vec<_> = types.iter().map(|kind| kind.name()).collect();
            self.findings.report(
                &codes::FIELD_NOT_SUPPORTED,
                At::Key(at),
                format!("{whose} has {name}, which states of its Type do not have"),
                Some(format!("only states of Type {} have it", types.join(", "))),
            );
            return;
        }
        let known = table.fields.iter().map(|field| field.name);
        let help = match self.speller.near(name, known.clone()) {
            Some(near) => format!("did you mean {near}?"),
            None => format!("the fields there are {}", known.collect::<Vec<_>>().join(", ")),
        };
        let message = format!("{whose} has the unknown field `{}`", short(name));
        self.findings.report(table.unknown, At::Key(at), message, Some(help));
    }

    /// Checks one field's value.
    pub(super) fn shape(&mut self, site: Site<'_>, whose: &str, field: &Field, value: &'d Value, at: &Pointer<'d>) {
        let jsonata = site.language == QueryLanguage::Jsonata;
        if let Value::String(text) = value {
            if unresolved(text) && !matches!(field.shape, Shape::Template | Shape::ObjectTemplate) && !is_jsonata(text)
            {
                return;
            }
            let takes_expression = matches!(
                field.shape,
                Shape::Expression | Shape::Timestamp | Shape::Integer(..) | Shape::Number(..) | Shape::OneOf(_)
            );
            if jsonata && takes_expression && (text.starts_with("{%") || text.ends_with("%}")) {
                self.jsonata(site, text, at);
                return;
            }
        }
        let name = field.name;
        match (field.shape, value) {
            (Shape::Any, _) => {}
            (Shape::Template, value) => self.template(site, value, at),
            (Shape::Assign, value) => self.assign(site, whose, value, at),
            (Shape::ObjectTemplate, Value::Object(_)) => self.template(site, value, at),
            (Shape::ObjectTemplate, Value::String(_)) if jsonata => self.template(site, value, at),
            (Shape::ObjectTemplate, _) => self.wrong_type(whose, name, "an object", value, at),
            (Shape::Path | Shape::Result, Value::Null) => {}
            (Shape::Path | Shape::Result | Shape::Reference { .. } | Shape::TextPath, Value::String(text)) => {
                self.path_field(whose, field, text, at)
            }
            (Shape::Reference { .. }, Value::Null) if name != "ItemsPath" => {}
            (Shape::Path | Shape::Result | Shape::Reference { .. } | Shape::TextPath, _) => {
                self.wrong_type(whose, name, "a path", value, at);
            }
            (_, Value::Null) => {}
            (Shape::Text | Shape::Expression | Shape::Timestamp, Value::String(text)) => {
                if matches!(field.shape, Shape::Timestamp) {
                    self.timestamp(whose, name, text, at);
                }
            }
            (Shape::Text | Shape::Expression | Shape::Timestamp, _) => {
                self.wrong_type(whose, name, "a string", value, at);
            }
            (Shape::Object(table), Value::Object(object)) => {
                let whose = format!("{name} of state `{}`", short(site.state));
                self.fields(site, &whose, object, at, table);
            }
            (Shape::Object(_), _) => self.wrong_type(whose, name, "an object", value, at),
            (Shape::OneOf(allowed), value) => {
                if !value.as_str().is_some_and(|text| allowed.contains(&text)) {
                    let near = value.as_str().and_then(|text| self.speller.near(text, allowed.iter().copied()));
                    self.findings.report(
                        &codes::VALUE_NOT_ALLOWED,
                        At::Value(at),
                        format!("{whose} has {name} with a value that it does not take"),
                        Some(match near {
                            Some(near) => format!("did you mean {near}?"),
                            None => format!("it takes {}", allowed.join(", ")),
                        }),
                    );
                }
            }
            (Shape::Integer(least, most), Value::Number(number)) => match integer(number) {
                None => self.wrong_type(whose, name, "a whole number", value, at),
                Some(number) if !(least..=most).contains(&number) => {
                    let bounds = match most {
                        i64::MAX => format!("it takes {least} or more"),
                        most => format!("it takes {least} to {most}"),
                    };
                    self.out_of_range(whose, name, bounds, at);
                }
                Some(_) => {}
            },
            (Shape::Integer(..), _) => self.wrong_type(whose, name, "a whole number", value, at),
            (Shape::Number(least, most), Value::Number(number)) => {
                if !number.as_f64().is_some_and(|number| (least..=most).contains(&number)) {
                    let bounds = if most == f64::MAX {
                        format!("it takes {least} or more")
                    } else {
                        format!("it takes {least} to {most}")
                    };
                    self.out_of_range(whose, name, bounds, at);
                }
            }
            (Shape::Number(..), _) => self.wrong_type(whose, name, "a number", value, at),
        }
    }

    fn path_field(&mut self, whose: &str, field: &Field, text: &'d str, at: &Pointer<'d>) {
        let use_ = match field.shape {
            Shape::Path => path::Use::Any,
            Shape::Result => path::Use::Result,
            Shape::TextPath => path::Use::Text,
            Shape::Reference { context } => path::Use::Reference { context },
            _ => return,
        };
        self.path(whose, field.name, text, use_, at);
    }

    pub(super) fn wrong_type(&mut self, whose: &str, name: &str, wanted: &str, value: &Value, at: &Pointer<'_>) {
        let message = format!("{whose} has {name} with {}, which must be {wanted}", what(value));
        self.findings.report(&codes::WRONG_TYPE, At::Value(at), message, None);
    }

    fn out_of_range(&mut self, whose: &str, name: &str, bounds: String, at: &Pointer<'_>) {
        let message = format!("{whose} has {name} with a number that is out of range");
        self.findings.report(&codes::OUT_OF_RANGE, At::Value(at), message, Some(bounds));
    }
}

/// A whole number, also when it is written `1.0`.
fn integer(number: &Number) -> Option<i64> {
    number.as_i64().or_else(|| number.is_u64().then_some(i64::MAX)).or_else(|| {
        let float = number.as_f64()?;
        // The cast saturates, and ranges are far inside of what floats hold exactly.
        #[allow(clippy::cast_possible_truncation)]
        (float.fract() == 0.0).then_some(float as i64)
    })
}

/// What JSONata has in the place of a field of JSONPath's.
fn jsonata_instead(field: &str) -> Option<&'static str> {
    Some(match field {
        "Parameters" => "Arguments",
        "ResultSelector" | "ResultPath" | "OutputPath" | "Result" => "Output",
        "InputPath" => "$states.input in Arguments",
        "ItemsPath" => "Items",
        "TimeoutSecondsPath" => "TimeoutSeconds with an expression",
        "HeartbeatSecondsPath" => "HeartbeatSeconds with an expression",
        "SecondsPath" => "Seconds with an expression",
        "TimestampPath" => "Timestamp with an expression",
        "ErrorPath" => "Error with an expression",
        "CausePath" => "Cause with an expression",
        "Variable" | "And" | "Or" | "Not" => "Condition",
        _ => return None,
    })
}

/// What JSONPath has in the place of a field of JSONata's.
fn path_instead(field: &str) -> Option<&'static str> {
    Some(match field {
        "Arguments" => "Parameters",
        "Output" => "ResultSelector, ResultPath or OutputPath",
        "Items" => "ItemsPath",
        "Condition" => "Variable and a comparator",
        _ => return None,
    })
}
