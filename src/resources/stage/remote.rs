//! API Gateway's calls for stages.

use std::collections::BTreeMap;

use aws_sdk_apigateway::Client;

use super::{Observed, Step};
use crate::aws::{AwsError, Class};
use crate::resources::{Patch, sdk_patches};

/// Reads all stages with one call.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str) -> Result<BTreeMap<String, Observed>, AwsError> {
    let answer = apigateway.get_stages().rest_api_id(api).send().await.map_err(AwsError::of("GetStages"))?;
    Ok(answer
        .item
        .unwrap_or_default()
        .into_iter()
        .filter_map(|stage| {
            let observed = Observed {
                deployment_id: stage.deployment_id.unwrap_or_default(),
                variables: stage.variables.unwrap_or_default().into_iter().collect(),
            };
            Some((stage.stage_name?, observed))
        })
        .collect())
}

/// Carries out one step. `deployment` resolves what the stage is to serve.
///
/// # Errors
/// What AWS answers; that a stage to be deleted is already gone is no error.
pub async fn carry_out(
    apigateway: &Client,
    api: &str,
    step: &Step,
    deployment: impl Fn(&super::Serves) -> Result<String, AwsError>,
) -> Result<(), AwsError> {
    match step {
        Step::Create { name, variables, serves } => {
            apigateway
                .create_stage()
                .rest_api_id(api)
                .stage_name(name)
                .deployment_id(deployment(serves)?)
                .set_variables(Some(variables.clone().into_iter().collect()))
                .send()
                .await
                .map_err(AwsError::of("CreateStage"))?;
        }
        Step::Update { name, serves, patches } => {
            let mut patches = patches.clone();
            if let Some(serves) = serves {
                patches.push(Patch::replace("/deploymentId", deployment(serves)?));
            }
            apigateway
                .update_stage()
                .rest_api_id(api)
                .stage_name(name)
                .set_patch_operations(sdk_patches(&patches))
                .send()
                .await
                .map_err(AwsError::of("UpdateStage"))?;
        }
        Step::Delete { name } => {
            let answer = apigateway.delete_stage().rest_api_id(api).stage_name(name).send().await;
            match answer.map_err(AwsError::of("DeleteStage")) {
                Err(error) if error.class != Class::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
