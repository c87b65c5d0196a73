"""GetObject and HeadObject."""

from __future__ import annotations

import re
from typing import Final

from haneul.core.call import Call
from haneul.core.errors import AccessDenied, ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.access import Conditions, may_list
from haneul.services.s3.customer_keys import CustomerKey, key_to_read
from haneul.services.s3.due import show_expiration
from haneul.services.s3.errors import invalid_argument, invalid_request, no_such_key, no_such_version
from haneul.services.s3.metadata import refuse_unbuilt, show_object
from haneul.services.s3.outgoing import Source, body_of
from haneul.services.s3.preconditions import check_read
from haneul.services.s3.records import NULL, Bucket, Object, one_version, order_of_version
from haneul.services.s3.state import find_bucket, state_of
from haneul.services.s3.times import http_date

_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)\Z")
# response-… parameters, and the headers that they replace.
_OVERRIDES: Final = {
    "ResponseCacheControl": "CacheControl",
    "ResponseContentDisposition": "ContentDisposition",
    "ResponseContentEncoding": "ContentEncoding",
    "ResponseContentLanguage": "ContentLanguage",
    "ResponseContentType": "ContentType",
}


@operation("s3:GetObject", authorized_inside=True, partial="no archived objects or torrents")
async def get_object(call: Call, request: Shape) -> Shape:
    """Read an object, a range of it or one of its parts.

    Errors: NoSuchKey (AccessDenied for those who may not list the bucket), NoSuchVersion, InvalidRange, PreconditionFailed. API Reference: GetObject.
    """
    bucket, found = find_object(call, request, "s3:GetObject", "s3:GetObjectVersion")
    key = key_to_read(request, found.customer_key, call.cloud.ids)
    shown, first, length = _answer(call, request, bucket, found, key)
    shown["Body"] = await body_of(state_of(call), Source(bucket, request["Key"], found, key), first, length)
    if not isinstance(shown["Body"], bytes):
        shown["ContentLength"] = length
    return shown


@operation("s3:HeadObject", action="s3:GetObject", authorized_inside=True, partial="no archived objects")
async def head_object(call: Call, request: Shape) -> Shape:
    """The headers of GetObject without the body. API Reference: HeadObject."""
    bucket, found = find_object(call, request, "s3:GetObject", "s3:GetObjectVersion")
    key = key_to_read(request, found.customer_key, call.cloud.ids)
    shown, _, length = _answer(call, request, bucket, found, key)
    shown["ContentLength"] = length
    return shown


def find_object(call: Call, request: Shape, action: str, action_of_version: str) -> tuple[Bucket, Object]:
    """The version that a request names, once the caller may have it. Errors as GetObject's."""
    bucket = find_bucket(call, request)
    key: str = request["Key"]
    version_id = request.get("VersionId")
    call.authorize(action_of_version if version_id is not None else action, f"arn:aws:s3:::{bucket.name}/{key}", Conditions(call, request))
    if version_id is None:
        found = state_of(call).current(bucket, key)
        if found is None or found.marker:
            may_list(call, bucket)
            error = no_such_key(key)
            if found is not None:
                error.headers = {"x-amz-delete-marker": "true", "x-amz-version-id": found.version_id}
            raise error
        return bucket, found
    return bucket, _find_version(call, bucket, key, version_id)


def _find_version(call: Call, bucket: Bucket, key: str, version_id: str) -> Object:
    if version_id != NULL and order_of_version(version_id) is None:
        raise invalid_argument("Invalid version id specified", "versionId", version_id)
    place = one_version(call.cloud.store, bucket, key, version_id)
    if place is None:
        raise no_such_version(key, version_id)
    found = place[1]
    if found.marker:
        headers = {"x-amz-delete-marker": "true", "x-amz-version-id": found.version_id, "Allow": "DELETE"}
        fields = {"Method": call.http.method if call.http is not None else "GET", "ResourceType": "DeleteMarker"}
        raise ServiceError("MethodNotAllowed", "The specified method is not allowed against this resource.", 405, headers=headers, fields=fields)
    return found


