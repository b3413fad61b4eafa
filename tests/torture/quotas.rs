//! The operator's own budget before AWS's quotas, which the AWS in memory keeps: nothing is ever throttled. And whoever waits, for
//! quotas or for an AWS that does not answer, holds up nobody else.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use serde_json::{Value, json};
use stepgate::aws::budget::Family;
use stepgate_testbed::memory::{ACCOUNT, InProcess, QUOTAS, Service, Settings};

use super::coverage;
use super::hot::running;
use super::kubernetes::{KINDS, Objects, condition, is};
use super::operator::{Operator, Site};
use super::scene::Scene;
use super::{DOMAINS, Moment, drive};

/// One process, which makes, changes and deletes; AWS's buckets are full when it begins.
#[rstest::rstest]
#[case::orders_api("orders-api")]
#[case::usage_plans("docs/usage-plans.md")]
#[case::domains(DOMAINS)]
#[case::everything("everything")]
#[tokio::test(start_paused = true)]
async fn aws_never_throttles_the_operator(#[case] name: &str) {
    let scene = if name == "everything" { coverage::everything() } else { Scene::example(name) };
    let mut start = Moment::first(&scene);
    start.aws.settings = Settings::lifelike();
    start.aws.advance(Duration::from_hours(1));
    let site = Site::new(start.aws, start.objects);
    let before = site.aws.with(|memory| memory.total());
    let mut operator = Operator::start(&site);
    let changed = scene.changed();
    for wanted in [&scene, &changed, &changed.gone()] {
        wanted.apply(&site.server);
        operator.settle().await.unwrap();
    }
    let after = site.aws.with(|memory| memory.total());
    assert!(after.done > before.done + 50, "{after:?}");
    let counts = site.aws.with(|memory| memory.counts().clone());
    let throttled: Vec<_> = counts.iter().filter(|(_, count)| count.throttled > 0).collect();
    assert!(after.throttled == before.throttled, "{throttled:?}");
}

/// The budget is nowhere wider than what the AWS in memory keeps, so that the test above is about the same quotas.
#[test]
fn the_budget_has_each_quota() {
    for quota in QUOTAS {
        let family = match quota.service {
            Service::ApiGateway => Family::ApiGateway,
            Service::States => Family::StepFunctions,
            Service::Iam => Family::Iam,
            Service::Logs => Family::Logs,
            Service::Sts => Family::Sts,
        };
        let name = if quota.operation == "CreateRestApi (edge)" { "CreateRestApi (EDGE)" } else { quota.operation };
        let kept = if name.is_empty() { family.all() } else { family.of(name) };
        let kept = kept.unwrap_or_else(|| panic!("the budget knows no quota of {name}"));
        assert!(kept.rate() <= quota.rate && f64::from(kept.burst) <= quota.burst, "{name}: {kept:?}, {quota:?}");
    }
}

/// AWS, of which one Region takes requests and does not answer.
#[derive(Clone, Debug)]
struct Hangs(InProcess);

const SILENT: &str = "us-west-2";

impl HttpClient for Hangs {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Hangs {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.uri().contains(SILENT) {
            return HttpConnectorFuture::new(std::future::pending());
        }
        self.0.call(request)
    }
}

/// So many machines of a namespace, in a Region.
fn machines(namespace: &str, region: &str, count: usize) -> impl Iterator<Item = Value> {
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
    (0..count).map(move |number| {
        json!({"kind": "StateMachine", "metadata": {"name": format!("m{number}"), "namespace": namespace},
            "spec": {"type": "EXPRESS", "region": region, "definition": definition}})
    })
}

/// Two teams have changed more than all that runs at once, and wait; a third one's change is carried out at once.
#[tokio::test(start_paused = true)]
async fn teams_that_wait_hold_nobody_up() {
    let account = json!({"kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {"accountId": ACCOUNT,
        "regions": [{"name": "us-east-1"}, {"name": SILENT}],
        "tenants": [{"name": "all", "namespaces": {"from": "All"}}]}});
    let busy = machines("red", SILENT, 50).chain(machines("blue", SILENT, 50));
    let busy = Scene::of(std::iter::once(account.clone()).chain(busy).collect());
    let all = std::iter::once(account).chain(machines("red", SILENT, 50)).chain(machines("blue", SILENT, 50));
    let all = Scene::of(all.chain(machines("small", "us-east-1", 1)).collect());
    let site = Site::new(Moment::first(&all).aws, Objects::default());
    busy.apply(&site.server);
    let (mut second, mut ready) = (0, None);
    let http = SharedHttpClient::new(Hangs(site.aws.clone()));
    running(&site, http, Duration::from_mins(3), |site| {
        second += 1;
        if second == 60 {
            all.apply(&site.server);
        }
        let small = site.server.snapshot();
        let is_ready =
            small.of("statemachines").any(|((_, namespace, _), one)| namespace == "small" && is(one, "Ready"));
        if is_ready && ready.is_none() {
            ready = Some(second);
        }
    })
    .await;
    assert!(ready.is_some_and(|ready| ready < 60 + 20), "ready after {ready:?} s, asked for after 60");
}

