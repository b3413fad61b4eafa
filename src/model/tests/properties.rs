//! What holds for any routes and any edits of them.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::cloud::Cloud;
use super::scene_of;
use crate::world::World;

const NAMES: [&str; 6] = ["demo/a", "demo/b", "demo/c", "shop/a", "shop/b", "shop/c"];
const MACHINES: [&str; 4] = ["a", "b", "c", "missing"];
const VERBS: [&str; 2] = ["GET", "POST"];
const PATHS: [&str; 7] = ["/", "/x", "/x/{P}", "/x/{P}/y", "/y", "/y/z", "/{P}"];

/// Routes by name: verb and path, and a machine.
type Routes = BTreeMap<&'static str, (String, &'static str)>;

fn parameter() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["{id}", "{key}", "{proxy+}"])
}

/// Any routes, some in conflict, some of a machine that is not there.
fn any_routes() -> impl Strategy<Value = Routes> {
    let place = (prop::sample::select(VERBS.to_vec()), prop::sample::select(PATHS.to_vec()), parameter());
    let at = place.prop_map(|(verb, path, name)| {
        let name = if path.ends_with("{P}") { name } else { name.trim_start_matches("{proxy+}") };
        format!("{verb} {}", path.replace("{P}", if name.is_empty() { "{id}" } else { name }))
    });
    let machine = prop::sample::select(MACHINES.to_vec());
    prop::collection::btree_map(prop::sample::select(NAMES.to_vec()), (at, machine), 0..6)
}

/// Routes without conflicts whose machines are there, with one name for all parameters.
fn good_routes() -> impl Strategy<Value = Routes> {
    let machine = prop::sample::select(MACHINES[..3].to_vec());
    let places =
        prop::collection::btree_set((prop::sample::select(VERBS.to_vec()), prop::sample::select(PATHS.to_vec())), 0..6);
    let names = Just(NAMES.to_vec()).prop_shuffle();
    (places, names, prop::collection::vec(machine, 6), prop::sample::select(vec!["{id}", "{key}"])).prop_map(
        |(places, names, machines, parameter)| {
            let at = places.into_iter().map(|(verb, path)| format!("{verb} {}", path.replace("{P}", parameter)));
            names.into_iter().zip(at.zip(machines)).collect()
        },
    )
}

/// Stages: `prod`, and perhaps `dev`; pinned or not.
fn stages() -> impl Strategy<Value = String> {
    let pin = prop_oneof![3 => Just(None), 1 => (1..4i64).prop_map(Some)];
    let text = |name: &str, pin: Option<i64>| match pin {
        Some(revision) => format!("{{name: {name}, revision: {revision}}}"),
        None => format!("{{name: {name}}}"),
    };
    (pin.clone(), prop::option::of(pin)).prop_map(move |(prod, dev)| {
        let all = [Some(text("prod", prod)), dev.map(|pin| text("dev", pin))];
        format!("[{}]", all.into_iter().flatten().collect::<Vec<_>>().join(", "))
    })
}

fn build(stages: &str, routes: &Routes) -> World {
    let routes: Vec<_> = routes.iter().map(|(name, (at, machine))| (*name, at.as_str(), *machine)).collect();
    scene_of(stages, &routes)
}

/// What must not depend on how it came about.
fn essence(cloud: &Cloud) -> (Vec<String>, BTreeMap<String, Vec<String>>, BTreeSet<String>) {
    let methods = cloud.tree.methods.iter().map(|(at, method)| serde_json::to_string(&(at, method)).unwrap());
    let roles = cloud.roles.keys().map(|name| (name.clone(), cloud.may(name))).collect();
    (methods.collect(), roles, cloud.tree.resources.keys().cloned().collect())
}

/// One edit: the routes and stages from then on, how many steps of each pass are carried out before the process is
/// killed, and which namespace's role is not settled meanwhile.
type Edit = (Routes, String, Vec<usize>, Option<&'static str>);

fn edit() -> impl Strategy<Value = Edit> {
    let unsettled = prop_oneof![2 => Just(None), 1 => Just(Some("demo")), 1 => Just(Some("shop"))];
    (any_routes(), stages(), prop::collection::vec(0..16usize, 0..4), unsettled)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_plan_leaves_nothing_to_plan(routes in good_routes()) {
        let world = build("[{name: prod}]", &routes);
        let mut cloud = Cloud::default();
        cloud.pass(&world);
        prop_assert_eq!(cloud.plan(&world), "");
        let served = cloud.serves("prod");
        prop_assert_eq!(served.len(), routes.len().max(1));
        for (name, (at, _)) in &routes {
            let line = format!("{at} → {}", name.replace('/', "_"));
            prop_assert!(served.contains(&line), "{} is not in {:?}", line, served);
        }
    }

    #[test]
    fn there_and_back_again_is_as_if_never_left(here in good_routes(), there in good_routes()) {
        let (here, there) = (build("[{name: prod}]", &here), build("[{name: prod}]", &there));
        let (mut fresh, mut travelled) = (Cloud::default(), Cloud::default());
        fresh.settle(&here);
        for world in [&here, &there, &here] {
            travelled.settle(world);
        }
        prop_assert_eq!(essence(&travelled), essence(&fresh));
        prop_assert_eq!(travelled.serves("prod"), fresh.serves("prod"));
    }

    /// `Cloud::apply` checks after each step that what is served may call its machines, and AWS's rules.
    #[test]
    fn whatever_is_edited_and_wherever_it_stops_what_is_served_works(edits in prop::collection::vec(edit(), 1..5)) {
        let mut cloud = Cloud::default();
        for (routes, stages, crashes, unsettled) in &edits {
            let world = build(stages, routes);
            for steps in crashes {
                let names = cloud.look(&world).attachment.attached.into_values().filter_map(|route| route.role);
                let slow = names.map(|(name, _)| name).filter(|name| unsettled.is_some_and(|slow| name.contains(slow)));
                cloud.unsettled = slow.map(|name| (name, Duration::from_secs(10))).collect();
                let look = cloud.look(&world);
                cloud.apply(&look, *steps);
            }
            cloud.unsettled.clear();
            cloud.settle(&world);
            prop_assert_eq!(cloud.plan(&world), "");
        }
        // All routes deleted and all stages unpinned, nothing is left but the stub.
        cloud.settle(&build("[{name: prod}]", &Routes::new()));
        prop_assert_eq!(cloud.serves("prod"), ["OPTIONS / → stepgate-no-routes"]);
        prop_assert_eq!(cloud.roles.len(), 0);
        prop_assert_eq!(cloud.tree.resources.len(), 1);
    }
}
