//! What AWS does, as cases that run on the AWS in memory, on the emulator, and, where `AWS_PROFILE` names credentials, on
//! AWS itself: so neither of the two fakes can drift from what is known.
//!
//! A case whose behaviour the emulator is known not to have must fail there, so that a mended emulator is noticed. On AWS
//! everything that is made is named `stepgate-conformance-*` and removed.

#![allow(clippy::unwrap_used)]

mod apigateway;
mod authorizers;
mod checks;
mod cloud;
mod coverage;
mod domains;
mod gateway_responses;
mod iam;
mod managed;
mod settings;
mod stages;
mod states;
mod sts;
mod timed;
mod usage_plans;

use std::time::Duration;

use cloud::{Case, Cloud, Kind};
use stepgate_testbed::Emulator;
use stepgate_testbed::memory::{InProcess, Memory, Settings};

/// What is so at once.
fn cases() -> impl Iterator<Item = &'static Case> + Clone {
    let of_apis = [
        apigateway::CASES,
        authorizers::CASES,
        checks::CASES,
        gateway_responses::CASES,
        stages::CASES,
        settings::CASES,
        domains::CASES,
        usage_plans::CASES,
    ];
    [iam::CASES, managed::CASES, states::CASES, sts::CASES].into_iter().chain(of_apis).flatten()
}

/// Runs these cases; answers with those that did not go as they should.
async fn run(cloud: &Cloud, cases: impl Iterator<Item = &'static Case> + Clone) -> Vec<String> {
    let (mut ran, mut wrong) = (0, Vec::new());
    let only = std::env::var("CONFORMANCE_CASE").unwrap_or_default();
    for case in cases.clone().filter(|case| case.name.contains(&only)) {
        ran += 1;
        let scope = cloud.scope();
        // In a task of its own, so that a panic is a failure.
        let ended = tokio::spawn((case.run)(scope.clone())).await;
        scope.clean().await;
        let failed = match ended {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(panic) => Some(panic.to_string()),
        };
        match (failed, case.localstack.filter(|_| cloud.kind == Kind::LocalStack)) {
            (None, None) => {}
            (Some(error), None) => wrong.push(format!("{}: {error}", case.name)),
            (Some(_), Some(_)) => {}
            (None, Some(why)) => {
                wrong.push(format!("{}: it holds now, and was known not to ({why}): take the mark off", case.name));
            }
        }
    }
    let deviations = cases.filter(|case| case.localstack.is_some() && cloud.kind == Kind::LocalStack).count();
    println!("{ran} cases on {}, {deviations} of them known to differ there", cloud.kind);
    wrong
}

fn judge(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} cases:\n{}", wrong.len(), wrong.join("\n"));
}

#[tokio::test]
async fn the_memory_conforms() {
    let aws = InProcess::new(Memory::new(1, Settings::default()));
    let cloud = Cloud::in_memory(&aws);
    judge(&run(&cloud, cases()).await);
    let left = aws.with(|memory| memory.essence());
    assert_eq!(left, serde_json::json!({}), "the cases clean up");
}

#[tokio::test(start_paused = true)]
async fn the_memory_takes_its_time_as_aws_does() {
    let aws = InProcess::new(Memory::new(3, Settings::lifelike()));
    judge(&run(&Cloud::in_time(&aws), timed::CASES.iter()).await);
    // So that what is DELETING is gone: at the next call.
    aws.with(|memory| memory.advance(Duration::from_secs(60)));
    Cloud::in_time(&aws).sfn.list_state_machines().send().await.unwrap();
    assert_eq!(aws.with(|memory| memory.essence()), serde_json::json!({}), "the cases clean up");
}

#[tokio::test]
async fn the_emulator_conforms_but_for_what_is_known() {
    let emulator = Emulator::start().await.unwrap();
    let cloud = Cloud::at(emulator.endpoint(), Kind::LocalStack);
    judge(&run(&cloud, cases().chain(timed::CASES)).await);
}

/// The same over HTTP: the memory on a port.
#[tokio::test]
async fn the_memory_conforms_on_a_port() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    let aws = InProcess::new(Memory::new(2, Settings::default()));
    let server = tokio::spawn(stepgate_testbed::memory::serve(aws, listener));
    judge(&run(&Cloud::at(&endpoint, Kind::Memory), cases()).await);
    server.abort();
}

#[tokio::test]
async fn aws_conforms() {
    if std::env::var_os("AWS_PROFILE").is_none() {
        println!("skipped: AWS_PROFILE names no credentials");
        return;
    }
    let cloud = Cloud::aws().await.unwrap();
    judge(&tokio::time::timeout(Duration::from_secs(3600), run(&cloud, cases().chain(timed::CASES))).await.unwrap());
}
