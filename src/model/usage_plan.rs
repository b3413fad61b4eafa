//! A UsagePlan's AWS objects: the usage plan, its API keys, and which keys are in it.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use k8s_openapi::jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;

use crate::api::ApiKeyStatus;
use crate::identity::{Owner, Ownership, content_hash};
use crate::plan::{Plan, StepId};
use crate::problem::Problem;
use crate::resources::{Step, api_key, usage_plan};
use crate::validate::usage_plan::{ValidKey, ValidPlan, key_name};

/// A UsagePlan's AWS objects as AWS has them.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The usage plan.
    pub plan: Option<usage_plan::Observed>,
    /// The names of the keys that are in it, by id.
    pub attached: BTreeMap<String, String>,
    /// Keys with names of this object's keys.
    pub keys: Vec<api_key::Observed>,
    /// Keys of other objects that are to be in it, by their names in this plan; of one that can't be had now, what is in it.
    pub shared: BTreeMap<String, Vec<api_key::Observed>>,
}

impl Observed {
    /// Takes in a key that is in the plan and was not found by its name: one of ours that somebody gave another name, or one of
    /// another plan's that can't be had from there now, and stays. That one has the name in AWS that the manifest means; or,
    /// where somebody changed it, the status shows it as the key that is asked for, and its tags say that it is still that
    /// plan's. Anything else somebody put in, or the manifest asks for no more: it is left out.
    pub fn take_in(&mut self, valid: &ValidPlan, shown: &[ApiKeyStatus], key: api_key::Observed) {
        if key.tags.as_ref().is_some_and(|tags| valid.owner.reads(tags) == Ownership::Ours) {
            self.keys.push(key);
            return;
        }
        let stays = |name: &str, wanted: &ValidKey| {
            let ValidKey::Unknown { from: Some((other, there)) } = wanted else { return false };
            let is_shown = shown.iter().any(|shown| shown.name == name && shown.id == key.id);
            key.name == key_name(&other.key, there) || (is_shown && !key.is_foreign(other))
        };
        let name = valid.keys.iter().find(|(name, wanted)| stays(name, wanted)).map(|(name, _)| name.clone());
        if let Some(name) = name {
            self.shared.entry(name).or_default().push(key);
        }
    }
}

/// What is to be done for a UsagePlan.
#[derive(Clone, Debug, Default)]
pub struct Planned {
    /// The steps.
    pub plan: Plan<Step>,
    /// Whether the plan only ends what was replaced long enough ago, so that it is no drift.
    pub only_ends: bool,
    /// When the next replaced key ends.
    pub ends_in: Option<Duration>,
}

/// A UsagePlan's AWS objects as they should be.
#[derive(Clone, Copy, Debug)]
pub struct Model<'a> {
    /// What is asked for.
    pub valid: &'a ValidPlan,
    /// What the plan keeps of stages that it can't be given yet, in AWS's writing.
    pub kept: &'a BTreeSet<String>,
}

