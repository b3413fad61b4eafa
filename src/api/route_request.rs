//! How a route's request becomes the machine's input.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How the request becomes the machine's input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.templates) || (!has(self.input) && !has(self.executionName) && !has(self.contentTypes))").message("`templates` are the whole mapping: leave `input`, `executionName` and `contentTypes` out"))]
pub struct RequestSpec {
    /// The machine's input, part by part.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub input: Option<Vec<InputEntry>>,
    /// Names the execution: for StartExecution the name of the new one (makes STANDARD machines idempotent), for DescribeExecution and StopExecution which one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_name: Option<ValueSource>,
    /// Content types that are accepted; absent: application/json. Any other answers 415.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8), inner(length(min = 3, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+$"))"##).message("write media types without parameters, such as application/json"))]
    pub content_types: Option<Vec<String>>,
    /// Mapping templates of your own, by content type. `${StateMachineArn}` and the `${AWS::…}` built-ins are filled in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minProperties" = 1, "maxProperties" = 8), extend("additionalProperties" = {"type": "string", "maxLength": 300000}))]
    pub templates: Option<BTreeMap<String, String>>,
}

/// One part of the machine's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.body) ? 1 : 0) + (has(self.path) ? 1 : 0) + (has(self.query) ? 1 : 0) + (has(self.queryList) ? 1 : 0) + (has(self.header) ? 1 : 0) + (has(self.context) ? 1 : 0) + (has(self.value) ? 1 : 0) == 1").message("set exactly one of `body`, `path`, `query`, `queryList`, `header`, `context`, `value`"))]
pub struct InputEntry {
    /// Where it goes: a JSON pointer such as `/order/id`.
    #[schemars(length(min = 2, max = 256))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^(/([^/~]|~[01])+)+$")"##).message("write a JSON pointer such as /order/id: each step begins with `/`, and `~` and `/` in a key are written ~0 and ~1"))]
    pub to: String,
    /// A JSON pointer into the body; empty means the whole body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), regex(pattern = r"^(/([^/~]|~[01])*)*$"))]
    pub body: Option<String>,
    /// A path parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub path: Option<String>,
    /// A query-string parameter; absent in the request means null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._~$-]+$"))]
    pub query: Option<String>,
    /// Every value of a query-string parameter, as an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._~$-]+$"))]
    pub query_list: Option<String>,
    /// A header, in any case; absent in the request means null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub header: Option<String>,
    /// A `$context` variable such as `identity.sourceIp` or `requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+)*$"))]
    pub context: Option<String>,
    /// A fixed JSON document, written as text: `'"prod"'`, `'{"a": 1}'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub value: Option<String>,
}

/// One value of the request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.body) ? 1 : 0) + (has(self.path) ? 1 : 0) + (has(self.query) ? 1 : 0) + (has(self.header) ? 1 : 0) + (has(self.context) ? 1 : 0) == 1").message("set exactly one of `body`, `path`, `query`, `header`, `context`"))]
pub struct ValueSource {
    /// A JSON pointer into the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 256), regex(pattern = r"^(/([^/~]|~[01])*)+$"))]
    pub body: Option<String>,
    /// A path parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._-]+$"))]
    pub path: Option<String>,
    /// A query-string parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._~$-]+$"))]
    pub query: Option<String>,
    /// A header, in any case.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub header: Option<String>,
    /// A `$context` variable such as `requestId`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+)*$"))]
    pub context: Option<String>,
}
