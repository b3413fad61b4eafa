//! What the AWS in memory does that no other AWS can be made to do at will: delays, quotas, faults, and being looked into.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use serde_json::{Value, json};
use stepgate_testbed::memory::{
    ACCOUNT, Count, Fault, InProcess, Memory, Request, Response, Service, Settings, answer, throttled,
};

const REGION: &str = "eu-central-1";

fn signed(service: &str) -> http::request::Builder {
    let scope =
        format!("AWS4-HMAC-SHA256 Credential=AKIAEXAMPLE/20260101/{REGION}/{service}/aws4_request, Signature=0");
    http::Request::builder().header("authorization", scope)
}

fn rest(verb: &str, path: &str, body: Value) -> Request {
    let body = if body.is_null() { Vec::new() } else { body.to_string().into_bytes() };
    signed("apigateway").method(verb).uri(path).body(body).unwrap()
}

fn states(operation: &str, body: Value) -> Request {
    let request =
        signed("states").method("POST").uri("/").header("x-amz-target", format!("AWSStepFunctions.{operation}"));
    request.body(body.to_string().into_bytes()).unwrap()
}

fn iam(operation: &str, parameters: &[(&str, &str)]) -> Request {
    let mut form = form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", operation).append_pair("Version", "2010-05-08").extend_pairs(parameters);
    signed("iam").method("POST").uri("/").body(form.finish().into_bytes()).unwrap()
}

fn parsed(response: &Response) -> (u16, Value) {
    (response.status().as_u16(), serde_json::from_slice(response.body()).unwrap_or_default())
}

fn create_role(aws: &mut Memory, name: &str, service: &str) -> String {
    let trust = json!({"Version": "2012-10-17", "Statement": [
        {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}]});
    let made = aws.handle(&iam("CreateRole", &[("RoleName", name), ("AssumeRolePolicyDocument", &trust.to_string())]));
    assert_eq!(made.status(), 200);
    format!("arn:aws:iam::{ACCOUNT}:role/{name}")
}

fn machine(role: &str, comment: &str) -> Value {
    let definition = json!({"Comment": comment, "StartAt": "A", "States": {"A": {"Type": "Succeed"}}});
    json!({"name": "m", "roleArn": role, "definition": definition.to_string()})
}

const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:m";

#[test]
fn a_fresh_role_can_t_be_assumed_at_once() {
    let settings = Settings { role_propagation: Duration::from_secs(10), ..Settings::default() };
    let mut aws = Memory::new(1, settings);
    let role = create_role(&mut aws, "r", "states.amazonaws.com");
    let (status, refused) = parsed(&aws.handle(&states("CreateStateMachine", machine(&role, "a"))));
    assert_eq!((status, &refused["__type"]), (400, &json!("AccessDeniedException")));
    aws.advance(Duration::from_secs(10));
    assert_eq!(parsed(&aws.handle(&states("CreateStateMachine", machine(&role, "a")))).0, 200);
}

#[test]
fn a_fresh_role_is_not_read_at_once_and_its_name_is_taken() {
    let settings = Settings { role_staleness: Duration::from_secs(1), ..Settings::default() };
    let mut aws = Memory::new(1, settings);
    create_role(&mut aws, "r", "states.amazonaws.com");
    assert_eq!(aws.handle(&iam("GetRole", &[("RoleName", "r")])).status(), 404);
    let again = iam(
        "CreateRole",
        &[
            ("RoleName", "R"),
            (
                "AssumeRolePolicyDocument",
                r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}"#,
            ),
        ],
    );
    assert_eq!(aws.handle(&again).status(), 409);
    aws.advance(Duration::from_secs(1));
    assert_eq!(aws.handle(&iam("GetRole", &[("RoleName", "R")])).status(), 200);
}

