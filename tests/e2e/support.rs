//! What the tests share: the testbed, namespaces of their own, and how they look at what a user would look at.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::{Duration, Instant};

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use stepgate_testbed::{Operator, OperatorOptions, Options, Request, Response, Testbed};
use tokio::sync::OnceCell;

use crate::{lag, record};

/// How long anything may take on a busy machine; what passes takes a second or two.
pub const PATIENCE: Duration = Duration::from_secs(180);

/// The label that puts a namespace into a tenant of the suite's AWSAccount.
pub const TENANT: &str = "tenant";

/// What the operator signs its calls with: `AWS_SECRET_ACCESS_KEY` and `AWS_SESSION_TOKEN`. It must be told nowhere.
pub const SECRETS: [&str; 2] = ["never-to-be-told-key-7f3a91", "never-to-be-told-token-c04e58"];

/// What all tests share. It ends with the process: the testbed's reaper sees to it.
pub struct Suite {
    pub testbed: &'static Testbed,
    pub operator: &'static Operator<'static>,
}

/// The suite's testbed with its operator and account, which the first test starts.
pub async fn suite() -> &'static Suite {
    static SUITE: OnceCell<Result<Suite, String>> = OnceCell::const_new();
    let start = async || start(None, OperatorOptions::default()).await.map_err(|error| format!("{error:#}"));
    match SUITE.get_or_init(start).await {
        Ok(suite) => suite,
        Err(error) => panic!("the testbed did not start: {error}"),
    }
}

/// A testbed with an operator and the suite's AWSAccount, for the rest of the process; with the AWS of another one where
/// that is given.
pub async fn start(aws_of: Option<&Suite>, options: OperatorOptions) -> anyhow::Result<Suite> {
    let aws_endpoint = aws_of.map(|suite| suite.testbed.aws_endpoint().to_owned());
    let testbed: &Testbed = Box::leak(Box::new(Testbed::start(Options { aws_endpoint }).await?));
    let binary = Some(env!("CARGO_BIN_EXE_stepgate").into());
    let mut env: Vec<_> = ["AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"].into_iter().zip(SECRETS).collect();
    env.extend(options.env.iter().map(|(key, value)| (key.as_str(), value.as_str())));
    let env = env.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect();
    let lagging = |url: &str, part: u32| lag::bound().map(|bound| lag::before(url, bound / part));
    let api_url = lagging(testbed.api_url(), 1);
    let operator = Operator::start(testbed, OperatorOptions { binary, env, api_url, ..options }).await?;
    record::watch(testbed);
    let aws_endpoint = lagging(testbed.aws_endpoint(), 20).unwrap_or_else(|| testbed.aws_endpoint().to_owned());
    testbed.apply(&account("e2e", &aws_endpoint)).await?;
    testbed.kubectl(["wait", "awsaccount/e2e", "--for=condition=Ready", "--timeout=30s"]).await?;
    Ok(Suite { testbed, operator: Box::leak(Box::new(operator)) })
}

/// An AWSAccount that admits the namespaces labelled `tenant: NAME`.
pub fn account(name: &str, endpoint: &str) -> String {
    format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: AWSAccount
metadata: {{name: {name}}}
spec:
  accountId: "000000000000"
  regions: [{{name: us-east-1}}]
  endpointUrl: {endpoint}
  maxDeletionsPerHour: 100000
  tenants:
  - name: {name}
    namespaces: {{from: Selector, selector: {{matchLabels: {{{TENANT}: {name}}}}}}}
    ceiling:
    - {{actions: ["dynamodb:GetItem", "dynamodb:PutItem"], resources: ["arn:aws:dynamodb:*:*:table/${{namespace}}-*"]}}
    - {{actions: ["sqs:SendMessage"], resources: ["arn:aws:sqs:*:*:${{namespace}}-*"]}}
    executionRoleArns: ["arn:aws:iam::*:role/e2e-*"]
    invokeRoleArns: ["arn:aws:iam::*:role/e2e-*"]
    managedPolicyArns: ["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess"]
    namePatterns: ["${{namespace}}-*"]
    exposure:
      authorizations: [NONE, AWS_IAM]
      taskCallbacks: true
      cacheClusterSizes: ["0.5"]
      clientCertificates: ["arn:aws:acm:*:*:certificate/12345678-*"]
      logGroupArns: ["arn:aws:logs:*:*:log-group:/aws/vendedlogs/states/${{namespace}}/*"]
      kmsKeyArns: ["arn:aws:kms:*:*:key/1234abcd-*"]
"#
    )
}

