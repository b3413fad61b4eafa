//! The records of what stages serve are lost, by hand or with the cluster: they are made anew from what AWS exports of the
//! stages, and what can't be known counts as served. The emulator's export shows the API as it is now; its launcher mends that as
//! far as tests/e2e/records.rs needs it.

use std::sync::Arc;

use serde_json::{Value, json};
use stepgate::api::{Deploy, DriftPolicy, LocalReference, PAUSED};
use stepgate::identity::Key;
use stepgate::resources::deployment::Record;
use stepgate_testbed::memory::{ACCOUNT, Fault, Memory, Service, answer};

use super::kubernetes::{Objects, condition};
use super::operator::{CLUSTER_UID, Operator, Site};
use super::scene::{Scene, add};
use super::{Found, Moment, drive, uncrashed};

const MANIFESTS: &str = r#"
{kind: AWSAccount, metadata: {name: dev}, spec: {accountId: "111122223333", regions: [{name: us-east-1}],
  tenants: [{name: all, namespaces: {from: All}}]}}
---
{kind: StateMachine, metadata: {name: served, namespace: team}, spec: {type: EXPRESS,
  definition: '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'}}
---
{kind: StateMachine, metadata: {name: served-never, namespace: team}, spec: {type: EXPRESS,
  definition: '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'}}
---
{kind: RestAPI, metadata: {name: api, namespace: team}, spec: {stages: [{name: dev, variables: {machine: "arn:aws:states:us-east-1:111122223333:stateMachine:team_standard"}}, {name: prod, variables: {machine: "arn:aws:states:us-east-1:111122223333:stateMachine:team_standard"}}]}}
---
{kind: APIRoute, metadata: {name: call, namespace: team}, spec: {apiRef: {name: api}, path: /call, method: POST,
  authorization: {type: AWS_IAM}, target: {action: StartSyncExecution, stateMachineRef: {name: served}}}}
"#;

/// A second machine of the API, and a route to it that stays.
const MORE: &str = r#"
{kind: StateMachine, metadata: {name: standard, namespace: team}, spec: {type: STANDARD,
  definition: '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'}}
---
{kind: APIRoute, metadata: {name: stays, namespace: team}, spec: {apiRef: {name: api}, path: /stays, method: POST,
  authorization: {type: AWS_IAM}, target: {action: StartExecution, stateMachineRef: {name: standard}}}}
"#;

/// A route of each kind: what it calls is said in another way each time.
const KINDS: &str = r#"
{kind: APIRoute, metadata: {name: mock, namespace: team}, spec: {apiRef: {name: api}, path: /mock, method: ANY,
  authorization: {type: AWS_IAM}, target: {action: Mock, mock: {statusCode: 204}}}}
---
{kind: APIRoute, metadata: {name: describe, namespace: team}, spec: {apiRef: {name: api}, path: "/of/{name}", method: GET,
  authorization: {type: AWS_IAM}, target: {action: DescribeExecution, stateMachineRef: {name: standard}},
  request: {executionName: {path: name}}}}
---
{kind: APIRoute, metadata: {name: raw, namespace: team}, spec: {apiRef: {name: api}, path: /raw, method: POST,
  authorization: {type: AWS_IAM}, target: {action: StartExecution, stateMachineRef: {name: standard}},
  request: {templates: {application/json: '{"stateMachineArn": "$stageVariables.machine", "input": "{}"}'}}}}
---
{kind: APIRoute, metadata: {name: client, namespace: team}, spec: {apiRef: {name: api}, path: /client, method: POST,
  authorization: {type: AWS_IAM}, target: {action: StartExecution, stateMachineRefs: [{name: served}, {name: standard}]}}}
"#;

fn documents(parts: &[&str]) -> Vec<Value> {
    parts.iter().flat_map(|part| serde_saphyr::from_multiple::<Value>(part).unwrap()).collect()
}

/// The same with every stage but the first pinned to the first revision.
fn pinned(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    for api in scene.world.apis.values_mut() {
        let stages = &mut Arc::make_mut(api).spec.stages;
        let first = if stages.len() == 1 { 0 } else { 1 };
        for stage in &mut stages[first..] {
            (stage.revision, stage.deploy, stage.canary) = (Some(1), Deploy::Auto, None);
        }
    }
    scene
}

/// The same without one of its routes.
fn without_route(scene: &Scene, name: &str) -> Scene {
    let mut scene = scene.clone();
    scene.world.routes.remove(&Key::new("team", name));
    scene
}

fn lose_records(site: &Site) {
    for ((_, namespace, name), _) in site.server.snapshot().of("controllerrevisions") {
        site.server.delete("controllerrevisions", &Key::new(namespace, name));
    }
}

