"""Versioning: every write keeps what it replaces, and nothing but a versioned delete removes it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test

from tests.s3.support import refusal
from tests.support.running import Running


@pytest.fixture
def versioned(s3: Any, bucket: str) -> str:
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    return bucket


def read(s3: Any, bucket: str, version: str | None = None) -> bytes:
    more = {"VersionId": version} if version else {}
    return bytes(s3.get_object(Bucket=bucket, Key="k", **more)["Body"].read())


def test_versions_stay(s3: Any, versioned: str) -> None:
    """Each put has its own id, under which it can be read for ever."""
    first = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    second = s3.put_object(Bucket=versioned, Key="k", Body=b"2")["VersionId"]
    assert read(s3, versioned) == b"2" and read(s3, versioned, first) == b"1"
    assert s3.head_object(Bucket=versioned, Key="k")["VersionId"] == second
    s3.delete_object(Bucket=versioned, Key="k", VersionId=second)
    assert read(s3, versioned) == b"1"


def test_delete_markers(s3: Any, versioned: str) -> None:
    """A plain delete hides; deleting the marker brings the object back."""
    version = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    marker = s3.delete_object(Bucket=versioned, Key="k")
    assert marker["DeleteMarker"] is True
    assert refusal(lambda: read(s3, versioned)) == ("NoSuchKey", 404)
    assert read(s3, versioned, version) == b"1"
    assert refusal(lambda: read(s3, versioned, marker["VersionId"])) == ("MethodNotAllowed", 405)
    assert s3.list_objects_v2(Bucket=versioned)["KeyCount"] == 0
    undone = s3.delete_object(Bucket=versioned, Key="k", VersionId=marker["VersionId"])
    assert undone["DeleteMarker"] is True and undone["VersionId"] == marker["VersionId"]
    assert read(s3, versioned) == b"1"
    assert refusal(lambda: s3.delete_bucket(Bucket=versioned)) == ("BucketNotEmpty", 409)


def test_what_was_there_before_is_the_null_version(s3: Any, bucket: str) -> None:
    """Objects from before versioning keep the id null and are kept like any other version."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"old")
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    s3.put_object(Bucket=bucket, Key="k", Body=b"new")
    assert read(s3, bucket, "null") == b"old"
    listed = s3.list_object_versions(Bucket=bucket)["Versions"]
    assert [(one["VersionId"] == "null", one["IsLatest"]) for one in listed] == [(False, True), (True, False)]


def test_suspended_versioning_replaces_only_the_null_version(s3: Any, bucket: str) -> None:
    """While suspended there is one null version at a time; those with ids stay."""
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket=bucket, Key="k", Body=b"kept")["VersionId"]
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Suspended"})
    for body in (b"one", b"two"):
        assert s3.put_object(Bucket=bucket, Key="k", Body=body)["VersionId"] == "null"
    assert read(s3, bucket) == b"two" and read(s3, bucket, version) == b"kept"
    assert len(s3.list_object_versions(Bucket=bucket)["Versions"]) == 2
    s3.delete_object(Bucket=bucket, Key="k")
    listed = s3.list_object_versions(Bucket=bucket)
    assert [one["VersionId"] for one in listed["DeleteMarkers"]] == ["null"] and [one["VersionId"] for one in listed["Versions"]] == [version]


def test_version_ids_that_are_none(s3: Any, versioned: str) -> None:
    """An id that S3 cannot have made is an invalid argument; one that it might have, a missing version."""
    made = s3.put_object(Bucket=versioned, Key="k", Body=b"1")["VersionId"]
    assert refusal(lambda: read(s3, versioned, "nonsense")) == ("InvalidArgument", 400)
    assert refusal(lambda: s3.get_object(Bucket=versioned, Key="other", VersionId=made)) == ("NoSuchVersion", 404)


