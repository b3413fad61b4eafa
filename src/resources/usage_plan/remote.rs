//! API Gateway's calls for usage plans.

use std::collections::BTreeMap;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::{ApiStage, QuotaPeriodType, QuotaSettings, ThrottleSettings, UsagePlan};

use super::{Methods, Observed, Quota, Settings, Step, Throttle, stage_key};
use crate::aws::fence::Fence;
use crate::aws::{AwsError, Class};
use crate::identity::{Owner, Ownership};
use crate::resources::stage::shown_key;
use crate::resources::{once, sdk_patches, set_tags};

/// Reads a plan; `None` where it does not exist.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, id: &str) -> Result<Option<Observed>, AwsError> {
    let answer = apigateway.get_usage_plan().usage_plan_id(id).send().await;
    match answer.map_err(AwsError::of("GetUsagePlan")) {
        Err(error) if error.class == Class::NotFound => Ok(None),
        answer => {
            let plan = answer?;
            // The answers of GetUsagePlan and GetUsagePlans have one form and two types.
            let one = UsagePlan::builder()
                .id(id)
                .set_name(plan.name)
                .set_description(plan.description)
                .set_api_stages(plan.api_stages)
                .set_throttle(plan.throttle)
                .set_quota(plan.quota)
                .set_tags(plan.tags);
            Ok(observed(one.build()))
        }
    }
}

/// Finds the owner's plans, which is how one is found again after a crash between CreateUsagePlan and the writing of its id:
/// its own; where there are none, those of a lost cluster that it takes over, or those that it released. Failing all of
/// these, one that a cluster of the same name made for the same object. AWS may leave the tags out of its list (recorded
/// where there are none), so those of plans of this name are read one by one.
///
/// # Errors
/// What AWS answers.
pub async fn find(apigateway: &Client, owner: &Owner, name: &str) -> Result<Vec<Observed>, AwsError> {
    let list = apigateway.get_usage_plans().limit(500).into_paginator().items();
    let all = list.send().collect::<Result<Vec<_>, _>>().await.map_err(AwsError::of("GetUsagePlans"))?;
    let mut found = Vec::new();
    for plan in all.into_iter().filter_map(observed) {
        match plan.tags.is_empty() && plan.settings.name == name {
            true => found.extend(observe(apigateway, &plan.id).await?),
            false => found.push(plan),
        }
    }
    let with = |ownership: Ownership| found.iter().filter(move |plan| owner.reads(&plan.tags) == ownership).cloned();
    let of = |ownership| Some(with(ownership).collect::<Vec<_>>()).filter(|found| !found.is_empty());
    let of_ours = [Ownership::Ours, Ownership::Inherited, Ownership::Released].into_iter().find_map(of);
    Ok(of_ours.unwrap_or_else(|| found.iter().find(|plan| owner.is_twin(&plan.tags)).cloned().into_iter().collect()))
}

fn observed(plan: UsagePlan) -> Option<Observed> {
    let throttle = |found: ThrottleSettings| Throttle { rate_limit: found.rate_limit, burst_limit: found.burst_limit };
    let methods = |stage: &ApiStage| -> Methods {
        let found = stage.throttle.iter().flatten();
        found.map(|(key, found)| (shown_key(key), throttle(found.clone()))).collect()
    };
    let stages = plan.api_stages.unwrap_or_default();
    let stage = |stage: &ApiStage| Some((stage_key(stage.api_id()?, stage.stage()?), methods(stage)));
    Some(Observed {
        id: plan.id?,
        settings: Settings {
            name: plan.name.unwrap_or_default(),
            description: plan.description.unwrap_or_default(),
            stages: stages.iter().filter_map(stage).collect(),
            throttle: plan.throttle.map(throttle),
            quota: plan.quota.map(|quota| Quota {
                limit: quota.limit,
                offset: quota.offset,
                period: quota.period.map(|period| period.as_str().to_owned()).unwrap_or_default(),
            }),
        },
        tags: plan.tags.unwrap_or_default().into_iter().collect(),
    })
}

/// The names of a plan's keys by id. The values that AWS answers with are dropped.
///
/// # Errors
/// What AWS answers.
pub async fn keys(apigateway: &Client, id: &str) -> Result<BTreeMap<String, String>, AwsError> {
    let list = apigateway.get_usage_plan_keys().usage_plan_id(id).limit(500).into_paginator().items();
    let all = list.send().collect::<Result<Vec<_>, _>>().await.map_err(AwsError::of("GetUsagePlanKeys"))?;
    Ok(all.into_iter().filter_map(|key| Some((key.id?, key.name.unwrap_or_default()))).collect())
}

