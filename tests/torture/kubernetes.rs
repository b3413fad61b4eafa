//! As much of an API server as the operator needs, in memory: objects with generations, resource versions, finalizers and
//! owner references; the status subresource; patches; lists and watches. It is plain data behind a handle.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use futures::stream::{self, BoxStream, StreamExt};
use http::{Method, Request, Response};
use http_body_util::StreamBody;
use http_body_util::combinators::UnsyncBoxBody;
use k8s_openapi::jiff::Timestamp;
use kube::client::Body;
use serde_json::{Value, json};
use stepgate::api::{ABANDON, CREATION};
use stepgate::controller::Clock;
use stepgate::identity::Key;
use stepgate::records;
use tokio::sync::mpsc;

use super::tape::{Tape, Wrong};

/// The kinds that people write, in the order in which the operator looks at them.
pub const KINDS: [&str; 6] = ["awsaccounts", "statemachines", "apiroutes", "restapis", "apidomains", "usageplans"];

/// Which object: resource, namespace, name.
pub type Id = (String, String, String);

/// All objects, at one moment. Copies share what is the same in them.
#[derive(Clone, Default, PartialEq)]
pub struct Objects {
    all: Arc<BTreeMap<Id, Arc<Value>>>,
    version: u64,
    /// Events, oldest first.
    pub events: Arc<Vec<Value>>,
}

fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    object.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// Whether a condition of an object is True.
pub fn is(object: &Value, type_: &str) -> bool {
    condition(object, type_).is_some_and(|found| found["status"] == "True")
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    object.pointer("/status/conditions")?.as_array()?.iter().find(|condition| condition["type"] == type_)
}

impl Objects {
    /// The objects of a resource.
    pub fn of<'a>(&'a self, resource: &str) -> impl Iterator<Item = (&'a Id, &'a Arc<Value>)> {
        self.all.iter().filter(move |((kind, ..), _)| kind == resource)
    }

    /// One object.
    pub fn by_id(&self, id: &Id) -> Option<&Arc<Value>> {
        self.all.get(id)
    }

    /// Whether something is being deleted.
    pub fn any_is_terminating(&self) -> bool {
        self.all.values().any(|object| object["metadata"]["deletionTimestamp"].is_string())
    }

    /// Counts the changes of all objects.
    pub fn version(&self) -> u64 {
        self.version
    }

    /// Counts the changes of what a reconcile of this object looks at.
    pub fn inputs(&self, id: &Id) -> u64 {
        let version = |object: &Arc<Value>| text(object, "/metadata/resourceVersion").parse().unwrap_or(0);
        let own = self.all.get(id).map_or(0, version);
        match id.0.as_str() {
            "awsaccounts" => own,
            "statemachines" => self.of("awsaccounts").map(|(_, one)| version(one)).max().unwrap_or(0).max(own),
            _ => self.version,
        }
    }

    /// What people see, and the records: without what differs from one run to the next.
    pub fn essence(&self) -> Value {
        let mut shown = serde_json::Map::new();
        for ((resource, namespace, name), object) in &*self.all {
            let essence = if resource == "controllerrevisions" {
                let mut data = object["data"].clone();
                for id in ["restApiId", "deploymentId"] {
                    data[id] = Value::Null;
                }
                data
            } else if KINDS.contains(&resource.as_str()) {
                let conditions = object.pointer("/status/conditions").and_then(Value::as_array).into_iter().flatten();
                let conditions: Vec<_> =
                    conditions.map(|c| json!([c["type"], c["status"], c["reason"], c["observedGeneration"]])).collect();
                json!({
                    "conditions": conditions,
                    "finalizers": object["metadata"]["finalizers"],
                    "drift": object.pointer("/status/lastDrift").is_some(),
                })
            } else if resource == "configmaps" {
                // What is in it, not what it says: ids are in URLs.
                json!(object["data"].as_object().map(|data| data.keys().collect::<Vec<_>>()))
            } else {
                continue;
            };
            shown.insert(format!("{resource}/{namespace}/{name}"), essence);
        }
        Value::Object(shown)
    }

    fn put(&mut self, id: &Id, mut object: Value) -> Value {
        self.version += 1;
        object["metadata"]["resourceVersion"] = json!(self.version.to_string());
        Arc::make_mut(&mut self.all).insert(id.clone(), Arc::new(object.clone()));
        object
    }

    fn create(&mut self, id: &Id, mut object: Value, now: Timestamp) -> Value {
        let meta = &mut object["metadata"];
        if meta["uid"].is_null() {
            // The same in every run, so that a record's label is.
            meta["uid"] = json!(format!("uid-{}-{}-{}", id.0, id.1, id.2));
        }
        meta["generation"] = json!(1);
        meta["creationTimestamp"] = json!(now.to_string());
        self.put(id, object)
    }
}

