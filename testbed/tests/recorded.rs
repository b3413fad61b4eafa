//! The AWS in memory answers as AWS itself answered: every response of `corpora/aws-recorded` that concerns its operations
//! is compared, with the request that belongs to it (`recorded/*.yaml`), in status, error, and every field.
//!
//! What a file of the corpus has beside is named there, with the reason: nothing is left out silently.

#![allow(clippy::unwrap_used)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Map, Value, json};
use stepgate_testbed::memory::{Memory, Service, Settings};
use xmlparser::{ElementEnd, Token, Tokenizer};

/// The account in the recordings.
const ACCOUNT: &str = "111111111111";

/// Files of the corpus that are about calls of a stage's URL, or about this operation.
const OTHER_FILES: [(&str, Option<&str>); 9] = [
    ("apigateway__test_apigateway_dynamodb", None),
    ("apigateway__test_apigateway_http", None),
    ("apigateway__test_apigateway_import", Some("apigateway:ImportRestApi")),
    ("apigateway__test_apigateway_lambda", None),
    ("apigateway__test_apigateway_s3", None),
    ("apigateway__test_apigateway_sqs", None),
    ("apigateway__test_apigateway_stepfunctions", None),
    ("stepfunctions__v2__test_sfn_api_aliasing", Some("states:CreateStateMachineAlias")),
    ("stepfunctions__v2__test_sfn_api_versioning", Some("states:PublishStateMachineVersion")),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Suite {
    /// A file of the corpus.
    file: String,
    /// Steps that several tests begin with.
    given: BTreeMap<String, Vec<Step>>,
    tests: BTreeMap<String, Test>,
    /// Tests, by the beginning of their name, that are not replayed.
    without: BTreeMap<String, Reason>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Test {
    #[serde(default)]
    given: Vec<String>,
    steps: Vec<Step>,
    /// Responses that are not compared.
    #[serde(default)]
    except: BTreeMap<String, Reason>,
}

/// Why something is not replayed.
#[derive(Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum Reason {
    /// For want of this operation: `service:Operation`.
    Lacks { lacks: String },
    /// It is about something else than operations.
    Other(#[expect(dead_code, reason = "it is for people")] String),
}

impl Reason {
    /// That what it says is missing has come since.
    fn stale(&self) -> Option<String> {
        let Self::Lacks { lacks } = self else { return None };
        is_known(lacks).then(|| format!("the memory knows {lacks}"))
    }
}

/// Whether the memory knows this `service:Operation`.
fn is_known(operation: &str) -> bool {
    let (service, operation) = operation.split_once(':').unwrap();
    let service = match service {
        "apigateway" => Service::ApiGateway,
        "iam" => Service::Iam,
        "states" => Service::States,
        other => panic!("{other} is no service of the recordings"),
    };
    Memory::knows(service, operation)
}

#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// The recorded response.
    r#as: Option<String>,
    /// `VERB /path`, or a service and its operation.
    r#do: String,
    #[serde(default)]
    with: Value,
    /// `op path value`, for patches; `copy path from`.
    patch: Option<Vec<String>>,
    /// The field of the answer that was recorded.
    pick: Option<String>,
    /// Variables, by the answer's fields.
    #[serde(default)]
    save: BTreeMap<String, String>,
}

fn corpus() -> Option<PathBuf> {
    let shared = std::env::var_os("STEPGATE_SHARED").map_or_else(|| repository().join("../shared"), PathBuf::from);
    let found = [shared, PathBuf::from("/work/shared")].map(|shared| shared.join("corpora/aws-recorded"));
    let found = found.into_iter().find(|dir| dir.is_dir());
    if found.is_none() {
        println!("skipped: there is no corpora/aws-recorded; set STEPGATE_SHARED");
    }
    found
}

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn suites() -> Vec<Suite> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/recorded");
    let mut files: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    let read = |path: PathBuf| {
        serde_saphyr::from_str(&std::fs::read_to_string(&path).unwrap())
            .unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    };
    files.into_iter().map(read).collect()
}

