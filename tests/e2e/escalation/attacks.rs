//! What is refused, at `kubectl apply` or by a condition.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{INDIRECT, Scene, arn, assert_printable, log, machine_with, patched};
use crate::proxy::{ALWAYS, Answer, Proxy};
use crate::support::{Namespace, TENANT, account, condition, machine, rest_api, route, suite};

/// One attack: an object that the operator refuses.
struct Attack {
    object: String,
    manifest: String,
    /// Why, in one word.
    reason: &'static str,
    /// How what its user reads begins.
    reads: String,
}

fn attack(manifest: String, reason: &'static str, reads: impl Into<String>) -> Attack {
    let document: Value = serde_saphyr::from_str(&manifest).unwrap();
    let text = |pointer: &str| document.pointer(pointer).and_then(Value::as_str).unwrap().to_lowercase();
    Attack { object: format!("{}/{}", text("/kind"), text("/metadata/name")), manifest, reason, reads: reads.into() }
}

fn api_arn(id: &str) -> String {
    format!("arn:aws:apigateway:us-east-1::/restapis/{id}")
}

fn adopts_role(arn: &str) -> Value {
    json!({"executionRole": {"adoption": {"policy": "AdoptOrCreate", "arn": arn}}})
}

/// Those of a team with a narrow tenant.
fn of_a_narrow_tenant(scene: &Scene) -> Vec<Attack> {
    let esc = scene.name();
    let (victim, platform) = (format!("{esc}-victim"), format!("{esc}-platform"));
    let tenant = format!("tenant {esc}-hostile in AWSAccount {esc}");
    let admin = "arn:aws:iam::000000000000:role/Admin";
    let policy = "arn:aws:iam::aws:policy/AdministratorAccess";
    let log_group = "arn:aws:logs:us-east-1:000000000000:log-group:/aws/lambda/theirs";
    let pay = arn(&format!("{victim}_pay"));
    let executions = format!("arn:aws:states:us-east-1:000000000000:execution:{victim}_order:*");
    let over = |name: &str, action: &str, resource: &str, reads: String| {
        let role = json!({"executionRole": {"statements": [{"actions": [action], "resources": [resource]}]}});
        attack(machine_with(name, &role), "OverCeiling", format!("spec.executionRole.statements[0]{reads}"))
    };
    let execution = executions.replace('*', "monday");
    let task = |name: &str, resource: &str, arguments: Value, reason: &'static str, reads: &str| {
        let definition = json!({"StartAt": "A", "States": {"A": {
            "Type": "Task", "Resource": format!("arn:aws:states:::{resource}"), "Parameters": arguments, "End": true,
        }}});
        attack(
            machine_with(name, &json!({"definition": definition.to_string()})),
            reason,
            format!("spec.definition: state `A` (/States/A) {reads}"),
        )
    };
    let over_by_task = |name: &str, call: &str, action: &str| {
        let reads = format!("needs `{action}` on `{execution}`, which no grant in the ceiling of {tenant} contains");
        task(name, &format!("aws-sdk:sfn:{call}"), json!({"ExecutionArn": execution}), "OverCeiling", &reads)
    };
    let beyond = |name: &str, action: &str, resource: &str| {
        let reads = format!(": no grant in the tenant's ceiling contains `{action}` on `{resource}`");
        over(name, action, resource, reads)
    };
    let to = |name: &str, spec: Value, reads: String| {
        attack(patched(&route(name, &format!("/{name}"), "own"), &spec), "NotAllowed", reads)
    };
    let at = |name: &str, method: &str, path: &str, reads: &str| {
        let there = json!({"apiRef": {"namespace": platform}, "path": path, "method": method});
        to(name, there, format!("RestAPI {platform}/api {reads}"))
    };
    let same_only = format!("StateMachine {victim}/pay admits only its own namespace");
    let theirs = json!({"name": "pay", "namespace": victim});
    let only = format!("admits routes of namespace {esc}-hostile only under /hostile, /tenants, not");
    let api = |name: &str, spec: Value, reason, reads: String| attack(patched(&rest_api(name), &spec), reason, reads);
    let function = format!("arn:aws:lambda:us-east-1:000000000000:function:{victim}_auth");
    let pool = "arn:aws:cognito-idp:us-east-1:000000000000:userpool/us-east-1_victim";
    let foreign =
        |field: &str, arn: &str, list: &str| format!("spec.{field}: `{arn}` is in none of the `{list}` of {tenant}");
    let private = |statements: Value| {
        let policy = json!({"Version": "2012-10-17", "Statement": statements}).to_string();
        json!({"endpoint": {"type": "PRIVATE"}, "resourcePolicy": policy})
    };
    let statement = |effect: &str, condition: Value| json!({"Effect": effect, "Principal": "*", "Action": "execute-api:Invoke", "Resource": "execute-api:/*", "Condition": condition});
    let from = |vpce: &str| json!({"StringEquals": {"aws:SourceVpce": vpce}});
    let raw = json!({"responses": [{"statusCode": 200, "integration": {"templates": {"application/json": "$context.identity.apiKey"}}}]});
    let callback = json!({
        "target": {"action": "SendTaskSuccess", "stateMachineRef": null}, "request": {"taskToken": {"query": "token"}},
    });
    let plan = |name: &str, spec: Value| {
        json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": name}, "spec": spec})
            .to_string()
    };
    let names = |namespace: &str, api: &str| json!({"apiStages": [{"apiRef": {"name": api, "namespace": namespace}, "stage": "prod"}]});
    let own_only = |namespace: &str, api: &str| {
        format!(
            "spec.apiStages[0].apiRef: RestAPI {namespace}/{api} admits of UsagePlans only those of its own namespace"
        )
    };
    vec![
        attack(plan("theirs", names(&platform, "api")), "NotAllowed", own_only(&platform, "api")),
        attack(plan("private", names(&victim, "private")), "NotAllowed", own_only(&victim, "private")),
        attack(
            plan("owner", json!({"tags": {"stepgate.dev/namespace": victim}})),
            "InvalidSpec",
            "spec.tags: keys that begin with `aws:` or `stepgate.dev/` are not yours to set",
        ),
        to("callback", callback, "spec.target.action: SendTaskSuccess needs exposure.taskCallbacks".into()),
        attack(
            machine_with("role", &json!({"executionRole": {"arn": admin}})),
            "OverCeiling",
            format!("spec.executionRole.arn: `{admin}` is in none of the `executionRoleArns` of {tenant}"),
        ),
        attack(
            machine_with("policy", &json!({"executionRole": {"managedPolicyArns": [policy]}})),
            "OverCeiling",
            format!(
                "spec.executionRole.managedPolicyArns: `{policy}` is in none of the `managedPolicyArns` of {tenant}"
            ),
        ),
        attack(
            patched(&route("role", "/role", "own"), &json!({"invokeRole": {"arn": admin}})),
            "OverCeiling",
            format!("spec.invokeRole.arn: `{admin}` is in none of the `invokeRoleArns` of {tenant}"),
        ),
        attack(
            patched(&rest_api("logs"), &json!({"stages": [{"name": "prod", "accessLog": {"logGroupArn": log_group}}]})),
            "OverCeiling",
            format!(
                "spec.stages[prod].accessLog.logGroupArn: `{log_group}` is in none of the `exposure.logGroupArns` of {tenant}"
            ),
        ),
        attack(
            patched(&rest_api("cache"), &json!({"stages": [{"name": "prod", "cache": {"clusterSize": "237"}}]})),
            "OverCeiling",
            format!(
                "spec.stages[prod].cache.clusterSize: tenant {esc}-hostile of AWSAccount {esc} does not admit 237; choose another, or ask the platform admin to add it to exposure.cacheClusterSizes"
            ),
        ),
        api(
            "certificate",
            json!({"stages": [{"name": "prod", "clientCertificate": {"id": "a1b2c3"}}]}),
            "OverCeiling",
            format!(
                "spec.stages[prod].clientCertificate.id: `a1b2c3` is in none of the `exposure.clientCertificates` of {}",
                tenant.replace(" in ", " of ")
            ),
        ),
        api(
            "stage-owner",
            json!({"stages": [{"name": "prod", "tags": {"stepgate.dev/namespace": victim}}]}),
            "InvalidSpec",
            "spec.stages[prod].tags: keys that begin with `aws:` or `stepgate.dev/` are not yours to set".into(),
        ),
        task(
            "task-start",
            "states:startExecution",
            json!({"StateMachineArn": pay, "Input": {}}),
            "NotAllowed",
            &format!("may start StateMachine {victim}/pay, which does not admit namespace {esc}-hostile"),
        ),
        over_by_task("task-stop", "stopExecution", "states:StopExecution"),
        over_by_task("task-read", "getExecutionHistory", "states:GetExecutionHistory"),
        beyond("their-table", "dynamodb:GetItem", &format!("arn:aws:dynamodb:us-east-1:000000000000:table/{victim}_x")),
        beyond("any-table", "dynamodb:GetItem", "*"),
        beyond("write", "dynamodb:PutItem", &format!("arn:aws:dynamodb:*:*:table/{esc}-hostile_x")),
        over(
            "any-action",
            "dynamodb:*",
            "*",
            ": `dynamodb:*` on `*` is over the tenant's ceiling, because it includes".into(),
        ),
        over(
            "variable",
            "dynamodb:GetItem",
            "arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}_x",
            ".resources: `arn:aws:dynamodb:*:*:table/${aws:PrincipalTag/team}_x` holds a policy variable".into(),
        ),
        beyond("start", "states:StartExecution", &pay),
        beyond("stop", "states:StopExecution", &executions),
        beyond("read", "states:GetExecutionHistory", &executions),
        attack(
            machine_with("squat", &json!({"name": format!("{victim}_kept")})),
            "OverCeiling",
            format!("spec.name: `{victim}_kept` is in none of the `namePatterns` of {tenant}"),
        ),
        attack(
            machine_with("ask", &json!({"substitutions": [{"name": "Pay", "stateMachineRef": theirs}]})),
            "NotAllowed",
            format!("spec.substitutions[Pay].stateMachineRef: {same_only}"),
        ),
        attack(
            machine_with(
                "code",
                &json!({
                    "substitutions": [{"name": "Code", "value": "{% $states.context.Execution.RoleArn %}"}],
                    "definition": r#"{"QueryLanguage": "JSONata", "StartAt": "A", "States": {"A": {"Type": "Pass", "Output": "${Code}", "End": true}}}"#,
                }),
            ),
            "InvalidDefinition",
            "spec.definition, line 1, column 89: the substituted value of `${Code}` would begin an expression",
        ),
        to("ref", json!({"target": {"stateMachineRef": theirs}}), format!("spec.target.stateMachineRef: {same_only}")),
        to(
            "arn",
            json!({"target": {"stateMachineRef": null, "arn": pay}}),
            format!("spec.target.arn: no entry in `targets` of {tenant} admits StartSyncExecution on {pay}"),
        ),
        to(
            "stage",
            json!({"target": {"stages": [{"stage": "prod", "stateMachineRef": theirs}]}}),
            format!("spec.target.stages[prod].stateMachineRef: {same_only}"),
        ),
        to(
            "client",
            json!({"target": {"stateMachineRef": null, "stateMachineRefs": [{"name": "own"}, theirs]}}),
            format!("spec.target.stateMachineRefs[1]: {same_only}"),
        ),
        to(
            "attach",
            json!({"apiRef": {"name": "private", "namespace": victim}}),
            format!("RestAPI {victim}/private admits only routes of its own namespace"),
        ),
        at("static", "POST", "/orders/admin", "gives path /orders/admin to another namespace"),
        at("same", "POST", "/orders/{id}", "gives path /orders/{id} to another namespace"),
        at("any", "ANY", "/orders/{id}", "gives path /orders/{id} to another namespace"),
        at("sibling", "POST", "/orders/{other}/x", "gives path /orders/{other}/x to another namespace"),
        at("named", "POST", "/tenants/{other}", "gives path /tenants/{other} to another namespace"),
        at("above", "POST", "/tenants/esc", "gives path /tenants/esc to another namespace"),
        at("greedy", "ANY", "/{proxy+}", &format!("{only} /{{proxy+}}")),
        at("root", "POST", "/{first}", &format!("{only} /{{first}}")),
        at("beside", "POST", "/hostilex", &format!("{only} /hostilex")),
        api(
            "function",
            json!({"authorizers": [{"name": "jwt", "token": {"functionArn": function}}]}),
            "OverCeiling",
            foreign("authorizers[jwt].token.functionArn", &function, "exposure.authorizerArns"),
        ),
        api(
            "function-role",
            json!({"authorizers": [{"name": "jwt", "token": {
                "functionArn": format!("arn:aws:lambda:us-east-1:000000000000:function:{esc}-hostile_auth"), "roleArn": admin,
            }}]}),
            "OverCeiling",
            foreign("authorizers[jwt].token.roleArn", admin, "invokeRoleArns"),
        ),
        api(
            "user-pool",
            json!({"authorizers": [{"name": "users", "cognitoUserPools": {"userPoolArns": [pool]}}]}),
            "OverCeiling",
            foreign("authorizers[users].cognitoUserPools.userPoolArns", pool, "exposure.authorizerArns"),
        ),
        api(
            "edge",
            json!({"endpoint": {"type": "EDGE"}}),
            "OverCeiling",
            format!("spec.endpoint.type: {} does not admit EDGE", tenant.replace(" in ", " of ")),
        ),
        api(
            "opened",
            private(json!([statement("Allow", json!({}))])),
            "InvalidSpec",
            "spec.resourcePolicy: the Allow statement 1 opens a PRIVATE API to calls from any VPC".into(),
        ),
        api(
            "opened-beside",
            private(json!([
                statement("Allow", from("vpce-own")),
                statement("Allow", json!({"Bool": {"aws:SecureTransport": true}}))
            ])),
            "InvalidSpec",
            "spec.resourcePolicy: the Allow statement 1 opens a PRIVATE API to calls from any VPC".into(),
        ),
        api(
            "vpc",
            private(json!([statement("Allow", from("vpce-victim"))])),
            "OverCeiling",
            format!(
                "spec.resourcePolicy: the Allow statement 1 lets in calls from `vpce-victim`, which is in none of the `exposure.vpcSources` of {}",
                tenant.replace(" in ", " of ")
            ),
        ),
        api(
            "vpc-endpoint",
            json!({"endpoint": {"type": "PRIVATE", "vpcEndpointIds": ["vpce-victim"]}, "resourcePolicy": "{}"}),
            "OverCeiling",
            format!(
                "spec.endpoint.vpcEndpointIds: `vpce-victim` is in none of the `exposure.vpcSources` of {}",
                tenant.replace(" in ", " of ")
            ),
        ),
        attack(
            machine_with(
                "adopt",
                &json!({"name": format!("{esc}-hostile-adopt"), "adoption": {"policy": "AdoptOrCreate"}}),
            ),
            "OverCeiling",
            foreign("adoption", &arn(&format!("{esc}-hostile-adopt")), "adoptableArns"),
        ),
        attack(
            machine_with("adopt-role", &adopts_role(&format!("arn:aws:iam::000000000000:role/{esc}-foreign"))),
            "OverCeiling",
            foreign(
                "executionRole.adoption.arn",
                &format!("arn:aws:iam::000000000000:role/{esc}-foreign"),
                "adoptableArns",
            ),
        ),
        attack(
            machine_with("adopt-another-s", &adopts_role(&scene.roles[4])),
            "OverCeiling",
            foreign("executionRole.adoption.arn", &scene.roles[4], "adoptableArns"),
        ),
        api(
            "adopt-by-id",
            json!({"adoption": {"policy": "Adopt", "restApiId": scene.apis[2]}}),
            "OverCeiling",
            foreign("adoption", &api_arn(&scene.apis[2]), "adoptableArns"),
        ),
        api(
            "adopt-by-name",
            json!({"adoption": {"policy": "AdoptOrCreate", "name": format!("{esc}-foreign")}}),
            "OverCeiling",
            foreign("adoption", &api_arn(&format!("{esc}-foreign")), "adoptableArns"),
        ),
        api(
            "everybody",
            json!({"resourcePolicy": json!({"Version": "2012-10-17", "Statement": [statement("Allow", json!({}))]}).to_string()}),
            "OverCeiling",
            format!(
                "spec.resourcePolicy: the Allow statement 1 lets in `*`, which is in none of the `exposure.resourcePolicyPrincipals` of {}",
                tenant.replace(" in ", " of ")
            ),
        ),
        to(
            "answers",
            json!({"apiRef": {"namespace": platform}, "path": "/hostile/answers", "response": raw}),
            format!(
                "RestAPI {platform}/api has no grant for namespace {esc}-hostile that admits method POST, authorization NONE, action StartSyncExecution and raw mappings together"
            ),
        ),
    ]
}