struct Shared {
    objects: Objects,
    clock: Clock,
    /// The time of day where the clock can't be asked.
    now: Option<Timestamp>,
    /// Every change since this server began: its version, the resource, and the line that a watch shows.
    log: Vec<(u64, String, String)>,
    watches: Vec<(String, mpsc::UnboundedSender<String>)>,
}

impl Shared {
    fn tell(&mut self, kind: &str, resource: &str, object: &Value) {
        let line = format!("{}\n", json!({"type": kind, "object": object}));
        self.watches.retain(|(watched, to)| watched != resource || to.send(line.clone()).is_ok());
        self.log.push((self.objects.version, resource.to_owned(), line));
    }

    fn now(&self) -> Timestamp {
        self.now.unwrap_or_else(|| self.clock.now())
    }

    fn create(&mut self, id: &Id, object: Value) -> Value {
        let now = self.now();
        let made = self.objects.create(id, object, now);
        self.tell("ADDED", &id.0, &made);
        made
    }

    fn put(&mut self, id: &Id, object: Value) -> Value {
        let stored = self.objects.put(id, object);
        self.tell("MODIFIED", &id.0, &stored);
        stored
    }

    /// What Kubernetes' garbage collector does with an object whose owners are gone.
    fn collect(&mut self, id: &Id) {
        let owners = self.objects.all[id].pointer("/metadata/ownerReferences").and_then(Value::as_array);
        let Some(owners) = owners.filter(|owners| !owners.is_empty()) else { return };
        let lives = |owner: &Value| self.objects.all.values().any(|one| one["metadata"]["uid"] == owner["uid"]);
        if !owners.iter().any(lives) {
            self.remove(id);
        }
    }

    /// With what it owns.
    fn remove(&mut self, id: &Id) {
        let Some(gone) = Arc::make_mut(&mut self.objects.all).remove(id) else { return };
        let mut gone = Arc::unwrap_or_clone(gone);
        self.objects.version += 1;
        gone["metadata"]["resourceVersion"] = json!(self.objects.version.to_string());
        self.tell("DELETED", &id.0, &gone);
        let uid = gone["metadata"]["uid"].clone();
        let owned = |object: &Value| {
            let owners = object.pointer("/metadata/ownerReferences").and_then(Value::as_array);
            owners.is_some_and(|owners| owners.iter().any(|owner| owner["uid"] == uid))
        };
        let orphans: Vec<Id> =
            self.objects.all.iter().filter(|(_, object)| owned(object)).map(|(id, _)| id.clone()).collect();
        for orphan in orphans {
            self.remove(&orphan);
        }
    }

    /// As `kubectl delete` does.
    fn delete(&mut self, id: &Id) -> bool {
        let Some(found) = self.objects.all.get(id).cloned() else { return false };
        let mut found = Arc::unwrap_or_clone(found);
        if found.pointer("/metadata/finalizers").and_then(Value::as_array).is_none_or(Vec::is_empty) {
            self.remove(id);
        } else if found["metadata"]["deletionTimestamp"].is_null() {
            found["metadata"]["deletionTimestamp"] = json!(self.now().to_string());
            found["metadata"]["generation"] = json!(found["metadata"]["generation"].as_i64().unwrap_or(1) + 1);
            self.put(id, found);
        }
        true
    }
}

