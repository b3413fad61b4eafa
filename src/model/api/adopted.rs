//! What an adopted API has that no manifest asks for: methods, stages and what they use. It is kept as it is, unless
//! `adoption.unmanaged` says otherwise, and takes no part in the content's hash.
//!
//! Methods and stages are told by what is in them, so that others may go on adding theirs: a method is ours by its
//! operation name, which a route or a record has, or by its role; a stage by its deployment, which is on record. Authorizers,
//! models and gateway responses say nothing of their kind: those are kept that were there at the adoption, as the first
//! record holds it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Api, Observed, STUB};
use crate::api::conditions::reasons;
use crate::identity::{Key, Ownership, role_path};
use crate::model::attach::{Attachment, clashes, parameter_names};
use crate::model::cors;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::resources::deployment::{Before, Record};
use crate::resources::route::{self, At, Method, with_ancestors};
use crate::resources::{Step, authorizer, is_adopted, request_validator, stage};
use crate::validate::adoption;
use crate::validate::rest_api::ValidApi;
use crate::validate::route::{Refusal, operation_name};

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unmanaged {
    /// Whether anything is.
    keeps: bool,
    /// Whether all that is there has yet to be looked at, to know later what was there, or to remove it.
    pub is_new: bool,
    /// Places of methods that are none of ours, whether kept or not.
    pub methods: BTreeSet<At>,
    /// Paths of resources.
    resources: BTreeSet<String>,
    /// Names of stages.
    stages: BTreeSet<String>,
    /// What was there at the adoption; absent: all that is not wanted.
    before: Option<Box<Before>>,
}

impl Unmanaged {
    /// Of an API that was adopted, or is to be. `known` are the routes that exist, terminating ones included.
    pub fn of(valid: &ValidApi, records: &[Record], known: &BTreeSet<Key>, observed: &Observed) -> Self {
        let Some(api) = &observed.api else { return Self::default() };
        let becomes_ours = adoption::of_api(valid, Some(api)).takes(&api.tags);
        if !(is_adopted(&api.tags) || becomes_ours) {
            return Self::default();
        }
        let served = || records.iter().flat_map(|record| &record.routes);
        let routes = known.iter().chain(served().map(|served| &served.route));
        let mut names: BTreeSet<String> = routes.map(operation_name).collect();
        names.extend([STUB, cors::OPERATION_NAME].map(str::to_owned));
        let path = role_path(&valid.owner, &valid.place.region);
        let roles = format!("arn:{}:iam::{}:role{path}", valid.place.partition, valid.place.account_id);
        let is_ours = |method: &Method| {
            let credentials = method.integration.as_ref().and_then(|it| it.credentials.as_deref());
            names.contains(&method.operation_name) || credentials.is_some_and(|role| role.starts_with(&roles))
        };
        let (ours, others): (Vec<_>, Vec<_>) = observed.tree.methods.iter().partition(|(_, method)| is_ours(method));
        let ours = ours.into_iter().map(|(at, _)| at).chain(served().map(|served| &served.at));
        let ours: BTreeSet<String> = ours.flat_map(|at| with_ancestors(&at.path)).collect();
        let on_record = |id: &str| records.iter().any(|record| record.deployment_id == id);
        let wanted = |name: &str| valid.stages.iter().any(|stage| stage.name == name);
        let newest = records.iter().max_by_key(|record| record.revision);
        let before = newest.and_then(|record| record.before.clone());
        let methods = others.into_iter().map(|(at, _)| at.clone()).collect();
        if valid.removes_unmanaged() {
            return Self { is_new: newest.is_none() || before.is_some(), methods, ..Self::default() };
        }
        let stages =
            observed.stages.iter().filter(|(name, stage)| !wanted(name) && !stage.deployments().any(on_record));
        Self {
            keeps: true,
            is_new: before.is_none(),
            methods,
            resources: observed.tree.resources.keys().filter(|path| !ours.contains(*path)).cloned().collect(),
            stages: stages.map(|(name, _)| name.clone()).collect(),
            before,
        }
    }

    /// Places of methods that are kept.
    pub fn kept_methods(&self) -> impl Iterator<Item = &At> {
        self.methods.iter().filter(|_| self.keeps)
    }

    /// The stages but for those that are kept.
    pub fn managed_stages(&self, all: &BTreeMap<String, stage::Observed>) -> BTreeMap<String, stage::Observed> {
        let managed = all.iter().filter(|(name, _)| !self.stages.contains(*name));
        managed.map(|(name, stage)| (name.clone(), stage.clone())).collect()
    }

