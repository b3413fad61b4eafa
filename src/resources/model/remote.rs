//! API Gateway's calls for models.

use aws_sdk_apigateway::Client;
use serde_json::Value;

use super::{BUILT_IN, Models, REFERENCE, Step};
use crate::aws::{AwsError, Class};
use crate::resources::{Patch, sdk_patches};

/// Reads an API's models, without the built-in ones.
///
/// # Errors
/// What AWS answers.
pub async fn observe(apigateway: &Client, api: &str) -> Result<Models, AwsError> {
    let all = apigateway
        .get_models()
        .rest_api_id(api)
        .limit(500)
        .into_paginator()
        .items()
        .send()
        .collect::<Result<Vec<_>, _>>()
        .await
        .map_err(AwsError::of("GetModels"))?;
    let mut models = Models::new();
    for model in all {
        let Some(name) = model.name.filter(|name| !BUILT_IN.contains(&name.as_str())) else { continue };
        let text = model.schema.unwrap_or_default();
        // Whatever is no JSON is none of ours.
        let mut schema = serde_json::from_str(&text).unwrap_or(Value::String(text));
        rewrite(&mut schema, &url(api), REFERENCE);
        models.insert(name, schema);
    }
    Ok(models)
}

/// Carries out one step.
///
/// # Errors
/// What AWS answers; that a model to be deleted is already gone is no error.
pub async fn carry_out(apigateway: &Client, api: &str, step: &Step) -> Result<(), AwsError> {
    match step {
        Step::Create { name, schema } => apigateway
            .create_model()
            .rest_api_id(api)
            .name(name)
            .content_type("application/json")
            .schema(in_aws(schema, api))
            .send()
            .await
            .map(drop)
            .map_err(AwsError::of("CreateModel")),
        Step::Update { name, schema } => apigateway
            .update_model()
            .rest_api_id(api)
            .model_name(name)
            .set_patch_operations(sdk_patches(&[Patch::replace("/schema", in_aws(schema, api))]))
            .send()
            .await
            .map(drop)
            .map_err(AwsError::of("UpdateModel")),
        Step::Delete { name } => {
            let answer = apigateway.delete_model().rest_api_id(api).model_name(name).send().await;
            match answer.map_err(AwsError::of("DeleteModel")) {
                Err(error) if error.class != Class::NotFound => Err(error),
                _ => Ok(()),
            }
        }
    }
}

/// How AWS writes a reference to a model of an API (developer guide, "Understanding data models").
fn url(api: &str) -> String {
    format!("https://apigateway.amazonaws.com/restapis/{api}/models/")
}

fn in_aws(schema: &Value, api: &str) -> String {
    let mut schema = schema.clone();
    rewrite(&mut schema, REFERENCE, &url(api));
    schema.to_string()
}

/// Gives every `$ref` that begins with `from` the beginning `to`.
fn rewrite(schema: &mut Value, from: &str, to: &str) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "$ref" => {
                        if let Some(name) = text.strip_prefix(from) {
                            *text = format!("{to}{name}");
                        }
                    }
                    other => rewrite(other, from, to),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| rewrite(item, from, to)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn references_are_urls_in_aws_and_names_here() {
        let schema =
            json!({"properties": {"items": {"items": {"$ref": "#/models/Item"}}, "n": {"$ref": "#/definitions/N"}}});
        let text = in_aws(&schema, "a1b2");
        assert!(text.contains(r##""$ref":"https://apigateway.amazonaws.com/restapis/a1b2/models/Item""##), "{text}");
        assert!(text.contains(r##""$ref":"#/definitions/N""##), "{text}");
        let mut back: Value = serde_json::from_str(&text).unwrap();
        rewrite(&mut back, &url("a1b2"), REFERENCE);
        assert_eq!(back, schema);
    }
}
