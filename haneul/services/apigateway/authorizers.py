"""Authorizers: functions that decide who may call a method."""

from __future__ import annotations

import re

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, refuse_given
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.errors import bad_request, conflict, not_found
from haneul.services.apigateway.integrations import function_in_uri
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import REPLACE_REMOVE, Rule, patched
from haneul.services.apigateway.records import documents, find_api, home_of, load, remove, save
from haneul.store.port import Reader, Transaction

TTL_SECONDS_DEFAULT = 300
_TTL_SECONDS_MAX = 3600
_SOURCE = re.compile(r"(?:method\.request\.(?:header|querystring)|stageVariables|context)\.[\w.$-]+")
_RULES = (
    Rule("/name"),
    Rule("/authorizerUri"),
    Rule("/authorizerCredentials", operations=REPLACE_REMOVE),
    Rule("/identitySource"),
    Rule("/identityValidationExpression", operations=REPLACE_REMOVE),
    Rule("/authorizerResultTtlInSeconds", "integer"),
    Rule("/authType"),
)


def _find(reader: Reader, call: Call, request: Shape) -> Shape:
    authorizer = load(reader, home_of(call), "authorizer", request["restApiId"], request["authorizerId"])
    if authorizer is None:
        raise not_found("Invalid Authorizer identifier specified")
    return authorizer


def check_authorizer(authorizer: Shape) -> None:
    """BadRequestException for what is wrong with an authorizer, NotBuilt for kinds that are not done here."""
    if authorizer["type"] not in ("TOKEN", "REQUEST"):
        raise NotBuilt(f"authorizers of the type {authorizer['type']} in apigateway:CreateAuthorizer")
    if function_in_uri(authorizer.get("authorizerUri", "")) is None:
        raise bad_request("Invalid Authorizer URI: Authorizer URI should be a valid API Gateway ARN that represents a Lambda function invocation.")
    ttl, sources = authorizer["authorizerResultTtlInSeconds"], identity_sources(authorizer)
    if not 0 <= ttl <= _TTL_SECONDS_MAX:
        raise bad_request(f"Authorizer TTL must be between 0 and {_TTL_SECONDS_MAX} seconds")
    if any(not _SOURCE.fullmatch(source) for source in sources):
        raise bad_request("Identity source must be a valid mapping expression")
    if authorizer["type"] == "TOKEN" and (len(sources) != 1 or not sources[0].startswith("method.request.header.")):
        raise bad_request("Token authorizers must have exactly one identity source, a header")
    if authorizer["type"] == "REQUEST" and ttl > 0 and not sources:
        raise bad_request("Identity source is required when authorization caching is enabled")
    if authorizer.get("identityValidationExpression"):
        try:
            re.compile(authorizer["identityValidationExpression"])
        except re.error:
            raise bad_request("Invalid identity validation expression specified") from None


def identity_sources(authorizer: Shape) -> list[str]:
    """Where an authorizer finds the caller's identity."""
    return [part.strip() for part in authorizer.get("identitySource", "").split(",") if part.strip()]


def new_authorizer(authorizer_id: str, request: Shape) -> Shape:
    """The document of an authorizer."""
    authorizer: Shape = {"id": authorizer_id, "name": request["name"], "type": request["type"], "authType": request.get("authType", "custom")}
    for name in ("authorizerUri", "authorizerCredentials", "identitySource", "identityValidationExpression"):
        if request.get(name):
            authorizer[name] = request[name]
    authorizer["authorizerResultTtlInSeconds"] = request.get("authorizerResultTtlInSeconds", TTL_SECONDS_DEFAULT)
    check_authorizer(authorizer)
    return authorizer


@api_operation("CreateAuthorizer", "POST", "/restapis/{restApiId}/authorizers", partial="COGNITO_USER_POOLS and JWT are refused")
async def create_authorizer(call: Call, request: Shape) -> Shape:
    """Make an authorizer of the type TOKEN or REQUEST (API reference: CreateAuthorizer)."""
    home, api_id = home_of(call), request["restApiId"]
    refuse_given("apigateway:CreateAuthorizer", request, "providerARNs", "jwtConfiguration")
    authorizer_id = call.cloud.ids.text(6)

    def work(tx: Transaction) -> Shape:
        find_api(tx, home, api_id)
        if any(one["name"] == request["name"] for one in documents(tx, home, "authorizer", api_id)):
            raise conflict("Authorizer name must be unique. Authorizer " + request["name"] + " already exists in this RestApi.")
        authorizer = new_authorizer(authorizer_id, request)
        save(tx, home, authorizer, "authorizer", api_id, authorizer_id)
        return authorizer

    return await call.cloud.store.transact(work)


@api_operation("GetAuthorizer", "GET", "/restapis/{restApiId}/authorizers/{authorizerId}")
async def get_authorizer(call: Call, request: Shape) -> Shape:
    """One authorizer."""
    return _find(call.cloud.store, call, request)


@api_operation("GetAuthorizers", "GET", "/restapis/{restApiId}/authorizers")
async def get_authorizers(call: Call, request: Shape) -> Shape:
    """An API's authorizers."""
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    return pages.answer(*pages.stored_page(call.cloud.store, request, home_of(call), "authorizer", request["restApiId"]))


@api_operation("UpdateAuthorizer", "PATCH", "/restapis/{restApiId}/authorizers/{authorizerId}")
async def update_authorizer(call: Call, request: Shape) -> Shape:
    """Patch an authorizer."""

    def work(tx: Transaction) -> Shape:
        authorizer = patched(_find(tx, call, request), request.get("patchOperations", []), _RULES)
        check_authorizer(authorizer)
        save(tx, home_of(call), authorizer, "authorizer", request["restApiId"], authorizer["id"])
        return authorizer

    return await call.cloud.store.transact(work)


@api_operation("DeleteAuthorizer", "DELETE", "/restapis/{restApiId}/authorizers/{authorizerId}")
async def delete_authorizer(call: Call, request: Shape) -> None:
    """Delete an authorizer that no method uses."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> None:
        authorizer = _find(tx, call, request)
        for resource in documents(tx, home, "resource", api_id):
            if any(method.get("authorizerId") == authorizer["id"] for method in resource["methods"].values()):
                raise conflict(f"Cannot delete authorizer '{authorizer['id']}'. Is referenced in method of {resource['path']}")
        remove(tx, home, "authorizer", api_id, authorizer["id"])

    await call.cloud.store.transact(work)
