"""Fixtures that every test may use."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.running import Running


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    """A running cloud shared by the tests of one file: use names of your own."""
    with Running() as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    """A running cloud for one test alone (one that moves the clock far, restarts, or counts things)."""
    with Running() as running:
        yield running
