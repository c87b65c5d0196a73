"""TagResource, UntagResource, ListTags: tags of functions, event source mappings and code signing configurations."""

from __future__ import annotations

from collections.abc import Callable

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import function_not_found, invalid, not_found
from haneul.services.lambda_.event_sources.records import Mapping, mapping_key, parse_mapping_arn
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.names import parse_target
from haneul.services.lambda_.records import CodeSigning, Function, code_signing_key, function_key
from haneul.services.lambda_.tag_checks import check_tags
from haneul.store.port import Reader, Transaction
from haneul.store.records import encode


def _resource(call: Call, request: Shape) -> str:
    return str(request["Resource"])


def _find(call: Call, reader: Reader, arn: str) -> tuple[bytes, Function | Mapping | CodeSigning]:
    mapping = parse_mapping_arn(arn)
    if mapping is not None:
        key = mapping_key(("lambda", mapping[1], mapping[0]), mapping[2])
        found = read(reader, key, Mapping)
        if found is None:
            raise not_found("The resource you requested does not exist.")
        return key, found
    if ":code-signing-config:" in arn:
        parts = arn.split(":")
        key = code_signing_key(("lambda", parts[4], parts[3]), parts[-1])
        config = read(reader, key, CodeSigning)
        if config is None:
            raise not_found("The resource you requested does not exist.")
        return key, config
    if ":function:" not in arn:
        raise NotBuilt(f"tags of {arn}")
    target = parse_target(arn, None, call.account, call.region)
    if target.qualifier is not None:
        raise invalid("Tags on function aliases and versions are not supported. Please specify a function ARN.")
    function = read(reader, function_key(target), Function)
    if function is None:
        raise function_not_found(target.arn)
    return function_key(target), function


async def _change(call: Call, arn: str, change: Callable[[dict[str, str]], None]) -> None:
    def work(tx: Transaction) -> None:
        key, found = _find(call, tx, arn)
        tags = dict(found.tags)
        change(tags)
        check_tags(tags)
        found.tags = tags
        tx.put(key, encode(found))

    await call.cloud.store.transact(work)


@operation("lambda:TagResource", resource=_resource)
async def tag_resource(call: Call, request: Shape) -> Shape:
    await _change(call, request["Resource"], lambda tags: tags.update(request["Tags"]))
    return {}


@operation("lambda:UntagResource", resource=_resource)
async def untag_resource(call: Call, request: Shape) -> Shape:
    def remove(tags: dict[str, str]) -> None:
        for name in request["TagKeys"]:
            tags.pop(name, None)

    await _change(call, request["Resource"], remove)
    return {}


@operation("lambda:ListTags", resource=_resource)
async def list_tags(call: Call, request: Shape) -> Shape:
    return {"Tags": _find(call, call.cloud.store, request["Resource"])[1].tags}
