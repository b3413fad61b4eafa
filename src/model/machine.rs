//! A StateMachine's AWS objects: its execution role and the state machine.

use k8s_openapi::jiff::{SignedDuration, Timestamp};

use super::execution_role::{self, ManagedRole, Mark};
use crate::api::{MachineType, RoleScope};
use crate::identity::{Owner, Tags, content_hash};
use crate::plan::Plan;
use crate::policy::layout::Slot;
use crate::policy::trust;
use crate::problem::Problem;
use crate::resources::role::adopted::Adopted;
use crate::resources::{Adoption, Step, role, state_machine};
use crate::tenancy::Place;
use crate::validate::adoption::ValidRoleAdoption;
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
    /// The same with a role that is made, where one is to be adopted, or else made, and there is none.
    pub otherwise: Option<Box<Machine>>,
}

/// A StateMachine's AWS objects as AWS has them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The managed execution role, also one that is no longer wanted.
    pub role: execution_role::Observed,
    /// Other roles that are the machine's: it had them before.
    pub former: Vec<(ManagedRole, execution_role::Observed)>,
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
    /// AWS was asked, and did not say: why.
    Unread(String),
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
    /// The execution role's ARN.
    pub role_arn: String,
    /// Whether it is one that is adopted.
    pub adopts: bool,
    /// Whether it is one that is made.
    pub makes: bool,
}

/// When executions of a machine that was updated at `since` have ended, if only time can tell.
pub fn express_end(type_: MachineType, since: Timestamp) -> Option<Timestamp> {
    (type_ == MachineType::Express).then(|| since.saturating_add(EXPRESS + SETTLES).unwrap_or(Timestamp::MAX))
}

/// Builds them.
pub fn build(valid: &ValidMachine) -> Machine {
    let ValidMachine { owner, place, .. } = valid;
    let made = ManagedRole::of(owner, &place.region, valid.role.scope());
    let ValidRole::Managed { adoption: Some(adoption), .. } = &valid.role else { return built(valid, made, None) };
    let adopted = ManagedRole::adopted(owner, &place.region, &adoption.arn);
    let otherwise = adoption.or_made.then(|| Box::new(built(valid, made, None)));
    Machine { otherwise, ..built(valid, adopted, Some(adoption)) }
}

