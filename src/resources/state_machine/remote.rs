//! Step Functions' calls for state machines.

use std::time::SystemTime;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{
    CloudWatchLogsLogGroup, EncryptionConfiguration, EncryptionType, ExecutionStatus, LogDestination, LogLevel,
    LoggingConfiguration, StateMachineStatus, StateMachineType, Tag, TracingConfiguration,
};

use super::{Encryption, Logging, Observed, Step, type_name};
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
        logging: machine.logging_configuration.as_ref().and_then(observed_logging),
        tracing: machine.tracing_configuration.is_some_and(|tracing| tracing.enabled),
        encryption: machine.encryption_configuration.as_ref().and_then(observed_encryption),
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

/// As many running executions are counted: one page, unless AWS makes it shorter.
pub const MOST_RUNNING: usize = 100;

/// How many executions of a STANDARD machine run, up to [`MOST_RUNNING`]; none where it does not exist.
///
/// # Errors
/// What AWS answers.
pub async fn running(sfn: &Client, arn: &str) -> Result<usize, AwsError> {
    let list = sfn.list_executions().state_machine_arn(arn).status_filter(ExecutionStatus::Running);
    let mut pages = list.max_results(i32::try_from(MOST_RUNNING).unwrap_or(i32::MAX)).into_paginator().send();
    let mut found = 0;
    while found < MOST_RUNNING
        && let Some(answer) = pages.next().await
    {
        found += match answer.map_err(AwsError::of("ListExecutions")) {
            Err(error) if error.class == Class::NotFound => 0,
            answer => answer?.executions.len(),
        };
    }
    Ok(found.min(MOST_RUNNING))
}

/// So many running executions are looked through, in pages of [`PAGE`]: ListExecutions is shared by the whole account.
const MOST_PAGES: usize = 10;
const PAGE: i32 = 1000;

/// How many of a STANDARD machine's running executions were found to have started before a moment: all of the page on which the first
/// was found. They are listed from the newest (Step Functions' reference). Past [`MOST_PAGES`] there are taken to be some.
///
/// # Errors
/// What AWS answers.
pub async fn running_since_before(sfn: &Client, arn: &str, before: SystemTime) -> Result<usize, AwsError> {
    let list = sfn.list_executions().state_machine_arn(arn).status_filter(ExecutionStatus::Running).max_results(PAGE);
    let mut pages = list.into_paginator().send();
    for _ in 0..MOST_PAGES {
        let page = match pages.next().await {
            None => return Ok(0),
            Some(answer) => match answer.map_err(AwsError::of("ListExecutions")) {
                Err(error) if error.class == Class::NotFound => return Ok(0),
                answer => answer?,
            },
        };
        let started = page.executions.iter().filter_map(|execution| SystemTime::try_from(execution.start_date).ok());
        let older = started.filter(|started| *started < before).count();
        if older > 0 {
            return Ok(older);
        }
    }
    Ok(1)
}

/// Carries out one step.
///
/// # Errors
/// What AWS answers; that a machine to be deleted is already gone is no error.
pub async fn carry_out(sfn: &Client, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::Create { name, r#type, definition, role_arn, logging, tracing, encryption, tags, .. } => {
            // Repeating it is harmless: idempotent by name and configuration (AWS.md §2); a differing role or tag is
            // found by the next observation.
            sfn.create_state_machine()
                .name(name)
                .r#type(StateMachineType::from(type_name(*r#type)))
                .definition(definition)
                .role_arn(role_arn)
                .logging_configuration(logging_configuration(logging.as_ref()))
                .tracing_configuration(tracing_configuration(*tracing))
                .set_encryption_configuration(encryption_configuration(encryption.as_ref()))
                .set_tags(Some(sdk_tags(tags)))
                .send()
                .await
                .map_err(AwsError::of("CreateStateMachine"))?;
        }
        Step::Update { arn, definition, role_arn, logging, tracing, encryption } => {
            sfn.update_state_machine()
                .state_machine_arn(arn)
                .set_definition(definition.clone())
                .set_role_arn(role_arn.clone())
                .set_logging_configuration(logging.as_ref().map(|logging| logging_configuration(logging.as_ref())))
                .set_tracing_configuration(tracing.map(tracing_configuration))
                .set_encryption_configuration(
                    encryption.as_ref().and_then(|encryption| encryption_configuration(encryption.as_ref())),
                )
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

/// `None` where nothing is logged, whatever else is said.
fn observed_logging(logging: &LoggingConfiguration) -> Option<Logging> {
    let level = logging.level.as_ref().filter(|level| **level != LogLevel::Off)?;
    let group = logging.destinations().first().and_then(|destination| destination.cloud_watch_logs_log_group.as_ref());
    Some(Logging {
        level: level.as_str().to_owned(),
        include_execution_data: logging.include_execution_data,
        log_group_arn: group.and_then(|group| group.log_group_arn.clone()).unwrap_or_default(),
    })
}

fn logging_configuration(logging: Option<&Logging>) -> LoggingConfiguration {
    let Some(Logging { level, include_execution_data, log_group_arn }) = logging else {
        return LoggingConfiguration::builder().level(LogLevel::Off).include_execution_data(false).build();
    };
    let group = CloudWatchLogsLogGroup::builder().log_group_arn(log_group_arn).build();
    LoggingConfiguration::builder()
        .level(LogLevel::from(level.as_str()))
        .include_execution_data(*include_execution_data)
        .destinations(LogDestination::builder().cloud_watch_logs_log_group(group).build())
        .build()
}

fn tracing_configuration(enabled: bool) -> TracingConfiguration {
    TracingConfiguration::builder().enabled(enabled).build()
}

/// `None` where it is a key of AWS's own, which AWS shows for what was never said (recorded; AWS.md §2).
fn observed_encryption(encryption: &EncryptionConfiguration) -> Option<Encryption> {
    (encryption.r#type != EncryptionType::AwsOwnedKey).then(|| Encryption {
        kms_key_arn: encryption.kms_key_id.clone().unwrap_or_default(),
        kms_data_key_reuse_period_seconds: encryption.kms_data_key_reuse_period_seconds.unwrap_or_default(),
    })
}

/// Always something: the builder asks for the type only, which it is given.
fn encryption_configuration(encryption: Option<&Encryption>) -> Option<EncryptionConfiguration> {
    let builder = EncryptionConfiguration::builder();
    let builder = match encryption {
        None => builder.r#type(EncryptionType::AwsOwnedKey),
        Some(Encryption { kms_key_arn, kms_data_key_reuse_period_seconds }) => builder
            .r#type(EncryptionType::CustomerManagedKmsKey)
            .kms_key_id(kms_key_arn)
            .kms_data_key_reuse_period_seconds(*kms_data_key_reuse_period_seconds),
    };
    builder.build().ok()
}

fn sdk_tags(tags: &Tags) -> Vec<Tag> {
    tags.iter().map(|(key, value)| Tag::builder().key(key).value(value).build()).collect()
}
