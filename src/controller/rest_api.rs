//! Reconciles RestAPIs with all their routes: one writer per API, so that a hundred changed routes are one plan and one
//! deployment.

mod deletion;
mod shown;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use tokio::time::Instant;
use tracing::instrument;

use super::api_route::serving_stage;
use super::backoff::jittered;
use super::coming::{self, PATIENCE};
use super::creation::{self, Creation};
use super::daily::is_check_of_the_day;
use super::drifts::Drifts;
use super::lifecycle::{Kind, Life, Phase};
use super::passes::Passes;
use super::publish::{self, State};
use super::route_status;
use super::steps::{apply_problem, back_since, crd_is_going, report, retired, session};
use super::{Context, Stores, finalizer, outputs, served, withdrawals};
use crate::api::conditions::{STALLED, reasons};
use crate::api::{ABANDON, APIRoute, Deploy, ManagedNames, PAUSED, RestAPI, RestAPIStatus, is_paused};
use crate::apply::{ApplyError, Known, Outcome, apply};
use crate::aws::budget::{Caller, Priority};
use crate::aws::{AwsError, Class, Session};
use crate::identity::{Key, Ownership};
use crate::model::api::{self as model, Coming, Observed};
use crate::model::attach::{Attachment, kept};
use crate::observe::{Proof, Survey, Surveyed};
use crate::plan::Plan;
use crate::problem::{self, Problem};
use crate::records::{self, Records};
use crate::resolve;
use crate::resources::deployment::Record;
use crate::resources::route::with_ancestors;
use crate::resources::{Step, deployment, request_validator, role, route};
use crate::tenancy::Place;
use crate::validate::domain_mappings;
use crate::validate::rest_api::{self as validate, ValidApi};
use crate::validate::route::{self as validate_route, Refusal, ValidRoute, operation_name};
use crate::validate::several;
use crate::world::World;

const MOST_PASSES: usize = 6;

/// How long the stages of a new API that are deployed by hand wait for such routes: they would stay at what they begin with.
const ALL_FIRST_ROUTES: Duration = Duration::from_secs(300);

/// How long an API keeps methods whose routes may yet come: it was taken over or taken back, or they were abandoned.
const ROUTES_OF_BEFORE: Duration = Duration::from_secs(300);

/// When a route is tried again that AWS refused for what may pass: its role may not be handed out, or a policy is not there.
const REFUSED_AGAIN: Duration = Duration::from_mins(5);

/// How long a new API waits for any route at all.
const FIRST_MOMENTS: Duration = Duration::from_secs(3);

/// Brings AWS to what the RestAPI and its routes ask.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = RestAPI::KIND, namespace = object.namespace(), object = %object.name_any()))]
pub async fn reconcile(object: Arc<RestAPI>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let life = Life::of(&context, &*object);
    let mut world = resolve::rest_api(&context, &object);
    let mut status = life.status();
    let closed = Box::pin(withdrawals::carry_out(&context, &world, &object, &status)).await;
    match life.phase().await? {
        Phase::Lives => {}
        Phase::Goes => {
            if let Err(problem) = closed {
                tracing::warn!("what was taken back stays in its roles until the next try: {}", problem.message);
            }
            let left = Box::pin(deletion::delete(&life, &world, &status)).await;
            return life.end(status, left).await;
        }
        Phase::Over => return Ok(Action::await_change()),
    }
    if let Some(wait) = context.stores.bursts.ends_in(&Key::of(&*object), Instant::now()) {
        // Who waits for this look waits for the next.
        if Caller::current().priority() == Priority::User {
            context.changes.woken(RestAPI::KIND, &Key::of(&*object));
        }
        return Ok(Action::requeue(wait));
    }
    world.routes_stay = retired(&context, world.routes.values()).await?;
    let mut run = Run::new(&context, &world, &object);
    // Who could not be closed out yet holds up nobody else.
    let carried_out = Box::pin(run.carry_out(&life, &mut status)).await;
    let state = match closed.and(carried_out) {
        Ok(state) => state,
        Err(problem) => State::Not { problem, serving: status.applied_hash.is_some() },
    };
    run.show(&mut status);
    status.domain_mappings = domain_mappings::standing(&world, &object).0;
    if let Some(api) = &run.observed.api {
        creation::found(&context.client, &*object, &api.id).await;
    }
    let routes = run.route_states(&state);
    let data = outputs::of_rest_api(&status, run.place.as_ref());
    let state = outputs::publish(&context.client, &*object, object.spec.outputs.as_ref(), data, state).await;
    let ready = matches!(state, State::Ready(_));
    let mut action = life.finish(status.clone(), state).await?;
    if ready && run.refused.values().any(|refusal| refusal.problem.kind == problem::Kind::Waiting) {
        action = Action::requeue(jittered(REFUSED_AGAIN));
    }
    route_status::publish(&context, &world, &status, &run.serving(&status), routes).await?;
    while let Some(gone) = life.overtaken(&status).await {
        let life = life.after(&gone);
        // Domains that led to it are gone since.
        let world = resolve::rest_api(&context, &object);
        let left = Box::pin(deletion::delete(&life, &world, &life.status())).await;
        if life.is_undone(left).await {
            return Ok(Action::await_change());
        }
    }
    Ok(action)
}

