"""Temporary credentials that carry everything in their token, sealed by the vault: issuing them writes nothing to the store."""

from __future__ import annotations

import base64
import binascii
import hmac
from typing import Any, Final

import msgspec

from haneul.auth.ports import Credential
from haneul.clock import SECOND, Clock, Ids
from haneul.core.caller import Caller, caller_fields, caller_of
from haneul.core.key_ids import access_key_id
from haneul.core.ports import SessionKeys
from haneul.store.vault import Vault

_PURPOSE: Final = "session-token"
_CACHE_SIZE: Final = 4096


class Sessions:
    """Issues and reads session tokens."""

    def __init__(self, vault: Vault, clock: Clock, ids: Ids) -> None:
        self._vault = vault
        self._clock = clock
        self._ids = ids
        self._read: dict[str, Credential] = {}

    def mint(
        self, caller: Caller, duration_seconds: int, policies: tuple[str, ...], expires_at: int | None, token_bytes_min: int = 0, issued_at: int | None = None
    ) -> SessionKeys:
        """Keys that stand for `caller` until they expire. The token is filled up to `token_bytes_min`. `issued_at` is when the session began, if not now."""
        now = self._clock.now()
        expires = expires_at if expires_at is not None else (now // SECOND + duration_seconds) * SECOND
        key_id = access_key_id(self._ids, caller.account, "ASIA")
        secret = self._ids.secret_key()
        fields = caller_fields(caller)
        fields["access_key_id"] = key_id
        fields["token_issued_at_ns"] = issued_at if issued_at is not None else now
        fields["token_expires_at_ns"] = expires
        fields["session_policies"] = policies
        content: dict[str, Any] = {"id": key_id, "secret": secret, "caller": fields, "expires": expires}
        sealed = self._vault.seal(msgspec.msgpack.encode(content), _PURPOSE)
        missing = -(-token_bytes_min * 3 // 4) - len(sealed)
        if missing > 0:
            content["filling"] = bytes(missing)
            sealed = self._vault.seal(msgspec.msgpack.encode(content), _PURPOSE)
        token = base64.b64encode(sealed).decode()
        return SessionKeys(key_id, secret, token, expires)

    def read(self, access_key_id: str, token: str) -> Credential | None:
        """What a token stands for; None when it was not issued here or not with this key id. Expiry is the caller's to check."""
        known = self._read.get(token)
        if known is None:
            try:
                sealed = base64.b64decode(token, validate=True)
            except (binascii.Error, ValueError):
                return None
            body = self._vault.unseal(sealed, _PURPOSE)
            if body is None:
                return None
            data = msgspec.msgpack.decode(body)
            known = Credential(data["secret"], caller_of(data["caller"]), token=token, expires_at=data["expires"])
            if len(self._read) >= _CACHE_SIZE:
                self._read.clear()
            self._read[token] = known
        if not hmac.compare_digest(known.caller.access_key_id.encode(), access_key_id.encode()):
            return None
        return known
