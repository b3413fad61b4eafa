//! The answer that the client gets.

use serde_json::{Map, Value, json};

use super::{Call, EvaluateError, Found};
use crate::mapping::response::CLIENT_ERRORS;
use crate::mapping::tree::Tree;
use crate::mapping::{Action, Changes, Source};

/// What a client is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answered {
    /// The status of the integration response that was chosen, by which its headers are known.
    pub chosen: u16,
    /// The status that is sent.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// What an action's own responses, with a route's changes, make of Step Functions' answer, whose HTTP status this is and whose body is the
/// call's.
///
/// # Errors
/// The answer is no JSON, or none of Step Functions'.
pub fn response(action: Action, changes: &Changes, status: u16, answer: &Call) -> Result<Answered, EvaluateError> {
    let fixed = |own: u16, body: Result<Body, EvaluateError>| {
        let body = match changes.fixed(own) {
            Some(body) => body,
            None => body?,
        };
        let status = changes.status_for(own);
        Ok(Answered { chosen: status, status, body: body.0 })
    };
    match status {
        400..=499 => refused(changes, answer),
        // The body is not looked at: it need not be JSON.
        500..=599 => fixed(502, Ok(Body::of(json!({"error": "ServiceUnavailable"})))),
        _ if action == Action::StartExecution => fixed(202, success(action, changes, answer)),
        _ if action == Action::StartSyncExecution => finished(changes, answer),
        _ => fixed(200, success(action, changes, answer)),
    }
}

/// A body as it is sent. An execution's output stands in it as Step Functions wrote it.
struct Body(String);

impl Body {
    fn of(value: Value) -> Self {
        Self(value.to_string())
    }
}

impl Changes {
    /// The body that a status has whatever is answered.
    fn fixed(&self, own: u16) -> Option<Body> {
        self.statuses.get(&own)?.body.clone().map(Body::of)
    }
}

fn success(action: Action, changes: &Changes, answer: &Call) -> Result<Body, EvaluateError> {
    if !changes.output.is_empty() {
        return answer.tree(&Tree::of(&changes.output)).map(Body::of);
    }
    Ok(Body::of(match action {
        Action::StartExecution => json!({
            "executionArn": string(answer, "/executionArn")?,
            "name": after_colons(&text(answer, "/executionArn")?),
            "startDate": given(answer, "/startDate")?,
        }),
        Action::StopExecution => json!({"stopDate": given(answer, "/stopDate")?}),
        Action::DescribeExecution => described(answer)?,
        Action::GetExecutionHistory => history(answer)?,
        Action::ListExecutions => executions(answer)?,
        Action::StartSyncExecution | Action::SendTask => json!({}),
    }))
}

/// StartSyncExecution answers with HTTP 200 even when the execution failed or timed out (AWS.md §3).
fn finished(changes: &Changes, answer: &Call) -> Result<Answered, EvaluateError> {
    let ended = answer.in_body("/status")?;
    let own = match ended.as_str() {
        Some("SUCCEEDED") => 200,
        Some("TIMED_OUT") => 504,
        _ => 500,
    };
    let body = match changes.fixed(own) {
        Some(body) => body,
        None if own != 200 => Body::of(json!({"error": string(answer, "/error")?, "cause": string(answer, "/cause")?})),
        None if !changes.output.is_empty() => success(Action::StartSyncExecution, changes, answer)?,
        None => {
            let output = text(answer, "/output")?;
            Body(if output.is_empty() { "null".to_owned() } else { output })
        }
    };
    Ok(Answered { chosen: changes.status_for(200), status: changes.status_for(own), body: body.0 })
}

fn described(answer: &Call) -> Result<Value, EvaluateError> {
    let mut members = Map::new();
    members.insert("name".into(), string(answer, "/name")?);
    members.insert("status".into(), string(answer, "/status")?);
    members.insert("startDate".into(), given(answer, "/startDate")?);
    if !is_empty(&answer.in_body("/stopDate")?) {
        members.insert("stopDate".into(), given(answer, "/stopDate")?);
    }
    members.insert("output".into(), answer.value(&Source::Output(None))?);
    for key in ["error", "cause"] {
        let text = text(answer, &format!("/{key}"))?;
        if !text.is_empty() {
            members.insert(key.into(), text.into());
        }
    }
    Ok(Value::Object(members))
}

