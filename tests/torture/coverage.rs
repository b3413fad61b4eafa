//! Nothing that the operator does is in no scene. Each call to AWS that its code can make is made somewhere here, while manifests are made,
//! changed and deleted: a call that no scene makes is never crashed, raced or drifted. And the simulation of the budget counts the calls
//! that are really made.

#[path = "../calls/mod.rs"]
pub mod calls;
#[path = "../../src/aws/budget/simulation/calls.rs"]
mod simulated;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock, Mutex};

use serde_json::{Value, json};
use stepgate::aws::budget::Family;
use stepgate_testbed::memory::{ACCOUNT, Memory, Service};

use super::operator::{Operator, Site};
use super::pages::EXPOSING;
use super::policy::Asked;
use super::random::number;
use super::scene::Scene;
use super::{DOMAINS, Found, Moment, carry_out, drive};

/// What no manifest makes the operator do, and a test that has it done.
const ELSEWHERE: &[(Service, &str, &str)] = &[
    (Service::Sts, "AssumeRole", "tests/torture/coverage.rs::an_account_is_entered_by_its_role"),
    (Service::Iam, "UpdateAssumeRolePolicy", "tests/torture/drift.rs::every_drift_is_found"),
    (Service::ApiGateway, "UpdateRequestValidator", "tests/torture/drift.rs::every_drift_is_found"),
    (Service::ApiGateway, "TestInvokeMethod", "tests/e2e/invoke.rs::a_trial_call_shows_the_way_there_and_back"),
];

fn manifests() -> Vec<Value> {
    serde_saphyr::from_multiple(include_str!("everything.yaml")).unwrap()
}

/// Manifests with each field that no example and no page has (tests/fields.rs).
pub fn everything() -> Scene {
    Scene::of(manifests())
}

/// The same after people changed their minds about what can be changed.
fn everything_else() -> Scene {
    let mut all = manifests();
    let mut change = |kind: &str, name: &str, patch: Value| {
        let found = all.iter_mut().find(|one| one["kind"] == kind && one["metadata"]["name"] == name).unwrap();
        json_patch::merge(&mut found["spec"], &patch);
    };
    change(
        "RestAPI",
        "open",
        json!({
            "models": [{"name": "Order", "schema": "{type: object, required: [text]}"}],
            "domainMappings": [{"domainRef": {"name": "mutual"}, "basePath": "open", "stage": "prod"}],
            "stages": [{"name": "dev", "tags": {"team": "one"}, "cache": {"clusterSize": "0.5"}}, {"name": "more"}, {"name": "prod", "accessLog": {"format": "$context.requestId"}}],
        }),
    );
    let answer = json!({"statusCode": 400, "integration": {"selectionPattern": "4\\d{2}"}});
    let first = json!({"statusCode": 200, "integration": {"templates": {"application/json": "{}"}}});
    change("APIRoute", "their-machine", json!({"response": {"responses": [first, answer]}}));
    change("APIRoute", "order", json!({"request": {"bodySchema": null}, "response": null}));
    change("APIRoute", "users", json!({"authorization": {"scopes": ["orders/write"]}}));
    change(
        "UsagePlan",
        "gold",
        json!({"apiKeys": [{"name": "partner", "secretKeyRef": {"name": "partner", "key": "value"}}]}),
    );
    change("APIDomain", "mutual", json!({"ipAddressType": "dualstack", "mutualTls": {"truststoreVersion": "a2"}}));
    Scene::of(all)
}

/// The same, where all stays in AWS when its object goes.
fn everything_stays() -> Scene {
    let mut all = manifests();
    for one in all
        .iter_mut()
        .filter(|one| ["RestAPI", "StateMachine", "UsagePlan", "APIDomain"].iter().any(|kind| one["kind"] == *kind))
    {
        one["spec"]["deletionPolicy"] = json!("Retain");
    }
    Scene::of(all)
}

