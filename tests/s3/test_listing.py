"""Listings: order, prefixes, delimiters, markers; and against a plain list as the model."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from haneul.services.s3.keys import object_key
from haneul.services.s3.list_objects import list_page
from haneul.services.s3.records import Bucket, Object
from haneul.store.records import encode
from tests.s3.support import refusal, signed
from tests.support.running import Running


def keys_of(page: Any) -> list[str]:
    return [one["Key"] for one in page.get("Contents", ())]


def prefixes_of(page: Any) -> list[str]:
    return [one["Prefix"] for one in page.get("CommonPrefixes", ())]


def put_all(s3: Any, bucket: str, keys: list[str]) -> None:
    for key in keys:
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")


def test_order_is_that_of_utf8_bytes(s3: Any, bucket: str) -> None:
    """Not of UTF-16 units nor of any language: é sorts behind z, and a surrogate pair behind everything of the basic plane."""
    keys = ["\U0001f600", "\uffee", "z", "é", "a/b", "a-b", "Z", "a"]
    put_all(s3, bucket, keys)
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == sorted(keys, key=lambda key: key.encode())


def test_folders(s3: Any, bucket: str) -> None:
    """A delimiter folds what lies deeper into common prefixes; KeyCount counts both."""
    put_all(s3, bucket, ["a.txt", "photos/2005/1", "photos/2006/1", "photos/2006/2", "photos/x", "z/"])
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert (keys_of(page), prefixes_of(page), page["KeyCount"]) == (["a.txt"], ["photos/", "z/"], 3)
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/", Prefix="photos/")
    assert (keys_of(page), prefixes_of(page)) == (["photos/x"], ["photos/2005/", "photos/2006/"])
    assert keys_of(s3.list_objects_v2(Bucket=bucket, StartAfter="photos/2006/1")) == ["photos/2006/2", "photos/x", "z/"]
    assert keys_of(s3.list_objects(Bucket=bucket, Marker="photos/x")) == ["z/"]


def test_pages(s3: Any, bucket: str) -> None:
    """Tokens and markers lead through everything once; with a delimiter a page's last entry may be a prefix."""
    put_all(s3, bucket, ["a/1", "a/2", "b", "c/1", "c/2", "d"])
    seen: list[str] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Delimiter="/", PaginationConfig={"PageSize": 1}):
        seen += prefixes_of(page) + keys_of(page)
    assert seen == ["a/", "b", "c/", "d"]
    seen = []
    for page in s3.get_paginator("list_objects").paginate(Bucket=bucket, PaginationConfig={"PageSize": 2}):
        seen += keys_of(page)
    assert seen == ["a/1", "a/2", "b", "c/1", "c/2", "d"]
    empty = s3.list_objects_v2(Bucket=bucket, MaxKeys=0)
    assert (empty["KeyCount"], empty["IsTruncated"]) == (0, False)
    assert refusal(lambda: s3.list_objects_v2(Bucket=bucket, ContinuationToken="nonsense!")) == ("InvalidArgument", 400)


@pytest.mark.parametrize("query", ["max-keys={}", "list-type=2&max-keys={}", "versions&max-keys={}", "uploads&max-uploads={}"])
@pytest.mark.parametrize("text", ["x", "1.5", "99999999999", ""])
def test_page_sizes_that_are_no_numbers(cloud: Running, bucket: str, query: str, text: str) -> None:
    """S3 names the argument and what it was."""
    status, _, body = signed(cloud, "GET", f"/{bucket}?{query.format(text)}")
    name = "max-uploads" if "uploads" in query else "max-keys"
    assert status == 400 and b"<Code>InvalidArgument</Code>" in body
    assert f"<Message>Provided {name} not an integer or within integer range</Message>".encode() in body
    assert f"<ArgumentName>{name}</ArgumentName>".encode() in body and (f"<ArgumentValue>{text}</ArgumentValue>".encode() in body or not text)


def test_owner_only_when_asked_for(s3: Any, bucket: str) -> None:
    """Version 2 leaves the owner out unless fetch-owner is set."""
    put_all(s3, bucket, ["k"])
    assert "Owner" not in s3.list_objects_v2(Bucket=bucket)["Contents"][0]
    owner = s3.list_objects_v2(Bucket=bucket, FetchOwner=True)["Contents"][0]["Owner"]
    assert owner == s3.list_objects(Bucket=bucket)["Contents"][0]["Owner"] and len(owner["ID"]) == 64


def test_keys_that_xml_cannot_hold(s3: Any, bucket: str) -> None:
    """encoding-type=url, which boto3 asks for by itself, brings control characters through."""
    put_all(s3, bucket, ["a\x01b", "a b+c", "a%2Fb"])
    assert keys_of(s3.list_objects_v2(Bucket=bucket)) == ["a\x01b", "a b+c", "a%2Fb"]


