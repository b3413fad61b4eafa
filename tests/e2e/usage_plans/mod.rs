//! UsagePlans, from docs/usage-plans.md: the emulator asks for keys, so that what opens and what does not is seen. It throttles
//! nothing and counts no quota: of those, what is in AWS is compared.

mod accounts;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use k8s_openapi::api::core::v1::Secret;
use serde_json::{Value, json};
use stepgate::api::CHECK;
use stepgate_testbed::Request;

use crate::cloud::{Cloud, replace};
use crate::support::{Namespace, PATIENCE, eventually, machine, page, rest_api, route};

const PARTNER: &str = "choose-a-long-random-value-of-your-own";
const OTHER: &str = "another-long-random-value-of-your-own";

/// The status of a call with a key.
async fn status(url: &str, key: Option<&str>) -> u16 {
    let mut headers = vec![("Content-Type".to_owned(), "application/json".to_owned())];
    headers.extend(key.map(|key| ("X-API-Key".to_owned(), key.to_owned())));
    let request =
        Request { method: "POST".into(), url: url.into(), headers, body: Some("{}".into()), ..Request::default() };
    request.send().await.unwrap().status
}

async fn answers(url: &str, key: &str, expected: u16) {
    eventually(&format!("a call is answered with {expected}"), PATIENCE, async || match status(url, Some(key)).await {
        found if found == expected => Ok(()),
        found => Err(found.to_string()),
    })
    .await;
}

async fn url(ns: &Namespace, route: &str) -> String {
    ns.get(&format!("apiroute/{route}")).await["status"]["url"].as_str().unwrap().to_owned()
}

/// A value in a Secret.
async fn secret(ns: &Namespace, name: &str, key: &str) -> Option<String> {
    let found = ns.find(&format!("secret/{name}")).await?;
    let found: Secret = serde_json::from_value(found).unwrap();
    String::from_utf8(found.data?.remove(key)?.0).ok()
}

/// The names and ids of the keys in a plan.
async fn keys(aws: &Cloud, plan: &str) -> BTreeSet<(String, String)> {
    let found = aws.apigateway.get_usage_plan_keys().usage_plan_id(plan).send().await.unwrap();
    found.items.unwrap_or_default().into_iter().map(|key| (key.name.unwrap(), key.id.unwrap())).collect()
}

/// `api:stage` of a plan.
async fn stages(aws: &Cloud, plan: &str) -> BTreeSet<String> {
    let found = aws.apigateway.get_usage_plan().usage_plan_id(plan).send().await.unwrap();
    let stage = |one: aws_sdk_apigateway::types::ApiStage| format!("{}:{}", one.api_id.unwrap(), one.stage.unwrap());
    found.api_stages.unwrap_or_default().into_iter().map(stage).collect()
}

fn plan(name: &str, spec: &Value) -> String {
    json!({"apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": name}, "spec": spec})
        .to_string()
}

fn with_secret(name: &str, value: &str) -> String {
    format!("---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}}}\nstringData: {{value: {value}}}\n---\n")
}

async fn id(ns: &Namespace, plan: &str) -> String {
    ns.get(&format!("usageplan/{plan}")).await["status"]["usagePlanId"].as_str().unwrap().to_owned()
}

