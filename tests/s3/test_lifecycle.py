"""Lifecycle rules, driven by the clock."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from tests.s3.support import files_left, refusal, upload_parts
from tests.support.running import Running


@pytest.fixture
def s3(fresh_cloud: Running) -> Any:
    client = fresh_cloud.client("s3")
    client.create_bucket(Bucket="life")
    return client


def rules(s3: Any, *given: dict[str, Any]) -> None:
    s3.put_bucket_lifecycle_configuration(Bucket="life", LifecycleConfiguration={"Rules": [{"Status": "Enabled", "Filter": {}, **one} for one in given]})


def keys(s3: Any) -> list[str]:
    return [one["Key"] for one in s3.list_objects_v2(Bucket="life").get("Contents", ())]


def test_objects_expire_at_the_midnight_after_their_days(fresh_cloud: Running, s3: Any) -> None:
    """A day is over at midnight UTC: an object of one day lives one to two days, whole midnights."""
    rules(s3, {"Filter": {"Prefix": "log/"}, "Expiration": {"Days": 1}})
    s3.put_object(Bucket="life", Key="log/a", Body=b"x" * 100_000)
    s3.put_object(Bucket="life", Key="keep", Body=b"x")
    fresh_cloud.advance("23h")
    assert keys(s3) == ["keep", "log/a"]
    fresh_cloud.advance("25h")
    assert keys(s3) == ["keep"] and files_left(fresh_cloud) == 0


def test_filters_by_tag_and_size(fresh_cloud: Running, s3: Any) -> None:
    """A rule takes in what its whole filter fits."""
    rules(
        s3,
        {"ID": "tag", "Filter": {"Tag": {"Key": "t", "Value": "1"}}, "Expiration": {"Days": 1}},
        {"ID": "size", "Filter": {"And": {"Prefix": "s", "ObjectSizeGreaterThan": 10}}, "Expiration": {"Days": 2}},
        {"ID": "off", "Filter": {"Prefix": "k"}, "Expiration": {"Days": 1}, "Status": "Disabled"},
    )
    s3.put_object(Bucket="life", Key="tagged", Body=b"", Tagging="t=1")
    s3.put_object(Bucket="life", Key="s-large", Body=b"x" * 11)
    s3.put_object(Bucket="life", Key="s-small", Body=b"x" * 10)
    s3.put_object(Bucket="life", Key="k", Body=b"")
    fresh_cloud.advance("4d")
    assert keys(s3) == ["k", "s-small"]


def test_versions_and_markers_expire(fresh_cloud: Running, s3: Any) -> None:
    """Current versions get a marker, old ones go after their days, and a marker with nothing below it goes last."""
    s3.put_bucket_versioning(Bucket="life", VersioningConfiguration={"Status": "Enabled"})
    rules(s3, {"Expiration": {"Days": 1}, "NoncurrentVersionExpiration": {"NoncurrentDays": 2}}, {"ID": "m", "Expiration": {"ExpiredObjectDeleteMarker": True}})
    s3.put_object(Bucket="life", Key="k", Body=b"1")
    fresh_cloud.advance("2d")
    listed = s3.list_object_versions(Bucket="life")
    assert len(listed["Versions"]) == 1 and len(listed["DeleteMarkers"]) == 1
    fresh_cloud.advance("5d")
    listed = s3.list_object_versions(Bucket="life")
    assert "Versions" not in listed and "DeleteMarkers" not in listed


def test_newer_versions_may_be_kept(fresh_cloud: Running, s3: Any) -> None:
    """NewerNoncurrentVersions keeps that many old ones, however old."""
    s3.put_bucket_versioning(Bucket="life", VersioningConfiguration={"Status": "Enabled"})
    rules(s3, {"NoncurrentVersionExpiration": {"NoncurrentDays": 1, "NewerNoncurrentVersions": 2}})
    for number in range(5):
        s3.put_object(Bucket="life", Key="k", Body=str(number).encode())
    fresh_cloud.advance("3d")
    assert len(s3.list_object_versions(Bucket="life")["Versions"]) == 3


def test_unfinished_uploads_are_aborted(fresh_cloud: Running, s3: Any) -> None:
    """Forgotten parts cost nothing for ever."""
    rules(s3, {"AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1}})
    upload_id = s3.create_multipart_upload(Bucket="life", Key="k")["UploadId"]
    upload_parts(s3, "life", "k", upload_id, [b"x" * 100_000])
    fresh_cloud.advance("2d")
    assert "Uploads" not in s3.list_multipart_uploads(Bucket="life") and files_left(fresh_cloud) == 0


def test_rules_survive_a_restart(fresh_cloud: Running, s3: Any) -> None:
    """The timer lies in the store."""
    rules(s3, {"Expiration": {"Days": 1}})
    s3.put_object(Bucket="life", Key="k", Body=b"")
    fresh_cloud.stop()
    fresh_cloud.start()
    fresh_cloud.advance("2d")
    assert keys(fresh_cloud.client("s3")) == []


def test_rules_that_cannot_be_put(s3: Any) -> None:
    """Forms, days and doubles are checked; transitions are not built."""
    assert refusal(lambda: rules(s3, {"Expiration": {"Days": 0}})) == ("InvalidArgument", 400)
    assert refusal(lambda: rules(s3, {"ID": "x", "Expiration": {"Days": 1}}, {"ID": "x", "Expiration": {"Days": 2}})) == ("InvalidArgument", 400)
    assert refusal(lambda: rules(s3, {"Transitions": [{"Days": 1, "StorageClass": "GLACIER"}]})) == ("NotImplemented", 501)
    rules(s3, {"ID": "x", "Expiration": {"Days": 1}})
    assert s3.get_bucket_lifecycle_configuration(Bucket="life")["Rules"][0]["ID"] == "x"
    s3.delete_bucket_lifecycle(Bucket="life")
    assert refusal(lambda: s3.get_bucket_lifecycle_configuration(Bucket="life")) == ("NoSuchLifecycleConfiguration", 404)


def test_rules_that_could_never_run_are_refused(s3: Any) -> None:
    """Actions name their days, a filter has one element, and neither delete markers nor unfinished uploads can be told by tags."""
    tag = {"Tag": {"Key": "t", "Value": "1"}}
    put = lambda **rule: lambda: rules(s3, rule)  # noqa: E731
    assert refusal(put(NoncurrentVersionExpiration={"NewerNoncurrentVersions": 3})) == ("MalformedXML", 400)
    assert refusal(put(AbortIncompleteMultipartUpload={})) == ("MalformedXML", 400)
    assert refusal(put(Filter={"Prefix": "a", **tag}, Expiration={"Days": 1})) == ("MalformedXML", 400)
    assert refusal(put(Filter=tag, AbortIncompleteMultipartUpload={"DaysAfterInitiation": 1})) == ("InvalidRequest", 400)
    assert refusal(put(Filter=tag, Expiration={"ExpiredObjectDeleteMarker": True})) == ("InvalidRequest", 400)
    assert refusal(put(NoncurrentVersionExpiration={"NoncurrentDays": 1, "NewerNoncurrentVersions": 101})) == ("InvalidArgument", 400)


def test_the_minimum_size_of_transitions_is_kept(s3: Any) -> None:
    """Terraform waits until it reads what it has put."""
    given = {"Rules": [{"Status": "Enabled", "Filter": {}, "Expiration": {"Days": 1}}]}
    put = lambda sizes: s3.put_bucket_lifecycle_configuration(Bucket="life", LifecycleConfiguration=given, TransitionDefaultMinimumObjectSize=sizes)  # noqa: E731
    assert put("varies_by_storage_class")["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    assert s3.get_bucket_lifecycle_configuration(Bucket="life")["TransitionDefaultMinimumObjectSize"] == "varies_by_storage_class"
    assert refusal(lambda: put("none")) == ("InvalidRequest", 400)
    rules(s3, {"Expiration": {"Days": 1}})
    assert s3.get_bucket_lifecycle_configuration(Bucket="life")["TransitionDefaultMinimumObjectSize"] == "all_storage_classes_128K"


def test_answers_tell_when_an_object_expires(s3: Any) -> None:
    """The first midnight that a rule comes to, as the rules carry it out; uploads in progress tell when they are given up."""
    rules(
        s3,
        {"ID": "one day", "Filter": {"Prefix": "log/"}, "Expiration": {"Days": 1}},
        {"ID": "later", "Filter": {"Prefix": "log/"}, "Expiration": {"Days": 3}, "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}},
        {"ID": "off", "Filter": {}, "Expiration": {"Days": 1}, "Status": "Disabled"},
    )
    put = s3.put_object(Bucket="life", Key="log/a", Body=b"x")
    head = s3.head_object(Bucket="life", Key="log/a")
    day = (head["LastModified"] + timedelta(days=2)).replace(hour=0, minute=0, second=0)
    assert head["Expiration"] == put["Expiration"] == f'expiry-date="{day:%a, %d %b %Y} 00:00:00 GMT", rule-id="one%20day"'
    assert "Expiration" not in s3.put_object(Bucket="life", Key="keep", Body=b"x")
    upload = s3.create_multipart_upload(Bucket="life", Key="log/b")
    listed = s3.list_parts(Bucket="life", Key="log/b", UploadId=upload["UploadId"])
    assert (upload["AbortDate"], upload["AbortRuleId"]) == (listed["AbortDate"], listed["AbortRuleId"]) == (day + timedelta(days=1), "later")
