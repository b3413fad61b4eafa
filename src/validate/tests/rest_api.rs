use rstest::rstest;

use crate::validate::fixture::{api, route, the_api, the_route, with, world};
use crate::validate::rest_api::{admits, calls_parameters_as_granted, validate};

fn refusal(spec: &str) -> String {
    let world = world(&api(spec));
    let problem = validate(&world, &the_api(&world)).unwrap_err();
    format!("{}: {}", problem.reason, problem.message)
}

#[rstest]
#[case::endpoint(
    "{stages: [{name: prod}], endpoint: {type: EDGE}}",
    "OverCeiling: spec.endpoint.type: tenant demo of AWSAccount dev does not admit EDGE; choose another, or ask the platform admin to add it to exposure.endpointTypes"
)]
#[case::region(
    "{stages: [{name: prod}], region: us-east-1}",
    "NotAdmitted: spec.region `us-east-1` is not a Region of AWSAccount dev, which has eu-central-1, eu-west-1"
)]
#[case::variable_name(
    "{stages: [{name: prod, variables: {a-b: c}}]}",
    "InvalidSpec: spec.stages[prod].variables: `a-b` is no name for a stage variable; use up to 64 letters, digits and `_`"
)]
#[case::variable_value(
    "{stages: [{name: prod, variables: {a: 'it''s'}}]}",
    "InvalidSpec: spec.stages[prod].variables.a: API Gateway takes 1 to 512 letters, digits and `-._~:/?#&=,` in a stage variable's value, not `it's`"
)]
#[case::unknown_builtin(
    "{stages: [{name: prod, variables: {a: '${AWS::Nothing}'}}]}",
    "InvalidSpec: spec.stages[prod].variables.a: API Gateway takes 1 to 512 letters, digits and `-._~:/?#&=,` in a stage variable's value, not `${AWS::Nothing}`"
)]
#[case::account(
    "{stages: [{name: prod}], accountRef: {name: other}}",
    "NotAdmitted: spec.accountRef.name: there is no AWSAccount `other`; name one that admits namespace demo, or leave accountRef out"
)]
fn refused(#[case] spec: &str, #[case] message: &str) {
    assert_eq!(refusal(spec), message);
}

#[test]
fn stage_variables_get_the_builtins() {
    let world =
        world(&api("{stages: [{name: prod, variables: {a: '${AWS::Partition}:${AWS::Region}:${AWS::AccountId}'}}]}"));
    let valid = validate(&world, &the_api(&world)).unwrap();
    assert_eq!(valid.stages[0].settings.variables["a"], "aws:eu-central-1:111122223333");
    assert_eq!((valid.name.as_str(), valid.revision_history_limit), ("demo_api", 10));
}

/// Whether grants admit `shop/r` of `METHOD /path`, changed by a patch; else why not.
fn granted(grants: &str, at: &str, patch: &str) -> String {
    let grants = if grants.is_empty() { String::new() } else { format!(", allowedRoutes: {grants}") };
    let spec = format!("{{stages: [{{name: prod}}]{grants}}}");
    let world = world(&[api(&spec), with(&route("shop/r", at, "m"), patch)].concat());
    match admits(&world.namespaces, &the_api(&world), &the_route(&world, "shop/r")) {
        Ok(()) => "yes".into(),
        Err(problem) => {
            assert_eq!(problem.reason, "NotAllowed");
            problem.message
        }
    }
}

const SHOP: &str = "{from: Selector, selector: {matchLabels: {kubernetes.io/metadata.name: shop}}}";

#[rstest]
#[case::own_namespace_only(
    "",
    "RestAPI demo/api admits only routes of its own namespace; its owner must add a grant for namespace shop to spec.allowedRoutes"
)]
#[case::all("[{namespaces: {from: All}}]", "yes")]
#[case::same(
    "[{namespaces: {from: Same}}]",
    "RestAPI demo/api has no grant for namespace shop in spec.allowedRoutes; its owner must add one"
)]
#[case::selected("[{namespaces: SHOP}]", "yes")]
#[case::prefix("[{namespaces: SHOP, pathPrefixes: [/orders]}]", "yes")]
#[case::root_prefix("[{namespaces: SHOP, pathPrefixes: [/]}]", "yes")]
#[case::whole_segments(
    "[{namespaces: SHOP, pathPrefixes: [/order, /refunds]}]",
    "RestAPI demo/api admits routes of namespace shop only under /order, /refunds, not /orders/{id}"
)]
#[case::another_s_prefix(
    "[{namespaces: {from: Same}, pathPrefixes: [/orders]}, {namespaces: {from: All}}]",
    "RestAPI demo/api gives path /orders/{id} to another namespace; choose a path under a prefix of shop"
)]
#[case::the_earlier_prefix_wins(
    "[{namespaces: SHOP, pathPrefixes: [/orders]}, {namespaces: {from: Same}, pathPrefixes: [/]}]",
    "yes"
)]
#[case::the_later_loses(
    "[{namespaces: {from: Same}, pathPrefixes: [/]}, {namespaces: SHOP, pathPrefixes: [/orders]}]",
    "RestAPI demo/api gives path /orders/{id} to another namespace; choose a path under a prefix of shop"
)]
#[case::method(
    "[{namespaces: SHOP, methods: [GET]}]",
    "RestAPI demo/api has no grant for namespace shop that admits method POST, authorization AWS_IAM, action StartExecution and structured mappings together; its owner must add them to a grant of spec.allowedRoutes"
)]
#[case::action(
    "[{namespaces: SHOP, actions: [DescribeExecution]}]",
    "RestAPI demo/api has no grant for namespace shop that admits method POST, authorization AWS_IAM, action StartExecution and structured mappings together; its owner must add them to a grant of spec.allowedRoutes"
)]
#[case::together(
    "[{namespaces: SHOP, methods: [GET]}, {namespaces: SHOP, authorizations: [NONE]}]",
    "RestAPI demo/api has no grant for namespace shop that admits method POST, authorization AWS_IAM, action StartExecution and structured mappings together; its owner must add them to a grant of spec.allowedRoutes"
)]
fn a_route_needs_a_grant(#[case] grants: &str, #[case] answer: &str) {
    assert_eq!(granted(&grants.replace("SHOP", SHOP), "POST /orders/{id}", "{}"), answer);
}

