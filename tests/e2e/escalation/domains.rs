//! Domains and base paths of others.

use aws_sdk_apigateway::types::BasePathMapping;
use serde_json::{Value, json};

use super::forged::forge;
use crate::cloud::Cloud;
use crate::support::{Namespace, TENANT, condition, rest_api};
use crate::tenancy::account;

fn domain(name: &str, domain_name: &str, spec: Value) -> String {
    let mut object = json!({
        "apiVersion": "stepgate.dev/v1alpha1", "kind": "APIDomain", "metadata": {"name": name},
        "spec": {"domainName": domain_name, "certificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/a1"},
    });
    object["spec"].as_object_mut().unwrap().extend(spec.as_object().unwrap().clone());
    object.to_string()
}

fn at(domain: &Value, path: &str) -> Value {
    json!({"spec": {"domainMappings": [{"domainRef": domain, "basePath": path, "stage": "prod"}]}})
}

async fn stalled(ns: &Namespace, object: &str, reason: &str, begins: &str) {
    let message = ns
        .eventually(object, reason, async |object| {
            let found = object.and_then(|object| condition(object, "Stalled")).ok_or("has no conditions")?;
            if found.reason == reason { Ok(found.message) } else { Err(found.to_string()) }
        })
        .await;
    assert!(message.starts_with(begins), "{message}");
}

/// A victim whose API is served at `/orders` of its own domain, which it shares, and an attacker; each has the names below its own.
async fn scene(name: &str) -> (Namespace, Namespace, Cloud, String) {
    let mut both = Vec::new();
    for who in ["victim", "hostile"] {
        let tenant = format!("{name}-{who}");
        let ns = Namespace::labelled(&tenant, &[(TENANT, &tenant)]).await;
        let exposure = json!({"exposure": {
            "domains": ["*.${namespace}.example.com"], "endpointTypes": ["REGIONAL", "PRIVATE"], "vpcSources": [format!("vpce-{who}")],
        }});
        ns.apply(&account(&tenant, &[(&tenant, exposure)]).await.to_string()).await;
        both.push(ns);
    }
    let (hostile, victim) = (both.pop().unwrap(), both.pop().unwrap());
    let host = format!("api.{}.example.com", victim.name);
    let grants = json!([
        {"namespaces": {"from": "Same"}, "basePaths": ["orders"]},
        {"namespaces": {"from": "All"}, "basePaths": ["shared", "guests"]},
    ]);
    victim.apply(&domain("site", &host, json!({"allowedAPIs": grants}))).await;
    victim.apply(&rest_api("orders")).await;
    let mappings = json!({"spec": {"domainMappings": [
        {"domainRef": {"name": "site"}, "basePath": "orders", "stage": "prod"},
        {"domainRef": {"name": "site"}, "basePath": "shared", "stage": "prod"},
    ]}});
    victim.patch("restapi/orders", mappings).await;
    victim.ready(&["apidomain/site"]).await;
    let aws = Cloud::new(victim.suite.testbed.aws_endpoint());
    victim
        .eventually("restapi/orders", "is served", async |object| match &object.unwrap()["status"]["domainMappings"] {
            Value::Array(all) if all.len() == 2 && all[0]["accepted"] == true => Ok(()),
            other => Err(other.to_string()),
        })
        .await;
    (victim, hostile, aws, host)
}

async fn mappings(aws: &Cloud, host: &str) -> Vec<BasePathMapping> {
    let found = aws.apigateway.get_base_path_mappings().domain_name(host).send().await.unwrap();
    let mut found = found.items().to_vec();
    found.sort_by_key(|one| one.base_path.clone());
    found
}

