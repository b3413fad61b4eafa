//! CORS as docs/cors.md has it, asked as browsers ask.

use std::collections::BTreeMap;

use serde_json::json;
use stepgate_testbed::{Request, Response};

use crate::cloud::Cloud;
use crate::support::{Namespace, page};

const APP: &str = "https://app.example.com";
const SHOP: &str = "https://a.b.shop.example.com";
const EVIL: &str = "https://shop.example.com.evil.example";

async fn applied(name: &str) -> (Namespace, String) {
    let ns = Namespace::new(name).await;
    ns.apply(&page("docs/cors.md")).await;
    ns.ready(&["restapi/api", "apiroute/create", "apiroute/change", "apiroute/read"]).await;
    let url = ns.get("restapi/api").await["status"]["stages"][0]["invokeUrl"].as_str().unwrap().to_owned();
    (ns, url)
}

async fn call(method: &str, url: String, headers: &[(&str, &str)]) -> Response {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let body = (method == "POST" || method == "PUT").then(|| "{}".to_owned());
    Request { method: method.into(), url, headers: headers.collect(), body, ..Request::default() }.send().await.unwrap()
}

async fn preflight(url: String, origin: &str, asks_for: &str) -> Response {
    let answer = call("OPTIONS", url, &[("Origin", origin), ("Access-Control-Request-Method", asks_for)]).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{:?}", answer.headers);
    answer
}

/// The CORS headers of an answer, without their common start.
fn cors(answer: &Response) -> BTreeMap<&str, &str> {
    let all =
        answer.headers.iter().filter_map(|(name, value)| Some((name.strip_prefix("access-control-")?, value.as_str())));
    all.collect()
}

#[tokio::test]
async fn a_browser_is_told_what_the_page_says() {
    let (_ns, url) = applied("cors").await;
    for origin in [APP, SHOP] {
        let answer = preflight(format!("{url}/orders"), origin, "POST").await;
        let expected = [
            ("allow-credentials", "true"),
            ("allow-headers", "Authorization,Content-Type"),
            ("allow-methods", "OPTIONS,POST"),
            ("allow-origin", origin),
            ("max-age", "600"),
        ];
        assert_eq!(cors(&answer), BTreeMap::from(expected));
        assert_eq!(answer.header("vary"), Some("Origin"));
        let answer =
            call("POST", format!("{url}/orders"), &[("Origin", origin), ("Content-Type", "application/json")]).await;
        assert_eq!((answer.status, answer.body.contains("hello")), (200, true), "{}", answer.body);
        let expected = [("allow-credentials", "true"), ("allow-origin", origin), ("expose-headers", "X-Request-Id")];
        assert_eq!(cors(&answer), BTreeMap::from(expected));
        assert_eq!(answer.header("vary"), Some("Origin"));
    }
    let answer = preflight(format!("{url}/orders"), EVIL, "POST").await;
    assert_eq!(cors(&answer).get("allow-origin"), None);
    let answer = call("POST", format!("{url}/orders"), &[("Origin", EVIL), ("Content-Type", "application/json")]).await;
    assert_eq!((answer.status, cors(&answer).get("allow-origin")), (200, None));

    // One path, two routes, two rules.
    let order = || format!("{url}/orders/1");
    assert_eq!(cors(&preflight(order(), EVIL, "GET").await).get("allow-origin"), Some(&"*"));
    assert_eq!(cors(&preflight(order(), EVIL, "PUT").await), BTreeMap::new());
    assert_eq!(cors(&preflight(order(), APP, "PUT").await).get("allow-origin"), Some(&APP));
    assert_eq!(cors(&call("GET", order(), &[("Origin", EVIL)]).await), BTreeMap::from([("allow-origin", "*")]));

    // What API Gateway answers itself.
    for origin in [APP, EVIL] {
        let answer = call("GET", format!("{url}/nowhere"), &[("Origin", origin)]).await;
        assert_eq!(answer.status, 403, "{}", answer.body);
        assert_eq!(cors(&answer).get("allow-origin"), Some(&APP), "never an origin that was only asked for");
    }
}

#[tokio::test]
async fn the_methods_follow_the_routes_and_all_goes_with_the_block() {
    let (ns, url) = applied("cors-follows").await;
    let api = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let verbs = async || -> Vec<String> { aws.rest_api(&api).await.unwrap().methods.into_keys().collect() };
    assert_eq!(
        verbs().await,
        ["GET /orders/{id}", "OPTIONS /orders", "OPTIONS /orders/{id}", "POST /orders", "PUT /orders/{id}"]
    );
    ns.delete("apiroute/read").await;
    ns.gone("apiroute/read").await;
    ns.ready(&["restapi/api"]).await;
    let answer = preflight(format!("{url}/orders/1"), APP, "PUT").await;
    assert_eq!(cors(&answer).get("allow-methods"), Some(&"OPTIONS,PUT"));

    let before = aws.deployments(&api).await.len();
    ns.patch("restapi/api", json!({"spec": {"cors": null}})).await;
    ns.ready(&["restapi/api"]).await;
    assert_eq!(verbs().await, ["POST /orders", "PUT /orders/{id}"]);
    assert_eq!(aws.deployments(&api).await.len(), before + 1);
    let answer = call("POST", format!("{url}/orders"), &[("Origin", APP), ("Content-Type", "application/json")]).await;
    assert_eq!((answer.status, cors(&answer)), (200, BTreeMap::new()), "{}", answer.body);
    let answer = call("GET", format!("{url}/nowhere"), &[("Origin", APP)]).await;
    assert_eq!(cors(&answer), BTreeMap::new());
}
