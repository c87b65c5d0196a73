"""Small helpers of the S3 tests."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import ClientError

from tests.support.running import Running

MEGABYTE = 1024 * 1024
PART = 5 * MEGABYTE


def refusal(call: Callable[[], Any]) -> tuple[str, int]:
    """The code and status of the error that a call is answered with."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"], error.response["ResponseMetadata"]["HTTPStatusCode"]
    raise AssertionError("the call was not refused")


def message(call: Callable[[], Any]) -> str:
    try:
        call()
    except ClientError as error:
        return str(error.response["Error"]["Message"])
    raise AssertionError("the call was not refused")


def fetch(cloud: Running, method: str, url: str, body: bytes = b"", headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """One plain HTTP request: status, headers (lower-case names), body."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection("127.0.0.1", cloud.port, timeout=20)
    try:
        connection.request(method, parts.path + (f"?{parts.query}" if parts.query else ""), body, headers or {})
        response = connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()
    finally:
        connection.close()


def signed(cloud: Running, method: str, path: str, body: bytes = b"", sent: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, dict[str, str], bytes]:
    """A request signed by root as an SDK signs it; `sent` is the body that goes out instead of the signed one."""
    request = AWSRequest(method, f"http://127.0.0.1:{cloud.port}{path}", data=body, headers=headers)
    # Nothing but the hash in the header says that the body is signed, as over TLS or plain HTTP alike.
    request.context["client_config"] = Config(s3={"payload_signing_enabled": True})
    S3SigV4Auth(Credentials("test", "test"), "s3", "us-east-1").add_auth(request)
    return fetch(cloud, method, path, body if sent is None else sent, dict(request.headers.items()))


def files_left(cloud: Running) -> int:
    """How many files of bodies lie in the data directory."""
    cloud.settle()
    return sum(1 for path in (cloud.data_dir / "blobs").rglob("*") if path.is_file())


def upload_parts(s3: Any, bucket: str, key: str, upload_id: str, bodies: list[bytes], **more: Any) -> list[dict[str, Any]]:
    parts = []
    for number, body in enumerate(bodies, 1):
        done = s3.upload_part(Bucket=bucket, Key=key, UploadId=upload_id, PartNumber=number, Body=body, **more)
        part = {"PartNumber": number, "ETag": done["ETag"]}
        part.update({name: value for name, value in done.items() if name.startswith("Checksum") and more})
        parts.append(part)
    return parts
