//! Validates a route's responses.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Action, OutputEntry, ResponseHeader, ResponseSpec, RouteResponse, Target};
use crate::mapping::{self, Changes, Input, Source, Status};
use crate::problem::Problem;
use crate::resources::model::{BUILT_IN, Models};
use crate::resources::rest_api::settings::Settings;
use crate::resources::route::{IntegrationResponse, MethodResponse, response_header};

/// Headers that API Gateway writes itself, or sends under another name (`x-amzn-Remapped-…`); its "Important notes" list
/// them.
const RESERVED_HEADERS: [&str; 12] = [
    "connection",
    "content-length",
    "date",
    "host",
    "max-forwards",
    "server",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "via",
    "www-authenticate",
];

/// The responses of a method and of its integration, by status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Responses {
    /// What the method declares.
    pub declared: BTreeMap<String, MethodResponse>,
    /// What Step Functions' answers become.
    pub mapped: BTreeMap<String, IntegrationResponse>,
}

/// The action's own responses with the route's changes, or those of the route's own. Where the API has binary media types, what the
/// templates make is text whatever the client accepts: else API Gateway would decode it from Base64 for a client that accepts one of them
/// first, and answer 500 (its guide, "Content type conversions").
///
/// # Errors
/// The first problem, with its field.
pub fn responses(
    target: &Target,
    spec: Option<&ResponseSpec>,
    models: &Models,
    settings: &Settings,
) -> Result<Responses, Problem> {
    let content_handling = (!settings.binary_media_types.is_empty()).then(|| "CONVERT_TO_TEXT".to_owned());
    let mut made = Responses::default();
    if let Some(raw) = spec.and_then(|spec| spec.responses.as_ref()) {
        for response in raw {
            add_raw(&mut made, response, models)?;
        }
        return Ok(made);
    }
    let headers = match spec.and_then(|spec| spec.headers.as_ref()) {
        Some(headers) => values("spec.response.headers", headers)?,
        None => BTreeMap::new(),
    };
    for response in own_responses(target, spec)? {
        let mapped = IntegrationResponse {
            selection_pattern: response.selection_pattern,
            headers: headers.clone(),
            templates: response.templates,
            content_handling: content_handling.clone(),
        };
        made.declared.insert(response.status.clone(), declared(&mapped));
        made.mapped.insert(response.status, mapped);
    }
    Ok(made)
}

fn add_raw(made: &mut Responses, response: &RouteResponse, models: &Models) -> Result<(), Problem> {
    let status = response.status_code.to_string();
    let mapped = match &response.integration {
        None => None,
        Some(integration) => {
            let field = format!("spec.response.responses[{status}].integration.headers");
            Some(IntegrationResponse {
                selection_pattern: integration.selection_pattern.clone(),
                headers: values(&field, integration.headers.as_deref().unwrap_or_default())?,
                templates: integration.templates.clone(),
                content_handling: integration.content_handling.map(|handling| handling.as_str().to_owned()),
            })
        }
    };
    let mut declared = mapped.as_ref().map(declared).unwrap_or_default();
    declared.models = response.models.clone();
    for (content_type, name) in &declared.models {
        if !models.contains_key(name) && !BUILT_IN.contains(&name.as_str()) {
            return Err(Problem::invalid(format!(
                "spec.response.responses[{status}].models[{content_type}]: the RestAPI has no model {name}"
            )));
        }
    }
    made.declared.insert(status.clone(), declared);
    if let Some(mapped) = mapped {
        made.mapped.insert(status, mapped);
    }
    Ok(())
}

/// The method's response for one of the integration's.
fn declared(mapped: &IntegrationResponse) -> MethodResponse {
    MethodResponse { headers: mapped.headers.keys().cloned().collect(), ..MethodResponse::default() }
}

/// What headers are set to, in API Gateway's words.
fn values(field: &str, headers: &[ResponseHeader]) -> Result<BTreeMap<String, String>, Problem> {
    let mut seen = BTreeSet::new();
    let mut values = BTreeMap::new();
    for header in headers {
        let name = header.name.to_ascii_lowercase();
        if RESERVED_HEADERS.contains(&name.as_str()) || name.starts_with("x-amzn-") {
            return Err(Problem::invalid(format!(
                "{field}[{}]: API Gateway writes this header itself; choose another name",
                header.name
            )));
        }
        if !seen.insert(name) {
            return Err(Problem::invalid(format!(
                "{field}[{}]: the header is there twice; names of headers are compared ignoring case",
                header.name
            )));
        }
        let value = match header {
            ResponseHeader { value: Some(text), .. } => format!("'{text}'"),
            ResponseHeader { header: Some(name), .. } => format!("integration.response.header.{name}"),
            ResponseHeader { body: Some(pointer), .. } => {
                format!("integration.response.body{}", pointer.replace('/', "."))
            }
            ResponseHeader { context: Some(name), .. } => format!("context.{name}"),
            ResponseHeader { stage_variable: Some(name), .. } => format!("stageVariables.{name}"),
            _ => return Err(Problem::invalid(format!("{field}[{}] has no value", header.name))),
        };
        values.insert(response_header(&header.name), value);
    }
    Ok(values)
}

