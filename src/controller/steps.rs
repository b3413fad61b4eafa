//! Steps that the controllers of several kinds share.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::core::PartialObjectMeta;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Api, CustomResourceExt, Resource, ResourceExt};

use super::Context;
use super::backoff::jittered;
use super::publish::{self, State};
use crate::api::conditions::reasons;
use crate::api::{ABANDON, AWSAccount, Binding, DeletionPolicy};
use crate::apply::ApplyError;
use crate::aws::{AwsError, Class, Session, SessionError};
use crate::identity::Key;
use crate::problem::{Kind, Problem};
use crate::resolve;
use crate::tenancy::Place;
use crate::world::World;

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
pub(super) async fn crd_is_going<K: CustomResourceExt>(context: &Context) -> Result<bool, kube::Error> {
    Ok(crd::<K>(context).await?.is_none_or(|crd| resolve::terminating(&crd)))
}

/// The same, asked only where one of these objects is being deleted.
pub(super) async fn retired<'a, K>(
    context: &Context,
    objects: impl IntoIterator<Item = &'a Arc<K>>,
) -> Result<bool, kube::Error>
where
    K: CustomResourceExt + Resource + 'a,
{
    Ok(objects.into_iter().any(|object| resolve::terminating(&**object)) && crd_is_going::<K>(context).await?)
}

/// How long ago a kind was installed, where that was after this object was created: it was deleted, and is back.
pub(super) async fn back_since<K: CustomResourceExt>(
    context: &Context,
    object: &impl ResourceExt,
) -> Result<Option<Duration>, kube::Error> {
    let installed = crd::<K>(context).await?.and_then(|crd| crd.creation_timestamp());
    let installed = installed.filter(|time| object.creation_timestamp().is_some_and(|created| created < *time));
    Ok(installed.map(|time| SystemTime::from(time.0).elapsed().unwrap_or_default()))
}

async fn crd<K: CustomResourceExt>(
    context: &Context,
) -> Result<Option<PartialObjectMeta<CustomResourceDefinition>>, kube::Error> {
    let api: Api<CustomResourceDefinition> = Api::all(context.client.clone());
    api.get_metadata_opt(K::crd_name()).await
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
