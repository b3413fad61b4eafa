//! API Gateway's call for a trial.

use aws_sdk_apigateway::Client;

use super::{Call, Invocation, Response, read};
use crate::aws::AwsError;

/// Calls a method of a resource once.
///
/// # Errors
/// What AWS answers; that the method itself fails is none.
pub async fn invoke(
    apigateway: &Client,
    api: &str,
    resource: &str,
    verb: &str,
    call: &Call,
) -> Result<Invocation, AwsError> {
    let answer = apigateway
        .test_invoke_method()
        .rest_api_id(api)
        .resource_id(resource)
        .http_method(verb)
        .path_with_query_string(&call.path_and_query)
        .set_body(call.body.clone())
        .set_headers(Some(call.headers.clone().into_iter().collect()))
        .set_stage_variables(Some(call.variables.clone().into_iter().collect()))
        .send()
        .await
        .map_err(AwsError::of("TestInvokeMethod"))?;
    let response = Response {
        status: answer.status,
        headers: answer.headers.unwrap_or_default().into_iter().collect(),
        body: answer.body.unwrap_or_default(),
    };
    Ok(read(&answer.log.unwrap_or_default(), response, answer.latency))
}
