"""CopyObject."""

from __future__ import annotations

from haneul.core.bodies import chunks_of
from haneul.core.call import Call
from haneul.core.operation import operation
from haneul.core.ports import Shape
from haneul.services.s3 import checksums
from haneul.services.s3.access import authorize, conditions, may_match, object_arn, split_copy_source
from haneul.services.s3.copy_source import find_source
from haneul.services.s3.customer_keys import new_hash, read_key
from haneul.services.s3.due import show_expiration
from haneul.services.s3.errors import invalid_argument, invalid_request
from haneul.services.s3.incoming import UPLOAD_BYTES_MAX, received
from haneul.services.s3.metadata import check_new_object, read_headers, read_metadata, show_encryption, storage_class
from haneul.services.s3.outgoing import body_of
from haneul.services.s3.preconditions import check_copy
from haneul.services.s3.put_object import finish
from haneul.services.s3.records import Object
from haneul.services.s3.state import find_bucket, state_of
from haneul.services.s3.tags import read_tag_header

_DIRECTIVES = ("COPY", "REPLACE")


@operation("s3:CopyObject", action="s3:PutObject", resource=object_arn, conditions=conditions, partial="no SSE-KMS, object lock, annotations; no access points as the source")
async def copy_object(call: Call, request: Shape) -> Shape:
    """Copy an object of up to 5 GB, with its metadata and tags or with new ones.

    Errors: NoSuchKey, PreconditionFailed, InvalidRequest (a copy onto itself that changes nothing). API Reference: CopyObject.
    """
    bucket = find_bucket(call, request)
    may_match(call, request, request.get("IfMatch"))
    check_new_object(call, bucket, request)
    key = read_key(request, call.cloud.ids)
    origin = find_source(call, request)
    source = origin.found
    _check_directives(request)
    if source.size > UPLOAD_BYTES_MAX:
        raise invalid_request(f"The specified copy source is larger than the maximum allowable size for a copy source: {UPLOAD_BYTES_MAX}")
    check_copy(request, source)
    _check_onto_itself(request, source)
    written = _described(call, request, source)
    algorithm = _algorithm(request, source)
    written.checksum_type = checksums.FULL_OBJECT
    written.customer_key = new_hash(key, call.cloud.ids)
    async with received(call.cloud, chunks_of(await body_of(state_of(call), origin, 0, source.size)), {algorithm}, key) as taken:
        bucket = await finish(call, request, bucket, written, taken, "ObjectCreated:Copy")
    result: Shape = {"ETag": f'"{written.etag}"', "LastModified": written.modified, **checksums.show(written.checksums), "ChecksumType": written.checksum_type}
    shown: Shape = {"CopyObjectResult": result, **show_encryption(key), **show_expiration(bucket, request["Key"], written)}
    if bucket.versioning:
        shown["VersionId"] = written.version_id
    if origin.bucket.versioning:
        shown["CopySourceVersionId"] = source.version_id
    return shown


def _check_directives(request: Shape) -> None:
    for name, what, header in (("MetadataDirective", "metadata", "x-amz-metadata-directive"), ("TaggingDirective", "tagging", "x-amz-tagging-directive")):
        if request.get(name, "COPY") not in _DIRECTIVES:
            raise invalid_argument(f"Unknown {what} directive.", header, request[name])


def _check_onto_itself(request: Shape, source: Object) -> None:
    name, key, version_id = split_copy_source(request["CopySource"])
    changes = request.get("MetadataDirective") == "REPLACE" or any(one in request for one in ("StorageClass", "WebsiteRedirectLocation", "ServerSideEncryption", "SSECustomerKey", "CopySourceSSECustomerKey"))
    if (name, key) == (request["Bucket"], request["Key"]) and version_id is None and not changes:
        raise invalid_request(
            "This copy request is illegal because it is trying to copy an object to itself without changing the object's metadata, "
            "storage class, website redirect location or encryption attributes."
        )


def _described(call: Call, request: Shape, source: Object) -> Object:
    """The new object's metadata and tags: the source's, or the request's where it says REPLACE."""
    if request.get("MetadataDirective") == "REPLACE":
        headers, metadata = read_headers(call, request), read_metadata(request)
    else:
        headers, metadata = dict(source.headers), dict(source.metadata)
        # A redirect is not copied: it would point from the new place.
        headers.pop("WebsiteRedirectLocation", None)
        if request.get("WebsiteRedirectLocation"):
            headers["WebsiteRedirectLocation"] = request["WebsiteRedirectLocation"]
    tags = read_tag_header(request.get("Tagging")) if request.get("TaggingDirective") == "REPLACE" else dict(source.tags)
    if tags:
        authorize(call, "s3:PutObjectTagging", request)
        if request.get("TaggingDirective") != "REPLACE":
            name, key, version_id = split_copy_source(request["CopySource"])
            authorize(call, "s3:GetObjectTagging" if version_id is None else "s3:GetObjectVersionTagging", {"Bucket": name, "Key": key})
    return Object(order=0, modified=0, headers=headers, metadata=metadata, tags=tags, storage_class=storage_class(request))


def _algorithm(request: Shape, source: Object) -> str:
    named = request.get("ChecksumAlgorithm")
    return checksums.read_algorithm(named) if named else next(iter(source.checksums), checksums.DEFAULT)
