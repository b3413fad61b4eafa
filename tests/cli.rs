//! The command line, as its user sees it: what it prints, and how it exits.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

/// What a run of `stepgate` left.
struct Run {
    code: i32,
    out: String,
    err: String,
}

fn stepgate(arguments: &[&str], input: &str) -> Run {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .args(arguments)
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env_remove("STEPGATE_CLUSTER_NAME")
        .env("KUBECONFIG", "/nonexistent")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    Run { code: output.status.code().unwrap(), out: text(output.stdout), err: text(output.stderr) }
}

fn render(example: &str) -> Vec<Value> {
    let run = stepgate(&["render", "-o", "json", "examples/awsaccount.yaml", &format!("examples/{example}")], "");
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{example}");
    serde_json::from_str(&run.out).unwrap()
}

fn examples() -> Vec<String> {
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("examples")).unwrap();
    let folders = folders.map(|entry| entry.unwrap().path()).filter(|path| path.join("demo").is_dir());
    let mut names: Vec<String> = folders.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
    names.sort();
    names
}

/// The operations of every API: `METHOD /path` and the operation.
fn operations(objects: &[Value]) -> Vec<(String, Value)> {
    let documents = objects.iter().filter_map(|object| object["desired"]["openapi"]["paths"].as_object());
    let paths = documents.flat_map(|paths| paths.iter());
    let verbs = paths.flat_map(|(path, verbs)| {
        verbs.as_object().unwrap().iter().map(move |(verb, operation)| (format!("{verb} {path}"), operation.clone()))
    });
    verbs.collect()
}

#[test]
fn every_example_renders_with_all_that_it_needs() {
    let counts: BTreeMap<String, [usize; 5]> = examples()
        .into_iter()
        .map(|example| {
            let objects = render(&example);
            let of = |kind: &str| objects.iter().filter(|object| object["resource"] == kind).count();
            let counts = [of("role"), of("state machine"), of("REST API")];
            let others = objects.len() - counts.iter().sum::<usize>();
            let [roles, machines, apis] = counts;
            (example, [roles, machines, apis, operations(&objects).len(), others])
        })
        .collect();
    let expected = [
        ("client-names-machine", [4, 2, 1, 2, 0]),
        ("ec2-sync-async", [3, 2, 1, 3, 0]),
        ("hello-world", [0, 1, 0, 0, 0]),
        ("item-api", [2, 1, 1, 2, 0]),
        // A domain name, a usage plan and a key.
        ("orders-api", [4, 2, 1, 11, 3]),
        ("potato", [1, 1, 1, 1, 0]),
        ("reddit-api", [4, 2, 1, 31, 0]),
        ("root-get", [2, 1, 1, 1, 0]),
        ("stage-variables", [5, 3, 1, 2, 0]),
    ];
    assert_eq!(
        counts,
        expected.map(|(name, counts)| (name.to_owned(), counts)).into(),
        "roles, machines, APIs, methods, others"
    );
}

fn openapi(arguments: &[&str]) -> Value {
    let run = stepgate(&[&["render", "-o", "openapi"], arguments].concat(), "");
    assert_eq!((run.code, run.err.as_str()), (0, ""), "{arguments:?}");
    serde_json::from_str(&run.out).unwrap()
}

/// That the documents are OpenAPI is checked by hand with PyPI's openapi-spec-validator.
#[test]
fn every_example_is_a_plain_openapi_document_without_extensions() {
    let extension = regex::Regex::new("\"x-[^\"]*\":").unwrap();
    let reference = regex::Regex::new("#/components/schemas/([^\"]+)").unwrap();
    for example in examples().into_iter().filter(|example| example != "hello-world") {
        let folder = format!("examples/{example}");
        let document = openapi(&["--no-extensions", "examples/awsaccount.yaml", &folder]);
        assert!(!extension.is_match(&document.to_string()), "{example}");
        let mut ids = std::collections::BTreeSet::new();
        for (path, operations) in document["paths"].as_object().unwrap() {
            assert!(!path.contains('+'), "{path}");
            for operation in operations.as_object().unwrap().values() {
                assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{operation}");
                assert!(operation["responses"].as_object().is_some_and(|all| !all.is_empty()), "{operation}");
            }
        }
        let with = openapi(&["examples/awsaccount.yaml", &folder]);
        for document in [&document, &with] {
            for named in reference.captures_iter(&document.to_string()) {
                assert!(document["components"]["schemas"][&named[1]].is_object(), "{example}: {}", &named[0]);
            }
        }
        assert_eq!(with["paths"].as_object().unwrap().len(), document["paths"].as_object().unwrap().len(), "{example}");
    }
}

