//! IAM: roles, their policies and tags. Errors: docs of each operation; words as users report them, unless said.

mod checks;
mod managed;
mod policies;
mod roles;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Context;
use super::wire::{Refusal, marker, page, query_input, read_marker};

/// IAM of an account.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Iam {
    /// Roles by name in lower case: names are unique without regard to case (AWS.md §1).
    pub roles: BTreeMap<String, Role>,
    /// The account's own managed policies by ARN.
    pub policies: BTreeMap<String, Policy>,
}

/// A customer-managed policy.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Policy {
    /// As it was written at creation.
    pub name: String,
    /// Such as `/stepgate/`.
    pub path: String,
    /// Starts with ANPA.
    pub id: String,
    /// Since the Unix epoch.
    pub created: Duration,
    /// For people.
    pub description: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Versions by number: JSON text, and since when.
    pub versions: BTreeMap<u32, (String, Duration)>,
    /// The version that counts.
    pub default: u32,
}

impl Policy {
    /// The text of the version that counts.
    pub fn document(&self) -> &str {
        self.versions.get(&self.default).map(|(text, _)| text.as_str()).unwrap_or_default()
    }
}

/// A role.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Role {
    /// As it was written at creation.
    pub name: String,
    /// Such as `/stepgate/`.
    pub path: String,
    /// Starts with AROA.
    pub id: String,
    /// Since the Unix epoch.
    pub created: Duration,
    /// For people.
    pub description: Option<String>,
    /// In seconds.
    pub longest_session: u32,
    /// Who may assume it, as JSON text.
    pub trust: String,
    /// Since when the trust policy is as it is.
    pub trusted_since: Duration,
    /// A managed policy's ARN.
    pub boundary: Option<String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Inline policies by name, as JSON text.
    pub policies: BTreeMap<String, String>,
    /// What they were, and until when: services see a change late (AWS.md §2).
    #[serde(skip)]
    before: Vec<(Duration, BTreeMap<String, String>)>,
    /// Attached managed policies: ARNs by name.
    pub attached: BTreeMap<String, String>,
}

impl Role {
    /// Its ARN.
    pub fn arn(&self, partition: &str, account: &str) -> String {
        format!("arn:{partition}:iam::{account}:role{}{}", self.path, self.name)
    }
}

/// Managed policies of AWS itself that are known here, with what they allow as far as it matters for Step Functions.
const AWS_MANAGED: &[(&str, &str)] = &[
    ("AWSStepFunctionsFullAccess", "states:*"),
    ("AWSStepFunctionsReadOnlyAccess", "states:Describe*"),
    ("AdministratorAccess", "*"),
    ("ReadOnlyAccess", "states:Describe*"),
    ("AWSLambda_FullAccess", "lambda:*"),
    ("AWSXRayDaemonWriteAccess", "xray:*"),
    ("AmazonDynamoDBFullAccess", "dynamodb:*"),
    ("AmazonEC2FullAccess", "ec2:*"),
    ("AmazonEC2ReadOnlyAccess", "ec2:Describe*"),
    ("AmazonS3FullAccess", "s3:*"),
    ("AmazonS3ReadOnlyAccess", "s3:Get*"),
    ("AmazonSNSFullAccess", "sns:*"),
    ("AmazonSQSFullAccess", "sqs:*"),
    ("CloudWatchLogsFullAccess", "logs:*"),
    ("service-role/AWSLambdaRole", "lambda:InvokeFunction"),
    ("service-role/AWSLambdaBasicExecutionRole", "logs:*"),
    ("service-role/AmazonAPIGatewayPushToCloudWatchLogs", "logs:*"),
];

#[derive(Clone, Debug, Default, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Tag {
    key: String,
    #[serde(default)]
    value: String,
}

/// The parameters of all operations on roles: each takes some of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Input {
    role_name: Option<String>,
    path: Option<String>,
    path_prefix: Option<String>,
    assume_role_policy_document: Option<String>,
    description: Option<String>,
    max_session_duration: Option<String>,
    permissions_boundary: Option<String>,
    tags: Option<Vec<Tag>>,
    tag_keys: Option<Vec<String>>,
    policy_name: Option<String>,
    policy_document: Option<String>,
    policy_arn: Option<String>,
    version_id: Option<String>,
    set_as_default: Option<String>,
    scope: Option<String>,
    marker: Option<String>,
    max_items: Option<String>,
}

