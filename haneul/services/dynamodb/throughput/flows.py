"""One direction of one table or global index: reads, or writes, and everything that limits them."""

from __future__ import annotations

from typing import Final, NamedTuple

from haneul.clock import SECOND
from haneul.core.errors import ServiceError
from haneul.metering.metrics import Series
from haneul.services.dynamodb.throughput.buckets import BURST, Bucket
from haneul.services.dynamodb.throughput.partitions import Partitions
from haneul.services.dynamodb.throughput.peaks import Peak
from haneul.services.dynamodb.throughput.throttled import ACCOUNT, KEY_RANGE, MAXIMUM, PROVISIONED, throttled

TABLE_UNITS_MAX: Final = 40_000
"""The quota of an account for one table or index, in units a second."""


# More than several large requests cost; of a partition, half of what it has in a second.
_RESERVE, _PARTITION_RESERVE = 20_000, 3_000


class Settings(NamedTuple):
    """What limits a flow, in whole units a second. `provisioned` is 0 on demand; `warm` is what a table on demand takes at once."""

    provisioned: int
    maximum: int | None
    warm: int


class Identity(NamedTuple):
    """Whose flow it is: account and region, the dimensions of its metrics, and what throttling errors say."""

    place: tuple[str, str]
    dimensions: tuple[tuple[str, str], ...]
    arn: str
    is_index: bool


class Flow:
    """Reads or writes of one table or index. Reads are counted in half units.

    A request is let in while the throughput that is provisioned (with its burst), or the account's quota, the maximum that was set, and the
    partition where it goes all have something left; it is then charged to each.
    """

    __slots__ = (
        "_consumed",
        "_halves",
        "_identity",
        "_limit",
        "_maximum",
        "_own",
        "_partitions",
        "being_filled",
        "dimensions",
        "is_write",
        "peak",
        "place",
        "settings",
    )

    def __init__(self, identity: Identity, *, is_write: bool, partitions: Partitions, settings: Settings, consumed: Series) -> None:
        self._identity = identity
        self.place = identity.place
        self.dimensions = identity.dimensions
        self.is_write = is_write
        self._halves = 1 if is_write else 2
        self._partitions = partitions
        self._consumed = consumed
        # Whether these are the writes of an index that is being added to its table, which metrics of their own count.
        self.being_filled = False
        self.settings = settings
        self._own: Bucket
        self._limit = ""
        self._maximum: Bucket | None = None
        self.peak: Peak | None = None
        self._begin()

    def _begin(self) -> None:
        settings = self.settings
        if settings.provisioned:
            self._limit = PROVISIONED
            self._own = Bucket(settings.provisioned * self._halves, BURST)
            self.peak = None
        else:
            self._limit = ACCOUNT
            self._own = Bucket(TABLE_UNITS_MAX * self._halves, SECOND)
            self.peak = Peak(settings.warm * self._halves)
        self._maximum = Bucket(settings.maximum * self._halves, SECOND) if settings.maximum is not None else None

    def change(self, settings: Settings, now: int) -> None:
        """Other limits from now on. What is left in the buckets stays, unless the mode changes."""
        before, self.settings = self.settings, settings
        if bool(before.provisioned) != bool(settings.provisioned):
            self._begin()
            return
        if settings.provisioned:
            self._own.change(now, settings.provisioned * self._halves)
        elif self.peak is not None:
            self.peak.warm = max(self.peak.warm, settings.warm * self._halves)
        if settings.maximum != before.maximum:
            self._maximum = Bucket(settings.maximum * self._halves, SECOND) if settings.maximum is not None else None

    def report_to(self, consumed: Series, *, being_filled: bool) -> None:
        """Where consumption is reported from now on."""
        self._consumed, self.being_filled = consumed, being_filled

    @property
    def on_demand(self) -> bool:
        return self.peak is not None

    def blocked(self, now: int, place: bytes) -> str:
        """The limit that a request for the row at `place` would exceed, or nothing."""
        if self._own.empty_at >= now:
            return self._limit
        if self._maximum is not None and self._maximum.empty_at >= now:
            return MAXIMUM
        partition = self._partitions.find(place)
        if (partition.writes if self.is_write else partition.reads).empty_at >= now:
            self._partitions.heat(partition, place, now)
            return KEY_RANGE
        return ""

    def take(self, now: int, units: int, place: bytes) -> bool:
        """Charge units (half units for reads); True when what the table is ready for has grown."""
        # `Bucket.take` of both, written out: every read and write comes through here.
        own = self._own
        oldest = now - own.window
        own.empty_at = (own.empty_at if own.empty_at > oldest else oldest) + units * own.unit
        if self._maximum is not None:
            self._maximum.take(now, units)
        partition = self._partitions.find(place)
        bucket = partition.writes if self.is_write else partition.reads
        oldest = now - bucket.window
        bucket.empty_at = (bucket.empty_at if bucket.empty_at > oldest else oldest) + units * bucket.unit
        self._consumed.add(units / self._halves)
        peak = self.peak
        return peak is not None and peak.add(now, units)

    def take_many(self, now: int, units: int, place: bytes, count: int) -> bool:
        """`take`, for so many requests of the same cost at once."""
        if count > 1:
            self._consumed.add(units / self._halves, count - 1)
            self._own.take(now, units * (count - 1))
            self._partition(place).take(now, units * (count - 1))
            if self._maximum is not None:
                self._maximum.take(now, units * (count - 1))
            if self.peak is not None:
                self.peak.add(now, units * (count - 1))
        return self.take(now, units, place)

    def spare(self, now: int, place: bytes) -> float:
        """Units (half units for reads) at the row at `place` that may be taken without asking: what is left beyond a reserve, of whatever has least."""
        least = min(self._own.left(now) - _RESERVE, self._partition(place).left(now) - _PARTITION_RESERVE)
        return min(least, self._maximum.left(now) - _RESERVE) if self._maximum is not None else least

    def _partition(self, place: bytes) -> Bucket:
        partition = self._partitions.find(place)
        return partition.writes if self.is_write else partition.reads

    def ready_for(self) -> int:
        """Units a second that a table on demand takes at once."""
        return self.peak.warm // self._halves if self.peak is not None else 0

    def refusal(self, limit: str) -> ServiceError:
        """The error of a request that `blocked` turned away."""
        identity = self._identity
        return throttled(limit, arn=identity.arn, is_index=identity.is_index, is_write=self.is_write, on_demand=self.on_demand)
