//! A customer managed key as docs/encryption.md has it. The emulator encrypts nothing and asks nobody for the key: what is seen is
//! what was asked of AWS, and what the roles may do.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::escalation::patched;
use crate::support::{Namespace, machine, page};

const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/1234abcd-12ab-34cd-56ef-1234567890ab";

#[tokio::test]
async fn a_machine_has_the_key_that_it_asks_for_and_is_kept_so() {
    let ns = Namespace::new("e2e-encryption").await;
    ns.apply(&page("docs/encryption.md")).await;
    ns.ready(&["statemachine/charge", "restapi/payments", "apiroute/charge"]).await;
    let status = ns.get("statemachine/charge").await["status"].clone();
    assert_eq!(status["kmsKeyArn"], KEY);
    let arn = status["stateMachineArn"].as_str().unwrap();
    let encryption = async || {
        let found = ns.aws("states", "DescribeStateMachine", json!({"stateMachineArn": arn})).await;
        found["encryptionConfiguration"].clone()
    };
    let wanted = json!({"type": "CUSTOMER_MANAGED_KMS_KEY", "kmsKeyId": KEY, "kmsDataKeyReusePeriodSeconds": 600});
    let own = json!({"type": "AWS_OWNED_KEY"});
    assert_eq!(encryption().await, wanted);

    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let api = ns.get("restapi/payments").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let invoke_role = aws.invoke_role(&api, "POST /charges").await;
    // The condition of a statement, by what it allows.
    let of_key = async |role: &str| -> Vec<Value> {
        let role = aws.role(role).await.unwrap();
        let statements = role.policies.values().flat_map(|policy| policy["Statement"].as_array().unwrap().clone());
        statements.filter(|statement| statement["Resource"] == KEY).collect()
    };
    let for_it = json!({"StringEquals": {"kms:EncryptionContext:aws:states:stateMachineArn": arn}});
    let allow = |actions: Value| json!({"Effect": "Allow", "Action": actions, "Resource": KEY, "Condition": for_it});
    assert_eq!(
        of_key(status["roleArn"].as_str().unwrap()).await,
        [allow(json!(["kms:Decrypt", "kms:GenerateDataKey"]))]
    );
    assert_eq!(of_key(&invoke_role).await, [allow(json!("kms:Decrypt"))]);

    ns.settled(&["statemachine/charge"]).await;
    ns.aws("states", "UpdateStateMachine", json!({"stateMachineArn": arn, "encryptionConfiguration": own})).await;
    ns.event("statemachine/charge", "DriftRepaired: update encryption of state machine").await;
    assert_eq!(encryption().await, wanted);

    // The period alone.
    ns.patch("statemachine/charge", json!({"spec": {"encryption": {"kmsDataKeyReusePeriodSeconds": 60}}})).await;
    ns.eventually("statemachine/charge", "has another period", async |_| {
        let found = encryption().await;
        if found["kmsDataKeyReusePeriodSeconds"] == 60 { Ok(()) } else { Err(found.to_string()) }
    })
    .await;

    ns.patch("statemachine/charge", json!({"spec": {"encryption": null}})).await;
    ns.eventually("statemachine/charge", "has AWS's own key again", async |found| {
        let (now, shown) = (encryption().await, found.unwrap()["status"]["kmsKeyArn"].clone());
        if now == own && shown.is_null() { Ok(()) } else { Err(format!("{now}, {shown}")) }
    })
    .await;
    // Nobody reads with it any more; executions that run may still write with it.
    ns.eventually("restapi/payments", "takes the key off its role", async |_| {
        let left = of_key(&invoke_role).await;
        if left.is_empty() { Ok(()) } else { Err(format!("{left:?}")) }
    })
    .await;
    ns.condition("statemachine/charge", "PolicyNarrowingPending", "True", "ExecutionsRunning").await;
    assert!(!of_key(status["roleArn"].as_str().unwrap()).await.is_empty());
    let told = ns.events("restapi/payments").await;
    assert!(!told.iter().any(|event| event.contains("Drift")), "another key is no drift: {told:?}");
}

#[tokio::test]
async fn a_key_that_no_list_names_is_refused_and_the_last_one_stays() {
    let ns = Namespace::new("e2e-encryption-refused").await;
    let with = |key: &str| patched(&machine("secret", "x"), &json!({"encryption": {"kmsKeyArn": key}}));
    let foreign = "arn:aws:kms:us-east-1:000000000000:key/somebody-s";
    ns.apply(&with(foreign)).await;
    let message = ns.stalled("statemachine/secret", "OverCeiling").await;
    assert!(
        message.starts_with(&format!("spec.encryption.kmsKeyArn: `{foreign}` is in none of the `exposure.kmsKeyArns`")),
        "{message}"
    );
    assert!(ns.in_aws().await.is_empty());
    ns.apply(&with(KEY)).await;
    ns.ready(&["statemachine/secret"]).await;
    ns.apply(&with(foreign)).await;
    ns.condition("statemachine/secret", "Ready", "False", "LastKnownGood").await;
    assert_eq!(ns.get("statemachine/secret").await["status"]["kmsKeyArn"], KEY);
}
