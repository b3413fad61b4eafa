//! `examples/gitops/argocd/` as it stands: the platform's Application, and an ApplicationSet with an Application for each
//! team. Whatever comes or goes first, it converges.

use serde_json::json;
use stepgate_testbed::{ARGOCD_NAMESPACE, repository as project};

use crate::frame::{copy, gitops};
use crate::support::{Namespace, PATIENCE, eventually};

#[tokio::test]
async fn a_platform_and_its_teams_converge_in_any_order() {
    let gitops = gitops().await;
    let testbed = gitops.suite.testbed;
    let repository = gitops.repository("workflows").await;
    let replaced = [
        ("https://git.example.com/platform/workflows.git", repository.url()),
        (
            "accountId: \"111122223333\"",
            format!("accountId: \"000000000000\"\n  endpointUrl: {}", testbed.aws_endpoint()),
        ),
    ];
    let here = |text: String| replaced.iter().fold(text, |text, (from, to)| text.replace(from, to));
    copy(&project().join("examples/gitops/argocd"), repository.dir(), &here);
    let revision = repository.commit("A platform").await.unwrap();
    let apps = repository.dir().join("apps").to_string_lossy().into_owned();

    // At once: neither the teams' namespaces are there nor an account.
    testbed.kubectl(["apply", "-f", &apps]).await.unwrap();
    let platform = gitops.app_named("platform").await;
    let (orders, refunds) = (gitops.app_named("team-orders").await, gitops.app_named("team-refunds").await);
    for app in [&platform, &orders, &refunds] {
        eventually("the Application is there", PATIENCE, async || {
            app.find().await.map(|_| ()).ok_or_else(|| app.name.clone())
        })
        .await;
        app.is(&revision, "Healthy").await;
    }
    let team = Namespace::on(gitops.suite, "orders", &[("team", "orders")]).await;
    let response = team.call("place-order", &json!({"item": "tea"})).await;
    assert!(response.status == 200 && response.body.contains("tea"), "{} {}", response.status, response.body);

    // The platform's first: the account waits for the teams' machines, and they go on.
    platform.delete().await;
    eventually("the account is being deleted", PATIENCE, async || {
        match team.get("awsaccount/main").await["metadata"]["deletionTimestamp"].is_null() {
            true => Err("it is not".to_owned()),
            false => Ok(()),
        }
    })
    .await;
    let set = ["delete", "applicationset", "teams", "-n", ARGOCD_NAMESPACE, "--timeout=90s"];
    testbed.kubectl(set).await.unwrap();
    for app in [&orders, &refunds, &platform] {
        app.gone().await;
    }
    assert!(team.in_aws().await.is_empty(), "{:?}", team.in_aws().await);
}