/// The recorded responses of a file, by test.
fn recorded(corpus: &Path, file: &str) -> BTreeMap<String, Map<String, Value>> {
    let text = std::fs::read_to_string(corpus.join(format!("{file}.snapshot.json"))).unwrap();
    let all: Map<String, Value> = serde_json::from_str(&text).unwrap();
    all.into_iter()
        .filter_map(|(name, entry)| {
            let content = entry["recorded-content"].as_object()?.clone();
            Some((name.rsplit("::").next()?.to_owned(), content))
        })
        .collect()
}

#[test]
fn the_memory_answers_as_aws_did() {
    let Some(corpus) = corpus() else { return };
    let (mut compared, mut tests, mut wrong) = (0, 0, Vec::new());
    for suite in suites() {
        let recorded = recorded(&corpus, &suite.file);
        for (name, test) in &suite.tests {
            let answers = recorded.get(name).unwrap_or_else(|| panic!("{}: no test {name}", suite.file));
            tests += 1;
            compared += play(name, test, &suite.given, answers, &mut wrong);
        }
        let left: Vec<&String> = recorded.keys().filter(|name| !suite.tests.contains_key(*name)).collect();
        for name in left.iter().filter(|name| !suite.without.keys().any(|start| name.starts_with(start))) {
            wrong.push(format!("{name}: neither replayed nor named under `without`"));
        }
        for (start, reason) in &suite.without {
            let stale = reason.stale().into_iter();
            let idle = (!left.iter().any(|name| name.starts_with(start))).then(|| "all are replayed".to_owned());
            wrong.extend(stale.chain(idle).map(|why| format!("{}, without {start}: {why}", suite.file)));
        }
    }
    println!("{compared} recorded responses of {tests} tests");
    assert!(wrong.is_empty(), "{} of {compared} differ:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_file_of_the_corpus_is_accounted_for() {
    let Some(corpus) = corpus() else { return };
    let others = OTHER_FILES.map(|(file, _)| file.to_owned());
    let known: BTreeSet<String> = suites().into_iter().map(|suite| suite.file).chain(others).collect();
    let files = std::fs::read_dir(corpus).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let found: BTreeSet<String> =
        files.filter_map(|name| Some(name.strip_suffix(".snapshot.json")?.to_owned())).collect();
    assert_eq!(found, known);
    let stale: Vec<_> = OTHER_FILES.iter().filter(|(_, lacks)| lacks.is_some_and(is_known)).collect();
    assert!(stale.is_empty(), "the memory knows it: {stale:?}");
}

/// Plays one test on an AWS of its own; answers with how many responses were compared.
fn play(
    name: &str,
    test: &Test,
    given: &BTreeMap<String, Vec<Step>>,
    answers: &Map<String, Value>,
    wrong: &mut Vec<String>,
) -> usize {
    // Whoever recorded had a role for logs.
    let log_role = Some("arn:aws:iam::111111111111:role/logs".to_owned());
    let settings = Settings { account: ACCOUNT.to_owned(), log_role, ..Settings::default() };
    let mut aws = Memory::new(1, settings);
    let long = [("long", 1025), ("longer", 3097), ("longest", 125_001)];
    let mut variables = BTreeMap::from(long.map(|(name, length)| (name.to_owned(), "x".repeat(length))));
    let mut seen = BTreeSet::new();
    let given = test.given.iter().flat_map(|set| &given[set]);
    for step in given.chain(&test.steps) {
        let (status, body) = send(&mut aws, step, &variables);
        let at = |path: &String| {
            let pointer = format!("/{}", path.replace('.', "/"));
            body.pointer(&pointer)
                .and_then(Value::as_str)
                .unwrap_or_else(|| panic!("{name}: {path} in {body}"))
                .to_owned()
        };
        let Some(label) = &step.r#as else {
            assert!(status < 300, "{name}: {} was answered with {status}: {body}", step.r#do);
            variables.extend(step.save.iter().map(|(variable, path)| (variable.clone(), at(path))));
            continue;
        };
        seen.insert(label.as_str());
        let expected = answers.get(label).unwrap_or_else(|| panic!("{name} has no response {label}"));
        let picked = step.pick.as_ref().map_or(&body, |field| &body[field.as_str()]);
        if let Err(difference) = compare(expected, status, picked, &body) {
            wrong.push(format!("{name}, {label}: {difference}"));
        }
        if status < 300 {
            variables.extend(step.save.iter().map(|(variable, path)| (variable.clone(), at(path))));
        }
    }
    for label in answers.keys().filter(|label| !seen.contains(label.as_str()) && !test.except.contains_key(*label)) {
        wrong.push(format!("{name}: {label} is neither replayed nor named under `except`"));
    }
    for (label, reason) in &test.except {
        let idle = (seen.contains(label.as_str()) || !answers.contains_key(label)).then(|| "it is replayed".to_owned());
        wrong.extend(reason.stale().into_iter().chain(idle).map(|why| format!("{name}, except {label}: {why}")));
    }
    seen.len()
}

/// `$name` and `${name}` in every text.
fn filled(value: &Value, variables: &BTreeMap<String, String>) -> Value {
    match value {
        Value::String(text) => Value::String(fill(text, variables)),
        Value::Array(items) => items.iter().map(|item| filled(item, variables)).collect(),
        Value::Object(fields) => {
            Value::Object(fields.iter().map(|(key, value)| (key.clone(), filled(value, variables))).collect())
        }
        other => other.clone(),
    }
}

fn fill(text: &str, variables: &BTreeMap<String, String>) -> String {
    // The longest first: `role1` before `role`.
    variables.iter().rev().fold(text.to_owned(), |text, (name, value)| {
        text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value)
    })
}

