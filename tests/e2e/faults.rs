//! What AWS answers and the emulator never would, by a proxy before the emulator.

use serde_json::{Value, json};
use stepgate_testbed::Relay;

use crate::cloud::Cloud;
use crate::proxy::{ALWAYS, Answer, Proxy};
use crate::support::{
    Namespace, PATIENCE, TENANT, account, assert_for_people, eventually, machine, rest_api, route, suite,
};

const ALL: [&str; 3] = ["statemachine/say", "restapi/api", "apiroute/say"];

fn error(status: u16, code: &'static str, message: &'static str) -> Answer {
    Answer::Error { status, code, message, retry_after: None }
}

fn manifests() -> String {
    [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()
}

/// A namespace whose AWSAccount has the proxy as its endpoint.
async fn behind(name: &'static str) -> (Proxy, Namespace) {
    let proxy = Proxy::start(suite().await.testbed.aws_endpoint()).await;
    let ns = at(name, proxy.url()).await;
    (proxy, ns)
}

async fn at(name: &str, endpoint: &str) -> Namespace {
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    ns.apply(&account(name, endpoint)).await;
    ns.ready(&[&format!("awsaccount/{name}")]).await;
    ns
}

/// Deletes everything while the proxy still answers.
async fn end(ns: Namespace) {
    for object in ALL {
        if ns.find(object).await.is_some() {
            ns.delete(object).await;
        }
    }
    for object in ALL {
        ns.gone(object).await;
    }
    let account = format!("awsaccount/{}", ns.name);
    ns.delete(&account).await;
    ns.gone(&account).await;
}

/// Waits until the operator has called an operation that often.
async fn called(proxy: &Proxy, operation: &str, times: usize) {
    eventually(&format!("{operation} is called"), PATIENCE, async || {
        let calls = proxy.calls(operation);
        if calls >= times { Ok(()) } else { Err(format!("{calls} times")) }
    })
    .await;
}

#[tokio::test]
async fn a_fresh_role_is_waited_for() {
    let (proxy, ns) = behind("fault-fresh-role").await;
    const WORDS: &str = "Neither the global service principal states.amazonaws.com, nor the regional one is authorized to assume the provided role.";
    proxy.inject("CreateStateMachine", ALWAYS, error(400, "AccessDeniedException", WORDS));
    ns.apply(&manifests()).await;
    let message = ns.condition("statemachine/say", "Reconciling", "True", "WaitingForRole").await;
    assert!(message.contains(WORDS), "{message}");
    ns.condition("statemachine/say", "Stalled", "False", "Healthy").await;
    called(&proxy, "CreateStateMachine", 2).await;
    proxy.lift();
    ns.ready(&ALL).await;
    ns.says("say", "hello").await;
    end(ns).await;
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let (proxy, ns) = behind("fault-throttled").await;
    let answer = Answer::Error {
        status: 429,
        code: "TooManyRequestsException",
        message: "Too Many Requests",
        retry_after: Some(1),
    };
    proxy.inject("PutMethod", ALWAYS, answer);
    ns.apply(&manifests()).await;
    let message = ns.condition("restapi/api", "Reconciling", "True", "Retrying").await;
    assert!(message.contains("PutMethod: Too Many Requests (TooManyRequestsException)"), "{message}");
    let message = ns.condition("apiroute/say", "Reconciling", "True", "Retrying").await;
    assert!(message.contains("Too Many Requests"), "{message}");
    proxy.lift();
    ns.ready(&ALL).await;
    ns.says("say", "hello").await;
    end(ns).await;
}

#[tokio::test]
async fn refused_credentials_are_said_and_nothing_is_lost() {
    let (proxy, ns) = behind("fault-credentials").await;
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    let id = ns.get("restapi/api").await["status"]["restApiId"].clone();
    let account = "awsaccount/fault-credentials";
    for (status, code, message) in [
        (403, "UnrecognizedClientException", "The security token included in the request is invalid."),
        (403, "ExpiredToken", "The security token included in the request is expired"),
    ] {
        proxy.inject("*", ALWAYS, error(status, code, message));
        for object in [account, "statemachine/say", "restapi/api"] {
            let said = ns.condition(object, "Reconciling", "True", "Retrying").await;
            for part in [code, message, "the platform admin must check the operator's AWS permissions"] {
                assert!(said.contains(part), "{object}: no `{part}` in: {said}");
            }
        }
        ns.condition(account, "Ready", "False", "Retrying").await;
        ns.condition("restapi/api", "Ready", "False", "LastKnownGood").await;
        ns.condition("apiroute/say", "Programmed", "True", "LastKnownGood").await;
        ns.says("say", "hello").await;
        proxy.lift();
        ns.ready(&[account]).await;
        ns.ready(&ALL).await;
    }
    assert_eq!(ns.get("restapi/api").await["status"]["restApiId"], id);
    end(ns).await;
}

#[tokio::test]
async fn aws_s_own_words_when_it_refuses_a_definition() {
    let (proxy, ns) = behind("fault-definition").await;
    const WORDS: &str = "Invalid State Machine Definition: 'SCHEMA_VALIDATION_FAILED: The resource is not known at /States/Say/Resource'";
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    proxy.inject("CreateStateMachine", ALWAYS, error(400, "InvalidDefinition", WORDS));
    proxy.inject("UpdateStateMachine", ALWAYS, error(400, "InvalidDefinition", WORDS));

    ns.apply(&machine("new", "never")).await;
    let message = ns.stalled("statemachine/new", "RefusedByAWS").await;
    assert_eq!(message, format!("CreateStateMachine: {WORDS} (InvalidDefinition)"));
    for event in ns.events("statemachine/new").await {
        assert_for_people(&event);
    }
    // One that serves goes on with its last good definition, and the others are not touched.
    ns.apply(&machine("say", "bye")).await;
    let message = ns.stalled("statemachine/say", "RefusedByAWS").await;
    assert_eq!(message, format!("UpdateStateMachine: {WORDS} (InvalidDefinition)"));
    ns.condition("statemachine/say", "Ready", "False", "LastKnownGood").await;
    ns.ready(&["restapi/api", "apiroute/say"]).await;
    ns.says("say", "hello").await;
    ns.apply(&route("more", "/more", "say")).await;
    ns.ready(&["apiroute/more"]).await;
    ns.says("more", "hello").await;
    proxy.lift();
    ns.ready(&["statemachine/new", "statemachine/say"]).await;
    ns.says("say", "bye").await;
    for object in ["statemachine/new", "apiroute/more"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    end(ns).await;
}

#[tokio::test]
async fn a_mapping_that_aws_refuses_concerns_one_route_only() {
    let (proxy, ns) = behind("fault-mapping").await;
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    const WORDS: &str =
        "Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression]";
    proxy.inject("PutIntegration", 1, error(400, "BadRequestException", WORDS));
    ns.apply(&route("bad", "/bad", "say")).await;
    let message = ns.condition("apiroute/bad", "Stalled", "True", "RefusedByAWS").await;
    assert_eq!(message, format!("PutIntegration: {WORDS} (BadRequestException)"));
    // It is tried again at the next check, and its neighbour did not notice.
    ns.ready(&["apiroute/bad", "restapi/api", "apiroute/say"]).await;
    ns.says("bad", "hello").await;
    ns.delete("apiroute/bad").await;
    ns.gone("apiroute/bad").await;
    end(ns).await;
}

/// API Gateway's answer where there is no room for more has the code and the status of a rate limit
/// (hashicorp/terraform-provider-aws#37605, where it is repeated until the end).
#[tokio::test]
async fn a_full_api_is_said_and_serves_on() {
    let (proxy, ns) = behind("fault-full").await;
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    const WORDS: &str = "Maximum number of Resources for this API has been reached.  Please contact AWS if you need additional Resources.";
    proxy.inject("CreateResource", ALWAYS, error(429, "LimitExceededException", WORDS));
    ns.apply(&(route("more", "/more", "say") + &route("same", "/say", "say").replace("POST", "PUT"))).await;
    let message = ns.condition("apiroute/more", "Stalled", "True", "RefusedByAWS").await;
    assert_eq!(message, format!("CreateResource: {WORDS} (LimitExceededException)"));
    ns.ready(&["apiroute/same", "apiroute/say"]).await;
    ns.says("say", "hello").await;
    proxy.lift();
    ns.ready(&["apiroute/more", "restapi/api"]).await;
    ns.says("more", "hello").await;
    for route in ["apiroute/more", "apiroute/same"] {
        ns.delete(route).await;
        ns.gone(route).await;
    }
    end(ns).await;
}

#[tokio::test]
async fn an_api_that_aws_refuses_is_said_with_its_routes() {
    let (proxy, ns) = behind("fault-api").await;
    const WORDS: &str = "No integration defined for method";
    proxy.inject("CreateDeployment", ALWAYS, error(400, "BadRequestException", WORDS));
    ns.apply(&manifests()).await;
    let why = ns.stalled("restapi/api", "RefusedByAWS").await;
    assert_eq!(why, format!("CreateDeployment: {WORDS} (BadRequestException)"));
    assert_eq!(ns.stalled("apiroute/say", "RefusedByAWS").await, format!("RestAPI fault-api/api: {why}"));
    proxy.lift();
    ns.ready(&ALL).await;
    ns.says("say", "hello").await;
    end(ns).await;
}

/// Step Functions and API Gateway are eventually consistent.
#[tokio::test]
async fn what_aws_said_yes_to_is_waited_for() {
    let (proxy, ns) = behind("fault-later").await;
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    proxy.inject("UpdateStateMachine", ALWAYS, Answer::Later { status: 200, body: r#"{"updateDate": 1}"# });
    ns.apply(&machine("say", "bye")).await;
    let message = ns.condition("statemachine/say", "Reconciling", "True", "Progressing").await;
    assert!(message.contains("AWS does not show the last change yet"), "{message}");
    ns.condition("statemachine/say", "Ready", "False", "LastKnownGood").await;
    proxy.lift();
    ns.ready(&["statemachine/say"]).await;
    ns.says("say", "bye").await;

    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let arn = ns.get("statemachine/say").await["status"]["stateMachineArn"].as_str().unwrap().to_owned();
    proxy.inject("DeleteRestApi", ALWAYS, Answer::Later { status: 202, body: "" });
    proxy.inject("DeleteStateMachine", ALWAYS, Answer::Later { status: 200, body: "{}" });
    // The machine only then: before, a stage serves it.
    for object in ["restapi/api", "statemachine/say"] {
        ns.delete(object).await;
        let message = ns.condition(object, "Reconciling", "True", "Deleting").await;
        assert!(message.contains("AWS does not show the deletion yet"), "{message}");
        if object == "restapi/api" {
            assert!(aws.rest_api(&id).await.is_some());
            aws.apigateway.delete_rest_api().rest_api_id(&id).send().await.unwrap();
        } else {
            assert!(aws.machine(&arn).await.is_some());
            aws.sfn.delete_state_machine().state_machine_arn(&arn).send().await.unwrap();
        }
        ns.gone(object).await;
    }
    end(ns).await;
}

#[tokio::test]
async fn conflicts_and_errors_of_aws_itself_are_tried_again() {
    let (proxy, ns) = behind("fault-retried").await;
    const CONFLICT: &str = "Unable to complete operation due to concurrent modification. Please try again later.";
    proxy.inject("PutIntegration", 2, error(409, "ConflictException", CONFLICT));
    proxy.inject("CreateDeployment", 4, error(500, "InternalFailure", "Internal error"));
    proxy.inject("CreateRole", 4, error(500, "ServiceFailure", "Internal error"));
    proxy.inject("DescribeStateMachine", 4, error(500, "InternalFailure", "Internal error"));
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    ns.says("say", "hello").await;
    assert!(proxy.calls("PutIntegration") >= 3 && proxy.calls("CreateRole") >= 5);
    ns.event("restapi/api", &format!("Retrying: PutIntegration: {CONFLICT}")).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    assert!(aws.deployments(&id).await.len() <= 2);
    end(ns).await;
}

#[tokio::test]
async fn an_api_whose_creation_was_not_answered_is_not_made_twice() {
    let (proxy, ns) = behind("fault-lost").await;
    proxy.inject("CreateRestApi", 1, Answer::Lost);
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    ns.says("say", "hello").await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let found = aws.apis_tagged("stepgate.dev/namespace", "fault-lost").await;
    assert_eq!(json!(found), json!([ns.get("restapi/api").await["status"]["restApiId"]]));
    assert_eq!(proxy.calls("CreateRestApi"), 1);
    end(ns).await;
    assert_eq!(aws.apis_tagged("stepgate.dev/namespace", "fault-lost").await, Vec::<String>::new());
}

#[tokio::test]
async fn other_lost_answers_leave_nothing_twice() {
    let (proxy, ns) = behind("fault-lost-more").await;
    proxy.inject("CreateRole", 1, Answer::Lost);
    proxy.inject("CreateStateMachine", 1, Answer::Lost);
    proxy.inject("PutMethod", 1, Answer::Lost);
    proxy.inject("CreateDeployment", 1, Answer::Lost);
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    ns.says("say", "hello").await;
    // What is there already is no refusal: nobody has to do anything about it.
    for object in ALL {
        let events = ns.events(object).await;
        assert!(!events.iter().any(|event| event.contains("RefusedByAWS")), "{object}: {events:?}");
    }
    end(ns).await;
    let left = suite().await.testbed.aws().inventory().await.unwrap();
    assert!(!left.iter().any(|name| name.contains("fault-lost-more")), "{left:?}");
}

#[tokio::test]
async fn when_aws_is_down_nothing_is_lost() {
    let relay = Relay::start(suite().await.testbed.aws_endpoint()).await.unwrap();
    let ns = at("fault-down", relay.url()).await;
    ns.apply(&manifests()).await;
    ns.ready(&ALL).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let arn = ns.get("statemachine/say").await["status"]["stateMachineArn"].as_str().unwrap().to_owned();
    let look = async || (aws.rest_api(&id).await, aws.machine(&arn).await, aws.deployments(&id).await);
    let before = look().await;
    let shown = async |object: &str| {
        let status = ns.get(object).await["status"].clone();
        let fields = ["restApiId", "stages", "stateMachineArn", "binding", "url", "revisions", "attachedRoutes"];
        fields.map(|field| status.get(field).cloned().unwrap_or(Value::Null))
    };
    let statuses = (shown(ALL[0]).await, shown(ALL[1]).await, shown(ALL[2]).await);

    relay.cut();
    let account = ns.condition("awsaccount/fault-down", "Reconciling", "True", "Retrying").await;
    assert!(account.contains("GetCallerIdentity was not answered"), "{account}");
    for object in ["statemachine/say", "restapi/api"] {
        let message = ns.condition(object, "Reconciling", "True", "Retrying").await;
        assert!(message.contains("was not answered"), "{message}");
        ns.condition(object, "Ready", "False", "LastKnownGood").await;
    }
    ns.condition("apiroute/say", "Programmed", "True", "LastKnownGood").await;
    // Changed meanwhile: made when AWS is back.
    ns.apply(&[machine("say", "bye"), route("more", "/more", "say")].concat()).await;
    ns.condition("statemachine/say", "Reconciling", "True", "Retrying").await;
    ns.condition("apiroute/more", "Reconciling", "True", "Retrying").await;
    assert_eq!(look().await, before);
    assert_eq!((shown(ALL[0]).await, shown(ALL[1]).await, shown(ALL[2]).await), statuses);

    relay.restore();
    ns.ready(&["awsaccount/fault-down", "apiroute/more"]).await;
    ns.ready(&ALL).await;
    ns.says("more", "bye").await;
    assert_eq!(ns.get("restapi/api").await["status"]["restApiId"], json!(id));
    ns.delete("apiroute/more").await;
    ns.gone("apiroute/more").await;
    end(ns).await;
}
