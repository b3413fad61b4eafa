//! Every example from a git repository to Synced and Healthy, its URLs called, and everything gone with its Application.

use std::time::Instant;

use rstest::rstest;
use serde_json::{Value, json};
use stepgate_testbed::demo::Example;
use stepgate_testbed::{GitRepository, Refresh, Variables, repository as project};

use crate::frame::{App, Mode, copy, gitops, repository};
use crate::platform::ONE_PLATFORM;
use crate::support::suite;

#[rstest]
#[tokio::test]
async fn the_examples_come_from_git_answer_and_leave_nothing(
    #[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode,
) {
    gitops().await;
    let access = suite().await.testbed.access();
    // Their namespaces and names in AWS are theirs alone.
    let _alone = ONE_PLATFORM.lock().await;
    let name = format!("examples-{}", mode.name());
    let repository = repository(&name).await;
    repository.write("platform/awsaccount.yaml", &account(access.aws_endpoint())).unwrap();
    let revision = repository.commit("The account").await.unwrap();
    let platform = App::new(&name, mode, &repository, "platform", "default").await;
    platform.is(&revision, "Healthy").await;

    let mut running = Vec::new();
    for example in Example::all().unwrap() {
        let mut variables = Variables::new();
        for step in &example.calls.before {
            step.run(access, &example.dir, &mut variables).await.unwrap();
        }
        let app = follow(&repository, &example, mode).await;
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
    let left = access.aws().inventory().await.unwrap();
    let of_examples =
        ["hello-world", "potato", "item-api", "root-get", "reddit", "stage-variables", "ec2-sync", "client-names"];
    let left: Vec<_> = left.iter().filter(|name| of_examples.iter().any(|example| name.contains(example))).collect();
    assert!(left.is_empty(), "left in AWS: {left:?}");
    platform.delete().await;
    platform.gone().await;
}

/// Follows the folder of an example, which is empty yet.
async fn follow(repository: &GitRepository, example: &Example, mode: Mode) -> App {
    repository.write(&format!("{}/README.md", example.name), "Comes with the next commit.\n").unwrap();
    let revision = repository.commit("An empty folder").await.unwrap();
    let app = App::new(&format!("{}-{}", example.name, mode.name()), mode, repository, &example.name, "default").await;
    app.is(&revision, "Healthy").await;
    app
}

/// `ec2-sync-async` waits 2 s instead of 29.
fn quick(manifest: String) -> String {
    manifest.replace("{name: Delay, json: \"29\"}", "{name: Delay, json: \"2\"}")
}

/// The examples' AWSAccount, of the emulator.
fn account(endpoint: &str) -> String {
    let path = project().join("examples/awsaccount.yaml");
    let mut account: Value = serde_saphyr::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    account["spec"]["accountId"] = json!("000000000000");
    account["spec"]["endpointUrl"] = json!(endpoint);
    account.to_string()
}
