//! Each row of AWS.md §5, in JSONPath and in JSONata.

use rstest::rstest;
use serde_json::{Value, json};

use super::{HERE, lines, machine};
use crate::policy::infer::infer;

fn events(rule: &str) -> String {
    format!(
        "events:DescribeRule events:PutRule events:PutTargets -> arn:aws:events:~:rule/StepFunctionsGetEvent{rule}Rule (plumbing)"
    )
}

/// Expects, in both languages; `E:rule` is the managed rule.
fn expect(call: &str, arguments: &Value, expected: &[&str]) {
    let resource = if call.starts_with("arn:") { call.to_owned() } else { format!("arn:aws:states:::{call}") };
    let mut expected: Vec<String> =
        expected.iter().map(|line| line.strip_prefix("E:").map_or_else(|| (*line).to_owned(), events)).collect();
    expected.sort();
    for jsonata in [false, true] {
        let mut found = lines(&infer(&machine(&resource, arguments, jsonata), &HERE));
        found.sort();
        assert_eq!(found, expected, "{call}, JSONata: {jsonata}");
    }
}

const F: &str = "arn:aws:lambda:eu-central-1:111122223333:function:f";

#[rstest]
#[case::name("lambda:invoke", json!({"FunctionName": "f", "Payload": "@p"}), &["lambda:InvokeFunction -> arn:aws:lambda:~:function:f", "lambda:InvokeFunction -> arn:aws:lambda:~:function:f:*"])]
#[case::arn("lambda:invoke.waitForTaskToken", json!({"FunctionName": F}), &["lambda:InvokeFunction -> arn:aws:lambda:~:function:f", "lambda:InvokeFunction -> arn:aws:lambda:~:function:f:*"])]
#[case::alias("lambda:invoke", json!({"FunctionName": "f:prod"}), &["lambda:InvokeFunction -> arn:aws:lambda:~:function:f:prod"])]
#[case::qualifier("lambda:invoke", json!({"FunctionName": "f", "Qualifier": "7"}), &["lambda:InvokeFunction -> arn:aws:lambda:~:function:f:7"])]
#[case::partial_arn("lambda:invoke", json!({"FunctionName": "444455556666:function:f"}), &["lambda:InvokeFunction -> arn:aws:lambda:~:function:f", "lambda:InvokeFunction -> arn:aws:lambda:~:function:f:*"])]
#[case::prefix("lambda:invoke", json!({"FunctionName": "orders-@stage"}), &["lambda:InvokeFunction -> arn:aws:lambda:~:function:orders-*", "lambda:InvokeFunction -> arn:aws:lambda:~:function:orders-*:*"])]
#[case::run_time("lambda:invoke", json!({"FunctionName": "@f"}), &["? lambda:InvokeFunction -> arn:aws:lambda:~:function:*"])]
#[case::whole_input("lambda:invoke", Value::Null, &["? lambda:InvokeFunction -> arn:aws:lambda:~:function:*"])]
#[case::direct("arn:aws:lambda:us-east-1:444455556666:function:g", Value::Null, &["lambda:InvokeFunction -> arn:aws:lambda:us-east-1:444455556666:function:g", "lambda:InvokeFunction -> arn:aws:lambda:us-east-1:444455556666:function:g:*"])]
#[case::direct_alias("arn:aws:lambda:us-east-1:444455556666:function:g:live", json!({"a": 1}), &["lambda:InvokeFunction -> arn:aws:lambda:us-east-1:444455556666:function:g:live"])]
#[case::sdk("aws-sdk:lambda:invoke", json!({"FunctionName": "f", "Qualifier": "7"}), &["lambda:InvokeFunction -> arn:aws:lambda:~:function:f:7"])]
fn lambda(#[case] call: &str, #[case] arguments: Value, #[case] expected: &[&str]) {
    expect(call, &arguments, expected);
}

#[rstest]
#[case::sqs("sqs:sendMessage", json!({"QueueUrl": "https://sqs.us-east-1.amazonaws.com/444455556666/q"}), &["sqs:SendMessage -> arn:aws:sqs:us-east-1:444455556666:q"])]
#[case::sqs_token("sqs:sendMessage.waitForTaskToken", json!({"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/111122223333/orders-@s"}), &["sqs:SendMessage -> arn:aws:sqs:~:orders-*"])]
#[case::sqs_run_time("sqs:sendMessage", json!({"QueueUrl": "@q"}), &["sqs:SendMessage -> arn:aws:sqs:~:*"])]
#[case::sns("sns:publish", json!({"TopicArn": "arn:aws:sns:us-east-1:444455556666:t", "Message": "@m"}), &["sns:Publish -> arn:aws:sns:us-east-1:444455556666:t"])]
#[case::sns_token("sns:publish.waitForTaskToken", json!({"TopicArn": "arn:aws:sns:eu-central-1:111122223333:t-@x"}), &["sns:Publish -> arn:aws:sns:~:t-*"])]
#[case::sns_run_time("sns:publish", json!({"TopicArn": "@t"}), &["? sns:Publish -> arn:aws:sns:~:*"])]
#[case::sns_phone("sns:publish", json!({"PhoneNumber": "@n"}), &["sns:Publish -> not arn:*:sns:*:*:*"])]
#[case::events("events:putEvents", json!({"Entries": [{"EventBusName": "bus", "Detail": {}}, {"Detail": {}}]}), &["events:PutEvents -> arn:aws:events:~:event-bus/bus", "events:PutEvents -> arn:aws:events:~:event-bus/default"])]
#[case::events_token("events:putEvents.waitForTaskToken", json!({"Entries": [{"EventBusName": "arn:aws:events:us-east-1:444455556666:event-bus/b"}]}), &["events:PutEvents -> arn:aws:events:us-east-1:444455556666:event-bus/b"])]
#[case::events_run_time("events:putEvents", json!({"Entries": "@e"}), &["events:PutEvents -> arn:aws:events:~:event-bus/*"])]
#[case::get_item("dynamodb:getItem", json!({"TableName": "t", "Key": {}}), &["dynamodb:GetItem -> arn:aws:dynamodb:~:table/t"])]
#[case::put_item("dynamodb:putItem", json!({"TableName": "t-@s"}), &["dynamodb:PutItem -> arn:aws:dynamodb:~:table/t-*"])]
#[case::update_item("dynamodb:updateItem", json!({"TableName": "@t"}), &["dynamodb:UpdateItem -> arn:aws:dynamodb:~:table/*"])]
#[case::delete_item("dynamodb:deleteItem", json!({"TableName": "arn:aws:dynamodb:us-east-1:444455556666:table/t"}), &["dynamodb:DeleteItem -> arn:aws:dynamodb:us-east-1:444455556666:table/t"])]
#[case::api("apigateway:invoke", json!({"ApiEndpoint": "abc.execute-api.us-east-1.amazonaws.com", "Stage": "prod", "Method": "GET", "Path": "/orders", "AuthType": "IAM_ROLE"}), &["execute-api:Invoke -> arn:aws:execute-api:us-east-1:111122223333:abc/prod/GET/orders"])]
#[case::api_token("apigateway:invoke.waitForTaskToken", json!({"ApiEndpoint": "@a", "Stage": "prod", "Method": "POST", "Path": "orders/@id", "AuthType": "IAM_ROLE"}), &["execute-api:Invoke -> arn:aws:execute-api:~:*/prod/POST/orders/*"])]
#[case::api_unsigned("apigateway:invoke", json!({"ApiEndpoint": "abc.execute-api.us-east-1.amazonaws.com", "Method": "GET"}), &[])]
#[case::api_at_its_root("apigateway:invoke", json!({"ApiEndpoint": "@a", "Method": "GET", "AuthType": "IAM_ROLE"}), &["execute-api:Invoke -> arn:aws:execute-api:~:*/$default/GET/"])]
#[case::api_without_stage("apigateway:invoke", json!({"ApiEndpoint": "abc.execute-api.us-east-1.amazonaws.com", "Method": "GET", "Path": "/prod/orders", "AuthType": "IAM_ROLE"}), &["execute-api:Invoke -> arn:aws:execute-api:us-east-1:111122223333:abc/$default/GET/prod/orders", "execute-api:Invoke -> arn:aws:execute-api:us-east-1:111122223333:abc/prod/GET/orders"])]
#[case::open_api("apigateway:invoke", json!({"ApiEndpoint": "@a", "AuthType": "NO_AUTH"}), &[])]
#[case::http("http:invoke", json!({"ApiEndpoint": "https://api.example.com/orders", "Method": "GET", "Authentication": {"ConnectionArn": "arn:aws:events:eu-central-1:111122223333:connection/shop/aeabd89e-d39c-4181-9486-9fe03e6f286a"}}), &[
    "states:InvokeHTTPEndpoint -> arn:aws:states:~:stateMachine:me if StringEquals states:HTTPEndpoint https://api.example.com/orders if StringEquals states:HTTPMethod GET",
    "events:RetrieveConnectionCredentials -> arn:aws:events:~:connection/shop/aeabd89e-d39c-4181-9486-9fe03e6f286a",
    "secretsmanager:DescribeSecret secretsmanager:GetSecretValue -> arn:aws:secretsmanager:~:secret:events!connection/shop/* (plumbing)"])]
