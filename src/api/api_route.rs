//! `APIRoute`: one method on one path.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{CommonStatus, Cors, Outputs, Reference, RequestSpec, ResponseSpec};

/// One HTTP method on one path of a RestAPI, and the state machine that answers it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stepgate.dev",
    version = "v1alpha1",
    kind = "APIRoute",
    plural = "apiroutes",
    status = "APIRouteStatus",
    namespaced,
    category = "stepgate",
    derive = "PartialEq",
    doc = "One HTTP method on one path of a RestAPI, and the state machine that answers it.",
    selectable = ".spec.apiRef.name",
    printcolumn(name = "Method", type_ = "string", json_path = ".spec.method"),
    printcolumn(name = "Path", type_ = "string", json_path = ".spec.path"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.url"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.apiRef == oldSelf.apiRef").message("apiRef is immutable: a route cannot move to another API; create another APIRoute"),
    validation = Rule::new("!has(self.target.stateMachineRefs) || !has(self.request) || (!has(self.request.input) && !has(self.request.executionName) && !has(self.request.error) && !has(self.request.cause) && !has(self.request.traceHeader))").message("with target.stateMachineRefs the client's body is the whole request: leave request.input, executionName, error, cause and traceHeader out"),
    validation = Rule::new("!(self.target.action in ['DescribeExecution', 'StopExecution', 'GetExecutionHistory']) || has(self.target.stateMachineRefs) || (has(self.request) && (has(self.request.executionName) || has(self.request.templates)))").message("DescribeExecution, StopExecution and GetExecutionHistory need request.executionName: which part of the request names the execution"),
    validation = Rule::new("self.target.action in ['StartExecution', 'StartSyncExecution', 'SendTaskSuccess'] || !has(self.request) || !has(self.request.input)").message("only StartExecution, StartSyncExecution and SendTaskSuccess take request.input"),
    validation = Rule::new("self.target.action in ['StartExecution', 'StartSyncExecution', 'DescribeExecution', 'StopExecution', 'GetExecutionHistory'] || !has(self.request) || !has(self.request.executionName)").message("ListExecutions, SendTask… and Mock take no request.executionName"),
    validation = Rule::new("!self.target.action.startsWith('SendTask') || (has(self.request) && (has(self.request.taskToken) || has(self.request.templates)))").message("SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat need request.taskToken: which part of the request is the task's token"),
    validation = Rule::new("self.target.action.startsWith('SendTask') || !has(self.request) || !has(self.request.taskToken)").message("only SendTaskSuccess, SendTaskFailure and SendTaskHeartbeat take request.taskToken"),
    validation = Rule::new("self.target.action in ['StopExecution', 'SendTaskFailure'] || !has(self.request) || (!has(self.request.error) && !has(self.request.cause))").message("only StopExecution and SendTaskFailure take request.error and request.cause"),
    validation = Rule::new("self.target.action in ['StartExecution', 'StartSyncExecution'] || !has(self.request) || !has(self.request.traceHeader)").message("only StartExecution and StartSyncExecution take request.traceHeader"),
    validation = Rule::new("self.target.action != 'Mock' || !has(self.response) || (!has(self.response.output) && !has(self.response.statuses) && !has(self.response.responses))").message("a mock's answer is target.mock: of `response`, only `headers` go with it"),
    validation = Rule::new("self.target.action != 'Mock' || (!has(self.invokeRole) && (!has(self.request) || (!has(self.request.templates) && !has(self.request.contentTypes))))").message("a mock calls nothing: leave invokeRole, request.templates and request.contentTypes out"),
)]
pub struct APIRouteSpec {
    /// The RestAPI that it is attached to.
    pub api_ref: Reference,
    /// Such as `/orders/{orderId}`, `/` or `/files/{proxy+}`.
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^/$|^(/([A-Za-z0-9._~:@!$&'()*+,;=%-]+|\{[A-Za-z0-9._-]+\}))*(/([A-Za-z0-9._~:@!$&'()*+,;=%-]+|\{[A-Za-z0-9._-]+\+?\}))$")"##).message("write the path as `/orders/{orderId}`: it begins with `/`, no segment is empty, there is no `/` at its end, a parameter is a whole segment, and `{name+}` stands only at the end"))]
    #[x_kube(validation = Rule::new("self.replace('+}', '}').split('/').filter(s, s.startsWith('{')).all(s, self.replace('+}', '}').indexOf(s) == self.replace('+}', '}').lastIndexOf(s))").message("a path parameter may stand only once in the path"))]
    pub path: String,
    /// The HTTP method that clients use.
    pub method: Method,
    /// What answers.
    pub target: Target,
    /// How callers are authorized.
    pub authorization: RouteAuthorization,
    /// How the request becomes the machine's input; absent: the body is the input.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestSpec>,
    /// How the answer is made; absent: a default that is right for the action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<ResponseSpec>,
    /// Which web pages' scripts may call; absent: as the RestAPI says.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// How long API Gateway waits for Step Functions, 50–300,000 ms; over 29,000 only on REGIONAL and PRIVATE APIs whose quota was raised.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 50, max = 300_000))]
    pub timeout_millis: Option<i32>,
    /// The role that API Gateway calls with; absent: one managed here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invoke_role: Option<InvokeRole>,
    /// Where pods can read what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
}

