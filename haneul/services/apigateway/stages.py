"""Stages: names under which deployments are served, with variables and limits of their own."""

from __future__ import annotations

import copy
import re
from typing import Any

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.ports import Shape
from haneul.services.apigateway.errors import bad_request, conflict, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import convert, split_path
from haneul.services.apigateway.records import documents, find_api, home_of, load, remove, save
from haneul.services.apigateway.tags import check_tags
from haneul.store.port import Reader, Transaction

_NAME = re.compile(r"[A-Za-z0-9_-]{1,128}|\$default")
_VARIABLE_NAME = re.compile(r"\w+")
_VARIABLE_VALUE = re.compile(r"[A-Za-z0-9\-._~:/?#&=,@!$'()*+;%\[\] ]*")
# The last two steps of a method setting's path → the setting's name and kind.
_METHOD_SETTINGS = {
    ("metrics", "enabled"): ("metricsEnabled", "boolean"),
    ("logging", "dataTrace"): ("dataTraceEnabled", "boolean"),
    ("logging", "loglevel"): ("loggingLevel", "text"),
    ("throttling", "burstLimit"): ("throttlingBurstLimit", "integer"),
    ("throttling", "rateLimit"): ("throttlingRateLimit", "number"),
    ("caching", "ttlInSeconds"): ("cacheTtlInSeconds", "integer"),
    ("caching", "enabled"): ("cachingEnabled", "boolean"),
    ("caching", "dataEncrypted"): ("cacheDataEncrypted", "boolean"),
    ("caching", "requireAuthorizationForCacheControl"): ("requireAuthorizationForCacheControl", "boolean"),
    ("caching", "unauthorizedCacheControlHeaderStrategy"): ("unauthorizedCacheControlHeaderStrategy", "text"),
}
_SETTINGS_DEFAULT = {
    "metricsEnabled": False,
    "dataTraceEnabled": False,
    "throttlingBurstLimit": 5000,
    "throttlingRateLimit": 10000.0,
    "cachingEnabled": False,
    "cacheTtlInSeconds": 300,
    "cacheDataEncrypted": False,
    "requireAuthorizationForCacheControl": True,
    "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
}
_PATHS = (
    "[/deploymentId, /description, /cacheClusterEnabled, /cacheClusterSize, /clientCertificateId, /accessLogSettings, /accessLogSettings/destinationArn, "
    "/accessLogSettings/format, /{resourcePath}/{httpMethod}/metrics/enabled, /{resourcePath}/{httpMethod}/logging/dataTrace, "
    "/{resourcePath}/{httpMethod}/logging/loglevel, /{resourcePath}/{httpMethod}/throttling/burstLimit/{resourcePath}/{httpMethod}/throttling/rateLimit"
    "/{resourcePath}/{httpMethod}/caching/ttlInSeconds, /{resourcePath}/{httpMethod}/caching/enabled, /{resourcePath}/{httpMethod}/caching/dataEncrypted, "
    "/{resourcePath}/{httpMethod}/caching/requireAuthorizationForCacheControl, /{resourcePath}/{httpMethod}/caching/unauthorizedCacheControlHeaderStrategy, "
    "/*/*/metrics/enabled, /*/*/logging/dataTrace, /*/*/logging/loglevel, /*/*/throttling/burstLimit /*/*/throttling/rateLimit /*/*/caching/ttlInSeconds, "
    "/*/*/caching/enabled, /*/*/caching/dataEncrypted, /*/*/caching/requireAuthorizationForCacheControl, "
    "/*/*/caching/unauthorizedCacheControlHeaderStrategy, /variables/{variable_name}, /tracingEnabled]"
)


def check_stage_name(name: str) -> None:
    if not _NAME.fullmatch(name):
        raise bad_request("Stage name only allows a-zA-Z0-9_-")


def check_variables(variables: dict[str, str]) -> None:
    """Names are words; values are what may stand in a URL."""
    for name, value in variables.items():
        if not _VARIABLE_NAME.fullmatch(name):
            raise bad_request(f"Stage variable name '{name}' is invalid. Please use values with alphanumeric characters and underscores")
        if not _VARIABLE_VALUE.fullmatch(value):
            raise bad_request(f"Stage variable value '{value}' is invalid. Please use values with alphanumeric characters and the symbols '-._~:/?#&=,'")


def new_stage(call: Call, name: str, deployment_id: str) -> Shape:
    """The document of a stage."""
    return {
        "deploymentId": deployment_id,
        "stageName": name,
        "cacheClusterEnabled": False,
        "cacheClusterStatus": "NOT_AVAILABLE",
        "methodSettings": {},
        "tracingEnabled": False,
        "createdDate": call.now,
        "lastUpdatedDate": call.now,
    }


def find_stage(reader: Reader, call: Call, request: Shape) -> Shape:
    stage = load(reader, home_of(call), "stage", request["restApiId"], request["stageName"])
    if stage is None:
        raise not_found("Invalid stage identifier specified")
    return stage


