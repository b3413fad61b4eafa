//! `stepgate plan`: the reconcile's own plan, and nothing is changed by it.

use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::cloud::{Cloud, replace};
use crate::support::{Namespace, PATIENCE, condition, eventually, machine, rest_api, route};

/// What a run of `stepgate plan` left.
pub struct Run {
    pub code: i32,
    pub out: String,
    pub err: String,
}

/// Runs `stepgate plan` on manifests, as the admin of the testbed.
pub fn plan(ns: &Namespace, manifests: &str, more: &[&str]) -> Run {
    plan_as(ns, ns.suite.testbed.access().kubeconfig_path(), manifests, more)
}

fn plan_as(ns: &Namespace, kubeconfig: &Path, manifests: &str, more: &[&str]) -> Run {
    // Those without a namespace go into the test's, as `kubectl apply -n` would have it.
    let manifests = manifests.replace("metadata: {name:", &format!("metadata: {{namespace: {}, name:", ns.name));
    let file = ns.suite.testbed.access().dir().join(format!("{}.yaml", ns.name));
    std::fs::write(&file, manifests).unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .args(["plan", "--cluster-name", "testbed"])
        .args(more)
        .arg(&file)
        .envs(ns.suite.testbed.access().env())
        .env("KUBECONFIG", kubeconfig)
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_CA_BUNDLE")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    Run { code: output.status.code().unwrap(), out: text(&output.stdout), err: text(&output.stderr) }
}

/// Its lines without the hashes in names.
fn lines(run: &Run) -> Vec<String> {
    let hash = regex::Regex::new("[0-9a-f]{16}").unwrap();
    run.out.lines().map(|line| hash.replace_all(line.trim(), "#").into_owned()).collect()
}

const ALL: [&str; 3] = ["statemachine/say", "restapi/api", "apiroute/say"];

