"""Integrations: what stands behind a method."""

from __future__ import annotations

import re

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, refuse_given
from haneul.core.ports import Shape
from haneul.services.apigateway.errors import bad_request, not_found
from haneul.services.apigateway.methods import change_method, check_status, read_method
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import ALL, REPLACE, REPLACE_REMOVE, Rule, patched
from haneul.store.port import Transaction

TIMEOUT_MILLIS_DEFAULT = 29_000
TIMEOUT_MILLIS_MIN = 50
TIMEOUT_MILLIS_MAX = 29_000
_PATH = "/restapis/{restApiId}/resources/{resourceId}/methods/{httpMethod}/integration"
_RESPONSE_PATH = _PATH + "/responses/{statusCode}"
_LAMBDA_URI = re.compile(r"arn:aws[a-z-]*:apigateway:[a-z0-9-]+:lambda:path/+2015-03-31/functions/(?P<function>[^/]+)/(?:invocations)")
_RULES = (
    Rule("/uri", operations=REPLACE),
    Rule("/httpMethod", operations=REPLACE),
    Rule("/credentials", operations=REPLACE_REMOVE),
    Rule("/timeoutInMillis", "integer"),
    Rule("/passthroughBehavior"),
    Rule("/requestTemplates/{type}", operations=ALL),
    Rule("/cacheNamespace"),
    Rule("/cacheKeyParameters/{name}", "set", ALL),
)
_RESPONSE_RULES = (
    Rule("/selectionPattern", operations=REPLACE_REMOVE),
    Rule("/responseParameters/{name}", operations=ALL),
    Rule("/responseTemplates/{type}", operations=ALL),
)


def function_in_uri(uri: str) -> str | None:
    """The function's ARN in the URI of a Lambda integration (it may hold `${stageVariables.name}`); None for another URI."""
    found = _LAMBDA_URI.fullmatch(uri)
    return found["function"] if found else None


def new_integration(request: Shape, resource_id: str) -> Shape:
    """The document of an integration, refused where it could not be carried out."""
    integration: Shape = {
        "type": request["type"],
        "passthroughBehavior": request.get("passthroughBehavior", "WHEN_NO_MATCH"),
        "timeoutInMillis": request.get("timeoutInMillis", TIMEOUT_MILLIS_DEFAULT),
        "cacheNamespace": request.get("cacheNamespace", resource_id),
        "cacheKeyParameters": request.get("cacheKeyParameters", []),
    }
    if "integrationHttpMethod" in request:
        integration["httpMethod"] = request["integrationHttpMethod"]
    for name in ("uri", "credentials", "requestParameters", "requestTemplates", "connectionType", "connectionId", "contentHandling", "tlsConfig", "responseTransferMode"):
        if request.get(name):
            integration[name] = request[name]
    check_integration(integration)
    return integration


def check_integration(integration: Shape) -> None:
    """BadRequestException for what is wrong, NotBuilt for what is not done here."""
    kind = integration["type"]
    if kind in ("HTTP", "HTTP_PROXY", "AWS"):
        raise NotBuilt(f"the integration type {kind} of apigateway:PutIntegration")
    for name in ("connectionId", "tlsConfig"):
        if name in integration:
            raise NotBuilt(f"the parameter {name} of apigateway:PutIntegration")
    # A proxied function gets text as it is and binary bodies in base64, which is what CONVERT_TO_TEXT asks for; what MOCK reads is text.
    if "contentHandling" in integration and integration["contentHandling"] != "CONVERT_TO_TEXT":
        raise NotBuilt("the parameter contentHandling of apigateway:PutIntegration")
    if integration.get("responseTransferMode", "BUFFERED") != "BUFFERED":
        raise NotBuilt("the response transfer mode STREAM of apigateway:PutIntegration")
    if integration["cacheKeyParameters"]:
        raise NotBuilt("the parameter cacheKeyParameters of apigateway:PutIntegration")
    if not TIMEOUT_MILLIS_MIN <= integration["timeoutInMillis"] <= TIMEOUT_MILLIS_MAX:
        raise bad_request(f"Timeout should be between {TIMEOUT_MILLIS_MIN} ms and {TIMEOUT_MILLIS_MAX} ms")
    if integration["passthroughBehavior"] not in ("WHEN_NO_MATCH", "WHEN_NO_TEMPLATES", "NEVER"):
        raise bad_request("Invalid passthrough behavior specified")
    if kind == "AWS_PROXY":
        _check_proxy(integration)
    elif kind == "MOCK":
        for template in integration.get("requestTemplates", {}).values():
            check_template(template)
        if integration.get("requestParameters"):
            raise NotBuilt("request parameters of MOCK integrations in apigateway:PutIntegration")


def _check_proxy(integration: Shape) -> None:
    if not integration.get("uri"):
        raise bad_request("Invalid HTTP endpoint specified for URI" if "uri" in integration else "AWS ARN for integration must contain path or action")
    uri = integration["uri"]
    if not uri.startswith("arn:"):
        raise bad_request("Invalid ARN specified in the request")
    if function_in_uri(uri) is None:
        raise bad_request("Integrations of type 'AWS_PROXY' currently only supports Lambda function and Firehose stream invocations.")
    if not integration.get("httpMethod"):
        raise bad_request("Enumeration value for HttpMethod must be non-empty")
    if integration["httpMethod"] != "POST":
        raise NotBuilt("invoking functions by methods other than POST in apigateway:PutIntegration")
    if integration.get("requestParameters"):
        raise NotBuilt("request parameters of AWS_PROXY integrations in apigateway:PutIntegration")


