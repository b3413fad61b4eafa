//! AWS and the records of one RestAPI as plain values, and what a plan makes of them.
//!
//! It holds to AWS's rules that a plan must respect, and after each step it checks that whatever a stage serves may
//! call its machines.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use crate::identity::{Key, Tags};
use crate::model::api::{Api, Coming, Observed};
use crate::model::attach::{Attachment, attach};
use crate::plan::Plan;
use crate::policy::resource_policy::ResourcePolicy;
use crate::policy::roles::{On, Use};
use crate::policy::statement::Document;
use crate::resources::deployment::{Deployments, Found, Record, RecordStep, parse_description};
use crate::resources::gateway_response::{self, GatewayResponses};
use crate::resources::model::{self, Models};
use crate::resources::route::{At, Method, Observed as Tree, parent};
use crate::resources::stage::Serves;
use crate::resources::{
    Patch, PatchOp, Step, authorizer, deployment, log_group, request_validator, rest_api, role, route, stage,
};
use crate::validate::fixture::the_api;
use crate::validate::rest_api::{ValidApi, validate};
use crate::validate::route::{Refusal, ValidRoute, operation_name, validate as validate_route};
use crate::world::World;

/// A method's role and what it must be able to do.
type Calls = Option<(String, BTreeSet<Use>)>;

#[derive(Clone, Default)]
pub struct Cloud {
    pub api: Option<rest_api::Observed>,
    pub tree: Tree,
    pub authorizers: authorizer::Observed,
    pub roles: BTreeMap<String, role::Observed>,
    pub stages: BTreeMap<String, stage::Observed>,
    pub log_groups: log_group::Groups,
    pub gateway_responses: GatewayResponses,
    pub deployments: Deployments,
    pub records: Vec<Record>,
    /// Methods by deployment id.
    pub snapshots: BTreeMap<String, BTreeMap<At, (Method, Calls)>>,
    /// What each method of the tree calls.
    calls: BTreeMap<At, Calls>,
    pub models: Models,
    /// Their names are their ids.
    pub validators: request_validator::Observed,
    made: usize,
    /// As a reconcile knows it.
    pub unsettled: BTreeMap<String, Duration>,
    pub unreadable: BTreeSet<String>,
    pub refused: BTreeMap<Key, Refusal>,
    pub coming: Coming,
    pub verified_revision: i64,
}

/// What a look found.
pub struct Look {
    pub plan: Plan<Step>,
    pub attachment: Attachment,
    pub waiting: BTreeSet<Key>,
}

impl Cloud {
    fn valid(world: &World) -> ValidApi {
        validate(world, &the_api(world)).unwrap()
    }

    /// Routes in a world, terminating ones left out, and what becomes of them.
    fn candidates(&self, world: &World) -> Vec<(Arc<crate::api::APIRoute>, Result<ValidRoute, Refusal>)> {
        let (api, valid) = (the_api(world), Self::valid(world));
        let living = world.routes.iter().filter(|(_, route)| route.metadata.deletion_timestamp.is_none());
        living
            .map(|(key, route)| {
                let candidate = match self.refused.get(key) {
                    Some(refusal) => Err(refusal.clone()),
                    None => validate_route(world, &api, &valid, route),
                };
                (Arc::clone(route), candidate)
            })
            .collect()
    }

    fn observed(&self, names: impl IntoIterator<Item = String>) -> Observed {
        Observed {
            api: self.api.clone(),
            tree: self.tree.clone(),
            authorizers: self.authorizers.clone(),
            models: Some(self.models.clone()),
            validators: Some(self.validators.clone()),
            stages: self.stages.clone(),
            roles: names.into_iter().map(|name| (name.clone(), self.roles.get(&name).cloned())).collect(),
            log_groups: Some(self.log_groups.clone()),
            ..Observed::default()
        }
    }

