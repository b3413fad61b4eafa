//! The loop of every reconcile: look, plan, apply, and look again until nothing is left to do.

use std::fmt::Display;

use crate::api::conditions::reasons;
use crate::plan::Plan;
use crate::problem::Problem;

/// The passes of one reconcile. A plan's own changes can bring others; more passes than `most`, or one plan twice, mean that
/// AWS does not show yet what was done, or that AWS and the manifest do not settle.
pub(super) struct Passes {
    left: usize,
    last: Option<String>,
    unseen: Problem,
}

impl Passes {
    /// Towards what the manifest asks.
    pub fn at_most(most: usize) -> Self {
        Self::new(most, reasons::PROGRESSING, "AWS does not show the last change yet")
    }

    /// Towards nothing: a deletion of every object, and one more look at what it brought to light.
    pub fn of_deletion() -> Self {
        Self::new(4, reasons::DELETING, "AWS does not show the deletion yet")
    }

    fn new(most: usize, reason: &'static str, unseen: &str) -> Self {
        Self { left: most, last: None, unseen: Problem::waiting(reason, unseen) }
    }

    /// Whether no plan was carried out yet.
    pub fn none_yet(&self) -> bool {
        self.last.is_none()
    }

    /// Before a plan is carried out.
    ///
    /// # Errors
    /// It was carried out just now, or there were too many.
    pub fn begin<S: Display>(&mut self, plan: &Plan<S>) -> Result<(), Problem> {
        let plan = Some(plan.to_string());
        if self.left == 0 || self.last == plan {
            return Err(self.unseen.clone());
        }
        self.left -= 1;
        self.last = plan;
        Ok(())
    }
}
