//! The calls of an example: `examples/NAME/demo/calls.yaml`, used by the demo and by the end-to-end suite.
//!
//! ```yaml
//! before:                              # what the example expects to find in AWS
//!   - aws: sqs:CreateQueue
//!     input: {QueueName: status}
//!     save: {queue: /QueueUrl}         # a JSON pointer into the answer, or the name of an XML element
//! calls:
//!   - name: starts an execution
//!     route: demo/potato               # namespace/name of an APIRoute
//!     sign: true                       # AWS Signature Version 4
//!     headers: {Content-Type: application/x-amz-json-1.0}
//!     body: '{"a": 1}'                 # as sent; or `json:`, a value
//!     expect: {status: 200, body: {executionArn: "arn:*"}}
//!     save: {execution: /executionArn}
//!   - aws: states:DescribeExecution
//!     input: {executionArn: "${execution}"}
//!     retry: 20                        # seconds in which it may come true
//!     expect: {body: {status: SUCCEEDED}}
//!   - secret: demo/keys                # namespace/name of a Secret; what is saved of it is not shown
//!     save: {key: /partner}
//!   - apply: update.yaml               # a manifest in demo/: applied, and waited for until Ready
//! after: []                            # undoes `before`
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::aws::{elements, percent_encode, percent_encode_segment};
use crate::curl::{Request, Response};
use crate::demo::{apply_and_wait, seconds};
use crate::testbed::Access;

/// All calls of one example.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calls {
    /// Done before the manifests are applied.
    #[serde(default)]
    pub before: Vec<Step>,
    /// Done when all objects are ready.
    #[serde(default)]
    pub calls: Vec<Step>,
    /// Done when all objects are gone.
    #[serde(default)]
    pub after: Vec<Step>,
}

/// One step: exactly one of `route`, `aws`, `secret` and `apply`. In every text `${name}` stands for what an earlier step saved.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Step {
    /// What it shows, in a few words.
    pub name: Option<String>,
    /// `namespace/name` of the APIRoute that is called with HTTP.
    pub route: Option<String>,
    /// `service:Operation` of AWS; for a service that speaks REST, `apigateway:GET /restapis`.
    pub aws: Option<String>,
    /// `namespace/name` of a Secret; `save` names its keys.
    pub secret: Option<String>,
    /// A manifest file or folder in the example's `demo/`.
    pub apply: Option<String>,

    /// The stage; absent: the route's first.
    pub stage: Option<String>,
    /// The method; absent: the route's (`ANY` is called with POST).
    pub method: Option<String>,
    /// Values of the path parameters.
    #[serde(default)]
    pub params: BTreeMap<String, String>,
    /// Query parameters, each a text or a list of texts.
    #[serde(default)]
    pub query: BTreeMap<String, Value>,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body as it is sent.
    pub body: Option<String>,
    /// The body as a value; sent as application/json unless a header says otherwise.
    pub json: Option<Value>,
    /// Sign the call for `execute-api`.
    #[serde(default)]
    pub sign: bool,

    /// The input of an AWS operation.
    #[serde(default)]
    pub input: Value,

    /// What must come back.
    #[serde(default)]
    pub expect: Expect,
    /// Name → a JSON pointer into the body, or the name of an XML element.
    #[serde(default)]
    pub save: BTreeMap<String, String>,
    /// For how many seconds it is repeated until it comes true; absent: not at all.
    #[serde(default)]
    pub retry: u64,
}

/// What must come back.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Expect {
    /// The HTTP status; absent: 200.
    pub status: Option<u16>,
    /// Headers by their names in lower case; `*` in a value stands for any text.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// The body; see [`matches`]. A text is compared with the whole body when that is not JSON.
    pub body: Option<Value>,
}

/// What steps have saved.
pub type Variables = BTreeMap<String, String>;

impl Calls {
    /// The calls of the example in this folder; none when it has no `demo/calls.yaml`.
    ///
    /// # Errors
    /// With the place in the file.
    pub fn load(example: &Path) -> Result<Calls> {
        let path = example.join("demo/calls.yaml");
        if !path.exists() {
            return Ok(Calls::default());
        }
        let text = std::fs::read_to_string(&path)?;
        serde_saphyr::from_str(&text).with_context(|| format!("in {}", path.display()))
    }

