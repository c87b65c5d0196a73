"""Methods of resources and their responses."""

from __future__ import annotations

from collections.abc import Callable

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.ports import Shape
from haneul.services.apigateway.errors import bad_request, conflict, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import ALL, REPLACE_REMOVE, Rule, patched
from haneul.services.apigateway.records import Home, home_of, load, save
from haneul.services.apigateway.resources import find_resource
from haneul.store.port import Reader, Transaction

HTTP_METHODS = ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "HEAD", "ANY")
_AUTHORIZATION_TYPES = ("NONE", "AWS_IAM", "CUSTOM", "COGNITO_USER_POOLS")
_METHOD_PATH = "/restapis/{restApiId}/resources/{resourceId}/methods/{httpMethod}"
_RESPONSE_PATH = _METHOD_PATH + "/responses/{statusCode}"
_RULES = (
    Rule("/authorizationType"),
    Rule("/authorizerId", operations=REPLACE_REMOVE),
    Rule("/apiKeyRequired", "boolean"),
    Rule("/operationName", operations=REPLACE_REMOVE),
    Rule("/requestValidatorId", operations=REPLACE_REMOVE),
    Rule("/requestParameters/{name}", "boolean", ALL),
    Rule("/requestModels/{type}", operations=ALL),
)
_RESPONSE_RULES = (Rule("/responseParameters/{name}", "boolean", ALL), Rule("/responseModels/{type}", operations=ALL))


def find_method(resource: Shape, http_method: str) -> Shape:
    """A resource's method, or NotFoundException."""
    method: Shape | None = resource["methods"].get(http_method)
    if method is None:
        raise not_found("Invalid Method identifier specified")
    return method


def read_method(reader: Reader, call: Call, request: Shape) -> Shape:
    """The method that a request names."""
    return find_method(find_resource(reader, home_of(call), request["restApiId"], request["resourceId"]), request["httpMethod"])


async def change_method(call: Call, request: Shape, change: Callable[[Transaction, Shape], Shape]) -> Shape:
    """Change one method in a transaction; returns what `change` returns."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> Shape:
        resource = find_resource(tx, home, api_id, request["resourceId"])
        result = change(tx, find_method(resource, request["httpMethod"]))
        save(tx, home, resource, "resource", api_id, resource["id"])
        return result

    return await call.cloud.store.transact(work)


def check_method(reader: Reader, home: Home, api_id: str, method: Shape) -> None:
    """Whether what a method refers to is there and what it says can be done."""
    kind = method["authorizationType"]
    if kind not in _AUTHORIZATION_TYPES:
        raise bad_request(f"Invalid authorization type specified. Valid options are {', '.join(_AUTHORIZATION_TYPES)}")
    if kind in ("CUSTOM", "COGNITO_USER_POOLS"):
        authorizer = load(reader, home, "authorizer", api_id, method["authorizerId"]) if method.get("authorizerId") else None
        if authorizer is None or (authorizer["type"] == "COGNITO_USER_POOLS") != (kind == "COGNITO_USER_POOLS"):
            raise bad_request("Invalid authorizer ID specified. Setting the authorization type to CUSTOM or COGNITO_USER_POOLS requires a valid authorizer.")
    validator = method.get("requestValidatorId")
    if validator and load(reader, home, "validator", api_id, validator) is None:
        raise bad_request("Invalid Request Validator identifier specified")
    for model in method.get("requestModels", {}).values():
        if load(reader, home, "model", api_id, model) is None:
            raise bad_request(f"Invalid model identifier specified: {model}")
    names = [name.rpartition(".")[2] for name in method.get("requestParameters", {})]
    if len(set(names)) != len(names):
        raise bad_request("Parameter names must be unique across querystring, header and path")
    for name in method.get("requestParameters", {}):
        if not name.startswith(("method.request.path.", "method.request.querystring.", "method.request.header.", "method.request.multivalue")):
            raise bad_request(f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [Invalid mapping expression specified: {name}]")


def new_method(request: Shape) -> Shape:
    """The document of a method."""
    method: Shape = {
        "httpMethod": request["httpMethod"],
        "authorizationType": request["authorizationType"],
        "apiKeyRequired": request.get("apiKeyRequired", False),
    }
    for name in ("authorizerId", "requestValidatorId", "operationName", "requestParameters", "requestModels"):
        if request.get(name):
            method[name] = request[name]
    return method


@api_operation("PutMethod", "PUT", _METHOD_PATH, partial="authorizationScopes are refused")
async def put_method(call: Call, request: Shape) -> Shape:
    """Add a method to a resource (API reference: PutMethod)."""
    if request.get("authorizationScopes"):
        raise NotBuilt("the parameter authorizationScopes of apigateway:PutMethod")
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> Shape:
        resource = find_resource(tx, home, api_id, request["resourceId"])
        if request["httpMethod"] not in HTTP_METHODS:
            raise bad_request(f"Invalid HttpMethod specified. Valid options are {','.join(HTTP_METHODS)}")
        if request["httpMethod"] in resource["methods"]:
            raise conflict("Method already exists for this resource")
        method = new_method(request)
        check_method(tx, home, api_id, method)
        resource["methods"][request["httpMethod"]] = method
        save(tx, home, resource, "resource", api_id, resource["id"])
        return method

    return await call.cloud.store.transact(work)


@api_operation("GetMethod", "GET", _METHOD_PATH)
async def get_method(call: Call, request: Shape) -> Shape:
    """One method with its responses and its integration."""
    return read_method(call.cloud.store, call, request)


@api_operation("UpdateMethod", "PATCH", _METHOD_PATH)
async def update_method(call: Call, request: Shape) -> Shape:
    """Patch a method."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> Shape:
        resource = find_resource(tx, home, api_id, request["resourceId"])
        method = _patch(find_method(resource, request["httpMethod"]), request.get("patchOperations", []))
        check_method(tx, home, api_id, method)
        resource["methods"][request["httpMethod"]] = method
        save(tx, home, resource, "resource", api_id, resource["id"])
        return method

    return await call.cloud.store.transact(work)


