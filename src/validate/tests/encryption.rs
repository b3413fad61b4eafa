//! Keys of StateMachines: which a namespace may have, and what follows for its own role and for those of callers.

use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::{Value, json};

use crate::identity::Key;
use crate::policy::encryption::Decrypts;
use crate::problem::Problem;
use crate::validate::encryption::{keys, of_uses};
use crate::validate::fixture::{api, machine, route, the_api, the_machine, the_route, with, world};
use crate::validate::rest_api;
use crate::validate::route::validate as validate_route;
use crate::validate::state_machine::{ValidMachine, ValidRole, place, validate};

const ACCOUNT: &str = r#"---
apiVersion: stepgate.dev/v1alpha1
kind: AWSAccount
metadata: {name: dev}
spec:
  accountId: "111122223333"
  regions: [{name: eu-central-1}]
  tenants:
  - name: all
    namespaces: {from: All}
    ceiling: [{actions: ["kms:Decrypt"], resources: ["arn:aws:kms:*:*:key/task-*"]}]
    exposure:
      authorizations: [AWS_IAM]
      kmsKeyArns: ["arn:aws:kms:*:*:key/${namespace}-*", "arn:aws:kms:*:*:key/task-*"]
      logGroupArns: ["arn:aws:logs:*:*:log-group:*"]
"#;

const KEY: &str = "arn:aws:kms:eu-central-1:111122223333:key/demo-1";

fn encrypted(key: &str) -> String {
    format!("encryption: {{kmsKeyArn: '{key}', kmsDataKeyReusePeriodSeconds: 60}}")
}

fn validated_with(spec: &str, task: Option<(&str, Value)>) -> Result<ValidMachine, Problem> {
    let state = match task {
        None => json!({"Type": "Succeed"}),
        Some((call, parameters)) => {
            json!({"Type": "Task", "Resource": format!("arn:aws:states:::{call}"), "Parameters": parameters, "End": true})
        }
    };
    let definition = json!({"StartAt": "A", "States": {"A": state}});
    let manifest =
        with(&machine("demo/hello", "STANDARD"), &format!("{{spec: {{definition: '{definition}', {spec}}}}}"));
    let other = with(
        &machine("demo/other", "STANDARD"),
        "{spec: {encryption: {kmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/demo-2'}}}",
    );
    let world = world(&[ACCOUNT, &other, &manifest].concat());
    validate(&world, &the_machine(&world, "demo/hello"))
}

/// What its role may do with keys: actions, key and condition.
fn of_keys(valid: &ValidMachine) -> Vec<Value> {
    let ValidRole::Managed { policy, .. } = &valid.role else { panic!("it is managed") };
    let statements = policy.values().flat_map(|document| document.to_value()["Statement"].as_array().unwrap().clone());
    statements.filter(|statement| statement.to_string().contains("kms:")).collect()
}

#[test]
fn a_key_that_the_tenant_admits_is_used_for_the_machine_alone() {
    let valid =
        validated_with(&encrypted("arn:${AWS::Partition}:kms:${AWS::Region}:${AWS::AccountId}:key/demo-1"), None)
            .unwrap();
    let encryption = valid.encryption.clone().unwrap();
    assert_eq!((encryption.kms_key_arn.as_str(), encryption.kms_data_key_reuse_period_seconds), (KEY, 60));
    let machine = "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_hello";
    let own = json!({
        "Effect": "Allow", "Action": ["kms:Decrypt", "kms:GenerateDataKey"], "Resource": KEY,
        "Condition": {"StringEquals": {"kms:EncryptionContext:aws:states:stateMachineArn": machine}},
    });
    assert_eq!(of_keys(&valid), std::slice::from_ref(&own));
    let logs = "logging: {level: ALL, logGroupArn: 'arn:aws:logs:eu-central-1:111122223333:log-group:a'}, ";
    let valid = validated_with(&format!("{logs}{}", encrypted(KEY)), None).unwrap();
    let delivery = json!({
        "Effect": "Allow", "Action": "kms:GenerateDataKey", "Resource": KEY,
        "Condition": {"StringEquals": {"kms:EncryptionContext:SourceArn": "arn:aws:logs:eu-central-1:111122223333:*"}},
    });
    assert_eq!(of_keys(&valid), [own, delivery]);
    assert_eq!(validated_with("tracing: {enabled: false}", None).map(|valid| valid.encryption).unwrap(), None);
}

#[rstest]
#[case::of_another_namespace(
    "arn:aws:kms:eu-central-1:111122223333:key/shop-1",
    "OverCeiling: spec.encryption.kmsKeyArn: `arn:aws:kms:eu-central-1:111122223333:key/shop-1` is in none of the `exposure.kmsKeyArns` of tenant all in AWSAccount dev; the platform admin must add it there"
)]
#[case::of_another_region(
    "arn:aws:kms:eu-west-1:111122223333:key/demo-1",
    "InvalidSpec: spec.encryption.kmsKeyArn: `arn:aws:kms:eu-west-1:111122223333:key/demo-1` is not a key of eu-central-1, where the state machine is; name one of that Region"
)]
fn refused(#[case] key: &str, #[case] message: &str) {
    let problem = validated_with(&encrypted(key), None).unwrap_err();
    assert_eq!(format!("{}: {}", problem.reason, problem.message), message);
}

