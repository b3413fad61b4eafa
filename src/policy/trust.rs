//! Trust policies: who may assume a role. IAM allows 2,048 characters (AWS.md §1); these take some 300.

use serde_json::{Value, json};

use super::statement;

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

/// The Sid of our statement in the trust policy of an adopted role: by it, and nothing else, it is known for ours.
const SID: &str = "stepgate";

/// The same document with our Sid.
pub fn marked(mut document: Value) -> Value {
    for statement in document["Statement"].as_array_mut().into_iter().flatten() {
        statement["Sid"] = json!(SID);
    }
    document
}

/// What was found, with our marked statements in the place of former ones: who else may assume the role goes on to. What can't be read is
/// replaced.
pub fn beside(ours: &Value, found: &str) -> Value {
    let Some((mut document, mut statements)) = read(found) else { return ours.clone() };
    statements.retain(|statement| !is_ours(statement));
    statements.extend(ours["Statement"].as_array().into_iter().flatten().cloned());
    document["Statement"] = Value::Array(statements);
    document
}

/// What was found without our marked statements; `None` where there are none, or nothing else: IAM knows no empty trust policy.
pub fn without(found: &str) -> Option<Value> {
    let (mut document, mut statements) = read(found)?;
    let before = statements.len();
    statements.retain(|statement| !is_ours(statement));
    if statements.is_empty() || statements.len() == before {
        return None;
    }
    document["Statement"] = Value::Array(statements);
    Some(document)
}

fn is_ours(statement: &Value) -> bool {
    statement["Sid"] == SID
}

fn read(found: &str) -> Option<(Value, Vec<Value>)> {
    let document = statement::read(found).ok().filter(Value::is_object)?;
    let statements = match &document["Statement"] {
        Value::Array(list) => list.clone(),
        one => vec![one.clone()],
    };
    Some((document, statements))
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
    fn ours_stands_beside_that_of_others_and_is_taken_away_alone() {
        let ours = marked(states("aws", "eu-central-1", "111122223333"));
        assert_eq!(ours["Statement"][0]["Sid"], "stepgate");
        let theirs =
            json!({"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}});
        // As IAM returns it: percent-encoded, and one statement may stand without a list.
        let found = json!({"Version": "2008-10-17", "Statement": theirs}).to_string().replace('{', "%7B");
        let both = beside(&ours, &found);
        assert_eq!(both["Version"], "2008-10-17");
        assert_eq!(both["Statement"], json!([theirs, ours["Statement"][0]]));
        assert_eq!(beside(&ours, &both.to_string()), both);
        assert_eq!(without(&both.to_string()).unwrap()["Statement"], json!([theirs]));
        assert_eq!(without(&found), None);
        assert_eq!(without(&ours.to_string()), None, "a trust policy is never empty");
        assert_eq!(beside(&ours, "%"), ours);
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
