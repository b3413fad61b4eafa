//! Domain name access associations: each lets a VPC endpoint call a private domain name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Path, input};
use super::apis::add_tags;
use super::checks::{bad, conflict, limit, not_found};
use super::domains::Domains;
use super::{Answer, Place, listed};

/// Lets a VPC endpoint call a private domain name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AccessAssociation {
    /// Its ARN, by the domain name and the endpoint.
    pub domain_name_access_association_arn: String,
    /// The domain name's.
    pub domain_name_arn: String,
    /// `VPCE`.
    pub access_association_source_type: String,
    /// The VPC endpoint.
    pub access_association_source: String,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    domain_name_arn: String,
    access_association_source_type: String,
    access_association_source: String,
    tags: Option<BTreeMap<String, String>>,
}

/// model, and the reference's ARNs; doc: 100 of them in an account. [?]: the words.
pub(super) fn create(context: &Context<'_>, domains: &mut Domains, body: Value) -> Answer {
    let given: Create = input(body)?;
    let (kind, endpoint) = (given.access_association_source_type, given.access_association_source);
    if kind != "VPCE" || !endpoint.starts_with("vpce-") {
        return Err(bad("Invalid access association source specified"));
    }
    let count: usize = domains.values().map(|domain| domain.associations.len()).sum();
    if count >= 100 {
        return Err(limit("Maximum number of domain name access associations exceeded"));
    }
    let Some((key, domain)) = domains.iter_mut().find(|(_, domain)| domain.domain_name_arn == given.domain_name_arn)
    else {
        return Err(not_found("Invalid domain name identifier specified"));
    };
    if domain.domain_name_id.is_none() {
        return Err(bad("Access associations are supported for private custom domain names only"));
    }
    if domain.associations.contains_key(&endpoint) {
        return Err(conflict("The domain name access association already exists"));
    }
    let mut tags = BTreeMap::new();
    add_tags(&mut tags, given.tags.unwrap_or_default())?;
    let Context { region, account, .. } = context;
    let association = AccessAssociation {
        domain_name_access_association_arn: format!(
            "arn:{}:apigateway:{region}:{account}:/domainnameaccessassociations/domainname/{key}/vpcesource/{endpoint}",
            context.partition()
        ),
        domain_name_arn: given.domain_name_arn,
        access_association_source_type: kind,
        access_association_source: endpoint.clone(),
        tags,
    };
    let answer = json!(association);
    domain.associations.insert(endpoint, association);
    Ok((201, answer))
}

pub(super) fn list(domains: &Domains, path: &Path) -> Answer {
    let all = domains.values().flat_map(|domain| domain.associations.values());
    listed(path, all.map(|one| (one.domain_name_access_association_arn.clone(), json!(one))).collect())
}

pub(super) fn delete(domains: &mut Domains, at: Place<'_>) -> Answer {
    for domain in domains.values_mut() {
        let before = domain.associations.len();
        domain.associations.retain(|_, one| one.domain_name_access_association_arn != at.name);
        if domain.associations.len() < before {
            return Ok((202, Value::Null));
        }
    }
    Err(not_found("Invalid domain name access association identifier specified"))
}