def test_versions_are_listed_in_pages(s3: Any, versioned: str) -> None:
    """By key, then newest first, whatever the page size."""
    for number in range(3):
        s3.put_object(Bucket=versioned, Key="a", Body=str(number).encode())
        s3.put_object(Bucket=versioned, Key="b/c", Body=b"")
    s3.delete_object(Bucket=versioned, Key="a")
    whole = s3.list_object_versions(Bucket=versioned)
    assert [one["Key"] for one in whole["Versions"]] == ["a"] * 3 + ["b/c"] * 3 and whole["DeleteMarkers"][0]["IsLatest"]
    assert [one["IsLatest"] for one in whole["Versions"]] == [False] * 3 + [True, False, False]
    seen: list[str] = []
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=versioned, PaginationConfig={"PageSize": 2}):
        seen += [one["VersionId"] for one in page.get("DeleteMarkers", [])] + [one["VersionId"] for one in page.get("Versions", [])]
    assert seen == [whole["DeleteMarkers"][0]["VersionId"]] + [one["VersionId"] for one in whole["Versions"]]
    folded = s3.list_object_versions(Bucket=versioned, Delimiter="/")
    assert [one["Prefix"] for one in folded["CommonPrefixes"]] == ["b/"]


def test_versioning_cannot_be_unset(s3: Any, bucket: str) -> None:
    """Enabled or Suspended, nothing else."""
    wrong = lambda: s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Off"})  # noqa: E731
    assert refusal(wrong) == ("MalformedXML", 400)


def test_any_history_against_a_plain_model(cloud: Running) -> None:
    """Puts, deletes and switches of versioning in any order: current object and version list are those of a list kept by the rules."""

    class History(RuleBasedStateMachine):
        count = 0

        @initialize()
        def begin(self) -> None:
            History.count += 1
            self.s3 = cloud.client("s3")
            self.bucket = f"history-{History.count}"
            self.s3.create_bucket(Bucket=self.bucket)
            self.status = ""
            self.versions: list[tuple[str, bytes | None]] = []  # Newest first: id and body, None for a delete marker.

        @rule(status=st.sampled_from(["Enabled", "Suspended"]))
        def switch(self, status: str) -> None:
            self.s3.put_bucket_versioning(Bucket=self.bucket, VersioningConfiguration={"Status": status})
            self.status = status

        def _add(self, version: str, body: bytes | None) -> None:
            if version == "null":
                self.versions = [one for one in self.versions if one[0] != "null"]
            self.versions.insert(0, (version, body))

        @rule(body=st.binary(max_size=2))
        def put(self, body: bytes) -> None:
            self._add(self.s3.put_object(Bucket=self.bucket, Key="k", Body=body).get("VersionId", "null"), body)

        @rule()
        def delete(self) -> None:
            done = self.s3.delete_object(Bucket=self.bucket, Key="k")
            if self.status:
                self._add(done["VersionId"], None)
            else:
                self.versions = []

        @rule(which=st.integers(0, 5))
        def delete_version(self, which: int) -> None:
            if which < len(self.versions):
                version = self.versions.pop(which)[0]
                self.s3.delete_object(Bucket=self.bucket, Key="k", VersionId=version)

        def teardown(self) -> None:
            listed = self.s3.list_object_versions(Bucket=self.bucket)
            bodies = [(one["VersionId"], one["IsLatest"]) for one in listed.get("Versions", [])]
            markers = [(one["VersionId"], one["IsLatest"]) for one in listed.get("DeleteMarkers", [])]
            flags = [(version, at == 0, body) for at, (version, body) in enumerate(self.versions)]
            assert bodies == [(version, latest) for version, latest, body in flags if body is not None]
            assert markers == [(version, latest) for version, latest, body in flags if body is None]
            for version, body in self.versions:
                if body is not None:
                    assert self.s3.get_object(Bucket=self.bucket, Key="k", VersionId=version)["Body"].read() == body

    run_state_machine_as_test(History, settings=settings(max_examples=25, stateful_step_count=12, deadline=None))
