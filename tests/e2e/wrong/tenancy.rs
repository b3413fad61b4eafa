//! What the admin does not admit is not made, and the message names the list.

use serde_json::json;

use crate::support::{Namespace, TENANT, account, machine, rest_api, route};

/// A StateMachine whose managed role has this statement.
fn with_statement(actions: &str, resources: &str) -> String {
    machine("work", "done")
        + &format!("  executionRole: {{statements: [{{actions: [{actions}], resources: [{resources}]}}]}}\n")
}

#[tokio::test]
async fn a_statement_over_the_ceiling() {
    let ns = Namespace::new("e2e-ceiling").await;
    let of_another = "\"arn:aws:dynamodb:us-east-1:000000000000:table/e2e-other-orders\"";
    ns.apply(&with_statement("\"dynamodb:PutItem\"", of_another)).await;
    let message = ns.stalled("statemachine/work", "OverCeiling").await;
    assert!(message.starts_with("spec.executionRole.statements[0]: "), "{message}");
    assert!(message.contains("dynamodb:PutItem") && message.contains("table/e2e-other-orders"), "{message}");
    assert!(message.contains("admin"), "who can mend it? {message}");

    ns.apply(&with_statement("\"dynamodb:*\"", "\"*\"")).await;
    let message = ns.stalled("statemachine/work", "OverCeiling").await;
    assert!(message.contains("dynamodb:*"), "{message}");
    let roles = ns.suite.testbed.aws().inventory().await.unwrap();
    assert!(!roles.iter().any(|name| name.contains("e2e-ceiling")), "{roles:?}");

    let own = "\"arn:aws:dynamodb:${AWS::Region}:${AWS::AccountId}:table/e2e-ceiling-orders\"";
    ns.apply(&with_statement("\"dynamodb:PutItem\"", own)).await;
    ns.ready(&["statemachine/work"]).await;
}

#[tokio::test]
async fn what_a_tenant_does_not_list() {
    let ns = Namespace::new("e2e-lists").await;
    let spec = |name: &str, more: &str| machine(name, "done") + more;
    ns.apply(&spec("named", "  name: another-teams-name\n")).await;
    ns.apply(&spec("role", "  executionRole: {arn: \"arn:aws:iam::000000000000:role/admin\"}\n")).await;
    ns.apply(&spec(
        "policy",
        "  executionRole: {managedPolicyArns: [\"arn:aws:iam::aws:policy/AdministratorAccess\"]}\n",
    ))
    .await;
    ns.apply(&(rest_api("edge") + "  \n").replace("prod}]", "prod}], endpoint: {type: EDGE}")).await;
    let named = ns.stalled("statemachine/named", "OverCeiling").await;
    assert_eq!(
        named,
        "spec.name: `another-teams-name` is in none of the `namePatterns` of tenant e2e in AWSAccount e2e; leave spec.name \
         out to get e2e-lists_named, or ask the platform admin to add it"
    );
    let role = ns.stalled("statemachine/role", "OverCeiling").await;
    assert!(role.starts_with("spec.executionRole.arn: `arn:aws:iam::000000000000:role/admin` is in none"), "{role}");
    let policy = ns.stalled("statemachine/policy", "OverCeiling").await;
    assert!(policy.contains("`managedPolicyArns` of tenant e2e in AWSAccount e2e"), "{policy}");
    let edge = ns.stalled("restapi/edge", "OverCeiling").await;
    assert!(edge.starts_with("spec.endpoint.type: tenant e2e of AWSAccount e2e does not admit EDGE"), "{edge}");
}

#[tokio::test]
async fn no_account_admits_the_namespace() {
    let ns = Namespace::labelled("e2e-nobody", &[]).await;
    ns.apply(&(machine("work", "done") + &rest_api("api"))).await;
    for object in ["statemachine/work", "restapi/api"] {
        assert_eq!(
            ns.stalled(object, "NotAdmitted").await,
            "no tenant of an AWSAccount admits namespace e2e-nobody; the platform admin must add it to a tenant's `namespaces`"
        );
    }
    ns.patch("namespace/e2e-nobody", json!({"metadata": {"labels": {TENANT: "e2e"}}})).await;
    ns.ready(&["statemachine/work"]).await;
}

