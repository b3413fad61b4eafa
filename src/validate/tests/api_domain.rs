use rstest::rstest;

use crate::api::RestAPI;
use crate::identity::{Key, Tags};
use crate::model::domain::{Domain, KnownApis, Observed, removal};
use crate::observe::domain::claims;
use crate::resources::base_path_mapping::Mapping;
use crate::resources::domain_name::Settings;
use crate::resources::{access_association, domain_name};
use crate::validate::api_domain::{ValidDomain, validate, wishes};
use crate::validate::domain_mappings;
use crate::validate::fixture::{ACCOUNT, the_domain, with, world};
use crate::world::World;

const CERTIFICATE: &str = "arn:${AWS::Partition}:acm:${AWS::Region}:${AWS::AccountId}:certificate/a1";

/// The tenant `demo` may have names below `demo.example.com`.
fn account() -> String {
    ACCOUNT.replace(
        "[NONE, AWS_IAM]}",
        "[NONE, AWS_IAM], endpointTypes: [REGIONAL, EDGE, PRIVATE], vpcSources: [\"vpce-1\"], domains: [\"*.${namespace}.example.com\"]}",
    )
}

fn domain(spec: &str) -> String {
    let plain = format!(
        "---\napiVersion: stepgate.dev/v1alpha1\nkind: APIDomain\nmetadata: {{namespace: demo, name: site}}\nspec: {{domainName: api.demo.example.com, certificateArn: '{CERTIFICATE}', endpointType: REGIONAL, securityPolicy: TLS_1_2}}\n"
    );
    with(&plain, &format!("{{spec: {spec}}}"))
}

fn valid(spec: &str) -> Result<ValidDomain, String> {
    let world = world(&(account() + &domain(spec)));
    validate(&world, &the_domain(&world)).map_err(|problem| format!("{}: {}", problem.reason, problem.message))
}

#[test]
fn without_more_said_it_is_regional_and_modern() {
    let expected = Settings {
        endpoint: "REGIONAL".into(),
        certificate_arn: "arn:aws:acm:eu-central-1:111122223333:certificate/a1".into(),
        security_policy: "TLS_1_2".into(),
        endpoint_access_mode: None,
        mutual_tls: None,
        ownership_verification_certificate_arn: None,
        ip_address_type: "ipv4".into(),
        policy: None,
    };
    assert_eq!(valid("{}").unwrap().settings, expected);
}

#[rstest]
#[case::below(r#"domainName: "*.demo.example.com""#)]
#[case::deep_below("domainName: a.b.demo.example.com")]
#[case::edge_with_its_certificate(
    "endpointType: EDGE, certificateArn: 'arn:aws:acm:us-east-1:111122223333:certificate/a1'"
)]
fn what_the_tenant_admits(#[case] spec: &str) {
    assert!(valid(&format!("{{{spec}}}")).is_ok());
}

