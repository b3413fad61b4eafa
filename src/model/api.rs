//! A RestAPI's AWS objects: the API, the invoke roles, the tree of methods, deployments and stages.
//!
//! What is deployed counts, not what is written: a role may do what the routes want **and** what any stage still serves.
//! So one pass widens roles, deploys and moves stages, and the next, which sees what is served then, narrows them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::attach::{Attachment, clashes, kept, parameter_names};
use super::invoke_roles;
use crate::identity::{Key, content_hash, role_path};
use crate::plan::{Plan, StepId};
use crate::policy::statement::INLINE_LIMIT;
use crate::policy::trust;
use crate::problem::Problem;
use crate::resources::deployment::{self, BesideMethods, Record, RecordStep, RoleNeeds, ServedRoute};
use crate::resources::gateway_response::{self, GatewayResponses};
use crate::resources::route::{self, At, Method};
use crate::resources::{Step, rest_api, role, stage};
use crate::validate::rest_api::{ValidApi, ValidStage};
use crate::validate::route::{ValidRoute, operation_name};

/// A RestAPI's AWS objects as AWS has them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The API; without it the rest is empty.
    pub api: Option<rest_api::Observed>,
    /// Resources and methods.
    pub tree: route::Observed,
    /// Stages.
    pub stages: BTreeMap<String, stage::Observed>,
    /// The roles that are needed, and those found under the API's path.
    pub roles: BTreeMap<String, Option<role::Observed>>,
    /// Gateway responses, where there was a reason to read them.
    pub gateway_responses: Option<GatewayResponses>,
    /// Our deployments, where there was a reason to read them.
    pub deployments: Option<BTreeMap<i64, deployment::remote::Found>>,
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
    /// Whether the RestAPI is so new that its first routes may still be on their way.
    pub young: bool,
}

