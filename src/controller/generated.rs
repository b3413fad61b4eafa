//! Secrets with values of API keys that are made up here.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::api::{ObjectMeta, Patch, PatchParams, PostParams};
use kube::{Api, Client, ResourceExt};
use rand::distr::{Alphanumeric, SampleString};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;

use super::outputs::owner;
use crate::api::conditions::reasons;
use crate::api::{GenerateKey, UsagePlan, UsagePlanStatus};
use crate::identity::Key;
use crate::problem::Problem;
use crate::resolve;
use crate::validate::usage_plan::secrets;
use crate::world::World;

/// The field manager of what is written here.
const MANAGER: &str = "stepgate-api-keys";

/// How many letters and digits a value has; AWS's own have as many.
const LENGTH: usize = 40;

/// The keys whose values are not there although this object has never shown them: AWS may have them already.
pub(super) fn unseen(plan: &UsagePlan, world: &World, status: &UsagePlanStatus) -> BTreeSet<String> {
    let namespace = plan.namespace().unwrap_or_default();
    let lacks = |GenerateKey { secret_name, key }: &GenerateKey| {
        let secret = world.secrets.get(&Key::new(&namespace, secret_name));
        secret.is_none_or(|secret| !secret.values.contains_key(key))
    };
    let generated = plan.spec.api_keys.iter().filter(|key| key.generate.as_ref().is_some_and(lacks));
    let shown = |name: &String| status.api_keys.iter().any(|shown| shown.name == *name);
    generated.map(|key| key.name.clone()).filter(|name| !shown(name)).collect()
}

/// Makes the values that are not there yet, where AWS `has` none, and puts them into the world. Answers with what keeps keys from having
/// one, by their names. A value is in its Secret before anything in AWS has it, so that none is ever lost.
pub(super) async fn fill(
    client: &Client,
    plan: &UsagePlan,
    world: &mut World,
    has: &BTreeMap<String, SecretString>,
) -> BTreeMap<String, Problem> {
    let mut problems = BTreeMap::new();
    for (name, generate) in plan.spec.api_keys.iter().filter_map(|key| Some((&key.name, key.generate.as_ref()?))) {
        if let Err(problem) = fill_one(client, plan, world, name, generate, has.get(name)).await {
            problems.insert(name.clone(), problem);
        }
    }
    problems
}

async fn fill_one(
    client: &Client,
    plan: &UsagePlan,
    world: &mut World,
    name: &str,
    GenerateKey { secret_name, key }: &GenerateKey,
    has: Option<&SecretString>,
) -> Result<(), Problem> {
    let field = format!("spec.apiKeys[{name}].generate");
    let Some(owner) = owner(plan) else { return Ok(()) };
    let namespace = plan.namespace().unwrap_or_default();
    let at = Key::new(&namespace, secret_name);
    let api: Api<Secret> = Api::namespaced(client.clone(), &namespace);
    let kubernetes = |error: kube::Error| match &error {
        // Such as a name that can't be one, or a quota.
        kube::Error::Api(status) if (400..500).contains(&status.code) && ![404, 409, 429].contains(&status.code) => {
            Problem::invalid(format!("{field}: {}", status.message))
        }
        _ => Problem::from(error),
    };
    if !world.secrets.contains_key(&at) {
        // Without data, so that nothing of another's is touched, whoever comes between.
        let metadata = ObjectMeta {
            name: Some(secret_name.clone()),
            owner_references: Some(vec![owner.clone()]),
            ..ObjectMeta::default()
        };
        let empty = Secret { metadata, type_: Some("Opaque".to_owned()), ..Secret::default() };
        let made = api.create(&PostParams::default(), &empty).await.map_err(kubernetes)?;
        world.secrets.insert(at.clone(), resolve::read(made, &secrets(plan)));
    }
    let Some(found) = world.secrets.get(&at) else { return Ok(()) };
    if !found.owners.contains(&owner.uid) {
        return Err(Problem::stalled(
            reasons::OWNERSHIP_CONFLICT,
            format!(
                "{field}.secretName: Secret {secret_name} exists and was not made for this object, so it is left alone; delete it, choose another name, or take its value with `secretKeyRef`"
            ),
        ));
    }
    if found.values.contains_key(key) {
        return Ok(());
    }
    let make_up = || SecretString::from(Alphanumeric.sample_string(&mut rand::rng(), LENGTH));
    let value = has.cloned().unwrap_or_else(make_up);
    // The UID: never one that was put in its place. The version: never over a value that came between.
    let (uid, version) = found.version.split_once('/').unwrap_or_default();
    let wanted = json!({
        "metadata": {"uid": uid, "resourceVersion": version},
        "data": {key: ByteString(value.expose_secret().as_bytes().to_vec())},
    });
    let parameters = PatchParams { field_manager: Some(MANAGER.to_owned()), ..PatchParams::default() };
    let written = api.patch(secret_name, &parameters, &Patch::Merge(&wanted)).await.map_err(kubernetes)?;
    world.secrets.insert(at, resolve::read(written, &secrets(plan)));
    Ok(())
}
