//! The drift matrix: every property of every AWS object that this operator owns, changed and deleted behind its back, one at
//! a time: found, repaired and told once; or, with `driftPolicy: Report`, told once and left.
//!
//! Complete by construction: it walks the tree of what the AWS in memory holds after each example, so that a property of a
//! new feature is in it from the first day. What is not restored stands in a table with its reason, which may not be stale.

use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use serde_json::{Value, json};
use stepgate::api::DriftPolicy;
use stepgate_testbed::memory::{ACCOUNT, Memory, Service};
use tokio::sync::OnceCell;

use super::kubernetes::{KINDS, condition, is};
use super::operator::{CLUSTER_UID, Operator, Site};
use super::scene::{ALL_DOCS, Scene};
use super::{Moment, difference, drive};
use super::{adoption, coverage};

const EXAMPLES: [&str; 15] = [
    "hello-world",
    "root-get",
    "potato",
    "item-api",
    "stage-variables",
    "client-names-machine",
    "ec2-sync-async",
    "reddit-api",
    super::DOMAINS,
    "docs/usage-plans.md",
    "orders-api",
    "docs/stages.md",
    "docs/private-domains.md",
    "docs/authorization.md",
    "docs/endpoints.md",
];

/// What is not restored: the property or the beginning of its path, what is done to it, where that matters, and why.
const EXCEPTIONS: &[(&str, Option<What>, &str)] = &[
    // AWS's own: ids, dates, and what follows from a name.
    ("role/id", None, OWN),
    ("role/created", None, OWN),
    ("role/trusted_since", None, OWN),
    ("role/name", None, OWN),
    ("role/path", None, OWN),
    ("policy/id", None, OWN),
    ("policy/name", None, OWN),
    ("policy/path", None, OWN),
    ("policy/created", None, OWN),
    ("policy/description", None, OWN),
    ("policy/versions/*/*/secs", None, OWN),
    ("policy/versions/*/*/nanos", None, OWN),
    ("machine/name", None, OWN),
    ("machine/kind", None, OWN),
    ("machine/created", None, OWN),
    ("machine/revision", None, OWN),
    ("api/id", None, OWN),
    ("api/rootResourceId", None, OWN),
    ("api/createdDate", None, OWN),
    ("machine/form/tracing/enabled", Some(What::Deleted), OWN),
    ("api/resources/*/id", None, OWN),
    ("api/resources/*/parentId", None, OWN),
    ("api/resources/*/pathPart", Some(What::Deleted), OWN),
    ("api/resources/*/resourceMethods/*/httpMethod", None, OWN),
    ("api/resources/*/resourceMethods/*/methodResponses/*/statusCode", None, OWN),
    ("api/resources/*/resourceMethods/*/methodIntegration/integrationResponses/*/statusCode", None, OWN),
    ("api/resources/*/resourceMethods/*/methodIntegration/timeoutInMillis", Some(What::Deleted), OWN),
    ("api/resources/*/resourceMethods/*/methodIntegration/cacheNamespace", None, OWN),
    ("api/deployments/*/id", None, OWN),
    ("api/deployments/*/createdDate", None, OWN),
    ("api/stages/*/stageName", None, OWN),
    ("api/stages/*/cacheClusterStatus", None, OWN),
    ("api/stages/*/createdDate", None, OWN),
    ("api/stages/*/lastUpdatedDate", None, OWN),
    ("plan/id", None, OWN),
    ("key/id", None, OWN),
    ("key/value", None, OWN),
    ("key/createdDate", None, OWN),
    ("key/lastUpdatedDate", None, OWN),
    ("log/created", None, OWN),
    ("api/deployments/*", Some(What::Deleted), "AWS refuses to delete what a stage serves"),
    ("domain/domainName", None, OWN),
    ("domain/domainNameArn", None, OWN),
    ("domain/regionalDomainName", None, OWN),
    ("domain/regionalHostedZoneId", None, OWN),
    (
        "domain/endpointConfiguration/types",
        None,
        "a change of the endpoint type changes where the DNS record has to point: it is told (InvalidSpec)",
    ),
    ("domain/mappings/*/basePath", None, OWN),
    ("domain/domainNameId", None, OWN),
    ("domain/associations/*/domainNameAccessAssociationArn", None, OWN),
    ("domain/associations/*/domainNameArn", None, OWN),
    ("domain/associations/*/accessAssociationSourceType", None, OWN),
    ("domain/associations/*/tags", None, "somebody else's does, too"),
    ("api/authorizers/*/id", None, OWN),
    ("api/authorizers/*/authorizerResultTtlInSeconds", Some(What::Deleted), OWN),
    ("api/validators/*", Some(What::Deleted), "AWS refuses to delete what a method refers to"),
    ("api/validators/*/id", None, OWN),
    ("api/models/Schemae3dce8d1afb8d036/id", None, OWN),
    ("api/models/Schemae3dce8d1afb8d036/name", None, OWN),
    ("api/models/Schemae3dce8d1afb8d036/contentType", None, OWN),
    ("api/models/Order/id", None, OWN),
    ("api/models/Order/name", None, OWN),
    ("api/models/Order/contentType", None, OWN),
    (
        "api/resources/*/resourceMethods/*/methodResponses/*/responseParameters/*",
        Some(What::Changed),
        "whether a header of an answer is required: it is for generated clients, and nothing depends on it",
    ),
    ("api/models/Empty", None, BUILT_IN),
    ("api/models/Error", None, BUILT_IN),
    // Whose it is.
    ("role/tags/stepgate.dev", None, FOREIGN),
    ("policy/tags/stepgate.dev", None, FOREIGN),
    ("machine/tags/stepgate.dev", None, UNREAD),
    ("api/tags", Some(What::Deleted), FOREIGN),
    ("api/tags/stepgate.dev", None, FOREIGN),
    ("plan/tags", Some(What::Deleted), FOREIGN),
    ("plan/tags/stepgate.dev", None, FOREIGN),
    ("key/tags", None, UNREAD),
    ("domain/tags", Some(What::Deleted), FOREIGN),
    ("domain/tags/stepgate.dev", None, FOREIGN),
    ("log/tags/stepgate.dev", None, FOREIGN),
    ("domain/mappings/*/restApiId", None, "what leads to an API of nobody here is somebody else's (OwnershipConflict)"),
    // What others made, of which some was adopted.
    ("adopted role", Some(What::Deleted), WAITED_FOR),
    ("adopted machine", Some(What::Deleted), WAITED_FOR),
    ("adopted api", Some(What::Deleted), WAITED_FOR),
    ("adopted role/trust", Some(What::Changed), "beside ours, the statements of others stay (`unmanaged: Keep`)"),
    ("adopted api/resources/*", Some(What::Deleted), "with it go methods that others made, which nobody here knows"),
    (
        "adopted api/resources/*/pathPart",
        Some(What::Changed),
        "methods that others made below it stay where they are now",
    ),
    // What no manifest can ask for yet, and nothing reads.
    ("role/description", None, UNMANAGED),
    ("api/authorizers/*/authType", None, UNMANAGED),
    ("role/longest_session", None, UNMANAGED),
    ("role/boundary", None, UNMANAGED),
    ("api/resources/*/resourceMethods/*/methodIntegration/cacheKeyParameters", None, UNMANAGED),
    ("api/deployments/*/description", None, "it is read only where a deployment is made; the record says the same"),
];

