//! Reads AWS and plans: the way from valid manifests to a plan, which a reconcile and `stepgate plan` share, so that a
//! dry run cannot drift from the real one.

mod lost_records;
mod usage_plan;

pub mod domain;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use k8s_openapi::jiff::Timestamp;

use crate::api::conditions::{POLICY_NARROWING_PENDING, reasons};
use crate::api::{APIRoute, ApiAdoption, ManagedNames, RestAPI, StateMachineStatus};
use crate::apply::Known;
use crate::aws::{AwsError, Class, Session};
use crate::identity::{Key, Owner, Ownership, log_group_prefix, role_path};
use crate::model::api::{self as api_model, adopted::Unmanaged};
use crate::model::attach::{Attachment, attach};
use crate::model::execution_role::{self, ManagedRole};
use crate::model::machine::{self, Machine, Older};
use crate::plan::{Plan, Planned};
use crate::problem::Problem;
use crate::resources::deployment::Record;
use crate::resources::{
    Step, account, authorizer, deployment, gateway_response, is_adopted, is_marked, log_group, managed_policy, model,
    request_validator, rest_api, role, route, stage, state_machine,
};
use crate::tenancy::Place;
use crate::validate::adoption;
use crate::validate::rest_api::ValidApi;
use crate::validate::route::{Refusal, ValidRoute, operation_name};
use crate::validate::served::{Candidates, withdraw};
use crate::validate::stage::ValidStage;
use crate::world::World;
pub use usage_plan::{UsagePlanLook, UsagePlanSeen, key_values, usage_plan_for_deletion};

/// A StateMachine's AWS objects as they are, and the plan from there. A check that finds nothing to do costs one
/// Describe and the managed role's reads; the machine's tags are read before every change, and once at the beginning. Running executions
/// are asked for only while the role is kept wider for some.
///
/// # Errors
/// What AWS answers, or that an object of our name is another's.
pub async fn state_machine(
    session: &Session,
    wanted: &Machine,
    place: &Place,
    status: &StateMachineStatus,
    now: Timestamp,
) -> Result<(machine::Observed, machine::Planned), Problem> {
    let mut observed = machine::Observed {
        machine: state_machine::remote::observe(&session.sfn, &wanted.machine.arn).await?,
        ..machine::Observed::default()
    };
    let mut wanted = wanted;
    if let Some(adopted) = &wanted.managed.adopted {
        // Of one that is not admitted nothing is asked.
        if let (Some(refusal), false) = (wanted.refusal(), status.adopted_roles.contains(adopted)) {
            return Err(refusal.clone());
        }
        observed.role = wanted_role(session, wanted, place).await?;
        if let (None, Some(otherwise)) = (&observed.role.role, &wanted.otherwise) {
            wanted = otherwise;
        }
    }
    let first_look = status.state_machine_arn.is_none();
    // What a status that was lost, or a lost cluster, would know. The role of a machine that is nobody's here is none of ours to read.
    let mut runs_with = observed.machine.as_ref().map(|machine| machine.role_arn.clone()).filter(|_| first_look);
    runs_with = runs_with.filter(|arn| *arn != wanted.machine.role_arn);
    if runs_with.is_some() {
        let tags = state_machine::remote::tags(&session.sfn, &wanted.machine.arn).await?;
        runs_with = runs_with.filter(|_| !matches!(wanted.machine.owner.reads(&tags), Ownership::Foreign(_)));
        observed.tags = Some(tags);
    }
    let had_other_role = status.managed_role
        || runs_with.is_some()
        || status.role_arn.as_ref().is_some_and(|arn| *arn != wanted.machine.role_arn)
        || status.common.conditions.iter().any(|condition| condition.type_ == POLICY_NARROWING_PENDING);
    if wanted.managed.adopted.is_none() && (wanted.role.is_some() || had_other_role) {
        observed.role = wanted_role(session, wanted, place).await?;
    }
    let known = |arn: &String| status.adopted_roles.contains(arn);
    let adopted: Vec<String> =
        status.adopted_roles.iter().cloned().chain(runs_with.filter(|arn| !known(arn))).collect();
    for managed in wanted.former(&place.region, &adopted) {
        if managed.adopted.is_some() || had_other_role {
            let found = execution_role(session, &managed, place, BTreeSet::new(), false).await?;
            let says = || found.role.as_ref().is_some_and(|role| is_adopted(&role.tags));
            if managed.is_ours(&found) && managed.adopted.as_ref().is_none_or(|arn| known(arn) || says()) {
                observed.former.push((managed, found));
            }
        }
    }
    if let (Some(since), Some(_)) = (observed.since(&wanted.managed), &observed.machine) {
        observed.older = older(session, wanted, since, now).await;
    }
    let planned = wanted.plan(&observed, place, now)?;
    if observed.machine.is_some() && observed.tags.is_none() && (first_look || !planned.plan.is_empty()) {
        observed.tags = Some(state_machine::remote::tags(&session.sfn, &wanted.machine.arn).await?);
        let planned = wanted.plan(&observed, place, now)?;
        return Ok((observed, planned));
    }
    Ok((observed, planned))
}