/// One reconcile of one RestAPI: what it found out on the way.
struct Run<'a> {
    context: &'a Context,
    world: &'a World,
    object: &'a Arc<RestAPI>,
    place: Option<Place>,
    records: Vec<Record>,
    attachment: Attachment,
    observed: Observed,
    /// Routes whose change AWS refused in this reconcile, which keep what they had, and those from which it was taken in this reconcile.
    refused: BTreeMap<Key, Refusal>,
    waiting: BTreeSet<Key>,
    /// What of the routes is still on its way, and how long the others wait for it.
    coming: Coming,
    coming_for: Duration,
}

impl<'a> Run<'a> {
    fn new(context: &'a Context, world: &'a World, object: &'a Arc<RestAPI>) -> Self {
        Self {
            context,
            world,
            object,
            place: None,
            records: world.records.clone(),
            attachment: Attachment::default(),
            observed: Observed::default(),
            refused: BTreeMap::new(),
            waiting: BTreeSet::new(),
            coming: Coming::default(),
            coming_for: Duration::ZERO,
        }
    }

    async fn carry_out(&mut self, life: &Life<'_, RestAPI>, status: &mut RestAPIStatus) -> Result<State, Problem> {
        // 1. Where it lives, and that this has not changed since its first AWS object.
        let (admission, place) = validate::place(self.world, self.object)?;
        life.settles(&admission.account, &place)?;
        self.place = Some(place.clone());
        // 2. What it asks for.
        let valid = validate::validate(self.world, self.object)?;
        // 3. AWS.
        let session = session(self.context, &admission.account, &place).await?;
        let mut drifts = Drifts::new(self.object.spec.drift_policy);
        let mut passes = Passes::at_most(MOST_PASSES);
        let uid = self.object.uid().unwrap_or_default();
        let config = &self.context.config;
        let is_check_of_the_day = is_check_of_the_day(&uid, config.clock.now(), config.resync_period);
        let mut look_for_roles = is_check_of_the_day;
        loop {
            let mut pass = Box::pin(self.survey(&session, &valid, status, look_for_roles)).await?;
            let tries = self.context.backoff.tries(RestAPI::KIND, &Key::of(&**self.object)) && !stands(self.object);
            let well = status.applied_hash.as_ref() == Some(&pass.hash) && !tries;
            if pass.plan.is_empty() && !well && !look_for_roles {
                // Something was changed, or went wrong, since the last time that all was well: are there roles and deployments that
                // nobody needs?
                look_for_roles = true;
                pass = Box::pin(self.survey(&session, &valid, status, look_for_roles)).await?;
            }
            if self.observed.api.is_none() {
                status.stages.clear();
            }
            if pass.plan.is_empty() {
                drifts.note(&mut status.last_drift);
                // Another process that is late may still make what this one knows to be gone.
                if is_check_of_the_day {
                    status.managed = ManagedNames::default();
                }
                status.managed.extend(&pass.managed);
                return self.settled(&valid, status, pass);
            }
            if is_paused(&**self.object) {
                return Ok(State::Paused(format!(
                    "Paused by annotation {PAUSED}; without it: {}",
                    pass.plan.summary()
                )));
            }
            passes.begin(&pass.plan)?;
            // Kubernetes lost these, not AWS: that is nobody's drift.
            let lost = pass.plan.clone().without(|step| !is_of_what_is_there(step));
            if status.applied_hash.as_ref() == Some(&pass.hash) && !lost.is_empty() {
                life.bind(status, &place).await?;
                Box::pin(self.run_plan(&session, &lost, &place, status, false)).await?;
                continue;
            }
            if status.applied_hash.as_ref() == Some(&pass.hash)
                && let Some(state) = drifts.meet(&pass.plan, &mut status.last_drift)
            {
                return Ok(state);
            }
            if status.managed.extend(&pass.managed) && status.binding.is_some() {
                life.record(status).await?;
            }
            life.bind(status, &place).await?;
            look_for_roles = true;
            Box::pin(self.run_plan(&session, &pass.plan, &place, status, drifts.any())).await?;
        }
    }

