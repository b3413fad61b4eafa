//! What a change of each property is.

use super::*;
use crate::identity::{Cluster, Key};

fn owner() -> Owner {
    Owner::new(Cluster { name: "c".into(), uid: "u".into() }, "UsagePlan", Key::new("demo", "gold"))
}

fn settings() -> Settings {
    let fast = Throttle { rate_limit: 2.5, burst_limit: 5 };
    Settings {
        name: "demo_gold".into(),
        description: "d".into(),
        stages: BTreeMap::from([
            (stage_key("a1", "prod"), Methods::from([(throttle_key("/orders/{id}", "GET"), fast)])),
            (stage_key("a1", "dev"), Methods::new()),
        ]),
        throttle: Some(Throttle { rate_limit: 10.0, burst_limit: 20 }),
        quota: Some(Quota { limit: 1000, offset: 2, period: "WEEK".into() }),
    }
}

fn desired() -> Desired {
    Desired { tags: owner().tags(), owner: owner(), settings: settings() }
}

fn observed(change: impl FnOnce(&mut Settings)) -> Observed {
    let mut settings = settings();
    change(&mut settings);
    Observed { id: "p1".into(), settings, tags: owner().tags() }
}

/// What is done about one difference, as `op path value`.
fn patched(change: impl FnOnce(&mut Settings)) -> Vec<String> {
    let steps = diff(&desired(), Some(&observed(change))).unwrap();
    let [Step::Update { id, patches }] = steps.as_slice() else { panic!("{steps:?}") };
    assert_eq!(id, "p1");
    let text = |patch: &Patch| format!("{:?} {} {}", patch.op, patch.path, patch.value.clone().unwrap_or_default());
    patches.iter().map(text).collect()
}

#[test]
fn each_property_is_repaired_on_its_own_and_in_one_call() {
    assert_eq!(diff(&desired(), Some(&observed(|_| {}))), Ok(vec![]));
    assert_eq!(patched(|it| it.name = "x".into()), ["Replace /name demo_gold"]);
    assert_eq!(patched(|it| it.description = "x".into()), ["Replace /description d"]);
    assert_eq!(patched(|it| it.throttle = None), ["Replace /throttle/rateLimit 10", "Replace /throttle/burstLimit 20"]);
    assert_eq!(patched(|it| it.throttle.as_mut().unwrap().burst_limit = 1), ["Replace /throttle/burstLimit 20"]);
    assert_eq!(
        patched(|it| it.quota = None),
        ["Replace /quota/limit 1000", "Replace /quota/period WEEK", "Replace /quota/offset 2"]
    );
    assert_eq!(
        patched(|it| drop(it.stages.remove("a1:prod"))),
        [
            "Add /apiStages a1:prod",
            "Replace /apiStages/a1:prod/throttle/orders~1{id}/GET/rateLimit 2.5",
            "Replace /apiStages/a1:prod/throttle/orders~1{id}/GET/burstLimit 5",
        ]
    );
    assert_eq!(patched(|it| drop(it.stages.insert("b2:prod".into(), Methods::new()))), ["Remove /apiStages b2:prod"]);
    let more = Throttle { rate_limit: 1.0, burst_limit: 1 };
    assert_eq!(
        patched(|it| {
            it.stages.get_mut("a1:dev").unwrap().insert(throttle_key("/", "POST"), more);
        }),
        ["Remove /apiStages/a1:dev/throttle/~1/POST "]
    );
    assert_eq!(
        patched(|it| it.stages.get_mut("a1:prod").unwrap().get_mut("orders~1{id}/GET").unwrap().rate_limit = 9.0),
        ["Replace /apiStages/a1:prod/throttle/orders~1{id}/GET/rateLimit 2.5"]
    );
}

#[test]
fn what_is_no_longer_asked_for_goes() {
    let bare = Settings { throttle: None, quota: None, stages: BTreeMap::new(), ..settings() };
    let desired = Desired { settings: bare, ..desired() };
    let steps = diff(&desired, Some(&observed(|_| {}))).unwrap();
    assert_eq!(steps.len(), 1);
    assert_eq!(steps[0].to_string(), "update throttle, quota, apiStages, apiStages of usage plan p1");
}

#[test]
fn another_s_plan_is_left_alone_and_a_retained_one_taken_back() {
    let foreign = Observed { tags: Tags::new(), ..observed(|_| {}) };
    assert_eq!(
        diff(&desired(), Some(&foreign)).unwrap_err().message,
        "usage plan `p1` exists in AWS and is not ours: it has no owner tag of stepgate. stepgate leaves it alone; delete or rename it, or give this object another name"
    );
    assert_eq!(removal(&owner(), Some(&foreign)), vec![]);
    assert_eq!(release(&owner(), Some(&foreign)), None);
    let released = Observed { tags: owner().released_tag(), ..observed(|_| {}) };
    let remove = owner().released_tag().into_keys().collect();
    assert_eq!(diff(&desired(), Some(&released)), Ok(vec![Step::Tag { id: "p1".into(), set: owner().tags(), remove }]));
    assert_eq!(release(&owner(), Some(&released)), None, "it is let go already");
}

#[test]
fn a_plan_is_emptied_before_it_goes() {
    let steps = removal(&owner(), Some(&observed(|_| {})));
    let texts: Vec<_> = steps.iter().map(ToString::to_string).collect();
    assert_eq!(texts, ["update apiStages, apiStages of usage plan p1", "delete usage plan p1"]);
    let bare = observed(|it| it.stages.clear());
    assert_eq!(removal(&owner(), Some(&bare)), vec![Step::Delete { id: "p1".into() }]);
}
