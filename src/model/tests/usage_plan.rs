//! A plan's keys: made, replaced without a moment that has none, taken away.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::CustomResourceExt;
use secrecy::SecretString;

use crate::api::{ApiKeyStatus, UsagePlan};
use crate::identity::{Key, Owner, Tags};
use crate::model::usage_plan::{Model, Observed, Planned, removal, shown};
use crate::resources::{Step, api_key, usage_plan};
use crate::validate::fixture::{the_plan, world};
use crate::validate::usage_plan::{ValidKey, ValidPlan, validate};

const OLD: &str = "old-old-old-old-old-old";
const NEW: &str = "new-new-new-new-new-new";

fn now() -> Timestamp {
    Timestamp::from_second(1_800_000_000).unwrap()
}

/// `demo/gold` with the key `a`, whose value is this.
fn valid(value: &str, spec: &str) -> ValidPlan {
    let text = format!(
        "---\napiVersion: stepgate.dev/v1alpha1\nkind: UsagePlan\nmetadata: {{namespace: demo, name: gold}}\nspec: {spec}\n---\nkind: Secret\nmetadata: {{namespace: demo, name: s}}\nstringData: {{a: {value}}}\n"
    );
    let world = world(&text);
    validate(&world, &the_plan(&world, "demo/gold")).unwrap()
}

const ONE_KEY: &str = "{apiKeys: [{name: a, secretKeyRef: {name: s, key: a}}], rotationGracePeriod: 1h}";

fn key(id: &str, name: &str, value: &str, description: &str) -> api_key::Observed {
    api_key::Observed {
        id: id.into(),
        name: format!("demo_gold_{name}"),
        value: Some(SecretString::from(value)),
        enabled: true,
        description: description.into(),
        tags: None,
    }
}

/// AWS with these keys, all in the plan.
fn observed(valid: &ValidPlan, keys: Vec<api_key::Observed>) -> Observed {
    let settings = usage_plan::Settings { name: valid.name.clone(), ..usage_plan::Settings::default() };
    Observed {
        plan: Some(usage_plan::Observed { id: "p1".into(), settings, tags: valid.tags.clone() }),
        attached: keys.iter().map(|key| (key.id.clone(), key.name.clone())).collect(),
        keys,
        shared: BTreeMap::new(),
    }
}

fn planned(valid: &ValidPlan, observed: &Observed) -> Planned {
    Model { valid, kept: &BTreeSet::new() }.plan(observed, now()).unwrap()
}

fn lines(planned: &Planned) -> Vec<String> {
    planned.plan.steps().iter().map(|planned| planned.step.to_string()).collect()
}

const OURS: &str = "UsagePlan demo/gold";

fn replaced(ago: SignedDuration) -> String {
    let valid = valid(OLD, "{}");
    api_key::replaced(now().checked_sub(ago).unwrap(), &valid.owner)
}

#[test]
fn everything_is_made_and_then_there_is_nothing_to_do() {
    let valid = valid(OLD, ONE_KEY);
    let made = planned(&valid, &Observed::default());
    assert_eq!(
        lines(&made),
        ["create usage plan demo_gold", "create API key demo_gold_a", "put API key demo_gold_a into the usage plan"]
    );
    assert_eq!(made.plan.steps()[2].after, BTreeSet::from([0, 1]));
    let there = observed(&valid, vec![key("k1", "a", OLD, OURS)]);
    assert_eq!(lines(&planned(&valid, &there)), [""; 0]);
}

/// Neither text nor JSON of a plan has a place for it.
#[test]
fn no_plan_shows_a_value() {
    let valid = valid(NEW, ONE_KEY);
    let made = planned(&valid, &observed(&valid, vec![key("k1", "a", OLD, OURS)])).plan;
    let text = format!("{made}{made:?}{}", serde_json::to_string(&made).unwrap());
    assert!(!text.contains(OLD) && !text.contains(NEW), "{text}");
    let values = Model { valid: &valid, kept: &BTreeSet::new() }.values();
    assert_eq!(values.keys().collect::<Vec<_>>(), ["demo_gold_a"]);
    assert!(!format!("{values:?}{valid:?}").contains(NEW));
}

#[test]
fn the_old_value_works_until_the_grace_period_is_over() {
    let valid = valid(NEW, ONE_KEY);
    let before = planned(&valid, &observed(&valid, vec![key("k1", "a", OLD, OURS)]));
    assert_eq!(
        lines(&before),
        [
            "create API key demo_gold_a",
            "put API key demo_gold_a into the usage plan",
            "update description of API key demo_gold_a (k1)",
        ]
    );
    assert_eq!(before.plan.steps()[2].after, BTreeSet::from([1]), "not before the new one is in the plan");

    let half = replaced(SignedDuration::from_mins(30));
    let during = planned(&valid, &observed(&valid, vec![key("k1", "a", OLD, &half), key("k2", "a", NEW, OURS)]));
    assert_eq!(lines(&during), [""; 0]);
    assert_eq!(during.ends_in, Some(std::time::Duration::from_secs(1800)));

    let over = replaced(SignedDuration::from_mins(61));
    let after = planned(&valid, &observed(&valid, vec![key("k1", "a", OLD, &over), key("k2", "a", NEW, OURS)]));
    assert_eq!(
        lines(&after),
        ["take API key demo_gold_a (k1) out of the usage plan", "delete API key demo_gold_a (k1)"]
    );
    assert!(after.only_ends, "that is no drift");
}

