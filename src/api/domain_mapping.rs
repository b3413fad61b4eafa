//! `RestAPI.spec.domainMappings`: where an API is served on custom domain names.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Reference;

/// Where a stage is served on a custom domain name. The APIDomain must admit the RestAPI.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DomainMapping {
    /// The APIDomain.
    pub domain_ref: Reference,
    /// The first segment of the paths that lead here, such as `orders` of `https://api.example.com/orders/…`; absent: the root, for all that
    /// no other base path takes. API Gateway takes it off before it looks for a route.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[A-Za-z0-9$_.+!*'()-]+$") && self != '(none)'"##).message("write one segment without slashes, such as orders; leave basePath out for the root"))]
    pub base_path: Option<String>,
    /// The stage, one of `stages`.
    #[schemars(length(min = 1, max = 128))]
    pub stage: String,
}

/// How a mapping stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DomainMappingStatus {
    /// The APIDomain.
    pub domain_ref: Reference,
    /// The base path; absent is the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub base_path: Option<String>,
    /// Whether the base path leads to the stage that is asked for.
    pub accepted: bool,
    /// What callers call, once the domain's DNS record is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub url: Option<String>,
    /// Why it is not accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}
