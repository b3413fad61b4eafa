//! A canary: a part of a stage's requests gets another revision, until it is promoted or taken back.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::cloud::Cloud;
use crate::support::{Namespace, machine, rest_api, route};

/// A RestAPI `api` with the stages `dev` and `prod`, the second with these fields.
fn api(prod: &str) -> String {
    rest_api("api").replace("[{name: prod}]", &format!("[{{name: prod, {prod}}}, {{name: dev}}]"))
}

fn stage<'a>(object: &'a Value, name: &str) -> &'a Value {
    let stages = object["status"]["stages"].as_array().unwrap();
    stages.iter().find(|stage| stage["name"] == name).unwrap_or_else(|| panic!("no stage {name}: {stages:?}"))
}

/// Waits until `prod` serves a revision, and its canary this part of the requests with that one.
async fn prod_shows(ns: &Namespace, revision: i64, canary: Option<(f64, i64)>) {
    ns.eventually("restapi/api", &format!("serves {revision} with canary {canary:?}"), async |found| {
        let shown = stage(found.unwrap(), "prod");
        let of = &shown["canary"];
        let now = of["percent"].as_f64().zip(of["revision"].as_i64());
        if shown["revision"] == revision && now == canary { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
}

#[tokio::test]
async fn a_canary_gets_its_part_and_is_promoted() {
    let ns = Namespace::new("canary").await;
    ns.apply(
        &[machine("one", "first"), machine("two", "second"), api("deploy: Manual"), route("say", "/say", "one")]
            .concat(),
    )
    .await;
    ns.ready(&["statemachine/one", "statemachine/two", "restapi/api", "apiroute/say"]).await;
    let first = stage(&ns.get("restapi/api").await, "prod")["revision"].as_i64().unwrap();

    // Deployed by hand: the stage stays, and says so.
    ns.apply(&route("say", "/say", "two")).await;
    let behind = format!("Stage prod stays at revision {first} (deploy: Manual); the newest is {}.", first + 1);
    ns.tells("restapi/api", &format!("1 of 1 routes are served. {behind}")).await;
    prod_shows(&ns, first, None).await;
    ns.says("say", "first").await;

    // The canary gets the newest: all requests here, so that each answer tells.
    ns.apply(&api(&format!("revision: {first}, canary: {{percent: 100}}"))).await;
    prod_shows(&ns, first, Some((100.0, first + 1))).await;
    ns.ready(&["restapi/api", "apiroute/say"]).await;
    ns.says("say", "second").await;
    ns.eventually("apiroute/say", "shows what the canary serves", async |found| {
        let shown = found.unwrap()["status"]["stages"][0].clone();
        let as_expected = shown["revision"] == first && shown["canaryRevision"] == first + 1;
        if as_expected { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let role = aws.invoke_role(&id, "POST /say").await;
    let sync = |name: &str| {
        format!("states:StartSyncExecution arn:aws:states:us-east-1:000000000000:stateMachine:canary_{name}")
    };
    let both = BTreeSet::from([sync("one"), sync("two")]);
    assert_eq!(aws.role(&role).await.unwrap().allows(), both, "the stage serves one, its canary another");

    // Nothing of it, and the stage answers; it is the same canary.
    ns.apply(&api(&format!("revision: {first}, canary: {{percent: 0, revision: {}}}", first + 1))).await;
    prod_shows(&ns, first, Some((0.0, first + 1))).await;
    ns.says("say", "first").await;

    // What only a canary serves is kept: newer revisions come and go, and dev no longer serves it.
    let pinned = format!("revision: {first}, canary: {{percent: 100, revision: {}}}", first + 1);
    ns.apply(&api(&pinned)).await;
    ns.apply(&route("say", "/say", "one")).await;
    ns.eventually("restapi/api", "serves the newest on dev", async |found| {
        let shown = stage(found.unwrap(), "dev")["revision"].clone();
        if shown == first + 2 { Ok(()) } else { Err(shown.to_string()) }
    })
    .await;
    prod_shows(&ns, first, Some((100.0, first + 1))).await;
    ns.says("say", "second").await;
    ns.delete("statemachine/two").await;
    let why = "stage prod of RestAPI canary/api serves it";
    ns.condition_with("statemachine/two", ("Reconciling", "True", "DeletionBlocked"), &[why]).await;
    ns.says("say", "second").await;

    // Promoted.
    ns.apply(&api(&format!("revision: {}", first + 2))).await;
    prod_shows(&ns, first + 2, None).await;
    ns.says("say", "first").await;
    ns.gone("statemachine/two").await;
    ns.ready(&["restapi/api", "apiroute/say"]).await;
    let stages = aws.apigateway.get_stages().rest_api_id(&id).send().await.unwrap().item.unwrap();
    assert!(stages.iter().all(|stage| stage.canary_settings.is_none()), "{stages:?}");
    ns.eventually("restapi/api", "narrows its role", async |_| {
        let now = aws.role(&role).await.unwrap().allows();
        if now == BTreeSet::from([sync("one")]) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

#[tokio::test]
async fn a_canary_of_a_revision_that_is_not_there_leaves_all_as_it_is() {
    let ns = Namespace::new("canary-unknown").await;
    ns.apply(&[machine("say", "hello"), api("deploy: Manual"), route("say", "/say", "say")].concat()).await;
    ns.ready(&["statemachine/say", "restapi/api", "apiroute/say"]).await;
    ns.apply(&api("deploy: Manual, canary: {percent: 50, revision: 99}")).await;
    let message = ns.stalled("restapi/api", "RevisionNotFound").await;
    assert!(message.starts_with("spec.stages[prod].canary.revision: there is no revision 99"), "{message}");
    assert_eq!(stage(&ns.get("restapi/api").await, "prod")["canary"], Value::Null);
    ns.says("say", "hello").await;
}
