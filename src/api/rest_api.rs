//! `RestAPI`: one API Gateway REST API that many routes share, from several teams.

use std::collections::BTreeSet;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Action, AllowedUsagePlans, ApiAdoption, ApiKeySource, Authorization, Authorizer, Binding, CommonStatus, Cors,
    DeletionPolicy, DomainMapping, DomainMappingStatus, Drift, DriftPolicy, Endpoint, GatewayResponse, LocalReference,
    Method, Model, Namespaces, Outputs, Stage, StageStatus,
};

/// One API Gateway REST API that many APIRoutes share, from several namespaces.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stepgate.dev",
    version = "v1alpha1",
    kind = "RestAPI",
    plural = "restapis",
    status = "RestAPIStatus",
    namespaced,
    category = "stepgate",
    derive = "PartialEq",
    doc = "One API Gateway REST API that many APIRoutes share, from several namespaces.",
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Routes", type_ = "integer", json_path = ".status.attachedRoutes"),
    printcolumn(name = "URL", type_ = "string", json_path = ".status.stages[0].invokeUrl"),
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
    validation = Rule::new("has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)").message("region is immutable: an API cannot move; create another RestAPI"),
    validation = Rule::new("!has(self.endpoint) || self.endpoint.type != 'PRIVATE' || has(self.resourcePolicy)").message("nobody can call a PRIVATE API without `resourcePolicy`: add one that allows calls from your VPC endpoints"),
    validation = Rule::new("!has(self.domainMappings) || self.domainMappings.all(m, self.stages.exists(s, s.name == m.stage))").message("each of `domainMappings` names one of `stages` in `stage`"),
    validation = Rule::new("!has(self.domainMappings) || self.domainMappings.all(m, self.domainMappings.exists_one(n, n.domainRef == m.domainRef && has(n.basePath) == has(m.basePath) && (!has(n.basePath) || n.basePath == m.basePath)))").message("two of `domainMappings` have one domain and base path: keep one of them"),
)]
pub struct RestAPISpec {
    /// The AWSAccount; needed only where several admit this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<LocalReference>,
    /// The Region; absent: the AWSAccount's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub region: Option<String>,
    /// Takes an API that exists for its own; the tenant's `adoptableArns` must admit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<ApiAdoption>,
    /// Shown in the AWS console.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub description: Option<String>,
    /// Who may attach routes, and where; absent: routes of this namespace. Where two grants meet on a path, the earlier wins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed_routes: Option<Vec<RouteGrant>>,
    /// Whose UsagePlans may name its stages; absent: those of this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_usage_plans: Option<AllowedUsagePlans>,
    /// What decides whether callers may, for routes to name in `authorization`; API Gateway takes 10.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub authorizers: Vec<Authorizer>,
    /// The stages; a stage without `revision` follows the newest.
    #[schemars(length(min = 1, max = 10))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub stages: Vec<Stage>,
    /// JSON schemas that routes share: `request.bodyModel` names one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub models: Vec<Model>,
    /// The kind of endpoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<Endpoint>,
    /// Which web pages' scripts may call; for routes without `cors` of their own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<Cors>,
    /// What API Gateway itself answers where a request does not reach a route, or a route can't answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 21))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub gateway_responses: Option<Vec<GatewayResponse>>,
    /// Who may call, whatever the routes ask for besides: an IAM policy as text, JSON or YAML; `execute-api:/STAGE/METHOD/PATH` names parts of this API, and the built-ins may stand in it. Whom it lets in is bounded by the tenant's `exposure`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub resource_policy: Option<String>,
    /// Where the API key of a request is.
    #[serde(default)]
    pub api_key_source: ApiKeySource,
    /// Content types of bodies that are bytes, such as `image/png` or `*/*`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64), inner(length(min = 3, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^[A-Za-z0-9!#$&^_.+*-]+/[A-Za-z0-9!#$&^_.+*-]+$"))"##).message("write media types without parameters, such as image/png"))]
    pub binary_media_types: Vec<String>,
    /// From how many bytes on answers are compressed for clients that ask for it, 0–10,485,760; absent: never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10_485_760))]
    pub minimum_compression_size: Option<i32>,
    /// Where it is served on custom domain names: APIDomains.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub domain_mappings: Vec<DomainMapping>,
    /// Where pods can read what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// How many revisions are kept besides those that a stage serves.
    #[serde(default = "default_history")]
    #[schemars(range(min = 0, max = 100))]
    pub revision_history_limit: i32,
    /// What is done about a change in AWS that no manifest asked for.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// What becomes of the API in AWS when this object is deleted; absent: Delete, or Retain where it was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// Refuses `kubectl delete` (by the chart's ValidatingAdmissionPolicy).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletion_protection: bool,
}

