//! Every call that leaves the operator, to AWS and to Kubernetes, in one order: what goes wrong with it, and whose turn it
//! is.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::HttpRequest;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use rand::rngs::Xoshiro256PlusPlus;
use rand::{RngExt, SeedableRng};
use stepgate_testbed::memory::{Attempt, Fault, InProcess, Memory, Service, answer, throttled};
use tokio::sync::Notify;

/// What goes wrong with one call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wrong {
    /// It is done, and the answer is lost.
    Lost,
    /// It never arrives.
    Refused,
    /// Too many calls.
    Throttled,
    /// Status 500.
    Broken,
    /// Another change is under way.
    Busy,
    /// What it is about is not visible yet.
    Unseen,
    /// The process dies before the call leaves.
    DeadBefore,
    /// The process dies before it hears of the answer.
    DeadAfter,
}

/// One call.
pub struct Step<'a> {
    /// The number of the effect, from 1; 0 for calls that only read.
    pub effect: usize,
    /// What it does.
    pub what: &'a str,
    /// AWS before it, where AWS can be looked at from here.
    pub aws: Option<&'a Memory>,
}

type Hook = Box<dyn FnMut(&Step<'_>) -> Option<Wrong> + Send>;
type Watch = Box<dyn FnMut(&Attempt<'_>) + Send>;

#[derive(Default)]
struct Inner {
    effects: usize,
    hook: Option<Hook>,
    watch: Option<Watch>,
    dead: bool,
}

/// The order of all calls. Copies are one tape.
#[derive(Clone, Default)]
pub struct Tape {
    inner: Arc<Mutex<Inner>>,
    died: Arc<Notify>,
}

impl Tape {
    /// A tape of this AWS's calls; those to Kubernetes come with [`Server::client`](super::kubernetes::Server::client).
    pub fn of(aws: &InProcess) -> Self {
        let tape = Self::default();
        tape.listen(aws);
        tape
    }

    fn listen(&self, aws: &InProcess) {
        let tape = self.clone();
        aws.faults(move |attempt| {
            let call = attempt.call;
            if let Some(watch) = &mut tape.inner.lock().unwrap().watch {
                watch(&attempt);
            }
            let wrong = tape.step(call.mutates, &call.operation, Some(attempt.memory))?;
            Some(match wrong {
                Wrong::Lost => Fault::Lost,
                Wrong::Refused => Fault::Refused,
                Wrong::Throttled => Fault::Answer(throttled(call.service, 1)),
                Wrong::Broken => Fault::Answer(answer(call.service, 500, failure(call.service), "try again")),
                Wrong::Unseen if call.service == Service::ApiGateway => Fault::Answer(answer(
                    call.service,
                    404,
                    "NotFoundException",
                    "Invalid Resource identifier specified",
                )),
                Wrong::Busy | Wrong::Unseen => {
                    Fault::Answer(answer(call.service, 409, busy(call.service), "try again later"))
                }
                Wrong::DeadBefore => Fault::CrashBefore,
                Wrong::DeadAfter => Fault::CrashAfter,
            })
        });
    }

    /// Decides from now on what goes wrong.
    pub fn hook(&self, hook: impl FnMut(&Step<'_>) -> Option<Wrong> + Send + 'static) {
        self.inner.lock().unwrap().hook = Some(Box::new(hook));
    }

    /// Shows each call to AWS from now on, with AWS before it. It may not look at the tape.
    pub fn watch(&self, watch: impl FnMut(&Attempt<'_>) + Send + 'static) {
        self.inner.lock().unwrap().watch = Some(Box::new(watch));
    }

    /// Nothing goes wrong any more.
    pub fn calm(&self) {
        self.inner.lock().unwrap().hook = None;
    }

    /// A process that died is followed by another.
    pub fn revive(&self, aws: &InProcess) {
        self.inner.lock().unwrap().dead = false;
        self.listen(aws);
    }

    /// Waits for a death.
    pub async fn died(&self) {
        self.died.notified().await;
    }

    /// How many calls changed something.
    pub fn effects(&self) -> usize {
        self.inner.lock().unwrap().effects
    }

    fn step(&self, writes: bool, what: &str, aws: Option<&Memory>) -> Option<Wrong> {
        let mut inner = self.inner.lock().unwrap();
        if inner.dead {
            return Some(Wrong::DeadBefore);
        }
        inner.effects += usize::from(writes);
        let effect = if writes { inner.effects } else { 0 };
        // The hook may look at the tape's neighbours, but not at the tape.
        let mut hook = inner.hook.take()?;
        drop(inner);
        let wrong = hook(&Step { effect, what, aws });
        let mut inner = self.inner.lock().unwrap();
        inner.hook = Some(hook);
        if matches!(wrong, Some(Wrong::DeadBefore | Wrong::DeadAfter)) {
            inner.dead = true;
            self.died.notify_one();
        }
        wrong
    }

    /// A call to Kubernetes.
    pub fn kubernetes(&self, writes: bool, what: &str) -> Option<Wrong> {
        self.step(writes, what, None)
    }
}

fn failure(service: Service) -> &'static str {
    match service {
        Service::Iam | Service::Sts => "ServiceFailure",
        Service::States => "InternalFailure",
        Service::ApiGateway => "InternalServerErrorException",
        Service::Logs => "ServiceUnavailableException",
    }
}

/// Concurrent changes (AWS.md §2).
fn busy(service: Service) -> &'static str {
    match service {
        Service::Iam | Service::Sts => "ConcurrentModification",
        Service::States | Service::ApiGateway => "ConflictException",
        Service::Logs => "OperationAbortedException",
    }
}

/// Where a process waits before a call.
#[derive(Clone, Debug)]
pub enum Gate {
    /// For its turn, before each: in a race.
    Turn,
    /// For long, once.
    Sleep(Arc<Sleep>),
}

/// A process that is paused before something that it writes: others think that it is dead.
#[derive(Debug)]
pub struct Sleep {
    /// Writes until then.
    writes: AtomicUsize,
    pause: Duration,
    slept: AtomicBool,
    begun: Notify,
}

impl Sleep {
    /// After so many writes.
    pub fn after(writes: usize, pause: Duration) -> Arc<Self> {
        Arc::new(Self { writes: AtomicUsize::new(writes), pause, slept: AtomicBool::new(false), begun: Notify::new() })
    }

    /// Waits until it sleeps.
    pub async fn begun(&self) {
        self.begun.notified().await;
    }
}

impl Gate {
    /// Lets the others go first, if the dice say so, or while it sleeps.
    pub async fn pass(&self, writes: bool) {
        if let Self::Sleep(sleep) = self {
            if !writes {
                return;
            }
            let before = sleep.writes.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |writes| writes.checked_sub(1));
            if before.is_err() && !sleep.slept.swap(true, Ordering::SeqCst) {
                sleep.begun.notify_one();
                tokio::time::sleep(sleep.pause).await;
            }
            return;
        }
        let mut passed = false;
        poll_fn(|context| {
            if std::mem::replace(&mut passed, true) {
                return Poll::Ready(());
            }
            context.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }
}

/// AWS behind a gate.
#[derive(Clone, Debug)]
pub struct Gated(pub InProcess, pub Gate);

impl HttpClient for Gated {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Gated {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self(aws, gate) = self.clone();
        HttpConnectorFuture::new(async move {
            gate.pass(writes(&request)).await;
            aws.call(request).await
        })
    }
}

/// Whether a call to AWS changes something.
fn writes(request: &HttpRequest) -> bool {
    let target = request.headers().get("x-amz-target").and_then(|target| target.rsplit('.').next());
    let body = request.body().bytes().and_then(|body| std::str::from_utf8(body).ok()).unwrap_or_default();
    let action = || body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    let operation = if request.method() == "GET" { Some("Get") } else { target.or_else(action) };
    let reads = ["Get", "List", "Describe", "Validate", "AssumeRole"];
    !operation.is_some_and(|operation| reads.iter().any(|verb| operation.starts_with(verb)))
}

struct Woken {
    is: AtomicBool,
    parent: Mutex<Option<Waker>>,
}

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.is.store(true, Ordering::SeqCst);
        if let Some(parent) = self.parent.lock().unwrap().as_ref() {
            parent.wake_by_ref();
        }
    }
}

/// What a process does.
pub type Racer<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Runs several processes on one thread. Whose turn it is at each of their calls, dice decide; a seed replays exactly.
pub async fn race<T>(seed: u64, processes: Vec<Racer<'_, T>>) -> Vec<T> {
    let mut dice = Xoshiro256PlusPlus::seed_from_u64(seed);
    let new = || Arc::new(Woken { is: AtomicBool::new(true), parent: Mutex::new(None) });
    let mut racers: Vec<_> = processes.into_iter().map(|process| (Some(process), new(), None)).collect();
    poll_fn(move |context| {
        for (_, woken, _) in &racers {
            *woken.parent.lock().unwrap() = Some(context.waker().clone());
        }
        loop {
            let ready: VecDeque<usize> = (0..racers.len())
                .filter(|index| racers[*index].0.is_some() && racers[*index].1.is.load(Ordering::SeqCst))
                .collect();
            if ready.is_empty() {
                let done = racers.iter().all(|(process, ..)| process.is_none());
                return match done {
                    true => Poll::Ready(racers.iter_mut().filter_map(|(.., result)| result.take()).collect()),
                    false => Poll::Pending,
                };
            }
            let (process, woken, result) = &mut racers[ready[dice.random_range(0..ready.len())]];
            woken.is.store(false, Ordering::SeqCst);
            let waker = Waker::from(Arc::clone(woken));
            if let Some(Poll::Ready(done)) =
                process.as_mut().map(|one| one.as_mut().poll(&mut Context::from_waker(&waker)))
            {
                (*process, *result) = (None, Some(done));
            }
        }
    })
    .await
}
