//! Where the texts stand that a manifest holds.

use std::collections::BTreeMap;

use saphyr_parser::{Event, Parser, ScalarStyle};

use super::lines::Lines;
use crate::asl::Position;

/// Where a text inside of a file begins, and how its places are those of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The file is the text.
    Whole,
    /// A literal block: its lines are lines of the file.
    Block {
        /// The file's line that is the text's first.
        line: usize,
        /// How far the text is indented.
        indent: usize,
    },
    /// Written otherwise: only the place as a whole is known, and the columns of its one line where nothing is escaped.
    Inline {
        /// Where it begins.
        at: Position,
        /// Whether columns can be counted from there.
        counts: bool,
    },
}

impl Placement {
    /// The place in the file of a place in the text.
    pub fn of(self, position: Position) -> Position {
        match self {
            Self::Whole => position,
            Self::Block { line, indent } => {
                Position { line: line + position.line - 1, column: indent + position.column }
            }
            Self::Inline { at, counts: true } if position.line == 1 => {
                Position { line: at.line, column: at.column + position.column - 1 }
            }
            Self::Inline { at, .. } => at,
        }
    }
}

/// The places of every string of a file's documents, by JSON pointer. A file that can't be read has none.
pub fn placements(file: &str) -> Vec<BTreeMap<String, Placement>> {
    let lines = Lines::new(file);
    let mut documents = Vec::new();
    let mut open: Vec<Container> = Vec::new();
    let mut parser = Parser::new_from_str(file);
    while let Some(Ok((event, span))) = parser.next_event() {
        match event {
            Event::DocumentStart(_) => documents.push(BTreeMap::new()),
            Event::MappingStart(..) => {
                step(&mut open);
                open.push(Container::Mapping(None));
            }
            Event::SequenceStart(..) => {
                step(&mut open);
                open.push(Container::Sequence(None));
            }
            Event::MappingEnd | Event::SequenceEnd => {
                open.pop();
                ended(&mut open);
            }
            Event::Scalar(text, style, ..) => {
                if let Some(Container::Mapping(key @ None)) = open.last_mut() {
                    *key = Some(text.into_owned());
                    continue;
                }
                step(&mut open);
                let at = Position { line: span.start.line(), column: span.start.col() + 1 };
                if let Some(document) = documents.last_mut() {
                    document.insert(pointer(&open), placement(&lines, at, style, &text));
                }
                ended(&mut open);
            }
            _ => {}
        }
    }
    documents
}

enum Container {
    /// The key whose value is next.
    Mapping(Option<String>),
    /// The index of the element.
    Sequence(Option<usize>),
}

/// A value begins.
fn step(open: &mut [Container]) {
    if let Some(Container::Sequence(index)) = open.last_mut() {
        *index = Some(index.map_or(0, |index| index + 1));
    }
}

/// A value has ended.
fn ended(open: &mut [Container]) {
    if let Some(Container::Mapping(key)) = open.last_mut() {
        *key = None;
    }
}

fn pointer(open: &[Container]) -> String {
    let mut pointer = String::new();
    for container in open {
        pointer.push('/');
        match container {
            Container::Mapping(key) => {
                pointer.push_str(&key.as_deref().unwrap_or_default().replace('~', "~0").replace('/', "~1"));
            }
            Container::Sequence(index) => pointer.push_str(&index.unwrap_or_default().to_string()),
        }
    }
    pointer
}

fn placement(lines: &Lines<'_>, at: Position, style: ScalarStyle, text: &str) -> Placement {
    match style {
        ScalarStyle::Literal => {
            // The mark is at the block's header, or at the first line of it that is not blank, as the parser has it.
            let header = lines.rest(at.line, at.column).strip_prefix('|').is_some_and(|rest| {
                let rest = rest.trim_start_matches(|c: char| c.is_ascii_digit() || "+-".contains(c)).trim_start();
                rest.is_empty() || rest.starts_with('#')
            });
            let blank_before = text.lines().position(|line| !line.trim().is_empty()).unwrap_or(0);
            let first = if header { at.line + 1 + blank_before } else { at.line };
            let spaces = |line: Option<&str>| line.unwrap_or_default().chars().take_while(|c| *c == ' ').count();
            let written = spaces(lines.get(first));
            let indent = written.saturating_sub(spaces(text.lines().nth(blank_before)));
            let line = first.saturating_sub(blank_before).max(1);
            Placement::Block { line, indent }
        }
        ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
            let counts = lines.rest(at.line, at.column + 1).starts_with(text);
            Placement::Inline { at: Position { column: at.column + usize::from(counts), ..at }, counts }
        }
        ScalarStyle::Plain => Placement::Inline { at, counts: !text.contains('\n') },
        ScalarStyle::Folded => Placement::Inline { at, counts: false },
    }
}

#[cfg(test)]
mod tests {
    use super::{Placement, placements};
    use crate::asl::Position;

    fn at(line: usize, column: usize) -> Position {
        Position { line, column }
    }

    #[test]
    fn finds_the_places_of_texts() {
        let file = "\
kind: A
spec:
  definition: |

    StartAt: X
      deeper: 1
---
items:
  - {a/b: 'one two', c: \"t\\tx\"}
  -
    d: |-
          x
    e: plain
    f: >
      folded
      text
";
        let found = placements(file);
        assert_eq!(found.len(), 2);
        let definition = found[0]["/spec/definition"];
        assert_eq!(definition, Placement::Block { line: 4, indent: 4 });
        assert_eq!(definition.of(at(2, 1)), at(5, 5));
        assert_eq!(definition.of(at(3, 3)), at(6, 7));
        assert_eq!(found[1]["/items/0/a~1b"].of(at(1, 5)), at(9, 16));
        assert_eq!(found[1]["/items/0/c"].of(at(1, 3)), at(9, 25));
        assert_eq!(found[1]["/items/1/d"].of(at(1, 1)), at(12, 11));
        assert_eq!(found[1]["/items/1/e"].of(at(1, 2)), at(13, 9));
        assert_eq!(found[1]["/items/1/f"].of(at(2, 3)).line, found[1]["/items/1/f"].of(at(1, 1)).line);
        assert!(placements("a: [").len() <= 1);
    }
}