fn built(valid: &ValidMachine, managed: ManagedRole, adoption: Option<&ValidRoleAdoption>) -> Machine {
    let ValidMachine { owner, place, .. } = valid;
    let (role, role_arn) = match &valid.role {
        ValidRole::Existing(arn) => (None, arn.clone()),
        ValidRole::Managed { policy, keeps, managed_policies, .. } => {
            let ManagedRole { name, path, stem, owner, share, .. } = managed.clone();
            let of = match share {
                None => format!("StateMachine {}", owner.key),
                Some(_) => format!("StateMachines of namespace {}", owner.key.name),
            };
            let trust = trust::states(place.partition, &place.region, &place.account_id);
            let role = role::Desired {
                description: format!("Execution role of {of} (stepgate)"),
                name,
                path: adoption.map_or_else(|| path.clone(), |adoption| adoption.path.clone()),
                owner,
                share,
                trust: if adoption.is_some() { trust::marked(trust) } else { trust },
                policy: policy.get(&Slot::Inline).cloned().unwrap_or_default(),
                managed_policies: managed_policies.clone(),
                adopted: adoption
                    .map(|adoption| Adopted { adoption: adoption.adoption.clone(), unmanaged: adoption.unmanaged }),
            };
            let arn = role.arn(place.partition, &place.account_id);
            let (layout, keeps) = (policy.clone(), keeps.clone());
            (Some(execution_role::Desired { role, path, stem, layout, keeps }), arn)
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
        adoption: valid.adoption.clone(),
    };
    Machine { role, managed, machine, otherwise: None }
}

impl Machine {
    /// Hash of everything that is wanted, to tell drift from a change of the manifest.
    pub fn hash(&self, place: &Place) -> String {
        let creation = vec![state_machine::creation(&self.machine)];
        let nothing = execution_role::Observed::default();
        let mut role = self.role.clone();
        let adopted = role.as_mut().and_then(|role| role.role.adopted.take());
        let role = role.and_then(|role| role.change(&nothing, place, false).ok()).map(|change| change.steps);
        match adopted {
            None => content_hash(&(creation, role)),
            Some(adopted) => content_hash(&(creation, role, adopted.unmanaged)),
        }
    }

    /// Why its role may not be adopted.
    pub fn refusal(&self) -> Option<&Problem> {
        match &self.role.as_ref()?.role.adopted.as_ref()?.adoption {
            Adoption::Refused(problem) => Some(problem),
            _ => None,
        }
    }

    /// The roles that it may have had before: the one that is made for a machine that adopts none, and those that it adopted.
    pub fn former<'a>(&self, region: &'a str, adopted: &'a [String]) -> impl Iterator<Item = ManagedRole> + use<'a> {
        let (now, owner) = (self.managed.adopted.clone(), self.machine.owner.clone());
        let made = now.is_some().then(|| ManagedRole::of(&owner, region, RoleScope::Machine));
        let others = adopted.iter().filter(move |arn| now.as_ref() != Some(*arn));
        made.into_iter().chain(others.map(move |arn| ManagedRole::adopted(&owner, region, arn)))
    }

    /// The plan: the role is widened before the machine is updated, and narrowed, or removed where it is no longer wanted, when no older
    /// execution runs. Former roles go then, too.
    ///
    /// # Errors
    /// An object of our name is another's, or the role has no room for what is to be remembered of an update.
    pub fn plan(&self, observed: &Observed, place: &Place, now: Timestamp) -> Result<Planned, Problem> {
        let machine = state_machine::diff(&self.machine, observed.machine.as_ref(), observed.tags.as_ref())?;
        let updates = machine.iter().any(|step| matches!(step, state_machine::Step::Update { .. }));
        let managed = &self.managed;
        let mark = managed.mark(&observed.role);
        let runs = observed.machine.as_ref();
        let strips = self.role.as_ref().is_some_and(|role| role.begins_to_strip(&observed.role))
            && runs.is_some_and(|machine| machine.role_arn == self.machine.role_arn);
        let may_run = observed.older != Older::Ended;
        let withheld = updates || strips || (mark.is_some() && may_run);
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
            _ if updates && rest => before.push(managed.note(Mark::Updating, &observed.role)?),
            Some(_) if updates => {}
            Some(Mark::Updating) if rest => before.push(managed.note(Mark::Since(now), &observed.role)?),
            Some(Mark::Since(at)) if rest => keeps_since = Some(at),
            Some(_) if self.role.is_some() => after.push(managed.forget()),
            _ => {}
        }
        for (managed, found) in &observed.former {
            let parting = managed.parting(found);
            let mark = managed.mark(found);
            // An adopted role may be that of now too, by its ARN: then no update tells when the machine parts from it.
            let parts_now = managed.adopted.is_some() && mark.is_none() && runs.is_some();
            if parting.is_empty() || !(updates || parts_now || (mark.is_some() && may_run)) {
                after.extend(parting);
                continue;
            }
            match mark {
                Some(Mark::Updating) if updates => {}
                _ if updates => before.push(managed.note(Mark::Updating, found)?),
                Some(Mark::Since(at)) => keeps_since = keeps_since.max(Some(at)),
                Some(Mark::Updating) | None => before.push(managed.note(Mark::Since(now), found)?),
            }
        }
        let mut plan = Plan::default();
        let before = plan.chain(before, &[]);
        let machine = plan.chain(machine.into_iter().map(Step::StateMachine), &before);
        plan.chain(after, &[before, machine].concat());
        let marks: Vec<Mark> = observed.marks(managed).collect();
        let goes_on = marks.contains(&Mark::Updating) || (!marks.is_empty() && !may_run);
        let (role_arn, adopts) = (self.machine.role_arn.clone(), managed.adopted.is_some());
        let makes = self.role.is_some() && !adopts;
        Ok(Planned { plan, keeps_since, goes_on, role_arn, adopts, makes })
    }
}

impl Observed {
    /// How far updates are, as the roles remember it.
    fn marks<'a>(&'a self, managed: &'a ManagedRole) -> impl Iterator<Item = Mark> + 'a {
        let former = self.former.iter().map(|(managed, found)| (managed, found));
        former.chain([(managed, &self.role)]).filter_map(|(managed, found)| managed.mark(found))
    }

    /// Since when the machine is as it is, where roles keep something for older executions and an update is not under way.
    pub fn since(&self, managed: &ManagedRole) -> Option<Timestamp> {
        let since = self.marks(managed).map(|mark| match mark {
            Mark::Updating => None,
            Mark::Since(at) => Some(at),
        });
        since.collect::<Option<Vec<_>>>()?.into_iter().max()
    }
}

/// The plan to nothing: machine before its roles. What is another's is left alone, and is no reason to keep the rest. `with_adopted`:
/// adopted roles go too, otherwise they are let go.
pub fn removal(arn: &str, owner: &Owner, managed: &ManagedRole, observed: &Observed, with_adopted: bool) -> Plan<Step> {
    let mut plan = Plan::default();
    let machine = observed.machine.as_ref().zip(observed.tags.as_ref());
    let steps = state_machine::removal(arn, owner, machine);
    let steps = plan.chain(steps.into_iter().map(Step::StateMachine), &[]);
    plan.chain(managed.removal(&observed.role), &steps);
    for (managed, found) in &observed.former {
        plan.chain(if with_adopted { managed.removal(found) } else { managed.parting(found) }, &steps);
    }
    plan
}

/// The plan that lets everything go under `deletionPolicy: Retain`.
pub fn release(arn: &str, owner: &Owner, managed: &ManagedRole, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    plan.chain(state_machine::release(arn, owner, observed.tags.as_ref()).into_iter().map(Step::StateMachine), &[]);
    plan.chain(managed.release(&observed.role), &[]);
    for (managed, found) in &observed.former {
        plan.chain(managed.release(found), &[]);
    }
    plan
}
