"""CreateFunction."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.lambda_.code import Package, fetch_package
from haneul.services.lambda_.code_signing import check_signature, use_config
from haneul.services.lambda_.configuration import (
    apply_configuration,
    check_architecture,
    check_built,
    check_role,
    check_runtime,
    check_unpacked_size,
    layer_uses,
)
from haneul.services.lambda_.errors import conflict, invalid
from haneul.services.lambda_.images import apply_image_config, check_image_request, fetch_image
from haneul.services.lambda_.names import LATEST, Target, function_resource, target_of
from haneul.services.lambda_.records import Function, Version, function_key
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.shapes import configuration
from haneul.services.lambda_.tag_checks import check_tags
from haneul.services.lambda_.versions import publish_in
from haneul.services.lambda_.writes import add_count, hold_version
from haneul.store.port import Transaction
from haneul.store.records import encode


@operation(
    "lambda:CreateFunction",
    resource=function_resource,
    partial="no VPC, file systems, KMS keys",
)
async def create_function(call: Call, request: Shape) -> Shape:
    """Make a function of a zip package or a container image. It has been checked, unpacked and made durable when this answers. AWS Lambda API Reference, CreateFunction."""
    service = call.service(Lambda)
    target = target_of(call, request)
    if target.qualifier not in (None, LATEST):
        raise invalid(f"Invalid function name: {request['FunctionName']}")
    target = target._replace(qualifier=None)
    check_built(request, "CreateFunction")
    is_image = request.get("PackageType") == "Image"
    if is_image:
        check_image_request(request)
    else:
        check_runtime(request.get("Runtime"), await service.environments.runtimes())
        if "Handler" not in request:
            raise invalid("Runtime and Handler are mandatory parameters for functions created with deployment packages.")
    check_tags(request.get("Tags", {}))
    if request.get("Publish") is None and request.get("PublishTo"):
        raise invalid("PublishTo requires a capacity provider.")
    check_role(call, request["Role"], target)
    if call.cloud.store.get(function_key(target)) is not None:
        raise conflict(f"Function already exist: {target.name}")
    check_signature(call, request.get("CodeSigningConfigArn", ""))
    version = _new_version(call, target, request)
    layers = layer_uses(call, call.cloud.store, request.get("Layers", []), 0)
    package = await _fetch(call, service, target, request["Code"], version, is_image)
    apply_image_config(version, request)
    version.sha256, version.code_size, version.unpacked_size = package.sha256, package.size, package.unpacked_size
    version.layers = layers
    published: Version | None = None

    def work(tx: Transaction) -> Version | None:
        if tx.get(function_key(target)) is not None:
            raise conflict(f"Function already exist: {target.name}")
        function = Function(call.now, tags=dict(request.get("Tags", {})))
        use_config(tx, call, target, function, request.get("CodeSigningConfigArn", ""))
        tx.put(function_key(target), encode(function))
        hold_version(service.code, tx, target, version, package)
        add_count(tx, target.space, 1)
        return publish_in(call, tx, target, version, version.description) if request.get("Publish") else None

    try:
        if not is_image:
            check_unpacked_size(package.unpacked_size + sum(layer.unpacked_size for layer in layers))
        published = await call.cloud.store.transact(work)
    except BaseException:
        await service.code.discard(package)
        raise
    shown = target._replace(qualifier=published.qualifier) if published else target
    return configuration(call.cloud.vault, shown, published or version, state="Pending")


async def _fetch(call: Call, service: Lambda, target: Target, code: Shape, version: Version, is_image: bool) -> Package:
    if not is_image:
        return await service.code.add(await fetch_package(call, code, "CreateFunction"))
    if "ImageUri" not in code:
        raise invalid("Please provide a source for function code.")
    return await fetch_image(call, service.code, target, code["ImageUri"], version.architecture, version)


def _new_version(call: Call, target: Target, request: Shape) -> Version:
    version = Version(
        name=target.name,
        number=0,
        runtime=request.get("Runtime", ""),
        role=request["Role"],
        handler=request.get("Handler", ""),
        sha256="",
        code_size=0,
        unpacked_size=0,
        last_modified=call.now,
        revision_id=call.cloud.ids.uuid(),
        architecture=check_architecture(request, call.service(Lambda).architecture),
    )
    apply_configuration(call, version, request)
    return version

