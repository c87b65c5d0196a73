"""Request validators: whether a method checks its parameters and its body."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.errors import conflict, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import Rule, patched
from haneul.services.apigateway.records import documents, find_api, home_of, load, remove, save
from haneul.store.port import Reader, Transaction

_RULES = (Rule("/name"), Rule("/validateRequestBody", "boolean"), Rule("/validateRequestParameters", "boolean"))


def _find(reader: Reader, call: Call, request: Shape) -> Shape:
    validator = load(reader, home_of(call), "validator", request["restApiId"], request["requestValidatorId"])
    if validator is None:
        raise not_found("Invalid Request Validator identifier specified")
    return validator


@api_operation("CreateRequestValidator", "POST", "/restapis/{restApiId}/requestvalidators")
async def create_request_validator(call: Call, request: Shape) -> Shape:
    """Make a validator."""
    home, api_id = home_of(call), request["restApiId"]
    validator: Shape = {
        "id": call.cloud.ids.text(6),
        "validateRequestBody": request.get("validateRequestBody", False),
        "validateRequestParameters": request.get("validateRequestParameters", False),
    }
    if "name" in request:
        validator["name"] = request["name"]

    def work(tx: Transaction) -> None:
        find_api(tx, home, api_id)
        save(tx, home, validator, "validator", api_id, validator["id"])

    await call.cloud.store.transact(work)
    return validator


@api_operation("GetRequestValidator", "GET", "/restapis/{restApiId}/requestvalidators/{requestValidatorId}")
async def get_request_validator(call: Call, request: Shape) -> Shape:
    """One validator."""
    return _find(call.cloud.store, call, request)


@api_operation("GetRequestValidators", "GET", "/restapis/{restApiId}/requestvalidators")
async def get_request_validators(call: Call, request: Shape) -> Shape:
    """An API's validators."""
    find_api(call.cloud.store, home_of(call), request["restApiId"])
    return pages.answer(*pages.stored_page(call.cloud.store, request, home_of(call), "validator", request["restApiId"]))


@api_operation("UpdateRequestValidator", "PATCH", "/restapis/{restApiId}/requestvalidators/{requestValidatorId}")
async def update_request_validator(call: Call, request: Shape) -> Shape:
    """Patch a validator."""

    def work(tx: Transaction) -> Shape:
        validator = patched(_find(tx, call, request), request.get("patchOperations", []), _RULES)
        save(tx, home_of(call), validator, "validator", request["restApiId"], validator["id"])
        return validator

    return await call.cloud.store.transact(work)


@api_operation("DeleteRequestValidator", "DELETE", "/restapis/{restApiId}/requestvalidators/{requestValidatorId}")
async def delete_request_validator(call: Call, request: Shape) -> None:
    """Delete a validator that no method uses."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> None:
        validator = _find(tx, call, request)
        for resource in documents(tx, home, "resource", api_id):
            if any(method.get("requestValidatorId") == validator["id"] for method in resource["methods"].values()):
                raise conflict(f"Cannot delete request validator '{validator['id']}', is referenced in a method of {resource['path']}")
        remove(tx, home, "validator", api_id, validator["id"])

    await call.cloud.store.transact(work)
