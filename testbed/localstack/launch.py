"""Starts LocalStack 4.9.2, corrected where it would hide a mistake of a controller.

Every patch names what AWS does and where that is known from: AWS.md and TESTBED.md are the project's own notes, "model" is
the service's published API model, "doc" its documentation, "recorded" an answer of AWS that LocalStack's tests keep. Codes of
errors are AWS's; their words are where they are recorded or documented, and ours elsewhere.

What stays different, and is tested elsewhere: roles and signatures are not checked, nothing is throttled or delayed,
`limit` and `position` are ignored, a deleted state machine is gone at once, and definitions that AWS refuses are accepted.
"""

import functools
import json
import re
from collections import OrderedDict

from localstack.aws.api.apigateway import BadRequestException, ConflictException, NotFoundException
from localstack.runtime.main import main
from localstack.runtime.server import twisted as serving
from localstack.services.apigateway.helpers import get_apigateway_store, get_moto_rest_api
from localstack.services.apigateway.legacy.provider import ApigatewayProvider
from localstack.services.apigateway.models import apigateway_stores
from localstack.services.apigateway.next_gen.execute_api.gateway_response import (
    DEFAULT_GATEWAY_RESPONSES,
    get_gateway_response_or_default,
)
from localstack.services.apigateway.next_gen.execute_api.handlers import parse as parsing
from localstack.services.apigateway.next_gen.execute_api.handlers import parse
from localstack.services.apigateway.next_gen.execute_api.handlers.gateway_exception import GatewayExceptionHandler
from localstack.services.apigateway.next_gen.execute_api.handlers.integration_request import IntegrationRequestHandler
from localstack.services.apigateway.next_gen.execute_api.template_mapping import VelocityUtilApiGateway
from localstack.services.apigateway.next_gen.provider import ApigatewayNextGenProvider
from localstack.services.stepfunctions.asl.jsonata import jsonata as asl_jsonata
from localstack.services.stepfunctions.backend.state_machine import StateMachineInstance
from localstack.services.stepfunctions.backend.store import SFNStore
from localstack.services.stepfunctions.provider import StepFunctionsProvider
from localstack.utils.patch import patch
from localstack.utils.strings import long_uid
from moto.apigateway.exceptions import ApiKeyNotFoundException
from moto.apigateway.models import APIGatewayBackend, Stage, UsagePlan, apigateway_backends
from moto.core.exceptions import JsonRESTError as RefusedByMoto
from moto.iam.exceptions import LimitExceededException
from moto.iam.models import IAMBackend
from rolo.gateway import Gateway

# Listen on 127.0.0.1 only. LocalStack binds 0.0.0.0 whatever GATEWAY_LISTEN says; a test must not open a port to the network.
serving.endpoints.TCP4ServerEndpoint = functools.partial(serving.endpoints.TCP4ServerEndpoint, interface="127.0.0.1")


# --- Step Functions -------------------------------------------------------------------------------------------------------


def _eval_jsonata(expression):
    """JSONata without the Java runtime that LocalStack would download."""
    from jsonata import Jsonata

    try:
        return json.loads(json.dumps(Jsonata(expression).evaluate(None)))
    except Exception as error:
        raise asl_jsonata.JSONataException("UNKNOWN", str(error)) from error


asl_jsonata._eval_jsonata = _eval_jsonata


class _Executions(OrderedDict):
    """As they are now: LocalStack walks through all of an account, for each SendTask… and each list of executions, and answers 500
    where another begins meanwhile."""

    def values(self):
        return list(super().values())


vars(SFNStore)["executions"].default = _Executions

ENCRYPTION_OFF = {"type": "AWS_OWNED_KEY"}


@patch(StateMachineInstance.describe)
def describe(fn, self):
    """AWS always returns tracing and encryption: without them drift never settles (TESTBED §2; AWS.md §2).

    A machine that was never updated has no revisionId in AWS's recorded answers either.
    """
    output = fn(self)
    output.setdefault("tracingConfiguration", self.tracing_config or {"enabled": False})
    output.setdefault("encryptionConfiguration", getattr(self, "encryption_config", None) or ENCRYPTION_OFF)
    return output


