"""Bad input: torn, lying, oversized. Each gets an error and leaves nothing behind."""

from __future__ import annotations

import socket
from typing import Any

from tests.s3.support import MEGABYTE, fetch, files_left, refusal, signed
from tests.support.running import Running


def presigned(cloud: Running, bucket: str, key: str = "k") -> str:
    client = cloud.client("s3", signature_version="s3v4")
    return str(client.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": key}))


def raw(cloud: Running, text: bytes, *, half_close: bool = True) -> bytes:
    """Send bytes as they are; everything that comes back."""
    with socket.create_connection(("127.0.0.1", cloud.port), timeout=20) as connection:
        connection.sendall(text)
        if half_close:
            connection.shutdown(socket.SHUT_WR)
        answer = b""
        while data := connection.recv(65536):
            answer += data
        return answer


def target(url: str) -> str:
    return url.partition("://")[2].partition("/")[2]


def test_a_torn_upload_leaves_nothing(fresh_cloud: Running) -> None:
    """A client that goes away in the middle of a body has stored nothing, whatever it announced."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="torn")
    path = target(presigned(fresh_cloud, "torn"))
    head = f"PUT /{path} HTTP/1.1\r\nHost: 127.0.0.1:{fresh_cloud.port}\r\nContent-Length: {8 * MEGABYTE}\r\n\r\n".encode()
    raw(fresh_cloud, head + b"x" * 3 * MEGABYTE)
    fresh_cloud.settle()
    assert refusal(lambda: s3.head_object(Bucket="torn", Key="k")) == ("404", 404)
    assert files_left(fresh_cloud) == 0


def test_lengths_that_are_missing_or_too_large(cloud: Running, bucket: str) -> None:
    """411 without a length, EntityTooLarge beyond 5 GB before a byte is read, 501 for a bare chunked body as S3 has it."""
    path = target(presigned(cloud, bucket))
    line = f"PUT /{path} HTTP/1.1\r\nHost: 127.0.0.1:{cloud.port}\r\nConnection: close\r\n"
    assert b"MissingContentLength" in raw(cloud, f"{line}\r\n".encode())
    answer = raw(cloud, f"{line}Content-Length: {6 * 1024**3}\r\nExpect: 100-continue\r\n\r\n".encode(), half_close=False)
    assert b"EntityTooLarge" in answer and b"100 Continue" not in answer
    assert b"501" in raw(cloud, f"{line}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n".encode()).split(b"\r\n")[0]


def test_a_body_that_is_not_what_was_signed(cloud: Running, s3: Any, bucket: str) -> None:
    """The stated SHA-256 is checked, also while a large body streams; a mismatch stores nothing."""
    for size in (10, 2 * MEGABYTE):
        status, _, answer = signed(cloud, "PUT", f"/{bucket}/k", b"x" * size, sent=b"y" * size)
        assert status == 400 and b"XAmzContentSHA256Mismatch" in answer
        assert refusal(lambda: s3.head_object(Bucket=bucket, Key="k")) == ("404", 404)


def test_documents_that_are_none(cloud: Running, bucket: str) -> None:
    """Broken XML, DTDs and JSON where XML belongs are MalformedXML, never more."""
    for body in (b"<Tagging>", b"{}", b'<!DOCTYPE x [<!ENTITY a "b">]><Tagging>&a;</Tagging>', b"\xff\xfe", b"<Tagging/>"):
        status, _, answer = signed(cloud, "PUT", f"/{bucket}?tagging", body)
        assert status == 400 and b"MalformedXML" in answer, body


def test_documents_that_are_not_what_they_state(cloud: Running, s3: Any, bucket: str) -> None:
    """Content-MD5 and checksums count for documents too: a DeleteObjects that was changed on its way deletes nothing."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"")

    def spoil(request: Any, **_: Any) -> None:
        request.headers["x-amz-checksum-crc32"] = "AAAAAA=="

    client = cloud.client("s3", user_agent_extra="spoiling")
    client.meta.events.register("before-sign.s3.DeleteObjects", spoil)
    assert refusal(lambda: client.delete_objects(Bucket=bucket, Delete={"Objects": [{"Key": "k"}]})) == ("BadDigest", 400)
    s3.head_object(Bucket=bucket, Key="k")


def test_paths_that_are_odd(cloud: Running) -> None:
    """Nonsense in the path is answered, not tripped over."""
    for path in ("/%00", "/%ff%fe/x", "/..%2f..%2fetc/passwd", "//", "/a/../../b", "/x?versionId=", "/%"):
        status, _, _ = fetch(cloud, "GET", path)
        assert 400 <= status < 500, path


def test_overwriting_while_it_is_read(fresh_cloud: Running) -> None:
    """A download that has begun gets the object it began with, to the end."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="raced")
    old, new = b"o" * 20 * MEGABYTE, b"n" * MEGABYTE
    s3.put_object(Bucket="raced", Key="k", Body=old)
    body = s3.get_object(Bucket="raced", Key="k")["Body"]
    first = body.read(1000)
    s3.put_object(Bucket="raced", Key="k", Body=new)
    assert first + body.read() == old
    assert s3.get_object(Bucket="raced", Key="k")["Body"].read() == new
    assert files_left(fresh_cloud) == 1


def test_a_multipart_object_that_goes_while_it_is_read(fresh_cloud: Running) -> None:
    """Its files wait until the last reader is done, and go then."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="raced")
    upload_id = s3.create_multipart_upload(Bucket="raced", Key="k")["UploadId"]
    parts = []
    for number in range(1, 5):
        done = s3.upload_part(Bucket="raced", Key="k", UploadId=upload_id, PartNumber=number, Body=bytes([number]) * 6 * MEGABYTE)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    s3.complete_multipart_upload(Bucket="raced", Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    body = s3.get_object(Bucket="raced", Key="k")["Body"]
    first = body.read(1000)
    s3.delete_object(Bucket="raced", Key="k")
    assert first + body.read() == b"".join(bytes([number]) * 6 * MEGABYTE for number in range(1, 5))
    fresh_cloud.advance("20m")
    assert files_left(fresh_cloud) == 0
