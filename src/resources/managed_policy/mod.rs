//! Customer-managed policies: parts of an execution role's permissions that its inline policy has no room for.
//!
//! | property | create | update | read-back |
//! |---|---|---|---|
//! | text | CreatePolicy `PolicyDocument` | CreatePolicyVersion `SetAsDefault`, DeletePolicyVersion of the one before | ListPolicyVersions, GetPolicyVersion |
//! | owner tags | CreatePolicy `Tags` | TagPolicy, UntagPolicy | GetPolicy |
//!
//! A policy has one version. Others, whoever made them, are deleted: a role's policy says what its manifest says and nothing else, also
//! after a `SetDefaultPolicyVersion`.

pub mod remote;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Claim, Conflict, claim, foreign};
use crate::identity::{Owner, Ownership, Tags};
use crate::policy::statement::Document;

/// So many versions a policy can have (IAM's reference of CreatePolicyVersion).
const MOST_VERSIONS: usize = 5;

/// A policy as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Unique in the account without regard to case.
    pub name: String,
    /// IAM path; `ListPolicies` finds an owner's policies by it.
    pub path: String,
    /// Known before it exists.
    pub arn: String,
    /// Whose it is.
    pub owner: Owner,
    /// For people in the IAM console; can't be changed later.
    pub description: String,
    /// What it says.
    pub policy: Document,
}

/// A policy as AWS has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// Its tags.
    pub tags: Tags,
    /// The text of the version that counts, as JSON.
    pub policy: String,
    /// The version that counts, such as `v1`.
    pub version: String,
    /// The other versions, the oldest first.
    pub others: Vec<String>,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, path: String, description: String, policy: Value, tags: Tags },
    Write { arn: String, policy: Value },
    DeleteVersion { arn: String, version: String },
    Claim { arn: String, claim: Claim },
    Release { arn: String, remove: Vec<String>, tags: Tags },
    Delete { arn: String, versions: Vec<String> },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |arn: &str| arn.rsplit('/').next().unwrap_or(arn).to_owned();
        match self {
            Self::Create { name, .. } => write!(f, "create policy {name}"),
            Self::Write { arn, .. } => write!(f, "write policy {}", name(arn)),
            Self::DeleteVersion { arn, version } => write!(f, "delete version {version} of policy {}", name(arn)),
            Self::Claim { arn, .. } => write!(f, "take back policy {}", name(arn)),
            Self::Release { arn, .. } => write!(f, "release policy {}", name(arn)),
            Self::Delete { arn, .. } => write!(f, "delete policy {}", name(arn)),
        }
    }
}

/// What makes the observed policy the desired one.
///
/// # Errors
/// [`Conflict`] where a policy of that name is another's.
pub fn diff(desired: &Desired, observed: Option<&Observed>) -> Result<Vec<Step>, Conflict> {
    let Some(observed) = observed else {
        return Ok(vec![Step::Create {
            name: desired.name.clone(),
            path: desired.path.clone(),
            description: desired.description.clone(),
            policy: desired.policy.to_value(),
            tags: desired.owner.tags(),
        }]);
    };
    let arn = || desired.arn.clone();
    let claim = claim(&desired.owner, &observed.tags, || format!("policy `{}`", desired.name))?;
    let mut steps: Vec<Step> = claim.map(|claim| Step::Claim { arn: arn(), claim }).into_iter().collect();
    let mut others = observed.others.iter().cloned();
    let delete = |version| Step::DeleteVersion { arn: arn(), version };
    if Document::equal(&desired.policy.to_string(), &observed.policy) {
        steps.extend(others.map(delete));
        return Ok(steps);
    }
    if observed.others.len() + 1 >= MOST_VERSIONS {
        steps.extend(others.next().map(delete));
    }
    steps.push(Step::Write { arn: arn(), policy: desired.policy.to_value() });
    steps.extend(others.chain([observed.version.clone()]).map(delete));
    Ok(steps)
}

/// What removes the policy, once no role has it: nothing where it is another's.
pub fn removal(arn: &str, owner: &Owner, observed: &Observed) -> Option<Step> {
    (!foreign(owner, &observed.tags)).then(|| Step::Delete { arn: arn.to_owned(), versions: observed.others.clone() })
}

/// What lets the policy go under `deletionPolicy: Retain`: nothing where it is already let go.
pub fn release(arn: &str, owner: &Owner, observed: &Observed) -> Option<Step> {
    (owner.reads(&observed.tags) == Ownership::Ours).then(|| Step::Release {
        arn: arn.to_owned(),
        remove: owner.tags().into_keys().collect(),
        tags: owner.released_tag(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Cluster, Key};
    use crate::policy::statement::Statement;

    fn desired() -> Desired {
        let owner =
            Owner::new(Cluster { name: "c".into(), uid: "u".into() }, "StateMachine", Key::new("demo", "hello"));
        Desired {
            name: "role-1".into(),
            path: "/stepgate/1/".into(),
            arn: "arn:aws:iam::111122223333:policy/stepgate/1/role-1".into(),
            description: "d".into(),
            policy: Document::new([Statement::allow(["sqs:SendMessage"], ["arn:aws:sqs:eu-central-1:111122223333:q"])]),
            owner,
        }
    }

    fn as_desired(desired: &Desired) -> Observed {
        Observed {
            tags: desired.owner.tags(),
            policy: desired.policy.to_string(),
            version: "v1".into(),
            others: Vec::new(),
        }
    }

    fn text(observed: &Observed) -> Vec<String> {
        diff(&desired(), Some(observed)).unwrap().iter().map(ToString::to_string).collect()
    }

    #[test]
    fn one_version_that_says_what_is_wanted() {
        let desired = desired();
        let as_wanted = as_desired(&desired);
        assert_eq!(text(&as_wanted), [""; 0]);
        let other_text = Observed { policy: "{}".into(), ..as_wanted.clone() };
        assert_eq!(text(&other_text), ["write policy role-1", "delete version v1 of policy role-1"]);
        let another_version = Observed { version: "v2".into(), others: vec!["v1".into()], ..as_wanted };
        assert_eq!(text(&another_version), ["delete version v1 of policy role-1"]);
    }

    #[test]
    fn a_full_policy_loses_its_oldest_version_first() {
        let others = ["v2", "v4", "v5", "v6"].map(String::from).to_vec();
        let full = Observed { policy: "{}".into(), version: "v3".into(), others, ..as_desired(&desired()) };
        assert_eq!(
            text(&full),
            [
                "delete version v2",
                "write",
                "delete version v4",
                "delete version v5",
                "delete version v6",
                "delete version v3"
            ]
            .map(|what| format!("{what}{}policy role-1", if what == "write" { " " } else { " of " }))
        );
    }

    #[test]
    fn another_s_policy_is_left_alone() {
        let desired = desired();
        let foreign = Observed { tags: Tags::new(), ..as_desired(&desired) };
        let conflict = diff(&desired, Some(&foreign)).unwrap_err();
        assert_eq!(conflict.what, "policy `role-1`");
        assert_eq!(removal(&desired.arn, &desired.owner, &foreign), None);
        assert_eq!(release(&desired.arn, &desired.owner, &foreign), None);
    }

    #[test]
    fn what_was_retained_is_taken_back() {
        let desired = desired();
        let released = Observed { tags: desired.owner.released_tag(), ..as_desired(&desired) };
        assert_eq!(text(&released), ["take back policy role-1"]);
        assert_eq!(release(&desired.arn, &desired.owner, &released), None);
    }
}
