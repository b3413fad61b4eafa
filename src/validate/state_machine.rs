//! Validates a StateMachine.

use std::collections::BTreeMap;

use kube::ResourceExt;

pub use super::execution_role::{Inference, ValidRole};
use super::execution_role::{Subject, named_machines};
use super::{adoption, several, target_machine};
use crate::api::conditions::reasons;
use crate::api::{AWSAccount, ConfigMapKeyRef, DefinitionFinding, MachineType, StateMachine, Substitution};
use crate::asl::{self, Definition, Finding, Value};
use crate::identity::{Key, Owner, machine_name};
use crate::policy::glob;
use crate::problem::Problem;
use crate::resources::Adoption;
use crate::resources::state_machine::{Encryption, Logging, arn};
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
    /// What was found in it; no errors.
    pub findings: Vec<Finding>,
    /// The execution role.
    pub role: ValidRole,
    /// What is logged, if anything.
    pub logging: Option<Logging>,
    /// Whether X-Ray traces executions.
    pub tracing: bool,
    /// The customer managed key, if any.
    pub encryption: Option<Encryption>,
    /// Whether a machine that exists may become it.
    pub adoption: Adoption,
}

/// The owner of a StateMachine's AWS objects.
pub fn owner(world: &World, account: &AWSAccount, machine: &StateMachine) -> Owner {
    world.owner(account, "StateMachine", Key::of(machine))
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
    let logging = super::logging::logging(&admission, &place, machine)?;
    let tracing = spec.tracing.is_some_and(|tracing| tracing.enabled);
    let encryption = super::encryption::encryption(&admission, &place, machine)?;
    let (definition, findings) = definition(world, machine, &place)?;
    let value = definition.value();
    let subject = Subject {
        world,
        admission: &admission,
        place: &place,
        machine,
        name: &name,
        definition: value,
        logging: logging.is_some(),
        tracing,
        encryption: encryption.as_ref(),
    };
    let role = subject.role()?;
    let (definition, type_) = (definition.to_json(), spec.type_);
    let owner = owner(world, &admission.account, machine);
    let adoption = adoption::of_machine(&admission, &place, spec.adoption.as_ref(), &name, &arn_in(&place, machine));
    Ok(ValidMachine { owner, place, name, type_, definition, findings, role, logging, tracing, encryption, adoption })
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

/// The definition after substitution, and what was found in it that is no error.
///
/// # Errors
/// What it refers to is missing, or all findings in it.
pub fn definition(world: &World, machine: &StateMachine, place: &Place) -> Result<(Definition, Vec<Finding>), Problem> {
    let namespace = machine.namespace().unwrap_or_default();
    let (field, text) = match (&machine.spec.definition, &machine.spec.definition_from) {
        (Some(text), _) => ("spec.definition", text.clone()),
        (None, Some(from)) => (
            "spec.definitionFrom",
            config_map_value(world, &namespace, "spec.definitionFrom.configMapKeyRef", &from.config_map_key_ref)?,
        ),
        (None, None) => return Err(Problem::invalid("set one of spec.definition and spec.definitionFrom")),
    };
    let invalid = |text: String, findings: Vec<Finding>| Problem {
        findings,
        ..Problem::stalled(reasons::INVALID_DEFINITION, text)
    };
    let parsed =
        asl::parse(&text).map_err(|error| invalid(format!("{field}, {error}"), vec![Finding::from(&error)]))?;
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
    findings.extend(asl::check(&definition, asl_type(machine.spec.type_)));
    let errors: Vec<String> =
        findings.iter().filter(|finding| finding.is_error()).map(|finding: &Finding| finding.to_string()).collect();
    if !errors.is_empty() {
        return Err(invalid(format!("{field}, {}", several(&errors)), findings));
    }
    Ok((definition, findings))
}

/// The type as the analyser knows it.
pub fn asl_type(type_: MachineType) -> asl::MachineType {
    match type_ {
        MachineType::Standard => asl::MachineType::Standard,
        MachineType::Express => asl::MachineType::Express,
    }
}

/// What the object says of the findings in its definition: the worst first, and not more than there is room for.
pub fn status_findings(findings: &[Finding]) -> Vec<DefinitionFinding> {
    let bounded = |text: &str, most: usize| text.chars().take(most).collect::<String>();
    let mut worst: Vec<&Finding> = findings.iter().collect();
    worst.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    let place = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
    let shown = worst.into_iter().take(DefinitionFinding::MOST).map(|finding| DefinitionFinding {
        severity: finding.severity.name().to_owned(),
        code: finding.code.to_owned(),
        path: bounded(&finding.pointer, DefinitionFinding::LONGEST),
        line: finding.position.map(|position| place(position.line)),
        column: finding.position.map(|position| place(position.column)),
        message: bounded(&finding.message, DefinitionFinding::LONGEST),
        help: finding.help.as_deref().map(|help| bounded(help, DefinitionFinding::LONGEST)),
    });
    shown.collect()
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

/// Whether its definition may start state machines by their ARNs; only the substituted text says which.
pub fn starts_machines(machine: &StateMachine) -> bool {
    let Some(text) = &machine.spec.definition else { return true };
    if machine.spec.substitutions.iter().any(|substitution| substitution.json.is_some()) {
        // It may be a whole state.
        return true;
    }
    let Ok(definition) = asl::parse(text) else { return false };
    asl::walk(definition.value()).any(|state| {
        let resource = state.field("Resource").and_then(|value| value.as_str()).unwrap_or_default();
        let resource = resource.to_ascii_lowercase();
        resource.contains("${") || (resource.contains(":start") && resource.contains("execution"))
    })
}

/// The StateMachines and ConfigMaps that it refers to.
pub fn references(machine: &StateMachine) -> (Vec<Key>, Vec<Key>) {
    let namespace = machine.namespace().unwrap_or_default();
    let from = machine.spec.definition_from.as_ref().map(|from| &from.config_map_key_ref);
    let values = machine.spec.substitutions.iter().filter_map(|s| s.config_map_key_ref.as_ref());
    let config_maps = from.into_iter().chain(values).map(|r| Key::new(&namespace, &r.name)).collect();
    let machines = machine.spec.substitutions.iter().filter_map(|s| s.state_machine_ref.as_ref());
    let mut machines: Vec<Key> = machines.map(|reference| Key::resolve(reference, &namespace)).collect();
    // What a task starts by its ARN must admit it too.
    for key in named_machines(machine.spec.definition.as_deref().unwrap_or_default()) {
        if key != Key::of(machine) && !machines.contains(&key) {
            machines.push(key);
        }
    }
    (machines, config_maps)
}
