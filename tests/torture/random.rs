//! Random manifests, and random lives of them: people edit, AWS and Kubernetes fail, somebody changes AWS by hand, the
//! operator dies and is started again. Whatever happened, in the end everything is as for one who applied the last manifests
//! into an empty account, and after the deletion of all as for one who never did. A failure shrinks to the least that fails;
//! a seed replays exactly.
//!
//! `make torture SECONDS=n SEED=s` runs as long as one likes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};
use serde_json::{Value, json};
use stepgate::identity::Cluster;
use stepgate::world::World;
use stepgate_testbed::memory::{Memory, Settings};

use super::around::{Around, Change, around, change};
use super::neighbours::Neighbours;
use super::operator::{CLUSTER_UID, Operator, Site};
use super::scene::{Scene, add};
use super::tape::Wrong;
use super::{Moment, difference, drift, kubernetes};

const PATHS: [&str; 6] = ["/", "/a", "/a/{id}", "/a/{id}/x", "/b", "/c/{proxy+}"];
const VERBS: [&str; 3] = ["GET", "POST", "DELETE"];
const STAGES: [&str; 3] = ["dev", "test", "prod"];

/// The manifests of a team: machines, an API with its stages, routes, and what is around it.
#[derive(Clone, Debug)]
struct Spec {
    around: Around,
    machines: Vec<Machine>,
    stages: BTreeMap<usize, Stage>,
    routes: BTreeMap<(usize, usize), Route>,
    history: i32,
    paused: bool,
    reports: bool,
}

#[derive(Clone, Debug)]
struct Machine {
    express: bool,
    /// Its role is the namespace's.
    shares: bool,
    traced: bool,
    /// It sends to a queue, and needs a permission.
    sends: Option<u8>,
    seconds: u8,
}

#[derive(Clone, Debug)]
struct Stage {
    variable: u8,
    /// Serves the oldest revision that there is.
    pinned: bool,
}

#[derive(Clone, Debug)]
struct Route {
    machine: usize,
    input: usize,
    signed: bool,
    seconds: Option<u8>,
}

/// One thing that happens.
#[derive(Clone, Debug)]
enum Act {
    Route((usize, usize), Option<Route>),
    Machine(usize, Machine),
    MoreMachines(Machine),
    FewerMachines,
    Stage(usize, Option<Stage>),
    History(i32),
    Around(Change),
    Pause(bool),
    Report(bool),
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
}

fn machine() -> impl Strategy<Value = Machine> {
    (any::<bool>(), any::<bool>(), any::<bool>(), prop::option::of(0..2u8), 1..3u8)
        .prop_map(|(express, shares, traced, sends, seconds)| Machine { express, shares, traced, sends, seconds })
}

fn stage() -> impl Strategy<Value = Stage> {
    (0..3u8, prop::bool::weighted(0.2)).prop_map(|(variable, pinned)| Stage { variable, pinned })
}

fn route() -> impl Strategy<Value = Route> {
    (0..3usize, 0..5usize, any::<bool>(), prop::option::of(1..20u8))
        .prop_map(|(machine, input, signed, seconds)| Route { machine, input, signed, seconds })
}

fn spec() -> impl Strategy<Value = Spec> {
    let place = (0..PATHS.len(), 0..VERBS.len());
    (
        prop::collection::vec(machine(), 1..=3),
        prop::collection::btree_map(0..STAGES.len(), stage(), 1..=3),
        prop::collection::btree_map(place, route(), 1..=6),
        1..4i32,
        around(),
    )
        .prop_map(|(machines, stages, routes, history, around)| Spec {
            around,
            machines,
            stages,
            routes,
            history,
            paused: false,
            reports: false,
        })
}

