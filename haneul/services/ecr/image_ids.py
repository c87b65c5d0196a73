"""Images by digest or tag, as requests name them."""

from __future__ import annotations

from typing import NamedTuple

from haneul.core.operation import Shape
from haneul.services.ecr.names import DIGEST, TAG, Place
from haneul.services.ecr.records import Image, find_image, tagged_digest
from haneul.store.port import Reader


class Found(NamedTuple):
    """An image that a request names."""

    digest: str
    image: Image


class Failure(Exception):
    """Why there is no such image: one of the model's failure codes, and its words."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
        self.reason = reason

    def shown(self, image_id: Shape) -> Shape:
        return {"imageId": image_id, "failureCode": self.code, "failureReason": self.reason}


def find(reader: Reader, place: Place, image_id: Shape) -> Found:
    """The image that an imageIdentifier means. Raises Failure."""
    digest, tag = image_id.get("imageDigest"), image_id.get("imageTag")
    if digest is None and tag is None:
        raise Failure("MissingDigestAndTag", "Invalid request parameters: both tag and digest cannot be null")
    if digest is not None and DIGEST.fullmatch(digest) is None:
        raise Failure("InvalidImageDigest", f"Invalid request parameters: image digest should satisfy the regex '[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+', not '{digest}'")
    if tag is not None:
        if TAG.fullmatch(tag) is None:
            raise Failure("InvalidImageTag", f"Invalid request parameters: image tag '{tag}' is not valid")
        named = tagged_digest(reader, place, tag)
        if named is None:
            raise Failure("ImageNotFound", "Requested image not found")
        if digest is not None and named != digest:
            raise Failure("ImageTagDoesNotMatchDigest", f"Tag {tag} does not match image digest {digest}")
        digest = named
    assert digest is not None
    image = find_image(reader, place, digest)
    if image is None:
        raise Failure("ImageNotFound", "Requested image not found")
    return Found(digest, image)


def shown_id(digest: str, tag: str | None) -> Shape:
    return {"imageDigest": digest} if tag is None else {"imageDigest": digest, "imageTag": tag}