/// A client that calls all the time with the key that it was given last.
struct Client {
    key: Arc<Mutex<String>>,
    answers: Arc<Mutex<Vec<u16>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Client {
    fn start(url: String, key: &str) -> Self {
        let key = Arc::new(Mutex::new(key.to_owned()));
        let answers = Arc::new(Mutex::new(Vec::new()));
        let (now, seen) = (Arc::clone(&key), Arc::clone(&answers));
        let task = tokio::spawn(async move {
            loop {
                let key = now.lock().unwrap().clone();
                let answer = status(&url, Some(&key)).await;
                seen.lock().unwrap().push(answer);
            }
        });
        Self { key, answers, task }
    }

    fn takes_up(&self, key: &str) {
        key.clone_into(&mut self.key.lock().unwrap());
    }

    /// What it was answered so far.
    fn calls(&self) -> Vec<u16> {
        self.answers.lock().unwrap().clone()
    }
}

#[tokio::test]
async fn keys_open_a_route_and_are_replaced_while_calls_go_on() {
    let ns = Namespace::new("usage-plans").await;
    let manifests = page("docs/usage-plans.md");
    ns.apply(&manifests).await;
    ns.ready(&["restapi/orders", "apiroute/place-order", "usageplan/gold"]).await;
    let url = url(&ns, "place-order").await;
    let made_up = secret(&ns, "web-key", "value").await.unwrap();
    assert_eq!(made_up.len(), 40, "{made_up}");
    assert_eq!(status(&url, None).await, 403);
    assert_eq!(status(&url, Some(OTHER)).await, 403);
    answers(&url, PARTNER, 200).await;
    answers(&url, &made_up, 200).await;

    // What there is in AWS.
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let plan_id = id(&ns, "gold").await;
    let api = ns.get("restapi/orders").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let found = aws.apigateway.get_usage_plan().usage_plan_id(&plan_id).send().await.unwrap();
    assert_eq!(found.name(), Some("usage-plans_gold"));
    let (throttle, quota) = (found.throttle().unwrap(), found.quota().unwrap());
    assert_eq!((throttle.rate_limit(), throttle.burst_limit(), quota.limit()), (100.0, 50, 10_000));
    let of_method = found.api_stages()[0].throttle().unwrap();
    assert_eq!(of_method["/orders/POST"].rate_limit().to_string(), "2.5");
    let tags = found.tags().unwrap();
    assert_eq!((tags["cost-center"].as_str(), tags["stepgate.dev/name"].as_str()), ("4711", "gold"));
    let before = keys(&aws, &plan_id).await;
    let names: Vec<&str> = before.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["usage-plans_gold_partner", "usage-plans_gold_web"]);

    // Another value: a client that goes on with the old one and takes up the new one in time is always let in.
    let client = Client::start(url.clone(), PARTNER);
    ns.apply(&with_secret("partner-key", OTHER)).await;
    answers(&url, OTHER, 200).await;
    let ends = ns
        .eventually("usageplan/gold", "says when the old one ends", async |found| {
            let keys = found.ok_or("is not there")?["status"]["apiKeys"].as_array().cloned().unwrap_or_default();
            let ending = keys.iter().find(|key| key["name"] == "partner" && key["endsAt"].is_string());
            if keys.len() == 3 { ending.cloned().ok_or(format!("{keys:?}")) } else { Err(format!("{keys:?}")) }
        })
        .await;
    assert!(before.iter().any(|(_, id)| ends["id"] == **id), "{ends}");
    ns.ready(&["usageplan/gold"]).await;
    assert_eq!(status(&url, Some(PARTNER)).await, 200, "both work");
    client.takes_up(OTHER);
    let so_far = client.calls().len();
    eventually("the client took it up", PATIENCE, async || {
        if client.calls().len() > so_far + 2 { Ok(()) } else { Err("it waits".into()) }
    })
    .await;
    // The grace period is over.
    ns.patch("usageplan/gold", json!({"spec": {"rotationGracePeriod": "0s"}})).await;
    answers(&url, PARTNER, 403).await;
    ns.ready(&["usageplan/gold"]).await;
    let calls = client.calls();
    client.task.abort();
    assert!(calls.len() > 4 && calls.iter().all(|answer| *answer == 200), "{calls:?}");
    assert_eq!(keys(&aws, &plan_id).await.len(), 2);

    // The same of one that is made up: whoever deletes it asks for another.
    // Secrets are watched apart from plans: one that goes may be seen before the plan's change.
    ns.patch("usageplan/gold", json!({"spec": {"rotationGracePeriod": "1h"}})).await;
    ns.ready(&["usageplan/gold"]).await;
    ns.delete("secret/web-key").await;
    let next = ns
        .eventually("secret/web-key", "is made again", async |_| {
            let value = secret(&ns, "web-key", "value").await.ok_or("is not there")?;
            if value == made_up { Err("is the old one".to_owned()) } else { Ok(value) }
        })
        .await;
    answers(&url, &next, 200).await;
    assert_eq!(status(&url, Some(&made_up)).await, 200);

