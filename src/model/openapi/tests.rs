//! Whatever people write, it comes out as they wrote it, and where it belongs.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::clients;
use crate::api::APIRouteSpec;
use crate::resources::authorizer::Authorizer;
use crate::resources::gateway_response::GatewayResponse;
use crate::resources::route::{At, IntegrationResponse, Method, MethodResponse, response_header};
use crate::validate::authorizer::ValidAuthorizer;
use crate::validate::fixture::{api, machine, route, the_api, the_route, with, world};
use crate::validate::rest_api::{self, ValidApi};
use crate::validate::route as routes;

/// What no document has otherwise.
const HARMLESS: &str = "harmless";

const HOSTILE: [&str; 34] = [
    "\"",
    "a\", \"security\": [], \"b\": \"",
    "\\",
    "\\u0022",
    "'",
    "\n",
    "a\r\n---\nb: c",
    "- a: b",
    "a: b",
    "a # b",
    "&a",
    "*a",
    "!!binary a",
    "<<",
    "? a",
    "|",
    "~",
    "null",
    "true",
    "1e3",
    "${stageVariables.x}",
    "#set($x = 1)",
    "{{x}}",
    "</script><script>",
    "\0",
    "\u{7f}\u{1b}[31m",
    "\u{85}\u{2028}\u{2029}",
    "\u{202e}\u{200b}",
    "\u{feff}",
    "x-amazon-apigateway-integration",
    "#/models/x",
    "\"#/models/x",
    "$ref",
    "method.response.header.x",
];

/// An API with one route, behind everything that would refuse a name.
#[derive(Clone)]
struct Parts {
    valid: ValidApi,
    at: At,
    method: Method,
    spec: APIRouteSpec,
}

impl Parts {
    fn new() -> Self {
        let input = "{spec: {request: {input: [{to: /h, header: X-H}]}}}";
        let route = with(&route("demo/r", "POST /orders", "m"), input);
        let world = world(&[api("{stages: [{name: dev}]}"), machine("demo/m", "STANDARD"), route].concat());
        let api = the_api(&world);
        let valid = rest_api::validate(&world, &api).unwrap();
        let object = the_route(&world, "demo/r");
        let found = routes::validate(&world, &api, &valid, &object).unwrap();
        Self { valid, at: found.at, method: found.method, spec: object.spec.clone() }
    }

    fn document(&self, extensions: bool) -> Value {
        let methods = BTreeMap::from([(self.at.clone(), self.method.clone())]);
        let specs = BTreeMap::from([(self.at.clone(), &self.spec)]);
        clients::document(&self.valid, &methods, &self.valid.models, &specs, extensions)
    }

    fn integration(&mut self) -> &mut crate::resources::route::Integration {
        self.method.integration.as_mut().unwrap()
    }

    fn answers(&mut self, change: impl FnOnce(&mut IntegrationResponse)) {
        let mut response = IntegrationResponse::default();
        change(&mut response);
        self.method.integration_responses.insert("418".into(), response);
    }

    fn authorized(&mut self, name: &str, change: impl FnOnce(&mut Authorizer)) {
        let mut authorizer = Authorizer {
            type_: "REQUEST".into(),
            uri: None,
            credentials: None,
            identity_sources: ["method.request.header.A".to_owned()].into(),
            validation_expression: None,
            ttl_seconds: None,
            provider_arns: [].into(),
        };
        change(&mut authorizer);
        self.valid.authorizers.insert(name.into(), ValidAuthorizer { authorizer, role: None });
        self.method.authorizer = Some(name.into());
    }

    fn gateway_response(&mut self, type_: &str, change: impl FnOnce(&mut GatewayResponse)) {
        let mut response = GatewayResponse { status: None, parameters: [].into(), templates: [].into() };
        change(&mut response);
        self.valid.gateway_responses.insert(type_.into(), response);
    }

    fn input(&mut self) -> &mut crate::api::InputEntry {
        &mut self.spec.request.as_mut().unwrap().input.as_mut().unwrap()[0]
    }
}

/// A slash begins another segment, and a plus makes a parameter greedy.
fn of_one_segment(text: &str) -> String {
    text.replace(['/', '+'], "|")
}

