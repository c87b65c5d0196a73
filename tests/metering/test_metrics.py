"""Metrics that services report gather in memory and reach the sink minute by minute."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from haneul.clock import MINUTE, SECOND, Clock
from haneul.metering.metrics import Gathered, Metrics

PLACE = ("000000000000", "us-east-1", "AWS/Test", "Count", (("Name", "a"),))


def run_with(work) -> list[Gathered]:  # type: ignore[no-untyped-def]
    """Run `work(clock, metrics)` on a clock that stands still; what reached the sink."""
    kept: list[Gathered] = []

    async def main() -> None:
        clock = Clock(frozen_at=100 * MINUTE + 58 * SECOND)
        metrics = Metrics(clock)

        async def sink(lines: Sequence[Gathered]) -> None:
            kept.extend(lines)

        metrics.sink = sink
        await work(clock, metrics)

    asyncio.run(main())
    return kept


def test_values_of_one_minute_become_one_line() -> None:
    """Because a request may not pay for a write of its own."""

    async def work(clock: Clock, metrics: Metrics) -> None:
        for value in (3.0, 1.0, 1.0):
            metrics.add(*PLACE, value)
        await metrics.flush()

    (line,) = run_with(work)
    assert (line.minute, line.samples, line.sum, line.min, line.max, line.values) == (100 * MINUTE, 3, 5.0, 1.0, 3.0, {3.0: 1, 1.0: 2})


def test_a_minute_is_handed_over_before_the_next_begins() -> None:
    """Because a value belongs to the minute it was reported in."""

    async def work(clock: Clock, metrics: Metrics) -> None:
        series = metrics.series(*PLACE)
        series.add(1)
        await clock.advance(3 * SECOND)
        series.add(2)
        await clock.advance(6 * SECOND)

    assert [(line.minute // MINUTE, line.sum) for line in run_with(work)] == [(100, 1), (101, 2)]


def test_many_different_values_stay_few() -> None:
    """Because latencies differ in every request and memory must not grow with requests; percentiles err by about a hundredth."""

    async def work(clock: Clock, metrics: Metrics) -> None:
        for number in range(1, 20_001):
            metrics.add(*PLACE, number / 100)
        await metrics.flush()

    (line,) = run_with(work)
    assert line.samples == 20_000 and sum(line.values.values()) == 20_000 and len(line.values) < 1100
    half = 0.0
    for value in sorted(line.values):
        half += line.values[value]
        if half >= 10_000:
            assert abs(value - 100) < 1.5
            break
