//! The operator's credentials are nowhere but in its environment.

use serde_json::json;
use stepgate_testbed::OperatorOptions;

use super::{log, machine_with};
use crate::proxy::Proxy;
use crate::support::{Namespace, SECRETS, TENANT, account, machine, rest_api, route, start, suite};

#[tokio::test]
async fn credentials_are_told_to_nobody() {
    let ns = Namespace::new("esc-secrets").await;
    let suite = ns.suite;
    let pid = suite.operator.pid().expect("the operator runs");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap();
    let environment = String::from_utf8_lossy(&environment);
    for secret in SECRETS {
        assert!(environment.contains(secret), "the operator does not sign with what this test looks for");
    }

    // Calls that go well, that are refused, and that reach nobody.
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
    ns.apply(&manifests).await;
    ns.ready(&["statemachine/say", "restapi/api", "apiroute/say"]).await;
    let lost = Namespace::labelled("esc-secrets-lost", &[(TENANT, "esc-secrets-lost")]).await;
    lost.apply(&account("esc-secrets-lost", "http://127.0.0.1:1")).await;
    lost.apply(&machine("say", "hello")).await;
    lost.condition("awsaccount/esc-secrets-lost", "Reconciling", "True", "Retrying").await;
    lost.condition("statemachine/say", "Reconciling", "True", "Retrying").await;
    let refused = json!({"spec": {"executionRole": {"arn": "arn:aws:iam::000000000000:role/e2e-nowhere"}}});
    ns.patch("statemachine/say", refused).await;

    let testbed = suite.testbed;
    let kinds = "statemachines.stepgate.dev,restapis.stepgate.dev,apiroutes.stepgate.dev,usageplans.stepgate.dev,apidomains.stepgate.dev,awsaccounts.stepgate.dev,configmaps,events,controllerrevisions,leases";
    let objects = testbed.kubectl(["get", kinds, "-A", "-o", "json"]).await.unwrap();
    let planned = {
        let path = testbed.dir().join("esc-secrets.yaml");
        std::fs::write(&path, manifests.replace("hello", "planned")).unwrap();
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_stepgate"));
        command.args(["plan", "--cluster-name=testbed", "-o", "json"]).arg(&path).envs(testbed.env());
        let secrets = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].into_iter().zip(SECRETS);
        let output = command.env("AWS_ACCESS_KEY_ID", "test").envs(secrets).output().unwrap();
        String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
    };
    let told = [
        ("the log", std::fs::read_to_string(suite.operator.log_path()).unwrap()),
        ("the metrics", suite.operator.metrics().await.unwrap()),
        ("status, events and records", objects),
        ("stepgate plan", planned),
    ];
    for (place, text) in &told {
        assert!(text.len() > 100, "{place}: {text}");
        for secret in SECRETS {
            assert!(!text.contains(secret), "{place} tells `{secret}`");
        }
    }
    lost.patch("statemachine/say", json!({"metadata": {"annotations": {"stepgate.dev/abandon": "true"}}})).await;
    for object in ["statemachine/say", "awsaccount/esc-secrets-lost"] {
        lost.delete(object).await;
        lost.gone(object).await;
    }
}

