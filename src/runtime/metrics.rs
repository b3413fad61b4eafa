//! Metrics in Prometheus' text form. No label holds an object's name.

use std::sync::Mutex;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::aws::Outcome;
use crate::aws::budget::{Event, Place};

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct AwsCall {
    service: String,
    operation: String,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Reconcile {
    kind: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Wait {
    family: &'static str,
    operation: String,
    class: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Queue {
    account: String,
    region: String,
    family: &'static str,
}

#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct Rate {
    account: String,
    region: String,
    family: &'static str,
    /// `all` for all together.
    operation: String,
}

/// The process's metrics.
pub struct Metrics {
    registry: Mutex<Registry>,
    aws_calls: Family<AwsCall, Counter>,
    reconciles: Family<Reconcile, Counter>,
    seconds: Family<Kind, Histogram, fn() -> Histogram>,
    waits: Family<Wait, Histogram, fn() -> Histogram>,
    waiting: Family<Queue, Gauge>,
    rates: Family<Rate, Gauge<f64, AtomicU64>>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut registry = Registry::with_prefix("stepgate");
        let aws_calls = Family::default();
        registry.register("aws_calls", "Calls to AWS, retries included", aws_calls.clone());
        let reconciles = Family::default();
        registry.register("reconciles", "Reconciles by kind", reconciles.clone());
        let seconds =
            Family::new_with_constructor((|| Histogram::new(exponential_buckets(0.005, 2.5, 10))) as fn() -> Histogram);
        registry.register("reconcile_duration_seconds", "How long reconciles take", seconds.clone());
        let waits =
            Family::new_with_constructor((|| Histogram::new(exponential_buckets(0.1, 3.0, 9))) as fn() -> Histogram);
        registry.register("aws_quota_wait_seconds", "How long calls to AWS wait for its quotas", waits.clone());
        let waiting = Family::default();
        registry.register("aws_quota_waiting", "Calls that wait for AWS's quotas", waiting.clone());
        let rates = Family::default();
        registry.register(
            "aws_quota_rate",
            "Calls a second that are made at most, where AWS's throttling or its end changed it",
            rates.clone(),
        );
        Self { registry: Mutex::new(registry), aws_calls, reconciles, seconds, waits, waiting, rates }
    }
}

impl Metrics {
    /// One attempt of a call to AWS.
    pub fn aws_call(&self, service: &str, operation: &str, outcome: Outcome) {
        let outcome = match outcome {
            Outcome::Ok => "ok",
            Outcome::Error => "error",
        };
        let call = AwsCall { service: service.to_owned(), operation: operation.to_owned(), outcome };
        self.aws_calls.get_or_create(&call).inc();
    }

    /// One reconcile.
    pub fn reconciled(&self, kind: &'static str, took: Duration, failed: bool) {
        let outcome = if failed { "error" } else { "ok" };
        self.reconciles.get_or_create(&Reconcile { kind, outcome }).inc();
        self.seconds.get_or_create(&Kind { kind }).observe(took.as_secs_f64());
    }

    /// What the budget does.
    pub fn budget(&self, event: &Event<'_>) {
        let queue = |place: &Place| Queue {
            account: place.account_id.clone(),
            region: place.region.clone(),
            family: place.family.name(),
        };
        match event {
            Event::Waited { place, operation, priority, waited } => {
                let wait =
                    Wait { family: place.family.name(), operation: (*operation).to_owned(), class: priority.name() };
                self.waits.get_or_create(&wait).observe(waited.as_secs_f64());
            }
            Event::Waiting { place, waiting } => {
                self.waiting.get_or_create(&queue(place)).set(i64::try_from(*waiting).unwrap_or(i64::MAX));
            }
            Event::Rate { place, operation, rate } => {
                let Queue { account, region, family } = queue(place);
                let operation = operation.unwrap_or("all").to_owned();
                self.rates.get_or_create(&Rate { account, region, family, operation }).set(*rate);
            }
        }
    }

    /// All of them as text.
    pub fn text(&self) -> String {
        let mut buffer = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Writing into a String fails never.
        let _ = text::encode(&mut buffer, &registry);
        buffer
    }
}
