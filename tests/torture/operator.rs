//! One process of the operator: the real reconcilers, with caches of their own. It knows AWS, Kubernetes and nothing else.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use k8s_openapi::jiff::Timestamp;
use kube::Resource;
use kube::runtime::reflector::store::Writer;
use kube::runtime::watcher::Event;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepgate::aws::Sessions;
use stepgate::controller::{
    Clock, Config, Context, Stores, Writers, api_domain, api_route, aws_account, rest_api, state_machine, usage_plan,
};
use stepgate::identity::{Cluster, Key};
use stepgate::runtime::Metrics;
use stepgate_testbed::memory::{InProcess, Memory};

use super::kubernetes::{Id, KINDS, Objects, Server, condition, is};
use super::neighbours::Neighbours;
use super::tape::{Gate, Gated, Tape};

/// The cluster that the operator runs in.
pub const CLUSTER_UID: &str = "uid";

/// So begins what is wrong where a neighbour is not as before.
pub const TOUCHED: &str = "neighbours were touched";

/// How often an object is looked at although nothing changed.
pub const RESYNC: Duration = Duration::from_secs(600);

/// How often everything is looked at before it is given up: longer than a claim is waited out.
const MOST_ROUNDS: usize = 100;

/// How long the work queue waits after a round, as long as nothing comes of it twice as long each time.
const SHORTEST_PAUSE: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(80);

/// AWS and Kubernetes, and the tape of all calls to them. No run ends in which a neighbour was touched.
#[derive(Clone)]
pub struct Site {
    pub aws: InProcess,
    pub server: Server,
    pub tape: Tape,
    cluster_uid: &'static str,
    watch: Watch,
}

impl Site {
    /// # Panics
    /// Where somebody of some kind is missing beside ours.
    pub fn new(aws: Memory, objects: Objects) -> Self {
        let neighbours = Neighbours::among(&aws);
        let aws = InProcess::new(aws);
        let tape = Tape::of(&aws);
        let watch = Watch(Mutex::new(Some((aws.clone(), neighbours))));
        Self { server: Server::new(objects, clock(&aws)), aws, tape, cluster_uid: CLUSTER_UID, watch }
    }

    /// An empty cluster beside it, in the same AWS.
    pub fn beside(&self, cluster_uid: &'static str) -> Self {
        Self { server: Server::new(Objects::default(), clock(&self.aws)), cluster_uid, ..self.clone() }
    }

    /// People have changed what is not ours: from now on it is to stay as it is.
    pub fn look_again(&self) {
        let neighbours = self.aws.with(|memory| Neighbours::among(memory));
        *self.watch.0.lock().unwrap() = Some((self.aws.clone(), neighbours));
    }

    /// # Errors
    /// The neighbours who are gone or changed; told once.
    pub fn untouched(&self) -> Result<(), String> {
        self.watch.untouched()
    }
}

/// Compares the neighbours with what they were, at the latest when a site goes; its clones need not.
struct Watch(Mutex<Option<(InProcess, Neighbours)>>);

impl Watch {
    fn untouched(&self) -> Result<(), String> {
        let mut watched = self.0.lock().unwrap();
        let Some((aws, neighbours)) = &*watched else { return Ok(()) };
        let touched = aws.with(|memory| neighbours.touched(memory));
        if touched.is_empty() {
            return Ok(());
        }
        *watched = None;
        Err(format!("{TOUCHED}: {}", touched.join(", ")))
    }
}

impl Clone for Watch {
    fn clone(&self) -> Self {
        Self(Mutex::new(None))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if !std::thread::panicking()
            && let Err(touched) = self.untouched()
        {
            panic!("{touched}");
        }
    }
}

pub struct Operator {
    context: Arc<Context>,
    writers: Writers,
    site: Site,
    /// What is in the caches.
    seen: Option<Objects>,
}

impl Operator {
    /// A process that has just begun.
    pub fn start(site: &Site) -> Self {
        Self::with(site, site.aws.http_client(), site.server.client(&site.tape, None))
    }

    /// One whose calls go through a gate.
    pub fn gated(site: &Site, gate: Gate) -> Self {
        let http = SharedHttpClient::new(Gated(site.aws.clone(), gate.clone()));
        Self::with(site, http, site.server.client(&site.tape, Some(gate)))
    }

