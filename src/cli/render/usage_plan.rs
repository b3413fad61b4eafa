//! The AWS objects of UsagePlans, without any value of a key.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::api::{PlanKey, RestAPIStatus, StageStatus, UsagePlan};
use crate::identity::Key;
use crate::problem::{Kind, Problem};
use crate::validate::usage_plan::{self, key_name, place};
use crate::world::World;

/// Renders a usage plan and its own keys. What is not among the manifests, such as Secrets, is taken as there.
pub(super) fn render_plan(world: &World, plan: &UsagePlan) -> Result<Vec<Value>, Problem> {
    let mut world = world.clone();
    let (_, place) = place(&world, plan)?;
    for (key, api) in &mut world.apis {
        let stage = |name: &String| StageStatus { name: name.clone(), ..StageStatus::default() };
        let status = RestAPIStatus {
            rest_api_id: Some(format!("(RestAPI {key})")),
            stages: api.spec.stages.iter().map(|one| stage(&one.name)).collect(),
            binding: Some(place.binding()),
            ..RestAPIStatus::default()
        };
        Arc::make_mut(api).status = Some(status);
    }
    let valid = usage_plan::validate(&world, plan)?;
    if let Some(problem) = valid.problems.iter().find(|problem| problem.kind == Kind::Stalled) {
        return Err(problem.clone());
    }
    let owner = format!("UsagePlan {}", valid.owner.key);
    let mut objects = vec![json!({
        "object": owner,
        "resource": "usage plan",
        "desired": {
            "name": valid.name,
            "description": valid.description,
            "apiStages": valid.stages,
            "throttle": valid.throttle,
            "quota": valid.quota,
            "keys": plan.spec.api_keys.iter().map(|key| in_aws(&valid.owner.key, key)).collect::<Vec<_>>(),
            "tags": valid.tags,
        },
    })];
    let own = plan.spec.api_keys.iter().filter_map(|key| Some((key, source(key)?)));
    objects.extend(own.map(|(key, source)| {
        json!({
            "object": owner,
            "resource": "API key",
            "desired": {
                "name": in_aws(&valid.owner.key, key),
                "value": source,
                "enabled": key.enabled,
                "tags": valid.tags,
            },
        })
    }));
    Ok(objects)
}

/// The name of a key in AWS.
fn in_aws(plan: &Key, key: &PlanKey) -> String {
    match &key.from {
        Some(from) => key_name(&Key::new(&plan.namespace, &from.usage_plan), &from.key),
        None => key_name(plan, &key.name),
    }
}

/// Where a key's value comes from; `None` where it is another plan's.
fn source(key: &PlanKey) -> Option<Value> {
    let secret = |name: &str, key: &str| json!({"secret": name, "key": key});
    match (&key.secret_key_ref, &key.generate) {
        (Some(reference), _) => Some(secret(&reference.name, &reference.key)),
        (None, Some(generate)) => Some(secret(&generate.secret_name, &generate.key)),
        (None, None) => None,
    }
}
