//! Deployments: snapshots of an API, and our record of each, a revision.
//!
//! A revision is our own counter, kept with the content's hash in the deployment's description, so that a lost record
//! can be found again. A deployment cannot be changed; it is made, and deleted when no stage serves it.

pub mod remote;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::authorizer::Authorizer;
use super::gateway_response::GatewayResponses;
use super::model::Models;
use super::rest_api::settings::Settings;
use super::route::{At, Method};
use crate::identity::{Key, TAG_PREFIX, content_hash};
use crate::policy::encryption::{Decrypts, decrypt_statements, decrypts};
use crate::policy::roles::{Use, authorizer_statement, deny_owner_tags, functions, invoke_statements, uses};
use crate::policy::statement::Document;
use crate::resources::role;

/// What a revision holds, kept in a ControllerRevision that the RestAPI owns.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// Our counter.
    pub revision: i64,
    /// The API's id in AWS.
    pub rest_api_id: String,
    /// The deployment's id in AWS.
    pub deployment_id: String,
    /// Hash of the content.
    pub hash: String,
    /// The routes that it serves.
    pub routes: Vec<ServedRoute>,
    /// What each managed role must be able to do while a stage serves it, by the role's name.
    pub roles: BTreeMap<String, RoleNeeds>,
    /// Whether there were authorizers: where no manifest has any left, this says to look for those to delete.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub authorizers: bool,
    /// Whether the API had models of its own then: their removal is noticed by it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub models: bool,
    /// Whether it was lost, and made anew by what AWS says: forms of routes are not known, and roles are as wide as they were then.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub rebuilt: bool,
    /// Of an adopted API whose other content is kept: ids of the deployments that its stages served then, which hold nothing of ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older: Option<BTreeSet<String>>,
}

/// A route in a snapshot.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServedRoute {
    /// The APIRoute.
    pub route: Key,
    /// Its place.
    pub at: At,
    /// Hash of its method, to tell whether a stage serves this form; empty where the form is not known.
    pub hash: String,
    /// The StateMachines that it calls.
    pub machines: BTreeSet<Key>,
}

/// What a role must be able to do.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoleNeeds {
    /// Whom it serves: a namespace's routes (no name), one route, or an authorizer (no namespace).
    pub of: Option<Key>,
    /// Actions on machines.
    pub uses: BTreeSet<Use>,
    /// Lambda functions of an authorizer.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub functions: BTreeSet<String>,
    /// Keys of machines whose executions' data it reads. Never on record: they follow from the machines as they are now.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: BTreeSet<Decrypts>,
    /// Attached managed policies.
    pub managed_policies: BTreeSet<String>,
}

impl RoleNeeds {
    /// Whether it serves a namespace's routes, rather than one.
    pub fn is_shared(&self) -> bool {
        self.of.as_ref().is_some_and(|of| of.name.is_empty())
    }

    /// The policy that allows just that.
    pub fn policy(&self) -> Document {
        let guard = (!self.managed_policies.is_empty()).then(|| deny_owner_tags(TAG_PREFIX));
        let functions = authorizer_statement(&self.functions);
        let keys = decrypt_statements(&self.keys);
        Document::new(invoke_statements(&self.uses).into_iter().chain(functions).chain(keys).chain(guard))
    }

    /// Whether one that does all this can do that too; keys are not asked for.
    pub fn covers(&self, other: &Self) -> bool {
        other.uses.is_subset(&self.uses)
            && other.functions.is_subset(&self.functions)
            && other.managed_policies.is_subset(&self.managed_policies)
    }

    /// What a role has, as far as it is of the kind that we give.
    pub fn read(role: &role::Observed) -> Self {
        let document = role.policies.get(role::POLICY_NAME).and_then(|text| Document::parse(text).ok());
        let document = document.unwrap_or_default();
        let managed_policies = role.managed_policies.clone();
        let (uses, functions, keys) = (uses(&document), functions(&document), decrypts(&document));
        Self { of: None, uses, functions, keys, managed_policies }
    }

