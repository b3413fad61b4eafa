//! IAM roles: execution roles of state machines and invoke roles of APIs.
//!
//! | property | create | update | read-back |
//! |---|---|---|---|
//! | trust policy | CreateRole `AssumeRolePolicyDocument` | UpdateAssumeRolePolicy | GetRole |
//! | permissions | PutRolePolicy `stepgate`, or a share's name | PutRolePolicy, DeleteRolePolicy | ListRolePolicies, GetRolePolicy |
//! | managed policies | AttachRolePolicy | AttachRolePolicy, DetachRolePolicy | ListAttachedRolePolicies |
//! | owner tags | CreateRole `Tags` | TagRole, UntagRole | GetRole |
//! | notes: tags in which the role remembers what is under way | | TagRole, UntagRole | GetRole |
//!
//! Inline policies and attached policies that we did not write are removed: a managed role may do what its manifest
//! says and nothing else. Several objects can share a role: each then has an inline policy there, its share, which it alone writes.
//! One that was adopted keeps what others wrote, unless its manifest says otherwise (`adopted.rs`).

pub mod adopted;
pub mod remote;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Adoption, Claim, foreign};
use crate::identity::{Owner, Tags};
use crate::policy::statement::Document;
use crate::policy::trust;
use crate::problem::Problem;
use adopted::Adopted;

/// The name of the one inline policy.
pub const POLICY_NAME: &str = "stepgate";

/// The names of shares begin with this.
pub const SHARE: &str = "stepgate-";

/// A role as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Unique in the account without regard to case.
    pub name: String,
    /// IAM path; `ListRoles` finds an owner's roles by it.
    pub path: String,
    /// Whose it is.
    pub owner: Owner,
    /// For people in the IAM console.
    pub description: String,
    /// Who may assume it.
    pub trust: Value,
    /// What it may do; empty means no inline policy.
    pub policy: Document,
    /// The name of that policy in a shared role; absent: it is the role's only one.
    pub share: Option<String>,
    /// ARNs of attached managed policies.
    pub managed_policies: BTreeSet<String>,
    /// What holds of it where it is not made but adopted.
    pub adopted: Option<Adopted>,
}

/// A role as AWS has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Its ARN.
    pub arn: String,
    /// When it was made.
    pub created: SystemTime,
    /// Its tags.
    pub tags: Tags,
    /// Who may assume it, as JSON text.
    pub trust: String,
    /// Inline policies by name, as JSON text; empty are those of others that share the role.
    pub policies: BTreeMap<String, String>,
    /// ARNs of attached managed policies.
    pub managed_policies: BTreeSet<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, path: String, description: String, trust: Value, tags: Tags },
    SetTrust { name: String, trust: Value },
    PutPolicy { name: String, policy_name: String, policy: Value },
    DeletePolicy { name: String, policy_name: String },
    Attach { name: String, arn: String },
    Detach { name: String, arn: String },
    Note { name: String, tags: Tags },
    Forget { name: String, keys: Vec<String> },
    Claim { name: String, claim: Claim },
    Release { name: String, remove: Vec<String>, tags: Tags },
    Delete { name: String, policies: Vec<String>, managed_policies: Vec<String> },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create role {name}"),
            Self::SetTrust { name, .. } => write!(f, "set the trust policy of role {name}"),
            Self::PutPolicy { name, policy_name, .. } if policy_name == POLICY_NAME => {
                write!(f, "write the policy of role {name}")
            }
            Self::PutPolicy { name, policy_name, .. } => write!(f, "write policy {policy_name} of role {name}"),
            Self::DeletePolicy { name, policy_name } => write!(f, "delete policy {policy_name} of role {name}"),
            Self::Attach { name, arn } => write!(f, "attach {arn} to role {name}"),
            Self::Detach { name, arn } => write!(f, "detach {arn} from role {name}"),
            Self::Note { name, tags } => {
                write!(f, "note {} on role {name}", tags.keys().cloned().collect::<Vec<_>>().join(", "))
            }
            Self::Forget { name, keys } => write!(f, "take the note {} off role {name}", keys.join(", ")),
            Self::Claim { name, claim } => write!(f, "{} role {name}", claim.verb()),
            Self::Release { name, .. } => write!(f, "release role {name}"),
            Self::Delete { name, .. } => write!(f, "delete role {name}"),
        }
    }
}

impl Step {
    /// Whether it can give the role more than it had, which takes time to be visible everywhere.
    pub fn widens(&self) -> bool {
        matches!(self, Self::Create { .. } | Self::SetTrust { .. } | Self::PutPolicy { .. } | Self::Attach { .. })
    }

    /// The role's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Create { name, .. }
            | Self::SetTrust { name, .. }
            | Self::PutPolicy { name, .. }
            | Self::DeletePolicy { name, .. }
            | Self::Attach { name, .. }
            | Self::Detach { name, .. }
            | Self::Note { name, .. }
            | Self::Forget { name, .. }
            | Self::Claim { name, .. }
            | Self::Release { name, .. }
            | Self::Delete { name, .. } => name,
        }
    }
}

