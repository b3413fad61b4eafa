//! Response templates: what the client is answered.

use proptest::prelude::*;
use serde_json::{Value, json};
use stepgate::mapping::{
    Action, Changes, Input, Response, Source, Status, default_responses, mock_response, own_statuses,
};

use crate::harness::{Call, evaluate, hostile_cases, needs_velocity, velocity};

const MACHINE: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_hello";
const EXECUTION: &str = "arn:aws:states:eu-central-1:111122223333:execution:demo_hello:";

/// The status and body that the client gets where Step Functions answers like this: the response is chosen as API
/// Gateway does, by the pattern that matches the whole status.
fn respond(action: Action, status: u16, answered: &Value) -> (u64, Value) {
    changed(action, &Changes::default(), status, answered)
}

/// As [`respond`], of a route with changes.
pub fn changed(action: Action, changes: &Changes, status: u16, answered: &Value) -> (u64, Value) {
    let responses = default_responses(action, changes);
    let matches = |response: &&Response| {
        response.selection_pattern.as_ref().is_some_and(|pattern| {
            // The patterns are `N\d{2}`.
            pattern.ends_with(r"\d{2}") && pattern[..1] == status.to_string()[..1]
        })
    };
    let response = responses
        .iter()
        .find(matches)
        .or_else(|| responses.iter().find(|r| r.selection_pattern.is_none()))
        .expect("a response");
    let call = Call::body(answered.to_string());
    let answer = evaluate(&response.templates["application/json"], &call).expect("a response");
    let status = answer.status.unwrap_or_else(|| response.status.parse().expect("a status"));
    (status, answer.json())
}

#[test]
fn a_start_is_accepted_with_its_name() {
    needs_velocity!();
    let answered = json!({"executionArn": format!("{EXECUTION}3f1e-it"), "startDate": 1.48e9});
    let (status, body) = respond(Action::StartExecution, 200, &answered);
    assert_eq!(status, 202);
    assert_eq!(body, json!({"executionArn": format!("{EXECUTION}3f1e-it"), "name": "3f1e-it", "startDate": 1.48e9}));
}

#[test]
fn a_finished_execution_answers_with_its_output() {
    needs_velocity!();
    let outputs = hostile_cases().into_iter().map(Value::String);
    let others = [json!({"n": 10, "s": "it's"}), json!([]), json!(null), json!(false)];
    for output in outputs.chain(others) {
        let answered = json!({
            "executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": "SUCCEEDED",
            "input": "{}", "output": output.to_string(), "billingDetails": {"billedMemoryUsedInMB": 64},
        });
        assert_eq!(respond(Action::StartSyncExecution, 200, &answered), (200, output));
    }
    let verbatim = json!({"status": "SUCCEEDED", "output": "{\"price\": 10.00}"});
    let template = &default_responses(Action::StartSyncExecution, &Changes::default())[0].templates["application/json"];
    let answer = evaluate(template, &Call::body(verbatim.to_string())).unwrap();
    assert_eq!(answer.output.trim(), "{\"price\": 10.00}");
}

#[test]
fn an_execution_that_did_not_succeed_is_no_success() {
    needs_velocity!();
    for (ended, expected) in [("FAILED", 500), ("ABORTED", 500), ("TIMED_OUT", 504)] {
        for value in hostile_cases() {
            let answered = json!({
                "executionArn": EXECUTION, "stateMachineArn": MACHINE, "status": ended,
                "input": "{}", "error": value, "cause": value,
            });
            assert_eq!(
                respond(Action::StartSyncExecution, 200, &answered),
                (expected, json!({"error": value, "cause": value}))
            );
        }
        let bare = json!({"status": ended});
        assert_eq!(respond(Action::StartSyncExecution, 200, &bare), (expected, json!({"error": null, "cause": null})));
    }
}

