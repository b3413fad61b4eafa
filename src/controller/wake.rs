//! Which objects a change concerns. Every reconcile begins here, or by its period: an object is woken only by what
//! matters to it.

use std::collections::{BTreeSet, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::ObjectRef;
use kube::{Resource, ResourceExt};
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::Instant;

use super::stores::Stores;
use crate::api::conditions::READY;
use crate::api::{
    ABANDON, APIDomain, APIRoute, AWSAccount, CHECK, DELETIONS_RELEASED, PAUSED, RestAPI, StageStatus, StateMachine,
    UsagePlan,
};
use crate::identity::Key;
use crate::resolve::{api_of, domains_of, mapped_apis};
use crate::resources::deployment::Record;
use crate::validate::rest_api::admits;
use crate::validate::{route, state_machine, usage_plan};

/// Where wakes go.
#[derive(Clone)]
pub struct Queues {
    /// To the controller of AWSAccounts.
    pub accounts: UnboundedSender<ObjectRef<AWSAccount>>,
    /// To the controller of StateMachines.
    pub machines: UnboundedSender<ObjectRef<StateMachine>>,
    /// To the controller of RestAPIs.
    pub apis: UnboundedSender<ObjectRef<RestAPI>>,
    /// To the controller of APIRoutes.
    pub routes: UnboundedSender<ObjectRef<APIRoute>>,
    /// To the controller of UsagePlans.
    pub plans: UnboundedSender<ObjectRef<UsagePlan>>,
    /// To the controller of APIDomains.
    pub domains: UnboundedSender<ObjectRef<APIDomain>>,
}

impl Queues {
    // A closed queue means that the process is ending.
    fn account(&self, name: &str) {
        let _ = self.accounts.send(ObjectRef::new(name));
    }

    fn machine(&self, key: &Key) {
        let _ = self.machines.send(ObjectRef::new(&key.name).within(&key.namespace));
    }

    fn api(&self, key: &Key) {
        let _ = self.apis.send(ObjectRef::new(&key.name).within(&key.namespace));
    }

    fn plan(&self, key: &Key) {
        let _ = self.plans.send(ObjectRef::new(&key.name).within(&key.namespace));
    }

    fn route(&self, key: &Key) {
        let _ = self.routes.send(ObjectRef::new(&key.name).within(&key.namespace));
    }

    fn domain(&self, key: &Key) {
        let _ = self.domains.send(ObjectRef::new(&key.name).within(&key.namespace));
    }
}

/// Remembers what it saw of each object, to tell what matters from what does not.
#[derive(Default)]
pub struct Seen(HashMap<String, u64>);

impl Seen {
    /// Whether it was seen before.
    fn knows(&self, id: &str) -> bool {
        self.0.contains_key(id)
    }

    /// Whether what matters of an object is new, or, with `None`, whether it was known and is gone.
    fn changed(&mut self, id: String, digest: Option<impl Hash>) -> bool {
        match digest {
            None => self.0.remove(&id).is_some(),
            Some(digest) => {
                let mut hasher = DefaultHasher::new();
                digest.hash(&mut hasher);
                let digest = hasher.finish();
                self.0.insert(id, digest) != Some(digest)
            }
        }
    }
}

/// What of an object's metadata asks for a reconcile of itself.
fn own_digest<K: ResourceExt>(object: &K) -> impl Hash + use<K> {
    let annotation = |name: &str| object.annotations().get(name).cloned();
    (
        object.uid(),
        object.meta().generation,
        object.meta().deletion_timestamp.is_some(),
        object.finalizers().to_vec(),
        annotation(PAUSED),
        annotation(ABANDON),
        annotation(CHECK),
        annotation(DELETIONS_RELEASED),
    )
}

fn id(kind: &str, object: &impl ResourceExt) -> String {
    format!("{kind}/{}/{}", object.namespace().unwrap_or_default(), object.name_any())
}

/// A change that a watch saw; `gone` when the object was deleted.
pub trait Wakes {
    /// Wakes whom it concerns.
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues);
}