@patch(StepFunctionsProvider.create_state_machine)
def create_state_machine(fn, self, context, request, **kwargs):
    """Keeps the encryption that was asked for, which LocalStack drops (model)."""
    output = fn(self, context, request, **kwargs)
    if encryption := request.get("encryptionConfiguration"):
        self.get_store(context).state_machines[output["stateMachineArn"]].encryption_config = encryption
    return output


@patch(StepFunctionsProvider.update_state_machine)
def update_state_machine(fn, self, context, state_machine_arn, **kwargs):
    """Applies tracing and encryption, which LocalStack takes and forgets (model), also when nothing else is in the request.

    `{}` is tracing off: `enabled` has the default false (model), and AWS's own SDK for Rust leaves defaults out.
    """
    tracing, encryption = kwargs.get("tracing_configuration"), kwargs.get("encryption_configuration")
    if tracing is not None:
        tracing = {"enabled": False} | tracing
    machine = self.get_store(context).state_machines.get(state_machine_arn)
    if machine and (tracing or encryption) and not any(
        kwargs.get(key) for key in ("definition", "role_arn", "logging_configuration")
    ):
        kwargs["role_arn"] = machine.role_arn
    output = fn(self, context, state_machine_arn, **kwargs)
    for attribute, value in (("tracing_config", tracing), ("encryption_config", encryption)):
        if value and getattr(machine, attribute, None) != value:
            setattr(machine, attribute, value)
            machine.revision_id = long_uid()
            output["revisionId"] = machine.revision_id
    return output


# --- IAM ------------------------------------------------------------------------------------------------------------------


@patch(IAMBackend.get_roles)
def get_roles(fn, self):
    """As they are now: moto walks through its own dictionary, and answers 500 where another call adds to it meanwhile."""
    return list(fn(self))


@patch(IAMBackend.create_role)
def create_role(fn, self, role_name, *args, **kwargs):
    """Not more roles than GetAccountSummary says that the account may have (AWS.md §1; the words as users report them)."""
    summary = self.get_account_summary().summary_map
    if summary["Roles"] >= summary["RolesQuota"] and not any(role.name == role_name for role in self.get_roles()):
        raise LimitExceededException(f"Cannot exceed quota for RolesPerAccount: {summary['RolesQuota']}")
    return fn(self, role_name, *args, **kwargs)


# --- API Gateway ----------------------------------------------------------------------------------------------------------


@patch(VelocityUtilApiGateway.escapeJavaScript)
def escape_java_script(fn, self, obj):
    """AWS turns ' into \\' (AWS.md §3; doc, $util.escapeJavaScript); without this a body with an apostrophe works here and fails there.

    An empty string stays one: AWS runs commons-lang's escapeJavaScript, LocalStack makes "{}" of it.
    """
    if isinstance(obj, str) and not obj.strip():
        return json.dumps(obj)[1:-1]
    return fn(self, obj).replace("'", "\\'")


def _raw_body(request):
    """A form's body as it was sent; LocalStack parses and re-encodes it, so that JSON sent as a form, as `curl -d` does and the tutorial of seed
    004 shows for AWS, would reach the template percent-encoded."""
    return request.get_data(cache=True, parse_form_data=False) or restore_payload(request)


restore_payload, parsing.restore_payload = parsing.restore_payload, _raw_body


# API Gateway doesn't know forms: a body of Content-Type application/x-www-form-urlencoded, which `curl -d` sends, reaches the
# template as it is (seed 004's curl works on AWS). LocalStack parses it and builds another from the parts.


@patch(Gateway.process)
def process(fn, self, request, response):
    _enter_by_custom_domain(request)
    if "execute-api" in request.host or "/execute-api/" in request.path or "/_user_request_" in request.path:
        request.get_data()
    return fn(self, request, response)


parse.restore_payload = lambda request: request.get_data()

_apply_header_transforms = IntegrationRequestHandler._apply_header_transforms


