//! Too many deletions within an hour: the rest is held until the account's admin lets it go.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::support::{Namespace, TENANT, account, machine, rest_api, route, suite};

#[tokio::test]
async fn deletions_past_the_hour_s_number_are_held_until_the_admin_lets_them_go() {
    let endpoint = suite().await.testbed.aws_endpoint().to_owned();
    let ns = Namespace::labelled("braked", &[(TENANT, "braked")]).await;
    let account = account("braked", &endpoint).replace("maxDeletionsPerHour: 100000", "maxDeletionsPerHour: 2");
    ns.apply(&account).await;
    let machines = ["one", "two", "three"].map(|name| machine(name, name)).concat();
    ns.apply(&[machines, rest_api("api"), route("three", "/three", "three"), route("two", "/two", "two")].concat())
        .await;
    ns.ready(&["statemachine/one", "restapi/api", "apiroute/two", "apiroute/three"]).await;
    let aws = Cloud::new(&endpoint);
    let status = |object: &Value, field: &str| object["status"][field].as_str().unwrap().to_owned();
    let api = status(&ns.get("restapi/api").await, "restApiId");
    let three = status(&ns.get("statemachine/three").await, "stateMachineArn");

    // Machine, route: two. What serves nothing is not counted.
    ns.apply(&route("nowhere", "/nowhere", "nothing")).await;
    ns.condition("apiroute/nowhere", "Reconciling", "True", "WaitingForReference").await;
    for object in ["apiroute/nowhere", "statemachine/one", "apiroute/two"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    let held =
        "more than 2 deletions within an hour in AWSAccount braked (spec.maxDeletionsPerHour): nothing more is deleted";
    for object in ["apiroute/three", "restapi/api", "statemachine/two"] {
        ns.delete(object).await;
        if object == "restapi/api" {
            // Its routes are held by the RestAPI's being there, and by nothing else.
            ns.gone("apiroute/three").await;
        }
        let message = ns.condition(object, "Reconciling", "True", "DeletionHeld").await;
        assert!(message.starts_with(held) && message.contains("kubectl annotate awsaccount braked"), "{message}");
        assert_eq!(ns.condition(object, "Ready", "False", "DeletionHeld").await, message);
    }
    ns.condition_with("awsaccount/braked", ("Ready", "True", "Ready"), &["Deletions are held since"]).await;
    let methods = aws.rest_api(&api).await.unwrap().methods;
    assert_eq!(methods.keys().collect::<Vec<_>>(), ["POST /three"], "the held route's method");
    assert!(aws.machine(&three).await.is_some());

    let released = |at: &str| json!({"metadata": {"annotations": {"stepgate.dev/deletions-released-at": at}}});
    ns.patch("awsaccount/braked", released("soon")).await;
    let message = ns.stalled("awsaccount/braked", "InvalidSpec").await;
    assert_eq!(
        message,
        "annotation stepgate.dev/deletions-released-at: `soon` is no time; write one as 2026-01-31T09:30:00Z"
    );
    ns.patch("awsaccount/braked", released("2100-01-01T00:00:00Z")).await;
    for object in ["restapi/api", "statemachine/two"] {
        ns.gone(object).await;
    }
    ns.delete("statemachine/three").await;
    ns.gone("statemachine/three").await;
    assert_eq!(aws.rest_api(&api).await, None);
    ns.ready(&["awsaccount/braked"]).await;
    ns.delete("awsaccount/braked").await;
    ns.gone("awsaccount/braked").await;
}
