//! What a user of `stepgate try` is told. That requests and bodies are what the templates make of a call is held by tests/velocity.

use std::collections::BTreeMap;

use rstest::rstest;
use serde_json::{Value, json};

use super::{Came, Trial, of};
use crate::mapping::evaluate::Call;
use crate::problem::Problem;
use crate::validate::fixture::{api, machine, route, the_api, the_route, with, world};
use crate::validate::{rest_api, route as routes};

const API: &str = "{stages: [{name: prod}], cors: {origins: ['https://app.example.com', 'https://*.shop.example.com']},
    gatewayResponses: [{type: BAD_REQUEST_PARAMETERS, statusCode: 422, headers: [{name: X-Why, value: parameters}]}],
    models: [{name: Item, schema: '{type: object, required: [sku], properties: {sku: {$ref: \"#/definitions/Sku\"}}, definitions: {Sku: {type: string, minLength: 1}}}'}]}";

fn tried(patch: &str, call: &Call, came: Option<Came>) -> Result<Trial, Problem> {
    let sync = "{spec: {target: {action: StartSyncExecution}}}";
    let route = with(&with(&route("demo/r", "POST /x/{id}", "m"), sync), patch);
    let world = world(&[api(API), machine("demo/m", "EXPRESS"), route].concat());
    let (api, object) = (the_api(&world), the_route(&world, "demo/r"));
    let valid = rest_api::validate(&world, &api).unwrap();
    let route = routes::validate(&world, &api, &valid, &object).map_err(|refusal| refusal.problem)?;
    of(&world, &valid, &object, &route, call, came.as_ref())
}

fn call(body: &str) -> Call {
    let owned = |pairs: &[(&str, &str)]| -> BTreeMap<String, String> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    };
    Call {
        body: body.to_owned(),
        path: owned(&[("id", "7")]),
        headers: owned(&[("X-Tenant", "a"), ("Origin", "https://eu.shop.example.com")]),
        context: json!({"stage": "prod", "requestId": "r-1"}),
        stage_variables: owned(&[("color", "blue")]),
        ..Call::default()
    }
}

