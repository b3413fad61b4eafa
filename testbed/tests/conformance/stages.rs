//! API Gateway: deployments and stages. Sources: corpora/aws-recorded, AWS.md §1 and §2.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use aws_sdk_apigateway::types::{AuthorizerType, CacheClusterStatus, IntegrationType, Op};

use super::apigateway::patch;
use super::cloud::{Case, Cloud, case};

pub const CASES: &[Case] = &[
    case!(an_api_without_methods_is_not_deployed),
    case!(a_method_without_integration_is_not_deployed),
    case!(a_deployment_is_a_snapshot, "it has no summary"),
    case!(a_deployment_has_a_description),
    case!(a_deployment_makes_its_stage),
    case!(a_deployment_in_use_is_not_deleted),
    case!(deployments_are_listed_in_pages, "`limit` is ignored (TESTBED §2)"),
    case!(a_stage_shows_defaults_for_what_was_not_said),
    case!(a_stage_needs_a_deployment_that_exists, "the testbed's patch answers NotFoundException"),
    case!(a_stage_is_there_once),
    case!(a_stage_can_be_moved_and_changed),
    case!(a_variable_is_set_by_replace_not_by_add, "the testbed's patch sets it"),
    case!(a_variable_has_a_word_for_a_name, "accepted"),
    case!(what_a_stage_does_not_have_is_refused),
    case!(a_stage_shows_a_client_certificate),
    case!(a_client_certificate_that_is_not_there),
    case!(stages_are_listed_by_deployment, "the filter is ignored"),
    case!(a_stage_is_exported_as_it_was_deployed),
    case!(an_export_says_whose_a_method_is_and_what_it_calls),
    case!(an_export_says_what_authorizes_callers),
    case!(a_stage_that_is_not_there),
    case!(a_deployment_that_is_not_there, "InternalError"),
    case!(a_deleted_api_takes_everything),
];

async fn deployed(cloud: &Cloud) -> Result<(String, String, String)> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let deployment = cloud.deploy(&api).await?;
    Ok((api, root, deployment))
}

async fn stage(cloud: &Cloud, api: &str, deployment: &str) -> Result<()> {
    let create = cloud.apigateway.create_stage().rest_api_id(api).stage_name("dev").deployment_id(deployment);
    create.variables("a", "1").send().await?;
    Ok(())
}

async fn an_api_without_methods_is_not_deployed(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let deploy = cloud.apigateway.create_deployment().rest_api_id(&api).send().await;
    cloud.refused(deploy, "BadRequestException", "The REST API doesn't contain any methods")
}

async fn a_method_without_integration_is_not_deployed(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    cloud.method(&api, &root, "POST").await?;
    let deploy = cloud.apigateway.create_deployment().rest_api_id(&api).send().await;
    cloud.refused(deploy, "BadRequestException", "No integration defined for method")
}

async fn a_deployment_is_a_snapshot(cloud: Cloud) -> Result<()> {
    let (api, root, deployment) = deployed(&cloud).await?;
    cloud.mock(&api, &root, "POST").await?;
    cloud.apigateway.delete_method().rest_api_id(&api).resource_id(&root).http_method("GET").send().await?;
    let get = cloud.apigateway.get_deployment().rest_api_id(&api).deployment_id(deployment).embed("apisummary");
    let found = get.send().await?;
    let verbs: Vec<&String> = found.api_summary().context("no summary")?["/"].keys().collect();
    ensure!(verbs == ["GET"], "{found:?}");
    Ok(())
}

async fn a_deployment_has_a_description(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let deploy = cloud.apigateway.create_deployment().rest_api_id(&api).description("revision 1, content x");
    let id = deploy.send().await?.id.context("no id")?;
    let found = cloud.apigateway.get_deployments().rest_api_id(&api).limit(500).send().await?;
    let [deployment] = found.items() else { anyhow::bail!("{found:?}") };
    let described = deployment.description() == Some("revision 1, content x");
    ensure!(deployment.id() == Some(&id) && described, "{found:?}");
    Ok(())
}

async fn a_deployment_makes_its_stage(cloud: Cloud) -> Result<()> {
    let (api, _, _) = deployed(&cloud).await?;
    for _ in 0..2 {
        let deploy = cloud.apigateway.create_deployment().rest_api_id(&api).stage_name("dev").send().await?;
        let stage = cloud.apigateway.get_stage().rest_api_id(&api).stage_name("dev").send().await?;
        ensure!(stage.deployment_id == deploy.id, "{stage:?}");
    }
    Ok(())
}

