//! Statements that do not come from the user's words: what an invoke role may do with machines, and the plumbing of execution roles.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::glob;
use super::statement::{Conditions, Document, Effect, Statement};

/// What a route may do with a machine or with its executions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum InvokeAction {
    /// Starts an execution.
    StartExecution,
    /// Starts an execution and waits for its end; EXPRESS only (AWS.md §3).
    StartSyncExecution,
    /// Lists a machine's executions; STANDARD only.
    ListExecutions,
    /// Describes an execution; STANDARD only (AWS.md §3).
    DescribeExecution,
    /// Stops an execution; STANDARD only (AWS.md §3).
    StopExecution,
    /// Reads an execution's events; STANDARD only.
    GetExecutionHistory,
    /// Runs a failed execution again; STANDARD only.
    RedriveExecution,
    /// Ends a task that waits for its token.
    SendTaskSuccess,
    /// Fails a task that waits for its token.
    SendTaskFailure,
    /// Keeps a task that waits for its token alive.
    SendTaskHeartbeat,
}

impl InvokeAction {
    /// Every action.
    pub const ALL: [InvokeAction; 10] = [
        InvokeAction::StartExecution,
        InvokeAction::StartSyncExecution,
        InvokeAction::ListExecutions,
        InvokeAction::DescribeExecution,
        InvokeAction::StopExecution,
        InvokeAction::GetExecutionHistory,
        InvokeAction::RedriveExecution,
        InvokeAction::SendTaskSuccess,
        InvokeAction::SendTaskFailure,
        InvokeAction::SendTaskHeartbeat,
    ];

    /// Its name in the API of Step Functions; in IAM, `states:` stands before it.
    pub fn name(self) -> &'static str {
        match self {
            InvokeAction::StartExecution => "StartExecution",
            InvokeAction::StartSyncExecution => "StartSyncExecution",
            InvokeAction::ListExecutions => "ListExecutions",
            InvokeAction::DescribeExecution => "DescribeExecution",
            InvokeAction::StopExecution => "StopExecution",
            InvokeAction::GetExecutionHistory => "GetExecutionHistory",
            InvokeAction::RedriveExecution => "RedriveExecution",
            InvokeAction::SendTaskSuccess => "SendTaskSuccess",
            InvokeAction::SendTaskFailure => "SendTaskFailure",
            InvokeAction::SendTaskHeartbeat => "SendTaskHeartbeat",
        }
    }

    fn is_on_executions(self) -> bool {
        matches!(
            self,
            InvokeAction::DescribeExecution
                | InvokeAction::StopExecution
                | InvokeAction::GetExecutionHistory
                | InvokeAction::RedriveExecution
        )
    }

    /// Whether a task's token says which task is meant. AWS's service authorization reference knows no resource for these
    /// actions: a role may answer whichever task's token its caller holds.
    pub fn is_on_tasks(self) -> bool {
        matches!(self, InvokeAction::SendTaskSuccess | InvokeAction::SendTaskFailure | InvokeAction::SendTaskHeartbeat)
    }
}

impl fmt::Display for InvokeAction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "states:{}", self.name())
    }
}

/// A text that names no [`InvokeAction`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not an action on a state machine or its executions")]
pub struct InvokeActionError(String);

/// Reads the name with or without `states:`.
impl FromStr for InvokeAction {
    type Err = InvokeActionError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let name = text.strip_prefix("states:").unwrap_or(text);
        InvokeAction::ALL.into_iter().find(|a| a.name() == name).ok_or_else(|| InvokeActionError(text.to_owned()))
    }
}

/// The ARN of one state machine, or of a version or alias of it: never a glob, so that an invoke role's policy is an exact list.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MachineArn(String);

impl TryFrom<String> for MachineArn {
    type Error = MachineArnError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        MachineArn::parse(&text)
    }
}

impl From<MachineArn> for String {
    fn from(arn: MachineArn) -> Self {
        arn.0
    }
}

/// A text that is not a [`MachineArn`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{0}` is not the ARN of a state machine; write it as `arn:partition:states:region:account:stateMachine:name`, without wildcards"
)]
pub struct MachineArnError(String);

