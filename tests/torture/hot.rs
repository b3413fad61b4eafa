//! No hot loops: the whole operator, watches and work queues included, runs for an hour of virtual time beside an object
//! that can never succeed, one for each class of error. What that costs in calls to AWS and in writes to Kubernetes is bounded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_smithy_runtime_api::client::http::SharedHttpClient;
use k8s_openapi::jiff::Timestamp;
use kube::api::ObjectMeta;
use serde_json::{Value, json};
use stepgate::api::{InvokeRole, PAUSED};
use stepgate::aws::{Class, Sessions};
use stepgate::controller::{Clock, Config, run};
use stepgate::identity::Cluster;
use stepgate::runtime::Metrics;
use stepgate_testbed::memory::{ACCOUNT, Attempt, Fault, Memory, Service, Settings, answer, throttled};
use tokio_util::sync::CancellationToken;

use super::kubernetes::{KINDS, Objects, condition, is};
use super::operator::{CLUSTER_UID, Site};
use super::scene::Scene;
use super::tape::Wrong;
use super::{DOMAINS, Moment, drive};

/// A class of error.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Error {
    /// None: what a healthy object costs.
    Healthy,
    /// AWS refuses the definition.
    Refused,
    /// AWS throttles every call.
    Throttled,
    /// AWS throttles one operation.
    ThrottledCreate,
    /// AWS answers every call with 500.
    Broken,
    /// AWS answers one operation with 500.
    BrokenCreate,
    /// AWS does not answer.
    Unreachable,
    /// The operator has not the right to one operation.
    Denied,
    /// It may not hand out a role that was named.
    NotGranted,
    /// A managed policy that was named is not there.
    NoPolicy,
    /// It may not attach one that was named.
    PolicyDenied,
    /// Its credentials are refused.
    Credentials,
    /// Its credentials are of another account.
    WrongAccount,
    /// A change is always under way.
    Conflict,
    /// An object of the name is another's.
    Foreign,
    /// Statements over the ceiling.
    OverCeiling,
    /// A route's machine does not exist.
    Missing,
    /// Nobody admits the namespace.
    NotAdmitted,
    /// What a call is about is not there, although it was a moment ago.
    NotFound,
    /// The role can never be assumed.
    Unassumable,
    /// The account has no room for another role.
    RoleQuota,
    /// What is to be adopted is not there.
    NothingToAdopt,
    /// A stage is pinned to a revision that never was.
    NoRevision,
    /// The API server takes no status.
    NoStatus,
}

/// What each class of an answer of AWS is tried with. One more class does not compile until it is here.
fn errors(class: Class) -> &'static [Error] {
    match class {
        Class::NotFound => &[Error::NotFound, Error::NoPolicy],
        Class::Terminal => &[Error::Refused],
        Class::Retryable => &[Error::Broken, Error::BrokenCreate, Error::Unreachable, Error::Conflict],
        Class::Throttled(_) => &[Error::Throttled, Error::ThrottledCreate],
        Class::FreshRole => &[Error::Unassumable],
        Class::RoleQuota => &[Error::RoleQuota],
        Class::Credentials => &[Error::Denied, Error::Credentials],
        Class::NotGranted => &[Error::NotGranted, Error::PolicyDenied],
    }
}

#[test]
fn every_class_of_error_has_a_case() {
    let classes = [
        Class::NotFound,
        Class::Terminal,
        Class::Retryable,
        Class::Throttled(None),
        Class::FreshRole,
        Class::RoleQuota,
        Class::Credentials,
        Class::NotGranted,
    ];
    for error in classes.iter().flat_map(|class| errors(*class)) {
        assert!(include_str!("hot.rs").contains(&format!("(Error::{error:?}, ")), "{error:?} has no case");
    }
}

/// A machine, an API and a route.
const API: &str = "root-get";
/// The same with a usage plan and its keys.
const PLAN: &str = "docs/usage-plans.md";

