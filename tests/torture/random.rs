//! Random lives of random manifests: people edit, AWS and Kubernetes fail, somebody changes AWS by hand, the operator dies and
//! is started again. Whatever happened, in the end everything is as for one who applied the last manifests into an empty
//! account, and after the deletion of all as for one who never did. A failure shrinks to the least that fails; a seed replays
//! exactly.
//!
//! `make torture SECONDS=n SEED=s` runs as long as one likes: lives, and for the same time the crashes of `generated.rs`.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::json;
use stepgate_testbed::memory::{ACCOUNT, Memory, Settings};

use super::neighbours::Neighbours;
use super::operator::{Operator, Site, nothing_is_left};
use super::scene::Scene;
use super::specs::{Edit, Spec, edit, spec};
use super::tape::{Gate, Racer, Wrong, race};
use super::{Failure, Kind, Moment, difference, drift, generated, kubernetes, takeover, unconverged};

/// One thing that happens.
#[derive(Clone, Debug)]
enum Act {
    Edit(Edit),
    /// Somebody changes AWS by hand: the property of this number.
    Drift(prop::sample::Index),
    /// The calls after the next so many go wrong.
    Trouble {
        wrong: Wrong,
        after: usize,
        calls: usize,
    },
    /// The operator dies at the effect after the next so many.
    Death {
        after: usize,
        before: bool,
    },
    /// It works on caches of a while ago.
    Stale,
    /// Another one works at the same time: a lease is no fence.
    Twin {
        dice: u64,
    },
    /// The cluster is lost when all was well, and another one of its name takes over what it made.
    Lost,
}

fn act() -> impl Strategy<Value = Act> {
    let wrong = prop::sample::select(vec![
        Wrong::Lost,
        Wrong::Refused,
        Wrong::Throttled,
        Wrong::Broken,
        Wrong::Busy,
        Wrong::Unseen,
    ]);
    prop_oneof![
        17 => edit().prop_map(Act::Edit),
        3 => any::<prop::sample::Index>().prop_map(Act::Drift),
        4 => (wrong, 0..40usize, 1..8usize).prop_map(|(wrong, after, calls)| Act::Trouble { wrong, after, calls }),
        4 => (0..12usize, any::<bool>()).prop_map(|(after, before)| Act::Death { after, before }),
        2 => Just(Act::Stale),
        2 => any::<u64>().prop_map(|dice| Act::Twin { dice }),
        1 => Just(Act::Lost),
    ]
}

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    scenarios: usize,
    crash_points: usize,
    faults: usize,
}

/// What goes wrong with the next calls.
#[derive(Default)]
struct Troubles {
    /// Calls to come, and how many of them.
    trouble: Option<(usize, usize, Wrong)>,
    /// Effects to come.
    death: Option<(usize, Wrong)>,
    faults: usize,
}

impl Troubles {
    fn of(&mut self, effect: usize) -> Option<Wrong> {
        if effect > 0
            && let Some((after, wrong)) = self.death
        {
            self.death = after.checked_sub(1).map(|after| (after, wrong));
            if after == 0 {
                return Some(wrong);
            }
        }
        let (after, calls, wrong) = self.trouble?;
        self.trouble = match (after, calls) {
            (0, 0) => None,
            (0, calls) => Some((0, calls - 1, wrong)),
            (after, calls) => Some((after - 1, calls, wrong)),
        };
        let now = after == 0 && calls > 0;
        self.faults += usize::from(now);
        now.then_some(wrong)
    }
}

/// A life: manifests, and what happens to them.
struct Life {
    site: Site,
    operator: Operator,
    troubles: Arc<Mutex<Troubles>>,
    deaths: usize,
}

impl Life {
    fn begin(start: &Moment) -> Self {
        let site = Site::new(start.aws.clone(), start.objects.clone());
        let troubles: Arc<Mutex<Troubles>> = Arc::default();
        let asked = Arc::clone(&troubles);
        site.tape.hook(move |step| asked.lock().unwrap().of(step.effect));
        Self { operator: Self::process(&site), site, troubles, deaths: 0 }
    }