/// Whether executions run that started before the machine was updated.
async fn older(session: &Session, wanted: &Machine, since: Timestamp, now: Timestamp) -> Older {
    let settled = since.saturating_add(machine::SETTLES).unwrap_or(Timestamp::MAX);
    if now < settled {
        return Older::Unknown;
    }
    if let Some(end) = machine::express_end(wanted.machine.type_, since) {
        return if now < end { Older::Unknown } else { Older::Ended };
    }
    let before = SystemTime::from(settled);
    match state_machine::remote::running_since_before(&session.sfn, &wanted.machine.arn, before).await {
        Ok(0) => Older::Ended,
        Ok(found) => Older::Run(found),
        // That a role keeps more than it needs holds up nothing else.
        Err(error) => {
            tracing::warn!(%error, "the role keeps what older executions may need");
            Older::Unread(Problem::from(error).message)
        }
    }
}

/// The managed execution role of a machine, with the policies that it should have.
async fn wanted_role(session: &Session, wanted: &Machine, place: &Place) -> Result<execution_role::Observed, AwsError> {
    let parts = wanted.role.as_ref().map(|role| role.part_arns(place)).unwrap_or_default();
    execution_role(session, &wanted.managed, place, parts, false).await
}

/// A managed execution role with the policies beside its inline one: these, those attached, and where its tags speak of some, or `all`
/// are asked for, whatever lies under its path.
///
/// # Errors
/// What AWS answers.
pub async fn execution_role(
    session: &Session,
    managed: &ManagedRole,
    place: &Place,
    mut parts: BTreeSet<String>,
    all: bool,
) -> Result<execution_role::Observed, AwsError> {
    let ManagedRole { name, path, share, adopted, .. } = managed;
    let mut role = role::remote::observe(&session.iam, name, share.as_deref()).await?;
    if let (Some(arn), Some(found)) = (adopted, &role)
        && *arn != found.arn
    {
        // IAM finds roles by name, whatever their path: it is another.
        role = None;
    }
    if share.is_some() {
        return Ok(execution_role::Observed { role, ..execution_role::Observed::default() });
    }
    let ours = format!("arn:{}:iam::{}:policy{path}", place.partition, place.account_id);
    if let Some(role) = &role {
        parts.extend(role.managed_policies.iter().filter(|arn| arn.starts_with(&ours)).cloned());
    }
    if all || role.as_ref().is_some_and(execution_role::Observed::has_policies) {
        parts.extend(managed_policy::remote::arns_under(&session.iam, path).await?);
    }
    let mut found = execution_role::Observed { role, ..execution_role::Observed::default() };
    for arn in parts {
        if let Some(part) = managed_policy::remote::observe(&session.iam, &arn).await? {
            found.parts.insert(arn, part);
        }
    }
    Ok(found)
}

