//! What somebody changed in AWS: repaired and told, or only told (`driftPolicy`).

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;

use super::publish::{State, now};
use crate::api::{Drift, DriftPolicy};
use crate::plan::Plan;
use crate::resources::Step;

/// The drifts that one reconcile meets.
pub(super) struct Drifts {
    policy: DriftPolicy,
    repaired: Option<String>,
}

impl Drifts {
    /// None so far.
    pub fn new(policy: DriftPolicy) -> Self {
        Self { policy, repaired: None }
    }

    /// Meets a plan although AWS was in order before. Where it is only reported, answers how the object stands.
    pub fn meet(&mut self, plan: &Plan<Step>, last: &mut Option<Drift>) -> Option<State> {
        let summary = plan.summary();
        if self.policy == DriftPolicy::Correct {
            self.add(&summary);
            return None;
        }
        // The time is that of the first look that found it.
        if last.as_ref().is_none_or(|drift| drift.summary != summary) {
            *last = Some(Drift { time: Time(now()), summary: summary.clone() });
        }
        Some(State::Drifted(format!("AWS was changed, and driftPolicy Report leaves it; without that: {summary}")))
    }

    /// Whether any is being repaired.
    pub fn any(&self) -> bool {
        self.repaired.is_some()
    }

    /// Notes what was repaired, once nothing is left to do.
    pub fn note(self, last: &mut Option<Drift>) {
        if let Some(summary) = self.repaired {
            *last = Some(Drift { time: Time(now()), summary });
        }
    }

    /// Adds what one pass repairs to what the passes before it did: somebody may go on changing AWS meanwhile.
    fn add(&mut self, summary: &str) {
        const LONGEST: usize = 1024;
        let all = match &self.repaired {
            None => summary.to_owned(),
            Some(before) => format!("{before}; then {summary}"),
        };
        self.repaired = Some(all.chars().take(LONGEST).collect());
    }
}
