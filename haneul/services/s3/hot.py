"""Small objects that are read again and again: their rows read and their bodies opened, a bounded amount of them, in memory only.

An entry is good for as long as the store gives the very same bytes for its row; it goes when the row changes or is deleted, so that nothing is
kept of what is gone.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from haneul.services.s3.records import Object
from haneul.store.records import decode
from haneul.store.vault import Vault

_BYTES_MAX = 16 << 20
_ENTRIES_MAX: Final = 4096


class _Entry:
    __slots__ = ("body", "found", "row")

    def __init__(self, row: bytes, found: Object) -> None:
        self.row = row
        self.found = found
        self.body: bytes | None = None


def _cost(row: bytes) -> int:
    """What an entry is counted for: the row, and as much for the body in it once it is opened."""
    return 2 * len(row)


class HotObjects:
    """By the place that a body is bound to (`keys.body_place`). `vault` opens bodies; those under a client's own key never come here."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._entries: dict[str, _Entry] = {}
        self._places: dict[bytes, str] = {}
        self._bytes = 0

    def read(self, place: str, row_key: bytes, row: bytes) -> Object:
        """The version that lies in a row. Not to be changed."""
        known = self._entries.get(place)
        if known is not None and known.row is row:
            return known.found
        found = decode(row, Object)
        self.forget((row_key,))
        self._make_room(_cost(row))
        self._entries[place] = _Entry(row, found)
        self._places[row_key] = place
        return found

    def open(self, place: str, found: Object) -> bytes:
        """The body of a version that `read` has given. Raises Damaged."""
        known = self._entries.get(place)
        if known is None or known.found is not found:
            return self._vault.open_body(found.body, place)
        if known.body is None:
            known.body = self._vault.open_body(found.body, place)
        return known.body

    def forget(self, row_keys: Sequence[bytes]) -> None:
        """These rows have changed or are gone."""
        for row_key in row_keys:
            place = self._places.pop(row_key, None)
            if place is not None:
                self._bytes -= _cost(self._entries.pop(place).row)

    def _make_room(self, count: int) -> None:
        self._bytes += count
        if self._bytes > _BYTES_MAX or len(self._entries) >= _ENTRIES_MAX:
            self._entries.clear()
            self._places.clear()
            self._bytes = count
