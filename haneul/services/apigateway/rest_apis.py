"""REST APIs: create, get, list, update, delete."""

from __future__ import annotations

import orjson

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.errors import bad_request
from haneul.services.apigateway.models import put_default_models
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import ALL, REPLACE, REPLACE_REMOVE, Rule, patched
from haneul.services.apigateway.records import API_KINDS, Home, documents, find_api, home_of, key, load, put_owner, remove_owner, save
from haneul.services.apigateway.tags import check_tags
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction

COMPRESSION_BYTES_MAX = 10_485_760
_REFUSED = ("cloneFrom", "securityPolicy", "endpointAccessMode")
_RULES = (
    Rule("/name"),
    Rule("/description", operations=REPLACE_REMOVE),
    Rule("/version", operations=REPLACE_REMOVE),
    Rule("/policy", operations=REPLACE_REMOVE),
    Rule("/apiKeySource"),
    Rule("/disableExecuteApiEndpoint", "boolean"),
    Rule("/binaryMediaTypes/{type}", "set", ALL),
    Rule("/endpointConfiguration/types/{type}", "set", REPLACE),
    Rule("/endpointConfiguration/ipAddressType"),
)


def check_endpoint(configuration: Shape) -> Shape:
    """What the API says of its endpoint; private endpoints are not built."""
    types = configuration.get("types") or ["EDGE"]
    if "PRIVATE" in types or configuration.get("vpcEndpointIds"):
        raise NotBuilt("private endpoints of apigateway")
    if len(types) != 1 or types[0] not in ("EDGE", "REGIONAL"):
        raise bad_request(f"Invalid endpoint configuration type {', '.join(types)}")
    return {"types": types, "ipAddressType": configuration.get("ipAddressType", "ipv4")}