    /// Nothing is left to do, except what waits.
    fn settled(&self, valid: &ValidApi, status: &mut RestAPIStatus, pass: Pass) -> Result<State, Problem> {
        status.verified_revision = self.records.iter().map(|record| record.revision).max();
        if !self.waiting.is_empty() || pass.authorizers_wait {
            return Err(Problem::waiting(
                reasons::WAITING_FOR_ROLE,
                format!(
                    "waiting until AWS sees the new invoke role everywhere, about {} s",
                    pass.settles_in.as_secs().max(1)
                ),
            ));
        }
        if pass.first_routes_are_coming || pass.holds {
            let message = format!(
                "some routes wait for what they refer to (see `kubectl get apiroutes`): the RestAPI is deployed with them, or after {} s without",
                PATIENCE.as_secs()
            );
            let waiting = Problem::waiting(reasons::PROGRESSING, message);
            return Err(Problem { retry_after: Some(self.coming_for).filter(|left| !left.is_zero()), ..waiting });
        }
        if !pass.orphans.is_empty() {
            let routes: Vec<_> = pass.orphans.iter().map(ToString::to_string).collect();
            let minutes = ROUTES_OF_BEFORE.as_secs() / 60;
            let message = format!(
                "the API in AWS serves routes that do not exist: {}; they are kept for {minutes} minutes, because they may still be applied",
                several(&routes)
            );
            let waiting = Problem::waiting(reasons::PROGRESSING, message);
            return Err(Problem { retry_after: pass.routes_come_in.filter(|left| !left.is_zero()), ..waiting });
        }
        if let Some(problem) = self.unbegun() {
            return Err(problem);
        }
        status.applied_hash = Some(pass.hash);
        let on_record = |route: &Key| {
            let served = self.newest().is_some_and(|record| record.routes.iter().any(|served| served.route == *route));
            served && Stores::get(&self.context.stores.routes, route).is_none_or(|route| resolve::terminating(&*route))
        };
        self.context.returns.end(&self.object.uid().unwrap_or_default(), on_record);
        let unread =
            |text: String| self.observed.unread.values().fold(text, |text, one| publish::sentences(&text, one));
        if let Some((field, revision)) = model::unknown_pins(valid, &self.records).first() {
            let known: Vec<_> = self.records.iter().map(|record| record.revision.to_string()).collect();
            return Err(Problem::stalled(
                reasons::REVISION_NOT_FOUND,
                unread(format!(
                    "{field}: there is no revision {revision}; there are {}; the stage is left as it is",
                    if known.is_empty() { "none yet".to_owned() } else { known.join(", ") }
                )),
            ));
        }
        if let (false, Some(stage)) =
            (valid.may_log(self.observed.log_role), valid.stages.iter().find(|stage| stage.logs()))
        {
            return Err(Problem::stalled(
                reasons::LOG_ROLE_MISSING,
                format!(
                    "spec.stages[{}]: API Gateway has no role to write logs with in account {}, Region {}, so nothing is logged; the platform admin must name one in apiGatewayLogRole.arn of AWSAccount {}, or set it in AWS",
                    stage.name, valid.place.account_id, valid.place.region, valid.place.account
                ),
            ));
        }
        if let Some(stage) = valid.mapped_stages.iter().find(|stage| self.observed.stages.contains_key(*stage)) {
            let message = format!("stage {stage} is kept until no APIDomain leads to it");
            return Err(Problem::waiting(reasons::PROGRESSING, message));
        }
        if let (_, Some(problem)) = domain_mappings::standing(self.world, self.object) {
            return Err(problem);
        }
        let (attached, kept) = (self.attachment.attached.len(), kept(&self.attachment, &self.observed.tree).len());
        let all = attached + self.attachment.refused.len();
        let served = format!("{} of {all} routes are served.", attached + kept);
        let served = match kept {
            0 => served,
            kept => publish::sentences(&served, &format!("{kept} of them keep serving as before their last change.")),
        };
        let behind = self.behind(valid).into_iter().fold(served, |text, stage| publish::sentences(&text, &stage));
        Ok(State::Ready(unread(behind)))
    }

