//! Reads a UsagePlan's AWS objects and plans.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use secrecy::SecretString;

use crate::api::UsagePlanStatus;
use crate::api::conditions::reasons;
use crate::aws::{AwsError, Session};
use crate::identity::{Key, Owner, Ownership};
use crate::model::usage_plan::{Model, Observed, Planned};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::resources::{Step, api_key, rest_api, usage_plan};
use crate::validate::usage_plan::{ValidKey, ValidPlan, aws_name, key_name, key_prefix};

/// A look at a UsagePlan's AWS objects.
pub struct UsagePlanLook<'a> {
    /// The calls to AWS.
    pub session: &'a Session,
    /// What was found out before.
    pub status: &'a UsagePlanStatus,
    /// The id, where it is known.
    pub known_id: Option<&'a str>,
    /// The present.
    pub now: Timestamp,
}

/// What a look found.
#[derive(Clone, Debug)]
pub struct UsagePlanSeen {
    /// AWS as it is.
    pub observed: Observed,
    /// What is to be done.
    pub planned: Planned,
    /// Hash of what is wanted.
    pub hash: String,
    /// Values of keys that the plan makes.
    pub values: api_key::Values,
}

impl UsagePlanLook<'_> {
    /// Looks, and plans. A check that finds nothing to do costs three calls, and one more for each plan whose keys are shared and for
    /// each shared key that can't be had and stays. The tags of keys are read before they are changed, and until the
    /// status shows them; those of an API before one of its stages comes into the plan, because its RestAPI's status only shows an id.
    /// What turns out not to be had becomes a problem in `valid`.
    ///
    /// # Errors
    /// What AWS answers, or that an object of ours is another's.
    pub async fn run(&self, valid: &mut ValidPlan) -> Result<UsagePlanSeen, Problem> {
        let mut observed = self.observe(valid).await?;
        self.check_apis(valid, observed.plan.as_ref()).await?;
        let kept = self.kept(valid, observed.plan.as_ref());
        let mut first_look = true;
        loop {
            let model = Model { valid, kept: &kept };
            let planned = model.plan(&observed, self.now)?;
            let touched = touched(&planned.plan);
            let mut unread: Vec<&mut api_key::Observed> = observed.keys.iter_mut().collect();
            let is_shown = |key: &api_key::Observed| self.status.api_keys.iter().any(|shown| shown.id == key.id);
            unread.retain(|key| key.tags.is_none() && (first_look && !is_shown(key) || touched.contains(&key.id)));
            first_look = false;
            if unread.is_empty() {
                let (hash, values) = (model.hash(&observed), model.values());
                return Ok(UsagePlanSeen { observed, planned, hash, values });
            }
            let mut gone = BTreeSet::new();
            for key in unread {
                key.tags = api_key::remote::tags(&self.session.apigateway, &key.id).await?;
                if key.tags.is_none() {
                    gone.insert(key.id.clone());
                }
            }
            observed.keys.retain(|key| !gone.contains(&key.id));
        }
    }

    async fn observe(&self, valid: &mut ValidPlan) -> Result<Observed, Problem> {
        let client = &self.session.apigateway;
        let plan = find(self.session, &valid.owner, self.known_id).await?;
        let attached = match &plan {
            Some(plan) => usage_plan::remote::keys(client, &plan.id).await?,
            None => BTreeMap::new(),
        };
        let with_values = valid.keys.values().any(|key| matches!(key, ValidKey::Own { value: Some(_), .. }));
        let keys = api_key::remote::find(client, &key_prefix(&valid.owner.key), with_values).await?;
        let shared = self.shared(valid, &attached).await?;
        let known: BTreeSet<&String> = keys.iter().chain(shared.values().flatten()).map(|key| &key.id).collect();
        let unknown: Vec<String> = attached.keys().filter(|id| !known.contains(id)).cloned().collect();
        let mut observed = Observed { plan, attached, keys, shared };
        for id in unknown {
            if let Some(found) = api_key::remote::observe(client, &id).await? {
                observed.take_in(valid, &self.status.api_keys, found);
            }
        }
        Ok(observed)
    }

    /// The keys of other plans that are to be in this one: all of a name, so that while one is replaced both are.
    async fn shared(
        &self,
        valid: &mut ValidPlan,
        attached: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Vec<api_key::Observed>>, Problem> {
        let client = &self.session.apigateway;
        let wanted: Vec<(String, Owner, String)> = valid
            .keys
            .iter()
            .filter_map(|(key, wanted)| match wanted {
                ValidKey::Shared { owner, name } => Some((key.clone(), owner.clone(), name.clone())),
                _ => None,
            })
            .collect();
        let mut of_plans: BTreeMap<Key, Vec<api_key::Observed>> = BTreeMap::new();
        let mut shared = BTreeMap::new();
        for (key, owner, name) in wanted {
            if !of_plans.contains_key(&owner.key) {
                let found = api_key::remote::find(client, &key_prefix(&owner.key), false).await?;
                of_plans.insert(owner.key.clone(), found);
            }
            let aws_name = key_name(&owner.key, &name);
            let mut found: Vec<api_key::Observed> = Vec::new();
            for one in of_plans[&owner.key].iter().filter(|one| one.name == aws_name) {
                let ours = match attached.contains_key(&one.id) {
                    true => true,
                    false => {
                        let tags = api_key::remote::tags(client, &one.id).await?;
                        tags.is_some_and(|tags| owner.reads(&tags) == Ownership::Ours)
                    }
                };
                if ours {
                    found.push(one.clone());
                }
            }
            if found.is_empty() {
                let message =
                    format!("spec.apiKeys[{key}].from: key {name} of UsagePlan {} is not in AWS yet", owner.key);
                valid.refuse(&key, Problem::waiting(reasons::WAITING_FOR_REFERENCE, message));
            }
            shared.insert(key, found);
        }
        Ok(shared)
    }

    /// What a RestAPI's status shows grants nothing: an API's stages come into the plan only where its owner tags name that
    /// RestAPI.
    async fn check_apis(&self, valid: &mut ValidPlan, plan: Option<&usage_plan::Observed>) -> Result<(), Problem> {
        let has = |id: &str, stage: &str| {
            plan.is_some_and(|plan| plan.settings.stages.contains_key(&usage_plan::stage_key(id, stage)))
        };
        let mut checked: BTreeMap<String, bool> = BTreeMap::new();
        for wanted in valid.stages.iter().filter(|wanted| !has(&wanted.rest_api_id, &wanted.stage)) {
            if checked.contains_key(&wanted.rest_api_id) {
                continue;
            }
            let owner = Owner { kind: "RestAPI", key: wanted.api.clone(), ..valid.owner.clone() };
            let api = rest_api::remote::observe(&self.session.apigateway, &wanted.rest_api_id).await?;
            let ours = api.is_some_and(|api| owner.reads(&api.tags) == Ownership::Ours);
            checked.insert(wanted.rest_api_id.clone(), ours);
        }
        for wanted in std::mem::take(&mut valid.stages) {
            if checked.get(&wanted.rest_api_id).is_none_or(|ours| *ours) {
                valid.stages.push(wanted);
                continue;
            }
            let message = format!(
                "spec.apiStages: RestAPI {} shows API {} in its status, which AWS does not have or which is not its own",
                wanted.api, wanted.rest_api_id
            );
            valid.problems.push(Problem::waiting(reasons::WAITING_FOR_REFERENCE, message));
            valid.awaited.insert((wanted.api, wanted.stage));
        }
        Ok(())
    }

    /// What the plan keeps of stages that it can't be given yet: what it was given of them before, as far as it is known.
    fn kept(&self, valid: &ValidPlan, plan: Option<&usage_plan::Observed>) -> BTreeSet<String> {
        if valid.awaited.is_empty() {
            return BTreeSet::new();
        }
        if self.status.applied_hash.is_none() {
            return plan.into_iter().flat_map(|plan| plan.settings.stages.keys().cloned()).collect();
        }
        let awaited = |api: &str, name: &str, stage: &str| {
            valid.awaited.contains(&(Key::new(api.to_owned(), name.to_owned()), stage.to_owned()))
        };
        let shown = self.status.api_stages.iter();
        shown
            .filter(|shown| awaited(&shown.namespace, &shown.name, &shown.stage))
            .map(|shown| usage_plan::stage_key(&shown.rest_api_id, &shown.stage))
            .collect()
    }
}