/// The same moment without records.
fn without_records(moment: &Moment) -> Moment {
    let site = Site::new(moment.aws.clone(), moment.objects.clone());
    lose_records(&site);
    Moment::of(&site)
}

/// The records by RestAPI and revision.
fn records(moment: &Moment) -> Vec<Record> {
    let of = |data: &Value| serde_json::from_value::<Record>(data.clone()).unwrap();
    let mut all: Vec<Record> = moment.objects.of("controllerrevisions").map(|(_, one)| of(&one["data"])).collect();
    all.sort_by_key(|record| (record.rest_api_id.clone(), record.revision));
    all
}

fn done(aws: &Memory, operation: &str) -> u64 {
    aws.counts().get(&(Service::ApiGateway, operation.to_owned())).map_or(0, |count| count.done)
}

/// What the roles of the API's routes may do.
fn policies(moment: &Moment) -> String {
    let roles = &moment.aws.tree()[ACCOUNT]["iam"]["roles"];
    let invoke =
        |(name, _): &(&String, &Value)| name.starts_with("stepgate-invoke") || name.starts_with("stepgate-route");
    let policies: Vec<_> =
        roles.as_object().unwrap().iter().filter(invoke).map(|(_, role)| &role["policies"]).collect();
    json!(policies).to_string()
}

/// Why the RestAPI is not ready.
fn says(site: &Site) -> String {
    let api =
        site.server.snapshot().by_id(&("restapis".to_owned(), "team".to_owned(), "api".to_owned())).unwrap().clone();
    condition(&api, "Ready").unwrap()["message"].as_str().unwrap().to_owned()
}

/// prod is pinned to a revision with a route that Git no longer has.
async fn pinned_with_a_deleted_route(more: &[&str]) -> (Scene, Moment) {
    let parts: Vec<&str> = [MANIFESTS, MORE].iter().chain(more).copied().collect();
    pinned_without_a_route(&Scene::of(documents(&parts))).await
}

async fn pinned_without_a_route(scene: &Scene) -> (Scene, Moment) {
    let start = Moment::first(scene);
    let made = uncrashed("make", &start, scene).await.end;
    let wanted = without_route(&pinned(scene), "call");
    let served = uncrashed("pin", &made, &wanted).await.end;
    (wanted, served)
}

/// A record made anew says what the one that was lost said, but for the exact form of each method, and that roles are on record as
/// they are then.
fn says_as_much(anew: &Record, lost: &Record) {
    let routes = |record: &Record| {
        let mut routes: Vec<_> =
            record.routes.iter().map(|it| (it.route.clone(), it.at.clone(), it.machines.clone())).collect();
        routes.sort();
        routes
    };
    assert_eq!(routes(anew), routes(lost));
    let ids = |record: &Record| (record.revision, record.deployment_id.clone(), record.hash.clone());
    assert_eq!(ids(anew), ids(lost));
    assert!((anew.authorizers || !lost.authorizers) && (anew.models || !lost.models), "{anew:#?}\n{lost:#?}");
    for (name, needs) in &lost.roles {
        let mut both = anew.roles[name].clone();
        both.merge(needs);
        assert_eq!(both, anew.roles[name], "{name}");
        assert_eq!(anew.roles[name].of, needs.of, "{name}");
    }
    let extra: Vec<_> = anew.roles.keys().filter(|name| !lost.roles.contains_key(*name)).collect();
    assert_eq!(extra, Vec::<&String>::new());
}

