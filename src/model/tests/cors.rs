//! Preflights: one for each path, kept with what is kept.

use super::cloud::Cloud;
use super::lines;
use crate::validate::fixture::{api, machine, route, with, world};
use crate::world::World;

const CORS: &str = "{origins: ['https://a.example']}";

/// An API with this CORS, and routes with patches.
fn scene(cors: &str, routes: &[(&str, &str, &str)]) -> World {
    with_binary("", cors, routes)
}

/// The same, with bodies of these types for bytes.
fn with_binary(types: &str, cors: &str, routes: &[(&str, &str, &str)]) -> World {
    let cors = if cors.is_empty() { String::new() } else { format!(", cors: {cors}") };
    let spec = format!(
        "{{stages: [{{name: prod}}], allowedRoutes: [{{namespaces: {{from: All}}}}], binaryMediaTypes: [{types}]{cors}}}"
    );
    let machines = ["demo/a", "shop/a"].map(|key| machine(key, "STANDARD"));
    let routes = routes.iter().map(|(key, at, patch)| with(&route(key, at, "a"), patch));
    world(&[api(&spec)].into_iter().chain(machines).chain(routes).collect::<String>())
}

const GET: (&str, &str, &str) = ("demo/get", "GET /x", "{}");
const POST: (&str, &str, &str) = ("shop/post", "POST /x", "{}");

fn methods_allowed(cloud: &Cloud) -> Vec<String> {
    let preflights = cloud.tree.methods.iter().filter(|(_, method)| method.operation_name == "stepgate-cors");
    let header = "method.response.header.Access-Control-Allow-Methods";
    preflights.map(|(at, method)| format!("{at}: {}", method.integration_responses["204"].headers[header])).collect()
}

#[test]
fn routes_that_share_a_path_share_a_preflight() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(CORS, &[GET]));
    assert_eq!(methods_allowed(&cloud), ["OPTIONS /x: 'GET,OPTIONS'"]);
    let plan = lines(&cloud.plan(&scene(CORS, &[GET, POST])));
    assert!(plan.contains(&"update responses of method OPTIONS /x".to_owned()), "{plan:?}");
    cloud.settle(&scene(CORS, &[GET, POST]));
    assert_eq!(methods_allowed(&cloud), ["OPTIONS /x: 'GET,OPTIONS,POST'"]);
    assert_eq!(cloud.serves("prod").len(), 3);
    cloud.settle(&scene(CORS, &[POST]));
    assert_eq!(methods_allowed(&cloud), ["OPTIONS /x: 'OPTIONS,POST'"]);
    cloud.settle(&scene("", &[POST]));
    assert_eq!(cloud.serves("prod"), ["POST /x → shop_post"]);
    assert!(cloud.gateway_responses.is_empty());
}

#[test]
fn a_routes_own_options_takes_its_place() {
    let own = ("demo/own", "OPTIONS /x", "{}");
    let mut cloud = Cloud::default();
    cloud.settle(&scene(CORS, &[GET]));
    cloud.settle(&scene(CORS, &[GET, own]));
    assert_eq!(cloud.serves("prod"), ["GET /x → demo_get", "OPTIONS /x → demo_own"]);
    cloud.settle(&scene(CORS, &[GET]));
    assert_eq!(cloud.serves("prod"), ["GET /x → demo_get", "OPTIONS /x → stepgate-cors"]);
}

#[test]
fn a_route_that_can_not_be_carried_out_keeps_its_preflight() {
    let broken = ("demo/get", "GET /x", "{spec: {target: {stateMachineRef: {name: missing}}}}");
    let mut cloud = Cloud::default();
    cloud.settle(&scene(CORS, &[GET]));
    let unchanged = scene(CORS, &[broken]);
    assert_eq!(cloud.plan(&unchanged), "");
    assert_eq!(
        cloud.plan(&scene("{origins: ['https://b.example'], maxAgeSeconds: 5}", &[broken])).matches("method").count(),
        0
    );
    cloud.settle(&scene("{origins: ['https://b.example']}", &[GET]));
    let origin = "method.response.header.Access-Control-Allow-Origin";
    let (_, preflight) = cloud.tree.methods.iter().find(|(at, _)| at.method == "OPTIONS").unwrap();
    assert_eq!(preflight.integration_responses["204"].headers[origin], "'https://b.example'");
}

#[test]
fn rules_that_differ_are_chosen_by_the_method_that_is_asked_for() {
    let own = ("shop/post", "POST /x", "{spec: {cors: {origins: ['https://b.example']}}}");
    let mut cloud = Cloud::default();
    cloud.settle(&scene(CORS, &[GET, own]));
    let (_, preflight) = cloud.tree.methods.iter().find(|(at, _)| at.method == "OPTIONS").unwrap();
    let answer = &preflight.integration_responses["204"];
    assert_eq!(answer.headers.keys().collect::<Vec<_>>(), ["method.response.header.Vary"]);
    let template = &answer.templates["application/json"];
    assert!(template.contains("#if($asked == 'GET')") && template.contains("#elseif($asked == 'POST')"), "{template}");
}

/// Where JSON is taken for bytes, API Gateway would answer a preflight with 500.
#[test]
fn a_preflight_is_read_as_text_where_json_is_taken_for_bytes() {
    const MOCK: (&str, &str, &str) =
        ("demo/get", "GET /x", "{spec: {target: {action: Mock, stateMachineRef: null, mock: {statusCode: 200}}}}");
    let mut cloud = Cloud::default();
    let handling = |cloud: &Cloud| {
        let (_, preflight) = cloud.tree.methods.iter().find(|(at, _)| at.method == "OPTIONS").unwrap();
        preflight.integration.as_ref().unwrap().content_handling.clone()
    };
    cloud.settle(&with_binary("image/png", CORS, &[MOCK]));
    assert_eq!(handling(&cloud), None, "an API whose preflights answer is left as it is");
    cloud.settle(&with_binary("'*/*'", CORS, &[MOCK]));
    assert_eq!(handling(&cloud).as_deref(), Some("CONVERT_TO_TEXT"));
    assert_eq!(cloud.plan(&with_binary("'*/*'", CORS, &[MOCK])), "");
    cloud.settle(&scene(CORS, &[MOCK]));
    assert_eq!(handling(&cloud), None);
    // The method of an API without routes, too.
    cloud.settle(&with_binary("application/json", "", &[]));
    assert_eq!(handling(&cloud).as_deref(), Some("CONVERT_TO_TEXT"));
}
