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

/// An estimate may be wrong by so much, or by half, before another is worth a word.
const LEEWAY: Duration = Duration::from_secs(30);
/// A longer wait is told again when half of it is over.
const LONG: Duration = Duration::from_mins(1);

impl Waiting {
    /// Whether what was said so long ago is good enough for what waits now.
    pub fn still_holds(&self, ago: Duration, now: &Self) -> bool {
        let (said, limit) = (self.estimate.wait, self.estimate.limit);
        let names = !matches!(limit, Limit::All(_));
        let same = limit == now.estimate.limit && (!names || self.operation == now.operation);
        let over = said > LONG && now.estimate.wait < said / 2;
        same && !over && (ago + now.estimate.wait).abs_diff(said) <= LEEWAY.max(said / 2)
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

    #[test]
    fn what_was_said_holds_until_it_is_worth_another_word() {
        let quota = |operation: &str| Limit::Operation(Family::ApiGateway.of(operation).unwrap());
        let deployment = |seconds| waiting("CreateDeployment", quota("CreateDeployment"), seconds, 8);
        let holds =
            |said: u64, ago: u64, now: u64| deployment(said).still_holds(Duration::from_secs(ago), &deployment(now));
        // As foretold, and tried again after it.
        assert!(holds(40, 10, 30) && holds(40, 39, 1) && holds(15, 16, 15));
        // It takes longer, or not as long.
        assert!(!holds(15, 16, 60) && !holds(5, 10, 60) && !holds(300, 10, 100));
        // Half of a long wait is over.
        assert!(holds(300, 140, 160) && !holds(300, 151, 149));
        // It waits for another quota.
        let api = waiting("CreateRestApi", quota("CreateRestApi"), 40, 8);
        assert!(!deployment(40).still_holds(Duration::ZERO, &api));
        let all = |operation: &str| waiting(operation, Limit::All(Family::ApiGateway.all().unwrap()), 40, 0);
        assert!(all("PutMethod").still_holds(Duration::ZERO, &all("PutIntegration")));
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
