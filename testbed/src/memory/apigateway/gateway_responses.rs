//! What the gateway itself answers: one response for each type of failure. Recorded: `TestApiGatewayGatewayResponse`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Refusal, input};
use super::checks::{bad, not_found};
use super::{Answer, Apis, GatewayResponse, Place, find};

/// In the order of AWS's words, with the status that each has by itself (rec: `test_gateway_response_crud`).
const TYPES: &[(&str, &str)] = &[
    ("REQUEST_TOO_LARGE", "413"),
    ("RESOURCE_NOT_FOUND", "404"),
    ("AUTHORIZER_CONFIGURATION_ERROR", "500"),
    ("MISSING_AUTHENTICATION_TOKEN", "403"),
    ("BAD_REQUEST_BODY", "400"),
    ("INVALID_SIGNATURE", "403"),
    ("INVALID_API_KEY", "403"),
    ("BAD_REQUEST_PARAMETERS", "400"),
    ("AUTHORIZER_FAILURE", "500"),
    ("UNAUTHORIZED", "401"),
    ("INTEGRATION_TIMEOUT", "504"),
    ("ACCESS_DENIED", "403"),
    ("DEFAULT_4XX", ""),
    ("DEFAULT_5XX", ""),
    ("WAF_FILTERED", "403"),
    ("QUOTA_EXCEEDED", "429"),
    ("THROTTLED", "429"),
    ("API_CONFIGURATION_ERROR", "500"),
    ("UNSUPPORTED_MEDIA_TYPE", "415"),
    ("INTEGRATION_FAILURE", "504"),
    ("EXPIRED_TOKEN", "403"),
];

/// The type and its own status.
fn known(type_: &str) -> Result<(&'static str, &'static str), Refusal> {
    TYPES.iter().find(|(name, _)| *name == type_).copied().ok_or_else(|| {
        let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
        let message = format!(
            "1 validation error detected: Value '{type_}' at 'responseType' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
            names.join(", ")
        );
        Refusal::new(400, "ValidationException", message)
    })
}

/// With AWS's own status and body where none is given (rec: `test_gateway_response_put`).
fn filled(mut response: GatewayResponse, own_status: &str) -> GatewayResponse {
    response.status_code = response.status_code.or((!own_status.is_empty()).then(|| own_status.to_owned()));
    if response.response_templates.is_empty() {
        let body = "{\"message\":$context.error.messageString}".to_owned();
        response.response_templates.insert("application/json".to_owned(), body);
    }
    response
}

/// What each of them has in AWS.
pub(in super::super) fn fill(responses: &mut BTreeMap<String, GatewayResponse>) {
    for (type_, response) in responses {
        let status = known(type_).map_or("", |(_, status)| status);
        *response = filled(std::mem::take(response), status);
    }
}

/// A type without a response of its own follows DEFAULT_4XX or DEFAULT_5XX, and is a default all the same (rec:
/// `test_gateway_response_put`).
fn shown(own: &BTreeMap<String, GatewayResponse>, (type_, status): (&str, &str)) -> Value {
    let default = match status.as_bytes().first() {
        Some(b'4') => own.get("DEFAULT_4XX"),
        Some(_) => own.get("DEFAULT_5XX"),
        None => None,
    };
    let response = own.get(type_).or(default).cloned().unwrap_or_default();
    let mut shown = json!(filled(response, status));
    shown["responseType"] = json!(type_);
    shown["defaultResponse"] = json!(!own.contains_key(type_));
    shown
}

pub(super) fn list(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = find(context, apis, at.api)?;
    let mut items: Vec<Value> = TYPES.iter().map(|type_| shown(&api.gateway_responses, *type_)).collect();
    items.sort_by_key(|item| item["responseType"].as_str().map(str::to_owned));
    Ok((200, json!({"item": items})))
}

pub(super) fn get(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let type_ = known(at.name)?;
    Ok((200, shown(&find(context, apis, at.api)?.gateway_responses, type_)))
}

/// Makes or replaces it. An expression is a fixed text in single quotes, or names a part of the request or of the context
/// (doc: x-amazon-apigateway-gateway-responses.responseParameters); AWS's words are [?].
pub(super) fn put(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let type_ = known(at.name)?;
    let api = find(context, apis, at.api)?;
    let response = filled(input(body)?, type_.1);
    for (name, value) in &response.response_parameters {
        let quoted = value.len() >= 2 && value.starts_with('\'') && value.ends_with('\'');
        let named = ["method.request.", "context.", "stageVariables."].iter().any(|start| value.starts_with(start));
        if !name.starts_with("gatewayresponse.header.") || !(quoted || named) {
            return Err(bad(format!("Invalid mapping expression specified: {name}, {value}")));
        }
    }
    api.gateway_responses.insert(at.name.to_owned(), response);
    Ok((201, shown(&api.gateway_responses, type_)))
}

pub(super) fn delete(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    known(at.name)?;
    let gone = find(context, apis, at.api)?.gateway_responses.remove(at.name);
    gone.map(|_| (202, Value::Null)).ok_or_else(|| not_found("Gateway response type not defined on api"))
}
