//! Execution roles: permissions that one document does not hold, those that running executions may still need, and logging.

use serde_json::{Value, json};

use crate::cloud::Cloud;
use crate::escalation::patched;
use crate::support::{Namespace, machine};

/// Permissions for so many queues, in statements of 50: about 5,000 characters each.
fn statements(namespace: &str, queues: usize) -> Value {
    let arn = |n: usize| {
        format!(
            "arn:aws:sqs:us-east-1:000000000000:{namespace}-a-queue-with-a-name-that-is-long-enough-to-fill-it-{n:04}"
        )
    };
    let of = |first: usize| (first..queues.min(first + 50)).map(arn).collect::<Vec<_>>();
    (0..queues).step_by(50).map(|first| json!({"actions": ["sqs:SendMessage"], "resources": of(first)})).collect()
}

#[tokio::test]
async fn a_long_policy_stands_in_several_is_repaired_and_goes_with_the_machine() {
    let ns = Namespace::new("e2e-long-policy").await;
    let with = |queues: usize| {
        let role = json!({"executionRole": {"statements": statements(&ns.name, queues)}});
        patched(&machine("long", "hello"), &role)
    };
    ns.apply(&with(150)).await;
    ns.ready(&["statemachine/long"]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let role_arn = ns.get("statemachine/long").await["status"]["roleArn"].as_str().unwrap().to_owned();
    let role = aws.role(&role_arn).await.unwrap();
    let parts: Vec<String> = role.managed_policies.iter().cloned().collect();
    let path = role_arn.split_once(":role").unwrap().1;
    let expected: Vec<String> = (1..=3).map(|n| format!("arn:aws:iam::000000000000:policy{path}-{n}")).collect();
    assert_eq!(parts, expected);
    assert!(role.allows().is_empty(), "the guard alone is inline: {:?}", role.policies);
    let text = async |arn: &str| aws.policy(arn).await;
    let whole = [text(&parts[0]).await, text(&parts[1]).await, text(&parts[2]).await];
    let policies: Vec<_> = whole.iter().flatten().collect();
    assert_eq!(policies.iter().map(|one| one.document.matches(":sqs:").count()).sum::<usize>(), 150);
    assert!(policies.iter().all(|one| one.tags["stepgate.dev/name"] == "long" && one.versions == 1), "{whole:?}");

    // Somebody changes one, and takes another off.
    ns.settled(&["statemachine/long"]).await;
    let anything = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let write = aws.iam.create_policy_version().policy_arn(&parts[0]).policy_document(anything.to_string());
    write.set_as_default(true).send().await.unwrap();
    aws.iam
        .detach_role_policy()
        .role_name(crate::cloud::role_name(&role_arn))
        .policy_arn(&parts[2])
        .send()
        .await
        .unwrap();
    ns.eventually("statemachine/long", "has its policies again", async |_| {
        let now = [text(&parts[0]).await, text(&parts[1]).await, text(&parts[2]).await];
        let attached = aws.role(&role_arn).await.unwrap().managed_policies.len();
        if now == whole && attached == 3 { Ok(()) } else { Err(format!("{attached} attached, {now:?}")) }
    })
    .await;
    ns.event("statemachine/long", "DriftRepaired").await;

    ns.apply(&with(2)).await;
    ns.eventually("statemachine/long", "has an inline policy again", async |_| {
        let role = aws.role(&role_arn).await.unwrap();
        let left = aws.policy(&parts[0]).await.is_some() || role.tags.contains_key("stepgate.dev/policies");
        if role.managed_policies.is_empty() && !left { Ok(()) } else { Err(format!("{role:?}")) }
    })
    .await;
    ns.apply(&with(150)).await;
    ns.ready(&["statemachine/long"]).await;
    assert!(ns.in_aws().await.iter().any(|name| name.starts_with("policy ")));
    ns.delete("statemachine/long").await;
    ns.gone("statemachine/long").await;
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);

    ns.apply(&with(800)).await;
    let message = ns.stalled("statemachine/long", "InvalidSpec").await;
    assert!(message.contains("more than IAM takes for one role"), "{message}");
}

