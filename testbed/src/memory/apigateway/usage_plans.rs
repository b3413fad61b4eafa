//! Usage plans, and the keys in them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::wire::{Path, Refusal, input};
use super::super::{Context, Region};
use super::api_keys::no_key;
use super::apis::add_tags;
use super::checks::{bad, conflict, not_found};
use super::{Answer, Patch, Place, listed};

/// How fast a key may call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Throttle {
    /// At once.
    #[serde(default)]
    pub burst_limit: i64,
    /// A second.
    #[serde(default)]
    pub rate_limit: f64,
}

/// How often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Quota {
    /// In each period.
    #[serde(default)]
    pub limit: i64,
    /// Fewer in the first.
    #[serde(default)]
    pub offset: i64,
    /// `DAY`, `WEEK` or `MONTH`.
    #[serde(default)]
    pub period: String,
}

/// A stage of an API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ApiStage {
    /// The API's id.
    #[serde(default)]
    pub api_id: String,
    /// The stage's name.
    #[serde(default)]
    pub stage: String,
    /// How fast a key may call single methods, by `/path/VERB`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub throttle: BTreeMap<String, Throttle>,
}

/// A usage plan.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct UsagePlan {
    /// Six letters and digits.
    pub id: String,
    /// Not unique.
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Its stages.
    pub api_stages: Vec<ApiStage>,
    /// How fast a key may call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub throttle: Option<Throttle>,
    /// How often.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub quota: Option<Quota>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// The ids of its keys.
    #[serde(default)]
    pub keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    name: Option<String>,
    description: Option<String>,
    #[serde(default)]
    api_stages: Vec<ApiStage>,
    throttle: Option<Throttle>,
    quota: Option<Quota>,
    tags: Option<BTreeMap<String, String>>,
}

fn shown(plan: &UsagePlan, with_tags: bool) -> Value {
    let mut shown = json!(plan);
    if let Some(map) = shown.as_object_mut() {
        map.shift_remove("keys");
        if !with_tags {
            map.shift_remove("tags");
        }
    }
    shown
}

/// rec
fn no_plan() -> Refusal {
    not_found("Invalid Usage Plan ID specified")
}

/// rec
fn no_stage(api: &str, stage: &str, plan: &str) -> Refusal {
    not_found(format!("Invalid API Stage {{api: {api}, stage: {stage}}} specified for usageplan {plan}"))
}

fn exists(region: &Region, api: &str, stage: &str) -> bool {
    region.apis.get(api).is_some_and(|api| api.stages.contains_key(stage))
}

/// doc: the ranges of `offset`, in the words that Terraform's provider uses of them.
fn checked(quota: Quota) -> Result<Quota, Refusal> {
    let most = match quota.period.as_str() {
        "DAY" => 0,
        "WEEK" => 6,
        "MONTH" => 27,
        other => return Err(bad(format!("Invalid Quota Period '{other}' specified"))),
    };
    match (0..=most).contains(&quota.offset) && quota.limit > 0 {
        true => Ok(quota),
        false => {
            Err(bad(format!("Usage Plan quota offset must be between 0 and {most} in the {} period", quota.period)))
        }
    }
}

/// It has no client token: a repeat makes a second plan.
pub(super) fn create(context: &mut Context<'_>, region: &mut Region, body: Value) -> Answer {
    let given: Create = input(body)?;
    let Some(name) = given.name.filter(|name| !name.is_empty()) else {
        return Err(bad("Usage Plan name must be specified"));
    };
    let id = context.id(6);
    if let Some(ApiStage { api_id, stage, .. }) =
        given.api_stages.iter().find(|one| !exists(region, &one.api_id, &one.stage))
    {
        return Err(no_stage(api_id, stage, &id));
    }
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, given.tags.unwrap_or_default())?;
    let plan = UsagePlan {
        id: id.clone(),
        name,
        description: given.description.filter(|text| !text.is_empty()),
        api_stages: given.api_stages,
        throttle: given.throttle,
        quota: given.quota.map(checked).transpose()?,
        tags,
        keys: Vec::new(),
    };
    let answer = shown(&plan, !plan.tags.is_empty());
    region.usage_plans.insert(id, plan);
    Ok((201, answer))
}

