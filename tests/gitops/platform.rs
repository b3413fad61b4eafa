//! `examples/gitops/argocd/` as it stands: the platform's Application, and an ApplicationSet with an Application for each
//! team. Whatever comes or goes first, it converges.

use serde_json::json;
use stepgate_testbed::{ARGOCD_NAMESPACE, Refresh, repository as project};
use tokio::sync::Mutex;

use crate::frame::{App, copy, gitops, repository};
use crate::support::{Namespace, PATIENCE, eventually, suite};

/// Held while the AWSAccount of a whole platform is there: its tenants select namespaces by what others have, too.
pub static ONE_PLATFORM: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn a_platform_and_its_teams_converge_in_any_order() {
    gitops().await;
    let testbed = suite().await.testbed;
    let _alone = ONE_PLATFORM.lock().await;
    let repository = repository("workflows").await;
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
    let apps = |file: &str| repository.dir().join("apps").join(file).to_string_lossy().into_owned();

    // The teams' first: neither their projects nor their namespaces are there.
    testbed.kubectl(["apply", "-f", &apps("teams.yaml")]).await.unwrap();
    let (orders, refunds) = (App::named("team-orders").await, App::named("team-refunds").await);
    for app in [&orders, &refunds] {
        eventually("the ApplicationSet makes an Application", PATIENCE, async || {
            app.find().await.map(|_| ()).ok_or_else(|| app.name.clone())
        })
        .await;
    }
    testbed.kubectl(["apply", "-f", &apps("platform.yaml")]).await.unwrap();
    let platform = App::named("platform").await;
    for app in [&platform, &orders, &refunds] {
        app.refresh(Refresh::Normal).await;
        app.is(&revision, "Healthy").await;
    }
    let team = Namespace::on(suite().await, "orders", &[("team", "orders")]).await;
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
