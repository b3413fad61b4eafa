//! Step Functions: state machines and their tags.

mod definition;
mod executions;
mod machines;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Context;
use super::iam::Iam;
use super::logs::Groups;
use super::wire::{Refusal, input, marker, page, read_marker};

/// State machines by ARN.
type Machines = BTreeMap<String, Machine>;

/// A state machine.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Machine {
    /// Its name, unique in the Region.
    pub name: String,
    /// `STANDARD` or `EXPRESS`.
    pub kind: String,
    /// Since the Unix epoch.
    pub created: Duration,
    /// What UpdateStateMachine can change.
    pub form: Form,
    /// AWS's id of the form; none before the first update (rec).
    pub revision: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// What reads still show after an update, and until when.
    pub stale: Option<(Duration, Form, Option<String>)>,
    /// When it is gone, once it is DELETING.
    pub gone: Option<Duration>,
    /// Its running executions: name, and when each started.
    pub running: BTreeMap<String, Duration>,
}

/// What UpdateStateMachine can change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Form {
    /// The definition's text, as it was sent.
    pub definition: String,
    /// The execution role.
    pub role: String,
    /// As DescribeStateMachine shows it.
    pub logging: Value,
    /// As DescribeStateMachine shows it.
    pub tracing: Value,
    /// As DescribeStateMachine shows it.
    pub encryption: Value,
}

#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Tag {
    key: Option<String>,
    value: Option<String>,
}

/// The parameters of all operations: each takes some of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Input {
    name: Option<String>,
    r#type: Option<String>,
    definition: Option<String>,
    role_arn: Option<String>,
    logging_configuration: Option<Value>,
    tracing_configuration: Option<Tracing>,
    encryption_configuration: Option<Value>,
    tags: Option<Vec<Tag>>,
    tag_keys: Option<Vec<String>>,
    state_machine_arn: Option<String>,
    resource_arn: Option<String>,
    execution_arn: Option<String>,
    input: Option<String>,
    status_filter: Option<String>,
    max_results: Option<i64>,
    next_token: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Tracing {
    #[serde(default)]
    enabled: bool,
}

pub(super) fn call(
    context: &mut Context<'_>,
    iam: &Iam,
    groups: &Groups,
    machines: &mut Machines,
    operation: &str,
    body: Value,
) -> Result<Value, Refusal> {
    let now = context.now;
    machines.retain(|_, machine| machine.gone.is_none_or(|gone| now < gone));
    let input: Input = input(body)?;
    match operation {
        "CreateStateMachine" => machines::create(context, (iam, groups), machines, input),
        "DescribeStateMachine" => machines::describe(context, machines, &input),
        "UpdateStateMachine" => machines::update(context, (iam, groups), machines, input),
        "DeleteStateMachine" => machines::delete(context, machines, &input),
        "StartExecution" => executions::start(context, machines, &input),
        "StopExecution" => executions::stop(context, machines, &input),
        "ListExecutions" => executions::list(machines, &input),
        "ListStateMachines" => machines::list(machines, &input),
        "TagResource" => tag(machines, &input),
        "UntagResource" => untag(machines, &input),
        "ListTagsForResource" => list_tags(machines, &input),
        _ => Err(Refusal::unknown(format!("states:{operation}"))),
    }
}

fn bad(code: &str, message: impl Into<String>) -> Refusal {
    Refusal::new(400, code, message)
}

/// rec: a constraint of the model.
fn constraint(value: &str, field: &str, constraint: &str) -> Refusal {
    let what = format!("Value '{value}' at '{field}' failed to satisfy constraint: Member must {constraint}");
    bad("ValidationException", format!("1 validation error detected: {what}"))
}

fn required<'a>(value: Option<&'a String>, field: &str) -> Result<&'a str, Refusal> {
    let what = || {
        bad(
            "ValidationException",
            format!(
                "1 validation error detected: Value null at '{field}' failed to satisfy constraint: Member must not be null"
            ),
        )
    };
    value.map(String::as_str).ok_or_else(what)
}