/// A look at a RestAPI's AWS objects.
pub struct Survey<'a> {
    /// The calls to AWS.
    pub session: &'a Session,
    /// The objects around the RestAPI.
    pub world: &'a World,
    /// As its manifest has it.
    pub api: &'a RestAPI,
    /// The RestAPI.
    pub valid: &'a ValidApi,
    /// Its routes, each valid or not; terminating ones left out.
    pub candidates: Candidates,
    /// All its routes by key, terminating ones included.
    pub known_routes: BTreeSet<Key>,
    /// Whether a route that is not among them exists all the same.
    pub proof: &'a dyn Proof,
    /// The revisions on record.
    pub records: Vec<Record>,
    /// The RestAPI's UID, by which Kubernetes has its records; absent where it is not in the cluster.
    pub uid: Option<&'a str>,
    /// The API's id, where it is known.
    pub known_id: Option<String>,
    /// Whether something was changed since all was well: then what nobody needs is looked for, such as roles, and what a lost cluster may
    /// still be named by, such as log groups.
    pub look_for_roles: bool,
    /// What of its routes is still on its way.
    pub coming: api_model::Coming,
    /// The newest revision that was deployed before a look found nothing to do.
    pub verified_revision: i64,
    /// What is ours in an adopted API, by the status.
    pub managed: &'a ManagedNames,
    /// Whether a route that does not exist may yet be applied, so that its method is kept: its API was only just taken over or taken
    /// back, or it was let go of.
    pub may_come: &'a (dyn Fn(&Key) -> bool + Sync),
    /// The time, by which roles are new.
    pub now: SystemTime,
    /// How long a new or widened role is given until it is visible everywhere.
    pub propagation_wait: Duration,
    /// How long until what a role was last given is visible everywhere, as far as this process knows; and whether what it is wanted for was
    /// deployed before.
    pub settles_in: &'a (dyn Fn(&str, bool) -> Duration + Sync),
}

/// Asks the API server itself: a watch that lags, or an object that can't be read, proves nothing.
pub trait Proof: Sync {
    /// Whether a route exists, which is `of` a RestAPI.
    fn exists<'a>(&'a self, route: &'a Key, of: &'a Key) -> futures::future::BoxFuture<'a, Result<bool, Problem>>;

    /// The records of all RestAPIs of a namespace, or of that with this UID.
    fn records<'a>(
        &'a self,
        namespace: &'a str,
        uid: Option<&'a str>,
    ) -> futures::future::BoxFuture<'a, Result<Vec<Record>, Problem>>;
}

/// What a survey found.
pub struct Surveyed {
    /// AWS as it is.
    pub observed: api_model::Observed,
    /// What becomes of each route.
    pub attachment: Attachment,
    /// The records of the present API.
    pub records: Vec<Record>,
    /// What is to be done.
    pub plan: Plan<Step>,
    /// Hash of what is wanted.
    pub hash: String,
    /// What of an adopted API is ours, for the status.
    pub managed: ManagedNames,
    /// Routes that wait until their role is visible everywhere.
    pub waiting: BTreeSet<Key>,
    /// How long that takes.
    pub settles_in: Duration,
    /// Whether nothing serves yet because the first routes are on their way.
    pub first_routes_are_coming: bool,
    /// Whether there is something to deploy, which waits for routes that come together with it.
    pub holds: bool,
    /// The routes that do not exist and whose methods are kept.
    pub orphans: BTreeSet<Key>,
    /// Whether an authorizer waits until its role is visible everywhere.
    pub authorizers_wait: bool,
}

