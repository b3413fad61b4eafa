//! Reconciles StateMachines.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Api, Resource, ResourceExt};
use tracing::instrument;

use super::backoff::jittered;
use super::publish::{self, State};
use super::{Context, finalizer};
use crate::api::conditions::reasons;
use crate::api::{ABANDON, AWSAccount, Binding, DeletionPolicy, Drift, PAUSED, StateMachine, StateMachineStatus};
use crate::apply::{ApplyError, Known, apply};
use crate::aws::{AwsError, Class, Session, SessionError};
use crate::identity::Key;
use crate::model::machine::{self, Observed};
use crate::observe;
use crate::problem::{Kind, Problem};
use crate::resolve;
use crate::resources::{role, stage, state_machine};
use crate::tenancy::Place;
use crate::validate::state_machine as validate;
use crate::world::World;

const KIND: &str = "StateMachine";

/// A plan's own changes can bring others; more passes than this mean that AWS and the manifest do not settle.
const MOST_PASSES: usize = 4;

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
    let state = match carry_out(&context, &api, &world, &object, &mut status).await {
        Ok(state) => state,
        Err(problem) => State::Not { problem, serving: status.applied_hash.is_some() },
    };
    finish(&context, &api, &object, status, state).await
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

/// When to look again.
pub(super) fn next(context: &Context, kind: &'static str, key: &Key, state: &State) -> Action {
    let period = context.config.resync_period;
    match state {
        State::Ready(_) | State::Paused(_) => {
            context.backoff.reset(kind, key);
            Action::requeue(jittered(period))
        }
        State::Not { problem, .. } | State::Deleting(problem) => match problem.kind {
            // Any input wakes it; the period is for what changes in AWS unseen.
            Kind::Stalled => Action::requeue(jittered(period)),
            Kind::Waiting => {
                let longest = match problem.reason {
                    reasons::WAITING_FOR_ROLE | reasons::PROGRESSING | reasons::DELETING => Duration::from_secs(10),
                    reasons::WAITING_FOR_REFERENCE => period,
                    reasons::DELETION_BLOCKED => Duration::from_secs(30),
                    // Its recovery wakes everything that lives in the account.
                    _ if kind == "AWSAccount" => Duration::from_secs(30),
                    _ => Duration::MAX,
                };
                let wait = context.backoff.next(kind, key, longest);
                Action::requeue(wait.max(problem.retry_after.unwrap_or_default()))
            }
        },
    }
}

async fn carry_out(
    context: &Context,
    api: &Api<StateMachine>,
    world: &World,
    object: &StateMachine,
    status: &mut StateMachineStatus,
) -> Result<State, Problem> {
    // 1. Where it lives, and that this has not changed since its first AWS object.
    let (admission, place) = validate::place(world, object)?;
    bound(status.binding.as_ref(), &place)?;
    if status.binding.is_none() {
        takes_bindings(&admission.account)?;
    }
    // 2. What it asks for.
    let valid = validate::validate(world, object)?;
    let wanted = machine::build(&valid);
    // 3. AWS.
    let session = session(context, &admission.account, &place).await?;
    let hash = wanted.hash();
    let mut drift = None;
    let mut last = None;
    for _ in 0..MOST_PASSES {
        let (observed, plan) = observe::state_machine(&session, &wanted, &valid.owner, &place, status).await?;
        if plan.is_empty() {
            status.state_machine_arn = Some(wanted.machine.arn.clone());
            status.role_arn = Some(wanted.machine.role_arn.clone());
            status.revision_id = observed.machine.and_then(|machine| machine.revision_id);
            status.binding = Some(place.binding());
            status.applied_hash = Some(hash);
            if let Some(summary) = drift {
                status.last_drift = Some(Drift { time: Time(publish::now()), summary });
            }
            // Also when paused: with nothing to do, Ready stays.
            return Ok(State::Ready(format!("AWS describes state machine {}.", valid.name)));
        }
        if object.annotations().contains_key(PAUSED) {
            return Ok(State::Paused(format!("Paused by annotation {PAUSED}; without it: {}", plan.summary())));
        }
        let text = plan.to_string();
        if last.as_ref() == Some(&text) {
            return Err(Problem::waiting(reasons::PROGRESSING, "AWS does not show the last change yet"));
        }
        last = Some(text);
        if status.applied_hash.as_ref() == Some(&hash) && drift.is_none() {
            drift = Some(plan.summary());
        }
        if status.binding.is_none() {
            // Written before the first effect, so that deletion knows where to look whatever happens in between.
            status.binding = Some(place.binding());
            let written = publish::write(api, &object.name_any(), object.status.as_ref(), status).await;
            written.map_err(Problem::from)?;
        }
        let outcome = apply(&plan, &session, None, Known::default()).await;
        report(context, object, &outcome.summary(), drift.is_some()).await;
        if let Some((_, error)) = outcome.failed.first() {
            return Err(apply_problem(error));
        }
    }
    Err(Problem::waiting(reasons::PROGRESSING, "AWS does not show the last change yet"))
}