/// HTTP methods of API Gateway.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Patch,
    Delete,
    Options,
    Any,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Action {
    /// Starts an execution and answers at once.
    StartExecution,
    /// Runs an EXPRESS machine and answers with its output.
    StartSyncExecution,
    /// Answers with the state of an execution of a STANDARD machine.
    DescribeExecution,
    /// Stops an execution of a STANDARD machine.
    StopExecution,
    /// Answers with what happened in an execution of a STANDARD machine.
    GetExecutionHistory,
    /// Lists the executions of a STANDARD machine.
    ListExecutions,
    /// Ends a task that waits for its token.
    SendTaskSuccess,
    /// Fails a task that waits for its token.
    SendTaskFailure,
    /// Keeps a task that waits for its token alive.
    SendTaskHeartbeat,
    /// Calls nothing and answers with a fixed answer.
    Mock,
}

/// What answers a route.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("self.action.startsWith('SendTask') || self.action == 'Mock' || (has(self.stateMachineRef) ? 1 : 0) + (has(self.arn) ? 1 : 0) + (has(self.stateMachineRefs) ? 1 : 0) == 1 || (has(self.stages) && !has(self.stateMachineRef) && !has(self.arn) && !has(self.stateMachineRefs))").message("set exactly one of `stateMachineRef`, `arn`, `stateMachineRefs` (or only `stages`)"),
    validation = Rule::new("!(self.action.startsWith('SendTask') || self.action == 'Mock') || !(has(self.stateMachineRef) || has(self.arn) || has(self.stateMachineRefs) || has(self.stages))").message("a task's token says which task is meant, and a mock calls nothing: leave `stateMachineRef`, `arn`, `stateMachineRefs` and `stages` out"),
    validation = Rule::new("has(self.mock) == (self.action == 'Mock')").message("set `mock` exactly when `action` is Mock"),
    validation = Rule::new("!(has(self.stages) && has(self.stateMachineRefs))").message("`stages` chooses the machine per stage and `stateMachineRefs` lets the client choose: use one of them")
)]
pub struct Target {
    /// What is done with the machine, or Mock: nothing is, and the answer is fixed.
    pub action: Action,
    /// The StateMachine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_machine_ref: Option<Reference>,
    /// A state machine that is not managed here; the tenant's `targets` must admit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):states:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):stateMachine:[0-9A-Za-z_-]+$")"##).message("write the ARN of a state machine: arn:aws:states:REGION:ACCOUNT:stateMachine:NAME (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"))]
    pub arn: Option<String>,
    /// The machines among which the client's body, or a raw template, names one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), extend("x-kubernetes-list-type" = "atomic"))]
    pub state_machine_refs: Option<Vec<Reference>>,
    /// Another machine per stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["stage".into()]))]
    pub stages: Option<Vec<StageTarget>>,
    /// The answer of a Mock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mock: Option<Mock>,
}

/// A fixed answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Mock {
    /// The HTTP status.
    #[schemars(range(min = 100, max = 599))]
    pub status_code: u16,
    /// The body, JSON written as text; absent: `{}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub body: Option<String>,
}

/// The machine that answers on one stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StageTarget {
    /// The stage's name.
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub stage: String,
    /// The StateMachine.
    pub state_machine_ref: Reference,
}

