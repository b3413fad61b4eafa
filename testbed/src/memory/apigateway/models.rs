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
    /// For people; never empty (rec).
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

fn refused(what: impl std::fmt::Display) -> Refusal {
    bad(format!("Invalid model specified: Validation Result: warnings : [], errors : [{what}]"))
}

pub(super) fn no_reference(name: &str) -> Refusal {
    refused(format!("Invalid model reference specified: {name}"))
}

/// Whether a schema refers to the model of this name.
pub(super) fn refers(api: &str, schema: &str, name: &str) -> bool {
    schema.contains(&format!("\"{}\"", reference(api, name)))
}

/// What AWS refuses of a schema: no JSON (rec), and a reference to a model that is not there ([?], as field has it).
fn check(api: &Api, schema: Option<&String>) -> Result<(), Refusal> {
    let text = schema.filter(|text| !text.is_empty());
    let text = text.ok_or_else(|| bad("Model schema must have at least 1 property or array items defined"))?;
    let schema: Value = serde_json::from_str(text).map_err(|_| refused("Invalid model schema specified"))?;
    let start = reference(&api.id, "");
    let text = schema.to_string();
    for rest in text.split(&start).skip(1) {
        let name = rest.split('"').next().unwrap_or_default();
        if !api.models.contains_key(name) {
            return Err(no_reference(name));
        }
    }
    Ok(())
}

pub(super) fn create(context: &mut Context<'_>, apis: &mut Apis, at: Place<'_>, body: Value) -> Answer {
    let mut model: Model = input(body)?;
    model.description = model.description.filter(|text| !text.is_empty());
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

/// The API that has it; of one that is not there, too, AWS says that it has no such model (rec).
fn with_model<'a>(apis: &'a mut Apis, at: Place<'_>) -> Result<&'a mut Api, Refusal> {
    apis.get_mut(at.api).filter(|api| api.models.contains_key(at.name)).ok_or_else(|| no_model(at.name))
}

pub(super) fn get(apis: &mut Apis, at: Place<'_>) -> Answer {
    Ok((200, json!(with_model(apis, at)?.models[at.name])))
}

pub(super) fn update(apis: &mut Apis, at: Place<'_>, patches: &[Patch]) -> Answer {
    let api = with_model(apis, at)?;
    let mut model = api.models[at.name].clone();
    for patch in patches {
        match (patch.op.as_str(), patch.path.as_str()) {
            ("replace", "/schema") => model.schema = Some(patch.value()),
            ("replace", "/description") => model.description = patch.value.clone().filter(|text| !text.is_empty()),
            _ => return Err(patch.unsupported("/description, /schema")),
        }
    }
    check(api, model.schema.as_ref())?;
    api.models.insert(at.name.to_owned(), model.clone());
    Ok((200, json!(model)))
}

/// Not while a method or another model refers to it (rec for the requests of methods, and that of several the last is named;
/// [?] for their responses; field for models).
pub(super) fn delete(apis: &mut Apis, at: Place<'_>) -> Answer {
    let api = with_model(apis, at)?;
    let named = |models: &Option<BTreeMap<String, String>>| models.iter().flatten().any(|(_, name)| name == at.name);
    let references = api.resources.values().flat_map(|resource| {
        let path = api.path(resource);
        resource.methods.iter().filter_map(move |(verb, method)| {
            let responds = method.responses.values().any(|response| named(&response.response_models));
            match named(&method.request_models) {
                true => Some(format!("method request: {path}/{verb}")),
                false => responds.then(|| format!("method response: {path}/{verb}")),
            }
        })
    });
    let refers = |model: &&Model| model.schema.as_ref().is_some_and(|schema| refers(at.api, schema, at.name));
    let others = api.models.values().filter(|model| model.name != at.name).filter(refers);
    let reference = references.max().or_else(|| others.map(|model| format!("model {}", model.name)).next());
    if let Some(what) = reference {
        return Err(conflict(format!("Cannot delete model '{}', is referenced in {what}", at.name)));
    }
    api.models.remove(at.name);
    Ok((202, Value::Null))
}
