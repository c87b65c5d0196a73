"""BatchDeleteImage."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import Shape, operation
from haneul.services.ecr.contents import Contents
from haneul.services.ecr.image_ids import Failure, find, shown_id
from haneul.services.ecr.names import Place, place_of, repository_resource
from haneul.services.ecr.records import repository_in
from haneul.services.ecr.service import Ecr
from haneul.store.port import Transaction


@operation("ecr:BatchDeleteImage", resource=repository_resource)
async def batch_delete_image(call: Call, request: Shape) -> Shape:
    """Remove images by digest, or tags; an image goes with its last tag. Amazon ECR API Reference, BatchDeleteImage."""
    place = place_of(call, request)
    contents = call.service(Ecr).contents

    def work(tx: Transaction) -> tuple[list[Shape], list[Shape]]:
        repository_in(tx, place)
        gone: list[Shape] = []
        failures: list[Shape] = []
        waiting = list(request["imageIds"])
        while waiting:  # A list goes before the images that it names, in whatever order they are given.
            later: list[tuple[Shape, Failure]] = []
            before = len(gone)
            for image_id in waiting:
                try:
                    gone += _delete(contents, tx, place, image_id)
                except Failure as failure:
                    if failure.code == "ImageReferencedByManifestList":
                        later.append((image_id, failure))
                    else:
                        failures.append(failure.shown(image_id))
            if len(gone) == before:
                failures += [failure.shown(image_id) for image_id, failure in later]
                break
            waiting = [image_id for image_id, _ in later]
        return gone, failures

    gone, failures = await call.cloud.store.transact(work)
    return {"imageIds": gone, "failures": failures}


def _delete(contents: Contents, tx: Transaction, place: Place, image_id: Shape) -> list[Shape]:
    digest, image = find(tx, place, image_id)
    tag = image_id.get("imageTag")
    if tag is not None and len(image.tags) > 1:
        contents.untag(tx, place, digest, image, tag)
        return [shown_id(digest, tag)]
    if image.parents:
        raise Failure("ImageReferencedByManifestList", f"Requested image referenced by manifest list: [{digest}]")
    tags = list(image.tags)
    contents.delete_image(tx, place, digest, image)
    return [shown_id(digest, one) for one in tags] or [shown_id(digest, None)]
