//! An API's authorizers: as they should be for now, and what their roles need.

use std::collections::BTreeMap;

use super::{Api, Observed};
use crate::resources::authorizer::Authorizer;
use crate::resources::deployment::RoleNeeds;
use crate::resources::route::{At, Method};

impl Api<'_> {
    /// What the roles of the authorizers that are there need, until others take their place: no more than they have.
    pub(super) fn needs_of_present_authorizers(
        &self,
        observed: &Observed,
        counts: impl Fn(&str) -> bool,
    ) -> BTreeMap<String, RoleNeeds> {
        let mut needs: BTreeMap<String, RoleNeeds> = BTreeMap::new();
        for (_, found) in observed.authorizers.named.iter().filter(|(name, _)| counts(name)) {
            let Some(role) = self.own_role(found.authorizer.credentials.as_deref()) else { continue };
            let had = match observed.roles.get(role) {
                // Somebody wrote a name that no role has: none is made for it.
                Some(None) => continue,
                Some(Some(found)) => RoleNeeds::read(found),
                // Not looked at yet.
                None => RoleNeeds::default(),
            };
            let functions = found.authorizer.function().map(str::to_owned).into_iter();
            let functions = functions.filter(|function| had.functions.contains(function)).collect();
            needs.entry(role.to_owned()).or_default().merge(&RoleNeeds { functions, ..RoleNeeds::default() });
        }
        needs
    }

    /// Whether an authorizer's role is not settled.
    pub(super) fn authorizer_waits(&self, name: &str) -> bool {
        let role = self.valid.authorizers.get(name).and_then(|authorizer| authorizer.role.as_ref());
        role.is_some_and(|(role, _)| self.unsettled.contains_key(role))
    }

    /// Whether an authorizer is still to be made or changed, once its role is settled.
    pub fn authorizers_wait(&self, observed: &Observed) -> bool {
        self.valid.authorizers.iter().any(|(name, valid)| {
            let found = observed.authorizers.named.get(name).map(|found| &found.authorizer);
            self.authorizer_waits(name) && found != Some(&valid.authorizer)
        })
    }

    /// The authorizers as they should be for now: one whose role is not settled stays as it is.
    pub(super) fn authorizers(&self, observed: &Observed) -> BTreeMap<String, Authorizer> {
        let wanted = self.valid.authorizers.iter().filter_map(|(name, valid)| {
            let authorizer = match self.authorizer_waits(name) {
                true => &observed.authorizers.named.get(name)?.authorizer,
                false => &valid.authorizer,
            };
            Some((name.clone(), authorizer.clone()))
        });
        wanted.collect()
    }
}

/// The authorizers that methods name, whether wanted or kept.
pub(super) fn named(
    methods: &BTreeMap<At, Method>,
    wanted: &BTreeMap<String, Authorizer>,
    observed: &Observed,
) -> BTreeMap<String, Authorizer> {
    let names = methods.values().filter_map(|method| method.authorizer.as_ref());
    let of = |name: &String| {
        let present = || observed.authorizers.named.get(name).map(|found| &found.authorizer);
        Some((name.clone(), wanted.get(name).or_else(present)?.clone()))
    };
    names.filter_map(of).collect()
}
