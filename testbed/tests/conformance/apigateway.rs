//! API Gateway: APIs, resources, methods, integrations, responses. Sources: corpora/aws-recorded, AWS.md §1 and §2.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use aws_sdk_apigateway::types::{
    EndpointConfiguration, EndpointType, Integration, IntegrationType, IpAddressType, Op, PatchOperation, Resource,
};

use super::cloud::{Case, Cloud, case};

pub const CASES: &[Case] = &[
    case!(an_api_shows_defaults_for_what_was_not_said),
    case!(two_apis_may_have_one_name),
    case!(an_empty_description_is_refused),
    case!(an_api_that_is_not_there),
    case!(an_api_can_be_changed),
    case!(what_an_api_does_not_have_is_refused, "the patch is ignored"),
    case!(the_endpoint_of_an_api_can_be_changed),
    case!(an_api_has_tags),
    case!(apis_are_listed_in_pages, "`limit` is ignored (TESTBED §2)"),
    case!(a_new_api_has_its_root),
    case!(a_path_part_is_there_once),
    case!(a_level_has_one_parameter),
    case!(below_a_greedy_parameter_is_nothing),
    case!(a_path_part_has_its_characters, "`{a` is accepted"),
    case!(a_deleted_resource_takes_all_below_it),
    case!(the_root_stays, "InternalError"),
    case!(a_parent_must_be_there),
    case!(resources_are_listed_in_pages, "`limit` is ignored (TESTBED §2)"),
    case!(a_whole_api_is_read_at_once),
    case!(a_method_is_there_once),
    case!(a_method_has_a_known_verb),
    case!(a_method_needs_its_authorizer),
    case!(a_method_can_be_changed),
    case!(a_method_response_is_there_once, "accepted (TESTBED §2)"),
    case!(a_method_response_can_be_changed),
    case!(an_integration_needs_its_method),
    case!(an_integration_shows_defaults_for_what_was_not_said),
    case!(an_integration_has_a_timeout_within_bounds, "10 ms are accepted (TESTBED §2)"),
    case!(an_integration_with_aws_is_an_action_or_path),
    case!(an_integration_sets_declared_parameters_only, "not checked"),
    case!(an_integration_can_be_changed),
    case!(the_passthrough_of_an_integration_can_be_changed),
    case!(put_integration_replaces_its_responses),
    case!(an_integration_response_is_of_a_declared_status),
    case!(a_mock_answers_without_declaring, "the testbed's patch refuses it for every type"),
    case!(an_empty_template_comes_back_as_none),
    case!(what_is_not_there_is_not_deleted),
    case!(a_response_that_is_not_there_is_not_deleted, "InternalError"),
    case!(a_deleted_response_is_gone),
];

pub fn patch(op: Op, path: &str, value: &str) -> PatchOperation {
    PatchOperation::builder().op(op).path(path).value(value).build()
}

async fn an_api_shows_defaults_for_what_was_not_said(cloud: Cloud) -> Result<()> {
    let (id, _) = cloud.api().await?;
    let found = cloud.apigateway.get_rest_api().rest_api_id(&id).send().await?;
    let endpoint = found.endpoint_configuration.as_ref().context("no endpoint")?;
    ensure!(endpoint.types() == [EndpointType::Edge], "{found:?}");
    ensure!(endpoint.ip_address_type == Some(IpAddressType::Ipv4), "{found:?}");
    ensure!(
        found.description.is_none() && found.tags.is_none() && found.minimum_compression_size.is_none(),
        "{found:?}"
    );
    ensure!(found.api_key_source.as_ref().is_some_and(|source| source.as_str() == "HEADER"), "{found:?}");
    Ok(())
}

async fn two_apis_may_have_one_name(cloud: Cloud) -> Result<()> {
    let name = cloud.name("api");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let id = cloud.apigateway.create_rest_api().name(&name).send().await?.id.context("no id")?;
        cloud.made_api(&id);
        ids.push(id);
    }
    ensure!(ids[0] != ids[1]);
    Ok(())
}

async fn an_empty_description_is_refused(cloud: Cloud) -> Result<()> {
    let create = cloud.apigateway.create_rest_api().name(cloud.name("api")).description("").send().await;
    cloud.refused(create, "BadRequestException", "Description cannot be an empty string")
}

