//! API Gateway's calls for REST APIs.

use std::collections::BTreeSet;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::{ApiKeySourceType, EndpointConfiguration, EndpointType, IpAddressType, RestApi};

use super::census::Census;
use super::settings::Settings;
use super::{Observed, Step};
use crate::aws::fence::Fence;
use crate::aws::{AwsError, Class};
use crate::identity::{Owner, Ownership};
use crate::policy::resource_policy::ResourcePolicy;
use crate::resources::{Claim, once, sdk_patches, set_tags};

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
            // The answers of GetRestApi and GetRestApis have one form and two types.
            let one = RestApi::builder()
                .id(id)
                .set_name(api.name)
                .set_description(api.description)
                .set_endpoint_configuration(api.endpoint_configuration)
                .disable_execute_api_endpoint(api.disable_execute_api_endpoint)
                .set_api_key_source(api.api_key_source)
                .set_binary_media_types(api.binary_media_types)
                .set_minimum_compression_size(api.minimum_compression_size)
                .set_policy(api.policy)
                .set_tags(api.tags);
            Ok(observed(one.build()))
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
pub async fn find(apigateway: &Client, owner: &Owner, census: &Census) -> Result<Vec<Observed>, AwsError> {
    let found = list(apigateway).await?;
    census.note(&found);
    let with = |ownership: Ownership| found.iter().filter(move |api| owner.reads(&api.tags) == ownership).cloned();
    let of = |ownership| Some(with(ownership).collect::<Vec<_>>()).filter(|found| !found.is_empty());
    let of_ours = [Ownership::Ours, Ownership::Inherited, Ownership::Released].into_iter().find_map(of);
    Ok(of_ours.unwrap_or_else(|| found.iter().find(|api| owner.is_twin(&api.tags)).cloned().into_iter().collect()))
}

/// All APIs of the account and Region.
///
/// # Errors
/// What AWS answers.
pub async fn list(apigateway: &Client) -> Result<Vec<Observed>, AwsError> {
    let all = apigateway
        .get_rest_apis()
        .limit(500)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("GetRestApis"))?;
    Ok(all.into_iter().filter_map(observed).collect())
}

fn observed(api: RestApi) -> Option<Observed> {
    let id = api.id?;
    let endpoint = api.endpoint_configuration;
    let types = endpoint.as_ref().and_then(|configuration| configuration.types().first());
    let type_ = types.map_or("EDGE", EndpointType::as_str);
    let ip_address_type = endpoint.as_ref().and_then(|configuration| configuration.ip_address_type());
    let default = Settings::of(type_);
    let settings = Settings {
        ip_address_type: ip_address_type.map_or(default.ip_address_type.clone(), |it| it.as_str().to_owned()),
        vpc_endpoint_ids: endpoint.and_then(|it| it.vpc_endpoint_ids).into_iter().flatten().collect(),
        disable_execute_api_endpoint: api.disable_execute_api_endpoint,
        api_key_source: api.api_key_source.map_or(default.api_key_source.clone(), |it| it.as_str().to_owned()),
        binary_media_types: api.binary_media_types.into_iter().flatten().collect(),
        minimum_compression_size: api.minimum_compression_size,
        policy: api.policy.filter(|text| !text.is_empty()).map(|text| ResourcePolicy::read(&text, &id)),
        ..default
    };
    Some(Observed {
        id,
        name: api.name.unwrap_or_default(),
        description: api.description.unwrap_or_default(),
        settings,
        tags: api.tags.unwrap_or_default().into_iter().collect(),
    })
}

/// Carries out one step; answers with the API's id. A creation is sent behind the fence.
///
/// # Errors
/// What AWS answers; that an API to be deleted is already gone is no error.
pub async fn carry_out(
    apigateway: &Client,
    step: &Step,
    arn: impl Fn(&str) -> String,
    fence: Option<Fence>,
) -> Result<String, AwsError> {
    match step {
        Step::Create { name, description, settings, tags } => {
            // It has no client token: a repeat would make a second API.
            let mut call = apigateway
                .create_rest_api()
                .name(name)
                .set_description((!description.is_empty()).then(|| description.clone()))
                .endpoint_configuration(endpoint_configuration(settings))
                .disable_execute_api_endpoint(settings.disable_execute_api_endpoint)
                .api_key_source(ApiKeySourceType::from(settings.api_key_source.as_str()))
                .set_binary_media_types(some(&settings.binary_media_types))
                .set_minimum_compression_size(settings.minimum_compression_size)
                .set_policy(settings.policy.as_ref().map(ToString::to_string))
                .set_tags(Some(tags.clone().into_iter().collect()))
                .customize()
                .config_override(once());
            if let Some(fence) = fence {
                call = call.interceptor(fence);
            }
            let made = call.send().await.map_err(AwsError::of("CreateRestApi"))?;
            made.id.ok_or_else(|| AwsError::incomplete("CreateRestApi", "id"))
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
            set_tags(apigateway, arn(id), tags, remove).await?;
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

fn endpoint_configuration(settings: &Settings) -> EndpointConfiguration {
    EndpointConfiguration::builder()
        .types(EndpointType::from(settings.endpoint.as_str()))
        .ip_address_type(IpAddressType::from(settings.ip_address_type.as_str()))
        .set_vpc_endpoint_ids(some(&settings.vpc_endpoint_ids))
        .build()
}

fn some(set: &BTreeSet<String>) -> Option<Vec<String>> {
    (!set.is_empty()).then(|| set.iter().cloned().collect())
}