/// What manifests become, one after the other.
pub fn lives() -> impl Iterator<Item = Vec<Scene>> {
    let pages = [DOMAINS, "docs/private-domains.md", "docs/stages.md", "docs/usage-plans.md"];
    let examples = Scene::names().into_iter().chain(pages.map(str::to_owned)).map(|name| Scene::example(&name));
    let exposing = ["docs/authorization.md", "docs/encryption.md", "docs/endpoints.md"];
    let scenes = examples.chain(exposing.map(|page| Scene::page(page, EXPOSING)));
    let there_and_gone = scenes.map(|scene| vec![scene.clone(), scene.changed(), scene.changed().gone()]);
    let all = everything();
    let and_back = vec![all.clone(), everything_else(), all.clone(), all.gone()];
    let stays = vec![everything_stays(), all.gone(), everything_stays()];
    // Policies of several documents, which stay and are taken back.
    let roles = |queues: &[Value]| super::roles::scene("STANDARD", &["q"], queues);
    let queues = |numbers| [super::roles::queues("sqs:SendMessage", numbers)];
    let documents = [queues(0..160), queues(80..240), queues(0..2)].map(|queues| roles(&queues)).to_vec();
    let mut kept = roles(&queues(0..160));
    for machine in kept.world.machines.values_mut() {
        Arc::make_mut(machine).spec.deletion_policy = serde_json::from_value(json!("Retain")).unwrap();
    }
    let taken_back = vec![kept.clone(), kept.gone(), kept];
    there_and_gone.chain([and_back, stays, documents, taken_back])
}

/// What IAM is asked, of each request that arrives.
pub type AllAsked = Arc<Mutex<BTreeSet<Asked>>>;

/// From a moment on, one after the other.
pub async fn live(start: Moment, life: &[Scene], asked: &AllAsked) -> Moment {
    let mut moment = start;
    for wanted in life {
        let site = Site::new(moment.aws, moment.objects);
        let noted = Arc::clone(asked);
        site.tape.watch(move |attempt| _ = noted.lock().unwrap().insert(Asked::of(attempt)));
        moment = carry_out(&site, wanted).await.unwrap();
    }
    moment
}

/// The calls that are made in them, and what IAM is asked. They take minutes: both are looked at once.
pub static LIVED: LazyLock<(BTreeSet<(Service, String)>, AllAsked)> = LazyLock::new(|| {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let (mut made, asked) = (BTreeSet::new(), AllAsked::default());
        for life in lives() {
            let mut moment = Moment::first(&life[0]);
            moment.aws.reset_counts();
            moment = live(moment, &life, &asked).await;
            made.extend(moment.aws.counts().iter().filter(|(_, count)| count.done > 0).map(|(call, _)| call.clone()));
        }
        (made, asked)
    })
});

#[test]
fn every_call_of_the_code_is_made_in_some_scene() {
    let (made, _) = &*LIVED;
    let mut wrong = Vec::new();
    for call in calls::operations_of_the_code() {
        let elsewhere = ELSEWHERE.iter().find(|(service, operation, _)| (*service, *operation) == (call.0, &*call.1));
        match (made.contains(&call), elsewhere) {
            (false, None) => wrong.push(format!("no scene makes {call:?}, and no test is named that does")),
            (true, Some(_)) => wrong.push(format!("{call:?} is made in a scene: the exception is stale")),
            (false, Some((.., proof))) => {
                let (file, test) = proof.split_once("::").unwrap();
                let is_there = calls::read(file).contains(&format!("fn {test}("));
                wrong.extend((!is_there).then(|| format!("{call:?}: there is no {proof}")));
            }
            (true, None) => {}
        }
    }
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test(start_paused = true)]
async fn a_crash_while_everything_is_made_loses_nothing_and_doubles_nothing() {
    let some = Some(number("SEED", 0) as usize).filter(|_| std::env::var_os("CRASH_ALL").is_none());
    let mut found = Found { sampled: some, ..Found::default() };
    found.everywhere(&everything(), &everything_else()).await;
    found.end("everything");
}

