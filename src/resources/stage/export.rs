//! What a stage serves, as its export says (GetExport): for deployments that are on no record.
//!
//! An export is OpenAPI 3.0 with API Gateway's extensions. An operation's `operationId` is the method's operation name, its
//! `x-amazon-apigateway-integration` the integration (recorded); `security` names an entry of `components.securitySchemes`, which
//! holds the authorizer as `x-amazon-apigateway-authorizer` (doc, "OpenAPI extensions for API Gateway").

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::resources::route::At;

const INTEGRATION: &str = "x-amazon-apigateway-integration";
const ANY: &str = "x-amazon-apigateway-any-method";
const AUTHORIZER: &str = "x-amazon-apigateway-authorizer";
const VERBS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];

/// A method in an export.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exported {
    /// Its place.
    pub at: At,
    /// Whose it is; empty where it does not say.
    pub operation_name: String,
    /// `AWS`, `MOCK` or another; empty where nothing answers.
    pub integration: String,
    /// What it calls; empty for a mock.
    pub uri: String,
    /// The role that it calls with.
    pub credentials: Option<String>,
    /// ARNs of the state machines that its templates name, themselves or by their executions.
    pub machines: BTreeSet<String>,
    /// Whether its templates read stage variables.
    pub reads_variables: bool,
    /// Names of what authorizes its callers.
    pub security: BTreeSet<String>,
}

/// The methods of an export.
pub fn methods(export: &Value) -> Vec<Exported> {
    let verb = |key: &str| match key {
        ANY => Some("ANY".to_owned()),
        key => VERBS.contains(&key).then(|| key.to_uppercase()),
    };
    let paths = entries(&export["paths"]);
    let all = paths.flat_map(|(path, item)| entries(item).map(move |(key, operation)| (path, key, operation)));
    let read = |(path, key, operation): (&String, &String, &Value)| {
        let integration = &operation[INTEGRATION];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let mut texts = Vec::new();
        collect(integration, &mut texts);
        Some(Exported {
            at: At { path: path.clone(), method: verb(key)? },
            operation_name: text(&operation["operationId"]),
            integration: text(&integration["type"]).to_uppercase(),
            uri: text(&integration["uri"]),
            credentials: integration["credentials"].as_str().map(str::to_owned),
            machines: texts.iter().flat_map(|text| machine_arns(text)).collect(),
            reads_variables: texts.iter().any(|text| text.contains("stageVariables")),
            security: operation["security"]
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|one| entries(one).map(|(name, _)| name.clone()))
                .collect(),
        })
    };
    all.filter_map(read).collect()
}

/// The roles that call an export's authorizers, by the authorizer's name; `None` for one that needs none.
///
/// # Errors
/// The name of one of which the export does not say what it is.
pub fn authorizers(export: &Value) -> Result<BTreeMap<String, Option<String>>, String> {
    let schemes = &export["components"]["securitySchemes"];
    let named: BTreeSet<String> = methods(export).into_iter().flat_map(|method| method.security).collect();
    if let Some(unknown) = named.iter().find(|name| schemes[name.as_str()].is_null()) {
        return Err(unknown.clone());
    }
    let mut found = BTreeMap::new();
    for (name, scheme) in entries(schemes) {
        let kind = scheme["x-amazon-apigateway-authtype"].as_str();
        match (&scheme[AUTHORIZER], kind) {
            (Value::Object(authorizer), _) => {
                let role = authorizer.get("authorizerCredentials").and_then(Value::as_str);
                found.insert(name.clone(), role.map(str::to_owned));
            }
            // IAM, and API keys.
            (_, Some("awsSigv4") | None) => {}
            _ => return Err(name.clone()),
        }
    }
    Ok(found)
}

/// The ARNs of the state machines that a text names, themselves, by a version or an alias, or by their executions. As far as names are
/// of the kind that StateMachines have: letters, digits, `_` and `-`.
pub fn machine_arns(text: &str) -> BTreeSet<String> {
    let plain = |part: &str| part.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    let read = |(at, _): (usize, &str)| {
        let mut parts = text[at..].splitn(7, ':');
        let (_arn, partition, service) = (parts.next()?, parts.next()?, parts.next()?);
        let (region, account, kind, rest) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let of_machine = service == "states" && ["stateMachine", "execution"].contains(&kind);
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_')).unwrap_or(rest.len());
        let known = of_machine && end > 0 && [partition, region, account].into_iter().all(plain);
        known.then(|| format!("arn:{partition}:states:{region}:{account}:stateMachine:{}", &rest[..end]))
    };
    text.match_indices("arn:").filter_map(read).collect()
}

