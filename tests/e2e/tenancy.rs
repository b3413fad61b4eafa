//! What an admin, the owner of an API and the owner of a machine admit, and what is withdrawn.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stepgate_testbed::Request;

use crate::cloud::Cloud;
use crate::support::{Namespace, PATIENCE, TENANT, condition, eventually, machine, rest_api, route, suite};

/// An AWSAccount of a test's own; each tenant admits the namespaces labelled with its name, and has these fields.
pub async fn account(name: &str, tenants: &[(&str, Value)]) -> Value {
    let endpoint = suite().await.testbed.aws_endpoint();
    let tenants = tenants.iter().map(|(tenant, fields)| {
        let mut tenant =
            json!({"name": tenant, "namespaces": {"from": "Selector", "selector": {"matchLabels": {TENANT: tenant}}}});
        let fields = fields.as_object().unwrap().clone();
        tenant.as_object_mut().unwrap().extend(fields);
        tenant
    });
    json!({
        "apiVersion": "stepgate.dev/v1alpha1", "kind": "AWSAccount", "metadata": {"name": name},
        "spec": {"accountId": "000000000000", "regions": [{"name": "us-east-1"}], "endpointUrl": endpoint, "tenants": tenants.collect::<Vec<_>>()},
    })
}

fn public() -> Value {
    json!({"exposure": {"authorizations": ["NONE", "AWS_IAM"]}})
}

fn cloud(ns: &Namespace) -> Cloud {
    Cloud::new(ns.suite.testbed.aws_endpoint())
}

async fn api_id(ns: &Namespace) -> String {
    ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned()
}

/// What the API's stage `prod` answers to `POST`: the status and the body.
async fn post(ns: &Namespace, path: &str) -> (u16, String) {
    let url = ns.get("restapi/api").await["status"]["stages"][0]["invokeUrl"].as_str().unwrap().to_owned();
    let headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    let body = Some("{}".to_owned());
    let request = Request { method: "POST".into(), url: format!("{url}{path}"), headers, body, ..Request::default() };
    let response = request.send().await.unwrap();
    (response.status, response.body)
}

pub async fn answers(ns: &Namespace, path: &str, says: &str) {
    let (status, body) = post(ns, path).await;
    assert!(status == 200 && body.contains(says), "{path}: {status} {body}");
}

/// Waits until a path is no longer served.
pub async fn is_withdrawn(ns: &Namespace, path: &str) {
    eventually(&format!("{path} is gone"), PATIENCE, async || match post(ns, path).await {
        (403 | 404, _) => Ok(()),
        other => Err(format!("{other:?}")),
    })
    .await;
}

/// A RestAPI `api` with these `allowedRoutes`.
pub fn granting(grants: &Value) -> String {
    rest_api("api").replace("{stages", &format!("{{allowedRoutes: {grants}, stages"))
}

/// A grant for one namespace.
pub fn grant(namespace: &str, fields: Value) -> Value {
    let mut grant = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}}});
    grant.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    grant
}

/// A route of another namespace's RestAPI.
pub fn route_of(api_namespace: &str, name: &str, path: &str, machine: &str) -> String {
    route(name, path, machine)
        .replace("apiRef: {name: api}", &format!("apiRef: {{name: api, namespace: {api_namespace}}}"))
}