#[case::http_prefix("http:invoke", json!({"ApiEndpoint": "https://api.example.com/orders/@id", "Method": "@m", "Authentication": {"ConnectionArn": "@c"}}), &[
    "states:InvokeHTTPEndpoint -> arn:aws:states:~:stateMachine:me if StringLike states:HTTPEndpoint https://api.example.com/orders/*",
    "? events:RetrieveConnectionCredentials secretsmanager:GetSecretValue secretsmanager:DescribeSecret -> arn:aws:events:~:connection/* arn:aws:secretsmanager:~:secret:events!connection/*/*"])]
fn messages_and_calls(#[case] call: &str, #[case] arguments: Value, #[case] expected: &[&str]) {
    expect(call, &arguments, expected);
}

const OTHER: &str = "arn:aws:states:eu-central-1:111122223333:stateMachine:other";

#[rstest]
#[case::start("states:startExecution", json!({"StateMachineArn": OTHER}), &["states:StartExecution -> arn:aws:states:~:stateMachine:other (invoke)"])]
#[case::token("states:startExecution.waitForTaskToken", json!({"StateMachineArn": OTHER}), &["states:StartExecution -> arn:aws:states:~:stateMachine:other (invoke)"])]
#[case::sync("states:startExecution.sync", json!({"StateMachineArn": OTHER}), &["states:StartExecution -> arn:aws:states:~:stateMachine:other (invoke)", "states:DescribeExecution states:StopExecution -> arn:aws:states:~:execution:other:* (plumbing)", "E:sForStepFunctionsExecution"])]
#[case::sync2("states:startExecution.sync:2", json!({"StateMachineArn": format!("{OTHER}:live")}), &["states:StartExecution -> arn:aws:states:~:stateMachine:other:live (invoke)", "states:DescribeExecution states:StopExecution -> arn:aws:states:~:execution:other:* (plumbing)", "E:sForStepFunctionsExecution"])]
#[case::run_time("states:startExecution.sync:2", json!({"StateMachineArn": "@arn"}), &["? states:DescribeExecution states:StopExecution -> arn:aws:states:~:execution:*:*", "? states:StartExecution -> arn:aws:states:~:stateMachine:*", "E:sForStepFunctionsExecution"])]
#[case::prefix("states:startExecution", json!({"StateMachineArn": format!("{OTHER}-@x")}), &["states:StartExecution -> arn:aws:states:~:stateMachine:other-* (invoke)"])]
#[case::sdk("aws-sdk:sfn:startSyncExecution", json!({"StateMachineArn": OTHER}), &["states:StartSyncExecution -> arn:aws:states:~:stateMachine:other (invoke)"])]
#[case::token_sent("aws-sdk:sfn:sendTaskSuccess", json!({"TaskToken": "@t"}), &["states:SendTaskSuccess -> *"])]
fn state_machines(#[case] call: &str, #[case] arguments: Value, #[case] expected: &[&str]) {
    expect(call, &arguments, expected);
}

#[rstest]
#[case::run_task("ecs:runTask", json!({"TaskDefinition": "web:3", "Overrides": {"TaskRoleArn": "arn:aws:iam::111122223333:role/task", "ExecutionRoleArn": "arn:aws:iam::111122223333:role/run"}}), &[
    "ecs:RunTask -> arn:aws:ecs:~:task-definition/web:3",
    "iam:PassRole -> arn:aws:iam::~:role/run if StringEquals iam:PassedToService ecs-tasks.amazonaws.com",
    "iam:PassRole -> arn:aws:iam::~:role/task if StringEquals iam:PassedToService ecs-tasks.amazonaws.com"])]
#[case::run_task_sync("ecs:runTask.sync", json!({"TaskDefinition": "web", "Cluster": "arn:aws:ecs:eu-central-1:111122223333:cluster/main"}), &[
    "ecs:RunTask -> arn:aws:ecs:~:task-definition/web:*",
    "ecs:DescribeTasks ecs:StopTask -> arn:aws:ecs:~:task/main/*",
    "E:sForECSTask",
    "? iam:PassRole -> arn:aws:iam::~:role/*", "? iam:PassRole -> arn:aws:iam::~:role/*"])]
