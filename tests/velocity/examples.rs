//! Every template of every example, as `stepgate render` prints it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

use crate::harness::{Call, assert_safe_request, evaluate, hostile_calls, hostile_cases, needs_velocity};

/// An API of an example.
struct Api {
    example: String,
    /// `verb /path` and the operation.
    operations: Vec<(String, Value)>,
    /// Variables by stage.
    stages: BTreeMap<String, BTreeMap<String, String>>,
    /// The ARNs of the example's machines.
    machines: BTreeSet<String>,
}

fn apis() -> Vec<Api> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let folders = std::fs::read_dir(root.join("examples")).unwrap().map(|entry| entry.unwrap().path());
    let mut folders: Vec<_> = folders.filter(|path| path.join("demo").is_dir()).collect();
    folders.sort();
    folders.iter().flat_map(|folder| apis_of(root, folder)).collect()
}

fn apis_of(root: &Path, folder: &Path) -> Vec<Api> {
    let mut render = Command::new(env!("CARGO_BIN_EXE_stepgate"));
    let output = render.args(["render", "-o", "json"]).arg(root.join("examples/awsaccount.yaml")).arg(folder).output();
    let output = output.unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let objects: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let machines = objects.iter().filter_map(|object| object["desired"]["stateMachineArn"].as_str().map(str::to_owned));
    let machines: BTreeSet<String> = machines.collect();
    let apis = objects.iter().filter(|object| object["resource"] == "REST API");
    apis.map(|api| {
        let paths = api["desired"]["openapi"]["paths"].as_object().unwrap().iter();
        let stages = api["desired"]["stages"].as_array().unwrap().iter();
        Api {
            example: folder.file_name().unwrap().to_str().unwrap().to_owned(),
            operations: paths
                .flat_map(|(path, verbs)| verbs.as_object().unwrap().iter().map(move |it| (path, it)))
                .map(|(path, (verb, operation))| (format!("{verb} {path}"), operation.clone()))
                .collect(),
            stages: stages
                .map(|stage| {
                    let variables = serde_json::from_value(stage["variables"].clone()).unwrap();
                    (stage["name"].as_str().unwrap().to_owned(), variables)
                })
                .collect(),
            machines: machines.clone(),
        }
    })
    .collect()
}

fn texts(value: &Value) -> BTreeMap<String, String> {
    serde_json::from_value(value.clone()).unwrap()
}

/// The path's parameters, and the words that a template looks up elsewhere.
fn parameters(at: &str) -> Vec<&str> {
    at.split('/').filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.trim_end_matches('+'))).collect()
}

/// Names that any template might look for.
const NAMES: [&str; 6] = ["item_id", "name", "id", "limit", "after", "stateMachineArn"];

/// Hostile calls on a stage.
fn calls<'a>(api: &'a Api, at: &'a str) -> impl Iterator<Item = (&'a str, Call)> {
    api.stages.iter().flat_map(move |(stage, variables)| {
        let calls = hostile_calls(&NAMES, &parameters(at), &NAMES, &NAMES);
        calls.into_iter().map(move |call| {
            let call = call.context(json!({"stage": stage, "requestId": "r-1", "identity": {"sourceIp": "192.0.2.1"}}));
            (stage.as_str(), Call { stage_variables: variables.clone(), ..call })
        })
    })
}

#[test]
fn every_request_is_one_of_its_own_machines_and_nothing_else() {
    needs_velocity!();
    let mut templates = 0;
    for api in apis() {
        let machines: Vec<&str> = api.machines.iter().map(String::as_str).collect();
        for (at, operation) in &api.operations {
            let integration = &operation["x-amazon-apigateway-integration"];
            // A preflight calls nothing; what answers a task names no machine (requests.rs).
            let of_no_machine = |template: &str| integration["type"] == "mock" || template.contains("taskToken");
            for (content_type, template) in texts(&integration["requestTemplates"]) {
                if of_no_machine(&template) {
                    assert_eq!(api.example, "orders-api");
                    continue;
                }
                let place = format!("{} {at} {content_type}", api.example);
                templates += 1;
                let client_names_the_machine =
                    !template.contains("stateMachineArn") && !template.contains("executionArn");
                if client_names_the_machine {
                    assert_eq!(api.example, "client-names-machine", "{place}");
                    continue;
                }
                let mut answered = 0;
                let mut keys = BTreeSet::new();
                for (stage, call) in calls(&api, at) {
                    // Where a raw template gets a body that is no JSON, API Gateway answers with an error of its own.
                    let Ok(answer) = evaluate(&template, &call) else { continue };
                    answered += 1;
                    assert_safe_request(&answer, &machines);
                    let request = answer.json();
                    keys.extend(request.as_object().unwrap().keys().cloned());
                    if let Some(arn) = request["stateMachineArn"].as_str() {
                        let of_this_stage = api.example != "stage-variables" || arn.ends_with(&format!("-{stage}"));
                        assert!(of_this_stage, "{place} on {stage} calls {arn}");
                    }
                    if let Some(arn) = request["executionArn"].as_str() {
                        let of_ours = |machine: &str| {
                            let executions = machine.replace(":stateMachine:", ":execution:") + ":";
                            arn.starts_with(&executions)
                        };
                        assert!(machines.iter().any(|machine| of_ours(machine)), "{place} asks for {arn}");
                    }
                    if let Some(input) = request["input"].as_str()
                        && operation["x-amazon-apigateway-integration"]["requestTemplates"].as_object().unwrap().len()
                            == 1
                        && !call.body.is_empty()
                        && serde_json::from_str::<Value>(&call.body).is_ok()
                    {
                        serde_json::from_str::<Value>(input)
                            .unwrap_or_else(|error| panic!("{place}: {error}\n{input}"));
                    }
                }
                assert!(answered * 2 >= calls(&api, at).count(), "{place} answered only {answered} calls");
                let known = [
                    vec!["executionArn"],
                    vec!["error", "executionArn"],
                    vec!["input", "stateMachineArn"],
                    vec!["input", "name", "stateMachineArn"],
                ];
                assert!(known.contains(&keys.iter().map(String::as_str).collect()), "{place}: {keys:?}");
            }
        }
    }
    assert!(templates >= 40, "only {templates} templates were found");
}

