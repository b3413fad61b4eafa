//! Models and validators: made before the methods that use them, gone after, and part of what is deployed.

use super::cloud::Cloud;
use crate::validate::fixture::{api, machine, route, with, world};
use crate::world::World;

fn scene(models: &str, requests: &[&str]) -> World {
    let api = with(&api("{stages: [{name: prod}]}"), &format!("{{spec: {{models: {models}}}}}"));
    let routes = requests.iter().enumerate().map(|(index, request)| {
        let route = route(&format!("demo/r{index}"), &format!("POST /r{index}"), "m");
        with(&route, &format!("{{spec: {{request: {request}}}}}"))
    });
    world(&[api, machine("demo/m", "STANDARD"), routes.collect()].concat())
}

const MODELS: &str = "[{name: A, schema: '{items: {$ref: ''#/models/B''}}'}, {name: B, schema: '{type: object}'}]";

#[test]
fn models_and_validators_come_and_go_with_what_uses_them() {
    let mut cloud = Cloud::default();
    let bare = scene("[]", &["{}", "{}"]);
    cloud.settle(&bare);
    let fresh = cloud.plan(&bare);
    assert_eq!(fresh, "");
    let full = scene(MODELS, &["{bodyModel: A, required: {query: [q]}}", "{bodySchema: '{type: array}'}"]);
    let plan = cloud.plan(&full);
    let place = |what: &str| plan.find(what).unwrap_or_else(|| panic!("no `{what}` in\n{plan}"));
    assert!(place("create model B") < place("create model A") && place("create model A") < place("method POST /r0"));
    assert!(place("create request validator stepgate-body\n") < place("method POST /r1"));
    assert!(plan.contains("update validation of method POST /r0"), "{plan}");
    assert_eq!(plan.matches("deploy revision").count(), 1, "{plan}");
    cloud.settle(&full);
    assert_eq!((cloud.models.len(), cloud.validators.len()), (3, 2));
    let back = cloud.plan(&bare);
    assert!(back.find("method POST /r0").unwrap() < back.find("delete model A").unwrap(), "{back}");
    cloud.settle(&bare);
    assert!(cloud.models.is_empty() && cloud.validators.is_empty());
}

#[test]
fn a_changed_schema_is_one_new_deployment() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(MODELS, &["{bodyModel: A}"]));
    let changed = scene(&MODELS.replace("object", "string"), &["{bodyModel: A}"]);
    let plan = cloud.plan(&changed);
    assert!(plan.contains("update the schema of model B") && plan.contains("deploy revision 2"), "{plan}");
    assert!(!plan.contains("method"), "{plan}");
    cloud.settle(&changed);
    let own = scene(MODELS, &["{bodySchema: '{type: array}'}"]);
    cloud.settle(&own);
    let other = cloud.plan(&scene(MODELS, &["{bodySchema: '{type: object}'}"]));
    assert!(other.contains("create model Schema") && other.contains("delete model Schema"), "{other}");
}

#[test]
fn what_a_kept_method_uses_stays() {
    let mut cloud = Cloud::default();
    cloud.settle(&scene(MODELS, &["{bodyModel: A}", "{bodySchema: '{type: array}'}"]));
    let broken = scene("[]", &["{bodyModel: A}", "{bodySchema: '{type: text}'}"]);
    cloud.settle(&broken);
    assert_eq!(cloud.models.len(), 3, "{:?}", cloud.models);
    assert_eq!(cloud.validators.len(), 1);
}
