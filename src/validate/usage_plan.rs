//! Validates a UsagePlan: each of its keys and stages on its own, so that one that can't be had keeps no other from being
//! given or taken away.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use k8s_openapi::jiff::SignedDuration;
use kube::ResourceExt;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use crate::api::conditions::reasons;
use crate::api::{AWSAccount, NamespacesFrom, PlanKey, PlanThrottle, RestAPI, SecretKeyRef, UsagePlan, UsagePlanStage};
use crate::identity::{Key, Owner, Tags, joined};
use crate::problem::{Kind, Problem};
use crate::resources::usage_plan::{Methods, Quota, Throttle, throttle_key};
use crate::tenancy::{Admission, Place, admit, includes};
use crate::world::World;

/// The longest part of the names of a plan's keys that is the plan's; what follows is the key's own.
const PREFIX: usize = 191;

/// A UsagePlan that can be built.
#[derive(Clone, Debug)]
pub struct ValidPlan {
    /// Whose the AWS objects are.
    pub owner: Owner,
    /// Where they live.
    pub place: Place,
    /// The name in AWS.
    pub name: String,
    /// Shown in the console.
    pub description: String,
    /// How fast each key may call.
    pub throttle: Option<Throttle>,
    /// How often.
    pub quota: Option<Quota>,
    /// The tags of the plan and its keys, the owner's among them.
    pub tags: Tags,
    /// Its keys by name.
    pub keys: BTreeMap<String, ValidKey>,
    /// The stages that it is for.
    pub stages: Vec<ValidStage>,
    /// Stages that it is to have and can't be given yet: what it has of them it keeps.
    pub awaited: BTreeSet<(Key, String)>,
    /// How long a replaced value goes on to work.
    pub grace: SignedDuration,
    /// What keeps keys and stages from being had.
    pub problems: Vec<Problem>,
}

/// A key of a plan.
#[derive(Clone, Debug)]
pub enum ValidKey {
    /// It is this plan's.
    Own {
        /// Its value; `None` where it is still to be made up.
        value: Option<SecretString>,
        /// Whether callers may use it.
        enabled: bool,
        /// Which Secret it comes from, and which version of it.
        version: Option<String>,
    },
    /// It is another plan's, under this name there.
    Shared {
        /// The other plan.
        owner: Owner,
        /// Its name there.
        name: String,
    },
    /// Something keeps it from being had: what there is of it is kept.
    Unknown {
        /// Where it is to come from another plan: that plan, and its name there.
        from: Option<(Owner, String)>,
    },
}

/// A stage that a plan is for.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ValidStage {
    /// The RestAPI.
    #[serde(skip)]
    pub api: Key,
    /// The API's id, as the RestAPI's status shows it: it grants nothing until AWS's tags say the same.
    pub rest_api_id: String,
    /// The stage.
    pub stage: String,
    /// The throttling of its methods.
    pub methods: Methods,
}

/// The owner of a UsagePlan's AWS objects.
pub fn owner(world: &World, account: &AWSAccount, key: Key) -> Owner {
    world.owner(account, "UsagePlan", key)
}

/// Where a plan lives.
///
/// # Errors
/// The namespace is not admitted, or the Region is not the account's.
pub fn place(world: &World, plan: &UsagePlan) -> Result<(Admission, Place), Problem> {
    let namespace = plan.namespace().unwrap_or_default();
    let account = plan.spec.account_ref.as_ref().map(|reference| reference.name.as_str());
    let admission = admit(&world.accounts, &world.namespaces, &namespace, account)?;
    let place = admission.place(plan.spec.region.as_deref())?;
    Ok((admission, place))
}

/// The name of a plan in AWS.
pub fn aws_name(plan: &Key) -> String {
    joined(plan, 255)
}

/// With what the names of all keys of a plan begin. No other plan's do: neither a namespace nor a name holds `_`.
pub fn key_prefix(plan: &Key) -> String {
    format!("{}_", joined(plan, PREFIX))
}

/// The name of a key in AWS.
pub fn key_name(plan: &Key, key: &str) -> String {
    format!("{}{key}", key_prefix(plan))
}

/// The Secrets, and the keys in them, that a plan's keys come from.
pub fn secrets(plan: &UsagePlan) -> BTreeSet<SecretKeyRef> {
    let of = |key: &PlanKey| match (&key.secret_key_ref, &key.generate) {
        (Some(reference), _) => Some(reference.clone()),
        (None, Some(generate)) => Some(SecretKeyRef { name: generate.secret_name.clone(), key: generate.key.clone() }),
        (None, None) => None,
    };
    plan.spec.api_keys.iter().filter_map(of).collect()
}

