//! AWS's quotas, kept against an emulator that has none.

use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepgate_testbed::OperatorOptions;

use crate::support::{Namespace, PATIENCE, TENANT, eventually, machine, start, suite};

/// An API and its route, named after each other.
fn api(name: &str) -> String {
    format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: RestAPI
metadata: {{name: {name}}}
spec: {{stages: [{{name: prod}}]}}
---
apiVersion: stepgate.dev/v1alpha1
kind: APIRoute
metadata: {{name: {name}}}
spec:
  apiRef: {{name: {name}}}
  path: /say
  method: POST
  authorization: {{type: NONE}}
  target: {{action: StartSyncExecution, stateMachineRef: {{name: say}}}}
"#
    )
}

/// The first of these objects that says that it waits for AWS's quotas, and its conditions that say so.
async fn waiting(ns: &Namespace, resource: &str, names: &[&str]) -> (Value, Vec<Value>) {
    eventually(&format!("a {resource} waits for quota"), PATIENCE, async || {
        for name in names {
            let object = ns.get(&format!("{resource}/{name}")).await;
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let found: Vec<_> = conditions.into_iter().filter(|one| one["reason"] == "WaitingForQuota").collect();
            if !found.is_empty() {
                return Ok((object, found));
            }
        }
        Err("none says so".to_owned())
    })
    .await
}

#[tokio::test]
async fn a_wait_for_aws_s_quotas_is_told_and_ends() {
    let args = ["--aws-quotas=always", "--cluster-name=quotas"].map(str::to_owned).to_vec();
    let suite = start(Some(suite().await), OperatorOptions { args, ..OperatorOptions::default() }).await.unwrap();
    let ns = Namespace::on(Box::leak(Box::new(suite)), "quotas", &[(TENANT, "e2e")]).await;
    const NAMES: [&str; 3] = ["one", "two", "three"];
    ns.apply(&machine("say", "hello")).await;
    ns.ready(&["statemachine/say"]).await;
    let applied = Instant::now();
    ns.apply(&NAMES.map(api).concat()).await;

    let (object, conditions) = waiting(&ns, "restapi", &NAMES).await;
    let (_, of_route) = waiting(&ns, "apiroute", &NAMES).await;
    let message = of_route[1]["message"].as_str().unwrap();
    let begins =
        message.starts_with("RestAPI quotas/") && message.contains(" is waiting for API Gateway's quota of 1 ");
    assert!(begins, "{message}");
    let metrics = ns.suite.operator.metrics().await.unwrap();
    let mut gauges = metrics.lines().filter(|line| line.starts_with("stepgate_aws_quota_waiting{"));
    assert!(gauges.any(|line| line.contains("API Gateway") && !line.ends_with(" 0")), "{metrics}");
    assert_eq!(object["status"]["observedGeneration"], object["metadata"]["generation"]);
    let says: Vec<_> =
        conditions.iter().map(|it| (it["type"].as_str().unwrap(), it["status"].as_str().unwrap())).collect();
    assert_eq!(says, [("Ready", "False"), ("Reconciling", "True")]);
    let message = conditions[1]["message"].as_str().unwrap();
    assert!(message.starts_with("waiting for API Gateway's quota of 1 Create"), "{message}");
    assert!(message.contains(" s, about "), "{message}");

    for name in NAMES {
        ns.ready(&[&format!("restapi/{name}"), &format!("apiroute/{name}")]).await;
        ns.says(name, "hello").await;
    }
    // The third of three deployments comes 10 s after the first.
    assert!(applied.elapsed() > Duration::from_secs(10), "{:?}", applied.elapsed());
    let metrics = ns.suite.operator.metrics().await.unwrap();
    assert!(metrics.contains(
        r#"stepgate_aws_quota_wait_seconds_count{family="API Gateway",operation="CreateDeployment",class="user"}"#
    ));
    // One UpdateUsagePlan in 20 s.
    let plan = |limit: u32| {
        format!(
            "{{apiVersion: stepgate.dev/v1alpha1, kind: UsagePlan, metadata: {{name: it}}, spec: {{quota: {{limit: {limit}, period: DAY}}}}}}"
        )
    };
    for limit in [1, 2] {
        ns.apply(&plan(limit)).await;
        ns.ready(&["usageplan/it"]).await;
    }
    ns.apply(&plan(3)).await;
    let message = ns.condition("usageplan/it", "Reconciling", "True", "WaitingForQuota").await;
    assert!(message.starts_with("waiting for API Gateway's quota of 1 UpdateUsagePlan per 20 s, about "), "{message}");
    ns.ready(&["usageplan/it"]).await;
    ns.delete("usageplan/it").await;
    ns.gone("usageplan/it").await;
    // DeleteRestApi has one call in 30 s: they are let go of.
    let abandon = json!({"metadata": {"annotations": {"stepgate.dev/abandon": "true"}}});
    for name in NAMES {
        ns.patch(&format!("restapi/{name}"), abandon.clone()).await;
    }
}