/// The API server. Copies share its objects.
#[derive(Clone)]
pub struct Server(Arc<Mutex<Shared>>);

type Answer = (u16, Value);

/// What the operator wrote among the annotations is not of the manifests, and no `kubectl apply` takes it off.
fn keep_claim(old: &Value, new: &mut Value) {
    let claim = &old["metadata"]["annotations"][CREATION];
    if !claim.is_null() {
        new["metadata"]["annotations"][CREATION] = claim.clone();
    }
}

fn failure(code: u16, reason: &str, message: &str) -> Answer {
    (
        code,
        json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": message, "code": code}),
    )
}

fn kind(resource: &str) -> (&'static str, &'static str) {
    match resource {
        "awsaccounts" => ("stepgate.dev/v1alpha1", "AWSAccount"),
        "statemachines" => ("stepgate.dev/v1alpha1", "StateMachine"),
        "restapis" => ("stepgate.dev/v1alpha1", "RestAPI"),
        "apiroutes" => ("stepgate.dev/v1alpha1", "APIRoute"),
        "usageplans" => ("stepgate.dev/v1alpha1", "UsagePlan"),
        "secrets" => ("v1", "Secret"),
        "apidomains" => ("stepgate.dev/v1alpha1", "APIDomain"),
        "namespaces" => ("v1", "Namespace"),
        "configmaps" => ("v1", "ConfigMap"),
        "controllerrevisions" => ("apps/v1", "ControllerRevision"),
        "customresourcedefinitions" => ("apiextensions.k8s.io/v1", "CustomResourceDefinition"),
        other => panic!("the API server in memory has no {other}"),
    }
}

impl Server {
    /// One with these objects, by this clock.
    pub fn new(objects: Objects, clock: Clock) -> Self {
        Self(Arc::new(Mutex::new(Shared { objects, clock, now: None, log: Vec::new(), watches: Vec::new() })))
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.0.lock().unwrap()
    }

    /// Does something at this time of day: AWS, whose clock it is, can't be asked during a call to it.
    pub fn at(&self, now: Option<Timestamp>, what: impl FnOnce()) {
        self.lock().now = now;
        what();
        self.lock().now = None;
    }

    pub fn snapshot(&self) -> Objects {
        self.lock().objects.clone()
    }

    /// As `kubectl apply` does.
    pub fn apply(&self, resource: &str, mut object: Value) {
        let id = (
            resource.to_owned(),
            text(&object, "/metadata/namespace").to_owned(),
            text(&object, "/metadata/name").to_owned(),
        );
        let (api, kind) = kind(resource);
        object["apiVersion"] = json!(api);
        object["kind"] = json!(kind);
        let mut shared = self.lock();
        let Some(old) = shared.objects.all.get(&id).cloned() else {
            object.as_object_mut().unwrap().shift_remove("status");
            shared.create(&id, object);
            return;
        };
        let mut new = (*old).clone();
        let take = |new: &mut Value, object: &mut Value, parts: [&str; 2]| {
            for part in parts {
                match object.get_mut(part).map(Value::take) {
                    Some(value) if !value.is_null() => new[part] = value,
                    _ => drop(new.as_object_mut().unwrap().shift_remove(part)),
                }
            }
        };
        take(&mut new, &mut object, ["spec", "data"]);
        take(&mut new["metadata"], &mut object["metadata"], ["labels", "annotations"]);
        keep_claim(&old, &mut new);
        if new["spec"] != old["spec"] {
            new["metadata"]["generation"] = json!(old["metadata"]["generation"].as_i64().unwrap_or(1) + 1);
        }
        if new != *old {
            shared.put(&id, new);
        }
    }

