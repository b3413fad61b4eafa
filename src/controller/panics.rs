//! A reconcile that panics is a bug of the operator's: it ends alone, its object says so, and all others go on.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures::FutureExt;
use kube::runtime::controller::Action;

use super::Context;
use super::quota::{Waits, tell};
use crate::api::conditions::reasons;
use crate::identity::Key;
use crate::problem::Problem;

const LONGEST: Duration = Duration::from_secs(300);

/// Runs one reconcile of an object. What it panicked of, the process's hook has told.
///
/// # Errors
/// As the reconcile.
pub async fn caught<K: Waits>(
    context: &Context,
    object: &K,
    reconcile: impl Future<Output = Result<Action, kube::Error>>,
) -> Result<Action, kube::Error> {
    // What a reconcile leaves half done is its own; what it shares with others is behind locks that outlast a panic.
    if let Ok(result) = AssertUnwindSafe(reconcile).catch_unwind().await {
        return result;
    }
    let message = "the operator failed at this object, which is a bug of stepgate: please report it with the line of the operator's log that says `panic`; it is tried again";
    let mut status = object.status().cloned().unwrap_or_default();
    tell(context, object, &mut status, Problem::waiting(reasons::RETRYING, message)).await;
    Ok(Action::requeue(context.backoff.next("panic", &Key::of(object), LONGEST)))
}
