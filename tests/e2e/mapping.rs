//! Requests and responses: the pages of the docs, called by their URLs.

use serde_json::{Value, json};
use stepgate_testbed::Response;

use crate::cloud::Cloud;
use crate::support::{Namespace, page};

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