impl Desired {
    /// The role's ARN, known before it exists.
    pub fn arn(&self, partition: &str, account_id: &str) -> String {
        format!("arn:{partition}:iam::{account_id}:role{}{}", self.path, self.name)
    }

    /// The name of its inline policy.
    pub fn policy_name(&self) -> &str {
        self.share.as_deref().unwrap_or(POLICY_NAME)
    }

    /// Whether an inline policy of the role is another's who shares it.
    fn is_of_others(&self, policy_name: &str) -> bool {
        self.share.is_some() && policy_name != self.policy_name() && policy_name.starts_with(SHARE)
    }
}

/// What makes the observed role the desired one.
///
/// # Errors
/// A role of that name is another's; or there is none that could be adopted, or none may be.
pub fn diff(desired: &Desired, observed: Option<&Observed>) -> Result<Vec<Step>, Problem> {
    let name = || desired.name.clone();
    let mut steps = Vec::new();
    let made = Adoption::No;
    let adoption = desired.adopted.as_ref().map_or(&made, |adopted| &adopted.adoption);
    let keeps = desired.adopted.as_ref().is_some_and(Adopted::keeps);
    let nothing = Observed {
        arn: String::new(),
        created: SystemTime::UNIX_EPOCH,
        tags: Tags::new(),
        trust: desired.trust.to_string(),
        policies: BTreeMap::new(),
        managed_policies: BTreeSet::new(),
    };
    let observed = match observed {
        Some(observed) => {
            let claim = adoption.claim(&desired.owner, &observed.tags, || format!("role `{}`", desired.name))?;
            steps.extend(claim.map(|claim| Step::Claim { name: name(), claim }));
            observed
        }
        None => {
            adoption.creates()?;
            steps.push(Step::Create {
                name: name(),
                path: desired.path.clone(),
                description: desired.description.clone(),
                trust: desired.trust.clone(),
                tags: desired.owner.tags(),
            });
            &nothing
        }
    };
    let trust = if keeps { trust::beside(&desired.trust, &observed.trust) } else { desired.trust.clone() };
    if !Document::equal(&trust.to_string(), &observed.trust) {
        steps.push(Step::SetTrust { name: name(), trust });
    }
    // What others wrote goes first: it takes room that ours may need.
    let own = desired.policy_name();
    let leaves = |found: &str| found == own || keeps || desired.is_of_others(found);
    for policy_name in observed.policies.keys().filter(|found| !leaves(found)) {
        steps.push(Step::DeletePolicy { name: name(), policy_name: policy_name.clone() });
    }
    let policy = (!desired.policy.is_empty()).then(|| desired.policy.to_value());
    if let Some(policy) = &policy {
        let same = observed.policies.get(own).is_some_and(|text| Document::equal(&policy.to_string(), text));
        if !same {
            let policy = policy.clone();
            steps.push(Step::PutPolicy { name: name(), policy_name: own.to_owned(), policy });
        }
    }
    if policy.is_none() && observed.policies.contains_key(own) {
        steps.push(Step::DeletePolicy { name: name(), policy_name: own.to_owned() });
    }
    if desired.adopted.is_some() {
        steps.extend(adopted::attachments(desired, observed, keeps));
        return Ok(steps);
    }
    for arn in desired.managed_policies.difference(&observed.managed_policies) {
        steps.push(Step::Attach { name: name(), arn: arn.clone() });
    }
    for arn in observed.managed_policies.difference(&desired.managed_policies) {
        steps.push(Step::Detach { name: name(), arn: arn.clone() });
    }
    Ok(steps)
}

/// What removes the role: nothing where it is not there, or another's.
pub fn removal(name: &str, owner: &Owner, observed: Option<&Observed>) -> Vec<Step> {
    let delete = |observed: &Observed| Step::Delete {
        name: name.to_owned(),
        policies: observed.policies.keys().cloned().collect(),
        managed_policies: observed.managed_policies.iter().cloned().collect(),
    };
    observed.filter(|observed| !foreign(owner, &observed.tags)).map(delete).into_iter().collect()
}

/// What makes this our policy of a role; IAM takes none without a statement.
pub fn rewritten(name: &str, policy: &Document) -> Step {
    let (name, policy_name) = (name.to_owned(), POLICY_NAME.to_owned());
    match policy.is_empty() {
        true => Step::DeletePolicy { name, policy_name },
        false => Step::PutPolicy { name, policy_name, policy: policy.to_value() },
    }
}

/// What takes a share out of a role, and removes the role where it was the last: nothing where it is not there, or another's.
pub fn removal_of_share(name: &str, share: &str, owner: &Owner, observed: Option<&Observed>) -> Vec<Step> {
    let shares = observed.into_iter().flat_map(|observed| observed.policies.keys());
    if !shares.clone().any(|found| found != share && found.starts_with(SHARE)) {
        return removal(name, owner, observed);
    }
    let ours = observed.is_some_and(|observed| !foreign(owner, &observed.tags));
    let own = shares.filter(|found| ours && *found == share);
    own.map(|found| Step::DeletePolicy { name: name.to_owned(), policy_name: found.clone() }).collect()
}

