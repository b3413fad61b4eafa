//! One process of the operator: it knows the manifests, AWS and the records, and nothing else. It observes, plans and
//! applies in the loops of `src/controller/`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use k8s_openapi::jiff::Timestamp;
use stepgate::api::{RestAPI, StateMachine, StateMachineStatus};
use stepgate::apply::{ApplyError, Known, Outcome, apply};
use stepgate::aws::{AwsError, Class, Session, Sessions};
use stepgate::identity::{Key, role_path};
use stepgate::model::{api as api_model, machine};
use stepgate::observe::{self, Proof, Survey};
use stepgate::plan::Plan;
use stepgate::problem::Problem;
use stepgate::records::Records;
use stepgate::resources::{Step, rest_api, role, state_machine};
use stepgate::tenancy::Place;
use stepgate::validate;
use stepgate_testbed::memory::InProcess;

use super::kubernetes::Kubernetes;
use super::scene::Scene;

/// How often one object is tried again before it is given up.
const MOST_TRIES: usize = 12;

/// What to bring AWS to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Goal {
    /// What the manifests ask.
    There,
    /// Nothing of theirs.
    Gone,
}

pub struct Operator<'a> {
    scene: &'a Scene,
    kubernetes: &'a Kubernetes,
    client: kube::Client,
    sessions: Sessions,
    aws: &'a InProcess,
}

/// How one try ended.
enum Ended {
    Done,
    /// It passes by itself.
    Again(String),
}

type Try = Result<Ended, String>;

impl<'a> Operator<'a> {
    pub fn start(aws: &'a InProcess, kubernetes: &'a Kubernetes, scene: &'a Scene) -> Self {
        let sessions = Sessions::with_http_client(aws.http_client(), Arc::new(|_, _, _| {}));
        Self { scene, kubernetes, client: kubernetes.client(), sessions, aws }
    }

    /// Brings AWS there, with retries as the work queue would.
    pub async fn reach(&self, goal: Goal) -> Result<(), String> {
        let world = &self.scene.world;
        match goal {
            Goal::There => {
                for (key, machine) in &world.machines {
                    retried(key, async || self.machine(machine).await).await?;
                }
                for (key, api) in &world.apis {
                    retried(key, async || self.api(api).await).await?;
                }
            }
            Goal::Gone => {
                for (key, api) in &world.apis {
                    retried(key, async || self.delete_api(api).await).await?;
                }
                for (key, machine) in &world.machines {
                    retried(key, async || self.delete_machine(machine).await).await?;
                }
            }
        }
        Ok(())
    }

    async fn session(&self, place: &Place) -> Result<Arc<Session>, Problem> {
        let account =
            self.scene.world.accounts.iter().find(|account| kube::ResourceExt::name_any(&***account) == place.account);
        let found = self.sessions.get(account.unwrap(), &place.region).await;
        found.map_err(|error| Problem::invalid(error.to_string()))
    }

    async fn machine(&self, object: &StateMachine) -> Try {
        let world = &self.scene.world;
        let (_, place) = validate::state_machine::place(world, object).map_err(text)?;
        let valid = validate::state_machine::validate(world, object).map_err(text)?;
        let wanted = machine::build(&valid);
        let session = match self.session(&place).await {
            Err(problem) => return passing(&problem),
            Ok(session) => session,
        };
        let status = StateMachineStatus::default();
        let mut last = None;
        for _ in 0..4 {
            let now = self.aws.with(|memory| memory.now());
            let now = Timestamp::from_second(i64::try_from(now.as_secs()).unwrap()).unwrap();
            let looked = observe::state_machine(&session, &wanted, &valid.owner, &place, &status, now).await;
            let plan = match looked {
                Err(problem) => return passing(&problem),
                Ok((_, planned)) => planned.plan,
            };
            if plan.is_empty() {
                return Ok(Ended::Done);
            }
            if let Some(ended) = self.apply(&plan, &session, None, Known::default(), &mut last).await? {
                return Ok(ended);
            }
        }
        Ok(Ended::Again("AWS does not show the last change yet".into()))
    }

