//! What a definition asks for, held against what its namespace may have: the escalation suite of inferred permissions.

use rstest::rstest;
use serde_json::{Value, json};

use crate::problem::Problem;
use crate::validate::fixture::{machine, the_machine, with, world};
use crate::validate::state_machine::{Inference, ValidMachine, ValidRole, validate};

/// The account of these tests: `demo` may do some things, among them a few that need their literal names.
const ACCOUNT: &str = r#"---
apiVersion: stepgate.dev/v1alpha1
kind: AWSAccount
metadata: {name: dev}
spec:
  accountId: "111122223333"
  regions: [{name: eu-central-1}]
  tenants:
  - name: demo
    namespaces: {from: All}
    ceiling:
    - {actions: ["sqs:*"], resources: ["arn:aws:sqs:*:*:${namespace}-*"]}
    - {actions: ["dynamodb:*Item"], resources: ["arn:aws:dynamodb:*:*:table/${namespace}-*"]}
    - {actions: ["ssm:*", "lambda:*", "iam:*", "ec2:*", "events:*", "s3:*", "secretsmanager:*", "logs:*"], resources: ["*"]}
    - {actions: ["events:PutTargets", "events:PutRule"], resources: ["arn:aws:events:*:*:rule/*"]}
    exposure: {logGroupArns: ["arn:aws:logs:*:*:log-group:/demo/${namespace}/*", "arn:aws:logs:*:*:log-group:/stepgate/*"]}
    targets: [{arns: ["arn:aws:states:*:*:stateMachine:shared-*"], actions: [StartExecution]}]
    adoptableArns: ["arn:aws:iam::*:role/team/${namespace}-*"]
"#;

fn validated_with(spec: &str, states: Value) -> Result<ValidMachine, Problem> {
    let first = states.as_object().unwrap().keys().next().unwrap().clone();
    let definition = json!({"StartAt": first, "States": states}).to_string().replace('\'', "''");
    let manifest =
        with(&machine("demo/hello", "STANDARD"), &format!("{{spec: {{definition: '{definition}', {spec}}}}}"));
    let open = with(&machine("shop/open", "STANDARD"), "{spec: {allowedCallers: {namespaces: {from: All}}}}");
    // Of names that its tenant refuses, of which one is somebody else's machine.
    let claims = ["foreign-x", "shared-x"].map(|name| {
        with(&machine(&format!("demo/claims-{name}"), "STANDARD"), &format!("{{spec: {{name: {name}}}, status: {{}}}}"))
    });
    let others = [ACCOUNT, &machine("demo/other", "STANDARD"), &machine("shop/other", "STANDARD"), &open, &manifest];
    let others: Vec<&str> = others.into_iter().chain(claims.iter().map(String::as_str)).collect();
    let world = world(&others.concat());
    validate(&world, &the_machine(&world, "demo/hello"))
}

fn task(resource: &str, parameters: Value) -> Value {
    json!({"Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": parameters, "End": true})
}

fn queue(name: &str) -> Value {
    json!({"QueueUrl": format!("https://sqs.eu-central-1.amazonaws.com/111122223333/{name}"), "MessageBody": "m"})
}

fn start(name: &str) -> Value {
    json!({"StateMachineArn": format!("arn:aws:states:eu-central-1:111122223333:stateMachine:{name}")})
}

fn managed(valid: ValidMachine) -> (String, Inference) {
    let ValidRole::Managed { policy, inference, .. } = valid.role else { panic!("it is managed") };
    let texts: Vec<String> = policy.values().map(ToString::to_string).collect();
    (texts.concat(), inference)
}

#[test]
fn what_is_needed_and_admitted_is_granted_and_no_more() {
    let (policy, inference) =
        managed(validated_with("", json!({"Send": task("sqs:sendMessage", queue("demo-q"))})).unwrap());
    let granted =
        r#"{"Effect":"Allow","Action":"sqs:SendMessage","Resource":"arn:aws:sqs:eu-central-1:111122223333:demo-q"}"#;
    assert!(policy.contains(granted) && policy.matches("Allow").count() == 1, "{policy}");
    assert!(policy.contains("stepgate.dev/*"), "a role that may do something can't forge ownership: {policy}");
    assert_eq!(inference, Inference::Done { summary: "1 statement, 1 service".into(), unknown: Vec::new() });
}