/// Those of a team whose admin admitted by wildcard whatever can be.
fn of_a_wide_tenant(scene: &Scene) -> Vec<Attack> {
    let esc = scene.name();
    let victim = format!("{esc}-victim");
    let managed = |field: &str, role: &str| format!("{field}: `{role}` is a role that stepgate manages for one object");
    let named = |name: &str, asked: String, reason, reads: String| {
        attack(machine_with(name, &json!({"name": asked})), reason, reads)
    };
    let adopts = |name: &str, asked: &str, reason, reads: String| {
        let spec = json!({"name": asked, "adoption": {"policy": "AdoptOrCreate"}});
        attack(machine_with(name, &spec), reason, reads)
    };
    let generated =
        |name: &str| format!("spec.name: `{name}` is a name that stepgate generates for namespace {victim}");
    let foreign =
        |name: &str| format!("state machine `{name}` exists in AWS and is not ours: it has no owner tag of stepgate");
    let [invoke, .., exec, held, marked_role, _] = &scene.roles[..] else { panic!("the scene has roles") };
    let mut attacks: Vec<Attack> = INDIRECT
        .iter()
        .map(|action| {
            let name = action.replace(':', "-").to_lowercase();
            let role = json!({"executionRole": {"statements": [{"actions": [action], "resources": ["*"]}]}});
            let reads = format!(
                "spec.executionRole.statements[0]: no grant in the tenant's ceiling names `{action}` literally on `*`, and a wildcard does not admit it"
            );
            attack(machine_with(&name, &role), "OverCeiling", reads)
        })
        .collect();
    let [kept, pay, lone, marked] = ["victim_kept", "victim_pay", "foreign", "marked"].map(|it| format!("{esc}-{it}"));
    attacks.extend([
        attack(
            machine_with("role", &json!({"executionRole": {"arn": exec}})),
            "OverCeiling",
            managed("spec.executionRole.arn", exec),
        ),
        attack(
            patched(&route("role", "/role", "own"), &json!({"invokeRole": {"arn": invoke}})),
            "OverCeiling",
            managed("spec.invokeRole.arn", invoke),
        ),
        attack(
            patched(&route("arn", "/arn", "own"), &json!({"target": {"stateMachineRef": null, "arn": arn(&pay)}})),
            "NotAllowed",
            format!("spec.target.arn: StateMachine {victim}/pay admits only its own namespace"),
        ),
        named("freed", kept.clone(), "OverCeiling", generated(&kept)),
        named("live", pay.clone(), "OverCeiling", generated(&pay)),
        named("foreign", lone.clone(), "OwnershipConflict", foreign(&lone)),
        named("marked", marked.clone(), "OwnershipConflict", foreign(&marked)),
        // Whatever may be adopted: what is somebody's, or was, may not.
        adopts("adopt-freed", &kept, "OverCeiling", generated(&kept)),
        attack(
            machine_with("adopt-managed", &adopts_role(exec)),
            "OverCeiling",
            managed("spec.executionRole.adoption.arn", exec),
        ),
        attack(
            machine_with("adopt-held", &adopts_role(held)),
            "OwnershipConflict",
            format!("role `{esc}-held` exists in AWS and is not ours: its owner tags name StateMachine {victim}/holds"),
        ),
        attack(
            machine_with("adopt-forged", &adopts_role(marked_role)),
            "OwnershipConflict",
            format!("role `{marked}` exists in AWS and is not ours: it has no owner tag of stepgate"),
        ),
        attack(
            machine_with("adopt-abroad", &adopts_role("arn:aws:iam::444455556666:role/Admin")),
            "InvalidSpec",
            "spec.executionRole.adoption.arn: `arn:aws:iam::444455556666:role/Admin` is not a role of account 000000000000",
        ),
        adopts("adopt-marked", &marked, "OwnershipConflict", foreign(&marked)),
        attack(
            patched(&rest_api("adopt"), &json!({"adoption": {"policy": "Adopt", "restApiId": scene.apis[0]}})),
            "OwnershipConflict",
            format!(
                "REST API `{}` exists in AWS and is not ours: its owner tags name RestAPI {esc}-platform/api",
                scene.apis[0]
            ),
        ),
        // What a message quotes can't write lines of its own, nor colour a terminal.
        attack(
            machine_with("lines", &json!({"region": "x\nlevel=INFO \u{1b}[31m"})),
            "NotAdmitted",
            r"spec.region `x\nlevel=INFO \u{1b}[31m` is not a Region",
        ),
        attack(
            machine_with("title", &json!({"accountRef": {"name": "a\u{1b}]0;x\u{7}\u{202e}"}})),
            "NotAdmitted",
            r"spec.accountRef.name: there is no AWSAccount `a\u{1b}]0;x\u{7}\u{202e}`",
        ),
        attack(
            machine_with("states", &json!({"definition": "{\"StartAt\": \"A\\n\\u001b[2JAll is well\", \"States\": {\"B\": {\"Type\": \"Succeed\"}}}"})),
            "InvalidDefinition",
            "spec.definition, line 1, column 13: ",
        ),
    ]);
    attacks
}

