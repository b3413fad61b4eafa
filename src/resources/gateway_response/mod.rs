//! Gateway responses: what API Gateway itself answers where a request does not reach a route, or a route can't answer.
//!
//! | property | create and update | read-back (GetGatewayResponses) |
//! |---|---|---|
//! | type | PutGatewayResponse, DeleteGatewayResponse | `responseType` |
//! | status | PutGatewayResponse `statusCode` | `statusCode` |
//! | headers | PutGatewayResponse `responseParameters` | `responseParameters` |
//! | bodies | PutGatewayResponse `responseTemplates` | `responseTemplates` |
//!
//! PutGatewayResponse makes or replaces one whole, so one call is every change in place. What is put without a property
//! comes back with AWS's own value for it (recorded: `test_gateway_response_put`), which the desired form has too.
//!
//! **When they are read:** by every check of a RestAPI that has some, after every change, and before every deployment. A
//! check of an API without any costs no call: when the field goes away the content's hash changes, so there is a deployment
//! to be made, and before it what is left in AWS is seen and removed. What somebody adds to such an API behind our back
//! serves nothing until then.

pub mod remote;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// AWS's own body (recorded).
const DEFAULT_TEMPLATE: &str = "{\"message\":$context.error.messageString}";

/// The responses by type.
pub type GatewayResponses = BTreeMap<String, GatewayResponse>;

/// A gateway response; desired and observed have one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GatewayResponse {
    /// The HTTP status; `DEFAULT_4XX` and `DEFAULT_5XX` may have none, and then each failure keeps its own.
    pub status: Option<String>,
    /// Expressions by `gatewayresponse.header.<name>`.
    pub parameters: BTreeMap<String, String>,
    /// Bodies by content type.
    pub templates: BTreeMap<String, String>,
}

impl GatewayResponse {
    /// With AWS's own status and body where none is given.
    pub fn new(
        type_: &str,
        status: Option<String>,
        parameters: BTreeMap<String, String>,
        templates: BTreeMap<String, String>,
    ) -> Self {
        let body = || BTreeMap::from([("application/json".to_owned(), DEFAULT_TEMPLATE.to_owned())]);
        Self {
            status: status.or_else(|| default_status(type_).map(str::to_owned)),
            parameters,
            templates: if templates.is_empty() { body() } else { templates },
        }
    }
}

/// The status that AWS shows for a type that nobody changed (recorded: `test_gateway_response_crud`).
fn default_status(type_: &str) -> Option<&'static str> {
    Some(match type_ {
        "BAD_REQUEST_BODY" | "BAD_REQUEST_PARAMETERS" => "400",
        "UNAUTHORIZED" => "401",
        "ACCESS_DENIED"
        | "EXPIRED_TOKEN"
        | "INVALID_API_KEY"
        | "INVALID_SIGNATURE"
        | "MISSING_AUTHENTICATION_TOKEN"
        | "WAF_FILTERED" => "403",
        "RESOURCE_NOT_FOUND" => "404",
        "REQUEST_TOO_LARGE" => "413",
        "UNSUPPORTED_MEDIA_TYPE" => "415",
        "QUOTA_EXCEEDED" | "THROTTLED" => "429",
        "API_CONFIGURATION_ERROR" | "AUTHORIZER_CONFIGURATION_ERROR" | "AUTHORIZER_FAILURE" => "500",
        "INTEGRATION_FAILURE" | "INTEGRATION_TIMEOUT" => "504",
        _ => return None,
    })
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    /// Makes it, or replaces what is there.
    Put { type_: String, response: GatewayResponse, exists: bool },
    /// Back to AWS's own.
    Delete { type_: String },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Put { type_, exists: false, .. } => write!(f, "create gateway response {type_}"),
            Self::Put { type_, .. } => write!(f, "update gateway response {type_}"),
            Self::Delete { type_ } => write!(f, "delete gateway response {type_}"),
        }
    }
}

/// What makes the observed responses the desired ones. What was not read is taken for empty: then none are desired, or
/// the API is new.
pub fn diff(desired: &GatewayResponses, observed: Option<&GatewayResponses>) -> Vec<Step> {
    let none = GatewayResponses::new();
    let observed = observed.unwrap_or(&none);
    let put = |(type_, response): (&String, &GatewayResponse)| {
        let found = observed.get(type_);
        (found != Some(response)).then(|| Step::Put {
            type_: type_.clone(),
            response: response.clone(),
            exists: found.is_some(),
        })
    };
    let gone = observed.keys().filter(|type_| !desired.contains_key(*type_));
    let delete = gone.map(|type_| Step::Delete { type_: type_.clone() });
    desired.iter().filter_map(put).chain(delete).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn response(status: Option<&str>) -> GatewayResponse {
        GatewayResponse::new("THROTTLED", status.map(str::to_owned), BTreeMap::new(), BTreeMap::new())
    }

    fn responses(all: &[(&str, Option<&str>)]) -> GatewayResponses {
        all.iter().map(|(type_, status)| ((*type_).to_owned(), response(*status))).collect()
    }

    fn text(steps: &[Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn only_what_differs_is_put_and_what_is_not_wanted_goes() {
        let wanted = responses(&[("DEFAULT_4XX", Some("400")), ("THROTTLED", None), ("UNAUTHORIZED", Some("404"))]);
        assert_eq!(diff(&wanted, Some(&wanted)), []);
        let found = responses(&[("THROTTLED", Some("503")), ("UNAUTHORIZED", Some("404")), ("WAF_FILTERED", None)]);
        assert_eq!(
            text(&diff(&wanted, Some(&found))),
            [
                "create gateway response DEFAULT_4XX",
                "update gateway response THROTTLED",
                "delete gateway response WAF_FILTERED"
            ]
        );
        assert_eq!(diff(&GatewayResponses::new(), None), []);
    }

    #[test]
    fn what_is_not_said_is_as_aws_shows_it() {
        let plain = response(None);
        assert_eq!(plain.status.as_deref(), Some("429"));
        assert_eq!(plain.templates["application/json"], "{\"message\":$context.error.messageString}");
        let default = GatewayResponse::new("DEFAULT_4XX", None, BTreeMap::new(), BTreeMap::new());
        assert_eq!(default.status, None);
    }
}
