//! Methods of resources.

use serde_json::{Value, json};

use super::super::wire::{Refusal, input};
use super::checks::{bad, conflict};
use super::patch::{NO_CONTENT_TYPE, NO_PARAMETER};
use super::{Answer, Apis, Find, Method, Patch, Place};

const VERBS: &str = "GET,PUT,POST,DELETE,PATCH,OPTIONS,HEAD,ANY";

/// rec
pub(super) fn verb(text: &str) -> Result<(), Refusal> {
    match VERBS.split(',').any(|verb| verb == text) {
        true => Ok(()),
        false => Err(bad(format!("Invalid HttpMethod specified. Valid options are {VERBS}"))),
    }
}

pub(super) fn no_model(name: &str) -> Refusal {
    bad(format!("Invalid model identifier specified: {name}"))
}

pub(super) fn no_validator() -> Refusal {
    bad("Invalid Request Validator identifier specified")
}

pub(super) fn no_authorizer() -> Refusal {
    bad(
        "Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.",
    )
}

/// Only models of the API can be named (rec).
pub(super) fn model(apis: &Apis, at: Place<'_>, name: &str) -> Result<(), Refusal> {
    match apis.get(at.api).is_some_and(|api| api.models.contains_key(name)) {
        true => Ok(()),
        false => Err(no_model(name)),
    }
}

/// What AWS refuses of a method (rec).
fn check(apis: &Apis, at: Place<'_>, method: &mut Method) -> Result<(), Refusal> {
    let authorizers = apis.get(at.api).map(|api| &api.authorizers);
    let authorizer = method.authorizer_id.as_ref().and_then(|id| authorizers?.get(id));
    match method.authorization_type.as_str() {
        // An authorizer is ignored where the type has none (rec for UpdateMethod).
        "NONE" | "AWS_IAM" => method.authorizer_id = None,
        "CUSTOM" if authorizer.is_some_and(|it| it.r#type != "COGNITO_USER_POOLS") => {}
        "COGNITO_USER_POOLS" if authorizer.is_some_and(|it| it.r#type == "COGNITO_USER_POOLS") => {}
        "CUSTOM" | "COGNITO_USER_POOLS" => return Err(no_authorizer()),
        _ => {
            return Err(bad(
                "Invalid authorization type specified. Valid options are NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS",
            ));
        }
    }
    let validator = method.request_validator_id.as_ref();
    if validator.is_some_and(|id| !apis.get(at.api).is_some_and(|api| api.validators.contains_key(id))) {
        return Err(no_validator());
    }
    method.request_models.iter().flatten().try_for_each(|(_, name)| model(apis, at, name))?;
    let mut names = Vec::new();
    for parameter in method.request_parameters.iter().flatten().map(|(name, _)| name) {
        let name = match parameter.splitn(4, '.').collect::<Vec<_>>()[..] {
            ["method", "request", "header" | "querystring" | "path", name] => name,
            _ => {
                return Err(bad(format!(
                    "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: {parameter}]"
                )));
            }
        };
        if names.contains(&name) {
            return Err(bad("Parameter names must be unique across querystring, header and path"));
        }
        names.push(name);
    }
    Ok(())
}

pub(super) fn put(apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    apis.resource(at)?;
    verb(at.verb)?;
    let mut method: Method = input(body)?;
    at.verb.clone_into(&mut method.http_method);
    // rec: of PutMethod with `none`.
    method.authorization_type = method.authorization_type.to_uppercase();
    check(apis, at, &mut method)?;
    let resource = apis.resource(at)?;
    if resource.methods.contains_key(at.verb) {
        return Err(conflict("Method already exists for this resource"));
    }
    resource.methods.insert(at.verb.to_owned(), method.clone());
    Ok((201, json!(method)))
}

pub(super) fn delete(apis: &mut Apis, at: Place<'_>) -> Answer {
    apis.method(at)?;
    apis.resource(at)?.methods.remove(at.verb);
    Ok((204, Value::Null))
}

pub(super) fn update(apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let mut method = apis.method(at)?.clone();
    for patch in patches {
        let segments = patch.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["authorizationType"] => method.authorization_type = patch.replaces()?.value(),
            ["apiKeyRequired"] => method.api_key_required = patch.replaces()?.flag(),
            ["operationName"] => method.operation_name = Some(patch.replaces()?.value()),
            ["requestValidatorId"] => {
                // rec: nothing is none.
                method.request_validator_id = Some(patch.replaces()?.value()).filter(|id| !id.is_empty());
            }
            ["authorizerId"] => method.authorizer_id = Some(patch.replaces()?.value()),
            ["authorizationScopes"] => {
                let mut scopes = method.authorization_scopes.take().unwrap_or_default();
                scopes.retain(|scope| *scope != patch.value());
                match patch.op.as_str() {
                    "add" => scopes.push(patch.value()),
                    "remove" => {}
                    _ => return Err(bad("Invalid patch operation specified. Must be one of: [add, remove]")),
                }
                method.authorization_scopes = Some(scopes).filter(|scopes| !scopes.is_empty());
            }
            ["requestParameters", name] => {
                patch.entry(&mut method.request_parameters, name, patch.flag(), NO_PARAMETER)?;
            }
            ["requestModels", kind] => {
                patch.entry(&mut method.request_models, kind, patch.value(), NO_CONTENT_TYPE)?;
            }
            _ => return Err(patch.invalid_path()),
        }
    }
    check(apis, at, &mut method)?;
    let found = apis.method(at)?;
    *found = method;
    Ok((200, json!(found)))
}
