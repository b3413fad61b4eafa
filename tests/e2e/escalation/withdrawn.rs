//! What its grantors take back, a team can't keep by breaking its route or pausing it: what serves is judged, not what is written.

use serde_json::{Value, json};

use super::patched;
use crate::support::{Namespace, TENANT, machine, rest_api, route};
use crate::tenancy::{account, answers, grant, granting, is_withdrawn, route_of};

fn annotated(value: Value) -> Value {
    json!({"metadata": {"annotations": {"stepgate.dev/paused": value}}})
}

/// What the owner of a machine takes back.
#[tokio::test]
async fn a_machine_s_owner_is_heard_whatever_its_callers_write() {
    let owner = Namespace::new("esc-heard-owner").await;
    let team = Namespace::new("esc-heard").await;
    let admitting =
        |name: &str, from: &str| machine(name, name) + &format!("  allowedCallers: {{namespaces: {{from: {from}}}}}\n");
    let names = ["paused", "lost", "broken"];
    owner.apply(&names.map(|name| admitting(name, "All")).concat()).await;
    let to = |name: &str| {
        route(name, &format!("/{name}"), name).replace(
            &format!("stateMachineRef: {{name: {name}}}"),
            &format!("stateMachineRef: {{name: {name}, namespace: esc-heard-owner}}"),
        )
    };
    team.apply(&[machine("own", "mine"), rest_api("api"), route("own", "/own", "own")].concat()).await;
    team.apply(&names.map(to).concat()).await;
    for name in names {
        team.ready(&[&format!("apiroute/{name}")]).await;
        answers(&team, &format!("/{name}"), name).await;
    }

    // Before anything is taken back: each keeps what it serves.
    team.patch("apiroute/paused", annotated(json!("true"))).await;
    team.apply(&patched(
        &to("lost"),
        &json!({"target": {"stateMachineRef": {"name": "nowhere", "namespace": "esc-heard"}}}),
    ))
    .await;
    let admin = json!({"invokeRole": {"arn": "arn:aws:iam::000000000000:role/Admin"}});
    team.apply(&patched(&to("broken"), &admin)).await;
    team.condition("apiroute/lost", "Ready", "False", "LastKnownGood").await;
    team.condition("apiroute/broken", "Ready", "False", "LastKnownGood").await;
    for name in names {
        answers(&team, &format!("/{name}"), name).await;
    }
    owner.apply(&names.map(|name| admitting(name, "Same")).concat()).await;
    for name in names {
        is_withdrawn(&team, &format!("/{name}")).await;
        let says = match name {
            // What is paused reads what it would read without the pause.
            "paused" => "spec.target.stateMachineRef".to_owned(),
            _ => format!("what it served as POST /{name} was withdrawn: its target"),
        };
        let says =
            format!("Warning NotAllowed: {says}: StateMachine esc-heard-owner/{name} admits only its own namespace");
        team.event(&format!("apiroute/{name}"), &says).await;
    }
    answers(&team, "/own", "mine").await;
    let id = team.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let aws = crate::cloud::Cloud::new(team.suite.testbed.aws_endpoint());
    let role = aws.invoke_role(&id, "POST /own").await;
    let own = "states:StartSyncExecution arn:aws:states:us-east-1:000000000000:stateMachine:esc-heard_own";
    team.eventually("restapi/api", "has narrowed the role", async |_| {
        let now = aws.role(&role).await.unwrap().allows();
        if now == [own.to_owned()].into() { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

/// A RestAPI that its own team pins, pauses or breaks goes on as it is, but not into another's machine.
#[rstest::rstest]
#[case::pinned("esc-pins")]
#[case::paused("esc-pauses")]
#[case::stalled("esc-stalls")]
#[tokio::test]
async fn no_restapi_keeps_a_machine_that_was_taken_back(#[case] name: &str) {
    let owner = Namespace::new(&format!("{name}-owner")).await;
    let team = Namespace::new(name).await;
    let admitting =
        |from: &str| machine("pay", "paid") + &format!("  allowedCallers: {{namespaces: {{from: {from}}}}}\n");
    owner.apply(&admitting("All")).await;
    let to = format!("stateMachineRef: {{name: pay, namespace: {name}-owner}}");
    let pays = route("pays", "/pays", "pay").replace("stateMachineRef: {name: pay}", &to);
    team.apply(&[machine("own", "mine"), rest_api("api"), route("own", "/own", "own"), pays].concat()).await;
    team.ready(&["apiroute/own", "apiroute/pays", "restapi/api"]).await;
    answers(&team, "/pays", "paid").await;
    let api = team.get("restapi/api").await;
    let id = api["status"]["restApiId"].as_str().unwrap();
    let aws = crate::cloud::Cloud::new(team.suite.testbed.aws_endpoint());
    let role = aws.invoke_role(id, "POST /pays").await;
    let may =
        |name: &str| format!("states:StartSyncExecution arn:aws:states:us-east-1:000000000000:stateMachine:{name}");
    let theirs = may(&format!("{name}-owner_pay"));
    assert!(aws.role(&role).await.unwrap().allows().contains(&theirs));
    match name {
        "esc-pins" => {
            let revision = api["status"]["revisions"].as_array().unwrap().last().unwrap();
            let pinned = format!("{{name: prod, revision: {revision}}}");
            team.apply(&rest_api("api").replace("{name: prod}", &pinned)).await;
            team.ready(&["restapi/api"]).await;
        }
        "esc-pauses" => {
            team.patch("restapi/api", annotated(json!("true"))).await;
            team.settled(&["restapi/api"]).await;
        }
        _ => {
            team.apply(&patched(&rest_api("api"), &json!({"accountRef": {"name": "nowhere"}}))).await;
            team.condition("restapi/api", "Ready", "False", "LastKnownGood").await;
        }
    }

    owner.apply(&admitting("Same")).await;
    team.eventually("restapi/api", "has narrowed the role", async |_| {
        let now = aws.role(&role).await.unwrap().allows();
        if now == [may(&format!("{name}_own"))].into() { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    // The rest serves on. The emulator asks for no rights; AWS refuses the other call now.
    answers(&team, "/own", "mine").await;
}

/// What the owner of an API, and the platform's admin, take back.
#[tokio::test]
async fn a_path_and_an_open_door_are_taken_back_whatever_is_written() {
    let platform = Namespace::labelled("esc-back-platform", &[(TENANT, "esc-back")]).await;
    let team = Namespace::labelled("esc-back", &[(TENANT, "esc-back")]).await;
    let exposing = |authorizations: Value| json!({"exposure": {"authorizations": authorizations}});
    let admit = async |authorizations: Value| {
        platform.apply(&account("esc-back", &[("esc-back", exposing(authorizations))]).await.to_string()).await;
    };
    admit(json!(["NONE", "AWS_IAM"])).await;
    let under = |prefixes: Value| {
        granting(&json!([
            grant("esc-back", json!({"pathPrefixes": prefixes, "authorizations": ["NONE", "AWS_IAM"]})),
            grant("esc-back-platform", json!({"authorizations": ["NONE", "AWS_IAM"]}))
        ]))
    };
    platform.apply(&under(json!(["/a", "/b", "/c"]))).await;
    platform.apply(&[machine("own", "mine"), route("own", "/own", "own")].concat()).await;
    let at = |name: &str, path: &str| route_of("esc-back-platform", name, path, "say");
    let all = [at("moves", "/a/moves"), at("paused", "/a/paused"), at("opens", "/c/opens")];
    team.apply(&[machine("say", "hello")].concat()).await;
    team.apply(&all.concat()).await;
    team.ready(&["apiroute/moves", "apiroute/paused", "apiroute/opens"]).await;
    platform.ready(&["restapi/api", "apiroute/own"]).await;

    let nowhere = json!({"target": {"stateMachineRef": {"name": "nowhere"}}});
    team.apply(&patched(&at("moves", "/b/moves"), &nowhere)).await;
    team.patch("apiroute/paused", annotated(json!("true"))).await;
    let signed = json!({"authorization": {"type": "AWS_IAM"}, "target": {"stateMachineRef": {"name": "nowhere"}}});
    team.apply(&patched(&at("opens", "/c/opens"), &signed)).await;
    for name in ["moves", "opens"] {
        team.condition(&format!("apiroute/{name}"), "Ready", "False", "LastKnownGood").await;
    }
    for path in ["/a/moves", "/a/paused", "/c/opens"] {
        answers(&platform, path, "hello").await;
    }

    platform.apply(&under(json!(["/b", "/c"]))).await;
    for (name, path) in [("moves", "/a/moves"), ("paused", "/a/paused")] {
        is_withdrawn(&platform, path).await;
        let says = "RestAPI esc-back-platform/api admits routes of namespace esc-back only under /b, /c";
        let says = match name {
            "paused" => format!("Warning NotAllowed: {says}"),
            _ => format!("Warning NotAllowed: what it served as POST {path} was withdrawn: {says}"),
        };
        team.event(&format!("apiroute/{name}"), &says).await;
    }
    answers(&platform, "/c/opens", "hello").await;
    admit(json!(["AWS_IAM"])).await;
    is_withdrawn(&platform, "/c/opens").await;
    let message = team.condition("apiroute/opens", "Accepted", "False", "NotAllowed").await;
    assert!(
        message.contains("what it served as POST /c/opens was withdrawn") && message.contains("does not admit NONE"),
        "{message}"
    );
}
