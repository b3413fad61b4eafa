//! Tells an object's users while its reconcile waits for AWS's quotas.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use kube::api::{ApiResource, DynamicObject, Patch};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};

use super::changes::settled;
use super::publish::{self, State};
use super::slots::Queue;
use super::{Context, Stores, finalizer};
use crate::api::conditions::{READY, RECONCILING, reasons};
use crate::api::{APIDomain, APIRoute, AWSAccount, CommonStatus, RestAPI, StateMachine, UsagePlan};
use crate::aws::budget::{Caller, Priority, Waiting};
use crate::identity::Key;
use crate::problem::Problem;
use crate::resolve;

/// A shorter wait is not worth a word.
const WORTH_TELLING: Duration = Duration::from_secs(2);
/// An object's status is written at most so often while it waits.
const AT_MOST_EVERY: Duration = Duration::from_secs(10);
/// Those of a RestAPI's routes, of which there may be hundreds.
const ROUTES_AT_MOST_EVERY: Duration = Duration::from_mins(1);
const ROUTES_AT_ONCE: usize = 8;

tokio::task_local! {
    static TOLD: Told;
}

/// Whose status in Kubernetes is one that was written here, and not what the reconcile began with.
#[derive(Default)]
struct Told {
    object: Cell<bool>,
    routes: RefCell<BTreeSet<Key>>,
}

/// What of an object is needed to tell of a wait.
pub trait Waits: Resource<DynamicType = ()> {
    /// Whether its own reconcile writes its status.
    const SAYS_ITS_OWN: bool;
    /// Its status.
    fn status(&self) -> Option<&CommonStatus>;
    /// Whether something older of it serves.
    fn serving(&self) -> bool;
    /// The routes that wait with it.
    fn routes(&self, stores: &Stores) -> Vec<Arc<APIRoute>>;
}

macro_rules! waits {
    ($($kind:ident, $says:expr, $serving:expr, $routes:expr;)*) => {$(
        impl Waits for $kind {
            const SAYS_ITS_OWN: bool = $says;

            fn status(&self) -> Option<&CommonStatus> {
                self.status.as_ref().map(|status| &status.common)
            }

            fn serving(&self) -> bool {
                let serving: fn(&$kind) -> bool = $serving;
                serving(self)
            }

            fn routes(&self, stores: &Stores) -> Vec<Arc<APIRoute>> {
                let routes: fn(&$kind, &Stores) -> Vec<Arc<APIRoute>> = $routes;
                routes(self, stores)
            }
        }
    )*};
}

waits! {
    StateMachine, true, |machine| machine.status.as_ref().is_some_and(|status| status.applied_hash.is_some()), none;
    RestAPI, true, |api| api.status.as_ref().is_some_and(|status| status.applied_hash.is_some()), waiting_routes;
    UsagePlan, true, |plan| plan.status.as_ref().is_some_and(|status| status.applied_hash.is_some()), none;
    APIDomain, true, |domain| domain.status.as_ref().is_some_and(|status| status.applied_hash.is_some()), none;
    APIRoute, false, |route| route.status.as_ref().is_some_and(|status| !status.stages.is_empty()), none;
    AWSAccount, true, |_| false, none;
}

fn none<K>(_: &K, _: &Stores) -> Vec<Arc<APIRoute>> {
    Vec::new()
}

/// The routes of a RestAPI that have not had their last word.
fn waiting_routes(api: &RestAPI, stores: &Stores) -> Vec<Arc<APIRoute>> {
    let key = Key::of(api);
    if Stores::get(&stores.apis, &key).is_none_or(|api| resolve::terminating(&*api)) {
        return Vec::new();
    }
    // One that waits for a machine has more to say.
    let lacks = |status: &CommonStatus| {
        status.conditions.iter().any(|one| one.type_ == RECONCILING && one.reason == reasons::WAITING_FOR_REFERENCE)
    };
    let waits = |route: &Arc<APIRoute>| {
        let status = Waits::status(&**route);
        let lacks =
            || status.is_some_and(|status| status.observed_generation == route.metadata.generation && lacks(status));
        resolve::api_of(route) == key
            && !resolve::terminating(&**route)
            && !settled(status, route.metadata.generation)
            && !lacks()
    };
    stores.routes.state().into_iter().filter(waits).collect()
}

/// Whether a status has to be written although it is what the reconcile began with.
pub fn told() -> bool {
    TOLD.try_with(|told| told.object.replace(false)).unwrap_or(false)
}

/// The same of a route of the RestAPI.
pub fn told_of_route(route: &Key) -> bool {
    TOLD.try_with(|told| told.routes.borrow_mut().remove(route)).unwrap_or(false)
}

