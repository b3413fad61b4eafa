//! The managed execution role of a StateMachine: the role, and the customer-managed policies that hold what its inline policy has no
//! room for.
//!
//! Two things are done in an order that a running execution survives. What one document loses to another is written there first
//! ([`layout::between`]). And what an updated definition no longer needs is kept until the executions that started before have ended:
//! they keep the old definition (AWS.md §2). The role's own tags remember that, so that it outlives the process and nobody in the cluster
//! can forge it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::Timestamp;

use crate::api::conditions::reasons;
use crate::api::{RoleScope, Unmanaged};
use crate::identity::{ADOPTED, Key, Owner, Ownership, Tags, adopted_role_path, machine_name, role_name, role_path};
use crate::policy::ceiling::{self, Grant, Namespace};
use crate::policy::layout::{self, Layout, MOST_ATTACHED, Slot};
use crate::policy::statement::{Document, Effect, INLINE_LIMIT, Statement};
use crate::policy::{encryption, roles};
use crate::problem::Problem;
use crate::resources::role::adopted;
use crate::resources::{Step, managed_policy, role};
use crate::tenancy::Place;

/// The role has, or had, policies beside its inline one.
const POLICIES: &str = "stepgate.dev/policies";
/// Since when all new executions run with the present definition; [`NOW`] while it is being updated.
const UPDATED: &str = "stepgate.dev/updated";
const NOW: &str = "now";
/// IAM takes so many tags on a role (its quotas).
const MOST_TAGS: usize = 50;
/// When there may be room for another: executions that have to end for it may run for long.
const ROOM_AGAIN: Duration = Duration::from_mins(1);

/// The managed execution role of a machine, by name: its own, or the one that it shares with others of its namespace. In a shared role
/// each machine has an inline policy of its own, also where it needs no permission: the role goes with the last of them.
#[derive(Clone, Debug, PartialEq)]
pub struct ManagedRole {
    /// Its name.
    pub name: String,
    /// The path of its policies, and its own where it is made here.
    pub path: String,
    /// How the names of its policies begin: its own name, where it is made here.
    pub stem: String,
    /// Whose it is: the machine's, or the namespace's.
    pub owner: Owner,
    /// The name of the machine's policy in it, where it is shared.
    pub share: Option<String>,
    /// Its ARN, where it was there before and is adopted.
    pub adopted: Option<String>,
}

impl ManagedRole {
    /// Of a machine.
    pub fn of(machine: &Owner, region: &str, scope: RoleScope) -> Self {
        let own = machine_name(&machine.key);
        let namespace = &machine.key.namespace;
        let (owner, of, share) = match scope {
            RoleScope::Machine => (machine.clone(), machine.key.clone(), None),
            RoleScope::Namespace => {
                let owner = Owner { kind: "Namespace", key: Key::new(namespace, namespace), ..machine.clone() };
                (owner, Key::new(namespace, ""), Some(format!("{}{own}", role::SHARE)))
            }
        };
        let (name, path) = (role_name(&owner, region, "exec", &of), role_path(&owner, region));
        Self { stem: name.clone(), name, path, owner, share, adopted: None }
    }

    /// The role of this ARN, which a machine adopts or has adopted.
    pub fn adopted(machine: &Owner, region: &str, arn: &str) -> Self {
        let name = arn.rsplit('/').next().unwrap_or(arn);
        Self {
            name: name.to_owned(),
            path: adopted_role_path(machine, region, arn),
            // Theirs may have the names that would follow from the role's own.
            stem: role_name(machine, region, &format!("adopted-{name}"), &machine.key),
            owner: machine.clone(),
            share: None,
            adopted: Some(arn.to_owned()),
        }
    }

    /// Under which tag the role remembers how far an update of the machine is.
    fn updated(&self) -> String {
        match &self.share {
            None => UPDATED.to_owned(),
            Some(share) => format!("{UPDATED}/{share}"),
        }
    }

    /// How far an update of the machine is, as the role remembers it: it is kept wider for executions that started before.
    pub fn mark(&self, observed: &Observed) -> Option<Mark> {
        let text = observed.role.as_ref()?.tags.get(&self.updated())?;
        Some(text.parse().map_or(Mark::Updating, Mark::Since))
    }