/// The templates of the seeds' own form, with values of a client's.
#[test]
fn bodies_come_through_as_they_are() {
    needs_velocity!();
    for (example, at) in [
        ("potato", "post /potato"),
        ("stage-variables", "post /execution-raw"),
        ("stage-variables", "post /execution"),
        ("ec2-sync-async", "post /standard-instance"),
    ] {
        let api = apis().into_iter().find(|api| api.example == example).unwrap();
        let (_, operation) = api.operations.iter().find(|(found, _)| found == at).unwrap();
        let templates = texts(&operation["x-amazon-apigateway-integration"]["requestTemplates"]);
        let (stage, variables) = api.stages.first_key_value().unwrap();
        for value in hostile_cases() {
            let body = json!({"id": value, "it's": [1, null, {"a": value}]});
            let call = Call::body(body.to_string()).context(json!({"stage": stage}));
            let call = Call { stage_variables: variables.clone(), ..call };
            let answer = evaluate(templates.values().next().unwrap(), &call).unwrap();
            let input: Value = serde_json::from_str(answer.json()["input"].as_str().unwrap()).unwrap();
            assert_eq!(input, body, "{example} {at}");
        }
    }
}

#[test]
fn structured_inputs_are_the_documents_described() {
    needs_velocity!();
    let input = |example: &str, at: &str, call: &Call| -> Value {
        let api = apis().into_iter().find(|api| api.example == example).unwrap();
        let (_, operation) = api.operations.iter().find(|(found, _)| found == at).unwrap();
        let templates = texts(&operation["x-amazon-apigateway-integration"]["requestTemplates"]);
        let answer = evaluate(&templates["application/json"], call).unwrap();
        serde_json::from_str(answer.json()["input"].as_str().unwrap()).unwrap()
    };
    let call = Call::body("{\"item_id\": \"body\"}").path("item_id", "it's \"1337\"").query("item_id", &["q'\\"]);
    assert_eq!(input("item-api", "post /{item_id}", &call), json!({"item_id": "it's \"1337\""}));
    assert_eq!(input("item-api", "post /items", &call), json!({"item_id": "q'\\"}));
    assert_eq!(input("root-get", "get /", &call), json!({"prefix": "prod"}));
}

#[test]
fn every_response_is_json_and_tells_nobody_s_arn() {
    needs_velocity!();
    let mut seen = 0;
    for api in apis() {
        for (at, operation) in &api.operations {
            // A preflight calls nothing.
            let Some(uri) = operation["x-amazon-apigateway-integration"]["uri"].as_str() else { continue };
            let action = uri.rsplit('/').next().unwrap();
            let answers = operation["x-amazon-apigateway-integration"]["responses"].as_object().unwrap();
            for (pattern, response) in answers {
                for template in texts(&response["responseTemplates"]).values() {
                    seen += 1;
                    for value in hostile_cases() {
                        let machine = api.machines.first().unwrap();
                        let answered = match pattern.as_str() {
                            "default" => json!({
                                "executionArn": format!("{}:n", machine.replace(":stateMachine:", ":execution:")),
                                "stateMachineArn": machine, "status": "SUCCEEDED", "name": "n", "startDate": 1.5,
                                "input": json!({"secret": value}).to_string(), "output": json!({"o": value}).to_string(),
                            }),
                            _ => json!({"__type": "AccessDeniedException", "message": machine}),
                        };
                        let answer = evaluate(template, &Call::body(answered.to_string())).unwrap();
                        let body = answer.json();
                        let text = body.to_string();
                        assert!(!text.contains("secret"), "{} {at}: {text}", api.example);
                        let names_a_machine =
                            text.contains(":stateMachine:") || (text.contains("arn:aws") && action != "StartExecution");
                        assert!(!names_a_machine, "{} {at}: {text}", api.example);
                        if pattern == "default" && ["StartSyncExecution"].contains(&action) {
                            assert_eq!(body, json!({"o": value}), "{} {at}", api.example);
                        }
                    }
                }
            }
        }
    }
    assert!(seen >= 90, "only {seen} templates were found");
}
