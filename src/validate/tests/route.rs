use std::collections::BTreeSet;

use rstest::rstest;
use serde_json::json;

use crate::identity::Key;
use crate::policy::roles::{MachineArn, On};
use crate::problem::Kind;
use crate::resources::route::At;
use crate::validate::fixture::{ACCOUNT, api, arn, machine, route, the_api, the_route, with, world};
use crate::validate::route::{Refusal, ValidRoute, references, validate};
use crate::world::World;

const OPEN: &str = "{stages: [{name: dev}, {name: prod}], allowedRoutes: [{namespaces: {from: All}, authorizations: [NONE, AWS_IAM], mappings: [Structured, Raw]}]}";

/// The route `demo/r` at `POST /orders/{id}` that starts `demo/m`, changed by a patch.
fn validated(patch: &str) -> Result<ValidRoute, Refusal> {
    of(&with(&route("demo/r", "POST /orders/{id}", "m"), patch), "demo/r", OPEN)
}

fn of(route: &str, key: &str, api_spec: &str) -> Result<ValidRoute, Refusal> {
    let world = around(route, api_spec);
    let api = the_api(&world);
    let valid = crate::validate::rest_api::validate(&world, &api).unwrap();
    validate(&world, &api, &valid, &the_route(&world, key))
}

fn around(route: &str, api_spec: &str) -> World {
    let machines = [machine("demo/m", "STANDARD"), machine("demo/quick", "EXPRESS"), machine("shop/m", "STANDARD")];
    let not_there = with(&machine("demo/soon", "STANDARD"), "{status: {}}");
    let going = with(&machine("demo/going", "STANDARD"), "{metadata: {deletionTimestamp: '2026-01-01T00:00:00Z'}}");
    let elsewhere = with(
        &machine("demo/elsewhere", "STANDARD"),
        "{status: {stateMachineArn: 'arn:aws:states:eu-west-1:111122223333:stateMachine:x'}}",
    );
    let choosy = with(
        &machine("shop/choosy", "STANDARD"),
        "{spec: {allowedCallers: {namespaces: {from: Selector, selector: {matchLabels: {a: b}}}}}}",
    );
    let shows = |name: &str| {
        format!("{{status: {{stateMachineArn: 'arn:aws:states:eu-central-1:111122223333:stateMachine:{name}'}}}}")
    };
    let forged = with(&machine("demo/forged", "STANDARD"), &shows("shop_m"));
    let taken = with(&with(&machine("demo/taken", "STANDARD"), "{spec: {name: shop_m}}"), &shows("shop_m"));
    let shared = with(&with(&machine("shop/shared", "STANDARD"), "{spec: {name: shared-shop}}"), &shows("shared-shop"));
    let open = with(&machine("shop/open", "STANDARD"), "{spec: {allowedCallers: {namespaces: {from: All}}}}");
    let odd = [forged, taken, shared].concat();
    let rest = [&not_there, &going, &elsewhere, &choosy, &open, &odd, route, &api(api_spec)];
    world(&[machines.concat(), rest.concat()].concat())
}