async fn an_api_that_is_not_there(cloud: Cloud) -> Result<()> {
    let (client, code) = (&cloud.apigateway, "NotFoundException");
    let words = format!("Invalid API identifier specified {}:none000000", cloud.account);
    cloud.refused(client.get_rest_api().rest_api_id("none000000").send().await, code, &words)?;
    cloud.refused(client.delete_rest_api().rest_api_id("none000000").send().await, code, &words)?;
    let put = client.put_method().rest_api_id("none000000").resource_id("none").http_method("GET");
    let put = put.authorization_type("NONE").send().await;
    cloud.refused(put, code, "Invalid Resource identifier specified")
}

async fn an_api_can_be_changed(cloud: Cloud) -> Result<()> {
    let (id, _) = cloud.api().await?;
    let name = cloud.name("changed");
    let patches = [patch(Op::Replace, "/name", &name), patch(Op::Replace, "/description", "what for")];
    cloud.apigateway.update_rest_api().rest_api_id(&id).set_patch_operations(Some(patches.into())).send().await?;
    let found = cloud.apigateway.get_rest_api().rest_api_id(&id).send().await?;
    ensure!(found.name() == Some(&name) && found.description() == Some("what for"), "{found:?}");
    Ok(())
}

async fn what_an_api_does_not_have_is_refused(cloud: Cloud) -> Result<()> {
    let (id, _) = cloud.api().await?;
    let update = cloud.apigateway.update_rest_api().rest_api_id(&id);
    let update = update.patch_operations(patch(Op::Replace, "/nothing", "x")).send().await;
    cloud.refused(update, "BadRequestException", "Invalid patch path /nothing")
}

async fn the_endpoint_of_an_api_can_be_changed(cloud: Cloud) -> Result<()> {
    let (id, _) = cloud.api().await?;
    let update = cloud.apigateway.update_rest_api().rest_api_id(&id);
    update.patch_operations(patch(Op::Replace, "/endpointConfiguration/types/0", "REGIONAL")).send().await?;
    let found = cloud.apigateway.get_rest_api().rest_api_id(&id).send().await?;
    let types = found.endpoint_configuration().map(EndpointConfiguration::types);
    ensure!(types == Some(&[EndpointType::Regional]), "{found:?}");
    Ok(())
}

