//! Tells what a user waits for from what only the period brings up: the class of a reconcile's calls to AWS.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::api::CommonStatus;
use crate::api::conditions::RECONCILING;
use crate::aws::budget::Priority;
use crate::identity::Key;

/// The objects that this process has looked at, and whether something woke them since.
#[derive(Default)]
pub struct Changes(Mutex<HashMap<(&'static str, Key), bool>>);

impl Changes {
    /// Something that concerns the object changed. Of what was never looked at that says nothing: at the start everything is
    /// new.
    pub fn woken(&self, kind: &'static str, key: &Key) {
        if let Some(woken) = self.lock().get_mut(&(kind, key.clone())) {
            *woken = true;
        }
    }

    /// Whether a user waits for this reconcile, which begins now.
    pub fn priority(&self, kind: &'static str, key: &Key, settled: bool) -> Priority {
        let mut seen = self.lock();
        let woken = std::mem::take(seen.entry((kind, key.clone())).or_default());
        if woken || !settled { Priority::User } else { Priority::Resync }
    }

    /// The object is going.
    pub fn forget(&self, kind: &'static str, key: &Key) {
        self.lock().remove(&(kind, key.clone()));
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<(&'static str, Key), bool>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether the last word on this generation was said, good or bad.
pub fn settled(status: Option<&CommonStatus>, generation: Option<i64>) -> bool {
    status.is_some_and(|status| {
        let reconciling = status.conditions.iter().find(|condition| condition.type_ == RECONCILING);
        status.observed_generation == generation && reconciling.is_some_and(|condition| condition.status != "True")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_waits_for_what_woke_an_object_or_is_under_way() {
        let (changes, key) = (Changes::default(), Key::new("demo", "hello"));
        let next = |settled| changes.priority("StateMachine", &key, settled);
        // At the start every object is woken; what is settled only needs a look.
        changes.woken("StateMachine", &key);
        assert_eq!(next(true), Priority::Resync);
        assert_eq!(next(true), Priority::Resync);
        assert_eq!(next(false), Priority::User);
        changes.woken("StateMachine", &key);
        assert_eq!(next(true), Priority::User);
        assert_eq!(next(true), Priority::Resync);
        changes.woken("RestAPI", &key);
        assert_eq!(next(true), Priority::Resync);
    }

    #[rstest::rstest]
    #[case::never_seen(None, None, false)]
    #[case::well(Some(1), Some("False"), true)]
    #[case::under_way(Some(1), Some("True"), false)]
    #[case::edited(Some(0), Some("False"), false)]
    fn settled_is_what_has_its_last_word(
        #[case] generation: Option<i64>,
        #[case] reconciling: Option<&str>,
        #[case] is: bool,
    ) {
        let mut status = CommonStatus { observed_generation: generation, conditions: Vec::new() };
        if let Some(reconciling) = reconciling {
            crate::controller::publish::set(
                &mut status.conditions,
                RECONCILING,
                Some(reconciling == "True"),
                "",
                "",
                None,
            );
        }
        assert_eq!(settled(Some(&status), Some(1)), is);
        assert!(!settled(None, Some(1)));
    }
}
