//! A RestAPI's AWS objects: the API, the invoke roles, the tree of methods, deployments and stages.
//!
//! What is deployed counts, not what is written: a role may do what the routes want **and** what any stage still serves.
//! So one pass widens roles, deploys and moves stages, and the next, which sees what is served then, narrows them.

pub mod adopted;
mod authorizers;
mod keys;
pub mod rebuilt;
mod roles;
mod serving;
mod shared;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use self::roles::RoleSteps;
pub use self::serving::unknown_pins;
use super::attach::{Attachment, kept};
use super::cors;
use crate::identity::{Key, content_hash};
use crate::plan::{Plan, Planned, StepId};
use crate::problem::Problem;
use crate::resources::authorizer;
use crate::resources::deployment::{self, Record};
use crate::resources::gateway_response::{self, GatewayResponses};
use crate::resources::model::Models;
use crate::resources::route::{self, At, Method};
use crate::resources::{Step, account, log_group, request_validator, rest_api, role, stage};
use crate::validate::adoption;
use crate::validate::rest_api::ValidApi;
use crate::validate::route::{ValidRoute, operation_name};

/// A RestAPI's AWS objects as AWS has them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The API; without it the rest is empty.
    pub api: Option<rest_api::Observed>,
    /// Resources and methods.
    pub tree: route::Observed,
    /// Authorizers.
    pub authorizers: authorizer::Observed,
    /// Models of its own, where any are wanted, used or on record.
    pub models: Option<Models>,
    /// Request validators, where any are wanted or used.
    pub validators: Option<request_validator::Observed>,
    /// Stages.
    pub stages: BTreeMap<String, stage::Observed>,
    /// The roles that are needed, and those found under the API's path.
    pub roles: BTreeMap<String, Option<role::Observed>>,
    /// Its log groups, where there was a reason to read them.
    pub log_groups: Option<log_group::Groups>,
    /// Whether API Gateway can write logs.
    pub log_role: account::LogRole,
    /// Gateway responses, where there was a reason to read them.
    pub gateway_responses: Option<GatewayResponses>,
    /// What is kept of an adopted API.
    pub unmanaged: adopted::Unmanaged,
    /// Our deployments, where there was a reason to read them.
    pub deployments: Option<deployment::Deployments>,
    /// Revisions whose records were lost and are rebuilt: they are still to be written.
    pub rebuilt: BTreeSet<i64>,
    /// By stage, what people have to know of a record that was lost and can't be rebuilt.
    pub unread: BTreeMap<String, String>,
    /// Ids of deployments that are on records which are newer than those that are known.
    pub recorded: BTreeSet<String>,
}

/// What of the routes of an API is still on its way.
#[derive(Clone, Copy, Debug, Default)]
pub struct Coming {
    /// There is none yet, and the RestAPI is so new that some may come.
    pub any: bool,
    /// What some refer to is not there yet: what changed together with them is deployed together with them.
    pub together: bool,
    /// The RestAPI is so new that a stage which is deployed by hand should begin with these.
    pub first: bool,
}

/// What is wanted of an API at one moment.
#[derive(Clone, Debug)]
pub struct Api<'a> {
    /// The RestAPI.
    pub valid: &'a ValidApi,
    /// Its routes.
    pub attachment: &'a Attachment,
    /// The revisions on record.
    pub records: &'a [Record],
    /// Methods of routes that could not be read, by operation name: kept.
    pub unreadable: &'a BTreeSet<String>,
    /// Roles that are not yet visible everywhere, and for how long.
    pub unsettled: &'a BTreeMap<String, Duration>,
    /// What of its routes is still on its way.
    pub coming: Coming,
    /// The newest revision that was deployed before a look found nothing to do: its snapshot is known to be whole.
    pub verified_revision: i64,
}