#[test]
fn a_description_tells_what_a_client_may_know() {
    needs_velocity!();
    let described = |more: Value| {
        let mut answered = json!({
            "executionArn": EXECUTION, "stateMachineArn": MACHINE, "name": "n", "startDate": 1.5,
            "input": "{\"secret\":1}", "inputDetails": {"included": true}, "traceHeader": "Root=1",
        });
        let more = more.as_object().unwrap().clone();
        answered.as_object_mut().unwrap().extend(more);
        respond(Action::DescribeExecution, 200, &answered)
    };
    assert_eq!(
        described(json!({"status": "RUNNING"})),
        (200, json!({"name": "n", "status": "RUNNING", "startDate": 1.5, "output": null}))
    );
    assert_eq!(
        described(json!({"status": "SUCCEEDED", "stopDate": 2.5, "output": "{\"it's\": [1]}"})),
        (200, json!({"name": "n", "status": "SUCCEEDED", "startDate": 1.5, "stopDate": 2.5, "output": {"it's": [1]}}))
    );
    for value in hostile_cases().into_iter().filter(|value| !value.is_empty()) {
        assert_eq!(
            described(json!({"status": "FAILED", "stopDate": 2.5, "error": value, "cause": value})),
            (
                200,
                json!({
                    "name": "n", "status": "FAILED", "startDate": 1.5, "stopDate": 2.5,
                    "output": null, "error": value, "cause": value,
                })
            )
        );
    }
}

#[test]
fn a_stop_tells_when() {
    needs_velocity!();
    assert_eq!(respond(Action::StopExecution, 200, &json!({"stopDate": 1.48e9})), (200, json!({"stopDate": 1.48e9})));
}

#[test]
fn step_functions_errors_have_the_status_that_they_mean() {
    needs_velocity!();
    let too_long = "1 validation error detected: Value at 'input' failed to satisfy constraint: \
                    Member must have length less than or equal to 262144";
    let table = [
        ("ThrottlingException", "Rate exceeded", 429, true),
        ("ExecutionLimitExceeded", "too many", 429, true),
        ("AccessDeniedException", MACHINE, 500, false),
        ("KmsAccessDeniedException", MACHINE, 500, false),
        ("KmsThrottlingException", MACHINE, 500, false),
        ("StateMachineDoesNotExist", MACHINE, 500, false),
        ("StateMachineDeleting", MACHINE, 500, false),
        ("InvalidArn", MACHINE, 500, false),
        ("SomethingNew", MACHINE, 500, false),
        ("ExecutionAlreadyExists", "it's there", 409, true),
        ("ExecutionDoesNotExist", "it's not there", 404, true),
        ("InvalidExecutionInput", "Unexpected character ('$')", 400, true),
        ("InvalidName", "Invalid Name: '#set'", 400, true),
        ("ValidationException", "1 validation error", 400, true),
        ("ValidationException", too_long, 413, true),
    ];
    for action in [Action::StartExecution, Action::StartSyncExecution, Action::DescribeExecution, Action::StopExecution]
    {
        for (name, message, status, told) in table {
            let names = [
                name.to_owned(),
                format!("com.amazonaws.swf.v20161123#{name}"),
                format!("{name}:http://internal.amazon.com/coral/com.amazon.coral.service/"),
            ];
            for (written, key) in names.iter().flat_map(|n| [(n, "message"), (n, "Message")]) {
                let mut expected = json!({"error": name});
                if told {
                    expected["message"] = json!(message);
                }
                assert_eq!(respond(action, 400, &json!({"__type": written, key: message})), (status, expected));
            }
        }
        assert_eq!(
            respond(action, 400, &json!({"__type": "ThrottlingException"})),
            (429, json!({"error": "ThrottlingException"}))
        );
        assert_eq!(respond(action, 403, &json!({"Message": MACHINE})), (500, json!({"error": "InternalError"})));
    }
}

#[test]
fn what_fails_behind_the_gateway_is_a_bad_gateway() {
    needs_velocity!();
    let answered = json!({"__type": "InternalServerError", "message": MACHINE});
    assert_eq!(respond(Action::StartExecution, 500, &answered), (502, json!({"error": "ServiceUnavailable"})));
    let html = Call::body("<html>it's down</html>");
    let responses = default_responses(Action::StartExecution, &Changes::default());
    let answer = evaluate(&responses[2].templates["application/json"], &html).unwrap();
    assert_eq!(answer.json(), json!({"error": "ServiceUnavailable"}));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_error_and_cause_are_told(error in any::<String>(), cause in any::<String>()) {
        if velocity().is_some() {
            let answered = json!({"status": "FAILED", "error": error, "cause": cause});
            let (status, body) = respond(Action::StartSyncExecution, 200, &answered);
            prop_assert_eq!(status, 500);
            prop_assert_eq!(body, json!({"error": error, "cause": cause}));
        }
    }
}

