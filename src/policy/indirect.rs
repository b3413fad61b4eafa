//! Actions that hand over the account indirectly: who may use one can get permissions that nobody gave him, or can undo
//! what keeps tenants apart. A ceiling admits one only by naming it literally; no wildcard admits it (DESIGN §1).
//!
//! What needs `iam:PassRole` to be dangerous (`ec2:RunInstances`, `ecs:RunTask`, `lambda:CreateFunction`,
//! `sagemaker:Create…Job`, `scheduler:CreateSchedule`, …) is not listed: `iam:*` is.

use super::glob;

/// A row of the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indirect {
    /// A glob over actions; the service may be `*`, which IAM itself would not take.
    pub action: &'static str,
    /// What the action lets one do, to end a sentence with "it can …".
    pub can: &'static str,
}

const RUN_CODE: &str = "run code with the permissions of a role that the statement does not name";
const IDENTITY: &str = "change or take over identities and permissions";
const OPEN: &str = "open a resource to others by changing its policy";
const SECRET: &str = "read secrets, among them those of other systems";
const TAG: &str = "change tags, which ownership and access control stand on";
const REWIRE: &str = "change what workflows, APIs or events do and whom they call";

const fn row(action: &'static str, can: &'static str) -> Indirect {
    Indirect { action, can }
}

/// The table, in the order in which it is searched.
pub const TABLE: &[Indirect] = &[
    row("iam:*", IDENTITY),
    row("sts:AssumeRole*", IDENTITY),
    row("sts:GetFederationToken", IDENTITY),
    row("organizations:*", IDENTITY),
    row("account:*", IDENTITY),
    row("sso:*", IDENTITY),
    row("identitystore:*", IDENTITY),
    row("rolesanywhere:*", IDENTITY),
    row("eks:CreateAccessEntry", IDENTITY),
    row("eks:UpdateAccessEntry", IDENTITY),
    row("eks:AssociateAccessPolicy", IDENTITY),
    row("cloudformation:*", RUN_CODE),
    row("servicecatalog:ProvisionProduct", RUN_CODE),
    row("servicecatalog:UpdateProvisionedProduct", RUN_CODE),
    row("elasticbeanstalk:*", RUN_CODE),
    row("lambda:UpdateFunctionCode", RUN_CODE),
    row("lambda:UpdateFunctionConfiguration", RUN_CODE),
    row("ssm:SendCommand", RUN_CODE),
    row("ssm:StartSession", RUN_CODE),
    row("ssm:ResumeSession", RUN_CODE),
    row("ssm:StartAutomationExecution", RUN_CODE),
    row("ssm:CreateAssociation*", RUN_CODE),
    row("ssm:UpdateAssociation", RUN_CODE),
    row("ssm:UpdateDocument*", RUN_CODE),
    row("ec2:ModifyInstanceAttribute", RUN_CODE),
    row("ec2-instance-connect:*", RUN_CODE),
    row("ecs:ExecuteCommand", RUN_CODE),
    row("batch:SubmitJob", RUN_CODE),
    row("codebuild:StartBuild*", RUN_CODE),
    row("codebuild:UpdateProject", RUN_CODE),
    row("codedeploy:CreateDeployment", RUN_CODE),
    row("glue:StartJobRun", RUN_CODE),
    row("glue:UpdateJob", RUN_CODE),
    row("glue:UpdateDevEndpoint", RUN_CODE),
    row("elasticmapreduce:AddJobFlowSteps", RUN_CODE),
    row("sagemaker:CreatePresigned*", RUN_CODE),
    row("sagemaker:UpdateNotebookInstanceLifecycleConfig", RUN_CODE),
    row("bedrock-agentcore:InvokeCodeInterpreter", RUN_CODE),
    row("secretsmanager:GetSecretValue", SECRET),
    row("secretsmanager:BatchGetSecretValue", SECRET),
    row("kms:CreateGrant", OPEN),
    row("ram:*", OPEN),
    row("*:Put*Policy", OPEN),
    row("*:Set*Policy", OPEN),
    row("*:Attach*Policy", OPEN),
    row("*:Add*Permission", OPEN),
    row("*:PutPermission", OPEN),
    row("s3:Put*Acl", OPEN),
    row("sns:SetTopicAttributes", OPEN),
    row("sqs:SetQueueAttributes", OPEN),
    row("apigateway:*", REWIRE),
    row("states:CreateStateMachine", REWIRE),
    row("states:UpdateStateMachine", REWIRE),
    row("states:TestState", REWIRE),
    row("events:PutRule", REWIRE),
    row("events:PutTargets", REWIRE),
    row("tag:TagResources", TAG),
    row("tag:UntagResources", TAG),
    row("*:TagResource", TAG),
    row("*:UntagResource", TAG),
    row("*:CreateTags", TAG),
    row("*:DeleteTags", TAG),
    row("*:AddTags", TAG),
    row("*:RemoveTags", TAG),
    row("*:AddTagsToResource", TAG),
    row("*:RemoveTagsFromResource", TAG),
    row("firehose:TagDeliveryStream", TAG),
    row("firehose:UntagDeliveryStream", TAG),
    row("kinesis:AddTagsToStream", TAG),
    row("kinesis:RemoveTagsFromStream", TAG),
    row("logs:TagLogGroup", TAG),
    row("logs:UntagLogGroup", TAG),
    row("s3:Put*Tagging", TAG),
    row("s3:Delete*Tagging", TAG),
    row("sqs:TagQueue", TAG),
    row("sqs:UntagQueue", TAG),
];

/// The rows that `action` (`service:name`, wildcards allowed in the name) can reach, each action with the service put in
/// where the table has `*`.
pub fn reached(action: &str) -> impl Iterator<Item = (String, Indirect)> {
    let service = action.split(':').next().unwrap_or_default();
    TABLE.iter().filter_map(move |row| {
        let named = match row.action.strip_prefix("*:") {
            Some(name) => format!("{service}:{name}"),
            None => row.action.to_owned(),
        };
        glob::intersects_ignore_case(&named, action).then_some((named, *row))
    })
}
