//! Reconciles UsagePlans.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use tracing::instrument;

use super::backoff::jittered;
use super::passes::Passes;
use super::publish::{self, State};
use super::steps::{
    apply_problem, bound, crd_is_going, drifted, next, note_drift, recorded, report, session, takes_bindings,
};
use super::{Context, finalizer, generated};
use crate::api::conditions::reasons;
use crate::api::{
    ABANDON, ApiKeyStatus, AttachedStage, DeletionPolicy, Drift, DriftPolicy, PAUSED, UsagePlan, UsagePlanStatus,
    is_paused,
};
use crate::apply::{self, ApplyError, Known, Outcome, apply};
use crate::aws::AwsError;
use crate::identity::Key;
use crate::model::usage_plan as model;
use crate::observe::{UsagePlanLook, UsagePlanSeen, usage_plan_for_deletion};
use crate::problem::Problem;
use crate::resolve;
use crate::resources::{Step, api_key, usage_plan};
use crate::tenancy::Place;
use crate::validate::usage_plan::{self as validate, ValidPlan};
use crate::world::World;

const KIND: &str = "UsagePlan";

/// A plan is made, or changed; then what is replaced is marked.
const MOST_PASSES: usize = 4;

/// Brings AWS to what the object asks.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = KIND, namespace = object.namespace(), name = %object.name_any()))]
pub async fn reconcile(object: Arc<UsagePlan>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let api: Api<UsagePlan> = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let mut status = object.status.clone().unwrap_or_default();
    if resolve::terminating(&*object) {
        if !finalizer::has(&*object) {
            return Ok(Action::await_change());
        }
        return match delete(&context, &object, &status).await {
            Ok(()) => {
                context.backoff.reset(KIND, &Key::of(&*object));
                context.brake.gone(&object.uid().unwrap_or_default());
                finalizer::remove(&api, &object).await?;
                Ok(Action::await_change())
            }
            Err(problem) => finish(&context, &api, &object, status, State::Deleting(problem)).await,
        };
    }
    if !finalizer::has(&*object) {
        finalizer::add(&api, &object).await?;
        return Ok(Action::await_change());
    }
    let mut world = resolve::usage_plan(&context, &object).await?;
    let mut again = None;
    let state = match carry_out(&context, &api, &mut world, &object, &mut status, &mut again).await {
        Ok(state) => state,
        Err(problem) => State::Not { problem, serving: status.applied_hash.is_some() },
    };
    let action = finish(&context, &api, &object, status, state).await?;
    Ok(again.map_or(action, |again| Action::requeue(again.min(jittered(context.config.resync_period)))))
}

async fn finish(
    context: &Context,
    api: &Api<UsagePlan>,
    object: &UsagePlan,
    mut status: UsagePlanStatus,
    state: State,
) -> Result<Action, kube::Error> {
    let before = object.status.as_ref().map(|status| status.common.conditions.clone()).unwrap_or_default();
    publish::set_state(&mut status.common, object.meta().generation, &state);
    publish::write(api, &object.name_any(), object.status.as_ref(), &status).await?;
    publish::tell(context, object, &before, &state).await;
    Ok(next(context, KIND, &Key::of(object), &state))
}

async fn carry_out(
    context: &Context,
    api: &Api<UsagePlan>,
    world: &mut World,
    object: &UsagePlan,
    status: &mut UsagePlanStatus,
    again: &mut Option<Duration>,
) -> Result<State, Problem> {
    // 1. Where it lives, and that this has not changed since its first AWS object.
    let (admission, place) = validate::place(world, object)?;
    bound(status.binding.as_ref(), &place)?;
    if status.binding.is_none() {
        takes_bindings(&admission.account)?;
    }
    // 2. What it asks for.
    validate::validate(world, object)?;
    let refused = match is_paused(object) {
        true => Default::default(),
        false => generated::fill(&context.client, object, world).await,
    };
    // 3. AWS.
    let session = session(context, &admission.account, &place).await?;
    let mut drift = None;
    let mut passes = Passes::at_most(MOST_PASSES);
    let mut known_id = status.usage_plan_id.clone();
    loop {
        let mut valid = validate::validate(world, object)?;
        refused.iter().for_each(|(key, problem)| valid.refuse(key, problem.clone()));
        let look =
            UsagePlanLook { session: &session, status, known_id: known_id.as_deref(), now: context.config.clock.now() };
        let seen = look.run(&mut valid).await?;
        let plan = &seen.planned.plan;
        if plan.is_empty() {
            return settled(object, &valid, seen, &place, status, drift, again);
        }
        if is_paused(object) {
            return Ok(State::Paused(format!("Paused by annotation {PAUSED}; without it: {}", plan.summary())));
        }
        passes.begin(plan)?;
        if status.applied_hash.as_ref() == Some(&seen.hash) && drift.is_none() && !seen.planned.only_ends {
            if object.spec.drift_policy == DriftPolicy::Report {
                note_drift(&mut status.last_drift, &plan.summary());
                return Ok(drifted(&plan.summary()));
            }
            drift = Some(plan.summary());
        }
        if status.binding.is_none() {
            // Written before the first effect, so that deletion knows where to look whatever happens in between.
            status.binding = Some(place.binding());
            let written = publish::write(api, &object.name_any(), object.status.as_ref(), status).await;
            written.map_err(Problem::from)?;
        }
        let known = known(&place, seen.observed.plan.as_ref(), seen.values.clone());
        let outcome = apply(plan, &session, None, known).await;
        known_id = outcome.known.usage_plan.id.clone();
        status.usage_plan_id = known_id.clone();
        report(context, object, &outcome.summary(), drift.is_some()).await;
        failure(&valid, &outcome)?;
    }
}