/// What has no name, or a name in the account, and is made once.
const CREATES: [&str; 6] = [
    "CreateStateMachine",
    "CreateRestApi",
    "CreateDomainName",
    "CreateBasePathMapping",
    "CreateUsagePlan",
    "CreateApiKey",
];

/// Calls to AWS and writes to Kubernetes in an hour, these by what they are.
async fn an_hour(example: &str, error: Error) -> (usize, BTreeMap<String, usize>, Objects) {
    // The pauses between tries.
    fastrand::seed(7);
    let mut scene = Scene::example(example);
    let mut settings = Settings::default();
    match error {
        Error::OverCeiling => {
            let machine = Arc::make_mut(scene.world.machines.values_mut().next().unwrap());
            let statement = json!({"statements": [{"actions": ["s3:GetObject"], "resources": ["*"]}]});
            machine.spec.execution_role = Some(serde_json::from_value(statement).unwrap());
        }
        Error::Missing => {
            scene.world.machines.clear();
            scene.world.secrets.clear();
        }
        Error::NoPolicy | Error::PolicyDenied => {
            let policies = || Some(vec![format!("arn:aws:iam::{ACCOUNT}:policy/nowhere")]);
            Arc::make_mut(&mut scene.world.accounts[0]).spec.tenants[0].managed_policy_arns = policies().unwrap();
            let machine = Arc::make_mut(scene.world.machines.values_mut().next().unwrap());
            machine.spec.execution_role.get_or_insert_default().managed_policy_arns = policies();
            let route = Arc::make_mut(scene.world.routes.values_mut().next().unwrap());
            route.spec.invoke_role = Some(InvokeRole { arn: None, managed_policy_arns: policies() });
        }
        Error::NotAdmitted => Arc::make_mut(&mut scene.world.accounts[0]).spec.tenants.clear(),
        Error::WrongAccount => Arc::make_mut(&mut scene.world.accounts[0]).spec.account_id = "999900001111".into(),
        Error::NothingToAdopt => {
            Arc::make_mut(&mut scene.world.accounts[0]).spec.tenants[0].adoptable_arns = vec!["arn:aws:*".into()];
            let api = Arc::make_mut(scene.world.apis.values_mut().next().unwrap());
            let adoption = json!({"policy": "Adopt", "name": "nowhere"});
            api.spec.adoption = Some(serde_json::from_value(adoption).unwrap());
        }
        Error::NoRevision => {
            let api = Arc::make_mut(scene.world.apis.values_mut().next().unwrap());
            api.spec.stages[0].revision = Some(99);
        }
        Error::Unassumable => settings.role_propagation = Duration::from_secs(100 * 3600),
        Error::RoleQuota => settings.role_limit = 1,
        _ => {}
    }
    let mut start = Moment::first(&scene).aws;
    start.settings = settings;
    let site = Site::new(start, Objects::default());
    if error == Error::Foreign {
        // The role is there before, and its tags say that it is another's.
        let made = Scene::example(example);
        made.apply(&site.server);
        let mut other = super::operator::Operator::start(&site);
        other.settle().await.unwrap();
        site.aws.with(|memory| {
            let mut tree = memory.tree();
            let account = &mut tree["111122223333"];
            ours(&mut account["iam"]["roles"]).for_each(|role| role["tags"] = json!({}));
            for rooms in ["machines", "domains", "usage_plans", "api_keys"] {
                ours(&mut account["regions"]["us-east-1"][rooms]).for_each(|one| one["tags"] = json!({}));
            }
            memory.plant(&tree).unwrap();
        });
    }
    let site = Site::new(site.aws.with(|memory| memory.clone()), Objects::default());
    scene.apply(&site.server);
    let refuses_status = move |what: &str| {
        let status = what.ends_with("status") && what.contains("statemachines");
        (error == Error::NoStatus && status).then_some(Wrong::Broken)
    };
    let fault = move |attempt: &Attempt<'_>| {
        let (service, operation) = (attempt.call.service, attempt.call.operation.as_str());
        let says = |status, code, message| Some(Fault::Answer(answer(service, status, code, message)));
        let broken = || match service {
            Service::Iam | Service::Sts => says(500, "ServiceFailure", "try again"),
            Service::States => says(500, "InternalFailure", "try again"),
            Service::ApiGateway => says(500, "InternalServerErrorException", "try again"),
            Service::Logs => says(500, "ServiceUnavailableException", "try again"),
        };
        let creates = CREATES.contains(&operation);
        match error {
            Error::Refused if operation == "CreateStateMachine" => {
                says(400, "InvalidDefinition", "Invalid State Machine Definition")
            }
            Error::Refused if creates => says(400, "BadRequestException", "Invalid"),
            Error::Throttled => Some(Fault::Answer(throttled(service, 1))),
            Error::ThrottledCreate if creates => Some(Fault::Answer(throttled(service, 1))),
            Error::Broken => broken(),
            Error::BrokenCreate if creates => broken(),
            Error::Unreachable => Some(Fault::Refused),
            Error::Denied if operation == "CreateRole" => {
                says(403, "AccessDenied", "User is not authorized to perform: iam:CreateRole")
            }
            Error::NotGranted if operation == "CreateStateMachine" || operation == "PutIntegration" => says(
                403,
                "AccessDeniedException",
                "User: stepgate is not authorized to perform: iam:PassRole on resource: r",
            ),
            Error::PolicyDenied if operation == "AttachRolePolicy" => says(
                403,
                "AccessDenied",
                "User: stepgate is not authorized to perform: iam:AttachRolePolicy on resource: role r",
            ),
            Error::Credentials => says(403, "ExpiredToken", "The security token included in the request is expired"),
            Error::Conflict if operation == "CreateResource" || operation == "PutMethod" => says(
                409,
                "ConflictException",
                "Unable to complete operation due to concurrent modification. Please try again later.",
            ),
            Error::NotFound if operation == "PutMethod" => {
                says(404, "NotFoundException", "Invalid Resource identifier specified")
            }
            _ => None,
        }
    };
    run_for_an_hour(&site, fault, refuses_status, |_| {}).await
}