#[tokio::test(start_paused = true)]
async fn lost_records_are_made_anew_from_what_stages_serve() {
    let (scene, served) = pinned_with_a_deleted_route(&[]).await;
    let before = records(&served);
    assert_eq!(before.iter().map(|record| record.revision).collect::<Vec<_>>(), [1, 2]);
    let exports = done(&served.aws, "GetExport");

    let anew = uncrashed("rebuild", &without_records(&served), &scene).await.end;
    let after = records(&anew);
    assert_eq!(after.len(), 2);
    assert!(after[0].rebuilt && !after[1].rebuilt);
    says_as_much(&after[0], &before[0]);
    assert_eq!(after[1], before[1], "its content is wanted: so all of it is known");
    assert_eq!(served.aws.essence(), anew.aws.essence(), "nothing is changed in AWS");
    assert_eq!(done(&anew.aws, "GetExport") - exports, 2, "one for each stage, and none by the second process");

    // A machine that only the pinned stage calls stays.
    let site = Site::new(anew.aws.clone(), anew.objects.clone());
    let mut gone = scene.clone();
    gone.world.machines.retain(|key, _| key.name == "standard");
    gone.apply(&site.server);
    let waits = Operator::start(&site).settle().await.unwrap_err();
    let why = "stage prod of RestAPI team/api serves it in revision 1 (APIRoute team/call)";
    assert!(waits.contains(why), "{waits}");
    assert!(policies(&Moment::of(&site)).contains("stateMachine:team_served"));

    // Nothing of it is left once the stage has moved on.
    let api = Arc::make_mut(gone.world.apis.values_mut().next().unwrap());
    api.spec.stages[1].revision = None;
    api.spec.revision_history_limit = 0;
    gone.apply(&site.server);
    let mut operator = Operator::start(&site);
    operator.settle().await.unwrap();
    let moment = Moment::of(&site);
    assert!(!policies(&moment).contains("stateMachine:team_served"), "{}", policies(&moment));
    assert!(policies(&moment).contains("stateMachine:team_standard"));
    assert_eq!(records(&moment), [after[1].clone()]);
    assert_eq!(moment.strays(), Vec::<String>::new());
    let machines = moment.aws.region(ACCOUNT, "us-east-1").unwrap().machines.values();
    assert!(machines.clone().all(|machine| machine.name != "team_served") && machines.count() > 0);
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_effect_of_the_rebuilding_loses_nothing() {
    let (scene, served) = pinned_with_a_deleted_route(&[KINDS]).await;
    let lost = without_records(&served);
    let mut found = Found::default();
    let anew = found.phase("rebuild", &lost, &scene).await;
    assert_eq!(served.aws.essence(), anew.aws.essence());
    // Beside it, people change something.
    let changed = without_route(&scene, "stays");
    let run = uncrashed("rebuild and change", &lost, &changed).await;
    // Who comes after it does not know that the route was deleted, and waits for it: so long its content is wanted.
    found.rebuilds = true;
    found.crash("rebuild and change", &lost, &changed, &run, &[]).await;
    let moved = pinned(&changed);
    let expected = uncrashed("change", &served, &moved).await.end;
    assert_eq!(expected.difference_now(&run.end), None, "as if none had been lost");
    found.end("lost records");
}

#[tokio::test(start_paused = true)]
async fn routes_of_every_kind_are_read() {
    let (scene, served) = pinned_with_a_deleted_route(&[KINDS]).await;
    let before = records(&served);
    let anew = uncrashed("rebuild", &without_records(&served), &scene).await.end;
    says_as_much(&records(&anew)[0], &before[0]);
    let of = |name: &str| {
        let after = records(&anew);
        let route = after[0].routes.iter().find(|route| route.route.name == name).unwrap().clone();
        route.machines.into_iter().map(|key| key.name).collect::<Vec<_>>()
    };
    assert_eq!((of("mock"), of("describe"), of("raw")), (vec![], vec!["standard".into()], vec!["standard".into()]));
    assert_eq!(of("client"), ["served", "standard"]);
}

/// Every example and page: pinned to its first revision, changed, its records lost.
#[rstest::rstest]
#[case::client_names_machine("client-names-machine")]
#[case::ec2_sync_async("ec2-sync-async")]
#[case::item_api("item-api")]
#[case::orders_api("orders-api")]
#[case::potato("potato")]
#[case::reddit_api("reddit-api")]
#[case::root_get("root-get")]
#[case::stage_variables("stage-variables")]
#[case::authorization("docs/authorization.md")]
#[tokio::test(start_paused = true)]
async fn what_any_example_serves_is_read(#[case] name: &str) {
    let scene = match name.ends_with(".md") {
        true => Scene::page(name, super::pages::EXPOSING),
        false => Scene::example(name),
    };
    let start = Moment::first(&scene);
    let made = uncrashed("make", &start, &scene).await.end;
    let changed = pinned(&scene.changed());
    let served = uncrashed("change", &made, &changed).await.end;
    let before = records(&served);
    let anew = uncrashed("rebuild", &without_records(&served), &changed).await.end;
    let after = records(&anew);
    let revisions = |all: &[Record]| all.iter().map(|record| record.revision).collect::<Vec<_>>();
    assert_eq!(revisions(&after), revisions(&before));
    assert!(after.iter().any(|record| record.rebuilt), "{after:#?}");
    for (anew, lost) in after.iter().zip(&before) {
        says_as_much(anew, lost);
    }
    assert_eq!(served.aws.essence(), anew.aws.essence(), "nothing is changed in AWS");
}

/// What prod serves at a place is changed, as somebody can who deploys by hand.
fn deployed_by_hand(moment: &Moment, path: &str, change: impl Fn(&mut Value)) -> Moment {
    deployed_on("prod", moment, path, change)
}

/// What a stage serves at a place is changed.
fn deployed_on(stage: &str, moment: &Moment, path: &str, change: impl Fn(&mut Value)) -> Moment {
    let (mut moment, mut tree) = (moment.clone(), moment.aws.tree());
    let apis = tree[ACCOUNT]["regions"]["us-east-1"]["apis"].as_object_mut().unwrap();
    let api = apis.values_mut().find(|api| api["tags"]["stepgate.dev/cluster-uid"] == CLUSTER_UID).unwrap();
    let deployment = api["stages"][stage]["deploymentId"].as_str().unwrap().to_owned();
    change(&mut api["deployments"][deployment]["snapshot"][path]);
    moment.aws.plant(&tree).unwrap();
    moment
}

#[rstest::rstest]
#[case::of_nobody("/more", |at: &mut Value| *at = json!({"GET": {"httpMethod": "GET", "authorizationType": "NONE",
    "methodIntegration": {"type": "MOCK", "passthroughBehavior": "NEVER"}}}), "method GET /more is no APIRoute's")]
