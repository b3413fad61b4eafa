//! API Gateway's calls for gateway responses.

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::GatewayResponseType;

use super::{GatewayResponse, GatewayResponses, Step};
use crate::aws::{AwsError, Class};

/// Those that differ from AWS's own: one call. It answers with all types; the others are marked `defaultResponse`, also
/// those that follow a `DEFAULT_4XX` or `DEFAULT_5XX` of ours (recorded: `test_gateway_response_put`).
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str) -> Result<GatewayResponses, AwsError> {
    let found = apigateway
        .get_gateway_responses()
        .rest_api_id(api)
        .limit(500)
        .send()
        .await
        .map_err(AwsError::of("GetGatewayResponses"))?;
    let own = found.items.unwrap_or_default().into_iter().filter(|response| !response.default_response);
    let observed = own.filter_map(|response| {
        let form = GatewayResponse {
            status: response.status_code.filter(|status| !status.is_empty()),
            parameters: response.response_parameters.unwrap_or_default().into_iter().collect(),
            templates: response.response_templates.unwrap_or_default().into_iter().collect(),
        };
        Some((response.response_type?.as_str().to_owned(), form))
    });
    Ok(observed.collect())
}

/// Carries out one step.
///
/// # Errors
/// What AWS answers; that one to be deleted is already gone is no error.
pub async fn carry_out(apigateway: &Client, api: &str, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::Put { type_, response, .. } => apigateway
            .put_gateway_response()
            .rest_api_id(api)
            .response_type(GatewayResponseType::from(type_.as_str()))
            .set_status_code(response.status.clone())
            .set_response_parameters(Some(response.parameters.clone().into_iter().collect()))
            .set_response_templates(Some(response.templates.clone().into_iter().collect()))
            .send()
            .await
            .map(drop)
            .map_err(AwsError::of("PutGatewayResponse")),
        Step::Delete { type_ } => {
            let answer = apigateway
                .delete_gateway_response()
                .rest_api_id(api)
                .response_type(GatewayResponseType::from(type_.as_str()))
                .send()
                .await;
            match answer.map_err(AwsError::of("DeleteGatewayResponse")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(()),
            }
        }
    }
}
