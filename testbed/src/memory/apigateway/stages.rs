//! Stages: names under which deployments are served.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Path, Refusal, input};
use super::account::check_may_log;
use super::checks::{bad, conflict, limit, not_found};
use super::{Answer, Api, Apis, Canary, Patch, Place, Stage, apis as api_objects, find};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    stage_name: Option<String>,
    deployment_id: Option<String>,
    description: Option<String>,
    variables: Option<BTreeMap<String, String>>,
    documentation_version: Option<String>,
    cache_cluster_enabled: Option<bool>,
    cache_cluster_size: Option<String>,
    tracing_enabled: Option<bool>,
    canary_settings: Option<CanaryInput>,
    tags: Option<BTreeMap<String, String>>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CanaryInput {
    deployment_id: Option<String>,
    percent_traffic: Option<f64>,
    stage_variable_overrides: Option<BTreeMap<String, String>>,
    use_stage_cache: Option<bool>,
}

fn no_stage() -> Refusal {
    not_found("Invalid stage identifier specified")
}

/// rec of a canary's deployment, field of a stage's (aws/chalice#1839)
pub(super) fn no_deployment() -> Refusal {
    bad("Deployment id does not exist")
}

/// AWS.md §1 and §3; field: the words of the name.
pub(super) fn check_variables(variables: &BTreeMap<String, String>) -> Result<(), Refusal> {
    for (name, value) in variables {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || name.len() > 64 || !name.chars().all(word) {
            return Err(bad(format!(
                "Invalid stage variable name: {name}.  Please use names with only word characters."
            )));
        }
        let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
        if value.is_empty() || value.len() > 512 || !value.chars().all(fits) {
            return Err(bad(format!(
                "Invalid stage variable value: {value}.  Please use values with alphanumeric characters and the symbols ' ', -', '.', '_', ':', '/', '?', '&', '=', and ','."
            )));
        }
    }
    match variables.len() > 100 {
        true => Err(limit("Maximum number of stage variables exceeded")),
        false => Ok(()),
    }
}

fn check_canary(api: &Api, canary: &Canary) -> Result<(), Refusal> {
    check_variables(&canary.stage_variable_overrides)?;
    if !api.deployments.contains_key(&canary.deployment_id) {
        return Err(no_deployment());
    }
    // [?]: the words.
    match (0.0..=100.0).contains(&canary.percent_traffic) {
        true => Ok(()),
        false => Err(bad("Percentage of traffic must be between 0.0 and 100.0")),
    }
}

/// A patch of the canary. `replace` makes one with AWS's defaults (rec); a variable is removed as the Developer Guide does,
/// "Update a canary release".
fn update_canary(api: &Api, stage: &mut Stage, patch: &Patch, path: &[&str]) -> Result<(), Refusal> {
    let invalid = || super::settings::invalid(&patch.path);
    let mut canary = stage.canary_settings.clone().unwrap_or_else(|| Canary {
        deployment_id: stage.deployment_id.clone(),
        percent_traffic: 0.0,
        stage_variable_overrides: BTreeMap::new(),
        use_stage_cache: false,
    });
    match (patch.op.as_str(), path) {
        ("replace", ["deploymentId"]) => canary.deployment_id = patch.value(),
        ("replace", ["percentTraffic"]) => canary.percent_traffic = patch.value().parse().map_err(|_| invalid())?,
        ("replace", ["useStageCache"]) => canary.use_stage_cache = patch.flag(),
        ("replace", ["stageVariableOverrides", name]) => {
            canary.stage_variable_overrides.insert((*name).to_owned(), patch.value());
        }
        ("remove", ["stageVariableOverrides", name]) if canary.stage_variable_overrides.contains_key(*name) => {
            canary.stage_variable_overrides.remove(*name);
        }
        _ => return Err(invalid()),
    }
    check_canary(api, &canary)?;
    stage.canary_settings = Some(canary);
    Ok(())
}

