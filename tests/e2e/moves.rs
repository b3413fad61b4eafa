//! A namespace that is moved to another tenant of its account, an object or a cluster that gets another name: done right, or refused
//! with AWS as it is.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stepgate_testbed::{Operator, OperatorOptions};

use crate::cloud::Cloud;
use crate::escalation::patched;
use crate::support::{Namespace, TENANT, machine, rest_api, route, start, suite};
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

/// All names in AWS that hold this text.
async fn names(ns: &Namespace, text: &str) -> BTreeSet<String> {
    let all = ns.suite.testbed.aws().inventory().await.unwrap();
    all.into_iter().filter(|name| name.contains(text)).collect()
}

/// `metadata.name` is changed in Git, and the name in AWS is written out: two objects of one state machine.
#[tokio::test]
async fn a_machine_that_is_renamed_in_git_comes_when_its_old_name_has_gone() {
    let ns = Namespace::new("moves-name").await;
    let named = |name: &str| patched(&machine(name, "hello"), &json!({"name": "moves-name-orders"}));
    let to = |target: &str| route("say", "/say", target);
    ns.apply(&[named("old"), rest_api("api"), to("old")].concat()).await;
    ns.ready(&["statemachine/old", "restapi/api", "apiroute/say"]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let status = ns.get("statemachine/old").await["status"].clone();
    let (arn, role) = (status["stateMachineArn"].as_str().unwrap(), status["roleArn"].as_str().unwrap());
    let api = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let look = async || {
        let api = (aws.rest_api(&api).await, aws.deployments(&api).await);
        (aws.machine(arn).await, aws.role(role).await, api, names(&ns, "moves-name").await)
    };
    let before = look().await;
    let conflict = async || {
        let message = ns.stalled("statemachine/new", "OwnershipConflict").await;
        let says = "state machine `moves-name-orders` exists in AWS and is not ours: its owner tags name StateMachine moves-name/old of cluster testbed";
        assert!(message.starts_with(says), "{message}");
    };

    // What a sync applies first, and prunes then.
    ns.apply(&[named("new"), to("new")].concat()).await;
    conflict().await;
    ns.condition("apiroute/say", "Ready", "False", "LastKnownGood").await;
    ns.delete("statemachine/old").await;
    let held = ["stage prod", "RestAPI moves-name/api"];
    ns.condition_with("statemachine/old", ("Reconciling", "True", "DeletionBlocked"), &held).await;
    conflict().await;
    assert_eq!(look().await, before, "AWS was changed by half a renaming");
    answers(&ns, "/say", "hello").await;

    // Taken back.
    ns.patch("statemachine/old", json!({"metadata": {"annotations": {"stepgate.dev/abandon": "true"}}})).await;
    ns.gone("statemachine/old").await;
    ns.apply(&[named("old"), to("old")].concat()).await;
    ns.ready(&["statemachine/old", "apiroute/say"]).await;
    conflict().await;
    assert_eq!(look().await, before);

    // Carried through: nothing serves it any more, it goes, and the other one comes whole, with a role of its own.
    ns.delete("apiroute/say").await;
    ns.gone("apiroute/say").await;
    ns.delete("statemachine/old").await;
    ns.gone("statemachine/old").await;
    ns.apply(&to("new")).await;
    ns.ready(&["statemachine/new", "restapi/api", "apiroute/say"]).await;
    answers(&ns, "/say", "hello").await;
    assert_eq!(aws.role(role).await, None, "the old one's role is left behind");
    let (is, was) = (aws.machine(arn).await.unwrap(), before.0.unwrap());
    assert_eq!((&is.definition, &*is.tags["stepgate.dev/name"]), (&was.definition, "new"));
    let own = ns.get("statemachine/new").await["status"]["roleArn"].as_str().unwrap().to_owned();
    assert!(is.role_arn == own && is.role_arn != role, "{}", is.role_arn);
    assert_eq!(names(&ns, "moves-name").await.len(), before.3.len(), "something is there twice");
}

/// What was left in AWS is nobody's but the object's that left it, also where another has its name there.
#[tokio::test]
async fn a_retained_machine_waits_for_the_name_that_it_had() {
    let ns = Namespace::new("moves-kept").await;
    let spec = json!({"name": "moves-kept-orders", "deletionPolicy": "Retain"});
    let named = |name: &str, says: &str| patched(&machine(name, says), &spec);
    ns.apply(&named("old", "hello")).await;
    ns.ready(&["statemachine/old"]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let status = ns.get("statemachine/old").await["status"].clone();
    let (arn, role) = (status["stateMachineArn"].as_str().unwrap(), status["roleArn"].as_str().unwrap());
    let look = async || (aws.machine(arn).await, aws.role(role).await, names(&ns, "moves-kept").await);
    let before = look().await;
    ns.delete("statemachine/old").await;
    ns.gone("statemachine/old").await;
    let released = look().await;
    ns.apply(&named("new", "changed")).await;
    let message = ns.stalled("statemachine/new", "OwnershipConflict").await;
    assert!(message.starts_with("state machine `moves-kept-orders` exists in AWS and is not ours"), "{message}");
    assert_eq!(look().await, released);
    ns.delete("statemachine/new").await;
    ns.gone("statemachine/new").await;
    assert_eq!(look().await, released);
    ns.apply(&named("old", "hello")).await;
    ns.ready(&["statemachine/old"]).await;
    assert_eq!(look().await, before);
    ns.patch("statemachine/old", json!({"spec": {"deletionPolicy": "Delete"}})).await;
    ns.delete("statemachine/old").await;
    ns.gone("statemachine/old").await;
}

/// Names of roles are made of it, and owner tags hold it.
#[tokio::test]
async fn an_operator_that_gets_another_cluster_name_touches_nothing_of_before() {
    // A control plane of its own, on the same AWS.
    let suite = &*Box::leak(Box::new(start(Some(suite().await), OperatorOptions::default()).await.unwrap()));
    let ns = Namespace::on(suite, "moves-cluster", &[(TENANT, "e2e")]).await;
    let plan = json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": "it"},
        "spec": {"apiStages": [{"apiRef": {"name": "api"}, "stage": "prod"}]}});
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
    ns.apply(&format!("{manifests}---\n{plan}\n")).await;
    let all = ["statemachine/say", "restapi/api", "apiroute/say", "usageplan/it"];
    ns.ready(&all).await;
    let aws = Cloud::new(suite.testbed.aws_endpoint());
    let text = async |object: &str, field: &str| ns.get(object).await["status"][field].as_str().unwrap().to_owned();
    let (arn, role) = (text("statemachine/say", "stateMachineArn").await, text("statemachine/say", "roleArn").await);
    let (api, usage_plan) = (text("restapi/api", "restApiId").await, text("usageplan/it", "usagePlanId").await);
    let invoke_role = aws.invoke_role(&api, "POST /say").await;
    let plans = async || {
        let all = aws.apigateway.get_usage_plans().limit(500).send().await.unwrap().items.unwrap_or_default();
        all.into_iter().filter(|plan| plan.name() == Some("moves-cluster_it")).collect::<Vec<_>>()
    };
    let look = async || {
        let roles = (aws.role(&role).await, aws.role(&invoke_role).await);
        let api = (aws.rest_api(&api).await, aws.deployments(&api).await);
        (aws.machine(&arn).await, roles, api, plans().await, names(&ns, "moves-cluster").await)
    };
    let before = look().await;
    assert_eq!(before.3.len(), 1);

    suite.operator.stop().await.unwrap();
    let named = |name: &str| OperatorOptions {
        binary: Some(env!("CARGO_BIN_EXE_stepgate").into()),
        name: Some(name.to_owned()),
        args: vec![format!("--cluster-name={name}")],
        ..OperatorOptions::default()
    };
    let renamed = Operator::start(suite.testbed, named("renamed")).await.unwrap();
    // Changed meanwhile, so that it is certain that it was looked at.
    ns.apply(
        &[machine("say", "changed"), rest_api("api").replace("{stages", "{description: changed, stages")].concat(),
    )
    .await;
    ns.patch("usageplan/it", json!({"spec": {"description": "changed"}})).await;
    for (object, kind) in
        [("statemachine/say", "StateMachine"), ("restapi/api", "RestAPI"), ("usageplan/it", "UsagePlan")]
    {
        let message = ns.stalled(object, "OwnershipConflict").await;
        let (_, name) = object.split_once('/').unwrap();
        let says = format!(
            "its owner tags name {kind} moves-cluster/{name} of cluster testbed, and this one's --cluster-name is renamed"
        );
        assert!(message.contains(&says), "{message}");
    }
    answers(&ns, "/say", "hello").await;
    assert_eq!(look().await, before, "AWS was changed under another cluster's name");
    // What goes meanwhile leaves AWS as it is.
    ns.delete("usageplan/it").await;
    ns.gone("usageplan/it").await;
    assert_eq!(look().await, before, "AWS was changed under another cluster's name");

    // Under its own name it goes on where it was.
    renamed.stop().await.unwrap();
    let _testbed = Operator::start(suite.testbed, named("testbed")).await.unwrap();
    ns.apply(&format!("{manifests}---\n{plan}\n")).await;
    ns.ready(&all).await;
    assert_eq!(
        (text("restapi/api", "restApiId").await, text("usageplan/it", "usagePlanId").await),
        (api.clone(), usage_plan)
    );
    assert_eq!(look().await, before);
    for object in all {
        ns.delete(object).await;
    }
    for object in all {
        ns.gone(object).await;
    }
    assert_eq!(names(&ns, "moves-cluster").await, BTreeSet::new());
}