/// rec: no tags are shown where there are none; whether they are where there are some is not known ([?]): here never.
pub(super) fn list(region: &Region, path: &Path) -> Answer {
    listed(path, region.usage_plans.iter().map(|(id, plan)| (id.clone(), shown(plan, false))).collect())
}

pub(super) fn get(region: &Region, at: Place<'_>) -> Answer {
    region.usage_plans.get(at.name).map(|plan| (200, with_tags(plan))).ok_or_else(no_plan)
}

/// rec: here and in the answer of an update, also where there are none.
fn with_tags(plan: &UsagePlan) -> Value {
    let mut shown = shown(plan, true);
    shown["tags"] = json!(plan.tags);
    shown
}

/// field: boto/boto3#2629.
const REMOVED: &str = "/apiStages, /quota, /throttle, /productCode, /apiStages/<apidId:stageName>/throttle/<resourcePath>/<httpMethod>, /apiStages/<apidId:stageName>/throttle";

pub(super) fn update(region: &mut Region, at: Place<'_>, patches: &[Patch]) -> Answer {
    let mut plan = region.usage_plans.get(at.name).cloned().ok_or_else(no_plan)?;
    for patch in patches {
        update_one(region, &mut plan, patch)?;
    }
    plan.quota = plan.quota.map(checked).transpose()?;
    let answer = with_tags(&plan);
    region.usage_plans.insert(plan.id.clone(), plan);
    Ok((200, answer))
}

fn number<T: std::str::FromStr>(patch: &Patch) -> Result<T, Refusal> {
    patch.value().parse().map_err(|_| bad(format!("Invalid value '{}' specified for {}", patch.value(), patch.path)))
}

