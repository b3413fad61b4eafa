//! An APIDomain's AWS objects: the domain name, and the base paths on it that lead to RestAPIs.
//!
//! Base path mappings carry no tags. Those that lead to an API of a RestAPI here are the domain's to keep, move and remove; others are left
//! alone.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::api::conditions::reasons;
use crate::api::{BasePathMapping, MappingRefusal, Reference, StageStatus};
use crate::identity::{Key, Owner, content_hash};
use crate::plan::Plan;
use crate::problem::Problem;
use crate::resources::access_association::{self, Associations};
use crate::resources::base_path_mapping::{self, Mapping, Mappings};
use crate::resources::{Step, domain_name};
use crate::tenancy::Place;
use crate::validate::api_domain::{MOST_MAPPINGS, ValidDomain, Wish};
use crate::world::World;

/// What AWS has.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The domain name.
    pub domain: Option<domain_name::Observed>,
    /// Its mappings.
    pub mappings: Mappings,
    /// The VPC endpoints that may call it, where it is private.
    pub associations: Associations,
}

/// A RestAPI in AWS.
#[derive(Clone, Debug, PartialEq)]
pub struct KnownApi {
    /// The RestAPI.
    pub key: Key,
    /// Whether what leads to it stays as it is, because it is paused, say.
    pub frozen: bool,
}

/// RestAPIs by their ids in AWS. A mapping that leads to none of them is not ours.
pub type KnownApis = BTreeMap<String, KnownApi>;

/// The domain's AWS objects as they should be.
pub struct Domain<'a> {
    /// The domain.
    pub valid: &'a ValidDomain,
    /// What RestAPIs wish for, by base path, the older first.
    pub wishes: &'a [Wish],
    /// Whose mappings are ours.
    pub known: &'a KnownApis,
}

/// A world whose RestAPIs have all that they ask for in AWS, where AWS is not asked.
pub fn as_if_in_aws(world: &World, place: &Place) -> World {
    let mut world = world.clone();
    for (key, api) in &mut world.apis {
        let api = Arc::make_mut(api);
        let stages = api.spec.stages.iter().map(|stage| stage.name.clone()).collect::<Vec<_>>();
        let status = api.status.get_or_insert_default();
        status.binding.get_or_insert_with(|| place.binding());
        status.rest_api_id.get_or_insert_with(|| key.to_string());
        for name in stages {
            if status.stages.iter().all(|shown| shown.name != name) {
                let shown = StageStatus { name, invoke_url: String::new(), revision: None, canary: None };
                status.stages.push(shown);
            }
        }
    }
    world
}

/// Which wishes have their base path.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Shared {
    /// The mappings that are wanted.
    pub wanted: Mappings,
    /// Base paths that are left as they are although their RestAPI asks for something else.
    pub kept: BTreeSet<String>,
    /// Why wishes are refused, by base path and RestAPI.
    pub refused: BTreeMap<(String, Key), Problem>,
}

