//! Revisions: pinned, promoted, pruned, and one deployment for any number of changes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use stepgate_testbed::{Request, Response};

use crate::cloud::Cloud;
use crate::support::{Namespace, machine, rest_api, route};

const DEV_AND_PROD: &str = "{stages: [{name: dev}, {name: prod}]}";

/// A RestAPI `api` with stages.
fn api(stages: &str) -> String {
    rest_api("api").replace("{stages: [{name: prod}]}", stages)
}

async fn cloud(ns: &Namespace) -> (Cloud, String) {
    let api = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    (Cloud::new(ns.suite.testbed.aws_endpoint()), api)
}

/// What a stage of the RestAPI answers to `POST`.
async fn post(ns: &Namespace, stage: &str, path: &str) -> Response {
    let api = ns.get("restapi/api").await;
    let stages = api["status"]["stages"].as_array().unwrap();
    let found = stages.iter().find(|it| it["name"] == stage).unwrap_or_else(|| panic!("no stage {stage}: {stages:?}"));
    let request = Request {
        method: "POST".into(),
        url: format!("{}{path}", found["invokeUrl"].as_str().unwrap()),
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: Some("{}".into()),
        ..Request::default()
    };
    request.send().await.unwrap()
}

/// Whether a stage serves a path, by what it answers.
async fn serves(ns: &Namespace, stage: &str, path: &str, says: &str) {
    let response = post(ns, stage, path).await;
    assert_eq!((response.status, response.body.contains(says)), (200, true), "{stage}{path}: {}", response.body);
}

async fn serves_not(ns: &Namespace, stage: &str, path: &str) {
    let response = post(ns, stage, path).await;
    assert!(matches!(response.status, 403 | 404), "{stage}{path}: {} {}", response.status, response.body);
}

/// The revision of each stage, by its status.
fn revisions(api: &Value) -> BTreeMap<String, i64> {
    let stages = api["status"]["stages"].as_array().into_iter().flatten();
    stages.map(|it| (it["name"].as_str().unwrap().to_owned(), it["revision"].as_i64().unwrap_or(-1))).collect()
}

/// The revision that all stages serve at first.
async fn first_revision(ns: &Namespace) -> i64 {
    let api = ns.get("restapi/api").await;
    let revisions: BTreeSet<i64> = revisions(&api).into_values().collect();
    assert_eq!(revisions.len(), 1, "{revisions:?}");
    revisions.into_iter().next().unwrap()
}

