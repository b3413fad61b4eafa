//! JSONata expressions: syntax, what they refer to, which functions they call.

use std::collections::HashSet;

use jsonata_core::ast::{AstNode, BinaryOp, PathStep, Stage};
use jsonata_core::parser;

use super::functions::FUNCTIONS;
use super::{Checker, Site};
use crate::asl::codes;
use crate::asl::expression::{Context, contexts, parts};
use crate::asl::finding::At;
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// What an expression refers to.
#[derive(Debug, Default, PartialEq)]
struct References {
    /// Names, `$` and `$$` that read a context which is not there.
    at_top: Vec<String>,
    /// Fields of `$states`.
    states: Vec<String>,
    variables: Vec<String>,
    /// Called, without their `$`.
    functions: Vec<String>,
}

/// Parses an expression. An error says whether AWS surely refuses it too.
fn read(code: &str) -> Result<References, (bool, String)> {
    let ast = parser::parse(code).map_err(|error| {
        let text = error.to_string();
        let text = text.strip_prefix("Invalid syntax: ").unwrap_or(&text);
        // The reference implementation's codes for syntax errors, whose words AWS has too; others are limits of this parser.
        match text.split_once(": ") {
            Some((code, words)) if code.len() == 5 && code.starts_with("S0") => (true, signs(words)),
            _ => (false, signs(text)),
        }
    })?;
    Ok(references(&ast))
}

/// A message with signs for the names that the parser has for them.
fn signs(message: &str) -> String {
    const SIGNS: [(&str, &str); 41] = [
        ("Plus", "+"),
        ("Minus", "-"),
        ("Star", "*"),
        ("StarStar", "**"),
        ("Slash", "/"),
        ("Percent", "%"),
        ("Equal", "="),
        ("NotEqual", "!="),
        ("LessThan", "<"),
        ("LessThanOrEqual", "<="),
        ("GreaterThan", ">"),
        ("GreaterThanOrEqual", ">="),
        ("And", "and"),
        ("Or", "or"),
        ("In", "in"),
        ("Ampersand", "&"),
        ("Dot", "."),
        ("DotDot", ".."),
        ("Question", "?"),
        ("QuestionQuestion", "??"),
        ("QuestionColon", "?:"),
        ("Colon", ":"),
        ("ColonEqual", ":="),
        ("TildeArrow", "~>"),
        ("LeftParen", "("),
        ("RightParen", ")"),
        ("LeftBracket", "["),
        ("RightBracket", "]"),
        ("LeftBrace", "{"),
        ("RightBrace", "}"),
        ("Comma", ","),
        ("Semicolon", ";"),
        ("Caret", "^"),
        ("Pipe", "|"),
        ("Hash", "#"),
        ("At", "@"),
        ("Eof", "the end"),
        ("True", "true"),
        ("False", "false"),
        ("Null", "null"),
        ("Undefined", "undefined"),
    ];
    let sign = |word: &str| {
        let name = word.trim_end_matches(',');
        SIGNS.iter().find(|(known, _)| *known == name).map(|(_, sign)| format!("`{sign}`{}", &word[name.len()..]))
    };
    message.split(' ').map(|word| sign(word).unwrap_or_else(|| word.to_owned())).collect::<Vec<_>>().join(" ")
}

