//! Routes that change together are deployed together: a RestAPI is not looked at while its routes are being applied.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::Instant;

use crate::identity::Key;

/// So long none of an API's routes has changed when they are deployed. A sync of Argo CD, like `kubectl apply`, writes
/// them one by one, many in a second.
const QUIET: Duration = Duration::from_secs(1);

/// So long one team's changes can hold up the others' of an API.
const LONGEST: Duration = Duration::from_secs(20);

/// The APIs whose routes are changing.
#[derive(Clone, Default)]
pub struct Bursts(Arc<Mutex<HashMap<Key, Burst>>>);

#[derive(Clone, Copy)]
struct Burst {
    first: Instant,
    last: Instant,
}

impl Bursts {
    /// Notes that a route of this API changed.
    pub fn changed(&self, api: &Key, now: Instant) {
        let mut bursts = self.lock();
        // Of APIs that nobody asks about, because they are not there.
        bursts.retain(|_, burst| now.duration_since(burst.last) < LONGEST);
        bursts.entry(api.clone()).or_insert(Burst { first: now, last: now }).last = now;
    }

    /// How long to wait for more; `None` when it is over, and the next change begins another.
    pub fn ends_in(&self, api: &Key, now: Instant) -> Option<Duration> {
        let mut bursts = self.lock();
        let burst = *bursts.get(api)?;
        let left = (burst.last + QUIET).min(burst.first + LONGEST).saturating_duration_since(now);
        if left.is_zero() {
            bursts.remove(api);
            return None;
        }
        Some(left)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Burst>> {
        // A panic elsewhere cannot leave an entry half written.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Duration = Duration::from_millis(200);

    #[test]
    fn it_ends_when_nothing_changes_for_a_while() {
        let (bursts, api, start) = (Bursts::default(), Key::new("demo", "api"), Instant::now());
        assert_eq!(bursts.ends_in(&api, start), None);
        for change in 0..10 {
            let now = start + change * STEP;
            bursts.changed(&api, now);
            assert_eq!(bursts.ends_in(&api, now), Some(QUIET));
        }
        let last = start + 9 * STEP;
        assert_eq!(bursts.ends_in(&api, last + STEP), Some(QUIET - STEP));
        assert_eq!(bursts.ends_in(&Key::new("demo", "other"), last), None);
        assert_eq!(bursts.ends_in(&api, last + QUIET), None);
        // Over: another one begins.
        bursts.changed(&api, last + QUIET);
        assert_eq!(bursts.ends_in(&api, last + QUIET), Some(QUIET));
    }

    #[test]
    fn whoever_never_stops_does_not_hold_up_the_others() {
        let (bursts, api, start) = (Bursts::default(), Key::new("demo", "api"), Instant::now());
        let ended = (0..1000).map(|change| start + change * STEP).find(|now| {
            bursts.changed(&api, *now);
            bursts.ends_in(&api, *now).is_none()
        });
        assert_eq!(ended, Some(start + LONGEST));
    }
}