const OWN: &str = "AWS's own: nobody can change it, or take it away";
const BUILT_IN: &str = "AWS puts it into every API; no method of ours depends on what it says";
const FOREIGN: &str = "without its owner tags it is another's, and left alone (OwnershipConflict)";
/// (`what_has_another_owner_tag_is_left_alone_whatever_its_manifest_does`)
const UNREAD: &str = "a check does not read them, which would be a call for each; a change does before it is made";
const WAITED_FOR: &str = "`policy: Adopt` makes nothing: its object waits for another one, and says so";
const UNMANAGED: &str = "no manifest can ask for it yet";

/// Maps whose keys are names that somebody chose, not properties.
const MAPS: [&str; 25] = [
    "versions",
    "authorizers",
    "validators",
    "mappings",
    "associations",
    "resources",
    "deployments",
    "stages",
    "resourceMethods",
    "methodResponses",
    "integrationResponses",
    "policies",
    "attached",
    "tags",
    "variables",
    "requestTemplates",
    "responseTemplates",
    "requestParameters",
    "responseParameters",
    "requestModels",
    "responseModels",
    "methodSettings",
    "accessLogSettings",
    "snapshot",
    "roles",
];

/// What nobody can change, as a whole.
const FROZEN: [&str; 4] = [
    "api/deployments/*/snapshot",
    "api/deployments/*/gatewayResponses",
    "api/deployments/*/authorizers",
    "api/deployments/*/validators",
];

