//! `AWSAccount`: the admin's grant. Nothing works without one that admits the namespace.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Authorization, CacheClusterSize, CommonStatus, EndpointType, Namespaces};

/// An AWS account, its Regions, and what each tenant (a set of namespaces) may do in it.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stepgate.dev",
    version = "v1alpha1",
    kind = "AWSAccount",
    plural = "awsaccounts",
    status = "AWSAccountStatus",
    category = "stepgate",
    derive = "PartialEq",
    doc = "An AWS account, its Regions, and what each tenant (a set of namespaces) may do in it.",
    selectable = ".spec.accountId",
    printcolumn(name = "Account", type_ = "string", json_path = ".spec.accountId"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.conditions[?(@.type=='Ready')].message",
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
pub struct AWSAccountSpec {
    /// The 12-digit account id. It is compared with what the credentials say; a mismatch stops everything.
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[0-9]{12}$")"##).message("write the account's 12 digits, in quotes"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("accountId is immutable: create another AWSAccount instead"))]
    pub account_id: String,
    /// The Regions that may be used; the first is the default.
    #[schemars(length(min = 1, max = 40))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub regions: Vec<Region>,
    /// How the operator signs its calls; absent means its own identity (IRSA, Pod Identity, environment).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,
    /// Another endpoint for every AWS call, for emulators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048), regex(pattern = r"^https?://"))]
    pub endpoint_url: Option<String>,
    /// The role that API Gateway writes logs with. It is one for the account and Region: where AWS has none, this one is set when
    /// a stage first logs; another one stays, and it is never taken away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_gateway_log_role: Option<LogRole>,
    /// UIDs of the namespace kube-system of lost clusters that had this one's `--cluster-name`: what their objects of the
    /// same kind, namespace and name made in this account is taken over.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub takeover_from: Vec<String>,
    /// Past so many deletions within an hour of StateMachines, RestAPIs, APIDomains and served APIRoutes, further ones are held until the
    /// annotation `stepgate.dev/deletions-released-at` lets them go.
    #[serde(default = "default_max_deletions")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub max_deletions_per_hour: i32,
    /// How many resources (one for each part of a path, below `/`) an API has at most: 300, unless AWS raised this account's quota.
    #[serde(default = "default_max_resources", rename = "maxResourcesPerAPI")]
    #[schemars(range(min = 1, max = 10_000))]
    pub max_resources_per_api: u16,
    /// What sets of namespaces may do here. A namespace that no tenant names may do nothing.
    #[serde(default)]
    #[schemars(length(max = 100))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub tenants: Vec<Tenant>,
}

fn default_max_deletions() -> i32 {
    100
}

fn default_max_resources() -> u16 {
    300
}

/// A Region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
pub struct Region {
    /// Such as `eu-central-1`.
    #[schemars(length(max = 32))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$")"##).message("write a Region's name, such as eu-central-1"))]
    pub name: String,
}

/// How the operator signs its calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// The role that the operator assumes with its own identity.
    pub assume_role: AssumeRole,
}

/// A role that the operator assumes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AssumeRole {
    /// The role's ARN.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$")"##).message("write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME"))]
    pub role_arn: String,
}

/// A role that a service writes logs with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogRole {
    /// The ARN of an existing role that apigateway.amazonaws.com may assume and that may write to CloudWatch Logs.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:aws[a-z-]*:iam::[0-9]{12}:role/.+$")"##).message("write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME"))]
    pub arn: String,
}

