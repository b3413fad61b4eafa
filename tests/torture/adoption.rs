//! What exists is adopted, as the page says: crashed at every effect, by two operators at once, and never what is not admitted.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_apigateway::types::{AuthorizerType, GatewayResponseType, Op, PatchOperation};
use serde_json::{Value, json};
use stepgate::aws::{Session, Sessions};
use stepgate::identity::Key;
use stepgate_testbed::memory::{ACCOUNT, InProcess};

use super::kubernetes::{condition, is};
use super::operator::{Operator, RESYNC, Site};
use super::races::raced;
use super::scene::{Scene, add};
use super::takeover::{heir, lost};
use super::tape::Wrong;
use super::{Found, Moment, difference, drive, observed};

#[path = "../e2e/legacy.rs"]
mod legacy;

const REGION: &str = "us-east-1";

pub const PAGE: &str = "docs/adoption.md";

/// The manifests of the page, the namespace labelled as they ask.
pub fn page() -> Scene {
    let path = stepgate_testbed::repository().join(PAGE);
    let text = std::fs::read_to_string(path).unwrap();
    let blocks = text.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut scene = Scene::nothing();
    add(&mut scene.world, json!({"kind": "Namespace", "metadata": {"name": "page", "labels": {"team": "orders"}}}));
    for block in blocks {
        for mut document in serde_saphyr::from_multiple::<Value>(block).unwrap() {
            if document["kind"] != "AWSAccount" {
                document["metadata"]["namespace"] = "page".into();
            }
            add(&mut scene.world, document);
        }
    }
    scene
}

/// Changes the spec of the RestAPI, or of the machine.
fn with(scene: &Scene, kind: &str, patch: Value) -> Scene {
    let mut scene = scene.clone();
    let changed = |object: Value| {
        let mut object = object;
        json_patch::merge(&mut object["spec"], &patch);
        object
    };
    let mut documents = Vec::new();
    match kind {
        "RestAPI" => documents.extend(scene.world.apis.values().map(|one| changed(json!(**one)))),
        "StateMachine" => documents.extend(scene.world.machines.values().map(|one| changed(json!(**one)))),
        _ => documents.extend(scene.world.accounts.drain(..).map(|one| changed(json!(*one)))),
    }
    for mut document in documents {
        document["kind"] = json!(kind);
        add(&mut scene.world, document);
    }
    scene
}

async fn session(aws: &InProcess, scene: &Scene) -> Arc<Session> {
    let sessions = Sessions::with_http_client(aws.http_client(), Arc::new(|_, _, _| {}));
    sessions.get(&scene.world.accounts[0], REGION).await.unwrap()
}

/// An account in which others have made something.
pub async fn others_were_here(scene: &Scene) -> Moment {
    let first = Moment::first(scene);
    let aws = InProcess::new(first.aws);
    let session = session(&aws, scene).await;
    legacy::make(&session.apigateway, &session.sfn, &format!("arn:aws:iam::{ACCOUNT}:role/{}", legacy::ROLE)).await;
    legacy::furnish(&session.iam, legacy::ROLE).await;
    Moment { aws: aws.with(|memory| memory.clone()), objects: first.objects }
}

/// The role, and what of it no manifest asks for (`adopted_roles.rs` has the rest).
fn role(moment: &Moment) -> (Value, Value) {
    let role = moment.aws.tree()[ACCOUNT]["iam"]["roles"][legacy::ROLE].clone();
    let kept =
        json!({"policy": role["policies"]["by-hand"], "attached": role["attached"], "team": role["tags"]["team"]});
    (role, kept)
}

fn api(moment: &Moment) -> Value {
    let apis = moment.aws.tree()[ACCOUNT]["regions"][REGION]["apis"].clone();
    let mut all = apis.as_object().unwrap().values();
    all.find(|api| api["name"] == legacy::API).cloned().unwrap()
}

