"""Gateway responses: what clients get when the gateway itself answers.

Source: API Gateway Developer Guide, "Gateway responses for REST APIs" and "Gateway response types".
"""

from __future__ import annotations

import re

from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.errors import bad_request, not_found
from haneul.services.apigateway.methods import check_status
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import ALL, Rule, patched
from haneul.services.apigateway.records import find_api, home_of, load, remove, save
from haneul.store.port import Reader, Transaction

DEFAULT_TEMPLATES = {"application/json": '{"message":$context.error.messageString}'}
STATUSES = {
    "ACCESS_DENIED": "403",
    "API_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_CONFIGURATION_ERROR": "500",
    "AUTHORIZER_FAILURE": "500",
    "BAD_REQUEST_BODY": "400",
    "BAD_REQUEST_PARAMETERS": "400",
    "DEFAULT_4XX": "",
    "DEFAULT_5XX": "",
    "EXPIRED_TOKEN": "403",
    "INTEGRATION_FAILURE": "504",
    "INTEGRATION_TIMEOUT": "504",
    "INVALID_API_KEY": "403",
    "INVALID_SIGNATURE": "403",
    "MISSING_AUTHENTICATION_TOKEN": "403",
    "QUOTA_EXCEEDED": "429",
    "REQUEST_TOO_LARGE": "413",
    "RESOURCE_NOT_FOUND": "404",
    "THROTTLED": "429",
    "UNAUTHORIZED": "401",
    "UNSUPPORTED_MEDIA_TYPE": "415",
    "WAF_FILTERED": "403",
}
_PARAMETER = re.compile(r"gatewayresponse\.(?:header|path|querystring)\.[\w.$-]+")
_SOURCE = re.compile(r"'[^']*'|(?:method\.request\.(?:header|multivalueheader|path|querystring|multivaluequerystring)|context|stageVariables)\.[\w.$-]+")
_PATH = "/restapis/{restApiId}/gatewayresponses/{responseType}"
_RULES = (Rule("/statusCode"), Rule("/responseParameters/{name}", operations=ALL), Rule("/responseTemplates/{type}", operations=ALL))


def default_response(kind: str) -> Shape:
    """What the gateway answers where the API does not say otherwise."""
    return {
        "responseType": kind,
        "responseParameters": {},
        "responseTemplates": DEFAULT_TEMPLATES,
        "defaultResponse": True,
        **({"statusCode": STATUSES[kind]} if STATUSES[kind] else {}),
    }


def effective(kind: str, own: dict[str, Shape]) -> Shape:
    """An API's response of a kind: its own, made of its DEFAULT_4XX or DEFAULT_5XX, or the gateway's."""
    if kind in own:
        return own[kind]
    general = own.get("DEFAULT_5XX" if STATUSES[kind] >= "500" else "DEFAULT_4XX") if STATUSES[kind] else None
    if general is None:
        return default_response(kind)
    return {**default_response(kind), **{name: general[name] for name in ("statusCode", "responseParameters", "responseTemplates") if general.get(name)}}


def _own(reader: Reader, call: Call, api_id: str) -> dict[str, Shape]:
    found = ((kind, load(reader, home_of(call), "response", api_id, kind)) for kind in STATUSES)
    return {kind: document for kind, document in found if document is not None}


def _check_parameters(parameters: dict[str, str]) -> None:
    """Whether each parameter is one of a response, and its value a literal in quotation marks or something of the request, its context or the stage."""
    for name, source in parameters.items():
        problem = f"Invalid mapping expression parameter specified: {name}" if _PARAMETER.fullmatch(name) is None else ""
        if not problem and _SOURCE.fullmatch(source) is None:
            problem = f"Invalid mapping expression specified: {source}"
        if problem:
            raise bad_request(f"Invalid mapping expression specified: Validation Result: warnings : [], errors : [{problem}]")


def new_gateway_response(request: Shape) -> Shape:
    """The document of an API's own response."""
    kind = request["responseType"]
    response: Shape = {
        "responseType": kind,
        "responseParameters": request.get("responseParameters", {}),
        "responseTemplates": request.get("responseTemplates") or DEFAULT_TEMPLATES,
        "defaultResponse": False,
    }
    _check_parameters(response["responseParameters"])
    status = request.get("statusCode") or STATUSES[kind]
    if status:
        check_status(status)
        response["statusCode"] = status
    return response


@api_operation("PutGatewayResponse", "PUT", _PATH)
async def put_gateway_response(call: Call, request: Shape) -> Shape:
    """Change status, headers or body of what the gateway answers by itself."""
    response = new_gateway_response(request)

    def work(tx: Transaction) -> None:
        find_api(tx, home_of(call), request["restApiId"])
        save(tx, home_of(call), response, "response", request["restApiId"], request["responseType"])

    await call.cloud.store.transact(work)
    return response


@api_operation("GetGatewayResponse", "GET", _PATH)
async def get_gateway_response(call: Call, request: Shape) -> Shape:
    """One response, the API's own or the default."""
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    return effective(request["responseType"], _own(call.cloud.store, call, request["restApiId"]))


@api_operation("GetGatewayResponses", "GET", "/restapis/{restApiId}/gatewayresponses")
async def get_gateway_responses(call: Call, request: Shape) -> Shape:
    """All responses."""
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    own = _own(call.cloud.store, call, request["restApiId"])
    return pages.answer(*pages.listed_page(request, [effective(kind, own) for kind in STATUSES]))


@api_operation("UpdateGatewayResponse", "PATCH", _PATH)
async def update_gateway_response(call: Call, request: Shape) -> Shape:
    """Patch a response; a default becomes the API's own."""
    api_id, kind = request["restApiId"], request["responseType"]

    def work(tx: Transaction) -> Shape:
        find_api(tx, home_of(call), api_id)
        response = patched(effective(kind, _own(tx, call, api_id)), request.get("patchOperations", []), _RULES)
        response["defaultResponse"] = False
        _check_parameters(response["responseParameters"])
        if "statusCode" in response:
            check_status(response["statusCode"])
        save(tx, home_of(call), response, "response", api_id, kind)
        return response

    return await call.cloud.store.transact(work)


@api_operation("DeleteGatewayResponse", "DELETE", _PATH)
async def delete_gateway_response(call: Call, request: Shape) -> None:
    """Go back to the default."""

    def work(tx: Transaction) -> None:
        find_api(tx, home_of(call), request["restApiId"])
        if load(tx, home_of(call), "response", request["restApiId"], request["responseType"]) is None:
            raise not_found("Gateway response type not defined on api")
        remove(tx, home_of(call), "response", request["restApiId"], request["responseType"])

    await call.cloud.store.transact(work)
