//! Definitions that are made to slow the operator down or to crash it.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{Namespace, machine};

/// As much as an object of the API server holds.
const LARGE: usize = 1_000_000;

/// The chart's `resources.limits.memory`.
const LIMIT_KIB: u64 = 256 * 1024;

fn defined(name: &str, definition: &str, more: &Value) -> String {
    let mut spec = json!({"type": "EXPRESS", "definition": definition});
    json_patch::merge(&mut spec, more);
    json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "StateMachine", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

/// Each entity ten of the one before: a billion texts where somebody follows them.
fn laughs() -> String {
    let mut text = String::from("a0: &a0 [lol, lol, lol, lol, lol, lol, lol, lol, lol, lol]\n");
    for level in 1..10 {
        let ten = vec![format!("*a{}", level - 1); 10].join(", ");
        text += &format!("a{level}: &a{level} [{ten}]\n");
    }
    text + "StartAt: A\nStates: {A: {Type: Pass, Result: *a9, End: true}}\n"
}

fn bombs() -> Vec<(&'static str, String, &'static str)> {
    let none = json!({});
    let state = |index: usize| format!(r#""S{index:07}":{{"Type":"Pass","Next":"S{:07}"}}"#, index + 1);
    // Every Next is misspelt: a near name is looked for among all.
    let misspelt: Vec<String> = (0..LARGE / 60).map(|i| state(i * 2)).collect();
    let misspelt = format!(r#"{{"StartAt":"S0000000","States":{{{}}}}}"#, misspelt.join(","));
    let deep = format!(
        r#"{{"StartAt":"A","States":{{"A":{{"Type":"Pass","End":true,"Result":{}{}}}}}}}"#,
        "[".repeat(LARGE / 2),
        "]".repeat(LARGE / 2 - 50)
    );
    let deep_yaml = format!(
        "StartAt: A\nStates: {{A: {{Type: Pass, End: true, Result: {}{}}}}}\n",
        "[".repeat(100_000),
        "]".repeat(100_000)
    );
    let placeholders = format!(
        r#"{{"StartAt":"A","States":{{"A":{{"Type":"Pass","End":true,"Comment":"{}"}}}}}}"#,
        "${T}".repeat(LARGE / 5)
    );
    let unknown = format!(
        r#"{{"StartAt":"A","States":{{"A":{{"Type":"Pass","End":true,"Comment":"{}"}}}}}}"#,
        "${x}".repeat(LARGE / 5)
    );
    let grows = json!({"substitutions": [{"name": "T", "value": "x".repeat(4096)}]});
    let nested = json!({"substitutions": [{"name": "T", "json": format!("{}{}", "[".repeat(2048), "]".repeat(2048))}]});
    vec![
        ("misspelt", defined("misspelt", &misspelt, &none), "InvalidDefinition"),
        ("deep", defined("deep", &deep, &none), "InvalidDefinition"),
        ("deep-yaml", defined("deep-yaml", &deep_yaml, &none), "InvalidDefinition"),
        ("laughs", defined("laughs", &laughs(), &none), "InvalidDefinition"),
        ("grows", defined("grows", &placeholders, &grows), "InvalidDefinition"),
        ("unknown", defined("unknown", &unknown, &none), "InvalidDefinition"),
        (
            "nested",
            defined("nested", r#"{"StartAt":"A","States":{"A":{"Type":"Pass","End":true,"Result":"${T}"}}}"#, &nested),
            "InvalidSpec",
        ),
        ("nul", defined("nul", "\u{0}\u{feff}{{{{%%%", &none), "InvalidDefinition"),
        ("tabs", defined("tabs", &"\t".repeat(LARGE / 2), &none), "InvalidDefinition"),
        ("quotes", defined("quotes", &"\"".repeat(LARGE / 2), &none), "InvalidDefinition"),
    ]
}

#[tokio::test]
async fn weird_definitions_hold_nobody_else_up() {
    let ns = Namespace::new("esc-denial").await;
    let others = Namespace::new("esc-denial-others").await;
    let pid = ns.suite.operator.pid();
    assert!(pid.is_some());
    let bombs = bombs();
    for (_, manifest, _) in &bombs {
        ns.apply(manifest).await;
    }
    let started = Instant::now();
    others.apply(&machine("meanwhile", "hello")).await;
    others.ready(&["statemachine/meanwhile"]).await;
    let took = started.elapsed();
    assert!(took < Duration::from_secs(30), "another team's machine took {} s", took.as_secs());
    for (name, _, reason) in &bombs {
        let message = ns.condition(&format!("statemachine/{name}"), "Stalled", "True", reason).await;
        assert!((20..=1100).contains(&message.chars().count()), "{name}: {message}");
        super::assert_printable(&message);
    }
    assert_eq!(ns.suite.operator.pid(), pid, "the operator was started again");
    let log = std::fs::read_to_string(ns.suite.operator.log_path()).unwrap();
    assert!(!log.contains("panicked"), "the operator's log tells of a panic");
    let status = std::fs::read_to_string(format!("/proc/{}/status", pid.unwrap())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.split_whitespace().next()?.parse().ok());
    let peak: u64 = peak.unwrap();
    println!("the operator has had {peak} KiB at most");
    assert!(peak < LIMIT_KIB, "the operator has had {peak} KiB: the chart's limit kills it");
    assert_eq!(ns.in_aws().await, std::collections::BTreeSet::new());
}
