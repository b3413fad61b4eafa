//! What API Gateway would make of one call of a route with structured mappings, without API Gateway and without AWS: what it refuses
//! itself, what it sends to Step Functions, and what it makes of the answer. Pure.
//!
//! Authorization, API keys, throttling and caches are passed by, as API Gateway's own TestInvokeMethod does.

mod checks;
mod headers;
mod schema;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Value, json};

use crate::api::APIRoute;
use crate::mapping::evaluate::{self, Answered, Call, EvaluateError};
use crate::mapping::{Action, Changes, Request as Mapped};
use crate::problem::Problem;
use crate::resources::gateway_response::{GatewayResponse, GatewayResponses};
use crate::resources::invocation::{Answer, Request, Response};
use crate::validate::rest_api::ValidApi;
use crate::validate::route::{ValidRoute, structured};
use crate::validate::route_response::{changes, mock};
use crate::world::World;

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Trial {
    /// Why API Gateway would answer by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Refusal>,
    /// What would be sent; absent where nothing is called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// What Step Functions is taken to have answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What the client would get; absent where nobody said what Step Functions answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub response: Option<Response>,
}

/// Why API Gateway would answer by itself, before it calls anything.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Refusal {
    /// The type of gateway response, such as `BAD_REQUEST_BODY`.
    #[serde(rename = "type")]
    pub type_: &'static str,
    /// What the client would be told.
    pub message: String,
    /// What is wrong, in detail.
    pub why: Vec<String>,
}

/// What Step Functions is taken to answer.
#[derive(Clone, Debug, PartialEq)]
pub enum Came {
    /// What an execution of StartSyncExecution put out; of other actions, the whole answer.
    Result(Value),
    /// The whole answer, with its HTTP status.
    Answer(u16, Value),
}

/// Tries a route that is valid.
///
/// # Errors
/// The route has templates of its own, or what it asks of Step Functions can't be said of this call.
pub fn of(
    world: &World,
    valid: &ValidApi,
    object: &APIRoute,
    route: &ValidRoute,
    call: &Call,
    came: Option<&Came>,
) -> Result<Trial, Problem> {
    let said = |error: EvaluateError| Problem::invalid(error.to_string());
    let mapped = structured(world, valid, object).map_err(|refusal| refusal.problem)?;
    let Some(mapped) = mapped else { return Err(own_templates(route, "spec.request.templates")) };
    let content_types = route.method.integration.iter().flat_map(|integration| integration.templates.keys());
    if let Some(refusal) = checks::refusal(valid, route, call, content_types) {
        let response = gateway_response(&valid.gateway_responses, &refusal);
        return Ok(Trial { refusal: Some(refusal), response: Some(response), ..Trial::default() });
    }
    let body = evaluate::request(&mapped, call).map_err(said)?;
    let uri = route.method.integration.as_ref().and_then(|integration| integration.uri.clone());
    let mut trial = Trial::default();
    if object.spec.response.as_ref().is_some_and(|response| response.responses.is_some()) && came.is_some() {
        return Err(own_templates(route, "spec.response.responses"));
    }
    let action = changes(&object.spec.target, object.spec.response.as_ref())?;
    let Some((action, changes)) = action else {
        let (status, body) = mock(&object.spec.target)?;
        trial.response = Some(headers::with(route, status, status, body.to_string(), call, &Call::default()));
        return Ok(trial);
    };
    let came = came.map(|came| answered(action, came, &mapped, call)).transpose().map_err(said)?;
    trial.request = Some(Request { uri: uri.unwrap_or_default(), body });
    if let Some((status, answer)) = came {
        let body = answer.to_string();
        trial.response = Some(respond(action, &changes, status, &body, route, call).map_err(said)?);
        trial.answer = Some(Answer { status: status.to_string(), body, latency_millis: None });
    }
    Ok(trial)
}

fn own_templates(route: &ValidRoute, field: &str) -> Problem {
    Problem::invalid(format!(
        "{field}: `stepgate try` evaluates structured mappings only, and templates of your own are API Gateway's to run; `stepgate invoke {}` asks it, once the route is in AWS",
        route.key
    ))
}

/// The HTTP status of Step Functions' answer, and its body.
fn answered(action: Action, came: &Came, mapped: &Mapped, call: &Call) -> Result<(u16, Value), EvaluateError> {
    let output = match came {
        Came::Answer(status, answer) => return Ok((*status, answer.clone())),
        Came::Result(answer) if action != Action::StartSyncExecution => return Ok((200, answer.clone())),
        Came::Result(output) => output,
    };
    let sent: Value = serde_json::from_str(&evaluate::request(mapped, call)?).unwrap_or_default();
    let name = sent["name"].as_str().unwrap_or("try");
    let arn = sent["stateMachineArn"].as_str().unwrap_or_default();
    let answer = json!({
        "executionArn": format!("{}:{name}:1", arn.replacen(":stateMachine:", ":express:", 1)),
        "stateMachineArn": arn,
        "name": name,
        "status": "SUCCEEDED",
        "input": sent["input"],
        "output": output.to_string(),
    });
    Ok((200, answer))
}

fn respond(
    action: Action,
    changes: &Changes,
    status: u16,
    body: &str,
    route: &ValidRoute,
    call: &Call,
) -> Result<Response, EvaluateError> {
    let answer = Call { body: body.to_owned(), ..call.clone() };
    let Answered { chosen, status, body } = evaluate::response(action, changes, status, &answer)?;
    Ok(headers::with(route, chosen, status, body, call, &answer))
}

/// What API Gateway answers by itself. A body with a template of its own is not evaluated.
fn gateway_response(own: &GatewayResponses, refusal: &Refusal) -> Response {
    let plain = GatewayResponse::new(refusal.type_, None, BTreeMap::new(), BTreeMap::new());
    let found = own.get(refusal.type_).or_else(|| own.get("DEFAULT_4XX")).unwrap_or(&plain);
    let status = found.status.as_ref().or(plain.status.as_ref()).and_then(|status| status.parse().ok());
    let literal = |text: &String| Some(text.strip_prefix('\'')?.strip_suffix('\'')?.to_owned());
    let header = |(name, text): (&String, &String)| {
        Some((name.strip_prefix("gatewayresponse.header.")?.to_owned(), literal(text)?))
    };
    let body = match found.templates == plain.templates {
        true => json!({"message": refusal.message}).to_string(),
        false => String::new(),
    };
    Response { status: status.unwrap_or(400), headers: found.parameters.iter().filter_map(header).collect(), body }
}

#[cfg(test)]
mod tests;
