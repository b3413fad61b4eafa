//! Task states: the Resource, its integration, what it needs and what EXPRESS refuses.

use serde_json::{Map, Value};

use super::integrations::{SERVICES, WITHOUT_SYNC, WITHOUT_TOKEN};
use super::sdk_operations;
use super::sdk_services::{OTHERWISE_CALLED, SDK_SERVICES};
use super::{Checker, MachineType, unresolved};
use crate::asl::codes;
use crate::asl::finding::At;
use crate::asl::model::{QueryLanguage, State};
use crate::asl::text::short;
use crate::asl::walk::Pointer;

/// How a task waits for what it called.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Pattern {
    RequestResponse,
    Sync,
    /// `.sync:2`.
    Sync2,
    Token,
}

impl Pattern {
    fn split(action: &str) -> (&str, Self) {
        for (suffix, pattern) in [(".sync:2", Self::Sync2), (".sync", Self::Sync), (".waitForTaskToken", Self::Token)] {
            if let Some(action) = action.strip_suffix(suffix) {
                return (action, pattern);
            }
        }
        (action, Self::RequestResponse)
    }

    fn name(self) -> &'static str {
        match self {
            Self::RequestResponse => "",
            Self::Sync => ".sync",
            Self::Sync2 => ".sync:2",
            Self::Token => ".waitForTaskToken",
        }
    }
}

/// What a Resource is the ARN of.
enum Resource<'r> {
    Lambda(&'r str),
    Activity,
    /// Service and action of an optimized integration, or `aws-sdk`, service and action.
    Integration {
        service: &'r str,
        action: &'r str,
        pattern: Pattern,
    },
    Other,
}

fn resource(text: &str) -> Resource<'_> {
    if let Some((begin, integration)) = text.split_once(":states:::")
        && begin.starts_with("arn:")
        && let Some((service, action)) = integration.split_once(':')
    {
        let (action, pattern) = Pattern::split(action);
        return Resource::Integration { service, action, pattern };
    }
    if text.starts_with("arn:") && text.contains(":states:") && text.contains(":activity:") {
        return Resource::Activity;
    }
    if text.starts_with("arn:")
        && text.contains(":lambda:")
        && let Some((_, function)) = text.split_once(":function:")
    {
        return Resource::Lambda(function);
    }
    Resource::Other
}

impl<'d> Checker<'d> {
    /// Checks a task.
    pub(super) fn task(&mut self, state: &State<'d>, express_child: bool) {
        let name = short(state.at.name);
        let pointer = state.at.pointer.key("Resource");
        let text = match state.field("Resource") {
            Some(Value::String(text)) => text,
            // `Ref`, `Fn::GetAtt` …: a definition that lives in a CloudFormation template.
            Some(Value::Object(_)) => {
                self.findings.report(
                    &codes::RESOURCE_OBJECT,
                    At::Value(&pointer),
                    format!("Task state `{name}` has an object as its Resource, which only CloudFormation resolves"),
                    Some("write the ARN as a string, with a placeholder such as ${Name} in it".to_owned()),
                );
                return;
            }
            Some(_) => {
                let message = format!("Task state `{name}` has a Resource that is not a string");
                self.findings.report(&codes::RESOURCE_MISSING, At::Value(&pointer), message, None);
                return;
            }
            None => {
                let message = format!("Task state `{name}` has no Resource");
                let help = Some("add the ARN of a function, an activity or a service integration".to_owned());
                self.findings.report(&codes::RESOURCE_MISSING, At::Key(&state.at.pointer), message, help);
                return;
            }
        };
        let resource = resource(text);
        self.credentials(state, matches!(resource, Resource::Activity));
        self.heartbeat(state);
        self.express(state, &resource, express_child, &pointer);
        match resource {
            Resource::Lambda(function) => {
                self.lambda_arn(name, function, &pointer);
                self.advise_retry(state);
            }
            Resource::Activity => self.advise_timeout(state, "an activity"),
            Resource::Integration { service: "aws-sdk", action, pattern } => self.sdk(state, action, pattern, &pointer),
            Resource::Integration { service, action, pattern } => {
                self.integration(state, service, action, pattern, &pointer);
            }
            Resource::Other => self.other_resource(name, text, &pointer),
        }
        if let Resource::Integration { pattern: Pattern::Token, .. } = resource {
            self.advise_timeout(state, "a task token");
            self.token(state);
        }
    }

