//! Which keys and stages a UsagePlan may have, and the messages about those that it may not.

use std::sync::Arc;

use secrecy::ExposeSecret;

use crate::identity::Key;
use crate::problem::{Kind, Problem};
use crate::validate::fixture::{the_plan, with, world};
use crate::validate::usage_plan::{ValidKey, ValidPlan, key_name, key_prefix, validate};
use crate::world::World;

const VALUE: &str = "0123456789abcdefghij";

/// `demo/api`, in AWS, with the stage `prod`, and a Secret `keys`.
fn scene(plan: &str, api: &str) -> World {
    let status = "{restApiId: a1, stages: [{name: prod, invokeUrl: u}], binding: {account: dev, accountId: '111122223333', region: eu-central-1}}";
    let whole = format!(
        "---\napiVersion: stepgate.dev/v1alpha1\nkind: RestAPI\nmetadata: {{namespace: demo, name: api}}\nspec: {{stages: [{{name: prod}}, {{name: next}}]}}\nstatus: {status}\n"
    );
    let secret = format!(
        "---\nkind: Secret\nmetadata: {{namespace: demo, name: keys, uid: s1, resourceVersion: '7'}}\nstringData: {{a: {VALUE}, b: {VALUE}, c: c{VALUE}, short: tooshort, line: \"{VALUE}\\n\", other: {VALUE}x}}\n"
    );
    world(&[plan.to_owned(), with(&whole, api), secret].concat())
}

fn plan(namespace: &str, spec: &str) -> String {
    format!(
        "---\napiVersion: stepgate.dev/v1alpha1\nkind: UsagePlan\nmetadata: {{namespace: {namespace}, name: gold}}\nspec: {spec}\n"
    )
}

fn valid(world: &World) -> ValidPlan {
    let key = world.plans.keys().find(|key| key.name == "gold").unwrap();
    validate(world, &the_plan(world, &key.to_string())).unwrap()
}

const STAGE: &str = "{apiStages: [{apiRef: {name: api, namespace: demo}, stage: prod}]}";

fn problem(world: &World) -> Problem {
    let mut problems = valid(world).problems;
    assert_eq!(problems.len(), 1, "{problems:?}");
    problems.remove(0)
}

#[test]
fn names_of_two_plans_keys_never_meet() {
    let plan = Key::new("demo", "gold");
    assert_eq!(key_name(&plan, "partner"), "demo_gold_partner");
    let long = Key::new("n".repeat(63), "p".repeat(253));
    assert!(key_name(&long, &"k".repeat(63)).len() <= 255, "{}", key_name(&long, ""));
    assert!(!key_prefix(&Key::new("demo", "gold-b")).starts_with(&key_prefix(&plan)));
}

#[test]
fn a_value_is_in_no_text() {
    let world = scene(&plan("demo", "{apiKeys: [{name: a, secretKeyRef: {name: keys, key: a}}]}"), "{}");
    let valid = valid(&world);
    let ValidKey::Own { value: Some(value), .. } = &valid.keys["a"] else { panic!("{valid:?}") };
    assert_eq!(value.expose_secret(), VALUE);
    assert!(!format!("{valid:?}{world:?}").contains(VALUE));
    assert!(valid.problems.is_empty());
}

#[rstest::rstest]
#[case::no_secret(
    "{name: x, secretKeyRef: {name: none, key: a}}",
    Kind::Waiting,
    "spec.apiKeys[x].secretKeyRef: Secret demo/none does not exist"
)]
#[case::no_key(
    "{name: x, secretKeyRef: {name: keys, key: z}}",
    Kind::Waiting,
    "spec.apiKeys[x].secretKeyRef: Secret demo/keys has no key `z`"
)]
#[case::short(
    "{name: x, secretKeyRef: {name: keys, key: short}}",
    Kind::Stalled,
    "spec.apiKeys[x].secretKeyRef: AWS takes 20 to 128 characters as the value of an API key"
)]
#[case::white_space(
    "{name: x, secretKeyRef: {name: keys, key: line}}",
    Kind::Stalled,
    "spec.apiKeys[x].secretKeyRef: the value in the Secret holds white space or something that is not ASCII; a new line at its end comes from `echo` without `-n`"
)]
#[case::twice(
    "{name: a, secretKeyRef: {name: keys, key: a}}, {name: x, secretKeyRef: {name: keys, key: b}}",
    Kind::Stalled,
    "spec.apiKeys[x]: it has the same value as key a, and AWS has each value once; take one of them off the list"
)]
#[case::no_plan(
    "{name: x, from: {usagePlan: silver, key: k}}",
    Kind::Waiting,
    "spec.apiKeys[x].from: UsagePlan demo/silver does not exist"
)]
#[case::from_itself(
    "{name: x, from: {usagePlan: gold, key: k}}",
    Kind::Stalled,
    "spec.apiKeys[x].from: this is the same UsagePlan; name another one"
)]
fn keys_that_can_not_be_had(#[case] keys: &str, #[case] kind: Kind, #[case] message: &str) {
    let world = scene(&plan("demo", &format!("{{apiKeys: [{keys}]}}")), "{}");
    let problem = problem(&world);
    assert_eq!((problem.kind, problem.message.as_str()), (kind, message));
    assert!(matches!(valid(&world).keys["x"], ValidKey::Unknown { .. }));
}

