"""What is stored with an object besides its bytes: system metadata, user metadata, storage class; and the requests that S3 refuses for them."""

from __future__ import annotations

from typing import Final

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.customer_keys import CustomerKey
from haneul.services.s3.errors import acls_not_supported, invalid_argument
from haneul.services.s3.records import ENFORCED, Bucket, Object

DEFAULT_CONTENT_TYPE: Final = "binary/octet-stream"
KEY_BYTES_MAX: Final = 1024
METADATA_BYTES_MAX: Final = 2048
ENCRYPTION: Final = "AES256"

# Members that are stored as they come and go out under the same names.
_STORED: Final = ("CacheControl", "ContentDisposition", "ContentEncoding", "ContentLanguage", "ContentType", "WebsiteRedirectLocation")
_STORAGE_CLASSES: Final = frozenset({"STANDARD", "REDUCED_REDUNDANCY", "STANDARD_IA", "ONEZONE_IA", "INTELLIGENT_TIERING", "GLACIER_IR"})
_ARCHIVE_CLASSES: Final = frozenset({"GLACIER", "DEEP_ARCHIVE", "OUTPOSTS", "SNOW", "EXPRESS_ONEZONE", "FSX_OPENZFS", "FSX_ONTAP"})
_OWNERS_ACLS: Final = frozenset({"private", "bucket-owner-full-control"})
_NOT_BUILT: Final = {
    "SSEKMSKeyId": "the parameter SSEKMSKeyId",
    "SSEKMSEncryptionContext": "the parameter SSEKMSEncryptionContext",
    "ObjectLockMode": "object lock",
    "ObjectLockRetainUntilDate": "object lock",
    "ObjectLockLegalHoldStatus": "object lock",
    "ObjectLockEventHold": "object lock",
    "ObjectLockEventHoldDurationDays": "object lock",
    "ObjectLockEventHoldDurationYears": "object lock",
    "AnnotationDirective": "the parameter AnnotationDirective (annotations of objects)",
    "WriteOffsetBytes": "the parameter WriteOffsetBytes (directory buckets)",
    "MFA": "MFA delete",
}


def check_key(key: str) -> None:
    """The length of an object's key."""
    size = len(key.encode("utf-8", "surrogatepass"))
    if size > KEY_BYTES_MAX:
        raise ServiceError("KeyTooLongError", "Your key is too long", 400, fields={"Size": size, "MaxSizeAllowed": KEY_BYTES_MAX})


def refuse_unbuilt(request: Shape) -> None:
    """Parameters that cannot be honoured."""
    if not _NOT_BUILT.keys().isdisjoint(request):
        raise NotBuilt(f"{next(what for name, what in _NOT_BUILT.items() if name in request)} of S3")


def acl_refused(bucket: Bucket) -> ServiceError:
    """The error for an ACL that lets others than the bucket's owner in: enforced ownership has no such, and elsewhere they are not built."""
    return acls_not_supported() if bucket.ownership == ENFORCED else NotBuilt("access control lists of S3 but private ones")


def check_acl(bucket: Bucket, request: Shape) -> None:
    """Only ACLs that give the bucket's owner full control may be named."""
    acl = request.get("ACL")
    if (acl is not None and acl not in _OWNERS_ACLS) or any(name.startswith("Grant") for name in request):
        raise acl_refused(bucket)


def _check_owner(call: Call, bucket: Bucket, request: Shape) -> None:
    """Where ownership is not enforced, what other accounts write is theirs, unless the bucket's owner is preferred and they give it away."""
    given_away = bucket.ownership == "BucketOwnerPreferred" and request.get("ACL") == "bucket-owner-full-control"
    if call.caller.account != bucket.account and not given_away:
        raise NotBuilt("objects of S3 that belong to another account than their bucket")


def check_encryption(request: Shape) -> None:
    algorithm = request.get("ServerSideEncryption")
    if algorithm in (None, ENCRYPTION):
        return
    if algorithm in ("aws:kms", "aws:kms:dsse"):
        raise NotBuilt(f"the encryption {algorithm} of S3")
    raise invalid_argument("The encryption method specified is not supported", "x-amz-server-side-encryption", algorithm)


