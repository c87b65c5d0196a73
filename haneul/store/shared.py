"""Memory that the processes of one cloud share: how far the log is committed and settled, and what the time is.

One process writes it, any number read. What is committed stands in the log (`log.py`), which everybody reads for himself.
"""

from __future__ import annotations

import mmap
import os
from typing import Final

_BYTES: Final = 64
_COMMITTED, _SETTLED, _CLOCK = 0, 1, 2


class SharedMemory:
    """The memory itself. `descriptor` is handed to the processes that are to read; `SharedMemory(descriptor)` is theirs."""

    def __init__(self, descriptor: int | None = None) -> None:
        if descriptor is None:
            descriptor = os.memfd_create("haneul")
            os.ftruncate(descriptor, _BYTES)
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, _BYTES)
        # Each number is written and read as one word: `Struct.pack_into` would make it zero first, and a reader would see that.
        self._numbers = memoryview(self._memory).cast("q")

    def close(self) -> None:
        """Let go of the memory; it is gone when the last process has."""
        self._numbers.release()
        self._memory.close()
        os.close(self.descriptor)

    # ---- the writer's side

    def commit(self, position: int) -> None:
        """What the log says before this position is committed."""
        self._numbers[_COMMITTED] = position

    def settle(self, position: int) -> None:
        """What the log says before this position is in the SQLite file."""
        self._numbers[_SETTLED] = position

    def set_clock(self, offset: int) -> None:
        """How far the cloud's clock is ahead of the machine's, in nanoseconds."""
        self._numbers[_CLOCK] = offset

    # ---- the readers' side

    def head(self) -> bytes:
        """Everything, to be compared with what it was before."""
        return self._memory[0:24]

    @property
    def committed(self) -> int:
        """What `commit` said last."""
        return self._numbers[_COMMITTED]

    @property
    def settled(self) -> int:
        """What `settle` said last."""
        return self._numbers[_SETTLED]

    @property
    def clock(self) -> int:
        """What `set_clock` said last."""
        return self._numbers[_CLOCK]
