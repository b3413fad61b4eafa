//! The instance metadata service, from which an SDK without other credentials takes its own: so a process in which this AWS
//! stands behind the SDK needs no credentials in its environment.

use serde_json::json;

use super::wire::{Request, Response, response};

const CREDENTIALS: &str = "/latest/meta-data/iam/security-credentials/";

/// The answer, if the request is for it.
pub(super) fn answer(request: &Request, id: &str) -> Option<Response> {
    let text = |body: String| Some(response(200, "text/plain", body, id));
    match request.uri().path() {
        "/latest/api/token" => {
            let mut answer = response(200, "text/plain", "token".to_owned(), id);
            answer
                .headers_mut()
                .insert("x-aws-ec2-metadata-token-ttl-seconds", http::HeaderValue::from_static("21600"));
            Some(answer)
        }
        CREDENTIALS => text("in-memory".to_owned()),
        path if path.starts_with(CREDENTIALS) => text(
            json!({
                "Code": "Success", "Type": "AWS-HMAC", "LastUpdated": "2026-01-01T00:00:00Z",
                "AccessKeyId": "ASIAINMEMORY", "SecretAccessKey": "in-memory", "Token": "in-memory",
                "Expiration": "2099-01-01T00:00:00Z",
            })
            .to_string(),
        ),
        path if path.starts_with("/latest/") => Some(response(404, "text/plain", String::new(), id)),
        _ => None,
    }
}
