//! Strict JSON (RFC 8259), read without recursion and with positions, which serde_json does not give for values.

use serde_json::{Number, Value};

use super::parse::{Builder, Inside, ParseError};
use super::text::{Position, short};

/// Feeds the builder from a JSON text.
pub(super) fn read(text: &str, builder: &mut Builder) -> Result<(), ParseError> {
    let mut cursor = Cursor::new(text);
    loop {
        let opened = read_value(&mut cursor, builder)?;
        if opened {
            continue;
        }
        if !read_separators(&mut cursor, builder)? {
            return Ok(());
        }
    }
}

/// Reads one value, or the beginning of a container that is not empty: then true, and a value is next.
fn read_value(cursor: &mut Cursor<'_>, builder: &mut Builder) -> Result<bool, ParseError> {
    cursor.skip_space();
    let at = cursor.position();
    match cursor.peek() {
        Some(b'{') => {
            builder.open_object(at)?;
            cursor.bump();
            cursor.skip_space();
            if cursor.peek() == Some(b'}') {
                cursor.bump();
                builder.close();
                return Ok(false);
            }
            read_key(cursor, builder, "a key in double quotes or '}'")?;
            Ok(true)
        }
        Some(b'[') => {
            builder.open_array(at)?;
            cursor.bump();
            cursor.skip_space();
            if cursor.peek() == Some(b']') {
                cursor.bump();
                builder.close();
                return Ok(false);
            }
            Ok(true)
        }
        Some(b'"') => {
            builder.scalar(at, Value::String(cursor.string()?));
            Ok(false)
        }
        Some(b'-' | b'0'..=b'9') => {
            builder.scalar(at, Value::Number(cursor.number()?));
            Ok(false)
        }
        _ => {
            let value = match cursor.word() {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                "null" => Value::Null,
                _ => return Err(cursor.expected("a JSON value")),
            };
            cursor.skip_word();
            builder.scalar(at, value);
            Ok(false)
        }
    }
}

/// After a value: commas and the ends of containers, up to where the next value begins. False at the end of the text.
fn read_separators(cursor: &mut Cursor<'_>, builder: &mut Builder) -> Result<bool, ParseError> {
    loop {
        cursor.skip_space();
        match (builder.inside(), cursor.peek()) {
            (Inside::Nothing, None) => return Ok(false),
            (Inside::Nothing, Some(_)) => {
                return Err(cursor.expected("the end of the text after the definition's last '}'"));
            }
            (Inside::Array, Some(b',')) => {
                cursor.bump();
                return Ok(true);
            }
            (Inside::Array, Some(b']')) | (Inside::Object, Some(b'}')) => {
                cursor.bump();
                builder.close();
            }
            (Inside::Array, _) => return Err(cursor.expected("',' or ']'")),
            (_, Some(b',')) => {
                cursor.bump();
                cursor.skip_space();
                read_key(cursor, builder, "a key in double quotes after ','")?;
                return Ok(true);
            }
            _ => return Err(cursor.expected("',' or '}'")),
        }
    }
}

fn read_key(cursor: &mut Cursor<'_>, builder: &mut Builder, what: &str) -> Result<(), ParseError> {
    if cursor.peek() != Some(b'"') {
        return Err(cursor.expected(what));
    }
    let at = cursor.position();
    let name = cursor.string()?;
    builder.key(at, name)?;
    cursor.skip_space();
    if cursor.peek() != Some(b':') {
        return Err(cursor.expected("':' after the key"));
    }
    cursor.bump();
    Ok(())
}

/// A place in the text that always stands between two characters.
struct Cursor<'a> {
    text: &'a str,
    offset: usize,
    at: Position,
}

impl<'a> Cursor<'a> {
    fn new(text: &'a str) -> Self {
        Self { text, offset: 0, at: Position { line: 1, column: 1 } }
    }

    fn position(&self) -> Position {
        self.at
    }

    fn rest(&self) -> &'a str {
        &self.text[self.offset..]
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.offset).copied()
    }

    /// Steps over one ASCII character that is not a line break.
    fn bump(&mut self) {
        self.skip(1);
    }

    /// Steps over this many bytes of whole characters, none of them a line break.
    fn skip(&mut self, bytes: usize) {
        self.at.column += self.text[self.offset..self.offset + bytes].chars().count();
        self.offset += bytes;
    }

    fn skip_space(&mut self) {
        while let Some(byte @ (b' ' | b'\t' | b'\r' | b'\n')) = self.peek() {
            self.offset += 1;
            if byte == b'\n' {
                self.at.line += 1;
                self.at.column = 1;
            } else {
                self.at.column += 1;
            }
        }
    }

    /// The letters, digits and signs that follow.
    fn word(&self) -> &'a str {
        let rest = self.rest();
        let end = rest.bytes().position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.' | b'_')));
        &rest[..end.unwrap_or(rest.len())]
    }

    fn skip_word(&mut self) {
        self.skip(self.word().len());
    }

    fn number(&mut self) -> Result<Number, ParseError> {
        let word = self.word();
        let number = serde_json::from_str(word)
            .map_err(|_| ParseError::at(self.at, format!("`{}` is not a JSON number", short(word))))?;
        self.skip(word.len());
        Ok(number)
    }

    fn string(&mut self) -> Result<String, ParseError> {
        let rest = self.rest();
        let mut escapes = false;
        let mut bytes = rest.bytes().enumerate().skip(1);
        let end = loop {
            match bytes.next() {
                None => return Err(ParseError::at(self.at, "this string has no closing '\"'")),
                Some((end, b'"')) => break end,
                Some((_, b'\\')) => {
                    escapes = true;
                    bytes.next();
                }
                Some((end, 0..=0x1f)) => {
                    self.skip(end);
                    return Err(ParseError::at(
                        self.at,
                        "a line break or control character in a string must be escaped, as \\n is",
                    ));
                }
                Some(_) => {}
            }
        };
        let quoted = &rest[..=end];
        let string = if escapes {
            serde_json::from_str(quoted).map_err(|error| self.bad_escape(quoted, &error))?
        } else {
            quoted[1..end].to_owned()
        };
        self.skip(quoted.len());
        Ok(string)
    }

    fn bad_escape(&self, quoted: &str, error: &serde_json::Error) -> ParseError {
        let before = quoted.char_indices().take_while(|(offset, _)| *offset + 1 < error.column()).count();
        ParseError::at(
            Position { line: self.at.line, column: self.at.column + before },
            "this escape is not one of JSON's: \\\" \\\\ \\/ \\b \\f \\n \\r \\t and \\u with four hexadecimal digits, \
             surrogates in pairs",
        )
    }

    fn expected(&self, what: &str) -> ParseError {
        let found = match (self.word(), self.rest().chars().next()) {
            (_, None) => "the end of the text".to_owned(),
            ("", Some(found)) if found.is_control() => "a control character".to_owned(),
            ("", Some(found)) => format!("'{found}'"),
            (word, _) => format!("`{}`", short(word)),
        };
        ParseError::at(self.at, format!("expected {what}, found {found}"))
    }
}