def _answer(call: Call, request: Shape, bucket: Bucket, found: Object, key: CustomerKey | None) -> tuple[Shape, int, int]:
    """The headers of the answer, and which bytes its body has: the first and how many."""
    refuse_unbuilt(request)
    check_read(request, found, bool(bucket.versioning))
    shown = show_object(call, bucket, found, key)
    if found.tags and _may_see_tags(call, request, bucket):
        shown["TagCount"] = len(found.tags)
    if bucket.lifecycle is not None and "VersionId" not in request:
        shown.update(show_expiration(bucket, request["Key"], found))
    _override(call, request, shown)
    first, length = 0, found.size
    if "PartNumber" in request:
        if "Range" in request:
            raise invalid_request("Cannot specify both Range header and partNumber query parameter")
        first, length = _part(request["PartNumber"], found, shown)
        _show_range(call, shown, found, first, length)
    elif "Range" in request:
        wanted = parse_range(request["Range"], found.size)
        if wanted is not None:
            first, length = wanted
            _show_range(call, shown, found, first, length)
    if request.get("ChecksumMode") == "ENABLED" and found.checksums:
        _show_checksums(request, found, length, shown)
    return shown, first, length


def _may_see_tags(call: Call, request: Shape, bucket: Bucket) -> bool:
    """How many tags there are is told to those who may read them."""
    try:
        action = "s3:GetObjectTagging" if "VersionId" not in request else "s3:GetObjectVersionTagging"
        call.authorize(action, f"{bucket.arn}/{request['Key']}", Conditions(call, request))
    except AccessDenied:
        return False
    return True


def _show_checksums(request: Shape, found: Object, length: int, shown: Shape) -> None:
    """The checksum of what the body has: the whole object's, or a part's by its number where parts keep theirs (composite checksums)."""
    if "PartNumber" in request and found.multipart and found.checksum_type == checksums.COMPOSITE:
        checksum = found.pieces[request["PartNumber"] - 1].checksum
        shown.update({checksums.member(algorithm): checksum for algorithm in found.checksums if checksum})
    elif length == found.size:
        shown.update(checksums.show(found.checksums))
    else:
        return
    shown["ChecksumType"] = found.checksum_type


def _override(call: Call, request: Shape, shown: Shape) -> None:
    for name in request:
        if name.startswith("Response"):
            if call.caller.kind == "anonymous":
                raise invalid_request("Request specific response headers cannot be used for anonymous GET requests.")
            if name in _OVERRIDES:
                shown[_OVERRIDES[name]] = request[name]
            elif name == "ResponseExpires":
                call.headers["Expires"] = http_date(request[name])


def _part(number: int, found: Object, shown: Shape) -> tuple[int, int]:
    if not 1 <= number <= 10_000:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", number)
    if not found.multipart:
        if number == 1:
            return 0, found.size
        raise _no_such_part(number, 1)
    shown["PartsCount"] = len(found.pieces)
    if number > len(found.pieces):
        raise _no_such_part(number, len(found.pieces))
    first = sum(piece.size for piece in found.pieces[: number - 1])
    return first, found.pieces[number - 1].size


def _no_such_part(number: int, parts: int) -> ServiceError:
    fields = {"PartNumberRequested": number, "ActualPartCount": parts}
    return ServiceError("InvalidPartNumber", "The requested partnumber is not satisfiable", 416, fields=fields)


def _show_range(call: Call, shown: Shape, found: Object, first: int, length: int) -> None:
    if found.size:
        shown["ContentRange"] = f"bytes {first}-{first + length - 1}/{found.size}"
        call.status = 206


def parse_range(header: str, size: int) -> tuple[int, int] | None:
    """The first byte and the number of bytes of a Range header; None for one that S3 passes over (several ranges, other units, nonsense).

    InvalidRange when no byte of the object lies in it.
    """
    found = _RANGE.match(header.strip())
    if found is None or (not found[1] and not found[2]):
        return None
    if not found[1]:
        length = min(int(found[2]), size)
        if length == 0:
            raise invalid_range(header, size)
        return size - length, length
    first = int(found[1])
    last = min(int(found[2]), size - 1) if found[2] else size - 1
    if found[2] and int(found[2]) < first:
        return None
    if first >= size:
        raise invalid_range(header, size)
    return first, last - first + 1


def invalid_range(header: str, size: int) -> ServiceError:
    fields = {"RangeRequested": header, "ActualObjectSize": size}
    return ServiceError("InvalidRange", "The requested range is not satisfiable", 416, fields=fields, headers={"Content-Range": f"bytes */{size}"})
