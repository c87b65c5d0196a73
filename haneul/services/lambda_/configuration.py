"""Checks of a function's configuration, shared by CreateFunction and UpdateFunctionConfiguration.

Source: AWS Lambda API Reference, CreateFunction; Lambda quotas; "Working with Lambda environment variables".
"""

from __future__ import annotations

import re
from typing import Any

import orjson

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.operation import Shape
from haneul.services.lambda_.destinations import check_destination, check_may_send, provided_role_may_not
from haneul.services.lambda_.errors import invalid
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.layer_access import readable_layer
from haneul.services.lambda_.limits import (
    CODE_UNZIPPED_BYTES_MAX,
    ENVIRONMENT_BYTES_MAX,
    EPHEMERAL_STORAGE_MB_DEFAULT,
    EPHEMERAL_STORAGE_MB_MAX,
    LAYERS_MAX,
    MEMORY_MB_MAX,
    TIMEOUT_SECONDS_MAX,
)
from haneul.services.lambda_.names import Target, parse_layer_arn
from haneul.services.lambda_.records import LayerUse, LayerVersion, Version, layer_version_key
from haneul.services.lambda_.shapes import seal_environment
from haneul.store.port import Reader

PRINCIPAL = "lambda.amazonaws.com"

_RESERVED_VARIABLES = frozenset(
    [
        "_HANDLER",
        "_X_AMZN_TRACE_ID",
        "AWS_ACCESS_KEY",
        "AWS_ACCESS_KEY_ID",
        "AWS_DEFAULT_REGION",
        "AWS_EXECUTION_ENV",
        "AWS_LAMBDA_FUNCTION_MEMORY_SIZE",
        "AWS_LAMBDA_FUNCTION_NAME",
        "AWS_LAMBDA_FUNCTION_VERSION",
        "AWS_LAMBDA_INITIALIZATION_TYPE",
        "AWS_LAMBDA_LOG_GROUP_NAME",
        "AWS_LAMBDA_LOG_STREAM_NAME",
        "AWS_LAMBDA_RUNTIME_API",
        "AWS_REGION",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SECRET_KEY",
        "AWS_SECURITY_TOKEN",
        "AWS_SESSION_TOKEN",
        "LAMBDA_RUNTIME_DIR",
        "LAMBDA_TASK_ROOT",
    ]
)
_VARIABLE_NAME = re.compile(r"[a-zA-Z]([a-zA-Z0-9_])+")
_NOT_BUILT = ("FileSystemConfigs", "CapacityProviderConfig", "DurableConfig", "TenancyConfig", "RuntimeConfig", "AcceleratorConfig")
_LOG_LEVELS = ("ApplicationLogLevel", "SystemLogLevel")


def check_built(request: Shape, operation: str) -> None:
    """Refuse parameters that could not be honoured."""
    for name in _NOT_BUILT:
        if request.get(name):
            raise NotBuilt(f"the parameter {name} of lambda:{operation}")
    vpc = request.get("VpcConfig") or {}
    if vpc.get("SubnetIds") or vpc.get("SecurityGroupIds"):
        raise NotBuilt(f"the parameter VpcConfig of lambda:{operation}")


def check_role(call: Call, role_arn: str, target: Target) -> None:
    """The caller may pass the role, and Lambda may assume it."""
    arn = parse_arn(role_arn)
    if arn is not None and arn.account != target.account:
        raise ServiceError("AccessDeniedException", "Cross-account pass role is not allowed.", 403)
    call.authorize("iam:PassRole", role_arn, {"iam:PassedToService": PRINCIPAL, "iam:AssociatedResourceArn": target.arn})
    try:
        call.cloud.authority.role_caller(role_arn, PRINCIPAL, target.name)
    except AccessDenied:
        raise invalid("The role defined for the function cannot be assumed by Lambda.") from None


def check_runtime(runtime: str | None, available: list[str]) -> None:
    """A runtime must be one that this machine has."""
    if runtime is None:
        raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    if runtime not in available:
        raise invalid(f"The runtime parameter of {runtime} is not supported on this machine. It has these runtimes: {', '.join(available)}.")


def check_architecture(request: Shape, machine: str) -> str:
    """The architecture that a request asks for. It must be that of the machine, for which code is there to run; without a word it is."""
    wanted: str = (request.get("Architectures") or [machine])[0]
    if wanted not in ("x86_64", "arm64"):
        raise invalid(f"Value {wanted} at 'architectures' failed to satisfy constraint: Member must satisfy enum value set: [x86_64, arm64]")
    if wanted != machine:
        raise invalid(
            f"The architecture {wanted} is not supported on this machine, which is {machine}. Build the code for {machine} and set Architectures to [{machine}], "
            f"or run Haneul on an {wanted} machine."
        )
    return wanted


def apply_configuration(call: Call, version: Version, request: Shape) -> None:
    """Put the request's settings, checked, into a version's record. Members that the request leaves out stay as they are."""
    if "Handler" in request:
        version.handler = request["Handler"]
    if "Description" in request:
        version.description = request["Description"]
    if "Timeout" in request:
        version.timeout_seconds = _at_most("timeout", request["Timeout"], TIMEOUT_SECONDS_MAX)
    if "MemorySize" in request:
        version.memory_mb = _at_most("memorySize", request["MemorySize"], MEMORY_MB_MAX)
    if "EphemeralStorage" in request:
        version.ephemeral_storage_mb = _at_most("ephemeralStorage.size", request["EphemeralStorage"]["Size"], EPHEMERAL_STORAGE_MB_MAX)
    if "Environment" in request:
        variables = request["Environment"].get("Variables") or {}
        check_variables(variables)
        version.sealed_environment = seal_environment(call.cloud.vault, variables) if variables else None
    if "SnapStart" in request:
        version.snap_start = request["SnapStart"].get("ApplyOn", "None") != "None"
    _check_snap_start(version, call.cloud.settings.sandbox)
    if "TracingConfig" in request:
        version.tracing = request["TracingConfig"].get("Mode", "PassThrough")
    if "DeadLetterConfig" in request:
        version.dead_letter_arn = _dead_letter_arn(call, request["DeadLetterConfig"].get("TargetArn", ""))
    if version.dead_letter_arn and ("DeadLetterConfig" in request or "Role" in request):
        check_may_send(call, version.role, version.name, version.dead_letter_arn, provided_role_may_not)
    if request.get("KMSKeyArn"):
        raise NotBuilt("the parameter KMSKeyArn (environments are sealed with Haneul's own key)")
    if "LoggingConfig" in request:
        _apply_logging(version, request["LoggingConfig"])
    elif not version.log_format:
        version.log_format = "Text"


