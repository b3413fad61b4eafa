//! What a user reads while a call waits.

use std::fmt;
use std::time::Duration;

use super::caller::Waiting;
use super::queue::{Estimate, Limit};

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { operation, family, estimate: Estimate { wait, before, limit, lowered }, .. } = self;
        let (family, wait) = (family.name(), rounded(*wait));
        let possessive = if family.ends_with('s') { "'" } else { "'s" };
        match limit {
            Limit::Operation(quota) => {
                write!(f, "waiting for {family}{possessive} quota of {}", quota.words(operation))?
            }
            Limit::All(quota) => write!(f, "waiting for {family}{possessive} quota of {}", quota.words("calls"))?,
            Limit::Asked => write!(f, "waiting because {family} asked for a pause before {operation}")?,
        }
        write!(f, ", about {wait}")?;
        match before {
            0 => {}
            1 => f.write_str(": 1 call is before it")?,
            _ => write!(f, ": {before} calls are before it")?,
        }
        if *lowered {
            write!(f, "; others use this quota too, so less of it is taken")?;
        }
        Ok(())
    }
}

/// Rounded up, so that it changes seldom: to 5 s, from a minute on to half minutes, from 10 minutes on to minutes.
fn rounded(wait: Duration) -> String {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    let step = match seconds {
        ..=60 => 5,
        61..=600 => 30,
        _ => 60,
    };
    let rounded = seconds.div_ceil(step).max(1) * step;
    match (rounded / 60, rounded % 60) {
        (0, seconds) => format!("{seconds} s"),
        (minutes, 0) => format!("{minutes} min"),
        (minutes, seconds) => format!("{minutes} min {seconds} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::quotas::Family;
    use super::*;

    fn waiting(operation: &str, limit: Limit, seconds: u64, before: usize) -> Waiting {
        let estimate = Estimate { wait: Duration::from_secs(seconds), before, limit, lowered: false };
        Waiting { operation: operation.to_owned(), family: Family::ApiGateway, waited: Duration::ZERO, estimate }
    }

    #[test]
    fn a_wait_is_one_clear_sentence() {
        let deployment = Limit::Operation(Family::ApiGateway.of("CreateDeployment").unwrap());
        let said = waiting("CreateDeployment", deployment, 37, 8).to_string();
        assert_eq!(
            said,
            "waiting for API Gateway's quota of 1 CreateDeployment per 5 s, about 40 s: 8 calls are before it"
        );
        let all = Limit::All(Family::ApiGateway.all().unwrap());
        let said = waiting("PutMethod", all, 3, 1).to_string();
        assert_eq!(said, "waiting for API Gateway's quota of 10 calls per s, about 5 s: 1 call is before it");
        let said = waiting("PutMethod", Limit::Asked, 20, 0).to_string();
        assert_eq!(said, "waiting because API Gateway asked for a pause before PutMethod, about 20 s");
        let mut slow = waiting("PutMethod", all, 100, 0);
        slow.estimate.lowered = true;
        assert_eq!(
            slow.to_string(),
            "waiting for API Gateway's quota of 10 calls per s, about 2 min; others use this quota too, so less of it is taken"
        );
    }

    #[rstest::rstest]
    #[case(0, "5 s")]
    #[case(5_000, "5 s")]
    #[case(5_001, "10 s")]
    #[case(59_000, "1 min")]
    #[case(61_000, "1 min 30 s")]
    #[case(599_000, "10 min")]
    #[case(601_000, "11 min")]
    fn an_estimate_is_rounded_up(#[case] millis: u64, #[case] text: &str) {
        assert_eq!(rounded(Duration::from_millis(millis)), text);
    }
}
