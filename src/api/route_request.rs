//! How a route's request becomes the machine's input.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How the request becomes the machine's input.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.bodySchema) || !has(self.bodyModel)").message("set `bodySchema` or `bodyModel`, not both"))]
#[x_kube(validation = Rule::new("!has(self.templates) || (!has(self.input) && !has(self.executionName) && !has(self.taskToken) && !has(self.error) && !has(self.cause) && !has(self.traceHeader) && !has(self.contentTypes))").message("`templates` are the whole mapping: leave `input`, `executionName`, `taskToken`, `error`, `cause`, `traceHeader` and `contentTypes` out"))]
pub struct RequestSpec {
    /// The machine's input, part by part; for SendTaskSuccess the task's output. Absent: the body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub input: Option<Vec<InputEntry>>,
    /// Names the execution: for StartExecution the name of the new one (makes STANDARD machines idempotent), for DescribeExecution, StopExecution and GetExecutionHistory which one is meant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_name: Option<ValueSource>,
    /// The token of the task that SendTask… reports on. Whoever holds it may answer the task.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub task_token: Option<ValueSource>,
    /// The error code that StopExecution and SendTaskFailure give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<ValueSource>,
    /// The cause that StopExecution and SendTaskFailure give.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<ValueSource>,
    /// The X-Ray trace that the execution goes on with, such as `{header: X-Amzn-Trace-Id}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_header: Option<ValueSource>,
    /// What a body must be, as JSON Schema draft 4, JSON or YAML text; any other is answered with 400, and nothing is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 262144))]
    pub body_schema: Option<String>,
    /// As `bodySchema`, by the name of one of the RestAPI's `models`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9]+$"))]
    pub body_model: Option<String>,
    /// Parameters without which a request is answered with 400, and nothing is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<RequiredParameters>,
    /// Whether bodies are converted before the mapping, where the RestAPI treats their type as binary.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_handling: Option<ContentHandling>,
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

/// Parameters that a request must have. Path parameters always are there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.query) || has(self.headers)").message("set `query`, `headers` or both"))]
pub struct RequiredParameters {
    /// Query parameters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._~$-]+$")), extend("x-kubernetes-list-type" = "set"))]
    pub query: Option<Vec<String>>,
    /// Headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9-]+$")), extend("x-kubernetes-list-type" = "set"))]
    pub headers: Option<Vec<String>>,
}

/// How API Gateway converts a body.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum ContentHandling {
    /// Base64 text becomes bytes.
    ConvertToBinary,
    /// Bytes become base64 text.
    ConvertToText,
}

impl ContentHandling {
    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConvertToBinary => "CONVERT_TO_BINARY",
            Self::ConvertToText => "CONVERT_TO_TEXT",
        }
    }
}

/// One part of the machine's input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.body), has(self.path), has(self.query), has(self.queryList), has(self.header), has(self.headerList), has(self.context), has(self.stageVariable), has(self.value)].filter(x, x).size() == 1").message("set exactly one of `body`, `path`, `query`, `queryList`, `header`, `headerList`, `context`, `stageVariable`, `value`"))]
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
    /// Every value of a header, as an array.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9-]+$"))]
    pub header_list: Option<String>,
    /// A `$context` variable such as `identity.sourceIp`, `requestId`, `requestTimeEpoch`, `authorizer.principalId` or `authorizer.claims.cognito:groups`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_:-]*)*$"))]
    pub context: Option<String>,
    /// A stage variable; null on a stage without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub stage_variable: Option<String>,
    /// A fixed JSON document, written as text: `'"prod"'`, `'{"a": 1}'`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub value: Option<String>,
}

/// One value of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.body), has(self.path), has(self.query), has(self.header), has(self.context), has(self.stageVariable), has(self.value)].filter(x, x).size() == 1").message("set exactly one of `body`, `path`, `query`, `header`, `context`, `stageVariable`, `value`"))]
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
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_:-]*)*$"))]
    pub context: Option<String>,
    /// A stage variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub stage_variable: Option<String>,
    /// A fixed text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub value: Option<String>,
}
