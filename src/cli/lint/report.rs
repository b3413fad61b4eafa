//! Findings as text, JSON, SARIF and GitHub's workflow commands.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Write;

use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde_json::{Value, json};

use super::lines::Lines;
use super::sources::{Linted, Report};
use crate::asl::{Position, RULES, Severity};

/// For people: each finding with its line, and a caret below what it is about.
pub fn text(linted: &Linted, colours: bool) -> String {
    let renderer = if colours { Renderer::styled() } else { Renderer::plain() };
    let files: BTreeMap<&String, Lines<'_>> =
        linted.files.iter().map(|(file, text)| (file, Lines::new(text))).collect();
    let mut text = String::new();
    for report in &linted.reports {
        let level = match report.severity {
            Severity::Error => Level::ERROR,
            Severity::Warning => Level::WARNING,
            Severity::Advice => Level::INFO.with_name("advice"),
        };
        let excerpt = report.position.and_then(|position| excerpt(&files[&report.file], position));
        let mut group = level.primary_title(&report.message).id(report.code).elements(None::<Origin<'_>>);
        if let Some(Excerpt { line, at: Position { line: number, column }, begin, end, whole }) = excerpt {
            let annotation = AnnotationKind::Primary.span(begin..end);
            let mut snippet = Snippet::source(line).line_start(number).annotation(annotation);
            if whole {
                snippet = snippet.path(&report.file);
            } else {
                // It would count from where the excerpt begins.
                group = group.element(Origin::path(&report.file).line(number).char_column(column));
            }
            group = group.element(snippet);
        }
        if let Some(object) = &report.object {
            group = group.element(Level::NOTE.message(format!("in {object}")));
        }
        if let Some(help) = &report.help {
            group = group.element(Level::HELP.message(help));
        }
        // Writing to a string does not fail.
        let _ = writeln!(text, "{}\n", renderer.render(&[group]));
    }
    let _ = writeln!(text, "{}", summary(linted));
    text
}

fn summary(linted: &Linted) -> String {
    let count = |severity| linted.reports.iter().filter(|report| report.severity == severity).count();
    let counts: Vec<String> = [
        (Severity::Error, ["error", "errors"]),
        (Severity::Warning, ["warning", "warnings"]),
        (Severity::Advice, ["piece of advice", "pieces of advice"]),
    ]
    .into_iter()
    .map(|(severity, words)| (count(severity), words))
    .filter(|(count, _)| *count > 0)
    .map(|(count, [one, many])| format!("{count} {}", if count == 1 { one } else { many }))
    .collect();
    let found = if counts.is_empty() { "nothing found".to_owned() } else { counts.join(", ") };
    match linted.definitions {
        0 => {
            "no definition found: neither a StateMachine nor an object with StartAt and States; subfolders are not read"
                .to_owned()
        }
        1 => format!("1 definition: {found}"),
        definitions => format!("{definitions} definitions: {found}"),
    }
}

struct Excerpt<'t> {
    /// The line, or a part of it.
    line: Cow<'t, str>,
    at: Position,
    /// In bytes.
    begin: usize,
    end: usize,
    /// Whether it is the whole line.
    whole: bool,
}

/// Of a line with more bytes, only what is around the place is shown.
const LONGEST: usize = 500;
/// So many characters before the place, and from it on.
const AROUND: [usize; 2] = [40, 200];

/// The part of a long line around a byte offset, and how far into it that is.
fn cropped(line: &str, begin: usize) -> (String, usize) {
    let [before, after] = AROUND;
    let from = line[..begin].char_indices().rev().take(before).last().map_or(begin, |(at, _)| at);
    let to = line[begin..].char_indices().nth(after).map_or(line.len(), |(at, _)| begin + at);
    let mark = if from == 0 { "" } else { "…" };
    let end = if to == line.len() { "" } else { "…" };
    (format!("{mark}{}{end}", &line[from..to]), begin - from + mark.len())
}

