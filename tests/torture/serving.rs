//! What a stage serves before a change and after it, it serves all the while, with a role that may do it and that API Gateway can assume by
//! then: at each effect, and wherever a process died before.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use stepgate::api::{ABANDON, APIRoute, PAUSED};
use stepgate::identity::Key;
use stepgate_testbed::memory::{ACCOUNT, Memory};

use super::kubernetes::{Objects, condition};
use super::operator::{CLUSTER_UID, Operator, Site};
use super::scene::Scene;
use super::takeover::{heir, lost};
use super::{Moment, carry_out, difference, observed};

/// API, stage, verb and path of a call.
type Call = [String; 4];

const REGION: &str = "us-east-1";

/// The calls that stages of ours answer, and what for.
fn served(aws: &Memory) -> BTreeSet<Call> {
    let region = aws.region(ACCOUNT, REGION).unwrap();
    let ours = region
        .apis
        .values()
        .filter(|api| api.tags.get("stepgate.dev/cluster-uid").is_some_and(|uid| uid == CLUSTER_UID));
    let mut calls = BTreeSet::new();
    for api in ours {
        for (name, stage) in &api.stages {
            let snapshot = &api.deployments[&stage.deployment_id].snapshot;
            for (path, verb) in snapshot.iter().flat_map(|(path, methods)| methods.keys().map(move |verb| (path, verb)))
            {
                let verb = if verb == "ANY" { "GET" } else { verb };
                let path = path.replace(['{', '}', '+'], "");
                calls.insert([&api.id, name, verb, &path].map(|text| text.to_owned()));
            }
        }
    }
    calls.retain(|call| gap(aws, call).is_none());
    calls
}

/// What keeps a call from its answer.
fn gap(aws: &Memory, [api, stage, verb, path]: &Call) -> Option<String> {
    match aws.serves(ACCOUNT, REGION, api, stage, verb, path) {
        None => Some(format!("{verb} {path} of stage {stage} is not served")),
        Some(served) => served.denied.first().map(|why| format!("{verb} {path} of stage {stage}: {why}")),
    }
}

/// On the way from a moment to what the manifests ask: the calls of these that have no answer at some effect.
async fn gaps(from: &Moment, scene: &Scene, calls: &BTreeSet<Call>) -> BTreeSet<String> {
    let site = Site::new(from.aws.clone(), from.objects.clone());
    let found: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (noted, calls) = (Arc::clone(&found), calls.clone());
    site.tape.hook(move |step| {
        if let Some(aws) = step.aws.filter(|_| step.effect > 0) {
            noted.lock().unwrap().extend(calls.iter().filter_map(|call| gap(aws, call)));
        }
        None
    });
    carry_out(&site, scene).await.unwrap();
    std::mem::take(&mut *found.lock().unwrap())
}

/// The same with every route slower, each calling a new machine, one like that of the next route, and the last route gone.
fn changed(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    if scene.world.routes.len() > 1 {
        scene.world.routes.pop_last();
    }
    let mut routes: Vec<_> = scene.world.routes.values_mut().map(|route| &mut Arc::make_mut(route).spec).collect();
    let targets: Vec<_> = routes.iter().map(|route| route.target.clone()).collect();
    for (index, route) in routes.iter_mut().enumerate() {
        route.timeout_millis = Some(5_000);
        let others = targets.iter().cycle().skip(index + 1).take(targets.len());
        let next = others.clone().find(|next| next.action == route.target.action);
        route.target.state_machine_ref = next.and_then(|next| next.state_machine_ref.clone());
    }
    for (of, route) in &mut scene.world.routes {
        let target = &mut Arc::make_mut(route).spec.target;
        let Some(machine) = target.state_machine_ref.as_mut() else { continue };
        let like = Key::resolve(machine, &of.namespace);
        machine.name += "-next";
        let mut new = scene.world.machines[&like].clone();
        Arc::make_mut(&mut new).metadata.name = Some(machine.name.clone());
        Arc::make_mut(&mut new).spec.name = None;
        scene.world.machines.insert(Key::new(&like.namespace, &machine.name), new);
    }
    scene
}

