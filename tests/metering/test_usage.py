"""Usage records: what is paid for must be counted once, whatever happens to the disk."""

from __future__ import annotations

from pathlib import Path

import pytest

from haneul.clock import Clock
from haneul.metering.usage import StoredUsage
from haneul.store.embedded import EmbeddedStore
from haneul.store.port import StoreError
from tests.support.stores import FullDisk


async def test_counts_wait_for_the_disk(tmp_path: Path) -> None:
    """Because a bill that forgets what happened while the disk was full is wrong, and one that counts it twice as well."""
    disk = FullDisk(EmbeddedStore(tmp_path / "haneul.db"))
    usage = StoredUsage(disk, Clock(frozen_at=10**18))
    line = ("000000000000", "us-east-1", "lambda", "Invocations", "f")
    usage.add(*line, 2)
    with pytest.raises(StoreError):
        await usage.flush()
    usage.add(*line, 3)
    disk.full = False
    await usage.flush()
    await usage.flush()
    assert usage.total(line[0]) == {("lambda", "Invocations"): 5}
    await disk.close()
