//! What API Gateway checks of a call before it calls anything.

use std::collections::BTreeMap;

use super::{Refusal, schema};
use crate::mapping::evaluate::Call;
use crate::resources::model::Models;
use crate::validate::rest_api::ValidApi;
use crate::validate::route::ValidRoute;

/// At most so many reasons are told.
const MOST: usize = 16;

/// The first check that the call does not pass: parameters, the body, its type.
pub(super) fn refusal<'a>(
    valid: &ValidApi,
    route: &ValidRoute,
    call: &Call,
    content_types: impl Iterator<Item = &'a String>,
) -> Option<Refusal> {
    let missing = missing(&route.method.parameters, call);
    if !missing.is_empty() {
        return Some(Refusal {
            type_: "BAD_REQUEST_PARAMETERS",
            message: format!("Missing required request parameters: [{}]", missing.join(", ")),
            why: Vec::new(),
        });
    }
    let content_type = content_type(call);
    if let Some(model) = route.method.models.get(&content_type) {
        let models: Models = valid.models.iter().chain(&route.models).map(|(k, v)| (k.clone(), v.clone())).collect();
        let why = misfits(model, &models, &call.body);
        if !why.is_empty() {
            return Some(Refusal { type_: "BAD_REQUEST_BODY", message: "Invalid request body".to_owned(), why });
        }
    }
    let known: Vec<&str> = content_types.map(String::as_str).collect();
    (!known.contains(&content_type.as_str())).then(|| Refusal {
        type_: "UNSUPPORTED_MEDIA_TYPE",
        message: "Unsupported Media Type".to_owned(),
        why: vec![format!("the route takes {}, not {content_type}", known.join(", "))],
    })
}

/// Without parameters such as the charset; application/json where there is none.
fn content_type(call: &Call) -> String {
    let header = call.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("content-type"));
    let text = header.map_or("application/json", |(_, value)| value);
    text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Required parameters that are not there, or blank ("Use request validation for REST APIs", developer guide).
fn missing(parameters: &BTreeMap<String, bool>, call: &Call) -> Vec<String> {
    let there = |place: &str, name: &str| match place {
        "querystring" => call.query.get(name).and_then(|all| all.last()).is_some_and(|value| !value.trim().is_empty()),
        _ => call.headers.iter().any(|(key, value)| key.eq_ignore_ascii_case(name) && !value.trim().is_empty()),
    };
    let required = parameters.iter().filter(|(_, required)| **required);
    let names = required.filter_map(|(text, _)| text.strip_prefix("method.request.")?.split_once('.'));
    names.filter(|(place, name)| !there(place, name)).map(|(_, name)| name.to_owned()).collect()
}

/// Why a body does not fit a model. An empty one is taken for `{}`.
fn misfits(model: &str, models: &Models, body: &str) -> Vec<String> {
    match serde_json::from_str(if body.is_empty() { "{}" } else { body }) {
        Ok(document) => schema::misfits(model, models, &document, MOST),
        Err(error) => vec![format!("the body is no JSON: {error}")],
    }
}
