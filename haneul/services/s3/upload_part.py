"""UploadPart and UploadPartCopy."""

from __future__ import annotations

import re

from haneul.core.bodies import chunks_of
from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.access import conditions, object_arn
from haneul.services.s3.copy_source import find_source
from haneul.services.s3.create_multipart_upload import find_upload
from haneul.services.s3.customer_keys import CustomerKey, key_of_upload
from haneul.services.s3.errors import invalid_argument, invalid_request
from haneul.services.s3.incoming import UPLOAD_BYTES_MAX, Received, received, upload
from haneul.services.s3.keys import part_key
from haneul.services.s3.metadata import refuse_unbuilt, show_encryption
from haneul.services.s3.outgoing import body_of
from haneul.services.s3.preconditions import check_copy
from haneul.services.s3.records import Bucket, Object, Part, Upload
from haneul.services.s3.state import find_bucket, state_of
from haneul.services.s3.times import whole_seconds
from haneul.store.port import Transaction
from haneul.store.records import decode, encode

PART_NUMBER_MAX = 10_000
_COPY_RANGE = re.compile(r"bytes=(\d+)-(\d+)\Z")


@operation("s3:UploadPart", action="s3:PutObject", resource=object_arn, conditions=conditions)
async def upload_part(call: Call, request: Shape) -> Shape:
    """Store one part of an upload; a part of the same number is replaced. API Reference: UploadPart."""
    bucket, found, key = _begin(call, request)
    wanted = checksums.expected(request, call.http.headers if call.http is not None else {})
    # Of a full object S3 works out what a client leaves out; a composite checksum is made of what clients state of their parts.
    stated = wanted.algorithm or ("null" if found.checksum_type == checksums.COMPOSITE else "")
    if not found.defaulted and stated and stated != found.algorithm:
        raise invalid_request(f"Checksum Type mismatch occurred, expected checksum Type: {found.algorithm.lower()}, actual checksum Type: {stated.lower()}")
    async with upload(call, request, wanted, found.algorithm, key) as taken:
        part = await _keep(call, request, bucket, taken)
    return {"ETag": f'"{part.etag}"', **show_encryption(key), **_shown(part, wanted.algorithm, found)}


def _shown(part: Part, asked: str, upload_of: Upload) -> Shape:
    """The checksum that the client sent or the upload was begun with; one that S3 computes for itself is not shown."""
    algorithm = asked or ("" if upload_of.defaulted else upload_of.algorithm)
    return {checksums.member(algorithm): part.checksums[algorithm]} if algorithm else {}


def _begin(call: Call, request: Shape) -> tuple[Bucket, Upload, CustomerKey | None]:
    """The checks that come before the body."""
    bucket = find_bucket(call, request)
    refuse_unbuilt(request)
    number = request["PartNumber"]
    if not 1 <= number <= PART_NUMBER_MAX:
        raise invalid_argument("Part number must be an integer between 1 and 10000, inclusive", "partNumber", number)
    found = find_upload(call.cloud.store, bucket, request)
    return bucket, found, key_of_upload(request, found.customer_key, call.cloud.ids)


async def _keep(call: Call, request: Shape, bucket: Bucket, taken: Received) -> Part:
    """Make the part durable, if its upload is still in progress."""
    number: int = request["PartNumber"]

    def work(tx: Transaction) -> Part:
        found = find_upload(tx, bucket, request)
        place = part_key(found.id, number)
        previous = tx.get(place)
        if previous is not None:
            state_of(call).release(tx, [decode(previous, Part).piece])
        piece = taken.keep(tx, call.cloud)
        part = Part(number, taken.size, taken.etag, whole_seconds(call.now), piece, taken.checksums)
        tx.put(place, encode(part))
        return part

    return await call.cloud.store.transact(work)


@operation("s3:UploadPartCopy", action="s3:PutObject", resource=object_arn, conditions=conditions, partial="no access points as the source")
async def upload_part_copy(call: Call, request: Shape) -> Shape:
    """Make a part out of an object, or a range of one. API Reference: UploadPartCopy."""
    bucket, found, key = _begin(call, request)
    origin = find_source(call, request)
    source = origin.found
    check_copy(request, source)
    first, length = _range(request.get("CopySourceRange"), source)
    if length > UPLOAD_BYTES_MAX:
        raise invalid_request(f"The specified copy source is larger than the maximum allowable size for a copy source: {UPLOAD_BYTES_MAX}")
    async with received(call.cloud, chunks_of(await body_of(state_of(call), origin, first, length)), {found.algorithm}, key) as taken:
        part = await _keep(call, request, bucket, taken)
    result: Shape = {"ETag": f'"{part.etag}"', "LastModified": part.modified}
    if not found.defaulted:
        result.update(checksums.show(part.checksums))
    shown: Shape = {"CopyPartResult": result, **show_encryption(key)}
    if origin.bucket.versioning:
        shown["CopySourceVersionId"] = source.version_id
    return shown


def _range(header: str | None, source: Object) -> tuple[int, int]:
    if header is None:
        return 0, source.size
    found = _COPY_RANGE.match(header)
    if found is None or int(found[2]) < int(found[1]):
        raise invalid_argument("The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy", "x-amz-copy-source-range", header)
    first, last = int(found[1]), int(found[2])
    if last >= source.size:
        raise invalid_argument(f"Range specified is not valid for source object of size: {source.size}", "x-amz-copy-source-range", header)
    return first, last - first + 1
