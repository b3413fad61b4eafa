//! Request templates: what Step Functions is sent.

use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::{Value, json};
use stepgate::mapping::{Ask, Failure, Input, Machine, Report, Request, Source, request_template, validate_request};

use crate::harness::{Call, assert_safe_request, evaluate, hostile_calls, hostile_cases, needs_velocity, velocity};

const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_hello";
const EXECUTION: &str = "arn:aws:states:eu-central-1:111122223333:execution:demo_hello:";

fn machine() -> Machine {
    Machine { default: Some(MACHINE.to_owned()), ..Machine::default() }
}

fn input(to: &str, source: Source) -> Input {
    Input { to: to.to_owned(), source }
}

fn body(pointer: &str) -> Source {
    Source::Body(Some(pointer.to_owned()))
}

fn start(input: Vec<Input>) -> Request {
    Request::Start { machine: machine(), input, execution_name: None, trace_header: None }
}

/// The request that a form makes of a call, and its input.
fn run(request: &Request, call: &Call) -> Value {
    validate_request(request).expect("a valid request");
    let answer = evaluate(&request_template(request), call).expect("a request");
    assert_safe_request(&answer, &[MACHINE]);
    answer.json()
}

/// The input document that a form makes of a call, where nothing but the machine and the input is sent.
fn run_input(request: &Request, call: &Call) -> Value {
    let sent = run(request, call);
    let keys: Vec<&String> = sent.as_object().unwrap().keys().collect();
    assert_eq!(keys, ["stateMachineArn", "input"]);
    let input = sent["input"].as_str().unwrap();
    serde_json::from_str(input).unwrap_or_else(|error| panic!("not JSON: {error}\n{input}"))
}

#[test]
fn the_whole_body_is_the_input_as_written() {
    needs_velocity!();
    for call in hostile_calls(&["id"], &[], &[], &[]) {
        let sent = run(&start(vec![]), &call);
        let expected = if call.body.is_empty() { "{}" } else { &call.body };
        assert_eq!(sent, json!({"stateMachineArn": MACHINE, "input": expected}));
    }
}

#[test]
fn the_whole_body_keeps_the_spelling_of_numbers() {
    needs_velocity!();
    let written = "{ \"price\": 10.00, \"big\": 12345678901234567890.10 }";
    let request = start(vec![input("", Source::Body(None))]);
    assert_eq!(run(&request, &Call::body(written))["input"], written);
}

#[test]
fn parameters_are_strings_whatever_they_hold() {
    needs_velocity!();
    let request = start(vec![
        input("/path", Source::Path("item_id".into())),
        input("/a/query", Source::Query("q".into())),
        input("/a/header", Source::Header("X-Request.Id".into())),
        input("/b/context", Source::Context("identity.sourceIp".into())),
        input("/b/list", Source::QueryList("q".into())),
    ]);
    for value in hostile_cases() {
        let call = Call::body("not JSON, and not asked for")
            .path("item_id", &value)
            .query("q", &["first", &value])
            .header("x-request.id", &value)
            .header("x-requestXid", "another")
            .context(json!({"identity": {"sourceIp": value}}));
        let context = Some(&value).filter(|value| !value.is_empty());
        assert_eq!(
            run_input(&request, &call),
            json!({
                "path": value,
                "a": {"query": value, "header": value},
                "b": {"context": context, "list": ["first", value]},
            })
        );
    }
}

#[test]
fn a_parameter_comes_from_its_own_place_only_and_is_null_elsewhere() {
    needs_velocity!();
    let request = start(vec![
        input("/path", Source::Path("id".into())),
        input("/query", Source::Query("id".into())),
        input("/list", Source::QueryList("id".into())),
        input("/header", Source::Header("id".into())),
        input("/context", Source::Context("id".into())),
    ]);
    let absent = || json!({"path": null, "query": null, "list": null, "header": null, "context": null});
    let expect = |key: &str, value: Value| {
        let mut expected = absent();
        expected[key] = value;
        expected
    };
    let mut both = expect("query", json!("1"));
    both["list"] = json!(["1"]);
    for (call, expected) in [
        (Call::default(), absent()),
        (Call::default().path("id", "1"), expect("path", json!("1"))),
        (Call::default().query("id", &["1"]), both),
        (Call::default().header("ID", "1"), expect("header", json!("1"))),
        (Call::default().header("ID", ""), expect("header", json!(""))),
        (Call::default().context(json!({"id": "1"})), expect("context", json!("1"))),
    ] {
        assert_eq!(run_input(&request, &call), expected);
    }
}