    /// Adds another's needs.
    pub fn merge(&mut self, other: &Self) {
        self.of = self.of.take().or_else(|| other.of.clone());
        self.uses.extend(other.uses.iter().cloned());
        self.functions.extend(other.functions.iter().cloned());
        self.keys.extend(other.keys.iter().cloned());
        self.managed_policies.extend(other.managed_policies.iter().cloned());
    }
}

/// A deployment of ours, as AWS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Our counter. Two operators at once can leave two deployments with one.
    pub revision: i64,
    /// The content's hash.
    pub hash: String,
}

/// Our deployments by id.
pub type Deployments = BTreeMap<String, Found>;

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    /// Takes a snapshot; its id is known afterwards.
    Create {
        description: String,
    },
    Delete {
        id: String,
        revision: i64,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { description } => write!(f, "deploy {description}"),
            Self::Delete { revision, .. } => write!(f, "delete the deployment of revision {revision}"),
        }
    }
}

/// One change of our records, which are ControllerRevisions in Kubernetes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum RecordStep {
    /// Where `deployment_id` is empty, it is that of the deployment that the plan makes.
    Keep {
        record: Record,
    },
    Forget {
        revision: i64,
    },
}

impl std::fmt::Display for RecordStep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Keep { record } => write!(f, "record revision {}", record.revision),
            Self::Forget { revision } => write!(f, "forget revision {revision}"),
        }
    }
}

/// What a snapshot holds besides the methods: what an API does not have takes no part in the content's hash, so that a
/// new kind of content makes no new deployments of APIs without it.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BesideMethods<'a> {
    /// What API Gateway itself answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway_responses: Option<&'a GatewayResponses>,
    /// The API's settings, where they are not AWS's defaults.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub settings: Option<&'a Settings>,
    /// The authorizers that the methods name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub authorizers: BTreeMap<String, Authorizer>,
    /// Schemas by the model's name, without those whose name says what they hold: methods that name them cover these.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub models: Option<Models>,
    /// Whether it is an adopted API without what others made: with that it is another content.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub alone: bool,
}

/// The content's hash: it covers everything that a stage serves from the snapshot.
pub fn hash(methods: &BTreeMap<At, Method>, beside: &BesideMethods<'_>) -> String {
    let list: Vec<_> = methods.iter().collect();
    if *beside == BesideMethods::default() { content_hash(&list) } else { content_hash(&(list, beside)) }
}

/// A deployment's description.
pub fn description(revision: i64, hash: &str) -> String {
    format!("revision {revision}, content {hash}")
}

/// Revision and hash out of a deployment's description; `None` where it is not ours.
pub fn parse_description(text: &str) -> Option<(i64, String)> {
    let (revision, hash) = text.strip_prefix("revision ")?.split_once(", content ")?;
    Some((revision.parse().ok()?, hash.to_owned()))
}

/// The revisions to let go: those that no stage serves, beyond the newest `limit`.
pub fn prunable<'a>(
    records: impl IntoIterator<Item = &'a Record>,
    in_use: &BTreeSet<i64>,
    limit: usize,
) -> Vec<&'a Record> {
    let mut spare: Vec<_> = records.into_iter().filter(|record| !in_use.contains(&record.revision)).collect();
    spare.sort_by_key(|record| std::cmp::Reverse(record.revision));
    spare.split_off(spare.len().min(limit))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(revision: i64) -> Record {
        Record {
            revision,
            rest_api_id: "a".into(),
            deployment_id: format!("d{revision}"),
            hash: "h".into(),
            routes: vec![],
            roles: BTreeMap::new(),
            authorizers: false,
            models: false,
            rebuilt: false,
            older: None,
        }
    }

    #[test]
    fn a_description_is_read_back() {
        assert_eq!(parse_description(&description(12, "abc")), Some((12, "abc".into())));
        assert_eq!(parse_description("made by hand"), None);
    }

    #[test]
    fn what_a_stage_serves_is_never_pruned() {
        let records: Vec<_> = (1..=6).map(record).collect();
        let pruned = prunable(&records, &BTreeSet::from([1, 6]), 2);
        assert_eq!(pruned.iter().map(|r| r.revision).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(prunable(&records, &BTreeSet::from([6]), 10), Vec::<&Record>::new());
    }
}
