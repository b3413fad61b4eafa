//! Deletion: everything goes, or stays where it is meant to, and what it waits for is said.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use stepgate_testbed::{Relay, Request};

use crate::cloud::{Cloud, role_name};
use crate::proxy::{ALWAYS, Answer, Proxy};
use crate::support::{Namespace, PATIENCE, TENANT, account, eventually, machine, rest_api, route, suite};
use crate::tenancy::{answers, is_withdrawn};

const ALL: [&str; 3] = ["statemachine/say", "restapi/api", "apiroute/say"];

/// Machine, API and route, all Ready.
async fn scene(name: &str) -> Namespace {
    let ns = Namespace::new(name).await;
    ns.apply(&[machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()).await;
    ns.ready(&ALL).await;
    ns
}

fn cloud(ns: &Namespace) -> Cloud {
    Cloud::new(ns.suite.testbed.aws_endpoint())
}

async fn nothing_is_left(ns: &Namespace) {
    eventually("nothing is left in AWS", PATIENCE, async || {
        let left = ns.in_aws().await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
}

fn text(object: &Value, pointer: &str) -> String {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {object}")).to_owned()
}

async fn annotate(ns: &Namespace, object: &str, annotation: &str, value: Value) {
    ns.patch(object, json!({"metadata": {"annotations": {annotation: value}}})).await;
}

#[tokio::test]
async fn everything_goes_in_any_order() {
    // Each object first once, and everything at once.
    for (number, order) in [[0, 1, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]].into_iter().enumerate() {
        let ns = scene(&format!("delete-order-{number}")).await;
        assert_eq!(ns.in_aws().await.len(), 4, "{:?}", ns.in_aws().await);
        for index in order {
            ns.delete(ALL[index]).await;
        }
        for object in ALL {
            ns.gone(object).await;
        }
        assert_eq!(ns.in_aws().await, BTreeSet::new());
    }
}

/// A STANDARD machine with one execution that waits for an hour.
async fn running(name: &str, grace: &str) -> (Namespace, Cloud, String) {
    let ns = Namespace::new(name).await;
    let manifest = format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {{name: long}}
spec:
  type: STANDARD
  deletionGracePeriod: {grace}
  definition: '{{"StartAt": "A", "States": {{"A": {{"Type": "Wait", "Seconds": 3600, "End": true}}}}}}'
"#
    );
    ns.apply(&manifest).await;
    ns.ready(&["statemachine/long"]).await;
    let arn = text(&ns.get("statemachine/long").await, "/status/stateMachineArn");
    let aws = cloud(&ns);
    let started = aws.sfn.start_execution().state_machine_arn(&arn).send().await.unwrap();
    (ns, aws, started.execution_arn)
}

#[tokio::test]
async fn a_machine_waits_for_its_running_executions() {
    let (ns, aws, execution) = running("delete-running", "30m").await;
    ns.delete("statemachine/long").await;
    let message = ns.condition("statemachine/long", "Reconciling", "True", "DeletionBlocked").await;
    let says = "1 execution is running; it is deleted when they have ended, or at ";
    assert!(message.starts_with(says), "{message}");
    assert_eq!(ns.in_aws().await.len(), 2, "machine and role are there");
    let describe = aws.sfn.describe_execution().execution_arn(&execution).send().await.unwrap();
    assert_eq!(describe.status.as_str(), "RUNNING");

    aws.sfn.stop_execution().execution_arn(&execution).send().await.unwrap();
    // Its next look may be 30 s away.
    annotate(&ns, "statemachine/long", "stepgate.dev/check-requested-at", json!("now")).await;
    ns.gone("statemachine/long").await;
    nothing_is_left(&ns).await;
}

#[tokio::test]
async fn a_machine_waits_no_longer_than_its_grace_period() {
    let (ns, aws, execution) = running("delete-grace", "15s").await;
    let deleted = Instant::now();
    ns.delete("statemachine/long").await;
    ns.condition("statemachine/long", "Reconciling", "True", "DeletionBlocked").await;
    assert_eq!(ns.in_aws().await.len(), 2, "machine and role are there");
    let describe = aws.sfn.describe_execution().execution_arn(&execution).send().await.unwrap();
    assert_eq!(describe.status.as_str(), "RUNNING");
    ns.gone("statemachine/long").await;
    // Kubernetes writes the deletion's time in whole seconds.
    assert!(deleted.elapsed() >= Duration::from_secs(14), "{:?}", deleted.elapsed());
    nothing_is_left(&ns).await;
}

#[tokio::test]
async fn deleting_the_namespace_ends_and_leaves_nothing() {
    let ns = scene("delete-namespace").await;
    ns.delete("namespace/delete-namespace").await;
    ns.gone("namespace/delete-namespace").await;
    assert_eq!(ns.in_aws().await, BTreeSet::new());
}

#[tokio::test]
async fn a_machine_that_a_pinned_stage_serves_waits() {
    let ns = scene("delete-pinned").await;
    let revision = ns.get("restapi/api").await["status"]["stages"][0]["revision"].clone();
    let pinned = format!("{{name: prod, revision: {revision}}}, {{name: dev}}");
    ns.apply(&rest_api("api").replace("{name: prod}", &pinned)).await;
    ns.ready(&ALL).await;
    ns.delete("apiroute/say").await;
    ns.gone("apiroute/say").await;
    ns.delete("statemachine/say").await;
    let revision = format!("revision {revision}");
    let parts = ["stage prod", "RestAPI delete-pinned/api", &revision, "APIRoute delete-pinned/say"];
    ns.condition_with("statemachine/say", ("Reconciling", "True", "DeletionBlocked"), &parts).await;
    let url = text(&ns.get("restapi/api").await, "/status/stages/0/invokeUrl");
    let body = Some("{}".to_owned());
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let request = Request { method: "POST".into(), url: format!("{url}/say"), headers, body, ..Request::default() };
    let response = request.send().await.unwrap();
    assert!(response.status == 200 && response.body.contains("hello"), "{}", response.body);
    ns.apply(&rest_api("api").replace("{name: prod}", "{name: prod}, {name: dev}")).await;
    ns.gone("statemachine/say").await;
}

/// An object in deletion can't be called back, but what it has in AWS can.
#[tokio::test]
async fn a_machine_that_was_deleted_by_mistake_is_called_back() {
    let ns = scene("delete-mistake").await;
    let url = text(&ns.get("apiroute/say").await, "/status/url");
    let serves = async || {
        let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
        let body = Some("{}".to_owned());
        let request = Request { method: "POST".into(), url: url.clone(), headers, body, ..Request::default() };
        let response = request.send().await.unwrap();
        assert!(response.status == 200 && response.body.contains("hello"), "{}", response.body);
    };
    let arn = text(&ns.get("statemachine/say").await, "/status/stateMachineArn");
    let sfn = cloud(&ns).sfn;
    let made = async || sfn.describe_state_machine().state_machine_arn(&arn).send().await.unwrap().creation_date;
    let before = made().await;
    ns.delete("statemachine/say").await;
    let says =
        ["stage prod", "to call the machine back, annotate it with stepgate.dev/abandon=true and apply it again"];
    ns.condition_with("statemachine/say", ("Reconciling", "True", "DeletionBlocked"), &says).await;
    serves().await;
    annotate(&ns, "statemachine/say", "stepgate.dev/abandon", json!("true")).await;
    ns.gone("statemachine/say").await;
    serves().await;
    ns.apply(&machine("say", "hello")).await;
    ns.ready(&ALL).await;
    serves().await;
    assert_eq!(made().await, before, "it is another machine");
}

#[tokio::test]
async fn what_is_retained_stays_and_is_taken_back() {
    let ns = Namespace::new("delete-retain").await;
    let retain = |manifest: String| manifest.replacen("spec:", "spec:\n  deletionPolicy: Retain", 1);
    let api = rest_api("api").replace("spec: {stages", "spec: {deletionPolicy: Retain, stages");
    let manifests = [retain(machine("say", "hello")), api, route("say", "/say", "say")].concat();
    ns.apply(&manifests).await;
    ns.ready(&ALL).await;
    let aws = cloud(&ns);
    let arn = text(&ns.get("statemachine/say").await, "/status/stateMachineArn");
    let id = text(&ns.get("restapi/api").await, "/status/restApiId");
    let invoke_role = aws.invoke_role(&id, "POST /say").await;
    let inventory = ns.in_aws().await;
    assert_eq!(inventory.len(), 4, "{inventory:?}");
    let request = Request {
        method: "POST".into(),
        url: text(&ns.get("apiroute/say").await, "/status/url"),
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: Some("{}".into()),
        ..Request::default()
    };

    ns.delete("restapi/api").await;
    ns.gone("restapi/api").await;
    for object in ["apiroute/say", "statemachine/say"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    assert_eq!(ns.in_aws().await, inventory);
    assert!(request.send().await.unwrap().body.contains("hello"));
    let owner = ["stepgate.dev/cluster", "stepgate.dev/namespace", "stepgate.dev/name"];
    for tags in [
        aws.rest_api(&id).await.unwrap().tags,
        aws.machine(&arn).await.unwrap().tags,
        aws.role(&invoke_role).await.unwrap().tags,
    ] {
        assert!(tags.contains_key("stepgate.dev/released-from"), "{tags:?}");
        assert!(owner.iter().all(|tag| !tags.contains_key(*tag)), "{tags:?}");
    }

    ns.apply(&manifests).await;
    ns.ready(&ALL).await;
    assert_eq!(text(&ns.get("restapi/api").await, "/status/restApiId"), id);
    ns.says("say", "hello").await;
    assert_eq!(ns.in_aws().await, inventory);
    let tags = aws.rest_api(&id).await.unwrap().tags;
    assert!(!tags.contains_key("stepgate.dev/released-from") && tags["stepgate.dev/name"] == "api", "{tags:?}");

    // Not retained, it goes.
    ns.patch("statemachine/say", json!({"spec": {"deletionPolicy": "Delete"}})).await;
    ns.patch("restapi/api", json!({"spec": {"deletionPolicy": "Delete"}})).await;
    for object in ALL {
        ns.delete(object).await;
    }
    for object in ALL {
        ns.gone(object).await;
    }
    assert_eq!(ns.in_aws().await, BTreeSet::new());
}

#[tokio::test]
async fn what_is_protected_is_refused_by_kubectl_delete() {
    let ns = scene("delete-protected").await;
    for object in ["statemachine/say", "restapi/api"] {
        let (kind, name) = object.split_once('/').unwrap();
        let full = format!("{kind}.stepgate.dev/{name}");
        let kubectl = async || ns.suite.testbed.kubectl(["delete", "-n", &ns.name, "--wait=false", &full]).await;
        ns.patch(object, json!({"spec": {"deletionProtection": true}})).await;
        // The API server takes a new policy into account only after a moment.
        let refusal = eventually("deletion is refused", PATIENCE, async || {
            let dry = ["delete", "-n", &ns.name, "--dry-run=server", &full];
            match ns.suite.testbed.kubectl(dry).await {
                Err(error) => Ok(format!("{error:#}")),
                Ok(_) => Err("it would be deleted".to_owned()),
            }
        })
        .await;
        assert!(
            refusal.contains("is protected: set spec.deletionProtection to false before you delete it"),
            "{refusal}"
        );
        assert!(refusal.contains(&format!("delete-protected/{name}")), "{refusal}");
        kubectl().await.unwrap_err();
        assert_eq!(ns.get(object).await["metadata"]["deletionTimestamp"], Value::Null);
        ns.patch(object, json!({"spec": {"deletionProtection": false}})).await;
    }
    for object in ALL {
        ns.delete(object).await;
    }
    for object in ALL {
        ns.gone(object).await;
    }
}

#[tokio::test]
async fn an_account_waits_for_what_lives_in_it() {
    let suite = suite().await;
    let ns = Namespace::labelled("delete-account", &[("tenant", "delete-account")]).await;
    ns.apply(&account("delete-account", suite.testbed.aws_endpoint())).await;
    ns.ready(&["awsaccount/delete-account"]).await;
    ns.apply(&[machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()).await;
    ns.ready(&ALL).await;
    ns.delete("awsaccount/delete-account").await;
    let message = ns.condition("awsaccount/delete-account", "Reconciling", "True", "DeletionBlocked").await;
    for part in ["2 objects", "StateMachine delete-account/say", "RestAPI delete-account/api"] {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
    // What lives there goes on, and nothing new comes.
    ns.says("say", "hello").await;
    ns.apply(&machine("late", "late")).await;
    let message = ns.stalled("statemachine/late", "NotAdmitted").await;
    assert!(message.contains("AWSAccount delete-account is being deleted"), "{message}");
    for object in ALL {
        ns.delete(object).await;
    }
    ns.gone("awsaccount/delete-account").await;
    nothing_is_left(&ns).await;
}

#[tokio::test]
async fn routes_outlive_their_api_and_say_so() {
    let ns = scene("delete-api-first").await;
    ns.delete("restapi/api").await;
    ns.gone("restapi/api").await;
    eventually("the route says that its API is gone", PATIENCE, async || {
        let message = ns.condition("apiroute/say", "Accepted", "False", "NoSuchAPI").await;
        let says = message.contains("RestAPI delete-api-first/api does not exist");
        if says { Ok(()) } else { Err(message) }
    })
    .await;
    let status = ns.get("apiroute/say").await["status"].clone();
    assert_eq!((&status["url"], &status["stages"]), (&Value::Null, &Value::Null), "{status}");
    // Another API of the name takes it up again.
    ns.apply(&rest_api("api")).await;
    ns.ready(&["restapi/api", "apiroute/say"]).await;
    ns.says("say", "hello").await;
    ns.delete("restapi/api").await;
    ns.gone("restapi/api").await;
    ns.delete("apiroute/say").await;
    ns.gone("apiroute/say").await;
}

/// A team can take its route back whatever is wrong with the RestAPI, which may be another's.
#[tokio::test]
async fn a_route_goes_while_its_api_is_stalled_and_leaves_aws_when_that_recovers() {
    let name = "delete-stalled";
    let proxy = Proxy::start(suite().await.testbed.aws_endpoint()).await;
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    ns.apply(&account(name, proxy.url())).await;
    let places = ["stays", "over", "bound", "refused"];
    let routes: String = places.map(|place| route(place, &format!("/{place}"), "say")).concat();
    ns.apply(&[machine("say", "hello"), rest_api("api"), routes].concat()).await;
    ns.ready(&["statemachine/say", "restapi/api"]).await;
    ns.ready(&places.map(|place| format!("apiroute/{place}")).each_ref().map(String::as_str)).await;
    let aws = cloud(&ns);
    let id = text(&ns.get("restapi/api").await, "/status/restApiId");
    let look = async || (aws.rest_api(&id).await.unwrap(), aws.deployments(&id).await);
    let goes = async |place: &str| {
        ns.delete(&format!("apiroute/{place}")).await;
        ns.gone(&format!("apiroute/{place}")).await;
        // Nothing that serves is taken down meanwhile.
        answers(&ns, &format!("/{place}"), "hello").await;
        answers(&ns, "/stays", "hello").await;
    };
    let recovers = async |place: &str| {
        is_withdrawn(&ns, &format!("/{place}")).await;
        ns.ready(&["restapi/api", "apiroute/stays"]).await;
        let (api, _) = look().await;
        assert!(!api.methods.contains_key(&format!("POST /{place}")), "{:?}", api.methods.keys());
        answers(&ns, "/stays", "hello").await;
    };

    // By its own spec, which the tenant does not admit.
    let before = look().await;
    ns.apply(&rest_api("api").replace("{name: prod}", "{name: prod, cache: {clusterSize: \"237\"}}")).await;
    ns.stalled("restapi/api", "OverCeiling").await;
    goes("over").await;
    assert_eq!(look().await, before, "AWS is left alone");
    ns.apply(&rest_api("api")).await;
    recovers("over").await;

    // Because it would now belong elsewhere.
    let before = look().await;
    let regions = |names: &[&str]| json!({"spec": {"regions": names.iter().map(|name| json!({"name": name})).collect::<Vec<_>>()}});
    ns.patch(&format!("awsaccount/{name}"), regions(&["eu-west-1", "us-east-1"])).await;
    ns.stalled("restapi/api", "BindingChanged").await;
    goes("bound").await;
    assert_eq!(look().await, before, "AWS is left alone");
    ns.patch(&format!("awsaccount/{name}"), regions(&["us-east-1"])).await;
    recovers("bound").await;

    // By AWS, which refuses what is deployed.
    const WORDS: &str = "No integration defined for method";
    let refusal = Answer::Error { status: 400, code: "BadRequestException", message: WORDS, retry_after: None };
    proxy.inject("CreateDeployment", ALWAYS, refusal);
    ns.apply(&route("more", "/more", "say")).await;
    ns.stalled("restapi/api", "RefusedByAWS").await;
    goes("refused").await;
    proxy.lift();
    recovers("refused").await;
    ns.ready(&["apiroute/more"]).await;

    for object in ["apiroute/stays", "apiroute/more", "restapi/api", "statemachine/say"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    ns.delete(&format!("awsaccount/{name}")).await;
    ns.gone(&format!("awsaccount/{name}")).await;
    nothing_is_left(&ns).await;
}

#[tokio::test]
async fn what_is_abandoned_goes_without_aws() {
    let ns = scene("delete-abandon").await;
    let inventory = ns.in_aws().await;
    // The API first: it would take the method of a route that goes out of AWS.
    for object in ["restapi/api", "apiroute/say", "statemachine/say"] {
        annotate(&ns, object, "stepgate.dev/abandon", json!("true")).await;
        ns.delete(object).await;
        ns.gone(object).await;
    }
    assert_eq!(ns.in_aws().await, inventory);
    let aws = cloud(&ns);
    let id = aws.apis_tagged("stepgate.dev/namespace", "delete-abandon").await.pop().unwrap();
    // They still carry our tags, so the same manifests take them up.
    ns.apply(&[machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()).await;
    ns.ready(&ALL).await;
    assert_eq!(text(&ns.get("restapi/api").await, "/status/restApiId"), id);
    assert_eq!(ns.in_aws().await, inventory);
    for object in ALL {
        ns.delete(object).await;
    }
    for object in ALL {
        ns.gone(object).await;
    }
    assert_eq!(ns.in_aws().await, BTreeSet::new());
}

#[tokio::test]
async fn what_is_paused_says_what_would_be_done() {
    let ns = scene("delete-paused").await;
    let aws = cloud(&ns);
    let arn = text(&ns.get("statemachine/say").await, "/status/stateMachineArn");
    let id = text(&ns.get("restapi/api").await, "/status/restApiId");
    let before = (aws.machine(&arn).await, aws.rest_api(&id).await, aws.deployments(&id).await);
    for object in ["statemachine/say", "restapi/api"] {
        annotate(&ns, object, "stepgate.dev/paused", json!("true")).await;
    }
    // Nothing to do: still Ready.
    ns.settled(&["statemachine/say", "restapi/api"]).await;
    ns.ready(&ALL).await;

    ns.apply(&[machine("say", "bye"), route("more", "/more", "say")].concat()).await;
    let message = ns.condition("statemachine/say", "Ready", "False", "Paused").await;
    assert!(message.contains("update definition of state machine delete-paused_say"), "{message}");
    let message = ns.condition("restapi/api", "Ready", "False", "Paused").await;
    assert!(message.contains("create method POST /more"), "{message}");
    ns.condition("apiroute/more", "Ready", "False", "Paused").await;
    for object in ["statemachine/say", "restapi/api"] {
        for type_ in ["Reconciling", "Stalled"] {
            ns.condition(object, type_, "False", "Healthy").await;
        }
    }
    ns.says("say", "hello").await;

    // Deleted, it waits and says so.
    ns.delete("statemachine/say").await;
    let message = ns.condition("statemachine/say", "Reconciling", "True", "DeletionBlocked").await;
    assert!(message.contains("stepgate.dev/paused"), "{message}");
    let now = (aws.machine(&arn).await, aws.rest_api(&id).await, aws.deployments(&id).await);
    assert_eq!(now, before);

    annotate(&ns, "restapi/api", "stepgate.dev/paused", Value::Null).await;
    ns.delete("apiroute/more").await;
    ns.delete("apiroute/say").await;
    annotate(&ns, "statemachine/say", "stepgate.dev/paused", Value::Null).await;
    ns.gone("statemachine/say").await;
    ns.ready(&["restapi/api"]).await;
    assert_eq!(aws.machine(&arn).await, None);
}

#[tokio::test]
async fn what_is_paused_and_deleted_waits_for_the_end_of_the_pause() {
    let ns = scene("delete-when-resumed").await;
    const PAUSED: &str = "stepgate.dev/paused";
    // A paused route is kept as it is while its API changes around it.
    annotate(&ns, "apiroute/say", PAUSED, json!("true")).await;
    ns.delete("apiroute/say").await;
    let message = ns.condition("apiroute/say", "Reconciling", "True", "DeletionBlocked").await;
    assert!(message.starts_with("paused by annotation stepgate.dev/paused"), "{message}");
    ns.condition("apiroute/say", "Ready", "False", "DeletionBlocked").await;
    ns.apply(&route("more", "/more", "say")).await;
    ns.ready(&["apiroute/more"]).await;
    ns.says("more", "hello").await;
    ns.says("say", "hello").await;

    // One whose API is paused goes at once, and is served until the pause ends: another team's namespace may be going.
    annotate(&ns, "restapi/api", PAUSED, json!("true")).await;
    ns.settled(&["restapi/api"]).await;
    annotate(&ns, "apiroute/say", PAUSED, Value::Null).await;
    ns.gone("apiroute/say").await;
    answers(&ns, "/say", "hello").await;
    annotate(&ns, "restapi/api", PAUSED, Value::Null).await;
    is_withdrawn(&ns, "/say").await;
    ns.ready(&["restapi/api"]).await;
    let id = text(&ns.get("restapi/api").await, "/status/restApiId");
    let methods = cloud(&ns).rest_api(&id).await.unwrap().methods;
    assert_eq!(methods.keys().collect::<Vec<_>>(), ["POST /more"]);

    annotate(&ns, "restapi/api", PAUSED, json!("true")).await;
    ns.delete("restapi/api").await;
    let message = ns.condition("restapi/api", "Reconciling", "True", "DeletionBlocked").await;
    assert!(message.contains(PAUSED), "{message}");
    let methods = cloud(&ns).rest_api(&id).await.unwrap().methods;
    assert_eq!(methods.keys().collect::<Vec<_>>(), ["POST /more"]);
    annotate(&ns, "restapi/api", PAUSED, Value::Null).await;
    ns.gone("restapi/api").await;
}

#[tokio::test]
async fn a_paused_change_is_made_when_the_pause_ends() {
    let ns = scene("delete-resumed").await;
    annotate(&ns, "statemachine/say", "stepgate.dev/paused", json!("true")).await;
    annotate(&ns, "restapi/api", "stepgate.dev/paused", json!("true")).await;
    ns.settled(&["restapi/api"]).await;
    ns.apply(&[machine("say", "bye"), route("more", "/more", "say")].concat()).await;
    ns.condition("statemachine/say", "Ready", "False", "Paused").await;
    ns.condition("restapi/api", "Ready", "False", "Paused").await;
    annotate(&ns, "statemachine/say", "stepgate.dev/paused", Value::Null).await;
    annotate(&ns, "restapi/api", "stepgate.dev/paused", Value::Null).await;
    ns.ready(&["statemachine/say", "restapi/api", "apiroute/say", "apiroute/more"]).await;
    ns.says("more", "bye").await;
}

#[tokio::test]
async fn what_is_deleted_while_aws_is_down_goes_when_it_is_back() {
    let suite = suite().await;
    let relay = Relay::start(suite.testbed.aws_endpoint()).await.unwrap();
    let ns = Namespace::labelled("delete-down", &[("tenant", "delete-down")]).await;
    ns.apply(&account("delete-down", relay.url())).await;
    ns.ready(&["awsaccount/delete-down"]).await;
    ns.apply(&[machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()).await;
    ns.ready(&ALL).await;
    ns.says("say", "hello").await;
    let inventory = ns.in_aws().await;
    relay.cut();
    for object in ALL {
        ns.delete(object).await;
    }
    for object in ["statemachine/say", "restapi/api"] {
        let message = ns.condition(object, "Reconciling", "True", "Retrying").await;
        assert!(message.contains("was not answered"), "{message}");
        ns.condition(object, "Ready", "False", "Retrying").await;
    }
    assert_eq!(ns.in_aws().await, inventory);
    relay.restore();
    for object in ALL {
        ns.gone(object).await;
    }
    assert_eq!(ns.in_aws().await, BTreeSet::new());
    ns.delete("awsaccount/delete-down").await;
    ns.gone("awsaccount/delete-down").await;
}

/// Our name in AWS, but somebody took our tags off: it is theirs now, and no reason to leave the rest behind.
#[tokio::test]
async fn what_is_no_longer_ours_stays_and_the_rest_goes() {
    let ns = scene("delete-foreign").await;
    let aws = cloud(&ns);
    let id = text(&ns.get("restapi/api").await, "/status/restApiId");
    let invoke_role = aws.invoke_role(&id, "POST /say").await;
    for role in [&invoke_role, &text(&ns.get("statemachine/say").await, "/status/roleArn")] {
        let untag = aws.iam.untag_role().role_name(role_name(role)).tag_keys("stepgate.dev/cluster-uid");
        untag.send().await.unwrap();
    }
    for object in ALL {
        ns.delete(object).await;
    }
    for object in ALL {
        ns.gone(object).await;
    }
    let left: Vec<String> = ns.in_aws().await.into_iter().collect();
    assert!(left.len() == 2 && left.iter().all(|name| name.starts_with("role ")), "{left:?}");
}
