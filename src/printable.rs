//! What can't be seen, written out: a text that is quoted to people begins no line of its own, and shows as what it is.

/// A text for people's terminals: what it quotes from a manifest or from AWS can't begin a line of its own, nor turn the
/// writing round or another colour.
pub fn printable(text: &str) -> String {
    text.chars().flat_map(|c| if is_invisible(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// The same of JSON on one line, which stays JSON of the same value.
pub fn printable_json(line: &str) -> String {
    let (json, end) = line.strip_suffix('\n').map_or((line, ""), |json| (json, "\n"));
    let mut shown = String::with_capacity(line.len());
    for c in json.chars() {
        if is_invisible(c) {
            c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| shown.push_str(&format!("\\u{unit:04x}")));
        } else {
            shown.push(c);
        }
    }
    shown + end
}

fn is_invisible(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
