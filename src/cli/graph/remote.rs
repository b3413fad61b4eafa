//! Step Functions' calls for an execution, with the credentials of whoever runs the command line.

use aws_config::{BehaviorVersion, Region};
use aws_sdk_sfn::types::HistoryEvent;

use crate::aws::{AwsError, https};
use crate::graph::{Event, Items};

/// The whole history of an execution, without inputs and outputs: up to 25,000 events, 1,000 a call; and one call more for
/// each run of a Map state in DISTRIBUTED mode, whose items are in no history.
///
/// # Errors
/// What AWS answers.
pub async fn history(region: &str, arn: &str) -> Result<Vec<Event>, AwsError> {
    let config =
        aws_config::defaults(BehaviorVersion::latest()).region(Region::new(region.to_owned())).http_client(https());
    let sfn = aws_sdk_sfn::Client::new(&config.load().await);
    let call = sfn.get_execution_history().execution_arn(arn).include_execution_data(false).max_results(1000);
    let mut pages = call.into_paginator().items().send();
    let mut events = Vec::new();
    while let Some(event) = pages.next().await {
        let event = event.map_err(AwsError::of("GetExecutionHistory"))?;
        let mut own = read(&event);
        if let Some(run) = event.map_run_started_event_details().and_then(|details| details.map_run_arn()) {
            own.items = items(&sfn, run).await?;
        }
        events.push(own);
    }
    Ok(events)
}

async fn items(sfn: &aws_sdk_sfn::Client, run: &str) -> Result<Option<Items>, AwsError> {
    let answer = sfn.describe_map_run().map_run_arn(run).send().await.map_err(AwsError::of("DescribeMapRun"))?;
    // AWS counts from 0.
    let count = |count: i64| usize::try_from(count).unwrap_or_default();
    Ok(answer.item_counts().map(|counts| Items {
        total: count(counts.total()),
        succeeded: count(counts.succeeded()),
        failed: count(counts.failed() + counts.timed_out()),
        aborted: count(counts.aborted()),
    }))
}

fn read(event: &HistoryEvent) -> Event {
    let iteration = [
        event.map_iteration_started_event_details(),
        event.map_iteration_succeeded_event_details(),
        event.map_iteration_failed_event_details(),
        event.map_iteration_aborted_event_details(),
    ];
    let states = [
        event.state_entered_event_details().map(|details| details.name()),
        event.state_exited_event_details().map(|details| details.name()),
        event.evaluation_failed_event_details().map(|details| details.state()),
        iteration.into_iter().flatten().find_map(|details| details.name()),
    ];
    let errors = [
        event.task_failed_event_details().and_then(|details| details.error()),
        event.task_timed_out_event_details().and_then(|details| details.error()),
        event.task_start_failed_event_details().and_then(|details| details.error()),
        event.task_submit_failed_event_details().and_then(|details| details.error()),
        event.lambda_function_failed_event_details().and_then(|details| details.error()),
        event.lambda_function_timed_out_event_details().and_then(|details| details.error()),
        event.lambda_function_start_failed_event_details().and_then(|details| details.error()),
        event.lambda_function_schedule_failed_event_details().and_then(|details| details.error()),
        event.activity_failed_event_details().and_then(|details| details.error()),
        event.activity_timed_out_event_details().and_then(|details| details.error()),
        event.activity_schedule_failed_event_details().and_then(|details| details.error()),
        event.map_run_failed_event_details().and_then(|details| details.error()),
        event.evaluation_failed_event_details().and_then(|details| details.error()),
        event.execution_failed_event_details().and_then(|details| details.error()),
        event.execution_timed_out_event_details().and_then(|details| details.error()),
    ];
    let first =
        |texts: &[Option<&str>]| texts.iter().flatten().find(|text| !text.is_empty()).map(|text| (*text).to_owned());
    Event {
        id: event.id(),
        previous: event.previous_event_id(),
        kind: event.r#type().as_str().to_owned(),
        state: first(&states),
        error: first(&errors),
        items: None,
    }
}