def apply_header_transforms(headers, integration_type, context):
    """Step Functions is called with its own Content-Type, whatever the client's is: LocalStack hands the client's on and then
    can't read a form's body as JSON."""
    _apply_header_transforms(headers, integration_type, context)
    if ":states:action/" in (context.integration.get("uri") or ""):
        headers["Content-Type"] = "application/x-amz-json-1.0"


IntegrationRequestHandler._apply_header_transforms = staticmethod(apply_header_transforms)


def _looked_up(variables, path):
    for key in path.split("."):
        variables = variables.get(key) if hasattr(variables, "get") else None
    return "" if variables is None else str(variables)


@patch(GatewayExceptionHandler.create_exception_response)
def create_exception_response(fn, self, exception, context):
    """An API's own gateway response has headers and a body too (doc, "Gateway responses"); LocalStack takes its status only.

    Bodies are no Velocity: $context and $stageVariables are put in, nothing else is read.
    """
    response = fn(self, exception, context)
    own = get_gateway_response_or_default(exception.type, context.deployment.rest_api.gateway_responses)
    if own is DEFAULT_GATEWAY_RESPONSES.get(exception.type):
        return response
    request = context.invocation_request
    error = {"message": exception.message, "messageString": json.dumps(exception.message), "responseType": exception.type}
    variables = {"context": {**context.context_variables, "error": error}, "stageVariables": context.stage_variables or {}}
    parts = {"header": "headers", "querystring": "query_string_parameters", "path": "path_parameters"}
    for name, expression in own["responseParameters"].items():
        if expression.startswith("'"):
            value = expression[1:-1]
        elif expression.startswith("method.request."):
            _, _, part, parameter = expression.split(".", 3)
            value = (request.get(parts[part]) or {}).get(parameter)
        else:
            value = _looked_up(variables, expression)
        if value:
            response.headers[name.removeprefix("gatewayresponse.header.")] = value
    templates = own["responseTemplates"]
    accepted = request["headers"].get("Accept")
    kind = accepted if accepted in templates else next(iter(templates))
    filled = re.sub(r"\$((?:context|stageVariables)(?:\.\w+)+)", lambda found: _looked_up(variables, found[1]), templates[kind])
    response.set_data(filled)
    response.headers["Content-Type"] = kind
    return response


def _resource(context, rest_api_id, resource_id):
    return get_moto_rest_api(context, rest_api_id).resources.get(resource_id)


@patch(ApigatewayProvider.create_resource)
def create_resource(fn, self, context, rest_api_id, parent_id, path_part, **kwargs):
    """A second resource of the same path is a ConflictException (recorded: UpdateResource answers in the same words)."""
    for resource in get_moto_rest_api(context, rest_api_id).resources.values():
        if resource.parent_id == parent_id and resource.path_part == path_part:
            raise ConflictException(f"Another resource with the same parent already has this name: {path_part}")
    return fn(self, context, rest_api_id=rest_api_id, parent_id=parent_id, path_part=path_part, **kwargs)


@patch(ApigatewayProvider.put_method)
def put_method(fn, self, context, rest_api_id, resource_id, http_method, **kwargs):
    """A method that exists is a ConflictException (model)."""
    resource = _resource(context, rest_api_id, resource_id)
    if resource and http_method in resource.resource_methods:
        raise ConflictException("Method already exists for this resource")
    return fn(self, context, rest_api_id=rest_api_id, resource_id=resource_id, http_method=http_method, **kwargs)


def _tags_of(context, resource_arn):
    """The tags that GetRestApi, GetStages, GetUsagePlan and GetApiKey show; LocalStack keeps those of TagResource elsewhere, so that a change of tags is
    never seen (model)."""
    backend = apigateway_backends[context.account_id][context.region]
    for marker, kept in (("::/usageplans/", backend.usage_plans), ("::/apikeys/", backend.keys)):
        _, found, key = resource_arn.partition(marker)
        if found:
            tagged = kept.get(key)
            if tagged is None:
                raise NotFoundException("Invalid Resource identifier specified")
            tagged.tags = tagged.tags or {}
            return tagged.tags
    _, found, domain_name = resource_arn.partition("/domainnames/")
    if found:
        return get_apigateway_store(context=context).domain_names[domain_name].setdefault("tags", {})
    _, found, path = resource_arn.partition("::/restapis/")
    rest_api_id, _, stage = path.partition("/stages/")
    if not found or "/" in rest_api_id:
        return None
    tagged = get_moto_rest_api(context, rest_api_id)
    if stage:
        tagged = tagged.stages[stage]
    tagged.tags = tagged.tags or {}
    return tagged.tags


