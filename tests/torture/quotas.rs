//! The operator's own budget before AWS's quotas, which the AWS in memory keeps: nothing is ever throttled. And whoever waits, for
//! quotas or for an AWS that does not answer, holds up nobody else.

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
use super::kubernetes::{Objects, is};
use super::operator::{Operator, Site};
use super::scene::Scene;
use super::{DOMAINS, Moment};

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
