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

const JSONATA: &str = r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Task", "Resource":
 "arn:aws:states:::lambda:invoke", "Arguments": {"FunctionName": "f", "Payload": "{% ($x := $states.input.a[b > 1]{'k': $sum(c)};
 $map($x, function($v, $i) { $v.d ~> $uppercase() & `e f` ? /g+/i : [1..2] })^(>h).($ & %.i)) %}"}, "Assign": {"v": "{% $v %}"},
 "TimeoutSeconds": "{% 1 %}", "Catch": [{"ErrorEquals": ["States.ALL"], "Assign": {"e": "{% $states.errorOutput %}"}, "Next":
 "C"}], "Next": "C"}, "C": {"Type": "Choice", "Choices": [{"Condition": "{% $v and $not($e) %}", "Next": "M"}], "Default": "M"},
 "M": {"Type": "Map", "Items": "{% $v %}", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "EXPRESS"},
 "StartAt": "W", "States": {"W": {"Type": "Wait", "Timestamp": "{% $now() %}", "End": true}}}, "ItemReader": {"Resource":
 "arn:aws:states:::s3:getObject", "ReaderConfig": {"InputType": "CSV", "MaxItems": 1}}, "Label": "l", "End": true}}}"#;

const JSONPATH: &str = r#"{"StartAt": "A", "States": {"A": {"Type": "Choice", "Choices": [{"And": [{"Variable": "$.a[0]['b']",
 "StringEqualsPath": "$$.Execution.Id"}, {"Not": {"Variable": "$x", "TimestampLessThan": "2020-01-01T00:00:00Z"}}], "Assign":
 {"x.$": "$..a[?(@.b == 'c')]"}, "Next": "T"}]}, "T": {"Type": "Task", "Resource": "arn:aws:lambda:eu-central-1:111122223333:function:f:1",
 "Parameters": {"a.$": "States.Format('\\{} {}', States.MathAdd($.a, -1), $x)", "b": ["$.c"]}, "ResultSelector": {"d.$": "$[1:2].e"},
 "ResultPath": "$.f", "Retry": [{"ErrorEquals": ["States.ALL"], "BackoffRate": 1.5, "JitterStrategy": "FULL"}], "TimeoutSecondsPath":
 "$.t", "End": true}}}"#;

/// A text with some of its pieces cut, doubled or replaced.
fn mutated(text: &'static str) -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "",
        "\"",
        "'",
        "{",
        "}",
        "[",
        "]",
        ":",
        ",",
        "\n",
        " ",
        "\t",
        "-",
        "*a",
        "&a",
        "!",
        "%",
        "|",
        ">",
        "#",
        "\\",
        "\\u",
        "$",
        "$$",
        "{%",
        "%}",
        "(",
        ")",
        ".",
        "..",
        "@",
        "~>",
        ":=",
        "function(",
        "States.",
        "`",
        "^",
        "?",
        "${X}",
        "${",
        "é",
        "\0",
        "\u{feff}",
        "---",
        "...",
        "null",
        "1e9",
        "? ",
        "- ",
        "Next",
        "A",
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
            (finding.position.is_some() || ["more-findings", "more-errors"].contains(&finding.code))
                && !finding.to_string().contains(char::is_control),
            "{finding}"
        );
    }
}

