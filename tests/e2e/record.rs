//! Keeps an object for each row of docs/conditions.md that the suite shows: `STEPGATE_RECORD_STATUSES=DIR` (`make record`).
//!
//! Of all objects that show a row the shortest is kept, so that another run keeps the same one; what differs with each run
//! (times, AWS's ids, ports, the hash of what was applied, the order of conditions) is made alike. An object shows
//! something when its status is written and is of its present generation; what of it changes later does not belong to that
//! status. A row that refers to others (*that of Stalled*) is a rule: it has no file, but a condition that neither a row nor
//! a rule allows is kept as if it were a row, and `tests/conditions` then misses it in the document.

use std::collections::HashMap;
use std::path::Path;
use std::pin::pin;
use std::sync::{LazyLock, Mutex};

use futures::StreamExt;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt, watcher};
use regex::Regex;
use serde_json::{Value, json};
use stepgate_testbed::Testbed;

use crate::rows::{Row, rows, shown};

/// Watches a testbed's objects until the process ends, where the variable is set.
pub fn watch(testbed: &'static Testbed) {
    let Some(dir) = std::env::var_os("STEPGATE_RECORD_STATUSES") else { return };
    // A test's runtime ends with the test.
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let client = testbed.kube_client().await.unwrap();
            let (dir, rows) = (Path::new(&dir), rows());
            let crds = stepgate::api::crds();
            let watches = crds.iter().map(|crd| {
                let gvk = GroupVersionKind::gvk(&crd.spec.group, &crd.spec.versions[0].name, &crd.spec.names.kind);
                let resource = ApiResource::from_gvk_with_plural(&gvk, &crd.spec.names.plural);
                follow(Api::all_with(client.clone(), &resource), dir, &rows)
            });
            futures::future::join_all(watches).await;
        });
    });
}

async fn follow(api: Api<DynamicObject>, dir: &Path, rows: &[Row]) {
    let mut seen = pin!(watcher(api, watcher::Config::default()).default_backoff().applied_objects());
    let mut statuses = HashMap::new();
    while let Some(object) = seen.next().await {
        // Without an answer it is watched anew.
        let Ok(object) = object else { continue };
        let status = object.data["status"].clone();
        if statuses.insert(object.metadata.uid.clone(), status.clone()) != Some(status) {
            keep(dir, rows, &serde_json::to_value(object).unwrap());
        }
    }
}

fn keep(dir: &Path, rows: &[Row], object: &Value) {
    static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());
    let _guard = ONE_AT_A_TIME.lock().unwrap();
    let text = kept(object);
    for file in shown(rows, object).iter().filter_map(Row::file) {
        let path = dir.join(file);
        let shorter = |has: String| (text.len(), &text) < (has.len(), &has);
        if std::fs::read_to_string(&path).map_or(true, shorter) {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, &text).unwrap();
        }
    }
}

/// What is kept of an object, as YAML.
fn kept(object: &Value) -> String {
    let mut kept = json!({"apiVersion": object["apiVersion"], "kind": object["kind"], "metadata": {}});
    for field in ["name", "namespace", "generation", "annotations", "finalizers", "deletionTimestamp"] {
        if let Some(value) = object["metadata"].get(field) {
            kept["metadata"][field] = value.clone();
        }
    }
    if let Some(annotations) = kept["metadata"].get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|name, _| name.starts_with("stepgate.dev/"));
        if annotations.is_empty() {
            kept["metadata"].as_object_mut().unwrap().remove("annotations");
        }
    }
    kept["status"] = object["status"].clone();
    if let Some(hash) = kept["status"].get_mut("appliedHash") {
        *hash = json!("0123456789abcdef");
    }
    if let Some(conditions) = kept["status"]["conditions"].as_array_mut() {
        conditions.sort_by_key(|condition| condition["type"].to_string());
    }
    static API: LazyLock<Regex> =
        LazyLock::new(|| Regex::new(r#"("restApiId":"|"usagePlanId":"|"id":"|/execute-api/)(\w{10})\b"#).unwrap());
    let status = kept["status"].to_string();
    let mut ids = API.captures(&status).map(|found| found[2].to_owned()).into_iter().collect();
    alike(&mut kept, &mut ids);
    serde_saphyr::to_string(&kept).unwrap()
}

/// Makes every text alike that another run would have otherwise.
fn alike(value: &mut Value, ids: &mut Vec<String>) {
    static TIME: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z").unwrap());
    static TWINS: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"owner tags: \w{10}, \w{10};").unwrap());
    static PORT: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"127\.0\.0\.1:\d+").unwrap());
    static ID: LazyLock<Regex> = LazyLock::new(|| Regex::new(r"\b[a-z0-9]{10}\b").unwrap());
    match value {
        Value::String(text) => {
            let alike = TIME.replace_all(text, "2026-01-01T00:00:00Z");
            let alike = PORT.replace_all(&alike, "127.0.0.1:4566");
            let alike = TWINS.replace_all(&alike, "owner tags: a1b2c3d4e5, b2c3d4e5f6;");
            *text = ID.replace_all(&alike, |found: &regex::Captures<'_>| id(&found[0], ids)).into_owned();
        }
        Value::Array(items) => items.iter_mut().for_each(|item| alike(item, ids)),
        Value::Object(fields) => fields.values_mut().for_each(|field| alike(field, ids)),
        _ => {}
    }
}

/// One of a few ids in place of the emulator's, which have ten letters and digits: a known one, or what can be no word.
fn id(word: &str, ids: &mut Vec<String>) -> String {
    const ALIKE: [&str; 4] = ["a1b2c3d4e5", "b2c3d4e5f6", "c3d4e5f6g7", "d4e5f6g7h8"];
    let known = ids.iter().position(|known| known == word);
    let no_word = word.contains(|c: char| c.is_ascii_digit()) && word.contains(|c: char| c.is_ascii_lowercase());
    if known.is_none() && !no_word {
        return word.to_owned();
    }
    let number = known.unwrap_or_else(|| {
        ids.push(word.to_owned());
        ids.len() - 1
    });
    ALIKE[number % ALIKE.len()].to_owned()
}
