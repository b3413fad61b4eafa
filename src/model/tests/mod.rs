//! Plans, held to a model of AWS (`cloud.rs`).

mod attach;
mod authorizers;
mod checks;
mod cloud;
mod cors;
mod gateway_responses;
mod invoke_roles;
mod kept;
mod machine;
mod properties;
mod rebuilt;
mod serving;
mod stages;
mod usage_plan;

use crate::validate::fixture::{machine, route, world};
use crate::world::World;

/// A RestAPI with the stage `prod`, the machines `a`, `b` and `c` of the namespaces `demo` and `shop`, and these routes:
/// `("demo/orders", "POST /orders", "a")`.
pub fn scene(routes: &[(&str, &str, &str)]) -> World {
    scene_of("[{name: prod}]", routes)
}

/// With these stages.
pub fn scene_of(stages: &str, routes: &[(&str, &str, &str)]) -> World {
    let grants = "[{namespaces: {from: All}, mappings: [Structured, Raw]}]";
    let api = crate::validate::fixture::api(&format!("{{stages: {stages}, allowedRoutes: {grants}}}"));
    let machines = ["demo/a", "demo/b", "demo/c", "shop/a", "shop/b", "shop/c"].map(|key| machine(key, "STANDARD"));
    let routes = routes.iter().map(|(key, at, machine)| route(key, at, machine));
    world(&[api].into_iter().chain(machines).chain(routes).collect::<String>())
}

/// A plan's lines without hashes.
pub fn lines(plan: &str) -> Vec<String> {
    let hash = regex::Regex::new("[0-9a-f]{16}").unwrap();
    plan.lines().map(|line| hash.replace_all(line.trim(), "#").into_owned()).collect()
}

/// A plan's text without hashes.
pub fn text(plan: &str) -> String {
    lines(plan).join("\n")
}