#[rstest]
#[case::another_team_s(
    "domainName: api.shop.example.com",
    "OverCeiling: spec.domainName: `api.shop.example.com` is in none of the `exposure.domains` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::all_teams_at_once(
    r#"domainName: "*.example.com""#,
    "OverCeiling: spec.domainName: `*.example.com` is in none of the `exposure.domains` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::the_very_top(
    "domainName: demo.example.com",
    "OverCeiling: spec.domainName: `demo.example.com` is in none of the `exposure.domains` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::edge_with_a_regional_certificate(
    "endpointType: EDGE",
    "InvalidSpec: spec.certificateArn: `arn:aws:acm:eu-central-1:111122223333:certificate/a1` is of account 111122223333, Region eu-central-1; API Gateway takes a certificate of account 111122223333, Region us-east-1 here"
)]
#[case::a_foreign_account_s_certificate(
    "certificateArn: 'arn:aws:acm:eu-central-1:444455556666:certificate/a1'",
    "InvalidSpec: spec.certificateArn: `arn:aws:acm:eu-central-1:444455556666:certificate/a1` is of account 444455556666, Region eu-central-1; API Gateway takes a certificate of account 111122223333, Region eu-central-1 here"
)]
#[case::reserved_tag(
    "tags: {stepgate.dev/name: x}",
    "InvalidSpec: spec.tags: keys that begin with `aws:` or `stepgate.dev/` are not yours to set; choose another than `stepgate.dev/name`"
)]
#[case::private_for_another_vpc_endpoint(
    r#"endpointType: PRIVATE, accessAssociations: [vpce-1, vpce-2], policy: '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}]}'"#,
    "OverCeiling: spec.accessAssociations: `vpce-2` is in none of the `exposure.vpcSources` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::private_without_a_bound_policy(r#"endpointType: PRIVATE, policy: '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}]}'"#, "InvalidSpec: spec.policy: the Allow statement 1 opens a PRIVATE API to calls from any VPC; give it the condition {StringEquals: {aws:SourceVpce: [IDS]}} (or aws:SourceVpc) alone, or add a Deny of execute-api:Invoke on execute-api:/* for everybody with StringNotEquals")]
#[case::private_for_another_vpc(r#"endpointType: PRIVATE, policy: '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-2"}}}]}'"#, "OverCeiling: spec.policy: the Allow statement 1 lets in calls from `vpce-2`, which is in none of the `exposure.vpcSources` of tenant demo of AWSAccount dev; the platform admin must add it there")]
fn what_the_tenant_or_aws_does_not_admit(#[case] spec: &str, #[case] says: &str) {
    assert_eq!(valid(&format!("{{{spec}}}")).unwrap_err(), says);
}

/// A private domain name that is there, with these access associations.
fn private(associations: &[(&str, Tags)]) -> (ValidDomain, Observed) {
    let spec = r#"{endpointType: PRIVATE, accessAssociations: [vpce-1], policy: '{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}}]}'}"#;
    let valid = valid(spec).unwrap();
    let domain = domain_name::Observed {
        id: Some("a1b2".into()),
        arn: Some("arn:d".into()),
        settings: valid.settings.clone(),
        tags: valid.owner.tags(),
        target: None,
        zone: None,
        status: "AVAILABLE".into(),
        status_message: None,
    };
    let one = |(endpoint, tags): &(&str, Tags)| {
        let found = access_association::Observed { arn: format!("arn:{endpoint}"), tags: tags.clone() };
        ((*endpoint).to_owned(), found)
    };
    let associations = associations.iter().map(one).collect();
    (valid, Observed { domain: Some(domain), associations, ..Observed::default() })
}

#[test]
fn the_endpoints_that_may_call_are_the_domain_s_own_or_of_others() {
    let owner = valid("{}").unwrap().owner;
    let plan = |associations: &[(&str, Tags)]| {
        let (valid, observed) = private(associations);
        let (wishes, known) = (Vec::new(), KnownApis::new());
        let domain = Domain { valid: &valid, wishes: &wishes, known: &known };
        domain.plan(&observed, &domain.shared(&observed)).unwrap().to_string()
    };
    assert!(plan(&[]).contains("let VPC endpoint vpce-1 call api.demo.example.com"), "{}", plan(&[]));
    assert_eq!(plan(&[("vpce-1", owner.tags())]), "");
    assert_eq!(plan(&[("vpce-1", Tags::new()), ("vpce-2", Tags::new())]), "", "others' do, and stay");
    let more = plan(&[("vpce-1", owner.tags()), ("vpce-3", owner.tags())]);
    assert!(more.contains("no longer let VPC endpoint vpce-3 call api.demo.example.com"), "{more}");
}

#[test]
fn a_private_domain_goes_after_its_associations_and_not_before_those_of_others() {
    let owner = valid("{}").unwrap().owner;
    let gone = |associations: &[(&str, Tags)]| {
        let (valid, observed) = private(associations);
        let plan = removal(&valid.name, &valid.owner, &observed, &KnownApis::new());
        plan.map(|plan| {
            plan.steps()
                .iter()
                .map(|planned| (planned.step.to_string(), planned.after.iter().copied().collect::<Vec<_>>()))
                .collect()
        })
    };
    let steps: Vec<_> = gone(&[("vpce-1", owner.tags())]).unwrap();
    let expected = [
        ("no longer let VPC endpoint vpce-1 call api.demo.example.com".to_owned(), vec![]),
        ("delete domain name api.demo.example.com".to_owned(), vec![0]),
    ];
    assert_eq!(steps, expected);
    let held = gone(&[("vpce-1", owner.tags()), ("vpce-9", Tags::new())]).unwrap_err();
    assert_eq!(
        format!("{}: {}", held.reason, held.message),
        "DeletionBlocked: 1 VPC endpoints may call api.demo.example.com by access associations that somebody else made (vpce-9); remove these in AWS, and deletion goes on"
    );
}

#[test]
fn without_a_list_there_is_no_domain() {
    let world = world(&domain("{}"));
    let problem = validate(&world, &the_domain(&world)).unwrap_err();
    assert!(problem.message.starts_with("spec.domainName: `api.demo.example.com` is in none"), "{problem}");
}

/// A RestAPI in AWS under an id, with base paths on `demo/site`.
fn api(key: &str, id: &str, age: u32, mappings: &str, more: &str) -> String {
    let (namespace, name) = key.split_once('/').unwrap();
    let plain = format!(
        r#"---
apiVersion: stepgate.dev/v1alpha1
kind: RestAPI
metadata: {{namespace: {namespace}, name: {name}, creationTimestamp: "2026-01-{age:02}T00:00:00Z"}}
spec: {{stages: [{{name: prod}}], domainMappings: {mappings}}}
status:
  conditions: []
  restApiId: {id}
  stages: [{{name: prod, invokeUrl: u}}]
  binding: {{account: dev, accountId: "111122223333", region: eu-central-1}}
"#
    );
    with(&plain, more)
}

const AT_ORDERS: &str = "[{domainRef: {name: site, namespace: demo}, basePath: orders, stage: prod}]";

fn at(path: &str, id: &str, stage: &str) -> (String, Mapping) {
    (path.to_owned(), Mapping { rest_api_id: id.to_owned(), stage: stage.to_owned() })
}

/// Who has which base path, why others don't, and the plan.
struct Outcome {
    wanted: Vec<(String, Mapping)>,
    refused: Vec<String>,
    plan: Vec<String>,
}

fn share(world: &World, has: Vec<(String, Mapping)>) -> Outcome {
    let object = the_domain(world);
    let valid = validate(world, &object).unwrap();
    let held = |_: &RestAPI| false;
    let wishes = wishes(world, &object, &valid.place, held);
    let claims = claims(world, &valid.place, held).into_iter();
    let known = claims.filter_map(|(id, mut claims)| Some((id, claims.pop()?))).collect();
    let domain = Domain { valid: &valid, wishes: &wishes, known: &known };
    let observed = Observed { mappings: has.into_iter().collect(), ..Observed::default() };
    let shared = domain.shared(&observed);
    let plan = domain.plan(&observed, &shared).unwrap();
    Outcome {
        refused: shared
            .refused
            .iter()
            .map(|((_, api), problem)| format!("{api} {}: {problem}", problem.reason))
            .collect(),
        wanted: shared.wanted.into_iter().collect(),
        // The domain name itself is not there in these tests.
        plan: plan.steps().iter().skip(1).map(|planned| planned.step.to_string()).collect(),
    }
}

#[test]
fn who_is_served_keeps_the_base_path_and_then_the_older_has_it() {
    let both = api("demo/old", "a", 1, AT_ORDERS, "{}") + &api("demo/new", "b", 2, AT_ORDERS, "{}");
    let world = world(&(account() + &domain("{}") + &both));
    let free = share(&world, vec![]);
    assert_eq!(free.wanted, [at("orders", "a", "prod")]);
    assert_eq!(
        free.refused,
        [
            "demo/new MappingConflict: base path orders of api.demo.example.com is RestAPI demo/old's; choose another base path"
        ]
    );
    let served = share(&world, vec![at("orders", "b", "prod")]);
    assert_eq!((served.wanted, served.plan), (vec![at("orders", "b", "prod")], vec![]));
}

#[test]
fn a_mapping_of_somebody_else_s_is_left_alone() {
    let world = world(&(account() + &domain("{}") + &api("demo/old", "a", 1, AT_ORDERS, "{}")));
    let taken = share(&world, vec![at("orders", "zz", "x"), at("theirs", "zz", "x")]);
    assert_eq!((taken.wanted, taken.plan), (vec![], vec![]));
    assert_eq!(
        taken.refused,
        [
            "demo/old OwnershipConflict: base path orders of api.demo.example.com leads to API zz in AWS, which is of no RestAPI here; remove that mapping, or choose another base path"
        ]
    );
}

#[test]
fn what_a_restapi_no_longer_asks_for_goes_unless_it_is_paused() {
    let manifests = |more: &str| account() + &domain("{}") + &api("demo/old", "a", 1, "[]", more);
    let has = || vec![at("orders", "a", "prod")];
    assert_eq!(share(&world(&manifests("{}")), has()).plan, ["unmap api.demo.example.com/orders"]);
    let paused = "{metadata: {annotations: {stepgate.dev/paused: 'true'}}}";
    assert_eq!(share(&world(&manifests(paused)), has()).plan, [""; 0]);
    let going = "{metadata: {deletionTimestamp: '2026-02-01T00:00:00Z'}}";
    assert_eq!(share(&world(&manifests(going)), has()).plan, ["unmap api.demo.example.com/orders"]);
    let retained = "{metadata: {deletionTimestamp: '2026-02-01T00:00:00Z'}, spec: {deletionPolicy: Retain}}";
    assert_eq!(share(&world(&manifests(retained)), has()).plan, [""; 0]);
}

#[rstest]
#[case::another_namespace(
    "{}",
    "APIDomain demo/site admits only RestAPIs of its own namespace; its owner must add a grant for namespace shop to spec.allowedAPIs"
)]
#[case::no_grant(
    "{allowedAPIs: [{namespaces: {from: Same}}]}",
    "APIDomain demo/site has no grant for namespace shop in spec.allowedAPIs; its owner must add one"
)]
#[case::elsewhere_only(
    "{allowedAPIs: [{namespaces: {from: All}, basePaths: [refunds]}]}",
    "APIDomain demo/site admits RestAPIs of namespace shop only under refunds, not base path orders"
)]
#[case::given_to_another(
    "{allowedAPIs: [{namespaces: {from: Same}, basePaths: [orders]}, {namespaces: {from: All}}]}",
    "APIDomain demo/site gives base path orders to another namespace; choose another base path"
)]
fn grants_bound_who_is_served_where(#[case] spec: &str, #[case] says: &str) {
    for more in ["{}", "{metadata: {annotations: {stepgate.dev/paused: 'true'}}}"] {
        let manifests = account() + &domain(spec) + &api("shop/api", "a", 1, AT_ORDERS, more);
        let outcome = share(&world(&manifests), vec![at("orders", "a", "prod")]);
        assert_eq!(outcome.refused, [format!("shop/api NotAllowed: {says}")]);
        assert_eq!(
            outcome.plan,
            ["unmap api.demo.example.com/orders"],
            "it is withdrawn, whatever the RestAPI is up to"
        );
    }
}

#[rstest]
#[case::by_namespace("{allowedAPIs: [{namespaces: {from: All}}]}")]
#[case::by_base_path(
    "{allowedAPIs: [{namespaces: {from: Same}, basePaths: [refunds, /]}, {namespaces: {from: All}, basePaths: [orders]}]}"
)]
fn a_grant_admits(#[case] spec: &str) {
    let manifests = account() + &domain(spec) + &api("shop/api", "a", 1, AT_ORDERS, "{}");
    assert_eq!(share(&world(&manifests), vec![]).wanted, [at("orders", "a", "prod")]);
}

#[rstest]
#[case::no_stage_yet("{status: {stages: []}}", "WaitingForReference: RestAPI demo/api has no stage prod in AWS yet")]
#[case::no_api_yet("{status: {binding: null}}", "WaitingForReference: RestAPI demo/api is not in AWS yet")]
#[case::elsewhere(
    "{status: {binding: {region: eu-west-1}}}",
    "InvalidSpec: RestAPI demo/api lives in account 111122223333, Region eu-west-1, and APIDomain demo/site in account 111122223333, Region eu-central-1; put both in one account and Region"
)]
#[case::private(
    "{spec: {endpoint: {type: PRIVATE}}}",
    "InvalidSpec: APIDomain demo/site is REGIONAL and RestAPI demo/api is PRIVATE: a PRIVATE domain serves PRIVATE APIs, and only it does"
)]
fn what_is_not_there_or_does_not_fit_is_not_mapped(#[case] more: &str, #[case] says: &str) {
    let manifests = account() + &domain("{}") + &api("demo/api", "a", 1, AT_ORDERS, more);
    assert_eq!(share(&world(&manifests), vec![]).refused, [format!("demo/api {says}")]);
}

#[test]
fn what_can_not_be_carried_out_keeps_what_serves() {
    let gone = "{status: {stages: []}}";
    let manifests = account() + &domain("{}") + &api("demo/api", "a", 1, AT_ORDERS, gone);
    let outcome = share(&world(&manifests), vec![at("orders", "a", "dev")]);
    assert_eq!((outcome.wanted, outcome.plan), (vec![], vec![]));
    assert_eq!(outcome.refused, ["demo/api WaitingForReference: RestAPI demo/api has no stage prod in AWS yet"]);
}

#[test]
fn a_restapi_reads_how_it_stands_from_its_domains() {
    let two = "[{domainRef: {name: site}, basePath: orders, stage: prod}, {domainRef: {name: site}, stage: prod}]";
    let standing = |status: &str| {
        let manifests = account() + &with(&domain("{}"), status) + &api("demo/api", "a", 1, two, "{}");
        let world = world(&manifests);
        let (shown, problem) = domain_mappings::standing(&world, &world.apis[&Key::new("demo", "api")]);
        let accepted: Vec<_> = shown.iter().map(|one| one.accepted).collect();
        let urls: Vec<_> = shown.into_iter().filter_map(|one| one.url).collect();
        assert_eq!(urls, ["https://api.demo.example.com/orders", "https://api.demo.example.com"]);
        (accepted, problem.map(|problem| format!("{}: {problem}", problem.reason)))
    };
    let of = |entries: &str| format!("{{status: {{conditions: [], mappings: [{entries}]}}}}");
    let orders = "{apiRef: {namespace: demo, name: api}, basePath: orders, serves: prod}";
    let root = "{apiRef: {namespace: demo, name: api}, serves: prod}";
    assert_eq!(standing(&of(&format!("{orders}, {root}"))), (vec![true, true], None));
    let waits = "WaitingForReference: spec.domainMappings: APIDomain demo/site does not serve it yet";
    assert_eq!(standing(&of(orders)), (vec![true, false], Some(waits.to_owned())));
    let refused = "{apiRef: {namespace: demo, name: api}, refused: {reason: MappingConflict, message: taken}}";
    let conflict = "MappingConflict: spec.domainMappings: taken".to_owned();
    assert_eq!(standing(&of(&format!("{orders}, {refused}"))), (vec![true, false], Some(conflict)));
}
