//! Starts the watches and the controllers.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::{Stream, StreamExt, future};
use kube::core::DeserializeGuard;
use kube::runtime::WatchStreamExt;
use kube::runtime::controller::{Action, Config as ControllerConfig, Controller};
use kube::runtime::reflector::{self, ObjectRef, Store, store::Writer};
use kube::runtime::watcher::{self, Event};
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::backoff::jittered;
use super::changes;
use super::quota::{self, Waits};
use super::slots::{self, Slots};
use super::wake::{Queues, Seen, Wakes};
use super::{
    Config, Context, Stores, api_domain, api_route, aws_account, panics, rest_api, state_machine, usage_plan, written,
};
use crate::aws::Sessions;
use crate::aws::budget::{Caller, Priority};
use crate::identity::{Cluster, Key};
use crate::runtime::Metrics;

/// Runs until `stop`; every reconcile that has begun is finished, but for those that wait for AWS's quotas.
pub async fn run(
    client: Client,
    cluster: Cluster,
    config: Config,
    sessions: Arc<Sessions>,
    metrics: Arc<Metrics>,
    stop: CancellationToken,
) {
    let (stores, writers) = Stores::new();
    let (accounts_tx, accounts_rx) = mpsc::unbounded_channel();
    let (machines_tx, machines_rx) = mpsc::unbounded_channel();
    let (apis_tx, apis_rx) = mpsc::unbounded_channel();
    let (routes_tx, routes_rx) = mpsc::unbounded_channel();
    let (plans_tx, plans_rx) = mpsc::unbounded_channel();
    let (domains_tx, domains_rx) = mpsc::unbounded_channel();
    let queues = Queues {
        accounts: accounts_tx,
        machines: machines_tx,
        apis: apis_tx,
        routes: routes_tx,
        plans: plans_tx,
        domains: domains_tx,
    };

    let all = watcher::Config::default;
    let ours = watcher::Config::default().labels(crate::records::LABEL);
    let watches = future::join_all([
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.accounts, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.machines, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.apis, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.routes, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.plans, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.secrets, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.domains, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.namespaces, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), all()), writers.config_maps, &stores, &queues, &stop),
        watch(watcher::watcher(Api::all(client.clone()), ours), writers.revisions, &stores, &queues, &stop),
    ]);

    let context = Arc::new(Context::new(client, cluster, config, sessions, stores.clone(), metrics));
    context.brake.tell(queues.accounts.clone());
    let controllers = async {
        // Nothing is decided on half a picture.
        tokio::select! {
            () = ready(&stores) => {}
            () = stop.cancelled() => return,
        }
        tracing::info!("the watches are ready");
        tokio::join!(
            control("AWSAccount", stores.accounts.clone(), accounts_rx, aws_account::reconcile, &context, &stop),
            control("StateMachine", stores.machines.clone(), machines_rx, state_machine::reconcile, &context, &stop),
            control("RestAPI", stores.apis.clone(), apis_rx, rest_api::reconcile, &context, &stop),
            control("APIRoute", stores.routes.clone(), routes_rx, api_route::reconcile, &context, &stop),
            control("UsagePlan", stores.plans.clone(), plans_rx, usage_plan::reconcile, &context, &stop),
            control("APIDomain", stores.domains.clone(), domains_rx, api_domain::reconcile, &context, &stop),
        );
    };
    future::join(watches, controllers).await;
}

async fn ready(stores: &Stores) {
    // A store errs only where its writer is gone, which ends the process anyway.
    // That of Secrets only wakes: where the operator may not watch them, it goes on without.
    let _ = tokio::join!(
        stores.accounts.wait_until_ready(),
        stores.machines.wait_until_ready(),
        stores.apis.wait_until_ready(),
        stores.routes.wait_until_ready(),
        stores.plans.wait_until_ready(),
        stores.domains.wait_until_ready(),
    );
    let _ = future::join3(
        stores.namespaces.wait_until_ready(),
        stores.config_maps.wait_until_ready(),
        stores.revisions.wait_until_ready(),
    )
    .await;
}

type Boxed<'a> = std::pin::Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// Keeps a store and wakes whom each change concerns.
fn watch<'a, K>(
    events: impl Stream<Item = Result<Event<DeserializeGuard<K>>, watcher::Error>> + Send + 'a,
    writer: Writer<K>,
    stores: &'a Stores,
    queues: &'a Queues,
    stop: &'a CancellationToken,
) -> Boxed<'a>
where
    K: Resource<DynamicType = ()> + Clone + Wakes + Send + Sync + 'static,
{
    let events = events.default_backoff().filter_map(async |event| readable(event));
    let mut events = Box::pin(reflector::reflector(writer, events).take_until(stop.cancelled()));
    Box::pin(async move {
        let mut seen = Seen::default();
        // A list comes into the store as a whole, at its end: to wake before would be to look at what was.
        let mut listed = Vec::new();
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Apply(object)) => object.wake(false, &mut seen, stores, queues),
                Ok(Event::Delete(object)) => object.wake(true, &mut seen, stores, queues),
                Ok(Event::Init) => listed.clear(),
                Ok(Event::InitApply(object)) => listed.push(object),
                Ok(Event::InitDone) => {
                    listed.drain(..).for_each(|object| object.wake(false, &mut seen, stores, queues));
                }
                Err(error) => tracing::warn!(kind = %K::kind(&()), %error, "watch interrupted"),
            }
        }
    })
}

