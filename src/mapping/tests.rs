use serde_json::json;

use super::*;

const ARN: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:demo_hello";

fn machine() -> Machine {
    Machine { default: Some(ARN.to_owned()), ..Machine::default() }
}

fn start(input: Vec<Input>) -> Request {
    Request::Start { machine: machine(), input, execution_name: None, trace_header: None }
}

fn input(to: &str, source: Source) -> Input {
    Input { to: to.to_owned(), source }
}

fn body(pointer: &str) -> Source {
    Source::Body(Some(pointer.to_owned()))
}

/// The words of the refusal.
fn refusal(inputs: &[Input]) -> String {
    validate_inputs(inputs).expect_err("to be refused").to_string()
}

#[test]
fn the_default_template_is_short_enough_to_read() {
    assert_eq!(
        request_template(&start(vec![])),
        r##"{"stateMachineArn":"arn:aws:states:eu-central-1:111122223333:stateMachine:demo_hello",
"input":"#set($value = "$!input.body")#if($value == ''){}#{else}$util.escapeJavaScript($value).replaceAll("\\'", "'")#end"}"##
    );
}

#[test]
fn a_constant_input_needs_no_directive() {
    let inputs = vec![input("", Source::Value(json!({"prefix": "it's $x"})))];
    assert_eq!(
        request_template(&start(inputs)),
        r#"{"stateMachineArn":"arn:aws:states:eu-central-1:111122223333:stateMachine:demo_hello",
"input":"{\"prefix\":\"it\\u0027s \\u0024x\"}"}"#
    );
}

#[test]
fn the_order_of_inputs_does_not_change_the_template() {
    let mut inputs = vec![input("/b/y", body("/y")), input("/a", Source::Path("a".into())), input("/b/x", body("/x"))];
    let template = request_template(&start(inputs.clone()));
    inputs.reverse();
    assert_eq!(request_template(&start(inputs)), template);
}

#[test]
fn an_alias_is_no_part_of_an_executions_arn() {
    let request = |arn: &str| {
        request_template(&Request::Execution {
            machine: Machine { default: Some(arn.to_owned()), ..Machine::default() },
            execution: Source::Path("name".into()),
            ask: Ask::Describe,
        })
    };
    assert_eq!(request(&format!("{ARN}:PROD")), request(ARN));
    assert!(request(ARN).contains(":111122223333:execution:demo_hello:#set"));
}

#[test]
fn every_action_answers_step_functions_errors() {
    for action in [
        Action::StartExecution,
        Action::StartSyncExecution,
        Action::DescribeExecution,
        Action::StopExecution,
        Action::GetExecutionHistory,
        Action::ListExecutions,
        Action::SendTask,
    ] {
        let patterns: Vec<_> = default_responses(action, &Changes::default())
            .into_iter()
            .map(|response| (response.status, response.selection_pattern))
            .collect();
        assert_eq!(patterns[0].1, None);
        assert_eq!(patterns[1], ("400".into(), Some(r"4\d{2}".into())));
        assert_eq!(patterns[2], ("502".into(), Some(r"5\d{2}".into())));
    }
}

#[test]
fn inputs_that_make_a_document_are_accepted() {
    let inputs = [
        input("/a/b", body("/x-y/z.1")),
        input("/a/c~1d~0", Source::Query("filter[name]".into())),
        input("/ab", Source::QueryList("id".into())),
        input("/h", Source::Header("X-Request-Id".into())),
        input("/c", Source::Context("authorizer.claims.cognito:groups".into())),
        input("/l", Source::HeaderList("X-Forwarded-For".into())),
        input("/s", Source::StageVariable("color".into())),
        input("/p", Source::Path("proxy".into())),
        input("/it's $x", Source::Value(json!({"it's": "\u{1}"}))),
    ];
    assert_eq!(validate_inputs(&inputs), Ok(()));
    assert_eq!(validate_inputs(&[input("", Source::Body(None))]), Ok(()));
    assert_eq!(validate_inputs(&[]), Ok(()));
}

