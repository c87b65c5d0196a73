"""SSE-C: objects under their owners' keys."""

from __future__ import annotations

import base64
import hashlib
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.s3.support import MEGABYTE, PART, files_left, message, refusal, signed, upload_parts
from tests.s3.test_at_rest import MARK, body, found_in
from tests.s3.test_presigned import post
from tests.s3.test_web import page, site
from tests.support.running import Running

KEY = b"k" * 16 + b"e" * 16
OTHER = b"o" * 32
SIZES = (0, 100, 10_000, 200_000, 3 * MEGABYTE)
WITH_KEYS = "Requests specifying Server Side Encryption with Customer provided keys must provide"


def sse(key: bytes = KEY, prefix: str = "") -> dict[str, Any]:
    """The parameters as a user of boto3 gives them; the SDK encodes the key and adds its MD5."""
    return {f"{prefix}SSECustomerAlgorithm": "AES256", f"{prefix}SSECustomerKey": key}


def encoded(key: bytes = KEY) -> dict[str, Any]:
    """The same as they travel, for operations that the SDK does not do this for."""
    return {"SSECustomerAlgorithm": "AES256", "SSECustomerKey": base64.b64encode(key).decode(), "SSECustomerKeyMD5": md5(key)}


def md5(key: bytes = KEY) -> str:
    return base64.b64encode(hashlib.md5(key).digest()).decode()


def shows_key(answer: dict[str, Any], key: bytes = KEY) -> bool:
    return (answer.get("SSECustomerAlgorithm"), answer.get("SSECustomerKeyMD5"), answer.get("ServerSideEncryption")) == ("AES256", md5(key), None)


@pytest.mark.parametrize("size", SIZES)
def test_an_object_comes_back_with_its_key_only(s3: Any, bucket: str, size: int) -> None:
    """Every answer names the key by its MD5, and the ETag is not the body's MD5 (Common Response Headers)."""
    put = s3.put_object(Bucket=bucket, Key="k", Body=body(size), Metadata={"m": "1"}, **sse())
    assert shows_key(put) and len(put["ETag"]) == 34 and put["ETag"] != f'"{hashlib.md5(body(size)).hexdigest()}"'
    for _ in range(3):
        got = s3.get_object(Bucket=bucket, Key="k", **sse())
        assert got["Body"].read() == body(size) and shows_key(got) and got["ETag"] == put["ETag"]
    head = s3.head_object(Bucket=bucket, Key="k", **sse())
    assert shows_key(head) and head["ContentLength"] == size and head["Metadata"] == {"m": "1"}
    if size > 60:
        assert s3.get_object(Bucket=bucket, Key="k", Range="bytes=50-59", **sse())["Body"].read() == body(size)[50:60]


@pytest.mark.parametrize("size", [100, 200_000])
def test_no_key_and_the_wrong_key(s3: Any, bucket: str, size: int) -> None:
    """Without a key the request is wrong (400), with another key it is not allowed (403); a HEAD's error has no body to say more."""
    s3.put_object(Bucket=bucket, Key="k", Body=body(size), **sse())
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k")) == ("InvalidRequest", 400)
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k", **sse(OTHER))) == ("AccessDenied", 403)
    assert message(lambda: s3.get_object(Bucket=bucket, Key="k")) == (
        "The object was stored using a form of Server Side Encryption. The correct parameters must be provided to retrieve the object."
    )
    assert refusal(lambda: s3.head_object(Bucket=bucket, Key="k")) == ("400", 400)
    assert refusal(lambda: s3.head_object(Bucket=bucket, Key="k", **sse(OTHER))) == ("403", 403)


def test_attributes_need_the_key_too(s3: Any, bucket: str) -> None:
    """Size and checksums are told to whoever may read the body (API Reference: GetObjectAttributes)."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"body", **sse())

    def ask(**more: Any) -> Any:
        return s3.get_object_attributes(Bucket=bucket, Key="k", ObjectAttributes=["ObjectSize"], **more)

    assert refusal(ask) == ("InvalidRequest", 400)
    assert refusal(lambda: ask(**encoded(OTHER))) == ("AccessDenied", 403)
    assert ask(**encoded())["ObjectSize"] == 4


def test_a_key_for_an_object_that_has_none(s3: Any, bucket: str) -> None:
    """Whoever brings a key believes that the object is under it: that it is not is told, not passed over."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k", **sse())) == ("InvalidRequest", 400)
    assert message(lambda: s3.get_object(Bucket=bucket, Key="k", **sse())) == "The encryption parameters are not applicable to this object."
    assert refusal(lambda: s3.head_object(Bucket=bucket, Key="k", **sse())) == ("400", 400)


