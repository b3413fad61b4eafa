//! Whether the account has room for another IAM role: others live there too, so it is asked before one is made (AWS.md §1).

use std::sync::Mutex;
use std::time::{Duration, Instant};

use aws_sdk_iam::Client;
use aws_sdk_iam::types::SummaryKeyType;

use super::{AwsError, Class};

/// So long an answer is good for; roles that are made meanwhile are counted.
const GOOD_FOR: Duration = Duration::from_mins(1);

/// What IAM said last.
#[derive(Debug, Default)]
pub struct RoleRoom(Mutex<Option<Counted>>);

#[derive(Clone, Copy, Debug)]
struct Counted {
    at: Instant,
    roles: i32,
    quota: i32,
}

impl RoleRoom {
    /// Takes room for one role. Where IAM does not answer, there is room: CreateRole says so itself.
    ///
    /// # Errors
    /// [`Class::RoleQuota`].
    pub async fn take(&self, iam: &Client) -> Result<(), AwsError> {
        let fresh =
            self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).filter(|c| c.at.elapsed() < GOOD_FOR);
        let counted = match fresh {
            Some(counted) => counted,
            None => match counted(iam).await {
                Some(counted) => counted,
                None => return Ok(()),
            },
        };
        let Counted { roles, quota, .. } = counted;
        let full = roles >= quota;
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner) =
            Some(Counted { roles: if full { roles } else { roles + 1 }, ..counted });
        if !full {
            return Ok(());
        }
        Err(AwsError {
            operation: "CreateRole",
            class: Class::RoleQuota,
            code: None,
            message: format!(
                "the account has {roles} IAM roles of the {quota} that it may have, and this needs another; the platform admin must delete roles that nobody uses, or ask AWS for a higher quota (IAM, \"Roles per account\")"
            ),
            request_id: None,
        })
    }
}

async fn counted(iam: &Client) -> Option<Counted> {
    let summary = iam.get_account_summary().send().await.ok()?.summary_map?;
    let (roles, quota) =
        (summary.get(&SummaryKeyType::from("Roles"))?, summary.get(&SummaryKeyType::from("RolesQuota"))?);
    Some(Counted { at: Instant::now(), roles: *roles, quota: *quota })
}
