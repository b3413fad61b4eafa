//! From what was found and done to status and events. A status is written only when it changed.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta, Time};
use k8s_openapi::jiff::Timestamp;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType, Recorder};
use kube::{Api, Resource, ResourceExt};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::{Context, quota};
use crate::api::CommonStatus;
use crate::api::conditions::{READY, RECONCILING, STALLED, reasons};
use crate::printable::printable;
use crate::problem::{Kind, Problem};

/// Who writes, in `managedFields`.
const MANAGER: &str = "stepgate";

/// A condition's message holds 32,768 characters; a person reads a few hundred.
const LONGEST_MESSAGE: usize = 1024;

/// How an object stands.
#[derive(Clone, Debug, PartialEq)]
pub enum State {
    /// AWS is as this generation asks.
    Ready(String),
    /// It is not, because of this; `serving` where what was there before keeps serving.
    Not {
        /// Why.
        problem: Problem,
        /// Whether what was there before keeps serving.
        serving: bool,
    },
    /// Paused, with what would be done.
    Paused(String),
    /// Not as this generation asks, because somebody changed AWS, and `driftPolicy: Report` leaves it.
    Drifted(String),
    /// Being deleted, or waiting for that.
    Deleting(Problem),
}

/// Sets the conditions that every kind has (kstatus).
pub fn set_state(status: &mut CommonStatus, generation: Option<i64>, state: &State) {
    status.observed_generation = generation;
    let healthy = |text: &str| (false, reasons::HEALTHY, text.to_owned());
    let (ready, reconciling, stalled) = match state {
        State::Ready(message) => {
            ((true, reasons::READY, message.clone()), healthy("Nothing to do."), healthy("Nothing is wrong."))
        }
        State::Not { problem, serving } => {
            let ready = if *serving {
                let message = sentences(&problem.message, "What was served before keeps serving.");
                (false, reasons::LAST_KNOWN_GOOD, message)
            } else {
                (false, problem.reason, problem.message.clone())
            };
            let says = (true, problem.reason, problem.message.clone());
            match problem.kind {
                Kind::Stalled => (ready, healthy("Waits for a change of what is wrong."), says),
                Kind::Waiting => (ready, says, healthy("Nothing has to be changed.")),
            }
        }
        State::Paused(message) => ((false, reasons::PAUSED, message.clone()), healthy("Paused."), healthy("Paused.")),
        State::Drifted(message) => {
            let none = healthy("driftPolicy is Report.");
            ((false, reasons::DRIFTED, message.clone()), none.clone(), none)
        }
        State::Deleting(problem) => {
            let says = |status| (status, problem.reason, problem.message.clone());
            match problem.kind {
                Kind::Waiting => (says(false), says(true), healthy("Nothing has to be changed.")),
                Kind::Stalled => (says(false), healthy("Waits for a change of what is wrong."), says(true)),
            }
        }
    };
    for (type_, (status_, reason, message)) in [(READY, ready), (RECONCILING, reconciling), (STALLED, stalled)] {
        set(&mut status.conditions, type_, Some(status_), reason, &message, generation);
    }
}

/// A message as a condition has it.
fn shown(message: &str) -> String {
    match message.char_indices().nth(LONGEST_MESSAGE) {
        Some((end, _)) => format!("{}…", printable(&message[..end])),
        None => printable(message),
    }
}

/// Two sentences, whether or not the first has its mark.
pub fn sentences(first: &str, second: &str) -> String {
    let mark = if first.ends_with(['.', '?', '!']) { "" } else { "." };
    format!("{first}{mark} {second}")
}

