//! What this process wrote of an object and its watch has not brought back yet. A reconcile of the object as it was before would write
//! its old status over the new one: where AWS does not answer, nothing would put that right.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use tokio::time::Instant;

/// How soon to look for it again.
pub const SOON: Duration = Duration::from_millis(100);

/// How long it is waited for: a watch that is so far behind is not waited for at all.
const PATIENCE: Duration = Duration::from_secs(10);

/// The last version that was written of each object, by its UID, and when.
#[derive(Default)]
pub struct Written(Mutex<HashMap<String, (u64, Instant)>>);

impl Written {
    /// An object was written, and has these metadata now.
    pub fn note(&self, meta: &ObjectMeta) {
        let (Some(uid), Some(version)) = (&meta.uid, version(meta)) else { return };
        let mut written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.retain(|_, (_, at)| at.elapsed() < PATIENCE);
        written.insert(uid.clone(), (version, Instant::now()));
    }

    /// Whether an object with these metadata is older than what was written last.
    pub fn is_newer(&self, meta: &ObjectMeta) -> bool {
        let (Some(uid), Some(version)) = (&meta.uid, version(meta)) else { return false };
        let written = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        written.get(uid).is_some_and(|(last, at)| version < *last && at.elapsed() < PATIENCE)
    }
}

/// The versions of one object are compared as numbers (Kubernetes 1.35 says so; they always were).
fn version(meta: &ObjectMeta) -> Option<u64> {
    meta.resource_version.as_ref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meta(uid: &str, version: &str) -> ObjectMeta {
        ObjectMeta { uid: Some(uid.into()), resource_version: Some(version.into()), ..ObjectMeta::default() }
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_is_waited_for_until_it_is_as_new_as_what_was_written_but_not_for_ever() {
        let written = Written::default();
        assert!(!written.is_newer(&meta("a", "9")));
        written.note(&meta("a", "10"));
        assert!(written.is_newer(&meta("a", "9")));
        assert!(!written.is_newer(&meta("a", "10")) && !written.is_newer(&meta("a", "11")));
        assert!(!written.is_newer(&meta("b", "9")), "another object of its name");
        tokio::time::advance(PATIENCE).await;
        assert!(!written.is_newer(&meta("a", "9")));
    }
}
