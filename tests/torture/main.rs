//! Trust, by machine. The real reconcilers run against an AWS in memory behind the SDK's own HTTP connector and an API
//! server in memory, on a virtual clock; whatever happens to them, what they end with is as if nothing had happened: nothing
//! lost, nothing doubled, nothing of others touched, nothing left to do.
//!
//! - Crashes, all of them (here): for every example, for making it, changing it and deleting it, at every effect on AWS or
//!   Kubernetes, the process dies before the effect, after it, or its answer is lost; the next one may not see what was
//!   written to Kubernetes; and at each of these moments people change their mind, or delete everything.
//! - `pages.rs`, `roles.rs`: the same for what no example has; `generated.rs`: the same for random manifests (`specs.rs`).
//! - `records.rs`: records that were lost are made anew, and what can't be known is kept.
//! - `refused.rs`: AWS refuses a change of what serves. `serving.rs`: and what is not to change is served all the while.
//! - `races.rs`: two operators at once, with caches that lag; and one at all objects at once.
//! - `neighbours.rs`: who is beside ours in each run, and is as before at its end.
//! - `adoption.rs`, `adopted_roles.rs`: what exists is adopted.
//! - `renames.rs`: an object gets another name.
//! - `withdrawn.rs`: what a machine's owner takes back.
//! - `takeover.rs`: a cluster is lost, and another takes over what it made.
//! - `clusters.rs`: two clusters with the same manifests at once.
//! - `creation.rs`: a process that is paused while it creates an API, and others that go on.
//! - `deployments.rs`: the same of a deployment, which is found and deleted.
//! - `drift.rs`: every property of every object, changed behind the operator's back.
//! - `random.rs`: random manifests, also of what is `around` an API, edits, faults, deaths.
//! - `panics.rs`: a bug at one object.
//! - `lists.rs`: what is ours is found on whichever page of a list it is.
//! - `coverage.rs`: each call that the operator can make is made in some scene.
//! - `policy.rs`: each of these calls is allowed by the documented policy.
//! - `hot.rs`: what an hour of an object costs that can never succeed.
//! - `quotas.rs`: AWS never throttles the operator, and who waits holds nobody up.

#![allow(clippy::unwrap_used)]

mod adopted_roles;
mod adoption;
mod around;
mod brake;
mod clusters;
mod coverage;
mod creation;
mod deployments;
mod drift;
mod generated;
mod hot;
mod kubernetes;
mod lists;
mod neighbours;
mod operator;
mod pages;
mod panics;
mod policy;
mod quotas;
mod races;
mod random;
mod records;
mod refused;
mod renames;
mod roles;
mod scene;
mod serving;
mod specs;
mod takeover;
mod tape;
mod withdrawn;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use kubernetes::Objects;
use neighbours::Neighbours;
use operator::{Operator, Site, narrows, nothing_is_left, time_of_day};
use scene::Scene;
use serde_json::Value;
use stepgate_testbed::memory::{ACCOUNT, Memory, Settings};
use tape::Wrong;

/// An example with 31 routes.
const MANY_ROUTES: &str = "reddit-api";

/// Beside the examples: the page on custom domains.
const DOMAINS: &str = "docs/domains.md";

/// AWS and Kubernetes, at one moment.
#[derive(Clone)]
struct Moment {
    aws: Memory,
    objects: Objects,
}

impl Moment {
    /// An account with neighbours, an empty cluster.
    fn first(scene: &Scene) -> Self {
        let mut aws = Memory::new(7, Settings::default());
        scene.prepare(&mut aws);
        Neighbours::move_in(&mut aws, scene);
        Self { aws, objects: Objects::default() }
    }

    fn of(site: &Site) -> Self {
        Self { aws: site.aws.with(|memory| memory.clone()), objects: site.server.snapshot() }
    }

    /// What is there, but for what differs from one run to the next.
    fn difference(&self, other: &Self) -> Option<String> {
        difference(&self.aws.essence(), &other.aws.essence())
            .or_else(|| difference(&self.objects.essence(), &other.objects.essence()))
    }

