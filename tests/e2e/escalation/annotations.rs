//! What anybody who may write an object may write beside its spec, and names that look like another's.

use serde_json::{Value, json};

use super::{machine_with, patched};
use crate::cloud::Cloud;
use crate::support::{Namespace, machine, rest_api, route};

/// An object that says in the operator's own annotation that this was made for it.
fn made(manifest: &str, id: &str) -> String {
    let mut document: Value = serde_saphyr::from_str(manifest).unwrap();
    document["metadata"]["annotations"] = json!({"stepgate.dev/creation": format!("made {id}")});
    format!("---\n{document}\n")
}

fn plan(description: &str) -> String {
    json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": "it"}, "spec": {"description": description}})
        .to_string()
}

#[tokio::test]
async fn a_forged_annotation_takes_nothing_and_leaves_nothing() {
    let victim = Namespace::new("esc-anno-victim").await;
    victim.apply(&[machine("pay", "paid"), rest_api("api"), route("pay", "/pay", "pay")].concat()).await;
    victim.apply(&plan("theirs")).await;
    victim.ready(&["restapi/api", "apiroute/pay", "usageplan/it"]).await;
    let aws = Cloud::new(victim.suite.testbed.aws_endpoint());
    let id = async |object: &str, field: &str| victim.get(object).await["status"][field].as_str().unwrap().to_owned();
    let (api, its_plan) = (id("restapi/api", "restApiId").await, id("usageplan/it", "usagePlanId").await);
    let look = async || {
        let plan = aws.apigateway.get_usage_plan().usage_plan_id(&its_plan).send().await.unwrap();
        (aws.rest_api(&api).await, aws.deployments(&api).await, plan.description, plan.tags)
    };
    let before = look().await;

    let ns = Namespace::new("esc-noted").await;
    ns.apply(&made(&rest_api("api"), &api)).await;
    ns.apply(&made(&plan("mine"), &its_plan)).await;
    let message = ns.stalled("restapi/api", "OwnershipConflict").await;
    let says =
        format!("REST API `{api}` exists in AWS and is not ours: its owner tags name RestAPI esc-anno-victim/api");
    assert!(message.starts_with(&says), "{message}");
    ns.stalled("usageplan/it", "OwnershipConflict").await;
    assert_eq!(look().await, before);
    // What is no id is none.
    for (name, id) in [("empty", ""), ("path", "../../usageplans"), ("line", "a\nb")] {
        ns.apply(&made(&rest_api(name), id)).await;
        ns.ready(&[&format!("restapi/{name}")]).await;
    }
    for object in ["restapi/api", "usageplan/it", "restapi/empty", "restapi/path", "restapi/line"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    assert_eq!(ns.in_aws().await, Default::default());
    assert_eq!(look().await, before);
    victim.says("pay", "paid").await;
}

/// `esc-like` with `a-b-c`, and `esc-like-a` with `b-c`: as one text they are the same.
#[tokio::test]
async fn names_that_run_together_are_not_each_other_s() {
    let one = Namespace::new("esc-like").await;
    let other = Namespace::new("esc-like-a").await;
    let all = |name: &str| [machine(name, name), rest_api("api"), route(name, "/x", name)].concat();
    one.apply(&all("a-b-c")).await;
    other.apply(&all("b-c")).await;
    one.ready(&["statemachine/a-b-c", "apiroute/a-b-c", "restapi/api"]).await;
    other.ready(&["statemachine/b-c", "apiroute/b-c", "restapi/api"]).await;
    let aws = Cloud::new(one.suite.testbed.aws_endpoint());
    let text = |object: &Value, field: &str| object["status"][field].as_str().unwrap().to_owned();
    let (a, b) = (one.get("statemachine/a-b-c").await, other.get("statemachine/b-c").await);
    let (api, its) = (one.get("restapi/api").await, other.get("restapi/api").await);
    let invoke = async |api: &Value| aws.invoke_role(&text(api, "restApiId"), "POST /x").await;
    let ours = [text(&a, "stateMachineArn"), text(&a, "roleArn"), text(&api, "restApiId"), invoke(&api).await];
    let theirs = [text(&b, "stateMachineArn"), text(&b, "roleArn"), text(&its, "restApiId"), invoke(&its).await];
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_ne!(ours.to_lowercase(), theirs.to_lowercase());
    }
    let allowed = aws.role(&ours[3]).await.unwrap().allows();
    assert_eq!(allowed, [format!("states:StartSyncExecution {}", ours[0])].into());
    // Asked for as it would be generated for the other, which the pattern of this tenant admits.
    one.apply(&machine_with("asks", &json!({"name": "esc-like-a_b-c"}))).await;
    let message = one.stalled("statemachine/asks", "OverCeiling").await;
    assert!(message.contains("is a name that stepgate generates for namespace esc-like-a"), "{message}");
    // In whatever order they go.
    let before = (aws.machine(&theirs[0]).await, aws.role(&theirs[1]).await, aws.rest_api(&theirs[2]).await);
    for object in ["apiroute/a-b-c", "restapi/api", "statemachine/a-b-c", "statemachine/asks"] {
        one.delete(object).await;
        one.gone(object).await;
    }
    assert_eq!((aws.machine(&theirs[0]).await, aws.role(&theirs[1]).await, aws.rest_api(&theirs[2]).await), before);
    other.says("b-c", "b-c").await;
}