    // Switched off, and taken off the list: a replaced one too, and at once.
    ns.apply(&manifests.replace("  - name: web\n", "  - name: web\n    enabled: false\n")).await;
    for key in [&next, &made_up] {
        answers(&url, key, 403).await;
    }
    let (head, rest) = manifests.split_once("  - name: web\n").unwrap();
    let (_, tail) = rest.split_once("  rotationGracePeriod").unwrap();
    ns.apply(&format!("{head}  rotationGracePeriod{tail}")).await;
    ns.eventually("usageplan/gold", "has no such key", async |_| {
        let keys = keys(&aws, &plan_id).await;
        let gone = keys.iter().all(|(name, _)| name == "usage-plans_gold_partner");
        if gone { Ok(()) } else { Err(format!("{keys:?}")) }
    })
    .await;

    // Nothing tells a value.
    ns.ready(&["usageplan/gold"]).await;
    let told = [
        ns.get("usageplan/gold").await.to_string(),
        ns.events("usageplan/gold").await.join("\n"),
        std::fs::read_to_string(ns.suite.operator.log_path()).unwrap(),
        ns.suite.operator.metrics().await.unwrap(),
    ];
    for (text, value) in told.iter().flat_map(|text| [PARTNER, OTHER, &made_up, &next].map(|value| (text, value))) {
        assert!(!text.contains(value), "{value} is told");
    }

    // It goes, and all of it.
    assert_eq!(stages(&aws, &plan_id).await, BTreeSet::from([format!("{api}:prod")]));
    ns.delete("usageplan/gold").await;
    ns.gone("usageplan/gold").await;
    answers(&url, PARTNER, 403).await;
    assert!(aws.apigateway.get_usage_plan().usage_plan_id(&plan_id).send().await.is_err());
    let left = aws.apigateway.get_api_keys().name_query("usage-plans_").send().await.unwrap();
    assert_eq!(left.items().len(), 0);
    ns.gone("secret/web-key").await;
}

