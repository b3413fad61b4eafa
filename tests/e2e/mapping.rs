//! Requests and responses: the pages of the docs, called by their URLs.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use stepgate_testbed::{Request, Response};

use crate::cloud::Cloud;
use crate::support::{Namespace, PATIENCE, eventually, machine, page, rest_api, route};

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
    let mut made = body(&response);
    assert!(made["request"].take().as_str().is_some_and(|id| id.len() > 8), "{made}");
    let offer = json!({"offer": {"price": 10, "currency": "EUR"}});
    let expected = json!({"price": 10, "offer": offer, "request": null, "version": 1});
    assert_eq!((response.status, made), (201, expected));
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
    put.status_code("201")
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
    let health = get(&ns, "health", str::to_owned).await;
    assert_eq!((health.status, body(&health)), (200, json!({"ok": true})));
}

/// `POST`s a body to a route's URL.
async fn post(ns: &Namespace, route: &str, rest: &str, headers: &[(&str, &str)], body: &Value) -> Response {
    let object = ns.get(&format!("apiroute/{route}")).await;
    let url = object["status"]["url"].as_str().unwrap().replace("{customer}", "c%2F1");
    let headers = headers.iter().chain(&[("Content-Type", "application/json")]);
    let request = Request {
        method: "POST".into(),
        url: format!("{url}{rest}"),
        headers: headers.map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Some(body.to_string()),
        ..Request::default()
    };
    request.send().await.unwrap()
}

