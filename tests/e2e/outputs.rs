//! Outputs: ConfigMaps with ARNs and URLs, as docs/outputs.md has them.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Namespace, PATIENCE, eventually, machine, page};

type Data = BTreeMap<String, String>;

async fn data(ns: &Namespace, name: &str) -> Option<Data> {
    let found = ns.find(&format!("configmap/{name}")).await?;
    Some(serde_json::from_value(found["data"].clone()).unwrap_or_default())
}

#[tokio::test]
async fn pods_can_read_arns_and_urls() {
    let ns = Namespace::new("outputs").await;
    ns.apply(&page("docs/outputs.md")).await;
    ns.ready(&["statemachine/place-order", "restapi/orders", "apiroute/place-order"]).await;
    let status = |object: &Value, field: &str| object["status"][field].as_str().unwrap().to_owned();

    let object = ns.get("statemachine/place-order").await;
    let expected = Data::from([
        ("stateMachineArn".into(), status(&object, "stateMachineArn")),
        ("stateMachineName".into(), "outputs_place-order".into()),
        ("roleArn".into(), status(&object, "roleArn")),
        ("region".into(), "us-east-1".into()),
    ]);
    assert_eq!(data(&ns, "place-order").await, Some(expected.clone()));

    let object = ns.get("restapi/orders").await;
    let id = status(&object, "restApiId");
    let url = |stage: usize| object["status"]["stages"][stage]["invokeUrl"].as_str().unwrap().to_owned();
    let of_api = Data::from([
        ("restApiId".into(), id.clone()),
        ("executeApiArn".into(), format!("arn:aws:execute-api:us-east-1:000000000000:{id}")),
        ("region".into(), "us-east-1".into()),
        ("url".into(), url(0)),
        ("stage.dev.url".into(), url(0)),
        ("stage.prod.url".into(), url(1)),
    ]);
    assert_eq!(data(&ns, "orders-api").await, Some(of_api));
    let of_route = data(&ns, "place-order-route").await.unwrap();
    assert_eq!(of_route["url"], format!("{}/orders", url(0)));
    assert_eq!(of_route["stage.prod.url"], format!("{}/orders", url(1)));
    assert_eq!(of_route["method"], "POST");

    // A stage that goes takes its key along, what others add stays, and what they change is put back.
    ns.patch("configmap/orders-api", json!({"data": {"theirs": "1", "url": "changed"}})).await;
    ns.patch("restapi/orders", json!({"spec": {"stages": [{"name": "dev"}]}})).await;
    eventually("the keys are those of the stages", PATIENCE, async || {
        let now = data(&ns, "orders-api").await.unwrap();
        let as_expected = now.contains_key("theirs") && now["url"] == url(0) && !now.contains_key("stage.prod.url");
        if as_expected { Ok(()) } else { Err(format!("{now:?}")) }
    })
    .await;

    // Nothing changed, so nothing is written.
    let version = ns.get("configmap/place-order").await["metadata"]["resourceVersion"].clone();
    ns.settled(&["statemachine/place-order"]).await;
    assert_eq!(ns.get("configmap/place-order").await["metadata"]["resourceVersion"], version);

    // They go with their objects.
    ns.delete("apiroute/place-order").await;
    ns.gone("apiroute/place-order").await;
    ns.gone("configmap/place-order-route").await;
}

#[tokio::test]
async fn another_s_config_map_is_left_alone() {
    let ns = Namespace::new("outputs-taken").await;
    let theirs = "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: taken}\ndata: {url: theirs}\n";
    let with = |map: &str| format!("{}  outputs: {{configMapRef: {{name: {map}}}}}\n", machine("say", "hello"));
    ns.apply(theirs).await;
    ns.apply(&with("taken")).await;
    let message = ns.condition("statemachine/say", "Stalled", "True", "InvalidSpec").await;
    assert_eq!(
        message,
        "spec.outputs.configMapRef.name: ConfigMap taken exists and was not made for this object, so it is left alone; delete it, or choose another name"
    );
    assert_eq!(data(&ns, "taken").await, Some(Data::from([("url".into(), "theirs".into())])));
    // Nor can two objects share one.
    ns.apply(&with("free")).await;
    ns.ready(&["statemachine/say"]).await;
    ns.apply(&with("free").replace("name: say", "name: other")).await;
    ns.condition("statemachine/other", "Stalled", "True", "InvalidSpec").await;
    assert!(data(&ns, "free").await.unwrap()["stateMachineArn"].ends_with("_say"));
}

/// RBAC lets the operator write every ConfigMap: an admission policy of the chart takes the others away again.
#[tokio::test]
async fn the_operator_can_write_no_other_config_map() {
    let ns = Namespace::new("outputs-operator").await;
    ns.apply("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: theirs}\ndata: {a: '1'}\n").await;
    let as_operator = |arguments: &[&str]| {
        let operator = "--as=system:serviceaccount:stepgate-system:stepgate";
        [&["-n", ns.name.as_str(), operator][..], arguments].concat().into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    let owned = r#"{"metadata":{"ownerReferences":[{"apiVersion":"stepgate.dev/v1alpha1","kind":"RestAPI","name":"a","uid":"b"}]}}"#;
    for (arguments, says) in [
        (as_operator(&["create", "configmap", "new"]), "makes ConfigMaps only for objects of its own kinds"),
        (as_operator(&["patch", "configmap", "theirs", "-p", r#"{"data":{"a":"2"}}"#]), "makes ConfigMaps only"),
        (as_operator(&["patch", "configmap", "theirs", "-p", owned]), "changes only ConfigMaps that it made"),
    ] {
        let refused = ns.suite.testbed.kubectl(arguments).await.unwrap_err().to_string();
        assert!(refused.contains(says), "{refused}");
    }
    assert_eq!(data(&ns, "theirs").await, Some(Data::from([("a".into(), "1".into())])));
}
