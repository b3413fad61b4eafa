//! YAML 1.2 in its core schema, from saphyr-parser's events.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, Tag};
use serde_json::{Number, Value};

use super::parse::{Builder, Inside, ParseError};
use super::text::{Position, short};

/// Feeds the builder from a YAML text of one document.
pub(super) fn read(text: &str, builder: &mut Builder) -> Result<(), ParseError> {
    let mut parser = Parser::new_from_str(text);
    let mut documents = 0;
    while let Some(next) = parser.next_event() {
        let (event, span) = next.map_err(|error| ParseError::at(position(error.marker()), sentence(error.info())))?;
        let at = position(&span.start);
        match event {
            Event::DocumentStart(_) => {
                documents += 1;
                if documents > 1 {
                    return Err(ParseError::at(at, "a second YAML document begins here; a definition is one document"));
                }
            }
            Event::Alias(_) => {
                return Err(ParseError::at(at, "YAML aliases (`*name`) are not read; write the value out here"));
            }
            Event::SequenceStart(..) | Event::MappingStart(..) if builder.inside() == Inside::Object => {
                return Err(ParseError::at(at, "a key must be a string"));
            }
            Event::SequenceStart(_, tag) => {
                expect_tag(tag.as_deref(), "seq", at)?;
                builder.open_array(at)?;
            }
            Event::MappingStart(_, tag) => {
                expect_tag(tag.as_deref(), "map", at)?;
                builder.open_object(at)?;
            }
            Event::SequenceEnd | Event::MappingEnd => builder.close(),
            Event::Scalar(text, style, _, tag) => {
                let value = scalar(&text, style, tag.as_deref(), at)?;
                if builder.inside() == Inside::Object {
                    match value {
                        Value::String(name) => builder.key(at, name)?,
                        _ if text.is_empty() => {
                            return Err(ParseError::at(at, "the key before this ':' is missing"));
                        }
                        _ => {
                            return Err(ParseError::at(
                                at,
                                format!("a key must be a string; write \"{}\" in quotes", short(&text)),
                            ));
                        }
                    }
                } else {
                    builder.scalar(at, value);
                }
            }
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
        }
    }
    Ok(())
}

fn position(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

/// The parser's own words, which say what it wanted and nothing of itself.
fn sentence(info: &str) -> String {
    format!("this is not YAML: {info}")
}

/// A scalar by the core schema: <https://yaml.org/spec/1.2.2/#103-core-schema>.
fn scalar(text: &str, style: ScalarStyle, tag: Option<&Tag>, at: Position) -> Result<Value, ParseError> {
    let Some(tag) = tag else {
        return if style == ScalarStyle::Plain { plain(text, at) } else { Ok(Value::String(text.to_owned())) };
    };
    if (tag.is_yaml_core_schema() && tag.suffix == "str") || is_non_specific(tag) {
        return Ok(Value::String(text.to_owned()));
    }
    if !tag.is_yaml_core_schema() {
        return Err(unknown_tag(tag, at));
    }
    let value = plain(text, at)?;
    let fits = match (tag.suffix.as_str(), &value) {
        ("null", Value::Null) | ("bool", Value::Bool(_)) | ("float", Value::Number(_)) => true,
        ("int", Value::Number(number)) => !number.is_f64(),
        _ => false,
    };
    if fits {
        Ok(value)
    } else {
        Err(ParseError::at(at, format!("`{}` is not a value of the tag `!!{}`", short(text), tag.suffix)))
    }
}

fn expect_tag(tag: Option<&Tag>, suffix: &str, at: Position) -> Result<(), ParseError> {
    match tag {
        Some(tag) if !(is_non_specific(tag) || tag.is_yaml_core_schema() && tag.suffix == suffix) => {
            Err(unknown_tag(tag, at))
        }
        _ => Ok(()),
    }
}

/// The tag `!` alone, which only says that nothing is to be guessed.
fn is_non_specific(tag: &Tag) -> bool {
    (tag.handle.is_empty() && tag.suffix == "!") || (tag.handle == "!" && tag.suffix.is_empty())
}

fn unknown_tag(tag: &Tag, at: Position) -> ParseError {
    let name =
        if tag.is_yaml_core_schema() { format!("!!{}", tag.suffix) } else { format!("{}{}", tag.handle, tag.suffix) };
    let message = match name.as_str() {
        "!Sub" | "!Ref" | "!GetAtt" | "!Join" | "!ImportValue" | "!FindInMap" => format!(
            "the tag `{name}` is CloudFormation's; write a placeholder such as ${{Name}} and declare a substitution for it"
        ),
        _ => format!("the tag `{name}` has no meaning in a definition; remove it"),
    };
    ParseError::at(at, message)
}

fn plain(text: &str, at: Position) -> Result<Value, ParseError> {
    Ok(match text {
        "" | "~" | "null" | "Null" | "NULL" => Value::Null,
        "true" | "True" | "TRUE" => Value::Bool(true),
        "false" | "False" | "FALSE" => Value::Bool(false),
        ".nan" | ".NaN" | ".NAN" => return Err(not_json(text, at)),
        _ => {
            let unsigned = text.strip_prefix(['+', '-']).unwrap_or(text);
            if matches!(unsigned, ".inf" | ".Inf" | ".INF") {
                return Err(not_json(text, at));
            }
            if is_number(unsigned) {
                Value::Number(decimal(text).ok_or_else(|| not_json(text, at))?)
            } else if let Some((digits, radix)) = prefixed(text) {
                let number = u64::from_str_radix(digits, radix).map_err(|_| not_json(text, at))?;
                Value::Number(number.into())
            } else {
                Value::String(text.to_owned())
            }
        }
    })
}

fn not_json(text: &str, at: Position) -> ParseError {
    ParseError::at(
        at,
        format!("the number `{}` can't be written in JSON; put it in quotes if a string is meant", short(text)),
    )
}

/// The core schema's octal and hexadecimal integers: the digits and their radix.
fn prefixed(text: &str) -> Option<(&str, u32)> {
    let (digits, radix) = match (text.strip_prefix("0o"), text.strip_prefix("0x")) {
        (Some(digits), _) => (digits, 8),
        (_, Some(digits)) => (digits, 16),
        _ => return None,
    };
    (!digits.is_empty() && digits.chars().all(|c| c.is_digit(radix))).then_some((digits, radix))
}

/// `[0-9]+` or `(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?`
fn is_number(text: &str) -> bool {
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.strip_prefix(['+', '-']).unwrap_or(exponent)),
        None => (text, "0"),
    };
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, fraction),
        None => (mantissa, ""),
    };
    digits(whole)
        && digits(fraction)
        && !(whole.is_empty() && fraction.is_empty())
        && !exponent.is_empty()
        && digits(exponent)
}

fn decimal(text: &str) -> Option<Number> {
    let text = text.strip_prefix('+').unwrap_or(text);
    if let Ok(number) = text.parse::<u64>() {
        return Some(number.into());
    }
    if let Ok(number) = text.parse::<i64>() {
        return Some(number.into());
    }
    Number::from_f64(text.parse().ok()?)
}
