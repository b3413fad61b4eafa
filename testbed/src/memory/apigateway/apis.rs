//! REST APIs themselves, and tags.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::wire::{Path, Refusal, input};
use super::super::{Context, Region};
use super::checks::{bad, limit};
use super::{Answer, Api, Apis, Endpoint, Patch, Place, Resource, find, listed, models, no_api, policy};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    name: Option<String>,
    description: Option<String>,
    version: Option<String>,
    binary_media_types: Option<Vec<String>>,
    minimum_compression_size: Option<Value>,
    api_key_source: Option<String>,
    endpoint_configuration: Option<Endpoint>,
    disable_execute_api_endpoint: Option<bool>,
    policy: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

/// rec: any number in the range, also as text where it is patched; nothing else.
fn compression(text: &str) -> Result<i64, Refusal> {
    let size = text.parse().ok().filter(|size| (0..=10_485_760).contains(size));
    size.ok_or_else(|| bad("Invalid minimum compression size, must be between 0 and 10485760"))
}

/// rec: edge-optimised by default; private APIs are dual-stack.
fn endpoint(given: Option<Endpoint>) -> Result<Endpoint, Refusal> {
    let Some(mut endpoint) = given else {
        return Ok(Endpoint { types: vec!["EDGE".into()], ip_address_type: "ipv4".into(), vpc_endpoint_ids: vec![] });
    };
    if endpoint.types.is_empty() {
        return Err(bad("REGIONAL Configuration and EDGE Configuration cannot be both DISABLED."));
    }
    if endpoint.types.len() > 1 {
        return Err(bad("Cannot create an api with multiple Endpoint Types."));
    }
    let private = endpoint.types[0] == "PRIVATE";
    if !private && !endpoint.vpc_endpoint_ids.is_empty() {
        return Err(bad("VPC Endpoint Ids are only supported for Private APIs."));
    }
    if private && endpoint.ip_address_type == "ipv4" {
        return Err(bad("Only dualstack ipAddressType is supported for Private APIs."));
    }
    if endpoint.ip_address_type.is_empty() {
        endpoint.ip_address_type = if private { "dualstack" } else { "ipv4" }.to_owned();
    }
    Ok(endpoint)
}

/// It has no client token: a repeat makes a second API (AWS.md §2).
pub(super) fn create(context: &mut Context<'_>, apis: &mut Apis, body: Value) -> Answer {
    let given: Create = input(body)?;
    let Some(name) = given.name.filter(|name| !name.trim().is_empty()) else {
        return Err(bad("Name cannot be empty"));
    };
    if given.description.as_deref() == Some("") {
        return Err(bad("Description cannot be an empty string"));
    }
    let minimum_compression_size = match &given.minimum_compression_size {
        None | Some(Value::Null) => None,
        Some(Value::Number(number)) => Some(compression(&number.to_string())?),
        Some(_) => Some(compression("")?),
    };
    let endpoint_configuration = endpoint(given.endpoint_configuration)?;
    let is_regional = |endpoint: &Endpoint| endpoint.types == ["REGIONAL"];
    // AWS.md §1. [?]: the words, which are formed like those of an API's resources.
    if is_regional(&endpoint_configuration)
        && apis.values().filter(|api| is_regional(&api.endpoint_configuration)).count() >= context.settings.api_limit
    {
        return Err(limit("Maximum number of regional APIs for this account has been reached"));
    }
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, given.tags.unwrap_or_default())?;
    let (id, root) = (context.id(10), context.id(10));
    let policy = policy::kept(context, &id, given.policy.as_deref().unwrap_or_default())?;
    let api = Api {
        id: id.clone(),
        name,
        description: given.description,
        version: given.version,
        created_date: context.now,
        binary_media_types: given.binary_media_types.unwrap_or_default(),
        minimum_compression_size,
        api_key_source: given.api_key_source.unwrap_or_else(|| "HEADER".to_owned()),
        endpoint_configuration,
        disable_execute_api_endpoint: given.disable_execute_api_endpoint.unwrap_or_default(),
        policy,
        root_resource_id: root.clone(),
        tags,
        models: models::built_in(context),
        validators: BTreeMap::new(),
        resources: BTreeMap::from([(root.clone(), Resource { id: root, ..Resource::default() })]),
        gateway_responses: BTreeMap::new(),
        authorizers: BTreeMap::new(),
        deployments: BTreeMap::new(),
        stages: BTreeMap::new(),
    };
    let shown = json!(api);
    apis.insert(id, api);
    Ok((201, shown))
}

/// Does not show an API for a moment after its creation.
pub(super) fn list(context: &Context<'_>, apis: &Apis, path: &Path) -> Answer {
    let visible = apis.iter().filter(|(_, api)| context.now >= api.created_date + context.settings.api_staleness);
    listed(path, visible.map(|(id, api)| (id.clone(), json!(api))).collect())
}

pub(super) fn get(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    Ok((200, json!(find(context, apis, at.api)?)))
}

pub(super) fn delete(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    apis.remove(at.api).map(|_| (202, Value::Null)).ok_or_else(|| no_api(context, at.api))
}

pub(super) fn update(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let found = find(context, apis, at.api)?;
    let mut api = found.clone();
    for patch in patches {
        update_one(context, &mut api, patch)?;
    }
    *found = api;
    let mut shown = json!(found);
    if found.tags.is_empty() {
        // rec: here and not in other answers.
        shown["tags"] = json!({});
    }
    Ok((200, shown))
}

