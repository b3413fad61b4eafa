//! What a StateMachine's owner takes back from callers (`allowedCallers`) is taken out of the invoke roles of their RestAPI before anything else,
//! so that neither a pause nor a manifest that can't be carried out keeps it.

use std::collections::BTreeMap;

use kube::ResourceExt;

use super::Context;
use super::steps::{apply_problem, recorded, report, session};
use crate::api::{ABANDON, RestAPI, RestAPIStatus};
use crate::apply::{Known, apply};
use crate::identity::Ownership;
use crate::observe;
use crate::plan::Plan;
use crate::policy::roles::{MachineArn, On};
use crate::problem::Problem;
use crate::resources::deployment::RoleNeeds;
use crate::resources::{Step, role};
use crate::validate::rest_api::owner;
use crate::validate::served::{is_withdrawn, withdrawn};
use crate::world::World;

/// Takes it out. Without a withdrawal it costs no call.
///
/// # Errors
/// What AWS answers.
pub(super) async fn carry_out(
    context: &Context,
    world: &World,
    object: &RestAPI,
    status: &RestAPIStatus,
) -> Result<(), Problem> {
    if object.annotations().contains_key(ABANDON) {
        return Ok(());
    }
    let Ok(Some((account, place))) = recorded(world, status.binding.as_ref()) else { return Ok(()) };
    let withdrawn = withdrawn(world, &place);
    let mut concerned: BTreeMap<String, &str> = BTreeMap::new();
    for (name, needs) in world.records.iter().flat_map(|record| &record.roles) {
        let Some(of) = &needs.of else { continue };
        if needs.uses.iter().any(|one| is_withdrawn(&withdrawn, &of.namespace, one)) {
            concerned.insert(name.clone(), &of.namespace);
        }
    }
    if concerned.is_empty() {
        return Ok(());
    }
    let session = session(context, &account, &place).await?;
    let owner = owner(world, &account, object);
    let mut plan = Plan::default();
    for (name, found) in observe::roles(&session, concerned.keys().cloned()).await? {
        let Some(found) = found.filter(|found| owner.reads(&found.tags) == Ownership::Ours) else { continue };
        let mut needs = RoleNeeds::read(&found);
        let had = needs.uses.len();
        needs.uses.retain(|one| !is_withdrawn(&withdrawn, concerned[&name], one));
        if needs.uses.len() < had {
            let is_called = |machine: &MachineArn| {
                needs.uses.iter().any(|one| matches!(&one.on, On::Machine(arn) if arn == machine))
            };
            needs.keys.retain(|key| is_called(&key.machine));
            plan.chain([Step::Role(role::rewritten(&name, &needs.policy()))], &[]);
        }
    }
    if plan.is_empty() {
        return Ok(());
    }
    let outcome = Box::pin(apply(&plan, &session, None, Known::of(&place))).await;
    report(context, object, &outcome.summary(), false).await;
    outcome.failed.first().map_or(Ok(()), |(_, error)| Err(apply_problem(error)))
}
