//! `stepgate plan`: what a reconcile would do, against AWS as it is now. Nothing is changed.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::{live, manifests};
use crate::api::conditions::reasons;
use crate::api::{APIDomain, PAUSED, RestAPI, StateMachine, UsagePlan, is_paused};
use crate::aws::{Session, Sessions};
use crate::cli::out::out;
use crate::identity::Key;
use crate::model::api::Coming;
use crate::model::machine;
use crate::observe::{self, Proof, Survey, Surveyed, UsagePlanLook};
use crate::plan::Plan;
use crate::problem::{Kind, Problem};
use crate::records;
use crate::resolve;
use crate::resources::Step;
use crate::resources::deployment::Record;
use crate::tenancy::{Admission, Place};
use crate::validate::route::Refusal;
use crate::validate::{api_domain, rest_api, route, state_machine, usage_plan};
use crate::world::World;

/// Plans.
pub async fn run(args: &super::Inputs) -> anyhow::Result<ExitCode> {
    let manifests = manifests::read(&args.paths)?;
    let client = live::client().await?;
    let live = live::world(&client, &args.cluster_name, &manifests).await?;
    let world = manifests.over(live.clone());
    let cluster = Cluster { client, live, world, sessions: Sessions::new(Arc::new(|_, _, _| {})) };
    let (mut plans, mut problems) = (Vec::new(), Vec::new());
    for key in manifests.machines.iter().map(Key::of) {
        let Some(machine) = cluster.world.machines.get(&key) else { continue };
        let object = Object::new(format!("StateMachine {key}"), &**machine);
        match cluster.plan_machine(machine).await {
            Ok(plan) => plans.push((object, plan)),
            Err(problem) => problems.push((object.name, problem)),
        }
    }
    for key in manifests.apis_concerned() {
        let Some(api) = cluster.world.apis.get(&key) else { continue };
        let object = Object::new(format!("RestAPI {key}"), &**api);
        match cluster.plan_api(api).await {
            Ok(surveyed) => {
                plans.push((object, surveyed.plan));
                for (key, Refusal { problem, .. }) in surveyed.attachment.refused {
                    let name = format!("APIRoute {key}");
                    match problem.reason == reasons::PAUSED {
                        true => plans.push((Object { name, paused: true }, Plan::default())),
                        false => problems.push((name, problem)),
                    }
                }
            }
            Err(problem) => problems.push((object.name, problem)),
        }
    }
    for key in manifests.plans.iter().map(Key::of) {
        let Some(plan) = cluster.world.plans.get(&key) else { continue };
        let object = Object::new(format!("UsagePlan {key}"), &**plan);
        match cluster.plan_usage_plan(plan).await {
            Ok((plan, found)) => {
                for problem in found {
                    match problem.kind {
                        Kind::Stalled => problems.push((object.name.clone(), problem)),
                        // What it waits for may be among the manifests.
                        Kind::Waiting => eprintln!("note: {}: {problem}", object.name),
                    }
                }
                plans.push((object, plan));
            }
            Err(problem) => problems.push((object.name, problem)),
        }
    }
    for key in manifests.domains.iter().map(Key::of) {
        let Some(domain) = cluster.world.domains.get(&key) else { continue };
        let object = Object::new(format!("APIDomain {key}"), &**domain);
        match cluster.plan_domain(domain).await {
            Ok(plan) => plans.push((object, plan)),
            Err(problem) => problems.push((object.name, problem)),
        }
    }
    print(args.output, &plans);
    for (object, problem) in &problems {
        eprintln!("error: {object}: {problem}");
    }
    Ok(match (problems.is_empty(), plans.iter().all(|(_, plan)| plan.is_empty())) {
        (false, _) => ExitCode::FAILURE,
        (true, true) => ExitCode::SUCCESS,
        (true, false) => 2.into(),
    })
}

/// A Kubernetes object that is planned for.
struct Object {
    name: String,
    paused: bool,
}

impl Object {
    fn new(name: String, object: &impl ResourceExt) -> Self {
        Self { name, paused: is_paused(object) }
    }
}

fn print(output: super::Output, plans: &[(Object, Plan<Step>)]) {
    if matches!(output, super::Output::Json) {
        let json = |(object, plan): &(Object, Plan<Step>)| json!({"object": object.name, "paused": object.paused, "steps": plan});
        out!("{:#}\n", Value::Array(plans.iter().map(json).collect()));
        return;
    }
    for (Object { name, paused }, plan) in plans {
        match (paused, plan.is_empty()) {
            (false, true) => out!("{name}: no change\n"),
            (false, false) => out!("{name}:\n{plan}"),
            (true, true) => out!("{name}: paused by annotation {PAUSED}\n"),
            (true, false) => out!("{name}: paused; without annotation {PAUSED}:\n{plan}"),
        }
    }
}

/// The cluster, with the manifests laid over it.
struct Cluster {
    client: Client,
    live: World,
    world: World,
    sessions: Sessions,
}

