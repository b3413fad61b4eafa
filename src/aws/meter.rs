//! Counts every call to AWS, where the SDK itself makes it.

use std::sync::Arc;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::FinalizerInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::Metadata;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// AWS did it.
    Ok,
    /// AWS refused, or did not answer.
    Error,
}

/// Hears of every attempt, retries included: service, operation, outcome.
pub type CallObserver = Arc<dyn Fn(&str, &str, Outcome) + Send + Sync>;

pub(super) struct Meter(pub(super) CallObserver);

impl std::fmt::Debug for Meter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Meter")
    }
}

impl Intercept for Meter {
    fn name(&self) -> &'static str {
        "stepgate-meter"
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        if let Some(metadata) = bag.load::<Metadata>() {
            let failed = match context.output_or_error() {
                Some(result) => result.is_err(),
                None => true,
            };
            (self.0)(metadata.service(), metadata.name(), if failed { Outcome::Error } else { Outcome::Ok });
        }
        Ok(())
    }
}