#[test]
fn a_machine_shows_its_old_form_for_a_while() {
    let settings = Settings { machine_staleness: Duration::from_secs(2), ..Settings::default() };
    let mut aws = Memory::new(1, settings);
    let role = create_role(&mut aws, "r", "states.amazonaws.com");
    aws.handle(&states("CreateStateMachine", machine(&role, "old")));
    let new = machine(&role, "new")["definition"].clone();
    let update = json!({"stateMachineArn": MACHINE, "definition": new});
    let (_, updated) = parsed(&aws.handle(&states("UpdateStateMachine", update)));
    let describe =
        |aws: &mut Memory| parsed(&aws.handle(&states("DescribeStateMachine", json!({"stateMachineArn": MACHINE})))).1;
    let stale = describe(&mut aws);
    assert!(stale["definition"].as_str().unwrap().contains("old") && stale["revisionId"].is_null());
    aws.advance(Duration::from_secs(2));
    let fresh = describe(&mut aws);
    assert_eq!((&fresh["definition"], &fresh["revisionId"]), (&new, &updated["revisionId"]));
}

#[test]
fn a_deleted_machine_is_deleting_for_a_while() {
    let settings = Settings { machine_deletion: Duration::from_secs(30), ..Settings::default() };
    let mut aws = Memory::new(1, settings);
    let role = create_role(&mut aws, "r", "states.amazonaws.com");
    aws.handle(&states("CreateStateMachine", machine(&role, "a")));
    aws.handle(&states("DeleteStateMachine", json!({"stateMachineArn": MACHINE})));
    let describe = states("DescribeStateMachine", json!({"stateMachineArn": MACHINE}));
    assert_eq!(parsed(&aws.handle(&describe)).1["status"], "DELETING");
    let (status, refused) = parsed(&aws.handle(&states("CreateStateMachine", machine(&role, "a"))));
    assert_eq!((status, &refused["__type"]), (400, &json!("StateMachineDeleting")));
    aws.advance(Duration::from_secs(30));
    assert_eq!(parsed(&aws.handle(&describe)).1["__type"], "StateMachineDoesNotExist");
    assert_eq!(parsed(&aws.handle(&states("CreateStateMachine", machine(&role, "a")))).0, 200);
}

#[test]
fn a_new_api_is_not_listed_at_once() {
    let settings = Settings { api_staleness: Duration::from_secs(2), ..Settings::default() };
    let mut aws = Memory::new(1, settings);
    let (_, api) = parsed(&aws.handle(&rest("POST", "/restapis", json!({"name": "a"}))));
    let list = rest("GET", "/restapis?limit=500", Value::Null);
    assert_eq!(parsed(&aws.handle(&list)).1["item"], json!([]));
    let get = rest("GET", &format!("/restapis/{}", api["id"].as_str().unwrap()), Value::Null);
    assert_eq!(aws.handle(&get).status(), 200);
    aws.advance(Duration::from_secs(2));
    assert_eq!(parsed(&aws.handle(&list)).1["item"][0]["id"], api["id"]);
}

#[test]
fn quotas_are_refilled_on_the_virtual_clock() {
    let mut aws = Memory::new(1, Settings { quotas: true, ..Settings::default() });
    let create = rest("POST", "/restapis", json!({"name": "a", "endpointConfiguration": {"types": ["REGIONAL"]}}));
    assert_eq!(aws.handle(&create).status(), 201);
    let refused = aws.handle(&create);
    assert_eq!(refused.status(), 429);
    assert_eq!(refused.headers()["x-amzn-errortype"], "TooManyRequestsException");
    let seconds: u64 = refused.headers()["retry-after"].to_str().unwrap().parse().unwrap();
    aws.advance(Duration::from_secs(seconds));
    assert_eq!(aws.handle(&create).status(), 201);
    let count = aws.counts()[&(Service::ApiGateway, "CreateRestApi".to_owned())];
    assert_eq!(count, Count { done: 2, refused: 0, throttled: 1 });

    // All operations together: 40 at once, then 10 a second; the three above count.
    aws.advance(Duration::from_secs(60));
    let read = rest("GET", "/restapis", Value::Null);
    let taken = (0..100).filter(|_| aws.handle(&read).status() == 200).count();
    assert_eq!(taken, 40);
    aws.advance(Duration::from_millis(500));
    assert_eq!((0..100).filter(|_| aws.handle(&read).status() == 200).count(), 5);
}

