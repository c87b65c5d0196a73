"""The public keys of OpenID Connect issuers, fetched from where the issuer's discovery document says (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import urllib.error
import urllib.request
from typing import Any, NoReturn
from urllib.parse import urlsplit

from haneul.clock import HOUR, MINUTE, Clock
from haneul.core.errors import ServiceError
from haneul.services.sts.web_tokens import Jwk

_KEPT = 1 * HOUR
_AGAIN_AFTER = 1 * MINUTE
_TIMEOUT_SECONDS = 5
_BYTES_MAX = 1_048_576
_ISSUERS_MAX = 1_000


class IssuerKeys:
    """Keys by issuer URL, kept for an hour; fetched again sooner when a token names a key that is not among them."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._known: dict[str, tuple[int, list[Jwk]]] = {}

    async def of(self, issuer: str, key_id: str) -> list[Jwk]:
        """An issuer's keys; ServiceError IDPCommunicationError when it cannot be reached or makes no sense."""
        now = self._clock.now()
        at, keys = self._known.get(issuer, (0, []))
        age = now - at
        is_there = not key_id or any(key.get("kid") == key_id for key in keys)
        if not at or age >= _KEPT or (not is_there and age >= _AGAIN_AFTER):
            keys = await asyncio.to_thread(_fetched, issuer)
            if len(self._known) >= _ISSUERS_MAX:
                self._known.clear()
            self._known[issuer] = (now, keys)
        return keys


def _fetched(issuer: str) -> list[Jwk]:
    discovery = _json(f"{issuer.rstrip('/')}/.well-known/openid-configuration")
    address = discovery.get("jwks_uri")
    if not isinstance(address, str):
        _unreachable()
    keys = _json(address).get("keys")
    if not isinstance(keys, list):
        _unreachable()
    return [key for key in keys if isinstance(key, dict)]


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        return None


def _json(address: str) -> dict[str, Any]:
    """A JSON object from an https address, or from an http address on this machine."""
    parts = urlsplit(address)
    local = _is_local(parts.hostname or "")
    if not (parts.scheme == "https" or (parts.scheme == "http" and local)):
        _unreachable()
    handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
    if local:
        handlers.append(urllib.request.ProxyHandler({}))
    try:
        with urllib.request.build_opener(*handlers).open(address, timeout=_TIMEOUT_SECONDS) as response:
            body = response.read(_BYTES_MAX + 1)
        found = json.loads(body) if len(body) <= _BYTES_MAX else None
    except (OSError, ValueError, RecursionError, urllib.error.URLError):
        _unreachable()
    if not isinstance(found, dict):
        _unreachable()
    return found


def _is_local(host: str) -> bool:
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _unreachable() -> NoReturn:
    raise ServiceError(
        "IDPCommunicationError",
        "Couldn't retrieve verification key from your identity provider, please reference AssumeRoleWithWebIdentity documentation for requirements",
        400,
    )
