"""Token buckets, against a model that adds up exactly."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from haneul.clock import SECOND, Clock
from haneul.clock.buckets import Bucket, Buckets


@given(st.integers(1, 5000), st.integers(1, 5000), st.lists(st.tuples(st.integers(0, 3 * SECOND), st.integers(1, 40)), max_size=30))
def test_a_bucket_counts_exactly(rate: int, burst: int, steps: list[tuple[int, int]]) -> None:
    """Because a limit that drifts lets too much or too little through."""
    bucket, level, now = Bucket(rate, burst, 0), Fraction(burst), 0
    for pause, requests in steps:
        now += pause
        level = min(Fraction(burst), level + Fraction(pause * rate, SECOND))
        for _ in range(requests):
            assert bucket.take(now) is (level >= 1)
            level -= 1 if level >= 1 else 0


def test_a_changed_limit_counts_at_once() -> None:
    """Because whoever raises a limit wants it now."""
    buckets = Buckets(Clock(frozen_at=0))
    assert [buckets.take(("a",), 1, 1) for _ in range(2)] == [True, False]
    assert [buckets.take(("a",), 2, 2) for _ in range(3)] == [True, True, False]
    assert buckets.take(("b",), 1, 1)
