//! What AWS is not done with at once (AWS.md §2): a change of an API, which no other may meet, and what was made, which other calls do not
//! find yet. Which words are said of what is not found yet is only believed to be what is said of what is not there.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::Value;

use super::super::Context;
use super::super::wire::Refusal;
use super::checks::{CONCURRENT, conflict};
use super::{Patch, Place, methods, models, no_resource, stages};

/// What AWS is not done with in an API.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Recent {
    /// Until when a change of it is under way.
    changes_until: Duration,
    /// Until when what was made is not found, by id; a model by name.
    unseen_until: BTreeMap<String, Duration>,
}

/// Refuses a change that meets another one, or that names what is not seen yet.
pub(super) fn check(
    context: &Context<'_>,
    recent: &BTreeMap<String, Recent>,
    (operation, at): (&str, Place<'_>),
    body: &Value,
    patches: &[Patch],
) -> Result<(), Refusal> {
    let Some(Recent { changes_until, unseen_until }) = recent.get(at.api) else { return Ok(()) };
    if context.now < *changes_until {
        return Err(conflict(CONCURRENT));
    }
    for (unseen, _) in unseen_until.iter().filter(|(_, until)| context.now < **until) {
        let is_below = operation == "CreateResource" || !at.verb.is_empty();
        if is_below && at.resource == unseen {
            return Err(no_resource());
        }
        named(body, patches).iter().try_for_each(|(field, value)| check_field(at.api, field, value, unseen))?;
    }
    Ok(())
}

/// The texts that a call gives, each with the path of its field.
fn named<'a>(body: &'a Value, patches: &'a [Patch]) -> Vec<(Vec<String>, &'a str)> {
    let fields = body.as_object().into_iter().flatten().flat_map(|(field, value)| match value {
        Value::Object(inner) => inner.iter().map(|(key, value)| (vec![field.clone(), key.clone()], value)).collect(),
        _ => vec![(vec![field.clone()], value)],
    });
    let fields = fields.filter_map(|(path, value)| Some((path, value.as_str()?)));
    fields.chain(patches.iter().filter_map(|patch| Some((patch.segments(), patch.value.as_deref()?)))).collect()
}

fn check_field(api: &str, field: &[String], value: &str, unseen: &str) -> Result<(), Refusal> {
    let field: Vec<&str> = field.iter().map(String::as_str).collect();
    match field[..] {
        ["schema"] if models::refers(api, value, unseen) => Err(models::no_reference(unseen)),
        _ if value != unseen => Ok(()),
        ["requestValidatorId"] => Err(methods::no_validator()),
        ["authorizerId"] => Err(methods::no_authorizer()),
        ["requestModels" | "responseModels", _] => Err(methods::no_model(unseen)),
        ["deploymentId"] | ["canarySettings", "deploymentId"] => Err(stages::no_deployment()),
        _ => Ok(()),
    }
}

/// Remembers a change that was taken, and what it made.
pub(super) fn note(
    context: &Context<'_>,
    recent: &mut BTreeMap<String, Recent>,
    (operation, at): (&str, Place<'_>),
    answer: &Value,
) {
    let made = match operation {
        "CreateModel" => answer["name"].as_str(),
        "CreateResource" | "CreateRequestValidator" | "CreateAuthorizer" | "CreateDeployment" => answer["id"].as_str(),
        _ => None,
    };
    let Recent { changes_until, unseen_until } = recent.entry(at.api.to_owned()).or_default();
    *changes_until = context.now + context.settings.api_change;
    unseen_until.retain(|_, until| context.now < *until);
    unseen_until.extend(made.map(|made| (made.to_owned(), context.now + context.settings.reference_staleness)));
}
