//! Custom domain names, from docs/domains.md. The emulator serves them by the Host header of plain HTTP (testbed/localstack/launch.py): TLS,
//! DNS, mutual TLS, EDGE and PRIVATE endpoints were not seen.

use aws_sdk_apigateway::operation::get_domain_name::GetDomainNameOutput;
use serde_json::{Value, json};
use stepgate::api::CHECK;
use stepgate_testbed::{Request, Response};

use crate::cloud::{Cloud, replace};
use crate::plan::plan;
use crate::support::{Namespace, TENANT, condition, page, rest_api};
use crate::tenancy::account;

fn exposure(pattern: &str) -> Value {
    json!({"exposure": {"authorizations": ["NONE", "AWS_IAM"], "domains": [pattern]}})
}

/// A namespace whose tenant may have the names below `NAMESPACE.example.com`.
async fn namespace(name: &str) -> Namespace {
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    ns.apply(&account(name, &[(name, exposure("*.${namespace}.example.com"))]).await.to_string()).await;
    ns
}

/// The page, on a domain of this namespace's own.
fn manifests(ns: &Namespace) -> String {
    page("docs/domains.md").replace("api.shop.example.com", &host(ns))
}

fn host(ns: &Namespace) -> String {
    format!("api.{}.example.com", ns.name)
}

async fn call(ns: &Namespace, host: &str, path: &str) -> Response {
    let request = Request {
        method: "POST".into(),
        url: format!("{}{path}", ns.suite.testbed.aws_endpoint()),
        headers: vec![("Host".into(), host.to_owned()), ("Content-Type".into(), "application/json".into())],
        body: Some("{}".into()),
        ..Request::default()
    };
    request.send().await.unwrap()
}

async fn says(ns: &Namespace, host: &str, path: &str) {
    let response = call(ns, host, path).await;
    assert_eq!((response.status, response.body.contains("welcome")), (200, true), "{path}: {}", response.body);
}

async fn domain(aws: &Cloud, name: &str) -> GetDomainNameOutput {
    aws.apigateway.get_domain_name().domain_name(name).send().await.unwrap()
}

/// What leads where: base path and stage.
async fn mappings(aws: &Cloud, name: &str) -> Vec<(String, String)> {
    let found = aws.apigateway.get_base_path_mappings().domain_name(name).send().await.unwrap();
    let one = |it: &aws_sdk_apigateway::types::BasePathMapping| {
        (it.base_path().unwrap_or_default().to_owned(), it.stage().unwrap_or_default().to_owned())
    };
    let mut found: Vec<_> = found.items().iter().map(one).collect();
    found.sort();
    found
}

fn pair(path: &str, stage: &str) -> (String, String) {
    (path.to_owned(), stage.to_owned())
}

async fn check(ns: &Namespace, object: &str, value: &str) {
    ns.patch(object, json!({"metadata": {"annotations": {CHECK: value}}})).await;
}

/// Waits until Ready or Stalled carries this reason, and answers with the message.
async fn reads(ns: &Namespace, object: &str, type_: &str, reason: &str) -> String {
    ns.eventually(object, reason, async |object| {
        let found = object.and_then(|object| condition(object, type_)).ok_or("has no conditions")?;
        if found.status == "True" && found.reason == reason { Ok(found.message) } else { Err(found.to_string()) }
    })
    .await
}

