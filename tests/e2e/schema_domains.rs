//! The cases of `schema.rs` on custom domains.

use serde_json::{Value, json};

const DOMAIN: &str = "APIDomain";
const VERIFICATION: &str = "arn:aws:acm:eu-central-1:111122223333:certificate/v1";

/// Kind, change of a valid spec, what is said.
pub fn refused() -> Vec<(&'static str, Value, &'static str)> {
    let trust = || json!({"truststoreUri": "s3://bucket/key.pem"});
    let policy = "{}";
    let mapping = |path: Option<&str>, stage: &str| {
        let mut mapping = json!({"domainRef": {"name": "site"}, "stage": stage});
        if let Some(path) = path {
            mapping["basePath"] = path.into();
        }
        mapping
    };
    let name = "spec.domainName: Invalid value: \"API.example.com\": write a domain name in small letters, such as api.example.com; only its first label can be `*`";
    let deep = "spec.domainName: Invalid value: \"a.*.example.com\": write a domain name in small letters, such as api.example.com; only its first label can be `*`";
    let arn = "spec.certificateArn: Invalid value: \"arn:aws:iam::111122223333:server-certificate/a\": write the ARN of an ACM certificate: arn:aws:acm:REGION:ACCOUNT:certificate/ID (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)";
    let access = "spec: Invalid value: set `endpointAccessMode`, BASIC or STRICT, exactly when securityPolicy begins with SecurityPolicy_";
    let private = "spec: Invalid value: a PRIVATE domain needs `policy`, which lets in calls from your VPC endpoints; the other endpoint types take none";
    let base_path = "spec.domainMappings[0].basePath: Invalid value: \"a/b\": write one segment without slashes, such as orders; leave basePath out for the root";
    vec![
        (DOMAIN, json!({"domainName": "API.example.com"}), name),
        (DOMAIN, json!({"domainName": "a.*.example.com"}), deep),
        (DOMAIN, json!({"certificateArn": "arn:aws:iam::111122223333:server-certificate/a"}), arn),
        (
            DOMAIN,
            json!({"securityPolicy": "TLS_1_3"}),
            "spec.securityPolicy: Invalid value: \"TLS_1_3\": write TLS_1_2, TLS_1_0, or a security policy of API Gateway's that begins with SecurityPolicy_",
        ),
        (DOMAIN, json!({"securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09"}), access),
        (DOMAIN, json!({"endpointAccessMode": "STRICT"}), access),
        (
            DOMAIN,
            json!({"securityPolicy": "SecurityPolicy_TLS13_2025_EDGE", "endpointAccessMode": "BASIC"}),
            "spec: Invalid value: a securityPolicy that ends with _EDGE is for endpointType EDGE only",
        ),
        (
            DOMAIN,
            json!({"endpointType": "EDGE", "securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09", "endpointAccessMode": "BASIC"}),
            "spec: Invalid value: endpointType EDGE takes TLS_1_0, TLS_1_2, or a securityPolicy that ends with _EDGE",
        ),
        (
            DOMAIN,
            json!({"endpointType": "EDGE", "mutualTls": trust()}),
            "spec: Invalid value: `mutualTls` is for endpointType REGIONAL only",
        ),
        (
            DOMAIN,
            json!({"securityPolicy": "TLS_1_0", "mutualTls": trust()}),
            "spec: Invalid value: `mutualTls` needs a securityPolicy newer than TLS_1_0, such as TLS_1_2",
        ),
        (
            DOMAIN,
            json!({"mutualTls": {"truststoreUri": "https://bucket/key"}}),
            "spec.mutualTls.truststoreUri: Invalid value: \"https://bucket/key\": write the object's URI: s3://BUCKET/KEY",
        ),
        (
            DOMAIN,
            json!({"ownershipVerificationCertificateArn": VERIFICATION}),
            "spec: Invalid value: `ownershipVerificationCertificateArn` is for `mutualTls` with an imported certificate, or one of a private CA: leave it out otherwise",
        ),
        (
            DOMAIN,
            json!({"accessAssociations": ["vpce-1"]}),
            "spec: Invalid value: `accessAssociations` are for endpointType PRIVATE only",
        ),
        (
            DOMAIN,
            json!({"endpointType": "PRIVATE", "policy": policy, "accessAssociations": ["vpc-1"]}),
            "spec.accessAssociations: Invalid value: write the ids of VPC endpoints: vpce-0123456789abcdef0",
        ),
        (DOMAIN, json!({"endpointType": "PRIVATE"}), private),
        (DOMAIN, json!({"policy": policy}), private),
        (
            DOMAIN,
            json!({"endpointType": "PRIVATE", "policy": policy, "securityPolicy": "TLS_1_0"}),
            "spec: Invalid value: endpointType PRIVATE needs a securityPolicy newer than TLS_1_0, such as TLS_1_2",
        ),
        (
            DOMAIN,
            json!({"endpointType": "PRIVATE", "policy": policy, "ipAddressType": "ipv4"}),
            "spec: Invalid value: a PRIVATE domain takes ipAddressType dualstack only: leave it out",
        ),
        (
            DOMAIN,
            json!({"allowedAPIs": [{"namespaces": {"from": "All"}, "basePaths": ["a/b"]}]}),
            "spec.allowedAPIs[0].basePaths: Invalid value: write base paths as one segment without slashes, such as orders; `/` alone is the root",
        ),
        ("RestAPI", json!({"domainMappings": [mapping(Some("a/b"), "prod")]}), base_path),
        (
            "RestAPI",
            json!({"domainMappings": [mapping(None, "dev")]}),
            "spec: Invalid value: each of `domainMappings` names one of `stages` in `stage`",
        ),
        (
            "RestAPI",
            json!({"domainMappings": [mapping(Some("a"), "prod"), mapping(Some("a"), "prod")]}),
            "spec: Invalid value: two of `domainMappings` have one domain and base path: keep one of them",
        ),
    ]
}

