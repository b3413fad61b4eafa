//! Step Functions. Sources: corpora/aws-recorded, AWS.md §1 and §2.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use aws_sdk_sfn::types::{
    EncryptionConfiguration, EncryptionType, ExecutionStatus, LogLevel, StateMachineStatus, StateMachineType, Tag,
    TracingConfiguration,
};

use super::cloud::{Case, Cloud, case, definition};

pub const CASES: &[Case] = &[
    case!(a_machine_shows_defaults_for_what_was_not_said),
    case!(creating_it_again_ignores_role_and_tags),
    case!(another_form_of_that_name_is_refused),
    case!(the_definition_is_compared_as_text),
    case!(an_update_leaves_what_it_does_not_say),
    case!(the_same_update_keeps_the_revision),
    case!(an_update_of_nothing_is_refused),
    case!(deleting_what_is_not_there_is_no_error),
    case!(what_is_not_there_is_said),
    case!(a_bad_name_is_refused, "accepted (TESTBED §2)"),
    case!(a_bad_role_arn_is_refused, "accepted (TESTBED §2)"),
    case!(a_role_that_is_not_there_can_t_be_assumed, "accepted (TESTBED §2)"),
    case!(a_role_must_trust_states, "accepted (TESTBED §2)"),
    case!(a_missing_target_is_refused, "accepted (TESTBED §2)"),
    case!(a_definition_without_states_is_refused),
    case!(an_express_machine_waits_for_nobody),
    case!(tags_of_a_machine),
    case!(a_machine_has_50_tags_at_most, "accepted"),
    case!(machines_are_listed_in_pages),
    case!(a_log_level_needs_a_destination),
    case!(a_customer_managed_key_must_be_named, "accepted"),
    case!(executions_are_listed_in_pages_the_newest_first),
    case!(executions_are_of_a_standard_machine),
];

async fn role(cloud: &Cloud) -> Result<String> {
    Ok(cloud.role("states.amazonaws.com").await?.1)
}

fn tag(key: &str, value: &str) -> Tag {
    Tag::builder().key(key).value(value).build()
}

