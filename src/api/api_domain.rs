//! `APIDomain`: a custom domain name of API Gateway, on which RestAPIs of several namespaces can be served.

use std::collections::BTreeMap;

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Binding, CommonStatus, DeletionPolicy, Drift, DriftPolicy, EndpointType, IpAddressType, LocalReference, Namespaces,
    Reference,
};

/// A custom domain name of API Gateway, on which RestAPIs of several namespaces can be served.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stepgate.dev",
    version = "v1alpha1",
    kind = "APIDomain",
    plural = "apidomains",
    status = "APIDomainStatus",
    namespaced,
    category = "stepgate",
    derive = "PartialEq",
    doc = "A custom domain name of API Gateway, on which RestAPIs of several namespaces can be served.",
    printcolumn(name = "Domain", type_ = "string", json_path = ".spec.domainName"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "Target", type_ = "string", json_path = ".status.targetDomainName"),
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
    validation = Rule::new("self.domainName == oldSelf.domainName").message("domainName is immutable: create another APIDomain instead"),
    validation = Rule::new("has(self.region) == has(oldSelf.region) && (!has(self.region) || self.region == oldSelf.region)").message("region is immutable: a domain name cannot move; create another APIDomain"),
    validation = Rule::new("self.endpointType == oldSelf.endpointType").message("endpointType is immutable: its DNS target would change at once; delete the APIDomain and create it anew"),
    validation = Rule::new("!has(self.mutualTls) || self.endpointType == 'REGIONAL'").message("`mutualTls` is for endpointType REGIONAL only"),
    validation = Rule::new("!has(self.mutualTls) || self.securityPolicy != 'TLS_1_0'").message("`mutualTls` needs a securityPolicy newer than TLS_1_0, such as TLS_1_2"),
    validation = Rule::new("!has(self.ownershipVerificationCertificateArn) || has(self.mutualTls)").message("`ownershipVerificationCertificateArn` is for `mutualTls` with an imported certificate, or one of a private CA: leave it out otherwise"),
    validation = Rule::new("self.endpointType == 'EDGE' || !self.securityPolicy.endsWith('_EDGE')").message("a securityPolicy that ends with _EDGE is for endpointType EDGE only"),
    validation = Rule::new("self.endpointType != 'EDGE' || self.securityPolicy.endsWith('_EDGE') || self.securityPolicy in ['TLS_1_0', 'TLS_1_2']").message("endpointType EDGE takes TLS_1_0, TLS_1_2, or a securityPolicy that ends with _EDGE"),
    validation = Rule::new("self.endpointType != 'PRIVATE' || self.securityPolicy != 'TLS_1_0'").message("endpointType PRIVATE needs a securityPolicy newer than TLS_1_0, such as TLS_1_2"),
    validation = Rule::new("has(self.endpointAccessMode) == self.securityPolicy.startsWith('SecurityPolicy_')").message("set `endpointAccessMode`, BASIC or STRICT, exactly when securityPolicy begins with SecurityPolicy_"),
    validation = Rule::new("(self.endpointType == 'PRIVATE') == has(self.policy)").message("a PRIVATE domain needs `policy`, which lets in calls from your VPC endpoints; the other endpoint types take none"),
    validation = Rule::new("!has(self.accessAssociations) || self.endpointType == 'PRIVATE'").message("`accessAssociations` are for endpointType PRIVATE only"),
    validation = Rule::new("!has(self.ipAddressType) || self.ipAddressType != 'ipv4' || self.endpointType != 'PRIVATE'").message("a PRIVATE domain takes ipAddressType dualstack only: leave it out")
)]
pub struct APIDomainSpec {
    /// The AWSAccount; needed only where several admit this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<LocalReference>,
    /// The Region, which RestAPIs on this domain share; absent: the AWSAccount's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub region: Option<String>,
    /// Such as `api.example.com`, or `*.example.com` for all names below; the tenant's `exposure.domains` must admit it. Its DNS record
    /// is yours to make, with what the status shows.
    #[schemars(length(max = 255))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^(\*\.)?([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$")"##).message("write a domain name in small letters, such as api.example.com; only its first label can be `*`"))]
    pub domain_name: String,
    /// The ACM certificate, which must name the domain: of Region us-east-1 for endpointType EDGE, of this Region otherwise. The built-ins
    /// `${AWS::AccountId}`, `${AWS::Region}`, `${AWS::Partition}` may stand in it.
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):acm:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):certificate/[A-Za-z0-9-]+$")"##).message("write the ARN of an ACM certificate: arn:aws:acm:REGION:ACCOUNT:certificate/ID (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"))]
    pub certificate_arn: String,
    /// REGIONAL, EDGE or PRIVATE; the tenant's `exposure.endpointTypes` must admit it.
    #[serde(default)]
    pub endpoint_type: EndpointType,
    /// The least version of TLS with its ciphers: TLS_1_2, TLS_1_0, or one of AWS's that begin with `SecurityPolicy_`.
    #[serde(default = "default_security_policy")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^(TLS_1_0|TLS_1_2|SecurityPolicy_[A-Za-z0-9_]+)$")"##).message("write TLS_1_2, TLS_1_0, or a security policy of API Gateway's that begins with SecurityPolicy_"))]
    pub security_policy: String,
    /// Only with a securityPolicy that begins with `SecurityPolicy_`: whether callers must come by the endpoint of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint_access_mode: Option<EndpointAccessMode>,
    /// Callers must present a client certificate that the truststore knows. Also set `endpoint.disableExecuteApiEndpoint` of the RestAPIs,
    /// which would let callers in without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mutual_tls: Option<MutualTls>,
    /// With `mutualTls` and a certificate that ACM did not issue publicly: the ARN of one that it did, which proves whose the domain is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):acm:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):certificate/[A-Za-z0-9-]+$")"##).message("write the ARN of an ACM certificate: arn:aws:acm:REGION:ACCOUNT:certificate/ID (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"))]
    pub ownership_verification_certificate_arn: Option<String>,
    /// ipv4 or dualstack; absent: ipv4, and dualstack for a PRIVATE domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip_address_type: Option<IpAddressType>,
    /// Who may call a PRIVATE domain: an IAM policy as text, JSON or YAML, on `execute-api:/*`. It must bind calls to VPC endpoints or VPCs of
    /// the tenant's `exposure.vpcSources`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 16384))]
    pub policy: Option<String>,
    /// VPC endpoints for execute-api, of this account, that may call a PRIVATE domain; `policy` has to let them in, too. The tenant's
    /// `exposure.vpcSources` must admit each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), inner(length(max = 64)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^vpce-[0-9a-z]+$"))"##).message("write the ids of VPC endpoints: vpce-0123456789abcdef0"))]
    pub access_associations: Option<Vec<String>>,
    /// Whose RestAPIs may be served here, and under which base paths; absent: those of this namespace. Where two grants name one base path,
    /// the earlier wins.
    #[serde(default, rename = "allowedAPIs", skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 100), extend("x-kubernetes-list-type" = "atomic"))]
    pub allowed_apis: Option<Vec<APIGrant>>,
    /// Tags of the domain name in AWS; keys can't begin with `aws:` or `stepgate.dev/`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 40), extend("additionalProperties" = {"type": "string", "maxLength": 256}))]
    pub tags: BTreeMap<String, String>,
    /// What is done about a change in AWS that no manifest asked for.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// What becomes of the domain name in AWS when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,
    /// Refuses `kubectl delete` (by the chart's ValidatingAdmissionPolicy).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletion_protection: bool,
}

