"""What is counted by the hour: each hour once, whatever the clock, the disk and restarts do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from haneul.clock import DAY, HOUR, MINUTE, Clock
from haneul.metering.hours import Hours, Seen
from haneul.metering.usage import StoredUsage
from haneul.store.embedded import EmbeddedStore
from tests.support.stores import FullDisk

START = 1_000_000 * HOUR + 10 * MINUTE
LINE = ("000000000000", "us-east-1", "shop", "Hours", "a")


class Shop:
    """Something that is there as long as `size` is not 0."""

    def __init__(self, store: Any, now: int, size: int) -> None:
        self.size = size
        self.store = store
        self.clock = Clock(frozen_at=now)
        self.hours = Hours(store, self.clock, "shop", self.look)
        self.hours.load()
        self.hours.start(anything=size > 0)

    async def look(self, hour: int) -> Seen:
        return Seen([(LINE, self.size)] if self.size else [], self.size > 0)

    def counted(self) -> dict[int, int]:
        """What the records say, by hours since the beginning."""
        read = StoredUsage(self.store, self.clock).read(LINE[0], LINE[1], 0, self.clock.now() + DAY)
        return {(time - START) // HOUR: value for time, _, _, _, value in read}


async def test_each_hour_once(tmp_path: Path) -> None:
    """Over jumps, a stop of some hours, and a crash, of which only what was not yet written is looked at again."""
    store = EmbeddedStore(tmp_path / "haneul.db")
    shop = Shop(store, START, 3)
    await shop.clock.advance(2 * HOUR)
    shop.size = 5
    await shop.clock.advance(35 * DAY)
    await shop.hours.stop()
    assert shop.counted() == {0: 3, 1: 3, **dict.fromkeys(range(2, 842), 5)}
    # Stopped for three hours: they are entered when it starts, in their own minutes.
    shop = Shop(store, shop.clock.now() + 3 * HOUR, 7)
    await shop.clock.settle()
    shop.hours.note("peak", b"9")
    await shop.hours.flush()
    assert shop.counted() == {0: 3, 1: 3, **dict.fromkeys(range(2, 842), 5), **dict.fromkeys(range(842, 845), 7)}
    # A crash: nothing is stopped. What was noted of the hour that was running is still there, until that hour is counted.
    again = Shop(store, shop.clock.now(), 7)
    assert list(again.hours.notes()) == [("peak", b"9")]
    await again.clock.advance(HOUR)
    await again.hours.flush()
    assert again.counted()[845] == 7 and len(again.counted()) == 846 and list(again.hours.notes()) == []
    await again.hours.stop()
    await store.close()


async def test_no_timer_without_anything(tmp_path: Path) -> None:
    """Because a cloud with nothing in it has nothing to do, and what was not there is not paid for."""
    store = EmbeddedStore(tmp_path / "haneul.db")
    shop = Shop(store, START, 0)
    assert shop.hours._timer is None
    await shop.clock.advance(5 * HOUR)
    shop.size = 1
    shop.hours.wake()
    await shop.clock.advance(2 * HOUR)
    shop.size = 0
    await shop.clock.advance(HOUR)
    assert shop.hours._timer is None
    await shop.clock.advance(DAY)
    shop.size = 2
    shop.hours.wake()
    await shop.clock.advance(HOUR)
    await shop.hours.stop()
    assert shop.counted() == {5: 1, 6: 1, 32: 2}
    await store.close()


async def test_a_full_disk_is_waited_for(tmp_path: Path) -> None:
    """Because an hour that could not be written is still to be paid, once."""
    disk = FullDisk(EmbeddedStore(tmp_path / "haneul.db"))
    shop = Shop(disk, START, 4)
    await shop.clock.advance(3 * HOUR)
    await shop.hours.flush()
    disk.full = False
    await shop.clock.advance(HOUR)
    await shop.hours.flush()
    await shop.hours.flush()
    assert shop.counted() == {0: 4, 1: 4, 2: 4, 3: 4}
    await shop.hours.stop()
    await disk.close()