    /// One with these ways to AWS and Kubernetes.
    pub fn with(site: &Site, http: SharedHttpClient, client: kube::Client) -> Self {
        let sessions = Sessions::with_http_client(http, Arc::new(|_, _, _| {}));
        let (stores, writers) = Stores::new();
        let propagation_wait = site.aws.with(|memory| memory.settings.role_propagation);
        let context = Context::new(
            client,
            Cluster { name: "test".into(), uid: site.cluster_uid.into() },
            Config { resync_period: RESYNC, propagation_wait, clock: clock(&site.aws) },
            Arc::new(sessions),
            stores,
            Arc::new(Metrics::default()),
        );
        Self { context: Arc::new(context), writers, site: site.clone(), seen: None }
    }

    /// Brings the caches to this moment.
    pub fn see(&mut self, now: &Objects) {
        let before = self.seen.replace(now.clone());
        if before.as_ref().is_some_and(|before| before.version() == now.version()) {
            return;
        }
        let before = before.as_ref();
        let Writers { accounts, machines, apis, routes, domains, plans, namespaces, config_maps, secrets, revisions } =
            &mut self.writers;
        fill(accounts, before, now, "awsaccounts");
        fill(machines, before, now, "statemachines");
        fill(apis, before, now, "restapis");
        fill(routes, before, now, "apiroutes");
        fill(domains, before, now, "apidomains");
        fill(plans, before, now, "usageplans");
        fill(secrets, before, now, "secrets");
        fill(namespaces, before, now, "namespaces");
        fill(config_maps, before, now, "configmaps");
        fill(revisions, before, now, "controllerrevisions");
    }

    /// Reconciles one object, as the caches have it.
    pub async fn reconcile(&self, resource: &str, key: &Key) {
        let Stores { accounts, machines, apis, routes, domains, plans, .. } = &self.context.stores;
        let context = Arc::clone(&self.context);
        let account = || accounts.state().into_iter().find(|one| one.metadata.name.as_ref() == Some(&key.name));
        let done = match resource {
            "awsaccounts" => match account() {
                Some(object) => Box::pin(aws_account::reconcile(object, context)).await,
                None => return,
            },
            "statemachines" => match Stores::get(machines, key) {
                Some(object) => Box::pin(state_machine::reconcile(object, context)).await,
                None => return,
            },
            "apidomains" => match Stores::get(domains, key) {
                Some(object) => Box::pin(api_domain::reconcile(object, context)).await,
                None => return,
            },
            "restapis" => match Stores::get(apis, key) {
                Some(object) => Box::pin(rest_api::reconcile(object, context)).await,
                None => return,
            },
            "usageplans" => match Stores::get(plans, key) {
                Some(object) => Box::pin(usage_plan::reconcile(object, context)).await,
                None => return,
            },
            _ => match Stores::get(routes, key) {
                Some(object) => api_route::reconcile(object, context).await,
                None => return,
            },
        };
        // The work queue comes again.
        drop(done);
    }

    /// Reconciles every object once; with `fresh` caches before each, or with those of the beginning.
    pub async fn round(&mut self, fresh: bool) {
        let objects = self.site.server.snapshot();
        if fresh || self.seen.is_none() {
            self.see(&objects);
        }
        for resource in KINDS {
            for ((_, namespace, name), _) in objects.of(resource) {
                if fresh {
                    let now = self.site.server.snapshot();
                    self.see(&now);
                }
                self.reconcile(resource, &Key::new(namespace, name)).await;
            }
        }
    }

    /// Reconciles until nothing is left to do. As the work queue does, it does not come again to an object that had
    /// nothing to do, until the object or what it depends on changes.
    ///
    /// # Errors
    /// What still waits after so many rounds.
    pub async fn settle(&mut self) -> Result<(), String> {
        let mut quiet: BTreeMap<Id, u64> = BTreeMap::new();
        let mut pause = SHORTEST_PAUSE;
        for _ in 0..MOST_ROUNDS {
            let before = self.site.tape.effects();
            for resource in KINDS {
                for (id, _) in self.site.server.snapshot().of(resource) {
                    let now = self.site.server.snapshot();
                    let inputs = now.inputs(id);
                    if quiet.get(id) == Some(&inputs) {
                        continue;
                    }
                    self.see(&now);
                    let effects = self.site.tape.effects();
                    self.reconcile(resource, &Key::new(&id.1, &id.2)).await;
                    let ready = self.site.server.snapshot().by_id(id).is_some_and(|object| is(object, "Ready"));
                    if self.site.tape.effects() == effects && ready {
                        quiet.insert(id.clone(), inputs);
                    }
                }
            }
            if self.site.tape.effects() == before && waiting(&self.site.server.snapshot()).is_empty() {
                return Ok(());
            }
            pause = if self.site.tape.effects() == before { LONGEST_PAUSE.min(2 * pause) } else { SHORTEST_PAUSE };
            tokio::time::sleep(pause).await;
        }
        let waiting = waiting(&self.site.server.snapshot());
        Err(format!(
            "does not settle: {}",
            if waiting.is_empty() { "it writes on and on".into() } else { waiting.join("; ") }
        ))
    }
}

