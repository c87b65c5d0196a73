"""Objects: what goes in comes out, wherever it is kept; metadata; ranges; odd keys."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlsplit

import boto3
import pytest
from botocore.config import Config

from haneul.services.s3.incoming import INLINE_BYTES_MAX, ROW_BYTES_MAX
from tests.s3.support import MEGABYTE, fetch, files_left, message, refusal, signed
from tests.support.running import Running

SIZES = [0, 1, INLINE_BYTES_MAX, INLINE_BYTES_MAX + 1, ROW_BYTES_MAX, ROW_BYTES_MAX + 1, MEGABYTE, 3 * MEGABYTE + 7]


@pytest.mark.parametrize("size", SIZES)
def test_every_size_comes_back_as_it_went_in(s3: Any, bucket: str, size: int) -> None:
    """Bodies lie in the object's row, in a row of their own or in a file, by their size; nobody can tell."""
    body = bytes(i * 7 % 256 for i in range(256)) * (size // 256 + 1)
    body = body[:size]
    put = s3.put_object(Bucket=bucket, Key="k", Body=body)
    assert put["ETag"] == f'"{hashlib.md5(body).hexdigest()}"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == body and got["ContentLength"] == size and got["ETag"] == put["ETag"]
    head = s3.head_object(Bucket=bucket, Key="k")
    assert head["ContentLength"] == size and head["ContentType"] == "binary/octet-stream"
    if size > 10:
        part = s3.get_object(Bucket=bucket, Key="k", Range=f"bytes=3-{size - 4}")
        assert part["Body"].read() == body[3:-3] and part["ContentRange"] == f"bytes 3-{size - 4}/{size}"


@pytest.mark.parametrize(
    ("wanted", "body", "content_range"),
    [
        ("bytes=0-0", b"0", "bytes 0-0/10"),
        ("bytes=5-", b"56789", "bytes 5-9/10"),
        ("bytes=-3", b"789", "bytes 7-9/10"),
        ("bytes=-30", b"0123456789", "bytes 0-9/10"),
        ("bytes=8-100", b"89", "bytes 8-9/10"),
        ("bytes=5-2", b"0123456789", None),
        ("bytes=0-1,4-5", b"0123456789", None),
        ("lines=1-2", b"0123456789", None),
    ],
)
def test_ranges(s3: Any, bucket: str, wanted: str, body: bytes, content_range: str | None) -> None:
    """RFC 9110 ranges, one at a time; what S3 cannot read it passes over."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    got = s3.get_object(Bucket=bucket, Key="k", Range=wanted)
    assert (got["Body"].read(), got.get("ContentRange")) == (body, content_range)
    assert got["ResponseMetadata"]["HTTPStatusCode"] == (200 if content_range is None else 206)


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_ranges_without_a_byte(s3: Any, bucket: str, wanted: str) -> None:
    """416 when nothing of the object lies in the range."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"0123456789")
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k", Range=wanted)) == ("InvalidRange", 416)


KEYS = ["../../etc/passwd", "/leading", "double//slash", "trailing/", "a b+c%20d", "ключ/鍵/열쇠", "..", "?x=1&y#z", "a\\b", "x" * 1024, "'\"<&>"]


@pytest.mark.parametrize("key", KEYS)
def test_keys_are_just_text(cloud: Running, s3: Any, bucket: str, key: str) -> None:
    """A key is never a path: dots, slashes and signs mean nothing, and no file gets its name."""
    s3.put_object(Bucket=bucket, Key=key, Body=b"x" * 70_000)
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == b"x" * 70_000
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == [key]
    s3.delete_object(Bucket=bucket, Key=key)
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key=key)) == ("NoSuchKey", 404)


def test_keys_too_long(s3: Any, bucket: str) -> None:
    """1024 bytes of UTF-8, not characters."""
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="é" * 513, Body=b"")) == ("KeyTooLongError", 400)


def test_metadata_comes_back(s3: Any, bucket: str) -> None:
    """System metadata under its own headers, the user's under x-amz-meta-."""
    system = {
        "CacheControl": "max-age=60",
        "ContentDisposition": "attachment; filename=x",
        "ContentEncoding": "gzip",
        "ContentLanguage": "ko",
        "ContentType": "text/plain; charset=utf-8",
    }
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Metadata={"Colour": "blue", "size": "9"}, StorageClass="STANDARD_IA", **system)
    head = s3.head_object(Bucket=bucket, Key="k")
    assert {name: head[name] for name in system} == system
    assert head["Metadata"] == {"colour": "blue", "size": "9"} and head["StorageClass"] == "STANDARD_IA"
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata={"a": "x" * 2048})) == ("MetadataTooLarge", 400)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", StorageClass="COLD")) == ("InvalidStorageClass", 400)


