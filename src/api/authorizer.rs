//! The authorizers of a RestAPI: what decides whether a caller may.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What decides whether a caller may: a Lambda function of the user's, or Cognito user pools. Routes name it in `authorization`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.token) ? 1 : 0) + (has(self.request) ? 1 : 0) + (has(self.cognitoUserPools) ? 1 : 0) == 1").message("set exactly one of `token`, `request`, `cognitoUserPools`"))]
pub struct Authorizer {
    /// Its name, for routes and in AWS.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[A-Za-z0-9_-]+$")"##).message("an authorizer's name holds letters, digits, `_` and `-`"))]
    pub name: String,
    /// A Lambda function that gets one header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<TokenAuthorizer>,
    /// A Lambda function that gets the request, without its body.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<RequestAuthorizer>,
    /// Cognito user pools, whose tokens callers send.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cognito_user_pools: Option<CognitoAuthorizer>,
}

/// A Lambda authorizer that gets one header (AWS: TOKEN).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TokenAuthorizer {
    /// The function.
    #[serde(flatten)]
    pub function: AuthorizerFunction,
    /// The header with the token.
    #[serde(default = "default_header")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._$-]+$"))]
    pub header: String,
    /// A regular expression that a token must match; any other is answered with 401 without calling the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub validation_expression: Option<String>,
}

/// A Lambda authorizer that gets the request (AWS: REQUEST).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.identitySources) || (has(self.resultTtlSeconds) && self.resultTtlSeconds == 0)").message("answers are kept by what `identitySources` name: set them, or `resultTtlSeconds: 0`"))]
pub struct RequestAuthorizer {
    /// The function.
    #[serde(flatten)]
    pub function: AuthorizerFunction,
    /// What must be in a request, and what answers are kept by; a request without one of them is answered with 401 without calling the function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10), extend("x-kubernetes-list-type" = "atomic"))]
    pub identity_sources: Option<Vec<IdentitySource>>,
}

/// A Lambda function that authorizes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AuthorizerFunction {
    /// The function's ARN, perhaps with an alias or version; the tenant's `exposure.authorizerArns` must admit it, and the built-ins may stand in it.
    #[schemars(length(max = 512))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):lambda:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):function:[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?$")"##).message("write the ARN of a function: arn:aws:lambda:REGION:ACCOUNT:function:NAME, perhaps with :ALIAS (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"))]
    pub function_arn: String,
    /// The role that API Gateway calls it with; the tenant's `invokeRoleArns` must admit it. Absent: one managed here, which may call this function and nothing else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):iam::([0-9]{12}|\$\{AWS::AccountId\}):role/.+$")"##).message("write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"))]
    pub role_arn: Option<String>,
    /// For how long its answers are kept, 0–3600 s; 0: it is asked each time.
    #[serde(default = "default_ttl")]
    #[schemars(range(min = 0, max = 3600))]
    pub result_ttl_seconds: i32,
}

/// One part of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.header) ? 1 : 0) + (has(self.query) ? 1 : 0) + (has(self.stageVariable) ? 1 : 0) + (has(self.context) ? 1 : 0) == 1").message("set exactly one of `header`, `query`, `stageVariable`, `context`"))]
pub struct IdentitySource {
    /// A header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._$-]+$"))]
    pub header: Option<String>,
    /// A query-string parameter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._$-]+$"))]
    pub query: Option<String>,
    /// A stage variable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z0-9_]+$"))]
    pub stage_variable: Option<String>,
    /// A `$context` variable such as `identity.sourceIp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z0-9_-]+)*$"))]
    pub context: Option<String>,
}

/// Cognito user pools, whose tokens callers send.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct CognitoAuthorizer {
    /// The user pools; the tenant's `exposure.authorizerArns` must admit each, and the built-ins may stand in them.
    #[schemars(length(min = 1, max = 32), inner(length(max = 512)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):cognito-idp:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):userpool/[A-Za-z0-9_-]+$"))"##).message("write the ARNs of user pools: arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in them)"))]
    pub user_pool_arns: Vec<String>,
    /// The header with the token.
    #[serde(default = "default_header")]
    #[schemars(length(min = 1, max = 128), regex(pattern = r"^[A-Za-z0-9._$-]+$"))]
    pub header: String,
}

fn default_header() -> String {
    "Authorization".to_owned()
}

fn default_ttl() -> i32 {
    300
}
