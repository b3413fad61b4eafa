//! API Gateway: usage plans and API keys. Sources: corpora/aws-recorded, the developer guide, users' reports. Keys and plans carry no
//! value that anybody uses; each case removes what it made.

use anyhow::{Context, Result, ensure};
use aws_sdk_apigateway::types::{ApiStage, Op, QuotaPeriodType, QuotaSettings, ThrottleSettings};

use super::apigateway::patch;
use super::cloud::{Case, Cloud, case};

pub const CASES: &[Case] = &[
    case!(a_key_has_a_value_that_nobody_else_has),
    case!(a_key_is_found_by_the_beginning_of_its_name),
    case!(a_key_shows_its_value_only_when_asked),
    case!(a_key_can_be_changed_but_for_its_value),
    case!(a_key_s_value_has_twenty_characters_at_least),
    case!(a_plan_has_stages_that_there_are, "accepted"),
    case!(a_plan_s_limits_are_set_and_taken_off),
    case!(a_plan_s_single_methods_have_limits_of_their_own),
    case!(a_plan_with_stages_is_not_deleted),
    case!(a_key_is_in_a_plan_until_it_is_taken_out),
    case!(a_key_is_in_a_plan_once, "accepted"),
    case!(a_deleted_key_is_in_no_plan),
    case!(a_deleted_stage_is_in_no_plan),
    case!(plans_are_listed_with_their_stages),
];

const UNKNOWN: &str = "Invalid API Key identifier specified";

/// A key with a value of its own; its id and name.
async fn key(cloud: &Cloud) -> Result<(String, String)> {
    let name = cloud.name("key");
    let create = cloud.apigateway.create_api_key().name(&name).enabled(true).value(format!("{name}-value"));
    Ok((create.tags("a", "b").send().await?.id.context("no id")?, name))
}

async fn no_key(cloud: &Cloud, id: &str) -> Result<()> {
    cloud.apigateway.delete_api_key().api_key(id).send().await?;
    Ok(())
}

/// A plan of the stage `dev` of an API; the ids of both.
async fn plan(cloud: &Cloud) -> Result<(String, String)> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let deployment = cloud.deploy(&api).await?;
    cloud.apigateway.create_stage().rest_api_id(&api).stage_name("dev").deployment_id(deployment).send().await?;
    let stage = ApiStage::builder().api_id(&api).stage("dev").build();
    let create = cloud.apigateway.create_usage_plan().name(cloud.name("plan")).api_stages(stage);
    Ok((create.send().await?.id.context("no id")?, api))
}

async fn attach(cloud: &Cloud, plan: &str, key: &str) -> Result<()> {
    let attach = cloud.apigateway.create_usage_plan_key().usage_plan_id(plan);
    attach.key_id(key).key_type("API_KEY").send().await?;
    Ok(())
}

/// Without its stages, which hold it.
async fn no_plan(cloud: &Cloud, plan: &str, api: &str) -> Result<()> {
    change(cloud, plan, [patch(Op::Remove, "/apiStages", &format!("{api}:dev"))]).await?;
    cloud.apigateway.delete_usage_plan().usage_plan_id(plan).send().await?;
    let gone = cloud.apigateway.get_usage_plan().usage_plan_id(plan).send().await;
    cloud.refused(gone, "NotFoundException", "Invalid Usage Plan ID specified")
}

type Changed = aws_sdk_apigateway::operation::update_usage_plan::UpdateUsagePlanOutput;

async fn change<const N: usize>(
    cloud: &Cloud,
    plan: &str,
    patches: [aws_sdk_apigateway::types::PatchOperation; N],
) -> Result<Changed> {
    let update = cloud.apigateway.update_usage_plan().usage_plan_id(plan);
    Ok(update.set_patch_operations(Some(patches.into())).send().await?)
}

async fn a_key_has_a_value_that_nobody_else_has(cloud: Cloud) -> Result<()> {
    let (id, name) = key(&cloud).await?;
    let again = cloud.apigateway.create_api_key().name("other").value(format!("{name}-value")).send().await;
    if let Ok(other) = &again {
        no_key(&cloud, other.id().unwrap_or_default()).await?;
    }
    cloud.refused(again, "ConflictException", "API Key already exists")?;
    no_key(&cloud, &id).await
}

async fn a_key_is_found_by_the_beginning_of_its_name(cloud: Cloud) -> Result<()> {
    let (id, name) = key(&cloud).await?;
    let find = |query: &str| cloud.apigateway.get_api_keys().name_query(query).send();
    let begins = find(&name[..name.len() - 1]).await?;
    let other = [name.to_uppercase(), name[1..].to_owned()];
    let (upper, inside) = (find(&other[0]).await?, find(&other[1]).await?);
    no_key(&cloud, &id).await?;
    ensure!(begins.items().len() == 1 && begins.items()[0].id() == Some(&id), "{begins:?}");
    ensure!(upper.items().is_empty() && inside.items().is_empty(), "{upper:?} {inside:?}");
    Ok(())
}