/// What is done to a property.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Changed,
    Deleted,
}

/// One change behind the operator's back.
struct Mutation {
    /// In which example.
    base: &'static Base,
    /// What is changed, whatever it is called.
    property: String,
    what: What,
    /// What others wrote.
    theirs: bool,
    /// Where in the tree.
    at: Vec<String>,
    /// All of AWS after it.
    tree: Value,
}

/// Everything that can be changed in a tree, one at a time.
fn mutations(tree: &Value) -> Vec<(String, What, Vec<String>)> {
    let mut all = Vec::new();
    let own = |tags: &Value| tags["stepgate.dev/cluster-uid"] == CLUSTER_UID;
    let account = &tree[ACCOUNT];
    let adopted = |tags: &Value| tags[ADOPTED].is_string();
    let mut objects: Vec<(&str, bool, Vec<String>)> = Vec::new();
    let path = |parts: &[&str]| parts.iter().map(|part| (*part).to_owned()).collect::<Vec<_>>();
    let entries = |value: &Value| value.as_object().cloned().unwrap_or_default();
    for (name, role) in entries(&account["iam"]["roles"]) {
        if own(&role["tags"]) {
            objects.push(("role", adopted(&role["tags"]), path(&[ACCOUNT, "iam", "roles", &name])));
        }
    }
    for (arn, policy) in entries(&account["iam"]["policies"]) {
        if own(&policy["tags"]) {
            objects.push(("policy", false, path(&[ACCOUNT, "iam", "policies", &arn])));
        }
    }
    for (region, found) in entries(&account["regions"]) {
        let kinds = [
            ("machine", "machines"),
            ("api", "apis"),
            ("domain", "domains"),
            ("plan", "usage_plans"),
            ("key", "api_keys"),
            ("log", "log_groups"),
        ];
        for (kind, rooms) in kinds {
            for (id, object) in entries(&found[rooms]) {
                if own(&object["tags"]) {
                    objects.push((kind, adopted(&object["tags"]), path(&[ACCOUNT, "regions", &region, rooms, &id])));
                }
            }
        }
    }
    for (kind, adopted, at) in objects {
        let mut of_it = vec![(kind.to_owned(), What::Deleted, at.clone())];
        let object = at.iter().fold(tree, |value, key| &value[key]);
        walk(kind, &at, object, false, &mut of_it);
        let named = |property: String| if adopted { format!("{PREFIX}{property}") } else { property };
        all.extend(of_it.into_iter().map(|(property, what, at)| (named(property), what, at)));
    }
    all
}

/// The tag of what was not made here.
const ADOPTED: &str = "stepgate.dev/adopted";
/// What its properties are called by.
const PREFIX: &str = "adopted ";

fn walk(property: &str, at: &[String], value: &Value, named: bool, all: &mut Vec<(String, What, Vec<String>)>) {
    let below = |key: &str| [at, &[key.to_owned()]].concat();
    match value {
        _ if FROZEN.contains(&property) => {}
        // Off is off, whatever it says besides.
        _ if property == "machine/form/logging" && value["level"] == "OFF" => {}
        Value::Object(map) if !map.is_empty() => {
            for (key, child) in map {
                let root = property == "api/resources" && child["parentId"].is_null();
                let name = if named && !key.starts_with("stepgate.dev/") { "*" } else { key.as_str() };
                let property = format!("{property}/{name}");
                // AWS refuses to delete it.
                if !root {
                    all.push((property.clone(), What::Deleted, below(key)));
                }
                walk(&property, &below(key), child, MAPS.contains(&key.as_str()) && !named, all);
            }
        }
        Value::Array(list) if !list.is_empty() => {
            for (index, child) in list.iter().enumerate() {
                all.push((format!("{property}/*"), What::Deleted, below(&index.to_string())));
                walk(&format!("{property}/*"), &below(&index.to_string()), child, false, all);
            }
        }
        // Nothing is there that could be deleted.
        _ => all.push((property.to_owned(), What::Changed, at.to_vec())),
    }
}

