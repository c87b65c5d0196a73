"""Presigned URLs and browsers' forms."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.s3.support import fetch, refusal
from tests.support.running import Running

BOUNDARY = "----boundary"


@pytest.fixture
def signer(cloud: Running) -> Any:
    return cloud.client("s3", signature_version="s3v4")


def form(fields: dict[str, str], file: bytes, filename: str = "cat.jpg") -> tuple[bytes, dict[str, str]]:
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode() for name, value in fields.items()]
    parts.append(f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\nContent-Type: image/jpeg\r\n\r\n'.encode())
    return b"".join(parts) + file + f"\r\n--{BOUNDARY}--\r\n".encode(), {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}


def post(cloud: Running, bucket: str, fields: dict[str, str], file: bytes = b"image", **more: Any) -> tuple[int, dict[str, str], bytes]:
    body, headers = form(fields, file, **more)
    return fetch(cloud, "POST", f"/{bucket}", body, headers)


def test_presigned_reads_and_writes(cloud: Running, signer: Any, bucket: str) -> None:
    """A URL carries its own permission, for one method and key."""
    put = signer.generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "k", "ContentType": "text/x"})
    assert fetch(cloud, "PUT", put, b"by url", {"Content-Type": "text/x"})[0] == 200
    assert fetch(cloud, "PUT", put, b"by url", {"Content-Type": "text/y"})[0] == 403
    get = signer.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k", "ResponseContentDisposition": "attachment"})
    status, headers, body = fetch(cloud, "GET", get)
    assert (status, body, headers["content-disposition"], headers["content-type"]) == (200, b"by url", "attachment", "text/x")
    assert fetch(cloud, "DELETE", get)[0] == 403
    assert fetch(cloud, "GET", get.replace("/k?", "/other?"))[0] == 403


def test_headers_in_the_query(cloud: Running, s3: Any, bucket: str) -> None:
    """The SDK for JavaScript, and boto3 with Signature Version 2, write an upload's headers into the URL, and S3 reads them there; not checksums."""
    s3.put_object(Bucket=bucket, Key="source", Body=b"copied")

    def url(key: str, **query: str) -> str:
        request = AWSRequest("PUT", f"http://127.0.0.1:{cloud.port}/{bucket}/{key}", params={name.replace("_", "-"): text for name, text in query.items()})
        S3SigV4QueryAuth(Credentials("test", "test"), "s3", "us-east-1", expires=60).add_auth(request)
        return str(request.prepare().url)

    told = {"x_amz_meta_Who": "me & you", "x_amz_storage_class": "STANDARD_IA", "x_amz_tagging": "a=b", "x_amz_checksum_crc32": "AAAAAA==", "x_amz_sdk_checksum_algorithm": "CRC32"}
    assert fetch(cloud, "PUT", url("k", **told), b"body")[0] == 200
    head = s3.head_object(Bucket=bucket, Key="k")
    assert (head["Metadata"], head["StorageClass"], head["TagCount"]) == ({"who": "me & you"}, "STANDARD_IA", 1)
    assert b"AccessControlListNotSupported" in fetch(cloud, "PUT", url("k", x_amz_acl="public-read"), b"body")[2]
    assert fetch(cloud, "PUT", url("c", x_amz_copy_source=f"{bucket}/source"))[0] == 200
    assert s3.get_object(Bucket=bucket, Key="c")["Body"].read() == b"copied"
    assert fetch(cloud, "PUT", url("k", x_amz_meta_who="me") + "&x-amz-acl=public-read", b"body")[0] == 403
    old = cloud.client("s3", signature_version="s3").generate_presigned_url("put_object", Params={"Bucket": bucket, "Key": "old", "Metadata": {"who": "me"}})
    assert "x-amz-meta-who=me" in old and fetch(cloud, "PUT", old, b"body")[0] == 200
    assert s3.head_object(Bucket=bucket, Key="old")["Metadata"] == {"who": "me"}