#[tokio::test]
async fn two_namespaces_on_one_api_stay_apart() {
    let platform = Namespace::labelled("apart-platform", &[(TENANT, "apart")]).await;
    let orders = Namespace::labelled("apart-orders", &[(TENANT, "apart")]).await;
    let refunds = Namespace::labelled("apart-refunds", &[(TENANT, "apart")]).await;
    platform.apply(&account("apart", &[("apart", public())]).await.to_string()).await;
    let under = |namespace: &str, prefix: &str| {
        grant(
            namespace,
            json!({"pathPrefixes": [prefix], "authorizations": ["NONE"], "mappings": ["Structured", "Raw"]}),
        )
    };
    let grants = json!([under("apart-orders", "/orders"), under("apart-refunds", "/refunds")]);
    platform.apply(&granting(&grants)).await;
    orders
        .apply(&[machine("place", "placed"), route_of("apart-platform", "place", "/orders/{id}", "place")].concat())
        .await;
    orders
        .apply(
            &[machine("track", "tracked"), route_of("apart-platform", "track", "/orders/{id}/track", "track")].concat(),
        )
        .await;
    refunds
        .apply(&[machine("refund", "refunded"), route_of("apart-platform", "refund", "/refunds", "refund")].concat())
        .await;
    orders.ready(&["apiroute/place", "apiroute/track"]).await;
    refunds.ready(&["apiroute/refund"]).await;
    platform.ready(&["restapi/api"]).await;
    orders.says("place", "placed").await;
    orders.says("track", "tracked").await;
    refunds.says("refund", "refunded").await;

    // A role for each, with exactly its machines.
    let aws = cloud(&platform);
    let id = api_id(&platform).await;
    let allowed = |machines: &[&str]| -> BTreeSet<String> {
        let arn = |name: &&str| {
            format!("states:StartSyncExecution arn:aws:states:us-east-1:000000000000:stateMachine:{name}")
        };
        machines.iter().map(arn).collect()
    };
    let orders_role = aws.invoke_role(&id, "POST /orders/{id}").await;
    let refunds_role = aws.invoke_role(&id, "POST /refunds").await;
    assert_ne!(orders_role, refunds_role);
    assert_eq!(orders_role, aws.invoke_role(&id, "POST /orders/{id}/track").await);
    let role = aws.role(&orders_role).await.unwrap();
    assert_eq!(role.allows(), allowed(&["apart-orders_place", "apart-orders_track"]));
    assert_eq!(aws.role(&refunds_role).await.unwrap().allows(), allowed(&["apart-refunds_refund"]));
    assert!(role.managed_policies.is_empty() && role.trust.to_string().contains("apigateway.amazonaws.com"));

    // Under the other's prefix nothing is admitted, whole segments counted.
    for (name, path) in [("steal", "/orders/{id}/steal"), ("orders", "/orders"), ("elsewhere", "/ordersx")] {
        refunds.apply(&route_of("apart-platform", name, path, "refund")).await;
        let message = refunds.stalled(&format!("apiroute/{name}"), "NotAllowed").await;
        assert!(message.contains("RestAPI apart-platform/api") && message.contains(path), "{message}");
    }
    let message = condition(&refunds.get("apiroute/steal").await, "Accepted").unwrap();
    assert_eq!((message.status.as_str(), message.reason.as_str()), ("False", "NotAllowed"));
    assert!(message.message.contains("gives path /orders/{id}/steal to another namespace"), "{message}");
    platform.apply(&route_of("apart-platform", "platforms-own", "/orders/x", "none")).await;
    platform.stalled("apiroute/platforms-own", "NotAllowed").await;

    // Whoever writes a raw template reaches every machine that its role may call: it has a role of its own.
    let raw = route_of("apart-platform", "raw", "/orders/{id}/raw", "place")
        + "  request: {templates: {application/json: '{\"input\": \"{}\", \"stateMachineArn\": \"${StateMachineArn}\"}'}}\n";
    orders.apply(&raw).await;
    orders.ready(&["apiroute/raw"]).await;
    orders.says("raw", "placed").await;
    let raw_role = aws.invoke_role(&id, "POST /orders/{id}/raw").await;
    assert!(raw_role != orders_role && raw_role != refunds_role, "{raw_role}");
    assert_eq!(aws.role(&raw_role).await.unwrap().allows(), allowed(&["apart-orders_place"]));
    orders.delete("apiroute/raw").await;
    orders.gone("apiroute/raw").await;
    eventually("its role is gone too", PATIENCE, async || match aws.role(&raw_role).await {
        None => Ok(()),
        Some(role) => Err(format!("{role:?}")),
    })
    .await;
}

