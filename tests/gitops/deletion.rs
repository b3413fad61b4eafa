//! An Application that is deleted with everything in it ends, in any order, and nothing is left in AWS.

use std::collections::BTreeSet;

use rstest::rstest;

use crate::frame::{Mode, Scene, gitops};
use crate::support::{Namespace, TENANT, account, machine, rest_api, route};

fn team() -> String {
    machine("say", "hello") + &rest_api("api") + &route("say", "/say", "say")
}

#[rstest]
#[tokio::test]
async fn an_application_deleted_with_everything_in_it_leaves_nothing(
    #[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode,
) {
    let scene = Scene::new("end", mode).await;
    scene.healthy(&[("team.yaml", &team())]).await;
    assert_eq!(scene.ns.in_aws().await.len(), 4, "{:?}", scene.ns.in_aws().await);
    scene.app.delete().await;
    scene.app.gone().await;
    for object in ["statemachine/say", "restapi/api", "apiroute/say"] {
        assert_eq!(scene.ns.find(object).await, None);
    }
    assert_eq!(scene.ns.in_aws().await, BTreeSet::new());
}

#[rstest]
#[tokio::test]
async fn an_account_deleted_before_its_teams_says_what_it_waits_for(
    #[values(Mode::ClientSide, Mode::ServerSide, Mode::ServerSideDiff)] mode: Mode,
) {
    let name = format!("order-{}", mode.name());
    let gitops = gitops().await;
    let account = account(&name, gitops.suite.testbed.aws_endpoint());
    let repository = gitops.repository(&format!("{name}-platform")).await;
    repository.write("account.yaml", &account).unwrap();
    let revision = repository.commit("The account").await.unwrap();
    let platform = gitops.app(&format!("{name}-platform"), mode, &repository, ".", "default").await;
    platform.is(&revision, "Healthy").await;
    let scene = Scene::in_namespace(Namespace::labelled(&name, &[(TENANT, &name)]).await, mode).await;
    scene.healthy(&[("team.yaml", &team())]).await;

    // The platform's first: it waits, nothing of the team's is touched, and the status says for whom.
    platform.delete().await;
    let admin = format!("awsaccount/{name}");
    let message = scene.ns.condition(&admin, "Reconciling", "True", "DeletionBlocked").await;
    assert!(message.contains("2 objects live in this account"), "{message}");
    assert!(message.contains(&format!("StateMachine {name}/say")), "{message}");
    scene.ns.says("say", "hello").await;
    assert!(platform.find().await.is_some());

    scene.app.delete().await;
    scene.app.gone().await;
    platform.gone().await;
    assert_eq!(scene.ns.find(&admin).await, None);
    assert_eq!(scene.ns.in_aws().await, BTreeSet::new());
}
