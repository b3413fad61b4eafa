//! Validates how a route's request becomes Step Functions' request.

use std::collections::{BTreeMap, BTreeSet};

use super::rest_api::ValidApi;
use super::schema::schema;
use crate::api::{APIRoute, Action, InputEntry, RequestSpec, ValueSource};
use crate::mapping::{self, Ask, Failure, Input, Machine, Report, Request, Source};
use crate::problem::Problem;
use crate::resources::model::{Models, unnamed};
use crate::resources::request_validator;

/// The request templates by content type.
///
/// # Errors
/// The first problem, with its field.
pub fn request_templates(
    valid: &ValidApi,
    route: &APIRoute,
    machine: &Machine,
    request: &RequestSpec,
) -> Result<BTreeMap<String, String>, Problem> {
    if let Some(raw) = &request.templates {
        return raw
            .iter()
            .map(|(content_type, text)| {
                let filled = valid.place.fill(text);
                let filled = match (&machine.default, filled.contains("${StateMachineArn}")) {
                    (_, false) => filled,
                    (Some(arn), true) => filled.replace("${StateMachineArn}", arn),
                    (None, true) => {
                        return Err(Problem::invalid(format!(
                            "spec.request.templates[{content_type}]: ${{StateMachineArn}} needs target.stateMachineRef or target.arn"
                        )));
                    }
                };
                Ok((content_type.clone(), filled))
            })
            .collect();
    }
    let mapped = structured(route, machine, request)?;
    let template = mapping::request_template(&mapped);
    let content_types = request.content_types.clone().unwrap_or_else(|| vec!["application/json".to_owned()]);
    Ok(content_types.into_iter().map(|content_type| (content_type, template.clone())).collect())
}

/// What API Gateway checks of a request before it calls anything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Checks {
    /// Required parameters, as `method.request.querystring.<name>`.
    pub parameters: BTreeMap<String, bool>,
    /// The model of the body, by content type.
    pub models: BTreeMap<String, String>,
    /// The validator's name.
    pub validator: Option<String>,
    /// The models of the route's own.
    pub own: Models,
}

/// The checks of a route that accepts these content types.
///
/// # Errors
/// The first problem, with its field.
pub fn checks<'a>(
    valid: &ValidApi,
    request: &RequestSpec,
    content_types: impl Iterator<Item = &'a String>,
) -> Result<Checks, Problem> {
    let mut checks = Checks::default();
    let model = match (&request.body_schema, &request.body_model) {
        (Some(text), _) => {
            let schema = schema("spec.request.bodySchema", text, &valid.models)?;
            let name = unnamed(&schema);
            checks.own.insert(name.clone(), schema);
            Some(name)
        }
        (None, Some(name)) if valid.models.contains_key(name) => Some(name.clone()),
        (None, Some(name)) => {
            let names: Vec<_> = valid.models.keys().map(String::as_str).collect();
            return Err(Problem::invalid(format!(
                "spec.request.bodyModel: RestAPI {} has no model {name}; {}",
                valid.owner.key,
                if names.is_empty() { "it has none".to_owned() } else { format!("it has {}", names.join(", ")) }
            )));
        }
        (None, None) => None,
    };
    if let Some(name) = model {
        checks.models = content_types.map(|content_type| (content_type.clone(), name.clone())).collect();
    }
    let mut seen = BTreeSet::new();
    let required = request.required.clone().unwrap_or_default();
    let lists = [("query", "querystring", required.query), ("headers", "header", required.headers)];
    for (list, place, names) in lists {
        for name in names.into_iter().flatten() {
            if !seen.insert(name.clone()) {
                return Err(Problem::invalid(format!(
                    "spec.request.required.{list}: API Gateway takes {name} once only, as a query parameter or as a header"
                )));
            }
            checks.parameters.insert(format!("method.request.{place}.{name}"), true);
        }
    }
    let name = request_validator::name(!checks.models.is_empty(), !checks.parameters.is_empty());
    checks.validator = name.map(str::to_owned);
    Ok(checks)
}

/// What a route without templates of its own asks of Step Functions.
///
/// # Errors
/// The first problem, with its field.
pub fn structured(route: &APIRoute, machine: &Machine, request: &RequestSpec) -> Result<Request, Problem> {
    let mapped = mapped(route, machine, request)?;
    mapping::validate_request(&mapped).map_err(|error| match error {
        mapping::MappingError::NoMachine | mapping::MappingError::NotAMachine { .. } => {
            Problem::invalid(format!("spec.target: {error}"))
        }
        error => Problem::invalid(format!("spec.request.{error}")),
    })?;
    Ok(mapped)
}