impl Wakes for AWSAccount {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        let own = seen.changed(id("AWSAccount", self), (!gone).then(|| own_digest(self)));
        let ready = self.status.as_ref().is_some_and(|status| {
            status.common.conditions.iter().any(|condition| condition.type_ == READY && condition.status == "True")
        });
        let recovered = seen.changed(id("AWSAccount/ready", self), (!gone).then_some(ready)) && ready;
        if own {
            queues.account(&self.name_any());
        }
        if !own && !recovered {
            return;
        }
        for machine in stores.machines.state() {
            queues.machine(&Key::of(&*machine));
        }
        for api in stores.apis.state() {
            queues.api(&Key::of(&*api));
        }
        for plan in stores.plans.state() {
            queues.plan(&Key::of(&*plan));
        }
        for domain in stores.domains.state() {
            queues.domain(&Key::of(&*domain));
        }
    }
}

impl Wakes for StateMachine {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        let key = Key::of(self);
        if seen.changed(id("StateMachine", self), (!gone).then(|| own_digest(self))) {
            queues.machine(&key);
        }
        let binding = self.status.as_ref().and_then(|status| status.binding.as_ref());
        if seen.changed(id("StateMachine/binding", self), (!gone).then(|| binding.cloned()))
            && let Some(binding) = binding
        {
            queues.account(&binding.account);
        }
        let callers = self.spec.allowed_callers.as_ref().and_then(|callers| serde_json::to_string(callers).ok());
        let arn = self.status.as_ref().and_then(|status| status.state_machine_arn.clone());
        let grants = id("StateMachine/callers", self);
        if seen.knows(&grants) & seen.changed(grants, (!gone).then(|| callers.clone())) {
            // Also to whom that calls it and asks for something else by now.
            for api in stores.apis.state() {
                let serves = |record: &Record| record.routes.iter().any(|route| route.machines.contains(&key));
                if stores.records_of(&api).iter().any(serves) {
                    queues.api(&Key::of(&*api));
                }
            }
        }
        // Its callers need the key that it has, and the one that it will have.
        let keys = (
            self.spec.encryption.as_ref().map(|encryption| encryption.kms_key_arn.clone()),
            self.status.as_ref().and_then(|status| status.kms_key_arn.clone()),
        );
        let seen_by_others = (arn, callers, keys, self.meta().deletion_timestamp.is_some(), self.uid());
        if seen.changed(id("StateMachine/target", self), (!gone).then_some(seen_by_others)) {
            for route in stores.routes.state() {
                let by_arn = route.spec.target.arn.as_ref().is_some_and(|arn| route::names(arn, self));
                if by_arn || route::references(&route).contains(&key) {
                    queues.api(&api_of(&route));
                }
            }
            for machine in stores.machines.state() {
                if state_machine::references(&machine).0.contains(&key) {
                    queues.machine(&Key::of(&*machine));
                }
            }
        }
    }
}

