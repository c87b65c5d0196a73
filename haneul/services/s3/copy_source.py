"""The source of a copy: which version it is, and whether the caller may read it."""

from __future__ import annotations

from haneul.core.call import Call
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.ports import Shape
from haneul.services.s3.access import split_copy_source
from haneul.services.s3.customer_keys import key_to_read
from haneul.services.s3.errors import invalid_argument, invalid_request
from haneul.services.s3.get_object import find_object
from haneul.services.s3.outgoing import Source
from haneul.services.s3.records import Bucket, Object


def find_source(call: Call, request: Shape) -> Source:
    """The object that x-amz-copy-source names, read with the caller's own permissions and the key that came for it."""
    header: str = request["CopySource"]
    if header.startswith("arn:"):
        raise NotBuilt("access points as the source of a copy in S3")
    name, key, version_id = split_copy_source(header)
    if not name or not key:
        raise invalid_argument("Copy Source must mention the source bucket and key: sourcebucket/sourcekey", "x-amz-copy-source", header)
    wanted: Shape = {"Bucket": name, "Key": key}
    if version_id is not None:
        wanted["VersionId"] = version_id
    if "ExpectedSourceBucketOwner" in request:
        wanted["ExpectedBucketOwner"] = request["ExpectedSourceBucketOwner"]
    bucket, found = _found(call, wanted)
    return Source(bucket, key, found, key_to_read(request, found.customer_key, call.cloud.ids, of_source=True))


def _found(call: Call, wanted: Shape) -> tuple[Bucket, Object]:
    try:
        return find_object(call, wanted, "s3:GetObject", "s3:GetObjectVersion")
    except ServiceError as error:
        if error.code == "MethodNotAllowed":
            raise invalid_request("The source of a copy request may not specifically refer to a delete marker by version id.") from None
        raise
