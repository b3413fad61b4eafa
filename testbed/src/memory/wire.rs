//! The three protocols: what a request asks for, and how answers and errors are written.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};

/// A request, as it comes over the wire.
pub type Request = http::Request<Vec<u8>>;
/// A response, as it goes over the wire.
pub type Response = http::Response<Vec<u8>>;

/// A service of AWS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[allow(missing_docs)]
pub enum Service {
    Iam,
    Sts,
    States,
    ApiGateway,
    Logs,
}

/// What a request asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Call {
    /// Whose credentials signed it.
    pub account: String,
    /// The Region that it is for.
    pub region: String,
    /// The service.
    pub service: Service,
    /// The operation, such as `PutMethod`.
    pub operation: String,
    /// Whether it changes something.
    pub mutates: bool,
}

/// An error of AWS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    code: String,
    message: String,
    retry_after: Option<u64>,
}

impl Refusal {
    pub fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), retry_after: None }
    }

    /// What this AWS does not have.
    pub fn unknown(what: impl std::fmt::Display) -> Self {
        Self::new(501, "NotInMemory", format!("the AWS in memory does not know {what}"))
    }

    /// Too many calls; seconds until the next is taken.
    pub fn throttled(service: Service, seconds: u64) -> Self {
        let (status, code, message) = match service {
            Service::ApiGateway => (429, "TooManyRequestsException", "Too Many Requests"),
            Service::States | Service::Logs => (400, "ThrottlingException", "Rate exceeded"),
            Service::Iam | Service::Sts => (400, "Throttling", "Rate exceeded"),
        };
        let retry_after = (service == Service::ApiGateway).then_some(seconds);
        Self { retry_after, ..Self::new(status, code, message) }
    }

    pub fn throttles(&self) -> bool {
        ["TooManyRequestsException", "ThrottlingException", "Throttling"].contains(&self.code.as_str())
    }

    pub fn into_response(self, service: Option<Service>, id: &str) -> Response {
        let Self { status, code, message, retry_after } = self;
        match service {
            Some(Service::Iam | Service::Sts) => {
                let kind = if status < 500 { "Sender" } else { "Receiver" };
                let error = json!({"Error": {"Type": kind, "Code": code, "Message": message}, "RequestId": id});
                response(status, "text/xml", xml("ErrorResponse", &error), id)
            }
            Some(Service::States) => {
                let error = json!({"__type": code, "message": message});
                response(status, "application/x-amz-json-1.0", error.to_string(), id)
            }
            Some(Service::Logs) => {
                let error = json!({"__type": code, "message": message});
                response(status, "application/x-amz-json-1.1", error.to_string(), id)
            }
            Some(Service::ApiGateway) | None => {
                let error = json!({"message": message}).to_string();
                let mut response = response(status, "application/json", error, id);
                header(&mut response, "x-amzn-errortype", &code);
                if let Some(seconds) = retry_after {
                    header(&mut response, "retry-after", &seconds.to_string());
                }
                response
            }
        }
    }
}

pub(super) fn success(call: &Call, status: u16, value: &Value, id: &str) -> Response {
    match call.service {
        Service::Iam | Service::Sts => {
            let mut answer = Map::new();
            if value.as_object().is_some_and(|object| !object.is_empty()) {
                answer.insert(format!("{}Result", call.operation), value.clone());
            }
            answer.insert("ResponseMetadata".to_owned(), json!({"RequestId": id}));
            let text = xml(&format!("{}Response", call.operation), &Value::Object(answer));
            response(status, "text/xml", text, id)
        }
        Service::States => response(status, "application/x-amz-json-1.0", value.to_string(), id),
        Service::Logs => response(status, "application/x-amz-json-1.1", value.to_string(), id),
        Service::ApiGateway if value.is_null() => response(status, "application/json", String::new(), id),
        Service::ApiGateway => response(status, "application/json", value.to_string(), id),
    }
}

/// A response of this status.
pub(super) fn response(status: u16, content_type: &str, body: String, id: &str) -> Response {
    let mut response = Response::new(body.into_bytes());
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    header(&mut response, "content-type", content_type);
    header(&mut response, "x-amzn-requestid", id);
    response
}