#[tokio::test]
async fn a_domain_serves_is_changed_in_place_and_repaired() {
    let ns = namespace("e2e-domain").await;
    ns.apply(&manifests(&ns)).await;
    ns.ready(&["apidomain/shop", "restapi/orders", "apiroute/greet"]).await;
    // The operator's own plan, by hand.
    let changed = manifests(&ns).replace("{team: shop}", "{team: b}").replace("basePath: orders", "basePath: offers");
    let run = plan(&ns, &changed.replace("[orders, /]", "[offers, /]"), &[]);
    assert_eq!((run.code, run.err.as_str()), (2, ""), "{}", run.out);
    for line in ["update the tags of domain name ", "map ", "unmap "] {
        assert!(run.out.contains(&format!("\n  {line}")), "no `{line}`: {}", run.out);
    }
    let run = plan(&ns, &manifests(&ns), &[]);
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{}", run.out);
    assert!(run.out.contains("APIDomain e2e-domain/shop: no change"), "{}", run.out);
    let (aws, name) = (Cloud::new(ns.suite.testbed.aws_endpoint()), host(&ns));
    says(&ns, &name, "/orders/greet").await;
    assert!(!call(&ns, &name, "/greet").await.body.contains("welcome"), "nothing is at the root");

    let shown = ns.get("apidomain/shop").await;
    assert!(shown["status"]["targetDomainName"].as_str().unwrap().ends_with(".execute-api.us-east-1.amazonaws.com"));
    assert!(shown["status"]["targetHostedZoneId"].is_string() && shown["status"]["domainNameStatus"] == "AVAILABLE");
    assert_eq!(condition(&shown, "Ready").unwrap().message, format!("{name} is set up; 1 base path is mapped."));
    let url = format!("https://{name}/orders");
    let api = ns.get("restapi/orders").await;
    let expected = json!([{"domainRef": {"name": "shop"}, "basePath": "orders", "accepted": true, "url": url}]);
    assert_eq!(api["status"]["domainMappings"], expected);
    let made = domain(&aws, &name).await;
    assert_eq!(made.tags().unwrap().get("team").map(String::as_str), Some("shop"));
    assert!(made.regional_certificate_arn().unwrap().starts_with("arn:aws:acm:us-east-1:000000000000:certificate/"));

    // In place, and back.
    let secure = json!({"securityPolicy": "TLS_1_0", "tags": {"team": "b"}});
    ns.patch("apidomain/shop", json!({"spec": secure})).await;
    let target = made.regional_domain_name().unwrap().to_owned();
    ns.eventually("apidomain/shop", "has the other security policy and tag", async |_| {
        let now = domain(&aws, &name).await;
        let done = now.security_policy().unwrap().as_str() == "TLS_1_0"
            && now.tags().unwrap().get("team").map(String::as_str) == Some("b");
        if done { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    let mutual = json!({"securityPolicy": "TLS_1_2", "mutualTls": {"truststoreUri": "s3://trust/ca.pem", "truststoreVersion": "1"}});
    ns.patch("apidomain/shop", json!({"spec": mutual})).await;
    ns.eventually("apidomain/shop", "asks for client certificates", async |_| {
        let now = domain(&aws, &name).await;
        let tls = now.mutual_tls_authentication().ok_or("has none")?;
        let done = (tls.truststore_uri(), tls.truststore_version()) == (Some("s3://trust/ca.pem"), Some("1"));
        if done { Ok(()) } else { Err(format!("{tls:?}")) }
    })
    .await;
    ns.patch("apidomain/shop", json!({"spec": {"mutualTls": null}})).await;
    ns.eventually("apidomain/shop", "asks for none any more", async |_| {
        match domain(&aws, &name).await.mutual_tls_authentication() {
            None => Ok(()),
            Some(tls) => Err(format!("{tls:?}")),
        }
    })
    .await;
    ns.ready(&["apidomain/shop"]).await;
    assert_eq!(domain(&aws, &name).await.regional_domain_name(), Some(target.as_str()));

    // What somebody else changes is undone.
    ns.settled(&["apidomain/shop"]).await;
    aws.apigateway.delete_base_path_mapping().domain_name(&name).base_path("orders").send().await.unwrap();
    let patch = replace("/securityPolicy", "TLS_1_0");
    aws.apigateway.update_domain_name().domain_name(&name).patch_operations(patch).send().await.unwrap();
    check(&ns, "apidomain/shop", "1").await;
    ns.eventually("apidomain/shop", "undoes it", async |_| {
        let policy = domain(&aws, &name).await.security_policy().unwrap().as_str().to_owned();
        let has = mappings(&aws, &name).await;
        if (policy.as_str(), has.len()) == ("TLS_1_2", 1) { Ok(()) } else { Err(format!("{policy} {has:?}")) }
    })
    .await;
    says(&ns, &name, "/orders/greet").await;
    ns.eventually("apidomain/shop", "has the drift in its status", async |found| {
        let drift = &found.unwrap()["status"]["lastDrift"]["summary"];
        if drift.is_string() { Ok(()) } else { Err(drift.to_string()) }
    })
    .await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;

    // Or only told.
    ns.patch("apidomain/shop", json!({"spec": {"driftPolicy": "Report"}})).await;
    ns.ready(&["apidomain/shop"]).await;
    aws.apigateway.delete_base_path_mapping().domain_name(&name).base_path("orders").send().await.unwrap();
    check(&ns, "apidomain/shop", "2").await;
    ns.eventually("apidomain/shop", "tells it", async |object| {
        let ready = condition(object.unwrap(), "Ready").unwrap();
        if ready.reason == "Drifted" { Ok(()) } else { Err(ready.to_string()) }
    })
    .await;
    ns.patch("apidomain/shop", json!({"spec": {"driftPolicy": "Correct"}})).await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    says(&ns, &name, "/orders/greet").await;
}

#[tokio::test]
async fn base_paths_move_and_apis_of_other_namespaces_are_served_where_they_may() {
    let ns = namespace("e2e-domain-shared").await;
    ns.apply(&manifests(&ns)).await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    let (aws, name) = (Cloud::new(ns.suite.testbed.aws_endpoint()), host(&ns));

    // To the root.
    let root = json!([{"domainRef": {"name": "shop"}, "stage": "prod"}]);
    ns.patch("restapi/orders", json!({"spec": {"domainMappings": root}})).await;
    ns.eventually("restapi/orders", "moves to the root", async |_| {
        let has = mappings(&aws, &name).await;
        if has == [pair("(none)", "prod")] { Ok(()) } else { Err(format!("{has:?}")) }
    })
    .await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    says(&ns, &name, "/greet").await;

    // Another team.
    let other = namespace("e2e-domain-refunds").await;
    let domain_ref = json!({"name": "shop", "namespace": ns.name});
    let at = |path: &str| json!({"spec": {"domainMappings": [{"domainRef": domain_ref, "basePath": path, "stage": "prod"}]}});
    other.apply(&rest_api("refunds")).await;
    other.patch("restapi/refunds", at("refunds")).await;
    let message = reads(&other, "restapi/refunds", "Stalled", "NotAllowed").await;
    let refused = "spec.domainMappings: APIDomain e2e-domain-shared/shop gives base path refunds to another namespace; choose another base path";
    assert_eq!(message, refused);
    let grants = json!([{"namespaces": {"from": "Same"}}, {"namespaces": {"from": "All"}, "basePaths": ["refunds"]}]);
    ns.patch("apidomain/shop", json!({"spec": {"allowedAPIs": grants}})).await;
    // The tenants' accounts are the same AWS account, and so is the Region.
    other.ready(&["restapi/refunds"]).await;
    assert_eq!(mappings(&aws, &name).await, [pair("(none)", "prod"), pair("refunds", "prod")]);

    // The stage goes with what leads to it.
    let dev = json!({"stages": [{"name": "dev"}], "domainMappings": [{"domainRef": domain_ref, "basePath": "refunds", "stage": "dev"}]});
    other.patch("restapi/refunds", json!({"spec": dev})).await;
    other
        .eventually("restapi/refunds", "is served from the other stage", async |object| {
            let stages = object.unwrap()["status"]["stages"].as_array().map_or(0, Vec::len);
            let has = mappings(&aws, &name).await;
            if has.contains(&pair("refunds", "dev")) && stages == 1 {
                Ok(())
            } else {
                Err(format!("{has:?}, {stages}"))
            }
        })
        .await;
    other.ready(&["restapi/refunds"]).await;

    // What the domain no longer admits goes.
    ns.patch("apidomain/shop", json!({"spec": {"allowedAPIs": [{"namespaces": {"from": "Same"}}]}})).await;
    reads(&other, "restapi/refunds", "Stalled", "NotAllowed").await;
    assert_eq!(mappings(&aws, &name).await, [pair("(none)", "prod")]);
}

#[tokio::test]
async fn either_end_can_go_first_and_both_at_once() {
    let ns = namespace("e2e-domain-gone").await;
    ns.apply(&manifests(&ns)).await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    let (aws, name) = (Cloud::new(ns.suite.testbed.aws_endpoint()), host(&ns));

    // The API: API Gateway would refuse while something leads to it.
    ns.delete("restapi/orders").await;
    ns.gone("restapi/orders").await;
    assert_eq!(mappings(&aws, &name).await, []);
    ns.ready(&["apidomain/shop"]).await;

    // The domain.
    ns.apply(&manifests(&ns)).await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    ns.delete("apidomain/shop").await;
    ns.gone("apidomain/shop").await;
    assert!(aws.apigateway.get_domain_name().domain_name(&name).send().await.is_err());
    ns.eventually("restapi/orders", "says that it is gone", async |object| {
        let found = condition(object.unwrap(), "Reconciling").unwrap();
        let says = "spec.domainMappings: APIDomain e2e-domain-gone/shop does not exist";
        if found.message == says { Ok(()) } else { Err(found.to_string()) }
    })
    .await;
    ns.says("greet", "welcome").await;

    // Both, with their namespace.
    ns.apply(&manifests(&ns)).await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    ns.delete(&format!("namespace/{}", ns.name)).await;
    ns.gone(&format!("namespace/{}", ns.name)).await;
    assert!(aws.apigateway.get_domain_name().domain_name(&name).send().await.is_err());
    assert_eq!(ns.in_aws().await, [].into());
}

#[tokio::test]
async fn mappings_of_others_stay_and_hold_the_domain_s_deletion() {
    let ns = namespace("e2e-domain-others").await;
    ns.apply(&manifests(&ns)).await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    let (aws, name) = (Cloud::new(ns.suite.testbed.aws_endpoint()), host(&ns));
    let theirs = aws.apigateway.create_rest_api().name("theirs").send().await.unwrap().id.unwrap();
    let root = aws.apigateway.get_resources().rest_api_id(&theirs).send().await.unwrap().items()[0].id.clone().unwrap();
    let method = aws.apigateway.put_method().rest_api_id(&theirs).resource_id(&root).http_method("GET");
    method.authorization_type("NONE").send().await.unwrap();
    let mock = aws.apigateway.put_integration().rest_api_id(&theirs).resource_id(&root).http_method("GET");
    mock.r#type(aws_sdk_apigateway::types::IntegrationType::Mock).send().await.unwrap();
    aws.apigateway.create_deployment().rest_api_id(&theirs).stage_name("v1").send().await.unwrap();
    let map = aws.apigateway.create_base_path_mapping().domain_name(&name).base_path("theirs");
    map.rest_api_id(&theirs).stage("v1").send().await.unwrap();

    // Nobody here gets it, and it stays.
    ns.apply(&rest_api("squatter")).await;
    let wish = json!([{"domainRef": {"name": "shop"}, "basePath": "theirs", "stage": "prod"}]);
    ns.patch("apidomain/shop", json!({"spec": {"allowedAPIs": null}})).await;
    ns.patch("restapi/squatter", json!({"spec": {"domainMappings": wish}})).await;
    let message = reads(&ns, "restapi/squatter", "Stalled", "OwnershipConflict").await;
    assert!(message.contains(&format!("base path theirs of {name} leads to API {theirs} in AWS")), "{message}");
    assert_eq!(mappings(&aws, &name).await, [pair("orders", "prod"), pair("theirs", "v1")]);

    ns.delete("apidomain/shop").await;
    let message = reads(&ns, "apidomain/shop", "Reconciling", "DeletionBlocked").await;
    assert_eq!(
        message,
        format!(
            "1 of {name} lead to APIs of no RestAPI here (/theirs); remove these mappings in AWS, and deletion goes on"
        )
    );
    aws.apigateway.delete_base_path_mapping().domain_name(&name).base_path("theirs").send().await.unwrap();
    check(&ns, "apidomain/shop", "1").await;
    ns.gone("apidomain/shop").await;
    aws.apigateway.delete_rest_api().rest_api_id(&theirs).send().await.unwrap();
}

#[tokio::test]
async fn a_retained_domain_is_taken_back() {
    let ns = namespace("e2e-domain-kept").await;
    ns.apply(&manifests(&ns)).await;
    ns.patch("apidomain/shop", json!({"spec": {"deletionPolicy": "Retain", "deletionProtection": true}})).await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    let delete = ["-n", &ns.name, "delete", "apidomain.stepgate.dev/shop"];
    let refused = ns.suite.testbed.kubectl(delete).await.unwrap_err().to_string();
    assert!(refused.contains("APIDomain e2e-domain-kept/shop is protected"), "{refused}");
    ns.patch("apidomain/shop", json!({"spec": {"deletionProtection": false}})).await;
    let (aws, name) = (Cloud::new(ns.suite.testbed.aws_endpoint()), host(&ns));
    ns.delete("apidomain/shop").await;
    ns.gone("apidomain/shop").await;
    let released = domain(&aws, &name).await;
    assert!(released.tags().unwrap().contains_key("stepgate.dev/released-from"));
    says(&ns, &name, "/orders/greet").await;
    ns.apply(&manifests(&ns)).await;
    ns.ready(&["apidomain/shop", "restapi/orders"]).await;
    let back = domain(&aws, &name).await;
    assert!(!back.tags().unwrap().contains_key("stepgate.dev/released-from"));
    assert_eq!(back.regional_domain_name(), released.regional_domain_name());
}
