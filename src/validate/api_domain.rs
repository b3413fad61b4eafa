//! Validates an APIDomain on its own, and what RestAPIs wish for on it.

use std::collections::BTreeSet;

use kube::ResourceExt;

use super::settings::{over, policy, tenant, vpc_endpoints};
use super::tags;
use crate::api::conditions::reasons;
use crate::api::{
    ABANDON, APIDomain, APIGrant, AWSAccount, DeletionPolicy, DomainMapping, EndpointType, PAUSED, RestAPI, is_paused,
};
use crate::identity::{Key, Owner, Tags};
use crate::policy::glob;
use crate::problem::Problem;
use crate::resolve::terminating;
use crate::resources::domain_name::{MutualTls, Settings};
use crate::tenancy::{Admission, Place, admit, includes};
use crate::world::World;

/// So many base paths of one domain are taken; AWS documents 200 for mappings of several levels.
pub const MOST_MAPPINGS: usize = 200;

/// An APIDomain that can be built.
#[derive(Clone, Debug)]
pub struct ValidDomain {
    /// Whose the AWS object is.
    pub owner: Owner,
    /// Where it lives.
    pub place: Place,
    /// The domain name.
    pub name: String,
    /// Its settings.
    pub settings: Settings,
    /// The VPC endpoints that may call it.
    pub access_associations: BTreeSet<String>,
    /// Tags of the user's own.
    pub tags: Tags,
}

/// What a RestAPI wishes for on a domain.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The RestAPI.
    pub api: Key,
    /// Its age in seconds since the epoch: the older wins.
    pub created: i64,
    /// The base path; empty is the root.
    pub base_path: String,
    /// The stage.
    pub stage: String,
    /// Its id in AWS, as its status shows it.
    pub rest_api_id: Option<String>,
    /// Why it can't be had.
    pub refused: Option<Refused>,
}

/// Why a wish can't be had.
#[derive(Clone, Debug, PartialEq)]
pub struct Refused {
    /// In words.
    pub problem: Problem,
    /// Whether what is mapped goes, rather than stays as it is.
    pub withdrawn: bool,
}

/// The owner of an APIDomain's AWS object.
pub fn owner(world: &World, account: &AWSAccount, domain: &APIDomain) -> Owner {
    world.owner(account, "APIDomain", Key::of(domain))
}

/// Where a domain lives.
///
/// # Errors
/// The namespace is not admitted, or the Region is not the account's.
pub fn place(world: &World, domain: &APIDomain) -> Result<(Admission, Place), Problem> {
    let namespace = domain.namespace().unwrap_or_default();
    let account = domain.spec.account_ref.as_ref().map(|reference| reference.name.as_str());
    let admission = admit(&world.accounts, &world.namespaces, &namespace, account)?;
    let place = admission.place(domain.spec.region.as_deref())?;
    Ok((admission, place))
}

