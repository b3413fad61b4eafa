//! Custom domain names and their base path mappings.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::wire::{Path, Refusal, Request, input};
use super::super::{Context, Region};
use super::access_associations::{self, AccessAssociation};
use super::checks::{self, bad, conflict, not_found};
use super::{Answer, Apis, Endpoint, Patch, apis, listed, policy};

/// A custom domain name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainName {
    /// The name; only of public ones unique.
    pub domain_name: String,
    /// Of a private one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain_name_id: Option<String>,
    /// Its ARN.
    pub domain_name_arn: String,
    /// Of EDGE and PRIVATE.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub certificate_arn: Option<String>,
    /// Of REGIONAL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional_certificate_arn: Option<String>,
    /// Where a DNS record points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional_domain_name: Option<String>,
    /// Its hosted zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub regional_hosted_zone_id: Option<String>,
    /// Where a DNS record points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution_domain_name: Option<String>,
    /// Its hosted zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub distribution_hosted_zone_id: Option<String>,
    /// Its kind of endpoint.
    pub endpoint_configuration: Endpoint,
    /// TLS versions and ciphers.
    pub security_policy: String,
    /// Of policies that begin with `SecurityPolicy_`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint_access_mode: Option<String>,
    /// Which client certificates are trusted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mutual_tls_authentication: Option<MutualTls>,
    /// Proves whose the domain is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ownership_verification_certificate_arn: Option<String>,
    /// Of a private one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "policy::escaped")]
    pub policy: Option<String>,
    /// Its tags.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub tags: BTreeMap<String, String>,
    /// Until when an update is under way.
    #[serde(skip)]
    pub updating_until: Duration,
    /// Its mappings by base path; `(none)` is the root.
    #[serde(skip)]
    pub mappings: BTreeMap<String, BasePathMapping>,
    /// Of a private one: who may call it, by VPC endpoint.
    #[serde(skip)]
    pub associations: BTreeMap<String, AccessAssociation>,
}

/// Which client certificates are trusted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MutualTls {
    /// `s3://BUCKET/KEY`
    #[serde(default)]
    pub truststore_uri: String,
    /// The object's version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub truststore_version: Option<String>,
}

/// Where a base path leads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BasePathMapping {
    /// The base path.
    pub base_path: String,
    /// The API.
    pub rest_api_id: String,
    /// Its stage.
    pub stage: String,
}

