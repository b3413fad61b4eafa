//! Paths, payload templates, intrinsic functions, JSONata, variables.

use super::{finds, state};

#[test]
fn reads_paths_where_they_stand() {
    state("Type: Pass, Next: Z, InputPath: null, OutputPath: '$..a[?(@.b > 1)]', ResultPath: null", &[]);
    state("Type: Pass, Next: Z, InputPath: $$.Execution.Input", &[]);
    state("Type: Pass, Next: Z, InputPath: a", &["path-syntax"]);
    state("Type: Pass, Next: Z, InputPath: 1", &["wrong-type"]);
    state("Type: Pass, Next: Z, InputPath: '${Path}'", &[]);
    state("Type: Pass, Next: Z, InputPath: 'States.UUID()'", &["path-syntax"]);
    state("Type: Pass, Next: Z, ResultPath: '$.a[*]'", &["reference-path"]);
    state("Type: Pass, Next: Z, ResultPath: $$.a", &["(context-path)", "reference-path"]);
    state("Type: Pass, Next: Z, InputPath: $$.Execution.Nmae", &["(context-path)"]);
}

#[test]
fn reads_payload_templates() {
    for (parameters, codes) in [
        ("{a.$: $.a, b: {c.$: $$.Task.Token}, d: ['x', {e.$: 'States.UUID()'}]}", vec![]),
        ("{a.$: a}", vec!["payload-path"]),
        ("{a.$: ''}", vec!["payload-path"]),
        ("{a.$: 1}", vec!["payload-path"]),
        ("{a.$: {b: 1}}", vec!["payload-path"]),
        ("{b: [{a.$: b}]}", vec!["payload-path"]),
        ("{a.$: '${Path}'}", vec![]),
        ("{a.$: $.a, a: 1}", vec!["payload-duplicate"]),
        ("{a: $.a}", vec!["(path-not-evaluated)"]),
        ("{a: 'States.Format(x)'}", vec!["(path-not-evaluated)"]),
        ("{a: '$ 5', b: $.}", vec![]),
        ("{a: '{% 1 %}'}", vec!["(jsonata-not-evaluated)"]),
        ("{a.$: '{% 1 %}'}", vec!["payload-path"]),
    ] {
        state(&format!("Type: Pass, Next: Z, Parameters: {parameters}"), &codes);
    }
    state("Type: Pass, Next: Z, Result: {a: [$.b]}", &["(path-not-evaluated)"]);
}

#[test]
fn knows_the_intrinsic_functions() {
    for (function, codes) in [
        ("States.Format('{}', $.a)", vec![]),
        ("States.Array()", vec![]),
        ("States.MathRandom(1, 2)", vec![]),
        ("States.MathRandom(1, 2, 3)", vec![]),
        ("States.JsonMerge($.a, $.b, false)", vec![]),
        ("States.Hash($.a, 'SHA-1')", vec![]),
        ("States.Array(1, States.Array(States.UUID()), null, true, 'x')", vec![]),
        ("States.Formt('{}', $.a)", vec!["intrinsic-unknown"]),
        ("States.Array(States.Nope())", vec!["intrinsic-unknown"]),
        ("States.UUID(1)", vec!["intrinsic-arguments"]),
        ("States.MathAdd(1)", vec!["intrinsic-arguments"]),
        ("States.MathAdd(1, 'x')", vec!["intrinsic-arguments"]),
        ("States.MathAdd(1, $.x)", vec![]),
        ("States.ArrayLength('x')", vec!["intrinsic-arguments"]),
        ("States.StringSplit($.a, 1)", vec!["intrinsic-arguments"]),
        ("States.Format('{}', $.a", vec!["intrinsic-syntax"]),
        ("States.Format($.a b)", vec!["path-syntax"]),
        ("States.Format(\"a\")", vec!["intrinsic-syntax"]),
    ] {
        let quoted = serde_json::json!(function);
        state(&format!("Type: Pass, Next: Z, Parameters: {{a.$: {quoted}}}"), &codes);
    }
    state("Type: Fail, ErrorPath: \"States.Format('{}', $.a)\", CausePath: $.c", &[]);
    state("Type: Fail, ErrorPath: 'States.StringToJson($.a)'", &["intrinsic-arguments"]);
    state("Type: Fail, ErrorPath: Error", &["path-syntax"]);
}

#[test]
fn keeps_the_query_languages_apart() {
    state("Type: Pass, Next: Z, Output: 1", &["language-field"]);
    state("Type: Pass, QueryLanguage: JSONata, Next: Z, Output: 1, InputPath: $", &["language-field"]);
    state("Type: Pass, QueryLanguage: jsonata, Next: Z", &["value-not-allowed"]);
    finds(
        "QueryLanguage: JSONata\nStartAt: A\nStates:\n  A: {Type: Pass, QueryLanguage: JSONPath, End: true}\n",
        &[
            "query-language line 4, column 34: State `A` says JSONPath, and the whole machine says JSONata; write the state in \
           JSONata, or give JSONata to single states and not to the machine",
        ],
    );
    // A Map state hands its language to nobody.
    finds(
        "\
StartAt: M
States:
  M:
    Type: Map
    QueryLanguage: JSONata
    End: true
    ItemProcessor: {StartAt: P, States: {P: {Type: Pass, Output: 1, End: true}}}
",
        &["language-field line 7, column 58: State `P` has Output, which only JSONata has, and its query language is \
           JSONPath; use ResultSelector, ResultPath or OutputPath, or give the state QueryLanguage: JSONata"],
    );
}

