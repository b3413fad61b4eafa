//! What the API server itself refuses at `kubectl apply`, in the words a user reads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Namespace, suite};

/// A valid spec of each kind; cases change it by a merge patch.
fn base(kind: &str) -> Value {
    match kind {
        "StateMachine" => json!({"type": "EXPRESS", "definition": "{}"}),
        "RestAPI" => json!({"stages": [{"name": "prod"}]}),
        "APIRoute" => json!({
            "apiRef": {"name": "api"},
            "path": "/orders",
            "method": "POST",
            "authorization": {"type": "NONE"},
            "target": {"action": "StartExecution", "stateMachineRef": {"name": "work"}},
        }),
        "AWSAccount" => json!({"accountId": "111122223333", "regions": [{"name": "eu-central-1"}]}),
        other => panic!("{other}"),
    }
}

fn manifest(kind: &str, name: &str, change: Value) -> String {
    let mut spec = base(kind);
    json_patch::merge(&mut spec, &change);
    let document =
        json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    format!("---\n{document}\n")
}

/// What kubectl says of each refused object, by its name.
fn refusals(words: &str) -> BTreeMap<String, String> {
    let parts = words.split("\nThe ").chain(words.split("failed: The ").skip(1));
    parts
        .filter_map(|part| {
            let (object, message) = part.split_once(" is invalid: ")?;
            let name = object.split('"').nth(1)?;
            let message = message.split("\nThe ").next()?;
            Some((name.to_owned(), message.trim().replace("\n* ", "; ")))
        })
        .collect()
}