    /// Whether a deployment is older than the adoption: it holds nothing of ours.
    pub fn is_older(&self, deployment: &str) -> bool {
        self.before.as_ref().is_some_and(|before| before.deployments.contains(deployment))
    }

    /// Whether something of this name was there at the adoption.
    fn was_there(&self, of: impl Fn(&Before) -> &BTreeSet<String>, name: &str) -> bool {
        self.keeps && self.before.as_ref().is_none_or(|before| of(before).contains(name))
    }

    /// Whether it is none of ours that a step would remove.
    fn keeps(&self, step: &Step) -> bool {
        match step {
            Step::Authorizer(authorizer::Step::Delete { name, .. }) => self.was_there(|it| &it.authorizers, name),
            Step::RequestValidator(step @ request_validator::Step::Delete { .. }) => self.keeps && !step.is_of_ours(),
            Step::Model(crate::resources::model::Step::Delete { name }) => self.was_there(|it| &it.models, name),
            Step::GatewayResponse(crate::resources::gateway_response::Step::Delete { type_ }) => {
                self.was_there(|it| &it.gateway_responses, type_)
            }
            Step::Route(route::Step::DeleteResource { path, .. }) => {
                let below = format!("{path}/");
                self.resources.iter().any(|kept| kept == path || kept.starts_with(&below))
            }
            _ => false,
        }
    }

    /// Routes whose parameters API Gateway could not have beside those of methods that are kept.
    pub fn refuse(&self, attachment: &mut Attachment) {
        let names = parameter_names(self.kept_methods().map(|at| at.path.as_str()));
        let clashing = attachment.attached.iter().filter(|(_, route)| clashes(&route.at.path, &names));
        for key in clashing.map(|(key, _)| key.clone()).collect::<Vec<_>>() {
            let Some(route) = attachment.attached.remove(&key) else { continue };
            let message = format!(
                "spec.path {}: API Gateway takes one name for the parameters at one place, and a method that the adopted API has calls one of these otherwise; write its name",
                route.at.path
            );
            let problem = Problem::stalled(reasons::ROUTE_CONFLICT, message);
            attachment.refused.insert(key, Refusal { problem, refs: false, withdrawn: false });
        }
    }
}

impl Api<'_> {
    /// The methods that are ours, of all that there will be.
    pub(super) fn managed(&self, mut methods: BTreeMap<At, Method>, observed: &Observed) -> BTreeMap<At, Method> {
        let taken = |at: &At| self.attachment.attached.values().any(|route| route.at == *at);
        methods.retain(|at, _| !observed.unmanaged.methods.contains(at) || taken(at));
        methods
    }

    /// What of an adopted API is to be kept besides its methods, as it is on record.
    pub(super) fn before(&self, observed: &Observed) -> Option<Box<Before>> {
        let Unmanaged { keeps, before, .. } = &observed.unmanaged;
        if !keeps || before.is_some() {
            return before.clone();
        }
        // One of ours may have lost its record.
        let is_ours = observed.api.as_ref().is_some_and(|api| self.valid.owner.reads(&api.tags) == Ownership::Ours);
        let lost = |id: &str| is_ours && observed.deployments.iter().any(|found| found.contains_key(id));
        let on_record = |id: &str| self.records.iter().any(|record| record.deployment_id == id) || lost(id);
        let served = observed.stages.values().flat_map(stage::Observed::deployments);
        let (models, valid) = (self.models(), self.valid);
        let of = |names: Vec<&String>, ours: &dyn Fn(&str) -> bool| -> BTreeSet<String> {
            names.into_iter().filter(|name| !ours(name)).cloned().collect()
        };
        Some(Box::new(Before {
            deployments: served.filter(|id| !on_record(id)).map(str::to_owned).collect(),
            authorizers: of(observed.authorizers.named.keys().collect(), &|name| valid.authorizers.contains_key(name)),
            models: of(observed.models.iter().flatten().map(|(name, _)| name).collect(), &|name| {
                models.contains_key(name)
            }),
            gateway_responses: of(
                observed.gateway_responses.iter().flatten().map(|(type_, _)| type_).collect(),
                &|type_| valid.gateway_responses.contains_key(type_),
            ),
        }))
    }
}

/// The plan without the steps that would remove what is kept.
pub(super) fn without_removals(plan: Plan<Step>, unmanaged: &Unmanaged) -> Plan<Step> {
    plan.without(|step| is_left_out(step, unmanaged))
}

/// Whether a step would remove what is kept.
pub(super) fn is_left_out(step: &Step, unmanaged: &Unmanaged) -> bool {
    unmanaged.keeps && unmanaged.keeps(step)
}