/// Validates it.
///
/// # Errors
/// The first problem.
pub fn validate(world: &World, domain: &APIDomain) -> Result<ValidDomain, Problem> {
    let (admission, place) = place(world, domain)?;
    let spec = &domain.spec;
    let domains = admission.tenant.exposure.as_ref().map(|exposure| exposure.domains.as_slice()).unwrap_or_default();
    let admits = |pattern: &String| glob::contains(&admission.namespace.resolve(pattern), &spec.domain_name);
    if !domains.iter().any(admits) {
        return Err(over(
            &format!(
                "spec.domainName: `{}` is in none of the `exposure.domains` of {}",
                spec.domain_name,
                tenant(&admission)
            ),
            "the platform admin must add it there",
        ));
    }
    if !admission.exposes_endpoint(spec.endpoint_type) {
        return Err(over(
            &format!("spec.endpointType: {} does not admit {}", tenant(&admission), spec.endpoint_type.as_str()),
            "choose another, or ask the platform admin to add it to exposure.endpointTypes",
        ));
    }
    let region = if spec.endpoint_type == EndpointType::Edge { edge_region(&place) } else { &place.region };
    let certificate = |field: &str, arn: &str, region: &str| certificate(&place, field, arn, region);
    let certificate_arn = certificate("spec.certificateArn", &spec.certificate_arn, region)?;
    let verification = spec.ownership_verification_certificate_arn.as_ref();
    let verification =
        verification.map(|arn| certificate("spec.ownershipVerificationCertificateArn", arn, region)).transpose()?;
    let text = spec.policy.as_ref();
    let policy = text.map(|text| policy(&admission, &place, "spec.policy", spec.endpoint_type, text)).transpose()?;
    let ids = spec.access_associations.as_deref();
    let access_associations = vpc_endpoints(&admission, &place, "spec.accessAssociations", ids)?;
    tags::check("spec", &spec.tags)?;
    let ip_address_type = crate::resources::rest_api::settings::default_ip_address_type(spec.endpoint_type.as_str());
    Ok(ValidDomain {
        owner: owner(world, &admission.account, domain),
        name: spec.domain_name.clone(),
        settings: Settings {
            endpoint: spec.endpoint_type.as_str().to_owned(),
            certificate_arn,
            security_policy: spec.security_policy.clone(),
            endpoint_access_mode: spec.endpoint_access_mode.map(|mode| mode.as_str().to_owned()),
            mutual_tls: spec.mutual_tls.as_ref().map(|mutual_tls| MutualTls {
                truststore_uri: mutual_tls.truststore_uri.clone(),
                truststore_version: mutual_tls.truststore_version.clone(),
            }),
            ownership_verification_certificate_arn: verification,
            ip_address_type: spec.ip_address_type.map_or(ip_address_type, |it| it.as_str()).to_owned(),
            policy,
        },
        access_associations,
        tags: spec.tags.clone(),
        place,
    })
}

/// Where CloudFront looks for certificates.
fn edge_region(place: &Place) -> &'static str {
    match place.partition {
        "aws-us-gov" => "us-gov-west-1",
        _ => "us-east-1",
    }
}

/// API Gateway takes certificates of the domain's own account and Region.
fn certificate(place: &Place, field: &str, arn: &str, region: &str) -> Result<String, Problem> {
    let arn = place.fill(arn);
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let [_, partition, _, of_region, account, _] = parts[..] else {
        return Err(Problem::invalid(format!("{field}: `{arn}` is no ARN of an ACM certificate")));
    };
    if (partition, of_region, account) != (place.partition, region, place.account_id.as_str()) {
        return Err(Problem::invalid(format!(
            "{field}: `{arn}` is of account {account}, Region {of_region}; API Gateway takes a certificate of account {}, Region {region} here",
            place.account_id
        )));
    }
    Ok(arn)
}

/// What all RestAPIs of the world wish for on a domain; `held` says of a RestAPI that is being deleted whether that is held.
pub fn wishes(world: &World, domain: &APIDomain, place: &Place, held: impl Fn(&RestAPI) -> bool) -> Vec<Wish> {
    let own = Key::of(domain);
    let mut wishes = Vec::new();
    for (key, api) in &world.apis {
        for mapping in &api.spec.domain_mappings {
            if Key::resolve(&mapping.domain_ref, &key.namespace) != own {
                continue;
            }
            let status = api.status.as_ref();
            wishes.push(Wish {
                api: key.clone(),
                created: api.creation_timestamp().map_or(i64::MAX, |time| time.0.as_second()),
                base_path: mapping.base_path.clone().unwrap_or_default(),
                stage: mapping.stage.clone(),
                rest_api_id: status.and_then(|status| status.rest_api_id.clone()),
                refused: refused(world, domain, place, key, api, mapping, &held).err(),
            });
        }
    }
    wishes.sort_by(|a, b| (&a.base_path, a.created, &a.api).cmp(&(&b.base_path, b.created, &b.api)));
    wishes
}

/// Why a RestAPI is kept as it is, whatever it asks for.
pub fn frozen(api: &RestAPI, held: impl Fn(&RestAPI) -> bool) -> Option<Problem> {
    let key = Key::of(api);
    let kept = |why: String| Some(Problem::waiting(reasons::PROGRESSING, why));
    if is_paused(api) {
        return kept(format!("RestAPI {key} is paused by annotation {PAUSED}"));
    }
    if !terminating(api) {
        return None;
    }
    let stays = api.spec.deletion_policy == Some(DeletionPolicy::Retain) || api.annotations().contains_key(ABANDON);
    (stays || held(api)).then(|| kept(format!("RestAPI {key} is being deleted"))).flatten()
}

