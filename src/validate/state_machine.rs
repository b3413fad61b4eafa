//! Validates a StateMachine.

use std::collections::{BTreeMap, BTreeSet};

use kube::ResourceExt;

use super::{admitted_arn, target_machine};
use crate::api::conditions::reasons;
use crate::api::{ConfigMapKeyRef, ExecutionRole, MachineType, PolicyStatement, StateMachine, Substitution};
use crate::asl::{self, Finding, Value};
use crate::identity::{Key, Owner, machine_name};
use crate::policy::ceiling::{self, Grant};
use crate::policy::glob;
use crate::policy::statement::{Document, Effect, INLINE_LIMIT, Statement};
use crate::problem::Problem;
use crate::resources::state_machine::arn;
use crate::tenancy::{Admission, Place, admit};
use crate::world::World;

/// A StateMachine that can be built.
#[derive(Clone, Debug, PartialEq)]
pub struct ValidMachine {
    /// Whose the AWS objects are.
    pub owner: Owner,
    /// Where they live.
    pub place: Place,
    /// The name in AWS.
    pub name: String,
    /// STANDARD or EXPRESS.
    pub type_: MachineType,
    /// The definition after substitution, as it is sent.
    pub definition: String,
    /// The execution role.
    pub role: ValidRole,
    /// Whether X-Ray traces executions.
    pub tracing: bool,
}

/// The execution role of a machine.
#[derive(Clone, Debug, PartialEq)]
pub enum ValidRole {
    /// The user's own.
    Existing(String),
    /// Made here, with these permissions.
    Managed {
        /// What the user wrote, within the ceiling, and the plumbing.
        policy: Document,
        /// ARNs of managed policies.
        managed_policies: BTreeSet<String>,
    },
}

/// The owner of a StateMachine's AWS objects.
pub fn owner(world: &World, machine: &StateMachine) -> Owner {
    Owner { cluster: world.cluster.clone(), kind: "StateMachine", key: Key::of(machine) }
}

/// The name in AWS.
pub fn aws_name(machine: &StateMachine) -> String {
    machine.spec.name.clone().unwrap_or_else(|| machine_name(&Key::of(machine)))
}

/// Where a machine lives.
///
/// # Errors
/// The namespace is not admitted, or the Region is not the account's.
pub fn place(world: &World, machine: &StateMachine) -> Result<(Admission, Place), Problem> {
    let namespace = machine.namespace().unwrap_or_default();
    let account = machine.spec.account_ref.as_ref().map(|reference| reference.name.as_str());
    let admission = admit(&world.accounts, &world.namespaces, &namespace, account)?;
    let place = admission.place(machine.spec.region.as_deref())?;
    Ok((admission, place))
}

/// Validates it.
///
/// # Errors
/// The first problem of its surroundings, or all findings in its definition.
pub fn validate(world: &World, machine: &StateMachine) -> Result<ValidMachine, Problem> {
    let (admission, place) = place(world, machine)?;
    let spec = &machine.spec;
    let name = aws_name(machine);
    check_name(world, &admission, machine)?;
    let tracing = spec.tracing.is_some_and(|tracing| tracing.enabled);
    let role = role(&admission, &place, spec.execution_role.as_ref(), tracing)?;
    let definition = definition(world, machine, &place)?;
    Ok(ValidMachine { owner: owner(world, machine), place, name, type_: spec.type_, definition, role, tracing })
}

/// Whether the tenant admits the name that it asks for, and no other namespace's machines are named so.
fn check_name(world: &World, admission: &Admission, machine: &StateMachine) -> Result<(), Problem> {
    let Some(asked) = &machine.spec.name else { return Ok(()) };
    let over = |why: String| {
        let generated = machine_name(&Key::of(machine));
        let message = format!("spec.name: `{asked}` {why}; leave spec.name out to get {generated}");
        Problem::stalled(reasons::OVER_CEILING, message)
    };
    let patterns = &admission.tenant.name_patterns;
    if !patterns.iter().any(|pattern| glob::matches(&admission.namespace.resolve(pattern), asked)) {
        let (tenant, account) = (&admission.tenant.name, admission.account.name_any());
        let problem = over(format!("is in none of the `namePatterns` of tenant {tenant} in AWSAccount {account}"));
        return Err(Problem {
            message: format!("{}, or ask the platform admin to add it", problem.message),
            ..problem
        });
    }
    // Also while that namespace has no such machine: who calls it by its old ARN would reach this one.
    match generated_for(asked) {
        Some(other) if other != admission.namespace.as_str() && world.namespaces.contains_key(other) => {
            Err(over(format!("is a name that stepgate generates for namespace {other}")))
        }
        _ => Ok(()),
    }
}