/// One object that can't be read stops no other: what was known of it stays known.
fn readable<K: Resource<DynamicType = ()>>(
    event: Result<Event<DeserializeGuard<K>>, watcher::Error>,
) -> Option<Result<Event<K>, watcher::Error>> {
    Some(match event {
        Ok(Event::Apply(object)) => Ok(Event::Apply(read(object)?)),
        Ok(Event::Delete(object)) => Ok(Event::Delete(read(object)?)),
        Ok(Event::InitApply(object)) => Ok(Event::InitApply(read(object)?)),
        Ok(Event::Init) => Ok(Event::Init),
        Ok(Event::InitDone) => Ok(Event::InitDone),
        Err(error) => Err(error),
    })
}

fn read<K: Resource<DynamicType = ()>>(guard: DeserializeGuard<K>) -> Option<K> {
    match guard.0 {
        Ok(object) => Some(object),
        Err(invalid) => {
            let object =
                Key::new(invalid.metadata.namespace.unwrap_or_default(), invalid.metadata.name.unwrap_or_default());
            tracing::error!(kind = %K::kind(&()), %object, error = invalid.error, "the object can't be read");
            None
        }
    }
}

/// Runs one controller. Its triggers are the wakes; it brings the queue, the period and one reconcile per object.
async fn control<K, F>(
    kind: &'static str,
    store: Store<K>,
    wakes: mpsc::UnboundedReceiver<ObjectRef<K>>,
    reconcile: fn(Arc<K>, Arc<Context>) -> F,
    context: &Arc<Context>,
    stop: &CancellationToken,
) where
    K: Waits + Clone + DeserializeOwned + std::fmt::Debug + Send + Sync + 'static,
    F: Future<Output = Result<Action, kube::Error>> + Send + 'static,
{
    let woken = Arc::clone(context);
    let wakes = futures::stream::unfold(wakes, |mut wakes| async move { Some((wakes.recv().await?, wakes)) });
    let wakes = wakes.inspect(move |object: &ObjectRef<K>| {
        woken.changes.woken(kind, &Key::new(object.namespace.clone().unwrap_or_default(), object.name.clone()));
    });
    let (slots, stopping) = (Arc::new(Slots::default()), stop.clone());
    let stop = stop.clone();
    Controller::for_stream(futures::stream::pending::<Result<K, watcher::Error>>(), store)
        .with_config(ControllerConfig::default().concurrency(slots::ALL))
        .reconcile_on(wakes)
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(
            move |object: Arc<K>, context: Arc<Context>| {
                let (slots, stopping) = (Arc::clone(&slots), stopping.clone());
                async move {
                    if context.written.is_newer(object.meta()) {
                        return Ok(Action::requeue(written::SOON));
                    }
                    let key = key(&*object);
                    let settled = changes::settled(Waits::status(&*object), object.meta().generation);
                    let going = object.meta().deletion_timestamp.is_some();
                    let priority = context.changes.priority(kind, &key, settled && !going);
                    let _slot = match slots.take(priority, &key) {
                        Ok(slot) => slot,
                        Err(later) => {
                            if priority == Priority::User {
                                context.changes.woken(kind, &key);
                            }
                            if let Some(queue) = later.tell {
                                quota::tell_of_its_turn(&context, &*object, &queue).await;
                            }
                            return Ok(Action::requeue(jittered(later.after)));
                        }
                    };
                    let started = Instant::now();
                    let caller = Caller::new(priority, &key.namespace);
                    let work = reconcile(Arc::clone(&object), Arc::clone(&context));
                    let work = Box::pin(panics::caught(&context, &*object, work));
                    let result = tokio::select! {
                        biased;
                        result = quota::telling(&context, &*object, &caller, work) => result,
                        () = given_up(&stopping, &caller) => return Ok(Action::await_change()),
                    };
                    context.metrics.reconciled(kind, started.elapsed(), result.is_err());
                    if going {
                        context.changes.forget(kind, &key);
                    }
                    result
                }
            },
            |object: Arc<K>, error, context: Arc<Context>| {
                let key = key(&*object);
                let error = crate::problem::kubernetes_says(error);
                tracing::warn!(kind = %K::kind(&()), object = %key, error, "Kubernetes refused");
                Action::requeue(context.backoff.next("kubernetes", &key, Duration::from_secs(30)))
            },
            Arc::clone(context),
        )
        .for_each(|result| async move {
            if let Err(error) = result {
                tracing::debug!(%error, "reconcile");
            }
        })
        .await;
}

/// The process ends, and the reconcile has no call under way: the rest is for the next process.
async fn given_up(stop: &CancellationToken, caller: &Caller) {
    stop.cancelled().await;
    while caller.waiting().is_none() {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn key<K: Resource>(object: &K) -> Key {
    let meta = object.meta();
    Key::new(meta.namespace.clone().unwrap_or_default(), meta.name.clone().unwrap_or_default())
}
