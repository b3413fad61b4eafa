//! The invoke roles: what they must be able to do by what the routes want and by what stages still serve, and the steps that make them so.

use std::collections::{BTreeMap, BTreeSet};

use super::{Api, Observed};
use crate::identity::{content_hash, role_path};
use crate::model::attach::Attachment;
use crate::model::invoke_roles;
use crate::policy::statement::INLINE_LIMIT;
use crate::policy::trust;
use crate::problem::Problem;
use crate::resources::deployment::{Record, RoleNeeds};
use crate::resources::role;
use crate::resources::route::{self, At};
use crate::validate::rest_api::ValidApi;
use crate::validate::route::{ValidRoute, operation_name};
use crate::validate::served::is_withdrawn;

/// The steps of the roles.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RoleSteps {
    /// By the role's name, where there are any.
    pub of: BTreeMap<String, Vec<role::Step>>,
    /// Of roles that nobody needs.
    pub removal: Vec<role::Step>,
}

impl Api<'_> {
    /// What each managed role must be able to do: what the routes want, what stages serve, and what methods need that
    /// are still to be replaced, or are kept.
    pub fn needs(&self, observed: &Observed) -> BTreeMap<String, RoleNeeds> {
        let mut needs = self.wanted_needs();
        merge(&mut needs, self.held_needs(observed));
        for (name, needs) in needs.iter_mut().filter(|_| self.in_use(observed).1) {
            // What can't be known counts as served: the role keeps all it has.
            if let Some(Some(found)) = observed.roles.get(name) {
                needs.merge(&RoleNeeds::read(found));
            }
        }
        self.without_withdrawn(&mut needs);
        self.with_keys(needs, observed)
    }

    /// What roles must be able to do whatever the routes want.
    fn held_needs(&self, observed: &Observed) -> BTreeMap<String, RoleNeeds> {
        let (in_use, _) = self.in_use(observed);
        let mut held = self.needs_of_old_forms(observed, |_| true);
        let counted = |record: &&Record| in_use.contains(&record.revision);
        for (name, served) in self.records.iter().filter(counted).flat_map(|record| &record.roles) {
            held.entry(name.clone()).or_default().merge(served);
        }
        merge(&mut held, self.needs_of_present_authorizers(observed, |_| true));
        self.without_withdrawn(&mut held);
        self.with_keys(held, observed)
    }

    /// A machine's owner closes it to callers, whatever stages and older forms of routes still call.
    fn without_withdrawn(&self, needs: &mut BTreeMap<String, RoleNeeds>) {
        for (name, needs) in needs {
            let on_record = || self.records.iter().find_map(|record| record.roles.get(name)?.of.as_ref());
            let Some(of) = needs.of.as_ref().or_else(on_record) else { continue };
            let namespace = of.namespace.clone();
            needs.uses.retain(|one| !is_withdrawn(&self.valid.withdrawn, &namespace, one));
        }
    }

    /// The name in the ARN of a role that is managed for this API.
    pub(super) fn own_role<'r>(&self, arn: Option<&'r str>) -> Option<&'r str> {
        own_role(self.valid, arn)
    }

    /// The same routes, each with the one of its namespace's invoke roles that has room for it.
    pub fn shared_out(&self, observed: &Observed) -> Attachment {
        let mut held = self.held_needs(observed);
        if self.in_use(observed).1 {
            for (name, found) in observed.roles.iter().filter_map(|(name, found)| Some((name, found.as_ref()?))) {
                held.entry(name.clone()).or_default().merge(&RoleNeeds::read(found));
            }
        }
        let mut attachment = self.attachment.clone();
        let ValidApi { owner, place, .. } = self.valid;
        invoke_roles::share_out(&mut attachment.attached, owner, &place.region, &observed.tree, held);
        attachment
    }

    /// What the methods at these places need that are not as their routes want them.
    fn needs_of_old_forms(&self, observed: &Observed, counts: impl Fn(&At) -> bool) -> BTreeMap<String, RoleNeeds> {
        let Attachment { attached, refused } = self.attachment;
        let refused = refused.iter().filter(|(_, refusal)| !refusal.withdrawn).map(|(key, _)| key);
        let known: BTreeSet<String> =
            attached.keys().chain(refused).map(operation_name).chain(self.unreadable.iter().cloned()).collect();
        let mut needs: BTreeMap<String, RoleNeeds> = BTreeMap::new();
        for (at, method) in observed.tree.methods.iter().filter(|(at, _)| counts(at)) {
            let as_wanted = attached.values().any(|route| route.at == *at && route.method == *method);
            let role = method.integration.as_ref().and_then(|found| self.own_role(found.credentials.as_deref()));
            let stays = known.contains(&method.operation_name) || self.is_succeeded(at, method);
            let (false, true, Some(role)) = (as_wanted, stays, role) else { continue };
            let hash = content_hash(method);
            let served = |record: &&Record| record.routes.iter().any(|served| served.at == *at && served.hash == hash);
            let record = self.records.iter().filter(served).max_by_key(|record| record.revision);
            match (record.and_then(|record| record.roles.get(role)), observed.roles.get(role)) {
                (Some(on_record), _) => needs.entry(role.to_owned()).or_default().merge(on_record),
                // What can't be known is all that the role has, once it is looked at.
                (None, Some(Some(found))) => needs.entry(role.to_owned()).or_default().merge(&RoleNeeds::read(found)),
                (None, Some(None)) => {}
                (None, None) => drop(needs.entry(role.to_owned()).or_default()),
            }
        }
        needs
    }

    /// What the routes want.
    pub fn wanted_needs(&self) -> BTreeMap<String, RoleNeeds> {
        self.needs_of_routes(|_| true)
    }

    /// What these routes want, and the authorizers.
    fn needs_of_routes(&self, counts: impl Fn(&ValidRoute) -> bool) -> BTreeMap<String, RoleNeeds> {
        let mut needs: BTreeMap<String, RoleNeeds> = BTreeMap::new();
        let authorizers = self.valid.authorizers.values().filter_map(|authorizer| authorizer.role.as_ref());
        let routes = self.attachment.attached.values().filter(|route| counts(route));
        let routes = routes.filter_map(|route| route.role.as_ref());
        for (name, wanted) in routes.chain(authorizers) {
            needs.entry(name.clone()).or_default().merge(wanted);
        }
        needs
    }

    /// The desired roles.
    pub fn roles(&self, observed: &Observed) -> Vec<role::Desired> {
        let place = &self.valid.place;
        self.needs(observed)
            .into_iter()
            .map(|(name, needs)| {
                let api = &self.valid.owner.key;
                let purpose = match &needs.of {
                    Some(of) if of.namespace.is_empty() => {
                        format!("Lets API Gateway call authorizer {} of RestAPI {api}", of.name)
                    }
                    Some(of) if of.name.is_empty() => {
                        format!("Lets routes of namespace {} of RestAPI {api} call Step Functions", of.namespace)
                    }
                    Some(of) => format!("Lets APIRoute {of} of RestAPI {api} call Step Functions"),
                    None => format!("Lets routes of RestAPI {api} call Step Functions"),
                };
                role::Desired {
                    name,
                    path: role_path(&self.valid.owner, &place.region),
                    owner: self.valid.owner.clone(),
                    description: format!("{purpose} (stepgate)"),
                    trust: trust::apigateway(),
                    policy: needs.policy(),
                    share: None,
                    managed_policies: needs.managed_policies,
                    adopted: None,
                }
            })
            .collect()
    }

    /// The steps of the roles, by role, and those that remove roles that nobody needs.
    ///
    /// # Errors
    /// A role of our name is another's, or its policy is too long.
    pub fn role_steps(&self, observed: &Observed) -> Result<RoleSteps, Problem> {
        let (_, unknown) = self.in_use(observed);
        let mut steps = RoleSteps::default();
        let mut wanted = BTreeSet::new();
        for desired in self.roles(observed) {
            let found = observed.roles.get(&desired.name).and_then(Option::as_ref);
            if desired.policy.len() > INLINE_LIMIT {
                return Err(Problem::invalid(format!(
                    "the stages serve so many state machines that the policy of role {} has {} characters, and IAM takes {INLINE_LIMIT}; let stages that are pinned to old revisions follow a newer one",
                    desired.name,
                    desired.policy.len(),
                )));
            }
            wanted.insert(desired.name.clone());
            let of_role = role::diff(&desired, found)?;
            if !of_role.is_empty() {
                steps.of.insert(desired.name, of_role);
            }
        }
        if !unknown {
            for (name, found) in observed.roles.iter().filter(|(name, _)| !wanted.contains(*name)) {
                steps.removal.extend(role::removal(name, &self.valid.owner, found.as_ref()));
            }
        }
        Ok(steps)
    }

    /// What the newest content needs: without what only pinned stages still serve.
    pub(super) fn needs_of_newest(
        &self,
        observed: &Observed,
        tree: &BTreeMap<At, route::Desired>,
    ) -> BTreeMap<String, RoleNeeds> {
        // One that waits is not in it yet.
        let is_in_it = |route: &ValidRoute| matches!(tree.get(&route.at), Some(route::Desired::Method(_)));
        let mut needs = self.needs_of_routes(is_in_it);
        merge(&mut needs, self.needs_of_old_forms(observed, |at| tree.get(at) == Some(&route::Desired::Keep)));
        let named: BTreeSet<String> =
            route::result(tree, &observed.tree).into_values().filter_map(|method| method.authorizer).collect();
        let stays = |name: &str| !self.valid.authorizers.contains_key(name) || self.authorizer_waits(name);
        let kept = self.needs_of_present_authorizers(observed, |name| named.contains(name) && stays(name));
        merge(&mut needs, kept);
        self.without_withdrawn(&mut needs);
        needs.values_mut().for_each(|needs| needs.keys.clear());
        needs
    }
}

/// The name in the ARN of a role that is managed for an API.
pub(super) fn own_role<'r>(valid: &ValidApi, arn: Option<&'r str>) -> Option<&'r str> {
    let ValidApi { owner, place, .. } = valid;
    let path = role_path(owner, &place.region);
    arn?.strip_prefix(&format!("arn:{}:iam::{}:role{path}", place.partition, place.account_id))
}

fn merge(needs: &mut BTreeMap<String, RoleNeeds>, others: BTreeMap<String, RoleNeeds>) {
    for (name, other) in others {
        needs.entry(name).or_default().merge(&other);
    }
}