#[tokio::test]
async fn domains_are_whose_they_are() {
    let (victim, hostile, aws, host) = scene("esc-domain").await;
    let before = mappings(&aws, &host).await;
    let tenant = format!("tenant {0} of AWSAccount {0}", hostile.name);
    for (name, domain_name) in
        [("same", host.as_str()), ("above", "*.example.com"), ("theirs", "*.esc-domain-victim.example.com")]
    {
        hostile.apply(&domain(name, domain_name, json!({}))).await;
        let reads = format!("spec.domainName: `{domain_name}` is in none of the `exposure.domains` of {tenant}");
        stalled(&hostile, &format!("apidomain/{name}"), "OverCeiling", &reads).await;
    }
    let edge = json!({"endpointType": "EDGE"});
    hostile.apply(&domain("edge", &format!("edge.{}.example.com", hostile.name), edge)).await;
    stalled(&hostile, "apidomain/edge", "OverCeiling", &format!("spec.endpointType: {tenant} does not admit EDGE"))
        .await;

    // To callers in the victim's VPC, by which they would take it for their own.
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke",
        "Resource": "execute-api:/*", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-hostile"}}}]});
    let private =
        json!({"endpointType": "PRIVATE", "policy": policy.to_string(), "accessAssociations": ["vpce-victim"]});
    hostile.apply(&domain("private", &format!("private.{}.example.com", hostile.name), private)).await;
    let reads = format!("spec.accessAssociations: `vpce-victim` is in none of the `exposure.vpcSources` of {tenant}");
    stalled(&hostile, "apidomain/private", "OverCeiling", &reads).await;

    // As if it were the victim's own.
    let owner = json!({"tags": {"stepgate.dev/namespace": victim.name}});
    hostile.apply(&domain("owner", &format!("owner.{}.example.com", hostile.name), owner)).await;
    let reads = "spec.tags: keys that begin with `aws:` or `stepgate.dev/` are not yours to set";
    stalled(&hostile, "apidomain/owner", "InvalidSpec", reads).await;

    // On the victim's domain.
    let site = json!({"name": "site", "namespace": victim.name});
    let own = format!("spec.domainMappings: APIDomain {}/site ", victim.name);
    for (name, path, reason, reads) in [
        ("orders", "orders", "NotAllowed", format!("{own}gives base path orders to another namespace")),
        ("fresh", "fresh", "NotAllowed", format!("{own}admits RestAPIs of namespace {} only under", hostile.name)),
        (
            "squatter",
            "shared",
            "MappingConflict",
            format!("spec.domainMappings: base path shared of {host} is RestAPI {}/orders's", victim.name),
        ),
    ] {
        hostile.apply(&rest_api(name)).await;
        hostile.patch(&format!("restapi/{name}"), at(&site, path)).await;
        stalled(&hostile, &format!("restapi/{name}"), reason, &reads).await;
    }
    assert_eq!(mappings(&aws, &host).await, before);
    assert_eq!(
        aws.apigateway
            .get_domain_names()
            .send()
            .await
            .unwrap()
            .items()
            .iter()
            .filter(|one| { one.tags().is_some_and(|tags| tags.get("stepgate.dev/namespace") == Some(&hostile.name)) })
            .count(),
        0
    );
}

/// The attacker's RestAPI may be served at `/guests`. It can't be carried out, so that its forged status stays: its API is the victim's.
#[tokio::test]
async fn a_forged_id_maps_nothing() {
    let (victim, hostile, aws, host) = scene("esc-mapped").await;
    let before = mappings(&aws, &host).await;
    let status = victim.get("restapi/orders").await["status"].clone();
    hostile.apply(&rest_api("guest")).await;
    hostile.patch("restapi/guest", json!({"spec": {"accountRef": {"name": "nowhere"}}})).await;
    stalled(&hostile, "restapi/guest", "NotAdmitted", "spec.accountRef.name: there is no AWSAccount").await;
    let forged = json!({"restApiId": status["restApiId"], "stages": status["stages"], "binding": status["binding"]});
    forge(&hostile, "restapi/guest", forged).await.unwrap();
    let site = json!({"name": "site", "namespace": victim.name});
    hostile.patch("restapi/guest", at(&site, "guests")).await;
    let says = format!("RestAPI {}/guest shows an API in its status that is not its own", hostile.name);
    hostile
        .eventually("restapi/guest", "is found out", async |object| {
            let shown = &object.unwrap()["status"]["domainMappings"][0]["message"];
            if *shown == says { Ok(()) } else { Err(shown.to_string()) }
        })
        .await;
    assert_eq!(mappings(&aws, &host).await, before);
    victim.ready(&["apidomain/site", "restapi/orders"]).await;
}
