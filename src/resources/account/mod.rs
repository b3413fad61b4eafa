//! API Gateway's settings of an account and Region: the role that it writes logs with. It is one for everybody: set only
//! where there is none and the AWSAccount names one, and never taken away (AWS.md §2).
//!
//! | property | create | update | read-back (GetAccount) |
//! |---|---|---|---|
//! | log role | – | UpdateAccount `replace /cloudwatchRoleArn` | `cloudwatchRoleArn` |

pub mod remote;

use serde::{Deserialize, Serialize};

/// Whether API Gateway can write logs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogRole {
    /// Nothing logs, so nobody looked.
    #[default]
    Unknown,
    /// There is none.
    Missing,
    /// There is one.
    There,
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    SetLogRole { arn: String },
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::SetLogRole { arn } => write!(f, "let API Gateway write logs with role {arn}"),
        }
    }
}
