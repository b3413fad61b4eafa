//! A namespace whose routes call more machines than one role's policy can name.

use std::collections::{BTreeMap, BTreeSet};

use super::cloud::Cloud;
use super::lines;
use crate::policy::statement::{Document, INLINE_LIMIT};
use crate::resources::role;
use crate::resources::route::At;
use crate::validate::fixture::{api, machine, route, world};
use crate::world::World;

/// About 70 machines of such names fill a role.
fn machine_name(number: usize) -> String {
    format!("m{number:03}-{}", "x".repeat(60))
}

/// Routes of `demo` by number, each with the number of its machine, and one route of `shop`.
fn scene(routes: impl IntoIterator<Item = (usize, usize)>, stages: &str) -> World {
    let routes: Vec<_> = routes.into_iter().collect();
    let numbers: BTreeSet<usize> = routes.iter().map(|(_, machine)| *machine).collect();
    let machines = numbers.iter().map(|number| machine(&format!("demo/{}", machine_name(*number)), "STANDARD"));
    let routes = routes.iter().map(|(number, machine)| {
        route(&format!("demo/r{number:03}"), &format!("POST /r{number:03}"), &machine_name(*machine))
    });
    let shop = machine("shop/a", "STANDARD") + &route("shop/a", "POST /shop", "a");
    let api = api(&format!("{{stages: {stages}, allowedRoutes: [{{namespaces: {{from: All}}}}]}}"));
    world(&[api, shop].into_iter().chain(machines).chain(routes).collect::<String>())
}

const PROD: &str = "[{name: prod}]";

/// The role of each route, and that no role's policy is too long.
fn roles(cloud: &Cloud) -> BTreeMap<At, String> {
    for (name, role) in &cloud.roles {
        let length = Document::parse(&role.policies[role::POLICY_NAME]).unwrap().len();
        assert!(length <= INLINE_LIMIT, "the policy of {name} has {length} characters");
    }
    let role = |arn: &str| arn.rsplit('/').next().unwrap().rsplit_once('-').unwrap().0.to_owned();
    let methods = cloud.tree.methods.iter();
    methods.map(|(at, m)| (at.clone(), role(m.integration.as_ref().unwrap().credentials.as_ref().unwrap()))).collect()
}

fn distinct(roles: &BTreeMap<At, String>) -> BTreeSet<&str> {
    roles.values().map(String::as_str).collect()
}

const FULL: usize = 160;

fn full() -> (Cloud, BTreeMap<At, String>) {
    let mut cloud = Cloud::default();
    cloud.settle(&scene((0..FULL).map(|n| (n, n)), PROD));
    let roles = roles(&cloud);
    (cloud, roles)
}

#[test]
fn they_are_shared_out_over_several_roles() {
    let (cloud, roles) = full();
    assert_eq!(cloud.serves("prod").len(), FULL + 1);
    assert_eq!(
        distinct(&roles),
        BTreeSet::from([
            "stepgate-invoke-demo",
            "stepgate-invoke-2-demo",
            "stepgate-invoke-3-demo",
            "stepgate-invoke-shop"
        ])
    );
}

#[test]
fn one_more_or_one_less_moves_no_other() {
    let (mut cloud, before) = full();
    let one_more = scene((0..=FULL).map(|n| (n, n)), PROD);
    assert_eq!(
        lines(&cloud.pass(&one_more)),
        [
            "write the policy of role stepgate-invoke-3-demo-#",
            "create resource /r160",
            "create method POST /r160",
            "deploy revision 2, content #",
            "record revision 2",
            "move stage prod",
        ]
    );
    let one_less = scene((1..=FULL).map(|n| (n, n)), PROD);
    cloud.settle(&one_less);
    let after = roles(&cloud);
    assert!(before.iter().all(|(at, role)| at.path == "/r000" || after[at] == *role), "a route was moved");

    // The room is used again.
    cloud.settle(&scene(std::iter::once((FULL + 1, FULL + 1)).chain((1..=FULL).map(|n| (n, n))), PROD));
    let place = At { path: format!("/r{}", FULL + 1), method: "POST".into() };
    assert_eq!(roles(&cloud)[&place], "stepgate-invoke-demo");
}

/// `Cloud` checks after each step that what is served may be called.
#[test]
fn every_route_gets_another_machine_and_all_are_served_meanwhile() {
    let (mut cloud, _) = full();
    cloud.settle(&scene((0..FULL).map(|n| (n, 200 + n)), PROD));
    roles(&cloud);
    assert_eq!(cloud.serves("prod").len(), FULL + 1);
    let may: usize = cloud.roles.keys().map(|name| cloud.may(name).len()).sum();
    assert_eq!(may, FULL + 1, "no role keeps what no stage serves");
}

#[test]
fn roles_without_routes_go() {
    let (mut cloud, _) = full();
    cloud.settle(&scene([(0, 0), (1, 1)], PROD));
    assert_eq!(distinct(&roles(&cloud)), BTreeSet::from(["stepgate-invoke-demo", "stepgate-invoke-shop"]));
    assert_eq!(cloud.roles.len(), 2);
}

#[test]
fn what_a_pinned_stage_serves_takes_room() {
    let (mut cloud, _) = full();
    let pinned = "[{name: prod, revision: 1}, {name: dev}]";
    cloud.settle(&scene((0..FULL).map(|n| (n, 200 + n)), pinned));
    roles(&cloud);
    assert_eq!(cloud.roles.len(), 6);
    assert_eq!(cloud.serves("prod").len(), FULL + 1);
}

/// Without records, a role keeps what it has, which leaves no room in it.
#[test]
fn lost_records_cost_no_permission() {
    let (mut cloud, _) = full();
    cloud.records.clear();
    for _ in 0..3 {
        cloud.pass(&scene((0..FULL).map(|n| (n, 200 + n)), "[{name: prod, revision: 1}]"));
        roles(&cloud);
    }
}
