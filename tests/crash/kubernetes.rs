//! As much of an API server as the records of revisions need: ControllerRevisions, in memory.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex};

use http::{Method, Request, Response};
use kube::client::Body;
use serde_json::{Value, json};
use stepgate::records;
use stepgate::resources::deployment::Record;

/// ControllerRevisions by namespace and name.
#[derive(Clone, Default, PartialEq)]
pub struct Revisions(BTreeMap<String, Value>);

impl Revisions {
    pub fn shared(&self) -> Kubernetes {
        Kubernetes(Arc::new(Mutex::new(self.clone())))
    }

    /// Without what differs from one run to the next.
    pub fn essence(&self) -> Value {
        let record = |revision: &Value| {
            let mut data = revision["data"].clone();
            for id in ["restApiId", "deploymentId"] {
                data[id] = Value::Null;
            }
            data
        };
        Value::Object(self.0.iter().map(|(name, revision)| (name.clone(), record(revision))).collect())
    }
}

/// The API server.
#[derive(Clone)]
pub struct Kubernetes(Arc<Mutex<Revisions>>);

impl Kubernetes {
    pub fn snapshot(&self) -> Revisions {
        self.0.lock().unwrap().clone()
    }

    pub fn client(&self) -> kube::Client {
        let server = self.clone();
        let service = tower::service_fn(move |request: Request<Body>| {
            let server = server.clone();
            async move { Ok::<_, Infallible>(server.answer(request).await) }
        });
        kube::Client::new(service, "default")
    }

    /// The records of a RestAPI.
    pub fn records(&self, uid: &str) -> Vec<Record> {
        let all = self.snapshot();
        let mine = all.0.values().filter(|revision| revision["metadata"]["labels"][records::LABEL] == uid);
        mine.filter_map(|revision| records::read(&serde_json::from_value(revision.clone()).unwrap())).collect()
    }

    async fn answer(&self, request: Request<Body>) -> Response<Body> {
        let (parts, body) = request.into_parts();
        let body = body.collect_bytes().await.unwrap();
        let path = parts.uri.path().trim_start_matches("/apis/apps/v1/namespaces/").replace("/controllerrevisions", "");
        let mut revisions = self.0.lock().unwrap();
        let failure = |code: u16, reason: &str| {
            (
                code,
                json!({"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": reason, "message": reason, "code": code}),
            )
        };
        let (status, answer) = match parts.method {
            Method::POST => {
                let object: Value = serde_json::from_slice(&body).unwrap();
                let key = format!("{path}/{}", object["metadata"]["name"].as_str().unwrap());
                match revisions.0.contains_key(&key) {
                    true => failure(409, "AlreadyExists"),
                    false => {
                        revisions.0.insert(key, object.clone());
                        (201, object)
                    }
                }
            }
            Method::GET => match revisions.0.get(&path) {
                Some(found) => (200, found.clone()),
                None => failure(404, "NotFound"),
            },
            Method::DELETE => match revisions.0.remove(&path) {
                Some(_) => (200, json!({"kind": "Status", "apiVersion": "v1", "status": "Success"})),
                None => failure(404, "NotFound"),
            },
            other => panic!("{other} {path}"),
        };
        let response = Response::builder().status(status).header("content-type", "application/json");
        response.body(Body::from(answer.to_string().into_bytes())).unwrap()
    }
}