fn refused(
    world: &World,
    domain: &APIDomain,
    place: &Place,
    key: &Key,
    api: &RestAPI,
    mapping: &DomainMapping,
    held: impl Fn(&RestAPI) -> bool,
) -> Result<(), Refused> {
    let kept = |problem: Problem| Refused { problem, withdrawn: false };
    let gone = |problem: Problem| Refused { problem, withdrawn: true };
    admits(world, domain, key, mapping.base_path.as_deref()).map_err(gone)?;
    if let Some(problem) = frozen(api, held) {
        return Err(kept(problem));
    }
    let missing =
        |what: String| kept(Problem::waiting(reasons::WAITING_FOR_REFERENCE, format!("RestAPI {key} {what}")));
    if terminating(api) {
        return Err(gone(missing("is being deleted".to_owned()).problem));
    }
    let private = |type_: EndpointType| type_ == EndpointType::Private;
    let endpoint = api.spec.endpoint.as_ref().map(|endpoint| endpoint.type_).unwrap_or_default();
    if private(endpoint) != private(domain.spec.endpoint_type) {
        return Err(kept(Problem::invalid(format!(
            "APIDomain {} is {} and RestAPI {key} is {}: a PRIVATE domain serves PRIVATE APIs, and only it does",
            Key::of(domain),
            domain.spec.endpoint_type.as_str(),
            endpoint.as_str()
        ))));
    }
    let status = api.status.as_ref();
    let Some(binding) = status.and_then(|status| status.binding.as_ref()) else {
        return Err(missing("is not in AWS yet".to_owned()));
    };
    if (&binding.account_id, &binding.region) != (&place.account_id, &place.region) {
        return Err(kept(Problem::invalid(format!(
            "RestAPI {key} lives in account {}, Region {}, and APIDomain {} in account {}, Region {}; put both in one account and Region",
            binding.account_id,
            binding.region,
            Key::of(domain),
            place.account_id,
            place.region
        ))));
    }
    let has = |stage: &str| status.is_some_and(|status| status.stages.iter().any(|shown| shown.name == stage));
    if status.is_none_or(|status| status.rest_api_id.is_none()) || !has(&mapping.stage) {
        return Err(missing(format!("has no stage {} in AWS yet", mapping.stage)));
    }
    Ok(())
}

/// Whether the domain admits a RestAPI under a base path: by its grants, or, without any, those of its own namespace.
fn admits(world: &World, domain: &APIDomain, api: &Key, base_path: Option<&str>) -> Result<(), Problem> {
    let own = domain.namespace().unwrap_or_default();
    let namespace = &api.namespace;
    let shown = base_path.map_or("the root".to_owned(), |path| format!("base path {path}"));
    let refuse =
        |why: String| Err(Problem::stalled(reasons::NOT_ALLOWED, format!("APIDomain {} {why}", Key::of(domain))));
    let Some(grants) = &domain.spec.allowed_apis else {
        if *namespace == own {
            return Ok(());
        }
        return refuse(format!(
            "admits only RestAPIs of its own namespace; its owner must add a grant for namespace {namespace} to spec.allowedAPIs"
        ));
    };
    let mine = |grant: &APIGrant| includes(&grant.namespaces, Some(&own), namespace, &world.namespaces);
    let names = |grant: &APIGrant| grant.base_paths.iter().flatten().any(|path| path == base_path.unwrap_or("/"));
    // A base path has one owner: the first grant that names it.
    if grants.iter().find(|grant| names(grant)).is_some_and(|grant| !mine(grant)) {
        return refuse(format!("gives {shown} to another namespace; choose another base path"));
    }
    if grants.iter().any(|grant| mine(grant) && (grant.base_paths.is_none() || names(grant))) {
        return Ok(());
    }
    let granted: Vec<String> = grants
        .iter()
        .filter(|grant| mine(grant))
        .flat_map(|grant| grant.base_paths.clone().unwrap_or_default())
        .collect();
    refuse(match granted.as_slice() {
        [] => format!("has no grant for namespace {namespace} in spec.allowedAPIs; its owner must add one"),
        paths => format!("admits RestAPIs of namespace {namespace} only under {}, not {shown}", paths.join(", ")),
    })
}
