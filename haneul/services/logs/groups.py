"""Log groups: create, delete, describe, list, retention, deletion protection."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from haneul.clock import MILLISECOND
from haneul.core.arn import make_arn
from haneul.core.call import Call
from haneul.core.errors import AccessDenied, NotBuilt, ServiceError
from haneul.core.operation import operation
from haneul.core.paging import make_token, read_token
from haneul.core.ports import Shape
from haneul.services.logs.access import find_group, group_arn, group_of_identifier, named_group, on_all_groups, on_group, place_of
from haneul.services.logs.errors import invalid_parameter, invalid_token
from haneul.services.logs.records import Group, bytes_key, group_key, groups_prefix
from haneul.services.logs.retention import forget_group, schedule_expiry
from haneul.store.keys import after, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

RETENTION_DAYS = (1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653)
_DESCRIBED_MAX = 50
_LISTED_DEFAULT = 50
_SCANNED_MAX = 5000


@operation("logs:CreateLogGroup", resource=on_group)
async def create_log_group(call: Call, request: Shape) -> None:
    """Make a group. ResourceAlreadyExistsException when there is one of this name (API reference: CreateLogGroup)."""
    if "kmsKeyId" in request:
        raise NotBuilt("the parameter kmsKeyId of logs:CreateLogGroup")
    if request.get("logGroupClass") == "DELIVERY":
        raise NotBuilt("the value DELIVERY of the parameter logGroupClass of logs:CreateLogGroup")
    place, name = place_of(call), request["logGroupName"]
    if request.get("tags"):
        check_tag_keys(request["tags"])
        _check_tagging(call, name)
    group = Group(
        id=int.from_bytes(call.cloud.ids.bytes(6), "big"),
        name=name,
        created_ms=call.now // MILLISECOND,
        group_class=request.get("logGroupClass", "STANDARD"),
        deletion_protection=request.get("deletionProtectionEnabled", False),
        tags=request.get("tags", {}),
    )

    def work(tx: Transaction) -> None:
        key = group_key(place, name)
        if tx.get(key) is not None:
            raise ServiceError("ResourceAlreadyExistsException", "The specified log group already exists", 400)
        tx.put(key, encode(group))

    await call.cloud.store.transact(work)


def check_tag_keys(tags: dict[str, str]) -> None:
    """Keys that begin with `aws:` are the system's own."""
    if any(key.lower().startswith("aws:") for key in tags):
        raise invalid_parameter("aws: prefixed tag key names are not allowed for external use.")


def _check_tagging(call: Call, name: str) -> None:
    """Tags need a permission of their own, whose absence has words of its own."""
    try:
        call.authorize("logs:TagResource", group_arn(call, name))
    except AccessDenied:
        message = f'User with accountId: {call.caller.account} is not authorized to perform CreateLogGroup with Tags. An additional permission "logs:TagResource" is required.'
        raise AccessDenied(message) from None


@operation("logs:DeleteLogGroup", resource=on_group)
async def delete_log_group(call: Call, request: Shape) -> None:
    """Delete a group with its streams and events. They are gone at once; their rows are removed in the background."""
    place, name = place_of(call), request["logGroupName"]

    def work(tx: Transaction) -> None:
        group = find_group(tx, place, name)
        if group.deletion_protection:
            raise ServiceError("ValidationException", "Log group cannot be deleted because deletion protection is enabled.", 400)
        tx.delete(group_key(place, name))
        forget_group(call.cloud, tx, place, group)

    await call.cloud.store.transact(work)


async def change_group(call: Call, name: str, change: Callable[[Transaction, Group], None]) -> None:
    """Change a group in one transaction."""
    place = place_of(call)

    def work(tx: Transaction) -> None:
        group = find_group(tx, place, name)
        change(tx, group)
        tx.put(group_key(place, name), encode(group))

    await call.cloud.store.transact(work)


@operation("logs:PutRetentionPolicy", resource=on_group)
async def put_retention_policy(call: Call, request: Shape) -> None:
    """Say after how many days events expire (API reference: PutRetentionPolicy)."""
    days = request["retentionInDays"]
    if days not in RETENTION_DAYS:
        allowed = ", ".join(map(str, RETENTION_DAYS))
        raise invalid_parameter(
            f"1 validation error detected: Value '{days}' at 'retentionInDays' failed to satisfy constraint: Member must satisfy enum value set: [{allowed}]"
        )
    place = place_of(call)

    def change(tx: Transaction, group: Group) -> None:
        group.retention_days = days
        schedule_expiry(call.cloud, tx, place, group)

    await change_group(call, request["logGroupName"], change)


@operation("logs:DeleteRetentionPolicy", resource=on_group)
async def delete_retention_policy(call: Call, request: Shape) -> None:
    """Keep events for ever."""
    place = place_of(call)

    def change(tx: Transaction, group: Group) -> None:
        group.retention_days = 0
        schedule_expiry(call.cloud, tx, place, group)

    await change_group(call, request["logGroupName"], change)


@operation("logs:PutLogGroupDeletionProtection", resource=on_group)
async def put_log_group_deletion_protection(call: Call, request: Shape) -> None:
    """Protect a group from DeleteLogGroup, or no longer."""

    def change(tx: Transaction, group: Group) -> None:
        group.deletion_protection = request["deletionProtectionEnabled"]

    await change_group(call, named_group(call, request), change)