/// Walks an expression without recursion.
///
/// Only the first step of a path, and what is not inside of a predicate, a sort term or a grouping, is evaluated against
/// the top (floci issue 2670 and its tests, measured); a function's body keeps the context of where it is defined.
fn references(ast: &AstNode) -> References {
    let mut found = References::default();
    let mut bound: HashSet<&str> = HashSet::new();
    let mut pending = vec![(ast, true)];
    while let Some((node, top)) = pending.pop() {
        match node {
            AstNode::Name(name) if top => found.at_top.push(name.clone()),
            AstNode::Variable(name) if name.is_empty() && !top => {}
            AstNode::Variable(name) if name.is_empty() => found.at_top.push("$".to_owned()),
            AstNode::ParentVariable(_) => found.at_top.push("$$".to_owned()),
            AstNode::Variable(name) if name == "$" => found.at_top.push("$$".to_owned()),
            AstNode::Variable(name) if name != "states" => found.variables.push(name.clone()),
            AstNode::Path { steps } => path(steps, top, &mut pending, &mut bound, &mut found),
            AstNode::Binary { op, lhs, rhs } => {
                match (op, &**lhs, &**rhs) {
                    (BinaryOp::ColonEqual, AstNode::Variable(name), _) => {
                        bound.insert(name);
                    }
                    (BinaryOp::FocusBind | BinaryOp::IndexBind, _, AstNode::Variable(name)) => {
                        bound.insert(name);
                        pending.push((lhs, top));
                    }
                    _ => pending.push((lhs, top)),
                }
                if !matches!(op, BinaryOp::FocusBind | BinaryOp::IndexBind) {
                    pending.push((rhs, top));
                }
            }
            AstNode::Unary { operand, .. } => pending.push((operand, top)),
            AstNode::Function { name, args, is_builtin } => {
                if *is_builtin {
                    found.functions.push(name.clone());
                }
                pending.extend(args.iter().map(|argument| (argument, top)));
            }
            AstNode::Call { procedure, args } => {
                pending.push((procedure, top));
                pending.extend(args.iter().map(|argument| (argument, top)));
            }
            AstNode::Lambda { params, body, .. } => {
                bound.extend(params.iter().map(String::as_str));
                pending.push((body, top));
            }
            AstNode::Array(items) | AstNode::Block(items) | AstNode::ArrayGroup(items) => {
                pending.extend(items.iter().map(|item| (item, top)));
            }
            AstNode::Object(pairs) => pending.extend(pairs.iter().flat_map(|(key, value)| [(key, top), (value, top)])),
            AstNode::ObjectTransform { input, pattern } => {
                pending.push((input, top));
                pending.extend(pattern.iter().flat_map(|(key, value)| [(key, false), (value, false)]));
            }
            AstNode::Conditional { condition, then_branch, else_branch } => {
                pending.push((condition, top));
                pending.push((then_branch, top));
                pending.extend(else_branch.iter().map(|branch| (&**branch, top)));
            }
            AstNode::FunctionApplication(inner) => pending.push((inner, false)),
            AstNode::Sort { input, terms } => {
                pending.push((input, top));
                pending.extend(terms.iter().map(|(term, _)| (term, false)));
            }
            AstNode::Transform { location, update, delete } => {
                pending.push((location, false));
                pending.push((update, false));
                pending.extend(delete.iter().map(|delete| (&**delete, false)));
            }
            _ => {}
        }
    }
    let is_bound = |name: &String| bound.contains(name.as_str());
    found.variables.retain(|name| !is_bound(name));
    found.functions.retain(|name| !is_bound(name));
    found
}

fn path<'a>(
    steps: &'a [PathStep],
    top: bool,
    pending: &mut Vec<(&'a AstNode, bool)>,
    bound: &mut HashSet<&'a str>,
    found: &mut References,
) {
    if let [first, second, ..] = steps
        && matches!(&first.node, AstNode::Variable(name) if name == "states")
        && let AstNode::Name(field) = &second.node
    {
        found.states.push(field.clone());
    }
    for (index, step) in steps.iter().enumerate() {
        pending.push((&step.node, top && index == 0));
        bound.extend(step.focus.as_deref());
        bound.extend(step.index_var.as_deref());
        for stage in &step.stages {
            match stage {
                Stage::Filter(filter) => pending.push((filter, false)),
                Stage::Index(name) => {
                    bound.insert(name);
                }
                Stage::KeepArray => {}
            }
        }
    }
}

impl<'d> Checker<'d> {
    /// Checks a string of a state whose query language is JSONata.
    pub(super) fn jsonata(&mut self, site: Site<'_>, text: &'d str, at: &Pointer<'d>) {
        let whose = format!("State `{}`", short(site.state));
        // With blanks around it, AWS takes it as it is (LocalStack's recorded tests).
        let code = match (text.strip_prefix("{%"), text.ends_with("%}")) {
            (None, false) => return,
            (Some(code), true) if code.ends_with("%}") => &code[..code.len() - 2],
            _ => {
                self.findings.report(
                    &codes::JSONATA_DELIMITERS,
                    At::Value(at),
                    format!("{whose} has `{}`, which begins or ends as an expression and not both", short(text)),
                    Some("an expression begins with {% and ends with %}".to_owned()),
                );
                return;
            }
        };
        if contexts(&parts(text), false).contains(&Context::Code) {
            // A placeholder stands in the code: what will be there is not known.
            return;
        }
        let references = match read(code) {
            Ok(references) => references,
            Err((sure, problem)) => {
                let rule = if sure { &codes::JSONATA_SYNTAX } else { &codes::JSONATA_DOUBTFUL };
                let message = format!("{whose} has an expression that can't be read: {}", short(&problem));
                self.findings.report(rule, At::Value(at), message, None);
                return;
            }
        };
        for name in &references.at_top {
            let help = match name.as_str() {
                "$" | "$$" => "$states.input is the state's input".to_owned(),
                name => {
                    format!("write $states.input.{0} for a field of the input, or ${0} for a variable", short(name))
                }
            };
            self.findings.report(
                &codes::JSONATA_REFERENCE,
                At::Value(at),
                format!(
                    "{whose} has an expression that refers to `{}`, and there is nothing that it could be a field of",
                    short(name)
                ),
                Some(help),
            );
        }
        for field in &references.states {
            self.states_field(site, &whose, field, at);
        }
        for name in references.variables {
            if !FUNCTIONS.contains(&name.as_str()) {
                self.variables.used(name, at);
            }
        }
        for name in &references.functions {
            if name == "eval" {
                let message = format!("{whose} has an expression that calls $eval, which Step Functions does not have");
                self.findings.report(
                    &codes::JSONATA_EVAL,
                    At::Value(at),
                    message,
                    Some("use $parse for JSON texts".to_owned()),
                );
            } else if !FUNCTIONS.contains(&name.as_str()) {
                let near = self.speller.near(name, FUNCTIONS);
                self.findings.report(
                    &codes::JSONATA_FUNCTION_UNKNOWN,
                    At::Value(at),
                    format!("{whose} has an expression that calls `${}`, which does not exist", short(name)),
                    near.map(|near| format!("did you mean ${near}?")),
                );
            }
        }
    }

