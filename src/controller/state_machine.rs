//! Reconciles StateMachines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use kube::runtime::controller::Action;
use kube::{Resource, ResourceExt};
use tracing::instrument;

use super::backoff::jittered;
use super::daily::is_check_of_the_day;
use super::drifts::Drifts;
use super::lifecycle::{Departure, Kind, Life, Phase};
use super::passes::Passes;
use super::publish::{self, State};
use super::steps::{apply_problem, crd_is_going, report, retains, session};
use super::{Context, narrowing, outputs, served};
use crate::api::conditions::{POLICY_COMPLETE, reasons};
use crate::api::{AdoptionPolicy, DeletionPolicy, MachineType, PAUSED, StateMachine, StateMachineStatus, is_paused};
use crate::apply::{Known, apply};
use crate::aws::Session;
use crate::identity::{Key, Ownership};
use crate::model::execution_role::ManagedRole;
use crate::model::machine::{self, Observed, Planned};
use crate::observe;
use crate::problem::Problem;
use crate::resolve;
use crate::resources::{is_adopted, state_machine};
use crate::validate::several;
use crate::validate::state_machine::{self as validate, Inference, ValidRole};
use crate::world::World;

/// An update widens the role, notes when it was made, and narrows the role where nothing runs.
const MOST_PASSES: usize = 6;

/// So many roles the status remembers as adopted.
const MOST_ADOPTED: usize = 8;

/// How often a deletion looks whether executions still run: ListExecutions is shared by the whole account.
const EXECUTIONS: Duration = Duration::from_secs(15);