def _keeps_its_own(resource_arn):
    """Plans and keys show what they were made with and what is kept elsewhere together: only the former is kept."""
    return "::/usageplans/" in resource_arn or "::/apikeys/" in resource_arn


@patch(ApigatewayProvider.tag_resource)
def tag_resource(fn, self, context, resource_arn, tags, **kwargs):
    if not _keeps_its_own(resource_arn):
        fn(self, context, resource_arn=resource_arn, tags=tags, **kwargs)
    if (of_api := _tags_of(context, resource_arn)) is not None:
        of_api.update(tags)


@patch(ApigatewayProvider.untag_resource)
def untag_resource(fn, self, context, resource_arn, tag_keys, **kwargs):
    if not _keeps_its_own(resource_arn):
        fn(self, context, resource_arn=resource_arn, tag_keys=tag_keys, **kwargs)
    for key in tag_keys:
        (_tags_of(context, resource_arn) or {}).pop(key, None)


def _method(context, rest_api_id, resource_id, http_method):
    resource = _resource(context, rest_api_id, resource_id)
    return resource and resource.resource_methods.get(http_method)


@patch(ApigatewayProvider.update_integration)
def update_integration(fn, self, context, rest_api_id, resource_id, http_method, patch_operations=None, **kwargs):
    """`replace /passthroughBehavior` changes it (model). Here the attribute is spelled differently, so the patch got lost."""
    operations = [
        operation | {"path": "/passthrough_behaviour"} if operation["path"] == "/passthroughBehavior" else operation
        for operation in patch_operations or []
    ]
    return fn(self, context, rest_api_id, resource_id, http_method, patch_operations=operations, **kwargs)


@patch(ApigatewayProvider.put_integration_response)
def put_integration_response(fn, self, context, request, **kwargs):
    """A status code that the method does not declare is a NotFoundException (TESTBED §2; words recorded for GetIntegrationResponse)."""
    method = _method(context, request.get("restApiId"), request.get("resourceId"), request.get("httpMethod"))
    if method and request.get("statusCode") not in method.method_responses:
        raise NotFoundException("Invalid Response status code specified")
    return fn(self, context, request, **kwargs)


@patch(ApigatewayNextGenProvider.create_deployment)
def create_deployment(fn, self, context, rest_api_id, **kwargs):
    """An API without methods, or a method without integration, can't be deployed (AWS.md §2)."""
    methods = [
        method
        for resource in get_moto_rest_api(context, rest_api_id).resources.values()
        for method in resource.resource_methods.values()
    ]
    if not methods:
        raise BadRequestException("The REST API doesn't contain any methods")
    if not all(method.method_integration for method in methods):
        raise BadRequestException("No integration defined for method")
    return fn(self, context, rest_api_id=rest_api_id, **kwargs)


@patch(ApigatewayNextGenProvider.delete_deployment)
def delete_deployment(fn, self, context, rest_api_id, deployment_id, **kwargs):
    """A deployment that a stage serves can't be deleted (AWS.md §1, recorded); LocalStack only looks at the stage it was created with."""
    for stage in get_moto_rest_api(context, rest_api_id).stages.values():
        canary = getattr(stage, "canary_settings", None) or {}
        if deployment_id in (stage.deployment_id, canary.get("deploymentId")):
            raise BadRequestException("Active stages pointing to this deployment must be moved or deleted")
    return fn(self, context, rest_api_id=rest_api_id, deployment_id=deployment_id, **kwargs)


