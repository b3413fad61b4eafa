//! Models of a RestAPI: JSON schemas that routes share.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// A JSON schema with a name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Model {
    /// Its name, in AWS too: letters and digits.
    #[schemars(length(min = 1, max = 128))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[A-Za-z0-9]+$") && !(self in ['Empty', 'Error']) && !self.matches(r"^Schema[0-9a-f]{16}$")"##).message("a model's name holds letters and digits; Empty, Error and Schema with a hash are taken"))]
    pub name: String,
    /// JSON Schema draft 4, as JSON or YAML text; `$ref: '#/models/NAME'` is another model. AWS's limit is 400 KB.
    #[schemars(length(min = 1, max = 262144))]
    pub schema: String,
}
