//! `stepgate plan`: what a reconcile would do, against AWS as it is now. Nothing is changed.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use futures::future::BoxFuture;
use k8s_openapi::api::apps::v1::ControllerRevision;
use k8s_openapi::api::core::v1::{ConfigMap, Namespace};
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};

use super::manifests::{self, Manifests};
use crate::api::{APIRoute, AWSAccount, RestAPI, StateMachine};
use crate::aws::Sessions;
use crate::identity::{Cluster, Key};
use crate::model::machine;
use crate::observe::{self, Proof, Survey};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::resources::Step;
use crate::validate::{rest_api, route, state_machine};
use crate::world::World;
use crate::{records, resolve};

/// Plans.
pub async fn run(args: &super::Inputs) -> anyhow::Result<ExitCode> {
    let manifests = manifests::read(&args.paths)?;
    let client = Client::try_default().await.context("a kubeconfig is needed: owner tags carry the cluster's UID")?;
    let live = Live::read(&client, &args.cluster_name).await?;
    let world = manifests.over(live.world.clone());
    let sessions = Sessions::new(Arc::new(|_, _, _| {}));
    let (mut plans, mut problems) = (Vec::new(), Vec::new());
    for machine in &manifests.machines {
        let name = format!("StateMachine {}", Key::of(machine));
        match plan_machine(&world, &live, &sessions, machine).await {
            Ok(plan) => plans.push((name, plan)),
            Err(problem) => problems.push((name, problem)),
        }
    }
    for api in affected_apis(&manifests, &world) {
        let name = format!("RestAPI {}", Key::of(&*api));
        match plan_api(&client, &world, &live, &sessions, &api, &mut problems).await {
            Ok(plan) => plans.push((name, plan)),
            Err(problem) => problems.push((name, problem)),
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

fn print(output: super::Output, plans: &[(String, Plan<Step>)]) {
    match output {
        super::Output::Json => {
            let all: Vec<Value> = plans.iter().map(|(object, plan)| json!({"object": object, "steps": plan})).collect();
            println!("{:#}", Value::Array(all));
        }
        super::Output::Text => {
            for (object, plan) in plans {
                match plan.is_empty() {
                    true => println!("{object}: no change"),
                    false => print!("{object}:\n{plan}"),
                }
            }
        }
    }
}

/// The cluster's objects.
struct Live {
    world: World,
    revisions: Vec<ControllerRevision>,
}

impl Live {
    async fn read(client: &Client, cluster_name: &str) -> anyhow::Result<Self> {
        async fn all<K>(client: &Client) -> anyhow::Result<Vec<K>>
        where
            K: kube::Resource<DynamicType = ()> + Clone + serde::de::DeserializeOwned + std::fmt::Debug,
        {
            let list = Api::<K>::all(client.clone()).list(&ListParams::default()).await;
            Ok(list.with_context(|| format!("the cluster's {} can't be read", K::plural(&())))?.items)
        }
        let namespaces = all::<Namespace>(client).await?;
        let uid = namespaces.iter().find(|namespace| namespace.name_any() == "kube-system").and_then(ResourceExt::uid);
        let uid = uid.context("the namespace kube-system can't be read")?;
        let mut world = World::new(Cluster { name: cluster_name.to_owned(), uid });
        world.namespaces = namespaces.iter().map(|n| (n.name_any(), n.labels().clone())).collect();
        world.accounts = all::<AWSAccount>(client).await?.into_iter().map(Arc::new).collect();
        world.machines = all::<StateMachine>(client).await?.into_iter().map(|o| (Key::of(&o), Arc::new(o))).collect();
        world.apis = all::<RestAPI>(client).await?.into_iter().map(|o| (Key::of(&o), Arc::new(o))).collect();
        world.routes = all::<APIRoute>(client).await?.into_iter().map(|o| (Key::of(&o), Arc::new(o))).collect();
        let config_maps = all::<ConfigMap>(client).await?;
        world.config_maps = config_maps.iter().map(|o| (Key::of(o), o.data.clone().unwrap_or_default())).collect();
        Ok(Self { world, revisions: all(client).await? })
    }
}

/// The RestAPIs of the manifests, and those whose routes are among them.
fn affected_apis(manifests: &Manifests, world: &World) -> Vec<Arc<RestAPI>> {
    let own = manifests.apis.iter().map(Key::of);
    let keys: std::collections::BTreeSet<Key> = own.chain(manifests.routes.iter().map(resolve::api_of)).collect();
    keys.iter().filter_map(|key| world.apis.get(key).cloned()).collect()
}

async fn plan_machine(
    world: &World,
    live: &Live,
    sessions: &Sessions,
    object: &StateMachine,
) -> Result<Plan<Step>, Problem> {
    let (admission, place) = state_machine::place(world, object)?;
    let valid = state_machine::validate(world, object)?;
    let session =
        sessions.get(&admission.account, &place.region).await.map_err(|error| Problem::invalid(error.to_string()))?;
    let status = live.world.machines.get(&Key::of(object)).and_then(|live| live.status.clone()).unwrap_or_default();
    let wanted = machine::build(&valid);
    let (_, plan) = observe::state_machine(&session, &wanted, &valid.owner, &place, &status).await?;
    Ok(plan)
}

async fn plan_api(
    client: &Client,
    world: &World,
    live: &Live,
    sessions: &Sessions,
    object: &Arc<RestAPI>,
    problems: &mut Vec<(String, Problem)>,
) -> Result<Plan<Step>, Problem> {
    let key = Key::of(&**object);
    let (admission, place) = rest_api::place(world, object)?;
    let valid = rest_api::validate(world, object)?;
    let session =
        sessions.get(&admission.account, &place.region).await.map_err(|error| Problem::invalid(error.to_string()))?;
    let live_api = live.world.apis.get(&key);
    let uid = live_api.and_then(|api| api.uid());
    let mine = |revision: &&ControllerRevision| uid.is_some() && revision.labels().get(records::LABEL) == uid.as_ref();
    let routes: Vec<_> = world.routes.values().filter(|route| resolve::api_of(route) == key).collect();
    let surveyed = Survey {
        session: &session,
        valid: &valid,
        candidates: routes
            .iter()
            .filter(|route| !resolve::terminating(&****route))
            .map(|route| (Arc::clone(route), route::validate(world, object, &valid, route)))
            .collect(),
        known_routes: routes.iter().map(|route| Key::of(&***route)).collect(),
        proof: &LiveProof(client),
        records: live.revisions.iter().filter(mine).filter_map(records::read).collect(),
        known_id: live_api.and_then(|api| api.status.as_ref()?.rest_api_id.clone()),
        look_for_roles: true,
        young: false,
        propagation_wait: Duration::ZERO,
        settles_in: &|_| Duration::ZERO,
    }
    .run()
    .await?;
    for (route, refusal) in surveyed.attachment.refused {
        problems.push((format!("APIRoute {route}"), refusal.problem));
    }
    Ok(surveyed.plan)
}

/// Asks the cluster.
struct LiveProof<'a>(&'a Client);

impl Proof for LiveProof<'_> {
    fn exists<'a>(&'a self, route: &'a Key) -> BoxFuture<'a, Result<bool, Problem>> {
        Box::pin(async move { resolve::route_exists(self.0, route).await.map_err(Problem::from) })
    }
}