async fn a_deployment_in_use_is_not_deleted(cloud: Cloud) -> Result<()> {
    let (api, _, first) = deployed(&cloud).await?;
    stage(&cloud, &api, &first).await?;
    let delete = |id: &str| cloud.apigateway.delete_deployment().rest_api_id(&api).deployment_id(id).send();
    let words = "Active stages pointing to this deployment must be moved or deleted";
    cloud.refused(delete(&first).await, "BadRequestException", words)?;
    let second = cloud.deploy(&api).await?;
    let update = cloud.apigateway.update_stage().rest_api_id(&api).stage_name("dev");
    update.patch_operations(patch(Op::Replace, "/deploymentId", &second)).send().await?;
    delete(&first).await?;
    cloud.refused(delete(&second).await, "BadRequestException", words)?;
    cloud.refused(delete(&first).await, "NotFoundException", "Invalid Deployment identifier specified")
}

async fn deployments_are_listed_in_pages(cloud: Cloud) -> Result<()> {
    let (api, _, _) = deployed(&cloud).await?;
    cloud.deploy(&api).await?;
    let first = cloud.apigateway.get_deployments().rest_api_id(&api).limit(1).send().await?;
    ensure!(first.items().len() == 1 && first.position.is_some(), "{first:?}");
    let pages = cloud.apigateway.get_deployments().rest_api_id(&api).limit(1).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await?;
    ensure!(all.len() == 2, "{all:?}");
    Ok(())
}

async fn a_stage_shows_defaults_for_what_was_not_said(cloud: Cloud) -> Result<()> {
    let (api, _, deployment) = deployed(&cloud).await?;
    stage(&cloud, &api, &deployment).await?;
    let found = cloud.apigateway.get_stages().rest_api_id(&api).send().await?;
    let [found] = found.item() else { anyhow::bail!("{found:?}") };
    ensure!(!found.cache_cluster_enabled && !found.tracing_enabled, "{found:?}");
    ensure!(found.cache_cluster_status == Some(CacheClusterStatus::NotAvailable), "{found:?}");
    ensure!(found.description.is_none() && found.method_settings().is_none_or(HashMap::is_empty), "{found:?}");
    ensure!(found.variables() == Some(&HashMap::from([("a".to_owned(), "1".to_owned())])), "{found:?}");
    Ok(())
}

async fn a_stage_needs_a_deployment_that_exists(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let create = cloud.apigateway.create_stage().rest_api_id(&api).stage_name("dev").deployment_id("none").send().await;
    cloud.refused(create, "BadRequestException", "Deployment id does not exist")
}

async fn a_stage_is_there_once(cloud: Cloud) -> Result<()> {
    let (api, _, deployment) = deployed(&cloud).await?;
    stage(&cloud, &api, &deployment).await?;
    let again =
        cloud.apigateway.create_stage().rest_api_id(&api).stage_name("dev").deployment_id(deployment).send().await;
    cloud.refused(again, "ConflictException", "Stage already exists")
}

async fn a_stage_can_be_moved_and_changed(cloud: Cloud) -> Result<()> {
    let (api, _, first) = deployed(&cloud).await?;
    stage(&cloud, &api, &first).await?;
    let second = cloud.deploy(&api).await?;
    let patches = [
        patch(Op::Replace, "/deploymentId", &second),
        patch(Op::Replace, "/description", "what for"),
        patch(Op::Replace, "/variables/b", "2"),
        patch(Op::Remove, "/variables/a", ""),
    ];
    let update = cloud.apigateway.update_stage().rest_api_id(&api).stage_name("dev");
    update.set_patch_operations(Some(patches.into())).send().await?;
    let found = cloud.apigateway.get_stage().rest_api_id(&api).stage_name("dev").send().await?;
    ensure!(found.deployment_id() == Some(&second) && found.description() == Some("what for"), "{found:?}");
    ensure!(found.variables() == Some(&HashMap::from([("b".to_owned(), "2".to_owned())])), "{found:?}");
    Ok(())
}

async fn update(cloud: &Cloud, op: Op, path: &str, value: &str, words: &str) -> Result<()> {
    let (api, _, deployment) = deployed(cloud).await?;
    stage(cloud, &api, &deployment).await?;
    let update = cloud.apigateway.update_stage().rest_api_id(&api).stage_name("dev");
    cloud.refused(update.patch_operations(patch(op, path, value)).send().await, "BadRequestException", words)
}

async fn a_variable_is_set_by_replace_not_by_add(cloud: Cloud) -> Result<()> {
    update(&cloud, Op::Add, "/variables/x", "1", "Invalid add operation with path: /variables/x").await
}

async fn a_variable_has_a_word_for_a_name(cloud: Cloud) -> Result<()> {
    update(&cloud, Op::Replace, "/variables/a:b", "1", "Invalid stage variable name: a:b.").await
}

