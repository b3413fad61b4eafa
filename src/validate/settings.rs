//! Validates what callers notice of a RestAPI as a whole: endpoint, resource policy and the like.

use std::collections::BTreeSet;

use kube::ResourceExt;

use crate::api::conditions::reasons;
use crate::api::{EndpointType, RestAPISpec};
use crate::policy::glob;
use crate::policy::resource_policy::{Allowed, ResourcePolicy};
use crate::problem::Problem;
use crate::resources::rest_api::settings::Settings;
use crate::tenancy::{Admission, Place};

/// Validates them.
///
/// # Errors
/// What AWS would refuse, and what the tenant does not admit.
pub fn validate(admission: &Admission, place: &Place, spec: &RestAPISpec) -> Result<Settings, Problem> {
    let endpoint = spec.endpoint.clone().unwrap_or_default();
    if !admission.exposes_endpoint(endpoint.type_) {
        return Err(over(
            &format!("spec.endpoint.type: {} does not admit {}", tenant(admission), endpoint.type_.as_str()),
            "choose another, or ask the platform admin to add it to exposure.endpointTypes",
        ));
    }
    let ids = endpoint.vpc_endpoint_ids.as_deref();
    let vpc_endpoint_ids = vpc_endpoints(admission, place, "spec.endpoint.vpcEndpointIds", ids)?;
    let field = "spec.resourcePolicy";
    let policy = spec.resource_policy.as_ref().map(|text| policy(admission, place, field, endpoint.type_, text));
    let policy = policy.transpose()?;
    if policy.is_none() && endpoint.type_ == EndpointType::Private {
        return Err(Problem::invalid(
            "spec.resourcePolicy: nobody can call a PRIVATE API without one; add a policy that allows calls from your VPC endpoints",
        ));
    }
    let default = Settings::of(endpoint.type_.as_str());
    Ok(Settings {
        vpc_endpoint_ids,
        ip_address_type: endpoint.ip_address_type.map_or(default.ip_address_type.clone(), |it| it.as_str().to_owned()),
        disable_execute_api_endpoint: endpoint.disable_execute_api_endpoint,
        api_key_source: spec.api_key_source.as_str().to_owned(),
        binary_media_types: spec.binary_media_types.iter().cloned().collect(),
        minimum_compression_size: spec.minimum_compression_size,
        policy,
        ..default
    })
}

/// VPC endpoints, each of which the tenant admits.
///
/// # Errors
/// The first that it does not.
pub(super) fn vpc_endpoints(
    admission: &Admission,
    place: &Place,
    field: &str,
    ids: Option<&[String]>,
) -> Result<BTreeSet<String>, Problem> {
    let (ids, bounds) = (ids.unwrap_or_default(), Bounds::of(admission, place));
    match ids.iter().find(|id| !bounds.admits_source(id)) {
        None => Ok(ids.iter().cloned().collect()),
        Some(id) => Err(over(
            &format!("{field}: `{id}` is in none of the `exposure.vpcSources` of {}", tenant(admission)),
            "the platform admin must add it there",
        )),
    }
}

/// Reads a resource policy, and checks whom it lets in.
///
/// # Errors
/// What AWS would refuse, and what the tenant does not admit.
pub(super) fn policy(
    admission: &Admission,
    place: &Place,
    field: &str,
    endpoint: EndpointType,
    text: &str,
) -> Result<ResourcePolicy, Problem> {
    let policy = ResourcePolicy::parse(&place.fill(text));
    let policy = policy.map_err(|error| Problem::invalid(format!("{field} {error}")))?;
    let bounds = Bounds::of(admission, place);
    for allowed in policy.allowed() {
        check(admission, &bounds, field, endpoint, &allowed)?;
    }
    Ok(policy)
}

pub(super) fn tenant(admission: &Admission) -> String {
    format!("tenant {} of AWSAccount {}", admission.tenant.name, admission.account.name_any())
}

pub(super) fn over(what: &str, mend: &str) -> Problem {
    Problem::stalled(reasons::OVER_CEILING, format!("{what}; {mend}"))
}

/// Whom a tenant's resource policies may let in.
struct Bounds {
    principals: Vec<String>,
    sources: Vec<String>,
    partition: &'static str,
}

impl Bounds {
    fn of(admission: &Admission, place: &Place) -> Self {
        let exposure = admission.tenant.exposure.clone().unwrap_or_default();
        let filled = |list: Vec<String>| {
            list.iter().map(|pattern| admission.namespace.resolve(&place.fill(pattern))).collect::<Vec<_>>()
        };
        Self {
            principals: filled(exposure.resource_policy_principals),
            sources: filled(exposure.vpc_sources),
            partition: place.partition,
        }
    }

    fn admits_source(&self, source: &str) -> bool {
        self.sources.iter().any(|pattern| glob::contains(pattern, source))
    }

    /// An account stands for its root.
    fn admits_principal(&self, principal: &str) -> bool {
        let root = format!("arn:{}:iam::{principal}:root", self.partition);
        let is_account = principal.len() == 12 && principal.bytes().all(|b| b.is_ascii_digit());
        let admits = |text: &str| self.principals.iter().any(|pattern| glob::contains(pattern, text));
        admits(principal) || (is_account && admits(&root))
    }
}

/// An Allow statement lets in principals that the tenant may name, or whoever calls from VPC sources that it may name. For a
/// PRIVATE API it must be the latter.
fn check(
    admission: &Admission,
    bounds: &Bounds,
    field: &str,
    endpoint: EndpointType,
    allowed: &Allowed,
) -> Result<(), Problem> {
    let Allowed { place, principals, sources } = allowed;
    let from_own_vpcs = sources.iter().any(|list| list.iter().all(|source| bounds.admits_source(source)));
    if from_own_vpcs {
        return Ok(());
    }
    if endpoint == EndpointType::Private && sources.is_empty() {
        return Err(Problem::invalid(format!(
            "{field}: {place} opens a PRIVATE API to calls from any VPC; give it the condition {{StringEquals: {{aws:SourceVpce: [IDS]}}}} (or aws:SourceVpc) alone, or add a Deny of execute-api:Invoke on execute-api:/* for everybody with StringNotEquals"
        )));
    }
    let foreign = principals.iter().find(|principal| !bounds.admits_principal(principal));
    match (foreign, sources.first()) {
        (None, _) if endpoint != EndpointType::Private => Ok(()),
        (_, Some(list)) => {
            let source = list.iter().find(|source| !bounds.admits_source(source)).map_or("", String::as_str);
            Err(over(
                &format!(
                    "{field}: {place} lets in calls from `{source}`, which is in none of the `exposure.vpcSources` of {}",
                    tenant(admission)
                ),
                "the platform admin must add it there",
            ))
        }
        (foreign, None) => Err(over(
            &format!(
                "{field}: {place} lets in `{}`, which is in none of the `exposure.resourcePolicyPrincipals` of {}",
                foreign.map_or("", String::as_str),
                tenant(admission)
            ),
            "the platform admin must add it there, or the policy must name VPC sources",
        )),
    }
}