    /// Applies a plan; answers where this try ends with it.
    async fn apply(
        &self,
        plan: &Plan<Step>,
        session: &Session,
        records: Option<&Records>,
        known: Known,
        last: &mut Option<String>,
    ) -> Result<Option<Ended>, String> {
        let now = Some(plan.to_string());
        if *last == now {
            return Ok(Some(Ended::Again("AWS does not show the last change yet".into())));
        }
        *last = now;
        let outcome = apply(plan, session, records, known).await;
        failure(&outcome)
    }

    async fn api(&self, object: &Arc<RestAPI>) -> Try {
        let world = &self.scene.world;
        let key = Key::of(&**object);
        let (_, place) = validate::rest_api::place(world, object).map_err(text)?;
        let valid = validate::rest_api::validate(world, object).map_err(text)?;
        let session = match self.session(&place).await {
            Err(problem) => return passing(&problem),
            Ok(session) => session,
        };
        let routes: Vec<_> =
            world.routes.values().filter(|route| stepgate::resolve::api_of(route) == key).cloned().collect();
        let uid = object.metadata.uid.clone().unwrap();
        let kept = Records::new(self.client.clone(), object);
        let (mut last, mut look_for_roles, mut known_id) = (None, false, None);
        for _ in 0..7 {
            let candidates = routes
                .iter()
                .map(|route| (Arc::clone(route), validate::route::validate(world, object, &valid, route)))
                .collect::<Vec<_>>();
            if let Some((route, Err(refusal))) = candidates.iter().find(|(_, candidate)| candidate.is_err()) {
                return Err(format!("{}: {}", Key::of(&**route), refusal.problem));
            }
            let surveyed = Survey {
                session: &session,
                valid: &valid,
                candidates,
                known_routes: routes.iter().map(|route| Key::of(&**route)).collect(),
                proof: &Manifests(routes.iter().map(|route| Key::of(&**route)).collect()),
                records: self.kubernetes.records(&uid),
                known_id: known_id.clone(),
                look_for_roles,
                young: false,
                keeps_orphans: false,
                propagation_wait: Duration::ZERO,
                settles_in: &|_| Duration::ZERO,
            };
            let surveyed = match surveyed.run().await {
                Err(problem) => return passing(&problem),
                Ok(surveyed) => surveyed,
            };
            known_id = surveyed.observed.api.as_ref().map(|api| api.id.clone());
            if surveyed.plan.is_empty() && look_for_roles {
                return Ok(Ended::Done);
            }
            look_for_roles = true;
            if surveyed.plan.is_empty() {
                continue;
            }
            let known = Known {
                rest_api_id: known_id.clone(),
                resources: surveyed.observed.tree.resources.clone(),
                authorizers: surveyed.observed.authorizers.ids(),
                ..Known::of(&place)
            };
            if let Some(ended) = self.apply(&surveyed.plan, &session, Some(&kept), known, &mut last).await? {
                return Ok(ended);
            }
        }
        Ok(Ended::Again("AWS does not show the last change yet".into()))
    }

