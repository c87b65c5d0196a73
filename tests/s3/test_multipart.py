"""Multipart uploads."""

from __future__ import annotations

import hashlib
from typing import Any

import boto3.s3.transfer

from tests.s3.support import MEGABYTE, PART, fetch, files_left, refusal, upload_parts
from tests.support.running import Running


def begin(s3: Any, bucket: str, key: str = "k", **more: Any) -> str:
    return str(s3.create_multipart_upload(Bucket=bucket, Key=key, **more)["UploadId"])


def complete(s3: Any, bucket: str, upload_id: str, parts: list[dict[str, Any]], key: str = "k", **more: Any) -> Any:
    return s3.complete_multipart_upload(Bucket=bucket, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}, **more)


def test_an_object_of_parts(s3: Any, bucket: str) -> None:
    """The ETag is the MD5 of the parts' MD5s and their number; ranges go over the seams; partNumber reads one part."""
    bodies = [b"a" * PART, b"b" * (PART + 1), b"tail"]
    upload_id = begin(s3, bucket, Metadata={"m": "1"}, ContentType="text/x")
    parts = upload_parts(s3, bucket, "k", upload_id, bodies)
    done = complete(s3, bucket, upload_id, parts)
    expected = hashlib.md5(b"".join(hashlib.md5(body).digest() for body in bodies)).hexdigest()
    assert done["ETag"] == f'"{expected}-3"'
    got = s3.get_object(Bucket=bucket, Key="k")
    assert got["Body"].read() == b"".join(bodies)
    assert (got["Metadata"], got["ContentType"]) == ({"m": "1"}, "text/x")
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={PART - 2}-{PART + 1}")["Body"].read() == b"aabb"
    last = s3.get_object(Bucket=bucket, Key="k", PartNumber=3)
    assert (last["Body"].read(), last["PartsCount"], last["ResponseMetadata"]["HTTPStatusCode"]) == (b"tail", 3, 206)
    assert s3.head_object(Bucket=bucket, Key="k", PartNumber=1)["ContentLength"] == PART
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k", PartNumber=4)) == ("InvalidPartNumber", 416)
    assert refusal(lambda: s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)) == ("NoSuchUpload", 404)


def test_what_complete_checks(s3: Any, bucket: str) -> None:
    """Parts in order, there, with the right ETag, and large enough; a refusal leaves the upload as it was."""
    upload_id = begin(s3, bucket)
    first, second = upload_parts(s3, bucket, "k", upload_id, [b"small", b"tail"])
    assert refusal(lambda: complete(s3, bucket, upload_id, [second, first])) == ("InvalidPartOrder", 400)
    assert refusal(lambda: complete(s3, bucket, upload_id, [first, second])) == ("EntityTooSmall", 400)
    assert refusal(lambda: complete(s3, bucket, upload_id, [{**first, "ETag": '"0"'}])) == ("InvalidPart", 400)
    assert refusal(lambda: complete(s3, bucket, upload_id, [first, {"PartNumber": 9, "ETag": '"0"'}])) == ("InvalidPart", 400)
    assert refusal(lambda: complete(s3, bucket, upload_id, [])) == ("MalformedXML", 400)
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k")) == ("NoSuchKey", 404)
    assert complete(s3, bucket, upload_id, [first])["ETag"].endswith('-1"')


def test_parts_can_be_replaced_and_left_out(fresh_cloud: Running) -> None:
    """The last upload of a number counts, and parts that are not listed are removed with their files."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="replaced")
    upload_id = begin(s3, "replaced")
    upload_parts(s3, "replaced", "k", upload_id, [b"x" * PART, b"y" * MEGABYTE, b"z" * MEGABYTE])
    parts = upload_parts(s3, "replaced", "k", upload_id, [b"a" * PART, b"b" * MEGABYTE])
    assert files_left(fresh_cloud) == 3
    complete(s3, "replaced", upload_id, parts)
    assert files_left(fresh_cloud) == 2
    assert s3.get_object(Bucket="replaced", Key="k")["Body"].read() == b"a" * PART + b"b" * MEGABYTE
    s3.delete_object(Bucket="replaced", Key="k")
    assert files_left(fresh_cloud) == 0


def test_abort_leaves_nothing(fresh_cloud: Running) -> None:
    """Whoever gives up pays nothing more."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="aborted")
    upload_id = begin(s3, "aborted")
    upload_parts(s3, "aborted", "k", upload_id, [b"x" * PART])
    s3.abort_multipart_upload(Bucket="aborted", Key="k", UploadId=upload_id)
    assert files_left(fresh_cloud) == 0
    assert refusal(lambda: s3.upload_part(Bucket="aborted", Key="k", UploadId=upload_id, PartNumber=1, Body=b"")) == ("NoSuchUpload", 404)
    assert refusal(lambda: s3.abort_multipart_upload(Bucket="aborted", Key="k", UploadId=upload_id)) == ("NoSuchUpload", 404)


