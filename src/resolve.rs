//! Gathers the objects around one object: the only step before `apply` that reads Kubernetes.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Secret};
use kube::api::{ApiResource, DynamicObject};
use kube::{Api, Client, Resource, ResourceExt};

use secrecy::SecretString;

use crate::api::{APIDomain, APIRoute, Reference, RestAPI, SecretKeyRef, StateMachine, UsagePlan};
use crate::controller::{Context, Stores};
use crate::identity::Key;
use crate::validate;
use crate::world::{self, World};

/// Just the accounts.
pub fn accounts(context: &Context) -> World {
    let mut world = World::new(context.cluster.clone());
    world.accounts = context.stores.accounts.state();
    world
}

fn add_machines(world: &mut World, stores: &Stores, keys: impl IntoIterator<Item = Key>) {
    for key in keys {
        if let Some(machine) = Stores::get(&stores.machines, &key) {
            world.machines.insert(key, machine);
        }
    }
}

/// The namespaces of its machines, and those after which machines ask to be named.
fn namespaces(world: &World) -> impl Iterator<Item = String> {
    world.machines.iter().flat_map(|(key, machine)| named_after(machine).into_iter().chain([key.namespace.clone()]))
}

fn named_after(machine: &StateMachine) -> Option<String> {
    machine.spec.name.as_deref().and_then(validate::state_machine::generated_for).map(str::to_owned)
}

/// What a StateMachine refers to. ConfigMaps are watched by metadata only, so their content is read here.
///
/// # Errors
/// What Kubernetes answers.
pub async fn state_machine(context: &Context, machine: &StateMachine) -> Result<World, kube::Error> {
    let mut world = accounts(context);
    let namespace = machine.namespace().unwrap_or_default();
    let (machines, config_maps) = validate::state_machine::references(machine);
    if validate::state_machine::starts_machines(machine) {
        // Whichever it starts must admit it.
        let every = context.stores.machines.state();
        world.machines.extend(every.into_iter().map(|machine| (Key::of(&*machine), machine)));
    } else {
        add_machines(&mut world, &context.stores, machines);
    }
    world.namespaces = context.stores.labels(namespaces(&world).chain(named_after(machine)).chain([namespace]));
    for key in config_maps {
        let api: Api<ConfigMap> = Api::namespaced(context.client.clone(), &key.namespace);
        if let Some(found) = api.get_opt(&key.name).await? {
            world.config_maps.insert(key, found.data.unwrap_or_default());
        }
    }
    Ok(world)
}

/// A RestAPI's routes, the machines that they target, and its records.
pub fn rest_api(context: &Context, api: &Arc<RestAPI>) -> World {
    let mut world = accounts(context);
    let key = Key::of(&**api);
    let routes = context.stores.routes_of(&key);
    world.records = context.stores.records_of(api);
    add_machines(&mut world, &context.stores, routes.iter().flat_map(|route| validate::route::references(route)));
    // What is served is still its owner's to withdraw, whatever its route asks for by now.
    let served = world.records.iter().flat_map(|record| &record.routes);
    let served: BTreeSet<Key> = served.flat_map(|route| route.machines.iter().cloned()).collect();
    add_machines(&mut world, &context.stores, served);
    let arns: BTreeSet<&str> = routes.iter().filter_map(|route| route.spec.target.arn.as_deref()).collect();
    if !arns.is_empty() {
        let machines = context.stores.machines.state().into_iter();
        let named = machines.filter(|machine| arns.iter().any(|arn| validate::route::names(arn, machine)));
        world.machines.extend(named.map(|machine| (Key::of(&*machine), machine)));
    }
    let of_routes = routes.iter().filter_map(|route| route.namespace());
    let of_roles = world.records.iter().flat_map(|record| record.roles.values()).filter_map(|role| role.of.as_ref());
    let of_roles: BTreeSet<String> = of_roles.map(|of| of.namespace.clone()).collect();
    world.namespaces =
        context.stores.labels(namespaces(&world).chain(of_routes).chain(of_roles).chain([key.namespace.clone()]));
    world.routes = routes.into_iter().map(|route| (Key::of(&*route), route)).collect();
    let named = domains_of(api);
    let domains = context.stores.domains.state().into_iter().map(|domain| (Key::of(&*domain), domain));
    world.domains = domains.filter(|(of, domain)| named.contains(of) || mapped_apis(domain).contains(&key)).collect();
    world.apis.insert(key, Arc::clone(api));
    world
}

