//! API Gateway's calls for its settings of the account.

use std::sync::atomic::{AtomicBool, Ordering};

use aws_sdk_apigateway::Client;

use super::{LogRole, Step};
use crate::aws::AwsError;
use crate::resources::{Patch, sdk_patches};

/// Whether there is a log role. One that was there once is not asked for again: it is never taken away, and the calls
/// are everybody's in the account.
///
/// # Errors
/// What AWS answers.
pub async fn log_role(apigateway: &Client, there: &AtomicBool) -> Result<LogRole, AwsError> {
    if there.load(Ordering::Relaxed) {
        return Ok(LogRole::There);
    }
    let account = apigateway.get_account().send().await.map_err(AwsError::of("GetAccount"))?;
    let found = account.cloudwatch_role_arn.is_some_and(|arn| !arn.is_empty());
    there.store(found, Ordering::Relaxed);
    Ok(if found { LogRole::There } else { LogRole::Missing })
}

/// Carries out one step.
///
/// # Errors
/// What AWS answers.
pub async fn carry_out(apigateway: &Client, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::SetLogRole { arn } => {
            let patches = [Patch::replace("/cloudwatchRoleArn", arn)];
            let update = apigateway.update_account().set_patch_operations(sdk_patches(&patches));
            update.send().await.map(drop).map_err(AwsError::of("UpdateAccount"))
        }
    }
}
