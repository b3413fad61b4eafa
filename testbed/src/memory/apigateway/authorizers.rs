//! Authorizers of an API. AWS's words where they are known: the names of one API are unique, and one that a method names
//! stays ([field]: reported by users of other tools).

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Path, Refusal, input};
use super::checks::{CONCURRENT, bad, conflict, limit, not_found};
use super::{Answer, Api, Apis, Patch, Place, find, listed};

/// What decides whether callers may.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Authorizer {
    /// Six letters and digits.
    #[serde(default)]
    pub id: String,
    /// Unique in its API.
    #[serde(default)]
    pub name: String,
    /// `TOKEN`, `REQUEST` or `COGNITO_USER_POOLS`.
    #[serde(default)]
    pub r#type: String,
    /// User pools.
    #[serde(default, rename = "providerARNs", skip_serializing_if = "Vec::is_empty")]
    pub provider_arns: Vec<String>,
    /// For people; `custom` or `cognito_user_pools` unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auth_type: Option<String>,
    /// Calls the function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer_uri: Option<String>,
    /// The role that calls it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer_credentials: Option<String>,
    /// Mapping expressions, separated by commas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_source: Option<String>,
    /// A regular expression.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub identity_validation_expression: Option<String>,
    /// 300 unless said otherwise, which is not shown (rec).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorizer_result_ttl_in_seconds: Option<i64>,
}

fn none() -> Refusal {
    not_found("Invalid Authorizer identifier specified")
}

/// The constraints that the SDK's model tells of.
fn check(one: &Authorizer) -> Result<(), Refusal> {
    let ttl = one.authorizer_result_ttl_in_seconds.unwrap_or(300);
    if !(0..=3600).contains(&ttl) {
        return Err(bad("Authorizer result TTL must be between 0 and 3600 seconds"));
    }
    let source = one.identity_source.as_deref().is_some_and(|source| !source.is_empty());
    let function =
        one.authorizer_uri.as_deref().is_some_and(|uri| uri.contains(":lambda:path/2015-03-31/functions/arn:"));
    match one.r#type.as_str() {
        "TOKEN" | "REQUEST" if !function => Err(bad("Invalid Authorizer URI")),
        "TOKEN" if !source => Err(bad("Identity source is required for TOKEN authorizers")),
        "REQUEST" if ttl > 0 && !source => Err(bad("Identity source is required where caching is enabled")),
        "COGNITO_USER_POOLS" if one.provider_arns.is_empty() || !source => {
            Err(bad("Provider ARNs and identity source are required for COGNITO_USER_POOLS authorizers"))
        }
        "TOKEN" | "REQUEST" | "COGNITO_USER_POOLS" => Ok(()),
        _ => Err(bad("Invalid authorizer type specified")),
    }
}

pub(super) fn create(context: &mut Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let mut new: Authorizer = input(body)?;
    new.id = context.id(6);
    // rec
    let cognito = new.r#type == "COGNITO_USER_POOLS";
    new.auth_type.get_or_insert_with(|| if cognito { "cognito_user_pools" } else { "custom" }.to_owned());
    check(&new)?;
    // rec: in these words.
    let api = apis.get_mut(at.api).ok_or_else(|| conflict(CONCURRENT))?;
    if api.authorizers.values().any(|other| other.name == new.name) {
        let name = &new.name;
        return Err(conflict(format!(
            "Authorizer name must be unique. Authorizer {name} already exists in this RestApi."
        )));
    }
    if api.authorizers.len() >= 10 {
        return Err(limit("Maximum number of Authorizers for this API has been reached"));
    }
    api.authorizers.insert(new.id.clone(), new.clone());
    Ok((201, json!(new)))
}

pub(super) fn list(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let Api { authorizers, .. } = find(context, apis, at.api)?;
    listed(path, authorizers.iter().map(|(id, one)| (id.clone(), json!(one))).collect())
}

pub(super) fn get(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let found = find(context, apis, at.api)?.authorizers.get(at.name).ok_or_else(none)?;
    Ok((200, json!(found)))
}

/// Which paths take which operation: API Gateway's reference, "Patch operations".
pub(super) fn update(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let found = find(context, apis, at.api)?.authorizers.get_mut(at.name).ok_or_else(none)?;
    let mut one = found.clone();
    for patch in patches {
        let text = || Ok::<_, Refusal>(Some(patch.replaces()?.value()).filter(|text| !text.is_empty()));
        match patch.path.as_str() {
            "/name" => one.name = patch.replaces()?.value(),
            "/type" => one.r#type = patch.replaces()?.value(),
            "/authType" => one.auth_type = text()?,
            "/authorizerUri" => one.authorizer_uri = text()?,
            "/authorizerCredentials" => one.authorizer_credentials = text()?,
            "/identitySource" => one.identity_source = text()?,
            "/identityValidationExpression" => one.identity_validation_expression = text()?,
            "/authorizerResultTtlInSeconds" => {
                let ttl = patch.replaces()?.value().parse();
                one.authorizer_result_ttl_in_seconds = Some(ttl.map_err(|_| bad("Invalid authorizer result TTL"))?);
            }
            "/providerARNs" => match patch.op.as_str() {
                "add" => one.provider_arns.push(patch.value()),
                "remove" => one.provider_arns.retain(|arn| *arn != patch.value()),
                _ => return Err(bad("Invalid patch operation specified. Must be one of: [add, remove]")),
            },
            _ => return Err(patch.invalid_path()),
        }
    }
    check(&one)?;
    *found = one;
    Ok((200, json!(found)))
}

pub(super) fn delete(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = find(context, apis, at.api)?;
    let name = api.authorizers.get(at.name).ok_or_else(none)?.name.clone();
    for resource in api.resources.values() {
        let named = resource.methods.iter().find(|(_, method)| method.authorizer_id.as_deref() == Some(at.name));
        if let Some((verb, _)) = named {
            let path = api.path(resource);
            return Err(conflict(format!("Cannot delete authorizer '{name}', is referenced in method: {verb}/{path}")));
        }
    }
    api.authorizers.remove(at.name);
    Ok((202, Value::Null))
}
