//! How a route's answer is made.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::ContentHandling;

/// How the answer is made: changes of the action's own responses, or `responses` of the route's own.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.responses) != (has(self.output) || has(self.statuses) || has(self.headers))").message("set either `output`, `statuses` and `headers`, which change the action's own responses, or `responses`, which replace them"))]
pub struct ResponseSpec {
    /// The body of the action's success, part by part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub output: Option<Vec<OutputEntry>>,
    /// Changes of single ones of the action's own statuses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["status".into()]))]
    pub statuses: Option<Vec<StatusChange>>,
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

/// One part of a success's body.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.from), has(self.context), has(self.stageVariable), has(self.value)].filter(x, x).size() == 1").message("set exactly one of `from`, `context`, `stageVariable`, `value`"))]
pub struct OutputEntry {
    /// Where it goes: a JSON pointer such as `/data/id`.
    #[schemars(length(min = 2, max = 256))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^(/([^/~]|~[01])+)+$")"##).message("write a JSON pointer such as /order/id: each step begins with `/`, and `~` and `/` in a key are written ~0 and ~1"))]
    pub to: String,
    /// A JSON pointer into the execution's output with StartSyncExecution, else into Step Functions' answer; empty means all of it.
    /// Of an execution's output, parts are texts, numbers and truth values; an object or array is null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^(/([^/~]|~[01])*)*$"))]
    pub from: Option<String>,
    /// A `$context` variable such as `requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_:-]*)*$"))]
    pub context: Option<String>,
    /// A stage variable; null on a stage without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub stage_variable: Option<String>,
    /// A fixed JSON document, written as text: `'"v1"'`, `'{"a": 1}'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub value: Option<String>,
}

/// What becomes of one of the action's own statuses.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.becomes) || has(self.body)").message("set `becomes`, `body` or both"))]
pub struct StatusChange {
    /// The status that the action answers with.
    #[schemars(range(min = 200, max = 599))]
    pub status: u16,
    /// The status that is sent instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 200, max = 599))]
    pub becomes: Option<u16>,
    /// The body that is sent instead, JSON written as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub body: Option<String>,
}

/// One response of a method, and which answers of the integration become it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteResponse {
    /// The HTTP status.
    #[schemars(range(min = 100, max = 599))]
    pub status_code: i32,
    /// What its bodies look like, for generated clients: the RestAPI's models by content type.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 8), extend("additionalProperties" = {"type": "string", "maxLength": 128}))]
    pub models: BTreeMap<String, String>,
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
    /// Whether bodies are converted after the mapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<ContentHandling>,
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
