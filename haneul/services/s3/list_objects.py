"""ListObjects and ListObjectsV2."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import operation
from haneul.core.paging import make_token, read_token
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn, conditions
from haneul.services.s3.errors import invalid_argument
from haneul.services.s3.keys import behind_key, objects_base, text_in, text_start
from haneul.services.s3.listing import Cursor, encoded, fold, page_size
from haneul.services.s3.records import Bucket, Object
from haneul.services.s3.state import find_bucket, owner
from haneul.store.keys import after, prefix_range
from haneul.store.port import Reader
from haneul.store.records import decode


@dataclass(slots=True)
class Page:
    """One page: current objects, common prefixes, whether there is more, and the last key or prefix shown."""

    objects: list[tuple[str, Object]] = field(default_factory=list)
    prefixes: list[str] = field(default_factory=list)
    truncated: bool = False
    last: str = ""


def list_page(reader: Reader, bucket: Bucket, prefix: str, delimiter: str, behind: str, limit: int) -> Page:
    """The first `limit` entries behind the key (or common prefix) `behind`."""
    base = objects_base(bucket.id)
    start, end = prefix_range(text_start(base, prefix))
    cursor = Cursor(reader, start, end)
    if behind:
        folded = fold(behind, prefix, delimiter) if behind.startswith(prefix) else None
        # A marker that is itself a common prefix stands for everything below it, which has been shown.
        cursor.seek(after(text_start(base, behind)) if folded == behind else behind_key(base, behind))
    page = Page()
    while (row := cursor.next()) is not None:
        key, at = text_in(row[0], base)
        current = decode(row[1], Object)
        if bucket.versioning:
            cursor.seek(row[0][:at] + b"\xff")  # Older versions of the same key are passed over.
            if current.marker:
                continue
        if len(page.objects) + len(page.prefixes) >= limit:
            page.truncated = limit > 0
            break
        folded = fold(key, prefix, delimiter)
        if folded is None:
            page.objects.append((key, current))
            page.last = key
        else:
            page.prefixes.append(folded)
            page.last = folded
            cursor.seek(after(text_start(base, folded)))
    return page


def _contents(page: Page, encode: Callable[[str], str], bucket_owner: Shape | None) -> list[Shape]:
    shown: list[Shape] = []
    for key, found in page.objects:
        one: Shape = {
            "Key": encode(key),
            "LastModified": found.modified,
            "ETag": f'"{found.etag}"',
            "Size": found.size,
            "StorageClass": found.storage_class,
        }
        if found.checksums:
            one["ChecksumAlgorithm"] = list(found.checksums)
            one["ChecksumType"] = found.checksum_type
        if bucket_owner is not None:
            one["Owner"] = bucket_owner
        shown.append(one)
    return shown


def _common(request: Shape, bucket: Bucket, page: Page, limit: int, fetch_owner: bool) -> Shape:
    if "OptionalObjectAttributes" in request and request["OptionalObjectAttributes"] != ["RestoreStatus"]:
        raise NotBuilt(f"the optional object attributes {request['OptionalObjectAttributes']} of S3")
    encode = encoded(request)
    shown: Shape = {
        "Name": bucket.name,
        "Prefix": encode(request.get("Prefix") or ""),
        "MaxKeys": limit,
        "IsTruncated": page.truncated,
        "Contents": _contents(page, encode, owner(bucket.account) if fetch_owner else None),
        "CommonPrefixes": [{"Prefix": encode(one)} for one in page.prefixes],
    }
    if request.get("Delimiter"):
        shown["Delimiter"] = encode(request["Delimiter"])
    if "EncodingType" in request:
        shown["EncodingType"] = request["EncodingType"]
    return shown


@operation("s3:ListObjects", action="s3:ListBucket", resource=bucket_arn, conditions=conditions)
async def list_objects(call: Call, request: Shape) -> Shape:
    """Up to 1000 objects in the order of their keys' UTF-8 bytes. API Reference: ListObjects."""
    bucket = find_bucket(call, request)
    encode = encoded(request)
    limit = page_size(request.get("MaxKeys"), "max-keys")
    marker = request.get("Marker") or ""
    delimiter = request.get("Delimiter") or ""
    page = list_page(call.cloud.store, bucket, request.get("Prefix") or "", delimiter, marker, limit)
    shown = _common(request, bucket, page, limit, True)
    shown["Marker"] = encode(marker)
    if page.truncated and delimiter:
        shown["NextMarker"] = encode(page.last)
    return shown


@operation("s3:ListObjectsV2", action="s3:ListBucket", resource=bucket_arn, conditions=conditions)
async def list_objects_v2(call: Call, request: Shape) -> Shape:
    """The same with continuation tokens, which name a place in the order, not a moment. API Reference: ListObjectsV2."""
    bucket = find_bucket(call, request)
    encode = encoded(request)
    limit = page_size(request.get("MaxKeys"), "max-keys")
    start_after = request.get("StartAfter") or ""
    behind = start_after
    token = request.get("ContinuationToken")
    if token is not None:
        position = read_token(token)
        if not position:
            raise invalid_argument("The continuation token provided is incorrect", "continuation-token", token)
        behind = position.decode("utf-8", "replace")
    page = list_page(call.cloud.store, bucket, request.get("Prefix") or "", request.get("Delimiter") or "", behind, limit)
    shown = _common(request, bucket, page, limit, bool(request.get("FetchOwner")))
    shown["KeyCount"] = len(page.objects) + len(page.prefixes)
    if start_after:
        shown["StartAfter"] = encode(start_after)
    if token is not None:
        shown["ContinuationToken"] = token
    if page.truncated:
        shown["NextContinuationToken"] = make_token(page.last.encode("utf-8", "replace"))
    return shown