#[case::batch("batch:submitJob", json!({"JobName": "j", "JobDefinition": "d:1", "JobQueue": "q"}), &["batch:SubmitJob -> arn:aws:batch:~:job-definition/d:1", "batch:SubmitJob -> arn:aws:batch:~:job-queue/q"])]
#[case::batch_sync("batch:submitJob.sync", json!({"JobDefinition": "arn:aws:batch:eu-central-1:111122223333:job-definition/d", "JobQueue": "arn:aws:batch:eu-central-1:111122223333:job-queue/q"}), &[
    "batch:SubmitJob -> arn:aws:batch:~:job-definition/d", "batch:SubmitJob -> arn:aws:batch:~:job-definition/d:*", "batch:SubmitJob -> arn:aws:batch:~:job-queue/q",
    "batch:DescribeJobs -> *", "batch:TerminateJob -> arn:aws:batch:~:job/*", "E:sForBatchJobs"])]
#[case::build("codebuild:startBuild", json!({"ProjectName": "p"}), &["codebuild:StartBuild -> arn:aws:codebuild:~:project/p"])]
#[case::build_sync("codebuild:startBuild.sync", json!({"ProjectName": "p"}), &["codebuild:BatchGetBuilds codebuild:StartBuild codebuild:StopBuild -> arn:aws:codebuild:~:project/p", "E:ForCodeBuildStartBuild"])]
#[case::builds_sync("codebuild:startBuildBatch.sync", json!({"ProjectName": "p"}), &["codebuild:BatchGetBuildBatches codebuild:StartBuildBatch codebuild:StopBuildBatch -> arn:aws:codebuild:~:project/p", "E:ForCodeBuildStartBuildBatch"])]
#[case::emr_create("elasticmapreduce:createCluster.sync", json!({"Name": "c", "ServiceRole": "EMR_DefaultRole", "JobFlowRole": "arn:aws:iam::111122223333:role/ec2"}), &[
    "elasticmapreduce:RunJobFlow -> *",
    "elasticmapreduce:DescribeCluster elasticmapreduce:TerminateJobFlows -> arn:aws:elasticmapreduce:~:cluster/*",
    "iam:PassRole -> arn:aws:iam::~:role/EMR_DefaultRole if StringEquals iam:PassedToService elasticmapreduce.amazonaws.com",
    "iam:PassRole -> arn:aws:iam::~:role/ec2 if StringEquals iam:PassedToService ec2.amazonaws.com",
    "E:sForEMRRunJobFlow"])]
#[case::emr_step("elasticmapreduce:addStep.sync", json!({"ClusterId": "j-1"}), &["elasticmapreduce:AddJobFlowSteps elasticmapreduce:CancelSteps elasticmapreduce:DescribeStep -> arn:aws:elasticmapreduce:~:cluster/j-1", "E:sForEMRAddJobFlowSteps"])]
#[case::emr_terminate("elasticmapreduce:terminateCluster.sync", json!({"ClusterId": "@c"}), &["elasticmapreduce:DescribeCluster elasticmapreduce:TerminateJobFlows -> arn:aws:elasticmapreduce:~:cluster/*", "E:sForEMRTerminateJobFlows"])]
#[case::emr_cancel("elasticmapreduce:cancelStep", json!({"ClusterId": "j-1"}), &["elasticmapreduce:CancelSteps -> arn:aws:elasticmapreduce:~:cluster/j-1"])]
#[case::emr_eks("emr-containers:startJobRun.sync", json!({"VirtualClusterId": "v1"}), &["emr-containers:StartJobRun -> arn:aws:emr-containers:~:/virtualclusters/v1", "emr-containers:CancelJobRun emr-containers:DescribeJobRun -> arn:aws:emr-containers:~:/virtualclusters/v1/jobruns/*"])]
#[case::emr_serverless("emr-serverless:startJobRun.sync", json!({"ApplicationId": "a1", "ExecutionRoleArn": "arn:aws:iam::111122223333:role/r"}), &[
    "emr-serverless:StartJobRun -> arn:aws:emr-serverless:~:/applications/a1",
    "emr-serverless:CancelJobRun emr-serverless:GetJobRun -> arn:aws:emr-serverless:~:/applications/a1/jobruns/*",
    "iam:PassRole -> arn:aws:iam::~:role/r if StringEquals iam:PassedToService emr-serverless.amazonaws.com",
    "E:sForEMRServerlessJob"])]
#[case::eks_create("eks:createCluster.sync", json!({"Name": "c", "RoleArn": "arn:aws:iam::111122223333:role/r"}), &[
    "eks:CreateCluster eks:DeleteCluster eks:DescribeCluster -> arn:aws:eks:~:cluster/c",
    "iam:PassRole -> arn:aws:iam::~:role/r if StringEquals iam:PassedToService eks.amazonaws.com"])]
#[case::eks_delete("eks:deleteCluster", json!({"Name": "c"}), &["eks:DeleteCluster -> arn:aws:eks:~:cluster/c"])]
#[case::eks_nodegroup("eks:deleteNodegroup.sync", json!({"ClusterName": "c", "NodegroupName": "n"}), &["eks:DeleteNodegroup eks:DescribeNodegroup -> arn:aws:eks:~:nodegroup/c/*/*"])]
#[case::eks_call("eks:call", json!({"ClusterName": "c"}), &[])]
fn compute(#[case] call: &str, #[case] arguments: Value, #[case] expected: &[&str]) {
    expect(call, &arguments, expected);
}

const S3_UNKNOWN: &str = "? s3:GetObject s3:ListBucket s3:GetBucketLocation -> arn:aws:s3:::* arn:aws:s3:::*/*";

