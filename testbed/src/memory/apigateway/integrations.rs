//! Integrations of methods.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Refusal, input};
use super::checks::bad;
use super::patch::{NO_CONTENT_TYPE, NO_PARAMETER};
use super::{Answer, Apis, Find, Integration, Method, Patch, Place, Templates, methods};

/// What AWS refuses of an integration (rec, unless said).
fn check(context: &Context<'_>, integration: &Integration, method: &Method) -> Result<(), Refusal> {
    let (kind, uri) = (integration.r#type.as_str(), integration.uri.as_deref().unwrap_or_default());
    if kind != "MOCK" {
        let Some(verb) = &integration.http_method else {
            return Err(bad("Enumeration value for HttpMethod must be non-empty"));
        };
        methods::verb(verb)?;
    }
    match kind {
        "HTTP" | "HTTP_PROXY" if !["http://", "https://", "${"].iter().any(|start| uri.starts_with(start)) => {
            return Err(bad("Invalid HTTP endpoint specified for URI"));
        }
        "AWS" | "AWS_PROXY" => {
            let parts: Vec<&str> = uri.splitn(6, ':').collect();
            let ["arn", _, service, _, target, action] = parts[..] else {
                return Err(bad("Invalid ARN specified in the request"));
            };
            if service != "apigateway" || !(action.starts_with("path/") || action.starts_with("action/")) {
                return Err(bad("AWS ARN for integration must contain path or action"));
            }
            if kind == "AWS_PROXY" && !["lambda", "firehose"].contains(&target) {
                return Err(bad(
                    "Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.",
                ));
            }
        }
        _ => {}
    }
    if let Some(credentials) = &integration.credentials {
        let account = match credentials.splitn(6, ':').collect::<Vec<_>>()[..] {
            ["arn", _, "iam", "", account, _] => account.to_owned(),
            _ => return Err(bad("Invalid ARN specified in the request")),
        };
        // field
        if account != context.account && account != "*" {
            let message = "Cross-account pass role is not allowed.";
            return Err(Refusal::new(403, "AccessDeniedException", message));
        }
    }
    let longest = context.settings.longest_timeout;
    // AWS.md §1; field: the words.
    if !(50..=longest).contains(&integration.timeout_in_millis) {
        return Err(bad(format!("Timeout should be between 50 ms and {longest} ms")));
    }
    // doc
    if !["WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"].contains(&integration.passthrough_behavior.as_str()) {
        return Err(bad("Invalid passthrough behavior specified"));
    }
    content_types(integration.request_templates.as_ref())?;
    for (name, value) in integration.request_parameters.iter().flatten() {
        mapping(name, value, method)?;
    }
    Ok(())
}

/// rec; a template holds 300 KB (AWS.md §1).
pub(super) fn content_types(templates: Option<&Templates>) -> Result<(), Refusal> {
    for (kind, template) in templates.into_iter().flatten() {
        if !kind.contains('/') && kind != "$default" {
            return Err(bad(format!(
                "Validation Result: warnings : [], errors : [Invalid content type specified: {kind}]"
            )));
        }
        if template.as_ref().is_some_and(|text| text.len() > 300 * 1024) {
            return Err(bad("Mapping template size exceeds the limit"));
        }
    }
    Ok(())
}

/// rec: an empty template is shown as none.
pub(super) fn no_empty_text(templates: &mut Option<Templates>) {
    for template in templates.iter_mut().flat_map(BTreeMap::values_mut) {
        *template = template.take().filter(|text| !text.is_empty());
    }
}

/// rec: a literal, a declared parameter of the method, or a variable.
fn mapping(name: &str, value: &str, method: &Method) -> Result<(), Refusal> {
    let refused = |what: &str| {
        Err(bad(format!("Invalid mapping expression specified: Validation Result: warnings : [], errors : [{what}]")))
    };
    if !matches!(
        name.splitn(4, '.').collect::<Vec<_>>()[..],
        ["integration", "request", "header" | "querystring" | "path", _]
    ) {
        return refused(&format!("Invalid mapping expression specified: {name}"));
    }
    let literal = value.len() >= 2 && value.starts_with('\'') && value.ends_with('\'');
    let variable = ["context.", "stageVariables.", "method.request.body", "method.request.multivalue"];
    if literal || variable.iter().any(|start| value.starts_with(start)) {
        return Ok(());
    }
    if !value.starts_with("method.request.") {
        return refused(&format!("Invalid mapping expression specified: {value}"));
    }
    match method.request_parameters.as_ref().is_some_and(|declared| declared.contains_key(value)) {
        true => Ok(()),
        false => refused(&format!("Invalid mapping expression parameter specified: {value}")),
    }
}

/// Replaces what was there, its responses included.
pub(super) fn put(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let method = apis.method(at)?;
    let mut integration: Integration = input(body)?;
    if integration.passthrough_behavior.is_empty() {
        "WHEN_NO_MATCH".clone_into(&mut integration.passthrough_behavior);
    }
    if integration.timeout_in_millis == 0 {
        integration.timeout_in_millis = 29_000;
    }
    if integration.cache_namespace.is_empty() {
        at.resource.clone_into(&mut integration.cache_namespace);
    }
    if integration.r#type.starts_with("HTTP") {
        integration.connection_type.get_or_insert_with(|| "INTERNET".to_owned());
    }
    check(context, &integration, method)?;
    no_empty_text(&mut integration.request_templates);
    if integration.r#type == "MOCK" {
        // rec: they are taken and not kept.
        (integration.uri, integration.http_method) = (None, None);
    }
    method.integration = Some(integration.clone());
    Ok((201, json!(integration)))
}

pub(super) fn delete(apis: &mut Apis, at: Place<'_>) -> Answer {
    apis.integration(at)?;
    apis.method(at)?.integration = None;
    Ok((204, Value::Null))
}

pub(super) fn update(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let mut integration = apis.integration(at)?.clone();
    let method = apis.method(at)?;
    for patch in patches {
        let segments = patch.segments();
        let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
        match segments[..] {
            ["httpMethod"] => integration.http_method = Some(patch.replaces()?.value()),
            ["uri"] => integration.uri = Some(patch.replaces()?.value()),
            ["credentials"] => integration.credentials = Some(patch.replaces()?.value()),
            ["passthroughBehavior"] => integration.passthrough_behavior = patch.replaces()?.value(),
            ["contentHandling"] => {
                integration.content_handling = Some(patch.replaces()?.value()).filter(|text| !text.is_empty());
            }
            ["cacheNamespace"] => integration.cache_namespace = patch.replaces()?.value(),
            ["connectionType"] => integration.connection_type = Some(patch.replaces()?.value()),
            ["timeoutInMillis"] => {
                let text = patch.replaces()?.value();
                integration.timeout_in_millis = text.parse().unwrap_or(0);
            }
            ["requestParameters", name] => {
                patch.entry(&mut integration.request_parameters, name, patch.value(), NO_PARAMETER)?;
            }
            ["requestTemplates", kind] => {
                patch.entry(&mut integration.request_templates, kind, patch.value.clone(), NO_CONTENT_TYPE)?;
            }
            _ => return Err(patch.invalid_path()),
        }
    }
    check(context, &integration, method)?;
    no_empty_text(&mut integration.request_templates);
    method.integration = Some(integration.clone());
    Ok((200, json!(integration)))
}
