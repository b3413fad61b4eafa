//! `StateMachine`: one Step Functions state machine.

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Binding, CommonStatus, ConfigMapKeyRef, DeletionPolicy, Drift, DriftPolicy, Encryption, LocalReference, Logging,
    MachineAdoption, Namespaces, Outputs, PolicyStatement, Reference, RoleAdoption,
};

/// One AWS Step Functions state machine and its execution role.
#[derive(CustomResource, Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[kube(
    group = "stepgate.dev",
    version = "v1alpha1",
    kind = "StateMachine",
    plural = "statemachines",
    shortname = "sm",
    status = "StateMachineStatus",
    namespaced,
    category = "stepgate",
    derive = "PartialEq",
    doc = "One AWS Step Functions state machine and its execution role.",
    selectable = ".spec.type",
    validation = Rule::new("!self.metadata.name.contains('.')").message("metadata.name of a StateMachine may not hold dots, because it becomes part of AWS names"),
    printcolumn(name = "Type", type_ = "string", json_path = ".spec.type"),
    printcolumn(name = "Ready", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].status"),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].reason"),
    printcolumn(name = "ARN", type_ = "string", json_path = ".status.stateMachineArn"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Message", type_ = "string", json_path = ".status.conditions[?(@.type=='Ready')].message", priority = 1)
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.definition) != has(self.definitionFrom)").message("set exactly one of `definition` and `definitionFrom`"),
    validation = Rule::new("has(self.name) == has(oldSelf.name) && (!has(self.name) || self.name == oldSelf.name)").message("name is immutable: AWS cannot rename a state machine; create another StateMachine"),
    validation = Rule::new("self.type == oldSelf.type").message("type is immutable: AWS cannot change the type of a state machine; create another StateMachine"),
    validation = Rule::new("(has(self.executionRole) ? self.executionRole.scope : 'Machine') == (has(oldSelf.executionRole) ? oldSelf.executionRole.scope : 'Machine')").message("executionRole.scope is immutable: create another StateMachine")
)]
pub struct StateMachineSpec {
    /// STANDARD or EXPRESS.
    #[serde(rename = "type")]
    pub type_: MachineType,
    /// The name in AWS; absent: `<namespace>_<name>`. The tenant's `namePatterns` must admit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 80))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^[0-9A-Za-z_-]+$")"##).message("an AWS name holds letters, digits, `_` and `-`"))]
    pub name: Option<String>,
    /// Takes the state machine of that name for its own, where it exists; the tenant's `adoptableArns` must admit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<MachineAdoption>,
    /// The AWSAccount; needed only where several admit this namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account_ref: Option<LocalReference>,
    /// The Region; absent: the AWSAccount's first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub region: Option<String>,
    /// The Amazon States Language text, JSON or YAML, as a block scalar (`definition: |`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 1048576))]
    pub definition: Option<String>,
    /// Takes the text from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub definition_from: Option<DefinitionFrom>,
    /// Values for `${Name}` inside the definition's strings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub substitutions: Vec<Substitution>,
    /// The role that executions run with; absent: one managed here, with the permissions that the definition needs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution_role: Option<ExecutionRole>,
    /// Who may target this machine; absent: its own namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allowed_callers: Option<AllowedCallers>,
    /// What of executions is written to CloudWatch Logs; absent: nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logging: Option<Logging>,
    /// X-Ray tracing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<Tracing>,
    /// A key of your own for its definition and executions; absent: a key of AWS's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encryption: Option<Encryption>,
    /// Where pods can read what became of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub outputs: Option<Outputs>,
    /// What is done about a change in AWS that no manifest asked for.
    #[serde(default)]
    pub drift_policy: DriftPolicy,
    /// What becomes of the state machine and its role in AWS when this object is deleted; absent: Delete, or Retain where the
    /// machine was adopted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,
    /// How long a deletion waits for running executions of a STANDARD machine, such as `90s`, `30m` or `1h30m`; then AWS
    /// ends them. `0s`: not at all.
    #[serde(default = "one_hour")]
    #[schemars(length(min = 2, max = 24))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^([0-9]{1,5}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?$")"##).message("write a length of time, such as 90s, 30m or 1h30m"))]
    pub deletion_grace_period: String,
    /// Refuses `kubectl delete` (by the chart's ValidatingAdmissionPolicy).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub deletion_protection: bool,
}

fn one_hour() -> String {
    "1h".to_owned()
}

/// The type of a state machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum MachineType {
    /// Durable, up to a year, exactly once.
    Standard,
    /// Up to five minutes, can answer synchronously.
    Express,
}

/// Where the definition's text is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionFrom {
    /// A key of a ConfigMap of this namespace.
    pub config_map_key_ref: ConfigMapKeyRef,
}

/// The value of one `${Name}`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("(has(self.value) ? 1 : 0) + (has(self.json) ? 1 : 0) + (has(self.stateMachineRef) ? 1 : 0) + (has(self.configMapKeyRef) ? 1 : 0) == 1").message("set exactly one of `value`, `json`, `stateMachineRef`, `configMapKeyRef`"))]
pub struct Substitution {
    /// The Name in `${Name}`.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[A-Za-z][A-Za-z0-9_]*$"))]
    pub name: String,
    /// A text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096))]
    pub value: Option<String>,
    /// A JSON document: `"2"`, `'["a"]'`. A string that is just `"${Name}"` becomes this value itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4096))]
    pub json: Option<String>,
    /// The ARN of another StateMachine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_machine_ref: Option<Reference>,
    /// The text under a ConfigMap's key.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyRef>,
}