    /// Notes on the role how far an update of the machine is.
    ///
    /// # Errors
    /// Others have noted as much on a shared role as there is room for.
    pub fn note(&self, mark: Mark, observed: &Observed) -> Result<Step, Problem> {
        let tags = observed.role.as_ref().map(|role| &role.tags);
        if self.share.is_some()
            && tags.is_some_and(|tags| tags.len() >= MOST_TAGS && !tags.contains_key(&self.updated()))
        {
            // A date for several would let one machine's update end what another's still needs.
            let waiting = Problem::waiting(
                reasons::WAITING_FOR_ROLE,
                format!(
                    "spec.executionRole.scope: role {} has the {MOST_TAGS} tags that IAM takes, one for each machine that shares it and of which older executions may still run; this machine is updated when those of another have ended; with scope: Machine, a StateMachine waits for no other",
                    self.name
                ),
            );
            return Err(Problem { retry_after: Some(ROOM_AGAIN), ..waiting });
        }
        let value = match mark {
            Mark::Updating => NOW.to_owned(),
            Mark::Since(at) => Timestamp::from_second(at.as_second()).unwrap_or(at).to_string(),
        };
        let tags = Tags::from([(self.updated(), value)]);
        Ok(Step::Role(role::Step::Note { name: self.name.clone(), tags }))
    }

    /// Nothing is kept any more.
    pub fn forget(&self) -> Step {
        Step::Role(role::Step::Forget { name: self.name.clone(), keys: vec![self.updated()] })
    }

    /// What removes it, its policies before it: nothing where it is not there, or another's. Others keep a shared one.
    pub fn removal(&self, observed: &Observed) -> Vec<Step> {
        let Self { name, owner, share, .. } = self;
        let found = observed.role.as_ref();
        if let Some(share) = share {
            let mut steps: Vec<Step> =
                role::removal_of_share(name, share, owner, found).into_iter().map(Step::Role).collect();
            let goes = steps.iter().any(|step| matches!(step, Step::Role(role::Step::Delete { .. })));
            steps.extend((!goes && self.mark(observed).is_some()).then(|| self.forget()));
            return steps;
        }
        let is_ours = |role: &role::Observed| !matches!(owner.reads(&role.tags), Ownership::Foreign(_));
        let mut steps = match found {
            Some(role) if !is_ours(role) => Vec::new(),
            _ => take_off(name, owner, observed, |_| false),
        };
        steps.extend(role::removal(name, owner, found).into_iter().map(Step::Role));
        steps
    }

    /// What parts the machine from it, once it has another or is gone: one that was made here is removed, an adopted one is as it was,
    /// but for what others changed.
    pub fn parting(&self, observed: &Observed) -> Vec<Step> {
        let Self { name, owner, adopted, .. } = self;
        if adopted.is_none() {
            return self.removal(observed);
        }
        let left = adopted::leave(name, owner, observed.role.as_ref());
        let mut steps = if left.is_empty() { Vec::new() } else { take_off(name, owner, observed, |_| false) };
        steps.extend(left.into_iter().map(Step::Role));
        steps
    }

    /// Whether it is its owner's.
    pub fn is_ours(&self, observed: &Observed) -> bool {
        let role = observed.role.as_ref();
        role.is_some_and(|role| !matches!(self.owner.reads(&role.tags), Ownership::Foreign(_)))
    }

    /// What lets it go with its policies under `deletionPolicy: Retain`. A shared one stays the namespace's: a share that is left in it
    /// keeps it.
    pub fn release(&self, observed: &Observed) -> Vec<Step> {
        let Self { name, owner, share, .. } = self;
        if share.is_some() {
            return Vec::new();
        }
        let parts = observed.parts.iter().filter_map(|(arn, part)| managed_policy::release(arn, owner, part));
        let role = role::release(name, owner, observed.role.as_ref()).into_iter().map(Step::Role);
        parts.map(Step::ManagedPolicy).chain(role).collect()
    }
}

/// An execution role as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The role; its inline policy is that of the layout.
    pub role: role::Desired,
    /// The path of its policies.
    pub path: String,
    /// How their names begin.
    pub stem: String,
    /// What it may do.
    pub layout: Layout,
    /// What of that which it no longer needs may be kept for running executions.
    pub keeps: Keeps,
}

/// What bounds that which is kept for running executions: the tenant's grants as they are now.
#[derive(Clone, Debug, PartialEq)]
pub struct Keeps {
    /// The tenant's ceiling, filled in.
    pub ceiling: Vec<Grant>,
    /// The namespace.
    pub namespace: Namespace,
    /// The tenant's `managedPolicyArns`, filled in.
    pub managed_policies: Vec<String>,
    /// The tenant's `exposure.kmsKeyArns`, filled in.
    pub kms_keys: Vec<String>,
}

impl Keeps {
    fn admits(&self, statement: &Statement) -> bool {
        statement.effect == Effect::Deny
            || roles::is_bounded_elsewhere(statement)
            || encryption::key_of(statement)
                .is_some_and(|key| ceiling::arn_allowed(&self.kms_keys, key, &self.namespace))
            || ceiling::check(std::slice::from_ref(statement), &self.ceiling, &self.namespace).is_ok()
    }
}

/// An execution role as AWS has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The role, also one that is no longer wanted.
    pub role: Option<role::Observed>,
    /// The policies under its path by ARN.
    pub parts: BTreeMap<String, managed_policy::Observed>,
}

