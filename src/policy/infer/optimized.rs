//! The optimized integrations: `arn:aws:states:::service:action`, AWS.md §5.

use super::arguments::Node;
use super::task::{Task, condition};
use super::text::Text;
use super::{athena, compute, data, sdk};
use crate::asl::StateRef;
use crate::policy::glob;
use crate::policy::statement::Conditions;

/// Infers a task's needs. An action that has no row of its own is looked up as that of the SDK.
pub(super) fn infer<'a>(task: &mut Task<'a>, service: &str, action: &str, states: &[StateRef<'a>]) {
    match (service, action) {
        ("lambda", "invoke") => {
            let (names, qualifier) = (task.texts("FunctionName"), task.member("Qualifier"));
            task.function(&names, qualifier.filter(|_| !task.arguments.is_open()).as_ref());
        }
        ("sqs", "sendMessage") => task.send_message(),
        ("sns", "publish") => task.publish(),
        ("events", "putEvents") => task.put_events(),
        ("states", "startExecution") => task.start_execution("states:StartExecution"),
        ("http", "invoke") => task.http(),
        ("apigateway", "invoke") => task.call_api(),
        ("s3", "getObject" | "listObjectsV2" | "putObject") | ("dynamodb", _) => sdk::infer(task, service, action),
        ("athena", _) => athena::infer(task, action, states),
        ("ecs" | "batch" | "codebuild" | "eks" | "elasticmapreduce" | "emr-containers" | "emr-serverless", _) => {
            compute::infer(task, service, action);
        }
        ("glue" | "databrew" | "sagemaker" | "mediaconvert" | "bedrock", _) => data::infer(task, service, action),
        _ => sdk::infer(task, &service.replace('-', ""), action),
    }
}

impl<'a> Task<'a> {
    /// Calling a Lambda function: itself and its qualifiers, or the one version or alias that is named.
    pub fn function(&mut self, names: &[Text], qualifier: Option<&Node<'a>>) {
        const FUNCTION: &str = "arn:$P:lambda:$R:$A:function:${FunctionName}";
        let qualifiers = qualifier.map(Node::texts).filter(|texts| !texts.is_empty());
        let names = if names.is_empty() { &[Text::unknown()] } else { names };
        for name in names {
            let glob = name.glob();
            // `function:NAME:QUALIFIER`, `ACCOUNT:function:NAME:QUALIFIER`, `NAME:QUALIFIER`, `NAME`, each with or without qualifier.
            let (prefix, own) = match glob.split_once("function:") {
                Some((prefix, own)) => (prefix, own),
                None => ("", &*glob),
            };
            let (own, inline) = match own.split_once(':') {
                Some((own, qualifier)) => (own, Some(qualifier.to_owned())),
                None => (own, None),
            };
            if own.is_empty() || own.starts_with('*') || (prefix.is_empty() && own.starts_with("arn")) {
                self.unknown(
                    "calls a Lambda function whose name only an execution knows".to_owned(),
                    ["lambda:InvokeFunction"],
                    [FUNCTION],
                );
                continue;
            }
            let arn = if prefix.starts_with("arn:") {
                let arn = Text::literal(&format!("{prefix}function:{own}"));
                self.machine
                    .whole(FUNCTION, &arn)
                    .unwrap_or_else(|| self.machine.fill(FUNCTION, |_| Some(own.to_owned())))
            } else {
                self.machine.fill(FUNCTION, |_| Some(own.to_owned()))
            };
            let qualified: Vec<String> = match (&qualifiers, inline) {
                (Some(texts), _) => texts.iter().map(|text| format!("{arn}:{}", text.glob())).collect(),
                (None, Some(qualifier)) => vec![format!("{arn}:{qualifier}")],
                (None, None) => vec![arn.clone(), format!("{arn}:*")],
            };
            self.allow(["lambda:InvokeFunction"], qualified);
        }
    }

