//! Records made anew from exports.

use std::collections::{BTreeMap, BTreeSet};
use std::time::SystemTime;

use rstest::rstest;
use serde_json::{Value, json};

use super::cloud::Cloud;
use super::{scene, scene_of};
use crate::identity::{Key, Tags, invoke_role_name, role_name, role_path};
use crate::model::api::rebuilt::{Of, Roles, Snapshot};
use crate::policy::roles::{InvokeAction, MachineArn, On, Use};
use crate::resources::deployment::{Found, Record, RoleNeeds};
use crate::resources::role;
use crate::validate::fixture::the_api;
use crate::validate::rest_api::{ValidApi, validate};

fn valid() -> ValidApi {
    let world = scene(&[]);
    validate(&world, &the_api(&world)).unwrap()
}

fn machine_arn(valid: &ValidApi, name: &str) -> String {
    let place = &valid.place;
    format!("arn:{}:states:{}:{}:stateMachine:{name}", place.partition, place.region, place.account_id)
}

fn role_arn(valid: &ValidApi, name: &str) -> String {
    let place = &valid.place;
    format!("arn:{}:iam::{}:role{}{name}", place.partition, place.account_id, role_path(&valid.owner, &place.region))
}

fn operation(name: &str, role: &str, template: &str) -> Value {
    json!({"operationId": name, "x-amazon-apigateway-integration": {
        "type": "aws", "uri": "arn:aws:apigateway:r:states:action/StartExecution", "credentials": role,
        "requestTemplates": {"application/json": template}}})
}

/// A route in its namespace's role, one with its own, a mock, a preflight and what answers where there is no route.
fn export(valid: &ValidApi) -> Value {
    let of_demo = role_arn(valid, &invoke_role_name(&valid.owner, &valid.place.region, "demo", 2));
    let raw = role_arn(valid, &role_name(&valid.owner, &valid.place.region, "route", &Key::new("shop", "raw.1")));
    let mock = |name: &str| json!({"operationId": name, "x-amazon-apigateway-integration": {"type": "mock"}});
    json!({"paths": {
        "/": {"options": mock("stepgate-no-routes")},
        "/orders": {
            "post": operation("demo_orders", &of_demo, &machine_arn(valid, "demo_a")),
            "options": mock("stepgate-cors")},
        "/raw": {"x-amazon-apigateway-any-method": operation("shop_raw.1", &raw, "$input.body")},
        "/mock": {"get": mock("demo_mock")}}})
}

fn read(valid: &ValidApi, adopted: bool, known: &[Key], export: &Value) -> Result<Snapshot, String> {
    let known_routes = known.iter().cloned().collect();
    Snapshot::read(Of { valid, known_routes: &known_routes, adopted }, export, [].into_iter())
}

/// A role that may start these machines.
fn starts(valid: &ValidApi, machines: &[&str]) -> Option<role::Observed> {
    let on = |name: &&str| On::Machine(MachineArn::parse(&machine_arn(valid, name)).unwrap());
    let uses = machines.iter().map(|name| Use { action: InvokeAction::StartExecution, on: on(name) }).collect();
    let policy = RoleNeeds { uses, ..RoleNeeds::default() }.policy().to_string();
    Some(role::Observed {
        arn: String::new(),
        created: SystemTime::UNIX_EPOCH,
        tags: Tags::new(),
        trust: String::new(),
        policies: BTreeMap::from([(role::POLICY_NAME.to_owned(), policy)]),
        managed_policies: BTreeSet::new(),
    })
}

#[test]
fn routes_machines_and_roles_are_read() {
    let valid = valid();
    let mut snapshot = read(&valid, false, &[], &export(&valid)).unwrap();
    let names: Vec<String> = snapshot.roles().cloned().collect();
    let name = |part: &str| names.iter().find(|name| name.contains(part)).unwrap().clone();
    let roles = Roles::from([
        (name("invoke-2-demo"), starts(&valid, &["demo_a", "demo_other"])),
        (name("route-shop"), starts(&valid, &["shop_b"])),
    ]);
    snapshot.admit(&roles).unwrap();
    let arns = ["demo_a", "shop_b"].map(|name| machine_arn(&valid, name));
    assert_eq!(snapshot.machines(), BTreeSet::from(arns.clone()), "of a shared role only what the template names");
    let [a, b] = arns;
    let machines = BTreeMap::from([(a, Key::new("demo", "a")), (b, Key::new("shop", "b"))]);
    let found = Found { revision: 7, hash: "h".into() };
    let record = snapshot.record("api", ("d", &found), &roles, &machines);
    let routes: Vec<_> =
        record.routes.iter().map(|it| (it.route.to_string(), it.at.to_string(), it.machines.len())).collect();
    let expected = [("demo/orders", "POST /orders", 1), ("shop/raw.1", "ANY /raw", 1), ("demo/mock", "GET /mock", 0)];
    let mut expected: Vec<_> = expected.map(|(route, at, machines)| (route.to_owned(), at.to_owned(), machines)).into();
    expected.sort();
    let sorted: BTreeSet<_> = routes.into_iter().collect();
    assert_eq!(sorted.into_iter().collect::<Vec<_>>(), expected);
    assert_eq!((record.revision, record.hash.as_str(), record.rebuilt), (7, "h", true));
    let of: BTreeMap<_, _> =
        record.roles.values().map(|needs| (needs.of.clone().unwrap().to_string(), needs.uses.len())).collect();
    assert_eq!(of, BTreeMap::from([("demo/".to_owned(), 2), ("shop/raw.1".to_owned(), 1)]), "all that they have");
}

