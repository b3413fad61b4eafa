//! Stages: names under which deployments are served.
//!
//! | property | create | update | read-back (GetStages) |
//! |---|---|---|---|
//! | deployment | CreateStage `deploymentId` | UpdateStage `replace /deploymentId` | `deploymentId` |
//! | variables | `variables` | UpdateStage `replace`, `remove /variables/<name>` | `variables` |

pub mod remote;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Patch;

/// A stage as it should be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Desired {
    /// Its name.
    pub name: String,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
    /// What it serves.
    pub serves: Serves,
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

/// A stage as AWS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Observed {
    /// The deployment that it serves.
    pub deployment_id: String,
    /// Its variables.
    pub variables: BTreeMap<String, String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, variables: BTreeMap<String, String>, serves: Serves },
    Update { name: String, serves: Option<Serves>, patches: Vec<Patch> },
    Delete { name: String },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create stage {name}"),
            Self::Update { name, serves: Some(_), patches } if patches.is_empty() => write!(f, "move stage {name}"),
            Self::Update { name, serves: Some(_), patches } => {
                write!(f, "move stage {name} and update {}", super::paths(patches))
            }
            Self::Update { name, patches, .. } => write!(f, "update {} of stage {name}", super::paths(patches)),
            Self::Delete { name } => write!(f, "delete stage {name}"),
        }
    }
}

/// What makes the observed stages the desired ones.
pub fn diff(desired: &[Desired], observed: &BTreeMap<String, Observed>) -> Vec<Step> {
    let mut steps = Vec::new();
    for stage in desired {
        let Some(found) = observed.get(&stage.name) else {
            // A new stage cannot serve "what it serves now".
            if stage.serves != Serves::Unchanged {
                steps.push(Step::Create {
                    name: stage.name.clone(),
                    variables: stage.variables.clone(),
                    serves: stage.serves.clone(),
                });
            }
            continue;
        };
        let mut patches = Vec::new();
        for (name, value) in &stage.variables {
            if found.variables.get(name) != Some(value) {
                patches.push(Patch::replace(format!("/variables/{name}"), value));
            }
        }
        for name in found.variables.keys().filter(|name| !stage.variables.contains_key(*name)) {
            patches.push(Patch::remove(format!("/variables/{name}")));
        }
        let serves = match &stage.serves {
            Serves::Deployment(id) if *id != found.deployment_id => Some(stage.serves.clone()),
            Serves::New => Some(Serves::New),
            _ => None,
        };
        if serves.is_some() || !patches.is_empty() {
            steps.push(Step::Update { name: stage.name.clone(), serves, patches });
        }
    }
    for name in observed.keys().filter(|name| desired.iter().all(|stage| stage.name != **name)) {
        steps.push(Step::Delete { name: name.clone() });
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stage(name: &str, serves: Serves, variables: &[(&str, &str)]) -> Desired {
        Desired { name: name.into(), serves, variables: map(variables) }
    }

    fn map(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs.iter().map(|(k, v)| ((*k).into(), (*v).into())).collect()
    }

    fn observed(name: &str, deployment: &str, variables: &[(&str, &str)]) -> BTreeMap<String, Observed> {
        let stage = Observed { deployment_id: deployment.into(), variables: map(variables) };
        BTreeMap::from([(name.to_owned(), stage)])
    }

    #[rstest::rstest]
    #[case::as_wanted(stage("dev", Serves::Deployment("d1".into()), &[("a", "1")]), "d1", &[("a", "1")], &[])]
    #[case::moved(stage("dev", Serves::Deployment("d2".into()), &[]), "d1", &[], &["move stage dev"])]
    #[case::pinned_to_nothing(stage("dev", Serves::Unchanged, &[]), "d1", &[], &[])]
    #[case::variables(stage("dev", Serves::Deployment("d1".into()), &[("a", "1")]), "d1", &[("b", "2")], &["update variables/a, variables/b of stage dev"])]
    #[case::unwanted(stage("prod", Serves::Unchanged, &[]), "d1", &[], &["delete stage dev"])]
    #[case::new_beside(stage("prod", Serves::New, &[]), "d1", &[], &["create stage prod", "delete stage dev"])]
    fn stages(
        #[case] desired: Desired,
        #[case] deployment: &str,
        #[case] variables: &[(&str, &str)],
        #[case] steps: &[&str],
    ) {
        let found: Vec<_> =
            diff(&[desired], &observed("dev", deployment, variables)).iter().map(ToString::to_string).collect();
        assert_eq!(found, steps);
    }
}
