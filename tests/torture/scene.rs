//! The manifests of an example, and the same with changes.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, Secret};
use kube::ResourceExt;
use secrecy::ExposeSecret;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use stepgate::api::{
    APIDomain, APIRoute, AWSAccount, Deploy, DriftPolicy, Encryption, RestAPI, RoleScope, SecretKeyRef, StateMachine,
    UsagePlan,
};
use stepgate::identity::{Cluster, Key};
use stepgate::world::World;
use stepgate_testbed::memory::{ACCOUNT, Memory};

use super::kubernetes::Server;
use super::neighbours::{iam, logs};

/// The account of the examples.
const ACCOUNTS: &str = "awsaccount.yaml";

/// An account whose tenant may expose what the pages ask for.
const DOCS: &str = r#"{kind: AWSAccount, metadata: {name: docs}, spec: {accountId: "111122223333", regions: [{name: us-east-1}],
    apiGatewayLogRole: {arn: "arn:aws:iam::111122223333:role/logs"},
    tenants: [{name: docs, namespaces: {from: All}, exposure: {authorizations: [NONE, AWS_IAM], domains: ["*.example.com"],
    endpointTypes: [REGIONAL, PRIVATE], vpcSources: ["vpce-*"], cacheClusterSizes: ["0.5"]}}]}}"#;

/// An account whose tenant may expose all that any page asks for.
pub const ALL_DOCS: &str = r#"{kind: AWSAccount, metadata: {name: docs}, spec: {accountId: "111122223333", regions: [{name: us-east-1}],
    apiGatewayLogRole: {arn: "arn:aws:iam::111122223333:role/logs"},
    tenants: [{name: docs, namespaces: {from: All}, exposure: {authorizations: [NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS],
    authorizerArns: ["arn:aws:lambda:*:*:function:*", "arn:aws:cognito-idp:*:*:userpool/*"], domains: ["*.example.com"],
    endpointTypes: [REGIONAL, PRIVATE], clientCertificates: ["arn:aws:acm:*:*:certificate/*"],
    resourcePolicyPrincipals: ["444455556666", "*"], vpcSources: ["vpce-*"], cacheClusterSizes: ["0.5"]}}]}}"#;

/// The path of roles that others made, and that may be adopted.
pub const ADOPTABLE: &str = "/legacy/";

#[derive(Clone)]
pub struct Scene {
    pub world: World,
}

fn examples() -> PathBuf {
    stepgate_testbed::repository().join("examples")
}

fn object<K: DeserializeOwned>(document: Value) -> K {
    serde_json::from_value(document.clone()).unwrap_or_else(|error| panic!("{error}\n{document:#}"))
}

impl Scene {
    /// The examples: the folders of `examples/` with calls for the demo.
    pub fn names() -> Vec<String> {
        let entries = std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap());
        let dirs = entries.filter(|entry| entry.path().join("demo").is_dir());
        dirs.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    /// No manifests.
    pub fn nothing() -> Self {
        Self { world: World::new(Cluster { name: "test".into(), uid: "uid".into() }) }
    }

    /// An example, or the manifests of a page of the docs.
    pub fn example(name: &str) -> Self {
        if name.ends_with(".md") {
            return Self::page(name, DOCS);
        }
        Self::read(&examples().join(name), &examples().join(ACCOUNTS))
    }

    /// These manifests.
    pub fn of(documents: Vec<Value>) -> Self {
        let mut world = World::new(Cluster { name: "test".into(), uid: "uid".into() });
        documents.into_iter().for_each(|document| add(&mut world, document));
        Self { world }
    }

    /// The manifests of a page of the docs, in an account that admits all of them.
    pub fn page(path: &str, account: &str) -> Self {
        let text = std::fs::read_to_string(stepgate_testbed::repository().join(path)).unwrap();
        let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let documents = blocks.chain([account]).flat_map(|block| serde_saphyr::from_multiple::<Value>(block).unwrap());
        Self::of(
            documents
                .map(|mut document| {
                    if document["kind"] != "AWSAccount" {
                        document["metadata"]["namespace"] = "page".into();
                    }
                    document
                })
                .collect(),
        )
    }

