//! JSON schemas of requests: draft 4, which is all that API Gateway knows.

use serde_json::Value;

use crate::api::Model;
use crate::problem::Problem;
use crate::resources::model::{BUILT_IN, Models, REFERENCE, each_reference, references};

/// The keywords of draft 4 (draft-zyp-json-schema-04 and draft-fge-json-schema-validation-00).
const KEYWORDS: [&str; 37] = [
    "$ref",
    "$schema",
    "additionalItems",
    "additionalProperties",
    "allOf",
    "anyOf",
    "default",
    "definitions",
    "dependencies",
    "description",
    "enum",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "id",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "not",
    "oneOf",
    "pattern",
    "patternProperties",
    "properties",
    "required",
    "title",
    "type",
    "uniqueItems",
    // Of OpenAPI, which API Gateway takes as well.
    "discriminator",
    "example",
    "readOnly",
];

/// AWS's limit of a model's schema, in bytes.
const LARGEST: usize = 400 * 1024;

/// A RestAPI's models by name.
///
/// # Errors
/// The first problem, with its field.
pub fn models(specs: &[Model]) -> Result<Models, Problem> {
    let mut models = Models::new();
    for spec in specs {
        let field = format!("spec.models[{}].schema", spec.name);
        models.insert(spec.name.clone(), parse(&field, &spec.schema)?);
    }
    for (name, schema) in &models {
        check_references(&format!("spec.models[{name}].schema"), schema, &models)?;
        let mut seen = vec![name.clone()];
        let mut next: Vec<String> = references(schema).into_iter().collect();
        while let Some(model) = next.pop() {
            if model == *name {
                return Err(Problem::invalid(format!(
                    "spec.models[{name}].schema: the model refers to itself by others; API Gateway makes models one after the other, so put one into the other's `definitions`"
                )));
            }
            if !seen.contains(&model) {
                next.extend(models.get(&model).map(references).unwrap_or_default());
                seen.push(model);
            }
        }
    }
    Ok(models)
}

/// A schema of a route, which may refer to the RestAPI's models.
///
/// # Errors
/// The first problem, with its field.
pub fn schema(field: &str, text: &str, models: &Models) -> Result<Value, Problem> {
    let schema = parse(field, text)?;
    check_references(field, &schema, models)?;
    Ok(schema)
}

fn parse(field: &str, text: &str) -> Result<Value, Problem> {
    let schema: Value = serde_saphyr::from_str(text)
        .map_err(|_| Problem::invalid(format!("{field} is neither JSON nor YAML; write a JSON schema of draft 4")))?;
    if schema.to_string().len() > LARGEST {
        return Err(Problem::invalid(format!("{field} is longer than the 400 KB that API Gateway takes")));
    }
    check(field, "", &schema)?;
    Ok(schema)
}

fn check_references(field: &str, schema: &Value, models: &Models) -> Result<(), Problem> {
    let mut wrong = None;
    each_reference(schema, &mut |text| {
        let known = match text.strip_prefix(REFERENCE) {
            Some(name) => models.contains_key(name) || BUILT_IN.contains(&name),
            None => text == "#" || text.starts_with("#/definitions/"),
        };
        if !known {
            wrong.get_or_insert_with(|| text.to_owned());
        }
    });
    match wrong {
        None => Ok(()),
        Some(text) => Err(Problem::invalid(format!(
            "{field}: `$ref: {text}` leads nowhere; write #/definitions/NAME for a part of this schema, or #/models/NAME for one of the RestAPI's models"
        ))),
    }
}

