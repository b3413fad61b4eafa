//! A namespace that is moved to another tenant of its account: done right, or refused with AWS as it is.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::escalation::patched;
use crate::support::{Namespace, TENANT, machine, rest_api, route};
use crate::tenancy::{account, answers};

#[tokio::test]
async fn a_namespace_that_comes_to_another_tenant_is_judged_by_that_one() {
    let ns = Namespace::labelled("moves", &[(TENANT, "moves-wide")]).await;
    let tenant = |actions: Value| json!({"exposure": {"authorizations": ["NONE"]}, "ceiling": [{"actions": actions, "resources": ["arn:aws:sqs:*:*:${namespace}-*"]}]});
    let (wide, narrow) = (tenant(json!(["sqs:SendMessage"])), tenant(json!(["sqs:ReceiveMessage"])));
    let tenants = [("moves-wide", wide.clone()), ("moves-same", wide), ("moves-narrow", narrow)];
    ns.apply(&account("moves", &tenants).await.to_string()).await;
    let statement =
        json!({"actions": ["sqs:SendMessage"], "resources": ["arn:aws:sqs:us-east-1:000000000000:moves-q"]});
    let say = |says: &str| patched(&machine("say", says), &json!({"executionRole": {"statements": [statement]}}));
    ns.apply(&[say("hello"), rest_api("api"), route("say", "/say", "say")].concat()).await;
    let all = ["statemachine/say", "restapi/api", "apiroute/say"];
    ns.ready(&all).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let status = ns.get("statemachine/say").await["status"].clone();
    let (arn, role) = (status["stateMachineArn"].as_str().unwrap(), status["roleArn"].as_str().unwrap());
    let api = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let look =
        async || (aws.machine(arn).await, aws.role(role).await, aws.rest_api(&api).await, aws.deployments(&api).await);
    let before = look().await;
    let moved =
        async |tenant: &str| ns.patch("namespace/moves", json!({"metadata": {"labels": {TENANT: tenant}}})).await;

    moved("moves-narrow").await;
    let message = ns.stalled("statemachine/say", "OverCeiling").await;
    let says = "spec.executionRole.statements[0]: no grant in the tenant's ceiling contains `sqs:SendMessage`";
    assert!(message.starts_with(says), "{message}");
    ns.apply(&say("changed")).await;
    ns.condition("statemachine/say", "Ready", "False", "LastKnownGood").await;
    assert_eq!(look().await, before, "AWS was changed under a tenant that does not admit it");
    answers(&ns, "/say", "hello").await;

    // One that admits as much: all goes on, and only what was changed is.
    moved("moves-same").await;
    ns.ready(&all).await;
    answers(&ns, "/say", "changed").await;
    ns.apply(&say("hello")).await;
    ns.ready(&all).await;
    assert_eq!(look().await, before);
}
