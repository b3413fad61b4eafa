//! From dev to prod: what stages stay at, canaries, and log groups.

use std::time::Duration;

use insta::assert_snapshot;

use super::cloud::Cloud;
use super::{scene_of, text};
use crate::identity::Key;

const A: &[(&str, &str, &str)] = &[("demo/orders", "POST /orders", "a")];
const B: &[(&str, &str, &str)] = &[("demo/orders", "POST /orders", "b")];

#[test]
fn a_stage_that_is_deployed_by_hand_stays_until_a_revision_is_named() {
    let stages = "[{name: dev}, {name: prod, deploy: Manual}]";
    let mut cloud = Cloud::default();
    cloud.settle(&scene_of(stages, A));
    assert_eq!(cloud.stages["dev"].deployment_id, cloud.stages["prod"].deployment_id, "it begins with the newest");
    cloud.settle(&scene_of(stages, B));
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a", "StartExecution stateMachine:demo_b"]);
    assert_ne!(cloud.stages["dev"].deployment_id, cloud.stages["prod"].deployment_id);
    cloud.settle(&scene_of("[{name: dev}, {name: prod, deploy: Manual, revision: 2}]", B));
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_b"]);
    // And stays there, once nothing is named any more.
    assert_eq!(cloud.plan(&scene_of(stages, B)), "");
}

#[test]
fn a_stage_that_is_deployed_by_hand_begins_when_no_route_waits() {
    let routes = [A[0], ("shop/refunds", "POST /refunds", "a")];
    let world = scene_of("[{name: dev}, {name: prod, deploy: Manual}]", &routes);
    let probe = Cloud::default().look(&world);
    let (role, _) = probe.attachment.attached[&Key::new("shop", "refunds")].role.clone().unwrap();
    let mut cloud = Cloud::default();
    cloud.unsettled.insert(role, Duration::from_secs(10));
    cloud.settle(&world);
    assert_eq!(cloud.serves("dev"), ["POST /orders → demo_orders"]);
    assert!(!cloud.stages.contains_key("prod"), "it would stay at what others still wait for");
    cloud.unsettled.clear();
    cloud.settle(&world);
    assert_eq!(cloud.serves("prod"), ["POST /orders → demo_orders", "POST /refunds → shop_refunds"]);
}

#[test]
fn a_stage_that_is_deployed_by_hand_begins_when_all_first_routes_can_be_served() {
    let stages = "[{name: dev}, {name: prod, deploy: Manual}]";
    let mut cloud = Cloud::default();
    cloud.coming.first = true;
    cloud.settle(&scene_of(stages, A));
    assert_eq!(cloud.serves("dev"), ["POST /orders → demo_orders"]);
    assert!(!cloud.stages.contains_key("prod"), "it would stay without what comes late");
    cloud.coming.first = false;
    cloud.settle(&scene_of(stages, A));
    assert_eq!(cloud.serves("prod"), ["POST /orders → demo_orders"]);
}

#[test]
fn what_a_canary_serves_is_kept_until_it_is_promoted() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene_of("[{name: prod}]", A));
    let canary = "[{name: prod, revision: 1, canary: {percent: 10}}]";
    assert_snapshot!(text(&cloud.pass(&scene_of(canary, B))), @"
    write the policy of role stepgate-invoke-demo-#
    update integration of method POST /orders
    deploy revision 2, content #
    record revision 2
    update canarySettings/deploymentId, canarySettings/percentTraffic of stage prod
    ");
    cloud.settle(&scene_of(canary, B));
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a", "StartExecution stateMachine:demo_b"]);
    // Its revision is in use, and kept, however little is to be kept.
    let c = &[("demo/orders", "POST /orders", "c")];
    cloud.settle(&scene_of(
        "[{name: prod, revision: 1, canary: {percent: 10, revision: 2}}], revisionHistoryLimit: 0",
        c,
    ));
    assert_eq!(cloud.revisions(), [1, 2, 3]);
    let may: Vec<String> = ["a", "b", "c"].map(|name| format!("StartExecution stateMachine:demo_{name}")).into();
    assert_eq!(cloud.may("invoke-demo"), may);
    // Promoted in one step, with nothing between; then what nobody serves goes.
    let promoted = scene_of("[{name: prod, revision: 2}], revisionHistoryLimit: 0", c);
    assert_snapshot!(text(&cloud.pass(&promoted)), @"move stage prod and update canarySettings");
    cloud.settle(&promoted);
    assert_eq!(cloud.revisions(), [2, 3]);
    assert_eq!(cloud.may("invoke-demo"), may[1..]);
}

#[test]
fn a_log_group_is_there_before_its_stage_and_gone_before_the_stage_forgets_it() {
    let mut cloud = Cloud::default();
    let logged = scene_of("[{name: prod, accessLog: {retentionDays: 7}}]", A);
    assert_snapshot!(text(&cloud.pass(&logged)), @"
    create role stepgate-invoke-demo-#
    write the policy of role stepgate-invoke-demo-#
    create REST API demo_api
    create resource /orders
    create method POST /orders
    deploy revision 1, content #
    record revision 1
    create log group /stepgate/#/demo/api/prod
    let log group /stepgate/#/demo/api/prod keep lines for 7 days
    create stage prod
    update accessLogSettings/destinationArn, accessLogSettings/format of stage prod
    ");
    assert_eq!(cloud.plan(&logged), "");
    let plain = scene_of("[{name: prod}]", A);
    assert_snapshot!(text(&cloud.pass(&plain)), @"
    delete log group /stepgate/#/demo/api/prod
    update accessLogSettings of stage prod
    ");
    assert_eq!(cloud.plan(&plain), "");
}