@patch(ApigatewayNextGenProvider.create_stage)
def create_stage(fn, self, context, request, **kwargs):
    """An unknown deployment is refused and leaves no stage (TESTBED §2: here it was a 500, and the stage existed);
    a stage that exists is a ConflictException (model)."""
    rest_api = get_moto_rest_api(context, request["restApiId"])
    if request.get("deploymentId") not in rest_api.deployments:
        raise NotFoundException("Invalid Deployment identifier specified")
    if request["stageName"] in rest_api.stages:
        raise ConflictException("Stage already exists")
    return fn(self, context, request, **kwargs)


def _exported_integration(found):
    """As AWS exports it (recorded): the type in small letters, responses by their pattern."""
    names = ("httpMethod", "uri", "credentials", "requestParameters", "requestTemplates", "contentHandling")
    shown = {name: found[name] for name in names if found.get(name)}
    responses = (found.get("integrationResponses") or {}).items()
    if responses := {one.get("selectionPattern") or "default": {"statusCode": status} for status, one in responses}:
        shown["responses"] = responses
    return shown | {"type": found["type"].lower(), "passthroughBehavior": (found.get("passthroughBehavior") or "").lower()}


def _exported_security(method, authorizers):
    """What authorizes a method's callers, by name (doc, x-amazon-apigateway-authtype and -authorizer)."""
    header = {"type": "apiKey", "in": "header"}
    if method.get("authorizationType") == "AWS_IAM":
        yield "sigv4", header | {"name": "Authorization", "x-amazon-apigateway-authtype": "awsSigv4"}
    if method.get("apiKeyRequired"):
        yield "api_key", header | {"name": "x-api-key"}
    if found := authorizers.get(method.get("authorizerId")):
        kind = "cognito_user_pools" if found["type"] == "COGNITO_USER_POOLS" else "custom"
        names = ("authorizerUri", "authorizerCredentials", "identitySource", "providerARNs", "authorizerResultTtlInSeconds")
        shown = {name: found[name] for name in names if found.get(name)} | {"type": found["type"].lower()}
        extension = {"x-amazon-apigateway-authtype": kind, "x-amazon-apigateway-authorizer": shown}
        yield found["name"], header | {"name": "Unused"} | extension


@patch(ApigatewayProvider.get_export)
def get_export(fn, self, context, rest_api_id, stage_name, export_type, parameters=None, accepts=None, **kwargs):
    """Shows what the stage serves, with roles and with what authorizes callers (recorded; doc, Export a REST API). LocalStack shows the API as
    it is now, without either, fails on ANY, and knows one value of `extensions`, which is a list (doc). Of a stage's models and parameters
    nothing is shown here."""
    rest_api = get_moto_rest_api(context, rest_api_id)
    stage = rest_api.stages.get(stage_name)
    if stage is None:
        raise NotFoundException("Invalid stage identifier specified")
    if export_type != "oas30" or accepts not in (None, "application/json"):
        return fn(self, context, rest_api_id, stage_name, export_type, parameters=parameters, accepts=accepts, **kwargs)
    asked = (context.request.values.get("extensions") or "").split(",")
    deployments = get_apigateway_store(context=context).internal_deployments[rest_api_id.lower()]
    served = deployments[stage.deployment_id].rest_api
    paths, schemes = {}, {}
    for resource in served.resources.values():
        for verb, method in (resource.get("resourceMethods") or {}).items():
            statuses = method.get("methodResponses") or {}
            operation = {"responses": {status: {"description": f"{status} response", "content": {}} for status in statuses}}
            if name := method.get("operationName"):
                operation["operationId"] = name
            for name, scheme in _exported_security(method, served.authorizers):
                if "authorizers" not in asked:
                    scheme.pop("x-amazon-apigateway-authorizer", None)
                schemes[name] = scheme
                operation.setdefault("security", []).append({name: method.get("authorizationScopes") or []})
            if {"integrations", "apigateway"} & set(asked):
                operation["x-amazon-apigateway-integration"] = _exported_integration(method["methodIntegration"])
            key = "x-amazon-apigateway-any-method" if verb == "ANY" else verb.lower()
            paths.setdefault(resource["path"], {})[key] = operation
    info = {"title": rest_api.name, "version": rest_api.version or str(rest_api.create_date)}
    servers = [{"variables": {"basePath": {"default": stage_name}}}]
    document = {"openapi": "3.0.1", "info": info, "servers": servers, "paths": paths}
    document["components"] = {"securitySchemes": schemes} if schemes else {}
    disposition = f'attachment; filename="oas30_{info["version"]}.json"'
    body = json.dumps(document).encode()
    return {"body": body, "contentType": "application/octet-stream", "contentDisposition": disposition}


