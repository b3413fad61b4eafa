//! API Gateway's calls for deployments.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;

use super::{Deployments, Found, Step, parse_description};
use crate::aws::{AwsError, Class};

/// Our deployments.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str) -> Result<Deployments, AwsError> {
    let all = apigateway
        .get_deployments()
        .rest_api_id(api)
        .limit(500)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("GetDeployments"))?;
    let found = all.into_iter().filter_map(|deployment| {
        let (revision, hash) = parse_description(deployment.description.as_deref()?)?;
        Some((deployment.id?, Found { revision, hash }))
    });
    Ok(found.collect())
}

/// Carries out one step; answers with the deployment's id.
///
/// # Errors
/// What AWS answers; that a deployment to be deleted is already gone is no error.
pub async fn carry_out(apigateway: &Client, api: &str, step: &Step) -> Result<String, AwsError> {
    match step {
        Step::Create { description } => apigateway
            .create_deployment()
            .rest_api_id(api)
            .description(description)
            .customize()
            // It has no client token: a repeated one is a second deployment. One whose answer was lost is found again by
            // its description.
            .config_override(aws_sdk_apigateway::config::Config::builder().retry_config(RetryConfig::disabled()))
            .send()
            .await
            .map_err(AwsError::of("CreateDeployment"))?
            .id
            .ok_or_else(|| AwsError::incomplete("CreateDeployment", "id")),
        Step::Delete { id, .. } => {
            let answer = apigateway.delete_deployment().rest_api_id(api).deployment_id(id).send().await;
            match answer.map_err(AwsError::of("DeleteDeployment")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(id.clone()),
            }
        }
    }
}
