//! Whatever the text and the values: an answer, in bounded time and stack.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use serde_json::json;

use super::{MAX_DEPTH, MachineType, Value, check, parse, substitute, walk};

const JSON: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage",
 "Parameters": {"Body.$": "States.Format('${X} {}', $.a)", "Url": "${X}"}, "Catch": [{"ErrorEquals": ["E"], "Next": "B"}],
 "ResultPath": null, "Next": "B"}, "B": {"Type": "Map", "Iterator": {"StartAt": "C", "States": {"C": {"Type": "Succeed",
 "Output": "{% '${X}' & /'/ %}"}}}, "End": true}}}"#;

const YAML: &str = "StartAt: A\nStates:\n  A:\n    Type: Choice\n    Choices:\n      - {Variable: $.a, IsNull: true, Next: B}\n      \
    - Not: {Variable: \"$.b\"}\n        Next: B\n    Default: B\n  B: # end\n    Type: Pass\n    Comment: >-\n      ${X} \n\n      \
    folded\n    Result: &a [1, !!str 2, 'it''s', ? x : y]\n    End: true\n";

/// A text with some of its pieces cut, doubled or replaced.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "", "\"", "'", "{", "}", "[", "]", ":", ",", "\n", " ", "\t", "-", "*a", "&a", "!", "%", "|", ">", "#", "\\",
        "\\u", "${X}", "${", "é", "\0", "\u{feff}", "---", "...", "null", "1e9", "? ", "- ", "Next", "A",
    ]);
    prop::collection::vec((any::<prop::sample::Index>(), 0..9usize, pieces), 0..6).prop_map(move |edits| {
        let mut chars: Vec<char> = text.chars().collect();
        for (index, cut, piece) in edits {
            let start = index.index(chars.len().max(1)).min(chars.len());
            let end = (start + cut).min(chars.len());
            chars.splice(start..end, piece.chars());
        }
        chars.into_iter().collect()
    })
}