@patch(Stage.to_json)
def stage_to_json(fn, self):
    """Shows the client certificate (model), which LocalStack takes and forgets."""
    shown = fn(self)
    if certificate := getattr(self, "client_certificate", None):
        shown["clientCertificateId"] = certificate
    return shown


@patch(ApigatewayNextGenProvider.update_stage)
def update_stage(fn, self, context, patch_operations=None, **kwargs):
    """`add /variables/x` sets a variable as `replace` does (TESTBED §2: here it was a 500). `remove /<path>/<method>` takes a
    method's settings off (recorded for all methods), among other operations: here only `/*/*` could be removed, and then
    nothing else of the request was done. A canary's variable can be removed (doc, Update a canary release). A client
    certificate is kept, also one of ACM's (doc, Use your own ACM certificate); an empty one takes it away (field: Terraform)."""
    stage = get_moto_rest_api(context, kwargs["rest_api_id"]).stages.get(kwargs["stage_name"])
    operations = []
    for operation in patch_operations or []:
        segments = operation["path"].split("/")[1:]
        removes = stage and operation["op"] == "remove"
        if operation["op"] == "add" and segments[0] == "variables":
            operations.append(operation | {"op": "replace"})
        elif stage and operation["op"] == "replace" and segments == ["clientCertificateId"]:
            certificate = operation.get("value")
            known = get_apigateway_store(context=context).client_certificates
            if certificate and not certificate.startswith("arn:aws:acm:") and certificate not in known:
                raise NotFoundException("Invalid Client Certificate identifier specified")
            stage.client_certificate = certificate
        elif removes and segments[:2] == ["canarySettings", "stageVariableOverrides"] and len(segments) == 3:
            stage.canary_settings["stageVariableOverrides"].pop(segments[2])
        elif removes and len(segments) == 2 and segments[0] != "variables":
            if stage.method_settings.pop("/".join(segments), None) is None:
                raise BadRequestException(
                    f"Cannot remove method setting {'/'.join(segments)} because there is no method setting for this method "
                )
        else:
            operations.append(operation)
    return fn(self, context, patch_operations=operations, **kwargs)


def _key(path, verb):
    """How a plan shows a method: its path with the first slash (doc, AWS::ApiGateway::UsagePlan ApiStage)."""
    path = path.replace("~1", "/").replace("~0", "~")
    return f"{path if path.startswith('/') and path != '/' else '/' + path.strip('/')}/{verb}"


@patch(UsagePlan.apply_patch_operations)
def apply_patch_operations(fn, self, patch_operations):
    """All operations that AWS has (field: boto/boto3#2629 lists them). LocalStack knows nothing of methods' throttling, takes no rate with a fraction, and
    can't remove a stage that has throttling."""
    for operation in patch_operations:
        op, value = operation["op"], operation.get("value")
        match operation["path"].split("/")[1:]:
            case ["apiStages"]:
                api, stage = value.split(":")
                self.api_stages = [one for one in self.api_stages if (one["apiId"], one["stage"]) != (api, stage) or op == "add"]
                if op == "add" and not any((one["apiId"], one["stage"]) == (api, stage) for one in self.api_stages):
                    self.api_stages.append({"apiId": api, "stage": stage})
            case ["apiStages", at, "throttle", *rest]:
                stage = next(one for one in self.api_stages if f"{one['apiId']}:{one['stage']}" == at)
                throttle = stage.setdefault("throttle", {})
                match rest:
                    case []:
                        throttle.clear()
                    case [path, verb]:
                        throttle.pop(_key(path, verb), None)
                    case [path, verb, name]:
                        throttle.setdefault(_key(path, verb), {})[name] = float(value) if name == "rateLimit" else int(value)
                if not throttle:
                    del stage["throttle"]
            case ["throttle" | "quota" as name] if op == "remove":
                getattr(self, name).clear()
            case ["throttle", "rateLimit"]:
                self.throttle["rateLimit"] = float(value)
            case ["throttle", "burstLimit"]:
                self.throttle["burstLimit"] = int(value)
            case ["quota", "period"]:
                self.quota["period"] = value
            case ["quota", ("limit" | "offset") as name]:
                self.quota[name] = int(value)
            case _:
                fn(self, [operation])


