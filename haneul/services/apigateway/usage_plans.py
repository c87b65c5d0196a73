"""Usage plans: which stages the holders of API keys may call, how fast and how often."""

from __future__ import annotations

import copy
from typing import Any

from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.apigateway import pages
from haneul.services.apigateway.api_keys import find_key, opened
from haneul.services.apigateway.errors import bad_request, conflict, not_found
from haneul.services.apigateway.operations import api_operation
from haneul.services.apigateway.patching import convert, split_path
from haneul.services.apigateway.plane.usage import day_of, days_between, period_start, read_count
from haneul.services.apigateway.records import Home, home_of, key, load, remove, save
from haneul.services.apigateway.tags import check_tags
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import encode

_OFFSETS = {"DAY": (0, "zero"), "WEEK": (6, "between zero and six inclusive"), "MONTH": (27, "between zero and 27 inclusive")}
_DAYS_MAX = 90


def find_plan(reader: Reader, home: Home, plan_id: str) -> Shape:
    plan = load(reader, home, "plan", plan_id)
    if plan is None:
        raise not_found("Invalid Usage Plan ID specified")
    return plan


def _check(reader: Reader, home: Home, plan: Shape) -> None:
    for stage in plan.get("apiStages", []):
        if load(reader, home, "stage", stage["apiId"], stage["stage"]) is None:
            raise not_found(f"API Stage not found: {stage['apiId']}:{stage['stage']}")
    quota = plan.get("quota")
    if quota is not None:
        if quota.get("period") not in _OFFSETS:
            raise bad_request("Usage Plan quota period must be one of DAY, WEEK or MONTH")
        if quota.get("limit", 0) <= 0:
            raise bad_request("Usage Plan quota limit must be greater than 0")
        quota.setdefault("offset", 0)
        longest, words = _OFFSETS[quota["period"]]
        if not 0 <= quota["offset"] <= longest:
            raise bad_request(f"Usage Plan quota offset must be {words} in the {quota['period']} period")
    for throttle in [plan.get("throttle"), *(one for stage in plan.get("apiStages", []) for one in stage.get("throttle", {}).values())]:
        if throttle is not None and (throttle.get("rateLimit", 0) < 0 or throttle.get("burstLimit", 0) < 0):
            raise bad_request("Usage Plan throttle limits must not be negative")


@api_operation("CreateUsagePlan", "POST", "/usageplans")
async def create_usage_plan(call: Call, request: Shape) -> Shape:
    """Make a usage plan (API reference: CreateUsagePlan)."""
    home = home_of(call)
    check_tags(request.get("tags", {}))
    plan: Shape = {"id": call.cloud.ids.text(6), "name": request["name"], "apiStages": [_stage(one) for one in request.get("apiStages", [])]}
    for name in ("description", "throttle", "quota", "tags"):
        if request.get(name):
            plan[name] = request[name]

    def work(tx: Transaction) -> None:
        _check(tx, home, plan)
        save(tx, home, plan, "plan", plan["id"])

    await call.cloud.store.transact(work)
    return plan


def _stage(given: Shape) -> Shape:
    if not given.get("apiId") or not given.get("stage"):
        raise bad_request("API Stage must have both apiId and stage")
    return given


@api_operation("GetUsagePlan", "GET", "/usageplans/{usagePlanId}")
async def get_usage_plan(call: Call, request: Shape) -> Shape:
    """One plan."""
    return {"tags": {}, **find_plan(call.cloud.store, home_of(call), request["usagePlanId"])}


@api_operation("GetUsagePlans", "GET", "/usageplans")
async def get_usage_plans(call: Call, request: Shape) -> Shape:
    """The account's plans, all or those that a key is on."""
    home, store = home_of(call), call.cloud.store
    key_id = request.get("keyId")

    def fits(plan: Shape) -> bool:
        return key_id is None or store.get(key(home, "plan-key", plan["id"], key_id)) is not None

    return pages.answer(*pages.stored_page(store, request, home, "plan", fits=fits))


@api_operation("UpdateUsagePlan", "PATCH", "/usageplans/{usagePlanId}")
async def update_usage_plan(call: Call, request: Shape) -> Shape:
    """Patch a plan: its stages, limits and quota."""
    home = home_of(call)

    def work(tx: Transaction) -> Shape:
        plan = copy.deepcopy(find_plan(tx, home, request["usagePlanId"]))
        for operation in request.get("patchOperations", []):
            _patch(plan, operation.get("op", ""), operation.get("path", ""), operation.get("value"))
        _check(tx, home, plan)
        save(tx, home, plan, "plan", plan["id"])
        return plan

    return {"tags": {}, **await call.cloud.store.transact(work)}