def _check_snap_start(version: Version, sandbox: str) -> None:
    """What a function with SnapStart may not be ("Improving startup performance with Lambda SnapStart", supported features)."""
    if not version.snap_start:
        return
    if not version.runtime.startswith("python"):
        raise invalid(f"{version.runtime or 'A container image'} is not supported for SnapStart enabled functions.")
    if sandbox != "namespaces":
        raise invalid(f"SnapStart is not supported while functions are held in the sandbox {sandbox}; it needs `haneul start --sandbox namespaces`.")
    if version.ephemeral_storage_mb > EPHEMERAL_STORAGE_MB_DEFAULT:
        raise invalid(f"Ephemeral storage larger than {EPHEMERAL_STORAGE_MB_DEFAULT} MB is not supported for SnapStart enabled functions.")


def _at_most(name: str, value: int, limit: int) -> int:
    if value > limit:
        raise ServiceError(
            "ValidationException",
            f"1 validation error detected: Value '{value}' at '{name}' failed to satisfy constraint: Member must have value less than or equal to {limit}",
            400,
        )
    return value


def check_variables(variables: dict[str, str]) -> None:
    """Names that may be set, and 4 KB of them together."""
    reserved = [name for name in variables if name in _RESERVED_VARIABLES]
    if reserved:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided contains reserved keys that are "
            f"currently not supported for modification. Reserved keys used in this request: {', '.join(sorted(reserved))}"
        )
    for name in variables:
        if _VARIABLE_NAME.fullmatch(name) is None:
            raise ServiceError(
                "ValidationException",
                f"1 validation error detected: Value '{orjson.dumps([name]).decode()}' at 'environment.variables' failed to satisfy constraint: "
                "Map keys must satisfy constraint: [Member must satisfy regular expression pattern: [a-zA-Z]([a-zA-Z0-9_])+]",
                400,
            )
    text = orjson.dumps(variables)
    if len(text) > ENVIRONMENT_BYTES_MAX:
        raise invalid(
            "Lambda was unable to configure your environment variables because the environment variables you have provided exceeded the 4KB limit. "
            f"String measured: {text.decode()}"
        )


def _dead_letter_arn(call: Call, arn: str) -> str:
    if not arn:
        return ""
    parsed = parse_arn(arn)
    if parsed is None or parsed.service not in ("sqs", "sns"):
        raise invalid("The dead letter queue target has to be an SQS queue or an SNS topic.")
    if parsed.service not in call.cloud.services:
        raise NotBuilt(f"dead-letter topics (the service {parsed.service})")
    check_destination(call, arn)
    return arn


def _apply_logging(version: Version, logging: dict[str, Any]) -> None:
    version.log_format = logging.get("LogFormat", "Text")
    if version.log_format == "JSON":
        version.application_log_level = logging.get("ApplicationLogLevel", "INFO")
        version.system_log_level = logging.get("SystemLogLevel", "INFO")
    else:
        for name in _LOG_LEVELS:
            if name in logging:
                raise invalid(f"{name} cannot be set when LogFormat is Text")
        version.application_log_level = version.system_log_level = ""
    group = logging.get("LogGroup", "")
    version.log_group = "" if group == f"/aws/lambda/{version.name}" else group


def layer_uses(call: Call, reader: Reader, arns: list[str], code_unpacked_bytes: int) -> list[LayerUse]:
    """The layer versions that a function wants, checked: that they exist, that it may have them, that all fits."""
    if len(arns) > LAYERS_MAX:
        raise invalid(f"Cannot reference more than {LAYERS_MAX} layers.")
    uses: list[LayerUse] = []
    seen: set[str] = set()
    total = code_unpacked_bytes
    for arn in arns:
        layer = parse_layer_arn(arn)
        if layer is None or not layer.version:
            raise invalid(f"Malformed layer version ARN: {arn}")
        if layer.region != call.region:
            raise invalid(f"Layers are not in the same region as the function. Layers are expected to be in region {call.region}.")
        if layer.arn in seen:
            raise invalid(f"Two different versions of the same layer are not allowed to be referenced in the same function. {layer.version_arn}")
        seen.add(layer.arn)
        readable_layer(call, layer)
        found = read(reader, layer_version_key(layer), LayerVersion)
        if found is None:
            raise invalid(f"Layer version {arn} does not exist.")
        uses.append(LayerUse(layer.version_arn, found.code_size, found.sha256, found.unpacked_size))
        total += found.unpacked_size
    check_unpacked_size(total)
    return uses


def check_unpacked_size(total: int) -> None:
    """Code and layers together."""
    if total > CODE_UNZIPPED_BYTES_MAX:
        raise invalid(
            f"Function code combined with layers exceeds the maximum allowed size of {CODE_UNZIPPED_BYTES_MAX} bytes. The actual size is {total} bytes."
        )