/// An event for what changed in AWS.
pub(super) async fn report<K>(context: &Context, object: &K, summary: &str, drift: bool)
where
    K: Resource<DynamicType = ()>,
{
    if summary.is_empty() {
        return;
    }
    let (type_, reason) = if drift { (EventType::Warning, "DriftRepaired") } else { (EventType::Normal, "Applied") };
    publish::event(context, object, type_, reason, "Apply", summary).await;
}

/// The problem behind a failed step.
pub(super) fn apply_problem(error: &ApplyError) -> Problem {
    match error {
        ApplyError::Aws(error) => Problem::from(error),
        ApplyError::Record(error) => Problem::waiting(reasons::RETRYING, error.to_string()),
    }
}

/// An object's account and Region never change after its first AWS object.
pub(super) fn bound(binding: Option<&Binding>, place: &Place) -> Result<(), Problem> {
    match binding {
        Some(binding) if *binding != place.binding() => Err(Problem::stalled(
            reasons::BINDING_CHANGED,
            format!(
                "it lives in account {} ({}), Region {}, and would now belong to account {} ({}), Region {}; AWS is left alone: undo the change, or delete the object and create it anew",
                binding.account_id, binding.account, binding.region, place.account_id, place.account, place.region
            ),
        )),
        _ => Ok(()),
    }
}

/// A terminating AWSAccount takes no new bindings.
pub(super) fn takes_bindings(account: &AWSAccount) -> Result<(), Problem> {
    if resolve::terminating(account) {
        return Err(Problem::stalled(
            reasons::NOT_ADMITTED,
            format!("AWSAccount {} is being deleted and takes nothing new", account.name_any()),
        ));
    }
    Ok(())
}

/// The session, or why there is none.
pub(super) async fn session(context: &Context, account: &AWSAccount, place: &Place) -> Result<Arc<Session>, Problem> {
    context.sessions.get(account, &place.region).await.map_err(|error| match error {
        SessionError::WrongAccount { .. } => {
            Problem::stalled(reasons::WRONG_ACCOUNT, format!("AWSAccount {}: {error}", account.name_any()))
        }
        SessionError::Aws(error) => {
            let problem = Problem::from(&error);
            Problem::waiting(reasons::RETRYING, format!("AWSAccount {}: {}", account.name_any(), problem.message))
        }
    })
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
    let deleting = |message: String| Problem::waiting(reasons::DELETING, message);
    let Some((account, place)) = recorded(world, status.binding.as_ref())? else { return Ok(()) };
    if object.annotations().contains_key(PAUSED) {
        return Err(Problem::waiting(
            reasons::DELETION_BLOCKED,
            format!("paused by annotation {PAUSED}: remove it, and deletion goes on"),
        ));
    }
    let session = session(context, &account, &place).await?;
    let owner = validate::owner(world, object);
    let arn = state_machine::arn(place.partition, &place.region, &place.account_id, &validate::aws_name(object));
    let retain = object.spec.deletion_policy == DeletionPolicy::Retain
        || crd_is_going(context, "statemachines.stepgate.dev").await?;
    if !retain {
        blocked_by_stages(context, &Key::of(object), &session).await?;
    }
    let mut last = None;
    loop {
        let machine = state_machine::remote::observe(&session.sfn, &arn).await?;
        let going = machine.as_ref().is_some_and(|machine| machine.deleting);
        let observed = Observed {
            tags: match machine {
                Some(_) if !going => Some(state_machine::remote::tags(&session.sfn, &arn).await?),
                _ => None,
            },
            machine,
            role: role::remote::observe(&session.iam, &machine::role_of(&owner, &place.region)).await?,
        };
        let plan = if retain {
            machine::release(&arn, &owner, &place.region, &observed)
        } else {
            machine::removal(&arn, &owner, &place.region, &observed)
        };
        if plan.is_empty() {
            return if going { Err(deleting("AWS is deleting the state machine".to_owned())) } else { Ok(()) };
        }
        let text = plan.to_string();
        if last.as_ref() == Some(&text) {
            return Err(deleting("AWS does not show the deletion yet".to_owned()));
        }
        last = Some(text);
        let outcome = apply(&plan, &session, None, Known::default()).await;
        report(context, object, &outcome.summary(), false).await;
        if let Some((_, error)) = outcome.failed.first() {
            return Err(apply_problem(error));
        }
    }
}

