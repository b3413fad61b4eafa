//! What an execution role may do beside its tasks (deliver logs, keep the rules of `.sync`, use its machine's key) is no permission of its tasks, and policies
//! that stepgate manages are no list's to hand out.

use serde_json::{Value, json};

use super::{arn, machine_with};
use crate::support::{Namespace, TENANT};
use crate::tenancy::account;

const GROUP: &str = "arn:aws:logs:us-east-1:000000000000:log-group:";
const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/";

fn task(call: &str, parameters: &Value, next: Option<&str>) -> Value {
    let mut task = json!({"Type": "Task", "Resource": format!("arn:aws:states:::{call}"), "Parameters": parameters});
    match next {
        Some(next) => task["Next"] = json!(next),
        None => task["End"] = json!(true),
    }
    task
}

/// Even where the admin's ceiling names the very action.
#[tokio::test]
async fn the_plumbing_of_a_role_is_no_task_s() {
    let ceiling =
        json!([{"actions": ["logs:PutResourcePolicy", "events:PutTargets", "states:TagResource"], "resources": ["*"]}]);
    let tenant = json!({"ceiling": ceiling, "exposure": {"logGroupArns": [format!("{GROUP}/${{namespace}}/*")], "kmsKeyArns": [format!("{KEY}${{namespace}}-*")]},
        "managedPolicyArns": ["arn:aws:iam::*:policy/*"]});
    let ns = Namespace::labelled("esc-guards", &[(TENANT, "esc-guards")]).await;
    ns.apply(&account("esc-guards", &[("esc-guards", tenant)]).await.to_string()).await;
    let definition = |start: &str, states: Value| json!({"StartAt": start, "States": states}).to_string();
    let logging = |group: &str| json!({"level": "ALL", "logGroupArn": format!("{GROUP}{group}")});
    let put_policy = definition(
        "A",
        json!({"A": task("aws-sdk:cloudwatchlogs:putResourcePolicy", &json!({"PolicyName": "p"}), None)}),
    );
    let itself = json!({"StateMachineArn": "arn:aws:states:us-east-1:000000000000:stateMachine:esc-guards_rules"});
    let rules = json!({
        "A": task("states:startExecution.sync:2", &itself, Some("B")),
        "B": task("aws-sdk:eventbridge:putTargets", &json!({"Rule": "StepFunctionsGetEventsForStepFunctionsExecutionRule", "Targets": []}), None),
    });
    let tag =
        json!({"ResourceArn": arn("victim_pay"), "Tags": [{"Key": "stepgate.dev/namespace", "Value": "esc-guards"}]});
    let tags = definition("A", json!({"A": task("aws-sdk:sfn:tagResource", &tag, None)}));
    let uses = "spec.definition: state `A` (/States/A) uses `logs:PutResourcePolicy`, which the role may do on everything in the account because spec.logging is on";
    let encryption = |key: &str| json!({"kmsKeyArn": format!("{KEY}{key}")});
    let decrypt = json!({"KeyId": format!("{KEY}esc-guards-a"), "CiphertextBlob": "b"});
    let decrypt = definition("A", json!({"A": task("aws-sdk:kms:decrypt", &decrypt, None)}));
    let policy =
        "arn:aws:iam::000000000000:policy/stepgate/0123456789abcdef/stepgate-exec-victim_pay-0123456789abcdef-1";
    let standard = |fields: Value| {
        let mut spec = fields;
        spec["type"] = json!("STANDARD");
        spec
    };
    let attacks = [
        ("policy", json!({"logging": logging("/esc-guards/a"), "definition": put_policy}), uses.to_owned()),
        (
            "uninferred",
            json!({"logging": logging("/esc-guards/a"), "definition": put_policy, "executionRole": {"inferred": false}}),
            uses.to_owned(),
        ),
        (
            "rules",
            standard(json!({"definition": definition("A", rules)})),
            "spec.definition: state `B` (/States/B) could change the rules StepFunctionsGetEvent… that Step Functions manages".to_owned(),
        ),
        (
            "tags",
            json!({"definition": tags}),
            "spec.definition: state `A` (/States/A) names the tag `stepgate.dev/namespace`".to_owned(),
        ),
        (
            "log",
            json!({"logging": logging("/victim/a")}),
            format!("spec.logging.logGroupArn: `{GROUP}/victim/a` is in none of the `exposure.logGroupArns` of tenant esc-guards"),
        ),
        (
            "key",
            json!({"encryption": encryption("victim-a")}),
            format!("spec.encryption.kmsKeyArn: `{KEY}victim-a` is in none of the `exposure.kmsKeyArns` of tenant esc-guards"),
        ),
        (
            "decrypts",
            json!({"encryption": encryption("esc-guards-a"), "definition": decrypt, "executionRole": {"inferred": false}}),
            "spec.definition: state `A` (/States/A) uses `kms:Decrypt`, which the role may do with the key of spec.encryption".to_owned(),
        ),
        (
            "theirs",
            json!({"executionRole": {"managedPolicyArns": [policy]}}),
            format!("spec.executionRole.managedPolicyArns: `{policy}` is a policy that stepgate manages for one role"),
        ),
    ];
    for (name, spec, _) in &attacks {
        ns.apply(&machine_with(name, spec)).await;
    }
    for (name, _, reads) in &attacks {
        let message = ns.stalled(&format!("statemachine/{name}"), "OverCeiling").await;
        assert!(message.starts_with(reads), "{name}: {message}");
    }
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
    // Without logging the first is what the ceiling admits.
    ns.apply(&machine_with("admitted", &json!({"definition": put_policy}))).await;
    ns.ready(&["statemachine/admitted"]).await;
}
