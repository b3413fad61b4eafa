//! An APIDomain that can't be carried out: each sentence says what to do.

use serde_json::{Value, json};
use stepgate_testbed::Relay;

use crate::cloud::Cloud;
use crate::support::{Namespace, TENANT, suite};
use crate::tenancy::account;

const CERTIFICATE: &str = "arn:aws:acm:us-east-1:000000000000:certificate/a1";

fn domain(ns: &Namespace, name: &str) -> String {
    let host = format!("{name}.{}.example.com", ns.name);
    json!({
        "apiVersion": "stepgate.dev/v1alpha1", "kind": "APIDomain", "metadata": {"name": name},
        "spec": {"domainName": host, "certificateArn": CERTIFICATE},
    })
    .to_string()
}

fn exposure() -> Value {
    json!({"exposure": {"domains": ["*.${namespace}.example.com"]}})
}

async fn namespace(name: &str) -> Namespace {
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    ns.apply(&account(name, &[(name, exposure())]).await.to_string()).await;
    ns
}

#[tokio::test]
async fn what_is_wrong_with_a_domain_is_said_and_what_serves_stays() {
    let ns = namespace("e2e-domain-wrong").await;
    ns.apply(&domain(&ns, "good")).await;
    ns.ready(&["apidomain/good"]).await;
    let elsewhere = "arn:aws:acm:eu-west-1:000000000000:certificate/a1";
    ns.patch("apidomain/good", json!({"spec": {"certificateArn": elsewhere}})).await;
    let says = format!(
        "spec.certificateArn: `{elsewhere}` is of account 000000000000, Region eu-west-1; API Gateway takes a certificate of account 000000000000, Region us-east-1 here"
    );
    assert_eq!(ns.stalled("apidomain/good", "InvalidSpec").await, says);
    let kept = ns.condition("apidomain/good", "Ready", "False", "LastKnownGood").await;
    assert_eq!(kept, format!("{says}. What was served before keeps serving."));

    // Paused: the plan is told, and nothing is done.
    let paused = |value: Value| json!({"metadata": {"annotations": {"stepgate.dev/paused": value}}});
    ns.patch("apidomain/good", paused("true".into())).await;
    let other = "arn:aws:acm:us-east-1:000000000000:certificate/b2";
    ns.patch("apidomain/good", json!({"spec": {"certificateArn": other}})).await;
    let plan = ns.condition("apidomain/good", "Ready", "False", "Paused").await;
    let host = format!("good.{}.example.com", ns.name);
    let expected = format!(
        "Paused by annotation stepgate.dev/paused; without it: update regionalCertificateArn of domain name {host}"
    );
    assert_eq!(plan, expected);
    ns.patch("apidomain/good", paused(Value::Null)).await;
    ns.ready(&["apidomain/good"]).await;

    // Somebody else's in AWS.
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let theirs = format!("theirs.{}.example.com", ns.name);
    let endpoint = aws_sdk_apigateway::types::EndpointConfiguration::builder()
        .types(aws_sdk_apigateway::types::EndpointType::Regional)
        .build();
    let create = aws.apigateway.create_domain_name().domain_name(&theirs).regional_certificate_arn(CERTIFICATE);
    create.endpoint_configuration(endpoint).send().await.unwrap();
    ns.apply(&domain(&ns, "theirs")).await;
    let message = ns.stalled("apidomain/theirs", "OwnershipConflict").await;
    let says = format!("domain name `{theirs}` exists in AWS and is not ours: it has no owner tag of stepgate.");
    assert!(message.starts_with(&says), "{message}");
    ns.delete("apidomain/theirs").await;
    ns.gone("apidomain/theirs").await;
    aws.apigateway.delete_domain_name().domain_name(&theirs).send().await.expect("it was left alone");
}

#[tokio::test]
async fn accounts_and_tenants_of_domains() {
    let nobody = Namespace::labelled("e2e-domain-nobody", &[]).await;
    nobody.apply(&domain(&nobody, "site")).await;
    assert_eq!(
        nobody.stalled("apidomain/site", "NotAdmitted").await,
        "no tenant of an AWSAccount admits namespace e2e-domain-nobody; the platform admin must add it to a tenant's `namespaces`"
    );

    // What lives in one account does not move to another.
    let ns = namespace("e2e-domain-moves").await;
    ns.apply(&domain(&ns, "site")).await;
    ns.ready(&["apidomain/site"]).await;
    let mut second = account("e2e-domain-second", &[("e2e-domain-moves", exposure())]).await;
    ns.apply(&second.to_string()).await;
    ns.patch("apidomain/site", json!({"spec": {"accountRef": {"name": "e2e-domain-second"}}})).await;
    let message = ns.stalled("apidomain/site", "BindingChanged").await;
    assert!(message.contains("(e2e-domain-second)") && message.contains("(e2e-domain-moves)"), "{message}");
    ns.patch("apidomain/site", json!({"spec": {"accountRef": {"name": "e2e-domain-moves"}}})).await;
    ns.ready(&["apidomain/site"]).await;
    ns.delete("awsaccount/e2e-domain-second").await;
    ns.gone("awsaccount/e2e-domain-second").await;

    // An account whose credentials are another's.
    second["metadata"]["name"] = "e2e-domain-third".into();
    second["spec"]["accountId"] = "111122223333".into();
    ns.apply(&second.to_string()).await;
    let wrong = json!({"accountRef": {"name": "e2e-domain-third"}, "certificateArn": CERTIFICATE.replace("000000000000", "111122223333")});
    ns.apply(&crate::escalation::patched(&domain(&ns, "wrong"), &wrong)).await;
    ns.stalled("apidomain/wrong", "WrongAccount").await;
    ns.delete("apidomain/wrong").await;
    ns.gone("apidomain/wrong").await;
    ns.delete("awsaccount/e2e-domain-third").await;
    ns.gone("awsaccount/e2e-domain-third").await;
}

#[tokio::test]
async fn a_domain_waits_where_aws_does_not_answer_and_is_held_by_the_brake() {
    let relay = Relay::start(suite().await.testbed.aws_endpoint()).await.unwrap();
    let name = "e2e-domain-cut";
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    let mut admin = account(name, &[(name, exposure())]).await;
    admin["spec"]["endpointUrl"] = relay.url().into();
    admin["spec"]["maxDeletionsPerHour"] = 1.into();
    ns.apply(&admin.to_string()).await;
    ns.ready(&[&format!("awsaccount/{name}")]).await;
    relay.cut();
    ns.apply(&(domain(&ns, "one") + "\n---\n" + &domain(&ns, "two"))).await;
    ns.condition("apidomain/one", "Reconciling", "True", "Retrying").await;
    relay.restore();
    ns.ready(&["apidomain/one", "apidomain/two"]).await;
    ns.delete("apidomain/one").await;
    ns.gone("apidomain/one").await;
    ns.delete("apidomain/two").await;
    let message = ns.condition("apidomain/two", "Reconciling", "True", "DeletionHeld").await;
    assert!(message.starts_with("more than 1 deletions within an hour"), "{message}");
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let host = format!("two.{name}.example.com");
    assert!(aws.apigateway.get_domain_name().domain_name(&host).send().await.is_ok());
    let released = json!({"metadata": {"annotations": {"stepgate.dev/deletions-released-at": "2100-01-01T00:00:00Z"}}});
    ns.patch(&format!("awsaccount/{name}"), released).await;
    ns.gone("apidomain/two").await;
    ns.delete(&format!("awsaccount/{name}")).await;
    ns.gone(&format!("awsaccount/{name}")).await;
}
