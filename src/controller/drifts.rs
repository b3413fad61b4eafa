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
        let summary = cut(&plan.summary());
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
        let all = match &self.repaired {
            None => summary.to_owned(),
            Some(before) => format!("{before}; then {summary}"),
        };
        self.repaired = Some(cut(&all));
    }
}

/// As long as the status takes it.
fn cut(summary: &str) -> String {
    const LONGEST: usize = 1024;
    summary.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::{Patch, PatchOp, rest_api};

    #[test]
    fn a_long_summary_is_told_as_far_as_the_status_takes_it() {
        let add = |number| Patch {
            op: PatchOp::Add,
            path: format!("/binaryMediaTypes/application~1x-{number}"),
            value: None,
        };
        let types = (0..100).map(add);
        let mut plan = Plan::default();
        plan.add(Step::RestApi(rest_api::Step::Update { id: "a".into(), patches: types.collect() }), []);
        assert!(plan.summary().len() > 1024);
        let (mut last, mut drifts) = (None, Drifts::new(DriftPolicy::Report));
        assert!(drifts.meet(&plan, &mut last).is_some());
        let first = last.clone().unwrap();
        assert_eq!(first.summary.chars().count(), 1024);
        assert!(drifts.meet(&plan, &mut last).is_some());
        assert_eq!(last, Some(first), "the time is that of the first look");
    }
}