fn act() -> impl Strategy<Value = Act> {
    let place = (0..PATHS.len(), 0..VERBS.len());
    let wrong = prop_oneof![Just(Wrong::Lost), Just(Wrong::Refused), Just(Wrong::Throttled), Just(Wrong::Broken)];
    prop_oneof![
        4 => (place, prop::option::weighted(0.7, route())).prop_map(|(at, route)| Act::Route(at, route)),
        2 => (0..3usize, machine()).prop_map(|(index, machine)| Act::Machine(index, machine)),
        1 => machine().prop_map(Act::MoreMachines),
        1 => Just(Act::FewerMachines),
        2 => (0..STAGES.len(), prop::option::weighted(0.7, stage())).prop_map(|(at, stage)| Act::Stage(at, stage)),
        1 => (0..4i32).prop_map(Act::History),
        4 => change().prop_map(Act::Around),
        1 => any::<bool>().prop_map(Act::Pause),
        1 => any::<bool>().prop_map(Act::Report),
        3 => any::<prop::sample::Index>().prop_map(Act::Drift),
        4 => (wrong, 0..40usize, 1..8usize).prop_map(|(wrong, after, calls)| Act::Trouble { wrong, after, calls }),
        4 => (0..12usize, any::<bool>()).prop_map(|(after, before)| Act::Death { after, before }),
        2 => Just(Act::Stale),
    ]
}

impl Spec {
    /// What people do to their manifests.
    fn edit(&mut self, act: &Act) {
        match act.clone() {
            Act::Route(at, Some(route)) => drop(self.routes.insert(at, route)),
            Act::Route(at, None) => drop(self.routes.remove(&at)),
            Act::Machine(index, machine) => {
                let index = index % self.machines.len();
                self.machines[index] = machine;
            }
            Act::MoreMachines(machine) if self.machines.len() < 3 => self.machines.push(machine),
            Act::FewerMachines if self.machines.len() > 1 => drop(self.machines.pop()),
            Act::Stage(at, Some(stage)) => drop(self.stages.insert(at, stage)),
            Act::Stage(at, None) if self.stages.len() > 1 => drop(self.stages.remove(&at)),
            Act::History(limit) => self.history = limit,
            Act::Around(change) => self.around.edit(&change),
            Act::Pause(paused) => self.paused = paused,
            Act::Report(reports) => self.reports = reports,
            _ => {}
        }
    }

    /// Nothing held back.
    fn released(mut self) -> Self {
        (self.paused, self.reports) = (false, false);
        self.stages.values_mut().for_each(|stage| stage.pinned = false);
        self
    }

    /// The manifests; a pinned stage takes the oldest revision.
    fn scene(&self, oldest: Option<i64>) -> Scene {
        let mut world = World::new(Cluster { name: "test".into(), uid: CLUSTER_UID.into() });
        let mut object = |kind: &str, name: &str, spec: Value| {
            let mut meta = json!({"namespace": "team", "name": name});
            if self.paused {
                meta["annotations"] = json!({stepgate::api::PAUSED: "true"});
            }
            add(
                &mut world,
                json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": kind, "metadata": meta, "spec": spec}),
            );
        };
        let drift = if self.reports { "Report" } else { "Correct" };
        for (index, machine) in self.machines.iter().enumerate() {
            let mut states = json!({"Wait": {"Type": "Wait", "Seconds": machine.seconds, "End": true}});
            if let Some(queue) = machine.sends {
                states["Wait"] = json!({"Type": "Wait", "Seconds": machine.seconds, "Next": "Send"});
                let url =
                    format!("https://sqs.us-east-1.amazonaws.com/{}/queue-{queue}", stepgate_testbed::memory::ACCOUNT);
                states["Send"] = json!({"Type": "Task", "Resource": "arn:aws:states:::sqs:sendMessage", "End": true,
                    "Parameters": {"QueueUrl": url, "MessageBody": "x"}});
            }
            let definition = json!({"StartAt": "Wait", "States": states}).to_string();
            object(
                "StateMachine",
                &machine.name(index),
                json!({
                    "type": if machine.express { "EXPRESS" } else { "STANDARD" },
                    "definition": definition, "tracing": {"enabled": machine.traced}, "driftPolicy": drift,
                    "executionRole": {"scope": if machine.shares { "Namespace" } else { "Machine" }},
                }),
            );
        }
        let stages: Vec<Value> = self
            .stages
            .iter()
            .map(|(name, stage)| {
                let mut shown = json!({"name": STAGES[*name], "variables": {"v": stage.variable.to_string()}});
                if let (true, Some(revision)) = (stage.pinned, oldest) {
                    shown["revision"] = json!(revision);
                }
                shown
            })
            .collect();
        let names: Vec<&str> = self.stages.keys().map(|name| STAGES[*name]).collect();
        let mut spec = json!({"stages": stages, "revisionHistoryLimit": self.history, "driftPolicy": drift});
        spec["domainMappings"] = self.around.mappings(&names);
        object("RestAPI", "api", spec);
        for (kind, name, spec) in self.around.objects(&names, drift) {
            object(kind, &name, spec);
        }
        for ((path, verb), route) in &self.routes {
            let index = route.machine % self.machines.len();
            let machine = &self.machines[index];
            let mut input = vec![json!({"to": "/fixed", "value": "1"})];
            match route.input {
                1 => input.push(json!({"to": "/q", "query": "q"})),
                2 => input.push(json!({"to": "/h", "header": "X-H"})),
                3 if PATHS[*path].contains("{id}") => input.push(json!({"to": "/id", "path": "id"})),
                4 => input.push(json!({"to": "/all", "queryList": "all"})),
                _ => {}
            }
            let action = if machine.express { "StartSyncExecution" } else { "StartExecution" };
            let mut spec = json!({"apiRef": {"name": "api"}, "method": VERBS[*verb], "path": PATHS[*path],
                "authorization": {"type": if route.signed { "AWS_IAM" } else { "NONE" }},
                "target": {"action": action, "stateMachineRef": {"name": machine.name(index)}},
                "request": {"input": input}});
            if let Some(seconds) = route.seconds {
                spec["timeoutMillis"] = json!(i64::from(seconds) * 1000);
            }
            object("APIRoute", &format!("r{path}{verb}"), spec);
        }
        let account: Value = serde_saphyr::from_str(
            "{apiVersion: stepgate.dev/v1alpha1, kind: AWSAccount, metadata: {name: dev}, spec: {
                accountId: '111122223333', regions: [{name: us-east-1}], tenants: [{name: all, namespaces: {from: All},
                ceiling: [{actions: ['sqs:SendMessage'], resources: ['arn:aws:sqs:*:*:queue-*']}],
                exposure: {authorizations: [NONE, AWS_IAM], domains: ['*.example.com']}}]}}",
        )
        .unwrap();
        self.around.secrets().for_each(|secret| add(&mut world, secret));
        add(&mut world, account);
        Scene { world }
    }
}