/// Whether it is a schema of draft 4, below `at`, a JSON pointer.
fn check(field: &str, at: &str, schema: &Value) -> Result<(), Problem> {
    let wrong = |what: String| {
        let place = if at.is_empty() { String::new() } else { format!(" at {at}") };
        Err(Problem::invalid(format!("{field}{place}: {what}")))
    };
    let Some(members) = schema.as_object() else {
        return wrong("a schema of draft 4 is an object".to_owned());
    };
    for (key, value) in members {
        let here = format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"));
        match key.as_str() {
            key if !KEYWORDS.contains(&key) => {
                return wrong(format!(
                    "`{key}` is no keyword of JSON Schema draft 4, which is all that API Gateway knows"
                ));
            }
            "$schema" => {
                let draft_4 = value.as_str().is_some_and(|text| text.contains("json-schema.org/draft-04/schema"));
                if !draft_4 {
                    return wrong(
                        "`$schema` must be http://json-schema.org/draft-04/schema#, or be left out".to_owned(),
                    );
                }
            }
            "exclusiveMaximum" | "exclusiveMinimum" if !value.is_boolean() => {
                return wrong(format!(
                    "`{key}` is true or false in draft 4, beside `{}`",
                    key.trim_start_matches("exclusive").to_lowercase()
                ));
            }
            "required" if value.as_array().is_none_or(|list| list.is_empty() || !list.iter().all(Value::is_string)) => {
                return wrong("`required` is a list of names in draft 4, with at least one".to_owned());
            }
            "type" => {
                let types = ["array", "boolean", "integer", "null", "number", "object", "string"];
                let known = |value: &Value| value.as_str().is_some_and(|name| types.contains(&name));
                if !value.as_array().map_or_else(|| known(value), |list| !list.is_empty() && list.iter().all(known)) {
                    return wrong(format!("`type` must be one or several of {}", types.join(", ")));
                }
            }
            "properties" | "patternProperties" | "definitions" => {
                let Some(schemas) = value.as_object() else {
                    return wrong(format!("`{key}` must be an object of schemas"));
                };
                for (name, schema) in schemas {
                    let name = name.replace('~', "~0").replace('/', "~1");
                    check(field, &format!("{here}/{name}"), schema)?;
                }
            }
            "allOf" | "anyOf" | "oneOf" => {
                let Some(schemas) = value.as_array().filter(|schemas| !schemas.is_empty()) else {
                    return wrong(format!("`{key}` must be a list of schemas, with at least one"));
                };
                for (index, schema) in schemas.iter().enumerate() {
                    check(field, &format!("{here}/{index}"), schema)?;
                }
            }
            "items" => {
                let schemas = value.as_array().map_or_else(|| std::slice::from_ref(value), Vec::as_slice);
                for schema in schemas {
                    check(field, &here, schema)?;
                }
            }
            "not" => check(field, &here, value)?,
            "additionalItems" | "additionalProperties" if !value.is_boolean() => check(field, &here, value)?,
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[test]
    fn draft_4_is_taken_as_json_and_as_yaml() {
        let text = "$schema: http://json-schema.org/draft-04/schema#\ntype: object\nrequired: [id]\nproperties:\n  id: {type: [string, 'null'], enum: [null, a]}\n  n: {minimum: 0, exclusiveMinimum: true}\n  enum: {$ref: '#/models/A'}\nadditionalProperties: false\n";
        let models = Models::from([("A".to_owned(), Value::Null)]);
        let yaml = schema("f", text, &models).unwrap();
        assert_eq!(yaml["properties"]["id"]["enum"][0], Value::Null);
        assert_eq!(schema("f", &yaml.to_string(), &models).unwrap(), yaml);
    }

    #[rstest]
    #[case::keyword(
        "{properties: {a: {const: 1}}}",
        "f at /properties/a: `const` is no keyword of JSON Schema draft 4, which is all that API Gateway knows"
    )]
    #[case::definitions(
        "{$defs: {}}",
        "f: `$defs` is no keyword of JSON Schema draft 4, which is all that API Gateway knows"
    )]
    #[case::draft(
        "{$schema: 'https://json-schema.org/draft/2020-12/schema'}",
        "f: `$schema` must be http://json-schema.org/draft-04/schema#, or be left out"
    )]
    #[case::exclusive(
        "{minimum: 0, exclusiveMinimum: 3}",
        "f: `exclusiveMinimum` is true or false in draft 4, beside `minimum`"
    )]
    #[case::required(
        "{properties: {a: {required: true}}}",
        "f at /properties/a: `required` is a list of names in draft 4, with at least one"
    )]
    #[case::type_(
        "{items: {type: text}}",
        "f at /items: `type` must be one or several of array, boolean, integer, null, number, object, string"
    )]
    #[case::boolean("{properties: {a: true}}", "f at /properties/a: a schema of draft 4 is an object")]
    #[case::one_of("{oneOf: []}", "f: `oneOf` must be a list of schemas, with at least one")]
    #[case::reference(
        "{items: {$ref: 'https://example.com/a.json'}}",
        "f: `$ref: https://example.com/a.json` leads nowhere; write #/definitions/NAME for a part of this schema, or #/models/NAME for one of the RestAPI's models"
    )]
    #[case::model(
        "{$ref: '#/models/None'}",
        "f: `$ref: #/models/None` leads nowhere; write #/definitions/NAME for a part of this schema, or #/models/NAME for one of the RestAPI's models"
    )]
    #[case::text("{a", "f is neither JSON nor YAML; write a JSON schema of draft 4")]
    fn no_draft_4(#[case] text: &str, #[case] message: &str) {
        assert_eq!(schema("f", text, &Models::new()).unwrap_err().message, message);
    }

    #[test]
    fn models_refer_to_each_other_in_one_direction() {
        let model = |name: &str, other: &str| Model {
            name: name.to_owned(),
            schema: format!("{{items: {{$ref: '#/models/{other}'}}}}"),
        };
        assert_eq!(models(&[model("A", "B"), model("B", "Empty")]).unwrap().len(), 2);
        let message = models(&[model("A", "B"), model("B", "A")]).unwrap_err().message;
        assert!(message.starts_with("spec.models[A].schema: the model refers to itself by others"), "{message}");
    }
}
