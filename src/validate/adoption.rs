//! Whether what exists in AWS may become an object's own.

use super::rest_api::ValidApi;
use super::{admitted_arn, is_not_managed};
use crate::api::conditions::reasons;
use crate::api::{AdoptionPolicy, ApiAdoption, MachineAdoption, RoleAdoption, Unmanaged};
use crate::problem::Problem;
use crate::resources::{Adoption, rest_api};
use crate::tenancy::{Admission, Place};

const LIST: &str = "adoptableArns";

/// The adoption of a role, as far as manifests can tell.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidRoleAdoption {
    /// The role's ARN.
    pub arn: String,
    /// Its path in IAM.
    pub path: String,
    /// What becomes of what it has and no manifest asks for.
    pub unmanaged: Unmanaged,
    /// Whether the machine has a role that is made where there is none.
    pub or_made: bool,
    /// Whether it may become ours. One that is not there is never made, under a name that others chose.
    pub adoption: Adoption,
}

/// Of an execution role.
///
/// # Errors
/// No list could admit it.
pub fn of_role(admission: &Admission, place: &Place, asked: &RoleAdoption) -> Result<ValidRoleAdoption, Problem> {
    let field = "spec.executionRole.adoption.arn";
    let arn = place.fill(&asked.arn);
    is_not_managed(field, &arn)?;
    let Place { partition, account_id, .. } = place;
    let Some(rest) = arn.strip_prefix(&format!("arn:{partition}:iam::{account_id}:role/")) else {
        return Err(Problem::invalid(format!(
            "{field}: `{arn}` is not a role of account {account_id} (partition {partition}), in which this machine lives; only such a role can become its own, and executionRole.arn names any other"
        )));
    };
    if rest.starts_with("aws-service-role/") {
        return Err(Problem::invalid(format!(
            "{field}: `{arn}` is a role that AWS itself manages for one of its services; name a role of your own"
        )));
    }
    let path = rest.rsplit_once('/').map_or("/".to_owned(), |(path, _)| format!("/{path}/"));
    let missing = Problem::waiting(
        reasons::WAITING_FOR_REFERENCE,
        format!(
            "{field}: there is no role `{arn}` that could be adopted; it is adopted when there is one, or set spec.executionRole.adoption.policy: AdoptOrCreate"
        ),
    );
    let literal = admission.tenant.adoptable_arns.iter().filter(|pattern| names_roles(pattern)).cloned();
    let adoption = match admitted_arn(admission, place, field, LIST, &literal.collect::<Vec<_>>(), &arn) {
        Err(problem) => Adoption::Refused(problem),
        Ok(_) => Adoption::Admitted { missing: Some(missing) },
    };
    let or_made = asked.policy == AdoptionPolicy::AdoptOrCreate && matches!(adoption, Adoption::Admitted { .. });
    Ok(ValidRoleAdoption { arn, path, unmanaged: asked.unmanaged, or_made, adoption })
}

/// Whether a pattern says that it means roles. Whoever adopts one may let executions do all that it could, so no wildcard admits
/// roles along with machines and APIs.
fn names_roles(pattern: &str) -> bool {
    let parts: Vec<&str> = pattern.splitn(6, ':').collect();
    matches!(parts[..], ["arn", _, "iam", _, _, resource] if resource.starts_with("role/"))
}

/// Of the state machine with this ARN.
pub fn of_machine(
    admission: &Admission,
    place: &Place,
    adoption: Option<&MachineAdoption>,
    name: &str,
    arn: &str,
) -> Adoption {
    let Some(MachineAdoption { policy }) = adoption else { return Adoption::No };
    let list = &admission.tenant.adoptable_arns;
    match admitted_arn(admission, place, "spec.adoption", LIST, list, arn) {
        Err(problem) => Adoption::Refused(problem),
        Ok(_) => Adoption::Admitted { missing: missing(*policy, "spec.name", "state machine", name, place) },
    }
}

/// Of the API that was found, if any was.
pub fn of_api(valid: &ValidApi, found: Option<&rest_api::Observed>) -> Adoption {
    let Some(adoption) = &valid.adoption else { return Adoption::No };
    let ApiAdoption { policy, rest_api_id, name, .. } = adoption;
    let (field, wanted) = match (rest_api_id, name) {
        (Some(id), _) => ("spec.adoption.restApiId", id),
        (None, Some(name)) => ("spec.adoption.name", name),
        (None, None) => return Adoption::No,
    };
    let verdict = match (found, rest_api_id) {
        // Such as one that only the status names.
        (Some(api), _) if !is_meant(adoption, api) => return Adoption::No,
        (Some(api), _) => admits(valid, &api.id),
        (None, Some(id)) => admits(valid, id),
        // By its name it may be any.
        (None, None) if valid.admission.tenant.adoptable_arns.is_empty() => admits(valid, wanted),
        (None, None) => Ok(()),
    };
    match verdict {
        Err(problem) => Adoption::Refused(problem),
        Ok(()) => Adoption::Admitted { missing: missing(*policy, field, "REST API", wanted, &valid.place) },
    }
}

/// Whether the tenant may adopt the API of this id.
///
/// # Errors
/// It may not.
pub fn admits(valid: &ValidApi, id: &str) -> Result<(), Problem> {
    let ValidApi { admission, place, .. } = valid;
    let arn = format!("arn:{}:apigateway:{}::/restapis/{id}", place.partition, place.region);
    admitted_arn(admission, place, "spec.adoption", LIST, &admission.tenant.adoptable_arns, &arn).map(drop)
}

/// Whether this is the API that is to be adopted.
pub fn is_meant(adoption: &ApiAdoption, api: &rest_api::Observed) -> bool {
    adoption.rest_api_id.as_ref() == Some(&api.id) || adoption.name.as_ref() == Some(&api.name)
}

fn missing(policy: AdoptionPolicy, field: &str, what: &str, name: &str, place: &Place) -> Option<Problem> {
    let mend = if what == "REST API" { "" } else { ", or set spec.adoption.policy: AdoptOrCreate" };
    let message = format!(
        "{field}: there is no {what} `{name}` in account {}, Region {} that could be adopted; it is adopted when there is one{mend}",
        place.account_id, place.region
    );
    (policy == AdoptionPolicy::Adopt).then(|| Problem::waiting(reasons::WAITING_FOR_REFERENCE, message))
}
