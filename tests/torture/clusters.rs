//! Two clusters of one name with the same manifests, at once in one account: what either has made the other leaves alone, and says so.

use std::time::Duration;

use serde_json::{Value, json};
use stepgate::api::conditions::reasons;
use stepgate_testbed::memory::{ACCOUNT, Memory};

use super::kubernetes::{KINDS, condition, is};
use super::operator::{CLUSTER_UID, Operator, Site};
use super::random::number;
use super::scene::{Scene, add};
use super::tape::{Gate, Racer, race};
use super::{Moment, difference, renames};

const TWIN: &str = "twin";

/// One of each kind; beside the machine with a role of its own, one with a role that is there.
fn scene() -> Scene {
    let mut scene = renames::scene("");
    let account = scene.world.accounts.pop().unwrap();
    let mut account = json!(*account);
    account["spec"]["tenants"][0]["executionRoleArns"] = json!(["arn:aws:iam::*:role/team/*"]);
    account["kind"] = json!("AWSAccount");
    add(&mut scene.world, account);
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
    let role = format!("arn:aws:iam::{ACCOUNT}:role/team/shared");
    add(
        &mut scene.world,
        json!({"kind": "StateMachine", "metadata": {"namespace": "team", "name": "by-arn"},
            "spec": {"type": "EXPRESS", "definition": definition, "executionRole": {"arn": role}}}),
    );
    scene
}

/// What a cluster has in AWS.
fn of(aws: &Memory, uid: &str) -> Value {
    let mut tree = aws.tree()[ACCOUNT].take();
    let is_its = |one: &Value| one["tags"]["stepgate.dev/cluster-uid"] == *uid;
    let mut rooms: Vec<(String, Value)> = Vec::new();
    for (name, room) in tree["iam"].as_object_mut().unwrap().iter_mut().filter(|(_, room)| room.is_object()) {
        rooms.push((name.clone(), room.take()));
    }
    let region = tree["regions"]["us-east-1"].as_object_mut().unwrap();
    rooms
        .extend(region.iter_mut().filter(|(_, room)| room.is_object()).map(|(name, room)| (name.clone(), room.take())));
    for (_, room) in &mut rooms {
        room.as_object_mut().unwrap().retain(|_, one| is_its(one));
    }
    rooms.retain(|(_, room)| room.as_object().is_some_and(|room| !room.is_empty()));
    rooms.into_iter().collect()
}

async fn rounds(operator: &mut Operator, count: usize) {
    for _ in 0..count {
        operator.round(true).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn two_clusters_at_once_leave_each_other_s_alone() {
    for seed in 0..number("RACE_SEEDS", 4) {
        println!("seed {seed}");
        at_once(seed).await;
    }
}

async fn at_once(seed: u64) {
    fastrand::seed(seed);
    let scene = scene();
    let start = Moment::first(&scene);
    let site = Site::new(start.aws, start.objects);
    let twin = site.beside(TWIN);
    scene.apply(&site.server);
    scene.apply(&twin.server);
    let (mut one, mut other) = (Operator::gated(&site, Gate::Turn), Operator::gated(&twin, Gate::Turn));
    let processes: Vec<Racer<'_, ()>> = vec![Box::pin(rounds(&mut one, 8)), Box::pin(rounds(&mut other, 8))];
    race(seed, processes).await;

    // What each has it keeps, and nobody writes on and on.
    let tree = || site.aws.with(|memory| memory.tree());
    let before = tree();
    let [its, twins] = [CLUSTER_UID, TWIN].map(|uid| site.aws.with(|memory| of(memory, uid)));
    let processes: Vec<Racer<'_, ()>> = vec![Box::pin(rounds(&mut one, 4)), Box::pin(rounds(&mut other, 4))];
    race(seed, processes).await;
    assert_eq!(difference(&before, &tree()), None, "it writes on and on");

    // Each object is Ready in one of them at most, and who can't have it says so.
    let clusters = [site.server.snapshot(), twin.server.snapshot()];
    for kind in ["statemachines", "restapis", "usageplans", "apidomains"] {
        assert!(KINDS.contains(&kind));
        for (id, _) in clusters[0].of(kind) {
            let both = [0, 1].map(|at| clusters[at].by_id(id).unwrap().clone());
            let ready = both.iter().filter(|object| is(object, "Ready")).count();
            assert!(ready <= 1, "{id:?} is Ready in {ready} clusters");
            // An API may just have nothing to serve.
            for object in both.iter().filter(|object| !is(object, "Ready") && kind != "restapis") {
                // By its own, or of what it refers to.
                let says = condition(object, "Ready").unwrap().to_string();
                let waits = [reasons::OWNERSHIP_CONFLICT, reasons::WAITING_FOR_REFERENCE];
                assert!(waits.iter().any(|reason| says.contains(*reason)), "{id:?}: {says}");
            }
        }
    }

    // One goes with all that it has; the other has what it had, and gets the rest.
    scene.gone().apply(&twin.server);
    rounds(&mut other, 4).await;
    assert!(!twin.server.snapshot().any_is_terminating(), "it does not end");
    let left = site.aws.with(|memory| of(memory, TWIN));
    assert_eq!(left, json!({}), "of {twins}");
    assert_eq!(difference(&its, &site.aws.with(|memory| of(memory, CLUSTER_UID))), None);
    one.settle().await.unwrap();
    let all = site.server.snapshot();
    for (id, object) in KINDS.iter().flat_map(|kind| all.of(kind)) {
        assert!(is(object, "Ready"), "{id:?}: {}", object["status"]["conditions"]);
    }
}