def storage_class(request: Shape) -> str:
    name: str = request.get("StorageClass") or "STANDARD"
    if name in _ARCHIVE_CLASSES:
        raise NotBuilt(f"the storage class {name} of S3")
    if name not in _STORAGE_CLASSES:
        raise ServiceError("InvalidStorageClass", "The storage class you specified is not valid", 400, fields={"StorageClassRequested": name})
    return name


def check_new_object(call: Call, bucket: Bucket, request: Shape) -> None:
    """What every request that makes an object is checked for."""
    check_key(request["Key"])
    refuse_unbuilt(request)
    check_acl(bucket, request)
    if bucket.ownership != ENFORCED:
        _check_owner(call, bucket, request)
    check_encryption(request)
    location = request.get("WebsiteRedirectLocation")
    if location is not None and not location.startswith(("/", "http://", "https://")):
        raise invalid_argument("The website redirect location must have a prefix of 'http://' or 'https://' or '/'.", "x-amz-website-redirect-location", location)


def read_headers(call: Call, request: Shape) -> dict[str, str]:
    """The system metadata of a request."""
    found = {name: request[name] for name in _STORED if request.get(name)}
    # aws-chunked is how the body travelled, not what it is.
    encoding = found.get("ContentEncoding")
    if encoding is not None and "aws-chunked" in encoding:
        kept = [part.strip() for part in encoding.split(",") if part.strip() != "aws-chunked"]
        if kept:
            found["ContentEncoding"] = ",".join(kept)
        else:
            del found["ContentEncoding"]
    # The model calls Expires a time, but S3 keeps the text whatever it says.
    expires = call.http.headers.get("expires") if call.http is not None else None
    if expires is not None:
        found["Expires"] = expires
    return found


def read_metadata(request: Shape) -> dict[str, str]:
    """The user metadata of a request."""
    metadata: dict[str, str] = request.get("Metadata") or {}
    size = sum(len(name.encode()) + len(value.encode("utf-8", "replace")) for name, value in metadata.items())
    if size > METADATA_BYTES_MAX:
        message = "Your metadata headers exceed the maximum allowed metadata size"
        raise ServiceError("MetadataTooLarge", message, 400, fields={"Size": size, "MaxSizeAllowed": METADATA_BYTES_MAX})
    return {name.lower(): value for name, value in metadata.items()}


def show_encryption(key: CustomerKey | None) -> Shape:
    """What answers say of how a body lies on the disk."""
    return {"ServerSideEncryption": ENCRYPTION} if key is None else key.shown()


def show_written(bucket: Bucket, written: Object, key: CustomerKey | None) -> Shape:
    """What the answers to all writes say of the new version. Where an object has a customer's key and `key` is None, nothing tells of it (the
    answer to CompleteMultipartUpload has no members for it)."""
    shown: Shape = {"ETag": f'"{written.etag}"', **checksums.show(written.checksums)}
    if key is not None or not written.customer_key:
        shown.update(show_encryption(key))
    if written.checksums:
        shown["ChecksumType"] = written.checksum_type
    if bucket.versioning:
        shown["VersionId"] = written.version_id
    return shown


def show_object(call: Call, bucket: Bucket, found: Object, key: CustomerKey | None) -> Shape:
    """The headers of a GetObject or HeadObject answer, but for those about ranges and tags."""
    shown: Shape = {
        "AcceptRanges": "bytes",
        "LastModified": found.modified,
        "ETag": f'"{found.etag}"',
        "ContentType": DEFAULT_CONTENT_TYPE,
        **show_encryption(key),
    }
    if found.headers:
        for name, value in found.headers.items():
            if name == "Expires":
                call.headers["Expires"] = value
            else:
                shown[name] = value
    if found.metadata:
        shown["Metadata"] = found.metadata
    if found.storage_class != "STANDARD":
        shown["StorageClass"] = found.storage_class
    if bucket.versioning:
        shown["VersionId"] = found.version_id
    return shown