async fn all_are_refused(ns: &Namespace, attacks: &[Attack]) {
    let names: BTreeSet<&String> = attacks.iter().map(|attack| &attack.object).collect();
    assert_eq!(names.len(), attacks.len(), "two attacks have one name");
    for attack in attacks {
        ns.apply(&attack.manifest).await;
    }
    let mut wrong = Vec::new();
    for Attack { object, reason, reads, .. } in attacks {
        let stalled = ns
            .eventually(object, "is judged", async |found| {
                let found = found.ok_or("is not there")?;
                let decided = condition(found, "Ready").filter(|ready| ready.reason != "Pending");
                decided.ok_or("is Pending")?;
                condition(found, "Stalled").filter(|it| it.status == "True").ok_or(format!("is not Stalled: {found}"))
            })
            .await;
        if stalled.reason != *reason || !stalled.message.starts_with(reads) {
            wrong.push(format!("{object}\n   reads {stalled}\n     not {reason}: {reads}"));
        }
        assert_printable(&stalled.message);
        for event in ns.events(object).await {
            assert_printable(&event);
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn no_manifest_takes_what_is_not_its_team_s() {
    let scene = Scene::new("esc-attacks").await;
    let mut theirs = BTreeSet::new();
    for ns in [&scene.hostile, &scene.star] {
        ns.apply(&[machine("own", "mine"), rest_api("api")].concat()).await;
        ns.ready(&["statemachine/own", "restapi/api"]).await;
        theirs.extend(ns.in_aws().await);
    }
    assert_eq!(theirs.len(), 6, "of each a machine, its role and an API: {theirs:?}");
    let (narrow, wide) = (of_a_narrow_tenant(&scene), of_a_wide_tenant(&scene));
    all_are_refused(&scene.hostile, &narrow).await;
    all_are_refused(&scene.star, &wide).await;
    for ns in [&scene.hostile, &scene.star] {
        ns.ready(&["statemachine/own", "restapi/api"]).await;
    }
    // A plan for others' stages is made without them.
    let plans = scene.aws.apigateway.get_usage_plans().limit(500).send().await.unwrap().items.unwrap();
    let plans = plans.into_iter().filter(|plan| plan.name().is_some_and(|name| name.starts_with(&scene.hostile.name)));
    let (names, stages): (Vec<_>, Vec<_>) = plans.map(|plan| (plan.name, plan.api_stages.unwrap_or_default())).unzip();
    assert!(names.len() == 2 && stages.concat().is_empty(), "{names:?}: {stages:?}");
    let with_plans = names.into_iter().flatten().map(|name| format!("usage plan {name}"));
    scene.unchanged_but_for(&theirs.iter().cloned().chain(with_plans).collect()).await;
    // And as they came, they go.
    for (ns, attacks) in [(&scene.hostile, &narrow), (&scene.star, &wide)] {
        for attack in attacks {
            ns.delete(&attack.object).await;
        }
        for attack in attacks {
            ns.gone(&attack.object).await;
        }
    }
    scene.unchanged_but_for(&theirs).await;
    assert!(!log(scene.hostile.suite).is_empty());

    // What a wildcard does not admit, its name does.
    let literal = Namespace::labelled("esc-attacks-literal", &[(TENANT, "esc-attacks-literal")]).await;
    let statements = json!({"executionRole": {"statements": [{"actions": INDIRECT, "resources": ["*"]}]}});
    literal.apply(&machine_with("all", &statements)).await;
    literal.ready(&["statemachine/all"]).await;
    let role = literal.get("statemachine/all").await["status"]["roleArn"].as_str().unwrap().to_owned();
    let allowed = scene.aws.role(&role).await.unwrap().allows();
    assert_eq!(allowed, INDIRECT.iter().map(|action| format!("{action} *")).collect());
    literal
        .apply(&machine_with(
            "any",
            &json!({"executionRole": {"statements": [{"actions": ["iam:*"], "resources": ["*"]}]}}),
        ))
        .await;
    literal.stalled("statemachine/any", "OverCeiling").await;
    scene.end().await;
}

/// AWS repeats what it refuses, such as the name of a state, and a failed step is logged with its words.
#[tokio::test]
async fn what_aws_quotes_writes_no_lines_of_its_own() {
    let name = "esc-quoted";
    let proxy = Proxy::start(suite().await.testbed.aws_endpoint()).await;
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    ns.apply(&account(name, proxy.url())).await;
    const WORDS: &str = "No state x\n{level: INFO} all is well\r\u{1b}[31m\u{9b}2J\u{2028}\u{202e}";
    const SHOWN: &str = r"No state x\n{level: INFO} all is well\r\u{1b}[31m\u{9b}2J\u{2028}\u{202e}";
    let refusal = Answer::Error { status: 400, code: "InvalidDefinition", message: WORDS, retry_after: None };
    proxy.inject("CreateStateMachine", ALWAYS, refusal);
    ns.apply(&machine("quoted", "x")).await;
    let message = ns.stalled("statemachine/quoted", "RefusedByAWS").await;
    assert_eq!(message, format!("CreateStateMachine: {SHOWN} (InvalidDefinition)"));
    let event = ns.event("statemachine/quoted", "RefusedByAWS").await;
    assert!(event.contains(SHOWN), "{event}");
    assert_printable(&event);
    // The log has it too, as one value on one line of that object.
    let failed = log(ns.suite).into_iter().filter(|event| event["span"]["namespace"] == name);
    let failed: Vec<_> = failed.filter(|event| event["message"] == "failed").collect();
    assert!(!failed.is_empty(), "a failed step is not in the log");
    for event in failed {
        assert!(event["error"].as_str().unwrap().contains(WORDS), "{event}");
        assert_eq!(event["span"]["object"], "quoted");
    }
    proxy.lift();
    ns.ready(&["statemachine/quoted"]).await;
    for object in ["statemachine/quoted", &format!("awsaccount/{name}")] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
}

/// What the API server refuses, and in which words.
#[tokio::test]
async fn what_has_no_meaning_is_refused_at_apply() {
    let ns = Namespace::labelled("esc-apply", &[]).await;
    let statement = |fields: Value| json!({"executionRole": {"statements": [fields]}});
    let not_action = json!({"actions": ["s3:GetObject"], "resources": ["*"], "notActions": ["iam:*"]});
    let not_resource = json!({"actions": ["s3:GetObject"], "resources": ["*"], "notResources": ["a"]});
    let input = |fields: Value| json!({"request": {"input": [fields]}});
    let of_a_plan = |key: Value| {
        let mut key = key;
        key["name"] = json!("a");
        json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": "bad"}, "spec": {"apiKeys": [key]}})
            .to_string()
    };
    let of_a_route = |spec: Value| patched(&route("bad", "/bad", "own"), &spec);
    let cases = [
        (machine_with("bad", &statement(not_action)), r#"unknown field "spec.executionRole.statements[0].notActions""#),
        (
            machine_with("bad", &statement(not_resource)),
            r#"unknown field "spec.executionRole.statements[0].notResources""#,
        ),
        (
            machine_with("bad", &statement(json!({"actions": ["*:*"], "resources": ["*"]}))),
            r#"spec.executionRole.statements[0].actions[0]: Invalid value: "*:*": spec.executionRole.statements[0].actions[0] in body should match"#,
        ),
        // There are no user tags yet, so nobody can write owner tags.
        (machine_with("bad", &json!({"tags": {"stepgate.dev/namespace": "victim"}})), r#"unknown field "spec.tags""#),
        (machine_with("bad", &json!({"name": "x:y"})), "an AWS name holds letters, digits, `_` and `-`"),
        (machine_with("bad", &json!({"name": "*"})), "an AWS name holds letters, digits, `_` and `-`"),
        (
            machine_with("bad", &json!({"substitutions": [{"name": "a}${b", "value": ""}]})),
            "spec.substitutions[0].name in body should match",
        ),
        (machine_with("bad", &json!({"executionRole": {"arn": "*"}})), "write the ARN of a role"),
        // A UsagePlan reads Secrets of its own namespace only.
        (
            of_a_plan(json!({"secretKeyRef": {"name": "k", "key": "k", "namespace": "victim"}})),
            r#"unknown field "spec.apiKeys[0].secretKeyRef.namespace""#,
        ),
        (
            of_a_plan(json!({"generate": {"secretName": "k", "key": "k", "namespace": "victim"}})),
            r#"unknown field "spec.apiKeys[0].generate.namespace""#,
        ),
        (
            of_a_plan(json!({"from": {"usagePlan": "p", "key": "k", "namespace": "victim"}})),
            r#"unknown field "spec.apiKeys[0].from.namespace""#,
        ),
        (machine("with.dots", "x"), "metadata.name of a StateMachine may not hold dots"),
        (of_a_route(json!({"path": "/a\"},\"x\":{\""})), "write the path as `/orders/{orderId}`"),
        (of_a_route(json!({"path": "/a#set($x=1)"})), "write the path as `/orders/{orderId}`"),
        (
            of_a_route(
                json!({"target": {"stateMachineRef": null, "arn": "arn:aws:states:us-east-1:000000000000:stateMachine:*"}}),
            ),
            "write the ARN of a state machine",
        ),
        (
            of_a_route(input(json!({"to": "/a", "header": "x')#set($y=1)"}))),
            "spec.request.input[0].header in body should match",
        ),
        (
            of_a_route(input(json!({"to": "/a", "query": "x\" + $z"}))),
            "spec.request.input[0].query in body should match",
        ),
        (
            of_a_route(input(json!({"to": "/a", "context": "identity')"}))),
            "spec.request.input[0].context in body should match",
        ),
        (
            of_a_route(json!({"target": {"stages": [{"stage": "a')", "stateMachineRef": {"name": "own"}}]}})),
            "spec.target.stages[0].stage in body should match",
        ),
        (of_a_route(json!({"request": {"contentTypes": ["a/b\"},{\""]}})), "write media types without parameters"),
    ];
    for (manifest, words) in cases {
        let path = ns.suite.testbed.dir().join("esc-apply.yaml");
        std::fs::write(&path, &manifest).unwrap();
        let refused = ns.suite.testbed.kubectl(["apply", "-n", &ns.name, "-f", &path.to_string_lossy()]).await;
        let refused = refused.expect_err(&manifest).to_string();
        assert!(refused.contains(words), "not `{words}` but: {refused}");
    }
    assert!(ns.find("statemachine/bad").await.is_none() && ns.find("apiroute/bad").await.is_none());
}
