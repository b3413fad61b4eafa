//! Reconciles UsagePlans.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;
use kube::runtime::controller::Action;
use tracing::instrument;

use super::backoff::jittered;
use super::creation::{self, Creation};
use super::drifts::Drifts;
use super::lifecycle::{Departure, Kind, Life, Phase};
use super::passes::Passes;
use super::publish::State;
use super::steps::{apply_problem, crd_is_going, report, retired, session};
use super::{Context, generated};
use crate::api::conditions::reasons;
use crate::api::{ApiKeyStatus, AttachedStage, DeletionPolicy, PAUSED, UsagePlan, UsagePlanStatus, is_paused};
use crate::apply::{self, ApplyError, Known, Outcome, apply};
use crate::aws::AwsError;
use crate::identity::Key;
use crate::model::usage_plan as model;
use crate::observe::{UsagePlanLook, UsagePlanSeen, key_values, usage_plan_for_deletion};
use crate::problem::Problem;
use crate::resolve;
use crate::resources::{Step, api_key, usage_plan};
use crate::tenancy::Place;
use crate::validate::usage_plan::{self as validate, ValidKey, ValidPlan};
use crate::world::World;

/// A plan is made, or changed; then what is replaced is marked.
const MOST_PASSES: usize = 4;

/// Brings AWS to what the object asks.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = UsagePlan::KIND, namespace = object.namespace(), object = %object.name_any()))]
pub async fn reconcile(object: Arc<UsagePlan>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let life = Life::of(&context, &*object);
    let mut status = life.status();
    match life.phase().await? {
        Phase::Lives => {}
        Phase::Goes => {
            let left = Box::pin(delete(&life, &status)).await;
            return life.end(status, left).await;
        }
        Phase::Over => return Ok(Action::await_change()),
    }
    let mut world = resolve::usage_plan(&context, &object).await?;
    world.apis_stay = retired(&context, world.apis.values()).await?;
    let mut again = None;
    let state = match Box::pin(carry_out(&life, &mut world, &mut status, &mut again)).await {
        Ok(state) => state,
        Err(problem) => State::Not { problem, serving: status.applied_hash.is_some() },
    };
    let action = life.finish(status.clone(), state).await?;
    while let Some(gone) = life.overtaken(&status).await {
        let life = life.after(&gone);
        let left = Box::pin(delete(&life, &life.status())).await;
        if life.is_undone(left).await {
            return Ok(Action::await_change());
        }
    }
    Ok(again.map_or(action, |again| Action::requeue(again.min(jittered(context.config.resync_period)))))
}

async fn carry_out(
    life: &Life<'_, UsagePlan>,
    world: &mut World,
    status: &mut UsagePlanStatus,
    again: &mut Option<Duration>,
) -> Result<State, Problem> {
    let Life { context, object, .. } = *life;
    // 1. Where it lives, and that this has not changed since its first AWS object.
    let (admission, place) = validate::place(world, object)?;
    life.settles(&admission.account, &place)?;
    // 2. What it asks for.
    let owner = validate::validate(world, object)?.owner;
    // 3. AWS.
    let session = session(context, &admission.account, &place).await?;
    let mut refused = BTreeMap::new();
    if !is_paused(object) {
        let unseen = generated::unseen(object, world, status);
        let has = match unseen.is_empty() {
            true => BTreeMap::new(),
            false => key_values(&session, &owner, &unseen).await?,
        };
        refused = generated::fill(&context.client, object, world, &has).await;
    }
    let mut drifts = Drifts::new(object.spec.drift_policy);
    let mut passes = Passes::at_most(MOST_PASSES);
    let mut known_id = status.usage_plan_id.clone().or_else(|| creation::made(object));
    loop {
        let mut valid = validate::validate(world, object)?;
        refused.iter().for_each(|(key, problem)| valid.refuse(key, problem.clone()));
        let look =
            UsagePlanLook { session: &session, status, known_id: known_id.as_deref(), now: context.config.clock.now() };
        let seen = look.run(&mut valid).await?;
        let plan = &seen.planned.plan;
        if plan.is_empty() {
            if let Some(plan) = &seen.observed.plan {
                creation::found(&context.client, object, &plan.id).await;
            }
            drifts.note(&mut status.last_drift);
            return settled(object, &valid, seen, &place, status, again);
        }
        if is_paused(object) {
            return Ok(State::Paused(format!("Paused by annotation {PAUSED}; without it: {}", plan.summary())));
        }
        passes.begin(plan)?;
        if status.applied_hash.as_ref() == Some(&seen.hash)
            && !seen.planned.only_ends
            && let Some(state) = drifts.meet(plan, &mut status.last_drift)
        {
            return Ok(state);
        }
        life.bind(status, &place).await?;
        let creation = match &seen.observed.plan {
            None => Some(Creation::of(&context.client, &context.creations, object)?),
            Some(_) => None,
        };
        let known = Known {
            fence: creation.as_ref().map(Creation::fence),
            ..known(&place, seen.observed.plan.as_ref(), seen.values.clone())
        };
        let outcome = apply(plan, &session, None, known).await;
        known_id = outcome.known.usage_plan.id.clone();
        status.usage_plan_id = known_id.clone();
        report(context, object, &outcome.summary(), drifts.any()).await;
        creation.map_or(Ok(()), |creation| creation.end())?;
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
    again: &mut Option<Duration>,
) -> Result<State, Problem> {
    *again = seen.planned.ends_in.map(|left| left + Duration::from_secs(1));
    let observed = &seen.observed;
    status.usage_plan_id = observed.plan.as_ref().map(|plan| plan.id.clone());
    status.binding = Some(place.binding());
    status.applied_hash = Some(seen.hash);
    let key =
        |(id, name, ends): (String, String, Option<Timestamp>)| ApiKeyStatus { name, id, ends_at: ends.map(Time) };
    // One that is shown had its value here, and was known to be ours: where the value is gone, another one is made up.
    let had = |name: &String| {
        let is_unknown = matches!(valid.keys.get(name), Some(ValidKey::Unknown { from: None }));
        !is_unknown || status.api_keys.iter().any(|shown| shown.name == *name)
    };
    let shown: Vec<_> = model::shown(valid, observed).into_iter().filter(|(_, name, _)| had(name)).map(key).collect();
    status.api_keys = shown;
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
async fn delete(life: &Life<'_, UsagePlan>, status: &UsagePlanStatus) -> Result<(), Problem> {
    let Life { context, object, .. } = *life;
    // Deletion needs no Secret.
    let world = resolve::accounts(context);
    let Some(Departure { account, place, session }) = life.departs(&world).await? else { return Ok(()) };
    let owner = validate::owner(&world, &account, Key::of(object));
    let retain = object.spec.deletion_policy == DeletionPolicy::Retain || crd_is_going::<UsagePlan>(context).await?;
    if !retain {
        blocked_by_others(context, object)?;
        life.is_free(&account)?;
    }
    let known_id = status.usage_plan_id.clone().or_else(|| creation::made(object));
    let mut passes = Passes::of_deletion();
    loop {
        let observed = usage_plan_for_deletion(&session, &owner, known_id.as_deref()).await?;
        if life.spares(observed.plan.is_some()) {
            return Ok(());
        }
        let plan = if retain { model::release(&owner, &observed) } else { model::removal(&owner, &observed) };
        if plan.is_empty() {
            return if observed.plan.is_none() { context.creations.settled(object) } else { Ok(()) };
        }
        if !retain {
            life.pass_brake(&account)?;
        }
        let known = known(&place, observed.plan.as_ref(), api_key::Values::new());
        life.remove(&mut passes, &plan, &session, known).await?;
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
