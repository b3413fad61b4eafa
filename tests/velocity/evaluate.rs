//! `stepgate try` says the meaning of a mapping a second time, in Rust: here both are given the same calls and must print the same JSON.

use proptest::prelude::*;
use serde_json::{Value, json};
use stepgate::mapping::evaluate::{self, EvaluateError};
use stepgate::mapping::{
    Action, Ask, Changes, Failure, Input, Machine, Report, Request, Source, Status, request_template, validate_request,
};

use crate::harness::{Call, evaluate, hostile_calls, hostile_cases, needs_velocity, velocity};
use crate::requests::any_json;
use crate::responses::changed;

fn arn(name: &str) -> String {
    format!("arn:aws:states:eu-central-1:111122223333:stateMachine:{name}")
}

fn machine() -> Machine {
    Machine { default: Some(arn("demo_hello")), stages: [("prod".to_owned(), arn("demo_prod"))].into() }
}

fn input(to: &str, source: Source) -> Input {
    Input { to: to.to_owned(), source }
}

fn body(pointer: &str) -> Source {
    Source::Body(Some(pointer.to_owned()))
}

/// One of each source that reads a call.
fn every_source() -> Vec<Input> {
    vec![
        input("/all", Source::Body(None)),
        input("/part", body("/a/b")),
        input("/deep/other", body("/k-1")),
        input("/path", Source::Path("p".into())),
        input("/query", Source::Query("q".into())),
        input("/list", Source::QueryList("q".into())),
        input("/header", Source::Header("x-h".into())),
        input("/headers", Source::HeaderList("X-h".into())),
        input("/ip", Source::Context("identity.sourceIp".into())),
        input("/groups", Source::Context("authorizer.claims.cognito:groups".into())),
        input("/color", Source::StageVariable("color".into())),
        input("/fixed", Source::Value(json!({"it's": ["$x", 1.50, null]}))),
    ]
}

fn requests() -> Vec<Request> {
    let start = |input, name: Option<Source>| Request::Start {
        machine: machine(),
        input,
        execution_name: name,
        trace_header: Some(Source::Header("X-Amzn-Trace-Id".into())),
    };
    let execution = |ask| Request::Execution { machine: machine(), execution: Source::Path("p".into()), ask };
    let why = || Failure { error: Some(Source::Query("q".into())), cause: Some(body("/a/b")) };
    let task = |report| Request::Task { token: body("/k-1"), report };
    let names = [
        body("/a/b"),
        Source::Path("p".into()),
        Source::Query("q".into()),
        Source::Header("X-H".into()),
        Source::Value(json!("it's")),
    ];
    let mut all: Vec<Request> = names.into_iter().map(|name| start(vec![], Some(name))).collect();
    all.extend([
        start(vec![], None),
        start(every_source(), None),
        start(vec![input("", body("/a"))], None),
        start(vec![input("", Source::Body(None))], None),
        Request::List { machine: machine() },
        execution(Ask::Describe),
        execution(Ask::Stop(why())),
        execution(Ask::History),
        task(Report::Success(vec![])),
        task(Report::Success(every_source())),
        task(Report::Failure(why())),
        task(Report::Heartbeat),
        Request::Mock(418),
        Request::Client,
    ]);
    all
}

fn ours(call: &Call) -> evaluate::Call {
    let Call { body, path, query, headers, context, stage_variables } = call.clone();
    evaluate::Call { body, path, query, headers, context, stage_variables }
}

/// A JSON text, with the JSON texts that are in its members read too: how a number in them is written does not count.
fn read(text: &str, of_parts: bool) -> Value {
    let mut value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("not JSON: {error}\n{text}"));
    for key in ["input", "output"].into_iter().filter(|_| of_parts) {
        let inner = value.get(key).and_then(Value::as_str).map(|text| serde_json::from_str::<Value>(text).unwrap());
        if let Some(inner) = inner {
            value[key] = inner;
        }
    }
    value
}

