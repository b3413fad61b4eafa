//! CloudWatch Logs: log groups, their retention and tags. Errors and limits: CloudWatch Logs API Reference.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Context;
use super::wire::{Refusal, input, marker, page, read_marker};

/// Log groups by name.
pub(super) type Groups = BTreeMap<String, LogGroup>;

/// A log group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LogGroup {
    /// Since the Unix epoch.
    pub created: Duration,
    /// In days; none: for ever.
    pub retention: Option<i64>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
}

const RETENTIONS: [i64; 22] =
    [1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653];

/// The parameters of all operations: each takes some of them.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Input {
    log_group_name: Option<String>,
    log_group_name_prefix: Option<String>,
    retention_in_days: Option<i64>,
    resource_arn: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    tag_keys: Option<Vec<String>>,
    limit: Option<usize>,
    next_token: Option<String>,
}

fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "InvalidParameterException", message)
}

fn no_group() -> Refusal {
    Refusal::new(400, "ResourceNotFoundException", "The specified log group does not exist.")
}

/// Whether there is a log group of this ARN.
pub(super) fn exists(context: &Context<'_>, groups: &Groups, arn: &str) -> bool {
    let name = arn.strip_prefix(&prefix(context)).map(|rest| rest.strip_suffix(":*").unwrap_or(rest));
    name.is_some_and(|name| groups.contains_key(name))
}

fn prefix(context: &Context<'_>) -> String {
    format!("arn:{}:logs:{}:{}:log-group:", context.partition(), context.region, context.account)
}

fn check_tags(tags: &BTreeMap<String, String>) -> Result<(), Refusal> {
    let fits = |(key, value): (&String, &String)| {
        (1..=128).contains(&key.chars().count())
            && value.chars().count() <= 256
            && !key.to_lowercase().starts_with("aws:")
    };
    match tags.len() <= 50 && tags.iter().all(fits) {
        true => Ok(()),
        false => Err(bad("Invalid tags")),
    }
}

pub(super) fn call(context: &Context<'_>, groups: &mut Groups, operation: &str, body: Value) -> Result<Value, Refusal> {
    let given: Input = input(body)?;
    let name = given.log_group_name.unwrap_or_default();
    match operation {
        "CreateLogGroup" => {
            let fits = |c: char| c.is_ascii_alphanumeric() || "._-/#".contains(c);
            if name.is_empty() || name.len() > 512 || !name.chars().all(fits) {
                return Err(bad("Value at 'logGroupName' failed to satisfy constraint"));
            }
            if groups.contains_key(&name) {
                let message = "The specified log group already exists";
                return Err(Refusal::new(400, "ResourceAlreadyExistsException", message));
            }
            let tags = given.tags.unwrap_or_default();
            check_tags(&tags)?;
            groups.insert(name, LogGroup { created: context.now, retention: None, tags });
            Ok(json!({}))
        }
        "DescribeLogGroups" => {
            let under = given.log_group_name_prefix.unwrap_or_default();
            let shown = |(name, group): (&String, &LogGroup)| {
                let arn = format!("{}{name}", prefix(context));
                let mut shown = json!({
                    "logGroupName": name, "arn": format!("{arn}:*"), "logGroupArn": arn, "logGroupClass": "STANDARD",
                    "creationTime": group.created.as_millis() as u64, "storedBytes": 0, "metricFilterCount": 0,
                });
                if let Some(days) = group.retention {
                    shown["retentionInDays"] = json!(days);
                }
                (name.clone(), shown)
            };
            let items: Vec<_> = groups.iter().filter(|(name, _)| name.starts_with(&under)).map(shown).collect();
            let after = given.next_token.as_deref().and_then(read_marker);
            let (items, next) = page(items, after.as_deref(), given.limit.unwrap_or(50).clamp(1, 50));
            let mut answer = json!({"logGroups": items});
            if let Some(next) = next {
                answer["nextToken"] = json!(marker(&next));
            }
            Ok(answer)
        }
        "DeleteLogGroup" => groups.remove(&name).map(|_| json!({})).ok_or_else(no_group),
        "PutRetentionPolicy" => {
            let days = given.retention_in_days.filter(|days| RETENTIONS.contains(days));
            let days = days.ok_or_else(|| bad("Member must satisfy enum value set: the retention in days"))?;
            groups.get_mut(&name).ok_or_else(no_group)?.retention = Some(days);
            Ok(json!({}))
        }
        "DeleteRetentionPolicy" => {
            groups.get_mut(&name).ok_or_else(no_group)?.retention = None;
            Ok(json!({}))
        }
        "TagResource" | "UntagResource" | "ListTagsForResource" => {
            let arn = given.resource_arn.unwrap_or_default();
            let name = arn.strip_prefix(&prefix(context)).ok_or_else(|| bad("Invalid resourceArn"))?;
            let group = groups.get_mut(name).ok_or_else(no_group)?;
            let mut tags = group.tags.clone();
            tags.extend(given.tags.unwrap_or_default());
            check_tags(&tags)?;
            tags.retain(|key, _| !given.tag_keys.iter().flatten().any(|gone| gone == key));
            group.tags = tags;
            Ok(if operation == "ListTagsForResource" { json!({"tags": group.tags}) } else { json!({}) })
        }
        _ => Err(Refusal::unknown(format!("logs:{operation}"))),
    }
}