/// Where some bodies are bytes, the document says that answers are text, as the operator does.
#[test]
fn an_openapi_document_says_what_is_text() {
    let manifests = std::fs::read_to_string("examples/root-get/root-get.yaml").unwrap();
    let binary = manifests.replace("stages: [{name: prod}]", "stages: [{name: prod}]\n  binaryMediaTypes: [image/png]");
    let (own, _) = binary.split_once("  response:\n").unwrap();
    let account = std::fs::read_to_string("examples/awsaccount.yaml").unwrap();
    let namespace = std::fs::read_to_string("examples/root-get/00-namespace.yaml").unwrap();
    let run = stepgate(&["render", "-o", "openapi", "-"], &[account.as_str(), &namespace, own].join("\n---\n"));
    assert_eq!(run.code, 0, "{}", run.err);
    let document: Value = serde_json::from_str(&run.out).unwrap();
    let answers = &document["paths"]["/"]["get"]["x-amazon-apigateway-integration"]["responses"];
    let answers: Vec<&Value> = answers.as_object().unwrap().values().collect();
    assert!(
        !answers.is_empty() && answers.iter().all(|answer| answer["contentHandling"] == "CONVERT_TO_TEXT"),
        "{answers:?}"
    );
}

#[test]
fn of_several_apis_one_is_chosen() {
    let both = ["examples/awsaccount.yaml", "examples/potato", "examples/root-get"];
    let run = stepgate(&[&["render", "-o", "openapi"], &both[..]].concat(), "");
    assert_eq!(run.code, 1);
    let apis = run.err.trim().strip_prefix("error: there are several RestAPIs; choose one with --api: ").unwrap();
    let one = apis.split(", ").next().unwrap();
    let document = openapi(&[&["--api", one], &both[..]].concat());
    assert_eq!(document["info"]["title"], one.replace('/', "_"));
    let run = stepgate(&[&["render", "-o", "openapi", "--api", "no/such"], &both[..]].concat(), "");
    assert_eq!(run.err, "error: --api: this RestAPI is not among the manifests\n");
}

#[test]
fn every_rendered_operation_is_whole() {
    let mut seen = 0;
    for example in examples() {
        let objects = render(&example);
        // A preflight calls nothing.
        let calls = || operations(&objects).into_iter().filter(|(at, _)| !at.starts_with("options "));
        for (at, operation) in calls() {
            let path = at.split_once(' ').unwrap().1;
            assert!(path.starts_with('/'), "{at}");
            let parameters: Vec<&str> = path
                .split('/')
                .filter_map(|part| Some(part.strip_prefix('{')?.strip_suffix('}')?.trim_end_matches('+')))
                .collect();
            let declared: Vec<&str> = operation["parameters"]
                .as_array()
                .map(|all| all.iter().filter(|parameter| parameter["in"] == "path"))
                .map(|all| all.map(|parameter| parameter["name"].as_str().unwrap()).collect())
                .unwrap_or_default();
            assert_eq!(declared, parameters, "{at}");

            let integration = &operation["x-amazon-apigateway-integration"];
            assert_eq!((&integration["type"], &integration["httpMethod"]), (&"aws".into(), &"POST".into()), "{at}");
            assert_eq!(integration["passthroughBehavior"], "never", "{at}");
            let text = |name: &str| integration[name].as_str().unwrap_or_else(|| panic!("{at} has no {name}"));
            assert!(text("uri").starts_with("arn:aws:apigateway:us-east-1:states:action/"), "{at}");
            assert!(text("credentials").starts_with("arn:aws:iam::111122223333:role/"), "{at}");
            assert!(!integration["requestTemplates"].as_object().unwrap().is_empty(), "{at}");

            let answers = integration["responses"].as_object().unwrap();
            assert!(answers.contains_key("default"), "{at}");
            for answer in answers.values() {
                let status = answer["statusCode"].as_str().unwrap();
                assert!(operation["responses"].get(status).is_some(), "{at}: {status} is not declared");
            }
            seen += 1;
        }
        // What calls with a role made here calls with one that is among the roles.
        let made: Vec<&str> = objects.iter().filter_map(|object| object["desired"]["arn"].as_str()).collect();
        for (at, operation) in calls() {
            let role = operation["x-amazon-apigateway-integration"]["credentials"].as_str().unwrap();
            assert!(made.contains(&role) || !role.contains("/stepgate/"), "{at} calls with {role}");
        }
    }
    assert_eq!(seen, 48);
}