impl Survey<'_> {
    /// Looks, and plans. A check that finds nothing to do costs three calls to API Gateway, one more where there are
    /// authorizers, and the roles' reads.
    ///
    /// # Errors
    /// What AWS or Kubernetes answers, or that an object of our name is another's.
    pub async fn run(mut self) -> Result<Surveyed, Problem> {
        let mut records = std::mem::take(&mut self.records);
        let mut observed = rest_api(self.session, self.valid, self.known_id.as_deref()).await?;
        let api_id = observed.api.as_ref().map(|api| api.id.clone());
        records.retain(|record| api_id.as_ref() == Some(&record.rest_api_id));
        observed.unmanaged = Unmanaged::of(self.valid, &records, &self.known_routes, self.managed, &observed);
        lost_records::rebuild(&self, &mut records, &mut observed).await?;
        let Self { session, world, api, valid, mut candidates, known_routes, proof, .. } = self;
        observed.unmanaged = Unmanaged::of(valid, &records, &known_routes, self.managed, &observed);
        // Where neither the manifest nor a method names one, the last record says whether some were left over.
        let newest = records.iter().max_by_key(|record| record.revision);
        let had_authorizers = newest.is_some_and(|record| record.authorizers);
        if let Some(id) = &api_id {
            let may_go = observed.unmanaged.may_remove(|managed| &managed.authorizers);
            let expected = !valid.authorizers.is_empty() || had_authorizers || may_go;
            authorizers(session, id, &mut observed, expected).await?;
        }
        self::shared(session, valid, &candidates, &records, &mut observed).await?;
        withdraw(world, api, valid, &observed.tree, &records, &mut candidates);
        let mut attachment = attach(candidates, &observed.tree, valid.max_resources());
        observed.unmanaged.refuse(&mut attachment);
        let (mut unreadable, mut orphans) = without_route(&observed, &Key::of(api), &known_routes, proof).await?;
        orphans.retain(self.may_come);
        unreadable.extend(orphans.iter().map(operation_name));

        if valid.makes_log_groups() || name_log_groups(&observed.stages, &valid.owner) {
            let prefix = log_group_prefix(&valid.owner);
            observed.log_groups = Some(log_group::remote::observe(&session.logs, &prefix).await?);
        }
        if valid.stages.iter().any(ValidStage::logs) {
            observed.log_role = account::remote::log_role(&session.apigateway, &session.has_log_role).await?;
        }
        let may_go = observed.unmanaged.may_remove(|managed| &managed.gateway_responses);
        let uses_gateway_responses = self.look_for_roles || !valid.gateway_responses.is_empty() || may_go;
        if let (Some(id), true) = (&api_id, uses_gateway_responses) {
            observed.gateway_responses = Some(gateway_response::remote::observe(&session.apigateway, id).await?);
        }
        if self.look_for_roles {
            let path = role_path(&valid.owner, &valid.place.region);
            observed.roles = roles(session, role::remote::names_under(&session.iam, &path).await?).await?;
        }
        let all_settled = BTreeMap::new();
        let mut model = api_model::Api {
            valid,
            attachment: &attachment,
            records: &records,
            unreadable: &unreadable,
            unsettled: &all_settled,
            coming: self.coming,
            verified_revision: self.verified_revision,
        };
        // Which role a route calls with may depend on what the roles have.
        let shared_out = loop {
            let shared_out = model.shared_out(&observed);
            let names = api_model::Api { attachment: &shared_out, ..model }.needs(&observed).into_keys();
            let unseen: Vec<_> = names.filter(|name| !observed.roles.contains_key(name)).collect();
            if unseen.is_empty() {
                break shared_out;
            }
            observed.roles.extend(roles(session, unseen).await?);
        };
        model.attachment = &shared_out;
        let steps = model.role_steps(&observed)?;
        let (wanted, newest) = (model.wanted_needs(), records.iter().max_by_key(|record| record.revision));
        let was_deployed = |name: &str| {
            let on_record = newest.and_then(|record| record.roles.get(name));
            wanted.get(name).is_none_or(|wanted| on_record.is_some_and(|served| served.covers(wanted)))
        };
        let remembered = |name: &str| (self.settles_in)(name, was_deployed(name));
        let unsettled = unsettled(&observed, &steps.of, self.now, self.propagation_wait, remembered);
        model.unsettled = &unsettled;
        // What goes on until a new route's role is settled needs the role that it has.
        let unseen: Vec<_> =
            model.needs(&observed).into_keys().filter(|name| !observed.roles.contains_key(name)).collect();
        observed.roles.extend(roles(session, unseen).await?);

        let mut plan = model.plan(&observed)?;
        let serves =
            |planned: &Planned<Step>| matches!(planned.step, Step::Deployment(_) | Step::Stage(_) | Step::Record(_));
        if let (Some(id), true) = (&api_id, self.look_for_roles || plan.steps().iter().any(serves)) {
            // Before a deployment is made or served: which are there, and was one made whose record was lost?
            if observed.deployments.is_none() {
                observed.deployments = Some(deployment::remote::observe(&session.apigateway, id).await?);
            }
            if model.strays(&observed).next().is_some() {
                let recorded = proof.records(&valid.owner.key.namespace, None).await?;
                observed.recorded = recorded.into_iter().map(|record| record.deployment_id).collect();
            }
            if observed.gateway_responses.is_none() {
                observed.gateway_responses = Some(gateway_response::remote::observe(&session.apigateway, id).await?);
            }
            if observed.validators.is_none() {
                // No method names one: a process may have died after it took the last method's off.
                observed.validators = Some(request_validator::remote::observe(&session.apigateway, id).await?);
            }
            plan = model.plan(&observed)?;
        }
        let logs = |planned: &Planned<Step>| matches!(planned.step, Step::LogGroup(_) | Step::Stage(_));
        if observed.log_groups.is_some() && (self.look_for_roles || plan.steps().iter().any(logs)) {
            log_group_tags(session, &valid.place, observed.log_groups.as_mut()).await?;
            plan = model.plan(&observed)?;
        }
        // A route waits only while its method still has to change.
        let changes = |key: &Key| {
            let route = shared_out.attached.get(key);
            route.is_some_and(|route| observed.tree.methods.get(&route.at) != Some(&route.method))
        };
        let waiting = model.waiting().into_iter().filter(|key| changes(key)).collect();
        let first_routes_are_coming = model.first_routes_are_coming(&observed);
        let holds = model.holds(&observed)?;
        let authorizers_wait = model.authorizers_wait(&observed);
        let managed = model.managed_names(&observed);
        let (hash, settles_in) = (model.hash(&observed), unsettled.values().max().copied().unwrap_or_default());
        Ok(Surveyed {
            observed,
            plan,
            hash,
            managed,
            waiting,
            settles_in,
            first_routes_are_coming,
            holds,
            authorizers_wait,
            attachment: shared_out,
            records,
            orphans,
        })
    }
}