/// The same with every route under another name.
fn renamed(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    for (key, mut route) in std::mem::take(&mut scene.world.routes) {
        let key = Key::new(&key.namespace, format!("{}-renamed", key.name));
        Arc::make_mut(&mut route).metadata.name = Some(key.name.clone());
        scene.world.routes.insert(key, route);
    }
    scene
}

#[derive(Clone, Copy)]
enum Change {
    Targets,
    Names,
}

#[rstest::rstest]
#[case::client_names_machine("client-names-machine")]
#[case::ec2_sync_async("ec2-sync-async")]
#[case::item_api("item-api")]
#[case::orders_api("orders-api")]
#[case::root_get("root-get")]
#[case::stage_variables("stage-variables")]
#[case::usage_plans("docs/usage-plans.md")]
#[tokio::test(start_paused = true)]
async fn what_serves_before_and_after_a_change_serves_all_the_while(
    #[case] example: &str,
    #[values(Change::Targets, Change::Names)] change: Change,
) {
    let scene = Scene::example(example);
    let changed = match change {
        Change::Targets => changed(&scene),
        Change::Names => renamed(&scene),
    };
    let mut start = Moment::first(&scene);
    start.aws.settings.role_propagation = Duration::from_secs(10);
    let made = observed(&start, &scene).await.unwrap().end;
    let run = observed(&made, &changed).await.unwrap();
    let calls: BTreeSet<Call> = served(&made.aws).intersection(&served(&run.end.aws)).cloned().collect();
    assert!(!calls.is_empty(), "nothing is there before and after");
    assert_ne!(difference(&super::served(made.aws.essence()), &super::served(run.end.aws.essence())), None);
    let mut wrong = Vec::new();
    for (effect, moment) in run.before.iter().enumerate() {
        let found = gaps(moment, &changed, &calls).await;
        wrong.extend(found.into_iter().map(|gap| format!("dead before effect {}: {gap}", effect + 1)));
    }
    println!("{example}: {} calls at {} crash points", calls.len(), run.before.len());
    assert!(wrong.is_empty(), "{} of {} crash points:\n{}", wrong.len(), run.before.len(), wrong.join("\n"));
}

/// An API that lives with its routes; what they serve, that of the first route, and what is not served at any effect from now on.
struct Living {
    scene: Scene,
    made: Moment,
    site: Site,
    calls: BTreeSet<Call>,
    first: BTreeSet<Call>,
    gaps: Arc<Mutex<BTreeSet<String>>>,
}

async fn living() -> Living {
    let scene = Scene::example("item-api");
    let made = observed(&Moment::first(&scene), &scene).await.unwrap().end;
    let without = observed(&made, &without_first(&scene)).await.unwrap().end;
    let calls = served(&made.aws);
    let first: BTreeSet<Call> = calls.difference(&served(&without.aws)).cloned().collect();
    assert!(!first.is_empty() && first.len() < calls.len());
    let site = Site::new(made.aws.clone(), made.objects.clone());
    let gaps: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let (noted, asked) = (Arc::clone(&gaps), calls.clone());
    site.tape.hook(move |step| {
        noted
            .lock()
            .unwrap()
            .extend(step.aws.into_iter().flat_map(|aws| asked.iter().filter_map(|call| gap(aws, call))));
        None
    });
    Living { scene, made, site, calls, first, gaps }
}

fn without_first(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    scene.world.routes.pop_first();
    scene
}

pub fn paused(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    for api in scene.world.apis.values_mut() {
        let annotations = &mut Arc::make_mut(api).metadata.annotations;
        annotations.get_or_insert_default().insert(PAUSED.into(), "true".into());
    }
    scene
}

