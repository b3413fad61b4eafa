//! How many reconciles of one kind run beside each other: many, for most of them wait for AWS's quotas; but never so many
//! of one namespace, or of the period's checks, that nobody else gets in.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::aws::budget::Priority;

/// At most so many of one kind.
pub const ALL: u16 = 64;
/// At most so many of one namespace.
const OF_A_NAMESPACE: usize = 32;
/// At most so many checks.
const CHECKS: usize = 16;

/// Who runs.
#[derive(Default)]
pub struct Slots(Arc<Mutex<Taken>>);

#[derive(Default)]
struct Taken {
    checks: usize,
    namespaces: HashMap<String, usize>,
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
        let check = priority == Priority::Resync;
        if check && taken.checks >= CHECKS {
            return Err(Duration::from_secs(5));
        }
        let of_namespace = taken.namespaces.entry(namespace.to_owned()).or_default();
        if *of_namespace >= OF_A_NAMESPACE {
            return Err(Duration::from_millis(if check { 5_000 } else { 250 }));
        }
        *of_namespace += 1;
        taken.checks += usize::from(check);
        Ok(Slot { taken: Arc::clone(&self.0), priority, namespace: namespace.to_owned() })
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut taken = lock(&self.taken);
        taken.checks -= usize::from(self.priority == Priority::Resync);
        if let Some(count) = taken.namespaces.get_mut(&self.namespace) {
            *count -= 1;
            if *count == 0 {
                taken.namespaces.remove(&self.namespace);
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

    #[test]
    fn no_namespace_and_no_checks_take_all() {
        let slots = Slots::default();
        let mut big: Vec<_> =
            (0..OF_A_NAMESPACE).map(|_| slots.take(Priority::User, "big").unwrap_or_else(|_| panic!())).collect();
        assert!(slots.take(Priority::User, "big").is_err());
        let checks: Vec<_> = (0..CHECKS).map(|index| slots.take(Priority::Resync, &format!("team-{index}"))).collect();
        assert!(checks.iter().all(Result::is_ok));
        assert!(slots.take(Priority::Resync, "one-more").is_err());
        assert!(slots.take(Priority::User, "small").is_ok());
        big.pop();
        assert!(slots.take(Priority::User, "big").is_ok());
        drop((big, checks));
        assert!(slots.take(Priority::Resync, "one-more").is_ok());
        assert!(lock(&slots.0).namespaces.is_empty());
    }
}
