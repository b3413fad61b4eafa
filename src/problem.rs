//! Why an object can't be carried out, in one sentence for its author.

use std::time::Duration;

use crate::api::conditions::reasons;
use crate::asl::Finding;
use crate::aws::{AwsError, Class};
use crate::resources::Conflict;

/// Who has to do something about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// An input must change; it is tried again when one does.
    Stalled,
    /// It comes by itself or from others; it is tried again with backoff.
    Waiting,
}

/// Why an object can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Problem {
    /// Who has to do something about it.
    pub kind: Kind,
    /// The condition's reason.
    pub reason: &'static str,
    /// One sentence that names the field, says what is wrong and how to mend it.
    pub message: String,
    /// How long AWS asked to be left alone.
    pub retry_after: Option<Duration>,
    /// Where it is a definition: all that was found in it.
    pub findings: Vec<Finding>,
}

impl Problem {
    /// An input must change.
    pub fn stalled(reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind: Kind::Stalled, reason, message: message.into(), retry_after: None, findings: Vec::new() }
    }

    /// It comes by itself or from others.
    pub fn waiting(reason: &'static str, message: impl Into<String>) -> Self {
        Self { kind: Kind::Waiting, reason, message: message.into(), retry_after: None, findings: Vec::new() }
    }

    /// The spec holds something that AWS would refuse.
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::stalled(reasons::INVALID_SPEC, message)
    }
}

impl From<Conflict> for Problem {
    fn from(conflict: Conflict) -> Self {
        Self::stalled(reasons::OWNERSHIP_CONFLICT, conflict.to_string())
    }
}

impl From<&AwsError> for Problem {
    fn from(error: &AwsError) -> Self {
        let message = error.stable();
        match error.class {
            Class::Terminal => Self::stalled(reasons::REFUSED_BY_AWS, message),
            Class::FreshRole => Self::waiting(reasons::WAITING_FOR_ROLE, message),
            Class::RoleQuota => {
                Self { retry_after: Some(Duration::from_mins(1)), ..Self::waiting(reasons::ROLE_QUOTA, message) }
            }
            Class::NotFound | Class::Retryable => Self::waiting(reasons::RETRYING, message),
            Class::Throttled(retry_after) => Self { retry_after, ..Self::waiting(reasons::RETRYING, message) },
            Class::Credentials | Class::NotGranted => Self::waiting(
                reasons::RETRYING,
                format!(
                    "{message}; the platform admin must check the operator's AWS permissions (docs/aws-permissions.md)"
                ),
            ),
        }
    }
}

impl From<AwsError> for Problem {
    fn from(error: AwsError) -> Self {
        Self::from(&error)
    }
}

impl From<kube::Error> for Problem {
    fn from(error: kube::Error) -> Self {
        Self::waiting(reasons::RETRYING, format!("the Kubernetes API server: {}", kubernetes_says(&error)))
    }
}

/// Kubernetes' own words, without Debug output.
pub fn kubernetes_says(error: &kube::Error) -> String {
    match error {
        kube::Error::Api(status) => status.message.clone(),
        other => other.to_string(),
    }
}
