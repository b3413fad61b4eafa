//! Stands before the emulator and answers chosen operations as AWS does and the emulator never would.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, Method, Response, StatusCode, Uri};
use futures::StreamExt;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A proxy on a port of its own; it lives in the runtime that started it.
pub struct Proxy {
    url: String,
    state: Arc<Inner>,
}

struct Inner {
    upstream: String,
    client: reqwest::Client,
    faults: Mutex<Vec<(Fault, usize)>>,
    dice: Mutex<Option<StdRng>>,
    seen: Mutex<Vec<String>>,
    assumed: Mutex<Vec<String>>,
    broken: AtomicUsize,
}

/// What happens to a call.
#[derive(Clone, Debug)]
pub enum Answer {
    /// An error of AWS, in the protocol of the service that was called.
    Error { status: u16, code: &'static str, message: &'static str, retry_after: Option<u32> },
    /// AWS does it, and the connection is cut before the answer is through.
    Lost,
    /// AWS says yes, and has not done it yet.
    Later { status: u16, body: &'static str },
}

#[derive(Clone, Debug)]
struct Fault {
    operation: &'static str,
    answer: Answer,
}

/// For faults that stay until they are lifted.
pub const ALWAYS: usize = usize::MAX;

impl Proxy {
    /// Before the emulator at this URL.
    pub async fn start(upstream: &str) -> Proxy {
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let state = Arc::new(Inner {
            upstream: upstream.to_owned(),
            client,
            faults: Mutex::default(),
            dice: Mutex::default(),
            seen: Mutex::default(),
            assumed: Mutex::default(),
            broken: AtomicUsize::default(),
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let router = Router::new().fallback(handle).with_state(Arc::clone(&state));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Proxy { url, state }
    }

    /// Its own URL.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Answers the next calls of an operation like this; `*` means every operation.
    pub fn inject(&self, operation: &'static str, times: usize, answer: Answer) {
        self.state.faults.lock().unwrap().push((Fault { operation, answer }, times));
    }

    /// From now on calls are slow, and one in five goes wrong in some way, as the dice say: throttled, 500, 503, refused,
    /// done and not answered, answered by half.
    pub fn shake(&self, seed: u64) {
        *self.state.dice.lock().unwrap() = Some(StdRng::seed_from_u64(seed));
    }

    /// How many calls went wrong as the dice said.
    pub fn broken(&self) -> usize {
        self.state.broken.load(Relaxed)
    }

    /// Lets everything through again.
    pub fn lift(&self) {
        *self.state.dice.lock().unwrap() = None;
        self.state.faults.lock().unwrap().clear();
    }

    /// The operations that were called, in order, whatever became of them.
    pub fn log(&self) -> Vec<String> {
        self.state.seen.lock().unwrap().clone()
    }

    /// What `AssumeRole` was answered: the secrets of each, its access key's and the session's token.
    pub fn assumed(&self) -> Vec<String> {
        let secrets = |answer: &String| {
            let within = |tag: &str| {
                let (_, rest) = answer.split_once(&format!("<{tag}>"))?;
                Some(rest.split_once('<')?.0.to_owned())
            };
            ["SecretAccessKey", "SessionToken"].map(|tag| within(tag).unwrap_or_else(|| panic!("no {tag}: {answer}")))
        };
        self.state.assumed.lock().unwrap().iter().flat_map(secrets).collect()
    }

    /// How many calls of an operation came.
    pub fn calls(&self, operation: &str) -> usize {
        self.log().iter().filter(|seen| *seen == operation).count()
    }
}

async fn handle(
    State(state): State<Arc<Inner>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response<Body> {
    let operation = operation(&method, &uri, &headers, &body);
    state.seen.lock().unwrap().push(operation.clone());
    let fault = {
        let mut faults = state.faults.lock().unwrap();
        let matching =
            |fault: &Fault| fault.operation == operation || (fault.operation == "*" && !operation.is_empty());
        let found = faults.iter_mut().find(|(fault, times)| *times > 0 && matching(fault));
        found.map(|(fault, times)| {
            *times = times.saturating_sub(usize::from(*times != ALWAYS));
            fault.answer.clone()
        })
    };
    let shaken = {
        let mut dice = state.dice.lock().unwrap();
        dice.as_mut().map(|dice| (dice.random_range(0..100u32), dice.random_range(0..150u64)))
    };
    if let Some((_, millis)) = shaken {
        tokio::time::sleep(Duration::from_millis(millis)).await;
    }
    let cut = || futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
    if shaken.is_some_and(|(face, _)| face < 20) {
        state.broken.fetch_add(1, Relaxed);
    }
    match shaken.map(|(face, _)| face) {
        Some(0..5) => return error(protocol(&headers), 429, "TooManyRequestsException", "Too Many Requests", Some(1)),
        Some(5..9) => return error(protocol(&headers), 500, "InternalFailure", "Internal error", None),
        Some(9..12) => return error(protocol(&headers), 503, "ServiceUnavailable", "Service Unavailable", None),
        Some(12..15) => return Response::builder().body(Body::from_stream(cut())).unwrap(),
        Some(15..20) => {
            let done = forward(&state, method, uri, headers, body).await;
            let (parts, body) = done.into_parts();
            let whole = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            let half = futures::stream::once(async move { Ok(whole.slice(..whole.len() / 2)) });
            return Response::from_parts(parts, Body::from_stream(half.chain(cut())));
        }
        _ => {}
    }
    match fault {
        Some(Answer::Error { status, code, message, retry_after }) => {
            error(protocol(&headers), status, code, message, retry_after)
        }
        Some(Answer::Lost) => {
            let done = forward(&state, method, uri, headers, body).await;
            assert!(done.status().is_success(), "{operation} was to be done: {}", done.status());
            let cut = futures::stream::once(async { Err::<Bytes, _>(std::io::Error::other("cut")) });
            Response::builder().status(done.status()).body(Body::from_stream(cut)).unwrap()
        }
        Some(Answer::Later { status, body }) => Response::builder().status(status).body(Body::from(body)).unwrap(),
        None if operation == "AssumeRole" => {
            let (parts, body) = forward(&state, method, uri, headers, body).await.into_parts();
            let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
            state.assumed.lock().unwrap().push(String::from_utf8_lossy(&body).into_owned());
            Response::from_parts(parts, Body::from(body))
        }
        None => forward(&state, method, uri, headers, body).await,
    }
}

async fn forward(state: &Inner, method: Method, uri: Uri, mut headers: HeaderMap, body: Bytes) -> Response<Body> {
    headers.remove("host");
    let url = format!("{}{}", state.upstream, uri.path_and_query().map_or("/", |it| it.as_str()));
    let sent = state.client.request(method, url).headers(headers).body(body).send().await;
    let Ok(answer) = sent else {
        return Response::builder().status(StatusCode::BAD_GATEWAY).body(Body::empty()).unwrap();
    };
    let mut response = Response::builder().status(answer.status());
    for (name, value) in answer.headers().iter().filter(|(name, _)| *name != "transfer-encoding") {
        response = response.header(name, value);
    }
    response.body(Body::from(answer.bytes().await.unwrap_or_default())).unwrap()
}

/// How a service speaks.
#[derive(Clone, Copy, PartialEq)]
enum Protocol {
    Json,
    Query,
    Rest,
}

fn protocol(headers: &HeaderMap) -> Protocol {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    match text("content-type") {
        _ if headers.contains_key("x-amz-target") => Protocol::Json,
        "application/x-www-form-urlencoded" => Protocol::Query,
        _ => Protocol::Rest,
    }
}

/// The name of an operation; empty for the call of a route.
fn operation(method: &Method, uri: &Uri, headers: &HeaderMap, body: &Bytes) -> String {
    if uri.path().starts_with("/_aws/") {
        return String::new();
    }
    match protocol(headers) {
        Protocol::Json => {
            let target = headers["x-amz-target"].to_str().unwrap_or_default();
            target.rsplit('.').next().unwrap_or_default().to_owned()
        }
        Protocol::Query => {
            let text = String::from_utf8_lossy(body);
            let action = text.split('&').find_map(|pair| pair.strip_prefix("Action=").map(str::to_owned));
            action.unwrap_or_default()
        }
        Protocol::Rest => rest_operation(method, uri.path()),
    }
}

/// Of API Gateway, as far as the tests name them; method and path for the others.
fn rest_operation(method: &Method, path: &str) -> String {
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let name = match (method.as_str(), parts.as_slice()) {
        ("POST", ["restapis"]) => "CreateRestApi",
        ("POST", ["restapis", _, "resources", _]) => "CreateResource",
        ("PUT", ["restapis", _, "resources", _, "methods", _]) => "PutMethod",
        ("PUT", ["restapis", _, "resources", _, "methods", _, "integration"]) => "PutIntegration",
        ("POST", ["restapis", _, "deployments"]) => "CreateDeployment",
        ("GET", ["restapis", _]) => "GetRestApi",
        ("DELETE", ["restapis", _]) => "DeleteRestApi",
        ("GET", ["restapis", _, "resources"]) => "GetResources",
        ("GET", ["restapis", _, "stages"]) => "GetStages",
        _ => return format!("{method} {path}"),
    };
    name.to_owned()
}

fn error(
    protocol: Protocol,
    status: u16,
    code: &'static str,
    message: &'static str,
    retry_after: Option<u32>,
) -> Response<Body> {
    let mut response = Response::builder().status(status).header("x-amzn-requestid", "e2e-0000-1111");
    if let Some(seconds) = retry_after {
        response = response.header("retry-after", seconds);
    }
    let json = |value: serde_json::Value| value.to_string();
    let (content_type, text) = match protocol {
        Protocol::Json => ("application/x-amz-json-1.0", json(serde_json::json!({"__type": code, "message": message}))),
        Protocol::Rest => {
            response = response.header("x-amzn-errortype", code);
            ("application/json", json(serde_json::json!({"message": message})))
        }
        Protocol::Query => {
            let xml = format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error>\
                 <RequestId>e2e-0000-1111</RequestId></ErrorResponse>"
            );
            ("text/xml", xml)
        }
    };
    response.header("content-type", content_type).body(Body::from(text)).unwrap()
}
