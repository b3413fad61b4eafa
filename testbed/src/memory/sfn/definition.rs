//! What CreateStateMachine refuses of a definition, as far as the difference matters: its shape and its transitions.

use serde_json::Value;

use super::super::wire::Refusal;
use super::{bad, constraint};

fn invalid(what: &str, at: &str) -> Refusal {
    bad("InvalidDefinition", format!("Invalid State Machine Definition: '{what} at {at}'"))
}

pub(super) fn check(text: &str, kind: &str) -> Result<(), Refusal> {
    // AWS.md §1.
    if text.len() > 1_048_576 {
        return Err(constraint("(the definition)", "definition", "have length less than or equal to 1048576"));
    }
    let definition: Value = serde_json::from_str(text).map_err(|error| {
        bad("InvalidDefinition", format!("Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: {error}'"))
    })?;
    if !definition.is_object() {
        return Err(bad(
            "InvalidDefinition",
            "Invalid State Machine Definition: 'INVALID_JSON_DESCRIPTION: Expected value to be of type 'object''",
        ));
    }
    states(&definition, "", kind)
}

/// One level of states, and those inside Parallel and Map.
fn states(level: &Value, path: &str, kind: &str) -> Result<(), Refusal> {
    let place = if path.is_empty() { "/" } else { path };
    // rec
    for field in ["StartAt", "States"] {
        if level[field].is_null() {
            return Err(invalid(&format!("SCHEMA_VALIDATION_FAILED: These fields are required: [{field}]"), place));
        }
    }
    let all = level["States"].as_object().filter(|states| !states.is_empty());
    let all =
        all.ok_or_else(|| invalid("SCHEMA_VALIDATION_FAILED: Expected at least one state", &format!("{path}/States")))?;
    let target = |name: &Value, at: String| match name.as_str() {
        Some(name) if all.contains_key(name) => Ok(()),
        Some(name) => Err(invalid(&format!("MISSING_TRANSITION_TARGET: Missing 'Next' target: {name}"), &at)),
        None => Ok(()),
    };
    target(&level["StartAt"], format!("{path}/StartAt"))?;
    for (name, state) in all {
        let at = format!("{path}/States/{name}");
        target(&state["Next"], format!("{at}/Next"))?;
        target(&state["Default"], format!("{at}/Default"))?;
        for field in ["Choices", "Catch"] {
            for (index, one) in state[field].as_array().into_iter().flatten().enumerate() {
                target(&one["Next"], format!("{at}/{field}[{index}]/Next"))?;
            }
        }
        let ends = !state["Next"].is_null() || state["End"] == true;
        match state["Type"].as_str() {
            Some("Choice" | "Succeed" | "Fail") => {}
            Some("Pass" | "Task" | "Wait" | "Parallel" | "Map") if ends => {}
            Some("Pass" | "Task" | "Wait" | "Parallel" | "Map") => {
                return Err(invalid("SCHEMA_VALIDATION_FAILED: One of Next or End is required", &at));
            }
            _ => {
                return Err(invalid("SCHEMA_VALIDATION_FAILED: Type is not a known state type", &format!("{at}/Type")));
            }
        }
        if kind == "EXPRESS" {
            express(state["Resource"].as_str().unwrap_or_default(), &format!("{at}/Resource"))?;
        }
        for (index, branch) in state["Branches"].as_array().into_iter().flatten().enumerate() {
            states(branch, &format!("{at}/Branches[{index}]"), kind)?;
        }
        for field in ["ItemProcessor", "Iterator"].into_iter().filter(|field| !state[*field].is_null()) {
            states(&state[field], &format!("{at}/{field}"), kind)?;
        }
    }
    Ok(())
}

/// rec: with AWS's two spaces in one of them.
fn express(resource: &str, at: &str) -> Result<(), Refusal> {
    let what = if resource.contains(".waitForTaskToken") {
        "Express state machine does not support '.waitForTaskToken' service integration "
    } else if resource.contains(".sync") {
        "Express state machine does not support '.sync' service integration"
    } else if resource.contains(":activity:") {
        "Express state machine does not support Activity ARN"
    } else {
        return Ok(());
    };
    Err(invalid(&format!("SCHEMA_VALIDATION_FAILED: {what}"), at))
}

/// The rule of EventBridge that Step Functions makes for it, with the execution role's rights (AWS.md §5).
pub(super) fn managed_rule(text: &str) -> Option<&'static str> {
    [
        (":states:startExecution.sync", "StepFunctionsGetEventsForStepFunctionsExecutionRule"),
        (":ecs:runTask.sync", "StepFunctionsGetEventsForECSTaskRule"),
        (":batch:submitJob.sync", "StepFunctionsGetEventsForBatchJobsRule"),
        (":codebuild:startBuild.sync", "StepFunctionsGetEventForCodeBuildStartBuildRule"),
        (":mediaconvert:createJob.sync", "StepFunctionsGetEventsForMediaConvertJobRule"),
        (":sagemaker:createTrainingJob.sync", "StepFunctionsGetEventsForSageMakerTrainingJobsRule"),
    ]
    .iter()
    .find_map(|(integration, rule)| text.contains(integration).then_some(*rule))
}