    /// Looks as `observe::Survey` does, roles that nobody needs included.
    pub fn look(&self, world: &World) -> Look {
        let valid = Self::valid(world);
        let candidates = attach(self.candidates(world), &self.tree, valid.max_resources());
        let mut model = Api {
            valid: &valid,
            attachment: &candidates,
            records: &self.records,
            unreadable: &self.unreadable,
            unsettled: &self.unsettled,
            coming: self.coming,
            verified_revision: self.verified_revision,
        };
        let attachment = model.shared_out(&self.observed(self.roles.keys().cloned()));
        model.attachment = &attachment;
        let names = model.needs(&self.observed([])).into_keys().chain(self.roles.keys().cloned());
        let mut observed = self.observed(names.collect::<Vec<_>>());
        observed.gateway_responses = (!valid.gateway_responses.is_empty()).then(|| self.gateway_responses.clone());
        let mut plan = model.plan(&observed).unwrap();
        if self.api.is_some() {
            observed.deployments = Some(self.deployments.clone());
            observed.gateway_responses = Some(self.gateway_responses.clone());
            plan = model.plan(&observed).unwrap();
        }
        Look { plan, waiting: model.waiting(), attachment }
    }

    /// The plan's text.
    pub fn plan(&self, world: &World) -> String {
        self.look(world).plan.to_string()
    }

    /// Carries out one plan; answers with its text.
    pub fn pass(&mut self, world: &World) -> String {
        let look = self.look(world);
        self.apply(&look, usize::MAX);
        look.plan.to_string()
    }

    /// Carries out plans until nothing is left to do; answers with their texts.
    pub fn settle(&mut self, world: &World) -> Vec<String> {
        let mut texts = Vec::new();
        while !self.look(world).plan.is_empty() {
            assert!(texts.len() < 6, "it does not settle: {texts:#?}");
            texts.push(self.pass(world));
        }
        self.verified_revision = self.records.iter().map(|record| record.revision).max().unwrap_or_default();
        texts
    }

    /// Carries out the plan's first steps, each only after those that it waits for.
    pub fn apply(&mut self, look: &Look, steps: usize) {
        for (id, planned) in look.plan.steps().iter().enumerate().take(steps) {
            assert!(planned.after.iter().all(|before| *before < id), "{}", planned.step);
            self.carry_out(&planned.step, &look.attachment);
            self.check_what_is_served(&planned.step);
        }
    }

    /// AWS refuses references to models that are not there, and keeps those that are referred to.
    fn model(&mut self, step: &model::Step) {
        match step {
            model::Step::Create { name, schema } | model::Step::Update { name, schema } => {
                let there = |name: &String| self.models.contains_key(name) || model::BUILT_IN.contains(&name.as_str());
                assert!(model::references(schema).iter().all(there), "{step}: {schema}");
                self.models.insert(name.clone(), schema.clone());
            }
            model::Step::Delete { name } => {
                self.models.remove(name).unwrap_or_else(|| panic!("{step}"));
                let by_methods = self.tree.methods.values().flat_map(Method::model_names);
                let by_models: BTreeSet<String> = self.models.values().flat_map(model::references).collect();
                assert!(by_methods.chain(&by_models).all(|used| used != name), "{step}: it is in use");
            }
        }
    }

    fn validator(&mut self, step: &request_validator::Step) {
        use request_validator::{Found, Step};
        match step {
            Step::Create { name, body, parameters } => {
                let found = Found { name: name.clone(), body: *body, parameters: *parameters };
                self.validators.insert(name.clone(), found);
            }
            Step::Update { .. } => panic!("{step}"),
            Step::Delete { id, .. } => {
                let used = self.tree.methods.values().any(|method| method.validator.as_ref() == Some(id));
                assert!(!used && self.validators.remove(id).is_some(), "{step}");
            }
        }
    }