#[tokio::test]
async fn a_plan_is_changed_in_place_and_put_back() {
    let ns = Namespace::new("usage-plans-drift").await;
    let spec = json!({
        "apiStages": [{"apiRef": {"name": "api"}, "stage": "prod"}],
        "apiKeys": [{"name": "a", "secretKeyRef": {"name": "key", "key": "value"}}],
        "quota": {"limit": 5, "period": "DAY"},
    });
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
    ns.apply(&[manifests, with_secret("key", "usage-plans-drift-value-1"), plan("it", &spec)].concat()).await;
    ns.ready(&["usageplan/it"]).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = id(&ns, "it").await;
    let get = async || aws.apigateway.get_usage_plan().usage_plan_id(&id).send().await.unwrap();

    let mut more = spec.clone();
    more["throttle"] = json!({"rateLimit": 0.5, "burstLimit": 1});
    more["quota"] = json!({"limit": 9, "offset": 3, "period": "WEEK"});
    more["apiStages"][0]["methodThrottle"] =
        json!([{"path": "/say", "method": "POST", "rateLimit": 3, "burstLimit": 4}]);
    more["tags"] = json!({"team": "a"});
    ns.apply(&plan("it", &more)).await;
    ns.ready(&["usageplan/it"]).await;
    let found = get().await;
    assert_eq!(found.throttle().unwrap().rate_limit().to_string(), "0.5");
    let quota = found.quota().unwrap();
    assert_eq!((quota.limit(), quota.offset(), quota.period().unwrap().as_str()), (9, 3, "WEEK"));
    assert_eq!(found.api_stages()[0].throttle().unwrap()["/say/POST"].burst_limit(), 4);
    assert_eq!(found.tags().unwrap()["team"], "a");

    ns.apply(&plan("it", &spec)).await;
    ns.ready(&["usageplan/it"]).await;
    let found = get().await;
    assert!(found.throttle().is_none() && !found.tags().unwrap().contains_key("team"), "{found:?}");
    assert!(found.api_stages()[0].throttle().is_none_or(|map| map.is_empty()), "{found:?}");
    assert_eq!(found.quota().unwrap().limit(), 5);

    // Behind the operator's back: the plan, what is in it, and a key.
    ns.settled(&["usageplan/it"]).await;
    let theirs = aws.apigateway.create_api_key().name("somebody-s").value("somebody-s-own-value-00").enabled(true);
    let theirs = theirs.send().await.unwrap().id.unwrap();
    let attach = aws.apigateway.create_usage_plan_key().usage_plan_id(&id).key_id(&theirs).key_type("API_KEY");
    attach.send().await.unwrap();
    let own = keys(&aws, &id).await.into_iter().find(|(name, _)| name.ends_with("_it_a")).unwrap().1;
    let off = aws.apigateway.update_api_key().api_key(&own).patch_operations(replace("/enabled", "false"));
    off.send().await.unwrap();
    let update = aws.apigateway.update_usage_plan().usage_plan_id(&id).patch_operations(replace("/quota/limit", "7"));
    update.send().await.unwrap();
    ns.patch("usageplan/it", json!({"metadata": {"annotations": {CHECK: "1"}}})).await;
    ns.event("usageplan/it", "DriftRepaired").await;
    ns.eventually("usageplan/it", "is put back", async |_| {
        let (found, keys) = (get().await, keys(&aws, &id).await);
        let key = aws.apigateway.get_api_key().api_key(&own).send().await.unwrap();
        let back = found.quota().unwrap().limit() == 5 && keys.len() == 1 && key.enabled();
        if back { Ok(()) } else { Err(format!("{found:?} {keys:?}")) }
    })
    .await;
    assert!(aws.apigateway.get_api_key().api_key(&theirs).send().await.is_ok(), "it is theirs, and stays");
    aws.apigateway.delete_api_key().api_key(&theirs).send().await.unwrap();

    // Only told.
    ns.patch("usageplan/it", json!({"spec": {"driftPolicy": "Report"}})).await;
    ns.ready(&["usageplan/it"]).await;
    let update = aws.apigateway.update_usage_plan().usage_plan_id(&id).patch_operations(replace("/quota/limit", "7"));
    update.send().await.unwrap();
    ns.patch("usageplan/it", json!({"metadata": {"annotations": {CHECK: "told"}}})).await;
    ns.condition("usageplan/it", "Ready", "False", "Drifted").await;
    assert_eq!(get().await.quota().unwrap().limit(), 7);

    // Paused: another value is not taken up, and said.
    ns.patch("usageplan/it", json!({"metadata": {"annotations": {"stepgate.dev/paused": "true"}}})).await;
    // Secrets are watched apart from plans: a new value may be seen before the pause.
    ns.condition("usageplan/it", "Ready", "False", "Paused").await;
    ns.apply(&with_secret("key", "usage-plans-drift-value-2")).await;
    let message = ns
        .eventually("usageplan/it", "says what it would do", async |found| {
            let ready = crate::support::condition(found.ok_or("is not there")?, "Ready").ok_or("has no status")?;
            if ready.message.contains("create API key") { Ok(ready.message) } else { Err(ready.to_string()) }
        })
        .await;
    assert!(message.starts_with("Paused by annotation stepgate.dev/paused; without it:"), "{message}");
    assert!(!message.contains("usage-plans-drift-value"), "{message}");
    ns.patch("usageplan/it", json!({"metadata": {"annotations": {"stepgate.dev/paused": null}}})).await;
    ns.ready(&["usageplan/it"]).await;

    // Left to AWS, and taken back.
    ns.patch("usageplan/it", json!({"spec": {"deletionPolicy": "Retain"}})).await;
    ns.ready(&["usageplan/it"]).await;
    ns.delete("usageplan/it").await;
    ns.gone("usageplan/it").await;
    let tags = get().await.tags.unwrap_or_default();
    assert!(tags.contains_key("stepgate.dev/released-from") && !tags.contains_key("stepgate.dev/name"), "{tags:?}");
    ns.apply(&plan("it", &spec)).await;
    ns.ready(&["usageplan/it"]).await;
    assert_eq!(self::id(&ns, "it").await, id);
    assert!(keys(&aws, &id).await.iter().any(|(_, found)| *found != own), "{own}");
}

