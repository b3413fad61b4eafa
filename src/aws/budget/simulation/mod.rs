//! The budget under load, on the virtual clock: no network, only who waits for what. `STEPGATE_SIMULATION=full` runs the
//! sizes of issue 4: 1,000 APIs and 50,000 machines.

mod aws;
mod calls;
mod scenarios;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use calls::{Call, new_api, new_machine, one_line};
use tokio::time::Instant;

use super::{Budget, Caller, Event, Family, Line, Place, Priority, Quotas};

/// How long AWS takes to answer.
const LATENCY: Duration = Duration::from_millis(50);

/// Every permit that was given.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<Permit>>>);

struct Permit {
    place: Place,
    operation: String,
    at: Instant,
    priority: Priority,
    waited: Duration,
}

impl Log {
    pub fn budget(&self) -> Arc<Budget> {
        let log = self.clone();
        let observer = move |event: &Event<'_>| {
            if let Event::Waited { place, operation, priority, waited } = event {
                log.0.lock().unwrap().push(Permit {
                    place: (*place).clone(),
                    operation: (*operation).to_owned(),
                    at: Instant::now(),
                    priority: *priority,
                    waited: *waited,
                });
            }
        };
        Arc::new(Budget::new(Quotas::Always, Arc::new(observer)))
    }

    /// How many permits were given, and the longest wait for one of a class.
    pub fn figures(&self, priority: Priority) -> (usize, Duration) {
        let permits = self.0.lock().unwrap();
        let of_class = permits.iter().filter(|permit| permit.priority == priority);
        of_class.fold((0, Duration::ZERO), |(count, longest), permit| (count + 1, longest.max(permit.waited)))
    }

    /// Holds every permit to what AWS documents, in every window of time.
    ///
    /// # Panics
    /// With the quota that was exceeded.
    pub fn assert_no_quota_exceeded(&self) {
        for ((place, operation), times) in self.times() {
            let Some(limit) = aws::limit(place.family, operation.as_deref()) else { continue };
            assert!(limit.holds(&times), "{place:?}: {operation:?} exceeds {limit:?}");
        }
    }

    /// The least time in which AWS would have taken these calls, over all accounts.
    pub fn least_time(&self) -> Duration {
        let least = |((place, operation), times): ((Place, Option<String>), Vec<f64>)| {
            let limit = aws::limit(place.family, operation.as_deref())?;
            Some(limit.least_seconds(times.len()))
        };
        Duration::from_secs_f64(self.times().into_iter().filter_map(least).fold(0.0, f64::max))
    }

    /// The seconds at which calls were made: for each operation, and for all of a family together.
    fn times(&self) -> BTreeMap<(Place, Option<String>), Vec<f64>> {
        let permits = self.0.lock().unwrap();
        let Some(start) = permits.first().map(|permit| permit.at) else { return BTreeMap::new() };
        let mut times: BTreeMap<_, Vec<f64>> = BTreeMap::new();
        for permit in permits.iter() {
            let at = (permit.at - start).as_secs_f64();
            times.entry((permit.place.clone(), None)).or_default().push(at);
            times.entry((permit.place.clone(), Some(permit.operation.clone()))).or_default().push(at);
        }
        times
    }
}

/// Makes the calls of one object, one after the other; answers how long it took.
pub async fn carry_out(budget: &Budget, account: &str, caller: &Caller, calls: Vec<Call>) -> Duration {
    let started = Instant::now();
    for (family, operation) in calls {
        line(budget, account, family).permit(operation, caller).await;
        tokio::time::sleep(LATENCY).await;
    }
    started.elapsed()
}

pub fn line(budget: &Budget, account: &str, family: Family) -> Arc<Line> {
    budget.line(account, "eu-central-1", None, family).unwrap()
}
