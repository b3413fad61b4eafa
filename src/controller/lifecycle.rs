//! The life of an object whose counterparts are in AWS, the same for every kind: ours once it has our finalizer, bound to an
//! account and Region before the first effect, and let go when nothing of it is left in AWS.

use std::fmt::Debug;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::core::NamespaceResourceScope;
use kube::core::object::HasStatus;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, CustomResourceExt, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::time::{Instant, sleep};

use super::effects::SHOWN_AFTER;
use super::passes::Passes;
use super::publish::{self, State};
use super::steps::{apply_problem, next, recorded, report, session};
use super::{Context, finalizer};
use crate::api::conditions::reasons;
use crate::api::{
    ABANDON, APIDomain, APIDomainStatus, AWSAccount, Binding, CommonStatus, PAUSED, RestAPI, RestAPIStatus,
    StateMachine, StateMachineStatus, UsagePlan, UsagePlanStatus, is_paused,
};
use crate::apply::{Known, apply};
use crate::aws::Session;
use crate::identity::Key;
use crate::plan::Plan;
use crate::problem::{self, Problem};
use crate::resolve;
use crate::resources::{Step, domain_name, state_machine};
use crate::tenancy::Place;
use crate::world::World;

/// How long an overtaken process tries to remove what it made, and how often where nothing says when.
const UNDOES_FOR: Duration = Duration::from_mins(5);
const UNDOES_AGAIN: Duration = Duration::from_secs(10);

/// A kind whose objects have counterparts in AWS.
pub(super) trait Kind:
    HasStatus<Status: Bound>
    + CustomResourceExt
    + Resource<DynamicType = (), Scope = NamespaceResourceScope>
    + Clone
    + Debug
    + DeserializeOwned
{
    /// Its name.
    const KIND: &'static str;

    /// Whether `kubectl delete` is refused (`spec.deletionProtection`).
    fn is_protected(&self) -> bool;
}

/// The status of such a kind.
pub(super) trait Bound: Clone + Default + PartialEq + Serialize {
    /// What the status of every kind begins with.
    fn common(&mut self) -> &mut CommonStatus;
    /// Where its counterparts are.
    fn binding(&mut self) -> &mut Option<Binding>;
}

macro_rules! kinds {
    ($($kind:ident $status:ident $is_protected:expr),*) => {$(
        impl Kind for $kind {
            const KIND: &'static str = stringify!($kind);

            fn is_protected(&self) -> bool {
                let is_protected: fn(&Self) -> bool = $is_protected;
                is_protected(self)
            }
        }
        impl Bound for $status {
            fn common(&mut self) -> &mut CommonStatus {
                &mut self.common
            }
            fn binding(&mut self) -> &mut Option<Binding> {
                &mut self.binding
            }
        }
    )*};
}
kinds!(
    APIDomain APIDomainStatus |domain| domain.spec.deletion_protection,
    RestAPI RestAPIStatus |api| api.spec.deletion_protection,
    StateMachine StateMachineStatus |machine| machine.spec.deletion_protection,
    UsagePlan UsagePlanStatus |_| false
);

/// What a reconcile is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// To bring AWS to what the object asks.
    Lives,
    /// To remove it from AWS.
    Goes,
    /// Nothing: it is not ours any more, or a change that was just written wakes it.
    Over,
}

/// One reconcile of one object.
pub(super) struct Life<'a, K> {
    /// What all reconciles share.
    pub context: &'a Context,
    /// As the store has it.
    pub object: &'a K,
    api: Api<K>,
    /// Whether there were effects.
    begun: AtomicBool,
    /// Whether its counterpart in AWS was made in this reconcile.
    made: AtomicBool,
    /// Since when the object is known to be gone, so that only what was made after it goes.
    undoes_since: OnceLock<Instant>,
}

/// Where a deletion takes place.
pub(super) struct Departure {
    /// The account that the object lives in.
    pub account: Arc<AWSAccount>,
    /// Its place there.
    pub place: Place,
    /// The calls to AWS.
    pub session: Arc<Session>,
}

impl<'a, K: Kind> Life<'a, K> {
    /// Of an object.
    pub fn of(context: &'a Context, object: &'a K) -> Self {
        let api = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
        let made = object.status().is_none_or(|status| status.clone().binding().is_none());
        let (begun, made, undoes_since) = (AtomicBool::new(false), AtomicBool::new(made), OnceLock::new());
        Self { context, object, api, begun, made, undoes_since }
    }

    /// What its reconcile is about; adds the finalizer where there is none.
    ///
    /// # Errors
    /// What Kubernetes answers.
    pub async fn phase(&self) -> Result<Phase, kube::Error> {
        match (resolve::terminating(self.object), finalizer::has(self.object)) {
            (true, true) => Ok(Phase::Goes),
            (true, false) => Ok(Phase::Over),
            (false, true) => Ok(Phase::Lives),
            (false, false) => finalizer::add(&self.api, self.object).await.map(|()| Phase::Over),
        }
    }

