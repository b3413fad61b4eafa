//! API Gateway's custom domain names.
//!
//! | property | create | update | read-back (GetDomainName) |
//! |---|---|---|---|
//! | domain name | CreateDomainName `domainName` | never: another domain name | `domainName` |
//! | endpoint type | `endpointConfiguration.types` | never: immutable here | `endpointConfiguration.types` |
//! | certificate, REGIONAL | `regionalCertificateArn` | UpdateDomainName `replace /regionalCertificateArn` | `regionalCertificateArn` |
//! | certificate, EDGE and PRIVATE | `certificateArn` | `replace /certificateArn` | `certificateArn` |
//! | security policy | `securityPolicy` | `replace /securityPolicy` | `securityPolicy` |
//! | endpoint access mode | `endpointAccessMode` | `replace /endpointAccessMode` | `endpointAccessMode` |
//! | mutual TLS | `mutualTlsAuthentication` | `replace /mutualTlsAuthentication/truststoreUri`, `…/truststoreVersion`; an empty URI for off | `mutualTlsAuthentication` |
//! | ownership verification certificate | `ownershipVerificationCertificateArn` | `replace`, `remove /ownershipVerificationCertificateArn` | `ownershipVerificationCertificateArn` |
//! | IP address type | `endpointConfiguration.ipAddressType` | `replace /endpointConfiguration/ipAddressType` | `endpointConfiguration.ipAddressType` |
//! | policy, PRIVATE | `policy` | `replace /policy` | `policy` |
//! | tags | `tags` | TagResource, UntagResource | `tags` |
//!
//! Patch paths: API Gateway's reference, "Patch operations"; how mutual TLS is turned off is as Terraform does it.

pub mod remote;

use serde::{Deserialize, Serialize};

use super::{Claim, Patch, claim};
use crate::identity::{Owner, Ownership, TAG_PREFIX, Tags};
use crate::policy::resource_policy::ResourcePolicy;
use crate::problem::Problem;

/// The settings of a domain name; desired and observed have one form.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// `REGIONAL`, `EDGE` or `PRIVATE`.
    pub endpoint: String,
    /// The certificate.
    pub certificate_arn: String,
    /// Such as `TLS_1_2`.
    pub security_policy: String,
    /// `BASIC` or `STRICT`, with a policy that begins with `SecurityPolicy_`.
    pub endpoint_access_mode: Option<String>,
    /// Which client certificates are trusted.
    pub mutual_tls: Option<MutualTls>,
    /// Proves whose the domain is.
    pub ownership_verification_certificate_arn: Option<String>,
    /// `ipv4` or `dualstack`.
    pub ip_address_type: String,
    /// Who may call a private domain.
    pub policy: Option<ResourcePolicy>,
}

/// Which client certificates are trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MutualTls {
    /// `s3://BUCKET/KEY`.
    pub truststore_uri: String,
    /// The object's version.
    pub truststore_version: Option<String>,
}

/// A domain name as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The name.
    pub name: String,
    /// Its settings.
    pub settings: Settings,
    /// Tags of the user's own.
    pub tags: Tags,
    /// Whose it is.
    pub owner: Owner,
}

impl Desired {
    fn all_tags(&self) -> Tags {
        self.tags.clone().into_iter().chain(self.owner.tags()).collect()
    }
}

/// A domain name as AWS has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Of a private one.
    pub id: Option<String>,
    /// Its ARN, where AWS tells it.
    pub arn: Option<String>,
    /// Its settings.
    pub settings: Settings,
    /// Its tags.
    pub tags: Tags,
    /// Where its DNS record has to point.
    pub target: Option<String>,
    /// The hosted zone of that.
    pub zone: Option<String>,
    /// Such as `AVAILABLE`.
    pub status: String,
    /// What AWS says to that.
    pub status_message: Option<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, settings: Box<Settings>, tags: Tags },
    Update { name: String, patches: Vec<Patch> },
    Tag { name: String, set: Tags, remove: Vec<String> },
    Claim { name: String, claim: Claim },
    Release { name: String, remove: Vec<String>, tags: Tags },
    Delete { name: String },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create domain name {name}"),
            Self::Update { name, patches } => write!(f, "update {} of domain name {name}", super::paths(patches)),
            Self::Tag { name, .. } => write!(f, "update the tags of domain name {name}"),
            Self::Claim { name, .. } => write!(f, "take back domain name {name}"),
            Self::Release { name, .. } => write!(f, "release domain name {name}"),
            Self::Delete { name } => write!(f, "delete domain name {name}"),
        }
    }
}

