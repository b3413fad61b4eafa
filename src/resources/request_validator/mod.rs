//! Request validators: whether API Gateway checks the body, the required parameters, or both, before it calls anything.
//!
//! An API has at most three, named after what they check; methods refer to them by those names here, and by AWS's ids there.
//!
//! | property | create | update | read-back |
//! |---|---|---|---|
//! | name | CreateRequestValidator `name` | never: another validator | GetRequestValidators `name` |
//! | body | CreateRequestValidator `validateRequestBody` | UpdateRequestValidator `replace /validateRequestBody` | `validateRequestBody` |
//! | parameters | CreateRequestValidator `validateRequestParameters` | UpdateRequestValidator `replace /validateRequestParameters` | `validateRequestParameters` |

pub mod remote;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::Patch;

const BODY: &str = "stepgate-body";
const PARAMETERS: &str = "stepgate-parameters";
const BOTH: &str = "stepgate-body-and-parameters";

/// The name of the validator that checks this; none where nothing is to be checked.
pub fn name(body: bool, parameters: bool) -> Option<&'static str> {
    match (body, parameters) {
        (true, false) => Some(BODY),
        (false, true) => Some(PARAMETERS),
        (true, true) => Some(BOTH),
        (false, false) => None,
    }
}

/// What the validator of this name checks: the body, and the parameters.
fn checks(name: &str) -> (bool, bool) {
    (name != PARAMETERS, name != BODY)
}

/// A validator as AWS has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Its name; AWS lets several validators have one name.
    pub name: String,
    /// Whether it checks the body.
    pub body: bool,
    /// Whether it checks the parameters.
    pub parameters: bool,
}

/// Validators by id.
pub type Observed = BTreeMap<String, Found>;

/// The id of each name: of several the first.
pub fn ids(observed: &Observed) -> BTreeMap<String, String> {
    observed.iter().rev().map(|(id, found)| (found.name.clone(), id.clone())).collect()
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, body: bool, parameters: bool },
    Update { id: String, name: String, patches: Vec<Patch> },
    Delete { id: String, name: String },
}

impl Step {
    /// Whether it is about a validator of ours, by its name.
    pub fn is_of_ours(&self) -> bool {
        [BODY, PARAMETERS, BOTH].contains(&self.name())
    }

    /// The validator's name.
    pub fn name(&self) -> &str {
        match self {
            Self::Create { name, .. } | Self::Update { name, .. } | Self::Delete { name, .. } => name,
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create request validator {name}"),
            Self::Update { name, patches, .. } => {
                write!(f, "update {} of request validator {name}", super::paths(patches))
            }
            Self::Delete { name, .. } => write!(f, "delete request validator {name}"),
        }
    }
}

/// What must be there before the methods change, and what goes after they have. `used` are the names, or else the ids, that
/// methods refer to.
pub fn diff(used: &BTreeSet<String>, observed: &Observed) -> (Vec<Step>, Vec<Step>) {
    let ids = ids(observed);
    let mut first = Vec::new();
    for wanted in used.iter().filter(|name| [BODY, PARAMETERS, BOTH].contains(&name.as_str())) {
        let (body, parameters) = checks(wanted);
        let Some((id, found)) = ids.get(wanted).and_then(|id| Some((id, observed.get(id)?))) else {
            first.push(Step::Create { name: wanted.clone(), body, parameters });
            continue;
        };
        let mut patches = Vec::new();
        if found.body != body {
            patches.push(Patch::replace("/validateRequestBody", body.to_string()));
        }
        if found.parameters != parameters {
            patches.push(Patch::replace("/validateRequestParameters", parameters.to_string()));
        }
        if !patches.is_empty() {
            first.push(Step::Update { id: id.clone(), name: wanted.clone(), patches });
        }
    }
    let is_used =
        |id: &String, found: &Found| used.contains(id) || (used.contains(&found.name) && ids[&found.name] == *id);
    let going = observed.iter().filter(|(id, found)| !is_used(id, found));
    let last = going.map(|(id, found)| Step::Delete { id: id.clone(), name: found.name.clone() }).collect();
    (first, last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(name: &str) -> Found {
        let (body, parameters) = checks(name);
        Found { name: name.to_owned(), body, parameters }
    }

    fn used(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn there_is_one_for_each_thing_that_is_checked() {
        let (first, last) = diff(&used(&[BODY, PARAMETERS, BOTH]), &Observed::new());
        let create = |name: &str, body, parameters| Step::Create { name: name.into(), body, parameters };
        assert_eq!(first, [create(BODY, true, false), create(BOTH, true, true), create(PARAMETERS, false, true)]);
        assert_eq!(last, []);
        let all: Observed = [("a", BODY), ("b", PARAMETERS)].map(|(id, name)| (id.to_owned(), found(name))).into();
        assert_eq!(diff(&used(&[BODY, PARAMETERS]), &all), (vec![], vec![]));
    }

    #[test]
    fn what_no_method_uses_goes_and_what_was_changed_is_put_right() {
        let mut observed: Observed = [("a", BODY), ("b", BODY), ("c", "by-hand"), ("d", "kept")]
            .map(|(id, name)| (id.to_owned(), found(name)))
            .into();
        observed.get_mut("a").unwrap().body = false;
        let (first, last) = diff(&used(&[BODY, "d"]), &observed);
        let patches = vec![Patch::replace("/validateRequestBody", "true")];
        assert_eq!(first, [Step::Update { id: "a".into(), name: BODY.into(), patches }]);
        let delete = |id: &str, name: &str| Step::Delete { id: id.into(), name: name.into() };
        assert_eq!(last, [delete("b", BODY), delete("c", "by-hand")]);
    }
}