/// What lets the role go under `deletionPolicy: Retain`: nothing where it is not there or already let go.
pub fn release(name: &str, owner: &Owner, observed: Option<&Observed>) -> Vec<Step> {
    let ours = observed.is_some_and(|o| owner.reads(&o.tags) == crate::identity::Ownership::Ours);
    if !ours {
        return Vec::new();
    }
    vec![Step::Release {
        name: name.to_owned(),
        remove: owner.tags().into_keys().collect(),
        tags: owner.released_tag(),
    }]
}

/// How long until a role made at `created` is taken for visible everywhere.
pub fn settles_in(created: SystemTime, now: SystemTime, propagation_wait: Duration) -> Duration {
    propagation_wait.saturating_sub(now.duration_since(created).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Cluster, Key};
    use crate::policy::statement::Statement;

    fn desired() -> Desired {
        let cluster = Cluster { name: "c".into(), uid: "u".into() };
        let owner = Owner::new(cluster, "StateMachine", Key::new("demo", "hello"));
        Desired {
            name: "stepgate-exec-demo_hello-1".into(),
            path: "/stepgate/1/".into(),
            description: "d".into(),
            trust: crate::policy::trust::states("aws", "eu-central-1", "111122223333"),
            policy: Document::new([Statement::allow(["sqs:SendMessage"], ["arn:aws:sqs:eu-central-1:111122223333:q"])]),
            share: None,
            managed_policies: BTreeSet::from(["arn:aws:iam::aws:policy/A".to_owned()]),
            adopted: None,
            owner,
        }
    }

    fn as_desired(desired: &Desired) -> Observed {
        Observed {
            arn: desired.arn("aws", "111122223333"),
            created: SystemTime::UNIX_EPOCH,
            tags: desired.owner.tags(),
            trust: desired.trust.to_string(),
            policies: BTreeMap::from([(POLICY_NAME.to_owned(), desired.policy.to_string())]),
            managed_policies: desired.managed_policies.clone(),
        }
    }

    fn text(steps: &[Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn nothing_to_do_for_what_is_as_desired() {
        let desired = desired();
        assert_eq!(diff(&desired, Some(&as_desired(&desired))), Ok(vec![]));
    }

    #[test]
    fn made_whole() {
        assert_eq!(
            text(&diff(&desired(), None).unwrap()),
            [
                "create role stepgate-exec-demo_hello-1",
                "write the policy of role stepgate-exec-demo_hello-1",
                "attach arn:aws:iam::aws:policy/A to role stepgate-exec-demo_hello-1"
            ]
        );
    }

    #[test]
    fn every_property_is_repaired_on_its_own() {
        let desired = desired();
        let mut observed = as_desired(&desired);
        observed.trust = crate::policy::trust::apigateway().to_string();
        observed.policies.insert("added-by-hand".into(), "{}".into());
        observed.policies.insert(POLICY_NAME.into(), "{}".into());
        observed.managed_policies = BTreeSet::from(["arn:aws:iam::aws:policy/AdministratorAccess".to_owned()]);
        assert_eq!(
            text(&diff(&desired, Some(&observed)).unwrap()),
            [
                "set the trust policy of role stepgate-exec-demo_hello-1",
                "delete policy added-by-hand of role stepgate-exec-demo_hello-1",
                "write the policy of role stepgate-exec-demo_hello-1",
                "attach arn:aws:iam::aws:policy/A to role stepgate-exec-demo_hello-1",
                "detach arn:aws:iam::aws:policy/AdministratorAccess from role stepgate-exec-demo_hello-1"
            ]
        );
    }

    #[test]
    fn another_s_role_is_left_alone() {
        let desired = desired();
        let mut observed = as_desired(&desired);
        observed.tags.clear();
        assert!(diff(&desired, Some(&observed)).is_err());
        assert_eq!(removal(&desired.name, &desired.owner, Some(&observed)), vec![]);
        assert_eq!(release(&desired.name, &desired.owner, Some(&observed)), vec![]);
    }

    #[test]
    fn what_was_retained_is_taken_back() {
        let desired = desired();
        let mut observed = as_desired(&desired);
        observed.tags = desired.owner.released_tag();
        let claim = Claim { tags: desired.owner.tags(), remove: vec![crate::identity::RELEASED_FROM.into()] };
        assert_eq!(diff(&desired, Some(&observed)), Ok(vec![Step::Claim { name: desired.name.clone(), claim }]));
    }

    #[test]
    fn a_lost_cluster_s_role_is_taken_over_with_one_tag() {
        let mut desired = desired();
        let observed = as_desired(&desired);
        desired.owner.cluster.uid = "rebuilt".into();
        assert!(diff(&desired, Some(&observed)).is_err());
        desired.owner.takes_over = vec!["u".into()];
        let tags = Tags::from([("stepgate.dev/cluster-uid".into(), "rebuilt".into())]);
        let claim = Claim { tags, remove: vec![] };
        assert_eq!(diff(&desired, Some(&observed)), Ok(vec![Step::Claim { name: desired.name.clone(), claim }]));
    }
}
