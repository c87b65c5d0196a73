"""Object ownership, ACLs as far as enforced ownership has them, and the public access block.

In a bucket that enforces ownership (the default since April 2023) ACLs are off: everything belongs to the bucket's owner, and only ACLs that say
just that are accepted (S3 User Guide, "Controlling ownership of objects and disabling ACLs"). Other buckets have ACLs, of which only those are built
that say the same: `private`, which everything has that nobody gave another one.
"""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import ServiceError
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3.access import bucket_arn, conditions
from haneul.services.s3.errors import malformed_xml, not_configured
from haneul.services.s3.get_object import find_object
from haneul.services.s3.metadata import acl_refused, check_acl
from haneul.services.s3.records import ENFORCED, Bucket, PublicAccessBlock
from haneul.services.s3.state import canonical_id, change_bucket, find_bucket, owner

_PARTIAL = "no ACLs but private ones and bucket-owner-full-control"


def read_ownership(setting: str | None) -> str:
    """What a new bucket's ownership is; enforced, if nobody says otherwise."""
    if setting in (None, ENFORCED, "BucketOwnerPreferred", "ObjectWriter"):
        return setting or ENFORCED
    raise malformed_xml()


@operation("s3:PutBucketOwnershipControls", resource=bucket_arn, conditions=conditions)
async def put_bucket_ownership_controls(call: Call, request: Shape) -> None:
    """API Reference: PutBucketOwnershipControls."""
    rules = (request.get("OwnershipControls") or {}).get("Rules") or []
    if len(rules) != 1 or "ObjectOwnership" not in rules[0]:
        raise malformed_xml()
    ownership = read_ownership(rules[0]["ObjectOwnership"])
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "ownership", ownership))


@operation("s3:GetBucketOwnershipControls", resource=bucket_arn)
async def get_bucket_ownership_controls(call: Call, request: Shape) -> Shape:
    """API Reference: GetBucketOwnershipControls."""
    bucket = find_bucket(call, request)
    if not bucket.ownership:
        raise not_configured("OwnershipControlsNotFoundError", "The bucket ownership controls were not found", bucket.name)
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": bucket.ownership}]}}


@operation("s3:DeleteBucketOwnershipControls", action="s3:PutBucketOwnershipControls", resource=bucket_arn)
async def delete_bucket_ownership_controls(call: Call, request: Shape) -> None:
    """What is written from now on belongs to its writer, as with ObjectWriter. API Reference: DeleteBucketOwnershipControls."""
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "ownership", ""))


# ---- ACLs


def _owners_only(bucket: Bucket) -> Shape:
    grantee = {"ID": canonical_id(bucket.account), "Type": "CanonicalUser"}
    return {"Owner": owner(bucket.account), "Grants": [{"Grantee": grantee, "Permission": "FULL_CONTROL"}]}


@operation("s3:GetBucketAcl", resource=bucket_arn)
async def get_bucket_acl(call: Call, request: Shape) -> Shape:
    """The owner's full control. API Reference: GetBucketAcl."""
    return _owners_only(find_bucket(call, request))


@operation("s3:GetObjectAcl", authorized_inside=True)
async def get_object_acl(call: Call, request: Shape) -> Shape:
    """The bucket owner's full control. API Reference: GetObjectAcl."""
    bucket, _ = find_object(call, request, "s3:GetObjectAcl", "s3:GetObjectVersionAcl")
    return _owners_only(bucket)


@operation("s3:PutBucketAcl", resource=bucket_arn, conditions=conditions, partial=_PARTIAL)
async def put_bucket_acl(call: Call, request: Shape) -> None:
    """Only what is so anyway is accepted. API Reference: PutBucketAcl."""
    _check_put(find_bucket(call, request), request)


@operation("s3:PutObjectAcl", authorized_inside=True, partial=_PARTIAL)
async def put_object_acl(call: Call, request: Shape) -> None:
    """Only what is so anyway is accepted. API Reference: PutObjectAcl."""
    bucket, _ = find_object(call, request, "s3:PutObjectAcl", "s3:PutObjectVersionAcl")
    _check_put(bucket, request)


def _check_put(bucket: Bucket, request: Shape) -> None:
    given = request.get("AccessControlPolicy")
    if given is None and "ACL" in request and (request["ACL"] != "private" or bucket.ownership != ENFORCED):
        check_acl(bucket, request)
        return
    same = _owners_only(bucket)
    if given is None or any(name.startswith("Grant") for name in request):
        raise acl_refused(bucket)
    grants = [(grant.get("Grantee", {}).get("ID"), grant.get("Permission")) for grant in given.get("Grants") or ()]
    if given.get("Owner", {}).get("ID") != same["Owner"]["ID"] or grants != [(same["Owner"]["ID"], "FULL_CONTROL")]:
        raise acl_refused(bucket)


# ---- public access block


@operation("s3:PutPublicAccessBlock", action="s3:PutBucketPublicAccessBlock", resource=bucket_arn)
async def put_public_access_block(call: Call, request: Shape) -> None:
    """API Reference: PutPublicAccessBlock."""
    given = request.get("PublicAccessBlockConfiguration")
    if not given:
        raise malformed_xml()
    made = PublicAccessBlock(
        acls=given.get("BlockPublicAcls", False),
        ignore_acls=given.get("IgnorePublicAcls", False),
        policy=given.get("BlockPublicPolicy", False),
        restrict=given.get("RestrictPublicBuckets", False),
    )
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "public_access_block", made))


@operation("s3:GetPublicAccessBlock", action="s3:GetBucketPublicAccessBlock", resource=bucket_arn)
async def get_public_access_block(call: Call, request: Shape) -> Shape:
    """API Reference: GetPublicAccessBlock."""
    bucket = find_bucket(call, request)
    block = bucket.public_access_block
    if block is None:
        raise not_configured("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found", bucket.name)
    return {
        "PublicAccessBlockConfiguration": {
            "BlockPublicAcls": block.acls,
            "IgnorePublicAcls": block.ignore_acls,
            "BlockPublicPolicy": block.policy,
            "RestrictPublicBuckets": block.restrict,
        }
    }


@operation("s3:DeletePublicAccessBlock", action="s3:PutBucketPublicAccessBlock", resource=bucket_arn)
async def delete_public_access_block(call: Call, request: Shape) -> None:
    """API Reference: DeletePublicAccessBlock."""
    await change_bucket(call, request["Bucket"], lambda bucket: setattr(bucket, "public_access_block", None))


def refuse_public_policy(bucket: Bucket) -> None:
    """A policy that lets everybody in, where the bucket's block forbids such."""
    if bucket.public_access_block is not None and bucket.public_access_block.policy:
        message = "User is not authorized to perform: s3:PutBucketPolicy because public policies are prevented by the BlockPublicPolicy setting in S3 Block Public Access."
        raise ServiceError("AccessDenied", message, 403)
