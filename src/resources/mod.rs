//! One room per AWS resource: its desired form, its observed form and the difference, all pure; and beside them, in
//! `remote.rs`, the only code that names its SDK calls: observe, and carry out a step.
//!
//! To add a property of a resource is to open its room and its kind in `src/api/`, nothing else.

pub mod access_association;
pub mod account;
pub mod api_key;
pub mod authorizer;
pub mod base_path_mapping;
pub mod deployment;
pub mod domain_name;
pub mod gateway_response;
pub mod invocation;
pub mod log_group;
pub mod managed_policy;
pub mod model;
mod remote;
pub mod request_validator;
pub mod rest_api;
pub mod role;
pub mod route;
pub mod stage;
pub mod state_machine;
pub mod usage_plan;

use serde::{Deserialize, Serialize};

use crate::identity::{ADOPTED, Owner, Ownership, RELEASED_FROM, TAG_PREFIX, Tags};
use crate::problem::Problem;
use remote::{all_pages, once, set_tags};

/// A step of any room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "resource", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Role(role::Step),
    ManagedPolicy(managed_policy::Step),
    StateMachine(state_machine::Step),
    RestApi(rest_api::Step),
    Authorizer(authorizer::Step),
    Model(model::Step),
    RequestValidator(request_validator::Step),
    Route(route::Step),
    GatewayResponse(gateway_response::Step),
    Deployment(deployment::Step),
    /// Keeps or forgets the record of a revision, in Kubernetes.
    Record(deployment::RecordStep),
    Stage(stage::Step),
    LogGroup(log_group::Step),
    Account(account::Step),
    UsagePlan(usage_plan::Step),
    ApiKey(api_key::Step),
    DomainName(domain_name::Step),
    BasePathMapping(base_path_mapping::Step),
    AccessAssociation(access_association::Step),
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Role(step) => step.fmt(f),
            Self::ManagedPolicy(step) => step.fmt(f),
            Self::StateMachine(step) => step.fmt(f),
            Self::RestApi(step) => step.fmt(f),
            Self::Authorizer(step) => step.fmt(f),
            Self::Model(step) => step.fmt(f),
            Self::RequestValidator(step) => step.fmt(f),
            Self::Route(step) => step.fmt(f),
            Self::GatewayResponse(step) => step.fmt(f),
            Self::Deployment(step) => step.fmt(f),
            Self::Record(step) => step.fmt(f),
            Self::Stage(step) => step.fmt(f),
            Self::LogGroup(step) => step.fmt(f),
            Self::Account(step) => step.fmt(f),
            Self::UsagePlan(step) => step.fmt(f),
            Self::ApiKey(step) => step.fmt(f),
            Self::DomainName(step) => step.fmt(f),
            Self::BasePathMapping(step) => step.fmt(f),
            Self::AccessAssociation(step) => step.fmt(f),
        }
    }
}

/// An AWS object of our name is not ours, and is left alone.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} exists in AWS and is not ours: {whose}. stepgate leaves it alone; delete or rename it, or give this object another name"
)]
pub struct Conflict {
    /// Such as ``state machine `demo_hello` ``.
    pub what: String,
    /// Whose it is.
    pub whose: String,
}

/// The change that makes an AWS object ours again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claim {
    /// Tags to write.
    pub tags: Tags,
    /// Tags to take off.
    pub remove: Vec<String>,
}

/// How a change of owner tags is to be made, where one is.
///
/// # Errors
/// [`Conflict`] where the tags are another's.
fn claim(owner: &Owner, tags: &Tags, what: impl FnOnce() -> String) -> Result<Option<Claim>, Conflict> {
    match owner.reads(tags) {
        Ownership::Ours if !tags.contains_key(RELEASED_FROM) => Ok(None),
        // Ours with the other tag: a crash came between the two calls of taking it back.
        Ownership::Ours | Ownership::Released => {
            Ok(Some(Claim { tags: owner.tags(), remove: vec![RELEASED_FROM.to_owned()] }))
        }
        Ownership::Inherited => {
            let differing = owner.tags().into_iter().filter(|(key, value)| tags.get(key) != Some(value)).collect();
            Ok(Some(Claim { tags: differing, remove: Vec::new() }))
        }
        Ownership::Foreign(whose) => Err(Conflict { what: what(), whose }),
    }
}

/// Whether what exists in AWS and carries none of our tags may become ours.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Adoption {
    /// It is a conflict.
    #[default]
    No,
    /// It is asked for, and not admitted. Then nothing is made either, and nothing is told of what is there.
    Refused(Problem),
    /// It may.
    Admitted {
        /// What is said where there is nothing; absent: it is made.
        missing: Option<Problem>,
    },
}