impl MachineArn {
    /// Reads an ARN.
    ///
    /// # Errors
    /// Whatever is not `arn:P:states:R:A:stateMachine:NAME`, perhaps with `:VERSION` or `:ALIAS`, and any wildcard or `${…}`.
    pub fn parse(text: &str) -> Result<Self, MachineArnError> {
        let segments: Vec<&str> = text.split(':').collect();
        let is_arn = matches!(
            segments.as_slice(),
            ["arn", _, "states", _, _, "stateMachine", _] | ["arn", _, "states", _, _, "stateMachine", _, _]
        );
        // Step Functions takes none of these in a name (AWS.md §1), and each means something in a policy or an ARN.
        let is_plain = !glob::has_wildcard(text) && !text.contains(['$', '{', '}', '/']);
        if is_arn && is_plain && segments.iter().all(|s| !s.is_empty()) {
            Ok(MachineArn(text.to_owned()))
        } else {
            Err(MachineArnError(text.to_owned()))
        }
    }

    /// The ARN.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// `arn:P:states:R:A:execution:NAME:*`: all executions of the machine, whichever version or alias started them.
    pub fn executions(&self) -> String {
        let mut segments: Vec<&str> = self.0.split(':').take(7).collect();
        segments[5] = "execution";
        segments.push("*");
        segments.join(":")
    }
}

/// One thing that one route does.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Use {
    /// What is done.
    pub action: InvokeAction,
    /// To what.
    #[serde(flatten)]
    pub on: On,
}

/// What an action is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum On {
    /// A machine, or its executions.
    Machine(MachineArn),
    /// Any waiting task of the account in this Region, by its token.
    TasksIn(String),
}

/// The condition key by which a statement without a resource is held to a Region.
const REQUESTED_REGION: &str = "aws:RequestedRegion";

/// The statements of an invoke role for these uses and nothing else: Start and List on the machine, the others on its executions. Resources with the
/// same actions share a statement; the result does not depend on the order of the uses. No uses, no statements.
pub fn invoke_statements<'a>(uses: impl IntoIterator<Item = &'a Use>) -> Vec<Statement> {
    let mut actions_by_resource: BTreeMap<String, BTreeSet<InvokeAction>> = BTreeMap::new();
    let mut actions_by_region: BTreeMap<&str, BTreeSet<InvokeAction>> = BTreeMap::new();
    for Use { action, on } in uses {
        match on {
            On::Machine(machine) => {
                let resource =
                    if action.is_on_executions() { machine.executions() } else { machine.as_str().to_owned() };
                actions_by_resource.entry(resource).or_default().insert(*action);
            }
            On::TasksIn(region) => {
                actions_by_region.entry(region).or_default().insert(*action);
            }
        }
    }
    let on_tasks = actions_by_region.into_iter().map(|(region, actions)| {
        let here = BTreeMap::from([(REQUESTED_REGION.to_owned(), vec![region.to_owned()])]);
        Statement {
            conditions: Conditions::from([("StringEquals".to_owned(), here)]),
            ..Statement::allow(actions.iter().map(ToString::to_string), ["*"])
        }
    });
    let mut resources_by_actions: BTreeMap<BTreeSet<InvokeAction>, BTreeSet<String>> = BTreeMap::new();
    for (resource, actions) in actions_by_resource {
        resources_by_actions.entry(actions).or_default().insert(resource);
    }
    resources_by_actions
        .into_iter()
        .map(|(actions, resources)| Statement::allow(actions.iter().map(ToString::to_string), resources))
        .chain(on_tasks)
        .collect()
}

