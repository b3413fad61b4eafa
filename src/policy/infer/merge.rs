//! From needs to statements: the same needs always make the same text, and nothing is granted that no state needs.

use std::collections::{BTreeMap, BTreeSet};

use super::{Explained, Need, State};
use crate::policy::resource::Resource;
use crate::policy::statement::{Conditions, Document, Statement};

/// Against more globs than these no resource is compared: so many do not fit into a policy anyway.
const MOST_GLOBS: usize = 256;

/// Each need once, with all states that have it; sorted.
pub(super) fn distinct(needs: Vec<Need>) -> Vec<Need> {
    let mut distinct: BTreeMap<_, BTreeSet<State>> = BTreeMap::new();
    for Need { class, statement, states } in needs {
        distinct.entry((class, statement)).or_default().extend(states);
    }
    distinct.into_iter().map(|((class, statement), states)| Need { class, statement, states }).collect()
}

/// What a statement applies to besides its actions.
type Target = (Conditions, Vec<String>, String);
/// Action and target.
type Pairs = BTreeMap<(String, Target), BTreeSet<State>>;

/// Merges needs into statements: those of the same actions share their resources, or those of the same resources their actions,
/// whichever text is shorter.
pub(super) fn merge(needs: &[Need]) -> Vec<Explained> {
    let mut pairs = Pairs::new();
    for Need { statement, states, .. } in needs {
        let Statement { actions, resources, not_resources, conditions, .. } = statement;
        let none = [String::new()];
        let resources = if resources.is_empty() { &none[..] } else { resources };
        for (action, resource) in actions.iter().flat_map(|action| resources.iter().map(move |r| (action, r))) {
            let target = (conditions.clone(), not_resources.clone(), resource.clone());
            pairs.entry((action.clone(), target)).or_default().extend(states.iter().cloned());
        }
    }
    let pairs = without_contained(pairs);
    let by_target = grouped(&pairs, true);
    let by_action = grouped(&pairs, false);
    let length = |list: &[Explained]| Document::new(list.iter().map(|e| e.statement.clone())).len();
    if length(&by_action) < length(&by_target) { by_action } else { by_target }
}

/// Drops each pair that another one holds, whose states then need the other.
fn without_contained(pairs: Pairs) -> Pairs {
    let mut globs: BTreeMap<String, Vec<Target>> = BTreeMap::new();
    for (action, target) in pairs.keys() {
        if target.1.is_empty() && target.2.contains(['*', '?']) {
            globs.entry(action.clone()).or_default().push(target.clone());
        }
    }
    let all: BTreeSet<(String, Target)> = pairs.keys().cloned().collect();
    let mut kept = Pairs::new();
    for ((action, target), states) in pairs {
        let of_action: &[Target] =
            globs.get(&action).filter(|globs| globs.len() <= MOST_GLOBS).map_or(&[], Vec::as_slice);
        // Of two that hold each other the first text stays.
        let wider = |than: &Target| {
            let is_wider = |glob: &&Target| *glob != than && holds(glob, than) && (!holds(than, glob) || *glob < than);
            of_action.iter().find(is_wider).cloned()
        };
        // What is allowed without a condition is allowed with one.
        let plain = (Conditions::new(), target.1.clone(), target.2.clone());
        let mut holder = if all.contains(&(action.clone(), plain.clone())) { plain } else { target };
        while let Some(next) = wider(&holder) {
            holder = next;
        }
        kept.entry((action, holder)).or_default().extend(states);
    }
    kept
}

fn holds(outer: &Target, inner: &Target) -> bool {
    let same_conditions = outer.0.is_empty() || outer.0 == inner.0;
    same_conditions
        && inner.1.is_empty()
        && match (Resource::parse(&outer.2), Resource::parse(&inner.2)) {
            (Ok(outer), Ok(inner)) => outer.contains(&inner),
            _ => false,
        }
}

/// Rectangles: targets of the same set of actions, or actions of the same set of resources.
fn grouped(pairs: &Pairs, by_target: bool) -> Vec<Explained> {
    let mut rows: BTreeMap<(Conditions, Vec<String>, String), BTreeSet<String>> = BTreeMap::new();
    for (action, (conditions, not, resource)) in pairs.keys() {
        let (row, column) = if by_target { (resource, action) } else { (action, resource) };
        rows.entry((conditions.clone(), not.clone(), row.clone())).or_default().insert(column.clone());
    }
    let mut groups: BTreeMap<(Conditions, Vec<String>, BTreeSet<String>), BTreeSet<String>> = BTreeMap::new();
    for ((conditions, not, row), columns) in rows {
        groups.entry((conditions, not, columns)).or_default().insert(row);
    }
    let mut statements: Vec<Explained> = groups
        .into_iter()
        .map(|((conditions, not, columns), rows)| {
            let (actions, resources) = if by_target { (columns, rows) } else { (rows, columns) };
            let mut states = BTreeSet::new();
            for (action, resource) in actions.iter().flat_map(|action| resources.iter().map(move |r| (action, r))) {
                let target = (conditions.clone(), not.clone(), resource.clone());
                states.extend(pairs.get(&(action.clone(), target)).into_iter().flatten().cloned());
            }
            let resources = resources.into_iter().filter(|resource| !resource.is_empty());
            let mut statement = Statement::allow(actions, resources);
            (statement.conditions, statement.not_resources) = (conditions, not);
            Explained { statement, states }
        })
        .collect();
    statements.sort_by(|a, b| a.statement.cmp(&b.statement));
    statements
}