#[test]
fn the_way_to_step_functions_and_back() {
    let patch = r#"{spec: {
        request: {input: [{to: /id, path: id}, {to: /order, body: ""}], executionName: {header: x-tenant}},
        response: {
            output: [{to: /made, from: /order/id}],
            statuses: [{status: 200, becomes: 201}],
            headers: [{name: X-Request-Id, context: requestId}, {name: X-Execution, body: /name}, {name: X-Color, stageVariable: color},
                {name: X-None, body: /none}, {name: X-Version, value: "1"}],
        },
    }}"#;
    let came = Came::Result(json!({"order": {"id": "o-1"}}));
    let trial = tried(patch, &call(r#"{"price": 10.00}"#), Some(came)).unwrap();
    let request = trial.request.unwrap();
    assert_eq!(request.uri, "arn:aws:apigateway:eu-central-1:states:action/StartSyncExecution");
    let sent: Value = serde_json::from_str(&request.body).unwrap();
    assert_eq!(sent["stateMachineArn"], "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_m");
    assert_eq!(sent["name"], "a");
    let input: Value = serde_json::from_str(sent["input"].as_str().unwrap()).unwrap();
    assert_eq!(input, json!({"id": "7", "order": {"price": 10.0}}));
    let response = trial.response.unwrap();
    assert_eq!((response.status, response.body.as_str()), (201, r#"{"made":"o-1"}"#));
    let headers: Vec<String> = response.headers.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    assert_eq!(
        headers,
        [
            "Access-Control-Allow-Origin: https://eu.shop.example.com",
            "Content-Type: application/json",
            "Vary: Origin",
            "X-Color: blue",
            "X-Execution: a",
            "X-Request-Id: r-1",
            "X-Version: 1",
        ]
    );
}

#[test]
fn without_an_answer_the_request_is_all() {
    let trial = tried("{}", &call("{}"), None).unwrap();
    assert!(trial.request.is_some() && trial.answer.is_none() && trial.response.is_none());
    let failed = Came::Answer(200, json!({"status": "TIMED_OUT", "error": "E"}));
    let response = tried("{}", &call("{}"), Some(failed)).unwrap().response.unwrap();
    assert_eq!((response.status, response.body.as_str()), (504, r#"{"error":"E","cause":null}"#));
}

#[rstest]
#[case::fits("bodyModel: Item", r#"{"sku": "a"}"#, "")]
#[case::not("bodyModel: Item", r#"{"sku": ""}"#, "BAD_REQUEST_BODY 400")]
#[case::empty_is_an_object("bodyModel: Item", "", "BAD_REQUEST_BODY 400")]
#[case::no_json("bodyModel: Item", "{", "BAD_REQUEST_BODY 400")]
#[case::own_schema(
    "bodySchema: '{properties: {items: {type: array, items: {$ref: \"#/models/Item\"}}}}'",
    r#"{"items": [{}]}"#,
    "BAD_REQUEST_BODY 400"
)]
#[case::draft_4("bodySchema: '{minimum: 3, exclusiveMinimum: true}'", "3", "BAD_REQUEST_BODY 400")]
#[case::parameter("required: {query: [currency]}", "{}", "BAD_REQUEST_PARAMETERS 422")]
#[case::header("required: {headers: [x-tenant]}", "{}", "")]
#[case::type_("contentTypes: [application/vnd.x+json]", "{}", "UNSUPPORTED_MEDIA_TYPE 415")]
fn what_the_gateway_refuses_itself(#[case] request: &str, #[case] body: &str, #[case] expected: &str) {
    let trial = tried(&format!("{{spec: {{request: {{{request}}}}}}}"), &call(body), None).unwrap();
    let status = trial.response.map(|response| response.status).unwrap_or_default();
    let told = trial.refusal.map(|refusal| format!("{} {status}", refusal.type_)).unwrap_or_default();
    assert_eq!(told, expected);
    assert_eq!(trial.request.is_none(), !expected.is_empty(), "nothing is called");
}

#[test]
fn a_refusal_says_where_and_as_the_api_has_it() {
    let trial = tried("{spec: {request: {bodyModel: Item}}}", &call(r#"{"sku": 1}"#), None).unwrap();
    let why = trial.refusal.unwrap().why;
    assert_eq!(why, ["/sku: 1 is not of type string"]);
    assert_eq!(trial.response.unwrap().body, r#"{"message":"Invalid request body"}"#);
    let trial = tried("{spec: {request: {required: {query: [a, b]}}}}", &call("{}"), None).unwrap();
    let response = trial.response.unwrap();
    assert_eq!(response.body, r#"{"message":"Missing required request parameters: [a, b]"}"#);
    assert_eq!(response.headers["X-Why"], "parameters");
}

#[test]
fn templates_are_api_gateways_to_run() {
    let raw = "{spec: {request: {templates: {application/json: '{}'}}}}";
    let message = tried(raw, &call("{}"), None).unwrap_err().message;
    assert_eq!(
        message,
        "spec.request.templates: `stepgate try` evaluates structured mappings only, and templates of your own are API Gateway's to run; `stepgate invoke demo/r` asks it, once the route is in AWS"
    );
    let raw = "{spec: {response: {responses: [{statusCode: 200, integration: {}}]}}}";
    assert!(tried(raw, &call("{}"), None).unwrap().request.is_some(), "its request is structured");
    let message = tried(raw, &call("{}"), Some(Came::Result(json!({})))).unwrap_err().message;
    assert!(message.starts_with("spec.response.responses: "), "{message}");
}

#[test]
fn a_mock_answers_by_itself() {
    let mock = "{spec: {target: {action: Mock, stateMachineRef: null, mock: {statusCode: 418, body: '{\"a\": 1}'}}}}";
    let trial = tried(mock, &call("{}"), None).unwrap();
    assert_eq!(trial.request, None);
    assert_eq!(trial.response.map(|response| (response.status, response.body)), Some((418, r#"{"a":1}"#.to_owned())));
}

#[test]
fn a_body_that_is_read_must_be_json() {
    let message = tried("{spec: {request: {input: [{to: /a, body: /a}]}}}", &call("{a"), None).unwrap_err().message;
    assert!(message.starts_with("the body is read as a JSON document and is none: "), "{message}");
}
