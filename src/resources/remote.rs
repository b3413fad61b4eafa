//! What the calls of several rooms of API Gateway have in common.

use std::time::Duration;

use aws_sdk_apigateway::Client;
use aws_sdk_apigateway::config::Builder;
use aws_sdk_apigateway::config::retry::RetryConfig;
use aws_sdk_apigateway::config::timeout::TimeoutConfig;

use crate::aws::AwsError;
use crate::identity::Tags;

/// For a call that has no client token: its repeat would make a second object, so the SDK must not repeat it by itself
/// (AWS.md §2).
pub(super) fn once() -> Builder {
    aws_sdk_apigateway::config::Config::builder()
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::builder().read_timeout(Duration::from_secs(60)).build())
}

/// Sets tags, then takes others off.
///
/// # Errors
/// What AWS answers.
pub(super) async fn set_tags(apigateway: &Client, arn: String, set: &Tags, remove: &[String]) -> Result<(), AwsError> {
    if !set.is_empty() {
        let tags = Some(set.clone().into_iter().collect());
        let tag = apigateway.tag_resource().resource_arn(&arn).set_tags(tags);
        tag.send().await.map_err(AwsError::of("TagResource"))?;
    }
    if !remove.is_empty() {
        let untag = apigateway.untag_resource().resource_arn(arn).set_tag_keys(Some(remove.to_vec()));
        untag.send().await.map_err(AwsError::of("UntagResource"))?;
    }
    Ok(())
}

/// All items of a list of API Gateway's, page by page.
///
/// # Errors
/// What AWS answers.
pub(super) async fn all_pages<T, F>(mut page: impl FnMut(Option<String>) -> F) -> Result<Vec<T>, AwsError>
where
    F: Future<Output = Result<(Option<Vec<T>>, Option<String>), AwsError>>,
{
    let (mut all, mut position) = (Vec::new(), None);
    loop {
        let (items, next) = page(position.clone()).await?;
        all.extend(items.unwrap_or_default());
        position = next.filter(|next| !next.is_empty());
        if position.is_none() {
            return Ok(all);
        }
    }
}
