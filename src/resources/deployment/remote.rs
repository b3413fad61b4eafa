//! API Gateway's calls for deployments.

use std::collections::BTreeMap;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;

use super::{Step, parse_description};
use crate::aws::{AwsError, Class};

/// A deployment of ours, as AWS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its id.
    pub id: String,
    /// The content's hash.
    pub hash: String,
}

/// Our deployments by revision. Of two with one number, which two operators at once can leave, the first is taken.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str) -> Result<BTreeMap<i64, Found>, AwsError> {
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
    let mut found = BTreeMap::new();
    for deployment in all {
        let parsed = deployment.description.as_deref().and_then(parse_description);
        if let (Some(id), Some((revision, hash))) = (deployment.id, parsed) {
            found.entry(revision).or_insert(Found { id, hash });
        }
    }
    Ok(found)
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