#[test]
fn an_adopted_role_is_guarded_whatever_it_is_for() {
    let states = json!({"Done": {"Type": "Succeed"}});
    let made = validated_with("", states.clone()).unwrap();
    assert_eq!(managed(made).0, "", "a role that may do nothing needs no guard");
    let arn = "arn:aws:iam::${AWS::AccountId}:role/team/demo-legacy";
    let adopts = format!("executionRole: {{adoption: {{policy: AdoptOrCreate, arn: '{arn}'}}}}");
    let valid = validated_with(&adopts, states).unwrap();
    let ValidRole::Managed { adoption: Some(adoption), .. } = &valid.role else { panic!("it is adopted") };
    assert_eq!((&*adoption.path, adoption.or_made), ("/team/", true));
    let (policy, _) = managed(valid);
    assert!(policy.contains("stepgate.dev/*") && !policy.contains("Allow"), "{policy}");
}

#[test]
fn written_statements_add_and_inference_can_be_off() {
    let states = json!({"Send": task("sqs:sendMessage", queue("demo-q"))});
    let more = "executionRole: {statements: [{actions: ['sqs:DeleteMessage'], resources: ['arn:aws:sqs:*:*:demo-q']}]}";
    let (policy, inference) = managed(validated_with(more, states.clone()).unwrap());
    assert!(policy.contains("sqs:SendMessage") && policy.contains("sqs:DeleteMessage"), "{policy}");
    assert_eq!(inference, Inference::Done { summary: "2 statements, 1 service".into(), unknown: Vec::new() });
    let (policy, inference) = managed(validated_with("executionRole: {inferred: false}", states).unwrap());
    assert!(!policy.contains("sqs"), "{policy}");
    assert_eq!(inference, Inference::Off);
}

#[rstest]
#[case::another_namespaces_queue(json!({"Send": task("sqs:sendMessage", queue("shop-q"))}),
    "OverCeiling: spec.definition: state `Send` (/States/Send) needs `sqs:SendMessage` on `arn:aws:sqs:eu-central-1:111122223333:shop-q`, which no grant in the ceiling of tenant demo in AWSAccount dev contains (it admits the action only on `arn:aws:sqs:*:*:demo-*`); name in the definition what is admitted, write narrower statements by hand under `inferred: false`, or ask the platform admin to add it")]
