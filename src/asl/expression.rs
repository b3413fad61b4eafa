//! Where in a string a placeholder stands: in plain text, in a quoted literal of an expression, or in its code.
//!
//! The readers of JSONata and of intrinsic functions here know just enough to tell quotes from code. Where a text could
//! be read in two ways, they say code, so that a substituted value never gets there.

/// A piece of a string that may hold placeholders.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Part<'a> {
    /// Text as it is.
    Text(&'a str),
    /// `${!Name}`, which stands for the text `${Name}`.
    Escaped(&'a str),
    /// `${Name}`.
    Placeholder(&'a str),
}

/// Splits a string at its placeholders. What only resembles one, `${` before anything but a name and `}`, is text.
pub(super) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut begin = 0;
    let mut from = 0;
    while let Some(offset) = text[from..].find("${") {
        let start = from + offset;
        let inner = &text[start + 2..];
        let (escaped, inner) = match inner.strip_prefix('!') {
            Some(inner) => (true, inner),
            None => (false, inner),
        };
        from = start + 2;
        if let Some(name) = name(inner) {
            if begin < start {
                parts.push(Part::Text(&text[begin..start]));
            }
            parts.push(if escaped { Part::Escaped(name) } else { Part::Placeholder(name) });
            from += usize::from(escaped) + name.len() + 1;
            begin = from;
        }
    }
    if begin < text.len() {
        parts.push(Part::Text(&text[begin..]));
    }
    parts
}

/// The name at the start of a text, if `}` follows it: letters, digits, `_`, `-` and `.`, or `AWS::` and letters.
fn name(text: &str) -> Option<&str> {
    let plain = text.strip_prefix("AWS::").unwrap_or(text);
    let rest = plain.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || "_-.".contains(c));
    (rest.len() < plain.len() && rest.starts_with('}')).then(|| &text[..text.len() - rest.len()])
}

/// Where a placeholder stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Context {
    /// In a string that AWS takes as it is.
    Text,
    /// In a quoted string of a JSONata expression.
    JsonataString,
    /// In a quoted string of an intrinsic function.
    IntrinsicString,
    /// Elsewhere in an expression.
    Code,
}

impl Context {
    /// The value as this context takes it literally; `None` where nothing may be put.
    pub fn write(self, value: &str) -> Option<String> {
        match self {
            Context::Text => Some(value.to_owned()),
            Context::JsonataString => Some(value.chars().map(jsonata_escape).collect()),
            Context::IntrinsicString => Some(value.chars().map(intrinsic_escape).collect()),
            Context::Code => None,
        }
    }
}

/// JSONata's strings take JSON's escapes and no `\'`: <https://docs.jsonata.org/simple#string-literals>.
fn jsonata_escape(c: char) -> String {
    match c {
        '\\' => "\\\\".to_owned(),
        '\'' | '"' | '\0'..='\u{1f}' => format!("\\u{:04x}", u32::from(c)),
        _ => c.to_string(),
    }
}

/// The characters that intrinsic functions reserve, each taken literally after a backslash:
/// <https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html>.
fn intrinsic_escape(c: char) -> String {
    match c {
        '\\' | '\'' | '{' | '}' => format!("\\{c}"),
        _ => c.to_string(),
    }
}

/// Whether AWS takes this string for a JSONata expression, or could after a trim.
pub(super) fn is_jsonata(text: &str) -> bool {
    text.trim_start().starts_with("{%")
}

