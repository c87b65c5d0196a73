"""An authority to ask, and botocore to sign: requests that never touch a socket."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

import botocore.auth
import pytest
from botocore.auth import S3SigV4Auth, S3SigV4PostAuth, S3SigV4QueryAuth, SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from haneul.auth.authority import StandardAuthority
from haneul.auth.root import RootKeys
from haneul.auth.sessions import Sessions
from haneul.clock import SECOND, Clock, Ids
from haneul.core.errors import ServiceError
from haneul.core.http import HttpRequest
from haneul.core.identity import Identity
from haneul.store.vault import Vault
from haneul.wire.model import load_service

# The key and the time of the examples in AWS's documentation.
KEY = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
EXAMPLE_TIME = 1_369_353_600 * SECOND  # 2013-05-24T00:00:00Z
ACCOUNT = "000000000000"


class Bench:
    """An authority with one root key, its clock standing at the documentation's time, and signers."""

    def __init__(self, folder: Path, *, dev_keys: bool = True, at: int = EXAMPLE_TIME) -> None:
        self.clock = Clock(frozen_at=at)
        self.vault = Vault.open_or_create(folder / "vault.key", Ids())
        self.sessions = Sessions(self.vault, self.clock, Ids(1))
        self.authority = StandardAuthority(
            self.clock,
            RootKeys(ACCOUNT, ((KEY, SECRET, ""),), dev_keys),
            self.sessions,
            protocols_of=lambda service: load_service(service).protocols,
            signing_name_of=lambda service: load_service(service).signing_name,
        )

    def move(self, seconds: int) -> None:
        """Let time pass."""
        asyncio.run(self.clock.advance(seconds * SECOND))

    # ---- signing

    def sign(
        self,
        service: str,
        method: str = "POST",
        url: str = "",
        body: bytes = b"",
        headers: dict[str, str] | None = None,
        *,
        credentials: Credentials | None = None,
        at: int | None = None,
        region: str = "us-east-1",
        signing_name: str | None = None,
    ) -> HttpRequest:
        """A request signed in its Authorization header, as botocore signs for `service`."""
        request = AWSRequest(method, url or f"http://{service}.us-east-1.amazonaws.com/", dict(headers or {}), body)
        signer = (S3SigV4Auth if service == "s3" else SigV4Auth)(credentials or Credentials(KEY, SECRET), signing_name or load_service(service).signing_name, region)
        self._at(signer, request, at)
        return as_http(request, body)

    def presign(
        self,
        service: str,
        method: str = "GET",
        url: str = "",
        headers: dict[str, str] | None = None,
        *,
        expires: int = 3600,
        credentials: Credentials | None = None,
        at: int | None = None,
        signing_name: str | None = None,
    ) -> HttpRequest:
        """A request signed in its query."""
        request = AWSRequest(method, url or f"http://{service}.us-east-1.amazonaws.com/bucket/key", dict(headers or {}))
        kind = S3SigV4QueryAuth if service == "s3" else SigV4QueryAuth
        self._at(kind(credentials or Credentials(KEY, SECRET), signing_name or load_service(service).signing_name, "us-east-1", expires), request, at)
        return as_http(request, b"")

    def sign_form(self, *, credentials: Credentials | None = None, at: int | None = None, signing_name: str = "s3") -> dict[str, str]:
        """The fields of a POST form."""
        request = AWSRequest("POST", "http://bucket.s3.amazonaws.com/")
        request.context["s3-presign-post-policy"] = {"expiration": "2030-01-01T00:00:00Z", "conditions": [{"bucket": "bucket"}]}
        self._at(S3SigV4PostAuth(credentials or Credentials(KEY, SECRET), signing_name, "us-east-1"), request, at)
        return dict(request.context["s3-presign-post-fields"])

    def _at(self, signer: Any, request: AWSRequest, at: int | None) -> None:
        now = datetime.fromtimestamp((self.clock.now() if at is None else at) // SECOND, UTC)
        with patch.object(botocore.auth, "get_current_datetime", lambda: now):
            signer.add_auth(request)

    # ---- asking

    def who(self, request: HttpRequest, service: str) -> Identity:
        """Whom the request is taken to come from."""
        found: Any = self.authority.authenticate(request, service)
        assert isinstance(found, Identity)
        return found

    def refusal(self, request: HttpRequest, service: str) -> tuple[str, int | None, str]:
        """Code, status and message of the error that the request gets."""
        with pytest.raises(ServiceError) as caught:
            self.authority.authenticate(request, service)
        return caught.value.code, caught.value.status, caught.value.message


def as_http(request: AWSRequest, body: bytes) -> HttpRequest:
    """What a server sees of a request that botocore prepared."""
    prepared = request.prepare()
    parts = urlsplit(prepared.url)
    headers = {name.lower(): value.decode() if isinstance(value, bytes) else str(value) for name, value in prepared.headers.items()}
    headers.setdefault("host", parts.netloc)
    return HttpRequest(prepared.method, parts.path or "/", parts.query, headers, body)


def copy(request: HttpRequest) -> HttpRequest:
    """The same request again (verifying may replace its body)."""
    again = HttpRequest(request.method, request.path, request.query, dict(request.headers), request.body, remote=request.remote)
    again.raw_path = request.raw_path
    return again


async def read(request: HttpRequest) -> bytes:
    """The body, through whatever checks it while it is read."""
    if request.stream is None:
        return request.body
    return b"".join([part async for part in request.stream])