    /// As `kubectl delete` does.
    pub fn delete(&self, resource: &str, key: &Key) {
        self.lock().delete(&(resource.to_owned(), key.namespace.clone(), key.name.clone()));
    }

    /// Takes an object away at once, as who takes its finalizer off does.
    pub fn lose(&self, resource: &str, key: &Key) {
        self.lock().remove(&(resource.to_owned(), key.namespace.clone(), key.name.clone()));
    }

    /// Takes the finalizers off an object that stays, as `kubectl replace` does.
    pub fn unfinalize(&self, resource: &str, key: &Key) {
        let id = (resource.to_owned(), key.namespace.clone(), key.name.clone());
        let mut shared = self.lock();
        let mut object = (*shared.objects.all[&id]).clone();
        object["metadata"].as_object_mut().unwrap().shift_remove("finalizers");
        shared.put(&id, object);
    }

    /// Somebody holds an object in Kubernetes.
    pub fn hold(&self, resource: &str, key: &Key, finalizer: &str) {
        let id = (resource.to_owned(), key.namespace.clone(), key.name.clone());
        let mut shared = self.lock();
        let mut object = (*shared.objects.all[&id]).clone();
        object["metadata"]["finalizers"].as_array_mut().unwrap().push(json!(finalizer));
        shared.put(&id, object);
    }

    /// Writes into a status, as somebody who may not.
    pub fn forge_status(&self, resource: &str, key: &Key, patch: Value) {
        let id = (resource.to_owned(), key.namespace.clone(), key.name.clone());
        let mut shared = self.lock();
        let mut object = (*shared.objects.all[&id]).clone();
        json_patch::merge(&mut object["status"], &patch);
        shared.put(&id, object);
    }

