"""ListImages and DescribeImages."""

from __future__ import annotations

from collections.abc import Iterator

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.ecr import errors
from haneul.services.ecr.image_ids import Failure, find, shown_id
from haneul.services.ecr.names import Place, place_of, repository_resource
from haneul.services.ecr.records import Image, repository_in
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Reader
from haneul.store.records import decode

PAGE_DEFAULT = 100


def images_of(reader: Reader, place: Place, start: bytes = b"") -> Iterator[tuple[bytes, str, Image]]:
    """Key, digest and image, in the order of digests."""
    first, end = prefix_range(place.key("image"))
    for key, row in reader.iterate(start or first, end):
        yield key, str(unpack(key)[5]), decode(row, Image)


def _wanted(request: Shape) -> str:
    chosen = request.get("filter") or {}
    if chosen.get("imageStatus", "ACTIVE") not in ("ACTIVE", "ANY"):
        raise NotBuilt("archived images (imageStatus of ecr:ListImages and ecr:DescribeImages)")
    status: str = chosen.get("tagStatus", "ANY")
    return status


def _position(request: Shape, place: Place) -> tuple[bytes, str]:
    """Where the page begins: the key of an image, and the tag of it that was shown last."""
    if "nextToken" not in request:
        return b"", ""
    position = read_token(request["nextToken"])
    start, end = prefix_range(place.key("image"))
    if position is None or len(position) < 2:
        raise errors.invalid("nextToken", "is not a token of this listing")
    length = int.from_bytes(position[:2], "big")
    key, tag = position[2 : 2 + length], position[2 + length :].decode("utf-8", "replace")
    if not start <= key < end:
        raise errors.invalid("nextToken", "is not a token of this listing")
    return key, tag


def _token(key: bytes, tag: str) -> str:
    return make_token(len(key).to_bytes(2, "big") + key + tag.encode())


@operation("ecr:ListImages", resource=repository_resource)
async def list_images(call: Call, request: Shape) -> Shape:
    """Digests with each of their tags, a page at a time. Amazon ECR API Reference, ListImages."""
    place = place_of(call, request)
    repository_in(call.cloud.store, place)
    status = _wanted(request)
    limit = request.get("maxResults", PAGE_DEFAULT)
    start, after_tag = _position(request, place)
    ids: list[Shape] = []
    for key, digest, image in images_of(call.cloud.store, place, start):
        tags: list[str | None] = [*sorted(image.tags)] or [None]
        for tag in tags:
            if key == start and (tag is None or tag <= after_tag) and after_tag:
                continue
            if (tag is None and status == "TAGGED") or (tag is not None and status == "UNTAGGED"):
                continue
            if len(ids) == limit:
                before = max((one for one in image.tags if tag is not None and one < tag), default="")
                return {"imageIds": ids, "nextToken": _token(key, before)}
            ids.append(shown_id(digest, tag))
    return {"imageIds": ids}


@operation("ecr:DescribeImages", resource=repository_resource)
async def describe_images(call: Call, request: Shape) -> Shape:
    """What is known of images: those that are named, or a page of all. Amazon ECR API Reference, DescribeImages."""
    place = place_of(call, request)
    store = call.cloud.store
    repository_in(store, place)
    if image_ids := request.get("imageIds"):
        if "maxResults" in request or "nextToken" in request:
            raise errors.invalid("imageIds", "cannot be used together with maxResults or nextToken")
        described: dict[str, Shape] = {}
        for image_id in image_ids:
            try:
                digest, image = find(store, place, image_id)
            except Failure as failure:
                if failure.code in ("ImageNotFound", "ImageTagDoesNotMatchDigest"):
                    raise errors.image_not_found(place, image_id.get("imageDigest"), image_id.get("imageTag")) from None
                raise errors.invalid("imageIds", failure.reason) from None
            described[digest] = _detail(place, digest, image)
        return {"imageDetails": list(described.values())}
    status = _wanted(request)
    limit = request.get("maxResults", PAGE_DEFAULT)
    start, _ = _position(request, place)
    details: list[Shape] = []
    for key, digest, image in images_of(store, place, start):
        if (status == "TAGGED" and not image.tags) or (status == "UNTAGGED" and image.tags):
            continue
        if len(details) == limit:
            return {"imageDetails": details, "nextToken": _token(key, "")}
        details.append(_detail(place, digest, image))
    return {"imageDetails": details}


def _detail(place: Place, digest: str, image: Image) -> Shape:
    out: Shape = {
        "registryId": place.account,
        "repositoryName": place.name,
        "imageDigest": digest,
        "imageSizeInBytes": image.size,
        "imagePushedAt": image.pushed_at,
        "imageManifestMediaType": image.media_type,
        "imageStatus": "ACTIVE",
    }
    if image.artifact_type:
        out["artifactMediaType"] = image.artifact_type
    if image.tags:
        out["imageTags"] = sorted(image.tags)
    if image.pulled_at:
        out["lastRecordedPullTime"] = image.pulled_at
    if image.subject:
        out["subjectManifestDigest"] = image.subject
    return out
