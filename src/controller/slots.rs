//! How many reconciles of one kind run beside each other: many, for most of them wait for AWS's quotas; but never so many of some
//! namespaces, or of the period's checks, that nobody else gets in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::aws::budget::Priority;

/// At most so many of one kind: users' changes, checks, and one that hears when to come again.
pub const ALL: u16 = 257;
/// At most so many users' changes. Past [`SHARED`] there is one for each namespace that has none.
const CHANGES: usize = 240;
const SHARED: usize = 64;
/// At most so many changes of one namespace.
const OF_A_NAMESPACE: usize = 32;
/// At most so many checks.
const CHECKS: usize = 16;
const _: () = assert!(CHANGES + CHECKS < ALL as usize);

/// Who runs.
#[derive(Default)]
pub struct Slots(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    checks: usize,
    changes: HashMap<String, usize>,
}

/// One that runs, until it is dropped.
pub struct Slot {
    taken: Arc<Mutex<Taken>>,
    priority: Priority,
    namespace: String,
}

impl Slots {
    /// A slot, or when to ask again.
    pub fn take(&self, priority: Priority, namespace: &str) -> Result<Slot, Duration> {
        let mut taken = lock(&self.0);
        if priority == Priority::Resync {
            if taken.checks >= CHECKS {
                return Err(Duration::from_secs(5));
            }
            taken.checks += 1;
        } else {
            let all: usize = taken.changes.values().sum();
            let most = match taken.changes.get(namespace).copied().unwrap_or_default() {
                0 => CHANGES,
                1..OF_A_NAMESPACE => SHARED,
                _ => 0,
            };
            if all >= most {
                return Err(Duration::from_millis(250));
            }
            *taken.changes.entry(namespace.to_owned()).or_default() += 1;
        }
        Ok(Slot { taken: Arc::clone(&self.0), priority, namespace: namespace.to_owned() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        if self.priority == Priority::Resync {
            taken.checks -= 1;
        } else if let Some(count) = taken.changes.get_mut(&self.namespace) {
            *count -= 1;
            if *count == 0 {
                taken.changes.remove(&self.namespace);
            }
        }
    }
}

fn lock(taken: &Mutex<Taken>) -> MutexGuard<'_, Taken> {
    taken.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(slots: &Slots, namespace: &str) -> Option<Slot> {
        slots.take(Priority::User, namespace).ok()
    }

    #[test]
    fn no_namespaces_and_no_checks_take_all() {
        let slots = Slots::default();
        let mut big: Vec<_> = (0..OF_A_NAMESPACE).map(|_| change(&slots, "big").unwrap()).collect();
        assert!(change(&slots, "big").is_none());
        let checks: Vec<_> = (0..CHECKS).map(|_| slots.take(Priority::Resync, "big").ok().unwrap()).collect();
        assert!(slots.take(Priority::Resync, "one-more").is_err());
        let other: Vec<_> = (0..OF_A_NAMESPACE).map(|_| change(&slots, "other").unwrap()).collect();
        // However many have all that is shared, each further namespace has one.
        let small: Vec<_> = (0..100).map(|team| change(&slots, &format!("team-{team}")).unwrap()).collect();
        assert!(change(&slots, "team-7").is_none());
        big.pop();
        assert!(change(&slots, "big").is_none(), "the others have more than what is shared");
        drop((big, checks, other, small));
        assert!(slots.take(Priority::Resync, "one-more").is_ok());
        assert!(change(&slots, "big").is_some());
        assert!(lock(&slots.0).changes.is_empty());
    }
}