    /// What nobody knows of, and what is there twice.
    fn strays(&self) -> Vec<String> {
        let mut strays = Vec::new();
        let records: Vec<&Value> = self.objects.of("controllerrevisions").map(|(_, one)| &one["data"]).collect();
        let account = self.aws.account(ACCOUNT).unwrap();
        let mut owners = BTreeSet::new();
        let mut plans = BTreeSet::new();
        for plan in account.regions.values().flat_map(|region| region.usage_plans.values()) {
            if !plans.insert(&plan.tags) {
                strays.push(format!("a second usage plan {} with the tags {:?}", plan.id, plan.tags));
            }
        }
        for api in account.regions.values().flat_map(|region| region.apis.values()) {
            if api.tags.get("stepgate.dev/cluster-uid").is_none_or(|uid| uid != operator::CLUSTER_UID) {
                continue;
            }
            if !owners.insert(&api.tags) {
                strays.push(format!("a second API {} with the tags {:?}", api.id, api.tags));
            }
            let ours = |text: &Option<String>| text.as_ref().is_some_and(|text| text.starts_with("revision "));
            for (id, _) in api.deployments.iter().filter(|(_, deployment)| ours(&deployment.description)) {
                if !records.iter().any(|record| record["restApiId"] == *api.id && record["deploymentId"] == **id) {
                    strays.push(format!("deployment {id} of API {} is on no record", api.id));
                }
            }
        }
        strays
    }

    /// The same without the history of revisions.
    fn difference_now(&self, other: &Self) -> Option<String> {
        let objects = |moment: &Self| {
            let mut essence = moment.objects.essence();
            let objects = essence.as_object_mut().unwrap();
            objects.retain(|name, _| !name.starts_with("controllerrevisions"));
            for object in objects.values_mut().filter(|object| object["conditions"].is_array()) {
                object["drift"].take();
                for condition in object["conditions"].as_array_mut().unwrap() {
                    condition[3].take();
                }
                object["conditions"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
            }
            essence
        };
        difference(&served(self.aws.essence()), &served(other.aws.essence()))
            .or_else(|| difference(&objects(self), &objects(other)))
            .or_else(|| other.strays().pop())
    }

    /// What is wrong with another end than this.
    fn failure(&self, other: &Self) -> Option<Failure> {
        let stray = other.strays().pop().map(|stray| match stray.starts_with("a second") {
            true => (Kind::Duplicates, stray),
            false => (Kind::Orphans, stray),
        });
        stray.or_else(|| self.difference_now(other).map(unconverged))
    }

    /// What is `wrong` with another end than this, for good: what a role keeps for executions that may still run goes in its time, in
    /// which nothing else is forgiven.
    async fn compared(
        &self,
        other: &Self,
        scene: &Scene,
        wrong: impl Fn(&Self, &Self) -> Option<Failure>,
    ) -> Option<Failure> {
        let now = wrong(self, other)?;
        if ![self, other].iter().any(|moment| narrows(&moment.objects)) {
            return Some(now);
        }
        match (self.later(scene).await, other.later(scene).await) {
            (Ok(this), Ok(other)) => wrong(&this, &other),
            (Err(waits), _) | (_, Err(waits)) => Some(unconverged(waits)),
        }
    }

    /// The same when no EXPRESS execution runs any more that began before it.
    async fn later(&self, scene: &Scene) -> Result<Self, String> {
        let mut later = self.clone();
        later.aws.advance(Duration::from_mins(10));
        drive(&later, scene, None).await
    }
}

/// An essence with what stages serve in place of the deployments.
fn served(essence: Value) -> Value {
    let mut essence = without_log_role(essence);
    for account in essence.as_object_mut().unwrap().values_mut() {
        for (_, region) in account.as_object_mut().unwrap().iter_mut().filter(|(_, region)| region["apis"].is_array()) {
            for api in region["apis"].as_array_mut().unwrap() {
                let deployments = api["deployments"].take();
                let content = |description: &Value| {
                    let found = deployments.as_array().unwrap().iter().find(|one| one["description"] == *description);
                    let mut found = found.cloned().unwrap_or_default();
                    found["description"].take();
                    found
                };
                for stage in api["stages"].as_object_mut().unwrap().values_mut() {
                    stage["serves"] = content(&stage["serves"]);
                    if stage["canarySettings"].is_object() {
                        let serves = content(&stage["canarySettings"]["deploymentId"]);
                        stage["canarySettings"]["deploymentId"] = serves;
                    }
                }
            }
            // Two of one name have their order by what is in them.
            region["apis"].as_array_mut().unwrap().sort_by_key(ToString::to_string);
        }
    }
    essence
}

/// An essence without the role for logs: it is given to an account that has none, and never taken away.
fn without_log_role(mut essence: Value) -> Value {
    for account in essence.as_object_mut().unwrap().values_mut() {
        for region in account.as_object_mut().unwrap().values_mut().filter_map(Value::as_object_mut) {
            region.shift_remove("logRole");
        }
    }
    essence
}

/// Where two values differ.
fn difference(before: &Value, after: &Value) -> Option<String> {
    // A map without entries is none: what is left of one whose entries were added by somebody and removed again.
    fn none(value: &Value) -> bool {
        value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty)
    }
    fn walk(path: &str, a: &Value, b: &Value, out: &mut Vec<String>) {
        match (a, b) {
            (a, b) if a == b || (none(a) && none(b)) => {}
            (Value::Object(x), Value::Object(y)) => {
                let keys: BTreeSet<_> = x.keys().chain(y.keys()).collect();
                for key in keys {
                    let [a, b] = [x, y].map(|map| map.get(key).unwrap_or(&Value::Null));
                    walk(&format!("{path}/{key}"), a, b, out);
                }
            }
            (Value::Array(x), Value::Array(y)) if x.len() != y.len() => {
                out.push(format!("{path}: {} become {}", x.len(), y.len()));
            }
            (Value::Array(x), Value::Array(y)) => {
                for (index, (a, b)) in x.iter().zip(y).enumerate() {
                    walk(&format!("{path}/{index}"), a, b, out);
                }
            }
            (a, b) => out.push(format!("{path}: {a} becomes {b}")),
        }
    }
    let mut all = Vec::new();
    walk("", before, after, &mut all);
    (!all.is_empty()).then(|| all.join("; ").chars().take(600).collect())
}

