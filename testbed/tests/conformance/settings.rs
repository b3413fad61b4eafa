//! What stages have beside a deployment, and log groups. Sources: corpora/aws-recorded (canary, common), the Developer Guide
//! ("Update a canary release"), CloudWatch Logs' API Reference.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use aws_sdk_apigateway::types::{CanarySettings, Op};

use super::apigateway::patch;
use super::cloud::{Case, Cloud, case};

pub const CASES: &[Case] = &[
    case!(a_canary_is_made_changed_and_removed),
    case!(a_stage_moves_and_loses_its_canary_in_one_call),
    case!(what_a_canary_serves_is_not_deleted),
    case!(a_method_s_settings_come_and_go_together),
    case!(a_stage_s_tags_are_shown_with_it),
    case!(an_account_has_one_log_role),
    case!(a_log_group_has_retention_and_tags),
];

/// An API with the stage `dev` at the first of two deployments; its id and theirs.
async fn staged(cloud: &Cloud) -> Result<(String, String, String)> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let (first, second) = (cloud.deploy(&api).await?, cloud.deploy(&api).await?);
    let create = cloud.apigateway.create_stage().rest_api_id(&api).stage_name("dev").deployment_id(&first);
    create.variables("a", "1").send().await?;
    Ok((api, first, second))
}

async fn update(cloud: &Cloud, api: &str, patches: &[(Op, &str, &str)]) -> Result<()> {
    let patches = patches.iter().map(|(op, path, value)| patch(op.clone(), path, value)).collect();
    let update = cloud.apigateway.update_stage().rest_api_id(api).stage_name("dev");
    update.set_patch_operations(Some(patches)).send().await?;
    Ok(())
}

async fn canary(cloud: &Cloud, api: &str) -> Result<Option<CanarySettings>> {
    Ok(cloud.apigateway.get_stage().rest_api_id(api).stage_name("dev").send().await?.canary_settings)
}

async fn a_canary_is_made_changed_and_removed(cloud: Cloud) -> Result<()> {
    let (api, _, second) = staged(&cloud).await?;
    let made = [
        (Op::Replace, "/canarySettings/deploymentId", second.as_str()),
        (Op::Replace, "/canarySettings/percentTraffic", "10.5"),
        (Op::Replace, "/canarySettings/stageVariableOverrides/a", "2"),
        (Op::Replace, "/canarySettings/stageVariableOverrides/b", "3"),
    ];
    update(&cloud, &api, &made).await?;
    let found = canary(&cloud, &api).await?.context("no canary")?;
    ensure!(found.deployment_id() == Some(&second) && (found.percent_traffic() - 10.5).abs() < 0.001, "{found:?}");
    ensure!(!found.use_stage_cache(), "{found:?}");
    update(&cloud, &api, &[(Op::Remove, "/canarySettings/stageVariableOverrides/a", "")]).await?;
    let found = canary(&cloud, &api).await?.context("no canary")?;
    let left = HashMap::from([("b".to_owned(), "3".to_owned())]);
    ensure!(found.stage_variable_overrides() == Some(&left), "{found:?}");
    update(&cloud, &api, &[(Op::Remove, "/canarySettings", "")]).await?;
    ensure!(canary(&cloud, &api).await?.is_none());
    Ok(())
}

async fn a_stage_moves_and_loses_its_canary_in_one_call(cloud: Cloud) -> Result<()> {
    let (api, _, second) = staged(&cloud).await?;
    update(&cloud, &api, &[(Op::Replace, "/canarySettings/deploymentId", &second)]).await?;
    let promote = [
        (Op::Replace, "/deploymentId", second.as_str()),
        (Op::Replace, "/variables/a", "2"),
        (Op::Remove, "/canarySettings", ""),
    ];
    update(&cloud, &api, &promote).await?;
    let found = cloud.apigateway.get_stage().rest_api_id(&api).stage_name("dev").send().await?;
    ensure!(found.deployment_id() == Some(&second) && found.canary_settings().is_none(), "{found:?}");
    Ok(())
}

async fn what_a_canary_serves_is_not_deleted(cloud: Cloud) -> Result<()> {
    let (api, _, second) = staged(&cloud).await?;
    update(&cloud, &api, &[(Op::Replace, "/canarySettings/deploymentId", &second)]).await?;
    let delete = cloud.apigateway.delete_deployment().rest_api_id(&api).deployment_id(&second).send().await;
    let words = "Active stages pointing to this deployment must be moved or deleted";
    cloud.refused(delete, "BadRequestException", words)
}