/// 500, or what PROPTEST_CASES says.
fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(500)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(cases()))]

    #[test]
    fn survives_mutated_json(text in mutated(JSON), value in ".{0,8}") {
        try_all(&text, &value);
    }

    #[test]
    fn survives_mutated_jsonata(text in mutated(JSONATA), value in ".{0,8}") {
        try_all(&text, &value);
    }

    #[test]
    fn survives_mutated_jsonpath(text in mutated(JSONPATH), value in ".{0,8}") {
        try_all(&text, &value);
    }

    /// Where an expression or a path stands, anything may.
    #[test]
    fn survives_expressions(text in "[$@%.,:;~=!<>|&^*+/?(){}\\[\\]'\"`a1 States\\\\-]{0,40}") {
        let definition = json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "QueryLanguage": "JSONata", "Next": "B",
            "Output": format!("{{% {text} %}}")}, "B": {"Type": "Fail", "ErrorPath": text, "CausePath": format!("${text}")},
            "C": {"Type": "Pass", "Parameters": {"a.$": text, "b.$": format!("States.Format({text})")}, "End": true}}});
        try_all(&definition.to_string(), "");
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
    let machine = |fields: &str| format!("{{\"StartAt\":\"A\",\"States\":{{\"A\":{{{fields}}}}}}}");
    let expression = |unit: &str, around: [&str; 2]| {
        let before =
            format!("\"Type\":\"Pass\",\"QueryLanguage\":\"JSONata\",\"End\":true,\"Output\":\"{{% {}", around[0]);
        let room = (super::MAX_SIZE - 200) / unit.len();
        machine(&format!("{before}{}{} %}}\"", unit.repeat(room), around[1]))
    };
    let chain = |state: &dyn Fn(usize) -> String| {
        let states: Vec<String> = (0..10_000).map(|i| format!("\"s{i}\":{{{}}}", state(i))).collect();
        format!("{{\"StartAt\":\"s0\",\"States\":{{{},\"s10000\":{{\"Type\":\"Succeed\"}}}}}}", states.join(","))
    };
    let texts = [
        // Ten thousand states, and as many variables.
        chain(&|i| format!("\"Type\":\"Pass\",\"Next\":\"s{}\"", i + 1)),
        chain(&|i| format!("\"Type\":\"Pass\",\"Assign\":{{\"v{i}.$\":\"$v{}\"}},\"Next\":\"s{}\"", i / 2, i + 1)),
        chain(&|i| {
            format!("\"Type\":\"Pass\",\"Assign\":{{\"v{}\":\"$v0\"}},\"Next\":\"s{}\"", i % 50, (i * 7) % 10_000)
        }),
        chain(&|i| {
            format!("\"Type\":\"Choice\",\"Choices\":[{{\"Variable\":\"$v\",\"IsNul\":true,\"Next\":\"s{}\"}}]", i + 1)
        }),
        expression("1+", ["", "1"]),
        expression("a.", ["$.", "b"]),
        expression("(", ["", ""]),
        expression("[", ["", ""]),
        expression("$x & ", ["", "1"]),
        expression("'a' ", ["", ""]),
        expression("a", ["'", "'"]),
        expression("/* */", ["", "1"]),
        expression("$f(", ["", ""]),
        expression("1,", ["[", "1]"]),
        expression("{", ["", ""]),
        expression("-", ["", "1"]),
        machine(&format!("\"Type\":\"Pass\",\"End\":true,\"InputPath\":\"${}\"", "[0]".repeat(300_000))),
        machine(&format!("\"Type\":\"Pass\",\"End\":true,\"InputPath\":\"$[{}\"", "(".repeat(900_000))),
        machine(&format!("\"Type\":\"Fail\",\"ErrorPath\":\"States.Array({}1)\"", "$.a, ".repeat(180_000))),
        machine(&format!("\"Type\":\"Fail\",\"ErrorPath\":\"{}\"", "States.Array(".repeat(70_000))),
        machine(&format!(
            "\"Type\":\"Choice\",\"Choices\":[{{\"Next\":\"A\",\"And\":[{}1]}}]",
            "{\"Variable\":\"$.a\",\"IsNull\":true},".repeat(25_000)
        )),
        machine(&format!(
            "\"Type\":\"Pass\",\"End\":true,\"Assign\":{{{}\"z\":1}}",
            (0..60_000).map(|i| format!("\"v{i}\":1,")).collect::<String>()
        )),
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
        nested("{\"A\":{\"Type\":\"Choice\",\"Choices\":[{\"Next\":\"A\",\"Not\":", "}]}}", 1)
            .replace('1', &format!("{}1{}", "{\"Not\":".repeat(200), "}".repeat(200))),
        format!(
            "QueryLanguage: JSONata\nStartAt: A\nStates: {{A: {{Type: Pass, Output: \"{{% {}1{} %}}\", End: true}}}}",
            "(".repeat(990),
            ")".repeat(990)
        ),
        format!(
            "QueryLanguage: JSONata\nStartAt: A\nStates: {{A: {{Type: Pass, Output: \"{{% {}1 %}}\", End: true}}}}",
            "1+".repeat(990)
        ),
        format!(
            "QueryLanguage: JSONata\nStartAt: A\nStates: {{A: {{Type: Pass, Output: \"{{% {}1{} %}}\", End: true}}}}",
            "$f(".repeat(900),
            ")".repeat(900)
        ),
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
