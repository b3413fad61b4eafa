//! Somebody changes things in AWS behind the operator's back: repaired at the next check, and told.

use aws_sdk_sfn::types::TracingConfiguration;
use serde_json::{Value, json};

use crate::cloud::{ApiView, Cloud, MachineView, RoleView, replace, role_name};
use crate::neighbours::Neighbours;
use crate::proxy::Proxy;
use crate::support::{Namespace, PATIENCE, TENANT, account, eventually, machine, rest_api, route, suite};

const ANYTHING: &str = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}"#;
const ANYONE: &str =
    r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":{"AWS":"*"},"Action":"sts:AssumeRole"}]}"#;
const ADMINISTRATOR: &str = "arn:aws:iam::aws:policy/AdministratorAccess";

/// One machine, one API, one route `POST /say`, and all that they are in AWS.
struct Scene {
    ns: Namespace,
    aws: Cloud,
    api: String,
    machine: String,
    execution_role: String,
    invoke_role: String,
    whole: Whole,
}

/// All that the objects are in AWS.
#[derive(Clone, Debug, PartialEq)]
struct Whole {
    api: Option<ApiView>,
    machine: Option<MachineView>,
    roles: Vec<Option<RoleView>>,
}

impl Scene {
    async fn new(name: &str) -> Scene {
        let ns = Namespace::new(name).await;
        let api = rest_api("api").replace("{name: prod}", "{name: prod, variables: {color: blue}}");
        let role = format!(
            "  executionRole: {{statements: [{{actions: [\"sqs:SendMessage\"], resources: [\"arn:aws:sqs:*:*:{name}-q\"]}}]}}\n"
        );
        let manifests = [machine("say", "hello"), role, api, route("say", "/say", "say")].concat();
        ns.apply(&manifests).await;
        ns.ready(&["statemachine/say", "restapi/api", "apiroute/say"]).await;
        ns.settled(&["statemachine/say", "restapi/api"]).await;
        let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let api = text(&ns.get("restapi/api").await["status"]["restApiId"]);
        let status = ns.get("statemachine/say").await["status"].clone();
        let mut scene = Scene {
            machine: text(&status["stateMachineArn"]),
            execution_role: text(&status["roleArn"]),
            invoke_role: aws.invoke_role(&api, "POST /say").await,
            whole: Whole { api: None, machine: None, roles: Vec::new() },
            ns,
            aws,
            api,
        };
        scene.whole = scene.look().await;
        scene
    }

    async fn look(&self) -> Whole {
        Whole {
            api: self.aws.rest_api(&self.api).await,
            machine: self.aws.machine(&self.machine).await,
            roles: vec![self.aws.role(&self.execution_role).await, self.aws.role(&self.invoke_role).await],
        }
    }

    /// The events of repairs that say this.
    async fn repairs(&self, object: &str, says: &str) -> usize {
        let events = self.ns.events(object).await;
        events.iter().filter(|event| event.starts_with("Warning DriftRepaired: ") && event.contains(says)).count()
    }

    /// After the damage all is as before, told once in an event and in `status.lastDrift` of `object`, with these words.
    async fn repairs_of(&self, object: &str, says: &str, damage: impl Future<Output = ()>) {
        let told = self.repairs(object, says).await;
        damage.await;
        self.ns
            .eventually(object, &format!("was repaired: {says}"), async |found| {
                if self.repairs(object, says).await <= told {
                    return Err(format!("no new event; lastDrift is {}", found.unwrap()["status"]["lastDrift"]));
                }
                let drift = found.unwrap()["status"]["lastDrift"]["summary"].as_str().unwrap_or_default().to_owned();
                if !drift.contains(says) {
                    return Err(format!("lastDrift says `{drift}`"));
                }
                let now = self.look().await;
                if now != self.whole { Err(format!("is {now:#?}\nand was {:#?}", self.whole)) } else { Ok(()) }
            })
            .await;
        assert_eq!(self.repairs(object, says).await, told + 1, "{:?}", self.ns.events(object).await);
        self.ns.ready(&[object]).await;
        self.ns.says("say", "hello").await;
    }

    async fn method(&self) -> (String, String) {
        (self.api.clone(), self.aws.resource(&self.api, "/say").await)
    }
}