/// Another value of the same form.
fn other(value: &Value) -> Value {
    match value {
        Value::Bool(is) => json!(!is),
        Value::Number(number) => match number.as_i64() {
            Some(number) => json!(number + 1),
            None => json!(number.as_f64().unwrap_or_default() + 1.0),
        },
        Value::String(text) => match serde_json::from_str::<Value>(text) {
            // A policy or a definition stays one.
            Ok(mut document) if document.is_object() => {
                match document["Statement"].as_array_mut() {
                    Some(statements) => {
                        statements.push(json!({"Sid": "More", "Effect": "Allow", "Action": "s3:*", "Resource": "*"}))
                    }
                    None => document["Comment"] = json!("changed"),
                }
                json!(document.to_string())
            }
            _ => match text.as_str() {
                // AWS knows no third one.
                "AWS_OWNED_KEY" => json!("CUSTOMER_MANAGED_KMS_KEY"),
                "CUSTOMER_MANAGED_KMS_KEY" => json!("AWS_OWNED_KEY"),
                _ => json!(format!("{text}x")),
            },
        },
        Value::Null => json!("changed"),
        Value::Object(_) => json!({"changed": "changed"}),
        Value::Array(_) => json!(["changed"]),
    }
}

/// A child of a value.
fn at(value: &Value, key: &str) -> Value {
    let found = match value {
        Value::Array(list) => key.parse::<usize>().ok().and_then(|index| list.get(index)),
        value => value.get(key),
    };
    found.cloned().unwrap_or_default()
}

/// The tree of an AWS after one change; `None` where it would be as before, or no AWS.
fn mutated(aws: &Memory, before: &Value, what: What, at: &[String]) -> Option<Value> {
    let mut tree = before.clone();
    let (last, parents) = at.split_last()?;
    let parent = parents.iter().fold(&mut tree, |value, key| match value {
        Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
        value => &mut value[key],
    });
    match (what, parent) {
        (What::Deleted, Value::Object(map)) => drop(map.shift_remove(last)),
        (What::Deleted, Value::Array(list)) => drop(list.remove(last.parse().unwrap())),
        (What::Changed, Value::Array(list)) => {
            let index: usize = last.parse().unwrap();
            list[index] = other(&list[index]);
        }
        (What::Changed, parent) => parent[last] = other(&parent[last]),
        _ => return None,
    }
    let mut aws = aws.clone();
    let tree = consistent(before, tree)?;
    // AWS always has it, or knows no other form of it.
    aws.plant(&tree).ok()?;
    let tree = aws.tree();
    (bare(&tree) != bare(before)).then_some(tree)
}

/// With what goes along with what is gone; `None` where AWS keeps it, because a base path leads to it, or it is the version of a policy
/// that counts.
fn consistent(before: &Value, mut tree: Value) -> Option<Value> {
    let mut policies = tree[ACCOUNT]["iam"]["policies"].as_object()?.values();
    if policies.any(|policy| policy["versions"][policy["default"].to_string()].is_null()) {
        return None;
    }
    for (name, region) in tree[ACCOUNT]["regions"].as_object_mut()? {
        let before = &before[ACCOUNT]["regions"][name]["domains"];
        let (apis, keys) = (region["apis"].clone(), region["api_keys"].clone());
        let is = |api: &Value, stage: &Value| {
            let (Some(api), Some(stage)) = (api.as_str(), stage.as_str()) else { return false };
            apis[api]["stages"][stage].is_object()
        };
        for (domain, found) in region["domains"].as_object().into_iter().flatten() {
            let mut mappings = found["mappings"].as_object().into_iter().flatten();
            let held = |path: &str, mapping: &Value| before[domain]["mappings"][path] == *mapping;
            if mappings.any(|(path, one)| held(path, one) && !is(&one["restApiId"], &one["stage"])) {
                return None;
            }
        }
        for plan in region["usage_plans"].as_object_mut().into_iter().flat_map(|plans| plans.values_mut()) {
            if let Some(stages) = plan["apiStages"].as_array_mut() {
                stages.retain(|one| is(&one["apiId"], &one["stage"]));
            }
            if let Some(listed) = plan["keys"].as_array_mut() {
                listed.retain(|id| id.as_str().is_some_and(|id| keys[id].is_object()));
            }
        }
    }
    Some(tree)
}