/// Where nothing is inferred, the role could do it all the same.
#[rstest]
#[case::the_key("aws-sdk:kms:decrypt", json!({"KeyId": KEY, "CiphertextBlob": "b"}), KEY, true)]
#[case::whichever_key("aws-sdk:kms:generateDataKey", json!({"KeyId.$": "$.key"}), KEY, true)]
#[case::another_key("aws-sdk:kms:decrypt", json!({"KeyId": "arn:aws:kms:eu-central-1:111122223333:key/else", "CiphertextBlob": "b"}), KEY, false)]
#[case::admitted("aws-sdk:kms:decrypt", json!({"KeyId": "arn:aws:kms:eu-central-1:111122223333:key/task-1", "CiphertextBlob": "b"}), "arn:aws:kms:eu-central-1:111122223333:key/task-1", false)]
fn no_task_uses_what_encryption_brings(
    #[case] call: &str,
    #[case] parameters: Value,
    #[case] key: &str,
    #[case] refused: bool,
) {
    let off = format!("executionRole: {{inferred: false}}, {}", encrypted(key));
    let answer = validated_with(&off, Some((call, parameters)));
    match refused {
        false => drop(answer.unwrap()),
        true => {
            let problem = answer.unwrap_err();
            assert_eq!(problem.reason, "OverCeiling");
            let said = "which the role may do with the key of spec.encryption, and no grant in the ceiling admits it";
            assert!(problem.message.starts_with("spec.definition: state `A` (/States/A) uses `kms:"), "{problem}");
            assert!(problem.message.contains(said), "{problem}");
        }
    }
}

#[test]
fn who_follows_another_machine_s_executions_decrypts_with_its_key() {
    let start = |call: &str| {
        let machine = json!({"StateMachineArn": "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_other"});
        of_keys(&validated_with("tracing: {enabled: false}", Some((call, machine))).unwrap())
    };
    let decrypt = json!({
        "Effect": "Allow", "Action": "kms:Decrypt", "Resource": "arn:aws:kms:eu-central-1:111122223333:key/demo-2",
        "Condition": {"StringEquals": {"kms:EncryptionContext:aws:states:stateMachineArn": "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_other"}},
    });
    assert_eq!(start("states:startExecution.sync:2"), [decrypt]);
    assert_eq!(start("states:startExecution"), Vec::<Value>::new(), "AWS asks nothing of who starts one");
}

fn with_routes(spec: &str, status: &str) -> crate::world::World {
    let machine = |name: &str, type_: &str| {
        let manifest = with(&machine(&format!("demo/{name}"), type_), &format!("{{spec: {{{spec}}}}}"));
        let status = status.replace("NAME", name);
        with(
            &manifest,
            &format!(
                "{{status: {{stateMachineArn: 'arn:aws:states:eu-central-1:111122223333:stateMachine:demo_{name}'{status}}}}}"
            ),
        )
    };
    let action = |manifest: String, action: &str, request: &str| {
        with(&manifest, &format!("{{spec: {{target: {{action: {action}}}{request}}}}}"))
    };
    let described = ", request: {executionName: {path: id}}";
    world(
        &[
            ACCOUNT,
            &machine("sync", "EXPRESS"),
            &machine("async", "STANDARD"),
            &api("{stages: [{name: prod}]}"),
            &action(route("demo/sync", "POST /sync", "sync"), "StartSyncExecution", ""),
            &route("demo/start", "POST /start", "async"),
            &action(route("demo/get", "GET /runs/{id}", "async"), "DescribeExecution", described),
            &action(route("demo/stop", "POST /stop/{id}", "async"), "StopExecution", described),
        ]
        .concat(),
    )
}

#[test]
fn who_reads_data_of_executions_decrypts_with_the_machine_s_key() {
    let world = with_routes(&encrypted(KEY), "");
    let valid = rest_api::validate(&world, &the_api(&world)).unwrap();
    let of = |name: &str| {
        let route = validate_route(&world, &the_api(&world), &valid, &the_route(&world, name)).unwrap();
        let keys = route.role.unwrap().1.keys;
        keys.into_iter().map(|Decrypts { key, machine }| format!("{key} for {}", machine.as_str())).collect::<Vec<_>>()
    };
    let machine = "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_";
    assert_eq!(of("demo/sync"), [format!("{KEY} for {machine}sync")]);
    assert_eq!(of("demo/get"), [format!("{KEY} for {machine}async")]);
    for name in ["demo/start", "demo/stop"] {
        assert_eq!(of(name), Vec::<String>::new(), "{name}");
    }
}

/// While it changes, and where it can't: callers keep what they have of the key that AWS shows, and get nothing by it.
#[test]
fn a_key_that_is_only_shown_grants_nothing() {
    let shown = "arn:aws:kms:eu-central-1:111122223333:key/old";
    let refused = encrypted("arn:aws:kms:eu-central-1:111122223333:key/shop-1");
    let world = with_routes(&refused, &format!(", kmsKeyArn: '{shown}'"));
    let own = place(&world, &the_machine(&world, "demo/sync")).unwrap().1;
    let keys = keys(&world, &own);
    let valid = rest_api::validate(&world, &the_api(&world)).unwrap();
    let route = validate_route(&world, &the_api(&world), &valid, &the_route(&world, "demo/sync")).unwrap();
    let uses = route.role.unwrap().1.uses;
    assert_eq!(of_uses(&uses, &keys, &BTreeSet::new()), BTreeSet::new());
    let (machine, _) = keys.iter().find(|(arn, _)| arn.as_str().ends_with("_sync")).unwrap();
    let had = BTreeSet::from([
        Decrypts { key: shown.to_owned(), machine: machine.clone() },
        Decrypts { key: "arn:aws:kms:eu-central-1:111122223333:key/older".to_owned(), machine: machine.clone() },
    ]);
    let kept: Vec<_> = of_uses(&uses, &keys, &had).into_iter().map(|one| one.key).collect();
    assert_eq!(kept, [shown]);
    assert!(world.machines.contains_key(&Key::new("demo", "sync")));
}
