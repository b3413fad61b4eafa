//! Reconciles APIRoutes on their own: the finalizer, and the status where there is no RestAPI to write it.

use std::sync::Arc;

use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, Resource, ResourceExt};
use tracing::instrument;

use super::brake::Brake;
use super::publish::{self, State};
use super::steps::{crd_is_going, next};
use super::{Context, Stores, finalizer, served};
use crate::api::conditions::{ACCEPTED, PROGRAMMED, RECONCILING, STALLED, reasons};
use crate::api::{ABANDON, APIRoute, AWSAccount, PAUSED, RestAPI, RestAPIStatus, StageStatus, is_paused};
use crate::identity::Key;
use crate::problem::Problem;
use crate::resolve::{self, api_of};
use crate::resources::deployment::Record;

const KIND: &str = "APIRoute";

/// Adds the finalizer, takes it off when no stage that follows the newest revision serves the route, and says so where
/// there is no RestAPI.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = KIND, namespace = object.namespace(), object = %object.name_any()))]
pub async fn reconcile(object: Arc<APIRoute>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let api: Api<APIRoute> = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let rest_api = Stores::get(&context.stores.apis, &api_of(&object));
    if resolve::terminating(&*object) {
        if !finalizer::has(&*object) {
            return Ok(Action::await_change());
        }
        let records = rest_api.as_ref().map(|rest_api| context.stores.records_of(rest_api)).unwrap_or_default();
        let serving = rest_api.as_ref().filter(|rest_api| may_serve(rest_api, &records, &object));
        // What is served stays so without it, where its kind is being deleted.
        let let_go = object.annotations().contains_key(ABANDON)
            || serving.is_some() && crd_is_going::<APIRoute>(&context).await?;
        let held = serving.filter(|_| !let_go).and_then(|rest_api| match held(rest_api, &records, &object) {
            Some(held) => Some(brake(&context, rest_api, &object, Brake::check).unwrap_or(held)),
            // What it serves goes when its RestAPI can be carried out again.
            None => brake(&context, rest_api, &object, Brake::pass),
        });
        if let Some(problem) = held {
            return finish(&context, &api, &object, State::Deleting(problem), false).await;
        }
        context.backoff.reset(KIND, &Key::of(&*object));
        context.brake.gone(&object.uid().unwrap_or_default());
        if let Some(rest_api) = rest_api.filter(|api| is_ours(api)) {
            let uid = rest_api.uid().unwrap_or_default();
            match let_go {
                true => context.returns.comes(&uid, &Key::of(&*object)),
                false => context.returns.gone(&uid, Key::of(&*object)),
            }
        }
        finalizer::remove(&api, &object).await?;
        return Ok(Action::await_change());
    }
    if !finalizer::has(&*object) {
        finalizer::add(&api, &object).await?;
        if let Some(rest_api) = &rest_api {
            context.returns.comes(&rest_api.uid().unwrap_or_default(), &Key::of(&*object));
        }
        return Ok(Action::await_change());
    }
    let missing = match &rest_api {
        Some(rest_api) if resolve::terminating(&**rest_api) => "is being deleted",
        // Its reconciler writes the status.
        Some(_) => return Ok(Action::await_change()),
        None => "does not exist",
    };
    let message = format!("spec.apiRef: RestAPI {} {missing}", api_of(&object));
    let problem = Problem::waiting(reasons::NO_SUCH_API, message);
    finish(&context, &api, &object, State::Not { problem, serving: false }, true).await
}

async fn finish(
    context: &Context,
    api: &Api<APIRoute>,
    object: &APIRoute,
    state: State,
    no_api: bool,
) -> Result<Action, kube::Error> {
    let mut status = object.status.clone().unwrap_or_default();
    let before = status.common.conditions.clone();
    let generation = object.meta().generation;
    if let (true, State::Not { problem, .. }) = (no_api, &state) {
        for type_ in [ACCEPTED, PROGRAMMED] {
            let (reason, message) = (problem.reason, problem.message.as_str());
            publish::set(&mut status.common.conditions, type_, Some(false), reason, message, generation);
        }
        status.stages.clear();
        status.url = None;
    }
    publish::set_state(&mut status.common, generation, &state);
    publish::write(context, api, object.meta(), object.status.as_ref(), &status).await?;
    publish::tell(context, object, &before, &state).await;
    Ok(match &state {
        // The RestAPI's appearance wakes it.
        State::Not { .. } => Action::await_change(),
        state => next(context, KIND, &Key::of(object), state),
    })
}