/// The context of each placeholder of a string, in order. `evaluated` says that AWS reads the string as a JSONPath or
/// an intrinsic function because of the key it stands at.
pub(super) fn contexts(parts: &[Part<'_>], evaluated: bool) -> Vec<Context> {
    let opening = match parts.first() {
        Some(Part::Text(text)) => text.trim_start(),
        _ => "",
    };
    let mut reader = if let Some(code) = opening.strip_prefix("{%") {
        let mut reader = Reader::Jsonata(Jsonata::default());
        reader.read(code);
        reader
    } else if !evaluated {
        Reader::Text
    } else if opening.starts_with("States.") {
        let mut reader = Reader::Intrinsic(Intrinsic::Code);
        reader.read(opening);
        reader
    } else {
        Reader::Path
    };
    let after_opening = if opening.is_empty() { parts } else { &parts[1..] };
    let mut contexts = Vec::new();
    for part in after_opening {
        match part {
            Part::Text(text) => reader.read(text),
            Part::Escaped(name) => {
                reader.read("${");
                reader.read(name);
                reader.read("}");
            }
            Part::Placeholder(_) => contexts.push(reader.context()),
        }
    }
    contexts
}

enum Reader {
    Text,
    /// A JSONPath: nothing may be put into it.
    Path,
    Jsonata(Jsonata),
    Intrinsic(Intrinsic),
}

impl Reader {
    fn read(&mut self, text: &str) {
        match self {
            Reader::Text | Reader::Path => {}
            Reader::Jsonata(jsonata) => {
                let mut chars = text.chars().peekable();
                while let Some(c) = chars.next() {
                    jsonata.next(c, chars.peek() == Some(&'*'));
                }
            }
            Reader::Intrinsic(intrinsic) => {
                for c in text.chars() {
                    intrinsic.next(c);
                }
            }
        }
    }

    fn context(&self) -> Context {
        match self {
            Reader::Text => Context::Text,
            Reader::Jsonata(Jsonata { inside: Inside::Quotes { escaped: false, .. }, .. }) => Context::JsonataString,
            // After a backslash the value's first character would be taken for an escape.
            Reader::Intrinsic(Intrinsic::Quotes { escaped: false }) => Context::IntrinsicString,
            _ => Context::Code,
        }
    }
}

/// Reads JSONata as its reference tokenizer does: strings in either quote, names in backticks, comments, and `/`, which
/// divides after an operand and begins a regular expression elsewhere.
#[derive(Default)]
struct Jsonata {
    inside: Inside,
    /// The last character of code that is not white space.
    last: Option<char>,
    /// The beginning of the last name or number.
    word: String,
    /// Whether the character before this one belongs to `word`.
    in_word: bool,
}

#[derive(Default)]
enum Inside {
    #[default]
    Code,
    Quotes {
        quote: char,
        escaped: bool,
    },
    Backticks,
    /// The star that opens a comment does not close it.
    CommentOpening,
    Comment {
        star: bool,
    },
    /// After a regular expression, whose end implementations do not agree on.
    Unknown,
}

impl Jsonata {
    fn next(&mut self, c: char, before_star: bool) {
        match &mut self.inside {
            Inside::Unknown => {}
            Inside::Quotes { escaped, .. } if *escaped => *escaped = false,
            Inside::Quotes { escaped, .. } if c == '\\' => *escaped = true,
            Inside::Quotes { quote, .. } if c == *quote => self.end_of_operand(c),
            Inside::Quotes { .. } => {}
            Inside::Backticks if c == '`' => self.end_of_operand(c),
            Inside::Backticks => {}
            Inside::CommentOpening => self.inside = Inside::Comment { star: false },
            Inside::Comment { star } if *star && c == '/' => self.inside = Inside::Code,
            Inside::Comment { star } => *star = c == '*',
            Inside::Code => self.code(c, before_star),
        }
    }

    fn end_of_operand(&mut self, c: char) {
        self.inside = Inside::Code;
        self.last = Some(c);
    }

    fn code(&mut self, c: char, before_star: bool) {
        if is_word(c) {
            if !self.in_word {
                self.word.clear();
            }
            if self.word.len() < 8 {
                self.word.push(c);
            }
            self.in_word = true;
            self.last = Some(c);
            return;
        }
        self.in_word = false;
        match c {
            '\'' | '"' => {
                self.inside = Inside::Quotes { quote: c, escaped: false };
            }
            '`' => self.inside = Inside::Backticks,
            '/' if before_star => self.inside = Inside::CommentOpening,
            '/' if !self.after_operand() => self.inside = Inside::Unknown,
            _ if c.is_whitespace() => {}
            _ => self.last = Some(c),
        }
    }

    fn after_operand(&self) -> bool {
        match self.last {
            Some(')' | ']' | '}' | '\'' | '"' | '`') => true,
            // Operators that are also names: it takes a parser to tell.
            Some(last) if is_word(last) => !matches!(self.word.as_str(), "and" | "or" | "in"),
            _ => false,
        }
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Reads `States.…(…)`: strings in single quotes with backslash escapes, arguments that are paths or functions.
enum Intrinsic {
    Code,
    Quotes {
        escaped: bool,
    },
    /// After a double quote, which a path may hold.
    Unknown,
}

impl Intrinsic {
    fn next(&mut self, c: char) {
        match self {
            Intrinsic::Code if c == '\'' => *self = Intrinsic::Quotes { escaped: false },
            Intrinsic::Code if c == '"' => *self = Intrinsic::Unknown,
            Intrinsic::Quotes { escaped } if *escaped => *escaped = false,
            Intrinsic::Quotes { escaped } if c == '\\' => *escaped = true,
            Intrinsic::Quotes { .. } if c == '\'' => *self = Intrinsic::Code,
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Context, Part, contexts, parts};

    #[test]
    fn splits_at_names_only() {
        use Part::{Escaped, Placeholder, Text};
        for (text, expected) in [
            ("", vec![]),
            ("plain $ {x}", vec![Text("plain $ {x}")]),
            ("${A}", vec![Placeholder("A")]),
            ("a${B-1.c_d}e", vec![Text("a"), Placeholder("B-1.c_d"), Text("e")]),
            ("${AWS::Region}:${!AWS::Region}", vec![Placeholder("AWS::Region"), Text(":"), Escaped("AWS::Region")]),
            ("${A}${!B}${C}", vec![Placeholder("A"), Escaped("B"), Placeholder("C")]),
            ("${${A}", vec![Text("${"), Placeholder("A")]),
            ("${} ${A ${a:b} ${ A}", vec![Text("${} ${A ${a:b} ${ A}")]),
            ("é${A}é", vec![Text("é"), Placeholder("A"), Text("é")]),
        ] {
            assert_eq!(parts(text), expected, "{text}");
        }
    }

    #[test]
    fn tells_quotes_from_code() {
        use Context::{Code, IntrinsicString, JsonataString, Text};
        for (text, evaluated, expected) in [
            ("arn:${X}", false, vec![Text]),
            ("it's ${X}", false, vec![Text]),
            ("{% '${X}' %}", false, vec![JsonataString]),
            ("  {% \"${X}\" %}", false, vec![JsonataString]),
            ("{% ${X} %}", false, vec![Code]),
            ("{% 'a' & ${X} & '${X}' %}", false, vec![Code, JsonataString]),
            ("{% 'a\\'${X}' %}", false, vec![JsonataString]),
            ("{% 'a\\\\'${X}' %}", false, vec![Code]),
            ("{% 'a\\${X}' %}", false, vec![Code]),
            ("{% \"it's ${X}\" %}", false, vec![JsonataString]),
            ("{% `it's ${X}` & '${X}' %}", false, vec![Code, JsonataString]),
            ("{% /* it's ${X} */ '${X}' %}", false, vec![Code, JsonataString]),
            ("{% /*/ ' */ '${X}' %}", false, vec![JsonataString]),
            ("{% $n / 2 & '${X}' %}", false, vec![JsonataString]),
            ("{% ($n)/2 & a[0] / 'b' / `c` & '${X}' %}", false, vec![JsonataString]),
            ("{% $match(a, /'/) & '${X}' %}", false, vec![Code]),
            ("{% a and /'/ & '${X}' %}", false, vec![Code]),
            ("{% a in/* */ /'/ & '${X}' %}", false, vec![Code]),
            ("{% band / 2 & '${X}' %}", false, vec![JsonataString]),
            ("{% * /'/ & '${X}' %}", false, vec![Code]),
            ("{% '${!X}${X}' %}", false, vec![JsonataString]),
            ("{${X}", false, vec![Text]),
            ("$.a.${X}", false, vec![Text]),
            ("$.a.${X}", true, vec![Code]),
            ("$['${X}']", true, vec![Code]),
            ("${X}", true, vec![Code]),
            ("States.Format('${X}-{}', $.a)", true, vec![IntrinsicString]),
            ("States.Format('it\\'s ${X}', ${X})", true, vec![IntrinsicString, Code]),
            ("States.Format('\\${X}')", true, vec![Code]),
            ("States.Format($[\"'\"], '${X}')", true, vec![Code]),
            ("States.Format('${X}-{}', $.a)", false, vec![Text]),
        ] {
            assert_eq!(contexts(&parts(text), evaluated), expected, "{text}");
        }
    }

    #[test]
    fn writes_values_that_stay_inside_their_quotes() {
        let value = "a'b\"c\\d{e}\n";
        assert_eq!(Context::Text.write(value).as_deref(), Some(value));
        assert_eq!(Context::JsonataString.write(value).as_deref(), Some("a\\u0027b\\u0022c\\\\d{e}\\u000a"));
        assert_eq!(Context::IntrinsicString.write(value).as_deref(), Some("a\\'b\"c\\\\d\\{e\\}\n"));
        assert_eq!(Context::Code.write(value), None);
    }
}