fn machine(moment: &Moment) -> Value {
    let machines = moment.aws.tree()[ACCOUNT]["regions"][REGION]["machines"].clone();
    let mut all = machines.as_object().unwrap().values();
    all.find(|machine| machine["name"] == legacy::MACHINE).cloned().unwrap()
}

/// What of the API no manifest asks for.
fn kept(api: &Value) -> Value {
    let resources = api["resources"].as_object().unwrap().values();
    let resources: Vec<_> = resources.filter(|it| it["pathPart"] != "orders").cloned().collect();
    let deployment = &api["stages"]["v1"]["deploymentId"];
    json!({
        "resources": resources,
        "stage": api["stages"]["v1"],
        "deployment": api["deployments"][deployment.as_str().unwrap()],
        "authorizers": api["authorizers"],
        "models": api["models"],
        "validator": api["validators"],
        "gatewayResponses": api["gatewayResponses"],
        "name": api["name"],
        "id": api["id"],
    })
}

fn same(before: &Value, after: &Value, what: &str) {
    assert_eq!(difference(before, after), None, "{what}");
}

fn object(moment: &Moment, resource: &str, name: &str) -> Value {
    moment.objects.by_id(&(resource.to_owned(), "page".to_owned(), name.to_owned())).unwrap().as_ref().clone()
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_effect_of_an_adoption_loses_nothing() {
    let scene = page();
    let start = others_were_here(&scene).await;
    let (before, arn) = (api(&start), machine(&start)["stateMachineArn"].clone());
    let made = observed(&start, &scene).await.unwrap();
    let after = api(&made.end);
    same(&kept(&before), &kept(&after), "more was changed than what the manifests ask");
    assert_eq!(after["tags"]["stepgate.dev/adopted"], "true");
    same(&role(&start).1, &role(&made.end).1, "what others wrote in the role");
    assert_eq!(role(&made.end).0["tags"]["stepgate.dev/adopted"], "true");
    assert!(role(&made.end).0["policies"]["stepgate"].is_string());
    assert_ne!(after["stages"]["prod"]["deploymentId"], before["stages"]["prod"]["deploymentId"]);
    assert_eq!((&after["description"], &machine(&made.end)["stateMachineArn"]), (&json!("Orders"), &arn));
    let stages = &object(&made.end, "restapis", "api")["status"]["stages"];
    assert_eq!((&stages[0]["name"], &stages[1]["name"]), (&json!("prod"), &json!("v1")), "those of the manifest first");
    for (resource, name) in [("statemachines", "place-order"), ("restapis", "api"), ("apiroutes", "place-order")] {
        let shown = object(&made.end, resource, name);
        assert!(is(&shown, "Ready"), "{resource}: {shown:#}");
    }

    let gone = scene.gone();
    let left = observed(&made.end, &gone).await.unwrap();
    same(&kept(&before), &kept(&api(&left.end)), "deletion takes what was there before");
    assert_eq!(machine(&left.end)["stateMachineArn"], arn);
    let again = observed(&left.end, &scene).await.unwrap();
    same(&kept(&before), &kept(&api(&again.end)), "what is taken back");

    let mut found = Found::default();
    for (name, from, scene, run) in
        [("adopt", &start, &scene, &made), ("delete", &made.end, &gone, &left), ("again", &left.end, &scene, &again)]
    {
        for (index, moment) in run.before.iter().enumerate() {
            let at = |kind: &str| format!("{name}, effect {} of {}, {kind}", index + 1, run.before.len());
            match name {
                // What was deployed before it was let go is deployed again where methods had to be put back, else taken up.
                "again" => found.turns(&at("dead before it"), moment, scene, &run.end).await,
                _ => found.recovers(&at("dead before it"), moment, scene, &run.end, None).await,
            }
            found.recovers(&at("its answer lost"), from, scene, &run.end, Some((index + 1, Wrong::Lost))).await;
            if name == "adopt" {
                // However far it came, what was there stays there, and is nobody's.
                let end = drive(moment, &gone, None).await.unwrap();
                same(&kept(&before), &kept(&api(&end)), &at("and deleted then"));
                same(&role(&start).1, &role(&end).1, &at("and deleted then"));
                for tags in [&api(&end)["tags"], &machine(&end)["tags"], &role(&end).0["tags"]] {
                    assert!(!tags.to_string().contains("stepgate.dev/name"), "{}: {tags}", at("and deleted then"));
                }
            }
        }
    }
    assert!(found.points > 60, "only {} crash points", found.points);
    found.end("adoption");
}

/// A rebuilt cluster knows what was adopted by what AWS says of it.
#[tokio::test(start_paused = true)]
async fn what_was_adopted_is_taken_over_as_that() {
    let scene = page();
    let start = others_were_here(&scene).await;
    let made = drive(&start, &scene, None).await.unwrap();
    let mut found = Found::default();
    let taken = found.phase("take over", &lost(&made), &heir(&scene)).await;
    same(&made.aws.essence(), &taken.aws.essence(), "more is changed than a tag");
    same(&kept(&api(&start)), &kept(&api(&taken)), "what others made");
    let left = drive(&taken, &heir(&scene).gone(), None).await.unwrap();
    same(&kept(&api(&start)), &kept(&api(&left)), "deletion takes what was there before");
    same(&role(&start).1, &role(&left).1, "what others wrote in the role");
    found.end("adopted and taken over");
}

#[tokio::test(start_paused = true)]
async fn two_operators_at_once_adopt_as_one_does() {
    let (scene, more) = (page(), asks_for_more());
    let start = others_were_here(&scene).await;
    let asked = drive(&start, &more, None).await.unwrap();
    for (name, start) in [("adopt", &start), ("ask for less", &asked)] {
        let end = drive(start, &scene, None).await.unwrap();
        for seed in 0..10 {
            for stale in [false, true] {
                let raced = raced(start, &scene, seed, stale).await.unwrap();
                assert_eq!(end.difference_now(&raced), None, "{name}, seed {seed}, stale {stale}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deletion_takes_it_where_the_manifest_says_so() {
    let scene = with(&page(), "RestAPI", json!({"deletionPolicy": "Delete"}));
    let scene = with(&scene, "StateMachine", json!({"deletionPolicy": "Delete"}));
    let start = others_were_here(&scene).await;
    let mut nothing = Moment::first(&scene);
    let mut tree = nothing.aws.tree();
    tree[ACCOUNT]["iam"]["roles"].as_object_mut().unwrap().shift_remove(legacy::ROLE);
    nothing.aws.plant(&tree).unwrap();
    let made = drive(&start, &scene, None).await.unwrap();
    let end = drive(&made, &scene.gone(), None).await.unwrap();
    assert_eq!(difference(&nothing.aws.essence(), &end.aws.essence()), None);
}

#[tokio::test(start_paused = true)]
async fn what_no_manifest_asks_for_goes_where_that_is_said() {
    let scene = with(&page(), "RestAPI", json!({"adoption": {"unmanaged": "Remove"}}));
    let start = others_were_here(&scene).await;
    let api = api(&drive(&start, &scene, None).await.unwrap());
    let resources = api["resources"].as_object().unwrap().values();
    let paths: Vec<_> = resources.map(|it| it["pathPart"].as_str().unwrap_or("/").to_owned()).collect();
    assert_eq!(paths.len(), 2, "{paths:?}");
    assert_eq!(api["stages"].as_object().unwrap().keys().collect::<Vec<_>>(), ["prod"]);
    for what in ["authorizers", "validators", "gatewayResponses"] {
        assert_eq!(api[what], json!({}), "{what}");
    }
    assert!(!api["models"].to_string().contains("Legacy"), "{}", api["models"]);
    let serves = api["stages"]["prod"]["deploymentId"].as_str().unwrap();
    assert!(!api["deployments"][serves]["snapshot"].to_string().contains("getLegacy"));

    // The same when it is said later.
    let kept = drive(&start, &page(), None).await.unwrap();
    let later = self::api(&drive(&kept, &scene, None).await.unwrap());
    for what in ["resources", "authorizers", "validators", "gatewayResponses"] {
        let size = |api: &Value| api[what].as_object().unwrap().len();
        assert_eq!(size(&later), size(&api), "{what}");
    }
    assert!(!later["models"].to_string().contains("Legacy"), "{}", later["models"]);
    let serves = later["stages"]["prod"]["deploymentId"].as_str().unwrap();
    assert!(!later["deployments"][serves]["snapshot"].to_string().contains("getLegacy"));
}

/// Without a word on adoption nothing of it is removed, and others may go on adding theirs.
#[tokio::test(start_paused = true)]
async fn what_others_add_later_is_kept_too() {
    let scene = page();
    let start = others_were_here(&scene).await;
    let made = drive(&start, &scene, None).await.unwrap();
    let site = Site::new(made.aws, made.objects);
    let session = session(&site.aws, &scene).await;
    let id = api(&Moment::of(&site))["id"].as_str().unwrap().to_owned();
    let resources = session.apigateway.get_resources().rest_api_id(&id).send().await.unwrap().items.unwrap();
    let empty = resources.iter().find(|it| it.path() == Some("/empty")).and_then(|it| it.id()).unwrap();
    let method = session.apigateway.put_method().rest_api_id(&id).resource_id(empty).http_method("GET");
    method.authorization_type("NONE").operation_name("new_one").send().await.unwrap();
    let integration = session.apigateway.put_integration().rest_api_id(&id).resource_id(empty).http_method("GET");
    integration.r#type(aws_sdk_apigateway::types::IntegrationType::Mock).send().await.unwrap();
    let deployment = session.apigateway.create_deployment().rest_api_id(&id).send().await.unwrap().id.unwrap();
    let stage = session.apigateway.create_stage().rest_api_id(&id).stage_name("v2").deployment_id(deployment);
    stage.send().await.unwrap();
    let authorizers = session.apigateway.get_authorizers().rest_api_id(&id).send().await.unwrap().items.unwrap();
    let rename = PatchOperation::builder().op(Op::Replace).path("/name").value("renamed").build();
    let update = session.apigateway.update_authorizer().rest_api_id(&id).patch_operations(rename);
    update.authorizer_id(authorizers[0].id().unwrap()).send().await.unwrap();
    let authorizer =
        session.apigateway.create_authorizer().rest_api_id(&id).name("later").r#type(AuthorizerType::Token);
    let uri = authorizers[0].authorizer_uri().unwrap();
    authorizer.authorizer_uri(uri).identity_source("method.request.header.Later").send().await.unwrap();
    let model = session.apigateway.create_model().rest_api_id(&id).name("Later").content_type("application/json");
    model.schema(r#"{"type": "string"}"#).send().await.unwrap();
    let response = session.apigateway.put_gateway_response().rest_api_id(&id);
    response.response_type(GatewayResponseType::Default5Xx).status_code("555").send().await.unwrap();
    let added = Moment::of(&site);
    let without = with(&scene, "RestAPI", json!({"adoption": null, "description": "changed"}));
    let end = drive(&added, &without, None).await.unwrap();
    same(&kept(&api(&added)), &kept(&api(&end)), "what others added");
    assert_eq!(api(&end)["stages"]["v2"], api(&added)["stages"]["v2"]);
    assert_eq!(api(&end)["description"], "changed");
    // A route that goes takes its method with it, and nothing else.
    let mut fewer = without;
    fewer.world.routes.clear();
    let end = drive(&end, &fewer, None).await.unwrap();
    same(&kept(&api(&added)), &kept(&api(&end)), "what others added");
    let orders = api(&end)["resources"].as_object().unwrap().values().find(|it| it["pathPart"] == "orders").cloned();
    assert!(!orders.unwrap().to_string().contains("POST"));
}

/// What the page's API may ask for besides, which does not say itself whose it is.
fn asks_for_more() -> Scene {
    let mut scene = page();
    let pool = "arn:aws:cognito-idp:us-east-1:111122223333:userpool/us-east-1_Ab1cD2eF3";
    let tenant = &mut Arc::make_mut(&mut scene.world.accounts[0]).spec.tenants[0];
    tenant.exposure.as_mut().unwrap().authorizer_arns = vec![pool.to_owned()];
    let schema = r##"{"type": "object", "properties": {"old": {"$ref": "#/models/Order"}}}"##;
    let more = json!({
        "authorizers": [{"name": "users", "cognitoUserPools": {"userPoolArns": [pool]}}],
        "models": [{"name": "Order", "schema": r#"{"type": "object"}"#}, {"name": "Orders", "schema": schema}],
        "gatewayResponses": [{"type": "QUOTA_EXCEEDED", "statusCode": 420}],
    });
    with(&scene, "RestAPI", more)
}

/// What the manifests put there of these kinds is known to be theirs wherever a process dies, and goes with them; what others have stays.
#[tokio::test(start_paused = true)]
async fn what_is_no_longer_asked_for_goes_and_what_is_others_stays() {
    let (less, more) = (page(), asks_for_more());
    let start = others_were_here(&less).await;
    let made = observed(&start, &less).await.unwrap().end;
    let asked = observed(&made, &more).await.unwrap();
    let names = |moment: &Moment| {
        let api = api(moment);
        let names =
            |room: &str| api[room].as_object().unwrap().values().map(|one| one["name"].clone()).collect::<Vec<_>>();
        let types: Vec<_> = api["gatewayResponses"].as_object().unwrap().keys().cloned().collect();
        json!([names("authorizers"), names("models"), types]).to_string()
    };
    for name in ["users", "legacy-auth", "Orders", "Legacy", "QUOTA_EXCEEDED", "DEFAULT_4XX"] {
        assert!(names(&asked.end).contains(name), "{name}: {}", names(&asked.end));
    }
    let managed =
        json!({"authorizers": ["users"], "models": ["Order", "Orders"], "gatewayResponses": ["QUOTA_EXCEEDED"]});
    assert_eq!(object(&asked.end, "restapis", "api")["status"]["managed"], managed);
    let left = observed(&asked.end, &less).await.unwrap();
    same(&kept(&api(&made)), &kept(&api(&left.end)), "what others have");

    let mut found = Found::default();
    found.crash("more", &made, &more, &asked, &[("less", &less, &left.end)]).await;
    found.crash("less", &asked.end, &less, &left, &[("more", &more, &asked.end)]).await;
    assert!(found.points > 50, "only {} crash points", found.points);
    found.end("what is asked for and is not");
}

/// The tag that says so is not all that protects what others have: it is put back.
#[tokio::test(start_paused = true)]
async fn an_adopted_api_without_its_tag_is_adopted_all_the_same() {
    let scene = page();
    let start = others_were_here(&scene).await;
    let made = drive(&start, &scene, None).await.unwrap();
    let mut without = made.clone();
    let mut tree = without.aws.tree();
    let id = api(&made)["id"].as_str().unwrap().to_owned();
    let tags = tree[ACCOUNT]["regions"][REGION]["apis"][&id]["tags"].as_object_mut().unwrap();
    tags.shift_remove("stepgate.dev/adopted").unwrap();
    without.aws.plant(&tree).unwrap();
    let end = drive(&without, &scene, None).await.unwrap();
    same(&api(&made), &api(&end), "an API whose tag was taken off");
    let left = drive(&without, &scene.gone(), None).await.unwrap();
    same(&kept(&api(&made)), &kept(&api(&left)), "deleted at once");
}

#[tokio::test(start_paused = true)]
async fn an_adopted_machine_without_its_tag_stays_when_its_object_goes() {
    let scene = page();
    let start = others_were_here(&scene).await;
    let mut made = drive(&start, &scene, None).await.unwrap();
    let mut tree = made.aws.tree();
    let machines = tree[ACCOUNT]["regions"][REGION]["machines"].as_object_mut().unwrap().values_mut();
    let tags = machines.filter_map(|machine| machine["tags"].as_object_mut());
    let taken: Vec<_> = tags.filter_map(|tags| tags.shift_remove("stepgate.dev/adopted")).collect();
    assert_eq!(taken.len(), 1);
    made.aws.plant(&tree).unwrap();
    let left = drive(&made, &scene.gone(), None).await.unwrap();
    same(&machine(&made)["definition"], &machine(&left)["definition"], "deleted");
    assert!(left.objects.of("statemachines").next().is_none());
}

/// A process that is late may make it again, so its name is known for up to a day; then it is free for others.
#[tokio::test(start_paused = true)]
async fn what_is_gone_is_forgotten_after_a_day() {
    let (less, more) = (page(), asks_for_more());
    let start = others_were_here(&less).await;
    let asked = drive(&start, &more, None).await.unwrap();
    let left = drive(&asked, &less, None).await.unwrap();
    let managed = |moment: &Moment| object(moment, "restapis", "api")["status"]["managed"].clone();
    assert_eq!(managed(&left), managed(&asked));
    let site = Site::new(left.aws, left.objects);
    let session = session(&site.aws, &less).await;
    let mut operator = Operator::start(&site);
    for _ in 0..=Duration::from_hours(24).as_secs() / RESYNC.as_secs() {
        operator.round(true).await;
        tokio::time::sleep(RESYNC).await;
    }
    assert_eq!(managed(&Moment::of(&site)), Value::Null);
    let id = api(&Moment::of(&site))["id"].as_str().unwrap().to_owned();
    let response = session.apigateway.put_gateway_response().rest_api_id(&id);
    response.response_type(GatewayResponseType::QuotaExceeded).status_code("421").send().await.unwrap();
    let theirs = api(&Moment::of(&site));
    Operator::start(&site).settle().await.unwrap();
    same(&kept(&theirs), &kept(&api(&Moment::of(&site))), "what others made");
}

/// What an object says, after a process has looked at everything a few times.
async fn says(site: &Site, scene: &Scene, resource: &str, name: &str) -> (String, String) {
    scene.apply(&site.server);
    let mut operator = Operator::start(site);
    for _ in 0..4 {
        operator.round(true).await;
    }
    let shown = object(&Moment::of(site), resource, name);
    let ready = condition(&shown, "Ready").unwrap();
    (ready["reason"].as_str().unwrap().to_owned(), ready["message"].as_str().unwrap().to_owned())
}

#[tokio::test(start_paused = true)]
async fn nothing_is_adopted_that_is_not_admitted_or_is_somebody_s() {
    let scene = page();
    let start = others_were_here(&scene).await;
    let id = api(&start)["id"].as_str().unwrap().to_owned();
    let not_admitted = {
        let mut scene = scene.clone();
        Arc::make_mut(&mut scene.world.accounts[0]).spec.tenants[0].adoptable_arns.clear();
        scene
    };
    let only = |arn: String| {
        let mut scene = scene.clone();
        Arc::make_mut(&mut scene.world.accounts[0]).spec.tenants[0].adoptable_arns = vec![arn];
        scene
    };
    let arn = |id: &str| format!("arn:aws:apigateway:us-east-1::/restapis/{id}");
    let by_id = |scene: &Scene, id: &str| {
        with(scene, "RestAPI", json!({"adoption": {"policy": "Adopt", "name": null, "restApiId": id}}))
    };
    let create = with(&not_admitted, "RestAPI", json!({"adoption": {"policy": "AdoptOrCreate"}}));
    let none = "is in none of the `adoptableArns` of tenant orders in AWSAccount dev";
    let machine_arn = format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:orders-place");
    let refused = [
        (
            &only("arn:aws:iam::*:role/orders-*".into()),
            "statemachines",
            "place-order",
            "OverCeiling",
            format!("spec.adoption: `{machine_arn}` {none}"),
        ),
        (
            &only("arn:aws:states:*:*:stateMachine:orders-*".into()),
            "statemachines",
            "place-order",
            "OverCeiling",
            format!("spec.executionRole.adoption.arn: `arn:aws:iam::{ACCOUNT}:role/orders-legacy` {none}"),
        ),
        (&not_admitted, "restapis", "api", "OverCeiling", none.to_owned()),
        (&by_id(&not_admitted, &id), "restapis", "api", "OverCeiling", format!("`{}` {none}", arn(&id))),
        (&create, "restapis", "api", "OverCeiling", none.to_owned()),
        // Whether there is one that is not admitted, is not told.
        (
            &only(arn("other")),
            "restapis",
            "api",
            "WaitingForReference",
            "spec.adoption.name: there is no REST API `orders-legacy`".into(),
        ),
        (
            &by_id(&scene, "nosuchapi"),
            "restapis",
            "api",
            "WaitingForReference",
            "spec.adoption.restApiId: there is no REST API `nosuchapi`".into(),
        ),
    ];
    for (scene, resource, name, reason, text) in refused {
        let site = Site::new(start.aws.clone(), start.objects.clone());
        let (says, message) = says(&site, scene, resource, name).await;
        assert!(says == reason && message.contains(&text), "{says}: {message}\nnot {reason}: {text}");
        same(&api(&start), &api(&Moment::of(&site)), &message);
        if reason == "OverCeiling" {
            assert_eq!(machine(&Moment::of(&site))["tags"], machine(&start)["tags"]);
            same(&role(&start).0, &role(&Moment::of(&site)).0, &message);
        }
    }

    // Any tag of ours says that it is somebody's.
    for tag in ["stepgate.dev/released-from", "stepgate.dev/adopted", "stepgate.dev/cluster"] {
        let site = Site::new(start.aws.clone(), start.objects.clone());
        let session = session(&site.aws, &scene).await;
        let tagged = session.apigateway.tag_resource().resource_arn(arn(&id)).tags(tag, "x");
        tagged.send().await.unwrap();
        let before = api(&Moment::of(&site));
        let (says, message) = says(&site, &by_id(&scene, &id), "restapis", "api").await;
        assert_eq!(says, "OwnershipConflict", "{message}");
        same(&before, &api(&Moment::of(&site)), tag);
    }
}

/// The status names another API that is nobody's: it is not that which is to be adopted.
#[tokio::test(start_paused = true)]
async fn a_forged_status_adopts_nothing() {
    let scene = page();
    let start = others_were_here(&scene).await;
    let site = Site::new(start.aws, start.objects);
    let session = session(&site.aws, &scene).await;
    let victim = legacy::api(&session.apigateway, "victim").await;
    let before = session.apigateway.get_rest_api().rest_api_id(&victim).send().await.unwrap();
    let waits = with(&scene, "RestAPI", json!({"adoption": {"name": "to-come"}}));
    waits.apply(&site.server);
    let mut operator = Operator::start(&site);
    operator.round(true).await;
    site.server.forge_status("restapis", &Key::new("page", "api"), json!({"restApiId": victim}));
    operator.round(true).await;
    operator.round(true).await;
    let shown = object(&Moment::of(&site), "restapis", "api");
    assert!(!is(&shown, "Ready"), "{shown:#}");
    let after = session.apigateway.get_rest_api().rest_api_id(&victim).send().await.unwrap();
    assert_eq!((after.tags(), after.description()), (before.tags(), before.description()));
    // What is to be adopted is, whatever the status says.
    scene.apply(&site.server);
    operator.settle().await.unwrap();
    assert_eq!(object(&Moment::of(&site), "restapis", "api")["status"]["restApiId"], api(&Moment::of(&site))["id"]);
    let after = session.apigateway.get_rest_api().rest_api_id(&victim).send().await.unwrap();
    assert_eq!(after.tags(), before.tags());
}
