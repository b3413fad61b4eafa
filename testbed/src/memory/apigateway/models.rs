//! Models of an API. Schemas are taken as they come, references to other models excepted.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::Context;
use super::super::wire::{Path, Refusal, input};
use super::checks::{bad, conflict, not_found};
use super::{Answer, Api, Apis, Patch, Place, find, listed};

/// A JSON schema with a name.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Model {
    /// Six letters and digits.
    #[serde(default)]
    pub id: String,
    /// Letters and digits.
    #[serde(default)]
    pub name: String,
    /// For people.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// The schema, as text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub schema: Option<String>,
    /// Such as `application/json`.
    #[serde(default)]
    pub content_type: String,
}

/// Those that every API has.
pub(super) fn built_in(context: &mut Context<'_>) -> BTreeMap<String, Model> {
    let mut model = |name: &str, schema: Value| {
        let model = Model {
            id: context.id(6),
            name: name.to_owned(),
            description: Some(format!("This is a default {} schema model", name.to_lowercase())),
            schema: Some(schema.to_string()),
            content_type: "application/json".to_owned(),
        };
        (name.to_owned(), model)
    };
    let draft = "http://json-schema.org/draft-04/schema#";
    let message = json!({"message": {"type": "string"}});
    BTreeMap::from([
        model("Empty", json!({"$schema": draft, "title": "Empty Schema", "type": "object"})),
        model("Error", json!({"$schema": draft, "title": "Error Schema", "type": "object", "properties": message})),
    ])
}

/// rec: the words.
fn no_model(name: &str) -> Refusal {
    not_found(format!("Invalid model name specified: {name}"))
}

/// How one model refers to another (doc).
fn reference(api: &str, name: &str) -> String {
    format!("https://apigateway.amazonaws.com/restapis/{api}/models/{name}")
}

/// What AWS refuses of a schema: no JSON (rec), and a reference to a model that is not there ([?], as field has it).
fn check(api: &Api, schema: Option<&String>) -> Result<(), Refusal> {
    let text = schema.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| bad("Model schema must have at least 1 property or array items defined"))?;
    let refused =
        |what: String| bad(format!("Invalid model specified: Validation Result: warnings : [], errors : [{what}]"));
    let schema: Value = serde_json::from_str(text).map_err(|_| refused("Invalid model schema specified".to_owned()))?;
    let start = reference(&api.id, "");
    let text = schema.to_string();
    for rest in text.split(&start).skip(1) {
        let name = rest.split('"').next().unwrap_or_default();
        if !api.models.contains_key(name) {
            return Err(refused(format!("Invalid model reference specified: {name}")));
        }
    }
    Ok(())
}

pub(super) fn create(context: &mut Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let mut model: Model = input(body)?;
    let id = context.id(6);
    let api = find(context, apis, at.api)?;
    if model.name.is_empty() || !model.name.chars().all(|c| c.is_ascii_alphanumeric()) {
        return Err(bad("Model name must be non-empty"));
    }
    if api.models.contains_key(&model.name) {
        return Err(conflict("Model name already exists for this REST API"));
    }
    check(api, model.schema.as_ref())?;
    model.id = id;
    api.models.insert(model.name.clone(), model.clone());
    Ok((201, json!(model)))
}

pub(super) fn list(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, path: &Path) -> Answer {
    let api = find(context, apis, at.api)?;
    listed(path, api.models.iter().map(|(name, model)| (name.clone(), json!(model))).collect())
}

pub(super) fn get(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = find(context, apis, at.api)?;
    api.models.get(at.name).map(|model| (200, json!(model))).ok_or_else(|| no_model(at.name))
}

pub(super) fn update(context: &Context<'_>, apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let api = find(context, apis, at.api)?;
    let mut model = api.models.get(at.name).cloned().ok_or_else(|| no_model(at.name))?;
    for patch in patches {
        match patch.path.as_str() {
            "/schema" => model.schema = Some(patch.replaces()?.value()),
            "/description" => model.description = Some(patch.replaces()?.value()),
            _ => return Err(patch.invalid_path()),
        }
    }
    check(api, model.schema.as_ref())?;
    api.models.insert(at.name.to_owned(), model.clone());
    Ok((200, json!(model)))
}

/// Not while a method or another model refers to it (rec for methods; field for models).
pub(super) fn delete(context: &Context<'_>, apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = find(context, apis, at.api)?;
    if !api.models.contains_key(at.name) {
        return Err(no_model(at.name));
    }
    let in_use = |kind: &str| conflict(format!("Cannot delete model '{}', is referenced in {kind}", at.name));
    for resource in api.resources.values() {
        for (verb, method) in &resource.methods {
            let requests = method.request_models.iter().flatten();
            let responses = method.responses.values().flat_map(|response| response.response_models.iter().flatten());
            if requests.chain(responses).any(|(_, name)| name == at.name) {
                return Err(in_use(&format!("method {verb} of resource {}", resource.id)));
            }
        }
    }
    let mention = format!("\"{}\"", reference(&api.id, at.name));
    let others = api.models.values().filter(|model| model.name != at.name);
    for model in others {
        if model.schema.as_ref().is_some_and(|schema| schema.contains(&mention)) {
            return Err(in_use(&format!("model {}", model.name)));
        }
    }
    api.models.remove(at.name);
    Ok((202, Value::Null))
}
