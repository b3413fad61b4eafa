//! GetExport: what a stage serves as OpenAPI 3.0. The form is AWS's as recorded (aws-recorded, test_export_oas30_openapi); what was
//! recorded of no method is marked.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use super::super::Context;
use super::super::wire::Path;
use super::checks::{bad, not_found};
use super::{Answer, Api, Apis, Authorizer, Deployment, Integration, Method, Place, find};

/// Which of API Gateway's extensions are asked for: integrations with `integrations` or `apigateway`, authorizers with
/// `authorizers` (the SDK's model); that `apigateway` means both is not said there, and not relied on.
struct Extensions {
    integrations: bool,
    authorizers: bool,
}

impl Extensions {
    fn of(path: &Path) -> Self {
        let asked: BTreeSet<&str> = path.all("extensions").flat_map(|text| text.split(',')).collect();
        Self {
            integrations: asked.contains("integrations") || asked.contains("apigateway"),
            authorizers: asked.contains("authorizers"),
        }
    }
}

/// It shows the deployment of the stage itself, whatever its canary serves.
pub(super) fn get(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let api = find(context, apis, at.api)?;
    let stage = api.stages.get(at.name).ok_or_else(|| not_found("Invalid stage identifier specified"))?;
    let deployment = api.deployments.get(&stage.deployment_id);
    let deployment = deployment.ok_or_else(|| not_found("Invalid Deployment identifier specified"))?;
    let methods = || deployment.snapshot.values().flat_map(BTreeMap::values);
    // doc, "Export a REST API": payloads that are not of application/json; the words after the colon are ours.
    if let Some(other) = methods().find_map(|method| method.request_models.as_ref()?.keys().find(|kind| *kind != JSON))
    {
        return Err(bad(format!("JSON body models are not found: {other}")));
    }
    let extensions = Extensions::of(path);
    let paths = deployment.snapshot.iter().map(|(path, methods)| {
        let operations = methods.iter().map(|(verb, method)| (key(verb), operation(deployment, method, &extensions)));
        (path.clone(), Value::Object(operations.collect()))
    });
    let paths: Map<String, Value> = paths.collect();
    let mut info = json!({"title": api.name, "version": api.version.as_deref().unwrap_or("2026-01-01T00:00:00Z")});
    set(&mut info, "description", &api.description);
    let servers = json!([{
        "url": format!("https://{}.execute-api.{}.amazonaws.com/{{basePath}}", api.id, context.region),
        "variables": {"basePath": {"default": at.name}}}]);
    let mut components = Map::new();
    let schemas = schemas(api, methods());
    if !schemas.is_empty() {
        components.insert("schemas".into(), schemas.into());
    }
    let schemes: Map<String, Value> = methods().flat_map(|method| schemes(deployment, method, &extensions)).collect();
    if !schemes.is_empty() {
        components.insert("securitySchemes".into(), schemes.into());
    }
    Ok((200, json!({"openapi": "3.0.1", "info": info, "servers": servers, "paths": paths, "components": components})))
}

const JSON: &str = "application/json";

fn key(verb: &str) -> String {
    if verb == "ANY" { "x-amazon-apigateway-any-method".to_owned() } else { verb.to_lowercase() }
}

fn set(object: &mut Value, name: &str, value: &Option<String>) {
    if let Some(value) = value {
        object[name] = value.as_str().into();
    }
}

fn operation(deployment: &Deployment, method: &Method, extensions: &Extensions) -> Value {
    let mut operation = json!({});
    set(&mut operation, "operationId", &method.operation_name);
    let parameters: Vec<Value> = method.request_parameters.iter().flatten().filter_map(parameter).collect();
    if !parameters.is_empty() {
        operation["parameters"] = parameters.into();
    }
    let schema = |name: &String| json!({"schema": {"$ref": format!("#/components/schemas/{name}")}});
    let content = |models: &Option<BTreeMap<String, String>>| -> Map<String, Value> {
        models.iter().flatten().map(|(kind, name)| (kind.clone(), schema(name))).collect()
    };
    if method.request_models.as_ref().is_some_and(|models| !models.is_empty()) {
        operation["requestBody"] = json!({"content": content(&method.request_models), "required": true});
    }
    let responses = method.responses.iter().map(|(status, response)| {
        let mut shown = json!({"description": format!("{status} response")});
        let names = response.response_parameters.iter().flatten();
        let headers = names.filter_map(|(name, _)| name.strip_prefix("method.response.header."));
        let headers: Map<String, Value> =
            headers.map(|name| (name.to_owned(), json!({"schema": {"type": "string"}}))).collect();
        if !headers.is_empty() {
            shown["headers"] = headers.into();
        }
        shown["content"] = content(&response.response_models).into();
        (status.clone(), shown)
    });
    operation["responses"] = Value::Object(responses.collect());
    let scopes = method.authorization_scopes.clone().unwrap_or_default();
    let names = schemes(deployment, method, extensions).into_keys();
    let security: Vec<Value> = names
        .map(|name| {
            let scopes = if ["sigv4", "api_key"].contains(&name.as_str()) { json!([]) } else { json!(scopes) };
            Value::Object(Map::from_iter([(name, scopes)]))
        })
        .collect();
    if !security.is_empty() {
        operation["security"] = security.into();
    }
    if let (true, Some(found)) = (extensions.integrations, &method.integration) {
        operation["x-amazon-apigateway-integration"] = integration(found);
    }
    operation
}

