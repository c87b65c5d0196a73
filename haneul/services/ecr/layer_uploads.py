"""InitiateLayerUpload, UploadLayerPart, CompleteLayerUpload: layers by the API instead of the registry's protocol."""

from __future__ import annotations

from collections.abc import AsyncIterator

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.ecr import errors
from haneul.services.ecr.limits import PART_BYTES_MIN
from haneul.services.ecr.names import place_of, repository_resource
from haneul.services.ecr.records import find_layer
from haneul.services.ecr.service import Ecr
from haneul.services.ecr.uploads import OutOfOrder

PART_SIZE_ADVISED = 20 * 1024 * 1024


@operation("ecr:InitiateLayerUpload", resource=repository_resource)
async def initiate_layer_upload(call: Call, request: Shape) -> Shape:
    """Begin to upload a layer. Amazon ECR API Reference, InitiateLayerUpload."""
    upload_id = await call.service(Ecr).uploads.begin(place_of(call, request))
    return {"uploadId": upload_id, "partSize": PART_SIZE_ADVISED}


@operation("ecr:UploadLayerPart", resource=repository_resource)
async def upload_layer_part(call: Call, request: Shape) -> Shape:
    """Add the next part. Amazon ECR API Reference, UploadLayerPart."""
    place, upload_id, data = place_of(call, request), request["uploadId"], request["layerPartBlob"]
    first, last = request["partFirstByte"], request["partLastByte"]
    uploads = call.service(Ecr).uploads
    try:
        if last - first + 1 != len(data):
            raise OutOfOrder(uploads.find(call.cloud.store, place, upload_id).size)
        size = await uploads.append(place, upload_id, _one(data), first)
    except OutOfOrder as problem:
        raise ServiceError(
            "InvalidLayerPartException",
            f"Layer part upload with first byte '{first}' and last byte '{last}' is not valid; the last byte received is '{problem.size - 1}'",
            400,
            fields={"registryId": place.account, "repositoryName": place.name, "uploadId": upload_id, "lastValidByteReceived": max(0, problem.size - 1)},
        ) from None
    return {"registryId": place.account, "repositoryName": place.name, "uploadId": upload_id, "lastByteReceived": size - 1}


async def _one(data: bytes) -> AsyncIterator[bytes]:
    yield data


@operation("ecr:CompleteLayerUpload", resource=repository_resource)
async def complete_layer_upload(call: Call, request: Shape) -> Shape:
    """The parts are a layer now. Amazon ECR API Reference, CompleteLayerUpload."""
    place, upload_id, digests = place_of(call, request), request["uploadId"], request["layerDigests"]
    uploads = call.service(Ecr).uploads
    upload = uploads.find(call.cloud.store, place, upload_id)
    if not upload.parts:
        raise ServiceError("EmptyUploadException", f"The upload with id '{upload_id}' does not contain any layer parts", 400)
    if any(size < PART_BYTES_MIN for _, size in upload.parts[:-1]):
        raise ServiceError("LayerPartTooSmallException", f"Layer parts must be at least {PART_BYTES_MIN} bytes in size", 400)
    if find_layer(call.cloud.store, place, digests[0]) is not None:
        raise errors.layer_exists(place, digests[0])
    try:
        await uploads.complete(place, upload_id, digests[0])
    except OutOfOrder:
        raise ServiceError("InvalidLayerException", "The upload changed while it was being completed", 400) from None
    return {"registryId": place.account, "repositoryName": place.name, "uploadId": upload_id, "layerDigest": digests[0]}
