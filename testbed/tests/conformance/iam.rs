//! IAM. Sources: AWS.md §1, IAM's reference, words as users report them.

use anyhow::{Context, Result, ensure};
use aws_sdk_iam::types::{SummaryKeyType, Tag};

use super::cloud::{Case, Cloud, case, policy, trust};

pub const CASES: &[Case] = &[
    case!(role_names_ignore_case, "two roles are made"),
    case!(a_role_name_has_64_characters_at_most, "accepted (TESTBED §2)"),
    case!(a_role_name_has_iam_s_characters_only, "accepted (TESTBED §2)"),
    case!(a_trust_policy_has_no_resource, "accepted (TESTBED §2)"),
    case!(a_trust_policy_names_principals, "accepted"),
    case!(a_trust_policy_has_2048_characters_at_most, "accepted"),
    case!(documents_come_back_as_they_were),
    case!(inline_policies_have_10240_characters_at_most, "accepted"),
    case!(policy_text_ends_at_u00ff, "accepted"),
    case!(an_inline_policy_needs_a_resource),
    case!(a_role_with_policies_is_not_deleted),
    case!(what_is_not_there_is_no_such_entity),
    case!(a_managed_policy_is_attached_once),
    case!(a_policy_that_is_not_there_can_t_be_attached),
    case!(a_boundary_exists, "accepted (TESTBED §2)"),
    case!(roles_are_listed_in_pages, "`MaxItems` is ignored"),
    case!(a_listed_role_has_no_tags),
    case!(tags_are_put_over_each_other),
    case!(a_role_has_50_tags_at_most, "TagRole counts only its own"),
    case!(tag_keys_ignore_case),
    case!(trust_can_be_changed),
    case!(an_account_tells_of_its_roles_and_of_how_many_it_may_have),
];

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build().unwrap()
}

async fn role_names_ignore_case(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let upper = name.to_uppercase();
    let again = cloud.iam.create_role().role_name(&upper).assume_role_policy_document(trust("lambda.amazonaws.com"));
    cloud.refused(again.send().await, "EntityAlreadyExists", &format!("Role with name {upper} already exists."))
}

async fn a_role_name_has_64_characters_at_most(cloud: Cloud) -> Result<()> {
    let name = cloud.name(&"x".repeat(64));
    cloud.made_role(&name);
    let create = cloud.iam.create_role().role_name(&name).assume_role_policy_document(trust("lambda.amazonaws.com"));
    cloud.refused(create.send().await, "ValidationError", "Member must have length less than or equal to 64")
}

async fn a_role_name_has_iam_s_characters_only(cloud: Cloud) -> Result<()> {
    let name = cloud.name("a b");
    cloud.made_role(&name);
    let create = cloud.iam.create_role().role_name(&name).assume_role_policy_document(trust("lambda.amazonaws.com"));
    cloud.refused(create.send().await, "ValidationError", "The specified value for roleName is invalid.")
}

async fn refused_trust(cloud: &Cloud, document: &str, code: &str, words: &str) -> Result<()> {
    let name = cloud.name("role");
    cloud.made_role(&name);
    let create = cloud.iam.create_role().role_name(&name).assume_role_policy_document(document);
    cloud.refused(create.send().await, code, words)
}

async fn a_trust_policy_has_no_resource(cloud: Cloud) -> Result<()> {
    let document = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole", "Resource": "*"}]}"#;
    refused_trust(&cloud, document, "MalformedPolicyDocument", "Has prohibited field Resource").await
}

async fn a_trust_policy_names_principals(cloud: Cloud) -> Result<()> {
    let document = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole"}]}"#;
    refused_trust(&cloud, document, "MalformedPolicyDocument", "Missing required field Principal").await
}

async fn a_trust_policy_has_2048_characters_at_most(cloud: Cloud) -> Result<()> {
    let services: Vec<String> = (0..60).map(|n| format!("\"service-number-{n}.of.lambda.amazonaws.com\"")).collect();
    let document = format!(
        r#"{{"Version": "2012-10-17", "Statement": [{{"Effect": "Allow", "Principal": {{"Service": [{}]}}, "Action": "sts:AssumeRole"}}]}}"#,
        services.join(",")
    );
    refused_trust(&cloud, &document, "LimitExceeded", "Cannot exceed quota for ACLSizePerRole: 2048").await
}

async fn documents_come_back_as_they_were(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let document = policy("s3:Get*").replace("\"*\"", "\"arn:aws:s3:::a b%2Fé+'/*\"");
    cloud.iam.put_role_policy().role_name(&name).policy_name("p").policy_document(&document).send().await?;
    let found = cloud.iam.get_role_policy().role_name(&name).policy_name("p").send().await?;
    let decoded = percent_encoding::percent_decode_str(&found.policy_document).decode_utf8()?.into_owned();
    ensure!(decoded == document, "{decoded}");
    Ok(())
}

