//! The AWS emulator: how it is started, and how tests look into it without an SDK.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use anyhow::{Result, bail};
use serde_json::{Value, json};

use crate::control_plane::answers;
use crate::curl::{Request, Response};
use crate::ports::Ports;
use crate::processes::{Processes, Program};

pub(crate) const LOCALSTACK: &str = "localstack";
/// The account of the emulator.
pub(crate) const ACCOUNT: &str = "000000000000";
/// The Region of the testbed.
pub(crate) const REGION: &str = "us-east-1";

const SERVICES: &str = "iam,sts,stepfunctions,apigateway,logs,events,cloudwatch,lambda,sqs,sns,s3,ec2,dynamodb";

pub(crate) fn localstack(python: &Path, port: u16, dir: &Path) -> Program {
    let launcher = Path::new(env!("CARGO_MANIFEST_DIR")).join("localstack/launch.py");
    let env = [
        ("GATEWAY_LISTEN", format!("127.0.0.1:{port}")),
        ("DISABLE_EVENTS", "1".into()),
        ("SKIP_SSL_CERT_DOWNLOAD", "1".into()),
        ("DNS_ADDRESS", "0".into()),
        ("STRICT_SERVICE_LOADING", "1".into()),
        ("FILESYSTEM_ROOT", dir.join("localstack").to_string_lossy().into_owned()),
        ("LOCALSTACK_VOLUME_DIR", dir.join("localstack").to_string_lossy().into_owned()),
        // In a container it forgets FILESYSTEM_ROOT, and two that start at once read each other's half-written key.
        ("CUSTOM_SSL_CERT_PATH", dir.join("localstack/server.pem").to_string_lossy().into_owned()),
        ("SERVICES", SERVICES.into()),
    ];
    Program {
        name: LOCALSTACK.into(),
        path: python.to_owned(),
        // Isolated: a PYTHONPATH of the user would bring other versions in.
        args: vec!["-I".into(), launcher.to_string_lossy().into_owned()],
        env: env.map(|(key, value)| (key.to_owned(), value)).into(),
        ..Program::default()
    }
}

pub(crate) async fn wait_ready(processes: &Processes, endpoint: &str) -> Result<()> {
    let health = Request::get(format!("{endpoint}/_localstack/health"));
    processes.wait_ready(LOCALSTACK, Duration::from_secs(120), async || answers(&health).await).await
}

/// The AWS emulator without a control plane, until this is dropped or its process ends in whatever way.
pub struct Emulator {
    endpoint: String,
    _processes: Processes,
    /// Held, so that nobody takes its port.
    _ports: Ports,
}

impl Emulator {
    /// Starts it, empty.
    ///
    /// # Errors
    /// When Python 3.11 or curl is missing, or it does not get ready.
    pub async fn start() -> Result<Self> {
        let (processes, ports) = (Processes::new()?, Ports::default());
        let python = crate::assets::python(&processes).await?;
        let port = ports.take()?;
        let endpoint = format!("http://127.0.0.1:{port}");
        std::fs::create_dir(processes.dir().join("localstack"))?;
        processes.start(&localstack(&python, port, processes.dir()))?;
        wait_ready(&processes, &endpoint).await?;
        Ok(Self { endpoint, _processes: processes, _ports: ports })
    }

