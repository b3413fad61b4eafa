//! The certificate that a stage shows to backends.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The certificate that API Gateway shows to HTTPS backends, by which they know it. The tenant's `exposure.clientCertificates` must
/// admit it. Step Functions asks for none: it is for the HTTP integrations of an adopted API, and for rules that want every stage to have one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("has(self.id) != has(self.acmCertificateArn)").message("set exactly one of `id` and `acmCertificateArn`"))]
pub struct ClientCertificate {
    /// A client certificate that API Gateway generated.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[a-z0-9]+$")"##).message("write the id of a client certificate of API Gateway, such as a1b2c3"))]
    pub id: Option<String>,
    /// A certificate of ACM's, imported or of a private CA, in this account and Region; the built-ins `${AWS::AccountId}`,
    /// `${AWS::Region}`, `${AWS::Partition}` may stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):acm:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):certificate/[A-Za-z0-9-]+$")"##).message("write the ARN of an ACM certificate: arn:aws:acm:REGION:ACCOUNT:certificate/ID (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"))]
    pub acm_certificate_arn: Option<String>,
}
