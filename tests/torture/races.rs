//! Two operators at once: a lease is no fence. Their calls are interleaved as a seed says, one of them may work on caches of
//! a while ago; afterwards one is left, and all is as if there had been one from the beginning.

use std::ops::Range;

use super::neighbours::Neighbours;
use super::operator::{Operator, Site, nothing_is_left};
use super::scene::Scene;
use super::tape::race;
use super::{DOMAINS, Moment, drive};

/// Two operators carry out the manifests, then one looks after it.
pub async fn raced(from: &Moment, scene: &Scene, seed: u64, stale: bool) -> Result<Moment, String> {
    fastrand::seed(seed);
    let site = Site::new(from.aws.clone(), from.objects.clone());
    let (mut first, mut second) = (Operator::start(&site, true), Operator::start(&site, true));
    if stale {
        // It saw the cluster before the change.
        second.see(&site.server.snapshot());
    }
    scene.apply(&site.server);
    let rounds = async |operator: &mut Operator, fresh: bool| {
        for _ in 0..4 {
            operator.round(fresh).await;
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
    };
    race(seed, vec![Box::pin(rounds(&mut first, true)), Box::pin(rounds(&mut second, !stale))]).await;
    Operator::start(&site, false).settle().await?;
    nothing_is_left(&site).await?;
    Ok(Moment::of(&site))
}

fn untouched(neighbours: &Neighbours, moment: &Moment) -> Option<String> {
    Some(neighbours.touched(&moment.aws).join(", ")).filter(|text| !text.is_empty())
}

#[rstest::rstest]
#[case::client_names_machine("client-names-machine")]
#[case::ec2_sync_async("ec2-sync-async")]
#[case::hello_world("hello-world")]
#[case::item_api("item-api")]
#[case::orders_api("orders-api")]
#[case::potato("potato")]
#[case::reddit_api("reddit-api")]
#[case::root_get("root-get")]
#[case::stage_variables("stage-variables")]
#[case::domains(DOMAINS)]
#[case::usage_plans("docs/usage-plans.md")]
#[tokio::test(start_paused = true)]
async fn two_operators_at_once_do_what_one_does(#[case] example: &str) {
    let scene = Scene::example(example);
    let seeds = std::env::var("RACE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1);
    let wrong = races(&scene, &scene.changed(), 0..seeds).await;
    println!("{example}: {} races", seeds * 6);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), seeds * 6, wrong.join("\n"));
}

/// Made, changed and deleted by two operators at once, as each seed says: what did not end well.
pub async fn races(scene: &Scene, changed: &Scene, seeds: Range<u64>) -> Vec<String> {
    let gone = changed.gone();
    let (start, neighbours) = Moment::first(scene);
    let made = drive(&start, scene, None).await.unwrap();
    let after = drive(&made, changed, None).await.unwrap();
    let end = drive(&after, &gone, None).await.unwrap();
    let mut wrong = Vec::new();
    for seed in seeds {
        for (name, from, scene, end) in
            [("make", &start, scene, &made), ("change", &made, changed, &after), ("delete", &after, &gone, &end)]
        {
            for stale in [false, true] {
                let what = match raced(from, scene, seed, stale).await {
                    Err(error) => Some(error),
                    Ok(raced) => end.difference_now(&raced).or_else(|| untouched(&neighbours, &raced)),
                };
                wrong.extend(what.map(|what| format!("{name}, seed {seed}, stale {stale}: {what}")));
            }
        }
    }
    wrong
}

#[tokio::test(start_paused = true)]
async fn a_seed_replays_exactly() {
    let scene = Scene::example("potato");
    let (start, _) = Moment::first(&scene);
    let mut runs = Vec::new();
    for _ in 0..2 {
        let raced = raced(&start, &scene, 3, false).await;
        runs.push(raced.map(|moment| (moment.aws.counts().clone(), moment.aws)));
    }
    assert_eq!(runs[0], runs[1]);
}
