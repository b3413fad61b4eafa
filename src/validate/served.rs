//! What a route goes on serving although it can't be carried out, or is paused, held to what its grantors admit today: neither a
//! mistake of its team's nor a pause outlasts a withdrawal.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::json;

use super::rest_api::{ValidApi, admits};
use super::route::{Refusal, ValidRoute, exposed, operation_name, validate};
use super::{admits_caller, state_machine};
use crate::api::{APIRoute, Action, RestAPI, is_paused};
use crate::identity::Key;
use crate::policy::roles::{MachineArn, On, Use};
use crate::problem::Problem;
use crate::resources::deployment::Record;
use crate::resources::route::{At, Method, Observed};
use crate::tenancy::{Place, admit};
use crate::world::World;

/// Routes of a RestAPI, each with what it asks for or why it can't be carried out.
pub type Candidates = Vec<(Arc<APIRoute>, Result<ValidRoute, Refusal>)>;

/// Makes withdrawals of the refusals whose routes serve what is no longer granted: by `allowedRoutes` or `exposure`, as the method is in
/// AWS, or by `allowedCallers` of the machines that the newest record names. Templates are looked at as long as the route writes what the
/// method has; `targets` are not.
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
            if let Err(problem) = granted(world, api, valid, &former(route, at, method), &machines) {
                let message = format!("what it served as {at} was withdrawn: {}", problem.message);
                *refusal = Refusal { problem: Problem { message, ..problem }, refs: false, withdrawn: true };
            }
        }
    }
}

/// The route as its grantors judge it, in the form that serves.
fn former(route: &APIRoute, at: &At, method: &Method) -> APIRoute {
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
    if !serves_templates(route, method) {
        spec.request = None;
        spec.response = None;
    }
    former
}

/// Whether a method has all templates that its route writes now. Where it has others, nobody knows whether they were written too.
fn serves_templates(route: &APIRoute, method: &Method) -> bool {
    let spec = &route.spec;
    let request = spec.request.iter().filter_map(|request| request.templates.as_ref());
    let responses = spec.response.iter().flat_map(|response| response.responses.iter().flatten());
    let responses = responses.filter_map(|response| response.integration.as_ref()).map(|it| &it.templates);
    let served = method.integration.iter().map(|integration| &integration.templates);
    let served = served.chain(method.integration_responses.values().map(|response| &response.templates));
    let served: Vec<&String> = served.flat_map(|templates| templates.values()).collect();
    let mut written = request.chain(responses).flat_map(|templates| templates.values());
    written.all(|template| served.iter().any(|served| is_filled_in(template, served)))
}

/// Whether a text is this template with its `${…}` filled in.
fn is_filled_in(template: &str, text: &str) -> bool {
    let mut parts = template.split("${");
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut ends = rest.is_empty();
    for part in parts {
        let literal = part.split_once('}').map_or("", |(_, literal)| literal);
        ends = literal.is_empty();
        match rest.find(literal) {
            Some(at) => rest = &rest[at + literal.len()..],
            None => return false,
        }
    }
    ends || rest.is_empty()
}

/// Takes AWS's word for a value, where it is one of ours.
fn read<T: DeserializeOwned>(value: &mut T, text: &str) {
    if let Ok(known) = serde_json::from_value(json!(text)) {
        *value = known;
    }
}

/// Which of the namespaces whose routes some revision serves may not call which of the StateMachines in view. Of a namespace or a machine
/// that is not there nothing is known, and a name that is only asked for closes nobody's machine.
pub fn withdrawn(world: &World, place: &Place) -> BTreeSet<(String, MachineArn)> {
    let roles = world.records.iter().flat_map(|record| record.roles.values());
    let callers: BTreeSet<&String> = roles.filter_map(|role| role.of.as_ref()).map(|of| &of.namespace).collect();
    let callers: Vec<&String> = callers.into_iter().filter(|name| world.namespaces.contains_key(*name)).collect();
    let mut withdrawn = BTreeSet::new();
    for (key, machine) in &world.machines {
        let arn = state_machine::arn_in(place, machine);
        let shown = machine.status.as_ref().and_then(|status| status.state_machine_arn.as_ref());
        let has_it = state_machine::may_be_called_so(world, machine) && shown == Some(&arn);
        let Some(arn) = MachineArn::parse(&arn).ok().filter(|_| has_it) else { continue };
        let refused = callers.iter().filter(|name| admits_caller(world, "", key, machine, name).is_err());
        withdrawn.extend(refused.map(|name| ((*name).clone(), arn.clone())));
    }
    withdrawn
}

/// Whether a use of a role of this namespace's routes is withdrawn.
pub fn is_withdrawn(withdrawn: &BTreeSet<(String, MachineArn)>, namespace: &str, one: &Use) -> bool {
    matches!(&one.on, On::Machine(arn) if withdrawn.contains(&(namespace.to_owned(), arn.clone())))
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
    admits(&world.namespaces, api, route)?;
    exposed(valid, &admission, route)?;
    for key in machines {
        if let Some(machine) = world.machines.get(*key) {
            admits_caller(world, "its target", key, machine, &namespace)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_filled_in;

    #[rstest::rstest]
    #[case("{}", "{}", true)]
    #[case("{}", "{} ", false)]
    #[case("{\"a\": \"${StateMachineArn}\"}", "{\"a\": \"arn:aws:states\"}", true)]
    #[case("{\"a\": \"${StateMachineArn}\"}", "{\"b\": \"arn:aws:states\"}", false)]
    #[case("${AWS::Region}", "eu-central-1", true)]
    #[case("{\"a\": \"${AWS::Region}\", \"b\": 1}", "{\"a\": \"eu-central-1\", \"b\": 2}", false)]
    fn a_template_is_known_again(#[case] template: &str, #[case] text: &str, #[case] is: bool) {
        assert_eq!(is_filled_in(template, text), is);
    }
}
