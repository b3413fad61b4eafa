//! Response templates: from Step Functions' answer to the client's.

use std::collections::BTreeMap;

use serde_json::Value;

use super::escape::{self, Level, Vtl, join};
use super::source::{PARSE_OUTPUT, body_json, body_string, set_value_from_body, when_body_has};
use super::tree::Tree;
use super::{Action, Changes, Response, Source};

/// What Step Functions' errors (HTTP 4xx with the error's name in `__type`) are to the client, with their message.
/// Every other one is the operator's or AWS's doing: 500, without the message, which names roles and ARNs (AWS.md §3).
pub(super) const CLIENT_ERRORS: [(u16, &[&str]); 5] = [
    (
        400,
        &[
            "InvalidExecutionInput",
            "InvalidName",
            "InvalidOutput",
            "InvalidToken",
            "SerializationException",
            "ValidationException",
        ],
    ),
    (404, &["ExecutionDoesNotExist", "TaskDoesNotExist"]),
    (409, &["ExecutionAlreadyExists"]),
    // Answered before, or too late.
    (410, &["TaskTimedOut"]),
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
/// | GetExecutionHistory | 200 `{events: [{id, type, timestamp, state, error, cause}], nextToken}`, the last four when present |
/// | ListExecutions | 200 `{executions: [{name, status, startDate, stopDate}], nextToken}`, the last two when present |
/// | SendTask… | 200 `{}` |
/// | Step Functions' own 4xx | 400, 404, 409, 410, 413 or 429 `{error, message}`, else 500 `{error}` |
/// | its 5xx | 502 `{error}`: what is behind the gateway failed, while 500 says that the route is not set up right |
#[must_use]
pub fn default_responses(action: Action, changes: &Changes) -> Vec<Response> {
    let document = |own: Vtl| match changes.output.as_slice() {
        [] => own,
        output => Tree::of(output).print(Level::Outer),
    };
    let success = match action {
        Action::StartExecution => document(started()),
        Action::StartSyncExecution => finished(changes),
        Action::DescribeExecution => document(described()),
        Action::StopExecution => document(stopped()),
        Action::GetExecutionHistory => document(history()),
        Action::ListExecutions => document(executions()),
        Action::SendTask => document("{}".into()),
    };
    let succeeds = if action == Action::StartExecution { 202 } else { 200 };
    // A success without an execution that can fail is one status with one body.
    let success = if action == Action::StartSyncExecution { success } else { changes.body_for(succeeds, success) };
    vec![
        response(&changes.status_for(succeeds).to_string(), None, success),
        response("400", Some(r"4\d{2}"), refused(changes)),
        // The body is not looked at: it need not be JSON.
        response(
            &changes.status_for(502).to_string(),
            Some(r"5\d{2}"),
            changes.body_for(502, "{\"error\":\"ServiceUnavailable\"}".into()),
        ),
    ]
}

/// The statuses that an action's own responses have.
pub fn own_statuses(action: Action) -> Vec<u16> {
    let success: &[u16] = match action {
        Action::StartExecution => &[202],
        Action::StartSyncExecution => &[200, 500, 504],
        _ => &[200],
    };
    let refused = CLIENT_ERRORS.iter().map(|(status, _)| *status).chain([413, 500, 502]);
    let mut all: Vec<u16> = success.iter().copied().chain(refused).collect();
    all.sort_unstable();
    all.dedup();
    all
}

impl Changes {
    pub(super) fn status_for(&self, own: u16) -> u16 {
        self.statuses.get(&own).and_then(|status| status.becomes).unwrap_or(own)
    }

    fn body_of(&self, own: u16) -> Option<Vtl> {
        let body = self.statuses.get(&own)?.body.as_ref()?;
        Some(escape::json(Level::Outer, body))
    }

    fn body_for(&self, own: u16, body: Vtl) -> Vtl {
        self.body_of(own).unwrap_or(body)
    }

    /// The body of each of these statuses that has one, by the status in `$own`; else this one.
    fn body_by_status(&self, statuses: impl IntoIterator<Item = u16>, else_: Vtl) -> Vtl {
        let branches: Vec<Vtl> = statuses
            .into_iter()
            .filter_map(|own| Some((own, self.body_of(own)?)))
            .enumerate()
            .map(|(index, (own, body))| {
                let open = if index == 0 { "#if($own == " } else { "#elseif($own == " };
                join([open.into(), escape::json(Level::Outer, &own.into()), ")".into(), body])
            })
            .collect();
        if branches.is_empty() {
            return else_;
        }
        branches.into_iter().chain(["#{else}".into(), else_, "#end".into()]).collect()
    }
}

/// The one response of a [`Request::Mock`](super::Request::Mock), with a fixed body.
#[must_use]
pub fn mock_response(status: u16, body: &Value) -> Response {
    response(&status.to_string(), None, escape::json(Level::Outer, body))
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
fn finished(changes: &Changes) -> Vtl {
    let picks = changes.output.iter().any(|part| matches!(part.source, Source::Output(Some(_))));
    let parse = if picks { PARSE_OUTPUT.into() } else { Vtl::default() };
    let output = match changes.output.as_slice() {
        [] => output(),
        parts => join([parse, Tree::of(parts).print(Level::Outer)]),
    };
    let failed =
        join(["{\"error\":".into(), body_string("/error"), ",\n\"cause\":".into(), body_string("/cause"), "}".into()]);
    join([
        "#if($input.path('$.status') == 'SUCCEEDED')\n".into(),
        changes.body_for(200, output),
        "\n#else\n#if($input.path('$.status') == 'TIMED_OUT')\n".into(),
        changes.override_status(504),
        "#else\n".into(),
        changes.override_status(500),
        "#end\n".into(),
        changes.body_by_status([500, 504], failed),
        "\n#end".into(),
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

/// What happened, without the details: they name the machine's resources, and hold the states' inputs and outputs. A state's
/// name is in one of two members, a failure in one of three.
fn history() -> Vtl {
    let first_of = |key: &'static str, references: &'static str| {
        join([
            "#set($value = \"".into(),
            references.into(),
            "\")#if($value != ''),\"".into(),
            key.into(),
            "\":\"".into(),
            escape::escaped_text(Level::Outer, "$value".into()),
            "\"#end".into(),
        ])
    };
    join([
        "{\"events\":[#foreach($event in $input.path('$.events')){\"id\":$event.id,\"type\":\"".into(),
        escape::escaped_text(Level::Outer, "$event.type".into()),
        "\",\"timestamp\":$event.timestamp".into(),
        first_of("state", "$!event.stateEnteredEventDetails.name$!event.stateExitedEventDetails.name"),
        first_of(
            "error",
            "$!event.executionFailedEventDetails.error$!event.executionTimedOutEventDetails.error$!event.executionAbortedEventDetails.error",
        ),
        first_of(
            "cause",
            "$!event.executionFailedEventDetails.cause$!event.executionTimedOutEventDetails.cause$!event.executionAbortedEventDetails.cause",
        ),
        "}#if($foreach.hasNext),\n#end#end]".into(),
        next_token(),
        "}".into(),
    ])
}

fn executions() -> Vtl {
    join([
        "{\"executions\":[#foreach($execution in $input.path('$.executions')){\"name\":\"".into(),
        escape::escaped_text(Level::Outer, "$execution.name".into()),
        "\",\"status\":\"".into(),
        escape::escaped_text(Level::Outer, "$execution.status".into()),
        "\",\"startDate\":$execution.startDate\
         #set($value = \"$!execution.stopDate\")#if($value != ''),\"stopDate\":$value#end}\
         #if($foreach.hasNext),\n#end#end]"
            .into(),
        next_token(),
        "}".into(),
    ])
}

fn next_token() -> Vtl {
    let token = escape::escaped_text(Level::Outer, "$value".into());
    when_body_has("/nextToken", join([",\"nextToken\":\"".into(), token, "\"".into()]))
}

/// The execution's output, which Step Functions hands over as JSON in a string: that string as it is.
fn output() -> Vtl {
    join([set_value_from_body("/output"), "#if($value == '')null#{else}$value#end".into()])
}

/// An override is final, a second one is answered with a 5xx: one chain of branches sets it.
fn refused(changes: &Changes) -> Vtl {
    let branches = CLIENT_ERRORS.iter().map(|(status, errors)| {
        let any: Vtl = errors
            .iter()
            .enumerate()
            .map(|(index, error)| {
                join([if index == 0 { "" } else { " || " }.into(), "$type == ".into(), escape::name(error)])
            })
            .collect();
        join(["#elseif(".into(), any, ")\n".into(), changes.override_status(*status)])
    });
    let told = join([
        "{\"error\":\"".into(),
        escape::escaped_text(Level::Outer, "$type".into()),
        "\"#if($told && $message != ''),\n\"message\":\"".into(),
        escape::escaped_text(Level::Outer, "$message".into()),
        "\"#end}".into(),
    ]);
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
        changes.override_status(413),
        branches.collect(),
        "#else\n#set($told = false)\n".into(),
        changes.override_status(500),
        "#end\n".into(),
        changes.body_by_status(CLIENT_ERRORS.iter().map(|(status, _)| *status).chain([413, 500]), told),
    ])
}

impl Changes {
    /// The body is chosen by `$own` later, where any status has one of its own.
    fn override_status(&self, own: u16) -> Vtl {
        let number = |status: u16| escape::json(Level::Outer, &status.into());
        let has_bodies = self.statuses.values().any(|status| status.body.is_some());
        let keep = if has_bodies { join(["#set($own = ".into(), number(own), ")".into()]) } else { Vtl::default() };
        let status = number(self.status_for(own));
        join([keep, "#set($context.responseOverride.status = ".into(), status, ")\n".into()])
    }
}
