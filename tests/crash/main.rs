//! Crashes, all of them: for every example, for making it, changing it and deleting it, and for every effect on AWS, the
//! process dies before the effect, after it, or never hears of it. Then another starts, which knows nothing but AWS and the
//! records, and AWS ends up as without the crash: nothing lost, nothing doubled, nothing left to do.
//!
//! Observe, plan and apply are driven as the controllers drive them, against the AWS in memory behind the SDK's own HTTP
//! connector, on a virtual clock.

#![allow(clippy::unwrap_used)]

mod kubernetes;
mod operator;
mod roles;
mod scene;

use std::sync::{Arc, Mutex};

use operator::{Goal, Operator};
use scene::Scene;
use serde_json::Value;
use stepgate_testbed::memory::{ACCOUNT, Fault, InProcess, Memory, Service, Settings};

/// AWS and the records, at one moment.
#[derive(Clone)]
struct Moment {
    aws: Memory,
    records: kubernetes::Revisions,
}

/// How one run went.
struct Run {
    end: Moment,
    /// AWS and the records before each effect.
    before: Vec<Moment>,
}

/// Drives to a goal from a moment on; with a fault at an effect, if there is one. Then a second process, which knows nothing,
/// must find nothing to do.
async fn drive(from: &Moment, scene: &Scene, goal: Goal, fault: Option<(usize, Fault)>) -> Result<Run, String> {
    let (aws, records) = (InProcess::new(from.aws.clone()), from.records.shared());
    let before = Arc::new(Mutex::new(Vec::new()));
    let (noted, kept) = (Arc::clone(&before), records.clone());
    aws.faults(move |attempt| {
        if attempt.effect > 0 && fault.is_none() {
            noted.lock().unwrap().push(Moment { aws: attempt.memory.clone(), records: kept.snapshot() });
        }
        fault.clone().filter(|(effect, _)| *effect == attempt.effect).map(|(_, fault)| fault)
    });
    Operator::start(&aws, &records, scene).reach(goal).await?;
    let effects = aws.effects();
    Operator::start(&aws, &records, scene).reach(goal).await?;
    if aws.effects() != effects {
        return Err("a second plan is not empty".to_owned());
    }
    let end = Moment { aws: aws.with(|memory| memory.clone()), records: records.snapshot() };
    let before = std::mem::take(&mut *before.lock().unwrap());
    Ok(Run { end, before })
}

/// One crash point that did not end well.
fn difference(uncrashed: &Value, crashed: &Value) -> Option<String> {
    fn walk(path: &str, a: &Value, b: &Value, out: &mut Vec<String>) {
        match (a, b) {
            (Value::Object(x), Value::Object(y)) => {
                let keys: std::collections::BTreeSet<_> = x.keys().chain(y.keys()).collect();
                for key in keys {
                    let at = |map: &serde_json::Map<String, Value>| map.get(key).cloned().unwrap_or_default();
                    walk(&format!("{path}/{key}"), &at(x), &at(y), out);
                }
            }
            (Value::Array(x), Value::Array(y)) if x.len() != y.len() => {
                out.push(format!("{path}: {} become {}", x.len(), y.len()));
            }
            (Value::Array(x), Value::Array(y)) => {
                for (index, (a, b)) in x.iter().zip(y).enumerate() {
                    walk(&format!("{path}/{index}"), a, b, out);
                }
            }
            (a, b) if a != b => out.push(format!("{path}: {a} becomes {b}")),
            _ => {}
        }
    }
    let mut all = Vec::new();
    walk("", uncrashed, crashed, &mut all);
    (!all.is_empty()).then(|| all.join("; ").chars().take(600).collect())
}

/// What was tried, and what did not end well.
#[derive(Default)]
struct Found {
    points: usize,
    wrong: Vec<String>,
}

/// An example with more effects than this is crashed at some of them only, unless `CRASH_ALL` is set.
const MANY: usize = 50;

