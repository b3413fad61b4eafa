//! Reconciles APIDomains: one writer per domain name, which gathers what RestAPIs of all namespaces wish for on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use kube::ResourceExt;
use kube::runtime::controller::Action;
use kube::runtime::reflector::ObjectRef;
use tracing::instrument;

use super::brake::Brake;
use super::drifts::Drifts;
use super::lifecycle::{Departure, Kind, Life, Phase};
use super::passes::Passes;
use super::publish::{self, State};
use super::steps::{apply_problem, crd_is_going, recorded, report, retired, session};
use super::{Context, finalizer};
use crate::api::conditions::reasons;
use crate::api::{APIDomain, APIDomainStatus, AWSAccount, AdoptionPolicy, DeletionPolicy, PAUSED, RestAPI, is_paused};
use crate::apply::{Known, apply};
use crate::identity::Key;
use crate::model::domain::{self, Domain, KnownApis, Observed};
use crate::observe::domain::{Surveyed, claims, observe, survey, verified};
use crate::plan::Plan;
use crate::problem::{self, Problem};
use crate::resolve;
use crate::resources::{Step, domain_name};
use crate::tenancy::Place;
use crate::validate::api_domain::{self as validate, ValidDomain};
use crate::world::World;

/// The domain name, its mappings, and what became of them.
const MOST_PASSES: usize = 5;

/// Brings AWS to what the APIDomain and the RestAPIs that name it ask.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = APIDomain::KIND, namespace = object.namespace(), object = %object.name_any()))]
pub async fn reconcile(object: Arc<APIDomain>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let life = Life::of(&context, &*object);
    let mut world = resolve::api_domain(&context, &object);
    world.apis_stay = retired(&context, world.apis.values()).await?;
    let mut status = life.status();
    match life.phase().await? {
        Phase::Lives => {}
        Phase::Goes => {
            let left = Box::pin(delete(&life, &world)).await;
            return life.end(status, left).await;
        }
        Phase::Over => return Ok(Action::await_change()),
    }
    let state = match Box::pin(carry_out(&life, &world, &mut status)).await {
        Ok(state) => state,
        Err(problem) => {
            // A RestAPI's deletion does not wait for somebody to mend the domain.
            if problem.kind == problem::Kind::Stalled
                && let Err(error) = withdraw(&context, &world, &object, &mut status).await
            {
                tracing::warn!(%error, "base paths of RestAPIs that are being deleted are still mapped");
            }
            State::Not { problem, serving: status.applied_hash.is_some() }
        }
    };
    let action = life.finish(status.clone(), state).await?;
    while let Some(gone) = life.overtaken(&status).await {
        let life = life.after(&gone);
        let left = Box::pin(delete(&life, &world)).await;
        if life.is_undone(left).await {
            return Ok(Action::await_change());
        }
    }
    Ok(action)
}

async fn carry_out(life: &Life<'_, APIDomain>, world: &World, status: &mut APIDomainStatus) -> Result<State, Problem> {
    let Life { context, object, .. } = *life;
    // 1. Where it lives, and that this has not changed since its first AWS object.
    let (admission, place) = validate::place(world, object)?;
    life.settles(&admission.account, &place)?;
    // 2. What it asks for.
    let valid = validate::validate(world, object)?;
    // 3. AWS.
    let session = session(context, &admission.account, &place).await?;
    let mut drifts = Drifts::new(object.spec.drift_policy);
    let mut passes = Passes::at_most(MOST_PASSES);
    loop {
        let held = held_by(context, world);
        let found = Box::pin(survey(&session, world, object, &valid, held)).await?;
        show(status, &valid, &place, &found);
        let Surveyed { observed, plan, hash, .. } = &found;
        if plan.is_empty() {
            drifts.note(&mut status.last_drift);
            is_available(observed)?;
            status.applied_hash = Some(hash.clone());
            // Also when paused: with nothing to do, Ready stays.
            return Ok(State::Ready(served(&valid, &found)));
        }
        if is_paused(object) {
            return Ok(State::Paused(format!("Paused by annotation {PAUSED}; without it: {}", plan.summary())));
        }
        passes.begin(plan)?;
        if status.applied_hash.as_ref() == Some(hash)
            && let Some(state) = drifts.meet(plan, &mut status.last_drift)
        {
            return Ok(state);
        }
        if updates(plan) {
            // While an update is under way, API Gateway takes no other.
            is_available(observed)?;
        }
        life.bind(status, &place).await?;
        let outcome = apply(plan, &session, None, known_of(&place, observed)).await;
        status.domain_name_id = outcome.known.domain_name_id.clone().or_else(|| status.domain_name_id.take());
        life.note(&outcome.done);
        report(context, object, &outcome.summary(), drifts.any()).await;
        if let Some((_, error)) = outcome.failed.first() {
            return Err(apply_problem(error));
        }
    }
}

