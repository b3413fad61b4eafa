//! API keys.
//!
//! | property | create | update | read-back (GetApiKeys) |
//! |---|---|---|---|
//! | name | CreateApiKey `name` | UpdateApiKey `replace /name` | `name` |
//! | value | `value` | never: another key | `value`, with `includeValues` |
//! | enabled | `enabled` | `replace /enabled` | `enabled` |
//! | description | `description` | `replace /description` | `description` |
//! | tags | `tags` | TagResource, UntagResource | GetApiKey `tags` |
//!
//! A value is never part of a step, so that no plan, event, log or status can show it: `apply` is handed the values beside
//! the plan, by the keys' names.

pub mod remote;

use std::collections::BTreeMap;

use k8s_openapi::jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};

use super::{Patch, claim, foreign, tag_changes};
use crate::identity::{Owner, Ownership, Tags};
use crate::problem::Problem;

/// Values by the names of keys that are to be made.
pub type Values = BTreeMap<String, SecretString>;

/// A key as it should be.
#[derive(Clone, Debug)]
pub struct Desired {
    /// Its name; AWS lets several keys have one name.
    pub name: String,
    /// Its value; `None` where it is still to be made up.
    pub value: Option<SecretString>,
    /// Whether callers may use it.
    pub enabled: bool,
    /// Shown in the console.
    pub description: String,
    /// Its tags, the owner's among them.
    pub tags: Tags,
}

/// A key as AWS has it.
#[derive(Clone, Debug)]
pub struct Observed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its value, where it was asked for.
    pub value: Option<SecretString>,
    /// Whether callers may use it.
    pub enabled: bool,
    /// Shown in the console.
    pub description: String,
    /// Its tags, where there was a reason to read them.
    pub tags: Option<Tags>,
}

const REPLACED: &str = "Replaced at ";

/// What the description of a key says whose value was replaced: it is how the time is remembered.
pub fn replaced(at: Timestamp, owner: &Owner) -> String {
    format!("{REPLACED}{}; deleted when rotationGracePeriod is over (UsagePlan {})", at.strftime("%FT%TZ"), owner.key)
}

impl Observed {
    /// Whether it has this value.
    pub fn has(&self, value: &SecretString) -> bool {
        self.value.as_ref().is_some_and(|has| has.expose_secret() == value.expose_secret())
    }

    /// When its value was replaced, if it was.
    pub fn replaced_at(&self) -> Option<Timestamp> {
        self.description.strip_prefix(REPLACED)?.split(';').next()?.parse().ok()
    }

    /// Whether it is known to be another's.
    pub fn is_foreign(&self, owner: &Owner) -> bool {
        self.tags.as_ref().is_some_and(|tags| foreign(owner, tags))
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    /// Its value is not here.
    Create {
        name: String,
        enabled: bool,
        description: String,
        tags: Tags,
    },
    Update {
        id: String,
        name: String,
        patches: Vec<Patch>,
    },
    Tag {
        id: String,
        name: String,
        set: Tags,
        remove: Vec<String>,
    },
    Release {
        id: String,
        name: String,
        remove: Vec<String>,
        tags: Tags,
    },
    Delete {
        id: String,
        name: String,
    },
}

impl Step {
    /// The id of the key that it changes, where it exists.
    pub fn id(&self) -> Option<&str> {
        match self {
            Self::Create { .. } => None,
            Self::Update { id, .. } | Self::Tag { id, .. } | Self::Release { id, .. } | Self::Delete { id, .. } => {
                Some(id)
            }
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create API key {name}"),
            Self::Update { id, name, patches } => {
                write!(f, "update {} of API key {name} ({id})", super::paths(patches))
            }
            Self::Tag { id, name, .. } => write!(f, "update the tags of API key {name} ({id})"),
            Self::Release { id, name, .. } => write!(f, "release API key {name} ({id})"),
            Self::Delete { id, name } => write!(f, "delete API key {name} ({id})"),
        }
    }
}

/// What makes a key.
pub fn creation(desired: &Desired) -> Step {
    Step::Create {
        name: desired.name.clone(),
        enabled: desired.enabled,
        description: desired.description.clone(),
        tags: desired.tags.clone(),
    }
}

/// What makes the observed key the desired one, which has its value.
///
/// # Errors
/// It is another's.
pub fn diff(owner: &Owner, desired: &Desired, observed: &Observed) -> Result<Vec<Step>, Problem> {
    let (id, name) = (|| observed.id.clone(), || observed.name.clone());
    let mut steps = Vec::new();
    if let Some(tags) = &observed.tags {
        claim(owner, tags, || format!("API key `{}`", observed.id))?;
        let (set, remove) = tag_changes(&desired.tags, tags);
        if !set.is_empty() || !remove.is_empty() {
            steps.push(Step::Tag { id: id(), name: name(), set, remove });
        }
    }
    let mut patches = Vec::new();
    if desired.name != observed.name {
        patches.push(Patch::replace("/name", &desired.name));
    }
    if desired.enabled != observed.enabled {
        patches.push(Patch::replace("/enabled", desired.enabled.to_string()));
    }
    if desired.description != observed.description {
        patches.push(Patch::replace("/description", &desired.description));
    }
    if !patches.is_empty() {
        steps.push(Step::Update { id: id(), name: name(), patches });
    }
    Ok(steps)
}

/// What removes it: nothing where it is another's.
pub fn removal(owner: &Owner, observed: &Observed) -> Option<Step> {
    let step = Step::Delete { id: observed.id.clone(), name: observed.name.clone() };
    (!observed.is_foreign(owner)).then_some(step)
}

/// What lets it go under `deletionPolicy: Retain`.
pub fn release(owner: &Owner, observed: &Observed) -> Option<Step> {
    let ours = observed.tags.as_ref().is_some_and(|tags| owner.reads(tags) == Ownership::Ours);
    ours.then(|| Step::Release {
        id: observed.id.clone(),
        name: observed.name.clone(),
        remove: owner.tags().into_keys().collect(),
        tags: owner.released_tag(),
    })
}
