//! The endpoint of a RestAPI.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// The endpoint of an API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.vpcEndpointIds) || self.type == 'PRIVATE'").message("`vpcEndpointIds` are for type PRIVATE only"),
    validation = Rule::new("!has(self.ipAddressType) || self.ipAddressType != 'ipv4' || self.type != 'PRIVATE'").message("a PRIVATE API takes ipAddressType dualstack only: leave it out")
)]
pub struct Endpoint {
    /// REGIONAL, EDGE or PRIVATE; the tenant's `exposure.endpointTypes` must admit it.
    #[serde(rename = "type", default)]
    pub type_: EndpointType,
    /// VPC endpoints for which a PRIVATE API gets DNS names; the tenant's `exposure.vpcSources` must admit each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), inner(length(max = 64)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^vpce-[0-9a-z]+$"))"##).message("write the ids of VPC endpoints: vpce-0123456789abcdef0"))]
    pub vpc_endpoint_ids: Option<Vec<String>>,
    /// ipv4 or dualstack; absent: ipv4, and dualstack for a PRIVATE API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address_type: Option<IpAddressType>,
    /// Whether only custom domain names answer, not `https://ID.execute-api.REGION.amazonaws.com`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub disable_execute_api_endpoint: bool,
}

/// API Gateway endpoint types.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndpointType {
    /// Served from the Region.
    #[default]
    Regional,
    /// Served through CloudFront.
    Edge,
    /// Served in VPCs.
    Private,
}

/// Which IP addresses callers may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IpAddressType {
    /// IPv4.
    Ipv4,
    /// IPv4 and IPv6.
    Dualstack,
}

/// Where the API key of a request is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum ApiKeySource {
    /// In the header `X-API-Key`.
    #[default]
    Header,
    /// A Lambda authorizer answers with it, as `usageIdentifierKey`.
    Authorizer,
}

impl EndpointType {
    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Regional => "REGIONAL",
            Self::Edge => "EDGE",
            Self::Private => "PRIVATE",
        }
    }
}

impl IpAddressType {
    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ipv4 => "ipv4",
            Self::Dualstack => "dualstack",
        }
    }
}

impl ApiKeySource {
    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Header => "HEADER",
            Self::Authorizer => "AUTHORIZER",
        }
    }
}