    fn id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}-{}", self.made)
    }

    fn carry_out(&mut self, step: &Step, attachment: &Attachment) {
        match step {
            Step::Role(step) => self.role(step),
            Step::ManagedPolicy(step) => panic!("{step}"),
            Step::StateMachine(step) => panic!("{step}"),
            Step::UsagePlan(step) => panic!("{step}"),
            Step::ApiKey(step) => panic!("{step}"),
            Step::RestApi(step) => self.rest_api(step),
            Step::Authorizer(step) => self.authorizer(step),
            Step::Model(step) => self.model(step),
            Step::RequestValidator(step) => self.validator(step),
            Step::Route(step) => self.route(step, attachment),
            Step::GatewayResponse(gateway_response::Step::Put { type_, response, exists }) => {
                let before = self.gateway_responses.insert(type_.clone(), response.clone());
                assert_eq!(before.is_some(), *exists, "{type_}");
            }
            Step::GatewayResponse(gateway_response::Step::Delete { type_ }) => {
                assert!(self.gateway_responses.remove(type_).is_some(), "{type_} is not defined");
            }
            Step::Deployment(deployment::Step::Create { description }) => {
                assert!(!self.tree.methods.is_empty(), "the REST API doesn't contain any methods");
                let whole = |method: &Method| method.integration.is_some();
                assert!(self.tree.methods.values().all(whole), "No integration defined for method");
                let (revision, hash) = parse_description(description).unwrap();
                let id = self.id("deployment");
                let snapshot = self.tree.methods.iter();
                let snapshot =
                    snapshot.map(|(at, method)| (at.clone(), (method.clone(), self.calls.get(at).cloned().flatten())));
                self.snapshots.insert(id.clone(), snapshot.collect());
                assert!(!self.revisions().contains(&revision), "revision {revision} twice");
                self.deployments.insert(id, Found { revision, hash });
            }
            Step::Deployment(deployment::Step::Delete { id, .. }) => {
                let served = self.stages.values().any(|stage| stage.deployments().any(|served| served == id));
                assert!(!served, "Active stages pointing to this deployment must be moved or deleted");
                self.deployments.remove(id);
            }
            Step::Record(RecordStep::Keep { record }) => {
                let mut record = record.clone();
                record.rest_api_id = self.api.as_ref().unwrap().id.clone();
                if record.deployment_id.is_empty() {
                    record.deployment_id = self.newest();
                }
                self.records.retain(|known| known.revision != record.revision);
                self.records.push(record);
            }
            Step::Record(RecordStep::Forget { revision }) => self.records.retain(|known| known.revision != *revision),
            Step::Stage(step) => self.stage(step),
            Step::LogGroup(log_group::Step::Create { name, tags }) => {
                let group = log_group::Observed { retention_days: None, tags: Some(tags.clone()) };
                assert_eq!(self.log_groups.insert(name.clone(), group), None, "ResourceAlreadyExistsException");
            }
            Step::LogGroup(log_group::Step::SetRetention { name, days }) => {
                self.log_groups.get_mut(name).expect("ResourceNotFoundException").retention_days = *days;
            }
            Step::LogGroup(log_group::Step::Delete { name }) => drop(self.log_groups.remove(name)),
            Step::LogGroup(step) => panic!("{step}"),
            Step::Account(step) => panic!("{step}"),
            Step::DomainName(step) => panic!("{step}"),
            Step::BasePathMapping(step) => panic!("{step}"),
            Step::AccessAssociation(step) => panic!("{step}"),
        }
    }

    fn newest(&self) -> String {
        self.deployments.iter().max_by_key(|(_, found)| found.revision).unwrap().0.clone()
    }

    /// The numbers of the deployments that are there.
    pub fn revisions(&self) -> Vec<i64> {
        let mut revisions: Vec<i64> = self.deployments.values().map(|found| found.revision).collect();
        revisions.sort_unstable();
        revisions
    }

    fn role(&mut self, step: &role::Step) {
        if let role::Step::Create { name, trust, tags, .. } = step {
            let role = role::Observed {
                arn: String::new(),
                created: SystemTime::UNIX_EPOCH,
                tags: tags.clone(),
                trust: trust.to_string(),
                policies: BTreeMap::new(),
                managed_policies: BTreeSet::new(),
            };
            assert!(self.roles.insert(name.clone(), role).is_none(), "EntityAlreadyExists");
            return;
        }
        let role = self.roles.get_mut(step.name()).expect("NoSuchEntity");
        match step {
            role::Step::Create { .. } => {}
            role::Step::SetTrust { trust, .. } => role.trust = trust.to_string(),
            role::Step::PutPolicy { policy, .. } => {
                role.policies.insert(role::POLICY_NAME.into(), policy.to_string());
            }
            role::Step::DeletePolicy { policy_name, .. } => {
                role.policies.remove(policy_name);
            }
            role::Step::Attach { arn, .. } => {
                role.managed_policies.insert(arn.clone());
            }
            role::Step::Detach { arn, .. } => {
                role.managed_policies.remove(arn);
            }
            role::Step::Note { tags, .. } => role.tags.extend(tags.clone()),
            role::Step::Claim { claim, .. } => role.tags.extend(claim.tags.clone()),
            role::Step::Forget { keys, .. } => role.tags.retain(|key, _| !keys.contains(key)),
            role::Step::Release { remove, tags, .. } => release(&mut role.tags, remove, tags),
            role::Step::Delete { name, .. } => {
                self.roles.remove(name);
            }
        }
    }

    fn rest_api(&mut self, step: &rest_api::Step) {
        match step {
            rest_api::Step::Create { name, description, settings, tags } => {
                let id = self.id("api");
                let root = self.id("resource");
                self.tree.resources.insert("/".into(), root);
                self.api = Some(rest_api::Observed {
                    id,
                    name: name.clone(),
                    description: description.clone(),
                    settings: (**settings).clone(),
                    tags: tags.clone(),
                });
            }
            rest_api::Step::Update { patches, .. } => {
                let api = self.api.as_mut().unwrap();
                for Patch { op, path, value } in patches {
                    let value = value.clone().unwrap_or_default();
                    if let Some(kind) = path.strip_prefix("/binaryMediaTypes/") {
                        let (kind, types) = (kind.replace("~1", "/"), &mut api.settings.binary_media_types);
                        let _ = if *op == PatchOp::Add { types.insert(kind) } else { types.remove(&kind) };
                        continue;
                    }
                    match path.as_str() {
                        "/name" => api.name = value,
                        "/description" => api.description = value,
                        "/apiKeySource" => api.settings.api_key_source = value,
                        "/policy" => api.settings.policy = Some(ResourcePolicy::read(&value, &api.id)),
                        other => panic!("{other}"),
                    }
                }
            }
            rest_api::Step::Claim { claim, .. } => self.api.as_mut().unwrap().tags.extend(claim.tags.clone()),
            rest_api::Step::Release { remove, tags, .. } => release(&mut self.api.as_mut().unwrap().tags, remove, tags),
            rest_api::Step::Delete { .. } => {
                *self = Cloud { roles: std::mem::take(&mut self.roles), ..Cloud::default() };
            }
        }
    }

    fn authorizer(&mut self, step: &authorizer::Step) {
        match step {
            authorizer::Step::Create { name, authorizer } => {
                let found = authorizer::Found { id: self.id("authorizer"), authorizer: (**authorizer).clone() };
                assert!(self.authorizers.named.insert(name.clone(), found).is_none(), "Authorizer name must be unique");
                assert!(self.authorizers.named.len() <= 10, "Maximum number of authorizers");
            }
            authorizer::Step::Update { name, patches, .. } => {
                let authorizer = &mut self.authorizers.named.get_mut(name).expect("no such authorizer").authorizer;
                for Patch { path, value, .. } in patches {
                    match path.as_str() {
                        "/authorizerUri" => authorizer.uri.clone_from(value),
                        "/authorizerCredentials" => authorizer.credentials.clone_from(value),
                        "/authorizerResultTtlInSeconds" => {
                            authorizer.ttl_seconds = value.as_ref().unwrap().parse().ok()
                        }
                        other => panic!("{other}"),
                    }
                }
            }
            authorizer::Step::Delete { name, .. } => {
                let named = self.tree.methods.values().any(|method| method.authorizer.as_ref() == Some(name));
                assert!(!named, "Cannot delete authorizer '{name}', is referenced in method");
                self.authorizers.named.remove(name);
            }
        }
    }

    fn route(&mut self, step: &route::Step, attachment: &Attachment) {
        match step {
            route::Step::CreateResource { path } => {
                assert!(self.tree.resources.contains_key(parent(path)), "Invalid Resource identifier specified");
                let variable = |path: &str| path.rsplit('/').next().unwrap().starts_with('{');
                let sibling = self
                    .tree
                    .resources
                    .keys()
                    .find(|other| parent(other) == parent(path) && variable(other) && variable(path));
                assert_eq!(sibling, None, "a sibling of {path} already has a variable path part");
                let id = self.id("resource");
                self.tree.resources.insert(path.clone(), id);
            }
            route::Step::Put { at, to, from } => {
                assert!(self.tree.resources.contains_key(&at.path), "no resource for {at}");
                assert_eq!(self.tree.methods.get(at), from.as_deref());
                if let Some(name) = &to.authorizer {
                    assert!(self.authorizers.named.contains_key(name), "Invalid authorizer ID specified");
                }
                let route = attachment.attached.values().find(|r| operation_name(&r.key) == to.operation_name);
                let calls = route.and_then(|route| route.role.clone()).map(|(name, needs)| {
                    assert!(self.roles.contains_key(&name), "{at} is written before its role {name}");
                    assert!(!self.unsettled.contains_key(&name), "{at} is written before its role is settled");
                    (name, needs.uses)
                });
                self.calls.insert(at.clone(), calls);
                self.tree.methods.insert(at.clone(), (**to).clone());
            }
            route::Step::Delete { at } => {
                self.tree.methods.remove(at);
            }
            route::Step::DeleteResource { path, .. } => {
                let below = |other: &str| other == path || other.starts_with(&format!("{path}/"));
                self.tree.resources.retain(|other, _| !below(other));
                self.tree.methods.retain(|at, _| !below(&at.path));
            }
        }
    }

    fn stage(&mut self, step: &stage::Step) {
        let id = |serves: &Serves, cloud: &Cloud| match serves {
            Serves::Deployment(id) => id.clone(),
            Serves::New => cloud.newest(),
            Serves::Unchanged => panic!("nothing to serve"),
        };
        match step {
            stage::Step::Create { name, serves, canary, settings } => {
                let canary = canary.as_ref().map(|canary| stage::Canary {
                    serves: id(&canary.serves, self),
                    percent: canary.percent,
                    variables: canary.variables.clone(),
                    use_stage_cache: canary.use_stage_cache,
                });
                let stage = stage::Observed { deployment_id: id(serves, self), canary, settings: (**settings).clone() };
                assert!(stage.deployments().all(|id| self.snapshots.contains_key(id)));
                self.stages.insert(name.clone(), stage);
            }
            stage::Step::Update { name, serves, canary, patches } => {
                let (serves, canary) = (serves.as_ref().map(|to| id(to, self)), canary.as_ref().map(|to| id(to, self)));
                let stage = self.stages.get_mut(name).unwrap();
                stage.deployment_id = serves.unwrap_or_else(|| stage.deployment_id.clone());
                if let Some(id) = canary {
                    let none = || stage::Canary {
                        serves: String::new(),
                        percent: 0.0,
                        variables: BTreeMap::new(),
                        use_stage_cache: false,
                    };
                    stage.canary.get_or_insert_with(none).serves = id;
                }
                for Patch { op, path, value } in patches {
                    patch_stage(stage, *op, path, value.clone().unwrap_or_default());
                }
            }
            stage::Step::Tag { name, set, remove } => {
                release(&mut self.stages.get_mut(name).unwrap().settings.tags, remove, set);
            }
            stage::Step::Delete { name } => {
                self.stages.remove(name);
            }
        }
    }

    /// Every route that a stage serves may do what it does.
    fn check_what_is_served(&self, step: &Step) {
        let policies: BTreeMap<&String, Document> = self
            .roles
            .iter()
            .filter_map(|(name, role)| Some((name, Document::parse(role.policies.get(role::POLICY_NAME)?).unwrap())))
            .collect();
        let allows = |role: &String, wanted: &Use| {
            let On::Machine(machine) = &wanted.on else { panic!("{wanted:?} is on no machine") };
            let executions = machine.executions();
            policies.get(role).is_some_and(|policy| {
                policy.statements().iter().any(|statement| {
                    statement.actions.contains(&wanted.action.to_string())
                        && statement.resources.iter().any(|r| r == machine.as_str() || *r == executions)
                })
            })
        };
        let served = self.stages.iter().flat_map(|(name, stage)| stage.deployments().map(move |id| (name, id)));
        for (name, id) in served {
            let Some(snapshot) = self.snapshots.get(id) else { continue };
            for (at, (_, calls)) in snapshot {
                let Some((role, uses)) = calls else { continue };
                for wanted in uses {
                    assert!(allows(role, wanted), "after `{step}`, {at} on stage {name} can't {wanted:?}");
                }
            }
        }
    }

    /// What a role may do: `action machine`, sorted.
    pub fn may(&self, role: &str) -> Vec<String> {
        let name = self.roles.keys().find(|name| name.contains(role)).unwrap_or_else(|| panic!("no role {role}"));
        let document = match self.roles[name].policies.get(role::POLICY_NAME) {
            Some(text) => Document::parse(text).unwrap(),
            None => return Vec::new(),
        };
        let mut all: Vec<String> = document
            .statements()
            .iter()
            .flat_map(|s| s.actions.iter().flat_map(|a| s.resources.iter().map(move |r| (a, r))))
            .map(|(action, resource)| {
                let machine = resource.split(':').skip(5).collect::<Vec<_>>().join(":");
                format!("{} {machine}", action.trim_start_matches("states:"))
            })
            .collect();
        all.sort();
        all
    }

    /// `METHOD /path → namespace_route` of what a stage serves.
    pub fn serves(&self, stage: &str) -> Vec<String> {
        let snapshot = &self.snapshots[&self.stages[stage].deployment_id];
        snapshot.iter().map(|(at, (method, _))| format!("{at} → {}", method.operation_name)).collect()
    }
}