/// Without what is empty: to have none and to have an empty one is the same.
fn bare(value: &Value) -> Value {
    let empty = |value: &Value| value.is_null() || value.as_object().is_some_and(serde_json::Map::is_empty);
    match value {
        Value::Object(map) => {
            let kept = map.iter().map(|(key, value)| (key.clone(), bare(value))).filter(|(_, value)| !empty(value));
            Value::Object(kept.collect())
        }
        Value::Array(list) => list.iter().map(bare).collect(),
        other => other.clone(),
    }
}

/// Somebody changes one property, or deletes one thing: of those that the operator restores.
pub fn by_hand(aws: &mut Memory, index: proptest::sample::Index) {
    let tree = aws.tree();
    let mut all = mutations(&tree);
    let ours = |property: &str, at: &[String]| !property.starts_with(PREFIX) || at.ends_with(&["stepgate".to_owned()]);
    all.retain(|(property, what, at)| exception(property, *what).is_none() && ours(property, at));
    if all.is_empty() {
        return;
    }
    let (_, what, at) = &all[index.index(all.len())];
    if let Some(tree) = mutated(aws, &tree, *what, at) {
        // It was planted once already.
        let _ = aws.plant(&tree);
    }
}

/// The exception of a change, by its number. What holds for all holds for what is adopted.
fn exception(property: &str, what: What) -> Option<usize> {
    let named = |property: &str| {
        EXCEPTIONS.iter().position(|(excepted, how, _)| match how {
            // Itself only.
            Some(how) => *how == what && property == *excepted,
            None => property.strip_prefix(excepted).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')),
        })
    };
    named(property).or_else(|| named(property.strip_prefix(PREFIX)?))
}

/// An example as it stands, under both policies.
struct Base {
    name: &'static str,
    corrected: Moment,
    reported: Moment,
    /// What others had made that is adopted.
    others: Option<Value>,
}

impl Base {
    fn moment(&self, reports: bool) -> &Moment {
        if reports { &self.reported } else { &self.corrected }
    }

    /// Whether something is as it was before the adoption: what no manifest asks for is, and stays its owner's to change.
    fn is_theirs(&self, before: &Value, path: &[String]) -> bool {
        let value = |tree: &Value| path.iter().fold(tree.clone(), |value, key| at(&value, key));
        self.others.as_ref().is_some_and(|others| !value(others).is_null() && value(others) == value(before))
    }
}

/// What no example has.
const MORE: [&str; 5] =
    ["one with a key", "one with a log", "one with a shared role", "one with a long role", "everything"];

/// Everything that this operator makes, in the examples, on pages, and otherwise.
pub fn scenes() -> impl Iterator<Item = (&'static str, Scene)> {
    let example = |name: &'static str| match name.ends_with(".md") {
        true => (name, Scene::page(name, ALL_DOCS)),
        false => (name, Scene::example(name)),
    };
    let examples = EXAMPLES.into_iter().map(example);
    let more = |name| match name {
        "one with a key" => Scene::example(EXAMPLES[0]).encrypted(),
        "one with a log" => Scene::example("item-api").logged(),
        "one with a shared role" => Scene::example("item-api").sharing(),
        "everything" => coverage::everything(),
        _ => long_role(),
    };
    examples.chain(MORE.into_iter().map(move |name| (name, more(name))))
}

/// A machine whose role needs policies of its own beside the inline one.
fn long_role() -> Scene {
    let arn =
        |n| format!("arn:aws:sqs:us-east-1:{ACCOUNT}:a-queue-with-a-name-that-is-long-enough-to-fill-policies-{n:04}");
    let arns: Vec<_> = (0..110).map(arn).collect();
    let ceiling = json!([{"actions": ["sqs:*"], "resources": ["*"]}]);
    let definition = r#"{"StartAt": "A", "States": {"A": {"Type": "Pass", "End": true}}}"#;
    Scene::of(vec![
        json!({"kind": "AWSAccount", "metadata": {"name": "a"}, "spec": {"accountId": ACCOUNT,
            "regions": [{"name": "us-east-1"}],
            "tenants": [{"name": "all", "namespaces": {"from": "All"}, "ceiling": ceiling}]}}),
        json!({"kind": "StateMachine", "metadata": {"name": "m", "namespace": "team"}, "spec": {"type": "EXPRESS",
            "definition": definition,
            "executionRole": {"statements": [{"actions": ["sqs:SendMessage"], "resources": arns}]}}}),
    ])
}

