//! Response templates: from Step Functions' answer to the client's.

use std::collections::BTreeMap;

use super::escape::{self, Level, Vtl, join};
use super::source::{body_json, body_string, set_value_from_body, when_body_has};
use super::{Action, Response};

/// What Step Functions' errors (HTTP 4xx with the error's name in `__type`) are to the client, with their message.
/// Every other one is the operator's or AWS's doing: 500, without the message, which names roles and ARNs (AWS.md §3).
const CLIENT_ERRORS: [(u16, &[&str]); 4] = [
    (400, &["InvalidExecutionInput", "InvalidName", "SerializationException", "ValidationException"]),
    (404, &["ExecutionDoesNotExist"]),
    (409, &["ExecutionAlreadyExists"]),
    (
        429,
        &[
            "ExecutionLimitExceeded",
            "ServiceQuotaExceededException",
            "Throttling",
            "ThrottlingException",
            "TooManyRequestsException",
        ],
    ),
];

/// The responses of an action when a route declares none of its own.
///
/// `executionArn` appears only in StartExecution's answer; `stateMachineArn`, `input` and `billingDetails` never do.
///
/// | action | answer |
/// |---|---|
/// | StartExecution | 202 `{executionArn, name, startDate}` |
/// | StartSyncExecution | 200 and the output; 504 when it timed out and 500 for any other end, `{error, cause}` |
/// | DescribeExecution | 200 `{name, status, startDate, output}`, `output` parsed or null; `stopDate`, `error`, `cause` when present |
/// | StopExecution | 200 `{stopDate}` |
/// | Step Functions' own 4xx | 400, 404, 409, 413 or 429 `{error, message}`, else 500 `{error}` |
/// | its 5xx | 502 `{error}`: what is behind the gateway failed, while 500 says that the route is not set up right |
#[must_use]
pub fn default_responses(action: Action) -> Vec<Response> {
    let success = match action {
        Action::StartExecution => response("202", None, started()),
        Action::StartSyncExecution => response("200", None, finished()),
        Action::DescribeExecution => response("200", None, described()),
        Action::StopExecution => response("200", None, stopped()),
    };
    vec![
        success,
        response("400", Some(r"4\d{2}"), refused()),
        // The body is not looked at: it need not be JSON.
        response("502", Some(r"5\d{2}"), "{\"error\":\"ServiceUnavailable\"}".into()),
    ]
}

fn response(status: &str, selection_pattern: Option<&str>, template: Vtl) -> Response {
    Response {
        status: status.to_owned(),
        selection_pattern: selection_pattern.map(str::to_owned),
        templates: BTreeMap::from([("application/json".to_owned(), template.into_template())]),
    }
}

/// StartExecution answers with the ARN and the date only: the name is the ARN's last segment.
fn started() -> Vtl {
    join([
        "{\"executionArn\":".into(),
        body_string("/executionArn"),
        ",\n\"name\":\"".into(),
        set_value_from_body("/executionArn"),
        escape::escaped_text(Level::Outer, "$value.replaceAll('.*:', '')".into()),
        "\",\n\"startDate\":".into(),
        body_json(Some("/startDate")),
        "}".into(),
    ])
}

/// StartSyncExecution answers with HTTP 200 even when the execution failed or timed out (AWS.md §3).
fn finished() -> Vtl {
    join([
        "#if($input.path('$.status') == 'SUCCEEDED')\n".into(),
        output(),
        "\n#else\n#if($input.path('$.status') == 'TIMED_OUT')\n\
         #set($context.responseOverride.status = 504)\n\
         #else\n\
         #set($context.responseOverride.status = 500)\n\
         #end\n\
         {\"error\":"
            .into(),
        body_string("/error"),
        ",\n\"cause\":".into(),
        body_string("/cause"),
        "}\n#end".into(),
    ])
}

fn described() -> Vtl {
    let member = |key: &'static str, value| {
        when_body_has(key, join([",\n\"".into(), key.trim_start_matches('/').into(), "\":".into(), value]))
    };
    let characters = || join(["\"".into(), escape::escaped_text(Level::Outer, "$value".into()), "\"".into()]);
    join([
        "{\"name\":".into(),
        body_string("/name"),
        ",\n\"status\":".into(),
        body_string("/status"),
        ",\n\"startDate\":".into(),
        body_json(Some("/startDate")),
        member("/stopDate", body_json(Some("/stopDate"))),
        ",\n\"output\":".into(),
        output(),
        member("/error", characters()),
        member("/cause", characters()),
        "}".into(),
    ])
}

fn stopped() -> Vtl {
    join(["{\"stopDate\":".into(), body_json(Some("/stopDate")), "}".into()])
}

/// The execution's output, which Step Functions hands over as JSON in a string: that string as it is.
fn output() -> Vtl {
    join([set_value_from_body("/output"), "#if($value == '')null#{else}$value#end".into()])
}

/// An override is final, a second one is answered with a 5xx: one chain of branches sets it.
fn refused() -> Vtl {
    let branches = CLIENT_ERRORS.iter().map(|(status, errors)| {
        let any: Vtl = errors
            .iter()
            .enumerate()
            .map(|(index, error)| {
                join([if index == 0 { "" } else { " || " }.into(), "$type == ".into(), escape::name(error)])
            })
            .collect();
        join(["#elseif(".into(), any, ")\n".into(), override_status(*status)])
    });
    join([
        set_value_from_body("/message"),
        "#if($value == '')".into(),
        set_value_from_body("/Message"),
        "#end\n#set($message = $value)\n".into(),
        set_value_from_body("/__type"),
        // The error's name may come with a prefix that ends in `#` and with a suffix that begins with `:`.
        "\n#set($type = $value.replaceAll(':.*', '').replaceAll('^.*[^A-Za-z]', ''))\n\
         #if($type == '')\n#set($type = 'InternalError')\n#end\n\
         #set($told = true)\n\
         #if($type == 'ValidationException' && $message.contains('262144'))\n"
            .into(),
        // The longest input, 256 KiB, is named in the message.
        override_status(413),
        branches.collect(),
        "#else\n#set($told = false)\n".into(),
        override_status(500),
        "#end\n{\"error\":\"".into(),
        escape::escaped_text(Level::Outer, "$type".into()),
        "\"#if($told && $message != ''),\n\"message\":\"".into(),
        escape::escaped_text(Level::Outer, "$message".into()),
        "\"#end}".into(),
    ])
}

fn override_status(status: u16) -> Vtl {
    join(["#set($context.responseOverride.status = ".into(), escape::json(Level::Outer, &status.into()), ")\n".into()])
}