fn history(answer: &Call) -> Result<Value, EvaluateError> {
    let document = answer.in_body("")?;
    let first_of = |event: &Value, details: &[&str], member: &str| {
        let texts = details.iter().filter_map(|details| event[details][member].as_str());
        texts.collect::<String>()
    };
    const ENDS: [&str; 3] =
        ["executionFailedEventDetails", "executionTimedOutEventDetails", "executionAbortedEventDetails"];
    let told = |event: &Value| {
        let mut members = Map::new();
        let always = |member: &str| match &event[member] {
            Value::Null => Err(EvaluateError::Answer("an event of a history has id, type and timestamp")),
            value => Ok(value.clone()),
        };
        for member in ["id", "type", "timestamp"] {
            members.insert(member.into(), always(member)?);
        }
        let state = first_of(event, &["stateEnteredEventDetails", "stateExitedEventDetails"], "name");
        let texts =
            [("state", state), ("error", first_of(event, &ENDS, "error")), ("cause", first_of(event, &ENDS, "cause"))];
        members.extend(
            texts.into_iter().filter(|(_, text)| !text.is_empty()).map(|(key, text)| (key.into(), text.into())),
        );
        Ok(Value::Object(members))
    };
    let events = document["events"].as_array().into_iter().flatten().map(told).collect::<Result<Vec<_>, _>>()?;
    paged("events", events, answer)
}

fn executions(answer: &Call) -> Result<Value, EvaluateError> {
    let document = answer.in_body("")?;
    let told = |execution: &Value| {
        let mut members = Map::new();
        for member in ["name", "status", "startDate", "stopDate"] {
            match &execution[member] {
                Value::Null if member != "stopDate" => {
                    return Err(EvaluateError::Answer("an execution of a list has name, status and startDate"));
                }
                Value::Null => {}
                value => drop(members.insert(member.into(), value.clone())),
            }
        }
        Ok(Value::Object(members))
    };
    let list = document["executions"].as_array().into_iter().flatten().map(told).collect::<Result<Vec<_>, _>>()?;
    paged("executions", list, answer)
}

fn paged(key: &str, list: Vec<Value>, answer: &Call) -> Result<Value, EvaluateError> {
    let mut members = Map::from_iter([(key.to_owned(), Value::from(list))]);
    let token = text(answer, "/nextToken")?;
    if !token.is_empty() {
        members.insert("nextToken".into(), token.into());
    }
    Ok(Value::Object(members))
}

/// Step Functions' own 4xx.
fn refused(changes: &Changes, answer: &Call) -> Result<Answered, EvaluateError> {
    let message = match text(answer, "/message")? {
        message if message.is_empty() => text(answer, "/Message")?,
        message => message,
    };
    let named = text(answer, "/__type")?;
    let named = named.split(':').next().unwrap_or_default();
    let named = named.rsplit(|c: char| !c.is_ascii_alphabetic()).next().unwrap_or_default();
    let type_ = if named.is_empty() { "InternalError" } else { named };
    let known = CLIENT_ERRORS.iter().find(|(_, errors)| errors.contains(&type_)).map(|(status, _)| *status);
    let own = match known {
        _ if type_ == "ValidationException" && message.contains("262144") => 413,
        Some(status) => status,
        None => 500,
    };
    let told = || {
        let mut members = Map::from_iter([("error".to_owned(), Value::from(type_))]);
        if own != 500 && !message.is_empty() {
            members.insert("message".into(), message.clone().into());
        }
        Body::of(Value::Object(members))
    };
    let body = changes.fixed(own).unwrap_or_else(told);
    Ok(Answered { chosen: 400, status: changes.status_for(own), body: body.0 })
}

fn text(answer: &Call, pointer: &str) -> Result<String, EvaluateError> {
    answer.text(&Source::Body(Some(pointer.to_owned())))
}

/// A value of the answer as a JSON string, null where it is absent.
fn string(answer: &Call, pointer: &str) -> Result<Value, EvaluateError> {
    let source = Source::Body(Some(pointer.to_owned()));
    Ok(match answer.find(&source)? {
        Found::Absent => Value::Null,
        _ => answer.text(&source)?.into(),
    })
}

/// A value of the answer as it is; an empty text where it is absent, as `$input.json` gives it.
fn given(answer: &Call, pointer: &str) -> Result<Value, EvaluateError> {
    Ok(match answer.in_body(pointer)? {
        Value::Null => "".into(),
        value => value,
    })
}

fn is_empty(value: &Value) -> bool {
    value.is_null() || value.as_str() == Some("")
}

/// What follows the last colon, in each line.
fn after_colons(text: &str) -> String {
    let ends_line = |c: char| matches!(c, '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}');
    text.split_inclusive(ends_line).map(|line| line.rsplit(':').next().unwrap_or(line)).collect()
}
