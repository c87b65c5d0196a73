"""The one source of identifiers and chance: from the machine's generator, or from a seed so that a run can be repeated."""

from __future__ import annotations

import os
import random
from typing import Final

_ALPHANUMERIC: Final = "abcdefghijklmnopqrstuvwxyz0123456789"
_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_SECRET: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_POOL_BYTES: Final = 4096
_UUID_BYTES: Final = 16
_UUIDS_AT_ONCE: Final = 16


class Ids:
    """Identifiers in the forms that AWS gives out. `Ids(seed)` gives the same ones in the same order each time."""

    def __init__(self, seed: int | None = None) -> None:
        self._seeded = random.Random(seed) if seed is not None else None
        self._pool = b""
        self._at = 0
        self._uuids: list[str] = []

    def bytes(self, count: int) -> bytes:
        """`count` random bytes."""
        if self._seeded is not None:
            return self._seeded.randbytes(count)
        end = self._at + count
        if end > len(self._pool):
            if count > _POOL_BYTES:
                return os.urandom(count)
            self._pool = os.urandom(_POOL_BYTES)
            self._at, end = 0, count
        taken = self._pool[self._at : end]
        self._at = end
        return taken

    def hex(self, digits: int) -> str:
        """Lower-case hexadecimal digits."""
        return self.bytes((digits + 1) // 2).hex()[:digits]

    def uuid(self) -> str:
        """A version 4 UUID, as most request ids are."""
        made = self._uuids
        if not made:
            raw = bytearray(self.bytes(_UUID_BYTES * _UUIDS_AT_ONCE))
            for at in range(0, len(raw), _UUID_BYTES):
                raw[at + 6] = raw[at + 6] & 0x0F | 0x40
                raw[at + 8] = raw[at + 8] & 0x3F | 0x80
                h = raw[at : at + _UUID_BYTES].hex()
                made.append(f"{h[:8]}-{h[8:12]}-{h[12:16]}-{h[16:20]}-{h[20:]}")
        return made.pop()

    def text(self, length: int, alphabet: str = _ALPHANUMERIC) -> str:
        """Random characters of `alphabet` (at most 256 different ones), evenly distributed."""
        count = len(alphabet)
        limit = 256 - 256 % count
        out: list[str] = []
        while len(out) < length:
            out.extend(alphabet[b % count] for b in self.bytes(length - len(out) + 4) if b < limit)
        return "".join(out[:length])

    def unique_id(self, prefix: str) -> str:
        """An IAM unique id: a four-letter prefix (`AIDA`, `AROA`, `AKIA` …) and 16 characters."""
        return prefix + self.text(20 - len(prefix), _UPPER)

    def secret_key(self) -> str:
        """A secret access key: 40 characters."""
        return self.text(40, _SECRET)

    def random(self) -> float:
        """A number in [0, 1)."""
        return int.from_bytes(self.bytes(7), "big") / (1 << 56)

    def below(self, limit: int) -> int:
        """An integer in [0, limit)."""
        return int(self.random() * limit)