    /// "Value is not a valid resource ARN": measured (cdk-preflight). The specification takes any URI, and public
    /// validators with it.
    fn other_resource(&mut self, name: &str, text: &str, pointer: &Pointer<'_>) {
        if unresolved(text) {
            return;
        }
        if let ["arn", _, service @ ("states" | "lambda"), region, _, kind, ..] =
            text.split(':').collect::<Vec<_>>()[..]
        {
            let (kinds, help): (&[&str], _) = match (service, region) {
                ("states", "") => (&[], "an integration is arn:aws:states:::SERVICE:ACTION"),
                ("states", _) => (&["activity"], "an activity is arn:aws:states:REGION:ACCOUNT:activity:NAME"),
                _ => (&["function"], "a function is arn:aws:lambda:REGION:ACCOUNT:function:NAME"),
            };
            let near = self.speller.near(kind, kinds.iter().copied());
            let help = near.map_or_else(|| help.to_owned(), |near| format!("did you mean {near}?"));
            let message = format!("Task state `{name}` has the Resource `{}`, which no task can call", short(text));
            self.findings.report(&codes::RESOURCE_UNKNOWN, At::Value(pointer), message, Some(help));
        }
        if text.starts_with("arn:") {
            return;
        }
        let is_uri = text.split_once(':').is_some_and(|(scheme, rest)| {
            !rest.is_empty()
                && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
        });
        let rule = if is_uri { &codes::RESOURCE_NOT_ARN } else { &codes::RESOURCE_SYNTAX };
        let message = format!("Task state `{name}` has the Resource `{}`, which is not an ARN", short(text));
        let help = "it is the ARN of a function, an activity or a service integration".to_owned();
        self.findings.report(rule, At::Value(pointer), message, Some(help));
    }

    /// EXPRESS "does not support '.sync' service integration", "'.waitForTaskToken'", "Activity ARN": recorded from AWS
    /// (corpora/aws-recorded, AWS.md §4).
    fn express(&mut self, state: &State<'d>, resource: &Resource<'_>, express_child: bool, pointer: &Pointer<'_>) {
        let name = short(state.at.name);
        let (rule, what) = match resource {
            Resource::Activity => (&codes::EXPRESS_ACTIVITY, "an activity"),
            Resource::Integration { pattern: Pattern::RequestResponse, .. } => return,
            Resource::Integration { pattern, .. } => (&codes::EXPRESS_PATTERN, pattern.name()),
            _ => return,
        };
        if self.usage.machine_type == MachineType::Express {
            self.findings.report(
                rule,
                At::Value(pointer),
                format!("Task state `{name}` uses {what}, which a machine of type EXPRESS can't"),
                Some("make the machine STANDARD, or call the integration without waiting for its result".to_owned()),
            );
        } else if express_child {
            self.findings.report(
                &codes::EXPRESS_CHILD,
                At::Value(pointer),
                format!("Task state `{name}` uses {what}, and its processor runs EXPRESS, which can't"),
                Some("set ExecutionType: STANDARD in the ProcessorConfig around it".to_owned()),
            );
        }
    }

