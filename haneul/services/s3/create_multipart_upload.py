"""CreateMultipartUpload and AbortMultipartUpload."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.access import authorize, conditions, object_arn
from haneul.services.s3.customer_keys import new_hash, read_key
from haneul.services.s3.due import show_abort
from haneul.services.s3.errors import invalid_request, no_such_upload
from haneul.services.s3.keys import upload_key
from haneul.services.s3.metadata import check_new_object, read_headers, read_metadata, show_encryption, storage_class
from haneul.services.s3.purge import drop_upload
from haneul.services.s3.records import Bucket, Upload
from haneul.services.s3.state import bucket_in, canonical_id, find_bucket, state_of
from haneul.services.s3.tags import read_tag_header
from haneul.services.s3.times import whole_seconds
from haneul.store.port import Reader, Transaction
from haneul.store.records import decode, encode

_ID_CHANCE_BYTES = 24
# CRC64NVME covers the whole object only, SHA hashes only the parts' hashes; for the other CRCs a client may choose.
_TYPES = {
    "CRC64NVME": (checksums.FULL_OBJECT,),
    "CRC32": (checksums.COMPOSITE, checksums.FULL_OBJECT),
    "CRC32C": (checksums.COMPOSITE, checksums.FULL_OBJECT),
    "SHA1": (checksums.COMPOSITE,),
    "SHA256": (checksums.COMPOSITE,),
    "SHA512": (checksums.COMPOSITE,),
    "MD5": (checksums.COMPOSITE,),
}


@operation("s3:CreateMultipartUpload", action="s3:PutObject", resource=object_arn, conditions=conditions, partial="no SSE-KMS or object lock")
async def create_multipart_upload(call: Call, request: Shape) -> Shape:
    """Begin an upload in parts. API Reference: CreateMultipartUpload."""
    bucket = find_bucket(call, request)
    check_new_object(call, bucket, request)
    key = read_key(request, call.cloud.ids)
    tags = read_tag_header(request.get("Tagging"))
    if tags:
        authorize(call, "s3:PutObjectTagging", request)
    algorithm, kind = _checksum(request)
    now = call.now
    upload = Upload(
        # Uploads of one key are listed in the order in which they began, so the id begins with the time.
        id=f"{now:016x}{call.cloud.ids.bytes(_ID_CHANCE_BYTES).hex()}",
        key=request["Key"],
        initiated=whole_seconds(now),
        initiator=canonical_id(call.caller.account) if call.caller.kind in ("root", "anonymous") else call.caller.arn,
        headers=read_headers(call, request),
        metadata=read_metadata(request),
        tags=tags,
        storage_class=storage_class(request),
        algorithm=algorithm or checksums.DEFAULT,
        checksum_type=kind or checksums.FULL_OBJECT,
        defaulted=not algorithm,
        customer_key=new_hash(key, call.cloud.ids),
    )

    def work(tx: Transaction) -> None:
        bucket_in(tx, bucket.name, bucket.id)
        tx.put(upload_key(bucket.id, upload.key, upload.id), encode(upload))

    await call.cloud.store.transact(work)
    shown: Shape = {"Bucket": bucket.name, "Key": upload.key, "UploadId": upload.id, **show_encryption(key), **show_abort(bucket, upload.key, now)}
    if algorithm:
        shown["ChecksumAlgorithm"], shown["ChecksumType"] = algorithm, kind
    return shown


def _checksum(request: Shape) -> tuple[str, str]:
    """The algorithm and type of checksum that the object shall have; empty when the client names none."""
    named, kind = request.get("ChecksumAlgorithm"), request.get("ChecksumType")
    if named is None:
        if kind is not None:
            raise invalid_request("The x-amz-checksum-type header can only be used with the x-amz-checksum-algorithm header.")
        return "", ""
    algorithm = checksums.read_algorithm(named)
    types = _TYPES[algorithm]
    if kind is not None and kind not in types:
        raise invalid_request(f"The {kind} checksum type cannot be used with the {algorithm.lower()} checksum algorithm.")
    return algorithm, kind or types[0]


def find_upload(reader: Reader, bucket: Bucket, request: Shape) -> Upload:
    """The upload that a request names."""
    value = reader.get(upload_key(bucket.id, request["Key"], request["UploadId"]))
    if value is None:
        raise no_such_upload(request["UploadId"])
    return decode(value, Upload)


@operation("s3:AbortMultipartUpload", resource=object_arn, conditions=conditions)
async def abort_multipart_upload(call: Call, request: Shape) -> None:
    """Give up an upload and remove its parts. API Reference: AbortMultipartUpload."""
    bucket = find_bucket(call, request)
    if "IfMatchInitiatedTime" in request:
        raise NotBuilt("the parameter IfMatchInitiatedTime of s3:AbortMultipartUpload (directory buckets)")

    def work(tx: Transaction) -> None:
        upload = find_upload(tx, bucket, request)
        drop_upload(tx, state_of(call), upload_key(bucket.id, upload.key, upload.id), upload.id)

    await call.cloud.store.transact(work)