fn send(aws: &mut Memory, step: &Step, variables: &BTreeMap<String, String>) -> (u16, Value) {
    let mut with = filled(&step.with, variables);
    if let Some(patches) = &step.patch {
        let patch = |text: &String| {
            let text = fill(text, variables);
            let mut parts = text.splitn(3, ' ');
            let (op, path, value) = (parts.next(), parts.next(), parts.next());
            let mut patch = json!({"op": op, "path": path});
            if let Some(value) = value {
                let field = if op == Some("copy") { "from" } else { "value" };
                patch[field] = json!(if value == "\"\"" { "" } else { value });
            }
            patch
        };
        with = json!({"patchOperations": patches.iter().map(patch).collect::<Vec<_>>()});
    }
    let (head, tail) = step.r#do.split_once(' ').unwrap();
    let request = match head {
        "iam" => http::Request::post("https://iam.amazonaws.com/").body(form(tail, &with)),
        "states" => {
            if with["definition"].is_object() {
                with["definition"] = json!(with["definition"].to_string());
            }
            let request = http::Request::post("https://states.us-east-1.amazonaws.com/");
            let body = if with.is_null() { json!({}) } else { with };
            request.header("x-amz-target", format!("AWSStepFunctions.{tail}")).body(body.to_string().into_bytes())
        }
        "logs" => {
            let request = http::Request::post("https://logs.us-east-1.amazonaws.com/");
            request.header("x-amz-target", format!("Logs_20140328.{tail}")).body(with.to_string().into_bytes())
        }
        verb => {
            let uri = format!("https://apigateway.us-east-1.amazonaws.com{}", fill(tail, variables));
            let body = if with.is_null() { Vec::new() } else { with.to_string().into_bytes() };
            http::Request::builder().method(verb).uri(uri).body(body)
        }
    };
    let answer = aws.handle(&request.unwrap());
    let text = String::from_utf8(answer.body().clone()).unwrap();
    let mut body = match head {
        "iam" => xml(&text),
        _ if text.is_empty() => json!({}),
        _ => serde_json::from_str(&text).unwrap(),
    };
    if let Some(code) = answer.headers().get("x-amzn-errortype") {
        body["__type"] = json!(code.to_str().unwrap());
    }
    (answer.status().as_u16(), body)
}

