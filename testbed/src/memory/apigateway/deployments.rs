//! Deployments: snapshots of an API's methods and authorizers.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Path, Refusal, input};
use super::checks::{bad, not_found};
use super::{Answer, Api, Apis, Deployment, Patch, Place, find, listed, stages};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    stage_name: Option<String>,
    stage_description: Option<String>,
    description: Option<String>,
    variables: Option<BTreeMap<String, String>>,
    tracing_enabled: Option<bool>,
}

fn no_deployment() -> Refusal {
    not_found("Invalid Deployment identifier specified")
}

/// AWS.md §2: refused for an API without methods, and for a method without integration (field).
pub(super) fn create(context: &mut Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let given: Create = input(body)?;
    let api = find(context, apis, at.api)?;
    let snapshot: BTreeMap<_, _> = api
        .resources
        .values()
        .filter(|resource| !resource.methods.is_empty())
        .map(|resource| (api.path(resource), resource.methods.clone()))
        .collect();
    if snapshot.is_empty() {
        return Err(bad("The REST API doesn't contain any methods"));
    }
    if snapshot.values().flat_map(BTreeMap::values).any(|method| method.integration.is_none()) {
        return Err(bad("No integration defined for method"));
    }
    let methods = snapshot.values().flat_map(BTreeMap::values);
    let named: Vec<&String> = methods.filter_map(|method| method.authorizer_id.as_ref()).collect();
    let mut authorizers = api.authorizers.clone();
    authorizers.retain(|id, _| named.contains(&id));
    let id = context.id(6);
    let deployment = Deployment {
        id: id.clone(),
        description: given.description,
        created_date: context.now,
        snapshot,
        authorizers,
        gateway_responses: api.gateway_responses.clone(),
        validators: api.validators.clone(),
    };
    let shown = json!(deployment);
    let mut changed = api.clone();
    changed.deployments.insert(id.clone(), deployment);
    if let Some(name) = given.stage_name.filter(|name| !name.is_empty()) {
        let variables = given.variables.unwrap_or_default();
        match changed.stages.get_mut(&name) {
            Some(stage) => {
                stages::check_variables(&variables)?;
                stage.deployment_id = id;
                stage.last_updated_date = context.now;
                stage.variables.extend(variables);
            }
            None => {
                let mut stage = stages::new(context, &changed, &name, &id, variables)?;
                stage.description = given.stage_description;
                stage.tracing_enabled = given.tracing_enabled.unwrap_or_default();
                changed.stages.insert(name, stage);
            }
        }
    }
    *api = changed;
    Ok((201, shown))
}

/// `embed=apisummary` tells authorization by path and verb (doc).
fn shown(deployment: &Deployment, path: &Path) -> Value {
    let mut shown = json!(deployment);
    if path.all("embed").any(|one| one == "apisummary") {
        let method = |method: &super::Method| json!({"authorizationType": method.authorization_type, "apiKeyRequired": method.api_key_required});
        let verbs = |methods: &BTreeMap<String, super::Method>| -> Value {
            methods.iter().map(|(verb, one)| (verb.clone(), method(one))).collect::<serde_json::Map<_, _>>().into()
        };
        let paths = deployment.snapshot.iter().map(|(path, methods)| (path.clone(), verbs(methods)));
        shown["apiSummary"] = Value::Object(paths.collect());
    }
    shown
}

pub(super) fn list(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let Api { deployments, .. } = find(context, apis, at.api)?;
    listed(path, deployments.iter().map(|(id, one)| (id.clone(), shown(one, path))).collect())
}

pub(super) fn get(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let found = find(context, apis, at.api)?.deployments.get(at.name).ok_or_else(no_deployment)?;
    Ok((200, shown(found, path)))
}

pub(super) fn update(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let found = find(context, apis, at.api)?.deployments.get_mut(at.name).ok_or_else(no_deployment)?;
    for patch in patches {
        match patch.path.as_str() {
            "/description" => found.description = Some(patch.replaces()?.value()),
            _ => return Err(patch.invalid_path()),
        }
    }
    Ok((200, json!(found)))
}

pub(super) fn delete(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = find(context, apis, at.api)?;
    if !api.deployments.contains_key(at.name) {
        return Err(no_deployment());
    }
    // rec
    let canary =
        |stage: &super::Stage| stage.canary_settings.as_ref().is_some_and(|canary| canary.deployment_id == at.name);
    if api.stages.values().any(|stage| stage.deployment_id == at.name || canary(stage)) {
        return Err(bad("Active stages pointing to this deployment must be moved or deleted"));
    }
    api.deployments.remove(at.name);
    Ok((202, Value::Null))
}
