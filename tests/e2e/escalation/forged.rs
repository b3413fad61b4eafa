//! Status, records and annotations that somebody else than the operator wrote.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Scene, arn, machine_with, patched};
use crate::support::{Namespace, condition, machine, rest_api, route};

/// Who has every right in the attackers' namespaces, as a Role with `*` gives it.
const MALLORY: &str = "mallory";

/// `kubectl` as somebody; the words of a refusal are an answer too.
async fn kubectl_as(ns: &Namespace, user: &str, arguments: &[&str]) -> Result<String, String> {
    let known = ["-n", &ns.name, "--as", user];
    ns.suite.testbed.kubectl(arguments.iter().chain(&known)).await.map_err(|error| error.to_string())
}

/// Writes a status over the present one, as Mallory.
async fn patch_status(ns: &Namespace, object: &str, status: &Value) -> Result<String, String> {
    let patch = json!({"status": status}).to_string();
    let object = object.replacen('/', ".stepgate.dev/", 1);
    kubectl_as(ns, MALLORY, &["patch", &object, "--subresource=status", "--type=merge", "-p", &patch]).await
}

/// The same with the operator's own token: what gets past the admission policy.
pub(super) async fn forge(ns: &Namespace, object: &str, status: Value) -> Result<(), String> {
    let path = ns.suite.testbed.dir().join("operator.kubeconfig");
    let kubeconfig = kube::config::Kubeconfig::read_from(path).unwrap();
    let mut config = kube::Config::from_custom_kubeconfig(kubeconfig, &Default::default()).await.unwrap();
    config.proxy_url = None;
    let client = kube::Client::try_from(config).unwrap();
    let (kind, name) = object.split_once('/').unwrap();
    let path = format!("/apis/stepgate.dev/v1alpha1/namespaces/{}/{kind}s/{name}/status", ns.name);
    let patch = json!({"status": status}).to_string();
    let request =
        http::Request::patch(path).header("Content-Type", "application/merge-patch+json").body(patch.into_bytes());
    client.request::<Value>(request.unwrap()).await.map(drop).map_err(|error| error.to_string())
}

/// Forges again and again until it is told: each check of AWS puts a status right.
async fn forge_until(ns: &Namespace, object: &str, status: Value, told: impl AsyncFn() -> Result<(), String>) {
    crate::support::eventually("what is forged is told", crate::support::PATIENCE, async || {
        let said = told().await;
        if said.is_err() {
            forge(ns, object, status.clone()).await.unwrap();
        }
        said
    })
    .await;
}

async fn all_rights(ns: &Namespace) {
    let testbed = ns.suite.testbed;
    let role = ["create", "role", "all", "-n", &ns.name, "--verb=*", "--resource=*.*"];
    testbed.kubectl(role).await.unwrap();
    let user = format!("--user={MALLORY}");
    let binding = ["create", "rolebinding", "all", "-n", &ns.name, "--role=all", &user];
    testbed.kubectl(binding).await.unwrap();
}

