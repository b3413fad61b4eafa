//! Task states: resources, integrations, what they need, advice.

use super::{MachineType, state};
use crate::asl::finding::Severity;
use crate::asl::parse::parse;
use crate::asl::{Usage, check, check_used};

#[track_caller]
fn task(resource: &str, fields: &str, codes: &[&str]) {
    state(&format!("Type: Task, Resource: \"{resource}\", Next: Z{fields}"), codes);
}

#[test]
fn knows_what_a_resource_can_be() {
    task("${Function}", "", &[]);
    task("arn:aws:lambda:eu-central-1:111122223333:function:f", "", &[]);
    task("arn:aws:lambda:eu-central-1:111122223333:function:f:$LATEST", "", &[]);
    task("arn:aws:lambda:eu-central-1:111122223333:function:${F}:live", "", &[]);
    task("arn:aws:lambda:eu-central-1:111122223333:function:f:", "", &["lambda-arn"]);
    task("arn:aws:lambda:eu-central-1:111122223333:function:f:$*", "", &["lambda-arn"]);
    task("my-function", "", &["resource-syntax"]);
    task("foo:bar", "", &["(resource-not-arn)"]);
    task("arn:aws:states:eu-central-1:111122223333:activty:a", "", &["(resource-unknown)"]);
    task("arn:aws:states:eu-central-1:111122223333:stateMachine:a", "", &["(resource-unknown)"]);
    task("arn:aws:lambda:eu-central-1:111122223333:layer:a", "", &["(resource-unknown)"]);
    task("arn:aws:swf:eu-central-1:111122223333:task:x", "", &[]);
}

#[test]
fn knows_the_integrations() {
    let all = ", Parameters: {FunctionName: f, QueueUrl: q, MessageBody: b, StateMachineArn: m, TableName: t, Key: {}}";
    for (integration, codes) in [
        ("lambda:invoke", vec![]),
        ("lambda:invoke.sync", vec!["integration-pattern"]),
        ("lambda:invok", vec!["integration-unknown"]),
        ("sqs:sendMessage", vec![]),
        ("dynamodb:getItem", vec![]),
        ("dynamodb:query", vec!["integration-unknown"]),
        ("states:startExecution.sync:2", vec![]),
        ("ecs:runTask.sync:2", vec!["integration-pattern", "parameters-missing"]),
        ("lamda:invoke", vec!["(integration-unsure)"]),
        ("glue:startCrawler", vec!["(integration-unsure)"]),
        ("aws-sdk:s3:listBuckets", vec![]),
        ("aws-sdk:s3:ListBuckets", vec!["(sdk-action)"]),
        ("aws-sdk:s3:listBuckts", vec!["(sdk-action-unknown)"]),
        ("aws-sdk:rds:describeDBInstances", vec![]),
        ("aws-sdk:rds:describeDbInstances", vec!["(sdk-action-unknown)"]),
        ("aws-sdk:honeycode:anything", vec![]),
        ("aws-sdk:config:listDiscoveredResources", vec![]),
        ("aws-sdk:databasemigrationservice:startReplicationTask", vec!["(sdk-service-unknown)"]),
        ("aws-sdk:sts:assumeRole", vec!["(sdk-action-unknown)"]),
        ("aws-sdk:dynamdb:query", vec!["(sdk-service-unknown)"]),
        ("aws-sdk:s3:listBuckets.sync", vec!["integration-pattern"]),
        ("aws-sdk:s3", vec!["(sdk-action)"]),
        ("${Service}:${Action}", vec![]),
    ] {
        task(&format!("arn:aws:states:::{integration}"), all, &codes);
    }
}

#[test]
fn wants_the_parameters_that_an_integration_needs() {
    let queue = "arn:aws:states:::sqs:sendMessage";
    task(queue, "", &["parameters-missing"]);
    task(queue, ", Parameters: {QueueUrl.$: $.q}", &["parameters-missing"]);
    task(queue, ", Parameters: {QueueUrl.$: $.q, MessageBody.$: $}", &[]);
    task(queue, ", QueryLanguage: JSONata, Arguments: '{% $states.input %}'", &[]);
    task(queue, ", QueryLanguage: JSONata", &["parameters-missing"]);
    task("arn:aws:states:::aws-sdk:s3:getObject", ", Parameters: {bucket: b}", &["(parameter-case)"]);
    task(
        "arn:aws:states:::sqs:sendMessage.waitForTaskToken",
        ", TimeoutSeconds: 9, Parameters: {QueueUrl: q, MessageBody: b}",
        &["(task-token-unused)"],
    );
}