fn default_history() -> i32 {
    10
}

/// Who may attach routes, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RouteGrant {
    /// Whose routes.
    pub namespaces: Namespaces,
    /// Under which paths, in whole segments; absent: everywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 256)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^/([^/\s]+(/[^/\s]+)*)?$"))"##).message("write prefixes as whole segments, such as /orders: each begins with `/`, and there is no `/` at its end"))]
    pub path_prefixes: Option<Vec<String>>,
    /// With which methods; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 8), extend("x-kubernetes-list-type" = "set"))]
    pub methods: Option<Vec<Method>>,
    /// With which authorizations; absent: all but NONE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4), extend("x-kubernetes-list-type" = "set"))]
    pub authorizations: Option<Vec<Authorization>>,
    /// With which actions; absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16), extend("x-kubernetes-list-type" = "set"))]
    pub actions: Option<Vec<Action>>,
    /// With which mappings; absent: Structured only, because a raw template is a program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2), extend("x-kubernetes-list-type" = "set"))]
    pub mappings: Option<Vec<Mapping>>,
}

/// How a route's requests are mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Mapping {
    /// By fields; the operator writes the template.
    Structured,
    /// By templates of the user's own, of requests or of answers.
    Raw,
}

/// What is known of the API in AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RestAPIStatus {
    /// Generation and conditions.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// The id in AWS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rest_api_id: Option<String>,
    /// The stages that exist.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 10), extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["name"]))]
    pub stages: Vec<StageStatus>,
    /// The revisions that a stage can be pinned to, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 128), extend("x-kubernetes-list-type" = "atomic"))]
    pub revisions: Vec<i64>,
    /// The newest revision at whose deployment AWS is known to have been as the manifests asked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub verified_revision: Option<i64>,
    /// What is this object's in an adopted API, of the kinds that do not say themselves whose they are.
    #[serde(default, skip_serializing_if = "ManagedNames::is_empty")]
    pub managed: ManagedNames,
    /// How each of `domainMappings` stands.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 20), extend("x-kubernetes-list-type" = "atomic"))]
    pub domain_mappings: Vec<DomainMappingStatus>,
    /// How many routes are attached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attached_routes: Option<i64>,
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

/// What the manifests put into an adopted API, by name, from before it is made until the check of the day after it is gone: other
/// authorizers, models and gateway responses are left alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ManagedNames {
    /// Authorizers.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "Vec<String>", length(max = 1024), inner(length(max = 128)), extend("x-kubernetes-list-type" = "set"))]
    pub authorizers: BTreeSet<String>,
    /// Models.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "Vec<String>", length(max = 1024), inner(length(max = 128)), extend("x-kubernetes-list-type" = "set"))]
    pub models: BTreeSet<String>,
    /// Types of gateway responses.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "Vec<String>", length(max = 64), inner(length(max = 64)), extend("x-kubernetes-list-type" = "set"))]
    pub gateway_responses: BTreeSet<String>,
}

impl ManagedNames {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Adds names; answers whether any is new.
    pub fn extend(&mut self, more: &Self) -> bool {
        let before = self.clone();
        self.authorizers.extend(more.authorizers.iter().cloned());
        self.models.extend(more.models.iter().cloned());
        self.gateway_responses.extend(more.gateway_responses.iter().cloned());
        *self != before
    }
}