/// A route that its owner lets go of, with the annotation.
pub fn abandoned(route: &APIRoute) -> Value {
    let mut abandoned = json!(route);
    abandoned["metadata"]["annotations"] = json!({ABANDON: "true"});
    abandoned
}

impl Living {
    fn serves(&self) -> BTreeSet<Call> {
        self.site.aws.with(|memory| served(memory))
    }

    /// What the RestAPI says.
    fn says(&self) -> String {
        let objects = self.site.server.snapshot();
        let (_, api) = objects.of("restapis").next().unwrap();
        condition(api, "Ready").unwrap()["message"].as_str().unwrap().to_owned()
    }
}

async fn rounds(operator: &mut Operator, seconds: u64) {
    for _ in 0..seconds.div_ceil(10) {
        operator.round(true).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

#[derive(Clone, Copy, PartialEq)]
enum LetGo {
    Abandoned,
    FinalizerRemoved,
}

/// As people undo a wrong prune: what goes without the operator is served on, and had again.
#[rstest::rstest]
#[tokio::test(start_paused = true)]
async fn a_route_that_is_let_go_of_is_served_until_it_is_there_again_or_five_minutes_have_passed(
    #[values(LetGo::Abandoned, LetGo::FinalizerRemoved)] how: LetGo,
    #[values(true, false)] returns: bool,
    #[values(true, false)] restarted: bool,
) {
    let living = living().await;
    let Living { scene, made, site, calls, first, gaps } = &living;
    let mut operator = Operator::start(site);
    let (key, route) = scene.world.routes.first_key_value().unwrap();
    match how {
        LetGo::Abandoned => {
            site.server.apply("apiroutes", abandoned(route));
            rounds(&mut operator, 10).await;
        }
        LetGo::FinalizerRemoved => site.server.unfinalize("apiroutes", key),
    }
    without_first(scene).apply(&site.server);
    rounds(&mut operator, 60).await;
    assert!(site.server.snapshot().of("apiroutes").all(|((_, _, name), _)| *name != key.name));
    assert_eq!(&living.serves(), calls);
    let kept = format!(
        "the API in AWS serves routes that do not exist: {key}; they are kept for 5 minutes, because they may still be applied. What was served before keeps serving."
    );
    assert_eq!(living.says(), kept);
    if restarted {
        operator = Operator::start(site);
    }
    rounds(&mut operator, 200).await;
    assert_eq!((&living.serves(), living.says()), (calls, kept));
    if returns {
        scene.apply(&site.server);
        operator.settle().await.unwrap();
        assert_eq!(difference(&made.aws.essence(), &Moment::of(site).aws.essence()), None);
        assert_eq!(*gaps.lock().unwrap(), BTreeSet::new());
    } else {
        rounds(&mut operator, 320).await;
        assert_eq!(&living.serves(), &(calls - first));
        assert_eq!(living.says(), "1 of 1 routes are served.");
        let others: BTreeSet<String> =
            (calls - first).iter().map(|[_, stage, verb, path]| format!("{verb} {path} of stage {stage}")).collect();
        let gaps = gaps.lock().unwrap();
        assert!(gaps.iter().all(|gap| others.iter().all(|other| !gap.starts_with(other))), "{gaps:?}");
    }
}

/// Somebody's finalizer keeps a route in Kubernetes that was let go of: that makes its time no longer.
#[tokio::test(start_paused = true)]
async fn a_route_that_is_let_go_of_and_held_by_another_has_its_five_minutes() {
    let living = living().await;
    let Living { scene, site, calls, first, .. } = &living;
    let mut operator = Operator::start(site);
    let (key, route) = scene.world.routes.first_key_value().unwrap();
    site.server.apply("apiroutes", abandoned(route));
    site.server.hold("apiroutes", key, "foregroundDeletion");
    without_first(scene).apply(&site.server);
    // Its RestAPI looks first.
    let snapshot = site.server.snapshot();
    operator.see(&snapshot);
    for ((resource, namespace, name), _) in snapshot.of("restapis") {
        operator.reconcile(resource, &Key::new(namespace, name)).await;
    }
    assert_eq!(&living.serves(), calls);
    rounds(&mut operator, 280).await;
    let finalizers = |objects: &Objects| {
        let mut routes = objects.of("apiroutes").filter(|((_, _, name), _)| *name == key.name);
        routes.next().map(|(_, route)| route["metadata"]["finalizers"].clone())
    };
    assert_eq!(finalizers(&site.server.snapshot()), Some(json!(["foregroundDeletion"])));
    assert_eq!(&living.serves(), calls);
    assert!(living.says().starts_with(&format!("the API in AWS serves routes that do not exist: {key}; ")));
    rounds(&mut operator, 60).await;
    assert_eq!(&living.serves(), &(calls - first));
}

/// Its team may be gone with its namespace: nobody waits for it, nor does the RestAPI say that somebody may.
#[tokio::test(start_paused = true)]
async fn a_route_that_is_deleted_while_its_api_is_paused_goes_as_soon_as_the_pause_ends() {
    let living = living().await;
    let Living { scene, site, calls, first, .. } = &living;
    let mut operator = Operator::start(site);
    paused(scene).apply(&site.server);
    rounds(&mut operator, 10).await;
    paused(&without_first(scene)).apply(&site.server);
    rounds(&mut operator, 20).await;
    assert_eq!(site.server.snapshot().of("apiroutes").count(), scene.world.routes.len() - 1);
    assert_eq!(&living.serves(), calls);
    without_first(scene).apply(&site.server);
    rounds(&mut operator, 10).await;
    assert_eq!(&living.serves(), &(calls - first));
    assert_eq!(living.says(), "1 of 1 routes are served.");
}

/// Under the name of a route that was let go of there may be another API's next, which does not hold on to what that one served.
#[tokio::test(start_paused = true)]
async fn a_route_that_comes_back_as_another_api_s_keeps_nothing_of_the_first() {
    let living = living().await;
    let Living { scene, site, calls, first, .. } = &living;
    let mut operator = Operator::start(site);
    let (key, route) = scene.world.routes.first_key_value().unwrap();
    site.server.apply("apiroutes", abandoned(route));
    rounds(&mut operator, 10).await;
    without_first(scene).apply(&site.server);
    rounds(&mut operator, 20).await;
    let mut moved = (**route).clone();
    moved.spec.api_ref.name = "another".into();
    let mut other = without_first(scene);
    other.world.routes.insert(key.clone(), Arc::new(moved));
    other.apply(&site.server);
    rounds(&mut operator, 400).await;
    assert_eq!(site.server.snapshot().of("apiroutes").count(), scene.world.routes.len());
    assert_eq!(&living.serves(), &(calls - first));
    assert_eq!(living.says(), "1 of 1 routes are served.");
}

/// Who takes over looks first what would change, however long: the routes have their time from when the API is the new cluster's.
#[tokio::test(start_paused = true)]
async fn an_api_that_is_taken_over_after_a_pause_waits_for_its_routes_from_then_on() {
    let mut living = living().await;
    let scene = heir(&living.scene);
    let lost = lost(&living.made);
    living.site = Site::new(lost.aws, lost.objects);
    let Living { site, calls, first, .. } = &living;
    paused(&without_first(&scene)).apply(&site.server);
    let mut operator = Operator::start(site);
    rounds(&mut operator, 600).await;
    without_first(&scene).apply(&site.server);
    rounds(&mut operator, 280).await;
    assert_eq!(&living.serves(), calls);
    assert!(living.says().starts_with("the API in AWS serves routes that do not exist: "), "{}", living.says());
    rounds(&mut operator, 60).await;
    assert_eq!(&living.serves(), &(calls - first));
}
