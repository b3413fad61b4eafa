//! Responses of methods, and of integrations.

use serde_json::{Value, json};

use super::super::wire::{Refusal, input};
use super::checks::{bad, conflict, not_found};
use super::integrations::{content_types, no_empty_text};
use super::patch::{NO_CONTENT_TYPE, NO_PARAMETER};
use super::{Answer, Apis, Find, IntegrationResponse, Method, MethodResponse, Patch, Place, methods};

fn no_status() -> Refusal {
    not_found("Invalid Response status code specified")
}

fn check_method_response(apis: &Apis, at: Place<'_>, response: &MethodResponse) -> Result<(), Refusal> {
    response.response_models.iter().flatten().try_for_each(|(_, name)| methods::model(apis, at, name))?;
    for name in response.response_parameters.iter().flatten().map(|(name, _)| name) {
        if !name.starts_with("method.response.header.") {
            return Err(bad(format!("Invalid mapping expression specified: {name}")));
        }
    }
    Ok(())
}

pub(super) fn put_method(apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    apis.method(at)?;
    let mut response: MethodResponse = input(body)?;
    at.status.clone_into(&mut response.status_code);
    check_method_response(apis, at, &response)?;
    let method = apis.method(at)?;
    if method.responses.contains_key(at.status) {
        return Err(conflict("Response already exists for this resource"));
    }
    method.responses.insert(at.status.to_owned(), response.clone());
    Ok((201, json!(response)))
}

fn of_method<'a>(apis: &'a mut Apis, at: Place<'_>) -> Result<&'a mut MethodResponse, Refusal> {
    apis.method(at)?.responses.get_mut(at.status).ok_or_else(no_status)
}

pub(super) fn get_method(apis: &mut Apis, at: Place<'_>) -> Answer {
    Ok((200, json!(of_method(apis, at)?)))
}

pub(super) fn update_method(apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let mut response = of_method(apis, at)?.clone();
    for patch in patches {
        let segments = patch.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["responseParameters", name] => {
                patch.entry(&mut response.response_parameters, name, patch.flag(), NO_PARAMETER)?;
            }
            ["responseModels", kind] => {
                patch.entry(&mut response.response_models, kind, patch.value(), NO_CONTENT_TYPE)?;
            }
            _ => return Err(patch.invalid_path()),
        }
    }
    check_method_response(apis, at, &response)?;
    let found = of_method(apis, at)?;
    *found = response;
    // rec: 201, as the model says.
    Ok((201, json!(found)))
}

/// The integration's response to it goes too, as nothing can refer to a status that is not declared ([?]).
pub(super) fn delete_method(apis: &mut Apis, at: Place<'_>) -> Answer {
    of_method(apis, at)?;
    apis.method(at)?.responses.remove(at.status);
    Ok((204, Value::Null))
}

fn check_integration_response(response: &IntegrationResponse, method: &Method) -> Result<(), Refusal> {
    content_types(response.response_templates.as_ref())?;
    let declared = method.responses.get(&response.status_code).and_then(|one| one.response_parameters.as_ref());
    for name in response.response_parameters.iter().flatten().map(|(name, _)| name) {
        if !declared.is_some_and(|declared| declared.contains_key(name)) {
            return Err(bad(format!(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression parameter specified: {name}]"
            )));
        }
    }
    Ok(())
}

/// Makes or replaces it (rec). Its status must be declared by the method (field, TESTBED §2), except for MOCK, where AWS
/// took it in 2025 and 2026 (rec: `test_lifecycle_integration_response`, `test_put_integration_response_templates`).
pub(super) fn put_integration(apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let mut response: IntegrationResponse = input(body)?;
    at.status.clone_into(&mut response.status_code);
    let method = apis.method(at)?;
    let Some(integration) = &method.integration else {
        return Err(not_found("Invalid Integration identifier specified"));
    };
    if integration.r#type != "MOCK" && !method.responses.contains_key(at.status) {
        return Err(no_status());
    }
    check_integration_response(&response, method)?;
    no_empty_text(&mut response.response_templates);
    apis.integration(at)?.responses.insert(at.status.to_owned(), response.clone());
    Ok((201, json!(response)))
}

fn of_integration<'a>(apis: &'a mut Apis, at: Place<'_>) -> Result<&'a mut IntegrationResponse, Refusal> {
    apis.integration(at)?.responses.get_mut(at.status).ok_or_else(no_status)
}

pub(super) fn get_integration(apis: &mut Apis, at: Place<'_>) -> Answer {
    Ok((200, json!(of_integration(apis, at)?)))
}

pub(super) fn update_integration(apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let method = apis.method(at)?.clone();
    let found = of_integration(apis, at)?;
    let mut response = found.clone();
    for patch in patches {
        let segments = patch.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["selectionPattern"] => response.selection_pattern = Some(patch.replaces()?.value()),
            ["contentHandling"] => response.content_handling = Some(patch.replaces()?.value()),
            ["responseParameters", name] => {
                patch.entry(&mut response.response_parameters, name, patch.value(), NO_PARAMETER)?;
            }
            ["responseTemplates", kind] => {
                patch.entry(&mut response.response_templates, kind, patch.value.clone(), NO_CONTENT_TYPE)?;
            }
            _ => return Err(patch.invalid_path()),
        }
    }
    check_integration_response(&response, &method)?;
    no_empty_text(&mut response.response_templates);
    *found = response;
    Ok((200, json!(found)))
}

/// rec: an unknown method is answered as an unknown integration.
pub(super) fn delete_integration(apis: &mut Apis, at: Place<'_>) -> Answer {
    let known = apis.resource(at)?.methods.contains_key(at.verb);
    if !known {
        return Err(not_found("Invalid Integration identifier specified"));
    }
    of_integration(apis, at)?;
    apis.integration(at)?.responses.remove(at.status);
    Ok((204, Value::Null))
}
