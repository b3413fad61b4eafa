//! Worlds for tests, from manifests.

use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{APIDomain, APIRoute, RestAPI, StateMachine, UsagePlan};
use crate::identity::{Cluster, Key};
use crate::world::World;

/// The account of every world, for the namespaces `demo` and `shop`.
pub const ACCOUNT: &str = r#"---
apiVersion: stepgate.dev/v1alpha1
kind: AWSAccount
metadata: {name: dev}
spec:
  accountId: "111122223333"
  regions: [{name: eu-central-1}, {name: eu-west-1}]
  tenants:
  - name: demo
    namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: demo}}}
    ceiling: [{actions: ["sqs:SendMessage"], resources: ["arn:aws:sqs:*:*:${namespace}-*"]}]
    executionRoleArns: ["arn:aws:iam::*:role/run-*"]
    invokeRoleArns: ["arn:aws:iam::${AWS::AccountId}:role/call-*"]
    managedPolicyArns: ["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess"]
    namePatterns: ["${namespace}-*"]
    targets: [{arns: ["arn:aws:states:*:*:stateMachine:shared-*"], actions: [StartExecution]}]
    exposure: {authorizations: [NONE, AWS_IAM]}
  - name: shop
    namespaces: {from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}
    namePatterns: ["*"]
    executionRoleArns: ["arn:aws:iam::*:role/*"]
"#;

/// The ARN of a StateMachine of the world that asks for no name.
pub fn arn(key: &str) -> String {
    format!("arn:aws:states:eu-central-1:111122223333:stateMachine:{}", key.replace('/', "_"))
}

/// An object from its manifest.
pub fn object<K: DeserializeOwned>(manifest: &str) -> K {
    let value: Value = serde_saphyr::from_str(manifest).unwrap_or_else(|error| panic!("{error}\n{manifest}"));
    from_value(value)
}

fn from_value<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{error}\n{value:#}"))
}

/// A world of manifests, with [`ACCOUNT`] unless there is another. A StateMachine without `status` is in AWS.
pub fn world(manifests: &str) -> World {
    let mut world = World::new(Cluster { name: "test".into(), uid: "uid".into() });
    let mut secrets: Vec<Secret> = Vec::new();
    let documents: Vec<Value> =
        serde_saphyr::from_multiple(manifests).unwrap_or_else(|error| panic!("{error}\n{manifests}"));
    for document in documents {
        let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
        let key = Key::new(text("/metadata/namespace"), text("/metadata/name"));
        if !key.namespace.is_empty() {
            let label = ("kubernetes.io/metadata.name".to_owned(), key.namespace.clone());
            world.namespaces.entry(key.namespace.clone()).or_default().extend([label]);
        }
        match text("/kind").as_str() {
            "AWSAccount" => world.accounts.push(Arc::new(from_value(document))),
            "Namespace" => {
                let namespace: Namespace = from_value(document);
                world.namespaces.entry(key.name).or_default().extend(namespace.labels().clone());
            }
            "ConfigMap" => {
                let map: ConfigMap = from_value(document);
                world.config_maps.insert(key, map.data.unwrap_or_default());
            }
            "StateMachine" => {
                let mut machine: StateMachine = from_value(document);
                if machine.status.is_none() {
                    machine.status.get_or_insert_default().state_machine_arn = Some(arn(&key.to_string()));
                }
                world.machines.insert(key, Arc::new(machine));
            }
            "RestAPI" => {
                world.apis.insert(key, Arc::new(from_value(document)));
            }
            "APIRoute" => {
                world.routes.insert(key, Arc::new(from_value(document)));
            }
            "UsagePlan" => {
                world.plans.insert(key, Arc::new(from_value(document)));
            }
            "Secret" => secrets.push(from_value(document)),
            "APIDomain" => {
                world.domains.insert(key, Arc::new(from_value(document)));
            }
            other => panic!("unknown kind {other}"),
        }
    }
    let named = world.plans.values().flat_map(|plan| crate::validate::usage_plan::secrets(plan)).collect();
    for secret in secrets {
        world.secrets.insert(Key::of(&secret), crate::resolve::read(secret, &named));
    }
    if world.accounts.is_empty() {
        world.accounts.push(Arc::new(object(ACCOUNT)));
    }
    world
}

/// A StateMachine `namespace/name` of a type.
pub fn machine(key: &str, type_: &str) -> String {
    let (namespace, name) = key.split_once('/').unwrap();
    format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {{namespace: {namespace}, name: {name}}}
spec:
  type: {type_}
  definition: '{{"StartAt": "A", "States": {{"A": {{"Type": "Succeed"}}}}}}'
"#
    )
}

/// The RestAPI `demo/api` with this spec, in flow style.
pub fn api(spec: &str) -> String {
    format!(
        "---\napiVersion: stepgate.dev/v1alpha1\nkind: RestAPI\nmetadata: {{namespace: demo, name: api}}\nspec: {spec}\n"
    )
}

/// An APIRoute `namespace/name` at `METHOD /path` that starts a machine of its namespace.
pub fn route(key: &str, at: &str, machine: &str) -> String {
    let (namespace, name) = key.split_once('/').unwrap();
    let (method, path) = at.split_once(' ').unwrap();
    format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: APIRoute
metadata: {{namespace: {namespace}, name: {name}}}
spec:
  apiRef: {{namespace: demo, name: api}}
  path: "{path}"
  method: {method}
  authorization: {{type: AWS_IAM}}
  target: {{action: StartExecution, stateMachineRef: {{name: {machine}}}}}
"#
    )
}

/// A manifest with changes: a JSON merge patch in YAML.
pub fn with(manifest: &str, patch: &str) -> String {
    let mut value: Value = object(manifest);
    json_patch::merge(&mut value, &object(patch));
    format!("---\n{value}\n")
}

/// The RestAPI of a world.
pub fn the_api(world: &World) -> Arc<RestAPI> {
    Arc::clone(&world.apis[&Key::new("demo", "api")])
}

/// The APIDomain of a world.
pub fn the_domain(world: &World) -> Arc<APIDomain> {
    Arc::clone(&world.domains[&Key::new("demo", "site")])
}

/// An APIRoute of a world.
pub fn the_route(world: &World, key: &str) -> Arc<APIRoute> {
    let (namespace, name) = key.split_once('/').unwrap();
    Arc::clone(&world.routes[&Key::new(namespace, name)])
}

/// A UsagePlan of a world.
pub fn the_plan(world: &World, key: &str) -> Arc<UsagePlan> {
    let (namespace, name) = key.split_once('/').unwrap();
    Arc::clone(&world.plans[&Key::new(namespace, name)])
}

/// A StateMachine of a world.
pub fn the_machine(world: &World, key: &str) -> Arc<StateMachine> {
    let (namespace, name) = key.split_once('/').unwrap();
    Arc::clone(&world.machines[&Key::new(namespace, name)])
}