#[rstest]
#[case::glue("glue:startJobRun", json!({"JobName": "j"}), &["glue:StartJobRun -> arn:aws:glue:~:job/j"])]
#[case::glue_sync("glue:startJobRun.sync", json!({"JobName": "j"}), &["glue:BatchStopJobRun glue:GetJobRun glue:GetJobRuns glue:StartJobRun -> arn:aws:glue:~:job/j"])]
#[case::databrew_sync("databrew:startJobRun.sync", json!({"Name": "j"}), &["databrew:ListJobRuns databrew:StartJobRun databrew:StopJobRun -> arn:aws:databrew:~:job/j"])]
#[case::athena("athena:startQueryExecution", json!({"WorkGroup": "w", "QueryString": "SELECT 1", "QueryExecutionContext": {"Database": "d"}, "ResultConfiguration": {"OutputLocation": "s3://results/q/"}}), &[
    "athena:StartQueryExecution -> arn:aws:athena:~:datacatalog/AwsDataCatalog",
    "athena:StartQueryExecution -> arn:aws:athena:~:workgroup/w",
    "glue:BatchGetPartition glue:GetDatabase glue:GetDatabases glue:GetPartition glue:GetPartitions glue:GetTable glue:GetTables -> arn:aws:glue:~:catalog",
    "glue:BatchGetPartition glue:GetDatabase glue:GetDatabases glue:GetPartition glue:GetPartitions glue:GetTable glue:GetTables -> arn:aws:glue:~:database/d",
    "glue:BatchGetPartition glue:GetDatabase glue:GetDatabases glue:GetPartition glue:GetPartitions glue:GetTable glue:GetTables -> arn:aws:glue:~:table/d/*",
    "glue:GetDatabase glue:GetDatabases -> arn:aws:glue:~:database/default",
    "lakeformation:GetDataAccess -> *",
    "s3:GetBucketLocation s3:ListBucket s3:ListBucketMultipartUploads -> arn:aws:s3:::results",
    "s3:AbortMultipartUpload s3:GetObject s3:ListMultipartUploadParts s3:PutObject -> arn:aws:s3:::results/q/*",
    S3_UNKNOWN])]
#[case::athena_results("athena:getQueryResults", json!({"QueryExecutionId": "@q"}), &["athena:GetQueryResults -> arn:aws:athena:~:workgroup/*", "? s3:GetBucketLocation s3:GetObject -> arn:aws:s3:::* arn:aws:s3:::*/*"])]
#[case::sagemaker("sagemaker:createTrainingJob.sync", json!({"TrainingJobName": "j-@n", "RoleArn": "arn:aws:iam::111122223333:role/r"}), &[
    "sagemaker:AddTags sagemaker:CreateTrainingJob sagemaker:DescribeTrainingJob sagemaker:ListTags sagemaker:StopTrainingJob -> arn:aws:sagemaker:~:training-job/j-*",
    "iam:PassRole -> arn:aws:iam::~:role/r if StringEquals iam:PassedToService sagemaker.amazonaws.com",
    "E:sForSageMakerTrainingJobs"])]
#[case::transform("sagemaker:createTransformJob.sync", json!({"TransformJobName": "j"}), &["sagemaker:AddTags sagemaker:CreateTransformJob sagemaker:DescribeTransformJob sagemaker:ListTags sagemaker:StopTransformJob -> arn:aws:sagemaker:~:transform-job/j", "E:sForSageMakerTransformJobs"])]
#[case::tuning("sagemaker:createHyperParameterTuningJob.sync", json!({"HyperParameterTuningJobName": "j", "TrainingJobDefinition": {"RoleArn": "@r"}}), &[
    "sagemaker:AddTags sagemaker:CreateHyperParameterTuningJob sagemaker:DescribeHyperParameterTuningJob sagemaker:ListTags sagemaker:StopHyperParameterTuningJob -> arn:aws:sagemaker:~:hyper-parameter-tuning-job/j",
    "E:sForSageMakerTuningJobs", "? iam:PassRole -> arn:aws:iam::~:role/*"])]
#[case::mediaconvert("mediaconvert:createJob.sync", json!({"Role": "arn:aws:iam::111122223333:role/r", "Queue": "arn:aws:mediaconvert:eu-central-1:111122223333:queues/q"}), &[
    "mediaconvert:CreateJob -> arn:aws:mediaconvert:~:queues/q",
    "mediaconvert:CancelJob mediaconvert:GetJob -> arn:aws:mediaconvert:~:jobs/*",
    "iam:PassRole -> arn:aws:iam::~:role/r if StringEquals iam:PassedToService mediaconvert.amazonaws.com",
    "E:sForMediaConvertJob"])]
#[case::model("bedrock:invokeModel", json!({"ModelId": "amazon.titan-text-lite-v1", "GuardrailIdentifier": "g"}), &["bedrock:InvokeModel -> arn:aws:bedrock:eu-central-1::foundation-model/amazon.titan-text-lite-v1", "bedrock:ApplyGuardrail -> arn:aws:bedrock:~:guardrail/g"])]
#[case::profile("bedrock:invokeModel", json!({"ModelId": "eu.anthropic.claude-v1", "Input": {"S3Uri": "s3://in/a.json"}}), &["bedrock:InvokeModel -> arn:aws:bedrock:~:inference-profile/eu.anthropic.claude-v1", "bedrock:InvokeModel -> arn:aws:bedrock:*::foundation-model/anthropic.claude-v1", "s3:GetObject -> arn:aws:s3:::in/a.json"])]
#[case::model_arn("bedrock:invokeModel", json!({"ModelId": "arn:aws:bedrock:us-east-1::foundation-model/m"}), &["bedrock:InvokeModel -> arn:aws:bedrock:us-east-1::foundation-model/m"])]
#[case::any_model("bedrock:invokeModel", json!({"ModelId": "@m"}), &["bedrock:InvokeModel -> arn:aws:bedrock:*::foundation-model/*", "bedrock:InvokeModel -> arn:aws:bedrock:~:application-inference-profile/*", "bedrock:InvokeModel -> arn:aws:bedrock:~:custom-model-deployment/*", "bedrock:InvokeModel -> arn:aws:bedrock:~:default-prompt-router/*", "bedrock:InvokeModel -> arn:aws:bedrock:~:imported-model/*", "bedrock:InvokeModel -> arn:aws:bedrock:~:inference-profile/*", "bedrock:InvokeModel -> arn:aws:bedrock:~:prompt-router/*", "bedrock:InvokeModel -> arn:aws:bedrock:~:provisioned-model/*"])]
fn data(#[case] call: &str, #[case] arguments: Value, #[case] expected: &[&str]) {
    expect(call, &arguments, expected);
}

#[rstest]
#[case::role("arn:aws:iam::444455556666:role/runs", &["sts:AssumeRole -> arn:aws:iam::444455556666:role/runs"])]
#[case::prefix("arn:aws:iam::444455556666:role/runs-@x", &["sts:AssumeRole -> arn:aws:iam::444455556666:role/runs-*"])]
#[case::run_time("@role", &["? sts:AssumeRole -> arn:aws:iam::~:role/*"])]
#[case::any_role_of_an_account("arn:aws:iam::444455556666:role/@x", &["? sts:AssumeRole -> arn:aws:iam::~:role/*"])]
fn credentials(#[case] role: &str, #[case] expected: &[&str]) {
    for jsonata in [false, true] {
        let mut definition = machine(
            "arn:aws:states:::sqs:sendMessage",
            &json!({"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/1/q"}),
            jsonata,
        );
        definition["States"]["Do"]["Credentials"] = super::in_language(&json!({"RoleArn": role}), jsonata);
        assert_eq!(lines(&infer(&definition, &HERE)), expected, "JSONata: {jsonata}");
    }
}