    /// Its URL.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

/// A client for any service of an emulator, for set-up and for looking: it knows the wire protocols, not the operations.
///
/// Requests carry a signature of the credentials `test`/`test`; account 000000000000, Region us-east-1.
#[derive(Clone, Debug)]
pub struct Aws {
    endpoint: String,
}

/// What a service speaks.
enum Protocol {
    /// Signing name, prefix of X-Amz-Target, JSON version.
    Json(&'static str, &'static str, &'static str),
    /// API version.
    Query(&'static str),
}

fn protocol(service: &str) -> Result<Protocol> {
    Ok(match service {
        "states" => Protocol::Json("states", "AWSStepFunctions", "1.0"),
        "sqs" => Protocol::Json("sqs", "AmazonSQS", "1.0"),
        "dynamodb" => Protocol::Json("dynamodb", "DynamoDB_20120810", "1.0"),
        "events" => Protocol::Json("events", "AWSEvents", "1.1"),
        "logs" => Protocol::Json("logs", "Logs_20140328", "1.1"),
        "iam" => Protocol::Query("2010-05-08"),
        "sts" => Protocol::Query("2011-06-15"),
        "sns" => Protocol::Query("2010-03-31"),
        "ec2" => Protocol::Query("2016-11-15"),
        other => bail!(
            "the service `{other}` is not known here; use one of states, sqs, dynamodb, events, logs, iam, sts, sns, ec2, \
             or `rest` for apigateway, s3 and lambda"
        ),
    })
}

impl Aws {
    /// A client for the emulator at this URL.
    pub fn new(endpoint: impl Into<String>) -> Self {
        Aws { endpoint: endpoint.into() }
    }

    /// The URL of the emulator.
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Calls an operation of a service that speaks JSON (states, sqs, dynamodb, events, logs) or Query (iam, sts, sns,
    /// ec2; its input is an object of flattened parameters such as `InstanceId.1`, its answer XML). Any status is an answer.
    ///
    /// # Errors
    /// When the service is not known here or does not answer.
    pub async fn call(&self, service: &str, operation: &str, input: &Value) -> Result<Response> {
        let (signing, content_type, target, body) = match protocol(service)? {
            Protocol::Json(signing, prefix, version) => {
                let target = Some(format!("{prefix}.{operation}"));
                (signing, format!("application/x-amz-json-{version}"), target, input.to_string())
            }
            Protocol::Query(version) => {
                let mut body = format!("Action={operation}&Version={version}");
                for (key, value) in input.as_object().into_iter().flatten() {
                    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                    body += &format!("&{}={}", percent_encode(key), percent_encode(&value));
                }
                (service, "application/x-www-form-urlencoded".to_owned(), None, body)
            }
        };
        let mut headers = vec![("Content-Type".to_owned(), content_type)];
        headers.extend(target.map(|target| ("X-Amz-Target".to_owned(), target)));
        let url = format!("{}/", self.endpoint);
        self.send(signing, Request { method: "POST".into(), url, headers, body: Some(body), ..Request::default() })
            .await
    }

    /// Calls a service that speaks REST (apigateway, s3, lambda). Any status is an answer.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn rest(&self, service: &str, method: &str, path: &str, body: Option<&Value>) -> Result<Response> {
        let headers = body.map(|_| ("Content-Type".to_owned(), "application/json".to_owned())).into_iter().collect();
        let request = Request {
            method: method.into(),
            url: format!("{}{path}", self.endpoint),
            headers,
            body: body.map(Value::to_string),
            ..Request::default()
        };
        self.send(service, request).await
    }

    async fn send(&self, service: &str, mut request: Request) -> Result<Response> {
        request.sign = Some((service.to_owned(), REGION.to_owned()));
        request.send().await
    }

    /// As [`Aws::call`], and an error unless the status is 200 and the body JSON.
    ///
    /// # Errors
    /// With AWS's words.
    pub async fn json(&self, service: &str, operation: &str, input: Value) -> Result<Value> {
        ok(&format!("{service}:{operation}"), self.call(service, operation, &input).await?)?.json()
    }

    /// Everything of the kinds that stepgate makes that has a name: state machines, REST APIs, usage plans, API keys, custom domains,
    /// roles and policies.
    ///
    /// # Errors
    /// When the emulator does not answer.
    pub async fn inventory(&self) -> Result<BTreeSet<String>> {
        let gateway = async |kind: &str, path: &str, field: &str| {
            let answer = self.rest("apigateway", "GET", &format!("/{path}?limit=500"), None).await?;
            let answer = ok(&format!("apigateway:GET /{path}"), answer)?.json()?;
            let items = ["item", "items"].iter().find_map(|key| answer.get(key)).and_then(Value::as_array);
            let names = items.into_iter().flatten().filter_map(|item| item[field].as_str());
            Ok(names.map(|name| format!("{kind} {name}")).collect::<Vec<_>>())
        };
        let (machines, apis, plans, keys, domains, roles, policies) = tokio::try_join!(
            self.json("states", "ListStateMachines", json!({})),
            gateway("REST API", "restapis", "name"),
            gateway("usage plan", "usageplans", "name"),
            gateway("API key", "apikeys", "name"),
            gateway("custom domain", "domainnames", "domainName"),
            async { ok("iam:ListRoles", self.call("iam", "ListRoles", &json!({"MaxItems": "1000"})).await?,) },
            async {
                let local = json!({"Scope": "Local", "MaxItems": "1000"});
                ok("iam:ListPolicies", self.call("iam", "ListPolicies", &local).await?)
            },
        )?;
        let machines = machines["stateMachines"].as_array().into_iter().flatten();
        let machines = machines.filter_map(|item| Some(format!("state machine {}", item["name"].as_str()?)));
        let roles = elements(&roles.body, "RoleName").into_iter().map(|name| format!("role {name}"));
        let policies = elements(&policies.body, "PolicyName").into_iter().map(|name| format!("policy {name}"));
        let gateway = apis.into_iter().chain(plans).chain(keys).chain(domains);
        Ok(machines.chain(gateway).chain(roles).chain(policies).collect())
    }
}

fn ok(what: &str, response: Response) -> Result<Response> {
    if response.status / 100 != 2 {
        bail!("{what} was answered with {}: {}", response.status, response.body);
    }
    Ok(response)
}

/// The texts of all XML elements of this name, which have no attributes in AWS's answers.
pub(crate) fn elements(xml: &str, name: &str) -> Vec<String> {
    let (open, close) = (format!("<{name}>"), format!("</{name}>"));
    let parts = xml.split(&open).skip(1);
    parts.filter_map(|part| part.split_once(&close)).map(|(text, _)| text.to_owned()).collect()
}

/// A value of a query or a form.
pub(crate) fn percent_encode(text: &str) -> String {
    encode(text, b"-_.~")
}

/// A segment of a path, in which RFC 3986 leaves more as it is. API Gateway hands path parameters on as the client encoded
/// them (recorded: `test%2Balias@gmail.com`), so a client that encodes too much is seen.
pub(crate) fn percent_encode_segment(text: &str) -> String {
    encode(text, b"-_.~!$&'()*+,;=:@")
}

fn encode(text: &str, kept: &[u8]) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || kept.contains(&byte) {
            out.push(char::from(byte));
        } else {
            out += &format!("%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_found_by_whole_name() {
        let xml = "<A><RoleName>one</RoleName><RoleNameX>no</RoleNameX><RoleName>two</RoleName></A>";
        assert_eq!(elements(xml, "RoleName"), ["one", "two"]);
    }

    #[test]
    fn what_is_not_unreserved_is_encoded() {
        assert_eq!(percent_encode("a b/é~'"), "a%20b%2F%C3%A9~%27");
        assert_eq!(percent_encode_segment("o'b/é?"), "o'b%2F%C3%A9%3F");
    }
}
