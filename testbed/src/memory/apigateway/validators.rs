//! Request validators of an API.

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

/// It has no client token: a repeat makes a second one.
pub(super) fn create(context: &mut Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let mut validator: Validator = input(body)?;
    validator.id = context.id(6);
    let api = find(context, apis, at.api)?;
    api.validators.insert(validator.id.clone(), validator.clone());
    Ok((201, json!(validator)))
}

pub(super) fn list(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let api = find(context, apis, at.api)?;
    listed(path, api.validators.iter().map(|(id, validator)| (id.clone(), json!(validator))).collect())
}

pub(super) fn get(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = find(context, apis, at.api)?;
    api.validators.get(at.name).map(|validator| (200, json!(validator))).ok_or_else(no_validator)
}

pub(super) fn update(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let api = find(context, apis, at.api)?;
    let mut validator = api.validators.get(at.name).cloned().ok_or_else(no_validator)?;
    for patch in patches {
        match patch.path.as_str() {
            "/name" if patch.value().is_empty() => return Err(bad("Request Validator name cannot be blank")),
            "/name" => validator.name = patch.replaces()?.value(),
            "/validateRequestBody" => validator.validate_request_body = patch.replaces()?.flag(),
            "/validateRequestParameters" => validator.validate_request_parameters = patch.replaces()?.flag(),
            _ => return Err(patch.invalid_path()),
        }
    }
    api.validators.insert(at.name.to_owned(), validator.clone());
    Ok((200, json!(validator)))
}

/// Not while a method refers to it ([?]).
pub(super) fn delete(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = find(context, apis, at.api)?;
    let used = api.resources.values().flat_map(|resource| resource.methods.values());
    if used.into_iter().any(|method| method.request_validator_id.as_deref() == Some(at.name)) {
        return Err(conflict("Cannot delete a request validator that is referenced in a method"));
    }
    api.validators.remove(at.name).map(|_| (202, Value::Null)).ok_or_else(no_validator)
}