fn header(response: &mut Response, name: &'static str, value: &str) {
    if let Ok(value) = http::HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

/// Reads who asks for what. An API's operation is found by its method and path.
pub(super) fn identify(request: &Request, account: &str, keys: &BTreeMap<String, String>) -> Result<Call, Refusal> {
    let text = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    // Credential=AKID/20260101/eu-central-1/states/aws4_request
    let credential = text("authorization").split_once("Credential=").map_or("", |(_, rest)| rest);
    let mut scope = credential.split([',', ' ']).next().unwrap_or_default().split('/');
    let (key, _, region) = (scope.next().unwrap_or_default(), scope.next(), scope.next().unwrap_or("us-east-1"));
    let is_number = key.len() == 12 && key.bytes().all(|b| b.is_ascii_digit());
    let account = if is_number { key } else { keys.get(key).map_or(account, String::as_str) };

    let (service, operation) = if let Some(operation) = text("x-amz-target").strip_prefix("AWSStepFunctions.") {
        (Service::States, operation.to_owned())
    } else if let Some(operation) = text("x-amz-target").strip_prefix("Logs_20140328.") {
        (Service::Logs, operation.to_owned())
    } else if request.method() == http::Method::POST && request.uri().path() == "/" {
        let form = form(request.body());
        let action = form["Action"].as_str().unwrap_or_default().to_owned();
        match form["Version"].as_str() {
            Some("2010-05-08") => (Service::Iam, action),
            Some("2011-06-15") => (Service::Sts, action),
            _ => return Err(Refusal::unknown(format!("the action `{action}`"))),
        }
    } else {
        let path = Path::of(request);
        match super::apigateway::routes::operation(request.method().as_str(), &path.segments()) {
            Some((operation, _)) => (Service::ApiGateway, operation.to_owned()),
            None => return Err(Refusal::unknown(format!("{} {}", request.method(), request.uri().path()))),
        }
    };
    let reads = ["Get", "List", "Describe", "Validate"].iter().any(|verb| operation.starts_with(verb));
    let mutates = !reads && operation != "AssumeRole";
    Ok(Call { account: account.to_owned(), region: region.to_owned(), service, operation, mutates })
}

/// A path's segments and query, decoded.
pub(super) struct Path {
    segments: Vec<String>,
    query: Vec<(String, String)>,
}

impl Path {
    pub fn of(request: &Request) -> Self {
        let decode = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let segments = request.uri().path().split('/').filter(|segment| !segment.is_empty()).map(decode).collect();
        let query = request.uri().query().unwrap_or_default();
        Self { segments, query: form_urlencoded::parse(query.as_bytes()).into_owned().collect() }
    }

    pub fn segments(&self) -> Vec<&str> {
        self.segments.iter().map(String::as_str).collect()
    }

    /// A query parameter.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.all(name).next()
    }

    /// All values of a query parameter.
    pub fn all(&self, name: &str) -> impl Iterator<Item = &str> {
        self.query.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }
}

/// A form as a tree: `Tags.member.1.Key=a` becomes `{"Tags": [{"Key": "a"}]}`.
pub(super) fn form(body: &[u8]) -> Value {
    fn insert(at: &mut Value, parts: &[&str], value: String) {
        let [part, rest @ ..] = parts else {
            *at = Value::String(value);
            return;
        };
        if let Some(list) = at.as_array_mut() {
            let index = part.parse().unwrap_or(1_usize).clamp(1, 1_000);
            list.resize(list.len().max(index), Value::Object(Map::new()));
            insert(&mut list[index - 1], rest, value);
        } else if let Some(object) = at.as_object_mut() {
            let is_list = rest.first().is_some_and(|next| next.parse::<usize>().is_ok());
            let empty = if is_list { Value::Array(Vec::new()) } else { Value::Object(Map::new()) };
            insert(object.entry(*part).or_insert(empty), rest, value);
        }
    }
    let mut tree = Value::Object(Map::new());
    for (key, value) in form_urlencoded::parse(body) {
        let parts: Vec<&str> = key.split('.').filter(|part| *part != "member").collect();
        insert(&mut tree, &parts, value.into_owned());
    }
    tree
}

/// A JSON body; an empty one is an empty object.
pub(super) fn json(body: &[u8]) -> Result<Value, Refusal> {
    if body.is_empty() {
        return Ok(Value::Object(Map::new()));
    }
    serde_json::from_slice(body).map_err(|error| Refusal::new(400, "SerializationException", error.to_string()))
}

/// An operation's input. Types are AWS's concern (SerializationException); parameters that are not known are refused
/// loudly, so that nothing is silently left out.
pub(super) fn input<T: DeserializeOwned>(value: Value) -> Result<T, Refusal> {
    serde_json::from_value(value).map_err(|error| match error.to_string() {
        text if text.starts_with("unknown field") => Refusal::unknown(format!("this: {text}")),
        // rec
        text if text.starts_with("invalid type: boolean") => not_a_string("java.lang.Boolean"),
        text if text.starts_with("invalid type: integer") => {
            not_a_string("com.amazon.coral.value.json.numbers.TruncatingBigNumber")
        }
        text => Refusal::new(400, "SerializationException", text),
    })
}

