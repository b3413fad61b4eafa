//! What API Gateway answers by itself, as docs/gateway-responses.md has it.

use std::collections::BTreeSet;

use aws_sdk_apigateway::types::GatewayResponseType;
use serde_json::json;
use stepgate_testbed::{Request, Response};

use crate::cloud::Cloud;
use crate::support::{Namespace, page};

struct Scene {
    ns: Namespace,
    aws: Cloud,
    api: String,
    url: String,
}

impl Scene {
    async fn new(name: &str) -> Scene {
        let ns = Namespace::new(name).await;
        ns.apply(&page("docs/gateway-responses.md")).await;
        ns.ready(&["restapi/api", "apiroute/hello"]).await;
        let status = ns.get("restapi/api").await["status"].clone();
        let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
        let text = |pointer: &str| status.pointer(pointer).unwrap().as_str().unwrap().to_owned();
        Scene { aws, api: text("/restApiId"), url: text("/stages/0/invokeUrl"), ns }
    }

    /// Something that no route answers.
    async fn nowhere(&self) -> Response {
        let origin = ("Origin".to_owned(), "https://a.example".to_owned());
        Request { url: format!("{}/nowhere", self.url), headers: vec![origin], ..Request::default() }
            .send()
            .await
            .unwrap()
    }

    /// The types that are not AWS's own.
    async fn own(&self) -> BTreeSet<String> {
        let found = self.aws.apigateway.get_gateway_responses().rest_api_id(&self.api).limit(500).send().await.unwrap();
        let own = found.items.unwrap_or_default().into_iter().filter(|response| !response.default_response);
        own.map(|response| response.response_type.unwrap().as_str().to_owned()).collect()
    }

    async fn deployments(&self) -> usize {
        self.aws.deployments(&self.api).await.len()
    }
}

#[tokio::test]
async fn the_page_is_what_the_url_answers_and_a_change_is_one_deployment() {
    let scene = Scene::new("gateway-responses").await;
    let Scene { ns, .. } = &scene;
    ns.says("hello", "hello").await;
    let answer = scene.nowhere().await;
    assert_eq!(answer.status, 404, "{}", answer.body);
    let body = answer.json().unwrap();
    assert_eq!(body["error"], "NotFound", "{body}");
    assert!(body["message"].as_str().is_some_and(|message| !message.is_empty()), "{body}");
    assert_eq!(answer.header("x-origin"), Some("https://a.example"));
    assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{:?}", answer.headers);
    // An entry takes nothing over from DEFAULT_4XX, which answers where a media type has no template.
    assert_eq!(answer.header("cache-control"), None);
    let text = ("Content-Type".to_owned(), "text/plain".to_owned());
    let post = Request {
        method: "POST".into(),
        url: format!("{}/hello", scene.url),
        headers: vec![text],
        body: Some("x".into()),
        ..Request::default()
    };
    let answer = post.send().await.unwrap();
    assert_eq!((answer.status, answer.header("cache-control")), (415, Some("no-store")), "{}", answer.body);

    // Changed in place, by one deployment.
    let before = scene.deployments().await;
    let gone = json!([{"type": "MISSING_AUTHENTICATION_TOKEN", "statusCode": 410}]);
    ns.patch("restapi/api", json!({"spec": {"gatewayResponses": gone}})).await;
    ns.ready(&["restapi/api"]).await;
    let answer = scene.nowhere().await;
    assert_eq!((answer.status, answer.header("x-origin")), (410, None), "{}", answer.body);
    assert_eq!(scene.own().await, BTreeSet::from(["MISSING_AUTHENTICATION_TOKEN".to_owned()]));
    assert_eq!(scene.deployments().await, before + 1);
    ns.event("restapi/api", "update gateway response MISSING_AUTHENTICATION_TOKEN").await;

    // Removed with the field.
    ns.patch("restapi/api", json!({"spec": {"gatewayResponses": null}})).await;
    ns.ready(&["restapi/api"]).await;
    assert_eq!(scene.nowhere().await.status, 403);
    assert_eq!(scene.own().await, BTreeSet::new());
    assert_eq!(scene.deployments().await, before + 2);
}

#[tokio::test]
async fn what_somebody_changes_in_aws_is_repaired_and_nothing_is_deployed() {
    let scene = Scene::new("gateway-responses-drift").await;
    scene.ns.settled(&["restapi/api"]).await;
    let (api, client) = (&scene.api, &scene.aws.apigateway);
    let before = scene.deployments().await;
    let wanted = BTreeSet::from(["DEFAULT_4XX".to_owned(), "MISSING_AUTHENTICATION_TOKEN".to_owned()]);
    let put = |type_| client.put_gateway_response().rest_api_id(api).response_type(type_).status_code("503");
    put(GatewayResponseType::MissingAuthenticationToken).send().await.unwrap();
    put(GatewayResponseType::Throttled).send().await.unwrap();
    client
        .delete_gateway_response()
        .rest_api_id(api)
        .response_type(GatewayResponseType::Default4Xx)
        .send()
        .await
        .unwrap();
    scene
        .ns
        .eventually("restapi/api", "is repaired", async |_| {
            let own = scene.own().await;
            if own == wanted { Ok(()) } else { Err(format!("{own:?}")) }
        })
        .await;
    let told = scene.ns.event("restapi/api", "delete gateway response THROTTLED").await;
    assert!(told.starts_with("Warning DriftRepaired"), "{told}");
    let type_ = GatewayResponseType::MissingAuthenticationToken;
    let found = client.get_gateway_response().rest_api_id(api).response_type(type_).send().await.unwrap();
    assert_eq!(found.status_code(), Some("404"));
    assert_eq!(scene.deployments().await, before);
}
