//! Order, deployments, records, stages and what roles may do meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use insta::assert_snapshot;

use super::cloud::Cloud;
use super::{lines, scene, scene_of, text};
use crate::identity::{Cluster, Key, Owner};
use crate::model::api::{Observed, release, removal};
use crate::resources::Step;
use crate::validate::fixture::{route, the_api, the_route, with};

const ORDERS: (&str, &str, &str) = ("demo/orders", "POST /orders/{id}", "a");
const REFUNDS: (&str, &str, &str) = ("shop/refunds", "POST /refunds", "a");

#[test]
fn everything_is_made_in_an_order_that_works() {
    let world = scene(&[ORDERS, REFUNDS]);
    let mut cloud = Cloud::default();
    let look = cloud.look(&world);
    assert_snapshot!(text(&look.plan.to_string()), @"
    create role stepgate-invoke-demo-#
    write the policy of role stepgate-invoke-demo-#
    create role stepgate-invoke-shop-#
    write the policy of role stepgate-invoke-shop-#
    create REST API demo_api
    create resource /orders
    create resource /orders/{id}
    create resource /refunds
    create method POST /orders/{id}
    create method POST /refunds
    deploy revision 1, content #
    record revision 1
    create stage prod
    ");
    let ids = |kind: fn(&Step) -> bool| -> BTreeSet<usize> {
        let all = look.plan.steps().iter().enumerate();
        all.filter(|(_, planned)| kind(&planned.step)).map(|(id, _)| id).collect()
    };
    let (deployment, record) = (ids(|s| matches!(s, Step::Deployment(_))), ids(|s| matches!(s, Step::Record(_))));
    let before_deployment = ids(|s| matches!(s, Step::Role(_) | Step::RestApi(_) | Step::Route(_)));
    let after = |id: &usize| look.plan.steps()[*id].after.clone();
    assert_eq!(after(deployment.first().unwrap()), before_deployment, "all is there before the snapshot is taken");
    assert_eq!(after(record.first().unwrap()), deployment);
    assert_eq!(after(ids(|s| matches!(s, Step::Stage(_))).first().unwrap()), record, "no stage without a record");
    cloud.apply(&look, usize::MAX);
    assert_eq!(cloud.plan(&world), "");
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_orders", "POST /refunds → shop_refunds"]);
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a"]);
    assert_eq!(cloud.may("invoke-shop"), ["StartExecution stateMachine:shop_a"]);
}

#[test]
fn a_method_waits_for_its_own_role_only() {
    let look = Cloud::default().look(&scene(&[ORDERS, REFUNDS]));
    let steps = look.plan.steps();
    for planned in steps {
        let Step::Route(crate::resources::route::Step::Put { at, .. }) = &planned.step else { continue };
        let namespace = if at.path == "/refunds" { "shop" } else { "demo" };
        let roles: Vec<String> = planned.after.iter().map(|id| steps[*id].step.to_string()).collect();
        let roles: Vec<&String> = roles.iter().filter(|step| step.contains("role")).collect();
        assert!(!roles.is_empty() && roles.iter().all(|role| role.contains(namespace)), "{at}: {roles:?}");
    }
}

#[test]
fn a_machine_is_widened_before_the_deployment_and_narrowed_after_the_stage_has_moved() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[ORDERS]));
    let changed = scene(&[("demo/orders", "POST /orders/{id}", "b")]);
    assert_snapshot!(text(&cloud.pass(&changed)), @"
    write the policy of role stepgate-invoke-demo-#
    update integration of method POST /orders/{id}
    deploy revision 2, content #
    record revision 2
    move stage prod
    ");
    assert_eq!(
        cloud.may("invoke-demo"),
        ["StartExecution stateMachine:demo_a", "StartExecution stateMachine:demo_b"],
        "what is no longer served goes with the plan that sees so"
    );
    assert_snapshot!(text(&cloud.pass(&changed)), @"write the policy of role stepgate-invoke-demo-#");
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_b"]);
    assert_eq!(cloud.plan(&changed), "");
}

