//! Executions of STANDARD machines: each runs until it is stopped, so that what waits for one can be seen to wait.

use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::Refusal;
use super::machines::found;
use super::{Input, Machines, bad, marker, page, read_marker, required};

pub(super) fn start(context: &Context<'_>, machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let (arn, machine) = found(machines, input)?;
    let name = required(input.name.as_ref(), "name")?;
    if machine.kind != "STANDARD" || input.input.is_some() {
        return Err(Refusal::unknown("executions of an EXPRESS machine, or with input"));
    }
    let started = *machine.running.entry(name.to_owned()).or_insert(context.now);
    let arn = format!("{}:{name}", arn.replace(":stateMachine:", ":execution:"));
    Ok(json!({"executionArn": arn, "startDate": started.as_secs_f64()}))
}

pub(super) fn stop(context: &Context<'_>, machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let arn = required(input.execution_arn.as_ref(), "executionArn")?;
    let (machine, name) = arn.rsplit_once(':').unwrap_or_default();
    let machine = machines.get_mut(&machine.replace(":execution:", ":stateMachine:"));
    let stopped = machine.and_then(|machine| machine.running.remove(name));
    match stopped {
        Some(_) => Ok(json!({"stopDate": context.now.as_secs_f64()})),
        None => Err(bad("ExecutionDoesNotExist", format!("Execution Does Not Exist: '{arn}'"))),
    }
}

/// The newest first (doc).
pub(super) fn list(machines: &mut Machines, input: &Input) -> Result<Value, Refusal> {
    let (arn, machine) = found(machines, input)?;
    if machine.kind == "EXPRESS" {
        return Err(bad(
            "StateMachineTypeNotSupported",
            "This operation is not supported by this type of state machine",
        ));
    }
    let is_running = input.status_filter.as_deref().is_none_or(|status| status == "RUNNING");
    let arn = arn.replace(":stateMachine:", ":execution:");
    let newest = machine.running.values().max().copied().unwrap_or_default();
    let running = machine.running.iter().filter(|_| is_running).map(|(name, started)| {
        let key = format!("{:020}{name}", (newest - *started).as_nanos());
        let shown = json!({
            "executionArn": format!("{arn}:{name}"), "stateMachineArn": input.state_machine_arn, "name": name,
            "status": "RUNNING", "startDate": started.as_secs_f64(),
        });
        (key, shown)
    });
    let mut running: Vec<_> = running.collect();
    running.sort_by(|a, b| a.0.cmp(&b.0));
    let size = input.max_results.and_then(|size| usize::try_from(size).ok()).filter(|size| *size > 0).unwrap_or(100);
    let after = input.next_token.as_deref().and_then(read_marker);
    let (items, next) = page(running, after.as_deref(), size);
    let mut answer = json!({"executions": items});
    if let Some(next) = next {
        answer["nextToken"] = json!(marker(&next));
    }
    Ok(answer)
}