/// One page of a list. rec: `maxResults` and `nextToken` within their bounds.
fn listed(input: &Input, name: &str, items: Vec<(String, Value)>, longest_token: usize) -> Result<Value, Refusal> {
    let size = match input.max_results.unwrap_or(100) {
        // doc: 0 means the default.
        0 => 100,
        size if size > 1000 => {
            return Err(constraint(&size.to_string(), "maxResults", "have value less than or equal to 1000"));
        }
        size => usize::try_from(size)
            .map_err(|_| constraint(&size.to_string(), "maxResults", "have value greater than or equal to 0"))?,
    };
    let after = match &input.next_token {
        None => None,
        Some(text) if text.len() > longest_token => {
            let longest = format!("have length less than or equal to {longest_token}");
            return Err(constraint(text, "nextToken", &longest));
        }
        Some(text) => Some(read_marker(text).ok_or_else(|| bad("InvalidToken", "Invalid Token: 'Invalid token'"))?),
    };
    let (items, next) = page(items, after.as_deref(), size);
    let mut answer = json!({name: items});
    if let Some(next) = next {
        answer["nextToken"] = json!(marker(&next));
    }
    Ok(answer)
}

/// The ARN of a state machine (rec: the words for one that is none).
fn machine_arn(arn: &str) -> Result<&str, Refusal> {
    let parts: Vec<&str> = arn.split(':').collect();
    match parts[..] {
        // With the number of a version behind it, it is one of a machine that is not there (rec).
        ["arn", _, "states", _, _, "stateMachine", _, ..] => Ok(arn),
        ["arn", _, "states", _, _, kind, ..] => {
            Err(bad("InvalidArn", format!("Invalid Arn: 'Resource type not valid in this context: {kind}'")))
        }
        _ => Err(bad("InvalidArn", format!("Invalid Arn: 'Invalid ARN prefix: {arn}'"))),
    }
}

const MOST_TAGS: usize = 50;

/// Adds tags to a machine's, as a whole or not at all (doc: at most 50; `aws:` is reserved).
fn add_tags(tags: &BTreeMap<String, String>, new: &[Tag], arn: &str) -> Result<BTreeMap<String, String>, Refusal> {
    let mut tags = tags.clone();
    for tag in new {
        let (key, value) = (tag.key.clone().unwrap_or_default(), tag.value.clone().unwrap_or_default());
        if key.is_empty() {
            return Err(constraint("", "tags.1.member.key", "have length greater than or equal to 1"));
        }
        if key.chars().count() > 128 {
            return Err(constraint(&key, "tags.1.member.key", "have length less than or equal to 128"));
        }
        if value.chars().count() > 256 {
            return Err(constraint(&value, "tags.1.member.value", "have length less than or equal to 256"));
        }
        let fits = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c == ' ' || "_.:/=+-%@".contains(c));
        if !fits(&key) || !fits(&value) || key.to_lowercase().starts_with("aws:") {
            return Err(bad("ValidationException", format!("Invalid tag: '{key}'")));
        }
        tags.insert(key, value);
    }
    if tags.len() > MOST_TAGS {
        return Err(bad("TooManyTags", format!("Too many tags: '{arn}'")));
    }
    Ok(tags)
}

fn tagged<'a>(machines: &'a mut Machines, input: &Input) -> Result<(&'a str, &'a mut Machine), Refusal> {
    let arn = machine_arn(required(input.resource_arn.as_ref(), "resourceArn")?)?;
    let found = machines.iter_mut().find(|(key, _)| *key == arn);
    found
        .map(|(key, machine)| (key.as_str(), machine))
        .ok_or_else(|| bad("ResourceNotFound", format!("Resource not found: '{arn}'")))
}

fn tag(machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let (arn, machine) = tagged(machines, input)?;
    machine.tags = add_tags(&machine.tags, input.tags.as_deref().unwrap_or_default(), arn)?;
    Ok(json!({}))
}

fn untag(machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let (_, machine) = tagged(machines, input)?;
    for key in input.tag_keys.iter().flatten() {
        machine.tags.remove(key);
    }
    Ok(json!({}))
}

fn list_tags(machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let (_, machine) = tagged(machines, input)?;
    let tags: Vec<_> = machine.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    Ok(json!({"tags": tags}))
}
