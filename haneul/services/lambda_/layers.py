"""PublishLayerVersion, GetLayerVersion, GetLayerVersionByArn, ListLayerVersions, ListLayers, DeleteLayerVersion."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token
from haneul.services.lambda_.code import code_sha256, fetch_package
from haneul.services.lambda_.downloads import code_location
from haneul.services.lambda_.errors import invalid, not_found
from haneul.services.lambda_.functions import read
from haneul.services.lambda_.limits import LIST_ITEMS_MAX
from haneul.services.lambda_.names import LayerTarget, layer_resource, layer_target_of, layer_version_resource, parse_layer_arn
from haneul.services.lambda_.pages import page, start_of
from haneul.services.lambda_.records import Layer, LayerVersion, layer_key, layer_policy_key, layer_version_key
from haneul.services.lambda_.service import Lambda
from haneul.services.lambda_.shapes import shown_time
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Transaction
from haneul.store.records import decode, encode


@operation("lambda:PublishLayerVersion", resource=layer_resource)
async def publish_layer_version(call: Call, request: Shape) -> Shape:
    """Make a new version of a layer, and the layer with the first one. AWS Lambda API Reference, PublishLayerVersion."""
    service = call.service(Lambda)
    layer = layer_target_of(call, request)
    package = await service.code.add(await fetch_package(call, request["Content"], "PublishLayerVersion"))

    def work(tx: Transaction) -> LayerVersion:
        known = read(tx, layer_key(layer), Layer) or Layer()
        version = LayerVersion(
            number=known.next_version,
            sha256=package.sha256,
            code_size=package.size,
            unpacked_size=package.unpacked_size,
            created_at=call.now,
            description=request.get("Description", ""),
            runtimes=list(request.get("CompatibleRuntimes", [])),
            architectures=list(request.get("CompatibleArchitectures", [])),
            license_info=request.get("LicenseInfo", ""),
        )
        known.next_version += 1
        service.code.hold(tx, layer.space, package)
        tx.put(layer_key(layer), encode(known))
        tx.put(layer_version_key(layer._replace(version=version.number)), encode(version))
        return version

    try:
        version = await call.cloud.store.transact(work)
    except BaseException:
        await service.code.discard(package)
        raise
    return _with_content(call, layer._replace(version=version.number), version)


@operation("lambda:GetLayerVersion", resource=layer_version_resource)
async def get_layer_version(call: Call, request: Shape) -> Shape:
    """A layer version and a link to its content."""
    return _found(call, layer_target_of(call, request))


@operation("lambda:GetLayerVersionByArn", action="lambda:GetLayerVersion", resource=lambda call, request: str(request["Arn"]))
async def get_layer_version_by_arn(call: Call, request: Shape) -> Shape:
    """As GetLayerVersion, by the version's ARN, whosever it is."""
    layer = parse_layer_arn(request["Arn"])
    if layer is None or not layer.version:
        raise invalid(f"Malformed layer version ARN: {request['Arn']}")
    call.account = layer.account
    return _found(call, layer)


@operation("lambda:ListLayerVersions")
async def list_layer_versions(call: Call, request: Shape) -> Shape:
    """A layer's versions, the newest first."""
    layer = layer_target_of(call, request)
    start, end = prefix_range(pack((*layer.space, "layer-version", layer.name)))
    if "Marker" in request:
        end = start_of(request, start)[:-1]  # Backwards, the page ends before the marked row.
    limit = min(request.get("MaxItems", LIST_ITEMS_MAX), LIST_ITEMS_MAX)
    shown: list[Shape] = []
    last = b""
    for key, value in call.cloud.store.iterate(start, end, reverse=True):
        if len(shown) == limit:
            return {"LayerVersions": shown, "NextMarker": make_token(last)}
        version = decode(value, LayerVersion)
        last = key
        if _fits(version, request):
            shown.append(_summary(layer._replace(version=version.number), version))
    return {"LayerVersions": shown}


@operation("lambda:ListLayers")
async def list_layers(call: Call, request: Shape) -> Shape:
    """Layers in the order of their names, each with its newest version that fits what is asked for."""
    space = ("lambda", call.account, call.region)

    def show(key: bytes, _: bytes) -> Shape | None:
        layer = LayerTarget(call.account, call.region, str(unpack(key)[4]), 0)
        for _, value in call.cloud.store.iterate(*prefix_range(pack((*space, "layer-version", layer.name))), reverse=True):
            version = decode(value, LayerVersion)
            if _fits(version, request):
                summary = _summary(layer._replace(version=version.number), version)
                return {"LayerName": layer.name, "LayerArn": layer.arn, "LatestMatchingVersion": summary}
        return None

    return page(call.cloud.store, pack((*space, "layer")), request, "Layers", show)


@operation("lambda:DeleteLayerVersion", resource=layer_version_resource)
async def delete_layer_version(call: Call, request: Shape) -> Shape:
    """Remove a layer version. Functions that use it keep its content; a version that is not there counts as removed."""
    layer = layer_target_of(call, request)
    service = call.service(Lambda)

    def work(tx: Transaction) -> None:
        version = read(tx, layer_version_key(layer), LayerVersion)
        if version is not None:
            service.code.drop(tx, layer.space, version.sha256)
            tx.delete(layer_version_key(layer))
            tx.delete(layer_policy_key(layer))

    await call.cloud.store.transact(work)
    return {}


def _found(call: Call, layer: LayerTarget) -> Shape:
    version = read(call.cloud.store, layer_version_key(layer), LayerVersion)
    if version is None:
        raise not_found("The resource you requested does not exist.")
    return _with_content(call, layer, version)


def _with_content(call: Call, layer: LayerTarget, version: LayerVersion) -> Shape:
    content = {"Location": code_location(call, version.sha256), "CodeSha256": code_sha256(version.sha256), "CodeSize": version.code_size}
    return {"Content": content, "LayerArn": layer.arn, **_summary(layer, version)}


def _summary(layer: LayerTarget, version: LayerVersion) -> Shape:
    out: Shape = {
        "LayerVersionArn": layer.version_arn,
        "Version": version.number,
        "Description": version.description,
        "CreatedDate": shown_time(version.created_at),
    }
    if version.runtimes:
        out["CompatibleRuntimes"] = version.runtimes
    if version.architectures:
        out["CompatibleArchitectures"] = version.architectures
    if version.license_info:
        out["LicenseInfo"] = version.license_info
    return out


def _fits(version: LayerVersion, request: Shape) -> bool:
    runtime, architecture = request.get("CompatibleRuntime"), request.get("CompatibleArchitecture")
    return (runtime is None or runtime in version.runtimes) and (architecture is None or architecture in version.architectures)
