//! `stepgate graph --execution`: the way that a real execution took.

use std::process::Command;

use crate::cloud::Cloud;
use crate::support::{Namespace, PATIENCE, eventually};

const MACHINE: &str = r#"---
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {name: orders}
spec:
  type: STANDARD
  executionRole: {inferred: false}
  definition: |
    StartAt: Each
    States:
      Each:
        Type: Map
        ItemsPath: $.items
        MaxConcurrency: 1
        ItemProcessor:
          StartAt: Fits?
          States:
            Fits?:
              Type: Choice
              Choices: [{Variable: $, NumericLessThan: 3, Next: Pack}]
              Default: Too large
            Pack: {Type: Pass, End: true}
            Too large: {Type: Fail, Error: TooLarge}
        Catch: [{ErrorEquals: [TooLarge], Next: Both}]
        Next: Never
      Both:
        Type: Parallel
        Branches:
        - {StartAt: Left, States: {Left: {Type: Pass, End: true}}}
        - {StartAt: Right, States: {Right: {Type: Pass, End: true}}}
        Next: Give up
      Never: {Type: Succeed}
      Give up: {Type: Fail, Error: GaveUp}
"#;

#[tokio::test]
async fn a_picture_shows_what_an_execution_did() {
    let ns = Namespace::new("graph").await;
    ns.apply(MACHINE).await;
    ns.ready(&["statemachine/orders"]).await;
    let arn = ns.get("statemachine/orders").await["status"]["stateMachineArn"].as_str().unwrap().to_owned();
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let start =
        aws.sfn.start_execution().state_machine_arn(&arn).input(r#"{"items": [1, 2, 3]}"#).send().await.unwrap();
    let execution = start.execution_arn().to_owned();
    eventually("the execution ends", PATIENCE, async || {
        let found = aws.sfn.describe_execution().execution_arn(&execution).send().await.unwrap();
        (found.status().as_str() == "FAILED").then_some(()).ok_or(found.status().as_str().to_owned())
    })
    .await;
    let file = ns.suite.testbed.access().dir().join("graph.yaml");
    std::fs::write(&file, MACHINE.replace("{name: orders}", "{name: orders, namespace: graph}")).unwrap();
    let draw = |format: &str, execution: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_stepgate"))
            .args(["graph", "-o", format, "--execution", execution])
            .arg(&file)
            .envs(ns.suite.testbed.access().env())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env_remove("AWS_CA_BUNDLE")
            .output()
            .unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    };

    let (code, picture, errors) = draw("mermaid", &execution);
    assert_eq!((code, errors.as_str()), (0, ""), "{picture}");
    // The node of each state, and the class that colours it.
    let class = |name: &str| {
        let node = picture.lines().find(|line| line.contains(&format!("\"{name}<br/>"))).unwrap().trim();
        let node = node.strip_prefix("subgraph ").unwrap_or(node);
        let id = node.split(|c: char| c != '_' && !c.is_ascii_alphanumeric()).next().unwrap();
        let class = picture.lines().filter_map(|line| line.trim().strip_prefix("class ")?.split_once(' '));
        let mut class = class.filter(|(ids, _)| ids.split(',').any(|other| other == id));
        (class.next().unwrap().1.to_owned(), node.to_owned())
    };
    for (state, status) in [
        ("Each", "caught"),
        ("Both", "succeeded"),
        ("Left", "succeeded"),
        ("Right", "succeeded"),
        ("Too large", "failed"),
        ("Give up", "failed"),
        ("Never", "unreached"),
    ] {
        assert_eq!(class(state).0, status, "{state}: {picture}");
    }
    let words = class("Each").1.replace("<br/>", " ");
    assert!(words.contains("caught") && words.contains("3 iterations: 2 succeeded, 1 failed"), "{picture}");
    assert!(picture.contains("linkStyle "), "{picture}");

    let (code, picture, _) = draw("svg", &execution);
    assert_eq!(code, 0);
    assert!(picture.contains("class=\"edge catch taken\""), "{picture}");
    let never = picture.lines().find(|line| line.starts_with("<g><title>Never</title>")).unwrap();
    assert!(never.contains("stroke-dasharray"), "{never}");

    let (code, _, errors) = draw("svg", &format!("{execution}x"));
    assert_eq!(code, 1);
    assert!(errors.starts_with("error: GetExecutionHistory: ") && errors.contains("ExecutionDoesNotExist"), "{errors}");
}