impl Iam {
    pub(super) fn call(&mut self, context: &mut Context<'_>, operation: &str, input: Value) -> Result<Value, Refusal> {
        let input: Input = query_input(input)?;
        match operation {
            "CreateRole" => self.create_role(context, input),
            "GetRole" => self.get_role(context, &input),
            "ListRoles" => self.list_roles(context, &input),
            "UpdateRole" => self.update_role(context, input),
            "UpdateAssumeRolePolicy" => self.update_trust(context, &input),
            "DeleteRole" => self.delete_role(context, &input),
            "PutRolePermissionsBoundary" => self.put_boundary(context, input),
            "DeleteRolePermissionsBoundary" => self.delete_boundary(context, &input),
            "TagRole" => self.tag_role(context, &input),
            "UntagRole" => self.untag_role(context, &input),
            "ListRoleTags" => self.list_role_tags(context, &input),
            "PutRolePolicy" => self.put_policy(context, &input),
            "GetRolePolicy" => self.get_policy(context, &input),
            "ListRolePolicies" => self.list_policies(context, &input),
            "DeleteRolePolicy" => self.delete_policy(context, &input),
            "AttachRolePolicy" => self.attach(context, &input),
            "DetachRolePolicy" => self.detach(context, &input),
            "ListAttachedRolePolicies" => self.list_attached(context, &input),
            "CreatePolicy" => self.create_managed(context, input),
            "GetPolicy" => self.get_managed(&input),
            "ListPolicies" => self.list_managed(&input),
            "DeletePolicy" => self.delete_managed(&input),
            "CreatePolicyVersion" => self.create_version(context, &input),
            "GetPolicyVersion" => self.get_version(&input),
            "ListPolicyVersions" => self.list_versions(&input),
            "SetDefaultPolicyVersion" => self.set_default_version(&input),
            "DeletePolicyVersion" => self.delete_version(&input),
            "TagPolicy" => self.tag_managed(&input),
            "UntagPolicy" => self.untag_managed(&input),
            "GetAccountSummary" => Ok(self.summary(context)),
            _ => Err(Refusal::unknown(format!("iam:{operation}"))),
        }
    }

    /// The role of an ARN, if it is the account's.
    pub(super) fn by_arn(&self, partition: &str, account: &str, arn: &str) -> Option<&Role> {
        let name = arn.rsplit('/').next()?.to_lowercase();
        self.roles.get(&name).filter(|role| role.arn(partition, account) == arn)
    }

    fn summary(&self, context: &Context<'_>) -> Value {
        json!({"SummaryMap": {"entry": [
            {"key": "Roles", "value": self.roles.len()},
            {"key": "RolesQuota", "value": context.settings.role_limit},
        ]}})
    }
}

fn missing(field: &str) -> Refusal {
    checks::validation(&format!("Value null at '{field}' failed to satisfy constraint: Member must not be null"))
}

fn required<'a>(value: Option<&'a String>, field: &str) -> Result<&'a str, Refusal> {
    value.map(String::as_str).ok_or_else(|| missing(field))
}

/// One page of a list under `field`: 100 items unless `MaxItems` says otherwise (doc).
fn listed(input: &Input, field: &str, items: Vec<(String, Value)>) -> Result<Value, Refusal> {
    let size = match &input.max_items {
        None => 100,
        Some(text) => text.parse::<usize>().ok().filter(|size| (1..=1000).contains(size)).ok_or_else(|| {
            checks::validation(&format!(
                "Value '{text}' at 'maxItems' failed to satisfy constraint: Member must have value between 1 and 1000"
            ))
        })?,
    };
    let after = match &input.marker {
        None => None,
        Some(text) => {
            let read = read_marker(text);
            Some(read.ok_or_else(|| Refusal::new(400, "ValidationError", format!("Invalid Marker: {text}")))?)
        }
    };
    let (items, next) = page(items, after.as_deref(), size);
    let mut answer = json!({field: items, "IsTruncated": next.is_some()});
    if let Some(next) = next {
        answer["Marker"] = Value::String(marker(&next));
    }
    Ok(answer)
}
