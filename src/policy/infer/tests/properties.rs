//! Whatever stands in a definition: inference never panics, always says the same, and what it grants can be read and is least.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::corpus::assert_least;
use super::{HERE, machine};
use crate::policy::infer::infer;

/// Texts made of what expressions and ARNs are made of.
fn text() -> impl Strategy<Value = String> {
    let pieces = prop::sample::select(vec![
        "{%",
        "%}",
        "'",
        "\"",
        "`",
        "(",
        ")",
        "[",
        "]",
        "{}",
        "&",
        "?",
        ":",
        ",",
        "$",
        "$x",
        "$states.input.a",
        "$$.",
        "$.",
        "States.Format(",
        "States.Array(",
        "\\",
        "/",
        "a",
        "orders",
        "arn:aws:",
        "arn:",
        "sqs:",
        "*",
        "${X}",
        "${",
        "https://",
        ".amazonaws.com/",
        "s3://",
        "table/",
        "function:",
        "é",
        "\u{0}",
        "\n",
        " ",
        "1",
        "ключ",
    ]);
    prop::collection::vec(pieces, 0..12).prop_map(|pieces| pieces.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![text().prop_map(Value::String), Just(json!(null)), Just(json!(3)), Just(json!(true))];
    let keys = prop::sample::select(vec![
        "QueueUrl",
        "TopicArn",
        "TableName",
        "TableName.$",
        "FunctionName",
        "FunctionName.$",
        "Bucket",
        "Key.$",
        "Bucket.$",
        "Prefix",
        "RoleArn",
        "StateMachineArn",
        "Entries",
        "TransactItems",
        "Put",
        "Delete",
        "Objects",
        "ModelId",
        "ApiEndpoint",
        "Path",
        "Authentication",
        "ConnectionArn",
        "TaskDefinition",
        "Cluster",
        "InstanceIds",
        "CopySource",
        "Role",
        "Overrides",
    ]);
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
            prop::collection::vec((keys.clone(), inner), 0..5)
                .prop_map(|pairs| pairs.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

fn resource() -> impl Strategy<Value = String> {
    let call = prop::sample::select(vec![
        "lambda:invoke",
        "sqs:sendMessage",
        "sns:publish",
        "events:putEvents",
        "states:startExecution.sync:2",
        "http:invoke",
        "apigateway:invoke",
        "ecs:runTask.sync",
        "batch:submitJob.sync",
        "athena:startQueryExecution.sync",
        "athena:getQueryResults",
        "bedrock:invokeModel",
        "eks:createCluster.sync",
        "elasticmapreduce:createCluster.sync",
        "sagemaker:createTrainingJob.sync",
        "mediaconvert:createJob",
        "dynamodb:putItem",
        "aws-sdk:s3:copyObject",
        "aws-sdk:s3:deleteObjects",
        "aws-sdk:s3:listObjectsV2",
        "aws-sdk:dynamodb:transactWriteItems",
        "aws-sdk:dynamodb:query",
        "aws-sdk:ec2:runInstances",
        "aws-sdk:ec2:createTags",
        "aws-sdk:sqs:receiveMessage",
        "aws-sdk:scheduler:createSchedule",
        "aws-sdk:apigateway:getRestApi",
        "aws-sdk:glue:getTable",
        "aws-sdk:ssm:getParameters",
        "aws-sdk:cloudwatchlogs:startQuery",
        "nothing",
        "a:b:c:d",
        "aws-sdk:x:y",
    ]);
    prop_oneof![9 => call.prop_map(|call| format!("arn:aws:states:::{call}")), 1 => text()]
}

#[test]
fn an_empty_name_is_any() {
    for resource in ["aws-sdk:s3:listObjectsV2", "aws-sdk:s3:getObject", "aws-sdk:dynamodb:getItem"] {
        let arguments = json!({"Bucket": [""], "Key": "", "TableName": ""});
        let inferred = infer(&machine(&format!("arn:aws:states:::{resource}"), &arguments, false), &HERE);
        for need in &inferred.needs {
            for resource in &need.statement.resources {
                assert!(crate::policy::resource::Resource::parse(resource).is_ok(), "{resource}");
                assert!(resource.ends_with('*'), "{resource}");
            }
        }
    }
}

proptest! {
    #[test]
    fn anything_can_be_read(
        tasks in prop::collection::vec((resource(), value(), any::<bool>()), 1..6),
        reader in value(), credentials in prop::option::of(value()), assigned in value(),
    ) {
        let mut states = serde_json::Map::new();
        for (n, (resource, arguments, jsonata)) in tasks.into_iter().enumerate() {
            let field = if jsonata { "Arguments" } else { "Parameters" };
            let language = if jsonata { "JSONata" } else { "JSONPath" };
            states.insert(format!("S{n}"), json!({"Type": "Task", "QueryLanguage": language, "Resource": resource, field: arguments}));
        }
        if let Some(credentials) = credentials {
            states["S0"]["Credentials"] = credentials;
        }
        states.insert("A".into(), json!({"Type": "Pass", "Assign": {"x": assigned}}));
        states.insert("M".into(), json!({"Type": "Map", "ItemProcessor": {"ProcessorConfig": {"Mode": "DISTRIBUTED"}, "States": {}},
            "Label": "l", "ItemReader": {"Resource": "arn:aws:states:::s3:getObject", "Parameters": reader}}));
        let definition = json!({"StartAt": "S0", "States": states});
        let inferred = infer(&definition, &HERE);
        prop_assert_eq!(&inferred, &infer(&definition, &HERE));
        assert_least("random", &inferred);
        for need in &inferred.needs {
            for resource in &need.statement.resources {
                prop_assert!(crate::policy::resource::Resource::parse(resource).is_ok(), "{}", resource);
            }
        }
    }
}
