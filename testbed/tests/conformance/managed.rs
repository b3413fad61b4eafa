//! Customer-managed policies. Sources: AWS.md §1, IAM's reference.

use anyhow::{Context, Result, ensure};
use aws_sdk_iam::types::{PolicyScopeType, Tag};

use super::cloud::{Case, Cloud, case, policy, trust};

pub const CASES: &[Case] = &[
    case!(a_policy_is_read_with_its_tags_and_listed_without),
    case!(policy_names_ignore_case_and_path, "a second one is made"),
    case!(a_managed_policy_has_6144_characters_at_most, "accepted"),
    case!(a_policy_has_five_versions_at_most),
    case!(the_default_version_stays),
    case!(a_policy_with_versions_or_roles_is_not_deleted, "its versions go with it"),
    case!(what_is_not_there_is_no_such_policy),
    case!(tags_of_a_policy_are_put_over_each_other),
];

async fn a_policy_is_read_with_its_tags_and_listed_without(cloud: Cloud) -> Result<()> {
    let document = policy("s3:GetObject");
    let (name, path, arn) = cloud.policy(&document).await?;
    let found = cloud.iam.get_policy().policy_arn(&arn).send().await?.policy.context("no policy")?;
    ensure!(found.policy_name() == Some(&name) && found.path() == Some(&path), "{found:?}");
    ensure!(found.tags().len() == 1 && found.default_version_id() == Some("v1"), "{found:?}");
    let version = cloud.iam.get_policy_version().policy_arn(&arn).version_id("v1").send().await?;
    let text = version.policy_version.and_then(|version| version.document).context("no document")?;
    let text = percent_encoding::percent_decode_str(&text).decode_utf8()?.into_owned();
    ensure!(text == document, "{text}");
    let listed = cloud.iam.list_policies().scope(PolicyScopeType::Local).path_prefix(&path).send().await?;
    ensure!(listed.policies().len() == 1 && listed.policies()[0].arn() == Some(&arn), "{listed:?}");
    ensure!(listed.policies()[0].tags().is_empty(), "{listed:?}");
    Ok(())
}

async fn policy_names_ignore_case_and_path(cloud: Cloud) -> Result<()> {
    let (name, ..) = cloud.policy(&policy("s3:GetObject")).await?;
    let upper = name.to_uppercase();
    let again = cloud.iam.create_policy().policy_name(&upper).path("/other/").policy_document(policy("s3:GetObject"));
    let answer = again.send().await;
    if let Some(arn) = answer.as_ref().ok().and_then(|made| made.policy.as_ref()?.arn()) {
        cloud.iam.delete_policy().policy_arn(arn).send().await?;
    }
    cloud.refused(answer, "EntityAlreadyExists", &format!("A policy called {upper} already exists."))
}

async fn a_managed_policy_has_6144_characters_at_most(cloud: Cloud) -> Result<()> {
    let long = |characters: usize| {
        policy("s3:GetObject").replace("\"*\"", &format!("\"arn:aws:s3:::{}\"", "x".repeat(characters)))
    };
    let (_, _, arn) = cloud.policy(&long(6_000)).await?;
    let longer = cloud.iam.create_policy_version().policy_arn(&arn).policy_document(long(6_200)).send().await;
    cloud.refused(longer, "LimitExceeded", "Cannot exceed quota for PolicySize: 6144")
}

async fn a_policy_has_five_versions_at_most(cloud: Cloud) -> Result<()> {
    let (_, _, arn) = cloud.policy(&policy("s3:GetObject")).await?;
    let add = |n: usize| {
        let document = policy(&format!("s3:Get{n}"));
        cloud.iam.create_policy_version().policy_arn(&arn).policy_document(document).set_as_default(true).send()
    };
    for n in 0..4 {
        add(n).await?;
    }
    cloud.refused(add(4).await, "LimitExceeded", "A managed policy can have up to 5 versions.")?;
    cloud.iam.delete_policy_version().policy_arn(&arn).version_id("v1").send().await?;
    let made = add(5).await?.policy_version.context("no version")?;
    ensure!(made.version_id() == Some("v6") && made.is_default_version, "{made:?}");
    Ok(())
}

