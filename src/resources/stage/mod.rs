//! Stages: names under which deployments are served.
//!
//! | property | create | update | read-back (GetStages) |
//! |---|---|---|---|
//! | deployment | CreateStage `deploymentId` | UpdateStage `replace /deploymentId` | `deploymentId` |
//! | canary | `canarySettings` | `replace /canarySettings/deploymentId`, `…/percentTraffic`, `…/useStageCache`; `replace`, `remove …/stageVariableOverrides/<name>`; `remove /canarySettings` | `canarySettings` |
//! | variables | `variables` | `replace`, `remove /variables/<name>` | `variables` |
//! | description | `description` | `replace /description` | `description` |
//! | tags | `tags` | TagResource, UntagResource | `tags` |
//! | tracing | `tracingEnabled` | `replace /tracingEnabled` | `tracingEnabled` |
//! | cache | `cacheClusterEnabled`, `cacheClusterSize` | `replace` of the same | the same |
//! | client certificate | – | `replace /clientCertificateId`; an empty one takes it away | `clientCertificateId` |
//! | access log | – | `replace /accessLogSettings/destinationArn`, `…/format`; `remove /accessLogSettings` | `accessLogSettings` |
//! | settings of methods | – | `replace /<path>/<method>/…`, `/*/*/…`; `remove /<path>/<method>` | `methodSettings` |

pub mod export;
pub mod remote;
mod settings;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

pub use settings::{ALL_METHODS, AccessLog, MethodSettings, Settings, method_key, shown_key};

use super::Patch;
use crate::identity::Tags;

/// A stage as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its name.
    pub name: String,
    /// What it serves.
    pub serves: Serves,
    /// What a part of its requests gets.
    pub canary: Option<Canary<Serves>>,
    /// The rest.
    pub settings: Settings,
}

/// What a stage should serve.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Serves {
    /// This deployment.
    Deployment(String),
    /// The deployment that the plan makes.
    New,
    /// What it serves now: its revision does not exist.
    Unchanged,
}

/// What a part of a stage's requests gets.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Canary<S> {
    /// Its deployment.
    pub serves: S,
    /// Which part, from 0 to 100.
    pub percent: f64,
    /// Variables that are other or more.
    pub variables: BTreeMap<String, String>,
    /// Whether it answers from the stage's cache.
    pub use_stage_cache: bool,
}

/// A stage as AWS has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// The deployment that it serves.
    pub deployment_id: String,
    /// What a part of its requests gets.
    pub canary: Option<Canary<String>>,
    /// The rest.
    pub settings: Settings,
}

