//! Validates a route's responses.

use std::collections::{BTreeMap, BTreeSet};

use crate::api::{Action, ResponseHeader, ResponseSpec, RouteResponse, Target};
use crate::mapping;
use crate::problem::Problem;
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

/// The action's own responses with the route's changes, or those of the route's own.
///
/// # Errors
/// The first problem, with its field.
pub fn responses(target: &Target, spec: Option<&ResponseSpec>) -> Result<Responses, Problem> {
    let mut made = Responses::default();
    if let Some(raw) = spec.and_then(|spec| spec.responses.as_ref()) {
        for response in raw {
            add_raw(&mut made, response)?;
        }
        return Ok(made);
    }
    let headers = match spec.and_then(|spec| spec.headers.as_ref()) {
        Some(headers) => values("spec.response.headers", headers)?,
        None => BTreeMap::new(),
    };
    for response in own_responses(target)? {
        let mapped = IntegrationResponse {
            selection_pattern: response.selection_pattern,
            headers: headers.clone(),
            templates: response.templates,
        };
        made.declared.insert(response.status.clone(), declared(&mapped));
        made.mapped.insert(response.status, mapped);
    }
    Ok(made)
}

fn add_raw(made: &mut Responses, response: &RouteResponse) -> Result<(), Problem> {
    let status = response.status_code.to_string();
    let mapped = match &response.integration {
        None => None,
        Some(integration) => {
            let field = format!("spec.response.responses[{status}].integration.headers");
            Some(IntegrationResponse {
                selection_pattern: integration.selection_pattern.clone(),
                headers: values(&field, integration.headers.as_deref().unwrap_or_default())?,
                templates: integration.templates.clone(),
            })
        }
    };
    made.declared.insert(status.clone(), mapped.as_ref().map(declared).unwrap_or_default());
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

/// The action's own.
fn own_responses(target: &Target) -> Result<Vec<mapping::Response>, Problem> {
    let action = match target.action {
        Action::StartExecution => mapping::Action::StartExecution,
        Action::StartSyncExecution => mapping::Action::StartSyncExecution,
        Action::DescribeExecution => mapping::Action::DescribeExecution,
        Action::StopExecution => mapping::Action::StopExecution,
        Action::GetExecutionHistory => mapping::Action::GetExecutionHistory,
        Action::ListExecutions => mapping::Action::ListExecutions,
        Action::SendTaskSuccess | Action::SendTaskFailure | Action::SendTaskHeartbeat => mapping::Action::SendTask,
        Action::Mock => {
            let (status, body) =
                target.mock.as_ref().map_or((200, None), |mock| (mock.status_code, mock.body.as_deref()));
            let body = serde_json::from_str(body.unwrap_or("{}"));
            let body = body.map_err(|error| Problem::invalid(format!("spec.target.mock.body is not JSON: {error}")))?;
            return Ok(vec![mapping::mock_response(status, &body)]);
        }
    };
    Ok(mapping::default_responses(action))
}