/// Domain names by name, private ones by name and id.
pub type Domains = BTreeMap<String, DomainName>;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Create {
    domain_name: Option<String>,
    certificate_arn: Option<String>,
    regional_certificate_arn: Option<String>,
    endpoint_configuration: Option<Endpoint>,
    tags: Option<BTreeMap<String, String>>,
    security_policy: Option<String>,
    endpoint_access_mode: Option<String>,
    mutual_tls_authentication: Option<MutualTls>,
    ownership_verification_certificate_arn: Option<String>,
    policy: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct CreateMapping {
    base_path: Option<String>,
    rest_api_id: Option<String>,
    stage: Option<String>,
}

const ROOT: &str = "(none)";

/// What of API Gateway's operations concerns domain names; the others are [`super::call`]'s.
pub(in super::super) fn call(context: &mut Context<'_>, region: &mut Region, request: &Request) -> Answer {
    let path = Path::of(request);
    let segments = path.segments();
    let verb = request.method().as_str();
    let Some((operation, at)) = super::operation(verb, &segments) else {
        return Err(Refusal::unknown(request.uri().path()));
    };
    let tagged = ["/domainnames/", "/domainnameaccessassociations/"].iter().any(|part| at.name.contains(part));
    let tagged = tagged && segments.first() == Some(&"tags");
    match operation {
        "DeleteRestApi" => may_be_deleted(&region.domains, at.api, None)?,
        "DeleteStage" => may_be_deleted(&region.domains, at.api, Some(at.name))?,
        _ => {}
    }
    if !operation.contains("DomainName") && !operation.contains("BasePathMapping") && !tagged {
        return super::call(context, region, request);
    }
    let Region { domains, apis, .. } = region;
    let mut body = super::super::wire::json(request.body())?;
    let patches = checks::model(operation, at, &mut body)?;
    if tagged {
        let tags = tags_of(domains, at.name).ok_or_else(|| not_found("Invalid resource identifier specified"))?;
        return tag(tags, operation, &path, body);
    }
    let key = match path.get("domainNameId") {
        Some(id) => format!("{}+{id}", at.api),
        None => at.api.to_owned(),
    };
    match operation {
        "CreateDomainNameAccessAssociation" => return access_associations::create(context, domains, body),
        "GetDomainNameAccessAssociations" => return access_associations::list(domains, &path),
        "DeleteDomainNameAccessAssociation" => return access_associations::delete(domains, at),
        "CreateDomainName" => return create(context, domains, body),
        "GetDomainNames" => {
            return listed(&path, domains.iter().map(|(key, one)| (key.clone(), shown(context, one))).collect());
        }
        _ => {}
    }
    let domain = domains.get_mut(&key).ok_or_else(|| not_found("Invalid domain name identifier specified"))?;
    match operation {
        "GetDomainName" => Ok((200, shown(context, domain))),
        "UpdateDomainName" => update(context, domain, &patches),
        "DeleteDomainName" => {
            // [?]: whether it does; who takes the mappings off first is safe either way.
            if !domain.mappings.is_empty() {
                return Err(bad("Please remove all base path mappings of the domain name"));
            }
            // doc, "Tutorial: Create and invoke a custom domain name for private APIs", step 7; [?]: the words.
            if !domain.associations.is_empty() {
                return Err(bad("Please remove all access associations of the domain name"));
            }
            domains.remove(&key);
            Ok((202, Value::Null))
        }
        "CreateBasePathMapping" => create_mapping(domain, apis, body),
        "GetBasePathMappings" => {
            listed(&path, domain.mappings.iter().map(|(path, one)| (path.clone(), json!(one))).collect())
        }
        "UpdateBasePathMapping" => update_mapping(domain, apis, at.name, &patches),
        "DeleteBasePathMapping" => {
            let gone = domain.mappings.remove(at.name);
            gone.map(|_| (202, Value::Null)).ok_or_else(|| not_found("Invalid base path mapping identifier specified"))
        }
        _ => Err(Refusal::unknown(format!("apigateway:{operation}"))),
    }
}

fn may_be_deleted(domains: &Domains, api: &str, stage: Option<&str>) -> Result<(), Refusal> {
    let leads =
        |mapping: &BasePathMapping| mapping.rest_api_id == api && stage.is_none_or(|stage| mapping.stage == stage);
    let names: Vec<&str> = domains
        .values()
        .filter(|domain| domain.mappings.values().any(leads))
        .map(|domain| domain.domain_name.as_str())
        .collect();
    match (names.is_empty(), stage) {
        (true, _) => Ok(()),
        // field: glomex/gcdt#373
        (false, None) => Err(bad(format!(
            "Deleting RestApi {api} failed. Please remove all base path mappings related to the RestApi in your domains: {}",
            names.join(", ")
        ))),
        // [?]
        (false, Some(stage)) => Err(bad(format!(
            "Deleting stage {stage} failed. Please remove all base path mappings related to the stage in your domains: {}",
            names.join(", ")
        ))),
    }
}

fn shown(context: &Context<'_>, domain: &DomainName) -> Value {
    let mut shown = json!(domain);
    let status = if context.now < domain.updating_until { "UPDATING" } else { "AVAILABLE" };
    shown["domainNameStatus"] = json!(status);
    shown
}

fn create(context: &mut Context<'_>, domains: &mut Domains, body: Value) -> Answer {
    let given: Create = input(body)?;
    let Some(name) = given.domain_name.filter(|name| !name.is_empty()) else {
        return Err(bad("No Domain Name specified"));
    };
    let mut endpoint = given.endpoint_configuration.unwrap_or(Endpoint {
        types: vec!["EDGE".into()],
        ip_address_type: String::new(),
        vpc_endpoint_ids: vec![],
    });
    let type_ = endpoint.types.first().cloned().unwrap_or_default();
    if endpoint.ip_address_type.is_empty() {
        endpoint.ip_address_type = if type_ == "PRIVATE" { "dualstack" } else { "ipv4" }.to_owned();
    }
    let id = (type_ == "PRIVATE").then(|| context.id(10));
    let key = id.as_ref().map_or(name.clone(), |id| format!("{name}+{id}"));
    if domains.contains_key(&key) {
        // field
        return Err(bad("The domain name you provided already exists."));
    }
    let account = if id.is_some() { context.account } else { "" };
    let arn = format!("arn:{}:apigateway:{}:{account}:/domainnames/{key}", context.partition(), context.region);
    let (regional, edge) = (type_ == "REGIONAL", type_ == "EDGE");
    let target = context.id(10);
    let mut tags = BTreeMap::new();
    apis::add_tags(&mut tags, given.tags.unwrap_or_default())?;
    let domain = DomainName {
        domain_name_arn: arn,
        certificate_arn: given.certificate_arn,
        regional_certificate_arn: given.regional_certificate_arn,
        regional_domain_name: regional.then(|| format!("d-{target}.execute-api.{}.amazonaws.com", context.region)),
        regional_hosted_zone_id: regional.then(|| "Z1U9ULNL0V5AJ3".to_owned()),
        distribution_domain_name: edge.then(|| format!("d{target}.cloudfront.net")),
        distribution_hosted_zone_id: edge.then(|| "Z2FDTNDATAQYW2".to_owned()),
        endpoint_configuration: endpoint,
        security_policy: given.security_policy.unwrap_or_else(|| "TLS_1_2".to_owned()),
        endpoint_access_mode: given.endpoint_access_mode,
        mutual_tls_authentication: given.mutual_tls_authentication,
        ownership_verification_certificate_arn: given.ownership_verification_certificate_arn,
        policy: kept_policy(context, &key, given.policy.as_deref().unwrap_or_default())?,
        tags,
        updating_until: context.now,
        mappings: BTreeMap::new(),
        associations: BTreeMap::new(),
        domain_name: name,
        domain_name_id: id,
    };
    check(context, &domain)?;
    let answer = shown(context, &domain);
    domains.insert(key, domain);
    Ok((201, answer))
}

/// `execute-api:/…` becomes the domain's ARN (doc, "Private custom domain names").
fn kept_policy(context: &Context<'_>, key: &str, text: &str) -> Result<Option<String>, Refusal> {
    policy::kept(context, &format!("/domainnames/{key}"), text)
}

/// doc: "Choose a security policy", "Mutual TLS", and where certificates have to be. [?]: the words.
fn check(context: &Context<'_>, domain: &DomainName) -> Result<(), Refusal> {
    let type_ = domain.endpoint_configuration.types.first().map(String::as_str).unwrap_or_default();
    let (certificate, other, region) = match type_ {
        "REGIONAL" => (&domain.regional_certificate_arn, &domain.certificate_arn, context.region),
        "EDGE" => (&domain.certificate_arn, &domain.regional_certificate_arn, "us-east-1"),
        "PRIVATE" => (&domain.certificate_arn, &domain.regional_certificate_arn, context.region),
        _ => return Err(bad("Invalid EndpointTypes specified. Valid options are REGIONAL,EDGE,PRIVATE")),
    };
    let prefix = format!("arn:{}:acm:{region}:{}:certificate/", context.partition(), context.account);
    if other.is_some() || !certificate.as_ref().is_some_and(|arn| arn.starts_with(&prefix)) {
        return Err(bad("Invalid certificate ARN specified for the domain name's endpoint type"));
    }
    let policy = &domain.security_policy;
    let enhanced = policy.starts_with("SecurityPolicy_");
    let of_edge = policy.ends_with("_EDGE");
    if !enhanced && !["TLS_1_0", "TLS_1_2"].contains(&policy.as_str()) || (enhanced && of_edge != (type_ == "EDGE")) {
        return Err(bad("Invalid security policy specified"));
    }
    if enhanced != domain.endpoint_access_mode.is_some() {
        return Err(bad("Endpoint access mode is required for, and only available with, this security policy"));
    }
    if domain.mutual_tls_authentication.is_some() && (type_ != "REGIONAL" || policy == "TLS_1_0") {
        return Err(bad("Mutual TLS is supported for Regional domain names with TLS 1.2 or newer only"));
    }
    if domain.ownership_verification_certificate_arn.is_some() && domain.mutual_tls_authentication.is_none() {
        return Err(bad("An ownership verification certificate is for mutual TLS only"));
    }
    if domain.policy.is_some() && type_ != "PRIVATE" {
        return Err(bad("Policy is supported for private custom domain names only"));
    }
    Ok(())
}

/// doc: "Patch operations".
fn update(context: &Context<'_>, found: &mut DomainName, patches: &[Patch]) -> Answer {
    if context.now < found.updating_until {
        // doc: "the domain cannot be modified further until the existing operation is complete"; [?]: the words
        return Err(bad("The domain name is being updated and cannot be modified"));
    }
    let mut domain = found.clone();
    let key = domain.domain_name_arn.rsplit_once("/domainnames/").map(|(_, key)| key.to_owned()).unwrap_or_default();
    for patch in patches {
        let segments = patch.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match (patch.op.as_str(), &segments[..]) {
            ("replace", ["certificateArn"]) => domain.certificate_arn = Some(patch.value()),
            ("replace", ["regionalCertificateArn"]) => domain.regional_certificate_arn = Some(patch.value()),
            ("replace", ["securityPolicy"]) => {
                domain.security_policy = patch.value();
                if !domain.security_policy.starts_with("SecurityPolicy_") {
                    domain.endpoint_access_mode = None;
                }
            }
            ("replace", ["endpointAccessMode"]) => domain.endpoint_access_mode = Some(patch.value()),
            ("replace", ["endpointConfiguration", "ipAddressType"]) => {
                domain.endpoint_configuration.ip_address_type = patch.value();
            }
            // field: how Terraform turns it off
            ("replace", ["mutualTlsAuthentication", "truststoreUri"]) if patch.value().is_empty() => {
                domain.mutual_tls_authentication = None;
            }
            ("replace", ["mutualTlsAuthentication", "truststoreUri"]) => {
                domain.mutual_tls_authentication.get_or_insert_default().truststore_uri = patch.value();
            }
            ("replace", ["mutualTlsAuthentication", "truststoreVersion"]) => {
                let version = Some(patch.value()).filter(|version| !version.is_empty());
                domain.mutual_tls_authentication.get_or_insert_default().truststore_version = version;
            }
            ("replace" | "add", ["ownershipVerificationCertificateArn"]) => {
                domain.ownership_verification_certificate_arn = Some(patch.value());
            }
            ("remove", ["ownershipVerificationCertificateArn"]) => domain.ownership_verification_certificate_arn = None,
            ("replace", ["policy"]) => domain.policy = kept_policy(context, &key, &patch.value())?,
            _ => return Err(patch.invalid_path()),
        }
    }
    check(context, &domain)?;
    domain.updating_until = context.now + context.settings.domain_update;
    *found = domain;
    Ok((200, shown(context, found)))
}

fn leads_somewhere(apis: &Apis, mapping: &BasePathMapping) -> Result<(), Refusal> {
    let api = apis.get(&mapping.rest_api_id).ok_or_else(|| bad("Invalid REST API identifier specified"))?;
    match mapping.stage == ROOT || api.stages.contains_key(&mapping.stage) {
        true => Ok(()),
        false => Err(bad("Invalid stage identifier specified")),
    }
}

fn create_mapping(domain: &mut DomainName, apis: &Apis, body: Value) -> Answer {
    let given: CreateMapping = input(body)?;
    let or_root = |text: Option<String>| text.filter(|text| !text.is_empty()).unwrap_or_else(|| ROOT.to_owned());
    let mapping = BasePathMapping {
        base_path: or_root(given.base_path),
        rest_api_id: given.rest_api_id.unwrap_or_default(),
        stage: or_root(given.stage),
    };
    if mapping.base_path.contains('/') {
        // field: hashicorp/terraform-provider-aws#21986
        return Err(bad(
            "API Gateway V1 doesn't support the slash character (/) in base path mappings. To create a multi-level base path mapping, use API Gateway V2.",
        ));
    }
    leads_somewhere(apis, &mapping)?;
    if domain.mappings.contains_key(&mapping.base_path) {
        // field
        return Err(conflict("Base path already exists for this domain name"));
    }
    let answer = json!(mapping);
    domain.mappings.insert(mapping.base_path.clone(), mapping);
    Ok((201, answer))
}

/// field: as Terraform patches them.
fn update_mapping(domain: &mut DomainName, apis: &Apis, path: &str, patches: &[Patch]) -> Answer {
    let found = domain.mappings.get(path).ok_or_else(|| not_found("Invalid base path mapping identifier specified"))?;
    let mut mapping = found.clone();
    for patch in patches {
        match patch.path.as_str() {
            "/restapiId" => mapping.rest_api_id = patch.replaces()?.value(),
            "/stage" => mapping.stage = patch.replaces()?.value(),
            _ => return Err(patch.invalid_path()),
        }
    }
    leads_somewhere(apis, &mapping)?;
    let answer = json!(mapping);
    domain.mappings.insert(path.to_owned(), mapping);
    Ok((200, answer))
}

/// The tags of a domain name, or of one of its access associations, by its ARN.
fn tags_of<'a>(domains: &'a mut Domains, arn: &str) -> Option<&'a mut BTreeMap<String, String>> {
    if let Some((_, name)) = arn.rsplit_once("/domainnames/") {
        return Some(&mut domains.get_mut(name)?.tags);
    }
    let mut all = domains.values_mut().flat_map(|domain| domain.associations.values_mut());
    Some(&mut all.find(|one| one.domain_name_access_association_arn == arn)?.tags)
}