#[case::elsewhere("/call", |at: &mut Value| at["POST"]["methodIntegration"]["uri"] = "arn:aws:apigateway:us-east-1:sqs:action/SendMessage".into(),
    "method POST /call calls something else than Step Functions")]
#[case::another_s_role("/call", |at: &mut Value| at["POST"]["operationName"] = "other_call".into(), "which is not APIRoute other/call's")]
#[case::no_role("/call", |at: &mut Value| drop(at["POST"]["methodIntegration"].as_object_mut().unwrap().shift_remove("credentials")),
    "method POST /call calls Step Functions without a role")]
#[case::not_exported("/call", |at: &mut Value| at["POST"]["requestModels"] = json!({"text/xml": "Empty"}),
    "GetExport: JSON body models are not found")]
#[tokio::test(start_paused = true)]
async fn what_does_not_read_cleanly_stays_as_it_is_and_is_told(
    #[case] path: &str,
    #[case] change: fn(&mut Value),
    #[case] why: &str,
) {
    let (scene, served) = pinned_with_a_deleted_route(&[]).await;
    let lost = without_records(&deployed_by_hand(&served, path, change));
    let site = Site::new(lost.aws.clone(), lost.objects.clone());
    scene.apply(&site.server);
    let mut operator = Operator::start(&site);
    operator.settle().await.unwrap();
    let waits = says(&site);
    let told = "Stage prod serves revision 1, whose record was lost and can't be rebuilt: ";
    let then =
        "; until the stage is moved, roles keep all that they have, and machines that it may call are not deleted.";
    assert!(waits.starts_with("spec.stages[prod].revision: there is no revision 1; there are 2;"), "{waits}");
    assert!(waits.contains(told) && waits.contains(why) && waits.contains(then), "{waits}");
    let moment = Moment::of(&site);
    assert_eq!(lost.aws.essence(), moment.aws.essence(), "nothing is narrowed, nothing removed");
    let calls = done(&moment.aws, "GetExport");
    operator.round(true).await;
    assert!(done(&Moment::of(&site).aws, "GetExport") - calls <= 1, "a check costs one call");

    // Nobody is kept by it for ever.
    let mut moved = scene.clone();
    Arc::make_mut(moved.world.apis.values_mut().next().unwrap()).spec.stages[1].revision = None;
    let fresh = uncrashed("move", &served, &moved).await.end;
    let end = uncrashed("move", &moment, &moved).await.end;
    assert_eq!(policies(&end), policies(&fresh));
}

/// Records are Kubernetes's: that they are lost is no drift of AWS, so that `Report` does not leave it.
#[tokio::test(start_paused = true)]
async fn lost_records_are_no_drift() {
    let (scene, served) = pinned_with_a_deleted_route(&[]).await;
    for policy in [DriftPolicy::Report, DriftPolicy::Correct] {
        let scene = scene.with_drift_policy(policy);
        let served = uncrashed("policy", &served, &scene).await.end;
        let anew = uncrashed("rebuild", &without_records(&served), &scene).await.end;
        says_as_much(&records(&anew)[0], &records(&served)[0]);
        assert_eq!(served.aws.essence(), anew.aws.essence());
        let api = anew.objects.of("restapis").next().unwrap().1;
        assert_eq!(api["status"]["lastDrift"], Value::Null, "{policy:?}");
    }
}

