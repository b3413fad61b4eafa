//! Every example from a git repository to Synced and Healthy, its URLs called, and everything gone with its Application.

use std::time::Instant;

use serde_json::json;
use stepgate_testbed::demo::{self, Example};
use stepgate_testbed::{GitRepository, OperatorOptions, Refresh, Variables};

use crate::frame::{App, Gitops, Mode, copy};
use crate::support::{Suite, start};

/// A testbed of its own: what is left in AWS is exactly what the examples left, and their names are theirs alone.
#[tokio::test]
async fn the_examples_come_from_git_answer_and_leave_nothing() {
    let suite = start(None, OperatorOptions::default()).await.unwrap();
    let suite: &Suite = Box::leak(Box::new(suite));
    let gitops: &Gitops = Box::leak(Box::new(Gitops::start(suite).await.unwrap()));
    for mode in [Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff] {
        examples(gitops, mode).await;
        // It remembers the names of executions longer than their machines.
        suite.testbed.stop_aws().await.unwrap();
        suite.testbed.start_aws().await.unwrap();
    }
}

async fn examples(gitops: &'static Gitops, mode: Mode) {
    let access = gitops.suite.testbed.access();
    let before = access.aws().inventory().await.unwrap();
    let name = format!("examples-{}", mode.name());
    let repository = gitops.repository(&name).await;
    repository.write("platform/awsaccount.yaml", &account(access.aws_endpoint())).unwrap();
    let revision = repository.commit("The account").await.unwrap();
    let platform = gitops.app(&name, mode, &repository, "platform", "default").await;
    platform.is(&revision, "Healthy").await;

    let mut running = Vec::new();
    for example in Example::all().unwrap() {
        let mut variables = Variables::new();
        for step in &example.calls.before {
            step.run(access, &example.dir, &mut variables).await.unwrap();
        }
        let app = follow(gitops, &repository, &example, mode).await;
        copy(&example.dir, &repository.dir().join(&example.name), &quick);
        let revision = repository.commit(&example.name).await.unwrap();
        let pushed = Instant::now();
        app.refresh(Refresh::Normal).await;
        app.is(&revision, "Healthy").await;
        println!("{:<12} {:<22} push → Healthy {:.1} s", mode.name(), example.name, pushed.elapsed().as_secs_f64());
        running.push((example, app, variables));
    }
    let calls = running.into_iter().map(async |(example, app, mut variables)| {
        for step in &example.calls.calls {
            match &step.apply {
                None => {
                    let done = step.run(access, &example.dir, &mut variables).await;
                    done.unwrap_or_else(|error| panic!("{}: {error:#}", example.name));
                }
                // Under GitOps it is pushed: `kubectl apply` would be taken back.
                Some(manifests) => {
                    let target = repository.dir().join(&example.name);
                    copy(&example.dir.join("demo").join(manifests), &target, &quick);
                    let revision = repository.commit("The update").await.unwrap();
                    app.refresh(Refresh::Normal).await;
                    app.is(&revision, "Healthy").await;
                }
            }
        }
        (example, app)
    });
    let running = futures::future::join_all(calls).await;
    for (_, app) in &running {
        app.delete().await;
    }
    for (example, app) in running {
        app.gone().await;
        let mut variables = Variables::new();
        for step in &example.calls.after {
            step.run(access, &example.dir, &mut variables).await.unwrap();
        }
    }
    assert_eq!(access.aws().inventory().await.unwrap(), before, "deletion leaves nothing in AWS");
    platform.delete().await;
    platform.gone().await;
}

/// Follows the folder of an example, which is empty yet.
async fn follow(gitops: &'static Gitops, repository: &GitRepository, example: &Example, mode: Mode) -> App {
    repository.write(&format!("{}/README.md", example.name), "Comes with the next commit.\n").unwrap();
    let revision = repository.commit("An empty folder").await.unwrap();
    let name = format!("{}-{}", example.name, mode.name());
    let app = gitops.app(&name, mode, repository, &example.name, "default").await;
    app.is(&revision, "Healthy").await;
    app
}

/// `ec2-sync-async` waits 2 s instead of 29.
fn quick(manifest: String) -> String {
    manifest.replace("{name: Delay, json: \"29\"}", "{name: Delay, json: \"2\"}")
}

/// The examples' AWSAccount, of the emulator. All examples come and go several times.
fn account(endpoint: &str) -> String {
    let mut account = demo::examples_account(endpoint).unwrap();
    account["spec"]["maxDeletionsPerHour"] = json!(10_000);
    account.to_string()
}
