//! Last known good: what a route that can't be carried out keeps.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::cloud::Cloud;
use super::{lines, scene, scene_of};
use crate::identity::Key;
use crate::problem::Problem;
use crate::resources::Step;
use crate::validate::fixture::{api, machine, route, with, world};
use crate::validate::route::Refusal;

const ORDERS: (&str, &str, &str) = ("demo/orders", "POST /orders/{id}", "a");
/// The same route, edited into one that can't be carried out.
const BROKEN: (&str, &str, &str) = ("demo/orders", "POST /orders/{id}", "missing");
const REFUNDS: (&str, &str, &str) = ("shop/refunds", "POST /refunds", "a");

fn served(routes: &[(&str, &str, &str)]) -> Cloud {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(routes));
    cloud
}

#[test]
fn an_edit_that_can_not_be_carried_out_changes_nothing() {
    let cloud = served(&[ORDERS, REFUNDS]);
    assert_eq!(cloud.plan(&scene(&[BROKEN, REFUNDS])), "");
    let elsewhere = ("demo/orders", "PUT /elsewhere", "missing");
    assert_eq!(cloud.plan(&scene(&[elsewhere, REFUNDS])), "", "it serves where it served");
}

#[test]
fn it_keeps_its_machine_while_others_change() {
    let mut cloud = served(&[ORDERS, REFUNDS]);
    let changed = scene(&[BROKEN, ("shop/refunds", "POST /refunds", "b"), ("demo/new", "GET /new", "b")]);
    cloud.settle(&changed);
    assert_eq!(
        cloud.serves("prod"),
        ["GET /new → demo_new", "POST /orders/{id} → demo_orders", "POST /refunds → shop_refunds"]
    );
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a", "StartExecution stateMachine:demo_b"]);
    let kept = cloud.records.last().unwrap().routes.iter().find(|served| served.route.name == "orders").unwrap();
    assert_eq!(kept.machines, BTreeSet::from([Key::new("demo", "a")]), "the machine is not deleted under it");
    // Mended, what only the old form needed goes.
    let mended = [("demo/orders", "POST /orders/{id}", "c"), REFUNDS, ("demo/new", "GET /new", "b")];
    cloud.settle(&scene(&mended));
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_b", "StartExecution stateMachine:demo_c"]);
}

#[test]
fn a_form_that_was_written_and_not_yet_deployed_is_kept_with_its_machine() {
    let mut cloud = served(&[ORDERS]);
    let look = cloud.look(&scene(&[("demo/orders", "POST /orders/{id}", "b")]));
    let deployment = look.plan.steps().iter().position(|step| matches!(step.step, Step::Deployment(_))).unwrap();
    cloud.apply(&look, deployment);
    // CreateDeployment was throttled, and meanwhile the route was edited again.
    cloud.settle(&scene(&[BROKEN]));
    cloud.settle(&scene(&[BROKEN, ("demo/new", "GET /new", "c")]));
    assert!(cloud.may("invoke-demo").contains(&"StartExecution stateMachine:demo_b".to_owned()));
}

#[test]
fn what_was_kept_and_never_served_costs_nothing() {
    assert_eq!(served(&[REFUNDS]).plan(&scene(&[BROKEN, REFUNDS])), "");
}

