//! Types that several kinds share.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, Time};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Which namespaces are meant.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum NamespacesFrom {
    /// The namespace of the object itself.
    #[default]
    Same,
    /// The namespaces that `selector` matches by their labels.
    Selector,
    /// Every namespace.
    All,
}

/// A set of namespaces.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("(self.from == 'Selector') == has(self.selector)").message("set `selector` exactly when `from` is Selector"),
    validation = Rule::new("!has(self.selector) || has(self.selector.matchLabels) || has(self.selector.matchExpressions)").message("an empty selector would mean every namespace: write `from: All` if that is meant")
)]
pub struct Namespaces {
    /// Same, Selector or All.
    pub from: NamespacesFrom,
    /// Matches namespaces by their labels; only with `from: Selector`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
}

/// An object of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct LocalReference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// An object of this or another namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub struct Reference {
    /// Its name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// Its namespace; absent means the namespace of the object that refers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub namespace: Option<String>,
}

/// A key of a ConfigMap of the same namespace.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigMapKeyRef {
    /// The ConfigMap's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
    /// The key in its `data`.
    #[schemars(length(min = 1, max = 253))]
    pub key: String,
}

/// What becomes of the AWS objects when the Kubernetes object is deleted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DeletionPolicy {
    /// They are deleted, and deletion waits for it.
    #[default]
    Delete,
    /// They stay, and their owner tags become a released-from tag.
    Retain,
}

/// What is done about a change in AWS that no manifest asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum DriftPolicy {
    /// It is undone at the next check.
    #[default]
    Correct,
    /// It is left, and told in an event, in `status.lastDrift` and by Ready. The next change of a manifest undoes it.
    Report,
}

/// One statement of an IAM policy. NotAction and NotResource do not exist: what they grant can't be bounded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatement {
    /// Actions such as `dynamodb:GetItem`; `*` and `?` are wildcards.
    #[schemars(
        length(min = 1, max = 64),
        inner(length(min = 3, max = 128), regex(pattern = r"^[A-Za-z0-9-]+:[A-Za-z0-9*?]+$"))
    )]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub actions: Vec<String>,
    /// ARNs, with wildcards and the built-ins `${AWS::AccountId}`, `${AWS::Region}`, `${AWS::Partition}`; or `*`.
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 1024)))]
    #[schemars(extend("x-kubernetes-list-type" = "set"))]
    pub resources: Vec<String>,
    /// Conditions: operator → key → values. They can only narrow the statement.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub conditions: BTreeMap<String, BTreeMap<String, Vec<String>>>,
}

/// Where an object lives in AWS. Shown for people; it never grants anything.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Binding {
    /// Name of the AWSAccount.
    pub account: String,
    /// The 12-digit account id.
    #[schemars(regex(pattern = r"^[0-9]{12}$"))]
    pub account_id: String,
    /// The Region, such as `eu-central-1`; it becomes part of the hosts that calls go to.
    #[schemars(length(max = 32), regex(pattern = r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$"))]
    pub region: String,
}

/// The last difference found in AWS that no manifest asked for.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// When it was found.
    pub time: Time,
    /// What differed, as the plan that repaired it reads.
    #[schemars(length(max = 1024))]
    pub summary: String,
}

/// The status of every kind begins with this.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CommonStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// See docs/conditions.md for every type and reason, and what to do about each.
    #[serde(default)]
    #[schemars(length(max = 16))]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,
}

/// Renders as in the schema: `namespace/name`.
impl std::fmt::Display for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.namespace {
            Some(namespace) => write!(f, "{namespace}/{}", self.name),
            None => f.write_str(&self.name),
        }
    }
}