#[test]
fn potato_in_text() {
    let run = stepgate(&["render", "examples/awsaccount.yaml", "examples/potato"], "");
    assert_eq!(run.code, 0, "{}", run.err);
    insta::assert_snapshot!("potato", run.out);
}

#[test]
fn root_get_as_openapi() {
    let api = render("root-get").into_iter().find(|object| object["resource"] == "REST API").unwrap();
    insta::assert_json_snapshot!("root-get", api["desired"]["openapi"]);
}

#[test]
fn a_domain_is_rendered_with_the_base_paths_of_the_manifests_apis() {
    let page = std::fs::read_to_string("docs/domains.md").unwrap();
    let manifests = page.split("```yaml\n").nth(1).unwrap().split("```").next().unwrap();
    let account = "{apiVersion: stepgate.dev/v1alpha1, kind: AWSAccount, metadata: {name: a}, spec: {accountId: '111122223333', regions: [{name: eu-central-1}], tenants: [{name: t, namespaces: {from: All}, exposure: {authorizations: [NONE], domains: ['*.shop.example.com']}}]}}";
    let run = stepgate(&["render", "-o", "json", "-"], &format!("{account}\n---\n{manifests}"));
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let objects: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    let domain = objects.iter().find(|object| object["resource"] == "domain name").unwrap();
    assert_eq!(domain["object"], "APIDomain default/shop");
    let desired = &domain["desired"];
    assert_eq!(
        desired["basePathMappings"],
        serde_json::json!([{"basePath": "/orders", "restApi": "default/orders", "stage": "prod"}])
    );
    assert_eq!(
        (&desired["domainName"], &desired["settings"]["endpoint"]),
        (&"api.shop.example.com".into(), &"REGIONAL".into())
    );
}

const ROUTE: &str = "examples/potato/route.yaml";
const ACCOUNT: &str = "examples/awsaccount.yaml";

#[rstest::rstest]
#[case::no_file(&["render", "nowhere.yaml"], "", "error: nowhere.yaml: No such file or directory (os error 2)\n")]
#[case::no_api(&["render", ACCOUNT, ROUTE], "", "error: APIRoute potato/potato: spec.apiRef: RestAPI potato/foo-api is not among the manifests\n")]
#[case::unknown_kind(&["render", "-"], "{apiVersion: stepgate.dev/v1alpha1, kind: RestApi}", "error: standard input: stepgate.dev has no kind RestApi\n")]
#[case::missing_field(&["render", "-"], "{apiVersion: stepgate.dev/v1alpha1, kind: RestAPI, metadata: {name: a}, spec: {}}", "error: standard input: RestAPI a: missing field `stages`\n")]
#[case::unknown_field(&["lint", "-"], "{apiVersion: stepgate.dev/v1alpha1, kind: StateMachine, metadata: {name: a}, spec: {loging: {}}}", "error: standard input: StateMachine a: spec.loging: there is no such field; did you mean `logging`?\n")]
#[case::no_account(&["render", "examples/root-get/root-get.yaml"], "", "\
error: StateMachine root-get/machine: there is no AWSAccount; the platform admin must create one with a tenant for this namespace
error: RestAPI root-get/endpoint: there is no AWSAccount; the platform admin must create one with a tenant for this namespace
")]
fn an_error_is_one_sentence_and_exit_code_1(#[case] arguments: &[&str], #[case] input: &str, #[case] error: &str) {
    let run = stepgate(arguments, input);
    assert_eq!((run.code, run.err.as_str()), (1, error));
}

