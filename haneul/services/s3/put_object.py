"""PutObject."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.access import authorize, conditions, may_match, object_arn
from haneul.services.s3.customer_keys import new_hash, read_key
from haneul.services.s3.due import show_expiration
from haneul.services.s3.incoming import Received, upload
from haneul.services.s3.keys import body_place
from haneul.services.s3.metadata import check_new_object, read_headers, read_metadata, show_written, storage_class
from haneul.services.s3.records import Bucket, Object
from haneul.services.s3.state import find_bucket
from haneul.services.s3.tags import read_tag_header
from haneul.services.s3.times import whole_seconds
from haneul.services.s3.writing import write_object
from haneul.store.port import Transaction


@operation("s3:PutObject", resource=object_arn, conditions=conditions, partial="no SSE-KMS, object lock or archive storage classes; no ACLs but private ones and bucket-owner-full-control")
async def put_object(call: Call, request: Shape) -> Shape:
    """Store an object: up to 5 GB in one request, visible only when it is complete and durable.

    Errors: InvalidDigest, BadDigest, IncompleteBody, EntityTooLarge, PreconditionFailed, KeyTooLongError and others. API Reference: PutObject.
    """
    return await store_object(call, request, "ObjectCreated:Put")


async def store_object(call: Call, request: Shape, event: str) -> Shape:
    """What PutObject and the browser's POST have in common."""
    bucket = find_bucket(call, request)
    may_match(call, request, request.get("IfMatch"))
    check_new_object(call, bucket, request)
    key = read_key(request, call.cloud.ids)
    tags = read_tag_header(request.get("Tagging"))
    if tags:
        authorize(call, "s3:PutObjectTagging", request)
    wanted = checksums.expected(request, call.http.headers if call.http is not None else {})
    written = Object(
        order=0,
        modified=0,
        headers=read_headers(call, request),
        metadata=read_metadata(request),
        tags=tags,
        storage_class=storage_class(request),
        checksum_type=checksums.FULL_OBJECT,
        customer_key=new_hash(key, call.cloud.ids),
    )
    async with upload(call, request, wanted, wanted.algorithm or checksums.DEFAULT, key) as taken:
        bucket = await finish(call, request, bucket, written, taken, event)
    return {**show_written(bucket, written, key), **show_expiration(bucket, request["Key"], written)}


async def finish(call: Call, request: Shape, bucket: Bucket, written: Object, taken: Received, event: str) -> Bucket:
    """Give an object its body and put it in its place; the bucket as it was then."""
    written.size = taken.size
    written.etag = taken.etag
    written.checksums = taken.checksums
    written.modified = whole_seconds(call.now)
    inline = taken.keep_inline(body_place(bucket.id, request["Key"]))

    def work(tx: Transaction) -> Bucket:
        if inline is not None:
            written.body = inline
        else:
            written.pieces = [taken.keep(tx, call.cloud)]
        return write_object(tx, call, request, bucket, written, event)

    return await call.cloud.store.transact(work)
