//! Who may call, in API Gateway's extensions of OpenAPI.

use serde_json::{Map, Value, json};

use crate::resources::authorizer::{Authorizer, COGNITO};
use crate::resources::rest_api::settings::{Settings, default_ip_address_type};
use crate::resources::route::Method;
use crate::validate::rest_api::ValidApi;

/// Its own scheme, of callers who sign with AWS credentials.
const SIGV4: &str = "sigv4";

/// Its own scheme, of callers who send an API key.
const API_KEY: &str = "api_key";

/// What a method asks of callers; none where anyone may call.
pub fn of(method: &Method) -> Option<Value> {
    let mut all = Map::new();
    if method.authorization == "AWS_IAM" {
        all.insert(SIGV4.to_owned(), json!([]));
    }
    if let Some(authorizer) = &method.authorizer {
        all.insert(authorizer.clone(), json!(method.scopes));
    }
    if method.api_key_required {
        all.insert(API_KEY.to_owned(), json!([]));
    }
    (!all.is_empty()).then(|| json!([all]))
}

/// The schemes that the document's methods name.
pub fn schemes(document: &mut Value, valid: &ValidApi) {
    let paths = document["paths"].as_object();
    let operations = paths.into_iter().flat_map(|paths| paths.values()).filter_map(Value::as_object);
    let named: Vec<String> = operations
        .flat_map(|verbs| verbs.values())
        .filter_map(|operation| operation["security"][0].as_object())
        .flat_map(|security| security.keys().cloned())
        .collect();
    let header = |name: &str| json!({"type": "apiKey", "name": name, "in": "header"});
    let mut schemes = Map::new();
    for name in named {
        let scheme = match (name.as_str(), valid.authorizers.get(&name)) {
            (_, Some(found)) => scheme(&found.authorizer),
            (SIGV4, None) => {
                let mut signed = header("Authorization");
                signed["x-amazon-apigateway-authtype"] = json!("awsSigv4");
                signed
            }
            _ => header("x-api-key"),
        };
        schemes.insert(name, scheme);
    }
    schemes.sort_keys();
    if !schemes.is_empty() {
        document["components"]["securitySchemes"] = Value::Object(schemes);
    }
}

fn scheme(authorizer: &Authorizer) -> Value {
    let first = authorizer.identity_sources.iter().find_map(|source| source.strip_prefix("method.request.header."));
    let mut scheme = json!({
        "type": "apiKey",
        "name": first.unwrap_or("Unused"),
        "in": "header",
        "x-amazon-apigateway-authtype": if authorizer.type_ == COGNITO { "cognito_user_pools" } else { "custom" },
    });
    let mut how = json!({"type": authorizer.type_.to_lowercase()});
    let texts = [
        ("authorizerUri", authorizer.uri.clone()),
        ("authorizerCredentials", authorizer.credentials.clone()),
        ("identityValidationExpression", authorizer.validation_expression.clone()),
    ];
    for (key, text) in texts {
        if let Some(text) = text {
            how[key] = json!(text);
        }
    }
    if let Some(ttl) = authorizer.ttl_seconds {
        how["authorizerResultTtlInSeconds"] = json!(ttl);
    }
    if authorizer.type_ == "REQUEST" {
        let sources: Vec<&str> = authorizer.identity_sources.iter().map(String::as_str).collect();
        how["identitySource"] = json!(sources.join(","));
    }
    if !authorizer.provider_arns.is_empty() {
        how["providerARNs"] = json!(authorizer.provider_arns);
    }
    scheme["x-amazon-apigateway-authorizer"] = how;
    scheme
}

/// What is not as AWS has it anyway.
pub fn settings(document: &mut Value, settings: &Settings) {
    let endpoint = &mut document["x-amazon-apigateway-endpoint-configuration"];
    if !settings.vpc_endpoint_ids.is_empty() {
        endpoint["vpcEndpointIds"] = json!(settings.vpc_endpoint_ids);
    }
    if settings.ip_address_type != default_ip_address_type(&settings.endpoint) {
        endpoint["ipAddressType"] = json!(settings.ip_address_type);
    }
    if settings.disable_execute_api_endpoint {
        endpoint["disableExecuteApiEndpoint"] = json!(true);
    }
    if settings.api_key_source != "HEADER" {
        document["x-amazon-apigateway-api-key-source"] = json!(settings.api_key_source);
    }
    if !settings.binary_media_types.is_empty() {
        document["x-amazon-apigateway-binary-media-types"] = json!(settings.binary_media_types);
    }
    if let Some(size) = settings.minimum_compression_size {
        document["x-amazon-apigateway-minimum-compression-size"] = json!(size);
    }
    if let Some(policy) = &settings.policy {
        document["x-amazon-apigateway-policy"] = json!(policy);
    }
}