/// The whole operator for an hour: the faults that AWS and the API server have, and what is done every second.
async fn run_for_an_hour(
    site: &Site,
    mut fault: impl FnMut(&Attempt<'_>) -> Option<Fault> + Send + 'static,
    mut refuses: impl FnMut(&str) -> Option<Wrong> + Send + 'static,
    mut meanwhile: impl FnMut(&Site),
) -> (usize, BTreeMap<String, usize>, Objects) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    site.aws.faults(move |attempt| {
        counted.fetch_add(1, Ordering::Relaxed);
        fault(&attempt)
    });
    let writes: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let written = Arc::clone(&writes);
    site.tape.hook(move |step| {
        if step.effect > 0 {
            *written.lock().unwrap().entry(step.what.to_owned()).or_default() += 1;
        }
        refuses(step.what)
    });
    running(site, site.aws.http_client(), Duration::from_hours(1), |site| meanwhile(site)).await;
    let writes = std::mem::take(&mut *writes.lock().unwrap());
    (calls.load(Ordering::Relaxed), writes, site.server.snapshot())
}

/// The whole operator, watches and work queues included, for so long; and what is done every second.
pub async fn running(site: &Site, http: SharedHttpClient, time: Duration, mut meanwhile: impl FnMut(&Site)) {
    let sessions = Sessions::with_http_client(http, Arc::new(|_, _, _| {}));
    // AWS's clock is everybody's.
    let aws = site.aws.clone();
    let clock = Clock::of(move || {
        let now = aws.with(|memory| memory.now());
        Timestamp::from_second(i64::try_from(now.as_secs()).unwrap()).unwrap()
    });
    let config = Config { resync_period: Duration::from_secs(600), propagation_wait: Duration::from_secs(10), clock };
    let cluster = Cluster { name: "test".into(), uid: CLUSTER_UID.into() };
    let client = site.server.client(&site.tape, None);
    let stop = CancellationToken::new();
    let operator = run(client, cluster, config, Arc::new(sessions), Arc::new(Metrics::default()), stop.clone());
    let seconds = async {
        for _ in 0..time.as_secs() {
            tokio::time::sleep(Duration::from_secs(1)).await;
            meanwhile(site);
        }
    };
    tokio::select! {
        () = operator => panic!("the operator ends"),
        () = seconds => {}
    }
}

