//! The manifests of an example, and the same with changes.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::ResourceExt;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stepgate::api::{APIRoute, AWSAccount, RestAPI, StateMachine};
use stepgate::identity::{Cluster, Key};
use stepgate::resources::state_machine;
use stepgate::validate;
use stepgate::world::World;
use stepgate_testbed::memory::{ACCOUNT, Memory};

/// The account of the examples.
const ACCOUNTS: &str = "awsaccount.yaml";

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

/// An account whose tenant may expose what the pages on authorization and endpoints ask for.
pub const EXPOSING: &str = r#"
apiVersion: stepgate.dev/v1alpha1
kind: AWSAccount
metadata: {name: docs}
spec:
  accountId: "111122223333"
  regions: [{name: us-east-1}]
  tenants:
  - name: docs
    namespaces: {from: All}
    exposure:
      authorizations: [NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS]
      endpointTypes: [REGIONAL, EDGE, PRIVATE]
      authorizerArns: ["arn:aws:lambda:*:*:function:*", "arn:aws:cognito-idp:*:*:userpool/*"]
      resourcePolicyPrincipals: ["*"]
      vpcSources: ["vpce-*"]
      kmsKeyArns: ["arn:aws:kms:*:*:key/*"]
"#;

impl Scene {
    /// The examples: the folders of `examples/` with calls for the demo.
    pub fn names() -> Vec<String> {
        let entries = std::fs::read_dir(examples()).unwrap().map(|entry| entry.unwrap());
        let dirs = entries.filter(|entry| entry.path().join("demo").is_dir());
        dirs.map(|entry| entry.file_name().into_string().unwrap()).collect()
    }

    pub fn example(name: &str) -> Self {
        Self::read(&examples().join(name), &examples().join(ACCOUNTS))
    }

    /// These manifests.
    pub fn of(documents: Vec<Value>) -> Self {
        let mut scene = Self { world: World::new(Cluster { name: "test".into(), uid: "uid".into() }) };
        for document in documents {
            add(&mut scene.world, document);
        }
        scene.machines_are_known();
        scene
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
        let mut scene = Self { world };
        scene.machines_are_known();
        scene
    }

    /// The manifests of a page of the docs, in an account that admits all of them.
    pub fn page(path: &str, account: &str) -> Self {
        let text = std::fs::read_to_string(stepgate_testbed::repository().join(path)).unwrap();
        let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
        let mut scene = Self { world: World::new(Cluster { name: "test".into(), uid: "uid".into() }) };
        for block in blocks.chain([account]) {
            for mut document in serde_saphyr::from_multiple::<Value>(block).unwrap() {
                if document["kind"] != "AWSAccount" {
                    document["metadata"]["namespace"] = "page".into();
                }
                add(&mut scene.world, document);
            }
        }
        scene.machines_are_known();
        scene
    }

    /// A machine's reconcile writes its ARN, for which its routes wait; here it is there from the beginning.
    fn machines_are_known(&mut self) {
        for (key, machine) in self.world.machines.clone() {
            let (_, place) = validate::state_machine::place(&self.world, &machine).unwrap();
            let name = validate::state_machine::aws_name(&machine);
            let arn = state_machine::arn(place.partition, &place.region, &place.account_id, &name);
            let mut machine = (*machine).clone();
            machine.status.get_or_insert_default().state_machine_arn = Some(arn);
            self.world.machines.insert(key, Arc::new(machine));
        }
    }

    /// The same with every machine traced, the first route of each API gone, the next one elsewhere, the next one slower,
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
            api.spec.cors = Some(object(serde_json::json!({"origins": ["https://a.example", "https://b.example"]})));
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
            let mut stage = api.spec.stages[0].clone();
            stage.name = "another".into();
            stage.variables.insert("added".into(), "1".into());
            api.spec.stages.push(stage);
        }
        scene
    }

    /// The roles that the manifests take as they are: they exist, and are nobody's.
    pub fn prepare(&self, aws: &mut Memory) {
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
        names.sort();
        names.dedup();
        for name in names {
            let (path, name) = name.rsplit_once('/').unwrap();
            let trust = serde_json::json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
                "Principal": {"Service": ["states.amazonaws.com", "apigateway.amazonaws.com"]}}]});
            let form = [
                ("Action", "CreateRole"),
                ("Version", "2010-05-08"),
                ("RoleName", name),
                ("Path", &format!("{path}/")),
                ("AssumeRolePolicyDocument", &trust.to_string()),
            ];
            let body: Vec<String> = form.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
            let request = http::Request::post("https://iam.amazonaws.com/").body(body.join("&").into_bytes()).unwrap();
            let made = aws.handle(&request);
            assert_eq!(made.status(), 200, "{}", String::from_utf8_lossy(made.body()));
        }
    }
}

fn encoded(text: &str) -> String {
    text.bytes()
        .map(|byte| if byte.is_ascii_alphanumeric() { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

fn add(world: &mut World, document: Value) {
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
            let mut api: RestAPI = object(document);
            // Records are labelled with it.
            api.metadata.uid = Some(format!("uid-{}", key.name));
            world.apis.insert(key, Arc::new(api));
        }
        "APIRoute" => drop(world.routes.insert(key, Arc::new(object::<APIRoute>(document)))),
        other => panic!("unknown kind {other}"),
    }
}
