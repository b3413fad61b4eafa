//! Shares a namespace's routes out over its invoke roles: one, until its policy would be longer than IAM takes.

use std::collections::BTreeMap;

use crate::identity::{Key, Owner, invoke_role_name};
use crate::policy::statement::INLINE_LIMIT;
use crate::resources::deployment::RoleNeeds;
use crate::resources::route::{Method, Observed};
use crate::validate::route::ValidRoute;

/// Gives each route the role that it calls with now, or else the first of its namespace's, where there is room beside
/// what the roles must be able to do anyway. So a full role moves no route that it serves already.
pub fn share_out(
    attached: &mut BTreeMap<Key, ValidRoute>,
    owner: &Owner,
    region: &str,
    tree: &Observed,
    held: BTreeMap<String, RoleNeeds>,
) {
    let mut namespaces: BTreeMap<String, Vec<&mut ValidRoute>> = BTreeMap::new();
    for route in attached.values_mut().filter(|route| route.role.as_ref().is_some_and(|(_, needs)| needs.is_shared())) {
        namespaces.entry(route.key.namespace.clone()).or_default().push(route);
    }
    let mut taken = held;
    for (namespace, mut routes) in namespaces {
        // As many that at least one has nothing to do yet, whatever the others must.
        let names: Vec<_> = (1..=routes.len() + taken.len())
            .map(|number| invoke_role_name(owner, region, &namespace, number))
            .collect();
        let present = |route: &ValidRoute| {
            let found = tree.methods.get(&route.at).filter(|found| found.operation_name == route.method.operation_name);
            let role = found.and_then(credentials)?.rsplit('/').next()?;
            names.iter().position(|name| name == role)
        };
        routes.sort_by_key(|route| present(route).is_none());
        for route in routes {
            let Some((_, needs)) = route.role.clone() else { continue };
            let room = |name: &&String| {
                let has = taken.get(*name);
                has.is_some_and(|has| needs.uses.is_subset(&has.uses) && needs.keys.is_subset(&has.keys))
                    || both(has, &needs).policy().len() <= INLINE_LIMIT
            };
            let mut candidates = present(route).into_iter().chain(0..names.len()).map(|at| &names[at]);
            let Some(name) = candidates.find(room) else { continue };
            taken.entry(name.clone()).or_default().merge(&needs);
            route.call_with(name);
        }
    }
}

fn both(has: Option<&RoleNeeds>, needs: &RoleNeeds) -> RoleNeeds {
    let mut both = needs.clone();
    both.merge(&has.cloned().unwrap_or_default());
    both
}

fn credentials(method: &Method) -> Option<&str> {
    method.integration.as_ref()?.credentials.as_deref()
}