/// The RestAPIs that a plan names.
pub fn apis(plan: &UsagePlan) -> BTreeSet<Key> {
    let namespace = plan.namespace().unwrap_or_default();
    plan.spec.api_stages.iter().map(|stage| Key::resolve(&stage.api_ref, &namespace)).collect()
}

/// The plans whose keys a plan names.
pub fn shares(plan: &UsagePlan) -> BTreeSet<Key> {
    let namespace = plan.namespace().unwrap_or_default();
    let from = plan.spec.api_keys.iter().filter_map(|key| key.from.as_ref());
    from.map(|from| Key::new(&namespace, &from.usage_plan)).collect()
}

/// Validates it.
///
/// # Errors
/// What keeps all of it from being carried out; what keeps single keys and stages is among `problems`.
pub fn validate(world: &World, plan: &UsagePlan) -> Result<ValidPlan, Problem> {
    let (admission, place) = place(world, plan)?;
    let spec = &plan.spec;
    let key = Key::of(plan);
    super::tags::check("spec", &spec.tags)?;
    let owner = owner(world, &admission.account, key.clone());
    let mut tags = owner.tags();
    tags.extend(spec.tags.clone());
    let grace = spec.rotation_grace_period.parse::<SignedDuration>().map_err(|_| {
        Problem::invalid("spec.rotationGracePeriod: write a length of time, such as 90s, 30m or 24h".to_owned())
    })?;
    let mut valid = ValidPlan {
        place,
        name: aws_name(&key),
        description: spec.description.clone().unwrap_or_default(),
        throttle: spec.throttle.map(throttle),
        quota: spec.quota.map(|quota| Quota {
            limit: quota.limit,
            offset: quota.offset.unwrap_or_default(),
            period: quota.period.as_str().to_owned(),
        }),
        tags,
        keys: BTreeMap::new(),
        stages: Vec::new(),
        awaited: BTreeSet::new(),
        grace,
        problems: Vec::new(),
        owner,
    };
    for wanted in &spec.api_keys {
        let found = self::key(world, &admission, plan, wanted).and_then(|found| is_new(&valid, wanted, found));
        let found = found.unwrap_or_else(|problem| {
            valid.problems.push(problem);
            let from = wanted.from.as_ref().map(|from| {
                let other = Key::new(&key.namespace, &from.usage_plan);
                (Owner { key: other, ..valid.owner.clone() }, from.key.clone())
            });
            ValidKey::Unknown { from }
        });
        valid.keys.insert(wanted.name.clone(), found);
    }
    let mut named = BTreeSet::new();
    for (index, wanted) in spec.api_stages.iter().enumerate() {
        let api = Key::resolve(&wanted.api_ref, &key.namespace);
        if !named.insert((api.clone(), wanted.stage.clone())) {
            let field = format!("spec.apiStages[{index}]");
            valid.problems.push(Problem::invalid(format!(
                "{field}: stage {} of RestAPI {api} is on the list already; name it once, with all of its `methodThrottle`",
                wanted.stage
            )));
            continue;
        }
        match stage(world, &valid.place, &key.namespace, index, wanted) {
            Ok(found) => valid.stages.push(found),
            Err(problem) => {
                let going =
                    !world.apis_stay && world.apis.get(&api).is_some_and(|api| crate::resolve::terminating(&**api));
                if problem.kind == Kind::Waiting && !going {
                    valid.awaited.insert((api, wanted.stage.clone()));
                }
                valid.problems.push(problem);
            }
        }
    }
    Ok(valid)
}

impl ValidPlan {
    /// A key can't be had after all.
    pub fn refuse(&mut self, key: &str, problem: Problem) {
        let from = match self.keys.remove(key) {
            Some(ValidKey::Shared { owner, name }) => Some((owner, name)),
            Some(ValidKey::Unknown { from }) => from,
            _ => None,
        };
        self.keys.insert(key.to_owned(), ValidKey::Unknown { from });
        // It says more than what is wrong with the key as it was found.
        self.problems.insert(0, problem);
    }

    /// The first of what has to be changed, or else of what is waited for.
    pub fn problem(&self) -> Option<&Problem> {
        let stalled = self.problems.iter().find(|problem| problem.kind == Kind::Stalled);
        stalled.or_else(|| self.problems.first())
    }
}

fn throttle(PlanThrottle { rate_limit, burst_limit }: PlanThrottle) -> Throttle {
    Throttle { rate_limit, burst_limit }
}

