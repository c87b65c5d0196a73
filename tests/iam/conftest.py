"""A cloud of identities only, shared by the tests of a file."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from haneul.services.iam.service import Iam
from haneul.services.sts.service import Sts
from tests.support.running import Running


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    """Use names of your own: the account is shared by the file."""
    with Running(services=[Iam, Sts]) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    """For a test that restarts, counts, or moves the clock."""
    with Running(services=[Iam, Sts]) as running:
        yield running


@pytest.fixture
def iam(cloud: Running) -> Any:
    return cloud.client("iam")
