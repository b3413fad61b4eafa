//! A file's lines by number and column. Whole files are written in one line: what is looked up there must not walk the line each time.

use std::cell::OnceCell;

/// The lines of a text.
pub struct Lines<'t> {
    lines: Vec<Line<'t>>,
    /// How many characters were walked, for tests: it grows with the text, and not with the text for each look-up.
    #[cfg(test)]
    walked: std::cell::Cell<usize>,
}

struct Line<'t> {
    text: &'t str,
    /// The byte offset of every [`STRIDE`]th character; filled when it is first asked for.
    offsets: OnceCell<Vec<usize>>,
}

/// So many characters are walked at most.
const STRIDE: usize = 64;

impl<'t> Lines<'t> {
    /// Of a text.
    pub fn new(text: &'t str) -> Self {
        Self {
            lines: text.lines().map(|text| Line { text, offsets: OnceCell::new() }).collect(),
            #[cfg(test)]
            walked: std::cell::Cell::default(),
        }
    }

    /// A line by its number, from 1.
    pub fn get(&self, number: usize) -> Option<&'t str> {
        self.lines.get(number.checked_sub(1)?).map(|line| line.text)
    }

    /// The byte offset of a column, from 1, in a line; the line's length behind its end.
    pub fn offset(&self, number: usize, column: usize) -> Option<usize> {
        let line = self.lines.get(number.checked_sub(1)?)?;
        let characters = column.saturating_sub(1);
        let walk = |text: &'t str| {
            text.char_indices().inspect(|_| {
                #[cfg(test)]
                self.walked.set(self.walked.get() + 1);
            })
        };
        let offsets = line.offsets.get_or_init(|| walk(line.text).step_by(STRIDE).map(|(at, _)| at).collect());
        let Some(start) = offsets.get(characters / STRIDE).copied() else { return Some(line.text.len()) };
        let rest = walk(&line.text[start..]).nth(characters % STRIDE);
        Some(rest.map_or(line.text.len(), |(at, _)| start + at))
    }

    /// What follows in a line from a column on.
    pub fn rest(&self, number: usize, column: usize) -> &'t str {
        let line = self.get(number).zip(self.offset(number, column));
        line.map_or("", |(line, offset)| &line[offset..])
    }
}

#[cfg(test)]
mod tests {
    use super::{Lines, STRIDE};

    /// What walked the line for every look-up took minutes for a megabyte.
    #[test]
    fn many_look_ups_in_one_line_walk_it_once() {
        let text = "{\"ü\": [1, 2, 3]}, ".repeat(10_000);
        let (lines, length) = (Lines::new(&text), text.chars().count());
        for column in (1..=length).step_by(9) {
            assert!(!lines.rest(1, column).is_empty());
        }
        let walked = lines.walked.get();
        assert!(walked <= length + (length / 9 + 1) * STRIDE, "{walked} of {length}");
    }

    #[test]
    fn columns_count_characters() {
        let long = "aü\u{1F600}".repeat(500);
        let text = format!("first\n{long}\n");
        let lines = Lines::new(&text);
        let characters: Vec<char> = long.chars().collect();
        for column in (1..=characters.len()).chain([characters.len() + 1, characters.len() + 900]) {
            let expected: String = characters.iter().skip(column - 1).collect();
            assert_eq!(lines.rest(2, column), expected, "column {column}");
        }
        assert_eq!((lines.get(1), lines.get(0), lines.get(3)), (Some("first"), None, None));
        assert_eq!((lines.rest(1, 3), lines.rest(9, 1)), ("rst", ""));
    }
}
