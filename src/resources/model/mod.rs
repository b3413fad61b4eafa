//! Models of a REST API: JSON schemas (draft 4) that requests are checked against and that describe responses.
//!
//! | property | create | update | read-back |
//! |---|---|---|---|
//! | name | CreateModel `name` | never: another model | GetModels `name` |
//! | schema | CreateModel `schema` | UpdateModel `replace /schema` | GetModels `schema` |

pub mod remote;

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::identity::content_hash;

/// Schemas by the model's name. A `$ref` to another model is `#/models/<name>` here; in AWS it is a URL with the API's id.
pub type Models = BTreeMap<String, Value>;

/// How a `$ref` to another model begins.
pub const REFERENCE: &str = "#/models/";

/// The models that every API has from the beginning.
pub const BUILT_IN: [&str; 2] = ["Empty", "Error"];

/// The beginning of the names of models that are not given one; a name in a manifest can't have this form.
const UNNAMED: &str = "Schema";

/// The name of a model that belongs to one schema: another schema is another model, so what serves keeps its own.
pub fn unnamed(schema: &Value) -> String {
    format!("{UNNAMED}{}", content_hash(schema))
}

/// Whether a name is of that form.
pub fn is_unnamed(name: &str) -> bool {
    let hash = name.strip_prefix(UNNAMED).unwrap_or_default();
    hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// The models that a schema refers to.
pub fn references(schema: &Value) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    each_reference(schema, &mut |text| found.extend(text.strip_prefix(REFERENCE).map(str::to_owned)));
    found
}

/// Every `$ref` of a schema.
pub fn each_reference(schema: &Value, look: &mut impl FnMut(&str)) {
    match schema {
        Value::Object(members) => {
            for (key, value) in members {
                match value {
                    Value::String(text) if key == "$ref" => look(text),
                    other => each_reference(other, look),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| each_reference(item, look)),
        _ => {}
    }
}

/// One change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
#[allow(missing_docs)]
pub enum Step {
    Create { name: String, schema: Value },
    Update { name: String, schema: Value },
    Delete { name: String },
}

impl Step {
    /// The model's name, and the models that must be there before.
    pub fn name_and_needs(&self) -> (&str, BTreeSet<String>) {
        match self {
            Self::Create { name, schema } | Self::Update { name, schema } => (name, references(schema)),
            Self::Delete { name } => (name, BTreeSet::new()),
        }
    }
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Create { name, .. } => write!(f, "create model {name}"),
            Self::Update { name, .. } => write!(f, "update the schema of model {name}"),
            Self::Delete { name } => write!(f, "delete model {name}"),
        }
    }
}

/// What makes the observed models the desired ones before the methods change, and what goes after they have: AWS keeps a
/// model that is referred to, and refuses a reference to one that is not there. `used` are those that methods refer to.
pub fn diff(desired: &Models, observed: &Models, used: &BTreeSet<String>) -> (Vec<Step>, Vec<Step>) {
    let mut there: BTreeSet<&str> = observed.keys().map(String::as_str).chain(BUILT_IN).collect();
    let mut first = Vec::new();
    let mut missing: Vec<_> = desired.iter().filter(|(name, _)| !observed.contains_key(*name)).collect();
    while !missing.is_empty() {
        let (ready, later): (Vec<_>, Vec<_>) = missing
            .iter()
            .copied()
            .partition(|(_, schema)| references(schema).iter().all(|name| there.contains(name.as_str())));
        // Validation has refused circles; of what is one all the same, AWS says what it thinks.
        let ready = if ready.is_empty() { later.clone() } else { ready };
        for (name, schema) in &ready {
            there.insert(name);
            first.push(Step::Create { name: (*name).clone(), schema: (*schema).clone() });
        }
        missing.retain(|(name, _)| !there.contains(name.as_str()));
    }
    for (name, schema) in desired {
        if observed.get(name).is_some_and(|found| found != schema) {
            first.push(Step::Update { name: name.clone(), schema: schema.clone() });
        }
    }
    // What is kept is kept with all that it refers to.
    let mut kept: BTreeSet<String> = used.iter().chain(desired.keys()).cloned().collect();
    loop {
        let schemas = kept.iter().filter_map(|name| desired.get(name).or_else(|| observed.get(name)));
        let more: BTreeSet<String> = schemas.flat_map(references).filter(|name| !kept.contains(name)).collect();
        if more.is_empty() {
            break;
        }
        kept.extend(more);
    }
    let mut going: Vec<_> = observed.iter().filter(|(name, _)| !kept.contains(*name)).collect();
    let mut last = Vec::new();
    while !going.is_empty() {
        let needed: BTreeSet<String> = going.iter().flat_map(|(_, schema)| references(schema)).collect();
        let (held, free): (Vec<_>, Vec<_>) = going.iter().copied().partition(|(name, _)| needed.contains(*name));
        let (free, held) = if free.is_empty() { (held, Vec::new()) } else { (free, held) };
        last.extend(free.iter().map(|(name, _)| Step::Delete { name: (*name).clone() }));
        going = held;
    }
    (first, last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn models(list: &[(&str, &[&str])]) -> Models {
        let schema = |refs: &[&str]| {
            let refs: Vec<_> = refs.iter().map(|name| json!({"$ref": format!("{REFERENCE}{name}")})).collect();
            json!({"type": "object", "allOf": refs})
        };
        list.iter().map(|(name, refs)| ((*name).to_owned(), schema(refs))).collect()
    }

    fn text(steps: &[Step]) -> Vec<String> {
        steps.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_is_referred_to_comes_first_and_goes_last() {
        let all = models(&[("A", &["B", "C"]), ("B", &["C"]), ("C", &[])]);
        let (first, last) = diff(&all, &Models::new(), &BTreeSet::new());
        assert_eq!(text(&first), ["create model C", "create model B", "create model A"]);
        assert_eq!(last, []);
        let (first, last) = diff(&Models::new(), &all, &BTreeSet::new());
        assert_eq!(first, []);
        assert_eq!(text(&last), ["delete model A", "delete model B", "delete model C"]);
        assert_eq!(diff(&all, &all, &BTreeSet::new()), (vec![], vec![]));
    }

    #[test]
    fn what_a_kept_method_uses_is_kept_with_all_that_it_refers_to() {
        let all = models(&[("A", &["B"]), ("B", &[]), ("C", &[])]);
        let (_, last) = diff(&Models::new(), &all, &BTreeSet::from(["A".to_owned()]));
        assert_eq!(text(&last), ["delete model C"]);
    }

    #[test]
    fn a_changed_schema_is_put_right() {
        let desired = models(&[("A", &[])]);
        let observed = Models::from([("A".to_owned(), json!({"type": "string"}))]);
        assert_eq!(text(&diff(&desired, &observed, &BTreeSet::new()).0), ["update the schema of model A"]);
    }

    #[test]
    fn a_schema_without_a_name_has_one_of_its_own() {
        let (one, other) = (unnamed(&json!({"a": 1, "b": 2})), unnamed(&json!({"b": 2, "a": 2})));
        assert_eq!(one, unnamed(&json!({"b": 2, "a": 1})));
        assert_ne!(one, other);
        assert!(is_unnamed(&one) && one.chars().all(|c| c.is_ascii_alphanumeric()), "{one}");
        assert!(!is_unnamed("SchemaOfOrders") && !is_unnamed("Order"));
    }
}
