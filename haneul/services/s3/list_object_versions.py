"""ListObjectVersions."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn, conditions
from haneul.services.s3.errors import invalid_argument
from haneul.services.s3.keys import behind_key, object_key, objects_base, text_in, text_start
from haneul.services.s3.listing import Cursor, encoded, fold, page_size
from haneul.services.s3.records import NULL, Bucket, Object, one_version, order_of_version
from haneul.services.s3.state import find_bucket, owner
from haneul.store.keys import after, prefix_range
from haneul.store.port import Reader
from haneul.store.records import decode


@operation("s3:ListObjectVersions", action="s3:ListBucketVersions", resource=bucket_arn, conditions=conditions)
async def list_object_versions(call: Call, request: Shape) -> Shape:
    """Up to 1000 versions and delete markers, by key and, within a key, the newest first. API Reference: ListObjectVersions."""
    bucket = find_bucket(call, request)
    store = call.cloud.store
    encode = encoded(request)
    prefix, delimiter = request.get("Prefix") or "", request.get("Delimiter") or ""
    limit = page_size(request.get("MaxKeys"), "max-keys")
    base = objects_base(bucket.id)
    start, end = prefix_range(text_start(base, prefix))
    cursor = Cursor(store, start, end)
    previous = _begin(store, bucket, request, cursor, base, prefix, delimiter)
    shown: Shape = {"Name": bucket.name, "Prefix": encode(prefix), "MaxKeys": limit, "KeyMarker": encode(request.get("KeyMarker") or "")}
    shown["VersionIdMarker"] = request.get("VersionIdMarker") or ""
    versions: list[Shape] = []
    markers: list[Shape] = []
    prefixes: list[str] = []
    truncated = False
    last = ("", "")
    while (row := cursor.next()) is not None:
        key, _ = text_in(row[0], base)
        if len(versions) + len(markers) + len(prefixes) >= limit:
            truncated = limit > 0
            break
        folded = fold(key, prefix, delimiter)
        if folded is not None:
            prefixes.append(folded)
            last = (folded, "")
            cursor.seek(after(text_start(base, folded)))
            continue
        found = decode(row[1], Object)
        one = _show(bucket, found, encode(key), key != previous)
        (markers if found.marker else versions).append(one)
        previous, last = key, (key, found.version_id)
    shown.update(IsTruncated=truncated, Versions=versions, DeleteMarkers=markers, CommonPrefixes=[{"Prefix": encode(one)} for one in prefixes])
    if truncated:
        shown["NextKeyMarker"] = encode(last[0])
        if last[1]:
            shown["NextVersionIdMarker"] = last[1]
    if delimiter:
        shown["Delimiter"] = encode(delimiter)
    if "EncodingType" in request:
        shown["EncodingType"] = request["EncodingType"]
    return shown


def _begin(reader: Reader, bucket: Bucket, request: Shape, cursor: Cursor, base: bytes, prefix: str, delimiter: str) -> str:
    """Put the cursor behind the markers; the key whose newest version lies before it already, if any."""
    key, version_id = request.get("KeyMarker") or "", request.get("VersionIdMarker")
    if version_id == "":
        raise invalid_argument("A version-id marker cannot be empty.", "version-id-marker", version_id)
    if version_id is not None and not key:
        raise invalid_argument("A version-id marker cannot be specified without a key marker.", "version-id-marker", version_id)
    if not key:
        return ""
    if version_id is None:
        folded = fold(key, prefix, delimiter) if key.startswith(prefix) else None
        cursor.seek(after(text_start(base, key)) if folded == key else behind_key(base, key))
        return ""
    order = order_of_version(version_id)
    if version_id == NULL:
        place = one_version(reader, bucket, key, NULL)
        cursor.seek(place[0] + b"\x00" if place is not None else behind_key(base, key))
    elif order is None:
        raise invalid_argument("Invalid version id specified", "version-id-marker", version_id)
    else:
        cursor.seek(object_key(bucket.id, key, order) + b"\x00")
    return key


def _show(bucket: Bucket, found: Object, key: str, is_latest: bool) -> Shape:
    one: Shape = {"Key": key, "VersionId": found.version_id, "IsLatest": is_latest, "LastModified": found.modified, "Owner": owner(bucket.account)}
    if not found.marker:
        one.update(ETag=f'"{found.etag}"', Size=found.size, StorageClass=found.storage_class)
        if found.checksums:
            one.update(ChecksumAlgorithm=list(found.checksums), ChecksumType=found.checksum_type)
    return one