#[test]
fn a_role_that_nobody_needs_goes_last_and_only_when_no_stage_serves_it() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[ORDERS, REFUNDS]));
    let without = scene(&[ORDERS]);
    assert_snapshot!(text(&cloud.pass(&without)), @"
    delete method POST /refunds
    delete resource /refunds
    deploy revision 2, content #
    record revision 2
    move stage prod
    ");
    assert_snapshot!(text(&cloud.pass(&without)), @"delete role stepgate-invoke-shop-#");
    assert_eq!(cloud.plan(&without), "");
}

#[test]
fn a_pinned_stage_keeps_its_methods_and_their_machines() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene_of("[{name: dev}, {name: prod}]", &[ORDERS]));
    let pinned = |routes| scene_of("[{name: dev}, {name: prod, revision: 1}]", routes);
    cloud.settle(&pinned(&[("demo/orders", "POST /orders/{id}", "b")]));
    cloud.settle(&pinned(&[("demo/orders", "POST /orders/{id}", "c"), REFUNDS]));
    assert_eq!(
        cloud.may("invoke-demo"),
        ["StartExecution stateMachine:demo_a", "StartExecution stateMachine:demo_c"],
        "revision 1 is served, revision 2 is not"
    );
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_orders"]);
    // Every route is gone, and the pinned stage answers still.
    cloud.settle(&pinned(&[]));
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_orders"]);
    assert_eq!(cloud.serves("dev"), ["OPTIONS / → stepgate-no-routes"]);
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a"]);
    // Unpinned, it follows; its role goes in the plan after that.
    let unpinned = scene_of("[{name: dev}, {name: prod}]", &[]);
    assert_eq!(lines(&cloud.pass(&unpinned)), ["move stage prod"]);
    assert_eq!(lines(&cloud.pass(&unpinned)), ["delete role stepgate-invoke-demo-#"]);
}

#[test]
fn a_stage_can_be_pinned_back_and_its_role_is_widened_first() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[ORDERS]));
    cloud.settle(&scene(&[("demo/orders", "POST /orders/{id}", "b")]));
    let back = scene_of("[{name: prod, revision: 1}]", &[("demo/orders", "POST /orders/{id}", "b")]);
    assert_eq!(lines(&cloud.pass(&back)), ["write the policy of role stepgate-invoke-demo-#", "move stage prod"]);
    assert_eq!(cloud.stages["prod"].deployment_id, cloud.records[0].deployment_id);
    assert_eq!(cloud.plan(&back), "");
}

#[test]
fn a_revision_that_does_not_exist_leaves_the_stage_as_it_is() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[ORDERS]));
    let world = scene_of("[{name: prod, revision: 9}, {name: new, revision: 9}]", &[ORDERS]);
    assert_eq!(cloud.plan(&world), "");
    let valid = crate::validate::rest_api::validate(&world, &the_api(&world)).unwrap();
    let pins = ["prod", "new"].map(|stage| (format!("spec.stages[{stage}].revision"), 9));
    assert_eq!(crate::model::api::unknown_pins(&valid, &cloud.records), pins);
}

#[test]
fn while_a_stage_serves_what_is_not_on_record_nothing_is_narrowed_or_removed() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene_of("[{name: dev}, {name: prod, revision: 1}]", &[ORDERS, REFUNDS]));
    cloud.stages.get_mut("prod").unwrap().deployment_id = "made-by-hand".into();
    cloud.records.retain(|record| record.revision != 1);
    let changed = scene_of("[{name: dev}, {name: prod, revision: 7}]", &[("demo/orders", "POST /orders/{id}", "b")]);
    for plan in cloud.settle(&changed) {
        assert!(!plan.contains("delete role") && !plan.contains("detach"), "{plan}");
    }
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a", "StartExecution stateMachine:demo_b"]);
    assert_eq!(cloud.may("invoke-shop"), ["StartExecution stateMachine:shop_a"]);
    // Known again, it is narrowed.
    let known = scene_of("[{name: dev}]", &[("demo/orders", "POST /orders/{id}", "b")]);
    cloud.settle(&known);
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_b"]);
    assert_eq!(cloud.roles.len(), 1);
}

