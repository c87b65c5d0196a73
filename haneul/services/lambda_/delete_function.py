"""DeleteFunction."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.errors import conflict, function_not_found, invalid
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.names import LATEST, Target, qualified_resource, target_of
from haneul.services.lambda_.records import (
    Alias,
    Function,
    UrlConfig,
    Version,
    code_signing_use_key,
    function_key,
    provisioned_key,
    provisioned_prefix,
    reserved_key,
    url_index_key,
    version_key,
)
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.writes import add_count, drop_version
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

_KINDS = ("alias", "policy", "invoke-config", "url")


@operation("lambda:DeleteFunction", resource=qualified_resource)
async def delete_function(call: Call, request: Shape) -> Shape:
    """Remove a function with everything that belongs to it, or one published version. AWS Lambda API Reference, DeleteFunction."""
    service = call.service(Lambda)
    target = target_of(call, request)
    if target.qualifier == LATEST:
        raise invalid("$LATEST version cannot be deleted without deleting the function.")
    if target.qualifier is not None and not target.qualifier.isdigit():
        raise invalid("Deletion of aliases is not currently supported.")

    def work(tx: Transaction) -> list[Version]:
        function = read(tx, function_key(target), Function)
        if function is None:
            raise function_not_found(target.qualified_arn)
        if target.qualifier is not None:
            return _delete_version(service, tx, target)
        return _delete_all(service, tx, target, function)

    for version in await call.cloud.store.transact(work):
        service.environments.forget(version)
    call.status = 204
    return {}


def _delete_version(service: Lambda, tx: Transaction, target: Target) -> list[Version]:
    number = int(target.qualifier or 0)
    aliases = [decode(value, Alias) for _, value in tx.iterate(*prefix_range(pack((*target.space, "alias", target.name))))]
    users = [alias.name for alias in aliases if alias.version == number or str(number) in alias.weights]
    if users:
        arns = ", ".join(f"{target.arn}:{name}" for name in users)
        raise conflict(f"Version {target.arn}:{number} is referenced by alias {arns}, and cannot be deleted.")
    version = read(tx, version_key(target, number), Version)
    if version is None:
        return []  # AWS answers the deletion of a version that is not there with success.
    drop_version(service.code, tx, target, version)
    for kind in _KINDS:
        tx.delete(pack((*target.space, kind, target.name, str(number))))
    tx.delete(provisioned_key(target))
    return [version]


def _delete_all(service: Lambda, tx: Transaction, target: Target, function: Function) -> list[Version]:
    gone = []
    for _, value in list(tx.iterate(*prefix_range(pack((*target.space, "version", target.name))))):
        version = decode(value, Version)
        drop_version(service.code, tx, target, version)
        gone.append(version)
    for kind in _KINDS:
        for key, value in list(tx.iterate(*prefix_range(pack((*target.space, kind, target.name))))):
            if kind == "url":
                tx.delete(url_index_key(decode(value, UrlConfig).url_id))
            tx.delete(key)
    if function.reserved_concurrency is not None:
        total = read(tx, reserved_key(target.space), int) or 0
        tx.put(reserved_key(target.space), encode(total - function.reserved_concurrency))
    for key, _ in tx.range(*prefix_range(provisioned_prefix(target))):
        tx.delete(key)
    if function.code_signing_arn:
        tx.delete(code_signing_use_key(target.space, function.code_signing_arn.rpartition(":")[2], target.name))
    tx.delete(function_key(target))
    add_count(tx, target.space, -1)
    return gone
