//! The harness' process, what it is told and what it answers.
//!
//! For every template of every example: [`evaluate`] each with [`hostile_calls`], then [`assert_safe_request`].

use std::collections::{BTreeMap, BTreeSet};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Mutex, OnceLock};

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Values that have broken mapping templates: quotes, escapes, VTL, placeholders, JSON, Unicode, nothing.
pub fn hostile_cases() -> Vec<String> {
    let cases = [
        "",
        " ",
        "plain",
        "it's",
        "''",
        "\\'",
        "\\\\'",
        "say \"hi\"",
        "back\\slash",
        "\\",
        "\\u0041 \\n",
        "line\nbreak\r\ttab",
        "\u{0}\u{1}\u{8}\u{c}\u{1b}\u{1f}\u{7f}\u{85}",
        "é ü ß 日本",
        "\u{1F600}\u{1F469}\u{200D}\u{1F4BB}",
        "\u{2028}\u{2029}\u{feff}",
        "@@",
        "@@,\"id\":\"evil",
        "$",
        "$$ $!x ${x} $x",
        "#",
        "##",
        "#set($stateMachineArn = 'evil')",
        "#end #else #{end} #*",
        "\nbreak\nstop\tdefine\\nbreak\\\\xforeach \\#if \\$x \\\\#set",
        "$util.escapeJavaScript('x') $input.body $context.stage",
        "10.00",
        "null",
        "</script>",
        "1},\"id\":\"evil\"",
        "\",\"stateMachineArn\":\"evil",
        "\\\",\\\"stateMachineArn\\\":\\\"evil",
        "{\"stateMachineArn\":\"evil\"}",
    ];
    cases.map(str::to_owned).to_vec()
}

/// One call: what a client sends, and what API Gateway knows of it.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub body: String,
    pub path: BTreeMap<String, String>,
    pub query: BTreeMap<String, Vec<String>>,
    pub headers: BTreeMap<String, String>,
    pub context: Value,
    pub stage_variables: BTreeMap<String, String>,
}

impl Call {
    pub fn body(body: impl Into<String>) -> Self {
        Call { body: body.into(), ..Call::default() }
    }

    pub fn path(mut self, name: &str, value: &str) -> Self {
        self.path.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn query(mut self, name: &str, values: &[&str]) -> Self {
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        self.query.insert(name.to_owned(), values);
        self
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.insert(name.to_owned(), value.to_owned());
        self
    }

    pub fn context(mut self, context: Value) -> Self {
        self.context = context;
        self
    }
}

/// A call for each hostile value, which stands in the body (as it is, and as a JSON string below each of `keys`) and in
/// every parameter named.
pub fn hostile_calls(keys: &[&str], path: &[&str], query: &[&str], headers: &[&str]) -> Vec<Call> {
    let calls = hostile_cases().into_iter().flat_map(|value| {
        let document = keys.iter().map(|key| ((*key).to_owned(), json!(value))).collect::<serde_json::Map<_, _>>();
        [value.clone(), Value::Object(document).to_string()].map(|body| {
            let call = Call::body(body);
            let call = path.iter().fold(call, |call, name| call.path(name, &value));
            let call = query.iter().fold(call, |call, name| call.query(name, &[&value]));
            headers.iter().fold(call, |call, name| call.header(name, &value))
        })
    });
    calls.collect()
}

/// What a template made of a call.
#[derive(Clone, Debug)]
pub struct Answer {
    pub output: String,
    /// `$context.responseOverride.status`, when set.
    pub status: Option<u64>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.output).unwrap_or_else(|error| panic!("not JSON: {error}\n{}", self.output))
    }
}

/// Runs a template as API Gateway does; `Err` is where it would answer with an error of its own.
pub fn evaluate(template: &str, call: &Call) -> Result<Answer, String> {
    let mut velocity = velocity().expect("asked for before").lock().unwrap();
    let request = json!({
        "template": template,
        "body": call.body,
        "path": call.path.iter().map(|(name, value)| (name, in_url(value))).collect::<BTreeMap<_, _>>(),
        "query": call.query,
        "headers": call.headers,
        "context": call.context,
        "stageVariables": call.stage_variables,
    });
    writeln!(velocity.input, "{request}").unwrap();
    let mut line = String::new();
    velocity.output.read_line(&mut line).unwrap();
    let answer: Value = serde_json::from_str(&line).expect("the harness answers with JSON");
    match answer["error"].as_str() {
        Some(error) => Err(error.to_owned()),
        None => Ok(Answer { output: answer["output"].as_str().unwrap().to_owned(), status: answer["status"].as_u64() }),
    }
}