#[test]
fn a_role_that_is_gone_can_say_nothing() {
    let valid = valid();
    let mut snapshot = read(&valid, false, &[], &export(&valid)).unwrap();
    let why = snapshot.admit(&Roles::new()).unwrap_err();
    assert!(why.contains("says which state machine method ANY /raw calls, and is gone"), "{why}");
}

#[rstest]
#[case::nothing(json!({}), "its export has no methods")]
#[case::no_name(json!({"/a": {"get": {"x-amazon-apigateway-integration": {"type": "mock"}}}}), "method GET /a is no APIRoute's")]
#[case::another_form(json!({"/a": {"get": operation("GetPets", "r", "")}}), "method GET /a is no APIRoute's")]
#[case::elsewhere(json!({"/a": {"get": {"operationId": "demo_a", "x-amazon-apigateway-integration": {"type": "http"}}}}),
    "method GET /a calls something else than Step Functions")]
#[case::own_role(json!({"/a": {"get": operation("demo_a", "arn:aws:iam::111122223333:role/own", "$input.body")}}),
    "nothing says which state machine method GET /a calls")]
#[case::authorizer(json!({"/a": {"get": {"operationId": "demo_a", "security": [{"jwt": []}],
    "x-amazon-apigateway-integration": {"type": "mock"}}}}), "its export does not say what authorizer jwt is")]
fn what_is_not_as_stepgate_writes_it_is_not_read(#[case] paths: Value, #[case] why: &str) {
    assert_eq!(read(&valid(), false, &[], &json!({"paths": paths})), Err(why.to_owned()));
}

#[test]
fn in_an_adopted_api_only_what_is_surely_ours_is() {
    let valid = valid();
    let http =
        json!({"operationId": "get_pets", "x-amazon-apigateway-integration": {"type": "http", "uri": "http://a"}});
    let mut all = export(&valid);
    all["paths"]["/pets"] = json!({"get": http});
    let routes = |known: &[Key], all: &Value| {
        let snapshot = read(&valid, true, known, all)?;
        let found = Found { revision: 1, hash: String::new() };
        let record = snapshot.record("api", ("d", &found), &Roles::new(), &BTreeMap::new());
        Ok::<_, String>(record.routes.into_iter().map(|it| it.route.to_string()).collect::<BTreeSet<_>>())
    };
    let ours = BTreeSet::from(["demo/orders".to_owned(), "shop/raw.1".to_owned()]);
    assert_eq!(routes(&[], &all), Ok(ours.clone()), "a mock is nobody's unless its route is there");
    let mock = BTreeSet::from(["demo/mock".to_owned()]);
    assert_eq!(routes(&[Key::new("demo", "mock")], &all), Ok(ours.union(&mock).cloned().collect()));
    all["paths"]["/pets"]["get"] = operation("get_pets", "arn:aws:iam::111122223333:role/theirs", "");
    let why = "nothing says whose method GET /pets is, which calls Step Functions";
    assert_eq!(routes(&[], &all), Err(why.to_owned()));
}

/// What was on no record when records were lost may be another's, or be wanted by people: it stays.
#[test]
fn deployments_between_a_rebuilt_record_and_the_others_stay() {
    let at = |machine: &'static str| ("demo/orders", "POST /orders/{id}", machine);
    let stages = "[{name: dev}, {name: prod, revision: 1}]";
    let mut cloud = Cloud::default();
    for machine in ["a", "b", "c"] {
        cloud.settle(&scene_of(stages, &[at(machine)]));
    }
    assert_eq!(cloud.revisions(), [1, 2, 3]);
    cloud.records.retain(|record| record.revision != 2);
    let rebuilt = |record: &mut Record| record.rebuilt = record.revision == 1;
    cloud.records.iter_mut().for_each(rebuilt);
    cloud.settle(&scene_of(stages, &[at("c")]));
    assert_eq!(cloud.deployments.len(), 3);
}