#[rstest]
#[case::its_own(json!({"Label": "load"}), &[])]
#[case::object(json!({"Label": "load", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "in", "Key": "list.csv"}}}), &["s3:GetObject -> arn:aws:s3:::in/list.csv"])]
#[case::run_time_key(json!({"Label": "load", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Arguments": {"Bucket": "in", "Key": "@k"}}}), &["s3:GetObject -> arn:aws:s3:::in/*"])]
#[case::list(json!({"Label": "load", "ItemReader": {"Resource": "arn:aws:states:::s3:listObjectsV2", "Arguments": {"Bucket": "in", "Prefix": "2026/"}}}), &["s3:ListBucket -> arn:aws:s3:::in if StringLike s3:prefix 2026/"])]
#[case::list_all(json!({"Label": "load", "ItemReader": {"Resource": "arn:aws:states:::s3:listObjectsV2", "Arguments": {"Bucket": "in"}}}), &["s3:ListBucket -> arn:aws:s3:::in"])]
#[case::writer(json!({"Label": "load", "ResultWriter": {"Resource": "arn:aws:states:::s3:putObject", "Arguments": {"Bucket": "out", "Prefix": "runs"}}}), &["s3:AbortMultipartUpload s3:GetObject s3:ListMultipartUploadParts s3:PutObject -> arn:aws:s3:::out/runs*"])]
fn distributed_map(#[case] fields: Value, #[case] expected: &[&str]) {
    for jsonata in [false, true] {
        let mut map = json!({"Type": "Map", "End": true, "ItemProcessor": {
            "ProcessorConfig": {"Mode": "DISTRIBUTED", "ExecutionType": "STANDARD"}, "StartAt": "A", "States": {"A": {"Type": "Succeed"}}}});
        for (key, value) in fields.as_object().unwrap() {
            let mut value = super::in_language(value, jsonata);
            if let Some(object) = value.as_object_mut().filter(|_| !jsonata)
                && let Some(arguments) = object.remove("Arguments")
            {
                object.insert("Parameters".into(), arguments);
            }
            map[key] = value;
        }
        let definition = json!({"QueryLanguage": if jsonata { "JSONata" } else { "JSONPath" }, "StartAt": "M", "States": {"M": map}});
        let mut expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
        expected.extend([
            "states:StartExecution -> arn:aws:states:~:stateMachine:me (plumbing)".to_owned(),
            "states:DescribeExecution states:StopExecution -> arn:aws:states:~:execution:me:* (plumbing)".to_owned(),
            "states:RedriveExecution -> arn:aws:states:~:execution:me/load:* (plumbing)".to_owned(),
        ]);
        expected.sort();
        let mut found = lines(&infer(&definition, &HERE));
        found.sort();
        assert_eq!(found, expected, "JSONata: {jsonata}");
    }
}