#[rstest]
#[case::missing(
    "{target: {stateMachineRef: {name: nowhere}}}",
    "WaitingForReference: spec.target.stateMachineRef: StateMachine demo/nowhere does not exist"
)]
#[case::not_in_aws(
    "{target: {stateMachineRef: {name: soon}}}",
    "WaitingForReference: spec.target.stateMachineRef: StateMachine demo/soon is not in AWS yet"
)]
#[case::going(
    "{target: {stateMachineRef: {name: going}}}",
    "WaitingForReference: spec.target.stateMachineRef: StateMachine demo/going is being deleted"
)]
#[case::elsewhere(
    "{target: {stateMachineRef: {name: elsewhere}}}",
    "InvalidSpec: spec.target.stateMachineRef: StateMachine demo/elsewhere is arn:aws:states:eu-west-1:111122223333:stateMachine:x, but this object lives in Region eu-central-1 of account 111122223333; put both in one account and Region"
)]
#[case::not_admitted(
    "{target: {stateMachineRef: {namespace: shop, name: m}}}",
    "NotAllowed: spec.target.stateMachineRef: StateMachine shop/m admits only its own namespace; its owner must add namespace demo to spec.allowedCallers.namespaces"
)]
#[case::not_selected(
    "{target: {stateMachineRef: {namespace: shop, name: choosy}}}",
    "NotAllowed: spec.target.stateMachineRef: StateMachine shop/choosy admits other namespaces; its owner must add namespace demo to spec.allowedCallers.namespaces"
)]
#[case::one_of_several(
    "{target: {stateMachineRef: null, stateMachineRefs: [{name: m}, {name: nowhere}]}}",
    "WaitingForReference: spec.target.stateMachineRefs[1]: StateMachine demo/nowhere does not exist"
)]
#[case::of_a_stage(
    "{target: {stages: [{stage: dev, stateMachineRef: {name: nowhere}}]}}",
    "WaitingForReference: spec.target.stages[dev].stateMachineRef: StateMachine demo/nowhere does not exist"
)]
#[case::forged_status(
    "{target: {stateMachineRef: {name: forged}}}",
    "WaitingForReference: spec.target.stateMachineRef: StateMachine demo/forged shows another machine in its status"
)]
#[case::forged_status_and_name(
    "{target: {stateMachineRef: {name: taken}}}",
    "WaitingForReference: spec.target.stateMachineRef: StateMachine demo/taken has a name that its tenant does not admit"
)]
#[case::managed_by_arn(
    "{target: {stateMachineRef: null, arn: 'arn:aws:states:eu-central-1:111122223333:stateMachine:shared-shop'}}",
    "NotAllowed: spec.target.arn: StateMachine shop/shared admits only its own namespace; its owner must add namespace demo to spec.allowedCallers.namespaces"
)]
#[case::targets(
    "{target: {stateMachineRef: null, arn: 'arn:aws:states:eu-central-1:111122223333:stateMachine:other'}}",
    "NotAllowed: spec.target.arn: no entry in `targets` of tenant demo in AWSAccount dev admits StartExecution on arn:aws:states:eu-central-1:111122223333:stateMachine:other; the platform admin must add one"
)]
#[case::target_action(
    "{target: {action: StartSyncExecution, stateMachineRef: null, arn: 'arn:aws:states:eu-central-1:111122223333:stateMachine:shared-a'}}",
    "NotAllowed: spec.target.arn: no entry in `targets` of tenant demo in AWSAccount dev admits StartSyncExecution on arn:aws:states:eu-central-1:111122223333:stateMachine:shared-a; the platform admin must add one"
)]
fn a_refused_reference(#[case] spec: &str, #[case] message: &str) {
    let refusal = validated(&format!("{{spec: {spec}}}")).unwrap_err();
    assert_eq!(format!("{}: {}", refusal.problem.reason, refusal.problem.message), message);
    assert!(refusal.refs, "it is about what the route refers to");
    assert_eq!(refusal.withdrawn, refusal.problem.reason == "NotAllowed", "only who granted takes away what serves");
    assert_eq!(refusal.problem.kind == Kind::Waiting, refusal.problem.reason == "WaitingForReference");
}

