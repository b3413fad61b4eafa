//! What a StateMachine says of permissions that its role keeps for older executions, and when it looks again.

use std::time::Duration;

use k8s_openapi::jiff::Timestamp;
use kube::Resource;

use super::publish;
use crate::api::conditions::{POLICY_NARROWING_PENDING, reasons};
use crate::api::{StateMachine, StateMachineStatus};
use crate::model::machine::{self, Older};

/// A STANDARD execution may run for a year: the longer ago the update, the seldomer is looked.
const SOONEST: Duration = Duration::from_secs(30);
const LATEST: Duration = Duration::from_mins(10);

/// Sets the condition, or takes it off; answers with when to look again.
pub(super) fn tell(
    status: &mut StateMachineStatus,
    object: &StateMachine,
    keeps_since: Option<Timestamp>,
    older: &Older,
    now: Timestamp,
) -> Option<Duration> {
    let conditions = &mut status.common.conditions;
    let Some(since) = keeps_since else {
        conditions.retain(|condition| condition.type_ != POLICY_NARROWING_PENDING);
        return None;
    };
    let kept = "the role keeps what they may need and this generation does not";
    let end = machine::express_end(object.spec.type_, since);
    let message = match (end, older) {
        (Some(end), _) => format!("Executions that started before {since} may run until {end}; {kept}."),
        (None, Older::Run(1)) => format!("An execution that started before {since}, or several, still runs; {kept}."),
        (None, Older::Run(found)) => {
            format!("{found} or more executions that started before {since} still run; {kept}.")
        }
        (None, _) => format!("Executions that started before {since} may still run; {kept}."),
    };
    let generation = object.meta().generation;
    publish::set(conditions, POLICY_NARROWING_PENDING, Some(true), reasons::EXECUTIONS_RUNNING, &message, generation);
    let until = |at: Timestamp| Duration::try_from(at.duration_since(now)).unwrap_or_default();
    let settled = until(since.saturating_add(machine::SETTLES).unwrap_or(Timestamp::MAX));
    let wait = match end {
        Some(end) => until(end),
        None if !settled.is_zero() => settled,
        None => Duration::try_from(now.duration_since(since)).unwrap_or_default() / 4,
    };
    Some(wait.clamp(if end.is_some() || !settled.is_zero() { Duration::from_secs(1) } else { SOONEST }, LATEST))
}