/// Nothing is left to do, except what waits.
fn settled(
    object: &UsagePlan,
    valid: &ValidPlan,
    seen: UsagePlanSeen,
    place: &Place,
    status: &mut UsagePlanStatus,
    drift: Option<String>,
    again: &mut Option<Duration>,
) -> Result<State, Problem> {
    *again = seen.planned.ends_in.map(|left| left + Duration::from_secs(1));
    let observed = &seen.observed;
    status.usage_plan_id = observed.plan.as_ref().map(|plan| plan.id.clone());
    status.binding = Some(place.binding());
    status.applied_hash = Some(seen.hash);
    let key =
        |(id, name, ends): (String, String, Option<Timestamp>)| ApiKeyStatus { name, id, ends_at: ends.map(Time) };
    status.api_keys = model::shown(valid, observed).into_iter().map(key).collect();
    let attached = valid.stages.iter().map(|stage| AttachedStage {
        namespace: stage.api.namespace.clone(),
        name: stage.api.name.clone(),
        stage: stage.stage.clone(),
        rest_api_id: stage.rest_api_id.clone(),
    });
    let has = |shown: &AttachedStage| {
        let key = usage_plan::stage_key(&shown.rest_api_id, &shown.stage);
        observed.plan.as_ref().is_some_and(|plan| plan.settings.stages.contains_key(&key))
    };
    let mut stages: Vec<_> = attached.chain(std::mem::take(&mut status.api_stages)).filter(has).collect();
    stages.sort();
    stages.dedup();
    status.api_stages = stages;
    if let Some(summary) = drift {
        status.last_drift = Some(Drift { time: Time(publish::now()), summary });
    }
    match valid.problem() {
        Some(problem) => Err(problem.clone()),
        None => {
            let (keys, stages) = (object.spec.api_keys.len(), valid.stages.len());
            let text = |count: usize, one: &str, many: &str| match count {
                1 => format!("1 {one}"),
                _ => format!("{count} {many}"),
            };
            let keys = text(keys, "key", "keys");
            Ok(State::Ready(format!("The plan has {keys} for {}.", text(stages, "stage", "stages"))))
        }
    }
}

fn known(place: &Place, plan: Option<&usage_plan::Observed>, values: api_key::Values) -> Known {
    let known = Known::of(place);
    let id = plan.map(|plan| plan.id.clone());
    Known { usage_plan: apply::UsagePlan { id, values, ..known.usage_plan.clone() }, ..known }
}

/// The first failure as a problem. AWS has each value once in an account and Region, whoever has it.
fn failure(valid: &ValidPlan, outcome: &Outcome) -> Result<(), Problem> {
    let Some((step, error)) = outcome.failed.first() else { return Ok(()) };
    if let (Step::ApiKey(api_key::Step::Create { name, .. }), ApplyError::Aws(AwsError { code: Some(code), .. })) =
        (step, error)
        && code == "ConflictException"
    {
        let key = name.strip_prefix(&validate::key_prefix(&valid.owner.key)).unwrap_or(name);
        return Err(Problem::stalled(
            reasons::OWNERSHIP_CONFLICT,
            format!(
                "spec.apiKeys[{key}]: account {} has an API key with this value in Region {} already, which is not this object's; choose another value",
                valid.place.account_id, valid.place.region
            ),
        ));
    }
    Err(apply_problem(error))
}

/// Removes everything from AWS; `Ok` when nothing is left.
async fn delete(context: &Context, object: &UsagePlan, status: &UsagePlanStatus) -> Result<(), Problem> {
    if object.annotations().contains_key(ABANDON) {
        return Ok(());
    }
    // Deletion needs no Secret.
    let world = resolve::accounts(context);
    let Some((account, place)) = recorded(&world, status.binding.as_ref())? else { return Ok(()) };
    if is_paused(object) {
        return Err(Problem::waiting(
            reasons::DELETION_BLOCKED,
            format!("paused by annotation {PAUSED}: remove it, and deletion goes on"),
        ));
    }
    let session = session(context, &account, &place).await?;
    let owner = validate::owner(&world, &account, Key::of(object));
    let retain = object.spec.deletion_policy == DeletionPolicy::Retain
        || crd_is_going(context, "usageplans.stepgate.dev").await?;
    if !retain {
        blocked_by_others(context, object)?;
        context.brake.pass(&account, &object.uid().unwrap_or_default())?;
    }
    let mut passes = Passes::of_deletion();
    loop {
        let observed = usage_plan_for_deletion(&session, &owner, status.usage_plan_id.as_deref()).await?;
        let plan = if retain { model::release(&owner, &observed) } else { model::removal(&owner, &observed) };
        if plan.is_empty() {
            return Ok(());
        }
        passes.begin(&plan)?;
        let known = known(&place, observed.plan.as_ref(), api_key::Values::new());
        let outcome = apply(&plan, &session, None, known).await;
        report(context, object, &outcome.summary(), false).await;
        if let Some((_, error)) = outcome.failed.first() {
            return Err(apply_problem(error));
        }
    }
}

/// No key is taken from another plan that has it from this one.
fn blocked_by_others(context: &Context, object: &UsagePlan) -> Result<(), Problem> {
    let key = Key::of(object);
    let plans = context.stores.plans.state();
    let names = |other: &&Arc<UsagePlan>| !resolve::terminating(&***other) && validate::shares(other).contains(&key);
    let mut others: Vec<String> = plans.iter().filter(names).map(|other| Key::of(&**other).to_string()).collect();
    others.sort();
    match others.first() {
        None => Ok(()),
        Some(other) => Err(Problem::waiting(
            reasons::DELETION_BLOCKED,
            format!("UsagePlan {other} has a key from this one; take it off the list there, or delete that plan too"),
        )),
    }
}
