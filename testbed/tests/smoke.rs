//! The testbed itself: it works, and it leaves nothing behind.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Namespace;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use serde_json::json;
use stepgate_testbed::{Options, Relay, Testbed};

/// The processes that the testbed of this directory started.
fn pids(dir: &Path) -> BTreeSet<String> {
    let files = std::fs::read_dir(dir.join("pids")).unwrap();
    files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap().trim().to_owned()).collect()
}

fn alive(pid: &str) -> bool {
    Command::new("kill").args(["-0", pid]).stderr(Stdio::null()).status().unwrap().success()
}

fn wait_until_gone(dir: &Path, pids: &BTreeSet<String>) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while dir.exists() || pids.iter().any(|pid| alive(pid)) {
        assert!(
            Instant::now() < deadline,
            "left: {:?}, directory {}",
            pids.iter().filter(|pid| alive(pid)).collect::<Vec<_>>(),
            if dir.exists() { "too" } else { "gone" }
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[tokio::test]
async fn a_testbed_works_loses_nothing_when_the_api_server_restarts_and_leaves_nothing() {
    let testbed = Testbed::start(Options::default()).await.unwrap();
    let namespaces: Api<Namespace> = Api::all(testbed.kube_client().await.unwrap());
    let team = Namespace {
        metadata: ObjectMeta { name: Some("team".into()), ..ObjectMeta::default() },
        ..Namespace::default()
    };
    namespaces.create(&PostParams::default(), &team).await.unwrap();
    assert!(testbed.kubectl(["get", "namespaces", "-o", "name"]).await.unwrap().contains("namespace/team\n"));

    testbed.stop_apiserver().await.unwrap();
    assert!(namespaces.get("team").await.is_err());
    testbed.start_apiserver().await.unwrap();
    assert!(testbed.kubectl(["get", "namespace", "team"]).await.is_ok());

    namespaces.delete("team", &DeleteParams::default()).await.unwrap();
    testbed.kubectl(["wait", "--for=delete", "namespace/team", "--timeout=30s"]).await.unwrap();

    // The emulator runs a machine, and a relay cuts it off without losing it.
    let definition = json!({"QueryLanguage": "JSONata", "StartAt": "Count", "States": {
        "Count": {"Type": "Pass", "Output": "{% $count($states.input) %}", "End": true}}});
    let role = "arn:aws:iam::000000000000:role/r";
    let machine = json!({"name": "count", "definition": definition.to_string(), "roleArn": role});
    let relay = Relay::start(testbed.aws_endpoint()).await.unwrap();
    let aws = stepgate_testbed::Aws::new(relay.url());
    let arn = aws.json("states", "CreateStateMachine", machine).await.unwrap()["stateMachineArn"].clone();
    relay.cut();
    assert!(aws.inventory().await.is_err());
    relay.restore();
    assert!(aws.inventory().await.unwrap().contains("state machine count"));
    let started =
        aws.json("states", "StartExecution", json!({"stateMachineArn": arn, "input": "[1, 2]"})).await.unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let ended = loop {
        let execution = json!({"executionArn": started["executionArn"]});
        let state = aws.json("states", "DescribeExecution", execution).await.unwrap();
        if state["status"] != "RUNNING" || Instant::now() > deadline {
            break state;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    };
    assert_eq!((&ended["status"], &ended["output"]), (&json!("SUCCEEDED"), &json!("2")));

    let (dir, pids) = (testbed.dir().to_owned(), pids(testbed.dir()));
    assert_eq!(pids.len(), 4, "etcd, API server, controller manager, emulator");
    drop(testbed);
    wait_until_gone(&dir, &pids);
}

#[test]
fn nothing_outlives_an_owner_that_was_killed() {
    let state = std::env::temp_dir().join(format!("stepgate-smoke-{}", std::process::id()));
    let mut owner = Command::new(env!("CARGO_BIN_EXE_testbed"))
        .args(["serve", "--no-operator", "--state-dir"])
        .arg(&state)
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(1200);
    while !state.join("access.json").exists() {
        assert!(owner.try_wait().unwrap().is_none(), "`testbed serve` ended");
        assert!(Instant::now() < deadline, "`testbed serve` is not ready");
        std::thread::sleep(Duration::from_millis(100));
    }
    let access: serde_json::Value = serde_json::from_slice(&std::fs::read(state.join("access.json")).unwrap()).unwrap();
    let dir = Path::new(access["dir"].as_str().unwrap()).to_owned();
    let pids = pids(&dir);
    assert!(pids.len() == 4 && pids.iter().all(|pid| alive(pid)));
    owner.kill().unwrap();
    owner.wait().unwrap();
    wait_until_gone(&dir, &pids);
    std::fs::remove_dir_all(state).unwrap();
}