def checked_policy(call: Call, text: str, api_id: str) -> str:
    """A resource policy as it is kept: `execute-api:/stage/METHOD/path` becomes the whole ARN, users and roles stand there by their unique ids."""
    home = home_of(call)
    try:
        policy = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise bad_request("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.") from None
    statements = policy.get("Statement") if isinstance(policy, dict) else None
    if not isinstance(statements, (list, dict)):
        raise bad_request("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
    for statement in statements if isinstance(statements, list) else [statements]:
        if not isinstance(statement, dict) or ("Principal" not in statement and "NotPrincipal" not in statement):
            raise bad_request("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.")
        for name in ("Resource", "NotResource"):
            if name in statement:
                given = statement[name]
                whole = [_whole_arn(str(one), home, api_id) for one in (given if isinstance(given, list) else [given])]
                statement[name] = whole if isinstance(given, list) else whole[0]
    try:
        return call.cloud.authority.bind_principals(orjson.dumps(policy).decode())
    except ServiceError:
        raise bad_request("Invalid policy document. Please check the policy syntax and ensure that Principals are valid.") from None


def _whole_arn(resource: str, home: Home, api_id: str) -> str:
    if resource.startswith("execute-api:/"):
        return f"arn:aws:execute-api:{home.region}:{home.account}:{api_id}/{resource.removeprefix('execute-api:/')}"
    return resource


def check_compression(value: object) -> int:
    """`minimumCompressionSize` in bytes."""
    if not (isinstance(value, int) and 0 <= value <= COMPRESSION_BYTES_MAX):
        raise bad_request("Invalid minimum compression size, must be between 0 and 10485760")
    return value


def check_texts(api: Shape) -> None:
    """An API's name and description, where they are given, say something."""
    for name in ("name", "description"):
        if api.get(name) == "":
            raise bad_request(f"{name.capitalize()} cannot be an empty string")


def make_api(call: Call, request: Shape) -> Shape:
    """The document of a new API."""
    for name in _REFUSED:
        if name in request:
            raise NotBuilt(f"the parameter {name} of apigateway:CreateRestApi")
    check_texts(request)
    check_tags(request.get("tags", {}))
    ids = call.cloud.ids
    api: Shape = {
        "id": ids.text(10),
        "name": request["name"],
        "createdDate": call.now,
        "apiKeySource": request.get("apiKeySource", "HEADER"),
        "endpointConfiguration": check_endpoint(request.get("endpointConfiguration", {})),
        "disableExecuteApiEndpoint": request.get("disableExecuteApiEndpoint", False),
        "rootResourceId": ids.text(10),
    }
    for name in ("description", "version", "binaryMediaTypes", "tags"):
        if request.get(name):
            api[name] = request[name]
    if "minimumCompressionSize" in request:
        api["minimumCompressionSize"] = check_compression(request["minimumCompressionSize"])
    if "policy" in request:
        api["policy"] = checked_policy(call, request["policy"], api["id"])
    return api


def put_new_api(call: Call, tx: Transaction, api: Shape) -> None:
    """Store a new API with its root resource and the models that every API has."""
    home = home_of(call)
    save(tx, home, api, "api", api["id"])
    put_owner(tx, home, api["id"])
    save(tx, home, {"id": api["rootResourceId"], "path": "/", "methods": {}}, "resource", api["id"], api["rootResourceId"])
    put_default_models(call, tx, api["id"])


def shown(call: Call, api: Shape) -> Shape:
    """An API as the operations show it: policies come with their quotation marks escaped, as from the real service."""
    if not api.get("binaryMediaTypes"):
        api = {name: value for name, value in api.items() if name != "binaryMediaTypes"}
    if "policy" in api:
        api = {**api, "policy": call.cloud.authority.show_principals(api["policy"]).replace('"', '\\"')}
    return api


@api_operation("CreateRestApi", "POST", "/restapis", partial="cloneFrom, private endpoints, securityPolicy and endpointAccessMode are refused")
async def create_rest_api(call: Call, request: Shape) -> Shape:
    """Make an API with nothing in it but its root resource (API reference: CreateRestApi)."""
    api = make_api(call, request)
    await call.cloud.store.transact(lambda tx: put_new_api(call, tx, api))
    return shown(call, api)


@api_operation("GetRestApi", "GET", "/restapis/{restApiId}")
async def get_rest_api(call: Call, request: Shape) -> Shape:
    """One API."""
    return shown(call, find_api(call.cloud.store, home_of(call), request["restApiId"]))


@api_operation("GetRestApis", "GET", "/restapis")
async def get_rest_apis(call: Call, request: Shape) -> Shape:
    """The account's APIs."""
    items, token = pages.stored_page(call.cloud.store, request, home_of(call), "api")
    return pages.answer([shown(call, api) for api in items], token)


@api_operation("UpdateRestApi", "PATCH", "/restapis/{restApiId}")
async def update_rest_api(call: Call, request: Shape) -> Shape:
    """Patch an API's settings. They count for deployments made from then on."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> Shape:
        api = find_api(tx, home, api_id)
        plain = []
        for operation in request.get("patchOperations", []):
            if operation.get("path") == "/minimumCompressionSize":
                _patch_compression(api, operation)
            elif operation.get("path") == "/binaryMediaTypes":
                raise bad_request("Invalid patch path /binaryMediaTypes")
            else:
                plain.append(operation)
        api = patched(api, plain, _RULES)
        check_texts(api)
        if any(operation["path"] == "/policy" for operation in plain) and api.get("policy"):
            api["policy"] = checked_policy(call, api["policy"].replace('\\"', '"'), api_id)
        if not api.get("policy"):
            api.pop("policy", None)
        api["endpointConfiguration"] = check_endpoint(api["endpointConfiguration"])
        save(tx, home, api, "api", api_id)
        return api

    return {"tags": {}, **shown(call, await call.cloud.store.transact(work))}


def _patch_compression(api: Shape, operation: Shape) -> None:
    if operation.get("op") != "replace":
        raise bad_request("Invalid patch operation specified. Must be one of: [replace]")
    value = operation.get("value")
    if value is None or value == "":
        api.pop("minimumCompressionSize", None)
    else:
        api["minimumCompressionSize"] = check_compression(int(value) if value.lstrip("-").isdigit() else value)


@api_operation("DeleteRestApi", "DELETE", "/restapis/{restApiId}")
async def delete_rest_api(call: Call, request: Shape) -> None:
    """Delete an API with everything below it; its stages answer no more."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> None:
        find_api(tx, home, api_id)
        tx.delete(key(home, "api", api_id))
        remove_owner(tx, api_id)
        for kind in API_KINDS:
            for row, _ in tx.range(*prefix_range(key(home, kind, api_id))):
                tx.delete(row)
        for plan in documents(tx, home, "plan"):
            stages = [stage for stage in plan.get("apiStages", []) if stage["apiId"] != api_id]
            if len(stages) != len(plan.get("apiStages", [])):
                save(tx, home, {**plan, "apiStages": stages}, "plan", plan["id"])

    await call.cloud.store.transact(work)


@api_operation("GetAccount", "GET", "/account")
async def get_account(call: Call, request: Shape) -> Shape:
    """The account's settings and limits."""
    return _account(load(call.cloud.store, home_of(call), "account"))


def _account(settings: Shape | None) -> Shape:
    return {"throttleSettings": {"burstLimit": 5000, "rateLimit": 10000.0}, "features": ["UsagePlans"], "apiKeyVersion": "4", **(settings or {})}


@api_operation("UpdateAccount", "PATCH", "/account")
async def update_account(call: Call, request: Shape) -> Shape:
    """Set the role for CloudWatch Logs."""
    home = home_of(call)

    def work(tx: Transaction) -> Shape:
        settings = patched(load(tx, home, "account") or {}, request.get("patchOperations", []), (Rule("/cloudwatchRoleArn", operations=REPLACE_REMOVE),))
        save(tx, home, settings, "account")
        return settings

    return _account(await call.cloud.store.transact(work))
