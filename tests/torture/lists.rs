//! AWS shows its lists in pages, which may be shorter than a call asks for. What the operator made is found again on whichever page it
//! is: a list that is not read to its end makes a second API.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use stepgate_testbed::memory::{ACCOUNT, Memory, Service};

use super::coverage::calls;
use super::operator::{Operator, Site};
use super::random::number;
use super::scene::Scene;
use super::tape::Wrong;
use super::{Found, Moment, coverage, difference, drive, kubernetes, roles, without_log_role};

/// More than fit on a page.
const OTHERS: usize = 501;

/// Others have so many of each kind that is listed for the whole account. Their ids come before ours.
fn crowd(aws: &mut Memory, others: usize) {
    let mut tree = aws.tree();
    let region = &mut tree[ACCOUNT]["regions"]["us-east-1"];
    for kind in ["apis", "usage_plans", "api_keys", "domains"] {
        let all = region[kind].as_object_mut().unwrap();
        let theirs = all.values().next().unwrap().clone();
        for number in 0..others {
            let id = format!("{number:010}");
            let mut one = theirs.clone();
            // A domain has its name as its id.
            let key = if kind == "domains" { "domainName" } else { "id" };
            (one[key], one["tags"]) = (json!(id), json!({"number": id}));
            all.insert(id, one);
        }
    }
    aws.plant(&tree).unwrap();
}

/// What AWS makes once more for whoever asks again.
const CREATES: [&str; 3] = ["CreateRestApi", "CreateUsagePlan", "CreateApiKey"];

#[tokio::test(start_paused = true)]
async fn what_is_listed_behind_hundreds_of_others_is_found_again() {
    let scene = Scene::example("docs/usage-plans.md");
    let mut start = Moment::first(&scene);
    crowd(&mut start.aws, OTHERS);
    let site = Site::new(start.aws.clone(), start.objects.clone());
    let creates: Arc<Mutex<Vec<usize>>> = Arc::default();
    let noted = Arc::clone(&creates);
    site.tape.hook(move |step| {
        noted.lock().unwrap().extend(CREATES.contains(&step.what).then_some(step.effect));
        None
    });
    scene.apply(&site.server);
    Operator::start(&site).settle().await.unwrap();
    let made = Moment::of(&site);
    let creates = creates.lock().unwrap().clone();
    assert!(creates.len() >= CREATES.len(), "{creates:?}");
    for effect in creates {
        let end = drive(&start, &scene, Some((effect, Wrong::Lost))).await.unwrap();
        assert_eq!(made.failure(&end), None, "the answer to effect {effect} is lost");
    }
}

/// Crashes while manifests are made and deleted, with a page for each object.
async fn crashed(name: &str, scene: &Scene, mut found: Found) {
    let mut start = Moment::first(scene);
    crowd(&mut start.aws, 1);
    start.aws.settings.page = Some(1);
    let made = found.phase("make", &start, scene).await;
    let end = found.phase("delete", &made, &scene.gone()).await;
    let left = difference(&without_log_role(start.aws.essence()), &without_log_role(end.aws.essence()));
    assert_eq!(left, None, "deletion leaves this");
    found.end(name);
}

#[tokio::test(start_paused = true)]
async fn so_is_what_is_listed_on_pages_of_one() {
    crashed("root-get", &Scene::example("root-get"), Found::default()).await;
}

#[tokio::test(start_paused = true)]
async fn so_is_everything() {
    let some = Found { sampled: Some(number("SEED", 0) as usize), ..Found::default() };
    crashed("everything", &coverage::everything(), some).await;
}

/// Lists that AWS shows whole.
const WHOLE: &[(Service, &str)] = &[
    (Service::ApiGateway, "GetStages"),
    // Its position "does not apply" (API Gateway's reference).
    (Service::ApiGateway, "GetGatewayResponses"),
    (Service::States, "ListTagsForResource"),
    (Service::Logs, "ListTagsForResource"),
];