/// Whether a RestAPI stays, and is this operator's or new: of one that was refused before it was, as it is another cluster's, a route that
/// is deleted says nothing of what the API serves.
fn is_ours(rest_api: &RestAPI) -> bool {
    let is_refused = rest_api.status.as_ref().is_some_and(|status| status.binding.is_none() && is_stalled(status));
    !is_refused && !resolve::terminating(rest_api)
}

fn is_stalled(status: &RestAPIStatus) -> bool {
    status.common.conditions.iter().any(|condition| condition.type_ == STALLED && condition.status == "True")
}

/// What holds a terminating route: a stage that follows the newest revision and serves it. Nothing holds it where its
/// RestAPI is going, never served it, is paused, or can't be carried out itself: who deletes routes can't end that.
fn held(rest_api: &RestAPI, records: &[Record], route: &APIRoute) -> Option<Problem> {
    let status = rest_api.status.as_ref()?;
    if resolve::terminating(rest_api) {
        return None;
    }
    let stage = serving_stage(rest_api, records, &Key::of(route))?;
    let api = api_of(route);
    if is_paused(route) {
        let message = format!("paused by annotation {PAUSED}: remove it, and deletion goes on");
        return Some(Problem::waiting(reasons::DELETION_BLOCKED, message));
    }
    let conditions = &status.common.conditions;
    let aws = [reasons::RETRYING, reasons::WAITING_FOR_QUOTA];
    let waits = conditions.iter().find(|condition| {
        condition.type_ == RECONCILING && condition.status == "True" && aws.contains(&condition.reason.as_str())
    });
    let why = waits.map(|waits| format!("; RestAPI {api}: {}", waits.message)).unwrap_or_default();
    let message = format!("stage {stage} of RestAPI {api} still serves it{why}");
    (!is_stalled(status) && !is_paused(rest_api)).then(|| Problem::waiting(reasons::DELETING, message))
}

/// Whether there were too many deletions, as the brake of its account answers: then the RestAPI keeps what the route serves.
fn brake(
    context: &Context,
    rest_api: &RestAPI,
    route: &APIRoute,
    asks: fn(&Brake, &AWSAccount, &str) -> Result<(), Problem>,
) -> Option<Problem> {
    let account = &rest_api.status.as_ref()?.binding.as_ref()?.account;
    let account = context.stores.accounts.get(&ObjectRef::new(account))?;
    asks(&context.brake, &account, &route.uid().unwrap_or_default()).err()
}

/// Whether a RestAPI that does not go itself serves a route, or may.
fn may_serve(rest_api: &RestAPI, records: &[Record], route: &APIRoute) -> bool {
    let serves = serving_stage(rest_api, records, &Key::of(route)).is_some();
    !resolve::terminating(rest_api) && (serves || served::serves_off_record(rest_api, records))
}

/// The stage that serves a route and follows the newest revision, or goes.
pub(super) fn serving_stage<'a>(rest_api: &'a RestAPI, records: &[Record], route: &Key) -> Option<&'a str> {
    let serves = |revision: Option<i64>| {
        let record = records.iter().find(|record| Some(record.revision) == revision);
        record.is_some_and(|record| record.routes.iter().any(|served| served.route == *route))
    };
    let stages = &rest_api.status.as_ref()?.stages;
    let holds = |shown: &&StageStatus| {
        // One that no manifest names goes.
        let Some(stage) = rest_api.spec.stages.iter().find(|stage| stage.name == shown.name) else {
            return serves(shown.revision);
        };
        let follows = stage.canary.as_ref().is_none_or(|canary| canary.revision.is_none());
        let canary = shown.canary.as_ref().filter(|_| follows);
        (stage.follows() && serves(shown.revision)) || canary.is_some_and(|canary| serves(canary.revision))
    };
    stages.iter().find(holds).map(|stage| stage.name.as_str())
}
