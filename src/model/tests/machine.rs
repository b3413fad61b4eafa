//! Plans of a StateMachine.

use std::collections::BTreeMap;
use std::time::SystemTime;

use insta::assert_snapshot;
use k8s_openapi::jiff::Timestamp;

use super::text;
use crate::api::conditions::reasons;
use crate::identity::Tags;
use crate::model::execution_role;
use crate::model::machine::{Machine, Observed, Older, Planned, build, release, removal};
use crate::policy::statement::Document;
use crate::problem::Kind;
use crate::resources::{role, state_machine};
use crate::validate::fixture::{ACCOUNT, machine, the_machine, with, world};
use crate::validate::state_machine::{ValidMachine, ValidRole, validate};

const OWN_ROLE: &str = "{spec: {executionRole: {arn: 'arn:aws:iam::111122223333:role/run-it'}}}";
const STATEMENT: &str =
    "{spec: {executionRole: {statements: [{actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:*:*:demo-q']}]}}}";

fn valid(patch: &str) -> ValidMachine {
    let world = world(&with(&machine("demo/hello", "STANDARD"), patch));
    validate(&world, &the_machine(&world, "demo/hello")).unwrap()
}

/// AWS as it would be after the plan.
fn made(wanted: &Machine) -> Observed {
    let Machine { role, machine, .. } = wanted;
    let role = role.as_ref().map(|execution_role::Desired { role, .. }| role::Observed {
        arn: role.arn("aws", "111122223333"),
        created: SystemTime::UNIX_EPOCH,
        tags: role.owner.tags(),
        trust: role.trust.to_string(),
        policies: match role.policy.is_empty() {
            true => BTreeMap::new(),
            false => BTreeMap::from([(role.policy_name().to_owned(), role.policy.to_string())]),
        },
        managed_policies: role.managed_policies.clone(),
    });
    Observed {
        role: execution_role::Observed { role, ..execution_role::Observed::default() },
        former: Vec::new(),
        machine: Some(state_machine::Observed {
            type_: state_machine::type_name(machine.type_).into(),
            definition: machine.definition.clone(),
            role_arn: machine.role_arn.clone(),
            logging: machine.logging.clone(),
            tracing: machine.tracing,
            encryption: machine.encryption.clone(),
            revision_id: None,
            deleting: false,
        }),
        tags: Some(machine.owner.tags()),
        older: Older::Unknown,
    }
}

fn now() -> Timestamp {
    "2026-11-21T12:00:00Z".parse().unwrap()
}

fn planned(valid: &ValidMachine, observed: &Observed) -> Planned {
    build(valid).plan(observed, &valid.place, now()).unwrap()
}

fn plan(valid: &ValidMachine, observed: &Observed) -> String {
    let plan = planned(valid, observed).plan;
    for (id, planned) in plan.steps().iter().enumerate().skip(1) {
        assert!(planned.after.contains(&(id - 1)), "{} waits for what comes before", planned.step);
    }
    text(&plan.to_string())
}

#[test]
fn the_role_comes_before_the_machine() {
    let valid = valid(STATEMENT);
    assert_snapshot!(plan(&valid, &Observed::default()), @"
    create role stepgate-exec-demo_hello-#
    write the policy of role stepgate-exec-demo_hello-#
    create state machine demo_hello
    ");
    assert_eq!(plan(&valid, &made(&build(&valid))), "");
}

#[test]
fn nobody_but_what_is_written_and_no_tags_of_ours() {
    let role = build(&valid(STATEMENT)).role.unwrap().role;
    let document = Document::parse(&role.policy.to_string()).unwrap();
    let summary: Vec<String> = document
        .statements()
        .iter()
        .map(|s| format!("{:?} {} {}", s.effect, s.actions.join(","), s.resources.join(",")))
        .collect();
    assert_eq!(summary, ["Allow sqs:SendMessage arn:aws:sqs:*:*:demo-q", "Deny * *"]);
    assert!(build(&valid("{}")).role.unwrap().role.policy.is_empty());
}

const SENDS: &str = r#"{spec: {definition: '{"StartAt": "B", "States": {"B": {"Type": "Task", "End": true, "Resource": "arn:aws:states:::sqs:sendMessage",
    "Parameters": {"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/111122223333/demo-b", "MessageBody": "m"}}}}'}}"#;