async fn the_default_version_stays(cloud: Cloud) -> Result<()> {
    let (_, _, arn) = cloud.policy(&policy("s3:GetObject")).await?;
    let delete = cloud.iam.delete_policy_version().policy_arn(&arn).version_id("v1").send().await;
    cloud.refused(delete, "DeleteConflict", "Cannot delete the default version of a policy.")?;
    cloud.iam.create_policy_version().policy_arn(&arn).policy_document(policy("s3:PutObject")).send().await?;
    let versions = cloud.iam.list_policy_versions().policy_arn(&arn).send().await?;
    let default: Vec<_> = versions.versions().iter().filter(|version| version.is_default_version).collect();
    ensure!(versions.versions().len() == 2 && default[0].version_id() == Some("v1"), "{versions:?}");
    cloud.iam.set_default_policy_version().policy_arn(&arn).version_id("v2").send().await?;
    let found = cloud.iam.get_policy().policy_arn(&arn).send().await?.policy.context("no policy")?;
    ensure!(found.default_version_id() == Some("v2"), "{found:?}");
    Ok(())
}

async fn a_policy_with_versions_or_roles_is_not_deleted(cloud: Cloud) -> Result<()> {
    let (_, _, arn) = cloud.policy(&policy("s3:GetObject")).await?;
    let delete = || cloud.iam.delete_policy().policy_arn(&arn).send();
    let role = cloud.name("role");
    cloud.made_role(&role);
    cloud.iam.create_role().role_name(&role).assume_role_policy_document(trust("lambda.amazonaws.com")).send().await?;
    cloud.iam.attach_role_policy().role_name(&role).policy_arn(&arn).send().await?;
    cloud.refused(delete().await, "DeleteConflict", "Cannot delete a policy attached to entities.")?;
    cloud.iam.detach_role_policy().role_name(&role).policy_arn(&arn).send().await?;
    cloud.iam.create_policy_version().policy_arn(&arn).policy_document(policy("s3:PutObject")).send().await?;
    cloud.refused(delete().await, "DeleteConflict", "This policy has more than one version.")?;
    cloud.iam.delete_policy_version().policy_arn(&arn).version_id("v2").send().await?;
    delete().await?;
    Ok(())
}

async fn what_is_not_there_is_no_such_policy(cloud: Cloud) -> Result<()> {
    let arn = format!("arn:aws:iam::{}:policy/{}", cloud.account, cloud.name("none"));
    let words = format!("Policy {arn} was not found.");
    cloud.refused(cloud.iam.get_policy().policy_arn(&arn).send().await, "NoSuchEntity", &words)?;
    cloud.refused(cloud.iam.list_policy_versions().policy_arn(&arn).send().await, "NoSuchEntity", &words)?;
    cloud.refused(cloud.iam.delete_policy().policy_arn(&arn).send().await, "NoSuchEntity", &words)
}

async fn tags_of_a_policy_are_put_over_each_other(cloud: Cloud) -> Result<()> {
    // With the tag a=b.
    let (_, _, arn) = cloud.policy(&policy("s3:GetObject")).await?;
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let put = cloud.iam.tag_policy().policy_arn(&arn).tags(tag("a", "c")?).tags(tag("other", "")?);
    put.send().await?;
    // One that is not there is no error.
    cloud.iam.untag_policy().policy_arn(&arn).tag_keys("other").tag_keys("none").send().await?;
    let found = cloud.iam.get_policy().policy_arn(&arn).send().await?.policy.context("no policy")?;
    ensure!(found.tags() == [tag("a", "c")?], "{found:?}");
    let none = format!("arn:aws:iam::{}:policy/{}", cloud.account, cloud.name("none"));
    let put = cloud.iam.tag_policy().policy_arn(&none).tags(tag("a", "b")?).send().await;
    cloud.refused(put, "NoSuchEntity", &format!("Policy {none} was not found."))
}
