//! How long to wait before an object is tried again. The controller's error policy never hears of success, so the
//! attempts are counted here.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::identity::Key;

const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(300);

/// So many attempts are made at what should pass within minutes; then it is looked at less and less often.
const PATIENCE: u32 = 30;

/// Attempts per object since the last success.
#[derive(Default)]
pub struct Backoff(Mutex<HashMap<(&'static str, Key), u32>>);

impl Backoff {
    /// The next wait: 1 s, 2 s, 4 s … up to `longest`, and after 30 attempts beyond it; 5 minutes at most. Each is up to a
    /// quarter shorter by chance.
    pub fn next(&self, kind: &'static str, key: &Key, longest: Duration) -> Duration {
        let mut attempts = self.lock();
        let count = attempts.entry((kind, key.clone())).or_default();
        let longest = longest.saturating_mul(1 << (count.saturating_sub(PATIENCE) / 3).min(10));
        let wait = FIRST.saturating_mul(1 << (*count).min(10)).min(longest).min(LONGEST);
        *count = count.saturating_add(1);
        jittered(wait)
    }

    /// Whether an object is tried again, because what was tried last did not succeed.
    pub fn tries(&self, kind: &'static str, key: &Key) -> bool {
        self.lock().contains_key(&(kind, key.clone()))
    }

    /// Forgets an object's attempts.
    pub fn reset(&self, kind: &'static str, key: &Key) {
        self.lock().remove(&(kind, key.clone()));
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<(&'static str, Key), u32>> {
        // A panic elsewhere cannot leave a counter half written.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Up to a quarter shorter, so that many objects do not come at once.
pub fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(1.0 - fastrand::f64() / 4.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_start_anew_after_success() {
        let backoff = Backoff::default();
        let key = Key::new("demo", "hello");
        let waits: Vec<_> = (0..12).map(|_| backoff.next("StateMachine", &key, LONGEST)).collect();
        assert!(waits[0] <= FIRST && waits[11] > Duration::from_secs(200) && waits[11] <= LONGEST, "{waits:?}");
        assert!(backoff.tries("StateMachine", &key));
        backoff.reset("StateMachine", &key);
        assert!(!backoff.tries("StateMachine", &key));
        assert!(backoff.next("StateMachine", &key, LONGEST) <= FIRST);
    }

    #[test]
    fn what_does_not_pass_within_minutes_is_asked_for_less_often() {
        let backoff = Backoff::default();
        let (key, soon) = (Key::new("demo", "hello"), Duration::from_secs(10));
        let waits: Vec<_> = (0..60).map(|_| backoff.next("StateMachine", &key, soon)).collect();
        assert!(waits[..30].iter().all(|wait| *wait <= soon) && waits[59] > 20 * soon, "{waits:?}");
    }
}
