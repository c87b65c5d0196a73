"""Two servers compared on a machine that has other things to do: in turns, the best turn of each, and by the processor time that they used."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from bench.data_plane import measure
from bench.load import Client, HttpClient, take_turns
from bench.process import tree_cpu_seconds
from bench.servers import Target

_TURNS = 4


class Speed(NamedTuple):
    """Requests a second, and requests for each second of processor time: what is left of a figure on a machine that others use too."""

    rate: float
    per_cpu_second: float


def speed(target: Target, prepared: list[bytes], connections: int, seconds: float, kind: type[Client] = HttpClient) -> Speed:
    """How fast a server answers."""
    before = tree_cpu_seconds(target.pid)
    result = measure(target.port, prepared, seconds, connections, kind)
    used = tree_cpu_seconds(target.pid) - before
    return Speed(result.rate, result.rate * seconds / max(used, 0.01))


def in_turns(ours: Callable[[float], Speed], theirs: Callable[[float], Speed], seconds: float) -> tuple[Speed, Speed]:
    """The best turn of each of two sides, which are called with the seconds of a turn."""
    turns = take_turns(ours, theirs, seconds, _TURNS)
    return _best([one for one, _ in turns]), _best([other for _, other in turns])


def _best(turns: list[Speed]) -> Speed:
    return Speed(max(turn.rate for turn in turns), max(turn.per_cpu_second for turn in turns))