#[test]
fn a_deployment_whose_record_was_lost_is_found_again() {
    let world = scene(&[ORDERS]);
    let mut cloud = Cloud::default();
    cloud.settle(&world);
    let record = cloud.records.pop().unwrap();
    assert_eq!(lines(&cloud.pass(&world)), ["record revision 1"]);
    assert_eq!(cloud.records, [record]);
    assert_eq!(cloud.plan(&world), "");

    // A crash between CreateDeployment and the record.
    let changed = scene(&[("demo/orders", "POST /orders/{id}", "b")]);
    let look = cloud.look(&changed);
    let deployed = look.plan.steps().iter().position(|planned| matches!(planned.step, Step::Deployment(_))).unwrap();
    cloud.apply(&look, deployed + 1);
    assert_eq!(lines(&cloud.pass(&changed)), ["record revision 2", "move stage prod"]);
    assert_eq!(cloud.deployments.len(), 2, "it is not deployed twice");
}

#[test]
fn a_snapshot_of_what_was_changed_meanwhile_is_taken_again() {
    let world = scene(&[ORDERS]);
    let mut cloud = Cloud::default();
    let slower = |cloud: &mut Cloud| {
        let integrations = cloud.tree.methods.values_mut().filter_map(|method| method.integration.as_mut());
        integrations.for_each(|integration| integration.timeout_millis = 50);
    };
    cloud.pass(&world);
    slower(&mut cloud);
    let again = ["update integration of method POST /orders/{id}", "deploy revision 2, content #", "record revision 2"];
    assert_eq!(lines(&cloud.pass(&world)), [&again[..], &["move stage prod"]].concat());
    cloud.settle(&world);
    // What somebody changes later was not in it.
    slower(&mut cloud);
    assert_eq!(lines(&cloud.pass(&world)), again[..1]);
    // Nor is one taken up that is on no record.
    let changed = scene(&[("demo/orders", "POST /orders/{id}", "b")]);
    let look = cloud.look(&changed);
    let deployed = look.plan.steps().iter().position(|planned| matches!(planned.step, Step::Deployment(_))).unwrap();
    cloud.apply(&look, deployed + 1);
    slower(&mut cloud);
    assert_eq!(lines(&cloud.pass(&changed))[1], "deploy revision 4, content #");
    cloud.settle(&changed);
    let numbers: Vec<_> = cloud.deployments.values().map(|found| found.revision).collect();
    assert!(!numbers.contains(&3), "{numbers:?}");
}

#[test]
fn the_record_of_a_deployment_that_is_gone_is_forgotten_and_its_number_not_used_again() {
    let world = scene(&[ORDERS]);
    let mut cloud = Cloud::default();
    cloud.settle(&world);
    cloud.stages.clear();
    cloud.deployments.clear();
    assert_eq!(
        lines(&cloud.pass(&world)),
        ["deploy revision 2, content #", "record revision 2", "create stage prod", "forget revision 1"]
    );
    assert_eq!(cloud.records.iter().map(|record| record.revision).collect::<Vec<_>>(), [2]);
    assert_eq!(cloud.plan(&world), "");
}

