//! AWS's side: its documented quotas once more, written down from AWS.md §1 and not from the budget's own table, and how
//! it counts.

use std::time::Duration;

use tokio::time::Instant;

use super::Family;

/// A token bucket; or, where `window` is given, so many in each such window.
#[derive(Clone, Copy, Debug)]
pub struct Limit {
    rate: f64,
    burst: f64,
    window: Option<f64>,
}

/// The limit of an operation, or of all together.
pub fn limit(family: Family, operation: Option<&str>) -> Option<Limit> {
    let bucket = |burst: f64, rate: f64| Some(Limit { rate, burst, window: None });
    let per = |calls: f64, seconds: f64| Some(Limit { rate: calls / seconds, burst: calls, window: Some(seconds) });
    match (family, operation) {
        (Family::ApiGateway, None) => bucket(40.0, 10.0),
        (Family::ApiGateway, Some(operation)) => match operation {
            "CreateRestApi" => per(1.0, 3.0),
            "DeleteRestApi" => per(1.0, 30.0),
            "CreateDeployment" => per(1.0, 5.0),
            "CreateResource" | "DeleteResource" => per(5.0, 1.0),
            "GetResources" => per(5.0, 2.0),
            "UpdateAccount" | "UpdateUsagePlan" => per(1.0, 20.0),
            _ => None,
        },
        (Family::StepFunctions, Some(operation)) => match operation {
            "CreateStateMachine" | "UpdateStateMachine" | "DeleteStateMachine" => bucket(100.0, 1.0),
            "DescribeStateMachine" => bucket(200.0, 20.0),
            "TagResource" | "UntagResource" => bucket(200.0, 1.0),
            "ListTagsForResource" => bucket(100.0, 1.0),
            "ListExecutions" => bucket(100.0, 2.0),
            _ => None,
        },
        // Unpublished; what the budget assumes.
        (Family::Iam, None) => bucket(20.0, 10.0),
        _ => None,
    }
}

impl Limit {
    /// Whether calls at these seconds, in order, keep to it.
    pub fn holds(&self, times: &[f64]) -> bool {
        match self.window {
            // In any stretch of time: at most the burst and what flows in meanwhile.
            None => {
                let mut least = f64::INFINITY;
                times.iter().enumerate().all(|(index, at)| {
                    let level = index as f64 - self.rate * at;
                    least = least.min(level);
                    level - least + 1.0 <= self.burst + 1e-3
                })
            }
            // The one that comes `burst` calls later is outside of the window.
            Some(window) => {
                let burst = self.burst as usize;
                times.iter().zip(times.iter().skip(burst)).all(|(first, next)| next - first >= window - 1e-3)
            }
        }
    }

    /// How long so many calls take at least.
    pub fn least_seconds(&self, calls: usize) -> f64 {
        ((calls as f64 - self.burst) / self.rate).max(0.0)
    }
}

/// A bucket at AWS that others draw from too.
pub struct Shared {
    limit: Limit,
    tokens: f64,
    at: Instant,
}

impl Shared {
    pub fn new(limit: Limit) -> Self {
        Self { limit, tokens: limit.burst, at: Instant::now() }
    }

    /// Whether AWS takes the call.
    pub fn call(&mut self) -> bool {
        let passed: Duration = self.at.elapsed();
        self.at = Instant::now();
        self.tokens = (self.tokens + passed.as_secs_f64() * self.limit.rate).min(self.limit.burst);
        let taken = self.tokens >= 1.0;
        self.tokens -= f64::from(u8::from(taken));
        taken
    }
}

#[test]
fn a_limit_tells_what_keeps_to_it() {
    let deployments = limit(Family::ApiGateway, Some("CreateDeployment")).unwrap();
    assert!(deployments.holds(&[0.0, 5.0, 10.0]) && !deployments.holds(&[0.0, 5.0, 9.9]));
    let resources = limit(Family::ApiGateway, Some("GetResources")).unwrap();
    assert!(resources.holds(&[0.0, 0.1, 0.2, 0.3, 0.4, 2.0]) && !resources.holds(&[0.0, 0.1, 0.2, 0.3, 0.4, 1.9]));
    let all = limit(Family::ApiGateway, None).unwrap();
    assert!(all.holds(&[0.0; 40]) && !all.holds(&[0.0; 41]));
    let late: Vec<_> = [0.0; 40].into_iter().chain([0.1, 0.19]).collect();
    assert!(all.holds(&late[..41]) && !all.holds(&late));
}
