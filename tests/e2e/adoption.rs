//! What others made is adopted, as docs/adoption.md says: in place, with what no manifest asks for.

use std::collections::BTreeSet;

use aws_sdk_apigateway::types::GatewayResponseType;
use serde_json::{Value, json};
use stepgate_testbed::Request;

use crate::cloud::Cloud;
use crate::legacy;
use crate::plan::plan;
use crate::support::{Namespace, TENANT, condition, machine, page, rest_api};

const TRUST: &str = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "sts:AssumeRole",
    "Principal": {"Service": "states.amazonaws.com"}}]}"#;

/// The page's account on the emulator, and the team's manifests.
fn manifests(endpoint: &str) -> (String, String) {
    let page = page("docs/adoption.md").replace("name: dev}", "name: adoption}");
    let account = page.replace("\"111122223333\"", &format!("\"000000000000\"\n  endpointUrl: {endpoint}"));
    let (account, rest) = account.split_once("\n---\n").unwrap();
    (account.to_owned(), format!("---\n{rest}"))
}

async fn role(aws: &Cloud, name: &str) -> String {
    let made = aws.iam.create_role().role_name(name).assume_role_policy_document(TRUST).send().await;
    made.unwrap().role.unwrap().arn
}

/// What a stage of an API answers.
async fn get(ns: &Namespace, api: &str, stage: &str, method: &str, path: &str) -> String {
    let url = format!("{}/_aws/execute-api/{api}/{stage}{path}", ns.suite.testbed.aws_endpoint());
    let request = Request {
        method: method.into(),
        url,
        headers: vec![("Content-Type".into(), "application/json".into())],
        body: (method == "POST").then(|| "{}".into()),
        ..Request::default()
    };
    request.send().await.unwrap().body
}

/// What `stepgate plan` says of an object, line by line.
fn steps(planned: &str, object: &str) -> Vec<String> {
    let own = planned.lines().skip_while(|line| !line.starts_with(object)).skip(1);
    own.take_while(|line| line.starts_with("  ")).map(|line| line.trim().to_owned()).collect()
}

fn paused(manifest: &str) -> String {
    manifest.replace("metadata: {name:", "metadata: {annotations: {stepgate.dev/paused: \"true\"}, name:")
}