/// How far an update of the machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mark {
    /// It may be under way.
    Updating,
    /// Every execution that starts after this moment runs with the present definition.
    Since(Timestamp),
}

impl Observed {
    /// Whether there may be policies beside the inline one.
    pub fn has_policies(role: &role::Observed) -> bool {
        role.tags.contains_key(POLICIES)
    }

    fn attached(&self, arn: &str) -> bool {
        self.role.as_ref().is_some_and(|role| role.managed_policies.contains(arn))
    }

    /// What the documents that count say; what can't be read is not ours.
    fn layout(&self, policy_name: &str, prefix: &str) -> Layout {
        let Some(role) = &self.role else { return Layout::new() };
        let inline = role.policies.get(policy_name).map(|text| (Slot::Inline, text));
        let parts = self.parts.iter().filter(|(arn, _)| self.attached(arn));
        let parts = parts.filter_map(|(arn, part)| Some((Slot::Part(number(prefix, arn)?), &part.policy)));
        let documents = inline.into_iter().chain(parts);
        documents.filter_map(|(slot, text)| Some((slot, Document::parse(text).ok()?))).collect()
    }
}

/// The number of a policy, from its ARN.
fn number(prefix: &str, arn: &str) -> Option<usize> {
    arn.strip_prefix(prefix)?.parse().ok()
}

/// What is the same in the ARNs of all policies of a role: the number follows.
fn prefix(role: &str, path: &str, place: &Place) -> String {
    format!("arn:{}:iam::{}:policy{path}{role}-", place.partition, place.account_id)
}

/// What is to be done with a role now.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Change {
    /// The steps.
    pub steps: Vec<Step>,
    /// Whether more is to be done after them: what the role no longer needs has not gone yet.
    pub rest: bool,
}

impl Desired {
    /// The ARNs of its policies beside the inline one.
    pub fn part_arns(&self, place: &Place) -> BTreeSet<String> {
        self.layout
            .keys()
            .filter_map(|slot| self.part(*slot, &Document::default(), place))
            .map(|part| part.arn)
            .collect()
    }

    /// Its policies beside the inline one.
    pub fn parts(&self, place: &Place) -> Vec<managed_policy::Desired> {
        self.layout.iter().filter_map(|(slot, policy)| self.part(*slot, policy, place)).collect()
    }

    fn part(&self, slot: Slot, policy: &Document, place: &Place) -> Option<managed_policy::Desired> {
        let Slot::Part(number) = slot else { return None };
        let Self { role: role::Desired { name, owner, .. }, path, stem, .. } = self;
        Some(managed_policy::Desired {
            name: format!("{stem}-{number}"),
            path: path.clone(),
            arn: format!("{}{number}", prefix(stem, path, place)),
            owner: owner.clone(),
            description: format!("Part {number} of the permissions of role {name} (stepgate)"),
            policy: policy.clone(),
        })
    }

    /// What brings the role there; `withheld`: as far as takes nothing from executions that run.
    ///
    /// # Errors
    /// A role or policy of our name is another's; or no role holds what it has and what it needs.
    pub fn change(&self, observed: &Observed, place: &Place, withheld: bool) -> Result<Change, Problem> {
        let prefix = prefix(&self.stem, &self.path, place);
        let now = observed.layout(self.role.policy_name(), &prefix);
        let mut managed = self.role.managed_policies.clone();
        if withheld {
            let others: Vec<&String> = match (&observed.role, &self.role.adopted) {
                (None, _) => Vec::new(),
                (Some(role), None) => role.managed_policies.iter().collect(),
                (Some(role), Some(_)) => adopted::attached_by_us(role).collect(),
            };
            let others = others.into_iter().filter(|arn| number(&prefix, arn).is_none());
            let Keeps { managed_policies, namespace, .. } = &self.keeps;
            managed.extend(others.filter(|arn| ceiling::arn_allowed(managed_policies, arn, namespace)).cloned());
        }
        let target = self.next(&now, withheld, MOST_ATTACHED.saturating_sub(managed.len()), observed.role.is_some())?;

        let mut change =
            Change { steps: Vec::new(), rest: target != self.layout || managed != self.role.managed_policies };
        let parts: Vec<_> = target.iter().filter_map(|(slot, policy)| self.part(*slot, policy, place)).collect();
        let attached = observed.role.iter().flat_map(|role| &role.managed_policies);
        managed.extend(attached.filter(|arn| number(&prefix, arn).is_some()).cloned());
        let role = role::Desired {
            policy: target.get(&Slot::Inline).cloned().unwrap_or_default(),
            managed_policies: managed,
            ..self.role.clone()
        };
        let name = || self.role.name.clone();
        let (of_role, kept) = self.with_others(role, observed.role.as_ref(), withheld)?;
        change.rest |= kept;
        change.steps.extend(of_role.into_iter().map(Step::Role));
        let noted = observed.role.as_ref().is_some_and(Observed::has_policies);
        if !parts.is_empty() && !noted {
            let tags = Tags::from([(POLICIES.to_owned(), "true".to_owned())]);
            change.steps.push(Step::Role(role::Step::Note { name: name(), tags }));
        }
        for part in &parts {
            let steps = managed_policy::diff(part, observed.parts.get(&part.arn))?;
            change.steps.extend(steps.into_iter().map(Step::ManagedPolicy));
            if !observed.attached(&part.arn) {
                change.steps.push(Step::Role(role::Step::Attach { name: name(), arn: part.arn.clone() }));
            }
        }
        let stays = |arn: &str| parts.iter().any(|part| part.arn == arn);
        let leaving = take_off(&self.role.name, &self.role.owner, observed, stays);
        if parts.is_empty() && noted && leaving.is_empty() {
            let keys = vec![POLICIES.to_owned()];
            change.steps.push(Step::Role(role::Step::Forget { name: name(), keys }));
        }
        change.steps.extend(leaving);
        Ok(change)
    }