fn not_a_string(class: &str) -> Refusal {
    Refusal::new(400, "SerializationException", format!("class {class} can not be converted to an String"))
}

/// What is left of an input of the query protocol once its head is taken off.
pub(super) fn query_input<T: DeserializeOwned>(mut value: Value) -> Result<T, Refusal> {
    if let Some(object) = value.as_object_mut() {
        object.remove("Action");
        object.remove("Version");
    }
    input(value)
}

/// XML of a value, as IAM writes it: lists of `member`, maps of `entry`.
fn xml(name: &str, value: &Value) -> String {
    fn write(out: &mut String, name: &str, value: &Value) {
        match value {
            Value::Null => {}
            Value::Array(entries) if name == "entry" => entries.iter().for_each(|entry| write(out, name, entry)),
            Value::Array(items) => {
                *out += &format!("<{name}>");
                items.iter().for_each(|item| write(out, "member", item));
                *out += &format!("</{name}>");
            }
            Value::Object(fields) => {
                *out += &format!("<{name}>");
                fields.iter().for_each(|(name, value)| write(out, name, value));
                *out += &format!("</{name}>");
            }
            Value::String(text) => *out += &format!("<{name}>{}</{name}>", escape(text)),
            other => *out += &format!("<{name}>{other}</{name}>"),
        }
    }
    let mut out = String::new();
    write(&mut out, name, value);
    out
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// The same call, which asks for at most so many on a page.
pub(super) fn paged(call: &Call, request: &Request, most: usize) -> Request {
    let mut paged = request.clone();
    let with = |name: &str| {
        let mut body = json(request.body()).unwrap_or_default();
        body[name] = json!(most);
        body.to_string().into_bytes()
    };
    match call.service {
        Service::Iam => paged.body_mut().extend(format!("&MaxItems={most}").bytes()),
        Service::States => *paged.body_mut() = with("maxResults"),
        Service::Logs => *paged.body_mut() = with("limit"),
        Service::ApiGateway => {
            // The first of a name counts.
            let uri = request.uri();
            let uri = format!("{}?limit={most}&{}", uri.path(), uri.query().unwrap_or_default());
            *paged.uri_mut() = uri.parse().unwrap_or_else(|_| request.uri().clone());
        }
        Service::Sts => {}
    }
    paged
}

/// One page of a list, and the marker of the next.
pub(super) fn page<T>(items: Vec<(String, T)>, after: Option<&str>, size: usize) -> (Vec<T>, Option<String>) {
    let mut rest = items.into_iter().skip_while(|(key, _)| after.is_some_and(|after| key.as_str() <= after)).peekable();
    let (mut taken, mut last) = (Vec::new(), None);
    while taken.len() < size {
        let Some((key, item)) = rest.next() else { break };
        taken.push(item);
        last = Some(key);
    }
    let more = rest.peek().is_some();
    (taken, last.filter(|_| more))
}

/// A marker, opaque as AWS's are.
pub(super) fn marker(key: &str) -> String {
    key.bytes().map(|byte| format!("{byte:02x}")).collect()
}

/// What a marker stands for; `None` where it is none of ours.
pub(super) fn read_marker(text: &str) -> Option<String> {
    let bytes: Option<Vec<u8>> =
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect();
    String::from_utf8(bytes?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_form_is_read_as_a_tree() {
        let text = "Action=TagRole&Tags.member.2.Key=b&Tags.member.1.Key=a&Tags.member.1.Value=%26x&TagKeys.member.1=k";
        assert_eq!(
            form(text.as_bytes()),
            json!({"Action": "TagRole", "Tags": [{"Key": "a", "Value": "&x"}, {"Key": "b"}], "TagKeys": ["k"]})
        );
    }

    #[test]
    fn a_value_is_written_as_iam_does() {
        let value = json!({"Roles": [{"RoleName": "a<b"}], "IsTruncated": false, "Marker": null});
        assert_eq!(
            xml("R", &value),
            "<R><Roles><member><RoleName>a&lt;b</RoleName></member></Roles><IsTruncated>false</IsTruncated></R>"
        );
    }

    #[test]
    fn pages_follow_each_other() {
        let items = || ["a", "b", "c"].map(|key| (key.to_owned(), key)).to_vec();
        let (first, next) = page(items(), None, 2);
        assert_eq!((first, next.as_deref()), (vec!["a", "b"], Some("b")));
        let next = read_marker(&marker(&next.unwrap()));
        assert_eq!(page(items(), next.as_deref(), 2), (vec!["c"], None));
    }
}
