"""UpdateFunctionCode."""

from __future__ import annotations

import msgspec

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.code import Package, fetch_package
from haneul.services.lambda_.code_signing import check_signature
from haneul.services.lambda_.configuration import check_architecture, check_unpacked_size
from haneul.services.lambda_.errors import invalid, precondition_failed
from haneul.services.lambda_.functions import resolve_in
from haneul.services.lambda_.images import fetch_image
from haneul.services.lambda_.names import Target, function_resource, latest_of
from haneul.services.lambda_.records import ImageUse, Version, version_key
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.shapes import configuration
from haneul.services.lambda_.versions import publish_in
from haneul.store.port import Transaction
from haneul.store.records import encode


@operation("lambda:UpdateFunctionCode", resource=function_resource)
async def update_function_code(call: Call, request: Shape) -> Shape:
    """Give $LATEST another package; DryRun only checks. AWS Lambda API Reference, UpdateFunctionCode."""
    service = call.service(Lambda)
    target = latest_of(call, request)
    found = service.functions.resolve(target)
    before = found.version
    if request.get("PublishTo"):
        raise invalid("PublishTo requires a capacity provider.")
    check_signature(call, found.function.code_signing_arn)
    if request.get("RevisionId") not in (None, before.revision_id):
        raise precondition_failed()
    if "Architectures" in request:
        check_architecture(request, service.architecture)
    image, package = await _fetch(call, service, target, request, before)

    def work(tx: Transaction) -> tuple[Version, Version, Version | None]:
        old = resolve_in(tx, target).version
        if request.get("RevisionId") not in (None, old.revision_id):
            raise precondition_failed()
        fresh = resolve_in(tx, target).version
        fresh.sha256, fresh.code_size, fresh.unpacked_size = package.sha256, package.size, package.unpacked_size
        fresh.image = image
        fresh.last_modified, fresh.revision_id = call.now, call.cloud.ids.uuid()
        if "Architectures" in request:
            fresh.architecture = check_architecture(request, service.architecture)
        if image is None:
            check_unpacked_size(fresh.unpacked_size + sum(layer.unpacked_size for layer in fresh.layers))
        service.code.hold(tx, target.space, package)
        service.code.drop(tx, target.space, old.sha256)
        tx.put(version_key(target, 0), encode(fresh))
        return old, fresh, publish_in(call, tx, target, fresh, fresh.description) if request.get("Publish") else None

    if request.get("DryRun"):
        await service.code.discard(package)
        return configuration(call.cloud.vault, target, before)
    try:
        old, fresh, published = await call.cloud.store.transact(work)
    except BaseException:
        await service.code.discard(package)
        raise
    service.environments.forget(old)
    shown = target._replace(qualifier=published.qualifier) if published else target
    return configuration(call.cloud.vault, shown, published or fresh, update="InProgress")


async def _fetch(call: Call, service: Lambda, target: Target, request: Shape, before: Version) -> tuple[ImageUse | None, Package]:
    """The new package, of the kind that the function has."""
    if before.image is None:
        if "ImageUri" in request:
            raise invalid("Please don't provide ImageUri when updating a function with packageType Zip.")
        return None, await service.code.add(await fetch_package(call, request, "UpdateFunctionCode"))
    if "ImageUri" not in request:
        raise invalid("Please provide ImageUri when updating a function with packageType Image.")
    wanted = msgspec.structs.replace(before)
    architecture = check_architecture(request, service.architecture) if "Architectures" in request else before.architecture
    package = await fetch_image(call, service.code, target, request["ImageUri"], architecture, wanted)
    return wanted.image, package