type Place = (&'static str, fn(&mut Parts, &str));

/// Where people's words come into a document.
const PLACES: &[Place] = &[
    ("the API's name", |parts, text| parts.valid.name = text.into()),
    ("its description", |parts, text| parts.valid.description = text.into()),
    ("a VPC endpoint", |parts, text| _ = parts.valid.settings.vpc_endpoint_ids.insert(text.into())),
    ("a media type", |parts, text| _ = parts.valid.settings.binary_media_types.insert(text.into())),
    ("a stage", |parts, text| parts.valid.stages[0].name = text.into()),
    ("a path", |parts, text| parts.at.path = format!("/orders/a{}z", of_one_segment(text))),
    ("a path parameter", |parts, text| parts.at.path = format!("/orders/{{a{}z}}", of_one_segment(text))),
    ("an operation", |parts, text| parts.method.operation_name = text.into()),
    ("a validator", |parts, text| parts.method.validator = Some(text.into())),
    ("a required header", |parts, text| {
        parts.method.parameters.insert(format!("method.request.header.{text}"), true);
    }),
    ("a required query parameter", |parts, text| {
        parts.method.parameters.insert(format!("method.request.querystring.{text}"), true);
    }),
    ("a header of the mapping", |parts, text| parts.input().header = Some(text.into())),
    ("a query parameter of the mapping", |parts, text| parts.input().query = Some(text.into())),
    ("a content type", |parts, text| {
        parts.spec.request.as_mut().unwrap().input = None;
        parts.spec.request.as_mut().unwrap().content_types = Some(vec![text.into()]);
    }),
    ("a body's model", |parts, text| _ = parts.method.models.insert(text.into(), text.into())),
    ("a response's status", |parts, text| {
        parts.method.responses.insert(text.into(), MethodResponse::default());
    }),
    ("a response's header and model", |parts, text| {
        let response = MethodResponse {
            headers: [response_header(text)].into(),
            models: [(text.to_owned(), text.to_owned())].into(),
        };
        parts.method.responses.insert("418".into(), response);
    }),
    ("a URI", |parts, text| parts.integration().uri = Some(text.into())),
    ("a role", |parts, text| parts.integration().credentials = Some(text.into())),
    ("a mapped parameter", |parts, text| _ = parts.integration().parameters.insert(text.into(), text.into())),
    ("a template", |parts, text| _ = parts.integration().templates.insert(text.into(), text.into())),
    ("a selection pattern", |parts, text| parts.answers(|one| one.selection_pattern = Some(text.into()))),
    ("a mapped header", |parts, text| parts.answers(|one| _ = one.headers.insert(text.into(), text.into()))),
    ("an answer's template", |parts, text| parts.answers(|one| _ = one.templates.insert(text.into(), text.into()))),
    ("an authorizer", |parts, text| parts.authorized(text, |_| ())),
    ("a scope", |parts, text| {
        parts.authorized("jwt", |_| ());
        parts.method.scopes.insert(text.into());
    }),
    ("an authorizer's URI", |parts, text| parts.authorized("jwt", |one| one.uri = Some(text.into()))),
    ("an authorizer's expression", |parts, text| {
        parts.authorized("jwt", |one| one.validation_expression = Some(text.into()));
    }),
    ("an authorizer's header", |parts, text| {
        parts.authorized("jwt", |one| one.identity_sources = [format!("method.request.header.{text}")].into());
    }),
    ("a user pool", |parts, text| parts.authorized("jwt", |one| _ = one.provider_arns.insert(text.into()))),
    ("a gateway response", |parts, text| parts.gateway_response(text, |one| one.status = Some(text.into()))),
    ("a gateway response's header", |parts, text| {
        parts.gateway_response("DEFAULT_4XX", |one| _ = one.parameters.insert(text.into(), text.into()));
    }),
    ("a gateway response's body", |parts, text| {
        parts.gateway_response("DEFAULT_4XX", |one| _ = one.templates.insert(text.into(), text.into()));
    }),
    ("a model", |parts, text| _ = parts.valid.models.insert(text.into(), json!({"type": "object"}))),
    ("a model's text", |parts, text| {
        let other = format!("#/models/{text}");
        let mut schema = json!({"title": text, "enum": [text], "items": {"$ref": other}, "required": [text]});
        schema["properties"][text] = json!({"type": "string", "description": text});
        parts.valid.models.insert("Order".into(), schema);
    }),
];

/// The same with another word, in keys and texts.
fn with_word(value: &Value, word: &str) -> Value {
    let text = |text: &str| text.replace(HARMLESS, word);
    match value {
        Value::String(old) => Value::String(text(old)),
        Value::Array(items) => items.iter().map(|item| with_word(item, word)).collect(),
        Value::Object(members) => members.iter().map(|(key, value)| (text(key), with_word(value, word))).collect(),
        other => other.clone(),
    }
}

/// What is printed with a word is what is printed with a harmless one, but for the word.
fn stays_in_its_place(parts: &Parts, (name, put): Place, word: &str) {
    let with = |word: &str| {
        let mut parts = parts.clone();
        put(&mut parts, word);
        parts
    };
    for extensions in [true, false] {
        let harmless = with(HARMLESS).document(extensions);
        // Not all is for readers.
        assert!(!extensions || harmless.to_string().contains(HARMLESS), "{name} is not in the document");
        let shown = if name.contains("path") { of_one_segment(word) } else { word.to_owned() };
        let expected = with_word(&harmless, &shown);
        let document = with(word).document(extensions);
        // As `-o openapi` prints it, and `-o text` what it is part of.
        let json: Value = serde_json::from_str(&format!("{document:#}")).unwrap();
        assert!(json == expected, "{name}: {word:?}: {json:#} is not {expected:#}");
        let yaml: Value = serde_saphyr::from_str(&serde_saphyr::to_string(&document).unwrap())
            .unwrap_or_else(|error| panic!("{name}: {word:?}: {error}"));
        assert!(yaml == expected, "{name}: {word:?}, as YAML: {yaml:#} is not {expected:#}");
    }
}

#[test]
fn no_word_leaves_its_place_in_a_document() {
    let parts = Parts::new();
    for place in PLACES {
        for word in HOSTILE {
            stays_in_its_place(&parts, *place, word);
        }
    }
}

proptest! {
    #[test]
    fn nor_does_any_other(place in 0..PLACES.len(), word in "x?-?[\\PC\\p{C}\"\\\\{}$#&*:\n]{1,12}") {
        stays_in_its_place(&Parts::new(), PLACES[place], &word);
    }
}
