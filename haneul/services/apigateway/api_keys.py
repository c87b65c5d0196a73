"""API keys: they tell clients apart and put them on usage plans; their values are kept sealed."""

from __future__ import annotations

from hashlib import sha256

from haneul.core.call import Call
from haneul.core.cloud import Cloud
from haneul.core.errors import NotBuilt, refuse_given
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.errors import bad_request, conflict, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import REPLACE_REMOVE, Rule, patched
from haneul.services.apigateway.records import Home, home_of, key, load, remove, save
from haneul.services.apigateway.tags import check_tags
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import encode

VALUE_LENGTH = 40
_VALUE_LENGTH_MIN = 20
_VALUE_LENGTH_MAX = 128
_PURPOSE = "apigateway-key"
_RULES = (Rule("/name"), Rule("/description", operations=REPLACE_REMOVE), Rule("/enabled", "boolean"), Rule("/customerId", operations=REPLACE_REMOVE))
_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"


def digest(value: str) -> str:
    """Under what a key's value is found again: requests bring the value, the store does not hold it."""
    return sha256(value.encode("utf-8", "surrogatepass")).hexdigest()


def opened(cloud: Cloud, document: Shape) -> str:
    """The value of a stored key."""
    value = cloud.vault.unseal(document["sealedValue"], _PURPOSE)
    return value.decode() if value is not None else ""


def shown(cloud: Cloud, document: Shape, *, with_value: bool = False) -> Shape:
    """A key as the operations show it."""
    shape = {name: value for name, value in document.items() if name != "sealedValue"}
    if with_value:
        shape["value"] = opened(cloud, document)
    return {**shape, "stageKeys": document.get("stageKeys", [])}


def find_key(reader: Reader, home: Home, key_id: str) -> Shape:
    document = load(reader, home, "key", key_id)
    if document is None:
        raise not_found("Invalid API Key identifier specified")
    return document


@api_operation("CreateApiKey", "POST", "/apikeys", partial="stageKeys and ids that are the key's value are refused")
async def create_api_key(call: Call, request: Shape) -> Shape:
    """Make an API key, with a value of its own or a given one (API reference: CreateApiKey)."""
    refuse_given("apigateway:CreateApiKey", request, "stageKeys")
    if request.get("generateDistinctId") is False:
        raise NotBuilt("API keys whose id is their value (the parameter generateDistinctId of apigateway:CreateApiKey)")
    home, cloud = home_of(call), call.cloud
    value = request.get("value") or cloud.ids.text(VALUE_LENGTH, _ALPHABET)
    if len(value) < _VALUE_LENGTH_MIN:
        raise bad_request(f"API Key value should be at least {_VALUE_LENGTH_MIN} characters")
    if len(value) > _VALUE_LENGTH_MAX:
        raise bad_request(f"API Key value exceeds maximum size of {_VALUE_LENGTH_MAX} characters")
    check_tags(request.get("tags", {}))
    document: Shape = {
        "id": cloud.ids.text(10),
        "name": request.get("name", ""),
        "enabled": request.get("enabled", False),
        "createdDate": call.now,
        "lastUpdatedDate": call.now,
        "sealedValue": cloud.vault.seal(value.encode(), _PURPOSE),
    }
    for name in ("description", "customerId", "tags"):
        if request.get(name):
            document[name] = request[name]

    def work(tx: Transaction) -> None:
        pointer = key(home, "key-value", digest(value))
        if tx.get(pointer) is not None:
            raise conflict("API Key already exists")
        tx.put(pointer, encode(document["id"]))
        save(tx, home, document, "key", document["id"])

    await cloud.store.transact(work)
    return shown(cloud, document, with_value=True)


@api_operation("GetApiKey", "GET", "/apikeys/{apiKey}")
async def get_api_key(call: Call, request: Shape) -> Shape:
    """One key; its value only when asked for."""
    document = find_key(call.cloud.store, home_of(call), request["apiKey"])
    return shown(call.cloud, document, with_value=request.get("includeValue", False))


@api_operation("GetApiKeys", "GET", "/apikeys")
async def get_api_keys(call: Call, request: Shape) -> Shape:
    """The account's keys, all or those whose name begins with `nameQuery`."""
    prefix, customer = request.get("nameQuery", ""), request.get("customerId")

    def fits(document: Shape) -> bool:
        return document["name"].startswith(prefix) and customer in (None, document.get("customerId"))

    items, token = pages.stored_page(call.cloud.store, request, home_of(call), "key", fits=fits)
    return pages.answer([shown(call.cloud, one, with_value=request.get("includeValues", False)) for one in items], token)


@api_operation("UpdateApiKey", "PATCH", "/apikeys/{apiKey}")
async def update_api_key(call: Call, request: Shape) -> Shape:
    """Patch a key's name, description or whether it is enabled."""
    home = home_of(call)

    def work(tx: Transaction) -> Shape:
        document = patched(find_key(tx, home, request["apiKey"]), request.get("patchOperations", []), _RULES)
        document["lastUpdatedDate"] = call.now
        save(tx, home, document, "key", document["id"])
        return document

    return {"tags": {}, **shown(call.cloud, await call.cloud.store.transact(work))}


@api_operation("DeleteApiKey", "DELETE", "/apikeys/{apiKey}")
async def delete_api_key(call: Call, request: Shape) -> None:
    """Delete a key; it leaves its usage plans."""
    home = home_of(call)

    def work(tx: Transaction) -> None:
        document = find_key(tx, home, request["apiKey"])
        tx.delete(key(home, "key-value", digest(opened(call.cloud, document))))
        remove(tx, home, "key", document["id"])
        for row, _ in tx.range(*prefix_range(key(home, "key-plan", document["id"]))):
            remove(tx, home, "plan-key", str(unpack(row)[-1]), document["id"])
            tx.delete(row)

    await call.cloud.store.transact(work)
