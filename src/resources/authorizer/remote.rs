//! API Gateway's calls for authorizers.

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::types::{Authorizer as SdkAuthorizer, AuthorizerType};

use super::{Authorizer, COGNITO, DEFAULT_TTL_SECONDS, Observed, Step, identity_source};
use crate::aws::{AwsError, Class};
use crate::resources::{all_pages, sdk_patches};

/// Reads all authorizers. `used` are the ids that methods name.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str, used: &BTreeSet<String>) -> Result<Observed, AwsError> {
    let items = all_pages(|position| {
        let list = apigateway.get_authorizers().rest_api_id(api).limit(500).set_position(position);
        async move {
            let page = list.send().await.map_err(AwsError::of("GetAuthorizers"))?;
            Ok((page.items, page.position))
        }
    })
    .await?;
    let all = items.into_iter().filter_map(|found| Some((found.id.clone()?, found.name.clone()?, observed(found))));
    Ok(Observed::new(all.collect(), used))
}

fn observed(found: SdkAuthorizer) -> Authorizer {
    let some = |text: Option<String>| text.filter(|text| !text.is_empty());
    let type_ = found.r#type.map(|t| t.as_str().to_owned()).unwrap_or_default();
    let sources = found.identity_source.unwrap_or_default();
    Authorizer {
        ttl_seconds: (type_ != COGNITO).then(|| found.authorizer_result_ttl_in_seconds.unwrap_or(DEFAULT_TTL_SECONDS)),
        uri: some(found.authorizer_uri),
        credentials: some(found.authorizer_credentials),
        identity_sources: sources.split(',').map(|one| one.trim().to_owned()).filter(|one| !one.is_empty()).collect(),
        validation_expression: some(found.identity_validation_expression),
        provider_arns: found.provider_arns.unwrap_or_default().into_iter().collect(),
        type_,
    }
}

/// Carries out one step. `ids` are those of the authorizers by name, and gain those of new ones.
///
/// # Errors
/// What AWS answers; that an authorizer to be deleted is already gone is no error.
pub async fn carry_out(
    apigateway: &Client,
    api: &str,
    ids: &mut BTreeMap<String, String>,
    step: &Step,
) -> Result<(), AwsError> {
    match step {
        Step::Create { name, authorizer } => {
            let Authorizer {
                type_,
                uri,
                credentials,
                identity_sources,
                validation_expression,
                ttl_seconds,
                provider_arns,
            } = &**authorizer;
            let pools = (!provider_arns.is_empty()).then(|| provider_arns.iter().cloned().collect());
            let created = apigateway
                .create_authorizer()
                .rest_api_id(api)
                .name(name)
                .r#type(AuthorizerType::from(type_.as_str()))
                .set_authorizer_uri(uri.clone())
                .set_authorizer_credentials(credentials.clone())
                .set_identity_source(identity_source(identity_sources))
                .set_identity_validation_expression(validation_expression.clone())
                .set_authorizer_result_ttl_in_seconds(*ttl_seconds)
                .set_provider_arns(pools)
                .send()
                .await
                .map_err(AwsError::of("CreateAuthorizer"))?;
            let id = created.id.ok_or_else(|| AwsError::incomplete("CreateAuthorizer", "id"))?;
            ids.insert(name.clone(), id);
        }
        Step::Update { id, patches, .. } => {
            apigateway
                .update_authorizer()
                .rest_api_id(api)
                .authorizer_id(id)
                .set_patch_operations(sdk_patches(patches))
                .send()
                .await
                .map_err(AwsError::of("UpdateAuthorizer"))?;
        }
        Step::Delete { id, .. } => {
            let answer = apigateway.delete_authorizer().rest_api_id(api).authorizer_id(id).send().await;
            match answer.map_err(AwsError::of("DeleteAuthorizer")) {
                Err(error) if error.class != Class::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}
