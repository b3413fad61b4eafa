//! Validates a RestAPI on its own, and which routes it admits.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::authorizer::{self, ValidAuthorizer};
use super::domain_mappings::mapped;
use super::encryption::{self, Keys};
use super::schema::models;
use super::stage::{self, ValidStage};
use super::{served, settings};
use crate::api::conditions::reasons;
use crate::api::{
    APIRoute, AWSAccount, ApiAdoption, Authorization, DeletionPolicy, Mapping, RestAPI, RouteGrant, Unmanaged,
};
use crate::identity::{Key, Owner, joined};
use crate::mapping::Cors;
use crate::policy::roles::MachineArn;
use crate::problem::Problem;
use crate::resources::account::LogRole;
use crate::resources::gateway_response::GatewayResponses;
use crate::resources::model::Models;
use crate::resources::rest_api::settings::Settings;
use crate::resources::route::parameters_of;
use crate::tenancy::{Admission, NamespaceLabels, Place, admit, includes};
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
    /// What it adopts.
    pub adoption: Option<ApiAdoption>,
    /// The name in AWS; one that was adopted keeps its own.
    pub name: String,
    /// Shown in the console.
    pub description: String,
    /// What callers notice of it as a whole.
    pub settings: Settings,
    /// Its authorizers by name.
    pub authorizers: BTreeMap<String, ValidAuthorizer>,
    /// The stages.
    pub stages: Vec<ValidStage>,
    /// The role that API Gateway may be given to write logs with, where it has none in the account.
    pub log_role: Option<String>,
    /// Its models, by name.
    pub models: Models,
    /// What API Gateway itself answers, by type.
    pub gateway_responses: GatewayResponses,
    /// Which web pages' scripts may call routes that do not say it themselves.
    pub cors: Option<Cors>,
    /// Which namespaces may no longer call which of the StateMachines that revisions call.
    pub withdrawn: BTreeSet<(String, MachineArn)>,
    /// The keys of the encrypted StateMachines that its routes may call.
    pub keys: BTreeMap<MachineArn, Keys>,
    /// How many unserved revisions are kept.
    pub revision_history_limit: usize,
    /// Stages that are no longer wanted and to which base paths of custom domains lead: they stay until these are gone.
    pub mapped_stages: BTreeSet<String>,
    /// Whether what is no longer needed is let go rather than deleted.
    pub retains: bool,
}

impl ValidApi {
    /// How many resources API Gateway gives it, `/` apart.
    pub fn max_resources(&self) -> usize {
        usize::from(self.admission.account.spec.max_resources_per_api)
    }

    /// Whether stages may log: API Gateway has a role for it, or is given one. Nobody looks where nothing logs.
    pub fn may_log(&self, role: LogRole) -> bool {
        role != LogRole::Missing || self.log_role.is_some()
    }

    /// Whether an adopted API is to have nothing but what manifests ask for.
    pub fn removes_unmanaged(&self) -> bool {
        self.adoption.as_ref().is_some_and(|adoption| adoption.unmanaged == Unmanaged::Remove)
    }

    /// Whether a log group is made for a stage.
    pub fn makes_log_groups(&self) -> bool {
        self.stages.iter().any(|stage| stage.log_group.is_some())
    }
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
    let settings = settings::validate(&admission, &place, &api.spec)?;
    let cors = api.spec.cors.as_ref().map(super::cors::validate);
    let mut gateway_responses =
        super::gateway_response::validate(api.spec.gateway_responses.as_deref().unwrap_or_default());
    if let Some(cors) = &cors {
        super::cors::decorate_errors(&mut gateway_responses, cors);
    }
    let owner = owner(world, &admission.account, api);
    let stages = stage::validate(api, &owner, &admission, &place)?;
    let mut authorizers = BTreeMap::new();
    for spec in &api.spec.authorizers {
        authorizers.insert(spec.name.clone(), authorizer::validate(&owner, &admission, &place, spec)?);
    }
    let mut domains = BTreeSet::new();
    for mapping in &api.spec.domain_mappings {
        let domain = Key::resolve(&mapping.domain_ref, &owner.key.namespace);
        if !stages.iter().any(|stage| stage.name == mapping.stage) {
            return Err(Problem::invalid(format!(
                "spec.domainMappings: stage {} is none of spec.stages; name one of them",
                mapping.stage
            )));
        }
        if !domains.insert((domain, &mapping.base_path)) {
            return Err(Problem::invalid("spec.domainMappings: two have one domain and base path; keep one of them"));
        }
    }
    let wanted = |stage: &String| stages.iter().any(|wanted| wanted.name == *stage);
    let mapped = mapped(world, &owner.key).into_iter().map(|(stage, _)| stage);
    let mapped_stages = mapped.filter(|stage| !wanted(stage)).collect();
    let models = models(&api.spec.models)?;
    Ok(ValidApi {
        owner,
        authorizers,
        models,
        name: api.spec.adoption.as_ref().and_then(|it| it.name.clone()).unwrap_or_else(|| joined(&Key::of(api), 255)),
        adoption: api.spec.adoption.clone(),
        description: api.spec.description.clone().unwrap_or_default(),
        settings,
        stages,
        log_role: admission.account.spec.api_gateway_log_role.as_ref().map(|role| role.arn.clone()),
        gateway_responses,
        cors,
        withdrawn: served::withdrawn(world, &place),
        keys: encryption::keys(world, &place),
        revision_history_limit: usize::try_from(api.spec.revision_history_limit).unwrap_or_default(),
        mapped_stages,
        retains: api.spec.deletion_policy == Some(DeletionPolicy::Retain),
        place,
        admission,
    })
}

/// Whether the API admits a route: by its grants, or, without any, routes of its own namespace.
///
/// # Errors
/// Which grant is missing.
pub fn admits(labels: &NamespaceLabels, api: &RestAPI, route: &APIRoute) -> Result<(), Problem> {
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
    let mine = |grant: &RouteGrant| includes(&grant.namespaces, Some(&own), &namespace, labels);
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

/// That a route of another namespace calls no parameter otherwise than the grants do: API Gateway takes one name for those at one place, and
/// who came first with another would block all for whom the grant is.
///
/// # Errors
/// Which one it does.
pub fn calls_parameters_as_granted(api: &RestAPI, route: &APIRoute) -> Result<(), Problem> {
    if route.namespace() == api.namespace() {
        return Ok(());
    }
    let grants = api.spec.allowed_routes.iter().flatten();
    let prefixes = grants.flat_map(|grant| grant.path_prefixes.iter().flatten());
    let mut granted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (parent, name) in prefixes.flat_map(|prefix| parameters_of(prefix)) {
        granted.entry(parent).or_default().insert(name);
    }
    let mut parameters = parameters_of(&route.spec.path).into_iter();
    let other = parameters.find_map(|(parent, ours)| {
        let theirs = granted.get(&parent).filter(|names| !names.contains(&ours))?.first()?;
        Some((ours, theirs))
    });
    match other {
        None => Ok(()),
        Some((ours, theirs)) => Err(Problem::stalled(
            reasons::ROUTE_CONFLICT,
            format!(
                "spec.path {}: API Gateway takes one name for the parameters at one place, and a grant in spec.allowedRoutes of RestAPI {} calls this one {theirs}; write {theirs} instead of {ours}",
                route.spec.path,
                Key::of(api)
            ),
        )),
    }
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
