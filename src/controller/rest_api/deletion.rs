//! Removes a RestAPI from AWS.

use crate::api::conditions::reasons;
use crate::api::{RestAPI, RestAPIStatus};
use crate::apply::Known;
use crate::controller::creation;
use crate::controller::lifecycle::{Departure, Life};
use crate::controller::passes::Passes;
use crate::controller::steps::{crd_is_going, retains};
use crate::identity::role_path;
use crate::model::api::{self as model, Observed};
use crate::observe;
use crate::problem::Problem;
use crate::resources::{is_adopted, rest_api, role};
use crate::validate::domain_mappings;
use crate::validate::rest_api::owner;
use crate::world::World;

/// Removes everything from AWS; `Ok` when nothing is left. It never waits for routes.
pub(super) async fn delete(life: &Life<'_, RestAPI>, world: &World, status: &RestAPIStatus) -> Result<(), Problem> {
    let Life { context, object, .. } = *life;
    let Some(Departure { account, place, session }) = life.departs(world).await? else { return Ok(()) };
    let owner = owner(world, &account, object);
    let known_id = status.rest_api_id.clone().or_else(|| creation::made(object));
    let adopted = async || {
        let found = observe::rest_apis(&session, &owner, known_id.as_deref()).await?;
        // Somebody may have taken off the tag that says so.
        let says = |api: &rest_api::Observed| {
            world.records.iter().any(|record| record.rest_api_id == api.id && record.older.is_some())
        };
        Ok(found.iter().any(|api| is_adopted(&api.tags) || says(api)))
    };
    let retain = retains(object.spec.deletion_policy, adopted).await? || crd_is_going::<RestAPI>(context).await?;
    if !retain {
        // Before its base paths go: what is held is served by them too.
        life.pass_brake(&account)?;
    }
    let mut passes = Passes::of_deletion();
    loop {
        let mut observed = Observed {
            api: observe::rest_apis(&session, &owner, known_id.as_deref()).await?.pop(),
            ..Observed::default()
        };
        if life.spares(observed.api.is_some()) {
            return Ok(());
        }
        if observed.api.is_some()
            && !retain
            && let Some((stage, domain)) = domain_mappings::mapped(world, &owner.key).pop_first()
        {
            // API Gateway deletes no API to which a custom domain leads.
            let message = format!("waiting until APIDomain {domain} no longer leads to its stage {stage}");
            return Err(Problem::waiting(reasons::DELETION_BLOCKED, message));
        }
        let mut asked_for = object.spec.stages.iter().filter_map(|stage| stage.access_log.as_ref());
        let asked_for = asked_for.any(|log| log.log_group_arn.is_none());
        let (may_be_left, api) = (known_id.is_some() && passes.none_yet(), observed.api.as_ref());
        observed.log_groups = observe::log_groups(&session, &owner, &place, asked_for, may_be_left, api).await?;
        let names = role::remote::names_under(&session.iam, &role_path(&owner, &place.region)).await?;
        observed.roles = observe::roles(&session, names).await?;
        let plan = if retain { model::release(&owner, &observed) } else { model::removal(&owner, &observed) };
        if plan.is_empty() {
            return if observed.api.is_none() { context.creations.settled(object) } else { Ok(()) };
        }
        let removed = life.remove(&mut passes, &plan, &session, Known::of(&place)).await;
        removed.map_err(mapped_elsewhere)?;
    }
}

/// API Gateway's refusal where a custom domain that is no APIDomain's leads to the API (field: gcdt#373): it passes when somebody
/// removes that mapping.
fn mapped_elsewhere(problem: Problem) -> Problem {
    match problem.message.contains("base path mappings") {
        true => Problem::waiting(reasons::DELETION_BLOCKED, problem.message),
        false => problem,
    }
}
