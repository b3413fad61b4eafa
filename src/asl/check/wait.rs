//! Wait states, and timestamps wherever they stand.

use serde_json::Value;

use super::Checker;
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::model::{QueryLanguage, State};
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// How long an EXPRESS execution runs: AWS documentation, "Choosing workflow type".
const EXPRESS_SECONDS: u64 = 300;
/// How long API Gateway waits for an integration: AWS.md §1.
const ROUTE_SECONDS: u64 = 29;

impl<'d> Checker<'d> {
    /// "There should only be one of the following fields: [SecondsPath, Seconds, TimestampPath, Timestamp]".
    pub(super) fn wait(&mut self, state: &State<'d>) {
        let name = short(state.at.name);
        let fields = ["Seconds", "SecondsPath", "Timestamp", "TimestampPath"];
        let there: Vec<&str> = fields.into_iter().filter(|field| state.field(field).is_some()).collect();
        match there[..] {
            [_] => {}
            [] => self.findings.report(
                &codes::WAIT_DURATION,
                At::Key(&state.at.pointer),
                format!("Wait state `{name}` does not say how long"),
                Some(match state.language {
                    QueryLanguage::JsonPath => "add one of Seconds, SecondsPath, Timestamp, TimestampPath".to_owned(),
                    QueryLanguage::Jsonata => "add one of Seconds, Timestamp".to_owned(),
                }),
            ),
            _ => self.findings.report(
                &codes::WAIT_DURATION,
                At::Key(&state.at.pointer),
                format!("Wait state `{name}` has {}", there.join(" and ")),
                Some("keep one of them".to_owned()),
            ),
        }
        let Some(seconds) = state.field("Seconds").and_then(Value::as_u64) else { return };
        let at = state.at.pointer.key("Seconds");
        if self.usage.machine_type == super::MachineType::Express && seconds > EXPRESS_SECONDS {
            self.findings.report(
                &codes::EXPRESS_WAIT,
                At::Value(&at),
                format!(
                    "Wait state `{name}` waits {seconds} s, and an EXPRESS execution ends after {EXPRESS_SECONDS} s"
                ),
                Some("make the machine STANDARD, or wait less".to_owned()),
            );
        } else if self.usage.answers_route && seconds >= ROUTE_SECONDS {
            self.findings.report(
                &codes::WAIT_BEHIND_ROUTE,
                At::Value(&at),
                format!(
                    "Wait state `{name}` waits {seconds} s, and API Gateway waits {ROUTE_SECONDS} s for the answer"
                ),
                Some("start the execution without waiting for it (StartExecution), or wait less".to_owned()),
            );
        }
    }

    /// Reports a text that is no timestamp.
    pub(super) fn timestamp(&mut self, whose: &str, field: &str, text: &str, at: &Pointer<'_>) {
        if !is_timestamp(text) {
            self.findings.report(
                &codes::TIMESTAMP,
                At::Value(at),
                format!("{whose} has {field} `{}`, which is not a timestamp", short(text)),
                Some("write it as 2030-01-31T12:00:00Z".to_owned()),
            );
        }
    }
}

/// RFC 3339 with an uppercase T, and an uppercase Z or a numeric offset: specification, "Timestamps". Recorded from AWS:
/// "String does not match RFC3339 timestamp" for a blank in the place of T, no Z, month 13, hour 25.
pub(super) fn is_timestamp(text: &str) -> bool {
    let Some((date, time)) = text.split_once('T') else { return false };
    let Some((time, offset)) = time.find(['Z', '+', '-']).map(|end| time.split_at(end)) else { return false };
    let (time, fraction) = time.split_once('.').unwrap_or((time, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let numbers = |text: &str, separator: char, lengths: &[usize]| -> Option<Vec<u32>> {
        let parts: Vec<&str> = text.split(separator).collect();
        let fits = parts.len() == lengths.len()
            && parts.iter().zip(lengths).all(|(part, length)| part.len() == *length && digits(part));
        fits.then(|| parts.iter().filter_map(|part| part.parse().ok()).collect())
    };
    let clock = |text: &str| {
        numbers(text, ':', &[2, 2]).is_some_and(|parts| matches!(parts[..], [hour, minute] if hour < 24 && minute < 60))
    };
    let date_fits = numbers(date, '-', &[4, 2, 2]).is_some_and(
        |parts| matches!(parts[..], [year, month, day] if (1..=12).contains(&month) && (1..=days(year, month)).contains(&day)),
    );
    let time_fits = numbers(time, ':', &[2, 2, 2])
        .is_some_and(|parts| matches!(parts[..], [hour, minute, second] if hour < 24 && minute < 60 && second <= 60));
    date_fits && time_fits && digits(fraction) && (offset == "Z" || clock(&offset[1..]) && !offset.starts_with('Z'))
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 31,
    }
}

#[cfg(test)]
mod tests {
    use super::is_timestamp;

    #[test]
    fn takes_rfc_3339_as_aws_does() {
        for good in [
            "2016-03-14T01:59:00Z",
            "2016-03-05T21:29:29.243167252Z",
            "2024-02-29T00:00:00+01:00",
            "2016-12-31T23:59:60Z",
        ] {
            assert!(is_timestamp(good), "{good}");
        }
        for bad in [
            "",
            "2016-12-05 21:29:29Z",
            "2016-12-05T21:29:29",
            "2016-13-05T21:29:29Z",
            "2016-12-05T25:29:29Z",
            "05-12-2016T21:29:29Z",
            "2023-02-29T00:00:00Z",
            "2016-03-14T01:59Z",
            "2016-03-14T01:59:00z",
            "2016-03-14t01:59:00Z",
            "2016-03-14T01:59:00.Z",
            "2016-03-14T01:59:00Z1",
            "{% $states.input.until %}",
        ] {
            assert!(!is_timestamp(bad), "{bad}");
        }
    }
}
