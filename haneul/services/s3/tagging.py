"""Tags of objects and of buckets."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn, conditions
from haneul.services.s3.errors import no_such_key, not_configured
from haneul.services.s3.events import Origin, announce
from haneul.services.s3.get_object import find_object
from haneul.services.s3.records import Bucket, Object, newest, one_version
from haneul.services.s3.state import bucket_in, change_bucket, find_bucket
from haneul.services.s3.tags import BUCKET_TAGS_MAX, OBJECT_TAGS_MAX, read_tag_set, show_tags
from haneul.store.port import Transaction
from haneul.store.records import encode


@operation("s3:PutObjectTagging", authorized_inside=True)
async def put_object_tagging(call: Call, request: Shape) -> Shape:
    """Replace the tags of an object. API Reference: PutObjectTagging."""
    bucket, _ = find_object(call, request, "s3:PutObjectTagging", "s3:PutObjectVersionTagging")
    tags = read_tag_set(request.get("Tagging"), OBJECT_TAGS_MAX, "Object")
    return await _retag(call, request, bucket, tags, "ObjectTagging:Put")


@operation("s3:DeleteObjectTagging", authorized_inside=True)
async def delete_object_tagging(call: Call, request: Shape) -> Shape:
    """API Reference: DeleteObjectTagging."""
    bucket, _ = find_object(call, request, "s3:DeleteObjectTagging", "s3:DeleteObjectVersionTagging")
    return await _retag(call, request, bucket, {}, "ObjectTagging:Delete")


async def _retag(call: Call, request: Shape, bucket: Bucket, tags: dict[str, str], event: str) -> Shape:
    key: str = request["Key"]

    def work(tx: Transaction) -> Object:
        fresh = bucket_in(tx, bucket.name, bucket.id)
        place, found = _place(tx, fresh, key, request.get("VersionId"))
        found.tags = tags
        tx.put(place, encode(found))
        announce(tx, call.cloud, fresh, event, key, found, Origin.of(call))
        return found

    found = await call.cloud.store.transact(work)
    return {"VersionId": found.version_id} if bucket.versioning else {}


def _place(tx: Transaction, bucket: Bucket, key: str, version_id: str | None) -> tuple[bytes, Object]:
    """The row of the version that the tags are of, as the transaction sees it."""
    if version_id is not None:
        found = one_version(tx, bucket, key, version_id)
    else:
        current = newest(tx, bucket, key)
        found = one_version(tx, bucket, key, current.version_id) if current is not None else None
    if found is None or found[1].marker:
        raise no_such_key(key)
    return found


@operation("s3:GetObjectTagging", authorized_inside=True)
async def get_object_tagging(call: Call, request: Shape) -> Shape:
    """API Reference: GetObjectTagging."""
    bucket, found = find_object(call, request, "s3:GetObjectTagging", "s3:GetObjectVersionTagging")
    shown: Shape = {"TagSet": show_tags(found.tags)}
    if bucket.versioning:
        shown["VersionId"] = found.version_id
    return shown


@operation("s3:PutBucketTagging", resource=bucket_arn, conditions=conditions)
async def put_bucket_tagging(call: Call, request: Shape) -> None:
    """API Reference: PutBucketTagging."""
    tags = read_tag_set(request.get("Tagging"), BUCKET_TAGS_MAX, "Bucket")
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "tags", tags))
    call.status = 204


@operation("s3:GetBucketTagging", resource=bucket_arn)
async def get_bucket_tagging(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketTagging."""
    bucket = find_bucket(call, request)
    if bucket.tags is None:
        raise not_configured("NoSuchTagSet", "The TagSet does not exist", bucket.name)
    return {"TagSet": show_tags(bucket.tags)}


@operation("s3:DeleteBucketTagging", action="s3:PutBucketTagging", resource=bucket_arn)
async def delete_bucket_tagging(call: Call, request: Shape) -> None:
    """API Reference: DeleteBucketTagging."""
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "tags", None))