#[rstest]
#[case::literal_object("s3:getObject", json!({"Bucket": "b", "Key": "in/a.json"}), &["s3:GetObject -> arn:aws:s3:::b/in/a.json"])]
#[case::key_prefix("s3:putObject", json!({"Bucket": "b", "Key": "out/@id"}), &["s3:PutObject -> arn:aws:s3:::b/out/*"])]
#[case::head("s3:headObject", json!({"Bucket": "b", "Key": "@k"}), &["s3:GetObject -> arn:aws:s3:::b/*"])]
#[case::list("s3:listObjectsV2", json!({"Bucket": "b", "Prefix": "in/@day"}), &["s3:ListBucket -> arn:aws:s3:::b if StringLike s3:prefix in/*"])]
#[case::copy("s3:copyObject", json!({"Bucket": "to", "Key": "k", "CopySource": "from/a/@x"}), &["s3:GetObject -> arn:aws:s3:::from/a/*", "s3:PutObject -> arn:aws:s3:::to/k"])]
#[case::delete_objects("s3:deleteObjects", json!({"Bucket": "b", "Delete": {"Objects": [{"Key": "x"}, {"Key": "y"}]}}), &["s3:DeleteObject -> arn:aws:s3:::b/x", "s3:DeleteObject -> arn:aws:s3:::b/y"])]
#[case::list_buckets("s3:listBuckets", json!({}), &["s3:ListAllMyBuckets -> *"])]
#[case::access_point("s3:getObject", json!({"Bucket": "arn:aws:s3:eu-central-1:111122223333:accesspoint/ap", "Key": "k"}), &["s3:GetObject -> arn:aws:s3:~:accesspoint/ap/object/k"])]
#[case::bucket_arn("s3:getObject", json!({"Bucket": "arn:aws:s3:::b", "Key": "k"}), &["s3:GetObject -> arn:aws:s3:::b/k"])]
#[case::query("dynamodb:query", json!({"TableName": "t"}), &["dynamodb:Query -> arn:aws:dynamodb:~:table/t"])]
#[case::query_index("dynamodb:query", json!({"TableName": "t", "IndexName": "i"}), &["dynamodb:Query -> arn:aws:dynamodb:~:table/t", "dynamodb:Query -> arn:aws:dynamodb:~:table/t/index/i"])]
#[case::batch_write("dynamodb:batchWriteItem", json!({"RequestItems": {"t": [], "u": []}}), &["dynamodb:BatchWriteItem -> arn:aws:dynamodb:~:table/t", "dynamodb:BatchWriteItem -> arn:aws:dynamodb:~:table/u"])]
#[case::transaction("dynamodb:transactWriteItems", json!({"TransactItems": [{"Put": {"TableName": "t"}}, {"Delete": {"TableName": "u"}}]}), &["dynamodb:DeleteItem dynamodb:PutItem -> arn:aws:dynamodb:~:table/t", "dynamodb:DeleteItem dynamodb:PutItem -> arn:aws:dynamodb:~:table/u"])]
#[case::instances("ec2:stopInstances", json!({"InstanceIds": ["i-0abc", "i-0def"]}), &["ec2:StopInstances -> arn:aws:ec2:~:instance/i-0abc", "ec2:StopInstances -> arn:aws:ec2:~:instance/i-0def"])]
#[case::instances_run_time("ec2:startInstances", json!({"InstanceIds": "@ids"}), &["ec2:StartInstances -> arn:aws:ec2:~:instance/*"])]
#[case::no_resource("ec2:describeInstanceStatus", json!({"InstanceIds": ["i-0abc"]}), &["ec2:DescribeInstanceStatus -> *"])]
#[case::queue("sqs:receiveMessage", json!({"QueueUrl": "https://sqs.eu-central-1.amazonaws.com/111122223333/q"}), &["sqs:ReceiveMessage -> arn:aws:sqs:~:q"])]
#[case::batch_publish("sns:publishBatch", json!({"TopicArn": "arn:aws:sns:eu-central-1:111122223333:t"}), &["sns:Publish -> arn:aws:sns:~:t"])]
#[case::secret("secretsmanager:getSecretValue", json!({"SecretId": "db"}), &["secretsmanager:GetSecretValue -> arn:aws:secretsmanager:~:secret:db-??????"])]
#[case::crawler("glue:startCrawler", json!({"Name": "c"}), &["glue:StartCrawler -> arn:aws:glue:~:crawler/c"])]
#[case::schedule("scheduler:createSchedule", json!({"Name": "s", "GroupName": "g", "Target": {"RoleArn": "arn:aws:iam::111122223333:role/r"}}), &["scheduler:CreateSchedule -> arn:aws:scheduler:~:schedule/g/s", "iam:PassRole -> arn:aws:iam::~:role/r if StringEquals iam:PassedToService scheduler.amazonaws.com"])]
#[case::log_group("cloudwatchlogs:startQuery", json!({"LogGroupName": "/a/b"}), &["logs:StartQuery -> arn:aws:logs:~:log-group:/a/b", "logs:StartQuery -> arn:aws:logs:~:log-group:/a/b:*"])]
#[case::parameter("ssm:getParameter", json!({"Name": "db"}), &["ssm:GetParameter -> arn:aws:ssm:~:parameter/db"])]
#[case::rds("rds:createDBSnapshot", json!({"DbInstanceIdentifier": "db", "DbSnapshotIdentifier": "s-@day"}), &["rds:CreateDBSnapshot -> arn:aws:rds:~:db:db", "rds:CreateDBSnapshot -> arn:aws:rds:~:snapshot:s-*", "? rds:AddTagsToResource -> arn:aws:rds:~:snapshot:s-*"])]
#[case::api_gateway("apigateway:getRestApi", json!({"RestApiId": "abc"}), &["apigateway:GET -> arn:aws:apigateway:eu-central-1::/restapis/abc"])]
#[case::converse("bedrockruntime:converse", json!({"ModelId": "m.x"}), &["bedrock:InvokeModel -> arn:aws:bedrock:eu-central-1::foundation-model/m.x"])]
#[case::detect("rekognition:detectLabels", json!({}), &["rekognition:DetectLabels -> *"])]
#[case::workgroup("athena:getWorkGroup", json!({"WorkGroup": "w"}), &["athena:GetWorkGroup -> arn:aws:athena:~:workgroup/w"])]
#[case::scaling("autoscaling:setDesiredCapacity", json!({"AutoScalingGroupName": "a"}), &["autoscaling:SetDesiredCapacity -> arn:aws:autoscaling:~:autoScalingGroup:*:autoScalingGroupName/a"])]
#[case::ecs_service("ecs:updateService", json!({"Cluster": "c", "Service": "s"}), &["ecs:UpdateService -> arn:aws:ecs:~:service/c/s"])]
#[case::table("glue:getTable", json!({"DatabaseName": "d", "Name": "t"}), &["glue:GetTable -> arn:aws:glue:~:catalog", "glue:GetTable -> arn:aws:glue:~:database/d", "glue:GetTable -> arn:aws:glue:~:table/d/t"])]
#[case::function_with_role("lambda:createFunction", json!({"FunctionName": "f", "Role": "@r"}), &["lambda:CreateFunction -> arn:aws:lambda:~:function:f", "? iam:PassRole -> arn:aws:iam::~:role/*"])]
#[case::alias_of_a_key("kms:decrypt", json!({"KeyId": "alias/a"}), &["kms:Decrypt -> arn:aws:kms:~:key/*"])]
#[case::launch("ec2:runInstances", json!({"ImageId": "ami-1", "IamInstanceProfile": {"Name": "p"}}), &[
    "ec2:RunInstances -> arn:aws:ec2:eu-central-1::image/ami-1", "ec2:RunInstances -> arn:aws:ec2:~:instance/*", "ec2:RunInstances -> arn:aws:ec2:~:network-interface/*",
    "ec2:RunInstances -> arn:aws:ec2:~:security-group/*", "ec2:RunInstances -> arn:aws:ec2:~:subnet/*", "ec2:RunInstances -> arn:aws:ec2:~:volume/*", "? iam:PassRole -> arn:aws:iam::~:role/*"])]
#[case::picture("rekognition:detectLabels", json!({"Image": {"S3Object": {"Bucket": "b", "Name": "in/@n"}}}), &["rekognition:DetectLabels -> *", "s3:GetObject -> arn:aws:s3:::b/in/*"])]
#[case::bytes("rekognition:detectModerationLabels", json!({"Image": {"Bytes": "@b"}}), &["rekognition:DetectModerationLabels -> *"])]
#[case::pages("textract:startDocumentAnalysis", json!({"DocumentLocation": {"S3Object": {"Bucket": "b", "Name": "k"}}, "OutputConfig": {"S3Bucket": "o"}}), &[
    "s3:GetObject -> arn:aws:s3:::b/k", "s3:PutObject -> arn:aws:s3:::o/*", "textract:StartDocumentAnalysis -> *"])]
#[case::speech("polly:startSpeechSynthesisTask", json!({"OutputS3BucketName": "b", "OutputS3KeyPrefix": "audio", "Text": "@t"}), &["polly:StartSpeechSynthesisTask -> *", "s3:PutObject -> arn:aws:s3:::b/audio*"])]
#[case::transcript("transcribe:startTranscriptionJob", json!({"TranscriptionJobName": "@j", "Media": {"MediaFileUri": "s3://b/in.mp4"}, "OutputBucketName": "o", "OutputKey": "texts/a.json"}), &[
    "s3:GetObject -> arn:aws:s3:::b/in.mp4", "s3:PutObject -> arn:aws:s3:::o/texts/*", "transcribe:StartTranscriptionJob -> *"])]
