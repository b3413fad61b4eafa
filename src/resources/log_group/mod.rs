//! Log groups that are made for objects of ours.
//!
//! | property | create | update | read-back |
//! |---|---|---|---|
//! | owner tags | CreateLogGroup `tags` | TagResource, UntagResource | ListTagsForResource |
//! | retention | PutRetentionPolicy | PutRetentionPolicy, DeleteRetentionPolicy | DescribeLogGroups `retentionInDays` |

pub mod remote;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Claim, Conflict, claim};
use crate::identity::{Owner, Ownership, Tags};

/// All of ours begin with this.
pub const PREFIX: &str = "/stepgate/";

/// A log group as it should be.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Desired {
    /// Its name.
    pub name: String,
    /// How long it keeps lines; absent: for ever.
    pub retention_days: Option<i32>,
    /// Whose it is.
    #[serde(skip)]
    pub owner: Owner,
}

/// A log group as AWS has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Observed {
    /// How long it keeps lines; absent: for ever.
    pub retention_days: Option<i32>,
    /// Its tags, where there was a reason to read them.
    pub tags: Option<Tags>,
}

/// Log groups by name.
pub type Groups = BTreeMap<String, Observed>;

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create {
        name: String,
        tags: Tags,
    },
    /// `None`: for ever.
    SetRetention {
        name: String,
        days: Option<i32>,
    },
    Claim {
        name: String,
        claim: Claim,
    },
    Release {
        name: String,
        remove: Vec<String>,
        tags: Tags,
    },
    Delete {
        name: String,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create log group {name}"),
            Self::SetRetention { name, days: Some(1) } => write!(f, "let log group {name} keep lines for 1 day"),
            Self::SetRetention { name, days: Some(days) } => {
                write!(f, "let log group {name} keep lines for {days} days")
            }
            Self::SetRetention { name, days: None } => write!(f, "let log group {name} keep lines for ever"),
            Self::Claim { name, .. } => write!(f, "take back log group {name}"),
            Self::Release { name, .. } => write!(f, "release log group {name}"),
            Self::Delete { name } => write!(f, "delete log group {name}"),
        }
    }
}

/// What makes the observed log group the desired one, each step after the one before.
///
/// # Errors
/// [`Conflict`] where it is another's.
pub fn diff(desired: &Desired, observed: Option<&Observed>) -> Result<Vec<Step>, Conflict> {
    let name = || desired.name.clone();
    let mut steps = Vec::new();
    let has = match observed {
        None => {
            steps.push(Step::Create { name: name(), tags: desired.owner.tags() });
            None
        }
        Some(observed) => {
            if let Some(tags) = &observed.tags {
                let claim = claim(&desired.owner, tags, || format!("log group `{}`", desired.name))?;
                steps.extend(claim.map(|claim| Step::Claim { name: name(), claim }));
            }
            observed.retention_days
        }
    };
    if has != desired.retention_days {
        steps.push(Step::SetRetention { name: name(), days: desired.retention_days });
    }
    Ok(steps)
}

fn is_ours(owner: &Owner, tags: &Tags) -> bool {
    matches!(owner.reads(tags), Ownership::Ours | Ownership::Inherited)
}

/// What removes it: nothing where it is not ours.
pub fn removal(name: &str, owner: &Owner, observed: &Observed) -> Option<Step> {
    let ours = observed.tags.as_ref().is_none_or(|tags| is_ours(owner, tags));
    ours.then(|| Step::Delete { name: name.to_owned() })
}

/// What lets it go under `deletionPolicy: Retain`.
pub fn release(name: &str, owner: &Owner, observed: &Observed) -> Option<Step> {
    let ours = observed.tags.as_ref().is_none_or(|tags| is_ours(owner, tags));
    let (remove, tags) = (owner.tags().into_keys().collect(), owner.released_tag());
    ours.then(|| Step::Release { name: name.to_owned(), remove, tags })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Cluster, Key};

    fn desired(retention_days: Option<i32>) -> Desired {
        let cluster = Cluster { name: "c".into(), uid: "u".into() };
        let owner = Owner { cluster, kind: "RestAPI", key: Key::new("demo", "api"), takes_over: vec![] };
        Desired { name: "/stepgate/x".into(), retention_days, owner }
    }

    fn texts(steps: &[Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn made_kept_and_let_go() {
        let wanted = desired(Some(30));
        let made = diff(&wanted, None).unwrap();
        assert_eq!(texts(&made), ["create log group /stepgate/x", "let log group /stepgate/x keep lines for 30 days"]);
        assert!(matches!(&made[0], Step::Create { tags, .. } if *tags == wanted.owner.tags()));
        let ours = Observed { retention_days: Some(30), tags: Some(wanted.owner.tags()) };
        assert_eq!(diff(&wanted, Some(&ours)), Ok(vec![]));
        assert_eq!(
            texts(&diff(&desired(None), Some(&ours)).unwrap()),
            ["let log group /stepgate/x keep lines for ever"]
        );
        let foreign = Observed { tags: Some(Tags::new()), ..ours.clone() };
        assert!(diff(&wanted, Some(&foreign)).is_err());
        assert_eq!(removal("/stepgate/x", &wanted.owner, &foreign), None);
        assert_eq!(release("/stepgate/x", &wanted.owner, &foreign), None);
        let released = Observed { tags: Some(wanted.owner.released_tag()), ..ours.clone() };
        assert_eq!(removal("/stepgate/x", &wanted.owner, &released), None, "what was let go is kept");
        assert_eq!(texts(&diff(&wanted, Some(&released)).unwrap()), ["take back log group /stepgate/x"]);
        assert_eq!(removal("/stepgate/x", &wanted.owner, &ours), Some(Step::Delete { name: "/stepgate/x".into() }));
    }
}
