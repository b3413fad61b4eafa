//! AWS refuses a change of a route that serves: what serves goes on, wherever a process dies. And what AWS refuses only for a moment.

use std::sync::Arc;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use serde_json::{Value, json};
use stepgate_testbed::memory::{ACCOUNT, Fault, InProcess, Service, Settings, answer};

use super::coverage;
use super::kubernetes::{self, KINDS, condition};
use super::operator::{Operator, RESYNC, Site};
use super::scene::Scene;
use super::tape::Wrong;
use super::{DOMAINS, Found, MANY, Moment, carry_out, drift, drive, pages, unconverged, uncrashed};

/// What no request to AWS may say.
const UNWANTED: &str = "refused by AWS";

/// AWS, which refuses what says that, after it has taken part of the change.
#[derive(Clone, Debug)]
struct Strict {
    aws: InProcess,
    says: &'static str,
    service: Service,
    refusal: (u16, &'static str, &'static str),
}

impl HttpClient for Strict {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Strict {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let says = request.body().bytes().is_some_and(|body| String::from_utf8_lossy(body).contains(self.says));
        if !says {
            return self.aws.call(request);
        }
        let (service, (status, code, message)) = (self.service, self.refusal);
        HttpConnectorFuture::new(async move {
            let refused = answer(service, status, code, message).map(SdkBody::from);
            HttpResponse::try_from(refused).map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// The example with a change of its route that AWS takes in part: callers' keys, and then not the mapping.
fn unwanted(scene: &Scene) -> Scene {
    let mut scene = scene.clone();
    let route = scene.world.routes.values_mut().next().unwrap();
    let mut spec = json!(route.spec);
    let more = json!({
        "request": {"input": [{"to": "/x", "value": json!(UNWANTED).to_string()}]},
        "authorization": {"apiKeyRequired": true},
    });
    json_patch::merge(&mut spec, &more);
    Arc::make_mut(route).spec = serde_json::from_value(spec).unwrap();
    scene
}

/// What the stage serves: the method of the snapshot with its integration.
fn served(moment: &Moment) -> Value {
    let apis = moment.aws.tree()[ACCOUNT]["regions"]["us-east-1"]["apis"].clone();
    let ours = apis.as_object().unwrap().values().find(|api| api["tags"]["stepgate.dev/name"].is_string()).unwrap();
    let stage = ours["stages"].as_object().unwrap().values().next().unwrap();
    let snapshot = &ours["deployments"][stage["deploymentId"].as_str().unwrap()]["snapshot"];
    let methods = snapshot.as_object().unwrap().values().flat_map(|verbs| verbs.as_object().unwrap());
    methods.map(|(verb, method)| json!([verb, method["methodIntegration"]])).collect()
}

#[tokio::test(start_paused = true)]
async fn a_route_whose_change_is_refused_serves_on_wherever_a_process_dies() {
    let scene = Scene::example("root-get");
    let made = drive(&Moment::first(&scene), &scene, None).await.unwrap();
    let wanted = unwanted(&scene);
    let before = served(&made);
    assert!(before.to_string().contains("states"), "{before}");
    let mut points = 0;
    for effect in 1.. {
        let site = Site::new(made.aws.clone(), made.objects.clone());
        let start = || {
            let refusal = (400, "BadRequestException", "Invalid mapping");
            let strict = Strict { aws: site.aws.clone(), says: UNWANTED, service: Service::ApiGateway, refusal };
            Operator::with(&site, SharedHttpClient::new(strict), site.server.client(&site.tape, None))
        };
        site.tape.hook(move |step| (step.effect == effect).then_some(Wrong::DeadBefore));
        wanted.apply(&site.server);
        // It is tried again at each look.
        let looks = async |operator: &mut Operator| {
            for _ in 0..3 {
                operator.round(true).await;
                tokio::time::sleep(RESYNC).await;
            }
        };
        let mut first = start();
        let died = tokio::select! {
            biased;
            () = site.tape.died() => true,
            () = looks(&mut first) => false,
        };
        site.tape.revive(&site.aws);
        site.tape.calm();
        looks(&mut start()).await;
        let end = Moment::of(&site);
        assert_eq!(served(&end), before, "dead before effect {effect}");
        let (_, route) = end.objects.of("apiroutes").next().unwrap();
        let ready = condition(route, "Ready").unwrap();
        assert_eq!(ready["reason"], "LastKnownGood", "dead before effect {effect}: {ready}");
        assert!(ready["message"].as_str().unwrap().contains("Invalid mapping"), "{ready}");
        if !died {
            break;
        }
        points += 1;
    }
    assert!(points > 3, "only {points} crash points");
}

/// A route whose role the operator may not hand out, or can't make as asked, is its own team's affair.
#[rstest::rstest]
#[case::no_such_policy(json!({"managedPolicyArns": [format!("arn:aws:iam::{ACCOUNT}:policy/nowhere")]}), None, "AttachRolePolicy: ")]
#[case::policy_that_is_not_the_operator_s(
    json!({"managedPolicyArns": ["arn:aws:iam::aws:policy/AdministratorAccess"]}),
    Some(("AdministratorAccess", Service::Iam, "is not authorized to perform: iam:AttachRolePolicy on resource: role r")),
    "AttachRolePolicy: "
)]
#[case::role_that_is_not_the_operator_s(
    json!({"arn": format!("arn:aws:iam::{ACCOUNT}:role/theirs")}),
    Some(("role/theirs", Service::ApiGateway, "is not authorized to perform: iam:PassRole on resource: role/theirs")),
    "PutIntegration: "
)]
#[tokio::test(start_paused = true)]
async fn a_route_that_asks_for_what_the_operator_may_not_give_holds_up_no_other(
    #[case] role: Value,
    #[case] denied: Option<(&'static str, Service, &'static str)>,
    #[case] says: &str,
) {
    let mut scene = Scene::example("item-api");
    let tenants = scene.world.accounts.iter_mut().flat_map(|account| &mut Arc::make_mut(account).spec.tenants);
    for tenant in tenants {
        tenant.managed_policy_arns.push("arn:aws:iam::*:policy/*".into());
        tenant.invoke_role_arns.push("arn:aws:iam::*:role/theirs".into());
    }
    let (key, route) = scene.world.routes.iter_mut().next().unwrap();
    let key = key.clone();
    Arc::make_mut(route).spec.invoke_role = Some(serde_json::from_value(role).unwrap());
    let site = Site::new(Moment::first(&scene).aws, kubernetes::Objects::default());
    scene.apply(&site.server);
    let mut operator = match denied {
        None => Operator::start(&site),
        Some((says, service, message)) => {
            let strict = Strict { aws: site.aws.clone(), says, service, refusal: (403, "AccessDenied", message) };
            Operator::with(&site, SharedHttpClient::new(strict), site.server.client(&site.tape, None))
        }
    };
    for _ in 0..4 {
        operator.round(true).await;
        tokio::time::sleep(RESYNC).await;
    }
    let end = Moment::of(&site);
    for ((_, _, name), route) in end.objects.of("apiroutes") {
        let ready = condition(route, "Ready").unwrap();
        let message = ready["message"].as_str().unwrap();
        match *name == key.name {
            false => assert_eq!(ready["status"], "True", "{name}: {message}"),
            true => assert!(ready["status"] == "False" && message.starts_with(says), "{name}: {message}"),
        }
    }
    let (_, api) = end.objects.of("restapis").next().unwrap();
    assert_eq!(condition(api, "Ready").unwrap()["status"], "True");
    assert_ne!(served(&end), json!([]));
}

