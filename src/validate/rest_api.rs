//! Validates a RestAPI on its own, and which routes it admits.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::schema::models;
use crate::api::conditions::reasons;
use crate::api::{APIRoute, AWSAccount, Authorization, EndpointType, Mapping, RestAPI, RouteGrant};
use crate::identity::{Key, Owner, joined};
use crate::problem::Problem;
use crate::resources::gateway_response::GatewayResponses;
use crate::resources::model::Models;
use crate::tenancy::{Admission, Place, admit, includes};
use crate::world::World;

/// A RestAPI that can be built.
#[derive(Clone, Debug)]
pub struct ValidApi {
    /// Whose the AWS objects are.
    pub owner: Owner,
    /// Where they live.
    pub place: Place,
    /// What admits its namespace.
    pub admission: Admission,
    /// The name in AWS.
    pub name: String,
    /// Shown in the console.
    pub description: String,
    /// REGIONAL or EDGE.
    pub endpoint: EndpointType,
    /// The stages.
    pub stages: Vec<ValidStage>,
    /// Its models, by name.
    pub models: Models,
    /// What API Gateway itself answers, by type.
    pub gateway_responses: GatewayResponses,
    /// How many unserved revisions are kept.
    pub revision_history_limit: usize,
}

/// A stage that can be built.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidStage {
    /// Its name.
    pub name: String,
    /// The revision that it is pinned to; absent: the newest.
    pub revision: Option<i64>,
    /// Its variables, built-ins filled in.
    pub variables: BTreeMap<String, String>,
}

/// The owner of a RestAPI's AWS objects.
pub fn owner(world: &World, account: &AWSAccount, api: &RestAPI) -> Owner {
    world.owner(account, "RestAPI", Key::of(api))
}

/// Where an API lives.
///
/// # Errors
/// The namespace is not admitted, or the Region is not the account's.
pub fn place(world: &World, api: &RestAPI) -> Result<(Admission, Place), Problem> {
    let namespace = api.namespace().unwrap_or_default();
    let account = api.spec.account_ref.as_ref().map(|reference| reference.name.as_str());
    let admission = admit(&world.accounts, &world.namespaces, &namespace, account)?;
    let place = admission.place(api.spec.region.as_deref())?;
    Ok((admission, place))
}

/// Validates it.
///
/// # Errors
/// The first problem.
pub fn validate(world: &World, api: &RestAPI) -> Result<ValidApi, Problem> {
    let (admission, place) = place(world, api)?;
    let endpoint = api.spec.endpoint.unwrap_or_default().type_;
    if !admission.exposes_endpoint(endpoint) {
        return Err(Problem::stalled(
            reasons::OVER_CEILING,
            format!(
                "spec.endpoint.type: tenant {} of AWSAccount {} does not admit {}; choose another, or ask the platform admin to add it to exposure.endpointTypes",
                admission.tenant.name,
                admission.account.name_any(),
                crate::resources::rest_api::endpoint_name(endpoint),
            ),
        ));
    }
    let mut stages = Vec::new();
    for stage in &api.spec.stages {
        let mut variables = BTreeMap::new();
        for (name, value) in &stage.variables {
            let value = place.fill(value);
            check_variable(&stage.name, name, &value)?;
            variables.insert(name.clone(), value);
        }
        stages.push(ValidStage { name: stage.name.clone(), revision: stage.revision, variables });
    }
    let models = models(&api.spec.models)?;
    Ok(ValidApi {
        owner: owner(world, &admission.account, api),
        models,
        name: joined(&Key::of(api), 255),
        description: api.spec.description.clone().unwrap_or_default(),
        endpoint,
        stages,
        gateway_responses: super::gateway_response::validate(api.spec.gateway_responses.as_deref().unwrap_or_default()),
        revision_history_limit: usize::try_from(api.spec.revision_history_limit).unwrap_or_default(),
        place,
        admission,
    })
}

/// Names `[A-Za-z0-9_]+`, 64 characters; values `[A-Za-z0-9-._~:/?#&=,]+`, 512 characters (AWS.md §1 and §3).
fn check_variable(stage: &str, name: &str, value: &str) -> Result<(), Problem> {
    let field = format!("spec.stages[{stage}].variables");
    if name.is_empty() || name.len() > 64 || !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') {
        return Err(Problem::invalid(format!(
            "{field}: `{name}` is no name for a stage variable; use up to 64 letters, digits and `_`"
        )));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || "-._~:/?#&=,".contains(c);
    if value.is_empty() || value.len() > 512 || !value.chars().all(fits) {
        return Err(Problem::invalid(format!(
            "{field}.{name}: API Gateway takes 1 to 512 letters, digits and `-._~:/?#&=,` in a stage variable's value, not `{value}`"
        )));
    }
    Ok(())
}