    async fn delete_api(&self, object: &RestAPI) -> Try {
        let world = &self.scene.world;
        let (admission, place) = validate::rest_api::place(world, object).map_err(text)?;
        let owner = validate::rest_api::owner(world, &admission.account, object);
        let session = match self.session(&place).await {
            Err(problem) => return passing(&problem),
            Ok(session) => session,
        };
        let mut last = None;
        loop {
            let observed = async {
                let api = rest_api::remote::find(&session.apigateway, &owner, &session.census).await?.pop();
                let names = role::remote::names_under(&session.iam, &role_path(&owner, &place.region)).await?;
                let roles = observe::roles(&session, names).await?;
                let mut asked_for = object.spec.stages.iter().filter_map(|stage| stage.access_log.as_ref());
                let asked_for = asked_for.any(|log| log.log_group_arn.is_none());
                let log_groups = observe::log_groups(&session, &owner, &place, asked_for, api.as_ref()).await?;
                Ok::<_, Problem>(api_model::Observed { api, roles, log_groups, ..api_model::Observed::default() })
            };
            let observed = match observed.await {
                Err(problem) => return passing(&problem),
                Ok(observed) => observed,
            };
            let plan = api_model::removal(&owner, &observed);
            if plan.is_empty() {
                return Ok(Ended::Done);
            }
            if let Some(ended) = self.apply(&plan, &session, None, Known::default(), &mut last).await? {
                return Ok(ended);
            }
        }
    }

    async fn delete_machine(&self, object: &StateMachine) -> Try {
        let world = &self.scene.world;
        let (admission, place) = validate::state_machine::place(world, object).map_err(text)?;
        let owner = validate::state_machine::owner(world, &admission.account, object);
        let name = validate::state_machine::aws_name(object);
        let arn = state_machine::arn(place.partition, &place.region, &place.account_id, &name);
        let session = match self.session(&place).await {
            Err(problem) => return passing(&problem),
            Ok(session) => session,
        };
        let mut last = None;
        loop {
            let observed = async {
                let found = state_machine::remote::observe(&session.sfn, &arn).await?;
                let tags = match &found {
                    Some(found) if !found.deleting => Some(state_machine::remote::tags(&session.sfn, &arn).await?),
                    _ => None,
                };
                let role = observe::execution_role(&session, &owner, &place, BTreeSet::new(), true).await?;
                Ok::<_, AwsError>(machine::Observed { role, machine: found, tags, ..machine::Observed::default() })
            };
            let observed = match observed.await {
                Err(error) => return passing(&Problem::from(&error)),
                Ok(observed) => observed,
            };
            let plan = machine::removal(&arn, &owner, &place.region, &observed);
            if plan.is_empty() {
                return Ok(Ended::Done);
            }
            if let Some(ended) = self.apply(&plan, &session, None, Known::default(), &mut last).await? {
                return Ok(ended);
            }
        }
    }
}

/// The routes of the manifests exist, and no others.
struct Manifests(BTreeSet<Key>);

impl Proof for Manifests {
    fn exists<'a>(&'a self, route: &'a Key) -> BoxFuture<'a, Result<bool, Problem>> {
        Box::pin(async { Ok(self.0.contains(route)) })
    }
}

fn text(problem: Problem) -> String {
    problem.to_string()
}

/// A problem that is Stalled does not pass.
fn passing(problem: &Problem) -> Try {
    match problem.kind {
        stepgate::problem::Kind::Stalled => Err(problem.to_string()),
        stepgate::problem::Kind::Waiting => Ok(Ended::Again(problem.to_string())),
    }
}

/// What a failed step means for this try.
fn failure(outcome: &Outcome) -> Result<Option<Ended>, String> {
    let Some((step, error)) = outcome.failed.first() else { return Ok(None) };
    match error {
        ApplyError::Aws(AwsError { class: Class::Terminal | Class::Credentials, .. }) => {
            Err(format!("{step}: {error}"))
        }
        _ => Ok(Some(Ended::Again(format!("{step}: {error}")))),
    }
}

async fn retried(key: &Key, once: impl AsyncFn() -> Try) -> Result<(), String> {
    let mut why: BTreeMap<usize, String> = BTreeMap::new();
    for number in 0..MOST_TRIES {
        match once().await.map_err(|error| format!("{key}: {error}"))? {
            Ended::Done => return Ok(()),
            Ended::Again(error) => drop(why.insert(number, error)),
        }
        tokio::time::sleep(Duration::from_secs(10)).await;
    }
    Err(format!("{key} does not converge: {}", why.into_values().last().unwrap_or_default()))
}
