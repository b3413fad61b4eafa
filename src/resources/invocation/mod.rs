//! One trial call of a method, by API Gateway's own TestInvokeMethod: nothing is deployed for it and no stage is asked, but
//! the integration is called for real, with the route's role.
//!
//! What happened on the way is told in its log, which has a line for each step (recorded: `TestApigatewayTestInvoke`,
//! `test_apigw_test_invoke_method_api`); a body's line breaks are there as they are.

pub mod remote;

use std::collections::BTreeMap;
use std::sync::LazyLock;

use regex::Regex;
use serde::Serialize;

/// What is called.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// The path with its parameters filled in, and the query string.
    pub path_and_query: String,
    /// The headers.
    pub headers: BTreeMap<String, String>,
    /// The body.
    pub body: Option<String>,
    /// Stage variables.
    pub variables: BTreeMap<String, String>,
}

/// What came of it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Invocation {
    /// What was sent to the backend; absent where it was not asked.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request: Option<Request>,
    /// What the backend answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub answer: Option<Answer>,
    /// What the client would get.
    pub response: Response,
    /// Why API Gateway gave up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub failure: Option<String>,
    /// From start to end.
    pub latency_millis: i64,
}

/// The request after its template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Request {
    /// Where it went.
    pub uri: String,
    /// Its body.
    pub body: String,
}

/// The backend's answer, before its template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Answer {
    /// Its HTTP status.
    pub status: String,
    /// Its body.
    pub body: String,
    /// How long the backend took.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_millis: Option<i64>,
}

/// The answer after its template.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    /// Its HTTP status.
    pub status: i32,
    /// Its headers.
    pub headers: BTreeMap<String, String>,
    /// Its body.
    pub body: String,
}

/// The time that a line of the log begins with.
static TIME: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^\w{3} \w{3} \d{1,2} \d{2}:\d{2}:\d{2} \w+ \d{4} : ").ok());

/// The log's entries, each whole with its line breaks.
fn entries(log: &str) -> Vec<String> {
    let mut entries: Vec<String> = Vec::new();
    for line in log.split('\n') {
        match (TIME.as_ref().and_then(|time| time.find(line)), entries.last_mut()) {
            (Some(time), _) => entries.push(line[time.end()..].to_owned()),
            (None, Some(entry)) => {
                entry.push('\n');
                entry.push_str(line);
            }
            // The title.
            (None, None) => {}
        }
    }
    entries
}

/// What the log tells of the way to the backend and back.
pub fn read(log: &str, response: Response, latency_millis: i64) -> Invocation {
    let entries = entries(log);
    let after = |start: &str| entries.iter().find_map(|entry| entry.strip_prefix(start)).map(str::to_owned);
    let request = after("Endpoint request URI: ")
        .map(|uri| Request { uri, body: after("Endpoint request body after transformations: ").unwrap_or_default() });
    let answer = after("Received response. Status: ").map(|text| {
        let (status, latency) = text.split_once(", Integration latency: ").unwrap_or((text.as_str(), ""));
        Answer {
            status: status.to_owned(),
            body: after("Endpoint response body before transformations: ").unwrap_or_default(),
            latency_millis: latency.trim_end_matches(" ms").parse().ok(),
        }
    });
    let failure = after("Execution failed due to ").map(|why| why.trim_end().to_owned());
    Invocation { request, answer, response, failure, latency_millis }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As recorded from AWS, with a body of several lines.
    const LOG: &str = "Execution log for request 1f3\n\
        Fri Sep 19 17:04:50 UTC 2025 : Starting execution for request: 1f3\n\
        Fri Sep 19 17:04:50 UTC 2025 : HTTP Method: POST, Resource Path: /foo\n\
        Fri Sep 19 17:04:50 UTC 2025 : Method request body before transformations: {\"a\": 1}\n\
        Fri Sep 19 17:04:50 UTC 2025 : Endpoint request URI: https://states.us-east-1.amazonaws.com/?Action=StartExecution\n\
        Fri Sep 19 17:04:50 UTC 2025 : Endpoint request headers: {Authorization=***, Accept=application/json [TRUNCATED]\n\
        Fri Sep 19 17:04:50 UTC 2025 : Endpoint request body after transformations: {\n  \"input\": \"{}\"\n}\n\
        Fri Sep 19 17:04:50 UTC 2025 : Sending request to https://states.us-east-1.amazonaws.com/?Action=StartExecution\n\
        Fri Sep 19 17:04:50 UTC 2025 : Received response. Status: 200, Integration latency: 42 ms\n\
        Fri Sep 19 17:04:50 UTC 2025 : Endpoint response headers: {Content-Type=application/x-amz-json-1.0}\n\
        Fri Sep 19 17:04:50 UTC 2025 : Endpoint response body before transformations: {\"startDate\":1}\n\
        Fri Sep 19 17:04:50 UTC 2025 : Method response body after transformations: {\"x\":1}\n\
        Fri Sep 19 17:04:50 UTC 2025 : Method completed with status: 202\n";

    #[test]
    fn the_log_tells_the_way() {
        let response = Response { status: 202, body: "{\"x\":1}".into(), ..Response::default() };
        let read = read(LOG, response, 50);
        let request = read.request.unwrap();
        assert_eq!(request.uri, "https://states.us-east-1.amazonaws.com/?Action=StartExecution");
        assert_eq!(request.body, "{\n  \"input\": \"{}\"\n}");
        let answer = read.answer.unwrap();
        assert_eq!((answer.status.as_str(), answer.latency_millis), ("200", Some(42)));
        assert_eq!(answer.body, "{\"startDate\":1}");
        assert_eq!(read.failure, None);
    }

    #[test]
    fn a_failure_tells_why() {
        let log = "Execution log for request 1\n\
            Mon Sep 29 19:44:14 UTC 2025 : Starting execution for request: 1\n\
            Mon Sep 29 19:44:14 UTC 2025 : Execution failed due to configuration error: Invalid endpoint address\n\
            Mon Sep 29 19:44:14 UTC 2025 : Method completed with status: 500\n";
        let read = read(log, Response { status: 500, ..Response::default() }, 1);
        assert_eq!(read.failure.as_deref(), Some("configuration error: Invalid endpoint address"));
        assert_eq!((read.request, read.answer), (None, None));
    }
}
