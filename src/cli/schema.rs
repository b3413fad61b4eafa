//! Fields that a kind does not have. The API server refuses them at `kubectl apply`; so do commands that read files.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use serde_json::Value;

use crate::asl::Speller;

static SCHEMAS: LazyLock<BTreeMap<String, JSONSchemaProps>> = LazyLock::new(|| {
    let schema = |crd: CustomResourceDefinition| {
        let version = crd.spec.versions.into_iter().next()?;
        Some((crd.spec.names.kind, version.schema?.open_api_v3_schema?))
    };
    crate::api::crds().into_iter().filter_map(schema).collect()
});

/// The fields of an object that its kind does not have, each with what was probably meant.
pub fn unknown_fields(object: &Value) -> Vec<String> {
    let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
    let (Some(schema), Some(fields)) = (SCHEMAS.get(kind), object.as_object()) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, value) in fields {
        if !["apiVersion", "kind", "metadata"].contains(&name.as_str()) {
            member(name, value, schema, "", &mut found);
        }
    }
    found
}

fn member(name: &str, value: &Value, of: &JSONSchemaProps, at: &str, found: &mut Vec<String>) {
    let path = if at.is_empty() { name.to_owned() } else { format!("{at}.{name}") };
    let known = of.properties.as_ref();
    if let Some(schema) = known.and_then(|known| known.get(name)) {
        return inside(value, schema, &path, found);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(schema)) = &of.additional_properties {
        return inside(value, schema, &path, found);
    }
    if of.additional_properties.is_some() || of.x_kubernetes_preserve_unknown_fields == Some(true) {
        return;
    }
    let names = known.into_iter().flat_map(BTreeMap::keys).map(String::as_str);
    found.push(match Speller::new().near(name, names) {
        Some(meant) => format!("{path}: there is no such field; did you mean `{meant}`?"),
        None => format!("{path}: there is no such field"),
    });
}

fn inside(value: &Value, schema: &JSONSchemaProps, path: &str, found: &mut Vec<String>) {
    match (value, &schema.items) {
        (Value::Object(fields), _) => {
            fields.iter().for_each(|(name, value)| member(name, value, schema, path, found));
        }
        (Value::Array(items), Some(JSONSchemaPropsOrArray::Schema(item))) => {
            for (index, value) in items.iter().enumerate() {
                inside(value, item, &format!("{path}[{index}]"), found);
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[rstest::rstest]
    #[case::well(json!({"kind": "RestAPI", "spec": {"stages": [{"name": "prod", "variables": {"any": "thing"}}]}}), &[])]
    #[case::deep(
        json!({"kind": "RestAPI", "spec": {"stages": [{"name": "prod"}, {"name": "dev", "revison": 3}], "zone": 1}}),
        &["spec.stages[1].revison: there is no such field; did you mean `revision`?", "spec.zone: there is no such field"]
    )]
    #[case::top(json!({"kind": "StateMachine", "sepc": {}}), &["sepc: there is no such field; did you mean `spec`?"])]
    #[case::of_others(json!({"kind": "Deployment", "spec": {"any": 1}}), &[])]
    fn fields_that_a_kind_does_not_have_are_named(#[case] object: Value, #[case] expected: &[&str]) {
        assert_eq!(unknown_fields(&object), expected);
    }
}
