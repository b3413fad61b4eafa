use rstest::rstest;

use crate::resources::rest_api::settings::Settings;
use crate::validate::fixture::{ACCOUNT, api, the_api, world};
use crate::validate::rest_api;

/// The tenant `demo` may let in one account, its own roles, and calls from one VPC endpoint.
fn settings(spec: &str) -> Result<Settings, String> {
    let account = ACCOUNT.replace(
        "[NONE, AWS_IAM]}",
        "[NONE, AWS_IAM], endpointTypes: [REGIONAL, PRIVATE], resourcePolicyPrincipals: [\"444455556666\", \"arn:aws:iam::${AWS::AccountId}:role/${namespace}-*\"], vpcSources: [\"vpce-1\", \"vpc-a*\"]}",
    );
    let world = world(&(account + &api(&format!("{{stages: [{{name: prod}}], {spec}}}"))));
    match rest_api::validate(&world, &the_api(&world)) {
        Ok(valid) => Ok(valid.settings),
        Err(problem) => Err(format!("{}: {}", problem.reason, problem.message)),
    }
}

fn policy(statements: &str) -> String {
    format!("resourcePolicy: '{{\"Version\": \"2012-10-17\", \"Statement\": [{statements}]}}'")
}

fn allow(principal: &str, rest: &str) -> String {
    format!(
        r#"{{"Effect": "Allow", "Principal": {principal}, "Action": "execute-api:Invoke", "Resource": "execute-api:/*"{rest}}}"#
    )
}

const PRIVATE: &str = "endpoint: {type: PRIVATE}";

#[test]
fn without_more_said_they_are_aws_s_defaults() {
    assert_eq!(settings("revisionHistoryLimit: 10").unwrap(), Settings::of("REGIONAL"));
}

#[rstest]
#[case::an_account(allow(r#"{"AWS": "444455556666"}"#, ""))]
#[case::as_its_root(allow(r#"{"AWS": "arn:aws:iam::444455556666:root"}"#, ""))]
#[case::own_roles(allow(r#"{"AWS": ["arn:aws:iam::${AWS::AccountId}:role/demo-web"]}"#, ""))]
#[case::whoever_comes_from_its_endpoint(allow(
    r#""*""#,
    r#", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}"#
))]
#[case::or_its_vpcs(allow(r#""*""#, r#", "Condition": {"StringEquals": {"aws:SourceVpc": ["vpc-a1", "vpc-a2"]}}"#))]
#[case::a_deny_only_narrows(r#"{"Effect": "Deny", "Principal": "*", "Action": "execute-api:*", "Resource": "*"}"#.to_owned())]
fn what_the_tenant_admits(#[case] statement: String) {
    assert!(settings(&policy(&statement)).unwrap().policy.is_some());
}

#[rstest]
#[case::everybody(
    policy(&allow(r#""*""#, "")),
    "OverCeiling: spec.resourcePolicy: the Allow statement 1 lets in `*`, which is in none of the `exposure.resourcePolicyPrincipals` of tenant demo of AWSAccount dev; the platform admin must add it there, or the policy must name VPC sources"
)]
#[case::one_of_two(
    policy(&allow(r#"{"AWS": ["444455556666", "777788889999"]}"#, r#", "Sid": "partners""#)),
    "OverCeiling: spec.resourcePolicy: the statement partners lets in `777788889999`, which is in none of the `exposure.resourcePolicyPrincipals` of tenant demo of AWSAccount dev; the platform admin must add it there, or the policy must name VPC sources"
)]
#[case::another_vpc(
    policy(&allow(r#""*""#, r#", "Condition": {"StringEquals": {"aws:SourceVpc": ["vpc-a1", "vpc-b"]}}"#)),
    "OverCeiling: spec.resourcePolicy: the Allow statement 1 lets in calls from `vpc-b`, which is in none of the `exposure.vpcSources` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::a_private_api_for_an_admitted_account(
    format!("{PRIVATE}, {}", policy(&allow(r#"{"AWS": "444455556666"}"#, ""))),
    "InvalidSpec: spec.resourcePolicy: the Allow statement 1 opens a PRIVATE API to calls from any VPC; give it the condition {StringEquals: {aws:SourceVpce: [IDS]}} (or aws:SourceVpc) alone, or add a Deny of execute-api:Invoke on execute-api:/* for everybody with StringNotEquals"
)]
#[case::a_private_api_without_policy(
    PRIVATE.to_owned(),
    "InvalidSpec: spec.resourcePolicy: nobody can call a PRIVATE API without one; add a policy that allows calls from your VPC endpoints"
)]
#[case::another_s_vpc_endpoint(
    "endpoint: {type: PRIVATE, vpcEndpointIds: [vpce-2]}".to_owned(),
    "OverCeiling: spec.endpoint.vpcEndpointIds: `vpce-2` is in none of the `exposure.vpcSources` of tenant demo of AWSAccount dev; the platform admin must add it there"
)]
#[case::no_policy(
    "resourcePolicy: 'Version: 2012-10-17'".to_owned(),
    "InvalidSpec: spec.resourcePolicy needs at least one statement in Statement"
)]
fn what_the_tenant_does_not_admit(#[case] spec: String, #[case] message: &str) {
    assert_eq!(settings(&spec).unwrap_err(), message);
}

#[test]
fn a_private_api() {
    let own = allow(r#""*""#, r#", "Condition": {"StringEquals": {"aws:SourceVpce": "vpce-1"}}"#);
    let spec = format!("endpoint: {{type: PRIVATE, vpcEndpointIds: [vpce-1]}}, {}", policy(&own));
    let settings = settings(&spec).unwrap();
    assert_eq!((&*settings.endpoint, &*settings.ip_address_type), ("PRIVATE", "dualstack"));
    assert_eq!(settings.vpc_endpoint_ids.into_iter().collect::<Vec<_>>(), ["vpce-1"]);
}