/// The keys that steps change or put into the plan.
fn touched(plan: &Plan<Step>) -> BTreeSet<String> {
    let id = |step: &Step| match step {
        Step::ApiKey(step) => step.id().map(str::to_owned),
        Step::UsagePlan(usage_plan::Step::Attach { id, .. }) => id.clone(),
        _ => None,
    };
    plan.steps().iter().filter_map(|planned| id(&planned.step)).collect()
}

/// The plan that carries an owner's tags. A known id spares the search where it is the owner's; it grants nothing.
async fn find(
    session: &Session,
    owner: &Owner,
    known_id: Option<&str>,
) -> Result<Option<usage_plan::Observed>, Problem> {
    let client = &session.apigateway;
    let known = match known_id {
        Some(id) => usage_plan::remote::observe(client, id).await?,
        None => None,
    };
    if let Some(known) = known.as_ref().filter(|known| owner.reads(&known.tags) == Ownership::Ours) {
        return Ok(Some(known.clone()));
    }
    let mut found = usage_plan::remote::find(client, owner, &aws_name(&owner.key)).await?;
    if found.len() > 1 {
        let mut ids: Vec<_> = found.iter().map(|plan| plan.id.as_str()).collect();
        ids.sort_unstable();
        return Err(Problem::stalled(
            reasons::OWNERSHIP_CONFLICT,
            format!(
                "several usage plans in AWS carry this object's owner tags: {}; delete all but one",
                ids.join(", ")
            ),
        ));
    }
    Ok(found.pop().or(known))
}