/// The documented quotas (AWS.md §1): so many calls at once, and then one in so many milliseconds, and not sooner.
#[test]
fn each_operation_has_its_quota() {
    let api = |kind: &str| rest("POST", "/restapis", json!({"endpointConfiguration": {"types": [kind]}}));
    let patch = |path: &str| rest("PATCH", path, json!({"patchOperations": []}));
    for (call, burst, millis) in [
        (api("REGIONAL"), 1, 3_000),
        (api("EDGE"), 1, 30_000),
        (rest("DELETE", "/restapis/a", Value::Null), 1, 30_000),
        (rest("POST", "/restapis/a/deployments", json!({})), 1, 5_000),
        (rest("POST", "/restapis/a/resources/b", json!({"pathPart": "c"})), 5, 200),
        (rest("DELETE", "/restapis/a/resources/b", Value::Null), 5, 200),
        (rest("GET", "/restapis/a/resources", Value::Null), 5, 400),
        (patch("/account"), 1, 20_000),
        (patch("/usageplans/a"), 1, 20_000),
        // All together.
        (patch("/restapis/a/stages/b"), 40, 100),
        (states("CreateStateMachine", json!({})), 100, 1_000),
        (states("UpdateStateMachine", json!({})), 100, 1_000),
        (states("DeleteStateMachine", json!({})), 100, 1_000),
        (states("DescribeStateMachine", json!({})), 200, 50),
        (states("ListStateMachines", json!({})), 100, 200),
        (states("TagResource", json!({})), 200, 1_000),
        (states("ListTagsForResource", json!({})), 100, 1_000),
    ] {
        let mut aws = Memory::new(1, Settings { quotas: true, ..Settings::default() });
        // What the call is about does not exist: it counts all the same.
        let passes = |aws: &mut Memory| {
            let answer = aws.handle(&call);
            answer.status() != 429 && parsed(&answer).1["__type"] != "ThrottlingException"
        };
        assert_eq!((0..burst + 5).filter(|_| passes(&mut aws)).count(), burst, "{call:?}");
        for _ in 0..2 {
            aws.advance(Duration::from_millis(millis - 10));
            assert!(!passes(&mut aws), "too soon: {call:?}");
            aws.advance(Duration::from_millis(10));
            assert!(passes(&mut aws), "too late: {call:?}");
        }
    }
}

#[test]
fn limits_are_as_set() {
    let mut aws = Memory::new(1, Settings { role_limit: 1, resource_limit: 2, ..Settings::default() });
    create_role(&mut aws, "a", "states.amazonaws.com");
    let trust = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}]}"#;
    let refused = aws.handle(&iam("CreateRole", &[("RoleName", "b"), ("AssumeRolePolicyDocument", trust)]));
    assert!(String::from_utf8_lossy(refused.body()).contains("Cannot exceed quota for RolesPerAccount: 1"));
    let summary = aws.handle(&iam("GetAccountSummary", &[]));
    assert!(String::from_utf8_lossy(summary.body()).contains("<entry><key>RolesQuota</key><value>1</value></entry>"));
    let (_, api) = parsed(&aws.handle(&rest("POST", "/restapis", json!({"name": "a"}))));
    let path =
        format!("/restapis/{}/resources/{}", api["id"].as_str().unwrap(), api["rootResourceId"].as_str().unwrap());
    assert_eq!(aws.handle(&rest("POST", &path, json!({"pathPart": "a"}))).status(), 201);
    let refused = aws.handle(&rest("POST", &path, json!({"pathPart": "b"})));
    assert_eq!(
        (refused.status().as_u16(), &refused.headers()["x-amzn-errortype"]),
        (429, &"LimitExceededException".parse().unwrap())
    );
}