/// An EXPRESS StateMachine that answers with `{"said": SAYS}`.
pub fn machine(name: &str, says: &str) -> String {
    format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: StateMachine
metadata: {{name: {name}}}
spec:
  type: EXPRESS
  definition: |
    StartAt: Say
    States:
      Say: {{Type: Pass, Result: {{said: {says}}}, End: true}}
"#
    )
}

/// A RestAPI with the stage `prod`.
pub fn rest_api(name: &str) -> String {
    format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: RestAPI
metadata: {{name: {name}}}
spec: {{stages: [{{name: prod}}]}}
"#
    )
}

/// An APIRoute of the RestAPI `api`: `POST` on a path, answered by a machine's execution.
pub fn route(name: &str, path: &str, machine: &str) -> String {
    format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: APIRoute
metadata: {{name: {name}}}
spec:
  apiRef: {{name: api}}
  path: "{path}"
  method: POST
  authorization: {{type: NONE}}
  target: {{action: StartSyncExecution, stateMachineRef: {{name: {machine}}}}}
"#
    )
}

/// Tries until it succeeds.
///
/// # Panics
/// With the last error, when it does not in time.
pub async fn eventually<T>(what: &str, patience: Duration, mut attempt: impl AsyncFnMut() -> Result<T, String>) -> T {
    let started = Instant::now();
    loop {
        match attempt().await {
            Ok(value) => return value,
            Err(error) if started.elapsed() > patience => {
                panic!("{what}: not within {} s: {error}", patience.as_secs())
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

/// That a text was made for people: no Debug output of Rust or of an SDK.
///
/// # Panics
/// With what it found.
pub fn assert_for_people(text: &str) {
    const DEBUG: [&str; 9] =
        ["Some(", "None,", "Ok(", "Err(", "Error {", "Error(", "\\\"", "SdkError", "ServiceException"];
    for sign in DEBUG {
        assert!(!text.contains(sign), "`{sign}` is no word for a user: {text}");
    }
}

/// A namespace of a test's own. It is deleted at the end of the test.
pub struct Namespace {
    pub name: String,
    pub suite: &'static Suite,
    /// How long what it awaits may take.
    pub patience: Duration,
    client: kube::Client,
}

impl Namespace {
    /// One of the tenant `e2e`, on the suite's testbed.
    pub async fn new(name: &str) -> Namespace {
        Namespace::labelled(name, &[(TENANT, "e2e")]).await
    }

    /// One with these labels, on the suite's testbed.
    pub async fn labelled(name: &str, labels: &[(&str, &str)]) -> Namespace {
        Namespace::on(suite().await, name, labels).await
    }

    /// One on another testbed.
    pub async fn on(suite: &'static Suite, name: &str, labels: &[(&str, &str)]) -> Namespace {
        // Its connections belong to this test's runtime.
        let client = suite.testbed.kube_client().await.unwrap();
        let namespace = Namespace { name: name.to_owned(), suite, patience: PATIENCE, client };
        let labels: serde_json::Map<_, _> =
            labels.iter().map(|(key, value)| ((*key).to_owned(), json!(value))).collect();
        let manifest = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
        namespace.apply(&manifest.to_string()).await;
        namespace
    }

    /// Applies manifests; those without a namespace go into this one.
    ///
    /// # Panics
    /// With the API server's words.
    pub async fn apply(&self, manifests: &str) {
        let documents: Vec<Value> = serde_saphyr::from_multiple(manifests).unwrap();
        for document in documents {
            let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
            let (kind, name) = (text("/kind").to_lowercase(), text("/metadata/name"));
            let namespace = document.pointer("/metadata/namespace").and_then(Value::as_str).unwrap_or(&self.name);
            let parameters = PatchParams::apply("e2e").force();
            let applied = self.api(&kind, namespace).patch(name, &parameters, &Patch::Apply(&document)).await;
            applied.unwrap_or_else(|error| panic!("{kind}/{name}: {error}"));
        }
    }

    /// Merges a patch into an object.
    ///
    /// # Panics
    /// With the API server's words.
    pub async fn patch(&self, object: &str, patch: Value) {
        let (kind, name) = split(object);
        let patched = self.api(kind, &self.name).patch(name, &PatchParams::default(), &Patch::Merge(patch)).await;
        patched.unwrap_or_else(|error| panic!("{object}: {error}"));
    }

    /// An object by `kind/name`, when it is there.
    pub async fn find(&self, object: &str) -> Option<Value> {
        let (kind, name) = split(object);
        let found = self.api(kind, &self.name).get_opt(name).await.unwrap();
        found.map(|object| serde_json::to_value(object).unwrap())
    }

    /// An object by `kind/name`.
    ///
    /// # Panics
    /// When it is not there.
    pub async fn get(&self, object: &str) -> Value {
        self.find(object).await.unwrap_or_else(|| panic!("{object} is not there"))
    }

    /// Asks for deletion.
    pub async fn delete(&self, object: &str) {
        let (kind, name) = split(object);
        self.api(kind, &self.name).delete(name, &DeleteParams::default()).await.unwrap();
    }

    /// Waits until an object is gone.
    pub async fn gone(&self, object: &str) {
        let gone = async |found: Option<&Value>| match found {
            None => Ok(()),
            Some(_) => Err("is still there".to_owned()),
        };
        self.eventually(object, "is gone", gone).await;
    }

    /// Waits until something holds of an object, which may not be there.
    ///
    /// # Panics
    /// With what `kubectl describe` says of it.
    pub async fn eventually<T>(
        &self,
        object: &str,
        what: &str,
        mut holds: impl AsyncFnMut(Option<&Value>) -> Result<T, String>,
    ) -> T {
        let started = Instant::now();
        loop {
            let found = self.find(object).await;
            // Whoever waits reads this meanwhile.
            let conditions = found.iter().filter_map(|found| found["status"]["conditions"].as_array()).flatten();
            conditions.filter_map(|condition| condition["message"].as_str()).for_each(assert_for_people);
            match holds(found.as_ref()).await {
                Ok(value) => return value,
                Err(error) if started.elapsed() > self.patience => {
                    let (described, log) = (self.describe(object).await, self.log());
                    panic!("{object} {what}: not within {} s: {error}\n{described}\n{log}", self.patience.as_secs())
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    /// Waits until a condition of the present generation has this status and reason; answers with its message.
    ///
    /// # Panics
    /// With what `kubectl describe` says of the object.
    pub async fn condition(&self, object: &str, type_: &str, status: &str, reason: &str) -> String {
        let what = format!("has {type_}={status}, {reason}");
        let message = self
            .eventually(object, &what, async |found| {
                let object = found.ok_or("is not there")?;
                if object["status"]["observedGeneration"] != object["metadata"]["generation"] {
                    return Err("its status is of an older generation".to_owned());
                }
                match condition(object, type_) {
                    Some(Condition { status: has, reason: because, message }) if has == status && because == reason => {
                        Ok(message)
                    }
                    other => Err(format!("{type_} is {}", other.map_or("absent".to_owned(), |it| it.to_string()))),
                }
            })
            .await;
        assert_for_people(&message);
        message
    }

    /// Waits until all of these are Ready.
    ///
    /// # Panics
    /// With what `kubectl describe` says of the first that is not.
    pub async fn ready(&self, objects: &[&str]) {
        for object in objects {
            self.condition(object, "Ready", "True", "Ready").await;
        }
    }

    /// Waits until these objects of `driftPolicy: Correct`, which are Ready, were looked at by who knew that, and all that was written of
    /// them so far: annotations, which make no new generation, and the last status. A reconcile with an older one makes what a pause
    /// would have kept, and tells a repair as a part of the last change.
    pub async fn settled(&self, objects: &[&str]) {
        for object in objects {
            for policy in ["Report", "Correct"] {
                self.patch(object, json!({"spec": {"driftPolicy": policy}})).await;
            }
        }
        self.ready(objects).await;
    }

    /// Waits until an object is Stalled for this reason, and answers with what its user reads: the same words in Stalled,
    /// in Ready and in what `kubectl describe` prints.
    pub async fn stalled(&self, object: &str, reason: &str) -> String {
        let message = self.condition(object, "Stalled", "True", reason).await;
        let found = self.get(object).await;
        let ready = condition(&found, "Ready").unwrap();
        assert_eq!(ready.status, "False", "{object}");
        assert!(ready.message.starts_with(&message), "{object}: Ready says `{}`, Stalled `{message}`", ready.message);
        assert_eq!(condition(&found, "Reconciling").unwrap().status, "False", "{object}");
        let described = self.describe(object).await;
        let (_, status) = described.split_once("\nStatus:").unwrap();
        assert!(status.contains(&message) && status.contains(reason), "{described}");
        assert_for_people(status);
        message
    }

    /// Waits until Ready has this message: for what another object changes, which leaves the generation as it is.
    pub async fn tells(&self, object: &str, message: &str) {
        self.eventually(object, &format!("tells `{message}`"), async |found| {
            let ready = condition(found.ok_or("is not there")?, "Ready").ok_or("has no status")?;
            if ready.message == message { Ok(()) } else { Err(format!("Ready is {ready}")) }
        })
        .await;
    }

    /// Waits until a condition with this status and reason says all of this, and answers with its message: where what it says changes
    /// with other objects, which are watched apart.
    pub async fn condition_with(
        &self,
        object: &str,
        (type_, status, reason): (&str, &str, &str),
        parts: &[&str],
    ) -> String {
        self.eventually(object, &format!("has {type_}={status}, {reason} with {parts:?}"), async |found| {
            let found = condition(found.ok_or("is not there")?, type_).ok_or("has no such condition")?;
            let holds = (found.status.as_str(), found.reason.as_str()) == (status, reason)
                && parts.iter().all(|part| found.message.contains(part));
            if holds { Ok(found.message) } else { Err(found.to_string()) }
        })
        .await
    }

    /// What `kubectl describe` says of an object.
    pub async fn describe(&self, object: &str) -> String {
        let described = self.suite.testbed.kubectl(["describe", "-n", &self.name, &full(object)]).await;
        described.unwrap_or_else(|error| format!("{error:#}"))
    }

    /// The last lines of the operator's log that name this namespace.
    fn log(&self) -> String {
        let log = std::fs::read_to_string(self.suite.operator.log_path()).unwrap_or_default();
        let lines: Vec<&str> = log.lines().filter(|line| line.contains(&self.name)).collect();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }

    /// The steps that the operator says it has carried out for an object of a kind, in their order.
    pub fn done(&self, kind: &str, name: &str) -> Vec<String> {
        let log = std::fs::read_to_string(self.suite.operator.log_path()).unwrap();
        let lines = log.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        let span = json!({"kind": kind, "namespace": self.name, "object": name, "name": "reconcile"});
        let done = lines.filter(|line| line["message"] == "done" && line["span"] == span);
        done.filter_map(|line| line["step"].as_str().map(str::to_owned)).collect()
    }

    /// The events of an object, each as `Type Reason: message`, oldest first.
    pub async fn events(&self, object: &str) -> Vec<String> {
        let (kind, name) = split(object);
        let mut events = self.api("event", &self.name).list(&Default::default()).await.unwrap().items;
        events.retain(|event| {
            let about = &event.data["involvedObject"];
            about["name"] == name && about["kind"].as_str().is_some_and(|has| has.eq_ignore_ascii_case(kind))
        });
        events.sort_by_key(|event| event.metadata.creation_timestamp.clone().map(|time| time.0));
        let text = |event: &DynamicObject, field: &str| event.data[field].as_str().unwrap_or_default().to_owned();
        let line = |event| format!("{} {}: {}", text(event, "type"), text(event, "reason"), text(event, "message"));
        events.iter().map(line).collect()
    }

    /// Waits for an event of an object that holds this text.
    pub async fn event(&self, object: &str, holds: &str) -> String {
        self.eventually(object, &format!("has an event `{holds}`"), async |_| {
            let events = self.events(object).await;
            let found = events.iter().find(|event| event.contains(holds)).cloned();
            found.ok_or_else(|| format!("it has {events:?}"))
        })
        .await
    }

    /// Calls an APIRoute at its published URL, with its method and this body.
    ///
    /// # Panics
    /// When it has no URL, or does not answer.
    pub async fn call(&self, route: &str, body: &Value) -> Response {
        self.try_call(&self.get(&format!("apiroute/{route}")).await, body).await.unwrap()
    }

    async fn try_call(&self, route: &Value, body: &Value) -> Result<Response, String> {
        let url = route["status"]["url"].as_str().ok_or("it has no url")?;
        let request = Request {
            method: route["spec"]["method"].as_str().unwrap().to_owned(),
            url: url.to_owned(),
            headers: vec![("Content-Type".into(), "application/json".into())],
            body: Some(body.to_string()),
            ..Request::default()
        };
        request.send().await.map_err(|error| format!("{error:#}"))
    }

    /// Waits until a route, which may be called Ready still, answers so again.
    pub async fn says_again(&self, route: &str, says: &str) {
        let object = format!("apiroute/{route}");
        self.eventually(&object, &format!("says {says}"), async |found| {
            let response = self.try_call(found.ok_or("is not there")?, &json!({})).await?;
            let well = response.status == 200 && response.body.contains(says);
            well.then_some(()).ok_or_else(|| format!("{}: {}", response.status, response.body))
        })
        .await;
    }

    /// That a route answers with `{"said": SAYS}`.
    pub async fn says(&self, route: &str, says: &str) {
        let response = self.call(route, &json!({})).await;
        assert_eq!((response.status, response.body.contains(says)), (200, true), "{route}: {}", response.body);
    }

    /// Calls an operation of AWS.
    ///
    /// # Panics
    /// With AWS's words.
    pub async fn aws(&self, service: &str, operation: &str, input: Value) -> Value {
        self.suite.testbed.aws().json(service, operation, input).await.unwrap()
    }

    /// What is in AWS whose name begins with the namespace's, as all generated names do.
    pub async fn in_aws(&self) -> BTreeSet<String> {
        let inventory = self.suite.testbed.aws().inventory().await.unwrap();
        let ours = [
            format!("state machine {}_", self.name),
            format!("REST API {}_", self.name),
            format!("usage plan {}_", self.name),
            format!("API key {}_", self.name),
            format!("role stepgate-exec-{}_", self.name),
            format!("policy stepgate-exec-{}_", self.name),
            format!("role stepgate-invoke-{}-", self.name),
        ];
        let shared = format!("role stepgate-exec-{}-", self.name);
        // After it comes a hash, and no other namespace's name.
        let is_shared = |name: &str| name.strip_prefix(&shared).is_some_and(|hash| hash.len() == 16);
        let is_ours = |name: &String| ours.iter().any(|start| name.starts_with(start)) || is_shared(name);
        inventory.into_iter().filter(is_ours).collect()
    }

    fn api(&self, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let resource = |group: &str, version: &str, kind: &str, plural: &str| {
            let gvk = kube::core::GroupVersionKind::gvk(group, version, kind);
            ApiResource::from_gvk_with_plural(&gvk, plural)
        };
        let ours = |kind: &str, plural: &str| resource("stepgate.dev", "v1alpha1", kind, plural);
        let (resource, namespaced) = match kind {
            "statemachine" => (ours("StateMachine", "statemachines"), true),
            "restapi" => (ours("RestAPI", "restapis"), true),
            "apiroute" => (ours("APIRoute", "apiroutes"), true),
            "usageplan" => (ours("UsagePlan", "usageplans"), true),
            "apidomain" => (ours("APIDomain", "apidomains"), true),
            "awsaccount" => (ours("AWSAccount", "awsaccounts"), false),
            "secret" => (resource("", "v1", "Secret", "secrets"), true),
            "configmap" => (resource("", "v1", "ConfigMap", "configmaps"), true),
            "event" => (resource("", "v1", "Event", "events"), true),
            "namespace" => (resource("", "v1", "Namespace", "namespaces"), false),
            other => panic!("the suite does not know the kind {other}"),
        };
        match namespaced {
            true => Api::namespaced_with(self.client.clone(), namespace, &resource),
            false => Api::all_with(self.client.clone(), &resource),
        }
    }
}

impl Drop for Namespace {
    /// What a test leaves would be compared with AWS every few seconds until the suite ends.
    fn drop(&mut self) {
        let access = self.suite.testbed.access();
        let mut kubectl = Command::new(access.bin_dir().join("kubectl"));
        kubectl.envs(access.env()).args(["delete", "namespace", &self.name, "--wait=false"]);
        let _ = kubectl.output();
        let log = std::fs::read_to_string(self.suite.operator.log_path()).unwrap_or_default();
        let told = SECRETS.iter().any(|secret| log.contains(secret));
        assert!(!told || std::thread::panicking(), "the operator's log tells its credentials");
    }
}

/// A condition of an object.
#[derive(Clone, Debug)]
pub struct Condition {
    pub status: String,
    pub reason: String,
    pub message: String,
}

impl std::fmt::Display for Condition {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}, {}: {}", self.status, self.reason, self.message)
    }
}

/// A condition of an object by its type.
pub fn condition(object: &Value, type_: &str) -> Option<Condition> {
    let found = object["status"]["conditions"].as_array()?.iter().find(|it| it["type"] == type_)?;
    let text = |field: &str| found[field].as_str().unwrap_or_default().to_owned();
    Some(Condition { status: text("status"), reason: text("reason"), message: text("message") })
}

fn split(object: &str) -> (&str, &str) {
    object.split_once('/').unwrap_or_else(|| panic!("`{object}` is not kind/name"))
}

/// For kubectl: other installed kinds may share a short name.
fn full(object: &str) -> String {
    let (kind, name) = split(object);
    match kind {
        "statemachine" | "restapi" | "apiroute" | "usageplan" | "apidomain" | "awsaccount" => {
            format!("{kind}.stepgate.dev/{name}")
        }
        _ => object.to_owned(),
    }
}

/// The manifests of a page of the docs: its YAML blocks, in order.
pub fn page(path: &str) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"));
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.map(|block| format!("---\n{block}")).collect()
}