/// The values of those of these keys that AWS has already and that are the owner's, or are to be its own again: what was made up
/// for them, by a cluster that is lost or before a deletion that let them go, callers have.
///
/// # Errors
/// What AWS answers.
pub async fn key_values(
    session: &Session,
    owner: &Owner,
    names: &BTreeSet<String>,
) -> Result<BTreeMap<String, SecretString>, AwsError> {
    let client = &session.apigateway;
    let mut values = BTreeMap::new();
    for key in api_key::remote::find(client, &key_prefix(&owner.key), true).await? {
        let Some(name) = names.iter().find(|name| key_name(&owner.key, name) == key.name) else { continue };
        if key.replaced_at().is_some() {
            continue;
        }
        let tags = api_key::remote::tags(client, &key.id).await?.unwrap_or_default();
        if !matches!(owner.reads(&tags), Ownership::Foreign(_)) {
            values.extend(key.value.map(|value| (name.clone(), value)));
        }
    }
    Ok(values)
}

/// What there is to delete, with all tags.
///
/// # Errors
/// What AWS answers, or that there are several.
pub async fn usage_plan_for_deletion(
    session: &Session,
    owner: &Owner,
    known_id: Option<&str>,
) -> Result<Observed, Problem> {
    let client = &session.apigateway;
    let plan = find(session, owner, known_id).await?;
    let attached = match &plan {
        Some(plan) => usage_plan::remote::keys(client, &plan.id).await?,
        None => BTreeMap::new(),
    };
    let mut keys = Vec::new();
    for mut key in api_key::remote::find(client, &key_prefix(&owner.key), false).await? {
        key.tags = match api_key::remote::tags(client, &key.id).await.map_err(Problem::from)? {
            None => continue,
            tags => tags,
        };
        keys.push(key);
    }
    Ok(Observed { plan, attached, keys, shared: BTreeMap::new() })
}
