//! What a hostile team tries, and reads: each attack is a manifest that a user of a namespace applies, with the refusal.
//! AWS is compared before and after, the victims' things bit by bit. SECURITY.md names these tests.
//!
//! What is inferred from a definition is tried in `wrong/permissions.rs`.

mod annotations;
mod attacks;
mod denial;
mod domains;
mod forged;
mod guards;
mod limits;
mod rights;
mod secrets;
mod tags;
mod withdrawn;

use std::collections::BTreeSet;

use aws_sdk_apigateway::operation::create_rest_api::builders::CreateRestApiFluentBuilder;
use aws_sdk_apigateway::types::{AuthorizerType, EndpointConfiguration, EndpointType, GatewayResponseType};
use serde_json::{Value, json};

use crate::cloud::{ApiView, Cloud, MachineView, RoleView};
use crate::support::{Namespace, Suite, TENANT, machine, rest_api, route};
use crate::tenancy::account;

/// Actions that hand over the account indirectly, each of DESIGN §1 once.
const INDIRECT: [&str; 15] = [
    "apigateway:PATCH",
    "cloudformation:CreateStack",
    "codebuild:StartBuild",
    "ec2:ModifyInstanceAttribute",
    "iam:PassRole",
    "kms:CreateGrant",
    "kms:TagResource",
    "lambda:UpdateFunctionCode",
    "organizations:CreateAccount",
    "s3:PutBucketPolicy",
    "secretsmanager:GetSecretValue",
    "ssm:SendCommand",
    "states:TagResource",
    "states:UpdateStateMachine",
    "sts:AssumeRole",
];

/// What a victim's execution knows.
const CARD: &str = "4111-1111";

/// A platform team, a victim on its API, and the attackers: one with a narrow tenant, one whose admin admitted whatever can be
/// admitted by wildcard.
struct Scene {
    platform: Namespace,
    victim: Namespace,
    hostile: Namespace,
    star: Namespace,
    aws: Cloud,
    /// The ids of the victims' APIs.
    apis: Vec<String>,
    /// The ARNs of the victims' machines.
    machines: Vec<String>,
    /// The ARNs of the victims' roles.
    roles: Vec<String>,
    /// The names of all that is in AWS at the beginning.
    names: BTreeSet<String>,
    before: Victims,
}

/// All that the victims have in AWS.
#[derive(Debug, PartialEq)]
struct Victims {
    apis: Vec<Option<ApiView>>,
    machines: Vec<Option<MachineView>>,
    roles: Vec<Option<RoleView>>,
    deployments: usize,
}

fn arn(name: &str) -> String {
    format!("arn:aws:states:us-east-1:000000000000:stateMachine:{name}")
}

