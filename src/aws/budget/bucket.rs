//! A token bucket whose rate gives way to throttling: additive increase, multiplicative decrease.

use std::time::Duration;

use tokio::time::Instant;

use super::quotas::Quota;

/// What a throttled answer leaves of the rate.
const DECREASE: f64 = 0.5;
/// What each success gives back, as a share of the quota.
const INCREASE: f64 = 0.05;
/// The rate never falls under this share of the quota, or nothing would find out that there is room again.
const LEAST: f64 = 1.0 / 16.0;
/// Calls that were under way together are throttled together: they count once.
const AT_ONCE: Duration = Duration::from_secs(1);
/// What rounding may take from a token.
const EPSILON: f64 = 1e-6;

/// Tokens of one quota. Its clock is the caller's.
#[derive(Debug)]
pub struct Bucket {
    quota: Quota,
    rate: f64,
    tokens: f64,
    at: Instant,
    lowered: Option<Instant>,
}

impl Bucket {
    /// A full one.
    pub fn new(quota: Quota, now: Instant) -> Self {
        Self { quota, rate: quota.rate(), tokens: f64::from(quota.burst), at: now, lowered: None }
    }

    /// When the next call may be made; not later than `now` when it may be made at once.
    pub fn ready_at(&self, now: Instant) -> Instant {
        let missing = 1.0 - EPSILON - self.tokens_at(now);
        if missing <= 0.0 { now } else { now + Duration::from_secs_f64(missing / self.rate) }
    }

    /// A call is made.
    pub fn take(&mut self, now: Instant) {
        self.fill(now);
        self.tokens -= 1.0;
    }

    /// AWS refused a call: others use the same quota.
    pub fn throttled(&mut self, now: Instant) {
        if self.lowered.is_some_and(|at| now.duration_since(at) < AT_ONCE) {
            return;
        }
        self.fill(now);
        self.lowered = Some(now);
        self.tokens = self.tokens.min(0.0);
        self.rate = (self.rate * DECREASE).max(self.quota.rate() * LEAST);
    }

    /// AWS took a call.
    pub fn succeeded(&mut self, now: Instant) {
        self.fill(now);
        self.rate = (self.rate + self.quota.rate() * INCREASE).min(self.quota.rate());
    }

    /// Whether nothing was taken for so long that it is full.
    pub fn is_full(&self, now: Instant) -> bool {
        self.tokens_at(now) >= f64::from(self.quota.burst) - EPSILON
    }

    /// Calls a second as they are now.
    pub fn rate(&self) -> f64 {
        self.rate
    }

    /// What AWS documents.
    pub fn quota(&self) -> Quota {
        self.quota
    }

    fn tokens_at(&self, now: Instant) -> f64 {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        (self.tokens + passed * self.rate).min(f64::from(self.quota.burst))
    }

    fn fill(&mut self, now: Instant) {
        self.tokens = self.tokens_at(now);
        self.at = self.at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::super::quotas::Family;
    use super::*;

    fn bucket(operation: &str) -> (Bucket, Instant) {
        let now = Instant::now();
        (Bucket::new(Family::StepFunctions.of(operation).unwrap(), now), now)
    }

    #[test]
    fn a_full_bucket_gives_its_burst_and_then_its_rate() {
        let (mut bucket, now) = bucket("DescribeStateMachine");
        for _ in 0..200 {
            assert_eq!(bucket.ready_at(now), now);
            bucket.take(now);
        }
        let next = bucket.ready_at(now);
        assert!((next - now).as_secs_f64() > 0.0499 && (next - now).as_secs_f64() < 0.0501, "{:?}", next - now);
        assert!(!bucket.is_full(now + Duration::from_secs(9)));
        assert!(bucket.is_full(now + Duration::from_secs(10)));
    }

    #[test]
    fn throttling_halves_the_rate_and_success_brings_it_back() {
        let (mut bucket, start) = bucket("DescribeStateMachine");
        bucket.throttled(start);
        bucket.throttled(start + Duration::from_millis(10));
        assert_eq!(bucket.rate(), 10.0);
        // The others have the tokens: none is left.
        assert!(bucket.ready_at(start) > start + Duration::from_millis(90));
        for second in 2..100 {
            bucket.throttled(start + Duration::from_secs(second));
        }
        assert_eq!(bucket.rate(), 1.25);
        let now = start + Duration::from_secs(100);
        bucket.succeeded(now);
        assert_eq!(bucket.rate(), 2.25);
        for _ in 0..100 {
            bucket.succeeded(now);
        }
        assert_eq!(bucket.rate(), 20.0);
    }
}
