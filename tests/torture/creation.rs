//! CreateRestApi makes another API whenever it is called, and CreateUsagePlan another plan. Whichever process is paused, for
//! however long, between its claim and the arrival of its call: there is one in the end. And where somebody else made a second
//! API, it is found.

use std::sync::Arc;
use std::time::Duration;

use aws_smithy_runtime_api::client::http::{
    HttpClient, HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpClient, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::body::SdkBody;
use http::{Method, Request};
use kube::client::Body;
use serde_json::{Value, json};
use stepgate::api::CREATION;
use stepgate::identity::Key;
use stepgate_testbed::memory::{ACCOUNT, InProcess, Service, UsagePlan, answer};
use tokio::sync::Notify;

use super::Moment;
use super::kubernetes::{condition, is};
use super::operator::{CLUSTER_UID, Operator, Site};
use super::scene::Scene;

const REGION: &str = "us-east-1";

const CREATES: [&str; 2] = ["/restapis", "/usageplans"];

/// What is posted to paths that end with one of these leaves, and arrives so much later. AWS takes no signature that is older than
/// `expires`.
#[derive(Clone, Debug)]
pub struct Slow {
    pub aws: InProcess,
    pub creates: &'static [&'static str],
    /// Hears of each that leaves.
    pub leaves: Arc<Notify>,
    pub pause: Duration,
    pub expires: Duration,
}

impl HttpClient for Slow {
    fn http_connector(&self, _: &HttpConnectorSettings, _: &RuntimeComponents) -> SharedHttpConnector {
        SharedHttpConnector::new(self.clone())
    }
}

impl HttpConnector for Slow {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let Self { aws, creates, leaves, pause, expires } = self.clone();
        HttpConnectorFuture::new(async move {
            let creates = creates.iter().any(|path| request.uri().ends_with(path));
            if request.method() == "POST" && creates {
                leaves.notify_one();
                tokio::time::sleep(pause).await;
                if pause > expires {
                    let refused = answer(Service::ApiGateway, 403, "InvalidSignatureException", "Signature expired");
                    let refused = refused.map(SdkBody::from);
                    return HttpResponse::try_from(refused).map_err(|error| ConnectorError::other(error.into(), None));
                }
            }
            aws.call(request).await
        })
    }
}

/// The answer to a claim comes so much later.
fn slow_to_hear(site: &Site, pause: Duration) -> kube::Client {
    let inner = site.server.client(&site.tape, None);
    let service = tower::service_fn(move |request: Request<Body>| {
        let inner = inner.clone();
        async move {
            let (parts, body) = request.into_parts();
            let body = body.collect_bytes().await?;
            let claims = parts.method == Method::PATCH && String::from_utf8_lossy(&body).contains("claimed by");
            let answer = inner.send(Request::from_parts(parts, Body::from(body.to_vec()))).await;
            if claims {
                tokio::time::sleep(pause).await;
            }
            answer
        }
    });
    kube::Client::new(service, "default")
}

fn minutes(count: u64) -> Duration {
    Duration::from_secs(60 * count)
}