def test_a_deleted_bucket_takes_its_uploads_along(fresh_cloud: Running) -> None:
    """Uploads in progress do not keep a bucket; their files go behind it."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="doomed")
    upload_parts(s3, "doomed", "k", begin(s3, "doomed"), [b"x" * PART])
    s3.delete_bucket(Bucket="doomed")
    fresh_cloud.advance("1s")
    assert files_left(fresh_cloud) == 0


def test_parts_are_listed_in_pages(s3: Any, bucket: str) -> None:
    """ListParts goes by part number."""
    upload_id = begin(s3, bucket)
    upload_parts(s3, bucket, "k", upload_id, [b"1", b"22", b"333"])
    page = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id, MaxParts=2)
    assert [(part["PartNumber"], part["Size"]) for part in page["Parts"]] == [(1, 1), (2, 2)] and page["IsTruncated"]
    rest = s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id, PartNumberMarker=page["NextPartNumberMarker"])
    assert [part["PartNumber"] for part in rest["Parts"]] == [3] and not rest["IsTruncated"]


def test_uploads_are_listed_in_pages(s3: Any, bucket: str) -> None:
    """By key, then by the time they began; with a delimiter, as prefixes."""
    ids = [(key, begin(s3, bucket, key)) for key in ("a", "b/1", "b/2", "c", "c")]
    ids[3:] = sorted(ids[3:])
    seen, more = [], {}
    while True:
        page = s3.list_multipart_uploads(Bucket=bucket, MaxUploads=2, **more)
        seen += [(one["Key"], one["UploadId"]) for one in page.get("Uploads", ())]
        if not page["IsTruncated"]:
            break
        more = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}
    assert seen[:3] == ids[:3] and sorted(seen[3:]) == ids[3:]
    folded = s3.list_multipart_uploads(Bucket=bucket, Delimiter="/")
    assert [one["Prefix"] for one in folded["CommonPrefixes"]] == ["b/"] and len(folded["Uploads"]) == 3


def test_part_copy(s3: Any, bucket: str) -> None:
    """A part may be a range of an object that is there already."""
    s3.put_object(Bucket=bucket, Key="source", Body=b"0" * PART + b"123456789")
    upload_id = begin(s3, bucket)
    copy = lambda number, span: s3.upload_part_copy(  # noqa: E731
        Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=number, CopySource=f"{bucket}/source", CopySourceRange=span
    )["CopyPartResult"]["ETag"]
    parts = [{"PartNumber": 1, "ETag": copy(1, f"bytes=0-{PART - 1}")}, {"PartNumber": 2, "ETag": copy(2, f"bytes={PART}-{PART + 3}")}]
    complete(s3, bucket, upload_id, parts)
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={PART - 1}-")["Body"].read() == b"01234"
    assert refusal(lambda: copy(1, f"bytes=0-{PART + 9}")) == ("NoSuchUpload", 404)


def test_part_numbers(s3: Any, bucket: str) -> None:
    """1 to 10,000."""
    upload_id = begin(s3, bucket)
    for number in (0, 10_001):
        assert refusal(lambda number=number: s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=number, Body=b"")) == ("InvalidArgument", 400)


def test_the_location_of_a_completed_object(cloud: Running, s3: Any, bucket: str) -> None:
    """A URL that works: the key percent-encoded as S3 does, slashes too, at the host that was asked, which names the bucket or not."""
    for host, before in ((f"127.0.0.1:{cloud.port}", f"/{bucket}"), (f"{bucket}.s3.localhost:{cloud.port}", "")):
        upload_id = s3.create_multipart_upload(Bucket=bucket, Key="a/b ü")["UploadId"]
        [part] = upload_parts(s3, bucket, "a/b ü", upload_id, [b"x"])
        url = s3.generate_presigned_url("complete_multipart_upload", Params={"Bucket": bucket, "Key": "a/b ü", "UploadId": upload_id})
        document = f"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>{part['ETag']}</ETag></Part></CompleteMultipartUpload>"
        path, _, query = url.partition(f"/{bucket}/")[2].partition("?")
        assert path == "a/b%20%C3%BC"
        status, _, body = fetch(cloud, "POST", f"{before}/{path}?{query}", document.encode(), {"Host": host})
        assert status == 200 and f"<Location>http://{host}{before}/a%2Fb%20%C3%BC</Location>".encode() in body
        assert fetch(cloud, "GET", s3.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "a/b ü"}))[2] == b"x"


def test_conditions_on_complete(s3: Any, bucket: str) -> None:
    """If-None-Match: * holds at the moment the object appears."""
    upload_id = begin(s3, bucket)
    parts = upload_parts(s3, bucket, "k", upload_id, [b"x"])
    s3.put_object(Bucket=bucket, Key="k", Body=b"first")
    assert refusal(lambda: complete(s3, bucket, upload_id, parts, IfNoneMatch="*")) == ("PreconditionFailed", 412)
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"first"


def test_the_transfer_manager_works(s3: Any, bucket: str, tmp_path: Any) -> None:
    """boto3's upload_file and download_file, in parallel parts."""
    source, target = tmp_path / "source", tmp_path / "target"
    source.write_bytes(bytes(range(256)) * (12 * MEGABYTE // 256))
    config = boto3.s3.transfer.TransferConfig(multipart_threshold=PART, multipart_chunksize=PART, max_concurrency=4)
    s3.upload_file(str(source), bucket, "k", Config=config)
    s3.download_file(bucket, "k", str(target), Config=config)
    assert target.read_bytes() == source.read_bytes()
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"].endswith('-3"')