/// Whether the API admits a route: by its grants, or, without any, routes of its own namespace.
///
/// # Errors
/// Which grant is missing.
pub fn admits(world: &World, api: &RestAPI, route: &APIRoute) -> Result<(), Problem> {
    let own = api.namespace().unwrap_or_default();
    let namespace = route.namespace().unwrap_or_default();
    let spec = &route.spec;
    let refuse = |why: String| Err(Problem::stalled(reasons::NOT_ALLOWED, format!("RestAPI {} {why}", Key::of(api))));
    let Some(grants) = &api.spec.allowed_routes else {
        if namespace == own {
            return Ok(());
        }
        return refuse(format!(
            "admits only routes of its own namespace; its owner must add a grant for namespace {namespace} to spec.allowedRoutes"
        ));
    };
    let mine = |grant: &RouteGrant| includes(&grant.namespaces, Some(&own), &namespace, &world.namespaces);
    // A prefix has one owner: the first grant that names one above the path.
    let owner = grants.iter().find(|grant| owns(grant, &spec.path));
    if owner.is_some_and(|grant| !mine(grant)) {
        return refuse(format!(
            "gives path {} to another namespace; choose a path under a prefix of {namespace}",
            spec.path
        ));
    }
    let reaching: Vec<&RouteGrant> = grants.iter().filter(|grant| mine(grant) && covers(grant, &spec.path)).collect();
    if reaching.is_empty() {
        let prefixes: Vec<String> = grants
            .iter()
            .filter(|grant| mine(grant))
            .flat_map(|g| g.path_prefixes.clone().unwrap_or_default())
            .collect();
        return refuse(match prefixes.as_slice() {
            [] => format!("has no grant for namespace {namespace} in spec.allowedRoutes; its owner must add one"),
            prefixes => {
                format!("admits routes of namespace {namespace} only under {}, not {}", prefixes.join(", "), spec.path)
            }
        });
    }
    let mapping = if has_programs(route) { Mapping::Raw } else { Mapping::Structured };
    let admitted = reaching.iter().any(|grant| {
        let methods = grant.methods.as_ref().is_none_or(|list| list.contains(&spec.method));
        let authorizations = match &grant.authorizations {
            Some(list) => list.contains(&spec.authorization.type_),
            None => spec.authorization.type_ != Authorization::None,
        };
        let actions = grant.actions.as_ref().is_none_or(|list| list.contains(&spec.target.action));
        let mappings = match &grant.mappings {
            Some(list) => list.contains(&mapping),
            None => mapping == Mapping::Structured,
        };
        methods && authorizations && actions && mappings
    });
    if admitted {
        return Ok(());
    }
    refuse(format!(
        "has no grant for namespace {namespace} that admits method {}, authorization {}, action {} and {} mappings together; its owner must add them to a grant of spec.allowedRoutes",
        spec.method.as_str(),
        spec.authorization.type_.as_str(),
        spec.target.action.as_str(),
        if mapping == Mapping::Raw { "raw" } else { "structured" },
    ))
}

/// Whether a route brings templates of its own, for requests or for answers: each is a program that reads all of a call.
fn has_programs(route: &APIRoute) -> bool {
    let request = route.spec.request.as_ref().is_some_and(|request| request.templates.is_some());
    let responses = route.spec.response.iter().flat_map(|response| response.responses.iter().flatten());
    request || responses.filter_map(|response| response.integration.as_ref()).any(|it| !it.templates.is_empty())
}

/// Whether requests to the path fall under one of the grant's prefixes: a parameter in the prefix takes any segment, because
/// API Gateway prefers a static path beside it.
fn owns(grant: &RouteGrant, path: &str) -> bool {
    let same = |prefix: &str, segment: &str| prefix == segment || (prefix.starts_with('{') && !segment.is_empty());
    grant.path_prefixes.iter().flatten().any(|prefix| {
        let mut segments = path.split('/').skip(1);
        prefix == "/"
            || prefix.split('/').skip(1).all(|part| segments.next().is_some_and(|segment| same(part, segment)))
    })
}

/// Whether the path is under one of the grant's prefixes, in whole segments.
fn covers(grant: &RouteGrant, path: &str) -> bool {
    let Some(prefixes) = &grant.path_prefixes else { return true };
    prefixes.iter().any(|prefix| {
        prefix == "/" || path == prefix || path.strip_prefix(prefix.as_str()).is_some_and(|rest| rest.starts_with('/'))
    })
}
