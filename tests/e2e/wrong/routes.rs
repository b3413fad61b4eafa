//! Routes that can't be served say why, and leave the others and what they served before alone.

use serde_json::json;

use crate::support::{Namespace, TENANT, account, condition, machine, rest_api, route};

#[tokio::test]
async fn two_routes_with_one_path_and_method() {
    let ns = Namespace::new("e2e-same-path").await;
    ns.apply(&(machine("one", "one") + &machine("two", "two") + &rest_api("api"))).await;
    ns.apply(&route("winner", "/orders", "one")).await;
    ns.ready(&["statemachine/one", "statemachine/two", "apiroute/winner"]).await;
    ns.apply(&route("loser", "/orders", "two")).await;

    let message = ns.stalled("apiroute/loser", "RouteConflict").await;
    assert_eq!(
        message,
        "POST /orders: APIRoute e2e-same-path/winner has this path and method already (the route that serves wins, \
         then the older one); choose another path or method, or delete that route"
    );
    assert_eq!(ns.condition("apiroute/loser", "Accepted", "False", "Conflicted").await, message);
    ns.event("apiroute/loser", "Warning RouteConflict: POST /orders: ").await;
    let listed = ns.suite.testbed.kubectl(["get", "apiroute/loser", "-o", "wide", "-n", &ns.name]).await.unwrap();
    assert!(listed.contains("RouteConflict") && listed.contains(&message), "{listed}");
    ns.ready(&["apiroute/winner", "restapi/api"]).await;
    ns.says("winner", "one").await;

    ns.delete("apiroute/winner").await;
    ns.ready(&["apiroute/loser"]).await;
    ns.says("loser", "two").await;
    ns.gone("apiroute/winner").await;
}

#[tokio::test]
async fn of_two_routes_that_never_served_the_older_wins() {
    let ns = Namespace::new("e2e-older").await;
    // Without their RestAPI neither serves; names and creation times disagree on purpose.
    ns.apply(&(machine("one", "one") + &machine("two", "two") + &route("b-older", "/orders", "one"))).await;
    let older = ns.get("apiroute/b-older").await["metadata"]["creationTimestamp"].clone();
    ns.eventually("apiroute/b-older", "is older than any new object", async |_| {
        // Kubernetes keeps whole seconds.
        ns.apply(&rest_api("clock")).await;
        let now = ns.get("restapi/clock").await["metadata"]["creationTimestamp"].clone();
        if now == older {
            ns.delete("restapi/clock").await;
            ns.gone("restapi/clock").await;
            return Err("the same second".to_owned());
        }
        Ok(())
    })
    .await;
    ns.apply(&route("a-younger", "/orders", "two")).await;
    ns.ready(&["statemachine/one", "statemachine/two"]).await;
    ns.apply(&rest_api("api")).await;

    let message = ns.stalled("apiroute/a-younger", "RouteConflict").await;
    assert!(message.contains("e2e-older/b-older has this path and method already"), "{message}");
    ns.ready(&["apiroute/b-older"]).await;
    ns.says("b-older", "one").await;
}

#[tokio::test]
async fn sibling_parameters_with_different_names() {
    let ns = Namespace::new("e2e-siblings").await;
    ns.apply(&(machine("work", "done") + &rest_api("api") + &route("one", "/orders/{orderId}", "work"))).await;
    ns.ready(&["apiroute/one"]).await;
    ns.apply(&route("two", "/orders/{id}/items", "work")).await;
    let message = ns.stalled("apiroute/two", "RouteConflict").await;
    assert_eq!(
        message,
        "spec.path /orders/{id}/items: API Gateway takes one name for the parameters at one place, and APIRoute \
         e2e-siblings/one calls this one {orderId}; write {orderId} instead of {id}"
    );
    ns.apply(&route("two", "/orders/{orderId}/items", "work")).await;
    ns.ready(&["apiroute/one", "apiroute/two"]).await;
}

