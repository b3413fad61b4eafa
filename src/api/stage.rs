//! The stages of a RestAPI.

use std::collections::BTreeMap;

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A stage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    /// Letters, digits, `_` and `-`; the first segment of every URL.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[A-Za-z0-9_-]+$")"##).message("a stage's name holds letters, digits, `_` and `-`"))]
    pub name: String,
    /// Pins the stage to a revision (see `status.revisions`); absent: the newest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub revision: Option<i64>,
    /// Stage variables, for raw templates; the built-ins `${AWS::AccountId}`, `${AWS::Region}`, `${AWS::Partition}` may stand in the values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 100), extend("additionalProperties" = {"type": "string", "maxLength": 512}))]
    pub variables: BTreeMap<String, String>,
}