fn key(world: &World, admission: &Admission, plan: &UsagePlan, wanted: &PlanKey) -> Result<ValidKey, Problem> {
    let field = format!("spec.apiKeys[{}]", wanted.name);
    let namespace = plan.namespace().unwrap_or_default();
    if let Some(from) = &wanted.from {
        let key = Key::new(&namespace, &from.usage_plan);
        let waits = |what: String| Problem::waiting(reasons::WAITING_FOR_REFERENCE, format!("{field}.from: {what}"));
        if key.name == plan.name_any() {
            return Err(Problem::invalid(format!("{field}.from: this is the same UsagePlan; name another one")));
        }
        let mut before = plan.spec.api_keys.iter().take_while(|other| other.name != wanted.name);
        if let Some(first) = before.find(|other| other.from.as_ref() == Some(from)) {
            return Err(Problem::invalid(format!(
                "{field}.from: key {} of UsagePlan {key} is on the list already, as {}; take one of them off the list",
                from.key, first.name
            )));
        }
        let other = world.plans.get(&key).ok_or_else(|| waits(format!("UsagePlan {key} does not exist")))?;
        let shared = other.spec.api_keys.iter().find(|shared| shared.name == from.key);
        let shared = shared.ok_or_else(|| waits(format!("UsagePlan {key} has no key {}", from.key)))?;
        if let Some(there) = &shared.from {
            return Err(Problem::invalid(format!(
                "{field}.from: UsagePlan {key} has this key from UsagePlan {namespace}/{}; name that one",
                there.usage_plan
            )));
        }
        let stages = |plan: &UsagePlan| -> BTreeSet<(Key, String)> {
            let all = plan.spec.api_stages.iter();
            all.map(|stage| (Key::resolve(&stage.api_ref, &namespace), stage.stage.clone())).collect()
        };
        if let Some((api, stage)) = stages(plan).intersection(&stages(other)).next() {
            return Err(Problem::invalid(format!(
                "{field}.from: UsagePlan {key} is for stage {stage} of RestAPI {api} too, and AWS takes a key in one plan for each stage; take the stage off one of the plans, or use another key"
            )));
        }
        let owner = owner(world, &admission.account, key);
        return Ok(ValidKey::Shared { owner, name: from.key.clone() });
    }
    let generated = wanted.generate.as_ref();
    let (part, reference) = match (&wanted.secret_key_ref, generated) {
        (Some(reference), _) => ("secretKeyRef", reference.clone()),
        (None, Some(generate)) => {
            ("generate", SecretKeyRef { name: generate.secret_name.clone(), key: generate.key.clone() })
        }
        (None, None) => {
            return Err(Problem::invalid(format!("{field}: set one of `secretKeyRef`, `generate` and `from`")));
        }
    };
    let field = format!("{field}.{part}");
    if let Some((other, name)) = named_by_another(world, plan, &reference) {
        return Err(Problem::invalid(format!(
            "{field}: Secret {}, key `{}`, is key {name} of UsagePlan {other} already, and AWS has each value once; write `from: {{usagePlan: {}, key: {name}}}` instead",
            reference.name, reference.key, other.name
        )));
    }
    let found = world.secrets.get(&Key::new(&namespace, &reference.name));
    let value = found.and_then(|secret| secret.values.get(&reference.key));
    let (Some(found), Some(value)) = (found, value) else {
        if generated.is_some() {
            return Ok(ValidKey::Own { value: None, enabled: wanted.enabled, version: None });
        }
        let what = match found {
            None => format!("Secret {namespace}/{} does not exist", reference.name),
            Some(_) => format!("Secret {namespace}/{} has no key `{}`", reference.name, reference.key),
        };
        return Err(Problem::waiting(reasons::WAITING_FOR_REFERENCE, format!("{field}: {what}")));
    };
    check_value(&field, value)?;
    let version = Some(format!("{}/{}", reference.name, found.version));
    Ok(ValidKey::Own { value: Some(value.clone()), enabled: wanted.enabled, version })
}

/// AWS takes 20 to 128 characters (API Gateway's guide to usage plans); a header takes no white space and nothing beyond ASCII.
fn check_value(field: &str, value: &SecretString) -> Result<(), Problem> {
    let value = value.expose_secret();
    if !value.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Problem::invalid(format!(
            "{field}: the value in the Secret holds white space or something that is not ASCII; a new line at its end comes from `echo` without `-n`"
        )));
    }
    match value.len() {
        20..=128 => Ok(()),
        _ => Err(Problem::invalid(format!("{field}: AWS takes 20 to 128 characters as the value of an API key"))),
    }
}

