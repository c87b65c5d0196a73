"""Conditional requests, as RFC 9110 section 13 and S3's "Conditional requests" have them."""

from __future__ import annotations

from haneul.clock import SECOND
from haneul.core.errors import NotBuilt, ServiceError
from haneul.core.ports import Shape
from haneul.services.s3.errors import no_such_key, precondition_failed
from haneul.services.s3.records import Object
from haneul.services.s3.times import http_date


def matches(header: str, etag: str) -> bool:
    """Whether an If-Match or If-None-Match header names this ETag (or everything)."""
    return any(one.strip().removeprefix("W/").strip('"') in ("*", etag) for one in header.split(","))


def check_read(request: Shape, found: Object, bucket_is_versioned: bool) -> None:
    """The conditions of GetObject and HeadObject: 412, or 304 when the client has this version already."""
    unmodified_since, modified_since = request.get("IfUnmodifiedSince"), request.get("IfModifiedSince")
    modified = found.modified // SECOND
    if "IfMatch" in request:
        if not matches(request["IfMatch"], found.etag):
            raise precondition_failed("If-Match")
    elif unmodified_since is not None and modified > unmodified_since // SECOND:
        raise precondition_failed("If-Unmodified-Since")
    if "IfNoneMatch" in request:
        if matches(request["IfNoneMatch"], found.etag):
            raise _not_modified(found, bucket_is_versioned)
    elif modified_since is not None and modified <= modified_since // SECOND:
        raise _not_modified(found, bucket_is_versioned)


def _not_modified(found: Object, bucket_is_versioned: bool) -> ServiceError:
    # What a cache goes by for the copy that it keeps (RFC 9110, section 15.4.5).
    headers = {"ETag": f'"{found.etag}"', "Last-Modified": http_date(found.modified)}
    for name, header in (("CacheControl", "Cache-Control"), ("Expires", "Expires")):
        if name in found.headers:
            headers[header] = found.headers[name]
    if bucket_is_versioned:
        headers["x-amz-version-id"] = found.version_id
    return ServiceError("NotModified", "Not Modified", 304, headers=headers)


def check_copy(request: Shape, source: Object) -> None:
    """The x-amz-copy-source-if-… conditions: always 412."""
    unmodified_since, modified_since = request.get("CopySourceIfUnmodifiedSince"), request.get("CopySourceIfModifiedSince")
    modified = source.modified // SECOND
    if "CopySourceIfMatch" in request:
        if not matches(request["CopySourceIfMatch"], source.etag):
            raise precondition_failed("x-amz-copy-source-If-Match")
    elif unmodified_since is not None and modified > unmodified_since // SECOND:
        raise precondition_failed("x-amz-copy-source-If-Unmodified-Since")
    if "CopySourceIfNoneMatch" in request:
        if matches(request["CopySourceIfNoneMatch"], source.etag):
            raise precondition_failed("x-amz-copy-source-If-None-Match")
    elif modified_since is not None and modified <= modified_since // SECOND:
        raise precondition_failed("x-amz-copy-source-If-Modified-Since")


def check_write(request: Shape, key: str, current: Object | None) -> None:
    """The conditions of a write, against the current version as the write's own transaction sees it."""
    exists = current is not None and not current.marker
    none_match = request.get("IfNoneMatch")
    if none_match is not None and "IfMatch" in request:
        raise NotBuilt("the headers If-Match and If-None-Match together on writes to S3")
    if none_match is not None:
        if none_match.strip() != "*":
            raise NotBuilt("the header If-None-Match with anything but * on writes to S3")
        if exists:
            raise precondition_failed("If-None-Match")
    match = request.get("IfMatch")
    if match is not None:
        if not exists:
            raise no_such_key(key)
        assert current is not None
        if not matches(match, current.etag):
            raise precondition_failed("If-Match")