/// A process whose watch lags asks Kubernetes itself.
#[tokio::test(start_paused = true)]
async fn a_record_that_only_the_cache_lacks_is_not_rebuilt() {
    let (scene, served) = pinned_with_a_deleted_route(&[]).await;
    let site = Site::new(served.aws.clone(), served.objects.clone());
    scene.apply(&site.server);
    let mut operator = Operator::start(&site);
    operator.see(&without_records(&served).objects);
    let (effects, exports) = (site.tape.effects(), done(&served.aws, "GetExport"));
    operator.reconcile("restapis", &Key::new("team", "api")).await;
    let moment = Moment::of(&site);
    assert_eq!((site.tape.effects(), done(&moment.aws, "GetExport")), (effects, exports));
    assert_eq!(records(&moment), records(&served));
}

/// What a canary serves is in no export; a stage that is deployed by hand has one.
#[tokio::test(start_paused = true)]
async fn of_a_stage_with_a_canary_only_what_serves_beside_it_is_known() {
    let (scene, served) = pinned_with_a_deleted_route(&[]).await;
    let mut both = scene.clone();
    let api = Arc::make_mut(both.world.apis.values_mut().next().unwrap());
    // The stage serves 2, its canary 1; that both are pinned says what they are to serve once the records are back.
    api.spec.stages[1] =
        serde_json::from_value(json!({"name": "prod", "revision": 2, "canary": {"revision": 1, "percent": 10}}))
            .unwrap();
    let canary = uncrashed("canary", &served, &both).await.end;
    let lost = without_records(&canary);
    let site = Site::new(lost.aws.clone(), lost.objects.clone());
    both.apply(&site.server);
    Operator::start(&site).settle().await.unwrap();
    let waits = says(&site);
    assert!(waits.contains("spec.stages[prod].canary.revision: there is no revision 1; there are 2;"), "{waits}");
    assert!(waits.contains("only a canary serves it"), "{waits}");
    let moment = Moment::of(&site);
    assert_eq!(lost.aws.essence(), moment.aws.essence());

    // What it calls stays.
    let calls_nothing = lost.objects.by_id(&("apiroutes".into(), "team".into(), "call".into())).is_none();
    let machine = |moment: &Moment| moment.objects.of("statemachines").any(|((.., name), _)| name == "served");
    assert!(calls_nothing && machine(&lost), "only the canary serves the route to it");
    let mut without = both.clone();
    without.world.machines.remove(&Key::new("team", "served"));
    without.apply(&site.server);
    let waits = Operator::start(&site).settle().await.unwrap_err();
    let why = "stage prod of RestAPI team/api may serve it: what its canary serves is on no record; end the canary, or move or unpin the stage;";
    assert!(waits.contains(why), "{waits}");
    assert_eq!(lost.aws.essence(), Moment::of(&site).aws.essence());

    // Beside a stage that serves it, it is known.
    let mut third = both.clone();
    let api = Arc::make_mut(third.world.apis.values_mut().next().unwrap());
    api.spec.stages.push(serde_json::from_value(json!({"name": "third", "revision": 1})).unwrap());
    let served = uncrashed("third", &canary, &third).await.end;
    let anew = uncrashed("rebuild", &without_records(&served), &third).await.end;
    says_as_much(&records(&anew)[0], &records(&served)[0]);
    assert_eq!(served.aws.essence(), anew.aws.essence());
}

/// A wrong prune meets a RestAPI that can't be carried out just now, or whose records are lost: it costs no more routes than any other.
#[rstest::rstest]
#[case::of_a_stalled_api(true)]
#[case::without_records(false)]
#[tokio::test(start_paused = true)]
async fn the_brake_holds_routes_whatever_their_api_is_up_to(#[case] stalled: bool) {
    let mut scene = Scene::of(documents(&[MANIFESTS, MORE]));
    Arc::make_mut(&mut scene.world.accounts[0]).spec.max_deletions_per_hour = 1;
    let mut wanted = scene.clone();
    if stalled {
        let api = Arc::make_mut(wanted.world.apis.values_mut().next().unwrap());
        api.spec.stages[1].revision = Some(77);
    }
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let made = drive(&made, &wanted, None).await.unwrap();
    let made = if stalled { made } else { without_records(&made) };
    let site = Site::new(made.aws.clone(), made.objects);
    wanted.world.routes.clear();
    wanted.apply(&site.server);
    let waits = Operator::start(&site).settle().await.unwrap_err();
    assert!(waits.contains("more than 1 deletions within an hour"), "{waits}");
    let after = Moment::of(&site);
    let left: Vec<_> = after.objects.of("apiroutes").map(|((.., name), _)| name.clone()).collect();
    assert_eq!(left.len(), 1, "{left:?}");
    let served = after.aws.essence().to_string();
    assert!(served.contains(&format!("team_{}", left[0])), "its method is there");
}

