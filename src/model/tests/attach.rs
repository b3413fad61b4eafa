//! Which route gets its path and method.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::cloud::Cloud;
use super::scene;
use crate::identity::Key;
use crate::world::World;

/// A world whose routes were made at these days of January.
fn made(routes: &[(&str, &str, u8)]) -> World {
    let with_machine: Vec<_> = routes.iter().map(|(key, at, _)| (*key, *at, "a")).collect();
    let mut world = scene(&with_machine);
    for (key, _, day) in routes {
        let (namespace, name) = key.split_once('/').unwrap();
        let key = Key::new(namespace, name);
        let mut route = (*world.routes[&key]).clone();
        if *day > 0 {
            let time = format!(r#""2026-01-{day:02}T00:00:00Z""#);
            route.metadata.creation_timestamp = Some(serde_json::from_str(&time).unwrap());
        }
        world.routes.insert(key, route.into());
    }
    world
}

fn refused(cloud: &Cloud, world: &World) -> BTreeMap<String, String> {
    let refused = cloud.look(world).attachment.refused.into_iter();
    refused.map(|(key, refusal)| (key.to_string(), refusal.problem.message)).collect()
}

#[rstest::rstest]
#[case::older(&[("demo/z", "GET /x", 1), ("demo/a", "GET /x", 2)], "demo/a")]
#[case::namespace(&[("shop/a", "GET /x", 1), ("demo/z", "GET /x", 1)], "shop/a")]
#[case::name(&[("demo/b", "GET /x", 1), ("demo/a", "GET /x", 1)], "demo/b")]
#[case::not_yet_in_the_cluster(&[("demo/a", "GET /x", 0), ("demo/z", "GET /x", 1)], "demo/a")]
#[case::parameter(&[("demo/z", "GET /x/{id}", 1), ("demo/a", "GET /x/{key}/y", 2)], "demo/a")]
#[case::proxy(&[("demo/z", "GET /x/{id}", 1), ("demo/a", "GET /x/{proxy+}", 2)], "demo/a")]
fn of_two_one_is_refused(#[case] routes: &[(&str, &str, u8)], #[case] loser: &str) {
    let refused = refused(&Cloud::default(), &made(routes));
    assert_eq!(refused.keys().collect::<Vec<_>>(), [loser]);
}

#[rstest::rstest]
#[case::methods(&[("demo/a", "GET /x", 1), ("demo/b", "POST /x", 1)])]
#[case::any_beside_one(&[("demo/a", "ANY /x", 1), ("demo/b", "POST /x", 1)])]
#[case::same_name(&[("demo/a", "GET /x/{id}", 1), ("demo/b", "GET /x/{id}/y", 1)])]
#[case::other_parents(&[("demo/a", "GET /x/{id}", 1), ("demo/b", "GET /y/{key}", 1)])]
#[case::beside_a_fixed_segment(&[("demo/a", "GET /x/{id}", 1), ("demo/b", "GET /x/all", 1)])]
fn these_can_live_together(#[case] routes: &[(&str, &str, u8)]) {
    assert_eq!(refused(&Cloud::default(), &made(routes)), BTreeMap::new());
}

#[test]
fn the_one_that_serves_wins_over_an_older_one() {
    let mut cloud = Cloud::default();
    cloud.settle(&made(&[("shop/z", "GET /x/{id}", 9)]));
    let both = made(&[("shop/z", "GET /x/{id}", 9), ("demo/a", "GET /x/{id}", 1), ("demo/b", "PUT /x/{key}", 1)]);
    assert_eq!(cloud.plan(&both), "");
    assert_eq!(
        refused(&cloud, &both),
        BTreeMap::from([
            (
                "demo/a".into(),
                "GET /x/{id}: APIRoute shop/z has this path and method already (the route that serves wins, then the older one); choose another path or method, or delete that route".into()
            ),
            (
                "demo/b".into(),
                "spec.path /x/{key}: API Gateway takes one name for the parameters at one place, and APIRoute shop/z calls this one {id}; write {id} instead of {key}".into()
            ),
        ])
    );
    // The winner gone, the loser takes its place.
    cloud.settle(&made(&[("demo/a", "GET /x/{id}", 1)]));
    assert_eq!(cloud.serves("prod"), ["GET /x/{id} → demo_a"]);
}

#[test]
fn a_route_that_moves_to_a_taken_place_stays_where_it_was() {
    let mut cloud = Cloud::default();
    cloud.settle(&made(&[("demo/a", "GET /x", 1), ("demo/b", "GET /y", 2)]));
    let moved = made(&[("demo/a", "GET /y", 1), ("demo/b", "GET /y", 2)]);
    assert_eq!(refused(&cloud, &moved).into_keys().collect::<Vec<_>>(), ["demo/a"]);
    assert_eq!(cloud.plan(&moved), "");
}

#[test]
fn two_routes_can_swap_their_places() {
    let mut cloud = Cloud::default();
    cloud.settle(&made(&[("demo/a", "GET /x", 1), ("demo/b", "GET /y", 2)]));
    cloud.settle(&made(&[("demo/a", "GET /y", 1), ("demo/b", "GET /x", 2)]));
    assert_eq!(cloud.serves("prod"), ["GET /x → demo_b", "GET /y → demo_a"]);
}

/// Those that serve, then the oldest, have their place; a resource that is shared counts once.
#[test]
fn past_the_resources_of_an_api_the_newest_is_refused() {
    let few = |routes: &[(&str, &str, u8)]| {
        let mut world = made(routes);
        for account in &mut world.accounts {
            Arc::make_mut(account).spec.max_resources_per_api = 3;
        }
        world
    };
    let mut cloud = Cloud::default();
    let three = [("demo/c", "GET /x/{id}", 3), ("demo/b", "POST /x", 2), ("demo/a", "GET /", 9)];
    cloud.settle(&few(&three));
    let mut more = three.to_vec();
    more.extend([("shop/old", "GET /y/z", 1), ("shop/fits", "GET /w", 4), ("shop/shares", "PUT /x/{id}", 8)]);
    assert_eq!(
        refused(&cloud, &few(&more)),
        BTreeMap::from([(
            "shop/old".into(),
            "spec.path /y/z: it needs 2 more resources (one for each part of a path), and the RestAPI's other routes have 2 of the 3 that API Gateway gives an API; move it to another RestAPI, or let the platform admin ask AWS for a higher quota (API Gateway, \"Resources per API\") and write it to spec.maxResourcesPerAPI of the AWSAccount".into()
        )])
    );
}
