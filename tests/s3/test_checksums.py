"""Checksums: computed, compared, kept, combined."""

from __future__ import annotations

import base64
import hashlib
import zlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from haneul.services.s3 import checksums
from tests.s3.support import PART, message, refusal, upload_parts
from tests.support.running import Running

# "123456789" under each algorithm: the check values of the CRC catalogue and of RFC 3174, 6234.
CHECK_VALUES = {
    "CRC32": "cbf43926",
    "CRC32C": "e3069283",
    "CRC64NVME": "ae8b14860a799888",
    "SHA1": hashlib.sha1(b"123456789").hexdigest(),
    "SHA256": hashlib.sha256(b"123456789").hexdigest(),
}


def value(algorithm: str) -> str:
    return base64.b64encode(bytes.fromhex(CHECK_VALUES[algorithm])).decode()


@pytest.mark.parametrize("algorithm", CHECK_VALUES)
def test_check_values(algorithm: str) -> None:
    """Each algorithm is the one that the standard means, also when fed in pieces."""
    digest = checksums.new_digest(algorithm)
    digest.update(b"1234")
    digest.update(b"56789")
    assert digest.digest().hex() == CHECK_VALUES[algorithm]


@given(st.lists(st.binary(max_size=50), min_size=1, max_size=5), st.sampled_from(["CRC32", "CRC32C", "CRC64NVME"]))
def test_combined_checksums(parts: list[bytes], algorithm: str) -> None:
    """The CRC of the whole follows from those of the parts and their lengths."""

    def of(data: bytes) -> str:
        digest = checksums.new_digest(algorithm)
        digest.update(data)
        return checksums.to_text(digest.digest())

    assert checksums.combined(algorithm, [(of(part), len(part)) for part in parts]) == of(b"".join(parts))


@pytest.mark.parametrize("algorithm", CHECK_VALUES)
def test_a_checksum_in_a_header(s3: Any, bucket: str, algorithm: str) -> None:
    """It is compared, kept, and shown to those who ask."""
    given_one = {f"Checksum{algorithm}": value(algorithm)}
    put = s3.put_object(Bucket=bucket, Key="k", Body=b"123456789", **given_one)
    assert put[f"Checksum{algorithm}"] == value(algorithm)
    head = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert head[f"Checksum{algorithm}"] == value(algorithm) and head["ChecksumType"] == "FULL_OBJECT"
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"12345678", **given_one)) == ("BadDigest", 400)
    wrong = {f"Checksum{algorithm}": "AA=="}
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"12345678", **wrong)) == ("InvalidRequest", 400)


def test_s3_computes_one_by_itself(cloud: Running, bucket: str) -> None:
    """Who sends none gets CRC64NVME."""
    plain = cloud.client("s3", request_checksum_calculation="when_required")
    put = plain.put_object(Bucket=bucket, Key="k", Body=b"123456789")
    assert put["ChecksumCRC64NVME"] == value("CRC64NVME")


def test_content_md5(s3: Any, bucket: str) -> None:
    """The oldest of the checks."""
    right = base64.b64encode(hashlib.md5(b"x").digest()).decode()
    s3.put_object(Bucket=bucket, Key="k", Body=b"x", ContentMD5=right)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"y", ContentMD5=right)) == ("BadDigest", 400)
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"y", ContentMD5="short")) == ("InvalidDigest", 400)


def test_trailing_checksums(s3: Any, bucket: str, tmp_path: Any) -> None:
    """A body that is streamed brings its checksum behind it (aws-chunked, which is not kept as the object's encoding)."""
    path = tmp_path / "body"
    path.write_bytes(b"z" * 3_000_000)
    with path.open("rb") as body:
        put = s3.put_object(Bucket=bucket, Key="k", Body=body, ChecksumAlgorithm="CRC32", ContentEncoding="gzip")
    assert put["ChecksumCRC32"] == base64.b64encode(zlib.crc32(b"z" * 3_000_000).to_bytes(4, "big")).decode()
    assert s3.head_object(Bucket=bucket, Key="k")["ContentEncoding"] == "gzip"


