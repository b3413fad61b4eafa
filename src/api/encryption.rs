//! `StateMachine.spec.encryption`.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The customer managed key that AWS encrypts a machine's definition and executions with.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Encryption {
    /// The ARN of a symmetric KMS key in the machine's Region; the tenant's `exposure.kmsKeyArns` must admit it. The built-ins
    /// `${AWS::AccountId}`, `${AWS::Region}`, `${AWS::Partition}` may stand in it.
    #[schemars(length(max = 256))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):kms:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):key/[A-Za-z0-9-]+$")"##).message("write the ARN of a key, not of an alias, because the role's policy can name only the key: arn:aws:kms:REGION:ACCOUNT:key/ID (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"))]
    pub kms_key_arn: String,
    /// For how many seconds AWS uses a data key again before it asks KMS for another.
    #[serde(default = "five_minutes")]
    #[schemars(range(min = 60, max = 900))]
    pub kms_data_key_reuse_period_seconds: i32,
}

/// AWS's default ("Data at rest encryption in Step Functions", developer guide).
fn five_minutes() -> i32 {
    300
}
