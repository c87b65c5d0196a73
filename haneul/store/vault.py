"""Encryption at rest: AES-256-GCM under a key that lies beside the data, readable by its owner only.

Secrets are sealed with that key itself. Bodies have a key each, which is sealed in front of them: whole ones here, files in `sealed.py`.
"""

from __future__ import annotations

import hmac
import os
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from haneul.clock import Ids

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16
SEAL_BYTES: Final = _NONCE_BYTES + _TAG_BYTES
"""How much longer a sealed secret is."""

_SEALED_KEY_BYTES: Final = KEY_BYTES + SEAL_BYTES
_BODY_KEY: Final = "body key"
# A body's key encrypts one body only, so that the nonce needs no chance.
_ONLY_NONCE: Final = bytes(_NONCE_BYTES)


class Damaged(Exception):
    """What lies on the disk is not what was written there, or not with this key."""


class Vault:
    """Seals and opens small secrets. `purpose` is bound into the seal: what was sealed for one purpose does not open for another."""

    def __init__(self, key: bytes, ids: Ids) -> None:
        self._key = key
        self._cipher = AESGCM(key)
        self._ids = ids

    @classmethod
    def open_or_create(cls, path: Path, ids: Ids) -> Vault:
        """The vault whose key is in the file at `path`; the file is made (mode 0600, fsynced) when it is missing."""
        try:
            return cls(path.read_bytes(), ids)
        except FileNotFoundError:
            key = ids.bytes(32)
            fresh = path.with_suffix(".new")
            fresh.unlink(missing_ok=True)
            handle = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            os.rename(fresh, path)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
            return cls(key, ids)

    def seal(self, plain: bytes, purpose: str) -> bytes:
        nonce = self._ids.bytes(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, plain, purpose.encode())

    def unseal(self, sealed: bytes, purpose: str) -> bytes | None:
        """The secret, or None when `sealed` was not made by this vault for this purpose."""
        try:
            return self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], purpose.encode())
        except (InvalidTag, ValueError):
            return None

    def new_key(self) -> bytes:
        """A key for one body."""
        return self._ids.bytes(KEY_BYTES)

    def new_salt(self, count: int) -> bytes:
        """Random bytes to derive a key with."""
        return self._ids.bytes(count)

    def derive_key(self, salt: bytes, purpose: str) -> bytes:
        """A key for one purpose, always the same for the same salt."""
        return hmac.digest(self._key, purpose.encode() + b"\x00" + salt, "sha256")

    def seal_body(self, plain: bytes, place: str) -> bytes:
        """A body under a key of its own, bound to the place where it is going to lie."""
        key = self.new_key()
        return self.seal(key, _BODY_KEY) + AESGCM(key).encrypt(_ONLY_NONCE, plain, place.encode())

    def open_body(self, sealed: bytes, place: str) -> bytes:
        """What `seal_body` sealed for the same place. Raises Damaged."""
        sealed_key = sealed[:_SEALED_KEY_BYTES]
        key = self.unseal(sealed_key, _BODY_KEY)
        if key is None:
            raise Damaged("the key of a body is damaged, or was sealed by another vault")
        try:
            return AESGCM(key).decrypt(_ONLY_NONCE, sealed[_SEALED_KEY_BYTES:], place.encode())
        except (InvalidTag, ValueError):
            raise Damaged(f"the body at {place} is damaged") from None
