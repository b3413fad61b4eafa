//! Executions of STANDARD machines: each runs until it is stopped, so that what waits for one can be seen to wait.

use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::Refusal;
use super::machines::found;
use super::{Input, Machines, bad, constraint, listed, required};

const STATUSES: [&str; 6] = ["SUCCEEDED", "TIMED_OUT", "PENDING_REDRIVE", "ABORTED", "FAILED", "RUNNING"];

pub(super) fn start(context: &mut Context<'_>, machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let (arn, machine) = found(machines, input)?;
    if machine.kind != "STANDARD" || input.input.is_some() {
        return Err(Refusal::unknown("executions of an EXPRESS machine, or with input"));
    }
    let name = input.name.clone().unwrap_or_else(|| context.uuid());
    let arn = format!("{}:{name}", arn.replace(":stateMachine:", ":execution:"));
    let started = *machine.running.entry(name).or_insert(context.now);
    Ok(json!({"executionArn": arn, "startDate": started.as_secs_f64()}))
}

pub(super) fn stop(context: &Context<'_>, machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let arn = required(input.execution_arn.as_ref(), "executionArn")?;
    let (machine, name) = match arn.split(':').nth(5) {
        Some("execution") => arn.rsplit_once(':').unwrap_or_default(),
        // rec; the words for what is no ARN are those of DescribeExecution.
        Some(kind) => {
            return Err(bad("InvalidArn", format!("Invalid Arn: 'Resource type not valid in this context: {kind}'")));
        }
        None => return Err(bad("InvalidArn", format!("Invalid Arn: 'Invalid ARN prefix: {arn}'"))),
    };
    let machine = machines.get_mut(&machine.replace(":execution:", ":stateMachine:"));
    let stopped = machine.and_then(|machine| machine.running.remove(name));
    match stopped {
        Some(_) => Ok(json!({"stopDate": context.now.as_secs_f64()})),
        None => Err(bad("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))),
    }
}

/// The newest first (doc).
pub(super) fn list(machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let status = input.status_filter.as_deref().unwrap_or("RUNNING");
    if !STATUSES.contains(&status) {
        let set = format!("satisfy enum value set: [{}]", STATUSES.join(", "));
        return Err(constraint(status, "statusFilter", &set));
    }
    let (arn, machine) = found(machines, input)?;
    if machine.kind == "EXPRESS" {
        return Err(bad(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        ));
    }
    let executions = arn.replace(":stateMachine:", ":execution:");
    let running = machine.running.iter().filter(|_| status == "RUNNING").map(|(name, started)| {
        let key = format!("{:039}{name}", u128::MAX - started.as_nanos());
        let shown = json!({
            "executionArn": format!("{executions}:{name}"), "stateMachineArn": arn, "name": name,
            "status": "RUNNING", "startDate": started.as_secs_f64(), "redriveCount": 0,
        });
        (key, shown)
    });
    let mut running: Vec<_> = running.collect();
    running.sort_by(|a, b| a.0.cmp(&b.0));
    listed(input, "executions", running, 3096)
}
