//! The budget inside the SDK's clients.
//!
//! A permit is waited for where the SDK asks for its credentials: the last thing that it does before it signs, in every
//! attempt, retries included. A wait in the HTTP connector would come too late: AWS refuses a signature older than 5 minutes,
//! and ten waiting DeleteRestApi take as long. An attempt must have no time limit of its own then; its connection and the
//! reading of its answer have.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigateway::operation::create_rest_api::CreateRestApiInput;
use aws_sdk_apigateway::types::EndpointType;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::retries::classifiers::{ClassifyRetry, RetryAction, RetryReason};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use aws_smithy_types::retry::ErrorKind;

use super::caller::Caller;
use super::queue::Line;
use super::quotas::CREATE_EDGE_API;
use crate::aws::error::is_count_limit;

/// An identity cache that first waits for a permit.
#[derive(Debug)]
pub struct Permits {
    /// Whose permits.
    pub line: Arc<Line>,
    /// Where the credentials come from.
    pub inner: SharedIdentityCache,
}

impl ResolveCachedIdentity for Permits {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            if let Some(operation) = operation(bag) {
                self.line.permit(operation, &Caller::current()).await;
            }
            self.inner.resolve_cached_identity(resolver, components, bag).await
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        bag: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.inner.validate_base_client_config(components, bag)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, bag: &ConfigBag) -> Result<(), BoxError> {
        self.inner.validate_final_config(components, bag)
    }
}

/// Hears from every answer whether there was room.
#[derive(Debug)]
pub struct Room {
    /// In whose quotas.
    pub line: Arc<Line>,
}

impl Intercept for Room {
    fn name(&self) -> &'static str {
        "stepgate-budget"
    }

    fn read_before_execution(
        &self,
        context: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if context.input().downcast_ref::<CreateRestApiInput>().is_some_and(is_edge) {
            bag.interceptor_state().store_put(CountsAs(CREATE_EDGE_API));
        }
        Ok(())
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        components: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let (Some(operation), Some(response)) = (operation(bag), context.response()) else { return Ok(()) };
        let throttled = |classifier: &dyn ClassifyRetry| {
            matches!(
                classifier.classify_retry(context.inner()),
                RetryAction::RetryIndicated(RetryReason::RetryableError { kind: ErrorKind::ThrottlingError, .. })
            )
        };
        if response.status().as_u16() == 429 {
            let code = response.headers().get("x-amzn-errortype").and_then(|code| code.split(':').next());
            let text = response.body().bytes().map(String::from_utf8_lossy);
            if is_count_limit(code.unwrap_or_default(), &text.unwrap_or_default()) {
                return Ok(());
            }
        }
        if response.status().as_u16() == 429 || components.retry_classifiers().any(|classifier| throttled(&classifier))
        {
            let seconds = response.headers().get("retry-after").and_then(|seconds| seconds.parse().ok());
            self.line.throttled(operation, seconds.map(Duration::from_secs));
        } else if response.status().is_success() {
            self.line.succeeded(operation);
        }
        Ok(())
    }
}

/// API Gateway takes it for edge-optimized when nothing else is said.
fn is_edge(input: &CreateRestApiInput) -> bool {
    let types = input.endpoint_configuration().map(|configuration| configuration.types()).unwrap_or_default();
    types.is_empty() || types.contains(&EndpointType::Edge)
}

/// The quota under which a call counts, where the operation's name does not say it.
#[derive(Debug)]
struct CountsAs(&'static str);

impl Storable for CountsAs {
    type Storer = StoreReplace<Self>;
}

fn operation(bag: &ConfigBag) -> Option<&str> {
    match bag.load::<CountsAs>() {
        Some(CountsAs(name)) => Some(name),
        None => bag.load::<Metadata>().map(Metadata::name),
    }
}

#[cfg(test)]
mod tests;
