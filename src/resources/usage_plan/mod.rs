//! Usage plans, and which keys are in them.
//!
//! | property | create | update | read-back (GetUsagePlan) |
//! |---|---|---|---|
//! | name | CreateUsagePlan `name` | UpdateUsagePlan `replace /name` | `name` |
//! | description | `description` | `replace /description` | `description` |
//! | stages | `apiStages` | `add`, `remove /apiStages` | `apiStages` |
//! | throttling of methods | `apiStages[].throttle` | `replace /apiStages/<api>:<stage>/throttle/<path>/<method>/rateLimit`, `…/burstLimit`; `remove /apiStages/<api>:<stage>/throttle/<path>/<method>` | `apiStages[].throttle` |
//! | throttling | `throttle` | `replace /throttle/rateLimit`, `/throttle/burstLimit`; `remove /throttle` | `throttle` |
//! | quota | `quota` | `replace /quota/limit`, `/quota/offset`, `/quota/period`; `remove /quota` | `quota` |
//! | tags | `tags` | TagResource, UntagResource | `tags` |
//! | keys | CreateUsagePlanKey | DeleteUsagePlanKey | GetUsagePlanKeys |
//!
//! UpdateUsagePlan is taken once in 20 seconds (AWS.md §1): all patches of a plan are one call.

pub mod remote;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::stage::method_key;
use super::{Patch, claim, foreign, tag_changes};
use crate::identity::{Owner, Ownership, Tags};
use crate::problem::Problem;

/// How fast a key may call.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Throttle {
    /// Requests a second in the long run.
    pub rate_limit: f64,
    /// Requests at once.
    pub burst_limit: i32,
}

/// How often a key may call.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Quota {
    /// Requests in each period.
    pub limit: i32,
    /// Requests fewer in the first.
    pub offset: i32,
    /// `DAY`, `WEEK` or `MONTH`.
    pub period: String,
}

/// A stage of an API, as `<api>:<stage>`, in AWS's own writing.
pub fn stage_key(api: &str, stage: &str) -> String {
    format!("{api}:{stage}")
}

/// The throttling of a stage's methods, by path and method as [`method_key`] has them.
pub type Methods = BTreeMap<String, Throttle>;

/// What of a plan is changed by patches.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Settings {
    /// Its name; AWS lets several plans have one name.
    pub name: String,
    /// Shown in the console.
    pub description: String,
    /// Its stages by [`stage_key`].
    pub stages: BTreeMap<String, Methods>,
    /// How fast each key may call.
    pub throttle: Option<Throttle>,
    /// How often.
    pub quota: Option<Quota>,
}

/// A plan as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Whose it is.
    pub owner: Owner,
    /// What patches change.
    pub settings: Settings,
    /// Its tags, the owner's among them.
    pub tags: Tags,
}

/// A plan as AWS has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// Its id.
    pub id: String,
    /// What patches change.
    pub settings: Settings,
    /// Its tags.
    pub tags: Tags,
}

/// One change. An id that is not known yet is filled in by what created the plan, or the key.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create {
        settings: Settings,
        tags: Tags,
    },
    Update {
        id: String,
        patches: Vec<Patch>,
    },
    Tag {
        id: String,
        set: Tags,
        remove: Vec<String>,
    },
    Release {
        id: String,
        remove: Vec<String>,
        tags: Tags,
    },
    Delete {
        id: String,
    },
    /// Without an id: the key of this name that the same plan of steps makes.
    Attach {
        name: String,
        id: Option<String>,
    },
    Detach {
        name: String,
        id: String,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { settings, .. } => write!(f, "create usage plan {}", settings.name),
            Self::Update { id, patches } => write!(f, "update {} of usage plan {id}", super::paths(patches)),
            Self::Tag { id, .. } => write!(f, "update the tags of usage plan {id}"),
            Self::Release { id, .. } => write!(f, "release usage plan {id}"),
            Self::Delete { id } => write!(f, "delete usage plan {id}"),
            Self::Attach { name, id: None } => write!(f, "put API key {name} into the usage plan"),
            Self::Attach { name, id: Some(id) } => write!(f, "put API key {name} ({id}) into the usage plan"),
            Self::Detach { name, id } => write!(f, "take API key {name} ({id}) out of the usage plan"),
        }
    }
}