/// The examples, each once for all tests.
async fn bases() -> Vec<&'static Base> {
    const ALL: usize = EXAMPLES.len() + MORE.len() + 1;
    static BASES: [OnceCell<Base>; ALL] = [const { OnceCell::const_new() }; ALL];
    let mut bases = Vec::new();
    let adopted = || (adoption::PAGE, adoption::page());
    for (base, (name, scene)) in BASES.iter().zip(scenes().chain(std::iter::once_with(adopted))) {
        let made = base.get_or_init(async || {
            let adopts = name == adoption::PAGE;
            let start = if adopts { adoption::others_were_here(&scene).await } else { Moment::first(&scene) };
            let others = adopts.then(|| start.aws.tree());
            let corrected = drive(&start, &scene, None).await.unwrap();
            let reported = drive(&start, &scene.with_drift_policy(DriftPolicy::Report), None).await.unwrap();
            for (id, object) in KINDS.iter().flat_map(|kind| corrected.objects.of(kind)) {
                assert!(is(object, "Ready"), "{name}: {id:?} {}", object["status"]["conditions"]);
            }
            Base { name, corrected, reported, others }
        });
        bases.push(made.await);
    }
    bases
}

/// The new events of a reason: the object that they are about, and what they say.
fn told(before: &Moment, after: &Moment, reason: &str) -> Vec<String> {
    let new = after.objects.events.iter().skip(before.objects.events.len());
    new.filter(|event| event["reason"] == reason)
        .map(|event| format!("{} {}", event["regarding"]["kind"], event["note"]))
        .collect()
}

/// What is wrong with how one change was met.
async fn met(mutation: &Mutation, reports: bool) -> Option<String> {
    let base = mutation.base;
    let before = base.moment(reports);
    let mut aws = before.aws.clone();
    aws.plant(&mutation.tree).unwrap();
    let site = Site::new(aws, before.objects.clone());
    let settled = Operator::start(&site).settle().await;
    let after = Moment::of(&site);
    if let Err(touched) = site.untouched() {
        return Some(touched);
    }
    let lost = exception(&mutation.property, mutation.what);
    let left = after.aws.tree() == mutation.tree;
    if mutation.theirs && left && !reports && lost.is_none() {
        let told = ["DriftDetected", "DriftRepaired"].iter().flat_map(|reason| told(before, &after, reason));
        return told.last().map(|told| format!("is its owner's to change, and told: {told}"));
    }
    if reports {
        // A route that is no longer served says so too.
        let mut told = told(before, &after, "DriftDetected");
        told.retain(|event| !event.starts_with("\"APIRoute\""));
        return match (lost, left) {
            (_, false) => Some(format!("was not left as it is: {:?}", difference(&mutation.tree, &after.aws.tree()))),
            // Whether it is its owner's to change shows where it would be corrected.
            (None, true) if mutation.theirs && told.is_empty() => None,
            (None, true) if told.len() != 1 => Some(format!("is told {} times", told.len())),
            _ => None,
        };
    }
    let remains = difference(&bare(&before.aws.essence()), &bare(&after.aws.essence()));
    match (lost, remains) {
        // Without any tag, what is to be adopted is adopted again; that there are policies beside the inline one is written again.
        (Some(number), _)
            if EXCEPTIONS[number].2 == FOREIGN
                && !mutation.property.starts_with(PREFIX)
                && !mutation.property.ends_with("/policies") =>
        {
            let objects = KINDS.iter().flat_map(|kind| after.objects.of(kind));
            let ready = objects.filter_map(|(_, object)| condition(object, "Ready"));
            let told = ready.filter(|ready| ready["message"].as_str().is_some_and(|says| says.contains("is not ours")));
            match (difference(&mutation.tree, &after.aws.tree()), told.count()) {
                (Some(touched), _) => Some(format!("is touched: {touched}")),
                (None, 0) => Some("is told by nobody".into()),
                _ => None,
            }
        }
        (Some(_), _) => None,
        (None, _) if settled.is_err() => settled.err(),
        (None, Some(remains)) => Some(format!("is not restored: {remains}")),
        (None, None) => {
            let told = told(before, &after, "DriftRepaired");
            let noted = after.objects.essence() != before.objects.essence();
            // A stage takes usage plans' and domains' hold on it along: each object tells of its own.
            let tellers: BTreeSet<&str> = told.iter().filter_map(|event| event.split(' ').next()).collect();
            let goes_along = ["api", "api/stages", "api/stages/*"].iter().any(|one| mutation.property.ends_with(one));
            let most = if goes_along { tellers.len() } else { 1 };
            (told.is_empty() || told.len() != most || !noted)
                .then(|| format!("is told {} times, in lastDrift: {noted}: {}", told.len(), told.join("; ")))
        }
    }
}