/// What makes the observed domain name the desired one.
///
/// # Errors
/// It is another's, or of another endpoint type.
pub fn diff(desired: &Desired, observed: Option<&Observed>) -> Result<Vec<Step>, Problem> {
    let name = || desired.name.clone();
    let Some(observed) = observed else {
        let settings = Box::new(desired.settings.clone());
        return Ok(vec![Step::Create { name: name(), settings, tags: desired.all_tags() }]);
    };
    let claim = claim(&desired.owner, &observed.tags, || format!("domain name `{}`", desired.name))?;
    let mut steps: Vec<_> = claim.map(|claim| Step::Claim { name: name(), claim }).into_iter().collect();
    if observed.settings.endpoint != desired.settings.endpoint {
        return Err(Problem::invalid(format!(
            "spec.endpointType: domain name {} is {} in AWS; its endpoint type is not changed, because its DNS target would change at once: delete it, or ask for {}",
            desired.name, observed.settings.endpoint, observed.settings.endpoint
        )));
    }
    let patches = patches(&observed.settings, &desired.settings);
    if !patches.is_empty() {
        steps.push(Step::Update { name: name(), patches });
    }
    let set: Tags = desired
        .tags
        .iter()
        .filter(|(key, value)| observed.tags.get(*key) != Some(value))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let theirs = observed.tags.keys().filter(|key| !key.starts_with(TAG_PREFIX) && !key.starts_with("aws:"));
    let remove: Vec<String> = theirs.filter(|key| !desired.tags.contains_key(*key)).cloned().collect();
    if !set.is_empty() || !remove.is_empty() {
        steps.push(Step::Tag { name: name(), set, remove });
    }
    Ok(steps)
}

/// The patches of UpdateDomainName.
fn patches(from: &Settings, to: &Settings) -> Vec<Patch> {
    let mut patches = Vec::new();
    if from.certificate_arn != to.certificate_arn {
        let path = if to.endpoint == "REGIONAL" { "/regionalCertificateArn" } else { "/certificateArn" };
        patches.push(Patch::replace(path, &to.certificate_arn));
    }
    if from.security_policy != to.security_policy {
        patches.push(Patch::replace("/securityPolicy", &to.security_policy));
    }
    // Without a policy that knows it, it means nothing.
    if let (true, Some(mode)) = (from.endpoint_access_mode != to.endpoint_access_mode, &to.endpoint_access_mode) {
        patches.push(Patch::replace("/endpointAccessMode", mode));
    }
    let (uri, version) = ("/mutualTlsAuthentication/truststoreUri", "/mutualTlsAuthentication/truststoreVersion");
    match (&from.mutual_tls, &to.mutual_tls) {
        (Some(_), None) => patches.push(Patch::replace(uri, "")),
        (from, Some(to)) => {
            if from.as_ref().map(|from| &from.truststore_uri) != Some(&to.truststore_uri) {
                patches.push(Patch::replace(uri, &to.truststore_uri));
            }
            if from.as_ref().and_then(|from| from.truststore_version.as_ref()) != to.truststore_version.as_ref() {
                patches.push(Patch::replace(version, to.truststore_version.clone().unwrap_or_default()));
            }
        }
        (None, None) => {}
    }
    let verification = "/ownershipVerificationCertificateArn";
    match (&from.ownership_verification_certificate_arn, &to.ownership_verification_certificate_arn) {
        (from, Some(to)) if from.as_ref() != Some(to) => patches.push(Patch::replace(verification, to)),
        (Some(_), None) => patches.push(Patch::remove(verification)),
        _ => {}
    }
    if from.ip_address_type != to.ip_address_type {
        patches.push(Patch::replace("/endpointConfiguration/ipAddressType", &to.ip_address_type));
    }
    if from.policy != to.policy {
        let text = to.policy.as_ref().map(ToString::to_string).unwrap_or_default();
        patches.push(Patch::replace("/policy", text));
    }
    patches
}

/// What removes it: nothing where it is not there, or not ours.
pub fn removal(name: &str, owner: &Owner, observed: Option<&Observed>) -> Option<Step> {
    let ours = observed.filter(|observed| !super::foreign(owner, &observed.tags));
    ours.map(|_| Step::Delete { name: name.to_owned() })
}

/// What lets it go under `deletionPolicy: Retain`.
pub fn release(name: &str, owner: &Owner, observed: Option<&Observed>) -> Option<Step> {
    let ours = observed.filter(|observed| owner.reads(&observed.tags) == Ownership::Ours);
    ours.map(|_| Step::Release {
        name: name.to_owned(),
        remove: owner.tags().into_keys().collect(),
        tags: owner.released_tag(),
    })
}

#[cfg(test)]
mod tests;
