"""CompleteMultipartUpload."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from urllib.parse import quote

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.access import conditions, may_match, object_arn
from haneul.services.s3.create_multipart_upload import find_upload
from haneul.services.s3.customer_keys import key_of_upload
from haneul.services.s3.due import show_expiration
from haneul.services.s3.errors import bad_digest, invalid_request, malformed_xml
from haneul.services.s3.keys import part_key, parts_base, upload_key
from haneul.services.s3.metadata import refuse_unbuilt, show_written
from haneul.services.s3.naming import url_of
from haneul.services.s3.records import Bucket, Object, Part, Piece, Upload
from haneul.services.s3.state import bucket_in, find_bucket, state_of
from haneul.services.s3.times import whole_seconds
from haneul.services.s3.upload_part import PART_NUMBER_MAX
from haneul.services.s3.writing import write_object
from haneul.store.keys import prefix_range
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode

PART_BYTES_MIN = 5 * 1024 * 1024
OBJECT_BYTES_MAX = 50 * 1024**4


@operation("s3:CompleteMultipartUpload", action="s3:PutObject", resource=object_arn, conditions=conditions)
async def complete_multipart_upload(call: Call, request: Shape) -> Shape:
    """Make one object of an upload's parts. No byte is moved: the parts become the object's body.

    Errors: InvalidPart, InvalidPartOrder, EntityTooSmall, NoSuchUpload, PreconditionFailed. API Reference: CompleteMultipartUpload.
    """
    bucket = find_bucket(call, request)
    may_match(call, request, request.get("IfMatch"))
    refuse_unbuilt(request)
    listed: list[Shape] = (request.get("MultipartUpload") or {}).get("Parts") or []
    _check_list(listed)

    def work(tx: Transaction) -> tuple[Bucket, Object]:
        fresh = bucket_in(tx, bucket.name, bucket.id)
        upload = find_upload(tx, fresh, request)
        key_of_upload(request, upload.customer_key, call.cloud.ids, required=not upload.defaulted)
        _check_stated(upload, listed)
        parts = _chosen(tx, upload, listed)
        written = _assembled(call, request, upload, parts)
        _drop_the_rest(tx, call, upload, {part.number for part in parts})
        tx.delete(upload_key(fresh.id, upload.key, upload.id))
        write_object(tx, call, request, fresh, written, "ObjectCreated:CompleteMultipartUpload")
        return fresh, written

    bucket, written = await call.cloud.store.transact(work)
    shown = {**show_written(bucket, written, None), **show_expiration(bucket, request["Key"], written)}
    asked = call.http if call.http is not None else HttpRequest("POST", "/", headers={"host": f"s3.{bucket.region}.amazonaws.com"})
    return {**shown, "Location": url_of(asked, bucket.name, quote(request["Key"], safe="")), "Bucket": bucket.name, "Key": request["Key"]}


def _check_list(listed: list[Shape]) -> None:
    if not listed or any("PartNumber" not in part or "ETag" not in part for part in listed):
        raise malformed_xml()
    numbers = [part["PartNumber"] for part in listed]
    if len(numbers) > PART_NUMBER_MAX:
        raise malformed_xml()
    if any(first >= second for first, second in pairwise(numbers)):
        raise ServiceError("InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.", 400)


def _check_stated(upload: Upload, listed: list[Shape]) -> None:
    """A composite checksum that the client asked for is made of the checksums that the client states of the parts once more."""
    if upload.defaulted or upload.checksum_type != checksums.COMPOSITE:
        return
    for part in listed:
        if checksums.member(upload.algorithm) not in part:
            raise invalid_request(
                f"The upload was created using a {upload.algorithm.lower()} checksum. The complete request must include the checksum for each part. "
                f"It was missing for part {part['PartNumber']} in the request."
            )


def _chosen(reader: Reader, upload: Upload, listed: list[Shape]) -> list[Part]:
    """The uploaded parts that the request lists, each the one that the client means."""
    parts: list[Part] = []
    for one in listed:
        value = reader.get(part_key(upload.id, one["PartNumber"]))
        part = decode(value, Part) if value is not None else None
        if part is None or one["ETag"].strip('"') != part.etag or not _has_checksums(one, part):
            message = "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."
            fields = {"UploadId": upload.id, "PartNumber": one["PartNumber"], "ETag": one["ETag"].strip('"')}
            raise ServiceError("InvalidPart", message, 400, fields=fields)
        parts.append(part)
    for part in parts[:-1]:
        if part.size < PART_BYTES_MIN:
            message = "Your proposed upload is smaller than the minimum allowed size"
            fields = {"ProposedSize": part.size, "MinSizeAllowed": PART_BYTES_MIN, "PartNumber": part.number, "ETag": part.etag}
            raise ServiceError("EntityTooSmall", message, 400, fields=fields)
    return parts


def _has_checksums(one: Shape, part: Part) -> bool:
    for name, value in one.items():
        if name.startswith("Checksum"):
            actual = part.checksums.get(name.removeprefix("Checksum"))
            if actual is not None and actual != value:
                return False
    return True


def _assembled(call: Call, request: Shape, upload: Upload, parts: list[Part]) -> Object:
    algorithm = upload.algorithm
    total = sum(part.size for part in parts)
    expected_size = request.get("MpuObjectSize")
    if expected_size is not None and int(expected_size) != total:
        raise invalid_request("The provided 'x-amz-mp-object-size' header value does not match what was computed.")
    found = {algorithm: _checksum(upload, parts)} if all(algorithm in part.checksums for part in parts) else {}
    for name, value in request.items():
        if name.startswith("Checksum") and name != "ChecksumType":
            given = name.removeprefix("Checksum")
            if found.get(given) != value:
                raise bad_digest(f"The {given} you specified did not match the calculated checksum.")
    if request.get("ChecksumType") not in (None, upload.checksum_type):
        raise invalid_request(f"The upload was created using the {upload.checksum_type} checksum mode. The complete request must use the same checksum mode.")
    digest = hashlib.md5(b"".join(bytes.fromhex(part.etag) for part in parts), usedforsecurity=False).hexdigest()
    pieces = [Piece(part.size, part.piece.blob, part.piece.row, part.number, part.checksums.get(algorithm, "")) for part in parts]
    return Object(
        order=0,
        modified=whole_seconds(call.now),
        size=total,
        etag=f"{digest}-{len(parts)}",
        pieces=pieces,
        multipart=True,
        headers=upload.headers,
        metadata=upload.metadata,
        tags=upload.tags,
        storage_class=upload.storage_class,
        checksums=found,
        checksum_type=upload.checksum_type,
        customer_key=upload.customer_key,
    )


def _checksum(upload: Upload, parts: list[Part]) -> str:
    values = [part.checksums[upload.algorithm] for part in parts]
    if upload.checksum_type == checksums.COMPOSITE:
        return checksums.composite(upload.algorithm, values)
    return checksums.combined(upload.algorithm, [(value, part.size) for value, part in zip(values, parts)])


def _drop_the_rest(tx: Transaction, call: Call, upload: Upload, used: set[int]) -> None:
    """Parts that were uploaded and not listed go; the rows of the others are no longer needed."""
    for key, value in tx.iterate(*prefix_range(parts_base(upload.id))):
        part = decode(value, Part)
        if part.number not in used:
            state_of(call).release(tx, [part.piece])
        tx.delete(key)