/// Waits until the stages serve these revisions.
async fn serve(ns: &Namespace, expected: &[(&str, i64)]) {
    let expected: BTreeMap<_, _> = expected.iter().map(|(stage, revision)| ((*stage).to_owned(), *revision)).collect();
    ns.eventually("restapi/api", &format!("serves {expected:?}"), async |found| {
        let now = revisions(found.unwrap());
        if now == expected { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

/// It would stay without the route that comes late, and nobody would know.
#[tokio::test]
async fn a_new_stage_that_is_deployed_by_hand_begins_with_all_routes() {
    let ns = Namespace::new("stages-begin").await;
    let api = api("{stages: [{name: dev}, {name: prod, deploy: Manual}]}");
    let manifests = [machine("one", "first"), api, route("one", "/one", "one"), route("two", "/two", "two")];
    ns.apply(&manifests.concat()).await;
    let says = ["spec.stages[prod] is deployed by hand", "begins with all of them"];
    ns.condition_with("restapi/api", ("Ready", "False", "Progressing"), &says).await;
    ns.ready(&["apiroute/one"]).await;
    serves(&ns, "dev", "/one", "first").await;
    let api = ns.get("restapi/api").await;
    assert_eq!(revisions(&api).into_keys().collect::<Vec<_>>(), ["dev"], "prod begins without /two");
    ns.apply(&machine("two", "second")).await;
    ns.ready(&["restapi/api", "apiroute/two"]).await;
    serves(&ns, "prod", "/one", "first").await;
    serves(&ns, "prod", "/two", "second").await;
}

#[tokio::test]
async fn a_pinned_stage_keeps_what_it_serves_until_it_is_unpinned() {
    let ns = Namespace::new("stages-pin").await;
    let manifests =
        [machine("one", "first"), machine("two", "second"), api(DEV_AND_PROD), route("one", "/one", "one")].concat();
    ns.apply(&manifests).await;
    ns.ready(&["statemachine/one", "statemachine/two", "restapi/api", "apiroute/one"]).await;
    let first = first_revision(&ns).await;

    // Pinned: what is new comes to dev only.
    ns.apply(&api(&format!("{{stages: [{{name: dev}}, {{name: prod, revision: {first}}}]}}"))).await;
    ns.ready(&["restapi/api"]).await;
    ns.apply(&route("two", "/two", "two")).await;
    ns.ready(&["apiroute/two", "restapi/api"]).await;
    serve(&ns, &[("dev", first + 1), ("prod", first)]).await;
    serves(&ns, "dev", "/two", "second").await;
    serves_not(&ns, "prod", "/two").await;
    let stages = ns.get("apiroute/two").await["status"]["stages"].clone();
    assert_eq!(stages[0]["name"], "dev", "{stages}");
    assert_eq!(stages.as_array().unwrap().len(), 1, "{stages}");

    // Deleted: gone from dev, and prod still answers, with a role that still may.
    let (aws, id) = cloud(&ns).await;
    let role = aws.invoke_role(&id, "POST /one").await;
    let allowed = aws.role(&role).await.unwrap().allows();
    let sync = |name: &str| {
        format!("states:StartSyncExecution arn:aws:states:us-east-1:000000000000:stateMachine:stages-pin_{name}")
    };
    assert_eq!(allowed, BTreeSet::from([sync("one"), sync("two")]));
    ns.delete("apiroute/one").await;
    ns.gone("apiroute/one").await;
    serve(&ns, &[("dev", first + 2), ("prod", first)]).await;
    serves_not(&ns, "dev", "/one").await;
    serves(&ns, "prod", "/one", "first").await;
    ns.ready(&["restapi/api"]).await;
    assert_eq!(aws.role(&role).await.unwrap().allows(), allowed);

    // Promoted: prod serves what dev served before the deletion.
    ns.apply(&api(&format!("{{stages: [{{name: dev}}, {{name: prod, revision: {}}}]}}", first + 1))).await;
    serve(&ns, &[("dev", first + 2), ("prod", first + 1)]).await;
    serves(&ns, "prod", "/one", "first").await;
    serves(&ns, "prod", "/two", "second").await;

    // Unpinned: gone everywhere, and the role may no longer.
    ns.apply(&api(DEV_AND_PROD)).await;
    serve(&ns, &[("dev", first + 2), ("prod", first + 2)]).await;
    serves_not(&ns, "prod", "/one").await;
    ns.eventually("restapi/api", "narrows its role", async |_| {
        let now = aws.role(&role).await.unwrap().allows();
        if now == BTreeSet::from([sync("two")]) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    serves(&ns, "prod", "/two", "second").await;
}

#[tokio::test]
async fn a_revision_that_does_not_exist_leaves_the_stage_as_it_is() {
    let ns = Namespace::new("stages-unknown").await;
    let with = |stages: &str| [machine("say", "hello"), api(stages), route("say", "/say", "say")].concat();
    ns.apply(&with(DEV_AND_PROD)).await;
    ns.ready(&["statemachine/say", "restapi/api", "apiroute/say"]).await;
    let first = first_revision(&ns).await;
    ns.apply(&with("{stages: [{name: dev}, {name: prod, revision: 9}]}")).await;
    let message = ns.stalled("restapi/api", "RevisionNotFound").await;
    assert!(message.contains("stages[prod].revision") && message.contains("there is no revision 9"), "{message}");
    assert!(message.contains(&format!("{first};")), "{message}");
    serves(&ns, "prod", "/say", "hello").await;
    // Whoever follows the newest goes on.
    ns.apply(&route("more", "/more", "say")).await;
    ns.ready(&["apiroute/more"]).await;
    serve(&ns, &[("dev", first + 1), ("prod", first)]).await;
    serves(&ns, "dev", "/more", "hello").await;
    serves_not(&ns, "prod", "/more").await;
    ns.apply(&with(&format!("{{stages: [{{name: dev}}, {{name: prod, revision: {}}}]}}", first + 1))).await;
    ns.ready(&["restapi/api"]).await;
    serves(&ns, "prod", "/more", "hello").await;
}

#[tokio::test]
async fn old_revisions_are_pruned_but_none_in_use() {
    let ns = Namespace::new("stages-prune").await;
    ns.apply(&[machine("say", "hello"), api(DEV_AND_PROD), route("say", "/say", "say")].concat()).await;
    ns.ready(&["statemachine/say", "restapi/api", "apiroute/say"]).await;
    let first = first_revision(&ns).await;
    let limited = format!("{{revisionHistoryLimit: 1, stages: [{{name: dev}}, {{name: prod, revision: {first}}}]}}");
    ns.apply(&api(&limited)).await;
    ns.ready(&["restapi/api"]).await;
    for number in 2..=5 {
        let name = format!("r{number}");
        ns.apply(&route(&name, &format!("/{name}"), "say")).await;
        ns.ready(&[&format!("apiroute/{name}")]).await;
    }
    let (aws, id) = cloud(&ns).await;
    // The newest, the pinned one, and one more.
    ns.eventually("restapi/api", "has pruned its revisions", async |found| {
        let found = found.unwrap()["status"]["revisions"].clone();
        let numbers: BTreeSet<String> = aws
            .deployments(&id)
            .await
            .values()
            .map(|text| text.split([' ', ',']).nth(1).unwrap_or_default().to_owned())
            .collect();
        let kept = [first, first + 3, first + 4];
        let as_expected = found == json!(kept) && numbers == kept.map(|number| number.to_string()).into();
        if as_expected { Ok(()) } else { Err(format!("status {found}, AWS {numbers:?}")) }
    })
    .await;
    serves(&ns, "prod", "/say", "hello").await;
    serves(&ns, "dev", "/r5", "hello").await;
}

#[tokio::test]
async fn any_number_of_changed_routes_is_one_deployment() {
    const ROUTES: usize = 40;
    let ns = Namespace::new("stages-many").await;
    let routes: Vec<String> = (0..ROUTES).map(|n| route(&format!("r{n}"), &format!("/r{n}"), "say")).collect();
    let manifests = [vec![machine("say", "hello"), rest_api("api")], routes].concat().concat();
    ns.apply(&manifests).await;
    let names: Vec<String> = (0..ROUTES).map(|n| format!("apiroute/r{n}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    ns.ready(&names).await;
    ns.ready(&["restapi/api"]).await;
    assert_eq!(ns.get("restapi/api").await["status"]["attachedRoutes"], json!(ROUTES));
    let (aws, id) = cloud(&ns).await;
    let first = aws.deployments(&id).await;
    assert!(first.len() <= 2, "{} deployments for one apply: {first:?}", first.len());
    for route in ["r0", "r39"] {
        ns.says(route, "hello").await;
    }

    // Applied again, nothing changes, and one more route is one more deployment.
    ns.apply(&manifests).await;
    ns.apply(&route("more", "/more", "say")).await;
    ns.ready(&["apiroute/more", "restapi/api"]).await;
    let second = aws.deployments(&id).await;
    assert_eq!(second.len(), first.len() + 1);
    ns.apply(&machine("other", "changed")).await;
    ns.ready(&["statemachine/other"]).await;
    let changed: String = (0..ROUTES).map(|n| route(&format!("r{n}"), &format!("/r{n}"), "other")).collect();
    ns.apply(&changed).await;
    ns.ready(&names).await;
    ns.ready(&["restapi/api"]).await;
    let third = aws.deployments(&id).await.len();
    assert!(third - second.len() <= 3, "{third} deployments after {}", second.len());
    ns.says("r39", "changed").await;
}
