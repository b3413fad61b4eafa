//! The same document for those who call the API: with the parameters, bodies and answers that the routes' mappings make,
//! which API Gateway itself does not need to know; and, for readers, without its extensions.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::api::{APIRouteSpec, Action, Method as Verb, RequestSpec, ValueSource};
use crate::resources::model::Models;
use crate::resources::route::{At, Method};
use crate::validate::rest_api::ValidApi;

/// Headers that OpenAPI describes elsewhere: it ignores parameters of these names.
const DESCRIBED_ELSEWHERE: [&str; 3] = ["accept", "authorization", "content-type"];

/// The document of these methods, with the specs of those that are routes.
///
/// Without extensions it is plain OpenAPI 3.0: ANY becomes every method that the path does not have, and a greedy
/// `{name+}` becomes `{name}`, as OpenAPI knows neither.
pub fn document(
    valid: &ValidApi,
    methods: &BTreeMap<At, Method>,
    models: &Models,
    specs: &BTreeMap<At, &APIRouteSpec>,
    extensions: bool,
) -> Value {
    let mut methods = methods.clone();
    if !extensions {
        // What is here for browsers is nobody's to call.
        methods.retain(|at, _| specs.contains_key(at));
    }
    let mut document = super::document(valid, &methods, models);
    document["servers"] = servers(valid);
    let mut schemas: BTreeSet<&'static str> = BTreeSet::new();
    for (at, spec) in specs.iter().filter(|(at, _)| methods.contains_key(*at)) {
        let operation = &mut document["paths"][&at.path][super::verb(&at.method)];
        describe(operation, spec, &mut schemas);
    }
    if !schemas.is_empty() {
        // The RestAPI's models are there already.
        let mut all = document["components"]["schemas"].as_object().cloned().unwrap_or_default();
        for name in schemas {
            all.entry(name).or_insert_with(|| schema(name));
        }
        document["components"]["schemas"] = json!(all);
    }
    if !extensions {
        document["paths"] = plain_paths(document["paths"].take());
        strip(&mut document);
    }
    document
}

/// The API's id is AWS's to give.
fn servers(valid: &ValidApi) -> Value {
    let stages: Vec<&str> = valid.stages.iter().map(|stage| stage.name.as_str()).collect();
    json!([{
        "url": valid.place.invoke_url("{restApiId}", "{stage}"),
        "variables": {
            "restApiId": {"default": "restApiId", "description": "status.restApiId of the RestAPI"},
            "stage": {"default": stages[0], "enum": stages},
        },
    }])
}

/// What the route's mappings take and give.
fn describe(operation: &mut Value, spec: &APIRouteSpec, schemas: &mut BTreeSet<&'static str>) {
    let request = spec.request.clone().unwrap_or_default();
    let parameters = parameters(spec);
    if !parameters.is_empty() {
        let mut all = operation["parameters"].as_array().cloned().unwrap_or_default();
        let same = |one: &Value, other: &Value| one["name"] == other["name"] && one["in"] == other["in"];
        for parameter in parameters {
            // A required one is there already.
            match all.iter_mut().find(|other| same(other, &parameter)) {
                Some(other) => other["schema"] = parameter["schema"].clone(),
                None => all.push(parameter),
            }
        }
        operation["parameters"] = json!(all);
    }
    if takes_body(spec) && operation.get("requestBody").is_none() {
        let raw = request.templates.as_ref().map(|templates| templates.keys().cloned().collect());
        let types: Vec<String> = request.content_types.or(raw).unwrap_or_else(|| vec!["application/json".to_owned()]);
        let content: Map<String, Value> = types.into_iter().map(|type_| (type_, json!({"schema": {}}))).collect();
        operation["requestBody"] = json!({"content": content});
    }
    if spec.response.as_ref().is_some_and(|response| response.responses.is_some()) {
        return;
    }
    for (status, meaning, schema) in answers(spec.target.action) {
        let body = match schema {
            Some(name) => {
                schemas.insert(name);
                json!({"$ref": format!("#/components/schemas/{name}")})
            }
            None => json!({}),
        };
        operation["responses"][status]["description"] = json!(meaning);
        operation["responses"][status]["content"] = json!({"application/json": {"schema": body}});
    }
}