/// The uses that a policy of [`invoke_statements`] allows; what else it allows is left out.
pub fn uses(policy: &Document) -> BTreeSet<Use> {
    let allowing = policy.statements().iter().filter(|statement| statement.effect == Effect::Allow);
    let pairs = allowing.flat_map(|statement| {
        let region = statement.conditions.get("StringEquals").and_then(|keys| keys.get(REQUESTED_REGION)?.first());
        let on = move |action| statement.resources.iter().map(move |resource| (action, resource, region));
        statement.actions.iter().flat_map(on)
    });
    let read = |(action, resource, region): (&String, &String, Option<&String>)| {
        let action: InvokeAction = action.parse().ok()?;
        if action.is_on_tasks() {
            return Some(Use { action, on: On::TasksIn(region?.clone()) });
        }
        let machine = resource
            .strip_suffix(":*")
            .map_or_else(|| resource.clone(), |arn| arn.replacen(":execution:", ":stateMachine:", 1));
        Some(Use { action, on: On::Machine(MachineArn::parse(&machine).ok()?) })
    };
    pairs.filter_map(read).collect()
}

/// What lets API Gateway call Lambda authorizers: exactly these functions. None, no statement.
pub fn authorizer_statement(functions: &BTreeSet<String>) -> Option<Statement> {
    (!functions.is_empty()).then(|| Statement::allow(["lambda:InvokeFunction"], functions.iter().cloned()))
}

/// The functions that a policy with an [`authorizer_statement`] allows.
pub fn functions(policy: &Document) -> BTreeSet<String> {
    let calls = |statement: &&Statement| {
        statement.effect == Effect::Allow && statement.actions.iter().any(|action| action == "lambda:InvokeFunction")
    };
    policy.statements().iter().filter(calls).flat_map(|statement| statement.resources.iter().cloned()).collect()
}

/// What an execution role needs where `logging` is on. The actions have no resources of their own (AWS.md §3).
pub fn plumbing_logging() -> Statement {
    Statement::allow(
        [
            "logs:CreateLogDelivery",
            "logs:DeleteLogDelivery",
            "logs:DescribeLogGroups",
            "logs:DescribeResourcePolicies",
            "logs:GetLogDelivery",
            "logs:ListLogDeliveries",
            "logs:PutResourcePolicy",
            "logs:UpdateLogDelivery",
        ],
        ["*"],
    )
}

/// What an execution role needs where `tracing` is on. The actions have no resources of their own (AWS.md §3).
pub fn plumbing_tracing() -> Statement {
    Statement::allow(
        ["xray:GetSamplingRules", "xray:GetSamplingTargets", "xray:PutTelemetryRecords", "xray:PutTraceSegments"],
        ["*"],
    )
}

/// Whether it changes the rules by which Step Functions hears of the jobs of `.sync` tasks, or may (AWS.md §5).
pub fn writes_managed_rules(statement: &Statement) -> bool {
    const MANAGED: &str = "arn:*:events:*:*:rule/StepFunctionsGetEvent*";
    let Statement { actions, resources, .. } = statement;
    actions.iter().any(|action| ["events:PutRule", "events:PutTargets"].contains(&action.as_str()))
        && resources.iter().any(|resource| glob::intersects(MANAGED, resource))
}

/// Whether it changes what is one for all of an account, and some execution roles may change: log deliveries and resource policies of logs,
/// the managed rules.
pub fn changes_the_account_s(statement: &Statement) -> bool {
    let plumbing = plumbing_logging().actions;
    let reads =
        |action: &str| ["Describe", "Get", "List"].iter().any(|verb| action.starts_with(&format!("logs:{verb}")));
    statement.actions.iter().any(|action| plumbing.contains(action) && !reads(action))
        || writes_managed_rules(statement)
}

/// Whether it is something of what execution roles are given for logs, traces, the rules of `.sync` tasks and the connections of HTTP tasks.
pub fn may_be_plumbing(statement: &Statement) -> bool {
    const SECRETS: &str = "arn:*:secretsmanager:*:*:secret:events!connection/*";
    let Statement { actions, resources, .. } = statement;
    let is_any = |known: &[String]| actions.iter().any(|action| known.contains(action));
    let of_connections = ["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"].map(str::to_owned);
    is_any(&plumbing_logging().actions)
        || is_any(&plumbing_tracing().actions)
        || writes_managed_rules(statement)
        || (is_any(&of_connections) && resources.iter().any(|resource| glob::intersects(SECRETS, resource)))
}

