"""ListImageReferrers: what refers to an image by its `subject` (signatures, lists of contents)."""

from __future__ import annotations

from collections.abc import Iterator

import orjson

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import Shape, operation
from haneul.core.paging import make_token, read_token
from haneul.services.ecr import errors
from haneul.services.ecr.names import DIGEST, Place, place_of, repository_resource
from haneul.services.ecr.records import find_image, repository_in
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Reader

PAGE_DEFAULT = 50


def referrers_of(reader: Reader, place: Place, subject: str, after: str = "") -> Iterator[Shape]:
    """What refers to a digest, in the order of the referrers' own digests, as both the API and the registry's protocol describe it."""
    start, end = prefix_range(place.key("referrer", subject))
    if after:
        start = place.key("referrer", subject, after) + b"\x00"
    for key, _ in reader.iterate(start, end):
        digest = str(unpack(key)[6])
        image = find_image(reader, place, digest)
        if image is None:
            continue
        shown: Shape = {"mediaType": image.media_type, "digest": digest, "size": len(image.manifest)}
        if image.artifact_type:
            shown["artifactType"] = image.artifact_type
        annotations = orjson.loads(image.manifest).get("annotations")
        if isinstance(annotations, dict):
            shown["annotations"] = {name: value for name, value in annotations.items() if isinstance(value, str)}
        yield shown


@operation("ecr:ListImageReferrers", resource=repository_resource)
async def list_image_referrers(call: Call, request: Shape) -> Shape:
    """A page of what refers to an image, which need not be there itself. Amazon ECR API Reference, ListImageReferrers."""
    place = place_of(call, request)
    store = call.cloud.store
    repository_in(store, place)
    subject = request["subjectId"]["imageDigest"]
    if DIGEST.fullmatch(subject) is None:
        raise errors.invalid("subjectId.imageDigest", "must be a digest")
    chosen = request.get("filter") or {}
    if chosen.get("artifactStatus", "ACTIVE") not in ("ACTIVE", "ANY"):
        raise NotBuilt("archived artifacts (artifactStatus of ecr:ListImageReferrers)")
    types = chosen.get("artifactTypes")
    position = read_token(request["nextToken"]) if "nextToken" in request else b""
    after = (position or b"").decode("utf-8", "replace")
    if position is None or (after and DIGEST.fullmatch(after) is None):
        raise errors.invalid("nextToken", "is not a token of this listing")
    limit = request.get("maxResults", PAGE_DEFAULT)
    found: list[Shape] = []
    for one in referrers_of(store, place, subject, after):
        if types and one.get("artifactType") not in types:
            continue
        if len(found) == limit:
            return {"referrers": found, "nextToken": make_token(found[-1]["digest"].encode())}
        found.append({**one, "artifactStatus": "ACTIVE"})
    return {"referrers": found}
