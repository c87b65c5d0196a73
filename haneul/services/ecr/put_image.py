"""PutImage."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import Shape, operation
from haneul.services.ecr import errors
from haneul.services.ecr.image_ids import shown_id
from haneul.services.ecr.limits import MANIFEST_BYTES_MAX
from haneul.services.ecr.manifests import read_manifest
from haneul.services.ecr.names import TAG, place_of, repository_resource
from haneul.services.ecr.records import repository_in
from haneul.services.ecr.service import Ecr


@operation("ecr:PutImage", resource=repository_resource)
async def put_image(call: Call, request: Shape) -> Shape:
    """Add an image whose layers are there already, or another tag to one. Amazon ECR API Reference, PutImage."""
    place = place_of(call, request)
    data, tag = request["imageManifest"].encode(), request.get("imageTag")
    if tag is not None and TAG.fullmatch(tag) is None:
        raise errors.invalid("imageTag", "must satisfy regular expression '[a-zA-Z0-9_][a-zA-Z0-9-_.]*'")
    if len(data) > MANIFEST_BYTES_MAX:
        raise errors.invalid("imageManifest", f"Member must have length less than or equal to {MANIFEST_BYTES_MAX}")
    repository_in(call.cloud.store, place)
    manifest = read_manifest(data, request.get("imageManifestMediaType"))
    if request.get("imageDigest") not in (None, manifest.digest):
        message = f"The specified image digest '{request['imageDigest']}' does not match the digest '{manifest.digest}' of the image manifest"
        raise ServiceError("ImageDigestDoesNotMatchException", message, 400)
    contents = call.service(Ecr).contents
    if not await call.cloud.store.transact(lambda tx: contents.put_image(tx, place, data, manifest, tag)):
        raise errors.image_exists(place, manifest.digest, tag)
    return {
        "image": {
            "registryId": place.account,
            "repositoryName": place.name,
            "imageId": shown_id(manifest.digest, tag),
            "imageManifest": request["imageManifest"],
            "imageManifestMediaType": manifest.media_type,
        }
    }
