//! What a StateMachine's owner takes back is out of invoke roles for good, whatever else changes with it and wherever a process dies.

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use stepgate_testbed::memory::{ACCOUNT, Memory};

use super::operator::Site;
use super::scene::Scene;
use super::{Moment, carry_out, observed};

/// A route of a team to a machine of another's, which admits these callers, or to the team's own.
fn scene(callers: &str, target: &Value) -> Scene {
    let object = |kind: &str, namespace: &str, name: &str, spec: Value| {
        json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": kind,
            "metadata": {"namespace": namespace, "name": name}, "spec": spec})
    };
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
    let machine = json!({"type": "EXPRESS", "definition": definition});
    let mut pay = machine.clone();
    pay["allowedCallers"] = json!({"namespaces": {"from": callers}});
    let route = |path: &str, target: &Value| {
        json!({"apiRef": {"name": "api"}, "method": "POST", "path": path, "authorization": {"type": "AWS_IAM"},
            "target": {"action": "StartSyncExecution", "stateMachineRef": target}})
    };
    let account = json!({"kind": "AWSAccount", "metadata": {"name": "dev"}, "spec": {"accountId": ACCOUNT,
        "regions": [{"name": "us-east-1"}], "tenants": [{"name": "all", "namespaces": {"from": "All"}}]}});
    Scene::of(vec![
        account,
        object("StateMachine", "owner", "pay", pay),
        object("StateMachine", "team", "own", machine),
        object("RestAPI", "team", "api", json!({"stages": [{"name": "prod"}]})),
        object("APIRoute", "team", "own", route("/own", &json!({"name": "own"}))),
        object("APIRoute", "team", "pays", route("/pays", target)),
    ])
}

/// Whether an invoke role may still start it.
fn may_pay(aws: &Memory) -> bool {
    let roles = &aws.account(ACCOUNT).unwrap().iam.roles;
    roles.values().any(|role| role.policies.values().any(|text| text.contains(":stateMachine:owner_pay")))
}

#[rstest::rstest]
#[case::and_no_more(json!({"name": "pay", "namespace": "owner"}))]
#[case::while_the_route_moves_on(json!({"name": "own"}))]
#[tokio::test(start_paused = true)]
async fn what_was_taken_back_never_comes_back(#[case] target: Value) {
    let before = scene("All", &json!({"name": "pay", "namespace": "owner"}));
    let made = observed(&Moment::first(&before), &before).await.unwrap().end;
    assert!(may_pay(&made.aws));
    let after = scene("Same", &target);
    let run = observed(&made, &after).await.unwrap();
    for (effect, moment) in run.before.iter().enumerate() {
        let site = Site::new(moment.aws.clone(), moment.objects.clone());
        let seen: Arc<Mutex<Vec<bool>>> = Arc::default();
        let noted = Arc::clone(&seen);
        site.tape.hook(move |step| {
            noted.lock().unwrap().extend(step.aws.filter(|_| step.effect > 0).map(may_pay));
            None
        });
        let end = carry_out(&site, &after).await.unwrap();
        let mut seen = seen.lock().unwrap().clone();
        seen.push(may_pay(&end.aws));
        seen.dedup();
        assert!(seen == [true, false] || seen == [false], "dead before effect {}: {seen:?}", effect + 1);
    }
}
