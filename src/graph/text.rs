//! Text in boxes: how wide it is, where it is broken, and what of it is left out.

/// What a box can hold of one text, in characters.
const MAX: usize = 240;

/// A text on one line, without controls, cut to what a box can hold.
pub(super) fn clean(text: &str) -> String {
    let mut clean = String::new();
    let mut length = 0;
    for c in text.chars() {
        let c = if c.is_whitespace() || c.is_control() { ' ' } else { c };
        if c == ' ' && (clean.is_empty() || clean.ends_with(' ')) {
            continue;
        }
        if length == MAX {
            clean.push('…');
            break;
        }
        clean.push(c);
        length += 1;
    }
    clean.trim_end().to_owned()
}

/// The text in lines of about `width` characters, `lines` at most: broken at blanks, where a word is too long after
/// punctuation or before a capital, and anywhere where that does not help.
pub(super) fn wrap(text: &str, width: usize, lines: usize) -> Vec<String> {
    let text = clean(text);
    let mut rest: Vec<char> = text.chars().collect();
    let mut wrapped = Vec::new();
    while !rest.is_empty() {
        if wrapped.len() + 1 == lines && rest.len() > width {
            rest.truncate(width.saturating_sub(1));
            wrapped.push(rest.iter().collect::<String>().trim_end().to_owned() + "…");
            return wrapped;
        }
        let end = if rest.len() <= width { rest.len() } else { line_end(&rest[..width]) };
        let line: String = rest.drain(..end).collect();
        wrapped.push(line.trim_end().to_owned());
        let blanks = rest.iter().take_while(|c| **c == ' ').count();
        rest.drain(..blanks);
    }
    wrapped
}

fn line_end(line: &[char]) -> usize {
    let after = |test: fn(char) -> bool| line.iter().rposition(|c| test(*c)).map(|at| at + 1);
    let enough = |end: &usize| *end > line.len() / 4;
    let capital = || (1..line.len()).rev().find(|at| line[*at].is_uppercase() && line[*at - 1].is_lowercase());
    after(|c| c == ' ')
        .filter(enough)
        .or_else(|| after(|c| ".:,;/_-)]}=&".contains(c)).filter(enough))
        .or_else(|| capital().filter(enough))
        .unwrap_or(line.len())
}

/// Width of a text in pixels. Arial's and Helvetica's, and a little more: what draws it may have another sans-serif font.
pub(super) fn width(text: &str, size: f64, bold: bool) -> f64 {
    let thousandths: f64 = text.chars().map(advance).sum();
    thousandths / 1000.0 * size * if bold { 1.14 } else { 1.06 }
}

/// In thousandths of the size, from Helvetica's metrics, rounded up in groups.
fn advance(c: char) -> f64 {
    match c {
        'i' | 'j' | 'l' | '\'' | '|' => 230.0,
        ' ' | '.' | ',' | ':' | ';' | '/' | '\\' | '!' | 'f' | 't' | 'I' | '[' | ']' => 280.0,
        '(' | ')' | '-' | 'r' | '`' | '{' | '}' | '"' => 345.0,
        'm' | 'M' | 'w' | '%' => 850.0,
        'c' | 'k' | 's' | 'v' | 'x' | 'y' | 'z' | 'J' | '^' | '*' => 505.0,
        'a'..='z' | '0'..='9' | '$' | '?' | '_' | '#' | '·' => 558.0,
        'W' | '@' => 1000.0,
        'G' | 'O' | 'Q' | 'C' | 'D' | 'H' | 'N' | 'R' | 'U' => 750.0,
        'A'..='Z' | '&' => 670.0,
        '<' | '>' | '=' | '+' | '~' | '×' => 590.0,
        '…' => 1000.0,
        '\u{300}'..='\u{36f}' => 0.0,
        '\u{0}'..='\u{24f}' => 610.0,
        '\u{250}'..='\u{10ff}' => 700.0,
        _ => 1050.0,
    }
}

/// For XML, SVG and the HTML-like labels of DOT: without the characters that XML can't hold.
pub(super) fn xml(text: &str) -> String {
    let mut xml = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => xml.push_str("&amp;"),
            '<' => xml.push_str("&lt;"),
            '>' => xml.push_str("&gt;"),
            '"' => xml.push_str("&quot;"),
            '\'' => xml.push_str("&#39;"),
            '\u{fffe}' | '\u{ffff}' => xml.push('\u{fffd}'),
            c if c.is_control() => xml.push(' '),
            c => xml.push(c),
        }
    }
    xml
}