@patch(APIGatewayBackend.delete_usage_plan)
def delete_usage_plan(fn, self, usage_plan_id):
    """A plan that has stages can't be deleted (field: aws/aws-sdk-js#3841; TESTBED §2)."""
    if stages := self.get_usage_plan(usage_plan_id).api_stages:
        raise RefusedByMoto(
            "BadRequestException",
            f"Cannot delete Usage Plan {usage_plan_id} because there are API Stages associated with it, including "
            f"{stages[0]['apiId']}:{stages[0]['stage']}",
        )
    return fn(self, usage_plan_id)


@patch(APIGatewayBackend.delete_api_key)
def delete_api_key(fn, self, api_key_id):
    """A key that is deleted is in no plan any more (recorded: GetUsagePlanKeys); here it went on to open what it had opened."""
    for keys in self.usage_plan_keys.values():
        keys.pop(api_key_id, None)
    return fn(self, api_key_id)


@patch(APIGatewayBackend.delete_usage_plan_key)
def delete_usage_plan_key(fn, self, usage_plan_id, key_id):
    """What is not there is a NotFoundException (model); here it was a 500."""
    if key_id not in self.usage_plan_keys.get(usage_plan_id, {}):
        raise ApiKeyNotFoundException()
    return fn(self, usage_plan_id, key_id)


def _forget(context):
    """A stage that is gone is in no plan any more (field: hashicorp/terraform-provider-aws#14100)."""
    backend = apigateway_backends[context.account_id][context.region]
    for plan in backend.usage_plans.values():
        plan.api_stages = [
            one for one in plan.api_stages if one["apiId"] in backend.apis and one["stage"] in backend.apis[one["apiId"]].stages
        ]


@patch(ApigatewayNextGenProvider.delete_stage)
def delete_stage(fn, self, context, rest_api_id, stage_name, **kwargs):
    fn(self, context, rest_api_id=rest_api_id, stage_name=stage_name, **kwargs)
    _forget(context)


# Custom domain names. LocalStack keeps a part of each, can't change one, and routes nothing by it.


@patch(ApigatewayProvider.create_domain_name)
def create_domain_name(fn, self, context, domain_name, endpoint_configuration=None, tags=None, **given):
    """Keeps all that was asked for (model), and needs no Route 53, which is not started. One that exists is refused (field)."""
    domain_names = get_apigateway_store(context=context).domain_names
    if domain_name in domain_names:
        raise BadRequestException("The domain name you provided already exists.")
    endpoint = {"types": ["EDGE"]} | (endpoint_configuration or {})
    kind = endpoint["types"][0]
    endpoint.setdefault("ipAddressType", "dualstack" if kind == "PRIVATE" else "ipv4")
    domain = {
        "domainName": domain_name,
        "domainNameStatus": "AVAILABLE",
        "domainNameArn": f"arn:aws:apigateway:{context.region}::/domainnames/{domain_name}",
        "endpointConfiguration": endpoint,
        "securityPolicy": given.get("security_policy") or "TLS_1_2",
        "tags": dict(tags or {}),
    }
    for name, key in _DOMAIN_FIELDS.items():
        if given.get(name):
            domain[key] = given[name]
    target = "d-" + long_uid().replace("-", "")[:10]
    if kind == "REGIONAL":
        domain |= {
            "regionalDomainName": f"{target}.execute-api.{context.region}.amazonaws.com",
            "regionalHostedZoneId": "Z1U9ULNL0V5AJ3",
        }
    elif kind == "EDGE":
        domain |= {"distributionDomainName": f"{target}.cloudfront.net", "distributionHostedZoneId": "Z2FDTNDATAQYW2"}
    domain_names[domain_name] = domain
    return domain