async fn a_method_s_settings_come_and_go_together(cloud: Cloud) -> Result<()> {
    let (api, ..) = staged(&cloud).await?;
    let made = [
        (Op::Replace, "/*/*/throttling/burstLimit", "7"),
        (Op::Replace, "/orders~1{id}/GET/throttling/rateLimit", "5.5"),
        (Op::Replace, "/~1/GET/metrics/enabled", "true"),
    ];
    update(&cloud, &api, &made).await?;
    let found = cloud.apigateway.get_stage().rest_api_id(&api).stage_name("dev").send().await?;
    let settings = found.method_settings().context("no settings")?;
    let all = settings.get("*/*").context("none for all methods")?;
    ensure!(settings.len() == 3 && all.throttling_burst_limit() == 7, "{settings:?}");
    let removed = [
        (Op::Remove, "/orders~1{id}/GET", ""),
        (Op::Remove, "/*/*", ""),
        (Op::Remove, "/~1/GET", ""),
        (Op::Replace, "/description", "after"),
    ];
    update(&cloud, &api, &removed).await?;
    let found = cloud.apigateway.get_stage().rest_api_id(&api).stage_name("dev").send().await?;
    ensure!(found.method_settings().is_none_or(HashMap::is_empty), "{found:?}");
    ensure!(found.description() == Some("after"), "{found:?}");
    Ok(())
}

async fn a_stage_s_tags_are_shown_with_it(cloud: Cloud) -> Result<()> {
    let (api, ..) = staged(&cloud).await?;
    let arn = format!("arn:aws:apigateway:{}::/restapis/{api}/stages/dev", cloud.region);
    let client = &cloud.apigateway;
    client.tag_resource().resource_arn(&arn).tags("team", "a").tags("cost", "1").send().await?;
    client.untag_resource().resource_arn(&arn).tag_keys("cost").send().await?;
    let found = client.get_stages().rest_api_id(&api).send().await?;
    let [stage] = found.item() else { anyhow::bail!("{found:?}") };
    ensure!(stage.tags() == Some(&HashMap::from([("team".to_owned(), "a".to_owned())])), "{stage:?}");
    Ok(())
}

async fn an_account_has_one_log_role(cloud: Cloud) -> Result<()> {
    let before = cloud.apigateway.get_account().send().await?.cloudwatch_role_arn;
    if cloud.kind == super::cloud::Kind::Memory && before.is_none() {
        let unknown = patch(Op::Replace, "/cloudwatchRoleArn", "arn:aws:iam::111122223333:role/none");
        let update = cloud.apigateway.update_account().patch_operations(unknown).send().await;
        let words = "The role ARN does not have required permissions set to API Gateway";
        cloud.refused(update, "BadRequestException", words)?;
    }
    // Everybody's: it is read, and left as it is.
    let after = cloud.apigateway.get_account().send().await?.cloudwatch_role_arn;
    ensure!(before == after, "{before:?} {after:?}");
    Ok(())
}

async fn a_log_group_has_retention_and_tags(cloud: Cloud) -> Result<()> {
    let name = format!("/{}", cloud.name("logs"));
    let logs = &cloud.logs;
    logs.create_log_group().log_group_name(&name).tags("a", "1").send().await?;
    let again = logs.create_log_group().log_group_name(&name).send().await;
    let arn = format!("arn:aws:logs:{}:{}:log-group:{name}", cloud.region, cloud.account);
    let looked = async {
        cloud.refused(again, "ResourceAlreadyExistsException", "The specified log group already exists")?;
        logs.put_retention_policy().log_group_name(&name).retention_in_days(7).send().await?;
        let found = logs.describe_log_groups().log_group_name_prefix(&name).send().await?;
        let [group] = found.log_groups() else { anyhow::bail!("{found:?}") };
        ensure!(group.retention_in_days() == Some(7), "{group:?}");
        logs.delete_retention_policy().log_group_name(&name).send().await?;
        let found = logs.describe_log_groups().log_group_name_prefix(&name).send().await?;
        ensure!(found.log_groups()[0].retention_in_days().is_none(), "{found:?}");
        logs.tag_resource().resource_arn(&arn).tags("b", "2").send().await?;
        logs.untag_resource().resource_arn(&arn).tag_keys("a").send().await?;
        let tags = logs.list_tags_for_resource().resource_arn(&arn).send().await?;
        ensure!(tags.tags() == Some(&HashMap::from([("b".to_owned(), "2".to_owned())])), "{tags:?}");
        Ok(())
    };
    let looked = looked.await;
    logs.delete_log_group().log_group_name(&name).send().await?;
    looked?;
    let gone = logs.delete_log_group().log_group_name(&name).send().await;
    cloud.refused(gone, "ResourceNotFoundException", "The specified log group does not exist")
}