async fn inline_policies_have_10240_characters_at_most(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let put = |policy_name: &str, characters: usize, spaces: usize| {
        let document = policy("s3:GetObject").replace("\"*\"", &format!("\"arn:aws:s3:::{}\"", "x".repeat(characters)));
        let document = document.replace(':', &format!(":{}", " ".repeat(spaces)));
        let document = document.replace(&format!("s3:{}", " ".repeat(spaces)), "s3:");
        cloud.iam.put_role_policy().role_name(&name).policy_name(policy_name).policy_document(document).send()
    };
    put("a", 5_000, 0).await?;
    let message = format!("Maximum policy size of 10240 bytes exceeded for role {name}");
    cloud.refused(put("b", 5_200, 0).await, "LimitExceeded", &message)
}

async fn policy_text_ends_at_u00ff(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let document = policy("s3:GetObject").replace("\"*\"", "\"arn:aws:s3:::\u{20ac}\"");
    let put = cloud.iam.put_role_policy().role_name(&name).policy_name("p").policy_document(document);
    cloud.refused(put.send().await, "ValidationError", "The specified value for policyDocument is invalid.")
}

async fn an_inline_policy_needs_a_resource(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let document = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "s3:GetObject"}]}"#;
    let put = cloud.iam.put_role_policy().role_name(&name).policy_name("p").policy_document(document);
    cloud.refused(put.send().await, "MalformedPolicyDocument", "Policy statement must contain resources.")
}

const MANAGED: &str = "arn:aws:iam::aws:policy/AWSStepFunctionsReadOnlyAccess";

async fn a_role_with_policies_is_not_deleted(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let delete = || cloud.iam.delete_role().role_name(&name).send();
    cloud
        .iam
        .put_role_policy()
        .role_name(&name)
        .policy_name("p")
        .policy_document(policy("s3:GetObject"))
        .send()
        .await?;
    cloud.refused(delete().await, "DeleteConflict", "Cannot delete entity, must delete policies first.")?;
    cloud.iam.delete_role_policy().role_name(&name).policy_name("p").send().await?;
    cloud.iam.attach_role_policy().role_name(&name).policy_arn(MANAGED).send().await?;
    cloud.refused(delete().await, "DeleteConflict", "Cannot delete entity, must detach all policies first.")?;
    cloud.iam.detach_role_policy().role_name(&name).policy_arn(MANAGED).send().await?;
    delete().await?;
    Ok(())
}

async fn what_is_not_there_is_no_such_entity(cloud: Cloud) -> Result<()> {
    let (iam, gone) = (&cloud.iam, cloud.name("gone"));
    let code = "NoSuchEntity";
    let words = format!("The role with name {gone} cannot be found.");
    cloud.refused(iam.get_role().role_name(&gone).send().await, code, &words)?;
    cloud.refused(iam.delete_role().role_name(&gone).send().await, code, &words)?;
    cloud.refused(iam.list_role_policies().role_name(&gone).send().await, code, &words)?;
    cloud.refused(iam.tag_role().role_name(&gone).tags(tag("a", "b")).send().await, code, &words)?;
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let words = "The role policy with name p cannot be found.";
    cloud.refused(iam.get_role_policy().role_name(&name).policy_name("p").send().await, code, words)?;
    cloud.refused(iam.delete_role_policy().role_name(&name).policy_name("p").send().await, code, words)?;
    let words = format!("Policy {MANAGED} was not found.");
    cloud.refused(iam.detach_role_policy().role_name(&name).policy_arn(MANAGED).send().await, code, &words)
}

async fn a_managed_policy_is_attached_once(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    for _ in 0..2 {
        cloud.iam.attach_role_policy().role_name(&name).policy_arn(MANAGED).send().await?;
    }
    let found = cloud.iam.list_attached_role_policies().role_name(&name).send().await?;
    let arns: Vec<_> = found.attached_policies().iter().filter_map(|one| one.policy_arn()).collect();
    ensure!(arns == [MANAGED], "{arns:?}");
    Ok(())
}

async fn a_policy_that_is_not_there_can_t_be_attached(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let arn = format!("arn:aws:iam::{}:policy/{}", cloud.account, cloud.name("none"));
    let attach = cloud.iam.attach_role_policy().role_name(&name).policy_arn(&arn).send().await;
    cloud.refused(attach, "NoSuchEntity", &format!("Policy {arn} does not exist or is not attachable."))
}