/// What a step needs of those before it.
#[derive(Clone, Copy, Debug)]
pub struct Made<'a> {
    /// The plan's id.
    pub plan: &'a str,
    /// Ids of keys by name.
    pub keys: &'a BTreeMap<String, String>,
}

/// Carries out one step; answers with the plan's id. `arn` is that of a plan of this id. A creation is sent behind the fence.
///
/// # Errors
/// What AWS answers; that what is to be deleted or detached is already gone is no error.
pub async fn carry_out(
    apigateway: &Client,
    step: &Step,
    made: Made<'_>,
    arn: impl Fn(&str) -> String,
    fence: Option<Fence>,
) -> Result<String, AwsError> {
    match step {
        Step::Create { settings, tags } => {
            let create = apigateway
                .create_usage_plan()
                .name(&settings.name)
                .set_description((!settings.description.is_empty()).then(|| settings.description.clone()))
                .set_api_stages(Some(settings.stages.iter().map(sdk_stage).collect()))
                .set_throttle(settings.throttle.map(sdk_throttle))
                .set_quota(settings.quota.as_ref().map(sdk_quota))
                .set_tags(Some(tags.clone().into_iter().collect()));
            // It has no client token: a repeat would make a second plan, so the SDK must not repeat it by itself.
            let mut call = create.customize().config_override(once());
            if let Some(fence) = fence {
                call = call.interceptor(fence);
            }
            let answer = call.send().await;
            let id = answer.map_err(AwsError::of("CreateUsagePlan"))?.id;
            id.ok_or_else(|| AwsError::incomplete("CreateUsagePlan", "id"))
        }
        Step::Update { id, patches } => {
            let update = apigateway.update_usage_plan().usage_plan_id(id).set_patch_operations(sdk_patches(patches));
            update.send().await.map_err(AwsError::of("UpdateUsagePlan"))?;
            Ok(id.clone())
        }
        Step::Tag { id, set, remove } => set_tags(apigateway, arn(id), set, remove).await.map(|()| id.clone()),
        Step::Release { id, remove, tags } => set_tags(apigateway, arn(id), tags, remove).await.map(|()| id.clone()),
        Step::Delete { id } => {
            let answer = apigateway.delete_usage_plan().usage_plan_id(id).send().await;
            match answer.map_err(AwsError::of("DeleteUsagePlan")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(id.clone()),
            }
        }
        Step::Attach { name, id } => {
            let key = id.as_ref().or_else(|| made.keys.get(name));
            let key = key.ok_or_else(|| AwsError::incomplete("CreateApiKey", "id"))?;
            let attach = apigateway.create_usage_plan_key().usage_plan_id(made.plan).key_id(key).key_type("API_KEY");
            attach.send().await.map_err(AwsError::of("CreateUsagePlanKey"))?;
            Ok(made.plan.to_owned())
        }
        Step::Detach { id, .. } => {
            let answer = apigateway.delete_usage_plan_key().usage_plan_id(made.plan).key_id(id).send().await;
            match answer.map_err(AwsError::of("DeleteUsagePlanKey")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(made.plan.to_owned()),
            }
        }
    }
}

fn sdk_stage((key, methods): (&String, &Methods)) -> ApiStage {
    let (api, stage) = key.split_once(':').unwrap_or((key, ""));
    // Here the path has its first slash.
    let path = |method: &String| match method.replace("~1", "/") {
        whole if whole.starts_with('/') => whole,
        rest => format!("/{rest}"),
    };
    let throttle = methods.iter().map(|(method, throttle)| (path(method), sdk_throttle(*throttle)));
    ApiStage::builder().api_id(api).stage(stage).set_throttle((!methods.is_empty()).then(|| throttle.collect())).build()
}

fn sdk_throttle(Throttle { rate_limit, burst_limit }: Throttle) -> ThrottleSettings {
    ThrottleSettings::builder().rate_limit(rate_limit).burst_limit(burst_limit).build()
}

fn sdk_quota(Quota { limit, offset, period }: &Quota) -> QuotaSettings {
    QuotaSettings::builder().limit(*limit).offset(*offset).period(QuotaPeriodType::from(period.as_str())).build()
}
