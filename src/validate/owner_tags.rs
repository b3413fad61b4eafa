//! A task that sets or removes tags of ours: its managed role is denied that (`policy::roles::deny_owner_tags`), and whoever writes a
//! key of ours as a literal hears of it before anything runs.

use serde_json::Value;

use super::several;
use crate::api::conditions::reasons;
use crate::asl::{StateRef, walk};
use crate::identity::TAG_PREFIX;
use crate::problem::Problem;

/// # Errors
/// A task names a tag of ours.
pub(super) fn are_left_alone(definition: &Value) -> Result<(), Problem> {
    let tasks = walk(definition).filter(|state| state.kind() == Some("Task"));
    let named: Vec<String> = tasks.filter_map(|state| Some(refusal(&state, tag_of_ours(&state)?))).collect();
    if named.is_empty() { Ok(()) } else { Err(Problem::stalled(reasons::OVER_CEILING, several(&named))) }
}

fn refusal(state: &StateRef<'_>, tag: &str) -> String {
    format!(
        "spec.definition: state `{}` ({}) names the tag `{tag}`; tags that begin with {TAG_PREFIX} say whose an AWS object is, and only the operator may write them: use another key",
        state.name, state.pointer
    )
}

/// What tasks hand on without AWS reading tags in it.
const HANDED_ON: [&str; 7] = ["Payload", "Message", "MessageBody", "Input", "Detail", "RequestBody", "Item"];

/// The first text below a member about tags that begins as our tags do.
fn tag_of_ours<'a>(state: &StateRef<'a>) -> Option<&'a str> {
    ["Parameters", "Arguments"].iter().find_map(|field| search(state.field(field)?, false))
}

fn search(value: &Value, in_tags: bool) -> Option<&str> {
    let ours = |text: &str| in_tags && text.trim_start_matches(['{', '%', ' ', '\'', '"']).starts_with(TAG_PREFIX);
    match value {
        Value::String(text) => Some(text.as_str()).filter(|text| ours(text)),
        Value::Array(items) => items.iter().find_map(|item| search(item, in_tags)),
        Value::Object(members) => members.iter().find_map(|(key, value)| {
            if HANDED_ON.contains(&key.trim_end_matches(".$")) {
                return None;
            }
            let below = in_tags || key.to_ascii_lowercase().contains("tag");
            if ours(key) { Some(key.as_str()) } else { search(value, below) }
        }),
        _ => None,
    }
}
