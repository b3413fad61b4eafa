//! Values as Java prints them: a template that wants a text and finds a number prints it so.

use serde_json::{Number, Value};

/// The text of a number or truth value; `None` for an object, an array and null.
pub(super) fn text(value: &Value) -> Option<String> {
    match value {
        Value::Bool(is) => Some(is.to_string()),
        Value::Number(number) => Some(self::number(number)),
        Value::String(text) => Some(text.clone()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Whole numbers by their digits; others as `Double.toString`: with a point from a thousandth to below ten millions, else with an
/// exponent.
fn number(number: &Number) -> String {
    let Some(float) = number.as_f64().filter(|_| number.is_f64()) else { return number.to_string() };
    let size = float.abs();
    if size == 0.0 || (1e-3..1e7).contains(&size) {
        let text = float.to_string();
        return if text.contains('.') { text } else { text + ".0" };
    }
    let text = format!("{float:e}");
    match text.split_once('e') {
        Some((digits, exponent)) if digits.contains('.') => format!("{digits}E{exponent}"),
        Some((digits, exponent)) => format!("{digits}.0E{exponent}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn numbers_are_printed_as_java_does() {
        for (value, expected) in [
            (json!(1), "1"),
            (json!(-12_345_678_901_i64), "-12345678901"),
            (json!(10.0), "10.0"),
            (json!(1.5), "1.5"),
            (json!(-0.001), "-0.001"),
            (json!(0.0001), "1.0E-4"),
            (json!(1_234_567.5), "1234567.5"),
            (json!(1e7), "1.0E7"),
            (json!(1.25e30), "1.25E30"),
            (json!(true), "true"),
        ] {
            assert_eq!(super::text(&value).as_deref(), Some(expected), "{value}");
        }
        assert_eq!(super::text(&json!({})), None);
    }
}
