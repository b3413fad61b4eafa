//! API keys. A value is unique in the account and Region, and never changes.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::wire::{Path, Refusal, input};
use super::super::{Context, Region};
use super::apis::add_tags;
use super::checks::{bad, conflict, not_found};
use super::{Answer, Patch, Place, listed, seconds};

/// An API key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ApiKey {
    /// Ten letters and digits.
    pub id: String,
    /// What callers send.
    pub value: String,
    /// Not unique.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Whether it can be used.
    pub enabled: bool,
    /// Since the Unix epoch.
    #[serde(with = "seconds")]
    pub created_date: Duration,
    /// Since the Unix epoch.
    #[serde(with = "seconds")]
    pub last_updated_date: Duration,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    name: Option<String>,
    description: Option<String>,
    enabled: Option<bool>,
    value: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

/// rec
pub(super) fn no_key() -> Refusal {
    not_found("Invalid API Key identifier specified")
}

/// As it is shown where its value or its tags are not asked for.
fn shown(key: &ApiKey, with_value: bool, with_tags: bool) -> Value {
    let mut shown = json!(key);
    shown["stageKeys"] = json!([]);
    if let Some(map) = shown.as_object_mut() {
        if !with_value {
            map.shift_remove("value");
        }
        if !with_tags {
            map.shift_remove("tags");
        }
    }
    shown
}

/// rec
fn check(key: &ApiKey) -> Result<(), Refusal> {
    if key.name.as_ref().is_some_and(|name| name.chars().count() > 1024) {
        return Err(bad("Invalid API Key name, can be at most 1024 characters."));
    }
    if key.description.as_ref().is_some_and(|text| text.chars().count() > 125_000) {
        return Err(bad("Invalid API Key description specified."));
    }
    match key.value.len() {
        ..20 => Err(bad("API Key value should be at least 20 characters")),
        20..=128 => Ok(()),
        _ => Err(bad("API Key value exceeds maximum size of 128 characters")),
    }
}

/// It has no client token, but values are unique. What is empty was not said (rec).
pub(super) fn create(context: &mut Context<'_>, region: &mut Region, body: Value) -> Answer {
    let given: Create = input(body)?;
    let value = given.value.filter(|value| !value.is_empty()).unwrap_or_else(|| context.id(40));
    // field: rrahul963/serverless-add-api-key#27.
    if region.api_keys.values().any(|key| key.value == value) {
        return Err(conflict("API Key already exists"));
    }
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, given.tags.unwrap_or_default())?;
    let key = ApiKey {
        id: context.id(10),
        value,
        name: given.name.filter(|name| !name.is_empty()),
        description: given.description.filter(|text| !text.is_empty()),
        enabled: given.enabled.unwrap_or_default(),
        created_date: context.now,
        last_updated_date: context.now,
        tags,
    };
    check(&key)?;
    let answer = shown(&key, true, !key.tags.is_empty());
    region.api_keys.insert(key.id.clone(), key);
    Ok((201, answer))
}

/// rec: a query finds the names that begin with it, and minds case. Whether the list shows tags where there are some is not
/// known ([?]): here it never does.
pub(super) fn list(region: &Region, path: &Path) -> Answer {
    let query = path.get("name").unwrap_or_default();
    let with_values = path.get("includeValues") == Some("true");
    let keys = region.api_keys.iter();
    let named = keys.filter(|(_, key)| key.name.as_deref().unwrap_or_default().starts_with(query));
    listed(path, named.map(|(id, key)| (id.clone(), shown(key, with_values, false))).collect())
}

pub(super) fn get(region: &Region, at: Place<'_>, path: &Path) -> Answer {
    let key = region.api_keys.get(at.name).ok_or_else(no_key)?;
    let mut shown = shown(key, path.get("includeValue") == Some("true"), true);
    shown["tags"] = json!(key.tags);
    Ok((200, shown))
}

pub(super) fn update(context: &Context<'_>, region: &mut Region, at: Place<'_>, patches: &[Patch]) -> Answer {
    let found = region.api_keys.get_mut(at.name).ok_or_else(no_key)?;
    let mut key = found.clone();
    for patch in patches {
        match (patch.op.as_str(), patch.path.as_str()) {
            ("replace", "/name") => key.name = patch.value.clone().filter(|name| !name.is_empty()),
            ("replace", "/description") => key.description = patch.value.clone().filter(|text| !text.is_empty()),
            ("replace", "/enabled") => key.enabled = patch.flag(),
            ("replace", "/customerId") => return Err(Refusal::unknown("the customerId of an API key")),
            _ => return Err(patch.unsupported("/description, /enabled, /name, /customerId")),
        }
    }
    check(&key)?;
    key.last_updated_date = context.now;
    *found = key;
    let mut shown = shown(found, false, true);
    // rec: here and in GetApiKey, also where there are none.
    shown["tags"] = json!(found.tags);
    Ok((200, shown))
}

/// It is gone from every plan too (rec: GetUsagePlanKeys shows it no more).
pub(super) fn delete(region: &mut Region, at: Place<'_>) -> Answer {
    region.api_keys.remove(at.name).ok_or_else(no_key)?;
    for plan in region.usage_plans.values_mut() {
        plan.keys.retain(|key| key != at.name);
    }
    Ok((202, Value::Null))
}