    /// `arn:…:function:NAME` and perhaps `:VERSION` or `:ALIAS`: Lambda API, `FunctionName` and `Qualifier`.
    fn lambda_arn(&mut self, name: &str, function: &str, pointer: &Pointer<'_>) {
        if unresolved(function) {
            return;
        }
        let word =
            |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || "-_$.".contains(c));
        let fits = match function.split_once(':') {
            Some((function, qualifier)) => word(function) && word(qualifier),
            None => word(function),
        };
        if !fits {
            self.findings.report(
                &codes::LAMBDA_ARN,
                At::Value(pointer),
                format!("Task state `{name}` has the ARN of a function that can't be: `function:{}`", short(function)),
                Some("after `function:` come the name and perhaps `:` and a version or alias".to_owned()),
            );
        }
    }

    fn integration(
        &mut self,
        state: &State<'d>,
        service: &'d str,
        action: &'d str,
        pattern: Pattern,
        pointer: &Pointer<'_>,
    ) {
        let name = short(state.at.name);
        if unresolved(service) || unresolved(action) {
            return;
        }
        let known = SERVICES.iter().find(|known| known.name == service);
        let found = known.and_then(|known| known.actions.iter().find(|known| known.name == action));
        let shown = format!("{}:{}", short(service), short(action));
        if found.is_none() {
            let (rule, near) = match known {
                Some(known) => (
                    if known.closed { &codes::INTEGRATION_UNKNOWN } else { &codes::INTEGRATION_UNSURE },
                    self.speller.near(action, known.actions.iter().map(|action| action.name)),
                ),
                None => (
                    &codes::INTEGRATION_UNSURE,
                    self.speller.near(service, SERVICES.iter().map(|service| service.name)),
                ),
            };
            self.findings.report(
                rule,
                At::Value(pointer),
                format!("Task state `{name}` uses the integration {shown}, which is not known"),
                Some(match near {
                    Some(near) => format!("did you mean {near}?"),
                    None => "every action of AWS is there as arn:aws:states:::aws-sdk:SERVICE:ACTION".to_owned(),
                }),
            );
        }
        self.pattern(name, service, action, pattern, pointer);
        if let Some(found) = found {
            let offered = match pattern {
                Pattern::RequestResponse => true,
                Pattern::Sync | Pattern::Sync2 => found.sync || WITHOUT_SYNC.contains(&service),
                Pattern::Token => found.token || WITHOUT_TOKEN.contains(&service),
            };
            if !offered {
                let message = format!("Task state `{name}` uses {shown} with {}, which is not known", pattern.name());
                self.findings.report(&codes::INTEGRATION_UNSURE, At::Value(pointer), message, None);
            }
            self.required(state, &shown, found.required);
        }
        if service == "lambda" {
            self.advise_retry(state);
        }
    }

    /// "The resource provided … is not recognized": measured (cdk-preflight).
    fn pattern(&mut self, name: &str, service: &str, action: &str, pattern: Pattern, pointer: &Pointer<'_>) {
        let refused = match pattern {
            Pattern::RequestResponse => false,
            Pattern::Sync => WITHOUT_SYNC.contains(&service),
            Pattern::Sync2 => service != "states",
            Pattern::Token => WITHOUT_TOKEN.contains(&service),
        };
        if refused {
            let service = short(service);
            self.findings.report(
                &codes::INTEGRATION_PATTERN,
                At::Value(pointer),
                format!(
                    "Task state `{name}` uses {service}:{} with {}, which {service} does not have",
                    short(action),
                    pattern.name()
                ),
                Some("call it without waiting, or wait in the states that follow".to_owned()),
            );
        }
    }

    /// "Parameters field is required for resource ARN: …", "The field '…' is required but was missing": measured
    /// (cdk-preflight).
    fn required(&mut self, state: &State<'d>, integration: &str, required: &[&str]) {
        let name = short(state.at.name);
        let field = match state.language {
            QueryLanguage::JsonPath => "Parameters",
            QueryLanguage::Jsonata => "Arguments",
        };
        match state.field(field) {
            None if !required.is_empty() => self.findings.report(
                &codes::PARAMETERS_MISSING,
                At::Key(&state.at.pointer),
                format!("Task state `{name}` calls {integration} and has no {field}"),
                Some(format!("it needs {}", required.join(", "))),
            ),
            Some(Value::Object(parameters)) => {
                for parameter in required {
                    if !given(parameters, parameter) {
                        let near = self.speller.near(parameter, parameters.keys().map(String::as_str));
                        self.findings.report(
                            &codes::PARAMETERS_MISSING,
                            At::Key(&state.at.pointer.key(field)),
                            format!("Task state `{name}` calls {integration} without {parameter}"),
                            near.map(|near| format!("is {} meant for it?", short(near))),
                        );
                    }
                }
            }
            _ => {}
        }
    }

    fn sdk(&mut self, state: &State<'d>, integration: &'d str, pattern: Pattern, pointer: &Pointer<'_>) {
        let name = short(state.at.name);
        if unresolved(integration) {
            return;
        }
        let Some((service, action)) = integration.split_once(':') else {
            let message = format!("Task state `{name}` uses `aws-sdk:{}`, which names no action", short(integration));
            let help = "write aws-sdk:SERVICE:ACTION".to_owned();
            self.findings.report(&codes::SDK_ACTION, At::Value(pointer), message, Some(help));
            return;
        };
        if SDK_SERVICES.binary_search(&service).is_err() {
            let near = OTHERWISE_CALLED.iter().find(|(name, _)| *name == service).map(|(_, known)| *known);
            let known = |name: &&str| SDK_SERVICES.binary_search(name).is_ok();
            let near = near.or_else(|| service.strip_suffix("service").filter(known));
            let near = near.or_else(|| self.speller.near(service, SDK_SERVICES));
            self.findings.report(
                &codes::SDK_SERVICE_UNKNOWN,
                At::Value(pointer),
                format!("Task state `{name}` uses the service aws-sdk:{}, which is not known", short(service)),
                near.map(|near| format!("did you mean aws-sdk:{near}?")),
            );
        }
        self.sdk_action(name, service, action, pointer);
        self.pattern(name, "aws-sdk", integration, pattern, pointer);
        if action.starts_with(|c: char| c.is_ascii_uppercase()) {
            let mut camel = action.to_owned();
            camel[..1].make_ascii_lowercase();
            self.findings.report(
                &codes::SDK_ACTION,
                At::Value(pointer),
                format!(
                    "Task state `{name}` names the action {}, and actions begin with a small letter",
                    short(action)
                ),
                Some(format!("did you mean {}?", short(&camel))),
            );
        }
        for field in ["Parameters", "Arguments"] {
            let Some(Value::Object(parameters)) = state.field(field) else { continue };
            for key in parameters.keys() {
                if key.starts_with(|c: char| c.is_ascii_lowercase()) {
                    self.findings.report(
                        &codes::PARAMETER_CASE,
                        At::Key(&state.at.pointer.key(field).key(key)),
                        format!(
                            "State `{name}` has the parameter `{}`, and aws-sdk parameters begin with a capital",
                            short(key)
                        ),
                        None,
                    );
                }
            }
        }
    }

    /// CreateStateMachine refuses what the service does not have. But AWS adds actions every week, and the table is of one
    /// day: an error would stop what AWS takes, so it is a warning.
    fn sdk_action(&mut self, name: &str, service: &str, action: &str, pointer: &Pointer<'_>) {
        let Some(operations) = sdk_operations::operations(service) else { return };
        // The other case has a finding of its own.
        let Some(first) = action.chars().next().filter(char::is_ascii_lowercase) else { return };
        let operation = format!("{}{}", first.to_ascii_uppercase(), &action[1..]);
        if operations.clone().any(|known| known == operation) {
            return;
        }
        if sdk_operations::is_unsupported(service, &operation) {
            let message =
                format!("Task state `{name}` uses aws-sdk:{service}:{action}, which Step Functions can't call");
            return self.findings.report(&codes::SDK_ACTION_UNKNOWN, At::Value(pointer), message, None);
        }
        let help = match self.speller.near(&operation, operations) {
            Some(near) => format!("did you mean {}{}?", near[..1].to_ascii_lowercase(), &near[1..]),
            None => format!("its actions are those of the AWS SDK's {service}, with a small first letter"),
        };
        self.findings.report(
            &codes::SDK_ACTION_UNKNOWN,
            At::Value(pointer),
            format!("Task state `{name}` uses aws-sdk:{service}:{}, an action that is not known", short(action)),
            Some(help),
        );
    }

    /// Specification, "Task State": HeartbeatSeconds is smaller than TimeoutSeconds.
    fn heartbeat(&mut self, state: &State<'d>) {
        let seconds = |field: &str| state.field(field).and_then(Value::as_i64);
        if let (Some(timeout), Some(heartbeat)) = (seconds("TimeoutSeconds"), seconds("HeartbeatSeconds"))
            && heartbeat >= timeout
        {
            self.findings.report(
                &codes::HEARTBEAT_TOO_LONG,
                At::Value(&state.at.pointer.key("HeartbeatSeconds")),
                format!(
                    "State `{}` has HeartbeatSeconds that are not fewer than its TimeoutSeconds",
                    short(state.at.name)
                ),
                Some("make them fewer, or they never matter".to_owned()),
            );
        }
    }

    /// AWS documentation, "Handle transient Lambda service exceptions".
    fn advise_retry(&mut self, state: &State<'d>) {
        if matches!(state.field("Retry"), Some(Value::Array(retriers)) if !retriers.is_empty()) {
            return;
        }
        self.findings.report(
            &codes::LAMBDA_WITHOUT_RETRY,
            At::Key(&state.at.pointer),
            format!("Task state `{}` calls a Lambda function and has no Retry", short(state.at.name)),
            Some(
                "Lambda fails in passing now and then: retry Lambda.ServiceException, Lambda.AWSLambdaException, \
                 Lambda.SdkClientException, Lambda.TooManyRequestsException"
                    .to_owned(),
            ),
        );
    }

    /// AWS documentation, "Use timeouts to avoid stuck executions".
    fn advise_timeout(&mut self, state: &State<'d>, what: &str) {
        let fields = ["TimeoutSeconds", "TimeoutSecondsPath", "HeartbeatSeconds", "HeartbeatSecondsPath"];
        if fields.iter().any(|field| state.field(field).is_some()) {
            return;
        }
        self.findings.report(
            &codes::CALLBACK_WITHOUT_TIMEOUT,
            At::Key(&state.at.pointer),
            format!(
                "Task state `{}` waits for {what} and has no timeout: without an answer it waits for a year",
                short(state.at.name)
            ),
            Some("add TimeoutSeconds or HeartbeatSeconds".to_owned()),
        );
    }

    /// Without the token nobody can answer.
    fn token(&mut self, state: &State<'d>) {
        let given = ["Parameters", "Arguments"].into_iter().find_map(|field| Some((field, state.field(field)?)));
        let Some((field, given)) = given else { return };
        let mut pending = vec![given];
        while let Some(value) = pending.pop() {
            match value {
                Value::String(text)
                    if text.contains("Task")
                        || text.contains("$states.context")
                        || text == "$$"
                        || unresolved(text) =>
                {
                    return;
                }
                Value::Array(items) => pending.extend(items),
                Value::Object(object) => pending.extend(object.values()),
                _ => {}
            }
        }
        self.findings.report(
            &codes::TASK_TOKEN_UNUSED,
            At::Key(&state.at.pointer.key(field)),
            format!("Task state `{}` waits for its token and gives it to nobody", short(state.at.name)),
            Some(match state.language {
                QueryLanguage::JsonPath => "hand on $$.Task.Token in Parameters".to_owned(),
                QueryLanguage::Jsonata => "hand on $states.context.Task.Token in Arguments".to_owned(),
            }),
        );
    }
}

/// Whether a parameter is there, also as a path.
fn given(parameters: &Map<String, Value>, name: &str) -> bool {
    parameters.keys().any(|key| key.strip_suffix(".$").unwrap_or(key) == name)
}
