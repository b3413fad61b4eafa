//! Objects as the watches have them.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::core::PartialObjectMeta;
use kube::runtime::reflector::{self, ObjectRef, Store, store::Writer};
use kube::{Resource, ResourceExt};

use super::burst::Bursts;
use crate::api::{APIDomain, APIRoute, AWSAccount, RestAPI, StateMachine, UsagePlan};
use crate::identity::Key;
use crate::records;
use crate::resolve::api_of;
use crate::resources::deployment::Record;
use crate::tenancy::NamespaceLabels;

/// Read sides of the watches, and what else they tell.
#[derive(Clone)]
pub struct Stores {
    /// AWSAccounts.
    pub accounts: Store<AWSAccount>,
    /// StateMachines.
    pub machines: Store<StateMachine>,
    /// RestAPIs.
    pub apis: Store<RestAPI>,
    /// APIRoutes.
    pub routes: Store<APIRoute>,
    /// UsagePlans.
    pub plans: Store<UsagePlan>,
    /// APIDomains.
    pub domains: Store<APIDomain>,
    /// Namespaces, for their labels.
    pub namespaces: Store<PartialObjectMeta<Namespace>>,
    /// ConfigMaps, only their metadata.
    pub config_maps: Store<PartialObjectMeta<ConfigMap>>,
    /// Secrets, only their metadata.
    pub secrets: Store<PartialObjectMeta<Secret>>,
    /// The records of revisions.
    pub revisions: Store<ControllerRevision>,
    /// Which APIs' routes are changing.
    pub bursts: Bursts,
}

/// Write sides of the watches.
#[allow(missing_docs)]
pub struct Writers {
    pub accounts: Writer<AWSAccount>,
    pub machines: Writer<StateMachine>,
    pub apis: Writer<RestAPI>,
    pub routes: Writer<APIRoute>,
    pub plans: Writer<UsagePlan>,
    pub domains: Writer<APIDomain>,
    pub namespaces: Writer<PartialObjectMeta<Namespace>>,
    pub config_maps: Writer<PartialObjectMeta<ConfigMap>>,
    pub secrets: Writer<PartialObjectMeta<Secret>>,
    pub revisions: Writer<ControllerRevision>,
}

impl Stores {
    /// Empty ones.
    pub fn new() -> (Self, Writers) {
        let (accounts, accounts_writer) = reflector::store();
        let (machines, machines_writer) = reflector::store();
        let (apis, apis_writer) = reflector::store();
        let (routes, routes_writer) = reflector::store();
        let (plans, plans_writer) = reflector::store();
        let (domains, domains_writer) = reflector::store();
        let (namespaces, namespaces_writer) = reflector::store();
        let (config_maps, config_maps_writer) = reflector::store();
        let (secrets, secrets_writer) = reflector::store();
        let (revisions, revisions_writer) = reflector::store();
        let bursts = Bursts::default();
        let stores = Self {
            accounts,
            machines,
            apis,
            routes,
            plans,
            domains,
            namespaces,
            config_maps,
            secrets,
            revisions,
            bursts,
        };
        let writers = Writers {
            accounts: accounts_writer,
            machines: machines_writer,
            apis: apis_writer,
            routes: routes_writer,
            plans: plans_writer,
            domains: domains_writer,
            namespaces: namespaces_writer,
            config_maps: config_maps_writer,
            secrets: secrets_writer,
            revisions: revisions_writer,
        };
        (stores, writers)
    }

    /// An object by its key.
    pub fn get<K>(store: &Store<K>, key: &Key) -> Option<Arc<K>>
    where
        K: Resource<DynamicType = ()> + Clone + 'static,
    {
        store.get(&ObjectRef::new(&key.name).within(&key.namespace))
    }

    /// A namespace's labels.
    pub fn labels(&self, namespaces: impl IntoIterator<Item = String>) -> NamespaceLabels {
        namespaces
            .into_iter()
            .filter_map(|name| {
                let namespace = self.namespaces.get(&ObjectRef::new(&name))?;
                Some((name, namespace.labels().clone()))
            })
            .collect()
    }

    /// The routes that name an API, terminating ones included.
    pub fn routes_of(&self, api: &Key) -> Vec<Arc<APIRoute>> {
        self.routes.state().into_iter().filter(|route| api_of(route) == *api).collect()
    }

    /// The records of an API, oldest first.
    pub fn records_of(&self, api: &RestAPI) -> Vec<Record> {
        let Some(uid) = api.uid() else { return Vec::new() };
        let mine = |revision: &Arc<ControllerRevision>| revision.labels().get(records::LABEL) == Some(&uid);
        let revisions = self.revisions.state();
        let mut records: Vec<Record> = revisions.iter().filter(|r| mine(r)).filter_map(|r| records::read(r)).collect();
        records.sort_by_key(|record| record.revision);
        records
    }
}
