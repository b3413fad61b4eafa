//! CloudWatch Logs' calls for log groups.

use aws_sdk_cloudwatchlogs::Client;

use super::{Groups, Observed, Step};
use crate::aws::{AwsError, Class};
use crate::identity::Tags;

/// The log groups under a prefix, without their tags: one call.
///
/// # Errors
/// What AWS answers.
pub async fn observe(logs: &Client, prefix: &str) -> Result<Groups, AwsError> {
    let all = logs
        .describe_log_groups()
        .log_group_name_prefix(prefix)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("DescribeLogGroups"))?;
    let group = |retention_days| Observed { retention_days, tags: None };
    Ok(all.into_iter().filter_map(|found| Some((found.log_group_name?, group(found.retention_in_days)))).collect())
}

/// The tags of a log group.
///
/// # Errors
/// What AWS answers.
pub async fn tags(logs: &Client, arn: &str) -> Result<Tags, AwsError> {
    let answer = logs.list_tags_for_resource().resource_arn(arn).send().await;
    let answer = answer.map_err(AwsError::of("ListTagsForResource"))?;
    Ok(answer.tags.unwrap_or_default().into_iter().collect())
}

/// Carries out one step. `arn` is that of a log group of this name.
///
/// # Errors
/// What AWS answers; that one to be made is there, or one to be deleted gone, is found by the next look.
pub async fn carry_out(logs: &Client, step: &Step, arn: impl Fn(&str) -> String) -> Result<(), AwsError> {
    match step {
        Step::Create { name, tags } => {
            let create =
                logs.create_log_group().log_group_name(name).set_tags(Some(tags.clone().into_iter().collect()));
            create.send().await.map(drop).map_err(AwsError::of("CreateLogGroup"))
        }
        Step::SetRetention { name, days: Some(days) } => {
            let put = logs.put_retention_policy().log_group_name(name).retention_in_days(*days);
            put.send().await.map(drop).map_err(AwsError::of("PutRetentionPolicy"))
        }
        Step::SetRetention { name, days: None } => {
            let delete = logs.delete_retention_policy().log_group_name(name);
            delete.send().await.map(drop).map_err(AwsError::of("DeleteRetentionPolicy"))
        }
        Step::Claim { name, claim } => {
            tag(logs, arn(name), &claim.tags).await?;
            if claim.remove.is_empty() {
                return Ok(());
            }
            untag(logs, arn(name), claim.remove.clone()).await
        }
        Step::Release { name, remove, tags } => {
            tag(logs, arn(name), tags).await?;
            untag(logs, arn(name), remove.clone()).await
        }
        Step::Delete { name } => {
            match logs.delete_log_group().log_group_name(name).send().await.map_err(AwsError::of("DeleteLogGroup")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(()),
            }
        }
    }
}

async fn tag(logs: &Client, arn: String, tags: &Tags) -> Result<(), AwsError> {
    let tag = logs.tag_resource().resource_arn(arn).set_tags(Some(tags.clone().into_iter().collect()));
    tag.send().await.map(drop).map_err(AwsError::of("TagResource"))
}

async fn untag(logs: &Client, arn: String, keys: Vec<String>) -> Result<(), AwsError> {
    let untag = logs.untag_resource().resource_arn(arn).set_tag_keys(Some(keys));
    untag.send().await.map(drop).map_err(AwsError::of("UntagResource"))
}