/// Whether both were compared: what is read and is no JSON, or no text, is refused by ours alone.
fn compare(request: &Request, call: &Call) -> bool {
    let said = match evaluate::request(request, &ours(call)) {
        Ok(said) => said,
        Err(EvaluateError::NotJson(_) | EvaluateError::NotText(_)) => return false,
        Err(error) => panic!("{error}\n{request:?}\n{call:?}"),
    };
    let printed =
        evaluate(&request_template(request), call).unwrap_or_else(|error| panic!("{error}\n{request:?}\n{call:?}"));
    if *request == Request::Client {
        assert_eq!(said, printed.output);
        return true;
    }
    let parts = match request {
        Request::Start { input, .. } | Request::Task { report: Report::Success(input), .. } => input.as_slice(),
        _ => &[],
    };
    let of_parts = parts.iter().any(|part| !(part.to.is_empty() && part.source == Source::Body(None)));
    assert_eq!(read(&said, of_parts), read(&printed.output, of_parts), "{request:?}\n{call:?}");
    true
}

#[test]
fn every_request_is_what_the_template_prints() {
    needs_velocity!();
    let requests = requests();
    for request in &requests {
        validate_request(request).unwrap();
    }
    let mut calls = hostile_calls(
        &["k-1"],
        &["p"],
        &["q", "maxResults", "reverseOrder", "nextToken", "status"],
        &["X-H", "X-Amzn-Trace-Id"],
    );
    for text in hostile_cases() {
        let context = json!({"stage": "prod", "identity": {"sourceIp": text}, "authorizer": {"claims": {"cognito:groups": text}}});
        let mut call = Call::body(json!({"a": {"b": text}, "k-1": text}).to_string())
            .context(context)
            .query("q", &["first", &text]);
        call.stage_variables.insert("color".into(), text);
        calls.push(call);
    }
    for text in [
        "",
        "{}",
        "[]",
        "\"b\"",
        "1",
        "10.00",
        r#"{"a": null}"#,
        r#"{"a": {"b": null}}"#,
        r#"{"a": {"b": ""}}"#,
        r#"{"a": {"b": 10.00}}"#,
        r#"{"a": {"b": 1e21}}"#,
        r#"{"a": {"b": 0.00012}}"#,
        r#"{"a": {"b": 123456789.125}}"#,
        r#"{"a": {"b": -7}}"#,
        r#"{"a": {"b": true}}"#,
        r##"{"a": {"b": [1, "it's", {"$": "\"#"}]}}"##,
        r#"{"a": [{"b": 1}]}"#,
        r#"{"a": "b"}"#,
        r#"{"a": {"b": {}}, "k-1": []}"#,
        r#"{"a": {"b": 12345678901234567890}}"#,
        "{\"a\": {\"b\": \"line\\nbreak \u{1F600}\"}}",
    ] {
        calls.push(Call::body(text).context(json!({"stage": "dev"})));
    }
    for (max, reverse) in [("1", "true"), ("9999", "false"), ("10000", "TRUE"), ("0", "yes"), ("01", "1")] {
        calls.push(Call::default().query("maxResults", &[max]).query("reverseOrder", &[reverse]).path("p", "n"));
    }
    let compared = requests.iter().flat_map(|request| calls.iter().map(move |call| compare(request, call)));
    let compared = compared.filter(|compared| *compared).count();
    // All but those whose body is no JSON, or an object where a name is wanted.
    assert!(compared * 10 > requests.len() * calls.len() * 7, "{compared} of {}", requests.len() * calls.len());
}

fn part(to: &str, source: Source) -> Input {
    input(to, source)
}

/// What is answered, with the body read: a pair as [`changed`] has it.
fn answered(action: Action, changes: &Changes, status: u16, answer: &Value) -> (u64, Value) {
    let call = evaluate::Call { body: answer.to_string(), ..evaluate::Call::default() };
    let said = evaluate::response(action, changes, status, &call).unwrap_or_else(|error| panic!("{error}\n{answer}"));
    (u64::from(said.status), read(&said.body, false))
}

fn all_changes() -> Vec<Changes> {
    let status = |becomes, body| Status { becomes, body };
    vec![
        Changes::default(),
        Changes {
            output: vec![
                part("/a", body("/executionArn")),
                part("/at", body("/startDate")),
                part("/x/y", body("/none")),
                part("/v", Source::Value(json!("$v"))),
            ],
            ..Changes::default()
        },
        Changes {
            statuses: [
                (200, status(Some(201), None)),
                (202, status(Some(203), None)),
                (404, status(None, Some(json!({"it's": "not there"})))),
                (500, status(Some(503), Some(json!("down")))),
                (502, status(Some(599), None)),
                (504, status(Some(408), None)),
            ]
            .into(),
            ..Changes::default()
        },
    ]
}