#[rstest]
#[case::express(
    "{target: {action: StartSyncExecution}}",
    "spec.target.stateMachineRef: action StartSyncExecution needs a machine of type EXPRESS, and StateMachine demo/m is STANDARD"
)]
#[case::standard(
    "{target: {action: DescribeExecution, stateMachineRef: {name: quick}}, request: {executionName: {path: id}}}",
    "spec.target.stateMachineRef: action DescribeExecution needs a machine of type STANDARD, and StateMachine demo/quick is EXPRESS"
)]
#[case::target_region(
    "{target: {stateMachineRef: null, arn: 'arn:aws:states:eu-west-1:111122223333:stateMachine:shared-a'}}",
    "spec.target.arn: arn:aws:states:eu-west-1:111122223333:stateMachine:shared-a is not in Region eu-central-1 of account 111122223333, where the API is"
)]
#[case::uncovered_stage(
    "{target: {stateMachineRef: null, stages: [{stage: dev, stateMachineRef: {name: m}}]}}",
    "spec.target.stages: the RestAPI also has stage prod; add it, or set stateMachineRef for the stages that are not listed"
)]
#[case::path_parameter(
    "{request: {input: [{to: /a, path: key}]}}",
    "spec.request.input[0].path: the path /orders/{id} has no parameter {key}"
)]
#[case::name_parameter(
    "{request: {executionName: {path: key}}}",
    "spec.request.executionName.path: the path /orders/{id} has no parameter {key}"
)]
#[case::value(
    "{request: {input: [{to: /a, path: id}, {to: /b, value: prod}]}}",
    "spec.request.input[1].value is not JSON: expected value at line 1 column 1; quote a text twice, as '\"text\"'"
)]
#[case::overlap(
    "{request: {input: [{to: /a, path: id}, {to: /a/b, query: q}]}}",
    "spec.request.input[1].to \"/a/b\" and input[0].to \"/a\" write to the same place: keep one, or give each a key of its own"
)]
#[case::array(
    "{request: {input: [{to: /a/0, path: id}]}}",
    "spec.request.input[0].to \"/a/0\" goes into an array, at \"0\": arrays can only be taken and put as a whole"
)]
#[case::key(
    "{request: {input: [{to: /a, body: /a b}]}}",
    "spec.request.input[0].body \"/a b\" has the key \"a b\", which a template can't name (letters, digits and _ - . : @ only): take the object that holds it"
)]
#[case::raw_without_machine(
    "{target: {stateMachineRef: null, stateMachineRefs: [{name: m}]}, request: {templates: {application/json: '${StateMachineArn}'}}}",
    "spec.request.templates[application/json]: ${StateMachineArn} needs target.stateMachineRef or target.arn"
)]
#[case::no_execution(
    "{target: {action: DescribeExecution}}",
    "spec.request.executionName: DescribeExecution must know which execution is meant"
)]
fn an_invalid_spec(#[case] spec: &str, #[case] message: &str) {
    let refusal = validated(&format!("{{spec: {spec}}}")).unwrap_err();
    assert_eq!((refusal.problem.reason, refusal.problem.message.as_str()), ("InvalidSpec", message));
    assert!(!refusal.withdrawn, "what serves keeps serving");
}

#[rstest]
#[case::invoke_role(
    "{invokeRole: {arn: 'arn:aws:iam::111122223333:role/admin'}}",
    "spec.invokeRole.arn: `arn:aws:iam::111122223333:role/admin` is in none of the `invokeRoleArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
#[case::managed_policy(
    "{invokeRole: {managedPolicyArns: ['arn:aws:iam::aws:policy/AdministratorAccess']}}",
    "spec.invokeRole.managedPolicyArns: `arn:aws:iam::aws:policy/AdministratorAccess` is in none of the `managedPolicyArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
fn over_the_ceiling(#[case] spec: &str, #[case] message: &str) {
    let problem = validated(&format!("{{spec: {spec}}}")).unwrap_err().problem;
    assert_eq!((problem.reason, problem.message.as_str()), ("OverCeiling", message));
}

#[test]
fn both_tenants_must_admit_the_authorization() {
    let open = with(&route("shop/r", "POST /x", "m"), "{spec: {authorization: {type: NONE}}}");
    let refusal = of(&open, "shop/r", OPEN).unwrap_err();
    assert_eq!(
        refusal.problem.message,
        "spec.authorization.type: tenant shop of the namespace in AWSAccount dev does not admit NONE; choose another, or ask the platform admin to add it to exposure.authorizations"
    );
    assert!(refusal.withdrawn && !refusal.refs);

    // The other way round: the RestAPI lives with a tenant that does not.
    let account = ACCOUNT.replace("    exposure: {authorizations: [NONE, AWS_IAM]}\n", "");
    let account = account + "    exposure: {authorizations: [NONE]}\n";
    let world = world(&[&account, &machine("shop/m", "STANDARD"), &open, &api(OPEN)].map(String::as_str).concat());
    let api = the_api(&world);
    let valid = crate::validate::rest_api::validate(&world, &api).unwrap();
    assert_eq!(
        validate(&world, &api, &valid, &the_route(&world, "shop/r")).unwrap_err().problem.message,
        "spec.authorization.type: tenant demo of the RestAPI in AWSAccount dev does not admit NONE; choose another, or ask the platform admin to add it to exposure.authorizations"
    );
}