/// What a stage's export says of a state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serves {
    /// A template or a stage variable names it.
    Machine,
    /// None does, but methods call Step Functions with these roles, whatever machine their callers name.
    WhatRolesAdmit(BTreeSet<String>),
}

/// Reads an export. `variables` are the stage's, `arn` is the machine's.
pub fn serves<'a>(export: &Value, variables: impl IntoIterator<Item = &'a String>, arn: &str) -> Serves {
    if variables.into_iter().any(|value| machine_arns(value).contains(arn)) {
        return Serves::Machine;
    }
    let mut roles = BTreeSet::new();
    for method in methods(export) {
        if method.machines.contains(arn) {
            return Serves::Machine;
        }
        let names_none = method.machines.is_empty() && method.uri.contains(":states:");
        // `user/*` are its caller's own credentials. A stage variable may stand for all of `role/NAME` (doc).
        roles.extend(method.credentials.filter(|credentials| names_none && !credentials.contains(":user/")));
    }
    Serves::WhatRolesAdmit(roles)
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Every text in a value.
fn collect<'a>(value: &'a Value, texts: &mut Vec<&'a str>) {
    match value {
        Value::String(text) => texts.push(text),
        Value::Array(items) => items.iter().for_each(|item| collect(item, texts)),
        Value::Object(members) => members.values().for_each(|member| collect(member, texts)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ORDERS: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_orders";
    const ROLE: &str = "arn:aws:iam::111122223333:role/r";

    fn export(template: &str) -> Value {
        json!({"openapi": "3.0.1", "paths": {"/orders": {
            "parameters": [{"name": "id", "in": "path"}],
            "post": {"operationId": "demo_order", "security": [{"pool": ["orders/write"]}, {"api_key": []}],
                "x-amazon-apigateway-integration": {"type": "aws", "httpMethod": "POST", "credentials": ROLE,
                    "uri": "arn:aws:apigateway:eu-central-1:states:action/StartExecution",
                    "requestTemplates": {"application/json": template}}},
            "x-amazon-apigateway-any-method": {"x-amazon-apigateway-integration": {"type": "mock"}}}}})
    }

    fn read(export: &Value, variables: &[&str]) -> Serves {
        let variables: Vec<String> = variables.iter().map(|text| (*text).to_owned()).collect();
        serves(export, &variables, ORDERS)
    }

    #[test]
    fn methods_are_read() {
        let template = format!(r#"{{"stateMachineArn": "{ORDERS}", "input": "$stageVariables.input"}}"#);
        let mut found = methods(&export(&template));
        found.sort_by(|a, b| a.at.cmp(&b.at));
        let [any, post] = &found[..] else { panic!("{found:?}") };
        assert_eq!((any.at.to_string().as_str(), any.integration.as_str()), ("ANY /orders", "MOCK"));
        assert_eq!((any.operation_name.as_str(), &any.credentials, any.reads_variables), ("", &None, false));
        assert_eq!(
            *post,
            Exported {
                at: At { path: "/orders".into(), method: "POST".into() },
                operation_name: "demo_order".into(),
                integration: "AWS".into(),
                uri: "arn:aws:apigateway:eu-central-1:states:action/StartExecution".into(),
                credentials: Some(ROLE.into()),
                machines: BTreeSet::from([ORDERS.into()]),
                reads_variables: true,
                security: BTreeSet::from(["api_key".into(), "pool".into()]),
            }
        );
    }

    /// AWS's own answer (recorded: aws-recorded, test_export_oas30_openapi, shortened).
    #[test]
    fn what_aws_answers_is_read() {
        let recorded = json!({"openapi": "3.0.1", "info": {"title": "PetStore", "version": "date"},
            "servers": [{"url": "https://a.execute-api.us-east-1.amazonaws.com/{basePath}",
                "variables": {"basePath": {"default": "local"}}}],
            "paths": {"/pets": {
                "get": {"parameters": [{"name": "type", "in": "query", "schema": {"type": "string"}}],
                    "responses": {"200": {"description": "200 response", "content": {}}},
                    "x-amazon-apigateway-integration": {"type": "http", "httpMethod": "GET",
                        "uri": "http://petstore.execute-api.us-east-1.amazonaws.com/petstore/pets",
                        "responses": {"default": {"statusCode": "200"}}, "passthroughBehavior": "when_no_match"}},
                "post": {"operationId": "CreatePet", "responses": {},
                    "x-amazon-apigateway-integration": {"type": "http", "httpMethod": "POST", "uri": "http://p"}}}},
            "components": {"schemas": {"Pets": {"type": "array"}}}});
        let found = methods(&recorded);
        let read: Vec<_> = found.iter().map(|it| (it.at.to_string(), it.operation_name.as_str())).collect();
        assert_eq!(read, [("GET /pets".to_owned(), ""), ("POST /pets".to_owned(), "CreatePet")]);
        assert!(found.iter().all(|it| it.integration == "HTTP" && it.credentials.is_none()));
        assert_eq!(authorizers(&recorded), Ok(BTreeMap::new()));
    }

    #[test]
    fn authorizers_say_their_roles() {
        let mut export = export("");
        assert_eq!(authorizers(&export), Err("api_key".into()), "nothing says what it is");
        export["components"] = json!({"securitySchemes": {
            "sigv4": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "awsSigv4"},
            "api_key": {"type": "apiKey", "name": "x-api-key", "in": "header"},
            "own": {"type": "apiKey", "name": "Authorization", "in": "header", "x-amazon-apigateway-authtype": "custom",
                "x-amazon-apigateway-authorizer": {"type": "token", "authorizerCredentials": ROLE}},
            "pool": {"type": "apiKey", "name": "Authorization", "in": "header",
                "x-amazon-apigateway-authtype": "cognito_user_pools"}}});
        assert_eq!(authorizers(&export), Err("pool".into()));
        export["components"]["securitySchemes"]["pool"]["x-amazon-apigateway-authorizer"] =
            json!({"type": "cognito_user_pools", "providerARNs": ["arn"]});
        let found = BTreeMap::from([("own".to_owned(), Some(ROLE.to_owned())), ("pool".to_owned(), None)]);
        assert_eq!(authorizers(&export), Ok(found));
    }

    #[test]
    fn a_template_or_a_variable_names_the_machine() {
        let named = export(&format!(r#"{{"stateMachineArn": "{ORDERS}"}}"#));
        assert_eq!(read(&named, &[]), Serves::Machine);
        let by_variable = export(r#"{"stateMachineArn": "$stageVariables.arn"}"#);
        assert_eq!(read(&by_variable, &[ORDERS]), Serves::Machine);
        let of_execution = ORDERS.replace(":stateMachine:", ":execution:");
        let described = export(&format!(r#"{{"executionArn": "{of_execution}:#set($name = 1)$name"}}"#));
        assert_eq!(read(&described, &[]), Serves::Machine);
        assert_eq!(read(&export(&format!("{ORDERS}:live")), &[]), Serves::Machine);
    }

    #[test]
    fn another_machine_is_another() {
        let other = export(&format!(r#"{{"stateMachineArn": "{ORDERS}-next"}}"#));
        assert_eq!(read(&other, &["blue"]), Serves::WhatRolesAdmit(BTreeSet::new()));
        assert_eq!(read(&json!({}), &[]), Serves::WhatRolesAdmit(BTreeSet::new()));
        let none =
            ["", "arn:", "arn:aws:states:$r:1:stateMachine:a", "arn:aws:sqs:r:1:q", "arn:aws:states:r:1:activity:a"];
        assert!(none.iter().all(|text| machine_arns(text).is_empty()));
    }

    #[test]
    fn where_the_client_names_it_the_role_says_which() {
        let by_client = export("$input.json('$')");
        assert_eq!(read(&by_client, &[]), Serves::WhatRolesAdmit(BTreeSet::from([ROLE.to_owned()])));
    }

    #[test]
    fn only_roles_that_call_step_functions_say_so() {
        let start = "states:action/StartExecution";
        let variable = "arn:aws:iam::111122223333:${stageVariables.role}";
        for (target, credentials, counts) in [
            (start, ROLE, true),
            ("states:path/", ROLE, true),
            (start, variable, true),
            (start, "arn:aws:iam::*:user/*", false),
            ("sqs:path/111122223333/orders", ROLE, false),
            ("dynamodb:action/PutItem", ROLE, false),
            ("lambda:path/2015-03-31/functions/arn:aws:lambda:eu-central-1:111122223333:function:f", ROLE, false),
        ] {
            let mut by_client = export("$input.json('$')");
            let integration = &mut by_client["paths"]["/orders"]["post"][INTEGRATION];
            integration["uri"] = json!(format!("arn:aws:apigateway:eu-central-1:{target}"));
            integration["credentials"] = json!(credentials);
            let roles = counts.then(|| credentials.to_owned()).into_iter().collect();
            assert_eq!(read(&by_client, &[]), Serves::WhatRolesAdmit(roles), "{target} with {credentials}");
        }
    }
}