    /// The status that it has.
    pub fn status(&self) -> K::Status {
        self.object.status().cloned().unwrap_or_default()
    }

    /// Publishes how it stands; answers when to look again.
    ///
    /// # Errors
    /// What Kubernetes answers.
    pub async fn finish(&self, mut status: K::Status, state: State) -> Result<Action, kube::Error> {
        let Self { context, object, api, .. } = self;
        self.note_effects();
        let state = self.outlives_its_namespace().map_or(state, State::Deleting);
        let before = self.status().common().conditions.clone();
        publish::set_state(status.common(), object.meta().generation, &state);
        publish::write(context, api, object.meta(), object.status(), &status).await?;
        publish::tell(context, *object, &before, &state).await;
        Ok(next(context, K::KIND, &Key::of(*object), &state))
    }

    /// Where this process was overtaken: the object with this status as its deletion finds it. It was deleted, and what there was in AWS
    /// removed by another process, while this one was paused and then went on; what it made meanwhile would be nobody's. One of the same
    /// name that came since has it all. Where Kubernetes does not answer, nothing is known.
    pub async fn overtaken(&self, status: &K::Status) -> Option<K> {
        let is_gone = async || matches!(self.api.get_metadata_opt(&self.object.name_any()).await, Ok(None));
        if !self.begun.load(Ordering::Relaxed) || !is_gone().await {
            return None;
        }
        if self.undoes_since.get().is_none() {
            let object = Key::of(self.object);
            tracing::warn!(kind = K::KIND, %object, "it was deleted while this process was at it: what was made for it since goes");
            sleep(SHOWN_AFTER).await;
            self.undoes_since.get_or_init(Instant::now);
            if !is_gone().await {
                return None;
            }
        }
        let mut gone = self.object.clone();
        *gone.status_mut() = Some(status.clone());
        gone.meta_mut().deletion_timestamp = Some(Time(self.context.config.clock.now()));
        Some(gone)
    }

