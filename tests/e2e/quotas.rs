//! AWS's quotas, kept against an emulator that has none.

use std::time::{Duration, Instant};

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

    let told = eventually("a RestAPI waits for quota", PATIENCE, async || {
        for name in NAMES {
            let object = ns.get(&format!("restapi/{name}")).await;
            let conditions = object["status"]["conditions"].as_array().cloned().unwrap_or_default();
            let waits = |condition: &&serde_json::Value| condition["reason"] == "WaitingForQuota";
            let found: Vec<_> = conditions.iter().filter(waits).cloned().collect();
            if !found.is_empty() {
                return Ok((object, found));
            }
        }
        Err("none says so".to_owned())
    })
    .await;
    let (object, conditions) = told;
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
    let abandon = serde_json::json!({"metadata": {"annotations": {"stepgate.dev/abandon": "true"}}});
    for name in NAMES {
        ns.patch(&format!("restapi/{name}"), abandon.clone()).await;
    }
}
