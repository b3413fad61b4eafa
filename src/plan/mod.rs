//! A plan: typed steps with dependencies, in an order that respects them, readable as text and JSON. It knows no
//! particular resource.

use std::collections::BTreeSet;
use std::fmt::Display;

use serde::Serialize;

/// Identifies a step within its plan.
pub type StepId = usize;

/// A step and what must have succeeded before it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned<S> {
    /// The step.
    #[serde(flatten)]
    pub step: S,
    /// Steps that must have succeeded first.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub after: BTreeSet<StepId>,
}

/// Steps in an order in which every step comes after what it depends on.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(transparent)]
pub struct Plan<S> {
    steps: Vec<Planned<S>>,
}

impl<S> Default for Plan<S> {
    fn default() -> Self {
        Self { steps: Vec::new() }
    }
}

impl<S> Plan<S> {
    /// Adds a step after others, which must already be in the plan.
    pub fn add(&mut self, step: S, after: impl IntoIterator<Item = StepId>) -> StepId {
        let id = self.steps.len();
        let after: BTreeSet<_> = after.into_iter().collect();
        debug_assert!(after.iter().all(|before| *before < id));
        self.steps.push(Planned { step, after });
        id
    }

    /// Adds steps one after the other, the first after others; answers with all their ids.
    pub fn chain(&mut self, steps: impl IntoIterator<Item = S>, after: &[StepId]) -> Vec<StepId> {
        let mut ids: Vec<StepId> = Vec::new();
        for step in steps {
            let before: Vec<_> = ids.last().copied().into_iter().chain(after.iter().copied()).collect();
            ids.push(self.add(step, before));
        }
        ids
    }

    /// The same without some steps: what came after one of them comes after what that came after.
    pub fn without(self, mut is_left_out: impl FnMut(&S) -> bool) -> Self {
        let mut plan = Self::default();
        // What each step has become.
        let mut became: Vec<BTreeSet<StepId>> = Vec::new();
        for Planned { step, after } in self.steps {
            let after: BTreeSet<StepId> = after.iter().flat_map(|id| became[*id].clone()).collect();
            let left_out = is_left_out(&step);
            became.push(if left_out { after } else { BTreeSet::from([plan.add(step, after)]) });
        }
        plan
    }

    /// Whether there is nothing to do.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty()
    }

    /// How many steps there are.
    pub fn len(&self) -> usize {
        self.steps.len()
    }

    /// The steps in order.
    pub fn steps(&self) -> &[Planned<S>] {
        &self.steps
    }
}

impl<S: Display> Plan<S> {
    /// For a status or an event: at most three steps, then how many more.
    pub fn summary(&self) -> String {
        const SHOWN: usize = 3;
        let shown: Vec<_> = self.steps.iter().take(SHOWN).map(|planned| planned.step.to_string()).collect();
        match self.steps.len().saturating_sub(SHOWN) {
            0 => shown.join("; "),
            more => format!("{}; and {more} more", shown.join("; ")),
        }
    }
}

/// One line a step.
impl<S: Display> Display for Plan<S> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for planned in &self.steps {
            writeln!(f, "  {}", planned.step)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_keeps_its_order_and_what_it_waits_for() {
        let mut plan = Plan::default();
        let role = plan.add("role", []);
        let ids = plan.chain(["resource", "method"], &[role]);
        assert_eq!(plan.steps()[ids[1]].after, BTreeSet::from([role, ids[0]]));
    }

    #[test]
    fn what_is_left_out_hands_on_what_it_waited_for() {
        let mut plan = Plan::default();
        plan.chain(["a", "b", "c"], &[]);
        plan.add("d", [1]);
        let plan = plan.without(|step| *step == "b");
        let left: Vec<_> = plan.steps().iter().map(|planned| (planned.step, planned.after.clone())).collect();
        assert_eq!(left, [("a", BTreeSet::new()), ("c", BTreeSet::from([0])), ("d", BTreeSet::from([0]))]);
    }

    #[test]
    fn a_long_plan_is_summed_up() {
        let mut plan = Plan::default();
        plan.chain(["a", "b", "c", "d", "e"], &[]);
        assert_eq!(plan.summary(), "a; b; c; and 2 more");
    }
}
