//! `StateMachine.spec.logging`.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What of its executions a machine writes to CloudWatch Logs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(self.level == 'OFF') != has(self.logGroupArn)").message("`logGroupArn` says where the log goes: set it unless `level` is OFF, and leave it out where it is"))]
#[x_kube(validation = Rule::new("self.level != 'OFF' || !has(self.includeExecutionData) || !self.includeExecutionData").message("with `level: OFF` nothing is logged, so leave `includeExecutionData` out"))]
pub struct Logging {
    /// Which events: ALL, ERROR, FATAL or OFF.
    pub level: LogLevel,
    /// Whether input, output and error texts of states are logged too: who may read the log group then reads what executions know.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub include_execution_data: bool,
    /// The log group, in the machine's account and Region; it exists, and the tenant's `exposure.logGroupArns` must admit it. The built-ins
    /// `${AWS::AccountId}`, `${AWS::Region}`, `${AWS::Partition}` may stand in it. Under `/aws/vendedlogs/states/` it takes no room in the
    /// account's resource policies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):logs:([a-z0-9-]+|\$\{AWS::Region\}):([0-9]{12}|\$\{AWS::AccountId\}):log-group:[A-Za-z0-9_/.#-]+(:\*)?$")"##).message("write the ARN of a log group: arn:aws:logs:REGION:ACCOUNT:log-group:NAME (the built-ins ${AWS::Partition}, ${AWS::Region} and ${AWS::AccountId} may stand in it)"))]
    pub log_group_arn: Option<String>,
}

/// Which events of executions are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum LogLevel {
    /// Every event.
    All,
    /// Events of errors.
    Error,
    /// Events that end an execution with an error.
    Fatal,
    /// None.
    Off,
}

impl LogLevel {
    /// AWS's word.
    pub fn name(self) -> &'static str {
        match self {
            Self::All => "ALL",
            Self::Error => "ERROR",
            Self::Fatal => "FATAL",
            Self::Off => "OFF",
        }
    }
}
