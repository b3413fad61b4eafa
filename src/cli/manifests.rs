//! Reads manifests from files, as `kubectl apply -f` would take them.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::schema;
use crate::api::{APIDomain, APIRoute, AWSAccount, GROUP, PAUSED, RestAPI, StateMachine, UsagePlan};
use crate::identity::{Cluster, Key};
use crate::resolve::{self, api_of, domains_of};
use crate::validate;
use crate::world::World;

/// The kinds found in files.
#[derive(Default)]
pub struct Manifests {
    /// AWSAccounts.
    pub accounts: Vec<AWSAccount>,
    /// StateMachines.
    pub machines: Vec<StateMachine>,
    /// RestAPIs.
    pub apis: Vec<RestAPI>,
    /// APIRoutes.
    pub routes: Vec<APIRoute>,
    /// UsagePlans.
    pub plans: Vec<UsagePlan>,
    /// APIDomains.
    pub domains: Vec<APIDomain>,
    config_maps: Vec<ConfigMap>,
    secrets: Vec<Secret>,
    namespaces: Vec<Namespace>,
}

/// Reads every path: a file, a directory (its .yaml, .yml and .json files, as kubectl takes it) or `-`.
///
/// # Errors
/// A path that can't be read, or a document that is no object of its kind.
pub fn read(paths: &[PathBuf]) -> anyhow::Result<Manifests> {
    let mut manifests = Manifests::default();
    for path in paths {
        for (name, text) in texts(path)? {
            let documents = serde_saphyr::from_multiple::<Value>(&text).with_context(|| name.clone())?;
            for document in documents {
                manifests.add(document).with_context(|| name.clone())?;
            }
        }
    }
    Ok(manifests)
}

/// Name and text of each file of a path.
///
/// # Errors
/// A path that can't be read.
pub fn texts(path: &Path) -> anyhow::Result<Vec<(String, String)>> {
    if path == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).context("standard input")?;
        return Ok(vec![("standard input".to_owned(), text)]);
    }
    let one = |path: &Path| -> anyhow::Result<(String, String)> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).with_context(|| name.clone())?;
        Ok((name, text))
    };
    if !path.is_dir() {
        return Ok(vec![one(path)?]);
    }
    let mut files = Vec::new();
    for entry in std::fs::read_dir(path).with_context(|| path.display().to_string())? {
        let file = entry?.path();
        let is_manifest =
            file.extension().is_some_and(|extension| ["yaml", "yml", "json"].iter().any(|e| extension == *e));
        if file.is_file() && is_manifest {
            files.push(file);
        }
    }
    files.sort();
    files.iter().map(|file| one(file)).collect()
}

impl Manifests {
    /// Adds a document; others' kinds are left out.
    ///
    /// # Errors
    /// It is no object of its kind.
    pub fn add(&mut self, document: Value) -> anyhow::Result<()> {
        let text = |field: &str| document.get(field).and_then(Value::as_str).unwrap_or_default().to_owned();
        let (version, kind) = (text("apiVersion"), text("kind"));
        if kind == "List" {
            for item in document.get("items").and_then(Value::as_array).into_iter().flatten() {
                self.add(item.clone())?;
            }
            return Ok(());
        }
        if version.split('/').next() == Some(GROUP) {
            let unknown = schema::unknown_fields(&document);
            if !unknown.is_empty() {
                bail!("{}: {}", described(&document), unknown.join("; "));
            }
        }
        match (version.as_str(), kind.as_str()) {
            ("v1", "Namespace") => self.namespaces.push(object(document)?),
            // What is wrong with one is not ours to say: the words might repeat what is in it.
            ("v1", "Secret") => self.secrets.extend(namespaced(document).ok()),
            ("v1", "ConfigMap") => self.config_maps.push(object(document)?),
            (version, kind) if version.split('/').next() == Some(GROUP) => match kind {
                "AWSAccount" => self.accounts.push(object(document)?),
                "StateMachine" => self.machines.push(namespaced(document)?),
                "RestAPI" => self.apis.push(namespaced(document)?),
                "APIRoute" => self.routes.push(namespaced(document)?),
                "UsagePlan" => self.plans.push(namespaced(document)?),
                "APIDomain" => self.domains.push(namespaced(document)?),
                other => bail!("{GROUP} has no kind {other}"),
            },
            // Others' kinds are none of ours.
            _ => {}
        }
        Ok(())
    }

