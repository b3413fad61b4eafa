use serde_json::{Value, json};

use super::super::text::{MAX_SIZE, Position};
use super::{MAX_DEPTH, parse};

fn value(text: &str) -> Value {
    match parse(text) {
        Ok(definition) => definition.value().clone(),
        Err(error) => panic!("{error}\n{text}"),
    }
}

fn error(text: &str) -> String {
    match parse(text) {
        Ok(definition) => panic!("accepted as {}", definition.value()),
        Err(error) => error.to_string(),
    }
}

#[test]
fn reads_json_with_nulls_and_order_kept() {
    let text = r#" {"Z": null, "A": [1, -2.5e3, true, false, "a\"b\\c\u00e9\ud83d\ude00/é"], "M": {}, "E": []}
"#;
    let read = value(text);
    assert_eq!(read, json!({"Z": null, "A": [1, -2500.0, true, false, "a\"b\\cé😀/é"], "M": {}, "E": []}));
    let keys: Vec<_> = read.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["Z", "A", "M", "E"]);
}

#[test]
fn reads_yaml_in_the_core_schema() {
    let text = r#"# a comment
StartAt: A
Strings: [yes, No, on, "true", 'null', 2016-03-14T01:59:00Z, 1:30, 1_000, 0b1, "a: b", "${Name}", !!str 5, ! 6]
Others: [true, FALSE, ~, null, NULL, 5, +6, -7, 010, 0x1F, 0o17, 1.5, .5, -1e3, !!int 8, !!float 2]
Plain: ${Name}
Empty:
Text: |
  two
  lines
Folded: >-
  one
  line
"#;
    assert_eq!(
        value(text),
        json!({
            "StartAt": "A",
            "Strings": ["yes", "No", "on", "true", "null", "2016-03-14T01:59:00Z", "1:30", "1_000", "0b1", "a: b",
                "${Name}", "5", "6"],
            "Others": [true, false, null, null, null, 5, 6, -7, 10, 31, 15, 1.5, 0.5, -1000.0, 8, 2],
            "Plain": "${Name}",
            "Empty": null,
            "Text": "two\nlines\n",
            "Folded": "one line",
        })
    );
    assert_eq!(value("--- {a: 1}\n...\n"), json!({"a": 1}));
    assert_eq!(value("\u{feff}{\"a\": 1}"), json!({"a": 1}));
}

