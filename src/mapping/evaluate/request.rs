//! The request that Step Functions is sent.

use serde_json::{Map, Value, json};

use super::{Call, EvaluateError};
use crate::mapping::request::executions_of;
use crate::mapping::tree::Tree;
use crate::mapping::{Ask, Failure, Input, Machine, Report, Request, Source};

/// What the request template makes of a call: JSON, or with [`Request::Client`] the body as it came.
///
/// # Errors
/// The body is read and is no JSON, or a text is wanted where it has none.
pub fn request(request: &Request, call: &Call) -> Result<String, EvaluateError> {
    let members = match request {
        Request::Start { machine, input, execution_name, trace_header } => {
            let mut members = Map::new();
            members.insert("stateMachineArn".into(), machine_of(machine, call).unwrap_or_default().into());
            members.insert("input".into(), document(input, call)?.into());
            optional(&mut members, "name", execution_name.as_ref(), call)?;
            optional(&mut members, "traceHeader", trace_header.as_ref(), call)?;
            members
        }
        Request::List { machine } => {
            let mut members = Map::new();
            members.insert("stateMachineArn".into(), machine_of(machine, call).unwrap_or_default().into());
            optional(&mut members, "statusFilter", Some(&query("status")), call)?;
            count(&mut members, call)?;
            optional(&mut members, "nextToken", Some(&query("nextToken")), call)?;
            members
        }
        Request::Execution { machine, execution, ask } => {
            let prefix = machine_of(machine, call).map_or_else(|| "none:".to_owned(), executions_of);
            let mut members = Map::new();
            members.insert("executionArn".into(), format!("{prefix}{}", call.text(execution)?).into());
            match ask {
                Ask::Describe => {}
                Ask::Stop(why) => failure(&mut members, why, call)?,
                Ask::History => {
                    members.insert("includeExecutionData".into(), false.into());
                    let reverse = call.text(&query("reverseOrder"))?;
                    if !reverse.is_empty() {
                        let flag = reverse.parse::<bool>().map_or_else(|_| Value::from(reverse), Value::from);
                        members.insert("reverseOrder".into(), flag);
                    }
                    count(&mut members, call)?;
                    optional(&mut members, "nextToken", Some(&query("nextToken")), call)?;
                }
            }
            members
        }
        Request::Task { token, report } => {
            let mut members = Map::new();
            members.insert("taskToken".into(), call.text(token)?.into());
            match report {
                Report::Success(output) => drop(members.insert("output".into(), document(output, call)?.into())),
                Report::Failure(why) => failure(&mut members, why, call)?,
                Report::Heartbeat => {}
            }
            members
        }
        Request::Mock(status) => return Ok(json!({"statusCode": status}).to_string()),
        Request::Client => return Ok(body_or_nothing(call)),
    };
    Ok(Value::Object(members).to_string())
}

fn query(name: &str) -> Source {
    Source::Query(name.to_owned())
}

/// The machine of the stage that is called.
fn machine_of<'m>(machine: &'m Machine, call: &Call) -> Option<&'m str> {
    let stage = call.in_context("stage").as_str().unwrap_or_default();
    machine.stages.get(stage).or(machine.default.as_ref()).map(String::as_str)
}

fn body_or_nothing(call: &Call) -> String {
    if call.body.is_empty() { "{}".to_owned() } else { call.body.clone() }
}

/// The `input` string, or a task's `output`: without any parts the body as it came.
fn document(input: &[Input], call: &Call) -> Result<String, EvaluateError> {
    let tree = Tree::of(input);
    match &tree {
        Tree::Object(members) if !members.is_empty() => {}
        Tree::Leaf(source) if **source != Source::Body(None) => {}
        _ => return Ok(body_or_nothing(call)),
    }
    Ok(call.tree(&tree)?.to_string())
}

/// A member that is left out when its text is empty.
fn optional(
    members: &mut Map<String, Value>,
    key: &str,
    source: Option<&Source>,
    call: &Call,
) -> Result<(), EvaluateError> {
    let text = source.map(|source| call.text(source)).transpose()?.unwrap_or_default();
    if !text.is_empty() {
        members.insert(key.to_owned(), text.into());
    }
    Ok(())
}

fn failure(members: &mut Map<String, Value>, why: &Failure, call: &Call) -> Result<(), EvaluateError> {
    optional(members, "error", why.error.as_ref(), call)?;
    optional(members, "cause", why.cause.as_ref(), call)
}

/// `maxResults`: a number from 1 to 9999; any other text stays one, and Step Functions refuses it.
fn count(members: &mut Map<String, Value>, call: &Call) -> Result<(), EvaluateError> {
    let text = call.text(&query("maxResults"))?;
    if text.is_empty() {
        return Ok(());
    }
    let digits = text.len() <= 4 && !text.starts_with('0') && text.bytes().all(|byte| byte.is_ascii_digit());
    let count = text.parse::<u16>().ok().filter(|_| digits).map_or_else(|| Value::from(text), Value::from);
    members.insert("maxResults".into(), count);
    Ok(())
}
