//! `stepgate graph`, as its user sees it.
#![allow(clippy::unwrap_used)]

use std::io::Write;
use std::process::{Command, Stdio};

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn graph(arguments: &[&str], input: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .arg("graph")
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // It does not read its input where the arguments are wrong.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

const MANIFEST: &str = "\
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {name: orders, namespace: shop}
spec:
  type: STANDARD
  substitutions:
    - {name: Function, value: \"arn:${AWS::Partition}:lambda:${AWS::Region}:111122223333:function:pack\"}
    - {name: Patience, json: \"30\"}
  definition: |
    StartAt: Pack
    States:
      Pack:
        Type: Task
        Resource: ${Function}
        Catch: [{ErrorEquals: [States.Timeout], Next: Wait}]
        Next: Done
      Wait: {Type: Wait, Seconds: \"${Patience}\", Next: Pack}
      Done: {Type: Succeed}
";

const PICTURE: &str = "\
flowchart TD
    s0_0((Start))
    s0_1[\"Pack<br/>Task · lambda pack\"]
    s0_2[\"Wait<br/>Wait · 30 s\"]
    s0_3([\"Done<br/>Succeed\"])
    s0_4((End))
    s0_0 --> s0_1
    s0_1 --> s0_3
    s0_1 -.->|\"States.Timeout\"| s0_2
    s0_2 --> s0_1
    s0_3 --> s0_4
    classDef dot fill:#545b64,stroke:#545b64,color:#fff
    class s0_0,s0_4 dot
";

#[test]
fn draws_a_manifests_machine_with_its_substitutions() {
    let run = graph(&["-"], MANIFEST);
    assert_eq!((run.code, run.err.as_str(), run.out.as_str()), (0, "", PICTURE));
    let run = graph(&["-", "-o", "dot"], MANIFEST);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.starts_with("digraph \"shop_orders\" {\n") && run.out.ends_with("}\n"), "{}", run.out);
    let run = graph(&["-", "-o", "svg"], MANIFEST);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.starts_with("<svg xmlns=") && run.out.ends_with("</svg>\n"), "{}", run.out);
    assert!(
        run.out.contains(">Task · lambda pack</text>") && run.out.contains(">States.Timeout</text>"),
        "{}",
        run.out
    );
}

/// docs/graph.md shows what the program prints.
#[test]
fn the_document_shows_what_is_printed() {
    let document = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/graph.md")).unwrap();
    let blocks = |language: &str| -> Vec<String> {
        let begin = format!("```{language}\n");
        let parts = document.split(&begin).skip(1);
        parts.map(|part| part.split("```").next().unwrap().to_owned()).collect()
    };
    let run = graph(&["-"], &blocks("yaml")[0]);
    assert_eq!((run.code, &run.out), (0, &blocks("mermaid")[0]));
}

#[test]
fn draws_several_machines() {
    let run = graph(&["examples/ec2-sync-async"], "");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let titles: Vec<&str> = run.out.lines().filter(|line| line.starts_with("## ")).collect();
    assert_eq!(titles.len(), 2, "{}", run.out);
    assert!(
        titles[0].starts_with("## examples/ec2-sync-async/") && titles[0].contains(": StateMachine "),
        "{titles:?}"
    );
    assert_eq!(run.out.matches("```mermaid\nflowchart TD\n").count(), 2);
    let run = graph(&["examples/ec2-sync-async", "-o", "svg"], "");
    assert_eq!((run.code, run.out.matches("class=\"title\"").count(), run.out.matches("<svg").count()), (0, 2, 1));
}

#[test]
fn draws_what_is_wrong_and_says_what_can_not_be_read() {
    let run = graph(&["-"], "{\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Pass\", \"Next\": \"B\"}}}");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    assert!(run.out.contains("[\"B<br/>no such state\"]"), "{}", run.out);
    let run = graph(&["-"], &MANIFEST.replace("StartAt: Pack", "StartAt: [Pack"));
    assert_eq!((run.code, run.out.as_str()), (1, ""));
    assert!(run.err.starts_with("error: standard input: StateMachine shop/orders: line "), "{}", run.err);
    let run = graph(&["nowhere.yaml"], "");
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: nowhere.yaml: "), "{}", run.err);
}

#[test]
fn an_execution_must_be_one_that_has_a_history() {
    for (arn, words) in [
        ("shop_orders", "the ARN of an execution is arn:aws:states:REGION:ACCOUNT:execution:MACHINE:NAME"),
        ("arn:aws:states:eu-central-1:111122223333:stateMachine:a", "the ARN of an execution is"),
        (
            "arn:aws:states:eu-central-1:111122223333:express:a:b:c",
            "AWS keeps no history of EXPRESS executions but in their logs",
        ),
    ] {
        let run = graph(&["-", "--execution", arn], MANIFEST);
        assert_eq!(run.code, 64, "{}", run.err);
        assert!(run.err.contains(words), "{}", run.err);
    }
    let other = "arn:aws:states:eu-central-1:111122223333:execution:other:1";
    let run = graph(&["examples/ec2-sync-async", "--execution", other], "");
    assert_eq!((run.code, run.err.as_str()), (1, "error: the paths hold 0 definitions of the state machine other\n"));
}
