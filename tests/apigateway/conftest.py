"""Clouds with API Gateway and a stand-in for Lambda."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haneul.services.apigateway.service import ApiGateway
from tests.apigateway.fakes import FakeLambda
from tests.support.running import Running

SERVICES = [ApiGateway, FakeLambda]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture(scope="module")
def gateway(cloud: Running):
    return cloud.client("apigateway")