#[case::template("cloudformation:createStack", json!({"StackName": "s", "TemplateURL": "https://b.s3.eu-central-1.amazonaws.com/t.yaml"}), &["cloudformation:CreateStack -> arn:aws:cloudformation:~:stack/s/*", "s3:GetObject -> arn:aws:s3:::b/t.yaml", "? * -> *"])]
#[case::serverless_database("redshiftdata:executeStatement", json!({"WorkgroupName": "w", "Sql": "@s"}), &["redshift-data:ExecuteStatement redshift-serverless:GetCredentials -> arn:aws:redshift-serverless:~:workgroup/*"])]
#[case::database_user("redshiftdata:executeStatement", json!({"ClusterIdentifier": "c", "Database": "d", "DbUser": "u", "Sql": "@s"}), &[
    "redshift-data:ExecuteStatement -> arn:aws:redshift:~:cluster:c", "redshift:GetClusterCredentials -> arn:aws:redshift:~:dbname:c/d", "redshift:GetClusterCredentials -> arn:aws:redshift:~:dbuser:c/u"])]
#[case::translated("translate:translateText", json!({"Text": "@t"}), &["translate:TranslateText -> *"])]
#[case::one_of_two_types("sfn:listExecutions", json!({"StateMachineArn": "arn:aws:states:eu-central-1:111122223333:stateMachine:m"}), &["states:ListExecutions -> arn:aws:states:~:stateMachine:m"])]
#[case::schedule("scheduler:createSchedule", json!({"Name": "n", "Target": "@t"}), &["scheduler:CreateSchedule -> arn:aws:scheduler:~:schedule/*/n", "? iam:PassRole -> arn:aws:iam::~:role/*"])]
#[case::aggregator("config:listAggregateDiscoveredResources", json!({"ConfigurationAggregatorName": "a"}), &["config:ListAggregateDiscoveredResources -> arn:aws:config:~:config-aggregator/*"])]
#[case::model_of_pictures("lookoutvision:describeModel", json!({"ProjectName": "p", "ModelVersion": "1"}), &["lookoutvision:DescribeModel -> arn:aws:lookoutvision:~:model/p/1"])]
#[case::replication("databasemigration:startReplicationTask", json!({"ReplicationTaskArn": "@t"}), &["dms:StartReplicationTask -> arn:aws:dms:~:task:*"])]
#[case::evaluation("bedrock:createEvaluationJob", json!({"JobName": "@j", "RoleArn": "arn:aws:iam::111122223333:role/r",
    "EvaluationConfig": {"Automated": {"EvaluatorModelConfig": {"BedrockEvaluatorModels": [{"ModelIdentifier": "m.judge"}]}}},
    "InferenceConfig": {"Models": [{"BedrockModel": {"ModelIdentifier": "m.one"}}, {"BedrockModel": {"ModelIdentifier": "m.two"}}]}}), &[
    "bedrock:CreateEvaluationJob -> arn:aws:bedrock:eu-central-1::foundation-model/m.judge", "bedrock:CreateEvaluationJob -> arn:aws:bedrock:eu-central-1::foundation-model/m.one",
    "bedrock:CreateEvaluationJob -> arn:aws:bedrock:eu-central-1::foundation-model/m.two", "iam:PassRole -> arn:aws:iam::~:role/r if StringEquals iam:PassedToService bedrock.amazonaws.com"])]
#[case::retrieval("bedrockagentruntime:retrieveAndGenerate", json!({"Input": {"Text": "@q"}, "RetrieveAndGenerateConfiguration": {"Type": "KNOWLEDGE_BASE",
    "KnowledgeBaseConfiguration": {"KnowledgeBaseId": "KB1", "ModelArn": "m.x"}}}), &["bedrock:InvokeModel -> arn:aws:bedrock:eu-central-1::foundation-model/m.x",
    "bedrock:Retrieve -> arn:aws:bedrock:~:knowledge-base/KB1", "bedrock:RetrieveAndGenerate -> *"])]
#[case::transcoding("mediaconvert:createJob", json!({"Role": "arn:aws:iam::111122223333:role/r", "Settings": {"OutputGroups": [{"Outputs": [{"Preset": "hd"}, {"Preset": "sd-@x"}]}]}}), &[
    "iam:PassRole -> arn:aws:iam::~:role/r if StringEquals iam:PassedToService mediaconvert.amazonaws.com", "mediaconvert:CreateJob -> arn:aws:mediaconvert:~:presets/hd",
    "mediaconvert:CreateJob -> arn:aws:mediaconvert:~:presets/sd-*", "mediaconvert:CreateJob -> arn:aws:mediaconvert:~:queues/Default"])]
#[case::final_snapshot("rds:deleteDBInstance", json!({"DbInstanceIdentifier": "db", "FinalDBSnapshotIdentifier": "last"}), &[
    "rds:CreateDBSnapshot rds:DeleteDBInstance -> arn:aws:rds:~:db:db", "rds:CreateDBSnapshot -> arn:aws:rds:~:snapshot:last", "? rds:AddTagsToResource -> arn:aws:rds:~:snapshot:last"])]
#[case::no_final_snapshot("rds:deleteDBInstance", json!({"DbInstanceIdentifier": "db", "SkipFinalSnapshot": true}), &["rds:DeleteDBInstance -> arn:aws:rds:~:db:db"])]
#[case::tagged_snapshot("rds:createDBSnapshot", json!({"DbInstanceIdentifier": "db", "DbSnapshotIdentifier": "s", "Tags": [{"Key": "a", "Value": "b"}]}), &[
    "rds:CreateDBSnapshot -> arn:aws:rds:~:db:db", "rds:AddTagsToResource rds:CreateDBSnapshot -> arn:aws:rds:~:snapshot:s"])]
#[case::copied_snapshot("rds:copyDBSnapshot", json!({"SourceDBSnapshotIdentifier": "s", "TargetDBSnapshotIdentifier": "t", "CopyTags": true}), &[
    "rds:CopyDBSnapshot -> arn:aws:rds:~:snapshot:s", "rds:AddTagsToResource rds:CopyDBSnapshot -> arn:aws:rds:~:snapshot:t"])]
#[case::cluster_groups("rds:modifyDBCluster", json!({"DBClusterIdentifier": "c", "DBClusterParameterGroupName": "cg", "DBInstanceParameterGroupName": "ig"}), &[
    "rds:ModifyDBCluster -> arn:aws:rds:~:cluster-pg:cg", "rds:ModifyDBCluster -> arn:aws:rds:~:cluster:c", "rds:ModifyDBCluster -> arn:aws:rds:~:pg:ig"])]
#[case::tagged_volume("ec2:createVolume", json!({"AvailabilityZone": "@z", "TagSpecifications": [{"ResourceType": "volume", "Tags": [{"Key": "a", "Value": "b"}]}]}), &[
    "ec2:CreateVolume -> arn:aws:ec2:~:volume/*", "ec2:CreateTags -> arn:aws:ec2:~:volume/* if StringEquals ec2:CreateAction CreateVolume"])]