/// The action of a route that calls Step Functions, and what the route changes of the action's own responses; `None` for a mock.
///
/// # Errors
/// The first problem, with its field.
pub fn changes(target: &Target, spec: Option<&ResponseSpec>) -> Result<Option<(mapping::Action, Changes)>, Problem> {
    let action = match target.action {
        Action::StartExecution => mapping::Action::StartExecution,
        Action::StartSyncExecution => mapping::Action::StartSyncExecution,
        Action::DescribeExecution => mapping::Action::DescribeExecution,
        Action::StopExecution => mapping::Action::StopExecution,
        Action::GetExecutionHistory => mapping::Action::GetExecutionHistory,
        Action::ListExecutions => mapping::Action::ListExecutions,
        Action::SendTaskSuccess | Action::SendTaskFailure | Action::SendTaskHeartbeat => mapping::Action::SendTask,
        Action::Mock => return Ok(None),
    };
    let mut changes = Changes::default();
    for (index, entry) in spec.and_then(|spec| spec.output.as_ref()).into_iter().flatten().enumerate() {
        let source = match entry {
            OutputEntry { from: Some(pointer), .. } => {
                let pointer = (!pointer.is_empty()).then(|| pointer.clone());
                if action == mapping::Action::StartSyncExecution {
                    Source::Output(pointer)
                } else {
                    Source::Body(pointer)
                }
            }
            OutputEntry { context: Some(name), .. } => Source::Context(name.clone()),
            OutputEntry { stage_variable: Some(name), .. } => Source::StageVariable(name.clone()),
            OutputEntry { value, .. } => Source::Value(json(
                &format!("spec.response.output[{index}].value"),
                value.as_deref().unwrap_or_default(),
            )?),
        };
        changes.output.push(Input { to: entry.to.clone(), source });
    }
    let said = |error| Problem::invalid(format!("spec.response.{error}"));
    mapping::validate_document("output", &changes.output).map_err(said)?;
    let known = mapping::own_statuses(action);
    for change in spec.and_then(|spec| spec.statuses.as_ref()).into_iter().flatten() {
        let field = format!("spec.response.statuses[{}]", change.status);
        if !known.contains(&change.status) {
            let known: Vec<_> = known.iter().map(u16::to_string).collect();
            return Err(Problem::invalid(format!(
                "{field}: {} answers with {} only",
                target.action.as_str(),
                known.join(", ")
            )));
        }
        let body = change.body.as_ref().map(|text| json(&format!("{field}.body"), text)).transpose()?;
        changes.statuses.insert(change.status, Status { becomes: change.becomes, body });
    }
    Ok(Some((action, changes)))
}

/// The status and body of a mock.
///
/// # Errors
/// The body is no JSON.
pub fn mock(target: &Target) -> Result<(u16, serde_json::Value), Problem> {
    let (status, body) = target.mock.as_ref().map_or((200, None), |mock| (mock.status_code, mock.body.as_deref()));
    Ok((status, json("spec.target.mock.body", body.unwrap_or("{}"))?))
}

/// The action's own, with changes.
fn own_responses(target: &Target, spec: Option<&ResponseSpec>) -> Result<Vec<mapping::Response>, Problem> {
    let Some((action, changes)) = changes(target, spec)? else {
        let (status, body) = mock(target)?;
        return Ok(vec![mapping::mock_response(status, &body)]);
    };
    let responses = mapping::default_responses(action, &changes);
    // The statuses by which answers are told apart are API Gateway's keys.
    let statuses: BTreeSet<_> = responses.iter().map(|response| &response.status).collect();
    if statuses.len() < responses.len() {
        return Err(Problem::invalid(
            "spec.response.statuses: the success and 502 can't become each other's status, nor 400; choose others"
                .to_owned(),
        ));
    }
    Ok(responses)
}

/// A JSON text.
fn json(field: &str, text: &str) -> Result<serde_json::Value, Problem> {
    serde_json::from_str(text)
        .map_err(|error| Problem::invalid(format!("{field} is not JSON: {error}; quote a text twice, as '\"text\"'")))
}
