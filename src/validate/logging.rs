//! Logging of a StateMachine: where the log may go, and what its definition may not do beside it.

use super::{admitted_arn, several};
use crate::api::conditions::reasons;
use crate::api::{LogLevel, StateMachine};
use crate::policy::infer::{Class, Need};
use crate::policy::roles;
use crate::problem::Problem;
use crate::resources::log_group;
use crate::resources::state_machine::Logging;
use crate::tenancy::{Admission, Place};

/// Validates it; `None` where nothing is logged.
///
/// # Errors
/// The log group is not the tenant's, or lies elsewhere.
pub(super) fn logging(
    admission: &Admission,
    place: &Place,
    machine: &StateMachine,
) -> Result<Option<Logging>, Problem> {
    let Some(logging) = machine.spec.logging.as_ref().filter(|logging| logging.level != LogLevel::Off) else {
        return Ok(None);
    };
    let field = "spec.logging.logGroupArn";
    let asked = logging.log_group_arn.as_deref().unwrap_or_default();
    let asked = asked.strip_suffix(":*").unwrap_or(asked);
    let list =
        admission.tenant.exposure.as_ref().map(|exposure| exposure.log_group_arns.as_slice()).unwrap_or_default();
    let arn = admitted_arn(admission, place, field, "exposure.logGroupArns", list, asked)?;
    let here = format!("arn:{}:logs:{}:{}:log-group:", place.partition, place.region, place.account_id);
    if !arn.starts_with(&here) {
        return Err(Problem::invalid(format!(
            "{field}: `{arn}` is in another account or Region, where Step Functions can't write: name a log group of account {} in {}",
            place.account_id, place.region
        )));
    }
    is_no_stage_s(field, &arn, &here)?;
    Ok(Some(Logging {
        level: logging.level.name().to_owned(),
        include_execution_data: logging.include_execution_data,
        // Step Functions' reference of CloudWatchLogsLogGroup: "The ARN must end with `:*`".
        log_group_arn: format!("{arn}:*"),
    }))
}

/// A log group that is made for a stage is for the lines of that stage alone.
///
/// # Errors
/// It is such a one. `here` is what the ARNs of its account and Region begin with.
pub(super) fn is_no_stage_s(field: &str, arn: &str, here: &str) -> Result<(), Problem> {
    let of_ours = arn.strip_prefix(here).and_then(|name| name.strip_prefix(log_group::PREFIX)?.split_once('/'));
    if of_ours.is_none_or(|(cluster, _)| !cluster.bytes().all(|byte| byte.is_ascii_hexdigit())) {
        return Ok(());
    }
    Err(Problem::stalled(
        reasons::OVER_CEILING,
        format!("{field}: `{arn}` is a log group that stepgate manages for one object; name one of your own"),
    ))
}

/// The role of a machine that logs may change every log delivery and resource policy of the account (AWS.md §3), so no task of the machine
/// may do that with it (AWS.md §5), nor read of them what the ceiling does not admit.
///
/// # Errors
/// A task does.
pub(super) fn deliveries_stay_managed(
    needs: &[Need],
    admits: impl Fn(&Need) -> bool,
    wanting: impl Fn(&Need) -> String,
) -> Result<(), Problem> {
    const READS: [&str; 2] = ["logs:DescribeLogGroups", "logs:DescribeResourcePolicies"];
    let plumbing = roles::plumbing_logging();
    let shared = |need: &&Need| need.statement.actions.iter().any(|action| plumbing.actions.contains(action));
    let reads = |need: &Need| need.statement.actions.iter().all(|action| READS.contains(&action.as_str()));
    let tasks = needs.iter().filter(|need| need.class == Class::Task).filter(shared);
    let over = tasks.filter(|need| !(reads(need) && admits(need))).map(|need| {
        format!(
            "spec.definition: {} uses `{}`, which the role may do on everything in the account because spec.logging is on; put the task into another StateMachine, or take spec.logging out",
            wanting(need),
            need.statement.actions.join("`, `")
        )
    });
    let over: Vec<String> = over.collect();
    if over.is_empty() { Ok(()) } else { Err(Problem::stalled(reasons::OVER_CEILING, several(&over))) }
}
