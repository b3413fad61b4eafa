//! Resource policies: `execute-api:/…` becomes the API's full ARN, and what is returned has its quotes escaped (AWS.md §3).

use serde::Serializer;
use serde_json::Value;

use super::super::Context;
use super::super::wire::Refusal;
use super::checks::bad;

/// As it is kept; an empty one is none.
pub(super) fn kept(context: &Context<'_>, api: &str, text: &str) -> Result<Option<String>, Refusal> {
    if text.is_empty() {
        return Ok(None);
    }
    let invalid =
        || bad("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.");
    let mut policy: Value = serde_json::from_str(text).map_err(|_| invalid())?;
    let statements = policy.get_mut("Statement").ok_or_else(invalid)?;
    let own = format!("arn:{}:execute-api:{}:{}:{api}/", context.partition(), context.region, context.account);
    let one = |resource: &mut Value| {
        if let Some(short) = resource.as_str().and_then(|text| text.strip_prefix("execute-api:/")) {
            *resource = format!("{own}{short}").into();
        }
    };
    let all: Vec<&mut Value> = match statements {
        Value::Array(list) => list.iter_mut().collect(),
        statement => vec![statement],
    };
    for statement in all {
        let resource = statement.get_mut("Resource").ok_or_else(invalid)?;
        match resource {
            // rec: no list of one.
            Value::Array(list) if list.len() == 1 => {
                one(&mut list[0]);
                *resource = list[0].take();
            }
            Value::Array(list) => list.iter_mut().for_each(one),
            resource => one(resource),
        }
    }
    Ok(Some(policy.to_string()))
}

pub(super) fn escaped<S: Serializer>(policy: &Option<String>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = policy.as_deref().unwrap_or_default();
    serializer.serialize_str(&text.replace('\\', "\\\\").replace('"', "\\\""))
}