/// As `stepgate crds | head -1` does.
#[test]
fn a_reader_that_has_seen_enough_ends_it_quietly() {
    let mut child = Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .arg("crds")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(0), &b""[..]));
}

#[test]
fn yaml_that_can_not_be_read_names_its_place() {
    let run = stepgate(&["render", "-"], "kind: RestAPI\nmetadata: {name: [a\n");
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: standard input: ") && run.err.contains("line "), "{}", run.err);
    assert!(!run.err.contains("Error {"), "{}", run.err);
}

#[test]
fn what_can_be_rendered_is_rendered_beside_an_error() {
    let machine = "examples/potato/orchestrator.yaml";
    let run = stepgate(&["render", "-o", "json", ACCOUNT, machine, ROUTE], "");
    assert_eq!(run.code, 1);
    let objects: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    assert_eq!(objects.iter().filter(|object| object["resource"] == "state machine").count(), 1);
}

#[test]
fn others_kinds_and_lists_are_read_as_kubectl_reads_them() {
    let list = r#"
apiVersion: v1
kind: List
items:
- {apiVersion: v1, kind: Secret, metadata: {name: none-of-ours}}
- apiVersion: stepgate.dev/v1alpha1
  kind: AWSAccount
  metadata: {name: a}
  spec: {accountId: '111122223333', regions: [{name: eu-central-1}], tenants: [{name: all, namespaces: {from: All}}]}
- apiVersion: stepgate.dev/v1alpha1
  kind: StateMachine
  metadata: {name: m}
  spec: {type: EXPRESS, definition: '{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}'}
"#;
    let run = stepgate(&["render", "--cluster-name", "here", "-o", "json", "-"], list);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let objects: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    let machine = &objects.last().unwrap()["desired"];
    assert_eq!(machine["stateMachineArn"], "arn:aws:states:eu-central-1:111122223333:stateMachine:default_m");
    assert_eq!(machine["tags"]["stepgate.dev/cluster"], "here");
    let elsewhere = stepgate(&["render", "--cluster-name", "there", "-o", "json", "-"], list);
    let elsewhere: Vec<Value> = serde_json::from_str(&elsewhere.out).unwrap();
    assert_ne!(elsewhere[0]["desired"]["name"], objects[0]["desired"]["name"], "clusters can share an account");
}

#[rstest::rstest]
#[case(&[])]
#[case(&["render"])]
#[case(&["plan"])]
#[case(&["policy"])]
#[case(&["policy", "--partition", "mars", "-"])]
#[case(&["frobnicate"])]
#[case(&["render", "-o", "xml", "-"])]
#[case(&["crds", "nothings.stepgate.dev"])]
#[case(&["run", "--resync-period", "soon"])]
#[case(&["run", "--cluster-name", "a b"])]
fn wrong_usage_is_exit_code_64(#[case] arguments: &[&str]) {
    let run = stepgate(arguments, "");
    assert_eq!(run.code, 64, "{}", run.err);
    assert!(run.out.is_empty() && !run.err.is_empty());
}

#[test]
fn the_policy_of_an_example_with_its_reasons() {
    let run = stepgate(&["policy", "--explain", ACCOUNT, "examples/ec2-sync-async"], "");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    insta::assert_snapshot!("policy-ec2", run.out);
}