/// Three machines that are made at one moment, with one role.
#[tokio::test]
async fn machines_of_a_namespace_share_a_role_that_goes_with_the_last() {
    let ns = Namespace::new("e2e-shared-role").await;
    let queue = |name: &str| format!("arn:aws:sqs:us-east-1:000000000000:{}-{name}", ns.name);
    let shared = |name: &str| {
        let statements = json!([{"actions": ["sqs:SendMessage"], "resources": [queue(name)]}]);
        patched(&machine(name, "x"), &json!({"executionRole": {"scope": "Namespace", "statements": statements}}))
    };
    let plain = patched(&machine("plain", "x"), &json!({"executionRole": {"scope": "Namespace"}}));
    ns.apply(&format!("{}\n---\n{}\n---\n{plain}", shared("one"), shared("two"))).await;
    ns.ready(&["statemachine/one", "statemachine/two", "statemachine/plain"]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let role_arn = ns.get("statemachine/one").await["status"]["roleArn"].as_str().unwrap().to_owned();
    for other in ["two", "plain"] {
        assert_eq!(ns.get(&format!("statemachine/{other}")).await["status"]["roleArn"], role_arn);
    }
    let allows = |name: &str| format!("sqs:SendMessage {}", queue(name));
    let role = aws.role(&role_arn).await.unwrap();
    assert_eq!(role.allows(), [allows("one"), allows("two")].into());
    assert_eq!(role.policies.len(), 3, "{:?}", role.policies);

    // Somebody takes one machine's permissions away, and gives all of them others.
    let name = crate::cloud::role_name(&role_arn);
    let policy = |machine: &str| format!("stepgate-{}_{machine}", ns.name);
    aws.iam.delete_role_policy().role_name(name).policy_name(policy("two")).send().await.unwrap();
    let anything = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]});
    let put = aws.iam.put_role_policy().role_name(name).policy_name("added-by-hand");
    put.policy_document(anything.to_string()).send().await.unwrap();
    ns.eventually("statemachine/two", "has its permissions again", async |_| {
        let now = aws.role(&role_arn).await.unwrap();
        if now.policies == role.policies { Ok(()) } else { Err(format!("{:?}", now.policies)) }
    })
    .await;

    ns.delete("statemachine/one").await;
    ns.gone("statemachine/one").await;
    assert_eq!(aws.role(&role_arn).await.unwrap().allows(), [allows("two")].into());
    ns.delete("statemachine/two").await;
    ns.gone("statemachine/two").await;
    assert!(aws.role(&role_arn).await.unwrap().allows().is_empty(), "the machine that needs nothing still has it");
    ns.delete("statemachine/plain").await;
    ns.gone("statemachine/plain").await;
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
}