fn mapped(route: &APIRoute, machine: &Machine, request: &RequestSpec) -> Result<Request, Problem> {
    let target = &route.spec.target;
    let optional = |field: &str, source: &Option<ValueSource>| {
        source.as_ref().map(|source| value_source(route, field, source)).transpose()
    };
    let required = |field: &str, source: &Option<ValueSource>, what: &str| {
        optional(field, source)?.ok_or_else(|| {
            Problem::invalid(format!(
                "spec.request.{field}: {} must know which {what} is meant",
                target.action.as_str()
            ))
        })
    };
    let failure = || -> Result<Failure, Problem> {
        Ok(Failure { error: optional("error", &request.error)?, cause: optional("cause", &request.cause)? })
    };
    let input = || inputs(route, request.input.as_deref().unwrap_or_default());
    let machine = machine.clone();
    let ask = match target.action {
        Action::Mock => return Ok(Request::Mock(target.mock.as_ref().map_or(200, |mock| mock.status_code))),
        _ if target.state_machine_refs.is_some() => return Ok(Request::Client),
        Action::StartExecution | Action::StartSyncExecution => {
            return Ok(Request::Start {
                machine,
                input: input()?,
                execution_name: optional("executionName", &request.execution_name)?,
                trace_header: optional("traceHeader", &request.trace_header)?,
            });
        }
        Action::ListExecutions => return Ok(Request::List { machine }),
        Action::SendTaskSuccess | Action::SendTaskFailure | Action::SendTaskHeartbeat => {
            let report = match target.action {
                Action::SendTaskSuccess => Report::Success(input()?),
                Action::SendTaskFailure => Report::Failure(failure()?),
                _ => Report::Heartbeat,
            };
            return Ok(Request::Task { token: required("taskToken", &request.task_token, "task")?, report });
        }
        Action::DescribeExecution => Ask::Describe,
        Action::StopExecution => Ask::Stop(failure()?),
        Action::GetExecutionHistory => Ask::History,
    };
    let execution = required("executionName", &request.execution_name, "execution")?;
    Ok(Request::Execution { machine, execution, ask })
}

fn inputs(route: &APIRoute, entries: &[InputEntry]) -> Result<Vec<Input>, Problem> {
    let mut inputs = Vec::new();
    for (index, entry) in entries.iter().enumerate() {
        let field = format!("input[{index}]");
        let source = match entry {
            InputEntry { body: Some(pointer), .. } => Source::Body((!pointer.is_empty()).then(|| pointer.clone())),
            InputEntry { value: Some(text), .. } => Source::Value(serde_json::from_str(text).map_err(|error| {
                Problem::invalid(format!(
                    "spec.request.{field}.value is not JSON: {error}; quote a text twice, as '\"text\"'"
                ))
            })?),
            InputEntry { query_list: Some(name), .. } => Source::QueryList(name.clone()),
            InputEntry { header_list: Some(name), .. } => Source::HeaderList(name.clone()),
            _ => {
                let plain = ValueSource {
                    path: entry.path.clone(),
                    query: entry.query.clone(),
                    header: entry.header.clone(),
                    context: entry.context.clone(),
                    stage_variable: entry.stage_variable.clone(),
                    ..ValueSource::default()
                };
                value_source(route, &field, &plain)?
            }
        };
        inputs.push(Input { to: entry.to.clone(), source });
    }
    Ok(inputs)
}

fn value_source(route: &APIRoute, field: &str, source: &ValueSource) -> Result<Source, Problem> {
    if let Some(name) = &source.path {
        let path = &route.spec.path;
        if !path.contains(&format!("{{{name}}}")) && !path.contains(&format!("{{{name}+}}")) {
            return Err(Problem::invalid(format!(
                "spec.request.{field}.path: the path {path} has no parameter {{{name}}}"
            )));
        }
        return Ok(Source::Path(name.clone()));
    }
    let other = match source {
        ValueSource { body: Some(pointer), .. } => Some(Source::Body(Some(pointer.clone()))),
        ValueSource { query: Some(name), .. } => Some(Source::Query(name.clone())),
        ValueSource { header: Some(name), .. } => Some(Source::Header(name.clone())),
        ValueSource { context: Some(name), .. } => Some(Source::Context(name.clone())),
        ValueSource { stage_variable: Some(name), .. } => Some(Source::StageVariable(name.clone())),
        ValueSource { value: Some(text), .. } => Some(Source::Value(text.clone().into())),
        _ => None,
    };
    other.ok_or_else(|| Problem::invalid(format!("spec.request.{field} names no part of the request")))
}
