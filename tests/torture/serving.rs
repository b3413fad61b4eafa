//! What a stage serves before a change and after it, it serves all the while, with a role that may do it and that API Gateway can assume by
//! then: at each effect, and wherever a process died before.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use stepgate::identity::Key;
use stepgate_testbed::memory::{ACCOUNT, Memory};

use super::operator::{CLUSTER_UID, Site};
use super::scene::Scene;
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
    let (changed, role_propagation) = match change {
        Change::Targets => (changed(&scene), 10),
        // A route under another name is another one: where it has a role of its own, it begins when that can be assumed.
        Change::Names => (renamed(&scene), 0),
    };
    let mut start = Moment::first(&scene);
    start.aws.settings.role_propagation = Duration::from_secs(role_propagation);
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