impl Adoption {
    /// Whether what has these tags becomes ours.
    pub fn takes(&self, tags: &Tags) -> bool {
        matches!(self, Self::Admitted { .. }) && !is_marked(tags)
    }

    /// That something may be made where there is nothing.
    ///
    /// # Errors
    /// Why not.
    fn creates(&self) -> Result<(), Problem> {
        match self {
            Self::Refused(problem) | Self::Admitted { missing: Some(problem) } => Err(problem.clone()),
            Self::No | Self::Admitted { missing: None } => Ok(()),
        }
    }

    /// How a change of owner tags is to be made, where one is. Any tag of ours says that it is, or was, some object's: then
    /// it is not adopted.
    ///
    /// # Errors
    /// The tags are another's, or adoption is not admitted.
    fn claim(&self, owner: &Owner, tags: &Tags, what: impl FnOnce() -> String) -> Result<Option<Claim>, Problem> {
        match self {
            Self::Refused(problem) if !is_marked(tags) => Err(problem.clone()),
            _ if self.takes(tags) => {
                let mut tags = owner.tags();
                tags.insert(ADOPTED.to_owned(), "true".to_owned());
                Ok(Some(Claim { tags, remove: Vec::new() }))
            }
            _ => Ok(claim(owner, tags, what)?),
        }
    }
}

impl Claim {
    /// Says again of what is ours that it was adopted.
    fn adopted() -> Self {
        Self { tags: Tags::from([(ADOPTED.to_owned(), "true".to_owned())]), remove: Vec::new() }
    }

    /// What it does, for people.
    fn verb(&self) -> &'static str {
        if self.tags.contains_key(ADOPTED) { "adopt" } else { "take back" }
    }
}

/// Whether tags of ours say that it is, or was, some object's.
pub fn is_marked(tags: &Tags) -> bool {
    tags.keys().any(|key| key.starts_with(TAG_PREFIX))
}

/// Whether it was adopted.
pub fn is_adopted(tags: &Tags) -> bool {
    tags.contains_key(ADOPTED)
}

/// Whether the tags are another's: what is not ours is not removed either.
fn foreign(owner: &Owner, tags: &Tags) -> bool {
    matches!(owner.reads(tags), Ownership::Foreign(_))
}

/// The tags to set, and those to take off; AWS's own stay.
fn tag_changes(wanted: &Tags, found: &Tags) -> (Tags, Vec<String>) {
    let set = wanted.iter().filter(|(key, value)| found.get(*key) != Some(value));
    let remove = found.keys().filter(|key| !wanted.contains_key(*key) && !key.starts_with("aws:"));
    (set.map(|(key, value)| (key.clone(), value.clone())).collect(), remove.cloned().collect())
}

/// One patch operation of API Gateway.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Patch {
    /// `add`, `remove` or `replace`.
    pub op: PatchOp,
    /// The property.
    pub path: String,
    /// The new value.
    pub value: Option<String>,
}

/// What a patch operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs)]
pub enum PatchOp {
    Add,
    Remove,
    Replace,
}

impl Patch {
    fn replace(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self { op: PatchOp::Replace, path: path.into(), value: Some(value.into()) }
    }

    fn remove(path: impl Into<String>) -> Self {
        Self { op: PatchOp::Remove, path: path.into(), value: None }
    }

    fn add(path: impl Into<String>, value: impl Into<String>) -> Self {
        Self { op: PatchOp::Add, path: path.into(), value: Some(value.into()) }
    }

    fn sdk(&self) -> aws_sdk_apigateway::types::PatchOperation {
        use aws_sdk_apigateway::types::{Op, PatchOperation};
        let op = match self.op {
            PatchOp::Add => Op::Add,
            PatchOp::Remove => Op::Remove,
            PatchOp::Replace => Op::Replace,
        };
        PatchOperation::builder().op(op).path(&self.path).set_value(self.value.clone()).build()
    }
}

fn sdk_patches(patches: &[Patch]) -> Option<Vec<aws_sdk_apigateway::types::PatchOperation>> {
    Some(patches.iter().map(Patch::sdk).collect())
}

/// The patched properties, for people.
fn paths(patches: &[Patch]) -> String {
    let paths: Vec<_> = patches.iter().map(|patch| patch.path.trim_start_matches('/')).collect();
    paths.join(", ")
}

/// A segment of a patch path: `/` becomes `~1` (JSON pointer).
fn pointer_segment(text: &str) -> String {
    text.replace('~', "~0").replace('/', "~1")
}