#[tokio::test]
async fn a_grant_admits_what_it_names() {
    let platform = Namespace::labelled("grants-platform", &[(TENANT, "grants")]).await;
    let team = Namespace::labelled("grants-team", &[(TENANT, "grants")]).await;
    platform.apply(&account("grants", &[("grants", public())]).await.to_string()).await;
    let narrow = json!({"methods": ["POST"], "actions": ["StartSyncExecution"]});
    platform.apply(&granting(&json!([grant("grants-team", narrow)]))).await;
    let signed = |name: &str, path: &str| {
        route_of("grants-platform", name, path, "say")
            .replace("authorization: {type: NONE}", "authorization: {type: AWS_IAM}")
    };
    let raw = "  request: {templates: {application/json: '{\"input\": \"{}\", \"stateMachineArn\": \"${StateMachineArn}\"}'}}\n";
    team.apply(
        &[
            machine("say", "hello"),
            signed("plain", "/plain"),
            signed("get", "/get").replace("method: POST", "method: GET"),
            route_of("grants-platform", "open", "/open", "say"),
            signed("start", "/start").replace("StartSyncExecution", "StartExecution"),
            signed("raw", "/raw") + raw,
        ]
        .concat(),
    )
    .await;
    team.ready(&["apiroute/plain"]).await;
    for (name, names) in [
        ("get", "method GET"),
        ("open", "authorization NONE"),
        ("start", "action StartExecution"),
        ("raw", "raw mappings"),
    ] {
        let message = team.stalled(&format!("apiroute/{name}"), "NotAllowed").await;
        assert!(message.contains(names) && message.contains("grants-platform/api"), "no `{names}` in: {message}");
    }
    assert_eq!(platform.get("restapi/api").await["status"]["attachedRoutes"], 1);

    // Each is admitted once the grant names it.
    let wide = json!({"authorizations": ["NONE", "AWS_IAM"], "mappings": ["Structured", "Raw"]});
    platform.apply(&granting(&json!([grant("grants-team", wide)]))).await;
    team.ready(&["apiroute/plain", "apiroute/get", "apiroute/open", "apiroute/start", "apiroute/raw"]).await;
    team.says("open", "hello").await;
}

#[tokio::test]
async fn the_tenant_says_how_callers_may_be_authorized() {
    let ns = Namespace::labelled("exposed", &[(TENANT, "exposed")]).await;
    ns.apply(&account("exposed", &[("exposed", json!({}))]).await.to_string()).await;
    ns.apply(&[machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()).await;
    let message = ns.stalled("apiroute/say", "NotAllowed").await;
    for part in [
        "spec.authorization.type",
        "tenant exposed",
        "AWSAccount exposed",
        "does not admit NONE",
        "exposure.authorizations",
    ] {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
    ns.apply(&account("exposed", &[("exposed", public())]).await.to_string()).await;
    ns.ready(&["apiroute/say", "restapi/api"]).await;
    answers(&ns, "/say", "hello").await;
    // What the admin takes back is taken from AWS.
    ns.apply(
        &account("exposed", &[("exposed", json!({"exposure": {"authorizations": ["AWS_IAM"]}}))]).await.to_string(),
    )
    .await;
    is_withdrawn(&ns, "/say").await;
    ns.stalled("apiroute/say", "NotAllowed").await;
    let methods = cloud(&ns).rest_api(&api_id(&ns).await).await.unwrap().methods;
    assert!(!methods.contains_key("POST /say"), "{:?}", methods.keys());
}

#[tokio::test]
async fn a_route_whose_grant_is_withdrawn_is_gone() {
    let platform = Namespace::new("withdraw-platform").await;
    let team = Namespace::new("withdraw-team").await;
    let open = json!({"authorizations": ["NONE"]});
    platform
        .apply(&granting(&json!([grant("withdraw-team", open.clone()), grant("withdraw-platform", open.clone())])))
        .await;
    platform.apply(&[machine("own", "mine"), route("own", "/own", "own")].concat()).await;
    team.apply(&[machine("say", "hello"), route_of("withdraw-platform", "say", "/say", "say")].concat()).await;
    team.ready(&["apiroute/say"]).await;
    platform.ready(&["apiroute/own", "restapi/api"]).await;
    let aws = cloud(&platform);
    let role = aws.invoke_role(&api_id(&platform).await, "POST /say").await;
    answers(&platform, "/say", "hello").await;

    platform.apply(&granting(&json!([grant("withdraw-platform", open)]))).await;
    let message = team.stalled("apiroute/say", "NotAllowed").await;
    assert!(message.contains("no grant for namespace withdraw-team"), "{message}");
    is_withdrawn(&platform, "/say").await;
    answers(&platform, "/own", "mine").await;
    team.condition("apiroute/say", "Programmed", "False", "NotAllowed").await;
    eventually("its role is gone", PATIENCE, async || match aws.role(&role).await {
        None => Ok(()),
        Some(role) => Err(format!("{role:?}")),
    })
    .await;
    // Only a namespace's label makes the difference.
    let label = |value: Value| json!({"metadata": {"labels": {"may": value}}});
    let by_label = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"may": "yes"}}}, "authorizations": ["NONE"]});
    platform.apply(&granting(&json!([by_label]))).await;
    is_withdrawn(&platform, "/own").await;
    team.patch("namespace/withdraw-team", label(json!("yes"))).await;
    team.ready(&["apiroute/say"]).await;
    answers(&platform, "/say", "hello").await;
    team.patch("namespace/withdraw-team", label(Value::Null)).await;
    is_withdrawn(&platform, "/say").await;
}