/// What a UsagePlan refers to: RestAPIs, the other plans of its namespace, and of its Secrets just the keys that it names.
///
/// # Errors
/// What Kubernetes answers.
pub async fn usage_plan(context: &Context, plan: &UsagePlan) -> Result<World, kube::Error> {
    let mut world = accounts(context);
    let namespace = plan.namespace().unwrap_or_default();
    for key in validate::usage_plan::apis(plan) {
        if let Some(api) = Stores::get(&context.stores.apis, &key) {
            world.apis.insert(key, api);
        }
    }
    let plans = context.stores.plans.state().into_iter();
    let here = plans.filter(|other| other.namespace().as_deref() == Some(namespace.as_str()));
    world.plans = here.map(|plan| (Key::of(&*plan), plan)).collect();
    let named = validate::usage_plan::secrets(plan);
    for name in named.iter().map(|reference| &reference.name).collect::<BTreeSet<_>>() {
        let api: Api<Secret> = Api::namespaced(context.client.clone(), &namespace);
        if let Some(found) = api.get_opt(name).await? {
            world.secrets.insert(Key::new(&namespace, name), read(found, &named));
        }
    }
    world.namespaces = context.stores.labels([namespace]);
    Ok(world)
}

/// Of a Secret, the values that are named; what is no text is not one that AWS takes either.
pub fn read(secret: Secret, named: &BTreeSet<SecretKeyRef>) -> world::Secret {
    let name = secret.name_any();
    let owners = secret.owner_references().iter().map(|owner| owner.uid.clone()).collect();
    let version = format!("{}/{}", secret.uid().unwrap_or_default(), secret.resource_version().unwrap_or_default());
    let is_named = |key: &String| named.contains(&SecretKeyRef { name: name.clone(), key: key.clone() });
    let data = secret.data.unwrap_or_default().into_iter().filter(|(key, _)| is_named(key));
    let text = secret.string_data.unwrap_or_default().into_iter().filter(|(key, _)| is_named(key));
    let values = data.map(|(key, value)| (key, String::from_utf8_lossy(&value.0).into_owned())).chain(text);
    let values = values.map(|(key, value)| (key, SecretString::from(value))).collect();
    world::Secret { version, owners, values }
}

/// The RestAPIs that an APIDomain may serve: all, because what leads to one of them is the domain's to keep or remove.
pub fn api_domain(context: &Context, domain: &Arc<APIDomain>) -> World {
    let mut world = accounts(context);
    let key = Key::of(&**domain);
    world.apis = context.stores.apis.state().into_iter().map(|api| (Key::of(&*api), api)).collect();
    let wishing = world.apis.values().filter(|api| domains_of(api).contains(&key));
    let namespaces: Vec<_> = wishing.filter_map(|api| api.namespace()).chain([key.namespace.clone()]).collect();
    world.namespaces = context.stores.labels(namespaces);
    world.domains.insert(key, Arc::clone(domain));
    world
}

/// The APIDomains that a RestAPI names.
pub fn domains_of(api: &RestAPI) -> BTreeSet<Key> {
    let namespace = api.namespace().unwrap_or_default();
    api.spec.domain_mappings.iter().map(|mapping| Key::resolve(&mapping.domain_ref, &namespace)).collect()
}

/// The RestAPIs that an APIDomain's status speaks of.
pub fn mapped_apis(domain: &APIDomain) -> BTreeSet<Key> {
    let namespace = domain.namespace().unwrap_or_default();
    let mappings = domain.status.iter().flat_map(|status| &status.mappings);
    mappings.map(|mapping| Key::resolve(&mapping.api_ref, &namespace)).collect()
}

/// The RestAPI that a route names.
pub fn api_of(route: &APIRoute) -> Key {
    Key::resolve(&route.spec.api_ref, &route.namespace().unwrap_or_default())
}

/// Whether an object is being deleted.
pub fn terminating(object: &impl Resource) -> bool {
    object.meta().deletion_timestamp.is_some()
}

/// Whether a route of a RestAPI exists, asked of the API server itself: a watch that lags or an object that can't be read proves
/// nothing. One of this name that says it is another API's is none: `apiRef` never changes.
///
/// # Errors
/// What Kubernetes answers.
pub async fn route_exists(client: &Client, key: &Key, of: &Key) -> Result<bool, kube::Error> {
    let kind = ApiResource::erase::<APIRoute>(&());
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &key.namespace, &kind);
    let Some(found) = api.get_opt(&key.name).await? else { return Ok(false) };
    let named = serde_json::from_value::<Reference>(found.data["spec"]["apiRef"].clone());
    Ok(named.map_or(true, |named| Key::resolve(&named, &key.namespace) == *of))
}