/// A route that cannot be carried out any more keeps its method, and its record the machine that this calls.
#[tokio::test(start_paused = true)]
async fn what_keeps_serving_keeps_its_machine() {
    let scene = Scene::of(documents(&[MANIFESTS, MORE]));
    let start = Moment::first(&scene);
    let made = uncrashed("make", &start, &scene).await.end;
    let mut broken = scene.clone();
    let route = Arc::make_mut(broken.world.routes.get_mut(&Key::new("team", "call")).unwrap());
    route.spec.target.state_machine_ref.as_mut().unwrap().name = "missing".into();
    let site = Site::new(made.aws.clone(), made.objects.clone());
    broken.apply(&site.server);
    Operator::start(&site).settle().await.unwrap_err();
    let before = records(&Moment::of(&site));
    lose_records(&site);
    Operator::start(&site).settle().await.unwrap_err();
    let after = records(&Moment::of(&site));
    assert_eq!(after, before);
    let kept = after[0].routes.iter().find(|route| route.route.name == "call").unwrap();
    assert_eq!(kept.machines.iter().map(|key| key.name.as_str()).collect::<Vec<_>>(), ["served"]);
}

/// Beside what others have in an adopted API, what is ours is told by its routes and roles.
#[tokio::test(start_paused = true)]
async fn an_adopted_api_s_records_are_rebuilt_and_what_is_others_stays() {
    let scene = super::adoption::page();
    let start = super::adoption::others_were_here(&scene).await;
    let made = drive(&start, &scene, None).await.unwrap();
    let mut changed = scene.clone();
    for api in changed.world.apis.values_mut() {
        Arc::make_mut(api).spec.stages[0].revision = Some(1);
    }
    changed.world.routes.clear();
    let served = uncrashed("pin", &made, &changed).await.end;
    let anew = uncrashed("rebuild", &without_records(&served), &changed).await.end;
    says_as_much(&records(&anew)[0], &records(&served)[0]);
    assert_eq!(records(&anew)[0].older, records(&served)[0].older);
    assert_eq!(served.aws.essence(), anew.aws.essence(), "what others made stays, and our roles");
    // Where it can't be read, it is not taken for something that was there before.
    let lose_role =
        |at: &mut Value| drop(at["POST"]["methodIntegration"].as_object_mut().unwrap().shift_remove("credentials"));
    let lost = without_records(&deployed_by_hand(&served, "/orders", lose_role));
    let kept = uncrashed("unreadable", &lost, &changed).await.end;
    assert_eq!(lost.aws.essence(), kept.aws.essence(), "roles keep all that they have");
    let gone = uncrashed("delete", &anew, &scene.gone()).await.end;
    let expected = uncrashed("delete", &served, &scene.gone()).await.end;
    assert_eq!(expected.aws.essence(), gone.aws.essence());
}

/// The names in AWS of the machine that is served, of which there should be one or none.
fn served_machines(site: &Site) -> Vec<String> {
    let region = site.aws.with(|aws| aws.region(ACCOUNT, "us-east-1").unwrap().clone());
    let names = region.machines.values().map(|machine| machine.name.clone());
    names.filter(|name| name.starts_with("team_served")).collect()
}

/// A StateMachine's deletion asks AWS itself what a stage serves whose record can't be made anew, or is not yet; also where machine and
/// API are in one AWS account by two AWSAccounts.
#[rstest::rstest]
#[case::by_one_account("dev")]
#[case::by_two_accounts("second")]
#[tokio::test(start_paused = true)]
async fn a_machine_that_is_served_without_a_record_is_not_deleted(#[case] account: &str) {
    let mut all = documents(&[MANIFESTS, MORE]);
    let mut second = all[0].clone();
    second["metadata"]["name"] = "second".into();
    all.push(second);
    for one in &mut all {
        match one["kind"].as_str().unwrap() {
            "StateMachine" => one["spec"]["accountRef"] = json!({"name": account}),
            "RestAPI" => one["spec"]["accountRef"] = json!({"name": "dev"}),
            _ => {}
        }
    }
    let (scene, served) = pinned_without_a_route(&Scene::of(all)).await;
    let of_nobody = json!({"GET": {"httpMethod": "GET", "authorizationType": "NONE",
        "methodIntegration": {"type": "MOCK", "passthroughBehavior": "NEVER"}}});
    let lost = without_records(&deployed_by_hand(&served, "/more", |at| *at = of_nobody.clone()));
    let site = Site::new(lost.aws, lost.objects);
    let mut gone = scene.clone();
    gone.world.machines.retain(|key, _| key.name == "standard");
    gone.apply(&site.server);
    let waits = Operator::start(&site).settle().await.unwrap_err();
    let why = "stage prod of RestAPI team/api serves it in a deployment whose record was lost; move or unpin the stage";
    assert!(waits.starts_with("does not settle: statemachines team/served: ") && waits.contains(why), "{waits}");
    assert_eq!(served_machines(&site), ["team_served"]);

    let api = Arc::make_mut(gone.world.apis.values_mut().next().unwrap());
    api.spec.stages[1].revision = None;
    gone.apply(&site.server);
    Operator::start(&site).settle().await.unwrap();
    assert_eq!(served_machines(&site), Vec::<String>::new());
}