/// Everything there is to do with a text; what is read must survive being written.
fn try_all(text: &str, value: &str) {
    let definition = match parse(text) {
        Ok(definition) => definition,
        Err(error) => {
            assert!(!error.to_string().contains(char::is_control), "{error}");
            return;
        }
    };
    let written = definition.to_json();
    let again = parse(&written).unwrap();
    assert_eq!(again.value(), definition.value());
    assert_eq!(again.to_json(), written);
    for state in walk(definition.value()) {
        let pointer = state.pointer.to_string();
        assert_eq!(definition.value().pointer(&pointer), Some(state.value));
        assert!(definition.position(&pointer).is_some() && definition.key_position(&pointer).is_some());
    }
    let values = BTreeMap::from([("X".to_owned(), Value::Text(value.to_owned()))]);
    let (substituted, findings) = substitute(&definition, &values);
    let all = findings.into_iter().chain(check(&substituted, MachineType::Express));
    for finding in all.chain(check(&definition, MachineType::Standard)) {
        assert!(
            (finding.position.is_some() || finding.code == "more-findings")
                && !finding.to_string().contains(char::is_control),
            "{finding}"
        );
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn survives_mutated_json(text in mutated(JSON), value in ".{0,8}") {
        try_all(&text, &value);
    }

    #[test]
    fn survives_mutated_yaml(text in mutated(YAML), value in ".{0,8}") {
        try_all(&text, &value);
    }

    #[test]
    fn survives_noise(text in "[\\[\\]{}\"':,\\-?!&*|>#%@\\\\ \n\ta1é]{0,60}") {
        try_all(&text, "");
        try_all(&format!("a: {text}"), "");
        try_all(&format!("{{\"a\": {text}}}"), "");
    }

    /// In a quoted string of an expression, any value stays what it is.
    #[test]
    fn keeps_values_inside_their_quotes(value in any::<String>()) {
        let text = json!({"Output": "{% '${X}' %}", "A": {"B.$": "States.Format('${X}')"}}).to_string();
        let values = BTreeMap::from([("X".to_owned(), Value::Text(value.clone()))]);
        let (substituted, findings) = substitute(&parse(&text).unwrap(), &values);
        prop_assert!(findings.is_empty());

        let jsonata = substituted.value()["Output"].as_str().unwrap();
        let literal = jsonata.strip_prefix("{% '").and_then(|rest| rest.strip_suffix("' %}")).unwrap();
        prop_assert!(!literal.contains('\''));
        // JSONata's escapes are JSON's.
        prop_assert_eq!(serde_json::from_str::<String>(&format!("\"{literal}\"")).unwrap(), value.clone());

        let intrinsic = substituted.value()["A"]["B.$"].as_str().unwrap();
        let literal = intrinsic.strip_prefix("States.Format('").and_then(|rest| rest.strip_suffix("')")).unwrap();
        let mut read = String::new();
        let mut chars = literal.chars();
        while let Some(c) = chars.next() {
            prop_assert!(!"'{}".contains(c), "{} ends the literal or begins a field", c);
            read.push(if c == '\\' { chars.next().unwrap() } else { c });
        }
        prop_assert_eq!(read, value);
    }
}

/// Generous bounds, on a slow machine without optimization: what is quadratic takes minutes at this size.
#[test]
fn takes_linear_time_at_the_size_limit() {
    let fill = |unit: &str, around: [&str; 2]| {
        let room = (super::MAX_SIZE - 100) / unit.len();
        format!("{}{}{}", around[0], unit.repeat(room), around[1])
    };
    let key = "k".repeat(500_000);
    let texts = [
        fill("{}, ", ["{\"a\": [", "1]}"]),
        fill("1,", ["a: [", "1]"]),
        fill("- ", ["a:\n  - ", ""]),
        fill("  - 1\n", ["a:\n", ""]),
        fill("a", ["", ": 1"]),
        fill("&a ", ["a: ", ""]),
        fill("'", ["a: ", ""]),
        fill("#\n", ["", "a: 1"]),
        fill(" ", ["a: 1\n", "b"]),
        fill("\n", ["a: x", "y"]),
        fill("!", ["a: ", ""]),
        fill("? ", ["", ""]),
        fill("a: ", ["", ""]),
        fill("{", ["a: ", ""]),
        fill("%X\n", ["", ""]),
        fill("x\n\n  ", ["a: ", ""]),
        fill("x ", ["a: >\n ", ""]),
        fill("\\u0041", ["{\"a\": \"", "\"}"]),
        fill("${", ["{\"a\": \"", "\"}"]),
        fill("${X}", ["{\"a\": \"{% ", "\"}"]),
        fill("\"${X}\",", ["{\"a\": [", "1]}"]),
        format!("{{\"{key}\": [{}1]}}", "\"${X} ${Y}\",".repeat(40_000)),
        format!(
            "{{\"States\": {{\"{key}\": {{\"Type\": \"Choice\", \"Choices\": [{}1]}}}}}}",
            "{\"Next\":\"x\"},".repeat(35_000)
        ),
        format!(
            "{{\"StartAt\": \"A\", \"States\": {{{}\"Z\": {{}}}}}}",
            (0..20_000).map(|i| format!("\"state{i:05}\":{{\"Next\":\"stale{i:05}\"}},")).collect::<String>()
        ),
    ];
    for text in texts {
        let begin: String = text.chars().take(30).collect();
        let start = Instant::now();
        try_all(&text, "x");
        let took = start.elapsed();
        println!("{took:>8.0?} {begin:?}");
        assert!(took < Duration::from_secs(30), "{took:?} for {begin}");
    }
}

/// Three quarters of what a worker thread of tokio has, without optimization.
#[test]
fn needs_little_stack_at_the_depth_limit() {
    let nested = |open: &str, close: &str, levels: usize| {
        format!("{{\"StartAt\":\"A\",\"States\":{}1{}}}", open.repeat(levels), close.repeat(levels))
    };
    let texts = [
        nested("[", "]", MAX_DEPTH - 1),
        nested("{\"A\":", "}", MAX_DEPTH - 1),
        nested("{\"A\":{\"Type\":\"Parallel\",\"Branches\":[{\"States\":", "}]}}", (MAX_DEPTH - 1) / 4),
        "- ".repeat(MAX_DEPTH - 1),
    ];
    let run = move || {
        for text in &texts {
            try_all(text, "x");
            let _ = format!("{:?}", parse(text).map(|definition| definition.value().clone() == json!(1)));
        }
    };
    let thread = std::thread::Builder::new().stack_size(3 << 19).spawn(run);
    thread.unwrap().join().unwrap();
}