async fn a_machine_shows_defaults_for_what_was_not_said(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let arn = cloud.machine(&name, &role, &definition("a")).await?;
    ensure!(arn == format!("arn:aws:states:{}:{}:stateMachine:{name}", cloud.region, cloud.account), "{arn}");
    let found = cloud.sfn.describe_state_machine().state_machine_arn(&arn).send().await?;
    ensure!(found.status == Some(StateMachineStatus::Active), "{found:?}");
    ensure!(found.r#type == StateMachineType::Standard, "{found:?}");
    ensure!(found.definition == definition("a") && found.role_arn == role, "{found:?}");
    let logging = found.logging_configuration.as_ref().context("no logging")?;
    ensure!(logging.level == Some(LogLevel::Off) && !logging.include_execution_data, "{found:?}");
    ensure!(!found.tracing_configuration.as_ref().context("no tracing")?.enabled, "{found:?}");
    let encryption = found.encryption_configuration.as_ref().context("no encryption")?;
    ensure!(encryption.r#type == EncryptionType::AwsOwnedKey, "{found:?}");
    ensure!(found.revision_id.is_none(), "{found:?}");
    Ok(())
}

async fn creating_it_again_ignores_role_and_tags(cloud: Cloud) -> Result<()> {
    let (name, first, second) = (cloud.name("m"), role(&cloud).await?, role(&cloud).await?);
    let arn = cloud.machine(&name, &first, &definition("a")).await?;
    let again = cloud.sfn.create_state_machine().name(&name).definition(definition("a")).role_arn(&second);
    let again = again.tags(tag("a", "b")).send().await?;
    ensure!(again.state_machine_arn == arn, "{again:?}");
    let found = cloud.sfn.describe_state_machine().state_machine_arn(&arn).send().await?;
    ensure!(found.role_arn == first, "{found:?}");
    let tags = cloud.sfn.list_tags_for_resource().resource_arn(&arn).send().await?;
    ensure!(tags.tags().is_empty(), "{tags:?}");
    Ok(())
}

async fn another_form_of_that_name_is_refused(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let arn = cloud.machine(&name, &role, &definition("a")).await?;
    let create = || cloud.sfn.create_state_machine().name(&name).role_arn(&role);
    let words = format!("State Machine Already Exists: '{arn}'");
    let other = create().definition(definition("b")).send().await;
    cloud.refused(other, "StateMachineAlreadyExists", &words)?;
    let traced = TracingConfiguration::builder().enabled(true).build();
    let traced = create().definition(definition("a")).tracing_configuration(traced).send().await;
    cloud.refused(traced, "StateMachineAlreadyExists", &words)
}

async fn the_definition_is_compared_as_text(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    cloud.machine(&name, &role, &definition("a")).await?;
    let spaced = definition("a").replace(':', ": ");
    let again = cloud.sfn.create_state_machine().name(&name).role_arn(&role).definition(spaced).send().await;
    cloud.refused(again, "StateMachineAlreadyExists", "")
}

async fn an_update_leaves_what_it_does_not_say(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let arn = cloud.machine(&name, &role, &definition("a")).await?;
    let update = || cloud.sfn.update_state_machine().state_machine_arn(&arn);
    update().tracing_configuration(TracingConfiguration::builder().enabled(true).build()).send().await?;
    let answer = update().definition(definition("b")).send().await?;
    let found = eventually(&cloud, &arn, &definition("b")).await?;
    ensure!(found.tracing_configuration.as_ref().is_some_and(|tracing| tracing.enabled), "{found:?}");
    ensure!(found.role_arn == role && found.revision_id == answer.revision_id, "{found:?}, {answer:?}");
    Ok(())
}

/// Reads are eventually consistent after an update (AWS.md §2).
async fn eventually(
    cloud: &Cloud,
    arn: &str,
    definition: &str,
) -> Result<aws_sdk_sfn::operation::describe_state_machine::DescribeStateMachineOutput> {
    for _ in 0..30 {
        let found = cloud.sfn.describe_state_machine().state_machine_arn(arn).send().await?;
        if found.definition == definition {
            return Ok(found);
        }
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
    }
    anyhow::bail!("the new definition is not shown")
}

async fn the_same_update_keeps_the_revision(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let arn = cloud.machine(&name, &role, &definition("a")).await?;
    let update =
        |text: &str| cloud.sfn.update_state_machine().state_machine_arn(&arn).definition(definition(text)).send();
    let (one, same, two) = (update("b").await?, update("b").await?, update("c").await?);
    ensure!(one.revision_id == same.revision_id && one.revision_id != two.revision_id, "{one:?} {same:?} {two:?}");
    Ok(())
}

async fn an_update_of_nothing_is_refused(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let arn = cloud.machine(&name, &role, &definition("a")).await?;
    let update = cloud.sfn.update_state_machine().state_machine_arn(arn).send().await;
    cloud.refused(update, "MissingRequiredParameter", "Either the definition, the role ARN")
}

fn missing(cloud: &Cloud) -> String {
    format!("arn:aws:states:{}:{}:stateMachine:{}", cloud.region, cloud.account, cloud.name("none"))
}

async fn deleting_what_is_not_there_is_no_error(cloud: Cloud) -> Result<()> {
    cloud.sfn.delete_state_machine().state_machine_arn(missing(&cloud)).send().await?;
    Ok(())
}

async fn what_is_not_there_is_said(cloud: Cloud) -> Result<()> {
    let (sfn, arn) = (&cloud.sfn, missing(&cloud));
    let words = format!("State Machine Does Not Exist: '{arn}'");
    let code = "StateMachineDoesNotExist";
    cloud.refused(sfn.describe_state_machine().state_machine_arn(&arn).send().await, code, &words)?;
    let update = sfn.update_state_machine().state_machine_arn(&arn).definition(definition("a")).send().await;
    cloud.refused(update, code, &words)?;
    let tags = sfn.list_tags_for_resource().resource_arn(&arn).send().await;
    cloud.refused(tags, "ResourceNotFound", &format!("Resource not found: '{arn}'"))?;
    let bad = sfn.describe_state_machine().state_machine_arn("none").send().await;
    cloud.refused(bad, "InvalidArn", "Invalid Arn: 'Invalid ARN prefix: none'")
}

async fn a_bad_name_is_refused(cloud: Cloud) -> Result<()> {
    let role = role(&cloud).await?;
    for bad in ["a b", "a/b", "a*"] {
        let name = cloud.name(bad);
        let create = cloud.sfn.create_state_machine().name(&name).role_arn(&role).definition(definition("a"));
        cloud.refused(create.send().await, "InvalidName", &format!("Invalid Name: '{name}'"))?;
    }
    Ok(())
}

async fn a_bad_role_arn_is_refused(cloud: Cloud) -> Result<()> {
    let create = cloud.sfn.create_state_machine().name(cloud.name("m")).role_arn("none").definition(definition("a"));
    cloud.refused(create.send().await, "InvalidArn", "Invalid Role Arn: 'none'")
}

const NOT_ASSUMABLE: &str = "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role.";

async fn a_role_that_is_not_there_can_t_be_assumed(cloud: Cloud) -> Result<()> {
    let role = format!("arn:aws:iam::{}:role/{}", cloud.account, cloud.name("none"));
    let create = cloud.sfn.create_state_machine().name(cloud.name("m")).role_arn(role).definition(definition("a"));
    cloud.refused(create.send().await, "AccessDeniedException", NOT_ASSUMABLE)
}

async fn a_role_must_trust_states(cloud: Cloud) -> Result<()> {
    let (_, role) = cloud.role("lambda.amazonaws.com").await?;
    let create = cloud.sfn.create_state_machine().name(cloud.name("m")).role_arn(role).definition(definition("a"));
    cloud.refused(create.send().await, "AccessDeniedException", NOT_ASSUMABLE)
}

async fn refused_definition(cloud: &Cloud, kind: StateMachineType, text: &str, words: &str) -> Result<()> {
    let role = role(cloud).await?;
    let create = cloud.sfn.create_state_machine().name(cloud.name("m")).r#type(kind).role_arn(role).definition(text);
    cloud.refused(create.send().await, "InvalidDefinition", words)
}

async fn a_missing_target_is_refused(cloud: Cloud) -> Result<()> {
    let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "Next": "B"}}}"#;
    refused_definition(&cloud, StateMachineType::Standard, text, "MISSING_TRANSITION_TARGET").await
}