    fn read(dir: &Path, accounts: &Path) -> Self {
        let mut world = World::new(Cluster { name: "test".into(), uid: "uid".into() });
        let files = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
        let mut files: Vec<_> = files.filter(|path| path.extension().is_some_and(|kind| kind == "yaml")).collect();
        files.push(accounts.to_owned());
        for file in files {
            let text = std::fs::read_to_string(&file).unwrap();
            for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
                add(&mut world, document);
            }
        }
        Self { world }
    }

    /// Makes the cluster's objects those of the manifests, as `kubectl apply --prune` does.
    pub fn apply(&self, server: &Server) {
        let World { accounts, namespaces, machines, apis, routes, domains, plans, config_maps, secrets, .. } =
            &self.world;
        let meta = |key: &Key| json!({"namespace": key.namespace, "name": key.name});
        let mut wanted: Vec<(&str, Value)> = Vec::new();
        for (name, labels) in namespaces {
            wanted.push(("namespaces", json!({"metadata": {"name": name, "labels": labels}})));
        }
        for (key, data) in config_maps {
            wanted.push(("configmaps", json!({"metadata": meta(key), "data": data})));
        }
        for (key, secret) in secrets {
            let data: std::collections::BTreeMap<_, _> = secret
                .values
                .iter()
                .map(|(key, value)| (key, ByteString(value.expose_secret().as_bytes().to_vec())))
                .collect();
            wanted.push(("secrets", json!({"metadata": meta(key), "data": data})));
        }
        wanted.extend(accounts.iter().map(|one| ("awsaccounts", json!(**one))));
        wanted.extend(machines.values().map(|one| ("statemachines", json!(**one))));
        wanted.extend(apis.values().map(|one| ("restapis", json!(**one))));
        wanted.extend(routes.values().map(|one| ("apiroutes", json!(**one))));
        wanted.extend(domains.values().map(|one| ("apidomains", json!(**one))));
        wanted.extend(plans.values().map(|one| ("usageplans", json!(**one))));
        for (resource, object) in wanted {
            server.apply(resource, object);
        }
        let found = server.snapshot();
        let stale = |resource: &'static str, keys: Vec<&Key>| {
            for ((_, namespace, name), _) in found.of(resource) {
                let key = Key::new(namespace, name);
                if !keys.contains(&&key) {
                    server.delete(resource, &key);
                }
            }
        };
        stale("usageplans", plans.keys().collect());
        stale("apiroutes", routes.keys().collect());
        stale("restapis", apis.keys().collect());
        stale("apidomains", domains.keys().collect());
        stale("statemachines", machines.keys().collect());
    }

    /// The same with every drift met in this way.
    pub fn with_drift_policy(&self, policy: DriftPolicy) -> Self {
        let mut scene = self.clone();
        for machine in scene.world.machines.values_mut() {
            Arc::make_mut(machine).spec.drift_policy = policy;
        }
        for api in scene.world.apis.values_mut() {
            Arc::make_mut(api).spec.drift_policy = policy;
        }
        for domain in scene.world.domains.values_mut() {
            Arc::make_mut(domain).spec.drift_policy = policy;
        }
        for plan in scene.world.plans.values_mut() {
            Arc::make_mut(plan).spec.drift_policy = policy;
        }
        scene
    }

    /// The same with every machine encrypted with a key of the account, which every tenant may use.
    pub fn encrypted(&self) -> Self {
        let mut scene = self.clone();
        for tenant in scene.world.accounts.iter_mut().flat_map(|account| &mut Arc::make_mut(account).spec.tenants) {
            tenant.exposure.get_or_insert_default().kms_key_arns = vec!["arn:aws:kms:*:*:key/*".into()];
        }
        for machine in scene.world.machines.values_mut() {
            Arc::make_mut(machine).spec.encryption = Some(Encryption {
                kms_key_arn: "arn:aws:kms:${AWS::Region}:${AWS::AccountId}:key/1234abcd".into(),
                kms_data_key_reuse_period_seconds: 300,
            });
        }
        scene
    }

    /// The same with every machine logging to a log group of the account, which every tenant may use.
    pub fn logged(&self) -> Self {
        let mut scene = self.clone();
        for tenant in scene.world.accounts.iter_mut().flat_map(|account| &mut Arc::make_mut(account).spec.tenants) {
            tenant.exposure.get_or_insert_default().log_group_arns = vec!["arn:aws:logs:*:*:log-group:*".into()];
        }
        for machine in scene.world.machines.values_mut() {
            let group = "arn:aws:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/vendedlogs/states/theirs:*";
            let logging = json!({"level": "ERROR", "includeExecutionData": true, "logGroupArn": group});
            Arc::make_mut(machine).spec.logging = Some(object(logging));
        }
        scene
    }

    /// The same with one role for all machines of a namespace.
    pub fn sharing(&self) -> Self {
        let mut scene = self.clone();
        for machine in scene.world.machines.values_mut() {
            Arc::make_mut(machine).spec.execution_role.get_or_insert_default().scope = RoleScope::Namespace;
        }
        scene
    }

    /// The same without any object but the accounts.
    pub fn gone(&self) -> Self {
        let mut scene = self.clone();
        scene.world.machines.clear();
        scene.world.apis.clear();
        scene.world.routes.clear();
        scene.world.domains.clear();
        scene.world.plans.clear();
        scene
    }

    /// The same with every machine traced, no stage deployed by hand, the first route of each API gone, the next one elsewhere, the next one slower,
    /// another stage, authorizers that no route names gone, the others slower to forget, and settings of the API gone.
    pub fn changed(&self) -> Self {
        let mut scene = self.clone();
        for machine in scene.world.machines.values_mut() {
            Arc::make_mut(machine).spec.tracing = Some(stepgate::api::Tracing { enabled: true });
        }
        let apis: Vec<Key> = scene.world.apis.keys().cloned().collect();
        for key in apis {
            let of_api = |route: &APIRoute| stepgate::resolve::api_of(route) == key;
            let routes: Vec<Key> =
                scene.world.routes.iter().filter(|(_, route)| of_api(route)).map(|(key, _)| key.clone()).collect();
            // The only route moves; of several, the first goes.
            let moved = usize::from(routes.len() > 1);
            if moved == 1 {
                scene.world.routes.remove(&routes[0]);
            }
            if let Some(route) = routes.get(moved).and_then(|key| scene.world.routes.get_mut(key)) {
                let spec = &mut Arc::make_mut(route).spec;
                // Below where it was, so that its grant still admits it.
                spec.path = format!("{}/moved", spec.path.trim_end_matches('/'));
            }
            if let Some(route) = routes.get(moved + 1).and_then(|key| scene.world.routes.get_mut(key)) {
                Arc::make_mut(route).spec.timeout_millis = Some(5_000);
            }
            let api = Arc::make_mut(scene.world.apis.get_mut(&key).unwrap());
            api.spec.description = Some("changed".into());
            api.spec.cors = Some(object(json!({"origins": ["https://a.example", "https://b.example"]})));
            let left = scene.world.routes.values().filter(|route| of_api(route));
            let named: Vec<&str> = left.filter_map(|route| route.spec.authorization.authorizer.as_deref()).collect();
            api.spec.authorizers.retain(|authorizer| named.contains(&&*authorizer.name));
            for authorizer in &mut api.spec.authorizers {
                if let Some(token) = &mut authorizer.token {
                    token.function.result_ttl_seconds = 7;
                    token.function.function_arn += "-next";
                }
            }
            api.spec.binary_media_types.pop();
            api.spec.minimum_compression_size = None;
            api.spec.resource_policy = api.spec.resource_policy.take().map(|text| text.replace("/POST/", "/*/"));
            api.spec.gateway_responses.as_mut().map(Vec::pop);
            for log in api.spec.stages.iter_mut().filter_map(|stage| stage.access_log.as_mut()) {
                log.retention_days = log.retention_days.map(|_| 7);
            }
            // Base paths move.
            for (index, mapping) in api.spec.domain_mappings.iter_mut().enumerate() {
                mapping.base_path = Some(format!("moved-{index}"));
            }
            // What a stage stays at depends on when it was made.
            for stage in api.spec.stages.iter_mut().filter(|stage| stage.deploy == Deploy::Manual) {
                (stage.deploy, stage.canary) = (Deploy::Auto, None);
            }
            let mut stage = api.spec.stages[0].clone();
            stage.name = "another".into();
            stage.variables.insert("added".into(), "1".into());
            api.spec.stages.push(stage);
        }
        // Another VPC endpoint.
        for domain in scene.world.domains.values_mut() {
            for endpoint in Arc::make_mut(domain).spec.access_associations.iter_mut().flatten() {
                *endpoint = "vpce-00000000000000001".into();
            }
        }
        // Another value for each key, for another stage too, and without throttling.
        for secret in scene.world.secrets.values_mut() {
            for value in secret.values.values_mut() {
                *value = format!("{}-next", value.expose_secret()).into();
            }
        }
        for plan in scene.world.plans.values_mut() {
            let spec = &mut Arc::make_mut(plan).spec;
            spec.description = Some("changed".into());
            spec.throttle = None;
            // What is left of the old values would depend on what was made before people changed their minds.
            spec.rotation_grace_period = "0s".into();
            let mut more = spec.api_stages.clone();
            more.iter_mut().for_each(|stage| stage.stage = "another".into());
            spec.api_stages.extend(more);
        }
        scene
    }

    /// What the manifests take as it is: it exists, and is nobody's. Log groups, roles, and roles that may be adopted.
    pub fn prepare(&self, aws: &mut Memory) {
        let logging = self.world.machines.values().filter_map(|machine| machine.spec.logging.as_ref());
        let groups = logging.filter_map(|logging| logging.log_group_arn.as_ref()?.split(":log-group:").nth(1));
        for group in groups.map(|group| group.trim_end_matches(":*")).collect::<BTreeSet<_>>() {
            logs(aws, "CreateLogGroup", &json!({"logGroupName": group}));
        }
        let text = |value: &Value| value.to_string();
        let manifests: Vec<String> = self
            .world
            .machines
            .values()
            .map(|machine| text(&serde_json::to_value(&**machine).unwrap()))
            .chain(self.world.routes.values().map(|route| text(&serde_json::to_value(&**route).unwrap())))
            .collect();
        let mut names: Vec<String> = Vec::new();
        for text in manifests {
            let text = text.replace("${AWS::AccountId}", ACCOUNT);
            for (at, _) in text.match_indices(&format!("iam::{ACCOUNT}:role/")) {
                let rest = &text[at + format!("iam::{ACCOUNT}:role").len()..];
                names.push(rest.split('"').next().unwrap().to_owned());
            }
        }
        let roles = self.world.accounts.iter().filter_map(|account| account.spec.api_gateway_log_role.as_ref());
        names.extend(roles.map(|role| role.arn.split(":role").nth(1).unwrap().to_owned()));
        let tenants = self.world.accounts.iter().flat_map(|account| &account.spec.tenants);
        let adoptable = tenants.flat_map(|tenant| &tenant.adoptable_arns).filter_map(|arn| arn.split_once(":role"));
        names.extend(adoptable.map(|(_, name)| name.to_owned()).filter(|name| name.starts_with(ADOPTABLE)));
        names.sort();
        names.dedup();
        for whole in names {
            let (path, name) = whole.rsplit_once('/').unwrap();
            let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": ["states.amazonaws.com", "apigateway.amazonaws.com"]}}]});
            let mut call = |action: &str, form: &[(&str, &str)]| {
                let form: Vec<_> = form.iter().chain(&[("RoleName", name)]).copied().map(owned).collect();
                iam(aws, action, &form);
            };
            call("CreateRole", &[("Path", &format!("{path}/")), ("AssumeRolePolicyDocument", &trust.to_string())]);
            if whole.starts_with(ADOPTABLE) {
                let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sqs:PurgeQueue", "Resource": "*"}]});
                call("PutRolePolicy", &[("PolicyName", "by-hand"), ("PolicyDocument", &policy.to_string())]);
                call("AttachRolePolicy", &[("PolicyArn", "arn:aws:iam::aws:policy/ReadOnlyAccess")]);
                call("TagRole", &[("Tags.member.1.Key", "team"), ("Tags.member.1.Value", "orders")]);
            }
        }
    }
}

