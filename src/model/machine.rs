//! A StateMachine's AWS objects: its execution role and the state machine.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::execution_role::{self, ManagedRole, Mark};
use crate::api::MachineType;
use crate::identity::{Owner, Tags, content_hash};
use crate::plan::Plan;
use crate::policy::layout::Slot;
use crate::policy::trust;
use crate::problem::Problem;
use crate::resources::{Step, role, state_machine};
use crate::tenancy::Place;
use crate::validate::state_machine::{ValidMachine, ValidRole};

/// After an update, AWS may start executions with the former definition for "a few seconds" (Step Functions' reference of
/// UpdateStateMachine), and lists are eventually consistent.
pub const SETTLES: SignedDuration = SignedDuration::from_secs(30);
/// An EXPRESS execution lasts five minutes at most.
pub const EXPRESS: SignedDuration = SignedDuration::from_mins(5);

/// A StateMachine's AWS objects as they should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Machine {
    /// The managed execution role; absent with a role of the user's own.
    pub role: Option<execution_role::Desired>,
    /// Which role that is, or was.
    pub managed: ManagedRole,
    /// The state machine.
    pub machine: state_machine::Desired,
}

/// A StateMachine's AWS objects as AWS has them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The managed execution role, also one that is no longer wanted.
    pub role: execution_role::Observed,
    /// The state machine.
    pub machine: Option<state_machine::Observed>,
    /// Its tags, where there was a reason to read them.
    pub tags: Option<Tags>,
    /// Whether executions run that started before the last update, where there was a reason to ask.
    pub older: Older,
}

/// Whether executions run that started before the last update.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Older {
    /// Nobody asked, or it can't be known yet.
    #[default]
    Unknown,
    /// So many were found; there may be more.
    Run(usize),
    /// None does.
    Ended,
}

/// What is to be done for a StateMachine.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// The steps.
    pub plan: Plan<Step>,
    /// Since when the machine is as it is, where its role keeps for older executions what newer ones don't need.
    pub keeps_since: Option<Timestamp>,
    /// Whether the plan goes on with an update that has been made, so that it is no drift.
    pub goes_on: bool,
}

/// When executions of a machine that was updated at `since` have ended, if only time can tell.
pub fn express_end(type_: MachineType, since: Timestamp) -> Option<Timestamp> {
    (type_ == MachineType::Express).then(|| since.saturating_add(EXPRESS + SETTLES).unwrap_or(Timestamp::MAX))
}

/// Builds them.
pub fn build(valid: &ValidMachine) -> Machine {
    let ValidMachine { owner, place, .. } = valid;
    let managed = ManagedRole::of(owner, &place.region, valid.role.scope());
    let (role, role_arn) = match &valid.role {
        ValidRole::Existing(arn) => (None, arn.clone()),
        ValidRole::Managed { policy, keeps, managed_policies, .. } => {
            let ManagedRole { name, path, owner, share } = managed.clone();
            let of = match share {
                None => format!("StateMachine {}", owner.key),
                Some(_) => format!("StateMachines of namespace {}", owner.key.name),
            };
            let role = role::Desired {
                description: format!("Execution role of {of} (stepgate)"),
                name,
                path,
                owner,
                share,
                trust: trust::states(place.partition, &place.region, &place.account_id),
                policy: policy.get(&Slot::Inline).cloned().unwrap_or_default(),
                managed_policies: managed_policies.clone(),
            };
            let arn = role.arn(place.partition, &place.account_id);
            (Some(execution_role::Desired { role, layout: policy.clone(), keeps: keeps.clone() }), arn)
        }
    };
    let machine = state_machine::Desired {
        name: valid.name.clone(),
        arn: state_machine::arn(place.partition, &place.region, &place.account_id, &valid.name),
        owner: owner.clone(),
        type_: valid.type_,
        definition: valid.definition.clone(),
        role_arn,
        logging: valid.logging.clone(),
        tracing: valid.tracing,
        encryption: valid.encryption.clone(),
    };
    Machine { role, managed, machine }
}

impl Machine {
    /// Hash of everything that is wanted, to tell drift from a change of the manifest.
    pub fn hash(&self, place: &Place) -> String {
        let creation = state_machine::diff(&self.machine, None, None).unwrap_or_default();
        let nothing = execution_role::Observed::default();
        let role = self.role.as_ref().and_then(|role| role.change(&nothing, place, false).ok());
        content_hash(&(creation, role.map(|change| change.steps)))
    }

    /// The plan: the role is widened before the machine is updated, and narrowed, or removed where it is no longer wanted, when no older
    /// execution runs.
    ///
    /// # Errors
    /// An object of our name is another's.
    pub fn plan(&self, observed: &Observed, place: &Place, now: Timestamp) -> Result<Planned, Problem> {
        let machine = state_machine::diff(&self.machine, observed.machine.as_ref(), observed.tags.as_ref())?;
        let updates = machine.iter().any(|step| matches!(step, state_machine::Step::Update { .. }));
        let managed = &self.managed;
        let mark = managed.mark(&observed.role);
        let withheld = updates || (mark.is_some() && observed.older != Older::Ended);
        let mut before = Vec::new();
        let mut after = Vec::new();
        let mut rest = false;
        match &self.role {
            Some(role) => {
                let change = role.change(&observed.role, place, withheld)?;
                (before, rest) = (change.steps, change.rest);
            }
            None => {
                let removal = managed.removal(&observed.role);
                match withheld {
                    true => rest = !removal.is_empty(),
                    false => after = removal,
                }
            }
        }
        let mut keeps_since = None;
        match mark {
            Some(Mark::Updating) if updates => {}
            _ if updates && rest => before.push(managed.note(Mark::Updating)),
            Some(_) if updates => {}
            Some(Mark::Updating) if rest => before.push(managed.note(Mark::Since(now))),
            Some(Mark::Since(at)) if rest => keeps_since = Some(at),
            Some(_) if self.role.is_some() => after.push(managed.forget()),
            _ => {}
        }
        let mut plan = Plan::default();
        let before = plan.chain(before, &[]);
        let machine = plan.chain(machine.into_iter().map(Step::StateMachine), &before);
        plan.chain(after, &[before, machine].concat());
        let goes_on = mark == Some(Mark::Updating) || (mark.is_some() && observed.older == Older::Ended);
        Ok(Planned { plan, keeps_since, goes_on })
    }
}

/// The plan to nothing: machine before role. What is another's is left alone, and is no reason to keep the rest.
pub fn removal(arn: &str, owner: &Owner, managed: &ManagedRole, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    let machine = observed.machine.as_ref().zip(observed.tags.as_ref());
    let steps = state_machine::removal(arn, owner, machine);
    let steps = plan.chain(steps.into_iter().map(Step::StateMachine), &[]);
    plan.chain(managed.removal(&observed.role), &steps);
    plan
}

/// The plan that lets everything go under `deletionPolicy: Retain`.
pub fn release(arn: &str, owner: &Owner, managed: &ManagedRole, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    plan.chain(state_machine::release(arn, owner, observed.tags.as_ref()).into_iter().map(Step::StateMachine), &[]);
    plan.chain(managed.release(&observed.role), &[]);
    plan
}