impl Model<'_> {
    fn desired(&self, observed: Option<&usage_plan::Observed>) -> usage_plan::Desired {
        let ValidPlan { owner, name, description, throttle, quota, tags, .. } = self.valid;
        let stages = self.valid.stages.iter().map(|stage| {
            let key = usage_plan::stage_key(&stage.rest_api_id, &stage.stage);
            (key, stage.methods.clone())
        });
        let has = observed.map(|observed| observed.settings.stages.clone()).unwrap_or_default();
        let kept = has.into_iter().filter(|(stage, _)| self.kept.contains(stage));
        usage_plan::Desired {
            owner: owner.clone(),
            settings: usage_plan::Settings {
                name: name.clone(),
                description: description.clone(),
                stages: kept.chain(stages).collect(),
                throttle: *throttle,
                quota: quota.clone(),
            },
            tags: tags.clone(),
        }
    }

    fn description(&self) -> String {
        format!("UsagePlan {}", self.valid.owner.key)
    }

    /// A key of this object's as it should be; `None` where it is another's, or nothing is known of it.
    fn key(&self, name: &str) -> Option<api_key::Desired> {
        let ValidKey::Own { value, enabled, .. } = self.valid.keys.get(name)? else { return None };
        Some(api_key::Desired {
            name: key_name(&self.valid.owner.key, name),
            value: value.clone(),
            enabled: *enabled,
            description: self.description(),
            tags: self.valid.tags.clone(),
        })
    }

    /// The values of keys that a plan of steps may make.
    pub fn values(&self) -> api_key::Values {
        let keys = self.valid.keys.keys().filter_map(|name| self.key(name));
        keys.filter_map(|key| Some((key.name, key.value?))).collect()
    }

    /// Hash of everything that is wanted, to tell drift from a change of the manifest. Of a value it knows only the version of
    /// the Secret that it comes from, of another's key only its id.
    pub fn hash(&self, observed: &Observed) -> String {
        let wanted = self.desired(None);
        let keys: BTreeMap<&String, (bool, Option<&String>, Vec<&String>)> = self
            .valid
            .keys
            .iter()
            .map(|(name, key)| {
                let shared = observed.shared.get(name).into_iter().flatten().map(|key| &key.id);
                let (enabled, version) = match key {
                    ValidKey::Own { enabled, version, .. } => (*enabled, version.as_ref()),
                    _ => (true, None),
                };
                (name, (enabled, version, shared.collect()))
            })
            .collect();
        content_hash(&(wanted.settings, wanted.tags, keys, self.valid.grace.as_secs()))
    }

    /// The plan. A key whose value was replaced ends only after the one with the new value is in the plan, and the grace period
    /// is over: there is no moment without one.
    ///
    /// # Errors
    /// A plan or key of ours is another's.
    pub fn plan(&self, observed: &Observed, now: Timestamp) -> Result<Planned, Problem> {
        let owner = &self.valid.owner;
        let mut steps = Steps { observed, planned: Planned::default(), others: false, first: Vec::new() };
        let found = observed.plan.as_ref();
        let of_plan = usage_plan::diff(&self.desired(found), found)?;
        steps.others |= !of_plan.is_empty();
        steps.first = steps.planned.plan.chain(of_plan.into_iter().map(Step::UsagePlan), &[]);
        // Only CreateUsagePlan keeps keys waiting: keys that go must not wait for a change of the plan that AWS refuses.
        if found.is_some() {
            steps.first.clear();
        }
        let mut wanted = BTreeSet::new();
        let ours = |name: &str| {
            let desired = self.key(name);
            let name = key_name(&owner.key, name);
            let has_value = move |key: &api_key::Observed| {
                desired.as_ref().and_then(|desired| desired.value.as_ref()).is_some_and(|value| key.has(value))
            };
            // Also where somebody gave it another name.
            observed.keys.iter().filter(move |key| (key.name == name || has_value(key)) && !key.is_foreign(owner))
        };
        for (name, key) in &self.valid.keys {
            match key {
                ValidKey::Own { value: Some(value), .. } => {
                    if let Some(desired) = self.key(name) {
                        let rotation = Rotation { desired, value, grace: self.valid.grace, now };
                        wanted.extend(steps.rotate(owner, rotation, &ours(name).collect::<Vec<_>>())?);
                    }
                }
                // Still to be made up: shown in a plan that nobody carries out.
                ValidKey::Own { value: None, .. } => {
                    if let Some(desired) = self.key(name) {
                        steps.make(&desired);
                    }
                    wanted.extend(ours(name).map(|key| key.id.clone()));
                }
                ValidKey::Shared { .. } => {
                    for key in observed.shared.get(name).into_iter().flatten() {
                        steps.attach(key, &[]);
                        wanted.insert(key.id.clone());
                    }
                }
                ValidKey::Unknown { .. } => wanted.extend(self.kept_of(name, observed)),
            }
        }
        for (id, name) in observed.attached.iter().filter(|(id, _)| !wanted.contains(*id)) {
            steps.others = true;
            steps.detach(id, name, &[]);
        }
        for key in observed.keys.iter().filter(|key| !wanted.contains(&key.id) && !is_released(owner, key)) {
            steps.delete(owner, key);
        }
        let mut planned = steps.planned;
        planned.only_ends = !steps.others && !planned.plan.is_empty();
        Ok(planned)
    }

    /// The keys that a name of which nothing is known may have.
    fn kept_of(&self, name: &str, observed: &Observed) -> Vec<String> {
        let own = key_name(&self.valid.owner.key, name);
        let mine = observed.keys.iter().filter(|key| key.name == own).map(|key| key.id.clone());
        let shared = observed.shared.get(name).into_iter().flatten().map(|key| key.id.clone());
        mine.chain(shared).collect()
    }
}