async fn what_a_stage_does_not_have_is_refused(cloud: Cloud) -> Result<()> {
    update(&cloud, Op::Replace, "/nothing", "1", "Invalid method setting path: /nothing. Must be one of").await
}

/// Made, named and taken away again; AWS lets go of what no stage names.
async fn a_stage_shows_a_client_certificate(cloud: Cloud) -> Result<()> {
    let (api, _, deployment) = deployed(&cloud).await?;
    stage(&cloud, &api, &deployment).await?;
    let made = cloud.apigateway.generate_client_certificate().description(cloud.name("certificate")).send().await?;
    let id = made.client_certificate_id.context("no id")?;
    ensure!(made.pem_encoded_certificate.is_some() && made.expiration_date.is_some(), "no PEM text, or no end");
    for (value, shown) in [(id.as_str(), Some(id.as_str())), ("", None)] {
        let update = cloud.apigateway.update_stage().rest_api_id(&api).stage_name("dev");
        update.patch_operations(patch(Op::Replace, "/clientCertificateId", value)).send().await?;
        let found = cloud.apigateway.get_stages().rest_api_id(&api).send().await?;
        let named = found.item()[0].client_certificate_id().filter(|id| !id.is_empty());
        ensure!(named == shown, "{found:?}");
    }
    cloud.apigateway.delete_client_certificate().client_certificate_id(&id).send().await?;
    let gone = cloud.apigateway.get_client_certificate().client_certificate_id(&id).send().await;
    cloud.refused(gone, "NotFoundException", "")
}

async fn a_client_certificate_that_is_not_there(cloud: Cloud) -> Result<()> {
    let (api, _, deployment) = deployed(&cloud).await?;
    stage(&cloud, &api, &deployment).await?;
    let update = cloud.apigateway.update_stage().rest_api_id(&api).stage_name("dev");
    let update = update.patch_operations(patch(Op::Replace, "/clientCertificateId", "none00")).send().await;
    cloud.refused(update, "NotFoundException", "Invalid Client Certificate identifier specified")
}

async fn stages_are_listed_by_deployment(cloud: Cloud) -> Result<()> {
    let (api, _, first) = deployed(&cloud).await?;
    stage(&cloud, &api, &first).await?;
    let second = cloud.deploy(&api).await?;
    let list = |id: &str| cloud.apigateway.get_stages().rest_api_id(&api).deployment_id(id).send();
    let (one, none) = (list(&first).await?, list(&second).await?);
    ensure!(one.item().len() == 1 && none.item().is_empty(), "{one:?} {none:?}");
    Ok(())
}

async fn a_stage_is_exported_as_it_was_deployed(cloud: Cloud) -> Result<()> {
    let (api, root, deployment) = deployed(&cloud).await?;
    stage(&cloud, &api, &deployment).await?;
    cloud.mock(&api, &root, "POST").await?;
    let export = cloud.apigateway.get_export().rest_api_id(&api).stage_name("dev").export_type("oas30");
    let export = export.parameters("extensions", "apigateway").accepts("application/json").send().await?;
    let found: serde_json::Value = serde_json::from_slice(export.body().context("no body")?.as_ref())?;
    let integration = &found["paths"]["/"]["get"]["x-amazon-apigateway-integration"];
    let kind = integration["type"].as_str().map(str::to_lowercase);
    ensure!(kind.as_deref() == Some("mock") && integration["requestTemplates"].is_object(), "{found}");
    ensure!(found["paths"]["/"]["post"].is_null(), "it shows what was not deployed: {found}");
    Ok(())
}

/// What the stage `dev` serves, with the extensions that are asked for.
async fn exported(cloud: &Cloud, api: &str, extensions: &str) -> Result<serde_json::Value> {
    let export = cloud.apigateway.get_export().rest_api_id(api).stage_name("dev").export_type("oas30");
    let export = export.parameters("extensions", extensions).accepts("application/json").send().await?;
    Ok(serde_json::from_slice(export.body().context("no body")?.as_ref())?)
}

const INTEGRATION: &str = "x-amazon-apigateway-integration";