    /// `sqs:SendMessage` and what else acts on one queue.
    pub fn send_message(&mut self) {
        let arguments = self.arguments.clone();
        let urls = self.texts_of(&arguments, "QueueUrl");
        let queues: Vec<String> = urls.iter().map(|url| self.machine.queue(url)).collect();
        self.allow(["sqs:SendMessage"], queues);
    }

    /// `sns:Publish`; a topic that only an execution knows is none (AWS.md §5).
    pub fn publish(&mut self) {
        const TOPIC: &str = "arn:$P:sns:$R:$A:${TopicName}";
        if self.arguments.is_open() {
            return self.unknown(
                "publishes to a topic that only an execution knows".to_owned(),
                ["sns:Publish"],
                [TOPIC],
            );
        }
        if self.member("PhoneNumber").is_some() {
            self.allow_except("sns:Publish", "arn:*:sns:*:*:*".to_owned());
        }
        for topic in [self.texts("TopicArn"), self.texts("TargetArn")].into_iter().flatten() {
            let every = self.machine.every(TOPIC);
            match self.machine.whole(TOPIC, &topic).filter(|arn| *arn != every) {
                Some(arn) => self.allow(["sns:Publish"], [arn]),
                None => self.unknown(
                    "publishes to a topic that only an execution knows".to_owned(),
                    ["sns:Publish"],
                    [TOPIC],
                ),
            }
        }
    }

    /// `events:PutEvents`; an entry without a bus goes to the default one.
    pub fn put_events(&mut self) {
        const BUS: &str = "arn:$P:events:$R:$A:event-bus/${EventBusName}";
        let entries = self.member("Entries").map(|entries| entries.elements()).unwrap_or_default();
        for entry in entries {
            let bus = entry.member("EventBusName").map(|bus| bus.texts()).filter(|texts| !texts.is_empty());
            let bus = bus.unwrap_or_else(|| vec![Text::literal("default")]);
            let buses = self.machine.named(BUS, &bus);
            self.allow(["events:PutEvents"], buses);
        }
    }

    /// Starting a state machine, and what `.sync` needs to follow it.
    pub fn start_execution(&mut self, action: &str) {
        const MACHINE: &str = "arn:$P:states:$R:$A:stateMachine:${StateMachineName}";
        let arguments = self.arguments.clone();
        for text in self.texts_of(&arguments, "StateMachineArn") {
            let every = self.machine.every(MACHINE);
            let Some(arn) = self.machine.whole(MACHINE, &text).filter(|arn| *arn != every) else {
                self.unknown(
                    "starts a state machine whose ARN only an execution knows".to_owned(),
                    [action],
                    [MACHINE],
                );
                if self.is_sync() {
                    self.unknown(
                        "follows executions of a state machine whose ARN only an execution knows".to_owned(),
                        ["states:DescribeExecution", "states:StopExecution"],
                        ["arn:$P:states:$R:$A:execution:${StateMachineName}:*"],
                    );
                    self.events("StepFunctionsGetEventsForStepFunctionsExecutionRule");
                }
                continue;
            };
            let name = arn.splitn(7, ':').nth(6).unwrap_or("*").split(':').next().unwrap_or("*").to_owned();
            let place = arn.rsplit_once(":stateMachine:").map_or(&*arn, |(place, _)| place);
            let executions = format!("{place}:execution:{name}:*");
            self.invoke(action, arn.clone());
            if self.is_sync() {
                self.plumbing(["states:DescribeExecution", "states:StopExecution"], [executions]);
                self.events("StepFunctionsGetEventsForStepFunctionsExecutionRule");
            }
        }
    }