/// The query protocol.
fn form(operation: &str, with: &Value) -> Vec<u8> {
    fn add(out: &mut form_urlencoded::Serializer<'_, String>, key: &str, value: &Value) {
        match value {
            // A policy is sent as text.
            Value::Object(fields) if key.ends_with("Document") => {
                out.append_pair(key, &Value::Object(fields.clone()).to_string());
            }
            Value::Object(fields) => fields.iter().for_each(|(name, value)| {
                add(out, &if key.is_empty() { name.clone() } else { format!("{key}.{name}") }, value);
            }),
            Value::Array(items) => items
                .iter()
                .enumerate()
                .for_each(|(index, item)| add(out, &format!("{key}.member.{}", index + 1), item)),
            Value::String(text) => drop(out.append_pair(key, text)),
            other => drop(out.append_pair(key, &other.to_string())),
        }
    }
    let mut out = form_urlencoded::Serializer::new(String::new());
    out.append_pair("Action", operation).append_pair("Version", "2010-05-08");
    add(&mut out, "", with);
    out.finish().into_bytes()
}

/// What is inside of `<XResponse><XResult>`, or the error.
fn xml(text: &str) -> Value {
    /// An element that is not closed yet: its name, children and text.
    type Open = (String, Vec<(String, Value)>, String);
    let mut stack: Vec<Open> = vec![Open::default()];
    for token in Tokenizer::from(text) {
        match token.unwrap() {
            Token::ElementStart { local, .. } => stack.push((local.to_string(), Vec::new(), String::new())),
            Token::Text { text } => {
                let text = text.replace("&lt;", "<").replace("&gt;", ">").replace("&quot;", "\"").replace("&amp;", "&");
                stack.last_mut().unwrap().2 += &text;
            }
            Token::ElementEnd { end: ElementEnd::Close(..) | ElementEnd::Empty, .. } => {
                let (name, children, text) = stack.pop().unwrap();
                let value = if children.is_empty() {
                    Value::String(text)
                } else if children.iter().all(|(name, _)| name == "member") {
                    children.into_iter().map(|(_, value)| value).collect()
                } else {
                    Value::Object(children.into_iter().collect())
                };
                stack.last_mut().unwrap().1.push((name, value));
            }
            _ => {}
        }
    }
    let (name, mut root) = stack.pop().unwrap().1.pop().unwrap();
    if name == "ErrorResponse" {
        return json!({"__type": root["Error"]["Code"], "message": root["Error"]["Message"]});
    }
    let result = format!("{}Result", name.trim_end_matches("Response"));
    root[result.as_str()].take().as_object().cloned().map_or_else(|| json!({}), Value::Object)
}

fn compare(expected: &Value, status: u16, picked: &Value, body: &Value) -> Result<(), String> {
    let answered = || format!("was answered with {status}: {body}");
    let error = |code: &str, message: &str, expected_status: Option<u64>| {
        let same = body["__type"].as_str().is_some_and(|found| found.rsplit('#').next() == Some(code))
            && fits(message, body["message"].as_str().unwrap_or_default())
            && expected_status.is_none_or(|expected| expected == u64::from(status));
        if same { Ok(()) } else { Err(format!("{}\n    AWS: {expected_status:?} {code}: {message}", answered())) }
    };
    // An exception's text: `An error occurred (Code) when calling the X operation: message`.
    let text = expected.as_str().or_else(|| expected["exception_value"].as_str());
    if let Some(("An error occurred", rest)) = text.and_then(|text| text.split_once(" (")) {
        let (code, rest) = rest.split_once(')').unwrap();
        return error(code, rest.split_once("operation: ").unwrap().1, None);
    }
    if let Some(found) = expected.get("Error") {
        let text = |field: &str| found[field].as_str().unwrap_or_default();
        return error(text("Code"), text("Message"), expected["ResponseMetadata"]["HTTPStatusCode"].as_u64());
    }
    if let Some(wanted) = expected["ResponseMetadata"]["HTTPStatusCode"].as_u64()
        && wanted != u64::from(status)
    {
        return Err(format!("{}; AWS: {wanted}", answered()));
    }
    let mut expected = expected.clone();
    if let Some(fields) = expected.as_object_mut() {
        fields.shift_remove("ResponseMetadata");
        // The SDK's name for API Gateway's `item`.
        if let (Some(items), true) = (fields.get("items").cloned(), picked.get("item").is_some()) {
            fields.shift_remove("items");
            fields.insert("item".to_owned(), items);
        }
    }
    same("", &expected, picked)
}