    /// A stage that is deployed by hand and begins when all of the first routes can be served, and no role has to settle.
    fn unbegun(&self) -> Option<Problem> {
        let missing = |stage: &&crate::api::Stage| {
            stage.deploy == Deploy::Manual
                && stage.revision.is_none()
                && !self.observed.stages.contains_key(&stage.name)
        };
        let stage = self.object.spec.stages.iter().find(missing)?;
        if !self.coming.first {
            let message = format!(
                "spec.stages[{}] is deployed by hand, and begins when AWS sees the changed invoke roles everywhere",
                stage.name
            );
            return Some(Problem::waiting(reasons::WAITING_FOR_ROLE, message));
        }
        let minutes = ALL_FIRST_ROUTES.as_secs() / 60;
        let message = format!(
            "spec.stages[{}] is deployed by hand, and some routes of this new RestAPI can't be served yet (see `kubectl get apiroutes`): the stage begins with all of them, or after {minutes} minutes with those that can",
            stage.name
        );
        Some(Problem::waiting(reasons::PROGRESSING, message))
    }

    /// Which stages stay at an older revision because they are deployed by hand.
    fn behind(&self, valid: &ValidApi) -> Vec<String> {
        let Some(newest) = self.records.iter().map(|record| record.revision).max() else { return Vec::new() };
        let manual = valid.stages.iter().filter(|stage| stage.manual && stage.revision.is_none());
        let stays = manual.filter_map(|stage| {
            let serves = self.record_of(&self.observed.stages.get(&stage.name)?.deployment_id)?.revision;
            (serves != newest).then(|| {
                format!("Stage {} stays at revision {serves} (deploy: Manual); the newest is {newest}.", stage.name)
            })
        });
        stays.collect()
    }

