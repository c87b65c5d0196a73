"""Clouds with CloudWatch Logs and stand-ins for what it calls."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haneul.services.logs.service import Logs
from tests.logs.fakes import FakeCloudWatch, FakeLambda
from tests.support.running import Running

SERVICES = [Logs, FakeLambda, FakeCloudWatch]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture(scope="module")
def logs(cloud: Running):
    return cloud.client("logs")
