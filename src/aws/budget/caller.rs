//! Who makes a call: known where a reconcile begins, needed where its calls wait.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::queue::{Estimate, Line, Ticket};
use super::quotas::Family;

/// Whose calls go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// A user changed something and waits for it.
    User,
    /// The period's check, which nobody waits for.
    Resync,
}

impl Priority {
    /// For a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Resync => "resync",
        }
    }
}

tokio::task_local! {
    static CALLER: Caller;
}

/// Who makes the calls of one reconcile, and how long they have waited.
#[derive(Clone, Debug)]
pub struct Caller {
    pub(super) priority: Priority,
    pub(super) namespace: Arc<str>,
    /// Callers are numbered: who began first ends first.
    pub(super) number: u64,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Debug, Default)]
struct Progress {
    waited: Duration,
    waiting: Option<(Arc<Line>, Ticket)>,
}

/// A call that waits.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    /// The operation.
    pub operation: String,
    /// The API family.
    pub family: Family,
    /// How long calls of the same caller have waited, this one included.
    pub waited: Duration,
    /// How long it has to wait on, and why.
    pub estimate: Estimate,
}

impl Caller {
    /// One whose calls have not waited yet.
    pub fn new(priority: Priority, namespace: &str) -> Self {
        static CALLERS: AtomicU64 = AtomicU64::new(0);
        let number = CALLERS.fetch_add(1, Ordering::Relaxed);
        Self { priority, namespace: namespace.into(), number, progress: Arc::default() }
    }

    /// Makes all calls to AWS inside of `work` calls of this caller.
    pub async fn scope<T>(&self, work: impl Future<Output = T>) -> T {
        CALLER.scope(self.clone(), work).await
    }

    /// The caller whose scope this is; outside of any, a check of nobody's.
    pub fn current() -> Self {
        CALLER.try_with(Self::clone).unwrap_or_else(|_| Self::new(Priority::Resync, ""))
    }

    /// Its class.
    pub fn priority(&self) -> Priority {
        self.priority
    }

    /// The call that waits now.
    pub fn waiting(&self) -> Option<Waiting> {
        let (waited, (line, ticket)) = {
            let progress = self.lock();
            (progress.waited, progress.waiting.clone()?)
        };
        let estimate = line.estimate(&ticket)?;
        let waited = waited + ticket.since.elapsed();
        Some(Waiting { operation: ticket.operation, family: line.family(), waited, estimate })
    }

    pub(super) fn begins(&self, line: Arc<Line>, ticket: Ticket) {
        self.lock().waiting = Some((line, ticket));
    }

    pub(super) fn ends(&self, waited: Duration) {
        let mut progress = self.lock();
        progress.waiting = None;
        progress.waited += waited;
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