/// How one run went.
struct Run {
    end: Moment,
    /// AWS and Kubernetes before each effect.
    before: Vec<Moment>,
}

/// From a moment on, people apply these manifests and a process carries them out; with something wrong at an effect, if
/// there is. Then a second process, which knows nothing, must find nothing to do.
async fn drive(from: &Moment, scene: &Scene, wrong: Option<(usize, Wrong)>) -> Result<Moment, String> {
    let site = Site::new(from.aws.clone(), from.objects.clone());
    site.tape.hook(move |step| wrong.filter(|(effect, _)| *effect == step.effect).map(|(_, wrong)| wrong));
    carry_out(&site, scene).await
}

/// The same with nothing wrong, and what was there before each effect.
async fn observed(from: &Moment, scene: &Scene) -> Result<Run, String> {
    let site = Site::new(from.aws.clone(), from.objects.clone());
    let before = Arc::new(Mutex::new(Vec::new()));
    let (noted, looked) = (Arc::clone(&before), site.clone());
    site.tape.hook(move |step| {
        if step.effect > 0 {
            let aws = step.aws.cloned().unwrap_or_else(|| looked.aws.with(|memory| memory.clone()));
            noted.lock().unwrap().push(Moment { aws, objects: looked.server.snapshot() });
        }
        None
    });
    let end = carry_out(&site, scene).await?;
    let before = std::mem::take(&mut *before.lock().unwrap());
    Ok(Run { end, before })
}

async fn carry_out(site: &Site, scene: &Scene) -> Result<Moment, String> {
    scene.apply(&site.server);
    finished(site, Operator::start(site)).await
}

