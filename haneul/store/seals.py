"""Rows that are sealed: what their owner wants to be encrypted on the disk is there, in the log and in the SQLite file, as AES-256-GCM made it.

    the mark, 12 random bytes, a count of 6 bytes, the sealed value

A key is derived from the vault's and those random bytes, which an owner has anew each time that a process begins to seal for it. So the count tells apart
whatever is sealed under one key, without chance. The row's place is bound into the seal: what was moved, swapped or changed does not open.
"""

from __future__ import annotations

from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from haneul.store.vault import Damaged, Vault

SEALED: Final = 0xFF
"""What the mark begins with, and hardly anything else."""

MARK: Final = b"\xffsealed\x01"
_SALT_BYTES: Final = 12
_COUNT_BYTES: Final = 6
_SALT_AT: Final = len(MARK)
_COUNT_AT: Final = _SALT_AT + _SALT_BYTES
_VALUE_AT: Final = _COUNT_AT + _COUNT_BYTES
_NONCE_REST: Final = bytes(12 - _COUNT_BYTES)
_REMEMBERED_MAX = 4096


class _Sealing:
    """The key that an owner's rows are sealed under now, and how many of them were."""

    __slots__ = ("cipher", "count", "head")

    def __init__(self, salt: bytes, cipher: AESGCM) -> None:
        self.head = MARK + salt
        self.cipher = cipher
        self.count = 0


class RowSeals:
    """Seals and opens rows with keys of a vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._sealing: dict[bytes, _Sealing] = {}
        self._ciphers: dict[bytes, AESGCM] = {}

    def _cipher(self, salt: bytes) -> AESGCM:
        found = self._ciphers.get(salt)
        if found is None:
            if len(self._ciphers) >= _REMEMBERED_MAX:
                self._ciphers.clear()
            found = self._ciphers[salt] = AESGCM(self._vault.derive_key(salt, "rows"))
        return found

    def seal(self, place: bytes, value: bytes, owner: bytes) -> bytes:
        """The value of the row at `place`, sealed for `owner`."""
        sealing = self._sealing.get(owner)
        if sealing is None:
            if len(self._sealing) >= _REMEMBERED_MAX:
                self._sealing.clear()
            salt = self._vault.new_salt(_SALT_BYTES)
            sealing = self._sealing[owner] = _Sealing(salt, self._cipher(salt))
        sealing.count += 1
        count = sealing.count.to_bytes(_COUNT_BYTES, "big")
        return sealing.head + count + sealing.cipher.encrypt(_NONCE_REST + count, value, place)

    def open(self, place: bytes, value: bytes) -> bytes:
        """What `seal` sealed for the same place, which begins with the mark. Raises Damaged."""
        cipher = self._cipher(value[_SALT_AT:_COUNT_AT])
        try:
            return cipher.decrypt(_NONCE_REST + value[_COUNT_AT:_VALUE_AT], value[_VALUE_AT:], place)
        except (InvalidTag, ValueError):
            raise Damaged(f"the row at {place.hex()} is damaged, or was sealed by another vault") from None
