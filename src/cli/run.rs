//! `stepgate run`.

use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use crate::aws::budget::Quotas;
use crate::{controller, runtime};

/// Run the operator.
#[derive(clap::Args)]
pub struct Args {
    /// A name for the cluster that stays when it is rebuilt; part of the names of IAM roles.
    #[arg(long, env = "STEPGATE_CLUSTER_NAME", default_value = "default", value_parser = cluster_name)]
    cluster_name: String,
    /// How often an object is compared with AWS although nothing changed, such as 10m or 30s.
    #[arg(long, env = "STEPGATE_RESYNC_PERIOD", default_value = "10m", value_parser = duration)]
    resync_period: Duration,
    /// How long a new or widened role is given until it is visible everywhere in AWS.
    #[arg(long, env = "STEPGATE_PROPAGATION_WAIT", default_value = "10s", value_parser = duration)]
    propagation_wait: Duration,
    /// Whether calls to AWS wait for its documented quotas: `auto` is `always`, but for AWSAccounts with an `endpointUrl`.
    #[arg(long, env = "STEPGATE_AWS_QUOTAS", default_value = "auto")]
    aws_quotas: Quotas,
    /// Where /metrics, /healthz and /readyz are served.
    #[arg(long, env = "STEPGATE_METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    metrics_address: SocketAddr,
    /// Whether one of several operators is elected by a Lease.
    #[arg(long, env = "STEPGATE_LEADER_ELECTION", default_value_t = true, action = clap::ArgAction::Set)]
    leader_election: bool,
    /// The namespace of the Lease.
    #[arg(long, env = "STEPGATE_LEASE_NAMESPACE", default_value = "stepgate-system")]
    lease_namespace: String,
}

/// Runs it.
pub fn run(args: Args) -> ExitCode {
    let options = runtime::Options {
        cluster_name: args.cluster_name,
        controller: controller::Config {
            resync_period: args.resync_period,
            propagation_wait: args.propagation_wait,
            clock: controller::Clock::default(),
        },
        quotas: args.aws_quotas,
        metrics_address: args.metrics_address,
        lease_namespace: args.leader_election.then_some(args.lease_namespace),
    };
    super::block_on(async { runtime::run(options).await.map(|()| ExitCode::SUCCESS) })
}

fn cluster_name(text: &str) -> Result<String, String> {
    let fits =
        !text.is_empty() && text.len() <= 128 && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
    fits.then(|| text.to_owned()).ok_or_else(|| "use up to 128 letters, digits, `-`, `_` and `.`".to_owned())
}

/// `10m`, `30s`, `500ms`, `1h`.
fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("`{text}` is no duration; write it as 500ms, 30s, 10m or 1h");
    let split = text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
    let number: u64 = text[..split].parse().map_err(|_| wrong())?;
    match &text[split..] {
        "ms" => Ok(Duration::from_millis(number)),
        "s" => Ok(Duration::from_secs(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[rstest::rstest]
    #[case("10m", Some(600_000))]
    #[case("0s", Some(0))]
    #[case("500ms", Some(500))]
    #[case("1h", Some(3_600_000))]
    #[case("10", None)]
    #[case("m", None)]
    #[case("1 day", None)]
    fn durations(#[case] text: &str, #[case] millis: Option<u64>) {
        assert_eq!(duration(text).ok().map(|d| d.as_millis()), millis.map(u128::from));
    }
}
