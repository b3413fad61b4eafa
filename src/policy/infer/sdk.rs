//! `aws-sdk:service:action`: AWS's service authorization reference, and the literals of the request.

use serde_json::Value;

use super::arguments::Node;
use super::arn::is_arn;
use super::callers;
use super::catalog::{Action, Catalog, Operation, ResourceType};
use super::rds;
use super::ssm;
use super::task::Task;
use super::text::Text;
use crate::policy::glob;

/// More types than these make one pattern over the whole service.
const MOST_TYPES: usize = 8;
/// More combinations than these are as good as none.
const MOST: usize = 32;

/// Actions on a type of resource where the request has this member, and on none else: there IAM asks for `*`.
const OPTIONAL: [(&str, &str); 7] = [
    ("comprehend:DetectEntities", "EndpointArn"),
    ("polly:StartSpeechSynthesisTask", "LexiconNames"),
    ("polly:SynthesizeSpeech", "LexiconNames"),
    ("rekognition:DetectModerationLabels", "ProjectVersion"),
    ("translate:StartTextTranslationJob", "TerminologyNames"),
    ("translate:TranslateDocument", "TerminologyNames"),
    ("translate:TranslateText", "TerminologyNames"),
];

/// Actions on one type of resource or another: which, a member says.
const ALTERNATIVES: [(&str, &str, &str); 6] = [
    ("redshift-data:BatchExecuteStatement", "ClusterIdentifier", "cluster"),
    ("redshift-data:BatchExecuteStatement", "WorkgroupName", "workgroup"),
    ("redshift-data:ExecuteStatement", "ClusterIdentifier", "cluster"),
    ("redshift-data:ExecuteStatement", "WorkgroupName", "workgroup"),
    ("states:ListExecutions", "MapRunArn", "maprun"),
    ("states:ListExecutions", "StateMachineArn", "statemachine"),
];

/// Resources on which an action is asked for although the reference calls them optional, as public example policies for CloudFormation
/// StackSets and AWS's for CreateDBInstance and StartAutomationExecution have them; not tried on AWS. A cluster may be restored from an instance's snapshot.
const ALSO: [(&str, &str); 9] = [
    ("cloudformation:CreateStackInstances", "arn:$P:cloudformation:*:$A:stackset-target/${StackSetName}:*"),
    ("cloudformation:CreateStackInstances", "arn:$P:cloudformation:*::type/resource/*"),
    ("cloudformation:DeleteStackInstances", "arn:$P:cloudformation:*:$A:stackset-target/${StackSetName}:*"),
    ("cloudformation:DeleteStackInstances", "arn:$P:cloudformation:*::type/resource/*"),
    ("rds:RestoreDBClusterFromSnapshot", "arn:$P:rds:$R:$A:snapshot:${SnapshotIdentifier}"),
    ("rds:CreateDBInstance", "arn:$P:rds:$R:$A:og:default*"),
    ("rds:CreateDBInstance", "arn:$P:rds:$R:$A:pg:default*"),
    ("rds:CreateDBInstance", "arn:$P:rds:$R:$A:subgrp:default*"),
    ("ssm:StartAutomationExecution", "arn:$P:ssm:$R:$A:automation-definition/${DocumentName}:*"),
];

/// Infers a task's needs.
pub(super) fn infer(task: &mut Task<'_>, service: &str, action: &str) {
    let service = service.to_ascii_lowercase();
    match (&*service, &*action.to_ascii_lowercase()) {
        ("lambda", "invoke" | "invokewithresponsestream") => {
            let (names, qualifier) = (task.texts("FunctionName"), task.member("Qualifier"));
            task.function(&names, qualifier.filter(|_| !task.arguments.is_open()).as_ref());
        }
        ("sqs", "sendmessage" | "sendmessagebatch") => task.send_message(),
        ("sns", "publish" | "publishbatch") => task.publish(),
        ("eventbridge", "putevents") => task.put_events(),
        ("sfn", "startexecution") => task.start_execution("states:StartExecution"),
        ("sfn", "startsyncexecution") => task.start_execution("states:StartSyncExecution"),
        ("ecs", "runtask") => task.run_task(),
        ("mediaconvert", "createjob") => task.media_job(),
        ("bedrockruntime", "invokemodel" | "converse" | "startasyncinvoke") => task.invoke_model("bedrock:InvokeModel"),
        ("bedrockruntime", "invokemodelwithresponsestream" | "conversestream") => {
            task.invoke_model("bedrock:InvokeModelWithResponseStream");
        }
        ("s3", "listobjectsv2" | "listobjects") => {
            let arguments = task.arguments.clone();
            task.list_bucket(&arguments);
        }
        _ => operation(task, &service, action),
    }
}