/// Each effect is refused once, in the words for what passes by itself.
#[rstest::rstest]
#[case::root_get("root-get")]
#[case::domains(DOMAINS)]
#[case::usage_plans("docs/usage-plans.md")]
#[case::authorization("docs/authorization.md")]
#[tokio::test(start_paused = true)]
async fn what_is_refused_for_a_moment_is_done_after_it(#[case] name: &str) {
    let (_, scene) = drift::scenes().find(|(scene, _)| *scene == name).unwrap();
    let start = Moment::first(&scene);
    let mut found = Found::default();
    let (changed, gone) = (scene.changed(), scene.changed().gone());
    let mut from = start;
    for (what, scene) in [("make", &scene), ("change", &changed), ("delete", &gone)] {
        let run = uncrashed(name, &from, scene).await;
        for (effect, wrong) in
            (1..=run.before.len()).flat_map(|effect| [(effect, Wrong::Busy), (effect, Wrong::Unseen)])
        {
            let at = format!("{what}, effect {effect}, {wrong:?}");
            found.recovers(&at, &from, scene, &run.end, Some((effect, wrong))).await;
        }
        from = run.end;
    }
    found.end(name);
}

/// An AWS whose changes take their time, and that does not find at once what was made.
fn not_done_at_once(scene: &Scene) -> Moment {
    let mut start = Moment::first(scene);
    let Settings { api_change, reference_staleness, .. } = Settings::lifelike();
    start.aws.settings = Settings { api_change, reference_staleness, ..Settings::default() };
    start
}

