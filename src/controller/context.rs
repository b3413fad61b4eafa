//! What every reconcile needs.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Client;
use kube::runtime::events::Reporter;
use tokio::time::Instant;

use super::backoff::Backoff;
use super::brake::Brake;
use super::changes::Changes;
use super::coming::{Arrivals, Returns};
use super::creation::Creations;
use super::effects::Effects;
use super::stores::Stores;
use super::written::Written;
use crate::aws::Sessions;
use crate::identity::Cluster;
use crate::runtime::Metrics;

/// What the command line decides.
#[derive(Clone, Debug)]
pub struct Config {
    /// How often an object is compared with AWS although nothing changed.
    pub resync_period: Duration,
    /// How long a new or widened role is given until it is visible everywhere in AWS.
    pub propagation_wait: Duration,
    /// The time of day.
    pub clock: Clock,
}

/// Where the time of day is from that executions and deletions are measured by: the system's, or a test's own.
#[derive(Clone)]
pub struct Clock(Arc<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    /// Another one.
    pub fn of(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Arc::new(now))
    }

    /// Now.
    pub fn now(&self) -> Timestamp {
        (self.0)()
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::of(Timestamp::now)
    }
}

impl std::fmt::Debug for Clock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Clock({})", self.now())
    }
}

/// What every reconcile needs.
pub struct Context {
    /// The Kubernetes client.
    pub client: Client,
    /// The cluster.
    pub cluster: Cluster,
    /// What the command line decides.
    pub config: Config,
    /// Sessions with AWS.
    pub sessions: Arc<Sessions>,
    /// Objects as the watches have them.
    pub stores: Stores,
    /// Who writes events.
    pub reporter: Reporter,
    /// Attempts per object.
    pub backoff: Backoff,
    /// Holds deletions where there are too many.
    pub brake: Brake,
    /// Which process may create what AWS has no name for.
    pub creations: Arc<Creations>,
    /// What was written to AWS a moment ago.
    pub effects: Effects,
    /// What users wait for.
    pub changes: Changes,
    /// Routes that wait for what they refer to.
    pub arrivals: Arrivals,
    /// APIs that wait for routes which they serve already.
    pub returns: Returns,
    /// What was written and not seen yet.
    pub written: Written,
    /// The process's metrics.
    pub metrics: Arc<Metrics>,
    /// When roles were last widened by this process, and since when it widens any: until then another one may have.
    widened: Mutex<HashMap<String, Instant>>,
    begun: Instant,
}

impl Context {
    /// Of a process that has just begun.
    pub fn new(
        client: Client,
        cluster: Cluster,
        config: Config,
        sessions: Arc<Sessions>,
        stores: Stores,
        metrics: Arc<Metrics>,
    ) -> Self {
        Self {
            reporter: Reporter { controller: "stepgate".to_owned(), instance: std::env::var("HOSTNAME").ok() },
            client,
            cluster,
            config,
            sessions,
            stores,
            backoff: Backoff::default(),
            brake: Brake::default(),
            creations: Arc::default(),
            effects: Effects::default(),
            changes: Changes::default(),
            arrivals: Arrivals::default(),
            returns: Returns::default(),
            written: Written::default(),
            metrics,
            widened: Mutex::default(),
            begun: Instant::now(),
        }
    }

    /// Remembers that a role was widened now.
    pub fn role_widened(&self, name: &str) {
        self.widened_map().insert(name.to_owned(), Instant::now());
    }

    /// How long until what a role was last given is visible everywhere. What was deployed was waited for, also by another process.
    pub fn widening_settles_in(&self, name: &str, was_deployed: bool) -> Duration {
        let mut map = self.widened_map();
        let wait = self.config.propagation_wait;
        map.retain(|_, at| at.elapsed() < wait);
        let last = map.get(name).or((!was_deployed).then_some(&self.begun));
        last.map_or(Duration::ZERO, |at| wait.saturating_sub(at.elapsed()))
    }

    fn widened_map(&self) -> std::sync::MutexGuard<'_, HashMap<String, Instant>> {
        self.widened.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