fn operation(task: &mut Task<'_>, service: &str, action: &str) {
    let Some(operation) = Catalog::get().operation(service, action) else {
        let prefix = Catalog::get().prefix(service);
        let what = if prefix.is_some() { "operation" } else { "service" };
        let reason = format!("calls `{service}:{action}`, and stepgate knows no IAM action for this {what}");
        let actions = prefix.map_or("*".to_owned(), |prefix| format!("{prefix}:*"));
        return task.unknown(reason, [&*actions], ["*"]);
    };
    let Operation { name, prefix, actions } = operation;
    let mut passes = false;
    for action in &actions {
        passes |= action.passes_role;
        if !is_asked_for(task, name, action) {
            continue;
        }
        let resources = match action.resource {
            Some("CopySource") => copied(task),
            Some(pattern) => filled(task, pattern),
            None if name == "CreateEvaluationJob" => task.evaluated_models(),
            None => resources(task, name, prefix, action),
        };
        task.allow([&*action.name], resources.clone());
        let created = if prefix == "rds" { rds::created(task, name, resources) } else { resources };
        task.tag(name, action, created);
    }
    callers::infer(task, prefix, name);
    match prefix {
        "rds" => rds::infer(task, name),
        "ssm" => ssm::infer(task, name),
        _ => {}
    }
    for (action, pattern) in ALSO.iter().filter(|(also, _)| actions.iter().any(|action| action.name == *also)) {
        let resource = filled(task, pattern);
        let resource = if prefix == "ssm" { resource.into_iter().flat_map(ssm::documents).collect() } else { resource };
        task.allow([*action], resource);
    }
    if name == "RunInstances" {
        // AWS checks the volumes that it makes for the instance too, which the reference calls optional (EC2 user guide, "Example
        // policies", "Launch instances").
        task.allow(["ec2:RunInstances"], [task.machine.every("arn:$P:ec2:$R:$A:volume/${VolumeId}")]);
        if !task.arguments.is_open() && task.member("IamInstanceProfile").is_some() {
            task.pass_unknown_role("launches an instance, and its role stands in the instance profile", &["ec2"]);
        }
    }
    // What these services are given as a role is what they act on.
    if !["iam", "sts", "organizations", "sso", "identitystore"].contains(&prefix) {
        task.pass_roles(prefix, passes);
    }
}

/// Of an operation with several actions, those that this request can use.
fn is_asked_for(task: &Task<'_>, operation: &str, action: &Action) -> bool {
    let verb = |name: &str| action.name.ends_with(name);
    match operation {
        "TransactWriteItems" => {
            let Some(Node::Written(Value::Array(items), _)) = task.member("TransactItems") else { return true };
            let members = [
                ("Put", ":PutItem"),
                ("Update", ":UpdateItem"),
                ("Delete", ":DeleteItem"),
                ("ConditionCheck", ":ConditionCheckItem"),
            ];
            let written = items.iter().all(Value::is_object);
            !written
                || members
                    .iter()
                    .any(|(member, name)| verb(name) && items.iter().any(|item| item.get(member).is_some()))
        }
        "ExecuteStatement" | "BatchExecuteStatement" | "ExecuteTransaction" if action.name.contains("PartiQL") => {
            let statements = match task.member("Statement") {
                Some(one) if !task.arguments.is_open() => one.texts(),
                _ => Vec::new(),
            };
            let first = |text: &Text| text.glob().split_whitespace().next().unwrap_or("*").to_ascii_uppercase();
            let verbs = ["SELECT", "INSERT", "UPDATE", "DELETE"];
            let known = !statements.is_empty() && statements.iter().all(|text| verbs.contains(&&*first(text)));
            !known || statements.iter().any(|text| action.name.to_ascii_uppercase().ends_with(&first(text)))
        }
        _ => true,
    }
}

