//! A bug of the operator's at one object, under the operator's whole loop.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use stepgate::aws::Sessions;
use stepgate::controller::{Clock, Config, run};
use stepgate::identity::Cluster;
use tokio_util::sync::CancellationToken;

use super::Moment;
use super::kubernetes::{KINDS, Objects, condition, is};
use super::operator::{CLUSTER_UID, Site};
use super::scene::Scene;

/// Machines and APIs look at the clock; accounts do not.
#[tokio::test(start_paused = true)]
async fn a_panic_at_one_object_is_told_and_stops_nothing_else() {
    let scene = Scene::example("root-get");
    let start = Moment::first(&scene);
    let site = Site::new(start.aws, start.objects);
    scene.apply(&site.server);
    let broken = Arc::new(AtomicBool::new(true));
    let breaks = Arc::clone(&broken);
    let clock = Clock::of(move || {
        assert!(!breaks.load(Ordering::Relaxed), "no clock");
        Timestamp::now()
    });
    let sessions = Sessions::with_http_client(site.aws.http_client(), Arc::new(|_, _, _| {}));
    let config = Config { resync_period: Duration::from_secs(600), propagation_wait: Duration::from_secs(10), clock };
    let cluster = Cluster { name: "test".into(), uid: CLUSTER_UID.into() };
    let client = site.server.client(&site.tape, None);
    let operator = run(client, cluster, config, Arc::new(sessions), Arc::default(), CancellationToken::new());
    let ready = |objects: &Objects, kind: &str| objects.of(kind).all(|(_, object)| is(object, "Ready"));
    let tells = |objects: &Objects, kind: &str| {
        let (_, object) = objects.of(kind).next().unwrap();
        condition(object, "Ready").is_some_and(|says| {
            says["reason"] == "Retrying" && says["message"].as_str().unwrap().contains("bug of stepgate")
        })
    };
    let looks = async {
        eventually(&site, "the bug is told, and the account is Ready", 60, |objects| {
            ready(objects, "awsaccounts") && ["statemachines", "restapis"].iter().all(|kind| tells(objects, kind))
        })
        .await;
        broken.store(false, Ordering::Relaxed);
        eventually(&site, "all is Ready again", 600, |objects| KINDS.iter().all(|kind| ready(objects, kind))).await;
    };
    tokio::select! {
        () = operator => panic!("the operator ends"),
        () = looks => {}
    }
}

/// Polls, on the virtual clock.
async fn eventually(site: &Site, what: &str, seconds: u64, holds: impl Fn(&Objects) -> bool) {
    for _ in 0..seconds {
        if holds(&site.server.snapshot()) {
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("not within {seconds} s: {what}");
}
