//! Client certificates, which stages show to HTTPS backends.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::wire::{Path, Refusal, input};
use super::super::{Context, Region};
use super::apis::add_tags;
use super::checks::{bad, not_found};
use super::{Answer, Patch, Place, listed, seconds};

/// doc: "valid for 365 days".
const VALID: Duration = Duration::from_secs(365 * 24 * 3600);

/// A client certificate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClientCertificate {
    /// Six letters and digits.
    pub client_certificate_id: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What backends trust.
    pub pem_encoded_certificate: String,
    /// Since the Unix epoch.
    #[serde(with = "seconds")]
    pub created_date: Duration,
    /// Since the Unix epoch.
    #[serde(with = "seconds")]
    pub expiration_date: Duration,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Generate {
    description: Option<String>,
    tags: Option<BTreeMap<String, String>>,
}

fn no_certificate() -> Refusal {
    not_found("Invalid Client Certificate identifier specified")
}

pub(super) fn generate(context: &mut Context<'_>, region: &mut Region, body: Value) -> Answer {
    let given: Generate = input(body)?;
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, given.tags.unwrap_or_default())?;
    let id = context.id(6);
    let certificate = ClientCertificate {
        pem_encoded_certificate: format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----", context.id(64)),
        client_certificate_id: id.clone(),
        description: given.description.filter(|text| !text.is_empty()),
        created_date: context.now,
        expiration_date: context.now + VALID,
        tags,
    };
    let answer = json!(certificate);
    region.client_certificates.insert(id, certificate);
    Ok((201, answer))
}

pub(super) fn list(region: &Region, path: &Path) -> Answer {
    listed(path, region.client_certificates.iter().map(|(id, one)| (id.clone(), json!(one))).collect())
}

pub(super) fn get(region: &Region, at: Place<'_>) -> Answer {
    region.client_certificates.get(at.name).map(|one| (200, json!(one))).ok_or_else(no_certificate)
}

/// [?]: that one in use stays, and the words.
pub(super) fn delete(region: &mut Region, at: Place<'_>) -> Answer {
    let mut stages = region.apis.values().flat_map(|api| api.stages.values());
    if stages.any(|stage| stage.client_certificate_id.as_deref() == Some(at.name)) {
        return Err(bad("Client certificate is in use by a stage"));
    }
    region.client_certificates.remove(at.name).map(|_| (202, Value::Null)).ok_or_else(no_certificate)
}

/// What a stage names is there, or is an ARN of ACM's of the API's account and Region (doc, "Use your own ACM certificate for backend
/// mutual TLS"), whose certificates are not looked at. [?]: the words.
pub(super) fn check(context: &Context<'_>, region: &Region, patches: &[Patch]) -> Result<(), Refusal> {
    let acm = format!("arn:{}:acm:{}:{}:certificate/", context.partition(), context.region, context.account);
    let named = patches.iter().filter(|patch| patch.path == "/clientCertificateId").map(Patch::value);
    for id in named.filter(|id| !id.is_empty() && !id.starts_with(&acm)) {
        region.client_certificates.get(&id).ok_or_else(no_certificate)?;
    }
    Ok(())
}
