//! Tells an object's users while its reconcile waits for AWS's quotas.

use std::cell::Cell;
use std::time::Duration;

use kube::api::{ApiResource, DynamicObject, Patch};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;
use tokio::time::{Instant, MissedTickBehavior};

use super::Context;
use super::publish::{self, State};
use crate::api::conditions::{READY, reasons};
use crate::api::{APIDomain, APIRoute, AWSAccount, CommonStatus, RestAPI, StateMachine, UsagePlan};
use crate::aws::budget::{Caller, Priority, Waiting};
use crate::problem::Problem;
use crate::resolve;

/// A shorter wait is not worth a word.
const WORTH_TELLING: Duration = Duration::from_secs(2);
/// An object's status is written at most so often while it waits.
const AT_MOST_EVERY: Duration = Duration::from_secs(10);

tokio::task_local! {
    /// Whether the status in Kubernetes is one that was written here, and not what the reconcile began with.
    static TOLD: Cell<bool>;
}

/// What of an object is needed to tell of a wait.
pub trait Waits: Resource<DynamicType = ()> {
    /// Its status.
    fn status(&self) -> Option<&CommonStatus>;
    /// Whether something older of it serves.
    fn serving(&self) -> bool;
}

macro_rules! waits {
    ($($kind:ident, $serving:expr;)*) => {$(
        impl Waits for $kind {
            fn status(&self) -> Option<&CommonStatus> {
                self.status.as_ref().map(|status| &status.common)
            }

            fn serving(&self) -> bool {
                let serving: fn(&$kind) -> bool = $serving;
                serving(self)
            }
        }
    )*};
}

waits! {
    StateMachine, |machine| machine.status.as_ref().is_some_and(|status| status.applied_hash.is_some());
    RestAPI, |api| api.status.as_ref().is_some_and(|status| status.applied_hash.is_some());
    UsagePlan, |plan| plan.status.as_ref().is_some_and(|status| status.applied_hash.is_some());
    APIDomain, |domain| domain.status.as_ref().is_some_and(|status| status.applied_hash.is_some());
    APIRoute, |_| false;
    AWSAccount, |_| false;
}

/// Whether a status has to be written although it is what the reconcile began with.
pub fn told() -> bool {
    TOLD.try_with(|told| told.replace(false)).unwrap_or(false)
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
        loop {
            tokio::select! {
                biased;
                result = &mut reconcile => return result,
                _ = looks.tick() => {}
            }
            let Some(waiting) = caller.waiting() else { continue };
            let soon = told.as_ref().is_some_and(|(at, said)| {
                // What the reconcile wrote meanwhile has taken its place.
                let stands = TOLD.with(Cell::get);
                at.elapsed() < AT_MOST_EVERY || (stands && said.still_holds(at.elapsed(), &waiting))
            });
            if soon
                || waiting.waited + waiting.estimate.wait < WORTH_TELLING
                || !concerns_users(object, caller, &waiting)
            {
                continue;
            }
            let problem = Problem::waiting(reasons::WAITING_FOR_QUOTA, waiting.to_string());
            tell(context, object, &mut status, problem).await;
            TOLD.with(|told| told.set(true));
            told = Some((Instant::now(), waiting));
        }
    };
    TOLD.scope(Cell::new(false), caller.scope(work)).await
}

/// Nobody waits for a look at an object with which all is well; for a change, and before a first word, they do.
fn concerns_users<K: Waits>(object: &K, caller: &Caller, waiting: &Waiting) -> bool {
    let looks = ["Get", "List", "Describe"].iter().any(|verb| waiting.operation.starts_with(verb));
    let well = object.status().is_some_and(|status| {
        let ready = status.conditions.iter().find(|condition| condition.type_ == READY);
        status.observed_generation == object.meta().generation && ready.is_some_and(|ready| ready.status == "True")
    });
    !looks || (caller.priority() == Priority::User && !well)
}

/// Tells a problem in an object's status while, or because, no reconcile does. Only the conditions are written: what else the status holds may have been written by the reconcile meanwhile.
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
    if let Err(error) = api.patch_status(&object.name_any(), &publish::ours(), &patch).await {
        tracing::debug!(%error, "not told");
    }
}
