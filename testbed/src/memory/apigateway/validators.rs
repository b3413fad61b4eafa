//! Request validators of an API.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Path, Refusal, input};
use super::checks::{bad, conflict, not_found};
use super::{Answer, Apis, Patch, Place, find, listed};

/// What is checked of a request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Validator {
    /// Six letters and digits.
    #[serde(default)]
    pub id: String,
    /// Not unique.
    #[serde(default)]
    pub name: String,
    /// Whether the body is.
    #[serde(default)]
    pub validate_request_body: bool,
    /// Whether required parameters are.
    #[serde(default)]
    pub validate_request_parameters: bool,
}

fn no_validator() -> Refusal {
    not_found("Invalid Request Validator identifier specified")
}

/// Those of an API; of one that is not there, too, AWS says that it has no such validator (rec).
fn validators<'a>(apis: &'a mut Apis, at: Place<'_>) -> Result<&'a mut BTreeMap<String, Validator>, Refusal> {
    apis.get_mut(at.api).map(|api| &mut api.validators).ok_or_else(no_validator)
}

/// It has no client token: a repeat makes a second one.
pub(super) fn create(context: &mut Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let mut validator: Validator = input(body)?;
    validator.id = context.id(6);
    // rec: other words than elsewhere.
    let api = apis.get_mut(at.api).ok_or_else(|| bad("Invalid REST API identifier specified"))?;
    api.validators.insert(validator.id.clone(), validator.clone());
    Ok((201, json!(validator)))
}

pub(super) fn list(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let api = find(context, apis, at.api)?;
    listed(path, api.validators.iter().map(|(id, validator)| (id.clone(), json!(validator))).collect())
}

pub(super) fn get(apis: &mut Apis, at: Place<'_>) -> Answer {
    validators(apis, at)?.get(at.name).map(|validator| (200, json!(validator))).ok_or_else(no_validator)
}

pub(super) fn update(apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let validators = validators(apis, at)?;
    let mut validator = validators.get(at.name).cloned().ok_or_else(no_validator)?;
    for patch in patches {
        match (patch.op.as_str(), patch.path.as_str()) {
            ("replace", "/name") if patch.value().is_empty() => {
                return Err(bad("Request Validator name cannot be blank"));
            }
            ("replace", "/name") => validator.name = patch.value(),
            ("replace", "/validateRequestBody") => validator.validate_request_body = patch.flag(),
            ("replace", "/validateRequestParameters") => validator.validate_request_parameters = patch.flag(),
            _ => return Err(patch.unsupported("/name, /validateRequestParameters, /validateRequestBody")),
        }
    }
    validators.insert(at.name.to_owned(), validator.clone());
    Ok((200, json!(validator)))
}

/// Not while a method refers to it ([?]).
pub(super) fn delete(apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = apis.get_mut(at.api).ok_or_else(no_validator)?;
    let used = api.resources.values().flat_map(|resource| resource.methods.values());
    if used.into_iter().any(|method| method.request_validator_id.as_deref() == Some(at.name)) {
        return Err(conflict("Cannot delete a request validator that is referenced in a method"));
    }
    api.validators.remove(at.name).map(|_| (202, Value::Null)).ok_or_else(no_validator)
}
