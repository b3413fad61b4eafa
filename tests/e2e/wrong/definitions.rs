//! A definition that can't be used says where and why; what ran before goes on.

use serde_json::{Value, json};

use crate::support::{Namespace, machine, rest_api, route};

/// A StateMachine with this definition.
fn defined(name: &str, definition: &str) -> String {
    let definition: String = definition.lines().map(|line| format!("    {line}\n")).collect();
    format!(
        "---\napiVersion: stepgate.dev/v1alpha1\nkind: StateMachine\nmetadata: {{name: {name}}}\n\
         spec:\n  type: EXPRESS\n  definition: |\n{definition}"
    )
}

#[tokio::test]
async fn a_text_that_is_no_json_or_yaml() {
    let ns = Namespace::new("e2e-no-json").await;
    ns.apply(&defined("json", "{\n  \"StartAt\": \"Work\"\n  \"States\": {}\n}")).await;
    ns.apply(&defined("yaml", "StartAt: Work\nStates:\n  Work: {Type: Pass\n")).await;
    let message = ns.stalled("statemachine/json", "InvalidDefinition").await;
    assert!(message.starts_with("spec.definition, line 3, column 3: "), "{message}");
    let message = ns.stalled("statemachine/yaml", "InvalidDefinition").await;
    assert!(message.starts_with("spec.definition, line 4, column 1: "), "{message}");
}

#[tokio::test]
async fn an_unknown_state() {
    let ns = Namespace::new("e2e-unknown-state").await;
    let definition = "StartAt: Work\nStates:\n  Work: {Type: Pass, Next: Dome}\n  Done: {Type: Succeed}";
    ns.apply(&defined("work", definition)).await;
    let message = ns.stalled("statemachine/work", "InvalidDefinition").await;
    assert!(message.starts_with("spec.definition, line 3, column 28: "), "{message}");
    assert!(message.contains("Dome") && message.contains("did you mean `Done`"), "{message}");
}

#[tokio::test]
async fn an_unknown_name_to_substitute() {
    let ns = Namespace::new("e2e-unknown-name").await;
    let definition = "StartAt: Work\nStates:\n  Work: {Type: Pass, Result: \"${Tabel}\", End: true}";
    let manifest =
        defined("work", definition).replace("spec:\n", "spec:\n  substitutions: [{name: Table, value: t}]\n");
    ns.apply(&manifest).await;
    let message = ns.stalled("statemachine/work", "InvalidDefinition").await;
    assert!(message.starts_with("spec.definition, line 3, column 30: "), "{message}");
    assert!(message.contains("${Tabel}") && message.contains("did you mean `${Table}`"), "{message}");
}

#[tokio::test]
async fn a_value_to_substitute_that_is_no_json() {
    let ns = Namespace::new("e2e-no-value").await;
    let delay = |json: &str| {
        let substitution = format!("substitutions: [{{name: Delay, json: '{json}'}}]");
        defined("work", "StartAt: Work\nStates:\n  Work: {Type: Pass, Result: \"${Delay}\", End: true}")
            .replace("spec:\n", &format!("spec:\n  {substitution}\n"))
    };
    ns.apply(&delay("two")).await;
    let message = ns.stalled("statemachine/work", "InvalidSpec").await;
    assert!(message.starts_with("spec.substitutions[Delay].json is not JSON: "), "{message}");
    assert!(message.ends_with(r#"quote a text twice, as '"text"'"#), "{message}");
    ns.apply(&delay("2")).await;
    ns.ready(&["statemachine/work"]).await;
}

#[tokio::test]
async fn a_machine_to_substitute_that_does_not_admit_the_namespace() {
    let owner = Namespace::new("e2e-named-owner").await;
    let ns = Namespace::new("e2e-naming").await;
    let admitting =
        |from: &str| machine("called", "done") + &format!("  allowedCallers: {{namespaces: {{from: {from}}}}}\n");
    owner.apply(&admitting("Same")).await;
    owner.ready(&["statemachine/called"]).await;
    let substitution = "substitutions: [{name: Called, stateMachineRef: {name: called, namespace: e2e-named-owner}}]";
    let calling = defined("work", "StartAt: Work\nStates:\n  Work: {Type: Pass, Result: \"${Called}\", End: true}")
        .replace("spec:\n", &format!("spec:\n  {substitution}\n"));
    ns.apply(&calling).await;
    assert_eq!(
        ns.stalled("statemachine/work", "NotAllowed").await,
        "spec.substitutions[Called].stateMachineRef: StateMachine e2e-named-owner/called admits only its own namespace; its \
         owner must add namespace e2e-naming to spec.allowedCallers.namespaces"
    );
    owner.apply(&admitting("All")).await;
    ns.ready(&["statemachine/work"]).await;
}

#[tokio::test]
async fn a_broken_definition_leaves_the_last_good_machine_running() {
    let ns = Namespace::new("e2e-broken-live").await;
    ns.apply(&(machine("work", "one") + &rest_api("api") + &route("orders", "/orders", "work"))).await;
    ns.ready(&["statemachine/work", "apiroute/orders"]).await;
    ns.says("orders", "one").await;

    ns.apply(&defined("work", "StartAt: Elsewhere\nStates:\n  Say: {Type: Pass, Result: {said: two}, End: true}"))
        .await;
    let why = ns.stalled("statemachine/work", "InvalidDefinition").await;
    let ready = ns.condition("statemachine/work", "Ready", "False", "LastKnownGood").await;
    assert!(ready.starts_with(&why) && ready.ends_with("What was served before keeps serving."), "{ready}");
    ns.says("orders", "one").await;
    ns.ready(&["apiroute/orders"]).await;
    let object = ns.get("statemachine/work").await;
    let described =
        ns.aws("states", "DescribeStateMachine", json!({"stateMachineArn": object["status"]["stateMachineArn"]}));
    assert!(described.await["definition"].as_str().unwrap().contains("one"));

    ns.apply(&machine("work", "three")).await;
    ns.ready(&["statemachine/work"]).await;
    ns.says("orders", "three").await;
}

#[tokio::test]
async fn a_definition_from_a_config_map_that_is_not_there() {
    let ns = Namespace::new("e2e-config-map").await;
    let manifest = "---\napiVersion: stepgate.dev/v1alpha1\nkind: StateMachine\nmetadata: {name: work}\n\
        spec: {type: EXPRESS, definitionFrom: {configMapKeyRef: {name: workflows, key: work}}}";
    ns.apply(manifest).await;
    let message = ns.condition("statemachine/work", "Reconciling", "True", "WaitingForReference").await;
    assert_eq!(message, "spec.definitionFrom.configMapKeyRef: ConfigMap e2e-config-map/workflows does not exist");

    ns.apply(&config_map(json!({"other": ""}))).await;
    let missing = "spec.definitionFrom.configMapKeyRef: ConfigMap e2e-config-map/workflows has no key `work`";
    ns.tells("statemachine/work", missing).await;

    ns.apply(&config_map(json!({"work": "StartAt: Say\nStates:\n  Say: {Type: Pass, End: true}"}))).await;
    ns.ready(&["statemachine/work"]).await;
}

fn config_map(data: Value) -> String {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "workflows"}, "data": data}).to_string()
}