#[test]
fn of_two_deployments_of_one_revision_the_one_on_record_stays() {
    let world = scene(&[ORDERS]);
    let mut cloud = Cloud::default();
    cloud.settle(&world);
    let (own, found) = cloud.deployments.first_key_value().map(|(id, found)| (id.clone(), found.clone())).unwrap();
    // Whichever AWS shows first.
    for other in ["0-other", "z-other"] {
        cloud.deployments.insert(other.into(), found.clone());
        assert_eq!(lines(&cloud.pass(&world)), ["delete the deployment of revision 1"]);
        assert_eq!(cloud.deployments.keys().collect::<Vec<_>>(), [&own]);
        assert_eq!(cloud.plan(&world), "");
    }
    // Where the stage serves the other, it is moved first.
    cloud.deployments.insert("0-other".into(), found.clone());
    cloud.snapshots.insert("0-other".into(), cloud.snapshots[&own].clone());
    cloud.stages.get_mut("prod").unwrap().deployment_id = "0-other".into();
    assert_eq!(lines(&cloud.pass(&world)), ["move stage prod"]);
    assert_eq!(lines(&cloud.pass(&world)), ["delete the deployment of revision 1"]);
    // Where the one on record is gone, the other one takes its place, and nothing is forgotten.
    let id = cloud.records[0].deployment_id.clone();
    cloud.deployments = [("0-other".into(), found)].into();
    cloud.snapshots.remove(&id);
    cloud.stages.get_mut("prod").unwrap().deployment_id = "0-other".into();
    assert_eq!(lines(&cloud.pass(&world)), ["record revision 1"]);
    assert_eq!(cloud.records[0].deployment_id, "0-other");
    assert_eq!(cloud.plan(&world), "");
}

#[test]
fn a_deployment_that_nobody_wants_any_more_and_that_is_on_no_record_goes() {
    let world = scene(&[ORDERS]);
    let changed = scene(&[("demo/orders", "POST /orders/{id}", "b")]);
    let mut cloud = Cloud::default();
    cloud.settle(&world);
    // A crash came between the deployment and its record, and then people changed their mind.
    let look = cloud.look(&changed);
    let deployed = look.plan.steps().iter().position(|planned| matches!(planned.step, Step::Deployment(_))).unwrap();
    cloud.apply(&look, deployed + 1);
    assert_eq!(cloud.revisions(), [1, 2]);
    cloud.settle(&world);
    assert_eq!(cloud.revisions(), [1]);
}

#[test]
fn old_revisions_are_pruned_but_never_one_that_a_stage_serves() {
    let mut cloud = Cloud::default();
    let limited = |stages: &str, machine: &str| {
        let mut world = scene_of(stages, &[("demo/orders", "POST /orders/{id}", machine)]);
        let key = Key::new("demo", "api");
        let mut api = (*world.apis[&key]).clone();
        api.spec.revision_history_limit = 1;
        world.apis.insert(key, api.into());
        world
    };
    cloud.settle(&limited("[{name: dev}, {name: prod}]", "a"));
    for machine in ["b", "c", "a", "b"] {
        cloud.settle(&limited("[{name: dev}, {name: prod, revision: 1}]", machine));
    }
    assert_eq!(cloud.revisions(), [1, 4, 5], "one is served, one newest, one spare");
    let mut known: Vec<i64> = cloud.records.iter().map(|record| record.revision).collect();
    known.sort_unstable();
    assert_eq!(known, [1, 4, 5]);
    let plans = cloud.settle(&limited("[{name: dev}, {name: prod}]", "b"));
    assert_eq!(lines(plans.last().unwrap()), ["delete the deployment of revision 1", "forget revision 1"]);
    assert_eq!(cloud.revisions(), [4, 5]);
}

