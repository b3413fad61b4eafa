//! API Gateway REST APIs.
//!
//! | property | create | update | read-back (GetRestApi) |
//! |---|---|---|---|
//! | name | CreateRestApi `name` | UpdateRestApi `replace /name` | `name` |
//! | description | `description` | `replace /description` | `description` |
//! | endpoint type | `endpointConfiguration.types` | `replace /endpointConfiguration/types/<old>` | `endpointConfiguration.types` |
//! | owner tags | `tags` | TagResource, UntagResource | `tags` |

pub mod remote;

use serde::{Deserialize, Serialize};

use super::{Claim, Conflict, Patch, claim, foreign};
use crate::api::EndpointType;
use crate::identity::{Owner, Ownership, Tags};

/// An API as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its name; AWS lets several APIs have one name.
    pub name: String,
    /// Shown in the console.
    pub description: String,
    /// REGIONAL or EDGE.
    pub endpoint: EndpointType,
    /// Whose it is.
    pub owner: Owner,
}

/// An API as AWS has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Shown in the console.
    pub description: String,
    /// AWS's words for its endpoint types.
    pub endpoints: Vec<String>,
    /// Its tags.
    pub tags: Tags,
}

/// One change. An id that is not known yet is filled in by what created the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, description: String, endpoint: EndpointType, tags: Tags },
    Update { id: String, patches: Vec<Patch> },
    Claim { id: String, claim: Claim },
    Release { id: String, remove: Vec<String>, tags: Tags },
    Delete { id: String },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create REST API {name}"),
            Self::Update { id, patches } => write!(f, "update {} of REST API {id}", super::paths(patches)),
            Self::Claim { id, .. } => write!(f, "take back REST API {id}"),
            Self::Release { id, .. } => write!(f, "release REST API {id}"),
            Self::Delete { id } => write!(f, "delete REST API {id}"),
        }
    }
}

/// AWS's word for an endpoint type.
pub fn endpoint_name(endpoint: EndpointType) -> &'static str {
    match endpoint {
        EndpointType::Regional => "REGIONAL",
        EndpointType::Edge => "EDGE",
    }
}

/// What makes the observed API the desired one.
///
/// # Errors
/// [`Conflict`] where the API is another's.
pub fn diff(desired: &Desired, observed: Option<&Observed>) -> Result<Vec<Step>, Conflict> {
    let Some(observed) = observed else {
        return Ok(vec![Step::Create {
            name: desired.name.clone(),
            description: desired.description.clone(),
            endpoint: desired.endpoint,
            tags: desired.owner.tags(),
        }]);
    };
    let id = || observed.id.clone();
    let claim = claim(&desired.owner, &observed.tags, || format!("REST API `{}`", observed.id))?;
    let mut steps: Vec<_> = claim.map(|claim| Step::Claim { id: id(), claim }).into_iter().collect();
    let mut patches = Vec::new();
    if desired.name != observed.name {
        patches.push(Patch::replace("/name", &desired.name));
    }
    if desired.description != observed.description {
        patches.push(Patch::replace("/description", &desired.description));
    }
    let endpoint = endpoint_name(desired.endpoint);
    if let Some(old) = observed.endpoints.iter().find(|found| *found != endpoint) {
        patches.push(Patch::replace(format!("/endpointConfiguration/types/{old}"), endpoint));
    }
    if !patches.is_empty() {
        steps.push(Step::Update { id: id(), patches });
    }
    Ok(steps)
}

/// What removes the API with all its children: nothing where it is not there, or another's.
pub fn removal(owner: &Owner, observed: Option<&Observed>) -> Vec<Step> {
    let ours = observed.filter(|observed| !foreign(owner, &observed.tags));
    ours.map(|observed| Step::Delete { id: observed.id.clone() }).into_iter().collect()
}

/// What lets the API go under `deletionPolicy: Retain`.
pub fn release(owner: &Owner, observed: Option<&Observed>) -> Vec<Step> {
    observed
        .filter(|observed| owner.reads(&observed.tags) == Ownership::Ours)
        .map(|observed| Step::Release {
            id: observed.id.clone(),
            remove: owner.tags().into_keys().collect(),
            tags: owner.released_tag(),
        })
        .into_iter()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Cluster, Key, RELEASED_FROM};

    fn desired() -> Desired {
        let cluster = Cluster { name: "c".into(), uid: "u".into() };
        let owner = Owner::new(cluster, "RestAPI", Key::new("demo", "api"));
        Desired { name: "demo_api".into(), description: "d".into(), endpoint: EndpointType::Regional, owner }
    }

    fn as_desired(desired: &Desired) -> Observed {
        Observed {
            id: "a1".into(),
            name: desired.name.clone(),
            description: desired.description.clone(),
            endpoints: vec![endpoint_name(desired.endpoint).into()],
            tags: desired.owner.tags(),
        }
    }

    #[test]
    fn each_property_is_repaired_on_its_own() {
        let desired = desired();
        assert_eq!(diff(&desired, Some(&as_desired(&desired))), Ok(vec![]));
        let observed = Observed {
            name: "renamed".into(),
            description: String::new(),
            endpoints: vec!["EDGE".into()],
            ..as_desired(&desired)
        };
        let patches = vec![
            Patch::replace("/name", "demo_api"),
            Patch::replace("/description", "d"),
            Patch::replace("/endpointConfiguration/types/EDGE", "REGIONAL"),
        ];
        assert_eq!(diff(&desired, Some(&observed)), Ok(vec![Step::Update { id: "a1".into(), patches }]));
    }

    #[test]
    fn made_with_its_owner_s_tags() {
        let desired = desired();
        let create = Step::Create {
            name: "demo_api".into(),
            description: "d".into(),
            endpoint: EndpointType::Regional,
            tags: desired.owner.tags(),
        };
        assert_eq!(diff(&desired, None), Ok(vec![create]));
    }

    #[test]
    fn another_s_api_is_left_alone_and_a_retained_one_taken_back() {
        let desired = desired();
        let foreign = Observed { tags: Tags::new(), ..as_desired(&desired) };
        assert_eq!(
            diff(&desired, Some(&foreign)).unwrap_err().to_string(),
            "REST API `a1` exists in AWS and is not ours: it has no owner tag of stepgate. stepgate leaves it alone; delete or rename it, or give this object another name"
        );
        assert_eq!(removal(&desired.owner, Some(&foreign)), vec![]);
        assert_eq!(release(&desired.owner, Some(&foreign)), vec![]);
        let released = Observed { tags: desired.owner.released_tag(), ..as_desired(&desired) };
        let claim = Claim { tags: desired.owner.tags(), remove: vec![RELEASED_FROM.into()] };
        assert_eq!(diff(&desired, Some(&released)), Ok(vec![Step::Claim { id: "a1".into(), claim }]));
        assert_eq!(release(&desired.owner, Some(&released)), vec![], "it is let go already");
    }
}