    /// "Field '$states.errorOutput' does not exist.": floci's tests, measured. AWS documentation, "Transforming data with
    /// JSONata".
    fn states_field(&mut self, site: Site<'_>, whose: &str, field: &str, at: &Pointer<'_>) {
        let fields = ["input", "result", "errorOutput", "context"];
        match field {
            "input" | "context" => {}
            "errorOutput" if site.in_catch => {}
            "errorOutput" => self.findings.report(
                &codes::JSONATA_REFERENCE,
                At::Value(at),
                format!("{whose} has an expression that uses $states.errorOutput, which exists only in Catch"),
                Some("use it in the catcher's Output or Assign".to_owned()),
            ),
            "result" if site.has_result => {}
            "result" => self.findings.report(
                &codes::JSONATA_STATES_FIELD,
                At::Value(at),
                format!(
                    "{whose} has an expression that uses $states.result, which only Task, Parallel and Map states have"
                ),
                None,
            ),
            _ => {
                let near = self.speller.near(field, fields);
                self.findings.report(
                    &codes::JSONATA_STATES_FIELD,
                    At::Value(at),
                    format!("{whose} has an expression that uses $states.{}, which does not exist", short(field)),
                    Some(match near {
                        Some(near) => format!("did you mean $states.{near}?"),
                        None => "there are $states.input, result, errorOutput and context".to_owned(),
                    }),
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{References, read};

    fn at_top(code: &str) -> Vec<String> {
        read(code).unwrap_or_else(|(_, error)| panic!("{code}: {error}")).at_top
    }

    #[test]
    fn finds_what_reads_a_context_that_is_not_there() {
        for (code, expected) in [
            ("phone", vec!["phone"]),
            ("phone[0].number", vec!["phone"]),
            ("$", vec!["$"]),
            ("$$", vec!["$$"]),
            ("$$.a", vec!["$$"]),
            ("{aaa: 1}", vec!["aaa"]),
            ("$map($states.input.a, function($x){ b })", vec!["b"]),
            ("'x' & (a ? 1 : 2)", vec!["a"]),
            ("$states.input.phone", vec![]),
            ("$x.a[b > 1].{'k': c}", vec![]),
            ("$states.input.items[value > 3]^(price).(a & $)", vec![]),
            ("$sum($states.input.items.(price * quantity))", vec![]),
            ("($e := $x.email; $x.interests[category = 'home']{'customer': $e, category: {type: year}})", vec![]),
            ("$states.input ~> |$.a|{'b': c}|", vec![]),
            ("$x ~> $f(?, 1)", vec![]),
        ] {
            let mut found = at_top(code);
            found.sort();
            assert_eq!(found, expected, "{code}");
        }
    }

    #[test]
    fn finds_variables_and_functions_that_are_not_bound_in_it() {
        let References { variables, functions, states, .. } = read(
            "($a := $b; $f := function($x, $y) { $x + $c }; $f($a, 1) & $string($d) & $nope($states.result.x); $e@$l.x#$i[$l = $i])",
        )
        .unwrap();
        let sorted = |mut names: Vec<String>| {
            names.sort();
            names
        };
        assert_eq!(sorted(variables), ["b", "c", "d", "e"]);
        assert_eq!(sorted(functions), ["nope", "string"]);
        assert_eq!(states, ["result"]);
    }

    /// Each is refused by AWS with these words: floci issue 2745.
    #[test]
    fn refuses_what_aws_refuses() {
        for code in [
            "a[1,2)",
            "\"unterminated",
            "1 +",
            "{\"a\":}",
            "$x :=",
            "$match(\"a\", /abc",
            "phone %.other",
            "",
            "10 + * 2",
        ] {
            assert!(matches!(read(code), Err((true, _))), "{code}: {:?}", read(code));
        }
    }
}