#[tokio::test]
async fn a_rest_api_that_does_not_admit_the_route() {
    let platform = Namespace::new("e2e-platform").await;
    let team = Namespace::labelled("e2e-team", &[(TENANT, "e2e"), ("team", "web")]).await;
    platform.apply(&rest_api("api")).await;
    team.apply(&machine("work", "done")).await;
    let there = |name: &str, path: &str| {
        route(name, path, "work").replace("apiRef: {name: api}", "apiRef: {name: api, namespace: e2e-platform}")
    };
    team.apply(&there("orders", "/orders")).await;
    let message = team.stalled("apiroute/orders", "NotAllowed").await;
    assert_eq!(
        message,
        "RestAPI e2e-platform/api admits only routes of its own namespace; its owner must add a grant for namespace \
         e2e-team to spec.allowedRoutes"
    );
    assert_eq!(team.condition("apiroute/orders", "Accepted", "False", "NotAllowed").await, message);
    team.condition("apiroute/orders", "Programmed", "False", "NotAllowed").await;

    let web = json!({"from": "Selector", "selector": {"matchLabels": {"team": "web"}}});
    let grant = |more: serde_json::Value| {
        let mut grant = json!({"namespaces": web, "pathPrefixes": ["/web"]});
        grant.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!({"spec": {"allowedRoutes": [grant]}})
    };
    platform.patch("restapi/api", grant(json!({}))).await;
    let under = "RestAPI e2e-platform/api admits routes of namespace e2e-team only under /web, not /orders";
    team.tells("apiroute/orders", under).await;
    team.apply(&there("web", "/web/orders")).await;
    let message = team.stalled("apiroute/web", "NotAllowed").await;
    assert_eq!(
        message,
        "RestAPI e2e-platform/api has no grant for namespace e2e-team that admits method POST, authorization NONE, \
         action StartSyncExecution and structured mappings together; its owner must add them to a grant of spec.allowedRoutes"
    );

    platform.patch("restapi/api", grant(json!({"authorizations": ["NONE"]}))).await;
    team.ready(&["apiroute/web"]).await;
    team.says("web", "done").await;

    // What is withdrawn by who granted it serves no longer.
    platform.patch("restapi/api", json!({"spec": {"allowedRoutes": null}})).await;
    team.stalled("apiroute/web", "NotAllowed").await;
    team.condition("apiroute/web", "Programmed", "False", "NotAllowed").await;
}

#[tokio::test]
async fn a_machine_that_does_not_admit_the_route() {
    let owner = Namespace::new("e2e-machine-owner").await;
    let caller = Namespace::labelled("e2e-caller", &[(TENANT, "e2e"), ("team", "callers")]).await;
    owner.apply(&machine("work", "done")).await;
    owner.ready(&["statemachine/work"]).await;
    let manifest =
        route("orders", "/orders", "work").replace("{name: work}", "{name: work, namespace: e2e-machine-owner}");
    caller.apply(&(rest_api("api") + &manifest)).await;
    let message = caller.stalled("apiroute/orders", "NotAllowed").await;
    assert_eq!(
        message,
        "spec.target.stateMachineRef: StateMachine e2e-machine-owner/work admits only its own namespace; its owner must \
         add namespace e2e-caller to spec.allowedCallers.namespaces"
    );
    caller.condition("apiroute/orders", "Accepted", "True", "Accepted").await;
    assert_eq!(caller.condition("apiroute/orders", "ResolvedRefs", "False", "NotAllowed").await, message);

    let callers = json!({"namespaces": {"from": "Selector", "selector": {"matchLabels": {"team": "callers"}}}});
    owner.patch("statemachine/work", json!({"spec": {"allowedCallers": callers}})).await;
    caller.ready(&["apiroute/orders"]).await;
    caller.says("orders", "done").await;

    owner.patch("statemachine/work", json!({"spec": {"allowedCallers": null}})).await;
    caller.stalled("apiroute/orders", "NotAllowed").await;
    caller.condition("apiroute/orders", "Programmed", "False", "NotAllowed").await;
}