@api_operation("CreateStage", "POST", "/restapis/{restApiId}/stages", partial="caching, canaries and tracing are refused")
async def create_stage(call: Call, request: Shape) -> Shape:
    """Make a stage that serves a deployment (API reference: CreateStage)."""
    if request.get("cacheClusterEnabled"):
        raise NotBuilt("the parameter cacheClusterEnabled of apigateway:CreateStage")
    if "canarySettings" in request:
        raise NotBuilt("the parameter canarySettings of apigateway:CreateStage")
    if request.get("tracingEnabled"):
        raise NotBuilt("the parameter tracingEnabled of apigateway:CreateStage")
    home, api_id, name = home_of(call), request["restApiId"], request["stageName"]
    check_stage_name(name)
    check_variables(request.get("variables", {}))
    check_tags(request.get("tags", {}))
    stage = new_stage(call, name, request["deploymentId"])
    for member in ("description", "variables", "documentationVersion", "tags"):
        if request.get(member):
            stage[member] = request[member]

    def work(tx: Transaction) -> None:
        find_api(tx, home, api_id)
        if load(tx, home, "deployment", api_id, request["deploymentId"]) is None:
            raise bad_request("Deployment id does not exist")
        if load(tx, home, "stage", api_id, name) is not None:
            raise conflict("Stage already exists")
        save(tx, home, stage, "stage", api_id, name)

    await call.cloud.store.transact(work)
    return stage


@api_operation("GetStage", "GET", "/restapis/{restApiId}/stages/{stageName}")
async def get_stage(call: Call, request: Shape) -> Shape:
    """One stage."""
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    return find_stage(call.cloud.store, call, request)


@api_operation("GetStages", "GET", "/restapis/{restApiId}/stages")
async def get_stages(call: Call, request: Shape) -> Shape:
    """An API's stages, all or those that serve one deployment."""
    home, store = home_of(call), call.cloud.store
    find_api(store, home, request["restApiId"])
    wanted = request.get("deploymentId")
    return {"item": [stage for stage in documents(store, home, "stage", request["restApiId"]) if wanted in (None, stage["deploymentId"])]}


@api_operation("UpdateStage", "PATCH", "/restapis/{restApiId}/stages/{stageName}", partial="caching, logging, tracing, canaries and client certificates are refused")
async def update_stage(call: Call, request: Shape) -> Shape:
    """Patch a stage: its deployment, variables, throttling (API reference: UpdateStage)."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> Shape:
        find_api(tx, home, api_id)
        stage = copy.deepcopy(find_stage(tx, call, request))
        for operation in request.get("patchOperations", []):
            _patch(stage, operation)
        if load(tx, home, "deployment", api_id, stage["deploymentId"]) is None:
            raise bad_request("Deployment id does not exist")
        check_variables(stage.get("variables", {}))
        stage["lastUpdatedDate"] = call.now
        save(tx, home, stage, "stage", api_id, stage["stageName"])
        return stage

    return await call.cloud.store.transact(work)


def _patch(stage: Shape, operation: Shape) -> None:
    op, path, value = operation.get("op", ""), operation.get("path", ""), operation.get("value")
    if op == "copy" or path.startswith("/canarySettings"):
        raise NotBuilt("canaries in apigateway:UpdateStage")
    steps = split_path(path)
    if op not in ("add", "replace", "remove"):
        raise bad_request(f"Invalid patch operation specified: {op}")
    if len(steps) == 1 and steps[0] in ("deploymentId", "description", "documentationVersion"):
        stage[steps[0]] = value or ""
    elif len(steps) == 2 and steps[0] == "variables":
        variables = stage.setdefault("variables", {})
        if op == "remove":
            variables.pop(steps[1], None)
        else:
            variables[steps[1]] = value or ""
    elif steps in (["cacheClusterEnabled"], ["tracingEnabled"]):
        if convert("boolean", value, path):
            raise NotBuilt(f"the path {path} of apigateway:UpdateStage")
        stage[steps[0]] = False
    elif steps[0] in ("accessLogSettings", "cacheClusterSize", "clientCertificateId") and op != "remove":
        raise NotBuilt(f"the path {path} of apigateway:UpdateStage")
    elif len(steps) >= 4 and (setting := _METHOD_SETTINGS.get((steps[-2], steps[-1]))) is not None:
        _patch_setting(stage, op, "/".join(steps[:-2]), *setting, value, path)
    elif op == "remove" and len(steps) == 2 and "/".join(steps) in stage["methodSettings"]:
        del stage["methodSettings"]["/".join(steps)]
    elif not (op == "remove" and steps[0] in ("accessLogSettings", "clientCertificateId")):
        raise bad_request(f"Invalid method setting path: {path}. Must be one of: {_PATHS}")


def _patch_setting(stage: Shape, op: str, method: str, name: str, kind: str, text: str | None, path: str) -> None:
    """One setting of the methods that `method` (`*/*` or `~1path/GET`) names."""
    value: Any = _SETTINGS_DEFAULT.get(name) if op == "remove" else convert(kind, text, path)
    off = {"cachingEnabled": False, "dataTraceEnabled": False, "loggingLevel": "OFF"}
    if name in off and value not in (off[name], None):
        raise NotBuilt(f"the path {path} of apigateway:UpdateStage")
    settings = stage["methodSettings"].setdefault(method.lstrip("/") if method != "*/*" else method, dict(_SETTINGS_DEFAULT))
    if value is None:
        settings.pop(name, None)
    else:
        settings[name] = value


@api_operation("DeleteStage", "DELETE", "/restapis/{restApiId}/stages/{stageName}")
async def delete_stage(call: Call, request: Shape) -> None:
    """Delete a stage; it answers no more."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> None:
        find_api(tx, home, api_id)
        find_stage(tx, call, request)
        remove(tx, home, "stage", api_id, request["stageName"])

    await call.cloud.store.transact(work)
