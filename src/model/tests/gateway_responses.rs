//! What API Gateway answers by itself: part of the snapshot, and read only where there is reason to.

use insta::assert_snapshot;

use super::cloud::Cloud;
use super::text;
use crate::validate::fixture::{api, machine, route, world};
use crate::world::World;

fn scene(responses: &str) -> World {
    let spec = format!("{{stages: [{{name: prod}}]{responses}}}");
    world(&[api(&spec), machine("demo/a", "STANDARD"), route("demo/orders", "POST /orders", "a")].concat())
}

fn with(responses: &str) -> World {
    scene(&format!(", gatewayResponses: [{responses}]"))
}

#[test]
fn they_come_before_the_deployment_and_go_with_the_field() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(""));
    assert_snapshot!(text(&cloud.pass(&with("{type: THROTTLED, statusCode: 503}, {type: UNAUTHORIZED, statusCode: 404}"))), @r"
    create gateway response THROTTLED
    create gateway response UNAUTHORIZED
    deploy revision 2, content #
    record revision 2
    move stage prod
    ");
    let throttled = with("{type: THROTTLED, statusCode: 500}");
    assert_snapshot!(text(&cloud.pass(&throttled)), @r"
    update gateway response THROTTLED
    delete gateway response UNAUTHORIZED
    deploy revision 3, content #
    record revision 3
    move stage prod
    ");
    assert_eq!(cloud.plan(&throttled), "");
    // Without the field they are not read, until the content's hash asks for a deployment.
    assert_snapshot!(text(&cloud.pass(&scene(""))), @r"
    delete gateway response THROTTLED
    deploy revision 4, content #
    record revision 4
    move stage prod
    ");
    assert_eq!(cloud.plan(&scene("")), "");
    assert!(cloud.gateway_responses.is_empty());
}

#[test]
fn they_are_part_of_what_a_stage_serves() {
    let mut cloud = Cloud::default();
    let (one, other) = (with("{type: THROTTLED, statusCode: 503}"), with("{type: THROTTLED, statusCode: 500}"));
    cloud.settle(&one);
    cloud.settle(&other);
    cloud.settle(&one);
    let hashes: Vec<&str> = cloud.records.iter().map(|record| record.hash.as_str()).collect();
    assert!(hashes[0] == hashes[2] && hashes[0] != hashes[1], "{hashes:?}");
    let mut plain = Cloud::default();
    plain.settle(&scene(""));
    assert_ne!(plain.records[0].hash, hashes[0]);
}
