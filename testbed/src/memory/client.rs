//! The AWS in memory as the SDK's HTTP client, in process, with faults at the connector.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::Value;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::wire::{self, Call, Refusal, Request, Response, Service};
use super::{Memory, Settings};

/// What goes wrong with one call.
#[derive(Clone, Debug)]
pub enum Fault {
    /// The connection is refused: nothing happens in AWS.
    Refused,
    /// AWS does it, and the connection is reset before the answer is there.
    Lost,
    /// AWS does nothing and answers this.
    Answer(Response),
    /// The process dies before the request leaves: the call never ends, nor does any after it.
    CrashBefore,
    /// AWS does it, and the process dies before it hears of it.
    CrashAfter,
}

/// A call that is about to leave the process.
#[derive(Clone, Copy, Debug)]
pub struct Attempt<'a> {
    /// What it asks for.
    pub call: &'a Call,
    /// As it leaves.
    pub request: &'a Request,
    /// The number of its effect: calls that change something are counted from 1, each attempt for itself; 0 for calls
    /// that only read.
    pub effect: usize,
    /// The cloud as it is before.
    pub memory: &'a Memory,
}

impl Attempt<'_> {
    /// What its body says: a form as a tree, or JSON; null where it is neither.
    pub fn input(&self) -> Value {
        match self.call.service {
            Service::Iam | Service::Sts => wire::form(self.request.body()),
            _ => wire::json(self.request.body()).unwrap_or_default(),
        }
    }

    /// A path's segments, decoded.
    pub fn path(&self) -> Vec<String> {
        wire::Path::of(self.request).segments().into_iter().map(str::to_owned).collect()
    }

    /// All values of a query parameter.
    pub fn query(&self, name: &str) -> Vec<String> {
        wire::Path::of(self.request).all(name).map(str::to_owned).collect()
    }
}

/// Decides what goes wrong.
type Hook = Box<dyn FnMut(Attempt<'_>) -> Option<Fault> + Send>;

/// The AWS in memory behind an SDK. Copies share one cloud.
#[derive(Clone)]
pub struct InProcess {
    shared: Arc<Mutex<Shared>>,
    crashed: Arc<Notify>,
}

struct Shared {
    memory: Memory,
    /// Until when the cloud's clock has followed tokio's, which a test may pause.
    followed: Instant,
    hook: Option<Hook>,
    effects: usize,
    dead: bool,
}

impl InProcess {
    /// Puts a cloud behind an SDK, within a tokio runtime: its clock goes on with tokio's.
    pub fn new(memory: Memory) -> Self {
        let shared = Shared { memory, followed: Instant::now(), hook: None, effects: 0, dead: false };
        Self { shared: Arc::new(Mutex::new(shared)), crashed: Arc::new(Notify::new()) }
    }

    /// For `Config::builder().http_client(…)`.
    pub fn http_client(&self) -> SharedHttpClient {
        SharedHttpClient::new(self.clone())
    }

    /// Lets a function decide what goes wrong, from the first effect on: effects are counted anew, and a process that
    /// died lives again.
    pub fn faults(&self, hook: impl FnMut(Attempt<'_>) -> Option<Fault> + Send + 'static) {
        let mut shared = self.lock();
        (shared.effects, shared.dead) = (0, false);
        shared.hook = Some(Box::new(hook));
    }

    /// One fault, at the effect of this number.
    pub fn fault_at(&self, effect: usize, fault: Fault) {
        self.faults(move |attempt| (attempt.effect == effect).then(|| fault.clone()));
    }

    /// Nothing goes wrong any more; effects are counted anew.
    pub fn heal(&self) {
        self.faults(|_| None);
    }

    /// How many effects there were since [`InProcess::faults`] or [`InProcess::heal`].
    pub fn effects(&self) -> usize {
        self.lock().effects
    }

    /// Waits for the process to die of [`Fault::CrashBefore`] or [`Fault::CrashAfter`].
    pub async fn crashed(&self) {
        self.crashed.notified().await;
    }

    /// Looks at the cloud, or changes it.
    pub fn with<T>(&self, look: impl FnOnce(&mut Memory) -> T) -> T {
        let mut shared = self.lock();
        shared.tick();
        look(&mut shared.memory)
    }

    /// Answers one request when that is done, with whatever goes wrong: `None` where the answer never comes.
    pub(super) async fn answer(&self, request: &Request) -> Option<Result<Response, ConnectorError>> {
        let takes = self.lock().memory.takes(request);
        let answer = self.answer_at_once(request)?;
        if answer.as_ref().is_ok_and(|answer| answer.status().is_success()) && !takes.is_zero() {
            tokio::time::sleep(takes).await;
        }
        Some(answer)
    }

    fn answer_at_once(&self, request: &Request) -> Option<Result<Response, ConnectorError>> {
        let mut shared = self.lock();
        shared.tick();
        if shared.dead {
            return None;
        }
        let fault = shared.fault(request);
        let crash = |shared: &mut Shared| {
            shared.dead = true;
            self.crashed.notify_one();
            None
        };
        match fault {
            None => Some(Ok(shared.memory.handle(request))),
            Some(Fault::Refused) => Some(Err(ConnectorError::io("connection refused".into()))),
            Some(Fault::Lost) => {
                shared.memory.handle(request);
                Some(Err(ConnectorError::io("connection reset".into())))
            }
            Some(Fault::Answer(response)) => Some(Ok(response)),
            Some(Fault::CrashBefore) => crash(&mut shared),
            Some(Fault::CrashAfter) => {
                shared.memory.handle(request);
                crash(&mut shared)
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Shared {
    fn tick(&mut self) {
        let now = Instant::now();
        self.memory.advance(now - std::mem::replace(&mut self.followed, now));
    }

    fn fault(&mut self, request: &Request) -> Option<Fault> {
        let Memory { settings: Settings { account, .. }, keys, .. } = &self.memory;
        let call = wire::identify(request, account, keys).ok()?;
        self.effects += usize::from(call.mutates);
        let effect = if call.mutates { self.effects } else { 0 };
        self.hook.as_mut()?(Attempt { call: &call, request, effect, memory: &self.memory })
    }
}

/// An error answer of a service, to inject.
pub fn answer(service: Service, status: u16, code: &str, message: &str) -> Response {
    Refusal::new(status, code, message).into_response(Some(service), "injected")
}

/// The answer to too many calls; API Gateway's says after how many seconds to come again.
pub fn throttled(service: Service, seconds: u64) -> Response {
    Refusal::throttled(service, seconds).into_response(Some(service), "injected")
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("InProcess")
    }
}

impl HttpClient for InProcess {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let client = self.clone();
        HttpConnectorFuture::new(async move {
            let request = request.try_into_http1x().map_err(|error| ConnectorError::user(error.into()))?;
            let request = request.map(|body| body.bytes().unwrap_or_default().to_vec());
            let Some(answer) = client.answer(&request).await else { return std::future::pending().await };
            let response = answer?.map(SdkBody::from);
            HttpResponse::try_from(response).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}
