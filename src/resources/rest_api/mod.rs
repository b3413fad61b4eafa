//! API Gateway REST APIs.
//!
//! | property | create | update | read-back (GetRestApi) |
//! |---|---|---|---|
//! | name | CreateRestApi `name` | UpdateRestApi `replace /name` | `name` |
//! | description | `description` | `replace /description` | `description` |
//! | endpoint type | `endpointConfiguration.types` | `replace /endpointConfiguration/types/0` | `endpointConfiguration.types` |
//! | VPC endpoints | `endpointConfiguration.vpcEndpointIds` | `add`, `remove /endpointConfiguration/vpcEndpointIds` | `endpointConfiguration.vpcEndpointIds` |
//! | IP address type | `endpointConfiguration.ipAddressType` | `replace /endpointConfiguration/ipAddressType` | `endpointConfiguration.ipAddressType` |
//! | default endpoint off | `disableExecuteApiEndpoint` | `replace /disableExecuteApiEndpoint` | `disableExecuteApiEndpoint` |
//! | API key source | `apiKeySource` | `replace /apiKeySource` | `apiKeySource` |
//! | binary media types | `binaryMediaTypes` | `add`, `remove /binaryMediaTypes/<type>` | `binaryMediaTypes` |
//! | compression | `minimumCompressionSize` | `replace /minimumCompressionSize`, without a value for off | `minimumCompressionSize` |
//! | resource policy | `policy` | `replace /policy` | `policy` |
//! | owner tags | `tags` | TagResource, UntagResource | `tags` |

pub mod census;
pub mod remote;
pub mod settings;

use serde::{Deserialize, Serialize};

use super::{Adoption, Claim, Patch, foreign};
use crate::identity::{Owner, Ownership, Tags};
use crate::problem::Problem;
use settings::Settings;

/// An API as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its name; AWS lets several APIs have one name.
    pub name: String,
    /// Shown in the console.
    pub description: String,
    /// What callers notice of it.
    pub settings: Settings,
    /// Whose it is.
    pub owner: Owner,
    /// Whether one that exists may become it.
    pub adoption: Adoption,
    /// Whether it was adopted, or is to be.
    pub adopted: bool,
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
    /// What callers notice of it.
    pub settings: Settings,
    /// Its tags.
    pub tags: Tags,
}

/// One change. An id that is not known yet is filled in by what created the API.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, description: String, settings: Box<Settings>, tags: Tags },
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
            Self::Claim { id, claim } => write!(f, "{} REST API {id}", claim.verb()),
            Self::Release { id, .. } => write!(f, "release REST API {id}"),
            Self::Delete { id } => write!(f, "delete REST API {id}"),
        }
    }
}

/// What makes it.
pub fn creation(desired: &Desired) -> Step {
    Step::Create {
        name: desired.name.clone(),
        description: desired.description.clone(),
        settings: Box::new(desired.settings.clone()),
        tags: desired.owner.tags(),
    }
}

/// What makes the observed API the desired one.
///
/// # Errors
/// The API is another's, or AWS has no patch for the change; or there is none, and none is to be made.
pub fn diff(desired: &Desired, observed: Option<&Observed>) -> Result<Vec<Step>, Problem> {
    let Some(observed) = observed else {
        desired.adoption.creates()?;
        return Ok(vec![creation(desired)]);
    };
    let id = || observed.id.clone();
    let claim = desired.adoption.claim(&desired.owner, &observed.tags, || format!("REST API `{}`", observed.id))?;
    let claim = claim.or_else(|| (desired.adopted && !super::is_adopted(&observed.tags)).then(Claim::adopted));
    let mut steps: Vec<_> = claim.map(|claim| Step::Claim { id: id(), claim }).into_iter().collect();
    let mut patches = Vec::new();
    if desired.name != observed.name {
        patches.push(Patch::replace("/name", &desired.name));
    }
    if desired.description != observed.description {
        patches.push(Patch::replace("/description", &desired.description));
    }
    if (&*observed.settings.endpoint, &*desired.settings.endpoint) == ("PRIVATE", "EDGE") {
        return Err(Problem::invalid(
            "spec.endpoint.type: API Gateway can't change a PRIVATE API to EDGE; make it REGIONAL first",
        ));
    }
    let mut from = observed.settings.clone();
    if observed.settings.endpoint == "PRIVATE" && desired.settings.endpoint != "PRIVATE" {
        // Of its own: only what is no longer private may have another IP address type.
        from.endpoint.clone_from(&desired.settings.endpoint);
        from.vpc_endpoint_ids.clear();
        steps.push(Step::Update { id: id(), patches: settings::patches(&observed.settings, &from) });
    }
    patches.extend(settings::patches(&from, &desired.settings));
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
        let settings = Settings::of("REGIONAL");
        Desired {
            name: "demo_api".into(),
            description: "d".into(),
            settings,
            owner,
            adoption: Adoption::No,
            adopted: false,
        }
    }

    fn as_desired(desired: &Desired) -> Observed {
        Observed {
            id: "a1".into(),
            name: desired.name.clone(),
            description: desired.description.clone(),
            settings: desired.settings.clone(),
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
            settings: Settings::of("EDGE"),
            ..as_desired(&desired)
        };
        let patches = vec![
            Patch::replace("/name", "demo_api"),
            Patch::replace("/description", "d"),
            Patch::replace("/endpointConfiguration/types/0", "REGIONAL"),
        ];
        assert_eq!(diff(&desired, Some(&observed)), Ok(vec![Step::Update { id: "a1".into(), patches }]));
    }

    #[test]
    fn a_private_api_does_not_become_an_edge_api_at_once() {
        let edge = Desired { settings: Settings::of("EDGE"), ..desired() };
        let private = Observed { settings: Settings::of("PRIVATE"), ..as_desired(&edge) };
        assert_eq!(
            diff(&edge, Some(&private)).unwrap_err().message,
            "spec.endpoint.type: API Gateway can't change a PRIVATE API to EDGE; make it REGIONAL first"
        );
    }

    #[test]
    fn made_with_its_owner_s_tags() {
        let desired = desired();
        let create = Step::Create {
            name: "demo_api".into(),
            description: "d".into(),
            settings: Box::new(desired.settings.clone()),
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