/// Takes over from the canary, which stays (rec).
fn promote(stage: &mut Stage, patch: &Patch) -> Result<(), Refusal> {
    let from = patch.from.clone().unwrap_or_default();
    let (path, from) = (patch.path.as_str(), from.as_str());
    let (deployment, overrides) = ("/canarySettings/deploymentId", "/canarySettings/stageVariableOverrides");
    if ![("/deploymentId", deployment), ("/variables", overrides)].contains(&(path, from)) {
        return Err(bad(format!(
            "Invalid copy operation with path: {path} and from {from}. Valid copy:path are [/deploymentId, /variables] and valid copy:from are [{deployment}, {overrides}]"
        )));
    }
    let canary = stage.canary_settings.clone().ok_or_else(|| bad("Promotion not available. Canary does not exist."))?;
    match path {
        "/deploymentId" => stage.deployment_id = canary.deployment_id,
        _ => stage.variables.extend(canary.stage_variable_overrides),
    }
    Ok(())
}

/// A stage with AWS's defaults (rec).
pub(super) fn new(
    context: &Context<'_>,
    api: &Api,
    name: &str,
    deployment: &str,
    variables: BTreeMap<String, String>,
) -> Result<Stage, Refusal> {
    if name.is_empty() || name.len() > 128 || !name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c)) {
        return Err(bad("Stage name only allows a-zA-Z0-9_"));
    }
    check_variables(&variables)?;
    if !api.deployments.contains_key(deployment) {
        return Err(no_deployment());
    }
    if api.stages.contains_key(name) {
        return Err(conflict("Stage already exists"));
    }
    // AWS.md §1
    if api.stages.len() >= 10 {
        return Err(limit("Maximum number of stages exceeded"));
    }
    Ok(Stage {
        stage_name: name.to_owned(),
        deployment_id: deployment.to_owned(),
        description: None,
        created_date: context.now,
        last_updated_date: context.now,
        cache_cluster_enabled: false,
        cache_cluster_size: None,
        cache_cluster_status: "NOT_AVAILABLE".to_owned(),
        client_certificate_id: None,
        documentation_version: None,
        tracing_enabled: false,
        canary_settings: None,
        variables,
        method_settings: BTreeMap::new(),
        access_log_settings: BTreeMap::new(),
        tags: BTreeMap::new(),
    })
}

pub(super) fn create(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let given: Create = input(body)?;
    let api = find(context, apis, at.api)?;
    let (name, deployment) = (given.stage_name.unwrap_or_default(), given.deployment_id.unwrap_or_default());
    let mut stage = new(context, api, &name, &deployment, given.variables.unwrap_or_default())?;
    stage.description = given.description;
    stage.documentation_version = given.documentation_version;
    stage.tracing_enabled = given.tracing_enabled.unwrap_or_default();
    stage.cache_cluster_enabled = given.cache_cluster_enabled.unwrap_or_default();
    stage.cache_cluster_size = given.cache_cluster_size;
    if let Some(given) = given.canary_settings {
        let canary = Canary {
            deployment_id: given.deployment_id.unwrap_or(deployment),
            percent_traffic: given.percent_traffic.unwrap_or_default(),
            stage_variable_overrides: given.stage_variable_overrides.unwrap_or_default(),
            use_stage_cache: given.use_stage_cache.unwrap_or_default(),
        };
        check_canary(api, &canary)?;
        stage.canary_settings = Some(canary);
    }
    api_objects::add_tags(&mut stage.tags, given.tags.unwrap_or_default())?;
    let shown = json!(stage);
    api.stages.insert(name, stage);
    Ok((201, shown))
}

/// Not paged; by deployment if asked (rec).
pub(super) fn list(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let stages = find(context, apis, at.api)?.stages.values();
    let wanted = path.get("deploymentId");
    let found: Vec<&Stage> = stages.filter(|stage| wanted.is_none_or(|id| stage.deployment_id == id)).collect();
    Ok((200, json!({"item": found})))
}

pub(super) fn get(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    Ok((200, json!(find(context, apis, at.api)?.stages.get(at.name).ok_or_else(no_stage)?)))
}

pub(super) fn delete(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let gone = find(context, apis, at.api)?.stages.remove(at.name);
    gone.map(|_| (202, Value::Null)).ok_or_else(no_stage)
}

