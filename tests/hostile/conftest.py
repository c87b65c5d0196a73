"""One whole cloud, in a process of its own, for everybody who means it harm."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.hostile.attack import Target


@pytest.fixture(scope="module")
def target(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    place: Path = tmp_path_factory.mktemp("data")
    with Target(place) as process:
        yield process
        process.is_well()
        assert process.stop() == 0
        process.said_nothing()