#[test]
fn a_key_of_another_plan() {
    let gold = plan("demo", "{apiKeys: [{name: x, from: {usagePlan: silver, key: k}}]}");
    let silver = |spec: &str| {
        with(&plan("demo", "{}"), "{metadata: {name: silver}}").replace("\"spec\":{}", &format!("\"spec\":{spec}"))
    };
    let key = r#"{"apiKeys":[{"name":"k","secretKeyRef":{"name":"keys","key":"other"}}]}"#;
    let found = valid(&scene(&[gold.clone(), silver(key)].concat(), "{}"));
    assert!(matches!(&found.keys["x"], ValidKey::Shared { owner, name } if owner.key.name == "silver" && name == "k"));
    for (spec, message) in [
        (r#"{"apiKeys":[]}"#, "spec.apiKeys[x].from: UsagePlan demo/silver has no key k"),
        (
            r#"{"apiKeys":[{"name":"k","from":{"usagePlan":"bronze","key":"k"}}]}"#,
            "spec.apiKeys[x].from: UsagePlan demo/silver has this key from UsagePlan demo/bronze; name that one",
        ),
    ] {
        assert_eq!(problem(&scene(&[gold.clone(), silver(spec)].concat(), "{}")).message, message);
    }
    let twice =
        "{apiKeys: [{name: a, from: {usagePlan: silver, key: k}}, {name: x, from: {usagePlan: silver, key: k}}]}";
    let world = scene(&[plan("demo", twice), silver(key)].concat(), "{}");
    assert_eq!(
        problem(&world).message,
        "spec.apiKeys[x].from: key k of UsagePlan demo/silver is on the list already, as a; take one of them off the list"
    );
    assert!(matches!(&valid(&world).keys["a"], ValidKey::Shared { .. }), "the first one stays");
    let same = r#"{"apiStages":[{"apiRef":{"name":"api"},"stage":"prod"}],"apiKeys":[{"name":"k","secretKeyRef":{"name":"keys","key":"other"}}]}"#;
    let gold = plan(
        "demo",
        "{apiStages: [{apiRef: {name: api}, stage: prod}], apiKeys: [{name: x, from: {usagePlan: silver, key: k}}]}",
    );
    assert_eq!(
        problem(&scene(&[gold, silver(same)].concat(), "{}")).message,
        "spec.apiKeys[x].from: UsagePlan demo/silver is for stage prod of RestAPI demo/api too, and AWS takes a key in one plan for each stage; take the stage off one of the plans, or use another key"
    );
}

/// What can't be had is told with where it was to come from, whatever the reason: that keeps what there is of it.
#[test]
fn a_key_that_can_not_be_had_still_says_whose_it_is() {
    let spec =
        "{apiKeys: [{name: x, from: {usagePlan: silver, key: k}}, {name: z, secretKeyRef: {name: none, key: a}}]}";
    let mut found = valid(&scene(&plan("demo", spec), "{}"));
    let ValidKey::Unknown { from: Some((silver, name)) } = found.keys["x"].clone() else { panic!("{found:?}") };
    assert_eq!((&silver.key, silver.kind, name.as_str()), (&Key::new("demo", "silver"), "UsagePlan", "k"));
    assert!(matches!(&found.keys["z"], ValidKey::Unknown { from: None }));
    let shared = ValidKey::Shared { owner: silver.clone(), name: name.clone() };
    for key in [shared, found.keys["x"].clone()] {
        found.keys.insert("x".into(), key);
        found.refuse("x", Problem::invalid("not in AWS yet"));
        let ValidKey::Unknown { from } = &found.keys["x"] else { panic!("{found:?}") };
        assert_eq!(*from, Some((silver.clone(), name.clone())));
    }
}

#[test]
fn one_secret_s_key_is_one_plan_s() {
    let key = "{apiKeys: [{name: x, secretKeyRef: {name: keys, key: a}}]}";
    let first = with(&plan("demo", key), "{metadata: {name: a-first}}");
    let world = scene(&[plan("demo", key), first].concat(), "{}");
    assert_eq!(
        problem(&world).message,
        "spec.apiKeys[x].secretKeyRef: Secret keys, key `a`, is key x of UsagePlan demo/a-first already, and AWS has each value once; write `from: {usagePlan: a-first, key: x}` instead"
    );
}

#[rstest::rstest]
#[case::taken("demo", STAGE, "{}", None)]
#[case::of_another_namespace("shop", STAGE, "{}", Some((Kind::Stalled, "spec.apiStages[0].apiRef: RestAPI demo/api admits of UsagePlans only those of its own namespace; its owner must add namespace shop to spec.allowedUsagePlans.namespaces")))]
#[case::which_may(
    "shop",
    STAGE,
    "{spec: {allowedUsagePlans: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}}}",
    None
)]
#[case::which_may_not("demo", STAGE, "{spec: {allowedUsagePlans: {namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}}}}", Some((Kind::Stalled, "spec.apiStages[0].apiRef: RestAPI demo/api admits of UsagePlans those of other namespaces; its owner must add namespace demo to spec.allowedUsagePlans.namespaces")))]
#[case::no_api("demo", "{apiStages: [{apiRef: {name: none}, stage: prod}]}", "{}", Some((Kind::Waiting, "spec.apiStages[0]: RestAPI demo/none does not exist")))]
#[case::no_stage("demo", "{apiStages: [{apiRef: {name: api}, stage: none}]}", "{}", Some((Kind::Stalled, "spec.apiStages[0].stage: RestAPI demo/api has no stage none; name one of its stages")))]
#[case::not_in_aws("demo", "{apiStages: [{apiRef: {name: api}, stage: next}]}", "{}", Some((Kind::Waiting, "spec.apiStages[0]: stage next of RestAPI demo/api is not in AWS yet")))]
#[case::going("demo", STAGE, "{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}", Some((Kind::Waiting, "spec.apiStages[0]: RestAPI demo/api is being deleted")))]
#[case::elsewhere("demo", STAGE, "{status: {binding: {region: eu-west-1}}}", Some((Kind::Stalled, "spec.apiStages[0].apiRef: RestAPI demo/api lives in Region eu-west-1 of account 111122223333, and this object in Region eu-central-1 of account 111122223333; put both in one account and Region")))]
#[case::twice("demo", "{apiStages: [{apiRef: {name: api}, stage: prod}, {apiRef: {name: api, namespace: demo}, stage: prod}]}", "{}", Some((Kind::Stalled, "spec.apiStages[1]: stage prod of RestAPI demo/api is on the list already; name it once, with all of its `methodThrottle`")))]
fn stages(#[case] namespace: &str, #[case] spec: &str, #[case] api: &str, #[case] refused: Option<(Kind, &str)>) {
    let world = scene(&plan(namespace, spec), api);
    let valid = valid(&world);
    let found: Vec<_> = valid.problems.iter().map(|problem| (problem.kind, problem.message.as_str())).collect();
    assert_eq!(found, refused.into_iter().collect::<Vec<_>>());
    let stays = refused.is_none_or(|(_, message)| message.contains("on the list already"));
    assert_eq!(valid.stages.len(), usize::from(stays));
}