    /// Their RestAPIs, and those whose routes are among them.
    pub fn apis_concerned(&self) -> BTreeSet<Key> {
        self.apis.iter().map(Key::of).chain(self.routes.iter().map(api_of)).collect()
    }

    /// Their APIDomains, and those that their RestAPIs name.
    pub fn domains_concerned(&self) -> BTreeSet<Key> {
        self.domains.iter().map(Key::of).chain(self.apis.iter().flat_map(domains_of)).collect()
    }

    /// Lays the files' objects over a world: what the files say is taken as applied.
    pub fn over(&self, mut world: World) -> World {
        for account in &self.accounts {
            world.accounts.retain(|other| other.name_any() != account.name_any());
            world.accounts.push(Arc::new(account.clone()));
        }
        for namespace in &self.namespaces {
            world.namespaces.insert(namespace.name_any(), namespace.labels().clone());
        }
        for config_map in &self.config_maps {
            world.config_maps.insert(Key::of(config_map), config_map.data.clone().unwrap_or_default());
        }
        let keys = self.machines.iter().map(Key::of).chain(self.apis.iter().map(Key::of));
        let keys = keys.chain(self.plans.iter().map(Key::of));
        for key in keys.chain(self.routes.iter().map(Key::of)).chain(self.domains.iter().map(Key::of)) {
            // The API server gives every namespace this label.
            let label = ("kubernetes.io/metadata.name".to_owned(), key.namespace.clone());
            world.namespaces.entry(key.namespace).or_default().extend([label]);
        }
        self.apis.iter().for_each(|api| lay_over(&mut world.apis, api));
        self.plans.iter().for_each(|plan| lay_over(&mut world.plans, plan));
        for secret in &self.secrets {
            let named = self.plans.iter().flat_map(validate::usage_plan::secrets).collect();
            world.secrets.insert(Key::of(secret), resolve::read(secret.clone(), &named));
        }
        for domain in &self.domains {
            let live = world.domains.get(&Key::of(domain)).and_then(|live| live.status.clone());
            lay_over(&mut world.domains, domain);
            if let Some(domain) = world.domains.get_mut(&Key::of(domain)) {
                // What base paths lead to is in AWS, whatever the files say.
                Arc::make_mut(domain).status = live;
            }
        }
        self.routes.iter().for_each(|route| lay_over(&mut world.routes, route));
        self.machines.iter().for_each(|machine| lay_over(&mut world.machines, machine));
        for machine in &self.machines {
            // Machines come before the routes that target them: here, as if they were in AWS already.
            if let Ok((_, place)) = validate::state_machine::place(&world, machine) {
                let name = validate::state_machine::aws_name(machine);
                let arn =
                    crate::resources::state_machine::arn(place.partition, &place.region, &place.account_id, &name);
                if let Some(machine) = world.machines.get_mut(&Key::of(machine)) {
                    Arc::make_mut(machine).status.get_or_insert_default().state_machine_arn = Some(arn);
                }
            }
        }
        world
    }

    /// The files alone, without a cluster.
    pub fn world(&self, cluster_name: &str) -> World {
        self.over(World::new(Cluster { name: cluster_name.to_owned(), uid: "offline".to_owned() }))
    }
}

/// An object as `kubectl apply` would leave it, as far as it matters: how old it is decides between two routes that want
/// one place, and whoever paused it did so by hand.
fn lay_over<K: ResourceExt + Clone>(live: &mut BTreeMap<Key, Arc<K>>, object: &K) {
    let mut object = object.clone();
    if let Some(live) = live.get(&Key::of(&object)) {
        object.meta_mut().creation_timestamp = live.creation_timestamp();
        let paused = live.annotations().get_key_value(PAUSED).map(|(key, value)| (key.clone(), value.clone()));
        object.annotations_mut().extend(paused);
    }
    live.insert(Key::of(&object), Arc::new(object));
}

fn object<K: DeserializeOwned>(document: Value) -> anyhow::Result<K> {
    let described = described(&document);
    serde_json::from_value(document).context(described)
}

/// Its kind and name.
fn described(document: &Value) -> String {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    format!("{} {}", text("/kind"), text("/metadata/name"))
}

fn namespaced<K: DeserializeOwned + ResourceExt>(document: Value) -> anyhow::Result<K> {
    let mut object: K = object(document)?;
    object.meta_mut().namespace.get_or_insert_with(|| "default".to_owned());
    Ok(object)
}
