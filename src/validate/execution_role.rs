//! The execution role: what the definition needs and what is written, proven to stay within what the tenant may have.

use std::collections::BTreeSet;

use kube::ResourceExt;
use serde_json::Value;

use super::adoption::{self, ValidRoleAdoption};
use super::{admitted_arn, encryption, logging, owner_tags, several};
use crate::api::conditions::reasons;
use crate::api::{ExecutionRole, PolicyStatement, RoleScope, StateMachine};
use crate::identity::Key;
use crate::model::execution_role::Keeps;
use crate::policy::ceiling::{self, Excess, Grant};
use crate::policy::infer::{Class, Inferred, Machine, Need, Unknown, infer};
use crate::policy::layout::{self, Layout, MOST_ATTACHED, PART_LIMIT};
use crate::policy::statement::{Effect, INLINE_LIMIT, Statement};
use crate::policy::{encryption as keys, glob, roles};
use crate::problem::Problem;
use crate::resources::state_machine::{self, Encryption};
use crate::tenancy::{Admission, Place, includes};
use crate::world::World;

/// The execution role of a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum ValidRole {
    /// The user's own.
    Existing(String),
    /// Made here, or adopted, with these permissions.
    Managed {
        /// The role that is adopted.
        adoption: Option<Box<ValidRoleAdoption>>,
        /// Whom it serves.
        scope: RoleScope,
        /// What the definition needs and the user wrote, within the ceiling, and the plumbing.
        policy: Layout,
        /// What may be kept of that which it no longer needs.
        keeps: Keeps,
        /// ARNs of managed policies.
        managed_policies: BTreeSet<String>,
        /// What was inferred.
        inference: Inference,
    },
}

impl ValidRole {
    /// Whom a managed role serves, or would: only a machine's own gives way to an existing one.
    pub fn scope(&self) -> RoleScope {
        match self {
            Self::Existing(_) => RoleScope::Machine,
            Self::Managed { scope, .. } => *scope,
        }
    }
}

/// What came of reading the definition for the permissions that it needs.
#[derive(Clone, Debug, PartialEq)]
pub enum Inference {
    /// `inferred: false`.
    Off,
    /// Done.
    Done {
        /// The role's statements in a few words.
        summary: String,
        /// What could not be known, and no written statement takes care of.
        unknown: Vec<Unknown>,
    },
}

/// What a definition, after substitution, needs where the machine lives.
pub fn inferred(place: &Place, name: &str, definition: &Value) -> Inferred {
    let machine = Machine { name, account: &place.account_id, region: &place.region, partition: place.partition };
    infer(definition, &machine)
}

/// What is written in `executionRole.statements`.
pub fn written(place: &Place, role: Option<&ExecutionRole>) -> Vec<Statement> {
    let statements = role.and_then(|role| role.statements.as_deref()).unwrap_or_default();
    let one = |statement: &PolicyStatement| Statement {
        effect: Effect::Allow,
        conditions: statement.conditions.clone(),
        ..Statement::allow(statement.actions.clone(), statement.resources.iter().map(|resource| place.fill(resource)))
    };
    statements.iter().map(one).collect()
}

/// What a managed role needs for these fields of its machine, each with the field. `name` is the machine's in AWS, `key` that of
/// `encryption`.
pub fn plumbing(
    place: &Place,
    name: &str,
    logging: bool,
    tracing: bool,
    key: Option<&str>,
) -> Vec<(&'static str, Statement)> {
    let Place { partition, region, account_id, .. } = place;
    let machine = state_machine::arn(partition, region, account_id, name);
    let logs = logging.then_some((*partition, region.as_str(), account_id.as_str()));
    let of_key = key.map(|key| keys::plumbing(key, &machine, logs)).unwrap_or_default();
    let logging = logging.then(|| ("spec.logging", roles::plumbing_logging()));
    let tracing = tracing.then(|| ("spec.tracing", roles::plumbing_tracing()));
    let of_key = of_key.into_iter().map(|statement| ("spec.encryption", statement));
    logging.into_iter().chain(tracing).chain(of_key).collect()
}

/// What the role is for.
pub(super) struct Subject<'a> {
    pub world: &'a World,
    pub admission: &'a Admission,
    pub place: &'a Place,
    pub machine: &'a StateMachine,
    /// Its name in AWS.
    pub name: &'a str,
    /// After substitution.
    pub definition: &'a Value,
    pub logging: bool,
    pub tracing: bool,
    pub encryption: Option<&'a Encryption>,
}