_DOMAIN_FIELDS = {
    "certificate_arn": "certificateArn",
    "regional_certificate_arn": "regionalCertificateArn",
    "endpoint_access_mode": "endpointAccessMode",
    "mutual_tls_authentication": "mutualTlsAuthentication",
    "ownership_verification_certificate_arn": "ownershipVerificationCertificateArn",
    "policy": "policy",
}


def update_domain_name(self, context, domain_name, domain_name_id=None, patch_operations=None, **kwargs):
    """Changes it as the reference's "Patch operations" say; an empty truststore turns mutual TLS off (field: Terraform)."""
    domain = get_apigateway_store(context=context).domain_names.get(domain_name)
    if not domain:
        raise NotFoundException("Invalid domain name identifier specified")
    for operation in patch_operations or []:
        *parents, key = operation["path"].split("/")[1:]
        at = domain
        for parent in parents:
            at = at.setdefault(parent, {})
        if operation["op"] == "remove" or operation.get("value") in (None, ""):
            at.pop(key, None)
        else:
            at[key] = operation["value"]
    if not (domain.get("mutualTlsAuthentication") or {}).get("truststoreUri"):
        domain.pop("mutualTlsAuthentication", None)
    return domain


ApigatewayProvider.update_domain_name = update_domain_name


def _mappings(context, domain_name):
    return get_apigateway_store(context=context).base_path_mappings.get(domain_name) or []


@patch(ApigatewayProvider.create_base_path_mapping)
def create_base_path_mapping(fn, self, context, domain_name, rest_api_id, base_path=None, stage=None, **kwargs):
    """A base path that is taken, and an API, a stage or a domain that is not there, are refused (model, field)."""
    if domain_name not in get_apigateway_store(context=context).domain_names:
        raise NotFoundException("Invalid domain name identifier specified")
    if any(mapping["basePath"] == (base_path or "(none)") for mapping in _mappings(context, domain_name)):
        raise ConflictException("Base path already exists for this domain name")
    if stage not in get_moto_rest_api(context, rest_api_id).stages:
        raise BadRequestException("Invalid stage identifier specified")
    return fn(self, context, domain_name=domain_name, rest_api_id=rest_api_id, base_path=base_path, stage=stage, **kwargs)


@patch(ApigatewayNextGenProvider.delete_rest_api)
def delete_rest_api(fn, self, context, rest_api_id, **kwargs):
    """Not while a custom domain leads to it (field: glomex/gcdt#373)."""
    mappings = get_apigateway_store(context=context).base_path_mappings
    names = [name for name, all in mappings.items() if any(one["restApiId"] == rest_api_id for one in all)]
    if names:
        raise BadRequestException(
            f"Deleting RestApi {rest_api_id} failed. Please remove all base path mappings related to the RestApi in your domains: "
            + ", ".join(names)
        )
    fn(self, context, rest_api_id=rest_api_id, **kwargs)
    _forget(context)


def _enter_by_custom_domain(request):
    """A request to a custom domain name goes to the stage to which its first segment leads, without that segment; what no base path
    takes goes to the root's stage (doc, "Use API mappings to connect API stages to a custom domain name")."""
    host = request.host.partition(":")[0]
    for store in [store for regions in apigateway_stores.values() for store in regions.values()]:
        name = next((name for name in (host, "*." + host.partition(".")[2]) if name in store.domain_names), None)
        if name is None:
            continue
        mappings = {mapping["basePath"]: mapping for mapping in store.base_path_mappings.get(name) or []}
        uri = request.environ.get("RAW_URI") or request.path
        first, _, rest = uri.lstrip("/").partition("/")
        first, question, query = first.partition("?")
        mapping = mappings.get(first)
        path = f"/{rest}{question}{query}" if mapping else uri
        mapping = mapping or mappings.get("(none)")
        if mapping:
            uri = f"/_aws/execute-api/{mapping['restApiId']}/{mapping['stage']}{path}"
            request.environ["RAW_URI"] = uri
            request.path = request.environ["PATH_INFO"] = uri.partition("?")[0]
        return


if __name__ == "__main__":
    main()
