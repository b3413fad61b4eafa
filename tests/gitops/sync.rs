//! What the operator does never looks like a difference to Argo CD, and what Argo CD does reaches AWS.

use std::time::Duration;

use rstest::rstest;
use serde_json::{Value, json};
use stepgate_testbed::{Refresh, Request};
use tokio::sync::Mutex;

use crate::cloud::Cloud;
use crate::frame::{Mode, Scene, State};
use crate::support::{PATIENCE, eventually, machine, rest_api, route};

const ALL: [&str; 3] = ["statemachine/say", "restapi/api", "apiroute/say"];

/// Machine, API and route, Synced and Healthy; and their commit.
async fn scene(name: &str, mode: Mode) -> (Scene, String) {
    let scene = Scene::new(name, mode).await;
    let manifests = machine("say", "hello") + &rest_api("api") + &route("say", "/say", "say");
    let revision = scene.healthy(&[("all.yaml", &manifests)]).await;
    scene.ns.says("say", "hello").await;
    (scene, revision)
}

fn all_synced(states: &[State]) {
    assert!(!states.is_empty() && states.iter().all(|state| state.sync == "Synced"), "{states:#?}");
}

#[rstest]
#[case(Mode::ClientSide, 60)]
#[case(Mode::ServerSide, 15)]
#[case(Mode::ServerSideDiff, 15)]
#[tokio::test]
async fn at_rest_nothing_is_out_of_sync_and_nothing_is_written(#[case] mode: Mode, #[case] seconds: u64) {
    let scene = Scene::new("rest", mode).await;
    let record = scene.app.record().await;
    let manifests = machine("say", "hello") + &rest_api("api") + &route("say", "/say", "say");
    let revision = scene.healthy(&[("all.yaml", &manifests)]).await;
    // The operator has written finalizers and status by now; from the first time on all of it stayed Synced.
    let states = record.states(&revision);
    let first = states.iter().position(|state| state.sync == "Synced").unwrap();
    all_synced(&states[first..]);

    // A status that changes without any change in git, and annotations of others.
    let aws = Cloud::new(scene.ns.suite.testbed.aws_endpoint());
    let api = scene.ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let resource = aws.resource(&api, "/say").await;
    aws.apigateway.delete_method().rest_api_id(&api).resource_id(resource).http_method("POST").send().await.unwrap();
    scene
        .ns
        .eventually("restapi/api", "tells of the repair", async |found| match &found.unwrap()["status"]["lastDrift"] {
            Value::Null => Err("it does not".to_owned()),
            _ => Ok(()),
        })
        .await;
    for object in ALL {
        scene.ns.patch(object, json!({"metadata": {"annotations": {"example.com/note": "seen"}}})).await;
    }
    scene.ns.ready(&ALL).await;

    let (versions, calm) = (versions(&scene).await, record.states(&revision).len());
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    let reconciled = |app: &Value| app["status"]["reconciledAt"].clone();
    let before = reconciled(&scene.app.get().await);
    scene.app.refresh(Refresh::Hard).await;
    scene
        .app
        .eventually("was looked at anew", |app| {
            let done = app["metadata"]["annotations"]["argocd.argoproj.io/refresh"].is_null();
            if done && reconciled(app) != before { Ok(()) } else { Err("not yet".into()) }
        })
        .await;
    let states = record.states(&revision);
    all_synced(&states[first..]);
    let (last, settled) = (states.last().unwrap(), &states[calm - 1..]);
    assert!(settled.iter().all(|state| state == last && state.health == "Healthy"), "{settled:#?}");
    // One sync, which ended; a loop would have begun others.
    assert_eq!(
        (last.syncs, scene.app.get().await["status"]["operationState"]["phase"].clone()),
        (1, json!("Succeeded"))
    );
    assert_eq!(self::versions(&scene).await, versions, "somebody wrote to the objects");
}

/// The resource version of each object.
async fn versions(scene: &Scene) -> Vec<Value> {
    let mut versions = Vec::new();
    for object in ALL {
        versions.push(scene.ns.get(object).await["metadata"]["resourceVersion"].clone());
    }
    versions
}

