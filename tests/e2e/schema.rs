//! What the API server itself refuses at `kubectl apply`, in the words a user reads.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Namespace, suite};

const ROUTE: &str = "APIRoute";
const MACHINE: &str = "StateMachine";
const API: &str = "RestAPI";
const ACCOUNT: &str = "AWSAccount";
const DOMAIN: &str = "APIDomain";
const PLAN: &str = "UsagePlan";

/// What the API server adds where an object is so wrong that it has not evaluated all rules.
const NOT_ALL: &str = ", <nil>: Invalid value: null: some validation rules were not checked because the object was invalid; \
                       correct the existing errors to complete validation]";

/// Lists whose texts are judged together: the list is what is told.
const LISTS: [&str; 6] =
    ["managedPolicyArns", "contentTypes", "pathPrefixes", "userPoolArns", "vpcEndpointIds", "binaryMediaTypes"];

/// A valid spec of each kind; cases change it by a merge patch.
fn base(kind: &str) -> Value {
    match kind {
        MACHINE => json!({"type": "EXPRESS", "definition": "{}"}),
        API => json!({"stages": [{"name": "prod"}]}),
        ROUTE => json!({
            "apiRef": {"name": "api"},
            "path": "/orders",
            "method": "POST",
            "authorization": {"type": "NONE"},
            "target": {"action": "StartExecution", "stateMachineRef": {"name": "work"}},
        }),
        ACCOUNT => json!({
            "accountId": "111122223333",
            "regions": [{"name": "eu-central-1"}],
            // The operator sees those that are not only tried; nothing must go to the real AWS.
            "endpointUrl": "http://127.0.0.1:1",
        }),
        DOMAIN => json!({
            "domainName": "api.example.com",
            "certificateArn": "arn:aws:acm:eu-central-1:111122223333:certificate/a1",
        }),
        PLAN => json!({}),
        other => panic!("{other}"),
    }
}

fn manifest(kind: &str, name: &str, change: &Value) -> String {
    let mut spec = base(kind);
    json_patch::merge(&mut spec, change);
    let document =
        json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": kind, "metadata": {"name": name}, "spec": spec});
    format!("---\n{document}\n")
}

/// What `kubectl apply --dry-run=server` says to each of these objects: none where it is taken.
async fn refusals(arguments: &[&str], manifests: &str) -> BTreeMap<String, String> {
    let testbed = suite().await.testbed;
    let path = testbed.dir().join(format!("manifests-{}.yaml", arguments.concat()));
    std::fs::write(&path, manifests).unwrap();
    let file = path.to_string_lossy();
    let apply = ["apply", "--dry-run=server", "-f", &file];
    let Err(words) = testbed.kubectl(apply.iter().chain(arguments)).await else { return BTreeMap::new() };
    let words = words.to_string();
    let mut refusals = BTreeMap::new();
    for line in words.lines() {
        assert!(!line.starts_with("Error") || line.starts_with("Error from server (Invalid)"), "{line}");
        // A refused update is told over several lines, with the patch.
        let Some((object, message)) = line.split_once(" is invalid: ") else { continue };
        let name = object.rsplit('"').nth(1).unwrap();
        let message = message.strip_prefix('[').and_then(|all| all.strip_suffix(NOT_ALL)).unwrap_or(message);
        refusals.insert(name.to_owned(), message.to_owned());
    }
    refusals
}

