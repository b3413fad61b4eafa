//! Adoption: what exists in AWS, and nobody's, becomes an object's own.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What is done where there is nothing to adopt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum AdoptionPolicy {
    /// It is waited for; nothing is made.
    Adopt,
    /// It is made.
    AdoptOrCreate,
}

/// Takes a state machine that exists for its own, by its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct MachineAdoption {
    /// What is done where there is none.
    pub policy: AdoptionPolicy,
}

/// Takes an IAM role that exists for the managed execution role, in place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoleAdoption {
    /// What is done where there is none. AdoptOrCreate: the machine has the role that is made for it, under a name of stepgate's.
    pub policy: AdoptionPolicy,
    /// Its ARN, which it keeps; the built-ins `${AWS::AccountId}` and `${AWS::Partition}` may stand in it.
    #[schemars(length(max = 700))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):iam::([0-9]{12}|\$\{AWS::AccountId\}):role/([0-9A-Za-z_+=,.@/-]+/)?[0-9A-Za-z_+=,.@-]{1,64}$")"##).message("write the ARN of one role: arn:aws:iam::ACCOUNT:role/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"))]
    pub arn: String,
    /// What becomes of what the role has and no manifest asks for: inline policies, attached managed policies, and who else may assume it.
    #[serde(default)]
    pub unmanaged: Unmanaged,
}

/// Takes a REST API that exists for its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.restApiId) != has(self.name)").message("set exactly one of `restApiId` and `name`"),
    validation = Rule::new("self.policy != 'AdoptOrCreate' || has(self.name)").message("AWS chooses the ids of APIs: with `policy: AdoptOrCreate` say which one is meant by `name`")
)]
pub struct ApiAdoption {
    /// What is done where there is none.
    pub policy: AdoptionPolicy,
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32), regex(pattern = r"^[a-z0-9]+$"))]
    pub rest_api_id: Option<String>,
    /// Its name, which it keeps; no other API of the account and Region may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub name: Option<String>,
    /// What becomes of what the API has and no manifest asks for: methods, stages, authorizers, models, validators and gateway responses.
    #[serde(default)]
    pub unmanaged: Unmanaged,
}

/// What becomes of what an adopted object has and no manifest asks for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum Unmanaged {
    /// It stays as it is.
    #[default]
    Keep,
    /// It is deleted.
    Remove,
}
