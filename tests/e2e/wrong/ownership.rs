//! What exists in AWS and is not ours is left alone.

use serde_json::{Value, json};
use stepgate::identity::{Cluster, Key, Owner, role_name};

use crate::cloud::Cloud;
use crate::support::{Namespace, condition, machine, rest_api, route};

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
    "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]}"#;

#[tokio::test]
async fn a_state_machine_of_somebody_else() {
    let ns = Namespace::new("e2e-foreign-machine").await;
    let made = ns.aws(
        "states",
        "CreateStateMachine",
        json!({
            "name": "e2e-foreign-machine_work",
            "type": "EXPRESS",
            "roleArn": "arn:aws:iam::000000000000:role/theirs",
            "definition": r#"{"StartAt": "Theirs", "States": {"Theirs": {"Type": "Succeed"}}}"#,
        }),
    );
    let arn = json!({"stateMachineArn": made.await["stateMachineArn"]});
    let before = ns.aws("states", "DescribeStateMachine", arn.clone()).await;
    ns.apply(&machine("work", "done")).await;
    let message = ns.stalled("statemachine/work", "OwnershipConflict").await;
    assert_eq!(
        message,
        "state machine `e2e-foreign-machine_work` exists in AWS and is not ours: it has no owner tag of stepgate. \
         stepgate leaves it alone; delete or rename it, or give this object another name"
    );
    ns.delete("statemachine/work").await;
    ns.gone("statemachine/work").await;
    assert_eq!(ns.aws("states", "DescribeStateMachine", arn.clone()).await, before);
    let tags = ns.aws("states", "ListTagsForResource", json!({"resourceArn": arn["stateMachineArn"]})).await;
    assert_eq!(tags["tags"], json!([]));
    ns.aws("states", "DeleteStateMachine", arn).await;
}

#[tokio::test]
async fn a_role_of_somebody_else() {
    let ns = Namespace::new("e2e-foreign-role").await;
    let key = Key::new("e2e-foreign-role", "work");
    let cluster = Cluster { name: "testbed".into(), uid: String::new() };
    let owner = Owner::new(cluster, "StateMachine", key.clone());
    let name = role_name(&owner, "us-east-1", "exec", &key);
    let role = json!({"RoleName": name, "AssumeRolePolicyDocument": TRUST, "Description": "theirs"});
    assert_eq!(iam(&ns, "CreateRole", &role).await.0, 200);
    ns.apply(&machine("work", "done")).await;
    let message = ns.stalled("statemachine/work", "OwnershipConflict").await;
    assert!(message.starts_with(&format!("role `{name}` exists in AWS and is not ours")), "{message}");
    ns.delete("statemachine/work").await;
    ns.gone("statemachine/work").await;
    let named = json!({"RoleName": name});
    let (status, left) = iam(&ns, "GetRole", &named).await;
    assert!(status == 200 && left.contains("<Description>theirs</Description>"), "{left}");
    assert!(!left.contains("stepgate.dev/"), "{left}");
    let (_, policies) = iam(&ns, "ListRolePolicies", &named).await;
    assert!(!policies.contains("<member>"), "{policies}");
    iam(&ns, "DeleteRole", &named).await;
}

#[tokio::test]
async fn an_invoke_role_of_somebody_else() {
    let ns = Namespace::new("e2e-foreign-invoke").await;
    let cluster = Cluster { name: "testbed".into(), uid: String::new() };
    let owner = Owner::new(cluster, "RestAPI", Key::new("e2e-foreign-invoke", "api"));
    let name = role_name(&owner, "us-east-1", "invoke", &Key::new("e2e-foreign-invoke", ""));
    let role = json!({"RoleName": name, "AssumeRolePolicyDocument": TRUST, "Description": "theirs"});
    assert_eq!(iam(&ns, "CreateRole", &role).await.0, 200);
    ns.apply(&(machine("work", "done") + &rest_api("api") + &route("orders", "/orders", "work"))).await;
    for object in ["restapi/api", "apiroute/orders"] {
        let message = ns.stalled(object, "OwnershipConflict").await;
        assert!(message.contains(&format!("role `{name}` exists in AWS and is not ours")), "{message}");
    }
    iam(&ns, "DeleteRole", &json!({"RoleName": name})).await;
    ns.ready(&["restapi/api", "apiroute/orders"]).await;
    ns.says("orders", "done").await;
}

/// As a restored backup of an API would have it.
#[tokio::test]
async fn two_apis_with_our_tags() {
    let ns = Namespace::new("e2e-two-apis").await;
    let manifests = machine("work", "done") + &rest_api("api") + &route("orders", "/orders", "work");
    ns.apply(&manifests).await;
    ns.ready(&["restapi/api", "apiroute/orders"]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let tags = aws.rest_api(&id).await.unwrap().tags;
    ns.patch("restapi/api", json!({"metadata": {"annotations": {"stepgate.dev/abandon": "true"}}})).await;
    ns.delete("restapi/api").await;
    ns.gone("restapi/api").await;
    let twin = aws.apigateway.create_rest_api().name("restored").set_tags(Some(tags.into_iter().collect()));
    let twin = twin.send().await.unwrap().id.unwrap();
    let before = (aws.rest_api(&id).await, aws.rest_api(&twin).await);

    ns.apply(&rest_api("api")).await;
    for object in ["restapi/api", "apiroute/orders"] {
        let message = ns.stalled(object, "OwnershipConflict").await;
        assert!(message.contains(&id) && message.contains(&twin), "{message}");
    }
    // There is such an API, so nobody says any longer that there is none.
    let accepted = condition(&ns.get("apiroute/orders").await, "Accepted");
    assert!(accepted.is_none(), "{accepted:?}");
    assert_eq!((aws.rest_api(&id).await, aws.rest_api(&twin).await), before);
    aws.apigateway.delete_rest_api().rest_api_id(&twin).send().await.unwrap();
    ns.ready(&["restapi/api", "apiroute/orders"]).await;
    assert_eq!(ns.get("restapi/api").await["status"]["restApiId"], id);
    ns.says("orders", "done").await;
}

async fn iam(ns: &Namespace, operation: &str, input: &Value) -> (u16, String) {
    let response = ns.suite.testbed.aws().call("iam", operation, input).await.unwrap();
    (response.status, response.body)
}