#[tokio::test]
async fn a_plan_that_is_left_in_aws_keeps_its_keys_and_is_taken_back_with_them() {
    let ns = Namespace::new("usage-plans-kept").await;
    let value = "usage-plans-kept-value-1";
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
    let manifests = manifests.replace("{type: NONE}", "{type: NONE, apiKeyRequired: true}");
    let spec = json!({
        "apiStages": [{"apiRef": {"name": "api"}, "stage": "prod"}],
        "apiKeys": [
            {"name": "own", "secretKeyRef": {"name": "key", "key": "value"}},
            {"name": "made", "generate": {"secretName": "made", "key": "value"}},
        ],
        "deletionPolicy": "Retain",
    });
    ns.apply(&[manifests, with_secret("key", value), plan("it", &spec)].concat()).await;
    ns.ready(&["restapi/api", "apiroute/say", "usageplan/it"]).await;
    let (url, made_up) = (url(&ns, "say").await, secret(&ns, "made", "value").await.unwrap());
    let opens = async |expected: u16| {
        for key in [value, &made_up] {
            answers(&url, key, expected).await;
        }
    };
    opens(200).await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = id(&ns, "it").await;
    let before = keys(&aws, &id).await;
    assert_eq!(before.len(), 2);
    let tags =
        async |key: &str| aws.apigateway.get_api_key().api_key(key).send().await.unwrap().tags.unwrap_or_default();
    let plan_tags =
        async || aws.apigateway.get_usage_plan().usage_plan_id(&id).send().await.unwrap().tags.unwrap_or_default();
    let is_released = |tags: &std::collections::HashMap<String, String>| {
        let owner = ["stepgate.dev/cluster-uid", "stepgate.dev/namespace", "stepgate.dev/name"];
        assert!(
            tags.contains_key("stepgate.dev/released-from") && owner.iter().all(|tag| !tags.contains_key(*tag)),
            "{tags:?}"
        );
    };

    ns.delete("usageplan/it").await;
    ns.gone("usageplan/it").await;
    // As the page says: a Secret that was generated goes all the same.
    ns.gone("secret/made").await;
    opens(200).await;
    assert_eq!((keys(&aws, &id).await, stages(&aws, &id).await.len()), (before.clone(), 1));
    is_released(&plan_tags().await);
    for (_, key) in &before {
        is_released(&tags(key).await);
    }

    // It is nobody else's to have.
    let mut other = spec.clone();
    other["apiKeys"] = json!([{"name": "own", "secretKeyRef": {"name": "key", "key": "value"}}]);
    ns.apply(&plan("other", &other)).await;
    let message = ns.stalled("usageplan/other", "OwnershipConflict").await;
    assert!(message.contains("has an API key with this value") && message.contains("not this object's"), "{message}");
    assert_eq!(keys(&aws, &id).await, before);
    ns.patch("usageplan/other", json!({"spec": {"deletionPolicy": "Delete"}})).await;
    ns.delete("usageplan/other").await;
    ns.gone("usageplan/other").await;
    opens(200).await;

    // The same object takes it back with its keys; the value of the Secret that is gone is read from AWS into a new one.
    ns.apply(&plan("it", &spec)).await;
    ns.ready(&["usageplan/it"]).await;
    assert_eq!(self::id(&ns, "it").await, id);
    opens(200).await;
    assert!(secret(&ns, "made", "value").await.unwrap() == made_up, "another value was made up");
    let now = keys(&aws, &id).await;
    assert_eq!(now, before);
    let whole =
        [plan_tags().await].into_iter().chain(futures::future::join_all(now.iter().map(|(_, key)| tags(key))).await);
    for tags in whole {
        assert!(!tags.contains_key("stepgate.dev/released-from") && tags["stepgate.dev/name"] == "it", "{tags:?}");
    }
    let shown = ns.get("usageplan/it").await["status"]["apiKeys"].as_array().cloned().unwrap_or_default();
    assert!(shown.len() == 2 && shown.iter().all(|key| key["endsAt"].is_null()), "{shown:?}");

    // Not retained, all of it goes.
    ns.patch("usageplan/it", json!({"spec": {"deletionPolicy": "Delete"}})).await;
    ns.delete("usageplan/it").await;
    ns.gone("usageplan/it").await;
    opens(403).await;
    assert!(aws.apigateway.get_usage_plan().usage_plan_id(&id).send().await.is_err());
    let left = aws.apigateway.get_api_keys().name_query("usage-plans-kept_").send().await.unwrap();
    assert_eq!(left.items().len(), 0);
}