/// `BUCKET/KEY`, where a copy comes from.
fn copied(task: &Task<'_>) -> Vec<String> {
    let one = |text: &Text| {
        let glob = text.glob();
        let (bucket, key) = glob.trim_start_matches('/').split_once('/').unwrap_or((&glob, "*"));
        let key = key.split("?versionId=").next().unwrap_or(key);
        // What comes from a hole can hold the slash.
        if bucket.ends_with('*') { task.machine.objects(bucket, "*") } else { task.machine.objects(bucket, key) }
    };
    let arguments = task.arguments.clone();
    task.texts_of(&arguments, "CopySource").iter().map(one).collect()
}

/// A pattern whose variables are members of the request. API Gateway's URIs write them in snake case.
fn filled(task: &Task<'_>, pattern: &str) -> Vec<String> {
    let value = |name: &str| {
        let aliases: &[&str] = match name {
            "restapi_id" => &["RestApiId"],
            "domain_name" => &["DomainName"],
            "stage_name" => &["StageName"],
            "deployment_id" => &["DeploymentId"],
            "authorizer_id" => &["AuthorizerId"],
            "resource_id" => &["ResourceId"],
            "http_method" => &["HttpMethod"],
            "model_name" => &["ModelName"],
            "usageplanId" => &["UsagePlanId"],
            "api_Key" => &["ApiKey"],
            "vpclink_id" => &["VpcLinkId"],
            _ => &[],
        };
        let texts =
            aliases.iter().copied().chain([name]).find_map(|name| {
                task.member(name).filter(|_| !task.arguments.is_open()).map(|member| member.texts())
            })?;
        match texts.as_slice() {
            [one] if !one.glob().contains('/') => Some(one.glob()),
            _ => None,
        }
    };
    vec![task.machine.fill(pattern, value)]
}

/// The resources of an action: those of its types that the request names; where it names none, all of every type in this account
/// and Region; `*` where IAM knows no type.
fn resources(task: &Task<'_>, operation: &str, prefix: &str, action: &Action) -> Vec<String> {
    let without = OPTIONAL
        .iter()
        .find(|(name, _)| *name == action.name)
        .is_some_and(|(_, member)| task.arguments.is_open() || task.member(member).is_none());
    if action.types.is_empty() || without {
        return vec!["*".to_owned()];
    }
    let is_said = |(name, member, _): &&(&str, &str, &str)| {
        *name == action.name && !task.arguments.is_open() && task.member(member).is_some()
    };
    let meant: Vec<&str> = ALTERNATIVES.iter().filter(is_said).map(|(_, _, kind)| *kind).collect();
    let types = action.types.iter().filter(|(kind, _)| meant.is_empty() || meant.contains(&kind.name));
    let bound: Vec<(Bound, bool)> =
        types.map(|(kind, required)| (bind(task, operation, prefix, kind), *required)).collect();
    let mut resources: Vec<String> = Vec::new();
    let whole = bound.iter().any(|(bound, _)| bound.is_whole);
    for (bound, required) in &bound {
        // Of types that are alternatives, the one that the request names in full is meant.
        if *required || bound.is_whole || (!whole && bound.is_partial) {
            resources.extend(bound.resources.iter().cloned());
        }
    }
    if resources.is_empty() {
        resources = bound.into_iter().flat_map(|(bound, _)| bound.resources).collect();
    }
    resources.sort();
    resources.dedup();
    if resources.len() > MOST_TYPES && action.types.len() > MOST_TYPES {
        return ["$A", ""].map(|account| task.machine.every(&format!("arn:$P:{prefix}:$R:{account}:*"))).into();
    }
    resources
}

/// What the request says of one resource type.
struct Bound {
    resources: Vec<String>,
    /// Every part of the ARN is held by a member of the request.
    is_whole: bool,
    /// Some part is.
    is_partial: bool,
}

fn bind(task: &Task<'_>, operation: &str, prefix: &str, kind: &ResourceType) -> Bound {
    let mut all = Bound { resources: Vec::new(), is_whole: false, is_partial: false };
    for pattern in &kind.arns {
        let bound = bind_one(task, operation, prefix, kind, pattern);
        all.is_whole |= bound.is_whole;
        all.is_partial |= bound.is_partial;
        all.resources.extend(bound.resources);
    }
    all
}

