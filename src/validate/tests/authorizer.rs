use std::collections::BTreeSet;

use rstest::rstest;

use crate::resources::authorizer::Authorizer;
use crate::validate::authorizer::ValidAuthorizer;
use crate::validate::fixture::{ACCOUNT, api, machine, route, the_api, the_route, with, world};
use crate::validate::{rest_api, route as validate_route};

const FUNCTION: &str = "arn:aws:lambda:eu-central-1:111122223333:function:demo-auth";

/// The tenant `demo` may let its own functions and one user pool authorize.
fn account() -> String {
    ACCOUNT.replace(
        "[NONE, AWS_IAM]}",
        "[NONE, AWS_IAM, CUSTOM, COGNITO_USER_POOLS], authorizerArns: [\"arn:aws:lambda:*:${AWS::AccountId}:function:${namespace}-*\", \"arn:aws:cognito-idp:*:*:userpool/eu-central-1_demo\"]}",
    )
}

fn authorizer(spec: &str) -> Result<ValidAuthorizer, String> {
    let world = world(&(account() + &api(&format!("{{stages: [{{name: prod}}], authorizers: [{spec}]}}"))));
    match rest_api::validate(&world, &the_api(&world)) {
        Ok(valid) => Ok(valid.authorizers.into_values().next().unwrap()),
        Err(problem) => Err(format!("{}: {}", problem.reason, problem.message)),
    }
}

#[test]
fn a_lambda_function_that_gets_a_token() {
    let valid = authorizer(
        "{name: jwt, token: {functionArn: \"arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:demo-auth\", validationExpression: '^Bearer .+$', resultTtlSeconds: 0}}",
    )
    .unwrap();
    let (role, needs) = valid.role.unwrap();
    assert_eq!(needs.functions, BTreeSet::from([FUNCTION.to_owned()]));
    let Authorizer { credentials, .. } = valid.authorizer.clone();
    assert!(role.starts_with("stepgate-authorizer-jwt-") && credentials.unwrap().ends_with(&role), "{role}");
    let expected = Authorizer {
        type_: "TOKEN".into(),
        uri: Some(format!("arn:aws:apigateway:eu-central-1:lambda:path/2015-03-31/functions/{FUNCTION}/invocations")),
        credentials: valid.authorizer.credentials.clone(),
        identity_sources: BTreeSet::from(["method.request.header.Authorization".into()]),
        validation_expression: Some("^Bearer .+$".into()),
        ttl_seconds: Some(0),
        provider_arns: BTreeSet::new(),
    };
    assert_eq!(valid.authorizer, expected);
}

#[test]
fn a_lambda_function_that_gets_the_request_with_a_role_of_the_user_s() {
    let role = "arn:aws:iam::111122223333:role/call-auth";
    let sources = "[{header: X-Key}, {query: tenant}, {stageVariable: env}, {context: identity.sourceIp}]";
    let valid = authorizer(&format!(
        "{{name: all, request: {{functionArn: {FUNCTION}, roleArn: {role}, identitySources: {sources}}}}}"
    ))
    .unwrap();
    assert_eq!((valid.role, valid.authorizer.credentials.as_deref()), (None, Some(role)));
    let sources: Vec<&str> = valid.authorizer.identity_sources.iter().map(String::as_str).collect();
    assert_eq!(
        sources,
        [
            "context.identity.sourceIp",
            "method.request.header.X-Key",
            "method.request.querystring.tenant",
            "stageVariables.env"
        ]
    );
    assert_eq!((&*valid.authorizer.type_, valid.authorizer.ttl_seconds), ("REQUEST", Some(300)));
}

#[test]
fn cognito_user_pools() {
    let pool = "arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_demo";
    let valid = authorizer(&format!("{{name: users, cognitoUserPools: {{userPoolArns: [\"{pool}\"]}}}}")).unwrap();
    assert_eq!((valid.role, valid.authorizer.uri, valid.authorizer.ttl_seconds), (None, None, None));
    assert_eq!(valid.authorizer.provider_arns, BTreeSet::from([pool.to_owned()]));
}

#[rstest]
#[case::foreign_function(
    "{name: jwt, token: {functionArn: \"arn:aws:lambda:eu-central-1:111122223333:function:shop-auth\"}}",
    "OverCeiling: spec.authorizers[jwt].token.functionArn: `arn:aws:lambda:eu-central-1:111122223333:function:shop-auth` is in none of the `exposure.authorizerArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
