"""Memory that the processes of one cloud share: which rows change, and what the time is.

One process writes, any number read. Rows that are on their way to the disk stand in a ring before they are committed: from then on nobody trusts
what he remembers of them, and everybody reads them from the file, so that no process shows an old row after another has shown the new one.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Sequence
from struct import Struct

from zlib_ng.zlib_ng import crc32

RING_BYTES = 4 << 20
_HEADER_BYTES = 64
_BATCH = Struct("<II")  # Length of what follows, and its checksum.
_LENGTH = Struct("<I")
_POSITIONS = Struct("<QQ")
_POSITION = Struct("<Q")
_OFFSET = Struct("<q")
_PENDING_AT, _SETTLED_AT, _CLOCK_AT = 0, 8, 16


class Lapped(Exception):
    """So much has changed since the last look that the ring no longer knows all of it: whatever is remembered has to go."""


class SharedMemory:
    """The memory itself. `descriptor` is handed to the processes that are to read; `SharedMemory(descriptor)` is theirs."""

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = os.memfd_create("haneul")
            os.ftruncate(descriptor, _HEADER_BYTES + RING_BYTES)
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _HEADER_BYTES + RING_BYTES)
        self._position = 0

    def close(self) -> None:
        """Let go of the memory; it is gone when the last process has."""
        self._memory.close()
        os.close(self.descriptor)

    # ---- the writer's side

    def begin(self, keys: Sequence[bytes]) -> None:
        """These rows are about to be committed."""
        content = b"".join([_LENGTH.pack(len(key)) + key for key in keys])
        entry = _BATCH.pack(len(content), crc32(content)) + content
        if len(entry) <= RING_BYTES:  # Of a larger one, only its length: whoever follows sees that he was lapped.
            self._put(self._position % RING_BYTES, entry)
        self._position += len(entry)
        _POSITION.pack_into(self._memory, _PENDING_AT, self._position)

    def _put(self, at: int, entry: bytes) -> None:
        memory, room = self._memory, RING_BYTES - at
        memory[_HEADER_BYTES + at : _HEADER_BYTES + at + min(room, len(entry))] = entry[:room]
        if len(entry) > room:
            memory[_HEADER_BYTES : _HEADER_BYTES + len(entry) - room] = entry[room:]

    def settle(self) -> None:
        """The rows of the last `begin` are committed, or will never be."""
        _POSITION.pack_into(self._memory, _SETTLED_AT, self._position)

    def set_clock(self, offset: int) -> None:
        """How far the cloud's clock is ahead of the machine's, in nanoseconds."""
        _OFFSET.pack_into(self._memory, _CLOCK_AT, offset)

    # ---- the readers' side

    @property
    def clock(self) -> int:
        """What `set_clock` said last."""
        return int(_OFFSET.unpack_from(self._memory, _CLOCK_AT)[0])

    def head(self) -> bytes:
        """Both positions and the clock, to be compared with what they were before."""
        return self._memory[0:24]

    def positions(self) -> tuple[int, int]:
        """Up to where rows are about to change, and up to where they have."""
        pending, settled = _POSITIONS.unpack_from(self._memory, _PENDING_AT)
        return max(pending, settled), settled

    def batches(self, start: int, end: int) -> list[tuple[int, list[bytes]]]:
        """The keys of all batches between two positions, each with the position behind it. Raises Lapped."""
        if end - start > RING_BYTES:
            raise Lapped
        at = start % RING_BYTES
        room = RING_BYTES - at
        taken = self._memory[_HEADER_BYTES + at : _HEADER_BYTES + at + min(room, end - start)]
        if end - start > room:
            taken += self._memory[_HEADER_BYTES : _HEADER_BYTES + end - start - room]
        found, place = [], 0
        while place < len(taken):
            keys, place = _batch(taken, place)
            found.append((start + place, keys))
        if self.positions()[0] - start > RING_BYTES:  # Overwritten while it was read.
            raise Lapped
        return found


def _batch(taken: bytes, place: int) -> tuple[list[bytes], int]:
    """The keys of the batch at `place`, and where the next one begins."""
    if place + _BATCH.size > len(taken):
        raise Lapped
    length, checksum = _BATCH.unpack_from(taken, place)
    place += _BATCH.size
    content = taken[place : place + length]
    if len(content) != length or crc32(content) != checksum:
        raise Lapped
    keys, at = [], 0
    while at < length:
        (size,) = _LENGTH.unpack_from(content, at)
        at += _LENGTH.size
        keys.append(content[at : at + size])
        at += size
    return keys, place + length
