//! What a definition needs is held against what its namespace may have, and what can't be known is said.

use std::collections::BTreeSet;

use serde_json::json;

use crate::cloud::Cloud;
use crate::support::{Namespace, TENANT};

/// A StateMachine of one task.
fn task(name: &str, resource: &str, parameters: &str) -> String {
    format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {{name: {name}}}
spec:
  type: STANDARD
  definition: |
    StartAt: Do
    States:
      Do: {{Type: Task, Resource: "arn:aws:states:::{resource}", Parameters: {parameters}, End: true}}
"#
    )
}

fn queue(name: &str) -> String {
    format!("{{QueueUrl: \"https://sqs.us-east-1.amazonaws.com/000000000000/{name}\", MessageBody: hello}}")
}

fn start(name: &str) -> String {
    format!("{{StateMachineArn: \"arn:aws:states:us-east-1:000000000000:stateMachine:{name}\"}}")
}

#[tokio::test]
async fn a_definition_that_needs_more_than_the_ceiling() {
    let ns = Namespace::new("e2e-needs").await;
    for (name, resource, parameters, needs) in [
        (
            "another-queue",
            "sqs:sendMessage",
            queue("e2e-other-q"),
            "`sqs:SendMessage` on `arn:aws:sqs:us-east-1:000000000000:e2e-other-q`",
        ),
        (
            "any-queue",
            "sqs:sendMessage",
            "{QueueUrl.$: $.q, MessageBody: hello}".to_owned(),
            "`sqs:SendMessage` on `arn:aws:sqs:us-east-1:000000000000:*`",
        ),
        ("function", "lambda:invoke", "{FunctionName: admin}".to_owned(), "`lambda:InvokeFunction` on"),
        ("code", "aws-sdk:lambda:updateFunctionCode", "{FunctionName: f}".to_owned(), "`lambda:UpdateFunctionCode` on"),
        (
            "rule",
            "aws-sdk:eventbridge:putTargets",
            "{Rule: StepFunctionsGetEventsForECSTaskRule}".to_owned(),
            "`events:PutTargets` on",
        ),
        (
            "delivery",
            "aws-sdk:cloudwatchlogs:putResourcePolicy",
            "{PolicyName: p}".to_owned(),
            "`logs:PutResourcePolicy` on",
        ),
    ] {
        ns.apply(&task(name, resource, &parameters)).await;
        let message = ns.stalled(&format!("statemachine/{name}"), "OverCeiling").await;
        assert!(message.starts_with(&format!("spec.definition: state `Do` (/States/Do) needs {needs}")), "{message}");
        assert!(message.contains("tenant e2e in AWSAccount e2e") && message.contains("platform admin"), "{message}");
    }
    let names = ns.suite.testbed.aws().inventory().await.unwrap();
    assert!(!names.iter().any(|name| name.contains("e2e-needs")), "{names:?}");

    ns.apply(&task("another-queue", "sqs:sendMessage", &queue("e2e-needs-q"))).await;
    ns.ready(&["statemachine/another-queue"]).await;
    ns.condition("statemachine/another-queue", "PolicyComplete", "True", "Inferred").await;
    let machine = ns.get("statemachine/another-queue").await;
    assert_eq!(machine["status"]["policySummary"], "1 statement, 1 service");
    let role = Cloud::new(ns.suite.testbed.aws_endpoint()).role(machine["status"]["roleArn"].as_str().unwrap()).await;
    let allowed = BTreeSet::from(["sqs:SendMessage arn:aws:sqs:us-east-1:000000000000:e2e-needs-q".to_owned()]);
    assert_eq!(role.unwrap().allows(), allowed);
}

#[tokio::test]
async fn a_permission_that_only_an_execution_knows() {
    let ns = Namespace::new("e2e-unknown").await;
    ns.apply(&task("work", "lambda:invoke", "{FunctionName.$: $.f}")).await;
    ns.ready(&["statemachine/work"]).await;
    let message = ns.condition("statemachine/work", "PolicyComplete", "False", "UnknownPermissions").await;
    assert_eq!(
        message,
        "state `Do` (/States/Do) calls a Lambda function whose name only an execution knows; write by hand a statement \
         with lambda:InvokeFunction on what of `arn:aws:lambda:us-east-1:000000000000:function:*` it means"
    );
    assert_eq!(ns.get("statemachine/work").await["status"]["policySummary"], "no permissions; 1 unknown");
    ns.patch("statemachine/work", json!({"spec": {"executionRole": {"inferred": false}}})).await;
    ns.condition("statemachine/work", "PolicyComplete", "Unknown", "NotInferred").await;
}

#[tokio::test]
async fn a_task_that_starts_another_teams_machine() {
    let owner = Namespace::new("e2e-started").await;
    let caller = Namespace::labelled("e2e-starts", &[(TENANT, "e2e"), ("team", "starters")]).await;
    owner.apply(&crate::support::machine("work", "done")).await;
    owner.ready(&["statemachine/work"]).await;
    caller.apply(&task("go", "states:startExecution", &start("e2e-started_work"))).await;
    let message = caller.stalled("statemachine/go", "NotAllowed").await;
    assert_eq!(
        message,
        "spec.definition: state `Do` (/States/Do) may start StateMachine e2e-started/work, which does not admit namespace \
         e2e-starts; its owner must add it to spec.allowedCallers.namespaces"
    );
    let callers = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "starters"}}}});
    owner.patch("statemachine/work", json!({"spec": {"allowedCallers": callers}})).await;
    caller.ready(&["statemachine/go"]).await;
}