#[test]
fn a_namespace_without_a_tenant_is_not_admitted_and_keeps_what_it_has() {
    let refusal = of(&route("stranger/r", "POST /x", "m"), "stranger/r", OPEN).unwrap_err();
    assert_eq!(refusal.problem.reason, "NotAdmitted");
    assert_eq!(
        refusal.problem.message,
        "no tenant of an AWSAccount admits namespace stranger; the platform admin must add it to a tenant's `namespaces`"
    );
    assert!(!refusal.withdrawn);
}

#[test]
fn routes_of_one_namespace_share_a_role_and_some_have_their_own() {
    let role = |patch: &str| validated(patch).unwrap().role.map(|(name, needs)| (name, needs.of.unwrap()));
    let (shared, of) = role("{}").unwrap();
    assert_eq!(of, Key::new("demo", ""));
    assert_eq!(role("{spec: {target: {stateMachineRef: {namespace: shop, name: open}}}}").unwrap().0, shared);
    for own in [
        "{spec: {request: {templates: {application/json: '{}'}}}}",
        "{spec: {target: {stateMachineRef: null, stateMachineRefs: [{name: m}]}}}",
        "{spec: {invokeRole: {managedPolicyArns: ['arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess']}}}",
    ] {
        let (name, of) = role(own).unwrap();
        assert_eq!(of, Key::new("demo", "r"), "{own}");
        assert_ne!(name, shared);
    }
    assert_eq!(role("{spec: {invokeRole: {arn: 'arn:aws:iam::${AWS::AccountId}:role/call-it'}}}"), None);
}

#[test]
fn the_method_is_what_was_asked_for() {
    let valid = validated("{}").unwrap();
    assert_eq!(valid.at, At { path: "/orders/{id}".into(), method: "POST".into() });
    assert_eq!(valid.machines, BTreeSet::from([Key::new("demo", "m")]));
    let integration = valid.method.integration.unwrap();
    assert_eq!(integration.http_method.as_deref(), Some("POST"));
    assert_eq!(integration.uri.as_deref(), Some("arn:aws:apigateway:eu-central-1:states:action/StartExecution"));
    assert_eq!((integration.passthrough.as_str(), integration.timeout_millis), ("NEVER", 29_000));
    assert_eq!(integration.templates.keys().collect::<Vec<_>>(), ["application/json"]);
    let role = integration.credentials.unwrap();
    let (name, needs) = valid.role.unwrap();
    assert!(role.starts_with("arn:aws:iam::111122223333:role/stepgate/") && role.ends_with(&name), "{role}");
    let on = On::Machine(MachineArn::parse(&arn("demo/m")).unwrap());
    assert_eq!(needs.uses.iter().map(|it| it.on.clone()).collect::<Vec<_>>(), [on]);
    assert_eq!(valid.method.operation_name, "demo_r");

    let get = with(
        &route("demo/r", "GET /", "m"),
        "{spec: {invokeRole: {arn: 'arn:aws:iam::${AWS::AccountId}:role/call-it'}}}",
    );
    let integration = of(&get, "demo/r", OPEN).unwrap().method.integration.unwrap();
    assert_eq!(integration.http_method.as_deref(), Some("POST"), "Step Functions is always posted to");
    assert_eq!(integration.credentials.as_deref(), Some("arn:aws:iam::111122223333:role/call-it"));
}

#[test]
fn content_types_share_a_template_and_raw_ones_are_filled_in() {
    let types =
        validated("{spec: {request: {contentTypes: [a/b, c/d]}}}").unwrap().method.integration.unwrap().templates;
    assert_eq!(types.keys().collect::<Vec<_>>(), ["a/b", "c/d"]);
    assert_eq!(types["a/b"], types["c/d"]);
    let raw = "{spec: {request: {templates: {a/b: '${StateMachineArn} ${AWS::Region} $stageVariables.x'}}}}";
    let templates = validated(raw).unwrap().method.integration.unwrap().templates;
    assert_eq!(templates["a/b"], format!("{} eu-central-1 $stageVariables.x", arn("demo/m")));
}

#[test]
fn responses_are_the_action_s_or_just_those_given() {
    let statuses = |patch: &str| validated(patch).unwrap().method.responses.into_keys().collect::<Vec<_>>();
    assert!(statuses("{}").contains(&"202".to_owned()));
    let given = "{spec: {response: {responses: [{statusCode: 200, integration: {}}, {statusCode: 400}]}}}";
    assert_eq!(statuses(given), ["200", "400"]);
    let mapped = validated(given).unwrap().method.integration_responses;
    assert_eq!(mapped.keys().collect::<Vec<_>>(), ["200"]);
}