#[case::a_queue_known_at_run_time(json!({"Send": task("sqs:sendMessage", json!({"QueueUrl.$": "$.q", "MessageBody": "m"}))}), "OverCeiling: spec.definition: state `Send` (/States/Send) needs `sqs:SendMessage` on `arn:aws:sqs:eu-central-1:111122223333:*`")]
#[case::a_role_passed(json!({"Make": task("aws-sdk:lambda:createFunction", json!({"FunctionName": "f", "Role": "arn:aws:iam::111122223333:role/admin"}))}), "OverCeiling: spec.definition: state `Make` (/States/Make) needs `iam:PassRole` on `arn:aws:iam::111122223333:role/admin`, which no grant in the ceiling of tenant demo in AWSAccount dev names literally")]
#[case::another_role_assumed(json!({"Send": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::sqs:sendMessage", "Parameters": {"QueueUrl": "q", "MessageBody": "m"}, "Credentials": {"RoleArn": "arn:aws:iam::111122223333:role/admin"}}}), "OverCeiling: spec.definition: state `Send` (/States/Send) needs `sts:AssumeRole` on `arn:aws:iam::111122223333:role/admin`")]
#[case::code_of_a_function(json!({"Put": task("aws-sdk:lambda:updateFunctionCode", json!({"FunctionName": "demo-f"}))}), "OverCeiling: spec.definition: state `Put` (/States/Put) needs `lambda:UpdateFunctionCode` on `arn:aws:lambda:eu-central-1:111122223333:function:demo-f`, which no grant in the ceiling of tenant demo in AWSAccount dev names literally, and a wildcard does not admit it, because it can run code")]
#[case::a_command(json!({"Run": task("aws-sdk:ssm:sendCommand", json!({"DocumentName": "d"}))}), "OverCeiling: spec.definition: state `Run` (/States/Run) needs `ssm:SendCommand` on")]
#[case::instance_attributes(json!({"Mod": task("aws-sdk:ec2:modifyInstanceAttribute", json!({"InstanceId": "i-1"}))}), "OverCeiling: spec.definition: state `Mod` (/States/Mod) needs `ec2:ModifyInstanceAttribute` on `arn:aws:ec2:eu-central-1:111122223333:instance/i-1`")]
#[case::a_secret(json!({"Get": task("aws-sdk:secretsmanager:getSecretValue", json!({"SecretId": "demo-db"}))}), "OverCeiling: spec.definition: state `Get` (/States/Get) needs `secretsmanager:GetSecretValue` on `arn:aws:secretsmanager:eu-central-1:111122223333:secret:demo-db-??????`")]
#[case::the_connections_secret(json!({"Get": task("aws-sdk:secretsmanager:getSecretValue", json!({"SecretId": "events!connection/shop/x"}))}), "OverCeiling: spec.definition: state `Get` (/States/Get) needs `secretsmanager:GetSecretValue` on")]
#[case::bucket_policy(json!({"Open": task("aws-sdk:s3:putBucketPolicy", json!({"Bucket": "demo-b"}))}), "OverCeiling: spec.definition: state `Open` (/States/Open) needs `s3:PutBucketPolicy` on `arn:aws:s3:::demo-b`")]
#[case::stack(json!({"Do": task("aws-sdk:cloudformation:createStack", json!({"StackName": "s"}))}), "OverCeiling: spec.definition: state `Do` (/States/Do) needs `cloudformation:CreateStack` on")]
#[case::build(json!({"Do": task("aws-sdk:codebuild:startBuild", json!({"ProjectName": "p"}))}), "OverCeiling: spec.definition: state `Do` (/States/Do) needs `codebuild:StartBuild` on")]
#[case::key_grant(json!({"Do": task("aws-sdk:kms:createGrant", json!({"KeyId": "k", "GranteePrincipal": "p", "Operations": ["Decrypt"]}))}), "OverCeiling: spec.definition: state `Do` (/States/Do) needs `kms:CreateGrant` on")]
#[case::key_tags(json!({"Do": task("aws-sdk:kms:tagResource", json!({"KeyId": "k", "Tags": []}))}), "OverCeiling: spec.definition: state `Do` (/States/Do) needs `kms:TagResource` on")]
#[case::an_account(json!({"Do": task("aws-sdk:organizations:createAccount", json!({"Email": "a@example.com", "AccountName": "a"}))}), "OverCeiling: spec.definition: state `Do` (/States/Do) needs `organizations:CreateAccount` on")]
#[case::a_machine_s_definition(json!({"Do": task("aws-sdk:sfn:updateStateMachine", json!({"StateMachineArn": "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_other"}))}), "OverCeiling: spec.definition: state `Do` (/States/Do) needs `states:UpdateStateMachine` on")]
#[case::owner_tags(json!({"Do": task("aws-sdk:sfn:tagResource", json!({"ResourceArn": "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_other", "Tags": []}))}), "OverCeiling: spec.definition: state `Do` (/States/Do) needs `states:TagResource` on")]
#[case::an_api(json!({"Do": task("aws-sdk:apigateway:updateRestApi", json!({"RestApiId": "a"}))}), "OverCeiling: spec.definition: state `Do` (/States/Do) needs `apigateway:PATCH` on")]
#[case::log_delivery(json!({"Deliver": task("aws-sdk:cloudwatchlogs:putResourcePolicy", json!({"PolicyName": "p"}))}), "OverCeiling: spec.definition: state `Deliver` (/States/Deliver) needs `logs:PutResourcePolicy` on `*`")]
#[case::a_machine_that_does_not_admit(json!({"Go": task("states:startExecution", start("shop_other"))}), "NotAllowed: spec.definition: state `Go` (/States/Go) may start StateMachine shop/other, which does not admit namespace demo; its owner must add it to spec.allowedCallers.namespaces")]
#[case::its_alias(json!({"Go": task("states:startExecution", start("shop_other:live"))}), "NotAllowed: spec.definition: state `Go` (/States/Go) may start StateMachine shop/other")]
#[case::by_the_sdk(json!({"Go": task("aws-sdk:sfn:startExecution", start("shop_other"))}), "NotAllowed: spec.definition: state `Go` (/States/Go) may start StateMachine shop/other")]
#[case::a_prefix_that_reaches_it(json!({"Go": task("states:startExecution", json!({"StateMachineArn.$": "States.Format('arn:aws:states:eu-central-1:111122223333:stateMachine:shop_{}', $.x)"}))}), "NotAllowed: spec.definition: state `Go` (/States/Go) may start StateMachine shop/other")]
#[case::a_machine_of_nobody_here(json!({"Go": task("states:startExecution", start("elsewhere"))}), "OverCeiling: spec.definition: state `Go` (/States/Go) needs `states:StartExecution` on `arn:aws:states:eu-central-1:111122223333:stateMachine:elsewhere`")]
#[case::a_name_that_is_only_claimed(json!({"Go": task("states:startExecution", start("foreign-x"))}), "OverCeiling: spec.definition: state `Go` (/States/Go) needs `states:StartExecution` on `arn:aws:states:eu-central-1:111122223333:stateMachine:foreign-x`")]
#[case::a_targets_other_action(json!({"Go": task("aws-sdk:sfn:startSyncExecution", start("shared-x"))}), "OverCeiling: spec.definition: state `Go` (/States/Go) needs `states:StartSyncExecution` on")]
#[case::managed_rules(json!({"Go": task("states:startExecution.sync", start("demo_other")), "Rule": task("aws-sdk:eventbridge:putTargets", json!({"Rule": "StepFunctionsGetEventsForECSTaskRule"}))}), "OverCeiling: spec.definition: state `Rule` (/States/Rule) could change the rules StepFunctionsGetEvent… that Step Functions manages")]
#[case::any_rule(json!({"Go": task("states:startExecution.sync", start("demo_other")), "Rule": task("aws-sdk:eventbridge:putRule", json!({"Name.$": "$.r"}))}), "OverCeiling: spec.definition: state `Rule` (/States/Rule) could change the rules")]
fn refused(#[case] states: Value, #[case] message: &str) {
    let mut states = states;
    let names: Vec<String> = states.as_object().unwrap().keys().cloned().collect();
    if let [first, second] = &names[..] {
        states[first].as_object_mut().unwrap().remove("End");
        states[first]["Next"] = json!(second);
    }
    let problem = validated_with("", states).map(|valid| managed(valid).0).unwrap_err();
    let said = format!("{}: {}", problem.reason, problem.message);
    assert!(said.starts_with(message), "{said}");
}