/// AWS.md §1: the greatest that is taken, and that one more is refused with these words.
fn is_the_most(aws: &mut Memory, most: impl IntoIterator<Item = Request>, one_more: &Request, words: &str) {
    for request in most {
        let (status, answer) = parsed(&aws.handle(&request));
        assert!(status < 300, "{words}: the most is refused: {answer}");
    }
    let (status, answer) = parsed(&aws.handle(one_more));
    assert!(status >= 400 && answer["message"].as_str().unwrap().contains(words), "one more: {status} {answer}");
}

#[test]
fn a_definition_has_1_mb_at_most() {
    let mut aws = Memory::new(1, Settings::default());
    let role = create_role(&mut aws, "r", "states.amazonaws.com");
    let of = |name: &str, size: usize| {
        let mut body = machine(&role, "");
        let definition = body["definition"].as_str().unwrap().to_owned();
        body["definition"] = json!(definition.clone() + &" ".repeat(size - definition.len()));
        body["name"] = json!(name);
        body
    };
    let words = "have length less than or equal to 1048576";
    let create = |name, size| states("CreateStateMachine", of(name, size));
    is_the_most(&mut aws, [create("m", 1_048_576)], &create("n", 1_048_577), words);
    let update = |size| {
        states("UpdateStateMachine", json!({"stateMachineArn": MACHINE, "definition": of("m", size)["definition"]}))
    };
    is_the_most(&mut aws, [update(1_048_576)], &update(1_048_577), words);
}

#[test]
fn an_api_has_as_many_of_each_as_aws_gives_it() {
    let mut aws = Memory::new(1, Settings { api_limit: 2, ..Settings::default() });
    let (api, order) = serving(&mut aws);
    let in_api = |verb: &str, path: &str, body: Value| rest(verb, &format!("/restapis/{api}/{path}"), body);

    let integration = format!("resources/{order}/methods/POST/integration");
    let template = |size: usize| {
        let body = json!({"type": "MOCK", "requestTemplates": {"application/json": "x".repeat(size)}});
        in_api("PUT", &integration, body)
    };
    is_the_most(&mut aws, [template(300 * 1024)], &template(300 * 1024 + 1), "Mapping template size");
    let patched = |size: usize| {
        let patch = json!({"op": "replace", "path": "/requestTemplates/application~1json", "value": "x".repeat(size)});
        in_api("PATCH", &integration, json!({"patchOperations": [patch]}))
    };
    is_the_most(&mut aws, [patched(300 * 1024)], &patched(300 * 1024 + 1), "Mapping template size");
    let answer = |size: usize| {
        let body = json!({"responseTemplates": {"application/json": "x".repeat(size)}});
        in_api("PUT", &format!("{integration}/responses/200"), body)
    };
    aws.handle(&in_api("PUT", &format!("resources/{order}/methods/POST/responses/200"), json!({})));
    is_the_most(&mut aws, [answer(300 * 1024)], &answer(300 * 1024 + 1), "Mapping template size");

    let authorizer = |number: usize| {
        let uri = "arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:f/invocations";
        let body = json!({"name": format!("a{number}"), "type": "TOKEN", "authorizerUri": uri,
            "identitySource": "method.request.header.Authorization"});
        in_api("POST", "authorizers", body)
    };
    is_the_most(&mut aws, (0..10).map(authorizer), &authorizer(10), "Maximum number of Authorizers");

    let (_, deployed) = parsed(&aws.handle(&in_api("POST", "deployments", json!({}))));
    let stage = |name: &str, variables: usize| {
        let variables: serde_json::Map<_, _> =
            (0..variables).map(|number| (format!("v{number}"), json!("x"))).collect();
        in_api("POST", "stages", json!({"stageName": name, "deploymentId": deployed["id"], "variables": variables}))
    };
    is_the_most(&mut aws, [stage("full", 100)], &stage("more", 101), "Maximum number of stage variables");
    let patch = json!({"op": "replace", "path": "/variables/more", "value": "x"});
    let one_more = in_api("PATCH", "stages/full", json!({"patchOperations": [patch]}));
    is_the_most(&mut aws, [], &one_more, "Maximum number of stage variables");
    // `prod` and `full` are there.
    let names = (2..10).map(|number| stage(&format!("s{number}"), 0));
    is_the_most(&mut aws, names, &stage("s10", 0), "Maximum number of stages");

    let new = |kind: &str| rest("POST", "/restapis", json!({"name": "b", "endpointConfiguration": {"types": [kind]}}));
    // The one that is there is edge-optimised, which counts apart.
    let most = [new("REGIONAL"), new("REGIONAL")];
    is_the_most(&mut aws, most, &new("REGIONAL"), "Maximum number of regional APIs");
    is_the_most(&mut aws, [new("EDGE")], &new("REGIONAL"), "Maximum number of regional APIs");
    assert_eq!(Settings::default().api_limit, 600);
}

