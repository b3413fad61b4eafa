//! A StateMachine's AWS objects: its execution role and the state machine.

use crate::identity::{Tags, content_hash, role_name, role_path};
use crate::plan::Plan;
use crate::policy::trust;
use crate::problem::Problem;
use crate::resources::{Step, role, state_machine};
use crate::validate::state_machine::{ValidMachine, ValidRole};

/// A StateMachine's AWS objects as they should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The managed execution role; absent with a role of the user's own.
    pub role: Option<role::Desired>,
    /// The state machine.
    pub machine: state_machine::Desired,
}

/// A StateMachine's AWS objects as AWS has them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The managed execution role, also one that is no longer wanted.
    pub role: Option<role::Observed>,
    /// The state machine.
    pub machine: Option<state_machine::Observed>,
    /// Its tags, where there was a reason to read them.
    pub tags: Option<Tags>,
}

/// The name of the managed execution role.
pub fn role_of(owner: &crate::identity::Owner, region: &str) -> String {
    role_name(owner, region, "exec", &owner.key)
}

/// Builds them.
pub fn build(valid: &ValidMachine) -> Machine {
    let ValidMachine { owner, place, .. } = valid;
    let (role, role_arn) = match &valid.role {
        ValidRole::Existing(arn) => (None, arn.clone()),
        ValidRole::Managed { policy, managed_policies, .. } => {
            let role = role::Desired {
                name: role_of(owner, &place.region),
                path: role_path(owner, &place.region),
                owner: owner.clone(),
                description: format!("Execution role of StateMachine {} (stepgate)", owner.key),
                trust: trust::states(place.partition, &place.region, &place.account_id),
                policy: policy.clone(),
                managed_policies: managed_policies.clone(),
            };
            let arn = role.arn(place.partition, &place.account_id);
            (Some(role), arn)
        }
    };
    let machine = state_machine::Desired {
        name: valid.name.clone(),
        arn: state_machine::arn(place.partition, &place.region, &place.account_id, &valid.name),
        owner: owner.clone(),
        type_: valid.type_,
        definition: valid.definition.clone(),
        role_arn,
        tracing: valid.tracing,
    };
    Machine { role, machine }
}

impl Machine {
    /// Hash of everything that is wanted, to tell drift from a change of the manifest.
    pub fn hash(&self) -> String {
        let creation = state_machine::diff(&self.machine, None, None).unwrap_or_default();
        let role = self.role.as_ref().and_then(|role| role::diff(role, None).ok());
        content_hash(&(creation, role))
    }

    /// The plan: role before machine; a role that is no longer wanted goes last.
    ///
    /// # Errors
    /// An object of our name is another's.
    pub fn plan(
        &self,
        observed: &Observed,
        owner: &crate::identity::Owner,
        region: &str,
    ) -> Result<Plan<Step>, Problem> {
        let mut plan = Plan::default();
        let mut before = Vec::new();
        if let Some(role) = &self.role {
            let steps = role::diff(role, observed.role.as_ref())?;
            before = plan.chain(steps.into_iter().map(Step::Role), &[]);
        }
        let steps = state_machine::diff(&self.machine, observed.machine.as_ref(), observed.tags.as_ref())?;
        let steps = plan.chain(steps.into_iter().map(Step::StateMachine), &before);
        if self.role.is_none() {
            let removal = role::removal(&role_of(owner, region), owner, observed.role.as_ref());
            plan.chain(removal.into_iter().map(Step::Role), &steps);
        }
        Ok(plan)
    }
}

/// The plan to nothing: machine before role. What is another's is left alone, and is no reason to keep the rest.
pub fn removal(arn: &str, owner: &crate::identity::Owner, region: &str, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    let machine = observed.machine.as_ref().zip(observed.tags.as_ref());
    let steps = state_machine::removal(arn, owner, machine);
    let steps = plan.chain(steps.into_iter().map(Step::StateMachine), &[]);
    let role = role::removal(&role_of(owner, region), owner, observed.role.as_ref());
    plan.chain(role.into_iter().map(Step::Role), &steps);
    plan
}

/// The plan that lets everything go under `deletionPolicy: Retain`.
pub fn release(arn: &str, owner: &crate::identity::Owner, region: &str, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    plan.chain(state_machine::release(arn, owner, observed.tags.as_ref()).into_iter().map(Step::StateMachine), &[]);
    plan.chain(role::release(&role_of(owner, region), owner, observed.role.as_ref()).into_iter().map(Step::Role), &[]);
    plan
}
