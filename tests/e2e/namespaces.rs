//! A namespace is deleted with everything in it. Its objects say what that waits for: events can't be written there any more.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stepgate_testbed::{Relay, Request};

use crate::cloud::Cloud;
use crate::support::{Namespace, PATIENCE, TENANT, account, eventually, machine, rest_api, route, suite};
use crate::tenancy::{self, granting, route_of};

const WITH_DOMAIN: [&str; 4] = ["statemachine/say", "restapi/api", "apiroute/say", "apidomain/shop"];
const WITH_KEYS: [&str; 4] = ["statemachine/say", "restapi/api", "apiroute/say", "usageplan/gold"];

/// What the operator, and a user, write beside them: nothing holds it when its namespace goes.
const BESIDE: [&str; 5] =
    ["configmap/of-machine", "configmap/of-api", "configmap/of-route", "secret/partner", "secret/web"];

fn say() -> String {
    [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()
}

/// The same, on a domain below `NAMESPACE.example.com`.
fn say_on_domain(namespace: &str) -> String {
    let mapped = "{domainMappings: [{domainRef: {name: shop}, basePath: say, stage: prod}], stages";
    let domain = json!({
        "apiVersion": "stepgate.dev/v1alpha1", "kind": "APIDomain", "metadata": {"name": "shop"},
        "spec": {
            "domainName": format!("api.{namespace}.example.com"),
            "certificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012",
        },
    });
    format!("{}---\n{domain}\n", say().replace("{stages", mapped))
}

/// The same with outputs, and with a plan that alone opens the route: by a key of a user's Secret, and by one that is made up.
fn say_with_keys(namespace: &str) -> String {
    let outputs = |name: &str| format!("outputs: {{configMapRef: {{name: {name}}}}}");
    let machine = format!("{}  {}\n", machine("say", "hello"), outputs("of-machine"));
    let api = rest_api("api").replace("{stages", &format!("{{{}, stages", outputs("of-api")));
    let route = route("say", "/say", "say").replace("{type: NONE}", "{type: NONE, apiKeyRequired: true}");
    let route = format!("{route}  {}\n", outputs("of-route"));
    // AWS has each value once.
    let secret = json!({
        "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "partner"},
        "stringData": {"value": format!("{namespace}-partner-value-1")},
    });
    let plan = json!({
        "apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": "gold"},
        "spec": {
            "apiStages": [{"apiRef": {"name": "api"}, "stage": "prod"}],
            "apiKeys": [
                {"name": "partner", "secretKeyRef": {"name": "partner", "key": "value"}},
                {"name": "web", "generate": {"secretName": "web", "key": "value"}},
            ],
        },
    });
    format!("{machine}{api}{route}---\n{secret}\n---\n{plan}\n")
}

/// All that a namespace has in AWS, usage plans and API keys too.
async fn all_in_aws(ns: &Namespace) -> BTreeSet<String> {
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let ours = format!("{}_", ns.name);
    let plans = aws.apigateway.get_usage_plans().limit(500).send().await.unwrap();
    let keys = aws.apigateway.get_api_keys().limit(500).send().await.unwrap();
    let plans = plans.items().iter().filter_map(|plan| plan.name()).filter(|name| name.starts_with(&ours));
    let keys = keys.items().iter().filter_map(|key| key.name()).filter(|name| name.starts_with(&ours));
    let mut all = ns.in_aws().await;
    all.extend(plans.map(|name| format!("usage plan {name}")));
    all.extend(keys.map(|name| format!("API key {name}")));
    all
}

/// Whether AWS has what an object, as it was found, stands for.
async fn is_in_aws(aws: &Cloud, object: &str, found: &Value) -> bool {
    let text = |pointer: &str| found.pointer(pointer).and_then(Value::as_str).unwrap();
    match object {
        "statemachine/say" => aws.machine(text("/status/stateMachineArn")).await.is_some(),
        "restapi/api" => aws.rest_api(text("/status/restApiId")).await.is_some(),
        "apidomain/shop" => aws.apigateway.get_domain_name().domain_name(text("/spec/domainName")).send().await.is_ok(),
        other => panic!("{other} is none of these"),
    }
}

/// Waits until an object says what its namespace waits for.
async fn says(ns: &Namespace, object: &str, reason: &str, holds: &str) {
    ns.eventually(object, "says what is waited for", async |found| {
        let object = found.ok_or("is not there")?;
        for type_ in ["Ready", "Reconciling"] {
            let says = crate::support::condition(object, type_).ok_or("has no status")?;
            let status = if type_ == "Ready" { "False" } else { "True" };
            if says.status != status || says.reason != reason || !says.message.contains(holds) {
                return Err(format!("{type_}: {says}"));
            }
        }
        Ok(())
    })
    .await;
}

