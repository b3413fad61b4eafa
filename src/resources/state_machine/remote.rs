//! Step Functions' calls for state machines.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{ExecutionStatus, StateMachineStatus, StateMachineType, Tag, TracingConfiguration};

use super::{Observed, Step, type_name};
use crate::aws::{AwsError, Class};
use crate::identity::Tags;
use crate::resources::Claim;

/// Reads a machine with one call; `None` where it does not exist.
///
/// # Errors
/// What AWS answers.
pub async fn observe(sfn: &Client, arn: &str) -> Result<Option<Observed>, AwsError> {
    let answer = sfn.describe_state_machine().state_machine_arn(arn).send().await;
    let machine = match answer.map_err(AwsError::of("DescribeStateMachine")) {
        Err(error) if error.class == Class::NotFound => return Ok(None),
        answer => answer?,
    };
    Ok(Some(Observed {
        type_: machine.r#type.as_str().to_owned(),
        definition: machine.definition,
        role_arn: machine.role_arn,
        tracing: machine.tracing_configuration.is_some_and(|tracing| tracing.enabled),
        revision_id: machine.revision_id,
        deleting: machine.status == Some(StateMachineStatus::Deleting),
    }))
}

/// Reads a machine's tags.
///
/// # Errors
/// What AWS answers.
pub async fn tags(sfn: &Client, arn: &str) -> Result<Tags, AwsError> {
    let answer = sfn.list_tags_for_resource().resource_arn(arn).send().await;
    let tags = answer.map_err(AwsError::of("ListTagsForResource"))?.tags.unwrap_or_default();
    Ok(tags.into_iter().filter_map(|tag| Some((tag.key?, tag.value.unwrap_or_default()))).collect())
}

/// As many running executions are counted: one page.
pub const MOST_RUNNING: usize = 100;

/// How many executions of a STANDARD machine run, up to [`MOST_RUNNING`]; none where it does not exist.
///
/// # Errors
/// What AWS answers.
pub async fn running(sfn: &Client, arn: &str) -> Result<usize, AwsError> {
    let list = sfn.list_executions().state_machine_arn(arn).status_filter(ExecutionStatus::Running);
    let answer = list.max_results(i32::try_from(MOST_RUNNING).unwrap_or(i32::MAX)).send().await;
    match answer.map_err(AwsError::of("ListExecutions")) {
        Err(error) if error.class == Class::NotFound => Ok(0),
        answer => Ok(answer?.executions.len()),
    }
}

/// Carries out one step.
///
/// # Errors
/// What AWS answers; that a machine to be deleted is already gone is no error.
pub async fn carry_out(sfn: &Client, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::Create { name, r#type, definition, role_arn, tracing, tags, .. } => {
            // Repeating it is harmless: idempotent by name and configuration (AWS.md §2); a differing role or tag is
            // found by the next observation.
            sfn.create_state_machine()
                .name(name)
                .r#type(StateMachineType::from(type_name(*r#type)))
                .definition(definition)
                .role_arn(role_arn)
                .tracing_configuration(tracing_configuration(*tracing))
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await
                .map_err(AwsError::of("CreateStateMachine"))?;
        }
        Step::Update { arn, definition, role_arn, tracing } => {
            sfn.update_state_machine()
                .state_machine_arn(arn)
                .set_definition(definition.clone())
                .set_role_arn(role_arn.clone())
                .set_tracing_configuration(tracing.map(tracing_configuration))
                .send()
                .await
                .map_err(AwsError::of("UpdateStateMachine"))?;
        }
        Step::Claim { arn, claim: Claim { tags, remove } } | Step::Release { arn, remove, tags } => {
            tag(sfn, arn, tags).await?;
            untag(sfn, arn, remove.clone()).await?;
        }
        Step::Delete { arn } => {
            let answer = sfn.delete_state_machine().state_machine_arn(arn).send().await;
            match answer.map_err(AwsError::of("DeleteStateMachine")) {
                Err(error) if error.class != Class::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

async fn tag(sfn: &Client, arn: &str, tags: &Tags) -> Result<(), AwsError> {
    sfn.tag_resource()
        .resource_arn(arn)
        .set_tags(Some(sdk_tags(tags)))
        .send()
        .await
        .map(drop)
        .map_err(AwsError::of("TagResource"))
}

async fn untag(sfn: &Client, arn: &str, keys: Vec<String>) -> Result<(), AwsError> {
    if keys.is_empty() {
        return Ok(());
    }
    sfn.untag_resource()
        .resource_arn(arn)
        .set_tag_keys(Some(keys))
        .send()
        .await
        .map(drop)
        .map_err(AwsError::of("UntagResource"))
}

fn tracing_configuration(enabled: bool) -> TracingConfiguration {
    TracingConfiguration::builder().enabled(enabled).build()
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
