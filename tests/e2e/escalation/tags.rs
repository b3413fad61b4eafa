//! Owner tags of others, and released-from tags that are not what they say: on what has a name that a hostile team can ask for.

use std::collections::{BTreeMap, HashMap};

use aws_sdk_apigateway::types::{EndpointConfiguration, EndpointType};
use serde_json::{Value, json};
use stepgate::identity::{Cluster, Key, Owner, log_group_name};

use super::patched;
use crate::cloud::Cloud;
use crate::support::{Namespace, TENANT, rest_api};
use crate::tenancy::account;

/// The forgeries for an object of `hostile`: nobody's mark; a victim's own tags; and those with the mark that says `hostile` had let it go.
fn forgeries(hostile: &Owner, victim: &Owner) -> [(&'static str, HashMap<String, String>); 3] {
    let marked = HashMap::from([("stepgate.dev/released-from".to_owned(), "0".repeat(32))]);
    let theirs: HashMap<_, _> = victim.tags().into_iter().collect();
    let both = theirs.clone().into_iter().chain(hostile.released_tag()).collect();
    [("marked", marked), ("theirs", theirs), ("both", both)]
}

#[tokio::test]
async fn owner_tags_that_are_not_the_object_s_own_are_not_believed() {
    let name = "esc-tags";
    let ns = Namespace::labelled(name, &[(TENANT, name)]).await;
    let exposure = json!({"exposure": {"domains": ["*.${namespace}.example.com"]}});
    ns.apply(&account(name, &[(name, exposure)]).await.to_string()).await;
    let testbed = ns.suite.testbed;
    let aws = Cloud::new(testbed.aws_endpoint());
    let uid = ns.get("namespace/kube-system").await["metadata"]["uid"].as_str().unwrap().to_owned();
    let cluster = Cluster { name: "testbed".into(), uid };
    let owner = |kind: &'static str, key: Key| Owner::new(cluster.clone(), kind, key);
    let of = |kind: &'static str, object: &str| {
        let victim = owner(kind, Key::new("esc-tags-victim", object));
        forgeries(&owner(kind, Key::new(name, object)), &victim)
    };
    let reads = |message: &str, what: &str, whose: &str| {
        let says = match whose {
            "marked" => "it has no owner tag of stepgate".to_owned(),
            _ => format!("its owner tags name {what}"),
        };
        assert!(message.contains("exists in AWS and is not ours") && message.contains(&says), "{message}");
    };

    // Custom domain names.
    for (whose, tags) in of("APIDomain", "site") {
        let host = format!("{whose}.{name}.example.com");
        let endpoint = EndpointConfiguration::builder().types(EndpointType::Regional).build();
        let create = aws.apigateway.create_domain_name().domain_name(&host).endpoint_configuration(endpoint);
        let create = create.regional_certificate_arn("arn:aws:acm:us-east-1:000000000000:certificate/b2");
        create.set_tags(Some(tags)).send().await.unwrap();
        let look = async || {
            let found = aws.apigateway.get_domain_name().domain_name(&host).send().await.unwrap();
            let tags: BTreeMap<_, _> = found.tags.unwrap_or_default().into_iter().collect();
            (found.regional_certificate_arn, found.regional_domain_name, found.security_policy, tags)
        };
        let before = look().await;
        let domain = json!({
            "apiVersion": "stepgate.dev/v1alpha1", "kind": "APIDomain", "metadata": {"name": "site"},
            "spec": {"domainName": host, "certificateArn": "arn:aws:acm:us-east-1:000000000000:certificate/a1"},
        });
        ns.apply(&domain.to_string()).await;
        let message = ns.stalled("apidomain/site", "OwnershipConflict").await;
        reads(&message, "APIDomain esc-tags-victim/site", whose);
        assert_eq!(look().await, before, "{whose}");
        ns.delete("apidomain/site").await;
        ns.gone("apidomain/site").await;
        assert_eq!(look().await, before, "{whose}: by a deletion");
        aws.apigateway.delete_domain_name().domain_name(&host).send().await.unwrap();
    }

    // The log group of a stage, whose name is known beforehand.
    for (whose, tags) in of("RestAPI", "api") {
        let group = log_group_name(&owner("RestAPI", Key::new(name, "api")), whose);
        ns.aws("logs", "CreateLogGroup", json!({"logGroupName": group, "tags": tags})).await;
        ns.aws("logs", "PutRetentionPolicy", json!({"logGroupName": group, "retentionInDays": 7})).await;
        let look = async || -> (Value, Value) {
            let found = ns.aws("logs", "DescribeLogGroups", json!({"logGroupNamePrefix": group})).await;
            let tags = ns.aws("logs", "ListTagsLogGroup", json!({"logGroupName": group})).await;
            (found["logGroups"].clone(), tags["tags"].clone())
        };
        let before = look().await;
        assert_eq!((&before.0[0]["retentionInDays"], &before.1), (&json!(7), &json!(tags)));
        let logged = json!({"stages": [{"name": whose, "accessLog": {"retentionDays": 1}}]});
        ns.apply(&patched(&rest_api("api"), &logged)).await;
        let message = ns.stalled("restapi/api", "OwnershipConflict").await;
        reads(&message, "RestAPI esc-tags-victim/api", whose);
        assert_eq!(look().await, before, "{whose}");
        ns.delete("restapi/api").await;
        ns.gone("restapi/api").await;
        assert_eq!(look().await, before, "{whose}: by a deletion");
        ns.aws("logs", "DeleteLogGroup", json!({"logGroupName": group})).await;
    }

    // An API key of the name and the value that a plan's key would have.
    for (whose, tags) in of("UsagePlan", "it") {
        let value = format!("esc-tags-value-of-{whose}");
        let create = aws.apigateway.create_api_key().name("esc-tags_it_a").value(&value).enabled(false);
        let id = create.set_tags(Some(tags)).send().await.unwrap().id.unwrap();
        let look = async || {
            let found = aws.apigateway.get_api_key().api_key(&id).include_value(true).send().await.unwrap();
            let tags: BTreeMap<_, _> = found.tags.unwrap_or_default().into_iter().collect();
            (found.name, found.value, found.enabled, found.description, tags, found.stage_keys)
        };
        let before = look().await;
        let secret =
            json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "key"}, "stringData": {"value": value}});
        let plan = json!({
            "apiVersion": "stepgate.dev/v1alpha1", "kind": "UsagePlan", "metadata": {"name": "it"},
            "spec": {"apiKeys": [{"name": "a", "secretKeyRef": {"name": "key", "key": "value"}}]},
        });
        ns.apply(&format!("---\n{secret}\n---\n{plan}\n")).await;
        let message = ns.stalled("usageplan/it", "OwnershipConflict").await;
        assert!(message.contains("which is not this object's") || message.contains("is not ours"), "{message}");
        assert_eq!(look().await, before, "{whose}");
        ns.delete("usageplan/it").await;
        ns.gone("usageplan/it").await;
        assert_eq!(look().await, before, "{whose}: by a deletion");
        aws.apigateway.delete_api_key().api_key(&id).send().await.unwrap();
    }
    ns.delete(&format!("awsaccount/{name}")).await;
    ns.gone(&format!("awsaccount/{name}")).await;
}