#[tokio::test]
async fn nobody_else_writes_what_the_operator_believes() {
    let ns = Namespace::new("esc-writes").await;
    all_rights(&ns).await;
    ns.apply(&[machine("own", "mine"), rest_api("api"), route("own", "/own", "own")].concat()).await;
    let all = ["statemachine/own", "restapi/api", "apiroute/own"];
    ns.ready(&all).await;
    let says = |kind: &str| format!("only the operator writes the status of a {kind}");
    // What becomes of these does not matter: who may write is the kind's affair.
    let of = |kind: &str, spec: Value| {
        let meta = json!({"name": "own", "namespace": ns.name});
        format!(
            "---\n{}\n",
            json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec})
        )
    };
    let certificate = "arn:aws:acm:eu-central-1:111122223333:certificate/12345678-1234-1234-1234-123456789012";
    let domain = of("APIDomain", json!({"domainName": "esc-writes.example.com", "certificateArn": certificate}));
    let plan = of("UsagePlan", json!({"apiStages": [{"apiRef": {"name": "api"}, "stage": "prod"}]}));
    ns.apply(&[domain, plan].concat()).await;
    let more = [("apidomain/own", "APIDomain"), ("usageplan/own", "UsagePlan")];
    for (object, kind) in all.into_iter().zip(["StateMachine", "RestAPI", "APIRoute"]).chain(more) {
        let refused = patch_status(&ns, object, &json!({"observedGeneration": 7})).await.unwrap_err();
        assert!(refused.contains(&says(kind)), "{refused}");
    }
    let account = [
        "patch",
        "awsaccount/e2e",
        "--subresource=status",
        "--type=merge",
        "-p",
        r#"{"status": {"partition": "aws-cn"}}"#,
    ];
    let refused = ns.suite.testbed.kubectl(account).await.unwrap_err().to_string();
    assert!(refused.contains(&says("AWSAccount")), "the cluster's admin too: {refused}");

    // A record says what invoke roles must be able to do.
    let uid = ns.get("restapi/api").await["metadata"]["uid"].as_str().unwrap().to_owned();
    let record = |labels: Value| json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": "forged", "labels": labels}, "revision": 9, "data": {}});
    let path = ns.suite.testbed.dir().join("esc-record.yaml");
    let create = async |labels: Value| {
        std::fs::write(&path, record(labels).to_string()).unwrap();
        kubectl_as(&ns, MALLORY, &["create", "-f", &path.to_string_lossy()]).await
    };
    let refused = create(json!({"stepgate.dev/restapi-uid": uid})).await.unwrap_err();
    assert!(refused.contains("only the operator writes the records of revisions"), "{refused}");
    create(json!({"app": "mine"})).await.expect("others' ControllerRevisions are no affair of ours");
    let label = format!("stepgate.dev/restapi-uid={uid}");
    let refused = kubectl_as(&ns, MALLORY, &["label", "controllerrevision/forged", &label]).await.unwrap_err();
    assert!(refused.contains("only the operator writes the records of revisions"), "{refused}");

    // What is theirs goes on, and goes with its records when it is deleted.
    kubectl_as(&ns, MALLORY, &["annotate", "statemachine.stepgate.dev/own", "note=1"]).await.unwrap();
    for object in all {
        ns.delete(object).await;
    }
    for object in all {
        ns.gone(object).await;
    }
}

