//! Reconciles APIDomains: one writer per domain name, which gathers what RestAPIs of all namespaces wish for on it.

use std::collections::BTreeSet;
use std::sync::Arc;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::runtime::controller::Action;
use kube::{Api, Resource, ResourceExt};
use tracing::instrument;

use super::passes::Passes;
use super::publish::{self, State};
use super::steps::{
    apply_problem, bound, crd_is_going, drifted, next, note_drift, recorded, report, session, takes_bindings,
};
use super::{Context, finalizer};
use crate::api::conditions::reasons;
use crate::api::{
    ABANDON, APIDomain, APIDomainStatus, AWSAccount, DeletionPolicy, Drift, DriftPolicy, PAUSED, RestAPI, is_paused,
};
use crate::apply::{Known, apply};
use crate::identity::Key;
use crate::model::domain::{self, Domain, KnownApis, Observed};
use crate::observe::domain::{Surveyed, claims, observe, survey, verified};
use crate::plan::Plan;
use crate::problem::{Kind, Problem};
use crate::resolve;
use crate::resources::{Step, domain_name};
use crate::tenancy::Place;
use crate::validate::api_domain::{self as validate, ValidDomain};
use crate::world::World;

const KIND: &str = "APIDomain";

/// The domain name, its mappings, and what became of them.
const MOST_PASSES: usize = 5;

/// Brings AWS to what the APIDomain and the RestAPIs that name it ask.
///
/// # Errors
/// What Kubernetes answers.
#[instrument(skip_all, fields(kind = KIND, namespace = object.namespace(), name = %object.name_any()))]
pub async fn reconcile(object: Arc<APIDomain>, context: Arc<Context>) -> Result<Action, kube::Error> {
    let api: Api<APIDomain> = Api::namespaced(context.client.clone(), &object.namespace().unwrap_or_default());
    let world = resolve::api_domain(&context, &object);
    let mut status = object.status.clone().unwrap_or_default();
    if resolve::terminating(&*object) {
        if !finalizer::has(&*object) {
            return Ok(Action::await_change());
        }
        return match delete(&context, &world, &object, &status).await {
            Ok(()) => {
                context.backoff.reset(KIND, &Key::of(&*object));
                context.brake.gone(&object.uid().unwrap_or_default());
                finalizer::remove(&api, &object).await?;
                Ok(Action::await_change())
            }
            Err(problem) => finish(&context, &api, &object, status, State::Deleting(problem)).await,
        };
    }
    if !finalizer::has(&*object) {
        finalizer::add(&api, &object).await?;
        return Ok(Action::await_change());
    }
    let state = match carry_out(&context, &api, &world, &object, &mut status).await {
        Ok(state) => state,
        Err(problem) => {
            // A RestAPI's deletion does not wait for somebody to mend the domain.
            if problem.kind == Kind::Stalled
                && let Err(error) = withdraw(&context, &world, &object, &mut status).await
            {
                tracing::warn!(%error, "base paths of RestAPIs that are being deleted are still mapped");
            }
            State::Not { problem, serving: status.applied_hash.is_some() }
        }
    };
    finish(&context, &api, &object, status, state).await
}

async fn finish(
    context: &Context,
    api: &Api<APIDomain>,
    object: &APIDomain,
    mut status: APIDomainStatus,
    state: State,
) -> Result<Action, kube::Error> {
    let before = object.status.as_ref().map(|status| status.common.conditions.clone()).unwrap_or_default();
    publish::set_state(&mut status.common, object.meta().generation, &state);
    publish::write(api, &object.name_any(), object.status.as_ref(), &status).await?;
    publish::tell(context, object, &before, &state).await;
    Ok(next(context, KIND, &Key::of(object), &state))
}