impl Api<'_> {
    /// The tree as it should be. A route whose role is not settled is left as it is for now.
    fn tree(&self, observed: &Observed) -> BTreeMap<At, route::Desired> {
        let mut tree: BTreeMap<At, route::Desired> =
            kept(self.attachment, &observed.tree).into_iter().map(|at| (at, route::Desired::Keep)).collect();
        for (at, method) in &observed.tree.methods {
            if self.unreadable.contains(&method.operation_name) || self.is_succeeded(at, method) {
                tree.insert(at.clone(), route::Desired::Keep);
            }
        }
        let places = |valid: &ValidRoute| {
            let own = operation_name(&valid.key);
            let serving = observed.tree.methods.iter().filter(move |(_, method)| method.operation_name == own);
            serving.map(|(at, _)| at.clone())
        };
        let (mut waiting, mut ready): (Vec<_>, Vec<_>) =
            self.attachment.attached.values().partition(|valid| self.waits(valid));
        loop {
            for valid in waiting {
                tree.extend(places(valid).map(|at| (at, route::Desired::Keep)));
            }
            // Beside what is kept, no parameter can have another name.
            let names = route::parameter_names(tree.keys().map(|at| at.path.as_str()));
            (waiting, ready) = ready.into_iter().partition(|valid| route::clashes(&valid.at.path, &names));
            if waiting.is_empty() {
                break;
            }
        }
        for valid in ready {
            tree.insert(valid.at.clone(), route::Desired::Method(Box::new(valid.method.clone())));
        }
        let preflights = cors::preflights(&tree, self.attachment, &observed.tree, &self.valid.settings);
        let others = observed.unmanaged.kept_methods().filter(|at| !tree.contains_key(at));
        let others: Vec<_> = others.map(|at| (at.clone(), route::Desired::Keep)).collect();
        tree.extend(preflights.into_iter().chain(others));
        let serves_something = tree
            .iter()
            .any(|(at, wanted)| matches!(wanted, route::Desired::Method(_)) || observed.tree.methods.contains_key(at));
        if !serves_something && !self.first_routes_are_coming(observed) {
            let (at, stub) = stub(&self.valid.settings);
            tree.insert(at, route::Desired::Method(Box::new(stub)));
        }
        tree
    }

    /// Whether a method is of a route that is gone, and another one of its namespace, which takes its place, waits for its role: what
    /// serves goes on until then, as it does when a route is changed.
    fn is_succeeded(&self, at: &At, method: &Method) -> bool {
        let Attachment { attached, refused } = self.attachment;
        let name = &method.operation_name;
        let is_gone = || attached.keys().chain(refused.keys()).all(|key| operation_name(key) != *name);
        let of_the_same_team =
            |route: &ValidRoute| name.split_once('_').is_some_and(|(namespace, _)| namespace == route.key.namespace);
        // What lets callers in, or hands out a role, has to be admitted now.
        let no_more_open = |route: &ValidRoute| {
            let open = |method: &Method| {
                (
                    method.authorization.clone(),
                    method.authorizer.clone(),
                    method.scopes.clone(),
                    method.api_key_required,
                )
            };
            open(method) == open(&route.method)
        };
        let role = method.integration.as_ref().and_then(|found| found.credentials.as_deref());
        let takes_its_place =
            |route: &ValidRoute| route.at == *at && of_the_same_team(route) && no_more_open(route) && self.waits(route);
        (role.is_none() || self.own_role(role).is_some()) && attached.values().any(takes_its_place) && is_gone()
    }

    /// Every method as it should be.
    pub fn methods(&self, observed: &Observed) -> BTreeMap<At, Method> {
        route::result(&self.tree(observed), &observed.tree)
    }

    /// Whether nothing serves yet and the first routes are on their way: one deployment then, not two.
    pub fn first_routes_are_coming(&self, observed: &Observed) -> bool {
        let waiting = self.waiting().len();
        let ready = self.attachment.attached.len() > waiting;
        observed.stages.is_empty() && !ready && (waiting > 0 || self.coming.any || self.coming.together)
    }

    /// Whether there is something to deploy, or deployed already and to be served, which waits for routes that come together with it.
    ///
    /// # Errors
    /// An object of our name is another's.
    pub fn holds(&self, observed: &Observed) -> Result<bool, Problem> {
        if !self.coming.together {
            return Ok(false);
        }
        let now = Api { coming: Coming { together: false, ..self.coming }, ..self.clone() };
        let serves =
            |planned: &Planned<Step>| matches!(planned.step, Step::Deployment(_) | Step::Record(_) | Step::Stage(_));
        Ok(now.plan(observed)?.steps().iter().any(serves))
    }

    /// Whether a route's role, or its authorizer's, is not settled.
    fn waits(&self, valid: &ValidRoute) -> bool {
        let authorizer = valid.method.authorizer.as_ref().is_some_and(|name| self.authorizer_waits(name));
        authorizer || valid.role.as_ref().is_some_and(|(name, _)| self.unsettled.contains_key(name))
    }

    /// The routes that wait for their role.
    pub fn waiting(&self) -> BTreeSet<Key> {
        self.attachment.attached.values().filter(|route| self.waits(route)).map(|route| route.key.clone()).collect()
    }

    /// Hash of everything that is wanted, to tell drift from a change of the manifests.
    pub fn hash(&self, observed: &Observed) -> String {
        let methods: Vec<_> = self.attachment.attached.values().map(|route| (&route.at, &route.method)).collect();
        let refused: Vec<_> = self.attachment.refused.keys().collect();
        let stages = (&self.valid.stages, &self.valid.mapped_stages, self.valid.may_log(observed.log_role));
        let api = vec![rest_api::creation(&self.desired_api(None, false))];
        let authorizers: Vec<_> = self.valid.authorizers.iter().map(|(name, it)| (name, &it.authorizer)).collect();
        let needs = (self.wanted_needs(), self.valid.revision_history_limit);
        let hash =
            content_hash(&(api, authorizers, methods, refused, stages, needs, self.beside_methods(self.models())));
        self.hash_with_keys(hash)
    }

    fn desired_api(&self, observed: Option<&rest_api::Observed>, adopted: bool) -> rest_api::Desired {
        let adoption = adoption::of_api(self.valid, observed);
        // Dashboards and alarms know it by its name.
        let kept = observed.filter(|_| adopted);
        rest_api::Desired {
            name: kept.map_or_else(|| self.valid.name.clone(), |api| api.name.clone()),
            adoption,
            adopted,
            description: self.valid.description.clone(),
            settings: self.valid.settings.clone(),
            owner: self.valid.owner.clone(),
        }
    }

    /// The plan.
    ///
    /// # Errors
    /// An object of our name is another's.
    pub fn plan(&self, observed: &Observed) -> Result<Plan<Step>, Problem> {
        let mut plan = Plan::default();
        let roles = self.role_steps(observed)?;
        let mut role_ids: BTreeMap<&str, Vec<StepId>> = BTreeMap::new();
        for (name, steps) in &roles.of {
            role_ids.insert(name, plan.chain(steps.iter().cloned().map(Step::Role), &[]));
        }
        let api = observed.api.as_ref();
        let api = rest_api::diff(&self.desired_api(api, observed.unmanaged.of_adopted), api)?;
        let api = plan.chain(api.into_iter().map(Step::RestApi), &[]);

        let tree = self.tree(observed);
        let authorizers = self.authorizers(observed);
        // By what is there now, and by what will be.
        let now = observed.tree.methods.values().filter_map(|method| method.authorizer.as_deref());
        let methods = route::result(&tree, &observed.tree);
        let then: BTreeSet<&str> = methods.values().filter_map(|method| method.authorizer.as_deref()).collect();
        let used: BTreeSet<&str> = now.chain(then.iter().copied()).collect();
        let idle = authorizer::removal(&authorizers, &observed.authorizers, &used);
        let mut tree_ids = api.clone();
        // What no method names makes room for others: API Gateway takes 10.
        tree_ids.extend(plan.chain(idle.iter().cloned().map(Step::Authorizer), &api));
        let mut authorizer_ids: BTreeMap<String, StepId> = BTreeMap::new();
        for step in authorizer::diff(&authorizers, &observed.authorizers)? {
            let role = self.valid.authorizers.get(step.name()).and_then(|authorizer| authorizer.role.as_ref());
            let role = role.and_then(|(name, _)| role_ids.get(name.as_str())).into_iter().flatten();
            let after: Vec<StepId> = tree_ids.iter().chain(role).copied().collect();
            let name = step.name().to_owned();
            authorizer_ids.insert(name, plan.add(Step::Authorizer(step), after));
        }
        tree_ids.extend(authorizer_ids.values());
        let (shared, no_longer_shared) = self.shared_steps(observed, &methods);
        // Only what uses a model waits for it: one that AWS refuses holds nobody else up.
        let mut shared_ids: BTreeMap<String, StepId> = BTreeMap::new();
        for step in shared {
            let (name, needs) = match &step {
                Step::Model(step) => step.name_and_needs(),
                Step::RequestValidator(step) => (step.name(), BTreeSet::new()),
                _ => continue,
            };
            let (name, mut after) = (name.to_owned(), api.clone());
            after.extend(needs.iter().filter_map(|need| shared_ids.get(need)));
            shared_ids.insert(name, plan.add(step, after));
        }
        tree_ids.extend(shared_ids.values());
        let mut resource_ids: BTreeMap<String, StepId> = BTreeMap::new();
        let mut deleted_ids: Vec<StepId> = Vec::new();
        for step in route::diff(&tree, &observed.tree) {
            let mut after = api.clone();
            match &step {
                route::Step::CreateResource { path } => {
                    after.extend(resource_ids.get(route::parent(path)));
                    after.extend(&deleted_ids);
                    let id = plan.add(Step::Route(step.clone()), after);
                    resource_ids.insert(path.clone(), id);
                    tree_ids.push(id);
                    continue;
                }
                route::Step::Put { at, to, .. } => {
                    after.extend(resource_ids.get(&at.path));
                    after.extend(to.authorizer.as_ref().and_then(|name| authorizer_ids.get(name)));
                    let names = to.model_names().chain(&to.validator);
                    after.extend(names.filter_map(|name| shared_ids.get(name)));
                    let role = self
                        .attachment
                        .attached
                        .values()
                        .find(|route| operation_name(&route.key) == to.operation_name)
                        .and_then(|route| route.role.as_ref());
                    after.extend(role.and_then(|(name, _)| role_ids.get(name.as_str())).into_iter().flatten());
                }
                route::Step::Delete { .. } | route::Step::DeleteResource { .. } => {
                    after.extend(tree_ids.iter().copied());
                }
            }
            let deletes = matches!(step, route::Step::DeleteResource { .. });
            let id = plan.add(Step::Route(step), after);
            deleted_ids.extend(deletes.then_some(id));
            tree_ids.push(id);
        }
        let responses = gateway_response::diff(&self.valid.gateway_responses, observed.gateway_responses.as_ref());
        for step in responses {
            tree_ids.push(plan.add(Step::GatewayResponse(step), api.iter().copied()));
        }
        // Before the deployment: what is on record then says what there may be to remove.
        let all_changes = tree_ids.clone();
        tree_ids.extend(plan.chain(no_longer_shared, &all_changes));
        self.plan_serving(&mut plan, observed, &tree, &tree_ids, &role_ids)?;
        let unused = authorizer::removal(&authorizers, &observed.authorizers, &then);
        let unused = unused.into_iter().filter(|step| !idle.contains(step));
        let all: Vec<StepId> = (0..plan.len()).collect();
        plan.chain(unused.map(Step::Authorizer), &all);
        let all: Vec<StepId> = (0..plan.len()).collect();
        plan.chain(roles.removal.into_iter().map(Step::Role), &all);
        Ok(adopted::without_removals(plan, &observed.unmanaged))
    }
}