async fn a_boundary_exists(cloud: Cloud) -> Result<()> {
    let name = cloud.name("role");
    cloud.made_role(&name);
    let arn = format!("arn:aws:iam::{}:policy/{}", cloud.account, cloud.name("none"));
    let create = cloud.iam.create_role().role_name(&name).assume_role_policy_document(trust("lambda.amazonaws.com"));
    cloud.refused(create.permissions_boundary(arn).send().await, "NoSuchEntity", "")
}

async fn roles_are_listed_in_pages(cloud: Cloud) -> Result<()> {
    let path = format!("/{}/", cloud.name("path"));
    let mut names = Vec::new();
    for part in ["a", "b", "c"] {
        let name = cloud.name(part);
        cloud.made_role(&name);
        let create = cloud.iam.create_role().role_name(&name).path(&path);
        create.assume_role_policy_document(trust("lambda.amazonaws.com")).send().await?;
        names.push(name);
    }
    let pages = cloud.iam.list_roles().path_prefix(&path).max_items(2).into_paginator().items().send();
    let mut found: Vec<_> =
        pages.collect::<Result<Vec<_>, _>>().await?.into_iter().map(|role| role.role_name).collect();
    found.sort();
    ensure!(found == names, "{found:?}");
    let first = cloud.iam.list_roles().path_prefix(&path).max_items(2).send().await?;
    ensure!(first.is_truncated && first.roles.len() == 2, "{first:?}");
    Ok(())
}

async fn a_listed_role_has_no_tags(cloud: Cloud) -> Result<()> {
    let (name, path) = (cloud.name("role"), format!("/{}/", cloud.name("path")));
    cloud.made_role(&name);
    let create = cloud.iam.create_role().role_name(&name).path(&path).tags(tag("a", "b"));
    create.assume_role_policy_document(trust("lambda.amazonaws.com")).send().await?;
    let listed = cloud.iam.list_roles().path_prefix(&path).send().await?;
    ensure!(listed.roles.iter().all(|role| role.tags().is_empty()), "{listed:?}");
    let read = cloud.iam.get_role().role_name(&name).send().await?.role.context("no role")?;
    ensure!(read.tags() == [tag("a", "b")] && read.path == path, "{read:?}");
    Ok(())
}

async fn tags_are_put_over_each_other(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let put = |key: &str, value: &str| cloud.iam.tag_role().role_name(&name).tags(tag(key, value)).send();
    put("stepgate.dev/kind", "a").await?;
    put("stepgate.dev/kind", "b").await?;
    put("other", "").await?;
    // One that is not there is no error.
    cloud.iam.untag_role().role_name(&name).tag_keys("other").tag_keys("none").send().await?;
    let found = cloud.iam.list_role_tags().role_name(&name).send().await?;
    ensure!(found.tags == [tag("stepgate.dev/kind", "b")], "{found:?}");
    Ok(())
}

async fn a_role_has_50_tags_at_most(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let put = |from: usize, to: usize| {
        let tags = (from..to).map(|n| tag(&format!("k{n}"), "v")).collect();
        cloud.iam.tag_role().role_name(&name).set_tags(Some(tags)).send()
    };
    put(0, 40).await?;
    cloud.refused(put(40, 60).await, "LimitExceeded", "")
}

async fn tag_keys_ignore_case(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let put = cloud.iam.tag_role().role_name(&name).tags(tag("Key", "a")).tags(tag("key", "b"));
    cloud.refused(put.send().await, "InvalidInput", "Duplicate tag keys found.")
}

async fn trust_can_be_changed(cloud: Cloud) -> Result<()> {
    let (name, _) = cloud.role("lambda.amazonaws.com").await?;
    let document = trust("states.amazonaws.com");
    cloud.iam.update_assume_role_policy().role_name(&name).policy_document(&document).send().await?;
    let role = cloud.iam.get_role().role_name(&name).send().await?.role.context("no role")?;
    let found = role.assume_role_policy_document.context("no document")?;
    let found = percent_encoding::percent_decode_str(&found).decode_utf8()?.into_owned();
    let parse = |text: &str| serde_json::from_str::<serde_json::Value>(text);
    ensure!(parse(&found)? == parse(&document)?, "{found}");
    Ok(())
}

async fn an_account_tells_of_its_roles_and_of_how_many_it_may_have(cloud: Cloud) -> Result<()> {
    cloud.role("lambda.amazonaws.com").await?;
    let summary = cloud.iam.get_account_summary().send().await?.summary_map.context("no summary")?;
    let number = |key: &str| summary.get(&SummaryKeyType::from(key)).copied().unwrap_or_default();
    ensure!(number("Roles") > 0 && number("Roles") <= number("RolesQuota"), "{summary:?}");
    Ok(())
}