/// A request to Step Functions with no key but its own, on one of the machines.
pub fn assert_safe_request(answer: &Answer, machines: &[&str]) {
    let request = answer.json();
    let object = request.as_object().expect("an object");
    let known = BTreeSet::from([
        "stateMachineArn",
        "input",
        "name",
        "traceHeader",
        "executionArn",
        "error",
        "cause",
        "statusFilter",
        "maxResults",
        "nextToken",
        "reverseOrder",
        "includeExecutionData",
        "taskToken",
        "output",
    ]);
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    assert!(keys.iter().all(|key| known.contains(key)), "{keys:?}");
    let bare = ["maxResults", "reverseOrder", "includeExecutionData"];
    assert!(object.iter().all(|(key, value)| value.is_string() || bare.contains(&key.as_str())), "{request}");
    if let Some(arn) = object.get("stateMachineArn") {
        assert!(machines.contains(&arn.as_str().unwrap()), "{request}");
        assert!(!object.contains_key("executionArn"), "{request}");
    }
    let twice = answer.output.matches("\"stateMachineArn\":").count();
    assert!(twice <= 1, "{}", answer.output);
}

pub struct Velocity {
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Ends with its input, which this process' end closes.
    _child: Child,
}

/// The harness' process, one for the whole suite; `None`, said once, where the machine lacks what it needs.
pub fn velocity() -> Option<&'static Mutex<Velocity>> {
    static VELOCITY: OnceLock<Option<Mutex<Velocity>>> = OnceLock::new();
    let start = || {
        for (tool, version) in [("java", "-version"), ("mvn", "-v")] {
            if Command::new(tool).arg(version).output().is_err() {
                // Not by a macro, whose words cargo keeps to itself when a test passes.
                let _ = writeln!(
                    std::io::stderr(),
                    "The Velocity suite is skipped: `{tool}` is not on the PATH (it needs Java 17 and Maven)."
                );
                return None;
            }
        }
        let target = build();
        let classes = target.join("classes");
        let libraries = target.join("lib").join("*");
        let mut child = Command::new("java")
            .args(["-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp"])
            .arg(format!("{}:{}", classes.display(), libraries.display()))
            .arg("dev.stepgate.velocity.Harness")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("java starts");
        Some(Mutex::new(Velocity {
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()),
            _child: child,
        }))
    };
    VELOCITY.get_or_init(start).as_ref()
}

/// Builds the harness, once for each state of its sources, and gives its directory.
fn build() -> PathBuf {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("testbed/velocity");
    let mut files = vec![project.join("pom.xml")];
    let sources = project.join("src/main/java/dev/stepgate/velocity");
    files.extend(std::fs::read_dir(sources).unwrap().map(|file| file.unwrap().path()));
    files.sort();
    let mut hash = Sha256::new();
    for file in files {
        hash.update(std::fs::read(file).unwrap());
    }
    let hash: String = hash.finalize()[..8].iter().map(|byte| format!("{byte:02x}")).collect();

    let cache = std::env::var_os("XDG_CACHE_HOME")
        .map_or_else(|| PathBuf::from(std::env::var_os("HOME").expect("HOME")).join(".cache"), PathBuf::from);
    let target = cache.join("stepgate").join(format!("velocity-{hash}"));
    if target.is_dir() {
        return target;
    }
    let unfinished = target.with_extension(std::process::id().to_string());
    let maven = |offline: &[&str]| {
        Command::new("mvn")
            .args(["-q", "-B"])
            .args(offline)
            .arg("-f")
            .arg(project.join("pom.xml"))
            .arg(format!("-DoutputDirectory={}", unfinished.display()))
            .arg("compile")
            .output()
            .expect("mvn starts")
    };
    let offline = maven(&["-o"]);
    if !offline.status.success() {
        let online = maven(&[]);
        assert!(online.status.success(), "the harness does not build:\n{}", String::from_utf8_lossy(&online.stdout));
    }
    // Another process may have been faster; its build is as good.
    if std::fs::rename(&unfinished, &target).is_err() {
        let _ = std::fs::remove_dir_all(&unfinished);
    }
    target
}

/// Leaves the test where Velocity can't run.
macro_rules! needs_velocity {
    () => {
        if $crate::harness::velocity().is_none() {
            return;
        }
    };
}
pub(crate) use needs_velocity;

/// As a URL holds it: REST APIs hand path parameters on percent-encoded.
fn in_url(value: &str) -> String {
    value
        .bytes()
        .map(|byte| match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'+' => char::from(byte).to_string(),
            _ => format!("%{byte:02X}"),
        })
        .collect()
}
