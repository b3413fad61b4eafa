//! AWS's own verdicts: what CreateStateMachine and ValidateStateMachineDefinition answered, recorded by LocalStack's tests
//! (corpora/aws-recorded and the repository it is from), and measured by cdk-preflight and floci (their issues and rules).

use super::{MachineType, check};
use crate::asl::finding::Finding;
use crate::asl::parse::parse;

/// A state A and one that ends the machine.
fn machine(state: &str) -> String {
    format!("{{\"StartAt\": \"A\", \"States\": {{\"A\": {state}, \"Z\": {{\"Type\": \"Pass\", \"End\": true}}}}}}")
}

fn errors(text: &str, machine_type: MachineType) -> Vec<String> {
    let found = check(&parse(text).unwrap_or_else(|error| panic!("{error}\n{text}")), machine_type);
    found
        .iter()
        .filter(|finding| finding.is_error())
        .map(|Finding { code, pointer, .. }| format!("{code} {pointer}"))
        .collect()
}

#[test]
fn refuses_what_aws_refused_at_the_same_place() {
    let pass = |fields: &str| machine(&format!("{{\"Type\": \"Pass\", {fields}, \"Next\": \"Z\"}}"));
    let task = |fields: &str| machine(&format!("{{\"Type\": \"Task\", {fields}, \"Next\": \"Z\"}}"));
    let wait =
        |timestamp: &str| machine(&format!("{{\"Type\": \"Wait\", \"Timestamp\": \"{timestamp}\", \"Next\": \"Z\"}}"));
    let cases: Vec<(&str, String, &[&str])> = vec![
        ("These fields are required: [States, StartAt] at /", "{}".to_owned(), &["start-missing ", "states-missing "]),
        ("These fields are required: [States] at /", "{\"StartAt\": \"A\"}".to_owned(), &["states-missing "]),
        (
            "These fields are required: [StartAt]",
            "{\"States\": {\"A\": {\"Type\": \"Pass\", \"End\": true}}}".to_owned(),
            &["start-missing "],
        ),
        (
            "The field 'Type' should have one of these values: [Task, Wait, …] at /States/A/Type",
            machine("{\"Type\": \"TypeThatDoesNotExist\", \"Next\": \"Z\"}"),
            &["type-unknown /States/A/Type"],
        ),
        (
            "Value cannot be empty at /States/A/Branches",
            machine("{\"Type\": \"Parallel\", \"Branches\": [], \"Next\": \"Z\"}"),
            &["branches-missing /States/A/Branches"],
        ),
        (
            "'QueryLanguage' can not be 'JSONPath' if set to 'JSONata' for whole state machine",
            "{\"QueryLanguage\": \"JSONata\", \"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Pass\", \"QueryLanguage\": \
             \"JSONPath\", \"End\": true}}}"
                .to_owned(),
            &["query-language /States/A/QueryLanguage"],
        ),
        (
            "The field 'RoleArn' is required but was missing at /States/A/Credentials",
            task("\"Resource\": \"arn:aws:lambda:us-east-1:111122223333:function:f\", \"Credentials\": {}"),
            &["credentials /States/A/Credentials"],
        ),
        (
            "The resource provided arn:…:dynamodb:query is not recognized … at /States/A/Resource",
            task("\"Resource\": \"arn:aws:states:::dynamodb:query\", \"Parameters\": {}"),
            &["integration-unknown /States/A/Resource"],
        ),
        (
            "The value for the field 'parsed.$' must be a valid JSONPath or a valid intrinsic function call",
            pass(r#""Parameters": {"parsed.$": "States.StringToJson('{\"text\":\"An \\\"escaped double quote\\\" here\"}')"}"#),
            &["intrinsic-syntax /States/A/Parameters/parsed.$"],
        ),
        (
            "The value for the field 'parsed.$' must be a valid JSONPath or a valid intrinsic function call",
            pass(r#""Parameters": {"parsed.$": "States.Format('He said, \\\"Hello, {}!\\\"', 'Test \\\"Name\\\" Here')"}"#),
            &["intrinsic-syntax /States/A/Parameters/parsed.$"],
        ),
        ("String does not match RFC3339 timestamp", wait("2016-12-05 21:29:29Z"), &["timestamp /States/A/Timestamp"]),
        ("String does not match RFC3339 timestamp", wait("2016-12-05T21:29:29"), &["timestamp /States/A/Timestamp"]),
        ("String does not match RFC3339 timestamp", wait("2016-13-05T21:29:29Z"), &["timestamp /States/A/Timestamp"]),
        ("String does not match RFC3339 timestamp", wait("2016-12-05T25:29:29Z"), &["timestamp /States/A/Timestamp"]),
        ("String does not match RFC3339 timestamp", wait("05-12-2016T21:29:29Z"), &["timestamp /States/A/Timestamp"]),
        ("String does not match RFC3339 timestamp", wait("{% $t %}"), &["timestamp /States/A/Timestamp"]),
        ("Value must be a valid JSONPath.", pass("\"InputPath\": \"foo\""), &["path-syntax /States/A/InputPath"]),
        ("Field 'Catch' is not supported", pass("\"Catch\": []"), &["field-not-supported /States/A/Catch"]),
        ("Field 'Message.$' is not supported", pass("\"Message.$\": \"$\""), &["field-unknown /States/A/Message.$"]),
        (
            "There should only be one of the following fields: [Next, End]",
            pass("\"End\": true"),
            &["next-and-end /States/A"],
        ),
        (
            "Workflow has no terminal state",
            "{\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Pass\", \"Next\": \"B\"}, \"B\": {\"Type\": \"Pass\", \"Next\": \
             \"A\"}}}"
                .to_owned(),
            &["no-end "],
        ),
        (
            "State \"C\" is not reachable.",
            "{\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Pass\", \"Next\": \"B\"}, \"B\": {\"Type\": \"Pass\", \"Next\": \
             \"A\"}, \"C\": {\"Type\": \"Pass\", \"End\": true}}}"
                .to_owned(),
            &["unreachable-state /States/C"],
        ),
    ];
    for (said, text, expected) in cases {
        assert_eq!(errors(&text, MachineType::Standard), expected, "AWS: {said}\n{text}");
    }
    for (said, resource, code) in [
        (
            "Express state machine does not support '.sync' service integration",
            "arn:aws:states:::states:startExecution.sync",
            "express-pattern",
        ),
        (
            "Express state machine does not support '.waitForTaskToken' service integration",
            "arn:aws:states:::states:startExecution.waitForTaskToken",
            "express-pattern",
        ),
        (
            "Express state machine does not support Activity ARN",
            "arn:aws:states:us-east-1:111122223333:activity:a",
            "express-activity",
        ),
    ] {
        let text = task(&format!("\"Resource\": \"{resource}\", \"Parameters\": {{\"StateMachineArn\": \"m\"}}"));
        assert_eq!(errors(&text, MachineType::Express), [format!("{code} /States/A/Resource")], "AWS: {said}");
        assert_eq!(errors(&text, MachineType::Standard), [""; 0]);
    }
}

/// Machines that ran on AWS, or that it called valid, and that a stricter reader would refuse.
#[test]
fn takes_what_aws_took() {
    let pass = |fields: &str| machine(&format!("{{\"Type\": \"Pass\", {fields}, \"Next\": \"Z\"}}"));
    let lambda = "\"Type\": \"Task\", \"Resource\": \"arn:aws:lambda:us-east-1:111122223333:function:f\"";
    for text in [
        pass("\"OutputPath\": \"$.[?(@.year < 1999)].name\""),
        pass(r#""Parameters": {"value.$": "$['Test\\\"\"Name\"']"}"#),
        pass("\"Result\": {\"not_an_intrinsic_function.$\": \"States.StringToJson(\"}"),
        pass("\"QueryLanguage\": \"JSONata\", \"Output\": \" {% states.input %} \""),
        pass("\"QueryLanguage\": \"JSONata\", \"Output\": {\"constant_jp_input.$\": \"$.input\"}"),
        pass("\"QueryLanguage\": \"JSONata\", \"Output\": \"{% $doesNotExist %}\""),
        pass("\"Assign\": {\"a\": \"{% $b %}\", \"c\": [\"$.d\", null]}"),
        machine(&format!("{{{lambda}, \"Retry\": [], \"Catch\": [], \"Next\": \"Z\"}}")),
        machine(&format!(
            "{{{lambda}, \"Retry\": [{{\"ErrorEquals\": [\"States.ALL\"], \"IntervalSeconds\": 0, \"MaxAttempts\": 0}}], \
             \"Next\": \"Z\"}}"
        )),
        machine("{\"Type\": \"Wait\", \"Timestamp\": \"2016-03-05T21:29:29.243167252Z\", \"Next\": \"Z\"}"),
        machine(
            "{\"Type\": \"Map\", \"ItemsPath\": \"$$.Execution.Input.a\", \"ItemProcessor\": {\"StartAt\": \"B\", \"States\": {\"B\": \
             {\"Type\": \"Pass\", \"QueryLanguage\": \"JSONPath\", \"End\": true}}}, \"QueryLanguage\": \"JSONPath\", \"Next\": \"Z\"}",
        ),
        "{\"StartAt\": \"A\", \"TimeoutSeconds\": 0, \"Version\": \"1.0\", \"States\": {\"A\": {\"Type\": \"Succeed\"}}}".to_owned(),
    ] {
        assert_eq!(errors(&text, MachineType::Standard), [""; 0], "{text}");
    }
}
