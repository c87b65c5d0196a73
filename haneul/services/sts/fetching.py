"""Asking identity providers: a JSON object from an https address, or from an http address on this machine. No redirects, five seconds, one MiB."""

from __future__ import annotations

import ipaddress
import json
import urllib.error
import urllib.request
from typing import Any
from urllib.parse import urlsplit

from haneul.core.errors import ServiceError

_TIMEOUT_SECONDS = 5
_BYTES_MAX = 1_048_576


class Refused(Exception):
    """The provider answered that the request is wrong (status 400 to 499)."""


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def fetch_object(address: str) -> dict[str, Any]:
    """The object at an address; Refused, or ServiceError IDPCommunicationError when there is no answer or it makes no sense."""
    parts = urlsplit(address)
    local = _is_local(parts.hostname or "")
    if not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        raise unreachable()
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if local:
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(address, timeout=_TIMEOUT_SECONDS) as response:
            body = response.read(_BYTES_MAX + 1)
        found = json.loads(body) if len(body) <= _BYTES_MAX else None
    except urllib.error.HTTPError as problem:
        problem.close()
        raise Refused if 400 <= problem.code < 500 else unreachable() from None
    except (OSError, ValueError, RecursionError):
        raise unreachable() from None
    if not isinstance(found, dict):
        raise unreachable()
    return found


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def unreachable() -> ServiceError:
    return ServiceError(
        "IDPCommunicationError",
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
        400,
    )