fn default_security_policy() -> String {
    "TLS_1_2".to_owned()
}

/// Which endpoints callers of a domain may come by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum EndpointAccessMode {
    /// Any.
    Basic,
    /// Only those of the domain's own endpoint type, with a matching server name.
    Strict,
}

impl EndpointAccessMode {
    /// As API Gateway writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Basic => "BASIC",
            Self::Strict => "STRICT",
        }
    }
}

/// Which client certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MutualTls {
    /// The S3 object with the certificates of trusted authorities, `s3://BUCKET/KEY`; the operator's identity must be allowed to read it.
    #[schemars(length(max = 1100))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/.+$")"##).message("write the object's URI: s3://BUCKET/KEY"))]
    pub truststore_uri: String,
    /// The object's version, in a bucket with versions: a new truststore is in use when this changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub truststore_version: Option<String>,
}

/// Whose RestAPIs may be served on a domain, and where.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct APIGrant {
    /// Whose RestAPIs.
    pub namespaces: Namespaces,
    /// Under which base paths; `/` is the root. Absent: all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 128)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x == '/' || x.matches(r"^[A-Za-z0-9$_.+!*'()-]+$"))"##).message("write base paths as one segment without slashes, such as orders; `/` alone is the root"))]
    pub base_paths: Option<Vec<String>>,
}

/// What is known of the domain name in AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct APIDomainStatus {
    /// Generation and conditions.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// Where the DNS record (an alias, or a CNAME) has to point; none for a PRIVATE domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_domain_name: Option<String>,
    /// The Route 53 hosted zone of `targetDomainName`, which an alias record asks for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_hosted_zone_id: Option<String>,
    /// API Gateway's word for the domain: AVAILABLE, UPDATING, PENDING, PENDING_CERTIFICATE_REIMPORT, PENDING_OWNERSHIP_VERIFICATION or FAILED.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name_status: Option<String>,
    /// The id in AWS, which only a PRIVATE domain has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub domain_name_id: Option<String>,
    /// What RestAPIs ask for, by base path and RestAPI.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 400), extend("x-kubernetes-list-type" = "atomic"))]
    pub mappings: Vec<BasePathMapping>,
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

/// How a RestAPI's wish for a base path stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct BasePathMapping {
    /// The RestAPI.
    pub api_ref: Reference,
    /// The base path; absent is the root.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub base_path: Option<String>,
    /// The stage that the base path leads to now; absent: it does not lead to this RestAPI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub serves: Option<String>,
    /// Why it is not as the RestAPI asks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<MappingRefusal>,
}

/// Why a base path is not mapped as a RestAPI asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MappingRefusal {
    /// The reason, as conditions have it.
    #[schemars(length(max = 64))]
    pub reason: String,
    /// In one sentence.
    #[schemars(length(max = 1024))]
    pub message: String,
}