/// What AWS says today and did not when this was recorded.
const NEWER: [&str; 2] = ["encryptionConfiguration", "ipAddressType"];

fn same(path: &str, expected: &Value, actual: &Value) -> Result<(), String> {
    let differs = || Err(format!("{path}: {actual}\n    AWS: {expected}"));
    match (expected, actual) {
        (Value::Object(fields), Value::Object(found)) => {
            for (key, value) in fields {
                same(&format!("{path}/{key}"), value, found.get(key).unwrap_or(&Value::Null))?;
            }
            match found.keys().find(|key| !fields.contains_key(*key) && !NEWER.contains(&key.as_str())) {
                Some(key) => Err(format!("{path}/{key}: {}\n    AWS does not have it", found[key])),
                None => Ok(()),
            }
        }
        // The order of a list is AWS's own.
        (Value::Array(items), Value::Array(found)) if items.len() == found.len() => {
            let mut left: Vec<&Value> = found.iter().collect();
            for item in items {
                let Some(at) = left.iter().position(|one| same(path, item, one).is_ok()) else { return differs() };
                left.remove(at);
            }
            Ok(())
        }
        // A document that was parsed when it was recorded.
        (Value::Object(fields), Value::String(text)) => {
            let text = percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
            // A policy of an API is escaped once more.
            let escaped = text.replace("\\\"", "\"").replace("\\/", "/");
            match serde_json::from_str::<Value>(&text).or_else(|_| serde_json::from_str(&escaped)) {
                Ok(parsed) => same(path, expected, &parsed),
                _ if fields.is_empty() && text.is_empty() => Ok(()),
                _ => differs(),
            }
        }
        (Value::Array(items), Value::String(text)) if items.is_empty() && text.is_empty() => Ok(()),
        (Value::String(pattern), Value::String(text)) if fits(pattern, text) => Ok(()),
        (Value::String(pattern), Value::Number(_)) if fits(pattern, "") => Ok(()),
        // XML knows only text.
        (Value::Number(_) | Value::Bool(_), Value::String(text))
            if text.parse().is_ok_and(|parsed: Value| parsed == *expected) =>
        {
            Ok(())
        }
        (Value::Number(a), Value::Number(b)) if a.as_f64() == b.as_f64() => Ok(()),
        _ if expected == actual => Ok(()),
        _ => differs(),
    }
}

/// A recorded text, in which what differs from run to run is in angle brackets, or has a name of its own.
fn fits(pattern: &str, text: &str) -> bool {
    const NAMES: [&str; 8] = [
        "datetime",
        "timestamp",
        "snf_role_arn_t0",
        "snf_role_arn_t1",
        "snf_role_arn_t2",
        "snf_role_arn",
        "ssm_nonexistent_arn",
        "sm_nonexistent_arn",
    ];
    let pattern = NAMES.iter().fold(pattern.to_owned(), |pattern, name| {
        if pattern.contains('<') { pattern } else { pattern.replace(name, "<any>") }
    });
    let mut parts = pattern
        .split('<')
        .enumerate()
        .map(|(index, part)| if index == 0 { part } else { part.split_once('>').map_or(part, |(_, after)| after) });
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

#[test]
fn a_recorded_text_fits_what_it_was_made_of() {
    for (pattern, text, fit) in [
        ("arn:<partition>:states:<region>:1:x", "arn:aws:states:eu:1:x", true),
        ("arn:<partition>:states:<region>:1:x", "arn:aws:states:eu:1:y", false),
        ("<log>a", "arn:aws:a:xa", true),
        ("Not Found: 'sm_nonexistent_arn'", "Not Found: 'arn:x'", true),
        ("same", "same!", false),
    ] {
        assert_eq!(fits(pattern, text), fit, "{pattern} {text}");
    }
}
