//! What takes its time. A case waits with patience and holds every moment to what AWS may answer then: so it runs on AWS, where nobody
//! knows how long it takes, and on the AWS in memory with its delays, where time passes only while a case waits.
//! Sources: AWS.md §1 and §2; the API references of DeleteStateMachine, UpdateStateMachine and IAM ("eventually consistent").

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use aws_config::retry::RetryConfig;
use aws_sdk_iam::error::ProvideErrorMetadata;
use aws_sdk_sfn::types::StateMachineStatus;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;

use super::cloud::{Case, Cloud, case, definition, trust};

pub const CASES: &[Case] = &[
    case!(a_deleted_machine_is_deleting_and_then_gone, "it is gone at once"),
    case!(an_update_is_read_in_the_end),
    case!(a_fresh_role_can_be_assumed_in_the_end),
    case!(a_new_role_is_read_in_the_end),
    case!(a_new_api_is_listed_in_the_end),
    case!(changes_of_one_api_at_once_are_taken_or_refused_as_concurrent),
    case!(a_new_resource_takes_a_method_in_the_end),
    case!(a_new_deployment_is_served_in_the_end),
    case!(too_many_calls_are_refused_and_taken_later, "it takes every call (TESTBED §2)"),
];

/// Longer than any of these was ever reported to take.
const PATIENCE: Duration = Duration::from_secs(300);
const STEP: Duration = Duration::from_secs(1);

/// The waits between looks.
#[derive(Default)]
struct Waits(u32);

impl Waits {
    async fn wait(&mut self, cloud: &Cloud) -> Result<()> {
        self.0 += 1;
        ensure!(STEP * self.0 < PATIENCE, "it does not come to hold");
        cloud.pause(STEP).await;
        Ok(())
    }
}

fn code<T, E: ProvideErrorMetadata>(answer: &Result<T, SdkError<E, HttpResponse>>) -> Option<&str> {
    answer.as_ref().err().and_then(|error| error.as_service_error()?.code())
}

async fn a_deleted_machine_is_deleting_and_then_gone(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), cloud.role("states.amazonaws.com").await?.1);
    let arn = cloud.machine(&name, &role, &definition("a")).await?;
    cloud.sfn.delete_state_machine().state_machine_arn(&arn).send().await?;
    let describe = || cloud.sfn.describe_state_machine().state_machine_arn(&arn).send();
    let mut waits = Waits::default();
    loop {
        let found = describe().await;
        if code(&found) == Some("StateMachineDoesNotExist") {
            break;
        }
        ensure!(found?.status == Some(StateMachineStatus::Deleting), "it is there, and not DELETING");
        // The name is not free meanwhile; it may become so in this moment.
        let again =
            cloud.sfn.create_state_machine().name(&name).role_arn(&role).definition(definition("a")).send().await;
        match code(&again) {
            Some("StateMachineDeleting") => {}
            None => drop(cloud.sfn.delete_state_machine().state_machine_arn(&arn).send().await?),
            Some(other) => bail!("StateMachineDeleting was expected, and there is {other}"),
        }
        waits.wait(&cloud).await?;
    }
    ensure!(waits.0 > 0, "it never was DELETING");
    // Then the name is free.
    let again = cloud.machine(&name, &role, &definition("b")).await?;
    ensure!(again == arn, "{again}");
    Ok(())
}

async fn an_update_is_read_in_the_end(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), cloud.role("states.amazonaws.com").await?.1);
    let arn = cloud.machine(&name, &role, &definition("old")).await?;
    let update = cloud.sfn.update_state_machine().state_machine_arn(&arn).definition(definition("new"));
    let revision = update.send().await?.revision_id.context("no revision")?;
    let mut waits = Waits::default();
    loop {
        let found = cloud.sfn.describe_state_machine().state_machine_arn(&arn).send().await?;
        let is_new = found.revision_id.as_ref() == Some(&revision);
        // A read shows the one or the other, never a part of each.
        let expected = definition(if is_new { "new" } else { "old" });
        ensure!(found.definition == expected, "revision {:?} with {}", found.revision_id, found.definition);
        if is_new {
            return Ok(());
        }
        waits.wait(&cloud).await?;
    }
}

async fn a_fresh_role_can_be_assumed_in_the_end(cloud: Cloud) -> Result<()> {
    let (name, role) = (cloud.name("m"), cloud.role("states.amazonaws.com").await?.1);
    let arn = format!("arn:aws:states:{}:{}:stateMachine:{name}", cloud.region, cloud.account);
    cloud.made_machine(&arn);
    let mut waits = Waits::default();
    loop {
        let made =
            cloud.sfn.create_state_machine().name(&name).role_arn(&role).definition(definition("a")).send().await;
        if made.is_ok() {
            return Ok(());
        }
        cloud.refused(made, "AccessDeniedException", "authorized to assume the provided role")?;
        waits.wait(&cloud).await?;
    }
}