#[test]
fn none_and_raw_mappings_must_be_said() {
    let open = "{spec: {authorization: {type: NONE}}}";
    let raw = "{spec: {request: {templates: {application/json: '{}'}}}}";
    let all = |more: &str| format!("[{{namespaces: {{from: All}}{more}}}]");
    assert_eq!(
        granted(&all(""), "POST /x", open),
        "RestAPI demo/api has no grant for namespace shop that admits method POST, authorization NONE, action StartExecution and structured mappings together; its owner must add them to a grant of spec.allowedRoutes"
    );
    assert_eq!(granted(&all(", authorizations: [NONE]"), "POST /x", open), "yes");
    assert_eq!(
        granted(&all(""), "POST /x", raw),
        "RestAPI demo/api has no grant for namespace shop that admits method POST, authorization AWS_IAM, action StartExecution and raw mappings together; its owner must add them to a grant of spec.allowedRoutes"
    );
    assert_eq!(granted(&all(", mappings: [Raw]"), "POST /x", raw), "yes");
    let answers = "{spec: {response: {responses: [{statusCode: 200, integration: {templates: {application/json: '$context.identity.apiKey'}}}]}}}";
    assert!(granted(&all(""), "POST /x", answers).contains("and raw mappings together"));
    assert_eq!(granted(&all(", mappings: [Raw]"), "POST /x", answers), "yes");
    let statuses = "{spec: {response: {responses: [{statusCode: 200, integration: {}}]}}}";
    assert_eq!(granted(&all(""), "POST /x", statuses), "yes");
}

/// Whoever comes first with another name would block the place for all to whom it is given.
#[test]
fn parameters_have_the_names_of_the_grants() {
    let grants = "[{namespaces: {from: All}}, {namespaces: {from: All}, pathPrefixes: ['/tenants/{tenant}/orders']}]";
    let called = |route_: &str| {
        let spec = format!("{{stages: [{{name: prod}}], allowedRoutes: {grants}}}");
        let world = world(&[api(&spec), route(route_, "POST /tenants/{other}", "m")].concat());
        calls_parameters_as_granted(&the_api(&world), &the_route(&world, route_)).map_err(|problem| problem.message)
    };
    assert_eq!(
        called("shop/r").unwrap_err(),
        "spec.path /tenants/{other}: API Gateway takes one name for the parameters at one place, and a grant in spec.allowedRoutes of RestAPI demo/api calls this one {tenant}; write {tenant} instead of {other}"
    );
    assert_eq!(called("demo/r"), Ok(()), "the API's own namespace knows what it does");
}

/// API Gateway prefers a static path to a parameter beside it, so who owns the parameter owns what stands above it.
#[rstest]
#[case::static_path("POST /tenants/a", "gives path /tenants/a to another namespace")]
#[case::below("POST /tenants/a/b", "gives path /tenants/a/b to another namespace")]
#[case::another_parameter("POST /tenants/{other}", "gives path /tenants/{other} to another namespace")]
#[case::greedy("POST /tenants/{proxy+}", "gives path /tenants/{proxy+} to another namespace")]
#[case::above("POST /tenants", "yes")]
#[case::beside("POST /tenantsx/a", "yes")]
fn a_prefix_with_a_parameter_owns_what_is_above_it(#[case] at: &str, #[case] answer: &str) {
    let theirs = "{namespaces: {from: Same}, pathPrefixes: ['/tenants/{tenant}']}";
    let answered = granted(&format!("[{theirs}, {{namespaces: SHOP}}]").replace("SHOP", SHOP), at, "{}");
    assert!(answered.contains(answer), "{answered}");
    // The owner writes just the paths that the grant names.
    let own = granted(
        "[{namespaces: SHOP, pathPrefixes: ['/tenants/{tenant}']}]".replace("SHOP", SHOP).as_str(),
        "POST /tenants/a",
        "{}",
    );
    assert!(own.contains("only under /tenants/{tenant}, not /tenants/a"), "{own}");
}
