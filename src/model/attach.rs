//! Which routes get their path and method, and room in the API: the one that serves now, then the older, then by namespace and name.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::APIRoute;
use crate::api::conditions::reasons;
use crate::identity::Key;
use crate::problem::Problem;
use crate::resources::route::{At, Observed, parameters_of, with_ancestors};
use crate::validate::route::{Refusal, ValidRoute, operation_name};

/// The routes of an API, sorted by what becomes of them.
#[derive(Clone, Debug, Default)]
pub struct Attachment {
    /// Those that are to be served.
    pub attached: BTreeMap<Key, ValidRoute>,
    /// Those that can't be, and why.
    pub refused: BTreeMap<Key, Refusal>,
}

/// Sorts them; the paths of all together are `max_resources` resources at most. Terminating routes are in neither set.
pub fn attach(
    candidates: impl IntoIterator<Item = (Arc<APIRoute>, Result<ValidRoute, Refusal>)>,
    observed: &Observed,
    max_resources: usize,
) -> Attachment {
    let mut attachment = Attachment::default();
    let mut valid = Vec::new();
    let mut taken: BTreeMap<At, Key> = BTreeMap::new();
    // API Gateway takes one parameter name among siblings.
    let mut parameters: BTreeMap<String, (String, Key)> = BTreeMap::new();
    for (route, candidate) in candidates {
        match candidate {
            Ok(candidate) => {
                let serves = observed
                    .methods
                    .get(&candidate.at)
                    .is_some_and(|method| method.operation_name == operation_name(&candidate.key));
                // What is not in the cluster yet is younger than all that is.
                let created = route.metadata.creation_timestamp.clone().map(|time| time.0);
                valid.push((!serves, created.is_none(), created, candidate.key.clone(), candidate));
            }
            Err(refusal) => {
                let key = Key::of(&*route);
                if !refusal.withdrawn {
                    // It keeps what it serves, so it has its place, unless it asks for another by now.
                    let name = operation_name(&key);
                    let serving = observed.methods.iter().filter(|(_, method)| method.operation_name == name);
                    for (at, _) in serving.filter(|(at, _)| **at == At::of(&route.spec)) {
                        take(at, &key, &mut taken, &mut parameters);
                    }
                }
                attachment.refused.insert(key, refusal);
            }
        }
    }
    valid.sort_by(|a, b| (a.0, a.1, &a.2, &a.3).cmp(&(b.0, b.1, &b.2, &b.3)));
    let mut resources: BTreeSet<String> = taken.keys().flat_map(|at| with_ancestors(&at.path)).collect();
    resources.remove("/");
    for (.., key, candidate) in valid {
        if let Some(winner) = taken.get(&candidate.at) {
            attachment.refused.insert(key, conflict(reasons::ROUTE_CONFLICT, format!(
                "{}: APIRoute {winner} has this path and method already (the route that serves wins, then the older one); choose another path or method, or delete that route",
                candidate.at
            )));
            continue;
        }
        if let Some((ours, theirs, winner)) = parameter_clash(&candidate.at.path, &parameters) {
            attachment.refused.insert(key, conflict(reasons::ROUTE_CONFLICT, format!(
                "spec.path {}: API Gateway takes one name for the parameters at one place, and APIRoute {winner} calls this one {theirs}; write {theirs} instead of {ours}",
                candidate.at.path
            )));
            continue;
        }
        let needed = with_ancestors(&candidate.at.path).into_iter().filter(|path| path != "/");
        let more: Vec<String> = needed.filter(|path| !resources.contains(path)).collect();
        if resources.len() + more.len() > max_resources {
            attachment.refused.insert(key, full(&candidate.at.path, resources.len(), more.len(), max_resources));
            continue;
        }
        resources.extend(more);
        take(&candidate.at, &key, &mut taken, &mut parameters);
        attachment.attached.insert(key, candidate);
    }
    attachment
}

fn take(at: &At, key: &Key, taken: &mut BTreeMap<At, Key>, parameters: &mut BTreeMap<String, (String, Key)>) {
    for (parent, parameter) in parameters_of(&at.path) {
        parameters.entry(parent).or_insert((parameter, key.clone()));
    }
    taken.insert(at.clone(), key.clone());
}

fn full(path: &str, has: usize, needs: usize, max: usize) -> Refusal {
    let problem = Problem::invalid(format!(
        "spec.path {path}: it needs {needs} more resources (one for each part of a path), and the RestAPI's other routes have {has} of the {max} that API Gateway gives an API; move it to another RestAPI, or let the platform admin ask AWS for a higher quota (API Gateway, \"Resources per API\") and write it to spec.maxResourcesPerAPI of the AWSAccount"
    ));
    Refusal { problem, refs: false, withdrawn: false }
}

fn conflict(reason: &'static str, message: String) -> Refusal {
    Refusal { problem: Problem::stalled(reason, message), refs: false, withdrawn: false }
}

fn parameter_clash(path: &str, taken: &BTreeMap<String, (String, Key)>) -> Option<(String, String, Key)> {
    parameters_of(path).into_iter().find_map(|(parent, ours)| {
        let (theirs, winner) = taken.get(&parent)?;
        (*theirs != ours).then(|| (ours, theirs.clone(), winner.clone()))
    })
}

/// The places at which a route that can't be carried out keeps serving: wherever it serves now and no other route was
/// given the place.
pub fn kept(attachment: &Attachment, observed: &Observed) -> BTreeSet<At> {
    let taken: BTreeSet<&At> = attachment.attached.values().map(|route| &route.at).collect();
    let keeping: BTreeSet<String> = attachment
        .refused
        .iter()
        .filter(|(_, refusal)| !refusal.withdrawn)
        .map(|(key, _)| operation_name(key))
        .collect();
    observed
        .methods
        .iter()
        .filter(|(at, method)| keeping.contains(&method.operation_name) && !taken.contains(at))
        .map(|(at, _)| at.clone())
        .collect()
}