#[rstest::rstest]
#[case::machine("ns-protected-machine", "statemachine/say", &["apiroute/say", "restapi/api", "apidomain/shop"])]
// What it serves stays with it.
#[case::api("ns-protected-api", "restapi/api", &["apidomain/shop"])]
#[case::domain("ns-protected-domain", "apidomain/shop", &["apiroute/say", "restapi/api", "statemachine/say"])]
#[tokio::test]
async fn what_is_protected_says_that_its_namespace_waits_for_it(
    #[case] name: &str,
    #[case] object: &str,
    #[case] goes: &[&str],
) {
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    let exposure = json!({"authorizations": ["NONE"], "domains": ["*.${namespace}.example.com"]});
    ns.apply(&tenancy::account(name, &[(name, json!({"exposure": exposure}))]).await.to_string()).await;
    ns.apply(&say_on_domain(name)).await;
    ns.ready(&WITH_DOMAIN).await;
    let protection = |value: bool| json!({"spec": {"deletionProtection": value}});
    ns.patch(object, protection(true)).await;
    ns.ready(&WITH_DOMAIN).await;
    // The API server takes it into account only after a moment.
    let full = object.replace('/', ".stepgate.dev/");
    eventually("deletion is refused", PATIENCE, async || {
        let dry = ["delete", "-n", &ns.name, "--dry-run=server", &full];
        ns.suite.testbed.kubectl(dry).await.err().map(drop).ok_or("it would be deleted".to_owned())
    })
    .await;
    let found = ns.get(object).await;
    ns.delete(&format!("namespace/{name}")).await;
    let holds =
        format!("namespace {name} is being deleted and waits for this object, which spec.deletionProtection keeps");
    says(&ns, object, "DeletionBlocked", &holds).await;
    for object in goes {
        ns.gone(object).await;
    }
    assert!(ns.get(object).await["metadata"]["deletionTimestamp"].is_null());
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    assert!(is_in_aws(&aws, object, &found).await);
    ns.patch(object, protection(false)).await;
    ns.gone(&format!("namespace/{name}")).await;
    assert!(!is_in_aws(&aws, object, &found).await);
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
    ns.delete(&format!("awsaccount/{name}")).await;
    ns.gone(&format!("awsaccount/{name}")).await;
}

#[tokio::test]
async fn one_that_goes_while_aws_is_down_says_so_and_ends_when_it_is_back() {
    let relay = Relay::start(suite().await.testbed.aws_endpoint()).await.unwrap();
    let ns = Namespace::labelled("ns-down", &[(TENANT, "ns-down")]).await;
    let exposing = "domains: [\"*.${namespace}.example.com\"]\n      authorizations:";
    ns.apply(&account("ns-down", relay.url()).replace("authorizations:", exposing)).await;
    ns.apply(&say_on_domain("ns-down")).await;
    ns.ready(&WITH_DOMAIN).await;
    let inventory = ns.in_aws().await;
    let domain = ns.get("apidomain/shop").await;
    relay.cut();
    ns.delete("namespace/ns-down").await;
    for object in ["statemachine/say", "restapi/api", "apidomain/shop"] {
        says(&ns, object, "Retrying", "was not answered").await;
    }
    // It waits for nothing: what serves it goes with its API.
    ns.gone("apiroute/say").await;
    assert_eq!(ns.in_aws().await, inventory);
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    assert!(is_in_aws(&aws, "apidomain/shop", &domain).await);
    relay.restore();
    ns.gone("namespace/ns-down").await;
    assert!(!is_in_aws(&aws, "apidomain/shop", &domain).await);
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
    ns.delete("awsaccount/ns-down").await;
    ns.gone("awsaccount/ns-down").await;
}

#[tokio::test]
async fn one_whose_route_another_s_api_serves_waits_while_aws_is_down_and_says_so() {
    let relay = Relay::start(suite().await.testbed.aws_endpoint()).await.unwrap();
    let platform = Namespace::labelled("ns-platform-away", &[(TENANT, "ns-away")]).await;
    let ns = Namespace::labelled("ns-away", &[(TENANT, "ns-away")]).await;
    ns.apply(&account("ns-away", relay.url())).await;
    platform.apply(&granting(&json!([{"namespaces": {"from": "All"}, "authorizations": ["NONE"]}]))).await;
    ns.apply(&[machine("say", "hello"), route_of("ns-platform-away", "say", "/say", "say")].concat()).await;
    ns.ready(&["statemachine/say", "apiroute/say"]).await;
    platform.ready(&["restapi/api"]).await;
    let inventory = ns.in_aws().await;
    relay.cut();
    ns.delete("namespace/ns-away").await;
    let why = "stage prod of RestAPI ns-platform-away/api still serves it; RestAPI ns-platform-away/api: ";
    says(&ns, "apiroute/say", "Deleting", why).await;
    says(&ns, "statemachine/say", "Retrying", "was not answered").await;
    let message = platform.condition("restapi/api", "Reconciling", "True", "Retrying").await;
    assert!(message.contains("was not answered"), "{message}");
    assert_eq!(ns.in_aws().await, inventory);
    relay.restore();
    ns.gone("namespace/ns-away").await;
    platform.ready(&["restapi/api"]).await;
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
    platform.delete("namespace/ns-platform-away").await;
    platform.gone("namespace/ns-platform-away").await;
    ns.delete("awsaccount/ns-away").await;
    ns.gone("awsaccount/ns-away").await;
}

