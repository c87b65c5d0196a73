"""Conditional requests on reads, writes and deletes."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from tests.s3.support import refusal, signed
from tests.support.running import Running


def test_reads(s3: Any, bucket: str) -> None:
    """RFC 9110: If-Match and If-Unmodified-Since fail with 412, the others with 304, which boto3 shows as an error."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    before, after = modified - timedelta(hours=1), modified + timedelta(hours=1)
    read = lambda **conditions: lambda: s3.get_object(Bucket=bucket, Key="k", **conditions)  # noqa: E731
    read(IfMatch=etag)()
    assert refusal(read(IfMatch='"other"')) == ("PreconditionFailed", 412)
    assert refusal(read(IfNoneMatch=etag)) == ("304", 304)
    read(IfNoneMatch='"other"')()
    assert refusal(read(IfModifiedSince=modified)) == ("304", 304)
    read(IfModifiedSince=before)()
    assert refusal(read(IfUnmodifiedSince=before)) == ("PreconditionFailed", 412)
    read(IfUnmodifiedSince=after)()
    read(IfMatch=etag, IfUnmodifiedSince=before)()
    assert refusal(lambda: s3.head_object(Bucket=bucket, Key="k", IfMatch='"other"')) == ("412", 412)


def test_writes(s3: Any, bucket: str) -> None:
    """If-None-Match: * writes only what is not there, If-Match only what is still the same: locks can be built of them."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"1", IfNoneMatch="*")["ETag"]
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")) == ("PreconditionFailed", 412)
    newer = s3.put_object(Bucket=bucket, Key="k", Body=b"3", IfMatch=etag)["ETag"]
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"4", IfMatch=etag)) == ("PreconditionFailed", 412)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="other", Body=b"4", IfMatch=etag)) == ("NoSuchKey", 404)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"3"
    assert refusal(lambda: s3.delete_object(Bucket=bucket, Key="k", IfMatch=etag)) == ("PreconditionFailed", 412)
    s3.delete_object(Bucket=bucket, Key="k", IfMatch=newer)
    s3.put_object(Bucket=bucket, Key="k", Body=b"5", IfNoneMatch="*")


def test_a_deleted_object_counts_as_absent(s3: Any, bucket: str) -> None:
    """A delete marker on top is no object for If-None-Match."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"1")
    s3.delete_object(Bucket=bucket, Key="k")
    s3.put_object(Bucket=bucket, Key="k", Body=b"2", IfNoneMatch="*")


def test_copies(s3: Any, bucket: str) -> None:
    """The conditions on a copy's source all fail with 412."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    modified = s3.head_object(Bucket=bucket, Key="k")["LastModified"]
    copy = lambda **conditions: lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k", **conditions)  # noqa: E731
    copy(CopySourceIfMatch=etag)()
    assert refusal(copy(CopySourceIfMatch='"other"')) == ("PreconditionFailed", 412)
    assert refusal(copy(CopySourceIfNoneMatch=etag)) == ("PreconditionFailed", 412)
    assert refusal(copy(CopySourceIfModifiedSince=modified)) == ("PreconditionFailed", 412)
    assert refusal(copy(CopySourceIfUnmodifiedSince=modified - timedelta(hours=1))) == ("PreconditionFailed", 412)


def test_an_unchanged_object_is_told_with_what_caches_go_by(cloud: Running, s3: Any, bucket: str) -> None:
    """RFC 9110, section 15.4.5: without the fields of a whole answer a cache would forget how long its copy may be used."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x", CacheControl="max-age=60")["ETag"]
    status, headers, _ = signed(cloud, "GET", f"/{bucket}/k", headers={"If-None-Match": etag})
    assert (status, headers["etag"], headers["cache-control"]) == (304, etag, "max-age=60")
    assert headers["last-modified"] == signed(cloud, "GET", f"/{bucket}/k")[1]["last-modified"]


def test_one_condition_a_write(s3: Any, bucket: str) -> None:
    """Both headers at once are more than S3 implements."""
    etag = s3.put_object(Bucket=bucket, Key="k", Body=b"x")["ETag"]
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"y", IfMatch=etag, IfNoneMatch="*")) == ("NotImplemented", 501)


def test_dates_that_cannot_be_read(cloud: Running, s3: Any, bucket: str) -> None:
    """RFC 9110 (13.1.3, 13.1.4): a date that is none is passed over, whatever the header would have asked for."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    for header in ("If-Modified-Since", "If-Unmodified-Since"):
        assert signed(cloud, "GET", f"/{bucket}/k", headers={header: "yesterday"})[::2] == (200, b"x")
        assert signed(cloud, "HEAD", f"/{bucket}/k", headers={header: "yesterday"})[0] == 200
