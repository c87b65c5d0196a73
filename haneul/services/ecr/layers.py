"""BatchCheckLayerAvailability and GetDownloadUrlForLayer."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.ecr.distribution.links import layer_link
from haneul.services.ecr.names import DIGEST, place_of, repository_resource
from haneul.services.ecr.records import find_layer, repository_in


@operation("ecr:BatchCheckLayerAvailability", resource=repository_resource)
async def batch_check_layer_availability(call: Call, request: Shape) -> Shape:
    """Which layers a repository has. Amazon ECR API Reference, BatchCheckLayerAvailability."""
    place = place_of(call, request)
    store = call.cloud.store
    repository_in(store, place)
    layers, failures = [], []
    for digest in request["layerDigests"]:
        if DIGEST.fullmatch(digest) is None:
            failures.append({"layerDigest": digest, "failureCode": "InvalidLayerDigest", "failureReason": f"Invalid layer digest '{digest}'"})
            continue
        layer = find_layer(store, place, digest)
        if layer is None:
            layers.append({"layerDigest": digest, "layerAvailability": "UNAVAILABLE"})
            continue
        shown: Shape = {"layerDigest": digest, "layerAvailability": "AVAILABLE", "layerSize": layer.size}
        if layer.media_type:
            shown["mediaType"] = layer.media_type
        layers.append(shown)
    return {"layers": layers, "failures": failures}


@operation("ecr:GetDownloadUrlForLayer", resource=repository_resource)
async def get_download_url_for_layer(call: Call, request: Shape) -> Shape:
    """A link to a layer, good for an hour. Amazon ECR API Reference, GetDownloadUrlForLayer."""
    place = place_of(call, request)
    repository_in(call.cloud.store, place)
    digest = request["layerDigest"]
    if find_layer(call.cloud.store, place, digest) is None:
        message = f"The layer with digest '{digest}' does not exist in the repository with name '{place.name}' in the registry with id '{place.account}'"
        raise ServiceError("LayersNotFoundException", message, 400)
    return {"downloadUrl": layer_link(call, digest), "layerDigest": digest}
