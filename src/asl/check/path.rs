//! JSONPath and reference paths.
//!
//! AWS compiles paths with Jayway's JsonPath; what is refused here is refused there. Where Jayway is lenient, so is this.

use super::{Checker, intrinsics, unresolved};
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// What a field wants of its path.
#[derive(Clone, Copy)]
pub(super) enum Use {
    Any,
    /// ResultPath: into the state's own data.
    Result,
    Reference {
        /// Whether the context object may be meant.
        context: bool,
    },
    /// Also an intrinsic function that gives a string.
    Text,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Root<'t> {
    Input,
    Context,
    Variable(&'t str),
}

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Path<'t> {
    pub root: Root<'t>,
    /// Whether it selects one value at most: specification, "Reference Paths".
    pub definite: bool,
    /// The names it begins with, up to two.
    pub names: Vec<&'t str>,
}

/// Reads a path.
pub(super) fn parse(text: &str) -> Result<Path<'_>, &'static str> {
    let text = text.trim_end();
    let Some(rest) = text.strip_prefix('$') else { return Err("it does not begin with `$`") };
    let (root, mut rest) = if let Some(rest) = rest.strip_prefix('$') {
        (Root::Context, rest)
    } else {
        let end = rest.find(|c: char| !(c.is_alphanumeric() || c == '_')).unwrap_or(rest.len());
        let (name, rest) = rest.split_at(end);
        if name.starts_with(|c: char| c.is_numeric()) {
            return Err("after `$` comes `.`, `[` or the name of a variable");
        }
        (if name.is_empty() { Root::Input } else { Root::Variable(name) }, rest)
    };
    let mut path = Path { root, definite: true, names: Vec::new() };
    let mut leading = true;
    while let Some(first) = rest.chars().next() {
        let name;
        (name, rest) = match first {
            '.' => dotted(&rest[1..], &mut path)?,
            '[' => bracketed(&rest[1..], &mut path)?,
            _ => return Err("only `.` and `[` go on in a path"),
        };
        match name {
            Some(name) if leading && path.names.len() < 2 => path.names.push(name),
            _ => leading = false,
        }
    }
    Ok(path)
}

type Step<'t> = Result<(Option<&'t str>, &'t str), &'static str>;

/// After a dot.
fn dotted<'t>(rest: &'t str, path: &mut Path<'t>) -> Step<'t> {
    let rest = match rest.strip_prefix('.') {
        Some(rest) => {
            path.definite = false;
            rest
        }
        None => rest,
    };
    // AWS runs `$.[?(@.year <= 1998)]` (LocalStack's recorded tests).
    if rest.starts_with('[') {
        return Ok((None, rest));
    }
    if let Some(rest) = rest.strip_prefix('*') {
        path.definite = false;
        return Ok((None, rest));
    }
    let end = rest.find(|c: char| c.is_whitespace() || ".[]()".contains(c)).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    if name.is_empty() {
        return Err("a name is missing after `.`");
    }
    match rest.chars().next() {
        Some('(') => {
            path.definite = false;
            let rest = balanced(&rest[1..], ')')?.1;
            Ok((None, rest))
        }
        Some(c) if c.is_whitespace() => Err("a name with blanks is written as ['a name']"),
        Some(']' | ')') => Err("a bracket is closed that was not opened"),
        _ => Ok((Some(name), rest)),
    }
}

/// After an opening bracket.
fn bracketed<'t>(rest: &'t str, path: &mut Path<'t>) -> Step<'t> {
    let (inside, rest) = balanced(rest, ']')?;
    let inside = inside.trim();
    let mut name = None;
    match inside.chars().next() {
        None => return Err("the brackets are empty"),
        Some(quote @ ('\'' | '"')) => {
            let only = quoted(inside, quote);
            path.definite &= only.is_some();
            name = only;
        }
        Some('?' | '(' | '*' | '@') => path.definite = false,
        Some(_) if inside.parse::<i64>().is_ok() => {}
        Some(c) if c.is_ascii_digit() || "-+:,".contains(c) => path.definite = false,
        Some(_) => return Err("in brackets stand an index, a filter, `*` or a name in quotes"),
    }
    Ok((name, rest))
}

/// The one name in quotes, if there is nothing else.
fn quoted(inside: &str, quote: char) -> Option<&str> {
    let name = inside.strip_prefix(quote)?.strip_suffix(quote)?;
    (!name.contains(quote) || name.contains('\\')).then_some(name)
}

/// Splits at the bracket that closes; quotes hide brackets.
fn balanced(text: &str, close: char) -> Result<(&str, &str), &'static str> {
    let mut open = Vec::new();
    let mut quote = None;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        if let Some(mark) = quote {
            match c {
                _ if escaped => escaped = false,
                '\\' => escaped = true,
                _ if c == mark => quote = None,
                _ => {}
            }
            continue;
        }
        match c {
            '\'' | '"' => quote = Some(c),
            '[' => open.push(']'),
            '(' => open.push(')'),
            ']' | ')' => match open.pop() {
                Some(expected) if expected == c => {}
                None if c == close => return Ok((&text[..index], &text[index + 1..])),
                _ => return Err("its brackets do not match"),
            },
            _ => {}
        }
    }
    Err(if quote.is_some() { "a quote is not closed" } else { "a bracket is not closed" })
}

