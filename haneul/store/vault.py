"""Encryption at rest for secrets: AES-256-GCM under a key that lies beside the data, readable by its owner only."""

from __future__ import annotations

import os
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from haneul.clock import Ids

_NONCE_BYTES = 12


class Vault:
    """Seals and opens small secrets. `purpose` is bound into the seal: what was sealed for one purpose does not open for another."""

    def __init__(self, key: bytes, ids: Ids) -> None:
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
