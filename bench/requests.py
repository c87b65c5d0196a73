"""Signed requests as bytes, made in advance so that the load generator does nothing but send them."""

from __future__ import annotations

import json
from typing import Any

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

REGION = "us-east-1"
KEYS = Credentials("test", "test")
_AGENT = "Boto3/1.44.5 md/Botocore#1.44.5 ua/2.1 os/linux md/arch#x86_64 lang/python#3.11"


def raw(method: str, port: int, path: str, body: bytes, headers: dict[str, str]) -> bytes:
    """An unsigned request."""
    lines = [f"{method} {path} HTTP/1.1", f"Host: 127.0.0.1:{port}", *[f"{name}: {value}" for name, value in headers.items()]]
    if body or method in ("POST", "PUT"):
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def signed(service: str, method: str, port: int, path: str, body: bytes = b"", headers: dict[str, str] | None = None, keys: Credentials = KEYS) -> bytes:
    """A request signed with the development keys, unless others are given."""
    request = AWSRequest(method, f"http://127.0.0.1:{port}{path}", data=body, headers={"User-Agent": _AGENT, **(headers or {})})
    signer = S3SigV4Auth if service == "s3" else SigV4Auth
    signer(keys, service, REGION).add_auth(request)
    return raw(method, port, path, body, dict(request.headers.items()))


def target(service: str, port: int, name: str, version: str, params: Any) -> bytes:
    """A request of the JSON protocol: `name` is the full target."""
    body = json.dumps(params).encode()
    return signed(service, "POST", port, "/", body, {"X-Amz-Target": name, "Content-Type": f"application/x-amz-json-{version}", "Accept-Encoding": "identity"})