#[test]
fn headers_are_on_every_response_and_declared() {
    let headers = "[{name: Cache-Control, value: no-store}, {name: X-Id, context: requestId}, {name: Location, body: /executionArn}, {name: X-Aws, header: x-amzn-RequestId}, {name: X-Stage, stageVariable: color}]";
    let expected = [
        ("method.response.header.Cache-Control", "'no-store'"),
        ("method.response.header.Location", "integration.response.body.executionArn"),
        ("method.response.header.X-Aws", "integration.response.header.x-amzn-RequestId"),
        ("method.response.header.X-Id", "context.requestId"),
        ("method.response.header.X-Stage", "stageVariables.color"),
    ];
    let raw = format!(
        "{{spec: {{response: {{responses: [{{statusCode: 200, integration: {{headers: {headers}}}}}, {{statusCode: 400}}]}}}}}}"
    );
    for (patch, with, without) in [
        (format!("{{spec: {{response: {{headers: {headers}}}}}}}"), vec!["202", "400", "502"], vec![]),
        (raw, vec!["200"], vec!["400"]),
    ] {
        let method = validated(&patch).unwrap().method;
        for status in with {
            let mapped = &method.integration_responses[status].headers;
            assert_eq!(
                mapped.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(),
                expected
            );
            assert_eq!(method.responses[status].headers, mapped.keys().cloned().collect());
        }
        assert!(without.iter().all(|status| method.responses[*status].headers.is_empty()));
    }
}

#[rstest]
#[case::reserved(
    "[{name: Content-Length, value: '1'}]",
    "spec.response.headers[Content-Length]: API Gateway writes this header itself; choose another name"
)]
#[case::amazon_s(
    "[{name: X-Amzn-Trace-Id, value: '1'}]",
    "spec.response.headers[X-Amzn-Trace-Id]: API Gateway writes this header itself; choose another name"
)]
#[case::twice(
    "[{name: ETag, value: a}, {name: etag, value: b}]",
    "spec.response.headers[etag]: the header is there twice; names of headers are compared ignoring case"
)]
fn no_header_of_a_response(#[case] headers: &str, #[case] message: &str) {
    let refusal = validated(&format!("{{spec: {{response: {{headers: {headers}}}}}}}")).unwrap_err();
    assert_eq!(refusal.problem.message, message);
}

/// AWS's "Important notes" of API Gateway.
#[rstest]
#[case::at_the_root("{domainRef: {name: site}, stage: prod}", "/ping", false)]
#[case::at_the_root("{domainRef: {name: site}, stage: prod}", "/sping", false)]
#[case::below("{domainRef: {name: site}, stage: prod}", "/ping/x", true)]
#[case::under_a_base_path("{domainRef: {name: site}, stage: prod, basePath: v1}", "/ping", true)]
fn a_domain_answers_health_checks_itself(#[case] mapping: &str, #[case] path: &str, #[case] taken: bool) {
    let api = api(&format!("{{stages: [{{name: prod}}], domainMappings: [{mapping}]}}"));
    let ping = route("demo/r", &format!("GET {path}"), "m");
    let world = world(&[crate::validate::fixture::ACCOUNT, &machine("demo/m", "STANDARD"), &ping, &api].concat());
    let api = the_api(&world);
    let valid = crate::validate::rest_api::validate(&world, &api).unwrap();
    let refusal = validate(&world, &api, &valid, &the_route(&world, "demo/r")).err();
    let message = format!(
        "spec.path: API Gateway answers {path} of a custom domain itself, and the RestAPI is mapped to a domain's root; choose another path, or give its domainMappings a basePath"
    );
    assert_eq!(refusal.map(|refusal| refusal.problem.message), (!taken).then_some(message));
}