#[case::another_account_s_function(
    "{name: jwt, request: {functionArn: \"arn:aws:lambda:eu-central-1:444455556666:function:demo-auth\", resultTtlSeconds: 0}}",
    "OverCeiling: spec.authorizers[jwt].request.functionArn: `arn:aws:lambda:eu-central-1:444455556666:function:demo-auth` is in none of the `exposure.authorizerArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
#[case::foreign_role(
    "{name: jwt, token: {functionArn: \"arn:aws:lambda:eu-central-1:111122223333:function:demo-auth\", roleArn: \"arn:aws:iam::111122223333:role/Admin\"}}",
    "OverCeiling: spec.authorizers[jwt].token.roleArn: `arn:aws:iam::111122223333:role/Admin` is in none of the `invokeRoleArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
#[case::foreign_user_pool(
    "{name: users, cognitoUserPools: {userPoolArns: [\"arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_other\"]}}",
    "OverCeiling: spec.authorizers[users].cognitoUserPools.userPoolArns: `arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_other` is in none of the `exposure.authorizerArns` of tenant demo in AWSAccount dev; the platform admin must add it there"
)]
fn what_the_tenant_does_not_admit(#[case] spec: &str, #[case] message: &str) {
    assert_eq!(authorizer(spec).unwrap_err(), message);
}

/// The method of a route with this authorization, on an API with a Lambda authorizer and one for user pools.
fn method(account: &str, authorization: &str) -> Result<crate::resources::route::Method, String> {
    let authorizers = format!(
        "[{{name: jwt, token: {{functionArn: {FUNCTION}}}}}, {{name: users, cognitoUserPools: {{userPoolArns: [\"arn:aws:cognito-idp:eu-central-1:111122223333:userpool/eu-central-1_demo\"]}}}}]"
    );
    let api = api(&format!("{{stages: [{{name: prod}}], authorizers: {authorizers}}}"));
    let route = with(&route("demo/orders", "POST /orders", "a"), &format!("spec: {{authorization: {authorization}}}"));
    let world = world(&[account.to_owned(), api, machine("demo/a", "STANDARD"), route].concat());
    let api = the_api(&world);
    let valid = rest_api::validate(&world, &api).unwrap();
    match validate_route::validate(&world, &api, &valid, &the_route(&world, "demo/orders")) {
        Ok(valid) => Ok(valid.method),
        Err(refusal) => Err(format!("{}: {}", refusal.problem.reason, refusal.problem.message)),
    }
}

#[test]
fn a_route_names_its_authorizer() {
    let method = method(
        &account(),
        "{type: COGNITO_USER_POOLS, authorizer: users, scopes: [orders/write], apiKeyRequired: true}",
    )
    .unwrap();
    assert_eq!((&*method.authorization, method.authorizer.as_deref()), ("COGNITO_USER_POOLS", Some("users")));
    assert_eq!((method.scopes, method.api_key_required), (BTreeSet::from(["orders/write".into()]), true));
}

#[rstest]
#[case::unknown(
    "{type: CUSTOM, authorizer: jwks}",
    "InvalidSpec: spec.authorization.authorizer: RestAPI demo/api has no authorizer `jwks`, it has jwt, users; name one of spec.authorizers there"
)]
#[case::other_type(
    "{type: CUSTOM, authorizer: users}",
    "InvalidSpec: spec.authorization.type: authorizer `users` of RestAPI demo/api asks Cognito user pools; write COGNITO_USER_POOLS with it"
)]
#[case::other_way_round(
    "{type: COGNITO_USER_POOLS, authorizer: jwt}",
    "InvalidSpec: spec.authorization.type: authorizer `jwt` of RestAPI demo/api asks a Lambda function; write CUSTOM with it"
)]
fn a_route_with_a_wrong_authorizer(#[case] authorization: &str, #[case] message: &str) {
    assert_eq!(method(&account(), authorization).unwrap_err(), message);
}

#[test]
fn a_type_that_the_tenant_does_not_expose() {
    let without = account().replace(", CUSTOM, COGNITO_USER_POOLS", "");
    assert_eq!(
        method(&without, "{type: CUSTOM, authorizer: jwt}").unwrap_err(),
        "NotAllowed: spec.authorization.type: tenant demo of the namespace in AWSAccount dev does not admit CUSTOM; choose another, or ask the platform admin to add it to exposure.authorizations"
    );
}
