//! Every example, applied, called and deleted as its user would; and what the operator does when there is nothing to do.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use futures::future::join_all;
use serde_json::Value;
use stepgate_testbed::demo::{Example, apply_account};
use stepgate_testbed::{Operator, OperatorOptions, Options, Testbed};

use crate::support::{PATIENCE, eventually};

/// A testbed of its own: what is left in AWS is exactly what the examples left, and what the operator does between two
/// looks at its metrics is exactly what the examples make it do.
#[tokio::test]
async fn examples_answer_cost_nothing_at_rest_and_leave_nothing() {
    let testbed = Testbed::start(Options::default()).await.unwrap();
    let options = OperatorOptions { binary: Some(env!("CARGO_BIN_EXE_stepgate").into()), ..OperatorOptions::default() };
    let operator = Operator::start(&testbed, options).await.unwrap();
    apply_account(&testbed).await.unwrap();
    let before = testbed.aws().inventory().await.unwrap();
    let examples: Vec<Example> = Example::all().unwrap().into_iter().map(|example| quick(example, &testbed)).collect();

    let said = Mutex::new(Vec::new());
    let run = |example: &Example| {
        let name = example.name.clone();
        let said = &said;
        move |line: &str| said.lock().unwrap().push(format!("{name}  {line}"))
    };
    let outcomes = join_all(examples.iter().map(async |example| example.run(&testbed, &run(example)).await)).await;
    let failed: Vec<String> = std::iter::zip(&examples, outcomes)
        .filter_map(|(example, outcome)| outcome.err().map(|error| format!("{}: {error:#}", example.name)))
        .collect();
    let said_so_far = said.lock().unwrap().join("\n");
    assert!(failed.is_empty(), "{}\n\nwhat went before:\n{said_so_far}", failed.join("\n"));

    nothing_is_done_at_rest(&testbed, &operator).await;

    let outcomes = join_all(examples.iter().map(async |example| example.delete(&testbed, &run(example)).await)).await;
    for (example, outcome) in std::iter::zip(&examples, outcomes) {
        outcome.unwrap_or_else(|error| panic!("{}: {error:#}", example.name));
    }
    println!("{}", said.into_inner().unwrap().join("\n"));
    assert_eq!(testbed.aws().inventory().await.unwrap(), before, "deletion leaves nothing in AWS");
}

/// The example as it is, but `ec2-sync-async` waits 2 s instead of 29.
fn quick(mut example: Example, testbed: &Testbed) -> Example {
    if example.name == "ec2-sync-async" {
        let dir = testbed.dir().join(&example.name);
        copy(&example.dir, &dir, &|text| text.replace("{name: Delay, json: \"29\"}", "{name: Delay, json: \"2\"}"));
        assert!(fs::read_to_string(dir.join("standard.yaml")).unwrap().contains("json: \"2\""));
        example.dir = dir;
    }
    example
}

fn copy(from: &Path, to: &PathBuf, change: &dyn Fn(&str) -> String) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target, change);
        } else {
            fs::write(target, change(&fs::read_to_string(entry.path()).unwrap())).unwrap();
        }
    }
}

