//! Reconciles StateMachines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use tracing::instrument;

use super::backoff::jittered;
use super::passes::Passes;
use super::publish::{self, State};
use super::steps::{
    add_drift, apply_problem, bound, crd_is_going, drifted, next, note_drift, recorded, report, retains, session,
    takes_bindings,
};
use super::{Context, finalizer, narrowing, outputs, served};
use crate::api::conditions::{POLICY_COMPLETE, reasons};
use crate::api::{ABANDON, Drift, DriftPolicy, MachineType, PAUSED, StateMachine, StateMachineStatus, is_paused};
use crate::apply::{Known, apply};
use crate::aws::Session;
use crate::identity::{Key, Ownership};
use crate::model::execution_role::ManagedRole;
use crate::model::machine::{self, Observed};
use crate::observe;
use crate::problem::Problem;
use crate::resolve;
use crate::resources::{is_adopted, state_machine};
use crate::validate::several;
use crate::validate::state_machine::{self as validate, Inference, ValidRole};
use crate::world::World;

const KIND: &str = "StateMachine";

/// An update widens the role, notes when it was made, and narrows the role where nothing runs.
const MOST_PASSES: usize = 6;

/// How often a deletion looks whether executions still run: ListExecutions is shared by the whole account.
const EXECUTIONS: Duration = Duration::from_secs(15);

