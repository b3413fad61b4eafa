//! HTTP by `curl`, so that a person can repeat what was called.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::processes::{run, without_aws};

/// One HTTP request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method; empty means GET.
    pub method: String,
    /// The whole URL.
    pub url: String,
    /// Headers, in order.
    pub headers: Vec<(String, String)>,
    /// The body; none is different from an empty one.
    pub body: Option<String>,
    /// Signed (Signature Version 4) for this service and Region with the emulator's credentials.
    pub sign: Option<(String, String)>,
    /// The certificate to trust, a path.
    pub cacert: Option<String>,
}

/// What came back.
#[derive(Clone, Debug)]
pub struct Response {
    /// The HTTP status.
    pub status: u16,
    /// Headers, their names in lower case, in order.
    pub headers: Vec<(String, String)>,
    /// The body as text.
    pub body: String,
    /// From start to end.
    pub elapsed: Duration,
}

impl Response {
    /// The first header of this name, which is given in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not JSON; the message shows it.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_str(&self.body).with_context(|| format!("not JSON: {}", self.body))
    }
}

impl Request {
    /// A GET of this URL.
    pub fn get(url: impl Into<String>) -> Self {
        Request { method: "GET".into(), url: url.into(), ..Request::default() }
    }

    /// Sends it.
    ///
    /// # Errors
    /// When no HTTP answer came within 60 s; every status is an answer.
    pub async fn send(&self) -> Result<Response> {
        let mut command = Command::new("curl");
        without_aws(&mut command);
        command.args(["--silent", "--show-error", "--include", "--noproxy", "*", "--max-time", "60"]);
        match self.method.as_str() {
            "" => command.args(["--request", "GET"]),
            // With --request HEAD curl would wait for a body.
            "HEAD" => command.arg("--head"),
            method => command.args(["--request", method]),
        };
        if let Some((service, region)) = &self.sign {
            command.args(["--aws-sigv4", &format!("aws:amz:{region}:{service}"), "--user", "test:test"]);
        }
        if let Some(cacert) = &self.cacert {
            command.args(["--cacert", cacert]);
        }
        if self.body.is_some() {
            // curl's own Content-Type is not ours, and with Expect the answer would begin with a "100 Continue".
            command.args(["--data-binary", "@-", "--header", "Expect:"]);
            if !self.headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                command.args(["--header", "Content-Type:"]);
            }
        }
        for (name, value) in &self.headers {
            command.args(["--header", &format!("{name}: {value}")]);
        }
        command.arg(&self.url);
        let started = Instant::now();
        let text = run(command, self.body.clone()).await?;
        parse(&text, started.elapsed()).with_context(|| format!("no HTTP answer from {}", self.url))
    }
}

fn parse(text: &str, elapsed: Duration) -> Option<Response> {
    let (head, body) = text.split_once("\r\n\r\n")?;
    let mut lines = head.lines();
    let status = lines.next()?.split_whitespace().nth(1)?.parse().ok()?;
    if (100..200).contains(&status) {
        return parse(body, elapsed);
    }
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_lowercase(), value.trim().to_owned()))
        .collect();
    Some(Response { status, headers, body: body.to_owned(), elapsed })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_answer_counts_and_keeps_blank_lines_of_its_body() {
        let text = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 415 Unsupported\r\nX-Amzn: a: b\r\n\r\n{}\r\n\r\nend";
        let response = parse(text, Duration::ZERO).unwrap();
        assert_eq!((response.status, response.header("x-amzn")), (415, Some("a: b")));
        assert_eq!(response.body, "{}\r\n\r\nend");
    }
}