#[test]
fn the_first_routes_are_one_deployment() {
    let (name, wait) = ("stepgate-invoke-demo".to_owned(), Duration::from_secs(10));
    let role = |cloud: &Cloud| cloud.roles.keys().find(|role| role.starts_with(&name)).cloned();
    let mut cloud = Cloud::default();
    cloud.coming.any = true;
    assert_eq!(lines(&cloud.pass(&scene(&[]))), ["create REST API demo_api"]);
    assert_eq!(cloud.plan(&scene(&[])), "", "its routes are on their way");

    let world = scene(&[ORDERS]);
    let probe = Cloud::default().look(&world);
    let role_name = probe.attachment.attached.values().next().unwrap().role.as_ref().unwrap().0.clone();
    cloud.unsettled.insert(role_name.clone(), wait);
    cloud.coming.any = false;
    assert_eq!(
        lines(&cloud.pass(&world)),
        ["create role stepgate-invoke-demo-#", "write the policy of role stepgate-invoke-demo-#"]
    );
    assert_eq!(role(&cloud), Some(role_name));
    assert_eq!(cloud.plan(&world), "", "nothing is deployed while its only route waits");
    assert_eq!(cloud.look(&world).waiting, BTreeSet::from([Key::new("demo", "orders")]));
    cloud.unsettled.clear();
    cloud.settle(&world);
    assert_eq!(cloud.deployments.len(), 1);
}

#[test]
fn what_changes_together_is_deployed_together() {
    let before = scene(&[ORDERS]);
    let mut cloud = Cloud::default();
    cloud.settle(&before);
    // A change is ready, and what another route refers to is not there yet.
    cloud.coming.together = true;
    assert_eq!(cloud.plan(&before), "", "nothing changed");
    let after = scene(&[("demo/orders", "POST /orders/{id}", "b")]);
    let lines_of = |cloud: &mut Cloud| cloud.settle(&after).iter().flat_map(|plan| lines(plan)).collect::<Vec<_>>();
    let held = lines_of(&mut cloud);
    assert!(held.iter().any(|line| line.starts_with("update integration")), "{held:?}");
    assert_eq!(cloud.revisions(), [1]);
    assert!(cloud.stages["prod"].deployment_id == cloud.records[0].deployment_id, "the stage stays at what it serves");
    cloud.coming.together = false;
    assert_eq!(lines_of(&mut cloud)[0], "deploy revision 2, content #");
    assert_eq!(cloud.revisions(), [1, 2]);
}

#[test]
fn a_stage_that_goes_back_waits_for_nobody() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[ORDERS]));
    cloud.settle(&scene_of("[{name: prod}]", &[("demo/orders", "POST /orders/{id}", "b")]));
    assert_eq!(cloud.revisions(), [1, 2]);
    cloud.coming.together = true;
    let back = scene_of("[{name: prod, revision: 1}]", &[("demo/orders", "POST /orders/{id}", "c")]);
    let plans = cloud.settle(&back);
    assert!(plans.iter().flat_map(|plan| lines(plan)).any(|line| line == "move stage prod"));
    assert_eq!(cloud.stages["prod"].deployment_id, cloud.records[0].deployment_id);
    assert_eq!(cloud.revisions(), [1, 2]);
}

#[test]
fn an_api_without_routes_serves_nobody() {
    let mut cloud = Cloud::default();
    assert_snapshot!(text(&cloud.pass(&scene(&[]))), @"
    create REST API demo_api
    create method OPTIONS /
    deploy revision 1, content #
    record revision 1
    create stage prod
    ");
    assert_eq!(cloud.plan(&scene(&[])), "");
    cloud.settle(&scene(&[ORDERS]));
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_orders"], "the stub goes");
    cloud.settle(&scene(&[]));
    assert_eq!(cloud.serves("prod"), ["OPTIONS / → stepgate-no-routes"]);
}

#[test]
fn routes_whose_role_is_not_settled_stay_as_they_are_while_others_deploy() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[ORDERS, REFUNDS]));
    let demo = cloud.roles.keys().find(|name| name.contains("demo")).unwrap().clone();
    cloud.unsettled = BTreeMap::from([(demo, Duration::from_secs(10))]);
    let changed = scene(&[
        ("demo/orders", "POST /orders/{id}", "b"),
        ("demo/new", "GET /new", "c"),
        ("shop/refunds", "POST /refunds", "b"),
    ]);
    cloud.settle(&changed);
    assert_eq!(cloud.look(&changed).waiting, BTreeSet::from([Key::new("demo", "new"), Key::new("demo", "orders")]));
    assert_eq!(cloud.serves("prod"), ["POST /orders/{id} → demo_orders", "POST /refunds → shop_refunds"]);
    assert_eq!(cloud.may("invoke-shop"), ["StartExecution stateMachine:shop_b"]);
    assert_eq!(
        cloud.may("invoke-demo"),
        ["a", "b", "c"].map(|machine| format!("StartExecution stateMachine:demo_{machine}")),
        "the waiting route's old form is served and needs its machine"
    );
    cloud.unsettled.clear();
    cloud.settle(&changed);
    assert_eq!(
        cloud.may("invoke-demo"),
        ["b", "c"].map(|machine| format!("StartExecution stateMachine:demo_{machine}"))
    );
}