#[rstest]
#[case::its_own_namespaces("demo_other", "states:StartExecution")]
#[case::one_that_admits_all("shop_open", "states:StartExecution")]
#[case::a_target("shared-x", "states:StartExecution")]
#[case::itself("demo_hello", "states:StartExecution")]
fn machines_that_admit_need_no_ceiling(#[case] name: &str, #[case] action: &str) {
    let (policy, _) = managed(validated_with("", json!({"Go": task("states:startExecution", start(name))})).unwrap());
    let granted =
        format!(r#""Action":"{action}","Resource":"arn:aws:states:eu-central-1:111122223333:stateMachine:{name}""#);
    assert!(policy.contains(&granted), "{policy}");
}

#[test]
fn plumbing_follows_and_a_rule_of_its_own_name_passes() {
    let mut start = task("states:startExecution.sync:2", start("demo_other"));
    start.as_object_mut().unwrap().remove("End");
    start["Next"] = json!("Rule");
    let states = json!({"Go": start, "Rule": task("aws-sdk:eventbridge:putTargets", json!({"Rule": "demo-nightly"}))});
    let (policy, _) = managed(validated_with("", states).unwrap());
    for part in
        ["rule/StepFunctionsGetEventsForStepFunctionsExecutionRule", "rule/demo-nightly", "execution:demo_other:*"]
    {
        assert!(policy.contains(part), "{policy}");
    }
}

#[test]
fn a_permission_that_can_not_be_known_is_not_granted_and_is_said() {
    let states = json!({"Call": task("lambda:invoke", json!({"FunctionName.$": "$.f"}))});
    let (policy, inference) = managed(validated_with("", states.clone()).unwrap());
    assert!(!policy.contains("lambda"), "{policy}");
    let Inference::Done { summary, unknown } = inference else { panic!("it is on") };
    assert_eq!(summary, "no permissions; 1 unknown");
    assert!(unknown[0].to_string().starts_with("state `Call` (/States/Call) calls a Lambda function whose name"));
    let written = "executionRole: {statements: [{actions: ['lambda:InvokeFunction'], resources: ['arn:aws:lambda:*:*:function:demo-*']}]}";
    let (policy, inference) = managed(validated_with(written, states).unwrap());
    assert!(policy.contains("function:demo-*"), "{policy}");
    assert_eq!(inference, Inference::Done { summary: "1 statement, 1 service".into(), unknown: Vec::new() });
}

#[test]
fn a_policy_past_what_iam_takes_is_refused_with_a_sentence() {
    let mut states = serde_json::Map::new();
    for n in 0..60 {
        let next = if n == 59 { json!({"End": true}) } else { json!({"Next": format!("S{}", n + 1)}) };
        let mut state = task("sqs:sendMessage", queue(&format!("demo-{}{n}", "q".repeat(70))));
        state.as_object_mut().unwrap().remove("End");
        state.as_object_mut().unwrap().extend(next.as_object().unwrap().clone());
        states.insert(format!("S{n}"), state);
    }
    validated_with("", Value::Object(states.clone())).unwrap();
    for (name, state) in &mut states {
        state["Parameters"] = queue(&format!("demo-{}{name}", "q".repeat(1500)));
    }
    let message = validated_with("", Value::Object(states)).unwrap_err().message;
    assert_eq!(
        message,
        "spec.definition: it needs more than IAM takes for one role, 10240 characters in its inline policy or 6144 in each of 10 managed policies; split it into several StateMachines, or name resources that one pattern holds"
    );
}

const LOGS: &str =
    "logging: {level: ALL, logGroupArn: 'arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:/demo/demo/a'}";

#[test]
fn a_log_goes_where_the_tenant_may_write() {
    let nothing = || json!({"A": {"Type": "Succeed"}});
    let valid = validated_with(LOGS, nothing()).unwrap();
    let logging = valid.logging.clone().unwrap();
    assert_eq!(logging.log_group_arn, "arn:aws:logs:eu-central-1:111122223333:log-group:/demo/demo/a:*");
    assert_eq!((logging.level.as_str(), logging.include_execution_data), ("ALL", false));
    let (policy, _) = managed(valid);
    assert!(policy.contains("logs:CreateLogDelivery") && !policy.contains("Deny"), "{policy}");
    let refused = |group: &str| {
        let logs = format!("logging: {{level: ERROR, logGroupArn: '{group}'}}");
        validated_with(&logs, nothing()).unwrap_err()
    };
    let other = refused("arn:aws:logs:eu-central-1:111122223333:log-group:/demo/shop/a:*");
    assert_eq!(other.reason, "OverCeiling");
    assert_eq!(
        other.message,
        "spec.logging.logGroupArn: `arn:aws:logs:eu-central-1:111122223333:log-group:/demo/shop/a` is in none of the `exposure.logGroupArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
    );
    let elsewhere = refused("arn:aws:logs:us-east-1:111122223333:log-group:/demo/demo/a");
    assert_eq!(
        elsewhere.message,
        "spec.logging.logGroupArn: `arn:aws:logs:us-east-1:111122223333:log-group:/demo/demo/a` is in another account or Region, where Step Functions can't write: name a log group of account 111122223333 in eu-central-1"
    );
    let of_a_stage = refused("arn:aws:logs:eu-central-1:111122223333:log-group:/stepgate/00ff/shop/api/prod");
    assert_eq!(
        of_a_stage.message,
        "spec.logging.logGroupArn: `arn:aws:logs:eu-central-1:111122223333:log-group:/stepgate/00ff/shop/api/prod` is a log group that stepgate manages for one object; name one of your own"
    );
    let off = validated_with("logging: {level: 'OFF'}", nothing()).unwrap();
    assert_eq!(off.logging, None);
    assert_eq!(managed(off).0, "");
}

/// The role of a machine that logs may do these on everything, whatever the ceiling says: no task may use that.
#[rstest]
#[case::policy("cloudwatchlogs:putResourcePolicy", "", true)]
#[case::policy_uninferred("cloudwatchlogs:putResourcePolicy", "executionRole: {inferred: false}, ", true)]
#[case::read_that_is_admitted("cloudwatchlogs:describeLogGroups", "", false)]
#[case::read_that_is_admitted_uninferred(
    "cloudwatchlogs:describeLogGroups",
    "executionRole: {inferred: false}, ",
    false
)]
fn no_task_uses_what_logging_brings(#[case] call: &str, #[case] role: &str, #[case] refused: bool) {
    let states = json!({"Do": task(&format!("aws-sdk:{call}"), json!({"PolicyName": "p"}))});
    let answer = validated_with(&format!("{role}{LOGS}"), states);
    match refused {
        false => drop(answer.unwrap()),
        true => {
            let problem = answer.unwrap_err();
            assert_eq!(problem.reason, "OverCeiling");
            assert_eq!(
                problem.message,
                "spec.definition: state `Do` (/States/Do) uses `logs:PutResourcePolicy`, which the role may do on everything in the account because spec.logging is on; put the task into another StateMachine, or take spec.logging out"
            );
        }
    }
}