async fn an_api_has_tags(cloud: Cloud) -> Result<()> {
    let client = &cloud.apigateway;
    let made = client.create_rest_api().name(cloud.name("api")).tags("a", "1").tags("b", "2").send().await?;
    let id = made.id.context("no id")?;
    cloud.made_api(&id);
    let arn = format!("arn:aws:apigateway:{}::/restapis/{id}", cloud.region);
    client.tag_resource().resource_arn(&arn).tags("stepgate.dev/kind", "x").tags("a", "3").send().await?;
    client.untag_resource().resource_arn(&arn).tag_keys("b").tag_keys("none").send().await?;
    let found = client.get_rest_api().rest_api_id(&id).send().await?;
    let expected = [("a", "3"), ("stepgate.dev/kind", "x")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    ensure!(found.tags() == Some(&expected.clone().into()), "{found:?}");
    let found = client.get_tags().resource_arn(&arn).send().await?;
    ensure!(found.tags() == Some(&expected.into()), "{found:?}");
    Ok(())
}

async fn apis_are_listed_in_pages(cloud: Cloud) -> Result<()> {
    let ids = [cloud.api().await?.0, cloud.api().await?.0, cloud.api().await?.0];
    let first = cloud.apigateway.get_rest_apis().limit(1).send().await?;
    ensure!(first.items().len() == 1 && first.position.is_some(), "{first:?}");
    let pages = cloud.apigateway.get_rest_apis().limit(1).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await?;
    for id in ids {
        ensure!(all.iter().filter(|api| api.id() == Some(&id)).count() == 1, "{all:?}");
    }
    Ok(())
}

async fn resources(cloud: &Cloud, api: &str) -> Result<Vec<Resource>> {
    let get = cloud.apigateway.get_resources().rest_api_id(api).embed("methods").limit(500);
    Ok(get.into_paginator().items().send().collect::<Result<Vec<_>, _>>().await?)
}

fn paths(resources: &[Resource]) -> Vec<&str> {
    let mut paths: Vec<_> = resources.iter().filter_map(Resource::path).collect();
    paths.sort_unstable();
    paths
}

async fn a_new_api_has_its_root(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let found = resources(&cloud, &api).await?;
    ensure!(paths(&found) == ["/"] && found[0].id() == Some(&root) && found[0].parent_id().is_none(), "{found:?}");
    Ok(())
}

async fn a_path_part_is_there_once(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.resource(&api, &root, "orders").await?;
    let again = cloud.apigateway.create_resource().rest_api_id(&api).parent_id(&root).path_part("orders").send().await;
    let words = "Another resource with the same parent already has this name: orders";
    cloud.refused(again, "ConflictException", words)
}

async fn a_level_has_one_parameter(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.resource(&api, &root, "{id}").await?;
    let other = cloud.apigateway.create_resource().rest_api_id(&api).parent_id(&root).path_part("{key}").send().await;
    let words = "A sibling ({id}) of this resource already has a variable path part -- only one is allowed";
    cloud.refused(other, "BadRequestException", words)
}

async fn below_a_greedy_parameter_is_nothing(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let greedy = cloud.resource(&api, &root, "{proxy+}").await?;
    let below = cloud.apigateway.create_resource().rest_api_id(&api).parent_id(&greedy).path_part("a").send().await;
    let words = "Cannot create a child of a resource with a greedy path variable: {proxy+}";
    cloud.refused(below, "BadRequestException", words)
}

async fn a_path_part_has_its_characters(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    for bad in ["a b", "{a", "a/b"] {
        let create = cloud.apigateway.create_resource().rest_api_id(&api).parent_id(&root).path_part(bad).send().await;
        cloud.refused(create, "BadRequestException", "Resource's path part only allow a-zA-Z0-9._-:")?;
    }
    Ok(())
}

async fn a_deleted_resource_takes_all_below_it(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let orders = cloud.resource(&api, &root, "orders").await?;
    let id = cloud.resource(&api, &orders, "{id}").await?;
    cloud.method(&api, &id, "GET").await?;
    cloud.apigateway.delete_resource().rest_api_id(&api).resource_id(&orders).send().await?;
    let left = resources(&cloud, &api).await?;
    ensure!(paths(&left) == ["/"], "{left:?}");
    let again = cloud.apigateway.delete_resource().rest_api_id(&api).resource_id(&id).send().await;
    cloud.refused(again, "NotFoundException", "Invalid Resource identifier specified")
}

async fn the_root_stays(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let delete = cloud.apigateway.delete_resource().rest_api_id(&api).resource_id(&root).send().await;
    cloud.refused(delete, "BadRequestException", "")
}

async fn a_parent_must_be_there(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let create = cloud.apigateway.create_resource().rest_api_id(&api).parent_id("none").path_part("a").send().await;
    cloud.refused(create, "NotFoundException", "Invalid Resource identifier specified")
}

async fn resources_are_listed_in_pages(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    for part in ["a", "b", "c"] {
        cloud.resource(&api, &root, part).await?;
    }
    let first = cloud.apigateway.get_resources().rest_api_id(&api).limit(3).send().await?;
    ensure!(first.items().len() == 3 && first.position.is_some(), "{first:?}");
    let pages = cloud.apigateway.get_resources().rest_api_id(&api).limit(3).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await?;
    ensure!(paths(&all) == ["/", "/a", "/b", "/c"], "{all:?}");
    Ok(())
}

async fn a_whole_api_is_read_at_once(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let id = cloud.resource(&api, &root, "{id}").await?;
    cloud.mock(&api, &id, "GET").await?;
    let put = cloud.apigateway.put_method_response().rest_api_id(&api).resource_id(&id).http_method("GET");
    put.status_code("200").send().await?;
    let put = cloud.apigateway.put_integration_response().rest_api_id(&api).resource_id(&id).http_method("GET");
    put.status_code("200").response_templates("application/json", "x").send().await?;
    let found = resources(&cloud, &api).await?;
    let resource = found.iter().find(|one| one.path() == Some("/{id}")).context("no resource")?;
    let method = &resource.resource_methods().context("no methods")?["GET"];
    ensure!(method.method_responses().is_some_and(|all| all.contains_key("200")), "{method:?}");
    let integration = method.method_integration().context("no integration")?;
    let response = &integration.integration_responses().context("no responses")?["200"];
    ensure!(response.response_templates().is_some_and(|all| all["application/json"] == "x"), "{response:?}");
    Ok(())
}

async fn a_method_is_there_once(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.method(&api, &root, "GET").await?;
    let again = cloud.apigateway.put_method().rest_api_id(&api).resource_id(&root).http_method("GET");
    let again = again.authorization_type("NONE").send().await;
    cloud.refused(again, "ConflictException", "Method already exists for this resource")
}

async fn a_method_has_a_known_verb(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let put = cloud.apigateway.put_method().rest_api_id(&api).resource_id(&root).http_method("FETCH");
    let put = put.authorization_type("NONE").send().await;
    cloud.refused(put, "BadRequestException", "Invalid HttpMethod specified.")
}

async fn a_method_needs_its_authorizer(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let put = cloud.apigateway.put_method().rest_api_id(&api).resource_id(&root).http_method("GET");
    let put = put.authorization_type("CUSTOM").send().await;
    cloud.refused(put, "BadRequestException", "Invalid authorizer ID specified.")
}

async fn a_method_can_be_changed(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.method(&api, &root, "GET").await?;
    let update = || cloud.apigateway.update_method().rest_api_id(&api).resource_id(&root).http_method("GET");
    let patches = [
        patch(Op::Replace, "/authorizationType", "AWS_IAM"),
        patch(Op::Replace, "/apiKeyRequired", "true"),
        patch(Op::Replace, "/operationName", "demo_x"),
    ];
    update().set_patch_operations(Some(patches.into())).send().await?;
    let found = cloud.apigateway.get_method().rest_api_id(&api).resource_id(&root).http_method("GET").send().await?;
    ensure!(found.authorization_type() == Some("AWS_IAM") && found.api_key_required == Some(true), "{found:?}");
    ensure!(found.operation_name() == Some("demo_x"), "{found:?}");
    let added = update().patch_operations(patch(Op::Add, "/operationName", "x")).send().await;
    cloud.refused(added, "BadRequestException", "Invalid patch operation specified. Must be one of: [replace]")
}

async fn a_method_response_is_there_once(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.method(&api, &root, "GET").await?;
    let put = || {
        let put = cloud.apigateway.put_method_response().rest_api_id(&api).resource_id(&root).http_method("GET");
        put.status_code("200").send()
    };
    put().await?;
    cloud.refused(put().await, "ConflictException", "Response already exists for this resource")
}

async fn a_method_response_can_be_changed(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.method(&api, &root, "GET").await?;
    let put = cloud.apigateway.put_method_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    put.status_code("200").response_parameters("method.response.header.a", false).send().await?;
    let patches = [
        patch(Op::Add, "/responseParameters/method.response.header.b", "false"),
        patch(Op::Remove, "/responseParameters/method.response.header.a", ""),
        patch(Op::Add, "/responseModels/application~1json", "Empty"),
    ];
    let update = cloud.apigateway.update_method_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    update.status_code("200").set_patch_operations(Some(patches.into())).send().await?;
    let found = cloud.apigateway.get_method().rest_api_id(&api).resource_id(&root).http_method("GET").send().await?;
    let found = &found.method_responses().context("no responses")?["200"];
    let is = |names: Option<Vec<&String>>, name: &str| names.is_some_and(|names| names == [name]);
    ensure!(is(found.response_parameters().map(|all| all.keys().collect()), "method.response.header.b"), "{found:?}");
    ensure!(is(found.response_models().map(|all| all.values().collect()), "Empty"), "{found:?}");
    Ok(())
}

async fn an_integration_needs_its_method(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let put = cloud.apigateway.put_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
    let put = put.r#type(IntegrationType::Mock).send().await;
    cloud.refused(put, "NotFoundException", "Invalid Method identifier specified")
}

fn start_execution(cloud: &Cloud) -> String {
    format!("arn:aws:apigateway:{}:states:action/StartExecution", cloud.region)
}

/// A method that starts executions.
async fn starting(cloud: &Cloud) -> Result<(String, String, String)> {
    let (api, root) = cloud.api().await?;
    let (_, role) = cloud.role("apigateway.amazonaws.com").await?;
    cloud.method(&api, &root, "GET").await?;
    let put = cloud.apigateway.put_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
    let put = put.r#type(IntegrationType::Aws).integration_http_method("POST").uri(start_execution(cloud));
    put.credentials(&role).request_templates("application/json", "{}").send().await?;
    Ok((api, root, role))
}

async fn integration(cloud: &Cloud, api: &str, resource: &str) -> Result<Integration> {
    let found = cloud.apigateway.get_method().rest_api_id(api).resource_id(resource).http_method("GET").send().await?;
    found.method_integration.context("no integration")
}

async fn an_integration_shows_defaults_for_what_was_not_said(cloud: Cloud) -> Result<()> {
    let (api, root, role) = starting(&cloud).await?;
    let found = integration(&cloud, &api, &root).await?;
    ensure!(found.timeout_in_millis == 29_000, "{found:?}");
    ensure!(found.passthrough_behavior() == Some("WHEN_NO_MATCH"), "{found:?}");
    ensure!(found.cache_namespace() == Some(&root) && found.cache_key_parameters().is_empty(), "{found:?}");
    ensure!(found.http_method() == Some("POST") && found.credentials() == Some(&role), "{found:?}");
    ensure!(found.uri() == Some(&start_execution(&cloud)) && found.integration_responses.is_none(), "{found:?}");
    Ok(())
}

async fn an_integration_has_a_timeout_within_bounds(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.method(&api, &root, "GET").await?;
    let put = cloud.apigateway.put_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
    let put = put.r#type(IntegrationType::Mock).timeout_in_millis(10).send().await;
    cloud.refused(put, "BadRequestException", "Timeout should be between 50 ms and 29000 ms")
}

async fn an_integration_with_aws_is_an_action_or_path(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.method(&api, &root, "GET").await?;
    let put = |uri: &str| {
        let put = cloud.apigateway.put_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
        put.r#type(IntegrationType::Aws).integration_http_method("POST").uri(uri).send()
    };
    cloud.refused(put("none").await, "BadRequestException", "Invalid ARN specified in the request")?;
    let other = put("arn:aws:iam::111122223333:role/x").await;
    cloud.refused(other, "BadRequestException", "AWS ARN for integration must contain path or action")
}

async fn an_integration_sets_declared_parameters_only(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.method(&api, &root, "GET").await?;
    let put = cloud.apigateway.put_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
    let put = put.r#type(IntegrationType::Aws).integration_http_method("POST").uri(start_execution(&cloud));
    let put = put.request_parameters("integration.request.header.x", "method.request.header.undeclared").send().await;
    cloud.refused(put, "BadRequestException", "Invalid mapping expression")
}

async fn an_integration_can_be_changed(cloud: Cloud) -> Result<()> {
    let (api, root, _) = starting(&cloud).await?;
    let update = || cloud.apigateway.update_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
    let patches = [
        patch(Op::Replace, "/uri", &start_execution(&cloud).replace("StartExecution", "StopExecution")),
        patch(Op::Replace, "/timeoutInMillis", "1000"),
        patch(Op::Add, "/requestTemplates/text~1plain", "a"),
        patch(Op::Replace, "/requestTemplates/application~1json", "b"),
        patch(Op::Add, "/requestParameters/integration.request.header.x", "'y'"),
    ];
    update().set_patch_operations(Some(patches.into())).send().await?;
    let found = integration(&cloud, &api, &root).await?;
    ensure!(found.uri().is_some_and(|uri| uri.ends_with("StopExecution")), "{found:?}");
    ensure!(found.timeout_in_millis == 1000, "{found:?}");
    let templates =
        [("text/plain", "a"), ("application/json", "b")].map(|(key, value)| (key.to_owned(), value.to_owned()));
    ensure!(found.request_templates() == Some(&templates.into()), "{found:?}");
    ensure!(found.request_parameters().is_some_and(|all| all["integration.request.header.x"] == "'y'"), "{found:?}");
    update().patch_operations(patch(Op::Remove, "/requestTemplates/text~1plain", "")).send().await?;
    let found = integration(&cloud, &api, &root).await?;
    ensure!(found.request_templates().is_some_and(|all| all.len() == 1), "{found:?}");
    Ok(())
}

async fn the_passthrough_of_an_integration_can_be_changed(cloud: Cloud) -> Result<()> {
    let (api, root, _) = starting(&cloud).await?;
    let update = cloud.apigateway.update_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
    update.patch_operations(patch(Op::Replace, "/passthroughBehavior", "NEVER")).send().await?;
    let found = integration(&cloud, &api, &root).await?;
    ensure!(found.passthrough_behavior() == Some("NEVER"), "{found:?}");
    Ok(())
}

/// A mock that answers with a declared status.
async fn answering(cloud: &Cloud) -> Result<(String, String)> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let put = cloud.apigateway.put_method_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    put.status_code("200").send().await?;
    let put = cloud.apigateway.put_integration_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    put.status_code("200").send().await?;
    Ok((api, root))
}