#[test]
fn a_path_parameter_can_be_renamed() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(&[ORDERS, ("demo/lines", "GET /orders/{id}/lines", "b")]));
    let renamed = scene(&[
        ("demo/orders", "POST /orders/{orderId}", "a"),
        ("demo/lines", "GET /orders/{orderId}/lines", "b"),
        ("demo/all", "GET /orders", "c"),
    ]);
    assert_snapshot!(text(&cloud.pass(&renamed)), @"
    write the policy of role stepgate-invoke-demo-#
    delete resource /orders/{id}
    create resource /orders/{orderId}
    create resource /orders/{orderId}/lines
    create method GET /orders
    create method POST /orders/{orderId}
    create method GET /orders/{orderId}/lines
    deploy revision 2, content #
    record revision 2
    move stage prod
    ");
    assert_eq!(cloud.plan(&renamed), "");
    assert_eq!(
        cloud.serves("prod"),
        ["GET /orders → demo_all", "POST /orders/{orderId} → demo_orders", "GET /orders/{orderId}/lines → demo_lines"]
    );
}

#[test]
fn stages_have_their_own_variables_and_routes_their_own_machine_on_each() {
    let per_stage = "{spec: {target: {stateMachineRef: null, stages: [{stage: dev, stateMachineRef: {name: a}}, {stage: prod, stateMachineRef: {name: b}}]}}}";
    let manifest = with(&route("demo/orders", "POST /orders", "a"), per_stage);
    let mut world = scene_of("[{name: dev, variables: {v: '1'}}, {name: prod}]", &[]);
    let one = crate::validate::fixture::world(&manifest);
    world.routes.insert(Key::new("demo", "orders"), the_route(&one, "demo/orders"));
    let mut cloud = Cloud::default();
    cloud.settle(&world);
    assert_eq!(cloud.stages["dev"].settings.variables, BTreeMap::from([("v".into(), "1".into())]));
    assert_eq!(cloud.may("invoke-demo"), ["StartExecution stateMachine:demo_a", "StartExecution stateMachine:demo_b"]);
    assert_eq!(cloud.records[0].routes[0].machines, BTreeSet::from([Key::new("demo", "a"), Key::new("demo", "b")]));
}

#[test]
fn all_goes_and_another_s_role_stays() {
    let mut cloud = Cloud::default();
    let world = scene(&[ORDERS, REFUNDS]);
    cloud.settle(&world);
    let cluster = Cluster { name: "test".into(), uid: "uid".into() };
    let owner = Owner::new(cluster, "RestAPI", Key::new("demo", "api"));
    let shop = cloud.roles.keys().find(|name| name.contains("shop")).unwrap().clone();
    cloud.roles.get_mut(&shop).unwrap().tags.clear();
    let observed = Observed {
        api: cloud.api.clone(),
        roles: cloud.roles.iter().map(|(name, role)| (name.clone(), Some(role.clone()))).collect(),
        ..Observed::default()
    };
    assert_eq!(
        lines(&removal(&owner, &observed).to_string()),
        ["delete REST API api-1", "delete role stepgate-invoke-demo-#"]
    );
    assert_eq!(
        lines(&release(&owner, &observed).to_string()),
        ["release REST API api-1", "release role stepgate-invoke-demo-#"]
    );
}
