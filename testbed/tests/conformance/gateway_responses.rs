//! API Gateway: what it answers itself. Source: corpora/aws-recorded, `TestApiGatewayGatewayResponse`.

use std::collections::HashMap;

use anyhow::{Context, Result, ensure};
use aws_sdk_apigateway::types::{GatewayResponse, GatewayResponseType};

use super::cloud::{Case, Cloud, case};

pub const CASES: &[Case] = &[
    case!(every_failure_has_an_answer_of_awss_own),
    case!(an_answer_of_ones_own_keeps_what_was_not_said),
    case!(a_failure_without_an_answer_follows_the_default_and_is_one),
    case!(an_answer_can_be_put_again_and_deleted),
    case!(an_answer_that_is_not_there_is_not_deleted),
];

const BODY: &str = "{\"message\":$context.error.messageString}";

async fn all(cloud: &Cloud, api: &str) -> Result<HashMap<String, GatewayResponse>> {
    let found = cloud.apigateway.get_gateway_responses().rest_api_id(api).limit(500).send().await?;
    let named = found.items.unwrap_or_default().into_iter().map(|one| {
        let type_ = one.response_type.clone().context("no type")?;
        Ok((type_.as_str().to_owned(), one))
    });
    named.collect()
}

fn put(
    cloud: &Cloud,
    api: &str,
    type_: GatewayResponseType,
) -> aws_sdk_apigateway::operation::put_gateway_response::builders::PutGatewayResponseFluentBuilder {
    cloud.apigateway.put_gateway_response().rest_api_id(api).response_type(type_)
}

async fn every_failure_has_an_answer_of_awss_own(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let all = all(&cloud, &api).await?;
    ensure!(all.len() == 21 && all.values().all(|one| one.default_response), "{all:?}");
    let status = |type_: &str| all[type_].status_code.clone().unwrap_or_default();
    ensure!(status("INTEGRATION_FAILURE") == "504" && status("DEFAULT_4XX").is_empty(), "{all:?}");
    ensure!(all["THROTTLED"].response_templates().is_some_and(|bodies| bodies["application/json"] == BODY), "{all:?}");
    Ok(())
}

async fn an_answer_of_ones_own_keeps_what_was_not_said(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    put(&cloud, &api, GatewayResponseType::AuthorizerFailure)
        .response_parameters("gatewayresponse.header.foo", "'bar'")
        .send()
        .await?;
    let found = &all(&cloud, &api).await?["AUTHORIZER_FAILURE"];
    ensure!(!found.default_response && found.status_code() == Some("500"), "{found:?}");
    ensure!(found.response_templates().is_some_and(|bodies| bodies["application/json"] == BODY), "{found:?}");
    Ok(())
}

async fn a_failure_without_an_answer_follows_the_default_and_is_one(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    put(&cloud, &api, GatewayResponseType::Default5Xx).status_code("599").send().await?;
    let all = all(&cloud, &api).await?;
    let found = &all["API_CONFIGURATION_ERROR"];
    ensure!(found.default_response && found.status_code() == Some("599"), "{found:?}");
    ensure!(!all["DEFAULT_5XX"].default_response && all["THROTTLED"].status_code() == Some("429"), "{all:?}");
    Ok(())
}

async fn an_answer_can_be_put_again_and_deleted(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let type_ = GatewayResponseType::MissingAuthenticationToken;
    let first = put(&cloud, &api, type_.clone()).status_code("404");
    first.response_parameters("gatewayresponse.header.a", "method.request.header.Accept").send().await?;
    put(&cloud, &api, type_.clone()).response_templates("text/plain", "no").send().await?;
    let found = &all(&cloud, &api).await?["MISSING_AUTHENTICATION_TOKEN"];
    ensure!(found.status_code() == Some("403"), "{found:?}");
    ensure!(found.response_parameters().is_none_or(HashMap::is_empty), "{found:?}");
    let bodies = HashMap::from([("text/plain".to_owned(), "no".to_owned())]);
    ensure!(found.response_templates() == Some(&bodies), "{found:?}");
    cloud.apigateway.delete_gateway_response().rest_api_id(&api).response_type(type_).send().await?;
    ensure!(all(&cloud, &api).await?["MISSING_AUTHENTICATION_TOKEN"].default_response, "it is still there");
    Ok(())
}

async fn an_answer_that_is_not_there_is_not_deleted(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let delete = |type_: &str| {
        let delete = cloud.apigateway.delete_gateway_response().rest_api_id(&api);
        delete.response_type(GatewayResponseType::from(type_)).send()
    };
    let words = "Gateway response type not defined on api";
    cloud.refused(delete("THROTTLED").await, "NotFoundException", words)?;
    let words = "1 validation error detected: Value 'NONE' at 'responseType' failed to satisfy constraint";
    cloud.refused(delete("NONE").await, "ValidationException", words)
}
