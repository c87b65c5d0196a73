"""Trying a method out without deploying it; having authorizers asked anew."""

from __future__ import annotations

from haneul.clock import MILLISECOND
from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.http import HttpRequest
from haneul.core.ports import Shape
from haneul.services.apigateway.deployments import snapshot_of
from haneul.services.apigateway.errors import not_found
from haneul.services.apigateway.methods import read_method
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.plane.compiled import compile_stage
from haneul.services.apigateway.plane.exchange import Exchange
from haneul.services.apigateway.records import find_api, home_of
from haneul.services.apigateway.resources import find_resource
from haneul.services.apigateway.service import ApiGateway
from haneul.services.apigateway.stages import find_stage

_STAGE = "test-invoke-stage"


@api_operation("TestInvokeMethod", "POST", "/restapis/{restApiId}/resources/{resourceId}/methods/{httpMethod}", partial="without authorization, as in the service; clientCertificateId is refused")
async def test_invoke_method(call: Call, request: Shape) -> Shape:
    """Send one request through a method as it stands now, without deploying it and without asking authorizers (API reference: TestInvokeMethod)."""
    if "clientCertificateId" in request:
        raise NotBuilt("the parameter clientCertificateId of apigateway:TestInvokeMethod")
    home, store = home_of(call), call.cloud.store
    api = find_api(store, home, request["restApiId"])
    resource = find_resource(store, home, api["id"], request["resourceId"])
    if "methodIntegration" not in read_method(store, call, request):
        raise not_found("No integration defined for method")
    snapshot = snapshot_of(store, home, api)
    document = {"stageName": _STAGE, "deploymentId": "", "variables": request.get("stageVariables", {})}
    stage = compile_stage(home, document, {**snapshot, "resources": [_open(one) for one in snapshot["resources"]], "api": {**api, "policy": None}})
    path, _, query = (request.get("pathWithQueryString") or resource["path"]).partition("?")
    headers = {name.lower(): value for name, value in request.get("headers", {}).items()}
    for name, values in request.get("multiValueHeaders", {}).items():
        headers[name.lower()] = ",".join(values)
    headers.setdefault("host", f"{api['id']}.execute-api.{home.region}.amazonaws.com")
    verb = request["httpMethod"] if request["httpMethod"] != "ANY" else "GET"
    http = HttpRequest(verb, path, query, headers, (request.get("body") or "").encode(), remote="test-invoke-source-ip")
    exchange = Exchange(http, stage, path, call.cloud.ids, call.now)
    response = await call.service(ApiGateway).gateway.answer(exchange)
    latency = (call.now - exchange.now) // MILLISECOND
    body = response.body.decode("utf-8", "replace") if isinstance(response.body, bytes) else ""
    shown = {name: value for name, value in response.headers.items() if name not in ("x-amzn-RequestId", "x-amz-apigw-id")}
    multiple = {name: [value] for name, value in shown.items()}
    for name, value in response.repeated:
        multiple.setdefault(name, []).append(value)
    log = (
        f"Execution log for request {exchange.request_id}\nStarting execution for request: {exchange.request_id}\n"
        f"HTTP Method: {verb}, Resource Path: {path}\nMethod response body after transformations: {body}\n"
        f"Method response headers: {shown}\nSuccessfully completed execution\nMethod completed with status: {response.status}\n"
    )
    return {
        "status": response.status,
        "body": body,
        "headers": shown,
        "multiValueHeaders": multiple,
        "log": log,
        "latency": latency,
    }


def _open(resource: Shape) -> Shape:
    """A resource whose methods let everybody in: trying a method out skips authorization, the caller has shown his permission already."""
    methods = {name: {**method, "authorizationType": "NONE", "apiKeyRequired": False} for name, method in resource["methods"].items() if "methodIntegration" in method}
    return {**resource, "methods": methods}


@api_operation("FlushStageAuthorizersCache", "DELETE", "/restapis/{restApiId}/stages/{stageName}/cache/authorizers")
async def flush_stage_authorizers_cache(call: Call, request: Shape) -> None:
    """Have a stage's authorizers asked anew."""
    find_stage(call.cloud.store, call, request)
    call.service(ApiGateway).gateway.deciders.forget(request["restApiId"], request["stageName"])