fn update_one(context: &Context<'_>, api: &mut Api, patch: &Patch) -> Result<(), Refusal> {
    let segments = patch.segments();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    match segments[..] {
        ["name"] => api.name = patch.replaces()?.value(),
        // rec: it can be removed too.
        ["description"] if patch.op == "remove" => api.description = None,
        ["description"] => api.description = Some(patch.replaces()?.value()).filter(|text| !text.is_empty()),
        ["apiKeySource"] => api.api_key_source = patch.replaces()?.value(),
        ["disableExecuteApiEndpoint"] => api.disable_execute_api_endpoint = patch.replaces()?.flag(),
        ["policy"] => api.policy = policy::kept(context, &api.id, &patch.replaces()?.value())?,
        ["minimumCompressionSize"] => {
            let value = patch.replaces()?.value.clone();
            // rec: no value turns it off.
            api.minimum_compression_size =
                value.filter(|text| !text.is_empty()).map(|text| compression(&text)).transpose()?;
        }
        ["binaryMediaTypes", kind] => {
            let types = &mut api.binary_media_types;
            match patch.op.as_str() {
                "add" => types.push(kind.to_owned()),
                "replace" => {
                    types.retain(|one| one != kind);
                    types.push(patch.value());
                }
                _ => types.retain(|one| one != kind),
            }
        }
        ["endpointConfiguration", "ipAddressType"] => {
            let value = patch.replaces()?.value();
            if !["ipv4", "dualstack"].contains(&value.as_str()) {
                return Err(bad("ipAddressType must be either ipv4 or dualstack."));
            }
            if value == "ipv4" && api.endpoint_configuration.types == ["PRIVATE"] {
                return Err(bad("Only dualstack ipAddressType is supported for Private APIs."));
            }
            api.endpoint_configuration.ip_address_type = value;
        }
        ["endpointConfiguration", "vpcEndpointIds"] => {
            let ids = &mut api.endpoint_configuration.vpc_endpoint_ids;
            ids.retain(|id| *id != patch.value());
            match patch.op.as_str() {
                "add" if api.endpoint_configuration.types != ["PRIVATE"] => {
                    return Err(bad("VPC Endpoint Ids are only supported for Private APIs."));
                }
                "add" => ids.push(patch.value()),
                "remove" => {}
                _ => return Err(bad("Invalid patch operation specified. Must be one of: [add, remove]")),
            }
        }
        ["endpointConfiguration", "types", _] => {
            if patch.op != "replace" {
                return Err(bad("Invalid patch operation specified. Must be 'add'|'remove'|'replace'"));
            }
            let value = patch.value();
            if !["EDGE", "REGIONAL", "PRIVATE"].contains(&value.as_str()) {
                return Err(bad("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE"));
            }
            if value == "EDGE" && api.endpoint_configuration.types == ["PRIVATE"] {
                // doc: not in one step.
                return Err(bad("Cannot update endpoint from PRIVATE to EDGE"));
            }
            if value == "PRIVATE" {
                "dualstack".clone_into(&mut api.endpoint_configuration.ip_address_type);
            }
            api.endpoint_configuration.types = vec![value];
        }
        _ => return Err(patch.invalid_path()),
    }
    Ok(())
}

/// The tags of an API, of a stage of it, of a usage plan or an API key.
fn tagged<'a>(
    context: &Context<'_>,
    region: &'a mut Region,
    at: Place<'_>,
) -> Result<&'a mut BTreeMap<String, String>, Refusal> {
    let prefix = format!("arn:{}:apigateway:{}::/", context.partition(), context.region);
    let path = at.name.strip_prefix(&prefix).ok_or_else(|| bad("Invalid ARN specified in the request"))?;
    match path.split('/').collect::<Vec<_>>()[..] {
        ["restapis", api] => Ok(&mut find(context, &mut region.apis, api)?.tags),
        ["restapis", api, "stages", stage] => {
            let found = find(context, &mut region.apis, api)?.stages.get_mut(stage);
            Ok(&mut found.ok_or_else(|| super::not_found("Invalid stage identifier specified"))?.tags)
        }
        ["usageplans", plan] => {
            let found = region.usage_plans.get_mut(plan);
            Ok(&mut found.ok_or_else(|| super::not_found("Invalid Usage Plan ID specified"))?.tags)
        }
        ["apikeys", key] => Ok(&mut region.api_keys.get_mut(key).ok_or_else(super::api_keys::no_key)?.tags),
        _ => Err(bad("Invalid ARN specified in the request")),
    }
}

/// doc: at most 50, keys of 128, values of 256, `aws:` reserved.
pub(super) fn add_tags(tags: &mut BTreeMap<String, String>, new: BTreeMap<String, String>) -> Result<(), Refusal> {
    for (key, value) in &new {
        if key.is_empty() || key.chars().count() > 128 || value.chars().count() > 256 {
            return Err(bad("Invalid tag key or value length"));
        }
        if key.to_lowercase().starts_with("aws:") {
            return Err(bad("System tags cannot be added by requester"));
        }
    }
    tags.extend(new);
    if tags.len() > 50 {
        return Err(limit("Maximum number of tags exceeded"));
    }
    Ok(())
}

pub(super) fn get_tags(context: &Context<'_>, region: &mut Region, at: Place<'_>) -> Answer {
    Ok((200, json!({"tags": tagged(context, region, at)?})))
}

pub(super) fn tag(context: &Context<'_>, region: &mut Region, at: Place<'_>, mut body: Value) -> Answer {
    let new = input(body["tags"].take())?;
    let tags = tagged(context, region, at)?;
    let mut all = tags.clone();
    add_tags(&mut all, new)?;
    *tags = all;
    Ok((204, Value::Null))
}

pub(super) fn untag(context: &Context<'_>, region: &mut Region, at: Place<'_>, path: &Path) -> Answer {
    let tags = tagged(context, region, at)?;
    for key in path.all("tagKeys") {
        tags.remove(key);
    }
    Ok((204, Value::Null))
}