impl Api<'_> {
    /// The revisions that stages serve or are about to; `None` where a stage serves a deployment that is not on record.
    fn in_use(&self, observed: &Observed) -> (BTreeSet<i64>, bool) {
        let mut unknown = false;
        let mut used = BTreeSet::new();
        for stage in observed.stages.values() {
            match self.records.iter().find(|record| record.deployment_id == stage.deployment_id) {
                Some(record) => {
                    used.insert(record.revision);
                }
                None => unknown = true,
            }
        }
        used.extend(self.valid.stages.iter().filter_map(|stage| stage.revision));
        (used, unknown)
    }

    /// What each managed role must be able to do: what the routes want, what stages serve, and what methods need that
    /// are still to be replaced, or are kept.
    pub fn needs(&self, observed: &Observed) -> BTreeMap<String, RoleNeeds> {
        let mut needs = self.wanted_needs();
        merge(&mut needs, self.held_needs(observed));
        for (name, needs) in needs.iter_mut().filter(|_| self.in_use(observed).1) {
            // What can't be known counts as served: the role keeps all it has.
            if let Some(Some(found)) = observed.roles.get(name) {
                needs.merge(&RoleNeeds::read(found));
            }
        }
        needs
    }

    /// What roles must be able to do whatever the routes want.
    fn held_needs(&self, observed: &Observed) -> BTreeMap<String, RoleNeeds> {
        let (in_use, _) = self.in_use(observed);
        let mut held = self.needs_of_old_forms(observed, |_| true);
        let counted = |record: &&Record| in_use.contains(&record.revision);
        for (name, served) in self.records.iter().filter(counted).flat_map(|record| &record.roles) {
            held.entry(name.clone()).or_default().merge(served);
        }
        held
    }

    /// The same routes, each with the one of its namespace's invoke roles that has room for it.
    pub fn shared_out(&self, observed: &Observed) -> Attachment {
        let mut held = self.held_needs(observed);
        if self.in_use(observed).1 {
            for (name, found) in observed.roles.iter().filter_map(|(name, found)| Some((name, found.as_ref()?))) {
                held.entry(name.clone()).or_default().merge(&RoleNeeds::read(found));
            }
        }
        let mut attachment = self.attachment.clone();
        let ValidApi { owner, place, .. } = self.valid;
        invoke_roles::share_out(&mut attachment.attached, owner, &place.region, &observed.tree, held);
        attachment
    }

    /// What the methods at these places need that are not as their routes want them.
    fn needs_of_old_forms(&self, observed: &Observed, counts: impl Fn(&At) -> bool) -> BTreeMap<String, RoleNeeds> {
        let Attachment { attached, refused } = self.attachment;
        let refused = refused.iter().filter(|(_, refusal)| !refusal.withdrawn).map(|(key, _)| key);
        let known: BTreeSet<String> =
            attached.keys().chain(refused).map(operation_name).chain(self.unreadable.iter().cloned()).collect();
        let place = &self.valid.place;
        let path = role_path(&self.valid.owner, &place.region);
        let ours = format!("arn:{}:iam::{}:role{path}", place.partition, place.account_id);
        let mut needs: BTreeMap<String, RoleNeeds> = BTreeMap::new();
        for (at, method) in observed.tree.methods.iter().filter(|(at, _)| counts(at)) {
            let as_wanted = attached.values().any(|route| route.at == *at && route.method == *method);
            let role = method.integration.as_ref().and_then(|found| found.credentials.as_ref()?.strip_prefix(&ours));
            let (false, true, Some(role)) = (as_wanted, known.contains(&method.operation_name), role) else { continue };
            let hash = content_hash(method);
            let served = |record: &&Record| record.routes.iter().any(|served| served.at == *at && served.hash == hash);
            let record = self.records.iter().filter(served).max_by_key(|record| record.revision);
            match (record.and_then(|record| record.roles.get(role)), observed.roles.get(role)) {
                (Some(on_record), _) => needs.entry(role.to_owned()).or_default().merge(on_record),
                // What can't be known is all that the role has, once it is looked at.
                (None, Some(Some(found))) => needs.entry(role.to_owned()).or_default().merge(&RoleNeeds::read(found)),
                (None, Some(None)) => {}
                (None, None) => drop(needs.entry(role.to_owned()).or_default()),
            }
        }
        needs
    }

    fn wanted_needs(&self) -> BTreeMap<String, RoleNeeds> {
        let mut needs: BTreeMap<String, RoleNeeds> = BTreeMap::new();
        for (name, wanted) in self.attachment.attached.values().filter_map(|route| route.role.as_ref()) {
            needs.entry(name.clone()).or_default().merge(wanted);
        }
        needs
    }

    fn newest(&self) -> Option<&Record> {
        self.records.iter().max_by_key(|record| record.revision)
    }

    /// The tree as it should be. A route whose role is not settled is left as it is for now.
    fn tree(&self, observed: &Observed) -> BTreeMap<At, route::Desired> {
        let mut tree: BTreeMap<At, route::Desired> =
            kept(self.attachment, &observed.tree).into_iter().map(|at| (at, route::Desired::Keep)).collect();
        for (at, method) in &observed.tree.methods {
            if self.unreadable.contains(&method.operation_name) {
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
            let names = parameter_names(tree.keys().map(|at| at.path.as_str()));
            (waiting, ready) = ready.into_iter().partition(|valid| clashes(&valid.at.path, &names));
            if waiting.is_empty() {
                break;
            }
        }
        for valid in ready {
            tree.insert(valid.at.clone(), route::Desired::Method(Box::new(valid.method.clone())));
        }
        let serves_something = tree
            .iter()
            .any(|(at, wanted)| matches!(wanted, route::Desired::Method(_)) || observed.tree.methods.contains_key(at));
        if !serves_something && !self.first_routes_are_coming(observed) {
            let (at, stub) = stub();
            tree.insert(at, route::Desired::Method(Box::new(stub)));
        }
        tree
    }

    /// Whether nothing serves yet and the first routes are on their way: one deployment then, not two.
    pub fn first_routes_are_coming(&self, observed: &Observed) -> bool {
        let waiting = self.waiting().len();
        let ready = self.attachment.attached.len() > waiting;
        observed.stages.is_empty() && !ready && (waiting > 0 || self.young)
    }

    /// Whether a route's role is not settled, and its method would change.
    fn waits(&self, valid: &ValidRoute) -> bool {
        valid.role.as_ref().is_some_and(|(name, _)| self.unsettled.contains_key(name))
    }

    /// The routes that wait for their role.
    pub fn waiting(&self) -> BTreeSet<Key> {
        self.attachment.attached.values().filter(|route| self.waits(route)).map(|route| route.key.clone()).collect()
    }

    /// Hash of everything that is wanted, to tell drift from a change of the manifests.
    pub fn hash(&self) -> String {
        let methods: Vec<_> = self.attachment.attached.values().map(|route| (&route.at, &route.method)).collect();
        let refused: Vec<_> = self.attachment.refused.keys().collect();
        let stages: Vec<_> = self.valid.stages.iter().map(|s| (&s.name, s.revision, &s.variables)).collect();
        let api = rest_api::diff(&self.desired_api(), None).unwrap_or_default();
        let needs = (self.wanted_needs(), self.valid.revision_history_limit);
        content_hash(&(api, methods, refused, stages, needs, self.beside_methods()))
    }

    fn beside_methods(&self) -> BesideMethods<'_> {
        let gateway_responses = &self.valid.gateway_responses;
        BesideMethods { gateway_responses: (!gateway_responses.is_empty()).then_some(gateway_responses) }
    }

    fn desired_api(&self) -> rest_api::Desired {
        rest_api::Desired {
            name: self.valid.name.clone(),
            description: self.valid.description.clone(),
            endpoint: self.valid.endpoint,
            owner: self.valid.owner.clone(),
        }
    }

    /// The desired roles.
    pub fn roles(&self, observed: &Observed) -> Vec<role::Desired> {
        let place = &self.valid.place;
        self.needs(observed)
            .into_iter()
            .map(|(name, needs)| {
                let whom = match &needs.of {
                    Some(of) if of.name.is_empty() => format!("routes of namespace {}", of.namespace),
                    Some(of) => format!("APIRoute {of}"),
                    None => "routes".to_owned(),
                };
                role::Desired {
                    name,
                    path: role_path(&self.valid.owner, &place.region),
                    owner: self.valid.owner.clone(),
                    description: format!(
                        "Lets {whom} of RestAPI {} call Step Functions (stepgate)",
                        self.valid.owner.key
                    ),
                    trust: trust::apigateway(),
                    policy: needs.policy(),
                    managed_policies: needs.managed_policies,
                }
            })
            .collect()
    }

    /// The steps of the roles, by role, and those that remove roles that nobody needs.
    ///
    /// # Errors
    /// A role of our name is another's, or its policy is too long.
    pub fn role_steps(&self, observed: &Observed) -> Result<RoleSteps, Problem> {
        let (_, unknown) = self.in_use(observed);
        let mut steps = RoleSteps::default();
        let mut wanted = BTreeSet::new();
        for desired in self.roles(observed) {
            let found = observed.roles.get(&desired.name).and_then(Option::as_ref);
            if desired.policy.len() > INLINE_LIMIT {
                return Err(Problem::invalid(format!(
                    "the stages serve so many state machines that the policy of role {} has {} characters, and IAM takes {INLINE_LIMIT}; let stages that are pinned to old revisions follow a newer one",
                    desired.name,
                    desired.policy.len(),
                )));
            }
            wanted.insert(desired.name.clone());
            let of_role = role::diff(&desired, found)?;
            if !of_role.is_empty() {
                steps.of.insert(desired.name, of_role);
            }
        }
        if !unknown {
            for (name, found) in observed.roles.iter().filter(|(name, _)| !wanted.contains(*name)) {
                steps.removal.extend(role::removal(name, &self.valid.owner, found.as_ref()));
            }
        }
        Ok(steps)
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
        let api = rest_api::diff(&self.desired_api(), observed.api.as_ref())?;
        let api = plan.chain(api.into_iter().map(Step::RestApi), &[]);

        let tree = self.tree(observed);
        let mut tree_ids = api.clone();
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
        self.plan_serving(&mut plan, observed, &tree, &tree_ids, &role_ids)?;
        let all: Vec<StepId> = (0..plan.len()).collect();
        plan.chain(roles.removal.into_iter().map(Step::Role), &all);
        Ok(plan)
    }

    /// Deployment, record, stages, and the pruning of old revisions.
    fn plan_serving(
        &self,
        plan: &mut Plan<Step>,
        observed: &Observed,
        tree: &BTreeMap<At, route::Desired>,
        tree_ids: &[StepId],
        role_ids: &BTreeMap<&str, Vec<StepId>>,
    ) -> Result<(), Problem> {
        let methods = route::result(tree, &observed.tree);
        let hash = deployment::hash(&methods, &self.beside_methods());
        let gone = |record: &&Record| {
            observed
                .deployments
                .as_ref()
                .is_some_and(|found| found.get(&record.revision).is_none_or(|found| found.id != record.deployment_id))
        };
        let records: Vec<&Record> = self.records.iter().filter(|record| !gone(record)).collect();
        let newest = records.iter().copied().max_by_key(|record| record.revision);
        if self.first_routes_are_coming(observed) {
            return Ok(());
        }
        let mut serving_ids: Vec<StepId> = tree_ids.to_vec();
        serving_ids.extend(role_ids.values().flatten());
        let follow = match newest {
            Some(record) if record.hash == hash => {
                let id = &record.deployment_id;
                let anew = self.record(record.revision, &hash, tree, observed, Some(id.clone()));
                if anew.routes != record.routes {
                    // It was made when less was known, such as while a route could not be resolved.
                    plan.add(Step::Record(RecordStep::Keep { record: anew }), []);
                }
                stage::Serves::Deployment(id.clone())
            }
            _ => {
                let lost = observed.deployments.as_ref().and_then(|found| {
                    let newest = newest.map_or(0, |record| record.revision);
                    found.range(newest + 1..).next_back().filter(|(_, found)| found.hash == hash)
                });
                let highest = observed.deployments.as_ref().and_then(|found| found.keys().next_back().copied());
                let revision = match lost {
                    Some((revision, _)) => *revision,
                    // Nor is the number of one that is gone used again.
                    None => 1 + self.newest().map_or(0, |r| r.revision).max(highest.unwrap_or(0)),
                };
                let mut after = serving_ids.clone();
                let serves = match lost {
                    // A crash came between the deployment and its record.
                    Some((_, found)) => stage::Serves::Deployment(found.id.clone()),
                    None => {
                        let description = deployment::description(revision, &hash);
                        let step = Step::Deployment(deployment::Step::Create { description });
                        after = vec![plan.add(step, serving_ids.iter().copied())];
                        stage::Serves::New
                    }
                };
                let record = self.record(revision, &hash, tree, observed, lost.map(|(_, found)| found.id.clone()));
                serving_ids = vec![plan.add(Step::Record(RecordStep::Keep { record }), after)];
                // Nor can one be pinned to that has no record, and whose content is no longer wanted.
                for (stray, found) in observed.deployments.iter().flatten() {
                    let served = observed.stages.values().any(|stage| stage.deployment_id == found.id);
                    if *stray > newest.map_or(0, |record| record.revision) && *stray != revision && !served {
                        let delete = deployment::Step::Delete { id: found.id.clone(), revision: *stray };
                        plan.add(Step::Deployment(delete), serving_ids.iter().copied());
                    }
                }
                serves
            }
        };
        let desired: Vec<stage::Desired> =
            self.valid.stages.iter().map(|stage| desired_stage(stage, &records, &follow)).collect();
        let mut stage_ids = Vec::new();
        for step in stage::diff(&desired, &observed.stages) {
            let after = if matches!(step, stage::Step::Delete { .. }) { Vec::new() } else { serving_ids.clone() };
            stage_ids.push(plan.add(Step::Stage(step), after));
        }
        if observed.deployments.is_some() {
            for record in self.records.iter().filter(gone) {
                plan.add(Step::Record(RecordStep::Forget { revision: record.revision }), []);
            }
        }
        if stage_ids.is_empty() && serving_ids.len() == tree_ids.len() {
            let (mut in_use, unknown) = self.in_use(observed);
            in_use.extend(newest.map(|record| record.revision));
            if !unknown {
                let limit = self.valid.revision_history_limit;
                for record in deployment::prunable(records.iter().copied(), &in_use, limit) {
                    let delete =
                        deployment::Step::Delete { id: record.deployment_id.clone(), revision: record.revision };
                    let deleted = plan.add(Step::Deployment(delete), []);
                    plan.add(Step::Record(RecordStep::Forget { revision: record.revision }), [deleted]);
                }
            }
        }
        Ok(())
    }

    fn record(
        &self,
        revision: i64,
        hash: &str,
        tree: &BTreeMap<At, route::Desired>,
        observed: &Observed,
        deployment_id: Option<String>,
    ) -> Record {
        let before = self.newest();
        let routes = route::result(tree, &observed.tree)
            .iter()
            .filter_map(|(at, method)| {
                let attached =
                    self.attachment.attached.values().find(|route| operation_name(&route.key) == method.operation_name);
                let served_before = before.and_then(|record| {
                    record.routes.iter().find(|r| operation_name(&r.route) == method.operation_name)
                });
                let (route, machines) = match (attached, served_before) {
                    (Some(route), _) if route.method == *method => (route.key.clone(), route.machines.clone()),
                    (_, Some(served)) => (served.route.clone(), served.machines.clone()),
                    (Some(route), None) => (route.key.clone(), route.machines.clone()),
                    (None, None) => (self.refused(&method.operation_name)?.clone(), BTreeSet::new()),
                };
                Some(ServedRoute { route, at: at.clone(), hash: content_hash(method), machines })
            })
            .collect();
        Record {
            revision,
            rest_api_id: observed.api.as_ref().map(|api| api.id.clone()).unwrap_or_default(),
            deployment_id: deployment_id.unwrap_or_default(),
            hash: hash.to_owned(),
            routes,
            roles: self.needs_of_newest(observed, tree),
        }
    }

    fn refused(&self, name: &str) -> Option<&Key> {
        self.attachment.refused.keys().find(|key| operation_name(key) == name)
    }

    /// What the newest content needs: without what only pinned stages still serve.
    fn needs_of_newest(&self, observed: &Observed, tree: &BTreeMap<At, route::Desired>) -> BTreeMap<String, RoleNeeds> {
        let mut needs = self.wanted_needs();
        merge(&mut needs, self.needs_of_old_forms(observed, |at| tree.get(at) == Some(&route::Desired::Keep)));
        needs
    }
}