/// The context object: AWS documentation, "Accessing execution data from the Context object".
const CONTEXT: [(&str, &[&str]); 5] = [
    ("Execution", &["Id", "Input", "Name", "RoleArn", "StartTime", "RedriveCount", "RedriveTime"]),
    ("State", &["EnteredTime", "Name", "RetryCount"]),
    ("StateMachine", &["Id", "Name"]),
    ("Task", &["Token"]),
    ("Map", &["Item"]),
];

impl<'d> Checker<'d> {
    /// Checks the path that a field holds.
    pub(super) fn path(&mut self, whose: &str, field: &str, text: &'d str, use_: Use, at: &Pointer<'d>) {
        if unresolved(text) {
            return;
        }
        if matches!(use_, Use::Text) && text.starts_with("States.") {
            if let Some(name) = self.intrinsic(whose, field, text, at)
                && !intrinsics::gives_text(name)
            {
                self.findings.report(
                    &codes::INTRINSIC_ARGUMENTS,
                    At::Value(at),
                    format!("{whose} has {field} with {name}, which gives no string"),
                    Some("use States.Format or States.JsonToString around it".to_owned()),
                );
            }
            return;
        }
        let path = match parse(text) {
            Ok(path) => path,
            Err(problem) => {
                let message = format!("{whose} has {field} `{}`, which is not a path: {problem}", short(text));
                let help = text.starts_with("States.").then(|| {
                    "an intrinsic function stands only in the value of a key that ends with .$, and in ErrorPath and CausePath"
                        .to_owned()
                });
                self.findings.report(&codes::PATH_SYNTAX, At::Value(at), message, help);
                return;
            }
        };
        self.root(&path, at);
        let problem = match use_ {
            Use::Any | Use::Text => None,
            _ if !path.definite => Some("which may select several values, and must be a reference path"),
            Use::Result if path.root != Root::Input => {
                Some("which does not begin with `$.`, and must lead into the state's data")
            }
            Use::Reference { context: false } if path.root == Root::Context => {
                Some("which leads into the context object, and must be a reference path")
            }
            _ => None,
        };
        if let Some(problem) = problem {
            let message = format!("{whose} has {field} `{}`, {problem}", short(text));
            self.findings.report(&codes::REFERENCE_PATH, At::Value(at), message, None);
        }
    }

    /// Notes the variable that a path begins with, and looks at the names of the context object.
    pub(super) fn root(&mut self, path: &Path<'d>, at: &Pointer<'d>) {
        match path.root {
            Root::Variable(name) => self.variables.used(name, at),
            Root::Context => {
                let Some(first) = path.names.first() else { return };
                let known = CONTEXT.iter().find(|(name, _)| name == first);
                let (wrong, near) = match (known, path.names.get(1)) {
                    (None, _) => (*first, self.speller.near(first, CONTEXT.map(|(name, _)| name))),
                    (Some((_, fields)), Some(second)) if !fields.contains(second) => {
                        (*second, self.speller.near(second, fields.iter().copied()))
                    }
                    _ => return,
                };
                self.findings.report(
                    &codes::CONTEXT_PATH,
                    At::Value(at),
                    format!("The context object has no `{}` there", short(wrong)),
                    near.map(|near| format!("did you mean {near}?")),
                );
            }
            Root::Input => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Root, parse};

    #[test]
    fn reads_paths() {
        for (text, root, definite) in [
            ("$", Root::Input, true),
            ("$$", Root::Context, true),
            ("$.a.b", Root::Input, true),
            ("$['a b'].c[0]", Root::Input, true),
            ("$.a[-1]", Root::Input, true),
            ("$$.Map.Item.Value", Root::Context, true),
            ("$x", Root::Variable("x"), true),
            ("$x_1.a[0]", Root::Variable("x_1"), true),
            ("$.a-b", Root::Input, true),
            ("$.über['x'] ", Root::Input, true),
            ("$['Test\\\"\"Name\"']", Root::Input, true),
            ("$.a[0:2]", Root::Input, false),
            ("$.a[0,1]", Root::Input, false),
            ("$['a','b']", Root::Input, false),
            ("$..a", Root::Input, false),
            ("$..*", Root::Input, false),
            ("$..[0]", Root::Input, false),
            ("$.[0].a", Root::Input, true),
            ("$.[*].['bucket', 'key']", Root::Input, false),
            ("$.*", Root::Input, false),
            ("$[*]", Root::Input, false),
            ("$[(@.length-1)].bar", Root::Input, false),
            ("$.a[?(@.b == 'x]' && @.c > 1)].d", Root::Input, false),
            ("$.a.length()", Root::Input, false),
        ] {
            let path = parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!((path.root, path.definite), (root, definite), "{text}");
        }
        assert_eq!(parse("$$.Execution['Id'].x").unwrap().names, ["Execution", "Id"]);
        assert_eq!(parse("$$.Map[0].Id").unwrap().names, ["Map"]);
        for text in [
            "",
            " ",
            "a",
            ".a",
            "()",
            "$.",
            "$..",
            "$...",
            "$.a.",
            "$.a b",
            "$[",
            "$[]",
            "$[abc]",
            "$['a'",
            "$['a",
            "$.a]",
            "$$23",
            "$23",
            "$.a[?(@.b == 1]",
            "$.a)",
            "$ .a",
            "23",
            "States.Array()",
        ] {
            assert!(parse(text).is_err(), "{text}: {:?}", parse(text));
        }
    }
}
