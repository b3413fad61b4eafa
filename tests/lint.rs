//! `stepgate lint`, as its user sees it; and docs/lint.md, which is held to the code.
#![allow(clippy::unwrap_used)]

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use stepgate::asl::{Basis, RULES};

struct Run {
    code: i32,
    out: String,
    err: String,
}

fn lint_in(folder: &Path, arguments: &[&str], input: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .arg("lint")
        .args(arguments)
        .current_dir(folder)
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

fn lint(arguments: &[&str], input: &str) -> Run {
    lint_in(Path::new(env!("CARGO_MANIFEST_DIR")), arguments, input)
}

const MANIFEST: &str = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: shared, namespace: shop}
data:
  queue: https://sqs.eu-central-1.amazonaws.com/111122223333/orders
  other: |
    StartAt: Wait
    States:
      Wait: {Type: Wait, Seconds: 60, End: true}
---
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {name: orders, namespace: shop}
spec:
  type: STANDARD
  substitutions:
    - {name: Queue, configMapKeyRef: {name: shared, key: queue}}
    - {name: Next, stateMachineRef: {name: other}}
  definition: |
    StartAt: Send
    States:
      Send:
        Type: Task
        Resource: arn:aws:states:::sqs:sendMessage
        Parameters:
          QueueUrl: ${Queue}
          MessageBody.$: body
        Next: Dome
      Done: {Type: Succeed}
---
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {name: other, namespace: shop}
spec:
  type: EXPRESS
  definitionFrom: {configMapKeyRef: {name: shared, key: other}}
---
apiVersion: stepgate.dev/v1alpha1
kind: APIRoute
metadata: {name: other, namespace: shop}
spec:
  apiRef: {name: api}
  method: POST
  path: /other
  authorization: {type: AWS_IAM}
  target: {stateMachineRef: {name: other}, action: StartSyncExecution}
";

#[test]
fn shows_each_finding_with_its_line_and_a_caret() {
    let run = lint(&["-"], MANIFEST);
    assert_eq!((run.code, run.err.as_str()), (1, ""), "{}", run.out);
    let expected = "\
error[payload-path]: State `Send` has `MessageBody.$` with `body`, which is neither a path nor an intrinsic function: it does not begin with `$`
  --> standard input:27:26
   |
27 |           MessageBody.$: body
   |                          ^^^^
   |
   = note: in StateMachine shop/orders
   = help: leave `.$` out of the key if the text itself is meant, as `MessageBody`

error[unknown-next]: State `Send` has Next `Dome`, which no state of this level has
  --> standard input:28:15
   |
28 |         Next: Dome
   |               ^^^^
   |
   = note: in StateMachine shop/orders
   = help: did you mean `Done`?
";
    assert!(run.out.contains(expected), "{}", run.out);
    assert!(run.out.contains("warning[unused-substitution]"), "{}", run.out);
    // The other machine's text is in a ConfigMap, and a route waits for it.
    assert!(run.out.contains("advice[wait-behind-route]") && run.out.contains("standard input:9:35"), "{}", run.out);
    assert!(run.out.ends_with("2 definitions: 2 errors, 1 warning, 1 piece of advice\n"), "{}", run.out);
}

#[test]
fn prints_json_for_programs() {
    let run = lint(&["-", "-o", "json"], MANIFEST);
    assert_eq!(run.code, 1);
    let found: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    let next = found.iter().find(|finding| finding["code"] == "unknown-next").unwrap();
    let expected = serde_json::json!({
        "file": "standard input",
        "object": "StateMachine shop/orders",
        "path": "/States/Send/Next",
        "line": 28,
        "column": 15,
        "severity": "error",
        "code": "unknown-next",
        "message": "State `Send` has Next `Dome`, which no state of this level has",
        "help": "did you mean `Done`?",
    });
    assert_eq!(*next, expected);
    assert!(found.iter().any(|finding| finding["severity"] == "advice"));
}

#[test]
fn prints_sarif_that_names_rules_and_places() {
    let run = lint(&["-", "-o", "sarif"], MANIFEST);
    assert_eq!(run.code, 1);
    let sarif: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!((&sarif["version"], sarif["runs"].as_array().unwrap().len()), (&"2.1.0".into(), 1));
    let (driver, results) = (&sarif["runs"][0]["tool"]["driver"], sarif["runs"][0]["results"].as_array().unwrap());
    assert_eq!(driver["rules"].as_array().unwrap().len(), RULES.len());
    for result in results {
        let index = usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap();
        assert_eq!(driver["rules"][index]["id"], result["ruleId"]);
        assert_eq!(driver["rules"][index]["defaultConfiguration"]["level"], result["level"]);
        assert!(!result["message"]["text"].as_str().unwrap().is_empty());
        assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "standard%20input");
    }
    let next = results.iter().find(|result| result["ruleId"] == "unknown-next").unwrap();
    assert_eq!(
        next["locations"][0]["physicalLocation"]["region"],
        serde_json::json!({"startLine": 28, "startColumn": 15})
    );
}

#[test]
fn prints_workflow_commands_for_github() {
    let run = lint(&["-", "-o", "github"], MANIFEST);
    assert_eq!(run.code, 1);
    let line = "::error file=standard input,line=28,col=15,title=unknown-next::State `Send` has Next `Dome`, which no state of \
                this level has; did you mean `Done`?";
    assert!(run.out.lines().any(|found| found == line), "{}", run.out);
    assert!(run.out.lines().all(|line| line.starts_with("::")), "{}", run.out);
}