impl Machine {
    /// Its type and whose its role is can't be changed: another one then.
    fn name(&self, index: usize) -> String {
        let type_ = if self.express { "express" } else { "standard" };
        format!("m{index}-{type_}{}", if self.shares { "-shares" } else { "" })
    }
}

/// What is wrong in the end.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Orphans,
    Duplicates,
    ForeignTouched,
    Unconverged,
}

type Failure = (Kind, String);

/// What happened.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    scenarios: usize,
    deaths: usize,
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
        Self { operator: Operator::start(&site, false), site, troubles, deaths: 0 }
    }

    async fn works(&mut self, fresh: bool) {
        let died = tokio::select! {
            biased;
            () = self.site.tape.died() => true,
            () = self.operator.round(fresh) => false,
        };
        if died {
            self.deaths += 1;
            self.site.tape.revive(&self.site.aws);
            self.operator = Operator::start(&self.site, false);
        }
        // A pod starts in seconds, and so does the next try.
        tokio::time::sleep(Duration::from_secs(5)).await;
    }

    fn oldest(&self) -> Option<i64> {
        let objects = self.site.server.snapshot();
        let api = objects.of("restapis").next()?.1.clone();
        api.pointer("/status/revisions/0")?.as_i64()
    }

    async fn ends_as(&mut self, scene: &Scene, fresh: &Moment) -> Result<(), Failure> {
        let unconverged = |text: String| (Kind::Unconverged, text);
        self.operator = Operator::start(&self.site, false);
        // What was still going when it was applied again is applied once more.
        for _ in 0..2 {
            self.site.server.resume();
            scene.apply(&self.site.server);
            self.operator.settle().await.map_err(unconverged)?;
        }
        let effects = self.site.tape.effects();
        Operator::start(&self.site, false).round(true).await;
        if self.site.tape.effects() != effects {
            return Err(unconverged("a second plan is not empty".to_owned()));
        }
        let end = Moment::of(&self.site);
        match end.strays().pop() {
            Some(stray) if stray.starts_with("a second") => return Err((Kind::Duplicates, stray)),
            Some(stray) => return Err((Kind::Orphans, stray)),
            None => {}
        }
        fresh.difference_now(&end).map_or(Ok(()), |what| Err(unconverged(what)))
    }
}