#[test]
fn a_deleted_route_goes_and_one_that_is_being_deleted_too() {
    let removal = ["delete method POST /orders/{id}", "delete resource /orders", "deploy revision 2, content #"];
    let cloud = served(&[ORDERS, REFUNDS]);
    assert_eq!(lines(&cloud.plan(&scene(&[REFUNDS])))[..3], removal);
    let mut terminating = scene(&[ORDERS, REFUNDS]);
    let key = Key::new("demo", "orders");
    let mut route = (*terminating.routes[&key]).clone();
    route.metadata.deletion_timestamp = Some(serde_json::from_str(r#""2026-01-01T00:00:00Z""#).unwrap());
    terminating.routes.insert(key, route.into());
    assert_eq!(lines(&cloud.plan(&terminating))[..3], removal);
}

#[test]
fn what_its_grantor_withdraws_goes() {
    let machines = ["demo/a", "shop/a"].map(|key| machine(key, "STANDARD"));
    let routes = [route("demo/orders", "POST /orders", "a"), route("shop/refunds", "POST /refunds", "a")];
    let all = |api: String, machines: &[String]| world(&[&[api], machines, &routes].concat().concat());
    let open = "{stages: [{name: prod}], allowedRoutes: [{namespaces: {from: All}}]}";
    let mut cloud = Cloud::default();
    cloud.settle(&all(api(open), &machines));

    // The RestAPI's grant.
    let closed = "{stages: [{name: prod}]}";
    assert_eq!(lines(&cloud.plan(&all(api(closed), &machines)))[0], "delete method POST /refunds");
    // The machine's: it belongs to another namespace that stops admitting callers.
    let foreign = with(&routes[1], "{spec: {target: {stateMachineRef: {namespace: demo, name: a}}}}");
    let admits = with(&machines[0], "{spec: {allowedCallers: {namespaces: {from: All}}}}");
    let of = |machine: &str| world(&[api(open), machine.to_owned(), routes[0].clone(), foreign.clone()].concat());
    cloud.settle(&of(&admits));
    assert_eq!(cloud.plan(&of(&admits)), "");
    assert_eq!(lines(&cloud.plan(&of(&machines[0])))[0], "delete method POST /refunds");
}

#[test]
fn a_route_that_can_not_be_read_is_kept_until_it_is_proven_absent() {
    let mut cloud = served(&[ORDERS, REFUNDS]);
    cloud.unreadable = BTreeSet::from(["demo_orders".to_owned()]);
    let without = scene(&[REFUNDS, ("demo/new", "GET /new", "b")]);
    cloud.settle(&without);
    assert!(cloud.serves("prod").contains(&"POST /orders/{id} → demo_orders".to_owned()));
    assert!(cloud.may("invoke-demo").contains(&"StartExecution stateMachine:demo_a".to_owned()));
    cloud.unreadable.clear();
    cloud.settle(&without);
    assert_eq!(cloud.serves("prod"), ["GET /new → demo_new", "POST /refunds → shop_refunds"]);
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_b"]);
}

#[test]
fn a_change_that_aws_refused_is_put_off_and_the_others_deploy() {
    let mut cloud = served(&[ORDERS, REFUNDS]);
    let problem = Problem::stalled(crate::api::conditions::reasons::REFUSED_BY_AWS, "Invalid mapping expression");
    let refusal = Refusal { problem, refs: false, withdrawn: false };
    cloud.refused = BTreeMap::from([(Key::new("demo", "orders"), refusal)]);
    let changed = scene(&[("demo/orders", "POST /orders/{id}", "b"), ("shop/refunds", "POST /refunds", "b")]);
    cloud.settle(&changed);
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a"]);
    assert_eq!(cloud.may("invoke-shop"), ["StartExecution stateMachine:shop_b"]);
}

#[test]
fn a_place_that_a_refused_route_serves_is_not_another_s() {
    let mut cloud = served(&[ORDERS]);
    let usurper = ("demo/usurper", "POST /orders/{id}", "b");
    let look = cloud.look(&scene(&[BROKEN, usurper]));
    assert_eq!(look.plan.to_string(), "");
    assert_eq!(
        look.attachment.refused[&Key::new("demo", "usurper")].problem.message,
        "POST /orders/{id}: APIRoute demo/orders has this path and method already (the route that serves wins, then the older one); choose another path or method, or delete that route"
    );
    // Nor can its place's parameter get another name.
    let look = cloud.look(&scene(&[BROKEN, ("demo/usurper", "GET /orders/{key}", "b")]));
    assert_eq!(look.plan.to_string(), "");
    assert_eq!(
        look.attachment.refused[&Key::new("demo", "usurper")].problem.message,
        "spec.path /orders/{key}: API Gateway takes one name for the parameters at one place, and APIRoute demo/orders calls this one {id}; write {id} instead of {key}"
    );
    // A place that it left is free.
    let moved = ("demo/orders", "POST /elsewhere", "missing");
    cloud.settle(&scene(&[moved, usurper]));
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_usurper"]);
}

#[test]
fn a_route_that_moves_serves_at_its_old_place_until_its_role_is_settled() {
    let mut cloud = served(&[ORDERS]);
    cloud.unsettled = cloud.roles.keys().map(|name| (name.clone(), Duration::from_secs(10))).collect();
    let moved = scene(&[("demo/orders", "POST /moved", "a")]);
    assert_eq!(cloud.plan(&moved), "");
    cloud.unsettled.clear();
    cloud.settle(&moved);
    assert_eq!(cloud.serves("prod"), ["POST /moved → demo_orders"]);
}

#[test]
fn a_route_that_is_gone_serves_until_another_of_its_team_can_take_its_place() {
    let mut cloud = served(&[ORDERS]);
    cloud.unsettled = cloud.roles.keys().map(|name| (name.clone(), Duration::from_secs(10))).collect();
    let renamed = |key| scene(&[(key, "POST /orders/{id}", "a")]);
    let its_own = renamed("demo/renamed");
    assert_eq!(cloud.plan(&its_own), "");
    // With what changes meanwhile, and the role that it needs.
    let others_too = scene(&[("demo/renamed", "POST /orders/{id}", "b"), REFUNDS]);
    cloud.settle(&others_too);
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_orders", "POST /refunds → shop_refunds"]);
    assert!(cloud.may("invoke-demo").contains(&"StartExecution stateMachine:demo_a".to_owned()));
    let kept = cloud.records.last().unwrap().routes.iter().find(|served| served.route.name == "orders").unwrap();
    assert_eq!(kept.machines, BTreeSet::from([Key::new("demo", "a")]));
    cloud.unsettled.clear();
    cloud.settle(&its_own);
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_renamed"]);

    let mut cloud = served(&[ORDERS, REFUNDS]);
    cloud.unsettled = cloud.roles.keys().map(|name| (name.clone(), Duration::from_secs(10))).collect();
    let another_team_s = scene(&[("shop/renamed", "POST /orders/{id}", "a"), REFUNDS]);
    assert_eq!(lines(&cloud.plan(&another_team_s))[0], "delete method POST /orders/{id}");
}

#[test]
fn drift_in_a_kept_method_is_left_and_in_another_repaired_without_a_deployment() {
    let mut cloud = served(&[ORDERS, REFUNDS]);
    for method in cloud.tree.methods.values_mut() {
        method.authorization = "NONE".into();
    }
    assert_eq!(
        lines(&cloud.plan(&scene(&[ORDERS, REFUNDS]))),
        ["update authorization of method POST /orders/{id}", "update authorization of method POST /refunds"],
        "the stage's snapshot is as it was"
    );
    // What is kept as it is now goes into the next deployment.
    assert_eq!(
        lines(&cloud.plan(&scene(&[BROKEN, REFUNDS]))),
        [
            "update authorization of method POST /refunds",
            "deploy revision 2, content #",
            "record revision 2",
            "move stage prod"
        ]
    );
}

#[test]
fn a_pinned_stage_serves_what_was_withdrawn_meanwhile() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene_of("[{name: dev}, {name: prod}]", &[ORDERS, REFUNDS]));
    cloud.settle(&scene_of("[{name: dev}, {name: prod, revision: 1}]", &[ORDERS]));
    assert_eq!(cloud.serves("dev"), ["POST /orders/{id} → demo_orders"]);
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_orders", "POST /refunds → shop_refunds"]);
    assert_eq!(cloud.may("invoke-shop"), ["StartExecution stateMachine:shop_a"]);
}