async fn a_key_shows_its_value_only_when_asked(cloud: Cloud) -> Result<()> {
    let (id, name) = key(&cloud).await?;
    let get = |with: bool| cloud.apigateway.get_api_key().api_key(&id).include_value(with).send();
    let (hidden, shown) = (get(false).await?, get(true).await?);
    no_key(&cloud, &id).await?;
    ensure!(hidden.value().is_none(), "{hidden:?}");
    ensure!(shown.value() == Some(&format!("{name}-value")), "{shown:?}");
    ensure!(shown.tags().is_some_and(|tags| tags.len() == 1 && tags["a"] == "b"), "{shown:?}");
    let gone = get(false).await;
    cloud.refused(gone, "NotFoundException", UNKNOWN)
}

async fn a_key_can_be_changed_but_for_its_value(cloud: Cloud) -> Result<()> {
    let (id, name) = key(&cloud).await?;
    let update = cloud.apigateway.update_api_key().api_key(&id);
    let patches = [patch(Op::Replace, "/enabled", "false"), patch(Op::Replace, "/description", "what for")];
    update.set_patch_operations(Some(patches.into())).send().await?;
    let found = cloud.apigateway.get_api_key().api_key(&id).include_value(true).send().await?;
    no_key(&cloud, &id).await?;
    ensure!(!found.enabled && found.description() == Some("what for") && found.name() == Some(&name), "{found:?}");
    ensure!(found.value() == Some(&format!("{name}-value")), "{found:?}");
    Ok(())
}

async fn a_key_s_value_has_twenty_characters_at_least(cloud: Cloud) -> Result<()> {
    let short = cloud.apigateway.create_api_key().name(cloud.name("key")).value("0123456789012345678").send().await;
    if let Ok(made) = &short {
        no_key(&cloud, made.id().unwrap_or_default()).await?;
    }
    cloud.refused(short, "BadRequestException", "API Key value should be at least 20 characters")
}

async fn a_plan_has_stages_that_there_are(cloud: Cloud) -> Result<()> {
    let (plan, api) = plan(&cloud).await?;
    let add = |value: String| {
        let update = cloud.apigateway.update_usage_plan().usage_plan_id(&plan);
        update.patch_operations(patch(Op::Add, "/apiStages", &value)).send()
    };
    let (none, wrong) = (add(format!("{api}:none")).await, add(api.clone()).await);
    no_plan(&cloud, &plan, &api).await?;
    let words = format!("Invalid API Stage {{api: {api}, stage: none}} specified for usageplan {plan}");
    cloud.refused(none, "NotFoundException", &words)?;
    cloud.refused(wrong, "BadRequestException", "Invalid API Stage specified")
}

async fn a_plan_s_limits_are_set_and_taken_off(cloud: Cloud) -> Result<()> {
    let (plan, api) = plan(&cloud).await?;
    let set = [
        ("/throttle/rateLimit", "2.5"),
        ("/throttle/burstLimit", "4"),
        ("/quota/limit", "100"),
        ("/quota/offset", "1"),
        ("/quota/period", "WEEK"),
    ];
    change(&cloud, &plan, set.map(|(path, value)| patch(Op::Replace, path, value))).await?;
    let found = cloud.apigateway.get_usage_plan().usage_plan_id(&plan).send().await?;
    let throttle = ThrottleSettings::builder().rate_limit(2.5).burst_limit(4).build();
    let quota = QuotaSettings::builder().limit(100).offset(1).period(QuotaPeriodType::Week).build();
    ensure!((found.throttle(), found.quota()) == (Some(&throttle), Some(&quota)), "{found:?}");
    change(&cloud, &plan, [patch(Op::Remove, "/throttle", ""), patch(Op::Remove, "/quota", "")]).await?;
    let found = cloud.apigateway.get_usage_plan().usage_plan_id(&plan).send().await?;
    ensure!(found.throttle().is_none_or(|limits| limits.burst_limit == 0), "{found:?}");
    ensure!(found.quota().is_none_or(|quota| quota.limit == 0), "{found:?}");
    no_plan(&cloud, &plan, &api).await
}