#[tokio::test]
async fn the_owner_of_an_api_says_whose_plans_may_name_its_stages() {
    let platform = Namespace::new("usage-plans-platform").await;
    let team = Namespace::new("usage-plans-team").await;
    let manifests = [machine("say", "hello"), rest_api("api"), route("say", "/say", "say")].concat();
    platform.apply(&manifests.replace("{type: NONE}", "{type: NONE, apiKeyRequired: true}")).await;
    platform.ready(&["restapi/api", "apiroute/say"]).await;
    let url = url(&platform, "say").await;
    let value = "usage-plans-team-value-1";
    let spec = json!({
        "apiStages": [{"apiRef": {"name": "api", "namespace": platform.name}, "stage": "prod"}],
        "apiKeys": [{"name": "a", "secretKeyRef": {"name": "key", "key": "value"}}],
    });

    // Not without its owner, and without a Secret not at all.
    team.apply(&plan("it", &spec)).await;
    let refused = "spec.apiStages[0].apiRef: RestAPI usage-plans-platform/api admits of UsagePlans only those of its own namespace; its owner must add namespace usage-plans-team to spec.allowedUsagePlans.namespaces";
    assert_eq!(team.stalled("usageplan/it", "NotAllowed").await, refused);
    let allow = |from: &str| json!({"spec": {"allowedUsagePlans": {"namespaces": {"from": from}}}});
    platform.patch("restapi/api", allow("All")).await;
    let message = team.condition("usageplan/it", "Reconciling", "True", "WaitingForReference").await;
    assert_eq!(message, "spec.apiKeys[a].secretKeyRef: Secret usage-plans-team/key does not exist");
    team.apply(&with_secret("key", "short")).await;
    let message = team.stalled("usageplan/it", "InvalidSpec").await;
    assert_eq!(message, "spec.apiKeys[a].secretKeyRef: AWS takes 20 to 128 characters as the value of an API key");
    team.apply(&with_secret("key", value)).await;
    team.ready(&["usageplan/it"]).await;
    answers(&url, value, 200).await;
    let aws = Cloud::new(team.suite.testbed.aws_endpoint());
    let id = id(&team, "it").await;
    assert_eq!(stages(&aws, &id).await.len(), 1);

    // A Secret that goes takes nothing down.
    team.delete("secret/key").await;
    team.condition("usageplan/it", "Ready", "False", "LastKnownGood").await;
    assert_eq!(status(&url, Some(value)).await, 200);
    team.apply(&with_secret("key", value)).await;
    team.ready(&["usageplan/it"]).await;

    // Withdrawn: it opens nothing any more, whatever else is wrong with the plan.
    team.delete("secret/key").await;
    platform.patch("restapi/api", allow("Same")).await;
    answers(&url, value, 403).await;
    assert_eq!(team.stalled("usageplan/it", "NotAllowed").await, refused);
    assert!(stages(&aws, &id).await.is_empty());
    team.apply(&with_secret("key", value)).await;
    platform.patch("restapi/api", allow("All")).await;
    team.ready(&["usageplan/it"]).await;
    answers(&url, value, 200).await;

    // An API goes without asking plans, and its stages are in none then.
    for object in ["apiroute/say", "restapi/api"] {
        platform.delete(object).await;
        platform.gone(object).await;
    }
    let message = team.condition("usageplan/it", "Reconciling", "True", "WaitingForReference").await;
    assert!(message.contains("RestAPI usage-plans-platform/api"), "{message}");
    assert!(stages(&aws, &id).await.is_empty());
    team.delete("usageplan/it").await;
    team.gone("usageplan/it").await;
}

#[tokio::test]
async fn a_key_in_two_plans_has_one_owner() {
    let ns = Namespace::new("usage-plans-shared").await;
    let api = |name: &str| {
        let route = route(&format!("say-{name}"), "/say", "say")
            .replace("apiRef: {name: api}", &format!("apiRef: {{name: {name}}}"));
        rest_api(name) + &route.replace("{type: NONE}", "{type: NONE, apiKeyRequired: true}")
    };
    let value = "usage-plans-shared-value-1";
    let of =
        |api: &str, key: Value| json!({"apiStages": [{"apiRef": {"name": api}, "stage": "prod"}], "apiKeys": [key]});
    let gold = of("one", json!({"name": "a", "secretKeyRef": {"name": "key", "key": "value"}}));
    let silver = of("two", json!({"name": "b", "from": {"usagePlan": "gold", "key": "a"}}));
    let plans = [plan("silver", &silver), "\n---\n".into(), plan("gold", &gold)].concat();
    ns.apply(&[machine("say", "hello"), api("one"), api("two"), with_secret("key", value), plans].concat()).await;
    ns.ready(&["usageplan/gold", "usageplan/silver", "apiroute/say-one", "apiroute/say-two"]).await;
    let (one, two) = (url(&ns, "say-one").await, url(&ns, "say-two").await);
    for url in [&one, &two] {
        answers(url, value, 200).await;
    }
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let named = aws.apigateway.get_api_keys().name_query("usage-plans-shared_").send().await.unwrap();
    assert_eq!(named.items().len(), 1, "AWS has each value once");

    // Replaced in both, and the old one works in both meanwhile.
    let next = "usage-plans-shared-value-2";
    ns.apply(&with_secret("key", next)).await;
    for url in [&one, &two] {
        answers(url, next, 200).await;
        assert_eq!(status(url, Some(value)).await, 200);
    }

    // It is not taken from another plan.
    ns.delete("usageplan/gold").await;
    let message = ns.condition("usageplan/gold", "Reconciling", "True", "DeletionBlocked").await;
    assert!(message.starts_with("UsagePlan usage-plans-shared/silver has a key from this one"), "{message}");
    answers(&two, next, 200).await;
    ns.delete("usageplan/silver").await;
    ns.gone("usageplan/silver").await;
    ns.gone("usageplan/gold").await;
}

