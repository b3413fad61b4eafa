use rstest::rstest;

use crate::api::AWSAccount;
use crate::problem::Problem;
use crate::resources::stage::MethodSettings;
use crate::validate::fixture::{ACCOUNT, api, object, the_api, with, world};
use crate::validate::rest_api::validate;
use crate::validate::stage::{DEFAULT_FORMAT, ValidStage};

/// The stage `prod` with these fields, where the tenant's exposure is this.
fn stage(exposure: &str, fields: &str) -> Result<ValidStage, Problem> {
    let mut account: serde_json::Value = object(ACCOUNT);
    account["spec"]["tenants"][0]["exposure"] = object(exposure);
    let account: AWSAccount = object(&account.to_string());
    let account =
        with(&serde_json::to_string(&account).unwrap(), "{apiVersion: stepgate.dev/v1alpha1, kind: AWSAccount}");
    let world = world(&[account, api(&format!("{{stages: [{{name: prod{fields}}}]}}"))].concat());
    let valid = validate(&world, &the_api(&world));
    valid.map(|mut valid| valid.stages.remove(0))
}

#[rstest]
#[case::cache(
    "{cacheClusterSizes: ['1.6']}",
    ", cache: {clusterSize: '0.5'}",
    "OverCeiling: spec.stages[prod].cache.clusterSize: tenant demo of AWSAccount dev does not admit 0.5; choose another, or ask the platform admin to add it to exposure.cacheClusterSizes"
)]
#[case::cache_by_default(
    "{}",
    ", cache: {clusterSize: '237'}",
    "OverCeiling: spec.stages[prod].cache.clusterSize: tenant demo of AWSAccount dev does not admit 237; choose another, or ask the platform admin to add it to exposure.cacheClusterSizes"
)]
#[case::cache_of_a_method(
    "{}",
    ", methods: [{path: /a, method: GET, cache: {}}]",
    "InvalidSpec: spec.stages[prod].methods[/a,GET].cache: the stage has no cache; set spec.stages[prod].cache.clusterSize"
)]
#[case::log_group(
    "{logGroupArns: ['arn:aws:logs:*:*:log-group:${namespace}_*']}",
    ", accessLog: {logGroupArn: 'arn:aws:logs:eu-central-1:111122223333:log-group:shop_a'}",
    "OverCeiling: spec.stages[prod].accessLog.logGroupArn: `arn:aws:logs:eu-central-1:111122223333:log-group:shop_a` is in none of the `exposure.logGroupArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
#[case::log_group_by_default(
    "{}",
    ", accessLog: {logGroupArn: 'arn:aws:logs:eu-central-1:111122223333:log-group:demo_a'}",
    "OverCeiling: spec.stages[prod].accessLog.logGroupArn: `arn:aws:logs:eu-central-1:111122223333:log-group:demo_a` is in none of the `exposure.logGroupArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
#[case::log_group_of_another_account(
    "{logGroupArns: ['arn:aws:logs:*:*:log-group:*']}",
    ", accessLog: {logGroupArn: 'arn:aws:logs:eu-central-1:444455556666:log-group:a'}",
    "InvalidSpec: spec.stages[prod].accessLog.logGroupArn: API Gateway writes to log groups of its own account and Region, whose ARNs begin with arn:aws:logs:eu-central-1:111122223333:log-group:"
)]
#[case::log_group_of_ours(
    "{logGroupArns: ['arn:aws:logs:*:*:log-group:*']}",
    ", accessLog: {logGroupArn: 'arn:aws:logs:eu-central-1:111122223333:log-group:/stepgate/0/shop/a/prod'}",
    "OverCeiling: spec.stages[prod].accessLog.logGroupArn: `arn:aws:logs:eu-central-1:111122223333:log-group:/stepgate/0/shop/a/prod` is a log group that stepgate manages for one object; name one of your own"
)]
#[case::client_certificate(
    "{clientCertificates: [a1b2c3, 'arn:aws:acm:*:*:certificate/a1']}",
    ", clientCertificate: {id: a1b2c4}",
    "OverCeiling: spec.stages[prod].clientCertificate.id: `a1b2c4` is in none of the `exposure.clientCertificates` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::client_certificate_of_acm(
    "{clientCertificates: [a1b2c3, 'arn:aws:acm:*:*:certificate/a1']}",
    ", clientCertificate: {acmCertificateArn: 'arn:aws:acm:eu-central-1:111122223333:certificate/a2'}",
    "OverCeiling: spec.stages[prod].clientCertificate.acmCertificateArn: `arn:aws:acm:eu-central-1:111122223333:certificate/a2` is in none of the `exposure.clientCertificates` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::client_certificate_by_default(
    "{}",
    ", clientCertificate: {id: a1b2c3}",
    "OverCeiling: spec.stages[prod].clientCertificate.id: `a1b2c3` is in none of the `exposure.clientCertificates` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::client_certificate_of_another_region(
    "{clientCertificates: ['*']}",
    ", clientCertificate: {acmCertificateArn: 'arn:aws:acm:eu-west-1:${AWS::AccountId}:certificate/a1'}",
    "InvalidSpec: spec.stages[prod].clientCertificate.acmCertificateArn: API Gateway takes a certificate of its own account and Region, whose ARN begins with arn:aws:acm:eu-central-1:111122223333:certificate/"
)]
#[case::format_without_id(
    "{}",
    ", accessLog: {format: '$context.status'}",
    "InvalidSpec: spec.stages[prod].accessLog.format: API Gateway wants $context.requestId or $context.extendedRequestId in it; add one"
)]
#[case::format_of_two_lines(
    "{}",
    r#", accessLog: {format: "$context.requestId\n"}"#,
    "InvalidSpec: spec.stages[prod].accessLog.format: a request's line is one line; take out the line breaks (in YAML, `>-` folds them)"
)]
#[case::owner_tag(
    "{}",
    ", tags: {Stepgate.dev/cluster: a}",
    "InvalidSpec: spec.stages[prod].tags: keys that begin with `aws:` or `stepgate.dev/` are not yours to set; choose another than `Stepgate.dev/cluster`"
)]
#[case::system_tag(
    "{}",
    ", tags: {'aws:x': a}",
    "InvalidSpec: spec.stages[prod].tags: keys that begin with `aws:` or `stepgate.dev/` are not yours to set; choose another than `aws:x`"
)]
#[case::tag(
    "{}",
    ", tags: {'a#b': a}",
    "InvalidSpec: spec.stages[prod].tags: AWS takes up to 128 letters, digits, spaces and `_.:/=+-@` in a tag's key, and up to 256 in its value; mend `a#b`"
)]
#[case::canary_variable(
    "{}",
    ", revision: 1, canary: {percent: 1, variables: {a-b: c}}",
    "InvalidSpec: spec.stages[prod].canary.variables: `a-b` is no name for a stage variable; use up to 64 letters, digits and `_`"
)]
#[case::method_twice(
    "{}",
    ", methods: [{path: /a, method: GET}, {path: //a, method: GET}]",
    "InvalidSpec: spec.stages[prod].methods: GET //a is there twice; leave one of them"
)]
fn refused(#[case] exposure: &str, #[case] fields: &str, #[case] message: &str) {
    let problem = stage(exposure, fields).unwrap_err();
    assert_eq!(format!("{}: {}", problem.reason, problem.message), message);
}