    /// Observes, builds and plans.
    async fn survey(
        &mut self,
        session: &Session,
        valid: &ValidApi,
        status: &RestAPIStatus,
        look_for_roles: bool,
    ) -> Result<Pass, Problem> {
        let known_id = self.observed.api.as_ref().map(|api| api.id.clone());
        let known_id = known_id.or_else(|| status.rest_api_id.clone()).or_else(|| creation::made(&**self.object));
        let candidates = self.candidates(valid);
        self.look_for_coming(&candidates);
        let (returns, uid, now) = (&self.context.returns, self.object.uid().unwrap_or_default(), Instant::now());
        returns.exist(&uid, |route| self.world.routes.get(route).is_some_and(|route| !is_let_go(route)));
        let (are_back, taken_back) = (self.routes_are_back().await?, status.applied_hash.is_none());
        let may_come = |route: &Key| {
            let in_time = || !returns.is_over(&uid, route, ROUTES_OF_BEFORE, now);
            let is_gone = returns.is_gone(&uid, route);
            are_back || in_time() && !is_gone && (taken_back || self.was_let_go(route))
        };
        let surveyed = Survey {
            session,
            world: self.world,
            api: self.object,
            valid,
            coming: self.coming,
            verified_revision: status.verified_revision.unwrap_or_default(),
            managed: &status.managed,
            may_come: &may_come,
            candidates,
            known_routes: self.known_routes(),
            proof: self.context,
            records: self.records.clone(),
            uid: self.object.metadata.uid.as_deref(),
            known_id,
            look_for_roles,
            now: self.context.config.clock.now().into(),
            propagation_wait: self.context.config.propagation_wait,
            settles_in: &|name, was_deployed| self.context.widening_settles_in(name, was_deployed),
        }
        .run()
        .await?;
        let Surveyed {
            plan, hash, settles_in, first_routes_are_coming, holds, authorizers_wait, orphans, managed, ..
        } = surveyed;
        // Of one that is still to be taken over, nobody applies routes yet.
        let api = surveyed.observed.api.as_ref();
        let is_ours = api.is_some_and(|api| valid.owner.reads(&api.tags) == Ownership::Ours);
        let routes_come_in = if is_ours { returns.wait(&uid, &orphans, ROUTES_OF_BEFORE, now) } else { None };
        self.records = surveyed.records;
        self.attachment = surveyed.attachment;
        let withdrawn = self.attachment.refused.iter().filter(|(_, refusal)| refusal.withdrawn);
        self.refused.extend(withdrawn.map(|(key, refusal)| (key.clone(), refusal.clone())));
        self.waiting = surveyed.waiting;
        self.observed = surveyed.observed;
        Ok(Pass {
            plan,
            hash,
            settles_in,
            first_routes_are_coming,
            holds,
            authorizers_wait,
            orphans,
            routes_come_in,
            managed,
        })
    }

    /// Whether APIRoutes have only just come back as a kind, so that some that AWS serves may yet be applied.
    async fn routes_are_back(&self) -> Result<bool, Problem> {
        let served = self.newest().into_iter().flat_map(|record| &record.routes);
        if served.into_iter().all(|served| self.world.routes.contains_key(&served.route)) {
            return Ok(false);
        }
        let back = back_since::<APIRoute>(self.context, &**self.object).await?;
        Ok(back.is_some_and(|since| since < ROUTES_OF_BEFORE))
    }

    /// Whether a route that does not exist was let go of: of one that is deleted the finalizer goes when no stage that follows serves it, or
    /// it is known as deleted. By the records as they are with the status that names them.
    fn was_let_go(&self, route: &Key) -> bool {
        let records = &self.world.records;
        let newest = records.iter().max_by_key(|record| record.revision);
        let on_record = newest.is_some_and(|record| record.routes.iter().any(|served| served.route == *route));
        on_record && serving_stage(self.object, records, route).is_some()
            || served::serves_off_record(self.object, records)
    }

    fn newest(&self) -> Option<&Record> {
        self.records.iter().max_by_key(|record| record.revision)
    }

    /// The routes whose methods go where they take no part. One that has lost our finalizer, or does not have it yet, keeps what is there,
    /// and so does one that is let go of.
    fn known_routes(&self) -> BTreeSet<Key> {
        let routes = self.world.routes.iter();
        let known = routes
            .filter(|(_, route)| (finalizer::has(&***route) || resolve::terminating(&***route)) && !is_let_go(route));
        known.map(|(key, _)| key.clone()).collect()
    }

    /// The routes that can take part: those that hold our finalizer. One that is being deleted takes part while it is
    /// paused, or the brake holds it: then it is kept as it is.
    fn candidates(&self, valid: &ValidApi) -> Vec<(Arc<APIRoute>, Result<ValidRoute, Refusal>)> {
        let routes = self.world.routes.values();
        routes
            .filter(|route| finalizer::has(&***route) && !is_let_go(route))
            .filter_map(|route| {
                let key = Key::of(&**route);
                let going = resolve::terminating(&**route) && !is_paused(&**route);
                let candidate = match self.refused.get(&key) {
                    _ if going => Err(Refusal::kept(self.held(valid, &key, route)?)),
                    Some(refusal) => Err(refusal.clone()),
                    None => validate_route::candidate(self.world, self.object, valid, route),
                };
                Some((Arc::clone(route), candidate))
            })
            .collect()
    }