/// The schema counts characters, API Gateway bytes.
#[test]
fn no_template_has_more_than_300_kb() {
    let of = |letters: usize| {
        let text = "é".repeat(letters);
        let raw = json!({"spec": {
            "request": {"templates": {"application/json": text}},
            "response": {"responses": [{"statusCode": 200, "integration": {"templates": {"text/plain": text}}}]},
        }});
        validated(&raw.to_string()).err().map(|refusal| refusal.problem.message)
    };
    assert_eq!(of(153_600), None);
    assert_eq!(
        of(153_601).as_deref(),
        Some(
            "spec.request: the mapping template for application/json has 307202 bytes, and API Gateway takes 307200; shorten it"
        )
    );
}

#[test]
fn a_long_timeout_needs_a_regional_api() {
    let slow = with(&route("demo/r", "POST /x", "m"), "{spec: {timeoutMillis: 60000}}");
    assert_eq!(of(&slow, "demo/r", OPEN).unwrap().method.integration.unwrap().timeout_millis, 60_000);
    let account =
        crate::validate::fixture::ACCOUNT.replace("[NONE, AWS_IAM]}", "[NONE, AWS_IAM], endpointTypes: [EDGE]}");
    let edge = api("{stages: [{name: prod}], endpoint: {type: EDGE}}");
    let world = world(&[&account, &machine("demo/m", "STANDARD"), &slow, &edge].map(String::as_str).concat());
    let api = the_api(&world);
    let valid = crate::validate::rest_api::validate(&world, &api).unwrap();
    assert_eq!(
        validate(&world, &api, &valid, &the_route(&world, "demo/r")).unwrap_err().problem.message,
        "spec.timeoutMillis: 60000 is more than 29000, which only REGIONAL and PRIVATE APIs can have; this API is EDGE"
    );
}

#[test]
fn references_are_every_machine_named() {
    let patch = "{spec: {target: {stages: [{stage: dev, stateMachineRef: {namespace: shop, name: open}}]}}}";
    let world = around(&with(&route("demo/r", "POST /x", "m"), patch), OPEN);
    assert_eq!(references(&the_route(&world, "demo/r")), [Key::new("demo", "m"), Key::new("shop", "open")]);
}

const CALLBACK: &str = "{spec: {target: {action: SendTaskFailure, stateMachineRef: null}, request: {taskToken: {query: token}, cause: {header: X-Why}, error: {value: Rejected}}}}";

#[test]
fn who_may_not_answer_tasks_has_no_route_for_it() {
    let refusal = validated(CALLBACK).unwrap_err();
    assert!(refusal.withdrawn);
    assert_eq!(
        refusal.problem.message,
        "spec.target.action: SendTaskFailure needs exposure.taskCallbacks in the tenants of the namespace and of the RestAPI, because its role may answer any task of the account whose token a caller holds; ask the platform admin to set it in AWSAccount dev"
    );
    let account = ACCOUNT.replace("[NONE, AWS_IAM]}", "[NONE, AWS_IAM], taskCallbacks: true}");
    let route = with(&route("demo/r", "POST /x", "m"), CALLBACK);
    let world = world(&[&*account, &*route, &*api(OPEN)].concat());
    let api = the_api(&world);
    let valid = crate::validate::rest_api::validate(&world, &api).unwrap();
    let valid = validate(&world, &api, &valid, &the_route(&world, "demo/r")).unwrap();
    let (_, needs) = valid.role.unwrap();
    let statement = &needs.policy().to_value()["Statement"][0];
    assert_eq!(statement["Action"], "states:SendTaskFailure");
    assert_eq!(statement["Condition"]["StringEquals"]["aws:RequestedRegion"], "eu-central-1");
    assert_eq!(valid.machines, BTreeSet::new());
    assert!(valid.method.integration.unwrap().uri.unwrap().ends_with(":states:action/SendTaskFailure"));
}

