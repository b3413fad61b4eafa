//! A route that names a StateMachine by its ARN is no less its caller than one that refers to it.

use serde_json::json;

use crate::escalation::patched;
use crate::support::{Namespace, TENANT, machine, rest_api, route};
use crate::tenancy::{account, answers, is_withdrawn};

const NAME: &str = "by-arn";

fn by_arn(name: &str, owner: &str) -> String {
    let arn = format!("arn:aws:states:${{AWS::Region}}:${{AWS::AccountId}}:stateMachine:{owner}_{name}");
    patched(&route(name, &format!("/{name}"), name), &json!({"target": {"stateMachineRef": null, "arn": arn}}))
}

#[tokio::test]
async fn what_is_served_by_arn_keeps_its_machine_and_is_its_owner_s_to_take_back() {
    let owner = Namespace::labelled("by-arn-owner", &[(TENANT, NAME)]).await;
    let ns = Namespace::labelled(NAME, &[(TENANT, NAME)]).await;
    let tenant = json!({
        "exposure": {"authorizations": ["NONE", "AWS_IAM"]},
        "targets": [{"arns": ["arn:aws:states:*:*:stateMachine:by-arn*"], "actions": ["StartSyncExecution"]}],
    });
    ns.apply(&account(NAME, &[(NAME, tenant)]).await.to_string()).await;
    let admitting =
        |from: &str| machine("theirs", "theirs") + &format!("  allowedCallers: {{namespaces: {{from: {from}}}}}\n");
    owner.apply(&admitting("All")).await;
    ns.apply(&[machine("own", "mine"), rest_api("api")].concat()).await;
    owner.ready(&["statemachine/theirs"]).await;
    ns.ready(&["statemachine/own"]).await;
    ns.apply(&[by_arn("own", NAME), by_arn("theirs", "by-arn-owner")].concat()).await;
    ns.ready(&["restapi/api", "apiroute/own", "apiroute/theirs"]).await;

    // A machine that is served is not deleted.
    ns.delete("statemachine/own").await;
    let waits = ns.condition("statemachine/own", "Reconciling", "True", "DeletionBlocked").await;
    let says = "stage prod of RestAPI by-arn/api serves it in revision ";
    assert!(waits.starts_with(says) && waits.contains("(APIRoute by-arn/own)"), "{waits}");
    answers(&ns, "/own", "mine").await;
    ns.delete("apiroute/own").await;
    ns.gone("apiroute/own").await;
    ns.gone("statemachine/own").await;

    // What its owner takes back is not kept by a route that asks for something else by now.
    let nowhere = json!({"target": {"arn": null, "stateMachineRef": {"name": "nowhere"}}});
    ns.apply(&patched(&by_arn("theirs", "by-arn-owner"), &nowhere)).await;
    ns.condition("apiroute/theirs", "Ready", "False", "LastKnownGood").await;
    answers(&ns, "/theirs", "theirs").await;
    owner.apply(&admitting("Same")).await;
    is_withdrawn(&ns, "/theirs").await;
    let says = "Warning NotAllowed: what it served as POST /theirs was withdrawn: its target: StateMachine by-arn-owner/theirs admits only its own namespace";
    ns.event("apiroute/theirs", says).await;
}