/// All of Kubernetes was lost, and a machine goes before its API was carried out again.
#[rstest::rstest]
#[tokio::test(start_paused = true)]
async fn a_machine_that_is_served_is_not_deleted_before_its_api_is_known(
    #[values(false, true)] another_cluster: bool,
    #[values(false, true)] paused: bool,
) {
    let (scene, served) = pinned_with_a_deleted_route(&[]).await;
    let (scene, lost) = match another_cluster {
        true => (super::takeover::heir(&scene), super::takeover::lost(&served)),
        false => (scene, Moment { aws: served.aws, objects: Objects::default() }),
    };
    let site = Site::new(lost.aws, lost.objects);
    let mut waiting = scene.clone();
    let api = Arc::make_mut(waiting.world.apis.values_mut().next().unwrap());
    match paused {
        true => drop(api.metadata.annotations.get_or_insert_default().insert(PAUSED.into(), "true".into())),
        false => api.spec.account_ref = Some(LocalReference { name: "not-yet".into() }),
    }
    waiting.apply(&site.server);
    let mut operator = Operator::start(&site);
    for _ in 0..4 {
        operator.round(true).await;
    }
    waiting.world.machines.retain(|key, _| key.name == "standard");
    waiting.apply(&site.server);
    let waits = operator.settle().await.unwrap_err();
    let why = "stage prod of RestAPI team/api serves it in a deployment whose record was lost; move or unpin the stage";
    assert!(waits.contains("statemachines team/served: ") && waits.contains(why), "{waits}");
    assert_eq!(served_machines(&site), ["team_served"]);

    let mut gone = scene;
    gone.world.machines.retain(|key, _| key.name == "standard");
    Arc::make_mut(gone.world.apis.values_mut().next().unwrap()).spec.stages[1].revision = None;
    gone.apply(&site.server);
    operator.settle().await.unwrap();
    assert_eq!(served_machines(&site), Vec::<String>::new());
}

/// Of which only a role says that it is called, and of which only executions are asked.
#[tokio::test(start_paused = true)]
async fn machines_that_no_template_names_as_such_are_served_too() {
    let of = |name: &str| documents(&[KINDS]).into_iter().find(|one| one["metadata"]["name"] == name).unwrap();
    let mut client = of("client");
    client["spec"]["target"]["stateMachineRefs"] = json!([{"name": "served"}]);
    let mut all = documents(&[MANIFESTS, MORE]);
    all.retain(|one| one["kind"] != "APIRoute");
    all.extend([client, of("describe")]);
    let scene = Scene::of(all);
    let start = Moment::first(&scene);
    let made = uncrashed("make", &start, &scene).await.end;
    let mut wanted = pinned(&scene);
    wanted.world.routes.clear();
    let served = uncrashed("pin", &made, &wanted).await.end;
    let of_nobody = json!({"GET": {"httpMethod": "GET", "authorizationType": "NONE",
        "methodIntegration": {"type": "MOCK", "passthroughBehavior": "NEVER"}}});
    let lost = without_records(&deployed_by_hand(&served, "/more", |at| *at = of_nobody.clone()));
    let site = Site::new(lost.aws, lost.objects);
    wanted.world.machines.clear();
    wanted.apply(&site.server);
    let waits = Operator::start(&site).settle().await.unwrap_err();
    let why = "stage prod of RestAPI team/api serves it in a deployment whose record was lost";
    for name in ["served", "standard"] {
        assert!(waits.contains(&format!("statemachines team/{name}: ")), "{waits}");
    }
    assert_eq!(waits.matches(why).count(), 2, "{waits}");
}

