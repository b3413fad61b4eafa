//! Which process of the operator may create what AWS has no name for. Two at one moment (a lease is no fence) would each look
//! for it by its tags, find nothing, and make one.
//!
//! The annotation [`CREATION`] of the Kubernetes object says it: `claimed by <process>, <number>` from right before the call
//! ([`crate::aws::Fence`]), `made <id>` after it. It is written with the resource version that was just read, so that of two
//! one loses and starts over; and it must be what it was when the reconcile began, before AWS was looked at. It is no part of
//! the status, which is written as a whole by whoever reconciles, with caches however old. Who finds the claim of another
//! waits until nothing can still come of it.

use std::collections::HashMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aws_smithy_runtime_api::box_error::BoxError;
use futures::future::BoxFuture;
use kube::api::{ApiResource, DynamicObject, Patch};
use kube::core::NamespaceResourceScope;
use kube::{Api, Client, Resource, ResourceExt};
use serde_json::json;
use tokio::time::Instant;

use super::publish;
use crate::api::CREATION;
use crate::api::conditions::reasons;
use crate::aws::fence::{Announce, Ending, Fence, SETTLED};
use crate::problem::Problem;
use crate::resolve::terminating;

const CLAIMED: &str = "claimed by ";
const MADE: &str = "made ";

/// While another's claim is waited out, it is looked so often whether anything came of it.
const LOOKS: Duration = Duration::from_mins(1);

/// The id of what was made for an object, as its annotation says, which anybody may have written. It grants nothing: owner tags do.
pub fn made(object: &impl ResourceExt) -> Option<String> {
    let id = object.annotations().get(CREATION)?.strip_prefix(MADE)?;
    let is_one = !id.is_empty() && id.chars().all(|c| c.is_ascii_alphanumeric());
    is_one.then(|| id.to_owned())
}

/// The claims that this process knows of.
pub struct Creations {
    /// The pod, in which one process follows another.
    pod: String,
    process: String,
    number: AtomicU64,
    /// By the object's UID: the claim, and when nothing is still to come of it.
    known: Mutex<HashMap<String, (String, Instant)>>,
}

impl Default for Creations {
    fn default() -> Self {
        let process = format!("{:016x}", RandomState::new().build_hasher().finish());
        let pod = std::env::var("POD_UID").unwrap_or_else(|_| process.clone());
        Self { pod, process, number: AtomicU64::default(), known: Mutex::default() }
    }
}

impl Creations {
    /// That nothing is still to come of the claim that an object carries.
    ///
    /// # Errors
    /// That it is waited for.
    pub fn settled(&self, object: &impl ResourceExt) -> Result<(), Problem> {
        let left = self.left(&object.uid().unwrap_or_default(), object.annotations().get(CREATION));
        if left.is_zero() {
            return Ok(());
        }
        let message = format!(
            "its creation in AWS was begun, and what became of that is not known; so that there are not two, nothing is done until nothing can still come of it, {} minutes at most",
            SETTLED.as_secs() / 60
        );
        Err(Problem { retry_after: Some(left.min(LOOKS)), ..Problem::waiting(reasons::RETRYING, message) })
    }

    fn left(&self, uid: &str, annotation: Option<&String>) -> Duration {
        let Some(claim) = annotation.and_then(|text| text.strip_prefix(CLAIMED)) else { return Duration::ZERO };
        let mut known = self.known();
        if let Some((_, until)) = known.get(uid).filter(|(same, _)| same == claim) {
            return until.saturating_duration_since(Instant::now());
        }
        // Of a container that was started anew: the process before it is dead, and its connections with it.
        let dead = claim.starts_with(&format!("{}/", self.pod));
        let wait = if dead { Ending::Broken } else { Ending::Silent }.settles_in();
        known.insert(uid.to_owned(), (claim.to_owned(), Instant::now() + wait));
        wait
    }

    /// Whether a claim is this process's own, of which nothing is still to come.
    fn is_over(&self, uid: &str, annotation: Option<&String>) -> bool {
        let own = format!("{CLAIMED}{}/{},", self.pod, self.process);
        annotation.is_some_and(|text| text.starts_with(&own)) && self.left(uid, annotation).is_zero()
    }

    /// A new claim, of which something is to come until its end is known.
    fn claim(&self, uid: &str) -> String {
        let Self { pod, process, number, .. } = self;
        let claim = format!("{pod}/{process}, {}", number.fetch_add(1, Ordering::Relaxed));
        self.known().insert(uid.to_owned(), (claim.clone(), Instant::now() + SETTLED));
        claim
    }

    fn ended(&self, uid: &str, ending: Ending) {
        if let Some((_, until)) = self.known().get_mut(uid) {
            *until = Instant::now() + ending.settles_in();
        }
    }

