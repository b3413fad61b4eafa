//! Validates the authorizers of a RestAPI.

use std::collections::BTreeSet;

use super::admitted_arn;
use crate::api::{self, Authorization, AuthorizerFunction, IdentitySource, RouteAuthorization};
use crate::identity::{Key, Owner, role_name, role_path};
use crate::problem::Problem;
use crate::resources::authorizer::{Authorizer, COGNITO, uri};
use crate::resources::deployment::RoleNeeds;
use crate::tenancy::{Admission, Place};

/// An authorizer that can be built.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidAuthorizer {
    /// What it is.
    pub authorizer: Authorizer,
    /// The managed role that API Gateway calls it with and what that role needs; absent with a role of the user's own, and for Cognito.
    pub role: Option<(String, RoleNeeds)>,
}

/// Validates it.
///
/// # Errors
/// The tenant does not admit the function, the role or a user pool.
pub fn validate(
    owner: &Owner,
    admission: &Admission,
    place: &Place,
    spec: &api::Authorizer,
) -> Result<ValidAuthorizer, Problem> {
    let name = &spec.name;
    let header = |name: &str| format!("method.request.header.{name}");
    let (function, type_, field, identity_sources, validation_expression) = match (&spec.token, &spec.request) {
        (Some(token), _) => {
            let sources = BTreeSet::from([header(&token.header)]);
            (&token.function, "TOKEN", "token", sources, token.validation_expression.clone())
        }
        (None, Some(request)) => {
            let sources = request.identity_sources.iter().flatten().map(expression).collect();
            (&request.function, "REQUEST", "request", sources, None)
        }
        (None, None) => return cognito(admission, place, spec),
    };
    let AuthorizerFunction { function_arn, role_arn, result_ttl_seconds } = function;
    let field = |of: &str| format!("spec.authorizers[{name}].{field}.{of}");
    let function = admitted(admission, place, &field("functionArn"), function_arn)?;
    let (credentials, role) = match role_arn {
        Some(arn) => {
            let list = &admission.tenant.invoke_role_arns;
            (admitted_arn(admission, place, &field("roleArn"), "invokeRoleArns", list, arn)?, None)
        }
        None => {
            let of = Key::new("", name);
            let role = role_name(owner, &place.region, "authorizer", &of);
            let path = role_path(owner, &place.region);
            let arn = format!("arn:{}:iam::{}:role{path}{role}", place.partition, place.account_id);
            let functions = BTreeSet::from([function.clone()]);
            (arn, Some((role, RoleNeeds { of: Some(of), functions, ..RoleNeeds::default() })))
        }
    };
    let authorizer = Authorizer {
        type_: type_.to_owned(),
        uri: Some(uri(place.partition, &function)),
        credentials: Some(credentials),
        identity_sources,
        validation_expression,
        ttl_seconds: Some(*result_ttl_seconds),
        provider_arns: BTreeSet::new(),
    };
    Ok(ValidAuthorizer { authorizer, role })
}

fn cognito(admission: &Admission, place: &Place, spec: &api::Authorizer) -> Result<ValidAuthorizer, Problem> {
    let name = &spec.name;
    let Some(pools) = &spec.cognito_user_pools else {
        return Err(Problem::invalid(format!(
            "spec.authorizers[{name}]: set exactly one of `token`, `request`, `cognitoUserPools`"
        )));
    };
    let field = format!("spec.authorizers[{name}].cognitoUserPools.userPoolArns");
    let arns = pools.user_pool_arns.iter().map(|arn| admitted(admission, place, &field, arn));
    let authorizer = Authorizer {
        type_: COGNITO.to_owned(),
        uri: None,
        credentials: None,
        identity_sources: BTreeSet::from([format!("method.request.header.{}", pools.header)]),
        validation_expression: None,
        ttl_seconds: None,
        provider_arns: arns.collect::<Result<_, _>>()?,
    };
    Ok(ValidAuthorizer { authorizer, role: None })
}

fn admitted(admission: &Admission, place: &Place, field: &str, arn: &str) -> Result<String, Problem> {
    let list = admission.tenant.exposure.as_ref().map(|exposure| &exposure.authorizer_arns);
    let list = list.map(Vec::as_slice).unwrap_or_default();
    admitted_arn(admission, place, field, "exposure.authorizerArns", list, arn)
}

/// A part of the request as a mapping expression.
fn expression(source: &IdentitySource) -> String {
    let of = |prefix: &str, name: &Option<String>| name.as_ref().map(|name| format!("{prefix}.{name}"));
    of("method.request.header", &source.header)
        .or_else(|| of("method.request.querystring", &source.query))
        .or_else(|| of("stageVariables", &source.stage_variable))
        .or_else(|| of("context", &source.context))
        .unwrap_or_default()
}

/// The authorizer that a route names, among those of its RestAPI.
///
/// # Errors
/// There is none of the name, or it is of the other type.
pub fn of_route(
    valid: &super::rest_api::ValidApi,
    authorization: &RouteAuthorization,
) -> Result<Option<String>, Problem> {
    let Some(name) = &authorization.authorizer else { return Ok(None) };
    let api = &valid.owner.key;
    let Some(found) = valid.authorizers.get(name) else {
        let known: Vec<&str> = valid.authorizers.keys().map(String::as_str).collect();
        let known = if known.is_empty() { "it has none".to_owned() } else { format!("it has {}", known.join(", ")) };
        return Err(Problem::invalid(format!(
            "spec.authorization.authorizer: RestAPI {api} has no authorizer `{name}`, {known}; name one of spec.authorizers there"
        )));
    };
    let asks_cognito = found.authorizer.type_ == COGNITO;
    let (needed, kind) = if asks_cognito {
        (Authorization::CognitoUserPools, "asks Cognito user pools")
    } else {
        (Authorization::Custom, "asks a Lambda function")
    };
    if authorization.type_ != needed {
        return Err(Problem::invalid(format!(
            "spec.authorization.type: authorizer `{name}` of RestAPI {api} {kind}; write {} with it",
            needed.as_str()
        )));
    }
    Ok(Some(name.clone()))
}
