//! CreateDeployment makes another deployment whenever it is called. A second one of the same revision, which two operators at once
//! can make, does not stay, whatever becomes of who made it.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use serde_json::{Value, json};
use stepgate_testbed::memory::{ACCOUNT, Service};
use tokio::sync::Notify;

use super::creation::Slow;
use super::kubernetes::condition;
use super::operator::{CLUSTER_UID, Operator, RESYNC, Site};
use super::scene::Scene;
use super::tape::Wrong;
use super::{Moment, difference, drive};

/// What becomes of the process whose deployment comes second.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Then {
    /// It goes on.
    GoesOn,
    /// Kubernetes does not take its record.
    CannotRecord,
    /// It dies, and nobody hears of its deployment until somebody changes something, or a day has passed.
    Dies(Found),
}

/// When a deployment is found whose maker is dead.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Found {
    OnChange,
    OnTheDay,
}

/// Our deployments, with those that stages serve.
fn deployments(site: &Site) -> (Vec<String>, Vec<String>) {
    site.aws.with(|memory| {
        let region = memory.region(ACCOUNT, "us-east-1").unwrap();
        let ours = region.apis.values().find(|api| api.tags["stepgate.dev/cluster-uid"] == CLUSTER_UID).unwrap();
        let all = ours.deployments.values().map(|one| one.description.clone().unwrap_or_default());
        let served = ours.stages.values().map(|stage| ours.deployments[&stage.deployment_id].description.clone());
        (all.collect(), served.flatten().collect())
    })
}

fn made(site: &Site) -> u64 {
    let operation = (Service::ApiGateway, "CreateDeployment".to_owned());
    site.aws.with(|memory| memory.counts().get(&operation).map_or(0, |count| count.done))
}

/// An example that is made, and of which something else is wanted now.
struct Late {
    scene: Scene,
    changed: Scene,
    /// As it ends where nothing goes wrong.
    expected: Moment,
    site: Site,
    /// Hears when a CreateDeployment of the operator's leaves.
    leaves: Arc<Notify>,
    operator: Operator,
}

/// The operator's deployments arrive so much later.
async fn late(pause: Duration) -> Late {
    let scene = Scene::example("root-get");
    let changed = scene.changed();
    let start = Moment::first(&scene);
    let before = drive(&start, &scene, None).await.unwrap();
    let expected = drive(&before, &changed, None).await.unwrap();
    let site = Site::new(before.aws, before.objects);
    changed.apply(&site.server);
    let leaves: Arc<Notify> = Arc::default();
    let slow = Slow {
        leaves: Arc::clone(&leaves),
        aws: site.aws.clone(),
        creates: &["/deployments"],
        pause,
        expires: Duration::from_secs(300),
    };
    let operator = Operator::with(&site, SharedHttpClient::new(slow), site.server.client(&site.tape, None));
    Late { scene, changed, expected, site, leaves, operator }
}

