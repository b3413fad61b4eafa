//! How a RestAPI's wishes on custom domains stand, as the APIDomains say: each of these is the one writer of its base paths.

use std::collections::BTreeSet;

use crate::api::conditions::{READY, reasons};
use crate::api::{APIDomain, DomainMapping, DomainMappingStatus, RestAPI};
use crate::identity::Key;
use crate::problem::Problem;
use crate::resolve::terminating;
use crate::world::World;

/// How they stand, in the order of the spec, and what is wrong with the first that is not accepted.
pub fn standing(world: &World, api: &RestAPI) -> (Vec<DomainMappingStatus>, Option<Problem>) {
    let key = Key::of(api);
    let mut first = None;
    let mut shown = Vec::new();
    for mapping in &api.spec.domain_mappings {
        let domain = world.domains.get(&Key::resolve(&mapping.domain_ref, &key.namespace));
        let problem = problem(domain.map(|domain| &**domain), &key, mapping).err();
        let message = problem.as_ref().map(|problem| problem.message.clone());
        shown.push(DomainMappingStatus {
            domain_ref: mapping.domain_ref.clone(),
            base_path: mapping.base_path.clone(),
            accepted: problem.is_none(),
            url: domain.map(|domain| url(&domain.spec.domain_name, mapping.base_path.as_deref())),
            message,
        });
        first = first.or(problem);
    }
    let first = first.map(|problem: Problem| {
        let message = format!("spec.domainMappings: {}", problem.message);
        Problem { message, ..problem }
    });
    (shown, first)
}

/// What callers call.
fn url(domain: &str, base_path: Option<&str>) -> String {
    match base_path {
        Some(path) => format!("https://{domain}/{path}"),
        None => format!("https://{domain}"),
    }
}

fn problem(domain: Option<&APIDomain>, api: &Key, mapping: &DomainMapping) -> Result<(), Problem> {
    let key = Key::resolve(&mapping.domain_ref, &api.namespace);
    let missing = |what: &str| Problem::waiting(reasons::WAITING_FOR_REFERENCE, format!("APIDomain {key} {what}"));
    let domain = domain.ok_or_else(|| missing("does not exist"))?;
    if terminating(domain) {
        return Err(missing("is being deleted"));
    }
    let status = domain.status.as_ref();
    let mut mappings = status.into_iter().flat_map(|status| &status.mappings);
    let found = mappings
        .find(|found| found.base_path == mapping.base_path && Key::resolve(&found.api_ref, &key.namespace) == *api);
    if let Some(refusal) = found.and_then(|found| found.refused.as_ref()) {
        let stalled = reasons::ALL.iter().find(|reason| STALLED.contains(reason) && **reason == refusal.reason);
        return Err(match stalled {
            Some(reason) => Problem::stalled(reason, refusal.message.clone()),
            None => Problem::waiting(reasons::WAITING_FOR_REFERENCE, refusal.message.clone()),
        });
    }
    if found.is_some_and(|found| found.serves.as_ref() == Some(&mapping.stage)) {
        return Ok(());
    }
    let ready = status.and_then(|status| status.common.conditions.iter().find(|condition| condition.type_ == READY));
    Err(match ready.filter(|ready| ready.status != "True" && ready.reason != reasons::PENDING) {
        Some(ready) => missing(&format!("is not ready ({})", ready.reason)),
        None => missing("does not serve it yet"),
    })
}

/// The reasons of refusals that only an input can change.
const STALLED: [&str; 4] =
    [reasons::NOT_ALLOWED, reasons::INVALID_SPEC, reasons::MAPPING_CONFLICT, reasons::OWNERSHIP_CONFLICT];

/// The stages of a RestAPI that base paths lead to now, and the APIDomains that have them.
pub fn mapped(world: &World, api: &Key) -> BTreeSet<(String, Key)> {
    let mapped = world.domains.iter().flat_map(|(key, domain)| {
        let mappings = domain.status.iter().flat_map(|status| &status.mappings);
        let of_api = mappings.filter(|mapping| Key::resolve(&mapping.api_ref, &key.namespace) == *api);
        of_api.filter_map(|mapping| Some((mapping.serves.clone()?, key.clone())))
    });
    mapped.collect()
}
