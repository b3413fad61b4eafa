//! A RestAPI's gateway responses as API Gateway takes them.

use std::collections::BTreeMap;

use crate::api::{GatewayResponse, GatewayResponseHeader};
use crate::resources::gateway_response::{self, GatewayResponses};

/// By type. The CRD has refused whatever AWS would refuse.
pub fn validate(spec: &[GatewayResponse]) -> GatewayResponses {
    let response = |response: &GatewayResponse| {
        let type_ = response.type_.as_str();
        let headers = response.headers.iter().flatten();
        let parameters: BTreeMap<String, String> =
            headers.map(|header| (format!("gatewayresponse.header.{}", header.name), expression(header))).collect();
        let form = gateway_response::GatewayResponse::new(
            type_,
            response.status_code.map(|status| status.to_string()),
            parameters,
            response.templates.clone().unwrap_or_default(),
        );
        (type_.to_owned(), form)
    };
    spec.iter().map(response).collect()
}

/// API Gateway's expression for a header's value (recorded: `test_gateway_response_crud`).
fn expression(header: &GatewayResponseHeader) -> String {
    let GatewayResponseHeader { value, path, query, header, context, .. } = header;
    let of = |start: &str, name: &Option<String>| name.as_ref().map(|name| format!("{start}{name}"));
    of("method.request.path.", path)
        .or_else(|| of("method.request.querystring.", query))
        .or_else(|| of("method.request.header.", header))
        .or_else(|| of("context.", context))
        .unwrap_or_else(|| format!("'{}'", value.as_deref().unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use crate::validate::fixture::{api, the_api, world};
    use crate::validate::rest_api::validate;

    #[test]
    fn headers_are_expressions() {
        let world = world(&api(
            "{stages: [{name: prod}], gatewayResponses: [{type: THROTTLED, statusCode: 503, headers: [{name: Retry-After, value: '1'}, {name: A, path: p}, {name: B, query: q}, {name: C, header: h}, {name: D, context: requestId}]}]}",
        ));
        let valid = validate(&world, &the_api(&world)).unwrap();
        let found = &valid.gateway_responses["THROTTLED"];
        let texts: Vec<String> = found.parameters.iter().map(|(name, text)| format!("{name} = {text}")).collect();
        assert_eq!(
            texts,
            [
                "gatewayresponse.header.A = method.request.path.p",
                "gatewayresponse.header.B = method.request.querystring.q",
                "gatewayresponse.header.C = method.request.header.h",
                "gatewayresponse.header.D = context.requestId",
                "gatewayresponse.header.Retry-After = '1'",
            ]
        );
        assert_eq!(found.status.as_deref(), Some("503"));
    }
}