async fn an_export_says_whose_a_method_is_and_what_it_calls(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let client = &cloud.apigateway;
    let put = client.put_method().rest_api_id(&api).resource_id(&root).http_method("ANY").authorization_type("AWS_IAM");
    put.operation_name("team_route").api_key_required(true).send().await?;
    let uri = format!("arn:aws:apigateway:{}:states:action/StartExecution", cloud.region);
    let role = format!("arn:aws:iam::{}:role/stepgate-conformance-invoke", cloud.account);
    let put = client.put_integration().rest_api_id(&api).resource_id(&root).http_method("ANY").uri(&uri);
    let put = put.r#type(IntegrationType::Aws).integration_http_method("POST").credentials(&role);
    let put = put.request_templates("application/json", "$input.body").passthrough_behavior("NEVER");
    put.send().await?;
    let deployment = cloud.deploy(&api).await?;
    stage(&cloud, &api, &deployment).await?;

    let found = exported(&cloud, &api, "integrations,authorizers").await?;
    let method = &found["paths"]["/"]["x-amazon-apigateway-any-method"];
    ensure!(method["operationId"] == "team_route", "{found}");
    let called = &method[INTEGRATION];
    let spoken = [("type", "aws"), ("httpMethod", "POST"), ("uri", &uri), ("credentials", &role)];
    ensure!(spoken.iter().all(|(name, value)| called[*name] == **value), "{called}");
    ensure!(called["requestTemplates"]["application/json"] == "$input.body", "{called}");
    ensure!(called["passthroughBehavior"] == "never", "{called}");
    let schemes = &found["components"]["securitySchemes"];
    let named = method["security"].as_array().context("no security")?;
    for name in ["sigv4", "api_key"] {
        ensure!(named.iter().any(|one| one[name].is_array()) && schemes[name]["type"] == "apiKey", "{name}: {found}");
    }
    ensure!(schemes["sigv4"]["x-amazon-apigateway-authtype"] == "awsSigv4", "{schemes}");
    let plain = exported(&cloud, &api, "authorizers").await?;
    let method = &plain["paths"]["/"]["x-amazon-apigateway-any-method"];
    ensure!(method["operationId"] == "team_route" && method[INTEGRATION].is_null(), "{plain}");
    Ok(())
}

async fn an_export_says_what_authorizes_callers(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let client = &cloud.apigateway;
    let function = format!("arn:aws:lambda:{}:{}:function:authorize", cloud.region, cloud.account);
    let uri = format!("arn:aws:apigateway:{}:lambda:path/2015-03-31/functions/{function}/invocations", cloud.region);
    let role = format!("arn:aws:iam::{}:role/stepgate-conformance-authorize", cloud.account);
    let create = client.create_authorizer().rest_api_id(&api).name("jwt").r#type(AuthorizerType::Token);
    let create = create.authorizer_uri(&uri).authorizer_credentials(&role);
    let authorizer = create.identity_source("method.request.header.Authorization").send().await?;
    cloud.mock(&api, &root, "GET").await?;
    let patches = [
        patch(Op::Replace, "/authorizationType", "CUSTOM"),
        patch(Op::Replace, "/authorizerId", authorizer.id().context("no id")?),
    ];
    let update = client.update_method().rest_api_id(&api).resource_id(&root).http_method("GET");
    update.set_patch_operations(Some(patches.into())).send().await?;
    let deployment = cloud.deploy(&api).await?;
    stage(&cloud, &api, &deployment).await?;

    let found = exported(&cloud, &api, "integrations,authorizers").await?;
    let scheme = &found["components"]["securitySchemes"]["jwt"];
    ensure!(found["paths"]["/"]["get"]["security"][0]["jwt"].is_array(), "{found}");
    ensure!(scheme["x-amazon-apigateway-authtype"] == "custom", "{scheme}");
    let shown = &scheme["x-amazon-apigateway-authorizer"];
    ensure!(shown["authorizerCredentials"] == role && shown["authorizerUri"] == uri, "{shown}");
    let kind = shown["type"].as_str();
    ensure!(kind == Some("token"), "{shown}");
    Ok(())
}

async fn a_stage_that_is_not_there(cloud: Cloud) -> Result<()> {
    let ((api, _), client, code) = (cloud.api().await?, &cloud.apigateway, "NotFoundException");
    let stage = client.get_stage().rest_api_id(&api).stage_name("none").send().await;
    cloud.refused(stage, code, "Invalid stage identifier specified")?;
    let stage = client.delete_stage().rest_api_id(&api).stage_name("none").send().await;
    cloud.refused(stage, code, "Invalid stage identifier specified")
}

async fn a_deployment_that_is_not_there(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let found = cloud.apigateway.get_deployment().rest_api_id(&api).deployment_id("none").send().await;
    cloud.refused(found, "NotFoundException", "Invalid Deployment identifier specified")
}

async fn a_deleted_api_takes_everything(cloud: Cloud) -> Result<()> {
    let (api, _, deployment) = deployed(&cloud).await?;
    stage(&cloud, &api, &deployment).await?;
    cloud.apigateway.delete_rest_api().rest_api_id(&api).send().await?;
    let found = cloud.apigateway.get_stages().rest_api_id(&api).send().await;
    cloud.refused(found, "NotFoundException", "")
}