/// Whether a stage names a log group of ours: one has to be looked after, even if no manifest asks for it any more. Each is
/// deleted before its stage forgets it.
pub fn name_log_groups(stages: &BTreeMap<String, stage::Observed>, owner: &Owner) -> bool {
    let prefix = format!(":log-group:{}", log_group_prefix(owner));
    stages
        .values()
        .filter_map(|stage| stage.settings.access_log.as_ref())
        .any(|log| log.destination_arn.contains(&prefix))
}

/// Reads the tags of log groups: before they are changed, and where one may still have those of a cluster that is lost.
async fn log_group_tags(
    session: &Session,
    place: &Place,
    groups: Option<&mut log_group::Groups>,
) -> Result<(), AwsError> {
    let prefix = Known::of(place).log_group_prefix;
    for (name, group) in groups.into_iter().flatten() {
        group.tags = Some(log_group::remote::tags(&session.logs, &format!("{prefix}{name}")).await?);
    }
    Ok(())
}

/// An owner's log groups with their tags, before they are deleted. It is a call of its own only where the manifest has
/// asked for one, or a stage names one; or where the API is gone with its stages, and some `may_be_left`: who may not look then has made
/// none.
///
/// # Errors
/// What AWS answers.
pub async fn log_groups(
    session: &Session,
    owner: &Owner,
    place: &Place,
    asked_for: bool,
    may_be_left: bool,
    api: Option<&rest_api::Observed>,
) -> Result<Option<log_group::Groups>, AwsError> {
    let looks = match api {
        Some(api) if !asked_for => match stage::remote::observe(&session.apigateway, &api.id).await {
            Err(AwsError { class: Class::NotFound, .. }) => false,
            stages => name_log_groups(&stages?, owner),
        },
        Some(_) => true,
        None => asked_for || may_be_left,
    };
    if !looks {
        return Ok(None);
    }
    let mut groups = match log_group::remote::observe(&session.logs, &log_group_prefix(owner)).await {
        Err(AwsError { class: Class::Credentials, .. }) if api.is_none() && !asked_for => return Ok(None),
        groups => groups?,
    };
    log_group_tags(session, place, Some(&mut groups)).await?;
    Ok(Some(groups))
}