impl Subject<'_> {
    /// Validates the role.
    pub fn role(&self) -> Result<ValidRole, Problem> {
        let Subject { admission, place, .. } = self;
        let role = self.machine.spec.execution_role.clone().unwrap_or_default();
        if let Some(arn) = &role.arn {
            let list = &admission.tenant.execution_role_arns;
            let arn = admitted_arn(admission, place, "spec.executionRole.arn", "executionRoleArns", list, arn)?;
            return Ok(ValidRole::Existing(arn));
        }
        let adoption =
            role.adoption.as_ref().map(|asked| adoption::of_role(admission, place, asked).map(Box::new)).transpose()?;
        let written = written(place, Some(&role));
        let ceiling = self.ceiling();
        ceiling::check(&written, &ceiling, &admission.namespace).map_err(|excesses| {
            let texts: Vec<_> = excesses.iter().map(|excess| format!("spec.executionRole.{excess}")).collect();
            Problem::stalled(reasons::OVER_CEILING, several(&texts))
        })?;
        owner_tags::are_left_alone(self.definition)?;
        let mut found = inferred(place, self.name, self.definition);
        if self.logging {
            // Also where nothing is inferred: the role may do it all the same.
            let admits = |need: &Need| self.within(need, &ceiling).is_ok();
            logging::deliveries_stay_managed(&found.needs, admits, wanting)?;
        }
        if let Some(Encryption { kms_key_arn, .. }) = self.encryption {
            let admits = |need: &Need| self.within(need, &ceiling).is_ok();
            encryption::keys_stay_managed(kms_key_arn, &found.needs, admits, wanting)?;
        }
        if role.inferred == Some(false) {
            self.lends_nothing(&found.needs, &ceiling, role.scope == RoleScope::Namespace)?;
            found = Inferred::default();
        }
        self.bounded(&found.needs, &ceiling)?;
        let mut managed_policies = BTreeSet::new();
        for arn in role.managed_policy_arns.unwrap_or_default() {
            let list = &admission.tenant.managed_policy_arns;
            let field = "spec.executionRole.managedPolicyArns";
            managed_policies.insert(admitted_arn(admission, place, field, "managedPolicyArns", list, &arn)?);
        }
        let key = self.encryption.map(|encryption| encryption.kms_key_arn.as_str());
        let plumbing = plumbing(place, self.name, self.logging, self.tracing, key);
        let nested = encryption::of_nested(self.world, place, &found.needs);
        let own = found.needs.iter().any(|need| need.class != Class::Plumbing);
        let may_do_something = own || !written.is_empty() || !managed_policies.is_empty();
        // A share that is there says that the role is needed.
        let shared = role.scope == RoleScope::Namespace;
        // What others gave an adopted role may be rights to tag.
        let guard = (may_do_something || shared || adoption.is_some())
            .then(|| roles::deny_owner_tags(crate::identity::TAG_PREFIX));
        let statements: Vec<Statement> = found
            .statements()
            .into_iter()
            .map(|explained| explained.statement)
            .chain(written.iter().cloned())
            .collect();
        let unknown: Vec<Unknown> =
            found.unknown.iter().filter(|unknown| !unknown.is_settled_by(&written)).cloned().collect();
        let inference = match role.inferred {
            Some(false) => Inference::Off,
            _ => Inference::Done { summary: crate::policy::infer::summary(&statements, unknown.len()), unknown },
        };
        let plumbing = plumbing.into_iter().map(|(_, statement)| statement).chain(nested);
        let statements: Vec<Statement> = statements.into_iter().chain(plumbing).collect();
        let most = if shared { 0 } else { MOST_ATTACHED.saturating_sub(managed_policies.len()) };
        let policy = layout::lay_out(&statements, guard, most).ok_or_else(|| match shared {
            true => too_long_to_share(),
            false => too_long(managed_policies.len(), most, !written.is_empty()),
        })?;
        let keeps = Keeps {
            managed_policies: admission.tenant.managed_policy_arns.iter().map(|arn| place.fill(arn)).collect(),
            kms_keys: admission
                .tenant
                .exposure
                .iter()
                .flat_map(|it| &it.kms_key_arns)
                .map(|arn| place.fill(arn))
                .collect(),
            namespace: admission.namespace.clone(),
            ceiling,
        };
        Ok(ValidRole::Managed { adoption, scope: role.scope, policy, keeps, managed_policies, inference })
    }

    fn ceiling(&self) -> Vec<Grant> {
        let grants = self.admission.tenant.ceiling.iter();
        grants
            .map(|grant| Grant {
                actions: grant.actions.clone(),
                resources: grant.resources.iter().map(|resource| self.place.fill(resource)).collect(),
            })
            .collect()
    }

    /// Holds each need against what bounds its class (DESIGN §1).
    fn bounded(&self, needs: &[Need], ceiling: &[Grant]) -> Result<(), Problem> {
        let mut over = Vec::new();
        for need in needs {
            let within = match need.class {
                Class::Plumbing => Ok(()),
                Class::Task => self.within(need, ceiling),
                Class::Invoke => self.callable(need, ceiling)?,
            };
            over.extend(within.err());
        }
        if !over.is_empty() {
            return Err(Problem::stalled(reasons::OVER_CEILING, several(&over)));
        }
        managed_rules_stay_managed(needs)
    }

    /// What a task could do to all of the account by what a role is given beside its tasks is held against the ceiling also where nothing is
    /// inferred: an execution of another time may have it. So is what it could read by that where machines share the role.
    fn lends_nothing(&self, needs: &[Need], ceiling: &[Grant], shared: bool) -> Result<(), Problem> {
        let lent = |need: &Need| {
            roles::changes_the_account_s(&need.statement)
                || ((shared || self.tracing) && roles::may_be_plumbing(&need.statement))
        };
        let could_borrow = |need: &&Need| need.class == Class::Task && lent(need);
        let over = needs.iter().filter(could_borrow).filter(|need| self.within(need, ceiling).is_err()).map(|need| {
            format!(
                "spec.definition: {} uses `{}`, which Step Functions itself may need of the role of a machine that logs, is traced or waits for jobs, and no grant in the ceiling of tenant {} in AWSAccount {} contains it; do without it, name literally what is your own, or ask the platform admin to add it",
                wanting(need),
                need.statement.actions.join("`, `"),
                self.admission.tenant.name,
                self.admission.account.name_any(),
            )
        });
        let over: Vec<String> = over.collect();
        if over.is_empty() { Ok(()) } else { Err(Problem::stalled(reasons::OVER_CEILING, several(&over))) }
    }

    fn within(&self, need: &Need, ceiling: &[Grant]) -> Result<(), String> {
        let statements = std::slice::from_ref(&need.statement);
        ceiling::check(statements, ceiling, &self.admission.namespace).map_err(|excesses| {
            let texts: Vec<_> = excesses.iter().map(|excess| self.over(need, excess)).collect();
            texts.join(". ")
        })
    }

    fn over(&self, need: &Need, excess: &Excess) -> String {
        let tenant =
            format!("tenant {} in AWSAccount {}", self.admission.tenant.name, self.admission.account.name_any());
        let who = wanting(need);
        match excess {
            Excess::NotContained { action, resource, admitted_on, .. } => {
                let only = ceiling::only_on(admitted_on);
                format!(
                    "spec.definition: {who} needs `{action}` on `{resource}`, which no grant in the ceiling of {tenant} contains{only}; name in the definition what is admitted, write narrower statements by hand under `inferred: false`, or ask the platform admin to add it"
                )
            }
            Excess::NotLiteral { action, resource, can, .. } => format!(
                "spec.definition: {who} needs `{action}` on `{resource}`, which no grant in the ceiling of {tenant} names literally, and a wildcard does not admit it, because it can {can}; do without it, or ask the platform admin to name it"
            ),
            other => format!("spec.definition: {who}: {other}"),
        }
    }

    /// Whether the machine that a task starts admits it: one of ours by `allowedCallers`, another by the tenant's `targets` or
    /// ceiling.
    fn callable(&self, need: &Need, ceiling: &[Grant]) -> Result<Result<(), String>, Problem> {
        let [action] = &need.statement.actions[..] else { return Ok(Ok(())) };
        let [arn] = &need.statement.resources[..] else { return Ok(Ok(())) };
        let base = arn.splitn(8, ':').take(7).collect::<Vec<_>>().join(":");
        let own = state_machine::arn(self.place.partition, &self.place.region, &self.place.account_id, self.name);
        if base == own {
            return Ok(Ok(()));
        }
        let namespace = self.admission.namespace.as_str();
        let mut ours = false;
        for (key, machine) in &self.world.machines {
            // A name that it may not have says nothing of who owns the machine in AWS.
            let found = super::state_machine::arn_in(self.place, machine);
            if !super::state_machine::may_be_called_so(self.world, machine) || !glob::matches(&base, &found) {
                continue;
            }
            let callers =
                machine.spec.allowed_callers.as_ref().map(|callers| callers.namespaces.clone()).unwrap_or_default();
            if !includes(&callers, Some(&key.namespace), namespace, &self.world.namespaces) {
                return Err(Problem::stalled(
                    reasons::NOT_ALLOWED,
                    format!(
                        "spec.definition: {} may start StateMachine {key}, which does not admit namespace {namespace}; its owner must add it to spec.allowedCallers.namespaces",
                        wanting(need)
                    ),
                ));
            }
            // A name that was asked for is ours once it was found so in AWS; a generated one is nobody else's.
            let shown = machine.status.as_ref().and_then(|status| status.state_machine_arn.as_deref());
            ours |= found == base && (machine.spec.name.is_none() || shown == Some(&*base));
        }
        let name = action.strip_prefix("states:").unwrap_or(action);
        let targeted = self.admission.tenant.targets.iter().any(|grant| {
            let arns: Vec<_> = grant.arns.iter().map(|pattern| self.place.fill(pattern)).collect();
            grant.actions.iter().any(|known| known == name)
                && ceiling::arn_allowed(&arns, arn, &self.admission.namespace)
        });
        if ours || targeted { Ok(Ok(())) } else { Ok(self.within(need, ceiling)) }
    }
}

