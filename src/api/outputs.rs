//! Where pods can read what became of an object.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::LocalReference;

/// Where pods can read what became of an object in AWS (docs/outputs.md).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Outputs {
    /// A ConfigMap of this namespace, which is made, kept up to date, and deleted with the object. One that exists already and is
    /// not this object's is left alone.
    pub config_map_ref: LocalReference,
}