def test_composite_checksums(s3: Any, bucket: str) -> None:
    """SHA-256 of a multipart object is a hash of the parts' hashes, with their number; the parts can be asked for."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")
    assert upload["ChecksumType"] == "COMPOSITE"
    bodies = [b"a" * PART, b"b"]
    parts = upload_parts(s3, bucket, "k", upload["UploadId"], bodies, ChecksumAlgorithm="SHA256")
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts})
    expected = base64.b64encode(hashlib.sha256(b"".join(hashlib.sha256(body).digest() for body in bodies)).digest()).decode()
    assert done["ChecksumSHA256"] == f"{expected}-2"
    shown = s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ETag", "Checksum", "ObjectParts", "ObjectSize", "StorageClass"])
    assert shown["ObjectSize"] == PART + 1 and shown["Checksum"]["ChecksumType"] == "COMPOSITE" and shown["StorageClass"] == "STANDARD"
    assert [part["Size"] for part in shown["ObjectParts"]["Parts"]] == [PART, 1] and shown["ObjectParts"]["TotalPartsCount"] == 2
    for wanted, code in (([], "InvalidRequest"), ([""], "InvalidRequest"), (["Colour"], "InvalidArgument"), (["ETag", "etag"], "InvalidArgument")):
        assert refusal(lambda wanted=wanted: s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=wanted)) == (code, 400)
    assert shown["ObjectParts"]["Parts"][1]["ChecksumSHA256"] == base64.b64encode(hashlib.sha256(b"b").digest()).decode()


def test_full_object_checksums(s3: Any, bucket: str) -> None:
    """A CRC of the whole is put together from the parts' and can be compared at the end."""
    upload = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")
    parts = upload_parts(s3, bucket, "k", upload["UploadId"], [b"a" * PART, b"b"], ChecksumAlgorithm="CRC32")
    whole = base64.b64encode(zlib.crc32(b"a" * PART + b"b").to_bytes(4, "big")).decode()
    finish = lambda crc: s3.complete_multipart_upload(  # noqa: E731
        Bucket=bucket, Key="k", UploadId=upload["UploadId"], MultipartUpload={"Parts": parts}, ChecksumCRC32=crc, ChecksumType="FULL_OBJECT"
    )
    assert refusal(lambda: finish("AAAAAA==")) == ("BadDigest", 400)
    assert finish(whole)["ChecksumCRC32"] == whole
    assert refusal(lambda: s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256", ChecksumType="FULL_OBJECT")) == ("InvalidRequest", 400)


def test_reads_can_be_checked(s3: Any, bucket: str) -> None:
    """boto3 asks for the checksum and compares it while the body is read."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x" * 100_000, ChecksumAlgorithm="SHA1")
    got = s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert got["Body"].read() == b"x" * 100_000 and "ChecksumSHA1" in got
    assert "ChecksumSHA1" not in s3.get_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED", Range="bytes=0-5")


def test_composite_checksums_are_made_of_what_the_client_states(cloud: Running, s3: Any, bucket: str) -> None:
    """Where the client asked for a composite checksum, parts without one are refused, when they come and when they are listed."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    bare = cloud.client("s3", request_checksum_calculation="when_required")
    part = lambda: bare.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x")  # noqa: E731
    assert refusal(part) == ("InvalidRequest", 400) and "expected checksum Type: sha256, actual checksum Type: null" in message(part)
    parts = upload_parts(s3, bucket, "k", upload_id, [b"x"], ChecksumAlgorithm="SHA256")
    complete = lambda parts: lambda: s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})  # noqa: E731
    unstated = [{"PartNumber": 1, "ETag": parts[0]["ETag"]}]
    assert refusal(complete(unstated)) == ("InvalidRequest", 400)
    assert "The complete request must include the checksum for each part. It was missing for part 1" in message(complete(unstated))
    complete(parts)()


def test_full_object_checksums_need_none_of_the_parts(cloud: Running, bucket: str) -> None:
    """S3 computes the parts' CRCs by itself, and puts them together."""
    bare = cloud.client("s3", request_checksum_calculation="when_required")
    upload_id = bare.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32", ChecksumType="FULL_OBJECT")["UploadId"]
    parts = upload_parts(bare, bucket, "k", upload_id, [b"123456789"])
    done = bare.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    assert done["ChecksumCRC32"] == value("CRC32")


def test_a_part_is_read_with_its_own_checksum(s3: Any, bucket: str) -> None:
    """Who reads a composite object part by part can check each; attributes show the composite value without the number of parts."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="SHA256")["UploadId"]
    parts = upload_parts(s3, bucket, "k", upload_id, [b"a" * PART, b"b"], ChecksumAlgorithm="SHA256")
    whole = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})["ChecksumSHA256"]
    for read in (s3.head_object, s3.get_object):
        for part in parts:
            shown = read(Bucket=bucket, Key="k", PartNumber=part["PartNumber"], ChecksumMode="ENABLED")
            assert (shown["ChecksumSHA256"], shown["ChecksumType"]) == (part["ChecksumSHA256"], "COMPOSITE")
        assert read(Bucket=bucket, Key="k", ChecksumMode="ENABLED")["ChecksumSHA256"] == whole
    assert f"{s3.get_object_attributes(Bucket=bucket, Key='k', ObjectAttributes=['Checksum'])['Checksum']['ChecksumSHA256']}-2" == whole
