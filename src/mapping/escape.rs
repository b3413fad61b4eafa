//! The one place where a value is written into VTL.
//!
//! A [`Vtl`] is made of code (`&'static str`) and of what the functions here escape, and of nothing else, so no value
//! of a manifest can become a directive or a reference, and no value of a request can leave the JSON string it is
//! printed in. Literals are plain ASCII text of the template, never VTL string literals, whose escapes differ between
//! engines.

use serde_json::Value;

/// A piece of a mapping template.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Vtl(String);

impl From<&'static str> for Vtl {
    fn from(code: &'static str) -> Self {
        Vtl(code.to_owned())
    }
}

impl FromIterator<Vtl> for Vtl {
    fn from_iter<I: IntoIterator<Item = Vtl>>(pieces: I) -> Self {
        Vtl(pieces.into_iter().map(|Vtl(text)| text).collect())
    }
}

impl Vtl {
    pub(super) fn into_template(self) -> String {
        self.0
    }
}

/// The pieces one after the other.
pub(super) fn join<const N: usize>(pieces: [Vtl; N]) -> Vtl {
    pieces.into_iter().collect()
}

/// In how many JSON strings a piece of a document stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    /// The document that the template prints.
    Outer,
    /// The document inside of its `input` string.
    Input,
}

impl Level {
    fn strings(self) -> usize {
        match self {
            Level::Outer => 0,
            Level::Input => 1,
        }
    }
}

/// A constant as JSON text.
pub(super) fn json(level: Level, value: &Value) -> Vtl {
    Vtl(nest(level, ascii(&value.to_string())))
}

/// A constant's characters, to stand between two [`quote`]s.
pub(super) fn characters(level: Level, text: &str) -> Vtl {
    let json = ascii(&Value::from(text).to_string());
    Vtl(nest(level, json[1..json.len() - 1].to_owned()))
}

/// The quotation mark that begins and ends a JSON string.
pub(super) fn quote(level: Level) -> Vtl {
    Vtl(nest(level, "\"".to_owned()))
}

/// A reference's string, to stand between two [`quote`]s.
pub(super) fn escaped_text(level: Level, reference: Vtl) -> Vtl {
    escaped(level.strings() + 1, reference)
}

/// A reference's JSON text, printed as it is.
pub(super) fn escaped_json(level: Level, reference: Vtl) -> Vtl {
    escaped(level.strings(), reference)
}

/// `$util.escapeJavaScript` makes `\'` of an apostrophe, which is no JSON: each use has its cure. The cure's argument
/// is a Java regular expression, hence two backslashes (AWS.md §3).
fn escaped(times: usize, reference: Vtl) -> Vtl {
    (0..times)
        .fold(reference, |Vtl(inner), _| Vtl(format!(r#"$util.escapeJavaScript({inner}).replaceAll("\\'", "'")"#)))
}

/// A name as a VTL string literal: of a parameter, a stage, an error. Validation has refused what is left out here.
pub(super) fn name(text: &str) -> Vtl {
    let safe: String = text.chars().filter(|c| is_name_character(*c)).collect();
    Vtl(format!("'{safe}'"))
}

/// Printable ASCII without the characters that mean something in a VTL string literal.
pub(super) fn is_name_character(c: char) -> bool {
    c.is_ascii_graphic() && !matches!(c, '\'' | '"' | '\\' | '$' | '#')
}

/// A regular expression, as a VTL string literal, that matches a header's name in any case.
pub(super) fn header_pattern(header: &str) -> Vtl {
    let pattern: String = header
        .chars()
        .filter(|c| is_header_character(*c))
        .map(|c| match c {
            '.' => "[.]".to_owned(),
            c => c.to_string(),
        })
        .collect();
    Vtl(format!("'(?i){pattern}'"))
}

/// The characters of header names in practice; RFC 9110 admits more, which regular expressions and VTL would touch.
pub(super) fn is_header_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.')
}

/// `$context.identity.sourceIp`, without its `$`; a step that is no identifier, such as the claim `cognito:groups`, stands in
/// brackets.
pub(super) fn context(property: &str) -> Vtl {
    let step = |step: &str| {
        let step: String = step.chars().filter(|c| is_context_character(*c)).collect();
        if step.contains(':') { format!("['{step}']") } else { format!(".{step}") }
    };
    let steps: String = property.split('.').map(step).collect();
    Vtl(format!("context{steps}"))
}

/// The characters of a path into `$context`.
pub(super) fn is_context_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | ':')
}

/// `$stageVariables.color`, without its `$`.
pub(super) fn stage_variable(name: &str) -> Vtl {
    let name: String = name.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '_').collect();
    Vtl(format!("stageVariables.{name}"))
}

/// The JSONPath of nested keys as a VTL string literal: `'$.a.b'`, or `"$['a-b']"` where a key is no identifier.
pub(super) fn json_path(keys: &[String]) -> Vtl {
    let keys: Vec<String> = keys.iter().map(|key| key.chars().filter(|c| is_key_character(*c)).collect()).collect();
    if keys.iter().all(|key| is_identifier(key)) {
        let path: String = keys.iter().map(|key| format!(".{key}")).collect();
        Vtl(format!("'${path}'"))
    } else {
        let path: String = keys.iter().map(|key| format!("['{key}']")).collect();
        Vtl(format!("\"${path}\""))
    }
}

/// The characters of a body's key that can be named in a JSONPath without escapes.
pub(super) fn is_key_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | ':' | '@')
}

fn is_identifier(key: &str) -> bool {
    key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && key.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// JSON text in ASCII, without the characters that begin something in VTL, and with no escape but `\uXXXX`: those that
/// need one stand in JSON strings only, where it means the same.
///
/// The short escapes would not do: doubled, `\\nbreak` loses a backslash in Velocity 1.7, which takes two backslashes,
/// one character and a directive's name for an escaped directive.
fn ascii(json: &str) -> String {
    let mut text = String::with_capacity(json.len());
    let mut characters = json.chars();
    while let Some(c) = characters.next() {
        let c = match c {
            '\\' => match characters.next() {
                Some('b') => '\u{8}',
                Some('t') => '\t',
                Some('n') => '\n',
                Some('f') => '\u{c}',
                Some('r') => '\r',
                Some('u') => {
                    text.push_str("\\u");
                    continue;
                }
                Some(c) => {
                    push_unicode_escape(&mut text, c);
                    continue;
                }
                None => break,
            },
            c => c,
        };
        if c.is_ascii() && !c.is_ascii_control() && !matches!(c, '\'' | '$' | '#') {
            text.push(c);
        } else {
            push_unicode_escape(&mut text, c);
        }
    }
    text
}

fn push_unicode_escape(text: &mut String, c: char) {
    for unit in c.encode_utf16(&mut [0; 2]) {
        text.push_str(&format!("\\u{unit:04x}"));
    }
}

/// JSON text as it is written inside of the level's strings.
fn nest(level: Level, json: String) -> String {
    (0..level.strings()).fold(json, |json, _| json.replace('\\', "\\\\").replace('"', "\\\""))
}
