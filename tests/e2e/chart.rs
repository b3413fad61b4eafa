//! The chart's life: installed, upgraded, uninstalled, installed again, with nothing in AWS lost by it.

use serde_json::Value;
use stepgate_testbed::{Operator, OperatorOptions, repository};

use crate::cloud::{ApiView, Cloud, MachineView, RoleView};
use crate::support::{Namespace, TENANT, machine, rest_api, route, start, suite};

const ALL: [&str; 3] = ["statemachine/say", "restapi/api", "apiroute/say"];
const CRDS: [&str; 6] = [
    "awsaccounts.stepgate.dev",
    "statemachines.stepgate.dev",
    "restapis.stepgate.dev",
    "apiroutes.stepgate.dev",
    "usageplans.stepgate.dev",
    "apidomains.stepgate.dev",
];

/// All that the objects are in AWS.
#[derive(Debug, PartialEq)]
struct Whole(Option<ApiView>, Option<MachineView>, Vec<Option<RoleView>>, usize);

#[tokio::test]
async fn an_upgrade_or_uninstall_loses_nothing() {
    // A control plane of its own, on the same AWS.
    let suite = start(Some(suite().await), OperatorOptions::default()).await.unwrap();
    let suite = &*Box::leak(Box::new(suite));
    let ns = Namespace::on(suite, "chart", &[(TENANT, "e2e")]).await;
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
    ns.apply(&manifests).await;
    ns.ready(&ALL).await;
    let aws = Cloud::new(suite.testbed.aws_endpoint());
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let machine_status = ns.get("statemachine/say").await["status"].clone();
    let text = |field: &str| machine_status[field].as_str().unwrap().to_owned();
    let invoke_role = aws.invoke_role(&id, "POST /say").await;
    let look = async || {
        let roles = vec![aws.role(&text("roleArn")).await, aws.role(&invoke_role).await];
        let deployments = aws.deployments(&id).await.len();
        Whole(aws.rest_api(&id).await, aws.machine(&text("stateMachineArn")).await, roles, deployments)
    };
    let before = look().await;

    // Upgraded with another value, as the new Deployment's pod.
    let chart = repository().join("charts/stepgate").to_string_lossy().into_owned();
    let upgrade = ["upgrade", "stepgate", &chart, "-n", "stepgate-system", "--set", "operator.logLevel=debug"];
    suite.testbed.helm(upgrade).await.unwrap();
    let env = "jsonpath={.spec.template.spec.containers[0].env[?(@.name=='RUST_LOG')].value}";
    let deployment = ["get", "deployment", "stepgate", "-n", "stepgate-system", "-o", env];
    assert_eq!(suite.testbed.kubectl(deployment).await.unwrap(), "debug");
    suite.operator.stop().await.unwrap();
    let operator = async |name: &str| {
        let binary = Some(env!("CARGO_BIN_EXE_stepgate").into());
        let options = OperatorOptions { binary, name: Some(name.to_owned()), ..OperatorOptions::default() };
        Operator::start(suite.testbed, options).await.unwrap()
    };
    let upgraded = operator("upgraded").await;
    ns.apply(&machine("more", "more")).await;
    ns.apply(&route("more", "/more", "more")).await;
    ns.ready(&["statemachine/more", "apiroute/more"]).await;
    ns.says("more", "more").await;
    for object in ["apiroute/more", "statemachine/more"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    ns.ready(&ALL).await;
    let Whole(mut api, machine, roles, deployments) = look().await;
    // Two more deployments, one for each change; the content is that of the first.
    assert_eq!(deployments, before.3 + 2);
    let stage = api.as_mut().unwrap().stages.get_mut("prod").unwrap();
    stage.0.clone_from(&before.0.as_ref().unwrap().stages["prod"].0);
    assert_eq!((&api, &machine, &roles), (&before.0, &before.1, &before.2));
    let before = look().await;

    // Uninstalled: the kinds, the objects and everything in AWS stay.
    upgraded.stop().await.unwrap();
    suite.testbed.helm(["uninstall", "stepgate", "-n", "stepgate-system"]).await.unwrap();
    let deployments =
        suite.testbed.kubectl(["get", "deployment,serviceaccount", "-n", "stepgate-system", "-o", "name"]).await;
    assert!(!deployments.unwrap().contains("stepgate"));
    let policies = suite.testbed.kubectl(["get", "validatingadmissionpolicy,clusterrole", "-o", "name"]).await.unwrap();
    assert!(!policies.contains("stepgate"), "{policies}");
    for crd in CRDS {
        suite.testbed.kubectl(["get", "crd", crd]).await.unwrap();
    }
    for object in ALL.iter().chain(&["awsaccount/e2e"]) {
        assert_eq!(ns.get(object).await["metadata"]["deletionTimestamp"], Value::Null, "{object}");
    }
    assert_eq!(look().await, before);
    ns.says("say", "hello").await;

    // Installed again, it goes on where it was.
    ns.apply(&manifests.replace("hello", "again")).await;
    let _again = operator("again").await;
    ns.ready(&ALL).await;
    ns.says("say", "again").await;
    let Whole(api, _, roles, deployments) = look().await;
    assert_eq!((api, roles, deployments), (before.0, before.2, before.3));
    for object in ALL {
        ns.delete(object).await;
    }
    for object in ALL {
        ns.gone(object).await;
    }
    assert_eq!(look().await, Whole(None, None, vec![None, None], 0));
}