#[tokio::test]
async fn a_live_route_edited_into_an_invalid_one_keeps_serving() {
    let ns = Namespace::new("e2e-live-route").await;
    ns.apply(&(machine("work", "done") + &rest_api("api") + &route("orders", "/orders", "work"))).await;
    ns.ready(&["apiroute/orders"]).await;

    let request = json!({"input": [{"to": "/id", "path": "orderId"}]});
    ns.patch("apiroute/orders", json!({"spec": {"request": request}})).await;
    let message = ns.stalled("apiroute/orders", "InvalidSpec").await;
    assert_eq!(message, "spec.request.input[0].path: the path /orders has no parameter {orderId}");
    let ready = ns.condition("apiroute/orders", "Ready", "False", "LastKnownGood").await;
    assert!(ready.starts_with(&message), "{ready}");
    ns.condition("apiroute/orders", "Programmed", "True", "LastKnownGood").await;
    let object = ns.get("apiroute/orders").await;
    let conditions = object["status"]["conditions"].as_array().unwrap();
    let programmed = conditions.iter().find(|condition| condition["type"] == "Programmed").unwrap();
    assert_eq!((&programmed["observedGeneration"], &object["metadata"]["generation"]), (&json!(1), &json!(2)));
    ns.says("orders", "done").await;

    // The RestAPI is as it should be, and goes on with other routes.
    ns.apply(&route("refunds", "/refunds", "work")).await;
    ns.ready(&["restapi/api", "apiroute/refunds"]).await;
    ns.says("refunds", "done").await;
    ns.says("orders", "done").await;

    ns.patch("apiroute/orders", json!({"spec": {"request": null}})).await;
    ns.ready(&["apiroute/orders"]).await;
}

#[tokio::test]
async fn an_edge_api_that_would_wait_longer_than_cloudfront() {
    let ns = Namespace::labelled("e2e-edge", &[(TENANT, "e2e-edge")]).await;
    let endpoint = ns.suite.testbed.aws_endpoint();
    let account = account("e2e-edge", endpoint);
    let edge = account.replace("    exposure:\n", "    exposure:\n      endpointTypes: [EDGE]\n");
    assert_ne!(account, edge);
    ns.apply(&edge).await;
    let edge = rest_api("api").replace("{stages", "{endpoint: {type: EDGE}, stages");
    let slow = route("slow", "/slow", "work") + "  timeoutMillis: 29001\n";
    ns.apply(&(machine("work", "done") + &edge + &slow + &route("quick", "/quick", "work"))).await;
    let message = ns.stalled("apiroute/slow", "InvalidSpec").await;
    let sentence =
        "spec.timeoutMillis: 29001 is more than 29000, which only REGIONAL and PRIVATE APIs can have; this API is EDGE";
    assert_eq!(message, sentence);
    let shown = ns.suite.testbed.kubectl(["get", "apiroute/slow", "-o", "wide", "-n", &ns.name]).await.unwrap();
    assert!(shown.contains("InvalidSpec") && shown.contains(sentence), "{shown}");
    let described = ns.suite.testbed.kubectl(["describe", "apiroute/slow", "-n", &ns.name]).await.unwrap();
    assert!(described.contains(sentence), "{described}");
    ns.ready(&["apiroute/quick", "restapi/api"]).await;
    ns.says("quick", "done").await;
    ns.patch("apiroute/slow", json!({"spec": {"timeoutMillis": 29_000}})).await;
    ns.ready(&["apiroute/slow"]).await;
}