#[tokio::test]
async fn what_is_somebody_else_s_is_left_alone() {
    let ns = Namespace::new("usage-plans-taken").await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let value = "usage-plans-taken-value-1";
    let theirs = aws.apigateway.create_api_key().name("usage-plans-taken_it_a").value(value).enabled(false);
    let theirs = theirs.send().await.unwrap().id.unwrap();
    let it = plan("it", &json!({"apiKeys": [{"name": "a", "secretKeyRef": {"name": "key", "key": "value"}}]}));
    ns.apply(&[with_secret("key", value), it].concat()).await;
    let message = ns.stalled("usageplan/it", "OwnershipConflict").await;
    assert_eq!(
        message,
        "spec.apiKeys[a]: account 000000000000 has an API key with this value in Region us-east-1 already, which is not this object's; choose another value"
    );
    assert!(!aws.apigateway.get_api_key().api_key(&theirs).send().await.unwrap().enabled(), "it was not touched");
    ns.apply(&with_secret("key", "usage-plans-taken-value-2")).await;
    ns.ready(&["usageplan/it"]).await;

    // A Secret that was not made for it.
    ns.apply(&with_secret("taken", "theirs")).await;
    ns.apply(&plan("it", &json!({"apiKeys": [{"name": "a", "generate": {"secretName": "taken", "key": "value"}}]})))
        .await;
    let message = ns.stalled("usageplan/it", "OwnershipConflict").await;
    assert!(
        message.starts_with("spec.apiKeys[a].generate.secretName: Secret taken exists and was not made for this"),
        "{message}"
    );
    assert_eq!(secret(&ns, "taken", "value").await.as_deref(), Some("theirs"));
    ns.delete("usageplan/it").await;
    ns.gone("usageplan/it").await;
    assert!(aws.apigateway.get_api_key().api_key(&theirs).send().await.is_ok());
    aws.apigateway.delete_api_key().api_key(&theirs).send().await.unwrap();
}

/// RBAC lets the operator write every Secret: an admission policy of the chart takes the others away again.
#[tokio::test]
async fn the_operator_can_write_no_other_secret() {
    let ns = Namespace::new("usage-plans-operator").await;
    ns.apply(&with_secret("theirs", "theirs")).await;
    let as_operator = |arguments: &[&str]| {
        let operator = "--as=system:serviceaccount:stepgate-system:stepgate";
        [&["-n", ns.name.as_str(), operator][..], arguments].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let owned = r#"{"metadata":{"ownerReferences":[{"apiVersion":"stepgate.dev/v1alpha1","kind":"UsagePlan","name":"a","uid":"b"}]}}"#;
    for (arguments, says) in [
        (as_operator(&["create", "secret", "generic", "new"]), "makes Secrets only for UsagePlans"),
        (as_operator(&["patch", "secret", "theirs", "-p", r#"{"stringData":{"value":"2"}}"#]), "makes Secrets only"),
        (as_operator(&["patch", "secret", "theirs", "-p", owned]), "changes only Secrets that it made"),
    ] {
        let refused = ns.suite.testbed.kubectl(arguments).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    assert_eq!(secret(&ns, "theirs", "value").await.as_deref(), Some("theirs"));
}