/// The most calls to AWS and writes to Kubernetes in an hour: of an account, a machine, an API and a route. A healthy one is
/// looked at every ten minutes.
#[rstest::rstest]
#[case::healthy(Error::Healthy, 250, 40)]
#[case::refused(Error::Refused, 250, 40)]
#[case::throttled(Error::Throttled, 700, 60)]
#[case::throttled_create(Error::ThrottledCreate, 700, 100)]
#[case::broken(Error::Broken, 700, 60)]
#[case::broken_create(Error::BrokenCreate, 700, 60)]
#[case::unreachable(Error::Unreachable, 700, 60)]
#[case::denied(Error::Denied, 700, 60)]
#[case::credentials(Error::Credentials, 700, 60)]
#[case::not_granted(Error::NotGranted, 700, 60)]
#[case::no_policy(Error::NoPolicy, 700, 60)]
#[case::policy_denied(Error::PolicyDenied, 700, 60)]
#[case::wrong_account(Error::WrongAccount, 250, 40)]
#[case::nothing_to_adopt(Error::NothingToAdopt, 250, 40)]
#[case::no_revision(Error::NoRevision, 300, 40)]
#[case::conflict(Error::Conflict, 700, 60)]
#[case::foreign(Error::Foreign, 250, 40)]
#[case::over_ceiling(Error::OverCeiling, 250, 40)]
#[case::missing(Error::Missing, 250, 40)]
#[case::not_admitted(Error::NotAdmitted, 250, 40)]
#[case::not_found(Error::NotFound, 700, 60)]
#[case::unassumable(Error::Unassumable, 700, 60)]
#[case::role_quota(Error::RoleQuota, 700, 60)]
#[case::no_status(Error::NoStatus, 700, 400)]
#[tokio::test(start_paused = true)]
async fn what_can_never_succeed_costs_little(
    #[case] error: Error,
    #[case] most_calls: usize,
    #[case] most_writes: usize,
) {
    costs_little(API, error, most_calls, most_writes).await;
}

/// The same of what spans APIs: beside the former, a custom domain name, or a usage plan with two keys.
#[rstest::rstest]
#[case::healthy(Error::Healthy, 400, 60)]
#[case::refused(Error::Refused, 400, 60)]
#[case::throttled(Error::Throttled, 900, 90)]
#[case::throttled_create(Error::ThrottledCreate, 1_000, 180)]
#[case::broken(Error::Broken, 900, 90)]
#[case::broken_create(Error::BrokenCreate, 1_000, 90)]
#[case::unreachable(Error::Unreachable, 900, 90)]
#[case::credentials(Error::Credentials, 900, 90)]
#[case::foreign(Error::Foreign, 400, 60)]
#[case::missing(Error::Missing, 400, 60)]
#[case::not_admitted(Error::NotAdmitted, 400, 60)]
#[tokio::test(start_paused = true)]
async fn nor_does_what_spans_apis(
    #[case] error: Error,
    #[case] most_calls: usize,
    #[case] most_writes: usize,
    #[values(DOMAINS, PLAN)] example: &str,
) {
    costs_little(example, error, most_calls, most_writes).await;
}

async fn costs_little(example: &str, error: Error, most_calls: usize, most_writes: usize) {
    let (calls, each, objects) = an_hour(example, error).await;
    let writes: usize = each.values().sum();
    println!("{example}, {error:?}: {calls} calls to AWS and {writes} writes to Kubernetes in an hour: {each:?}");
    let all: Vec<_> = KINDS.iter().flat_map(|kind| objects.of(kind)).collect();
    for (id, object) in &all {
        let ready = condition(object, "Ready").map(|ready| format!("{} {}", ready["reason"], ready["message"]));
        println!("  {}: {}", id.0, ready.unwrap_or_default());
    }
    assert_eq!(all.iter().all(|(_, object)| is(object, "Ready")), error == Error::Healthy);
    assert!(calls <= most_calls, "{calls} calls to AWS, at most {most_calls}");
    assert!(writes <= most_writes, "{writes} writes to Kubernetes, at most {most_writes}");
}