#[test]
fn what_is_not_known_is_refused_loudly() {
    let mut aws = Memory::new(1, Settings::default());
    for request in [
        rest("POST", "/restapis/a/documentation/parts", json!({})),
        rest("POST", "/restapis", json!({"name": "a", "cloneFrom": "b"})),
        states("StartSyncExecution", json!({})),
        states("CreateStateMachine", json!({"publish": true})),
        iam("CreateUser", &[("UserName", "a")]),
        iam("CreateRole", &[("Unheard", "a")]),
    ] {
        let (status, _) = parsed(&aws.handle(&request));
        assert_eq!(status, 501, "{request:?}");
    }
}

#[test]
fn a_seed_replays_exactly() {
    let run = |seed| {
        let mut aws = Memory::new(seed, Settings::default());
        let role = create_role(&mut aws, "r", "states.amazonaws.com");
        aws.handle(&states("CreateStateMachine", machine(&role, "a")));
        aws.handle(&rest("POST", "/restapis", json!({"name": "a"})));
        aws
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
    assert_eq!(run(1).essence(), run(2).essence(), "ids are no part of what is there");
}

#[test]
fn accounts_and_regions_are_apart() {
    let mut aws = Memory::new(1, Settings::default());
    let create = |scope: &str| {
        let body = json!({"name": "a"}).to_string().into_bytes();
        let scope = format!("AWS4-HMAC-SHA256 Credential={scope}/apigateway/aws4_request");
        http::Request::post("/restapis").header("authorization", scope).body(body).unwrap()
    };
    for scope in ["444455556666/20260101/eu-west-1", "444455556666/20260101/us-east-1", "AKIA/20260101/us-east-1"] {
        aws.handle(&create(scope));
    }
    let apis = |account: &str, region: &str| aws.region(account, region).map_or(0, |region| region.apis.len());
    let found =
        [("444455556666", "eu-west-1"), ("444455556666", "us-east-1"), (ACCOUNT, "us-east-1"), (ACCOUNT, "eu-west-1")];
    assert_eq!(found.map(|(account, region)| apis(account, region)), [1, 1, 1, 0]);
}

#[test]
fn a_change_of_an_api_is_refused_while_another_is_under_way() {
    let settings = Settings { api_change: Duration::from_millis(200), ..Settings::default() };
    let mut aws = Memory::new(1, settings);
    let [one, other] = ["a", "b"].map(|name| {
        parsed(&aws.handle(&rest("POST", "/restapis", json!({"name": name})))).1["id"].as_str().unwrap().to_owned()
    });
    let change = |api: &str, name: &str| {
        let model = json!({"name": name, "contentType": "application/json", "schema": "{}"});
        rest("POST", &format!("/restapis/{api}/models"), model)
    };
    assert_eq!(aws.handle(&change(&one, "A")).status(), 201);
    let (status, refused) = parsed(&aws.handle(&change(&one, "B")));
    assert_eq!(status, 409);
    let words = "Unable to complete operation due to concurrent modification. Please try again later.";
    assert_eq!(refused["message"], words);
    assert_eq!(aws.handle(&change(&other, "B")).status(), 201);
    assert_eq!(aws.handle(&rest("GET", &format!("/restapis/{one}"), Value::Null)).status(), 200);
    aws.advance(Duration::from_millis(200));
    assert_eq!(aws.handle(&change(&one, "B")).status(), 201);
}

/// AWS's words, and a call that refers to this id.
type Refers<'a> = (&'a str, &'a dyn Fn(&str) -> Request);

#[test]
fn what_was_made_is_not_found_at_once_by_what_refers_to_it() {
    let mut aws = Memory::new(1, Settings::default());
    let (api, order) = serving(&mut aws);
    aws.settings.reference_staleness = Duration::from_secs(1);
    let in_api = |verb: &str, path: &str, body: Value| rest(verb, &format!("/restapis/{api}/{path}"), body);
    let mut made = |path: &str, body: Value, refers: &[Refers<'_>]| {
        let (_, answer) = parsed(&aws.handle(&in_api("POST", path, body)));
        let id = answer["id"].as_str().unwrap_or_else(|| panic!("{answer}"));
        for (words, request) in refers {
            let (status, answer) = parsed(&aws.handle(&request(id)));
            let is_refused = [400, 404].contains(&status);
            assert!(is_refused && answer["message"].as_str().unwrap().contains(words), "{answer}");
        }
        aws.advance(Duration::from_secs(1));
        for (_, request) in refers {
            let (status, answer) = parsed(&aws.handle(&request(id)));
            assert!(status < 300, "{answer}");
        }
    };
    let deploys = |id: &str| in_api("POST", "stages", json!({"stageName": "test", "deploymentId": id}));
    let patch = |id: &str| json!([{"op": "replace", "path": "/deploymentId", "value": id}]);
    let moves = |id: &str| in_api("PATCH", "stages/prod", json!({"patchOperations": patch(id)}));
    let words = "Deployment id does not exist";
    made("deployments", json!({}), &[(words, &deploys), (words, &moves)]);

    let below = |id: &str| in_api("POST", &format!("resources/{id}"), json!({"pathPart": "below"}));
    let method = |id: &str| in_api("PUT", &format!("resources/{id}/methods/GET"), json!({"authorizationType": "NONE"}));
    let words = "Invalid Resource identifier specified";
    made(&format!("resources/{order}"), json!({"pathPart": "lines"}), &[(words, &below), (words, &method)]);

    let put = |verb: &str, more: Value| {
        let mut body = json!({"authorizationType": "NONE"});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        in_api("PUT", &format!("resources/{order}/methods/{verb}"), body)
    };
    let validated = |id: &str| put("GET", json!({"requestValidatorId": id}));
    let words = "Invalid Request Validator identifier specified";
    made("requestvalidators", json!({"name": "v"}), &[(words, &validated)]);

    let authorized = |id: &str| put("PUT", json!({"authorizationType": "COGNITO_USER_POOLS", "authorizerId": id}));
    let authorizer = json!({"name": "a", "type": "COGNITO_USER_POOLS", "identitySource": "method.request.header.A",
        "providerARNs": ["arn:aws:cognito-idp:eu-central-1:111122223333:userpool/p"]});
    made("authorizers", authorizer, &[("Invalid authorizer ID specified", &authorized)]);

    let model = |name: &str, schema: Value| json!({"name": name, "contentType": "application/json", "schema": schema.to_string()});
    let modelled = |_: &str| put("DELETE", json!({"requestModels": {"application/json": "Order"}}));
    let reference = format!("https://apigateway.amazonaws.com/restapis/{api}/models/Order");
    let several = |_: &str| in_api("POST", "models", model("Orders", json!({"items": {"$ref": reference}})));
    let (words, of_model) = ("Invalid model identifier specified: Order", "Invalid model reference specified: Order");
    made("models", model("Order", json!({})), &[(words, &modelled), (of_model, &several)]);
}

/// An API with `POST /orders/{id}` on a stage, whose role may start one machine.
fn serving(aws: &mut Memory) -> (String, String) {
    let role = create_role(aws, "invoke", "apigateway.amazonaws.com");
    let (_, api) = parsed(&aws.handle(&rest("POST", "/restapis", json!({"name": "a"}))));
    let (id, root) = (api["id"].as_str().unwrap().to_owned(), api["rootResourceId"].as_str().unwrap().to_owned());
    let mut call = |verb: &str, path: &str, body: Value| {
        let (status, answer) = parsed(&aws.handle(&rest(verb, &format!("/restapis/{id}/{path}"), body)));
        assert!(status < 300, "{verb} {path}: {answer}");
        answer["id"].as_str().unwrap_or_default().to_owned()
    };
    let orders = call("POST", &format!("resources/{root}"), json!({"pathPart": "orders"}));
    let order = call("POST", &format!("resources/{orders}"), json!({"pathPart": "{id}"}));
    call("PUT", &format!("resources/{order}/methods/POST"), json!({"authorizationType": "AWS_IAM"}));
    let integration = json!({
        "type": "AWS", "httpMethod": "POST", "credentials": role,
        "uri": "arn:aws:apigateway:eu-central-1:states:action/StartExecution",
        "requestTemplates": {"application/json": format!("{{\"stateMachineArn\": \"{MACHINE}\"}}")},
    });
    call("PUT", &format!("resources/{order}/methods/POST/integration"), integration);
    call("POST", "deployments", json!({"stageName": "prod", "description": "one"}));
    (id, order)
}

#[test]
fn a_stage_serves_what_was_deployed_with_what_its_role_may_do_now() {
    let mut aws = Memory::new(1, Settings::default());
    let (api, order) = serving(&mut aws);
    aws.handle(&rest("DELETE", &format!("/restapis/{api}/resources/{order}"), Value::Null));
    let serves = |aws: &Memory, path: &str| aws.serves(ACCOUNT, REGION, &api, "prod", "POST", path);
    let served = serves(&aws, "/orders/7").unwrap();
    assert_eq!((served.path.as_str(), served.method.authorization_type.as_str()), ("/orders/{id}", "AWS_IAM"));
    assert_eq!(served.calls, [("states:StartExecution".to_owned(), MACHINE.to_owned())]);
    assert_eq!(served.denied, [format!("invoke may not states:StartExecution on {MACHINE}")]);
    assert_eq!(serves(&aws, "/orders"), None);

    let policy = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Action": "states:StartExecution", "Resource": MACHINE}});
    let put = [("RoleName", "invoke"), ("PolicyName", "p"), ("PolicyDocument", &policy.to_string())];
    aws.handle(&iam("PutRolePolicy", &put));
    assert_eq!(serves(&aws, "/orders/7").unwrap().denied, Vec::<String>::new());

    aws.settings.role_propagation = Duration::from_secs(10);
    assert!(serves(&aws, "/orders/7").unwrap().denied[0].ends_with("can't be assumed yet"));
    aws.advance(Duration::from_secs(10));
    assert_eq!(serves(&aws, "/orders/7").unwrap().denied, Vec::<String>::new());
    aws.settings.role_propagation = Duration::ZERO;

    // With a condition on the source, API Gateway can't assume it (AWS.md §3).
    let trust = json!({"Version": "2012-10-17", "Statement": {"Effect": "Allow", "Principal": {"Service": "apigateway.amazonaws.com"},
        "Action": "sts:AssumeRole", "Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}});
    aws.handle(&iam("UpdateAssumeRolePolicy", &[("RoleName", "invoke"), ("PolicyDocument", &trust.to_string())]));
    assert!(serves(&aws, "/orders/7").unwrap().denied[0].ends_with("does not trust API Gateway"));
}

mod in_process {
    use aws_config::{BehaviorVersion, Region, SdkConfig};
    use aws_credential_types::Credentials;
    use aws_credential_types::provider::SharedCredentialsProvider;
    use aws_sdk_apigateway::error::ProvideErrorMetadata;

    use super::*;

    fn client(aws: &InProcess) -> aws_sdk_apigateway::Client {
        let credentials =
            Credentials::builder().access_key_id("a").secret_access_key("b").provider_name("test").build();
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(REGION))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .retry_config(aws_config::retry::RetryConfig::standard())
            .http_client(aws.http_client())
            .build();
        aws_sdk_apigateway::Client::new(&config)
    }

    fn apis(aws: &InProcess) -> usize {
        aws.with(|memory| memory.region(ACCOUNT, REGION).map_or(0, |region| region.apis.len()))
    }

    #[tokio::test(start_paused = true)]
    async fn a_lost_answer_is_repeated_by_the_sdk_and_makes_two() {
        let aws = InProcess::new(Memory::new(1, Settings::default()));
        aws.fault_at(1, Fault::Lost);
        client(&aws).create_rest_api().name("a").send().await.unwrap();
        assert_eq!((aws.effects(), apis(&aws)), (2, 2), "CreateRestApi has no client token (AWS.md §2)");
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_connection_changes_nothing() {
        let aws = InProcess::new(Memory::new(1, Settings::default()));
        aws.fault_at(1, Fault::Refused);
        client(&aws).create_rest_api().name("a").send().await.unwrap();
        assert_eq!((aws.effects(), apis(&aws)), (2, 1));
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_can_be_put_in_its_place() {
        let aws = InProcess::new(Memory::new(1, Settings::default()));
        let words = "Unable to complete operation due to concurrent modification. Please try again later.";
        let conflict = answer(Service::ApiGateway, 409, "ConflictException", words);
        aws.faults(move |attempt| (attempt.call.operation == "CreateRestApi").then(|| Fault::Answer(conflict.clone())));
        let error = client(&aws).create_rest_api().name("a").send().await.unwrap_err();
        assert_eq!((error.code(), error.message()), (Some("ConflictException"), Some(words)));
        let slow_down = throttled(Service::ApiGateway, 7);
        aws.faults(move |attempt| {
            let first = attempt.call.operation == "CreateRestApi" && attempt.effect == 1;
            first.then(|| Fault::Answer(slow_down.clone()))
        });
        client(&aws).create_rest_api().name("a").send().await.unwrap();
        assert_eq!(apis(&aws), 1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_process_that_died_hears_nothing_and_does_nothing() {
        for (fault, made) in [(Fault::CrashBefore, 0), (Fault::CrashAfter, 1)] {
            let aws = InProcess::new(Memory::new(1, Settings::default()));
            aws.fault_at(1, fault);
            let client = client(&aws);
            let run = async {
                drop(client.create_rest_api().name("a").send().await);
                drop(client.create_rest_api().name("b").send().await);
            };
            tokio::select! {
                () = aws.crashed() => {}
                () = run => panic!("it lives"),
            }
            assert_eq!(apis(&aws), made);
            aws.heal();
            client.create_rest_api().name("c").send().await.unwrap();
            assert_eq!(apis(&aws), made + 1);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_a_change_to_end_meets_no_other() {
        let settings = Settings { api_change: Duration::from_millis(200), ..Settings::default() };
        let aws = InProcess::new(Memory::new(1, settings));
        let client = client(&aws);
        let api = client.create_rest_api().name("a").send().await.unwrap().id.unwrap();
        let change = |name: &str| {
            let model = client.create_model().rest_api_id(&api).name(name);
            model.content_type("application/json").schema("{}").send()
        };
        change("A").await.unwrap();
        change("B").await.unwrap();
        let (one, other) = tokio::join!(change("C"), change("D"));
        one.unwrap();
        assert_eq!(other.unwrap_err().code(), Some("ConflictException"));
    }

    #[tokio::test(start_paused = true)]
    async fn its_clock_is_tokio_s() {
        let aws = InProcess::new(Memory::new(1, Settings::default()));
        let before = aws.with(|memory| memory.now());
        tokio::time::sleep(Duration::from_secs(3600)).await;
        assert_eq!(aws.with(|memory| memory.now()) - before, Duration::from_secs(3600));
    }
}
