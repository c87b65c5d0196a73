"""Models: JSON schemas that request bodies are checked against."""

from __future__ import annotations

import re

import orjson

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.errors import bad_request, conflict, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import Rule, patched
from haneul.services.apigateway.records import documents, find_api, home_of, load, remove, save
from haneul.store.port import Reader, Transaction

_NAME = re.compile(r"[A-Za-z0-9]+")
_RULES = (Rule("/description"), Rule("/schema"))
_EMPTY = '{\n  "$schema": "http://json-schema.org/draft-04/schema#",\n  "title" : "Empty Schema",\n  "type" : "object"\n}'
_ERROR = (
    '{\n  "$schema" : "http://json-schema.org/draft-04/schema#",\n  "title" : "Error Schema",\n  "type" : "object",\n'
    '  "properties" : {\n    "message" : { "type" : "string" }\n  }\n}'
)


def put_default_models(call: Call, tx: Transaction, api_id: str) -> None:
    """The models `Empty` and `Error`, which every new API has."""
    for name, what, schema in (("Empty", "empty", _EMPTY), ("Error", "error", _ERROR)):
        model = {
            "id": call.cloud.ids.text(6),
            "name": name,
            "description": f"This is a default {what} schema model",
            "contentType": "application/json",
            "schema": schema,
        }
        save(tx, home_of(call), model, "model", api_id, name)


def check_schema(schema: str | None) -> str:
    """A model's schema, which must be a JSON object."""
    if not schema:
        raise bad_request("Model schema must have at least 1 property or array items defined")
    try:
        parsed = orjson.loads(schema)
    except orjson.JSONDecodeError:
        raise bad_request("Invalid model schema specified. Model schema is not valid JSON") from None
    if not isinstance(parsed, dict):
        raise bad_request("Invalid model schema specified. Model schema must be an object")
    return schema


def find_model(reader: Reader, call: Call, api_id: str, name: str) -> Shape:
    model = load(reader, home_of(call), "model", api_id, name)
    if model is None:
        raise not_found(f"Invalid model name specified: {name}")
    return model


@api_operation("CreateModel", "POST", "/restapis/{restApiId}/models")
async def create_model(call: Call, request: Shape) -> Shape:
    """Make a model."""
    home, api_id, name = home_of(call), request["restApiId"], request["name"]
    if not name:
        raise bad_request("Model name must be non-empty")
    model: Shape = {"id": call.cloud.ids.text(6), "name": name, "contentType": request["contentType"]}
    if "description" in request:
        model["description"] = request["description"]

    def work(tx: Transaction) -> None:
        find_api(tx, home, api_id)
        if not _NAME.fullmatch(name):
            raise bad_request("Model name must be alphanumeric: " + name)
        if load(tx, home, "model", api_id, name) is not None:
            raise conflict("Model name already exists for this REST API")
        model["schema"] = check_schema(request.get("schema"))
        save(tx, home, model, "model", api_id, name)

    await call.cloud.store.transact(work)
    return model


@api_operation("GetModel", "GET", "/restapis/{restApiId}/models/{modelName}", partial="flatten is refused")
async def get_model(call: Call, request: Shape) -> Shape:
    """One model."""
    if request.get("flatten"):
        raise NotBuilt("the parameter flatten of apigateway:GetModel")
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    return find_model(call.cloud.store, call, request["restApiId"], request["modelName"])


@api_operation("GetModels", "GET", "/restapis/{restApiId}/models")
async def get_models(call: Call, request: Shape) -> Shape:
    """An API's models."""
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    return pages.answer(*pages.stored_page(call.cloud.store, request, home_of(call), "model", request["restApiId"]))


@api_operation("UpdateModel", "PATCH", "/restapis/{restApiId}/models/{modelName}")
async def update_model(call: Call, request: Shape) -> Shape:
    """Patch a model's description or schema."""
    home, api_id, name = home_of(call), request["restApiId"], request["modelName"]

    def work(tx: Transaction) -> Shape:
        find_api(tx, home, api_id)
        model = patched(find_model(tx, call, api_id, name), request.get("patchOperations", []), _RULES)
        check_schema(model.get("schema"))
        save(tx, home, model, "model", api_id, name)
        return model

    return await call.cloud.store.transact(work)


@api_operation("DeleteModel", "DELETE", "/restapis/{restApiId}/models/{modelName}")
async def delete_model(call: Call, request: Shape) -> None:
    """Delete a model that no method refers to."""
    home, api_id, name = home_of(call), request["restApiId"], request["modelName"]

    def work(tx: Transaction) -> None:
        find_api(tx, home, api_id)
        find_model(tx, call, api_id, name)
        for resource in documents(tx, home, "resource", api_id):
            for method, document in resource["methods"].items():
                if name in document.get("requestModels", {}).values():
                    raise conflict(f"Cannot delete model '{name}', is referenced in method request: {resource['path'].rstrip('/') or '/'}/{method}")
                for response in document.get("methodResponses", {}).values():
                    if name in response.get("responseModels", {}).values():
                        raise conflict(f"Cannot delete model '{name}', is referenced in method response: {resource['path'].rstrip('/') or '/'}/{method}")
        remove(tx, home, "model", api_id, name)

    await call.cloud.store.transact(work)