    /// Runs steps in order, with one line to `say` for each.
    ///
    /// # Errors
    /// With the first step that did not come true: what was called, what was expected, what came back.
    pub async fn run(
        &self,
        steps: &[Step],
        access: &Access,
        example: &Path,
        variables: &mut Variables,
        say: &(dyn Fn(&str) + Sync),
    ) -> Result<()> {
        for step in steps {
            say(&step.run(access, example, variables).await?);
        }
        Ok(())
    }
}

impl Step {
    /// Does it, and repeats it for [`Step::retry`] seconds until it comes true; returns what was done and what came back, in
    /// one line.
    ///
    /// # Errors
    /// When it did not come true.
    pub async fn run(&self, access: &Access, example: &Path, variables: &mut Variables) -> Result<String> {
        let started = Instant::now();
        let what = self.name.as_ref().map(|name| format!("{name}: ")).unwrap_or_default();
        if let Some(manifest) = &self.apply {
            let count = apply_and_wait(access, &example.join("demo").join(manifest)).await?;
            return Ok(format!("{what}applied {manifest}, {count} objects Ready ({})", seconds(started)));
        }
        if let Some(secret) = &self.secret {
            let (namespace, name) = secret.split_once('/').context("`secret` must be namespace/name")?;
            for (variable, place) in &self.save {
                let key = place.trim_start_matches('/');
                let decoded = format!("go-template={{{{index .data {key:?} | base64decode}}}}");
                let value = access.kubectl(["get", "secret", "-n", namespace, name, "-o", &decoded]).await?;
                variables.insert(variable.clone(), value);
            }
            return Ok(format!("{what}read Secret {secret} ({})", seconds(started)));
        }
        loop {
            let (called, response) = self.call(access, variables).await?;
            let verdict = self.expect.check(&response, variables);
            let mut line = format!("{what}{called} → {} {}", response.status, one_line(&response.body));
            match verdict {
                Ok(()) => {
                    self.save(&response, variables)?;
                    if is_xml(&response.body) {
                        // Its envelope says nothing to a reader.
                        let saved = self.save.keys().map(|name| format!("{name} {}", variables[name]));
                        line = format!("{what}{called} → {} {}", response.status, saved.collect::<Vec<_>>().join(", "));
                    }
                    let time = if self.retry == 0 { response.elapsed } else { started.elapsed() };
                    return Ok(format!("{} ({} ms)", line.trim_end(), time.as_millis()));
                }
                Err(_) if started.elapsed() < Duration::from_secs(self.retry) => {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                Err(reason) => bail!("{line}\n  but {reason}"),
            }
        }
    }

    async fn call(&self, access: &Access, variables: &Variables) -> Result<(String, Response)> {
        match (&self.route, &self.aws) {
            (Some(route), None) => {
                let request = self.request(access, route, variables).await?;
                let called = format!("{} {}", request.method, request.url);
                Ok((called, request.send().await?))
            }
            (None, Some(operation)) => {
                let (service, name) = operation.split_once(':').context("`aws` must be service:Operation")?;
                let input = fill_value(&self.input, variables);
                let response = match name.split_once(' ') {
                    Some((method, path)) => {
                        let body = (!input.is_null()).then_some(&input);
                        access.aws().rest(service, method, &fill(path, variables), body).await?
                    }
                    None => {
                        let empty = Value::Object(serde_json::Map::new());
                        access.aws().call(service, name, if input.is_null() { &empty } else { &input }).await?
                    }
                };
                Ok((operation.clone(), response))
            }
            _ => bail!("a step must have exactly one of `route`, `aws`, `secret` and `apply`"),
        }
    }

    async fn request(&self, access: &Access, route: &str, variables: &Variables) -> Result<Request> {
        let (namespace, name) = route.split_once('/').context("`route` must be namespace/name")?;
        let object = get(access, "apiroute", namespace, name).await?;
        let text = |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let api_name = text(&object, "/spec/apiRef/name").context("the route has no apiRef")?;
        let api_namespace = text(&object, "/spec/apiRef/namespace").unwrap_or_else(|| namespace.to_owned());
        let api = get(access, "restapi", &api_namespace, &api_name).await?;
        let id = text(&api, "/status/restApiId").with_context(|| format!("RestAPI {api_name} has no restApiId yet"))?;
        let stage = self.stage.clone().or_else(|| text(&object, "/status/stages/0/name"));
        let stage = stage.or_else(|| text(&api, "/spec/stages/0/name")).context("the RestAPI has no stage")?;
        let path = text(&object, "/spec/path").context("the route has no path")?;
        let path = self.path(&path, variables)?;
        let method = self.method.clone().or_else(|| text(&object, "/spec/method")).unwrap_or_default();
        let mut headers: Vec<_> =
            self.headers.iter().map(|(name, value)| (name.clone(), fill(value, variables))).collect();
        let body = match (&self.body, &self.json) {
            (Some(body), _) => Some(fill(body, variables)),
            (None, Some(json)) => {
                if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
                    headers.push(("Content-Type".into(), "application/json".into()));
                }
                Some(fill_value(json, variables).to_string())
            }
            (None, None) => None,
        };
        let root = access.aws_endpoint();
        Ok(Request {
            method: if method == "ANY" { "POST".into() } else { method },
            url: format!("{root}/_aws/execute-api/{id}/{stage}{path}{}", self.query_string(variables)),
            headers,
            body,
            sign: self.sign.then(|| ("execute-api".to_owned(), crate::aws::REGION.to_owned())),
            cacert: None,
        })
    }

