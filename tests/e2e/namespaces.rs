//! A namespace is deleted with everything in it. Its objects say what that waits for: events can't be written there any more.

use serde_json::json;
use stepgate_testbed::{Relay, Request};

use crate::cloud::Cloud;
use crate::support::{Namespace, PATIENCE, TENANT, account, eventually, machine, rest_api, route, suite};

const ALL: [&str; 3] = ["statemachine/say", "restapi/api", "apiroute/say"];

fn say() -> String {
    [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()
}

/// Waits until an object says what its namespace waits for.
async fn says(ns: &Namespace, object: &str, reason: &str, holds: &str) {
    ns.eventually(object, "says what is waited for", async |found| {
        let object = found.ok_or("is not there")?;
        for type_ in ["Ready", "Reconciling"] {
            let says = crate::support::condition(object, type_).ok_or("has no status")?;
            let status = if type_ == "Ready" { "False" } else { "True" };
            if says.status != status || says.reason != reason || !says.message.contains(holds) {
                return Err(format!("{type_}: {says}"));
            }
        }
        Ok(())
    })
    .await;
}

#[tokio::test]
async fn what_is_protected_says_that_its_namespace_waits_for_it() {
    let ns = Namespace::new("ns-protected").await;
    ns.apply(&say()).await;
    ns.ready(&ALL).await;
    let protection = |value: bool| json!({"spec": {"deletionProtection": value}});
    ns.patch("restapi/api", protection(true)).await;
    ns.ready(&ALL).await;
    // The API server takes it into account only after a moment.
    eventually("deletion is refused", PATIENCE, async || {
        let dry = ["delete", "-n", &ns.name, "--dry-run=server", "restapi.stepgate.dev/api"];
        ns.suite.testbed.kubectl(dry).await.err().map(drop).ok_or("it would be deleted".to_owned())
    })
    .await;
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    ns.delete("namespace/ns-protected").await;
    let holds =
        "namespace ns-protected is being deleted and waits for this object, which spec.deletionProtection keeps";
    says(&ns, "restapi/api", "DeletionBlocked", holds).await;
    assert!(ns.get("restapi/api").await["metadata"]["deletionTimestamp"].is_null());
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    assert!(aws.rest_api(&id).await.is_some());
    ns.patch("restapi/api", protection(false)).await;
    ns.gone("namespace/ns-protected").await;
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
}

#[tokio::test]
async fn one_that_goes_while_aws_is_down_says_so_and_ends_when_it_is_back() {
    let relay = Relay::start(suite().await.testbed.aws_endpoint()).await.unwrap();
    let ns = Namespace::labelled("ns-down", &[(TENANT, "ns-down")]).await;
    ns.apply(&account("ns-down", relay.url())).await;
    ns.apply(&say()).await;
    ns.ready(&ALL).await;
    let inventory = ns.in_aws().await;
    relay.cut();
    ns.delete("namespace/ns-down").await;
    for object in ["statemachine/say", "restapi/api"] {
        says(&ns, object, "Retrying", "was not answered").await;
    }
    assert_eq!(ns.in_aws().await, inventory);
    relay.restore();
    ns.gone("namespace/ns-down").await;
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
    ns.delete("awsaccount/ns-down").await;
    ns.gone("awsaccount/ns-down").await;
}

#[tokio::test]
async fn one_whose_machine_a_pinned_stage_of_another_serves_waits_and_says_so() {
    let platform = Namespace::new("ns-pinned-platform").await;
    let ns = Namespace::new("ns-pinned").await;
    let grants = json!([{"namespaces": {"from": "All"}, "authorizations": ["NONE"]}]);
    let api = |stages: &str| {
        rest_api("api").replace("{stages: [{name: prod}]}", &format!("{{allowedRoutes: {grants}, stages: {stages}}}"))
    };
    platform.apply(&api("[{name: prod}]")).await;
    ns.apply(&machine("say", "hello")).await;
    ns.apply(&route("say", "/say", "say").replace("{name: api}", "{name: api, namespace: ns-pinned-platform}")).await;
    ns.ready(&["statemachine/say", "apiroute/say"]).await;
    platform.ready(&["restapi/api"]).await;
    let status = platform.get("restapi/api").await["status"]["stages"][0].clone();
    let revision = status["revision"].as_i64().unwrap();
    platform.apply(&api(&format!("[{{name: prod, revision: {revision}}}, {{name: dev}}]"))).await;
    platform.ready(&["restapi/api"]).await;

    ns.delete("namespace/ns-pinned").await;
    let holds = format!("stage prod of RestAPI ns-pinned-platform/api serves it in revision {revision}");
    says(&ns, "statemachine/say", "DeletionBlocked", &holds).await;
    ns.gone("apiroute/say").await;
    let request = Request {
        method: "POST".into(),
        url: format!("{}/say", status["invokeUrl"].as_str().unwrap()),
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: Some("{}".into()),
        ..Request::default()
    };
    let answer = request.send().await.unwrap();
    assert!(answer.status == 200 && answer.body.contains("hello"), "{}", answer.body);
    platform.apply(&api("[{name: prod}, {name: dev}]")).await;
    ns.gone("namespace/ns-pinned").await;
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
}