/// What makes the observed plan the desired one.
///
/// # Errors
/// It is another's.
pub fn diff(desired: &Desired, observed: Option<&Observed>) -> Result<Vec<Step>, Problem> {
    let Some(observed) = observed else {
        return Ok(vec![Step::Create { settings: desired.settings.clone(), tags: desired.tags.clone() }]);
    };
    let id = || observed.id.clone();
    claim(&desired.owner, &observed.tags, || format!("usage plan `{}`", observed.id))?;
    let mut steps = Vec::new();
    let (set, remove) = tag_changes(&desired.tags, &observed.tags);
    if !set.is_empty() || !remove.is_empty() {
        steps.push(Step::Tag { id: id(), set, remove });
    }
    let patches = desired.settings.patches(&observed.settings);
    if !patches.is_empty() {
        steps.push(Step::Update { id: id(), patches });
    }
    Ok(steps)
}

impl Settings {
    /// The patches that make `found` this.
    fn patches(&self, found: &Self) -> Vec<Patch> {
        let mut patches = Vec::new();
        if self.name != found.name {
            patches.push(Patch::replace("/name", &self.name));
        }
        if self.description != found.description {
            patches.push(Patch::replace("/description", &self.description));
        }
        match (self.throttle, found.throttle) {
            (wanted, has) if wanted == has => {}
            (None, _) => patches.push(Patch::remove("/throttle")),
            (Some(wanted), has) => {
                patches.extend(throttle_patches(["/throttle/rateLimit", "/throttle/burstLimit"], wanted, has));
            }
        }
        match (&self.quota, &found.quota) {
            (wanted, has) if wanted == has => {}
            (None, _) => patches.push(Patch::remove("/quota")),
            // All of it: an offset is good for some periods only.
            (Some(Quota { limit, offset, period }), _) => {
                patches.push(Patch::replace("/quota/limit", limit.to_string()));
                patches.push(Patch::replace("/quota/period", period));
                patches.push(Patch::replace("/quota/offset", offset.to_string()));
            }
        }
        let unwanted = found.stages.keys().filter(|stage| !self.stages.contains_key(*stage));
        patches.extend(unwanted.map(|stage| Patch { value: Some(stage.clone()), ..Patch::remove("/apiStages") }));
        for (stage, methods) in &self.stages {
            let none = Methods::new();
            let has = found.stages.get(stage).unwrap_or_else(|| {
                patches.push(Patch::add("/apiStages", stage));
                &none
            });
            patches.extend(method_patches(stage, methods, has));
        }
        patches
    }
}

/// AWS takes the path of a method as in a stage's settings, without its first slash.
fn method_patches(stage: &str, wanted: &Methods, has: &Methods) -> Vec<Patch> {
    let at = |method: &String| format!("/apiStages/{stage}/throttle/{method}");
    let changed = wanted.iter().flat_map(|(method, wanted)| {
        let at = at(method);
        throttle_patches([format!("{at}/rateLimit"), format!("{at}/burstLimit")], *wanted, has.get(method).copied())
    });
    let unwanted = has.keys().filter(|method| !wanted.contains_key(*method));
    changed.chain(unwanted.map(|method| Patch::remove(at(method)))).collect()
}

fn throttle_patches<P: Into<String>>([rate, burst]: [P; 2], wanted: Throttle, has: Option<Throttle>) -> Vec<Patch> {
    let mut patches = Vec::new();
    if has.is_none_or(|has| has.rate_limit.to_bits() != wanted.rate_limit.to_bits()) {
        patches.push(Patch::replace(rate, wanted.rate_limit.to_string()));
    }
    if has.is_none_or(|has| has.burst_limit != wanted.burst_limit) {
        patches.push(Patch::replace(burst, wanted.burst_limit.to_string()));
    }
    patches
}

/// The key of a method's throttling, of a path and a method.
pub fn throttle_key(path: &str, method: &str) -> String {
    method_key(path, method)
}

/// What removes a plan, after its keys were taken out: nothing where it is not there, or another's. AWS deletes no plan that
/// still has stages (boto/boto3#2629, aws/aws-sdk-js#3841).
pub fn removal(owner: &Owner, observed: Option<&Observed>) -> Vec<Step> {
    let Some(observed) = observed.filter(|observed| !foreign(owner, &observed.tags)) else { return Vec::new() };
    let id = || observed.id.clone();
    let none = Settings { stages: BTreeMap::new(), ..observed.settings.clone() };
    let patches = none.patches(&observed.settings);
    let emptied = (!patches.is_empty()).then(|| Step::Update { id: id(), patches });
    emptied.into_iter().chain([Step::Delete { id: id() }]).collect()
}

/// What lets the plan go under `deletionPolicy: Retain`.
pub fn release(owner: &Owner, observed: Option<&Observed>) -> Option<Step> {
    let observed = observed.filter(|observed| owner.reads(&observed.tags) == Ownership::Ours)?;
    let (remove, tags) = (owner.tags().into_keys().collect(), owner.released_tag());
    Some(Step::Release { id: observed.id.clone(), remove, tags })
}