/// Whose the method of an API without routes is: without `_`, so that no route can have it.
const STUB: &str = "stepgate-no-routes";

/// AWS refuses a deployment without methods, so that the last deleted route would stay live: an API without routes has
/// this method, which serves nobody.
fn stub(settings: &rest_api::settings::Settings) -> (At, Method) {
    let integration = route::Integration {
        type_: "MOCK".to_owned(),
        http_method: None,
        uri: None,
        credentials: None,
        parameters: BTreeMap::new(),
        content_handling: settings.mock_content_handling(),
        templates: BTreeMap::from([("application/json".to_owned(), "{\"statusCode\": 404}".to_owned())]),
        passthrough: "NEVER".to_owned(),
        timeout_millis: route::DEFAULT_TIMEOUT_MILLIS,
    };
    let method = Method {
        operation_name: STUB.to_owned(),
        authorization: "AWS_IAM".to_owned(),
        authorizer: None,
        scopes: BTreeSet::new(),
        api_key_required: false,
        parameters: BTreeMap::new(),
        models: BTreeMap::new(),
        validator: None,
        integration: Some(integration),
        responses: BTreeMap::from([("404".to_owned(), route::MethodResponse::default())]),
        integration_responses: BTreeMap::from([("404".to_owned(), route::IntegrationResponse::default())]),
    };
    (At { path: "/".to_owned(), method: "OPTIONS".to_owned() }, method)
}

