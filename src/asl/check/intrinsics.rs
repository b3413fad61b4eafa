//! Intrinsic functions of JSONPath: names, arity, types of arguments.

use super::{Checker, path};
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// What an argument must be.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Any,
    Text,
    Number,
    Array,
    Object,
    Boolean,
}

struct Function {
    name: &'static str,
    arguments: &'static [Kind],
    /// How many of them must be there.
    least: usize,
    /// More arguments of any kind may follow.
    more: bool,
}

const fn function(name: &'static str, arguments: &'static [Kind]) -> Function {
    Function { name, arguments, least: arguments.len(), more: false }
}

use Kind::{Any, Array, Boolean, Number, Object, Text};

/// AWS documentation, "Intrinsics for JSONPath states".
static FUNCTIONS: [Function; 18] = [
    Function { more: true, ..function("States.Array", &[]) },
    function("States.ArrayPartition", &[Array, Number]),
    function("States.ArrayContains", &[Array, Any]),
    function("States.ArrayRange", &[Number, Number, Number]),
    function("States.ArrayGetItem", &[Array, Number]),
    function("States.ArrayLength", &[Array]),
    function("States.ArrayUnique", &[Array]),
    function("States.Base64Encode", &[Text]),
    function("States.Base64Decode", &[Text]),
    function("States.Hash", &[Any, Text]),
    function("States.JsonMerge", &[Object, Object, Boolean]),
    function("States.StringToJson", &[Text]),
    function("States.JsonToString", &[Any]),
    Function { least: 2, ..function("States.MathRandom", &[Number, Number, Number]) },
    function("States.MathAdd", &[Number, Number]),
    function("States.StringSplit", &[Text, Text]),
    function("States.UUID", &[]),
    Function { more: true, ..function("States.Format", &[Text]) },
];

/// Whether a function may give a string: what ErrorPath and CausePath take (AWS documentation, "Fail workflow state").
pub(super) fn gives_text(name: &str) -> bool {
    matches!(
        name,
        "States.Format"
            | "States.JsonToString"
            | "States.ArrayGetItem"
            | "States.Base64Encode"
            | "States.Base64Decode"
            | "States.Hash"
            | "States.UUID"
    )
}

#[derive(Debug, PartialEq)]
enum Argument<'t> {
    /// In quotes.
    Text,
    Number,
    Boolean,
    Null,
    Path(&'t str),
    Call(Call<'t>),
}

#[derive(Debug, PartialEq)]
struct Call<'t> {
    name: &'t str,
    arguments: Vec<Argument<'t>>,
    /// Whether a backslash stands before a character that needs none.
    odd_escape: bool,
}

/// AWS lets ten nest; deeper than this nobody looks.
const MAX_NESTING: usize = 32;

fn parse(text: &str) -> Result<Call<'_>, &'static str> {
    let (call, rest) = call(text, 0)?;
    if rest.trim().is_empty() { Ok(call) } else { Err("something follows the closing parenthesis") }
}

fn call(text: &str, nesting: usize) -> Result<(Call<'_>, &str), &'static str> {
    if nesting == MAX_NESTING {
        return Err("its functions nest too deep");
    }
    let end = text.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.')).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    let mut call = Call { name, arguments: Vec::new(), odd_escape: false };
    let Some(mut rest) = rest.trim_start().strip_prefix('(') else {
        return Err("an opening parenthesis is missing after the name");
    };
    if let Some(rest) = rest.trim_start().strip_prefix(')') {
        return Ok((call, rest));
    }
    loop {
        let argument;
        (argument, rest) = self::argument(rest.trim_start(), nesting, &mut call.odd_escape)?;
        call.arguments.push(argument);
        rest = rest.trim_start();
        match rest.chars().next() {
            Some(',') => rest = &rest[1..],
            Some(')') => return Ok((call, &rest[1..])),
            Some(_) => return Err("a comma or the closing parenthesis is missing after an argument"),
            None => return Err("the closing parenthesis is missing"),
        }
    }
}

fn argument<'t>(text: &'t str, nesting: usize, odd_escape: &mut bool) -> Result<(Argument<'t>, &'t str), &'static str> {
    match text.chars().next() {
        None => Err("the closing parenthesis is missing"),
        Some('\'') => {
            let mut escaped = false;
            for (index, c) in text.char_indices().skip(1) {
                match c {
                    // "must be a valid JSONPath or a valid intrinsic function call": recorded for \".
                    '"' if escaped => return Err("in a string of it, a double quote takes no backslash"),
                    _ if escaped => {
                        *odd_escape |= !matches!(c, '\'' | '{' | '}' | '\\');
                        escaped = false;
                    }
                    '\\' => escaped = true,
                    '\'' => return Ok((Argument::Text, &text[index + 1..])),
                    _ => {}
                }
            }
            Err("a string has no closing quote")
        }
        Some('$') => {
            let end = end_of_path(text);
            Ok((Argument::Path(text[..end].trim_end()), &text[end..]))
        }
        Some(_) if text.starts_with("States.") => {
            let (call, rest) = call(text, nesting + 1)?;
            *odd_escape |= call.odd_escape;
            Ok((Argument::Call(call), rest))
        }
        Some(_) => {
            let end = text.find([',', ')']).unwrap_or(text.len());
            let (word, rest) = text.split_at(end);
            let argument = match word.trim_end() {
                "true" | "false" => Argument::Boolean,
                "null" => Argument::Null,
                word if word.parse::<f64>().is_ok() && !word.starts_with(|c: char| c.is_alphabetic()) => {
                    Argument::Number
                }
                _ => {
                    return Err(
                        "an argument is a string in single quotes, a number, true, false, null, a path or a function",
                    );
                }
            };
            Ok((argument, rest))
        }
    }
}