#[test]
fn a_header_sent_twice_is_one_value() {
    needs_velocity!();
    let request = start(vec![input("/h", Source::Header("x-id".into()))]);
    let call = Call::default().header("X-Id", "1").header("x-ID", "2");
    let sent = run_input(&request, &call);
    assert!(sent == json!({"h": "1"}) || sent == json!({"h": "2"}));
}

#[test]
fn values_of_the_body_are_what_they_were() {
    needs_velocity!();
    let request = start(vec![
        input("/value", body("/a/b")),
        input("/odd", body("/a-b/x:y.z")),
        input("/all", Source::Body(None)),
    ]);
    let values = [
        json!(null),
        json!(false),
        json!(true),
        json!(0),
        json!(-12),
        json!(1.5),
        json!([]),
        json!({}),
        json!([1, "it's", {"#": "$x", "'": null}]),
        json!({"$": "#set($x = 1)", "\"": "\\"}),
    ];
    let strings = hostile_cases().into_iter().map(Value::String);
    for value in values.into_iter().chain(strings) {
        let document = json!({"a": {"b": value}, "a-b": {"x:y.z": value}});
        assert_eq!(
            run_input(&request, &Call::body(document.to_string())),
            json!({"value": value, "odd": value, "all": document})
        );
    }
}

#[test]
fn an_absent_value_of_the_body_is_null() {
    needs_velocity!();
    let request = start(vec![input("/value", body("/a/b"))]);
    for body in [
        "",
        "{}",
        r#"{"a": null}"#,
        r#"{"a": {}}"#,
        r#"{"a": {"b": null}}"#,
        r#"{"a": []}"#,
        r#"{"a": [1]}"#,
        r#"{"a": "b"}"#,
        r#"{"a": ""}"#,
        r#"{"b": 1}"#,
    ] {
        assert_eq!(run_input(&request, &Call::body(body)), json!({"value": null}), "{body}");
    }
}

#[test]
fn a_body_can_not_add_or_change_a_key() {
    needs_velocity!();
    let request = start(vec![
        input("/id", Source::Path("id".into())),
        input("/order", body("/order")),
        input("/all", Source::Body(None)),
        input("/fixed", Source::Value(json!("fixed"))),
    ]);
    let template = request_template(&request);
    for body in [
        r#"1},"id":"evil""#,
        r#""},"id":"evil","x":{"y":""#,
        r#"{"order":1},"id":"evil"}"#,
        r#"{"order":"\"},\"id\":\"evil"}"#,
        r#"{"order":{"id":"evil"},"id":"evil","fixed":"evil"}"#,
        r#"{"order":1,"order":"\u0022,\u0022id\u0022:\u0022evil"}"#,
    ] {
        let call = Call::body(body).path("id", "mine");
        // API Gateway answers 400 itself to a body that it can't parse.
        let Ok(answer) = evaluate(&template, &call) else {
            continue;
        };
        assert_safe_request(&answer, &[MACHINE]);
        let input: Value = serde_json::from_str(answer.json()["input"].as_str().unwrap()).unwrap();
        let keys: BTreeSet<&str> = input.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, BTreeSet::from(["all", "fixed", "id", "order"]));
        assert_eq!(input["id"], "mine");
        assert_eq!(input["fixed"], "fixed");
    }
}

