//! What was written to AWS a moment ago, which AWS may not show yet. A deletion that finds nothing then has not shown that nothing is
//! there: it looks again before it lets the object go.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// How long AWS is given to show to every reader what was written. IAM is eventually consistent (IAM User Guide, "Changes that I make are
/// not always immediately visible"), as reads of Step Functions are (AWS.md §2). AWS names no time: the AWS in memory takes one or two
/// seconds, this is more than twice that.
pub const SHOWN_AFTER: Duration = Duration::from_secs(5);

/// When objects were last written to in AWS: by this process, or by the one before, at its last moment.
pub struct Effects {
    began: Instant,
    last: Mutex<HashMap<String, Instant>>,
}

impl Default for Effects {
    fn default() -> Self {
        Self { began: Instant::now(), last: Mutex::default() }
    }
}

impl Effects {
    /// An object's counterparts, by its UID, are written to now.
    pub fn note(&self, uid: &str) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.retain(|_, at| at.elapsed() < SHOWN_AFTER);
        last.insert(uid.to_owned(), Instant::now());
    }

    /// How long until AWS shows all that was written for an object; `None` when it does.
    pub fn shown_in(&self, uid: &str) -> Option<Duration> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let last = last.get(uid).copied().unwrap_or(self.began);
        Some(SHOWN_AFTER.saturating_sub(last.elapsed())).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_was_written_a_moment_ago_may_not_be_shown_yet() {
        let effects = Effects::default();
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(effects.shown_in("a"), Some(Duration::from_secs(3)), "by the process before");
        effects.note("a");
        assert_eq!(effects.shown_in("a"), Some(SHOWN_AFTER));
        tokio::time::advance(SHOWN_AFTER).await;
        assert_eq!((effects.shown_in("a"), effects.shown_in("b")), (None, None));
        effects.note("b");
        assert_eq!((effects.shown_in("a"), effects.shown_in("b")), (None, Some(SHOWN_AFTER)));
    }
}