/// What steps need of the domain name that is there.
fn known_of(place: &Place, observed: &Observed) -> Known {
    let domain = observed.domain.as_ref();
    Known {
        domain_name_id: domain.and_then(|domain| domain.id.clone()),
        domain_arn: domain.and_then(|domain| domain.arn.clone()),
        ..Known::of(place)
    }
}

/// The APIs to which its base paths lead.
fn apis_of(observed: &Observed) -> BTreeSet<String> {
    observed.mappings.values().map(|mapping| mapping.rest_api_id.clone()).collect()
}

/// Whether a RestAPI stays in AWS although it is being deleted, because its kind is, or the brake of the AWSAccount that it lives in holds
/// it, or that is gone: then what leads to it is kept. Asked here, it passes the brake: what leads to it is the first that goes.
fn held_by<'a>(context: &'a Context, world: &'a World) -> impl Fn(&RestAPI) -> bool + 'a {
    |api| {
        let binding = api.status.as_ref().and_then(|status| status.binding.as_ref());
        let account = binding.map(|binding| context.stores.accounts.get(&ObjectRef::new(&binding.account)));
        let uid = api.uid().unwrap_or_default();
        // One that was adopted stays in AWS, which is not counted.
        let adopts = api.spec.adoption.as_ref().is_some_and(|adoption| adoption.policy == AdoptionPolicy::Adopt);
        let stays = adopts && api.spec.deletion_policy.is_none();
        let ask = if stays { Brake::check } else { Brake::pass };
        let is_held = |account: &Arc<AWSAccount>| ask(&context.brake, account, &uid).is_err();
        world.apis_stay || finalizer::has(api) && account.is_some_and(|account| account.as_ref().is_none_or(is_held))
    }
}

fn updates(plan: &Plan<Step>) -> bool {
    let is = |step: &Step| matches!(step, Step::DomainName(domain_name::Step::Update { .. }));
    plan.steps().iter().any(|planned| is(&planned.step))
}

/// Whether API Gateway has the domain name ready; until then, in its words.
fn is_available(observed: &Observed) -> Result<(), Problem> {
    let Some(domain) = &observed.domain else { return Ok(()) };
    let says = domain.status_message.as_ref().map(|message| format!(": {message}")).unwrap_or_default();
    let waits = |what: &str| Err(Problem::waiting(reasons::PROGRESSING, format!("{what}{says}")));
    match domain.status.as_str() {
        "AVAILABLE" => Ok(()),
        "UPDATING" | "PENDING" => waits("API Gateway is setting the domain name up"),
        "PENDING_CERTIFICATE_REIMPORT" => waits(
            "API Gateway waits until the certificate is imported into ACM anew, with the former one's domain names",
        ),
        "PENDING_OWNERSHIP_VERIFICATION" => waits(
            "API Gateway waits for proof of whose the domain is: validate the certificate of spec.ownershipVerificationCertificateArn in ACM",
        ),
        status => {
            Err(Problem::stalled(reasons::REFUSED_BY_AWS, format!("API Gateway has the domain name as {status}{says}")))
        }
    }
}

/// What the status shows of AWS.
fn show(status: &mut APIDomainStatus, valid: &ValidDomain, place: &Place, found: &Surveyed) {
    let Surveyed { observed, wishes, shared, known, .. } = found;
    status.mappings = Domain { valid, wishes, known }.shown(observed, shared);
    let Some(domain) = &observed.domain else { return };
    status.binding = Some(place.binding());
    status.domain_name_id.clone_from(&domain.id);
    status.domain_name_status = Some(domain.status.clone());
    status.target_domain_name.clone_from(&domain.target);
    status.target_hosted_zone_id.clone_from(&domain.zone);
}

