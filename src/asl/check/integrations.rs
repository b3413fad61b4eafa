//! The optimized integrations: which there are, how they may be waited for, and what they need.
//!
//! AWS documentation, "Integrating optimized services". That an action does not exist, that a service has no such pattern
//! and that a parameter is missing was measured for some of them with ValidateStateMachineDefinition (cdk-preflight,
//! September 2026); what AWS wants is what the API's own model calls required, so the others' are taken from there.

/// An action of a service.
pub(super) struct Action {
    pub name: &'static str,
    /// `.sync` and what waits for a job.
    pub sync: bool,
    /// `.waitForTaskToken`.
    pub token: bool,
    /// Parameters that it can't do without.
    pub required: &'static [&'static str],
}

pub(super) struct Service {
    pub name: &'static str,
    pub actions: &'static [Action],
    /// That it has no other action is sure.
    pub closed: bool,
}

const fn action(name: &'static str, required: &'static [&'static str]) -> Action {
    Action { name, sync: false, token: false, required }
}

const fn sync(name: &'static str, required: &'static [&'static str]) -> Action {
    Action { name, sync: true, token: false, required }
}

const fn token(name: &'static str, required: &'static [&'static str]) -> Action {
    Action { name, sync: false, token: true, required }
}

const fn both(name: &'static str, required: &'static [&'static str]) -> Action {
    Action { name, sync: true, token: true, required }
}

const fn service(name: &'static str, actions: &'static [Action]) -> Service {
    Service { name, actions, closed: false }
}

const fn closed(name: &'static str, actions: &'static [Action]) -> Service {
    Service { name, actions, closed: true }
}

pub(super) static SERVICES: [Service; 21] = [
    closed("lambda", &[token("invoke", &["FunctionName"])]),
    closed("sqs", &[token("sendMessage", &["QueueUrl", "MessageBody"])]),
    closed("sns", &[token("publish", &["Message"])]),
    // `dynamodb:query` is refused: recorded.
    closed(
        "dynamodb",
        &[
            action("getItem", &["TableName", "Key"]),
            action("putItem", &["TableName", "Item"]),
            action("updateItem", &["TableName", "Key"]),
            action("deleteItem", &["TableName", "Key"]),
        ],
    ),
    closed("states", &[both("startExecution", &["StateMachineArn"])]),
    closed("events", &[token("putEvents", &["Entries"])]),
    closed("http", &[action("invoke", &["ApiEndpoint", "Method"])]),
    closed("apigateway", &[token("invoke", &["ApiEndpoint", "Method"])]),
    service("ecs", &[both("runTask", &["TaskDefinition"])]),
    service(
        "eks",
        &[
            both("runJob", &[]),
            both("call", &[]),
            both("createCluster", &[]),
            both("deleteCluster", &[]),
            both("createFargateProfile", &[]),
            both("deleteFargateProfile", &[]),
            both("createNodegroup", &[]),
            both("deleteNodegroup", &[]),
        ],
    ),
    service("batch", &[sync("submitJob", &["JobName", "JobQueue", "JobDefinition"])]),
    service("glue", &[sync("startJobRun", &["JobName"])]),
    service("databrew", &[sync("startJobRun", &["Name"])]),
    service(
        "codebuild",
        &[
            sync("startBuild", &["ProjectName"]),
            action("stopBuild", &["Id"]),
            action("batchDeleteBuilds", &["Ids"]),
            action("batchGetReports", &["ReportArns"]),
            sync("startBuildBatch", &["ProjectName"]),
            action("stopBuildBatch", &["Id"]),
            sync("retryBuildBatch", &[]),
            action("deleteBuildBatch", &["Id"]),
        ],
    ),
    service(
        "athena",
        &[
            sync("startQueryExecution", &["QueryString"]),
            action("stopQueryExecution", &["QueryExecutionId"]),
            action("getQueryExecution", &["QueryExecutionId"]),
            action("getQueryResults", &["QueryExecutionId"]),
        ],
    ),
    service(
        "elasticmapreduce",
        &[
            sync("createCluster", &[]),
            sync("terminateCluster", &[]),
            sync("addStep", &[]),
            action("cancelStep", &[]),
            action("setClusterTerminationProtection", &[]),
            action("modifyInstanceFleetByName", &[]),
            action("modifyInstanceGroupByName", &[]),
        ],
    ),
    service(
        "emr-containers",
        &[sync("createVirtualCluster", &[]), sync("deleteVirtualCluster", &[]), sync("startJobRun", &[])],
    ),
    service(
        "emr-serverless",
        &[
            sync("createApplication", &[]),
            sync("startApplication", &[]),
            sync("stopApplication", &[]),
            sync("deleteApplication", &[]),
            sync("startJobRun", &[]),
            sync("cancelJobRun", &[]),
        ],
    ),
    service(
        "sagemaker",
        &[
            sync("createTrainingJob", &[]),
            sync("createTransformJob", &[]),
            sync("createProcessingJob", &[]),
            sync("createHyperParameterTuningJob", &[]),
            sync("createLabelingJob", &[]),
            action("createModel", &[]),
            action("createEndpoint", &[]),
            action("createEndpointConfig", &[]),
            action("updateEndpoint", &[]),
        ],
    ),
    service("mediaconvert", &[sync("createJob", &[])]),
    service("bedrock", &[action("invokeModel", &[]), sync("createModelCustomizationJob", &[])]),
];

/// Services that offer no `.sync`: measured.
pub(super) const WITHOUT_SYNC: [&str; 8] =
    ["lambda", "sns", "sqs", "dynamodb", "events", "apigateway", "aws-sdk", "bedrock-agentcore"];

/// Services that offer no `.waitForTaskToken`: measured.
pub(super) const WITHOUT_TOKEN: [&str; 12] = [
    "athena",
    "batch",
    "codebuild",
    "elasticmapreduce",
    "emr-containers",
    "emr-serverless",
    "glue",
    "databrew",
    "mediaconvert",
    "sagemaker",
    "dynamodb",
    "bedrock-agentcore",
];