fn limit(patch: &Patch, throttle: &mut Throttle, name: &str) -> Result<(), Refusal> {
    match name {
        "rateLimit" => throttle.rate_limit = number(patch)?,
        "burstLimit" => throttle.burst_limit = number(patch)?,
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}

fn update_one(region: &Region, plan: &mut UsagePlan, patch: &Patch) -> Result<(), Refusal> {
    let segments = patch.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let sets = ["add", "replace"].contains(&patch.op.as_str());
    match segments[..] {
        ["name"] => plan.name = patch.replaces()?.value(),
        ["description"] => plan.description = Some(patch.replaces()?.value()).filter(|text| !text.is_empty()),
        ["throttle"] if patch.op == "remove" => plan.throttle = None,
        ["quota"] if patch.op == "remove" => plan.quota = None,
        ["throttle", name] if sets => limit(patch, plan.throttle.get_or_insert_default(), name)?,
        ["quota", "limit"] if sets => plan.quota.get_or_insert_default().limit = number(patch)?,
        ["quota", "offset"] if sets => plan.quota.get_or_insert_default().offset = number(patch)?,
        ["quota", "period"] if sets => plan.quota.get_or_insert_default().period = patch.value(),
        ["apiStages"] if patch.op == "add" || patch.op == "remove" => {
            let value = patch.value();
            let (api, stage) = value.split_once(':').ok_or_else(|| bad("Invalid API Stage specified"))?;
            let has = plan.api_stages.iter().any(|one| one.api_id == api && one.stage == stage);
            // rec, of both operations.
            if !exists(region, api, stage) || (patch.op == "remove" && !has) {
                return Err(no_stage(api, stage, &plan.id));
            }
            match patch.op.as_str() {
                "remove" => plan.api_stages.retain(|one| one.api_id != api || one.stage != stage),
                _ if has => {}
                _ => plan.api_stages.push(ApiStage {
                    api_id: api.to_owned(),
                    stage: stage.to_owned(),
                    throttle: BTreeMap::new(),
                }),
            }
        }
        ["apiStages", at, "throttle", ref rest @ ..] => {
            let (api, stage) = at.split_once(':').ok_or_else(|| bad("Invalid API Stage specified"))?;
            let found = plan.api_stages.iter_mut().find(|one| one.api_id == api && one.stage == stage);
            let throttle = &mut found.ok_or_else(|| no_stage(api, stage, &plan.id))?.throttle;
            let key = |path: &str, verb: &str| match path.starts_with('/') && path.len() > 1 {
                true => format!("{path}/{verb}"),
                false => format!("/{}/{verb}", if path == "/" { "" } else { path }),
            };
            match *rest {
                [] if patch.op == "remove" => throttle.clear(),
                [path, verb] if patch.op == "remove" => drop(throttle.remove(&key(path, verb))),
                [path, verb, name] if sets => limit(patch, throttle.entry(key(path, verb)).or_default(), name)?,
                _ => return Err(patch.invalid_path()),
            }
        }
        _ => {
            return Err(bad(format!(
                "Invalid patch path  '{}' specified for op '{}'. \nMust be one of: [{REMOVED}]",
                patch.path, patch.op
            )));
        }
    }
    Ok(())
}

pub(super) fn delete(region: &mut Region, at: Place<'_>) -> Answer {
    let plan = region.usage_plans.get(at.name).ok_or_else(no_plan)?;
    // field: aws/aws-sdk-js#3841.
    if let Some(ApiStage { api_id, stage, .. }) = plan.api_stages.first() {
        return Err(bad(format!(
            "Cannot delete Usage Plan {} because there are API Stages associated with it, including {api_id}:{stage}",
            plan.id
        )));
    }
    region.usage_plans.remove(at.name);
    Ok((202, Value::Null))
}

/// What is left of plans when a stage or an API is gone (field: hashicorp/terraform-provider-aws#14100).
pub(super) fn forget(region: &mut Region) {
    let Region { apis, usage_plans, .. } = region;
    for plan in usage_plans.values_mut() {
        plan.api_stages.retain(|one| apis.get(&one.api_id).is_some_and(|api| api.stages.contains_key(&one.stage)));
    }
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Attach {
    key_id: String,
    key_type: String,
}

/// rec: it shows the value, whoever asks.
fn of_key(region: &Region, id: &str) -> Result<Value, Refusal> {
    let key = region.api_keys.get(id).ok_or_else(no_key)?;
    Ok(json!({"id": key.id, "name": key.name, "type": "API_KEY", "value": key.value}))
}

pub(super) fn attach(region: &mut Region, at: Place<'_>, body: Value) -> Answer {
    let Attach { key_id, key_type } = input(body)?;
    if key_type != "API_KEY" {
        return Err(bad("Invalid Usage Plan Key type specified"));
    }
    let answer = of_key(region, &key_id)?;
    let plan = region.usage_plans.get(at.name).ok_or_else(no_plan)?;
    // doc: a key is in one plan for each stage. The words are believed.
    let shares = |other: &&UsagePlan| {
        let same =
            |one: &ApiStage| plan.api_stages.iter().any(|two| one.api_id == two.api_id && one.stage == two.stage);
        other.keys.contains(&key_id) && (other.id == plan.id || other.api_stages.iter().any(same))
    };
    if let Some(other) = region.usage_plans.values().find(shares) {
        return Err(conflict(format!("API Key {key_id} is already subscribed to usage plan {}", other.id)));
    }
    if let Some(plan) = region.usage_plans.get_mut(at.name) {
        plan.keys.push(key_id);
    }
    Ok((201, answer))
}

/// rec: a plan that is not there has no keys; a query finds the names that begin with it, and minds case.
pub(super) fn keys(region: &Region, at: Place<'_>, path: &Path) -> Answer {
    let ids = region.usage_plans.get(at.name).map(|plan| plan.keys.clone()).unwrap_or_default();
    let query = path.get("name").unwrap_or_default();
    let keys = ids.into_iter().filter_map(|id| Some((id.clone(), of_key(region, &id).ok()?)));
    let keys = keys.filter(|(_, key)| key["name"].as_str().unwrap_or_default().starts_with(query));
    let mut keys: Vec<(String, Value)> = keys.collect();
    keys.sort_by(|one, other| one.0.cmp(&other.0));
    listed(path, keys)
}

pub(super) fn detach(region: &mut Region, at: Place<'_>, key: &str) -> Answer {
    let plan = region.usage_plans.get_mut(at.name).ok_or_else(no_plan)?;
    let before = plan.keys.len();
    plan.keys.retain(|one| one != key);
    match plan.keys.len() == before {
        true => Err(not_found("Invalid Usage Plan Key identifier specified")),
        false => Ok((202, Value::Null)),
    }
}