/// Whether it is plumbing of an execution role, or starts a named state machine or follows its executions: the ceiling does not bound
/// such (DESIGN §1).
pub fn is_bounded_elsewhere(statement: &Statement) -> bool {
    let Statement { actions, resources, .. } = statement;
    let only = |known: &[&str]| actions.iter().all(|action| known.contains(&action.as_str()));
    let on = |part: &str| !resources.is_empty() && resources.iter().all(|resource| resource.contains(part));
    let part_of = |plumbing: Statement| {
        actions.iter().all(|action| plumbing.actions.contains(action)) && *resources == plumbing.resources
    };
    let executions = [
        "states:StartExecution",
        "states:StartSyncExecution",
        "states:DescribeExecution",
        "states:StopExecution",
        "states:RedriveExecution",
    ];
    part_of(plumbing_logging())
        || part_of(plumbing_tracing())
        || (only(&["events:PutTargets", "events:PutRule", "events:DescribeRule"]) && on(":rule/StepFunctionsGetEvent"))
        || (only(&["secretsmanager:GetSecretValue", "secretsmanager:DescribeSecret"])
            && on(":secret:events!connection/"))
        || (only(&executions) && on(":states:"))
}

/// Denies setting and removing tags whose key begins with `prefix` (such as `stepgate.dev/`): a managed role can't forge ownership
/// (DESIGN §3).
pub fn deny_owner_tags(prefix: &str) -> Statement {
    let keys = BTreeMap::from([("aws:TagKeys".to_owned(), vec![format!("{prefix}*")])]);
    Statement {
        effect: Effect::Deny,
        conditions: Conditions::from([("ForAnyValue:StringLike".to_owned(), keys)]),
        ..Statement::allow(["*"], ["*"])
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const A: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:a";
    const B: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:b";
    const A_EXECUTIONS: &str = "arn:aws:states:eu-central-1:111122223333:execution:a:*";

    fn uses(list: &[(&str, &str)]) -> Vec<Use> {
        list.iter()
            .map(|(action, machine)| Use {
                action: action.parse().unwrap(),
                on: On::Machine(MachineArn::parse(machine).unwrap()),
            })
            .collect()
    }

    #[rstest]
    #[case::nothing(&[], vec![])]
    #[case::one(&[("StartExecution", A)], vec![Statement::allow(["states:StartExecution"], [A])])]
    #[case::repeated_in_any_order(
        &[("StartExecution", B), ("states:StartExecution", A), ("StartExecution", B)],
        vec![Statement::allow(["states:StartExecution"], [A, B])]
    )]
    #[case::starting_and_following(
        &[("StopExecution", A), ("DescribeExecution", A), ("StartExecution", A), ("GetExecutionHistory", A)],
        vec![
            Statement::allow(["states:StartExecution"], [A]),
            Statement::allow(["states:DescribeExecution", "states:StopExecution", "states:GetExecutionHistory"], [A_EXECUTIONS]),
        ]
    )]
    #[case::lists_on_the_machine(&[("ListExecutions", A)], vec![Statement::allow(["states:ListExecutions"], [A])])]
    #[case::actions_of_one_machine_are_not_lent_to_another(
        &[("StartExecution", A), ("StartSyncExecution", B)],
        vec![Statement::allow(["states:StartExecution"], [A]), Statement::allow(["states:StartSyncExecution"], [B])]
    )]
    fn invoke(#[case] list: &[(&str, &str)], #[case] expected: Vec<Statement>) {
        assert_eq!(invoke_statements(&uses(list)), expected);
    }

    #[test]
    fn executions_of_an_alias_are_the_machines() {
        let alias = MachineArn::parse(&format!("{A}:prod")).unwrap();
        assert_eq!(alias.executions(), A_EXECUTIONS);
        assert_eq!(alias.as_str(), format!("{A}:prod"));
    }

    #[rstest]
    #[case::every_machine("arn:aws:states:eu-central-1:111122223333:stateMachine:*")]
    #[case::variable("arn:aws:states:eu-central-1:111122223333:stateMachine:${aws:username}")]
    #[case::execution(A_EXECUTIONS)]
    #[case::no_name("arn:aws:states:eu-central-1:111122223333:stateMachine:")]
    #[case::no_region("arn:aws:states::111122223333:stateMachine:a")]
    #[case::lambda("arn:aws:lambda:eu-central-1:111122223333:function:a")]
    #[case::name("a")]
    fn no_machine(#[case] text: &str) {
        let error = MachineArn::parse(text).unwrap_err().to_string();
        assert!(error.starts_with(&format!("`{text}` is not the ARN of a state machine; write it as")), "{error}");
    }

    #[test]
    fn unknown_actions_are_refused() {
        assert_eq!(
            "states:DeleteStateMachine".parse::<InvokeAction>().unwrap_err().to_string(),
            "`states:DeleteStateMachine` is not an action on a state machine or its executions"
        );
    }

    #[test]
    fn owner_tags_are_denied_to_managed_roles() {
        let document = super::super::statement::Document::new([deny_owner_tags("stepgate.dev/")]);
        assert_eq!(
            document.to_value()["Statement"][0],
            serde_json::json!({
                "Effect": "Deny",
                "Action": "*",
                "Resource": "*",
                "Condition": {"ForAnyValue:StringLike": {"aws:TagKeys": "stepgate.dev/*"}},
            })
        );
    }

    #[test]
    fn a_task_s_token_is_answered_in_the_own_region_only() {
        let on = On::TasksIn("eu-central-1".to_owned());
        let uses = [
            Use { action: InvokeAction::SendTaskSuccess, on: on.clone() },
            Use { action: InvokeAction::SendTaskHeartbeat, on },
        ];
        assert_eq!(
            super::super::statement::Document::new(invoke_statements(&uses)).to_value()["Statement"],
            serde_json::json!([{
                "Effect": "Allow",
                "Action": ["states:SendTaskHeartbeat", "states:SendTaskSuccess"],
                "Resource": "*",
                "Condition": {"StringEquals": {"aws:RequestedRegion": "eu-central-1"}},
            }])
        );
        let recorded = serde_json::to_value(&uses[0]).unwrap();
        assert_eq!(recorded, serde_json::json!({"action": "SendTaskSuccess", "tasksIn": "eu-central-1"}));
        assert_eq!(serde_json::from_value::<Use>(recorded).unwrap(), uses[0]);
        let machine = serde_json::json!({"action": "StartExecution", "machine": A});
        assert_eq!(serde_json::to_value(serde_json::from_value::<Use>(machine.clone()).unwrap()).unwrap(), machine);
    }

    #[test]
    fn functions_are_exact_and_read_back() {
        let function = "arn:aws:lambda:eu-central-1:111122223333:function:auth:live".to_owned();
        let functions = BTreeSet::from([function.clone()]);
        let policy = Document::new(authorizer_statement(&functions));
        assert_eq!(policy.statements(), [Statement::allow(["lambda:InvokeFunction"], [function])]);
        assert_eq!(super::functions(&policy), functions);
        assert_eq!(authorizer_statement(&BTreeSet::new()), None);
    }

    #[test]
    fn uses_are_read_back() {
        let machine = |arn: &str| On::Machine(MachineArn::parse(arn).unwrap());
        let tasks = On::TasksIn("eu-central-1".to_owned());
        let uses = BTreeSet::from([
            Use { action: InvokeAction::StartExecution, on: machine(A) },
            Use { action: InvokeAction::DescribeExecution, on: machine(A) },
            Use { action: InvokeAction::StartSyncExecution, on: machine(B) },
            Use { action: InvokeAction::SendTaskFailure, on: tasks.clone() },
            Use { action: InvokeAction::SendTaskSuccess, on: tasks },
        ]);
        let guard = deny_owner_tags("stepgate.dev/");
        let policy = Document::new(invoke_statements(&uses).into_iter().chain([guard]));
        assert_eq!(super::uses(&policy), uses);
        let by_hand = Statement::allow(["s3:*", "states:StartExecution"], ["*"]);
        assert_eq!(super::uses(&Document::new([by_hand])), BTreeSet::new());
    }
}
