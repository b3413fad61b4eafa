//! The records of what stages serve are lost, by hand or with the cluster: what can't be known counts as served.

use std::sync::Arc;

use serde_json::json;
use stepgate::identity::Key;
use stepgate_testbed::memory::ACCOUNT;

use super::operator::{Operator, Site};
use super::scene::Scene;
use super::{Moment, uncrashed};

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
{kind: RestAPI, metadata: {name: api, namespace: team}, spec: {stages: [{name: dev}, {name: prod}]}}
---
{kind: APIRoute, metadata: {name: call, namespace: team}, spec: {apiRef: {name: api}, path: /call, method: POST,
  authorization: {type: AWS_IAM}, target: {action: StartSyncExecution, stateMachineRef: {name: served}}}}
"#;

/// A StateMachine's deletion asks AWS itself what such a stage serves (GetExport; the emulator's shows the API as it is now).
#[tokio::test(start_paused = true)]
async fn a_machine_that_is_served_without_a_record_is_not_deleted() {
    let scene = Scene::of(serde_saphyr::from_multiple(MANIFESTS).unwrap());
    let (start, _) = Moment::first(&scene);
    let made = uncrashed("make", &start, &scene).await.end;
    let mut pinned = scene.clone();
    let api = Arc::make_mut(pinned.world.apis.values_mut().next().unwrap());
    api.spec.stages[1].revision = Some(1);
    pinned.world.routes.clear();
    let served = uncrashed("pin", &made, &pinned).await.end;

    let site = Site::new(served.aws, served.objects);
    for ((_, namespace, name), _) in site.server.snapshot().of("controllerrevisions") {
        site.server.delete("controllerrevisions", &Key::new(namespace, name));
    }
    let mut gone = pinned.clone();
    gone.world.machines.clear();
    gone.apply(&site.server);
    let waits = Operator::start(&site, false).settle().await.unwrap_err();
    let why = "stage prod of RestAPI team/api serves it in a deployment whose record was lost; move or unpin the stage";
    assert!(waits.starts_with("does not settle: statemachines team/served: ") && waits.contains(why), "{waits}");
    let names = |site: &Site| {
        let region = site.aws.with(|aws| aws.region(ACCOUNT, "us-east-1").unwrap().clone());
        let names = region.machines.values().map(|machine| machine.name.clone());
        names.filter(|name| name.starts_with("team_served")).collect::<Vec<_>>()
    };
    assert_eq!(names(&site), ["team_served"]);

    let api = Arc::make_mut(gone.world.apis.values_mut().next().unwrap());
    api.spec.stages = serde_json::from_value(json!([{"name": "dev"}, {"name": "prod"}])).unwrap();
    gone.apply(&site.server);
    Operator::start(&site, false).settle().await.unwrap();
    assert!(names(&site).is_empty());
}