/// Whoever looks for an error turns up the log, and sends it to others.
#[tokio::test]
async fn credentials_are_told_at_no_log_level() {
    let env = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    // A control plane of its own, on the same AWS.
    let loud = start(Some(suite().await), OperatorOptions { env, ..OperatorOptions::default() }).await.unwrap();
    let loud = &*Box::leak(Box::new(loud));
    let ns = Namespace::on(loud, "esc-secrets-loud", &[(TENANT, "e2e")]).await;
    let keys = "---\napiVersion: v1\nkind: Secret\nmetadata: {name: key}\nstringData: {a: never-to-be-told-api-key-1}\n---\napiVersion: stepgate.dev/v1alpha1\nkind: UsagePlan\nmetadata: {name: it}\nspec: {apiKeys: [{name: a, secretKeyRef: {name: key, key: a}}, {name: b, generate: {secretName: made, key: b}}]}\n";
    ns.apply(&[&machine("say", "hello"), &rest_api("api"), &route("say", "/say", "say"), keys].concat()).await;
    let all = ["statemachine/say", "restapi/api", "apiroute/say", "usageplan/it"];
    ns.ready(&all).await;
    // At this level also what a hostile manifest says: as a value on a line of the log.
    ns.apply(&machine_with("lines", &json!({"region": "x\n{level: INFO}\u{1b}[31m\u{202e}"}))).await;
    ns.stalled("statemachine/lines", "NotAdmitted").await;
    ns.delete("statemachine/lines").await;
    ns.gone("statemachine/lines").await;
    let made: k8s_openapi::api::core::v1::Secret = serde_json::from_value(ns.get("secret/made").await).unwrap();
    let made = String::from_utf8(made.data.unwrap()["b"].0.clone()).unwrap();
    for object in all {
        ns.delete(object).await;
    }
    for object in all {
        ns.gone(object).await;
    }
    loud.operator.stop().await.unwrap();
    assert!(!log(loud).is_empty());
    let log = std::fs::read_to_string(loud.operator.log_path()).unwrap();
    assert!(
        log.contains("\"TRACE\"") && log.contains("create state machine"),
        "the log is not as loud as this test takes it to be"
    );
    let kubeconfig = std::fs::read_to_string(loud.testbed.dir().join("operator.kubeconfig")).unwrap();
    let token = kubeconfig.split("token: ").nth(1).and_then(|rest| rest.split_whitespace().next()).unwrap();
    for secret in SECRETS.iter().chain(&[token.trim_matches('"'), "never-to-be-told-api-key-1", &made]) {
        let line = log.lines().find(|line| line.contains(secret)).unwrap_or_default();
        assert!(line.is_empty(), "{}", &line[..line.len().min(600)]);
    }
}

/// An account that the operator enters by a role: what STS answers is as secret as what the operator asks with.
#[tokio::test]
async fn what_an_assumed_role_signs_with_is_told_to_nobody_at_no_log_level() {
    let env = vec![("RUST_LOG".to_owned(), "trace".to_owned())];
    // A control plane of its own, on the same AWS.
    let loud = start(Some(suite().await), OperatorOptions { env, ..OperatorOptions::default() }).await.unwrap();
    let loud = &*Box::leak(Box::new(loud));
    let proxy = Proxy::start(loud.testbed.aws_endpoint()).await;
    let name = "esc-assumed";
    let ns = Namespace::on(loud, name, &[(TENANT, name)]).await;
    let enter = "credentials: {assumeRole: {roleArn: \"arn:aws:iam::000000000000:role/operator\"}}\n  tenants:";
    ns.apply(&account(name, proxy.url()).replace("tenants:", enter)).await;
    ns.apply(&[machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()).await;
    ns.ready(&["statemachine/say", "restapi/api", "apiroute/say"]).await;
    // Calls that are refused, too: their errors are told.
    let refused = json!({"spec": {"executionRole": {"arn": "arn:aws:iam::000000000000:role/e2e-nowhere"}}});
    ns.patch("statemachine/say", refused).await;
    ns.eventually("statemachine/say", "was looked at", async |found| {
        let found = found.ok_or("is not there")?;
        let seen = found["status"]["observedGeneration"] == found["metadata"]["generation"];
        if seen { Ok(()) } else { Err(found["status"].to_string()) }
    })
    .await;
    let secrets = proxy.assumed();
    assert!(secrets.len() >= 2 && secrets.iter().all(|secret| secret.len() > 20), "{} secrets", secrets.len());

    let kinds = "statemachines.stepgate.dev,restapis.stepgate.dev,apiroutes.stepgate.dev,usageplans.stepgate.dev,apidomains.stepgate.dev,awsaccounts.stepgate.dev,configmaps,events,controllerrevisions,leases";
    let objects = loud.testbed.kubectl(["get", kinds, "-A", "-o", "json"]).await.unwrap();
    let metrics = loud.operator.metrics().await.unwrap();
    for object in ["apiroute/say", "restapi/api", "statemachine/say"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    loud.operator.stop().await.unwrap();
    let log = std::fs::read_to_string(loud.operator.log_path()).unwrap();
    assert!(
        log.contains("\"TRACE\"") && log.contains("AssumeRole"),
        "the log is not as loud as this test takes it to be"
    );
    let secrets = [secrets, proxy.assumed()].concat();
    for (place, text) in [("the log", log), ("the metrics", metrics), ("status, events and records", objects)] {
        for secret in &secrets {
            let line = text.lines().find(|line| line.contains(secret)).unwrap_or_default();
            assert!(line.is_empty(), "{place}: {}", &line[..line.len().min(600)]);
        }
    }
}