#[test]
fn two_inputs_for_one_place_are_refused() {
    let value = || Source::Value(json!(1));
    for (first, second) in [("/a", "/a"), ("/a", "/a/b"), ("/a/b", "/a"), ("", "/a"), ("/a", "")] {
        assert_eq!(
            refusal(&[input(first, value()), input(second, value())]),
            format!(
                "input[1].to \"{second}\" and input[0].to \"{first}\" write to the same place: keep one, or give each a key of its own"
            )
        );
    }
}

#[test]
fn a_pointer_that_is_none_or_goes_into_an_array_is_refused() {
    let value = || Source::Value(json!(1));
    for pointer in ["a", "a/b", "/a~", "/~2", "$.a"] {
        let refusal = refusal(&[input(pointer, value())]);
        assert!(refusal.starts_with(&format!("input[0].to \"{pointer}\" is not a JSON pointer")), "{refusal}");
    }
    for pointer in ["/a/0", "/12/a", "/-"] {
        let refusal = refusal(&[input(pointer, value())]);
        assert!(refusal.contains("goes into an array"), "{refusal}");
    }
    assert!(refusal(&[input("/a", body("/items/0"))]).starts_with("input[0].body \"/items/0\" goes"));
}

#[test]
fn a_name_that_could_leave_its_place_is_refused() {
    for (source, field) in [
        (Source::Path("a'b".into()), "input[0].path"),
        (Source::Path(String::new()), "input[0].path"),
        (Source::Query("a$b".into()), "input[0].query"),
        (Source::QueryList("é".into()), "input[0].queryList"),
        (Source::Header("a(b".into()), "input[0].header"),
        (Source::Header("a b".into()), "input[0].header"),
        (Source::Context("identity['x']".into()), "input[0].context"),
        (Source::Context("identity.".into()), "input[0].context"),
        (Source::Context("1".into()), "input[0].context"),
        (Source::HeaderList("a b".into()), "input[0].headerList"),
        (Source::StageVariable("1a".into()), "input[0].stageVariable"),
        (Source::StageVariable("a-b".into()), "input[0].stageVariable"),
        (body("/it's"), "input[0].body"),
        (body("/"), "input[0].body"),
    ] {
        let refusal = refusal(&[input("/a", source)]);
        assert!(refusal.starts_with(&format!("{field} \"")), "{refusal}");
    }
}

#[test]
fn what_validation_refuses_still_can_not_leave_its_place() {
    let evil = "')#set($x = \"1\")\\";
    for source in [
        Source::Path(evil.into()),
        Source::Query(evil.into()),
        Source::Header(evil.into()),
        Source::Context(evil.into()),
        Source::HeaderList(evil.into()),
        Source::StageVariable(evil.into()),
        body(&format!("/{evil}/{evil}")),
    ] {
        let template = request_template(&start(vec![input("/a", source)]));
        assert!(!template.contains("$x"), "{template}");
    }
}

#[test]
fn a_name_must_be_text() {
    let named =
        |source| Request::Start { machine: machine(), input: vec![], execution_name: Some(source), trace_header: None };
    for source in [Source::QueryList("id".into()), Source::Value(json!(1))] {
        assert_eq!(
            validate_request(&named(source)).expect_err("refused").to_string(),
            "executionName must be one string: take it from a body, path, query, header or context value, or write a string"
        );
    }
    assert_eq!(validate_request(&named(Source::Value(json!("a")))), Ok(()));
}

#[test]
fn a_machine_must_be_named() {
    let describe = |machine| {
        validate_request(&Request::Execution { machine, execution: Source::Path("name".into()), ask: Ask::Describe })
    };
    assert_eq!(describe(machine()), Ok(()));
    assert_eq!(describe(Machine::default()), Err(MappingError::NoMachine));
    let stage = |stage: &str, arn: &str| Machine { default: None, stages: [(stage.to_owned(), arn.to_owned())].into() };
    assert_eq!(describe(stage("dev", ARN)), Ok(()));
    assert!(matches!(describe(stage("it's", ARN)), Err(MappingError::Name { .. })));
    assert!(matches!(
        describe(stage("dev", "arn:aws:lambda:eu-central-1:111122223333:function:f")),
        Err(MappingError::NotAMachine { .. })
    ));
}
