//! Encryption of StateMachines with customer managed keys: which keys they may have, what their definitions may not do beside that, and
//! what their callers need.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{admitted_arn, several, state_machine};
use crate::api::StateMachine;
use crate::api::conditions::reasons;
use crate::policy::encryption::{Decrypts, decrypt_statements, is_plumbing_action, reads_data};
use crate::policy::glob;
use crate::policy::infer::{Class, Need};
use crate::policy::roles::{InvokeAction, MachineArn, On, Use};
use crate::policy::statement::Statement;
use crate::problem::Problem;
use crate::resources::state_machine::Encryption;
use crate::tenancy::{Admission, Place};
use crate::world::World;

/// Validates it; `None` where the key is AWS's own.
///
/// # Errors
/// The key is not the tenant's, or lies in another Region.
pub(super) fn encryption(
    admission: &Admission,
    place: &Place,
    machine: &StateMachine,
) -> Result<Option<Encryption>, Problem> {
    let Some(encryption) = &machine.spec.encryption else { return Ok(None) };
    let field = "spec.encryption.kmsKeyArn";
    let list = admission.tenant.exposure.as_ref().map(|exposure| exposure.kms_key_arns.as_slice()).unwrap_or_default();
    let arn = admitted_arn(admission, place, field, "exposure.kmsKeyArns", list, &encryption.kms_key_arn)?;
    // Step Functions looks for the key in the machine's Region; another account's is named by its ARN (EncryptionConfiguration, Step
    // Functions' reference).
    if !arn.starts_with(&format!("arn:{}:kms:{}:", place.partition, place.region)) {
        return Err(Problem::invalid(format!(
            "{field}: `{arn}` is not a key of {}, where the state machine is; name one of that Region",
            place.region
        )));
    }
    Ok(Some(Encryption {
        kms_key_arn: arn,
        kms_data_key_reuse_period_seconds: encryption.kms_data_key_reuse_period_seconds,
    }))
}

/// The role of an encrypted machine may use its key for what is the machine's. A task that uses keys does it with that role: where nothing
/// is inferred, no ceiling would be asked for it.
///
/// # Errors
/// A task uses the key, or may, and the ceiling does not admit it.
pub(super) fn keys_stay_managed(
    key: &str,
    needs: &[Need],
    admits: impl Fn(&Need) -> bool,
    wanting: impl Fn(&Need) -> String,
) -> Result<(), Problem> {
    let uses = |need: &&Need| {
        let Statement { actions, resources, .. } = &need.statement;
        need.class == Class::Task
            && actions.iter().any(|action| is_plumbing_action(action))
            && resources.iter().any(|resource| glob::intersects(key, resource))
    };
    let over = needs.iter().filter(uses).filter(|need| !admits(need)).map(|need| {
        format!(
            "spec.definition: {} uses `{}`, which the role may do with the key of spec.encryption, and no grant in the ceiling admits it; put the task into another StateMachine, name another key, or ask the platform admin to admit it",
            wanting(need),
            need.statement.actions.join("`, `")
        )
    });
    let over: Vec<String> = over.collect();
    if over.is_empty() { Ok(()) } else { Err(Problem::stalled(reasons::OVER_CEILING, several(&over))) }
}

/// The keys of a StateMachine, as its callers need them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Keys {
    /// The one that it asks for, and may have.
    pub wanted: Option<String>,
    /// The one that AWS encrypts it with, as far as its status says: that grants nothing, but callers keep what they have of it.
    pub shown: Option<String>,
}

/// The keys of the StateMachines of an account and Region, by the machine's ARN; without those that have none.
pub fn keys(world: &World, place: &Place) -> BTreeMap<MachineArn, Keys> {
    let of = |machine: &StateMachine| {
        let shown = machine.status.as_ref().and_then(|status| status.kms_key_arn.clone());
        if machine.spec.encryption.is_none() && shown.is_none() {
            return None;
        }
        let (admission, own) = state_machine::place(world, machine).ok()?;
        if own != *place || !state_machine::may_be_called_so(world, machine) {
            return None;
        }
        let wanted = encryption(&admission, place, machine).ok().flatten();
        let arn = MachineArn::parse(&state_machine::arn_in(place, machine)).ok()?;
        Some((arn, Keys { wanted: wanted.map(|wanted| wanted.kms_key_arn), shown }))
    };
    world.machines.values().filter_map(|machine| of(machine)).collect()
}

/// What these uses need of keys; of those that machines only show, what is `had`.
pub fn of_uses<'a>(
    uses: impl IntoIterator<Item = &'a Use>,
    keys: &BTreeMap<MachineArn, Keys>,
    had: &BTreeSet<Decrypts>,
) -> BTreeSet<Decrypts> {
    let mut needs = BTreeSet::new();
    for Use { action, on } in uses {
        let On::Machine(machine) = on else { continue };
        let Some(Keys { wanted, shown }) = keys.get(machine).filter(|_| reads_data(*action)) else { continue };
        let decrypts = |key: &String| Decrypts { key: key.clone(), machine: machine.clone() };
        needs.extend(wanted.iter().map(decrypts));
        needs.extend(shown.iter().map(decrypts).filter(|one| had.contains(one)));
    }
    needs
}

/// What an execution role needs to read the executions of other encrypted StateMachines, which its tasks start and follow.
pub(super) fn of_nested(world: &World, place: &Place, needs: &[Need]) -> Vec<Statement> {
    let keys = keys(world, place);
    if keys.is_empty() {
        return Vec::new();
    }
    let pairs = needs.iter().flat_map(|need| {
        let Statement { actions, resources, .. } = &need.statement;
        actions.iter().flat_map(move |action| resources.iter().map(move |resource| (action, resource)))
    });
    let uses = pairs.filter_map(|(action, resource)| {
        let action: InvokeAction = action.parse().ok()?;
        let machine = resource
            .strip_suffix(":*")
            .map_or_else(|| resource.clone(), |arn| arn.replacen(":execution:", ":stateMachine:", 1));
        Some(Use { action, on: On::Machine(MachineArn::parse(&machine).ok()?) })
    });
    let uses: BTreeSet<Use> = uses.collect();
    decrypt_statements(&of_uses(&uses, &keys, &BTreeSet::new()))
}