#[tokio::test]
async fn a_route_of_a_namespace_that_no_account_admits() {
    let platform = Namespace::new("e2e-admitted").await;
    let team = Namespace::labelled("e2e-not-admitted", &[]).await;
    let grants = "{allowedRoutes: [{namespaces: {from: All}, authorizations: [NONE]}], stages";
    platform.apply(&(machine("work", "done") + "  allowedCallers: {namespaces: {from: All}}\n")).await;
    platform.apply(&rest_api("api").replace("{stages", grants)).await;
    let there = route("orders", "/orders", "work")
        .replace("apiRef: {name: api}", "apiRef: {name: api, namespace: e2e-admitted}")
        .replace("{name: work}", "{name: work, namespace: e2e-admitted}");
    team.apply(&there).await;
    let message = team.stalled("apiroute/orders", "NotAdmitted").await;
    assert_eq!(
        message,
        "no tenant of an AWSAccount admits namespace e2e-not-admitted; the platform admin must add it to a tenant's `namespaces`"
    );
    assert_eq!(team.condition("apiroute/orders", "Accepted", "False", "NotAdmitted").await, message);
    platform.ready(&["restapi/api"]).await;
    team.patch("namespace/e2e-not-admitted", json!({"metadata": {"labels": {TENANT: "e2e"}}})).await;
    team.ready(&["apiroute/orders"]).await;
    team.says("orders", "done").await;
}

#[tokio::test]
async fn two_tenants_that_match() {
    let ns = Namespace::labelled("e2e-two-tenants", &[(TENANT, "e2e"), ("also", "yes")]).await;
    let second = account("e2e-second", ns.suite.testbed.aws_endpoint()).replace("tenant: e2e-second", "also: \"yes\"");
    ns.apply(&second).await;
    ns.ready(&["awsaccount/e2e-second"]).await;
    ns.apply(&machine("work", "done")).await;
    assert_eq!(
        ns.stalled("statemachine/work", "NotAdmitted").await,
        "namespace e2e-two-tenants is in several tenants: e2e/e2e, e2e-second/e2e-second; say which account is meant with \
         spec.accountRef.name"
    );
    ns.patch("statemachine/work", json!({"spec": {"accountRef": {"name": "e2e-second"}}})).await;
    ns.ready(&["statemachine/work"]).await;
    assert_eq!(ns.get("statemachine/work").await["status"]["binding"]["account"], "e2e-second");

    // What lives in one account does not move to another.
    ns.patch("statemachine/work", json!({"spec": {"accountRef": {"name": "e2e"}}})).await;
    let message = ns.stalled("statemachine/work", "BindingChanged").await;
    assert!(message.contains("(e2e-second)") && message.contains("(e2e)"), "{message}");
    ns.patch("statemachine/work", json!({"spec": {"accountRef": {"name": "e2e-second"}}})).await;
    ns.ready(&["statemachine/work"]).await;
    ns.delete("statemachine/work").await;
    ns.gone("statemachine/work").await;
    ns.delete("awsaccount/e2e-second").await;
    ns.gone("awsaccount/e2e-second").await;
}

#[tokio::test]
async fn a_wrong_account_id() {
    let ns = Namespace::labelled("e2e-wrong-account", &[(TENANT, "e2e-wrong")]).await;
    let wrong = account("e2e-wrong", ns.suite.testbed.aws_endpoint()).replace("\"000000000000\"", "\"111122223333\"");
    ns.apply(&wrong).await;
    let message = ns.stalled("awsaccount/e2e-wrong", "WrongAccount").await;
    assert!(message.contains("111122223333") && message.contains("000000000000"), "{message}");
    ns.apply(&(machine("work", "done") + &rest_api("api") + &route("orders", "/orders", "work"))).await;
    for object in ["statemachine/work", "restapi/api"] {
        let said = ns.stalled(object, "WrongAccount").await;
        assert_eq!(said, format!("AWSAccount e2e-wrong: {message}"));
    }
    let said = ns.stalled("apiroute/orders", "WrongAccount").await;
    assert_eq!(said, format!("RestAPI e2e-wrong-account/api: AWSAccount e2e-wrong: {message}"));
    let there = ns.suite.testbed.aws().inventory().await.unwrap();
    assert!(!there.iter().any(|name| name.contains("e2e-wrong-account")), "{there:?}");
    for object in ["apiroute/orders", "statemachine/work", "restapi/api"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    ns.delete("awsaccount/e2e-wrong").await;
    ns.gone("awsaccount/e2e-wrong").await;
}

#[tokio::test]
async fn an_account_that_can_not_be_understood() {
    let ns = Namespace::labelled("e2e-strange", &[]).await;
    let strange = account("e2e-strange", ns.suite.testbed.aws_endpoint());
    ns.apply(&strange.replace("{matchLabels: {tenant: e2e-strange}}", "{matchExpressions: [{key: a, operator: Is}]}"))
        .await;
    let message = ns.stalled("awsaccount/e2e-strange", "InvalidSpec").await;
    assert!(message.starts_with("spec.tenants[e2e-strange].namespaces.selector: "), "{message}");
    ns.apply(&strange.replace("\"dynamodb:GetItem\"", "\"dynamodb GetItem\"")).await;
    let message = ns.stalled("awsaccount/e2e-strange", "InvalidSpec").await;
    assert!(message.starts_with("spec.tenants[e2e-strange].ceiling[0]: "), "{message}");
    ns.delete("awsaccount/e2e-strange").await;
    ns.gone("awsaccount/e2e-strange").await;
}
