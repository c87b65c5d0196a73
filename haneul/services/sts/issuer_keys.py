"""The public keys of OpenID Connect issuers, fetched from where the issuer's discovery document says (OpenID Connect Discovery 1.0)."""

from __future__ import annotations

import asyncio

from haneul.clock import HOUR, MINUTE, Clock
from haneul.services.sts.fetching import Refused, fetch_object, unreachable
from haneul.services.sts.web_tokens import Jwk

_KEPT = 1 * HOUR
_AGAIN_AFTER = 1 * MINUTE
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
    try:
        address = fetch_object(f"{issuer.rstrip('/')}/.well-known/openid-configuration").get("jwks_uri")
        keys = fetch_object(address).get("keys") if isinstance(address, str) else None
    except Refused:
        raise unreachable() from None
    if not isinstance(keys, list):
        raise unreachable()
    return [key for key in keys if isinstance(key, dict)]