#[rstest::rstest]
#[case::goes_on(Then::GoesOn)]
#[case::cannot_record(Then::CannotRecord)]
#[case::dies_and_something_changes(Then::Dies(Found::OnChange))]
#[case::dies_and_a_day_passes(Then::Dies(Found::OnTheDay))]
#[tokio::test(start_paused = true)]
async fn a_second_deployment_of_a_revision_does_not_stay(#[case] then: Then) {
    let minutes = |count: u64| Duration::from_secs(60 * count);
    // It has decided to deploy, and its call arrives when another process has done all of it.
    let Late { scene, changed, expected, site, leaves, operator: mut paused } = late(minutes(4)).await;
    let count = made(&site);
    let mut other = Operator::start(&site);
    let begins = async {
        for _ in 0..4 {
            paused.round(true).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let follows = async {
        leaves.notified().await;
        other.settle().await.unwrap();
        assert_eq!(made(&site), count + 1);
        let mut again = then == Then::CannotRecord;
        site.tape.hook(move |step| match then {
            Then::CannotRecord if step.what.starts_with("POST controllerrevisions") && std::mem::take(&mut again) => {
                Some(Wrong::Broken)
            }
            Then::Dies(_) if step.what == "CreateDeployment" => Some(Wrong::DeadAfter),
            _ => None,
        });
    };
    let races = futures::future::join(Box::pin(begins), Box::pin(follows));
    tokio::select! {
        biased;
        () = site.tape.died() => assert!(matches!(then, Then::Dies(_))),
        _ = races => assert!(!matches!(then, Then::Dies(_))),
    }
    assert_eq!(made(&site), count + 2, "there was no race");
    site.tape.revive(&site.aws);
    site.tape.calm();

    let mut last = Operator::start(&site);
    last.settle().await.unwrap();
    if let Then::Dies(found) = then {
        assert_eq!(deployments(&site).0.len(), 3, "{:?}", deployments(&site));
        match found {
            // Whatever it is, here and back.
            Found::OnChange => {
                for scene in [&scene, &changed] {
                    scene.apply(&site.server);
                    last.settle().await.unwrap();
                }
            }
            Found::OnTheDay => {
                // On the virtual clock.
                for _ in 0..minutes(24 * 60).as_secs() / RESYNC.as_secs() {
                    tokio::time::sleep(RESYNC).await;
                    last.round(true).await;
                }
            }
        }
    }
    let moment = Moment::of(&site);
    assert_eq!(expected.difference_now(&moment), None);
    let (all, served) = deployments(&site);
    let mut each = all.clone();
    each.sort();
    each.dedup();
    assert_eq!(each.len(), all.len(), "{all:?}");
    assert!(!served.is_empty() && served.iter().all(|one| all.contains(one)), "{served:?}");
    let effects = site.tape.effects();
    Operator::start(&site).round(true).await;
    assert_eq!(site.tape.effects(), effects, "a second plan is not empty");
}

/// Between the operator's writes and its snapshot somebody else writes, such as another operator that knows the manifests of
/// before: what is served in the end is what is asked for.
#[rstest::rstest]
#[case::goes_on(None)]
#[case::dies_without_a_record(Some("CreateDeployment"))]
#[case::dies_with_a_record(Some("UpdateStage"))]
#[tokio::test(start_paused = true)]
async fn a_snapshot_of_what_somebody_changed_meanwhile_is_not_served(#[case] dies_at: Option<&'static str>) {
    let Late { expected, site, leaves, mut operator, .. } = late(Duration::from_secs(2)).await;
    site.tape.hook(move |step| match dies_at {
        Some("CreateDeployment") if step.what == "CreateDeployment" => Some(Wrong::DeadAfter),
        Some(what) if step.what == what => Some(Wrong::DeadBefore),
        _ => None,
    });
    let somebody = async {
        leaves.notified().await;
        site.aws.with(|memory| {
            let mut tree = memory.tree();
            let apis = tree[ACCOUNT]["regions"]["us-east-1"]["apis"].as_object_mut().unwrap().values_mut();
            for api in apis.filter(|api| api["tags"]["stepgate.dev/cluster-uid"] == CLUSTER_UID) {
                let resources = api["resources"].as_object_mut().unwrap().values_mut();
                let methods = resources.filter_map(|resource| resource.get_mut("resourceMethods")?.as_object_mut());
                for method in methods.flat_map(|methods| methods.values_mut()) {
                    method["methodIntegration"]["timeoutInMillis"] = json!(51);
                }
            }
            memory.plant(&tree).unwrap();
        });
        std::future::pending().await
    };
    tokio::select! {
        settled = operator.settle() => settled.unwrap(),
        () = site.tape.died() => {}
        () = somebody => {}
    }
    site.tape.revive(&site.aws);
    site.tape.calm();
    Operator::start(&site).settle().await.unwrap();
    assert_eq!(expected.difference_now(&Moment::of(&site)), None);
}

/// The first deployment has no older record beside it.
#[tokio::test(start_paused = true)]
async fn a_first_deployment_without_a_record_does_not_stay_when_something_else_is_wanted() {
    let scene = Scene::example("root-get");
    let changed = scene.changed();
    let start = Moment::first(&scene);
    let made = drive(&start, &scene, None).await.unwrap();
    let expected = drive(&made, &changed, None).await.unwrap();

    let site = Site::new(start.aws, start.objects);
    scene.apply(&site.server);
    site.tape.hook(|step| (step.what == "CreateDeployment").then_some(Wrong::DeadAfter));
    let mut operator = Operator::start(&site);
    tokio::select! {
        settled = operator.settle() => panic!("it lives: {settled:?}"),
        () = site.tape.died() => {}
    }
    let (all, served) = deployments(&site);
    assert_eq!((all.len(), served.len()), (1, 0));
    site.tape.revive(&site.aws);
    site.tape.calm();

    changed.apply(&site.server);
    Operator::start(&site).settle().await.unwrap();
    let moment = Moment::of(&site);
    assert_eq!(expected.difference_now(&moment), None);
    let (all, served) = deployments(&site);
    assert_eq!(all.len(), 1, "{all:?}");
    assert!(served.iter().all(|one| *one == all[0]), "{served:?}");
}

/// A team's manifests: machines by name, and routes to them.
fn team(machines: &[&str], routes: &[(&str, &str)]) -> Scene {
    let object = |kind: &str, name: &str, spec: Value| json!({"kind": kind, "metadata": {"namespace": "team", "name": name}, "spec": spec});
    let mut all = vec![
        json!({"kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {"accountId": ACCOUNT,
            "regions": [{"name": "us-east-1"}], "tenants": [{"name": "all", "namespaces": {"from": "All"},
            "exposure": {"authorizations": ["NONE"]}}]}}),
        object("RestAPI", "api", json!({"stages": [{"name": "prod"}]})),
    ];
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
    all.extend(
        machines.iter().map(|name| object("StateMachine", name, json!({"type": "EXPRESS", "definition": definition}))),
    );
    all.extend(routes.iter().map(|(name, machine)| {
        let target = json!({"action": "StartSyncExecution", "stateMachineRef": {"name": machine}});
        let spec = json!({"apiRef": {"name": "api"}, "method": "POST", "path": format!("/{name}"), "authorization": {"type": "NONE"}, "target": target});
        object("APIRoute", name, spec)
    }));
    Scene::of(all)
}

/// One revision to go back to, not one for each machine; and what never comes is waited for once.
#[tokio::test(start_paused = true)]
async fn routes_that_come_with_their_machines_are_one_deployment() {
    let first = team(&["m0"], &[("r0", "m0")]);
    let before = drive(&Moment::first(&first), &first, None).await.unwrap();
    let site = Site::new(before.aws, before.objects);
    let mut operator = Operator::start(&site);
    let mut looks = async |scene: &Scene, seconds: u64| {
        scene.apply(&site.server);
        for _ in 0..seconds.div_ceil(3) {
            operator.round(true).await;
            tokio::time::sleep(Duration::from_secs(3)).await;
        }
        let ready = |resource: &str, name: &str| {
            let id = (resource.to_owned(), "team".to_owned(), name.to_owned());
            condition(site.server.snapshot().by_id(&id).unwrap(), "Ready").unwrap().clone()
        };
        (deployments(&site).0.len(), ready("restapis", "api"), ready("apiroutes", "also"))
    };
    let routes = [("r0", "m0"), ("r1", "m1"), ("r2", "m2"), ("also", "m0")];
    let (count, api, also) = looks(&team(&["m0"], &routes), 6).await;
    assert_eq!((count, &api["status"], &also["status"]), (1, &json!("False"), &json!("False")));
    assert!(api["message"].as_str().unwrap().starts_with("some routes wait for what they refer to"), "{api}");
    assert_eq!(looks(&team(&["m0", "m1"], &routes), 6).await.0, 1, "m2 is still to come");
    let (count, api, also) = looks(&team(&["m0", "m1", "m2"], &routes), 9).await;
    assert_eq!((count, &api["status"], &also["status"]), (2, &json!("True"), &json!("True")), "{api}");

    let routes = [&routes[..3], &[("also", "m1"), ("never", "none")]].concat();
    let (count, ..) = looks(&team(&["m0", "m1", "m2"], &routes), 12).await;
    assert_eq!(count, 2);
    let (count, api, also) = looks(&team(&["m0", "m1", "m2"], &routes), 12).await;
    assert_eq!((count, &api["status"], &also["status"]), (3, &json!("True"), &json!("True")), "{api}");
    // Nor is it waited for again.
    let routes = [&routes[..3], &[("also", "m2"), ("never", "none")]].concat();
    assert_eq!(looks(&team(&["m0", "m1", "m2"], &routes), 6).await.0, 4);
}

/// Whoever reconciles the RestAPI before the route: what it serves is not taken for something that nobody asks for.
#[tokio::test(start_paused = true)]
async fn a_route_that_loses_its_finalizer_serves_on() {
    let scene = Scene::example("item-api");
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let site = Site::new(made.aws.clone(), made.objects);
    for key in scene.world.routes.keys() {
        site.server.unfinalize("apiroutes", key);
    }
    let mut operator = Operator::start(&site);
    operator.see(&site.server.snapshot());
    for key in scene.world.apis.keys() {
        operator.reconcile("restapis", key).await;
    }
    assert_eq!(difference(&made.aws.essence(), &Moment::of(&site).aws.essence()), None);
    operator.settle().await.unwrap();
    assert_eq!(difference(&made.aws.essence(), &Moment::of(&site).aws.essence()), None);
}

/// A stage that is deployed by hand begins when no role has to settle, and until then nobody is told that it is there.
#[tokio::test(start_paused = true)]
async fn a_stage_that_waits_for_a_role_is_not_called_ready() {
    let scene = Scene::example("root-get");
    let mut start = Moment::first(&scene);
    start.aws.settings.role_propagation = Duration::from_secs(10);
    let made = drive(&start, &scene, None).await.unwrap();
    let mut aws = made.aws.clone();
    // Somebody narrows the role, which is put right again, and takes its time to be seen.
    let mut tree = aws.tree();
    for role in tree[ACCOUNT]["iam"]["roles"].as_object_mut().unwrap().values_mut() {
        if role["tags"]["stepgate.dev/cluster-uid"] == CLUSTER_UID && role["tags"]["stepgate.dev/kind"] == "RestAPI" {
            role["policies"] = json!({});
        }
    }
    aws.plant(&tree).unwrap();
    let site = Site::new(aws, made.objects);
    let mut wanted = scene.clone();
    let api = Arc::make_mut(wanted.world.apis.values_mut().next().unwrap());
    let manual = json!({"name": "by-hand", "deploy": "Manual"});
    api.spec.stages.push(serde_json::from_value(manual).unwrap());
    wanted.apply(&site.server);
    let mut operator = Operator::start(&site);
    let mut waited = false;
    for _ in 0..20 {
        operator.round(true).await;
        let now = site.server.snapshot();
        let (_, api) = now.of("restapis").next().unwrap();
        let ready = condition(api, "Ready").unwrap();
        let of_it = ready["observedGeneration"] == api["metadata"]["generation"];
        let made = site.aws.with(|memory| {
            let region = memory.region(ACCOUNT, "us-east-1").unwrap();
            region.apis.values().any(|api| api.stages.contains_key("by-hand"))
        });
        assert!(made || !of_it || ready["status"] != "True", "{ready}");
        let says = ready["message"].as_str().unwrap();
        waited |= says.starts_with("spec.stages[by-hand] is deployed by hand, and begins when AWS sees");
        if made && of_it && ready["status"] == "True" {
            assert!(waited, "no role had to settle");
            return;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("the stage is not made");
}