/// The states that want it, few of many.
fn wanting(need: &Need) -> String {
    let mut states = need.states.iter();
    let first = states.next().map(|state| format!("state `{}` ({})", state.name, state.path)).unwrap_or_default();
    match states.count() {
        0 => first,
        1 => format!("{first}, like another,"),
        more => format!("{first}, like {more} others,"),
    }
}

/// A task that changes rules could change those by which Step Functions hears of the jobs of `.sync` tasks, which the role may
/// write (AWS.md §5).
fn managed_rules_stay_managed(needs: &[Need]) -> Result<(), Problem> {
    let writes = |need: &&Need| roles::writes_managed_rules(&need.statement);
    let mut plumbing = needs.iter().filter(|need| need.class == Class::Plumbing).filter(writes);
    let mut tasks = needs.iter().filter(|need| need.class == Class::Task).filter(writes);
    match (plumbing.next(), tasks.next()) {
        (Some(_), Some(task)) => Err(Problem::stalled(
            reasons::OVER_CEILING,
            format!(
                "spec.definition: {} could change the rules StepFunctionsGetEvent… that Step Functions manages for the .sync tasks of this machine; write the name of its own rule, or its beginning, as a literal, or put the task into another StateMachine",
                wanting(task)
            ),
        )),
        _ => Ok(()),
    }
}