struct Rotation<'a> {
    desired: api_key::Desired,
    value: &'a SecretString,
    grace: SignedDuration,
    now: Timestamp,
}

struct Steps<'a> {
    observed: &'a Observed,
    planned: Planned,
    /// Whether there are steps other than ends.
    others: bool,
    /// What makes the usage plan.
    first: Vec<StepId>,
}

impl Steps<'_> {
    fn add(&mut self, step: Step, after: &[StepId]) -> StepId {
        self.planned.plan.add(step, after.iter().copied())
    }

    /// Makes a key and puts it into the plan.
    fn make(&mut self, desired: &api_key::Desired) -> StepId {
        self.others = true;
        let made = self.add(Step::ApiKey(api_key::creation(desired)), &[]);
        let after: Vec<_> = self.first.iter().copied().chain([made]).collect();
        let name = desired.name.clone();
        self.add(Step::UsagePlan(usage_plan::Step::Attach { name, id: None }), &after)
    }

    /// Puts a key into the plan where it is not.
    fn attach(&mut self, key: &api_key::Observed, after: &[StepId]) -> Option<StepId> {
        if self.observed.attached.contains_key(&key.id) {
            return None;
        }
        self.others = true;
        let step = usage_plan::Step::Attach { name: key.name.clone(), id: Some(key.id.clone()) };
        let after: Vec<_> = self.first.iter().chain(after).copied().collect();
        Some(self.add(Step::UsagePlan(step), &after))
    }

    fn detach(&mut self, id: &str, name: &str, after: &[StepId]) -> StepId {
        let step = usage_plan::Step::Detach { name: name.to_owned(), id: id.to_owned() };
        self.add(Step::UsagePlan(step), after)
    }

    /// After it was taken out of the plan.
    fn delete(&mut self, owner: &Owner, key: &api_key::Observed) {
        let Some(step) = api_key::removal(owner, key) else { return };
        self.others = true;
        let gone = |step: &Step| matches!(step, Step::UsagePlan(usage_plan::Step::Detach { id, .. }) if *id == key.id);
        let detached = self.planned.plan.steps().iter().position(|planned| gone(&planned.step));
        self.add(Step::ApiKey(step), detached.as_slice());
    }

    /// Sees to it that the key with the wanted value is in the plan, and that those with other values end in time. Answers with
    /// the keys that stay.
    fn rotate(
        &mut self,
        owner: &Owner,
        rotation: Rotation<'_>,
        keys: &[&api_key::Observed],
    ) -> Result<BTreeSet<String>, Problem> {
        let Rotation { desired, value, grace, now } = rotation;
        let mut stays = BTreeSet::new();
        let current = keys.iter().find(|key| key.has(value));
        let ready = match current {
            None => Some(self.make(&desired)),
            Some(key) => {
                stays.insert(key.id.clone());
                let changes = api_key::diff(owner, &desired, key)?;
                self.others |= !changes.is_empty();
                let changed = self.planned.plan.chain(changes.into_iter().map(Step::ApiKey), &[]);
                self.attach(key, &changed).or_else(|| changed.last().copied())
            }
        };
        let ready: Vec<StepId> = ready.into_iter().collect();
        for old in keys.iter().filter(|key| !key.has(value)) {
            stays.insert(old.id.clone());
            let until = old.replaced_at().map(|at| at.saturating_add(grace).unwrap_or(Timestamp::MAX));
            let left = match until {
                None if grace.is_zero() => SignedDuration::ZERO,
                None => grace,
                Some(until) => until.duration_since(now),
            };
            if !left.is_positive() {
                let name = old.name.clone();
                let attached = self.observed.attached.contains_key(&old.id);
                let gone = attached.then(|| self.detach(&old.id, &name, &ready));
                if let Some(step) = api_key::removal(owner, old) {
                    let after: Vec<_> = gone.into_iter().chain(ready.iter().copied()).collect();
                    self.add(Step::ApiKey(step), &after);
                }
                continue;
            }
            let at = old.replaced_at().unwrap_or(now);
            let wanted = api_key::Desired { description: api_key::replaced(at, owner), ..desired.clone() };
            for change in api_key::diff(owner, &wanted, old)? {
                self.others = true;
                self.add(Step::ApiKey(change), &ready);
            }
            let left = Duration::try_from(left).unwrap_or_default();
            self.planned.ends_in = Some(self.planned.ends_in.map_or(left, |ends_in| ends_in.min(left)));
        }
        Ok(stays)
    }
}