/// docs/requests.md as it stands: what is refused, what the machine gets, and what becomes of models.
#[tokio::test(flavor = "multi_thread")]
async fn requests_are_as_the_page_says() {
    let ns = Namespace::new("mapping-requests").await;
    ns.apply(&page("docs/requests.md")).await;
    ns.ready(&["restapi/shop", "apiroute/place", "apiroute/note"]).await;
    let order = json!({"items": [{"sku": "it's", "count": 2}], "note": null});
    let tenant = [("X-Tenant", "t-1")];
    let response = post(&ns, "place", "?currency=EUR&tag=a&tag=b", &tenant, &order).await;
    assert_eq!(response.status, 200, "{}", response.body);
    let mut got = body(&response);
    let (ip, time, id) = (got["caller"]["ip"].take(), got["time"].take(), got["requestId"].take());
    assert!(ip.as_str().unwrap().contains('.') && id.as_str().unwrap().len() > 8, "{ip} {id}");
    assert!(time.as_str().unwrap().parse::<u64>().unwrap() > 1_600_000_000, "{time}");
    // LocalStack has no `$method`: a list has the one value.
    let tags = got["tags"].take();
    assert!(tags == json!(["a", "b"]) || tags == json!(["b"]) || tags == json!(["a"]), "{tags}");
    let expected = json!({
        "order": order, "customer": "c/1", "currency": "EUR", "tags": null, "tenant": "t-1", "hops": null,
        "caller": {"ip": null, "id": null}, "requestId": null, "time": null, "color": "blue",
        "source": {"channel": "web", "version": 2},
    });
    assert_eq!(got, expected);

    for (rest, headers, order) in [
        ("?currency=EUR", &tenant[..], json!({"items": []})),
        ("?currency=EUR", &tenant[..], json!({"items": [{"sku": ""}]})),
        ("?currency=EUR", &tenant[..], json!({"items": [{"sku": "a", "count": "2"}]})),
        ("", &tenant[..], order.clone()),
        ("?currency=EUR", &[][..], order.clone()),
    ] {
        let response = post(&ns, "place", rest, headers, &order).await;
        assert_eq!(response.status, 400, "{rest} {order}: {}", response.body);
    }
    assert_eq!(ns.call("note", &json!({"text": "hi", "item": {"sku": "a"}})).await.status, 200);
    assert_eq!(ns.call("note", &json!({"text": "hi", "more": 1})).await.status, 400);
    assert_eq!(ns.call("note", &json!({"text": "hi", "item": {}})).await.status, 400);

    let (aws, api) = cloud(&ns, "shop").await;
    let models = async || {
        let found = aws.apigateway.get_models().rest_api_id(&api).send().await.unwrap().items.unwrap_or_default();
        let schemas = found.into_iter().map(|model| (model.name.unwrap(), model.schema.unwrap()));
        schemas.filter(|(name, _)| !["Empty", "Error"].contains(&name.as_str())).collect::<BTreeMap<_, _>>()
    };
    let before = models().await;
    assert_eq!(before.len(), 3, "{before:?}");
    let url = format!("https://apigateway.amazonaws.com/restapis/{api}/models/Item");
    assert!(before["Order"].contains(&url), "{before:?}");

    // A model that is changed in AWS is put right; of one that is changed in the manifest, the new form serves.
    let loose = crate::cloud::replace("/schema", r#"{"type": "object"}"#);
    let update = aws.apigateway.update_model().rest_api_id(&api).model_name("Order").patch_operations(loose);
    update.send().await.unwrap();
    ns.event("restapi/shop", "update the schema of model Order").await;
    ns.ready(&["restapi/shop"]).await;
    assert_eq!(models().await, before);
    let item = json!({"name": "Item", "schema": "{type: object, required: [id]}"});
    let order_model =
        json!({"name": "Order", "schema": "{type: object, properties: {items: {items: {$ref: '#/models/Item'}}}}"});
    ns.patch("restapi/shop", json!({"spec": {"models": [item, order_model]}})).await;
    ns.patch("apiroute/note", json!({"spec": {"request": null}})).await;
    ns.ready(&["restapi/shop", "apiroute/note", "apiroute/place"]).await;
    assert_eq!(ns.call("note", &json!({"anything": 1})).await.status, 200);
    eventually("the new schema serves", PATIENCE, async || {
        let response = post(&ns, "place", "?currency=EUR", &tenant, &json!({"items": [{"id": 1}]})).await;
        if response.status == 200 { Ok(()) } else { Err(response.body) }
    })
    .await;
    assert_eq!(models().await.into_keys().collect::<Vec<_>>(), ["Item", "Order"]);

    // Nothing is left of what nobody asks for.
    ns.patch("apiroute/place", json!({"spec": {"request": null}})).await;
    ns.patch("restapi/shop", json!({"spec": {"models": null}})).await;
    ns.ready(&["restapi/shop", "apiroute/place"]).await;
    eventually("no model is left", PATIENCE, async || {
        let found = models().await;
        if found.is_empty() { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    let validators = aws.apigateway.get_request_validators().rest_api_id(&api).send().await.unwrap();
    assert_eq!(validators.items.unwrap_or_default(), []);
    assert_eq!(post(&ns, "place", "", &[], &json!(1)).await.status, 200);

    // What is no draft 4 is said, and changes nothing.
    ns.patch("apiroute/place", json!({"spec": {"request": {"bodySchema": "{properties: {a: {const: 1}}}"}}})).await;
    let message = ns.stalled("apiroute/place", "InvalidSpec").await;
    assert_eq!(
        message,
        "spec.request.bodySchema at /properties/a: `const` is no keyword of JSON Schema draft 4, which is all that API Gateway knows"
    );
    assert_eq!(post(&ns, "place", "", &[], &json!(1)).await.status, 200);
}

/// Where an API has binary media types, a client that accepts one of them first still reads what a template made: without
/// `CONVERT_TO_TEXT` API Gateway decodes it from Base64 and answers 500, and so does the emulator.
#[tokio::test(flavor = "multi_thread")]
async fn who_accepts_bytes_reads_text() {
    let ns = Namespace::new("mapping-bytes").await;
    let api = rest_api("api").replace("spec: {", "spec: {binaryMediaTypes: [image/png], ");
    ns.apply(&[machine("say", "hello"), api, route("say", "/say", "say")].concat()).await;
    ns.ready(&["restapi/api", "apiroute/say"]).await;
    let response = post(&ns, "say", "", &[("Accept", "image/png")], &json!({})).await;
    assert_eq!((response.status, response.body.contains("hello")), (200, true), "{}", response.body);
    let (aws, id) = cloud(&ns, "api").await;
    let converted = aws.rest_api(&id).await.unwrap();
    ns.patch("restapi/api", json!({"spec": {"binaryMediaTypes": null}})).await;
    ns.eventually("restapi/api", "has no binary media types", async |_| {
        let now = aws.rest_api(&id).await.unwrap();
        if now.methods == converted.methods { Err("the responses are converted still".to_owned()) } else { Ok(()) }
    })
    .await;
    ns.ready(&["restapi/api"]).await;
    ns.says("say", "hello").await;
}