/// What a set of namespaces may do in the account. Every list is empty unless filled.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("self.namespaces.from != 'Same'").message("an AWSAccount has no namespace of its own: `namespaces.from` must be Selector or All"))]
pub struct Tenant {
    /// The tenant's name.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Who belongs to it: All or Selector.
    pub namespaces: Namespaces,
    /// What execution roles may be given: each statement must be provably contained in one grant.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub ceiling: Vec<Grant>,
    /// Managed policies that roles made here may carry; ARNs with wildcards and `${namespace}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub managed_policy_arns: Vec<String>,
    /// Existing roles that a StateMachine may run with; ARNs with wildcards and `${namespace}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub execution_role_arns: Vec<String>,
    /// Existing roles that an APIRoute may call with; ARNs with wildcards and `${namespace}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub invoke_role_arns: Vec<String>,
    /// State machines outside the operator's own that routes may call.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub targets: Vec<TargetGrant>,
    /// AWS names that a StateMachine may ask for with `name`; wildcards and `${namespace}`. Absent: generated names only.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 80)), extend("x-kubernetes-list-type" = "set"))]
    pub name_patterns: Vec<String>,
    /// State machines, their execution roles and REST APIs that are nobody's yet and that objects may adopt; ARNs with wildcards and
    /// `${namespace}`. A role only where `iam` and `role/` are written out: executions may then do all that the role could.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub adoptable_arns: Vec<String>,
    /// What may be exposed to callers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exposure: Option<Exposure>,
}

/// Actions on resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Grant {
    /// Actions such as `dynamodb:GetItem`, with wildcards.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    pub actions: Vec<String>,
    /// ARNs with wildcards and `${namespace}`.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 1024)), extend("x-kubernetes-list-type" = "set"))]
    pub resources: Vec<String>,
}

/// State machines outside the operator's own, and what routes may do with them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct TargetGrant {
    /// State machine ARNs with wildcards and `${namespace}`.
    #[schemars(length(min = 1, max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub arns: Vec<String>,
    /// Step Functions actions such as `StartExecution`.
    #[schemars(length(min = 1, max = 16), inner(length(max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub actions: Vec<String>,
}

/// What a tenant may expose to callers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Exposure {
    /// How routes may authorize callers; absent: AWS_IAM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub authorizations: Option<Vec<Authorization>>,
    /// Whether routes may answer tasks by their tokens (SendTaskSuccess, SendTaskFailure, SendTaskHeartbeat). AWS knows no
    /// resource for these: the route's role may answer any task of the account and Region whose token a caller holds.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub task_callbacks: bool,
    /// Endpoint types that a RestAPI may have; absent: REGIONAL.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3), extend("x-kubernetes-list-type" = "set"))]
    pub endpoint_types: Option<Vec<EndpointType>>,
    /// Lambda functions and Cognito user pools that may authorize callers; ARNs with wildcards and `${namespace}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub authorizer_arns: Vec<String>,
    /// Whom resource policies may let in: ARNs, accounts, services, `*`; with wildcards and `${namespace}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub resource_policy_principals: Vec<String>,
    /// VPC endpoints and VPCs from which calls may be let in, whoever makes them: ids with wildcards.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub vpc_sources: Vec<String>,
    /// Custom domain names that an APIDomain may have, with wildcards and `${namespace}`: `*.team-a.example.com`. `*.` at the beginning of a
    /// domain's name counts as every name that it stands for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 255)), extend("x-kubernetes-list-type" = "set"))]
    pub domains: Vec<String>,
    /// Log groups that may be written to; ARNs without `:*` at the end, with wildcards and `${namespace}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub log_group_arns: Vec<String>,
    /// KMS keys that state machines may be encrypted with; ARNs with wildcards and `${namespace}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub kms_key_arns: Vec<String>,
    /// Certificates that a stage may show to backends: ids of API Gateway's client certificates, ARNs of ACM's; with wildcards and
    /// `${namespace}`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 100), inner(length(min = 1, max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    pub client_certificates: Vec<String>,
    /// Sizes of caches, in GB, that a stage may have.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub cache_cluster_sizes: Vec<CacheClusterSize>,
}

/// What is known of the account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AWSAccountStatus {
    /// Generation and conditions.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// The partition that the credentials belong to: `aws`, `aws-cn`, `aws-us-gov`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The deletions of the last hour, and whether further ones are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletions: Option<Deletions>,
}

/// Deletions within five minutes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DeletionsPart {
    /// When the last of them was.
    pub until: Time,
    /// How many there were.
    pub count: i32,
}

/// Deletions within an hour.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Deletions {
    /// When the first of them was.
    pub since: Time,
    /// How they are spread over the last hour, in parts of five minutes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    pub parts: Vec<DeletionsPart>,
    /// How many there were.
    pub count: i32,
    /// Since when further ones are held.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held_since: Option<Time>,
}