/// The namespace for which a name of this form is generated.
pub fn generated_for(name: &str) -> Option<&str> {
    name.split_once('_').map(|(namespace, _)| namespace)
}

/// Whether a machine may have the name that it asks for.
pub fn may_be_called_so(world: &World, machine: &StateMachine) -> bool {
    machine.spec.name.is_none()
        || place(world, machine).is_ok_and(|(admission, _)| check_name(world, &admission, machine).is_ok())
}

/// The ARN of a machine in this account and Region.
pub fn arn_in(place: &Place, machine: &StateMachine) -> String {
    arn(place.partition, &place.region, &place.account_id, &aws_name(machine))
}

fn role(
    admission: &Admission,
    place: &Place,
    role: Option<&ExecutionRole>,
    tracing: bool,
) -> Result<ValidRole, Problem> {
    let role = role.cloned().unwrap_or_default();
    if let Some(arn) = &role.arn {
        let list = &admission.tenant.execution_role_arns;
        let arn = admitted_arn(admission, place, "spec.executionRole.arn", "executionRoleArns", list, arn)?;
        return Ok(ValidRole::Existing(arn));
    }
    let written = statements(place, &role.statements.unwrap_or_default())?;
    let ceiling: Vec<Grant> = admission
        .tenant
        .ceiling
        .iter()
        .map(|grant| Grant {
            actions: grant.actions.clone(),
            resources: grant.resources.iter().map(|resource| place.fill(resource)).collect(),
        })
        .collect();
    ceiling::check(&written, &ceiling, &admission.namespace).map_err(|excesses| {
        let texts: Vec<_> = excesses.iter().map(|excess| format!("spec.executionRole.{excess}")).collect();
        Problem::stalled(reasons::OVER_CEILING, several(&texts))
    })?;
    let mut managed_policies = BTreeSet::new();
    for arn in role.managed_policy_arns.unwrap_or_default() {
        let list = &admission.tenant.managed_policy_arns;
        let field = "spec.executionRole.managedPolicyArns";
        managed_policies.insert(admitted_arn(admission, place, field, "managedPolicyArns", list, &arn)?);
    }
    let plumbing = tracing.then(crate::policy::roles::plumbing_tracing);
    let may_do_something = !written.is_empty() || !managed_policies.is_empty();
    let guard = may_do_something.then(|| crate::policy::roles::deny_owner_tags(crate::identity::TAG_PREFIX));
    let policy = Document::new(written.into_iter().chain(plumbing).chain(guard));
    if policy.len() > INLINE_LIMIT {
        return Err(Problem::invalid(format!(
            "spec.executionRole.statements: the policy has {} characters, and IAM takes {INLINE_LIMIT}; merge statements, or move some to a managed policy",
            policy.len()
        )));
    }
    Ok(ValidRole::Managed { policy, managed_policies })
}

fn statements(place: &Place, written: &[PolicyStatement]) -> Result<Vec<Statement>, Problem> {
    Ok(written
        .iter()
        .map(|statement| Statement {
            sid: None,
            effect: Effect::Allow,
            actions: statement.actions.clone(),
            resources: statement.resources.iter().map(|resource| place.fill(resource)).collect(),
            conditions: statement.conditions.clone(),
        })
        .collect())
}

