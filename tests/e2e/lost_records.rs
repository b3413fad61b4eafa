//! Records of revisions that were lost: made anew from what AWS exports of the stages. The testbed's launcher mends the emulator's
//! export towards AWS's; every other form of an export is in tests/torture/records.rs, on the AWS in memory.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::support::{Namespace, machine, rest_api, route};

/// The records by revision, as `kubectl` shows them.
async fn records(ns: &Namespace) -> BTreeMap<i64, Value> {
    let found = ns.suite.testbed.kubectl(["get", "controllerrevisions", "-n", &ns.name, "-o", "json"]).await.unwrap();
    let found: Value = serde_json::from_str(&found).unwrap();
    let items = found["items"].as_array().unwrap().iter();
    items.map(|one| (one["revision"].as_i64().unwrap(), one["data"].clone())).collect()
}

/// A record's routes with their machines.
fn routes(record: &Value) -> Vec<(Value, Value, Value)> {
    let routes = record["routes"].as_array().unwrap().iter();
    routes.map(|it| (it["route"].clone(), it["at"].clone(), it["machines"].clone())).collect()
}

#[tokio::test]
async fn deleted_records_are_made_anew_and_what_prod_serves_stays() {
    let ns = Namespace::new("lost-records").await;
    let api = |stages: &str| rest_api("api").replace("{stages: [{name: prod}]}", stages);
    let machines = [machine("one", "first"), machine("two", "second")].concat();
    let both = "{revisionHistoryLimit: 0, stages: [{name: dev}, {name: prod}]}";
    ns.apply(&[machines, api(both), route("one", "/one", "one"), route("two", "/two", "two")].concat()).await;
    ns.ready(&["statemachine/one", "statemachine/two", "restapi/api", "apiroute/one", "apiroute/two"]).await;
    let shown = ns.get("restapi/api").await;
    let first = shown["status"]["stages"][1]["revision"].as_i64().unwrap();
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = shown["status"]["restApiId"].as_str().unwrap().to_owned();
    let role = aws.invoke_role(&id, "POST /one").await;

    // prod is pinned, and Git has its route no more.
    ns.apply(&api(&format!("{{revisionHistoryLimit: 0, stages: [{{name: dev}}, {{name: prod, revision: {first}}}]}}")))
        .await;
    ns.ready(&["restapi/api"]).await;
    ns.delete("apiroute/one").await;
    ns.gone("apiroute/one").await;
    ns.eventually("restapi/api", "has a newer revision for dev", async |found| {
        let now = found.unwrap()["status"]["revisions"].clone();
        if now == json!([first, first + 1]) { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
    ns.ready(&["restapi/api"]).await;
    let (before, allowed) = (records(&ns).await, aws.role(&role).await.unwrap().allows());
    let deployments = aws.deployments(&id).await;

    ns.suite.testbed.kubectl(["delete", "controllerrevisions", "--all", "-n", &ns.name]).await.unwrap();
    ns.eventually("restapi/api", "has its records again", async |_| {
        let now = records(&ns).await;
        if now.keys().eq(before.keys()) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    ns.ready(&["restapi/api"]).await;
    let after = records(&ns).await;
    assert_eq!(after[&first]["rebuilt"], true, "{after:#?}");
    assert_eq!(routes(&after[&first]), routes(&before[&first]));
    assert_eq!(after[&first]["deploymentId"], before[&first]["deploymentId"]);
    assert_eq!(after[&(first + 1)], before[&(first + 1)]);
    assert_eq!(aws.deployments(&id).await, deployments);
    assert_eq!(aws.role(&role).await.unwrap().allows(), allowed);

    // What only prod serves is not deleted, and answers.
    ns.delete("statemachine/one").await;
    let why =
        format!("stage prod of RestAPI lost-records/api serves it in revision {first} (APIRoute lost-records/one)");
    ns.condition_with("statemachine/one", ("Reconciling", "True", "DeletionBlocked"), &[&why]).await;
    let url = format!("{}/one", ns.get("restapi/api").await["status"]["stages"][1]["invokeUrl"].as_str().unwrap());
    let request = stepgate_testbed::Request {
        method: "POST".into(),
        url,
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: Some("{}".into()),
        ..stepgate_testbed::Request::default()
    };
    let answer = request.send().await.unwrap();
    assert_eq!((answer.status, answer.body.contains("first")), (200, true), "{}", answer.body);

    // Unpinned: all of it goes.
    ns.apply(&api(both)).await;
    ns.gone("statemachine/one").await;
    ns.ready(&["restapi/api"]).await;
    let sync = "states:StartSyncExecution arn:aws:states:us-east-1:000000000000:stateMachine:lost-records_two";
    ns.eventually("restapi/api", "narrows its role and prunes its record", async |_| {
        let now = (aws.role(&role).await.unwrap().allows(), records(&ns).await.into_keys().collect::<Vec<_>>());
        if now == (BTreeSet::from([sync.to_owned()]), vec![first + 1]) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}
