//! Patch operations. Which paths take which operation: API Gateway's reference, "Patch operations"; words as recorded.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::super::wire::Refusal;
use super::checks::{bad, not_found};

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Patch {
    #[serde(default)]
    pub op: String,
    #[serde(default)]
    pub path: String,
    pub value: Option<String>,
    pub from: Option<String>,
}

impl Patch {
    /// The path's segments: `~1` is a slash, `~0` a tilde.
    pub fn segments(&self) -> Vec<String> {
        self.path.split('/').skip(1).map(|part| part.replace("~1", "/").replace("~0", "~")).collect()
    }

    pub fn value(&self) -> String {
        self.value.clone().unwrap_or_default()
    }

    /// rec: anything but the word `true` is false.
    pub fn flag(&self) -> bool {
        self.value.as_deref() == Some("true")
    }

    pub fn invalid_path(&self) -> Refusal {
        bad(format!("Invalid patch path {}", self.path))
    }

    /// Only `replace` will do (rec).
    pub fn replaces(&self) -> Result<&Self, Refusal> {
        match self.op.as_str() {
            "replace" => Ok(self),
            _ => Err(bad("Invalid patch operation specified. Must be one of: [replace]")),
        }
    }

    /// Where only `replace` will do, and only of these paths (rec for resources, models and request validators).
    pub fn unsupported(&self, paths: &str) -> Refusal {
        let Self { op, path, .. } = self;
        let instead = match op.as_str() {
            "replace" => format!("Must be one of: [{paths}]"),
            _ => "Please choose supported operations".to_owned(),
        };
        bad(format!("Invalid patch path  '{path}' specified for op '{op}'. {instead}"))
    }

    /// Changes one entry of a map. What is replaced or removed must be there (rec for the responses of methods; [?]
    /// elsewhere). A map that gets empty is shown no more (rec).
    pub fn entry<T>(
        &self,
        map: &mut Option<BTreeMap<String, T>>,
        key: &str,
        value: T,
        absent: &str,
    ) -> Result<(), Refusal> {
        let there = map.as_ref().is_some_and(|map| map.contains_key(key));
        match self.op.as_str() {
            "add" => drop(map.get_or_insert_default().insert(key.to_owned(), value)),
            "replace" | "remove" if !there => return Err(not_found(absent)),
            "replace" => drop(map.get_or_insert_default().insert(key.to_owned(), value)),
            "remove" => {
                map.as_mut().and_then(|map| map.remove(key));
                if map.as_ref().is_some_and(BTreeMap::is_empty) {
                    *map = None;
                }
            }
            _ => return Err(bad("Invalid patch operation specified. Must be 'add'|'remove'|'replace'")),
        }
        Ok(())
    }
}

/// rec
pub(super) const NO_PARAMETER: &str = "Invalid parameter name specified";
/// rec
pub(super) const NO_CONTENT_TYPE: &str = "Content-Type specified was not found";
