//! Step Functions state machines.
//!
//! | property | create | update | read-back (DescribeStateMachine) |
//! |---|---|---|---|
//! | definition | CreateStateMachine `definition` | UpdateStateMachine | `definition`, compared as JSON |
//! | role | `roleArn` | UpdateStateMachine | `roleArn` |
//! | type | `type` | never: immutable | `type` |
//! | logging | `loggingConfiguration` | UpdateStateMachine, with an explicit "off" (AWS.md §2) | `loggingConfiguration`, absent or OFF means off |
//! | tracing | `tracingConfiguration` | UpdateStateMachine, with an explicit "off" (AWS.md §2) | `tracingConfiguration`, absent means off |
//! | encryption | `encryptionConfiguration` | UpdateStateMachine, with an explicit AWS_OWNED_KEY (AWS.md §2) | `encryptionConfiguration`, absent or AWS_OWNED_KEY means none |
//! | owner tags | `tags` | TagResource, UntagResource | ListTagsForResource |

pub mod remote;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Claim, Conflict, claim, foreign};
use crate::api::MachineType;
use crate::identity::{Owner, Ownership, Tags};

/// What of executions goes to which log group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Logging {
    /// `ALL`, `ERROR` or `FATAL`.
    pub level: String,
    /// Whether inputs and outputs are logged too.
    pub include_execution_data: bool,
    /// The log group's ARN, with `:*` at the end.
    pub log_group_arn: String,
}

/// The customer managed key that a machine is encrypted with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// The key's ARN.
    pub kms_key_arn: String,
    /// For how many seconds a data key is used again.
    pub kms_data_key_reuse_period_seconds: i32,
}

/// A state machine as it should be.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// The name in AWS.
    pub name: String,
    /// The ARN, known before the machine exists.
    pub arn: String,
    /// Whose it is.
    pub owner: Owner,
    /// STANDARD or EXPRESS.
    pub type_: MachineType,
    /// The definition after substitution, as it is sent.
    pub definition: String,
    /// The execution role.
    pub role_arn: String,
    /// What is logged, if anything.
    pub logging: Option<Logging>,
    /// Whether X-Ray traces executions.
    pub tracing: bool,
    /// The customer managed key, if any.
    pub encryption: Option<Encryption>,
}

/// A state machine as AWS has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Observed {
    /// STANDARD or EXPRESS, in AWS's words.
    pub type_: String,
    /// The definition.
    pub definition: String,
    /// The execution role.
    pub role_arn: String,
    /// What is logged, if anything.
    pub logging: Option<Logging>,
    /// Whether X-Ray traces executions.
    pub tracing: bool,
    /// The customer managed key, if any.
    pub encryption: Option<Encryption>,
    /// AWS's id of this definition and role; absent on some endpoints.
    pub revision_id: Option<String>,
    /// Whether AWS is deleting it.
    pub deleting: bool,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create {
        name: String,
        arn: String,
        r#type: MachineType,
        definition: String,
        role_arn: String,
        logging: Option<Logging>,
        tracing: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encryption: Option<Encryption>,
        tags: Tags,
    },
    Update {
        arn: String,
        definition: Option<String>,
        role_arn: Option<String>,
        /// `Some(None)` switches it off.
        logging: Option<Option<Logging>>,
        tracing: Option<bool>,
        /// `Some(None)` gives it back to AWS's own key.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        encryption: Option<Option<Encryption>>,
    },
    Claim {
        arn: String,
        claim: Claim,
    },
    Release {
        arn: String,
        remove: Vec<String>,
        tags: Tags,
    },
    Delete {
        arn: String,
    },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = |arn: &str| arn.rsplit(':').next().unwrap_or(arn).to_owned();
        match self {
            Self::Create { name, .. } => write!(f, "create state machine {name}"),
            Self::Update { arn, definition, role_arn, logging, tracing, encryption } => {
                let what: Vec<_> = [
                    definition.as_ref().map(|_| "definition"),
                    role_arn.as_ref().map(|_| "role"),
                    logging.as_ref().map(|_| "logging"),
                    tracing.map(|_| "tracing"),
                    encryption.as_ref().map(|_| "encryption"),
                ]
                .into_iter()
                .flatten()
                .collect();
                write!(f, "update {} of state machine {}", what.join(" and "), name(arn))
            }
            Self::Claim { arn, .. } => write!(f, "take back state machine {}", name(arn)),
            Self::Release { arn, .. } => write!(f, "release state machine {}", name(arn)),
            Self::Delete { arn } => write!(f, "delete state machine {}", name(arn)),
        }
    }
}

/// The ARN of a state machine.
pub fn arn(partition: &str, region: &str, account_id: &str, name: &str) -> String {
    format!("arn:{partition}:states:{region}:{account_id}:stateMachine:{name}")
}

