//! Whether what exists in AWS may become an object's own.

use super::admitted_arn;
use super::rest_api::ValidApi;
use crate::api::conditions::reasons;
use crate::api::{AdoptionPolicy, ApiAdoption, MachineAdoption};
use crate::problem::Problem;
use crate::resources::{Adoption, rest_api};
use crate::tenancy::{Admission, Place};

const LIST: &str = "adoptableArns";

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