#[tokio::test]
async fn a_plan_tells_what_would_be_done_and_does_nothing() {
    let ns = Namespace::new("plan").await;
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();

    // Before anything is applied.
    let run = plan(&ns, &manifests, &[]);
    assert_eq!((run.code, run.err.as_str()), (2, ""), "{}", run.out);
    assert_eq!(
        lines(&run),
        [
            "StateMachine plan/say:",
            "create role stepgate-exec-plan_say-#",
            "create state machine plan_say",
            "RestAPI plan/api:",
            "create role stepgate-invoke-plan-#",
            "write the policy of role stepgate-invoke-plan-#",
            "create REST API plan_api",
            "create resource /say",
            "create method POST /say",
            "deploy revision 1, content #",
            "record revision 1",
            "create stage prod",
        ]
    );
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    assert_eq!(aws.apis_tagged("stepgate.dev/namespace", "plan").await, [""; 0]);
    for object in ALL {
        assert_eq!(ns.find(object).await, None, "{object}");
    }

    // As it was planned, so it is done.
    ns.apply(&manifests).await;
    ns.ready(&ALL).await;
    let run = plan(&ns, &manifests, &[]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert_eq!(run.out, "StateMachine plan/say: no change\nRestAPI plan/api: no change\n");

    // A change of the manifests, as a pull request's check would see it: a route alone brings its RestAPI with it.
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let before = (aws.rest_api(&id).await.unwrap(), aws.deployments(&id).await);
    let run = plan(&ns, &route("again", "/again", "say"), &["-o", "json"]);
    assert_eq!((run.code, run.err.as_str()), (2, ""), "{}", run.out);
    let plans: Value = serde_json::from_str(&run.out).unwrap();
    assert_eq!(plans[0]["object"], "RestAPI plan/api");
    let steps = plans[0]["steps"].as_array().unwrap();
    assert_eq!(steps[0], json!({"resource": "route", "do": "createResource", "path": "/again"}));
    assert_eq!(steps[1]["after"], json!([0]), "the method waits for its resource");
    assert_eq!((aws.rest_api(&id).await.unwrap(), aws.deployments(&id).await), before);

    // What can't be carried out.
    let run = plan(&ns, &route("bad", "/bad", "nowhere"), &[]);
    assert_eq!(run.code, 1);
    let problem = "error: APIRoute plan/bad: spec.target.stateMachineRef: StateMachine plan/nowhere does not exist\n";
    assert_eq!(run.err, problem);
}

#[tokio::test]
async fn a_plan_names_what_somebody_changed_in_aws() {
    let ns = Namespace::new("plan-drift").await;
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
    ns.apply(&manifests).await;
    ns.ready(&ALL).await;
    // Else the operator would be faster.
    for object in ["statemachine/say", "restapi/api"] {
        ns.patch(object, json!({"metadata": {"annotations": {"stepgate.dev/paused": "true"}}})).await;
    }
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let say = aws.resource(&id, "/say").await;
    let arn = ns.get("statemachine/say").await["status"]["stateMachineArn"].as_str().unwrap().to_owned();
    let change = async || {
        let update = aws.apigateway.update_method().rest_api_id(&id).resource_id(&say).http_method("POST");
        update.patch_operations(replace("/authorizationType", "AWS_IAM")).send().await.unwrap();
        let other = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
        aws.sfn.update_state_machine().state_machine_arn(&arn).definition(other).send().await.unwrap();
    };
    // A check that began before the pause may still mend the first change.
    for object in ["statemachine/say", "restapi/api"] {
        ns.eventually(object, "is Paused", async |found| {
            change().await;
            let ready = found.and_then(|object| condition(object, "Ready")).ok_or("has no Ready")?;
            (ready.reason == "Paused").then_some(()).ok_or(ready.to_string())
        })
        .await;
    }
    let look = async || (aws.rest_api(&id).await, aws.deployments(&id).await, aws.machine(&arn).await);
    let before = look().await;

    let run = plan(&ns, &manifests, &[]);
    assert_eq!((run.code, run.err.as_str()), (2, ""), "{}", run.out);
    assert_eq!(
        lines(&run),
        [
            "StateMachine plan-drift/say: paused; without annotation stepgate.dev/paused:",
            "update definition of state machine plan-drift_say",
            "RestAPI plan-drift/api: paused; without annotation stepgate.dev/paused:",
            "update authorization of method POST /say",
        ]
    );
    assert_eq!(look().await, before);

    // What the operator does then is what was planned.
    for object in ["statemachine/say", "restapi/api"] {
        let message = ns.condition(object, "Ready", "False", "Paused").await;
        let planned = lines(&run).into_iter().find(|line| message.ends_with(line.as_str()));
        assert!(planned.is_some(), "`{message}` is not what was planned");
        ns.patch(object, json!({"metadata": {"annotations": {"stepgate.dev/paused": null}}})).await;
    }
    ns.event("restapi/api", "update authorization of method POST /say").await;
    ns.event("statemachine/say", "update definition of state machine plan-drift_say").await;
    ns.ready(&ALL).await;
    assert_eq!(plan(&ns, &manifests, &[]).code, 0);
}

/// One that checks a team's pull requests: `view` in the team's namespace, and the chart's role for the rest.
#[tokio::test]
async fn a_plan_needs_to_see_only_what_it_is_about() {
    let ns = Namespace::new("plan-team").await;
    let machine = machine("say", "hello");
    let manifests = [machine.clone(), rest_api("api"), route("say", "/say", "say")].concat();
    ns.apply(&manifests).await;
    ns.ready(&ALL).await;
    ns.suite.testbed.kubectl(["-n", &ns.name, "create", "serviceaccount", "checks"]).await.unwrap();
    let token = ns.suite.testbed.kubectl(["-n", &ns.name, "create", "token", "checks"]).await.unwrap();
    let kubeconfig = ns.suite.testbed.dir().join("plan-team.kubeconfig");
    std::fs::write(&kubeconfig, ns.suite.testbed.kubeconfig_for(token.trim())).unwrap();
    let checks = "--serviceaccount=plan-team:checks";

    let run = plan_as(&ns, &kubeconfig, &machine, &[]);
    assert_eq!(run.code, 1);
    let says = "error: Namespace kube-system can't be read: namespaces \"kube-system\" is forbidden: User ";
    assert!(run.err.starts_with(says), "{}", run.err);

    ns.suite
        .testbed
        .kubectl(["-n", &ns.name, "create", "clusterrolebinding", "plan-team", "--clusterrole=stepgate-plan", checks])
        .await
        .unwrap();
    // The API server takes a new binding into account only after a moment.
    let planned = async |manifests: &str| {
        eventually("it may be planned", PATIENCE, async || {
            let run = plan_as(&ns, &kubeconfig, manifests, &[]);
            if (run.code, run.err.as_str()) == (0, "") { Ok(run) } else { Err(run.err) }
        })
        .await
    };
    planned(&machine).await;
    let run = plan_as(&ns, &kubeconfig, &manifests, &[]);
    assert_eq!(run.code, 1);
    let says = "error: RestAPI plan-team/api: the cluster's controllerrevisions can't be read: ";
    assert!(run.err.starts_with(says), "{}", run.err);
    assert_eq!(run.out, "StateMachine plan-team/say: no change\n");

    // What `view` is made of; nothing aggregates it on the testbed.
    ns.suite
        .testbed
        .kubectl(["-n", &ns.name, "create", "rolebinding", "view", "--clusterrole=system:aggregate-to-view", checks])
        .await
        .unwrap();
    let run = planned(&manifests).await;
    assert_eq!(run.out, "StateMachine plan-team/say: no change\nRestAPI plan-team/api: no change\n");
}

#[tokio::test]
async fn a_paused_route_is_planned_as_it_is_kept() {
    let ns = Namespace::new("plan-paused").await;
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
    ns.apply(&manifests).await;
    ns.ready(&ALL).await;
    ns.patch("apiroute/say", json!({"metadata": {"annotations": {"stepgate.dev/paused": "true"}}})).await;
    let run = plan(&ns, &manifests.replace("/say", "/tell"), &[]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert_eq!(
        lines(&run),
        [
            "StateMachine plan-paused/say: no change",
            "RestAPI plan-paused/api: no change",
            "APIRoute plan-paused/say: paused by annotation stepgate.dev/paused",
        ]
    );
}
