//! API Gateway: authorizers, and resource policies. Sources: the SDK's model, users' reports on the words, AWS.md §3.

use anyhow::{Context, Result, ensure};
use aws_sdk_apigateway::types::{AuthorizerType, Op};

use super::apigateway::patch;
use super::cloud::{Case, Cloud, case};

pub const CASES: &[Case] = &[
    case!(a_name_of_an_authorizer_is_there_once, "accepted"),
    case!(an_authorizer_can_be_changed),
    case!(a_method_names_its_authorizer),
    case!(an_authorizer_that_a_method_names_stays, "accepted"),
    case!(an_authorizer_that_no_method_names_goes),
    case!(a_resource_policy_names_its_api_in_full, "as it was sent"),
];

/// A TOKEN authorizer of a new API; answers with the API's id, its root's and the authorizer's.
async fn token(cloud: &Cloud) -> Result<(String, String, String)> {
    let (api, root) = cloud.api().await?;
    let id = create(cloud, &api, "jwt").await?;
    Ok((api, root, id))
}

async fn create(cloud: &Cloud, api: &str, name: &str) -> Result<String> {
    let function = format!("arn:aws:lambda:{}:{}:function:authorize", cloud.region, cloud.account);
    let uri = format!("arn:aws:apigateway:{}:lambda:path/2015-03-31/functions/{function}/invocations", cloud.region);
    let create = cloud.apigateway.create_authorizer().rest_api_id(api).name(name).r#type(AuthorizerType::Token);
    let create = create.authorizer_uri(uri).identity_source("method.request.header.Authorization");
    create.identity_validation_expression("^Bearer .+$").send().await?.id.context("no id")
}

async fn a_name_of_an_authorizer_is_there_once(cloud: Cloud) -> Result<()> {
    let (api, ..) = token(&cloud).await?;
    let again = create(&cloud, &api, "jwt").await;
    let error = again.err().context("it was accepted")?;
    ensure!(format!("{error:?}").contains("Authorizer name must be unique"), "{error:?}");
    Ok(())
}

async fn an_authorizer_can_be_changed(cloud: Cloud) -> Result<()> {
    let (api, _, id) = token(&cloud).await?;
    let patches = [
        patch(Op::Replace, "/identitySource", "method.request.header.X,context.identity.sourceIp"),
        patch(Op::Replace, "/identityValidationExpression", ""),
        patch(Op::Replace, "/type", "REQUEST"),
        patch(Op::Replace, "/authorizerResultTtlInSeconds", "0"),
    ];
    let update = cloud.apigateway.update_authorizer().rest_api_id(&api).authorizer_id(&id);
    update.set_patch_operations(Some(patches.into())).send().await?;
    let all = cloud.apigateway.get_authorizers().rest_api_id(&api).send().await?;
    let found = all.items().first().context("none")?;
    ensure!(found.id() == Some(&id) && found.r#type() == Some(&AuthorizerType::Request), "{found:?}");
    ensure!(found.identity_source() == Some("method.request.header.X,context.identity.sourceIp"), "{found:?}");
    ensure!(found.authorizer_result_ttl_in_seconds == Some(0), "{found:?}");
    ensure!(found.identity_validation_expression().is_none_or(str::is_empty), "{found:?}");
    Ok(())
}

async fn named(cloud: &Cloud) -> Result<(String, String, String)> {
    let (api, root, id) = token(cloud).await?;
    cloud.method(&api, &root, "GET").await?;
    let patches = [patch(Op::Replace, "/authorizationType", "CUSTOM"), patch(Op::Replace, "/authorizerId", &id)];
    let update = cloud.apigateway.update_method().rest_api_id(&api).resource_id(&root).http_method("GET");
    update.set_patch_operations(Some(patches.into())).send().await?;
    Ok((api, root, id))
}

async fn a_method_names_its_authorizer(cloud: Cloud) -> Result<()> {
    let (api, _, id) = named(&cloud).await?;
    let all = cloud.apigateway.get_resources().rest_api_id(&api).embed("methods").send().await?;
    let methods = all.items()[0].resource_methods().context("no methods")?;
    ensure!(methods["GET"].authorizer_id() == Some(&id), "{methods:?}");
    Ok(())
}

async fn an_authorizer_that_a_method_names_stays(cloud: Cloud) -> Result<()> {
    let (api, _, id) = named(&cloud).await?;
    let delete = cloud.apigateway.delete_authorizer().rest_api_id(&api).authorizer_id(&id).send().await;
    cloud.refused(delete, "ConflictException", "Cannot delete authorizer 'jwt', is referenced in method")
}

async fn an_authorizer_that_no_method_names_goes(cloud: Cloud) -> Result<()> {
    let (api, _, id) = token(&cloud).await?;
    cloud.apigateway.delete_authorizer().rest_api_id(&api).authorizer_id(&id).send().await?;
    let all = cloud.apigateway.get_authorizers().rest_api_id(&api).send().await?;
    ensure!(all.items().is_empty(), "{all:?}");
    Ok(())
}

async fn a_resource_policy_names_its_api_in_full(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/prod/*"}]}"#;
    let update = cloud.apigateway.update_rest_api().rest_api_id(&api);
    update.patch_operations(patch(Op::Replace, "/policy", policy)).send().await?;
    let found = cloud.apigateway.get_rest_api().rest_api_id(&api).send().await?;
    let text = found.policy().context("no policy")?;
    ensure!(text.contains(&format!(":{api}/prod/*")) && text.contains("\\\"Effect\\\""), "{text}");
    let update = cloud.apigateway.update_rest_api().rest_api_id(&api);
    update.patch_operations(patch(Op::Replace, "/policy", "")).send().await?;
    let found = cloud.apigateway.get_rest_api().rest_api_id(&api).send().await?;
    ensure!(found.policy().is_none_or(str::is_empty), "{found:?}");
    Ok(())
}