_NUMBERS = {"rateLimit": "number", "burstLimit": "integer", "limit": "integer", "offset": "integer", "period": "text"}


def _patch(plan: Shape, op: str, path: str, value: str | None) -> None:
    steps = split_path(path)
    if steps in (["name"], ["description"], ["productCode"]) and op in ("replace", "add"):
        plan[steps[0]] = value or ""
    elif steps in (["throttle"], ["quota"]) and op == "remove":
        plan.pop(steps[0], None)
    elif len(steps) == 2 and steps[0] in ("throttle", "quota") and steps[1] in _NUMBERS and op in ("replace", "add"):
        plan.setdefault(steps[0], {})[steps[1]] = convert(_NUMBERS[steps[1]], value, path)
    elif steps == ["apiStages"] and op in ("add", "remove"):
        _patch_stages(plan, op, value or "")
    elif len(steps) >= 3 and steps[0] == "apiStages" and steps[2] == "throttle":
        _patch_throttle(plan, op, steps, value, path)
    else:
        raise bad_request(f"Invalid patch path  '{path}' specified for op '{op}'. Please choose supported operations")


def _patch_stages(plan: Shape, op: str, value: str) -> None:
    api_id, _, stage = value.partition(":")
    if not api_id or not stage:
        raise bad_request("Invalid API Stage specified. API Stage must be in the format apiId:stage")
    known = [one for one in plan["apiStages"] if (one["apiId"], one["stage"]) == (api_id, stage)]
    if op == "add":
        if known:
            raise bad_request(f"API Stage {value} is already a part of the usage plan")
        plan["apiStages"].append({"apiId": api_id, "stage": stage})
    else:
        if not known:
            raise not_found(f"API Stage not found: {value}")
        plan["apiStages"].remove(known[0])


def _patch_throttle(plan: Shape, op: str, steps: list[str], value: str | None, path: str) -> None:
    """`/apiStages/API:STAGE/throttle/PATH/METHOD/rateLimit`: limits of single methods."""
    api_id, _, stage = steps[1].partition(":")
    found = next((one for one in plan["apiStages"] if (one["apiId"], one["stage"]) == (api_id, stage)), None)
    if found is None:
        raise not_found(f"API Stage not found: {steps[1]}")
    if op == "remove":
        if len(steps) == 3:
            found.pop("throttle", None)
        else:
            found.get("throttle", {}).pop("/".join(steps[3:]), None)
        return
    if len(steps) < 6 or steps[-1] not in ("rateLimit", "burstLimit"):
        raise bad_request(f"Invalid patch path {path}")
    limits: dict[str, Any] = found.setdefault("throttle", {}).setdefault("/".join(steps[3:-1]), {})
    limits[steps[-1]] = convert(_NUMBERS[steps[-1]], value, path)


@api_operation("DeleteUsagePlan", "DELETE", "/usageplans/{usagePlanId}")
async def delete_usage_plan(call: Call, request: Shape) -> None:
    """Delete a plan that is on no stage any more."""
    home = home_of(call)

    def work(tx: Transaction) -> None:
        plan = find_plan(tx, home, request["usagePlanId"])
        if plan["apiStages"]:
            raise bad_request("Cannot delete usage plan without dissociating associated stages first")
        remove(tx, home, "plan", plan["id"])
        for row, _ in tx.range(*prefix_range(key(home, "plan-key", plan["id"]))):
            remove(tx, home, "key-plan", str(unpack(row)[-1]), plan["id"])
            tx.delete(row)

    await call.cloud.store.transact(work)


# ---- keys of a plan


def _member(call: Call, document: Shape) -> Shape:
    return {"id": document["id"], "type": "API_KEY", "value": opened(call.cloud, document), "name": document["name"]}