#[tokio::test]
async fn a_machine_that_no_longer_admits_its_callers_is_not_called() {
    let owner = Namespace::new("callers-owner").await;
    let team = Namespace::new("callers-team").await;
    let admitting =
        |from: &str| machine("say", "hello") + &format!("  allowedCallers: {{namespaces: {{from: {from}}}}}\n");
    let across = route("say", "/say", "say").replace("{name: say}}", "{name: say, namespace: callers-owner}}");
    owner.apply(&admitting("Same")).await;
    team.apply(&[machine("own", "mine"), rest_api("api"), across, route("own", "/own", "own")].concat()).await;
    let message = team.stalled("apiroute/say", "NotAllowed").await;
    for part in
        ["spec.target.stateMachineRef", "callers-owner/say", "add namespace callers-team to spec.allowedCallers"]
    {
        assert!(message.contains(part), "no `{part}` in: {message}");
    }
    team.condition("apiroute/say", "ResolvedRefs", "False", "NotAllowed").await;
    owner.apply(&admitting("All")).await;
    team.ready(&["apiroute/say", "apiroute/own"]).await;
    answers(&team, "/say", "hello").await;
    let aws = cloud(&team);
    let role = aws.invoke_role(&api_id(&team).await, "POST /say").await;
    owner.apply(&admitting("Same")).await;
    is_withdrawn(&team, "/say").await;
    team.stalled("apiroute/say", "NotAllowed").await;
    answers(&team, "/own", "mine").await;
    let own = "states:StartSyncExecution arn:aws:states:us-east-1:000000000000:stateMachine:callers-team_own";
    eventually("the role is narrowed", PATIENCE, async || {
        let now = aws.role(&role).await.unwrap().allows();
        if now == BTreeSet::from([own.to_owned()]) { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;
}

#[tokio::test]
async fn roles_and_policies_that_no_list_names_are_refused() {
    let ns = Namespace::new("lists").await;
    ns.apply(&[machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat()).await;
    ns.ready(&["statemachine/say", "restapi/api", "apiroute/say"]).await;
    let aws = cloud(&ns);
    let (id, arn) = (api_id(&ns).await, "arn:aws:states:us-east-1:000000000000:stateMachine:lists_say");
    let role = aws.invoke_role(&id, "POST /say").await;
    let look = async || {
        let machine = aws.machine(arn).await.unwrap();
        let execution_role = aws.role(&machine.role_arn).await;
        (machine, execution_role, aws.rest_api(&id).await, aws.role(&role).await, aws.deployments(&id).await)
    };
    let before = look().await;
    let inventory = ns.suite.testbed.aws();
    let names = async || -> BTreeSet<String> {
        inventory.inventory().await.unwrap().into_iter().filter(|name| name.contains("lists")).collect()
    };
    let all = names().await;

    let (admin, policy) = ("arn:aws:iam::000000000000:role/Admin", "arn:aws:iam::aws:policy/AdministratorAccess");
    let cases = [
        ("statemachine/say", json!({"executionRole": {"arn": admin}}), vec![admin, "executionRoleArns"]),
        (
            "statemachine/say",
            json!({"executionRole": {"managedPolicyArns": [policy]}}),
            vec![policy, "managedPolicyArns"],
        ),
        ("apiroute/say", json!({"invokeRole": {"arn": admin}}), vec![admin, "invokeRoleArns"]),
        ("apiroute/say", json!({"invokeRole": {"managedPolicyArns": [policy]}}), vec![policy, "managedPolicyArns"]),
    ];
    for (object, change, parts) in cases {
        // Whoever it is that writes it: a new one does not come to be, and one that serves goes on as it was.
        ns.patch(object, json!({"spec": change})).await;
        let message = ns.stalled(object, "OverCeiling").await;
        for part in parts.iter().chain(&["tenant e2e", "AWSAccount e2e"]) {
            assert!(message.contains(part), "no `{part}` in: {message}");
        }
        ns.condition(object, "Ready", "False", "LastKnownGood").await;
        ns.says("say", "hello").await;
        assert_eq!(look().await, before);
        let field = change.as_object().unwrap().keys().next().unwrap().clone();
        ns.patch(object, json!({"spec": {field: null}})).await;
        ns.ready(&[object]).await;
    }
    ns.apply(&(machine("new", "x") + &format!("  executionRole: {{arn: \"{admin}\"}}\n"))).await;
    ns.apply(&(route("new", "/new", "say") + &format!("  invokeRole: {{arn: \"{admin}\"}}\n"))).await;
    for object in ["statemachine/new", "apiroute/new"] {
        ns.stalled(object, "OverCeiling").await;
    }
    ns.ready(&["restapi/api"]).await;
    assert_eq!(look().await, before);
    assert_eq!(names().await, all);
}

#[tokio::test]
async fn what_lives_somewhere_does_not_move() {
    let ns = Namespace::labelled("bound", &[(TENANT, "bound")]).await;
    let mut one = account("bound-one", &[("bound", public())]).await;
    let two = account("bound-two", &[("bound", public())]).await;
    ns.apply(&one.to_string()).await;
    ns.apply(&two.to_string()).await;
    let in_account = |name: &str| {
        let reference = format!("accountRef: {{name: {name}}}");
        machine("say", "hello").replace("type: EXPRESS", &format!("type: EXPRESS\n  {reference}"))
            + &rest_api("api").replace("{stages", &format!("{{{reference}, stages"))
            + &route("say", "/say", "say")
    };
    let all = ["statemachine/say", "restapi/api", "apiroute/say"];
    ns.apply(&in_account("bound-one")).await;
    ns.ready(&all).await;
    let aws = cloud(&ns);
    let id = api_id(&ns).await;
    let arn = "arn:aws:states:us-east-1:000000000000:stateMachine:bound_say";
    let look = async || (aws.machine(arn).await, aws.rest_api(&id).await, aws.deployments(&id).await);
    let before = look().await;
    let inventory = ns.suite.testbed.aws();
    let names = async || -> BTreeSet<String> {
        inventory.inventory().await.unwrap().into_iter().filter(|name| name.contains("bound")).collect()
    };
    let all_names = names().await;

    // Another AWSAccount, though it is the same account in AWS.
    ns.apply(&in_account("bound-two")).await;
    for object in all {
        let message = ns.stalled(object, "BindingChanged").await;
        for part in ["bound-one", "bound-two", "AWS is left alone"] {
            assert!(message.contains(part), "no `{part}` in: {message}");
        }
    }
    ns.says("say", "hello").await;
    assert_eq!((look().await, names().await), (before.clone(), all_names.clone()));
    ns.apply(&in_account("bound-one")).await;
    ns.ready(&all).await;

    // Another Region, because the admin put another one first.
    let region = |region: &str| json!({"name": region});
    one["spec"]["regions"] = json!([region("eu-west-1"), region("us-east-1")]);
    ns.apply(&one.to_string()).await;
    for object in ["statemachine/say", "restapi/api"] {
        let message = ns.stalled(object, "BindingChanged").await;
        for part in ["Region us-east-1", "Region eu-west-1"] {
            assert!(message.contains(part), "no `{part}` in: {message}");
        }
    }
    assert_eq!((look().await, names().await), (before.clone(), all_names.clone()));
    one["spec"]["regions"] = json!([region("us-east-1")]);
    ns.apply(&one.to_string()).await;
    ns.ready(&all).await;

    // Out of every tenant, AWS is left alone, and deleting is still allowed.
    ns.patch("namespace/bound", json!({"metadata": {"labels": {TENANT: null}}})).await;
    for object in ["statemachine/say", "restapi/api"] {
        ns.stalled(object, "NotAdmitted").await;
    }
    assert_eq!((look().await, names().await), (before, all_names));
    for object in all {
        ns.delete(object).await;
    }
    for object in all {
        ns.gone(object).await;
    }
    assert_eq!(names().await, BTreeSet::new());
}
