//! Base path mappings: which stage of which API is served under which first segment of a custom domain name.
//!
//! | property | create | update | read-back (GetBasePathMappings) |
//! |---|---|---|---|
//! | base path | CreateBasePathMapping `basePath` | never: another mapping | `basePath` |
//! | API | `restApiId` | UpdateBasePathMapping `replace /restapiId` | `restApiId` |
//! | stage | `stage` | `replace /stage` | `stage` |
//!
//! They carry no tags: whose one is follows from the API that it leads to. Patch paths: as Terraform writes them.

pub mod remote;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Patch;

/// Where a base path leads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Mapping {
    /// The API.
    pub rest_api_id: String,
    /// Its stage.
    pub stage: String,
}

/// Mappings by base path; the root is empty.
pub type Mappings = BTreeMap<String, Mapping>;

/// One change. A base path that is empty is the root.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    #[serde(rename_all = "camelCase")]
    Create { domain: String, base_path: String, mapping: Mapping },
    #[serde(rename_all = "camelCase")]
    Update { domain: String, base_path: String, to: Mapping, patches: Vec<Patch> },
    #[serde(rename_all = "camelCase")]
    Delete { domain: String, base_path: String },
}

impl Step {
    /// The base path, and the API that it will lead to.
    pub fn base_path_and_api(&self) -> (&str, Option<&str>) {
        match self {
            Self::Create { base_path, mapping, .. } => (base_path, Some(&mapping.rest_api_id)),
            Self::Update { base_path, to, .. } => (base_path, Some(&to.rest_api_id)),
            Self::Delete { base_path, .. } => (base_path, None),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { domain, base_path, mapping } => {
                write!(f, "map {domain}/{base_path} to stage {} of REST API {}", mapping.stage, mapping.rest_api_id)
            }
            Self::Update { domain, base_path, to, .. } => {
                write!(f, "move {domain}/{base_path} to stage {} of REST API {}", to.stage, to.rest_api_id)
            }
            Self::Delete { domain, base_path } => write!(f, "unmap {domain}/{base_path}"),
        }
    }
}

/// What makes the observed mappings the desired ones; those that `kept` says stay. New ones come before others go, so that a
/// base path that moves is served all along.
pub fn diff(domain: &str, desired: &Mappings, observed: &Mappings, kept: impl Fn(&str, &Mapping) -> bool) -> Vec<Step> {
    let mut steps = Vec::new();
    let domain = || domain.to_owned();
    for (base_path, mapping) in desired {
        let base_path = base_path.clone();
        match observed.get(&base_path) {
            None => steps.push(Step::Create { domain: domain(), base_path, mapping: mapping.clone() }),
            Some(found) if found != mapping => {
                let mut patches = Vec::new();
                if found.rest_api_id != mapping.rest_api_id {
                    patches.push(Patch::replace("/restapiId", &mapping.rest_api_id));
                }
                if found.stage != mapping.stage {
                    patches.push(Patch::replace("/stage", &mapping.stage));
                }
                steps.push(Step::Update { domain: domain(), base_path, to: mapping.clone(), patches });
            }
            Some(_) => {}
        }
    }
    for (base_path, found) in observed {
        if !desired.contains_key(base_path) && !kept(base_path, found) {
            steps.push(Step::Delete { domain: domain(), base_path: base_path.clone() });
        }
    }
    steps
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mappings(all: &[(&str, &str, &str)]) -> Mappings {
        let one = |(path, api, stage): &(&str, &str, &str)| {
            ((*path).to_owned(), Mapping { rest_api_id: (*api).into(), stage: (*stage).into() })
        };
        all.iter().map(one).collect()
    }

    #[test]
    fn each_is_made_moved_or_removed_and_others_stay() {
        let desired = mappings(&[("", "a", "prod"), ("orders", "a", "prod"), ("refunds", "b", "dev")]);
        let observed =
            mappings(&[("orders", "b", "dev"), ("refunds", "b", "dev"), ("old", "a", "x"), ("theirs", "z", "x")]);
        let steps = diff("api.example.com", &desired, &observed, |path, _| path == "theirs");
        let texts: Vec<_> = steps.iter().map(ToString::to_string).collect();
        assert_eq!(
            texts,
            [
                "map api.example.com/ to stage prod of REST API a",
                "move api.example.com/orders to stage prod of REST API a",
                "unmap api.example.com/old",
            ]
        );
        let patches = vec![Patch::replace("/restapiId", "a"), Patch::replace("/stage", "prod")];
        assert!(matches!(&steps[1], Step::Update { patches: found, .. } if *found == patches), "{steps:?}");
        assert_eq!(diff("d", &desired, &desired, |_, _| false), vec![]);
    }
}