/// Sets one condition; its transition time changes only with its status.
pub fn set(
    conditions: &mut Vec<Condition>,
    type_: &str,
    status: Option<bool>,
    reason: &str,
    message: &str,
    generation: Option<i64>,
) {
    let status = match status {
        Some(true) => "True",
        Some(false) => "False",
        None => "Unknown",
    };
    let mut condition = Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message: shown(message),
        observed_generation: generation,
        last_transition_time: Time(now()),
    };
    match conditions.iter_mut().find(|found| found.type_ == type_) {
        Some(found) => {
            if found.status == condition.status {
                condition.last_transition_time = found.last_transition_time.clone();
            }
            *found = condition;
        }
        None => conditions.push(condition),
    }
}

/// The present, in whole seconds, as Kubernetes keeps it.
pub fn now() -> Timestamp {
    Timestamp::from_second(Timestamp::now().as_second()).unwrap_or_default()
}

/// The parameters of a patch, with the operator's name for `managedFields`.
pub fn ours() -> PatchParams {
    PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() }
}

/// Writes a status, if it differs: on this object, never on another that has its name now.
///
/// # Errors
/// What Kubernetes answers; that the object is gone is no error.
pub async fn write<K, S>(
    context: &Context,
    api: &Api<K>,
    meta: &ObjectMeta,
    old: Option<&S>,
    new: &S,
) -> Result<(), kube::Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
    S: Serialize + PartialEq,
{
    if old == Some(new) && !quota::told() {
        return Ok(());
    }
    let name = meta.name.as_deref().unwrap_or_default();
    let patch = json!([
        {"op": "test", "path": "/metadata/uid", "value": meta.uid},
        {"op": "add", "path": "/status", "value": new},
    ]);
    let patch: json_patch::Patch = serde_json::from_value(patch).map_err(kube::Error::SerdeError)?;
    match api.patch_status(name, &ours(), &Patch::Json::<()>(patch)).await {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 422 => match api.get_metadata_opt(name).await? {
            Some(found) if found.metadata.uid == meta.uid => Err(kube::Error::Api(status)),
            _ => Ok(()),
        },
        answer => answer.map(|object| context.written.note(object.meta())),
    }
}

/// Writes an event. It is best effort: nothing waits for it, and a terminating namespace takes none.
pub async fn event<K>(context: &Context, object: &K, type_: EventType, reason: &str, action: &str, note: &str)
where
    K: Resource<DynamicType = ()>,
{
    let note: String = printable(note).chars().take(1000).collect();
    let event =
        Event { type_, reason: reason.to_owned(), note: Some(note), action: action.to_owned(), secondary: None };
    // A recorder that lives longer would take a second event of this reason for the first again, whatever its note says.
    let recorder = Recorder::new(context.client.clone(), context.reporter.clone());
    if let Err(error) = recorder.publish(&event, &object.object_ref(&())).await {
        tracing::debug!(%error, "event not written");
    }
}

/// Tells of a problem once: when Ready did not say so before. What just takes a moment is not worth an event.
pub async fn tell<K>(context: &Context, object: &K, before: &[Condition], state: &State)
where
    K: ResourceExt + Resource<DynamicType = ()>,
{
    let told = |message: &str| told(before, message);
    let problem = match state {
        State::Not { problem, .. } | State::Deleting(problem) => problem,
        State::Drifted(message) if !told(message) => {
            return event(context, object, EventType::Warning, "DriftDetected", "Check", message).await;
        }
        State::Ready(_) | State::Paused(_) | State::Drifted(_) => return,
    };
    if [reasons::PROGRESSING, reasons::DELETING].contains(&problem.reason) || told(&problem.message) {
        return;
    }
    let comes_by_itself = [reasons::WAITING_FOR_REFERENCE, reasons::WAITING_FOR_ROLE].contains(&problem.reason);
    let type_ = if comes_by_itself { EventType::Normal } else { EventType::Warning };
    event(context, object, type_, problem.reason, "Reconcile", &problem.message).await;
}

/// Whether Ready says so.
fn told(conditions: &[Condition], message: &str) -> bool {
    conditions.iter().any(|condition| condition.type_ == READY && condition.message.starts_with(&shown(message)))
}

#[cfg(test)]
mod tests;