/// Whether a role keeps something for executions that may still run.
pub fn narrows(objects: &Objects) -> bool {
    objects.of("statemachines").any(|(_, one)| is(one, "PolicyNarrowingPending"))
}

/// A process that knows nothing must find nothing to do.
///
/// # Errors
/// What it does.
pub async fn nothing_is_left(site: &Site) -> Result<(), String> {
    let done: Arc<Mutex<Vec<String>>> = Arc::default();
    let doing = Arc::clone(&done);
    site.tape.hook(move |step| {
        if step.effect > 0 {
            doing.lock().unwrap().push(step.what.to_owned());
        }
        None
    });
    if narrows(&site.server.snapshot()) {
        // It asks at once whether older executions still run; the former process asks less and less often.
        Operator::start(site).settle().await?;
        let narrowing =
            |what: &String| ["Role", "Policy", "PATCH statemachines/"].iter().any(|part| what.contains(part));
        done.lock().unwrap().retain(|what| !narrowing(what));
    }
    Operator::start(site).round(true).await;
    site.tape.calm();
    let done = done.lock().unwrap();
    if done.is_empty() { Ok(()) } else { Err(format!("a second plan is not empty: {}", done.join(", "))) }
}

/// AWS's clock is everybody's.
fn clock(aws: &InProcess) -> Clock {
    let aws = aws.clone();
    Clock::of(move || aws.with(|memory| time_of_day(memory)))
}

pub fn time_of_day(aws: &Memory) -> Timestamp {
    Timestamp::from_second(i64::try_from(aws.now().as_secs()).unwrap()).unwrap()
}

/// Brings one cache from what it had to this moment; one that had nothing is filled.
fn fill<K>(writer: &mut Writer<K>, before: Option<&Objects>, now: &Objects, resource: &str)
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + 'static,
{
    let read =
        |object: &Arc<Value>| -> K { K::deserialize(&**object).unwrap_or_else(|error| panic!("{error}: {object:#}")) };
    let Some(before) = before else {
        writer.apply_watcher_event(&Event::Init);
        now.of(resource).for_each(|(_, object)| writer.apply_watcher_event(&Event::InitApply(read(object))));
        writer.apply_watcher_event(&Event::InitDone);
        return;
    };
    for (_, gone) in before.of(resource).filter(|(id, _)| now.by_id(id).is_none()) {
        writer.apply_watcher_event(&Event::Delete(read(gone)));
    }
    for (id, object) in now.of(resource) {
        if before.by_id(id).is_none_or(|before| !Arc::ptr_eq(before, object)) {
            writer.apply_watcher_event(&Event::Apply(read(object)));
        }
    }
}

/// What has not said its last word.
pub fn waiting(objects: &Objects) -> Vec<String> {
    let all = KINDS.iter().flat_map(|resource| objects.of(resource));
    all.filter(|(_, object)| {
        let settled = is(object, "Ready") || is(object, "Stalled") || settled_otherwise(object);
        !settled || object["metadata"]["deletionTimestamp"].is_string()
    })
    .map(|((resource, namespace, name), object)| {
        let says = condition(object, "Ready").map(|ready| ready["message"].to_string()).unwrap_or_default();
        format!("{resource} {namespace}/{name}: {says}")
    })
    .collect()
}

/// Paused, or with a drift that is only reported.
fn settled_otherwise(object: &serde_json::Value) -> bool {
    condition(object, "Ready")
        .is_some_and(|ready| ["Paused", "Drifted"].iter().any(|reason| ready["reason"] == **reason))
}