/// Reads an API with its tree and stages: three calls. Without an id that AWS knows, it is looked for by tag.
async fn rest_api(session: &Session, valid: &ValidApi, known_id: Option<&str>) -> Result<api_model::Observed, Problem> {
    let client = &session.apigateway;
    let mut found = rest_apis(session, &valid.owner, known_id).await?;
    if let (Some(adoption), false) = (&valid.adoption, found.iter().any(|api| is_marked(&api.tags)))
        && let Some(api) = adoptable(session, valid, adoption).await?
    {
        found = vec![api];
    }
    if found.len() > 1 {
        let mut ids: Vec<_> = found.iter().map(|api| api.id.as_str()).collect();
        ids.sort_unstable();
        return Err(Problem::stalled(
            reasons::OWNERSHIP_CONFLICT,
            format!("several REST APIs in AWS carry this object's owner tags: {}; delete all but one", ids.join(", ")),
        ));
    }
    let api = found.pop();
    let mut observed = api_model::Observed::default();
    if let Some(found) = &api {
        observed.tree = route::remote::observe(client, &found.id).await?;
        observed.stages = stage::remote::observe(client, &found.id).await?;
    }
    observed.api = api;
    Ok(observed)
}

/// The API that is to be adopted, if it is there and admitted. One that is not admitted is not looked at.
async fn adoptable(
    session: &Session,
    valid: &ValidApi,
    adoption: &ApiAdoption,
) -> Result<Option<rest_api::Observed>, Problem> {
    let admitted = |id: &str| adoption::admits(valid, id).is_ok();
    if let Some(id) = &adoption.rest_api_id {
        return Ok(if admitted(id) { rest_api::remote::observe(&session.apigateway, id).await? } else { None });
    }
    if valid.admission.tenant.adoptable_arns.is_empty() {
        return Ok(None);
    }
    let mut named = rest_api::remote::list(&session.apigateway).await?;
    named.retain(|api| adoption::is_meant(adoption, api) && admitted(&api.id) && !is_marked(&api.tags));
    if named.len() > 1 {
        let mut ids: Vec<_> = named.iter().map(|api| api.id.as_str()).collect();
        ids.sort_unstable();
        return Err(Problem::stalled(
            reasons::OWNERSHIP_CONFLICT,
            format!(
                "spec.adoption.name: several REST APIs have this name: {}; say which is meant with spec.adoption.restApiId",
                ids.join(", ")
            ),
        ));
    }
    Ok(named.pop())
}

/// Reads an API's authorizers where there are or may be some, and lets the methods name them.
async fn authorizers(
    session: &Session,
    api: &str,
    observed: &mut api_model::Observed,
    expected: bool,
) -> Result<(), AwsError> {
    let methods = &mut observed.tree.methods;
    let used: BTreeSet<String> = methods.values().filter_map(|method| method.authorizer.clone()).collect();
    if expected || !used.is_empty() {
        observed.authorizers = authorizer::remote::observe(&session.apigateway, api, &used).await?;
        for id in methods.values_mut().filter_map(|method| method.authorizer.as_mut()) {
            *id = observed.authorizers.name(id);
        }
    }
    Ok(())
}

/// Models and validators: a call for each, and only where they are used, by what is wanted or by methods in AWS, or, because
/// the RestAPI can have models that no method uses, by the newest record. Validators that none uses are looked for before a deployment. What
/// somebody else adds to an API that uses none is not noticed at other times, and serves nobody. A validator's id becomes its name.
async fn shared(
    session: &Session,
    valid: &ValidApi,
    candidates: &[(Arc<APIRoute>, Result<ValidRoute, Refusal>)],
    records: &[Record],
    observed: &mut api_model::Observed,
) -> Result<(), Problem> {
    let Some(api) = &observed.api else { return Ok(()) };
    let wanted = candidates.iter().filter_map(|(_, candidate)| Some(&candidate.as_ref().ok()?.method));
    let methods: Vec<&route::Method> = wanted.chain(observed.tree.methods.values()).collect();
    let newest = records.iter().max_by_key(|record| record.revision);
    let named = |method: &&route::Method| method.model_names().any(|name| !model::BUILT_IN.contains(&name.as_str()));
    let models = observed.unmanaged.may_remove(|managed| &managed.models)
        || !valid.models.is_empty()
        || newest.is_some_and(|record| record.models)
        || methods.iter().any(named);
    let validators = observed.unmanaged.removes || methods.iter().any(|method| method.validator.is_some());
    if models {
        observed.models = Some(model::remote::observe(&session.apigateway, &api.id).await?);
    }
    if validators {
        let found = request_validator::remote::observe(&session.apigateway, &api.id).await?;
        let names: BTreeMap<String, String> =
            request_validator::ids(&found).into_iter().map(|(name, id)| (id, name)).collect();
        for validator in observed.tree.methods.values_mut().filter_map(|method| method.validator.as_mut()) {
            if let Some(name) = names.get(validator) {
                name.clone_into(validator);
            }
        }
        observed.validators = Some(found);
    }
    Ok(())
}