/// The routes of a team's API, to its only machine, each on a path of its own with both methods.
fn routes(team: &str, api: &str, count: usize, millis: u64) -> impl Iterator<Item = Value> {
    (0..count).map(move |number| {
        let (method, path) = (["GET", "POST"][number % 2], format!("/{}", number / 2));
        json!({"kind": "APIRoute", "metadata": {"name": format!("{api}-{number}"), "namespace": team},
            "spec": {"apiRef": {"name": api}, "method": method, "path": path, "timeoutMillis": millis,
            "authorization": {"type": "NONE"},
            "target": {"action": "StartSyncExecution", "stateMachineRef": {"name": "m"}}}})
    })
}

/// A team's machine, and its APIs with so many routes each, all of which take so long.
fn team(name: &str, apis: &[usize], seconds: u64) -> Vec<Value> {
    let states = json!({"A": {"Type": "Wait", "Seconds": seconds, "End": true}});
    let meta = |kind: &str, object: &str| json!({"kind": kind, "metadata": {"name": object, "namespace": name}});
    let mut machine = meta("StateMachine", "m");
    machine["spec"] = json!({"type": "EXPRESS", "definition": json!({"StartAt": "A", "States": states}).to_string()});
    let mut all = vec![machine];
    for (number, count) in apis.iter().enumerate() {
        let mut api = meta("RestAPI", &format!("api{number}"));
        api["spec"] = json!({"stages": [{"name": "prod"}]});
        all.push(api);
        all.extend(routes(name, &format!("api{number}"), *count, 1_000 * seconds));
    }
    all
}

/// Whether all that a team applied is carried out.
fn carried_out(objects: &Objects, team: &str) -> bool {
    let of_team = |resource| objects.of(resource).filter(|((_, namespace, _), _)| namespace == team);
    let mut all = ["statemachines", "restapis", "apiroutes"].into_iter().flat_map(of_team);
    all.all(|(_, object)| {
        is(object, "Ready")
            && condition(object, "Ready").unwrap()["observedGeneration"] == object["metadata"]["generation"]
    })
}

/// What an object says to who asks why it is not ready, where it is not.
fn says(object: &Value) -> Option<(bool, &str)> {
    let said = |kind: &str| {
        condition(object, kind).filter(|one| one["observedGeneration"] == object["metadata"]["generation"])
    };
    if said("Ready").is_some_and(|ready| ready["status"] == "True") && object["metadata"]["deletionTimestamp"].is_null()
    {
        return None;
    }
    let waits = said("Reconciling").filter(|one| one["status"] == "True" && one["reason"] == "WaitingForQuota");
    Some((said("Ready").is_some(), waits.and_then(|one| one["message"].as_str()).unwrap_or_default()))
}

/// A team applies much more than can be under way at once, and deletes its APIs later: nobody who waits is left without a word, and
/// those that wait for AWS's quotas say for which.
#[tokio::test(start_paused = true)]
async fn whoever_waits_is_told() {
    let account = json!({"kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {"accountId": ACCOUNT,
        "regions": [{"name": "us-east-1"}],
        "tenants": [{"name": "all", "namespaces": {"from": "All"}, "exposure": {"authorizations": ["NONE"]}}]}});
    let machines: Vec<_> = std::iter::once(account).chain(machines("team", "us-east-1", 120)).collect();
    let all = Scene::of([machines.clone(), team("team", &[60, 1, 1], 1)].concat());
    let mut start = Moment::first(&all);
    start.aws.settings.quotas = true;
    let site = Site::new(start.aws, Objects::default());
    all.apply(&site.server);
    let gone = Scene::of([machines, team("team", &[], 1)].concat());
    let (mut silent, mut longest) = (BTreeMap::<String, u32>::new(), (0, String::new()));
    let (mut told, mut ready) = (BTreeSet::new(), BTreeSet::new());
    let mut second = 0;
    running(&site, site.aws.http_client(), Duration::from_mins(6), |site| {
        second += 1;
        let now = site.server.snapshot();
        for ((resource, namespace, name), object) in KINDS.iter().flat_map(|kind| now.of(kind)) {
            if namespace.is_empty() {
                continue;
            }
            let for_long = silent.entry(format!("{resource}/{name}")).or_default();
            match says(object) {
                Some((false, _)) => *for_long += 1,
                Some((true, waits)) => {
                    *for_long = 0;
                    // Which quota, about how long, and for a route whose.
                    let what = waits.split(|sign: char| sign.is_ascii_digit()).next().unwrap_or_default();
                    told.insert(((*resource).to_owned(), what.to_owned(), waits.contains(" per 30 s, about ")));
                }
                None => {
                    *for_long = 0;
                    ready.insert(format!("{resource}/{name}"));
                }
            }
            longest = longest.clone().max((*for_long, format!("{resource}/{name}")));
        }
        if second == 270 {
            gone.apply(&site.server);
        }
    })
    .await;
    println!("longest without a word: {longest:?}; {told:?}");
    assert_eq!(ready.len(), 121 + 3 + 62, "not all were carried out");
    assert!(longest.0 <= 10, "{longest:?}");
    for (resource, what, deletes) in [
        ("statemachines", "waiting for its turn, about ", false),
        ("statemachines", "waiting for IAM's quota of ", false),
        ("restapis", "waiting for API Gateway's quota of ", false),
        ("restapis", "waiting for API Gateway's quota of ", true),
        ("apiroutes", "RestAPI team/api", false),
    ] {
        assert!(told.contains(&(resource.to_owned(), what.to_owned(), deletes)), "no one of {resource} says `{what}`");
    }
}