    /// Lets those of these machines that are being deleted go without AWS, so that they can be applied again; whether there is one.
    pub fn call_back<'a>(&self, machines: impl Iterator<Item = &'a Key>) -> bool {
        let mut shared = self.lock();
        let mut any = false;
        for key in machines {
            let id = ("statemachines".to_owned(), key.namespace.clone(), key.name.clone());
            let found = shared.objects.all.get(&id).filter(|one| one["metadata"]["deletionTimestamp"].is_string());
            let Some(mut object) = found.map(|one| (**one).clone()) else { continue };
            object["metadata"]["annotations"][ABANDON] = json!("true");
            shared.put(&id, object);
            any = true;
        }
        any
    }

    /// Takes every object's annotations off, those of what is being deleted too.
    pub fn resume(&self) {
        let mut shared = self.lock();
        let all = Arc::clone(&shared.objects.all);
        for (id, object) in &*all {
            let mut object = (**object).clone();
            object["metadata"].as_object_mut().unwrap().shift_remove("annotations");
            keep_claim(&all[id], &mut object);
            if object != *all[id] {
                shared.put(id, object);
            }
        }
    }

    /// A client whose calls go through a gate, on a tape.
    pub fn client(&self, tape: &Tape, gate: Option<super::tape::Gate>) -> kube::Client {
        let (server, tape) = (self.clone(), tape.clone());
        let service = tower::service_fn(move |request: Request<Body>| {
            let (server, tape, gate) = (server.clone(), tape.clone(), gate.clone());
            async move {
                if let Some(gate) = &gate {
                    gate.pass(request.method() != Method::GET).await;
                }
                server.serve(request, &tape).await
            }
        });
        kube::Client::new(service, "default")
    }

    async fn serve(
        &self,
        request: Request<Body>,
        tape: &Tape,
    ) -> Result<Response<UnsyncBoxBody<Bytes, Infallible>>, io::Error> {
        let (parts, body) = request.into_parts();
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let (id, sub) = target(parts.uri.path());
        if parts.method == Method::GET && query.contains("watch=true") {
            let from = query.split('&').find_map(|pair| pair.strip_prefix("resourceVersion=")).unwrap_or("0");
            return Ok(respond(200, self.watch(&id.0, from.parse().unwrap_or(0))));
        }
        let body = body.collect_bytes().await.map_err(io::Error::other)?;
        let writes = parts.method != Method::GET;
        let what = format!("{} {}/{}/{} {sub}", parts.method, id.0, id.1, id.2);
        // An event is best effort: nothing depends on it.
        let wrong = if id.0 == "events" { None } else { tape.kubernetes(writes, &what) };
        let act = || self.act(&parts.method, &id, &sub, &query, &parts.headers, &body);
        let (status, answer) = match wrong {
            None => act(),
            Some(Wrong::Lost) => {
                act();
                return Err(io::Error::other("connection reset"));
            }
            Some(Wrong::Refused) => return Err(io::Error::other("connection refused")),
            Some(Wrong::Throttled) => failure(429, "TooManyRequests", "too many requests"),
            Some(Wrong::Broken) => failure(500, "InternalError", "etcdserver: leader changed"),
            Some(Wrong::Busy | Wrong::Unseen) => failure(409, "Conflict", "the object has been modified"),
            Some(Wrong::DeadBefore) => return std::future::pending().await,
            Some(Wrong::DeadAfter) => {
                act();
                return std::future::pending().await;
            }
        };
        let once = stream::once(async move { answer.to_string() }).boxed();
        Ok(respond(status, once))
    }

    fn watch(&self, resource: &str, from: u64) -> BoxStream<'static, String> {
        let mut shared = self.lock();
        let (to, lines) = mpsc::unbounded_channel();
        for (version, of, line) in &shared.log {
            if *version > from && of == resource {
                let _ = to.send(line.clone());
            }
        }
        shared.watches.push((resource.to_owned(), to));
        stream::unfold(lines, |mut lines| async move { Some((lines.recv().await?, lines)) }).boxed()
    }

    fn act(&self, method: &Method, id: &Id, sub: &str, query: &str, headers: &http::HeaderMap, body: &[u8]) -> Answer {
        let mut shared = self.lock();
        let parse = || serde_json::from_slice::<Value>(body).unwrap();
        let not_found = || failure(404, "NotFound", "not found");
        match *method {
            Method::GET if id.0 == "customresourcedefinitions" => {
                let (api, kind) = kind(&id.0);
                (200, json!({"apiVersion": api, "kind": kind, "metadata": {"name": id.2}}))
            }
            Method::GET if id.2.is_empty() => {
                // The records of all RestAPIs, or of the one with this UID.
                let uid = query.split_once("%3D").and_then(|(_, rest)| rest.split('&').next());
                let labelled = |object: &&Value| {
                    let label = object["metadata"]["labels"].get(records::LABEL);
                    !query.contains("labelSelector")
                        || label.is_some_and(|label| uid.is_none_or(|uid| label.as_str() == Some(uid)))
                };
                let items: Vec<&Value> = shared.objects.of(&id.0).map(|(_, one)| &**one).filter(labelled).collect();
                let (api, kind) = kind(&id.0);
                let list = json!({"apiVersion": api, "kind": format!("{kind}List"), "items": items,
                    "metadata": {"resourceVersion": shared.objects.version.to_string()}});
                (200, list)
            }
            Method::GET => shared.objects.all.get(id).map_or_else(not_found, |found| (200, (**found).clone())),
            Method::POST if id.0 == "events" => {
                let event = parse();
                Arc::make_mut(&mut shared.objects.events).push(event.clone());
                (201, event)
            }
            Method::POST => {
                let object = parse();
                let id = (id.0.clone(), id.1.clone(), text(&object, "/metadata/name").to_owned());
                if shared.objects.all.contains_key(&id) {
                    return failure(409, "AlreadyExists", "already exists");
                }
                let made = shared.create(&id, object);
                shared.collect(&id);
                (201, made)
            }
            Method::DELETE => match shared.delete(id) {
                true => (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
                false => not_found(),
            },
            Method::PATCH => {
                let Some(old) = shared.objects.all.get(id).cloned() else { return not_found() };
                let old = Arc::unwrap_or_clone(old);
                let mut new = old.clone();
                let manager = query.split('&').find_map(|pair| pair.strip_prefix("fieldManager=")).unwrap_or_default();
                match headers.get("content-type").and_then(|value| value.to_str().ok()) {
                    Some("application/json-patch+json") => {
                        let patch: json_patch::Patch = serde_json::from_slice(body).unwrap();
                        if let Err(error) = json_patch::patch(&mut new, &patch) {
                            return failure(422, "Invalid", &error.to_string());
                        }
                    }
                    Some("application/merge-patch+json") => json_patch::merge(&mut new, &parse()),
                    Some("application/apply-patch+yaml") => {
                        let applied = parse();
                        if applied["metadata"]["uid"] != old["metadata"]["uid"] {
                            return failure(409, "Conflict", "the UID in the precondition does not match");
                        }
                        apply_data(&mut new, &applied, manager);
                    }
                    other => panic!("{other:?}"),
                }
                if new["metadata"]["resourceVersion"] != old["metadata"]["resourceVersion"] {
                    return failure(409, "Conflict", "the object has been modified");
                }
                // Each of the two writes only its own half.
                let status = if sub == "status" { new["status"].clone() } else { old["status"].clone() };
                let mut kept = if sub == "status" { old.clone() } else { new };
                kept["status"] = status;
                if kept["status"].is_null() {
                    kept.as_object_mut().unwrap().shift_remove("status");
                }
                if kept == old {
                    return (200, old);
                }
                let stored = shared.put(id, kept);
                let finalizers = stored.pointer("/metadata/finalizers").and_then(Value::as_array);
                if stored["metadata"]["deletionTimestamp"].is_string() && finalizers.is_none_or(Vec::is_empty) {
                    shared.remove(id);
                }
                (200, stored)
            }
            _ => panic!("{method} {id:?}"),
        }
    }
}