/// A role with a note of how far an update is.
fn noted(mut observed: Observed, updated: &str) -> Observed {
    let role = observed.role.role.as_mut().unwrap();
    role.tags.insert("stepgate.dev/updated".into(), updated.into());
    observed
}

#[test]
fn a_managed_role_goes_when_no_execution_has_it_and_comes_before() {
    let (managed, own) = (valid(STATEMENT), valid(OWN_ROLE));
    let before = made(&build(&managed));
    assert_snapshot!(plan(&own, &before), @"
    note stepgate.dev/updated on role stepgate-exec-demo_hello-#
    update role of state machine demo_hello
    ");
    let mut updated = made(&build(&own));
    updated.role = before.role;
    let updated = noted(updated, "now");
    assert_snapshot!(plan(&own, &updated), @"note stepgate.dev/updated on role stepgate-exec-demo_hello-#");
    let mut waits = noted(updated, "2026-11-21T11:00:00Z");
    assert_eq!(plan(&own, &waits), "");
    assert!(planned(&own, &waits).keeps_since.is_some());
    waits.older = Older::Ended;
    assert_snapshot!(plan(&own, &waits), @"delete role stepgate-exec-demo_hello-#");
    assert_snapshot!(plan(&managed, &made(&build(&own))), @"
    create role stepgate-exec-demo_hello-#
    write the policy of role stepgate-exec-demo_hello-#
    update role of state machine demo_hello
    ");
}

#[test]
fn what_older_executions_may_need_goes_when_they_have_ended() {
    let (old, new) = (valid(STATEMENT), valid(SENDS));
    let before = made(&build(&old));
    assert_snapshot!(plan(&new, &before), @"
    write the policy of role stepgate-exec-demo_hello-#
    note stepgate.dev/updated on role stepgate-exec-demo_hello-#
    update definition of state machine demo_hello
    ");
    // Back before the update was made, or again after it failed: nothing is noted twice.
    let step = planned(&new, &before).plan.steps()[0].step.clone();
    let crate::resources::Step::Role(role::Step::PutPolicy { policy: both, .. }) = step else { panic!("{step}") };
    assert!(both.to_string().contains("demo-q") && both.to_string().contains("demo-b"), "{both}");
    let mut widened = made(&build(&new));
    widened.role = before.role.clone();
    widened.role.role.as_mut().unwrap().policies.insert(role::POLICY_NAME.into(), both.to_string());
    let mut crashed = noted(widened.clone(), "now");
    crashed.machine = before.machine.clone();
    assert_snapshot!(plan(&new, &crashed), @"update definition of state machine demo_hello");

    let updated = noted(widened, "now");
    assert_snapshot!(plan(&new, &updated), @"note stepgate.dev/updated on role stepgate-exec-demo_hello-#");
    let mut waits = noted(updated, "2026-11-21T11:59:00Z");
    assert_eq!(plan(&new, &waits), "");
    assert_eq!(planned(&new, &waits).keeps_since.unwrap().to_string(), "2026-11-21T11:59:00Z");
    waits.older = Older::Run(3);
    assert_eq!(plan(&new, &waits), "");
    waits.older = Older::Ended;
    assert_snapshot!(plan(&new, &waits), @"
    write the policy of role stepgate-exec-demo_hello-#
    take the note stepgate.dev/updated off role stepgate-exec-demo_hello-#
    ");
    assert!(planned(&new, &waits).goes_on, "it is no drift");
    // Whoever goes back before that needs to write nothing.
    waits.older = Older::Unknown;
    assert_snapshot!(plan(&old, &waits), @"
    note stepgate.dev/updated on role stepgate-exec-demo_hello-#
    update definition of state machine demo_hello
    ");
}

#[test]
fn what_the_tenant_no_longer_has_is_not_kept() {
    let (old, mut new) = (valid(STATEMENT), valid(SENDS));
    let ValidRole::Managed { keeps, .. } = &mut new.role else { panic!() };
    keeps.ceiling.clear();
    let mut waits = made(&build(&new));
    waits.role = made(&build(&old)).role;
    let waits = noted(waits, "2026-11-21T11:59:00Z");
    let plan = planned(&new, &waits).plan;
    assert_snapshot!(text(&plan.to_string()), @"
    write the policy of role stepgate-exec-demo_hello-#
    take the note stepgate.dev/updated off role stepgate-exec-demo_hello-#
    ");
    let crate::resources::Step::Role(role::Step::PutPolicy { policy, .. }) = &plan.steps()[0].step else { panic!() };
    assert!(!policy.to_string().contains("demo-q"), "{policy}");
}

/// What they write is encrypted with the key that they started with.
#[test]
fn running_executions_keep_their_key_as_long_as_the_tenant_has_it() {
    let key = "{spec: {encryption: {kmsKeyArn: 'arn:aws:kms:eu-central-1:111122223333:key/demo-1'}}}";
    let account = ACCOUNT.replacen("AWS_IAM]}", "AWS_IAM], kmsKeyArns: ['arn:aws:kms:*:*:key/demo-*']}", 1);
    let valid = |patch: &str| {
        let world = world(&[account.as_str(), &with(&machine("demo/hello", "STANDARD"), patch)].concat());
        validate(&world, &the_machine(&world, "demo/hello")).unwrap()
    };
    let (encrypted, mut plain) = (valid(key), valid("{}"));
    let plan = planned(&plain, &made(&build(&encrypted))).plan;
    assert_snapshot!(text(&plan.to_string()), @"
    note stepgate.dev/updated on role stepgate-exec-demo_hello-#
    update encryption of state machine demo_hello
    ");
    let ValidRole::Managed { keeps, .. } = &mut plain.role else { panic!() };
    keeps.kms_keys.clear();
    let plan = planned(&plain, &made(&build(&encrypted))).plan;
    assert_snapshot!(text(&plan.to_string()), @"
    delete policy stepgate of role stepgate-exec-demo_hello-#
    update encryption of state machine demo_hello
    ");
}

#[test]
fn what_nobody_s_update_left_is_taken_away_at_once() {
    let valid = valid(STATEMENT);
    let mut drifted = made(&build(&valid));
    let role = drifted.role.role.as_mut().unwrap();
    let wide = Document::new([crate::policy::statement::Statement::allow(["s3:*"], ["*"])]);
    role.policies.insert(role::POLICY_NAME.into(), wide.to_string());
    assert_snapshot!(plan(&valid, &drifted), @"write the policy of role stepgate-exec-demo_hello-#");
}

#[test]
fn the_machine_goes_before_its_role() {
    let valid = valid(STATEMENT);
    let observed = made(&build(&valid));
    let arn = build(&valid).machine.arn;
    let gone = removal(&arn, &valid.owner, &build(&valid).managed, &observed, false);
    assert_snapshot!(text(&gone.to_string()), @"
    delete state machine demo_hello
    delete role stepgate-exec-demo_hello-#
    ");
    assert_eq!(gone.steps()[1].after.len(), 1);
    assert_snapshot!(text(&release(&arn, &valid.owner, &build(&valid).managed, &observed).to_string()), @"
    release state machine demo_hello
    release role stepgate-exec-demo_hello-#
    ");
    assert!(removal(&arn, &valid.owner, &build(&valid).managed, &Observed::default(), false).is_empty());
}

#[test]
fn what_is_another_s_is_left_alone_and_the_rest_goes() {
    let valid = valid(STATEMENT);
    let wanted = build(&valid);
    let mut observed = made(&wanted);
    observed.tags = Some(Tags::new());
    let problem = wanted.plan(&observed, &valid.place, now()).unwrap_err();
    assert_eq!(
        problem.message,
        "state machine `demo_hello` exists in AWS and is not ours: it has no owner tag of stepgate. stepgate leaves it alone; delete or rename it, or give this object another name"
    );
    assert_eq!(problem.reason, "OwnershipConflict");
    let gone = removal(&wanted.machine.arn, &valid.owner, &wanted.managed, &observed, false);
    assert_eq!(text(&gone.to_string()), "delete role stepgate-exec-demo_hello-#");
}

fn hash(valid: &ValidMachine) -> String {
    build(valid).hash(&valid.place)
}

#[test]
fn the_hash_tells_every_change_of_the_manifest() {
    let other = "{spec: {definition: '{\"StartAt\": \"B\", \"States\": {\"B\": {\"Type\": \"Succeed\"}}}'}}";
    let variants = ["{}", STATEMENT, OWN_ROLE, other, "{spec: {tracing: {enabled: true}}}", "{spec: {type: EXPRESS}}"];
    let hashes: std::collections::BTreeSet<String> = variants.iter().map(|patch| hash(&valid(patch))).collect();
    assert_eq!(hashes.len(), variants.len());
    assert_eq!(hash(&valid(STATEMENT)), hash(&valid(STATEMENT)));
}

const SHARED: &str = "{spec: {executionRole: {scope: Namespace}}}";

#[test]
fn machines_that_share_a_role_write_each_its_own_policy() {
    let valid = valid(SHARED);
    let wanted = build(&valid);
    assert_snapshot!(plan(&valid, &Observed::default()), @"
    create role stepgate-exec-demo-#
    write policy stepgate-demo_hello of role stepgate-exec-demo-#
    create state machine demo_hello
    ");
    let mut observed = made(&wanted);
    let policies = |observed: &mut Observed, name: &str| {
        observed.role.role.as_mut().unwrap().policies.insert(name.to_owned(), String::new());
    };
    policies(&mut observed, "stepgate-demo_other");
    assert_eq!(plan(&valid, &observed), "", "another machine's policy is not ours to change");
    policies(&mut observed, "added-by-hand");
    policies(&mut observed, role::POLICY_NAME);
    assert_snapshot!(plan(&valid, &observed), @"
    delete policy added-by-hand of role stepgate-exec-demo-#
    delete policy stepgate of role stepgate-exec-demo-#
    ");
    assert!(!wanted.role.unwrap().role.policy.is_empty(), "also a machine that needs nothing holds the role");
}

#[test]
fn a_shared_role_goes_with_the_last_machine() {
    let valid = valid(SHARED);
    let wanted = build(&valid);
    let gone = |observed: &Observed| {
        text(&removal(&wanted.machine.arn, &valid.owner, &wanted.managed, observed, false).to_string())
    };
    let mut observed = made(&wanted);
    assert_snapshot!(gone(&observed), @"
    delete state machine demo_hello
    delete role stepgate-exec-demo-#
    ");
    let role = observed.role.role.as_mut().unwrap();
    role.policies.insert("stepgate-demo_other".into(), String::new());
    role.tags.insert("stepgate.dev/updated/stepgate-demo_hello".into(), "now".into());
    assert_snapshot!(gone(&observed), @"
    delete state machine demo_hello
    delete policy stepgate-demo_hello of role stepgate-exec-demo-#
    take the note stepgate.dev/updated/stepgate-demo_hello off role stepgate-exec-demo-#
    ");
    let let_go = release(&wanted.machine.arn, &valid.owner, &wanted.managed, &observed);
    assert_eq!(text(&let_go.to_string()), "release state machine demo_hello");
    observed.role.role.as_mut().unwrap().tags.clear();
    assert_eq!(gone(&observed), "delete state machine demo_hello");
}

#[test]
fn what_one_machine_keeps_for_its_executions_is_not_another_s() {
    let shared = |patch: &str| valid(&patch.replace("{spec: {", "{spec: {executionRole: {scope: Namespace}, "));
    let (old, new) = (shared(SENDS), shared("{spec: {tracing: {enabled: false}}}"));
    let mut before = made(&build(&old));
    before.role.role.as_mut().unwrap().tags.insert("stepgate.dev/updated/stepgate-demo_other".into(), "now".into());
    assert_eq!(plan(&old, &before), "");
    assert_snapshot!(plan(&new, &before), @"
    note stepgate.dev/updated/stepgate-demo_hello on role stepgate-exec-demo-#
    update definition of state machine demo_hello
    ");

    // IAM takes 50 tags: others have them all.
    let tags = &mut before.role.role.as_mut().unwrap().tags;
    tags.extend((tags.len()..50).map(|n| (format!("stepgate.dev/updated/stepgate-demo_m{n}"), "now".to_owned())));
    let problem = build(&new).plan(&before, &new.place, now()).unwrap_err();
    assert_eq!((problem.kind, problem.reason), (Kind::Waiting, reasons::WAITING_FOR_ROLE));
    assert!(problem.message.contains("has the 50 tags that IAM takes"), "{problem}");
    let tags = &mut before.role.role.as_mut().unwrap().tags;
    tags.remove("stepgate.dev/updated/stepgate-demo_m49");
    tags.insert("stepgate.dev/updated/stepgate-demo_hello".into(), "2026-11-21T11:00:00Z".into());
    assert!(plan(&new, &before).starts_with("note stepgate.dev/updated/stepgate-demo_hello"), "its own is there");
}