#[tokio::test]
async fn a_changed_method_is_repaired() {
    let scene = Scene::new("drift-method").await;
    let client = &scene.aws.apigateway;
    let (api, say) = scene.method().await;

    scene
        .repairs_of("restapi/api", "create method POST /say", async {
            client.delete_method().rest_api_id(&api).resource_id(&say).http_method("POST").send().await.unwrap();
        })
        .await;
    scene
        .repairs_of("restapi/api", "update authorization of method POST /say", async {
            let patch = replace("/authorizationType", "AWS_IAM");
            let update = client.update_method().rest_api_id(&api).resource_id(&say).http_method("POST");
            update.patch_operations(patch).send().await.unwrap();
        })
        .await;
    for patch in [
        replace("/credentials", "arn:aws:iam::000000000000:role/someone-elses"),
        replace("/requestTemplates/application~1json", r#"{"stateMachineArn": "another", "input": "{}"}"#),
        replace("/uri", "arn:aws:apigateway:us-east-1:states:action/DeleteStateMachine"),
        replace("/passthroughBehavior", "WHEN_NO_MATCH"),
        replace("/timeoutInMillis", "50"),
    ] {
        scene
            .repairs_of("restapi/api", "update integration of method POST /say", async {
                let update = client.update_integration().rest_api_id(&api).resource_id(&say).http_method("POST");
                update.patch_operations(patch).send().await.unwrap();
            })
            .await;
    }
    scene
        .repairs_of("restapi/api", "update responses of method POST /say", async {
            let delete = client.delete_integration_response().rest_api_id(&api).resource_id(&say).http_method("POST");
            delete.status_code("200").send().await.unwrap();
        })
        .await;
}

/// With `driftPolicy: Report` it is told, and left until a manifest changes.
#[tokio::test]
async fn drift_is_only_reported_where_that_is_asked() {
    let scene = Scene::new("drift-report").await;
    let (ns, aws) = (&scene.ns, &scene.aws);
    let policy = async |policy: &str| {
        for object in ["statemachine/say", "restapi/api"] {
            ns.patch(object, json!({"spec": {"driftPolicy": policy}})).await;
        }
    };
    policy("Report").await;
    ns.ready(&["statemachine/say", "restapi/api"]).await;
    let (api, say) = scene.method().await;
    let update = aws.apigateway.update_method().rest_api_id(&api).resource_id(&say).http_method("POST");
    update.patch_operations(replace("/authorizationType", "AWS_IAM")).send().await.unwrap();
    let other = r#"{"StartAt": "A", "States": {"A": {"Type": "Succeed"}}}"#;
    aws.sfn.update_state_machine().state_machine_arn(&scene.machine).definition(other).send().await.unwrap();
    let says = [
        ("restapi/api", "update authorization of method POST /say"),
        ("statemachine/say", "update definition of state machine drift-report_say"),
    ];
    for (object, summary) in says {
        let message = ns.condition(object, "Ready", "False", "Drifted").await;
        assert_eq!(message, format!("AWS was changed, and driftPolicy Report leaves it; without that: {summary}"));
        ns.event(object, &format!("DriftDetected: {message}")).await;
        assert_eq!(ns.get(object).await["status"]["lastDrift"]["summary"], summary);
    }
    // A second change, told by a later look, which left the first one too.
    let update = aws.apigateway.update_integration().rest_api_id(&api).resource_id(&say).http_method("POST");
    update.patch_operations(replace("/timeoutInMillis", "50")).send().await.unwrap();
    let tracing = TracingConfiguration::builder().enabled(true).build();
    aws.sfn
        .update_state_machine()
        .state_machine_arn(&scene.machine)
        .tracing_configuration(tracing)
        .send()
        .await
        .unwrap();
    let changed = scene.look().await;
    for (object, first) in says {
        let second = ns
            .eventually(object, "has the second change in its status", async |found| {
                let summary = found.unwrap()["status"]["lastDrift"]["summary"].as_str().unwrap().to_owned();
                if summary == first { Err(summary) } else { Ok(summary) }
            })
            .await;
        ns.event(object, &second).await;
        let told = ns.events(object).await.into_iter().filter(|event| event.contains("DriftDetected"));
        assert_eq!(told.count(), 2, "each once");
    }
    assert_eq!(scene.look().await, changed, "nothing is undone");

    policy("Correct").await;
    ns.ready(&["statemachine/say", "restapi/api"]).await;
    assert_eq!(scene.look().await, scene.whole);
    ns.says("say", "hello").await;
}

#[tokio::test]
async fn what_was_added_to_our_api_is_removed() {
    let scene = Scene::new("drift-added").await;
    let client = &scene.aws.apigateway;
    let api = scene.api.clone();
    scene
        .repairs_of("restapi/api", "delete resource /backdoor", async {
            let root = scene.aws.resource(&api, "/").await;
            let made = client.create_resource().rest_api_id(&api).parent_id(root).path_part("backdoor").send().await;
            let made = made.unwrap().id.unwrap();
            // A check may come between; then there is nothing to add to.
            let put = client.put_method().rest_api_id(&api).resource_id(&made).http_method("GET");
            let _ = put.authorization_type("NONE").send().await;
            let put = client.put_integration().rest_api_id(&api).resource_id(&made).http_method("GET");
            let _ = put.r#type(aws_sdk_apigateway::types::IntegrationType::Mock).send().await;
        })
        .await;
    scene
        .repairs_of("restapi/api", "create resource /say; create method POST /say", async {
            let say = scene.aws.resource(&api, "/say").await;
            client.delete_resource().rest_api_id(&api).resource_id(say).send().await.unwrap();
        })
        .await;
    scene
        .repairs_of("restapi/api", "update name, description of REST API", async {
            let patches = vec![replace("/name", "mine"), replace("/description", "hands off")];
            let update = client.update_rest_api().rest_api_id(&api).set_patch_operations(Some(patches));
            update.send().await.unwrap();
        })
        .await;
}

#[tokio::test]
async fn a_changed_stage_is_repaired() {
    let mut scene = Scene::new("drift-stage").await;
    let old = scene.whole.api.as_ref().unwrap().stages["prod"].0.clone();
    // Another revision, so that there is an older one.
    scene.ns.apply(&[machine("late", "later"), route("late", "/late", "late")].concat()).await;
    scene.ns.ready(&["statemachine/late", "apiroute/late", "restapi/api"]).await;
    scene.ns.settled(&["restapi/api"]).await;
    scene.whole = scene.look().await;
    let client = &scene.aws.apigateway;
    let api = &scene.api;
    assert_ne!(scene.whole.api.as_ref().unwrap().stages["prod"].0, old);

    scene
        .repairs_of("restapi/api", "create stage prod", async {
            client.delete_stage().rest_api_id(api).stage_name("prod").send().await.unwrap();
        })
        .await;
    let update = |patch| client.update_stage().rest_api_id(api).stage_name("prod").patch_operations(patch);
    scene
        .repairs_of("restapi/api", "move stage prod", async {
            update(replace("/deploymentId", &old)).send().await.unwrap();
        })
        .await;
    scene.ns.says("late", "later").await;
    scene
        .repairs_of("restapi/api", "update variables/color of stage prod", async {
            update(replace("/variables/color", "red")).send().await.unwrap();
        })
        .await;
    scene
        .repairs_of("restapi/api", "update variables/stranger of stage prod", async {
            update(replace("/variables/stranger", "x")).send().await.unwrap();
        })
        .await;
}

#[tokio::test]
async fn a_stage_that_serves_somebody_elses_deployment_is_moved_back() {
    let scene = Scene::new("drift-deployment").await;
    scene
        .repairs_of("restapi/api", "move stage prod", async {
            let deploy = scene.aws.apigateway.create_deployment().rest_api_id(&scene.api).stage_name("prod");
            deploy.send().await.unwrap();
        })
        .await;
}

#[tokio::test]
async fn routes_say_that_a_stage_was_moved_away_where_drift_is_only_reported() {
    let scene = Scene::new("drift-moved").await;
    let (ns, client) = (&scene.ns, &scene.aws.apigateway);
    ns.patch("restapi/api", json!({"spec": {"driftPolicy": "Report"}})).await;
    ns.ready(&["restapi/api", "apiroute/say"]).await;
    let deployed = client.create_deployment().rest_api_id(&scene.api).send().await.unwrap();
    let update = client.update_stage().rest_api_id(&scene.api).stage_name("prod");
    update.patch_operations(replace("/deploymentId", &deployed.id.unwrap())).send().await.unwrap();
    for object in ["restapi/api", "apiroute/say"] {
        ns.condition(object, "Ready", "False", "Drifted").await;
    }
    ns.patch("restapi/api", json!({"spec": {"driftPolicy": "Correct"}})).await;
    ns.ready(&["restapi/api", "apiroute/say"]).await;
    ns.says("say", "hello").await;
}

#[tokio::test]
async fn a_changed_machine_is_repaired() {
    let scene = Scene::new("drift-machine").await;
    let client = &scene.aws.sfn;
    let update = || client.update_state_machine().state_machine_arn(&scene.machine);
    let name = "state machine drift-machine_say";

    scene
        .repairs_of("statemachine/say", &format!("create {name}"), async {
            client.delete_state_machine().state_machine_arn(&scene.machine).send().await.unwrap();
        })
        .await;
    scene
        .repairs_of("statemachine/say", &format!("update definition of {name}"), async {
            let other =
                json!({"StartAt": "A", "States": {"A": {"Type": "Pass", "Result": {"said": "bye"}, "End": true}}});
            update().definition(other.to_string()).send().await.unwrap();
        })
        .await;
    scene
        .repairs_of("statemachine/say", &format!("update role of {name}"), async {
            update().role_arn("arn:aws:iam::000000000000:role/someone-elses").send().await.unwrap();
        })
        .await;
}

/// Everything that can be done to a managed role.
async fn role_is_repaired(scene: &Scene, object: &str, role: &str) {
    let iam = &scene.aws.iam;
    let name = role_name(role);
    let put = |policy: &str| iam.put_role_policy().role_name(name).policy_name(policy).policy_document(ANYTHING);
    scene
        .repairs_of(object, &format!("write the policy of role {name}"), async {
            put("stepgate").send().await.unwrap();
        })
        .await;
    scene
        .repairs_of(object, &format!("write the policy of role {name}"), async {
            iam.delete_role_policy().role_name(name).policy_name("stepgate").send().await.unwrap();
        })
        .await;
    scene
        .repairs_of(object, &format!("delete policy more of role {name}"), async {
            put("more").send().await.unwrap();
        })
        .await;
    scene
        .repairs_of(object, &format!("detach {ADMINISTRATOR} from role {name}"), async {
            iam.attach_role_policy().role_name(name).policy_arn(ADMINISTRATOR).send().await.unwrap();
        })
        .await;
    scene
        .repairs_of(object, &format!("set the trust policy of role {name}"), async {
            iam.update_assume_role_policy().role_name(name).policy_document(ANYONE).send().await.unwrap();
        })
        .await;
    scene.repairs_of(object, &format!("create role {name}"), scene.aws.delete_role(name)).await;
}

#[tokio::test]
async fn a_changed_execution_role_is_repaired() {
    let scene = Scene::new("drift-execution-role").await;
    role_is_repaired(&scene, "statemachine/say", &scene.execution_role).await;
}

#[tokio::test]
async fn a_changed_invoke_role_is_repaired() {
    let scene = Scene::new("drift-invoke-role").await;
    role_is_repaired(&scene, "restapi/api", &scene.invoke_role).await;
}

#[tokio::test]
async fn a_deleted_api_is_made_anew() {
    let scene = Scene::new("drift-api").await;
    scene.aws.apigateway.delete_rest_api().rest_api_id(&scene.api).send().await.unwrap();
    scene
        .ns
        .eventually("apiroute/say", "has another URL", async |found| {
            let url = found.unwrap()["status"]["url"].as_str().unwrap_or_default().to_owned();
            if url.is_empty() || url.contains(&scene.api) { Err(url) } else { Ok(()) }
        })
        .await;
    scene.ns.event("restapi/api", "DriftRepaired: create REST API drift-api_api").await;
    scene.ns.ready(&["restapi/api", "apiroute/say"]).await;
    scene.ns.says("say", "hello").await;
    let again = scene.aws.apis_tagged("stepgate.dev/namespace", "drift-api").await;
    assert_eq!(json!(again), json!([scene.ns.get("restapi/api").await["status"]["restApiId"]]));
    assert_ne!(again, [scene.api.as_str()]);
}

/// What is in AWS and not ours, one beside each thing of ours.
#[tokio::test]
async fn neighbours_stay_as_they_are() {
    let scene = Scene::new("drift-neighbours").await;
    let Cloud { apigateway, iam, .. } = &scene.aws;
    let role = iam.get_role().role_name(role_name(&scene.invoke_role)).send().await.unwrap().role.unwrap();
    let neighbours = Neighbours::move_in(&scene.aws, "drift-neighbours", &role.path).await;
    let look = async || neighbours.look(&scene.aws).await;
    let before = look().await;

    // Repair, update, and delete beside them.
    let say = scene.aws.resource(&scene.api, "/say").await;
    scene
        .repairs_of("restapi/api", "create method POST /say", async {
            let delete = apigateway.delete_method().rest_api_id(&scene.api).resource_id(&say).http_method("POST");
            delete.send().await.unwrap();
        })
        .await;
    scene.ns.apply(&[machine("say", "bye"), route("also", "/also", "say")].concat()).await;
    scene.ns.ready(&["statemachine/say", "apiroute/also", "restapi/api"]).await;
    scene.ns.says("also", "bye").await;
    assert_eq!(look().await, before);
    for object in ["apiroute/say", "apiroute/also", "restapi/api", "statemachine/say"] {
        scene.ns.delete(object).await;
    }
    for object in ["apiroute/say", "apiroute/also", "restapi/api", "statemachine/say"] {
        scene.ns.gone(object).await;
    }
    assert_eq!(look().await, before);
    let nothing = Whole { api: None, machine: None, roles: vec![None, None] };
    assert_eq!(scene.look().await, nothing);
}

#[tokio::test]
async fn a_check_that_finds_nothing_reads_little_and_writes_nothing() {
    let proxy = Proxy::start(suite().await.testbed.aws_endpoint()).await;
    let ns = Namespace::labelled("drift-none", &[(TENANT, "drift-none")]).await;
    ns.apply(&account("drift-none", proxy.url())).await;
    let routes: String = (0..10).map(|n| route(&format!("r{n}"), &format!("/r{n}"), "say")).collect();
    ns.apply(&[machine("say", "hello"), rest_api("api"), routes].concat()).await;
    ns.ready(&["awsaccount/drift-none", "statemachine/say", "restapi/api"]).await;
    for number in 0..10 {
        ns.ready(&[&format!("apiroute/r{number}")]).await;
    }
    // From the first check that begins now.
    let checks = async |count: usize| {
        let from = proxy.log().len();
        eventually("the API is checked", PATIENCE, async || {
            let log = proxy.log().split_off(from);
            let starts: Vec<usize> = (0..log.len()).filter(|&at| log[at] == "GetRestApi").collect();
            match starts.get(count) {
                Some(&end) => Ok(log[starts[0]..end].to_vec()),
                None => Err(format!("{log:?}")),
            }
        })
        .await
    };
    checks(1).await;
    let objects = ["statemachine/say", "restapi/api", "apiroute/r0", "apiroute/r9"];
    let versions = async || {
        let mut versions = Vec::new();
        for object in objects {
            versions.push(ns.get(object).await["metadata"]["resourceVersion"].clone());
        }
        versions
    };
    let before = versions().await;
    let log = checks(2).await;
    let count = |operation: &str| log.iter().filter(|called| *called == operation).count();
    for operation in ["GetRestApi", "GetResources", "GetStages"] {
        assert_eq!(count(operation), 2, "{log:?}");
    }
    let reads = [
        "GetRestApi",
        "GetResources",
        "GetStages",
        "GetRole",
        "ListRolePolicies",
        "GetRolePolicy",
        "ListAttachedRolePolicies",
        "DescribeStateMachine",
        "GetCallerIdentity",
    ];
    assert!(log.iter().all(|operation| reads.contains(&operation.as_str())), "{log:?}");
    assert_eq!(versions().await, before);
    ns.delete("namespace/drift-none").await;
    ns.gone("namespace/drift-none").await;
    ns.delete("awsaccount/drift-none").await;
    ns.gone("awsaccount/drift-none").await;
}