/// Parameters of the query string and headers that the mapping reads. None is asked for: an absent one is null.
fn parameters(spec: &APIRouteSpec) -> Vec<Value> {
    let mut named: BTreeSet<(&str, String, bool)> = BTreeSet::new();
    if let Some(request) = &spec.request {
        for entry in request.input.iter().flatten() {
            named.extend(entry.query.clone().map(|name| ("query", name, false)));
            named.extend(entry.query_list.clone().map(|name| ("query", name, true)));
            named.extend(entry.header.iter().chain(&entry.header_list).cloned().map(|name| ("header", name, false)));
        }
        for ValueSource { query, header, .. } in sources(request) {
            named.extend(query.clone().map(|name| ("query", name, false)));
            named.extend(header.clone().map(|name| ("header", name, false)));
        }
    }
    let of_action: &[&str] = match spec.target.action {
        Action::GetExecutionHistory => &["maxResults", "nextToken", "reverseOrder"],
        Action::ListExecutions => &["status", "maxResults", "nextToken"],
        _ => &[],
    };
    named.extend(of_action.iter().map(|name| ("query", (*name).to_owned(), false)));
    // A parameter may be read both as one value and as a list: then it is a list.
    let lists: BTreeSet<String> = named.iter().filter(|(.., list)| *list).map(|(_, name, _)| name.clone()).collect();
    let mut headers: BTreeSet<String> = DESCRIBED_ELSEWHERE.map(str::to_owned).into();
    named.retain(|(place, name, list)| match *place {
        "query" => *list || !lists.contains(name),
        // Header names ignore case.
        _ => headers.insert(name.to_lowercase()),
    });
    named
        .into_iter()
        .map(|(place, name, list)| {
            let text = json!({"type": "string"});
            let schema = if list { json!({"type": "array", "items": text}) } else { text };
            json!({"name": name, "in": place, "required": false, "schema": schema})
        })
        .collect()
}

/// Whether the client's body means something: OpenAPI gives a body to GET, HEAD and DELETE no meaning.
fn takes_body(spec: &APIRouteSpec) -> bool {
    if matches!(spec.method, Verb::Get | Verb::Head | Verb::Delete | Verb::Options | Verb::Any) {
        return false;
    }
    let Some(request) = &spec.request else {
        return spec.target.state_machine_refs.is_some() || starts(spec.target.action);
    };
    let named = sources(request).any(|source| source.body.is_some());
    let read = match &request.input {
        Some(entries) => entries.iter().any(|entry| entry.body.is_some()),
        None => starts(spec.target.action),
    };
    named || read || request.templates.is_some() || spec.target.state_machine_refs.is_some()
}

/// The single values that a mapping takes.
fn sources(request: &RequestSpec) -> impl Iterator<Item = &ValueSource> {
    let RequestSpec { execution_name, task_token, error, cause, trace_header, .. } = request;
    [execution_name, task_token, error, cause, trace_header].into_iter().flatten()
}

/// Whether the whole body is the input, where the mapping says nothing.
fn starts(action: Action) -> bool {
    matches!(action, Action::StartExecution | Action::StartSyncExecution | Action::SendTaskSuccess)
}

