//! IAM's calls for roles.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use aws_sdk_iam::Client;
use aws_sdk_iam::types::Tag;

use super::{Observed, Step};
use crate::aws::{AwsError, Class};
use crate::identity::{TAG_PREFIX, Tags};
use crate::resources::Claim;

/// Reads a role: four calls, as few as IAM allows for all that a role can do. Of a shared one, its `share` alone is read. `None`
/// where it does not exist.
///
/// # Errors
/// What AWS answers.
pub async fn observe(iam: &Client, name: &str, share: Option<&str>) -> Result<Option<Observed>, AwsError> {
    let role = match iam.get_role().role_name(name).send().await.map_err(AwsError::of("GetRole")) {
        Err(error) if error.class == Class::NotFound => return Ok(None),
        answer => answer?.role.ok_or_else(|| AwsError::incomplete("GetRole", "role"))?,
    };
    let names = iam
        .list_role_policies()
        .role_name(name)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("ListRolePolicies"))?;
    let mut policies = BTreeMap::new();
    for policy_name in names {
        if share.is_some_and(|share| share != policy_name) {
            policies.insert(policy_name, String::new());
            continue;
        }
        let answer = iam
            .get_role_policy()
            .role_name(name)
            .policy_name(&policy_name)
            .send()
            .await
            .map_err(AwsError::of("GetRolePolicy"))?;
        policies.insert(policy_name, answer.policy_document);
    }
    let managed_policies = iam
        .list_attached_role_policies()
        .role_name(name)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("ListAttachedRolePolicies"))?
        .into_iter()
        .filter_map(|policy| policy.policy_arn)
        .collect::<BTreeSet<_>>();
    Ok(Some(Observed {
        arn: role.arn,
        created: SystemTime::try_from(role.create_date).unwrap_or(SystemTime::UNIX_EPOCH),
        tags: role.tags.unwrap_or_default().into_iter().map(|tag| (tag.key, tag.value)).collect(),
        trust: role.assume_role_policy_document.unwrap_or_default(),
        policies,
        managed_policies,
    }))
}

/// The names of the roles under a path.
///
/// # Errors
/// What AWS answers.
pub async fn names_under(iam: &Client, path: &str) -> Result<BTreeSet<String>, AwsError> {
    Ok(iam
        .list_roles()
        .path_prefix(path)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("ListRoles"))?
        .into_iter()
        .map(|role| role.role_name)
        .collect())
}

/// Carries out one step.
///
/// # Errors
/// What AWS answers; that something to be deleted is already gone is no error.
pub async fn carry_out(iam: &Client, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::Create { name, path, description, trust, tags } => {
            iam.create_role()
                .role_name(name)
                .path(path)
                .description(description)
                .assume_role_policy_document(trust.to_string())
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await
                .map_err(AwsError::of("CreateRole"))?;
        }
        Step::SetTrust { name, trust } => {
            iam.update_assume_role_policy()
                .role_name(name)
                .policy_document(trust.to_string())
                .send()
                .await
                .map_err(AwsError::of("UpdateAssumeRolePolicy"))?;
        }
        Step::PutPolicy { name, policy_name, policy } => {
            iam.put_role_policy()
                .role_name(name)
                .policy_name(policy_name)
                .policy_document(policy.to_string())
                .send()
                .await
                .map_err(AwsError::of("PutRolePolicy"))?;
        }
        Step::DeletePolicy { name, policy_name } => delete_policy(iam, name, policy_name).await?,
        Step::Attach { name, arn } => {
            iam.attach_role_policy()
                .role_name(name)
                .policy_arn(arn)
                .send()
                .await
                .map_err(AwsError::of("AttachRolePolicy"))?;
        }
        Step::Detach { name, arn } => detach(iam, name, arn).await?,
        Step::Note { name, tags } => tag(iam, name, tags).await.map_err(|error| match error.code.as_deref() {
            // Others that share the role were faster: the next look waits until a tag of theirs goes.
            Some("LimitExceeded") if tags.keys().any(|key| is_of_one_of_many(key)) => {
                AwsError { class: Class::Retryable, ..error }
            }
            _ => error,
        })?,
        Step::Forget { name, keys } => untag(iam, name, keys.clone()).await?,
        Step::Claim { name, claim: Claim { tags, remove } } | Step::Release { name, remove, tags } => {
            tag(iam, name, tags).await?;
            untag(iam, name, remove.clone()).await?;
        }
        Step::Delete { name, policies, managed_policies } => {
            for arn in managed_policies {
                detach(iam, name, arn).await?;
            }
            for policy_name in policies {
                delete_policy(iam, name, policy_name).await?;
            }
            gone_is_fine(iam.delete_role().role_name(name).send().await.map_err(AwsError::of("DeleteRole")))?;
        }
    }
    Ok(())
}

async fn delete_policy(iam: &Client, name: &str, policy_name: &str) -> Result<(), AwsError> {
    let answer = iam.delete_role_policy().role_name(name).policy_name(policy_name).send().await;
    gone_is_fine(answer.map_err(AwsError::of("DeleteRolePolicy")))
}

async fn detach(iam: &Client, name: &str, arn: &str) -> Result<(), AwsError> {
    let answer = iam.detach_role_policy().role_name(name).policy_arn(arn).send().await;
    gone_is_fine(answer.map_err(AwsError::of("DetachRolePolicy")))
}

async fn tag(iam: &Client, name: &str, tags: &Tags) -> Result<(), AwsError> {
    if tags.is_empty() {
        return Ok(());
    }
    iam.tag_role()
        .role_name(name)
        .set_tags(Some(sdk_tags(tags)))
        .send()
        .await
        .map(drop)
        .map_err(AwsError::of("TagRole"))
}

async fn untag(iam: &Client, name: &str, keys: Vec<String>) -> Result<(), AwsError> {
    if keys.is_empty() {
        return Ok(());
    }
    iam.untag_role().role_name(name).set_tag_keys(Some(keys)).send().await.map(drop).map_err(AwsError::of("UntagRole"))
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

/// Whether a tag is one machine's on a role that several share.
fn is_of_one_of_many(key: &str) -> bool {
    key.strip_prefix(TAG_PREFIX).is_some_and(|name| name.contains('/'))
}