#[test]
fn a_log_group_is_made_unless_one_is_named() {
    let made = stage("{}", ", accessLog: {retentionDays: 7}").unwrap();
    let (log, group) = (made.settings.access_log.unwrap(), made.log_group.unwrap());
    assert!(group.name.starts_with("/stepgate/") && group.name.ends_with("/demo/api/prod"), "{}", group.name);
    assert_eq!(log.destination_arn, format!("arn:aws:logs:eu-central-1:111122223333:log-group:{}", group.name));
    assert_eq!((group.retention_days, log.format.as_str()), (Some(7), DEFAULT_FORMAT));
    let own = ", accessLog: {format: '$context.extendedRequestId', logGroupArn: 'arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:demo_a'}";
    let named = stage("{logGroupArns: ['arn:aws:logs:*:*:log-group:${namespace}_*']}", own).unwrap();
    assert_eq!(named.log_group, None);
    let arn = "arn:aws:logs:eu-central-1:111122223333:log-group:demo_a";
    assert_eq!(named.settings.access_log.unwrap().destination_arn, arn);
}

#[rstest]
#[case::of_api_gateway("{id: a1b2c3}", "a1b2c3")]
#[case::of_acm(
    "{acmCertificateArn: 'arn:${AWS::Partition}:acm:${AWS::Region}:${AWS::AccountId}:certificate/a1'}",
    "arn:aws:acm:eu-central-1:111122223333:certificate/a1"
)]
fn a_client_certificate_that_is_admitted(#[case] given: &str, #[case] certificate: &str) {
    let exposure = "{clientCertificates: [a1b2c3, 'arn:aws:acm:*:${AWS::AccountId}:certificate/a1']}";
    let valid = stage(exposure, &format!(", clientCertificate: {given}")).unwrap();
    assert_eq!(valid.settings.client_certificate.as_deref(), Some(certificate));
}

/// AWS takes at most 3 KB, and the JSON that a line becomes must be JSON.
#[test]
fn the_default_line_is_json() {
    let line: serde_json::Value = serde_json::from_str(DEFAULT_FORMAT).unwrap();
    let fields = line.as_object().unwrap();
    assert_eq!(fields["requestId"], "$context.requestId");
    assert!(fields.values().all(|value| value.as_str().unwrap().starts_with("$context.")));
    assert!(DEFAULT_FORMAT.len() < 3072);
}

#[test]
fn a_method_is_as_the_stage_but_for_what_it_says() {
    let fields = ", throttling: {rateLimit: 5}, metrics: {enabled: true}, methods: [{path: /, method: GET, throttling: {burstLimit: 1}}]";
    let methods = stage("{}", fields).unwrap().settings.methods;
    let all = MethodSettings { rate_limit: 5.0, metrics: true, ..MethodSettings::default() };
    assert_eq!(methods["*/*"], all);
    assert_eq!(methods["~1/GET"], MethodSettings { burst_limit: 1, ..all });
    assert_eq!(methods.len(), 2);
    // A method alone says nothing of the others.
    let alone = stage("{}", ", methods: [{path: /a, method: ANY, metrics: {enabled: true}}]").unwrap();
    assert_eq!(alone.settings.methods.keys().collect::<Vec<_>>(), ["a/ANY"]);
    assert!(!alone.logs() && alone.follows());
}