    /// One that takes turns with another, if there is one.
    fn process(site: &Site) -> Operator {
        Operator::gated(site, Gate::Turn)
    }

    /// What each process does, in an order that the dice say.
    async fn works(&mut self, act: &Act) {
        let mut twin = Self::process(&self.site);
        let mut processes: Vec<Racer<'_, ()>> = vec![Box::pin(self.operator.round(!matches!(act, Act::Stale)))];
        let mut dice = 0;
        if let Act::Twin { dice: thrown } = act {
            dice = *thrown;
            processes.push(Box::pin(twin.round(true)));
        }
        let died = tokio::select! {
            biased;
            () = self.site.tape.died() => true,
            _ = race(dice, processes) => false,
        };
        if died {
            self.deaths += 1;
            self.site.tape.revive(&self.site.aws);
            self.operator = Self::process(&self.site);
        }
        // A pod starts in seconds, and so does the next try.
        tokio::time::sleep(Duration::from_secs(5)).await;
    }

    /// Once all is as these manifests say, the cluster is lost; whether it came to that.
    async fn loses_cluster(&mut self, scene: &Scene) -> bool {
        let faults = {
            let mut troubles = self.troubles.lock().unwrap();
            (troubles.trouble, troubles.death) = (None, None);
            troubles.faults
        };
        scene.apply(&self.site.server);
        let settled = Operator::start(&self.site).settle().await.is_ok();
        let now = Moment::of(&self.site);
        if !settled || now.objects.any_is_terminating() {
            return false;
        }
        *self = Self { deaths: self.deaths, ..Self::begin(&takeover::lost(&now)) };
        self.troubles.lock().unwrap().faults = faults;
        true
    }

    fn oldest(&self) -> Option<i64> {
        let objects = self.site.server.snapshot();
        let api = objects.of("restapis").next()?.1.clone();
        api.pointer("/status/revisions/0")?.as_i64()
    }

    async fn ends_as(&mut self, scene: &Scene, fresh: &Moment) -> Result<(), Failure> {
        self.operator = Operator::start(&self.site);
        let mut settled = Ok(());
        for _ in 0..3 {
            self.site.server.resume();
            scene.apply(&self.site.server);
            settled = self.operator.settle().await;
            // What goes and still serves, people call back as its condition says.
            if settled.is_err() && self.site.server.call_back(scene.world.machines.keys()) {
                settled = self.operator.settle().await;
            }
            // What was still going when it was applied again is applied once more; nothing else is forgiven.
            let before = self.site.server.snapshot();
            scene.apply(&self.site.server);
            let now = self.site.server.snapshot();
            if before.version() == now.version() && !now.any_is_terminating() {
                break;
            }
        }
        settled.map_err(unconverged)?;
        nothing_is_left(&self.site).await.map_err(unconverged)?;
        let mut end = Moment::of(&self.site);
        if scene.world.accounts.iter().any(|account| !account.spec.takeover_from.is_empty()) {
            end = takeover::without_lost_revisions(end);
        }
        fresh.compared(&end, scene, Moment::failure).await.map_or(Ok(()), Err)
    }
}