    /// An HTTP task: only through its connection, only where and how the definition says.
    fn http(&mut self) {
        const CONNECTION: &str = "arn:$P:events:$R:$A:connection/${ConnectionName}";
        const SECRET: &str = "arn:$P:secretsmanager:$R:$A:secret:events!connection/${ConnectionName}/*";
        let mut conditions = Conditions::new();
        let mut limit = |operator: &str, key: &str, texts: Vec<Text>| {
            if !texts.is_empty() && !texts.iter().any(Text::is_unknown) {
                let values = texts.iter().map(Text::glob).collect();
                for (operator, keys) in condition(operator, key, values) {
                    conditions.entry(operator).or_default().extend(keys);
                }
            }
        };
        let (methods, endpoints) = (self.texts("Method"), self.texts("ApiEndpoint"));
        let exact = endpoints.iter().all(|text| text.known().is_some_and(|known| !glob::has_wildcard(known)));
        limit("StringEquals", "states:HTTPMethod", methods);
        limit(if exact { "StringEquals" } else { "StringLike" }, "states:HTTPEndpoint", endpoints);
        let own = self.machine.arn();
        self.allow_if(["states:InvokeHTTPEndpoint"], [own], &conditions);
        let connections = [["Authentication", "ConnectionArn"], ["InvocationConfig", "ConnectionArn"]];
        let named = connections.iter().filter_map(|path| self.arguments.at(path)).flat_map(|node| node.texts());
        for text in named.collect::<Vec<_>>() {
            let arn = self.machine.whole(CONNECTION, &text).unwrap_or_default();
            let name =
                arn.split("connection/").nth(1).and_then(|rest| rest.split('/').next()).unwrap_or_default().to_owned();
            if name.is_empty() || glob::has_wildcard(&name) {
                self.unknown(
                    "calls an endpoint through a connection that only an execution knows".to_owned(),
                    [
                        "events:RetrieveConnectionCredentials",
                        "secretsmanager:GetSecretValue",
                        "secretsmanager:DescribeSecret",
                    ],
                    [CONNECTION, SECRET],
                );
                continue;
            }
            // The secret lives where its connection does.
            let place: Vec<String> = arn.split(':').map(str::to_owned).collect();
            let there = super::Machine { account: &place[4], region: &place[3], ..*self.machine };
            let secret = there.fill(SECRET, |_| Some(name.clone()));
            self.allow(["events:RetrieveConnectionCredentials"], [arn]);
            self.plumbing(["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"], [secret]);
        }
    }

    /// A REST or HTTP API: `API/STAGE/METHOD/PATH`. One called without authorization, which is the default, needs nothing.
    fn call_api(&mut self) {
        let signs = self.member("AuthType").is_some_and(|type_| type_.texts() != [Text::literal("NO_AUTH")]);
        if !signs {
            return;
        }
        let one = |name: &str, absent: &str| match self.texts(name).as_slice() {
            [] => absent.to_owned(),
            [text] => text.glob(),
            _ => "*".to_owned(),
        };
        let host = one("ApiEndpoint", "*");
        let mut labels = host.split('.');
        let api = labels.next().filter(|api| !api.is_empty()).unwrap_or("*").to_owned();
        let region =
            labels.nth(1).filter(|region| !glob::has_wildcard(region)).unwrap_or(self.machine.region).to_owned();
        let (stage, method, path) = (one("Stage", ""), one("Method", "*"), one("Path", ""));
        let path = path.trim_start_matches('/');
        let calls = match (&*stage, path.split_once('/').unwrap_or((path, ""))) {
            // Without Stage the path begins with it, or the API has the one that no path names.
            ("", ("", _)) => vec![format!("{api}/$default/{method}/")],
            ("", (first, rest)) => {
                vec![format!("{api}/{first}/{method}/{rest}"), format!("{api}/$default/{method}/{path}")]
            }
            (stage, _) => vec![format!("{api}/{stage}/{method}/{path}")],
        };
        let there = super::Machine { region: &region, ..*self.machine };
        let arn = |call: &String| there.fill("arn:$P:execute-api:$R:$A:${Api}", |_| Some(call.clone()));
        let arns: Vec<String> = calls.iter().map(arn).collect();
        if path.contains("@connections") {
            self.allow(["execute-api:ManageConnections"], arns.clone());
        }
        self.allow(["execute-api:Invoke"], arns);
    }
}
