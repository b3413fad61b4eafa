//! A machine, its role and an API that somebody made with other tools; `tests/torture/adoption.rs` has them too.
#![allow(dead_code)] // Each of the two suites needs another part.

use aws_sdk_apigateway::types::{
    AuthorizerType, EndpointConfiguration, EndpointType, GatewayResponseType, IntegrationType,
};
use aws_sdk_sfn::types::StateMachineType;

pub const API: &str = "orders-legacy";
pub const MACHINE: &str = "orders-place";
pub const ROLE: &str = "orders-legacy";
/// What is attached to the role.
pub const ATTACHED: &str = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess";
/// Its methods that no manifest asks for.
pub const KEPT: [&str; 2] = ["GET /legacy", "GET /orders/{id}"];

/// What was made.
pub struct Legacy {
    pub api: String,
    pub machine: String,
}

/// Makes them. The API serves `legacy` at three places in the stages `v1` and `prod`; the machine says `legacy`.
pub async fn make(apigateway: &aws_sdk_apigateway::Client, sfn: &aws_sdk_sfn::Client, role: &str) -> Legacy {
    Legacy { api: api(apigateway, API).await, machine: machine(sfn, MACHINE, role).await }
}

/// Gives a role that exists what people give theirs.
pub async fn furnish(iam: &aws_sdk_iam::Client, name: &str) {
    let policy =
        r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:PurgeQueue", "Resource": "*"}]}"#;
    iam.put_role_policy().role_name(name).policy_name("by-hand").policy_document(policy).send().await.unwrap();
    iam.attach_role_policy().role_name(name).policy_arn(ATTACHED).send().await.unwrap();
    let team = aws_sdk_iam::types::Tag::builder().key("team").value("orders").build().unwrap();
    iam.tag_role().role_name(name).tags(team).send().await.unwrap();
}

/// An EXPRESS machine of this name; answers with its ARN.
pub async fn machine(sfn: &aws_sdk_sfn::Client, name: &str, role: &str) -> String {
    let definition =
        r#"{"StartAt": "Say", "States": {"Say": {"Type": "Pass", "Result": {"said": "legacy"}, "End": true}}}"#;
    let made = sfn.create_state_machine().name(name).r#type(StateMachineType::Express).definition(definition);
    made.role_arn(role).send().await.unwrap().state_machine_arn
}

/// An API of this name; answers with its id.
pub async fn api(apigateway: &aws_sdk_apigateway::Client, name: &str) -> String {
    let endpoint = EndpointConfiguration::builder().types(EndpointType::Regional).build();
    let made = apigateway.create_rest_api().name(name).description("by hand").endpoint_configuration(endpoint);
    let api = made.send().await.unwrap().id.unwrap();
    let root = apigateway.get_resources().rest_api_id(&api).send().await.unwrap().items.unwrap().pop().unwrap();
    let child = async |parent: &str, part: &str| {
        let made = apigateway.create_resource().rest_api_id(&api).parent_id(parent).path_part(part).send();
        made.await.unwrap().id.unwrap()
    };
    let root = root.id.unwrap();
    let legacy = child(&root, "legacy").await;
    let orders = child(&root, "orders").await;
    let order = child(&orders, "{id}").await;
    child(&root, "empty").await;
    mock(apigateway, &api, &legacy, "GET", "getLegacy").await;
    mock(apigateway, &api, &orders, "POST", "postOrder").await;
    mock(apigateway, &api, &order, "GET", "get_order").await;

    let function = "arn:aws:lambda:us-east-1:111122223333:function:legacy";
    let uri = format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations");
    let authorizer = apigateway.create_authorizer().rest_api_id(&api).name("legacy-auth").r#type(AuthorizerType::Token);
    authorizer.authorizer_uri(uri).identity_source("method.request.header.Authorization").send().await.unwrap();
    let model = apigateway.create_model().rest_api_id(&api).name("Legacy").content_type("application/json");
    model.schema(r#"{"type": "object"}"#).send().await.unwrap();
    let validator = apigateway.create_request_validator().rest_api_id(&api).name("legacy-check");
    validator.validate_request_body(true).send().await.unwrap();
    let response = apigateway.put_gateway_response().rest_api_id(&api).response_type(GatewayResponseType::Default4Xx);
    response.response_templates("application/json", r#"{"by": "hand"}"#).send().await.unwrap();

    let deployment = apigateway.create_deployment().rest_api_id(&api).send().await.unwrap().id.unwrap();
    for stage in ["v1", "prod"] {
        let made = apigateway.create_stage().rest_api_id(&api).stage_name(stage).deployment_id(&deployment);
        made.send().await.unwrap();
    }
    api
}

async fn mock(apigateway: &aws_sdk_apigateway::Client, api: &str, resource: &str, verb: &str, operation: &str) {
    let method = apigateway.put_method().rest_api_id(api).resource_id(resource).http_method(verb);
    method.authorization_type("NONE").operation_name(operation).send().await.unwrap();
    let integration = apigateway.put_integration().rest_api_id(api).resource_id(resource).http_method(verb);
    let integration =
        integration.r#type(IntegrationType::Mock).request_templates("application/json", r#"{"statusCode": 200}"#);
    integration.send().await.unwrap();
    let response = apigateway.put_method_response().rest_api_id(api).resource_id(resource).http_method(verb);
    response.status_code("200").send().await.unwrap();
    let response = apigateway.put_integration_response().rest_api_id(api).resource_id(resource).http_method(verb);
    let response = response.status_code("200").response_templates("application/json", r#"{"said": "legacy"}"#);
    response.send().await.unwrap();
}
