"""Resources: the tree of paths of an API."""

from __future__ import annotations

import re
from collections.abc import Iterable

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.errors import bad_request, conflict, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import Rule, patched
from haneul.services.apigateway.records import Home, documents, find_api, home_of, load, remove, save
from haneul.store.port import Reader, Transaction

_RESOURCES_MAX = 300
_PART = re.compile(r"[a-zA-Z0-9._\-:~$&'()*+,;=!@%]+|\{[a-zA-Z0-9._\-:]+\+?\}")
_RULES = (Rule("/parentId"), Rule("/pathPart"))


def find_resource(reader: Reader, home: Home, api_id: str, resource_id: str) -> Shape:
    resource = load(reader, home, "resource", api_id, resource_id)
    if resource is None:
        raise not_found("Invalid Resource identifier specified")
    return resource


def shown(resource: Shape, *, with_methods: bool = False) -> Shape:
    """A resource as the operations show it: of its methods only the names, unless they are asked for."""
    shape: Shape = {name: resource[name] for name in ("id", "parentId", "pathPart", "path") if name in resource}
    if resource["methods"]:
        shape["resourceMethods"] = resource["methods"] if with_methods else {name: {} for name in resource["methods"]}
    return shape


def check_part(part: str, parent: Shape, siblings: Iterable[Shape]) -> None:
    """Whether a resource may be called `part` below `parent`, beside its siblings."""
    if not _PART.fullmatch(part):
        raise bad_request("Resource's path part only allow a-zA-Z0-9._-: or a valid greedy path variable and curly braces at the beginning and the end.")
    if parent.get("pathPart", "").endswith("+}"):
        raise bad_request(f"Cannot create a child of a resource with a greedy path variable: {parent['pathPart']}")
    for sibling in siblings:
        if sibling["pathPart"] == part:
            raise conflict(f"Another resource with the same parent already has this name: {part}")
        if part.startswith("{") and sibling["pathPart"].startswith("{"):
            raise bad_request(f"A sibling ({sibling['pathPart']}) of this resource already has a variable path part -- only one is allowed")


def new_resource(resource_id: str, parent: Shape, part: str) -> Shape:
    return {"id": resource_id, "parentId": parent["id"], "pathPart": part, "path": join_path(parent["path"], part), "methods": {}}


def join_path(parent: str, part: str) -> str:
    return f"{parent.rstrip('/')}/{part}"


@api_operation("CreateResource", "POST", "/restapis/{restApiId}/resources/{parentId}")
async def create_resource(call: Call, request: Shape) -> Shape:
    """Make a resource below another (API reference: CreateResource)."""
    home, api_id = home_of(call), request["restApiId"]
    resource_id = call.cloud.ids.text(6)

    def work(tx: Transaction) -> Shape:
        find_api(tx, home, api_id)
        parent = find_resource(tx, home, api_id, request["parentId"])
        others = list(documents(tx, home, "resource", api_id))
        if len(others) >= _RESOURCES_MAX:
            raise ServiceError("LimitExceededException", "Resource limit exceeded: maximum number of resources for this API reached.", 429)
        check_part(request["pathPart"], parent, (one for one in others if one.get("parentId") == parent["id"]))
        resource = new_resource(resource_id, parent, request["pathPart"])
        save(tx, home, resource, "resource", api_id, resource_id)
        return resource

    return shown(await call.cloud.store.transact(work))


@api_operation("GetResource", "GET", "/restapis/{restApiId}/resources/{resourceId}")
async def get_resource(call: Call, request: Shape) -> Shape:
    """One resource; `embed=methods` shows its methods whole."""
    resource = find_resource(call.cloud.store, home_of(call), request["restApiId"], request["resourceId"])
    return shown(resource, with_methods="methods" in request.get("embed", ()))


@api_operation("GetResources", "GET", "/restapis/{restApiId}/resources")
async def get_resources(call: Call, request: Shape) -> Shape:
    """An API's resources by path."""
    home, store = home_of(call), call.cloud.store
    find_api(store, home, request["restApiId"])
    found = sorted(documents(store, home, "resource", request["restApiId"]), key=lambda resource: resource["path"])
    items, token = pages.listed_page(request, found)
    return pages.answer([shown(resource, with_methods="methods" in request.get("embed", ())) for resource in items], token)


@api_operation("UpdateResource", "PATCH", "/restapis/{restApiId}/resources/{resourceId}")
async def update_resource(call: Call, request: Shape) -> Shape:
    """Rename a resource, or move it below another."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> Shape:
        before = find_resource(tx, home, api_id, request["resourceId"])
        after = patched(before, request.get("patchOperations", []), _RULES)
        if "parentId" not in before:
            raise bad_request("Root resource cannot be updated.")
        everything = {one["id"]: one for one in documents(tx, home, "resource", api_id)}
        parent = everything.get(after["parentId"])
        if parent is None:
            raise not_found("Invalid Resource identifier specified")
        if parent["path"] == before["path"] or parent["path"].startswith(before["path"] + "/"):
            raise bad_request("Resources cannot be cyclical.")
        check_part(after["pathPart"], parent, (one for one in everything.values() if one.get("parentId") == parent["id"] and one["id"] != before["id"]))
        after["path"] = join_path(parent["path"], after["pathPart"])
        save(tx, home, after, "resource", api_id, after["id"])
        for one in everything.values():
            if one["path"].startswith(before["path"] + "/"):
                one["path"] = after["path"] + one["path"][len(before["path"]) :]
                save(tx, home, one, "resource", api_id, one["id"])
        return after

    return shown(await call.cloud.store.transact(work))


@api_operation("DeleteResource", "DELETE", "/restapis/{restApiId}/resources/{resourceId}")
async def delete_resource(call: Call, request: Shape) -> None:
    """Delete a resource and everything below it."""
    home, api_id = home_of(call), request["restApiId"]

    def work(tx: Transaction) -> None:
        resource = find_resource(tx, home, api_id, request["resourceId"])
        if "parentId" not in resource:
            raise bad_request("Root resource cannot be deleted.")
        for one in list(documents(tx, home, "resource", api_id)):
            if one["id"] == resource["id"] or one["path"].startswith(resource["path"] + "/"):
                remove(tx, home, "resource", api_id, one["id"])

    await call.cloud.store.transact(work)