/// Runs a reconcile as this caller, and tells of its waits. It does not go on while its status is being written: what
/// it writes itself comes after.
pub async fn telling<K: Waits, T>(
    context: &Context,
    object: &K,
    caller: &Caller,
    reconcile: impl Future<Output = T>,
) -> T {
    let work = async {
        tokio::pin!(reconcile);
        let mut looks = tokio::time::interval_at(Instant::now() + WORTH_TELLING / 2, WORTH_TELLING / 2);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut status = object.status().cloned().unwrap_or_default();
        let mut told: Option<(Instant, Waiting)> = None;
        let mut routes_told: Option<Instant> = None;
        loop {
            tokio::select! {
                biased;
                result = &mut reconcile => return result,
                _ = looks.tick() => {}
            }
            let Some(waiting) = caller.waiting() else { continue };
            let soon = told.as_ref().is_some_and(|(at, said)| {
                // What the reconcile wrote meanwhile has taken its place.
                let stands = TOLD.with(|told| told.object.get());
                at.elapsed() < AT_MOST_EVERY || (stands && said.still_holds(at.elapsed(), &waiting))
            });
            if soon
                || waiting.waited + waiting.estimate.wait < WORTH_TELLING
                || !concerns_users(object, caller, &waiting)
            {
                continue;
            }
            let problem = |text: String| Problem::waiting(reasons::WAITING_FOR_QUOTA, text);
            tell(context, object, &mut status, problem(waiting.to_string())).await;
            TOLD.with(|told| told.object.set(true));
            if routes_told.is_none_or(|at| at.elapsed() >= ROUTES_AT_MOST_EVERY) {
                let routes = object.routes(&context.stores);
                TOLD.with(|told| told.routes.borrow_mut().extend(routes.iter().map(|route| Key::of(&**route))));
                let of_api = |route: Arc<APIRoute>| async {
                    let route = route;
                    let mut status = Waits::status(&*route).cloned().unwrap_or_default();
                    status.conditions.retain(|condition| condition.reason != reasons::NO_SUCH_API);
                    let api = format!("RestAPI {} is {waiting}", resolve::api_of(&route));
                    tell(context, &*route, &mut status, problem(api)).await;
                };
                stream::iter(routes).for_each_concurrent(ROUTES_AT_ONCE, of_api).await;
                routes_told = Some(Instant::now());
            }
            told = Some((Instant::now(), waiting));
        }
    };
    TOLD.scope(Told::default(), caller.scope(work)).await
}

/// Whether an object says already why this generation waits: that it waits for its turn to look again is not worth more.
fn says_why<K: Waits>(object: &K) -> bool {
    object.status().iter().flat_map(|status| &status.conditions).any(|condition| {
        condition.type_ == RECONCILING
            && condition.status == "True"
            && condition.observed_generation == object.meta().generation
            && condition.reason != reasons::WAITING_FOR_QUOTA
    })
}

/// Nobody waits for a look at an object with which all is well, or that says what is not; for a change, and before a first word, they do.
fn concerns_users<K: Waits>(object: &K, caller: &Caller, waiting: &Waiting) -> bool {
    let looks = ["Get", "List", "Describe"].iter().any(|verb| waiting.operation.starts_with(verb));
    let well = object.status().is_some_and(|status| {
        let ready = status.conditions.iter().find(|condition| condition.type_ == READY);
        status.observed_generation == object.meta().generation && ready.is_some_and(|ready| ready.status == "True")
    });
    !looks || (caller.priority() == Priority::User && !well && !says_why(object))
}

/// Tells of a change that waits for others to be carried out, so that a reconcile can begin.
pub async fn tell_of_its_turn<K: Waits>(context: &Context, object: &K, queue: &Queue) {
    let goes = resolve::terminating(object) && finalizer::has(object);
    if K::SAYS_ITS_OWN && !says_why(object) && (goes || !settled(object.status(), object.meta().generation)) {
        let mut status = object.status().cloned().unwrap_or_default();
        tell(context, object, &mut status, Problem::waiting(reasons::WAITING_FOR_QUOTA, queue.to_string())).await;
    }
}

/// Tells a problem in an object's status while, or because, no reconcile does. Only the conditions are written: what else the status
/// holds may have been written by the reconcile meanwhile.
pub async fn tell<K: Waits>(context: &Context, object: &K, status: &mut CommonStatus, problem: Problem) {
    let state = match resolve::terminating(object) {
        true => State::Deleting(problem),
        false => State::Not { problem, serving: object.serving() },
    };
    publish::set_state(status, object.meta().generation, &state);
    let kind = ApiResource::erase::<K>(&());
    let api: Api<DynamicObject> = match object.namespace() {
        Some(namespace) => Api::namespaced_with(context.client.clone(), &namespace, &kind),
        None => Api::all_with(context.client.clone(), &kind),
    };
    let patch = Patch::Merge(json!({"status": status}));
    match api.patch_status(&object.name_any(), &publish::ours(), &patch).await {
        Ok(object) => context.written.note(&object.metadata),
        Err(error) => tracing::debug!(%error, "not told"),
    }
}