/// Brings AWS to what the object asks.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = StateMachine::KIND, namespace = object.namespace(), object = %object.name_any()))]
pub async fn reconcile(object: Arc<StateMachine>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let life = Life::of(&context, &*object);
    let phase = life.phase().await?;
    if phase == Phase::Over {
        return Ok(Action::await_change());
    }
    let world = resolve::state_machine(&context, &object).await?;
    let mut status = life.status();
    if phase == Phase::Goes {
        let left = Box::pin(delete(&life, &world)).await;
        return life.end(status, left).await;
    }
    let mut again = None;
    let state = match Box::pin(carry_out(&life, &world, &mut status, &mut again)).await {
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
    let action = life.finish(status.clone(), state).await?;
    while let Some(gone) = life.overtaken(&status).await {
        let life = life.after(&gone);
        let left = Box::pin(delete(&life, &world)).await;
        if life.is_undone(left).await {
            return Ok(Action::await_change());
        }
    }
    Ok(again.map_or(action, |again| Action::requeue(jittered(again))))
}

async fn carry_out(
    life: &Life<'_, StateMachine>,
    world: &World,
    status: &mut StateMachineStatus,
    again: &mut Option<Duration>,
) -> Result<State, Problem> {
    let Life { context, object, .. } = *life;
    // 1. Where it lives, and that this has not changed since its first AWS object.
    let (admission, place) = validate::place(world, object)?;
    life.settles(&admission.account, &place)?;
    // 2. What it asks for.
    let valid = validate::validate(world, object)?;
    tell_permissions(status, object.meta().generation, &valid.role);
    status.findings = validate::status_findings(&valid.findings);
    let wanted = machine::build(&valid);
    // 3. AWS.
    let session = session(context, &admission.account, &place).await?;
    let hash = wanted.hash(&place);
    let uid = object.uid().unwrap_or_default();
    let mut drifts = Drifts::new(object.spec.drift_policy);
    let mut passes = Passes::at_most(MOST_PASSES);
    loop {
        let now = context.config.clock.now();
        let (observed, planned) = observe::state_machine(&session, &wanted, &place, status, now).await?;
        let plan = &planned.plan;
        if plan.is_empty() {
            *again = narrowing::tell(status, object, planned.keeps_since, &observed.older, now)
                .map(|wait| wait.min(context.config.resync_period));
            status.state_machine_arn = Some(wanted.machine.arn.clone());
            status.adopted_roles.retain(|arn| {
                let is_former = observed.former.iter().any(|(role, _)| role.adopted.as_ref() == Some(arn));
                is_former || (planned.adopts && *arn == planned.role_arn)
            });
            // Another process that is late may still make what this one knows to be gone.
            status.managed_role &= !is_check_of_the_day(&uid, now, context.config.resync_period);
            status.managed_role |= is_there_one_made(&observed, &planned);
            status.role_arn = Some(planned.role_arn.clone());
            status.kms_key_arn = valid.encryption.as_ref().map(|encryption| encryption.kms_key_arn.clone());
            status.revision_id = observed.machine.and_then(|machine| machine.revision_id);
            status.binding = Some(place.binding());
            status.applied_hash = Some(hash);
            drifts.note(&mut status.last_drift);
            // Also when paused: with nothing to do, Ready stays.
            return Ok(State::Ready(format!("AWS describes state machine {}.", valid.name)));
        }
        if is_paused(object) {
            return Ok(State::Paused(format!("Paused by annotation {PAUSED}; without it: {}", plan.summary())));
        }
        passes.begin(plan)?;
        if status.applied_hash.as_ref() == Some(&hash)
            && !planned.goes_on
            && let Some(state) = drifts.meet(plan, &mut status.last_drift)
        {
            return Ok(state);
        }
        if remember(status, &observed, &planned)? && status.binding.is_some() {
            life.record(status).await?;
        }
        life.bind(status, &place).await?;
        let outcome = apply(plan, &session, None, Known::default()).await;
        life.note(&outcome.done);
        report(context, object, &outcome.summary(), drifts.any()).await;
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

/// Has the status know of all roles that may have to go one day; whether it did not.
fn remember(status: &mut StateMachineStatus, observed: &Observed, planned: &Planned) -> Result<bool, Problem> {
    let before = (status.adopted_roles.len(), status.managed_role);
    let adopts = planned.adopts.then_some(&planned.role_arn);
    for arn in adopts.into_iter().chain(observed.former.iter().filter_map(|(role, _)| role.adopted.as_ref())) {
        if !status.adopted_roles.contains(arn) {
            has_room(&status.adopted_roles)?;
            status.adopted_roles.push(arn.clone());
        }
    }
    status.managed_role |= is_there_one_made(observed, planned);
    Ok(before != (status.adopted_roles.len(), status.managed_role))
}

/// Whether there is a role that was made for it, or will be.
fn is_there_one_made(observed: &Observed, planned: &Planned) -> bool {
    let is_former = observed.former.iter().any(|(role, _)| role.adopted.is_none());
    planned.makes || is_former || (!planned.adopts && observed.role.role.is_some())
}

/// Whether the status can remember one adopted role more.
fn has_room(adopted: &[String]) -> Result<(), Problem> {
    if adopted.len() < MOST_ADOPTED {
        return Ok(());
    }
    let message = format!(
        "spec.executionRole.adoption: executions may still run with {} roles that this machine adopted before; another is adopted when they have ended",
        adopted.len()
    );
    Err(Problem::waiting(reasons::WAITING_FOR_ROLE, message))
}

/// Removes everything from AWS; `Ok` when nothing is left.
async fn delete(life: &Life<'_, StateMachine>, world: &World) -> Result<(), Problem> {
    let Life { context, object, .. } = *life;
    let Some(Departure { account, place, session }) = life.departs(world).await? else { return Ok(()) };
    let owner = validate::owner(world, &account, object);
    let arn = state_machine::arn(place.partition, &place.region, &place.account_id, &validate::aws_name(object));
    let scope = object.spec.execution_role.as_ref().map(|role| role.scope).unwrap_or_default();
    let managed = ManagedRole::of(&owner, &place.region, scope);
    let adopted_roles = life.status().adopted_roles;
    let former = || adopted_roles.iter().map(|arn| ManagedRole::adopted(&owner, &place.region, arn));
    let takes_adopted = object.spec.deletion_policy == Some(DeletionPolicy::Delete);
    // `Adopt` makes none: also one whose tag somebody has taken off was there before.
    let never_made = object.spec.adoption.as_ref().is_some_and(|adoption| adoption.policy == AdoptionPolicy::Adopt);
    let adopted = async || Ok(never_made || is_adopted(&state_machine::remote::tags(&session.sfn, &arn).await?));
    let retain = retains(object.spec.deletion_policy, adopted).await? || crd_is_going::<StateMachine>(context).await?;
    if !retain {
        life.is_free(&account)?;
        let machine = served::Machine { key: &Key::of(object), arn: &arn, place: &place, account: &account };
        served::blocks(context, world, &machine, &session).await?;
    }
    let grace = (!retain && object.spec.type_ == MachineType::Standard)
        .then(|| grace_left(object, context.config.clock.now()))
        .flatten();
    let mut passes = Passes::of_deletion();
    loop {
        let machine = state_machine::remote::observe(&session.sfn, &arn).await?;
        let going = machine.as_ref().is_some_and(|machine| machine.deleting);
        if life.spares(machine.is_some()) {
            return Ok(());
        }
        let mut roles = Vec::new();
        for role in former() {
            let found = observe::execution_role(&session, &role, &place, BTreeSet::new(), true).await?;
            roles.push((role, found));
        }
        let observed = Observed {
            former: roles,
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
            machine::removal(&arn, &owner, &managed, &observed, takes_adopted)
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
        if !retain && !going {
            life.pass_brake(&account)?;
        }
        life.remove(&mut passes, &plan, &session, Known::default()).await?;
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
