//! Everything from Kubernetes that a decision needs, as it was at one moment. `resolve` gathers it; all that follows is
//! pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use secrecy::SecretString;

use crate::api::{APIDomain, APIRoute, AWSAccount, RestAPI, StateMachine, UsagePlan};
use crate::identity::{Cluster, Key, Owner};
use crate::resources::deployment::Record;
use crate::tenancy::NamespaceLabels;

/// The objects around one object, itself included.
#[derive(Clone, Debug)]
pub struct World {
    /// The cluster.
    pub cluster: Cluster,
    /// Every AWSAccount.
    pub accounts: Vec<Arc<AWSAccount>>,
    /// The labels of the namespaces concerned.
    pub namespaces: NamespaceLabels,
    /// StateMachines that are referred to.
    pub machines: BTreeMap<Key, Arc<StateMachine>>,
    /// RestAPIs concerned.
    pub apis: BTreeMap<Key, Arc<RestAPI>>,
    /// APIRoutes concerned.
    pub routes: BTreeMap<Key, Arc<APIRoute>>,
    /// APIDomains concerned.
    pub domains: BTreeMap<Key, Arc<APIDomain>>,
    /// The `data` of ConfigMaps that are referred to.
    pub config_maps: BTreeMap<Key, BTreeMap<String, String>>,
    /// UsagePlans concerned.
    pub plans: BTreeMap<Key, Arc<UsagePlan>>,
    /// Secrets that are referred to.
    pub secrets: BTreeMap<Key, Secret>,
    /// The revisions on record of the RestAPI concerned.
    pub records: Vec<Record>,
    /// Whether APIRoutes that are being deleted stay in AWS, because their kind itself is being deleted.
    pub routes_stay: bool,
    /// The same of RestAPIs.
    pub apis_stay: bool,
}

/// What is read of a Secret: only the keys that are referred to. Its values can't be printed.
#[derive(Clone, Debug, Default)]
pub struct Secret {
    /// Which version of it this is.
    pub version: String,
    /// UIDs of its owners.
    pub owners: Vec<String>,
    /// Values by key.
    pub values: BTreeMap<String, SecretString>,
}

impl World {
    /// The owner of an object's AWS objects in this account.
    pub fn owner(&self, account: &AWSAccount, kind: &'static str, key: Key) -> Owner {
        Owner { takes_over: account.spec.takeover_from.clone(), ..Owner::new(self.cluster.clone(), kind, key) }
    }

    /// An empty one.
    pub fn new(cluster: Cluster) -> Self {
        Self {
            cluster,
            accounts: Vec::new(),
            namespaces: BTreeMap::new(),
            machines: BTreeMap::new(),
            apis: BTreeMap::new(),
            routes: BTreeMap::new(),
            domains: BTreeMap::new(),
            config_maps: BTreeMap::new(),
            plans: BTreeMap::new(),
            secrets: BTreeMap::new(),
            records: Vec::new(),
            routes_stay: false,
            apis_stay: false,
        }
    }
}