#[tokio::test]
async fn what_others_made_is_adopted_in_place_and_stays_when_its_object_goes() {
    let ns = Namespace::labelled("adoption", &[("team", "orders")]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let role = role(&aws, legacy::ROLE).await;
    legacy::furnish(&aws.iam, legacy::ROLE).await;
    let its = async || aws.role(&role).await.unwrap();
    let theirs = its().await;
    let legacy::Legacy { api, machine } = legacy::make(&aws.apigateway, &aws.sfn, &role).await;
    let (before, v1) = (aws.rest_api(&api).await.unwrap(), aws.deployments(&api).await);
    let (account, manifests) = manifests(ns.suite.testbed.aws_endpoint());
    ns.apply(&account).await;

    // First a look.
    ns.apply(&paused(&manifests)).await;
    let says = ns.condition("statemachine/place-order", "Ready", "False", "Paused").await;
    let would = "without it: adopt role orders-legacy; set the trust policy of role orders-legacy; ";
    assert!(says.contains(would), "{says}");
    let planned = plan(&ns, &manifests, &[]).out;
    let of_machine = steps(&planned, "StateMachine adoption/place-order");
    assert_eq!(
        of_machine[..2],
        ["adopt role orders-legacy", "set the trust policy of role orders-legacy"],
        "{planned}"
    );
    assert_eq!(aws.machine(&machine).await.unwrap().tags, Default::default());
    assert_eq!(its().await, theirs);
    ns.patch("statemachine/place-order", json!({"metadata": {"annotations": {"stepgate.dev/paused": null}}})).await;
    ns.ready(&["statemachine/place-order"]).await;
    ns.patch("apiroute/place-order", json!({"metadata": {"annotations": {"stepgate.dev/paused": null}}})).await;
    let planned = plan(&ns, &manifests, &[]).out;
    let of_api = steps(&planned, "RestAPI adoption/api");
    assert!(of_api.contains(&format!("adopt REST API {api}")), "{planned}");
    let shown = format!("{}; and {} more", of_api[..3].join("; "), of_api.len() - 3);
    ns.condition_with("restapi/api", ("Ready", "False", "Paused"), &[&shown]).await;
    assert_eq!(aws.rest_api(&api).await.unwrap(), before);

    ns.apply(&manifests).await;
    ns.patch("restapi/api", json!({"metadata": {"annotations": {"stepgate.dev/paused": null}}})).await;
    ns.ready(&["statemachine/place-order", "restapi/api", "apiroute/place-order"]).await;
    // All of what was said before, and nothing else.
    assert_eq!(ns.done("StateMachine", "place-order"), of_machine);
    assert_eq!(ns.done("RestAPI", "api"), of_api);
    assert_eq!(ns.get("restapi/api").await["status"]["restApiId"], api);
    assert_eq!(ns.get("statemachine/place-order").await["status"]["stateMachineArn"], machine);
    let after = aws.rest_api(&api).await.unwrap();
    assert_eq!((&after.name, after.description.as_deref()), (&before.name, Some("Orders")));
    assert_eq!(after.tags["stepgate.dev/adopted"], "true");
    for method in legacy::KEPT {
        assert_eq!(after.methods[method], before.methods[method], "{method}");
    }
    assert_eq!(after.stages["v1"], before.stages["v1"]);
    assert!(v1.keys().all(|id| before.stages["v1"].0 == *id), "{v1:?}");
    let found = async |what: &str| {
        let client = &aws.apigateway;
        match what {
            "authorizer" => client.get_authorizers().rest_api_id(&api).send().await.unwrap().items.map(|it| it.len()),
            "validator" => {
                client.get_request_validators().rest_api_id(&api).send().await.unwrap().items.map(|it| it.len())
            }
            _ => client.get_model().rest_api_id(&api).model_name("Legacy").send().await.ok().map(|_| 1),
        }
    };
    for what in ["authorizer", "validator", "model"] {
        assert_eq!(found(what).await, Some(1), "{what}");
    }
    let shown = ns.get("statemachine/place-order").await["status"].clone();
    assert_eq!((&shown["roleArn"], &shown["adoptedRoles"]), (&json!(role), &json!([role])));
    let adopted = its().await;
    assert_eq!(adopted.tags["stepgate.dev/adopted"], "true");
    assert_eq!(
        (&adopted.tags["team"], &adopted.policies["by-hand"]),
        (&theirs.tags["team"], &theirs.policies["by-hand"])
    );
    assert_eq!(adopted.managed_policies, theirs.managed_policies);
    assert!(adopted.allows().contains("sqs:SendMessage arn:aws:sqs:*:*:orders-placed"), "{adopted:?}");
    let trusts = adopted.trust["Statement"].as_array().unwrap();
    assert_eq!((trusts.len(), &trusts[0]), (2, &theirs.trust["Statement"][0]));
    ns.says("place-order", "placed").await;

    // What is ours is kept so, what is theirs is theirs to change.
    ns.settled(&["statemachine/place-order"]).await;
    let detach = aws.iam.detach_role_policy().role_name(legacy::ROLE).policy_arn(legacy::ATTACHED);
    detach.send().await.unwrap();
    aws.iam.delete_role_policy().role_name(legacy::ROLE).policy_name("stepgate").send().await.unwrap();
    ns.event("statemachine/place-order", "DriftRepaired: write the policy of role orders-legacy").await;
    let repaired = its().await;
    assert_eq!((&repaired.policies, repaired.managed_policies.len()), (&adopted.policies, 0));
    for (stage, method, path, says) in [
        ("prod", "GET", "/legacy", "legacy"),
        ("prod", "GET", "/orders/1", "legacy"),
        ("v1", "GET", "/legacy", "legacy"),
        ("v1", "POST", "/orders", "legacy"),
    ] {
        let answer = get(&ns, &api, stage, method, path).await;
        assert!(answer.contains(says), "{stage} {method} {path}: {answer}");
    }

    // What the manifest asks for besides goes when it no longer does, and what others have of the kind stays.
    let responses = async || {
        let found = aws.apigateway.get_gateway_responses().rest_api_id(&api).limit(500).send().await.unwrap();
        let own = found.items.unwrap().into_iter().filter(|response| !response.default_response);
        own.filter_map(|response| Some(response.response_type?.to_string())).collect::<BTreeSet<_>>()
    };
    let put = aws.apigateway.put_gateway_response().rest_api_id(&api).status_code("555");
    put.response_type(GatewayResponseType::Default5Xx).send().await.unwrap();
    let others: BTreeSet<_> = ["DEFAULT_4XX", "DEFAULT_5XX"].map(str::to_owned).into();
    for asked in [json!([{"type": "QUOTA_EXCEEDED", "statusCode": 420}]), Value::Null] {
        let ours = asked.as_array().map(|_| "QUOTA_EXCEEDED".to_owned()).into_iter().collect();
        ns.patch("restapi/api", json!({"spec": {"gatewayResponses": asked}})).await;
        ns.settled(&["restapi/api"]).await;
        assert_eq!(responses().await, &others | &ours);
        let managed = ns.get("restapi/api").await["status"]["managed"].clone();
        assert_eq!(managed, json!({"gatewayResponses": ["QUOTA_EXCEEDED"]}));
    }

    // It was there before, and stays. The API goes first: it would take the method of a route that goes out of AWS.
    for object in ["restapi/api", "apiroute/place-order", "statemachine/place-order"] {
        ns.delete(object).await;
        ns.gone(object).await;
    }
    let left = aws.rest_api(&api).await.unwrap();
    assert_eq!((&left.stages["v1"], left.methods.len()), (&before.stages["v1"], after.methods.len()));
    assert!(!left.tags.contains_key("stepgate.dev/name"), "{:?}", left.tags);
    assert!(aws.machine(&machine).await.is_some());
    let left = its().await;
    assert!(!left.tags.contains_key("stepgate.dev/name") && left.policies == adopted.policies, "{left:?}");
    assert!(get(&ns, &api, "v1", "POST", "/orders").await.contains("legacy"));

    // Taken back, and deleted because the manifests say so.
    let delete = manifests.replace("\n  adoption:", "\n  deletionPolicy: Delete\n  adoption:");
    ns.apply(&delete).await;
    ns.ready(&["statemachine/place-order", "restapi/api", "apiroute/place-order"]).await;
    assert_eq!(ns.get("restapi/api").await["status"]["restApiId"], api);
    ns.says("place-order", "placed").await;
    for object in ["apiroute/place-order", "restapi/api", "statemachine/place-order"] {
        ns.delete(object).await;
    }
    for object in ["apiroute/place-order", "restapi/api", "statemachine/place-order"] {
        ns.gone(object).await;
    }
    assert_eq!((aws.rest_api(&api).await, aws.machine(&machine).await, aws.role(&role).await), (None, None, None));
    ns.delete("awsaccount/adoption").await;
    ns.gone("awsaccount/adoption").await;
}

/// An account that admits what has the namespace's name.
fn account(name: &str, endpoint: &str) -> String {
    let grant = json!([
        "arn:aws:states:*:*:stateMachine:${namespace}-*",
        "arn:aws:iam::*:role/e2e-${namespace}",
        "arn:aws:apigateway:*::/restapis/*",
    ]);
    crate::support::account(name, endpoint)
        .replace("    namePatterns:", &format!("    adoptableArns: {grant}\n    namePatterns:"))
}

fn with(manifest: &str, spec: &Value) -> String {
    crate::escalation::patched(manifest, spec)
}

/// Named by its ARN, adopted, let go: the machine is touched once, when it gets another role.
#[tokio::test]
async fn a_role_is_adopted_under_a_running_machine_and_is_as_it_was_when_it_is_let_go() {
    let name = "adoption-role";
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    ns.apply(&account(name, ns.suite.testbed.aws_endpoint())).await;
    let role = role(&aws, "e2e-adoption-role").await;
    legacy::furnish(&aws.iam, "e2e-adoption-role").await;
    let before = aws.role(&role).await.unwrap();
    let wait =
        json!({"StartAt": "Wait", "States": {"Wait": {"Type": "Wait", "Seconds": 3600, "End": true}}}).to_string();
    let with = |role: Value| {
        let spec = json!({"type": "STANDARD", "definition": wait, "deletionGracePeriod": "0s", "executionRole": role});
        with(&machine("work", "x"), &spec)
    };
    ns.apply(&with(json!({"arn": role}))).await;
    ns.ready(&["statemachine/work"]).await;
    let arn = ns.get("statemachine/work").await["status"]["stateMachineArn"].as_str().unwrap().to_owned();
    let started = ns.aws("states", "StartExecution", json!({"stateMachineArn": arn, "input": "{}"})).await;
    let described = async || ns.aws("states", "DescribeStateMachine", json!({"stateMachineArn": arn})).await;
    let at_first = described().await;

    let queue = format!("arn:aws:sqs:*:*:{name}-q");
    let statements = json!([{"actions": ["sqs:SendMessage"], "resources": [queue]}]);
    ns.apply(&with(json!({"adoption": {"policy": "AdoptOrCreate", "arn": role}, "statements": statements}))).await;
    ns.event("statemachine/work", "adopt role e2e-adoption-role").await;
    ns.ready(&["statemachine/work"]).await;
    assert_eq!(described().await, at_first);
    let allows = |view: &crate::cloud::RoleView| view.allows().contains(&format!("sqs:SendMessage {queue}"));
    assert!(allows(&aws.role(&role).await.unwrap()));

    // Another role: what runs keeps this one as it is.
    ns.apply(&with(json!({"statements": statements}))).await;
    let says = ns.condition("statemachine/work", "PolicyNarrowingPending", "True", "ExecutionsRunning").await;
    assert!(says.ends_with("the role keeps what they may need and this generation does not."), "{says}");
    ns.ready(&["statemachine/work"]).await;
    let status = ns.get("statemachine/work").await["status"].clone();
    assert!(status["roleArn"].as_str().unwrap().contains(":role/stepgate/"), "{status}");
    assert_eq!(status["adoptedRoles"], json!([role]));
    assert!(allows(&aws.role(&role).await.unwrap()));
    ns.aws("states", "StopExecution", json!({"executionArn": started["executionArn"]})).await;
    ns.eventually("statemachine/work", "lets go of the role", async |found| {
        let now = aws.role(&role).await.unwrap();
        let listed = found.unwrap()["status"].get("adoptedRoles").is_some();
        if now == before && !listed { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
    assert!(!ns.events("statemachine/work").await.iter().any(|event| event.contains("Drift")), "it is no drift");
    ns.delete("statemachine/work").await;
    ns.gone("statemachine/work").await;
    assert_eq!(aws.role(&role).await.unwrap(), before);
    aws.delete_role(&role).await;
}

#[tokio::test]
async fn where_there_is_nothing_it_is_waited_for_or_made() {
    let name = "adoption-none";
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    ns.apply(&account(name, ns.suite.testbed.aws_endpoint())).await;
    let adopt = |policy: &str, api: &str| {
        let aws_name = format!("{name}-{api}");
        [
            with(&machine(api, "new"), &json!({"name": aws_name, "adoption": {"policy": policy}})),
            with(&rest_api(api), &json!({"adoption": {"policy": policy, "name": aws_name}})),
        ]
        .concat()
    };
    ns.apply(&(adopt("Adopt", "late") + &adopt("AdoptOrCreate", "made"))).await;
    let waits = "WaitingForReference";
    let message = ns.condition("statemachine/late", "Reconciling", "True", waits).await;
    assert!(message.starts_with("spec.name: there is no state machine `adoption-none-late` in account"), "{message}");
    let message = ns.condition("restapi/late", "Reconciling", "True", waits).await;
    assert!(message.starts_with("spec.adoption.name: there is no REST API `adoption-none-late` in"), "{message}");
    ns.ready(&["statemachine/made", "restapi/made"]).await;
    let made = ns.get("restapi/made").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let view = aws.rest_api(&made).await.unwrap();
    assert_eq!(view.name, "adoption-none-made");
    assert!(!view.tags.contains_key("stepgate.dev/adopted"), "{:?}", view.tags);

    // Two of one name: which is meant has to be said. Neither has the name that is asked for before both are there, or
    // the first would be adopted.
    let role = role(&aws, name).await;
    let arn = legacy::machine(&aws.sfn, "adoption-none-late", &role).await;
    let (one, two) = (
        legacy::api(&aws.apigateway, "adoption-none-twins").await,
        legacy::api(&aws.apigateway, "adoption-none-twins").await,
    );
    let check = json!({"metadata": {"annotations": {"stepgate.dev/check-requested-at": "now"}}});
    ns.patch("statemachine/late", check).await;
    ns.patch("restapi/late", json!({"spec": {"adoption": {"name": "adoption-none-twins"}}})).await;
    ns.ready(&["statemachine/late"]).await;
    assert_eq!(aws.machine(&arn).await.unwrap().tags["stepgate.dev/adopted"], "true");
    let message = ns.stalled("restapi/late", "OwnershipConflict").await;
    assert!(message.contains(&one) && message.contains(&two) && message.contains("restApiId"), "{message}");
    ns.patch("restapi/late", json!({"spec": {"adoption": {"name": null, "restApiId": two, "unmanaged": "Remove"}}}))
        .await;
    ns.ready(&["restapi/late"]).await;
    let (left, adopted) = (aws.rest_api(&one).await.unwrap(), aws.rest_api(&two).await.unwrap());
    assert_eq!((left.methods.len(), left.tags.len()), (3, 0));
    assert!(legacy::KEPT.iter().all(|method| !adopted.methods.contains_key(*method)), "{:?}", adopted.methods.keys());
    assert_eq!(adopted.stages.keys().collect::<Vec<_>>(), ["prod"]);
    // It is what it was called, to whoever watches it by its name.
    assert_eq!(adopted.name, "adoption-none-twins");

    let ready = condition(&ns.get("restapi/made").await, "Ready").unwrap();
    assert_eq!(ready.status, "True");
    for object in ["restapi/late", "restapi/made", "statemachine/late", "statemachine/made"] {
        ns.patch(object, json!({"spec": {"deletionPolicy": "Delete"}})).await;
        ns.delete(object).await;
        ns.gone(object).await;
    }
    assert_eq!((aws.rest_api(&two).await, aws.rest_api(&made).await, aws.machine(&arn).await), (None, None, None));
    aws.apigateway.delete_rest_api().rest_api_id(&one).send().await.unwrap();
    aws.delete_role(&role).await;
}