/// Who wants the same place on an API whose owner gives each of them every path.
#[tokio::test]
async fn the_same_place_is_the_first_one_s_and_stays_so() {
    let platform = Namespace::new("esc-place-platform").await;
    let first = Namespace::new("esc-place-first").await;
    let second = Namespace::new("esc-place-second").await;
    let grants = json!([{"namespaces": {"from": "All"}, "authorizations": ["NONE"]}]);
    platform.apply(&crate::tenancy::granting(&grants)).await;
    let at = |name: &str, path: &str| crate::tenancy::route_of("esc-place-platform", name, path, "say");
    first.apply(&[machine("say", "first"), at("item", "/items/{id}")].concat()).await;
    first.ready(&["apiroute/item"]).await;
    let aws = Cloud::new(platform.suite.testbed.aws_endpoint());
    let id = platform.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let before = (aws.rest_api(&id).await.unwrap(), aws.deployments(&id).await);
    let greedy = at("greedy", "/items/{proxy+}");
    let late = [at("same", "/items/{id}"), at("sibling", "/items/{other}/x"), greedy].concat();
    second.apply(&[machine("say", "second"), late].concat()).await;
    for (name, says) in [
        ("same", "POST /items/{id}: APIRoute esc-place-first/item has this path and method already"),
        ("greedy", "spec.path /items/{proxy+}: API Gateway takes one name for the parameters at one place"),
        (
            "sibling",
            "spec.path /items/{other}/x: API Gateway takes one name for the parameters at one place, and APIRoute esc-place-first/item calls this one {id}",
        ),
    ] {
        let message = second.stalled(&format!("apiroute/{name}"), "RouteConflict").await;
        assert!(message.starts_with(says), "{message}");
    }
    assert_eq!((aws.rest_api(&id).await.unwrap(), aws.deployments(&id).await), before);
    second.delete("apiroute/greedy").await;
    second.gone("apiroute/greedy").await;
    // Younger and applied again, paused or changed: the place is not lost.
    first.apply(&patched(&at("item", "/items/{id}"), &json!({"timeoutMillis": 10_000}))).await;
    first.ready(&["apiroute/item"]).await;
    first.says("item", "first").await;
    first.delete("apiroute/item").await;
    first.gone("apiroute/item").await;
    second.ready(&["apiroute/same"]).await;
    second.says("same", "second").await;
}
