//! Requests and responses: the pages of the docs, called by their URLs.

use serde_json::{Value, json};
use stepgate_testbed::{Request, Response};

use crate::cloud::Cloud;
use crate::support::{Namespace, PATIENCE, eventually, page};

async fn cloud(ns: &Namespace, api: &str) -> (Cloud, String) {
    let id = ns.get(&format!("restapi/{api}")).await["status"]["restApiId"].as_str().unwrap().to_owned();
    (Cloud::new(ns.suite.testbed.aws_endpoint()), id)
}

/// A header of a response, its name in any case.
fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    let found = response.headers.iter().find(|(has, _)| has.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value.as_str())
}

fn body(response: &Response) -> Value {
    serde_json::from_str(&response.body).unwrap_or_else(|error| panic!("{error}: {}", response.body))
}

/// docs/responses.md as it stands, and what becomes of headers that are changed in AWS, and in the manifest.
#[tokio::test(flavor = "multi_thread")]
async fn responses_are_as_the_page_says() {
    let ns = Namespace::new("mapping-responses").await;
    let page = page("docs/responses.md");
    // Raw templates need a grant.
    let grant = "{stages: [{name: prod, variables: {color: blue}}], allowedRoutes: [{namespaces: {from: Same}, \
                 authorizations: [NONE], mappings: [Structured, Raw]}]}";
    ns.apply(&page.replace("{stages: [{name: prod, variables: {color: blue}}]}", grant)).await;
    ns.ready(&["restapi/quotes", "apiroute/quote", "apiroute/raw"]).await;
    let response = ns.call("quote", &json!({})).await;
    assert_eq!((response.status, body(&response)), (200, json!({"offer": {"price": 10, "currency": "EUR"}})));
    assert_eq!(header(&response, "Cache-Control"), Some("no-store"));
    assert_eq!(header(&response, "X-Color"), Some("blue"));
    for name in ["X-Request-Id", "X-Execution"] {
        assert!(header(&response, name).is_some_and(|value| value.len() > 8), "{name}: {:?}", response.headers);
    }
    let response = ns.call("raw", &json!({})).await;
    assert_eq!((response.status, body(&response)["offer"]["price"].as_i64()), (200, Some(10)));
    assert!(header(&response, "Cache-Control").is_none(), "{:?}", response.headers);

    // Somebody changes the headers in AWS.
    let (aws, api) = cloud(&ns, "quotes").await;
    let whole = aws.rest_api(&api).await;
    let resource = aws.resource(&api, "/quotes").await;
    // LocalStack's UpdateIntegrationResponse leaves headers as they are.
    let put = aws.apigateway.put_integration_response().rest_api_id(&api).resource_id(&resource).http_method("POST");
    put.status_code("200")
        .response_parameters("method.response.header.Cache-Control", "'public'")
        .send()
        .await
        .unwrap();
    ns.event("restapi/quotes", "update responses of method POST /quotes").await;
    ns.ready(&["restapi/quotes"]).await;
    assert_eq!(aws.rest_api(&api).await.unwrap().methods, whole.unwrap().methods);

    // The manifest takes all headers but one away.
    ns.patch("apiroute/quote", json!({"spec": {"response": {"headers": [{"name": "X-Color", "value": "red"}]}}})).await;
    ns.ready(&["apiroute/quote"]).await;
    let response = ns.call("quote", &json!({})).await;
    assert_eq!((header(&response, "X-Color"), header(&response, "Cache-Control")), (Some("red"), None));
}

/// Calls a route at its URL with path parameters and a query.
async fn get(ns: &Namespace, route: &str, change: impl Fn(&str) -> String) -> Response {
    let object = ns.get(&format!("apiroute/{route}")).await;
    let request = Request {
        method: object["spec"]["method"].as_str().unwrap().to_owned(),
        url: change(object["status"]["url"].as_str().unwrap()),
        ..Request::default()
    };
    request.send().await.unwrap()
}

/// The token of the next task that waits, by the message that the machine sent.
async fn token(ns: &Namespace, queue: &str, order: &str) -> String {
    eventually("a message with a token", PATIENCE, async || {
        let input = json!({"QueueUrl": queue, "MaxNumberOfMessages": 1, "WaitTimeSeconds": 1});
        let received = ns.aws("sqs", "ReceiveMessage", input).await;
        let message = &received["Messages"][0];
        let body = message["Body"].as_str().ok_or("no message yet")?;
        let body: Value = serde_json::from_str(body).map_err(|error| error.to_string())?;
        assert_eq!(body["order"], order);
        let delete = json!({"QueueUrl": queue, "ReceiptHandle": message["ReceiptHandle"]});
        ns.aws("sqs", "DeleteMessage", delete).await;
        Ok(body["token"].as_str().unwrap().to_owned())
    })
    .await
}