fn definition(world: &World, machine: &StateMachine, place: &Place) -> Result<String, Problem> {
    let namespace = machine.namespace().unwrap_or_default();
    let (field, text) = match (&machine.spec.definition, &machine.spec.definition_from) {
        (Some(text), _) => ("spec.definition", text.clone()),
        (None, Some(from)) => (
            "spec.definitionFrom",
            config_map_value(world, &namespace, "spec.definitionFrom.configMapKeyRef", &from.config_map_key_ref)?,
        ),
        (None, None) => return Err(Problem::invalid("set one of spec.definition and spec.definitionFrom")),
    };
    let invalid = |text: String| Problem::stalled(reasons::INVALID_DEFINITION, text);
    let parsed = asl::parse(&text).map_err(|error| invalid(format!("{field}, {error}")))?;
    let mut values: BTreeMap<String, Value> = [
        ("AWS::AccountId", place.account_id.as_str()),
        ("AWS::Region", place.region.as_str()),
        ("AWS::Partition", place.partition),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), Value::Text(value.to_owned())))
    .collect();
    for substitution in &machine.spec.substitutions {
        values.insert(substitution.name.clone(), substitution_value(world, &namespace, place, substitution)?);
    }
    let (definition, mut findings) = asl::substitute(&parsed, &values);
    let type_ = match machine.spec.type_ {
        MachineType::Standard => asl::MachineType::Standard,
        MachineType::Express => asl::MachineType::Express,
    };
    findings.extend(asl::check(&definition, type_));
    let errors: Vec<String> =
        findings.iter().filter(|finding| finding.is_error()).map(|finding: &Finding| finding.to_string()).collect();
    if !errors.is_empty() {
        return Err(invalid(format!("{field}, {}", several(&errors))));
    }
    Ok(definition.to_json())
}

fn substitution_value(
    world: &World,
    namespace: &str,
    place: &Place,
    substitution: &Substitution,
) -> Result<Value, Problem> {
    let field = format!("spec.substitutions[{}]", substitution.name);
    if let Some(text) = &substitution.value {
        return Ok(Value::Text(place.fill(text)));
    }
    if let Some(text) = &substitution.json {
        let value = serde_json::from_str(text).map_err(|error| {
            Problem::invalid(format!("{field}.json is not JSON: {error}; quote a text twice, as '\"text\"'"))
        })?;
        return Ok(Value::Json(value));
    }
    if let Some(reference) = &substitution.state_machine_ref {
        let field = format!("{field}.stateMachineRef");
        let (_, _, arn) = target_machine(world, &field, reference, namespace, place)?;
        return Ok(Value::Text(arn));
    }
    match &substitution.config_map_key_ref {
        Some(reference) => {
            let field = format!("{field}.configMapKeyRef");
            config_map_value(world, namespace, &field, reference).map(Value::Text)
        }
        None => Err(Problem::invalid(format!("{field} has no value"))),
    }
}

fn config_map_value(
    world: &World,
    namespace: &str,
    field: &str,
    reference: &ConfigMapKeyRef,
) -> Result<String, Problem> {
    let waiting = |message: String| Problem::waiting(reasons::WAITING_FOR_REFERENCE, message);
    let data = world
        .config_maps
        .get(&Key::new(namespace, &reference.name))
        .ok_or_else(|| waiting(format!("{field}: ConfigMap {namespace}/{} does not exist", reference.name)))?;
    data.get(&reference.key).cloned().ok_or_else(|| {
        waiting(format!("{field}: ConfigMap {namespace}/{} has no key `{}`", reference.name, reference.key))
    })
}

/// At most three sentences; a condition's message is bounded.
fn several(texts: &[String]) -> String {
    const SHOWN: usize = 3;
    let shown = texts.iter().take(SHOWN).cloned().collect::<Vec<_>>().join(". ");
    match texts.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}. And {more} more"),
    }
}

/// The StateMachines and ConfigMaps that it refers to.
pub fn references(machine: &StateMachine) -> (Vec<Key>, Vec<Key>) {
    let namespace = machine.namespace().unwrap_or_default();
    let from = machine.spec.definition_from.as_ref().map(|from| &from.config_map_key_ref);
    let values = machine.spec.substitutions.iter().filter_map(|s| s.config_map_key_ref.as_ref());
    let config_maps = from.into_iter().chain(values).map(|r| Key::new(&namespace, &r.name)).collect();
    let machines = machine.spec.substitutions.iter().filter_map(|s| s.state_machine_ref.as_ref());
    (machines.map(|reference| Key::resolve(reference, &namespace)).collect(), config_maps)
}
