//! API Gateway: models and request validators. Sources: corpora/aws-recorded; the developer guide for references.

use anyhow::{Context, Result, ensure};
use aws_sdk_apigateway::types::Op;

use super::apigateway::patch;
use super::cloud::{Case, Cloud, case};

pub const CASES: &[Case] = &[
    case!(an_api_has_two_models),
    case!(a_model_has_a_name_of_its_own),
    case!(a_model_can_be_changed),
    case!(a_model_in_use_is_not_deleted),
    case!(a_method_names_models_and_validators_of_its_api),
    case!(a_validator_can_be_changed),
];

const OBJECT: &str = r#"{"type":"object"}"#;

async fn model(cloud: &Cloud, api: &str, name: &str, schema: &str) -> Result<()> {
    let create = cloud.apigateway.create_model().rest_api_id(api).name(name).content_type("application/json");
    create.schema(schema).send().await?;
    Ok(())
}

async fn an_api_has_two_models(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let found = cloud.apigateway.get_models().rest_api_id(&api).send().await?.items.context("no models")?;
    let mut names: Vec<_> = found.iter().filter_map(|model| model.name()).collect();
    names.sort_unstable();
    ensure!(names == ["Empty", "Error"], "{found:?}");
    Ok(())
}

async fn a_model_has_a_name_of_its_own(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    model(&cloud, &api, "Order", OBJECT).await?;
    let again = cloud.apigateway.create_model().rest_api_id(&api).name("Order").content_type("application/json");
    let again = again.schema(OBJECT).send().await;
    cloud.refused(again, "ConflictException", "Model name already exists for this REST API")
}

async fn a_model_can_be_changed(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    model(&cloud, &api, "Order", OBJECT).await?;
    let update = cloud.apigateway.update_model().rest_api_id(&api).model_name("Order");
    let changed = r#"{"type":"array"}"#;
    update.patch_operations(patch(Op::Replace, "/schema", changed)).send().await?;
    let found = cloud.apigateway.get_model().rest_api_id(&api).model_name("Order").send().await?;
    ensure!(found.schema() == Some(changed), "{found:?}");
    let gone = cloud.apigateway.get_model().rest_api_id(&api).model_name("None").send().await;
    cloud.refused(gone, "NotFoundException", "Invalid model name specified: None")
}

async fn a_model_in_use_is_not_deleted(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    model(&cloud, &api, "Order", OBJECT).await?;
    let put = cloud.apigateway.put_method().rest_api_id(&api).resource_id(&root).http_method("POST");
    put.authorization_type("NONE").request_models("application/json", "Order").send().await?;
    let delete = cloud.apigateway.delete_model().rest_api_id(&api).model_name("Order").send().await;
    ensure!(delete.is_err(), "a model in use was deleted");
    let update = cloud.apigateway.update_method().rest_api_id(&api).resource_id(&root).http_method("POST");
    let remove = aws_sdk_apigateway::types::PatchOperation::builder().op(Op::Remove);
    update.patch_operations(remove.path("/requestModels/application~1json").build()).send().await?;
    cloud.apigateway.delete_model().rest_api_id(&api).model_name("Order").send().await?;
    Ok(())
}

async fn a_method_names_models_and_validators_of_its_api(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let put = || {
        let put = cloud.apigateway.put_method().rest_api_id(&api).resource_id(&root).http_method("POST");
        put.authorization_type("NONE")
    };
    let unknown = put().request_models("application/json", "None").send().await;
    cloud.refused(unknown, "BadRequestException", "Invalid model identifier specified: None")?;
    let unknown = put().request_validator_id("none00").send().await;
    cloud.refused(unknown, "BadRequestException", "Invalid Request Validator identifier specified")?;
    let validator = cloud.apigateway.create_request_validator().rest_api_id(&api).name("v").send().await?;
    let id = validator.id.context("no id")?;
    put().request_validator_id(&id).send().await?;
    // With nothing there is none.
    let update = cloud.apigateway.update_method().rest_api_id(&api).resource_id(&root).http_method("POST");
    update.patch_operations(patch(Op::Replace, "/requestValidatorId", "")).send().await?;
    let found = cloud.apigateway.get_method().rest_api_id(&api).resource_id(&root).http_method("POST").send().await?;
    ensure!(found.request_validator_id.is_none(), "{found:?}");
    Ok(())
}

async fn a_validator_can_be_changed(cloud: Cloud) -> Result<()> {
    let (api, _) = cloud.api().await?;
    let create = cloud.apigateway.create_request_validator().rest_api_id(&api).name("v");
    let made = create.validate_request_body(true).send().await?;
    ensure!(made.validate_request_body && !made.validate_request_parameters, "{made:?}");
    let id = made.id.context("no id")?;
    let update = cloud.apigateway.update_request_validator().rest_api_id(&api).request_validator_id(&id);
    let patches =
        [patch(Op::Replace, "/validateRequestBody", "false"), patch(Op::Replace, "/validateRequestParameters", "true")];
    update.set_patch_operations(Some(patches.into())).send().await?;
    let found = cloud.apigateway.get_request_validators().rest_api_id(&api).send().await?.items.context("none")?;
    ensure!(found.len() == 1 && !found[0].validate_request_body && found[0].validate_request_parameters, "{found:?}");
    cloud.apigateway.delete_request_validator().rest_api_id(&api).request_validator_id(&id).send().await?;
    let gone = cloud.apigateway.get_request_validator().rest_api_id(&api).request_validator_id(&id).send().await;
    cloud.refused(gone, "NotFoundException", "Invalid Request Validator identifier specified")
}
