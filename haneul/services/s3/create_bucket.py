"""CreateBucket, DeleteBucket and HeadBucket."""

from __future__ import annotations

import re

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn, conditions
from haneul.services.s3.keys import bucket_key, objects_base, owned_key
from haneul.services.s3.lifecycle import KIND as LIFECYCLE
from haneul.services.s3.metadata import check_acl
from haneul.services.s3.naming import check_bucket_name
from haneul.services.s3.ownership import read_ownership
from haneul.services.s3.purge import KIND as PURGE
from haneul.services.s3.records import Bucket, PublicAccessBlock, read_bucket
from haneul.services.s3.state import bucket_in, find_bucket, state_of
from haneul.services.s3.tags import BUCKET_TAGS_MAX, check_tags
from haneul.services.s3.times import whole_seconds
from haneul.store.keys import pack, prefix_range
from haneul.store.port import Transaction
from haneul.store.records import encode

BUCKETS_MAX = 10_000
_FIRST_REGION = "us-east-1"
_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d\Z")


def _named_arn(call: Call, request: Shape) -> str:
    check_bucket_name(request["Bucket"])
    return f"arn:aws:s3:::{request['Bucket']}"


@operation("s3:CreateBucket", authorized_inside=True, partial="no object lock, directory buckets or ACLs but private ones")
async def create_bucket(call: Call, request: Shape) -> Shape:
    """Make a bucket. Its name is the only one in the whole cloud, whatever account and region.

    Errors: BucketAlreadyExists, BucketAlreadyOwnedByYou (not in us-east-1, which answers 200), InvalidBucketName,
    IllegalLocationConstraintException, TooManyBuckets. API Reference: CreateBucket.
    """
    if call.caller.kind == "anonymous":
        raise ServiceError("AccessDenied", "Anonymous users cannot create buckets.", 403)
    name: str = request["Bucket"]
    check_bucket_name(name)
    # Somebody else's bucket of this name has no say in who may try to make another.
    existing = state_of(call).bucket(name)
    if existing is not None and existing.account != call.account:
        raise ServiceError("BucketAlreadyExists", _EXISTS, 409, fields={"BucketName": name})
    call.authorize("s3:CreateBucket", _named_arn(call, request), conditions(call, request))
    configuration = request.get("CreateBucketConfiguration") or {}
    if configuration.get("Tags"):
        call.authorize("s3:TagResource", _named_arn(call, request), conditions(call, request))
    _refuse_unbuilt(request, configuration)
    region = _region(call, configuration.get("LocationConstraint"))
    tags = {tag["Key"]: tag["Value"] for tag in configuration.get("Tags") or ()}
    check_tags(tags, BUCKET_TAGS_MAX, "Bucket")
    made = Bucket(
        name=name,
        id=call.cloud.ids.hex(16),
        account=call.account,
        region=region,
        created=whole_seconds(call.now),
        public_access_block=PublicAccessBlock(),
        ownership=read_ownership(request.get("ObjectOwnership")),
        tags=tags or None,
    )
    _check_acl(made, request)
    await call.cloud.store.transact(lambda tx: _make(tx, call, made))
    return {"Location": f"/{name}" if region == _FIRST_REGION else f"http://{name}.s3.amazonaws.com/", "BucketArn": made.arn}


_EXISTS = (
    "The requested bucket name is not available. The bucket namespace is shared by all users of the system. "
    "Please select a different name and try again."
)


def _make(tx: Transaction, call: Call, made: Bucket) -> None:
    existing = read_bucket(tx, made.name)
    if existing is not None:
        if existing.account != made.account:
            raise ServiceError("BucketAlreadyExists", _EXISTS, 409, fields={"BucketName": made.name})
        if existing.region == made.region == _FIRST_REGION:
            return
        message = "Your previous request to create the named bucket succeeded and you already own it."
        raise ServiceError("BucketAlreadyOwnedByYou", message, 409, fields={"BucketName": made.name})
    start, end = prefix_range(pack(("s3-owned", made.account)))
    if len(tx.range(start, end, BUCKETS_MAX)) == BUCKETS_MAX:
        raise ServiceError("TooManyBuckets", "You have attempted to create more buckets than allowed", 400)
    tx.put(bucket_key(made.name), encode(made))
    tx.put(owned_key(made.account, made.name), b"")


def _refuse_unbuilt(request: Shape, configuration: Shape) -> None:
    if request.get("ObjectLockEnabledForBucket"):
        raise NotBuilt("object lock of S3")
    if "Location" in configuration or "Bucket" in configuration or request.get("BucketNamespace") not in (None, "global"):
        raise NotBuilt("directory buckets and account namespaces of S3")


def _check_acl(made: Bucket, request: Shape) -> None:
    """A new bucket's ACL may only say what its enforced ownership says."""
    try:
        check_acl(made, request)
    except ServiceError as error:
        if error.code != "AccessControlListNotSupported":
            raise
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise ServiceError("InvalidBucketAclWithObjectOwnership", message, 400) from None


def _region(call: Call, constraint: str | None) -> str:
    """The region that a new bucket is in. Only us-east-1 makes buckets for all regions."""
    if not constraint:
        if call.region != _FIRST_REGION:
            message = "The unspecified location constraint is incompatible for the region specific endpoint this request was sent to."
            raise ServiceError("IllegalLocationConstraintException", message, 400)
        return _FIRST_REGION
    region = "eu-west-1" if constraint == "EU" else constraint
    if region == _FIRST_REGION or _REGION.match(region) is None:
        fields = {"LocationConstraint": constraint}
        raise ServiceError("InvalidLocationConstraint", "The specified location-constraint is not valid", 400, fields=fields)
    if call.region not in (_FIRST_REGION, region):
        message = f"The {constraint} location constraint is incompatible for the region specific endpoint this request was sent to."
        raise ServiceError("IllegalLocationConstraintException", message, 400)
    return region


@operation("s3:DeleteBucket", resource=bucket_arn)
async def delete_bucket(call: Call, request: Shape) -> None:
    """Remove an empty bucket. Uploads in progress go with it. Errors: BucketNotEmpty. API Reference: DeleteBucket."""
    name: str = request["Bucket"]

    def work(tx: Transaction) -> None:
        bucket = bucket_in(tx, name)
        if tx.range(*prefix_range(objects_base(bucket.id)), 1):
            message = "The bucket you tried to delete is not empty"
            if bucket.versioning:
                message += ". You must delete all versions in the bucket."
            raise ServiceError("BucketNotEmpty", message, 409, fields={"BucketName": name})
        tx.delete(bucket_key(name))
        tx.delete(owned_key(bucket.account, name))
        call.cloud.outbox.cancel(tx, LIFECYCLE, bucket.id)
        call.cloud.outbox.put(tx, PURGE, {"bucket_id": bucket.id})

    await call.cloud.store.transact(work)


@operation("s3:HeadBucket", action="s3:ListBucket", resource=bucket_arn, conditions=conditions)
async def head_bucket(call: Call, request: Shape) -> Shape:
    """Whether a bucket is there and the caller may list it. API Reference: HeadBucket."""
    bucket = find_bucket(call, request)
    return {"BucketRegion": bucket.region, "AccessPointAlias": False, "BucketArn": bucket.arn}