impl Found {
    /// From this moment on another process ends where the first would have.
    async fn recovers(
        &mut self,
        at: String,
        from: &Moment,
        scene: &Scene,
        goal: Goal,
        end: &Moment,
        fault: Option<(usize, Fault)>,
    ) {
        match drive(from, scene, goal, fault).await {
            Err(error) => self.wrong.push(format!("{at}: {error}")),
            Ok(run) => {
                let aws = difference(&end.aws.essence(), &run.end.aws.essence());
                let records = || difference(&end.records.essence(), &run.end.records.essence());
                self.wrong.extend(aws.or_else(records).map(|what| format!("{at}: {what}")));
            }
        }
    }

    /// Every crash point on the way to a goal; answers with where it ends.
    ///
    /// A process that dies before an effect leaves what was there before it; one that dies after it, what was there before
    /// the next, with the records of before: they are written between the two.
    async fn phase(&mut self, name: &str, from: &Moment, scene: &Scene, goal: Goal) -> Moment {
        let Run { end, before } =
            drive(from, scene, goal, None).await.unwrap_or_else(|error| panic!("{name}, without a crash: {error}"));
        let effects = before.len();
        let all = effects <= MANY || std::env::var_os("CRASH_ALL").is_some();
        let step = if all { 1 } else { effects.div_ceil(MANY / 4) };
        for (index, moment) in before.iter().enumerate().step_by(step) {
            let at = |kind: &str| format!("{name}, effect {} of {effects}, {kind}", index + 1);
            self.points += 3;
            self.recovers(at("dead before it"), moment, scene, goal, &end, None).await;
            let next = before.get(index + 1).unwrap_or(&end);
            let after = Moment { aws: next.aws.clone(), records: moment.records.clone() };
            // Else it is the next one's "before".
            if index + 1 == effects || next.records != after.records {
                self.recovers(at("dead after it"), &after, scene, goal, &end, None).await;
            }
            let lost = Some((index + 1, Fault::Lost));
            self.recovers(at("its answer lost"), from, scene, goal, &end, lost).await;
        }
        end
    }
}

#[rstest::rstest]
#[case::client_names_machine("client-names-machine")]
#[case::ec2_sync_async("ec2-sync-async")]
#[case::hello_world("hello-world")]
#[case::item_api("item-api")]
#[case::potato("potato")]
#[case::reddit_api("reddit-api")]
#[case::root_get("root-get")]
#[case::stage_variables("stage-variables")]
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_effect_loses_nothing_and_doubles_nothing(#[case] example: &str) {
    crash_everywhere(example, &Scene::example(example)).await;
}

/// What no example has.
#[rstest::rstest]
#[case::authorization("docs/authorization.md")]
#[case::encryption("docs/encryption.md")]
#[case::endpoints("docs/endpoints.md")]
#[tokio::test(start_paused = true)]
async fn the_docs_manifests_too(#[case] page: &str) {
    crash_everywhere(page, &Scene::page(page, scene::EXPOSING)).await;
}

async fn crash_everywhere(example: &str, scene: &Scene) {
    let mut start = Moment { aws: Memory::new(7, Settings::default()), records: kubernetes::Revisions::default() };
    scene.prepare(&mut start.aws);
    let mut found = Found::default();
    let made = found.phase("make", &start, scene, Goal::There).await;
    let changed = scene.changed();
    let after = found.phase("change", &made, &changed, Goal::There).await;
    let gone = found.phase("delete", &after, &changed, Goal::Gone).await;
    let left = difference(&start.aws.essence(), &gone.aws.essence());
    found.wrong.extend(left.map(|what| format!("deletion leaves {what}")));
    println!("{example}: {} crash points", found.points);
    assert!(
        found.wrong.is_empty(),
        "{} of {} crash points:\n{}",
        found.wrong.len(),
        found.points,
        found.wrong.join("\n")
    );
}