fn tag(tags: &mut BTreeMap<String, String>, operation: &str, path: &Path, mut body: Value) -> Answer {
    match operation {
        "TagResource" => {
            let mut all = tags.clone();
            apis::add_tags(&mut all, input(body["tags"].take())?)?;
            *tags = all;
            Ok((204, Value::Null))
        }
        "UntagResource" => {
            for key in path.all("tagKeys") {
                tags.remove(key);
            }
            Ok((204, Value::Null))
        }
        _ => Ok((200, json!({"tags": tags}))),
    }
}

/// Without what differs from one run to the next.
pub(in super::super) fn essence(domains: &Domains, apis: &Apis) -> Value {
    let mut all: Vec<Value> = domains
        .values()
        .map(|domain| {
            let mut shown = json!(domain);
            for key in ["domainNameId", "domainNameArn", "regionalDomainName", "distributionDomainName"] {
                shown.as_object_mut().and_then(|shown| shown.shift_remove(key));
            }
            if let (Some(policy), Some(id)) = (&domain.policy, &domain.domain_name_id) {
                shown["policy"] = json!(policy.replace(id, "ID"));
            }
            let to = |mapping: &BasePathMapping| {
                json!({"api": apis.get(&mapping.rest_api_id).map(|api| &api.name), "stage": mapping.stage})
            };
            let mappings: BTreeMap<_, _> = domain.mappings.iter().map(|(path, one)| (path, to(one))).collect();
            shown["mappings"] = json!(mappings);
            if !domain.associations.is_empty() {
                let of = |(endpoint, one): (&String, &AccessAssociation)| (endpoint.clone(), json!(one.tags));
                shown["associations"] = domain.associations.iter().map(of).collect::<serde_json::Map<_, _>>().into();
            }
            shown
        })
        .collect();
    all.sort_by_key(ToString::to_string);
    json!(all)
}
