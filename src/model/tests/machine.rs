//! Plans of a StateMachine.

use std::collections::BTreeMap;
use std::time::SystemTime;

use insta::assert_snapshot;

use super::text;
use crate::identity::Tags;
use crate::model::machine::{Machine, Observed, build, release, removal};
use crate::policy::statement::Document;
use crate::resources::{role, state_machine};
use crate::validate::fixture::{machine, the_machine, with, world};
use crate::validate::state_machine::{ValidMachine, validate};

const OWN_ROLE: &str = "{spec: {executionRole: {arn: 'arn:aws:iam::111122223333:role/run-it'}}}";
const STATEMENT: &str =
    "{spec: {executionRole: {statements: [{actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:*:*:demo-q']}]}}}";

fn valid(patch: &str) -> ValidMachine {
    let world = world(&with(&machine("demo/hello", "STANDARD"), patch));
    validate(&world, &the_machine(&world, "demo/hello")).unwrap()
}

/// AWS as it would be after the plan.
fn made(wanted: &Machine) -> Observed {
    let Machine { role, machine } = wanted;
    Observed {
        role: role.as_ref().map(|role| role::Observed {
            created: SystemTime::UNIX_EPOCH,
            tags: role.owner.tags(),
            trust: role.trust.to_string(),
            policies: match role.policy.is_empty() {
                true => BTreeMap::new(),
                false => BTreeMap::from([(role::POLICY_NAME.to_owned(), role.policy.to_string())]),
            },
            managed_policies: role.managed_policies.clone(),
        }),
        machine: Some(state_machine::Observed {
            type_: state_machine::type_name(machine.type_).into(),
            definition: machine.definition.clone(),
            role_arn: machine.role_arn.clone(),
            tracing: machine.tracing,
            revision_id: None,
            deleting: false,
        }),
        tags: Some(machine.owner.tags()),
    }
}

fn plan(valid: &ValidMachine, observed: &Observed) -> String {
    let plan = build(valid).plan(observed, &valid.owner, &valid.place.region).unwrap();
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
    let role = build(&valid(STATEMENT)).role.unwrap();
    let document = Document::parse(&role.policy.to_string()).unwrap();
    let summary: Vec<String> = document
        .statements()
        .iter()
        .map(|s| format!("{:?} {} {}", s.effect, s.actions.join(","), s.resources.join(",")))
        .collect();
    assert_eq!(summary, ["Allow sqs:SendMessage arn:aws:sqs:*:*:demo-q", "Deny * *"]);
    assert!(build(&valid("{}")).role.unwrap().policy.is_empty());
}

#[test]
fn a_managed_role_goes_after_the_machine_has_left_it_and_comes_before() {
    let (managed, own) = (valid(STATEMENT), valid(OWN_ROLE));
    assert_snapshot!(plan(&own, &made(&build(&managed))), @"
    update role of state machine demo_hello
    delete role stepgate-exec-demo_hello-#
    ");
    assert_snapshot!(plan(&managed, &made(&build(&own))), @"
    create role stepgate-exec-demo_hello-#
    write the policy of role stepgate-exec-demo_hello-#
    update role of state machine demo_hello
    ");
}

#[test]
fn the_machine_goes_before_its_role() {
    let valid = valid(STATEMENT);
    let observed = made(&build(&valid));
    let arn = build(&valid).machine.arn;
    let gone = removal(&arn, &valid.owner, "eu-central-1", &observed);
    assert_snapshot!(text(&gone.to_string()), @"
    delete state machine demo_hello
    delete role stepgate-exec-demo_hello-#
    ");
    assert_eq!(gone.steps()[1].after.len(), 1);
    assert_snapshot!(text(&release(&arn, &valid.owner, "eu-central-1", &observed).to_string()), @"
    release state machine demo_hello
    release role stepgate-exec-demo_hello-#
    ");
    assert!(removal(&arn, &valid.owner, "eu-central-1", &Observed::default()).is_empty());
}

#[test]
fn what_is_another_s_is_left_alone_and_the_rest_goes() {
    let valid = valid(STATEMENT);
    let wanted = build(&valid);
    let mut observed = made(&wanted);
    observed.tags = Some(Tags::new());
    let problem = wanted.plan(&observed, &valid.owner, "eu-central-1").unwrap_err();
    assert_eq!(
        problem.message,
        "state machine `demo_hello` exists in AWS and is not ours: it has no owner tag of stepgate. stepgate leaves it alone; delete or rename it, or give this object another name"
    );
    assert_eq!(problem.reason, "OwnershipConflict");
    let gone = removal(&wanted.machine.arn, &valid.owner, "eu-central-1", &observed);
    assert_eq!(text(&gone.to_string()), "delete role stepgate-exec-demo_hello-#");
}

#[test]
fn the_hash_tells_every_change_of_the_manifest() {
    let other = "{spec: {definition: '{\"StartAt\": \"B\", \"States\": {\"B\": {\"Type\": \"Succeed\"}}}'}}";
    let variants = ["{}", STATEMENT, OWN_ROLE, other, "{spec: {tracing: {enabled: true}}}", "{spec: {type: EXPRESS}}"];
    let hashes: std::collections::BTreeSet<String> = variants.iter().map(|patch| build(&valid(patch)).hash()).collect();
    assert_eq!(hashes.len(), variants.len());
    assert_eq!(build(&valid(STATEMENT)).hash(), build(&valid(STATEMENT)).hash());
}