impl Wakes for RestAPI {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        let key = Key::of(self);
        if seen.changed(id("RestAPI", self), (!gone).then(|| own_digest(self))) {
            queues.api(&key);
        }
        let status = self.status.as_ref();
        let binding = status.and_then(|status| status.binding.as_ref());
        if seen.changed(id("RestAPI/binding", self), (!gone).then(|| binding.cloned()))
            && let Some(binding) = binding
        {
            queues.account(&binding.account);
        }
        let canary = |stage: &StageStatus| stage.canary.as_ref().map(|canary| canary.revision);
        let stages: Vec<_> = status
            .map(|s| s.stages.iter().map(|stage| (stage.name.clone(), stage.revision, canary(stage))).collect())
            .unwrap_or_default();
        let stalled = status.map(|s| {
            s.common.conditions.iter().any(|c| c.type_ == crate::api::conditions::STALLED && c.status == "True")
        });
        let serving =
            (stages, stalled, self.meta().deletion_timestamp.is_some(), self.annotations().get(PAUSED).cloned());
        if seen.changed(id("RestAPI/serving", self), (!gone).then_some(serving)) {
            for route in stores.routes_of(&key) {
                queues.route(&Key::of(&*route));
            }
            wake_terminating_machines(stores, queues);
        }
        let allowed = self.spec.allowed_usage_plans.as_ref().and_then(|plans| serde_json::to_string(plans).ok());
        let spec: Vec<_> = self.spec.stages.iter().map(|stage| stage.name.clone()).collect();
        let stands = status.map(|status| {
            let stages = status.stages.iter().map(|stage| stage.name.clone()).collect::<Vec<_>>();
            (status.rest_api_id.clone(), status.binding.clone(), stages)
        });
        let planned = (allowed, spec, stands, self.meta().deletion_timestamp.is_some(), self.uid());
        if seen.changed(id("RestAPI/plans", self), (!gone).then_some(planned)) {
            wake_plans(stores, queues, |plan| usage_plan::apis(plan).contains(&key));
        }
        let names: Vec<_> =
            status.map(|s| s.stages.iter().map(|stage| stage.name.clone()).collect()).unwrap_or_default();
        let mapped = (own_digest(self), status.and_then(|s| s.rest_api_id.clone()), binding.cloned(), names);
        if seen.changed(id("RestAPI/mapped", self), (!gone).then_some(mapped)) {
            let named = domains_of(self);
            for domain in stores.domains.state() {
                let domain_key = Key::of(&*domain);
                if named.contains(&domain_key) || mapped_apis(&domain).contains(&key) {
                    queues.domain(&domain_key);
                }
            }
        }
    }
}

impl Wakes for UsagePlan {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        let key = Key::of(self);
        if seen.changed(id("UsagePlan", self), (!gone).then(|| own_digest(self))) {
            queues.plan(&key);
            // A deletion waits for those that share its keys.
            wake_plans(stores, queues, |plan| {
                plan.meta().deletion_timestamp.is_some() && plan.namespace() == self.namespace()
            });
        }
        let status = self.status.as_ref();
        let binding = status.and_then(|status| status.binding.as_ref());
        if seen.changed(id("UsagePlan/binding", self), (!gone).then(|| binding.cloned()))
            && let Some(binding) = binding
        {
            queues.account(&binding.account);
        }
        let keys: Vec<_> = status
            .map(|status| status.api_keys.iter().map(|key| (key.name.clone(), key.id.clone())).collect())
            .unwrap_or_default();
        if seen.changed(id("UsagePlan/keys", self), (!gone).then_some((keys, self.meta().generation))) {
            wake_plans(stores, queues, |plan| usage_plan::shares(plan).contains(&key));
        }
    }
}

impl Wakes for PartialObjectMeta<Secret> {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        let version = (!gone).then(|| self.resource_version());
        if !seen.changed(id("Secret", self), version) {
            return;
        }
        let key = Key::of(self);
        wake_plans(stores, queues, |plan| {
            plan.namespace().as_ref() == Some(&key.namespace)
                && usage_plan::secrets(plan).iter().any(|reference| reference.name == key.name)
        });
    }
}

impl Wakes for APIDomain {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        let key = Key::of(self);
        if seen.changed(id("APIDomain", self), (!gone).then(|| own_digest(self))) {
            queues.domain(&key);
        }
        let status = self.status.as_ref();
        let binding = status.and_then(|status| status.binding.as_ref());
        if seen.changed(id("APIDomain/binding", self), (!gone).then(|| binding.cloned()))
            && let Some(binding) = binding
        {
            queues.account(&binding.account);
        }
        let ready = status.and_then(|s| s.common.conditions.iter().find(|condition| condition.type_ == READY));
        let ready = ready.map(|ready| (ready.status.clone(), ready.reason.clone()));
        let mappings = status.and_then(|status| serde_json::to_string(&status.mappings).ok());
        let told = (mappings, ready, self.meta().deletion_timestamp.is_some(), self.uid());
        if seen.changed(id("APIDomain/told", self), (!gone).then_some(told)) {
            let mapped = mapped_apis(self);
            for api in stores.apis.state() {
                let of = Key::of(&*api);
                if mapped.contains(&of) || domains_of(&api).contains(&key) {
                    queues.api(&of);
                }
            }
        }
    }
}

