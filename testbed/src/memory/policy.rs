//! What a policy document allows: who may assume a role, and what the role may do.

use std::collections::BTreeMap;

use serde_json::Value;

use super::iam::{Iam, Role};

/// The values of condition keys that come with a request.
pub(super) type Keys<'a> = BTreeMap<&'a str, &'a str>;

fn list(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

pub(super) fn statements(document: &Value) -> Vec<&Value> {
    match &document["Statement"] {
        Value::Array(items) => items.iter().collect(),
        Value::Null => Vec::new(),
        one => vec![one],
    }
}

/// IAM's `*` and `?`.
pub(super) fn like(pattern: &str, text: &str) -> bool {
    let (mut p, mut t) = (pattern.chars(), text.chars());
    loop {
        match p.next() {
            None => return t.next().is_none(),
            Some('*') => {
                let after = p.as_str();
                return t.as_str().char_indices().any(|(at, _)| like(after, &t.as_str()[at..])) || like(after, "");
            }
            Some('?') if t.next().is_some() => {}
            Some(c) if c != '?' && t.next() == Some(c) => {}
            _ => return false,
        }
    }
}

/// Whether all conditions hold. A key that the request does not carry fails its condition; so does an operator that is
/// not known here.
fn holds(condition: &Value, keys: &Keys<'_>) -> bool {
    condition.as_object().into_iter().flatten().all(|(operator, tests)| {
        tests.as_object().into_iter().flatten().all(|(key, wanted)| {
            let Some(value) = keys.iter().find(|(name, _)| name.eq_ignore_ascii_case(key)).map(|(_, value)| *value)
            else {
                return false;
            };
            let equal: fn(&str, &str) -> bool = match operator.as_str() {
                "StringEquals" => |pattern, text| pattern == text,
                "StringLike" | "ArnLike" | "ArnEquals" => like,
                _ => |_, _| false,
            };
            list(wanted).iter().any(|pattern| equal(pattern, value))
        })
    })
}

impl Role {
    /// Whether the trust policy lets a service assume the role.
    pub(super) fn trusts(&self, services: &[&str], keys: &Keys<'_>) -> bool {
        let Ok(document) = serde_json::from_str::<Value>(&self.trust) else { return false };
        let applies = |statement: &&Value| {
            let principals = list(&statement["Principal"]["Service"]);
            list(&statement["Action"]).contains(&"sts:AssumeRole")
                && principals.iter().any(|principal| services.contains(principal))
                && holds(&statement["Condition"], keys)
        };
        let found: Vec<_> = statements(&document).into_iter().filter(applies).collect();
        !found.is_empty() && found.iter().all(|statement| statement["Effect"] == "Allow")
    }

    /// Whether Step Functions can assume it for a machine: with the keys that the service sends (AWS.md §3).
    pub(super) fn trusts_states(&self, region: &str, account: &str, machine: &str) -> bool {
        let keys = Keys::from([("aws:SourceArn", machine), ("aws:SourceAccount", account)]);
        self.trusts(&["states.amazonaws.com", &format!("states.{region}.amazonaws.com")], &keys)
    }

    /// Whether API Gateway can assume it for an integration: it sends neither SourceArn nor SourceAccount (AWS.md §3).
    pub(super) fn trusts_apigateway(&self) -> bool {
        self.trusts(&["apigateway.amazonaws.com"], &Keys::new())
    }

    /// Whether its policies allow an action on a resource. Statements with conditions allow nothing here.
    pub(super) fn may(&self, iam: &Iam, action: &str, resource: &str) -> bool {
        self.may_under(iam, action, resource, &Keys::new())
    }

    /// As [`may`](Self::may), of a request that carries these condition keys.
    pub(super) fn may_under(&self, iam: &Iam, action: &str, resource: &str, keys: &Keys<'_>) -> bool {
        let managed = self.attached.values().filter_map(|arn| iam.managed_document(arn));
        let documents: Vec<Value> = (self.policies.values().cloned().chain(managed))
            .filter_map(|text| serde_json::from_str(&text).ok())
            .collect();
        let any = |effect: &str| {
            documents.iter().flat_map(statements).any(|statement| {
                statement["Effect"] == effect
                    && holds(&statement["Condition"], keys)
                    && list(&statement["Action"])
                        .iter()
                        .any(|pattern| like(&pattern.to_lowercase(), &action.to_lowercase()))
                    && list(&statement["Resource"]).iter().any(|pattern| like(pattern, resource))
            })
        };
        any("Allow") && !any("Deny")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_iam() {
        for (pattern, text, matches) in
            [("*", "", true), ("a*c", "abc", true), ("a?c", "abc", true), ("a?c", "ac", false), ("a*", "b", false)]
        {
            assert_eq!(like(pattern, text), matches, "{pattern} {text}");
        }
    }
}