/// The role that executions run with.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!has(self.arn) || (!has(self.inferred) && !has(self.statements) && !has(self.managedPolicyArns))").message("`arn` names an existing role: `inferred`, `statements` and `managedPolicyArns` belong to a managed one, so leave one or the other out"))]
#[x_kube(validation = Rule::new("self.scope == 'Machine' || (!has(self.arn) && !has(self.managedPolicyArns))").message("with `scope: Namespace` the role is shared and managed: leave out `arn` and `managedPolicyArns`, or the scope"))]
#[x_kube(validation = Rule::new("!has(self.adoption) || !has(self.arn)").message("`arn` names a role that stays as it is, `adoption` one that becomes managed: leave one of them out"))]
#[x_kube(validation = Rule::new("!has(self.adoption) || self.scope == 'Machine'").message("an adopted role is one machine's: leave out `adoption`, or `scope: Namespace`"))]
pub struct ExecutionRole {
    /// An existing role that the tenant's `executionRoleArns` admit; the built-ins `${AWS::AccountId}`, `${AWS::Region}`, `${AWS::Partition}` may stand in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    #[x_kube(validation = Rule::new(r##"self.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):iam::([0-9]{12}|\$\{AWS::AccountId\}):role/.+$")"##).message("write the ARN of a role: arn:aws:iam::ACCOUNT:role/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"))]
    pub arn: Option<String>,
    /// Takes a role that exists for the managed one; the tenant's `adoptableArns` must admit it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub adoption: Option<RoleAdoption>,
    /// Whom the managed role serves. It can't be changed.
    #[serde(default)]
    pub scope: RoleScope,
    /// Whether the managed role gets the permissions that the definition is seen to need; absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inferred: Option<bool>,
    /// Managed policies for the managed role; the tenant's `managedPolicyArns` must admit each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 10), inner(length(max = 2048)), extend("x-kubernetes-list-type" = "set"))]
    #[x_kube(validation = Rule::new(r##"self.all(x, x.matches(r"^arn:(aws[a-z-]*|\$\{AWS::Partition\}):iam::(aws|[0-9]{12}|\$\{AWS::AccountId\}):policy/.+$"))"##).message("write the ARNs of managed policies: arn:aws:iam::aws:policy/NAME or arn:aws:iam::ACCOUNT:policy/NAME (the built-ins ${AWS::Partition} and ${AWS::AccountId} may stand in it)"))]
    pub managed_policy_arns: Option<Vec<String>>,
    /// Permissions of the managed role beside the inferred ones; each must be contained in the tenant's ceiling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), extend("x-kubernetes-list-type" = "atomic"))]
    pub statements: Option<Vec<PolicyStatement>>,
}

/// Whom a managed execution role serves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum RoleScope {
    /// This machine alone.
    #[default]
    Machine,
    /// All machines of the namespace that ask for it: each may do what any of them may. It spares roles, of which an account has 1,000.
    Namespace,
}

/// Who may target a machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AllowedCallers {
    /// The namespaces of routes and machines that may.
    pub namespaces: Namespaces,
}

/// X-Ray tracing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tracing {
    /// Whether executions are traced.
    pub enabled: bool,
}

/// What is known of the machine in AWS.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct StateMachineStatus {
    /// Generation and conditions.
    #[serde(flatten)]
    pub common: CommonStatus,
    /// The machine's ARN, once it exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state_machine_arn: Option<String>,
    /// The revision that AWS describes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revision_id: Option<String>,
    /// The role that executions run with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role_arn: Option<String>,
    /// The roles that it adopted: that of now, and former ones, which are let go when no execution has them any more.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8), inner(length(max = 700)))]
    pub adopted_roles: Vec<String>,
    /// Whether a role was made for it that may be in AWS still: it is removed when it is no longer wanted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub managed_role: bool,
    /// The customer managed key that it is encrypted with, if any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kms_key_arn: Option<String>,
    /// The managed role's permissions in a few words: `5 statements, 2 services; 1 unknown`. `stepgate policy` shows them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub policy_summary: Option<String>,
    /// Where it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binding: Option<Binding>,
    /// What was found in the definition, the worst first; `stepgate lint` shows all of it. docs/lint.md has the codes.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16), extend("x-kubernetes-list-type" = "atomic"))]
    pub findings: Vec<DefinitionFinding>,
    /// Hash of what was last carried out in full.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_hash: Option<String>,
    /// The last change in AWS that no manifest asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_drift: Option<Drift>,
}

/// Something that was found in a definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DefinitionFinding {
    /// error, warning or advice. Only errors keep a definition from AWS.
    #[schemars(length(max = 16))]
    pub severity: String,
    /// The rule's name.
    #[schemars(length(max = 64))]
    pub code: String,
    /// JSON pointer into the definition.
    #[schemars(length(max = 512))]
    pub path: String,
    /// The line of the definition's text, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub line: Option<i32>,
    /// The column in characters, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub column: Option<i32>,
    /// What is wrong.
    #[schemars(length(max = 512))]
    pub message: String,
    /// How to mend it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub help: Option<String>,
}

impl DefinitionFinding {
    /// How many a status holds.
    pub const MOST: usize = 16;
    /// How many characters a text of one holds.
    pub const LONGEST: usize = 512;
}