#[test]
fn every_response_is_what_the_template_prints() {
    needs_velocity!();
    let execution = arn("demo_hello").replace("stateMachine", "execution");
    for changes in all_changes() {
        for text in hostile_cases() {
            let refusals = [
                "ThrottlingException",
                "com.amazonaws.swf#ExecutionDoesNotExist",
                "InvalidName:http://x",
                "KmsAccessDeniedException",
                "ValidationException",
                "",
            ];
            for type_ in refusals {
                for message in [&*text, "Member must have length less than or equal to 262144"] {
                    let answer = json!({"__type": type_, "message": message});
                    let action = Action::StartExecution;
                    assert_eq!(answered(action, &changes, 400, &answer), changed(action, &changes, 400, &answer));
                }
            }
            let started = json!({"executionArn": format!("{execution}:{text}"), "startDate": 1.48e9});
            let events = json!({"events": [
                {"id": 1, "type": "TaskStateEntered", "timestamp": 1.5, "stateEnteredEventDetails": {"name": text}},
                {"id": 2, "type": "ExecutionFailed", "timestamp": 2, "executionFailedEventDetails": {"error": "E", "cause": text}},
            ], "nextToken": text});
            let list = json!({"executions": [{"name": text, "status": "RUNNING", "startDate": 1.5}, {"name": "b", "status": "FAILED", "startDate": 1, "stopDate": 2}]});
            let described = json!({"name": text, "status": "FAILED", "startDate": 1.5, "stopDate": 2, "error": text, "cause": text, "output": json!({"a": text}).to_string()});
            let ended = |status: &str| json!({"status": status, "name": "n", "error": text, "cause": text, "output": json!(text).to_string(), "executionArn": text, "startDate": 1});
            for (action, answer) in [
                (Action::StartExecution, started),
                (Action::GetExecutionHistory, events),
                (Action::ListExecutions, list),
                (Action::DescribeExecution, described),
                (Action::StopExecution, json!({"stopDate": 1.5})),
                (Action::StopExecution, json!({})),
                (Action::SendTask, json!({})),
                (Action::StartSyncExecution, ended("SUCCEEDED")),
                (Action::StartSyncExecution, ended("FAILED")),
                (Action::StartSyncExecution, ended("TIMED_OUT")),
                (Action::StartSyncExecution, json!({"status": "ABORTED"})),
            ] {
                assert_eq!(
                    answered(action, &changes, 200, &answer),
                    changed(action, &changes, 200, &answer),
                    "{answer}"
                );
            }
        }
        let down = json!({"message": "x"});
        assert_eq!(
            answered(Action::StopExecution, &changes, 503, &down),
            changed(Action::StopExecution, &changes, 503, &down)
        );
    }
}

/// Parts of an execution's output.
fn picks() -> Changes {
    let output = |pointer: &str| Source::Output(Some(pointer.to_owned()));
    Changes {
        output: vec![
            part("/part", output("/a/b")),
            part("/other", output("/c")),
            part("/all", Source::Output(None)),
            part("/name", body("/name")),
        ],
        ..Changes::default()
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_call_is_what_the_template_prints(taken in any_json(), other in any_json(), text in any::<String>(), prod in any::<bool>()) {
        if velocity().is_some() {
            let stage = if prod { "prod" } else { "dev" };
            let context = json!({"stage": stage, "identity": {"sourceIp": text}});
            let call = Call::body(json!({"a": {"b": taken}, "k-1": other}).to_string())
                .path("p", &text)
                .query("q", &[&text, &text])
                .header("X-H", &text)
                .context(context);
            for request in requests() {
                compare(&request, &call);
            }
        }
    }

    #[test]
    fn any_output_is_answered_as_the_template_prints_it(taken in any_json(), other in any_json(), text in any::<String>()) {
        if velocity().is_some() {
            for output in [json!({"a": {"b": taken}, "c": other}), taken.clone(), json!([other, ""]), json!(text)] {
                let answer = json!({"status": "SUCCEEDED", "name": text, "output": output.to_string()});
                for changes in [picks(), Changes::default()] {
                    let action = Action::StartSyncExecution;
                    prop_assert_eq!(answered(action, &changes, 200, &answer), changed(action, &changes, 200, &answer));
                }
            }
        }
    }
}