#[tokio::test]
async fn bad_routes_do_not_stop_a_good_one() {
    let ns = Namespace::new("e2e-beside").await;
    let bad = [
        route("bad-machine", "/a", "standard"),
        route("bad-parameter", "/b", "work") + "  request: {input: [{to: /id, path: id}]}\n",
        route("bad-value", "/c", "work") + "  request: {input: [{to: /id, value: oops}]}\n",
        route("bad-role", "/d", "work") + "  invokeRole: {arn: \"arn:aws:iam::000000000000:role/admin\"}\n",
        route("good-too", "/e", "work"),
    ];
    ns.apply(&(machine("work", "done") + &machine("standard", "done").replace("EXPRESS", "STANDARD"))).await;
    ns.apply(&(rest_api("api") + &bad.concat() + &route("good", "/good", "work"))).await;
    ns.ready(&["apiroute/good", "apiroute/good-too", "restapi/api"]).await;
    ns.says("good", "done").await;
    let messages = [
        (
            "bad-machine",
            "InvalidSpec",
            "spec.target.stateMachineRef: action StartSyncExecution needs a machine of type EXPRESS, and StateMachine \
             e2e-beside/standard is STANDARD",
        ),
        ("bad-parameter", "InvalidSpec", "spec.request.input[0].path: the path /b has no parameter {id}"),
        (
            "bad-value",
            "InvalidSpec",
            "spec.request.input[0].value is not JSON: expected value at line 1 column 1; quote a text twice, as '\"text\"'",
        ),
        (
            "bad-role",
            "OverCeiling",
            "spec.invokeRole.arn: `arn:aws:iam::000000000000:role/admin` is in none of the `invokeRoleArns` of tenant e2e \
             in AWSAccount e2e; the platform admin must add it there",
        ),
    ];
    for (name, reason, expected) in messages {
        assert_eq!(ns.stalled(&format!("apiroute/{name}"), reason).await, expected);
    }
    let ready = condition(&ns.get("restapi/api").await, "Ready").unwrap();
    assert_eq!(ready.message, "2 of 6 routes are served.");
}

#[tokio::test]
async fn a_stage_that_api_gateway_would_refuse() {
    let ns = Namespace::new("e2e-stage").await;
    let colored = |color: &str| {
        rest_api("api").replace("{name: prod}", &format!("{{name: prod, variables: {{color: {color}}}}}"))
    };
    ns.apply(&(machine("work", "done") + &colored("dark blue") + &route("orders", "/orders", "work"))).await;
    let message = ns.stalled("restapi/api", "InvalidSpec").await;
    assert_eq!(
        message,
        "spec.stages[prod].variables.color: API Gateway takes 1 to 512 letters, digits and `-._~:/?#&=,` in a stage \
         variable's value, not `dark blue`"
    );
    // Its routes can't be carried out either, and say why.
    assert_eq!(ns.stalled("apiroute/orders", "InvalidSpec").await, format!("RestAPI e2e-stage/api: {message}"));
    ns.apply(&colored("blue")).await;
    ns.ready(&["restapi/api", "apiroute/orders"]).await;
}

#[tokio::test]
async fn a_machine_in_another_region() {
    let ns = Namespace::labelled("e2e-regions", &[(TENANT, "e2e-regions")]).await;
    let endpoint = ns.suite.testbed.aws_endpoint();
    let regions = "regions: [{name: us-east-1}, {name: eu-west-1}]";
    ns.apply(&account("e2e-regions", endpoint).replace("regions: [{name: us-east-1}]", regions)).await;
    let far = machine("far", "far").replace("type: EXPRESS", "type: EXPRESS\n  region: eu-west-1");
    ns.apply(&(machine("near", "near") + &far + &rest_api("api") + &route("orders", "/orders", "far"))).await;
    let message = ns.stalled("apiroute/orders", "InvalidSpec").await;
    assert_eq!(
        message,
        "spec.target.stateMachineRef: StateMachine e2e-regions/far is \
         arn:aws:states:eu-west-1:000000000000:stateMachine:e2e-regions_far, but this object lives in Region us-east-1 of \
         account 000000000000; put both in one account and Region"
    );
    assert_eq!(ns.condition("apiroute/orders", "ResolvedRefs", "False", "InvalidSpec").await, message);
    ns.condition("apiroute/orders", "Accepted", "True", "Accepted").await;
    ns.apply(&route("orders", "/orders", "near")).await;
    ns.ready(&["apiroute/orders", "statemachine/far"]).await;
    ns.says("orders", "near").await;
    let all = ["apiroute/orders", "restapi/api", "statemachine/near", "statemachine/far"];
    for object in all {
        ns.delete(object).await;
    }
    for object in all {
        ns.gone(object).await;
    }
    ns.delete("awsaccount/e2e-regions").await;
    ns.gone("awsaccount/e2e-regions").await;
}