fn bind_one(task: &Task<'_>, operation: &str, prefix: &str, kind: &ResourceType, pattern: &str) -> Bound {
    let every = || Bound {
        resources: with_children(prefix, kind, task.machine.every(pattern)),
        is_whole: false,
        is_partial: false,
    };
    if task.arguments.is_open() {
        return every();
    }
    let variables: Vec<&str> = pattern.split("${").skip(1).filter_map(|part| part.split('}').next()).collect();
    let given = |variable: &str| {
        let table = kind.members.iter().find(|(name, _)| *name == variable).map(|(_, members)| members.as_slice());
        let own = own_members(operation, kind, variable, variables.last().copied());
        let names = table.unwrap_or_default().iter().copied().chain(own.iter().copied());
        let texts = names.filter_map(|name| texts(task, operation, prefix, name)).find(|texts| !texts.is_empty());
        texts.map(|texts| if texts.len() > MOST { vec![Text::unknown()] } else { texts })
    };
    // A member that holds the whole ARN, by its name or because an ARN stands in it.
    if let Some(texts) = given("Arn") {
        let arns =
            texts.iter().map(|text| task.machine.whole(pattern, text).unwrap_or_else(|| task.machine.every(pattern)));
        let resources = arns.flat_map(|arn| with_children(prefix, kind, arn)).collect();
        return Bound { resources, is_whole: true, is_partial: true };
    }
    let mut rows: Vec<Vec<(&str, String)>> = vec![Vec::new()];
    let mut arns = Vec::new();
    let mut missing = variables.is_empty();
    let mut partial = false;
    for variable in &variables {
        let Some(texts) = given(variable) else {
            missing = true;
            continue;
        };
        partial = true;
        let mut values = Vec::new();
        for text in &texts {
            // A bucket's ARN is put where its name is, and read again as a whole.
            if text.glob().starts_with("arn:") && prefix != "s3" {
                match task.machine.whole(pattern, text) {
                    Some(arn) => arns.push(arn),
                    // An ARN of what this one stands in: its name is the value.
                    None => values.push(text.glob().rsplit(['/', ':']).next().unwrap_or("*").to_owned()),
                }
            } else {
                values.push(value(prefix, kind, text));
            }
        }
        if rows.len() * values.len() > MOST {
            values = vec!["*".to_owned()];
        }
        if !values.is_empty() {
            rows = rows
                .iter()
                .flat_map(|row| values.iter().map(move |v| [row.as_slice(), &[(*variable, v.clone())]].concat()))
                .collect();
        }
    }
    let found = |row: &Vec<(&str, String)>| {
        task.machine.fill(pattern, |name| row.iter().find(|(variable, _)| *variable == name).map(|(_, v)| v.clone()))
    };
    if rows != [Vec::new()] || arns.is_empty() {
        arns.extend(rows.iter().map(found));
    }
    if prefix == "s3" {
        arns = arns.into_iter().map(|arn| access_point(&arn)).collect();
    }
    let resources = arns.into_iter().flat_map(|arn| with_children(prefix, kind, arn)).collect();
    Bound { resources, is_whole: !missing, is_partial: partial }
}

/// The texts of a member of the request, also where an operation has it deeper.
fn texts(task: &Task<'_>, operation: &str, prefix: &str, name: &str) -> Option<Vec<Text>> {
    let deeper = |list: &str, path: &[&str]| {
        let elements = task.member(list)?.elements();
        let texts = elements.iter().flat_map(|element| element.at(path).map(|node| node.texts()).unwrap_or_default());
        Some(texts.collect::<Vec<_>>()).filter(|texts| !texts.is_empty())
    };
    match (prefix, operation, name) {
        ("dynamodb", "BatchGetItem" | "BatchWriteItem", "TableName") => match task.member("RequestItems")?.entries() {
            Some(entries) => Some(entries.into_iter().map(|(name, _)| name).collect()),
            None => Some(vec![Text::unknown()]),
        },
        ("dynamodb", "TransactGetItems", "TableName") => deeper("TransactItems", &["Get", "TableName"]),
        ("dynamodb", "TransactWriteItems", "TableName") => {
            let kinds = ["Put", "Update", "Delete", "ConditionCheck"];
            let elements = task.member("TransactItems")?.elements();
            if elements.iter().any(Node::is_open) {
                return Some(vec![Text::unknown()]);
            }
            Some(kinds.iter().filter_map(|kind| deeper("TransactItems", &[kind, "TableName"])).flatten().collect())
        }
        ("rds", "CopyDBSnapshot" | "CopyDBClusterSnapshot", "DBSnapshotIdentifier" | "DBClusterSnapshotIdentifier") => {
            let both = [format!("Source{name}"), format!("Target{name}")];
            Some(both.iter().filter_map(|name| task.member(name)).flat_map(|member| member.texts()).collect())
        }
        // They stand in its network interfaces and its launch template too.
        ("ec2", "RunInstances", "SubnetId" | "SecurityGroupIds" | "LaunchTemplateId") => {
            let deeper: &[&str] = match name {
                "SubnetId" => &["NetworkInterfaces", "SubnetId"],
                "SecurityGroupIds" => &["NetworkInterfaces", "Groups"],
                _ => &["LaunchTemplate", "LaunchTemplateId"],
            };
            let own = task.arguments.through(&[name]);
            Some(if own.is_empty() { task.arguments.through(deeper) } else { own })
        }
        ("s3", "DeleteObjects", "Key") => task.arguments.at(&["Delete", "Objects"]).map(|objects| {
            let keys = objects
                .elements()
                .into_iter()
                .flat_map(|object| object.member("Key").map(|key| key.texts()).unwrap_or_default());
            keys.collect()
        }),
        _ => task.member(name).map(|member| member.texts()),
    }
}