    /// The route's path with its parameters filled in; a greedy one keeps its slashes.
    fn path(&self, template: &str, variables: &Variables) -> Result<String> {
        let mut out = String::new();
        for part in template.split('/').skip(1) {
            out.push('/');
            let Some(name) = part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) else {
                out += part;
                continue;
            };
            let greedy = name.strip_suffix('+');
            let name = greedy.unwrap_or(name);
            let value = self.params.get(name).with_context(|| format!("`params` lacks the path parameter {name}"))?;
            let value = percent_encode_segment(&fill(value, variables));
            out += &if greedy.is_some() { value.replace("%2F", "/") } else { value };
        }
        Ok(out)
    }

    fn query_string(&self, variables: &Variables) -> String {
        let mut pairs = Vec::new();
        for (name, value) in &self.query {
            let values = value.as_array().cloned().unwrap_or_else(|| vec![value.clone()]);
            for value in values {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                pairs.push(format!("{}={}", percent_encode(name), percent_encode(&fill(&value, variables))));
            }
        }
        if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
    }

    fn save(&self, response: &Response, variables: &mut Variables) -> Result<()> {
        for (name, place) in &self.save {
            let value = if place.starts_with('/') {
                let json = response.json()?;
                json.pointer(place).map(|value| value.as_str().map_or_else(|| value.to_string(), str::to_owned))
            } else {
                elements(&response.body, place).into_iter().next()
            };
            let value = value.with_context(|| format!("the answer has no {place} to save as {name}"))?;
            variables.insert(name.clone(), value);
        }
        Ok(())
    }
}

impl Expect {
    /// Whether this came back.
    ///
    /// # Errors
    /// With the first difference.
    pub fn check(&self, response: &Response, variables: &Variables) -> Result<(), String> {
        let status = self.status.unwrap_or(200);
        if response.status != status {
            return Err(format!("status {status} was expected"));
        }
        for (name, value) in &self.headers {
            let actual = response.header(name);
            if !actual.is_some_and(|actual| like(&fill(value, variables), actual)) {
                return Err(format!("the header {name} was expected to be {value}, it is {actual:?}"));
            }
        }
        let Some(expected) = &self.body else {
            return Ok(());
        };
        let actual = serde_json::from_str(&response.body).unwrap_or_else(|_| Value::String(response.body.clone()));
        matches(&fill_value(expected, variables), &actual)
    }
}

