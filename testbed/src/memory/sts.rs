//! STS: whose credentials these are, and credentials of a role.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_smithy_types::DateTime;
use aws_smithy_types::date_time::Format;
use serde::Deserialize;
use serde_json::{Value, json};

use super::policy::statements;
use super::wire::{Refusal, query_input};
use super::{Account, Context};

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    role_arn: Option<String>,
    role_session_name: Option<String>,
    #[allow(dead_code, reason = "any duration is granted")]
    duration_seconds: Option<String>,
}

pub(super) fn call(
    context: &mut Context<'_>,
    operation: &str,
    input: Value,
    accounts: &BTreeMap<String, Account>,
    keys: &mut BTreeMap<String, String>,
) -> Result<Value, Refusal> {
    let input: Input = query_input(input)?;
    match operation {
        "GetCallerIdentity" => Ok(json!({
            "Account": context.account,
            "Arn": format!("arn:{}:iam::{}:root", context.partition(), context.account),
            "UserId": context.account,
        })),
        "AssumeRole" => assume_role(context, &input, accounts, keys),
        _ => Err(Refusal::unknown(format!("sts:{operation}"))),
    }
}

/// AWS does not say whether the role exists.
fn assume_role(
    context: &mut Context<'_>,
    input: &Input,
    accounts: &BTreeMap<String, Account>,
    keys: &mut BTreeMap<String, String>,
) -> Result<Value, Refusal> {
    let arn = input.role_arn.as_deref().unwrap_or_default();
    let session = input.role_session_name.as_deref().unwrap_or_default();
    let account = arn.split(':').nth(4).unwrap_or_default();
    let role = accounts.get(account).and_then(|found| found.iam.by_arn(context.partition(), account, arn));
    let caller = format!("arn:{}:iam::{}:root", context.partition(), context.account);
    let trusts = |document: Value| {
        let principals = |statement: &Value| match &statement["Principal"]["AWS"] {
            Value::Array(items) => items.clone(),
            one => vec![one.clone()],
        };
        statements(&document).into_iter().any(|statement| {
            let found = principals(statement);
            found.iter().any(|one| *one == caller || *one == context.account || *one == "*")
        })
    };
    let Some(role) = role.filter(|role| serde_json::from_str(&role.trust).is_ok_and(trusts)) else {
        let message = format!("User: {caller} is not authorized to perform: sts:AssumeRole on resource: {arn}");
        return Err(Refusal::new(403, "AccessDenied", message));
    };
    let expires = context.now + Duration::from_secs(3600);
    let key = format!("ASIA{}", context.id(16).to_uppercase());
    keys.insert(key.clone(), account.to_owned());
    Ok(json!({
        "Credentials": {
            "AccessKeyId": key,
            "SecretAccessKey": "in-memory",
            "SessionToken": "in-memory",
            "Expiration": DateTime::from_secs(expires.as_secs().cast_signed()).fmt(Format::DateTime).unwrap_or_default(),
        },
        "AssumedRoleUser": {
            "AssumedRoleId": format!("{}:{session}", role.id),
            "Arn": format!("arn:{}:sts::{account}:assumed-role/{}/{session}", context.partition(), role.name),
        },
    }))
}