_PLAIN_PATHS = frozenset(rule.path for rule in _RULES if "{" not in rule.path)


def _patch(method: Shape, operations: list[Shape]) -> Shape:
    """Methods word their refusals differently from other documents."""
    for operation in operations:
        path, op = operation.get("path", ""), operation.get("op")
        if path in _PLAIN_PATHS and op not in ("replace", "remove"):
            raise bad_request("Invalid patch operation specified. Must be one of: [replace]")
        if path not in _PLAIN_PATHS and not (path.startswith(("/requestParameters/", "/requestModels/")) and path.count("/") == 2):
            raise bad_request(f"Invalid patch path {path}")
    method = patched(method, operations, _RULES)
    for name in ("authorizerId", "operationName", "requestValidatorId", "requestParameters", "requestModels"):
        if name in method and not method[name]:
            del method[name]
    if method["authorizationType"] not in ("CUSTOM", "COGNITO_USER_POOLS"):
        method.pop("authorizerId", None)
    return method


@api_operation("DeleteMethod", "DELETE", _METHOD_PATH)
async def delete_method(call: Call, request: Shape) -> None:
    """Delete a method."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> None:
        resource = find_resource(tx, home, api_id, request["resourceId"])
        find_method(resource, request["httpMethod"])
        del resource["methods"][request["httpMethod"]]
        save(tx, home, resource, "resource", api_id, resource["id"])

    await call.cloud.store.transact(work)


# ---- responses


def check_status(status: str) -> None:
    if len(status) != 3 or not status.isdigit() or not 100 <= int(status) <= 599:
        raise bad_request("Invalid status code specified")


def _find_response(method: Shape, status: str) -> Shape:
    response: Shape | None = method.get("methodResponses", {}).get(status)
    if response is None:
        raise not_found("Invalid Response status code specified")
    return response


@api_operation("PutMethodResponse", "PUT", _RESPONSE_PATH)
async def put_method_response(call: Call, request: Shape) -> Shape:
    """Declare a response of a method."""
    status = request["statusCode"]
    check_status(status)

    def change(tx: Transaction, method: Shape) -> Shape:
        responses = method.setdefault("methodResponses", {})
        if status in responses:
            raise conflict("Response already exists for this resource")
        for model in request.get("responseModels", {}).values():
            if load(tx, home_of(call), "model", request["restApiId"], model) is None:
                raise bad_request(f"Invalid model identifier specified: {model}")
        responses[status] = {"statusCode": status, **{name: request[name] for name in ("responseParameters", "responseModels") if request.get(name)}}
        return dict(responses[status])

    return await change_method(call, request, change)


@api_operation("GetMethodResponse", "GET", _RESPONSE_PATH)
async def get_method_response(call: Call, request: Shape) -> Shape:
    """One declared response."""
    return _find_response(read_method(call.cloud.store, call, request), request["statusCode"])


@api_operation("UpdateMethodResponse", "PATCH", _RESPONSE_PATH)
async def update_method_response(call: Call, request: Shape) -> Shape:
    """Patch a declared response."""

    def change(tx: Transaction, method: Shape) -> Shape:
        response = patched(_find_response(method, request["statusCode"]), request.get("patchOperations", []), _RESPONSE_RULES)
        method["methodResponses"][request["statusCode"]] = response
        return response

    return await change_method(call, request, change)


@api_operation("DeleteMethodResponse", "DELETE", _RESPONSE_PATH)
async def delete_method_response(call: Call, request: Shape) -> None:
    """Take a declared response back."""

    def change(tx: Transaction, method: Shape) -> Shape:
        _find_response(method, request["statusCode"])
        del method["methodResponses"][request["statusCode"]]
        return {}

    await change_method(call, request, change)
