//! What is asked of the API server before the controllers run. One that is away, or just coming up, is no reason to end.

use std::time::Duration;

use tokio::time::{Instant, sleep};

const PAUSE: Duration = Duration::from_secs(2);

/// An API server that comes up may refuse for a moment what it admits once it has read its own RBAC.
const REFUSED: Duration = Duration::from_secs(30);

/// Asks until there is an answer.
///
/// # Errors
/// The API server has refused it for 30 s, or it can't be asked at all.
pub async fn answer<T>(ask: impl AsyncFn() -> anyhow::Result<T>) -> anyhow::Result<T> {
    let since = Instant::now();
    loop {
        let error = match ask().await {
            Ok(answer) => return Ok(answer),
            Err(error) => error,
        };
        let waits = match error.chain().find_map(|cause| cause.downcast_ref::<kube::Error>()) {
            Some(kube::Error::Api(status)) => status.code == 429 || status.code >= 500 || since.elapsed() < REFUSED,
            Some(kube::Error::HyperError(_) | kube::Error::Service(_)) => true,
            _ => false,
        };
        if !waits {
            return Err(error);
        }
        tracing::warn!(error = format!("{error:#}"), "the API server does not answer; it is asked again");
        sleep(PAUSE).await;
    }
}

#[cfg(test)]
mod tests {
    use anyhow::Context;
    use kube::core::Status;
    use rstest::rstest;

    use super::*;

    fn api(code: u16) -> kube::Error {
        kube::Error::Api(Box::new(Status { code, ..Status::failure("no", "No") }))
    }

    /// The time until the end, and whether there was an answer, when `error` comes for `seconds`.
    async fn asked(seconds: u64, error: impl Fn() -> kube::Error) -> (u64, bool) {
        let since = Instant::now();
        let ask = async || {
            if since.elapsed() < Duration::from_secs(seconds) {
                Err(error()).context("the Lease can't be had")
            } else {
                Ok(())
            }
        };
        let answered = answer(ask).await.is_ok();
        (since.elapsed().as_secs(), answered)
    }

    #[rstest]
    #[case::away(3_600, || kube::Error::Service("refused".into()), (3_600, true))]
    #[case::too_busy(3_600, || api(503), (3_600, true))]
    #[case::throttled(3_600, || api(429), (3_600, true))]
    #[case::coming_up(20, || api(403), (20, true))]
    #[case::not_admitted(3_600, || api(403), (30, false))]
    #[tokio::test(start_paused = true)]
    async fn only_a_refusal_that_stays_ends_it(
        #[case] seconds: u64,
        #[case] error: impl Fn() -> kube::Error,
        #[case] ends: (u64, bool),
    ) {
        assert_eq!(asked(seconds, error).await, ends);
    }
}