/// The account and place under which the object's AWS objects were made; `None` where none ever were.
///
/// # Errors
/// The AWSAccount is gone.
pub(super) fn recorded(world: &World, binding: Option<&Binding>) -> Result<Option<(Arc<AWSAccount>, Place)>, Problem> {
    let Some(binding) = binding else { return Ok(None) };
    let account = world
        .accounts
        .iter()
        .find(|account| account.name_any() == binding.account && account.spec.account_id == binding.account_id);
    let Some(account) = account else {
        return Err(Problem::waiting(
            reasons::DELETION_BLOCKED,
            format!(
                "its AWS objects are in account {}, and AWSAccount {} is gone; create it again, or let go of them with the annotation {ABANDON}",
                binding.account_id, binding.account
            ),
        ));
    };
    let place = Place {
        account: binding.account.clone(),
        account_id: binding.account_id.clone(),
        partition: crate::aws::partition(&binding.region),
        region: binding.region.clone(),
        endpoint_url: account.spec.endpoint_url.clone(),
    };
    Ok(Some((Arc::clone(account), place)))
}

/// Whether the kind itself is being deleted: then everything behaves as Retain.
pub(super) async fn crd_is_going(context: &Context, name: &str) -> Result<bool, Problem> {
    let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
    let crd = api.get_metadata_opt(name).await.map_err(Problem::from)?;
    Ok(crd.is_none_or(|crd| resolve::terminating(&crd)))
}

/// Nothing that a stage serves is deleted: the live stages are read once more before.
async fn blocked_by_stages(context: &Context, machine: &Key, session: &Session) -> Result<(), Problem> {
    for api in context.stores.apis.state() {
        let records = context.stores.records_of(&api);
        let naming: Vec<_> = records
            .iter()
            .filter(|record| record.routes.iter().any(|route| route.machines.contains(machine)))
            .collect();
        let ids: BTreeSet<&str> = naming.iter().map(|record| record.rest_api_id.as_str()).collect();
        for id in ids {
            let stages = match stage::remote::observe(&session.apigateway, id).await {
                Err(AwsError { class: Class::NotFound, .. }) => continue,
                answer => answer?,
            };
            for (name, stage) in &stages {
                let Some(record) = naming.iter().find(|record| record.deployment_id == stage.deployment_id) else {
                    continue;
                };
                let routes: Vec<_> = record
                    .routes
                    .iter()
                    .filter(|route| route.machines.contains(machine))
                    .take(3)
                    .map(|route| route.route.to_string())
                    .collect();
                return Err(Problem::waiting(
                    reasons::DELETION_BLOCKED,
                    format!(
                        "stage {name} of RestAPI {} serves it in revision {} (APIRoute {}); delete the route, and move or unpin the stage",
                        Key::of(&*api),
                        record.revision,
                        routes.join(", ")
                    ),
                ));
            }
        }
    }
    Ok(())
}
