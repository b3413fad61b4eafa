//! What a stage is beside what it serves: made as docs/stages.md has it, repaired, and taken back.

use aws_sdk_apigateway::types::Stage;
use serde_json::{Value, json};

use crate::cloud::{Cloud, replace};
use crate::support::{Namespace, page, rest_api};

/// The stage `prod`, by the SDK.
async fn prod(aws: &Cloud, api: &str) -> Stage {
    let stages = aws.apigateway.get_stages().rest_api_id(api).send().await.unwrap().item.unwrap_or_default();
    stages.into_iter().find(|stage| stage.stage_name() == Some("prod")).expect("no stage prod")
}

async fn log_groups(ns: &Namespace) -> Vec<Value> {
    let found = ns.aws("logs", "DescribeLogGroups", json!({"logGroupNamePrefix": "/stepgate/"})).await;
    let of_api = format!("/{}/api/prod", ns.name);
    let groups = found["logGroups"].as_array().cloned().unwrap_or_default();
    groups.into_iter().filter(|group| group["logGroupName"].as_str().unwrap().ends_with(&of_api)).collect()
}

/// As the page asks; an error says what is not.
fn as_asked(stage: &Stage, group: &str) -> Result<(), String> {
    let all = stage.method_settings().and_then(|settings| settings.get("*/*")).ok_or("no settings for all methods")?;
    let entry = |method: &str| {
        let key = format!("greet/{method}");
        stage.method_settings().and_then(|all| all.get(&key)).ok_or(format!("no settings of {key}"))
    };
    let (get, post) = (entry("GET")?, entry("POST")?);
    let log = stage.access_log_settings().ok_or("no access log")?;
    let checks = [
        ("description", stage.description() == Some("What customers call")),
        ("tags", stage.tags().is_some_and(|tags| tags.len() == 1 && tags["cost-center"] == "4711")),
        ("variables", stage.variables().is_some_and(|all| all["color"] == "blue")),
        ("tracing", stage.tracing_enabled()),
        (
            "cache",
            stage.cache_cluster_enabled() && stage.cache_cluster_size().is_some_and(|size| size.as_str() == "0.5"),
        ),
        (
            "client certificate",
            stage.client_certificate_id().is_some_and(|arn| {
                arn == "arn:aws:acm:us-east-1:000000000000:certificate/12345678-1234-1234-1234-123456789012"
            }),
        ),
        ("log group", log.destination_arn().is_some_and(|arn| arn.ends_with(&format!("log-group:{group}")))),
        ("format", log.format().is_some_and(|format| format.contains("\"requestId\":\"$context.requestId\""))),
        ("metrics", all.metrics_enabled() && get.metrics_enabled() && post.metrics_enabled()),
        ("levels", (all.logging_level(), post.logging_level()) == (Some("ERROR"), Some("INFO"))),
        ("throttling", (all.throttling_rate_limit() - 100.0).abs() < 0.01 && all.throttling_burst_limit() == 50),
        ("throttling of GET", (get.throttling_rate_limit() - 20.0).abs() < 0.01 && get.throttling_burst_limit() == 50),
        ("caching", (all.caching_enabled(), get.caching_enabled(), post.caching_enabled()) == (false, true, false)),
        ("ttl", get.cache_ttl_in_seconds() == 60 && all.cache_ttl_in_seconds() == 300),
    ];
    let wrong: Vec<_> = checks.iter().filter(|(_, holds)| !holds).map(|(what, _)| *what).collect();
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {stage:?}", wrong.join(", "))) }
}