#[test]
fn a_mock_has_no_role_and_its_own_answer() {
    let mock = |body: &str| {
        validated(&format!(
            "{{spec: {{target: {{action: Mock, stateMachineRef: null, mock: {{statusCode: 418, body: '{body}'}}}}, response: {{headers: [{{name: X-A, value: b}}]}}}}}}"
        ))
    };
    let valid = mock(r#"{"it": "$x"}"#).unwrap();
    assert!(valid.role.is_none());
    let integration = valid.method.integration.unwrap();
    assert_eq!((integration.type_.as_str(), &integration.uri, &integration.credentials), ("MOCK", &None, &None));
    assert_eq!(integration.templates["application/json"], "{\"statusCode\":418}");
    let responses = &valid.method.integration_responses;
    assert_eq!(responses.keys().collect::<Vec<_>>(), ["418"]);
    assert_eq!(responses["418"].templates["application/json"], r#"{"it":"\u0024x"}"#);
    assert_eq!(responses["418"].headers["method.response.header.X-A"], "'b'");
    let message = mock("{").unwrap_err().problem.message;
    assert!(message.starts_with("spec.target.mock.body is not JSON: "), "{message}");
}

#[rstest]
#[case::of_one_type("[image/png]", "{}", None)]
#[case::of_every_type("['*/*']", "{}", Some("CONVERT_TO_TEXT"))]
#[case::of_json("[application/json]", "{}", Some("CONVERT_TO_TEXT"))]
#[case::as_it_says("['*/*']", "{contentHandling: CONVERT_TO_BINARY}", Some("CONVERT_TO_BINARY"))]
fn a_mock_reads_text_where_bodies_are_bytes(
    #[case] types: &str,
    #[case] request: &str,
    #[case] handling: Option<&str>,
) {
    let api = format!("{{stages: [{{name: prod}}], binaryMediaTypes: {types}}}");
    let spec = format!(
        "{{spec: {{target: {{action: Mock, stateMachineRef: null, mock: {{statusCode: 200}}}}, request: {request}}}}}"
    );
    let valid = of(&with(&route("demo/r", "POST /orders/{id}", "m"), &spec), "demo/r", &api).unwrap();
    assert_eq!(valid.method.integration.unwrap().content_handling.as_deref(), handling);
}

/// API Gateway's guide, "Content type conversions".
#[rstest]
#[case::other_types("[image/png]", "{}", None)]
#[case::json("[application/json]", "{}", Some(("request", "application/json")))]
#[case::every_type("['*/*']", "{}", Some(("request", "application/json")))]
#[case::of_its_own("[text/csv]", "{request: {contentTypes: [application/json, text/csv]}}", Some(("request", "text/csv")))]
#[case::knows_of_base64("[text/csv]", "{request: {contentTypes: [text/csv], contentHandling: CONVERT_TO_TEXT}}", None)]
#[case::answers("['*/*']", "{request: {templates: {text/csv: x}}}", Some(("response", "application/x-amz-json-1.0")))]
#[case::raw(
    "['*/*']",
    "{request: {templates: {text/csv: x}}, response: {responses: [{statusCode: 200, integration: {}}]}}",
    None
)]
fn no_mapping_of_fields_meets_bytes(#[case] types: &str, #[case] spec: &str, #[case] wrong: Option<(&str, &str)>) {
    let grants =
        "allowedRoutes: [{namespaces: {from: All}, authorizations: [NONE, AWS_IAM], mappings: [Structured, Raw]}]";
    let api = format!("{{stages: [{{name: prod}}], binaryMediaTypes: {types}, {grants}}}");
    let answer = of(&with(&route("demo/r", "POST /orders/{id}", "m"), &format!("{{spec: {spec}}}")), "demo/r", &api);
    let message = wrong.map(|(field, media_type)| format!(
        "spec.{field}: the RestAPI's binaryMediaTypes make {media_type} bytes, which only templates of your own can read; name the types there that are bytes, such as image/png, or write request.templates and response.responses"
    ));
    assert_eq!(answer.as_ref().err().map(|refusal| refusal.problem.message.clone()), message);
    if let Ok(valid) = answer {
        let made = valid.method.integration_responses.values().map(|one| one.content_handling.as_deref());
        assert_eq!(
            made.collect::<BTreeSet<_>>(),
            BTreeSet::from([if spec.contains("responses") { None } else { Some("CONVERT_TO_TEXT") }])
        );
    }
}

const WITH_MODELS: &str = "{stages: [{name: prod}], models: [{name: Item, schema: '{type: object}'}]}";

fn checked(request: &str) -> Result<ValidRoute, Refusal> {
    let patch = format!("{{spec: {{request: {request}}}}}");
    of(&with(&route("demo/r", "POST /orders/{id}", "m"), &patch), "demo/r", WITH_MODELS)
}