async fn a_new_role_is_read_in_the_end(cloud: Cloud) -> Result<()> {
    let (name, arn) = cloud.role("lambda.amazonaws.com").await?;
    // Its name is taken from the first moment.
    let again = cloud.iam.create_role().role_name(&name).assume_role_policy_document(trust("lambda.amazonaws.com"));
    cloud.refused(again.send().await, "EntityAlreadyExists", "")?;
    let mut waits = Waits::default();
    loop {
        let found = cloud.iam.get_role().role_name(&name).send().await;
        if code(&found) != Some("NoSuchEntity") {
            let role = found?.role.context("no role")?;
            ensure!(role.arn == arn, "{role:?}");
            return Ok(());
        }
        waits.wait(&cloud).await?;
    }
}

async fn a_new_api_is_listed_in_the_end(cloud: Cloud) -> Result<()> {
    let (id, _) = cloud.api().await?;
    // By its id it is there at once.
    cloud.apigateway.get_rest_api().rest_api_id(&id).send().await?;
    let mut waits = Waits::default();
    loop {
        let pages = cloud.apigateway.get_rest_apis().limit(500).into_paginator().items().send();
        let all: Vec<_> = pages.collect::<Result<_, _>>().await?;
        if all.iter().any(|api| api.id.as_ref() == Some(&id)) {
            return Ok(());
        }
        waits.wait(&cloud).await?;
    }
}

/// What is refused is not done, and is taken alone.
async fn changes_of_one_api_at_once_are_taken_or_refused_as_concurrent(cloud: Cloud) -> Result<()> {
    let (id, root) = cloud.api().await?;
    let client = &cloud.apigateway;
    let create = |name: &str| client.create_resource().rest_api_id(&id).parent_id(&root).path_part(name).send();
    let mut changes = tokio::task::JoinSet::new();
    for name in ["a", "b", "c", "d", "e"] {
        let create = create(name);
        changes.spawn(async move { (name, create.await) });
    }
    let mut refused = Vec::new();
    while let Some(change) = changes.join_next().await {
        match change? {
            (_, Ok(_)) => {}
            (name, answer) => {
                cloud.refused(answer, "ConflictException", "Please try again later")?;
                refused.push(name);
            }
        }
    }
    for name in refused {
        let mut waits = Waits::default();
        loop {
            let again = create(name).await;
            if again.is_ok() {
                break;
            }
            cloud.refused(again, "ConflictException", "Please try again later")?;
            waits.wait(&cloud).await?;
        }
    }
    Ok(())
}

async fn a_new_resource_takes_a_method_in_the_end(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    let made = cloud.apigateway.create_resource().rest_api_id(&api).parent_id(&root).path_part("a").send().await?;
    let resource = made.id.context("no id")?;
    let mut waits = Waits::default();
    loop {
        let put = cloud.apigateway.put_method().rest_api_id(&api).resource_id(&resource).http_method("GET");
        let put = put.authorization_type("NONE").send().await;
        if put.is_ok() {
            return Ok(());
        }
        cloud.refused(put, "NotFoundException", "Invalid Resource identifier specified")?;
        waits.wait(&cloud).await?;
    }
}

async fn a_new_deployment_is_served_in_the_end(cloud: Cloud) -> Result<()> {
    let (api, root) = cloud.api().await?;
    cloud.mock(&api, &root, "GET").await?;
    let deployment = cloud.deploy(&api).await?;
    let mut waits = Waits::default();
    loop {
        let create = cloud.apigateway.create_stage().rest_api_id(&api).stage_name("a").deployment_id(&deployment);
        let create = create.send().await;
        if create.is_ok() {
            return Ok(());
        }
        cloud.refused(create, "BadRequestException", "Deployment id does not exist")?;
        waits.wait(&cloud).await?;
    }
}

/// `GetResources` is taken 5 times in 2 seconds. What a refusal says of when to come again is kept to; AWS does not always say it.
async fn too_many_calls_are_refused_and_taken_later(cloud: Cloud) -> Result<()> {
    let (id, _) = cloud.api().await?;
    // The SDK would wait and try again by itself.
    let config = cloud.apigateway.config().to_builder().retry_config(RetryConfig::disabled()).build();
    let client = aws_sdk_apigateway::Client::from_conf(config);
    let mut calls = tokio::task::JoinSet::new();
    for _ in 0..30 {
        calls.spawn(client.get_resources().rest_api_id(&id).send());
    }
    let (mut taken, mut refused, mut later) = (0, BTreeSet::new(), 1);
    while let Some(answer) = calls.join_next().await {
        match answer? {
            Ok(_) => taken += 1,
            Err(error) => {
                let raw = error.raw_response().context("no answer")?;
                let seconds: u64 = raw.headers().get("retry-after").and_then(|text| text.parse().ok()).unwrap_or(1);
                later = later.max(seconds);
                refused.insert((raw.status().as_u16(), error.code().unwrap_or_default().to_owned()));
            }
        }
    }
    let expected = BTreeSet::from([(429, "TooManyRequestsException".to_owned())]);
    ensure!(taken > 0 && refused == expected, "{taken} were taken, and these refused: {refused:?}");
    cloud.pause(Duration::from_secs(later)).await;
    let mut waits = Waits::default();
    loop {
        let again = client.get_resources().rest_api_id(&id).send().await;
        ensure!(matches!(code(&again), None | Some("TooManyRequestsException")), "{again:?}");
        if again.is_ok() {
            return Ok(());
        }
        waits.wait(&cloud).await?;
    }
}