/// A policy of our name that is somebody else's is neither changed nor attached.
#[tokio::test]
async fn a_policy_of_another_is_left_alone() {
    let ns = Namespace::new("e2e-policy-taken").await;
    ns.apply(&machine("taken", "hello")).await;
    ns.ready(&["statemachine/taken"]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let role_arn = ns.get("statemachine/taken").await["status"]["roleArn"].as_str().unwrap().to_owned();
    let (path, name) = role_arn.split_once(":role").unwrap().1.rsplit_once('/').unwrap();
    let nothing = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Action": "*", "Resource": "*"}]});
    let create = aws.iam.create_policy().policy_name(format!("{name}-1")).path(format!("{path}/"));
    let arn = create.policy_document(nothing.to_string()).send().await.unwrap().policy.unwrap().arn.unwrap();
    let before = aws.policy(&arn).await;
    let long = json!({"executionRole": {"statements": statements(&ns.name, 150)}});
    ns.patch("statemachine/taken", json!({"spec": long})).await;
    let message = ns.stalled("statemachine/taken", "OwnershipConflict").await;
    assert!(message.starts_with(&format!("policy `{name}-1` exists in AWS and is not ours")), "{message}");
    assert_eq!(aws.policy(&arn).await, before);
    assert!(aws.role(&role_arn).await.unwrap().managed_policies.is_empty());
    ns.delete("statemachine/taken").await;
    ns.gone("statemachine/taken").await;
    assert_eq!(aws.policy(&arn).await, before, "also when the machine goes");
    aws.iam.delete_policy().policy_arn(arn).send().await.unwrap();
}

/// The emulator does not ask the role, so what is seen is the role while the execution runs.
#[tokio::test]
async fn a_running_execution_keeps_the_permission_of_its_later_task() {
    let ns = Namespace::new("e2e-narrowing").await;
    let queue = |name: &str| format!("https://sqs.us-east-1.amazonaws.com/000000000000/{}-{name}", ns.name);
    let sends = |name: &str| {
        json!({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
            "Parameters": {"QueueUrl": queue(name), "MessageBody": "m"}})
    };
    let definition = |then: &str| {
        let wait = json!({"Type": "Wait", "Seconds": 3600, "Next": "Then"});
        json!({"StartAt": "Wait", "States": {"Wait": wait, "Then": sends(then)}}).to_string()
    };
    let spec = |then: &str| json!({"type": "STANDARD", "definition": definition(then), "deletionGracePeriod": "0s"});
    ns.apply(&patched(&machine("work", "x"), &spec("later"))).await;
    ns.ready(&["statemachine/work"]).await;
    let status = ns.get("statemachine/work").await["status"].clone();
    let started =
        ns.aws("states", "StartExecution", json!({"stateMachineArn": status["stateMachineArn"], "input": "{}"})).await;

    ns.apply(&patched(&machine("work", "x"), &spec("new"))).await;
    let message = ns.condition("statemachine/work", "PolicyNarrowingPending", "True", "ExecutionsRunning").await;
    assert!(message.ends_with("the role keeps what they may need and this generation does not."), "{message}");
    ns.ready(&["statemachine/work"]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let allows = async |queue: &str| {
        let role = aws.role(status["roleArn"].as_str().unwrap()).await.unwrap();
        role.allows().contains(&format!("sqs:SendMessage arn:aws:sqs:us-east-1:000000000000:{}-{queue}", ns.name))
    };
    assert!(allows("later").await && allows("new").await);
    // It is counted once the update is settled.
    ns.eventually("statemachine/work", "counts the execution", async |found| {
        let says = crate::support::condition(found.unwrap(), "PolicyNarrowingPending").unwrap().message;
        if says.starts_with("An execution that started before ") { Ok(()) } else { Err(says) }
    })
    .await;
    assert!(allows("later").await);

    ns.aws("states", "StopExecution", json!({"executionArn": started["executionArn"]})).await;
    ns.eventually("statemachine/work", "narrows its role", async |found| {
        let pending = crate::support::condition(found.unwrap(), "PolicyNarrowingPending");
        if allows("later").await || pending.is_some() { Err(format!("{pending:?}")) } else { Ok(()) }
    })
    .await;
    assert!(allows("new").await);
    assert!(!ns.events("statemachine/work").await.iter().any(|event| event.contains("Drift")), "it is no drift");
}

#[tokio::test]
async fn logging_goes_where_the_tenant_may_write_and_is_kept_so() {
    let ns = Namespace::new("e2e-logging").await;
    let group = |name: &str| format!("arn:aws:logs:us-east-1:000000000000:log-group:/aws/vendedlogs/states/{name}");
    let logs = |group: &str| json!({"logging": {"level": "ERROR", "includeExecutionData": true, "logGroupArn": group}});
    ns.apply(&patched(&machine("logs", "x"), &logs(&group("another/logs")))).await;
    let message = ns.stalled("statemachine/logs", "OverCeiling").await;
    assert!(
        message.starts_with("spec.logging.logGroupArn: `") && message.contains("exposure.logGroupArns"),
        "{message}"
    );
    assert!(ns.in_aws().await.is_empty());

    let name = format!("/aws/vendedlogs/states/{}/logs", ns.name);
    ns.aws("logs", "CreateLogGroup", json!({"logGroupName": name})).await;
    let own = "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:".to_owned() + &name;
    ns.apply(&patched(&machine("logs", "x"), &logs(&own))).await;
    ns.ready(&["statemachine/logs"]).await;
    let status = ns.get("statemachine/logs").await["status"].clone();
    let arn = status["stateMachineArn"].as_str().unwrap();
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let logging = async || {
        let found = ns.aws("states", "DescribeStateMachine", json!({"stateMachineArn": arn})).await;
        found["loggingConfiguration"].clone()
    };
    let wanted = json!({"level": "ERROR", "includeExecutionData": true,
        "destinations": [{"cloudWatchLogsLogGroup": {"logGroupArn": format!("{}:*", group(&format!("{}/logs", ns.name)))}}]});
    assert_eq!(logging().await, wanted);
    let role = aws.role(status["roleArn"].as_str().unwrap()).await.unwrap();
    assert!(role.allows().contains("logs:CreateLogDelivery *"), "{role:?}");

    ns.settled(&["statemachine/logs"]).await;
    let off = aws_sdk_sfn::types::LoggingConfiguration::builder().level(aws_sdk_sfn::types::LogLevel::Off).build();
    aws.sfn.update_state_machine().state_machine_arn(arn).logging_configuration(off).send().await.unwrap();
    ns.event("statemachine/logs", "DriftRepaired: update logging of state machine").await;
    ns.ready(&["statemachine/logs"]).await;
    assert_eq!(logging().await, wanted);
    ns.apply(&machine("logs", "x")).await;
    ns.eventually("statemachine/logs", "logs no more", async |_| {
        let now = logging().await;
        if now["level"].is_null() || now["level"] == "OFF" { Ok(()) } else { Err(now.to_string()) }
    })
    .await;
}