/// Nor what a role is given for another machine that shares it, or for an execution of another time.
#[rstest]
#[case::of_who_shares(
    "cloudwatchlogs:putResourcePolicy",
    "executionRole: {scope: Namespace, inferred: false}",
    "logs:PutResourcePolicy"
)]
#[case::of_who_shares_and_calls_http(
    "secretsmanager:getSecretValue",
    "executionRole: {scope: Namespace, inferred: false}",
    "secretsmanager:GetSecretValue"
)]
#[case::of_another_time(
    "cloudwatchlogs:putResourcePolicy",
    "executionRole: {inferred: false}",
    "logs:PutResourcePolicy"
)]
#[case::traces(
    "xray:putTraceSegments",
    "tracing: {enabled: true}, executionRole: {inferred: false}",
    "xray:PutTraceSegments"
)]
fn no_task_borrows_what_step_functions_needs(#[case] call: &str, #[case] spec: &str, #[case] action: &str) {
    let states = json!({"Do": task(&format!("aws-sdk:{call}"), json!({}))});
    let problem = validated_with(spec, states).unwrap_err();
    assert_eq!(problem.reason, "OverCeiling");
    let message = format!(
        "spec.definition: state `Do` (/States/Do) uses `{action}`, which Step Functions itself may need of the role of a machine that logs, is traced or waits for jobs, and no grant in the ceiling of tenant demo in AWSAccount dev contains it"
    );
    assert!(problem.message.starts_with(&message), "{problem}");
}