/// What can't be seen here: LocalStack writes no access logs, throttles nobody, has no cache, and shows no certificate to a backend.
#[tokio::test]
async fn every_setting_is_made_repaired_and_taken_back() {
    let ns = Namespace::new("stage-settings").await;
    ns.apply(&page("docs/stages.md")).await;
    ns.ready(&["statemachine/greet", "restapi/api", "apiroute/greet"]).await;
    ns.says("greet", "hello").await;
    let aws = Cloud::new(ns.suite.testbed.aws_endpoint());
    let id = ns.get("restapi/api").await["status"]["restApiId"].as_str().unwrap().to_owned();
    let groups = log_groups(&ns).await;
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!(groups[0]["retentionInDays"], 30);
    let group = groups[0]["logGroupName"].as_str().unwrap().to_owned();
    let tags = ns.aws("logs", "ListTagsLogGroup", json!({"logGroupName": group})).await;
    assert_eq!(tags["tags"]["stepgate.dev/namespace"], "stage-settings", "{tags}");
    as_asked(&prod(&aws, &id).await, &group).unwrap();

    // Changed behind the operator's back, all at once.
    ns.settled(&["restapi/api"]).await;
    let client = &aws.apigateway;
    let mut update = client.update_stage().rest_api_id(&id).stage_name("prod");
    for (path, value) in [
        ("/description", "changed"),
        ("/tracingEnabled", "false"),
        ("/clientCertificateId", ""),
        ("/*/*/throttling/rateLimit", "1"),
        ("/*/*/logging/loglevel", "INFO"),
        ("/greet/GET/caching/enabled", "false"),
        ("/accessLogSettings/format", "$context.requestId"),
    ] {
        update = update.patch_operations(replace(path, value));
    }
    update.send().await.unwrap();
    let arn = format!("arn:aws:apigateway:us-east-1::/restapis/{id}/stages/prod");
    client.tag_resource().resource_arn(arn).tags("cost-center", "1").tags("more", "1").send().await.unwrap();
    ns.aws("logs", "PutRetentionPolicy", json!({"logGroupName": group, "retentionInDays": 1})).await;
    ns.eventually("restapi/api", "is repaired", async |_| {
        as_asked(&prod(&aws, &id).await, &group)?;
        let groups = log_groups(&ns).await;
        if groups[0]["retentionInDays"] == 30 { Ok(()) } else { Err(format!("{groups:?}")) }
    })
    .await;
    ns.event("restapi/api", "DriftRepaired").await;

    // The fields go away, and with them what they made.
    ns.apply(&rest_api("api")).await;
    ns.ready(&["restapi/api"]).await;
    ns.eventually("restapi/api", "has AWS's defaults", async |_| {
        let stage = prod(&aws, &id).await;
        let none = |text: Option<&str>| text.is_none_or(str::is_empty);
        let checks = [
            ("description", none(stage.description())),
            ("tags", stage.tags().is_none_or(|tags| tags.is_empty())),
            ("variables", stage.variables().is_none_or(|all| all.is_empty())),
            ("tracing", !stage.tracing_enabled()),
            ("cache", !stage.cache_cluster_enabled()),
            ("client certificate", none(stage.client_certificate_id())),
            ("access log", stage.access_log_settings().is_none_or(|log| none(log.destination_arn()))),
            ("methods", stage.method_settings().is_none_or(|all| all.is_empty())),
            ("log group", log_groups(&ns).await.is_empty()),
        ];
        let wrong: Vec<_> = checks.iter().filter(|(_, holds)| !holds).map(|(what, _)| *what).collect();
        if wrong.is_empty() { Ok(()) } else { Err(format!("{}: {stage:?}", wrong.join(", "))) }
    })
    .await;
    // Its route shows the URL of the first stage, and is told after the RestAPI.
    ns.eventually("apiroute/greet", "is served by the stage that is left", async |found| {
        let stages = &found.unwrap()["status"]["stages"];
        if stages.as_array().is_some_and(|all| all.len() == 1) { Ok(()) } else { Err(stages.to_string()) }
    })
    .await;
    ns.says("greet", "hello").await;
}

#[tokio::test]
async fn a_log_group_goes_with_its_api() {
    let ns = Namespace::new("stage-logs").await;
    let logged = rest_api("api").replace("{name: prod}", "{name: prod, accessLog: {}}");
    ns.apply(&logged).await;
    ns.ready(&["restapi/api"]).await;
    let groups = log_groups(&ns).await;
    assert_eq!(groups.len(), 1, "{groups:?}");
    assert_eq!(groups[0].get("retentionInDays"), None, "for ever");
    ns.delete("restapi/api").await;
    ns.gone("restapi/api").await;
    assert_eq!(log_groups(&ns).await, Vec::<Value>::new());
}
