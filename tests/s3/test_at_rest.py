"""`x-amz-server-side-encryption: AES256` is true: no body lies in the clear, and what was changed on the disk is not given out."""

from __future__ import annotations

import http.client
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.s3.support import MEGABYTE, PART, fetch, message, refusal, upload_parts
from tests.support.running import Running

MARK = b"the marker that nobody may find"
FRAME = 64 * 1024


def body(size: int) -> bytes:
    """So many bytes, with the marker all over them."""
    return (MARK * (size // len(MARK) + 1))[:size]


def found_in(folder: Path, mark: bytes = MARK) -> list[str]:
    """The files below a folder in which the marker stands."""
    return [str(path) for path in folder.rglob("*") if path.is_file() and mark in path.read_bytes()]


def blob_files(cloud: Running) -> list[Path]:
    return [path for path in (cloud.data_dir / "blobs").rglob("*") if path.is_file()]


def damage(path: Path, at: int) -> None:
    with path.open("r+b") as file:
        file.seek(at)
        byte = file.read(1)
        file.seek(at)
        file.write(bytes([byte[0] ^ 1]))


@pytest.fixture
def place(fresh_cloud: Running) -> tuple[Running, Any]:
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    return fresh_cloud, s3


def test_no_body_is_found_on_the_disk(place: tuple[Running, Any]) -> None:
    """In rows, rows of their own, files and parts; written, copied, read back from memory; while the cloud runs and after it has stopped."""
    cloud, s3 = place
    sizes = (len(MARK), 4096, 4097, 60_000, 70_000, 3 * MEGABYTE)
    for size in sizes:
        s3.put_object(Bucket="kept", Key=f"k{size}", Body=body(size))
        s3.copy_object(Bucket="kept", Key=f"copy{size}", CopySource=f"kept/k{size}")
    upload_id = s3.create_multipart_upload(Bucket="kept", Key="parts")["UploadId"]
    parts = upload_parts(s3, "kept", "parts", upload_id, [body(PART), body(1000)])
    s3.complete_multipart_upload(Bucket="kept", Key="parts", UploadId=upload_id, MultipartUpload={"Parts": parts})
    upload_id = s3.create_multipart_upload(Bucket="kept", Key="open")["UploadId"]
    upload_parts(s3, "kept", "open", upload_id, [body(PART), body(1000)])
    s3.upload_part_copy(Bucket="kept", Key="open", UploadId=upload_id, PartNumber=3, CopySource="kept/parts")
    for size in sizes:
        for key in (f"k{size}", f"copy{size}") * 3:
            assert s3.get_object(Bucket="kept", Key=key)["Body"].read() == body(size)
    assert s3.get_object(Bucket="kept", Key="parts")["Body"].read() == body(PART) + body(1000)
    assert found_in(cloud.data_dir) == []
    cloud.stop()
    assert found_in(cloud.data_dir) == []
    cloud.start()


def test_the_search_would_find_a_body_in_the_clear(place: tuple[Running, Any]) -> None:
    """Metadata is not encrypted (nor is it by the real service): the marker there shows that the test looks where things lie."""
    cloud, s3 = place
    s3.put_object(Bucket="kept", Key="k", Body=b"", Metadata={"m": MARK.decode()})
    assert found_in(cloud.data_dir)


@pytest.mark.parametrize("reads", [0, 1])
def test_a_damaged_file_is_an_internal_error(place: tuple[Running, Any], reads: int) -> None:
    """Whether it is read frame by frame or opened as a whole for the memory, no byte of it goes out and the status says so."""
    cloud, s3 = place
    s3.put_object(Bucket="kept", Key="k", Body=body(3 * FRAME))
    for _ in range(reads):
        s3.get_object(Bucket="kept", Key="k")["Body"].read()
    damage(blob_files(cloud)[0], 2 * FRAME)
    assert refusal(lambda: s3.get_object(Bucket="kept", Key="k")) == ("InternalError", 500)
    assert message(lambda: s3.get_object(Bucket="kept", Key="k")) == "We encountered an internal error. Please try again."


def test_what_is_whole_of_a_damaged_file_can_be_read(place: tuple[Running, Any]) -> None:
    """A range opens only the frames that it touches, so that most of a large object outlives one bad sector."""
    cloud, s3 = place
    s3.put_object(Bucket="kept", Key="k", Body=body(5 * FRAME))
    damage(blob_files(cloud)[0], 3 * FRAME)
    assert s3.get_object(Bucket="kept", Key="k", Range=f"bytes=0-{FRAME}")["Body"].read() == body(FRAME + 1)
    assert refusal(lambda: s3.get_object(Bucket="kept", Key="k", Range=f"bytes={3 * FRAME - 100}-{3 * FRAME}")) == ("InternalError", 500)


def test_a_file_that_is_missing_is_an_internal_error(place: tuple[Running, Any]) -> None:
    """The key exists: 404 would tell the client to write it again."""
    cloud, s3 = place
    s3.put_object(Bucket="kept", Key="k", Body=body(3 * FRAME))
    blob_files(cloud)[0].unlink()
    assert refusal(lambda: s3.get_object(Bucket="kept", Key="k")) == ("InternalError", 500)


def test_damage_behind_the_beginning_cuts_the_connection(fresh_cloud: Running) -> None:
    """The status is out when the bad frame is met: all that is left is not to go on, so that the client knows that the body is not whole."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="k", Body=body(4 * MEGABYTE))
    damage(blob_files(fresh_cloud)[0], 3 * MEGABYTE)
    url = s3.generate_presigned_url("get_object", {"Bucket": "kept", "Key": "k"})
    with pytest.raises(http.client.IncompleteRead) as caught:
        fetch(fresh_cloud, "GET", url)
    assert len(caught.value.partial) < 3 * MEGABYTE and body(4 * MEGABYTE).startswith(caught.value.partial)


def test_a_damaged_part_is_an_internal_error(place: tuple[Running, Any]) -> None:
    """An object of several parts is a stream, and its beginning is read before the answer too."""
    cloud, s3 = place
    upload_id = s3.create_multipart_upload(Bucket="kept", Key="k")["UploadId"]
    parts = upload_parts(s3, "kept", "k", upload_id, [body(PART), b"tail"])
    s3.complete_multipart_upload(Bucket="kept", Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    damage(blob_files(cloud)[0], 1000)
    assert refusal(lambda: s3.get_object(Bucket="kept", Key="k")) == ("InternalError", 500)
    assert refusal(lambda: s3.copy_object(Bucket="kept", Key="copy", CopySource="kept/k")) == ("InternalError", 500)
    assert refusal(lambda: s3.head_object(Bucket="kept", Key="copy")) == ("404", 404)


RANGED = bytes(range(256)) * 1100  # Four frames and a bit.


@pytest.fixture(scope="module")
def ranged(cloud: Running) -> Any:
    """The same bytes as one file, and as parts whose border lies in no frame's."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket="ranged")
    s3.put_object(Bucket="ranged", Key="file", Body=RANGED)
    upload_id = s3.create_multipart_upload(Bucket="ranged", Key="parts")["UploadId"]
    filler = b"-" * (PART - len(RANGED) // 2)
    half = len(RANGED) // 2
    parts = upload_parts(s3, "ranged", "parts", upload_id, [filler + RANGED[:half], RANGED[half:]])
    s3.complete_multipart_upload(Bucket="ranged", Key="parts", UploadId=upload_id, MultipartUpload={"Parts": parts})
    return s3, len(filler)


near_a_border = st.tuples(st.integers(0, 4), st.integers(-2, 2)).map(lambda one: min(max(0, one[0] * FRAME + one[1]), len(RANGED) - 1))


@given(near_a_border, near_a_border | st.integers(0, len(RANGED) - 1))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_ranges_over_borders(ranged: Any, one: int, other: int) -> None:
    """Of frames and of parts: a plain slice says what must come."""
    s3, filler = ranged
    first, last = sorted((one, other))
    assert s3.get_object(Bucket="ranged", Key="file", Range=f"bytes={first}-{last}")["Body"].read() == RANGED[first : last + 1]
    got = s3.get_object(Bucket="ranged", Key="parts", Range=f"bytes={filler + first}-{filler + last}")
    assert got["Body"].read() == RANGED[first : last + 1]