def check_template(template: str) -> None:
    """Mapping templates are taken as they stand; those with references or directives in them are refused."""
    if "$" in template or "#" in template:
        raise NotBuilt("references and directives in mapping templates of apigateway")


def _find_integration(method: Shape) -> Shape:
    integration: Shape | None = method.get("methodIntegration")
    if integration is None:
        raise not_found("No integration defined for method")
    return integration


@api_operation("PutIntegration", "PUT", _PATH, partial="only AWS_PROXY to functions and MOCK without template references")
async def put_integration(call: Call, request: Shape) -> Shape:
    """Put a function, or a fixed answer, behind a method (API reference: PutIntegration)."""
    refuse_given("apigateway:PutIntegration", request, "integrationTarget")

    def change(tx: Transaction, method: Shape) -> Shape:
        integration = new_integration(request, request["resourceId"])
        known = method.get("methodIntegration", {}).get("integrationResponses")
        if known:
            integration["integrationResponses"] = known
        method["methodIntegration"] = integration
        return integration

    return await change_method(call, request, change)


@api_operation("GetIntegration", "GET", _PATH)
async def get_integration(call: Call, request: Shape) -> Shape:
    """A method's integration."""
    return _find_integration(read_method(call.cloud.store, call, request))


@api_operation("UpdateIntegration", "PATCH", _PATH)
async def update_integration(call: Call, request: Shape) -> Shape:
    """Patch an integration."""

    def change(tx: Transaction, method: Shape) -> Shape:
        integration = patched(_find_integration(method), request.get("patchOperations", []), _RULES)
        check_integration(integration)
        method["methodIntegration"] = integration
        return integration

    return await change_method(call, request, change)


@api_operation("DeleteIntegration", "DELETE", _PATH)
async def delete_integration(call: Call, request: Shape) -> None:
    """Take a method's integration away."""

    def change(tx: Transaction, method: Shape) -> Shape:
        _find_integration(method)
        del method["methodIntegration"]
        return {}

    await change_method(call, request, change)


# ---- responses


def _find_response(method: Shape, status: str) -> Shape:
    response: Shape | None = _find_integration(method).get("integrationResponses", {}).get(status)
    if response is None:
        raise not_found("Invalid Integration Response identifier specified")
    return response


def check_response(response: Shape, method: Shape) -> None:
    """Whether an integration's response can be carried out: headers are literals in quotation marks and declared by the method."""
    for template in response.get("responseTemplates", {}).values():
        check_template(template)
    declared = method.get("methodResponses", {}).get(response["statusCode"], {}).get("responseParameters", {})
    for name, value in response.get("responseParameters", {}).items():
        if not name.startswith("method.response.header.") or name not in declared:
            raise bad_request(
                "Invalid mapping expression specified: Validation Result: warnings : [], errors : "
                f"[Invalid mapping expression parameter specified: {name}]"
            )
        if not (len(value) >= 2 and value[0] == value[-1] == "'"):
            raise NotBuilt("response parameters that are not literals in apigateway:PutIntegrationResponse")
    if response.get("contentHandling"):
        raise NotBuilt("the parameter contentHandling of apigateway:PutIntegrationResponse")
    if response.get("selectionPattern"):
        try:
            re.compile(response["selectionPattern"])
        except re.error:
            raise bad_request("Invalid selection pattern specified") from None


def new_response(request: Shape) -> Shape:
    """The document of an integration's response."""
    names = ("selectionPattern", "responseParameters", "responseTemplates", "contentHandling")
    return {"statusCode": request["statusCode"], **{name: request[name] for name in names if request.get(name)}}


@api_operation("PutIntegrationResponse", "PUT", _RESPONSE_PATH, partial="only literal headers and templates without references")
async def put_integration_response(call: Call, request: Shape) -> Shape:
    """Say how an integration's answer becomes the method's."""
    check_status(request["statusCode"])

    def change(tx: Transaction, method: Shape) -> Shape:
        integration = _find_integration(method)
        if request["statusCode"] not in method.get("methodResponses", {}):
            raise not_found("Invalid Response status code specified")
        response = new_response(request)
        check_response(response, method)
        integration.setdefault("integrationResponses", {})[request["statusCode"]] = response
        return response

    return await change_method(call, request, change)


@api_operation("GetIntegrationResponse", "GET", _RESPONSE_PATH)
async def get_integration_response(call: Call, request: Shape) -> Shape:
    """One response of an integration."""
    return _find_response(read_method(call.cloud.store, call, request), request["statusCode"])


@api_operation("UpdateIntegrationResponse", "PATCH", _RESPONSE_PATH)
async def update_integration_response(call: Call, request: Shape) -> Shape:
    """Patch a response of an integration."""

    def change(tx: Transaction, method: Shape) -> Shape:
        response = patched(_find_response(method, request["statusCode"]), request.get("patchOperations", []), _RESPONSE_RULES)
        check_response(response, method)
        method["methodIntegration"]["integrationResponses"][request["statusCode"]] = response
        return response

    return await change_method(call, request, change)


@api_operation("DeleteIntegrationResponse", "DELETE", _RESPONSE_PATH)
async def delete_integration_response(call: Call, request: Shape) -> None:
    """Take a response of an integration away."""

    def change(tx: Transaction, method: Shape) -> Shape:
        _find_response(method, request["statusCode"])
        del method["methodIntegration"]["integrationResponses"][request["statusCode"]]
        return {}

    await change_method(call, request, change)
