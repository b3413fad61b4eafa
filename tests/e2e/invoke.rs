//! `stepgate invoke`: what happens on the way through a route.

use std::process::Command;

use serde_json::Value;

use crate::support::{Namespace, machine, rest_api, route};

/// Runs `stepgate invoke` as the admin of the testbed; answers with its exit code and what it printed.
fn invoke(ns: &Namespace, arguments: &[&str]) -> (i32, String, String) {
    let access = ns.suite.testbed.access();
    let output = Command::new(env!("CARGO_BIN_EXE_stepgate"))
        .args(["invoke", "--cluster-name", "testbed"])
        .args(arguments)
        .envs(access.env())
        .env("KUBECONFIG", access.kubeconfig_path())
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .env_remove("AWS_CA_BUNDLE")
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
}

#[tokio::test]
async fn a_trial_call_shows_the_way_there_and_back() {
    let ns = Namespace::new("invoke").await;
    let by_path = route("say", "/say/{name}", "say").replace(
        "  authorization:",
        "  request: {input: [{to: /name, path: name}, {to: /tags, queryList: tag}, {to: /id, header: X-Id}]}\n  authorization:",
    );
    ns.apply(&[machine("say", "hello"), rest_api("api"), by_path].concat()).await;
    ns.ready(&["restapi/api", "apiroute/say"]).await;
    let given = ["invoke/say", "--path", "name=it's", "--query", "tag=a&b", "--header", "X-Id=7"];

    let (code, out, err) = invoke(&ns, &[&given[..], &["-o", "json"]].concat());
    assert_eq!((code, err.as_str()), (0, ""), "{out}");
    let came: Value = serde_json::from_str(&out).unwrap();
    let request: Value = serde_json::from_str(came["request"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(request["stateMachineArn"], "arn:aws:states:us-east-1:000000000000:stateMachine:invoke_say");
    let input: Value = serde_json::from_str(request["input"].as_str().unwrap()).unwrap();
    assert_eq!((&input["name"], &input["id"]), (&"it's".into(), &"7".into()), "{input}");
    assert_eq!(input["tags"], serde_json::json!(["a&b"]));
    let answer: Value = serde_json::from_str(came["answer"]["body"].as_str().unwrap()).unwrap();
    assert_eq!((&came["answer"]["status"], &answer["status"]), (&"200".into(), &"SUCCEEDED".into()));
    assert_eq!(came["response"]["status"], 200);
    let body: Value = serde_json::from_str(came["response"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body, serde_json::json!({"said": "hello"}));

    let (code, out, _) = invoke(&ns, &given);
    assert_eq!(code, 0);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(lines[0], "POST /say/it%27s?tag=a%26b");
    assert!(lines.iter().any(|line| line.starts_with("request to ")), "{out}");
    assert!(lines.iter().any(|line| line.starts_with("response 200, ")), "{out}");

    // What is wrong is one sentence.
    let (code, _, err) = invoke(&ns, &["invoke/say"]);
    assert_eq!((code, err.as_str()), (1, "error: the path /say/{name} needs --path name=VALUE\n"));
    let (code, _, err) = invoke(&ns, &["invoke/none"]);
    assert_eq!((code, err.as_str()), (1, "error: there is no APIRoute invoke/none in the cluster\n"));
}
