//! The chart's life: installed, upgraded, uninstalled, installed again, with nothing in AWS lost by it.

use serde_json::Value;
use stepgate_testbed::{Operator, OperatorOptions, repository};

use crate::cloud::{ApiView, Cloud, MachineView, RoleView};
use crate::support::{Namespace, PATIENCE, TENANT, account, eventually, machine, rest_api, route, start, suite};

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

/// Machine, API and route on a control plane of their own, all Ready.
struct Scene {
    ns: Namespace,
    manifests: String,
    aws: Cloud,
    api: String,
    machine: String,
    roles: [String; 2],
}

impl Scene {
    async fn new(name: &str, options: OperatorOptions) -> Scene {
        let suite = &*Box::leak(Box::new(start(Some(suite().await), options).await.unwrap()));
        let ns = Namespace::on(suite, name, &[(TENANT, "e2e")]).await;
        let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
        ns.apply(&manifests).await;
        ns.ready(&ALL).await;
        let aws = Cloud::new(suite.testbed.aws_endpoint());
        let api = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
        let machine = ns.get("statemachine/say").await["status"].clone();
        let text = |field: &str| machine[field].as_str().unwrap().to_owned();
        let roles = [text("roleArn"), aws.invoke_role(&api, "POST /say").await];
        Scene { machine: text("stateMachineArn"), ns, manifests, aws, api, roles }
    }

    async fn look(&self) -> Whole {
        let Scene { aws, api, machine, roles: [role, invoke_role], .. } = self;
        let roles = vec![aws.role(role).await, aws.role(invoke_role).await];
        Whole(aws.rest_api(api).await, aws.machine(machine).await, roles, aws.deployments(api).await.len())
    }

    /// All of it goes, as its owner asks.
    async fn end(self) {
        for object in ALL {
            self.ns.delete(object).await;
        }
        for object in ALL {
            self.ns.gone(object).await;
        }
        assert_eq!(self.look().await, Whole(None, None, vec![None, None], 0));
    }
}

#[tokio::test]
async fn an_upgrade_or_uninstall_loses_nothing() {
    let scene = Scene::new("chart", OperatorOptions::default()).await;
    let (ns, suite) = (&scene.ns, scene.ns.suite);
    let look = async || scene.look().await;
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
    ns.apply(&scene.manifests.replace("hello", "again")).await;
    let _again = operator("again").await;
    ns.ready(&ALL).await;
    ns.says("say", "again").await;
    let Whole(api, _, roles, deployments) = look().await;
    assert_eq!((api, roles, deployments), (before.0, before.2, before.3));
    scene.end().await;
}

/// With `crds.keep=false` the kinds go too, and the operator goes before them: nobody is left to let anything go.
#[tokio::test]
async fn an_uninstall_that_takes_the_kinds_along_loses_nothing() {
    let kinds_go = || OperatorOptions { chart_values: vec!["crds.keep=false".into()], ..OperatorOptions::default() };
    let scene = Scene::new("chart-kinds", kinds_go()).await;
    let (ns, suite) = (&scene.ns, scene.ns.suite);
    let look = async || scene.look().await;
    let before = look().await;

    // Its rights go with the release; its pod may live a moment longer.
    suite.testbed.helm(["uninstall", "stepgate", "-n", "stepgate-system"]).await.unwrap();
    for object in ALL.iter().chain(&["awsaccount/e2e"]) {
        ns.eventually(object, "is to go", async |found| {
            let found = found.ok_or("is gone")?;
            if found["metadata"]["deletionTimestamp"].is_string() { Ok(()) } else { Err("is not".to_owned()) }
        })
        .await;
    }
    suite.operator.stop().await.unwrap();
    assert_eq!(look().await, before, "AWS was changed by an uninstall");
    ns.says("say", "hello").await;

    // Kinds that had no objects are gone, and made anew. Of the others the operator lets all go that was to go, and then they go too.
    let options = OperatorOptions {
        binary: Some(env!("CARGO_BIN_EXE_stepgate").into()),
        name: Some("again".to_owned()),
        ..kinds_go()
    };
    let _again = Operator::start(suite.testbed, options).await.unwrap();
    for crd in &CRDS[..4] {
        suite.testbed.kubectl(["wait", "--for=delete", &format!("crd/{crd}"), "--timeout=90s"]).await.unwrap();
    }
    let Whole(api, machine, roles, deployments) = look().await;
    for tags in [&api.as_ref().unwrap().tags, &machine.as_ref().unwrap().tags] {
        assert!(tags.contains_key("stepgate.dev/released-from"), "{tags:?}");
    }
    assert_eq!(
        (api.unwrap().methods, roles.len(), deployments),
        (before.0.as_ref().unwrap().methods.clone(), 2, before.3)
    );

    // An upgrade brings the kinds back, and the manifests what was theirs.
    let chart = repository().join("charts/stepgate").to_string_lossy().into_owned();
    let upgrade = ["upgrade", "stepgate", &chart, "-n", "stepgate-system", "--set", "crds.keep=false"];
    suite.testbed.helm(upgrade).await.unwrap();
    suite.testbed.kubectl(["wait", "--for=condition=Established", "crd", "--all", "--timeout=30s"]).await.unwrap();
    eventually("the kinds are served again", PATIENCE, async || {
        let listed = suite.testbed.kubectl(["get", &CRDS.join(","), "-A"]).await;
        listed.map(drop).map_err(|error| error.to_string())
    })
    .await;
    ns.apply(&account("e2e", suite.testbed.aws_endpoint())).await;
    ns.apply(&scene.manifests).await;
    ns.ready(&ALL).await;
    ns.says("say", "hello").await;
    assert_eq!(look().await, before, "it is not what it was");
    scene.end().await;
}
