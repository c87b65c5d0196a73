"""Tags of vaults, plans and recovery points: TagResource, UntagResource and ListTags."""

from __future__ import annotations

from collections.abc import Callable

from haneul.core.arn import parse_arn
from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.backup.arns import tagged_arn
from haneul.services.backup.errors import not_found
from haneul.services.backup.plans import write_plan
from haneul.services.backup.records import Plan, Point, Vault, find_plan, find_vault, point_anywhere, put_point
from haneul.services.backup.tag_rules import check_number, checked_tags
from haneul.services.backup.vaults import write_vault
from haneul.store.port import Reader, Transaction

Tagged = Vault | Plan | Point


def _find(reader: Reader, call: Call, arn: str) -> Tagged:
    found = parse_arn(arn)
    if found is not None and found.region == call.region and found.account == call.account:
        kind, _, name = found.resource.partition(":")
        one: Tagged | None = None
        if found.service == "backup" and kind == "backup-vault":
            one = find_vault(reader, call.account, call.region, name)
        elif found.service == "backup" and kind == "backup-plan":
            one = find_plan(reader, call.account, call.region, name)
        else:
            one = point_anywhere(reader, call.account, call.region, arn)
        if one is not None:
            return one
    raise not_found(f"Resource {arn} does not exist")


async def _change(call: Call, arn: str, change: Callable[[dict[str, str]], None]) -> None:
    def work(tx: Transaction) -> None:
        one = _find(tx, call, arn)
        change(one.tags)
        check_number(one.tags)
        if isinstance(one, Vault):
            write_vault(tx, one)
        elif isinstance(one, Plan):
            write_plan(tx, one)
        else:
            put_point(tx, one)

    await call.cloud.store.transact(work)


@operation("backup:TagResource", resource=tagged_arn)
async def tag_resource(call: Call, request: Shape) -> Shape:
    """Add tags. (API Reference: "TagResource".)"""
    given = checked_tags(request["Tags"])
    await _change(call, request["ResourceArn"], lambda tags: tags.update(given))
    return {}


@operation("backup:UntagResource", resource=tagged_arn)
async def untag_resource(call: Call, request: Shape) -> Shape:
    """Remove tags. (API Reference: "UntagResource".)"""

    def change(tags: dict[str, str]) -> None:
        for name in request["TagKeyList"]:
            tags.pop(name, None)

    await _change(call, request["ResourceArn"], change)
    return {}


@operation("backup:ListTags", resource=tagged_arn)
async def list_tags(call: Call, request: Shape) -> Shape:
    """The tags of a resource. (API Reference: "ListTags".)"""
    return {"Tags": _find(call.cloud.store, call, request["ResourceArn"]).tags}