impl Domain<'_> {
    /// Gives each base path to one of those who wish for it: who is served there now, then the older, then by name.
    pub fn shared(&self, observed: &Observed) -> Shared {
        let mut shared = Shared::default();
        let mut by_path: BTreeMap<&str, Vec<&Wish>> = BTreeMap::new();
        for wish in self.wishes {
            by_path.entry(&wish.base_path).or_default().push(wish);
        }
        for (path, wishes) in by_path {
            self.share(path, &wishes, observed.mappings.get(path), &mut shared);
        }
        shared
    }

    fn share(&self, path: &str, wishes: &[&Wish], found: Option<&Mapping>, shared: &mut Shared) {
        let refuse = |shared: &mut Shared, wish: &Wish, problem: Problem| {
            shared.refused.insert((path.to_owned(), wish.api.clone()), problem);
        };
        let at = if path.is_empty() { "the root".to_owned() } else { format!("base path {path}") };
        let domain = &self.valid.name;
        if let Some(found) = found.filter(|found| !self.known.contains_key(&found.rest_api_id)) {
            for wish in wishes {
                let message = format!(
                    "{at} of {domain} leads to API {} in AWS, which is of no RestAPI here; remove that mapping, or choose another base path",
                    found.rest_api_id
                );
                refuse(shared, wish, Problem::stalled(reasons::OWNERSHIP_CONFLICT, message));
            }
            return;
        }
        let serves = |wish: &Wish| {
            let known = found.and_then(|found| self.known.get(&found.rest_api_id));
            known.is_some_and(|known| known.key == wish.api)
        };
        let unknown = |wish: &Wish| {
            let known = wish.rest_api_id.as_ref().and_then(|id| self.known.get(id));
            known.is_none_or(|known| known.key != wish.api)
        };
        let claims = |wish: &&&Wish| match &wish.refused {
            None => !unknown(wish) && (shared.wanted.len() < MOST_MAPPINGS || serves(wish)),
            Some(refused) => !refused.withdrawn && serves(wish),
        };
        let mut claimants = wishes.iter().filter(claims);
        let winner = wishes.iter().filter(claims).find(|wish| serves(wish)).or_else(|| claimants.next()).copied();
        for wish in wishes {
            let is_winner = winner.is_some_and(|winner| winner.api == wish.api);
            match (&wish.refused, is_winner) {
                (Some(refused), _) => {
                    if is_winner {
                        shared.kept.insert(path.to_owned());
                    }
                    refuse(shared, wish, refused.problem.clone());
                }
                (None, true) => {
                    let rest_api_id = wish.rest_api_id.clone().unwrap_or_default();
                    shared.wanted.insert(path.to_owned(), Mapping { rest_api_id, stage: wish.stage.clone() });
                }
                (None, false) => {
                    let problem = match winner {
                        Some(winner) => Problem::stalled(
                            reasons::MAPPING_CONFLICT,
                            format!("{at} of {domain} is RestAPI {}'s; choose another base path", winner.api),
                        ),
                        None if unknown(wish) => Problem::waiting(
                            reasons::WAITING_FOR_REFERENCE,
                            format!("RestAPI {} shows an API in its status that is not its own", wish.api),
                        ),
                        None => Problem::stalled(
                            reasons::MAPPING_CONFLICT,
                            format!("{domain} has {MOST_MAPPINGS} base paths, and takes no more; use another domain"),
                        ),
                    };
                    refuse(shared, wish, problem);
                }
            }
        }
    }

    /// Hash of everything that is wanted, to tell drift from a change of a manifest.
    pub fn hash(&self, shared: &Shared) -> String {
        let ValidDomain { settings, tags, owner, access_associations, .. } = self.valid;
        content_hash(&(settings, tags, owner.tags(), &shared.wanted, &shared.kept, access_associations))
    }

    /// The plan: the domain name first, then its mappings.
    ///
    /// # Errors
    /// The domain name is another's, or of another endpoint type.
    pub fn plan(&self, observed: &Observed, shared: &Shared) -> Result<Plan<Step>, Problem> {
        let ValidDomain { name, settings, tags, owner, access_associations, .. } = self.valid;
        let desired = domain_name::Desired {
            name: name.clone(),
            settings: settings.clone(),
            tags: tags.clone(),
            owner: owner.clone(),
        };
        let mut plan = Plan::default();
        let steps = domain_name::diff(&desired, observed.domain.as_ref())?;
        let domain = plan.chain(steps.into_iter().map(Step::DomainName), &[]);
        let last: Vec<_> = domain.last().copied().into_iter().collect();
        for step in self.mapping_steps(observed, shared) {
            // Each on its own: one RestAPI's refusal by AWS is not another's.
            plan.add(Step::BasePathMapping(step), last.iter().copied());
        }
        for step in access_association::diff(owner, name, access_associations, &observed.associations) {
            plan.add(Step::AccessAssociation(step), last.iter().copied());
        }
        Ok(plan)
    }

    fn mapping_steps(&self, observed: &Observed, shared: &Shared) -> Vec<base_path_mapping::Step> {
        let withdrawn = |path: &str, api: &Key| {
            let of = |wish: &&Wish| wish.api == *api && wish.base_path == path;
            self.wishes.iter().filter(of).any(|wish| wish.refused.as_ref().is_some_and(|refused| refused.withdrawn))
        };
        let kept = |path: &str, found: &Mapping| {
            let stays = |known: &KnownApi| known.frozen && !withdrawn(path, &known.key);
            shared.kept.contains(path) || self.known.get(&found.rest_api_id).is_none_or(stays)
        };
        base_path_mapping::diff(&self.valid.name, &shared.wanted, &observed.mappings, kept)
    }

    /// The ids of APIs whose mappings the plan would change: that they are ours is made sure of before.
    pub fn touched(&self, observed: &Observed, shared: &Shared) -> BTreeSet<String> {
        let of = |step: &base_path_mapping::Step| {
            let (path, api) = step.base_path_and_api();
            let found = observed.mappings.get(path).map(|found| found.rest_api_id.clone());
            found.into_iter().chain(api.map(str::to_owned)).collect::<Vec<_>>()
        };
        self.mapping_steps(observed, shared).iter().flat_map(of).collect()
    }

    /// How the wishes stand, and what leads to RestAPIs that no longer ask for it.
    pub fn shown(&self, observed: &Observed, shared: &Shared) -> Vec<BasePathMapping> {
        let mut shown: BTreeMap<(String, Key), BasePathMapping> = BTreeMap::new();
        let new = |path: &str, api: &Key| BasePathMapping {
            api_ref: Reference { name: api.name.clone(), namespace: Some(api.namespace.clone()) },
            base_path: (!path.is_empty()).then(|| path.to_owned()),
            serves: None,
            refused: None,
        };
        for wish in self.wishes {
            let refused = shared.refused.get(&(wish.base_path.clone(), wish.api.clone()));
            let refused = refused.map(|problem| MappingRefusal {
                reason: problem.reason.to_owned(),
                message: problem.message.chars().take(1000).collect(),
            });
            let entry = BasePathMapping { refused, ..new(&wish.base_path, &wish.api) };
            shown.insert((wish.base_path.clone(), wish.api.clone()), entry);
        }
        for (path, found) in &observed.mappings {
            let Some(known) = self.known.get(&found.rest_api_id) else { continue };
            let entry = shown.entry((path.clone(), known.key.clone())).or_insert_with(|| new(path, &known.key));
            entry.serves = Some(found.stage.clone());
        }
        // Those that lead somewhere first: others wait for them.
        let mut all: Vec<_> = shown.into_values().collect();
        all.sort_by_key(|mapping| mapping.serves.is_none());
        all.truncate(2 * MOST_MAPPINGS);
        all
    }
}

