//! From objects and their references to values that everything after can rely on: `build` cannot fail.

pub mod adoption;
pub mod api_domain;
pub mod authorizer;
mod client_certificate;
mod cors;
pub mod domain_mappings;
pub mod encryption;
pub mod execution_role;
#[cfg(test)]
pub(crate) mod fixture;
mod gateway_response;
mod logging;
mod owner_tags;
pub mod rest_api;
pub mod route;
pub mod route_request;
pub mod route_response;
pub mod schema;
pub mod served;
pub mod settings;
pub mod stage;
pub mod state_machine;
mod tags;
#[cfg(test)]
mod tests;
pub mod usage_plan;

use std::sync::Arc;

use kube::ResourceExt;

use crate::api::conditions::{STALLED, reasons};
use crate::api::{NamespacesFrom, Reference, StateMachine};
use crate::identity::Key;
use crate::problem::Problem;
use crate::tenancy::{Admission, Place, includes};
use crate::world::World;

/// At most three sentences; a condition's message is bounded.
pub(crate) fn several(texts: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = texts.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(". ");
    match texts.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}. And {more} more"),
    }
}

/// Whether a machine's owner lets a namespace target it.
fn admits_caller(
    world: &World,
    field: &str,
    key: &Key,
    machine: &StateMachine,
    namespace: &str,
) -> Result<(), Problem> {
    let callers = machine.spec.allowed_callers.as_ref().map(|callers| callers.namespaces.clone()).unwrap_or_default();
    if includes(&callers, Some(&key.namespace), namespace, &world.namespaces) {
        return Ok(());
    }
    let who = match callers.from {
        NamespacesFrom::Same => "only its own namespace",
        _ => "other namespaces",
    };
    Err(Problem::stalled(
        reasons::NOT_ALLOWED,
        format!(
            "{field}: StateMachine {key} admits {who}; its owner must add namespace {namespace} to spec.allowedCallers.namespaces"
        ),
    ))
}

/// A StateMachine that an object of `namespace` may target and that is in AWS, with its ARN.
///
/// # Errors
/// It is not there yet, or its `allowedCallers` do not admit the namespace.
fn target_machine<'a>(
    world: &'a World,
    field: &str,
    reference: &Reference,
    namespace: &str,
    place: &Place,
) -> Result<(Key, &'a Arc<StateMachine>, String), Problem> {
    let key = Key::resolve(reference, namespace);
    let missing =
        |what: &str| Problem::waiting(reasons::WAITING_FOR_REFERENCE, format!("{field}: StateMachine {key} {what}"));
    let machine = world.machines.get(&key).ok_or_else(|| missing("does not exist"))?;
    admits_caller(world, field, &key, machine, namespace)?;
    if machine.metadata.deletion_timestamp.is_some() {
        return Err(missing("is being deleted"));
    }
    let status = machine.status.as_ref();
    let shown = status.and_then(|status| status.state_machine_arn.as_ref()).ok_or_else(|| {
        let stalled = status.is_some_and(|status| {
            let conditions = &status.common.conditions;
            conditions.iter().any(|condition| condition.type_ == STALLED && condition.status == "True")
        });
        missing(if stalled {
            "is not in AWS, because it is Stalled; its own status says why"
        } else {
            "is not in AWS yet"
        })
    })?;
    // What the status shows grants nothing: the ARN follows from the name that the machine may have.
    if !state_machine::may_be_called_so(world, machine) {
        return Err(missing("has a name that its tenant does not admit"));
    }
    let arn = state_machine::arn_in(place, machine);
    if !shown.contains(&format!(":{}:{}:stateMachine:", place.region, place.account_id)) {
        return Err(Problem::invalid(format!(
            "{field}: StateMachine {key} is {shown}, but this object lives in Region {} of account {}; put both in one account and Region",
            place.region, place.account_id
        )));
    }
    if *shown != arn {
        return Err(missing("shows another machine in its status"));
    }
    Ok((key, machine, arn))
}

/// Whether an ARN is none that stepgate made: a list such as `role/*` would else hand out what other namespaces' roles may do.
///
/// # Errors
/// It is.
fn is_not_managed(field: &str, arn: &str) -> Result<(), Problem> {
    let ours =
        |kind: &str| arn.split_once(kind).is_some_and(|(_, path)| path.to_ascii_lowercase().starts_with("stepgate/"));
    if ours(":policy/") {
        return Err(Problem::stalled(
            reasons::OVER_CEILING,
            format!(
                "{field}: `{arn}` is a policy that stepgate manages for one role; name a policy of your own, or leave it out"
            ),
        ));
    }
    if ours(":role/") {
        return Err(Problem::stalled(
            reasons::OVER_CEILING,
            format!(
                "{field}: `{arn}` is a role that stepgate manages for one object; name a role of your own, or leave the field out"
            ),
        ));
    }
    Ok(())
}

/// Whether the tenant's list admits an ARN; the built-ins are filled in on both sides.
///
/// # Errors
/// It does not.
fn admitted_arn(
    admission: &Admission,
    place: &Place,
    field: &str,
    list_name: &str,
    list: &[String],
    arn: &str,
) -> Result<String, Problem> {
    let arn = place.fill(arn);
    let patterns: Vec<String> = list.iter().map(|pattern| place.fill(pattern)).collect();
    is_not_managed(field, &arn)?;
    if crate::policy::ceiling::arn_allowed(&patterns, &arn, &admission.namespace) {
        Ok(arn)
    } else {
        Err(Problem::stalled(
            reasons::OVER_CEILING,
            format!(
                "{field}: `{arn}` is in none of the `{list_name}` of tenant {} in AWSAccount {}; the platform admin must add it there",
                admission.tenant.name,
                admission.account.name_any()
            ),
        ))
    }
}