#[test]
fn the_policy_of_a_raw_definition_as_json() {
    let definition = r#"{"QueryLanguage": "JSONata", "StartAt": "Store", "States": {
        "Store": {"Type": "Task", "Resource": "arn:aws:states:::dynamodb:putItem", "Next": "Call",
            "Arguments": {"TableName": "orders", "Item": "{% $states.input %}"}},
        "Call": {"Type": "Task", "Resource": "arn:aws:states:::lambda:invoke", "End": true,
            "Arguments": {"FunctionName": "{% $states.input.f %}"}}}}"#;
    let place = ["--account", "111122223333", "--region", "cn-north-1", "--name", "store"];
    let run = stepgate(&[&["policy", "-o", "json", "--explain"], &place[..], &["-"]].concat(), definition);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let found: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    let [one] = &found[..] else { panic!("{found:?}") };
    assert_eq!((&one["file"], &one["object"]), (&"standard input".into(), &Value::Null));
    let table = "arn:aws-cn:dynamodb:cn-north-1:111122223333:table/orders";
    assert_eq!(
        one["policy"]["Statement"],
        serde_json::json!([{"Effect": "Allow", "Action": "dynamodb:PutItem", "Resource": table}])
    );
    assert_eq!(one["states"], serde_json::json!([[{"name": "Store", "path": "/States/Store"}]]));
    let unknown = &one["unknown"][0];
    assert_eq!((&unknown["state"], &unknown["path"]), (&"Call".into(), &"/States/Call".into()));
    assert_eq!(unknown["statement"]["Action"], "lambda:InvokeFunction");
    assert!(unknown["message"].as_str().unwrap().contains("whose name only an execution knows"));
}

#[test]
fn what_policy_can_not_read_is_one_sentence() {
    let run = stepgate(&["policy", "-"], r#"{"StartAt": "A", "States": {"A": {"Type": "Task", "Type": "Pass"}}}"#);
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: standard input"), "{}", run.err);
    let machine = r#"{apiVersion: stepgate.dev/v1alpha1, kind: StateMachine, metadata: {name: m}, spec: {type: EXPRESS,
        definition: '{"StartAt": "B", "States": {"A": {"Type": "Succeed"}}}'}}"#;
    let run = stepgate(&["policy", "-"], machine);
    assert_eq!(run.code, 1);
    assert!(
        run.err.starts_with("error: standard input: StateMachine default/m: spec.definition, line 1"),
        "{}",
        run.err
    );
}

#[test]
fn a_plan_needs_a_cluster_and_says_so() {
    let run = stepgate(&["plan", "examples/potato"], "");
    assert_eq!(run.code, 1);
    assert!(run.err.starts_with("error: there is no cluster to read from"), "{}", run.err);
}

/// The manifests of a page of the docs, in an account that admits all of them.
fn page(path: &str) -> String {
    let account = r#"
apiVersion: stepgate.dev/v1alpha1
kind: AWSAccount
metadata: {name: dev}
spec:
  accountId: "111122223333"
  regions: [{name: eu-central-1}]
  tenants:
  - name: all
    namespaces: {from: All}
    exposure: {authorizations: [NONE], kmsKeyArns: ["arn:aws:kms:*:*:key/*"]}
"#;
    let text = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.chain([account]).map(|block| format!("---\n{block}")).collect()
}

