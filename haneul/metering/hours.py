"""What is paid by the hour, whether it is used or not: looked at when each hour of the cloud's clock ends, and entered into the usage records once.

How far that has come lies in the store and changes in the transaction that enters an hour, so that no hour is entered twice. Hours that ended while the
cloud was stopped are entered when it starts, by what is there then, which is what was there all the time. Between a look and its transaction nobody waits
for the disk: when the clock jumps over many hours, they are entered many at once. What a crash takes away of that is looked at again, as it is by then.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import NamedTuple, TypeVar

from haneul.clock import HOUR, MINUTE, Clock, Timer
from haneul.metering.usage import Line, put_usage
from haneul.store.keys import pack, prefix_range, unpack
from haneul.store.port import Store, StoreError, Transaction
from haneul.store.records import decode, encode

T = TypeVar("T")

_SPACE = "hours"
_NOTE_SPACE = "hours-note"
_WAITING_MAX = 5_000
_log = logging.getLogger("haneul")


class Seen(NamedTuple):
    """What somebody found of one hour: usage by line, and whether anything is left to look at when the next one ends."""

    lines: Sequence[tuple[Line, int]]
    more: bool


Look = Callable[[int], Awaitable[Seen]]


async def unhurried(rows: Iterable[T], at_once: int) -> AsyncIterator[T]:
    """The rows, while others go on after every so many."""
    for number, row in enumerate(rows, 1):
        if number % at_once == 0:
            await asyncio.sleep(0)
        yield row


class Hours:
    """Counts the hours of one service. `look(hour)` says what was there in an hour (since the epoch) that has ended.

    There is a timer only while there is something to look at: `wake` says that there is now. What a look must know of the hour that is running is kept
    with `note` until that hour is counted.
    """

    def __init__(self, store: Store, clock: Clock, name: str, look: Look) -> None:
        self._store = store
        self._clock = clock
        self._key = pack((_SPACE, name))
        self._notes_prefix = pack((_NOTE_SPACE, name))
        self._look = look
        self._notes: dict[bytes, bytes] = {}
        self._lines: list[tuple[int, Line, int]] = []
        self._timer: Timer | None = None
        self._running = False
        self._counting: asyncio.Task[None] | None = None
        self._writing: asyncio.Task[None] | None = None
        self._unsaved = False
        self._woken = False
        self.next = 0
        """The first hour that is not counted yet."""

    def load(self) -> None:
        """Find out how far an earlier run has come; before `start`, and before `next` is asked for."""
        raw = self._store.get(self._key)
        self.next = decode(raw, int) if raw is not None else self._clock.now() // HOUR

    def start(self, *, anything: bool) -> None:
        """Begin, with what has been missed if there is `anything` to look at."""
        self._running = True
        if anything:
            self._arm()
            self._count_soon()
            self._save_soon()

    def notes(self) -> Iterator[tuple[str, bytes]]:
        """What an earlier run has noted of the first hour that is not counted yet."""
        for key, value in self._store.iterate(*prefix_range(self._notes_prefix + pack((self.next,)))):
            yield str(unpack(key)[-1]), value

    async def stop(self) -> None:
        """End; what has been seen is kept when this returns."""
        await self.flush()
        self._running = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def wake(self) -> None:
        """There is something to look at. Hours in which there was nothing are not looked at any more."""
        self._woken = True
        if self._running and self._timer is None:
            if self._counting is None:
                self.next = max(self.next, self._clock.now() // HOUR)
            self._arm()
            self._save_soon()

    def note(self, name: str, value: bytes) -> None:
        """Keep something of the hour that is running; it is in the store soon, nobody waits for it."""
        hour = max(self.next, self._clock.now() // HOUR)
        self._notes[self._notes_prefix + pack((hour, name))] = value
        self._save_soon()

    def _save_soon(self) -> None:
        self._unsaved = True
        if self._running and self._writing is None:
            self._writing = asyncio.ensure_future(self._write())

    async def flush(self) -> None:
        """Enter everything into the usage records that has been seen up to now."""
        if self._counting is not None:
            await asyncio.shield(self._counting)
        if self._writing is None and (self._lines or self._unsaved):
            self._writing = asyncio.ensure_future(self._write())
        if self._writing is not None:
            await asyncio.shield(self._writing)

    # ---- counting

    def _arm(self) -> None:
        self._timer = self._clock.call_at((self._clock.now() // HOUR + 1) * HOUR, self._turn)

    def _turn(self) -> None:
        self._arm()
        self._count_soon()

    def _count_soon(self) -> None:
        if self._counting is None:
            self._counting = self._clock.run(self._count(), name="hours")

    async def _count(self) -> None:
        try:
            while self.next < self._clock.now() // HOUR:
                hour, self._woken = self.next, False
                seen = await self._look(hour)
                self._lines += [(hour, line, value) for line, value in seen.lines]
                self.next = hour + 1
                if not (seen.more or self._woken) and self._timer is not None:
                    self._timer.cancel()
                    self._timer = None
                    self.next = max(self.next, self._clock.now() // HOUR)
                self._save_soon()
                if len(self._lines) > _WAITING_MAX and self._writing is not None:
                    await asyncio.shield(self._writing)
        finally:
            self._counting = None

    async def _write(self) -> None:
        """Enter what has been seen, together with how far that has come. What cannot be written now (a full disk) is written later."""
        try:
            while self._lines or self._unsaved:
                lines, notes, following = self._lines, self._notes, self.next
                self._lines, self._notes, self._unsaved = [], {}, False
                try:
                    await self._store.transact(partial(self._enter, lines, notes, following))
                except StoreError as error:
                    self._lines, self._notes, self._unsaved = lines + self._lines, notes | self._notes, True
                    _log.warning("hours: the store does not take what was counted: %r", error)
                    return
        finally:
            self._writing = None

    def _enter(self, lines: list[tuple[int, Line, int]], notes: dict[bytes, bytes], following: int, tx: Transaction) -> None:
        for hour, line, value in lines:
            put_usage(tx, (hour + 1) * HOUR - MINUTE, line, value)
        for key, note in notes.items():
            tx.put(key, note)
        for key, _ in tx.range(self._notes_prefix, self._notes_prefix + pack((following,))):
            tx.delete(key)  # Of hours that are counted.
        tx.put(self._key, encode(following))