/// The line, and what of it stands at the position: a string, a word, or as much as follows up to a comma or bracket.
fn excerpt<'t>(file: &Lines<'t>, at: Position) -> Option<Excerpt<'t>> {
    let (line, begin) = (file.get(at.line)?, file.offset(at.line, at.column)?);
    let whole = line.len() <= LONGEST;
    let (line, begin) = match whole {
        true => (Cow::Borrowed(line), begin),
        false => {
            let (part, begin) = cropped(line, begin);
            (Cow::Owned(part), begin)
        }
    };
    let rest = &line[begin..];
    let mut quote = None;
    let mut escaped = false;
    let mut end = rest.len();
    for (index, c) in rest.char_indices() {
        match quote {
            Some(_) if escaped => escaped = false,
            Some(_) if c == '\\' => escaped = true,
            Some(mark) if c == mark => {
                end = index + c.len_utf8();
                break;
            }
            None if index == 0 && matches!(c, '"' | '\'') => quote = Some(c),
            None if index == 0 && "{[".contains(c) => {
                end = 1;
                break;
            }
            None if ",{}[]".contains(c) || rest[index..].starts_with(": ") || (c == ':' && index + 1 == rest.len()) => {
                end = index;
                break;
            }
            _ => {}
        }
    }
    let end = begin + rest[..end].trim_end().len();
    Some(Excerpt { at, begin, end: end.max(begin), whole, line })
}

/// An array of `{file, object, path, line, column, severity, code, message, help}`.
pub fn json(linted: &Linted) -> Value {
    let json = |report: &Report| {
        json!({
            "file": report.file,
            "object": report.object,
            "path": report.path,
            "line": report.position.map(|position| position.line),
            "column": report.position.map(|position| position.column),
            "severity": report.severity.name(),
            "code": report.code,
            "message": report.message,
            "help": report.help,
        })
    };
    linted.reports.iter().map(json).collect()
}

/// SARIF 2.1.0: <https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html>.
pub fn sarif(linted: &Linted) -> Value {
    let level = |severity| match severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
        Severity::Advice => "note",
    };
    let rules: Vec<Value> = RULES
        .iter()
        .map(|rule| {
            json!({
                "id": rule.code,
                "shortDescription": {"text": rule.about},
                "defaultConfiguration": {"level": level(rule.severity)},
            })
        })
        .collect();
    let result = |report: &Report| {
        let mut location = json!({"physicalLocation": {"artifactLocation": {"uri": uri(&report.file)}}});
        if let Some(position) = report.position {
            location["physicalLocation"]["region"] =
                json!({"startLine": position.line, "startColumn": position.column});
        }
        let logical =
            report.object.as_deref().map_or_else(|| report.path.clone(), |object| format!("{object} {}", report.path));
        location["logicalLocations"] = json!([{"fullyQualifiedName": logical}]);
        json!({
            "ruleId": report.code,
            "ruleIndex": RULES.iter().position(|rule| rule.code == report.code),
            "level": level(report.severity),
            "message": {"text": sentence(report)},
            "locations": [location],
        })
    };
    json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {"name": "stepgate", "version": env!("CARGO_PKG_VERSION"), "rules": rules}},
            "columnKind": "unicodeCodePoints",
            "results": linted.reports.iter().map(result).collect::<Vec<_>>(),
        }],
    })
}

/// What a URI may not hold literally, escaped.
fn uri(file: &str) -> String {
    let mut uri = String::new();
    for byte in file.bytes() {
        if byte.is_ascii_alphanumeric() || b"/-._~".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            let _ = write!(uri, "%{byte:02X}");
        }
    }
    uri
}

/// Workflow commands: GitHub documentation, "Workflow commands for GitHub Actions".
pub fn github(linted: &Linted) -> String {
    let data = |text: &str| text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A");
    let property = |text: &str| data(text).replace(':', "%3A").replace(',', "%2C");
    let mut text = String::new();
    for report in &linted.reports {
        let command = match report.severity {
            Severity::Error => "error",
            Severity::Warning => "warning",
            Severity::Advice => "notice",
        };
        let place =
            report.position.map_or_else(String::new, |Position { line, column }| format!(",line={line},col={column}"));
        let _ = writeln!(
            text,
            "::{command} file={}{place},title={}::{}",
            property(&report.file),
            property(report.code),
            data(&sentence(report))
        );
    }
    text
}

fn sentence(report: &Report) -> String {
    match &report.help {
        Some(help) => format!("{}; {help}", report.message),
        None => report.message.clone(),
    }
}