async fn finished(site: &Site, mut operator: Operator) -> Result<Moment, String> {
    operator.settle().await?;
    site.tape.calm();
    nothing_is_left(site).await?;
    site.untouched()?;
    Ok(Moment::of(site))
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

/// What a run that did not end well says is wrong.
fn unconverged(text: String) -> Failure {
    let kind = if text.starts_with(operator::TOUCHED) { Kind::ForeignTouched } else { Kind::Unconverged };
    (kind, text)
}

/// What was tried, and what did not end well.
#[derive(Default)]
struct Found {
    points: usize,
    /// Only some effects of many, this one among them.
    sampled: Option<usize>,
    /// When it is enough. The first that does not end well is, too, then.
    until: Option<Instant>,
    wrong: Vec<Failure>,
    /// How AWS behaves.
    settings: Settings,
    /// Only this one of making, changing and deleting.
    phase: Option<&'static str>,
    /// Records are rebuilt: how much they say depends on whether what they are of is wanted when somebody looks.
    rebuilds: bool,
}

/// So many effects are many for a random try.
const MANY: usize = 24;
/// Where only some are tried, people change their mind at one of so many of them.
const TURNS: usize = 3;
/// In a phase with more effects, which are those of routes that are all alike, answers are lost and people change their mind at some of
/// them only, unless `CRASH_ALL` is set: these begin anew each time. (`so_it_is_with_some_of_many_routes` leaves out none.)
const LARGE: usize = 150;

impl Found {
    fn note(&mut self, at: &str, what: Option<Failure>) {
        self.wrong.extend(what.map(|(kind, what)| (kind, format!("{at}: {what}"))));
    }

    fn is_enough(&self) -> bool {
        self.until.is_some_and(|until| Instant::now() > until || !self.wrong.is_empty())
    }

    /// From this moment on another process ends where the first would have.
    async fn recovers(&mut self, at: &str, from: &Moment, scene: &Scene, end: &Moment, wrong: Option<(usize, Wrong)>) {
        if self.is_enough() {
            return;
        }
        self.points += 1;
        let rebuilds = self.rebuilds;
        let differ = |end: &Moment, other: &Moment| match rebuilds {
            true => end.failure(other),
            false => end.difference(other).map(unconverged),
        };
        match drive(from, scene, wrong).await {
            Err(error) => self.note(at, Some(unconverged(error))),
            Ok(other) if wrong.is_none() => self.ends(at, end, &other, scene, differ).await,
            // What comes late, because it had to be done again, is deployed once more.
            Ok(other) => self.ends(at, end, &other, scene, Moment::failure).await,
        }
    }

    /// From this moment on another process goes on, which begins with caches of a while ago: what they lack comes later.
    async fn lags(&mut self, at: &str, from: &Moment, scene: &Scene, end: &Moment, seen: &Objects) {
        if self.is_enough() {
            return;
        }
        self.points += 1;
        let site = Site::new(from.aws.clone(), from.objects.clone());
        let mut operator = Operator::start(&site);
        operator.see(seen);
        operator.round(false).await;
        match finished(&site, operator).await {
            Err(error) => self.note(at, Some(unconverged(error))),
            Ok(other) => self.ends(at, end, &other, scene, Moment::failure).await,
        }
    }

    /// From this moment on people want something else.
    async fn turns(&mut self, at: &str, from: &Moment, scene: &Scene, end: &Moment) {
        if self.is_enough() {
            return;
        }
        self.points += 1;
        match drive(from, scene, None).await {
            Err(error) => self.note(at, Some(unconverged(error))),
            Ok(other) => self.ends(at, end, &other, scene, Moment::failure).await,
        }
    }

    /// At this effect people want something else, while the process goes on.
    async fn meets(&mut self, at: &str, from: &Moment, scene: &Scene, effect: usize, then: &Scene, end: &Moment) {
        if self.is_enough() {
            return;
        }
        self.points += 1;
        let site = Site::new(from.aws.clone(), from.objects.clone());
        let (server, wanted) = (site.server.clone(), then.clone());
        site.tape.hook(move |step| {
            if step.effect == effect {
                server.at(step.aws.map(time_of_day), || wanted.apply(&server));
            }
            None
        });
        match carry_out(&site, scene).await {
            Err(error) => self.note(at, Some(unconverged(error))),
            Ok(other) => self.ends(at, end, &other, then, Moment::failure).await,
        }
    }

    async fn ends(
        &mut self,
        at: &str,
        end: &Moment,
        other: &Moment,
        scene: &Scene,
        wrong: impl Fn(&Moment, &Moment) -> Option<Failure>,
    ) {
        self.note(at, end.compared(other, scene, wrong).await);
    }

    /// Crashes everywhere on the way from a moment to what the manifests ask; answers with where that ends.
    async fn phase(&mut self, name: &str, from: &Moment, scene: &Scene) -> Moment {
        let run = uncrashed(name, from, scene).await;
        self.crash(name, from, scene, &run, &[]).await;
        run.end
    }

    /// Every crash point of a run, and at some of them people change their mind (`turns`).
    async fn crash(&mut self, name: &str, from: &Moment, scene: &Scene, run: &Run, turns: &[(&str, &Scene, &Moment)]) {
        let effects = run.before.len();
        let (first, step) = match self.sampled {
            Some(effect) if effects > MANY => (effect, effects.div_ceil(MANY / 2)),
            _ => (0, 1),
        };
        let turn = match self.sampled {
            Some(_) => TURNS,
            None if effects > LARGE && std::env::var_os("CRASH_ALL").is_none() => effects.div_ceil(MANY),
            None => 1,
        };
        for (index, moment) in run.before.iter().enumerate().skip(first % step).step_by(step) {
            let at = |kind: &str| format!("{name}, effect {} of {effects}, {kind}", index + 1);
            // Dead after it is dead before the next.
            self.recovers(&at("dead before it"), moment, scene, &run.end, None).await;
            if self.sampled.is_some() || index % turn == 0 {
                self.recovers(&at("its answer lost"), from, scene, &run.end, Some((index + 1, Wrong::Lost))).await;
            }
            let before = index.checked_sub(1).map(|before| &run.before[before].objects);
            if let Some(before) = before.filter(|before| before.version() != moment.objects.version())
                && index % turn == 0
            {
                // Without what the dead one wrote last, and without all of it.
                self.lags(&at("dead before it, the last write unseen"), moment, scene, &run.end, before).await;
                let first = &run.before[0].objects;
                self.lags(&at("dead before it, all writes unseen"), moment, scene, &run.end, first).await;
            }
            for (other, then, end) in turns.iter().filter(|_| index % turn == 0) {
                self.turns(&at(&format!("dead before it, and {other} then")), moment, then, end).await;
                self.meets(&at(&format!("and {other} then")), from, scene, index + 1, then, end).await;
            }
        }
        self.recovers(&format!("{name}, dead after the last effect"), &run.end, scene, &run.end, None).await;
    }

    /// Made, changed and deleted, with crashes everywhere.
    async fn everywhere(&mut self, scene: &Scene, changed: &Scene) {
        let mut start = Moment::first(scene);
        start.aws.settings = self.settings.clone();
        start.aws.advance(Duration::from_mins(1));
        let gone = changed.gone();
        let mut runs: Vec<Run> = Vec::new();
        for (name, scene) in [("make", scene), ("change", changed), ("delete", &gone)] {
            match observed(runs.last().map_or(&start, |run| &run.end), scene).await {
                Ok(run) => runs.push(run),
                Err(error) => return self.note(&format!("{name}, without a crash"), Some(unconverged(error))),
            }
        }
        let [made, after, end] = runs.as_slice() else { return };
        // Who changes their mind may also want what was before: that has its time at night.
        let nightly = std::env::var_os("CRASH_ALL").is_some();
        let back = nightly.then_some(("back", scene, &made.end));
        let again = nightly.then_some(("again", changed, &after.end));
        let delete = ("delete", &gone, &end.end);
        for (name, from, scene, run, turns) in [
            ("make", &start, scene, made, vec![("change", changed, &after.end), delete]),
            ("change", &made.end, changed, after, [delete].into_iter().chain(back).collect()),
            ("delete", &after.end, &gone, end, again.into_iter().collect()),
        ] {
            if self.phase.is_some_and(|only| only != name) {
                continue;
            }
            self.crash(name, from, scene, run, &turns).await;
        }
        let left = difference(&without_log_role(start.aws.essence()), &without_log_role(end.end.aws.essence()));
        self.note("deletion leaves", left.map(|left| (Kind::Orphans, left)));
    }

    /// The last word.
    fn end(self, name: &str) {
        println!("{name}: {} crash points", self.points);
        let wrong: Vec<String> = self.wrong.into_iter().map(|(_, what)| what).collect();
        assert!(wrong.is_empty(), "{} of {} crash points:\n{}", wrong.len(), self.points, wrong.join("\n"));
    }
}

async fn uncrashed(name: &str, from: &Moment, scene: &Scene) -> Run {
    observed(from, scene).await.unwrap_or_else(|error| panic!("{name}, without a crash: {error}"))
}

/// Made, changed and deleted.
async fn crash_everywhere(name: &str, scene: &Scene) {
    let mut found = Found::default();
    found.everywhere(scene, &scene.changed()).await;
    found.end(name);
}

/// The same where AWS shows what was written late, roles are visible late, machines go slowly, and quotas hold.
#[rstest::rstest]
#[case::hello_world("hello-world")]
#[case::potato("potato")]
#[case::root_get("root-get")]
#[tokio::test(start_paused = true)]
async fn so_it_is_where_aws_is_slow(#[case] example: &str) {
    let scene = Scene::example(example);
    let mut found = Found { settings: Settings::lifelike(), ..Found::default() };
    found.everywhere(&scene, &scene.changed()).await;
    found.end(example);
}

#[rstest::rstest]
#[case::client_names_machine("client-names-machine")]
#[case::ec2_sync_async("ec2-sync-async")]
#[case::hello_world("hello-world")]
#[case::item_api("item-api")]
#[case::orders_api("orders-api")]
#[case::potato("potato")]
#[case::root_get("root-get")]
#[case::stage_variables("stage-variables")]
#[case::domains(DOMAINS)]
#[tokio::test(start_paused = true)]
async fn a_crash_at_any_effect_loses_nothing_and_doubles_nothing(#[case] example: &str) {
    crash_everywhere(example, &Scene::example(example)).await;
}

/// The example that has many routes, which are alike, with every eighth of them.
#[tokio::test(start_paused = true)]
async fn so_it_is_with_some_of_many_routes() {
    let mut scene = Scene::example(MANY_ROUTES);
    let mut numbers = 0..;
    scene.world.routes.retain(|_, _| numbers.next().is_some_and(|number: usize| number.is_multiple_of(8)));
    assert_eq!(scene.world.routes.len(), 4);
    crash_everywhere("some of many routes", &scene).await;
}

/// With all of them, and room for a processor to each phase.
#[rstest::rstest]
#[case::make("make")]
#[case::change("change")]
#[case::delete("delete")]
#[tokio::test(start_paused = true)]
async fn so_it_is_with_many_routes(#[case] phase: &'static str) {
    let scene = Scene::example(MANY_ROUTES);
    let mut found = Found { phase: Some(phase), ..Found::default() };
    found.everywhere(&scene, &scene.changed()).await;
    found.end(phase);
}

#[test]
fn every_example_is_crashed_and_raced() {
    for (file, source) in [("main.rs", include_str!("main.rs")), ("races.rs", include_str!("races.rs"))] {
        for name in Scene::names() {
            let is_in = source.contains(&format!("(\"{name}\")]")) || (file == "main.rs" && name == MANY_ROUTES);
            assert!(is_in, "{name} is not in {file}");
        }
    }
    for name in Scene::names() {
        let is_in = include_str!("races.rs").contains(&format!("(\"{name}\", "));
        assert!(is_in, "{name} is overtaken nowhere in races.rs");
    }
}
