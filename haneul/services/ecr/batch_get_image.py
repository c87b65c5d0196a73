"""BatchGetImage."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.ecr.image_ids import Failure, find, shown_id
from haneul.services.ecr.limits import PULL_RECORDED_EVERY
from haneul.services.ecr.names import Place, place_of, repository_resource
from haneul.services.ecr.records import find_image, repository_in
from haneul.store.port import Transaction
from haneul.store.records import encode


@operation("ecr:BatchGetImage", resource=repository_resource)
async def batch_get_image(call: Call, request: Shape) -> Shape:
    """Manifests by digest or tag; what is not there is told as a failure. Amazon ECR API Reference, BatchGetImage."""
    place = place_of(call, request)
    store = call.cloud.store
    repository_in(store, place)
    accepted = request.get("acceptedMediaTypes")
    images, failures, pulled = [], [], []
    for image_id in request["imageIds"]:
        try:
            digest, image = find(store, place, image_id)
            if accepted is not None and image.media_type not in accepted:
                raise Failure("ImageNotFound", f"The image's media type {image.media_type} is not among those accepted")
        except Failure as failure:
            failures.append(failure.shown(image_id))
            continue
        images.append(
            {
                "registryId": place.account,
                "repositoryName": place.name,
                "imageId": shown_id(digest, image_id.get("imageTag")),
                "imageManifest": image.manifest.decode(),
                "imageManifestMediaType": image.media_type,
            }
        )
        if image.pulled_at + PULL_RECORDED_EVERY <= call.now:
            pulled.append(digest)
    if pulled:
        await call.cloud.store.transact(lambda tx: record_pull(tx, place, pulled, call.now))
    return {"images": images, "failures": failures}


def record_pull(tx: Transaction, place: Place, digests: list[str], now: int) -> None:
    """Note when images were last pulled, which lifecycle rules and DescribeImages tell."""
    for digest in digests:
        image = find_image(tx, place, digest)
        if image is not None:
            image.pulled_at = now
            tx.put(place.key("image", digest), encode(image))
