//! Data of the user's in which a query language is evaluated: payload templates of JSONPath, `{% … %}` of JSONata, Assign.

use serde_json::{Map, Value};

use super::{Checker, Site, path, unresolved, what};
use crate::asl::codes;
use crate::asl::expression::is_jsonata;
use crate::asl::finding::At;
use crate::asl::model::{QueryLanguage, State};
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// The longest name of a variable: specification, "Variables".
const MAX_VARIABLE: usize = 80;

impl<'d> Checker<'d> {
    /// Checks every string of a value.
    pub(super) fn template(&mut self, site: Site<'_>, value: &'d Value, pointer: &Pointer<'d>) {
        let whose = format!("State `{}`", short(site.state));
        let mut pending = vec![(value, pointer.clone())];
        while let Some((value, pointer)) = pending.pop() {
            match (value, site.language) {
                (Value::String(text), QueryLanguage::Jsonata) => self.jsonata(site, text, &pointer),
                (Value::String(text), QueryLanguage::JsonPath) => self.plain(&whose, text, &pointer),
                (Value::Array(items), _) => {
                    pending.extend(items.iter().enumerate().map(|(index, item)| (item, pointer.index(index))));
                }
                (Value::Object(object), language) => {
                    for (key, value) in object {
                        let at = pointer.key(key);
                        match (key.strip_suffix(".$"), language) {
                            (Some(plain), QueryLanguage::JsonPath) => {
                                self.payload_value(&whose, object, key, plain, value, &at);
                            }
                            (Some(_), QueryLanguage::Jsonata) => {
                                self.findings.report(
                                    &codes::DOLLAR_KEY_IN_JSONATA,
                                    At::Key(&at),
                                    format!("{whose} has the key `{}`, and in JSONata `.$` means nothing", short(key)),
                                    Some("leave `.$` out, and write the value as \"{% … %}\"".to_owned()),
                                );
                                pending.push((value, at));
                            }
                            (None, _) => pending.push((value, at)),
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// The value of a key that ends with `.$`: "must be a valid JSONPath or a valid intrinsic function call".
    fn payload_value(
        &mut self,
        whose: &str,
        object: &Map<String, Value>,
        key: &'d str,
        plain: &str,
        value: &'d Value,
        at: &Pointer<'d>,
    ) {
        let shown = format!("`{}`", short(key));
        if object.contains_key(plain) {
            self.findings.report(
                &codes::PAYLOAD_DUPLICATE,
                At::Key(at),
                format!("{whose} has both {shown} and `{}`, which become one key", short(plain)),
                Some("keep one of them".to_owned()),
            );
        }
        let Value::String(text) = value else {
            self.findings.report(
                &codes::PAYLOAD_PATH,
                At::Value(at),
                format!("{whose} has {shown} with {}, which must be a path or an intrinsic function", what(value)),
                Some(format!("leave `.$` out of the key, as `{}`", short(plain))),
            );
            return;
        };
        if unresolved(text) {
            return;
        }
        if text.starts_with("States.") {
            self.intrinsic(whose, &shown, text, at);
            return;
        }
        match path::parse(text) {
            Ok(path) => self.root(&path, at),
            Err(problem) => {
                let help = match is_jsonata(text) {
                    true => {
                        "`{% … %}` needs the state to have QueryLanguage: JSONata, and keys without `.$`".to_owned()
                    }
                    false => format!("leave `.$` out of the key if the text itself is meant, as `{}`", short(plain)),
                };
                self.findings.report(
                    &codes::PAYLOAD_PATH,
                    At::Value(at),
                    format!(
                        "{whose} has {shown} with `{}`, which is neither a path nor an intrinsic function: {problem}",
                        short(text)
                    ),
                    Some(help),
                );
            }
        }
    }

    /// A string that AWS takes as it is. "NO_DOLLAR: No .$ on a field that appears to be a JSONPath or Intrinsic Function"
    /// (ValidateStateMachineDefinition's warnings).
    fn plain(&mut self, whose: &str, text: &str, at: &Pointer<'_>) {
        if is_jsonata(text) {
            self.findings.report(
                &codes::JSONATA_NOT_EVALUATED,
                At::Value(at),
                format!("{whose} has `{}`, which is not evaluated: its query language is JSONPath", short(text)),
                Some("give the state QueryLanguage: JSONata".to_owned()),
            );
        } else if looks_dynamic(text) {
            self.findings.report(
                &codes::PATH_NOT_EVALUATED,
                At::Value(at),
                format!("{whose} has `{}`, which is not evaluated", short(text)),
                Some("let the key end with `.$` if the value is meant".to_owned()),
            );
        }
    }

    /// "PASS_RESULT_IS_STATIC: Attempt to use a path in the result of a pass state".
    pub(super) fn static_result(&mut self, state: &State<'d>) {
        if state.language == QueryLanguage::Jsonata {
            return;
        }
        let whose = format!("State `{}`", short(state.at.name));
        let mut pending: Vec<_> =
            state.field("Result").map(|value| (value, state.at.pointer.key("Result"))).into_iter().collect();
        while let Some((value, pointer)) = pending.pop() {
            match value {
                Value::String(text) if looks_dynamic(text) => {
                    self.findings.report(
                        &codes::PATH_NOT_EVALUATED,
                        At::Value(&pointer),
                        format!("{whose} has `{}` in its Result, which is not evaluated", short(text)),
                        Some("use Parameters with a key that ends with `.$`".to_owned()),
                    );
                }
                Value::Array(items) => {
                    pending.extend(items.iter().enumerate().map(|(index, item)| (item, pointer.index(index))));
                }
                Value::Object(object) => {
                    pending.extend(object.iter().map(|(key, value)| (value, pointer.key(key))));
                }
                _ => {}
            }
        }
    }

    /// Assign: names of variables, and their values.
    pub(super) fn assign(&mut self, site: Site<'_>, whose: &str, value: &'d Value, at: &Pointer<'d>) {
        let Value::Object(object) = value else {
            self.wrong_type(whose, "Assign", "an object", value, at);
            return;
        };
        for key in object.keys() {
            let at = at.key(key);
            let name = match site.language {
                QueryLanguage::JsonPath => key.strip_suffix(".$").unwrap_or(key),
                QueryLanguage::Jsonata => key,
            };
            if name == "states" {
                let message = format!("{whose} assigns the variable `states`, which is reserved");
                self.findings.report(&codes::VARIABLE_RESERVED, At::Key(&at), message, None);
            } else if !is_variable(name) {
                self.findings.report(
                    &codes::VARIABLE_NAME,
                    At::Key(&at),
                    format!("{whose} assigns `{}`, which can't be the name of a variable", short(name)),
                    Some(format!(
                        "a name begins with a letter, goes on with letters, digits and `_`, and has at most {MAX_VARIABLE} characters"
                    )),
                );
            }
        }
        self.template(site, value, at);
    }
}

/// Specification, "Variables": a Unicode identifier of at most 80 characters. `_` at the beginning is let pass: whether AWS
/// takes it is not known.
fn is_variable(name: &str) -> bool {
    name.starts_with(|c: char| c.is_alphabetic() || c == '_')
        && name.chars().count() <= MAX_VARIABLE
        && name.chars().all(|c| c.is_alphanumeric() || c == '_' || !c.is_ascii())
}

fn looks_dynamic(text: &str) -> bool {
    let path =
        (text.starts_with("$.") || text.starts_with("$$.") || text.starts_with("$[")) && path::parse(text).is_ok();
    path || (text.starts_with("States.") && text.contains('(') && text.ends_with(')'))
}