#[test]
fn says_where_json_is_wrong() {
    for (text, expected) in [
        ("", "line 1, column 1: the definition is empty"),
        ("{", "line 1, column 2: expected a key in double quotes or '}', found the end of the text"),
        ("{\n  \"a\": 1\n  \"b\": 2}", "line 3, column 3: expected ',' or '}', found '\"'"),
        ("{\"é\": 1,}", "line 1, column 9: expected a key in double quotes after ',', found '}'"),
        ("{\"a\": [1 2]}", "line 1, column 10: expected ',' or ']', found `2`"),
        ("{\"a\": [1,]}", "line 1, column 10: expected a JSON value, found ']'"),
        ("{\"a\" 1}", "line 1, column 6: expected ':' after the key, found `1`"),
        ("{a: 1}", "line 1, column 2: expected a key in double quotes or '}', found `a`"),
        ("{\"a\": True}", "line 1, column 7: expected a JSON value, found `True`"),
        ("{\"a\": 01}", "line 1, column 7: `01` is not a JSON number"),
        ("{\"a\": 1e999}", "line 1, column 7: `1e999` is not a JSON number"),
        ("{\"a\": \"b}", "line 1, column 7: this string has no closing '\"'"),
        ("{\"a\": \"b\\", "line 1, column 7: this string has no closing '\"'"),
        (
            "{\"a\": \"é\n\"}",
            "line 1, column 9: a line break or control character in a string must be escaped, as \\n is",
        ),
        ("{} {}", "line 1, column 4: expected the end of the text after the definition's last '}', found '{'"),
        ("{} // x", "line 1, column 4: expected the end of the text after the definition's last '}', found '/'"),
        (
            "{\n \"A\": {},\n \"B\": {\"x\": 1, \"x\": 2}}",
            "line 3, column 16: the key `x` is already in this object, at line 3, column 8",
        ),
        (r#"{"x": 1, "\u0078": 2}"#, "line 1, column 10: the key `x` is already in this object, at line 1, column 2"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    let escape = error("{\"a\": \"éé\\x\"}");
    assert!(escape.starts_with("line 1, column 11: this escape is not one of JSON's"), "{escape}");
}

#[test]
fn says_where_yaml_is_wrong() {
    for (text, expected) in [
        ("# nothing\n", "line 1, column 1: the definition is empty"),
        ("[1]", "line 1, column 1: a definition is an object with StartAt and States"),
        ("hello", "line 1, column 1: a definition is an object with StartAt and States"),
        ("null", "line 1, column 1: a definition is an object with StartAt and States"),
        ("a: 1\nb:\n  c: 1\n  c: 2", "line 4, column 3: the key `c` is already in this object, at line 3, column 3"),
        ("a: 1\n---\nb: 1", "line 2, column 1: a second YAML document begins here; a definition is one document"),
        ("a: &x 1\nb: *x", "line 2, column 4: YAML aliases (`*name`) are not read; write the value out here"),
        ("a:\n  1: x", "line 2, column 3: a key must be a string; write \"1\" in quotes"),
        ("true: x", "line 1, column 1: a key must be a string; write \"true\" in quotes"),
        ("? [a]\n: x", "line 1, column 3: a key must be a string"),
        (": x", "line 1, column 1: the key before this ':' is missing"),
        (
            "a: .inf",
            "line 1, column 4: the number `.inf` can't be written in JSON; put it in quotes if a string is meant",
        ),
        (
            "a: !Sub '${B}'",
            "line 1, column 4: the tag `!Sub` is CloudFormation's; write a placeholder such as ${Name} and declare a \
             substitution for it",
        ),
        ("a: !!set {}", "line 1, column 4: the tag `!!set` has no meaning in a definition; remove it"),
        ("a: !!int x", "line 1, column 4: `x` is not a value of the tag `!!int`"),
    ] {
        assert_eq!(error(text), expected, "{text}");
    }
    for (text, position) in [
        ("a: 1\n b: 2", "line 2, column 3: this is not YAML: "),
        ("a: [1, 2\nb: 3", "line 2, column 2: this is not YAML: "),
        ("a: \"x", "line 1, column 4: this is not YAML: "),
        ("a:\n\t- 1", "line 2, column 2: this is not YAML: "),
    ] {
        assert!(error(text).starts_with(position), "{}", error(text));
    }
}

#[test]
fn knows_where_keys_and_values_stand() {
    let at = |line, column| Some(Position { line, column });
    let json = parse("{\n  \"é\": 1, \"b/c\": [true,\n null], \"d~\": {\"\": \"x\"}}").unwrap();
    let yaml = parse("é: 1\nb/c:\n  - true\n  - null\nd~:\n    \"\": x\n").unwrap();
    for (pointer, in_json, in_yaml) in [
        ("", (None, at(1, 1)), (None, at(1, 1))),
        ("/é", (at(2, 3), at(2, 8)), (at(1, 1), at(1, 4))),
        ("/b~1c", (at(2, 11), at(2, 18)), (at(2, 1), at(3, 3))),
        ("/b~1c/0", (None, at(2, 19)), (None, at(3, 5))),
        ("/b~1c/1", (None, at(3, 2)), (None, at(4, 5))),
        ("/d~0/", (at(3, 16), at(3, 20)), (at(6, 5), at(6, 9))),
        ("/none", (None, None), (None, None)),
        ("/b~1c/2", (None, None), (None, None)),
        ("b", (None, None), (None, None)),
    ] {
        assert_eq!((json.key_position(pointer), json.position(pointer)), in_json, "{pointer}");
        assert_eq!((yaml.key_position(pointer), yaml.position(pointer)), in_yaml, "{pointer}");
    }
}

#[test]
fn holds_its_limits() {
    for (open, close) in [("[", "]"), ("{\"a\":", "}")] {
        let nested = |levels: usize| format!("{{\"a\":{}1{}}}", open.repeat(levels - 1), close.repeat(levels - 1));
        assert!(parse(&nested(MAX_DEPTH)).is_ok());
        assert!(error(&nested(MAX_DEPTH + 1)).contains("nest deeper than 256 levels"));
        assert!(error(&nested(10_000)).contains("nest deeper than 256 levels"));
        assert!(parse(&format!("{{\"a\":{}", open.repeat(10_000))).is_err());
        assert!(parse(&format!("a: {}", open.repeat(10_000))).is_err());
    }
    assert!(parse(&"- ".repeat(10_000)).is_err());
    assert!(parse(&"? ".repeat(10_000)).is_err());
    let fits = format!("{{\"a\":\"{}\"}}", "x".repeat(MAX_SIZE - 8));
    assert_eq!(parse(&fits).unwrap().to_json().len(), MAX_SIZE, "compact, as indented it would not fit");
    assert_eq!(error(&(fits + " ")), "line 1, column 1: the definition has 1048577 bytes; AWS takes at most 1048576");
}

#[test]
fn writes_the_json_it_read() {
    let text = "{\n  \"Z\": null,\n  \"A\": [\n    1,\n    \"é\"\n  ]\n}";
    assert_eq!(parse(text).unwrap().to_json(), text);
    assert_eq!(parse("Z: ~\nA: [1, é]\n").unwrap().to_json(), text);
}
