"""A cloud with what these tests need."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from haneul.services.dynamodb.service import DynamoDb
from haneul.services.dynamodbstreams.service import DynamoDbStreams
from haneul.services.iam.service import Iam
from tests.support.running import Running

SERVICES: list[type] = [DynamoDb, DynamoDbStreams, Iam]


@pytest.fixture(scope="module")
def cloud() -> Iterator[Running]:
    """A running cloud shared by the tests of one file: use names of your own."""
    with Running(services=SERVICES) as running:
        yield running


@pytest.fixture
def fresh_cloud() -> Iterator[Running]:
    """A running cloud for one test alone."""
    with Running(services=SERVICES) as running:
        yield running
