//! API Gateway's calls for stages.

use std::collections::BTreeMap;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::{CacheClusterSize, CanarySettings, MethodSetting, Stage};
use serde_json::Value;

use super::settings::{AccessLog, MethodSettings, Settings, shown_key};
use super::{Canary, Observed, Serves, Step};
use crate::aws::{AwsError, Class};
use crate::resources::{Patch, sdk_patches};

/// Reads all stages with one call.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str) -> Result<BTreeMap<String, Observed>, AwsError> {
    let answer = apigateway.get_stages().rest_api_id(api).send().await.map_err(AwsError::of("GetStages"))?;
    let stages = answer.item.unwrap_or_default().into_iter();
    Ok(stages.filter_map(|stage| Some((stage.stage_name.clone()?, observed(stage)))).collect())
}

fn observed(stage: Stage) -> Observed {
    let canary = stage.canary_settings.map(|canary| Canary {
        serves: canary.deployment_id.unwrap_or_default(),
        percent: canary.percent_traffic,
        variables: canary.stage_variable_overrides.unwrap_or_default().into_iter().collect(),
        use_stage_cache: canary.use_stage_cache,
    });
    let size = stage.cache_cluster_size.map(|size| size.as_str().to_owned());
    let access_log = stage.access_log_settings.map(|log| AccessLog {
        destination_arn: log.destination_arn.unwrap_or_default(),
        format: log.format.unwrap_or_default(),
    });
    let methods = stage.method_settings.unwrap_or_default();
    Observed {
        deployment_id: stage.deployment_id.unwrap_or_default(),
        canary,
        settings: Settings {
            description: stage.description.unwrap_or_default(),
            variables: stage.variables.unwrap_or_default().into_iter().collect(),
            tags: stage.tags.unwrap_or_default().into_iter().filter(|(key, _)| !key.starts_with("aws:")).collect(),
            tracing: stage.tracing_enabled,
            cache_cluster: stage.cache_cluster_enabled.then_some(size.unwrap_or_default()),
            client_certificate: stage.client_certificate_id.filter(|certificate| !certificate.is_empty()),
            access_log: access_log.filter(|log| *log != AccessLog::default()),
            methods: methods.into_iter().map(|(key, found)| (shown_key(&key), method_settings(found))).collect(),
        },
    }
}

fn method_settings(found: MethodSetting) -> MethodSettings {
    let default = MethodSettings::default();
    let strategy = found.unauthorized_cache_control_header_strategy.map(|strategy| strategy.as_str().to_owned());
    MethodSettings {
        metrics: found.metrics_enabled,
        // None until it was first set.
        log_level: found.logging_level.unwrap_or(default.log_level),
        data_trace: found.data_trace_enabled,
        burst_limit: found.throttling_burst_limit,
        rate_limit: found.throttling_rate_limit,
        caching: found.caching_enabled,
        cache_ttl_seconds: found.cache_ttl_in_seconds,
        cache_encrypted: found.cache_data_encrypted,
        require_authorization_for_cache_control: found.require_authorization_for_cache_control,
        unauthorized_cache_control_header_strategy: strategy
            .unwrap_or(default.unauthorized_cache_control_header_strategy),
    }
}

/// What a stage serves, as OpenAPI with API Gateway's extensions. Of a stage with a canary it is what the stage itself serves.
/// AWS refuses it for APIs whose payloads are not JSON (doc, "Export a REST API").
///
/// # Errors
/// What AWS answers, or that it is no JSON.
pub async fn export(apigateway: &Client, api: &str, stage: &str) -> Result<Value, AwsError> {
    let answer = apigateway
        .get_export()
        .rest_api_id(api)
        .stage_name(stage)
        .export_type("oas30")
        .parameters("extensions", "integrations,authorizers")
        .accepts("application/json")
        .send()
        .await
        .map_err(AwsError::of("GetExport"))?;
    let body = answer.body.map(aws_smithy_types::Blob::into_inner).unwrap_or_default();
    serde_json::from_slice(&body).map_err(|_| AwsError::incomplete("GetExport", "OpenAPI document in JSON"))
}

/// Carries out one step. `deployment` resolves what the stage is to serve, `arn` is of the API.
///
/// # Errors
/// What AWS answers; that a stage to be deleted is already gone is no error.
pub async fn carry_out(
    apigateway: &Client,
    api: &str,
    arn: &str,
    step: &Step,
    deployment: impl Fn(&Serves) -> Result<String, AwsError>,
) -> Result<(), AwsError> {
    match step {
        Step::Create { name, serves, canary, settings } => {
            let canary = canary.as_ref().map(|canary| sdk_canary(canary, &deployment)).transpose()?;
            apigateway
                .create_stage()
                .rest_api_id(api)
                .stage_name(name)
                .deployment_id(deployment(serves)?)
                .set_canary_settings(canary)
                .set_description((!settings.description.is_empty()).then(|| settings.description.clone()))
                .set_variables(Some(settings.variables.clone().into_iter().collect()))
                .set_cache_cluster_enabled(settings.cache_cluster.as_ref().map(|_| true))
                .set_cache_cluster_size(settings.cache_cluster.as_deref().map(CacheClusterSize::from))
                .set_tracing_enabled(settings.tracing.then_some(true))
                .set_tags((!settings.tags.is_empty()).then(|| settings.tags.clone().into_iter().collect()))
                .send()
                .await
                .map_err(AwsError::of("CreateStage"))?;
        }
        Step::Update { name, serves, canary, patches } => {
            let moves = [("/deploymentId", serves), ("/canarySettings/deploymentId", canary)];
            let mut all = Vec::new();
            for (path, serves) in moves.iter().filter_map(|(path, serves)| Some((path, serves.as_ref()?))) {
                all.push(Patch::replace(*path, deployment(serves)?));
            }
            all.extend(patches.iter().cloned());
            apigateway
                .update_stage()
                .rest_api_id(api)
                .stage_name(name)
                .set_patch_operations(sdk_patches(&all))
                .send()
                .await
                .map_err(AwsError::of("UpdateStage"))?;
        }
        Step::Tag { name, set, remove } => {
            let arn = format!("{arn}/stages/{name}");
            if !set.is_empty() {
                let tags = Some(set.clone().into_iter().collect());
                let tag = apigateway.tag_resource().resource_arn(&arn).set_tags(tags);
                tag.send().await.map_err(AwsError::of("TagResource"))?;
            }
            if !remove.is_empty() {
                let untag = apigateway.untag_resource().resource_arn(&arn).set_tag_keys(Some(remove.clone()));
                untag.send().await.map_err(AwsError::of("UntagResource"))?;
            }
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

fn sdk_canary(
    canary: &Canary<Serves>,
    deployment: impl Fn(&Serves) -> Result<String, AwsError>,
) -> Result<CanarySettings, AwsError> {
    let overrides = canary.variables.clone().into_iter().collect();
    Ok(CanarySettings::builder()
        .deployment_id(deployment(&canary.serves)?)
        .percent_traffic(canary.percent)
        .use_stage_cache(canary.use_stage_cache)
        .set_stage_variable_overrides((!canary.variables.is_empty()).then_some(overrides))
        .build())
}