async fn put_integration_replaces_its_responses(cloud: Cloud) -> Result<()> {
    let (api, root) = answering(&cloud).await?;
    let put = cloud.apigateway.put_integration().rest_api_id(&api).resource_id(&root).http_method("GET");
    put.r#type(IntegrationType::Mock).send().await?;
    let found = integration(&cloud, &api, &root).await?;
    ensure!(found.integration_responses().is_none_or(|all| all.is_empty()), "{found:?}");
    Ok(())
}

async fn an_integration_response_is_of_a_declared_status(cloud: Cloud) -> Result<()> {
    let (api, root, _) = starting(&cloud).await?;
    let put = cloud.apigateway.put_integration_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    let put = put.status_code("200").send().await;
    cloud.refused(put, "NotFoundException", "Invalid Response status code specified")
}

async fn a_mock_answers_without_declaring(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let put = cloud.apigateway.put_integration_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    put.status_code("200").send().await?;
    Ok(())
}

async fn an_empty_template_comes_back_as_none(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let put = cloud.apigateway.put_method_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    put.status_code("200").send().await?;
    let put = cloud.apigateway.put_integration_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    let answer = put.status_code("200").response_templates("application/json", "").send().await;
    match answer {
        Ok(found) => {
            let none = found.response_templates().is_none_or(|all| !all.contains_key("application/json"));
            ensure!(none, "{found:?}");
        }
        // rec: AWS sends `null`, which the Rust SDK does not take, here and in all that shows this method.
        Err(error) => ensure!(format!("{error:?}").contains("null"), "{error:?}"),
    }
    Ok(())
}

