#!/usr/bin/env python3
"""Makes sdk_operations.txt.z: the operations of each service that an `aws-sdk:` integration can name.

From PyPI's botocore (Apache-2.0, © Amazon.com) at a pinned version, and of an older one the services that AWS has ended since,
which definitions still name. Step Functions names a service by its SDK's serviceId in small letters without blanks and hyphens
and without `service` at its end (developer guide, "Supported AWS SDK service integrations"), and an operation with a small first
letter.

    python3 generate.py [DIRECTORY]     # DIRECTORY keeps the download

The output is text under zlib: a line for each service, its name and its operations as the service's model writes them, those that
Step Functions can't call behind a `!`.
"""
import json, pathlib, re, subprocess, sys, tempfile, zipfile, zlib

BOTOCORE, ENDED = "botocore==1.43.11", "botocore==1.38.46"

# "Unsupported operations" of the same page of AWS's.
UNSUPPORTED = {
    "applicationdiscovery": "DescribeExportConfigurations ExportConfigurations",
    "bedrockagentruntime": "InvokeAgent InvokeFlow InvokeInlineAgent OptimizePrompt RetrieveAndGenerateStream",
    "bedrockruntime": "InvokeModelWithResponseStream ConverseStream",
    "cloudwatchlogs": "StartLiveTail",
    "codedeploy": "BatchGetDeploymentInstances GetDeploymentInstance ListDeploymentInstances SkipWaitTimeForInstanceTermination",
    "comprehendmedical": "DetectEntities",
    "dataexchange": "SendApiAsset",
    "directconnect": "AllocateConnectionOnInterconnect DescribeConnectionLoa DescribeConnectionsOnInterconnect DescribeInterconnectLoa",
    "efs": "CreateTags",
    "elastictranscoder": "TestRole",
    "emr": "DescribeJobFlows",
    "iot": "AttachPrincipalPolicy DetachPrincipalPolicy ListPolicyPrincipals ListPrincipalPolicies",
    "iotdeviceadvisor": "ListTestCases",
    "iotsitewise": "InvokeAssistant",
    "kinesis": "SubscribeToShard",
    "lambda": "InvokeAsync InvokeWithResponseStream",
    "lexruntimev2": "StartConversation",
    "mediapackage": "RotateChannelCredentials",
    "qbusiness": "Chat",
    "rdsdata": "ExecuteSql",
    "s3": "SelectObjectContent",
    "sagemakerruntime": "InvokeEndpointWithResponseStream",
    "shield": "DeleteSubscription",
    "sts": "AssumeRole AssumeRoleWithSAML AssumeRoleWithWebIdentity",
}


def operations(directory, package):
    """Service → its operations."""
    pattern = package.replace("==", "-") + "-*.whl"
    if not list(directory.glob(pattern)):
        subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--no-deps", "-d", directory, package], check=True)
    services = {}
    with zipfile.ZipFile(next(directory.glob(pattern))) as wheel:
        for name in sorted(wheel.namelist()):
            if not re.match(r"botocore/data/[^/]+/[^/]+/service-2\.json", name):
                continue
            data = wheel.read(name)
            model = json.loads(zlib.decompress(data, 31) if name.endswith(".gz") else data)
            service = re.sub(r"[ -]", "", model["metadata"]["serviceId"]).lower().removesuffix("service")
            # Of several versions, all that any has.
            services.setdefault(service, set()).update(model["operations"])
    return services


def main():
    directory = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else pathlib.Path(tempfile.mkdtemp())
    directory.mkdir(parents=True, exist_ok=True)
    services = operations(directory, ENDED) | operations(directory, BOTOCORE)
    for service, names in UNSUPPORTED.items():
        services[service] = services[service] - set(names.split()) | {f"!{name}" for name in names.split()}
    text = "".join(f"{service} {' '.join(sorted(names))}\n" for service, names in sorted(services.items()))
    output = pathlib.Path(__file__).with_name("sdk_operations.txt.z")
    output.write_bytes(zlib.compress(text.encode(), 9))
    print(f"{len(services)} services, {sum(map(len, services.values()))} operations, {output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