/// How many of each property are tried, in different examples as far as there are; `DRIFT_ALL` tries all.
const OF_EACH: usize = 1;

/// Everything that is tried under a policy, one by one: a tree for each at once would be too much.
fn all(bases: Vec<&'static Base>, reports: bool) -> impl Iterator<Item = Mutation> {
    let mut tried: BTreeMap<(String, What, bool), usize> = BTreeMap::new();
    let most = if std::env::var_os("DRIFT_ALL").is_some() { usize::MAX } else { OF_EACH };
    let candidates = bases.into_iter().flat_map(move |base| {
        let before = Rc::new(base.moment(reports).aws.tree());
        mutations(&before).into_iter().map(move |one| (base, Rc::clone(&before), one))
    });
    candidates.filter_map(move |(base, before, (property, what, at))| {
        let theirs = base.is_theirs(&before, &at);
        let count = tried.entry((property.clone(), what, theirs)).or_default();
        if *count >= most {
            return None;
        }
        let tree = mutated(&base.moment(reports).aws, &before, what, &at)?;
        *count += 1;
        Some(Mutation { base, property, what, theirs, at, tree })
    })
}

#[rstest::rstest]
#[case::corrected_1(false, 0)]
#[case::corrected_2(false, 1)]
#[case::reported_1(true, 0)]
#[case::reported_2(true, 1)]
#[tokio::test(start_paused = true)]
async fn every_drift_is_found(#[case] reports: bool, #[case] half: usize) {
    let (mut changes, mut properties, mut kept) = (0, BTreeSet::new(), BTreeSet::new());
    let mut wrong = Vec::new();
    for mutation in all(bases().await, reports).skip(half).step_by(2) {
        if let Some(what) = met(&mutation, reports).await {
            wrong.push(format!("{} {:?} in {}: {what}", mutation.property, mutation.what, mutation.base.name));
        }
        changes += 1;
        if exception(&mutation.property, mutation.what).is_none() {
            kept.insert(mutation.property.clone());
        }
        properties.insert(mutation.property);
    }
    println!("{} of {} properties are kept; {changes} changes in all", kept.len(), properties.len());
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// Whose owner tags are edited is another's from then on: it stays as it is when its manifest changes, and when that goes, also
/// where no check reads the tags.
#[tokio::test(start_paused = true)]
async fn what_has_another_owner_tag_is_left_alone_whatever_its_manifest_does() {
    const TAGS: [(&str, What); 3] = [
        ("tags/stepgate.dev/cluster-uid", What::Changed),
        ("tags/stepgate.dev/cluster-uid", What::Deleted),
        ("tags/stepgate.dev/name", What::Changed),
    ];
    let scenes: BTreeMap<_, _> = scenes().collect();
    let (mut tried, mut wrong) = (BTreeSet::new(), Vec::new());
    for mutation in all(bases().await, false) {
        let Mutation { property, what, at, tree, base, .. } = &mutation;
        let Some((kind, tag)) = property.split_once('/').filter(|(_, tag)| TAGS.contains(&(*tag, *what))) else {
            continue;
        };
        if kind.starts_with(PREFIX) {
            continue;
        }
        tried.insert((kind.to_owned(), tag.to_owned(), *what));
        let object = |tree: &Value| at[..at.len() - 2].iter().fold(tree.clone(), |value, key| self::at(&value, key));
        let scene = &scenes[base.name];
        for (then, wanted) in [("changes", scene.changed()), ("goes", scene.gone())] {
            let mut aws = base.corrected.aws.clone();
            aws.plant(tree).unwrap();
            let site = Site::new(aws, base.corrected.objects.clone());
            site.aws.with(Memory::reset_counts);
            wanted.apply(&site.server);
            // What depends on it may wait for good.
            let _ = Operator::start(&site).settle().await;
            let after = Moment::of(&site);
            let told = KINDS.iter().flat_map(|kind| after.objects.of(kind)).any(|(_, object)| {
                condition(object, "Ready").is_some_and(|ready| ready["message"].to_string().contains("is not ours"))
            });
            let [mut before, mut now] = [tree, &after.aws.tree()].map(object);
            if kind == "plan" {
                // With stages and keys that are ours, AWS takes them out of it.
                for plan in [&mut before, &mut now] {
                    ["apiStages", "keys"].iter().for_each(|part| drop(plan[*part].take()));
                }
                let calls = ["UpdateUsagePlan", "DeleteUsagePlanKey", "CreateUsagePlanKey"];
                let count = |call: &str| after.aws.counts().get(&(Service::ApiGateway, call.to_owned())).cloned();
                let counts = calls.map(|call| count(call).map_or(0, |count| count.done));
                if counts != [0; 3] {
                    wrong.push(format!("{property} {what:?}, {then}: {calls:?} are called {counts:?} times"));
                }
            }
            let what = match difference(&before, &now) {
                Some(touched) => Some(format!("is touched: {touched}")),
                // A key that is another's is replaced like one that is gone.
                None if then == "changes" && !told && kind != "key" => Some("is told by nobody".to_owned()),
                None => None,
            };
            wrong.extend(what.map(|what| format!("{property} {:?} in {}, {then}: {what}", mutation.what, base.name)));
        }
    }
    assert_eq!(tried.len(), 8 * TAGS.len(), "{tried:?}");
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong.join("\n"));
}