/// Somebody puts a second one where ours has one.
fn doubled(aws: &mut Memory) {
    let mut tree = aws.tree();
    for (all, of_each, second) in [
        ("/iam/roles", "policies", "by-hand"),
        ("/iam/policies", "versions", "9"),
        ("/regions/us-east-1/domains", "mappings", "by-hand"),
        ("/regions/us-east-1/apis", "validators", "by-hand"),
    ] {
        let all = tree[ACCOUNT].pointer_mut(all).and_then(Value::as_object_mut).unwrap();
        for one in all.values_mut().filter_map(|one| one[of_each].as_object_mut()) {
            let Some(mut copy) = one.values().next().cloned() else { continue };
            match of_each {
                "mappings" => copy["basePath"] = json!(second),
                "validators" => copy["id"] = json!(second),
                _ => {}
            }
            one.insert(second.to_owned(), copy);
        }
    }
    let groups = tree[ACCOUNT]["regions"]["us-east-1"]["log_groups"].as_object_mut().unwrap();
    groups.extend(groups.clone().into_iter().map(|(name, group)| (name + "-by-hand", group)));
    aws.plant(&tree).unwrap();
}

/// A list that is new in the code is here too: with pages of one, each is asked for more of them.
#[tokio::test(start_paused = true)]
async fn each_list_is_read_to_its_end() {
    let is_list = |operation: &str| {
        let shows = operation.starts_with("Get") || operation.starts_with("Describe");
        operation.starts_with("List") || (shows && operation.ends_with('s'))
    };
    let lists: BTreeSet<_> = calls::operations_of_the_code().into_iter().filter(|call| is_list(&call.1)).collect();
    let mut longer: BTreeSet<(Service, String)> = BTreeSet::new();
    let documents = roles::scene("STANDARD", &["q"], &[roles::queues("sqs:SendMessage", 0..240)]);
    let pages = ["docs/private-domains.md", "docs/stages.md", "docs/usage-plans.md"].map(Scene::example);
    for scene in pages.into_iter().chain([coverage::everything(), documents]) {
        let [whole, short] = [None, Some(1)].map(async |page| {
            let mut start = Moment::first(&scene);
            start.aws.settings.page = page;
            let mut made = drive(&start, &scene, None).await.unwrap();
            doubled(&mut made.aws);
            let changed = drive(&made, &scene.changed(), None).await.unwrap();
            drive(&changed, &scene.gone(), None).await.unwrap()
        });
        let (whole, short) = (whole.await, short.await);
        assert_eq!(difference(&whole.aws.essence(), &short.aws.essence()), None);
        let asked = |moment: &Moment, call| moment.aws.counts().get(call).map_or(0, |count| count.done);
        longer.extend(lists.iter().filter(|call| asked(&short, call) > asked(&whole, call)).cloned());
    }
    let left = lists.difference(&longer).map(|(service, operation)| (*service, operation.as_str()));
    let left: BTreeSet<_> = left.filter(|call| *call != EXECUTIONS).collect();
    assert_eq!(left, WHOLE.iter().copied().collect());
}

/// They have a test of their own, below.
const EXECUTIONS: (Service, &str) = (Service::States, "ListExecutions");

/// They are counted before a machine goes.
#[tokio::test(start_paused = true)]
async fn running_executions_are_counted_on_every_page() {
    let machine = roles::scene("STANDARD", &["q"], &[]);
    let mut now = drive(&Moment::first(&machine), &machine, None).await.unwrap();
    let arn = format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:team_m");
    for name in ["monday", "tuesday", "wednesday"] {
        now.aws.advance(Duration::from_secs(1));
        roles::states(&mut now.aws, "StartExecution", &json!({"stateMachineArn": arn, "name": name}));
    }
    now.aws.settings.page = Some(1);
    let site = Site::new(now.aws, now.objects);
    machine.gone().apply(&site.server);
    Operator::start(&site).round(true).await;
    let objects = site.server.snapshot();
    let says = kubernetes::condition(objects.of("statemachines").next().unwrap().1, "Reconciling").unwrap();
    assert!(says["message"].as_str().unwrap().starts_with("3 executions are running"), "{says}");
}