/// Brings AWS to what the object asks.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = KIND, namespace = object.namespace(), name = %object.name_any()))]
pub async fn reconcile(object: Arc<StateMachine>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let api: Api<StateMachine> = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let world = resolve::state_machine(&context, &object).await?;
    let mut status = object.status.clone().unwrap_or_default();
    if resolve::terminating(&*object) {
        if !finalizer::has(&*object) {
            return Ok(Action::await_change());
        }
        return match delete(&context, &world, &object, &status).await {
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
    let mut again = None;
    let state = match carry_out(&context, &api, &world, &object, &mut status, &mut again).await {
        Ok(state) => state,
        Err(problem) => {
            if problem.reason == reasons::INVALID_DEFINITION {
                status.findings = validate::status_findings(&problem.findings);
            }
            State::Not { problem, serving: status.applied_hash.is_some() }
        }
    };
    let data = outputs::of_state_machine(&status);
    let state = outputs::publish(&context.client, &*object, object.spec.outputs.as_ref(), data, state).await;
    let action = finish(&context, &api, &object, status, state).await?;
    Ok(again.map_or(action, |again| Action::requeue(jittered(again))))
}

async fn finish(
    context: &Context,
    api: &Api<StateMachine>,
    object: &StateMachine,
    mut status: StateMachineStatus,
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
    api: &Api<StateMachine>,
    world: &World,
    object: &StateMachine,
    status: &mut StateMachineStatus,
    again: &mut Option<Duration>,
) -> Result<State, Problem> {
    // 1. Where it lives, and that this has not changed since its first AWS object.
    let (admission, place) = validate::place(world, object)?;
    bound(status.binding.as_ref(), &place)?;
    if status.binding.is_none() {
        takes_bindings(&admission.account)?;
    }
    // 2. What it asks for.
    let valid = validate::validate(world, object)?;
    tell_permissions(status, object.meta().generation, &valid.role);
    status.findings = validate::status_findings(&valid.findings);
    let wanted = machine::build(&valid);
    // 3. AWS.
    let session = session(context, &admission.account, &place).await?;
    let hash = wanted.hash(&place);
    let mut drift = None;
    let mut passes = Passes::at_most(MOST_PASSES);
    loop {
        let now = context.config.clock.now();
        let (observed, planned) = observe::state_machine(&session, &wanted, &place, status, now).await?;
        let plan = &planned.plan;
        if plan.is_empty() {
            *again = narrowing::tell(status, object, planned.keeps_since, &observed.older, now)
                .map(|wait| wait.min(context.config.resync_period));
            status.state_machine_arn = Some(wanted.machine.arn.clone());
            status.role_arn = Some(wanted.machine.role_arn.clone());
            status.kms_key_arn = valid.encryption.as_ref().map(|encryption| encryption.kms_key_arn.clone());
            status.revision_id = observed.machine.and_then(|machine| machine.revision_id);
            status.binding = Some(place.binding());
            status.applied_hash = Some(hash);
            if let Some(summary) = drift {
                status.last_drift = Some(Drift { time: Time(publish::now()), summary });
            }
            // Also when paused: with nothing to do, Ready stays.
            return Ok(State::Ready(format!("AWS describes state machine {}.", valid.name)));
        }
        if is_paused(object) {
            return Ok(State::Paused(format!("Paused by annotation {PAUSED}; without it: {}", plan.summary())));
        }
        passes.begin(plan)?;
        if status.applied_hash.as_ref() == Some(&hash) && !planned.goes_on {
            if object.spec.drift_policy == DriftPolicy::Report && drift.is_none() {
                note_drift(&mut status.last_drift, &plan.summary());
                return Ok(drifted(&plan.summary()));
            }
            add_drift(&mut drift, &plan.summary());
        }
        if status.binding.is_none() {
            // Written before the first effect, so that deletion knows where to look whatever happens in between.
            status.binding = Some(place.binding());
            let written = publish::write(api, &object.name_any(), object.status.as_ref(), status).await;
            written.map_err(Problem::from)?;
        }
        let outcome = apply(plan, &session, None, Known::default()).await;
        report(context, object, &outcome.summary(), drift.is_some()).await;
        if let Some((_, error)) = outcome.failed.first() {
            return Err(apply_problem(error));
        }
    }
}

/// Says whether the role allows all that the definition does.
fn tell_permissions(status: &mut StateMachineStatus, generation: Option<i64>, role: &ValidRole) {
    let (complete, reason, message, summary) = match role {
        ValidRole::Existing(_) => {
            (None, reasons::NOT_INFERRED, "executionRole.arn names an existing role.".to_owned(), None)
        }
        ValidRole::Managed { inference: Inference::Off, .. } => {
            (None, reasons::NOT_INFERRED, "executionRole.inferred is false.".to_owned(), None)
        }
        ValidRole::Managed { inference: Inference::Done { summary, unknown }, .. } if unknown.is_empty() => {
            let message = "The role allows every call that the definition makes.".to_owned();
            (Some(true), reasons::INFERRED, message, Some(summary.clone()))
        }
        ValidRole::Managed { inference: Inference::Done { summary, unknown }, .. } => {
            let texts: Vec<String> = unknown.iter().map(ToString::to_string).collect();
            (Some(false), reasons::UNKNOWN_PERMISSIONS, several(&texts), Some(summary.clone()))
        }
    };
    status.policy_summary = summary;
    publish::set(&mut status.common.conditions, POLICY_COMPLETE, complete, reason, &message, generation);
}

/// Removes everything from AWS; `Ok` when nothing is left.
async fn delete(
    context: &Context,
    world: &World,
    object: &StateMachine,
    status: &StateMachineStatus,
) -> Result<(), Problem> {
    if object.annotations().contains_key(ABANDON) {
        return Ok(());
    }
    let Some((account, place)) = recorded(world, status.binding.as_ref())? else { return Ok(()) };
    if is_paused(object) {
        return Err(Problem::waiting(
            reasons::DELETION_BLOCKED,
            format!("paused by annotation {PAUSED}: remove it, and deletion goes on"),
        ));
    }
    let session = session(context, &account, &place).await?;
    let owner = validate::owner(world, &account, object);
    let arn = state_machine::arn(place.partition, &place.region, &place.account_id, &validate::aws_name(object));
    let scope = object.spec.execution_role.as_ref().map(|role| role.scope).unwrap_or_default();
    let managed = ManagedRole::of(&owner, &place.region, scope);
    let adopted = async || state_machine::remote::tags(&session.sfn, &arn).await.map(|tags| is_adopted(&tags));
    let retain = retains(object.spec.deletion_policy, adopted).await?
        || crd_is_going(context, "statemachines.stepgate.dev").await?;
    if !retain {
        context.brake.pass(&account, &object.uid().unwrap_or_default())?;
        let machine = served::Machine { key: &Key::of(object), arn: &arn, place: &place };
        served::blocks(context, &machine, &session).await?;
    }
    let grace = (!retain && object.spec.type_ == MachineType::Standard)
        .then(|| grace_left(object, context.config.clock.now()))
        .flatten();
    let mut passes = Passes::of_deletion();
    loop {
        let machine = state_machine::remote::observe(&session.sfn, &arn).await?;
        let going = machine.as_ref().is_some_and(|machine| machine.deleting);
        let observed = Observed {
            tags: match machine {
                Some(_) if !going => Some(state_machine::remote::tags(&session.sfn, &arn).await?),
                _ => None,
            },
            machine,
            role: observe::execution_role(&session, &managed, &place, BTreeSet::new(), true).await?,
            ..Observed::default()
        };
        let plan = if retain {
            machine::release(&arn, &owner, &managed, &observed)
        } else {
            machine::removal(&arn, &owner, &managed, &observed)
        };
        if plan.is_empty() {
            let deleting = || Problem::waiting(reasons::DELETING, "AWS is deleting the state machine");
            return if going { Err(deleting()) } else { Ok(()) };
        }
        if let (Some(grace), Some(tags), true) = (&grace, &observed.tags, passes.none_yet())
            && owner.reads(tags) == Ownership::Ours
        {
            blocked_by_executions(grace, &session, &arn).await?;
        }
        passes.begin(&plan)?;
        let outcome = apply(&plan, &session, None, Known::default()).await;
        report(context, object, &outcome.summary(), false).await;
        if let Some((_, error)) = outcome.failed.first() {
            return Err(apply_problem(error));
        }
    }
}

/// What is left of the time that a deletion gives to running executions.
struct Grace {
    until: Timestamp,
    left: Duration,
}

fn grace_left(object: &StateMachine, now: Timestamp) -> Option<Grace> {
    let period: SignedDuration = object.spec.deletion_grace_period.parse().ok()?;
    let until = object.meta().deletion_timestamp.as_ref()?.0.checked_add(period).ok()?;
    let left = Duration::try_from(until.duration_since(now)).ok()?;
    Some(Grace { until, left })
}

async fn blocked_by_executions(grace: &Grace, session: &Session, arn: &str) -> Result<(), Problem> {
    let running = state_machine::remote::running(&session.sfn, arn).await?;
    let count = match running {
        0 => return Ok(()),
        1 => "1 execution is".to_owned(),
        state_machine::remote::MOST_RUNNING => format!("{running} or more executions are"),
        _ => format!("{running} executions are"),
    };
    let message = format!(
        "{count} running; it is deleted when they have ended, or at {} (deletionGracePeriod), and AWS ends them then",
        grace.until.strftime("%FT%TZ")
    );
    // A moment later than the end, so that one more look is enough.
    let left = grace.left + Duration::from_secs(1);
    Err(Problem { retry_after: Some(left.min(EXECUTIONS)), ..Problem::waiting(reasons::DELETION_BLOCKED, message) })
}