/// The plan to nothing: the API with all that is in it, then its log groups and roles, because AWS may refuse to delete the API. What
/// is another's is left alone, and is no reason to keep the rest.
pub fn removal(owner: &crate::identity::Owner, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    let api = rest_api::removal(owner, observed.api.as_ref());
    let api = plan.chain(api.into_iter().map(Step::RestApi), &[]);
    for (name, found) in observed.log_groups.iter().flatten() {
        plan.chain(log_group::removal(name, owner, found).into_iter().map(Step::LogGroup), &api);
    }
    for (name, found) in &observed.roles {
        plan.chain(role::removal(name, owner, found.as_ref()).into_iter().map(Step::Role), &api);
    }
    plan
}

/// The plan that lets everything go under `deletionPolicy: Retain`.
pub fn release(owner: &crate::identity::Owner, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    let groups = observed.log_groups.iter().flatten();
    for step in groups.filter_map(|(name, found)| log_group::release(name, owner, found)) {
        plan.add(Step::LogGroup(step), []);
    }
    plan.chain(rest_api::release(owner, observed.api.as_ref()).into_iter().map(Step::RestApi), &[]);
    for (name, found) in &observed.roles {
        plan.chain(role::release(name, owner, found.as_ref()).into_iter().map(Step::Role), &[]);
    }
    plan
}