/// Two processes, of which the first begins; then nothing is there twice, and nothing is left to do.
async fn one_begins(site: &Site, mut paused: Operator) {
    let mut other = Operator::start(site);
    let begins = async {
        for _ in 0..4 {
            paused.round(true).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let follows = async {
        tokio::time::sleep(Duration::from_secs(20)).await;
        other.settle().await
    };
    let ((), settled) = tokio::join!(begins, follows);
    settled.unwrap();
    let moment = Moment::of(site);
    assert_eq!(moment.strays(), Vec::<String>::new());
    let effects = site.tape.effects();
    Operator::start(site).round(true).await;
    assert_eq!(site.tape.effects(), effects, "a second plan is not empty");
}

/// The ids of our APIs.
fn apis(site: &Site) -> Vec<String> {
    let ours = |moment: &stepgate_testbed::memory::Memory| {
        let region = moment.region(ACCOUNT, REGION)?;
        let ours = region
            .apis
            .iter()
            .filter(|(_, api)| api.tags.get("stepgate.dev/cluster-uid").is_some_and(|uid| uid == CLUSTER_UID));
        Some(ours.map(|(id, _)| id.clone()).collect())
    };
    site.aws.with(|memory| ours(memory)).unwrap_or_default()
}

#[rstest::rstest]
#[case::soon(minutes(0), minutes(5))]
#[case::within_its_signature(minutes(4), minutes(5))]
#[case::with_a_clock_that_is_ahead(minutes(9), minutes(10))]
#[case::too_late(minutes(20), minutes(5))]
#[tokio::test(start_paused = true)]
async fn a_call_that_arrives_late_makes_no_second_api(#[case] pause: Duration, #[case] expires: Duration) {
    let scene = Scene::example("root-get");
    let start = Moment::first(&scene);
    let site = Site::new(start.aws, start.objects);
    scene.apply(&site.server);
    let slow = SharedHttpClient::new(Slow {
        aws: site.aws.clone(),
        creates: &CREATES,
        leaves: Arc::default(),
        pause,
        expires,
    });
    one_begins(&site, Operator::with(&site, slow, site.server.client(&site.tape, None))).await;
    assert_eq!(apis(&site).len(), 1);
}

#[rstest::rstest]
#[case::soon(minutes(0), minutes(5))]
#[case::within_its_signature(minutes(4), minutes(5))]
#[case::too_late(minutes(20), minutes(5))]
#[tokio::test(start_paused = true)]
async fn a_call_that_arrives_late_makes_no_second_plan(#[case] pause: Duration, #[case] expires: Duration) {
    let scene = Scene::example("docs/usage-plans.md");
    let start = Moment::first(&scene);
    let site = Site::new(start.aws, start.objects);
    let mut apis = scene.clone();
    apis.world.plans.clear();
    apis.apply(&site.server);
    Operator::start(&site).settle().await.unwrap();
    scene.apply(&site.server);
    let slow = SharedHttpClient::new(Slow {
        aws: site.aws.clone(),
        creates: &CREATES,
        leaves: Arc::default(),
        pause,
        expires,
    });
    one_begins(&site, Operator::with(&site, slow, site.server.client(&site.tape, None))).await;
    let ours = |plan: &&UsagePlan| plan.tags.get("stepgate.dev/cluster-uid").is_some_and(|uid| uid == CLUSTER_UID);
    let plans =
        site.aws.with(|memory| memory.region(ACCOUNT, REGION).unwrap().usage_plans.values().filter(ours).count());
    assert_eq!(plans, scene.world.plans.len());
}

#[tokio::test(start_paused = true)]
async fn a_process_that_wakes_long_after_its_claim_sends_nothing() {
    let scene = Scene::example("root-get");
    let start = Moment::first(&scene);
    let site = Site::new(start.aws, start.objects);
    scene.apply(&site.server);
    let client = slow_to_hear(&site, minutes(30));
    one_begins(&site, Operator::with(&site, site.aws.http_client(), client)).await;
    assert_eq!(apis(&site).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_is_deleted_while_it_is_created_is_not_left_behind() {
    let scene = Scene::example("root-get");
    let start = Moment::first(&scene);
    let site = Site::new(start.aws, start.objects);
    scene.apply(&site.server);
    let slow = SharedHttpClient::new(Slow {
        aws: site.aws.clone(),
        creates: &CREATES,
        leaves: Arc::default(),
        pause: minutes(4),
        expires: minutes(5),
    });
    let mut paused = Operator::with(&site, slow, site.server.client(&site.tape, None));
    let mut other = Operator::start(&site);
    let key = scene.world.apis.keys().next().unwrap().clone();
    let id = ("restapis".to_owned(), key.namespace.clone(), key.name.clone());
    let deletes = async {
        let claimed = || {
            let objects = site.server.snapshot();
            let text = objects.by_id(&id).map(|api| api["metadata"]["annotations"][CREATION].to_string());
            text.is_some_and(|text| text.contains("claimed by"))
        };
        while !claimed() {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
        scene.gone().apply(&site.server);
        other.round(true).await;
        assert!(site.server.snapshot().by_id(&id).is_some(), "the object is gone, and an API still comes");
        other.settle().await
    };
    let begins = async {
        for _ in 0..2 {
            paused.round(true).await;
        }
    };
    let ((), settled) = tokio::join!(begins, deletes);
    settled.unwrap();
    assert!(site.server.snapshot().by_id(&id).is_none());
    assert_eq!(apis(&site), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn a_second_api_with_our_tags_is_found_although_the_first_is_known() {
    let scene = Scene::example("root-get");
    let start = Moment::first(&scene);
    let site = Site::new(start.aws, start.objects);
    scene.apply(&site.server);
    let mut operator = Operator::start(&site);
    operator.settle().await.unwrap();
    let own = apis(&site).pop().unwrap();
    let change = |change: &dyn Fn(&mut serde_json::Map<String, Value>)| {
        site.aws.with(|memory| {
            let mut tree = memory.tree();
            change(tree[ACCOUNT]["regions"][REGION]["apis"].as_object_mut().unwrap());
            memory.plant(&tree).unwrap();
        });
    };
    change(&|apis| {
        let mut copy = apis[&own].clone();
        copy["id"] = json!("restored01");
        apis.insert("restored01".to_owned(), copy);
    });
    let before = Moment::of(&site).aws;
    let key: Arc<Key> = Arc::new(scene.world.apis.keys().next().unwrap().clone());
    let shown = || {
        let objects = site.server.snapshot();
        objects.by_id(&("restapis".to_owned(), key.namespace.clone(), key.name.clone())).unwrap().clone()
    };
    operator.round(true).await;
    assert!(is(&shown(), "Ready"), "its list of all APIs is ten minutes old at most");
    tokio::time::sleep(minutes(10)).await;
    operator.round(true).await;
    let stalled = condition(&shown(), "Stalled").unwrap().clone();
    assert_eq!((&stalled["status"], &stalled["reason"]), (&json!("True"), &json!("OwnershipConflict")));
    let message = stalled["message"].as_str().unwrap();
    assert!(message.contains(&own) && message.contains("restored01"), "{message}");
    assert_eq!(Moment::of(&site).aws.essence(), before.essence(), "one of them was picked");
    change(&|apis| drop(apis.remove("restored01")));
    operator.round(true).await;
    assert!(is(&shown(), "Ready"));
}