#[test]
fn a_policy_that_stepgate_manages_is_nobody_else_s() {
    let policy = "executionRole: {managedPolicyArns: ['arn:aws:iam::111122223333:policy/Stepgate/0123/stepgate-exec-shop_x-0123-1']}";
    let problem = validated_with(policy, json!({"A": {"Type": "Succeed"}})).unwrap_err();
    assert_eq!(problem.reason, "OverCeiling");
    assert!(
        problem
            .message
            .ends_with("is a policy that stepgate manages for one role; name a policy of your own, or leave it out"),
        "{problem}"
    );
}

#[rstest]
#[case::set(json!({"ResourceArn": "a", "Tags": [{"Key": "stepgate.dev/namespace", "Value": "victim"}]}), "stepgate.dev/namespace")]
#[case::as_a_map(json!({"Resource": "a", "Tags": {"stepgate.dev/name": "x"}}), "stepgate.dev/name")]
#[case::removed(json!({"ResourceArn": "a", "TagKeys": ["stepgate.dev/cluster"]}), "stepgate.dev/cluster")]
fn tags_of_ours_are_left_alone(#[case] parameters: Value, #[case] tag: &str) {
    for role in ["", "executionRole: {inferred: false}"] {
        let states = json!({"Do": task("aws-sdk:sfn:tagResource", parameters.clone())});
        let problem = validated_with(role, states).unwrap_err();
        assert_eq!(problem.reason, "OverCeiling");
        assert_eq!(
            problem.message,
            format!(
                "spec.definition: state `Do` (/States/Do) names the tag `{tag}`; tags that begin with stepgate.dev/ say whose an AWS object is, and only the operator may write them: use another key"
            )
        );
    }
    let elsewhere = json!({"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/111122223333/demo-q", "MessageBody": {"Tags": [tag]}});
    validated_with("", json!({"Do": task("sqs:sendMessage", elsewhere)})).unwrap();
}
