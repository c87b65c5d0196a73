"""Tags of objects."""

from __future__ import annotations

from typing import Any

from tests.s3.support import refusal


def tag_set(**tags: str) -> dict[str, Any]:
    return {"TagSet": [{"Key": key, "Value": value} for key, value in tags.items()]}


def test_tags(s3: Any, bucket: str) -> None:
    """Set with the object or later, counted in the headers, gone with DELETE."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", Tagging="a=1&b=two%20words")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "two words"}]
    assert s3.head_object(Bucket=bucket, Key="k")["TagCount"] == 2
    s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(c="3"))
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "c", "Value": "3"}]
    s3.delete_object_tagging(Bucket=bucket, Key="k")
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"x"


def test_limits(s3: Any, bucket: str) -> None:
    """Ten tags, 128 and 256 characters, no aws: prefix."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"")
    put = lambda **tags: lambda: s3.put_object_tagging(Bucket=bucket, Key="k", Tagging=tag_set(**tags))  # noqa: E731
    assert refusal(put(**{f"k{number}": "v" for number in range(11)})) == ("BadRequest", 400)
    assert refusal(put(**{"k" * 129: "v"})) == ("InvalidTag", 400)
    assert refusal(put(k="v" * 257)) == ("InvalidTag", 400)
    assert refusal(put(**{"aws:k": "v"})) == ("InvalidTag", 400)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"", Tagging="a=1&a=2")) == ("InvalidArgument", 400)
    assert refusal(lambda: s3.put_object_tagging(Bucket=bucket, Key="none", Tagging=tag_set(a="1"))) == ("NoSuchKey", 404)


def test_tags_belong_to_a_version(s3: Any, bucket: str) -> None:
    """Each version has its own."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    old = s3.put_object(Bucket=bucket, Key="k", Body=b"1", Tagging="v=1")["VersionId"]
    s3.put_object(Bucket=bucket, Key="k", Body=b"2")
    s3.put_object_tagging(Bucket=bucket, Key="k", VersionId=old, Tagging=tag_set(v="one"))
    assert s3.get_object_tagging(Bucket=bucket, Key="k", VersionId=old)["TagSet"] == [{"Key": "v", "Value": "one"}]
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == []
