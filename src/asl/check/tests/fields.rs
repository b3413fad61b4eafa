//! Fields, their values, choice rules, Retry and Catch, Wait, Map.

use super::state;

#[test]
fn knows_which_type_has_which_field() {
    state("Type: Pass, Next: Z, TimeoutSeconds: 1", &["field-not-supported"]);
    state("Type: Pass, Next: Z, Catch: []", &["field-not-supported"]);
    state("Type: Wait, Seconds: 1, Next: Z, ResultPath: null", &["field-not-supported"]);
    state("Type: Succeed, Assign: {a: 1}", &["field-not-supported"]);
    state("Type: Pass, Next: Z, Message.$: $.x", &["field-unknown"]);
    state("Type: Pass, Next: Z, inputPath: $", &["field-unknown"]);
    state("Type: Pass, Next: Z, Comment: why, Result: null, Parameters: [1]", &[]);
    state("Type: Pass, Next: Z, Comment: 1", &["wrong-type"]);
    state("Type: Fail, Error: E, ErrorPath: $.e, Cause: C", &["field-conflict"]);
    state("Type: Fail, Error: 1, Cause: C", &["wrong-type"]);
}

#[test]
fn knows_the_ranges_of_numbers() {
    let task = |fields: &str| {
        format!("Type: Task, Resource: 'arn:aws:states:eu-central-1:111122223333:activity:a', Next: Z, {fields}")
    };
    for (fields, codes) in [
        ("TimeoutSeconds: 1, HeartbeatSeconds: 0", vec!["out-of-range"]),
        ("TimeoutSeconds: 100000000", vec!["out-of-range"]),
        ("TimeoutSeconds: 1.5", vec!["wrong-type"]),
        ("TimeoutSeconds: 2.0", vec![]),
        ("TimeoutSeconds: '1'", vec!["wrong-type"]),
        ("TimeoutSeconds: '${Timeout}'", vec![]),
        ("TimeoutSeconds: '{% 1 %}'", vec!["wrong-type"]),
        ("QueryLanguage: JSONata, TimeoutSeconds: '{% 1 %}'", vec![]),
        ("QueryLanguage: JSONata, TimeoutSeconds: '{% 1'", vec!["jsonata-delimiters"]),
        ("TimeoutSeconds: 5, TimeoutSecondsPath: $.t", vec!["field-conflict"]),
        ("TimeoutSeconds: 5, HeartbeatSeconds: 5", vec!["(heartbeat-too-long)"]),
        ("TimeoutSecondsPath: t", vec!["path-syntax"]),
        ("TimeoutSecondsPath: '$..t'", vec!["reference-path"]),
        ("TimeoutSecondsPath: 1", vec!["wrong-type"]),
    ] {
        state(&task(fields), &codes);
    }
}

#[test]
fn wants_of_a_retrier_and_a_catcher_what_aws_wants() {
    let parallel = |fields: &str| {
        format!("Type: Parallel, Branches: [{{StartAt: B, States: {{B: {{Type: Succeed}}}}}}], Next: Z, {fields}")
    };
    for (fields, codes) in [
        ("Retry: [], Catch: []", vec![]),
        ("Retry: {}", vec!["wrong-type"]),
        ("Retry: [1]", vec!["wrong-type"]),
        ("Retry: [{}]", vec!["error-equals"]),
        ("Retry: [{ErrorEquals: []}]", vec!["error-equals"]),
        ("Retry: [{ErrorEquals: E}]", vec!["error-equals"]),
        ("Retry: [{ErrorEquals: [1]}]", vec!["error-equals"]),
        ("Retry: [{ErrorEquals: [States.ALL]}]", vec![]),
        ("Retry: [{ErrorEquals: [States.ALL, E]}]", vec!["states-all"]),
        ("Retry: [{ErrorEquals: [States.ALL]}, {ErrorEquals: [E]}]", vec!["states-all"]),
        ("Retry: [{ErrorEquals: [States.TimeOut]}]", vec!["(states-error-unknown)"]),
        ("Retry: [{ErrorEquals: [States.MyOwn]}]", vec![]),
        (
            "Retry: [{ErrorEquals: [E], IntervalSeconds: 0, MaxAttempts: 0, BackoffRate: 1, JitterStrategy: FULL}]",
            vec![],
        ),
        ("Retry: [{ErrorEquals: [E], MaxDelaySeconds: 0}]", vec!["out-of-range"]),
        ("Retry: [{ErrorEquals: [E], MaxDelaySeconds: 31622401}]", vec!["out-of-range"]),
        ("Retry: [{ErrorEquals: [E], BackoffRate: 0.9}]", vec!["out-of-range"]),
        ("Retry: [{ErrorEquals: [E], JitterStrategy: full}]", vec!["value-not-allowed"]),
        ("Retry: [{ErrorEquals: [E], Next: Z}]", vec!["field-unknown"]),
        ("Catch: [{ErrorEquals: [E], Next: Z, ResultPath: null, Assign: {a: 1}}]", vec![]),
        ("Catch: [{ErrorEquals: [E], Next: Z, ResultPath: $.a.*}]", vec!["reference-path"]),
        ("Catch: [{ErrorEquals: [E], Next: Z, Output: x}]", vec!["language-field"]),
        ("Catch: [{ErrorEquals: [E], Next: Z, _comment: x}]", vec!["field-unknown"]),
    ] {
        state(&parallel(fields), &codes);
    }
}

#[test]
fn wants_one_comparison_of_a_choice_rule() {
    for (rule, codes) in [
        ("Variable: $.a, StringEquals: b", vec![]),
        ("Variable: $$.Execution.Input.a, IsPresent: true", vec![]),
        ("Variable: $.a, StringEqualsPath: $.b", vec![]),
        ("Variable: $.a, StringEqualsPath: b", vec!["path-syntax"]),
        ("Variable: $.a, StringEquals: 1", vec!["wrong-type"]),
        ("Variable: $.a, NumericEquals: '1'", vec!["wrong-type"]),
        ("Variable: $.a, NumericEquals: '${One}'", vec![]),
        ("Variable: $.a, BooleanEquals: yes", vec!["wrong-type"]),
        ("Variable: $.a, TimestampEquals: '2020-01-01'", vec!["timestamp"]),
        ("Variable: $.a, TimestampEquals: '2020-01-01T00:00:00Z'", vec![]),
        ("Variable: $.a", vec!["choice-operator"]),
        ("StringEquals: a", vec!["choice-operator"]),
        ("Comment: empty", vec!["choice-operator"]),
        ("Variable: $.a, StringEquals: b, NumericEquals: 1", vec!["choice-operator"]),
        ("Variable: $.a, StringEqual: b", vec!["choice-operator", "field-unknown"]),
        ("Variable: a, IsNull: true", vec!["path-syntax"]),
        ("Variable: '$.a[*]', IsNull: true", vec!["reference-path"]),
        ("Not: {Variable: $.a, IsNull: true}", vec![]),
        ("Not: {And: [{Variable: $.a, IsNull: true}, {Or: [{Variable: $.b, IsNull: 1}]}]}", vec!["wrong-type"]),
        ("And: []", vec!["value-empty"]),
        ("And: [{Variable: $.a, IsNull: true, Next: Z}]", vec!["nested-next"]),
        ("And: [{Variable: $.a, IsNull: true}], Variable: $.b", vec!["choice-operator"]),
        ("And: 1", vec!["wrong-type"]),
        ("Or: [1]", vec!["not-an-object"]),
        ("Condition: '{% true %}'", vec!["choice-operator", "language-field"]),
    ] {
        // A rule of the wrong language has no comparison of its own.
        let codes: Vec<_> =
            codes.into_iter().filter(|code| !(rule.starts_with("Cond") && *code == "choice-operator")).collect();
        state(&format!("Type: Choice, Choices: [{{{rule}, Next: Z}}], Default: Z"), &codes);
    }
    for (rule, codes) in [
        ("Condition: '{% $states.input.a = 1 %}'", vec![]),
        ("Condition: true", vec![]),
        ("Condition: 1", vec!["wrong-type"]),
        ("Condition: a", vec!["wrong-type"]),
        ("Condition: '{% a %}'", vec!["jsonata-reference"]),
        ("Variable: $.a, IsNull: true", vec!["language-field", "language-field"]),
        ("Output: '{% $states.input %}', Condition: true", vec![]),
    ] {
        state(&format!("Type: Choice, QueryLanguage: JSONata, Choices: [{{{rule}, Next: Z}}], Default: Z"), &codes);
    }
}