    /// What holds a route that is being deleted. One that serves nothing costs nothing.
    fn held(&self, valid: &ValidApi, key: &Key, route: &APIRoute) -> Option<Problem> {
        let serves = self.records.iter().any(|record| record.routes.iter().any(|served| served.route == *key))
            || served::serves_off_record(self.object, &self.records);
        if serves && self.world.routes_stay {
            let why = "APIRoutes are being deleted as a kind: what they serve stays";
            return Some(Problem::waiting(reasons::DELETING, why));
        }
        let uid = route.uid().unwrap_or_default();
        serves.then(|| self.context.brake.pass(&valid.admission.account, &uid).err()).flatten()
    }

    /// Which routes can't take part yet, and what waits for them.
    fn look_for_coming(&mut self, candidates: &[(Arc<APIRoute>, Result<ValidRoute, Refusal>)]) {
        let waits = |candidate: &Result<ValidRoute, Refusal>| {
            candidate.as_ref().is_err_and(|refusal| refusal.problem.reason == reasons::WAITING_FOR_REFERENCE)
        };
        let new = |route: &&Arc<APIRoute>| {
            let admitted = validate::admits(&self.world.namespaces, self.object, route).is_ok();
            admitted && !finalizer::has(&***route) && !resolve::terminating(&***route)
        };
        let unresolved = candidates.iter().filter(|(_, candidate)| waits(candidate)).map(|(route, _)| route);
        let unresolved = self.world.routes.values().filter(new).chain(unresolved);
        let unresolved: Vec<coming::Coming> =
            unresolved.map(|route| (Key::of(&**route), route.metadata.generation)).collect();
        let come = !unresolved.is_empty();
        let left = self.context.arrivals.end_in(&Key::of(&**self.object), unresolved, Instant::now());
        self.coming_for = left.unwrap_or_default();
        self.coming = Coming {
            any: self.world.routes.is_empty() && self.age() < FIRST_MOMENTS,
            together: left.is_some(),
            first: come && self.age() < ALL_FIRST_ROUTES,
        };
    }

    fn age(&self) -> Duration {
        let now = self.context.config.clock.now();
        let age = self.object.creation_timestamp().map(|created| now.duration_since(created.0));
        age.and_then(|age| Duration::try_from(age).ok()).unwrap_or_default()
    }

    async fn run_plan(
        &mut self,
        session: &Session,
        plan: &Plan<Step>,
        place: &Place,
        status: &mut RestAPIStatus,
        drift: bool,
    ) -> Result<(), Problem> {
        let creation = match &self.observed.api {
            None => Some(Creation::of(&self.context.client, &self.context.creations, &**self.object)?),
            Some(_) => None,
        };
        let known = Known {
            rest_api_id: self.observed.api.as_ref().map(|api| api.id.clone()),
            fence: creation.as_ref().map(Creation::fence),
            resources: self.observed.tree.resources.clone(),
            authorizers: self.observed.authorizers.ids(),
            validators: self.observed.validators.as_ref().map(request_validator::ids).unwrap_or_default(),
            ..Known::of(place)
        };
        let records = Records::new(self.context.client.clone(), self.object, &self.records);
        let outcome = apply(plan, session, Some(&records), known).await;
        status.rest_api_id = outcome.known.rest_api_id.clone();
        for step in &outcome.done {
            match step {
                Step::Role(step) if step.widens() => self.context.role_widened(step.name()),
                Step::Record(deployment::RecordStep::Forget { revision }) => {
                    self.records.retain(|record| record.revision != *revision);
                }
                _ => {}
            }
        }
        for record in &outcome.known.records {
            self.records.retain(|known| known.revision != record.revision);
            self.records.push(record.clone());
        }
        report(self.context, &**self.object, &outcome.summary(), drift).await;
        creation.map_or(Ok(()), |creation| creation.end())?;
        self.take_failures(&outcome)
    }

    /// Whether what a change refers to is still not there when it is tried again.
    fn lacks(&self, error: &AwsError) -> bool {
        error.class == Class::NotFound
            && error.code.as_deref() == Some("BadRequestException")
            && self.context.backoff.tries(RestAPI::KIND, &Key::of(&**self.object))
    }