/// What makes the observed machine the desired one. Tags are given where they were read.
///
/// # Errors
/// [`Conflict`] where a machine of that name is another's, or of the other type.
pub fn diff(desired: &Desired, observed: Option<&Observed>, tags: Option<&Tags>) -> Result<Vec<Step>, Conflict> {
    let what = || format!("state machine `{}`", desired.name);
    let Some(observed) = observed else {
        return Ok(vec![Step::Create {
            name: desired.name.clone(),
            arn: desired.arn.clone(),
            r#type: desired.type_,
            definition: desired.definition.clone(),
            role_arn: desired.role_arn.clone(),
            logging: desired.logging.clone(),
            tracing: desired.tracing,
            encryption: desired.encryption.clone(),
            tags: desired.owner.tags(),
        }]);
    };
    let mut steps = Vec::new();
    if let Some(tags) = tags {
        let claim = claim(&desired.owner, tags, what)?;
        steps.extend(claim.map(|claim| Step::Claim { arn: desired.arn.clone(), claim }));
    }
    if observed.type_ != type_name(desired.type_) {
        return Err(Conflict {
            what: what(),
            whose: format!("it is of type {}, which AWS cannot change", observed.type_),
        });
    }
    let definition = (!same_json(&desired.definition, &observed.definition)).then(|| desired.definition.clone());
    let role_arn = (desired.role_arn != observed.role_arn).then(|| desired.role_arn.clone());
    let tracing = (desired.tracing != observed.tracing).then_some(desired.tracing);
    let logging = (desired.logging != observed.logging).then(|| desired.logging.clone());
    let encryption = (desired.encryption != observed.encryption).then(|| desired.encryption.clone());
    let same =
        definition.is_none() && role_arn.is_none() && logging.is_none() && tracing.is_none() && encryption.is_none();
    if !same {
        steps.push(Step::Update { arn: desired.arn.clone(), definition, role_arn, logging, tracing, encryption });
    }
    Ok(steps)
}

/// What removes the machine: nothing where it is not there, already going, or another's.
pub fn removal(arn: &str, owner: &Owner, observed: Option<(&Observed, &Tags)>) -> Vec<Step> {
    match observed {
        Some((observed, tags)) if !observed.deleting && !foreign(owner, tags) => {
            vec![Step::Delete { arn: arn.to_owned() }]
        }
        _ => Vec::new(),
    }
}

/// What lets the machine go under `deletionPolicy: Retain`.
pub fn release(arn: &str, owner: &Owner, tags: Option<&Tags>) -> Vec<Step> {
    if !tags.is_some_and(|tags| owner.reads(tags) == Ownership::Ours) {
        return Vec::new();
    }
    vec![Step::Release { arn: arn.to_owned(), remove: owner.tags().into_keys().collect(), tags: owner.released_tag() }]
}

/// AWS's word for the type.
pub fn type_name(type_: MachineType) -> &'static str {
    match type_ {
        MachineType::Standard => "STANDARD",
        MachineType::Express => "EXPRESS",
    }
}

fn same_json(left: &str, right: &str) -> bool {
    let parse = |text: &str| serde_json::from_str::<Value>(text).ok();
    left == right || parse(left).is_some_and(|value| Some(value) == parse(right))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::{Cluster, Key};

    fn desired() -> Desired {
        Desired {
            name: "demo_hello".into(),
            arn: arn("aws", "eu-central-1", "111122223333", "demo_hello"),
            owner: Owner::new(Cluster { name: "c".into(), uid: "u".into() }, "StateMachine", Key::new("demo", "hello")),
            type_: MachineType::Express,
            definition: r#"{"StartAt":"A","States":{"A":{"Type":"Succeed"}}}"#.into(),
            role_arn: "arn:aws:iam::111122223333:role/r".into(),
            logging: None,
            tracing: false,
            encryption: None,
        }
    }

    fn as_desired(desired: &Desired) -> Observed {
        Observed {
            type_: type_name(desired.type_).into(),
            definition: desired.definition.clone(),
            role_arn: desired.role_arn.clone(),
            logging: desired.logging.clone(),
            tracing: desired.tracing,
            encryption: desired.encryption.clone(),
            revision_id: None,
            deleting: false,
        }
    }

    #[test]
    fn layout_and_key_order_of_the_definition_do_not_count() {
        let desired = desired();
        let mut observed = as_desired(&desired);
        observed.definition = "{\n \"States\": {\"A\": {\"Type\": \"Succeed\"}},\n \"StartAt\": \"A\"}".into();
        assert_eq!(diff(&desired, Some(&observed), None), Ok(vec![]));
    }

    #[test]
    fn only_what_differs_is_sent_and_off_is_said() {
        let desired = desired();
        let mut observed = as_desired(&desired);
        observed.tracing = true;
        let off = Step::Update {
            arn: desired.arn.clone(),
            definition: None,
            role_arn: None,
            logging: None,
            tracing: Some(false),
            encryption: None,
        };
        assert_eq!(diff(&desired, Some(&observed), None), Ok(vec![off]));
        let mut observed = as_desired(&desired);
        observed.logging = Some(Logging {
            level: "ALL".into(),
            include_execution_data: true,
            log_group_arn: "arn:aws:logs:eu-central-1:111122223333:log-group:g:*".into(),
        });
        let steps = diff(&desired, Some(&observed), None).unwrap();
        assert!(matches!(&steps[..], [Step::Update { logging: Some(None), tracing: None, .. }]), "{steps:?}");
        let mut observed = as_desired(&desired);
        observed.encryption = Some(Encryption {
            kms_key_arn: "arn:aws:kms:eu-central-1:111122223333:key/k".into(),
            kms_data_key_reuse_period_seconds: 300,
        });
        let steps = diff(&desired, Some(&observed), None).unwrap();
        assert!(matches!(&steps[..], [Step::Update { encryption: Some(None), logging: None, .. }]), "{steps:?}");
    }

    #[test]
    fn another_s_machine_is_left_alone() {
        let desired = desired();
        let observed = as_desired(&desired);
        let foreign = Tags::new();
        assert!(diff(&desired, Some(&observed), Some(&foreign)).is_err());
        assert_eq!(removal(&desired.arn, &desired.owner, Some((&observed, &foreign))), vec![]);
    }

    #[test]
    fn a_machine_that_aws_is_deleting_is_not_deleted_twice() {
        let desired = desired();
        let observed = Observed { deleting: true, ..as_desired(&desired) };
        assert_eq!(removal(&desired.arn, &desired.owner, Some((&observed, &desired.owner.tags()))), vec![]);
    }
}