#[test]
fn executions_are_listed_by_their_names() {
    needs_velocity!();
    for value in hostile_cases() {
        let one = json!({
            "executionArn": EXECUTION, "stateMachineArn": MACHINE, "name": value, "status": "FAILED", "startDate": 1.48e9,
            "stopDate": 1.5e9,
        });
        let two = json!({"executionArn": EXECUTION, "name": "b", "status": "RUNNING", "startDate": 1.6e9});
        let (status, body) =
            respond(Action::ListExecutions, 200, &json!({"executions": [one, two], "nextToken": value}));
        let mut expected = json!({"executions": [
            {"name": value, "status": "FAILED", "startDate": 1.48e9, "stopDate": 1.5e9},
            {"name": "b", "status": "RUNNING", "startDate": 1.6e9},
        ]});
        if !value.is_empty() {
            expected["nextToken"] = json!(value);
        }
        assert_eq!((status, body), (200, expected));
    }
    assert_eq!(respond(Action::ListExecutions, 200, &json!({"executions": []})).1, json!({"executions": []}));
}

#[test]
fn a_history_tells_what_happened_and_nobody_s_arn() {
    needs_velocity!();
    for value in hostile_cases() {
        let event =
            |id: u64, type_: &str| json!({"id": id, "previousEventId": id - 1, "type": type_, "timestamp": 1.48e9});
        let with = |mut event: Value, key: &str, details: Value| {
            event[key] = details;
            event
        };
        let events = json!({"events": [
            with(event(1, "ExecutionStarted"), "executionStartedEventDetails", json!({"roleArn": "arn:aws:iam::1:role/r", "input": value})),
            with(event(2, "TaskStateEntered"), "stateEnteredEventDetails", json!({"name": value, "input": "secret"})),
            with(event(3, "TaskScheduled"), "taskScheduledEventDetails", json!({"parameters": "secret"})),
            with(event(4, "TaskStateExited"), "stateExitedEventDetails", json!({"name": "A", "output": "secret"})),
            with(event(5, "ExecutionFailed"), "executionFailedEventDetails", json!({"error": "E", "cause": value})),
        ]});
        let (_, body) = respond(Action::GetExecutionHistory, 200, &events);
        let told = |id: u64, type_: &str| json!({"id": id, "type": type_, "timestamp": 1.48e9});
        let some =
            |event: Value, key: &str, text: &str| if text.is_empty() { event } else { with(event, key, json!(text)) };
        let expected = json!({"events": [
            told(1, "ExecutionStarted"),
            some(told(2, "TaskStateEntered"), "state", &value),
            told(3, "TaskScheduled"),
            with(told(4, "TaskStateExited"), "state", json!("A")),
            some(with(told(5, "ExecutionFailed"), "error", json!("E")), "cause", &value),
        ]});
        assert_eq!(body, expected);
    }
}

#[test]
fn a_task_s_end_is_told() {
    needs_velocity!();
    assert_eq!(respond(Action::SendTask, 200, &json!({})), (200, json!({})));
    for (type_, status) in
        [("InvalidToken", 400), ("InvalidOutput", 400), ("TaskDoesNotExist", 404), ("TaskTimedOut", 410)]
    {
        let told = respond(Action::SendTask, 400, &json!({"__type": type_, "message": "no"}));
        assert_eq!(told, (status, json!({"error": type_, "message": "no"})));
    }
}

#[test]
fn a_mock_answers_with_what_was_given() {
    needs_velocity!();
    for value in hostile_cases() {
        let body = json!({"a": value, "list": [1, null, {"b": value}]});
        let response = mock_response(418, &body);
        let answer = evaluate(&response.templates["application/json"], &Call::body("{}")).unwrap();
        assert_eq!((response.status.as_str(), answer.json(), answer.status), ("418", body, None));
    }
}