    /// The refusal of a route, or of the role of some, is their own affair: the next pass goes on without them. Anything else ends the
    /// reconcile.
    fn take_failures(&mut self, outcome: &Outcome) -> Result<(), Problem> {
        for (step, error) in &outcome.failed {
            let problem = apply_problem(error);
            let of_routes: Vec<Key> = match (step, error) {
                (Step::Role(step), ApplyError::Aws(AwsError { class, .. }))
                    if class.is_about_what_was_asked()
                        || (*class == Class::NotFound && matches!(step, role::Step::Attach { .. })) =>
                {
                    let has = |route: &&ValidRoute| route.role.as_ref().is_some_and(|(name, _)| name == step.name());
                    self.attachment.attached.values().filter(has).map(|route| route.key.clone()).collect()
                }
                (_, ApplyError::Aws(error)) if !error.class.is_about_what_was_asked() && !self.lacks(error) => {
                    Vec::new()
                }
                (Step::Route(route::Step::Put { to, .. }), ApplyError::Aws(_)) => {
                    self.world.routes.keys().filter(|key| operation_name(key) == to.operation_name).cloned().collect()
                }
                (Step::Route(route::Step::CreateResource { path }), ApplyError::Aws(_)) => {
                    let attached = self.attachment.attached.values();
                    attached
                        .filter(|route| with_ancestors(&route.at.path).contains(path))
                        .map(|route| route.key.clone())
                        .collect()
                }
                (Step::Model(step), ApplyError::Aws(_)) => {
                    let (name, _) = step.name_and_needs();
                    let attached = self.attachment.attached.values();
                    attached.filter(|route| route.models.contains_key(name)).map(|route| route.key.clone()).collect()
                }
                _ => Vec::new(),
            };
            if of_routes.is_empty() {
                return Err(problem);
            }
            for key in of_routes {
                let refusal = Refusal { problem: problem.clone(), refs: false, withdrawn: false };
                self.refused.insert(key, refusal);
            }
        }
        Ok(())
    }
}

/// Whether all is as asked but for a field of a stage, as was said of this generation: then nothing went wrong in AWS.
fn stands(api: &RestAPI) -> bool {
    api.status.iter().flat_map(|status| &status.common.conditions).any(|condition| {
        condition.type_ == STALLED
            && condition.status == "True"
            && condition.observed_generation == api.metadata.generation
            && [reasons::REVISION_NOT_FOUND, reasons::LOG_ROLE_MISSING].contains(&condition.reason.as_str())
    })
}

/// Whether a route goes without AWS.
fn is_let_go(route: &APIRoute) -> bool {
    resolve::terminating(route) && route.annotations().contains_key(ABANDON)
}

/// Whether a step writes the record of a deployment that is there already.
fn is_of_what_is_there(step: &Step) -> bool {
    matches!(step, Step::Record(deployment::RecordStep::Keep { record }) if !record.deployment_id.is_empty())
}

/// What one look found to do.
struct Pass {
    plan: Plan<Step>,
    hash: String,
    settles_in: Duration,
    first_routes_are_coming: bool,
    holds: bool,
    orphans: BTreeSet<Key>,
    /// How long the first of them is waited for.
    routes_come_in: Option<Duration>,
    authorizers_wait: bool,
    managed: ManagedNames,
}

impl Proof for Context {
    fn exists<'a>(&'a self, route: &'a Key, of: &'a Key) -> futures::future::BoxFuture<'a, Result<bool, Problem>> {
        Box::pin(async move {
            // Of a kind that is not there, nothing is proven absent. Who let go of a route need not wait until others have, too.
            let has_gone = |route: &APIRoute| is_let_go(route) && !finalizer::has(route);
            let has_gone = Stores::get(&self.stores.routes, route).is_some_and(|route| has_gone(&route));
            let exists = || resolve::route_exists(&self.client, route, of);
            Ok(crd_is_going::<APIRoute>(self).await? || !has_gone && exists().await?)
        })
    }

    fn records<'a>(
        &'a self,
        namespace: &'a str,
        uid: Option<&'a str>,
    ) -> futures::future::BoxFuture<'a, Result<Vec<Record>, Problem>> {
        Box::pin(async move { records::of_namespace(&self.client, namespace, uid).await.map_err(Problem::from) })
    }
}