@api_operation("CreateUsagePlanKey", "POST", "/usageplans/{usagePlanId}/keys")
async def create_usage_plan_key(call: Call, request: Shape) -> Shape:
    """Put a key on a plan. A key is on at most one plan for any stage."""
    if request["keyType"] != "API_KEY":
        raise bad_request("Usage Plan Key Type must be API_KEY")
    home = home_of(call)

    def work(tx: Transaction) -> Shape:
        plan, document = find_plan(tx, home, request["usagePlanId"]), find_key(tx, home, request["keyId"])
        if tx.get(key(home, "plan-key", plan["id"], document["id"])) is not None:
            raise conflict("API Key is already subscribed to this Usage Plan")
        stages = {(one["apiId"], one["stage"]) for one in plan["apiStages"]}
        for row, _ in tx.range(*prefix_range(key(home, "key-plan", document["id"]))):
            other = load(tx, home, "plan", str(unpack(row)[-1]))
            if other is not None and any((one["apiId"], one["stage"]) in stages for one in other["apiStages"]):
                raise conflict("API Key is already subscribed to a Usage Plan with the same API Stage")
        tx.put(key(home, "plan-key", plan["id"], document["id"]), encode("API_KEY"))
        tx.put(key(home, "key-plan", document["id"], plan["id"]), encode("API_KEY"))
        return document

    return _member(call, await call.cloud.store.transact(work))


@api_operation("GetUsagePlanKey", "GET", "/usageplans/{usagePlanId}/keys/{keyId}")
async def get_usage_plan_key(call: Call, request: Shape) -> Shape:
    """One key of a plan."""
    home, store = home_of(call), call.cloud.store
    find_plan(store, home, request["usagePlanId"])
    if store.get(key(home, "plan-key", request["usagePlanId"], request["keyId"])) is None:
        raise not_found("Invalid Usage Plan Key ID specified" if load(store, home, "key", request["keyId"]) else "Invalid API Key identifier specified")
    return _member(call, find_key(store, home, request["keyId"]))


@api_operation("GetUsagePlanKeys", "GET", "/usageplans/{usagePlanId}/keys")
async def get_usage_plan_keys(call: Call, request: Shape) -> Shape:
    """The keys of a plan."""
    home, store = home_of(call), call.cloud.store
    find_plan(store, home, request["usagePlanId"])
    prefix = request.get("nameQuery", "")
    ids = (str(unpack(row)[-1]) for row, _ in store.iterate(*prefix_range(key(home, "plan-key", request["usagePlanId"]))))
    found = (one for one in (load(store, home, "key", key_id) for key_id in ids) if one is not None and one["name"].startswith(prefix))
    items, token = pages.listed_page(request, found)
    return pages.answer([_member(call, one) for one in items], token)


@api_operation("DeleteUsagePlanKey", "DELETE", "/usageplans/{usagePlanId}/keys/{keyId}")
async def delete_usage_plan_key(call: Call, request: Shape) -> None:
    """Take a key off a plan."""
    home = home_of(call)

    def work(tx: Transaction) -> None:
        find_plan(tx, home, request["usagePlanId"])
        if tx.get(key(home, "plan-key", request["usagePlanId"], request["keyId"])) is None:
            raise not_found("Invalid Usage Plan Key ID specified")
        remove(tx, home, "plan-key", request["usagePlanId"], request["keyId"])
        remove(tx, home, "key-plan", request["keyId"], request["usagePlanId"])

    await call.cloud.store.transact(work)


@api_operation("GetUsage", "GET", "/usageplans/{usagePlanId}/usage", partial="counts are written once a second")
async def get_usage(call: Call, request: Shape) -> Shape:
    """Requests used and left, day by day, for the keys of a plan (API reference: GetUsage)."""
    home, store = home_of(call), call.cloud.store
    plan = find_plan(store, home, request["usagePlanId"])
    first, last = day_of(request["startDate"]), day_of(request["endDate"])
    if first is None or last is None or last < first or last - first > _DAYS_MAX:
        raise bad_request("Invalid date range: dates are YYYY-MM-DD and at most 90 days apart")
    rows = store.iterate(*prefix_range(key(home, "plan-key", plan["id"])))
    ids = [request["keyId"]] if "keyId" in request else [str(unpack(row)[-1]) for row, _ in rows]
    page, token = pages.listed_page(request, ({"id": one} for one in ids))
    items = {one["id"]: _days(store, home, plan, one["id"], first, last) for one in page}
    shape = {"usagePlanId": plan["id"], "startDate": request["startDate"], "endDate": request["endDate"], "items": items}
    return {**shape, "position": token} if token is not None else shape


def _days(reader: Reader, home: Home, plan: Shape, key_id: str, first: int, last: int) -> list[list[int]]:
    quota = plan.get("quota")
    days = []
    for day in days_between(first, last):
        used = read_count(reader, home, plan["id"], key_id, day)
        left = 0
        if quota is not None:
            so_far = sum(read_count(reader, home, plan["id"], key_id, one) for one in days_between(period_start(quota, day), day))
            left = max(0, quota["limit"] - so_far)
        days.append([used, left])
    return days