/// The operator's own credentials are of another account, and only enter the role that the AWSAccount names.
#[tokio::test(start_paused = true)]
async fn an_account_is_entered_by_its_role() {
    const THEIRS: &str = "444455556666";
    let mut scene = Scene::example("stage-variables");
    let account = Arc::make_mut(&mut scene.world.accounts[0]);
    account.spec.account_id = THEIRS.into();
    account.spec.api_gateway_log_role = None;
    account.spec.credentials =
        serde_json::from_value(json!({"assumeRole": {"roleArn": format!("arn:aws:iam::{THEIRS}:role/stepgate")}}))
            .unwrap();
    let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
        "Principal": {"AWS": format!("arn:aws:iam::{ACCOUNT}:root")}}]});
    let mut start = Moment::first(&scene);
    let form = [
        ("Action", "CreateRole"),
        ("Version", "2010-05-08"),
        ("RoleName", "stepgate"),
        ("AssumeRolePolicyDocument", &trust.to_string()),
    ];
    let form = form.map(|(key, value)| {
        format!("{key}={}", percent_encoding::utf8_percent_encode(value, percent_encoding::NON_ALPHANUMERIC))
    });
    let request = http::Request::post("https://iam.amazonaws.com/")
        .header("authorization", format!("AWS4-HMAC-SHA256 Credential={THEIRS}/20260101/us-east-1/iam/aws4_request"))
        .body(form.join("&").into_bytes())
        .unwrap();
    assert_eq!(start.aws.handle(&request).status(), 200);
    let end = drive(&start, &scene, None).await.unwrap();
    let made =
        |account: &str| end.aws.region(account, "us-east-1").map_or(0, |one| one.machines.len() + one.apis.len());
    assert_eq!(
        (made(THEIRS), made(ACCOUNT)),
        (scene.world.machines.len() + scene.world.apis.len(), 2),
        "beside neighbours"
    );
}

// --- The simulation of the budget ---

/// The calls to AWS of the families that these are of.
fn counted(aws: &Memory, families: &[Family]) -> BTreeMap<String, u64> {
    let of = |service: &Service| match service {
        Service::Iam => families.contains(&Family::Iam),
        Service::States => families.contains(&Family::StepFunctions),
        Service::ApiGateway => families.contains(&Family::ApiGateway),
        Service::Sts | Service::Logs => false,
    };
    let calls = aws.counts().iter().filter(|((service, _), _)| of(service));
    calls.map(|((_, operation), count)| (operation.clone(), count.done + count.refused)).collect()
}

fn api(routes: usize, timeout: i64) -> Vec<Value> {
    let mut documents = vec![
        json!({"kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {"accountId": ACCOUNT, "regions": [{"name": "us-east-1"}],
            "tenants": [{"name": "all", "namespaces": {"from": "All"}, "exposure": {"authorizations": ["NONE"]},
                "ceiling": [{"actions": ["sqs:*"], "resources": ["*"]}]}]}}),
        json!({"kind": "StateMachine", "metadata": {"namespace": "team", "name": "machine"},
            "spec": {"type": "EXPRESS", "definition": super::roles::sends(&["queue"])}}),
    ];
    if routes > 0 {
        documents.push(json!({"kind": "RestAPI", "metadata": {"namespace": "team", "name": "api"},
            "spec": {"stages": [{"name": "prod"}]}}));
    }
    documents.extend((0..routes).map(|number| {
        json!({"kind": "APIRoute", "metadata": {"namespace": "team", "name": format!("route-{number}")},
            "spec": {"apiRef": {"name": "api"}, "method": "POST", "path": format!("/path-{number}"),
                "authorization": {"type": "NONE"}, "timeoutMillis": if number == 0 { timeout } else { 5_000 },
                "target": {"action": "StartSyncExecution", "stateMachineRef": {"name": "machine"}}}})
    }));
    documents
}

/// A process carries out the manifests: what it asks AWS for.
async fn asked(site: &Site, documents: Vec<Value>, families: &[Family]) -> BTreeMap<String, u64> {
    site.aws.with(Memory::reset_counts);
    Scene::of(documents).apply(&site.server);
    Operator::start(site).settle().await.unwrap();
    site.aws.with(|memory| counted(memory, families))
}

/// So often each call.
fn times(calls: Vec<simulated::Call>) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for (_, operation) in calls {
        *counts.entry(operation.to_owned()).or_default() += 1;
    }
    counts
}

#[tokio::test(start_paused = true)]
async fn the_budget_is_simulated_with_the_calls_that_are_made() {
    let start = Moment::first(&Scene::of(api(3, 5_000)));
    let site = Site::new(start.aws, start.objects);
    let machine = asked(&site, api(0, 5_000), &[Family::Iam, Family::StepFunctions]).await;
    assert_eq!(machine, times(simulated::new_machine()));
    let new = asked(&site, api(3, 5_000), &[Family::ApiGateway]).await;
    assert_eq!(new, times(simulated::new_api(3)));
    let line = asked(&site, api(3, 6_000), &[Family::ApiGateway]).await;
    assert_eq!(line, times(simulated::one_line()));
}