/// As a forced server-side apply does it, of `data` only: entries that this manager applied before and does not now go.
fn apply_data(object: &mut Value, applied: &Value, manager: &str) {
    let wanted = applied["data"].as_object().cloned().unwrap_or_default();
    let mut managers = object["metadata"]["managedFields"].as_array().cloned().unwrap_or_default();
    let before = managers.iter().position(|entry| entry["manager"] == manager).map(|index| managers.remove(index));
    let before = before.and_then(|entry| entry["fieldsV1"]["f:data"].as_object().cloned()).unwrap_or_default();
    let mut data = object["data"].as_object().cloned().unwrap_or_default();
    data.retain(|key, _| !before.contains_key(&format!("f:{key}")));
    data.extend(wanted.clone());
    let fields: serde_json::Map<_, _> = wanted.keys().map(|key| (format!("f:{key}"), json!({}))).collect();
    managers.push(json!({"manager": manager, "operation": "Apply", "apiVersion": "v1", "fieldsType": "FieldsV1",
        "fieldsV1": {"f:data": fields}}));
    object["data"] = Value::Object(data);
    object["metadata"]["managedFields"] = json!(managers);
}

fn respond(status: u16, lines: BoxStream<'static, String>) -> Response<UnsyncBoxBody<Bytes, Infallible>> {
    let frames = lines.map(|line| Ok(http_body::Frame::data(Bytes::from(line))));
    let response = Response::builder().status(status).header("content-type", "application/json");
    response.body(UnsyncBoxBody::new(StreamBody::new(frames))).unwrap()
}

/// The object of a path, and the subresource.
fn target(path: &str) -> (Id, String) {
    let segments: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let rest = if segments[0] == "api" { &segments[2..] } else { &segments[3..] };
    let at = |index: usize| rest.get(index).copied().unwrap_or_default().to_owned();
    match rest.first() {
        Some(&"namespaces") if rest.len() > 2 => ((at(2), at(1), at(3)), at(4)),
        _ => ((at(0), String::new(), at(1)), at(2)),
    }
}