#[test]
fn one_source_can_be_the_whole_input() {
    needs_velocity!();
    for (source, expected) in [
        (Source::Value(json!({"prefix": "prod"})), json!({"prefix": "prod"})),
        (Source::Path("p".into()), json!("it's")),
        (Source::QueryList("q".into()), json!(["a", "", "it's"])),
        (body("/x"), json!({"y": "it's"})),
    ] {
        let call = Call::body(r#"{"x": {"y": "it's"}}"#).path("p", "it's").query("q", &["a", "", "it's"]);
        assert_eq!(run_input(&start(vec![input("", source)]), &call), expected);
    }
}

#[test]
fn an_execution_name_is_sent_only_when_there_is_one() {
    needs_velocity!();
    let named =
        |source| Request::Start { machine: machine(), input: vec![], execution_name: Some(source), trace_header: None };
    for value in hostile_cases() {
        let call = Call::body(json!({"n": value}).to_string())
            .path("n", &value)
            .query("n", &[&value])
            .header("N", &value)
            .context(json!({"requestId": value}));
        let mut expected = json!({"stateMachineArn": MACHINE, "input": call.body});
        if !value.is_empty() {
            expected["name"] = json!(value);
        }
        for source in [
            Source::Path("n".into()),
            Source::Query("n".into()),
            Source::Header("n".into()),
            Source::Context("requestId".into()),
            body("/n"),
            Source::Value(json!(value)),
        ] {
            assert_eq!(run(&named(source), &call), expected);
        }
    }
    let absent = run(&named(Source::Header("n".into())), &Call::default());
    assert_eq!(absent, json!({"stateMachineArn": MACHINE, "input": "{}"}));
}

#[test]
fn each_stage_calls_its_own_machine() {
    needs_velocity!();
    let arn = |stage: &str| format!("{MACHINE}-{stage}");
    let stages = ["dev", "prod"].map(|stage| (stage.to_owned(), arn(stage)));
    let mut machine = Machine { default: Some(MACHINE.to_owned()), stages: stages.into() };
    let sent = |machine: &Machine, stage: &str| {
        let request =
            Request::Start { machine: machine.clone(), input: vec![], execution_name: None, trace_header: None };
        let call = Call::body("{\"stage\":\"dev\"}").context(json!({"stage": stage})).query("stage", &["dev"]);
        let answer = evaluate(&request_template(&request), &call).unwrap();
        answer.json()["stateMachineArn"].clone()
    };
    assert_eq!(sent(&machine, "dev"), arn("dev"));
    assert_eq!(sent(&machine, "prod"), arn("prod"));
    assert_eq!(sent(&machine, "test"), MACHINE);
    machine.default = None;
    assert_eq!(sent(&machine, "prod"), arn("prod"));
    assert_eq!(sent(&machine, "test"), "");

    let request = Request::Execution { machine, execution: Source::Path("name".into()), ask: Ask::Describe };
    let call = Call::default().path("name", "n").context(json!({"stage": "prod"}));
    let answer = evaluate(&request_template(&request), &call).unwrap();
    let expected = EXECUTION.replace("demo_hello:", "demo_hello-prod:n");
    assert_eq!(answer.json(), json!({"executionArn": expected}));

    let call = Call::default().path("name", &format!("{EXECUTION}another")).context(json!({"stage": "test"}));
    let answer = evaluate(&request_template(&request), &call).unwrap();
    let arn = answer.json()["executionArn"].clone();
    assert!(!arn.as_str().unwrap().starts_with("arn:"), "{arn}");
}

#[test]
fn an_execution_is_always_one_of_the_machines() {
    needs_velocity!();
    let request = |ask| Request::Execution { machine: machine(), execution: Source::Path("name".into()), ask };
    let stop = Failure { error: Some(Source::Value(json!("Client's.Wish"))), cause: Some(body("/cause")) };
    for value in hostile_cases() {
        let call = Call::body(json!({"cause": value, "executionArn": "evil"}).to_string()).path("name", &value);
        let arn = format!("{EXECUTION}{value}");
        assert_eq!(run(&request(Ask::Describe), &call), json!({"executionArn": arn}));

        let mut expected = json!({"executionArn": arn, "error": "Client's.Wish"});
        if !value.is_empty() {
            expected["cause"] = json!(value);
        }
        assert_eq!(run(&request(Ask::Stop(stop.clone())), &call), expected);
    }
}

#[test]
fn lists_and_histories_are_paged_by_the_query() {
    needs_velocity!();
    let list = Request::List { machine: machine() };
    let execution = Source::Path("name".into());
    let history = Request::Execution { machine: machine(), execution, ask: Ask::History };
    assert_eq!(run(&list, &Call::default()), json!({"stateMachineArn": MACHINE}));
    let call = Call::default().query("maxResults", &["20"]).query("nextToken", &["t'1"]).query("status", &["RUNNING"]);
    let expected = json!({"stateMachineArn": MACHINE, "statusFilter": "RUNNING", "maxResults": 20, "nextToken": "t'1"});
    assert_eq!(run(&list, &call), expected);
    let call = call.path("name", "n").query("reverseOrder", &["true"]);
    let expected = json!({
        "executionArn": format!("{EXECUTION}n"), "includeExecutionData": false, "reverseOrder": true, "maxResults": 20,
        "nextToken": "t'1",
    });
    assert_eq!(run(&history, &call), expected);
    // Step Functions refuses a text where it wants a number; nothing else gets in by it.
    for value in hostile_cases().into_iter().filter(|value| !value.is_empty()) {
        let call = ["maxResults", "nextToken", "reverseOrder", "status"]
            .into_iter()
            .fold(Call::default().path("name", "n"), |call, name| call.query(name, &[&value]));
        let listed = run(&list, &call);
        assert_eq!((&listed["maxResults"], &listed["statusFilter"]), (&json!(value), &json!(value)));
        let told = run(&history, &call);
        assert_eq!((&told["reverseOrder"], &told["nextToken"]), (&json!(value), &json!(value)));
    }
}

#[test]
fn a_task_is_told_of_by_its_token() {
    needs_velocity!();
    let request = |report| Request::Task { token: body("/token"), report };
    for value in hostile_cases() {
        let call = Call::body(json!({"token": value, "why": value, "n": 10}).to_string());
        let output = |report| -> Value {
            let told = run(&request(report), &call);
            assert_eq!((&told["taskToken"], told.as_object().unwrap().len()), (&json!(value), 2));
            serde_json::from_str(told["output"].as_str().unwrap()).unwrap()
        };
        assert_eq!(output(Report::Success(vec![])), json!({"token": value, "why": value, "n": 10}));
        assert_eq!(output(Report::Success(vec![input("/a/b", body("/why"))])), json!({"a": {"b": value}}));
        assert_eq!(run(&request(Report::Heartbeat), &call), json!({"taskToken": value}));
        let why = Failure { error: Some(Source::Value(json!("Rejected"))), cause: Some(body("/why")) };
        let mut expected = json!({"taskToken": value, "error": "Rejected"});
        if !value.is_empty() {
            expected["cause"] = json!(value);
        }
        assert_eq!(run(&request(Report::Failure(why)), &call), expected);
    }
}

#[test]
fn claims_stage_variables_and_lists_of_headers_are_inputs() {
    needs_velocity!();
    let inputs = vec![
        input("/groups", Source::Context("authorizer.claims.cognito:groups".into())),
        input("/sub", Source::Context("authorizer.claims.sub".into())),
        input("/color", Source::StageVariable("color".into())),
        input("/none", Source::StageVariable("none".into())),
        input("/via", Source::HeaderList("x-via".into())),
        input("/no-via", Source::HeaderList("x-no-via".into())),
    ];
    for value in hostile_cases() {
        let claims = json!({"sub": value, "cognito:groups": value});
        let mut call = Call::default().header("X-Via", &value).context(json!({"authorizer": {"claims": claims}}));
        call.stage_variables.insert("color".into(), value.clone());
        let text = if value.is_empty() { Value::Null } else { json!(value) };
        let expected =
            json!({"groups": text, "sub": text, "color": text, "none": null, "via": [value], "no-via": null});
        assert_eq!(run_input(&start(inputs.clone()), &call), expected);
    }
}

#[test]
fn a_clients_own_request_passes_as_written() {
    needs_velocity!();
    let template = request_template(&Request::Client);
    for value in hostile_cases() {
        let answer = evaluate(&template, &Call::body(&value)).unwrap();
        let expected = if value.is_empty() { "{}" } else { &value };
        assert_eq!(answer.output, expected);
    }
}

pub fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        prop::sample::select(hostile_cases()).prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 16, 4, |inner| {
        let key = prop_oneof![any::<String>(), prop::sample::select(hostile_cases())];
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key, inner), 0..4).prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// A JSON pointer's step for any key that is no array index.
fn step(key: &str) -> String {
    format!("/k{}", key.replace('~', "~0").replace('/', "~1"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_body_is_the_input_as_written(text in any::<String>()) {
        if velocity().is_some() {
            let expected = if text.is_empty() { "{}" } else { &text };
            prop_assert_eq!(&run(&start(vec![]), &Call::body(&text))["input"], expected);
        }
    }

    #[test]
    fn any_values_make_the_document_described(
        text in any::<String>(), constant in any_json(), taken in any_json(), key in any::<String>(),
    ) {
        if velocity().is_some() {
            let request = start(vec![
                input("/constant", Source::Value(constant.clone())),
                input("/body", body("/a")),
                input("/p", Source::Path("p".into())),
                input("/q", Source::QueryList("q".into())),
                input(&format!("/keys{}", step(&key)), Source::Header("h".into())),
            ]);
            let call = Call::body(json!({"a": taken}).to_string())
                .path("p", &text)
                .query("q", &[&text, &text])
                .header("H", &text);
            let key = format!("k{key}");
            prop_assert_eq!(
                run_input(&request, &call),
                json!({"constant": constant, "body": taken, "p": text, "q": [text, text], "keys": {key: text}})
            );
        }
    }
}