fn served(valid: &ValidDomain, found: &Surveyed) -> String {
    let wanted = found.shared.wanted.len() + found.shared.kept.len();
    let paths =
        if wanted == 1 { "1 base path is mapped".to_owned() } else { format!("{wanted} base paths are mapped") };
    let others =
        found.observed.mappings.values().filter(|mapping| !found.known.contains_key(&mapping.rest_api_id)).count();
    let served = match found.shared.refused.len() {
        0 => format!("{} is set up; {paths}.", valid.name),
        refused => format!("{} is set up; {paths}, and {refused} not as RestAPIs ask.", valid.name),
    };
    let served = match found.observed.associations.len() {
        0 => served,
        endpoints => publish::sentences(&served, &format!("VPC endpoints that may call it: {endpoints}.")),
    };
    match others {
        0 => served,
        others => publish::sentences(&served, &format!("{others} of others' in AWS are left alone.")),
    }
}

/// Removes what leads to RestAPIs that are being deleted.
async fn withdraw(
    context: &Context,
    world: &World,
    object: &APIDomain,
    status: &mut APIDomainStatus,
) -> Result<(), Problem> {
    let mapped = resolve::mapped_apis(object);
    let going: BTreeSet<&Key> = world
        .apis
        .iter()
        .filter(|(key, api)| mapped.contains(key) && resolve::terminating(&***api))
        .map(|(key, _)| key)
        .collect();
    if going.is_empty() || is_paused(object) {
        return Ok(());
    }
    let Some((account, place)) = recorded(world, status.binding.as_ref())? else { return Ok(()) };
    let session = session(context, &account, &place).await?;
    let observed = observe(&session, object, &validate::owner(world, &account, object)).await?;
    let claims = claims(world, &place, held_by(context, world));
    let known = verified(&session, world, &claims, &apis_of(&observed)).await?.into_iter();
    let goes: KnownApis = known.filter(|(_, api)| !api.frozen && going.contains(&api.key)).collect();
    let plan = domain::withdrawal(&object.spec.domain_name, &observed, &goes);
    let outcome = apply(&plan, &session, None, known_of(&place, &observed)).await;
    report(context, object, &outcome.summary(), false).await;
    if let Some((_, error)) = outcome.failed.first() {
        return Err(apply_problem(error));
    }
    let gone: BTreeSet<&Key> = goes.values().map(|api| &api.key).collect();
    let namespace = object.namespace().unwrap_or_default();
    status.mappings.retain(|mapping| !gone.contains(&Key::resolve(&mapping.api_ref, &namespace)));
    Ok(())
}

/// Removes everything from AWS; `Ok` when nothing is left.
async fn delete(life: &Life<'_, APIDomain>, world: &World) -> Result<(), Problem> {
    let Life { context, object, .. } = *life;
    let Some(Departure { account, place, session }) = life.departs(world).await? else { return Ok(()) };
    let owner = validate::owner(world, &account, object);
    let retain = object.spec.deletion_policy == DeletionPolicy::Retain || crd_is_going::<APIDomain>(context).await?;
    if !retain {
        life.is_free(&account)?;
    }
    let name = &object.spec.domain_name;
    let mut passes = Passes::of_deletion();
    loop {
        let observed = observe(&session, object, &owner).await?;
        if life.spares(observed.domain.is_some()) {
            return Ok(());
        }
        let plan = if retain {
            domain::release(name, &owner, &observed)
        } else {
            let claims = claims(world, &place, |_| false);
            let known = verified(&session, world, &claims, &apis_of(&observed)).await?;
            domain::removal(name, &owner, &observed, &known)?
        };
        if plan.is_empty() {
            return Ok(());
        }
        if !retain {
            life.pass_brake(&account)?;
        }
        life.remove(&mut passes, &plan, &session, known_of(&place, &observed)).await?;
    }
}