#[case::tagged_queue("sqs:createQueue", json!({"QueueName": "q", "Tags": {"a": "b"}}), &["sqs:CreateQueue sqs:TagQueue -> arn:aws:sqs:~:q"])]
#[case::tagged_object("s3:putObject", json!({"Bucket": "b", "Key": "k", "Body": "@x", "Tagging": "a=b"}), &["s3:PutObject s3:PutObjectTagging -> arn:aws:s3:::b/k"])]
#[case::version("s3:getObject", json!({"Bucket": "b", "Key": "k", "VersionId": "@v"}), &["s3:GetObject s3:GetObjectVersion -> arn:aws:s3:::b/k"])]
#[case::placeholder("dynamodb:query", json!({"TableName": "<TableName>"}), &["? dynamodb:Query -> arn:aws:dynamodb:~:table/*"])]
#[case::placeholders_of_place("sns:subscribe", json!({"TopicArn": "arn:aws:sns:{REGION}:{ACCOUNT}:t"}), &["? sns:Subscribe -> arn:aws:sns:~:t"])]
#[case::encrypted_object("s3:putObject", json!({"Bucket": "b", "Key": "k", "Body": "@x", "SSEKMSKeyId": "arn:aws:kms:eu-central-1:111122223333:key/1"}), &[
    "kms:GenerateDataKey -> arn:aws:kms:~:key/1", "s3:PutObject -> arn:aws:s3:::b/k"])]
#[case::command("ssm:sendCommand", json!({"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-1"]}), &["ssm:SendCommand -> arn:aws:ec2:~:instance/i-1",
    "ssm:SendCommand -> arn:aws:ssm:eu-central-1::document/AWS-RunShellScript", "ssm:SendCommand -> arn:aws:ssm:~:managed-instance/i-1"])]
#[case::command_by_tag("ssm:sendCommand", json!({"DocumentName": "own", "Targets": [{"Key": "tag:a", "Values": ["b"]}]}), &["ssm:SendCommand -> arn:aws:ec2:~:instance/*",
    "ssm:SendCommand -> arn:aws:ssm:~:document/own", "ssm:SendCommand -> arn:aws:ssm:~:managed-instance/*"])]
#[case::stack_with_own_rights("cloudformation:updateStack", json!({"StackName": "s", "TemplateBody": "@t"}), &["cloudformation:UpdateStack -> arn:aws:cloudformation:~:stack/s/*", "? * -> *"])]
#[case::stack_with_a_role("cloudformation:deleteStack", json!({"StackName": "s", "RoleARN": "arn:aws:iam::111122223333:role/r"}), &["cloudformation:DeleteStack -> arn:aws:cloudformation:~:stack/s/*",
    "iam:PassRole -> arn:aws:iam::~:role/r if StringEquals iam:PassedToService cloudformation.amazonaws.com"])]
#[case::function_code("lambda:updateFunctionCode", json!({"FunctionName": "f", "S3Bucket": "b", "S3Key": "k.zip"}), &["lambda:UpdateFunctionCode -> arn:aws:lambda:~:function:f", "s3:GetObject -> arn:aws:s3:::b/k.zip"])]
#[case::network_interfaces("ec2:runInstances", json!({"ImageId": "ami-1", "KeyName": "k", "NetworkInterfaces": [{"SubnetId": "subnet-1", "Groups": ["sg-1"]}]}), &[
    "ec2:RunInstances -> arn:aws:ec2:eu-central-1::image/ami-1", "ec2:RunInstances -> arn:aws:ec2:~:instance/*", "ec2:RunInstances -> arn:aws:ec2:~:key-pair/k", "ec2:RunInstances -> arn:aws:ec2:~:network-interface/*",
    "ec2:RunInstances -> arn:aws:ec2:~:security-group/sg-1", "ec2:RunInstances -> arn:aws:ec2:~:subnet/subnet-1", "ec2:RunInstances -> arn:aws:ec2:~:volume/*"])]
#[case::tagged_task("ecs:runTask", json!({"TaskDefinition": "web:3", "Cluster": "c", "Tags": [{"Key": "a", "Value": "b"}],
    "Overrides": {"TaskRoleArn": "arn:aws:iam::111122223333:role/t", "ExecutionRoleArn": "arn:aws:iam::111122223333:role/t"}}), &[
    "ecs:RunTask -> arn:aws:ecs:~:task-definition/web:3", "ecs:TagResource -> arn:aws:ecs:~:task/c/* if StringEquals ecs:CreateAction RunTask",
    "iam:PassRole -> arn:aws:iam::~:role/t if StringEquals iam:PassedToService ecs-tasks.amazonaws.com"])]
#[case::unknown_service("nosuch:thing", json!({}), &["? * -> *"])]
#[case::unknown_action("s3:getObjekt", json!({}), &["? s3:* -> *"])]
fn sdk(#[case] call: &str, #[case] arguments: Value, #[case] expected: &[&str]) {
    for wait in ["", ".waitForTaskToken"] {
        expect(&format!("aws-sdk:{call}{wait}"), &arguments, expected);
    }
}

#[test]
fn the_resource_may_name_a_region_and_account_as_the_console_writes_it() {
    expect(
        "arn:aws:states:eu-central-1:111122223333:aws-sdk:s3:getObject",
        &json!({"Bucket": "b", "Key": "k"}),
        &["s3:GetObject -> arn:aws:s3:::b/k"],
    );
}

#[test]
fn messages_to_the_connections_of_a_web_socket() {
    let arguments = json!({"ApiEndpoint": "abc.execute-api.eu-central-1.amazonaws.com", "Method": "POST", "Stage": "prod",
        "Path": "{% '@connections/' & $states.input.id %}", "AuthType": "IAM_ROLE"});
    let task =
        json!({"Type": "Task", "Resource": "arn:aws:states:::apigateway:invoke", "Arguments": arguments, "End": true});
    let machine = json!({"QueryLanguage": "JSONata", "StartAt": "Do", "States": {"Do": task}});
    let to = "execute-api:Invoke execute-api:ManageConnections -> arn:aws:execute-api:~:abc/prod/POST/@connections/*";
    assert_eq!(lines(&infer(&machine, &HERE)), [to]);
}

#[test]
fn other_partitions() {
    let machine = machine(
        "arn:aws-cn:states:::sqs:sendMessage",
        &json!({"QueueUrl": "https://sqs.cn-north-1.amazonaws.com.cn/111122223333/q"}),
        true,
    );
    let here = super::Machine { region: "cn-north-1", partition: "aws-cn", ..HERE };
    assert_eq!(lines(&infer(&machine, &here)), ["sqs:SendMessage -> arn:aws-cn:sqs:cn-north-1:111122223333:q"]);
}