/// `Name`, `Id` and the like mean the thing that the operation is called after: `StartCrawler` of `crawler`.
fn own_members(operation: &str, kind: &ResourceType, variable: &str, last: Option<&str>) -> Vec<&'static str> {
    let own = kind.name.replace(['-', '_'], "");
    let operation = operation.to_ascii_lowercase();
    let is_own = operation.strip_suffix(&own).is_some_and(|verb| {
        [
            "create", "delete", "describe", "get", "start", "stop", "update", "put", "run", "cancel", "enable",
            "disable", "list",
        ]
        .contains(&verb)
    });
    if !is_own || (variable != "Arn" && last != Some(variable)) {
        return Vec::new();
    }
    match variable {
        "Arn" => vec!["Arn"],
        _ if variable.ends_with("Name") => vec!["Name"],
        _ if variable.ends_with("Id") => vec!["Id", "Identifier"],
        _ if variable.ends_with("Identifier") => vec!["Identifier"],
        _ => Vec::new(),
    }
}

/// What a text means in its place in an ARN; `*` where it can mean something else.
fn value(prefix: &str, kind: &ResourceType, text: &Text) -> String {
    let glob = text.glob();
    match (prefix, kind.name) {
        // AWS refuses the call, and an ARN without its last part is none.
        _ if glob.is_empty() => "*".to_owned(),
        ("sqs", _) if glob.contains('/') => {
            glob.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or("*").to_owned()
        }
        // AWS puts six characters of its own behind a secret's name.
        ("secretsmanager", "secret") if !glob.ends_with('*') => format!("{glob}-??????"),
        ("s3", _) => glob,
        ("ssm", "parameter") if !glob.contains(':') => glob.trim_start_matches('/').to_owned(),
        ("kms", _) if glob.starts_with("alias/") => "*".to_owned(),
        _ if glob.contains(':') => "*".to_owned(),
        _ => glob,
    }
}

/// A bucket's or access point's ARN where a bucket's name is meant.
fn access_point(arn: &str) -> String {
    let Some((before, rest)) = arn.split_once(":s3:::arn:") else { return arn.to_owned() };
    let found = if rest.contains(":accesspoint/") {
        let (point, key) = match rest.match_indices('/').nth(1) {
            Some((at, _)) => (&rest[..at], format!("/object{}", &rest[at..])),
            None => (rest, String::new()),
        };
        format!("arn:{point}{key}")
    } else {
        format!("arn:{rest}")
    };
    // AWS refuses the call where that is no ARN.
    if is_arn(&found) { found } else { format!("{before}:s3:::*") }
}

/// A log group's ARN is written with and without `:*`, and the actions differ in which they mean.
fn with_children(prefix: &str, kind: &ResourceType, arn: String) -> Vec<String> {
    match (prefix, kind.name) {
        ("ssm", "document") => ssm::documents(arn),
        ("logs", "log-group") if !glob::has_wildcard(&arn) || !arn.ends_with('*') => vec![format!("{arn}:*"), arn],
        _ => vec![arn],
    }
}