def test_presigned_parts(cloud: Running, s3: Any, signer: Any, bucket: str) -> None:
    """Browsers upload the parts of a large file by one URL each."""
    upload_id = s3.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    url = signer.generate_presigned_url("upload_part", Params={"Bucket": bucket, "Key": "k", "UploadId": upload_id, "PartNumber": 1})
    status, headers, _ = fetch(cloud, "PUT", url, b"part")
    assert status == 200
    s3.complete_multipart_upload(Bucket=bucket, Key="k", UploadId=upload_id, MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": headers["etag"]}]})


def test_a_form_uploads(cloud: Running, s3: Any, signer: Any, bucket: str) -> None:
    """POST Object with a signed policy: fields become metadata, ${filename} the file's name."""
    made = signer.generate_presigned_post(
        bucket,
        "in/${filename}",
        Fields={"x-amz-meta-who": "me", "success_action_status": "201", "Content-Type": "image/jpeg"},
        Conditions=[["starts-with", "$x-amz-meta-who", ""], {"success_action_status": "201"}, ["content-length-range", 1, 10], ["starts-with", "$Content-Type", "image/"]],
    )
    status, headers, body = post(cloud, bucket, made["fields"])
    assert status == 201 and b"<Key>in/cat.jpg</Key>" in body and headers["location"].endswith("/in/cat.jpg")
    got = s3.get_object(Bucket=bucket, Key="in/cat.jpg")
    assert (got["Body"].read(), got["Metadata"], got["ContentType"]) == (b"image", {"who": "me"}, "image/jpeg")
    status, _, body = post(cloud, bucket, made["fields"], b"x" * 11)
    assert status == 400 and b"EntityTooLarge" in body
    status, _, body = post(cloud, bucket, made["fields"], b"")
    assert status == 400 and b"EntityTooSmall" in body
    status, _, body = post(cloud, bucket, {**made["fields"], "x-amz-meta-more": "1"})
    assert status == 403 and b"Extra input fields: x-amz-meta-more" in body
    status, _, body = post(cloud, bucket, {**made["fields"], "success_action_status": "200"})
    assert status == 403 and b"Policy Condition failed" in body
    status, _, body = post(cloud, bucket, {**made["fields"], "x-amz-signature": "0" * 64})
    assert status == 403 and b"SignatureDoesNotMatch" in body


def test_a_form_tags_its_object(cloud: Running, s3: Any, signer: Any, bucket: str) -> None:
    """The field is a document of XML, as PutObjectTagging takes it, and no query string as in the header (POST Object, "tagging")."""
    tagging = "<Tagging><TagSet><Tag><Key>team</Key><Value>a &amp; b</Value></Tag></TagSet></Tagging>"
    send = lambda text: post(cloud, bucket, signer.generate_presigned_post(bucket, "k", Fields={"tagging": text}, Conditions=[{"tagging": text}])["fields"])  # noqa: E731
    status, _, body = send("<Tagging><TagSet>")
    assert status == 400 and b"<Code>MalformedXML</Code>" in body
    status, _, body = send(tagging.replace("a &amp; b", "a &lt; b"))
    assert status == 400 and b"<Code>InvalidTag</Code>" in body
    assert send(tagging.replace("&amp;", "+"))[0] == 204
    assert s3.get_object_tagging(Bucket=bucket, Key="k")["TagSet"] == [{"Key": "team", "Value": "a + b"}]


def test_large_forms_stream(cloud: Running, s3: Any, signer: Any, bucket: str) -> None:
    """The file of a form may be large; what looks like a boundary inside is none."""
    made = signer.generate_presigned_post(bucket, "large")
    file = b"\r\n--" + b"x" * 3_000_000 + f"\r\n--{BOUNDARY[:-1]}".encode()
    assert post(cloud, bucket, made["fields"], file)[0] == 204
    assert s3.get_object(Bucket=bucket, Key="large")["Body"].read() == file


def test_forms_redirect(cloud: Running, signer: Any, bucket: str) -> None:
    """success_action_redirect sends the browser on, with bucket, key and ETag."""
    to = "http://example.com/done?x=1"
    made = signer.generate_presigned_post(bucket, "k", Fields={"success_action_redirect": to}, Conditions=[{"success_action_redirect": to}])
    status, headers, _ = post(cloud, bucket, made["fields"])
    query = parse_qs(urlsplit(headers["location"]).query)
    assert status == 303 and query["bucket"] == [bucket] and query["key"] == ["k"] and query["x"] == ["1"]


def test_forms_expire(fresh_cloud: Running) -> None:
    """The policy says until when."""
    client = fresh_cloud.client("s3", signature_version="s3v4")
    client.create_bucket(Bucket="forms")
    made = client.generate_presigned_post("forms", "k", ExpiresIn=60)
    fresh_cloud.advance("2m")
    status, _, body = post(fresh_cloud, "forms", made["fields"])
    assert status == 403 and b"Policy expired." in body


def test_forms_that_are_none(cloud: Running, bucket: str) -> None:
    """Without a policy a form is anonymous; broken ones are refused and store nothing."""
    assert post(cloud, bucket, {"key": "k"})[0] == 403
    status, _, body = post(cloud, bucket, {"acl": "private"})
    assert status == 400 and b"named 'key'" in body
    body_, headers = form({"key": "k"}, b"x")
    assert fetch(cloud, "POST", f"/{bucket}", body_[:40], headers)[0] == 400
    assert fetch(cloud, "POST", f"/{bucket}", b"", {"Content-Type": "multipart/form-data"})[0] == 400
    status, _, body = post(cloud, bucket, {"x": "y" * 30_000})
    assert status == 400 and b"MaxPostPreDataLengthExceeded" in body


def test_anonymous_response_headers(cloud: Running, s3: Any, bucket: str) -> None:
    """Without a signature nobody may choose the answer's headers."""
    s3.delete_public_access_block(Bucket=bucket)
    s3.put_object(Bucket=bucket, Key="k", Body=b"x")
    statement = f'{{"Effect":"Allow","Principal":"*","Action":"s3:GetObject","Resource":"arn:aws:s3:::{bucket}/*"}}'
    s3.put_bucket_policy(Bucket=bucket, Policy=f'{{"Version":"2012-10-17","Statement":[{statement}]}}')
    assert fetch(cloud, "GET", f"/{bucket}/k")[0] == 200
    assert fetch(cloud, "GET", f"/{bucket}/k?response-content-type=text/html")[0] == 400
    assert refusal(lambda: s3.get_object(Bucket=bucket, Key="none")) == ("NoSuchKey", 404)


def test_the_old_signature(cloud: Running, s3: Any, bucket: str) -> None:
    """Signature Version 2, which SDKs still presign with in the older regions, opens URLs and forms, and only what it signed."""
    old = cloud.client("s3", signature_version="s3")
    s3.put_object(Bucket=bucket, Key="a b", Body=b"body")
    url = old.generate_presigned_url("get_object", {"Bucket": bucket, "Key": "a b", "ResponseContentType": "text/x-seen"}, ExpiresIn=60)
    path = url[url.index("/", 8) :]
    assert "AWSAccessKeyId=" in path
    status, headers, body = fetch(cloud, "GET", path)
    assert (status, body, headers["content-type"]) == (200, b"body", "text/x-seen")
    assert fetch(cloud, "GET", path.replace("a%20b", "c"))[0] == 403
    assert fetch(cloud, "PUT", path, b"other")[0] == 403
    form = old.generate_presigned_post(bucket, "posted", ExpiresIn=60)["fields"]
    assert "signature" in form
    assert post(cloud, bucket, form)[0] == 204
    assert post(cloud, bucket, {**form, "signature": "x"})[0] == 403
    cloud.advance("2h")
    assert fetch(cloud, "GET", path)[0] == 403
    assert post(cloud, bucket, form)[0] == 403
