//! Two operators at once: a lease is no fence. Their calls are interleaved as a seed says, one of them may work on caches of
//! a while ago; or one is paused before a call that writes, each once, and goes on with what it knew when the other has done all that
//! people want by now. Afterwards one is left, and all is as if there had been one from the beginning. And one operator at all of its
//! objects at once, as its work queues are.

use std::ops::Range;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{self, Either};
use stepgate::identity::Key;
use stepgate_testbed::memory::ACCOUNT;
use tokio::time::Instant;

use super::coverage::everything;
use super::kubernetes::KINDS;
use super::operator::{Operator, Site, nothing_is_left};
use super::scene::Scene;
use super::tape::{Gate, Racer, Sleep, Step, Wrong, race};
use super::{DOMAINS, Found, Moment, drive, unconverged};

/// Two operators carry out the manifests, then one looks after it.
pub async fn raced(from: &Moment, scene: &Scene, seed: u64, stale: bool) -> Result<Moment, String> {
    fastrand::seed(seed);
    let site = Site::new(from.aws.clone(), from.objects.clone());
    let (mut first, mut second) = (Operator::gated(&site, Gate::Turn), Operator::gated(&site, Gate::Turn));
    if stale {
        // It saw the cluster before the change.
        second.see(&site.server.snapshot());
    }
    scene.apply(&site.server);
    let rounds = async |operator: &mut Operator, fresh: bool| {
        for _ in 0..4 {
            operator.round(fresh).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    race(seed, vec![Box::pin(rounds(&mut first, true)), Box::pin(rounds(&mut second, !stale))]).await;
    Operator::start(&site).settle().await?;
    nothing_is_left(&site).await?;
    Ok(Moment::of(&site))
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

/// One operator reconciles all objects at once, and goes on with what it keeps in memory.
async fn at_once(from: &Moment, scene: &Scene, seed: u64) -> Result<Moment, String> {
    fastrand::seed(seed);
    let site = Site::new(from.aws.clone(), from.objects.clone());
    scene.apply(&site.server);
    let mut operator = Operator::gated(&site, Gate::Turn);
    for round in 0..4 {
        let now = site.server.snapshot();
        operator.see(&now);
        let all = KINDS.iter().flat_map(|resource| now.of(resource));
        let reconciles = all.map(|((resource, namespace, name), _)| -> Racer<'_, ()> {
            let key = Key::new(namespace, name);
            let operator = &operator;
            Box::pin(async move { operator.reconcile(resource, &key).await })
        });
        race(seed + round, reconciles.collect()).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    operator.settle().await?;
    nothing_is_left(&site).await?;
    Ok(Moment::of(&site))
}

#[rstest::rstest]
#[case::ec2_sync_async("ec2-sync-async")]
#[case::orders_api("orders-api")]
#[case::stage_variables("stage-variables")]
#[case::domains(DOMAINS)]
#[case::usage_plans("docs/usage-plans.md")]
#[case::everything("everything")]
#[tokio::test(start_paused = true)]
async fn objects_at_once_end_as_one_by_one(#[case] name: &str) {
    let scene = if name == "everything" { everything() } else { Scene::example(name) };
    let changed = scene.changed();
    let seeds = std::env::var("RACE_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(2);
    let (mut wrong, mut from) = (Vec::new(), Moment::first(&scene));
    for (phase, scene) in [("make", &scene), ("change", &changed), ("delete", &changed.gone())] {
        let end = drive(&from, scene, None).await.unwrap();
        for seed in 0..seeds {
            let what = match at_once(&from, scene, seed).await {
                Err(error) => Some(error),
                Ok(other) => end.difference_now(&other),
            };
            wrong.extend(what.map(|what| format!("{phase}, seed {seed}: {what}")));
        }
        from = end;
    }
    println!("{name}: {} times at once", seeds * 3);
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), seeds * 3, wrong.join("\n"));
}

/// Made, changed and deleted by two operators at once, as each seed says: what did not end well.
pub async fn races(scene: &Scene, changed: &Scene, seeds: Range<u64>) -> Vec<String> {
    let gone = changed.gone();
    let start = Moment::first(scene);
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
                    Ok(raced) => end.difference_now(&raced),
                };
                wrong.extend(what.map(|what| format!("{name}, seed {seed}, stale {stale}: {what}")));
            }
        }
    }
    wrong
}