fn owned((key, value): (&str, &str)) -> (String, String) {
    (key.to_owned(), value.to_owned())
}

/// Adds the object of a manifest.
pub fn add(world: &mut World, document: Value) {
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let key = Key::new(text("/metadata/namespace"), text("/metadata/name"));
    if !key.namespace.is_empty() {
        let label = ("kubernetes.io/metadata.name".to_owned(), key.namespace.clone());
        world.namespaces.entry(key.namespace.clone()).or_default().extend([label]);
    }
    match text("/kind").as_str() {
        "AWSAccount" => world.accounts.push(Arc::new(object::<AWSAccount>(document))),
        "Namespace" => {
            let namespace: Namespace = object(document);
            let label = ("kubernetes.io/metadata.name".to_owned(), key.name.clone());
            world.namespaces.entry(key.name).or_default().extend(namespace.labels().clone().into_iter().chain([label]));
        }
        "ConfigMap" => {
            world.config_maps.insert(key, object::<ConfigMap>(document).data.unwrap_or_default());
        }
        "StateMachine" => drop(world.machines.insert(key, Arc::new(object::<StateMachine>(document)))),
        "RestAPI" => {
            world.apis.insert(key, Arc::new(object::<RestAPI>(document)));
        }
        "APIDomain" => drop(world.domains.insert(key, Arc::new(object::<APIDomain>(document)))),
        "APIRoute" => drop(world.routes.insert(key, Arc::new(object::<APIRoute>(document)))),
        "UsagePlan" => drop(world.plans.insert(key, Arc::new(object::<UsagePlan>(document)))),
        "Secret" => {
            let secret: Secret = object(document);
            let keys = secret.string_data.iter().flat_map(|data| data.keys());
            let named = keys.map(|value| SecretKeyRef { name: key.name.clone(), key: value.clone() }).collect();
            world.secrets.insert(key, stepgate::resolve::read(secret, &named));
        }
        other => panic!("unknown kind {other}"),
    }
}