fn parameter((name, required): (&String, &bool)) -> Option<Value> {
    let (place, name) = name.strip_prefix("method.request.")?.split_once('.')?;
    let place = if place == "querystring" { "query" } else { place };
    let mut shown = json!({"name": name, "in": place, "schema": {"type": "string"}});
    if *required {
        shown["required"] = true.into();
    }
    Some(shown)
}

fn integration(found: &Integration) -> Value {
    let mut shown = json!({"type": found.r#type.to_lowercase()});
    let spoken = [
        ("httpMethod", &found.http_method),
        ("uri", &found.uri),
        ("credentials", &found.credentials),
        ("contentHandling", &found.content_handling),
    ];
    for (name, value) in spoken {
        set(&mut shown, name, value);
    }
    for (name, map) in
        [("requestParameters", json!(found.request_parameters)), ("requestTemplates", json!(found.request_templates))]
    {
        if map.as_object().is_some_and(|map| !map.is_empty()) {
            shown[name] = map;
        }
    }
    shown["passthroughBehavior"] = found.passthrough_behavior.to_lowercase().into();
    if found.timeout_in_millis != 0 && found.timeout_in_millis != 29_000 {
        shown["timeoutInMillis"] = found.timeout_in_millis.into();
    }
    let responses = found.responses.values().map(|response| {
        let mut one = json!({"statusCode": response.status_code});
        for (name, map) in [
            ("responseParameters", json!(response.response_parameters)),
            ("responseTemplates", json!(response.response_templates)),
        ] {
            if map.is_object() {
                one[name] = map;
            }
        }
        set(&mut one, "contentHandling", &response.content_handling);
        (response.selection_pattern.clone().unwrap_or_else(|| "default".to_owned()), one)
    });
    let responses: Map<String, Value> = responses.collect();
    if !responses.is_empty() {
        shown["responses"] = responses.into();
    }
    shown
}

/// What authorizes a method's callers, by name (doc, "x-amazon-apigateway-authtype", "x-amazon-apigateway-authorizer").
fn schemes(deployment: &Deployment, method: &Method, extensions: &Extensions) -> BTreeMap<String, Value> {
    let mut schemes = BTreeMap::new();
    let scheme = |header: &str| json!({"type": "apiKey", "name": header, "in": "header"});
    if method.authorization_type == "AWS_IAM" {
        let mut sigv4 = scheme("Authorization");
        sigv4["x-amazon-apigateway-authtype"] = "awsSigv4".into();
        schemes.insert("sigv4".to_owned(), sigv4);
    }
    if method.api_key_required {
        schemes.insert("api_key".to_owned(), scheme("x-api-key"));
    }
    let authorizer = method.authorizer_id.as_ref().and_then(|id| deployment.authorizers.get(id));
    if let (Some(found), "CUSTOM" | "COGNITO_USER_POOLS") = (authorizer, method.authorization_type.as_str()) {
        let source = found.identity_source.as_deref().and_then(|source| source.strip_prefix("method.request.header."));
        let mut shown = scheme(source.unwrap_or("Unused"));
        let of_pools = found.r#type == "COGNITO_USER_POOLS";
        shown["x-amazon-apigateway-authtype"] = if of_pools { "cognito_user_pools" } else { "custom" }.into();
        if extensions.authorizers {
            shown["x-amazon-apigateway-authorizer"] = exported(found);
        }
        schemes.insert(found.name.clone(), shown);
    }
    schemes
}

fn exported(found: &Authorizer) -> Value {
    let mut shown = json!({"type": found.r#type.to_lowercase()});
    let spoken = [
        ("authorizerUri", &found.authorizer_uri),
        ("authorizerCredentials", &found.authorizer_credentials),
        ("identitySource", &found.identity_source),
        ("identityValidationExpression", &found.identity_validation_expression),
    ];
    for (name, value) in spoken {
        set(&mut shown, name, value);
    }
    if !found.provider_arns.is_empty() {
        shown["providerARNs"] = json!(found.provider_arns);
    }
    if let Some(seconds) = found.authorizer_result_ttl_in_seconds {
        shown["authorizerResultTtlInSeconds"] = seconds.into();
    }
    shown
}

/// The models that methods name, as they are now: a deployment here keeps none.
fn schemas<'a>(api: &Api, methods: impl Iterator<Item = &'a Method>) -> Map<String, Value> {
    let named = methods.flat_map(|method| {
        let of_responses = method.responses.values().flat_map(|response| response.response_models.iter().flatten());
        method.request_models.iter().flatten().chain(of_responses).map(|(_, name)| name)
    });
    let schema = |name: &String| {
        let text = api.models.get(name)?.schema.as_deref().unwrap_or("{}");
        Some((name.clone(), serde_json::from_str(text).ok()?))
    };
    named.filter_map(schema).collect()
}