async fn carry_out(
    context: &Context,
    api: &Api<APIDomain>,
    world: &World,
    object: &APIDomain,
    status: &mut APIDomainStatus,
) -> Result<State, Problem> {
    // 1. Where it lives, and that this has not changed since its first AWS object.
    let (admission, place) = validate::place(world, object)?;
    bound(status.binding.as_ref(), &place)?;
    if status.binding.is_none() {
        takes_bindings(&admission.account)?;
    }
    // 2. What it asks for.
    let valid = validate::validate(world, object)?;
    // 3. AWS.
    let session = session(context, &admission.account, &place).await?;
    let mut drift = None;
    let mut passes = Passes::at_most(MOST_PASSES);
    loop {
        let held = held_by(context, &admission.account);
        let found = Box::pin(survey(&session, world, object, &valid, held)).await?;
        show(status, &valid, &place, &found);
        let Surveyed { observed, plan, hash, .. } = &found;
        if plan.is_empty() {
            if let Some(summary) = drift {
                status.last_drift = Some(Drift { time: Time(publish::now()), summary });
            }
            is_available(observed)?;
            status.applied_hash = Some(hash.clone());
            // Also when paused: with nothing to do, Ready stays.
            return Ok(State::Ready(served(&valid, &found)));
        }
        if is_paused(object) {
            return Ok(State::Paused(format!("Paused by annotation {PAUSED}; without it: {}", plan.summary())));
        }
        passes.begin(plan)?;
        if status.applied_hash.as_ref() == Some(hash) && drift.is_none() {
            if object.spec.drift_policy == DriftPolicy::Report {
                note_drift(&mut status.last_drift, &plan.summary());
                return Ok(drifted(&plan.summary()));
            }
            drift = Some(plan.summary());
        }
        if updates(plan) {
            // While an update is under way, API Gateway takes no other.
            is_available(observed)?;
        }
        if status.binding.is_none() {
            // Written before the first effect, so that deletion knows where to look whatever happens in between.
            status.binding = Some(place.binding());
            let written = publish::write(api, &object.name_any(), object.status.as_ref(), status).await;
            written.map_err(Problem::from)?;
        }
        let outcome = apply(plan, &session, None, known_of(&place, observed)).await;
        status.domain_name_id = outcome.known.domain_name_id.clone().or_else(|| status.domain_name_id.take());
        report(context, object, &outcome.summary(), drift.is_some()).await;
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

/// Whether the brake holds the deletion of a RestAPI of the same account: then what leads to it is kept.
fn held_by<'a>(context: &'a Context, account: &'a AWSAccount) -> impl Fn(&RestAPI) -> bool + 'a {
    |api| context.brake.check(account, &api.uid().unwrap_or_default()).is_err()
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
    let claims = claims(world, &place, held_by(context, &account));
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
async fn delete(context: &Context, world: &World, object: &APIDomain, status: &APIDomainStatus) -> Result<(), Problem> {
    if object.annotations().contains_key(ABANDON) {
        return Ok(());
    }
    let Some((account, place)) = recorded(world, status.binding.as_ref())? else { return Ok(()) };
    if is_paused(object) {
        return Err(Problem::waiting(
            reasons::DELETION_BLOCKED,
            format!("paused by annotation {PAUSED}: remove it, and deletion goes on"),
        ));
    }
    let session = session(context, &account, &place).await?;
    let owner = validate::owner(world, &account, object);
    let retain = object.spec.deletion_policy == DeletionPolicy::Retain
        || crd_is_going(context, "apidomains.stepgate.dev").await?;
    if !retain {
        context.brake.pass(&account, &object.uid().unwrap_or_default())?;
    }
    let name = &object.spec.domain_name;
    let mut passes = Passes::of_deletion();
    loop {
        let observed = observe(&session, object, &owner).await?;
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
        passes.begin(&plan)?;
        let outcome = apply(&plan, &session, None, known_of(&place, &observed)).await;
        report(context, object, &outcome.summary(), false).await;
        if let Some((_, error)) = outcome.failed.first() {
            return Err(apply_problem(error));
        }
    }
}
