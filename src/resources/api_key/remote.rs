//! API Gateway's calls for API keys.

use aws_sdk_apigateway::Client;
use secrecy::{ExposeSecret, SecretString};

use super::{Observed, Step, Values};
use crate::aws::{AwsError, Class};
use crate::identity::Tags;
use crate::resources::{once, sdk_patches, set_tags};

/// The keys whose names begin with `prefix` (recorded: it is compared with regard to case), without their tags: one call for
/// 500 of them.
///
/// # Errors
/// What AWS answers.
pub async fn find(apigateway: &Client, prefix: &str, with_values: bool) -> Result<Vec<Observed>, AwsError> {
    let list = apigateway.get_api_keys().name_query(prefix).include_values(with_values).limit(500);
    let keys = list.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await;
    let observed = |key: aws_sdk_apigateway::types::ApiKey| {
        Some(Observed {
            id: key.id?,
            name: key.name.unwrap_or_default(),
            value: key.value.map(SecretString::from),
            enabled: key.enabled,
            description: key.description.unwrap_or_default(),
            tags: None,
        })
    };
    Ok(keys.map_err(AwsError::of("GetApiKeys"))?.into_iter().filter_map(observed).collect())
}

/// One key with its value and tags; `None` where it is gone.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, id: &str) -> Result<Option<Observed>, AwsError> {
    let answer = apigateway.get_api_key().api_key(id).include_value(true).send().await;
    match answer.map_err(AwsError::of("GetApiKey")) {
        Err(error) if error.class == Class::NotFound => Ok(None),
        answer => {
            let key = answer?;
            Ok(Some(Observed {
                id: id.to_owned(),
                name: key.name.unwrap_or_default(),
                value: key.value.map(SecretString::from),
                enabled: key.enabled,
                description: key.description.unwrap_or_default(),
                tags: Some(key.tags.unwrap_or_default().into_iter().collect()),
            }))
        }
    }
}

/// The tags of a key; `None` where it is gone.
///
/// # Errors
/// What AWS answers.
pub async fn tags(apigateway: &Client, id: &str) -> Result<Option<Tags>, AwsError> {
    let answer = apigateway.get_api_key().api_key(id).include_value(false).send().await;
    match answer.map_err(AwsError::of("GetApiKey")) {
        Err(error) if error.class == Class::NotFound => Ok(None),
        answer => Ok(Some(answer?.tags.unwrap_or_default().into_iter().collect())),
    }
}

/// Carries out one step; answers with the key's id. `arn` is that of a key of this id.
///
/// # Errors
/// What AWS answers, without the value that it may repeat; that a key to be deleted is already gone is no error.
pub async fn carry_out(
    apigateway: &Client,
    step: &Step,
    values: &Values,
    arn: impl Fn(&str) -> String,
) -> Result<String, AwsError> {
    match step {
        Step::Create { name, enabled, description, tags } => {
            let Some(value) = values.get(name) else { return Err(AwsError::incomplete("CreateApiKey", "value")) };
            let create = apigateway
                .create_api_key()
                .name(name)
                .description(description)
                .enabled(*enabled)
                .value(value.expose_secret())
                .set_tags(Some(tags.clone().into_iter().collect()));
            // It has no client token: a repeat would be told that the value is taken.
            let answer = create.customize().config_override(once()).send().await;
            let made = answer.map_err(AwsError::of("CreateApiKey")).map_err(|error| without(value, error))?;
            made.id.ok_or_else(|| AwsError::incomplete("CreateApiKey", "id"))
        }
        Step::Update { id, patches, .. } => {
            let update = apigateway.update_api_key().api_key(id).set_patch_operations(sdk_patches(patches));
            update.send().await.map_err(AwsError::of("UpdateApiKey"))?;
            Ok(id.clone())
        }
        Step::Tag { id, set, remove, .. } => set_tags(apigateway, arn(id), set, remove).await.map(|()| id.clone()),
        Step::Release { id, remove, tags, .. } => {
            set_tags(apigateway, arn(id), tags, remove).await.map(|()| id.clone())
        }
        Step::Delete { id, .. } => {
            let answer = apigateway.delete_api_key().api_key(id).send().await;
            match answer.map_err(AwsError::of("DeleteApiKey")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(id.clone()),
            }
        }
    }
}

/// An error without the value: whatever AWS says of a request may repeat what was in it.
fn without(value: &SecretString, error: AwsError) -> AwsError {
    AwsError { message: error.message.replace(value.expose_secret(), "…"), ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_error_repeats_a_value() {
        let error = AwsError {
            operation: "CreateApiKey",
            class: Class::Terminal,
            code: Some("BadRequestException".into()),
            message: "Invalid value 'hunter2hunter2hunter2' specified".into(),
            request_id: None,
        };
        let shown = without(&"hunter2hunter2hunter2".into(), error);
        assert_eq!(shown.to_string(), "CreateApiKey: Invalid value '…' specified (BadRequestException)");
    }
}
