"""What recovery points of tables cost by the hour, warm or cold. (DynamoDB Developer Guide: "Understanding your AWS billing and usage reports for Amazon DynamoDB".)

The warm ones cost what DynamoDB's own backups cost (AWS Backup Developer Guide: "Advanced DynamoDB backup"). Those of buckets are not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from haneul.clock import HOUR
from haneul.core.cloud import Cloud
from haneul.metering.hours import Hours, Seen, unhurried
from haneul.metering.prices import GIGABYTE, Price, PriceList
from haneul.metering.usage import Line
from haneul.services.backup.records import DYNAMODB, POINT_SPACE, Point
from haneul.store.keys import pack, prefix_range
from haneul.store.records import decode

_WARM: Final = "WarmStorage-ByteHrs-DynamoDB"
_COLD: Final = "ColdStorage-ByteHrs-DynamoDB"
_AT_ONCE: Final = 50

PRICES: Final = PriceList(
    prices={
        _WARM: Price(_WARM, "GB-month", "0.10", GIGABYTE, by_month=True),
        _COLD: Price(_COLD, "GB-month", "", GIGABYTE, by_month=True),  # Not found in any document.
    },
    included=frozenset(("Requests", "Errors")),
    source="https://aws.amazon.com/backup/pricing/, US East (N. Virginia), May 2026",
)


class PointHours:
    """Counts the hours of a running service's recovery points."""

    def __init__(self, cloud: Cloud) -> None:
        self._store = cloud.store
        self._hours = Hours(cloud.store, cloud.clock, "backup", self._look)
        self._unwatch: Callable[[], None] = lambda: None

    def start(self) -> None:
        """Go on where an earlier run ended."""
        self._hours.load()
        self._unwatch = self._store.watch(pack((POINT_SPACE,)), self._changed)
        self._hours.start(anything=bool(self._store.range(*prefix_range(pack((POINT_SPACE,))), 1)))

    async def stop(self) -> None:
        self._unwatch()
        await self._hours.stop()

    async def flush(self) -> None:
        """Enter what has been counted."""
        await self._hours.flush()

    def _changed(self, keys: Sequence[bytes]) -> None:
        self._hours.wake()

    async def _look(self, hour: int) -> Seen:
        lines: list[tuple[Line, int]] = []
        found = False
        async for _, value in unhurried(self._store.iterate(*prefix_range(pack((POINT_SPACE,)))), _AT_ONCE):
            point = decode(value, Point)
            if point.resource_type != DYNAMODB:
                continue
            found = True
            if point.size_bytes and point.created_at < (hour + 1) * HOUR:
                name = point.resource_arn.rpartition("/")[2]
                lines.append(((point.account, point.region, "backup", _COLD if point.cold else _WARM, name), point.size_bytes))
        return Seen(lines, found)