async fn a_definition_without_states_is_refused(cloud: Cloud) -> Result<()> {
    let words = "SCHEMA_VALIDATION_FAILED: These fields are required: [States] at /";
    refused_definition(&cloud, StateMachineType::Standard, r#"{"StartAt": "A"}"#, words).await
}

async fn an_express_machine_waits_for_nobody(cloud: Cloud) -> Result<()> {
    let text = r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Resource": "arn:aws:states:::states:startExecution.sync", "Parameters": {"StateMachineArn": "arn:aws:states:us-east-1:111122223333:stateMachine:x"}, "End": true}}}"#;
    let words = "Express state machine does not support '.sync' service integration at /States/A/Resource";
    refused_definition(&cloud, StateMachineType::Express, text, words).await
}

async fn tags_of_a_machine(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let arn = cloud.machine(&name, &role, &definition("a")).await?;
    let put = |key: &str, value: &str| cloud.sfn.tag_resource().resource_arn(&arn).tags(tag(key, value)).send();
    put("a", "1").await?;
    put("a", "2").await?;
    put("b", "").await?;
    cloud.sfn.untag_resource().resource_arn(&arn).tag_keys("b").tag_keys("none").send().await?;
    let found = cloud.sfn.list_tags_for_resource().resource_arn(&arn).send().await?;
    ensure!(found.tags() == [tag("a", "2")], "{found:?}");
    Ok(())
}

async fn a_machine_has_50_tags_at_most(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let arn = cloud.machine(&name, &role, &definition("a")).await?;
    let tags = (0..51).map(|n| tag(&format!("k{n}"), "v")).collect();
    let put = cloud.sfn.tag_resource().resource_arn(&arn).set_tags(Some(tags)).send().await;
    cloud.refused(put, "TooManyTags", "")
}

async fn machines_are_listed_in_pages(cloud: Cloud) -> Result<()> {
    let role = role(&cloud).await?;
    let mut names = Vec::new();
    for part in ["a", "b", "c"] {
        let name = cloud.name(part);
        cloud.machine(&name, &role, &definition("a")).await?;
        names.push(name);
    }
    let first = cloud.sfn.list_state_machines().max_results(2).send().await?;
    ensure!(first.state_machines.len() == 2 && first.next_token.is_some(), "{first:?}");
    let pages = cloud.sfn.list_state_machines().max_results(2).into_paginator().items().send();
    let all = pages.collect::<Result<Vec<_>, _>>().await?;
    let found = names.iter().all(|name| all.iter().filter(|machine| machine.name == *name).count() == 1);
    ensure!(found, "{all:?}");
    Ok(())
}

async fn a_log_level_needs_a_destination(cloud: Cloud) -> Result<()> {
    let role = role(&cloud).await?;
    let logging = aws_sdk_sfn::types::LoggingConfiguration::builder().level(LogLevel::All).build();
    let create = cloud.sfn.create_state_machine().name(cloud.name("m")).role_arn(role).definition(definition("a"));
    let words = "Invalid Logging Configuration: Must specify exactly one Log Destination.";
    cloud.refused(create.logging_configuration(logging).send().await, "InvalidLoggingConfiguration", words)
}

/// Source: InvalidEncryptionConfiguration, Step Functions' reference.
async fn a_customer_managed_key_must_be_named(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let nameless = EncryptionConfiguration::builder().r#type(EncryptionType::CustomerManagedKmsKey).build()?;
    let create = cloud.sfn.create_state_machine().name(&name).definition(definition("a")).role_arn(&role);
    let answer = create.encryption_configuration(nameless).send().await;
    cloud.refused(answer, "InvalidEncryptionConfiguration", "")
}

/// That the executions with this status are these, in this order; the list is eventually consistent (doc).
async fn executions(cloud: &Cloud, arn: &str, status: ExecutionStatus, expected: &[&str]) -> Result<()> {
    for tried in 0.. {
        let list = cloud.sfn.list_executions().state_machine_arn(arn).status_filter(status.clone()).max_results(2);
        let mut pages = list.into_paginator().send();
        let mut found = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page?.executions;
            ensure!(page.len() <= 2, "{page:?}");
            found.extend(page.into_iter().map(|execution| execution.name));
        }
        if found == expected {
            break;
        }
        ensure!(tried < 30, "{expected:?} were expected, and there are {found:?}");
        cloud.pause(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn executions_are_listed_in_pages_the_newest_first(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), role(&cloud).await?);
    let waits = r#"{"StartAt": "A", "States": {"A": {"Type": "Wait", "Seconds": 300, "End": true}}}"#;
    let arn = cloud.machine(&name, &role, waits).await?;
    let mut started = Vec::new();
    // Not in the order of their names.
    for name in ["b", "c", "a"] {
        let start = cloud.sfn.start_execution().state_machine_arn(&arn).name(name).send().await?;
        started.push(start.execution_arn);
        cloud.pause(Duration::from_millis(20)).await;
    }
    executions(&cloud, &arn, ExecutionStatus::Running, &["a", "c", "b"]).await?;
    executions(&cloud, &arn, ExecutionStatus::Succeeded, &[]).await?;
    let stop = |arn: &str| cloud.sfn.stop_execution().execution_arn(arn).send();
    stop(&started[1]).await?;
    executions(&cloud, &arn, ExecutionStatus::Running, &["a", "b"]).await?;
    stop(&started[0]).await?;
    stop(&started[2]).await?;
    executions(&cloud, &arn, ExecutionStatus::Running, &[]).await
}

async fn executions_are_of_a_standard_machine(cloud: Cloud) -> Result<()> {
    let list = |arn: &str| cloud.sfn.list_executions().state_machine_arn(arn);
    let none = missing(&cloud);
    let words = format!("State Machine Does Not Exist: '{none}'");
    cloud.refused(list(&none).send().await, "StateMachineDoesNotExist", &words)?;
    let role = role(&cloud).await?;
    let arn = cloud.machine(&cloud.name("m"), &role, &definition("a")).await?;
    let words =
        "Value '1001' at 'maxResults' failed to satisfy constraint: Member must have value less than or equal to 1000";
    cloud.refused(list(&arn).max_results(1001).send().await, "ValidationException", words)?;
    let name = cloud.name("express");
    let create = cloud.sfn.create_state_machine().name(&name).r#type(StateMachineType::Express).role_arn(&role);
    let express = create.definition(definition("a")).send().await?.state_machine_arn;
    cloud.made_machine(&express);
    let words = "This operation is not supported by this type of state machine";
    cloud.refused(list(&express).send().await, "StateMachineTypeNotSupported", words)
}