/// However late it is: a key ends only after the new one can be used.
#[test]
fn nothing_ends_before_the_new_one_is_in_the_plan() {
    let valid = valid(NEW, ONE_KEY);
    let over = replaced(SignedDuration::from_mins(61));
    let planned = planned(&valid, &observed(&valid, vec![key("k1", "a", OLD, &over)]));
    let [_, attach, detach, delete] = planned.plan.steps() else { panic!("{:?}", lines(&planned)) };
    assert!(matches!(&attach.step, Step::UsagePlan(usage_plan::Step::Attach { .. })));
    assert!(detach.after.contains(&1) && delete.after.contains(&1), "{planned:?}");
    assert!(!planned.only_ends);
}

#[test]
fn a_value_that_comes_back_is_no_longer_replaced() {
    let valid = valid(OLD, ONE_KEY);
    let half = replaced(SignedDuration::from_mins(30));
    let back = planned(&valid, &observed(&valid, vec![key("k1", "a", OLD, &half), key("k2", "a", NEW, OURS)]));
    assert_eq!(
        lines(&back),
        ["update description of API key demo_gold_a (k1)", "update description of API key demo_gold_a (k2)"]
    );
    let no_grace = self::valid(NEW, &ONE_KEY.replace("1h", "0s"));
    let at_once = planned(&no_grace, &observed(&no_grace, vec![key("k1", "a", OLD, OURS), key("k2", "a", NEW, OURS)]));
    assert_eq!(lines(&at_once).len(), 2, "{:?}", lines(&at_once));
}

#[test]
fn what_is_off_the_list_is_revoked_at_once_and_what_somebody_put_in_goes() {
    let valid = valid(OLD, "{}");
    let mut there = observed(&valid, vec![key("k1", "a", OLD, OURS)]);
    there.attached.insert("x9".into(), "somebody-s".into());
    assert_eq!(
        lines(&planned(&valid, &there)),
        [
            "take API key demo_gold_a (k1) out of the usage plan",
            "take API key somebody-s (x9) out of the usage plan",
            "delete API key demo_gold_a (k1)",
        ]
    );
}

#[test]
fn a_key_of_which_nothing_is_known_is_kept() {
    let mut valid = valid(OLD, ONE_KEY);
    valid.refuse("a", crate::problem::Problem::invalid("x"));
    let there = observed(&valid, vec![key("k1", "a", OLD, OURS), key("k2", "b", NEW, OURS)]);
    assert_eq!(
        lines(&planned(&valid, &there)),
        ["take API key demo_gold_b (k2) out of the usage plan", "delete API key demo_gold_b (k2)"]
    );
}

#[test]
fn another_s_key_of_our_name_is_left_alone() {
    let valid = valid(OLD, ONE_KEY);
    let foreign = api_key::Observed { tags: Some(Tags::new()), ..key("k1", "a", OLD, "theirs") };
    let mut there = observed(&valid, vec![foreign]);
    there.attached.clear();
    assert_eq!(
        lines(&planned(&valid, &there)),
        ["create API key demo_gold_a", "put API key demo_gold_a into the usage plan"]
    );
    let gone = removal(&valid.owner, &there);
    assert_eq!(gone.to_string().trim(), "delete usage plan p1");
}

/// `demo/silver`, which has the key `k`.
fn silver() -> Owner {
    Owner { key: Key::new("demo", "silver"), ..valid(OLD, "{}").owner }
}

#[test]
fn a_shared_key_is_put_in_and_never_changed() {
    let mut valid = valid(OLD, "{}");
    valid.keys.insert("a".into(), ValidKey::Shared { owner: silver(), name: "k".into() });
    let mut there = observed(&valid, vec![]);
    let shared = |id: &str| api_key::Observed { name: "demo_silver_k".into(), ..key(id, "", "", "") };
    there.shared.insert("a".into(), vec![shared("s1"), shared("s2")]);
    there.attached.insert("s1".into(), "demo_silver_k".into());
    assert_eq!(lines(&planned(&valid, &there)), ["put API key demo_silver_k (s2) into the usage plan"]);
    let gone = removal(&valid.owner, &there).to_string();
    assert!(!gone.contains("delete API key"), "{gone}");
}

const OF_SILVER: &str = "{apiKeys: [{name: a, from: {usagePlan: silver, key: k}}]}";

/// A key in the plan that has this name and these tags in AWS; the status shows it as `a`, where there is one.
fn took_in(valid: &ValidPlan, name: &str, tags: Tags, status: bool) -> Observed {
    let mut there = observed(valid, vec![]);
    there.attached.insert("s1".into(), name.into());
    let shown = [ApiKeyStatus { name: "a".into(), id: "s1".into(), ends_at: None }];
    let found = api_key::Observed { name: name.into(), tags: Some(tags), ..key("s1", "", "", "") };
    there.take_in(valid, &shown[..usize::from(status)], found);
    there
}

