//! What a route goes on serving although it can't be carried out, or is paused, held to what its grantors admit today: neither a
//! mistake of its team's nor a pause outlasts a withdrawal.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::admits_caller;
use super::rest_api::{ValidApi, admits};
use super::route::{Refusal, ValidRoute, exposed, operation_name, validate};
use crate::api::{APIRoute, Action, RestAPI, is_paused};
use crate::identity::{Key, role_name};
use crate::problem::Problem;
use crate::resources::deployment::Record;
use crate::resources::route::{At, Method, Observed};
use crate::tenancy::admit;
use crate::world::World;

/// Routes of a RestAPI, each with what it asks for or why it can't be carried out.
pub type Candidates = Vec<(Arc<APIRoute>, Result<ValidRoute, Refusal>)>;

/// Makes withdrawals of the refusals whose routes serve what is no longer granted: by `allowedRoutes` or `exposure`, as the method is in
/// AWS, or by `allowedCallers` of the machines that the newest record names. Whether templates were its own is only known of a method
/// that calls with a role of its own; `targets` are not looked at.
pub fn withdraw(
    world: &World,
    api: &RestAPI,
    valid: &ValidApi,
    observed: &Observed,
    records: &[Record],
    candidates: &mut Candidates,
) {
    let newest = records.iter().max_by_key(|record| record.revision);
    for (route, candidate) in candidates {
        let Err(refusal) = candidate else { continue };
        let key = Key::of(&**route);
        let name = operation_name(&key);
        let serves: Vec<_> = observed.methods.iter().filter(|(_, method)| method.operation_name == name).collect();
        if serves.is_empty()
            && is_paused(&**route)
            && let Err(own) = validate(world, api, valid, route)
            && own.withdrawn
        {
            // There is nothing that a pause could keep.
            *refusal = own;
            continue;
        }
        for (at, method) in serves {
            let served = newest.iter().flat_map(|record| &record.routes);
            let machines: BTreeSet<&Key> =
                served.filter(|served| served.route == key && served.at == *at).flat_map(|it| &it.machines).collect();
            if let Err(problem) = granted(world, api, valid, &former(valid, route, at, method), &machines) {
                let message = format!("what it served as {at} was withdrawn: {}", problem.message);
                *refusal = Refusal { problem: Problem { message, ..problem }, refs: false, withdrawn: true };
            }
        }
    }
}

/// The route as its grantors judge it, in the form that serves.
fn former(valid: &ValidApi, route: &APIRoute, at: &At, method: &Method) -> APIRoute {
    let mut former = route.clone();
    let spec = &mut former.spec;
    spec.path.clone_from(&at.path);
    read(&mut spec.method, &at.method);
    read(&mut spec.authorization.type_, &method.authorization);
    let integration = method.integration.as_ref();
    match integration.and_then(|integration| integration.uri.as_ref()?.rsplit_once('/')) {
        Some((_, action)) => read(&mut spec.target.action, action),
        None => spec.target.action = Action::Mock,
    }
    let own = format!("/{}", role_name(&valid.owner, &valid.place.region, "route", &Key::of(route)));
    let credentials = integration.and_then(|integration| integration.credentials.as_ref());
    if !credentials.is_some_and(|role| role.ends_with(&own)) {
        spec.request = None;
        spec.response = None;
    }
    former
}

/// Takes AWS's word for a value, where it is one of ours.
fn read<T: DeserializeOwned>(value: &mut T, text: &str) {
    if let Ok(known) = serde_json::from_value(json!(text)) {
        *value = known;
    }
}

fn granted(
    world: &World,
    api: &RestAPI,
    valid: &ValidApi,
    route: &APIRoute,
    machines: &BTreeSet<&Key>,
) -> Result<(), Problem> {
    let namespace = Key::of(route).namespace;
    // Without a tenant, AWS is left alone.
    let Ok(admission) = admit(&world.accounts, &world.namespaces, &namespace, Some(&valid.place.account)) else {
        return Ok(());
    };
    admits(world, api, route)?;
    exposed(valid, &admission, route)?;
    for key in machines {
        if let Some(machine) = world.machines.get(*key) {
            admits_caller(world, "its target", key, machine, &namespace)?;
        }
    }
    Ok(())
}