#[test]
fn a_record_that_was_lost_while_a_route_could_not_be_resolved_is_made_whole_later() {
    let mut cloud = served(&[ORDERS]);
    cloud.records.clear();
    assert_eq!(lines(&cloud.pass(&scene(&[BROKEN]))), ["record revision 1"]);
    let machines = |cloud: &Cloud| cloud.records[0].routes[0].machines.clone();
    assert_eq!(machines(&cloud), BTreeSet::new(), "which machine it calls is not known");
    assert_eq!(cloud.plan(&scene(&[BROKEN])), "");
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a"], "and its role keeps what it has");
    assert_eq!(lines(&cloud.pass(&scene(&[ORDERS]))), ["record revision 1"]);
    assert_eq!(machines(&cloud), BTreeSet::from([Key::new("demo", "a")]));
    assert_eq!(cloud.plan(&scene(&[ORDERS])), "");
}

#[test]
fn a_new_name_of_a_parameter_waits_for_what_is_kept_under_the_old_one() {
    let mut cloud = served(&[("demo/orders", "POST /orders/{id}", "a"), ("shop/lines", "GET /orders/{id}/lines", "a")]);
    let demo = cloud.roles.keys().find(|name| name.contains("demo")).unwrap().clone();
    cloud.unsettled = BTreeMap::from([(demo, Duration::from_secs(10))]);
    let renamed = scene(&[("demo/orders", "POST /orders/{key}", "a"), ("shop/lines", "GET /orders/{key}/lines", "a")]);
    assert_eq!(cloud.plan(&renamed), "");
    cloud.unsettled.clear();
    cloud.settle(&renamed);
    assert_eq!(cloud.serves("prod"), ["POST /orders/{key} → demo_orders", "GET /orders/{key}/lines → shop_lines"]);
}
