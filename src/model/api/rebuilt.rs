//! The record of a revision anew, from what the export of a stage that serves it says, and from what the roles have. For a
//! record that was lost.
//!
//! Nothing is guessed. A method that is not as a route's is makes the whole unreadable; then what can't be known counts as
//! served. A role is on record with all that it has now, and never with more: who can write into the API in AWS must
//! not have a role widened by it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::STUB;
use super::roles::own_role;
use crate::identity::{Key, invoke_role_name, role_name};
use crate::model::cors;
use crate::policy::roles::{InvokeAction, On};
use crate::resources::deployment::{Found, Record, RoleNeeds, ServedRoute};
use crate::resources::role;
use crate::resources::route::At;
use crate::resources::stage::export::{self, Exported, machine_arns};
use crate::validate::rest_api::ValidApi;
use crate::validate::route::operation_name;

/// How many more invoke roles than methods a namespace may have had.
const SPARE_ROLES: usize = 100;

/// Roles by name, as AWS has them.
pub type Roles = BTreeMap<String, Option<role::Observed>>;

/// Whose API is read.
#[derive(Clone, Copy)]
pub struct Of<'a> {
    /// The RestAPI.
    pub valid: &'a ValidApi,
    /// Its routes, terminating ones included.
    pub known_routes: &'a BTreeSet<Key>,
    /// Whether others have methods in it, too.
    pub adopted: bool,
}

/// What an export says.
#[derive(Clone, Debug, PartialEq)]
pub struct Snapshot {
    routes: Vec<Route>,
    /// Whom each of the API's own roles serves.
    roles: BTreeMap<String, Key>,
}

#[derive(Clone, Debug, PartialEq)]
struct Route {
    key: Key,
    at: At,
    /// ARNs of the machines that it names.
    machines: BTreeSet<String>,
    /// The role that says which machines are meant, too.
    admits: Option<String>,
}