#[test]
fn wants_a_role_in_credentials() {
    let function = "arn:aws:lambda:eu-central-1:111122223333:function:f";
    task(function, ", Credentials: {RoleArn: 'arn:aws:iam::111122223333:role/r'}", &[]);
    task(function, ", Credentials: {RoleArn.$: $.role}", &[]);
    task(function, ", Credentials: {}", &["credentials"]);
    task(function, ", Credentials: null", &["wrong-type"]);
    task(function, ", Credentials: '{% $states.input %}'", &["wrong-type"]);
    task(function, ", QueryLanguage: JSONata, Credentials: '{% $states.input %}'", &[]);
    let activity = "arn:aws:states:eu-central-1:111122223333:activity:a";
    task(activity, ", Credentials: {RoleArn: r}", &["credentials"]);
}

/// The codes of everything but errors and warnings.
fn advice(text: &str, usage: Usage) -> Vec<&'static str> {
    let found = check_used(&parse(text).unwrap(), usage);
    found.iter().filter(|finding| finding.severity == Severity::Advice).map(|finding| finding.code).collect()
}

#[test]
fn advises() {
    let standard = Usage { machine_type: MachineType::Standard, answers_route: false };
    let one = |fields: &str| format!("StartAt: A\nStates: {{A: {{{fields}, End: true}}}}\n");
    let function = "Type: Task, Resource: 'arn:aws:lambda:eu-central-1:111122223333:function:f'";
    assert_eq!(advice(&one(function), standard), ["lambda-without-retry"]);
    assert_eq!(advice(&one(&format!("{function}, Retry: [{{ErrorEquals: [E]}}]")), standard), [""; 0]);
    let activity = "Type: Task, Resource: 'arn:aws:states:eu-central-1:111122223333:activity:a'";
    assert_eq!(advice(&one(activity), standard), ["callback-without-timeout"]);
    assert_eq!(advice(&one(&format!("{activity}, HeartbeatSeconds: 9")), standard), [""; 0]);
    let choice = "StartAt: A\nStates:\n  A: {Type: Choice, Choices: [{Variable: $.a, IsNull: true, Next: B}]}\n  B: {Type: Fail}\n";
    assert_eq!(advice(choice, standard), ["choice-without-default"]);
    let wait = one("Type: Wait, Seconds: 30");
    assert_eq!(advice(&wait, standard), [""; 0]);
    let express = Usage { machine_type: MachineType::Express, answers_route: true };
    assert_eq!(advice(&wait, express), ["wait-behind-route"]);
    assert_eq!(advice(&one("Type: Wait, Seconds: 28"), express), [""; 0]);
}

#[test]
fn knows_what_express_refuses_besides() {
    let codes = |text: &str, machine_type| -> Vec<&'static str> {
        let found = check(&parse(text).unwrap(), machine_type);
        found.iter().filter(|finding| finding.severity > Severity::Advice).map(|finding| finding.code).collect()
    };
    let map = "\
StartAt: M
States:
  M:
    Type: Map
    End: true
    ItemProcessor:
      ProcessorConfig: {Mode: DISTRIBUTED, ExecutionType: EXPRESS}
      StartAt: T
      States:
        T: {Type: Task, Resource: 'arn:aws:states:::states:startExecution.sync', Parameters: {StateMachineArn: m}, End: true}
";
    assert_eq!(codes(map, MachineType::Standard), ["express-child"]);
    assert_eq!(codes(map, MachineType::Express), ["express-distributed-map", "express-pattern"]);
    let wait = "StartAt: W\nStates: {W: {Type: Wait, Seconds: 301, End: true}}";
    assert_eq!(codes(wait, MachineType::Standard), [""; 0]);
    assert_eq!(codes(wait, MachineType::Express), ["express-wait"]);
}
