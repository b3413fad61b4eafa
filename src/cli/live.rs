//! What manifests refer to and do not hold, read from the cluster: that and no more, so that whoever plans needs to see
//! only what the plan is about.

use std::collections::BTreeSet;
use std::sync::Arc;

use anyhow::{Context, anyhow};
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::api::ListParams;
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

use super::manifests::Manifests;
use crate::api::{APIDomain, APIRoute, AWSAccount, RestAPI, StateMachine, UsagePlan};
use crate::identity::{Cluster, Key};
use crate::problem::kubernetes_says;
use crate::resources::deployment::Record;
use crate::validate::{route, state_machine, usage_plan};
use crate::world::World;
use crate::{records, resolve};

/// A client for the current kubeconfig, or for the pod that it runs in.
///
/// # Errors
/// There is none that can be used.
pub async fn client() -> anyhow::Result<Client> {
    let no =
        "there is no cluster to read from (owner tags carry its UID); set KUBECONFIG, or run this where kubectl works";
    let config = kube::Config::infer().await.map_err(|_| anyhow!(no))?;
    Client::try_from(config).context(no)
}

/// The objects around those of the manifests, as the cluster has them.
///
/// # Errors
/// What can't be read, and what Kubernetes says.
pub async fn world(client: &Client, cluster_name: &str, manifests: &Manifests) -> anyhow::Result<World> {
    let name = "kube-system";
    let system = get::<Namespace>(&Api::all(client.clone()), name).await?;
    let uid = system.and_then(|namespace| namespace.uid()).with_context(|| format!("namespace {name} has no UID"))?;
    let mut world = World::new(Cluster { name: cluster_name.to_owned(), uid });
    world.accounts = list(&Api::<AWSAccount>::all(client.clone()), "").await?.into_iter().map(Arc::new).collect();

    let apis = manifests.apis_concerned();
    for key in &apis {
        if let Some(api) = get::<RestAPI>(&namespaced(client, key), &key.name).await? {
            world.apis.insert(key.clone(), Arc::new(api));
        }
    }
    if !apis.is_empty() {
        // A route of any namespace may take part.
        let routes = list(&Api::<APIRoute>::all(client.clone()), "").await?.into_iter();
        let concerned = routes.filter(|route| apis.contains(&resolve::api_of(route)));
        world.routes = concerned.map(|route| (Key::of(&route), Arc::new(route))).collect();
    }

    for key in manifests.domains_concerned() {
        if let Some(domain) = get::<APIDomain>(&namespaced(client, &key), &key.name).await? {
            world.domains.insert(key, Arc::new(domain));
        }
    }
    if !manifests.domains.is_empty() {
        // A RestAPI of any namespace may be served there.
        let found = list(&Api::<RestAPI>::all(client.clone()), "").await?;
        world.apis.extend(found.into_iter().map(|api| (Key::of(&api), Arc::new(api))));
    }

    let mut machines: BTreeSet<Key> = manifests.machines.iter().map(Key::of).collect();
    let routes = manifests.routes.iter().chain(world.routes.values().map(|route| &**route));
    machines.extend(routes.flat_map(route::references));
    for machine in &manifests.machines {
        let (others, config_maps) = state_machine::references(machine);
        machines.extend(others);
        for key in config_maps {
            if let Some(found) = get::<ConfigMap>(&namespaced(client, &key), &key.name).await? {
                world.config_maps.insert(key, found.data.unwrap_or_default());
            }
        }
    }
    for namespace in machines.iter().map(|key| key.namespace.clone()).collect::<BTreeSet<_>>() {
        let found = list(&Api::<StateMachine>::namespaced(client.clone(), &namespace), "").await?;
        world.machines.extend(found.into_iter().map(|machine| (Key::of(&machine), Arc::new(machine))));
    }

    usage_plans(client, manifests, &mut world).await?;
    let keys =
        machines.iter().chain(&apis).chain(world.apis.keys()).chain(world.routes.keys()).chain(world.domains.keys());
    let own = manifests.routes.iter().filter_map(ResourceExt::namespace);
    let own = own.chain(manifests.plans.iter().filter_map(ResourceExt::namespace));
    let own = own.chain(manifests.domains.iter().filter_map(ResourceExt::namespace));
    let own = own.chain(manifests.apis.iter().filter_map(ResourceExt::namespace));
    let named = world.machines.values().map(|machine| &**machine).chain(&manifests.machines);
    let named_after = named.filter_map(|machine| state_machine::generated_for(machine.spec.name.as_deref()?));
    let after = named_after.map(str::to_owned).collect::<Vec<_>>();
    for name in keys.map(|key| key.namespace.clone()).chain(own).chain(after).collect::<BTreeSet<_>>() {
        if let Some(namespace) = get::<Namespace>(&Api::all(client.clone()), &name).await? {
            world.namespaces.insert(name, namespace.labels().clone());
        }
    }
    Ok(world)
}

/// What UsagePlans refer to.
async fn usage_plans(client: &Client, manifests: &Manifests, world: &mut World) -> anyhow::Result<()> {
    for key in manifests.plans.iter().flat_map(usage_plan::apis) {
        if let Some(api) = get::<RestAPI>(&namespaced(client, &key), &key.name).await? {
            world.apis.insert(key, Arc::new(api));
        }
    }
    let here: BTreeSet<String> = manifests.plans.iter().filter_map(ResourceExt::namespace).collect();
    for namespace in here {
        let found = list(&Api::<UsagePlan>::namespaced(client.clone(), &namespace), "").await?;
        world.plans.extend(found.into_iter().map(|plan| (Key::of(&plan), Arc::new(plan))));
    }
    for plan in &manifests.plans {
        let named = usage_plan::secrets(plan);
        for reference in &named {
            let key = Key::new(plan.namespace().unwrap_or_default(), &reference.name);
            if let Some(found) = get::<Secret>(&namespaced(client, &key), &key.name).await? {
                world.secrets.insert(key, resolve::read(found, &named));
            }
        }
    }
    Ok(())
}

/// The revisions on record of a RestAPI.
///
/// # Errors
/// As [`world`].
pub async fn records(client: &Client, api: &RestAPI) -> anyhow::Result<Vec<Record>> {
    let Some(uid) = api.uid() else { return Ok(Vec::new()) };
    let revisions: Api<ControllerRevision> = namespaced(client, &Key::of(api));
    let found = list(&revisions, &format!("{}={uid}", records::LABEL)).await?;
    Ok(found.iter().filter_map(records::read).collect())
}

pub(super) fn namespaced<K: Resource<DynamicType = (), Scope = NamespaceResourceScope>>(
    client: &Client,
    key: &Key,
) -> Api<K> {
    Api::namespaced(client.clone(), &key.namespace)
}

pub(super) async fn get<K>(api: &Api<K>, name: &str) -> anyhow::Result<Option<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    api.get_opt(name)
        .await
        .map_err(|error| anyhow!("{} {name} can't be read: {}", K::kind(&()), kubernetes_says(&error)))
}

async fn list<K>(api: &Api<K>, labels: &str) -> anyhow::Result<Vec<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let answer = api.list(&ListParams::default().labels(labels)).await;
    let no = |error| anyhow!("the cluster's {} can't be read: {}", K::plural(&()), kubernetes_says(&error));
    Ok(answer.map_err(no)?.items)
}