#[test]
fn an_output_is_picked_renamed_and_wrapped() {
    needs_velocity!();
    let part = |to: &str, source| Input { to: to.to_owned(), source };
    let output = |pointer: &str| Source::Output(Some(pointer.to_owned()));
    let changes = Changes {
        output: vec![
            part("/data/id", output("/order/id")),
            part("/data/price", output("/price")),
            part("/data/ok", output("/ok")),
            part("/data/none", output("/none")),
            part("/data/list", output("/list")),
            part("/all", Source::Output(None)),
            part("/execution", Source::Body(Some("/name".into()))),
            part("/request", Source::Context("requestId".into())),
            part("/version", Source::Value(json!({"n": 1}))),
        ],
        ..Changes::default()
    };
    for value in hostile_cases() {
        for price in [json!(10), json!(-1.5), json!(1.5e30), json!(0)] {
            let made = json!({"order": {"id": value}, "price": price, "ok": false, "list": [1], "none": null});
            let answered = json!({"status": "SUCCEEDED", "name": "n", "output": made.to_string()});
            let (status, body) = changed(Action::StartSyncExecution, &changes, 200, &answered);
            let data = json!({"id": value, "price": price, "ok": false, "none": null, "list": null});
            let expected = json!({"data": data, "all": made, "execution": "n", "request": null, "version": {"n": 1}});
            assert_eq!((status, body), (200, expected));
        }
    }
    for output in ["[]", "\"{a\"", "null", "1"] {
        let answered = json!({"status": "SUCCEEDED", "name": "n", "output": output});
        let (_, body) = changed(Action::StartSyncExecution, &changes, 200, &answered);
        assert_eq!(body["data"], json!({"id": null, "price": null, "ok": null, "none": null, "list": null}));
        assert_eq!(body["all"], serde_json::from_str::<Value>(output).unwrap());
    }
    let failed = json!({"status": "FAILED", "error": "E", "cause": "c"});
    assert_eq!(changed(Action::StartSyncExecution, &changes, 200, &failed), (500, json!({"error": "E", "cause": "c"})));
    let changes = Changes {
        output: vec![
            part("/id", Source::Body(Some("/executionArn".into()))),
            part("/at", Source::Body(Some("/startDate".into()))),
        ],
        ..Changes::default()
    };
    let answered = json!({"executionArn": format!("{EXECUTION}x"), "startDate": 1.5});
    assert_eq!(
        changed(Action::StartExecution, &changes, 200, &answered),
        (202, json!({"id": format!("{EXECUTION}x"), "at": 1.5}))
    );
}

#[test]
fn a_status_becomes_another_with_another_body() {
    needs_velocity!();
    let becomes = |status| Status { becomes: Some(status), body: None };
    let all = [
        (202, becomes(201)),
        (409, Status { becomes: Some(200), body: Some(json!({"it's": "$there"})) }),
        (429, becomes(503)),
    ];
    let changes = Changes { statuses: all.into(), ..Changes::default() };
    let started = json!({"executionArn": format!("{EXECUTION}x"), "startDate": 1.5});
    assert_eq!(changed(Action::StartExecution, &changes, 200, &started).0, 201);
    let error = |type_: &str| changed(Action::StartExecution, &changes, 400, &json!({"__type": type_, "message": "m"}));
    assert_eq!(error("ExecutionAlreadyExists"), (200, json!({"it's": "$there"})));
    assert_eq!(error("ExecutionLimitExceeded"), (503, json!({"error": "ExecutionLimitExceeded", "message": "m"})));
    assert_eq!(error("InvalidName"), (400, json!({"error": "InvalidName", "message": "m"})));
    let all = [
        (200, becomes(203)),
        (500, Status { becomes: None, body: Some(json!({"sorry": true})) }),
        (502, Status { becomes: Some(500), body: Some(json!(1)) }),
    ];
    let changes = Changes { statuses: all.into(), ..Changes::default() };
    let sync = |status: &str| {
        changed(Action::StartSyncExecution, &changes, 200, &json!({"status": status, "output": "{}", "error": "E"}))
    };
    assert_eq!(sync("SUCCEEDED"), (203, json!({})));
    assert_eq!(sync("FAILED"), (500, json!({"sorry": true})));
    assert_eq!(sync("TIMED_OUT"), (504, json!({"error": "E", "cause": null})));
    assert_eq!(changed(Action::StartSyncExecution, &changes, 503, &json!({})), (500, json!(1)));
    assert_eq!(own_statuses(Action::StartExecution), [202, 400, 404, 409, 410, 413, 429, 500, 502]);
    assert_eq!(own_statuses(Action::StartSyncExecution), [200, 400, 404, 409, 410, 413, 429, 500, 502, 504]);
}
