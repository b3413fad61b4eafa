//! How a route's answer is made.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the answer is made: changes of the action's own responses, or `responses` of the route's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.responses) != has(self.headers)").message("set either `headers`, which change the action's own responses, or `responses`, which replace them"))]
pub struct ResponseSpec {
    /// Headers of every one of the action's own responses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Option<Vec<ResponseHeader>>,
    /// The responses; these replace all defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["statusCode".into()]))]
    #[x_kube(validation = Rule::new("self.filter(r, has(r.integration) && !has(r.integration.selectionPattern)).size() == 1").message("exactly one response must have an `integration` without `selectionPattern`: it is the default"))]
    pub responses: Option<Vec<RouteResponse>>,
}

/// One response of a method, and which answers of the integration become it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteResponse {
    /// The HTTP status.
    #[schemars(range(min = 100, max = 599))]
    pub status_code: i32,
    /// Which answers of Step Functions become this response; absent: the status is only declared.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub integration: Option<IntegrationResponse>,
}

/// Which answers of Step Functions become a response, and how.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct IntegrationResponse {
    /// A regular expression on Step Functions' HTTP status, such as `4\d{2}`; absent: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 256))]
    pub selection_pattern: Option<String>,
    /// Headers of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub headers: Option<Vec<ResponseHeader>>,
    /// Mapping templates by content type; absent: the answer passes as it is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8), extend("additionalProperties" = {"type": "string", "maxLength": 300000}))]
    pub templates: BTreeMap<String, String>,
}

/// A header of a response. Where its source has no value, the response goes without it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.value) ? 1 : 0) + (has(self.header) ? 1 : 0) + (has(self.body) ? 1 : 0) + (has(self.context) ? 1 : 0) + (has(self.stageVariable) ? 1 : 0) == 1").message("set exactly one of `value`, `header`, `body`, `context`, `stageVariable`"))]
pub struct ResponseHeader {
    /// The header's name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub name: String,
    /// A fixed value: printable ASCII without an apostrophe.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[ -&(-~]+$")"##).message("a header's value holds printable ASCII without apostrophes: API Gateway has no escape for them"))]
    pub value: Option<String>,
    /// A header of Step Functions' answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub header: Option<String>,
    /// A JSON pointer into Step Functions' answer, such as `/executionArn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 256), regex(pattern = r"^(/[A-Za-z_][A-Za-z0-9_]*)+$"))]
    pub body: Option<String>,
    /// A `$context` variable such as `requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+)*$"))]
    pub context: Option<String>,
    /// A stage variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_]+$"))]
    pub stage_variable: Option<String>,
}
