//! What an adopted API has that no manifest asks for: methods, stages and what they use. It is kept as it is, unless
//! `adoption.unmanaged` says otherwise, and takes no part in the content's hash.
//!
//! Others may go on adding theirs. Methods and stages are told by what is in them: a method is ours by its operation name,
//! which a route or a record has, or by its role; a stage by its deployment, which is on record. Authorizers, models and gateway
//! responses say nothing of whose they are: ours are those whose names the status has, from before they are made on.

use std::collections::{BTreeMap, BTreeSet};

use super::{Api, Observed, STUB};
use crate::api::ManagedNames;
use crate::api::conditions::reasons;
use crate::identity::{Key, Ownership, role_path};
use crate::model::attach::Attachment;
use crate::model::cors;
use crate::plan::Plan;
use crate::problem::Problem;
use crate::resources::deployment::Record;
use crate::resources::model::{self, Models};
use crate::resources::route::{self, At, Method, with_ancestors};
use crate::resources::{Step, authorizer, gateway_response, is_adopted, request_validator, stage};
use crate::validate::adoption;
use crate::validate::rest_api::ValidApi;
use crate::validate::route::{Refusal, operation_name};

/// What is kept.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unmanaged {
    /// Whether the API was adopted, or is to be.
    pub of_adopted: bool,
    /// Whether anything is kept.
    keeps: bool,
    /// Whether all that is there has yet to be looked at, to remove it.
    pub removes: bool,
    /// Places of methods that are none of ours, whether kept or not.
    pub methods: BTreeSet<At>,
    /// Paths of resources.
    resources: BTreeSet<String>,
    /// Names of stages.
    stages: BTreeSet<String>,
    /// What is ours of that which does not say so.
    managed: ManagedNames,
    /// The deployments that are older than the adoption; absent: they are not on record yet.
    older: Option<BTreeSet<String>>,
}

impl Unmanaged {
    /// Of an API that was adopted, or is to be. `known` are the routes that exist, terminating ones included; `managed` is what the
    /// status has.
    pub fn of(
        valid: &ValidApi,
        records: &[Record],
        known: &BTreeSet<Key>,
        managed: &ManagedNames,
        observed: &Observed,
    ) -> Self {
        let Some(api) = &observed.api else { return Self::default() };
        let becomes_ours = adoption::of_api(valid, Some(api)).takes(&api.tags);
        let newest = records.iter().max_by_key(|record| record.revision);
        let older = newest.and_then(|record| record.older.clone());
        // Somebody may have taken off the tag that says so.
        if !(is_adopted(&api.tags) || becomes_ours || older.is_some()) {
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
        let methods = others.into_iter().map(|(at, _)| at.clone()).collect();
        if valid.removes_unmanaged() {
            let removes = newest.is_none() || older.is_some();
            return Self { of_adopted: true, removes, methods, managed: managed.clone(), ..Self::default() };
        }
        let stages =
            observed.stages.iter().filter(|(name, stage)| !wanted(name) && !stage.deployments().any(on_record));
        Self {
            of_adopted: true,
            keeps: true,
            removes: false,
            methods,
            resources: observed.tree.resources.keys().filter(|path| !ours.contains(*path)).cloned().collect(),
            stages: stages.map(|(name, _)| name.clone()).collect(),
            managed: managed.clone(),
            older,
        }
    }

    /// Whether there may be some of a kind to remove, although no manifest, method or record names any.
    pub fn may_remove(&self, of: impl Fn(&ManagedNames) -> &BTreeSet<String>) -> bool {
        self.removes || !of(&self.managed).is_empty()
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
        self.older.as_ref().is_some_and(|older| older.contains(deployment))
    }

    /// The models that are kept, of these.
    pub(super) fn kept_models<'a>(&self, observed: &'a Models) -> impl Iterator<Item = &'a String> {
        let is_ours = |name: &String| self.managed.models.contains(name) || model::is_unnamed(name);
        observed.keys().filter(move |name| self.keeps && !is_ours(name))
    }

    /// Whether it is none of ours that a step would remove.
    fn keeps(&self, step: &Step) -> bool {
        match step {
            Step::Authorizer(authorizer::Step::Delete { name, .. }) => !self.managed.authorizers.contains(name),
            Step::RequestValidator(step @ request_validator::Step::Delete { .. }) => !step.is_of_ours(),
            Step::GatewayResponse(gateway_response::Step::Delete { type_ }) => {
                !self.managed.gateway_responses.contains(type_)
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
        let names = route::parameter_names(self.kept_methods().map(|at| at.path.as_str()));
        let clashing = attachment.attached.iter().filter(|(_, valid)| route::clashes(&valid.at.path, &names));
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

    /// The deployments that are older than the adoption, as they are to be on record.
    pub(super) fn older(&self, observed: &Observed) -> Option<BTreeSet<String>> {
        let Unmanaged { keeps, older, .. } = &observed.unmanaged;
        if !keeps || older.is_some() {
            return older.clone();
        }
        // One of ours may have lost its record.
        let is_ours = observed.api.as_ref().is_some_and(|api| self.valid.owner.reads(&api.tags) == Ownership::Ours);
        let lost = |id: &str| is_ours && observed.deployments.iter().any(|found| found.contains_key(id));
        let on_record = |id: &str| self.records.iter().any(|record| record.deployment_id == id) || lost(id);
        let served = observed.stages.values().flat_map(stage::Observed::deployments);
        Some(served.filter(|id| !on_record(id)).map(str::to_owned).collect())
    }

    /// What of it the manifests ask for, or asked for by the status, and is still there.
    pub fn managed_names(&self, observed: &Observed) -> ManagedNames {
        let Unmanaged { of_adopted: true, managed, .. } = &observed.unmanaged else { return ManagedNames::default() };
        fn remaining<T>(had: &BTreeSet<String>, found: Option<&BTreeMap<String, T>>) -> impl Iterator<Item = String> {
            had.iter().filter(move |name| found.is_some_and(|found| found.contains_key(*name))).cloned()
        }
        let ValidApi { authorizers, gateway_responses, .. } = self.valid;
        let models = self.models().into_keys().filter(|name| !model::is_unnamed(name));
        let found = &observed.authorizers.named;
        ManagedNames {
            authorizers: remaining(&managed.authorizers, Some(found)).chain(authorizers.keys().cloned()).collect(),
            models: remaining(&managed.models, observed.models.as_ref()).chain(models).collect(),
            gateway_responses: remaining(&managed.gateway_responses, observed.gateway_responses.as_ref())
                .chain(gateway_responses.keys().cloned())
                .collect(),
        }
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