#[test]
fn reads_jsonata() {
    for (output, codes) in [
        ("{% $states.input.a %}", vec![]),
        ("{%$states.input.a%}", vec![]),
        (" {% states.input %} ", vec![]),
        ("100%", vec![]),
        ("{% 1", vec!["jsonata-delimiters"]),
        ("1 %}", vec!["jsonata-delimiters"]),
        ("{%}", vec!["jsonata-delimiters"]),
        ("{% %}", vec!["jsonata-syntax"]),
        ("{% $sum($states.input.a %}", vec!["jsonata-syntax"]),
        ("{% $.store.book[?(@.price < 10)].title %}", vec!["jsonata-syntax"]),
        ("{% '${Name}' & $states.input.a %}", vec![]),
        ("{% ${Name} %}", vec![]),
        ("{% a.b %}", vec!["jsonata-reference"]),
        ("{% $$.a %}", vec!["jsonata-reference"]),
        ("{% $states.errorOutput %}", vec!["jsonata-reference"]),
        ("{% $states.result %}", vec!["(jsonata-states-field)"]),
        ("{% $states.inputs.a %}", vec!["(jsonata-states-field)"]),
        ("{% $eval('1') %}", vec!["(jsonata-eval)"]),
        ("{% $uppercas('a') %}", vec!["(jsonata-function-unknown)"]),
        ("{% $parse('1') + $hash('a', 'SHA-1') & $uuid() %}", vec![]),
        ("{% $map([1], function($v) { $v }) %}", vec![]),
        ("{% $nope %}", vec!["(variable-unassigned)"]),
    ] {
        let quoted = serde_json::json!(output);
        state(&format!("Type: Pass, QueryLanguage: JSONata, Next: Z, Output: {quoted}"), &codes);
    }
    state("Type: Pass, QueryLanguage: JSONata, Next: Z, Output: {a.$: $.b}", &["(dollar-key-in-jsonata)"]);
    finds(
        "\
QueryLanguage: JSONata
StartAt: A
States:
  A:
    Type: Task
    Resource: arn:aws:lambda:eu-central-1:111122223333:function:f
    Arguments: {a: ['{% $states.input.b[ %}']}
    Output: '{% $states.result %}'
    Catch: [{ErrorEquals: [States.ALL], Output: '{% $states.errorOutput.Cause %}', Next: B}]
    Next: B
  B: {Type: Succeed}
",
        &[
            "jsonata-syntax line 7, column 21: State `A` has an expression that can't be read: Unexpected end of expression",
        ],
    );
}

#[test]
fn follows_variables_along_the_ways() {
    finds(
        "\
StartAt: Choose
States:
  Choose:
    Type: Choice
    Choices: [{Variable: $.a, IsNull: true, Assign: {x: 1, totals: 2}, Next: Use}]
    Default: Set
  Set: {Type: Pass, Assign: {y: 1, x.$: $y}, Next: Use}
  Use:
    Type: Pass
    Parameters: {a.$: $x, b.$: \"States.Format('{}', $y)\", c.$: $total.d}
    Next: Loop
  Loop:
    Type: Map
    ItemsPath: $x
    ItemProcessor: {StartAt: In, States: {In: {Type: Pass, Assign: {i.$: $x}, Next: In2}, In2: {Type: Pass, InputPath: $i, End: true}}}
    Next: After
  After: {Type: Pass, InputPath: $i, End: true}
",
        &[
            "(variable-unassigned) line 7, column 41: State `Set` uses `$y`, which no state before it assigns; an assignment \
             counts from the next state on, and not outside of the branch or processor it is in",
            "(variable-perhaps-unassigned) line 10, column 32: State `Use` uses `$y`, which is not assigned on every way to \
             it; assign it on every way, at the latest with null",
            "(variable-unassigned) line 10, column 64: State `Use` uses `$total`, which no state before it assigns; did you \
             mean $totals?",
            "(variable-unassigned) line 17, column 34: State `After` uses `$i`, which no state before it assigns; an \
             assignment counts from the next state on, and not outside of the branch or processor it is in",
        ],
    );
}

#[test]
fn knows_the_scopes_of_variables() {
    let map = |config: &str| {
        format!(
            "\
StartAt: Set
States:
  Set: {{Type: Pass, Assign: {{x: 1}}, Next: Loop}}
  Loop:
    Type: Map
    ItemProcessor: {{{config}StartAt: In, States: {{In: {{Type: Pass, InputPath: $x, Assign: {{x: 2}}, End: true}}}}}}
    End: true
"
        )
    };
    finds(
        &map(""),
        &[
            "(variable-shadows) line 6, column 84: `x` is assigned inside of `Loop`, and also outside of it; give the variable \
           another name",
        ],
    );
    finds(
        &map("ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: STANDARD}, "),
        &[
            "(variable-unassigned) line 6, column 134: State `In` uses `$x`, which no state before it assigns; an assignment \
           counts from the next state on, and not outside of the branch or processor it is in",
        ],
    );
    state("Type: Pass, Next: Z, Assign: {states: 1}", &["variable-reserved"]);
    state("Type: Pass, Next: Z, Assign: {a-b.$: $.c, 1a: 2}", &["variable-name", "variable-name"]);
    state("Type: Pass, Next: Z, Assign: {größe_1: 2}", &[]);
    state("Type: Pass, Next: Z, Assign: 1", &["wrong-type"]);
}