fn merge(needs: &mut BTreeMap<String, RoleNeeds>, others: BTreeMap<String, RoleNeeds>) {
    for (name, other) in others {
        needs.entry(name).or_default().merge(&other);
    }
}

/// Stages that are pinned to a revision that does not exist.
pub fn unknown_pins<'a>(valid: &'a ValidApi, records: &[Record]) -> Vec<(&'a str, i64)> {
    let pins = valid.stages.iter().filter_map(|stage| Some((stage.name.as_str(), stage.revision?)));
    pins.filter(|(_, revision)| records.iter().all(|record| record.revision != *revision)).collect()
}

/// The steps of the roles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoleSteps {
    /// By the role's name, where there are any.
    pub of: BTreeMap<String, Vec<role::Step>>,
    /// Of roles that nobody needs.
    pub removal: Vec<role::Step>,
}

fn desired_stage(stage: &ValidStage, records: &[&Record], follow: &stage::Serves) -> stage::Desired {
    let serves = match stage.revision {
        None => follow.clone(),
        Some(revision) => match records.iter().find(|record| record.revision == revision) {
            Some(record) => stage::Serves::Deployment(record.deployment_id.clone()),
            None => stage::Serves::Unchanged,
        },
    };
    stage::Desired { name: stage.name.clone(), variables: stage.variables.clone(), serves }
}

