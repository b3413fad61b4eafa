//! Mapping templates for API Gateway REST integrations with Step Functions.
//!
//! Pure: from what a route asks for to the texts that API Gateway's template engine (VTL) runs. [`request_template`]
//! and [`default_responses`] cannot fail; [`validate_request`] refuses beforehand what could. The rules that they
//! follow are AWS.md §3's, and the suite `tests/velocity.rs` holds every form to them on the real Apache Velocity 1.7.

mod cors;
mod escape;
pub mod evaluate;
mod request;
mod response;
mod source;
mod tree;
mod validate;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

pub use cors::{Cors, Headers, Preflight, preflight};
pub use request::request_template;
pub use response::{default_responses, mock_response, own_statuses};
pub use validate::{MappingError, validate_document, validate_inputs, validate_request};

/// Where a value of the request comes from.
///
/// Path, query and header values are strings; a path, query string or header that has none gives JSON `null`. Each is
/// looked up in its own map only, so a query parameter can't stand in for a path parameter of the same name.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// A JSON pointer into the client's body, `None` for the whole. The value is written anew as JSON, so a number may
    /// change its spelling (`10.00` becomes `10.0`), except where the whole body is the whole input: that is kept as
    /// written. Pointers go through objects only.
    Body(Option<String>),
    /// A path parameter.
    Path(String),
    /// A query parameter; of a repeated one the value that API Gateway takes for the single one.
    Query(String),
    /// All values of a query parameter as an array of strings. By `$method.request.multivaluequerystring`, which is
    /// not in API Gateway's reference for templates but is in use in the field; where an engine lacks it, the array
    /// has the single value.
    QueryList(String),
    /// A header; its name is compared ignoring case.
    Header(String),
    /// All values of a header as an array of strings, by `$method.request.multivalueheader` as [`QueryList`](Self::QueryList)
    /// is by its map.
    HeaderList(String),
    /// A property of `$context`, such as `identity.sourceIp`, `requestId` or `authorizer.claims.cognito:groups`, as a string;
    /// an empty one is `null`.
    Context(String),
    /// A stage variable as a string; `null` on a stage that has none of the name.
    StageVariable(String),
    /// Of an answer to StartSyncExecution: a part of the execution's output, by a JSON pointer; `None` for all of it, as
    /// written. A part is a string, a number or a truth value: API Gateway's templates can read the output, which is JSON in a
    /// string, but not write an object or an array of it as JSON, so these are `null`.
    Output(Option<String>),
    /// A constant.
    Value(serde_json::Value),
}

/// One value of the execution's input.
#[derive(Clone, Debug, PartialEq)]
pub struct Input {
    /// Where it is put: a JSON pointer through objects, `""` for the whole input.
    pub to: String,
    /// Where it is taken from.
    pub source: Source,
}

/// The state machine that a call goes to: one for all stages, or some stages' own, or both.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Machine {
    /// The ARN for every stage that is not in `stages`. Without it a call on such a stage names no machine, and Step
    /// Functions refuses it.
    pub default: Option<String>,
    /// ARNs by stage name, compiled into the template, so that a deployment's snapshot holds them.
    pub stages: BTreeMap<String, String>,
}

/// Why an execution is stopped or a task failed; each is left out when absent or empty.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Failure {
    /// The error code.
    pub error: Option<Source>,
    /// The description of the cause.
    pub cause: Option<Source>,
}

/// What the integration is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// StartExecution or StartSyncExecution: their requests have the same form.
    Start {
        /// The machine to start.
        machine: Machine,
        /// The execution's input; none for the whole body as written, `{}` when that is empty.
        input: Vec<Input>,
        /// The execution's name; left out when absent or empty.
        execution_name: Option<Source>,
        /// The X-Ray trace to go on with; left out when absent or empty.
        trace_header: Option<Source>,
    },
    /// ListExecutions; the client pages by the query parameters `maxResults` and `nextToken`, and picks by `status`.
    List {
        /// The machine whose executions are listed.
        machine: Machine,
    },
    /// DescribeExecution, StopExecution or GetExecutionHistory.
    Execution {
        /// The execution's machine: the template builds the execution's ARN from it, so a client can't name another's.
        machine: Machine,
        /// The execution's **name**.
        execution: Source,
        /// What is asked of it.
        ask: Ask,
    },
    /// SendTaskSuccess, SendTaskFailure or SendTaskHeartbeat.
    Task {
        /// The task's token.
        token: Source,
        /// What is told of the task.
        report: Report,
    },
    /// A MOCK integration that answers with this HTTP status.
    Mock(u16),
    /// The client's body is AWS's own request: it is passed on as written, `{}` when empty. Only the integration's role
    /// bounds what it may name.
    Client,
}

/// What is asked of an execution.
#[derive(Clone, Debug, PartialEq)]
pub enum Ask {
    /// DescribeExecution.
    Describe,
    /// StopExecution.
    Stop(Failure),
    /// GetExecutionHistory; the client pages by the query parameters `maxResults`, `nextToken` and `reverseOrder`. Without the
    /// inputs and outputs of states.
    History,
}

/// What is told of a task that waits for its token.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// SendTaskSuccess with the task's output; none for the whole body as written, `{}` when that is empty.
    Success(Vec<Input>),
    /// SendTaskFailure.
    Failure(Failure),
    /// SendTaskHeartbeat.
    Heartbeat,
}

/// What a route does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Starts an execution and answers at once.
    StartExecution,
    /// Runs an execution of an EXPRESS machine and answers with its output.
    StartSyncExecution,
    /// Tells how an execution of a STANDARD machine stands.
    DescribeExecution,
    /// Stops an execution of a STANDARD machine.
    StopExecution,
    /// Tells what happened in an execution of a STANDARD machine.
    GetExecutionHistory,
    /// Lists the executions of a STANDARD machine.
    ListExecutions,
    /// Reports on a task that waits for its token.
    SendTask,
}

/// Changes of an action's own responses.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// The body of its success; none for the action's own. [`Source::Body`] is of Step Functions' answer.
    pub output: Vec<Input>,
    /// By the status that the action's own responses have: another status, another body.
    pub statuses: BTreeMap<u16, Status>,
}

/// What becomes of a status.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// The status that is sent instead.
    pub becomes: Option<u16>,
    /// The body that is sent instead.
    pub body: Option<serde_json::Value>,
}

/// One integration response with its method response.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    /// The HTTP status, such as `200`; a template may override it.
    pub status: String,
    /// The regular expression on the backend's HTTP status that selects this response; `None` for the default one.
    pub selection_pattern: Option<String>,
    /// Templates by content type.
    pub templates: BTreeMap<String, String>,
}

/// The keys that a JSON pointer (RFC 6901) goes through; empty for the whole document.
fn pointer_keys(pointer: &str) -> Vec<String> {
    pointer.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~")).collect()
}