/// Another plan of the namespace, or another key of this one, that comes from the same place.
fn named_by_another(world: &World, plan: &UsagePlan, reference: &SecretKeyRef) -> Option<(Key, String)> {
    let here = |other: &&Arc<UsagePlan>| other.namespace() == plan.namespace() && other.name_any() < plan.name_any();
    let source = |key: &PlanKey| match (&key.secret_key_ref, &key.generate) {
        (Some(one), _) => one == reference,
        (None, Some(one)) => one.secret_name == reference.name && one.key == reference.key,
        (None, None) => false,
    };
    world.plans.values().filter(here).find_map(|other| {
        let found = other.spec.api_keys.iter().find(|key| source(key))?;
        Some((Key::of(&**other), found.name.clone()))
    })
}

/// Two keys of one plan have two values.
fn is_new(valid: &ValidPlan, wanted: &PlanKey, found: ValidKey) -> Result<ValidKey, Problem> {
    let ValidKey::Own { value: Some(value), .. } = &found else { return Ok(found) };
    let same = valid.keys.iter().find(|(_, other)| match other {
        ValidKey::Own { value: Some(other), .. } => other.expose_secret() == value.expose_secret(),
        _ => false,
    });
    match same {
        None => Ok(found),
        Some((other, _)) => Err(Problem::invalid(format!(
            "spec.apiKeys[{}]: it has the same value as key {other}, and AWS has each value once; take one of them off the list",
            wanted.name
        ))),
    }
}

fn stage(
    world: &World,
    place: &Place,
    namespace: &str,
    index: usize,
    wanted: &UsagePlanStage,
) -> Result<ValidStage, Problem> {
    let field = format!("spec.apiStages[{index}]");
    let key = Key::resolve(&wanted.api_ref, namespace);
    let waits = |what: String| Problem::waiting(reasons::WAITING_FOR_REFERENCE, format!("{field}: {what}"));
    let api = world.apis.get(&key).ok_or_else(|| waits(format!("RestAPI {key} does not exist")))?;
    admits(world, &field, api, namespace)?;
    if crate::resolve::terminating(&**api) {
        return Err(waits(format!("RestAPI {key} is being deleted")));
    }
    if api.spec.stages.iter().all(|stage| stage.name != wanted.stage) {
        return Err(Problem::stalled(
            reasons::INVALID_SPEC,
            format!("{field}.stage: RestAPI {key} has no stage {}; name one of its stages", wanted.stage),
        ));
    }
    let status = api.status.as_ref();
    let binding = status.and_then(|status| status.binding.as_ref());
    if let Some(binding) = binding.filter(|binding| **binding != place.binding()) {
        return Err(Problem::invalid(format!(
            "{field}.apiRef: RestAPI {key} lives in Region {} of account {}, and this object in Region {} of account {}; put both in one account and Region",
            binding.region, binding.account_id, place.region, place.account_id
        )));
    }
    let id = status.and_then(|status| status.rest_api_id.clone());
    let stands = status.is_some_and(|status| status.stages.iter().any(|stage| stage.name == wanted.stage));
    let (Some(rest_api_id), true) = (id, stands) else {
        return Err(waits(format!("stage {} of RestAPI {key} is not in AWS yet", wanted.stage)));
    };
    let methods = wanted.method_throttle.iter();
    let methods = methods.map(|method| (throttle_key(&method.path, method.method.as_str()), throttle(method.throttle)));
    Ok(ValidStage { api: key, rest_api_id, stage: wanted.stage.clone(), methods: methods.collect() })
}

/// The API's owner says whose plans may name its stages.
fn admits(world: &World, field: &str, api: &RestAPI, namespace: &str) -> Result<(), Problem> {
    let own = api.namespace().unwrap_or_default();
    let allowed = api.spec.allowed_usage_plans.as_ref().map(|plans| plans.namespaces.clone()).unwrap_or_default();
    if includes(&allowed, Some(&own), namespace, &world.namespaces) {
        return Ok(());
    }
    let who = match allowed.from {
        NamespacesFrom::Same => "only those of its own namespace",
        _ => "those of other namespaces",
    };
    Err(Problem::stalled(
        reasons::NOT_ALLOWED,
        format!(
            "{field}.apiRef: RestAPI {} admits of UsagePlans {who}; its owner must add namespace {namespace} to spec.allowedUsagePlans.namespaces",
            Key::of(api)
        ),
    ))
}