    /// Whether an adoption begins that takes from the role what others wrote.
    pub fn begins_to_strip(&self, observed: &Observed) -> bool {
        let found = observed.role.as_ref().zip(self.role.adopted.as_ref());
        found.is_some_and(|(role, adopted)| !adopted.keeps() && adopted.adoption.takes(&role.tags))
    }

    /// The steps of the role itself; `withheld`: what others wrote into an adopted one stays for now, and whether it does is said.
    fn with_others(
        &self,
        mut role: role::Desired,
        observed: Option<&role::Observed>,
        withheld: bool,
    ) -> Result<(Vec<role::Step>, bool), Problem> {
        let whole = role::diff(&role, observed)?;
        let Some(adopted) = &mut role.adopted else { return Ok((whole, false)) };
        let strips = !adopted.keeps();
        if strips && !withheld {
            return Ok((whole, false));
        }
        adopted.unmanaged = Unmanaged::Keep;
        let others = observed.map(adopted::kept_inline).unwrap_or_default();
        if others > 0 && others + role.policy.len() > INLINE_LIMIT {
            let mend = if strips { "" } else { ", or set unmanaged: Remove" };
            return Err(Problem::invalid(format!(
                "spec.executionRole.adoption: the inline policies that role {} has take {others} of the {INLINE_LIMIT} characters that a role's may have, and this machine's needs {}; move some of them to a managed policy{mend}",
                role.name,
                role.policy.len()
            )));
        }
        let mut steps = role::diff(&role, observed)?;
        let kept = steps != whole;
        for step in &mut steps {
            // In one call with the tags that make it ours: who goes on after a crash knows what is withheld, and why.
            if let role::Step::Claim { claim, .. } = step
                && kept
                && claim.tags.contains_key(ADOPTED)
            {
                claim.tags.insert(UPDATED.to_owned(), NOW.to_owned());
            }
        }
        Ok((steps, kept))
    }

    /// The layout to write now.
    fn next(&self, now: &Layout, withheld: bool, most: usize, exists: bool) -> Result<Layout, Problem> {
        let wanted = || self.layout.clone();
        let has_parts = now.keys().chain(self.layout.keys()).any(|slot| *slot != Slot::Inline);
        if !exists || (!withheld && !has_parts) {
            return Ok(wanted());
        }
        if !withheld {
            // Where there is no room for both, a moment without some of it can't be helped.
            return Ok(layout::between(now, &self.layout, most).filter(|next| next != now).unwrap_or_else(wanted));
        }
        let mut kept = now.clone();
        for document in kept.values_mut() {
            *document = layout::filtered(document, |_, statement| self.keeps.admits(statement));
        }
        kept.retain(|_, document| !document.is_empty());
        layout::between(&kept, &self.layout, most).ok_or_else(|| {
            Problem::invalid(format!(
                "spec.definition: no role holds what running executions of the former definition may still do together with what this one needs: more than {MOST_ATTACHED} policies; change it in two steps, or create another StateMachine"
            ))
        })
    }
}

/// What takes the other policies off a role and deletes them.
fn take_off(name: &str, owner: &Owner, observed: &Observed, stays: impl Fn(&str) -> bool) -> Vec<Step> {
    let leaving = || observed.parts.iter().filter(|(arn, _)| !stays(arn));
    let detach = leaving().filter(|(arn, _)| observed.attached(arn));
    let detach = detach.map(|(arn, _)| Step::Role(role::Step::Detach { name: name.to_owned(), arn: arn.clone() }));
    let delete = leaving().filter_map(|(arn, part)| managed_policy::removal(arn, owner, part));
    detach.chain(delete.map(Step::ManagedPolicy)).collect()
}
