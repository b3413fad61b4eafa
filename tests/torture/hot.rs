//! No hot loops: the whole operator, watches and work queues included, runs for an hour of virtual time beside an object
//! that can never succeed, one for each class of error. What that costs in calls to AWS and in writes to Kubernetes is bounded.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use stepgate::aws::Sessions;
use stepgate::controller::{Clock, Config, run};
use stepgate::identity::Cluster;
use stepgate::runtime::Metrics;
use stepgate_testbed::memory::{Fault, Memory, Service, Settings, answer, throttled};
use tokio_util::sync::CancellationToken;

use super::DOMAINS;
use super::kubernetes::{KINDS, Objects, condition, is};
use super::operator::{CLUSTER_UID, Site};
use super::scene::Scene;

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
    /// Its credentials are refused.
    Credentials,
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
    /// The role can never be assumed.
    Unassumable,
    /// The API server takes no status.
    NoStatus,
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
        Error::NotAdmitted => Arc::make_mut(&mut scene.world.accounts[0]).spec.tenants.clear(),
        Error::Unassumable => settings.role_propagation = Duration::from_secs(100 * 3600),
        _ => {}
    }
    let site = Site::new(Memory::new(7, settings), Objects::default());
    if error == Error::Foreign {
        // The role is there before, and its tags say that it is another's.
        let made = Scene::example(example);
        made.apply(&site.server);
        let mut other = super::operator::Operator::start(&site);
        other.settle().await.unwrap();
        site.aws.with(|memory| {
            let mut tree = memory.tree();
            let account = &mut tree["111122223333"];
            for role in account["iam"]["roles"].as_object_mut().unwrap().values_mut() {
                role["tags"] = json!({});
            }
            for rooms in ["machines", "domains", "usage_plans", "api_keys"] {
                for one in account["regions"]["us-east-1"][rooms].as_object_mut().unwrap().values_mut() {
                    one["tags"] = json!({});
                }
            }
            memory.plant(&tree).unwrap();
        });
    }
    let site = Site::new(site.aws.with(|memory| memory.clone()), Objects::default());
    scene.apply(&site.server);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    site.aws.faults(move |attempt| {
        counted.fetch_add(1, Ordering::Relaxed);
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
            Error::Credentials => says(403, "ExpiredToken", "The security token included in the request is expired"),
            Error::Conflict if operation == "CreateResource" || operation == "PutMethod" => says(
                409,
                "ConflictException",
                "Unable to complete operation due to concurrent modification. Please try again later.",
            ),
            _ => None,
        }
    });
    let writes: Arc<Mutex<BTreeMap<String, usize>>> = Arc::default();
    let written = Arc::clone(&writes);
    site.tape.hook(move |step| {
        if step.effect > 0 {
            *written.lock().unwrap().entry(step.what.to_owned()).or_default() += 1;
        }
        let status = step.what.ends_with("status") && step.what.contains("statemachines");
        (error == Error::NoStatus && status).then_some(super::tape::Wrong::Broken)
    });
    let sessions = Sessions::with_http_client(site.aws.http_client(), Arc::new(|_, _, _| {}));
    let config = Config {
        resync_period: Duration::from_secs(600),
        propagation_wait: Duration::from_secs(10),
        clock: Clock::default(),
    };
    let cluster = Cluster { name: "test".into(), uid: CLUSTER_UID.into() };
    let client = site.server.client(&site.tape, None);
    let stop = CancellationToken::new();
    let operator = run(client, cluster, config, Arc::new(sessions), Arc::new(Metrics::default()), stop.clone());
    tokio::select! {
        () = operator => panic!("the operator ends"),
        () = tokio::time::sleep(Duration::from_secs(3600)) => {}
    }
    let writes = std::mem::take(&mut *writes.lock().unwrap());
    (calls.load(Ordering::Relaxed), writes, site.server.snapshot())
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
#[case::conflict(Error::Conflict, 700, 60)]
#[case::foreign(Error::Foreign, 250, 40)]
#[case::over_ceiling(Error::OverCeiling, 250, 40)]
#[case::missing(Error::Missing, 250, 40)]
#[case::not_admitted(Error::NotAdmitted, 250, 40)]
#[case::unassumable(Error::Unassumable, 700, 60)]
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