def test_response_headers_can_be_replaced(s3: Any, bucket: str) -> None:
    """response-… parameters, for signed requests; each as the header says it: Expires is an HTTP date, whatever form its parameter had."""
    expires = datetime(2030, 2, 3, 4, 5, 6, tzinfo=UTC)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentType="text/plain", Expires=datetime(2031, 1, 1, tzinfo=UTC))
    wishes = {"ContentType": "image/png", "ContentDisposition": "inline", "CacheControl": "no-store", "ContentLanguage": "ko", "ContentEncoding": "x-none", "Expires": expires}
    for read in (s3.get_object, s3.head_object):
        got = read(Bucket=bucket, Key="k", **{f"Response{name}": value for name, value in wishes.items()})
        assert {name: got[name] for name in wishes} == wishes
        assert got["ResponseMetadata"]["HTTPHeaders"]["expires"] == "Sun, 03 Feb 2030 04:05:06 GMT"


def test_static_headers(cloud: Running, s3: Any, bucket: str) -> None:
    """Tools tell S3 by its Server header and ask for both request ids; errors carry them too."""
    headers = s3.head_bucket(Bucket=bucket)["ResponseMetadata"]["HTTPHeaders"]
    assert headers["server"] == "AmazonS3" and headers["x-amz-request-id"] and headers["x-amz-id-2"]
    status, headers, body = fetch(cloud, "GET", f"/{bucket}/k")
    assert (status, headers["server"]) == (403, "AmazonS3") and b"<Code>AccessDenied</Code>" in body


def test_overwriting_and_deleting_leave_no_files(fresh_cloud: Running) -> None:
    """A large body's file goes with the last version that needs it."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="files")
    for _ in range(3):
        s3.put_object(Bucket="files", Key="k", Body=b"x" * MEGABYTE)
    assert files_left(fresh_cloud) == 1
    s3.delete_object(Bucket="files", Key="k")
    s3.delete_object(Bucket="files", Key="k")
    assert files_left(fresh_cloud) == 0


def test_delete_objects(s3: Any, bucket: str) -> None:
    """Many keys in one request; keys that are not there count as deleted."""
    for key in ("a", "b", "c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    done = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "a"}, {"Key": "missing"}]})
    assert sorted(one["Key"] for one in done["Deleted"]) == ["a", "missing"] and "Errors" not in done
    quiet = s3.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "b"}], "Quiet": True})
    assert "Deleted" not in quiet
    assert [one["Key"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]] == ["c"]
    too_many = [{"Key": str(number)} for number in range(1001)]
    assert refusal(lambda: s3.delete_objects(Bucket=bucket, Delete={"Objects": too_many})) == ("MalformedXML", 400)


def test_missing_keys(s3: Any, bucket: str) -> None:
    """404 with the key in the error; HEAD has no body and so no code."""
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="none")) == ("NoSuchKey", 404)
    assert message(lambda: s3.get_object(Bucket=bucket, Key="none")) == "The specified key does not exist."
    assert refusal(lambda: s3.head_object(Bucket=bucket, Key="none")) == ("404", 404)


def test_virtual_hosted_requests(cloud: Running, s3: Any, bucket: str) -> None:
    """The bucket may stand in the host, which is signed as it is."""
    s3.put_object(Bucket=bucket, Key="a/k", Body=b"hosted")
    host = f"{bucket}.s3.localhost.localstack.cloud:{cloud.port}"
    session = boto3.session.Session(aws_access_key_id="test", aws_secret_access_key="test", region_name="us-east-1")
    client = session.client("s3", endpoint_url=f"http://s3.localhost.localstack.cloud:{cloud.port}", config=Config(signature_version="s3v4", s3={"addressing_style": "virtual"}))
    url = client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/k"})
    assert urlsplit(url).netloc == host
    assert fetch(cloud, "GET", url, headers={"Host": host})[2] == b"hosted"


def test_deleting_many_needs_a_digest(cloud: Running, s3: Any, bucket: str) -> None:
    """A list of keys that was damaged on its way would delete others: S3 takes none without its digest (API Reference: DeleteObjects)."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    document = b"<Delete><Object><Key>k</Key></Object></Delete>"
    status, _, answer = signed(cloud, "POST", f"/{bucket}?delete", document)
    assert status == 400 and b"<Code>InvalidRequest</Code><Message>Missing required header for this request: Content-MD5</Message>" in answer
    digest = b64encode(hashlib.md5(document).digest()).decode()
    assert signed(cloud, "POST", f"/{bucket}?delete", document, headers={"Content-MD5": digest})[0] == 200
