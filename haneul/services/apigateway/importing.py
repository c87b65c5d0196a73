"""ImportRestApi and PutRestApi: whole APIs from a definition."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import refuse_given
from haneul.core.ports import Shape
from haneul.services.apigateway.authorizers import new_authorizer
from haneul.services.apigateway.definition import Definition, read_definition
from haneul.services.apigateway.errors import bad_request
from haneul.services.apigateway.gateway_responses import STATUSES, new_gateway_response
from haneul.services.apigateway.integrations import check_response, new_integration
from haneul.services.apigateway.methods import check_method, check_status
from haneul.services.apigateway.models import check_schema, put_default_models
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.records import Home, documents, find_api, home_of, key, load, save
from haneul.services.apigateway.resources import check_part, join_path, new_resource
from haneul.services.apigateway.rest_apis import check_compression, check_endpoint, checked_policy, make_api, put_new_api, shown
from haneul.store.keys import prefix_range
from haneul.store.port import Transaction

_REPLACED = ("resource", "authorizer", "model", "validator", "response")


@api_operation("ImportRestApi", "POST", "/restapis", partial="definitions in JSON, failOnWarnings; what the other operations refuse is refused here too")
async def import_rest_api(call: Call, request: Shape) -> Shape:
    """Make an API from an OpenAPI or Swagger definition (API reference: ImportRestApi)."""
    refuse_given("apigateway:ImportRestApi", request, "failOnWarnings")
    parameters = request.get("parameters", {})
    definition = read_definition(_bytes(request["body"]), parameters.get("basepath", "ignore"))
    if not definition.name:
        raise bad_request("Invalid OpenAPI input: the title is missing")
    settings = {name: value for name, value in definition.settings.items() if name in ("description", "version", "apiKeySource", "disableExecuteApiEndpoint")}
    api = make_api(call, {"name": definition.name, **settings})
    if "endpointConfigurationTypes" in parameters:
        api["endpointConfiguration"] = check_endpoint({"types": [parameters["endpointConfigurationTypes"]]})
    ids = _Ids(call)

    def work(tx: Transaction) -> Shape:
        ids.begin()
        put_new_api(call, tx, api)
        return _apply(call, tx, api, definition, ids)

    return shown(call, await call.cloud.store.transact(work))


@api_operation("PutRestApi", "PUT", "/restapis/{restApiId}", partial="definitions in JSON, failOnWarnings; what the other operations refuse is refused here too")
async def put_rest_api(call: Call, request: Shape) -> Shape:
    """Merge a definition into an API, or replace the API by it (API reference: PutRestApi)."""
    refuse_given("apigateway:PutRestApi", request, "failOnWarnings")
    definition = read_definition(_bytes(request["body"]), request.get("parameters", {}).get("basepath", "ignore"))
    home, api_id, overwrite = home_of(call), request["restApiId"], request.get("mode", "merge") == "overwrite"
    ids = _Ids(call)

    def work(tx: Transaction) -> Shape:
        ids.begin()
        api = find_api(tx, home, api_id)
        if overwrite:
            for kind in _REPLACED:
                for row, _ in tx.range(*prefix_range(key(home, kind, api_id))):
                    tx.delete(row)
            save(tx, home, {"id": api["rootResourceId"], "path": "/", "methods": {}}, "resource", api_id, api["rootResourceId"])
            put_default_models(call, tx, api_id)
            for name in ("binaryMediaTypes", "policy", "minimumCompressionSize", "description", "version"):
                api.pop(name, None)
        if definition.name:
            api["name"] = definition.name
        return _apply(call, tx, api, definition, ids)

    return shown(call, await call.cloud.store.transact(work))


def _bytes(body: object) -> bytes:
    return body if isinstance(body, bytes) else str(body).encode()


class _Ids:
    """Ids that are the same when a transaction is run again."""

    def __init__(self, call: Call) -> None:
        self._ids = call.cloud.ids
        self._given: list[str] = []
        self._at = 0

    def begin(self) -> None:
        self._at = 0

    def next(self) -> str:
        if self._at == len(self._given):
            self._given.append(self._ids.text(6))
        self._at += 1
        return self._given[self._at - 1]


def _apply(call: Call, tx: Transaction, api: Shape, definition: Definition, ids: _Ids) -> Shape:
    """Store what a definition describes, on top of what the API has."""
    home, api_id = home_of(call), api["id"]
    for name in ("description", "version", "apiKeySource", "disableExecuteApiEndpoint", "binaryMediaTypes"):
        if name in definition.settings:
            api[name] = definition.settings[name]
    if "minimumCompressionSize" in definition.settings:
        api["minimumCompressionSize"] = check_compression(definition.settings["minimumCompressionSize"])
    if "policy" in definition.settings:
        api["policy"] = checked_policy(call, definition.settings["policy"], api_id)
    save(tx, home, api, "api", api_id)
    for name, model in definition.models.items():
        check_schema(model["schema"])
        known = load(tx, home, "model", api_id, name)
        save(tx, home, {"id": known["id"] if known else ids.next(), **model}, "model", api_id, name)
    for kind, response in definition.responses.items():
        if kind not in STATUSES:
            raise bad_request(f"Invalid gateway response type specified: {kind}")
        save(tx, home, new_gateway_response(response), "response", api_id, kind)
    validators = _by_name(tx, home, api_id, "validator")
    for name, validator in definition.validators.items():
        validators[name] = {"id": validators[name]["id"] if name in validators else ids.next(), **validator}
        save(tx, home, validators[name], "validator", api_id, validators[name]["id"])
    authorizers = _by_name(tx, home, api_id, "authorizer")
    for name, described in definition.authorizers.items():
        authorizers[name] = new_authorizer(authorizers[name]["id"] if name in authorizers else ids.next(), described)
        save(tx, home, authorizers[name], "authorizer", api_id, authorizers[name]["id"])
    _apply_methods(tx, home, api_id, definition, ids, validators, authorizers)
    return api


def _by_name(tx: Transaction, home: Home, api_id: str, kind: str) -> dict[str, Shape]:
    return {one["name"]: one for one in documents(tx, home, kind, api_id) if "name" in one}


def _apply_methods(
    tx: Transaction, home: Home, api_id: str, definition: Definition, ids: _Ids, validators: dict[str, Shape], authorizers: dict[str, Shape]
) -> None:
    resources = {one["path"]: one for one in documents(tx, home, "resource", api_id)}
    for path, methods in definition.methods.items():
        resource = _resource_at(resources, path, ids)
        for name, described in methods.items():
            resource["methods"][name] = _method(tx, home, api_id, resource["id"], name, described, validators, authorizers)
    for resource in resources.values():
        save(tx, home, resource, "resource", api_id, resource["id"])


def _resource_at(resources: dict[str, Shape], path: str, ids: _Ids) -> Shape:
    """The resource of a path, made with all that lie above it."""
    resource = resources["/"]
    for part in [step for step in path.split("/") if step]:
        below = join_path(resource["path"], part)
        if below not in resources:
            check_part(part, resource, [one for one in resources.values() if one.get("parentId") == resource["id"]])
            resources[below] = new_resource(ids.next(), resource, part)
        resource = resources[below]
    return resource


def _method(
    tx: Transaction, home: Home, api_id: str, resource_id: str, name: str, described: Shape, validators: dict[str, Shape], authorizers: dict[str, Shape]
) -> Shape:
    method = {"httpMethod": name, **{member: value for member, value in described.items() if member not in ("validator", "authorizer", "methodIntegration")}}
    if "validator" in described:
        method["requestValidatorId"] = validators[described["validator"]]["id"]
    if "authorizer" in described:
        method["authorizerId"] = authorizers[described["authorizer"]]["id"]
    for status in method.get("methodResponses", {}):
        check_status(status)
    check_method(tx, home, api_id, method)
    if "methodIntegration" in described:
        integration = new_integration(described["methodIntegration"], resource_id)
        for status, response in described["methodIntegration"]["responses"].items():
            check_status(status)
            check_response(response, method)
            integration.setdefault("integrationResponses", {})[status] = response
        method["methodIntegration"] = integration
    return method