class Rows:
    """Rows as the store gives them, counting how many it was asked for."""

    def __init__(self, rows: dict[bytes, bytes]) -> None:
        self.rows = sorted(rows.items())
        self.read = 0

    def get(self, key: bytes) -> bytes | None:
        return dict(self.rows).get(key)

    def range(self, start: bytes, end: bytes, limit: int | None = None, reverse: bool = False) -> list[tuple[bytes, bytes]]:
        found = [row for row in self.rows if start <= row[0] < end][:limit]
        self.read += len(found)
        return found

    def iterate(self, start: bytes, end: bytes, reverse: bool = False, page: int = 256) -> Any:
        return iter(self.range(start, end))


def bucket_of(keys: list[str]) -> tuple[Bucket, Rows]:
    row = encode(Object(order=1, modified=1, etag="e"))
    return Bucket("b", "id", "0" * 12, "us-east-1", 0), Rows({object_key("id", key, 0): row for key in keys})


def model(keys: list[str], prefix: str, delimiter: str, behind: str) -> list[str]:
    """What a listing shows, from its definition: each entry once, behind the marker, in order."""
    shown: list[str] = []
    for key in sorted(keys, key=lambda key: key.encode()):
        if not key.startswith(prefix):
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        entry = key if at < 0 else key[: at + len(delimiter)]
        if at >= 0 and entry == behind:
            continue
        if key.encode() > behind.encode() and (not shown or shown[-1] != entry):
            shown.append(entry)
    return shown


TEXT = st.text(alphabet="a/b\x00é", max_size=5).filter(bool)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(TEXT, max_size=12, unique=True), st.text(alphabet="a/b", max_size=2), st.sampled_from(["", "/", "b", "a/"]), st.integers(1, 4))
def test_pages_against_a_plain_list(keys: list[str], prefix: str, delimiter: str, limit: int) -> None:
    """Whatever the page size, pages put together are the whole listing."""
    bucket, rows = bucket_of(keys)
    seen: list[str] = []
    behind = ""
    while True:
        page = list_page(rows, bucket, prefix, delimiter, behind, limit)
        entries = sorted([key for key, _ in page.objects] + page.prefixes, key=lambda entry: entry.encode())
        assert len(entries) <= limit
        seen += entries
        if not page.truncated:
            break
        behind = page.last
    assert seen == model(keys, prefix, delimiter, "")


@settings(max_examples=200, deadline=None)
@given(st.lists(TEXT, max_size=12, unique=True), st.sampled_from(["", "/"]), TEXT)
def test_any_marker_against_a_plain_list(keys: list[str], delimiter: str, behind: str) -> None:
    """A marker need not be a key that is there."""
    bucket, rows = bucket_of(keys)
    page = list_page(rows, bucket, "", delimiter, behind, 1000)
    entries = sorted([key for key, _ in page.objects] + page.prefixes, key=lambda entry: entry.encode())
    assert entries == model(keys, "", delimiter, behind)


def test_a_folder_costs_one_seek() -> None:
    """A listing with a delimiter leaps over what it folds: its cost follows the page, not the bucket."""
    keys = [f"{folder}/{number:05}" for folder in "abc" for number in range(3000)]
    bucket, rows = bucket_of(keys)
    page = list_page(rows, bucket, "", "/", "", 1000)
    assert page.prefixes == ["a/", "b/", "c/"]
    assert rows.read < 200


def test_times_are_whole_seconds(cloud: Running, s3: Any, bucket: str) -> None:
    """S3 keeps seconds: a listing shows the very time that Last-Modified has, so that tools may compare the two."""
    cloud.advance("123ms")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    copied = s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")["CopyObjectResult"]["LastModified"]
    s3.delete_object(Bucket=bucket, Key="gone")
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="m")["UploadId"]
    s3.upload_part(Bucket=bucket, Key="m", UploadId=upload_id, PartNumber=1, Body=b"")
    listed = {one["Key"]: one["LastModified"] for one in s3.list_objects_v2(Bucket=bucket)["Contents"]}
    assert listed == {"c": copied, "k": s3.head_object(Bucket=bucket, Key="k")["LastModified"]}
    [marker] = s3.list_object_versions(Bucket=bucket, Prefix="gone")["DeleteMarkers"]
    [part] = s3.list_parts(Bucket=bucket, Key="m", UploadId=upload_id)["Parts"]
    [upload] = s3.list_multipart_uploads(Bucket=bucket)["Uploads"]
    created = [one["CreationDate"] for one in s3.list_buckets()["Buckets"]]
    assert {one.microsecond for one in (copied, marker["LastModified"], part["LastModified"], upload["Initiated"], *created)} == {0}