/// So long a process is paused: what it signed before is still taken then.
const PAUSE: Duration = Duration::from_mins(4);

/// A process carries out the manifests and is paused before a call that writes; another one does what people want then; the first one goes on
/// with what it knew, or with what goes wrong then. `None` where it does not make so many.
async fn overtaken(
    from: &Moment,
    scene: &Scene,
    then: &Scene,
    writes: usize,
    wrong: impl FnMut(&Step<'_>) -> Option<Wrong> + Send + 'static,
) -> Result<Option<Moment>, String> {
    let site = Site::new(from.aws.clone(), from.objects.clone());
    site.tape.hook(wrong);
    scene.apply(&site.server);
    let sleep = Sleep::after(writes, PAUSE);
    let mut first = Operator::gated(&site, Gate::Sleep(Arc::clone(&sleep)));
    let mut second = Operator::start(&site);
    let begins = pin!(first.settle());
    let begins = match future::select(begins, pin!(sleep.begun())).await {
        Either::Left(_) => return Ok(None),
        Either::Right(((), begins)) => begins,
    };
    then.apply(&site.server);
    // As long as there are two, each may find what the other does.
    let _ = future::join(second.settle(), begins).await;
    Operator::start(&site).settle().await?;
    nothing_is_left(&site).await?;
    Ok(Some(Moment::of(&site)))
}

impl Found {
    /// Before each write, or one of so many, on the way from a moment to what the manifests ask.
    async fn overtaken(
        &mut self,
        each: usize,
        name: &str,
        from: &Moment,
        scene: &Scene,
        (then, wanted, end): (&str, &Scene, &Moment),
    ) {
        for writes in (0..).step_by(each) {
            let at = format!("{name}, paused before write {}, and {then} then", writes + 1);
            match overtaken(from, scene, wanted, writes, |_| None).await {
                Ok(None) => return,
                Ok(Some(other)) => self.ends(&at, end, &other, wanted, Moment::failure).await,
                Err(error) => self.note(&at, Some(unconverged(error))),
            }
            self.points += 1;
        }
    }
}

#[rstest::rstest]
#[case::hello_world("hello-world", 1)]
#[case::root_get("root-get", 1)]
#[case::authorizers("docs/authorization.md", 1)]
#[case::domains(DOMAINS, 1)]
#[case::usage_plans("docs/usage-plans.md", 1)]
// Of what is like these some, unless `CRASH_ALL` is set.
#[case::client_names_machine("client-names-machine", 11)]
#[case::ec2_sync_async("ec2-sync-async", 11)]
#[case::item_api("item-api", 11)]
#[case::orders_api("orders-api", 61)]
#[case::potato("potato", 11)]
#[case::reddit_api("reddit-api", 331)]
#[case::stage_variables("stage-variables", 11)]
#[tokio::test(start_paused = true)]
async fn whoever_is_overtaken_at_any_write_does_no_harm(#[case] example: &str, #[case] each: usize) {
    let each = if std::env::var_os("CRASH_ALL").is_some() { 1 } else { each };
    let scene = Scene::example(example);
    let (changed, gone) = (scene.changed(), scene.changed().gone());
    let start = Moment::first(&scene);
    let made = drive(&start, &scene, None).await.unwrap();
    let after = drive(&made, &changed, None).await.unwrap();
    let end = drive(&after, &gone, None).await.unwrap();
    let mut found = Found::default();
    for (name, from, scene, then) in [
        ("make", &start, &scene, ("the same", &scene, &made)),
        ("make", &start, &scene, ("change", &changed, &after)),
        ("make", &start, &scene, ("delete", &gone, &end)),
        ("change", &made, &changed, ("the same", &changed, &after)),
        ("change", &made, &changed, ("delete", &gone, &end)),
        ("delete", &after, &gone, ("the same", &gone, &end)),
    ] {
        found.overtaken(each, name, from, scene, then).await;
    }
    found.end(example);
}

/// Nothing wakes an object that is gone: what AWS does not remove at once is tried until it does.
#[tokio::test(start_paused = true)]
async fn whoever_is_overtaken_tries_until_what_it_made_is_gone() {
    let scene = Scene::example("hello-world");
    let gone = scene.gone();
    let start = Moment::first(&scene);
    let end = drive(&drive(&start, &scene, None).await.unwrap(), &gone, None).await.unwrap();
    let mut found = Found::default();
    let refusals = Arc::new(AtomicUsize::default());
    for writes in 0.. {
        let (begun, count) = (Instant::now(), Arc::clone(&refusals));
        let mut here = 0;
        let wrong = move |step: &Step<'_>| {
            let refuses = begun.elapsed() > PAUSE && step.what.starts_with("Delete") && here < 12;
            here += usize::from(refuses);
            count.fetch_add(usize::from(refuses), Ordering::Relaxed);
            refuses.then_some(Wrong::Broken)
        };
        let at = format!("paused before write {}", writes + 1);
        match overtaken(&start, &scene, &gone, writes, wrong).await {
            Ok(None) => break,
            Ok(Some(other)) => found.ends(&at, &end, &other, &gone, Moment::failure).await,
            Err(error) => found.note(&at, Some(unconverged(error))),
        }
        found.points += 1;
    }
    found.end("hello-world");
    assert!(refusals.load(Ordering::Relaxed) >= 12, "nothing was made that had to go");
}

