//! The headers of an answer.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::mapping::Cors;
use crate::mapping::evaluate::Call;
use crate::resources::invocation::Response;
use crate::resources::route::response_header;
use crate::validate::route::ValidRoute;

const ALLOW_ORIGIN: &str = "Access-Control-Allow-Origin";

/// The response with its headers: those of the integration response that was `chosen`. One whose source has no value is left out; so is one
/// that is a header of Step Functions' answer, which is not known here.
pub(super) fn with(route: &ValidRoute, chosen: u16, status: u16, body: String, call: &Call, answer: &Call) -> Response {
    let mut headers = BTreeMap::from([("Content-Type".to_owned(), "application/json".to_owned())]);
    let prefix = response_header("");
    let found = route.method.integration_responses.get(&chosen.to_string());
    for (name, expression) in found.iter().flat_map(|found| &found.headers) {
        let name = name.strip_prefix(&prefix).unwrap_or(name);
        if let Some(value) = value(expression, answer) {
            headers.insert(name.to_owned(), value);
        }
    }
    if let Some(origin) = route.cors.as_ref().and_then(|cors| echoed(cors, call))
        && !headers.keys().any(|name| name.eq_ignore_ascii_case(ALLOW_ORIGIN))
    {
        headers.insert(ALLOW_ORIGIN.to_owned(), origin);
    }
    Response { status: i32::from(status), headers, body }
}

/// The caller's origin, where the answer names it.
fn echoed(cors: &Cors, call: &Call) -> Option<String> {
    let origin = call.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("origin")).map(|(_, value)| value)?;
    (cors.template_of_answers().is_some() && cors.admits(origin)).then(|| origin.clone())
}

/// What an expression of API Gateway's mappings stands for.
fn value(expression: &str, answer: &Call) -> Option<String> {
    if let Some(literal) = expression.strip_prefix('\'') {
        return Some(literal.trim_end_matches('\'').to_owned());
    }
    let (place, name) = match expression.strip_prefix("integration.response.") {
        Some(rest) => rest.split_once('.')?,
        None => expression.split_once('.')?,
    };
    let text = |value: &Value| match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    };
    let within = |whole: &Value| text(name.split('.').fold(whole, |value, step| &value[step]));
    match place {
        "body" => within(&serde_json::from_str(&answer.body).ok()?),
        "context" => within(&answer.context),
        "stageVariables" => answer.stage_variables.get(name).cloned(),
        _ => None,
    }
}