/// AWS refuses a deployment without methods, so that the last deleted route would stay live: an API without routes has
/// this method, which serves nobody.
fn stub() -> (At, Method) {
    let integration = route::Integration {
        type_: "MOCK".to_owned(),
        http_method: None,
        uri: None,
        credentials: None,
        parameters: BTreeMap::new(),
        templates: BTreeMap::from([("application/json".to_owned(), "{\"statusCode\": 404}".to_owned())]),
        passthrough: "NEVER".to_owned(),
        timeout_millis: route::DEFAULT_TIMEOUT_MILLIS,
    };
    let method = Method {
        // Without `_`, so that no route can have it.
        operation_name: "stepgate-no-routes".to_owned(),
        authorization: "AWS_IAM".to_owned(),
        api_key_required: false,
        integration: Some(integration),
        responses: BTreeMap::from([("404".to_owned(), route::MethodResponse::default())]),
        integration_responses: BTreeMap::from([("404".to_owned(), route::IntegrationResponse::default())]),
    };
    (At { path: "/".to_owned(), method: "OPTIONS".to_owned() }, method)
}

/// The plan to nothing: the API with all that is in it, then the roles. What is another's is left alone, and is no
/// reason to keep the rest.
pub fn removal(owner: &crate::identity::Owner, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    let api = rest_api::removal(owner, observed.api.as_ref());
    let api = plan.chain(api.into_iter().map(Step::RestApi), &[]);
    for (name, found) in &observed.roles {
        plan.chain(role::removal(name, owner, found.as_ref()).into_iter().map(Step::Role), &api);
    }
    plan
}

/// The plan that lets everything go under `deletionPolicy: Retain`.
pub fn release(owner: &crate::identity::Owner, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    plan.chain(rest_api::release(owner, observed.api.as_ref()).into_iter().map(Step::RestApi), &[]);
    for (name, found) in &observed.roles {
        plan.chain(role::release(name, owner, found.as_ref()).into_iter().map(Step::Role), &[]);
    }
    plan
}
