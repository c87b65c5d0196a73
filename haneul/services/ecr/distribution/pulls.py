"""Reading from a repository by the registry's protocol: manifests, blobs, tags, referrers."""

from __future__ import annotations

import re

import orjson

from haneul.core.bodies import blob_body
from haneul.core.http import HttpResponse
from haneul.services.ecr.batch_get_image import record_pull
from haneul.services.ecr.distribution.exchange import VERSION_HEADER, Exchange, Problem
from haneul.services.ecr.image_ids import Failure, Found, find
from haneul.services.ecr.limits import PULL_RECORDED_EVERY
from haneul.services.ecr.list_image_referrers import referrers_of
from haneul.services.ecr.manifests import OCI_INDEX
from haneul.services.ecr.names import DIGEST, Place
from haneul.services.ecr.records import find_blob, find_layer
from haneul.store.keys import prefix_range, unpack
from haneul.store.port import Reader

TAGS_PER_PAGE = 1000
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_NUMBER = re.compile(r"[0-9]{1,18}")


def find_reference(reader: Reader, place: Place, reference: str) -> Found:
    """The image that a digest or tag in a path means; MANIFEST_UNKNOWN when there is none."""
    try:
        return find(reader, place, {"imageDigest": reference} if ":" in reference else {"imageTag": reference})
    except Failure:
        raise Problem(404, "MANIFEST_UNKNOWN", "Requested image not found") from None


async def get_manifest(exchange: Exchange, reference: str) -> HttpResponse:
    """GET and HEAD /v2/NAME/manifests/REFERENCE."""
    call = exchange.allow("BatchGetImage")
    store = exchange.cloud.store
    digest, image = find_reference(store, exchange.place, reference)
    if exchange.request.method == "GET" and image.pulled_at + PULL_RECORDED_EVERY <= call.now:
        await store.transact(lambda tx: record_pull(tx, exchange.place, [digest], call.now))
    headers = {
        **VERSION_HEADER,
        "Content-Type": image.media_type,
        "Content-Length": str(len(image.manifest)),
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
    }
    return HttpResponse(200, headers, image.manifest if exchange.request.method == "GET" else b"")


async def get_blob(exchange: Exchange, digest: str) -> HttpResponse:
    """GET (whole or a range) and HEAD /v2/NAME/blobs/DIGEST."""
    head = exchange.request.method == "HEAD"
    exchange.allow("BatchCheckLayerAvailability" if head else "GetDownloadUrlForLayer")
    if DIGEST.fullmatch(digest) is None:
        raise Problem(400, "DIGEST_INVALID", f"'{digest}' is no digest that is kept here")
    layer = find_layer(exchange.cloud.store, exchange.place, digest)
    blob = find_blob(exchange.cloud.store, digest)
    if layer is None or blob is None:
        raise Problem(404, "BLOB_UNKNOWN", "blob unknown to registry")
    headers = {
        **VERSION_HEADER,
        "Content-Type": "application/octet-stream",
        "Content-Length": str(blob.size),
        "Docker-Content-Digest": digest,
        "ETag": f'"{digest}"',
        "Accept-Ranges": "bytes",
    }
    if head:
        return HttpResponse(200, headers)
    first, last = _range(exchange.request.headers.get("range"), blob.size)
    status = 200
    if (first, last) != (0, blob.size - 1):
        status = 206
        headers["Content-Range"] = f"bytes {first}-{last}/{blob.size}"
        headers["Content-Length"] = str(last - first + 1)
    return HttpResponse(status, headers, await blob_body(exchange.cloud.blobs, blob.blob_id, first, last - first + 1))


def _range(header: str | None, size: int) -> tuple[int, int]:
    """First and last byte of what is wanted; a range of a form that is not understood counts as none (RFC 9110, 14.2)."""
    found = _RANGE.fullmatch(header.strip()) if header else None
    if found is None or found[0] == "bytes=-":
        return 0, size - 1
    if not found[1]:
        return max(0, size - int(found[2])), size - 1
    first, last = int(found[1]), min(int(found[2] or size - 1), size - 1)
    if first > last:
        raise Problem(416, "RANGE_INVALID", "the range lies outside the blob", {"Content-Range": f"bytes */{size}"})
    return first, last


async def list_tags(exchange: Exchange, _: str) -> HttpResponse:
    """GET /v2/NAME/tags/list, in the order of the tags, `n` at a time, after `last`."""
    exchange.allow("ListImages")
    wanted = exchange.query.get("n", str(TAGS_PER_PAGE))
    if _NUMBER.fullmatch(wanted) is None:
        raise Problem(400, "PAGINATION_NUMBER_INVALID", "n must be a number")
    count = min(int(wanted), TAGS_PER_PAGE)
    place = exchange.place
    start, end = prefix_range(place.key("tag"))
    if last := exchange.query.get("last"):
        start = place.key("tag", last) + b"\x00"
    rows = exchange.cloud.store.range(start, end, count + 1)
    tags = [str(unpack(key)[5]) for key, _ in rows[:count]]
    headers = {**VERSION_HEADER, "Content-Type": "application/json"}
    if len(rows) > count and tags:
        headers["Link"] = f'</v2/{place.name}/tags/list?last={tags[-1]}&n={count}>; rel="next"'
    return HttpResponse(200, headers, orjson.dumps({"name": place.name, "tags": tags}))


async def get_referrers(exchange: Exchange, digest: str) -> HttpResponse:
    """GET /v2/NAME/referrers/DIGEST: an index of the manifests whose subject is that digest."""
    exchange.allow("BatchGetImage")
    if DIGEST.fullmatch(digest) is None:
        raise Problem(400, "DIGEST_INVALID", f"'{digest}' is no digest that is kept here")
    wanted = exchange.query.get("artifactType")
    referrers = referrers_of(exchange.cloud.store, exchange.place, digest)
    found = [one for one in referrers if wanted is None or one.get("artifactType") == wanted]
    headers = {**VERSION_HEADER, "Content-Type": OCI_INDEX}
    if wanted is not None:
        headers["OCI-Filters-Applied"] = "artifactType"
    return HttpResponse(200, headers, orjson.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": found}))
