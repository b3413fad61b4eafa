//! API Gateway's calls for REST APIs.

use std::time::Duration;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::types::{EndpointConfiguration, EndpointType, RestApi};

use super::{Observed, Step, endpoint_name};
use crate::aws::{AwsError, Class};
use crate::identity::{Owner, Ownership, Tags};
use crate::resources::{Claim, sdk_patches};

/// Reads an API; `None` where it does not exist.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, id: &str) -> Result<Option<Observed>, AwsError> {
    let answer = apigateway.get_rest_api().rest_api_id(id).send().await;
    match answer.map_err(AwsError::of("GetRestApi")) {
        Err(error) if error.class == Class::NotFound => Ok(None),
        answer => {
            let api = answer?;
            Ok(Some(Observed {
                id: id.to_owned(),
                name: api.name.unwrap_or_default(),
                description: api.description.unwrap_or_default(),
                endpoints: endpoints(api.endpoint_configuration),
                tags: api.tags.unwrap_or_default().into_iter().collect(),
            }))
        }
    }
}

/// Finds the owner's APIs by tag, which is how one is found again after a crash between CreateRestApi and the writing of
/// its id (AWS.md §2): its own; where there are none, those of a lost cluster that it takes over, or those that it
/// released. Failing all of these, one that a cluster of the same name made for the same object: to make another beside it
/// would leave that one behind when this cluster is to take over.
///
/// # Errors
/// What AWS answers.
pub async fn find(apigateway: &Client, owner: &Owner) -> Result<Vec<Observed>, AwsError> {
    let all = apigateway
        .get_rest_apis()
        .limit(500)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("GetRestApis"))?;
    let found: Vec<_> = all.into_iter().filter_map(observed).collect();
    let with = |ownership: Ownership| found.iter().filter(move |api| owner.reads(&api.tags) == ownership).cloned();
    let of = |ownership| Some(with(ownership).collect::<Vec<_>>()).filter(|found| !found.is_empty());
    let of_ours = [Ownership::Ours, Ownership::Inherited, Ownership::Released].into_iter().find_map(of);
    Ok(of_ours.unwrap_or_else(|| found.iter().find(|api| owner.is_twin(&api.tags)).cloned().into_iter().collect()))
}

fn observed(api: RestApi) -> Option<Observed> {
    Some(Observed {
        id: api.id?,
        name: api.name.unwrap_or_default(),
        description: api.description.unwrap_or_default(),
        endpoints: endpoints(api.endpoint_configuration),
        tags: api.tags.unwrap_or_default().into_iter().collect(),
    })
}

fn endpoints(configuration: Option<EndpointConfiguration>) -> Vec<String> {
    let types = configuration.and_then(|c| c.types).unwrap_or_default();
    types.iter().map(|t| t.as_str().to_owned()).collect()
}

/// Carries out one step; answers with the API's id.
///
/// # Errors
/// What AWS answers; that an API to be deleted is already gone is no error.
pub async fn carry_out(apigateway: &Client, step: &Step, arn: impl Fn(&str) -> String) -> Result<String, AwsError> {
    match step {
        Step::Create { name, description, endpoint, tags } => {
            // It has no client token: a repeat would make a second API, so the SDK must not repeat it by itself.
            let config =
                aws_sdk_apigateway::config::Config::builder().retry_config(RetryConfig::disabled()).timeout_config(
                    aws_sdk_apigateway::config::timeout::TimeoutConfig::builder()
                        .read_timeout(Duration::from_secs(60))
                        .build(),
                );
            apigateway
                .create_rest_api()
                .name(name)
                .set_description((!description.is_empty()).then(|| description.clone()))
                .endpoint_configuration(
                    EndpointConfiguration::builder().types(EndpointType::from(endpoint_name(*endpoint))).build(),
                )
                .set_tags(Some(tags.clone().into_iter().collect()))
                .customize()
                .config_override(config)
                .send()
                .await
                .map_err(AwsError::of("CreateRestApi"))?
                .id
                .ok_or_else(|| AwsError::incomplete("CreateRestApi", "id"))
        }
        Step::Update { id, patches } => {
            apigateway
                .update_rest_api()
                .rest_api_id(id)
                .set_patch_operations(sdk_patches(patches))
                .send()
                .await
                .map_err(AwsError::of("UpdateRestApi"))?;
            Ok(id.clone())
        }
        Step::Claim { id, claim: Claim { tags, remove } } | Step::Release { id, remove, tags } => {
            tag(apigateway, arn(id), tags).await?;
            untag(apigateway, arn(id), remove.clone()).await?;
            Ok(id.clone())
        }
        Step::Delete { id } => {
            let answer = apigateway.delete_rest_api().rest_api_id(id).send().await;
            match answer.map_err(AwsError::of("DeleteRestApi")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(id.clone()),
            }
        }
    }
}

async fn tag(apigateway: &Client, arn: String, tags: &Tags) -> Result<(), AwsError> {
    apigateway
        .tag_resource()
        .resource_arn(arn)
        .set_tags(Some(tags.clone().into_iter().collect()))
        .send()
        .await
        .map(drop)
        .map_err(AwsError::of("TagResource"))
}

async fn untag(apigateway: &Client, arn: String, keys: Vec<String>) -> Result<(), AwsError> {
    if keys.is_empty() {
        return Ok(());
    }
    apigateway
        .untag_resource()
        .resource_arn(arn)
        .set_tag_keys(Some(keys))
        .send()
        .await
        .map(drop)
        .map_err(AwsError::of("UntagResource"))
}