/// Where a path ends that stands before a comma or a closing parenthesis.
fn end_of_path(text: &str) -> usize {
    let mut depth = 0usize;
    let mut quote = None;
    let mut escaped = false;
    for (index, c) in text.char_indices() {
        match (quote, c) {
            (Some(_), _) if escaped => escaped = false,
            (Some(_), '\\') => escaped = true,
            (Some(mark), _) if c == mark => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') if depth > 0 => quote = Some(c),
            (None, '[' | '(') => depth += 1,
            (None, ',' | ')') if depth == 0 => return index,
            (None, ']' | ')') => depth = depth.saturating_sub(1),
            (None, _) => {}
        }
    }
    text.len()
}

impl<'d> Checker<'d> {
    /// Checks an intrinsic function; its name, where there is such a function.
    pub(super) fn intrinsic(
        &mut self,
        whose: &str,
        field: &str,
        text: &'d str,
        at: &Pointer<'d>,
    ) -> Option<&'static str> {
        let call = match parse(text) {
            Ok(call) => call,
            Err(problem) => {
                let message =
                    format!("{whose} has {field} `{}`, which is not an intrinsic function: {problem}", short(text));
                self.findings.report(&codes::INTRINSIC_SYNTAX, At::Value(at), message, None);
                return None;
            }
        };
        if call.odd_escape {
            let message = format!("{whose} has {field} with a backslash that AWS may not take");
            let help = "in a string of an intrinsic function, backslashes stand before ' { } and \\ only".to_owned();
            self.findings.report(&codes::INTRINSIC_ESCAPE, At::Value(at), message, Some(help));
        }
        let outermost = FUNCTIONS.iter().find(|function| function.name == call.name).map(|function| function.name);
        let mut pending = vec![&call];
        while let Some(call) = pending.pop() {
            self.call(whose, field, call, at);
            for argument in &call.arguments {
                match argument {
                    Argument::Call(call) => pending.push(call),
                    Argument::Path(text) => self.path(whose, field, text, path::Use::Any, at),
                    _ => {}
                }
            }
        }
        outermost
    }

    fn call(&mut self, whose: &str, field: &str, call: &Call<'_>, at: &Pointer<'_>) {
        let Some(function) = FUNCTIONS.iter().find(|function| function.name == call.name) else {
            let near = self.speller.near(call.name, FUNCTIONS.iter().map(|function| function.name));
            self.findings.report(
                &codes::INTRINSIC_UNKNOWN,
                At::Value(at),
                format!("{whose} has {field} with `{}`, which is not an intrinsic function", short(call.name)),
                near.map(|near| format!("did you mean {near}?")),
            );
            return;
        };
        let (name, count, most) = (function.name, call.arguments.len(), function.arguments.len());
        if count < function.least || (count > most && !function.more) {
            let wanted = match (function.least, most, function.more) {
                (least, _, true) => format!("at least {least}"),
                (least, most, _) if least < most => format!("{least} or {most}"),
                (0, ..) => "none".to_owned(),
                (least, ..) => least.to_string(),
            };
            self.findings.report(
                &codes::INTRINSIC_ARGUMENTS,
                At::Value(at),
                format!("{whose} has {field} with {count} arguments for {name}, which takes {wanted}"),
                None,
            );
            return;
        }
        for (index, (argument, kind)) in call.arguments.iter().zip(function.arguments).enumerate() {
            let fits = match argument {
                Argument::Path(_) | Argument::Call(_) => true,
                Argument::Text => matches!(kind, Any | Text),
                Argument::Number => matches!(kind, Any | Number),
                Argument::Boolean => matches!(kind, Any | Boolean),
                Argument::Null => *kind == Any,
            };
            if !fits {
                let wanted = match kind {
                    Any => "a value",
                    Text => "a string",
                    Number => "a number",
                    Array => "an array",
                    Object => "an object",
                    Boolean => "true or false",
                };
                self.findings.report(
                    &codes::INTRINSIC_ARGUMENTS,
                    At::Value(at),
                    format!(
                        "{whose} has {field} with the wrong argument {} of {name}, which must be {wanted}",
                        index + 1
                    ),
                    None,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Argument, parse};

    #[test]
    fn reads_calls() {
        let arguments = |text: &'static str| parse(text).unwrap_or_else(|error| panic!("{text}: {error}")).arguments;
        assert_eq!(arguments("States.UUID()"), []);
        assert_eq!(arguments("States.UUID( ) "), []);
        assert_eq!(
            arguments("States.Array('it\\'s, (so)', -1.5e3, true, null, $$.Execution.Id)"),
            [Argument::Text, Argument::Number, Argument::Boolean, Argument::Null, Argument::Path("$$.Execution.Id")]
        );
        assert_eq!(
            arguments("States.ArrayGetItem($.a[?(@.b == FooBar)].c['x,y'], 0)"),
            [Argument::Path("$.a[?(@.b == FooBar)].c['x,y']"), Argument::Number]
        );
        let nested = arguments("States.Format('{}', States.MathAdd($x, 1))");
        assert!(matches!(&nested[1], Argument::Call(call) if call.name == "States.MathAdd"));
        for text in [
            "States.UUID",
            "States.UUID(",
            "States. ",
            "States.JsonToString($",
            "States.StringToJson $.escaped)",
            "States\nJsonToString($)",
            "States.Format('a)",
            "States.Format('a',)",
            "States.Format('a' $.b)",
            "States.Format(\"a\")",
            "States.Format(abc)",
            "States.Format('a') b",
            "States.Format('\\\"a\\\"')",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse(&format!("{}1{}", "States.MathAdd(".repeat(100_000), ")".repeat(100_000))).is_err());
        assert!(parse("States.Format('a\\nb')").unwrap().odd_escape);
    }
}