fn too_long_to_share() -> Problem {
    Problem::invalid(format!(
        "spec.executionRole.scope: the permissions of this machine alone take more than the {INLINE_LIMIT} characters that all who share a role have; create the StateMachine anew with scope Machine"
    ))
}

fn too_long(attached: usize, most: usize, written: bool) -> Problem {
    let own = match attached {
        0 => String::new(),
        _ => format!(
            " ({attached} of the {MOST_ATTACHED} that a role can have are spec.executionRole.managedPolicyArns)"
        ),
    };
    let what = if written {
        "spec.executionRole.statements and spec.definition: together they need"
    } else {
        "spec.definition: it needs"
    };
    Problem::invalid(format!(
        "{what} more than IAM takes for one role, {INLINE_LIMIT} characters in its inline policy or {PART_LIMIT} in each of {most} managed policies{own}; split it into several StateMachines, or name resources that one pattern holds"
    ))
}

/// The StateMachines that a definition's text names by ARN, as far as their names are generated ones.
pub(super) fn named_machines(text: &str) -> impl Iterator<Item = Key> {
    text.split(":stateMachine:").skip(1).filter_map(|rest| {
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(rest.len());
        let (namespace, name) = rest[..end].split_once('_')?;
        (!namespace.is_empty() && !name.is_empty()).then(|| Key::new(namespace, name))
    })
}