/// Compares what was said with what is expected, all at once.
fn assert_refusals(said: &BTreeMap<String, String>, expected: &[(String, String)]) {
    let mut wrong = Vec::new();
    for (name, message) in expected {
        let actual = said.get(name).map_or("(it was taken)", String::as_str);
        if actual != message {
            wrong.push(format!("{name}\n   said: {actual}\n    not: {message}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    let names: Vec<&String> = said.keys().filter(|name| !expected.iter().any(|(known, _)| known == *name)).collect();
    assert!(names.is_empty(), "refused, and should not be: {names:?}");
}

/// A text with a form of its own: which texts are refused, with which words, and which are taken.
struct Form {
    kind: &'static str,
    field: &'static str,
    /// The spec with this text in its place.
    set: fn(&str) -> Value,
    must: &'static str,
    bad: &'static [&'static str],
    good: &'static [&'static str],
}

fn forms() -> Vec<Form> {
    vec![
        Form {
            kind: API,
            field: "spec.stages[0].accessLog.logGroupArn",
            set: |text| json!({"stages": [{"name": "prod", "accessLog": {"logGroupArn": text}}]}),
            must: "write the ARN of a log group without `:*` at its end: arn:aws:logs:REGION:ACCOUNT:log-group:NAME (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)",
            bad: &[
                "",
                "g",
                "arn:aws:logs:us-east-1:111122223333:log-group:",
                "arn:aws:logs:us-east-1:111122223333:log-group:g:*",
                "arn:aws:logs:us-east-1:1:log-group:g",
                "arn:aws:firehose:us-east-1:111122223333:deliverystream/amazon-apigateway-x",
            ],
            good: &[
                "arn:aws:logs:us-east-1:111122223333:log-group:/aws/api_gateway/a.b-c#1",
                "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:g",
            ],
        },
        Form {
            kind: ACCOUNT,
            field: "spec.apiGatewayLogRole.arn",
            set: |text| json!({"apiGatewayLogRole": {"arn": text}}),
            must: "write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME",
            bad: &["", "logs", "arn:aws:iam::111122223333:user/logs", "arn:aws:iam::1:role/logs"],
            good: &["arn:aws:iam::111122223333:role/service-role/logs"],
        },
        Form {
            kind: ROUTE,
            field: "spec.path",
            set: |text| json!({"path": text}),
            must: r#"write the path as `/orders/{orderId}`: it begins with `/`, no segment is empty, there is no `/` at its end, a parameter is a whole segment, and `{name+}` stands only at the end"#,
            bad: &[
                "",
                "orders",
                "/orders/",
                "//",
                "/a//b",
                "/{proxy+}/a",
                "/{id",
                "/id}",
                "/{}",
                "/{+}",
                "/a{id}",
                "/{id}a",
                "/{i d}",
                "/a b",
                "/orders?x=1",
                "/orders#x",
                "/{{id}}",
            ],
            good: &[
                "/",
                "/orders",
                "/{proxy+}",
                "/orders/{orderId}/items/{item.id}",
                "/files/{proxy+}",
                "/a.b_c~d/e@f",
            ],
        },
        Form {
            kind: ROUTE,
            field: "spec.target.arn",
            set: |text| json!({"target": {"stateMachineRef": null, "arn": text}}),
            must: r#"write the ARN of a state machine: arn:aws:states:REGION:ACCOUNT:stateMachine:NAME (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"#,
            bad: &[
                "work",
                "arn:aws:states:us-east-1:1:stateMachine:work",
                "arn:aws:states:us-east-1:111122223333:execution:work:x",
                "arn:aws:states:us-east-1:111122223333:stateMachine:*",
                "arn:aws:lambda:us-east-1:111122223333:function:work",
            ],
            good: &[
                "arn:aws-us-gov:states:us-gov-west-1:111122223333:stateMachine:work",
                "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:work",
            ],
        },
        Form {
            kind: ROUTE,
            field: "spec.invokeRole.arn",
            set: |text| json!({"invokeRole": {"arn": text}}),
            must: r#"write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"#,
            bad: &["MyRole", "arn:aws:iam::111122223333:user/u", "arn:aws:iam::1:role/r"],
            good: &["arn:aws:iam::111122223333:role/r", "arn:aws:iam::${AWS::AccountId}:role/path/r"],
        },
        Form {
            kind: ROUTE,
            field: "spec.invokeRole.managedPolicyArns",
            set: |text| json!({"invokeRole": {"managedPolicyArns": [text]}}),
            must: r#"write the ARNs of managed policies: arn:aws:iam::aws:policy/NAME or arn:aws:iam::ACCOUNT:policy/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"#,
            bad: &["AdministratorAccess", "arn:aws:iam::aws:role/r"],
            good: &["arn:aws:iam::aws:policy/AWSStepFunctionsFullAccess", "arn:aws:iam::${AWS::AccountId}:policy/p"],
        },
        Form {
            kind: ROUTE,
            field: "spec.request.contentTypes",
            set: |text| json!({"request": {"contentTypes": [text]}}),
            must: r#"write media types without parameters, such as application/json"#,
            bad: &["json", "application/", "text/html; charset=utf-8"],
            good: &["application/x-amz-json-1.0", "application/vnd.api+json"],
        },
        Form {
            kind: ROUTE,
            field: "spec.request.input[0].to",
            set: |text| json!({"request": {"input": [{"to": text, "query": "a"}]}}),
            must: r#"write a JSON pointer such as /order/id: each step begins with `/`, and `~` and `/` in a key are written ~0 and ~1"#,
            bad: &["id", "/a/", "/a~2", "/a//b"],
            good: &["/a", "/a/b", "/a~1b", "/a b"],
        },
        Form {
            kind: ROUTE,
            field: "spec.request.input[0].header",
            set: |text| json!({"request": {"input": [{"to": "/a", "header": text}]}}),
            must: "match '^[A-Za-z0-9-]+$'",
            bad: &["x y", "x:y", "x'y"],
            good: &["X-Request-Id"],
        },
        Form {
            kind: MACHINE,
            field: "spec.name",
            set: |text| json!({"name": text}),
            must: r#"an AWS name holds letters, digits, `_` and `-`"#,
            bad: &["my machine", "a.b", "a/b", "é"],
            good: &["MyStateMachine_1-a"],
        },
        Form {
            kind: MACHINE,
            field: "spec.executionRole.arn",
            set: |text| json!({"executionRole": {"arn": text}}),
            must: r#"write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"#,
            bad: &["MyRole", "arn:aws:iam::111122223333:policy/p", "arn:aws:iam::${Account}:role/r"],
            good: &[
                "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/service-role/r",
                "arn:aws-cn:iam::111122223333:role/r",
            ],
        },
        Form {
            kind: MACHINE,
            field: "spec.logging.logGroupArn",
            set: |text| json!({"logging": {"level": "ALL", "logGroupArn": text}}),
            must: r#"write the ARN of a log group: arn:aws:logs:REGION:ACCOUNT:log-group:NAME (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"#,
            bad: &[
                "logs",
                "arn:aws:logs:us-east-1:111122223333:log-group:*",
                "arn:aws:logs:*:111122223333:log-group:a",
            ],
            good: &[
                "arn:${AWS::Partition}:logs:${AWS::Region}:${AWS::AccountId}:log-group:/aws/vendedlogs/states/a",
                "arn:aws:logs:us-east-1:111122223333:log-group:a:*",
            ],
        },
        Form {
            kind: MACHINE,
            field: "spec.executionRole.managedPolicyArns",
            set: |text| json!({"executionRole": {"managedPolicyArns": [text]}}),
            must: r#"write the ARNs of managed policies: arn:aws:iam::aws:policy/NAME or arn:aws:iam::ACCOUNT:policy/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"#,
            bad: &["ReadOnlyAccess"],
            good: &["arn:aws:iam::aws:policy/ReadOnlyAccess"],
        },
        Form {
            kind: MACHINE,
            field: "spec.executionRole.statements[0].actions[0]",
            set: |text| json!({"executionRole": {"statements": [{"actions": [text], "resources": ["*"]}]}}),
            must: "match '^[A-Za-z0-9-]+:[A-Za-z0-9*?]+$'",
            bad: &["GetObject", "s3:Get Object", "s3:a:b", "s3:"],
            good: &["s3:GetObject", "dynamodb:*", "s3:Get?bject*"],
        },
        Form {
            kind: MACHINE,
            field: "spec.substitutions[0].name",
            set: |text| json!({"substitutions": [{"name": text, "value": ""}]}),
            must: "match '^[A-Za-z][A-Za-z0-9_]*$'",
            bad: &["1st", "a b", "AWS::Region", "a-b"],
            good: &["Table_1"],
        },
        Form {
            kind: API,
            field: "spec.stages[0].name",
            set: |text| json!({"stages": [{"name": text}]}),
            must: r#"a stage's name holds letters, digits, `_` and `-`"#,
            bad: &["v1.0", "a/b", "$default"],
            good: &["v1_0-beta"],
        },
        Form {
            kind: API,
            field: "spec.allowedRoutes[0].pathPrefixes",
            set: |text| json!({"allowedRoutes": [{"namespaces": {"from": "Same"}, "pathPrefixes": [text]}]}),
            must: r#"write prefixes as whole segments, such as /orders: each begins with `/`, and there is no `/` at its end"#,
            bad: &["a", "/a/", "//"],
            good: &["/", "/a", "/a/{b}"],
        },
        Form {
            kind: API,
            field: "spec.authorizers[0].token.functionArn",
            set: |text| json!({"authorizers": [{"name": "a", "token": {"functionArn": text}}]}),
            must: r#"write the ARN of a function: arn:aws:lambda:REGION:ACCOUNT:function:NAME, perhaps with :ALIAS (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"#,
            bad: &[
                "auth",
                "arn:aws:lambda:us-east-1:1:function:auth",
                "arn:aws:lambda:us-east-1:111122223333:function:*",
            ],
            good: &[
                "arn:aws:lambda:us-east-1:111122223333:function:auth:live",
                "arn:${AWS::Partition}:lambda:${AWS::Region}:${AWS::AccountId}:function:auth",
            ],
        },
        Form {
            kind: API,
            field: "spec.authorizers[0].cognitoUserPools.userPoolArns",
            set: |text| json!({"authorizers": [{"name": "a", "cognitoUserPools": {"userPoolArns": [text]}}]}),
            must: r#"write the ARNs of user pools: arn:aws:cognito-idp:REGION:ACCOUNT:userpool/ID (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in them)"#,
            bad: &["us-east-1_abc", "arn:aws:cognito-idp:us-east-1:111122223333:userpool/*"],
            good: &["arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_abc"],
        },
        Form {
            kind: API,
            field: "spec.endpoint.vpcEndpointIds",
            set: |text| json!({"endpoint": {"type": "PRIVATE", "vpcEndpointIds": [text]}, "resourcePolicy": "{}"}),
            must: r#"write the ids of VPC endpoints: vpce-0123456789abcdef0"#,
            bad: &["vpc-1", "*"],
            good: &["vpce-0123456789abcdef0"],
        },
        Form {
            kind: API,
            field: "spec.stages[0].clientCertificate.id",
            set: |text| json!({"stages": [{"name": "prod", "clientCertificate": {"id": text}}]}),
            must: r#"write the id of a client certificate of API Gateway, such as a1b2c3"#,
            bad: &["A1", "arn:aws:acm:us-east-1:111122223333:certificate/a1", "*"],
            good: &["a1b2c3"],
        },
        Form {
            kind: API,
            field: "spec.stages[0].clientCertificate.acmCertificateArn",
            set: |text| json!({"stages": [{"name": "prod", "clientCertificate": {"acmCertificateArn": text}}]}),
            must: r#"write the ARN of an ACM certificate: arn:aws:acm:REGION:ACCOUNT:certificate/ID (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"#,
            bad: &["a1b2c3", "arn:aws:acm:us-east-1:111122223333:certificate/*"],
            good: &[
                "arn:aws:acm:us-east-1:111122223333:certificate/a1",
                "arn:${AWS::Partition}:acm:${AWS::Region}:${AWS::AccountId}:certificate/a1",
            ],
        },
        Form {
            kind: API,
            field: "spec.binaryMediaTypes",
            set: |text| json!({"binaryMediaTypes": [text]}),
            must: r#"write media types without parameters, such as image/png"#,
            bad: &["png", "image/png; q=1"],
            good: &["*/*", "image/*", "application/vnd.api+json"],
        },
        Form {
            kind: ACCOUNT,
            field: "spec.accountId",
            set: |text| json!({"accountId": text}),
            must: r#"write the account's 12 digits, in quotes"#,
            bad: &["11112222333", "1111222233334", "1111-2222-3333", "my-account"],
            good: &["000000000000"],
        },
        Form {
            kind: ACCOUNT,
            field: "spec.regions[0].name",
            set: |text| json!({"regions": [{"name": text}]}),
            must: r#"write a Region's name, such as eu-central-1"#,
            bad: &["Frankfurt", "eu-central", "eu_central_1"],
            good: &["us-gov-west-1", "ap-southeast-5", "cn-north-1"],
        },
        Form {
            kind: ACCOUNT,
            field: "spec.endpointUrl",
            set: |text| json!({"endpointUrl": text}),
            must: "match '^https?://'",
            bad: &["localhost:4566"],
            good: &["http://localhost:4566"],
        },
        Form {
            kind: ACCOUNT,
            field: "spec.credentials.assumeRole.roleArn",
            set: |text| json!({"credentials": {"assumeRole": {"roleArn": text}}}),
            must: r#"write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME"#,
            bad: &["stepgate", "arn:aws:iam::${AWS::AccountId}:role/r"],
            good: &["arn:aws:iam::111122223333:role/stepgate"],
        },
        Form {
            kind: ACCOUNT,
            field: "spec.tenants[0].name",
            set: |text| json!({"tenants": [{"name": text, "namespaces": {"from": "All"}}]}),
            must: "match '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$'",
            bad: &["Team A", "a_b", "-a"],
            good: &["team-a"],
        },
    ]
}

#[tokio::test]
async fn texts_with_a_form() {
    let mut manifests = String::new();
    let mut expected = Vec::new();
    for (n, form) in forms().into_iter().enumerate() {
        for (m, text) in form.bad.iter().enumerate() {
            let name = format!("bad-{n}-{m}");
            manifests += &manifest(form.kind, &name, &(form.set)(text));
            let (field, must) = (form.field, form.must);
            let value = match LISTS.iter().any(|list| field.ends_with(list)) {
                // What is wrong in a list is not shown.
                true => String::new(),
                false => format!("{text:?}: "),
            };
            let sentence =
                if must.starts_with("match '") { format!("{field} in body should {must}") } else { must.to_owned() };
            expected.push((name, format!("{field}: Invalid value: {value}{sentence}")));
        }
        for (m, text) in form.good.iter().enumerate() {
            manifests += &manifest(form.kind, &format!("good-{n}-{m}"), &(form.set)(text));
        }
    }
    assert_refusals(&refusals(&[], &manifests).await, &expected);
}

#[tokio::test]
async fn what_contradicts_itself_or_lacks_something() {
    let mut manifests = String::new();
    let mut expected = Vec::new();
    for (n, (kind, change, message)) in crate::schema_cases::refused().into_iter().enumerate() {
        let name = format!("bad-{n}");
        manifests += &manifest(kind, &name, &change);
        expected.push((name, message.to_owned()));
    }
    for (n, (kind, change)) in crate::schema_cases::taken().into_iter().enumerate() {
        manifests += &manifest(kind, &format!("good-{n}"), &change);
    }
    manifests += &manifest(MACHINE, "with.dots", &json!({}));
    let dots =
        "<nil>: Invalid value: metadata.name of a StateMachine may not hold dots, because it becomes part of AWS names";
    expected.push(("with.dots".to_owned(), dots.to_owned()));
    assert_refusals(&refusals(&["-n", "default"], &manifests).await, &expected);
}

#[tokio::test]
async fn a_field_that_does_not_exist() {
    let testbed = suite().await.testbed;
    for (change, field) in [
        (json!({"definition": {"StartAt": "A"}}), "spec.definition.StartAt"),
        (json!({"deletionProtected": true}), "spec.deletionProtected"),
    ] {
        let path = testbed.dir().join(format!("{field}.yaml"));
        std::fs::write(&path, manifest(MACHINE, "unknown", &change)).unwrap();
        let refused = testbed.kubectl(["apply", "--dry-run=server", "-f", &path.to_string_lossy()]).await.unwrap_err();
        assert!(refused.to_string().contains(&format!("unknown field \"{field}\"")), "{refused}");
    }
}

#[tokio::test]
async fn what_never_changes() {
    // No tenant admits it: the operator touches nothing here.
    let ns = Namespace::labelled("e2e-immutable", &[]).await;
    let cases = crate::schema_cases::updates();
    let (mut before, mut after, mut expected) = (String::new(), String::new(), Vec::new());
    for (n, (kind, old, new, message)) in cases.into_iter().enumerate() {
        let name = format!("e2e-immutable-{n}");
        before += &manifest(kind, &name, &old);
        after += &manifest(kind, &name, &new);
        expected.extend(message.map(|message| (name, message.to_owned())));
    }
    let path = ns.suite.testbed.dir().join("before.yaml");
    std::fs::write(&path, before).unwrap();
    ns.suite.testbed.kubectl(["apply", "-n", &ns.name, "-f", &path.to_string_lossy()]).await.unwrap();
    assert_refusals(&refusals(&["-n", &ns.name], &after).await, &expected);
    ns.suite.testbed.kubectl(["delete", "--wait=false", "-n", &ns.name, "-f", &path.to_string_lossy()]).await.unwrap();
}
