//! An API as OpenAPI 3.0 with API Gateway's extensions: just what is in AWS; and, in [`clients`], what callers need besides.

pub mod clients;
mod security;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::resources::gateway_response::GatewayResponses;
use crate::resources::model::{Models, REFERENCE};
use crate::resources::route::{At, Integration, Method, MethodResponse};
use crate::validate::rest_api::ValidApi;

/// The document of these methods and models.
pub fn document(valid: &ValidApi, methods: &BTreeMap<At, Method>, models: &Models) -> Value {
    let mut paths: Map<String, Value> = Map::new();
    for (at, method) in methods {
        let path = paths.entry(at.path.clone()).or_insert_with(|| json!({}));
        path[verb(&at.method)] = operation(&at.path, method);
    }
    paths.sort_keys();
    let mut document = json!({
        "openapi": "3.0.1",
        "info": {"title": valid.name, "version": "1"},
        "paths": paths,
        "x-amazon-apigateway-endpoint-configuration": {"types": [valid.settings.endpoint]},
    });
    if !models.is_empty() {
        let mut schemas = json!(models);
        refer(&mut schemas);
        document["components"]["schemas"] = schemas;
    }
    if !valid.gateway_responses.is_empty() {
        document["x-amazon-apigateway-gateway-responses"] = gateway_responses(&valid.gateway_responses);
    }
    security::settings(&mut document, &valid.settings);
    if !valid.description.is_empty() {
        document["info"]["description"] = json!(valid.description);
    }
    security::schemes(&mut document, valid);
    document
}

/// Refers to other models where OpenAPI has them.
fn refer(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value.as_str().and_then(|text| text.strip_prefix(REFERENCE)) {
                    Some(name) if key == "$ref" => *value = json!(format!("#/components/schemas/{name}")),
                    _ => refer(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(refer),
        _ => {}
    }
}

/// A method's name in OpenAPI; there is none for ANY.
fn verb(method: &str) -> String {
    match method {
        "ANY" => "x-amazon-apigateway-any-method".to_owned(),
        method => method.to_lowercase(),
    }
}

fn gateway_responses(responses: &GatewayResponses) -> Value {
    let shown = responses.iter().map(|(type_, response)| {
        let mut shown = json!({"responseParameters": response.parameters, "responseTemplates": response.templates});
        if let Some(status) = &response.status {
            shown["statusCode"] = json!(status);
        }
        (type_.clone(), shown)
    });
    Value::Object(shown.collect())
}

fn operation(path: &str, method: &Method) -> Value {
    let mut parameters: Vec<Value> = path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let name = name.trim_end_matches('+');
            json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}})
        })
        .collect();
    let responses: Map<String, Value> =
        method.responses.iter().map(|(status, response)| (status.clone(), declared(status, response))).collect();
    let mut operation = json!({"operationId": method.operation_name, "responses": responses});
    for (name, required) in &method.parameters {
        let place = if name.starts_with("method.request.header.") { "header" } else { "query" };
        let name = name.splitn(4, '.').last();
        parameters.push(json!({"name": name, "in": place, "required": required, "schema": {"type": "string"}}));
    }
    if !parameters.is_empty() {
        operation["parameters"] = json!(parameters);
    }
    if !method.models.is_empty() {
        let content: Map<String, Value> =
            method.models.iter().map(|(kind, name)| (kind.clone(), json!({"schema": model(name)}))).collect();
        operation["requestBody"] = json!({"content": content, "required": true});
    }
    if let Some(validator) = &method.validator {
        operation["x-amazon-apigateway-request-validator"] = json!(validator);
    }
    if let Some(security) = security::of(method) {
        operation["security"] = security;
    }
    if let Some(found) = &method.integration {
        operation["x-amazon-apigateway-integration"] = integration(found, method);
    }
    operation
}

fn declared(status: &str, response: &MethodResponse) -> Value {
    let mut declared = json!({"description": format!("{status} response")});
    for header in &response.headers {
        let name = header.strip_prefix("method.response.header.").unwrap_or(header);
        declared["headers"][name] = json!({"schema": {"type": "string"}});
    }
    for (kind, name) in &response.models {
        declared["content"][kind] = json!({"schema": model(name)});
    }
    declared
}

fn model(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn integration(integration: &Integration, method: &Method) -> Value {
    let responses: Map<String, Value> = method
        .integration_responses
        .iter()
        .map(|(status, response)| {
            let pattern = response.selection_pattern.clone().unwrap_or_else(|| "default".to_owned());
            let mut mapped = json!({"statusCode": status, "responseTemplates": response.templates});
            if !response.headers.is_empty() {
                mapped["responseParameters"] = json!(response.headers);
            }
            if let Some(handling) = &response.content_handling {
                mapped["contentHandling"] = json!(handling);
            }
            (pattern, mapped)
        })
        .collect();
    let mut value = json!({
        "type": integration.type_.to_lowercase(),
        "passthroughBehavior": integration.passthrough.to_lowercase(),
        "timeoutInMillis": integration.timeout_millis,
        "requestTemplates": integration.templates,
        "responses": responses,
    });
    let texts = [
        ("httpMethod", &integration.http_method),
        ("uri", &integration.uri),
        ("credentials", &integration.credentials),
    ];
    for (name, text) in texts {
        if let Some(text) = text {
            value[name] = json!(text);
        }
    }
    if let Some(handling) = &integration.content_handling {
        value["contentHandling"] = json!(handling);
    }
    if !integration.parameters.is_empty() {
        value["requestParameters"] = json!(integration.parameters);
    }
    value
}