/// What is waited for is kept; what is withdrawn, or goes, is not.
#[test]
fn only_what_is_waited_for_is_kept() {
    let waits = |namespace: &str, spec: &str, api: &str| valid(&scene(&plan(namespace, spec), api)).awaited.len();
    assert_eq!(waits("demo", "{apiStages: [{apiRef: {name: api}, stage: next}]}", "{}"), 1);
    assert_eq!(waits("demo", "{apiStages: [{apiRef: {name: none}, stage: prod}]}", "{}"), 1);
    assert_eq!(waits("shop", STAGE, "{}"), 0);
    assert_eq!(waits("demo", STAGE, "{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}"), 0);
    assert_eq!(waits("demo", STAGE, "{}"), 0);
}

#[test]
fn what_must_be_changed_is_told_before_what_is_waited_for() {
    let keys = "[{name: a, secretKeyRef: {name: none, key: a}}, {name: b, secretKeyRef: {name: keys, key: short}}]";
    let valid = valid(&scene(&plan("demo", &format!("{{apiKeys: {keys}}}")), "{}"));
    assert_eq!(valid.problem().unwrap().kind, Kind::Stalled);
    assert_eq!(valid.problems.len(), 2);
    let tags = scene(&plan("demo", "{tags: {stepgate.dev/name: x}}"), "{}");
    let object = Arc::clone(&tags.plans[&Key::new("demo", "gold")]);
    assert!(validate(&tags, &object).unwrap_err().message.starts_with("spec.tags: keys that begin with `aws:`"));
}