/// Nobody has anything to mend.
#[rstest::rstest]
#[case::requests("docs/requests.md")]
#[case::authorization("docs/authorization.md")]
#[case::stages("docs/stages.md")]
#[tokio::test(start_paused = true)]
async fn what_is_not_found_yet_is_not_called_refused(#[case] page: &str) {
    let scene = Scene::page(page, pages::EXPOSING);
    let mut from = not_done_at_once(&scene);
    for scene in [&scene, &scene.changed()] {
        let run = uncrashed(page, &from, scene).await;
        for moment in &run.before {
            let all = KINDS.iter().flat_map(|kind| moment.objects.of(kind));
            let refused = all.filter(|(_, object)| object["status"].to_string().contains("RefusedByAWS"));
            assert_eq!(refused.map(|(id, object)| format!("{id:?}: {}", object["status"])).next(), None);
        }
        from = run.end;
    }
}

/// A process dies as soon as AWS has taken a change, another one begins before AWS is done with it, and what was made is not found at once.
#[rstest::rstest]
#[case::root_get("root-get")]
#[case::stages("docs/stages.md")]
#[case::authorization("docs/authorization.md")]
#[case::everything("everything")]
#[tokio::test(start_paused = true)]
async fn what_aws_is_not_done_with_is_waited_for(#[case] name: &str) {
    let (_, scene) = drift::scenes().find(|(scene, _)| *scene == name).unwrap();
    let mut from = not_done_at_once(&scene);
    let mut found = Found::default();
    let (changed, gone) = (scene.changed(), scene.changed().gone());
    for (what, scene) in [("make", &scene), ("change", &changed), ("delete", &gone)] {
        let run = uncrashed(name, &from, scene).await;
        let effects = run.before.len();
        for effect in (1..=effects).step_by(effects.div_ceil(MANY)) {
            let site = Site::new(from.aws.clone(), from.objects.clone());
            site.tape.hook(move |step| (step.effect == effect).then_some(Wrong::DeadAfter));
            scene.apply(&site.server);
            let mut first = Operator::start(&site);
            tokio::select! {
                biased;
                () = site.tape.died() => {}
                _ = first.settle() => panic!("{what} has no effect {effect}"),
            }
            site.tape.calm();
            site.tape.revive(&site.aws);
            found.points += 1;
            let at = format!("{what}, dead after effect {effect}");
            match carry_out(&site, scene).await {
                Err(error) => found.note(&at, Some(unconverged(error))),
                Ok(other) => found.ends(&at, &run.end, &other, scene, Moment::failure).await,
            }
        }
        from = run.end;
    }
    found.end(name);
}

/// It may serve for long yet, and be called back.
#[tokio::test(start_paused = true)]
async fn an_api_that_aws_does_not_delete_keeps_its_logs() {
    let scene = coverage::everything();
    let start = Moment::first(&scene);
    let made = drive(&start, &scene, None).await.unwrap();
    let groups = |moment: &Moment| -> Vec<String> {
        moment.aws.region(ACCOUNT, "us-east-1").unwrap().log_groups.keys().cloned().collect()
    };
    assert_ne!(groups(&made), groups(&start));
    let site = Site::new(made.aws.clone(), made.objects.clone());
    scene.gone().apply(&site.server);
    site.aws.faults(|attempt| {
        let why = "Please remove all base path mappings related to the domain name in your account before deleting it.";
        let is_it = attempt.call.operation == "DeleteRestApi";
        is_it.then(|| Fault::Answer(answer(attempt.call.service, 400, "BadRequestException", why)))
    });
    let told = Operator::start(&site).settle().await.unwrap_err();
    assert!(told.contains("remove all base path mappings"), "{told}");
    assert_eq!(groups(&Moment::of(&site)), groups(&made));
    site.aws.heal();
    Operator::start(&site).settle().await.unwrap();
    assert_eq!(groups(&Moment::of(&site)), groups(&start));
}
