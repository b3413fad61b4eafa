//! The settings of an account and Region.

use serde_json::{Value, json};

use super::super::Context;
use super::super::iam::Iam;
use super::super::wire::{Refusal, Request};
use super::checks::{self, bad};
use super::{Answer, Place};

pub(in super::super) fn account(
    context: &Context<'_>,
    iam: &Iam,
    log_role: &mut Option<String>,
    operation: &str,
    request: &Request,
) -> Answer {
    let mut body: Value = super::super::wire::json(request.body())?;
    for patch in checks::model(operation, Place::default(), &mut body)? {
        match patch.path.as_str() {
            "/cloudwatchRoleArn" => {
                let arn = patch.replaces()?.value();
                let role = iam.by_arn(context.partition(), context.account, &arn);
                // field
                if !role.is_some_and(super::super::Role::trusts_apigateway) {
                    return Err(bad("The role ARN does not have required permissions set to API Gateway"));
                }
                *log_role = Some(arn);
            }
            _ => return Err(patch.invalid_path()),
        }
    }
    let mut shown = json!({
        "throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0}, "features": ["UsagePlans"], "apiKeyVersion": "4",
    });
    if let Some(arn) = log_role.as_ref().or(context.settings.log_role.as_ref()) {
        shown["cloudwatchRoleArn"] = json!(arn);
    }
    Ok((200, shown))
}

/// field: of REST and of WebSocket APIs.
pub(super) fn check_may_log(context: &Context<'_>) -> Result<(), Refusal> {
    match context.may_log {
        true => Ok(()),
        false => Err(bad("CloudWatch Logs role ARN must be set in account settings to enable logging")),
    }
}