#[test]
fn reads_definitions_alone() {
    let definition = "{\"StartAt\": \"A\", \"States\": {\"A\": {\"Type\": \"Task\", \"Resource\": \
                      \"arn:aws:states:::states:startExecution.sync\", \"Parameters\": {\"StateMachineArn\": \"${Machine}\"}, \
                      \"End\": true}}}";
    let run = lint(&["-", "-o", "json"], definition);
    let codes = |run: &Run| -> Vec<String> {
        let found: Vec<Value> = serde_json::from_str(&run.out).unwrap();
        found.iter().map(|finding| finding["code"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((run.code, codes(&run)), (0, vec!["unresolved-placeholder".to_owned()]));
    let run = lint(&["-", "-o", "json", "--type", "EXPRESS"], definition);
    assert_eq!(run.code, 1);
    assert_eq!(codes(&run), ["express-pattern", "unresolved-placeholder"]);
    let run = lint(&["-", "--type", "QUICK"], definition);
    assert_eq!(run.code, 64, "{}", run.err);

    // By its name a definition, though nothing else of it is.
    let folder = std::env::temp_dir().join(format!("stepgate-lint-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("broken.asl.json"), "{\"StartAt\": \"A\"\n \"States\": {}}").unwrap();
    fs::write(folder.join("values.yaml"), "replicas: 1\n").unwrap();
    let run = lint_in(&folder, &["."], "");
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(run.code, 1);
    assert!(run.out.contains("error[unreadable]") && run.out.contains("broken.asl.json:2:2"), "{}", run.out);
    assert!(run.out.ends_with("1 definition: 1 error\n"), "{}", run.out);
}

#[test]
fn says_what_can_not_be_read() {
    let run = lint(&["nowhere.yaml"], "");
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: nowhere.yaml: "), "{}", run.err);
    let run =
        lint(&["-"], "apiVersion: stepgate.dev/v1alpha1\nkind: StateMachine\nmetadata: {name: a}\nspec: {type: X}\n");
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: standard input: "), "{}", run.err);
    assert_eq!(lint(&[], "").code, 64);
}

#[test]
fn finds_no_error_in_the_examples() {
    for entry in fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            let run = lint(&[path.to_str().unwrap()], "");
            assert_eq!(run.code, 0, "{}\n{}", run.out, run.err);
        }
    }
}

// --- docs/lint.md ---

/// `UPDATE_DOCS=1` writes the table.
#[test]
fn lint_md_has_every_code() {
    const BEGIN: &str = "<!-- codes -->\n";
    const END: &str = "<!-- end of codes -->\n";
    let mut table = "| code | | what it means | known from |\n|---|---|---|---|\n".to_owned();
    for rule in RULES {
        let basis = match rule.basis {
            Basis::Aws => "AWS",
            Basis::Specification => "specification",
            Basis::Documentation => "documentation",
            Basis::Labels => "labels",
            Basis::Stepgate => "stepgate",
            Basis::Practice => "practice",
        };
        let about = rule.about.replace('|', "\\|");
        writeln!(table, "| `{}` | {} | {about} | {basis} |", rule.code, rule.severity.name()).unwrap();
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/lint.md");
    let document = fs::read_to_string(&path).unwrap();
    let (head, rest) = document.split_once(BEGIN).unwrap();
    let (written, tail) = rest.split_once(END).unwrap();
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, format!("{head}{BEGIN}{table}{END}{tail}")).unwrap();
        return;
    }
    assert!(written == table, "docs/lint.md is not what src/asl/codes.rs says: UPDATE_DOCS=1 cargo test --test lint");
    let mut codes: Vec<&str> = RULES.iter().map(|rule| rule.code).collect();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), RULES.len(), "two rules have one code");
}

/// A manifest in one line of JSON, as generators write it: the place is said, and only what is around it is shown.
#[test]
fn shows_what_is_around_the_place_in_a_long_line() {
    let machine = |n: usize| {
        let definition = r#"{"StartAt": "Gone", "States": {"A": {"Type": "Succeed"}}}"#;
        serde_json::json!({
            "apiVersion": "stepgate.dev/v1alpha1", "kind": "StateMachine", "metadata": {"name": format!("m-{n}")},
            "spec": {"type": "EXPRESS", "definition": definition},
        })
    };
    let list = |most: usize| {
        let items: Vec<Value> = (0..most).map(machine).collect();
        serde_json::json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string()
    };
    let many = list(3_000);
    assert!(many.len() > 500_000);
    let run = lint(&["-o", "json", "-"], &many);
    let found: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    assert_eq!(found.iter().filter(|one| one["severity"] == "error").count(), 2 * 3_000);
    let columns: Vec<u64> = found.iter().map(|one| one["column"].as_u64().unwrap()).collect();
    assert!(found.iter().all(|one| one["line"] == 1) && columns.is_sorted() && columns[5_000] > 400_000);
    // A thousand characters for each: without a bound it is the whole line each time.
    let run = lint(&["-"], &many);
    assert_eq!(run.code, 1);
    assert!(run.out.len() < found.len() * 1_000, "{} bytes for {} findings", run.out.len(), found.len());
    let last = run.out.split("\n\n").filter(|told| told.contains("m-2999")).last().unwrap();
    let place = format!("standard input:1:{}", columns.last().unwrap());
    assert!(last.contains(&place) && last.contains("…"), "{last}");
}
