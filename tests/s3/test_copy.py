"""Copies."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from tests.s3.support import MEGABYTE, PART, refusal, upload_parts


def test_a_copy_takes_everything_along(s3: Any, bucket: str) -> None:
    """Body, metadata and tags, unless the request says REPLACE."""
    s3.put_object(Bucket=bucket, Key="a b/ü?", Body=b"x" * MEGABYTE, ContentType="text/x", Metadata={"m": "1"}, Tagging="t=1")
    source = {"Bucket": bucket, "Key": "a b/ü?"}
    done = s3.copy_object(Bucket=bucket, Key="c", CopySource=source)
    head = s3.head_object(Bucket=bucket, Key="c")
    assert done["CopyObjectResult"]["ETag"] == head["ETag"] and head["ContentLength"] == MEGABYTE
    assert (head["ContentType"], head["Metadata"], head["TagCount"]) == ("text/x", {"m": "1"}, 1)
    s3.copy_object(Bucket=bucket, Key="d", CopySource=source, MetadataDirective="REPLACE", Metadata={"n": "2"}, TaggingDirective="REPLACE", Tagging="u=2")
    head = s3.head_object(Bucket=bucket, Key="d")
    assert (head["ContentType"], head["Metadata"]) == ("binary/octet-stream", {"n": "2"})
    assert s3.get_object_tagging(Bucket=bucket, Key="d")["TagSet"] == [{"Key": "u", "Value": "2"}]


def test_a_copy_onto_itself_must_change_something(s3: Any, bucket: str) -> None:
    """The usual way to change metadata, and the usual mistake."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000)
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k")) == ("InvalidRequest", 400)
    s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k", MetadataDirective="REPLACE", Metadata={"new": "1"})
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Metadata"] == {"new": "1"} and got["Body"].read() == b"x" * 100_000


def test_a_version_can_be_copied(s3: Any, bucket: str) -> None:
    """Copying an old version on top restores it."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"old")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    done = s3.copy_object(Bucket=bucket, Key="k", CopySource=f"{bucket}/k?versionId={quote(old)}")
    assert done["CopySourceVersionId"] == old and s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"old"


def test_a_multipart_object_becomes_one_piece(s3: Any, bucket: str) -> None:
    """A copy is one upload, whose ETag is the MD5 of its bytes."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    parts = upload_parts(s3, bucket, "k", upload_id, [b"a" * PART, b"b" * PART])
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    etag = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")["CopyObjectResult"]["ETag"]
    assert "-" not in etag and s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"a" * PART + b"b" * PART


def test_sources_that_are_not_there(s3: Any, bucket: str) -> None:
    """Missing keys, missing buckets and headers without a key."""
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/none")) == ("NoSuchKey", 404)
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource="no-such-bucket-here/k")) == ("NoSuchBucket", 404)
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource="justaword")) == ("InvalidArgument", 400)