/// How callers are authorized.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[allow(missing_docs)]
pub enum Authorization {
    /// Anyone may call.
    #[serde(rename = "NONE")]
    None,
    /// Callers sign with AWS credentials that allow execute-api:Invoke.
    #[serde(rename = "AWS_IAM")]
    AwsIam,
    /// A Lambda authorizer of the RestAPI decides.
    #[serde(rename = "CUSTOM")]
    Custom,
    /// Callers send a token of a Cognito user pool, which an authorizer of the RestAPI checks.
    #[serde(rename = "COGNITO_USER_POOLS")]
    CognitoUserPools,
}

/// How callers are authorized.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.type in ['CUSTOM', 'COGNITO_USER_POOLS']) == has(self.authorizer)").message("set `authorizer` exactly when `type` is CUSTOM or COGNITO_USER_POOLS: the name of one in the RestAPI's spec.authorizers"),
    validation = Rule::new("!has(self.scopes) || self.type == 'COGNITO_USER_POOLS'").message("`scopes` are checked with type COGNITO_USER_POOLS only")
)]
pub struct RouteAuthorization {
    /// NONE, AWS_IAM, CUSTOM or COGNITO_USER_POOLS; the tenant's `exposure` and the RestAPI's grant must admit it.
    #[serde(rename = "type")]
    pub type_: Authorization,
    /// The name of one of the RestAPI's `authorizers`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9_-]+$"))]
    pub authorizer: Option<String>,
    /// OAuth scopes, one of which an access token must hold; absent: an identity token is asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    pub scopes: Option<Vec<String>>,
    /// Whether callers need an API key as well, in the header `X-API-Key`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub api_key_required: bool,
}

/// The role that API Gateway calls with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.arn) != has(self.managedPolicyArns)").message("set exactly one of `arn` (an existing role) and `managedPolicyArns` (a managed role of this route's own)"))]
pub struct InvokeRole {
    /// An existing role that the tenant's `invokeRoleArns` admit; the built-ins may stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):iam::([0-9]{12}|\$\{AWS::AccountId\}):role/.+$")"##).message("write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"))]
    pub arn: Option<String>,
    /// Managed policies for a managed role of this route's own; the tenant's `managedPolicyArns` must admit each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10), inner(length(max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):iam::(aws|[0-9]{12}|\$\{AWS::AccountId\}):policy/.+$"))"##).message("write the ARNs of managed policies: arn:aws:iam::aws:policy/NAME or arn:aws:iam::ACCOUNT:policy/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"))]
    pub managed_policy_arns: Option<Vec<String>>,
}

/// What is known of the route.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct APIRouteStatus {
    /// Generation and conditions.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// Its URL on the first stage.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// Its URL on each stage that serves it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub stages: Vec<RouteStageStatus>,
}

/// A route on one stage.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteStageStatus {
    /// The stage.
    pub name: String,
    /// The URL.
    pub url: String,
    /// The revision that the stage serves; absent where only its canary serves the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// The revision that the stage's canary serves, where that holds the route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub canary_revision: Option<i64>,
}

impl Method {
    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Any => "ANY",
        }
    }
}

impl Action {
    /// As AWS writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::StartExecution => "StartExecution",
            Self::StartSyncExecution => "StartSyncExecution",
            Self::DescribeExecution => "DescribeExecution",
            Self::StopExecution => "StopExecution",
            Self::GetExecutionHistory => "GetExecutionHistory",
            Self::ListExecutions => "ListExecutions",
            Self::SendTaskSuccess => "SendTaskSuccess",
            Self::SendTaskFailure => "SendTaskFailure",
            Self::SendTaskHeartbeat => "SendTaskHeartbeat",
            Self::Mock => "Mock",
        }
    }

    /// Whether it answers a task by its token, whatever the machine.
    pub fn is_on_tasks(self) -> bool {
        matches!(self, Self::SendTaskSuccess | Self::SendTaskFailure | Self::SendTaskHeartbeat)
    }
}

impl Authorization {
    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "NONE",
            Self::AwsIam => "AWS_IAM",
            Self::Custom => "CUSTOM",
            Self::CognitoUserPools => "COGNITO_USER_POOLS",
        }
    }
}
