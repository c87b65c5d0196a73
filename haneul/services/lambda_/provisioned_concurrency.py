"""Put-, Get-, Delete- and ListProvisionedConcurrencyConfig(s).

Source: AWS Lambda API Reference, PutProvisionedConcurrencyConfig; AWS Lambda Developer Guide, "Understanding concurrency".
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import conflict, invalid
from haneul.services.lambda_.functions import Resolution, read, resolve_in
from haneul.services.lambda_.limits import ACCOUNT_CONCURRENCY, UNRESERVED_CONCURRENCY_MIN
from haneul.services.lambda_.names import LATEST, Target, function_resource, qualified_resource, target_of
from haneul.services.lambda_.pages import page
from haneul.services.lambda_.records import PROVISIONED_SPACE, Function, Provisioned, function_key, provisioned_key, provisioned_prefix, reserved_key
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.shapes import shown_time
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode


@operation("lambda:PutProvisionedConcurrencyConfig", resource=qualified_resource)
async def put_provisioned_concurrency_config(call: Call, request: Shape) -> Shape:
    """Keep environments ready for a version or alias. They are made after this answers."""
    target = target_of(call, request)
    config = Provisioned(request["ProvisionedConcurrentExecutions"], call.now)

    def work(tx: Transaction) -> None:
        found = resolve_in(tx, target)
        if found.version.number == 0:
            raise invalid("Provisioned Concurrency Configs cannot be applied to unpublished function versions.")
        if found.version.snap_start:
            raise invalid("Provisioned Concurrency is not supported for SnapStart enabled functions.")
        if found.alias is not None and found.alias.weights:
            raise invalid("Alias with weights can not be used with Provisioned Concurrency")
        _check_overlap(tx, found)
        _check_concurrency(tx, found, config.requested)
        tx.put(provisioned_key(target), encode(config))

    await call.cloud.store.transact(work)
    call.status = 202
    return _shown(call, target, config)


@operation("lambda:GetProvisionedConcurrencyConfig", resource=qualified_resource)
async def get_provisioned_concurrency_config(call: Call, request: Shape) -> Shape:
    """What is wanted, and how much of it is there."""
    target = target_of(call, request)
    if target.qualifier == LATEST:
        raise invalid("The function resource provided must be an alias or a published version.")
    resolve_in(call.cloud.store, target)
    config = read(call.cloud.store, provisioned_key(target), Provisioned)
    if config is None:
        message = "No Provisioned Concurrency Config found for this function"
        raise ServiceError("ProvisionedConcurrencyConfigNotFoundException", message, 404, fields={"Type": "User"})
    return _shown(call, target, config)


@operation("lambda:DeleteProvisionedConcurrencyConfig", resource=qualified_resource)
async def delete_provisioned_concurrency_config(call: Call, request: Shape) -> Shape:
    """Keep environments ready no longer. Without a configuration there is nothing to do, which counts as done."""
    target = target_of(call, request)
    if target.qualifier == LATEST:
        raise invalid("The function resource provided must be an alias or a published version.")

    def work(tx: Transaction) -> None:
        resolve_in(tx, target)
        tx.delete(provisioned_key(target))

    await call.cloud.store.transact(work)
    call.status = 204
    return {}


@operation("lambda:ListProvisionedConcurrencyConfigs", resource=function_resource)
async def list_provisioned_concurrency_configs(call: Call, request: Shape) -> Shape:
    target = target_of(call, request)._replace(qualifier=None)
    resolve_in(call.cloud.store, target)

    def show(key: bytes, value: bytes) -> Shape:
        one = target._replace(qualifier=str(unpack(key)[4]))
        return {"FunctionArn": one.qualified_arn, **_shown(call, one, decode(value, Provisioned))}

    return page(call.cloud.store, provisioned_prefix(target), request, "ProvisionedConcurrencyConfigs", show)


def _check_overlap(tx: Transaction, found: Resolution) -> None:
    """A version has its own configuration or is behind an alias that has one, not both."""
    target = found.target
    for key, _ in tx.range(*prefix_range(provisioned_prefix(target))):
        other = target._replace(qualifier=str(unpack(key)[4]))
        if other == target or resolve_in(tx, other).version.number != found.version.number:
            continue
        if found.alias is not None:
            raise conflict("Alias can't be used for Provisioned Concurrency configuration on an already Provisioned version")
        raise conflict("Version is pointed by a Provisioned Concurrency alias")


def _check_concurrency(tx: Transaction, found: Resolution, wanted: int) -> None:
    """What is kept ready comes out of the function's reserved concurrency, or out of the account's unreserved concurrency."""
    target = found.target
    own = wanted + provisioned_of(tx, target, besides=target.qualifier)
    reserved = found.function.reserved_concurrency
    if reserved is not None:
        if own > reserved:
            raise invalid("Requested Provisioned Concurrency should not be greater than the reservedConcurrentExecution for function")
        return
    unreserved = ACCOUNT_CONCURRENCY - (read(tx, reserved_key(target.space), int) or 0)
    together = own + provisioned_elsewhere(tx, target)
    if together > unreserved:
        raise invalid(f"Specified ConcurrentExecutions for function is greater than account's unreserved concurrency [{unreserved}].")
    if unreserved - together < UNRESERVED_CONCURRENCY_MIN:
        raise invalid(
            f"Specified ConcurrentExecutions for function decreases account's UnreservedConcurrentExecution below its minimum value of [{UNRESERVED_CONCURRENCY_MIN}]."
        )


def provisioned_of(reader: Reader, target: Target, *, besides: str | None = None) -> int:
    """The provisioned concurrency of a function's versions and aliases together, without that of one of them."""
    return sum(config.requested for key, config in _configs(reader, provisioned_prefix(target)) if str(unpack(key)[4]) != besides)


def provisioned_elsewhere(reader: Reader, target: Target) -> int:
    """The provisioned concurrency of all other functions that take theirs out of the account's unreserved concurrency."""
    total = 0
    for key, config in _configs(reader, pack((PROVISIONED_SPACE, target.account, target.region))):
        name = str(unpack(key)[3])
        function = read(reader, function_key(target._replace(name=name)), Function) if name != target.name else None
        if function is not None and function.reserved_concurrency is None:
            total += config.requested
    return total


def _configs(reader: Reader, prefix: bytes) -> list[tuple[bytes, Provisioned]]:
    return [(key, decode(value, Provisioned)) for key, value in reader.range(*prefix_range(prefix))]


def _shown(call: Call, target: Target, config: Provisioned) -> Shape:
    state = call.service(Lambda).provisioned.state(target)
    out: Shape = {
        "RequestedProvisionedConcurrentExecutions": config.requested,
        "AvailableProvisionedConcurrentExecutions": state.allocated,
        "AllocatedProvisionedConcurrentExecutions": state.allocated,
        "Status": state.status,
        "LastModified": shown_time(config.last_modified),
    }
    if state.reason:
        out["StatusReason"] = state.reason
    return out
