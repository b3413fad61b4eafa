//! What IAM refuses before it does anything.

use serde_json::Value;

use super::super::policy::statements;
use super::super::wire::Refusal;

pub(super) fn validation(what: &str) -> Refusal {
    Refusal::new(400, "ValidationError", format!("1 validation error detected: {what}"))
}

pub(super) fn malformed(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "MalformedPolicyDocument", message)
}

pub(super) fn limit(message: impl Into<String>) -> Refusal {
    Refusal::new(409, "LimitExceeded", message)
}

/// A name of 1 to `longest` of IAM's characters.
pub(super) fn name(field: &str, text: &str, longest: usize) -> Result<(), Refusal> {
    length(field, text, 1, longest)?;
    let fits = text.chars().all(|c| c.is_ascii_alphanumeric() || "_+=,.@-".contains(c));
    if !fits {
        return Err(Refusal::new(
            400,
            "ValidationError",
            format!(
                "The specified value for {field} is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-"
            ),
        ));
    }
    Ok(())
}

pub(super) fn length(field: &str, text: &str, shortest: usize, longest: usize) -> Result<(), Refusal> {
    let characters = text.chars().count();
    let bound = if characters > longest {
        format!("less than or equal to {longest}")
    } else if characters < shortest {
        format!("greater than or equal to {shortest}")
    } else {
        return Ok(());
    };
    Err(validation(&format!("Value at '{field}' failed to satisfy constraint: Member must have length {bound}")))
}

pub(super) fn path(text: &str) -> Result<(), Refusal> {
    length("path", text, 1, 512)?;
    let fits = text.starts_with('/') && text.ends_with('/') && text.bytes().all(|b| (0x21..0x7f).contains(&b));
    if !fits {
        return Err(Refusal::new(
            400,
            "ValidationError",
            "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
        ));
    }
    Ok(())
}

/// Policy text is U+0020–U+00FF with tabs and line ends (AWS.md §1).
fn characters(field: &str, text: &str) -> Result<(), Refusal> {
    if text.chars().any(|c| !matches!(c, '\t' | '\n' | '\r' | '\u{20}'..='\u{ff}')) {
        return Err(Refusal::new(
            400,
            "ValidationError",
            format!("The specified value for {field} is invalid. It must contain only printable ASCII characters."),
        ));
    }
    Ok(())
}

fn texts(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}

fn document(text: &str) -> Result<Value, Refusal> {
    // rec: CreateRole of a document that is no JSON.
    let document: Value = serde_json::from_str(text).map_err(|_| malformed("This policy contains invalid Json"))?;
    if !document.is_object() || !["2012-10-17", "2008-10-17"].map(Value::from).contains(&document["Version"]) {
        return Err(malformed("Syntax errors in policy."));
    }
    let statements = statements(&document);
    if statements.is_empty() {
        return Err(malformed("Syntax errors in policy."));
    }
    for statement in statements {
        if !["Allow", "Deny"].map(Value::from).contains(&statement["Effect"]) {
            return Err(malformed("Missing required field Effect"));
        }
        if statement["Action"].is_null() && statement["NotAction"].is_null() {
            return Err(malformed("Policy statement must contain actions."));
        }
    }
    Ok(document)
}

/// A role's trust policy.
pub(super) fn trust(field: &str, text: &str) -> Result<(), Refusal> {
    characters(field, text)?;
    // AWS.md §1; raisable to 8,192.
    if text.chars().filter(|c| !c.is_whitespace()).count() > 2_048 {
        return Err(limit("Cannot exceed quota for ACLSizePerRole: 2048"));
    }
    let document = document(text)?;
    for statement in statements(&document) {
        if !statement["Resource"].is_null() || !statement["NotResource"].is_null() {
            return Err(malformed("Has prohibited field Resource"));
        }
        if statement["Principal"].is_null() && statement["NotPrincipal"].is_null() {
            return Err(malformed("Missing required field Principal"));
        }
        if texts(&statement["Action"]).iter().any(|action| !action.to_lowercase().starts_with("sts:")) {
            return Err(malformed("AssumeRole policy may only specify STS AssumeRole actions."));
        }
        for service in texts(&statement["Principal"]["Service"]) {
            if !service.contains(".amazonaws.com") {
                return Err(malformed(format!("Invalid principal in policy: \"SERVICE\":\"{service}\"")));
            }
        }
    }
    Ok(())
}

/// A permissions policy.
pub(super) fn policy(field: &str, text: &str) -> Result<(), Refusal> {
    characters(field, text)?;
    let document = document(text)?;
    for statement in statements(&document) {
        if !statement["Principal"].is_null() {
            return Err(malformed("Policy document should not specify a principal."));
        }
        if statement["Resource"].is_null() && statement["NotResource"].is_null() {
            return Err(malformed("Policy statement must contain resources."));
        }
        if texts(&statement["Action"]).iter().any(|action| *action != "*" && !action.contains(':')) {
            return Err(malformed("Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc."));
        }
        for resource in texts(&statement["Resource"]) {
            if resource != "*" && !resource.starts_with("arn:") {
                return Err(malformed(format!("Resource {resource} must be in ARN format or \"*\".")));
            }
        }
    }
    Ok(())
}

/// A tag's key and value (doc: at most 128 and 256 characters, no prefix `aws:`).
pub(super) fn tag(key: &str, value: &str) -> Result<(), Refusal> {
    length("tags.1.member.key", key, 1, 128)?;
    length("tags.1.member.value", value, 0, 256)?;
    let fits = |text: &str| text.chars().all(|c| c.is_alphanumeric() || c.is_whitespace() || "_.:/=+-@".contains(c));
    if !fits(key) || !fits(value) {
        return Err(validation(
            "Value at 'tags' failed to satisfy constraint: Member must satisfy regular expression pattern: [\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*",
        ));
    }
    if key.to_lowercase().starts_with("aws:") {
        return Err(Refusal::new(400, "InvalidInput", "System tags cannot be added by requester"));
    }
    Ok(())
}
