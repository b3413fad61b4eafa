//! The budget: every call to AWS waits until the quotas of its account, Region and API family have room for it (DESIGN
//! §4). What a user changed goes before the period's checks, and namespaces take turns. Throttled answers, which mean that
//! others use the same quotas, lower the rate; success raises it again, never over what AWS documents.

mod bucket;
mod caller;
mod client;
mod queue;
mod quotas;
mod turns;
mod words;

#[cfg(test)]
mod simulation;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

pub use caller::{Caller, Priority, Waiting};
pub(super) use client::{Permits, Room};
pub use queue::{Estimate, Limit, Line, Place};
pub use quotas::{Family, Quota};

/// Hears what the budget does, for metrics.
pub type Observer = Arc<dyn Fn(&Event<'_>) + Send + Sync>;

/// What the budget does.
#[derive(Debug)]
pub enum Event<'a> {
    /// A call got its permit.
    Waited {
        /// Whose quota.
        place: &'a Place,
        /// The operation.
        operation: &'a str,
        /// The class.
        priority: Priority,
        /// After how long.
        waited: Duration,
    },
    /// So many calls wait now.
    Waiting {
        /// For whose quota.
        place: &'a Place,
        /// How many.
        waiting: usize,
    },
    /// Throttling or success changed a rate.
    Rate {
        /// Whose quota.
        place: &'a Place,
        /// The operation; absent: all together.
        operation: Option<&'a str>,
        /// Calls a second.
        rate: f64,
    },
}

/// Whether calls wait for AWS's quotas.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Quotas {
    /// Where the AWSAccount has no `endpointUrl`: emulators have no quotas.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never: AWS throttles instead, and calls are repeated.
    Off,
}

/// By whose quotas they are, and at which endpoint.
type Lines = HashMap<(Place, Option<String>), Arc<Line>>;

/// The quotas of all accounts; one for the whole process.
pub struct Budget {
    quotas: Quotas,
    observer: Observer,
    lines: Mutex<Lines>,
}

impl Budget {
    /// One that is not used yet.
    pub fn new(quotas: Quotas, observer: Observer) -> Self {
        Self { quotas, observer, lines: Mutex::default() }
    }

    /// Where the calls of a family wait; `None` where they need not. Shared by all sessions of the account and Region at
    /// that endpoint.
    pub fn line(&self, account_id: &str, region: &str, endpoint: Option<&str>, family: Family) -> Option<Arc<Line>> {
        match (self.quotas, endpoint) {
            (Quotas::Off, _) | (Quotas::Auto, Some(_)) => return None,
            _ => {}
        }
        let region = if family.is_global() { "" } else { region };
        let place = Place { account_id: account_id.to_owned(), region: region.to_owned(), family };
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let line = lines
            .entry((place.clone(), endpoint.map(str::to_owned)))
            .or_insert_with(|| Line::new(place, Arc::clone(&self.observer)));
        Some(Arc::clone(line))
    }
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(Quotas::default(), Arc::new(|_| {}))
    }
}

impl fmt::Debug for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Budget").field("quotas", &self.quotas).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case(Quotas::Auto, None, true)]
    #[case(Quotas::Auto, Some("http://emulator"), false)]
    #[case(Quotas::Always, Some("http://emulator"), true)]
    #[case(Quotas::Off, None, false)]
    fn emulators_have_no_quotas(#[case] quotas: Quotas, #[case] endpoint: Option<&str>, #[case] waits: bool) {
        let budget = Budget::new(quotas, Arc::new(|_| {}));
        assert_eq!(budget.line("1", "eu-central-1", endpoint, Family::Iam).is_some(), waits);
    }

    #[test]
    fn quotas_are_shared_as_aws_counts_them() {
        let budget = Budget::default();
        let line = |account, region, family| budget.line(account, region, None, family).unwrap();
        let same = |a: &Arc<Line>, b: &Arc<Line>| Arc::ptr_eq(a, b);
        let api = line("1", "eu-central-1", Family::ApiGateway);
        assert!(same(&api, &line("1", "eu-central-1", Family::ApiGateway)));
        assert!(!same(&api, &line("1", "us-east-1", Family::ApiGateway)));
        assert!(!same(&api, &line("2", "eu-central-1", Family::ApiGateway)));
        let iam = line("1", "eu-central-1", Family::Iam);
        assert!(same(&iam, &line("1", "us-east-1", Family::Iam)));
        assert!(!same(&iam, &line("2", "us-east-1", Family::Iam)));
    }
}