/// The plan to nothing: what leads to RestAPIs here, then the domain name.
///
/// # Errors
/// Base paths that lead elsewhere, which would go with the domain name, or VPC endpoints that others let call it, which hold it.
pub fn removal(name: &str, owner: &Owner, observed: &Observed, known: &KnownApis) -> Result<Plan<Step>, Problem> {
    let mut plan = Plan::default();
    let Some(step) = domain_name::removal(name, owner, observed.domain.as_ref()) else { return Ok(plan) };
    let foreign = |path: &str, found: &Mapping| (!known.contains_key(&found.rest_api_id)).then(|| path.to_owned());
    let foreign: Vec<String> = observed.mappings.iter().filter_map(|(path, found)| foreign(path, found)).collect();
    if !foreign.is_empty() {
        let shown: Vec<_> = foreign.iter().take(3).map(|path| format!("/{path}")).collect();
        return Err(Problem::waiting(
            reasons::DELETION_BLOCKED,
            format!(
                "{} of {name} lead to APIs of no RestAPI here ({}); remove these mappings in AWS, and deletion goes on",
                foreign.len(),
                shown.join(", ")
            ),
        ));
    }
    let others: Vec<&str> = access_association::foreign(owner, &observed.associations).map(String::as_str).collect();
    if !others.is_empty() {
        // "After you delete your domain name access association, you can delete your private custom domain name" (Developer Guide).
        let shown = others.iter().take(3).copied().collect::<Vec<_>>().join(", ");
        let message = format!(
            "{} VPC endpoints may call {name} by access associations that somebody else made ({shown}); remove these in AWS, and deletion goes on",
            others.len()
        );
        return Err(Problem::waiting(reasons::DELETION_BLOCKED, message));
    }
    let steps = base_path_mapping::diff(name, &Mappings::new(), &observed.mappings, |_, _| false);
    let mut before: Vec<_> = steps.into_iter().map(|step| plan.add(Step::BasePathMapping(step), [])).collect();
    let associations = access_association::diff(owner, name, &BTreeSet::new(), &observed.associations);
    before.extend(associations.into_iter().map(|step| plan.add(Step::AccessAssociation(step), [])));
    plan.add(Step::DomainName(step), before);
    Ok(plan)
}

/// The plan that takes off what leads to these RestAPIs.
pub fn withdrawal(name: &str, observed: &Observed, of: &KnownApis) -> Plan<Step> {
    let mut plan = Plan::default();
    let stays = |_: &str, found: &Mapping| !of.contains_key(&found.rest_api_id);
    for step in base_path_mapping::diff(name, &Mappings::new(), &observed.mappings, stays) {
        plan.add(Step::BasePathMapping(step), []);
    }
    plan
}

/// The plan that lets the domain name go under `deletionPolicy: Retain`, with what leads to it.
pub fn release(name: &str, owner: &Owner, observed: &Observed) -> Plan<Step> {
    let mut plan = Plan::default();
    plan.chain(domain_name::release(name, owner, observed.domain.as_ref()).map(Step::DomainName), &[]);
    plan
}