pub(super) fn update(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let api = find(context, apis, at.api)?;
    let mut stage = api.stages.get(at.name).ok_or_else(no_stage)?.clone();
    for patch in patches {
        update_one(context, api, &mut stage, patch)?;
    }
    stage.last_updated_date = context.now;
    let shown = json!(stage);
    api.stages.insert(at.name.to_owned(), stage);
    Ok((200, shown))
}

/// rec, unless said. What can't be removed is answered as a method setting that is not there.
fn update_one(context: &Context<'_>, api: &Api, stage: &mut Stage, patch: &Patch) -> Result<(), Refusal> {
    let segments = patch.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let not_there = || {
        let path = patch.path.trim_start_matches('/');
        bad(format!("Cannot remove method setting {path} because there is no method setting for this method "))
    };
    match (patch.op.as_str(), &segments[..]) {
        ("replace", ["deploymentId"]) => {
            let id = patch.value();
            if !api.deployments.contains_key(&id) {
                return Err(no_deployment());
            }
            stage.deployment_id = id;
        }
        ("copy", _) => promote(stage, patch)?,
        ("remove", ["canarySettings"]) => stage.canary_settings = None,
        ("replace", ["canarySettings", path @ ..]) if !path.is_empty() => update_canary(api, stage, patch, path)?,
        ("remove", ["canarySettings", "stageVariableOverrides", _]) if stage.canary_settings.is_some() => {
            update_canary(api, stage, patch, &segments[1..])?;
        }
        ("replace", ["description"]) => stage.description = patch.value.clone().filter(|text| !text.is_empty()),
        ("replace", ["tracingEnabled"]) => stage.tracing_enabled = patch.flag(),
        ("replace", ["cacheClusterEnabled"]) => stage.cache_cluster_enabled = patch.flag(),
        ("replace", ["cacheClusterSize"]) => stage.cache_cluster_size = Some(patch.value()),
        // An empty one takes it away (field: Terraform).
        ("replace", ["clientCertificateId"]) => {
            stage.client_certificate_id = patch.value.clone().filter(|id| !id.is_empty())
        }
        ("replace", ["documentationVersion"]) => stage.documentation_version = Some(patch.value()),
        ("replace", ["variables", name]) => {
            let mut variables = stage.variables.clone();
            variables.insert((*name).to_owned(), patch.value());
            check_variables(&variables)?;
            stage.variables = variables;
        }
        // [?]: of one that is not there.
        ("remove", ["variables", name]) => drop(stage.variables.remove(*name).ok_or_else(not_there)?),
        ("add" | "replace", ["accessLogSettings", field @ ("destinationArn" | "format")]) => {
            if patch.value().is_empty() {
                return Err(bad("Access Log value must not be empty"));
            }
            check_may_log(context)?;
            stage.access_log_settings.insert((*field).to_owned(), patch.value());
        }
        ("add" | "replace", ["accessLogSettings", ..]) => {
            return Err(bad(
                "Invalid accessLogSettings path. Must be one of : [/accessLogSettings/destinationArn, /accessLogSettings/format]",
            ));
        }
        ("remove", ["accessLogSettings"]) => stage.access_log_settings.clear(),
        ("remove", [resource, verb]) => {
            let key = format!("{}/{verb}", resource.trim_start_matches('/'));
            stage.method_settings.remove(&key).ok_or_else(not_there)?;
        }
        ("replace", [resource, verb, group, setting]) => {
            if *setting == "loglevel" && patch.value() != "OFF" {
                check_may_log(context)?;
            }
            let key = format!("{}/{verb}", resource.trim_start_matches('/'));
            let of_all = stage.method_settings.get("*/*").cloned().unwrap_or_default();
            let settings = stage.method_settings.entry(key).or_insert(of_all);
            settings.set(group, setting, &patch.value()).ok_or_else(|| super::settings::invalid(&patch.path))?;
        }
        // rec of a canary's path, which takes only `replace` as variables do (doc); so does Terraform.
        ("add", _) => return Err(bad(format!("Invalid add operation with path: {}", patch.path))),
        ("remove", _) => return Err(not_there()),
        _ => return Err(super::settings::invalid(&patch.path)),
    }
    Ok(())
}