/// A life until it is over, the manifests in the end, and what it began with. `wrong` says after each act what is wrong with AWS.
async fn live(
    spec: &Spec,
    acts: &[Act],
    wrong: impl Fn(&Memory) -> Option<Failure>,
) -> Result<(Life, Spec, Moment), Failure> {
    let mut spec = spec.clone();
    let mut aws = Memory::new(7, Settings::default());
    spec.scene(None).prepare(&mut aws);
    Neighbours::move_in(&mut aws, &spec.scene(None));
    aws.settings = Settings::lifelike();
    aws.advance(Duration::from_secs(60));
    let start = Moment { aws, objects: kubernetes::Objects::default() };
    let mut life = Life::begin(&start);
    for act in acts {
        if let Act::Edit(edit) = act {
            spec.edit(edit);
        }
        if matches!(act, Act::Lost) && spec.is_carried_out() && life.loses_cluster(&spec.scene(life.oldest())).await {
            spec.heir = true;
            // What goes before it was ever looked at stays in AWS: it is the lost cluster's.
            for _ in 0..LOOKS {
                spec.scene(None).apply(&life.site.server);
                life.works(act).await;
            }
        }
        spec.scene(life.oldest()).apply(&life.site.server);
        {
            let mut troubles = life.troubles.lock().unwrap();
            match act {
                Act::Trouble { wrong, after, calls } => troubles.trouble = Some((*after, *calls, *wrong)),
                Act::Death { after, before } => {
                    let wrong = if *before { Wrong::DeadBefore } else { Wrong::DeadAfter };
                    troubles.death = Some((*after, wrong));
                }
                _ => {}
            }
        }
        if let Act::Drift(index) = act {
            life.site.aws.with(|memory| drift::by_hand(memory, *index));
        }
        life.works(act).await;
        if let Some(failure) = life.site.aws.with(|memory| wrong(memory)) {
            return Err(failure);
        }
    }
    Ok((life, spec, start))
}

/// Lives one life; answers with AWS in the end, or with what is wrong with it.
async fn lived(spec: &Spec, acts: &[Act], tally: &Mutex<Tally>) -> Result<Memory, Failure> {
    let (mut life, spec, start) = live(spec, acts, |_| None).await?;
    {
        let troubles = life.troubles.lock().unwrap();
        let mut tally = tally.lock().unwrap();
        tally.scenarios += 1;
        tally.crash_points += life.deaths;
        tally.faults += troubles.faults;
    }
    life.site.tape.calm();
    let last = spec.released().scene(None);
    let mut anew = Life::begin(&start);
    last.apply(&anew.site.server);
    anew.operator.settle().await.map_err(|text| (Kind::Unconverged, format!("also fresh: {text}")))?;
    life.ends_as(&last, &Moment::of(&anew.site)).await?;
    life.site.untouched().map_err(unconverged)?;
    last.gone().apply(&life.site.server);
    life.operator.settle().await.map_err(|text| (Kind::Unconverged, format!("deletion: {text}")))?;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let left = life.site.aws.with(|memory| difference(&start.aws.essence(), &memory.essence()));
    life.site.untouched().map_err(unconverged)?;
    match left {
        Some(left) => Err((Kind::Orphans, format!("deletion leaves {left}"))),
        None => Ok(life.site.aws.with(|memory| memory.clone())),
    }
}