#[tokio::test]
async fn probe() {
    let suite = suite().await;
    let long = format!("/{}", "x".repeat(512));
    let mut cases: Vec<(&str, &str, Value)> = vec![
        ("APIRoute", "path-relative", json!({"path": "orders"})),
        ("APIRoute", "path-empty", json!({"path": ""})),
        ("APIRoute", "path-trailing", json!({"path": "/orders/"})),
        ("APIRoute", "path-double", json!({"path": "/a//b"})),
        ("APIRoute", "path-greedy-first", json!({"path": "/{proxy+}/a"})),
        ("APIRoute", "path-twice", json!({"path": "/{id}/x/{id}"})),
        ("APIRoute", "path-twice-greedy", json!({"path": "/{id}/{id+}"})),
        ("APIRoute", "path-open", json!({"path": "/{id"})),
        ("APIRoute", "path-nameless", json!({"path": "/{}"})),
        ("APIRoute", "path-within", json!({"path": "/a{id}"})),
        ("APIRoute", "path-blank", json!({"path": "/{i d}"})),
        ("APIRoute", "path-query", json!({"path": "/orders?x=1"})),
        ("APIRoute", "path-long", json!({"path": long})),
        ("APIRoute", "method-unknown", json!({"method": "FETCH"})),
        ("APIRoute", "method-lower", json!({"method": "post"})),
        ("APIRoute", "method-none", json!({"method": null})),
        ("APIRoute", "target-none", json!({"target": {"stateMachineRef": null}})),
        ("APIRoute", "target-two", json!({"target": {"arn": "arn:aws:states:us-east-1:111122223333:stateMachine:x"}})),
        (
            "APIRoute",
            "target-stages-refs",
            json!({"target": {"stateMachineRef": null, "stateMachineRefs": [{"name": "a"}], "stages": [{"stage": "prod", "stateMachineRef": {"name": "b"}}]}}),
        ),
        ("APIRoute", "target-mock-ref", json!({"target": {"action": "Mock"}})),
        (
            "APIRoute",
            "target-arn",
            json!({"target": {"stateMachineRef": null, "arn": "arn:aws:states:us-east-1:1:stateMachine:x"}}),
        ),
        (
            "APIRoute",
            "target-arn-execution",
            json!({"target": {"stateMachineRef": null, "arn": "arn:aws:states:us-east-1:111122223333:execution:x:y"}}),
        ),
        ("APIRoute", "action-unknown", json!({"target": {"action": "StartExecutions"}})),
        ("APIRoute", "action-none", json!({"target": {"action": null}})),
        ("APIRoute", "authorization-none", json!({"authorization": null})),
        ("APIRoute", "authorization-custom", json!({"authorization": {"type": "CUSTOM"}})),
        ("APIRoute", "timeout-short", json!({"timeoutMillis": 49})),
        ("APIRoute", "timeout-long", json!({"timeoutMillis": 300_001})),
        ("APIRoute", "describe-nothing", json!({"target": {"action": "DescribeExecution"}})),
        (
            "APIRoute",
            "describe-input",
            json!({"target": {"action": "DescribeExecution"}, "request": {"executionName": {"query": "n"}, "input": [{"to": "/a", "query": "a"}]}}),
        ),
        (
            "APIRoute",
            "templates-input",
            json!({"request": {"templates": {"application/json": "{}"}, "input": [{"to": "/a", "query": "a"}]}}),
        ),
        (
            "APIRoute",
            "refs-input",
            json!({"target": {"stateMachineRef": null, "stateMachineRefs": [{"name": "a"}]}, "request": {"input": [{"to": "/a", "query": "a"}]}}),
        ),
        (
            "APIRoute",
            "mock-request",
            json!({"target": {"action": "Mock", "stateMachineRef": null}, "request": {"contentTypes": ["a/b"]}}),
        ),
        ("APIRoute", "input-none", json!({"request": {"input": [{"to": "/a"}]}})),
        ("APIRoute", "input-two", json!({"request": {"input": [{"to": "/a", "query": "a", "header": "b"}]}})),
        ("APIRoute", "input-pointer", json!({"request": {"input": [{"to": "a", "query": "a"}]}})),
        ("APIRoute", "input-empty", json!({"request": {"input": []}})),
        ("APIRoute", "input-header", json!({"request": {"input": [{"to": "/a", "header": "a b"}]}})),
        ("APIRoute", "execution-name-none", json!({"request": {"executionName": {}}})),
        ("APIRoute", "content-type", json!({"request": {"contentTypes": ["json"]}})),
        (
            "APIRoute",
            "role-both",
            json!({"invokeRole": {"arn": "arn:aws:iam::111122223333:role/r", "managedPolicyArns": ["arn:aws:iam::aws:policy/p"]}}),
        ),
        ("APIRoute", "role-none", json!({"invokeRole": {}})),
        ("APIRoute", "role-arn", json!({"invokeRole": {"arn": "MyRole"}})),
        ("APIRoute", "role-policy", json!({"invokeRole": {"managedPolicyArns": ["AdministratorAccess"]}})),
        ("APIRoute", "responses-default", json!({"response": {"responses": [{"statusCode": 200}]}})),
        (
            "APIRoute",
            "responses-defaults",
            json!({"response": {"responses": [{"statusCode": 200, "integration": {}}, {"statusCode": 201, "integration": {}}]}}),
        ),
        (
            "APIRoute",
            "responses-twice",
            json!({"response": {"responses": [{"statusCode": 200, "integration": {}}, {"statusCode": 200}]}}),
        ),
        ("APIRoute", "responses-status", json!({"response": {"responses": [{"statusCode": 99, "integration": {}}]}})),
        ("StateMachine", "definition-both", json!({"definitionFrom": {"configMapKeyRef": {"name": "a", "key": "b"}}})),
        ("StateMachine", "definition-none", json!({"definition": null})),
        ("StateMachine", "definition-structured", json!({"definition": {"StartAt": "A"}})),
        ("StateMachine", "type-unknown", json!({"type": "Express"})),
        ("StateMachine", "type-none", json!({"type": null})),
        ("StateMachine", "with.dots", json!({})),
        ("StateMachine", "name-characters", json!({"name": "my machine"})),
        ("StateMachine", "name-long", json!({"name": "x".repeat(81)})),
        ("StateMachine", "substitution-two", json!({"substitutions": [{"name": "A", "value": "a", "json": "1"}]})),
        ("StateMachine", "substitution-none", json!({"substitutions": [{"name": "A"}]})),
        ("StateMachine", "substitution-name", json!({"substitutions": [{"name": "1 A", "value": "a"}]})),
        (
            "StateMachine",
            "substitution-twice",
            json!({"substitutions": [{"name": "A", "value": "a"}, {"name": "A", "value": "b"}]}),
        ),
        ("StateMachine", "role-arn", json!({"executionRole": {"arn": "arn:aws:iam::111122223333:user/u"}})),
        (
            "StateMachine",
            "role-both",
            json!({"executionRole": {"arn": "arn:aws:iam::111122223333:role/r", "statements": [{"actions": ["s3:GetObject"], "resources": ["*"]}]}}),
        ),
        (
            "StateMachine",
            "role-action",
            json!({"executionRole": {"statements": [{"actions": ["GetObject"], "resources": ["*"]}]}}),
        ),
        (
            "StateMachine",
            "role-resources",
            json!({"executionRole": {"statements": [{"actions": ["s3:GetObject"], "resources": []}]}}),
        ),
        ("StateMachine", "callers-selector", json!({"allowedCallers": {"namespaces": {"from": "Selector"}}})),
        (
            "StateMachine",
            "callers-all",
            json!({"allowedCallers": {"namespaces": {"from": "All", "selector": {"matchLabels": {"a": "b"}}}}}),
        ),
        ("StateMachine", "callers-unknown", json!({"allowedCallers": {"namespaces": {"from": "Any"}}})),
        ("StateMachine", "deletion-policy", json!({"deletionPolicy": "Keep"})),
        ("RestAPI", "stages-none", json!({"stages": null})),
        ("RestAPI", "stages-empty", json!({"stages": []})),
        ("RestAPI", "stages-twice", json!({"stages": [{"name": "a"}, {"name": "a"}]})),
        (
            "RestAPI",
            "stages-many",
            json!({"stages": (0..11).map(|n| json!({"name": format!("s{n}")})).collect::<Vec<_>>()}),
        ),
        ("RestAPI", "stage-name", json!({"stages": [{"name": "v1.0"}]})),
        ("RestAPI", "stage-revision", json!({"stages": [{"name": "a", "revision": 0}]})),
        ("RestAPI", "endpoint", json!({"endpoint": {"type": "PRIVATE"}})),
        ("RestAPI", "history", json!({"revisionHistoryLimit": 101})),
        ("RestAPI", "grants-empty", json!({"allowedRoutes": []})),
        ("RestAPI", "grant-whose", json!({"allowedRoutes": [{"pathPrefixes": ["/a"]}]})),
        (
            "RestAPI",
            "grant-prefix",
            json!({"allowedRoutes": [{"namespaces": {"from": "Same"}, "pathPrefixes": ["/a/"]}]}),
        ),
        (
            "RestAPI",
            "grant-prefix-relative",
            json!({"allowedRoutes": [{"namespaces": {"from": "Same"}, "pathPrefixes": ["a"]}]}),
        ),
        ("RestAPI", "grant-mapping", json!({"allowedRoutes": [{"namespaces": {"from": "Same"}, "mappings": ["Any"]}]})),
        ("AWSAccount", "account-short", json!({"accountId": "11112222333"})),
        ("AWSAccount", "regions-empty", json!({"regions": []})),
        ("AWSAccount", "region", json!({"regions": [{"name": "Frankfurt"}]})),
        ("AWSAccount", "endpoint-url", json!({"endpointUrl": "localhost:4566"})),
        ("AWSAccount", "assume-role", json!({"credentials": {"assumeRole": {"roleArn": "role"}}})),
        ("AWSAccount", "tenant-name", json!({"tenants": [{"name": "Team A", "namespaces": {"from": "All"}}]})),
        (
            "AWSAccount",
            "tenant-twice",
            json!({"tenants": [{"name": "a", "namespaces": {"from": "All"}}, {"name": "a", "namespaces": {"from": "All"}}]}),
        ),
        ("AWSAccount", "tenant-whose", json!({"tenants": [{"name": "a"}]})),
        ("AWSAccount", "tenant-same", json!({"tenants": [{"name": "a", "namespaces": {"from": "Same"}}]})),
        (
            "AWSAccount",
            "grant-empty",
            json!({"tenants": [{"name": "a", "namespaces": {"from": "All"}, "ceiling": [{"actions": [], "resources": ["*"]}]}]}),
        ),
    ];
    let text: String = cases
        .iter_mut()
        .enumerate()
        .map(|(n, (kind, name, change))| {
            let name = if *kind == "StateMachine" && *name == "with.dots" {
                (*name).to_owned()
            } else {
                format!("c{n:03}-{name}")
            };
            manifest(kind, &name, change.take())
        })
        .collect();
    let _ = Namespace::new;
    let dir = suite.testbed.dir().join("x.yaml");
    std::fs::write(&dir, &text).unwrap();
    let words = suite.testbed.kubectl(["apply", "--dry-run=server", "-f", dir.to_str().unwrap()]).await;
    println!("{:#}", words.unwrap_err());
}
