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
        (None, Older::Unread(why)) => {
            format!("Whether executions that started before {since} still run can't be read ({why}); {kept}.")
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// ListExecutions is shared by the whole account: an execution that runs for long is looked for seldom.
    #[test]
    fn the_longer_ago_the_update_the_seldomer_it_is_looked() {
        let spec = json!({"type": "STANDARD", "definition": "{}"});
        let object = StateMachine::new("m", serde_json::from_value(spec).unwrap());
        let (since, mut status) = (Timestamp::from_second(1_700_000_000).unwrap(), StateMachineStatus::default());
        let (mut now, mut looks, mut in_an_hour) = (since, 0, 0);
        while now.duration_since(since).as_hours() < 24 {
            let wait = tell(&mut status, &object, Some(since), &Older::Run(1), now).unwrap();
            now = now.checked_add(wait).unwrap();
            looks += 1;
            if now.duration_since(since).as_hours() < 1 {
                in_an_hour = looks;
            }
        }
        assert!(in_an_hour <= 25, "{in_an_hour} looks in the first hour");
        assert!(looks <= 170, "{looks} looks in a day");
        let says = status.common.conditions.iter().find(|one| one.type_ == POLICY_NARROWING_PENDING).unwrap();
        assert_eq!((says.status.as_str(), says.reason.as_str()), ("True", reasons::EXECUTIONS_RUNNING));
        assert_eq!(tell(&mut status, &object, None, &Older::Run(1), now), None);
        assert!(status.common.conditions.is_empty(), "it is absent otherwise");
    }
}
