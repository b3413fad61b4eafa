//! What is wrong with a definition, and where.

use std::fmt;

use super::codes::{self, Rule};
use super::parse::ParseError;
use super::text::{Definition, Position, one_line};
use super::walk::Pointer;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// AWS accepts it, and something else is better.
    Advice,
    /// Suspicious; AWS accepts it, or it is not sure that AWS refuses it.
    Warning,
    /// AWS refuses it, or this project's own rules do.
    Error,
}

impl Severity {
    /// Its name in small letters.
    pub fn name(self) -> &'static str {
        match self {
            Self::Advice => "advice",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that is wrong.
///
/// Its `Display` is one sentence that begins with the position.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule's stable name: one of [`RULES`](super::RULES).
    pub code: &'static str,
    /// Whether it stops the definition from being used.
    pub severity: Severity,
    /// JSON pointer (RFC 6901) into the definition: the value that is wrong, or the object that lacks something.
    pub pointer: String,
    /// Where that is in the text the user wrote.
    pub position: Option<Position>,
    /// What is wrong.
    pub message: String,
    /// How to mend it, where that can be said.
    pub help: Option<String>,
}

impl Finding {
    /// Whether this finding is an error.
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

impl From<&ParseError> for Finding {
    fn from(error: &ParseError) -> Self {
        Self {
            code: codes::UNREADABLE.code,
            severity: codes::UNREADABLE.severity,
            pointer: String::new(),
            position: Some(Position { line: error.line, column: error.column }),
            message: error.message.clone(),
            help: None,
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.position {
            write!(f, "{position}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Collects findings about one definition, within bounds: pointers and names are the user's, and a text of 1 MB can
/// hold enough of both to make gigabytes of findings.
pub(super) struct Findings<'a> {
    definition: &'a Definition,
    found: Vec<Finding>,
    bytes: usize,
    left_out: Option<(Severity, usize)>,
}

const MAX_FINDINGS: usize = 1000;
const MAX_BYTES: usize = 4_000_000;

impl<'a> Findings<'a> {
    pub fn new(definition: &'a Definition) -> Self {
        Self { definition, found: Vec::new(), bytes: 0, left_out: None }
    }

    pub fn report(&mut self, rule: &'static Rule, at: At<'_>, message: String, help: Option<String>) {
        if self.found.len() >= MAX_FINDINGS || self.bytes >= MAX_BYTES {
            let (worst, count) = self.left_out.unwrap_or((rule.severity, 0));
            self.left_out = Some((worst.max(rule.severity), count + 1));
            return;
        }
        let (At::Value(pointer) | At::Key(pointer)) = at;
        let pointer = pointer.to_string();
        let value = self.definition.position(&pointer);
        let position = match at {
            At::Value(_) => value,
            At::Key(_) => self.definition.key_position(&pointer).or(value),
        };
        self.bytes += pointer.len();
        self.found.push(Finding {
            code: rule.code,
            severity: rule.severity,
            pointer,
            position,
            message: one_line(message),
            help: help.map(one_line),
        });
    }

    /// All of them in the order of the text.
    pub fn finish(mut self) -> Vec<Finding> {
        self.found.sort_by(|a, b| (a.position, &a.pointer, a.code).cmp(&(b.position, &b.pointer, b.code)));
        if let Some((severity, count)) = self.left_out {
            let rule = if severity == Severity::Error { &codes::MORE_ERRORS } else { &codes::MORE_FINDINGS };
            self.found.push(Finding {
                code: rule.code,
                severity: rule.severity,
                pointer: String::new(),
                position: None,
                message: format!("{count} more findings are not listed"),
                help: Some("mend those that are, then look again".to_owned()),
            });
        }
        self.found
    }
}

/// What a finding points at.
#[derive(Clone, Copy)]
pub(super) enum At<'p> {
    /// A value.
    Value(&'p Pointer<'p>),
    /// A field as a whole, shown at its key: a state at its name.
    Key(&'p Pointer<'p>),
}
