//! `UsagePlan`: which API keys may call which stages, how fast and how often.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Binding, CommonStatus, DeletionPolicy, Drift, DriftPolicy, LocalReference, Method, Namespaces, Reference};

/// Which API keys may call which stages, how fast and how often.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stepgate.dev",
    version = "v1alpha1",
    kind = "UsagePlan",
    plural = "usageplans",
    status = "UsagePlanStatus",
    namespaced,
    category = "stepgate",
    derive = "PartialEq",
    doc = "Which API keys may call which stages, how fast and how often: an API Gateway usage plan and its API keys.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Plan", type_ = "string", json_path = ".status.usagePlanId"),
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
    validation = Rule::new("has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)").message("region is immutable: a usage plan cannot move; create another UsagePlan"),
)]
pub struct UsagePlanSpec {
    /// The AWSAccount; needed only where several admit this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<LocalReference>,
    /// The Region; absent: the AWSAccount's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub region: Option<String>,
    /// Shown in the AWS console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// The stages that its keys may call. A RestAPI says in `allowedUsagePlans` whose plans it takes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub api_stages: Vec<UsagePlanStage>,
    /// How fast each key may call; absent: as fast as the stage lets it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub throttle: Option<PlanThrottle>,
    /// How often each key may call in a period; absent: as often as it likes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quota: Option<PlanQuota>,
    /// Its keys.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub api_keys: Vec<PlanKey>,
    /// How long a value that was replaced in its Secret goes on to work, so that clients have time to take up the new one; such as 90s, 30m or 24h. 0s: not at all.
    #[serde(default = "one_day")]
    #[schemars(length(min = 2, max = 24))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$")"##).message("write a length of time, such as 90s, 30m or 24h"))]
    pub rotation_grace_period: String,
    /// Tags of the plan and its keys in AWS; keys can't begin with `aws:` or `stepgate.dev/`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 40), extend("additionalProperties" = {"type": "string", "maxLength": 256}))]
    pub tags: BTreeMap<String, String>,
    /// What is done about a change in AWS that no manifest asked for.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// What becomes of the plan and its keys in AWS when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
}

fn one_day() -> String {
    "24h".to_owned()
}

/// A stage that a plan's keys may call.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsagePlanStage {
    /// The RestAPI.
    pub api_ref: Reference,
    /// The name of one of its stages.
    #[schemars(length(min = 1, max = 128))]
    pub stage: String,
    /// How fast each key may call single methods, within what the plan's `throttle` lets it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["path", "method"]))]
    pub method_throttle: Vec<MethodThrottle>,
}

/// How fast each key may call one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MethodThrottle {
    /// The route's path, such as `/orders/{orderId}`.
    #[schemars(length(min = 1, max = 512), regex(pattern = r"^/"))]
    pub path: String,
    /// The route's method.
    pub method: Method,
    /// How fast.
    #[serde(flatten)]
    pub throttle: PlanThrottle,
}

/// How fast a key may call; more is answered with 429.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PlanThrottle {
    /// Requests a second in the long run.
    #[schemars(range(min = 0.0, max = 1_000_000.0))]
    pub rate_limit: f64,
    /// Requests at once.
    #[schemars(range(min = 0, max = 1_000_000))]
    pub burst_limit: i32,
}

/// How often a key may call in a period; more is answered with 429.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.offset) || self.offset <= (self.period == 'DAY' ? 0 : self.period == 'WEEK' ? 6 : 27)").message("`offset` is 0 for DAY, at most 6 for WEEK and at most 27 for MONTH"),
)]
pub struct PlanQuota {
    /// Requests in each period.
    #[schemars(range(min = 1, max = 2_147_483_647))]
    pub limit: i32,
    /// How many requests fewer there are in the first period; AWS takes 0 for DAY, up to 6 for WEEK and up to 27 for MONTH. Absent: 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 27))]
    pub offset: Option<i32>,
    /// The period.
    pub period: QuotaPeriod,
}

/// A period of a quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum QuotaPeriod {
    Day,
    Week,
    Month,
}

impl QuotaPeriod {
    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Day => "DAY",
            Self::Week => "WEEK",
            Self::Month => "MONTH",
        }
    }
}

/// An API key of a plan. Its value is in a Secret of the plan's namespace, and nowhere else in Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(has(self.secretKeyRef) ? 1 : 0) + (has(self.generate) ? 1 : 0) + (has(self.from) ? 1 : 0) == 1").message("set exactly one of `secretKeyRef`, `generate` and `from`"),
    validation = Rule::new("!has(self.from) || !has(self.enabled) || self.enabled").message("a key that comes `from` another UsagePlan is enabled and disabled there; to take it out of this plan, take it off the list"),
)]
pub struct PlanKey {
    /// Its name in this plan.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Its value is in this Secret of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_key_ref: Option<SecretKeyRef>,
    /// Its value is made up, and written into this Secret of this namespace, which is the UsagePlan's and is deleted with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generate: Option<GenerateKey>,
    /// It is a key of another UsagePlan of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<SharedKey>,
    /// Whether callers may use it.
    #[serde(default = "yes")]
    pub enabled: bool,
}

fn yes() -> bool {
    true
}

/// A key of a Secret of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct SecretKeyRef {
    /// The Secret's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its `data`, which holds 20–128 letters, digits and signs.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// Where a value that is made up is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct GenerateKey {
    /// The name of the Secret, which is made. One that exists already and is not this object's is left alone.
    #[schemars(length(min = 1, max = 253))]
    pub secret_name: String,
    /// The key in its `data`. To have another value made, delete it, or the Secret.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// A key of another UsagePlan of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct SharedKey {
    /// The UsagePlan that brings its value.
    #[schemars(length(min = 1, max = 253))]
    pub usage_plan: String,
    /// Its name there.
    #[schemars(length(min = 1, max = 63))]
    pub key: String,
}

/// Whose UsagePlans may name an API's stages.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AllowedUsagePlans {
    /// The namespaces of UsagePlans that may.
    pub namespaces: Namespaces,
}

/// What is known of the plan in AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct UsagePlanStatus {
    /// Generation and conditions.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// The id in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub usage_plan_id: Option<String>,
    /// The API keys that are in the plan.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 256), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["id"]))]
    pub api_keys: Vec<ApiKeyStatus>,
    /// The stages that the plan is for.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub api_stages: Vec<AttachedStage>,
    /// Where it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// Hash of what was last carried out in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_hash: Option<String>,
    /// The last change in AWS that no manifest asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drift: Option<Drift>,
}

/// An API key in AWS.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ApiKeyStatus {
    /// Its name in `spec.apiKeys`.
    pub name: String,
    /// Its id in AWS; not its value.
    pub id: String,
    /// Its value was replaced in the Secret; it works until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ends_at: Option<Time>,
}

/// A stage that a plan is for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AttachedStage {
    /// The RestAPI's namespace.
    pub namespace: String,
    /// The RestAPI's name.
    pub name: String,
    /// The stage.
    pub stage: String,
    /// The API's id in AWS.
    pub rest_api_id: String,
}