impl Observed {
    /// The deployments that requests to it reach.
    pub fn deployments(&self) -> impl Iterator<Item = &str> {
        let canary = self.canary.as_ref().map(|canary| canary.serves.as_str());
        std::iter::once(self.deployment_id.as_str()).chain(canary)
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create {
        name: String,
        serves: Serves,
        canary: Option<Canary<Serves>>,
        settings: Box<Settings>,
    },
    /// One call, so that no request sees a part of it: a canary's promotion moves the stage and removes the canary at once.
    Update {
        name: String,
        serves: Option<Serves>,
        canary: Option<Serves>,
        patches: Vec<Patch>,
    },
    Tag {
        name: String,
        set: Tags,
        remove: Vec<String>,
    },
    Delete {
        name: String,
    },
}

impl Step {
    /// The stage's name.
    pub fn stage(&self) -> &str {
        match self {
            Self::Create { name, .. } | Self::Update { name, .. } | Self::Tag { name, .. } | Self::Delete { name } => {
                name
            }
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create stage {name}"),
            Self::Update { name, serves, canary, patches } => {
                let mut paths = super::paths(patches);
                if canary.is_some() {
                    let more = if paths.is_empty() { "" } else { ", " };
                    paths = format!("canarySettings/deploymentId{more}{paths}");
                }
                match (serves, paths.as_str()) {
                    (Some(_), "") => write!(f, "move stage {name}"),
                    (Some(_), paths) => write!(f, "move stage {name} and update {paths}"),
                    (None, paths) => write!(f, "update {paths} of stage {name}"),
                }
            }
            Self::Tag { name, .. } => write!(f, "update the tags of stage {name}"),
            Self::Delete { name } => write!(f, "delete stage {name}"),
        }
    }
}

/// What makes the observed stages the desired ones: for each stage steps that follow each other.
pub fn diff(desired: &[Desired], observed: &BTreeMap<String, Observed>) -> Vec<Vec<Step>> {
    let mut all: Vec<Vec<Step>> = Vec::new();
    for stage in desired {
        let found = observed.get(&stage.name);
        let steps = match found {
            // A new stage cannot serve "what it serves now".
            None if stage.serves == Serves::Unchanged => Vec::new(),
            None => created(stage),
            Some(found) => changed(stage, found),
        };
        all.push(steps);
    }
    for name in observed.keys().filter(|name| desired.iter().all(|stage| stage.name != **name)) {
        all.push(vec![Step::Delete { name: name.clone() }]);
    }
    all.retain(|steps| !steps.is_empty());
    all
}

fn created(stage: &Desired) -> Vec<Step> {
    let name = stage.name.clone();
    let canary = stage.canary.clone().filter(|canary| canary.serves != Serves::Unchanged);
    let settings = stage.settings.as_created();
    let patches = stage.settings.patches(&settings);
    let settings = Box::new(settings);
    let create = Step::Create { name: name.clone(), serves: stage.serves.clone(), canary, settings };
    let rest = (!patches.is_empty()).then_some(Step::Update { name, serves: None, canary: None, patches });
    std::iter::once(create).chain(rest).collect()
}

fn changed(stage: &Desired, found: &Observed) -> Vec<Step> {
    let name = || stage.name.clone();
    let moved = |wanted: &Serves, now: Option<&str>| match wanted {
        Serves::Deployment(id) if Some(id.as_str()) != now => Some(wanted.clone()),
        Serves::New => Some(Serves::New),
        _ => None,
    };
    let serves = moved(&stage.serves, Some(&found.deployment_id));
    let mut patches = stage.settings.patches(&found.settings);
    let mut canary = None;
    match (&stage.canary, &found.canary) {
        (None, None) => {}
        // Last, so that the stage has taken over whatever the canary had.
        (None, Some(_)) => patches.push(Patch::remove("/canarySettings")),
        (Some(wanted), None) if wanted.serves == Serves::Unchanged => {}
        (Some(wanted), has) => {
            canary = moved(&wanted.serves, has.as_ref().map(|has| has.serves.as_str()));
            patches.extend(canary_patches(wanted, has.as_ref()));
        }
    }
    let mut steps = Vec::new();
    if serves.is_some() || canary.is_some() || !patches.is_empty() {
        steps.push(Step::Update { name: name(), serves, canary, patches });
    }
    let (set, remove) = stage.settings.tag_changes(&found.settings);
    if !set.is_empty() || !remove.is_empty() {
        steps.push(Step::Tag { name: name(), set, remove });
    }
    steps
}

/// The canary's patches but for its deployment, whose patch comes first and makes a canary with AWS's defaults (recorded).
fn canary_patches(wanted: &Canary<Serves>, has: Option<&Canary<String>>) -> Vec<Patch> {
    let mut patches = Vec::new();
    if has.map_or(0.0, |has| has.percent).to_bits() != wanted.percent.to_bits() {
        patches.push(Patch::replace("/canarySettings/percentTraffic", wanted.percent.to_string()));
    }
    if has.is_some_and(|has| has.use_stage_cache) != wanted.use_stage_cache {
        patches.push(Patch::replace("/canarySettings/useStageCache", wanted.use_stage_cache.to_string()));
    }
    let none = BTreeMap::new();
    let found = has.map_or(&none, |has| &has.variables);
    patches.extend(settings::entries("/canarySettings/stageVariableOverrides/", &wanted.variables, found));
    patches
}