/// An answer: its status, what it means, and the schema of its body.
type Answer = (&'static str, &'static str, Option<&'static str>);

/// The default answers of an action, whose templates set more statuses than the method declares: see
/// [`default_responses`](crate::mapping::default_responses).
fn answers(action: Action) -> Vec<Answer> {
    let (error, failure) = (Some("Error"), Some("Failure"));
    let not_set_up = ("500", "The route is not set up right", error);
    let there = ("404", "There is no such execution", error);
    let of_action: Vec<Answer> = match action {
        // It has the one that the route says.
        Action::Mock => return Vec::new(),
        Action::StartExecution => vec![
            ("202", "Started", Some("Started")),
            ("409", "An execution of this name is there already", error),
            ("413", "The input is too long", error),
            not_set_up,
        ],
        Action::StartSyncExecution => vec![
            ("200", "The execution's output", None),
            ("413", "The input is too long", error),
            ("500", "The execution failed, or the route is not set up right", failure),
            ("504", "The execution timed out", failure),
        ],
        Action::DescribeExecution => vec![("200", "The execution", Some("Execution")), there, not_set_up],
        Action::StopExecution => vec![("200", "Stopped", Some("Stopped")), there, not_set_up],
        Action::GetExecutionHistory => vec![("200", "What happened", Some("History")), there, not_set_up],
        Action::ListExecutions => vec![("200", "Executions", Some("Executions")), not_set_up],
        Action::SendTaskSuccess | Action::SendTaskFailure | Action::SendTaskHeartbeat => vec![
            ("200", "Taken", None),
            ("404", "There is no such task", error),
            ("410", "The task has ended", error),
            not_set_up,
        ],
    };
    let of_all: [Answer; 3] = [
        ("400", "The request is not valid", error),
        ("429", "Too many requests", error),
        ("502", "Step Functions failed", error),
    ];
    of_action.into_iter().chain(of_all).collect()
}

fn schema(name: &str) -> Value {
    let text = || json!({"type": "string"});
    let time = || json!({"type": "number", "description": "Seconds since 1970-01-01"});
    match name {
        "Started" => json!({
            "type": "object",
            "required": ["executionArn", "name", "startDate"],
            "properties": {"executionArn": text(), "name": text(), "startDate": time()},
        }),
        "Execution" => json!({
            "type": "object",
            "required": ["name", "status", "startDate"],
            "properties": {
                "name": text(),
                "status": {"type": "string", "enum": ["RUNNING", "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED", "PENDING_REDRIVE"]},
                "startDate": time(),
                "stopDate": time(),
                "output": {},
                "error": text(),
                "cause": text(),
            },
        }),
        "History" => json!({
            "type": "object",
            "required": ["events"],
            "properties": {
                "events": {"type": "array", "items": {
                    "type": "object",
                    "required": ["id", "type", "timestamp"],
                    "properties": {
                        "id": {"type": "integer", "format": "int64"},
                        "type": text(),
                        "timestamp": time(),
                        "state": text(),
                        "error": text(),
                        "cause": text(),
                    },
                }},
                "nextToken": text(),
            },
        }),
        "Executions" => json!({
            "type": "object",
            "required": ["executions"],
            "properties": {
                "executions": {"type": "array", "items": {
                    "type": "object",
                    "required": ["name", "status", "startDate"],
                    "properties": {"name": text(), "status": text(), "startDate": time(), "stopDate": time()},
                }},
                "nextToken": text(),
            },
        }),
        "Stopped" => json!({"type": "object", "required": ["stopDate"], "properties": {"stopDate": time()}}),
        "Failure" => json!({
            "type": "object",
            "properties": {
                "error": {"type": "string", "nullable": true},
                "cause": {"type": "string", "nullable": true},
            },
        }),
        _ => json!({
            "type": "object",
            "required": ["error"],
            "properties": {"error": text(), "message": text()},
        }),
    }
}

/// Paths with methods and parameters that OpenAPI knows.
fn plain_paths(paths: Value) -> Value {
    let Value::Object(paths) = paths else { return paths };
    let plain = paths.into_iter().map(|(path, mut methods)| {
        let any = methods.as_object_mut().and_then(|methods| methods.shift_remove("x-amazon-apigateway-any-method"));
        if let Some(any) = any {
            for verb in ["get", "put", "post", "delete", "options", "head", "patch"] {
                if methods.get(verb).is_none() {
                    let mut operation = any.clone();
                    let id = any["operationId"].as_str().unwrap_or_default();
                    operation["operationId"] = json!(format!("{id}_{verb}"));
                    methods[verb] = operation;
                }
            }
        }
        (path.replace("+}", "}"), methods)
    });
    Value::Object(plain.collect())
}

/// Without API Gateway's extensions. People's own names may begin with `x-` too: headers, authorizers, properties of models.
fn strip(document: &mut Value) {
    fn members(value: Option<&mut Value>) -> impl Iterator<Item = &mut Value> {
        value.and_then(Value::as_object_mut).into_iter().flat_map(Map::values_mut)
    }
    let strip = |value: &mut Value| {
        value.as_object_mut().into_iter().for_each(|members| members.retain(|name, _| !name.starts_with("x-")));
    };
    strip(document);
    members(document.pointer_mut("/components/securitySchemes")).for_each(strip);
    members(document.get_mut("paths")).flat_map(|path| members(Some(path))).for_each(strip);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::validate::fixture::{api, machine, route, the_api, the_route, with, world};
    use crate::validate::{rest_api, route as routes};

    /// The document of routes at these places, each changed by a patch.
    fn rendered(all: &[(&str, &str)], extensions: bool) -> Value {
        let manifests =
            all.iter().enumerate().map(|(index, (at, patch))| with(&route(&format!("demo/r{index}"), at, "m"), patch));
        let world = world(
            &[api("{stages: [{name: dev}, {name: prod}]}"), machine("demo/m", "STANDARD")]
                .into_iter()
                .chain(manifests)
                .collect::<String>(),
        );
        let api = the_api(&world);
        let valid = rest_api::validate(&world, &api).unwrap();
        let objects: Vec<_> = (0..all.len()).map(|index| the_route(&world, &format!("demo/r{index}"))).collect();
        let valid_route = |route| routes::validate(&world, &api, &valid, route).unwrap();
        let methods = objects.iter().map(|route| valid_route(route)).map(|route| (route.at, route.method)).collect();
        let specs = objects.iter().map(|route| (At::of(&route.spec), &route.spec)).collect();
        document(&valid, &methods, &valid.models, &specs, extensions)
    }

    #[test]
    fn a_document_tells_what_the_mapping_reads_and_answers() {
        let input = "{spec: {request: {input: [{to: /a, body: /a}, {to: /q, query: q}, {to: /l, queryList: q}, {to: /h, header: X-H}], executionName: {header: x-h}}}}";
        let document = rendered(&[("POST /orders/{id}", input)], true);
        let operation = &document["paths"]["/orders/{id}"]["post"];
        let parameters: Vec<String> = operation["parameters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| format!("{} {} {}", one["in"], one["name"], one["schema"]["type"]))
            .collect();
        assert_eq!(
            parameters,
            ["\"path\" \"id\" \"string\"", "\"header\" \"X-H\" \"string\"", "\"query\" \"q\" \"array\""]
        );
        assert!(operation["requestBody"]["content"]["application/json"].is_object());
        assert_eq!(
            operation["responses"]["202"]["content"]["application/json"]["schema"]["$ref"],
            "#/components/schemas/Started"
        );
        assert!(operation["responses"]["429"].is_object());
        assert_eq!(document["servers"][0]["variables"]["stage"]["enum"], json!(["dev", "prod"]));
        assert_eq!(document["servers"][0]["url"], "https://{restApiId}.execute-api.eu-central-1.amazonaws.com/{stage}");
    }

    #[test]
    fn without_extensions_nothing_of_api_gateway_is_left() {
        let document = rendered(&[("ANY /files/{proxy+}", "{}"), ("GET /files/{proxy+}", "{}")], false);
        assert!(!document.to_string().contains("x-amazon"), "{document:#}");
        let path = document["paths"]["/files/{proxy}"].as_object().unwrap();
        let ids: BTreeSet<&str> = path.values().map(|one| one["operationId"].as_str().unwrap()).collect();
        assert_eq!(path.len(), 7);
        assert_eq!(ids.len(), 7, "{ids:?}");
        assert_eq!(path["get"]["operationId"], "demo_r1");
    }
}