/// All that a stage can have, with the log role of an account that has none.
#[tokio::test(start_paused = true)]
async fn a_crash_while_stages_are_set_up_loses_nothing_and_doubles_nothing() {
    let account = r#"{kind: AWSAccount, metadata: {name: dev}, spec: {accountId: "111122223333", regions: [{name: us-east-1}],
        apiGatewayLogRole: {arn: "arn:aws:iam::111122223333:role/logs"},
        tenants: [{name: all, namespaces: {from: All}, exposure: {authorizations: [NONE], cacheClusterSizes: ["0.5"]}}]}}"#;
    let scene = Scene::page("docs/stages.md", account);
    let mut start = Moment { aws: Memory::new(7, Settings::default()), records: kubernetes::Revisions::default() };
    scene.prepare(&mut start.aws);
    let mut found = Found::default();
    let made = found.phase("make", &start, &scene, Goal::There).await;
    let region = made.aws.region(ACCOUNT, "us-east-1").unwrap();
    assert_eq!(region.log_role.as_deref(), Some("arn:aws:iam::111122223333:role/logs"));
    assert_eq!(region.log_groups.len(), 1);
    // `prod` pinned with a canary, and without the rest; a stage beside it.
    let mut canary = scene.changed();
    let api = std::sync::Arc::make_mut(canary.world.apis.values_mut().next().unwrap());
    api.spec.stages[1] = serde_json::from_value(serde_json::json!(
        {"name": "prod", "revision": 1, "canary": {"percent": 10.5, "variables": {"color": "green"}}}
    ))
    .unwrap();
    let with_canary = found.phase("canary", &made, &canary, Goal::There).await;
    let mut promoted = canary.clone();
    let api = std::sync::Arc::make_mut(promoted.world.apis.values_mut().next().unwrap());
    api.spec.stages[1] = serde_json::from_value(serde_json::json!({"name": "prod", "revision": 2})).unwrap();
    let after = found.phase("promote", &with_canary, &promoted, Goal::There).await;
    let gone = found.phase("delete", &after, &promoted, Goal::Gone).await;
    let region = gone.aws.region(ACCOUNT, "us-east-1").unwrap();
    assert!(region.log_groups.is_empty() && region.apis.is_empty() && region.machines.is_empty(), "{region:?}");
    assert!(region.log_role.is_some(), "it is never taken away");
    println!("stages: {} crash points", found.points);
    assert!(found.wrong.is_empty(), "{} of {}:\n{}", found.wrong.len(), found.points, found.wrong.join("\n"));
}

/// Without a role for logs, the rest of the stage is as asked, and what has a role is not asked about again.
#[tokio::test(start_paused = true)]
async fn without_a_log_role_all_but_logging_is_as_asked() {
    let account = r#"{kind: AWSAccount, metadata: {name: dev}, spec: {accountId: "111122223333", regions: [{name: us-east-1}],
        tenants: [{name: all, namespaces: {from: All}, exposure: {authorizations: [NONE], cacheClusterSizes: ["0.5"]}}]}}"#;
    let scene = Scene::page("docs/stages.md", account);
    let start = Moment { aws: Memory::new(7, Settings::default()), records: kubernetes::Revisions::default() };
    let run = drive(&start, &scene, Goal::There, None).await.unwrap();
    let prod = |aws: &Memory| {
        let api = aws.region(ACCOUNT, "us-east-1").unwrap().apis.values().next().unwrap().clone();
        api.stages["prod"].clone()
    };
    let stage = prod(&run.end.aws);
    assert!(stage.access_log_settings.is_empty() && stage.tracing_enabled, "{stage:?}");
    assert!(stage.method_settings.values().all(|settings| settings.logging_level.as_deref() != Some("ERROR")));
    assert!(stage.method_settings["*/*"].metrics_enabled);
    // Somebody sets one: the next look goes on with it, and asks once.
    let mut set = run.end.clone();
    set.aws.settings.log_role = Some("arn:aws:iam::111122223333:role/theirs".into());
    let run = drive(&set, &scene, Goal::There, None).await.unwrap();
    let stage = prod(&run.end.aws);
    assert_eq!(stage.access_log_settings.len(), 2);
    assert_eq!(stage.method_settings["*/*"].logging_level.as_deref(), Some("ERROR"));
    let asked = |service, operation: &str| {
        let count = |aws: &Memory| aws.counts().get(&(service, operation.to_owned())).map_or(0, |count| count.done);
        count(&run.end.aws) - count(&set.aws)
    };
    // Two processes, several looks each.
    assert_eq!(asked(Service::ApiGateway, "GetAccount"), 2);
    assert_eq!(asked(Service::ApiGateway, "UpdateAccount"), 0);
}

#[test]
fn every_example_is_crashed() {
    let source = include_str!("main.rs");
    for name in Scene::names() {
        assert!(source.contains(&format!("(\"{name}\")]")), "{name}");
    }
}