impl Snapshot {
    /// Reads an export. `variables` are those of the stages that serve it.
    ///
    /// # Errors
    /// What is not as stepgate writes it.
    pub fn read<'v>(of: Of<'_>, export: &Value, variables: impl Iterator<Item = &'v String>) -> Result<Self, String> {
        let by_variables: BTreeSet<String> = variables.flat_map(|value| machine_arns(value)).collect();
        let methods = export::methods(export);
        if methods.is_empty() {
            return Err("its export has no methods".to_owned());
        }
        let mut snapshot = Self { routes: Vec::new(), roles: BTreeMap::new() };
        let most_roles = methods.len() + SPARE_ROLES;
        for mut method in methods {
            if method.reads_variables {
                method.machines.extend(by_variables.iter().cloned());
            }
            snapshot.add(of, method, most_roles)?;
        }
        let authorizers =
            export::authorizers(export).map_err(|name| format!("its export does not say what authorizer {name} is"))?;
        for (name, role) in &authorizers {
            if let Some(role) = own_role(of.valid, role.as_deref()) {
                snapshot.roles.insert(role.to_owned(), Key::new("", name));
            }
        }
        Ok(snapshot)
    }

    fn add(&mut self, of: Of<'_>, method: Exported, most_roles: usize) -> Result<(), String> {
        let Exported { at, operation_name: name, integration, uri, credentials, machines, .. } = method;
        let own_role = own_role(of.valid, credentials.as_deref());
        let is_mock = integration == "MOCK";
        if is_mock && [STUB, cors::OPERATION_NAME].contains(&name.as_str()) {
            return Ok(());
        }
        let action = uri.rsplit_once(":states:action/").and_then(|(_, action)| action.parse::<InvokeAction>().ok());
        let known = of.known_routes.iter().any(|route| operation_name(route) == name);
        if of.adopted && own_role.is_none() && !known {
            // Others' methods hold nothing of ours, unless they may call our machines.
            return match uri.contains(":states:") {
                true => Err(format!("nothing says whose method {at} is, which calls Step Functions")),
                false => Ok(()),
            };
        }
        let key = key_of(&name).ok_or_else(|| format!("method {at} is no APIRoute's"))?;
        let route = |machines, admits| Route { key: key.clone(), at: at.clone(), machines, admits };
        let Some(action) = action else {
            if !is_mock {
                return Err(format!("method {at} calls something else than Step Functions"));
            }
            self.routes.push(route(BTreeSet::new(), None));
            return Ok(());
        };
        let names_none = machines.is_empty() && !action.is_on_tasks();
        let admits = match own_role {
            Some(role) => {
                let ValidApi { owner, place, .. } = of.valid;
                let of_route = role == role_name(owner, &place.region, "route", &key);
                let of_namespace = |number| role == invoke_role_name(owner, &place.region, &key.namespace, number);
                if !of_route && !(1..=most_roles).any(of_namespace) {
                    return Err(format!("method {at} calls with role {role}, which is not APIRoute {key}'s"));
                }
                let whom = if of_route { key.clone() } else { Key::new(&key.namespace, "") };
                self.roles.insert(role.to_owned(), whom);
                (of_route || names_none).then(|| role.to_owned())
            }
            None if credentials.is_none() => return Err(format!("method {at} calls Step Functions without a role")),
            None if names_none => return Err(format!("nothing says which state machine method {at} calls")),
            None => None,
        };
        self.routes.push(route(machines, admits));
        Ok(())
    }

    /// The roles of the API that it calls with, by name.
    pub fn roles(&self) -> impl Iterator<Item = &String> {
        self.roles.keys()
    }

    /// Adds the machines of which only the roles say that they are called.
    ///
    /// # Errors
    /// Such a role is gone.
    pub fn admit(&mut self, roles: &Roles) -> Result<(), String> {
        for route in &mut self.routes {
            let Some(name) = &route.admits else { continue };
            match roles.get(name).and_then(Option::as_ref) {
                Some(found) => route.machines.extend(machines(&RoleNeeds::read(found))),
                None if route.machines.is_empty() => {
                    return Err(format!("role {name} says which state machine method {} calls, and is gone", route.at));
                }
                None => {}
            }
        }
        Ok(())
    }

    /// The ARNs of the machines that it calls.
    pub fn machines(&self) -> BTreeSet<String> {
        self.routes.iter().flat_map(|route| route.machines.iter().cloned()).collect()
    }

    /// The record. `machines` are the StateMachines among the machines, by ARN.
    pub fn record(
        self,
        rest_api_id: &str,
        (deployment_id, found): (&str, &Found),
        roles: &Roles,
        machines: &BTreeMap<String, Key>,
    ) -> Record {
        let route = |Route { key, at, machines: arns, .. }| {
            let machines = arns.iter().filter_map(|arn: &String| machines.get(arn).cloned()).collect();
            // Its exact form is not known, so it is no present form's.
            ServedRoute { route: key, at, hash: String::new(), machines }
        };
        let needs = |(name, of): (String, Key)| {
            let has = RoleNeeds::read(roles.get(&name)?.as_ref()?);
            Some((name, RoleNeeds { of: Some(of), keys: BTreeSet::new(), ..has }))
        };
        Record {
            revision: found.revision,
            rest_api_id: rest_api_id.to_owned(),
            deployment_id: deployment_id.to_owned(),
            hash: found.hash.clone(),
            routes: self.routes.into_iter().map(route).collect(),
            roles: self.roles.into_iter().filter_map(needs).collect(),
            // There may have been some, of which no method says so.
            authorizers: true,
            models: true,
            rebuilt: true,
            older: None,
        }
    }
}

/// The route of an operation name.
fn key_of(operation: &str) -> Option<Key> {
    let (namespace, name) = operation.split_once('_')?;
    let is_name = |text: &str| {
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '.';
        !text.is_empty() && text.chars().all(plain)
    };
    (is_name(namespace) && is_name(name)).then(|| Key::new(namespace, name))
}

/// The ARNs of the machines that a role may do something with.
fn machines(needs: &RoleNeeds) -> BTreeSet<String> {
    let arn = |on: &On| match on {
        On::Machine(arn) => machine_arns(arn.as_str()),
        On::TasksIn(_) => BTreeSet::new(),
    };
    needs.uses.iter().flat_map(|used| arn(&used.on)).collect()
}