impl Scene {
    /// `name` begins the names of everything in it.
    async fn new(name: &str) -> Scene {
        let of = |part: &str| format!("{name}-{part}");
        let open = json!({"authorizations": ["NONE", "AWS_IAM"]});
        let any_role = json!(["arn:aws:iam::*:role/*"]);
        let any_machine =
            json!({"arns": ["arn:aws:states:*:*:stateMachine:*"], "actions": ["StartExecution", "StartSyncExecution"]});
        let tenants = [
            (&*of("team"), json!({"exposure": open, "adoptableArns": [format!("arn:aws:iam::*:role/{}", of("held"))]})),
            (
                &*of("hostile"),
                json!({
                    "exposure": {
                        "authorizations": ["NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS"],
                        "endpointTypes": ["REGIONAL", "PRIVATE"],
                        "authorizerArns": ["arn:aws:lambda:*:*:function:${namespace}_*"],
                        "vpcSources": ["vpce-own"],
                    },
                    "ceiling": [{"actions": ["dynamodb:GetItem"], "resources": ["arn:aws:dynamodb:*:*:table/${namespace}_*"]}],
                    "executionRoleArns": ["arn:aws:iam::*:role/${namespace}_*"],
                    "invokeRoleArns": ["arn:aws:iam::*:role/${namespace}_*"],
                    "managedPolicyArns": ["arn:aws:iam::aws:policy/AWSStepFunctionsReadOnlyAccess"],
                    "namePatterns": ["${namespace}-*"],
                }),
            ),
            (
                &*of("star"),
                json!({
                    "exposure": open,
                    "ceiling": [{"actions": ["*"], "resources": ["*"]}],
                    "executionRoleArns": any_role, "invokeRoleArns": any_role,
                    "namePatterns": ["*"],
                    "adoptableArns": ["arn:aws:states:*:*:stateMachine:*", "arn:aws:apigateway:*::/restapis/*", "arn:aws:iam::*:role/*"],
                    "targets": [any_machine],
                }),
            ),
            (&*of("literal"), json!({"ceiling": [{"actions": INDIRECT, "resources": ["*"]}]})),
        ];
        let in_tenant = async |part: &str, tenant: &str| Namespace::labelled(&of(part), &[(TENANT, &of(tenant))]).await;
        let platform = in_tenant("platform", "team").await;
        let victim = in_tenant("victim", "team").await;
        let hostile = in_tenant("hostile", "hostile").await;
        let star = in_tenant("star", "star").await;
        platform.apply(&account(name, &tenants).await.to_string()).await;

        // The victim adopts a role.
        let aws = Cloud::new(victim.suite.testbed.aws_endpoint());
        let trust = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
            "Principal": {"Service": "states.amazonaws.com"}, "Action": "sts:AssumeRole"}]});
        let role = async |part: &str| {
            let role = aws.iam.create_role().role_name(of(part)).assume_role_policy_document(trust.to_string());
            role.send().await.unwrap().role.unwrap().arn
        };
        let held = role("held").await;
        let holds = json!({"executionRole": {"adoption": {"policy": "Adopt", "arn": held}}});

        let grant = |namespace: &str, prefixes: [&str; 2]| {
            let only =
                json!({"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}});
            json!({"namespaces": only, "pathPrefixes": prefixes, "authorizations": ["NONE"]})
        };
        let grants = json!([
            grant(&of("victim"), ["/orders", "/tenants/{tenant}"]),
            grant(&of("hostile"), ["/hostile", "/tenants"]),
        ]);
        platform.apply(&rest_api("api").replace("{stages", &format!("{{allowedRoutes: {grants}, stages"))).await;
        let shared = format!("apiRef: {{name: api, namespace: {}}}", of("platform"));
        let standard = machine("order", "ordered")
            .replace("EXPRESS", "STANDARD")
            .replace("Result: {said: ordered}, End", &format!("Result: {{card: \"{CARD}\"}}, End"));
        victim
            .apply(
                &[
                    machine("pay", "paid"),
                    standard,
                    machine("kept", "kept") + "  deletionPolicy: Retain\n",
                    machine_with("holds", &holds),
                    rest_api("private"),
                    route("own", "/own", "pay").replace("{name: api}", "{name: private}"),
                    route("pay", "/orders/{id}", "pay").replace("apiRef: {name: api}", &shared),
                    route("tenant", "/tenants/{tenant}", "pay").replace("apiRef: {name: api}", &shared),
                ]
                .concat(),
            )
            .await;
        victim.ready(&["statemachine/pay", "statemachine/order", "statemachine/kept"]).await;
        victim.ready(&["statemachine/holds"]).await;
        victim.ready(&["apiroute/own", "apiroute/pay", "apiroute/tenant", "restapi/private"]).await;
        platform.ready(&["restapi/api"]).await;
        victim.delete("statemachine/kept").await;
        victim.gone("statemachine/kept").await;

        let id = async |ns: &Namespace, api: &str| {
            ns.get(&format!("restapi/{api}")).await["status"]["restApiId"].as_str().unwrap().to_owned()
        };
        let mut apis = vec![id(&platform, "api").await, id(&victim, "private").await];
        let mut roles = vec![aws.invoke_role(&apis[0], "POST /orders/{id}").await];
        roles.push(aws.invoke_role(&apis[1], "POST /own").await);
        let mut machines: Vec<String> =
            ["pay", "order", "kept"].map(|it| arn(&format!("{}_{it}", of("victim")))).into();
        for arn in &machines[..2] {
            roles.push(aws.machine(arn).await.unwrap().role_arn);
        }
        roles.push(held);
        // Nobody's in this cluster: one without tags, one that claims to have been released.
        let marked_role = role("marked").await;
        let tag = aws_sdk_iam::types::Tag::builder().key("stepgate.dev/released-from").value("0".repeat(32));
        aws.iam.tag_role().role_name(of("marked")).tags(tag.build().unwrap()).send().await.unwrap();
        let foreign_role = role("foreign").await;
        let endpoint = EndpointConfiguration::builder().types(EndpointType::Regional).build();
        apis.push(
            with_all(&aws, aws.apigateway.create_rest_api().name(of("foreign")).endpoint_configuration(endpoint)).await,
        );
        for (machine, tags) in [
            ("foreign", json!([])),
            ("marked", json!([{"key": "stepgate.dev/released-from", "value": "0".repeat(32)}])),
        ] {
            let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
            let input = json!({"name": of(machine), "roleArn": foreign_role, "type": "EXPRESS", "definition": definition, "tags": tags});
            victim.aws("states", "CreateStateMachine", input).await;
            machines.push(arn(&of(machine)));
        }
        roles.extend([marked_role, foreign_role]);
        let start = json!({"stateMachineArn": machines[1], "name": "monday", "input": "{}"});
        victim.aws("states", "StartExecution", start).await;

        let before = Victims { apis: Vec::new(), machines: Vec::new(), roles: Vec::new(), deployments: 0 };
        let mut scene =
            Scene { platform, victim, hostile, star, aws, apis, machines, roles, names: BTreeSet::new(), before };
        scene.names = scene.names().await;
        scene.before = scene.look().await;
        assert!(scene.before.machines.iter().all(Option::is_some) && scene.before.roles.iter().all(Option::is_some));
        let foreign = scene.before.apis[2].as_ref().unwrap();
        let counts = [foreign.models.len(), foreign.authorizers.len(), foreign.validators.len()];
        assert!(!counts.contains(&0) && !foreign.gateway_responses.is_empty(), "{foreign:#?}");
        assert!(foreign.settings.policy.as_ref().is_some_and(|policy| policy.contains("execute-api")), "{foreign:#?}");
        scene
    }

    /// The name that begins all others.
    fn name(&self) -> &str {
        self.victim.name.trim_end_matches("-victim")
    }

    async fn names(&self) -> BTreeSet<String> {
        let all = self.victim.suite.testbed.aws().inventory().await.unwrap();
        all.into_iter().filter(|name| name.contains(self.name())).collect()
    }

    async fn look(&self) -> Victims {
        let mut victims = Victims { apis: Vec::new(), machines: Vec::new(), roles: Vec::new(), deployments: 0 };
        for id in &self.apis {
            victims.apis.push(self.aws.rest_api(id).await);
            victims.deployments += self.aws.deployments(id).await.len();
        }
        for arn in &self.machines {
            victims.machines.push(self.aws.machine(arn).await);
        }
        for role in &self.roles {
            victims.roles.push(self.aws.role(role).await);
        }
        victims
    }

    /// That AWS is as it was, but for what attackers may have: these names.
    async fn unchanged_but_for(&self, theirs: &BTreeSet<String>) {
        let now = self.names().await;
        let new: BTreeSet<&String> = now.difference(&self.names).collect();
        assert_eq!(new, theirs.iter().collect(), "made for attackers");
        assert_eq!(self.names.difference(&now).count(), 0, "{now:?} lacks some of {:?}", self.names);
        assert_eq!(self.look().await, self.before);
        self.victim.says("pay", "paid").await;
        self.victim.says("own", "paid").await;
        for ns in [&self.victim, &self.platform] {
            for object in ["apiroute/pay", "apiroute/own", "restapi/private", "restapi/api", "statemachine/pay"] {
                let Some(found) = ns.find(object).await else { continue };
                let ready = crate::support::condition(&found, "Ready").unwrap();
                assert_eq!(ready.status, "True", "{}/{object}: {ready}", ns.name);
            }
        }
    }

    /// Takes what is nobody's out of AWS.
    async fn end(self) {
        for machine in &self.machines[2..] {
            self.victim.aws("states", "DeleteStateMachine", json!({"stateMachineArn": machine})).await;
        }
        self.aws.apigateway.delete_rest_api().rest_api_id(&self.apis[2]).send().await.unwrap();
        for role in self.roles.iter().rev().take(2) {
            self.aws.delete_role(role).await;
        }
    }
}

