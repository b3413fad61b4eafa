//! API Gateway's calls for request validators.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;

use super::{Found, Observed, Step};
use crate::aws::{AwsError, Class};
use crate::resources::{all_pages, sdk_patches};

/// Reads an API's validators.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str) -> Result<Observed, AwsError> {
    let all = all_pages(|position| {
        let list = apigateway.get_request_validators().rest_api_id(api).limit(500).set_position(position);
        async move {
            let page = list.send().await.map_err(AwsError::of("GetRequestValidators"))?;
            Ok((page.items, page.position))
        }
    })
    .await?;
    let found = all.into_iter().filter_map(|validator| {
        let found = Found {
            name: validator.name.unwrap_or_default(),
            body: validator.validate_request_body,
            parameters: validator.validate_request_parameters,
        };
        Some((validator.id?, found))
    });
    Ok(found.collect())
}

/// Carries out one step; answers with the validator's id.
///
/// # Errors
/// What AWS answers; that a validator to be deleted is already gone is no error.
pub async fn carry_out(apigateway: &Client, api: &str, step: &Step) -> Result<String, AwsError> {
    match step {
        Step::Create { name, body, parameters } => apigateway
            .create_request_validator()
            .rest_api_id(api)
            .name(name)
            .validate_request_body(*body)
            .validate_request_parameters(*parameters)
            .customize()
            // It has no client token: a repeated one is a second validator. One whose answer was lost is found by its name.
            .config_override(aws_sdk_apigateway::config::Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map_err(AwsError::of("CreateRequestValidator"))?
            .id
            .ok_or_else(|| AwsError::incomplete("CreateRequestValidator", "id")),
        Step::Update { id, patches, .. } => apigateway
            .update_request_validator()
            .rest_api_id(api)
            .request_validator_id(id)
            .set_patch_operations(sdk_patches(patches))
            .send()
            .await
            .map(|_| id.clone())
            .map_err(AwsError::of("UpdateRequestValidator")),
        Step::Delete { id, .. } => {
            let answer = apigateway.delete_request_validator().rest_api_id(api).request_validator_id(id).send().await;
            match answer.map_err(AwsError::of("DeleteRequestValidator")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(id.clone()),
            }
        }
    }
}
