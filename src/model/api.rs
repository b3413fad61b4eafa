//! A RestAPI's AWS objects: the API, the invoke roles, the tree of methods, deployments and stages.
//!
//! What is deployed counts, not what is written: a role may do what the routes want **and** what any stage still serves.
//! So one pass widens roles, deploys and moves stages, and the next, which sees what is served then, narrows them.

pub mod adopted;
mod authorizers;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::attach::{Attachment, clashes, kept, parameter_names};
use super::{cors, invoke_roles};
use crate::identity::{Key, content_hash, role_path};
use crate::plan::{Plan, StepId};
use crate::policy::statement::INLINE_LIMIT;
use crate::policy::trust;
use crate::problem::Problem;
use crate::resources::authorizer;
use crate::resources::deployment::{self, BesideMethods, Record, RecordStep, RoleNeeds, ServedRoute};
use crate::resources::gateway_response::{self, GatewayResponses};
use crate::resources::model::{self, Models};
use crate::resources::rest_api::settings::Settings;
use crate::resources::route::{self, At, Method};
use crate::resources::{Step, account, is_adopted, log_group, request_validator, rest_api, role, stage};
use crate::validate::adoption;
use crate::validate::rest_api::ValidApi;
use crate::validate::route::{ValidRoute, operation_name};
use crate::validate::stage::ValidStage;

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
        let served = observed.stages.values().flat_map(stage::Observed::deployments);
        for id in served.filter(|id| !observed.unmanaged.is_older(id)) {
            match self.records.iter().find(|record| record.deployment_id == id) {
                Some(record) => {
                    used.insert(record.revision);
                }
                None => unknown = true,
            }
        }
        used.extend(self.valid.stages.iter().filter_map(|stage| stage.revision));
        used.extend(self.valid.stages.iter().filter_map(|stage| stage.canary.as_ref()?.revision));
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
        merge(&mut held, self.needs_of_present_authorizers(observed, |_| true));
        held
    }

    /// The name in the ARN of a role that is managed for this API.
    fn own_role<'r>(&self, arn: Option<&'r str>) -> Option<&'r str> {
        let place = &self.valid.place;
        let path = role_path(&self.valid.owner, &place.region);
        arn?.strip_prefix(&format!("arn:{}:iam::{}:role{path}", place.partition, place.account_id))
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
        let mut needs: BTreeMap<String, RoleNeeds> = BTreeMap::new();
        for (at, method) in observed.tree.methods.iter().filter(|(at, _)| counts(at)) {
            let as_wanted = attached.values().any(|route| route.at == *at && route.method == *method);
            let role = method.integration.as_ref().and_then(|found| self.own_role(found.credentials.as_deref()));
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
        let authorizers = self.valid.authorizers.values().filter_map(|authorizer| authorizer.role.as_ref());
        let routes = self.attachment.attached.values().filter_map(|route| route.role.as_ref());
        for (name, wanted) in routes.chain(authorizers) {
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
        let preflights = cors::preflights(&tree, self.attachment, &observed.tree);
        let others = observed.unmanaged.kept_methods().filter(|at| !tree.contains_key(at));
        let others: Vec<_> = others.map(|at| (at.clone(), route::Desired::Keep)).collect();
        tree.extend(preflights.into_iter().chain(others));
        let serves_something = tree
            .iter()
            .any(|(at, wanted)| matches!(wanted, route::Desired::Method(_)) || observed.tree.methods.contains_key(at));
        if !serves_something && !self.first_routes_are_coming(observed) {
            let (at, stub) = stub();
            tree.insert(at, route::Desired::Method(Box::new(stub)));
        }
        tree
    }

    /// Every method as it should be.
    pub fn methods(&self, observed: &Observed) -> BTreeMap<At, Method> {
        route::result(&self.tree(observed), &observed.tree)
    }

    /// Whether nothing serves yet and the first routes are on their way: one deployment then, not two.
    pub fn first_routes_are_coming(&self, observed: &Observed) -> bool {
        let waiting = self.waiting().len();
        let ready = self.attachment.attached.len() > waiting;
        observed.stages.is_empty() && !ready && (waiting > 0 || self.young)
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
        let stages = (&self.valid.stages, self.valid.may_log(observed.log_role));
        let api = vec![rest_api::creation(&self.desired_api(None))];
        let authorizers: Vec<_> = self.valid.authorizers.iter().map(|(name, it)| (name, &it.authorizer)).collect();
        let needs = (self.wanted_needs(), self.valid.revision_history_limit);
        content_hash(&(api, authorizers, methods, refused, stages, needs, self.beside_methods(self.models())))
    }

    /// With these models. Without the authorizers: which of them count depends on the methods.
    fn beside_methods(&self, mut models: Models) -> BesideMethods<'_> {
        models.retain(|name, _| !model::is_unnamed(name));
        let ValidApi { gateway_responses, settings, .. } = self.valid;
        BesideMethods {
            gateway_responses: (!gateway_responses.is_empty()).then_some(gateway_responses),
            settings: (*settings != Settings::of("REGIONAL")).then_some(settings),
            authorizers: BTreeMap::new(),
            models: (!models.is_empty()).then_some(models),
            alone: self.valid.removes_unmanaged(),
        }
    }

    /// The models that the RestAPI and its routes ask for.
    pub fn models(&self) -> Models {
        let of_routes = self.attachment.attached.values().flat_map(|route| &route.models);
        self.valid.models.iter().chain(of_routes).map(|(name, schema)| (name.clone(), schema.clone())).collect()
    }

    /// What must be there before the methods change, and what goes after they have.
    fn shared_steps(&self, observed: &Observed, methods: &BTreeMap<At, Method>) -> (Vec<Step>, Vec<Step>) {
        let names = methods.values().flat_map(Method::model_names).cloned().collect();
        let none = Models::new();
        let (mut first, mut last): (Vec<_>, Vec<_>) = {
            let (first, last) = model::diff(&self.models(), observed.models.as_ref().unwrap_or(&none), &names);
            (first.into_iter().map(Step::Model).collect(), last.into_iter().map(Step::Model).collect())
        };
        let used = methods.values().filter_map(|method| method.validator.clone()).collect();
        let none = request_validator::Observed::new();
        let (of_validators, gone) = request_validator::diff(&used, observed.validators.as_ref().unwrap_or(&none));
        first.extend(of_validators.into_iter().map(Step::RequestValidator));
        last.extend(gone.into_iter().map(Step::RequestValidator));
        (first, last)
    }

    /// All models of the API once the methods are these: those asked for, and those that kept methods use.
    fn resulting_models(&self, observed: &Observed, methods: &BTreeMap<At, Method>) -> Models {
        let mut models: Models = observed.models.clone().unwrap_or_default();
        let names: BTreeSet<&String> = methods.values().flat_map(Method::model_names).collect();
        models.retain(|name, _| names.contains(name));
        models.extend(self.models());
        models
    }

    fn desired_api(&self, observed: Option<&rest_api::Observed>) -> rest_api::Desired {
        let adoption = adoption::of_api(self.valid, observed);
        // Dashboards and alarms know it by its name.
        let kept = observed.filter(|api| is_adopted(&api.tags) || adoption.takes(&api.tags));
        rest_api::Desired {
            name: kept.map_or_else(|| self.valid.name.clone(), |api| api.name.clone()),
            adoption,
            description: self.valid.description.clone(),
            settings: self.valid.settings.clone(),
            owner: self.valid.owner.clone(),
        }
    }

    /// The desired roles.
    pub fn roles(&self, observed: &Observed) -> Vec<role::Desired> {
        let place = &self.valid.place;
        self.needs(observed)
            .into_iter()
            .map(|(name, needs)| {
                let api = &self.valid.owner.key;
                let purpose = match &needs.of {
                    Some(of) if of.namespace.is_empty() => {
                        format!("Lets API Gateway call authorizer {} of RestAPI {api}", of.name)
                    }
                    Some(of) if of.name.is_empty() => {
                        format!("Lets routes of namespace {} of RestAPI {api} call Step Functions", of.namespace)
                    }
                    Some(of) => format!("Lets APIRoute {of} of RestAPI {api} call Step Functions"),
                    None => format!("Lets routes of RestAPI {api} call Step Functions"),
                };
                role::Desired {
                    name,
                    path: role_path(&self.valid.owner, &place.region),
                    owner: self.valid.owner.clone(),
                    description: format!("{purpose} (stepgate)"),
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
        let api = observed.api.as_ref();
        let api = rest_api::diff(&self.desired_api(api), api)?;
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

    /// Deployment, record, stages, and the pruning of old revisions.
    fn plan_serving(
        &self,
        plan: &mut Plan<Step>,
        observed: &Observed,
        tree: &BTreeMap<At, route::Desired>,
        tree_ids: &[StepId],
        role_ids: &BTreeMap<&str, Vec<StepId>>,
    ) -> Result<(), Problem> {
        let methods = self.managed(route::result(tree, &observed.tree), observed);
        let authorizers = authorizers::named(&methods, &self.authorizers(observed), observed);
        let beside = self.beside_methods(self.resulting_models(observed, &methods));
        let hash = deployment::hash(&methods, &BesideMethods { authorizers, ..beside });
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
                if anew.routes != record.routes || anew.authorizers != record.authorizers {
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
        let log_ids = self.plan_logs(plan, observed)?;
        let may_log = self.valid.may_log(observed.log_role);
        let desired_stage = |stage: &ValidStage| {
            let stays = observed.stages.contains_key(&stage.name);
            desired_stage(stage, &records, &follow, stays, may_log)
        };
        let desired: Vec<stage::Desired> = self.valid.stages.iter().map(desired_stage).collect();
        let mut stage_ids = Vec::new();
        for steps in stage::diff(&desired, &observed.unmanaged.managed_stages(&observed.stages)) {
            let deletes = matches!(steps[..], [stage::Step::Delete { .. }]);
            let mut after = if deletes { Vec::new() } else { serving_ids.clone() };
            let of = |name: &str| steps.iter().any(|step| step.stage() == name);
            let logged = observed.stages.iter().filter(|(_, stage)| stage.settings.access_log.is_some());
            let logs = self.valid.stages.iter().filter(|stage| stage.logs());
            // What has no part in logging goes on, whatever becomes of that.
            if logged.map(|(name, _)| name).chain(logs.map(|stage| &stage.name)).any(|name| of(name)) {
                after.extend(&log_ids);
            }
            stage_ids.extend(plan.chain(steps.into_iter().map(Step::Stage), &after));
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

    /// What has to be there before stages log. What no stage needs goes first, too: as long as a stage names a log group, it
    /// is looked for.
    fn plan_logs(&self, plan: &mut Plan<Step>, observed: &Observed) -> Result<Vec<StepId>, Problem> {
        let ValidApi { stages, owner, log_role, .. } = self.valid;
        let mut ids = Vec::new();
        if let (account::LogRole::Missing, Some(arn)) = (observed.log_role, log_role) {
            ids.push(plan.add(Step::Account(account::Step::SetLogRole { arn: arn.clone() }), []));
        }
        let wanted: Vec<_> = stages.iter().filter_map(|stage| stage.log_group.as_ref()).collect();
        for group in &wanted {
            let found = observed.log_groups.as_ref().and_then(|found| found.get(&group.name));
            ids.extend(plan.chain(log_group::diff(group, found)?.into_iter().map(Step::LogGroup), &[]));
        }
        let let_go = if self.valid.retains { log_group::release } else { log_group::removal };
        for (name, found) in observed.log_groups.iter().flatten() {
            if wanted.iter().all(|group| group.name != *name) {
                ids.extend(let_go(name, owner, found).map(|step| plan.add(Step::LogGroup(step), [])));
            }
        }
        Ok(ids)
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
            authorizers: !self.valid.authorizers.is_empty() || !observed.authorizers.named.is_empty(),
            models: !self.models().is_empty(),
            before: self.before(observed),
        }
    }

    fn refused(&self, name: &str) -> Option<&Key> {
        self.attachment.refused.keys().find(|key| operation_name(key) == name)
    }

    /// What the newest content needs: without what only pinned stages still serve.
    fn needs_of_newest(&self, observed: &Observed, tree: &BTreeMap<At, route::Desired>) -> BTreeMap<String, RoleNeeds> {
        let mut needs = self.wanted_needs();
        merge(&mut needs, self.needs_of_old_forms(observed, |at| tree.get(at) == Some(&route::Desired::Keep)));
        let named: BTreeSet<String> =
            route::result(tree, &observed.tree).into_values().filter_map(|method| method.authorizer).collect();
        let stays = |name: &str| !self.valid.authorizers.contains_key(name) || self.authorizer_waits(name);
        let kept = self.needs_of_present_authorizers(observed, |name| named.contains(name) && stays(name));
        merge(&mut needs, kept);
        needs
    }
}

fn merge(needs: &mut BTreeMap<String, RoleNeeds>, others: BTreeMap<String, RoleNeeds>) {
    for (name, other) in others {
        needs.entry(name).or_default().merge(&other);
    }
}

/// The fields that name a revision that does not exist.
pub fn unknown_pins(valid: &ValidApi, records: &[Record]) -> Vec<(String, i64)> {
    let pins = valid.stages.iter().flat_map(|stage| {
        let field = |field: &str| format!("spec.stages[{}].{field}", stage.name);
        let canary = stage.canary.as_ref().and_then(|canary| canary.revision);
        let own = stage.revision.map(|revision| (field("revision"), revision));
        own.into_iter().chain(canary.map(|revision| (field("canary.revision"), revision)))
    });
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

/// A stage as it should be. `exists`: it is there, so that it can stay at what it serves. Where nothing may log, the rest of
/// it goes on.
fn desired_stage(
    stage: &ValidStage,
    records: &[&Record],
    follow: &stage::Serves,
    exists: bool,
    may_log: bool,
) -> stage::Desired {
    let serves = |revision: Option<i64>| match revision {
        None => follow.clone(),
        Some(revision) => match records.iter().find(|record| record.revision == revision) {
            Some(record) => stage::Serves::Deployment(record.deployment_id.clone()),
            None => stage::Serves::Unchanged,
        },
    };
    let stays = stage.manual && stage.revision.is_none() && exists;
    let mut settings = stage.settings.clone();
    if !may_log {
        settings.access_log = None;
        settings.methods.values_mut().for_each(|method| "OFF".clone_into(&mut method.log_level));
    }
    stage::Desired {
        name: stage.name.clone(),
        serves: if stays { stage::Serves::Unchanged } else { serves(stage.revision) },
        canary: stage.canary.as_ref().map(|canary| stage::Canary {
            serves: serves(canary.revision),
            percent: canary.percent,
            variables: canary.variables.clone(),
            use_stage_cache: canary.use_stage_cache,
        }),
        settings,
    }
}

/// Whose the method of an API without routes is: without `_`, so that no route can have it.
const STUB: &str = "stepgate-no-routes";

/// AWS refuses a deployment without methods, so that the last deleted route would stay live: an API without routes has
/// this method, which serves nobody.
fn stub() -> (At, Method) {
    let integration = route::Integration {
        type_: "MOCK".to_owned(),
        http_method: None,
        uri: None,
        credentials: None,
        parameters: BTreeMap::new(),
        content_handling: None,
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

/// The plan to nothing: the API with all that is in it, then the roles. What is another's is left alone, and is no
/// reason to keep the rest.
pub fn removal(owner: &crate::identity::Owner, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    // First, because they are found by the stages.
    let groups = observed.log_groups.iter().flatten();
    let groups = groups.filter_map(|(name, found)| log_group::removal(name, owner, found));
    let groups: Vec<StepId> = groups.map(|step| plan.add(Step::LogGroup(step), [])).collect();
    let api = rest_api::removal(owner, observed.api.as_ref());
    let api = plan.chain(api.into_iter().map(Step::RestApi), &groups);
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
