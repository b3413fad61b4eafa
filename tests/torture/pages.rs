//! Crashes while what no example has is made, changed and deleted: the manifests of the docs' pages.

use std::sync::Arc;

use serde_json::json;
use stepgate_testbed::memory::{ACCOUNT, Memory, Service};

use super::operator::CLUSTER_UID;
use super::scene::Scene;
use super::{DOMAINS, Found, Moment, crash_everywhere, difference, drive, uncrashed};

/// An account whose tenant may expose what the pages on authorization and endpoints ask for.
pub const EXPOSING: &str = r#"
apiVersion: stepgate.dev/v1alpha1
kind: AWSAccount
metadata: {name: docs}
spec:
  accountId: "111122223333"
  regions: [{name: us-east-1}]
  tenants:
  - name: docs
    namespaces: {from: All}
    exposure:
      authorizations: [NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS]
      endpointTypes: [REGIONAL, EDGE, PRIVATE]
      authorizerArns: ["arn:aws:lambda:*:*:function:*", "arn:aws:cognito-idp:*:*:userpool/*"]
      resourcePolicyPrincipals: ["*"]
      vpcSources: ["vpce-*"]
      domains: ["*.example.com"]
      kmsKeyArns: ["arn:aws:kms:*:*:key/*"]
"#;

#[rstest::rstest]
#[case::authorization("docs/authorization.md")]
#[case::encryption("docs/encryption.md")]
#[case::endpoints("docs/endpoints.md")]
#[case::private_domains("docs/private-domains.md")]
#[case::usage_plans("docs/usage-plans.md")]
#[tokio::test(start_paused = true)]
async fn the_docs_manifests_too(#[case] page: &str) {
    crash_everywhere(page, &Scene::page(page, EXPOSING)).await;
}

/// The VPC endpoints that may call a private domain are those of the manifest and those of others, by exactly these calls: what an
/// endpoint then reaches was not seen.
#[tokio::test(start_paused = true)]
async fn a_private_domain_is_called_from_the_endpoints_that_it_names() {
    let scene = Scene::page("docs/private-domains.md", EXPOSING);
    let start = Moment::first(&scene);
    let ours = |aws: &Memory| {
        let mut domains = aws.region(ACCOUNT, "us-east-1").unwrap().domains.values();
        domains.find(|one| one.tags["stepgate.dev/cluster-uid"] == CLUSTER_UID).cloned().unwrap()
    };
    let associations = |aws: &Memory| {
        let ours = ours(aws).associations.into_iter();
        ours.map(|(endpoint, one)| (endpoint, one.tags.get("stepgate.dev/name").cloned())).collect::<Vec<_>>()
    };
    let done = |aws: &Memory, operation: &str| {
        aws.counts().get(&(Service::ApiGateway, operation.to_owned())).map_or(0, |count| count.done)
    };
    // Neighbours were here before.
    let calls = |aws: &Memory, operation: &str| done(aws, operation) - done(&start.aws, operation);
    let (create, delete) = ("CreateDomainNameAccessAssociation", "DeleteDomainNameAccessAssociation");
    let (first, next, theirs) = ("vpce-0123456789abcdef0", "vpce-00000000000000001", "vpce-9");
    let mut made = uncrashed("make", &start, &scene).await.end;
    let name = Some("internal".to_owned());
    assert_eq!(associations(&made.aws), [(first.to_owned(), name.clone())]);
    assert_eq!((calls(&made.aws, create), calls(&made.aws, delete)), (1, 0));
    // Somebody else's, for an endpoint that nobody asks for.
    let domain = ours(&made.aws).domain_name_arn;
    let body =
        json!({"domainNameArn": domain, "accessAssociationSourceType": "VPCE", "accessAssociationSource": theirs});
    let request = http::Request::post("https://apigateway.us-east-1.amazonaws.com/domainnameaccessassociations");
    let answer = made.aws.handle(&request.body(body.to_string().into_bytes()).unwrap());
    assert_eq!(answer.status(), 201, "{}", String::from_utf8_lossy(answer.body()));
    // The manifest names another one.
    let changed = uncrashed("change", &made, &scene.changed()).await.end;
    assert_eq!(associations(&changed.aws), [(next.to_owned(), name), (theirs.to_owned(), None)]);
    assert_eq!((calls(&changed.aws, create), calls(&changed.aws, delete)), (3, 1));
    // None at all.
    let mut none = scene.changed();
    for domain in none.world.domains.values_mut() {
        Arc::make_mut(domain).spec.access_associations = None;
    }
    let end = uncrashed("none", &changed, &none).await.end;
    assert_eq!(associations(&end.aws), [(theirs.to_owned(), None)]);
    assert_eq!((calls(&end.aws, create), calls(&end.aws, delete)), (3, 2));
}