/// One case by its seed, shrunk to the least that fails.
pub fn by_seed<S: Strategy<Value: Debug>>(
    seed: u64,
    cases: &S,
    test: impl AsyncFn(&S::Value) -> Result<(), Failure>,
) -> Result<(), Failure> {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config {
        cases: 1,
        failure_persistence: None,
        max_shrink_iters: 300,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let kind = Mutex::new(Kind::Unconverged);
    let result = runner.run(cases, |case| {
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(test(&case)).map_err(|(found, text)| {
            *kind.lock().unwrap() = found;
            println!("seed {seed}: {found:?}: {text}");
            TestCaseError::fail(text)
        })
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, case)) => Err((*kind.lock().unwrap(), format!("seed {seed}: {why}\n{case:#?}"))),
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

/// What an environment variable says.
pub fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

fn lives() -> impl Strategy<Value = (Spec, Vec<Act>)> {
    (spec(3), prop::collection::vec(act(), 0..16))
}

#[test]
fn a_seed_replays_exactly() {
    for seed in [3, 4] {
        let ends = [(); 2].map(|()| {
            let end = Mutex::new(None);
            let lived = by_seed(seed, &lives(), async |(spec, acts)| {
                *end.lock().unwrap() = Some(lived(spec, acts, &Mutex::default()).await?);
                Ok(())
            });
            lived.unwrap();
            end.into_inner().unwrap().unwrap()
        });
        assert!(ends[0].total().done > 100, "{:?}", ends[0].total());
        // With its clock, its dice, and how often each operation was called.
        assert!(ends[0] == ends[1], "{:?}", difference(&ends[0].tree(), &ends[1].tree()));
    }
}

/// By a rule that is none: no machines ever share a role.
#[test]
fn a_failure_shrinks_to_the_least_that_fails_and_its_seed_replays_it() {
    const SEED: u64 = 6;
    let wrong = |memory: &Memory| {
        let shared = memory.account(ACCOUNT)?.iam.roles.keys().find(|name| name.starts_with("stepgate-exec-team-"))?;
        Some(unconverged(format!("{shared} is shared")))
    };
    // What people do shrinks first, so that what remains is tried in less time.
    let lives = (prop::collection::vec(edit().prop_map(Act::Edit), 0..16), spec(3));
    let failures = [(); 2].map(|()| {
        let failing = Mutex::new(Vec::new());
        let failure = by_seed(SEED, &lives, async |(edits, spec)| {
            let failure = live(spec, edits, wrong).await.err();
            failing.lock().unwrap().extend(failure.is_some().then_some(edits.len()));
            failure.map_or(Ok(()), Err)
        });
        (failing.into_inner().unwrap(), failure.unwrap_err())
    });
    let [(edits, (_, text)), again] = &failures;
    println!("of {} edits there are left: {text}", edits[0]);
    // It is the second look at the manifests that makes a role.
    assert!(edits[0] > 10 && edits[edits.len() - 1] == 2, "{edits:?} edits");
    assert_eq!(failures[0], *again);
}

/// How often a new cluster looks at everything before people go on.
const LOOKS: usize = 3;

/// So many seeds where no time is given.
const LIVES: u64 = 8;

#[test]
fn it_ends_as_if_nothing_had_happened() {
    let seed = number("TORTURE_SEED", 1);
    let seconds = std::env::var("TORTURE_SECONDS").ok().and_then(|text| text.parse().ok());
    let until = seconds.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let tally = Mutex::new(Tally::default());
    let lives = lives();
    let mut failures: Vec<Failure> = Vec::new();
    // Without a time a few lives, the same for every machine. Else each has half of it: the next seed, and how long those before took.
    let (mut life, mut crash) = ((seed, Duration::ZERO), (seed, Duration::ZERO));
    while failures.len() < 5 && until.map_or(life.0 < seed + LIVES, |until| Instant::now() < until) {
        let lives_on = until.is_none() || life.1 <= crash.1;
        let (next, took) = if lives_on { &mut life } else { &mut crash };
        let (this, begun) = (*next, Instant::now());
        let result = match lives_on {
            true => by_seed(this, &lives, async |(spec, acts)| lived(spec, acts, &tally).await.map(drop)),
            false => by_seed(this, &generated::cases(this), async |case| {
                let found = generated::crashed_until(case, this, until.unwrap_or(begun)).await;
                let mut tally = tally.lock().unwrap();
                tally.scenarios += 1;
                tally.crash_points += found.points;
                found.wrong.into_iter().next().map_or(Ok(()), Err)
            }),
        };
        if let Err(failure) = result {
            println!("{:?}: {}", failure.0, failure.1);
            failures.push(failure);
        }
        *next += 1;
        *took += begun.elapsed();
    }
    let Tally { scenarios, crash_points, faults } = *tally.lock().unwrap();
    let count = |kind: Kind| failures.iter().filter(|(found, _)| *found == kind).count();
    let line = json!({
        "scenarios": scenarios, "crash_points": crash_points, "faults": faults,
        "orphans": count(Kind::Orphans), "duplicates": count(Kind::Duplicates),
        "foreign_touched": count(Kind::ForeignTouched), "unconverged": count(Kind::Unconverged), "seed": seed,
    });
    println!("seeds {seed} to {} of lives, to {} of crashes", life.0 - 1, crash.0 - 1);
    println!("{line}");
    if let Some(path) = std::env::var_os("TORTURE_REPORT") {
        std::fs::write(path, format!("{line}\n")).unwrap();
    }
    assert!(failures.is_empty(), "{} of {scenarios} ended badly; the seeds are above", failures.len());
}