/// What does not end well although all was made.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Later {
    /// AWS refuses to delete what is deleted.
    DeletionRefused,
    /// Deletion waits for people.
    DeletionBlocked,
    /// A stage that is pinned still calls the machine that is deleted.
    DeletionServed,
    /// There were too many deletions.
    DeletionHeld,
    /// AWS does not answer while everything is deleted.
    DownWhileDeleting,
    /// Somebody undoes each repair within a second.
    Redone,
    /// AWS has another API with the same owner tags.
    TwoApis,
    /// A route's edit can't be carried out; the route serves on.
    LastKnownGood,
    /// An execution of a former definition never ends.
    NeverEnds,
    /// AWS does not say which executions run.
    NotListed,
}

/// Made without a fault; then it goes wrong for an hour: what that costs, and what the objects say of it.
#[rstest::rstest]
#[case::deletion_refused(Later::DeletionRefused, "Stalled", "RefusedByAWS", 250, 40)]
#[case::deletion_blocked(Later::DeletionBlocked, "Reconciling", "DeletionBlocked", 250, 40)]
#[case::deletion_served(Later::DeletionServed, "Reconciling", "DeletionBlocked", 250, 40)]
#[case::deletion_held(Later::DeletionHeld, "Reconciling", "DeletionHeld", 250, 40)]
#[case::down_while_deleting(Later::DownWhileDeleting, "Reconciling", "Retrying", 700, 60)]
#[case::redone(Later::Redone, "Ready", "Ready", 250, 40)]
#[case::two_apis(Later::TwoApis, "Stalled", "OwnershipConflict", 250, 40)]
#[case::last_known_good(Later::LastKnownGood, "Ready", "LastKnownGood", 250, 40)]
#[case::never_ends(Later::NeverEnds, "PolicyNarrowingPending", "ExecutionsRunning", 300, 40)]
#[case::not_listed(Later::NotListed, "PolicyNarrowingPending", "ExecutionsRunning", 300, 40)]
#[tokio::test(start_paused = true)]
async fn nor_does_what_goes_wrong_later(
    #[case] later: Later,
    #[case] type_: &str,
    #[case] reason: &str,
    #[case] most_calls: usize,
    #[case] most_writes: usize,
) {
    fastrand::seed(7);
    let mut scene = Scene::example(API);
    let api = Arc::make_mut(scene.world.apis.values_mut().next().unwrap());
    match later {
        Later::DeletionServed => api.spec.stages[0].revision = Some(1),
        Later::DeletionHeld => Arc::make_mut(&mut scene.world.accounts[0]).spec.max_deletions_per_hour = 1,
        Later::NeverEnds | Later::NotListed => scene = super::roles::scene("STANDARD", &["first", "later"], &[]),
        _ => {}
    }
    let start = Moment::first(&scene);
    let mut made = drive(&start, &scene, None).await.unwrap();
    match later {
        Later::TwoApis => {
            let mut tree = made.aws.tree();
            let apis = tree[ACCOUNT]["regions"]["us-east-1"]["apis"].as_object_mut().unwrap();
            let (id, mut twin) = apis.iter().next().map(|(id, api)| (id.clone(), api.clone())).unwrap();
            let other: String = id.chars().rev().collect();
            twin["id"] = json!(other);
            apis.insert(other, twin);
            made.aws.plant(&tree).unwrap();
        }
        Later::NeverEnds => {
            let machine = format!("arn:aws:states:us-east-1:{ACCOUNT}:stateMachine:team_m");
            super::roles::states(
                &mut made.aws,
                "StartExecution",
                &json!({"stateMachineArn": machine, "name": "monday"}),
            );
        }
        _ => {}
    }
    let site = Site::new(made.aws, made.objects);
    match later {
        Later::DeletionRefused | Later::DeletionHeld | Later::DownWhileDeleting => scene.gone().apply(&site.server),
        Later::DeletionBlocked => {
            // Paused, and deleted.
            let mut paused = scene.clone();
            let pause = |meta: &mut ObjectMeta| {
                drop(meta.annotations.get_or_insert_default().insert(PAUSED.into(), "true".into()))
            };
            paused.world.machines.values_mut().for_each(|one| pause(&mut Arc::make_mut(one).metadata));
            paused.world.apis.values_mut().for_each(|one| pause(&mut Arc::make_mut(one).metadata));
            paused.apply(&site.server);
            scene.gone().apply(&site.server);
        }
        Later::DeletionServed => {
            let mut pinned = scene.clone();
            pinned.world.machines.clear();
            pinned.world.routes.clear();
            pinned.apply(&site.server);
        }
        Later::LastKnownGood => {
            let mut edited = scene.clone();
            let route = Arc::make_mut(edited.world.routes.values_mut().next().unwrap());
            route.spec.target.state_machine_ref.as_mut().unwrap().name = "missing".into();
            edited.apply(&site.server);
        }
        Later::NeverEnds | Later::NotListed => {
            super::roles::scene("STANDARD", &["first", "new"], &[]).apply(&site.server)
        }
        Later::Redone | Later::TwoApis => {}
    }
    let fault = move |attempt: &Attempt<'_>| match later {
        Later::DownWhileDeleting => Some(Fault::Refused),
        Later::NotListed if attempt.call.operation == "ListExecutions" => {
            Some(Fault::Answer(answer(attempt.call.service, 400, "ThrottlingException", "Rate exceeded")))
        }
        Later::DeletionRefused if attempt.call.operation.starts_with("Delete") => {
            let code = if attempt.call.service == Service::Iam { "DeleteConflict" } else { "BadRequestException" };
            Some(Fault::Answer(answer(attempt.call.service, 400, code, "It can't be deleted now")))
        }
        _ => None,
    };
    let meanwhile = |site: &Site| {
        if later == Later::Redone {
            site.aws.with(redo);
        }
    };
    let (calls, each, objects) = run_for_an_hour(&site, fault, |_| None, meanwhile).await;
    let writes: usize = each.values().sum();
    println!("{later:?}: {calls} calls to AWS and {writes} writes to Kubernetes in an hour: {each:?}");
    let all: Vec<_> = KINDS.iter().flat_map(|kind| objects.of(kind)).collect();
    for (id, object) in &all {
        let ready = condition(object, "Ready").map(|ready| format!("{} {}", ready["reason"], ready["message"]));
        println!("  {}: {}", id.0, ready.unwrap_or_default());
    }
    let says = |object: &Value| condition(object, type_).is_some_and(|one| one["reason"] == reason);
    assert!(all.iter().any(|(_, object)| says(object)), "nobody says {type_} {reason}");
    assert!(calls <= most_calls, "{calls} calls to AWS, at most {most_calls}");
    assert!(writes <= most_writes, "{writes} writes to Kubernetes, at most {most_writes}");
}

/// Those with our tags.
fn ours(all: &mut Value) -> impl Iterator<Item = &mut Value> {
    all.as_object_mut().unwrap().values_mut().filter(|one| one["tags"]["stepgate.dev/cluster-uid"] == CLUSTER_UID)
}

/// Somebody turns a machine's tracing on and writes an API's description, whenever they are not so.
fn redo(memory: &mut Memory) {
    let mut tree = memory.tree();
    let region = &mut tree[ACCOUNT]["regions"]["us-east-1"];
    ours(&mut region["machines"]).for_each(|machine| machine["form"]["tracing"]["enabled"] = json!(true));
    ours(&mut region["apis"]).for_each(|api| api["description"] = json!("theirs"));
    memory.plant(&tree).unwrap();
}