/// docs/actions.md as it stands: tasks that wait are answered by HTTP, and executions listed, followed and stopped.
#[tokio::test(flavor = "multi_thread")]
async fn tasks_are_answered_by_their_tokens() {
    let ns = Namespace::new("approvals").await;
    let created = ns.aws("sqs", "CreateQueue", json!({"QueueName": "approvals-queue"})).await;
    let queue = created["QueueUrl"].as_str().unwrap();
    ns.apply(&page("docs/actions.md")).await;
    let routes = ["start", "list", "history", "stop", "approve", "reject", "waiting", "health"];
    for route in routes {
        ns.ready(&[&format!("apiroute/{route}")]).await;
    }
    let ask = async |order: &str| {
        let response = ns.call("start", &json!({"order": order})).await;
        assert_eq!((response.status, body(&response)["name"].as_str()), (202, Some(order)), "{}", response.body);
        token(&ns, queue, order).await
    };
    let ended = async |order: &str, status: &str| {
        eventually(&format!("{order} is {status}"), PATIENCE, async || {
            let response = get(&ns, "list", str::to_owned).await;
            assert_eq!(response.status, 200, "{}", response.body);
            let listed = body(&response);
            let executions = listed["executions"].as_array().unwrap();
            let found = executions.iter().find(|it| it["name"] == order && it["status"] == status);
            found.map(|_| ()).ok_or_else(|| listed.to_string())
        })
        .await;
        let history = body(&get(&ns, "history", |url| url.replace("{order}", order)).await);
        history["events"].as_array().unwrap_or_else(|| panic!("{history}")).clone()
    };

    let first = ask("o-1").await;
    // Asked for again, it is the same execution; with another input it is none.
    assert_eq!(ns.call("start", &json!({"order": "o-1"})).await.status, 202);
    assert_eq!(ns.call("start", &json!({"order": "o-1", "other": true})).await.status, 409);
    let told = ns.call("waiting", &json!({"token": first})).await;
    assert_eq!((told.status, told.body.trim()), (200, "{}"));
    let told = ns.call("approve", &json!({"token": first, "by": "it's me", "more": 1})).await;
    assert_eq!((told.status, told.body.trim()), (200, "{}"));
    let events = ended("o-1", "SUCCEEDED").await;
    assert!(events.iter().any(|it| it["state"] == "Ask"), "{events:?}");
    let machine = ns.get("statemachine/approval").await["status"]["stateMachineArn"].as_str().unwrap().to_owned();
    let arn = format!("{}:o-1", machine.replace(":stateMachine:", ":execution:"));
    let described = ns.aws("states", "DescribeExecution", json!({"executionArn": arn})).await;
    assert_eq!(
        described["output"].as_str().map(|text| serde_json::from_str::<Value>(text).unwrap()),
        Some(json!({"approvedBy": "it's me"}))
    );

    let second = ask("o-2").await;
    assert_eq!(ns.call("reject", &json!({"token": second, "why": "too dear"})).await.status, 200);
    let events = ended("o-2", "FAILED").await;
    let failed = events.last().unwrap();
    assert_eq!((failed["error"].as_str(), failed["cause"].as_str()), (Some("Rejected"), Some("too dear")), "{failed}");

    let _ = ask("o-3").await;
    let stopped = get(&ns, "stop", |url| format!("{}?reason=not%20wanted", url.replace("{order}", "o-3"))).await;
    assert_eq!(stopped.status, 200, "{}", stopped.body);
    // What Step Functions is told of the error and cause is held by tests/velocity: LocalStack goes on to wait for the token.
    assert!(body(&stopped)["stopDate"].is_number(), "{}", stopped.body);

    // A token that is none, and a page of one of those that failed.
    assert_eq!(ns.call("approve", &json!({"token": "nobody's", "by": "me"})).await.status, 400);
    let response = get(&ns, "list", |url| format!("{url}?status=FAILED&maxResults=1")).await;
    let listed = body(&response);
    let names: Vec<_> =
        listed["executions"].as_array().unwrap().iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["o-2"], "{listed}");
    assert_eq!(get(&ns, "list", |url| format!("{url}?maxResults=all")).await.status, 400);
    let health = get(&ns, "health", str::to_owned).await;
    assert_eq!((health.status, body(&health)), (200, json!({"ok": true})));
}