impl Cluster {
    async fn plan_machine(&self, object: &StateMachine) -> Result<Plan<Step>, Problem> {
        let (admission, place) = state_machine::place(&self.world, object)?;
        let valid = state_machine::validate(&self.world, object)?;
        let session = self.session(&admission, &place).await?;
        let live = self.live.machines.get(&Key::of(object));
        let status = live.and_then(|live| live.status.clone()).unwrap_or_default();
        let wanted = machine::build(&valid);
        let now = Timestamp::now();
        let (_, planned) = observe::state_machine(&session, &wanted, &place, &status, now).await?;
        Ok(planned.plan)
    }

    /// Base paths of RestAPIs that are not in AWS yet are not planned: their ids are not known.
    async fn plan_domain(&self, object: &Arc<APIDomain>) -> Result<Plan<Step>, Problem> {
        let mut world = self.world.clone();
        for (key, api) in &mut world.apis {
            Arc::make_mut(api).status = self.live.apis.get(key).and_then(|live| live.status.clone());
        }
        let mut object = APIDomain::clone(object);
        object.status = self.live.domains.get(&Key::of(&object)).and_then(|live| live.status.clone());
        let (admission, place) = api_domain::place(&world, &object)?;
        let valid = api_domain::validate(&world, &object)?;
        let session = self.session(&admission, &place).await?;
        Ok(observe::domain::survey(&session, &world, &object, &valid, |_| false).await?.plan)
    }

    async fn plan_api(&self, object: &Arc<RestAPI>) -> Result<Surveyed, Problem> {
        let Self { client, live, world, .. } = self;
        let key = Key::of(&**object);
        let (admission, place) = rest_api::place(world, object)?;
        let session = self.session(&admission, &place).await?;
        let live = live.apis.get(&key);
        let status = live.and_then(|api| api.status.clone()).unwrap_or_default();
        let records = match live {
            Some(live) => live::records(client, live).await.map_err(|error| Problem::invalid(error.to_string()))?,
            None => Vec::new(),
        };
        let world = &World { records: records.clone(), ..world.clone() };
        let valid = rest_api::validate(world, object)?;
        let routes: Vec<_> = world.routes.values().filter(|route| resolve::api_of(route) == key).collect();
        let survey = Survey {
            session: &session,
            world,
            api: object,
            valid: &valid,
            candidates: routes
                .iter()
                .filter(|route| !resolve::terminating(&****route) || is_paused(&****route))
                .map(|route| (Arc::clone(route), route::candidate(world, object, &valid, route)))
                .collect(),
            known_routes: routes.iter().map(|route| Key::of(&***route)).collect(),
            proof: &LiveProof(client),
            records,
            uid: live.and_then(|api| api.metadata.uid.as_deref()),
            known_id: status.rest_api_id,
            look_for_roles: true,
            coming: Coming::default(),
            verified_revision: status.verified_revision.unwrap_or_default(),
            managed: &status.managed,
            may_come: &|_| false,
            now: SystemTime::now(),
            propagation_wait: Duration::ZERO,
            settles_in: &|_, _| Duration::ZERO,
        };
        survey.run().await
    }

    /// The plan, and what keeps some of its keys and stages from being had.
    async fn plan_usage_plan(&self, object: &UsagePlan) -> Result<(Plan<Step>, Vec<Problem>), Problem> {
        let mut world = self.world.clone();
        for (key, api) in &mut world.apis {
            // What the manifests do not say: which API in AWS it is.
            Arc::make_mut(api).status = self.live.apis.get(key).and_then(|live| live.status.clone());
        }
        let (admission, place) = usage_plan::place(&world, object)?;
        let mut valid = usage_plan::validate(&world, object)?;
        let session = self.session(&admission, &place).await?;
        let live = self.live.plans.get(&Key::of(object));
        let status = live.and_then(|live| live.status.clone()).unwrap_or_default();
        let known_id = status.usage_plan_id.as_deref();
        let look = UsagePlanLook { session: &session, status: &status, known_id, now: Timestamp::now() };
        let seen = look.run(&mut valid).await?;
        Ok((seen.planned.plan, valid.problems))
    }

    async fn session(&self, admission: &Admission, place: &Place) -> Result<Arc<Session>, Problem> {
        let session = self.sessions.get(&admission.account, &place.region).await;
        session.map_err(|error| Problem::invalid(error.to_string()))
    }
}

/// Asks the cluster.
struct LiveProof<'a>(&'a Client);

impl Proof for LiveProof<'_> {
    fn exists<'a>(&'a self, route: &'a Key, of: &'a Key) -> BoxFuture<'a, Result<bool, Problem>> {
        Box::pin(async move { resolve::route_exists(self.0, route, of).await.map_err(Problem::from) })
    }

    fn records<'a>(&'a self, namespace: &'a str, uid: Option<&'a str>) -> BoxFuture<'a, Result<Vec<Record>, Problem>> {
        Box::pin(async move { records::of_namespace(self.0, namespace, uid).await.map_err(Problem::from) })
    }
}
