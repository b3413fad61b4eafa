//! Authorizers, from docs/authorization.md. LocalStack's community edition asks no authorizer (Lambda needs Docker, Cognito is
//! not in it): that callers are let in or not was not seen; what is in AWS is.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigateway::types::Authorizer;
use serde_json::json;
use stepgate::api::CHECK;

use crate::cloud::{Cloud, replace};
use crate::support::{Namespace, TENANT, page};
use crate::tenancy::account;

const FUNCTION: &str = "arn:aws:lambda:us-east-1:000000000000:function:authorize-";

async fn authorizers(aws: &Cloud, api: &str) -> BTreeMap<String, Authorizer> {
    let found = aws.apigateway.get_authorizers().rest_api_id(api).send().await.unwrap();
    found.items.unwrap_or_default().into_iter().map(|one| (one.name.clone().unwrap(), one)).collect()
}

#[tokio::test]
async fn authorizers_are_made_changed_and_let_go() {
    let exposure = json!({"exposure": {
        "authorizations": ["AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"],
        "authorizerArns": ["arn:aws:lambda:*:*:function:authorize-*", "arn:aws:cognito-idp:*:*:userpool/us-east-1_Ab1cD2eF3"],
    }});
    let ns = Namespace::labelled("e2e-authorization", &[(TENANT, "e2e-authorization")]).await;
    ns.apply(&account("e2e-authorization", &[("e2e-authorization", exposure)]).await.to_string()).await;
    let manifests = page("docs/authorization.md");
    ns.apply(&manifests).await;
    let routes = ["apiroute/place-order", "apiroute/import-orders", "apiroute/list-orders"];
    ns.ready(&["restapi/orders", routes[0], routes[1], routes[2]]).await;

    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = ns.get("restapi/orders").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let made = authorizers(&aws, &id).await;
    assert_eq!(made.keys().map(String::as_str).collect::<Vec<_>>(), ["caller", "token", "users"]);
    let source = |name: &str| made[name].identity_source.clone().unwrap();
    assert_eq!(source("token"), "method.request.header.Authorization");
    assert_eq!(source("caller"), "method.request.header.Authorization,method.request.querystring.tenant");
    assert_eq!(made["caller"].authorizer_result_ttl_in_seconds, Some(60));
    assert_eq!(made["users"].provider_arns().len(), 1);
    let view = aws.rest_api(&id).await.unwrap();
    let method = &view.methods["POST /orders"];
    assert_eq!(method.authorizer_id, made["users"].id);
    assert_eq!(
        (method.authorization_type(), method.authorization_scopes()),
        (Some("COGNITO_USER_POOLS"), &["orders/write".to_owned()][..])
    );
    assert_eq!(view.methods["POST /orders/import"].api_key_required, Some(true));
    let role = made["token"].authorizer_credentials.clone().unwrap();
    let may = async || aws.role(&role).await.unwrap().allows();
    assert_eq!(may().await, BTreeSet::from([format!("lambda:InvokeFunction {FUNCTION}token")]));
    let deployments = aws.deployments(&id).await.len();

    // In place: one deployment, the same id, and in the end no more rights than before.
    ns.apply(&manifests.replace("authorize-token", "authorize-next")).await;
    ns.eventually("restapi/orders", "calls the next function", async |_| {
        let now = may().await;
        let only = BTreeSet::from([format!("lambda:InvokeFunction {FUNCTION}next")]);
        if now == only { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    ns.ready(&["restapi/orders"]).await;
    let changed = authorizers(&aws, &id).await;
    assert_eq!(changed["token"].id, made["token"].id);
    assert!(changed["token"].authorizer_uri().unwrap().contains("authorize-next/invocations"));
    assert_eq!(aws.deployments(&id).await.len(), deployments + 1);

    // Somebody else's change is undone, and what is served did not change.
    let update = aws.apigateway.update_authorizer().rest_api_id(&id).authorizer_id(made["caller"].id().unwrap());
    update.patch_operations(replace("/authorizerResultTtlInSeconds", "3600")).send().await.unwrap();
    ns.patch("restapi/orders", json!({"metadata": {"annotations": {CHECK: "1"}}})).await;
    ns.eventually("restapi/orders", "undoes it", async |_| {
        let ttl = authorizers(&aws, &id).await["caller"].authorizer_result_ttl_in_seconds;
        if ttl == Some(60) { Ok(()) } else { Err(format!("{ttl:?}")) }
    })
    .await;
    assert_eq!(aws.deployments(&id).await.len(), deployments + 1);

    // Renamed while a route names it: the route says so and keeps serving.
    let manifests = manifests.replace("authorize-token", "authorize-next");
    ns.apply(&manifests.replace("  - name: token\n", "  - name: jwt\n")).await;
    let message = ns.stalled("apiroute/import-orders", "InvalidSpec").await;
    assert_eq!(
        message,
        "spec.authorization.authorizer: RestAPI e2e-authorization/orders has no authorizer `token`, it has caller, jwt, \
         users; name one of spec.authorizers there"
    );
    let serves = ns.condition("apiroute/import-orders", "Programmed", "True", "LastKnownGood").await;
    assert_eq!(serves, format!("An earlier form keeps serving: {message}"));
    // It serves: without an API key, which the emulator asks for, nobody is let in.
    assert_eq!(ns.call("import-orders", &json!({})).await.status, 403);
    let both = authorizers(&aws, &id).await;
    assert!(both.contains_key("jwt") && both["token"].id == made["token"].id, "{both:?}");

    // It lets go.
    let renamed =
        manifests.replace("  - name: token\n", "  - name: jwt\n").replace("authorizer: token,", "authorizer: jwt,");
    ns.apply(&renamed).await;
    ns.ready(&["restapi/orders", routes[1]]).await;
    ns.eventually("restapi/orders", "deletes what no route names", async |_| {
        let left = authorizers(&aws, &id).await;
        let role = aws.role(&role).await;
        if left.contains_key("token") || role.is_some() { Err(format!("{left:?} {role:?}")) } else { Ok(()) }
    })
    .await;

    // None is left, and the record says so.
    let signed = renamed
        .replace("{type: CUSTOM, authorizer: jwt, apiKeyRequired: true}", "{type: AWS_IAM}")
        .replace("{type: CUSTOM, authorizer: caller}", "{type: AWS_IAM}")
        .replace("{type: COGNITO_USER_POOLS, authorizer: users, scopes: [orders/write]}", "{type: AWS_IAM}");
    let (head, rest) = signed.split_once("  authorizers:\n").unwrap();
    let (_, rest) = rest.split_once("---\n").unwrap();
    ns.apply(&format!("{head}---\n{rest}")).await;
    ns.ready(&["restapi/orders", routes[0], routes[1], routes[2]]).await;
    ns.eventually("restapi/orders", "has no authorizers", async |_| {
        let left = authorizers(&aws, &id).await;
        if left.is_empty() { Ok(()) } else { Err(format!("{:?}", left.keys())) }
    })
    .await;
    let view = aws.rest_api(&id).await.unwrap();
    assert!(view.methods.values().all(|method| method.authorization_type() == Some("AWS_IAM")), "{view:?}");
    assert_eq!(ns.call("place-order", &json!({})).await.status, 200);
}
