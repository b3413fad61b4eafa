//! What is written into boxes and on arrows.

use serde_json::{Map, Value};

use super::text::clean;
use crate::asl::{State, StateType, Why};

/// The word on a transition; none on Next.
pub(super) fn transition(state: &State<'_>, why: Why) -> Option<String> {
    match why {
        Why::Next => None,
        Why::Default => Some("Default".to_owned()),
        Why::Choice(index) => Some(clean(&condition(element(state, "Choices", index)?))),
        Why::Catch(index) => Some(errors(element(state, "Catch", index)?)),
    }
}

fn element<'a>(state: &State<'a>, field: &str, index: usize) -> Option<&'a Value> {
    state.field(field)?.get(index)
}

/// `$.n > 3 and not($.b)`, or a JSONata expression without its delimiters.
fn condition(rule: &Value) -> String {
    if let Some(condition) = rule.get("Condition") {
        return literal(condition);
    }
    /// What is still to be written, last first.
    enum Part<'a> {
        Rule(&'a Value, bool),
        Text(&'static str),
    }
    let mut text = String::new();
    let mut pending = vec![Part::Rule(rule, false)];
    while let Some(part) = pending.pop() {
        // Nobody reads more of it.
        if text.len() > 2000 {
            break;
        }
        let (rule, nested) = match part {
            Part::Text(word) => {
                text.push_str(word);
                continue;
            }
            Part::Rule(rule, nested) => (rule, nested),
        };
        let list = |name: &str| rule.get(name).and_then(Value::as_array);
        if let Some((rules, word)) =
            list("And").map(|rules| (rules, " and ")).or(list("Or").map(|rules| (rules, " or ")))
        {
            let brackets = nested && rules.len() > 1;
            let mut parts = Vec::new();
            for (index, rule) in rules.iter().enumerate() {
                parts.extend((index > 0).then_some(Part::Text(word)));
                parts.push(Part::Rule(rule, rules.len() > 1 || nested));
            }
            if brackets {
                parts.insert(0, Part::Text("("));
                parts.push(Part::Text(")"));
            }
            pending.extend(parts.into_iter().rev());
        } else if let Some(rule) = rule.get("Not") {
            text.push_str("not(");
            pending.push(Part::Text(")"));
            pending.push(Part::Rule(rule, false));
        } else {
            text.push_str(&comparison(rule));
        }
    }
    text
}

/// A rule of Variable and comparator.
fn comparison(rule: &Value) -> String {
    let Some(fields) = rule.as_object() else { return literal(rule) };
    let variable = fields.get("Variable").map_or_else(|| "?".to_owned(), literal);
    let others = ["Variable", "Next", "Comment", "Assign", "Output"];
    let comparators: Vec<String> = fields
        .iter()
        .filter(|(name, _)| !others.contains(&name.as_str()))
        .map(|(name, operand)| compare(&variable, name, operand))
        .collect();
    if comparators.is_empty() { variable } else { comparators.join(" and ") }
}

fn compare(variable: &str, name: &str, operand: &Value) -> String {
    let kind = match name {
        "IsNull" => Some("null"),
        "IsPresent" => Some("present"),
        "IsNumeric" => Some("a number"),
        "IsString" => Some("a string"),
        "IsBoolean" => Some("a boolean"),
        "IsTimestamp" => Some("a timestamp"),
        _ => None,
    };
    if let Some(kind) = kind {
        let is = if operand == &Value::Bool(false) { "is not" } else { "is" };
        return format!("{variable} {is} {kind}");
    }
    match (name, operand) {
        ("BooleanEquals", Value::Bool(true)) => return variable.to_owned(),
        ("BooleanEquals", Value::Bool(false)) => return format!("not({variable})"),
        _ => {}
    }
    let (plain, is_path) = name.strip_suffix("Path").map_or((name, false), |plain| (plain, true));
    let relation = ["String", "Numeric", "Boolean", "Timestamp"].iter().find_map(|kind| plain.strip_prefix(kind));
    let sign = match relation {
        Some("Equals") => "=",
        Some("LessThan") => "<",
        Some("LessThanEquals") => "≤",
        Some("GreaterThan") => ">",
        Some("GreaterThanEquals") => "≥",
        Some("Matches") => "matches",
        _ => name,
    };
    match operand {
        Value::String(text) if !is_path && !plain.starts_with("Timestamp") => format!("{variable} {sign} \"{text}\""),
        operand => format!("{variable} {sign} {}", literal(operand)),
    }
}

/// A value as its user thinks of it: strings without quotes, expressions without `{%` and `%}`.
fn literal(value: &Value) -> String {
    let Value::String(text) = value else {
        let mut text = value.to_string();
        text.truncate(text.floor_char_boundary(2000));
        return text;
    };
    let inside = text.trim().strip_prefix("{%").and_then(|text| text.strip_suffix("%}"));
    inside.map_or(text.as_str(), str::trim).to_owned()
}

/// The names in a retrier's or catcher's ErrorEquals.
fn errors(rule: &Value) -> String {
    let names: Vec<String> =
        rule.get("ErrorEquals").and_then(Value::as_array).into_iter().flatten().take(20).map(literal).collect();
    if names.is_empty() { "?".to_owned() } else { clean(&names.join(", ")) }
}

/// A state's lines: its type with what it does, then more of that, then what it retries.
pub(super) fn details(state: &State<'_>) -> Vec<String> {
    let kind = state.kind.map_or_else(|| "unknown type".to_owned(), |kind| kind.name().to_owned());
    let text = |field: &str| state.field(field).map(literal);
    let mut more = Vec::new();
    let what = match state.kind {
        Some(StateType::Task) => text("Resource").map(|resource| resource_text(&resource, state)),
        Some(StateType::Wait) => text("Seconds")
            .or_else(|| text("SecondsPath"))
            .map(|seconds| format!("{seconds} s"))
            .or_else(|| text("Timestamp").or_else(|| text("TimestampPath")).map(|time| format!("until {time}"))),
        Some(StateType::Fail) => text("Error").or_else(|| text("ErrorPath")),
        Some(StateType::Map) => {
            more.extend(items(state));
            mode(state)
        }
        _ => None,
    };
    let mut lines = vec![clean(&what.map_or(kind.clone(), |what| format!("{kind} · {what}")))];
    lines.extend(more.iter().map(|line| clean(line)));
    lines.extend(state.field("Retry").and_then(Value::as_array).into_iter().flatten().take(8).map(retry));
    lines
}

/// `retry 6× on Lambda.ServiceException +3`. Specification, "Retrying after error": three attempts where MaxAttempts says
/// nothing.
fn retry(retrier: &Value) -> String {
    let names = retrier.get("ErrorEquals").and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let more = if names.len() > 1 { format!(" +{}", names.len() - 1) } else { String::new() };
    let on = clean(&names.first().map_or_else(|| "?".to_owned(), literal)) + &more;
    match retrier.get("MaxAttempts") {
        Some(attempts) if attempts == &Value::from(0) => format!("no retry on {on}"),
        Some(attempts) => format!("retry {}× on {on}", clean(&literal(attempts))),
        None => format!("retry 3× on {on}"),
    }
}

/// `sqs:sendMessage`, `lambda:invoke orders`, `activity pack`, or the Resource as it is.
fn resource_text(resource: &str, state: &State<'_>) -> String {
    let parts: Vec<&str> = resource.splitn(7, ':').collect();
    match parts[..] {
        ["arn", _, "states", _, _, "activity", name] => format!("activity {name}"),
        ["arn", _, "lambda", _, _, "function", name] => format!("lambda {name}"),
        ["arn", _, "states", "", "", service, action] => {
            let given = |name: &str| {
                let given = state.field("Parameters").or_else(|| state.field("Arguments"))?.as_object()?;
                named(given, name)
            };
            let whom = match (service, action.split('.').next().unwrap_or_default()) {
                ("lambda", "invoke") => given("FunctionName"),
                ("states", "startExecution") => given("StateMachineArn"),
                _ => None,
            };
            format!("{service}:{action}") + &whom.map_or_else(String::new, |whom| format!(" {whom}"))
        }
        _ => resource.to_owned(),
    }
}

/// A parameter's last part where it is an ARN, else the parameter.
fn named(given: &Map<String, Value>, name: &str) -> Option<String> {
    let text = literal(given.get(name).or_else(|| given.get(&format!("{name}.$")))?);
    let parts: Vec<&str> = text.splitn(7, ':').collect();
    Some(match parts[..] {
        ["arn", _, _, _, _, "function" | "stateMachine", name] => name.to_owned(),
        _ => text,
    })
}

fn mode(state: &State<'_>) -> Option<String> {
    let config = state.field("ItemProcessor")?.get("ProcessorConfig")?;
    let text = |name: &str| config.get(name).and_then(Value::as_str);
    match (text("Mode")?, text("ExecutionType")) {
        ("DISTRIBUTED", Some(kind)) => Some(format!("distributed, {kind}")),
        ("DISTRIBUTED", None) => Some("distributed".to_owned()),
        _ => None,
    }
}

/// Over what a Map state goes, and how many at a time.
fn items(state: &State<'_>) -> Option<String> {
    let text = |field: &str| state.field(field).map(literal);
    let reader = || {
        let reader = state.field("ItemReader")?;
        let resource = literal(reader.get("Resource")?);
        let action = resource.rsplit(":::").next().unwrap_or_default().to_owned();
        let given = reader.get("Parameters").or_else(|| reader.get("Arguments"))?.as_object()?;
        Some(match (named(given, "Bucket"), named(given, "Key").or_else(|| named(given, "Prefix"))) {
            (Some(bucket), Some(key)) => format!("{action} {bucket}/{key}"),
            _ => action,
        })
    };
    let items =
        reader().or_else(|| text("ItemsPath")).or_else(|| text("Items")).map(|items| format!("for each of {items}"));
    let most = state.field("MaxConcurrency").filter(|most| most.as_u64() != Some(0)).map(literal);
    let most = most.or_else(|| text("MaxConcurrencyPath")).map(|most| format!("{most} at a time"));
    let parts: Vec<String> = [items, most].into_iter().flatten().collect();
    (!parts.is_empty()).then(|| parts.join(", "))
}