/// Whether `actual` is as expected: an object must have at least the expected members, an array exactly the expected
/// items, a text may hold `*` for any text, everything else is equal.
///
/// # Errors
/// With the JSON pointer of the first difference.
pub fn matches(expected: &Value, actual: &Value) -> Result<(), String> {
    fn at(place: &str, expected: &Value, actual: &Value) -> Result<(), String> {
        let same = match (expected, actual) {
            (Value::Object(expected), Value::Object(actual)) => {
                for (name, value) in expected {
                    let place = format!("{place}/{name}");
                    let actual = actual.get(name).ok_or_else(|| format!("{place} is missing; {value} was expected"))?;
                    at(&place, value, actual)?;
                }
                true
            }
            (Value::Array(expected), Value::Array(actual)) if expected.len() == actual.len() => {
                for (index, (expected, actual)) in expected.iter().zip(actual).enumerate() {
                    at(&format!("{place}/{index}"), expected, actual)?;
                }
                true
            }
            (Value::String(pattern), Value::String(text)) => like(pattern, text),
            (expected, actual) => expected == actual,
        };
        let place = if place.is_empty() { "the body" } else { place };
        if same { Ok(()) } else { Err(format!("{place} is {actual}; {expected} was expected")) }
    }
    at("", expected, actual)
}

/// Whether the text is as the pattern, in which `*` stands for any text.
fn like(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else {
        return false;
    };
    let parts: Vec<_> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.is_empty();
    };
    for part in middle {
        let Some(found) = rest.find(part) else {
            return false;
        };
        rest = &rest[found + part.len()..];
    }
    rest.ends_with(last)
}

fn fill(text: &str, variables: &Variables) -> String {
    variables.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${{{name}}}"), value))
}

fn fill_value(value: &Value, variables: &Variables) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text, variables)),
        Value::Array(items) => items.iter().map(|item| fill_value(item, variables)).collect(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| (name.clone(), fill_value(value, variables))).collect()
        }
        other => other.clone(),
    }
}

fn is_xml(body: &str) -> bool {
    body.trim_start().starts_with("<?xml")
}

fn one_line(body: &str) -> String {
    let line = body.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{} …", &line[..end]),
        None => line,
    }
}

async fn get(access: &Access, kind: &str, namespace: &str, name: &str) -> Result<Value> {
    let kind = format!("{kind}.stepgate.dev");
    let json = access.kubectl(["get", &kind, name, "-n", namespace, "-o", "json"]).await?;
    Ok(serde_json::from_str(&json)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_body_matches_by_its_expected_members() {
        let actual = json!({"a": {"b": "arn:aws:x", "c": 1}, "d": [1, 2], "e": null});
        assert_eq!(matches(&json!({"a": {"b": "arn:*:x"}, "d": [1, 2], "e": null}), &actual), Ok(()));
        let wrong = matches(&json!({"a": {"b": "arn:*:y"}}), &actual).unwrap_err();
        assert!(wrong.starts_with("/a/b is"), "{wrong}");
        assert!(matches(&json!({"d": [1]}), &actual).is_err(), "arrays are compared whole");
        assert!(matches(&json!({"f": null}), &actual).is_err(), "a missing member is not null");
    }

    #[test]
    fn a_star_stands_for_any_text() {
        assert!(like("a*b*c", "a-b-b-c") && like("*", "") && like("x", "x"));
        assert!(!like("a*b", "a-c") && !like("x", "xy") && !like("ab*b", "ab"));
    }

    #[test]
    fn paths_and_queries_are_encoded_and_filled() {
        let step: Step = serde_json::from_value(json!({
            "params": {"id": "a b/${n}", "proxy": "x/y"}, "query": {"q": ["1", "é"], "r": "&"}
        }))
        .unwrap();
        let variables = Variables::from([("n".to_owned(), "7".to_owned())]);
        assert_eq!(step.path("/o/{id}/f/{proxy+}", &variables).unwrap(), "/o/a%20b%2F7/f/x/y");
        assert_eq!(step.path("/", &variables).unwrap(), "/");
        assert_eq!(step.query_string(&variables), "?q=1&q=%C3%A9&r=%26");
        assert!(step.path("/{other}", &variables).unwrap_err().to_string().contains("other"));
    }
}