async fn what_is_not_there_is_not_deleted(cloud: Cloud) -> Result<()> {
    let ((api, root), client, code) = (cloud.api().await?, &cloud.apigateway, "NotFoundException");
    let delete = client.delete_method().rest_api_id(&api).resource_id(&root).http_method("GET").send().await;
    cloud.refused(delete, code, "Invalid Method identifier specified")?;
    cloud.mock(&api, &root, "GET").await?;
    let delete = client.delete_integration_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    cloud.refused(delete.status_code("200").send().await, code, "Invalid Response status code specified")
}

async fn a_response_that_is_not_there_is_not_deleted(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.method(&api, &root, "GET").await?;
    let delete = cloud.apigateway.delete_method_response().rest_api_id(&api).resource_id(&root).http_method("GET");
    let delete = delete.status_code("200").send().await;
    cloud.refused(delete, "NotFoundException", "Invalid Response status code specified")
}

async fn a_deleted_response_is_gone(cloud: Cloud) -> Result<()> {
    let (api, root) = answering(&cloud).await?;
    let delete = cloud.apigateway.delete_integration_response().rest_api_id(&api).resource_id(&root);
    delete.http_method("GET").status_code("200").send().await?;
    let delete = cloud.apigateway.delete_method_response().rest_api_id(&api).resource_id(&root);
    delete.http_method("GET").status_code("200").send().await?;
    let found = cloud.apigateway.get_method().rest_api_id(&api).resource_id(&root).http_method("GET").send().await?;
    ensure!(found.method_responses().is_none_or(HashMap::is_empty), "{found:?}");
    let integration = found.method_integration().context("no integration")?;
    ensure!(integration.integration_responses().is_none_or(HashMap::is_empty), "{found:?}");
    Ok(())
}