/// Makes an API that has what is beside methods and stages: its id.
async fn with_all(aws: &Cloud, create: CreateRestApiFluentBuilder) -> String {
    let policy = json!({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*",
        "Action": "execute-api:Invoke", "Resource": "execute-api:/*"}]});
    let id = create.policy(policy.to_string()).binary_media_types("image/png").send().await.unwrap().id.unwrap();
    let aws = &aws.apigateway;
    let model = aws.create_model().rest_api_id(&id).name("Theirs").content_type("application/json").schema("{}");
    model.send().await.unwrap();
    let validator = aws.create_request_validator().rest_api_id(&id).name("theirs").validate_request_body(true);
    validator.send().await.unwrap();
    let function = "arn:aws:lambda:us-east-1:000000000000:function:theirs";
    let uri = format!("arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{function}/invocations");
    let authorizer = aws.create_authorizer().rest_api_id(&id).name("theirs").r#type(AuthorizerType::Token);
    let header = "method.request.header.Authorization";
    authorizer.authorizer_uri(uri).identity_source(header).send().await.unwrap();
    let response = aws.put_gateway_response().rest_api_id(&id).response_type(GatewayResponseType::Default4Xx);
    response.response_templates("application/json", "{}").send().await.unwrap();
    id
}

/// A StateMachine with more fields of its spec.
fn machine_with(name: &str, spec: &Value) -> String {
    patched(&machine(name, "x"), spec)
}

/// A manifest with changes to its spec: a JSON merge patch.
pub fn patched(manifest: &str, spec: &Value) -> String {
    let mut document: Value = serde_saphyr::from_str(manifest).unwrap();
    json_patch::merge(&mut document["spec"], spec);
    format!("---\n{document}\n")
}

/// What the operator does not let through to a terminal or a log: anything that can't be seen.
fn assert_printable(text: &str) {
    let hidden = |c: char| c.is_control() || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}');
    assert!(!text.contains(hidden), "{text:?}");
}

/// An operator's log so far: each line is one JSON object, in which whatever can't be seen is written out.
fn log(suite: &Suite) -> Vec<Value> {
    let text = std::fs::read_to_string(suite.operator.log_path()).unwrap();
    // The last line may still be being written.
    let (whole, _) = text.rsplit_once('\n').expect("the operator has said something");
    let event = |line: &str| {
        assert_printable(line);
        let event: Value = serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        assert!(event["level"].is_string() && event["timestamp"].is_string(), "{line}");
        event
    };
    whole.lines().map(event).collect()
}