/// A wrong prune of more than can be looked at at once: who is held says that, whatever else it waits for, and is told it once.
#[tokio::test(start_paused = true)]
async fn who_is_held_says_so_all_the_while() {
    let account = json!({"kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {"accountId": ACCOUNT,
        "regions": [{"name": "us-east-1"}], "maxDeletionsPerHour": 1, "tenants": [{"name": "all", "namespaces": {"from": "All"}}]}});
    let all = Scene::of(std::iter::once(account.clone()).chain(machines("team", "us-east-1", 100)).collect());
    let made = drive(&Moment::first(&all), &all, None).await.unwrap();
    let mut aws = made.aws;
    aws.settings.quotas = true;
    let site = Site::new(aws, made.objects);
    Scene::of(vec![account]).apply(&site.server);
    let (mut held, mut forgot) = (BTreeSet::new(), BTreeSet::new());
    running(&site, site.aws.http_client(), Duration::from_mins(10), |site| {
        for ((_, _, name), object) in site.server.snapshot().of("statemachines") {
            let reason = condition(object, "Reconciling").map(|one| one["reason"].clone()).unwrap_or_default();
            if reason == "DeletionHeld" {
                held.insert(name.clone());
            } else if held.contains(name) {
                forgot.insert(format!("{name}: {reason}"));
            }
        }
    })
    .await;
    assert_eq!((held.len(), forgot), (99, BTreeSet::new()));
}

/// Whether a RestAPI of a team says that it waits for AWS's quotas, and how long.
fn waits_for_quota(objects: &Objects, team: &str) -> bool {
    let mut apis = objects.of("restapis").filter(|((_, namespace, _), _)| namespace == team);
    apis.any(|(_, api)| {
        let says = condition(api, "Reconciling").filter(|says| says["reason"] == "WaitingForQuota");
        says.is_some_and(|says| says["status"] == "True" && says["message"].as_str().unwrap().contains(" s, about "))
    })
}

/// One team's API with 300 routes is made, and ten more beside it. Another team of the account changes one line of its machine and of its
/// route, again and again.
#[tokio::test(start_paused = true)]
async fn a_large_api_does_not_hold_up_another_team_s_one_line() {
    const LARGE: [usize; 11] = [300, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1];
    let account = json!({"kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {"accountId": ACCOUNT,
        "regions": [{"name": "us-east-1"}],
        "tenants": [{"name": "all", "namespaces": {"from": "All"}, "exposure": {"authorizations": ["NONE"]}}]}});
    let scene = |line: u64, large: &[usize]| {
        let large = large.first().map(|_| team("large", large, 1)).unwrap_or_default();
        Scene::of([vec![account.clone()], team("small", &[1], line), large].concat())
    };
    let mut start = Moment::first(&scene(1, &[]));
    start.aws.settings.quotas = true;
    let site = Site::new(start.aws, start.objects);
    scene(1, &[]).apply(&site.server);
    // When the large team applies all of it, and when that is done.
    let (applied, mut done) = (100, None);
    let (mut second, mut line, mut asked) = (0, 1, None);
    let (mut alone, mut beside) = (Vec::new(), Vec::new());
    let mut told = [false; 2];
    running(&site, site.aws.http_client(), Duration::from_mins(9), |site| {
        second += 1;
        let now = site.server.snapshot();
        if let Some(at) = asked.take_if(|_| carried_out(&now, "small")) {
            let took = if second < applied { &mut alone } else { &mut beside };
            took.push(second - at);
        }
        let large: &[usize] = if second < applied { &[] } else { &LARGE };
        if second > applied && done.is_none() {
            done = carried_out(&now, "large").then_some(second);
            told = [0, 1].map(|team| told[team] || waits_for_quota(&now, ["large", "small"][team]));
        }
        if second == applied {
            scene(line, large).apply(&site.server);
        }
        if second >= 30 && second % 20 == 10 && asked.is_none() && done.is_none() {
            line += 1;
            asked = Some(second);
            scene(line, large).apply(&site.server);
        }
    })
    .await;
    println!(
        "one line, in seconds: alone {alone:?}, beside the large API {beside:?}, which took from {applied} to {done:?}"
    );
    let [alone, longest] = [&alone, &beside].map(|took| *took.iter().max().unwrap());
    assert!(done.is_some_and(|done| done > applied + 240), "done after {done:?}");
    // Its calls have half of the rate, and one deployment of the other team's comes before its own.
    assert!(longest <= alone + 15, "alone it takes {alone} s: {beside:?}");
    assert_eq!(told, [true; 2], "somebody waits and does not say so");
    let throttled = site.aws.with(|memory| memory.total().throttled);
    assert_eq!(throttled, 0);
}