/// All that a stage can have, with the log role of an account that has none.
#[tokio::test(start_paused = true)]
async fn a_crash_while_stages_are_set_up_loses_nothing_and_doubles_nothing() {
    let account = r#"{kind: AWSAccount, metadata: {name: dev}, spec: {accountId: "111122223333", regions: [{name: us-east-1}],
        apiGatewayLogRole: {arn: "arn:aws:iam::111122223333:role/logs"},
        tenants: [{name: all, namespaces: {from: All}, exposure: {authorizations: [NONE], cacheClusterSizes: ["0.5"], clientCertificates: ["arn:aws:acm:*:*:certificate/*"]}}]}}"#;
    let scene = Scene::page("docs/stages.md", account);
    let start = Moment::first(&scene);
    let mut found = Found::default();
    let made = found.phase("make", &start, &scene).await;
    let region = made.aws.region(ACCOUNT, "us-east-1").unwrap();
    assert_eq!(region.log_role.as_deref(), Some("arn:aws:iam::111122223333:role/logs"));
    assert_eq!(region.log_groups.len(), 2, "one is a neighbour's");
    // `prod` pinned with a canary, and without the rest; a stage beside it.
    let mut canary = scene.changed();
    let api = Arc::make_mut(canary.world.apis.values_mut().next().unwrap());
    api.spec.stages[1] = serde_json::from_value(json!(
        {"name": "prod", "revision": 1, "canary": {"percent": 10.5, "variables": {"color": "green"}}}
    ))
    .unwrap();
    let with_canary = found.phase("canary", &made, &canary).await;
    let mut promoted = canary.clone();
    let api = Arc::make_mut(promoted.world.apis.values_mut().next().unwrap());
    api.spec.stages[1] = serde_json::from_value(json!({"name": "prod", "revision": 2})).unwrap();
    let after = found.phase("promote", &with_canary, &promoted).await;
    let gone = found.phase("delete", &after, &promoted.gone()).await;
    let mut gone = gone.aws.essence();
    let region = gone[ACCOUNT]["us-east-1"].as_object_mut().unwrap();
    assert!(region.remove("logRole").is_some(), "it is never taken away");
    assert_eq!(difference(&start.aws.essence(), &gone), None);
    found.end("stages");
}

/// Without a role for logs, the rest of the stage is as asked, and what has a role is not asked about again.
#[tokio::test(start_paused = true)]
async fn without_a_log_role_all_but_logging_is_as_asked() {
    let account = r#"{kind: AWSAccount, metadata: {name: dev}, spec: {accountId: "111122223333", regions: [{name: us-east-1}],
        tenants: [{name: all, namespaces: {from: All}, exposure: {authorizations: [NONE], cacheClusterSizes: ["0.5"], clientCertificates: ["arn:aws:acm:*:*:certificate/*"]}}]}}"#;
    let scene = Scene::page("docs/stages.md", account);
    let start = Moment::first(&scene);
    let run = uncrashed("make", &start, &scene).await;
    let prod = |aws: &Memory| {
        let region = aws.region(ACCOUNT, "us-east-1").unwrap();
        let ours = region.apis.values().find(|api| api.tags["stepgate.dev/cluster-uid"] == CLUSTER_UID);
        ours.unwrap().stages["prod"].clone()
    };
    let stage = prod(&run.end.aws);
    assert!(stage.access_log_settings.is_empty() && stage.tracing_enabled, "{stage:?}");
    assert!(stage.method_settings.values().all(|settings| settings.logging_level.as_deref() != Some("ERROR")));
    assert!(stage.method_settings["*/*"].metrics_enabled);
    // Somebody sets one: the next look goes on with it, and asks once.
    let mut set = run.end.clone();
    set.aws.settings.log_role = Some("arn:aws:iam::111122223333:role/theirs".into());
    let run = uncrashed("make", &set, &scene).await;
    let stage = prod(&run.end.aws);
    assert_eq!(stage.access_log_settings.len(), 2);
    assert_eq!(stage.method_settings["*/*"].logging_level.as_deref(), Some("ERROR"));
    let asked = |service, operation: &str| {
        let count = |aws: &Memory| aws.counts().get(&(service, operation.to_owned())).map_or(0, |count| count.done);
        count(&run.end.aws) - count(&set.aws)
    };
    // Two processes, several looks each.
    assert_eq!(asked(Service::ApiGateway, "GetAccount"), 2);
    assert_eq!(asked(Service::ApiGateway, "UpdateAccount"), 0);
}

/// The stage waits for the base path, and goes a look later than what else was changed.
#[tokio::test(start_paused = true)]
async fn a_stage_that_goes_with_its_base_path_is_no_drift() {
    let scene = Scene::example(DOMAINS);
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let mut without = scene.clone();
    without.world.domains.clear();
    for api in without.world.apis.values_mut() {
        let spec = &mut Arc::make_mut(api).spec;
        spec.domain_mappings.clear();
        spec.stages.iter_mut().for_each(|stage| stage.name += "-next");
    }
    let end = drive(&made, &without, None).await.unwrap();
    for ((_, _, name), api) in end.objects.of("restapis") {
        assert_eq!(api["status"]["stages"].as_array().unwrap().len(), 1, "the old stage of {name} stays");
        assert!(api["status"]["lastDrift"].is_null(), "{name}: {}", api["status"]["lastDrift"]);
    }
}
