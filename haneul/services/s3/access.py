"""Which resources and condition keys the permissions of an S3 request are about.

Service Authorization Reference, "Actions, resources, and condition keys for Amazon S3".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qsl, unquote

from haneul.clock import MILLISECOND, SECOND
from haneul.core.call import Call
from haneul.core.ports import Shape
from haneul.services.s3.records import Bucket, newest, one_version
from haneul.services.s3.state import find_bucket, state_of
from haneul.services.s3.tags import tags_of_header

# Request members that are condition keys under the names of their headers or query parameters.
_KEYS: Final = {
    "ACL": "s3:x-amz-acl",
    "CopySource": "s3:x-amz-copy-source",
    "Delimiter": "s3:delimiter",
    "GrantFullControl": "s3:x-amz-grant-full-control",
    "GrantRead": "s3:x-amz-grant-read",
    "GrantReadACP": "s3:x-amz-grant-read-acp",
    "GrantWrite": "s3:x-amz-grant-write",
    "GrantWriteACP": "s3:x-amz-grant-write-acp",
    "IfMatch": "s3:if-match",
    "IfNoneMatch": "s3:if-none-match",
    "MaxKeys": "s3:max-keys",
    "MetadataDirective": "s3:x-amz-metadata-directive",
    "ObjectOwnership": "s3:x-amz-object-ownership",
    "Prefix": "s3:prefix",
    "ServerSideEncryption": "s3:x-amz-server-side-encryption",
    "SSECustomerAlgorithm": "s3:x-amz-server-side-encryption-customer-algorithm",
    "StorageClass": "s3:x-amz-storage-class",
    "VersionId": "s3:versionid",
    "WebsiteRedirectLocation": "s3:x-amz-website-redirect-location",
}
# Of the operations that s3:PutObject allows: whether there is an object afterwards ("Enforce conditional writes on Amazon S3 buckets").
_CREATES: Final = {
    "CompleteMultipartUpload": "true",
    "CopyObject": "true",
    "CreateMultipartUpload": "false",
    "PutObject": "true",
    "UploadPart": "false",
    "UploadPartCopy": "false",
}


class Conditions(Mapping[str, Any]):
    """The condition keys of one request, worked out when a policy asks for any: the tags of the object at hand cost a read."""

    def __init__(self, call: Call, request: Shape) -> None:
        self._call = call
        self._request = request
        self._made: dict[str, Any] | None = None

    def _all(self) -> dict[str, Any]:
        if self._made is None:
            self._made = self._make()
        return self._made

    def _make(self) -> dict[str, Any]:
        call, request = self._call, self._request
        made = {key: str(request[name]) for name, key in _KEYS.items() if request.get(name) is not None}
        if call.http is not None and "x-amz-content-sha256" in call.http.headers:
            made["s3:x-amz-content-sha256"] = call.http.headers["x-amz-content-sha256"]
        if call.http is not None and call.context.get("s3:authtype") == "REST-QUERY-STRING" and call.context["s3:signatureversion"] != "AWS":
            made["s3:signatureAge"] = _signature_age(call, call.http.query)
        if call.operation.name in _CREATES:
            made["s3:ObjectCreationOperation"] = _CREATES[call.operation.name]
        location = (request.get("CreateBucketConfiguration") or {}).get("LocationConstraint")
        if location:
            made["s3:locationconstraint"] = location
        bucket = state_of(call).bucket(request["Bucket"]) if "Bucket" in request else None
        if bucket is not None:
            made["s3:ResourceAccount"] = bucket.account
        found: dict[str, Any] = dict(made)
        tags = _requested_tags(request)
        for name, value in tags.items():
            found[f"s3:RequestObjectTag/{name}"] = value
        if tags:
            found["s3:RequestObjectTagKeys"] = list(tags)
        if bucket is not None and "Key" in request:
            for name, value in _existing_tags(call, bucket, request).items():
                found[f"s3:ExistingObjectTag/{name}"] = value
        return found

    def __getitem__(self, key: str) -> Any:
        return self._all()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())


def _signature_age(call: Call, query: str) -> str:
    """How many milliseconds ago a presigned URL was signed, whose date has been read already: by this cloud's clock, as its lifetime is counted."""
    clock = call.cloud.clock
    signed = int(datetime.strptime(dict(parse_qsl(query))["X-Amz-Date"], "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC).timestamp()) * SECOND
    begun = clock.at_machine(signed) if signed <= clock.machine_now() else signed
    return str(max(0, clock.now() - begun) // MILLISECOND)


def _requested_tags(request: Shape) -> dict[str, str]:
    tagging = request.get("Tagging")
    if isinstance(tagging, str):
        return tags_of_header(tagging)
    if isinstance(tagging, dict):
        return {tag.get("Key", ""): tag.get("Value", "") for tag in tagging.get("TagSet", ())}
    return {}


def _existing_tags(call: Call, bucket: Bucket, request: Shape) -> dict[str, str]:
    version_id = request.get("VersionId")
    store = call.cloud.store
    if version_id:
        found = one_version(store, bucket, request["Key"], version_id)
        return found[1].tags if found is not None else {}
    current = newest(store, bucket, request["Key"])
    return current.tags if current is not None else {}


def conditions(call: Call, request: Shape) -> Mapping[str, Any]:
    return Conditions(call, request)


def bucket_arn(call: Call, request: Shape) -> str:
    """The bucket, which must exist."""
    return find_bucket(call, request).arn


def object_arn(call: Call, request: Shape) -> str:
    """The object, whose bucket must exist."""
    return f"{find_bucket(call, request).arn}/{request['Key']}"


def authorize(call: Call, action: str, request: Shape) -> Bucket:
    """Check a permission on the request's object, or on its bucket where it names no key; the bucket."""
    bucket = find_bucket(call, request)
    key = request.get("Key")
    call.authorize(action, bucket.arn if key is None else f"{bucket.arn}/{key}", Conditions(call, request))
    return bucket


def may_list(call: Call, bucket: Bucket) -> None:
    """Who may not list a bucket is not told which keys are missing: AccessDenied instead of NoSuchKey."""
    call.authorize("s3:ListBucket", bucket.arn, {"s3:ResourceAccount": bucket.account})


def may_match(call: Call, request: Shape, etag: str | None) -> None:
    """Who makes a write depend on an ETag learns whether it is the object's: that takes s3:GetObject besides (S3 User Guide, "Conditional requests")."""
    if etag is not None and etag.strip() != "*":
        authorize(call, "s3:GetObject", request)


def split_copy_source(source: str) -> tuple[str, str, str | None]:
    """Bucket, key and version id of an x-amz-copy-source header (percent-encoded, with or without a leading slash)."""
    path, _, version = source.partition("?versionId=")
    name, slash, key = unquote(path.removeprefix("/")).partition("/")
    return name, key if slash else "", version or None