#[test]
fn wants_one_duration_of_a_wait_state() {
    state("Type: Wait, Next: Z", &["wait-duration"]);
    state("Type: Wait, Seconds: 1, TimestampPath: $.t, Next: Z", &["wait-duration"]);
    state("Type: Wait, Seconds: -1, Next: Z", &["out-of-range"]);
    state("Type: Wait, Timestamp: '2020-01-01 00:00:00Z', Next: Z", &["timestamp"]);
    state("Type: Wait, Timestamp: '{% $now() %}', Next: Z", &["timestamp"]);
    state("Type: Wait, QueryLanguage: JSONata, Timestamp: '{% $now() %}', Next: Z", &[]);
}

#[test]
fn knows_what_a_map_state_takes() {
    let map = |config: &str, fields: &str| {
        format!("Type: Map, Next: Z, ItemProcessor: {{{config}StartAt: B, States: {{B: {{Type: Succeed}}}}}}{fields}")
    };
    let distributed = "ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: STANDARD}, ";
    for (config, fields, codes) in [
        ("", "", vec![]),
        ("ProcessorConfig: {Mode: INLINE}, ", "", vec![]),
        ("ProcessorConfig: {Mode: INLINE, ExecutionType: STANDARD}, ", "", vec!["processor-config"]),
        ("ProcessorConfig: {Mode: DISTRIBUTED}, ", "", vec!["processor-config"]),
        ("ProcessorConfig: {Mode: distributed}, ", "", vec!["value-not-allowed"]),
        ("ProcessorConfig: {Node: INLINE}, ", "", vec!["(field-unrecognized)"]),
        ("QueryLanguage: JSONata, ", "", vec!["field-unknown"]),
        ("", ", Iterator: {StartAt: C, States: {C: {Type: Succeed}}}", vec!["field-conflict"]),
        ("", ", ItemSelector: {}, Parameters: {}", vec!["field-conflict"]),
        ("", ", MaxConcurrency: -1", vec!["out-of-range"]),
        ("", ", MaxConcurrencyPath: $$.Execution.Input.n", vec!["reference-path"]),
        ("", ", ItemsPath: $$.Execution.Input.items", vec![]),
        ("", ", ItemsPath: null", vec!["wrong-type"]),
        ("", ", Items: []", vec!["language-field"]),
        ("", ", ToleratedFailurePercentage: 100.5", vec!["out-of-range"]),
        ("", ", Label: a", vec!["(distributed-only)"]),
        (distributed, ", Label: a, ToleratedFailurePercentage: 0.5", vec![]),
        (distributed, ", Label: ''", vec!["map-label"]),
        (distributed, ", Label: 'a b'", vec!["map-label"]),
        (distributed, ", Label: 1", vec!["wrong-type"]),
        (
            distributed,
            ", ItemReader: {Resource: 'arn:aws:states:::s3:getObject', ReaderConfig: {InputType: JSON}}",
            vec![],
        ),
        (distributed, ", ItemReader: {Resource: 'arn:aws:states:::s3:putObject'}", vec!["item-reader"]),
        (distributed, ", ItemReader: {}", vec!["item-reader"]),
        (
            distributed,
            ", ItemReader: {Resource: 'arn:aws:states:::s3:getObject', ReaderConfig: {InputType: CSV}}",
            vec!["item-reader"],
        ),
        (
            distributed,
            ", ItemReader: {Resource: 'arn:aws:states:::s3:getObject', ReaderConfig: {InputType: CSV, CSVHeaderLocation: GIVEN}}",
            vec!["item-reader"],
        ),
        (
            distributed,
            ", ItemReader: {Resource: 'arn:aws:states:::s3:listObjectsV2', ReaderConfig: {MaxItems: 1, MaxItemsPath: $.n}}",
            vec!["field-conflict"],
        ),
        (distributed, ", ItemBatcher: {MaxItemsPerBatch: 1, BatchInput: {a.$: b}}", vec!["payload-path"]),
        (distributed, ", ResultWriter: {WriterConfig: {OutputType: JSON}}", vec![]),
        (distributed, ", ResultWriter: {WriterConfig: {}}", vec!["result-writer"]),
        (distributed, ", ResultWriter: {Resource: 'arn:aws:states:::s3:getObject'}", vec!["result-writer"]),
    ] {
        state(&map(config, fields), &codes);
    }
}

#[test]
fn refuses_empty_branches() {
    state("Type: Parallel, Branches: [], Next: Z", &["branches-missing"]);
}