@pytest.mark.parametrize(
    ("change", "code", "text"),
    [
        ({"algorithm": "AES128"}, "InvalidEncryptionAlgorithmError", "The Encryption request you specified is not valid. Supported value: AES256."),
        ({"algorithm": None}, "InvalidArgument", f"{WITH_KEYS} a valid encryption algorithm."),
        ({"key": None}, "InvalidArgument", f"{WITH_KEYS} an appropriate secret key."),
        ({"key-MD5": None}, "InvalidArgument", f"{WITH_KEYS} the client calculated MD5 of the secret key."),
        ({"key-MD5": md5(OTHER)}, "InvalidArgument", "The calculated MD5 hash of the key did not match the hash that was provided."),
        ({"key": base64.b64encode(b"short").decode()}, "InvalidArgument", "The secret key was invalid for the specified algorithm."),
        ({"key": "no base64!"}, "InvalidArgument", "The secret key was invalid for the specified algorithm."),
    ],
)
def test_headers_that_do_not_fit_together(cloud: Running, bucket: str, change: dict[str, Any], code: str, text: str) -> None:
    """Each mistake has words of its own, for writes and for reads, and nothing is stored."""
    headers = {"algorithm": "AES256", "key": base64.b64encode(KEY).decode(), "key-MD5": md5(), **change}
    sent = {f"x-amz-server-side-encryption-customer-{name}": value for name, value in headers.items() if value is not None}
    status, _, answer = signed(cloud, "PUT", f"/{bucket}/k", b"x", headers=sent)
    error = ElementTree.fromstring(answer)
    assert (status, error.findtext("Code"), error.findtext("Message")) == (400, code, text)
    assert error.findtext("ArgumentName") == "x-amz-server-side-encryption"
    cloud.client("s3").put_object(Bucket=bucket, Key="k", Body=b"x", **sse())
    assert signed(cloud, "GET", f"/{bucket}/k", headers=sent)[0] == 400


def test_a_customers_key_and_the_clouds_exclude_each_other(s3: Any, bucket: str) -> None:
    """A body lies under one key."""

    def put() -> None:
        s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="AES256", **sse())

    assert refusal(put) == ("InvalidArgument", 400)
    assert message(put) == "Server Side Encryption with Customer provided key is incompatible with the encryption method specified"


def test_copies_change_keys(s3: Any, bucket: str) -> None:
    """From a key to another, to none, and from none to one; the source's key comes in headers of its own."""
    data = body(200_000)
    s3.put_object(Bucket=bucket, Key="k", Body=data, **sse())
    source = f"{bucket}/k"
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=source)) == ("InvalidRequest", 400)
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=source, **sse(OTHER, "CopySource"))) == ("AccessDenied", 403)
    moved = s3.copy_object(Bucket=bucket, Key="other", CopySource=source, **sse(KEY, "CopySource"), **sse(OTHER))
    assert shows_key(moved, OTHER)
    assert s3.get_object(Bucket=bucket, Key="other", **sse(OTHER))["Body"].read() == data
    plain = s3.copy_object(Bucket=bucket, Key="plain", CopySource=source, **sse(KEY, "CopySource"))
    assert plain["ServerSideEncryption"] == "AES256" and "SSECustomerAlgorithm" not in plain
    assert plain["CopyObjectResult"]["ETag"] == f'"{hashlib.md5(data).hexdigest()}"'
    assert s3.get_object(Bucket=bucket, Key="plain")["Body"].read() == data
    s3.copy_object(Bucket=bucket, Key="plain", CopySource=f"{bucket}/plain", **sse())
    assert s3.get_object(Bucket=bucket, Key="plain", **sse())["Body"].read() == data
    assert refusal(lambda: s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/plain", **sse(KEY, "CopySource"), MetadataDirective="BAD")) == ("InvalidArgument", 400)


def test_an_upload_in_parts(s3: Any, bucket: str) -> None:
    """The upload's key is every part's key; completing needs it where the parts have checksums that the client asked for (API Reference: CompleteMultipartUpload)."""
    begun = s3.create_multipart_upload(Bucket=bucket, Key="k", **sse())
    upload_id = begun["UploadId"]
    assert shows_key(begun)

    def part(**more: Any) -> Any:
        return s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x", **more)

    assert refusal(part) == ("InvalidRequest", 400)
    assert message(part) == "The multipart upload initiate requested encryption. Subsequent part requests must include the appropriate encryption parameters."
    assert refusal(lambda: part(**sse(OTHER))) == ("InvalidRequest", 400)
    assert message(lambda: part(**sse(OTHER))) == "The provided encryption parameters did not match the ones used originally."
    assert shows_key(part(**sse()))
    bodies = [body(PART), body(1000)]
    parts = upload_parts(s3, bucket, "k", upload_id, bodies, **sse())
    parts = [{"PartNumber": one["PartNumber"], "ETag": one["ETag"]} for one in parts]
    assert parts[0]["ETag"] != f'"{hashlib.md5(bodies[0]).hexdigest()}"'
    s3.put_object(Bucket=bucket, Key="source", Body=body(300), **sse(OTHER))
    copied = s3.upload_part_copy(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=2, CopySource=f"{bucket}/source", CopySourceRange="bytes=100-199", **sse(OTHER, "CopySource"), **sse())
    assert shows_key(copied)
    parts[1]["ETag"] = copied["CopyPartResult"]["ETag"]
    assert len(s3.list_parts(Bucket=bucket, Key="k", UploadId=upload_id)["Parts"]) == 2
    done = s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": parts})
    assert done["ETag"].endswith('-2"') and "ServerSideEncryption" not in done
    got = s3.get_object(Bucket=bucket, Key="k", **sse())
    assert got["Body"].read() == bodies[0] + body(300)[100:200] and shows_key(got)
    assert s3.get_object(Bucket=bucket, Key="k", Range=f"bytes={PART - 3}-{PART + 2}", **sse())["Body"].read() == bodies[0][-3:] + body(300)[100:103]
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="k", **sse(OTHER))) == ("AccessDenied", 403)


