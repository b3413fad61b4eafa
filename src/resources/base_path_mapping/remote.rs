//! API Gateway's calls for base path mappings.

use aws_sdk_apigateway::Client;

use super::{Mapping, Mappings, Step};
use crate::aws::{AwsError, Class};
use crate::resources::sdk_patches;

/// How API Gateway writes the root.
const ROOT: &str = "(none)";

/// The mappings of a domain name; none where it does not exist. `id` is of a private domain.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, domain: &str, id: Option<&str>) -> Result<Mappings, AwsError> {
    let answer = apigateway
        .get_base_path_mappings()
        .domain_name(domain)
        .set_domain_name_id(id.map(str::to_owned))
        .limit(500)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await;
    let found = match answer.map_err(AwsError::of("GetBasePathMappings")) {
        Err(error) if error.class == Class::NotFound => return Ok(Mappings::new()),
        answer => answer?,
    };
    let one = |found: aws_sdk_apigateway::types::BasePathMapping| {
        let path = found.base_path.filter(|path| path != ROOT).unwrap_or_default();
        let stage = found.stage.filter(|stage| stage != ROOT).unwrap_or_default();
        (path, Mapping { rest_api_id: found.rest_api_id.unwrap_or_default(), stage })
    };
    Ok(found.into_iter().map(one).collect())
}

/// Carries out one step. `id` is of a private domain.
///
/// # Errors
/// What AWS answers; that one to be deleted is already gone is no error.
pub async fn carry_out(apigateway: &Client, step: &Step, id: Option<&str>) -> Result<(), AwsError> {
    let id = id.map(str::to_owned);
    let named = |path: &str| if path.is_empty() { ROOT.to_owned() } else { path.to_owned() };
    match step {
        Step::Create { domain, base_path, mapping } => {
            let create = apigateway
                .create_base_path_mapping()
                .domain_name(domain)
                .set_domain_name_id(id)
                .base_path(named(base_path))
                .rest_api_id(&mapping.rest_api_id)
                .stage(&mapping.stage);
            create.send().await.map_err(AwsError::of("CreateBasePathMapping"))?;
        }
        Step::Update { domain, base_path, patches, .. } => {
            let update = apigateway
                .update_base_path_mapping()
                .domain_name(domain)
                .set_domain_name_id(id)
                .base_path(named(base_path))
                .set_patch_operations(sdk_patches(patches));
            update.send().await.map_err(AwsError::of("UpdateBasePathMapping"))?;
        }
        Step::Delete { domain, base_path } => {
            let delete = apigateway.delete_base_path_mapping().domain_name(domain).set_domain_name_id(id);
            match delete.base_path(named(base_path)).send().await.map_err(AwsError::of("DeleteBasePathMapping")) {
                Err(error) if error.class != Class::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