/// How many keys `status.apiKeys` holds.
const MOST_SHOWN: usize = 256;

/// The plan's keys that are in AWS, with when they end, by their names in the manifest. Each is there once: under a name that
/// has it, before one that only keeps it. Of more than a status holds, those go first whose values were replaced longest ago.
pub fn shown(valid: &ValidPlan, observed: &Observed) -> Vec<(String, String, Option<Timestamp>)> {
    let (keep, have): (Vec<_>, Vec<_>) =
        valid.keys.iter().partition(|(_, key)| matches!(key, ValidKey::Unknown { .. }));
    let mut found = BTreeMap::new();
    for (name, _) in have.into_iter().chain(keep) {
        let own = key_name(&valid.owner.key, name);
        let mine = observed.keys.iter().filter(|key| key.name == own && observed.attached.contains_key(&key.id));
        let mine = mine.map(|key| {
            let ends = key.replaced_at().map(|at| at.saturating_add(valid.grace).unwrap_or(Timestamp::MAX));
            (key, ends)
        });
        let shared = observed.shared.get(name).into_iter().flatten().map(|key| (key, None));
        for (key, ends) in mine.chain(shared) {
            found.entry(&key.id).or_insert((key, name, ends));
        }
    }
    let mut found: Vec<_> = found.into_values().collect();
    found.sort_by_key(|(key, ..)| key.replaced_at().map(Reverse));
    found.truncate(MOST_SHOWN);
    let mut shown: Vec<_> = found.into_iter().map(|(key, name, ends)| (key.id.clone(), name.clone(), ends)).collect();
    shown.sort();
    shown
}

/// Plans the removal of everything.
pub fn removal(owner: &Owner, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    let mut last = Vec::new();
    let of_plan = usage_plan::removal(owner, observed.plan.as_ref());
    if !of_plan.is_empty() {
        for (id, name) in &observed.attached {
            let step = usage_plan::Step::Detach { name: name.clone(), id: id.clone() };
            last.push(plan.add(Step::UsagePlan(step), []));
        }
    }
    for key in &observed.keys {
        if let Some(step) = api_key::removal(owner, key).filter(|_| !is_released(owner, key)) {
            last.push(plan.add(Step::ApiKey(step), last.clone()));
        }
    }
    plan.chain(of_plan.into_iter().map(Step::UsagePlan), &last);
    plan
}

fn is_released(owner: &Owner, key: &api_key::Observed) -> bool {
    key.tags.as_ref().is_some_and(|tags| owner.reads(tags) == Ownership::Released)
}

/// Plans letting everything go under `deletionPolicy: Retain`.
pub fn release(owner: &Owner, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    let keys = observed.keys.iter().filter_map(|key| api_key::release(owner, key)).map(Step::ApiKey);
    plan.chain(keys, &[]);
    plan.chain(usage_plan::release(owner, observed.plan.as_ref()).map(Step::UsagePlan), &[]);
    plan
}
