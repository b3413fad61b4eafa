//! What is taken and reaches nothing: programs and texts of an attacker's own, with a role of their own.

use std::collections::BTreeSet;

use serde_json::{Value, json};
use stepgate_testbed::Request;

use super::{CARD, Scene, arn, machine_with, patched};
use crate::support::{machine, rest_api, route};

/// Breaks out of JSON, VTL, JavaScript or a shell where something forgets to quote it.
const EVIL: &str = "\"}],'#set($x = \"1\")$x$input.body$util.urlDecode('%41')#end#[[ ]]# ${!stageVariables.arn} \\\" \\u0022 \n\u{1b}[31m </script> $(id)";

async fn get(url: &str, path: &str) -> (u16, String) {
    let request = Request { method: "GET".into(), url: format!("{url}{path}"), ..Request::default() };
    let response = request.send().await.unwrap();
    (response.status, response.body)
}

#[tokio::test]
async fn what_is_taken_reaches_only_its_own_machines() {
    let scene = Scene::new("esc-limits").await;
    let ns = &scene.hostile;
    let pay = arn("esc-limits-victim_pay");
    let templates = |body: Value| json!({"request": {"templates": {"application/json": body.to_string()}}});
    let named = |arn: &str| templates(json!({"input": "{}", "stateMachineArn": arn}));
    let api = rest_api("api").replace("{name: prod}", &format!("{{name: prod, variables: {{arn: \"{pay}\"}}}}"));
    let echo = json!({"definition": r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#});
    let at = |name: &str, spec: &Value| patched(&route(name, &format!("/{name}"), "own"), spec);
    let quoted = json!({
        "substitutions": [{"name": "Text", "value": EVIL}],
        "definition": r#"{"Comment": "${Text}", "StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#,
    });
    let input = json!({"request": {"input": [{"to": "/\"#$k", "value": Value::from(EVIL).to_string()}, {"to": "/q", "query": "q"}]}});
    let describe = json!({
        "method": "GET", "path": "/runs/{name}",
        "target": {"action": "DescribeExecution", "stateMachineRef": {"name": "runs"}},
        "request": {"executionName": {"path": "name"}},
    });
    ns.apply(
        &[
            api,
            machine("own", "mine"),
            machine_with("echo", &echo),
            machine_with("quoted", &quoted),
            machine("runs", "run").replace("EXPRESS", "STANDARD"),
            at("raw", &named(&pay)),
            at("variable", &named("$stageVariables.arn")),
            at("client", &json!({"target": {"stateMachineRef": null, "stateMachineRefs": [{"name": "own"}]}})),
            patched(&route("echo", "/echo", "echo"), &input),
            at("describe", &describe),
        ]
        .concat(),
    )
    .await;
    let machines = ["own", "echo", "quoted", "runs"];
    let routes = ["raw", "variable", "client", "echo", "describe"];
    for name in machines {
        ns.ready(&[&format!("statemachine/{name}")]).await;
    }
    for name in routes {
        ns.ready(&[&format!("apiroute/{name}")]).await;
    }

    // Raw templates and clients can name any machine; their roles can't call it.
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let own = |action: &str, name: &str| {
        BTreeSet::from([format!("states:{action} {}", arn(&format!("esc-limits-hostile_{name}")))])
    };
    let mut roles = BTreeSet::new();
    for path in ["/raw", "/variable", "/client"] {
        let role = scene.aws.invoke_role(&id, &format!("POST {path}")).await;
        assert_eq!(scene.aws.role(&role).await.unwrap().allows(), own("StartSyncExecution", "own"), "{path}");
        roles.insert(role);
    }
    assert_eq!(roles.len(), 3, "each has a role of its own");
    let shared = scene.aws.role(&scene.aws.invoke_role(&id, "POST /echo").await).await.unwrap().allows();
    let runs = "arn:aws:states:us-east-1:000000000000:execution:esc-limits-hostile_runs:*";
    let mut expected = own("StartSyncExecution", "echo");
    expected.insert(format!("states:DescribeExecution {runs}"));
    assert_eq!(shared, expected);

    // A text stays a text, in the definition and through the template.
    let quoted = scene.aws.machine(&arn("esc-limits-hostile_quoted")).await.unwrap().definition;
    let quoted: Value = serde_json::from_str(&quoted).unwrap();
    assert_eq!((quoted["Comment"].as_str(), quoted.as_object().unwrap().len()), (Some(EVIL), 3));
    let answer = ns.call("echo", &json!({})).await;
    assert_eq!(
        serde_json::from_str::<Value>(&answer.body).unwrap(),
        json!({"\"#$k": EVIL, "q": null}),
        "{}",
        answer.body
    );

    // An execution's name reaches no other machine's, however it is written.
    let url = ns.get("restapi/api").await["status"]["stages"][0]["invokeUrl"].as_str().unwrap().to_owned();
    let start = json!({"stateMachineArn": arn("esc-limits-hostile_runs"), "name": "monday", "input": "{}"});
    ns.aws("states", "StartExecution", start).await;
    let (status, body) = get(&url, "/runs/monday").await;
    assert!(status == 200 && !body.contains(CARD), "{status} {body}");
    let theirs = "arn%3Aaws%3Astates%3Aus-east-1%3A000000000000%3Aexecution%3Aesc-limits-victim_order%3Amonday";
    for name in [
        theirs.to_owned(),
        format!("monday%22%2C%22executionArn%22%3A%22{theirs}"),
        format!("x%3A{theirs}"),
        "%2E%2E%2Fesc-limits-victim_order%3Amonday".to_owned(),
        "%0A".to_owned(),
        "%24input.body".to_owned(),
    ] {
        let (status, body) = get(&url, &format!("/runs/{name}")).await;
        assert!(status >= 400 && !body.contains(CARD), "{name}: {status} {body}");
    }

    let mut theirs: BTreeSet<String> = machines.map(|it| format!("state machine esc-limits-hostile_{it}")).into();
    theirs.insert("REST API esc-limits-hostile_api".into());
    let all = scene.names().await;
    let of_ours = |name: &&String| {
        name.starts_with("role stepgate-") && !scene.names.contains(*name) && name.contains("-esc-limits-hostile")
    };
    let made: Vec<&String> = all.iter().filter(of_ours).collect();
    // One for each machine, three of their own, and the one that echo and describe share.
    assert_eq!(made.len(), machines.len() + 4, "{made:?}");
    theirs.extend(made.into_iter().cloned());
    scene.unchanged_but_for(&theirs).await;
    scene.end().await;
}
