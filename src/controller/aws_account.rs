//! Reconciles AWSAccounts: whose the credentials are, and who is still bound.

use std::sync::Arc;

use k8s_openapi::jiff::Timestamp;
use kube::core::Selector;
use kube::runtime::controller::Action;
use kube::runtime::events::EventType;
use kube::{Api, Resource, ResourceExt};
use tracing::instrument;

use super::brake::released_at;
use super::publish::{self, State};
use super::steps::next;
use super::{Context, finalizer};
use crate::api::conditions::reasons;
use crate::api::{ABANDON, AWSAccount, AWSAccountStatus, DELETIONS_RELEASED};
use crate::aws::{SessionError, partition};
use crate::identity::Key;
use crate::policy::ceiling::Grant;
use crate::problem::Problem;
use crate::resolve;

const KIND: &str = "AWSAccount";

/// Verifies the account; on deletion waits until nobody is bound to it.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = KIND, object = %object.name_any()))]
pub async fn reconcile(object: Arc<AWSAccount>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let api: Api<AWSAccount> = Api::all(context.client.clone());
    let name = object.name_any();
    let mut status = object.status.clone().unwrap_or_default();
    let was_held = held_since(&status);
    status.deletions = context.brake.counted(&object);
    if let (Some(_), None) = (held_since(&status), was_held) {
        let note = format!(
            "more than {} deletions within an hour: further ones are held until the annotation {DELETIONS_RELEASED} lets them go",
            object.spec.max_deletions_per_hour
        );
        publish::event(&context, &*object, EventType::Warning, reasons::DELETION_HELD, "Delete", &note).await;
    }
    let state = if resolve::terminating(&*object) {
        if !finalizer::has(&*object) {
            return Ok(Action::await_change());
        }
        let bound = bound_objects(&context, &name);
        if bound.is_empty() || object.annotations().contains_key(ABANDON) {
            finalizer::remove(&api, &object).await?;
            return Ok(Action::await_change());
        }
        const SHOWN: usize = 3;
        let shown = bound.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(", ");
        let shown = match bound.len().saturating_sub(SHOWN) {
            0 => shown,
            more => format!("{shown} and {more} more"),
        };
        let message = match bound.len() {
            1 => format!("1 object lives in this account: {shown}; delete it first"),
            count => format!("{count} objects live in this account: {shown}; delete them first"),
        };
        State::Deleting(Problem::waiting(reasons::DELETION_BLOCKED, message))
    } else {
        if !finalizer::has(&*object) {
            finalizer::add(&api, &object).await?;
            return Ok(Action::await_change());
        }
        match verify(&context, &object).await {
            Ok(region) => {
                status.partition = Some(partition(&region).to_owned());
                let whose = format!("The operator's credentials belong to account {}.", object.spec.account_id);
                State::Ready(match held_since(&status) {
                    Some(since) => format!("{whose} Deletions are held since {}.", since.strftime("%FT%TZ")),
                    None => whose,
                })
            }
            Err(problem) => State::Not { problem, serving: false },
        }
    };
    let before = status.common.conditions.clone();
    publish::set_state(&mut status.common, object.meta().generation, &state);
    publish::write(&context, &api, object.meta(), object.status.as_ref(), &status).await?;
    publish::tell(&context, &*object, &before, &state).await;
    Ok(next(&context, KIND, &Key::new("", &name), &state))
}

fn held_since(status: &AWSAccountStatus) -> Option<Timestamp> {
    Some(status.deletions.as_ref()?.held_since.as_ref()?.0)
}

async fn verify(context: &Context, object: &AWSAccount) -> Result<String, Problem> {
    if let Err(value) = released_at(object) {
        return Err(Problem::invalid(format!(
            "annotation {DELETIONS_RELEASED}: `{value}` is no time; write one as 2026-01-31T09:30:00Z"
        )));
    }
    for tenant in &object.spec.tenants {
        if let Some(Err(error)) = tenant.namespaces.selector.clone().map(Selector::try_from) {
            return Err(Problem::invalid(format!("spec.tenants[{}].namespaces.selector: {error}", tenant.name)));
        }
        for (index, grant) in tenant.ceiling.iter().enumerate() {
            let grant = Grant {
                actions: grant.actions.clone(),
                resources: grant
                    .resources
                    .iter()
                    .map(|resource| {
                        resource
                            .replace("${AWS::AccountId}", &object.spec.account_id)
                            .replace("${AWS::Region}", "*")
                            .replace("${AWS::Partition}", "aws")
                    })
                    .collect(),
            };
            grant.validate().map_err(|error| {
                Problem::invalid(format!("spec.tenants[{}].ceiling[{index}]: {error}", tenant.name))
            })?;
        }
    }
    let region = object.spec.regions.first().map(|region| region.name.clone()).unwrap_or_default();
    match context.sessions.verify(object, &region).await {
        Ok(()) => Ok(region),
        Err(error @ SessionError::WrongAccount { .. }) => {
            Err(Problem::stalled(reasons::WRONG_ACCOUNT, error.to_string()))
        }
        Err(SessionError::Aws(error)) => {
            let problem = Problem::from(&error);
            Err(Problem::waiting(reasons::RETRYING, problem.message))
        }
    }
}

fn bound_objects(context: &Context, account: &str) -> Vec<String> {
    let machines = context.stores.machines.state().into_iter().filter_map(|machine| {
        let binding = machine.status.as_ref()?.binding.as_ref()?;
        (binding.account == account).then(|| format!("StateMachine {}", Key::of(&*machine)))
    });
    let apis = context.stores.apis.state().into_iter().filter_map(|api| {
        let binding = api.status.as_ref()?.binding.as_ref()?;
        (binding.account == account).then(|| format!("RestAPI {}", Key::of(&*api)))
    });
    let plans = context.stores.plans.state().into_iter().filter_map(|plan| {
        let binding = plan.status.as_ref()?.binding.as_ref()?;
        (binding.account == account).then(|| format!("UsagePlan {}", Key::of(&*plan)))
    });
    let domains = context.stores.domains.state().into_iter().filter_map(|domain| {
        let binding = domain.status.as_ref()?.binding.as_ref()?;
        (binding.account == account).then(|| format!("APIDomain {}", Key::of(&*domain)))
    });
    let mut bound: Vec<String> = machines.chain(apis).chain(plans).chain(domains).collect();
    bound.sort();
    bound
}
