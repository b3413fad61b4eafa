//! Once a day, a check also looks for what nobody needs: a process that died may have left it just when another had put all in order,
//! and nothing that an object says tells of it.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::identity::content_hash;

const DAY: u64 = 86_400;

/// Whether a check at this time is that of the day, of those that come at most a `period` apart. Each object has its own time of
/// day, so that no process has to remember when it was.
pub(super) fn is_check_of_the_day(uid: &str, now: Timestamp, period: Duration) -> bool {
    let phase = u64::from_str_radix(&content_hash(&uid), 16).unwrap_or_default() % DAY;
    let time = u64::try_from(now.as_second()).unwrap_or_default();
    (time + phase) % DAY < period.as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_object_has_one_a_day_at_a_time_of_its_own() {
        let period = Duration::from_secs(600);
        let times = |uid: &str| -> Vec<i64> {
            let checks = (0..2 * 86_400).step_by(600);
            checks.filter(|at| is_check_of_the_day(uid, Timestamp::from_second(*at).unwrap(), period)).collect()
        };
        let (a, b) = (times("6f2c"), times("b7d1"));
        assert!(a.len() == 2 && a[1] - a[0] == 86_400, "{a:?}");
        assert!(b.len() == 2 && b != a, "{b:?}");
    }
}