/// A stage that is kept with an adopted API keeps the machines that it may call, whosever they are, and no others; and it is told what to
/// do about it.
#[rstest::rstest]
#[case::another_service("sqs:path/111122223333/q", "role/orders-legacy", "states:*", None, "")]
#[case::its_callers("states:action/StartExecution", "user/*", "states:*", None, "")]
#[case::nothing_of_the_kind("states:action/StartExecution", "role/orders-legacy", "sqs:*", None, "")]
#[case::any_machine(
    "states:action/StartExecution",
    "role/orders-legacy",
    "states:StartExecution",
    None,
    "serves it; delete the stage in AWS"
)]
#[case::by_a_managed_policy(
    "states:action/StartExecution",
    "role/orders-legacy",
    "arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess",
    None,
    "may serve it: its role arn:aws:iam::111122223333:role/orders-legacy has the managed policy arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess; delete the stage in AWS"
)]
#[case::unreadable_role(
    "states:action/StartExecution",
    "role/orders-legacy",
    "sqs:*",
    Some(("GetRole", 403, "AccessDenied")),
    "may serve it: its role arn:aws:iam::111122223333:role/orders-legacy can't be read: GetRole: No (AccessDenied); let the operator read that (docs/aws-permissions.md), or delete the stage in AWS"
)]
#[case::unreadable_export(
    "states:action/StartExecution",
    "role/orders-legacy",
    "sqs:*",
    Some(("GetExport", 400, "BadRequestException")),
    "may serve it: its export can't be read: GetExport: No (BadRequestException); delete the stage in AWS"
)]
#[tokio::test(start_paused = true)]
async fn a_kept_stage_keeps_only_the_machines_that_it_may_call(
    #[case] calls: &str,
    #[case] credentials: &str,
    #[case] allows: &str,
    #[case] refused: Option<(&'static str, u16, &'static str)>,
    #[case] why: &str,
) {
    let mut scene = super::adoption::page();
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
    let own = json!({"kind": "StateMachine", "metadata": {"name": "own", "namespace": "page"},
        "spec": {"type": "EXPRESS", "definition": definition}});
    add(&mut scene.world, own);
    let start = super::adoption::others_were_here(&scene).await;
    let made = drive(&start, &scene, None).await.unwrap();

    let account = if credentials == "user/*" { "*" } else { ACCOUNT };
    let integration = json!({"type": "AWS", "httpMethod": "POST", "passthroughBehavior": "NEVER",
        "uri": format!("arn:aws:apigateway:us-east-1:{calls}"),
        "credentials": format!("arn:aws:iam::{account}:{credentials}")});
    let mut served = deployed_on("v1", &made, "/legacy", |at| at["GET"]["methodIntegration"] = integration.clone());
    let mut tree = served.aws.tree();
    let role = &mut tree[ACCOUNT]["iam"]["roles"]["orders-legacy"];
    let managed = allows.starts_with("arn:");
    let statement = json!({"Effect": "Allow", "Action": if managed { "sqs:*" } else { allows }, "Resource": "*"});
    let by_hand = json!({"Version": "2012-10-17", "Statement": [statement]}).to_string();
    role["policies"]["by-hand"] = by_hand.into();
    if managed {
        role["attached"]["by-hand"] = allows.into();
    }
    served.aws.plant(&tree).unwrap();

    let site = Site::new(served.aws, served.objects);
    scene.world.machines.remove(&Key::new("page", "own"));
    scene.apply(&site.server);
    site.aws.faults(move |attempt| {
        let (operation, status, code) = refused?;
        let is_it = attempt.call.operation == operation;
        is_it.then(|| Fault::Answer(answer(attempt.call.service, status, code, "No")))
    });
    let told = Operator::start(&site).settle().await.err().unwrap_or_default();
    let is_there = |site: &Site| {
        let region = site.aws.with(|aws| aws.region(ACCOUNT, "us-east-1").unwrap().clone());
        region.machines.values().any(|machine| machine.name == "page_own")
    };
    assert_eq!(is_there(&site), !why.is_empty(), "{told}");
    if why.is_empty() {
        assert_eq!(told, "");
        return;
    }
    let whole = format!(
        "stage v1 of RestAPI page/api, which no manifest names, {why}; or, to leave the machine in AWS, annotate it with stepgate.dev/abandon=true"
    );
    assert!(told.contains("statemachines page/own: ") && told.contains(&whole), "{told}");

    // Nobody is kept by it for ever.
    site.aws.heal();
    site.aws.with(|aws| {
        let mut tree = aws.tree();
        let apis = tree[ACCOUNT]["regions"]["us-east-1"]["apis"].as_object_mut().unwrap();
        let api = apis.values_mut().find(|api| api["tags"]["stepgate.dev/cluster-uid"] == CLUSTER_UID).unwrap();
        api["stages"].as_object_mut().unwrap().shift_remove("v1");
        aws.plant(&tree).unwrap();
    });
    Operator::start(&site).settle().await.unwrap();
    assert!(!is_there(&site));
}