/// Kind, change of a valid spec that is taken.
pub fn taken() -> Vec<(&'static str, Value)> {
    vec![
        (DOMAIN, json!({"domainName": "*.example.com"})),
        (
            DOMAIN,
            json!({"mutualTls": {"truststoreUri": "s3://bucket/a/key.pem", "truststoreVersion": "v"}, "ownershipVerificationCertificateArn": VERIFICATION}),
        ),
        (
            DOMAIN,
            json!({"endpointType": "EDGE", "securityPolicy": "SecurityPolicy_TLS13_2025_EDGE", "endpointAccessMode": "STRICT"}),
        ),
        (DOMAIN, json!({"endpointType": "PRIVATE", "policy": "{}", "accessAssociations": ["vpce-0123456789abcdef0"]})),
        (DOMAIN, json!({"allowedAPIs": [{"namespaces": {"from": "Same"}, "basePaths": ["/", "orders"]}]})),
        (
            "RestAPI",
            json!({"domainMappings": [
                {"domainRef": {"name": "a"}, "stage": "prod"}, {"domainRef": {"name": "a"}, "basePath": "b", "stage": "prod"}, {"domainRef": {"name": "c"}, "stage": "prod"},
            ]}),
        ),
    ]
}

/// Kind, change before, change after, what is said; nothing where it is taken.
pub fn updates() -> Vec<(&'static str, Value, Value, Option<&'static str>)> {
    let name = "spec: Invalid value: domainName is immutable: create another APIDomain instead";
    let region = "spec: Invalid value: region is immutable: a domain name cannot move; create another APIDomain";
    let type_ = "spec: Invalid value: endpointType is immutable: its DNS target would change at once; delete the APIDomain and create it anew";
    vec![
        (DOMAIN, json!({}), json!({"domainName": "other.example.com"}), Some(name)),
        (DOMAIN, json!({}), json!({"region": "eu-west-1"}), Some(region)),
        (DOMAIN, json!({}), json!({"endpointType": "EDGE"}), Some(type_)),
        (DOMAIN, json!({}), json!({"securityPolicy": "TLS_1_0", "tags": {"a": "b"}}), None),
    ]
}
