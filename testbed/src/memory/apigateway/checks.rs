//! What API Gateway refuses before it looks at its objects: the constraints of its model, in AWS's recorded words.

use serde_json::Value;

use super::super::wire::{Refusal, input};
use super::{Patch, Place};

pub(super) fn bad(message: impl Into<String>) -> Refusal {
    Refusal::new(400, "BadRequestException", message)
}

pub(super) fn not_found(message: impl Into<String>) -> Refusal {
    Refusal::new(404, "NotFoundException", message)
}

pub(super) fn conflict(message: impl Into<String>) -> Refusal {
    Refusal::new(409, "ConflictException", message)
}

/// What a change is refused with that meets another one (rec).
pub(super) const CONCURRENT: &str =
    "Unable to complete operation due to concurrent modification. Please try again later.";

/// The model gives it status 429.
pub(super) fn limit(message: impl Into<String>) -> Refusal {
    Refusal::new(429, "LimitExceededException", message)
}

/// The constraints of the model that a request does not satisfy, all in one answer; answers with its patches, which
/// are taken out of the body.
pub(super) fn model(operation: &str, at: Place<'_>, body: &mut Value) -> Result<Vec<Patch>, Refusal> {
    let mut first = operation.chars();
    let input_name = format!("{}{}Input", first.next().unwrap_or_default().to_lowercase(), first.as_str());
    let mut errors = Vec::new();
    let mut patches: Vec<Patch> = Vec::new();
    if let Some(list) = body.as_object_mut().and_then(|body| body.remove("patchOperations")) {
        patches = input(list)?;
        let known = ["add", "remove", "move", "test", "replace", "copy"];
        for (index, patch) in patches.iter().enumerate().filter(|(_, patch)| !known.contains(&patch.op.as_str())) {
            errors.push(format!(
                "Value '{}' at '{input_name}.patchOperations.{}.member.op' failed to satisfy constraint: Member must satisfy enum value set: [{}]",
                patch.op,
                index + 1,
                known.join(", ")
            ));
        }
    }
    let is_status = matches!(at.status.as_bytes(), [b'1'..=b'5', b'0'..=b'9', b'0'..=b'9']);
    if !at.status.is_empty() && !is_status {
        errors.push(format!(
            "Value '{}' at 'statusCode' failed to satisfy constraint: Member must satisfy regular expression pattern: [1-5]\\d\\d",
            at.status
        ));
    }
    match operation {
        "PutIntegration" => {
            let kind = body["type"].as_str().unwrap_or_default();
            enum_value(&mut errors, kind, &format!("{input_name}.type"), "HTTP, MOCK, AWS_PROXY, HTTP_PROXY, AWS");
        }
        "CreateRestApi" => {
            let endpoint = &body["endpointConfiguration"];
            let types: Vec<&str> =
                endpoint["types"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if types.iter().any(|one| !["PRIVATE", "EDGE", "REGIONAL"].contains(one)) {
                errors.push(format!(
                    "Value '[{}]' at '{input_name}.endpointConfiguration.types' failed to satisfy constraint: Member must satisfy constraint: [Member must satisfy enum value set: [PRIVATE, EDGE, REGIONAL]]",
                    types.join(", ")
                ));
            }
            if let Some(kind) = endpoint["ipAddressType"].as_str() {
                let field = format!("{input_name}.endpointConfiguration.ipAddressType");
                enum_value(&mut errors, kind, &field, "ipv4, dualstack");
            }
        }
        _ => {}
    }
    let plural = if errors.len() == 1 { "error" } else { "errors" };
    match errors.is_empty() {
        true => Ok(patches),
        false => {
            let message = format!("{} validation {plural} detected: {}", errors.len(), errors.join("; "));
            Err(Refusal::new(400, "ValidationException", message))
        }
    }
}

fn enum_value(errors: &mut Vec<String>, value: &str, field: &str, known: &str) {
    if !known.split(", ").any(|one| one == value) {
        errors.push(format!(
            "Value '{value}' at '{field}' failed to satisfy constraint: Member must satisfy enum value set: [{known}]"
        ));
    }
}