/// What the tests of the model need of UpdateStage.
fn patch_stage(stage: &mut stage::Observed, op: PatchOp, path: &str, value: String) {
    let entry = |map: &mut BTreeMap<String, String>, name: &str, value: String| match op {
        PatchOp::Remove => drop(map.remove(name)),
        _ => drop(map.insert(name.to_owned(), value)),
    };
    if let Some(name) = path.strip_prefix("/variables/") {
        return entry(&mut stage.settings.variables, name, value);
    }
    if path == "/canarySettings" {
        assert_eq!(op, PatchOp::Remove);
        stage.canary = None;
        return;
    }
    if let Some(field) = path.strip_prefix("/accessLogSettings") {
        match field {
            "" => stage.settings.access_log = None,
            "/format" => stage.settings.access_log.get_or_insert_default().format = value,
            _ => stage.settings.access_log.get_or_insert_default().destination_arn = value,
        }
        return;
    }
    if path == "/clientCertificateId" {
        stage.settings.client_certificate = Some(value).filter(|certificate| !certificate.is_empty());
        return;
    }
    let canary = stage.canary.as_mut().expect("no canary");
    match path.strip_prefix("/canarySettings/").unwrap_or_else(|| panic!("{path}")) {
        "percentTraffic" => canary.percent = value.parse().unwrap(),
        "useStageCache" => canary.use_stage_cache = value == "true",
        other => entry(&mut canary.variables, other.trim_start_matches("stageVariableOverrides/"), value),
    }
}

fn release(tags: &mut Tags, remove: &[String], add: &Tags) {
    tags.retain(|key, _| !remove.contains(key));
    tags.extend(add.clone());
}