#[rstest]
#[tokio::test]
async fn an_edit_by_hand_is_healed(#[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode) {
    let (scene, revision) = scene("edit", mode).await;
    let edits = [
        ("apiroute/say", json!({"spec": {"path": "/elsewhere"}})),
        ("statemachine/say", json!({"spec": {"definition": "StartAt: Say\nStates:\n  Say: {Type: Fail}\n"}})),
    ];
    for (object, edit) in edits {
        let before = scene.ns.get(object).await["spec"].clone();
        let generation = scene.ns.get(object).await["metadata"]["generation"].as_i64();
        scene.ns.patch(object, edit).await;
        scene
            .ns
            .eventually(object, "is as in git again", async |found| {
                let found = found.unwrap();
                let edited = found["metadata"]["generation"].as_i64() > generation;
                if edited && found["spec"] == before { Ok(()) } else { Err(found["spec"].to_string()) }
            })
            .await;
        scene.app.is(&revision, "Healthy").await;
        scene.ns.ready(&ALL).await;
        scene.ns.says("say", "hello").await;
    }
}

#[rstest]
#[tokio::test]
async fn drift_in_aws_is_repaired_while_the_application_stays_synced(
    #[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode,
) {
    let (scene, revision) = scene("drift", mode).await;
    let record = scene.app.record().await;
    let aws = Cloud::new(scene.ns.suite.testbed.aws_endpoint());
    let api = scene.ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let machine = scene.ns.get("statemachine/say").await["status"]["stateMachineArn"].as_str().unwrap().to_owned();
    let whole = (aws.rest_api(&api).await, aws.machine(&machine).await);
    let resource = aws.resource(&api, "/say").await;
    let client = &aws.apigateway;
    client.delete_method().rest_api_id(&api).resource_id(resource).http_method("POST").send().await.unwrap();
    let other = r#"{"StartAt": "Say", "States": {"Say": {"Type": "Fail"}}}"#;
    aws.sfn.update_state_machine().state_machine_arn(&machine).definition(other).send().await.unwrap();
    for object in ["restapi/api", "statemachine/say"] {
        scene.ns.event(object, "DriftRepaired").await;
    }
    eventually("all is as before in AWS", PATIENCE, async || {
        let now = (aws.rest_api(&api).await, aws.machine(&machine).await);
        if now == whole { Ok(()) } else { Err(format!("{now:#?}")) }
    })
    .await;
    scene.ns.ready(&ALL).await;
    scene.ns.says("say", "hello").await;
    scene.app.is(&revision, "Healthy").await;
    all_synced(&record.states(&revision));
}

#[rstest]
#[tokio::test]
async fn a_route_taken_out_of_git_is_pruned_and_its_url_gone(
    #[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode,
) {
    let scene = Scene::new("prune", mode).await;
    let base = machine("say", "hello") + &rest_api("api") + &route("say", "/say", "say");
    scene.healthy(&[("base.yaml", &base), ("more.yaml", &route("more", "/more", "say"))]).await;
    scene.ns.says("more", "hello").await;
    let url = scene.ns.get("apiroute/more").await["status"]["url"].as_str().unwrap().to_owned();

    scene.repository.remove("more.yaml").unwrap();
    scene.healthy(&[]).await;
    assert_eq!(scene.ns.find("apiroute/more").await, None);
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let request = Request { method: "POST".into(), url, headers, body: Some("{}".into()), ..Request::default() };
    let response = request.send().await.unwrap();
    assert!(matches!(response.status, 403 | 404), "{} {}", response.status, response.body);
    scene.ns.says("say", "hello").await;
}

#[rstest]
#[tokio::test]
async fn a_sync_of_a_hundred_changed_routes_is_one_deployment(
    #[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode,
) {
    // One at a time: three hundred routes would take the time of all other tests.
    static ONE: Mutex<()> = Mutex::const_new(());
    let _one = ONE.lock().await;
    let scene = Scene::new("hundred", mode).await;
    let aws = Cloud::new(scene.ns.suite.testbed.aws_endpoint());
    let routes = |suffix: &str| -> String {
        let number = |number: usize| route(&format!("r{number:02}"), &format!("/r{number:02}{suffix}"), "say");
        (0..100).map(number).collect()
    };
    let base = machine("say", "hello") + &rest_api("api");
    scene.healthy(&[("base.yaml", &base), ("routes.yaml", &routes(""))]).await;
    let status = scene.ns.get("restapi/api").await["status"].clone();
    let api = status["restApiId"].as_str().unwrap();
    let before = aws.deployments(api).await;

    scene.healthy(&[("routes.yaml", &routes("/changed"))]).await;
    let after = aws.deployments(api).await;
    let new: Vec<_> = after.iter().filter(|(id, _)| !before.contains_key(*id)).collect();
    assert_eq!(new.len(), 1, "{new:#?}");
    let revision = |status: &Value| status["stages"][0]["revision"].as_i64().unwrap();
    let now = scene.ns.get("restapi/api").await["status"].clone();
    assert_eq!(revision(&now), revision(&status) + 1);
    for route in ["r00", "r50", "r99"] {
        scene.ns.says(route, "hello").await;
    }
}
