"""What the processes of one cloud say to each other: where, and in which form."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import msgspec

from haneul.clock import MINUTE
from haneul.core.ports import Usage
from haneul.metering.metrics import Gathered, Metrics, SeriesName

REPORT_PATH = "/_workers/report"
SECRET_HEADER = "x-haneul-secret"

_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder()

Line = tuple[str, str, str, str, str]


def socket_path(data_dir: Path) -> str:
    """The socket at which the writing process hears from those that read: in the data directory, which is its owner's alone.

    The way there leads over a descriptor that stays open, because paths of sockets are short.
    """
    return f"/proc/self/fd/{os.open(data_dir, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)}/workers.sock"


def pack(message: Any) -> bytes:
    """A message as bytes."""
    return _encoder.encode(message)


def unpack(data: bytes) -> Any:
    """The message that `pack` made bytes of; sequences come back as lists."""
    return _decoder.decode(data)


class ReportedUsage:
    """The `Usage` of a process that only reads: counts that wait to be told."""

    def __init__(self) -> None:
        self._counts: dict[Line, int] = {}

    def add(self, account: str, region: str, service: str, metric: str, resource: str, value: int = 1) -> None:
        line = (account, region, service, metric, resource)
        counts = self._counts
        counts[line] = counts[line] + value if line in counts else value

    def take(self) -> list[tuple[Line, int]]:
        """What was counted since the last time."""
        counts, self._counts = self._counts, {}
        return list(counts.items())


def add_usage(usage: Usage, counts: list[tuple[Line, int]]) -> None:
    """Count what another process has counted."""
    for line, value in counts:
        usage.add(*line, value)


def packed_metrics(lines: list[Gathered]) -> list[Any]:
    """Metrics in a form that `pack` takes: it knows no keys but strings."""
    return [(*line[:-1], list(line.values.items())) for line in lines]


async def add_metrics(metrics: Metrics, now: int, lines: list[Any]) -> None:
    """Report what another process has gathered, in the minutes in which it did. `now` in nanoseconds."""
    earlier = []
    for line in lines:
        gathered = _gathered(*line)
        if gathered.minute != now // MINUTE * MINUTE:
            earlier.append(gathered)
            continue
        series = metrics.series(*gathered.series)
        for value, count in gathered.values.items():
            series.add(value, int(count))
    if earlier and metrics.sink is not None:
        await metrics.sink(earlier)


def _gathered(series: list[Any], minute: int, samples: int, total: float, least: float, most: float, values: list[tuple[float, float]]) -> Gathered:
    account, region, namespace, name, dimensions, unit = series
    named = SeriesName(account, region, namespace, name, tuple((one, other) for one, other in dimensions), unit)
    return Gathered(named, minute, samples, total, least, most, {value: count for value, count in values})
