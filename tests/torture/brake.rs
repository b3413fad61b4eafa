//! What the brake counts, and of which AWSAccount.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use stepgate::api::LocalReference;
use stepgate::identity::Key;
use stepgate_testbed::memory::ACCOUNT;

use super::kubernetes::condition;
use super::operator::{CLUSTER_UID, Operator, Site};
use super::scene::Scene;
use super::serving::{abandoned, paused};
use super::{DOMAINS, Moment, drive, roles};

/// What was counted in an AWSAccount, as its status says.
fn counted(site: &Site, account: &str) -> Value {
    let id = ("awsaccounts".to_owned(), String::new(), account.to_owned());
    site.server.snapshot().by_id(&id).unwrap()["status"]["deletions"]["count"].clone()
}

/// Each process of the operator looks at it anew.
#[rstest::rstest]
#[case::for_its_executions(roles::scene("STANDARD", &["q"], &[]), "a")]
#[case::for_a_stage_that_serves_it(Scene::example("root-get"), "examples")]
#[tokio::test(start_paused = true)]
async fn what_waits_is_counted_once_and_not_before_it_goes(#[case] scene: Scene, #[case] account: &str) {
    let mut now = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    if scene.world.routes.is_empty() {
        let arn = format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:team_m");
        roles::states(&mut now.aws, "StartExecution", &json!({"stateMachineArn": arn, "name": "monday"}));
    }
    let mut without = scene.clone();
    without.world.machines.clear();
    let site = Site::new(now.aws, now.objects);
    without.apply(&site.server);
    for _ in 0..3 {
        let mut operator = Operator::start(&site);
        operator.round(true).await;
        operator.round(true).await;
        let objects = site.server.snapshot();
        let says = condition(objects.of("statemachines").next().unwrap().1, "Reconciling").unwrap();
        assert_eq!(says["reason"], "DeletionBlocked", "{says}");
        assert_eq!(counted(&site, account), Value::Null);
    }
    without.world.routes.clear();
    without.apply(&site.server);
    site.aws.with(|memory| memory.advance(Duration::from_hours(2)));
    let mut operator = Operator::start(&site);
    operator.settle().await.unwrap();
    operator.round(true).await;
    assert_eq!(site.server.snapshot().of("statemachines").count(), 0);
    assert_eq!(counted(&site, account), scene.world.machines.len() + scene.world.routes.len());
}

/// Base paths of ours that lead somewhere.
fn mapped(site: &Site) -> Vec<String> {
    site.aws.with(|memory| {
        let domains = memory.region(ACCOUNT, "us-east-1").unwrap().domains.values();
        let is_ours = |tags: &BTreeMap<String, String>| {
            tags.get("stepgate.dev/cluster-uid").is_some_and(|uid| uid == CLUSTER_UID)
        };
        domains.filter(|one| is_ours(&one.tags)).flat_map(|one| one.mappings.keys().cloned()).collect()
    })
}

/// Whoever looks first.
#[tokio::test(start_paused = true)]
async fn what_is_held_goes_on_serving_under_its_domain() {
    let mut scene = Scene::example(DOMAINS);
    Arc::make_mut(&mut scene.world.accounts[0]).spec.max_deletions_per_hour = 1;
    let (key, api) = scene.world.apis.first_key_value().unwrap();
    let (mut other, key) = ((**api).clone(), Key::new(&key.namespace, "another"));
    other.metadata.name = Some(key.name.clone());
    other.spec.domain_mappings[0].base_path = None;
    scene.world.apis.insert(key, Arc::new(other));
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let site = Site::new(made.aws, made.objects);
    assert_eq!(mapped(&site).len(), 2);
    let mut without = scene.clone();
    without.world.apis.clear();
    without.apply(&site.server);
    let mut operator = Operator::start(&site);
    operator.see(&site.server.snapshot());
    operator.reconcile("apidomains", scene.world.domains.keys().next().unwrap()).await;
    assert_eq!(mapped(&site).len(), 1);
    for _ in 0..8 {
        operator.round(true).await;
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
    assert_eq!((site.server.snapshot().of("restapis").count(), mapped(&site).len()), (1, 1));
    let objects = site.server.snapshot();
    let says = condition(objects.of("restapis").next().unwrap().1, "Reconciling").unwrap();
    assert_eq!(says["reason"], "DeletionHeld", "{says}");
}

/// A RestAPI and the domain that leads to it may live in one AWS account by two AWSAccounts.
#[tokio::test(start_paused = true)]
async fn an_api_is_held_by_the_account_that_it_lives_in() {
    let mut scene = Scene::example(DOMAINS);
    let mut other = (*scene.world.accounts[0]).clone();
    other.metadata.name = Some("apis".into());
    scene.world.accounts.push(Arc::new(other));
    let within = |name: &str| Some(LocalReference { name: name.into() });
    scene.world.apis.values_mut().for_each(|one| Arc::make_mut(one).spec.account_ref = within("apis"));
    scene.world.machines.values_mut().for_each(|one| Arc::make_mut(one).spec.account_ref = within("apis"));
    scene.world.domains.values_mut().for_each(|one| Arc::make_mut(one).spec.account_ref = within("docs"));
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    for (full, goes) in [("docs", true), ("apis", false)] {
        let site = Site::new(made.aws.clone(), made.objects.clone());
        let since = "2026-01-01T00:00:00Z";
        let deletions = json!({"since": since, "heldSince": since, "parts": [], "count": 0});
        site.server.forge_status("awsaccounts", &Key::new("", full), json!({"deletions": deletions}));
        let mut without = scene.clone();
        without.world.apis.clear();
        without.apply(&site.server);
        let settled = Operator::start(&site).settle().await;
        assert_eq!(site.server.snapshot().of("restapis").count() == 0, goes, "{settled:?}");
        assert_eq!(mapped(&site).is_empty(), goes, "{full}");
    }
}

/// Nor while its API can't be carried out.
#[tokio::test(start_paused = true)]
async fn what_is_let_go_of_is_not_counted() {
    let scene = Scene::example("item-api");
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let site = Site::new(made.aws, made.objects);
    let mut operator = Operator::start(&site);
    paused(&scene).apply(&site.server);
    operator.round(true).await;
    let mut routes = scene.world.routes.values();
    let (abandoned_route, deleted) = (routes.next().unwrap(), routes.next().unwrap());
    site.server.apply("apiroutes", abandoned(abandoned_route));
    let mut without = paused(&scene);
    without.world.routes.retain(|key, _| *key == Key::of(&**deleted));
    without.apply(&site.server);
    operator.round(true).await;
    assert_eq!((site.server.snapshot().of("apiroutes").count(), counted(&site, "examples")), (1, Value::Null));
    without.world.routes.clear();
    without.apply(&site.server);
    operator.round(true).await;
    operator.round(true).await;
    assert_eq!((site.server.snapshot().of("apiroutes").count(), counted(&site, "examples")), (0, json!(1)));
}