    /// An object is gone.
    pub fn forget(&self, uid: &str) {
        self.known().remove(uid);
    }

    fn known(&self) -> MutexGuard<'_, HashMap<String, (String, Instant)>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The creation of one object's counterpart in AWS.
pub struct Creation {
    fence: Fence,
    claim: Arc<Claim>,
}

impl Creation {
    /// Of an object as it was when the reconcile began.
    ///
    /// # Errors
    /// Something may still come of another's claim.
    pub fn of<K>(client: &Client, creations: &Arc<Creations>, object: &K) -> Result<Self, Problem>
    where
        K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
    {
        creations.settled(object)?;
        let claim = Arc::new(Claim {
            api: api(client, object),
            creations: Arc::clone(creations),
            name: object.name_any(),
            uid: object.uid().unwrap_or_default(),
            before: object.annotations().get(CREATION).cloned(),
            refused: Mutex::default(),
        });
        Ok(Self { fence: Fence::new(Arc::clone(&claim) as Arc<dyn Announce>), claim })
    }

    /// For the call.
    pub fn fence(&self) -> Fence {
        self.fence.clone()
    }

    /// When the call has ended, or was not made at all.
    ///
    /// # Errors
    /// Why it was not sent.
    pub fn end(&self) -> Result<(), Problem> {
        let Claim { creations, uid, refused, .. } = &*self.claim;
        creations.ended(uid, self.fence.ending());
        let refused = refused.lock().unwrap_or_else(PoisonError::into_inner).take();
        refused.map_or(Ok(()), Err)
    }
}

/// Notes what came of a claim, where that was found by its tags.
pub async fn found<K>(client: &Client, object: &K, id: &str)
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    if object.annotations().get(CREATION).is_some_and(|text| text.starts_with(CLAIMED)) {
        let (api, name, text) = (api(client, object), object.name_any(), format!("{MADE}{id}"));
        noted(write(&api, &name, object.uid(), &text, None).await);
    }
}

fn api<K>(client: &Client, object: &K) -> Api<DynamicObject>
where
    K: Resource<DynamicType = (), Scope = NamespaceResourceScope>,
{
    let namespace = object.namespace().unwrap_or_default();
    Api::namespaced_with(client.clone(), &namespace, &ApiResource::erase::<K>(&()))
}

/// Writes the annotation, if the object is still that of the UID, and of the version where one is given.
async fn write(
    api: &Api<DynamicObject>,
    name: &str,
    uid: Option<String>,
    text: &str,
    version: Option<String>,
) -> Result<(), kube::Error> {
    let mut meta = json!({"uid": uid, "annotations": {CREATION: text}});
    if let Some(version) = version {
        meta["resourceVersion"] = json!(version);
    }
    let patch = Patch::Merge(json!({"metadata": meta}));
    api.patch_metadata(name, &publish::ours(), &patch).await.map(drop)
}

fn noted(written: Result<(), kube::Error>) {
    if let Err(error) = written {
        tracing::debug!(%error, "not noted what was made");
    }
}

struct Claim {
    api: Api<DynamicObject>,
    creations: Arc<Creations>,
    name: String,
    uid: String,
    /// The annotation before AWS was looked at.
    before: Option<String>,
    refused: Mutex<Option<Problem>>,
}

impl Claim {
    async fn claim(&self) -> Result<(), Problem> {
        let over = |why: &str| Problem::waiting(reasons::PROGRESSING, format!("{why}; it is looked at anew"));
        let now = self.api.get_metadata(&self.name).await.map_err(Problem::from)?;
        if now.uid().as_ref() != Some(&self.uid) || terminating(&now) {
            return Err(over("it was deleted meanwhile"));
        }
        let annotation = now.annotations().get(CREATION);
        if annotation != self.before.as_ref() && !self.creations.is_over(&self.uid, annotation) {
            return Err(over("another operator process creates it in AWS at this moment"));
        }
        let claim = self.creations.claim(&self.uid);
        let written = self.write(&format!("{CLAIMED}{claim}"), now.resource_version()).await;
        written.map_err(|error| match error {
            kube::Error::Api(status) if status.code == 409 => over("it was changed meanwhile"),
            error => Problem::from(error),
        })
    }

    async fn write(&self, text: &str, version: Option<String>) -> Result<(), kube::Error> {
        write(&self.api, &self.name, Some(self.uid.clone()), text, version).await
    }
}

impl Announce for Claim {
    fn announce(&self) -> BoxFuture<'_, Result<(), BoxError>> {
        Box::pin(async {
            self.claim().await.map_err(|problem| {
                *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(problem.clone());
                problem.into()
            })
        })
    }

    fn made<'a>(&'a self, id: &'a str) -> BoxFuture<'a, ()> {
        Box::pin(async move {
            noted(self.write(&format!("{MADE}{id}"), None).await);
        })
    }
}