async fn a_plan_s_single_methods_have_limits_of_their_own(cloud: Cloud) -> Result<()> {
    let (plan, api) = plan(&cloud).await?;
    let at = format!("/apiStages/{api}:dev/throttle");
    let method = format!("{at}/~1orders~1{{id}}/GET");
    let set = [("rateLimit", "2"), ("burstLimit", "4")];
    change(&cloud, &plan, set.map(|(name, value)| patch(Op::Replace, &format!("{method}/{name}"), value))).await?;
    let shown = cloud.apigateway.get_usage_plan().usage_plan_id(&plan).send().await?;
    let limits = shown.api_stages()[0].throttle().context("no limits of methods")?;
    ensure!(limits.len() == 1 && limits["/orders/{id}/GET"].burst_limit == 4, "{limits:?}");
    change(&cloud, &plan, [patch(Op::Remove, &method, "")]).await?;
    let shown = cloud.apigateway.get_usage_plan().usage_plan_id(&plan).send().await?;
    let none = shown.api_stages()[0].throttle().is_none_or(std::collections::HashMap::is_empty);
    ensure!(none, "{shown:?}");
    no_plan(&cloud, &plan, &api).await
}

async fn a_plan_with_stages_is_not_deleted(cloud: Cloud) -> Result<()> {
    let (plan, api) = plan(&cloud).await?;
    let delete = cloud.apigateway.delete_usage_plan().usage_plan_id(&plan).send().await;
    let words = format!("Cannot delete Usage Plan {plan} because there are API Stages associated with it");
    cloud.refused(delete, "BadRequestException", &words)?;
    no_plan(&cloud, &plan, &api).await
}

async fn a_key_is_in_a_plan_until_it_is_taken_out(cloud: Cloud) -> Result<()> {
    let ((id, name), (plan, api)) = (key(&cloud).await?, plan(&cloud).await?);
    attach(&cloud, &plan, &id).await?;
    let keys = cloud.apigateway.get_usage_plan_keys().usage_plan_id(&plan).send().await?;
    let detach = || cloud.apigateway.delete_usage_plan_key().usage_plan_id(&plan).key_id(&id).send();
    detach().await?;
    let gone = detach().await;
    no_key(&cloud, &id).await?;
    no_plan(&cloud, &plan, &api).await?;
    ensure!(keys.items().len() == 1 && keys.items()[0].name() == Some(&name), "{keys:?}");
    cloud.refused(gone, "NotFoundException", "")
}

async fn a_key_is_in_a_plan_once(cloud: Cloud) -> Result<()> {
    let ((id, _), (plan, api)) = (key(&cloud).await?, plan(&cloud).await?);
    attach(&cloud, &plan, &id).await?;
    let again = cloud.apigateway.create_usage_plan_key().usage_plan_id(&plan).key_id(&id).key_type("API_KEY").send();
    let again = again.await;
    no_key(&cloud, &id).await?;
    no_plan(&cloud, &plan, &api).await?;
    cloud.refused(again, "ConflictException", "")
}

async fn a_deleted_key_is_in_no_plan(cloud: Cloud) -> Result<()> {
    let ((id, _), (plan, api)) = (key(&cloud).await?, plan(&cloud).await?);
    attach(&cloud, &plan, &id).await?;
    no_key(&cloud, &id).await?;
    let keys = cloud.apigateway.get_usage_plan_keys().usage_plan_id(&plan).send().await?;
    ensure!(keys.items().is_empty(), "{keys:?}");
    no_plan(&cloud, &plan, &api).await
}

async fn a_deleted_stage_is_in_no_plan(cloud: Cloud) -> Result<()> {
    let (plan, api) = plan(&cloud).await?;
    cloud.apigateway.delete_stage().rest_api_id(&api).stage_name("dev").send().await?;
    let found = cloud.apigateway.get_usage_plan().usage_plan_id(&plan).send().await?;
    ensure!(found.api_stages().is_empty(), "{found:?}");
    cloud.apigateway.delete_usage_plan().usage_plan_id(&plan).send().await?;
    Ok(())
}

/// Whether with their tags, too, is not known.
async fn plans_are_listed_with_their_stages(cloud: Cloud) -> Result<()> {
    let (plan, api) = plan(&cloud).await?;
    let name = cloud.name("plan");
    let bare = cloud.apigateway.create_usage_plan().name(&name).send().await?.id.context("no id")?;
    let pages = cloud.apigateway.get_usage_plans().limit(500).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await?;
    no_plan(&cloud, &plan, &api).await?;
    cloud.apigateway.delete_usage_plan().usage_plan_id(&bare).send().await?;
    let find = |id: &String| all.iter().find(|one| one.id() == Some(id)).context("it is not listed");
    let (plan, bare) = (find(&plan)?, find(&bare)?);
    ensure!(plan.api_stages().len() == 1 && plan.api_stages()[0].api_id() == Some(&api), "{plan:?}");
    ensure!(bare.name() == Some(&name) && bare.api_stages().is_empty(), "{bare:?}");
    Ok(())
}