/// Should a status be forged all the same: it grants nothing.
#[tokio::test]
async fn a_forged_status_grants_nothing() {
    let scene = Scene::new("esc-forged").await;
    let ns = &scene.star;
    let pay = arn("esc-forged-victim_pay");
    ns.apply(&[machine("own", "mine"), rest_api("api"), route("own", "/own", "own")].concat()).await;
    ns.ready(&["statemachine/own", "restapi/api", "apiroute/own"]).await;
    let own_api = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let forge = async |object: &str, status: Value| forge(ns, object, status).await.unwrap();

    // A machine that shows another's ARN, and one that can't be made and shows one: neither can be called.
    ns.apply(&machine_with("taken", &json!({"name": "esc-forged-victim_pay"}))).await;
    ns.stalled("statemachine/taken", "OverCeiling").await;
    ns.patch("statemachine/own", json!({"metadata": {"annotations": {"stepgate.dev/paused": "true"}}})).await;
    forge("statemachine/own", json!({"stateMachineArn": pay})).await;
    forge("statemachine/taken", json!({"stateMachineArn": pay})).await;
    ns.apply(&route("first", "/first", "own")).await;
    ns.apply(&route("second", "/second", "taken")).await;
    ns.ready(&["apiroute/own"]).await;
    let calls = async || {
        let names = scene.names().await;
        let mut calls = BTreeSet::new();
        for name in names.iter().filter_map(|name| name.strip_prefix("role stepgate-invoke-esc-forged-star")) {
            let role = scene.aws.role(&format!("stepgate-invoke-esc-forged-star{name}")).await;
            calls.extend(role.map(|role| role.allows()).unwrap_or_default());
        }
        calls
    };
    let message = ns
        .eventually("apiroute/second", "waits", async |found| {
            let found = condition(found.ok_or("is not there")?, "Ready").ok_or("has no status")?;
            if found.message.is_empty() || found.reason == "Pending" {
                Err(found.to_string())
            } else {
                Ok(found.message)
            }
        })
        .await;
    assert_eq!(
        message,
        "spec.target.stateMachineRef: StateMachine esc-forged-star/taken has a name that its tenant does not admit"
    );
    let shows = "spec.target.stateMachineRef: StateMachine esc-forged-star/own shows another machine in its status";
    forge_until(ns, "statemachine/own", json!({"stateMachineArn": pay}), async || {
        let ready = condition(&ns.get("apiroute/first").await, "Ready").ok_or("has no status")?;
        // It may have served its own machine for a moment, and then keeps serving that.
        let kept = format!("{shows}. What was served before keeps serving.");
        if [shows, &kept].contains(&&*ready.message) { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    let own = format!("states:StartSyncExecution {}", arn("esc-forged-star_own"));
    assert_eq!(calls().await, BTreeSet::from([own]));

    // An API that shows another's id finds its own again, and leaves the other's alone, also when it is deleted.
    forge("restapi/api", json!({"restApiId": scene.apis[1]})).await;
    ns.patch("restapi/api", json!({"spec": {"description": "changed"}})).await;
    ns.eventually("restapi/api", "shows its own id", async |found| {
        let status = &found.ok_or("is not there")?["status"];
        let id = status["restApiId"].as_str().unwrap_or_default();
        if id == own_api && status["observedGeneration"] == found.unwrap()["metadata"]["generation"] {
            Ok(())
        } else {
            Err(status.to_string())
        }
    })
    .await;
    assert_eq!(scene.aws.rest_api(&own_api).await.unwrap().description.as_deref(), Some("changed"));
    let paused = |value: Value| json!({"metadata": {"annotations": {"stepgate.dev/paused": value}}});
    for object in ["restapi/api", "statemachine/own", "statemachine/taken"] {
        ns.patch(object, paused(json!("true"))).await;
        ns.delete(object).await;
    }
    ns.condition("restapi/api", "Reconciling", "True", "DeletionBlocked").await;
    ns.condition("statemachine/own", "Reconciling", "True", "DeletionBlocked").await;
    forge("restapi/api", json!({"restApiId": scene.apis[1]})).await;
    let binding = json!({"account": "esc-forged", "accountId": "000000000000", "region": "us-east-1"});
    forge("statemachine/own", json!({"stateMachineArn": pay, "roleArn": scene.roles[2]})).await;
    if ns.find("statemachine/taken").await.is_some() {
        forge("statemachine/taken", json!({"stateMachineArn": pay, "roleArn": scene.roles[2], "binding": binding}))
            .await;
    }
    for object in ["restapi/api", "statemachine/own", "statemachine/taken"] {
        if ns.find(object).await.is_some() {
            ns.patch(object, paused(Value::Null)).await;
        }
        ns.gone(object).await;
    }
    for route in ["own", "first", "second"] {
        ns.delete(&format!("apiroute/{route}")).await;
        ns.gone(&format!("apiroute/{route}")).await;
    }
    assert_eq!(scene.aws.rest_api(&own_api).await, None);
    scene.unchanged_but_for(&BTreeSet::new()).await;
    scene.end().await;
}

/// A RestAPI that shows another's id, and a plan that shows another's: neither opens or touches anything.
#[tokio::test]
async fn a_forged_status_opens_no_other_api() {
    let victim = Namespace::new("esc-plans-victim").await;
    victim.apply(&[machine("pay", "paid"), rest_api("api"), route("pay", "/pay", "pay")].concat()).await;
    victim.ready(&["restapi/api", "apiroute/pay"]).await;
    let ns = Namespace::new("esc-plans").await;
    let plan = |description: &str| {
        let spec = json!({"description": description, "apiStages": [{"apiRef": {"name": "api"}, "stage": "prod"}]});
        let plan = json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": "it"}, "spec": spec});
        format!("---\n{plan}\n")
    };
    ns.apply(&[machine("own", "mine"), rest_api("api"), route("own", "/own", "own"), plan("mine")].concat()).await;
    ns.ready(&["restapi/api", "usageplan/it"]).await;
    let text = |object: &Value, field: &str| object["status"][field].as_str().unwrap().to_owned();
    let (own, theirs) =
        (text(&ns.get("restapi/api").await, "restApiId"), text(&victim.get("restapi/api").await, "restApiId"));
    let id = text(&ns.get("usageplan/it").await, "usagePlanId");
    let aws = crate::cloud::Cloud::new(ns.suite.testbed.aws_endpoint());
    let stages = async || {
        let found = aws.apigateway.get_usage_plan().usage_plan_id(&id).send().await.unwrap();
        found.api_stages.unwrap_or_default().into_iter().filter_map(|stage| stage.api_id).collect::<Vec<_>>()
    };
    forge(&ns, "restapi/api", json!({"restApiId": theirs})).await.unwrap();
    let message = ns.condition("usageplan/it", "Reconciling", "True", "WaitingForReference").await;
    assert_eq!(
        message,
        format!(
            "spec.apiStages: RestAPI esc-plans/api shows API {theirs} in its status, which AWS does not have or which is not its own"
        )
    );
    assert_eq!(stages().await, [own.as_str()], "what it has it keeps");
    ns.patch("restapi/api", json!({"spec": {"description": "changed"}})).await;
    ns.ready(&["restapi/api", "usageplan/it"]).await;
    assert_eq!(stages().await, [own.as_str()]);

    let foreign = aws.apigateway.create_usage_plan().name("esc-plans_it").description("theirs").send().await.unwrap();
    let foreign = foreign.id.unwrap();
    forge(&ns, "usageplan/it", json!({"usagePlanId": foreign})).await.unwrap();
    ns.apply(&plan("changed")).await;
    ns.eventually("usageplan/it", "is the one that it was", async |found| {
        let status = &found.ok_or("is not there")?["status"];
        let described = aws.apigateway.get_usage_plan().usage_plan_id(&id).send().await.unwrap().description;
        let is = status["usagePlanId"] == *id && described.as_deref() == Some("changed");
        if is { Ok(()) } else { Err(format!("{status} {described:?}")) }
    })
    .await;
    let untouched = aws.apigateway.get_usage_plan().usage_plan_id(&foreign).send().await.unwrap();
    assert_eq!(untouched.description(), Some("theirs"));
    ns.delete("usageplan/it").await;
    ns.gone("usageplan/it").await;
    assert!(aws.apigateway.get_usage_plan().usage_plan_id(&foreign).send().await.is_ok());
    aws.apigateway.delete_usage_plan().usage_plan_id(&foreign).send().await.unwrap();
}

/// Where an object lives becomes part of the hosts that signed calls go to.
#[tokio::test]
async fn a_forged_binding_sends_no_call_elsewhere() {
    let ns = Namespace::new("esc-binding").await;
    ns.apply(&machine("own", "mine")).await;
    ns.ready(&["statemachine/own"]).await;
    let binding = |account: &str, id: &str, region: &str| json!({"binding": {"account": account, "accountId": id, "region": region}});
    for (id, region) in
        [("000000000000", "evil.example.com/#"), ("000000000000", "us-east-1.evil"), ("1@evil", "us-east-1")]
    {
        let refused = forge(&ns, "statemachine/own", binding("e2e", id, region)).await.unwrap_err();
        assert!(refused.contains("should match"), "{refused}");
    }
    let own = arn("esc-binding_own");
    let aws = crate::cloud::Cloud::new(ns.suite.testbed.aws_endpoint());
    forge_until(&ns, "statemachine/own", binding("e2e", "000000000000", "eu-west-1"), async || {
        let stalled = condition(&ns.get("statemachine/own").await, "Stalled").ok_or("has no status")?;
        if stalled.reason == "BindingChanged" { Ok(()) } else { Err(stalled.to_string()) }
    })
    .await;
    let before = aws.machine(&own).await;
    ns.apply(&machine("own", "changed")).await;
    ns.stalled("statemachine/own", "BindingChanged").await;
    assert_eq!(aws.machine(&own).await, before);
    let mut asked = 0;
    crate::support::eventually("the binding is put back", crate::support::PATIENCE, async || {
        // A reconcile that began before writes what it began with.
        if ns.get("statemachine/own").await["status"]["binding"]["region"] != "us-east-1" {
            asked += 1;
            forge(&ns, "statemachine/own", binding("e2e", "000000000000", "us-east-1")).await.unwrap();
            let check = json!({"metadata": {"annotations": {"stepgate.dev/check-requested-at": asked.to_string()}}});
            ns.patch("statemachine/own", check).await;
        }
        let ready = crate::support::condition(&ns.get("statemachine/own").await, "Ready");
        ready.filter(|ready| ready.status == "True").map(drop).ok_or("it is not ready".to_owned())
    })
    .await;
    ns.apply(&patched(&machine("own", "mine"), &json!({}))).await;
    ns.ready(&["statemachine/own"]).await;
}
