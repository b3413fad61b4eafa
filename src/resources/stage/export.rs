//! Whether a stage serves a state machine, as its export says: for deployments whose record was lost.

use std::collections::BTreeSet;

use serde_json::Value;

/// What a stage's OpenAPI document with API Gateway's extensions (GetExport) says of a state machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Serves {
    /// A template or a stage variable names it.
    Machine,
    /// None does, but methods call with these roles whatever machine their callers name.
    WhatRolesAdmit(BTreeSet<String>),
}

/// Reads an export. `variables` are the stage's, `arn` is the machine's.
pub fn serves<'a>(export: &Value, variables: impl IntoIterator<Item = &'a String>, arn: &str) -> Serves {
    let names = |text: &str| {
        text.match_indices(arn).any(|(at, _)| {
            // Another machine's name may begin with this one's.
            let next = text[at + arn.len()..].chars().next();
            next.is_none_or(|c| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
        })
    };
    if variables.into_iter().any(|value| names(value)) {
        return Serves::Machine;
    }
    let mut roles = BTreeSet::new();
    for integration in integrations(export) {
        let templates: Vec<&str> = integration["requestTemplates"]
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(_, text)| text.as_str())
            .collect();
        if templates.iter().any(|text| names(text)) {
            return Serves::Machine;
        }
        let names_none = !templates.iter().any(|text| text.contains(":stateMachine:"));
        roles.extend(integration["credentials"].as_str().filter(|_| names_none).map(str::to_owned));
    }
    Serves::WhatRolesAdmit(roles)
}

fn integrations(export: &Value) -> impl Iterator<Item = &Value> {
    let paths = export["paths"].as_object().into_iter().flatten();
    let methods = paths.flat_map(|(_, path)| path.as_object().into_iter().flatten());
    methods.map(|(_, method)| &method["x-amazon-apigateway-integration"])
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ORDERS: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_orders";

    fn export(template: &str) -> Value {
        json!({"openapi": "3.0.1", "paths": {"/orders": {"post": {"x-amazon-apigateway-integration": {
            "type": "aws", "credentials": "arn:aws:iam::111122223333:role/r",
            "requestTemplates": {"application/json": template}}}}}})
    }

    fn read(export: &Value, variables: &[&str]) -> Serves {
        let variables: Vec<String> = variables.iter().map(|text| (*text).to_owned()).collect();
        serves(export, &variables, ORDERS)
    }

    #[test]
    fn a_template_or_a_variable_names_the_machine() {
        let named = export(&format!(r#"{{"stateMachineArn": "{ORDERS}"}}"#));
        assert_eq!(read(&named, &[]), Serves::Machine);
        let by_variable = export(r#"{"stateMachineArn": "$stageVariables.arn"}"#);
        assert_eq!(read(&by_variable, &[ORDERS]), Serves::Machine);
    }

    #[test]
    fn another_machine_is_another() {
        let other = export(&format!(r#"{{"stateMachineArn": "{ORDERS}-next"}}"#));
        assert_eq!(read(&other, &["blue"]), Serves::WhatRolesAdmit(BTreeSet::new()));
        assert_eq!(read(&json!({}), &[]), Serves::WhatRolesAdmit(BTreeSet::new()));
    }

    #[test]
    fn where_the_client_names_it_the_role_says_which() {
        let by_client = export("$input.json('$')");
        assert_eq!(
            read(&by_client, &[]),
            Serves::WhatRolesAdmit(BTreeSet::from(["arn:aws:iam::111122223333:role/r".to_owned()]))
        );
    }
}