/// Over two checks of every object nothing is written, to AWS or to Kubernetes, and little is read.
async fn nothing_is_done_at_rest(testbed: &Testbed, operator: &Operator<'_>) {
    let start = at_rest(operator).await;
    let objects = versions(testbed).await;
    let count = |kind: &str| objects.keys().filter(|key| key.starts_with(&format!("{kind}/"))).count() as u64;
    let kinds = ["StateMachine", "RestAPI"];
    eventually("every object is checked twice", PATIENCE, async || {
        let now = Counters::read(operator).await;
        let missing: Vec<_> =
            kinds.into_iter().filter(|kind| now.reconciles(kind) < start.reconciles(kind) + 2 * count(kind)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("not yet: {missing:?}")) }
    })
    .await;
    let end = at_rest(operator).await;

    let calls = end.calls_since(&start);
    println!("at rest: {calls:?}");
    let writes: Vec<_> = calls.keys().filter(|call| !is_read(&call.1)).collect();
    assert!(writes.is_empty(), "the operator wrote to AWS although nothing had changed: {writes:?}");
    let of =
        |operation: &str| calls.iter().filter(|(call, _)| call.1 == operation).map(|(_, count)| count).sum::<u64>();
    let [machines, apis] = kinds.map(|kind| end.reconciles(kind) - start.reconciles(kind));
    // A check that is under way when the counters are read has made some of its calls.
    let under_way = 3;
    let of_one = apis / count("RestAPI") + under_way;
    let [plans, domains] = ["UsagePlan", "APIDomain"].map(|kind| end.reconciles(kind) - start.reconciles(kind));
    for (call, made) in calls.iter().filter(|(call, _)| call.0 == "API Gateway") {
        let most = match call.1.as_str() {
            "GetRestApi" | "GetResources" | "GetStages" => apis + 1,
            // A collection costs a read where it is used: in `orders-api`.
            "GetAuthorizers" | "GetModels" | "GetRequestValidators" | "GetGatewayResponses" => of_one,
            "GetUsagePlan" | "GetApiKeys" | "GetUsagePlanKeys" => plans + 1,
            "GetDomainName" | "GetBasePathMappings" => domains + 1,
            _ => 0,
        };
        assert!(*made <= most, "{made} {} for {apis} checks of RestAPIs: {calls:?}", call.1);
    }
    let described = of("DescribeStateMachine");
    assert!(described <= machines + 1, "{described} for {machines} checks of StateMachines: {calls:?}");
    assert_eq!(of("ListTagsForResource"), 0, "tags are read only when there is a reason: {calls:?}");

    let now = versions(testbed).await;
    let changed: Vec<_> = now.iter().filter(|(key, version)| objects.get(*key) != Some(version)).collect();
    assert!(changed.is_empty(), "the operator wrote to Kubernetes although nothing had changed: {changed:?}");
}

fn is_read(operation: &str) -> bool {
    ["Get", "List", "Describe"].iter().any(|verb| operation.starts_with(verb))
}

/// The resource version of every object that the operator writes: ours, its records of revisions, its events.
async fn versions(testbed: &Testbed) -> BTreeMap<String, String> {
    let kinds = "statemachines,restapis,apiroutes,usageplans,awsaccounts,controllerrevisions,events";
    let list: Value =
        serde_json::from_str(&testbed.kubectl(["get", kinds, "-A", "-o", "json"]).await.unwrap()).unwrap();
    let text =
        |object: &Value, pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    let objects = list["items"].as_array().unwrap().iter();
    objects
        .map(|object| {
            let [kind, namespace, name, version] =
                ["/kind", "/metadata/namespace", "/metadata/name", "/metadata/resourceVersion"]
                    .map(|at| text(object, at));
            (format!("{kind}/{namespace}/{name}"), version)
        })
        .collect()
}

/// The operator's counters.
#[derive(PartialEq)]
struct Counters(BTreeMap<String, u64>);

impl Counters {
    async fn read(operator: &Operator<'_>) -> Counters {
        let text = operator.metrics().await.unwrap();
        let line = |line: &str| {
            let (name, value) = line.rsplit_once(' ')?;
            name.contains("_total{").then(|| Some((name.to_owned(), value.parse().ok()?)))?
        };
        Counters(text.lines().filter_map(line).collect())
    }

    fn reconciles(&self, kind: &str) -> u64 {
        let of_kind =
            |name: &&String| name.starts_with("stepgate_reconciles_total") && label(name, "kind") == Some(kind);
        self.0.iter().filter(|(name, _)| of_kind(name)).map(|(_, value)| value).sum()
    }

    /// Calls to AWS since then, by service and operation.
    fn calls_since(&self, start: &Counters) -> BTreeMap<(String, String), u64> {
        let mut calls = BTreeMap::new();
        for (name, value) in self.0.iter().filter(|(name, _)| name.starts_with("stepgate_aws_calls_total")) {
            let since = value - start.0.get(name).copied().unwrap_or_default();
            if since > 0 {
                let part = |key: &str| label(name, key).unwrap_or_default().to_owned();
                *calls.entry((part("service"), part("operation"))).or_default() += since;
            }
        }
        calls
    }
}

fn label<'a>(name: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = name.split_once(&format!("{key}=\""))?;
    rest.split('"').next()
}

/// The counters at a moment in which the operator does nothing.
async fn at_rest(operator: &Operator<'_>) -> Counters {
    let last = Mutex::new((Counters::read(operator).await, 0));
    eventually("the operator rests", PATIENCE, async || {
        let now = Counters::read(operator).await;
        let mut last = last.lock().unwrap();
        let same = if last.0 == now { last.1 + 1 } else { 0 };
        *last = (now, same);
        if same >= 3 { Ok(()) } else { Err("it works".to_owned()) }
    })
    .await;
    last.into_inner().unwrap().0
}
