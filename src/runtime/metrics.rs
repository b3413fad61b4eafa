//! Metrics in Prometheus' text form. No label holds an object's name.

use std::sync::Mutex;
use std::time::Duration;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::Registry;

use crate::aws::Outcome;

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

/// The process's metrics.
pub struct Metrics {
    registry: Mutex<Registry>,
    aws_calls: Family<AwsCall, Counter>,
    reconciles: Family<Reconcile, Counter>,
    seconds: Family<Kind, Histogram, fn() -> Histogram>,
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
        Self { registry: Mutex::new(registry), aws_calls, reconciles, seconds }
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

    /// All of them as text.
    pub fn text(&self) -> String {
        let mut buffer = String::new();
        let registry = self.registry.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        // Writing into a String fails never.
        let _ = text::encode(&mut buffer, &registry);
        buffer
    }
}