/// The route of docs/requests.md, tried as docs/try.md has it.
#[test]
fn a_route_is_tried_from_manifests_alone() {
    let manifests = page("docs/requests.md");
    let tried = |arguments: &[&str]| {
        let call = ["try", "-", "place", "--path", "customer=7", "--query", "currency=EUR", "--header", "X-Tenant=a"];
        stepgate(&[&call, arguments].concat(), &manifests)
    };
    let run = tried(&["--body", r#"{"items": [{"sku": "apple"}]}"#, "--result", r#"{"id": "o-1"}"#, "-o", "json"]);
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let told: Value = serde_json::from_str(&run.out).unwrap();
    let sent: Value = serde_json::from_str(told["request"]["body"].as_str().unwrap()).unwrap();
    let input: Value = serde_json::from_str(sent["input"].as_str().unwrap()).unwrap();
    assert_eq!(input["order"], serde_json::json!({"items": [{"sku": "apple"}]}));
    assert_eq!((&input["customer"], &input["tags"], &input["color"]), (&"7".into(), &Value::Null, &"blue".into()));
    let (status, body) = (&told["response"]["status"], &told["response"]["body"]);
    assert_eq!((status, body), (&200.into(), &r#"{"id":"o-1"}"#.into()));

    let run = tried(&["--body", r#"{"items": []}"#]);
    assert_eq!(run.code, 1, "{}", run.out);
    let told = "refused by API Gateway, BAD_REQUEST_BODY: Invalid request body\n  /items: it has 0 items, and needs at least 1\n";
    assert!(run.out.contains(told) && run.out.contains("\nresponse 400\n"), "{}", run.out);
    let run = tried(&["--answer", r#"{"__type": "ThrottlingException"}"#, "--body", r#"{"items": [{"sku": "a"}]}"#]);
    assert!(run.code == 0 && run.out.contains("\nresponse 429\n"), "{}", run.out);

    let wrong = stepgate(&["try", "-", "nothing"], &manifests);
    assert_eq!((wrong.code, wrong.err.as_str()), (1, "error: there is no APIRoute nothing among the manifests\n"));
    let wrong = stepgate(&["try", "-", "place"], &manifests);
    let needs = "error: the path /customers/{customer}/orders needs --path customer=VALUE\n";
    assert_eq!((wrong.code, wrong.err.as_str()), (1, needs));
}

#[test]
fn a_policy_shows_what_follows_from_other_fields() {
    let run = stepgate(&["policy", "--explain", "-"], &page("docs/encryption.md"));
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let expected = "\
1. kms:Decrypt, kms:GenerateDataKey
     on arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab
     if StringEquals kms:EncryptionContext:aws:states:stateMachineArn: arn:aws:states:eu-central-1:111122223333:stateMachine:default_charge
     for spec.encryption
";
    assert!(run.out.contains(expected), "{}", run.out);
    let run = stepgate(&["render", "-o", "json", "-"], &page("docs/encryption.md"));
    let objects: Vec<Value> = serde_json::from_str(&run.out).unwrap();
    let machine = objects.iter().find(|object| object["resource"] == "state machine").unwrap();
    assert_eq!(machine["desired"]["encryption"]["kmsDataKeyReusePeriodSeconds"], 600);
    let roles = objects.iter().filter(|object| object["resource"] == "role");
    assert_eq!(roles.filter(|role| role["desired"]["policy"].to_string().contains("kms:Decrypt")).count(), 2);
}

#[test]
fn help_lists_the_commands() {
    let run = stepgate(&["--help"], "");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    for command in ["run", "policy", "render", "plan", "invoke", "try", "crds"] {
        assert!(run.out.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))), "{}", run.out);
        assert_eq!(stepgate(&[command, "--help"], "").code, 0);
    }
    let flags = stepgate(&["run", "--help"], "").out;
    for flag in ["--resync-period", "--cluster-name", "--metrics-address", "--propagation-wait"] {
        let variable = format!("STEPGATE_{}", flag.trim_start_matches('-').to_uppercase().replace('-', "_"));
        assert!(flags.contains(flag) && flags.contains(&variable), "{flags}");
    }
}

#[test]
fn crds_are_a_document_for_each_kind() {
    let run = stepgate(&["crds"], "");
    assert_eq!((run.code, run.err.as_str()), (0, ""));
    let documents: Vec<Value> = serde_saphyr::from_multiple(&run.out).unwrap();
    let names: Vec<&str> = documents.iter().map(|crd| crd["metadata"]["name"].as_str().unwrap()).collect();
    let kinds = ["apidomains", "apiroutes", "awsaccounts", "restapis", "statemachines", "usageplans"]
        .map(|plural| format!("{plural}.stepgate.dev"));
    let mut sorted = names.clone();
    sorted.sort_unstable();
    assert_eq!(sorted, kinds);
    let one = stepgate(&["crds", "restapis.stepgate.dev"], "");
    let one: Vec<Value> = serde_saphyr::from_multiple(&one.out).unwrap();
    assert_eq!(one, [documents[names.iter().position(|name| *name == "restapis.stepgate.dev").unwrap()].clone()]);
}
