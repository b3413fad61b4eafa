//! An account that has as many IAM roles as it may have: one of the emulator's own, which the operator enters by a role.

use std::time::Duration;

use aws_sdk_iam::types::SummaryKeyType;
use futures::{StreamExt, stream};
use serde_json::json;

use crate::cloud::Cloud;
use crate::escalation::patched;
use crate::support::{Namespace, TENANT, account, eventually, machine, rest_api, route};

const ACCOUNT: &str = "222233334444";
const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": ["states.amazonaws.com", "apigateway.amazonaws.com"]}}]}"#;

/// How many roles there are, and how many there may be.
async fn roles(aws: &Cloud) -> (i32, i32) {
    let summary = aws.iam.get_account_summary().send().await.unwrap().summary_map.unwrap();
    let number = |key: &str| summary[&SummaryKeyType::from(key)];
    (number("Roles"), number("RolesQuota"))
}

#[tokio::test]
async fn what_needs_a_role_of_a_full_account_says_so_and_is_made_when_there_is_room() {
    let name = "role-quota";
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    let endpoint = ns.suite.testbed.aws_endpoint();
    let aws = Cloud::in_account(endpoint, ACCOUNT);
    let make =
        async |role: String| aws.iam.create_role().role_name(role).assume_role_policy_document(TRUST).send().await;
    let own = make("e2e-own".into()).await.unwrap().role.unwrap().arn;
    let (there, quota) = roles(&aws).await;
    assert!(quota >= 1000, "{quota}");
    let others = stream::iter(there..quota).map(|number| make(format!("other-{number}")));
    others.buffer_unordered(16).for_each(async |made| drop(made.unwrap())).await;
    assert_eq!(roles(&aws).await, (quota, quota));
    let refused = make("one-more".into()).await.unwrap_err().into_service_error();
    assert!(refused.is_limit_exceeded_exception(), "{refused:?}");

    let enter =
        format!("credentials: {{assumeRole: {{roleArn: \"arn:aws:iam::{ACCOUNT}:role/operator\"}}}}\n  tenants:");
    ns.apply(
        &account(name, endpoint).replace("\"000000000000\"", &format!("\"{ACCOUNT}\"")).replace("tenants:", &enter),
    )
    .await;
    let by_arn = patched(&machine("own", "own"), &json!({"executionRole": {"arn": own}}));
    ns.apply(&[by_arn, machine("waits", "made"), rest_api("api"), route("say", "/say", "own")].concat()).await;
    let says = format!(
        "the account has {quota} IAM roles of the {quota} that it may have, and this needs another; the platform admin must delete roles that nobody uses, or ask AWS for a higher quota (IAM, \"Roles per account\")"
    );
    for object in ["statemachine/waits", "restapi/api"] {
        assert_eq!(ns.condition(object, "Reconciling", "True", "RoleQuota").await, says, "{object}");
        ns.condition(object, "Ready", "False", "RoleQuota").await;
    }
    // What needs none is made all the same.
    ns.ready(&["statemachine/own"]).await;
    assert_eq!(roles(&aws).await, (quota, quota));

    // The admin deletes some: it is looked again every minute.
    for number in [there, there + 1] {
        aws.delete_role(&format!("other-{number}")).await;
    }
    for object in ["statemachine/waits", "restapi/api", "apiroute/say"] {
        eventually(&format!("{object} is Ready"), Duration::from_mins(4), async || {
            let found = ns.get(object).await;
            match crate::support::condition(&found, "Ready") {
                Some(ready) if ready.status == "True" => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
    }
    assert_eq!(roles(&aws).await, (quota, quota));
    ns.says("say", "own").await;
    for object in ["apiroute/say", "restapi/api", "statemachine/waits", "statemachine/own"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    assert_eq!(roles(&aws).await, (quota - 2, quota));
    ns.delete(&format!("awsaccount/{name}")).await;
    ns.gone(&format!("awsaccount/{name}")).await;
}