def _described(call: Call, group: Group) -> Shape:
    arn = make_arn("logs", call.region, call.account, f"log-group:{group.name}")
    shape: Shape = {
        "logGroupName": group.name,
        "creationTime": group.created_ms,
        "metricFilterCount": len(group.metric_filters),
        "arn": f"{arn}:*",
        "logGroupArn": arn,
        "storedBytes": int(call.cloud.store.get(bytes_key(place_of(call), group.id)) or b"0"),
        "logGroupClass": group.group_class,
        "deletionProtectionEnabled": group.deletion_protection,
    }
    if group.retention_days:
        shape["retentionInDays"] = group.retention_days
    return shape


def _groups_from(call: Call, prefix: str, token: str | None) -> Iterator[Group]:
    """Groups whose names begin with `prefix`, by name, behind the one that a page's token names."""
    start = group_key(place_of(call), prefix)[:-1]  # Without the mark that ends a text, every name that begins so follows.
    end = after(start) if prefix else prefix_range(groups_prefix(place_of(call)))[1]
    if token is not None:
        position = read_token(token)
        if position is None:
            raise invalid_token()
        start = group_key(place_of(call), position.decode("utf-8", "replace")) + b"\x00"
    return (decode(value, Group) for _, value in call.cloud.store.iterate(start, end))


def _page(call: Call, found: Iterator[Group], limit: int, fits: Callable[[Group], bool]) -> tuple[list[Group], str | None]:
    """Up to `limit` groups that fit, and the token of the next page. It looks at a bounded number of groups, so a page may be short."""
    groups: list[Group] = []
    last = ""
    for looked_at, group in enumerate(found):
        if len(groups) == limit or looked_at == _SCANNED_MAX:
            return groups, make_token(last.encode())
        last = group.name
        if fits(group):
            groups.append(group)
    return groups, None


@operation("logs:DescribeLogGroups", resource=on_all_groups)
async def describe_log_groups(call: Call, request: Shape) -> Shape:
    """List groups by name, all or those with a prefix, a substring or of a class (API reference: DescribeLogGroups)."""
    if request.get("includeLinkedAccounts"):
        raise NotBuilt("the parameter includeLinkedAccounts of logs:DescribeLogGroups")
    if any(account != call.account for account in request.get("accountIdentifiers", ())):
        raise NotBuilt("accounts other than the caller's in the parameter accountIdentifiers of logs:DescribeLogGroups")
    prefix, pattern, identifiers = request.get("logGroupNamePrefix"), request.get("logGroupNamePattern"), request.get("logGroupIdentifiers")
    if prefix is not None and pattern is not None:
        raise invalid_parameter("LogGroup name prefix and LogGroup name pattern are mutually exclusive parameters.")
    wanted_class = request.get("logGroupClass")
    if identifiers is not None:
        if prefix is not None or pattern is not None:
            raise invalid_parameter("LogGroup identifiers and LogGroup name prefix or pattern are mutually exclusive parameters.")
        return {"logGroups": [_described(call, group) for group in _identified(call, identifiers)]}

    def fits(group: Group) -> bool:
        return (pattern is None or pattern in group.name) and (wanted_class is None or group.group_class == wanted_class)

    limit = request.get("limit", _DESCRIBED_MAX)
    groups, token = _page(call, _groups_from(call, prefix or "", request.get("nextToken")), limit, fits)
    result: Shape = {"logGroups": [_described(call, group) for group in groups]}
    if token is not None:
        result["nextToken"] = token
    return result


def _identified(call: Call, identifiers: list[str]) -> list[Group]:
    place, store = place_of(call), call.cloud.store
    values = (store.get(group_key(place, group_of_identifier(call, identifier))) for identifier in identifiers)
    return [decode(value, Group) for value in values if value is not None]


@operation("logs:ListLogGroups", resource=on_all_groups)
async def list_log_groups(call: Call, request: Shape) -> Shape:
    """List names, ARNs and classes of groups, all or those that a small pattern (`^/aws/lambda|discovery`) finds."""
    for name in ("includeLinkedAccounts", "dataSources", "fieldIndexNames", "logGroupTags"):
        if request.get(name):
            raise NotBuilt(f"the parameter {name} of logs:ListLogGroups")
    if any(account != call.account for account in request.get("accountIdentifiers", ())):
        raise NotBuilt("accounts other than the caller's in the parameter accountIdentifiers of logs:ListLogGroups")
    pattern, wanted_class = request.get("logGroupNamePattern"), request.get("logGroupClass")
    search = re.compile("|".join(("^" if part.startswith("^") else "") + re.escape(part.removeprefix("^")) for part in pattern.split("|"))) if pattern else None

    def fits(group: Group) -> bool:
        return (search is None or search.search(group.name) is not None) and (wanted_class is None or group.group_class == wanted_class)

    groups, token = _page(call, _groups_from(call, "", request.get("nextToken")), request.get("limit", _LISTED_DEFAULT), fits)
    result: Shape = {
        "logGroups": [
            {
                "logGroupName": group.name,
                "logGroupArn": make_arn("logs", call.region, call.account, f"log-group:{group.name}"),
                "logGroupClass": group.group_class,
            }
            for group in groups
        ]
    }
    if token is not None:
        result["nextToken"] = token
    return result