#[tokio::test]
async fn one_with_keys_and_outputs_goes_with_all_of_it() {
    let ns = Namespace::new("ns-keys").await;
    ns.apply(&say_with_keys("ns-keys")).await;
    ns.ready(&WITH_KEYS).await;
    for object in BESIDE {
        ns.get(object).await;
    }
    let all = all_in_aws(&ns).await;
    for name in ["usage plan ns-keys_gold", "API key ns-keys_gold_partner", "API key ns-keys_gold_web"] {
        assert!(all.contains(name), "no {name}: {all:?}");
    }
    ns.delete("namespace/ns-keys").await;
    ns.gone("namespace/ns-keys").await;
    assert_eq!(all_in_aws(&ns).await, BTreeSet::new());
}

/// Neither the Secrets of its keys nor the records of what its stages serve are there any more when AWS is.
#[tokio::test]
async fn one_whose_secrets_and_records_go_first_says_what_it_waits_for_and_ends() {
    let relay = Relay::start(suite().await.testbed.aws_endpoint()).await.unwrap();
    let ns = Namespace::labelled("ns-keyless", &[(TENANT, "ns-keyless")]).await;
    ns.apply(&account("ns-keyless", relay.url())).await;
    ns.apply(&say_with_keys("ns-keyless")).await;
    ns.ready(&WITH_KEYS).await;
    let inventory = all_in_aws(&ns).await;
    relay.cut();
    // The plan lives yet: it asks for other values, and makes one up that AWS never gets.
    for secret in ["secret/partner", "secret/web"] {
        ns.delete(secret).await;
    }
    ns.delete("namespace/ns-keyless").await;
    for object in ["statemachine/say", "restapi/api", "usageplan/gold"] {
        says(&ns, object, "Retrying", "was not answered").await;
    }
    ns.gone("apiroute/say").await;
    eventually("nothing is left beside what AWS holds", PATIENCE, async || {
        let get = ["get", "-n", &ns.name, "-o", "name", "secrets,configmaps,controllerrevisions"];
        let left = ns.suite.testbed.kubectl(get).await.map_err(|error| format!("{error:#}"))?;
        if left.trim().is_empty() { Ok(()) } else { Err(left) }
    })
    .await;
    assert_eq!(all_in_aws(&ns).await, inventory);
    relay.restore();
    ns.gone("namespace/ns-keyless").await;
    assert_eq!(all_in_aws(&ns).await, BTreeSet::new());
    ns.delete("awsaccount/ns-keyless").await;
    ns.gone("awsaccount/ns-keyless").await;
}

#[tokio::test]
async fn one_whose_machine_a_pinned_stage_of_another_serves_waits_and_says_so() {
    let platform = Namespace::new("ns-pinned-platform").await;
    let ns = Namespace::new("ns-pinned").await;
    let grants = json!([{"namespaces": {"from": "All"}, "authorizations": ["NONE"]}]);
    let api = |stages: &str| {
        rest_api("api").replace("{stages: [{name: prod}]}", &format!("{{allowedRoutes: {grants}, stages: {stages}}}"))
    };
    platform.apply(&api("[{name: prod}]")).await;
    ns.apply(&machine("say", "hello")).await;
    ns.apply(&route("say", "/say", "say").replace("{name: api}", "{name: api, namespace: ns-pinned-platform}")).await;
    ns.ready(&["statemachine/say", "apiroute/say"]).await;
    platform.ready(&["restapi/api"]).await;
    let status = platform.get("restapi/api").await["status"]["stages"][0].clone();
    let revision = status["revision"].as_i64().unwrap();
    platform.apply(&api(&format!("[{{name: prod, revision: {revision}}}, {{name: dev}}]"))).await;
    platform.ready(&["restapi/api"]).await;

    ns.delete("namespace/ns-pinned").await;
    let holds = format!("stage prod of RestAPI ns-pinned-platform/api serves it in revision {revision}");
    says(&ns, "statemachine/say", "DeletionBlocked", &holds).await;
    ns.gone("apiroute/say").await;
    let request = Request {
        method: "POST".into(),
        url: format!("{}/say", status["invokeUrl"].as_str().unwrap()),
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: Some("{}".into()),
        ..Request::default()
    };
    let answer = request.send().await.unwrap();
    assert!(answer.status == 200 && answer.body.contains("hello"), "{}", answer.body);
    platform.apply(&api("[{name: prod}, {name: dev}]")).await;
    ns.gone("namespace/ns-pinned").await;
    assert!(ns.in_aws().await.is_empty(), "{:?}", ns.in_aws().await);
}