/// Lives one life, and says what is wrong in the end.
async fn lived(spec: &Spec, acts: &[Act], tally: &Mutex<Tally>) -> Result<(), Failure> {
    let mut spec = spec.clone();
    let mut aws = Memory::new(7, Settings::default());
    let neighbours = Neighbours::move_in(&mut aws, &spec.scene(None));
    aws.settings = Settings::lifelike();
    aws.advance(Duration::from_secs(60));
    let start = Moment { aws, objects: kubernetes::Objects::default() };
    let mut life = Life::begin(&start);
    for act in acts {
        spec.edit(act);
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
        life.works(!matches!(act, Act::Stale)).await;
    }
    {
        let troubles = life.troubles.lock().unwrap();
        let mut tally = tally.lock().unwrap();
        tally.scenarios += 1;
        tally.deaths += life.deaths;
        tally.faults += troubles.faults;
    }
    life.site.tape.calm();
    let last = spec.released().scene(None);
    let mut anew = Life::begin(&start);
    last.apply(&anew.site.server);
    anew.operator.settle().await.map_err(|text| (Kind::Unconverged, format!("also fresh: {text}")))?;
    life.ends_as(&last, &Moment::of(&anew.site)).await?;
    let foreign = |life: &Life| {
        let touched = life.site.aws.with(|memory| neighbours.touched(memory));
        if touched.is_empty() { Ok(()) } else { Err((Kind::ForeignTouched, touched.join(", "))) }
    };
    foreign(&life)?;
    last.gone().apply(&life.site.server);
    life.operator.settle().await.map_err(|text| (Kind::Unconverged, format!("deletion: {text}")))?;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let left = life.site.aws.with(|memory| difference(&start.aws.essence(), &memory.essence()));
    foreign(&life)?;
    left.map_or(Ok(()), |left| Err((Kind::Orphans, format!("deletion leaves {left}"))))
}

/// One life by its seed, shrunk to the least that fails.
fn by_seed(seed: u64, longest: usize, tally: &Mutex<Tally>) -> Result<(), Failure> {
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
    let lives = (spec(), prop::collection::vec(act(), 0..longest));
    let result = runner.run(&lives, |(spec, acts)| {
        fastrand::seed(seed);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
        runtime.block_on(lived(&spec, &acts, tally)).map_err(|(found, text)| {
            *kind.lock().unwrap() = found;
            println!("seed {seed}, with {} acts: {found:?}: {text}", acts.len());
            TestCaseError::fail(text)
        })
    });
    match result {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, (spec, acts))) => {
            Err((*kind.lock().unwrap(), format!("seed {seed}: {why}\n{spec:#?}\n{acts:#?}")))
        }
        Err(TestError::Abort(why)) => panic!("{why}"),
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[test]
fn a_life_ends_as_if_nothing_had_happened() {
    let (seconds, seed) = (number("TORTURE_SECONDS", 20), number("TORTURE_SEED", 1));
    let begun = Instant::now();
    let tally = Mutex::new(Tally::default());
    let mut failures: Vec<Failure> = Vec::new();
    let mut next = seed;
    while begun.elapsed() < Duration::from_secs(seconds) && failures.len() < 5 {
        if let Err(failure) = by_seed(next, 16, &tally) {
            println!("{:?}: {}", failure.0, failure.1);
            failures.push(failure);
        }
        next += 1;
    }
    let Tally { scenarios, deaths, faults } = *tally.lock().unwrap();
    let count = |kind: Kind| failures.iter().filter(|(found, _)| *found == kind).count();
    let line = json!({
        "scenarios": scenarios, "crash_points": deaths, "faults": faults,
        "orphans": count(Kind::Orphans), "duplicates": count(Kind::Duplicates),
        "foreign_touched": count(Kind::ForeignTouched), "unconverged": count(Kind::Unconverged), "seed": seed,
    });
    println!("{line}");
    if let Some(path) = std::env::var_os("TORTURE_REPORT") {
        std::fs::write(path, format!("{line}\n")).unwrap();
    }
    assert!(failures.is_empty(), "{} of {scenarios} lives ended badly; the seeds are above", failures.len());
}