#[test]
fn checks_of_a_request_have_the_validator_that_they_need() {
    let validator = |request: &str| checked(request).unwrap().method.validator;
    assert_eq!(validator("{}"), None);
    assert_eq!(validator("{bodyModel: Item}").as_deref(), Some("stepgate-body"));
    assert_eq!(validator("{required: {query: [a]}}").as_deref(), Some("stepgate-parameters"));
    let request = "{bodySchema: '{items: {$ref: ''#/models/Item''}}', required: {query: [a], headers: [X-B]}, contentTypes: [a/b, c/d], contentHandling: CONVERT_TO_TEXT}";
    let valid = checked(request).unwrap();
    assert_eq!(valid.method.validator.as_deref(), Some("stepgate-body-and-parameters"));
    let parameters = valid.method.parameters.iter().map(|(name, required)| (name.as_str(), *required));
    assert_eq!(
        parameters.collect::<Vec<_>>(),
        [("method.request.header.X-B", true), ("method.request.querystring.a", true)]
    );
    let name = valid.models.keys().next().unwrap();
    assert!(crate::resources::model::is_unnamed(name));
    assert_eq!(valid.method.models, [("a/b".to_owned(), name.clone()), ("c/d".to_owned(), name.clone())].into());
    assert_eq!(valid.method.integration.unwrap().content_handling.as_deref(), Some("CONVERT_TO_TEXT"));
}

#[rstest]
#[case::model("{bodyModel: Order}", "spec.request.bodyModel: RestAPI demo/api has no model Order; it has Item")]
#[case::schema(
    "{bodySchema: '{if: {}}'}",
    "spec.request.bodySchema: `if` is no keyword of JSON Schema draft 4, which is all that API Gateway knows"
)]
#[case::twice(
    "{required: {query: [a], headers: [a]}}",
    "spec.request.required.headers: API Gateway takes a once only, as a query parameter or as a header"
)]
fn no_check(#[case] request: &str, #[case] message: &str) {
    assert_eq!(checked(request).unwrap_err().problem.message, message);
}

#[test]
fn models_describe_responses() {
    let patch = "{spec: {response: {responses: [{statusCode: 200, models: {application/json: Item}, integration: {contentHandling: CONVERT_TO_BINARY}}]}}}";
    let described = |api: &str| of(&with(&route("demo/r", "POST /x", "m"), patch), "demo/r", api);
    let method = described(WITH_MODELS).unwrap().method;
    assert_eq!(method.responses["200"].models["application/json"], "Item");
    assert_eq!(method.integration_responses["200"].content_handling.as_deref(), Some("CONVERT_TO_BINARY"));
    assert_eq!(
        described("{stages: [{name: prod}]}").unwrap_err().problem.message,
        "spec.response.responses[200].models[application/json]: the RestAPI has no model Item"
    );
}

#[test]
fn a_success_is_shaped_and_a_status_changed() {
    let shaped = |response: &str| validated(&format!("{{spec: {{response: {response}}}}}"));
    let method = shaped("{output: [{to: /id, from: /executionArn}], statuses: [{status: 202, becomes: 201}, {status: 409, becomes: 200}]}").unwrap().method;
    assert_eq!(method.responses.keys().collect::<Vec<_>>(), ["201", "400", "502"]);
    let template = &method.integration_responses["201"].templates["application/json"];
    assert!(template.contains("\"id\":") && !template.contains("startDate"), "{template}");
    for (response, message) in [
        (
            "{statuses: [{status: 418, becomes: 200}]}",
            "spec.response.statuses[418]: StartExecution answers with 202, 400, 404, 409, 410, 413, 429, 500, 502 only",
        ),
        (
            "{statuses: [{status: 202, becomes: 400}]}",
            "spec.response.statuses: the success and 502 can't become each other's status, nor 400; choose others",
        ),
        (
            "{output: [{to: /a, from: /b}, {to: /a/c, from: /d}]}",
            "spec.response.output[1].to \"/a/c\" and output[0].to \"/a\" write to the same place: keep one, or give each a key of its own",
        ),
        (
            "{output: [{to: /a, from: /b/0}]}",
            "spec.response.output[0].from \"/b/0\" goes into an array, at \"0\": arrays can only be taken and put as a whole",
        ),
    ] {
        assert_eq!(shaped(response).unwrap_err().problem.message, message);
    }
}