/// Who takes the finalizer off an object lets go of it, also while a process changes what it has in AWS.
#[rstest::rstest]
#[case::machine("statemachines", "machine", "UpdateStateMachine", "machines")]
#[case::api("restapis", "endpoint", "CreateDeployment", "apis")]
#[tokio::test(start_paused = true)]
async fn what_somebody_let_go_of_meanwhile_stays(
    #[case] resource: &'static str,
    #[case] name: &str,
    #[case] operation: &'static str,
    #[case] room: &str,
) {
    let scene = Scene::example("root-get");
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let site = Site::new(made.aws.clone(), made.objects.clone());
    let (server, key) = (site.server.clone(), Key::new("root-get", name));
    site.tape.hook(move |step| {
        if step.what == operation {
            server.lose(resource, &key);
        }
        None
    });
    scene.changed().apply(&site.server);
    let mut operator = Operator::start(&site);
    for _ in 0..4 {
        operator.round(true).await;
    }
    let after = Moment::of(&site);
    assert_eq!(after.objects.of(resource).count(), 0, "it was never changed");
    let of = |moment: &Moment| moment.aws.tree()[ACCOUNT]["regions"]["us-east-1"][room].as_object().unwrap().len();
    assert_eq!((of(&made), of(&after)), (2, 2), "beside the neighbour's");
    let roles = |moment: &Moment| moment.aws.tree()[ACCOUNT]["iam"]["roles"].as_object().unwrap().len();
    assert_eq!(roles(&made), roles(&after));
}

#[tokio::test(start_paused = true)]
async fn a_seed_replays_exactly() {
    let scene = Scene::example("potato");
    let start = Moment::first(&scene);
    let mut runs = Vec::new();
    for _ in 0..2 {
        let raced = raced(&start, &scene, 3, false).await;
        runs.push(raced.map(|moment| (moment.aws.counts().clone(), moment.aws)));
    }
    assert_eq!(runs[0], runs[1]);
}