impl Wakes for APIRoute {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        if seen.changed(id("APIRoute", self), (!gone).then(|| own_digest(self))) {
            let api = api_of(self);
            if is_admitted(self, &api, stores) {
                stores.bursts.changed(&api, Instant::now());
            }
            queues.route(&Key::of(self));
            queues.api(&api);
            if gone {
                wake_terminating_machines(stores, queues);
            }
        }
    }
}

/// Whether a route is one of those for which the others of its API wait.
fn is_admitted(route: &APIRoute, api: &Key, stores: &Stores) -> bool {
    let labels = stores.labels(route.namespace());
    Stores::get(&stores.apis, api).is_none_or(|api| admits(&labels, &api, route).is_ok())
}

impl Wakes for PartialObjectMeta<Namespace> {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        let matters = (!gone).then(|| (self.labels().clone(), self.meta().deletion_timestamp.is_some()));
        if !seen.changed(id("Namespace", self), matters) {
            return;
        }
        let name = self.name_any();
        let here = |object: &Key| object.namespace == name;
        for machine in stores.machines.state().iter().map(|machine| Key::of(&**machine)).filter(here) {
            queues.machine(&machine);
        }
        for api in stores.apis.state().iter().map(|api| Key::of(&**api)).filter(here) {
            queues.api(&api);
        }
        for route in stores.routes.state().iter().filter(|route| here(&Key::of(&***route))) {
            queues.api(&api_of(route));
        }
        wake_plans(stores, queues, |plan| here(&Key::of(plan)));
        let named = stores.apis.state().into_iter().filter(|api| here(&Key::of(&**api)));
        let named: BTreeSet<Key> = named.flat_map(|api| domains_of(&api)).collect();
        for domain in stores.domains.state().iter().map(|domain| Key::of(&**domain)) {
            if here(&domain) || named.contains(&domain) {
                queues.domain(&domain);
            }
        }
    }
}

impl Wakes for PartialObjectMeta<ConfigMap> {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        let version = (!gone).then(|| self.resource_version());
        if !seen.changed(id("ConfigMap", self), version) {
            return;
        }
        let key = Key::of(self);
        for machine in stores.machines.state() {
            if state_machine::references(&machine).1.contains(&key) {
                queues.machine(&Key::of(&*machine));
            }
        }
    }
}

impl Wakes for ControllerRevision {
    fn wake(&self, gone: bool, seen: &mut Seen, stores: &Stores, queues: &Queues) {
        if crate::records::read(self).is_some() && seen.changed(id("ControllerRevision", self), (!gone).then_some(())) {
            wake_terminating_machines(stores, queues);
        }
        // What a stage serves is recorded anew; what is pruned, none does.
        for api in stores.apis.state().iter().filter(|api| gone && is_lost(self, api)) {
            queues.api(&Key::of(&**api));
        }
    }
}

/// Whether a record that is gone is of what a stage of this API serves.
fn is_lost(record: &ControllerRevision, api: &RestAPI) -> bool {
    let mine = api.uid().is_some_and(|uid| record.labels().get(crate::records::LABEL) == Some(&uid));
    let stages = api.status.iter().flat_map(|status| &status.stages);
    let mut served = stages.flat_map(|stage| [stage.revision, stage.canary.as_ref().and_then(|it| it.revision)]);
    mine && served.any(|revision| revision.is_some() && revision == record.revision)
}

fn wake_plans(stores: &Stores, queues: &Queues, concerned: impl Fn(&UsagePlan) -> bool) {
    for plan in stores.plans.state().iter().filter(|plan| concerned(plan)) {
        queues.plan(&Key::of(&**plan));
    }
}

/// A machine's deletion waits for what serves it.
fn wake_terminating_machines(stores: &Stores, queues: &Queues) {
    for machine in stores.machines.state() {
        if machine.meta().deletion_timestamp.is_some() {
            queues.machine(&Key::of(&*machine));
        }
    }
}

#[cfg(test)]
mod tests;