/// The APIs that carry an owner's tags. A known id spares the search where it is the owner's, but for a look at what there is
/// every ten minutes; it grants nothing, and its API is the last. Where none
/// is the owner's, that of the known id all the same, so that nothing is made beside what lost its tags.
///
/// # Errors
/// What AWS answers.
pub async fn rest_apis(
    session: &Session,
    owner: &Owner,
    known_id: Option<&str>,
) -> Result<Vec<rest_api::Observed>, AwsError> {
    let client = &session.apigateway;
    let known = match known_id {
        Some(id) => rest_api::remote::observe(client, id).await?,
        None => None,
    };
    match known {
        Some(api) if owner.reads(&api.tags) == Ownership::Ours => {
            if !session.census.has_another(client, owner, &api.id).await? {
                return Ok(vec![api]);
            }
            let mut found = rest_api::remote::find(client, owner, &session.census).await?;
            found.retain(|found| found.id != api.id && owner.reads(&found.tags) == Ownership::Ours);
            found.push(api);
            Ok(found)
        }
        known => {
            let found = rest_api::remote::find(client, owner, &session.census).await?;
            Ok(if found.is_empty() { known.into_iter().collect() } else { found })
        }
    }
}

/// Reads roles by name.
///
/// # Errors
/// What AWS answers.
pub async fn roles(
    session: &Session,
    names: impl IntoIterator<Item = String>,
) -> Result<BTreeMap<String, Option<role::Observed>>, Problem> {
    let mut roles = BTreeMap::new();
    for name in names {
        let found = role::remote::observe(&session.iam, &name, None).await?;
        roles.insert(name, found);
    }
    Ok(roles)
}

/// Methods whose route is not known, by operation name: those whose route exists all the same, which are kept until it is
/// proven absent, and those whose route does not.
async fn without_route(
    observed: &api_model::Observed,
    api: &Key,
    known: &BTreeSet<Key>,
    proof: &dyn Proof,
) -> Result<(BTreeSet<String>, BTreeSet<Key>), Problem> {
    let known: BTreeSet<String> = known.iter().map(operation_name).collect();
    let (mut unreadable, mut orphans) = (BTreeSet::new(), BTreeSet::new());
    let methods = observed.tree.methods.iter().filter(|(at, _)| !observed.unmanaged.methods.contains(*at));
    for name in methods.map(|(_, method)| &method.operation_name).filter(|name| !known.contains(*name)) {
        let Some((namespace, route)) = name.split_once('_') else { continue };
        let route = Key::new(namespace, route);
        match proof.exists(&route, api).await? {
            true => drop(unreadable.insert(name.clone())),
            false => drop(orphans.insert(route)),
        }
    }
    Ok((unreadable, orphans))
}

/// The roles that AWS may not see everywhere yet.
fn unsettled(
    observed: &api_model::Observed,
    steps: &BTreeMap<String, Vec<role::Step>>,
    now: SystemTime,
    wait: Duration,
    remembered: impl Fn(&str) -> Duration,
) -> BTreeMap<String, Duration> {
    let left = |name: &String, found: &Option<role::Observed>| match found {
        None => wait,
        Some(_) if steps.get(name).is_some_and(|steps| steps.iter().any(role::Step::widens)) => wait,
        Some(found) => role::settles_in(found.created, now, wait).max(remembered(name)),
    };
    observed
        .roles
        .iter()
        .map(|(name, found)| (name.clone(), left(name, found)))
        .filter(|(_, left)| !left.is_zero())
        .collect()
}
