//! The globs of IAM: `*` is any number of any characters, `?` is exactly one, everything else is itself; there is no
//! escape. Source: IAM User Guide, "Resource" and "Action" elements.
//!
//! The comparisons are exact over an unbounded alphabet: [`contains`] says yes if and only if every text that the inner
//! glob matches is matched by the outer one. They cost at most the product of the two lengths.

use std::{iter, mem};

/// Whether `glob` matches `text`, in which `*` and `?` are plain characters. Case counts.
pub fn matches(glob: &str, text: &str) -> bool {
    covers(&parse(glob), &text.chars().map(Token::Char).collect::<Vec<_>>())
}

/// Whether `outer` matches every text that `inner` matches. Case counts.
pub fn contains(outer: &str, inner: &str) -> bool {
    covers(&parse(outer), &parse(inner))
}

/// Whether some text is matched by both globs. Case counts.
pub fn intersects(left: &str, right: &str) -> bool {
    meet(&parse(left), &parse(right))
}

/// [`matches`] without regard to the case of ASCII letters, as IAM compares actions.
pub fn matches_ignore_case(glob: &str, text: &str) -> bool {
    matches(&glob.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

/// [`contains`] without regard to the case of ASCII letters, as IAM compares actions.
pub fn contains_ignore_case(outer: &str, inner: &str) -> bool {
    contains(&outer.to_ascii_lowercase(), &inner.to_ascii_lowercase())
}

/// [`intersects`] without regard to the case of ASCII letters, as IAM compares actions.
pub fn intersects_ignore_case(left: &str, right: &str) -> bool {
    intersects(&left.to_ascii_lowercase(), &right.to_ascii_lowercase())
}

/// Whether the text holds `*` or `?`, so that as a glob it is more than one text.
pub fn has_wildcard(text: &str) -> bool {
    text.contains(['*', '?'])
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Token {
    Char(char),
    One,
    Many,
}

fn parse(glob: &str) -> Vec<Token> {
    glob.chars()
        .map(|c| match c {
            '*' => Token::Many,
            '?' => Token::One,
            c => Token::Char(c),
        })
        .collect()
}

/// The shortest texts of a glob: its tokens other than `*`, and where each `*` lets them grow.
struct Frame {
    fixed: Vec<Token>,
    /// `grows[i]`: a `*` stands before `fixed[i]`; the last entry stands for the end.
    grows: Vec<bool>,
}

impl Frame {
    fn new(tokens: &[Token]) -> Self {
        let (mut fixed, mut grows, mut grow) = (Vec::new(), Vec::new(), false);
        for &token in tokens {
            if token == Token::Many {
                grow = true;
            } else {
                fixed.push(token);
                grows.push(mem::take(&mut grow));
            }
        }
        grows.push(grow);
        Frame { fixed, grows }
    }

    /// Whether `piece` (no `*`) covers the tokens from `at` on, and nothing can grow between them.
    fn carries(&self, piece: &[Token], at: usize) -> bool {
        let end = at + piece.len();
        end <= self.fixed.len()
            && iter::zip(piece, &self.fixed[at..end]).all(|(p, f)| *p == Token::One || p == f)
            && (at + 1..end).all(|i| !self.grows[i])
    }
}

/// Containment. The outer glob is a head, pieces, and a tail with gaps between them. Characters that the inner glob leaves
/// open can be ones that the outer one does not name, and as many as one likes; so each piece must lie on tokens of the inner glob
/// that hang together, in order, with gaps that are wide enough when every inner `*` is empty. Leftmost placing finds
/// such a placing if there is one. A `?` at the edge of a gap is the same as a gap wider by one (`?*` is `*?`).
fn covers(outer: &[Token], inner: &[Token]) -> bool {
    let frame = Frame::new(inner);
    let length = frame.fixed.len();
    let mut pieces = outer.split(|t| *t == Token::Many);
    let head = pieces.next().unwrap_or_default();
    let Some(tail) = pieces.next_back() else {
        return head.len() == length && !frame.grows.contains(&true) && frame.carries(head, 0);
    };

    let (head, mut gap) = trim_end(head);
    if !head.is_empty() && (frame.grows[0] || !frame.carries(head, 0)) {
        return false;
    }
    let mut placed = head.len();
    for piece in pieces {
        let (before, piece) = trim_start(piece);
        let (piece, after) = trim_end(piece);
        gap += before;
        if !piece.is_empty() {
            let Some(at) = (placed + gap..length).find(|at| frame.carries(piece, *at)) else {
                return false;
            };
            placed = at + piece.len();
            gap = after;
        }
    }
    let (before, tail) = trim_start(tail);
    gap += before;
    let Some(at) = length.checked_sub(tail.len()) else {
        return false;
    };
    placed + gap <= at && (tail.is_empty() || (!frame.grows[length] && frame.carries(tail, at)))
}

fn trim_start(piece: &[Token]) -> (usize, &[Token]) {
    let ones = piece.iter().take_while(|t| **t == Token::One).count();
    (ones, &piece[ones..])
}

fn trim_end(piece: &[Token]) -> (&[Token], usize) {
    let ones = piece.iter().rev().take_while(|t| **t == Token::One).count();
    (&piece[..piece.len() - ones], ones)
}

/// `rows[j]`: whether the rest of `left` and `right[j..]` have a text in common.
fn meet(left: &[Token], right: &[Token]) -> bool {
    let mut rows: Vec<bool> = (0..=right.len()).map(|j| right[j..].iter().all(|t| *t == Token::Many)).collect();
    for &l in left.iter().rev() {
        let shorter = rows;
        rows = vec![false; right.len() + 1];
        rows[right.len()] = l == Token::Many && shorter[right.len()];
        for (j, &r) in right.iter().enumerate().rev() {
            rows[j] = match (l, r) {
                (Token::Many, _) | (_, Token::Many) => shorter[j] || rows[j + 1],
                (Token::One, _) | (_, Token::One) => shorter[j + 1],
                (l, r) => l == r && shorter[j + 1],
            };
        }
    }
    rows[0]
}

#[cfg(test)]
mod tests;
