//! A cluster is lost, and another one has the same manifests: it conflicts with all that the lost one made and changes nothing,
//! until it takes that over; and then nothing is changed but the tag that says whose it is.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use kube::Resource;
use kube::api::ObjectMeta;
use serde_json::{Value, json};
use stepgate::api::conditions::reasons;
use stepgate::api::{ABANDON, DeletionPolicy};
use stepgate::world::World;
use stepgate_testbed::memory::ACCOUNT;

use super::coverage;
use super::drift;
use super::kubernetes::{KINDS, Objects, condition};
use super::operator::{CLUSTER_UID, Operator, Site, nothing_is_left};
use super::races::raced;
use super::scene::Scene;
use super::{DOMAINS, Found, Moment, difference, drive, served};

/// The UID of a cluster that is lost.
pub const LOST: &str = "lost";

/// What another cluster of the same name made, which is lost with all its objects.
pub fn lost(made: &Moment) -> Moment {
    let mut aws = made.aws.clone();
    let tag = |uid: &str| format!(r#""stepgate.dev/cluster-uid":"{uid}""#);
    let tree = aws.tree().to_string();
    assert!(tree.contains(&tag(CLUSTER_UID)));
    aws.plant(&serde_json::from_str(&tree.replace(&tag(CLUSTER_UID), &tag(LOST))).unwrap()).unwrap();
    Moment { aws, objects: Objects::default() }
}

/// The same without the deployments that no stage serves and no record names: what the lost cluster alone knew of stays, until its API goes.
pub fn without_lost_revisions(mut moment: Moment) -> Moment {
    let on_record: BTreeSet<String> =
        moment.objects.of("controllerrevisions").map(|(_, one)| one["data"]["deploymentId"].to_string()).collect();
    let mut tree = moment.aws.tree();
    let regions = tree[ACCOUNT]["regions"].as_object_mut().unwrap().values_mut();
    for api in regions.filter_map(|rooms| rooms["apis"].as_object_mut()).flat_map(|apis| apis.values_mut()) {
        let stages = api["stages"].to_string();
        let deployments = api["deployments"].as_object_mut().unwrap();
        deployments.retain(|id, deployment| {
            let is_ours = deployment["description"].as_str().is_some_and(|text| text.starts_with("revision "));
            !is_ours || stages.contains(&format!("\"{id}\"")) || on_record.contains(&format!("\"{id}\""))
        });
    }
    moment.aws.plant(&tree).unwrap();
    moment
}

pub fn heir(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    scene.world.accounts.iter_mut().for_each(|account| Arc::make_mut(account).spec.takeover_from = vec![LOST.into()]);
    scene
}

/// The new cluster looks at everything a few times, and is told why it can't have it.
async fn conflicts(lost: &Moment, scene: &Scene) -> Result<(), String> {
    let site = Site::new(lost.aws.clone(), lost.objects.clone());
    scene.apply(&site.server);
    let mut operator = Operator::start(&site);
    for _ in 0..4 {
        operator.round(true).await;
    }
    let after = Moment::of(&site);
    if let Some(changed) = difference(&lost.aws.tree(), &after.aws.tree()) {
        return Err(format!("AWS is changed by a cluster that conflicts: {changed}"));
    }
    for (id, object) in
        ["statemachines", "restapis", "apidomains", "usageplans"].iter().flat_map(|of| after.objects.of(of))
    {
        let ready = condition(object, "Ready").ok_or_else(|| format!("{id:?} says nothing"))?;
        let waits =
            [reasons::OWNERSHIP_CONFLICT, reasons::WAITING_FOR_REFERENCE].iter().any(|one| ready["reason"] == **one);
        if !waits {
            return Err(format!("{id:?} says {ready}"));
        }
    }
    Ok(())
}

/// What is done to AWS on the way.
async fn takes_over(lost: &Moment, scene: &Scene) -> Result<(Moment, Vec<String>), String> {
    let site = Site::new(lost.aws.clone(), lost.objects.clone());
    let done: Arc<Mutex<Vec<String>>> = Arc::default();
    let doing = Arc::clone(&done);
    site.tape.hook(move |step| {
        if step.effect > 0 && step.aws.is_some() {
            doing.lock().unwrap().push(step.what.to_owned());
        }
        None
    });
    scene.apply(&site.server);
    Operator::start(&site).settle().await?;
    site.tape.calm();
    nothing_is_left(&site).await?;
    let done = std::mem::take(&mut *done.lock().unwrap());
    Ok((Moment::of(&site), done))
}

async fn rebuilt(scene: &Scene) -> Result<(), String> {
    let made = drive(&Moment::first(scene), scene, None).await?;
    let lost = lost(&made);
    conflicts(&lost, scene).await?;
    let (taken, done) = takes_over(&lost, &heir(scene)).await?;
    if let Some(changed) = difference(&made.aws.essence(), &taken.aws.essence()) {
        return Err(format!("more is changed than a tag: {changed}"));
    }
    let more: Vec<_> = done.iter().filter(|what| !what.contains("Tag") && !what.contains("tags")).collect();
    if !more.is_empty() {
        return Err(format!("more is written than tags: {more:?}"));
    }
    let shown = |moment: &Moment| -> Value {
        let kinds = KINDS.iter().flat_map(|kind| moment.objects.of(kind));
        let ready = kinds.map(|((kind, namespace, name), object)| {
            (
                format!("{kind}/{namespace}/{name}"),
                condition(object, "Ready").map(|ready| ready["reason"].clone()).into(),
            )
        });
        Value::Object(ready.collect())
    };
    if let Some(differs) = difference(&shown(&made), &shown(&taken)) {
        return Err(differs);
    }
    // Callers go on with the keys that they have.
    let values = |moment: &Moment| -> Vec<Value> {
        moment.objects.of("secrets").map(|(id, secret)| json!([id, secret["data"]])).collect()
    };
    if values(&made) != values(&taken) {
        return Err("a Secret has another value than in the lost cluster".into());
    }
    Ok(())
}

#[tokio::test(start_paused = true)]
async fn a_rebuilt_cluster_conflicts_until_it_takes_over_and_then_only_tags_change() {
    let mut wrong = Vec::new();
    for (name, scene) in drift::scenes() {
        if let Err(what) = Box::pin(rebuilt(&scene)).await {
            wrong.push(format!("{name}: {what}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Nothing in AWS is touched; it still carries the owner tags, so that the same manifests have it again.
#[tokio::test(start_paused = true)]
async fn what_is_abandoned_goes_without_aws_and_can_be_had_again() {
    let scene = coverage::everything();
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let mut abandoned = scene.clone();
    let World { machines, apis, routes, domains, plans, .. } = &mut abandoned.world;
    let abandon =
        |meta: &mut ObjectMeta| drop(meta.annotations.get_or_insert_default().insert(ABANDON.into(), "true".into()));
    machines.values_mut().for_each(|one| abandon(Arc::make_mut(one).meta_mut()));
    apis.values_mut().for_each(|one| abandon(Arc::make_mut(one).meta_mut()));
    routes.values_mut().for_each(|one| abandon(Arc::make_mut(one).meta_mut()));
    domains.values_mut().for_each(|one| abandon(Arc::make_mut(one).meta_mut()));
    plans.values_mut().for_each(|one| abandon(Arc::make_mut(one).meta_mut()));
    let site = Site::new(made.aws.clone(), made.objects.clone());
    abandoned.apply(&site.server);
    Operator::start(&site).settle().await.unwrap();
    abandoned.gone().apply(&site.server);
    Operator::start(&site).settle().await.unwrap();
    let left = Moment::of(&site);
    for kind in KINDS.iter().filter(|kind| **kind != "awsaccounts") {
        assert_eq!(left.objects.of(kind).count(), 0, "{kind}");
    }
    assert_eq!(difference(&made.aws.tree(), &left.aws.tree()), None);
    let again = drive(&left, &scene, None).await.unwrap();
    assert_eq!(difference(&served(made.aws.essence()), &served(again.aws.essence())), None);
}

/// The platform's manifests come first, and it takes somebody a while to say from whom they take over.
#[tokio::test(start_paused = true)]
async fn routes_that_come_last_are_served_all_the_while() {
    let scene = Scene::example("item-api");
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let lost = lost(&made);
    let site = Site::new(lost.aws, lost.objects);
    let mut without = scene.clone();
    without.world.routes.clear();
    let mut operator = Operator::start(&site);
    let mut look = async |scene: &Scene, minutes: u64| {
        scene.apply(&site.server);
        for _ in 0..3 {
            operator.round(true).await;
            tokio::time::sleep(Duration::from_secs(20 * minutes)).await;
        }
    };
    look(&without, 20).await;
    look(&heir(&without), 1).await;
    let taken = Moment::of(&site);
    assert_eq!(difference(&made.aws.essence(), &taken.aws.essence()), None, "taken over, and served all the same");
    look(&heir(&scene), 1).await;
    operator.settle().await.unwrap();
    assert_eq!(difference(&made.aws.essence(), &Moment::of(&site).aws.essence()), None);

    // Those that never come go, once there was time for them.
    let site = Site::new(taken.aws, taken.objects);
    Operator::start(&site).settle().await.unwrap();
    let methods = |moment: &Moment| moment.aws.essence().to_string().matches("httpMethod").count();
    assert!(methods(&Moment::of(&site)) < methods(&made));
}

/// The same when processes of the new cluster die, and when there are two of them.
#[rstest::rstest]
#[case::root_get("root-get")]
#[case::domains(DOMAINS)]
#[case::usage_plans("docs/usage-plans.md")]
#[case::authorization("docs/authorization.md")]
#[case::everything("everything")]
#[tokio::test(start_paused = true)]
async fn a_takeover_goes_on_wherever_it_stops(#[case] name: &str) {
    let scenes: BTreeMap<_, _> = drift::scenes().collect();
    let made = drive(&Moment::first(&scenes[name]), &scenes[name], None).await.unwrap();
    let (lost, heir) = (lost(&made), heir(&scenes[name]));
    let mut found = Found::default();
    let taken = found.phase("take over", &lost, &heir).await;
    assert_eq!(difference(&made.aws.essence(), &taken.aws.essence()), None);
    for seed in 0..3 {
        let raced = raced(&lost, &heir, seed, seed == 2).await.unwrap();
        assert_eq!(taken.difference_now(&raced), None, "seed {seed}");
    }
    found.end(name);
}

/// What stays in AWS when its object goes is let go and taken back, wherever a process dies.
#[rstest::rstest]
#[case::root_get("root-get")]
#[case::domains(DOMAINS)]
#[case::usage_plans("docs/usage-plans.md")]
#[case::everything("everything")]
#[tokio::test(start_paused = true)]
async fn what_stays_is_let_go_and_taken_back_wherever_it_stops(#[case] name: &str) {
    let scenes: BTreeMap<_, _> = drift::scenes().collect();
    let scene = staying(&scenes[name]);
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let gone = scene.gone();
    let mut found = Found::default();
    let left = found.phase("let go", &made, &gone).await;
    let tree = left.aws.tree();
    for (region, rooms) in tree[ACCOUNT]["regions"].as_object().unwrap() {
        for (room, all) in rooms.as_object().unwrap() {
            let tags = all.as_object().into_iter().flatten().map(|(id, one)| (id, &one["tags"]));
            let still: Vec<_> = tags.filter(|(_, tags)| tags["stepgate.dev/cluster-uid"] == CLUSTER_UID).collect();
            assert!(still.is_empty(), "{region}, {room}: {still:?}");
        }
    }
    let back = found.phase("take back", &left, &scene).await;
    assert_eq!(difference(&served(made.aws.essence()), &served(back.aws.essence())), None);
    found.end(name);
}

fn staying(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    let World { apis, machines, plans, domains, .. } = &mut scene.world;
    apis.values_mut().for_each(|one| Arc::make_mut(one).spec.deletion_policy = Some(DeletionPolicy::Retain));
    machines.values_mut().for_each(|one| Arc::make_mut(one).spec.deletion_policy = Some(DeletionPolicy::Retain));
    plans.values_mut().for_each(|one| Arc::make_mut(one).spec.deletion_policy = DeletionPolicy::Retain);
    domains.values_mut().for_each(|one| Arc::make_mut(one).spec.deletion_policy = DeletionPolicy::Retain);
    scene
}
