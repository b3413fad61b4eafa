//! Calls that make something without a name and without a client token, such as CreateRestApi (AWS.md §2): made twice, they
//! make two. So each is announced first, where every process of the operator sees it, and is sent at once or not at all.
//!
//! The announcement is made where the SDK asks for its credentials: after the waiting for quotas, right before the signing.
//! Then [`WITHIN`] bounds the time until the call is sent, and AWS refuses a signature that is older than [`SIGNATURE`]; so
//! after [`SETTLED`] nothing is still to come of an announcement, even of a process that was paused at any moment.

use std::fmt::{Debug, Formatter};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::identity::{
    IdentityFuture, ResolveCachedIdentity, SharedIdentityCache, SharedIdentityResolver,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::{
    BeforeSerializationInterceptorContextRef, BeforeTransmitInterceptorContextRef, FinalizerInterceptorContextRef,
};
use aws_smithy_runtime_api::client::runtime_components::{RuntimeComponents, RuntimeComponentsBuilder};
use aws_smithy_types::config_bag::{ConfigBag, Storable, StoreReplace};
use futures::future::BoxFuture;
use tokio::time::Instant;

/// How soon after its announcement a call is sent, or it is not sent.
const WITHIN: Duration = Duration::from_secs(30);

/// How old a signature AWS takes, and how far a clock may be wrong (Signature Version 4).
const SIGNATURE: Duration = Duration::from_mins(5);

/// What AWS has received it does within this, and shows it.
const DONE: Duration = Duration::from_secs(30);

/// When nothing is still to come of an announcement: the signer's clock may be ahead by as much as its signature is old.
pub const SETTLED: Duration = WITHIN.saturating_add(SIGNATURE).saturating_add(SIGNATURE).saturating_add(DONE);

/// Announces a call that must not be made twice.
pub trait Announce: Send + Sync {
    /// Announces it, unless somebody else's may be under way.
    fn announce(&self) -> BoxFuture<'_, Result<(), BoxError>>;

    /// Says which id it made. Best effort: it is found again by its tags.
    fn made<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()>;
}

/// How a fenced call ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// It was not sent.
    #[default]
    Unsent,
    /// AWS answered.
    Answered,
    /// The connection broke.
    Broken,
    /// No answer came in time.
    Silent,
}

impl Ending {
    /// How long until nothing is still to come of it. A broken connection delivers nothing any more; of one that is only
    /// silent the request may still be on its way.
    pub fn settles_in(self) -> Duration {
        match self {
            Self::Unsent | Self::Answered => Duration::ZERO,
            Self::Broken => DONE,
            Self::Silent => SETTLED,
        }
    }
}

/// One call that must not be made twice. Copies are of one call.
#[derive(Clone)]
pub struct Fence {
    announce: Arc<dyn Announce>,
    progress: Arc<Mutex<Progress>>,
}

#[derive(Debug, Default)]
struct Progress {
    announced: Option<Instant>,
    ending: Ending,
}

impl Fence {
    /// Around one call.
    pub fn new(announce: Arc<dyn Announce>) -> Self {
        Self { announce, progress: Arc::default() }
    }

    /// How the call ended.
    pub fn ending(&self) -> Ending {
        self.lock().ending
    }

    /// Says which id it made.
    pub async fn made(&self, id: &str) {
        self.announce.made(id).await;
    }

    async fn raise(&self) -> Result<(), BoxError> {
        let began = Instant::now();
        self.announce.announce().await?;
        self.lock().announced = Some(began);
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Debug for Fence {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Fence").field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl Storable for Fence {
    type Storer = StoreReplace<Self>;
}

/// A fence is an interceptor of its call.
impl Intercept for Fence {
    fn name(&self) -> &'static str {
        "stepgate-fence"
    }

    fn read_before_execution(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        bag: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        bag.interceptor_state().store_put(self.clone());
        Ok(())
    }

    fn read_before_transmit(
        &self,
        _: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut progress = self.lock();
        match progress.announced {
            Some(at) if at.elapsed() <= WITHIN => {
                // Whatever ends it now, it may have been sent.
                progress.ending = Ending::Silent;
                Ok(())
            }
            Some(_) => Err("it took too long from its announcement to its sending; it is tried anew".into()),
            None => Err("it was not announced".into()),
        }
    }

    fn read_after_attempt(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let mut progress = self.lock();
        if progress.ending == Ending::Unsent {
            return Ok(());
        }
        let connector = match context.output_or_error() {
            Some(Err(error)) => error.as_connector_error(),
            _ => None,
        };
        progress.ending = match (context.response(), connector) {
            // Whatever is wrong with such an answer, AWS did it.
            (Some(response), _) if response.status().is_success() && context.inner().is_failed() => Ending::Broken,
            (Some(_), _) => Ending::Answered,
            (None, Some(error)) if !error.is_timeout() => Ending::Broken,
            (None, _) => Ending::Silent,
        };
        Ok(())
    }
}

/// An identity cache after which fences are raised.
#[derive(Debug)]
pub struct Fenced(pub SharedIdentityCache);

impl ResolveCachedIdentity for Fenced {
    fn resolve_cached_identity<'a>(
        &'a self,
        resolver: SharedIdentityResolver,
        components: &'a RuntimeComponents,
        bag: &'a ConfigBag,
    ) -> IdentityFuture<'a> {
        IdentityFuture::new(async move {
            let identity = self.0.resolve_cached_identity(resolver, components, bag).await?;
            if let Some(fence) = bag.load::<Fence>() {
                fence.raise().await?;
            }
            Ok(identity)
        })
    }

    fn validate_base_client_config(
        &self,
        components: &RuntimeComponentsBuilder,
        bag: &ConfigBag,
    ) -> Result<(), BoxError> {
        self.0.validate_base_client_config(components, bag)
    }

    fn validate_final_config(&self, components: &RuntimeComponents, bag: &ConfigBag) -> Result<(), BoxError> {
        self.0.validate_final_config(components, bag)
    }
}