def test_an_upload_with_checksums_is_completed_with_its_key(s3: Any, bucket: str) -> None:
    """A checksum of a body is something that only who has the key may be given."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k", ChecksumAlgorithm="CRC32", **sse())["UploadId"]
    made = s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x", ChecksumAlgorithm="CRC32", **sse())
    parts = {"Parts": [{"PartNumber": 1, "ETag": made["ETag"], "ChecksumCRC32": made["ChecksumCRC32"]}]}

    def complete(**more: Any) -> Any:
        return s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload=parts, **more)

    assert refusal(complete) == ("InvalidRequest", 400)
    assert refusal(lambda: complete(**encoded(OTHER))) == ("InvalidRequest", 400)
    assert complete(**encoded())["ChecksumCRC32"]


def test_a_key_for_an_upload_that_has_none(s3: Any, bucket: str) -> None:
    """All of an object lies under one key or under none."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    assert refusal(lambda: s3.upload_part(Bucket=bucket, Key="k", UploadId=upload_id, PartNumber=1, Body=b"x", **sse())) == ("InvalidRequest", 400)


def test_neither_key_nor_body_is_kept(fresh_cloud: Running) -> None:
    """A salted hash is all that stays of the key: two objects under one key do not show that they are."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    for size in SIZES:
        s3.put_object(Bucket="kept", Key=f"k{size}", Body=body(size), **sse())
        for _ in range(3):
            s3.get_object(Bucket="kept", Key=f"k{size}", **sse())["Body"].read()
    fresh_cloud.stop()
    for mark in (MARK, KEY, base64.b64encode(KEY), hashlib.md5(KEY).digest(), md5().encode(), hashlib.sha256(KEY).digest()):
        assert found_in(fresh_cloud.data_dir, mark) == []
    fresh_cloud.start()
    s3 = fresh_cloud.client("s3")
    for size in SIZES:
        assert s3.get_object(Bucket="kept", Key=f"k{size}", **sse())["Body"].read() == body(size)


def test_deleting_needs_no_key(fresh_cloud: Running) -> None:
    """Who has lost a key must still be able to get rid of what lies under it."""
    s3 = fresh_cloud.client("s3")
    s3.create_bucket(Bucket="kept")
    s3.put_object(Bucket="kept", Key="k", Body=body(200_000), **sse())
    s3.delete_object(Bucket="kept", Key="k")
    assert files_left(fresh_cloud) == 0


def test_a_policy_can_ask_for_a_key(s3: Any, bucket: str, user: Any) -> None:
    """`s3:x-amz-server-side-encryption-customer-algorithm` is the condition key that buckets refuse SSE-C with, or demand it."""
    one = user("s3:PutObject", condition={"Null": {"s3:x-amz-server-side-encryption-customer-algorithm": "false"}})
    assert refusal(lambda: one.put_object(Bucket=bucket, Key="k", Body=b"x")) == ("AccessDenied", 403)
    one.put_object(Bucket=bucket, Key="k", Body=b"x", **sse())


def test_a_website_has_no_key_to_show_such_an_object(cloud: Running, s3: Any, bucket: str) -> None:
    """No browser sends one with a page."""
    site(s3, bucket)
    s3.put_object(Bucket=bucket, Key="index.html", Body=MARK, **sse())
    status, _, answer = page(cloud, bucket, "/")
    assert status == 400 and MARK not in answer


def test_a_form_brings_a_key_in_its_fields(cloud: Running, s3: Any, bucket: str) -> None:
    """POST Object: the fields have the names of the headers, and so has the answer."""
    names = {f"x-amz-server-side-encryption-customer-{name}": value for name, value in (("algorithm", "AES256"), ("key", base64.b64encode(KEY).decode()), ("key-MD5", md5()))}
    signer = cloud.client("s3", signature_version="s3v4")
    made = signer.generate_presigned_post(bucket, "k", Fields=names, Conditions=[{name: value} for name, value in names.items()])
    status, headers, _ = post(cloud, bucket, made["fields"], MARK)
    assert status == 204 and headers["x-amz-server-side-encryption-customer-key-md5"] == md5() and "x-amz-server-side-encryption" not in headers
    assert s3.get_object(Bucket=bucket, Key="k", **sse())["Body"].read() == MARK


def test_kms_is_still_refused(s3: Any, bucket: str) -> None:
    """There is no KMS to keep the key in: what cannot be honoured is not accepted."""
    assert refusal(lambda: s3.put_object(Bucket=bucket, Key="k", Body=b"x", ServerSideEncryption="aws:kms"))[1] == 501