/// Its plan is not there: let go under `Retain`, in a cluster that was lost, or with a key that somebody gave another name.
#[test]
fn a_shared_key_stays_while_it_can_not_be_had() {
    let valid = valid(OLD, OF_SILVER);
    assert_eq!(valid.problems.len(), 1, "{:?}", valid.problems);
    for (name, tags, status) in [
        ("demo_silver_k", silver().released_tag(), true),
        ("demo_silver_k", silver().tags(), false),
        ("demo_silver_kx", silver().tags(), true),
        ("somebody-s", silver().released_tag(), true),
    ] {
        let there = took_in(&valid, name, tags, status);
        assert_eq!(lines(&planned(&valid, &there)), [""; 0], "{name}");
        // So that it stays the next time.
        assert_eq!(shown(&valid, &there), [("s1".to_owned(), "a".to_owned(), None)], "{name}");
    }
    // That it can't be had is no change of the manifest.
    let there = took_in(&valid, "demo_silver_k", silver().tags(), true);
    let mut before = valid.clone();
    before.keys.insert("a".into(), ValidKey::Shared { owner: silver(), name: "k".into() });
    let hash = |valid: &ValidPlan| Model { valid, kept: &BTreeSet::new() }.hash(&there);
    assert_eq!(hash(&valid), hash(&before));
}

/// Nothing but what the manifest asks for, and of that only what is that plan's.
#[test]
fn a_shared_key_that_is_asked_for_no_more_goes() {
    let bronze = OF_SILVER.replace("silver", "bronze");
    let another = OF_SILVER.replace("name: a", "name: b");
    let own = ONE_KEY.replace("name: s,", "name: none,");
    for (spec, name, tags, status) in [
        ("{}", "demo_silver_k", silver().tags(), true),
        (another.as_str(), "demo_silver_kx", silver().tags(), true),
        (bronze.as_str(), "demo_silver_k", silver().tags(), true),
        (own.as_str(), "demo_silver_k", silver().tags(), true),
        (OF_SILVER, "demo_silver_kx", silver().tags(), false),
        (OF_SILVER, "somebody-s", Tags::new(), true),
    ] {
        let valid = valid(OLD, spec);
        let there = took_in(&valid, name, tags, status);
        let goes = format!("take API key {name} (s1) out of the usage plan");
        assert_eq!(lines(&planned(&valid, &there)), [goes], "{spec}");
        assert!(shown(&valid, &there).is_empty(), "{spec}");
    }
    // Another one is there instead.
    let mut valid = valid(OLD, &bronze);
    let owner = Owner { key: Key::new("demo", "bronze"), ..silver() };
    valid.keys.insert("a".into(), ValidKey::Shared { owner, name: "k".into() });
    let mut there = took_in(&valid, "demo_silver_k", silver().tags(), true);
    there.shared.insert("a".into(), vec![api_key::Observed { name: "demo_bronze_k".into(), ..key("b1", "", "", "") }]);
    assert_eq!(
        lines(&planned(&valid, &there)),
        ["put API key demo_bronze_k (b1) into the usage plan", "take API key demo_silver_k (s1) out of the usage plan"]
    );
}

/// `status.apiKeys` takes each id once.
#[test]
fn a_key_is_shown_once() {
    let mut valid = valid(OLD, "{}");
    let shared = || ValidKey::Shared { owner: silver(), name: "k".into() };
    let unknown = ValidKey::Unknown { from: Some((silver(), "k".into())) };
    valid.keys.extend([("a", unknown), ("b", shared()), ("c", shared())].map(|(name, key)| (name.to_owned(), key)));
    let mut there = observed(&valid, vec![]);
    let found = || vec![api_key::Observed { name: "demo_silver_k".into(), ..key("s1", "", "", "") }];
    there.shared.extend(["a", "b", "c"].map(|name| (name.to_owned(), found())));
    // Where it is to be, not where it is kept.
    assert_eq!(shown(&valid, &there), [("s1".to_owned(), "b".to_owned(), None)]);
}

/// However often a value was replaced: what was replaced last is shown.
#[test]
fn no_more_keys_are_shown_than_a_status_holds() {
    let valid = valid(NEW, ONE_KEY);
    let old = (1..=300).map(|ago| {
        let at = now().checked_sub(SignedDuration::from_secs(ago)).unwrap();
        key(&format!("k{ago:03}"), "a", OLD, &api_key::replaced(at, &valid.owner))
    });
    let there = observed(&valid, old.chain([key("new", "a", NEW, OURS)]).collect());
    let shown = shown(&valid, &there);
    let ids: Vec<_> = shown.iter().map(|(id, ..)| id.clone()).collect();
    let newest: Vec<_> = (1..=255).map(|ago| format!("k{ago:03}")).chain(["new".to_owned()]).collect();
    assert_eq!(ids, newest);
    let crd = serde_json::to_value(UsagePlan::crd()).unwrap();
    let schema = &crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"]["properties"];
    assert_eq!(schema["apiKeys"]["maxItems"], shown.len());
}