/// The tree holds all that the AWS in memory holds: a room that is not in it would be in no matrix.
#[tokio::test(start_paused = true)]
async fn the_tree_is_complete() {
    for base in bases().await {
        let mut planted = base.corrected.aws.clone();
        planted.plant(&base.corrected.aws.tree()).unwrap();
        assert_eq!(difference(&base.corrected.aws.essence(), &planted.essence()), None);
        assert_eq!(planted.tree(), base.corrected.aws.tree());
    }
}

/// An exception that excepts nothing, or what is restored, is stale.
#[tokio::test(start_paused = true)]
async fn no_exception_is_stale() {
    let mut restored = [None; EXCEPTIONS.len()];
    for mutation in all(bases().await, false) {
        let Some(number) = exception(&mutation.property, mutation.what) else { continue };
        if restored[number] == Some(false) {
            continue;
        }
        let before = &mutation.base.corrected;
        let mut aws = before.aws.clone();
        aws.plant(&mutation.tree).unwrap();
        let site = Site::new(aws, before.objects.clone());
        let _ = Operator::start(&site).settle().await;
        // What the operator writes has another date: only the property itself counts.
        let value = |tree: Value| mutation.at.iter().fold(tree, |value, key| at(&value, key));
        restored[number] = Some(value(before.aws.tree()) == value(site.aws.with(|memory| memory.tree())));
    }
    let stale: Vec<String> = EXCEPTIONS
        .iter()
        .zip(restored)
        .filter_map(|((property, ..), restored)| match restored {
            None => Some(format!("{property}: there is no such property")),
            Some(true) => Some(format!("{property}: it is restored")),
            Some(false) => None,
        })
        .collect();
    assert!(stale.is_empty(), "{}", stale.join("\n"));
}

/// What has our tags is in the matrix, whatever it is.
#[tokio::test(start_paused = true)]
async fn everything_of_ours_is_in_the_matrix() {
    fn ours(at: &[String], value: &Value, found: &mut Vec<Vec<String>>) {
        if value["tags"]["stepgate.dev/cluster-uid"] == CLUSTER_UID {
            found.push(at.to_vec());
        }
        for (key, child) in value.as_object().into_iter().flatten() {
            ours(&[at, std::slice::from_ref(key)].concat(), child, found);
        }
    }
    for base in bases().await {
        let tree = base.corrected.aws.tree();
        let (mut found, all) = (Vec::new(), mutations(&tree));
        ours(&[], &tree, &mut found);
        assert!(!found.is_empty());
        for at in found {
            assert!(all.iter().any(|(_, what, of)| *of == at && *what == What::Deleted), "{}: {at:?}", base.name);
        }
    }
}

#[test]
fn every_example_is_in_the_matrix() {
    let names: BTreeSet<_> = Scene::names().into_iter().collect();
    let examples = EXAMPLES.iter().filter(|name| !name.ends_with(".md"));
    assert_eq!(names, examples.map(|name| (*name).to_owned()).collect());
}
