//! Trust policies: who may assume a role. IAM allows 2,048 characters (AWS.md §1); these take some 300.

use serde_json::{Value, json};

/// Lets Step Functions assume an execution role, for the machines of this account and Region only, so that no other
/// account's machine can use it (AWS.md §3).
pub fn states(partition: &str, region: &str, account: &str) -> Value {
    assumed_by(
        "states.amazonaws.com",
        Some(json!({
            "ArnLike": {"aws:SourceArn": format!("arn:{partition}:states:{region}:{account}:stateMachine:*")},
            "StringEquals": {"aws:SourceAccount": account},
        })),
    )
}

/// Lets API Gateway assume an invoke role. No `aws:SourceArn` and no `aws:SourceAccount`: API Gateway does not send
/// them, and with them every call fails with 500 (AWS.md §3). The exact resources of the role's policy protect it instead.
pub fn apigateway() -> Value {
    assumed_by("apigateway.amazonaws.com", None)
}

fn assumed_by(service: &str, condition: Option<Value>) -> Value {
    let mut statement = json!({
        "Effect": "Allow",
        "Principal": {"Service": service},
        "Action": "sts:AssumeRole",
    });
    if let Some(condition) = condition {
        statement["Condition"] = condition;
    }
    json!({"Version": "2012-10-17", "Statement": [statement]})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn step_functions_only_for_its_own_account_and_region() {
        assert_eq!(
            states("aws-cn", "cn-north-1", "111122223333"),
            json!({
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow",
                    "Principal": {"Service": "states.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                    "Condition": {
                        "ArnLike": {"aws:SourceArn": "arn:aws-cn:states:cn-north-1:111122223333:stateMachine:*"},
                        "StringEquals": {"aws:SourceAccount": "111122223333"},
                    },
                }],
            })
        );
    }

    #[test]
    fn api_gateway_without_conditions_that_it_does_not_send() {
        assert_eq!(
            apigateway(),
            json!({
                "Version": "2012-10-17",
                "Statement": [{
                    "Effect": "Allow",
                    "Principal": {"Service": "apigateway.amazonaws.com"},
                    "Action": "sts:AssumeRole",
                }],
            })
        );
    }
}