    /// The end of what this process made for such an object.
    pub fn after<'b>(&self, gone: &'b K) -> Life<'b, K>
    where
        'a: 'b,
    {
        let made = AtomicBool::new(self.made.load(Ordering::Relaxed));
        Life { made, undoes_since: self.undoes_since.clone(), ..Life::of(self.context, gone) }
    }

    /// Whether that end is there, or given up; otherwise it is to be tried again now: nothing wakes an object that is gone.
    pub async fn is_undone(&self, left: Result<(), Problem>) -> bool {
        let Err(problem) = left else {
            self.forget();
            return true;
        };
        let tries = self.undoes_since.get().is_some_and(|since| since.elapsed() < UNDOES_FOR);
        if problem.kind == problem::Kind::Waiting && tries {
            sleep(problem.retry_after.unwrap_or(UNDOES_AGAIN)).await;
            return false;
        }
        let object = Key::of(self.object);
        tracing::error!(kind = K::KIND, %object, reason = problem.reason, "what was made after it was deleted stays in AWS: {}", problem.message);
        true
    }

    /// Remembers whether its counterpart in AWS was made now.
    pub fn note(&self, done: &[Step]) {
        let makes = |step: &Step| {
            matches!(
                step,
                Step::StateMachine(state_machine::Step::Create { .. })
                    | Step::DomainName(domain_name::Step::Create { .. })
            )
        };
        self.made.fetch_or(done.iter().any(makes), Ordering::Relaxed);
    }

    /// Whether a deletion leaves everything, because there is the counterpart in AWS of an object that is gone, and this process has not
    /// made it: somebody let go of it.
    pub fn spares(&self, is_there: bool) -> bool {
        self.undoes_since.get().is_some() && is_there && !self.made.load(Ordering::Relaxed)
    }

    /// Where there were effects: AWS may not show them all yet.
    fn note_effects(&self) {
        if self.begun.load(Ordering::Relaxed) {
            self.context.effects.note(&self.object.uid().unwrap_or_default());
        }
    }

    /// That AWS, which shows nothing of it any more, has had the time to show all that was made.
    fn is_shown(&self) -> Result<(), Problem> {
        let is_let_go = self.object.annotations().contains_key(ABANDON);
        let shown_in = self.context.effects.shown_in(&self.object.uid().unwrap_or_default());
        match shown_in {
            Some(left) if !is_let_go && self.status().binding().is_some() => {
                let message = "AWS shows nothing of it any more, and is asked once more: it may not show yet what was made a moment ago";
                Err(Problem { retry_after: Some(left), ..Problem::waiting(reasons::DELETING, message) })
            }
            _ => Ok(()),
        }
    }

    /// That its namespace can't go because of it. No event tells of that: a terminating namespace takes none.
    fn outlives_its_namespace(&self) -> Option<Problem> {
        let Self { context, object, .. } = self;
        let name = object.namespace().unwrap_or_default();
        let namespace = context.stores.namespaces.get(&ObjectRef::new(&name))?;
        let stays = object.is_protected() && !resolve::terminating(*object) && resolve::terminating(&*namespace);
        let message = || {
            format!(
                "namespace {name} is being deleted and waits for this object, which spec.deletionProtection keeps; set it to false, and both go"
            )
        };
        stays.then(|| Problem::waiting(reasons::DELETION_BLOCKED, message()))
    }

    /// That it may live in a place: its account and Region never change after its first AWS object, and a terminating
    /// AWSAccount takes nothing new.
    ///
    /// # Errors
    /// Why not.
    pub fn settles(&self, account: &AWSAccount, place: &Place) -> Result<(), Problem> {
        match self.status().binding() {
            Some(binding) if *binding != place.binding() => Err(Problem::stalled(
                reasons::BINDING_CHANGED,
                format!(
                    "it lives in account {} ({}), Region {}, and would now belong to account {} ({}), Region {}; AWS is left alone: undo the change, or delete the object and create it anew",
                    binding.account_id, binding.account, binding.region, place.account_id, place.account, place.region
                ),
            )),
            None if resolve::terminating(account) => Err(Problem::stalled(
                reasons::NOT_ADMITTED,
                format!("AWSAccount {} is being deleted and takes nothing new", account.name_any()),
            )),
            _ => Ok(()),
        }
    }

    /// Writes down where it lives: before the first effect, so that its deletion knows where to look whatever happens in
    /// between.
    ///
    /// # Errors
    /// What Kubernetes answers.
    pub async fn bind(&self, status: &mut K::Status, place: &Place) -> Result<(), Problem> {
        self.begun.store(true, Ordering::Relaxed);
        self.note_effects();
        if status.binding().is_some() {
            return Ok(());
        }
        *status.binding() = Some(place.binding());
        self.record(status).await
    }

    /// Writes its status down before an effect that it must know of whatever happens in between.
    ///
    /// # Errors
    /// What Kubernetes answers.
    pub async fn record(&self, status: &K::Status) -> Result<(), Problem> {
        let written = publish::write(self.context, &self.api, self.object.meta(), self.object.status(), status).await;
        written.map_err(Problem::from)
    }

    /// Where its deletion takes place; `None` where that has nothing to do: nothing was made, or it is let go of.
    ///
    /// # Errors
    /// That the deletion waits, or what AWS answers.
    pub async fn departs(&self, world: &World) -> Result<Option<Departure>, Problem> {
        if self.object.annotations().contains_key(ABANDON) {
            return Ok(None);
        }
        let Some((account, place)) = recorded(world, self.status().binding().as_ref())? else { return Ok(None) };
        if is_paused(self.object) {
            return Err(Problem::waiting(
                reasons::DELETION_BLOCKED,
                format!("paused by annotation {PAUSED}: remove it, and deletion goes on"),
            ));
        }
        let session = session(self.context, &account, &place).await?;
        Ok(Some(Departure { account, place, session }))
    }

    /// That the brake does not hold all deletions already: asked before AWS is.
    ///
    /// # Errors
    /// That it does.
    pub fn is_free(&self, account: &AWSAccount) -> Result<(), Problem> {
        self.context.brake.holds(account, &self.object.uid().unwrap_or_default())
    }

    /// Lets its deletion pass the brake, which counts it: last of all, because what waits would be counted by the next process again.
    ///
    /// # Errors
    /// That it is held.
    pub fn pass_brake(&self, account: &AWSAccount) -> Result<(), Problem> {
        self.context.brake.pass(account, &self.object.uid().unwrap_or_default())
    }

    /// Carries out one plan of its deletion.
    ///
    /// # Errors
    /// The first step that failed, or that AWS does not show the last ones yet.
    pub async fn remove(
        &self,
        passes: &mut Passes,
        plan: &Plan<Step>,
        session: &Session,
        known: Known,
    ) -> Result<(), Problem> {
        passes.begin(plan)?;
        let outcome = apply(plan, session, None, known).await;
        report(self.context, self.object, &outcome.summary(), false).await;
        outcome.failed.first().map_or(Ok(()), |(_, error)| Err(apply_problem(error)))
    }

    /// After a deletion's turn: takes the finalizer off where nothing is left, or says what it waits for.
    ///
    /// # Errors
    /// What Kubernetes answers.
    pub async fn end(&self, status: K::Status, left: Result<(), Problem>) -> Result<Action, kube::Error> {
        if let Err(problem) = left.and_then(|()| self.is_shown()) {
            return self.finish(status, State::Deleting(problem)).await;
        }
        self.forget();
        finalizer::remove(&self.api, self.object).await?;
        Ok(Action::await_change())
    }

    fn forget(&self) {
        let uid = self.object.uid().unwrap_or_default();
        self.context.backoff.reset(K::KIND, &Key::of(self.object));
        self.context.brake.gone(&uid);
        self.context.creations.forget(&uid);
        self.context.returns.forget(&uid);
    }
}
