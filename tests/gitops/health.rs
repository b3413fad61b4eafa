//! What an Application's health says of AWS: Healthy when it serves, Degraded when somebody has to act, with the words that
//! say what to do.

use rstest::rstest;
use stepgate_testbed::Relay;

use crate::frame::{Mode, Scene, gitops};
use crate::support::{Namespace, TENANT, account, assert_for_people, machine, rest_api, route, suite};

#[tokio::test]
async fn every_recorded_status_has_its_health() {
    let said = gitops().await.argo.try_customizations().await;
    println!("{}", said.unwrap_or_else(|error| panic!("{error:#}")));
}

/// Its `Next` names no state.
const BROKEN: &str = "---
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {name: say}
spec:
  type: EXPRESS
  definition: |
    StartAt: Say
    States:
      Say: {Type: Pass, Next: Dome}
      Done: {Type: Succeed}
";

#[rstest]
#[tokio::test]
async fn a_broken_definition_is_degraded_and_says_what_to_do(
    #[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode,
) {
    let scene = Scene::new("broken", mode).await;
    let good = machine("say", "hello");
    let api = rest_api("api") + &route("say", "/say", "say");
    scene.healthy(&[("machine.yaml", &good), ("api.yaml", &api)]).await;
    scene.ns.says("say", "hello").await;

    let revision = scene.push(&[("machine.yaml", BROKEN)]).await;
    scene.app.is(&revision, "Degraded").await;
    let message = scene.app.message("StateMachine", "say").await;
    assert!(message.starts_with("spec.definition, line 3, column "), "the place: {message}");
    assert!(message.contains("Dome") && message.contains("did you mean `Done`"), "the mend: {message}");
    assert!(message.ends_with("What was served before keeps serving."), "{message}");
    assert_for_people(&message);
    scene.ns.says("say", "hello").await;

    scene.healthy(&[("machine.yaml", &machine("say", "bye"))]).await;
    scene.ns.says("say", "bye").await;
}

#[rstest]
#[tokio::test]
async fn healthy_means_that_aws_serves_it(
    #[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode,
) {
    let name = format!("held-{}", mode.name());
    gitops().await;
    let relay = Relay::start(suite().await.testbed.aws_endpoint()).await.unwrap();
    let ns = Namespace::labelled(&name, &[(TENANT, &name)]).await;
    ns.apply(&account(&name, relay.url())).await;
    let admin = format!("awsaccount/{name}");
    ns.ready(&[&admin]).await;
    let scene = Scene::in_namespace(ns, mode).await;
    let record = scene.app.record().await;

    // Applied, and AWS does not answer.
    relay.cut();
    let api = rest_api("api") + &route("say", "/say", "say");
    let revision = scene.push(&[("machine.yaml", &machine("say", "hello")), ("api.yaml", &api)]).await;
    scene.app.is(&revision, "Progressing").await;
    for object in ["statemachine/say", "restapi/api"] {
        scene.ns.condition(object, "Reconciling", "True", "Retrying").await;
    }
    scene
        .app
        .eventually("says that AWS does not answer", |app| {
            let resources = app["status"]["resources"].to_string();
            if resources.contains("was not answered") { Ok(()) } else { Err("it does not".into()) }
        })
        .await;
    let states = record.states(&revision);
    assert!(states.iter().all(|state| state.health != "Healthy"), "{states:#?}");

    relay.restore();
    scene.app.is(&revision, "Healthy").await;
    scene.ns.says("say", "hello").await;

    // The same for a change of what serves: what is old is not taken for the new.
    relay.cut();
    let before = record.states(&revision).len();
    let revision = scene.push(&[("machine.yaml", &machine("say", "bye"))]).await;
    scene.app.is(&revision, "Progressing").await;
    scene.ns.condition("statemachine/say", "Reconciling", "True", "Retrying").await;
    let states = record.states(&revision);
    assert!(
        before > 0 && states.iter().all(|state| state.sync != "Synced" || state.health != "Healthy"),
        "{states:#?}"
    );
    relay.restore();
    scene.app.is(&revision, "Healthy").await;
    scene.ns.says("say", "bye").await;

    scene.app.delete().await;
    scene.app.gone().await;
    scene.ns.delete(&admin).await;
    scene.ns.gone(&admin).await;
}
