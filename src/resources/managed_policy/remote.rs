//! IAM's calls for customer-managed policies.

use std::collections::BTreeSet;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::{PolicyScopeType, Tag};

use super::{Observed, Step};
use crate::aws::{AwsError, Class};
use crate::identity::Tags;
use crate::resources::Claim;

/// Reads a policy: three calls. `None` where it does not exist.
///
/// # Errors
/// What AWS answers.
pub async fn observe(iam: &Client, arn: &str) -> Result<Option<Observed>, AwsError> {
    let policy = match iam.get_policy().policy_arn(arn).send().await.map_err(AwsError::of("GetPolicy")) {
        Err(error) if error.class == Class::NotFound => return Ok(None),
        answer => answer?.policy.ok_or_else(|| AwsError::incomplete("GetPolicy", "policy"))?,
    };
    let versions = iam
        .list_policy_versions()
        .policy_arn(arn)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("ListPolicyVersions"))?;
    let (mut default, mut others) = (None, Vec::new());
    for version in versions {
        let Some(id) = version.version_id else { continue };
        match version.is_default_version {
            true => default = Some(id),
            false => others.push(id),
        }
    }
    // v10 is newer than v9.
    others.sort_by_key(|id| id.trim_start_matches('v').parse::<u64>().unwrap_or(u64::MAX));
    let version = default.ok_or_else(|| AwsError::incomplete("ListPolicyVersions", "default version"))?;
    let answer = iam.get_policy_version().policy_arn(arn).version_id(&version).send().await;
    let text = answer.map_err(AwsError::of("GetPolicyVersion"))?.policy_version.and_then(|version| version.document);
    Ok(Some(Observed {
        tags: policy.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
        policy: text.unwrap_or_default(),
        version,
        others,
    }))
}

/// The ARNs of the account's own policies under a path.
///
/// # Errors
/// What AWS answers.
pub async fn arns_under(iam: &Client, path: &str) -> Result<BTreeSet<String>, AwsError> {
    let policies = iam
        .list_policies()
        .scope(PolicyScopeType::Local)
        .path_prefix(path)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("ListPolicies"))?;
    Ok(policies.into_iter().filter_map(|policy| policy.arn).collect())
}

/// Carries out one step.
///
/// # Errors
/// What AWS answers; that something to be deleted is already gone is no error.
pub async fn carry_out(iam: &Client, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::Create { name, path, description, policy, tags } => {
            iam.create_policy()
                .policy_name(name)
                .path(path)
                .description(description)
                .policy_document(policy.to_string())
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await
                .map_err(AwsError::of("CreatePolicy"))?;
        }
        Step::Write { arn, policy } => {
            iam.create_policy_version()
                .policy_arn(arn)
                .policy_document(policy.to_string())
                .set_as_default(true)
                .send()
                .await
                .map_err(AwsError::of("CreatePolicyVersion"))?;
        }
        Step::DeleteVersion { arn, version } => delete_version(iam, arn, version).await?,
        Step::Claim { arn, claim: Claim { tags, remove } } | Step::Release { arn, remove, tags } => {
            tag(iam, arn, tags).await?;
            untag(iam, arn, remove.clone()).await?;
        }
        Step::Delete { arn, versions } => {
            for version in versions {
                delete_version(iam, arn, version).await?;
            }
            gone_is_fine(iam.delete_policy().policy_arn(arn).send().await.map_err(AwsError::of("DeletePolicy")))?;
        }
    }
    Ok(())
}

async fn delete_version(iam: &Client, arn: &str, version: &str) -> Result<(), AwsError> {
    let answer = iam.delete_policy_version().policy_arn(arn).version_id(version).send().await;
    gone_is_fine(answer.map_err(AwsError::of("DeletePolicyVersion")))
}

async fn tag(iam: &Client, arn: &str, tags: &Tags) -> Result<(), AwsError> {
    let answer = iam.tag_policy().policy_arn(arn).set_tags(Some(sdk_tags(tags))).send().await;
    answer.map(drop).map_err(AwsError::of("TagPolicy"))
}

async fn untag(iam: &Client, arn: &str, keys: Vec<String>) -> Result<(), AwsError> {
    if keys.is_empty() {
        return Ok(());
    }
    let answer = iam.untag_policy().policy_arn(arn).set_tag_keys(Some(keys)).send().await;
    answer.map(drop).map_err(AwsError::of("UntagPolicy"))
}

fn gone_is_fine<T>(answer: Result<T, AwsError>) -> Result<(), AwsError> {
    match answer {
        Err(error) if error.class != Class::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    // Building fails only where key or value is missing.
    tags.iter().filter_map(|(key, value)| Tag::builder().key(key).value(value).build().ok()).collect()
}
