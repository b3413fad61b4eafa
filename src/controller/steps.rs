//! Steps that the controllers of several kinds share.

use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Api, Resource, ResourceExt};

use super::Context;
use super::backoff::jittered;
use super::publish::{self, State};
use crate::api::conditions::reasons;
use crate::api::{ABANDON, AWSAccount, Binding, DeletionPolicy, Drift};
use crate::apply::ApplyError;
use crate::aws::{AwsError, Class, Session, SessionError};
use crate::identity::Key;
use crate::problem::{Kind, Problem};
use crate::resolve;
use crate::tenancy::Place;
use crate::world::World;

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

/// Whether a deletion leaves what is in AWS: as the manifest says, or else because it was there before.
pub(super) async fn retains(
    policy: Option<DeletionPolicy>,
    adopted: impl AsyncFnOnce() -> Result<bool, AwsError>,
) -> Result<bool, Problem> {
    match policy {
        Some(policy) => Ok(policy == DeletionPolicy::Retain),
        None => match adopted().await {
            Err(error) if error.class == Class::NotFound => Ok(false),
            adopted => Ok(adopted?),
        },
    }
}

/// Whether the kind itself is being deleted: then everything behaves as Retain.
pub(super) async fn crd_is_going(context: &Context, name: &str) -> Result<bool, Problem> {
    let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
    let crd = api.get_metadata_opt(name).await.map_err(Problem::from)?;
    Ok(crd.is_none_or(|crd| resolve::terminating(&crd)))
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

/// Notes a change in AWS that no manifest asked for; the time is that of the first look that found it.
pub(super) fn note_drift(last: &mut Option<Drift>, summary: &str) {
    if last.as_ref().is_none_or(|drift| drift.summary != summary) {
        *last = Some(Drift { time: Time(publish::now()), summary: summary.to_owned() });
    }
}

/// Adds what one pass repairs to what the passes before it did: somebody may go on changing AWS meanwhile.
pub(super) fn add_drift(found: &mut Option<String>, summary: &str) {
    const LONGEST: usize = 1024;
    let all = match found.as_deref() {
        None => summary.to_owned(),
        Some(before) => format!("{before}; then {summary}"),
    };
    *found = Some(all.chars().take(LONGEST).collect());
}

/// A drift that is left as it is.
pub(super) fn drifted(summary: &str) -> State {
    State::Drifted(format!("AWS was changed, and driftPolicy Report leaves it; without that: {summary}"))
}

/// When to look again.
pub(super) fn next(context: &Context, kind: &'static str, key: &Key, state: &State) -> Action {
    let period = context.config.resync_period;
    match state {
        State::Ready(_) | State::Paused(_) | State::Drifted(_) => {
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
                    reasons::DELETION_BLOCKED | reasons::DELETION_HELD => Duration::from_secs(30),
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
