//! What callers notice of an API as a whole: it is part of what a deployment takes a snapshot of (AWS.md §2).

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::policy::resource_policy::ResourcePolicy;
use crate::resources::{Patch, PatchOp, pointer_segment};

/// The settings of an API; desired and observed have one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// `REGIONAL`, `EDGE` or `PRIVATE`.
    pub endpoint: String,
    /// Of a private API.
    pub vpc_endpoint_ids: BTreeSet<String>,
    /// `ipv4` or `dualstack`.
    pub ip_address_type: String,
    /// Whether only custom domain names answer.
    pub disable_execute_api_endpoint: bool,
    /// `HEADER` or `AUTHORIZER`.
    pub api_key_source: String,
    /// Content types that are bytes.
    pub binary_media_types: BTreeSet<String>,
    /// From how many bytes on answers are compressed; absent: never.
    pub minimum_compression_size: Option<i32>,
    /// Who may call.
    pub policy: Option<ResourcePolicy>,
}

impl Settings {
    /// What an API of this endpoint type has where nothing else is said.
    pub fn of(endpoint: &str) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            vpc_endpoint_ids: BTreeSet::new(),
            ip_address_type: default_ip_address_type(endpoint).to_owned(),
            disable_execute_api_endpoint: false,
            api_key_source: "HEADER".to_owned(),
            binary_media_types: BTreeSet::new(),
            minimum_compression_size: None,
            policy: None,
        }
    }

    /// What a MOCK integration does with a request's body where nobody says it. A body that is taken for bytes reaches no
    /// template, and API Gateway answers 500; without a Content-Type, as a preflight comes, it is JSON (field:
    /// awslabs/serverless-application-model#553, re:Post QUcGyz1u8GSqqXNbjdCqx5Eg).
    pub fn mock_content_handling(&self) -> Option<String> {
        self.takes_for_bytes("application/json").then(|| "CONVERT_TO_TEXT".to_owned())
    }

    /// Whether a body of a media type is bytes.
    pub fn takes_for_bytes(&self, media_type: &str) -> bool {
        ["*/*", media_type].iter().any(|kind| self.binary_media_types.contains(*kind))
    }
}

/// API Gateway's default: private APIs are dual-stack only.
pub fn default_ip_address_type(endpoint: &str) -> &'static str {
    if endpoint == "PRIVATE" { "dualstack" } else { "ipv4" }
}

/// The patches of UpdateRestApi.
pub fn patches(from: &Settings, to: &Settings) -> Vec<Patch> {
    let mut patches = Vec::new();
    if from.endpoint != to.endpoint {
        // There is one; by its name, as AWS's guide has it, the emulator does not find it. Both were seen on AWS.
        patches.push(Patch::replace("/endpointConfiguration/types/0", &to.endpoint));
    }
    if from.ip_address_type != to.ip_address_type {
        patches.push(Patch::replace("/endpointConfiguration/ipAddressType", &to.ip_address_type));
    }
    let endpoints = |op: PatchOp, ids: BTreeSet<&String>| {
        let patch = move |id: &String| Patch {
            op,
            path: "/endpointConfiguration/vpcEndpointIds".to_owned(),
            value: Some(id.clone()),
        };
        ids.into_iter().map(patch).collect::<Vec<_>>()
    };
    patches.extend(endpoints(PatchOp::Add, to.vpc_endpoint_ids.difference(&from.vpc_endpoint_ids).collect()));
    patches.extend(endpoints(PatchOp::Remove, from.vpc_endpoint_ids.difference(&to.vpc_endpoint_ids).collect()));
    if from.disable_execute_api_endpoint != to.disable_execute_api_endpoint {
        patches.push(Patch::replace("/disableExecuteApiEndpoint", to.disable_execute_api_endpoint.to_string()));
    }
    if from.api_key_source != to.api_key_source {
        patches.push(Patch::replace("/apiKeySource", &to.api_key_source));
    }
    let media_type = |op: PatchOp, kind: &String| Patch {
        op,
        path: format!("/binaryMediaTypes/{}", pointer_segment(kind)),
        value: None,
    };
    let (had, wanted) = (&from.binary_media_types, &to.binary_media_types);
    patches.extend(wanted.difference(had).map(|kind| media_type(PatchOp::Add, kind)));
    patches.extend(had.difference(wanted).map(|kind| media_type(PatchOp::Remove, kind)));
    if from.minimum_compression_size != to.minimum_compression_size {
        patches.push(Patch {
            op: PatchOp::Replace,
            path: "/minimumCompressionSize".to_owned(),
            // Without a value it is off.
            value: to.minimum_compression_size.map(|size| size.to_string()),
        });
    }
    if from.policy != to.policy {
        // An empty one takes it away.
        let text = to.policy.as_ref().map(ToString::to_string).unwrap_or_default();
        patches.push(Patch::replace("/policy", text));
    }
    patches
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Deny", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*", "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}}}]}"#;

    fn private() -> Settings {
        Settings {
            vpc_endpoint_ids: BTreeSet::from(["vpce-1".into()]),
            disable_execute_api_endpoint: true,
            api_key_source: "AUTHORIZER".into(),
            binary_media_types: BTreeSet::from(["image/png".into()]),
            minimum_compression_size: Some(0),
            policy: Some(ResourcePolicy::parse(POLICY).unwrap()),
            ..Settings::of("PRIVATE")
        }
    }

    fn texts(patches: &[Patch]) -> Vec<String> {
        let text = |patch: &Patch| match &patch.value {
            Some(value) => format!("{:?} {} {}", patch.op, patch.path, value.chars().take(24).collect::<String>()),
            None => format!("{:?} {}", patch.op, patch.path),
        };
        patches.iter().map(text).collect()
    }

    #[test]
    fn each_is_patched_on_its_own() {
        assert_eq!(patches(&private(), &private()), []);
        assert_eq!(
            texts(&patches(&Settings::of("REGIONAL"), &private())),
            [
                "Replace /endpointConfiguration/types/0 PRIVATE",
                "Replace /endpointConfiguration/ipAddressType dualstack",
                "Add /endpointConfiguration/vpcEndpointIds vpce-1",
                "Replace /disableExecuteApiEndpoint true",
                "Replace /apiKeySource AUTHORIZER",
                "Add /binaryMediaTypes/image~1png",
                "Replace /minimumCompressionSize 0",
                "Replace /policy {\"Statement\":[{\"Action\":"
            ]
        );
    }

    #[test]
    fn without_their_fields_they_go_back_to_aws_s_defaults() {
        assert_eq!(
            texts(&patches(&private(), &Settings::of("REGIONAL"))),
            [
                "Replace /endpointConfiguration/types/0 REGIONAL",
                "Replace /endpointConfiguration/ipAddressType ipv4",
                "Remove /endpointConfiguration/vpcEndpointIds vpce-1",
                "Replace /disableExecuteApiEndpoint false",
                "Replace /apiKeySource HEADER",
                "Remove /binaryMediaTypes/image~1png",
                "Replace /minimumCompressionSize",
                "Replace /policy "
            ]
        );
    }
}
